/* Kind quantizer/1: sizes and codes. judge_quantizer_codes.c has the vectors of codes, judge_quantizer_training.c the tests of training.
 * SPDX-License-Identifier: MIT */
#include "core/judge/judge_quantizer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- recording ----------------------------------------------------------------------------------------------------- */

int judge_quantizer_outside(const struct tess_quantizer_1 *ops, void *self)
{
    return TESS_HAS(ops, outside_latent_space) && ops->outside_latent_space && ops->outside_latent_space(self);
}

int64_t judge_quantizer_depth(const struct tess_quantizer_1 *ops, void *self)
{
    return TESS_HAS(ops, depth) && ops->depth ? ops->depth(self) : 1;
}

int64_t judge_quantizer_level_size(const struct tess_quantizer_1 *ops, void *self, int64_t level)
{
    return TESS_HAS(ops, level_size) && ops->level_size ? ops->level_size(self, level) : ops->codebook_size(self);
}

int32_t judge_quantizer_codes_shape(const struct judge_piece *p, int64_t dim[5])
{
    int64_t depth = judge_quantizer_depth(p->ops, p->self);
    const int64_t shape[5] = {p->rows, QUANTIZER_HEIGHT, QUANTIZER_WIDTH, depth, 1};
    memcpy(dim, shape, sizeof shape);
    return depth > 1 ? 4 : 3;
}

static struct tess_node *quantizer_latent(struct judge_piece *p)
{
    const struct tess_quantizer_1 *ops = p->ops;
    const int64_t dim[4] = {p->rows, QUANTIZER_HEIGHT, QUANTIZER_WIDTH, ops->code_dim(p->self)};
    return judge_input(p, "latent", TESS_F32, 4, dim, JUDGE_FILL_NORMAL, 0);
}

int judge_quantizer_record(struct judge_piece *p)
{
    const struct tess_quantizer_1 *ops = p->ops;
    struct tess_quantized out = {.size = sizeof out};
    struct tess_node *latent = quantizer_latent(p);
    struct tess_tensor shape = tess_shape(latent);
    int64_t dim[5];
    TESS_TRY(ops->record(p->self, p->ctx, p->graph, latent, &out));
    judge_gives(p, "quantised", out.quantised, TESS_F32, 4, shape.dim);
    judge_gives(p, "codes", out.codes, TESS_I32, judge_quantizer_codes_shape(p, dim), dim);
    judge_gives(p, "loss", out.loss, TESS_F32, 0, dim);
    return TESS_OK;
}

static int quantizer_record_assign(struct judge_piece *p)
{
    const struct tess_quantizer_1 *ops = p->ops;
    struct tess_node *codes = NULL;
    int64_t dim[5];
    TESS_TRY(ops->record_assign(p->self, p->ctx, p->graph, quantizer_latent(p), &codes));
    judge_gives(p, "codes", codes, TESS_I32, judge_quantizer_codes_shape(p, dim), dim);
    return TESS_OK;
}

static int quantizer_record_lookup(struct judge_piece *p)
{
    const struct tess_quantizer_1 *ops = p->ops;
    struct tess_node *quantised = NULL;
    int64_t dim[5], least = INT32_MAX, depth = judge_quantizer_depth(ops, p->self);
    for (int64_t l = 0; l < depth; l++) {
        int64_t size = judge_quantizer_level_size(ops, p->self, l);
        least = size < least ? size : least;
    }
    struct tess_node *codes =
        judge_input(p, "codes", TESS_I32, judge_quantizer_codes_shape(p, dim), dim, JUDGE_FILL_CODES, least > 0 ? least : 1);
    TESS_TRY(ops->record_lookup(p->self, p->ctx, p->graph, codes, &quantised));
    const int64_t shape[4] = {p->rows, QUANTIZER_HEIGHT, QUANTIZER_WIDTH, ops->code_dim(p->self)};
    judge_gives(p, "quantised", quantised, TESS_F32, 4, shape);
    return TESS_OK;
}

/* Workloads of a quantizer. A code's vector is smooth in the codebook; an assignment is not, and the terms of the loss are cut on purpose.
 * */
const struct judge_workload judge_quantizer_workloads[] = {{.name = "record", .training = 1, .sizes = 1, .record = judge_quantizer_record},
                                                     {.name = "record_assign", .sizes = 1, .record = quantizer_record_assign},
                                                     {.name = "record_lookup", .smooth = 1, .sizes = 1, .record = quantizer_record_lookup},
                                                     {.name = NULL}};

/* ---- sizes --------------------------------------------------------------------------------------------------------- */

static int quantizer_sizes_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_quantizer_1 *ops = tess_instance_ops(i, "quantizer/1");
    void *self = tess_instance_self(i);
    int64_t size = ops->codebook_size(self), dim = ops->code_dim(self), depth = judge_quantizer_depth(ops, self), largest = 0;
    if (size < 2 || size > (int64_t)1 << 30)
        return judge_fail(j, "codebook_size: wanted 2 .. 2^30, found %lld", (long long)size);
    if (dim < 1)
        return judge_fail(j, "code_dim: wanted at least 1, found %lld", (long long)dim);
    if (depth < 1 || depth > TESS_DEPTH_MAX)
        return judge_fail(j, "depth: wanted 1 .. %d, found %lld", TESS_DEPTH_MAX, (long long)depth);
    for (int64_t l = 0; l < depth; l++) {
        int64_t level = judge_quantizer_level_size(ops, self, l);
        if (level < 2 || level > size)
            return judge_fail(j, "level_size of level %lld: wanted 2 .. %lld, found %lld", (long long)l, (long long)size, (long long)level);
        largest = level > largest ? level : largest;
    }
    if (largest != size)
        return judge_fail(j, "wanted a level of %lld codes, which is codebook_size, found at most %lld", (long long)size,
                          (long long)largest);
    if (ops->codebook_size(self) != size || ops->code_dim(self) != dim || judge_quantizer_depth(ops, self) != depth)
        return judge_fail(j, "wanted the same sizes when asked again");
    return TESS_OK;
}

static int quantizer_sizes(struct judge *j)
{
    return judge_over(j, 8 * (int64_t)j->level, quantizer_sizes_body);
}

/* ---- codes --------------------------------------------------------------------------------------------------------- */

int judge_quantizer_codes_fit(struct judge *j, const struct judge_piece *p, const char *of)
{
    const struct tess_tensor *codes = judge_output(p, "codes");
    int64_t depth = judge_quantizer_depth(p->ops, p->self);
    for (int64_t n = tess_tensor_count(codes), i = 0; i < n; i++) {
        int32_t code = ((const int32_t *)codes->data)[i];
        int64_t size = judge_quantizer_level_size(p->ops, p->self, i % depth);
        if (code < 0 || code >= size)
            return judge_fail(j, "%s of %s: wanted codes in [0, %lld), found %d at %lld", p->work->name, of, (long long)size, (int)code,
                              (long long)i);
    }
    return TESS_OK;
}

int judge_quantizer_run(struct judge_piece *p)
{
    return judge_ok(p->j, p->ctx, p->work->name, judge_piece_run(p, 0));
}

static int quantizer_range_body(struct judge *j, struct tess_instance *i)
{
    const float scale[5] = {1.0f, 0.0f, 1e-3f, 30.0f, 1e4f};
    char of[48];
    int status = TESS_OK;
    for (int w = 0; w < 2 && status == TESS_OK; w++) {
        struct judge_piece p = {.j = j, .ctx = j->ctx, .work = &judge_quantizer_workloads[w], .instance = i, .rows = 8, .microbatches = 1};
        status = judge_piece_begin(&p);
        for (int k = 0; k < 5 && status == TESS_OK; k++) {
            float *z = p.in[0].value.data;
            for (int64_t n = tess_tensor_count(&p.in[0].value), at = 0; at < n; at++) {
                float unit;
                const struct tess_stream s = {.seed = j->seed, .step = (uint32_t)k};
                tess_random_normal(&s, (uint64_t)at, 1, &unit);
                z[at] = scale[k] * unit;
            }
            snprintf(of, sizeof of, "latents of spread %g", (double)scale[k]);
            status = judge_quantizer_run(&p);
            if (status == TESS_OK)
                status = judge_quantizer_codes_fit(j, &p, of);
        }
        judge_piece_close(&p);
    }
    return status;
}

static int quantizer_range(struct judge *j)
{
    return judge_over(j, 2 * (int64_t)j->level, quantizer_range_body);
}

/* Tries a latent of NaN: a failure with a message, or codes in range. */
static int quantizer_nan_body(struct judge *j, struct tess_instance *i)
{
    const float bad[3] = {NAN, INFINITY, -INFINITY};
    struct judge_piece p = {.j = j, .ctx = j->ctx, .work = &judge_quantizer_workloads[1], .instance = i, .rows = 4, .microbatches = 1};
    int status = judge_piece_begin(&p);
    for (int k = 0; status == TESS_OK && k < 3; k++) {
        ((float *)p.in[0].value.data)[k] = bad[k];
        int ran = judge_piece_run(&p, 0);
        status = judge_status(j, j->ctx, "record_assign", ran);
        if (status == TESS_OK && ran == TESS_OK)
            status = judge_quantizer_codes_fit(j, &p, "a latent that is no number");
        tess_forget(j->ctx);
    }
    judge_piece_close(&p);
    return status;
}

static int quantizer_not_numbers(struct judge *j)
{
    return judge_over(j, (int64_t)j->level, quantizer_nan_body);
}

static const struct judge_test tests[] = {
    {"sizes", 1, "codebook, width, levels: within their limits, and the same when asked again", quantizer_sizes},
    {"range", 1, "codes lie in [0, K) of their level, whatever the latents", quantizer_range},
    {"nearest", 1, "each latent gets the code that is nearest by squared distance", judge_quantizer_nearest},
    {"lookup-inverts", 1, "what a code stands for is assigned that code, or one that stands for the same", judge_quantizer_lookup_inverts},
    {"fixed-point", 1, "a quantised latent quantised again is itself", judge_quantizer_fixed_point},
    {"distinct", 1, "codes stand for different rows", judge_quantizer_distinct},
    {"record-agrees", 1, "record gives the codes of record_assign, unless it draws them, and the rows of record_lookup",
     judge_quantizer_agrees},
    {"random-weights", 1, "weights of random bits: a failure with a message, or codes in range", judge_quantizer_random_weights},
    {"not-numbers", 1, "latents that are no numbers: a failure with a message, or codes in range", quantizer_not_numbers},
    {"loss-finite", 1, "the loss of any latents is finite", judge_quantizer_loss_finite},
    {"gradient-flows", 1, "the latents get a gradient of what was quantised, and a finite one", judge_quantizer_gradient_flows},
    {"steps", 1, "after steps with react all weights are finite and codes in range", judge_quantizer_steps},
    {"usage", 1, "clusters far apart get more than one code after a few steps", judge_quantizer_usage},
    {"steps-repeat", 1, "the same steps give the same weights", judge_quantizer_steps_repeat},
    {"steps-threads", 1, "steps on 1 and on 4 threads give the same weights", judge_quantizer_steps_threads},
    {"restored", 1, "the step after a restart, from weights alone, is the step without one", judge_quantizer_restored},
    {"rebuild", 1, "a rebuilt codebook has finite rows, is the same for the same seed, and leaves the pool as it was",
     judge_quantizer_rebuild},
    {"rebuild-unfit", 1, "a pool that is unfit: finite rows, or a failure that says so", judge_quantizer_rebuild_unfit},
    {NULL, 0, NULL, NULL}};

const struct judge_kind judge_quantizer = {"quantizer/1", tests, judge_quantizer_workloads};
