/* See codebook.h. SPDX-License-Identifier: MIT */
#include "kit/codebook/codebook.h"

#include "kit/codebook/rebuild.h"

struct tess_node *codebook_weight(const struct codebook *b, struct tess_graph *g)
{
    struct tess_init init = {.size = sizeof(struct tess_init),
                             .kind = TESS_INIT_UNIFORM,
                             .flags = TESS_WEIGHT_NO_DECAY,
                             .spread = 1.0 / (double)b->codebook_size};
    return tess_weight(g, "codebook", 2, (const int64_t[]){b->codebook_size, b->code_dim}, &init);
}

void codebook_quantise(const struct codebook *b, struct tess_graph *g, struct tess_node *latent, struct tess_quantized *out,
                   struct tess_node **rows)
{
    struct tess_node *all = codebook_weight(b, g);
    out->codes = tess_nearest(g, latent, all);
    *rows = tess_embedding(g, out->codes, all);
    out->quantised = tess_straight_through(g, *rows, latent); /* (4.2) */
}

struct tess_node *codebook_pull(struct tess_graph *g, struct tess_node *a, struct tess_node *b)
{
    return tess_mean_all(g, tess_square(g, tess_sub(g, a, tess_stop_gradient(g, b))));
}

int64_t codebook_codebook_size(void *self)
{
    return ((struct codebook *)self)->codebook_size;
}

int64_t codebook_code_dim(void *self)
{
    return ((struct codebook *)self)->code_dim;
}

int codebook_record_assign(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_node **codes)
{
    (void)ctx;
    *codes = tess_nearest(g, latent, codebook_weight(self, g));
    return TESS_OK;
}

int codebook_record_lookup(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *codes,
                           struct tess_node **quantised)
{
    (void)ctx;
    *quantised = tess_embedding(g, codes, codebook_weight(self, g));
    return TESS_OK;
}

int codebook_rebuild(void *self, struct tess_context *ctx, const struct tess_tensor *pool, uint64_t seed, struct tess_tensor *codebook)
{
    const struct codebook *b = self;
    return rebuild_codebook(ctx, pool, seed, b->codebook_size, b->code_dim, codebook);
}
