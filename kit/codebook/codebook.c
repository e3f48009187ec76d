/* See codebook.h. SPDX-License-Identifier: MIT */
#include "kit/codebook/codebook.h"

#include "kit/codebook/rebuild.h"

static struct tess_node *codebook(const struct book *b, struct tess_graph *g)
{
    struct tess_init init = {.kind = TESS_INIT_UNIFORM, .flags = TESS_WEIGHT_NO_DECAY, .spread = 1.0 / (double)b->codebook_size};
    return tess_weight(g, "codebook", 2, (const int64_t[]){b->codebook_size, b->code_dim}, init);
}

void book_quantise(const struct book *b, struct tess_graph *g, struct tess_node *latent, struct tess_quantized *out,
                   struct tess_node **rows)
{
    struct tess_node *all = codebook(b, g);
    out->codes = tess_nearest(g, latent, all);
    *rows = tess_embedding(g, out->codes, all);
    out->quantised = tess_straight_through(g, *rows, latent); /* (4.2) */
}

struct tess_node *book_pull(struct tess_graph *g, struct tess_node *a, struct tess_node *b)
{
    return tess_mean_all(g, tess_square(g, tess_sub(g, a, tess_stop_gradient(g, b))));
}

int64_t book_codebook_size(void *self)
{
    return ((struct book *)self)->codebook_size;
}

int64_t book_code_dim(void *self)
{
    return ((struct book *)self)->code_dim;
}

int book_record_assign(void *self, struct tess_call *c, struct tess_graph *g, struct tess_node *latent, struct tess_node **codes)
{
    (void)c;
    *codes = tess_nearest(g, latent, codebook(self, g));
    return TESS_OK;
}

int book_record_lookup(void *self, struct tess_call *c, struct tess_graph *g, struct tess_node *codes, struct tess_node **quantised)
{
    (void)c;
    *quantised = tess_embedding(g, codes, codebook(self, g));
    return TESS_OK;
}

int book_rebuild(void *self, struct tess_call *c, const struct tess_tensor *pool, uint64_t seed, struct tess_tensor *book)
{
    const struct book *b = self;
    return rebuild_book(c, pool, seed, b->codebook_size, b->code_dim, book);
}
