/* See inner.h. SPDX-License-Identifier: MIT */
#include "kit/codebook/inner.h"

static const struct tess_quantizer_1 *inner_ops(const struct tess_instance *q)
{
    return tess_instance_ops(q, "quantizer/1");
}

int inner_check(struct tess_context *ctx, const char *wrapper, const struct tess_instance *q)
{
    const struct tess_quantizer_1 *ops = inner_ops(q);
    if (ops->codebook_size && ops->code_dim && ops->record && ops->record_assign && ops->record_lookup)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_PLUGIN, "%s: the quantizer `%s` inside lacks a function that every quantizer has (kind/quantizer.h)",
                     wrapper, tess_instance_name(q));
}

int64_t inner_codebook_size(const struct tess_instance *q)
{
    return inner_ops(q)->codebook_size(tess_instance_self(q));
}

int64_t inner_code_dim(const struct tess_instance *q)
{
    return inner_ops(q)->code_dim(tess_instance_self(q));
}

int64_t inner_depth(const struct tess_instance *q)
{
    const struct tess_quantizer_1 *ops = inner_ops(q);
    return TESS_HAS(ops, depth) && ops->depth ? ops->depth(tess_instance_self(q)) : 1;
}

int64_t inner_level_size(const struct tess_instance *q, int64_t level)
{
    const struct tess_quantizer_1 *ops = inner_ops(q);
    return TESS_HAS(ops, level_size) && ops->level_size ? ops->level_size(tess_instance_self(q), level) : inner_codebook_size(q);
}

int inner_outside_latent_space(const struct tess_instance *q)
{
    const struct tess_quantizer_1 *ops = inner_ops(q);
    return TESS_HAS(ops, outside_latent_space) && ops->outside_latent_space && ops->outside_latent_space(tess_instance_self(q));
}

int inner_reacts(const struct tess_instance *q)
{
    return inner_ops(q)->react != NULL;
}

int inner_record(struct tess_context *ctx, const struct tess_instance *q, struct tess_graph *g, struct tess_node *latent,
                 struct tess_quantized *out)
{
    return inner_ops(q)->record(tess_instance_self(q), ctx, g, latent, out);
}

int inner_assign(struct tess_context *ctx, const struct tess_instance *q, struct tess_graph *g, struct tess_node *latent,
                 struct tess_node **codes)
{
    return inner_ops(q)->record_assign(tess_instance_self(q), ctx, g, latent, codes);
}

int inner_lookup(struct tess_context *ctx, const struct tess_instance *q, struct tess_graph *g, struct tess_node *codes,
                 struct tess_node **quantised)
{
    return inner_ops(q)->record_lookup(tess_instance_self(q), ctx, g, codes, quantised);
}

int inner_react(struct tess_context *ctx, const struct tess_instance *q, const struct tess_react *r)
{
    return inner_reacts(q) ? inner_ops(q)->react(tess_instance_self(q), ctx, r) : TESS_OK;
}

int inner_rebuild(struct tess_context *ctx, const struct tess_instance *q, const struct tess_tensor *pool, uint64_t seed,
                  struct tess_tensor *codebook)
{
    if (inner_ops(q)->rebuild)
        return inner_ops(q)->rebuild(tess_instance_self(q), ctx, pool, seed, codebook);
    return ctx->fail(ctx, TESS_E_VALUE, "the quantizer `%s` builds no codebook of latents", tess_instance_name(q));
}
