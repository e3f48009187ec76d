/* See evaluate_bound.h; docs/models.md, (12.2). SPDX-License-Identifier: MIT */
#include "plugins/stages/evaluate/evaluate_bound.h"

#include "kit/metric/mean_error.h"

#include <math.h>
#include <string.h>

/* Batch of the graph: inputs x0, xt, t and, where there are labels, label; and the output. */
struct bound_batch {
    struct tess_tensor in[4], out;
    int32_t inputs;
};

int64_t evaluate_bound_draws(const struct tess_prior *p, int64_t draws)
{
    return tess_prior_causal(p) ? 1 : draws;
}

static int64_t bound_bins(const struct tess_prior *p)
{
    int64_t steps = tess_prior_steps(p);
    return tess_prior_causal(p) ? 0 : steps < EVALUATE_BINS ? steps : EVALUATE_BINS;
}

int64_t evaluate_bound_bytes(const struct tess_prior *p, int64_t count, int64_t batch)
{
    int64_t sequence = tess_prior_tokens(p) * (int64_t)sizeof(int32_t);
    return 2 * batch * sequence + count * (1 + 2 * bound_bins(p)) * (int64_t)sizeof(double);
}

static int bound_batch_open(struct tess_context *ctx, const struct evaluate_bound *b, struct bound_batch *batch)
{
    const int64_t size[2] = {b->batch, tess_prior_tokens(b->prior)};
    batch->inputs = b->labels ? 4 : 3;
    TESS_TRY(stage_tensor(ctx, &batch->in[0], TESS_I32, 2, size));
    TESS_TRY(stage_tensor(ctx, &batch->in[1], TESS_I32, 2, size));
    TESS_TRY(stage_tensor(ctx, &batch->in[2], TESS_F32, 1, size));
    if (b->labels)
        TESS_TRY(stage_tensor(ctx, &batch->in[3], TESS_I32, 1, size));
    return stage_tensor(ctx, &batch->out, TESS_F32, 1, size);
}

static void bound_batch_close(struct bound_batch *batch)
{
    for (int i = 0; i < 4; i++)
        tess_free(batch->in[i].data);
    tess_free(batch->out.data);
}

/* Fills row j with draw number `at` of all: draw i of a sequence has its t in the i-th of `draws` equal parts of 1 .. T (12.2). */
static int bound_batch_put(struct tess_context *ctx, const struct evaluate_bound *b, struct bound_batch *batch, int64_t at, int64_t j)
{
    int64_t tokens = tess_prior_tokens(b->prior);
    struct tess_stream s = {
        .seed = b->seed, .purpose = tess_purpose("evaluate.time"), .step = (uint32_t)(at % b->draws), .sample = (uint32_t)(at / b->draws)};
    float u;
    int32_t *x0 = (int32_t *)batch->in[0].data + j * tokens, *xt = (int32_t *)batch->in[1].data + j * tokens;
    tess_random_uniform(&s, 0, 1, &u);
    int64_t t = 1 + (int64_t)(((double)s.step + (double)u) / (double)b->draws * (double)tess_prior_steps(b->prior));
    memcpy(x0, b->codes + at / b->draws * tokens, (size_t)tokens * sizeof *x0);
    s.purpose = tess_purpose("evaluate.corrupt");
    ((float *)batch->in[2].data)[j] = (float)t;
    if (b->labels)
        ((int32_t *)batch->in[3].data)[j] = b->labels[at / b->draws];
    return tess_prior_corrupt(ctx, b->prior, &s, t, x0, xt);
}

/* Adds draw number `at` of all, at time t. */
static void bound_add(struct evaluate_bound *b, int64_t at, int64_t t, double bits)
{
    int64_t sequence = at / b->draws, bin = b->bins ? (t - 1) * b->bins / tess_prior_steps(b->prior) : 0;
    b->each[sequence] += bits / (double)b->draws;
    if (b->bins) {
        b->binned[bin * b->count + sequence] += bits;
        b->binned[(b->bins + bin) * b->count + sequence] += 1.0;
    }
}

static int bound_compute(struct tess_context *ctx, struct evaluate_bound *b, struct bound_batch *batch)
{
    int64_t all = b->count * b->draws;
    double sum = 0.0, constant;
    TESS_TRY(bound_batch_open(ctx, b, batch));
    for (int64_t i = 0; i < all; i += b->batch) {
        int64_t n = all - i < b->batch ? all - i : b->batch;
        TESS_TRY(stage_check_stop(ctx, b->run, i, all, "sequence"));
        for (int64_t j = 0; j < n; j++)
            TESS_TRY(bound_batch_put(ctx, b, batch, i + j, j));
        TESS_TRY(stage_graph_run(ctx, b->loss, 0, i, n, batch->inputs, batch->in, 1, &batch->out));
        for (int64_t j = 0; j < n; j++) {
            double bits = (double)((const float *)batch->out.data)[j];
            sum += bits;
            bound_add(b, i + j, (int64_t)((const float *)batch->in[2].data)[j], bits);
        }
        tess_stage_progress(b->run, b->count + (i + n) / b->draws, 2 * b->count, "image", NULL, 0.0);
    }
    TESS_TRY(tess_prior_bound_constant(ctx, b->prior, &constant));
    b->bits = sum / (double)all + constant;
    if (!isfinite(b->bits))
        return ctx->fail(ctx, TESS_E_FAILED, "noise `%s`: its bound is %g bits per code; the prior has diverged, or `record_loss` is wrong",
                         tess_instance_name(b->prior->noise), b->bits);
    if (b->bits < -1e-4)
        return ctx->fail(
            ctx, TESS_E_PLUGIN,
            "noise `%s`, record_loss: its bound is %g bits per code, below 0, which no code length is: `tessera check` tests it",
            tess_instance_name(b->prior->noise), b->bits);
    return TESS_OK;
}

int evaluate_bound_compute(struct tess_context *ctx, struct evaluate_bound *b)
{
    struct bound_batch batch = {.inputs = 0};
    void *each, *binned = NULL;
    b->draws = evaluate_bound_draws(b->prior, b->draws);
    b->bins = bound_bins(b->prior);
    TESS_TRY(tess_alloc(ctx, (size_t)b->count * sizeof(double), "bounds of sequences", &each));
    b->each = each;
    if (b->bins)
        TESS_TRY(tess_alloc(ctx, (size_t)(2 * b->bins * b->count) * sizeof(double), "bounds by time", &binned));
    b->binned = binned;
    int status = bound_compute(ctx, b, &batch);
    bound_batch_close(&batch);
    return status;
}

void evaluate_bound_close(struct evaluate_bound *b)
{
    tess_free(b->each);
    tess_free(b->binned);
}

/* First time of a bin: the smallest t of 1 .. T with (t - 1) bins / T rounded down >= bin. */
static int64_t bound_first_time(const struct evaluate_bound *b, int64_t bin)
{
    int64_t steps = tess_prior_steps(b->prior);
    return 1 + (bin * steps + b->bins - 1) / b->bins;
}

static int bound_put_times(struct tess_context *ctx, const struct evaluate_bound *b, struct tess_artefact *a)
{
    struct tess_dataset bits = {.size = sizeof bits, .labels = "bin", .unit = "bits/code"}, plain = {.size = sizeof plain, .labels = "bin"};
    float mean[EVALUATE_BINS], error[EVALUATE_BINS];
    int32_t first[EVALUATE_BINS], draws[EVALUATE_BINS];
    const struct tess_tensor times = tess_tensor_over(first, TESS_I32, 1, &b->bins), drawn = tess_tensor_over(draws, TESS_I32, 1, &b->bins);
    const struct tess_tensor means = tess_tensor_over(mean, TESS_F32, 1, &b->bins), errors = tess_tensor_over(error, TESS_F32, 1, &b->bins);
    for (int64_t i = 0; i < b->bins; i++) {
        const double *sum = b->binned + i * b->count, *count = b->binned + (b->bins + i) * b->count;
        const struct mean_error e = mean_error_of_groups(sum, count, b->count);
        mean[i] = (float)e.mean;
        error[i] = (float)e.standard_error;
        first[i] = (int32_t)bound_first_time(b, i);
        draws[i] = 0;
        for (int64_t k = 0; k < b->count; k++)
            draws[i] += (int32_t)count[k];
    }
    TESS_TRY(tess_attrs_set_i64(ctx, tess_artefact_describe(a), "times", tess_prior_steps(b->prior)));
    TESS_TRY(tess_artefact_put(ctx, a, "bound/first_time", &times, &plain));
    TESS_TRY(tess_artefact_put(ctx, a, "bound/draws", &drawn, &plain));
    TESS_TRY(tess_artefact_put(ctx, a, "bound/bits", &means, &bits));
    return tess_artefact_put(ctx, a, "bound/standard_error", &errors, &bits);
}

int evaluate_bound_put(struct tess_context *ctx, const struct evaluate_bound *b, struct tess_artefact *a)
{
    struct tess_metric_value v = TESS_METRIC_VALUE("prior's bound", b->bits, "bits/code", TESS_METRIC_LOWER);
    v.standard_error = mean_error_of(b->each, b->count).standard_error;
    TESS_TRY(tess_artefact_put_metric_value(ctx, a, &v));
    return b->bins ? bound_put_times(ctx, b, a) : TESS_OK;
}
