/* quantizer/1 `fsq`: each channel of the latent is bounded and rounded to a few levels, and the code is the number whose digits those are:
 * no codebook is learnt (docs/models.md, "Finite scalar quantisation"; Mentzer et al., "Finite Scalar Quantization: VQ-VAE Made Simple").
 *
 * One operation of its own does it all in f32, whatever the run's precision: what a rounding to bf16 does to a bounded value near the
 * border of two levels is another code.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/kind/quantizer.h>
#include <tessera/plugin.h>

#include <math.h>

struct fsq {
    struct tess_list levels; /* number of levels of each channel */
    int32_t bound;
};

enum { BOUND_SHIFTED, BOUND_SYMMETRIC };
enum { CODES_MAX = 1 << 30 };

#define EPSILON 1e-3 /* distance of the bound from the outer levels, relative to that between these */

static int64_t fsq_size(const struct fsq *q)
{
    int64_t n = 1;
    for (int64_t i = 0; i < q->levels.count && n <= CODES_MAX; i++)
        n *= q->levels.item[i];
    return n;
}

static int fsq_open(void *self, struct tess_context *ctx)
{
    const struct fsq *q = self;
    if (q->levels.count < 1)
        return ctx->fail(ctx, TESS_E_VALUE, "fsq: `levels` is empty; wanted the levels of each channel, as [8, 5, 5, 5] for 1,000 codes");
    for (int64_t i = 0; i < q->levels.count && q->bound == BOUND_SHIFTED; i++)
        if (q->levels.item[i] == 2)
            return ctx->fail(
                ctx, TESS_E_VALUE,
                "fsq: two levels and `bound: shifted`: a latent of 0 would lie at the edge of one of them, far from the other; set "
                "`bound: symmetric`, or take 3 levels or more");
    if (fsq_size(q) > CODES_MAX)
        return ctx->fail(ctx, TESS_E_VALUE, "fsq: the product of `levels` is above %d codes; take fewer or smaller ones", CODES_MAX);
    return TESS_OK;
}

static int64_t fsq_codebook_size(void *self)
{
    return fsq_size(self);
}

static int64_t fsq_code_dim(void *self)
{
    return ((const struct fsq *)self)->levels.count;
}

static int fsq_outside_latent_space(void *self)
{
    (void)self;
    return 1;
}

/* ---- one channel (27.1) ---- */

struct channel {
    double half, offset, shift; /* h, o, s */
    int64_t levels;
};

static struct channel fsq_channel(const struct fsq *q, int64_t i)
{
    int64_t levels = q->levels.item[i];
    struct channel c = {.levels = levels, .half = (double)(levels - 1) * (1.0 + EPSILON) / 2.0, .offset = levels % 2 ? 0.0 : 0.5};
    c.shift = atanh(c.offset / c.half);
    return c;
}

/* The level of z, 0 .. levels - 1; halves go to the even integer, as everywhere. The outer levels are the last: of more than a thousand,
 * what the bound lies beyond them is more than half of their distance. */
static int64_t fsq_level(const struct fsq *q, const struct channel *c, double z)
{
    double level = q->bound == BOUND_SYMMETRIC ? floor((double)(c->levels - 1) * (tanh(z) + 1.0) / 2.0 + 0.5)
                                               : nearbyint(tanh(z + c->shift) * c->half - c->offset) + (double)(c->levels / 2);
    return level < 0.0 ? 0 : level < (double)c->levels ? (int64_t)level : c->levels - 1;
}

/* The value a level stands for, -1 .. 1. */
static float fsq_value(const struct fsq *q, const struct channel *c, int64_t level)
{
    if (q->bound == BOUND_SYMMETRIC)
        return (float)(2.0 * (double)level / (double)(c->levels - 1) - 1.0);
    return (float)((double)(level - c->levels / 2) / (double)(c->levels / 2));
}

/* dy/dz of the bounded value, as if it were not rounded. */
static double fsq_slope(const struct fsq *q, const struct channel *c, double z)
{
    double t = tanh(q->bound == BOUND_SYMMETRIC ? z : z + c->shift);
    return (q->bound == BOUND_SYMMETRIC ? 1.0 : c->half / (double)(c->levels / 2)) * (1.0 - t * t);
}

/* ---- operations ---- */

/* z (..., d) -> quantised (..., d), codes (...): (27.2). */
static int fsq_forward(const struct tess_op_run *r)
{
    const struct fsq *q = r->attr;
    int64_t d = q->levels.count, n = tess_tensor_count(&r->in[0]) / d;
    const float *z = r->in[0].data;
    float *value = r->out[0].data;
    int32_t *code = r->out[1].data;
    for (int64_t i = 0; i < n; i++)
        code[i] = 0;
    for (int64_t k = 0, basis = 1; k < d; basis *= q->levels.item[k++]) {
        struct channel c = fsq_channel(q, k);
        for (int64_t i = 0; i < n; i++) {
            double x = (double)z[i * d + k];
            if (!isfinite(x))
                return r->context->fail(
                    r->context, TESS_E_FAILED,
                    "a latent vector is not finite: the encoder has diverged; lower the learning rate or clip gradients");
            int64_t level = fsq_level(q, &c, x);
            value[i * d + k] = fsq_value(q, &c, level);
            code[i] += (int32_t)(level * basis);
        }
    }
    return TESS_OK;
}

/* y = (tanh(z + s) h - o) / floor(L / 2), or tanh z: (27.3) and (27.4) */
static int fsq_backward(const struct tess_op_run *r)
{
    const struct fsq *q = r->attr;
    int64_t d = q->levels.count, n = tess_tensor_count(&r->in[0]) / d;
    const float *z = r->in[0].data, *dy = r->dout[0].data;
    float *dz = r->din[0].data;
    if (!dz)
        return TESS_OK;
    for (int64_t k = 0; k < d; k++) {
        struct channel c = fsq_channel(q, k);
        for (int64_t i = k; i < n * d; i += d)
            dz[i] = dy ? (float)((double)dy[i] * fsq_slope(q, &c, (double)z[i])) : 0.0f;
    }
    return TESS_OK;
}

/* codes (...) -> what they stand for (..., d) */
static int fsq_lookup(const struct tess_op_run *r)
{
    const struct fsq *q = r->attr;
    int64_t d = q->levels.count, n = tess_tensor_count(&r->in[0]), size = fsq_size(q);
    const int32_t *code = r->in[0].data;
    float *value = r->out[0].data;
    for (int64_t i = 0; i < n; i++)
        if (code[i] < 0 || code[i] >= size)
            return r->context->fail(r->context, TESS_E_DATA, "fsq: code %d at position %lld is outside 0 .. %lld", (int)code[i],
                                    (long long)i, (long long)(size - 1));
    for (int64_t k = 0, basis = 1; k < d; basis *= q->levels.item[k++]) {
        struct channel c = fsq_channel(q, k);
        for (int64_t i = 0; i < n; i++)
            value[i * d + k] = fsq_value(q, &c, code[i] / basis % c.levels);
    }
    return TESS_OK;
}

static void fsq_quantise(const struct fsq *q, struct tess_graph *g, struct tess_node *latent, struct tess_node **quantised,
                         struct tess_node **codes)
{
    static const struct tess_op op = {.size = sizeof op, .name = "fsq", .keep_in = 1, .forward = fsq_forward, .backward = fsq_backward};
    struct tess_tensor shape[2] = {tess_shape(latent), tess_shape(latent)};
    struct tess_node *out[2] = {NULL, NULL};
    shape[1].dtype = TESS_I32;
    if (latent && shape[0].rank > 0 && shape[0].dim[--shape[1].rank] == q->levels.count)
        tess_custom(g, &op, q, sizeof *q, 1, &latent, 2, shape, 0, 20.0 * (double)tess_tensor_count(&shape[0]), out);
    else if (latent)
        tess_graph_fail(g, TESS_E_SHAPE, "fsq: latents of other than %lld channels", (long long)q->levels.count);
    *quantised = out[0];
    *codes = out[1];
}

/* ---- the kind ---- */

static int fsq_record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_quantized *out)
{
    (void)ctx;
    fsq_quantise(self, g, latent, &out->quantised, &out->codes);
    out->loss = tess_constant(g, 0.0f, 0, NULL);
    return TESS_OK;
}

static int fsq_record_assign(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_node **codes)
{
    struct tess_node *quantised;
    (void)ctx;
    fsq_quantise(self, g, latent, &quantised, codes);
    return TESS_OK;
}

static int fsq_record_lookup(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *codes,
                             struct tess_node **quantised)
{
    static const struct tess_op op = {.size = sizeof op, .name = "fsq_lookup", .forward = fsq_lookup};
    const struct fsq *q = self;
    struct tess_tensor shape = tess_shape(codes);
    (void)ctx;
    *quantised = NULL;
    shape.dtype = TESS_F32;
    shape.dim[shape.rank++] = q->levels.count;
    if (codes)
        tess_custom(g, &op, q, sizeof *q, 1, &codes, 1, &shape, 0, 0.0, quantised);
    return TESS_OK;
}

static const struct tess_quantizer_1 ops = {.size = sizeof ops,
                                            .codebook_size = fsq_codebook_size,
                                            .code_dim = fsq_code_dim,
                                            .record = fsq_record,
                                            .record_assign = fsq_record_assign,
                                            .record_lookup = fsq_record_lookup,
                                            .outside_latent_space = fsq_outside_latent_space};

static const struct tess_param params[] = {
    TESS_PARAM_LIST(struct fsq, levels, 2, 4096, "8, 6, 5",
                    "levels of each channel of the latent: [8, 6, 5] is 240 codes, [8, 5, 5, 5] 1,000, [7, 5, 5, 5, 5] 4,375"),
    TESS_PARAM_ENUM(struct fsq, bound, "shifted|symmetric", 0,
                    "shifted: as published, where an even number of levels has one more below 0 than above; symmetric: as many"),
    TESS_PARAM_END};

TESS_PLUGIN("tessera-fsq", "0.1.1", "MIT", TESS_NEEDS("graph/1"),
            TESS_COMPONENT_DOCUMENTED("Mentzer et al., Finite Scalar Quantization: VQ-VAE Made Simple, 2023",
                                      "quantizer: {use: fsq, levels: [8, 6, 5]}", "fsq", "quantizer/1",
                                      "each channel rounded to a few levels, no codebook", sizeof(struct fsq), params, fsq_open, NULL,
                                      &ops));
