/* quantizer/1 `residual`: several quantizers of one kind after another, each of what those before it left over; a position has a code of
 * each (docs/models.md, "Residual quantisation"; Zeghidour et al., "SoundStream"; Lee et al., "Autoregressive Image Generation using
 * Residual Quantization"). The quantizers are recorded under "levels.0", "levels.1" and so on, with codebooks of their own; with `shared`
 * there is a single one, under "shared", which learns from the residuals of all levels at once.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/codebook/inner.h"

#include <stdio.h>
#include <string.h>

struct residual {
    int64_t depth;
    int32_t shared;
    struct tess_instance *quantizer;
};

static struct tess_instance *residual_inner(void *self)
{
    return ((struct residual *)self)->quantizer;
}

static int residual_open(void *self, struct tess_context *ctx)
{
    struct tess_instance *q = residual_inner(self);
    TESS_TRY(inner_check(ctx, "residual", q));
    if (inner_depth(q) > 1)
        return ctx->fail(ctx, TESS_E_VALUE,
                         "residual: the quantizer `%s` has several levels itself; give one with a single codebook (`ema`)",
                         tess_instance_name(q));
    if (inner_outside_latent_space(q))
        return ctx->fail(
            ctx, TESS_E_VALUE,
            "residual: what the quantizer `%s` makes does not lie in the latent's space, so nothing is left over that could be "
            "quantised; give one with a codebook of latents (`ema`, `nearest`)",
            tess_instance_name(q));
    return TESS_OK;
}

static int64_t residual_depth(void *self)
{
    return ((struct residual *)self)->depth;
}

/* ---- recording ---- */

static struct tess_node *residual_plus(struct tess_graph *g, struct tess_node *sum, struct tess_node *x)
{
    return sum ? tess_add(g, sum, x) : x;
}

/* Appends one level's codes (...) to those of the levels before, (..., l) -> (..., l + 1). */
static struct tess_node *residual_append(struct tess_graph *g, struct tess_node *codes, struct tess_node *level)
{
    struct tess_tensor shape = tess_shape(level);
    shape.dim[shape.rank++] = 1;
    level = tess_reshape(g, level, shape.rank, shape.dim);
    return codes ? tess_concat(g, codes, level, shape.rank - 1) : level;
}

static void residual_begin_level(const struct residual *q, struct tess_graph *g, int64_t l)
{
    if (q->shared)
        tess_scope(g, "shared");
    else
        tess_scope(g, "levels.%d", (int)l);
}

/* A latent (..., n, D) as (..., n more / fewer, D fewer / more): the levels of a vector apart, or beside each other again. */
static struct tess_node *residual_regroup(struct tess_graph *g, struct tess_node *x, int32_t vectors, int64_t more, int64_t fewer)
{
    struct tess_tensor shape = tess_shape(x);
    shape.dim[vectors] = shape.dim[vectors] * more / fewer;
    shape.dim[vectors + 1] = shape.dim[vectors + 1] * fewer / more;
    return tess_reshape(g, x, shape.rank, shape.dim);
}

/* The residuals of all levels, (..., n, depth D), by codes that are assigned as in inference. */
static int residual_left_over(struct tess_context *ctx, const struct residual *q, struct tess_graph *g, struct tess_node *latent,
                              int32_t axis, struct tess_node **all)
{
    struct tess_node *left = *all = latent;
    for (int64_t l = 0; l + 1 < q->depth; l++) {
        struct tess_node *codes = NULL, *quantised = NULL;
        TESS_TRY(inner_assign(ctx, q->quantizer, g, left, &codes));
        TESS_TRY(inner_lookup(ctx, q->quantizer, g, codes, &quantised));
        left = tess_sub(g, left, tess_stop_gradient(g, quantised));
        *all = tess_concat(g, *all, left, axis);
    }
    return TESS_OK;
}

/* A single codebook: it is recorded once, over the residuals of all levels as so many vectors more, so that its loss, its counts and its
 * sums are those of all of them. Its loss is a mean, (29.1)'s a sum over levels. */
static int residual_record_shared(const struct residual *q, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent,
                                  struct tess_quantized *out)
{
    const struct tess_tensor shape = tess_shape(latent);
    const int32_t axis = shape.rank - 1;
    struct tess_quantized level = {.size = sizeof level};
    struct tess_node *left = NULL, *quantised;
    const float depth = (float)q->depth;
    residual_begin_level(q, g, 0);
    TESS_TRY(residual_left_over(ctx, q, g, latent, axis, &left));
    TESS_TRY(inner_record(ctx, q->quantizer, g, residual_regroup(g, left, axis - 1, q->depth, 1), &level));
    if (inner_reacts(q->quantizer))
        tess_output(g, "left", left);
    tess_scope_end(g);
    quantised = residual_regroup(g, level.quantised, axis - 1, 1, q->depth);
    out->quantised = tess_slice(g, quantised, axis, 0, shape.dim[axis]);
    for (int64_t l = 1; l < q->depth; l++)
        out->quantised =
            tess_add(g, out->quantised, tess_stop_gradient(g, tess_slice(g, quantised, axis, l * shape.dim[axis], shape.dim[axis])));
    struct tess_tensor codes = shape;
    codes.dim[axis] = q->depth;
    out->codes = tess_reshape(g, level.codes, codes.rank, codes.dim);
    out->loss = level.loss ? tess_affine(g, level.loss, depth, 0.0f) : NULL;
    return TESS_OK;
}

/* Forward pass (29.1) and (29.2): the gradient passes through the first level as through it alone, and ends at the others. */
static int residual_record_levels(const struct residual *q, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent,
                                  struct tess_quantized *out)
{
    struct tess_node *left = latent, *quantised = NULL, *codes = NULL, *loss = NULL;
    for (int64_t l = 0; l < q->depth; l++) {
        struct tess_quantized level = {.size = sizeof level};
        residual_begin_level(q, g, l);
        TESS_TRY(inner_record(ctx, q->quantizer, g, left, &level));
        if (inner_reacts(q->quantizer))
            tess_output(g, "left", left);
        tess_scope_end(g);
        struct tess_node *stopped = tess_stop_gradient(g, level.quantised);
        left = tess_sub(g, left, stopped);
        quantised = residual_plus(g, quantised, l ? stopped : level.quantised);
        codes = residual_append(g, codes, level.codes);
        loss = residual_plus(g, loss, level.loss);
    }
    out->quantised = quantised;
    out->codes = codes;
    out->loss = loss;
    return TESS_OK;
}

static int residual_record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_quantized *out)
{
    const struct residual *q = self;
    return (q->shared ? residual_record_shared : residual_record_levels)(q, ctx, g, latent, out);
}

static int residual_assign(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_node **codes)
{
    const struct residual *q = self;
    struct tess_node *left = latent;
    *codes = NULL;
    for (int64_t l = 0; l < q->depth; l++) {
        struct tess_node *level = NULL, *quantised = NULL;
        residual_begin_level(q, g, l);
        TESS_TRY(inner_assign(ctx, q->quantizer, g, left, &level));
        TESS_TRY(inner_lookup(ctx, q->quantizer, g, level, &quantised));
        tess_scope_end(g);
        left = tess_sub(g, left, quantised);
        *codes = residual_append(g, *codes, level);
    }
    return TESS_OK;
}

static int residual_lookup(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *codes,
                           struct tess_node **quantised)
{
    const struct residual *q = self;
    struct tess_tensor shape = tess_shape(codes);
    int32_t axis = shape.rank - 1;
    *quantised = NULL;
    for (int64_t l = 0; l < q->depth; l++) {
        struct tess_node *level = tess_reshape(g, tess_slice(g, codes, axis, l, 1), axis, shape.dim), *rows = NULL;
        residual_begin_level(q, g, l);
        TESS_TRY(inner_lookup(ctx, q->quantizer, g, level, &rows));
        tess_scope_end(g);
        *quantised = residual_plus(g, *quantised, rows);
    }
    return TESS_OK;
}

/* ---- after a step ---- */

/* Residuals that a level quantizes, as they were recorded, or those of all levels of a shared codebook: `rows` of D. */
static int residual_left(struct tess_context *ctx, const struct tess_react *r, const char *scope, int64_t rows, struct tess_tensor *out)
{
    const int64_t dim[2] = {rows, r->latents->dim[1]};
    char wanted[160];
    const char *name;
    snprintf(wanted, sizeof wanted, "%s.left", scope);
    for (int32_t i = 0; (name = tess_graph_output_at(r->graph, i, NULL)); i++)
        if (strcmp(name, wanted) == 0 && i < r->batch->outputs && r->batch->out[i].data) {
            *out = tess_tensor_over(r->batch->out[i].data, TESS_F32, 2, dim);
            return TESS_OK;
        }
    return ctx->fail(ctx, TESS_E_INTERNAL, "residual quantizer: the step has no output %s", wanted);
}

static int residual_react_level(struct tess_context *ctx, const struct residual *q, const struct tess_react *r, int64_t l, int32_t *codes)
{
    char scope[128];
    struct tess_react level = *r;
    struct tess_tensor left, code = tess_tensor_over(codes, TESS_I32, 1, r->latents->dim);
    snprintf(scope, sizeof scope, "%s.levels.%d", r->scope, (int)l);
    TESS_TRY(residual_left(ctx, r, scope, r->latents->dim[0], &left));
    for (int64_t i = 0; i < r->latents->dim[0]; i++)
        codes[i] = ((const int32_t *)r->codes->data)[i * q->depth + l];
    level.seed = r->seed + (uint64_t)l * 0x9e3779b97f4a7c15u; /* each level has draws of its own */
    level.scope = scope;
    level.latents = &left;
    level.codes = &code;
    return inner_react(ctx, q->quantizer, &level);
}

static int residual_react_shared(struct tess_context *ctx, const struct residual *q, const struct tess_react *r)
{
    char scope[128];
    const int64_t rows = r->latents->dim[0] * q->depth;
    struct tess_react all = *r;
    struct tess_tensor left, codes = tess_tensor_over(r->codes->data, TESS_I32, 1, &rows);
    snprintf(scope, sizeof scope, "%s.shared", r->scope);
    TESS_TRY(residual_left(ctx, r, scope, rows, &left));
    all.scope = scope;
    all.latents = &left;
    all.codes = &codes;
    return inner_react(ctx, q->quantizer, &all);
}

static int residual_react(void *self, struct tess_context *ctx, const struct tess_react *r)
{
    const struct residual *q = self;
    int status = TESS_OK;
    void *codes;
    if (!inner_reacts(q->quantizer))
        return TESS_OK;
    if (q->shared)
        return residual_react_shared(ctx, q, r);
    TESS_TRY(tess_alloc(ctx, (size_t)r->latents->dim[0] * sizeof(int32_t), "codes of a level", &codes));
    for (int64_t l = 0; l < q->depth && status == TESS_OK; l++)
        status = residual_react_level(ctx, q, r, l, codes);
    tess_free(codes);
    return status;
}

static int64_t residual_codebook_size(void *self)
{
    return inner_codebook_size(residual_inner(self));
}

static int64_t residual_code_dim(void *self)
{
    return inner_code_dim(residual_inner(self));
}

static const struct tess_quantizer_1 ops = {.size = sizeof ops,
                                            .codebook_size = residual_codebook_size,
                                            .code_dim = residual_code_dim,
                                            .record = residual_record,
                                            .record_assign = residual_assign,
                                            .record_lookup = residual_lookup,
                                            .react = residual_react,
                                            .depth = residual_depth};

static const struct tess_param params[] = {
    TESS_PARAM_I64(struct residual, depth, 2, TESS_DEPTH_MAX, 4, "levels, each a codebook: codes a position"),
    TESS_PARAM("shared", struct residual, shared, TESS_BOOL, TESS_LATER, 0, 0, 0, NULL, "one codebook for all levels"),
    TESS_PARAM_COMPONENT(struct residual, quantizer, TESS_REQUIRED, "quantizer/1", "of each level"), TESS_PARAM_END};

TESS_PLUGIN("tessera-residual", "0.1.1", "MIT", TESS_NEEDS("graph/1"),
            TESS_COMPONENT_DOCUMENTED("Lee et al., Autoregressive Image Generation using Residual Quantization, 2022",
                                      "quantizer: {use: residual, depth: 4, quantizer: {use: ema, codebook_size: 256}}", "residual",
                                      "quantizer/1", "levels of quantizers, each of what those before it left over",
                                      sizeof(struct residual), params, residual_open, NULL, &ops));
