/* quantizer/1 `product`: a latent is cut into parts of equal width, and each part has a quantizer of its own, all of one kind
 * (docs/models.md, "Product quantisation"; Jegou et al., "Product Quantization for Nearest Neighbor Search"). A position has a code of
 * each. The quantizers are recorded under "parts.0", "parts.1" and so on, with codebooks of their own.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/codebook/inner.h"

#include <stdio.h>
#include <string.h>

struct product {
    int64_t parts;
    struct tess_instance *quantizer;
};

static struct tess_instance *product_inner(void *self)
{
    return ((struct product *)self)->quantizer;
}

static int product_open(void *self, struct tess_context *ctx)
{
    struct tess_instance *q = product_inner(self);
    TESS_TRY(inner_check(ctx, "product", q));
    if (inner_depth(q) > 1)
        return ctx->fail(ctx, TESS_E_VALUE, "product: the quantizer `%s` has several levels itself; give one with a code a part (`ema`)",
                         tess_instance_name(q));
    return TESS_OK;
}

static int64_t product_depth(void *self)
{
    return ((struct product *)self)->parts;
}

static int64_t product_codebook_size(void *self)
{
    return inner_codebook_size(product_inner(self));
}

static int64_t product_code_dim(void *self)
{
    return ((struct product *)self)->parts * inner_code_dim(product_inner(self));
}

static int product_outside_latent_space(void *self)
{
    return inner_outside_latent_space(product_inner(self));
}

/* ---- recording ---- */

/* Part p of latents (..., parts x D): (..., D). */
static struct tess_node *product_part(const struct product *q, struct tess_graph *g, struct tess_node *x, int64_t p)
{
    const int64_t width = inner_code_dim(q->quantizer);
    return tess_slice(g, x, tess_shape(x).rank - 1, p * width, width);
}

/* Puts a part behind those before it, along the last axis. */
static struct tess_node *product_append(struct tess_graph *g, struct tess_node *all, struct tess_node *part)
{
    return all ? tess_concat(g, all, part, tess_shape(part).rank - 1) : part;
}

/* Codes (...) as (..., 1). */
static struct tess_node *product_column(struct tess_graph *g, struct tess_node *codes)
{
    struct tess_tensor shape = tess_shape(codes);
    shape.dim[shape.rank++] = 1;
    return tess_reshape(g, codes, shape.rank, shape.dim);
}

/* Forward pass (33.1); the gradient of each part is that of its quantizer. */
static int product_record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_quantized *out)
{
    const struct product *q = self;
    struct tess_node *loss = NULL;
    out->quantised = out->codes = NULL;
    for (int64_t p = 0; p < q->parts; p++) {
        struct tess_quantized part = {.size = sizeof part};
        tess_scope(g, "parts.%d", (int)p);
        TESS_TRY(inner_record(ctx, q->quantizer, g, product_part(q, g, latent, p), &part));
        tess_scope_end(g);
        out->quantised = product_append(g, out->quantised, part.quantised);
        out->codes = product_append(g, out->codes, product_column(g, part.codes));
        loss = loss ? tess_add(g, loss, part.loss) : part.loss;
    }
    out->loss = tess_affine(g, loss, 1.0f / (float)q->parts, 0.0f);
    return TESS_OK;
}

static int product_assign(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_node **codes)
{
    const struct product *q = self;
    *codes = NULL;
    for (int64_t p = 0; p < q->parts; p++) {
        struct tess_node *part = NULL;
        tess_scope(g, "parts.%d", (int)p);
        TESS_TRY(inner_assign(ctx, q->quantizer, g, product_part(q, g, latent, p), &part));
        tess_scope_end(g);
        *codes = product_append(g, *codes, product_column(g, part));
    }
    return TESS_OK;
}

static int product_lookup(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *codes, struct tess_node **quantised)
{
    const struct product *q = self;
    const struct tess_tensor shape = tess_shape(codes);
    const int32_t axis = shape.rank - 1;
    *quantised = NULL;
    for (int64_t p = 0; p < q->parts; p++) {
        struct tess_node *part = tess_reshape(g, tess_slice(g, codes, axis, p, 1), axis, shape.dim), *rows = NULL;
        tess_scope(g, "parts.%d", (int)p);
        TESS_TRY(inner_lookup(ctx, q->quantizer, g, part, &rows));
        tess_scope_end(g);
        *quantised = product_append(g, *quantised, rows);
    }
    return TESS_OK;
}

/* ---- after a step ---- */

/* Copies part p of the latents and codes of a step: `latents` (rows, D), `codes` (rows). */
static void product_copy_part(const struct product *q, const struct tess_react *r, int64_t p, float *latents, int32_t *codes)
{
    const int64_t width = inner_code_dim(q->quantizer), rows = r->latents->dim[0];
    const float *from = (const float *)r->latents->data + p * width;
    for (int64_t i = 0; i < rows; i++) {
        memcpy(latents + i * width, from + i * width * q->parts, (size_t)width * sizeof *latents);
        codes[i] = ((const int32_t *)r->codes->data)[i * q->parts + p];
    }
}

static int product_react_part(struct tess_context *ctx, const struct product *q, const struct tess_react *r, int64_t p, float *latents,
                              int32_t *codes)
{
    char scope[128];
    struct tess_react part = *r;
    const int64_t dim[2] = {r->latents->dim[0], inner_code_dim(q->quantizer)};
    const struct tess_tensor latent = tess_tensor_over(latents, TESS_F32, 2, dim), code = tess_tensor_over(codes, TESS_I32, 1, dim);
    product_copy_part(q, r, p, latents, codes);
    snprintf(scope, sizeof scope, "%s.parts.%d", r->scope, (int)p);
    part.seed = r->seed + (uint64_t)p * 0x9e3779b97f4a7c15u; /* each part has draws of its own */
    part.scope = scope;
    part.latents = &latent;
    part.codes = &code;
    return inner_react(ctx, q->quantizer, &part);
}

static int product_react(void *self, struct tess_context *ctx, const struct tess_react *r)
{
    const struct product *q = self;
    const size_t rows = (size_t)r->latents->dim[0];
    void *latents = NULL, *codes = NULL;
    if (!inner_reacts(q->quantizer))
        return TESS_OK;
    int status = tess_alloc(ctx, rows * (size_t)inner_code_dim(q->quantizer) * sizeof(float), "latents of a part", &latents);
    if (status == TESS_OK)
        status = tess_alloc(ctx, rows * sizeof(int32_t), "codes of a part", &codes);
    for (int64_t p = 0; p < q->parts && status == TESS_OK; p++)
        status = product_react_part(ctx, q, r, p, latents, codes);
    tess_free(latents);
    tess_free(codes);
    return status;
}

static const struct tess_quantizer_1 ops = {.size = sizeof ops,
                                            .codebook_size = product_codebook_size,
                                            .code_dim = product_code_dim,
                                            .record = product_record,
                                            .record_assign = product_assign,
                                            .record_lookup = product_lookup,
                                            .react = product_react,
                                            .depth = product_depth,
                                            .outside_latent_space = product_outside_latent_space};

static const struct tess_param params[] = {
    TESS_PARAM_I64(struct product, parts, 2, TESS_DEPTH_MAX, 4, "parts of a latent, each with a codebook: codes a position"),
    TESS_PARAM_COMPONENT(struct product, quantizer, TESS_REQUIRED, "quantizer/1", "of each part; its `code_dim` is the part's width"),
    TESS_PARAM_END};

TESS_PLUGIN("tessera-product", "0.1.0", "MIT", TESS_NEEDS("graph/1"),
            TESS_COMPONENT_DOCUMENTED("Jegou, Douze and Schmid, Product Quantization for Nearest Neighbor Search, 2011",
                                      "quantizer: {use: product, parts: 4, quantizer: {use: ema, codebook_size: 256, code_dim: 32}}",
                                      "product", "quantizer/1", "parts of a latent, each with a quantizer of its own",
                                      sizeof(struct product), params, product_open, NULL, &ops));
