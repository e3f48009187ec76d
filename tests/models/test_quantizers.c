/* The quantizers: the EMA codebook against golden values over three updates; codes, gradients, losses and revival against what their
 * definitions say. SPDX-License-Identifier: MIT */
#include "tests/support/golden.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void normal(const char *purpose, int64_t n, float *out)
{
    struct tess_stream s = {.seed = 21, .purpose = tess_purpose(purpose)};
    tess_random_normal(&s, 0, n, out);
}

/* A quantizer at work on vectors (rows x microbatches, D): input "latent", output "codes" and its totals. */
struct quantizer {
    struct fixture fixture;
    struct tess_instance *instance;
    const struct tess_quantizer_1 *ops;
    void *self;
    int64_t k, d, samples;
    int32_t *codes;
    float *counts, *sums;
    struct tess_tensor out, total[2];
    struct tess_batch batch;
};

static void open_quantizer(struct quantizer *q, const char *config_text, int64_t rows, int64_t microbatches)
{
    memset(q, 0, sizeof *q);
    fixture_open(&q->fixture, 2, rows, microbatches, 1);
    fixture_ok(&q->fixture, tess_instance_open(&q->fixture.context.context, "quantizer/1", config_text, "test", &q->instance));
    q->ops = tess_instance_ops(q->instance, "quantizer/1");
    q->self = tess_instance_self(q->instance);
    q->k = q->ops->codebook_size(q->self);
    q->d = q->ops->code_dim(q->self);
    q->samples = rows * microbatches;
}

static void close_quantizer(struct quantizer *q)
{
    tess_instance_close(q->instance);
    fixture_close(&q->fixture);
    free(q->codes);
    free(q->counts);
    free(q->sums);
}

static float *value(struct quantizer *q, const char *name)
{
    struct tess_tensor view;
    fixture_ok(&q->fixture, tess_weights_find(&q->fixture.context.context, q->fixture.weights, name, TESS_ROLE_VALUE, &view));
    return view.data;
}

/* ---- ema: its state over time ---- */

static void open_ema(struct quantizer *q, const char *config_text, int64_t rows, int64_t microbatches)
{
    struct tess_quantized out = {.size = sizeof out};
    open_quantizer(q, config_text, rows, microbatches);
    struct tess_graph *g = q->fixture.graph;
    struct tess_node *latent = tess_input(g, "latent", TESS_F32, 2, DIMS(rows, q->d));
    tess_scope(g, "quantizer");
    fixture_ok(&q->fixture, q->ops->record(q->self, &q->fixture.context.context, g, latent, &out));
    tess_scope_end(g);
    tess_output(g, "codes", out.codes);
    fixture_ok(&q->fixture, tess_graph_seal(&q->fixture.context.context, g));
    fixture_ok(&q->fixture, tess_weights_seal(&q->fixture.context.context, q->fixture.weights));
    q->codes = calloc((size_t)q->samples, sizeof *q->codes);
    q->counts = calloc((size_t)q->k, sizeof *q->counts);
    q->sums = calloc((size_t)(q->k * q->d), sizeof *q->sums);
    q->out = tess_tensor_over(q->codes, TESS_I32, 1, DIMS(q->samples));
    q->total[0] = tess_tensor_over(q->counts, TESS_F32, 1, DIMS(q->k));
    q->total[1] = tess_tensor_over(q->sums, TESS_F32, 2, DIMS(q->k, q->d));
    q->batch = (struct tess_batch){
        .size = sizeof q->batch, .samples = q->samples, .inputs = 1, .outputs = 1, .out = &q->out, .totals = 2, .total = q->total};
}

static void assign(struct quantizer *q, const float *latent)
{
    struct tess_tensor in = tess_tensor_over((void *)(uintptr_t)latent, TESS_F32, 2, DIMS(q->samples, q->d));
    q->batch.in = &in;
    fixture_ok(&q->fixture, tess_graph_run(&q->fixture.context.context, q->fixture.graph, &q->batch));
}

static void react(struct quantizer *q, const float *latent, uint32_t step)
{
    struct tess_tensor in = tess_tensor_over((void *)(uintptr_t)latent, TESS_F32, 2, DIMS(q->samples, q->d));
    struct tess_react r = {.size = sizeof r,
                           .step = step,
                           .seed = 77,
                           .weights = q->fixture.weights,
                           .scope = "quantizer",
                           .latents = &in,
                           .codes = &q->out,
                           .graph = q->fixture.graph,
                           .batch = &q->batch};
    fixture_ok(&q->fixture, q->ops->react(q->self, &q->fixture.context.context, &r));
}

/* The codebook, cluster sizes one, sums equal to the codebook: as published. */
static void start_from(struct quantizer *q, const float *codebook)
{
    float *size = value(q, "quantizer.cluster_size");
    memcpy(value(q, "quantizer.codebook"), codebook, (size_t)(q->k * q->d) * sizeof(float));
    memcpy(value(q, "quantizer.embed_sum"), codebook, (size_t)(q->k * q->d) * sizeof(float));
    for (int64_t i = 0; i < q->k; i++)
        size[i] = 1.0f;
    tess_weights_touch(q->fixture.weights);
}

static double distance(const struct quantizer *q, const float *z, const float *codebook, int64_t code)
{
    double sum = 0.0;
    for (int64_t i = 0; i < q->d; i++)
        sum += pow((double)z[i] - (double)codebook[code * q->d + i], 2.0);
    return sum;
}

/* Codes are the golden ones but where two rows of the codebook are equally near within f32; there the vector goes where the golden file,
 * which was computed in f64, has it. */
static void agree_on_codes(struct quantizer *q, const float *latent, const struct tess_tensor *golden)
{
    const float *codebook = value(q, "quantizer.codebook");
    for (int64_t i = 0; i < q->samples; i++) {
        const float *z = latent + i * q->d;
        int32_t ours = q->codes[i], theirs = ((int32_t *)golden->data)[i];
        if (ours == theirs)
            continue;
        ck_assert_msg(fabs(distance(q, z, codebook, ours) - distance(q, z, codebook, theirs)) <
                          1e-5 * (1.0 + distance(q, z, codebook, theirs)),
                      "vector %lld: code %d, golden %d", (long long)i, (int)ours, (int)theirs);
        q->counts[ours] -= 1.0f;
        q->counts[theirs] += 1.0f;
        for (int64_t j = 0; j < q->d; j++) {
            q->sums[ours * q->d + j] -= z[j];
            q->sums[theirs * q->d + j] += z[j];
        }
    }
}

START_TEST(ema_is_the_published_one)
{
    struct golden *golden = golden_open("ema.h5");
    struct tess_tensor before = golden_read(golden, "codebook_before", TESS_F32), latents = golden_read(golden, "latents", TESS_F32);
    int64_t n = latents.dim[1], microbatches = n % 4 == 0 ? 4 : 1;
    struct quantizer q;
    char config_text[256], path[64];
    snprintf(config_text, sizeof config_text,
             "{use: ema, codebook_size: %lld, code_dim: %lld, decay: %.17g, epsilon: %.17g, revive: 0, warmup: false}",
             (long long)golden_size(golden, "codebook_size"), (long long)golden_size(golden, "emb_dim"), golden_number(golden, "decay"),
             golden_number(golden, "epsilon"));
    open_ema(&q, config_text, n / microbatches, microbatches);
    start_from(&q, before.data);
    for (int i = 0; i < (int)latents.dim[0]; i++) {
        const float *latent = (const float *)latents.data + i * n * q.d;
        struct tess_tensor want[3];
        static const char *const names[3] = {"codes_%d", "codebook_%d", "cluster_size_%d"};
        for (int k = 0; k < 3; k++) {
            snprintf(path, sizeof path, names[k], i);
            want[k] = golden_read(golden, path, k ? TESS_F32 : TESS_I32);
        }
        assign(&q, latent);
        agree_on_codes(&q, latent, &want[0]);
        react(&q, latent, (uint32_t)i + 1);
        golden_near("codebook", value(&q, "quantizer.codebook"), &want[1], 1e-4, 0.0);
        golden_near("cluster sizes", value(&q, "quantizer.cluster_size"), &want[2], 1e-4, 0.0);
        for (int k = 0; k < 3; k++)
            free(want[k].data);
    }
    close_quantizer(&q);
    free(before.data);
    free(latents.data);
    golden_close(golden);
}
END_TEST

enum { K = 12, D = 3, N = 60 };

static int64_t row_of_batch(const float *row, const float *latent, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (memcmp(row, latent + i * D, D * sizeof(float)) == 0)
            return i;
    return -1;
}

START_TEST(ema_starts_from_vectors_of_the_batch)
{
    float latent[N * D];
    struct quantizer q;
    normal("latent", N * D, latent);
    open_ema(&q, "{use: ema, codebook_size: 12, code_dim: 3}", N / 4, 4);
    assign(&q, latent);
    react(&q, latent, 0);
    const float *codebook = value(&q, "quantizer.codebook"), *size = value(&q, "quantizer.cluster_size");
    const float *sum = value(&q, "quantizer.embed_sum");
    int seen[N] = {0};
    for (int64_t k = 0; k < K; k++) {
        int64_t from = row_of_batch(codebook + k * D, latent, N);
        ck_assert_int_ge(from, 0);
        ck_assert_int_eq(seen[from]++, 0); /* without replacement */
        ck_assert(size[k] == (float)N / K);
        for (int64_t i = 0; i < D; i++)
            ck_assert(sum[k * D + i] == size[k] * codebook[k * D + i]);
    }
    close_quantizer(&q);

    /* fewer vectors than codes: some serve twice, and no code is left over */
    open_ema(&q, "{use: ema, codebook_size: 12, code_dim: 3}", 5, 1);
    assign(&q, latent);
    react(&q, latent, 0);
    for (int64_t k = 0; k < K; k++)
        ck_assert_int_ge(row_of_batch(value(&q, "quantizer.codebook") + k * D, latent, 5), 0);
    close_quantizer(&q);
}
END_TEST

START_TEST(ema_from_normal_draws_keeps_its_codebook)
{
    float latent[N * D], before[K * D];
    struct quantizer q;
    normal("latent", N * D, latent);
    open_ema(&q, "{use: ema, codebook_size: 12, code_dim: 3, init: normal, decay: 0.5, epsilon: 1e-9, warmup: false}", N / 4, 4);
    memcpy(before, value(&q, "quantizer.codebook"), sizeof before);
    assign(&q, latent);
    react(&q, latent, 0);
    for (int64_t k = 0; k < K; k++) /* e = (N/K e + sum) / (N/K + n) with decay 1/2 */
        for (int64_t i = 0; i < D; i++) {
            double want = (5.0 * (double)before[k * D + i] + (double)q.sums[k * D + i]) / (5.0 + (double)q.counts[k]);
            ck_assert(fabs((double)value(&q, "quantizer.codebook")[k * D + i] - want) < 1e-5);
        }
    close_quantizer(&q);
}
END_TEST

START_TEST(ema_settles_on_the_means)
{
    /* fed the same batch and assignment again and again, the averages forget their start */
    float latent[N * D], *codebook, *size, total = 0.0f;
    struct quantizer q;
    normal("latent", N * D, latent);
    open_ema(&q, "{use: ema, codebook_size: 12, code_dim: 3, decay: 0.9, epsilon: 1e-9, revive: 0, warmup: false}", N / 4, 4);
    start_from(&q, latent);
    assign(&q, latent);
    for (uint32_t i = 1; i <= 400; i++)
        react(&q, latent, i);
    codebook = value(&q, "quantizer.codebook");
    size = value(&q, "quantizer.cluster_size");
    for (int64_t k = 0; k < K; k++) {
        ck_assert(q.counts[k] > 0.0f); /* each code is itself one of the vectors */
        ck_assert(fabsf(size[k] - q.counts[k]) < 1e-3f);
        total += size[k];
        for (int64_t i = 0; i < D; i++)
            ck_assert(fabsf(codebook[k * D + i] - q.sums[k * D + i] / q.counts[k]) < 1e-4f);
    }
    ck_assert(fabsf(total - N) < 1e-2f);
    close_quantizer(&q);
}
END_TEST

struct state {
    float codebook[K * D], size[K], sum[K * D];
};

/* All counts 2, then one reaction at `step`: the counts' sum is keep 2 K + (1 - keep) N. */
static double kept_at(const char *config_text, uint32_t step, const float *latent)
{
    struct quantizer q;
    double sum = 0.0;
    open_ema(&q, config_text, N / 4, 4);
    start_from(&q, latent);
    float *size = value(&q, "quantizer.cluster_size");
    for (int64_t k = 0; k < K; k++)
        size[k] = 2.0f;
    assign(&q, latent);
    react(&q, latent, step);
    for (int64_t k = 0; k < K; k++)
        sum += (double)size[k];
    close_quantizer(&q);
    return (sum - N) / (2.0 * K - N);
}

START_TEST(early_averages_are_short)
{
    float latent[N * D];
    struct tess_stream s = {.seed = 9, .purpose = 9};
    const char *warm = "{use: ema, codebook_size: 12, code_dim: 3, decay: 0.9, revive: 0}";
    const char *plain = "{use: ema, codebook_size: 12, code_dim: 3, decay: 0.9, revive: 0, warmup: false}";
    tess_random_normal(&s, 0, N * D, latent);
    ck_assert(fabs(kept_at(warm, 1, latent) - 2.0 / 11.0) < 1e-5);
    ck_assert(fabs(kept_at(warm, 40, latent) - 41.0 / 50.0) < 1e-5);
    ck_assert(fabs(kept_at(warm, 1000, latent) - 0.9) < 1e-5);
    ck_assert(fabs(kept_at(plain, 1, latent) - 0.9) < 1e-5);
}
END_TEST

/* Codes 0, 3 and 7 stand where no vector is near and have hardly been used. */
static const int dead[3] = {0, 3, 7};

static void neglect(const char *revive, uint32_t step, const float *latent, struct state *out)
{
    struct quantizer q;
    char config_text[128];
    snprintf(config_text, sizeof config_text, "{use: ema, codebook_size: 12, code_dim: 3, revive: %s, warmup: false}", revive);
    open_ema(&q, config_text, N / 4, 4);
    start_from(&q, latent);
    float *codebook = value(&q, "quantizer.codebook"), *size = value(&q, "quantizer.cluster_size");
    for (int64_t k = 0; k < K; k++)
        size[k] = 5.0f;
    for (int i = 0; i < 3; i++) {
        size[dead[i]] = 0.1f;
        for (int64_t j = 0; j < D; j++)
            codebook[dead[i] * D + j] = 100.0f + (float)i;
    }
    assign(&q, latent);
    react(&q, latent, step);
    memcpy(out->codebook, codebook, sizeof out->codebook);
    memcpy(out->size, size, sizeof out->size);
    memcpy(out->sum, value(&q, "quantizer.embed_sum"), sizeof out->sum);
    close_quantizer(&q);
}

START_TEST(ema_revives_dead_codes_with_vectors_of_the_batch)
{
    float latent[N * D];
    struct state plain, revived, again, later;
    normal("latent", N * D, latent);
    neglect("0", 4, latent, &plain);
    neglect("0.5", 4, latent, &revived);
    neglect("0.5", 4, latent, &again);
    neglect("0.5", 5, latent, &later);
    ck_assert(memcmp(&revived, &again, sizeof revived) == 0);
    ck_assert(memcmp(&revived, &later, sizeof revived) != 0); /* each step draws anew */
    int64_t from[3];
    for (int i = 0; i < 3; i++) {
        int64_t k = dead[i];
        ck_assert(plain.size[k] < 0.1f && row_of_batch(plain.codebook + k * D, latent, N) < 0);
        from[i] = row_of_batch(revived.codebook + k * D, latent, N);
        ck_assert_int_ge(from[i], 0);
        ck_assert(revived.size[k] == 0.5f * (float)N / K);
        for (int64_t j = 0; j < D; j++) {
            ck_assert(revived.sum[k * D + j] == revived.size[k] * revived.codebook[k * D + j]);
            plain.codebook[k * D + j] = revived.codebook[k * D + j];
            plain.sum[k * D + j] = revived.sum[k * D + j];
        }
        plain.size[k] = revived.size[k];
    }
    ck_assert(from[0] != from[1] && from[1] != from[2] && from[0] != from[2]);
    ck_assert(memcmp(&plain, &revived, sizeof plain) == 0); /* the living are not touched */
}
END_TEST

/* ---- all: codes, gradients, losses ---- */

static const char *const all[] = {"nearest", "ema", "refit"};

/* Codes of the latents under the codebook `book`, and the rows that lookup gives for them. */
static void assign_and_look_up(const char *use, const float *latent, const float *codebook, int32_t *codes, float *rows)
{
    struct quantizer q;
    char config_text[128];
    struct tess_node *c, *z;
    snprintf(config_text, sizeof config_text, "{use: %s, codebook_size: %d, code_dim: %d}", use, K, D);
    open_quantizer(&q, config_text, N, 1);
    struct tess_graph *g = q.fixture.graph;
    ck_assert(q.k == K && q.d == D);
    tess_scope(g, "quantizer");
    struct tess_node *in = tess_input(g, "latent", TESS_F32, 4, DIMS(N, 1, 1, D));
    fixture_ok(&q.fixture, q.ops->record_assign(q.self, &q.fixture.context.context, g, in, &c));
    fixture_ok(&q.fixture, q.ops->record_lookup(q.self, &q.fixture.context.context, g, c, &z));
    tess_scope_end(g);
    tess_output(g, "codes", c);
    tess_output(g, "rows", z);
    fixture_ok(&q.fixture, tess_graph_seal(&q.fixture.context.context, g));
    fixture_ok(&q.fixture, tess_weights_seal(&q.fixture.context.context, q.fixture.weights));
    memcpy(value(&q, "quantizer.codebook"), codebook, K * D * sizeof *codebook);
    tess_weights_touch(q.fixture.weights);
    struct tess_tensor given = tess_tensor_over((void *)(uintptr_t)latent, TESS_F32, 4, DIMS(N, 1, 1, D));
    struct tess_tensor out[2] = {tess_tensor_over(codes, TESS_I32, 3, DIMS(N, 1, 1)),
                                 tess_tensor_over(rows, TESS_F32, 4, DIMS(N, 1, 1, D))};
    struct tess_batch batch = {.size = sizeof batch, .samples = N, .inputs = 1, .in = &given, .outputs = 2, .out = out};
    fixture_ok(&q.fixture, tess_graph_run(&q.fixture.context.context, g, &batch));
    close_quantizer(&q);
}

START_TEST(permuting_the_codebook_permutes_the_codes)
{
    float latent[N * D], codebook[K * D], moved[K * D], rows[N * D], moved_rows[N * D];
    int32_t codes[N], moved_codes[N];
    normal("latent", N * D, latent);
    normal("book", K * D, codebook);
    for (int64_t k = 0; k < K; k++)
        memcpy(moved + (5 * k + 2) % K * D, codebook + k * D, D * sizeof(float));
    assign_and_look_up(all[_i], latent, codebook, codes, rows);
    assign_and_look_up(all[_i], latent, moved, moved_codes, moved_rows);
    for (int64_t i = 0; i < N; i++) {
        ck_assert_int_eq(moved_codes[i], (5 * codes[i] + 2) % K);
        ck_assert(memcmp(rows + i * D, codebook + codes[i] * D, D * sizeof(float)) == 0);
    }
    ck_assert(memcmp(rows, moved_rows, sizeof rows) == 0);
    assign_and_look_up(all[_i], rows, codebook, moved_codes, moved_rows); /* vectors on the grid stay there */
    ck_assert(memcmp(codes, moved_codes, sizeof codes) == 0);
}
END_TEST

struct weighting {
    const char *config_text;
    double commitment, update; /* weights of the two terms */
};
static const struct weighting weightings[] = {{"{use: nearest, codebook_size: 12, code_dim: 3, beta: 0.3, beta_on: commitment}", 0.3, 1.0},
                                              {"{use: nearest, codebook_size: 12, code_dim: 3, beta: 0.3, beta_on: codebook}", 1.0, 0.3},
                                              {"{use: ema, codebook_size: 12, code_dim: 3, beta: 0.3}", 0.3, 0.0},
                                              {"{use: refit, codebook_size: 12, code_dim: 3}", 0.0, 1.0}};

/* The objective mean(z_q v) + loss by hand. Through the straight-through estimator the latent z feels v / n, as if z_q were z; the
 * commitment term adds 2 w (z - e) / n, the codebook gets 2 w' (e - z) / n from its own term and nothing from the decoder's side. */
START_TEST(gradients_pass_straight_through)
{
    const struct weighting *w = &weightings[_i];
    struct quantizer q;
    struct tess_quantized out = {.size = sizeof out};
    float v[N * D], loss[2], codebook[K * D];
    int32_t codes[N];
    double want_codebook[K * D] = {0}, square = 0.0, product = 0.0, n = N * D;
    open_quantizer(&q, w->config_text, N, 1);
    struct tess_graph *g = q.fixture.graph;
    struct tess_node *latent = normal_weight(g, "latent", 2, DIMS(N, D), 0, 1), *given = tess_input(g, "v", TESS_F32, 2, DIMS(N, D));
    tess_scope(g, "quantizer");
    fixture_ok(&q.fixture, q.ops->record(q.self, &q.fixture.context.context, g, latent, &out));
    tess_scope_end(g);
    struct tess_node *use = tess_mean_all(g, tess_mul(g, out.quantised, given));
    tess_output(g, "codes", out.codes);
    tess_objective(g, "loss", "", tess_add(g, use, out.loss));
    fixture_ok(&q.fixture, tess_graph_seal(&q.fixture.context.context, g));
    fixture_ok(&q.fixture, tess_weights_seal(&q.fixture.context.context, q.fixture.weights));
    normal("book", K * D, codebook);
    memcpy(value(&q, "quantizer.codebook"), codebook, sizeof codebook);
    tess_weights_touch(q.fixture.weights);
    normal("v", N * D, v);
    struct tess_tensor in = tess_tensor_over(v, TESS_F32, 2, DIMS(N, D)), code_out = tess_tensor_over(codes, TESS_I32, 1, DIMS(N)), dz, de;
    struct tess_tensor total = tess_tensor_over(loss, TESS_F32, 0, NULL);
    struct tess_batch batch = {
        .size = sizeof batch, .samples = N, .inputs = 1, .in = &in, .outputs = 1, .out = &code_out, .totals = 1, .total = &total};
    fixture_ok(&q.fixture, tess_graph_step(&q.fixture.context.context, g, &batch));
    fixture_ok(&q.fixture, tess_graph_gradient(&q.fixture.context.context, g, "latent", &dz));
    const float *z = value(&q, "latent");
    for (int64_t i = 0; i < N * D; i++) {
        int64_t at = codes[i / D] * D + i % D;
        double off = (double)z[i] - (double)codebook[at];
        double want = (double)v[i] / n + 2.0 * w->commitment * off / n;
        ck_assert_msg(fabs((double)((float *)dz.data)[i] - want) < 1e-7, "latent %lld", (long long)i);
        want_codebook[at] -= 2.0 * w->update * off / n;
        square += off * off / n;
        product += (double)codebook[at] * (double)v[i] / n;
    }
    ck_assert(fabs((double)loss[0] - product - (w->commitment + w->update) * square) < 1e-5);
    if (w->update > 0.0) {
        fixture_ok(&q.fixture, tess_graph_gradient(&q.fixture.context.context, g, "quantizer.codebook", &de));
        for (int64_t i = 0; i < K * D; i++)
            ck_assert_msg(fabs((double)((float *)de.data)[i] - want_codebook[i]) < 1e-6, "codebook %lld", (long long)i);
    } else {
        ck_assert_int_eq(tess_weights_size(q.fixture.weights), N * D); /* the codebook is state, not a trained weight */
    }
    close_quantizer(&q);
}
END_TEST

/* ---- rebuilding ---- */

enum { POOL = 600 };

static int rebuild(const char *use, struct tess_tensor *pool, float *codebook, char message[512])
{
    struct quantizer q;
    char config_text[128];
    snprintf(config_text, sizeof config_text, "{use: %s, codebook_size: %d, code_dim: %d}", use, K, D);
    open_quantizer(&q, config_text, 1, 1);
    struct tess_tensor out = tess_tensor_over(codebook, TESS_F32, 2, DIMS(K, D));
    int status = q.ops->rebuild(q.self, &q.fixture.context.context, pool, 5, &out);
    snprintf(message, 512, "%s", tessi_base_context_message(&q.fixture.context.context));
    close_quantizer(&q);
    return status;
}

static double to_nearest(const float *pool, const float *codebook)
{
    double sum = 0.0;
    for (int64_t i = 0; i < POOL; i++) {
        double best = INFINITY;
        for (int64_t k = 0; k < K; k++) {
            double square = 0.0;
            for (int64_t j = 0; j < D; j++)
                square += pow((double)pool[i * D + j] - (double)codebook[k * D + j], 2.0);
            best = square < best ? square : best;
        }
        sum += best / POOL;
    }
    return sum;
}

/* Around K places there are K codes, one at the mean of each; all quantizers make the same ones of the same pool and seed. */
START_TEST(a_codebook_is_made_of_a_pool)
{
    float vectors[POOL * D], codebook[K * D], other[K * D];
    char message[512];
    struct tess_tensor pool = tess_tensor_over(vectors, TESS_F32, 2, DIMS(POOL, D));
    normal("pool", POOL * D, vectors);
    for (int64_t i = 0; i < POOL * D; i++)
        vectors[i] = 0.01f * vectors[i] + (float)(i / D % K * (1 + i % D) % 7) + (float)(i / D % K);
    ck_assert_msg(rebuild(all[_i], &pool, codebook, message) == TESS_OK, "%s", message);
    for (int64_t k = 0; k < K; k++)
        for (int64_t i = 0; i < k; i++)
            ck_assert(memcmp(codebook + k * D, codebook + i * D, D * sizeof(float)) != 0);
    ck_assert_msg(to_nearest(vectors, codebook) < 2.0 * D * 1e-4, "mean square %g", to_nearest(vectors, codebook));
    ck_assert_int_eq(rebuild("nearest", &pool, other, message), TESS_OK);
    ck_assert(memcmp(codebook, other, sizeof codebook) == 0);
}
END_TEST

START_TEST(pools_that_make_no_codebook)
{
    float vectors[POOL * D] = {0}, codebook[K * D];
    char message[512];
    struct tess_tensor pool = tess_tensor_over(vectors, TESS_F32, 2, DIMS(POOL, D));
    ck_assert_int_eq(rebuild(all[_i], &pool, codebook, message), TESS_E_DATA);
    ck_assert_msg(strstr(message, "the 600 vectors of the pool are all the same, which makes no 12 codes"), "%s", message);
    for (int64_t i = 0; i < POOL; i++)
        vectors[i * D + 1] = i % 2 ? (float)(i / 2 % (K / 2)) : -0.0f * (float)(i / 2 % (K / 2)); /* -0 is 0: 6 different ones */
    ck_assert_int_eq(rebuild(all[_i], &pool, codebook, message), TESS_E_DATA);
    ck_assert_msg(strstr(message, "the 600 vectors of the pool are only 6 different ones, too few for 12 codes; give a larger pool"), "%s",
                  message);
    pool.dim[0] = K - 1;
    ck_assert_int_eq(rebuild(all[_i], &pool, codebook, message), TESS_E_VALUE);
    ck_assert_msg(strstr(message, "a pool of 11 vectors cannot be made 12 codes"), "%s", message);
    pool = tess_tensor_over(vectors, TESS_F32, 2, DIMS(POOL / 2, 2 * D));
    ck_assert_int_eq(rebuild(all[_i], &pool, codebook, message), TESS_E_SHAPE);
    ck_assert_msg(strstr(message, "is f32 (300, 6); f32 vectors of 3 values are wanted"), "%s", message);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("quantizers");
    TCase *t = tcase_create("quantizers");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, early_averages_are_short);
    tcase_add_test(t, ema_is_the_published_one);
    tcase_add_test(t, ema_starts_from_vectors_of_the_batch);
    tcase_add_test(t, ema_from_normal_draws_keeps_its_codebook);
    tcase_add_test(t, ema_settles_on_the_means);
    tcase_add_test(t, ema_revives_dead_codes_with_vectors_of_the_batch);
    tcase_add_loop_test(t, permuting_the_codebook_permutes_the_codes, 0, 3);
    tcase_add_loop_test(t, gradients_pass_straight_through, 0, (int)(sizeof weightings / sizeof *weightings));
    tcase_add_loop_test(t, a_codebook_is_made_of_a_pool, 0, 3);
    tcase_add_loop_test(t, pools_that_make_no_codebook, 0, 3);
    suite_add_tcase(s, t);
    return suite_run(s);
}
