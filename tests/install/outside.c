/* A quantizer as somebody writes it who has the installed headers and no more. SPDX-License-Identifier: MIT */
#include <tessera/tessera.h>

struct outside {
    int64_t codebook_size, code_dim;
};

static struct tess_node *codebook(const struct outside *q, struct tess_graph *g)
{
    const int64_t dim[2] = {q->codebook_size, q->code_dim};
    return tess_weight(g, "codebook", 2, dim, TESS_INIT(.kind = TESS_INIT_NORMAL, .spread = 0.1));
}

static int64_t codebook_size(void *self)
{
    return ((struct outside *)self)->codebook_size;
}

static int64_t code_dim(void *self)
{
    return ((struct outside *)self)->code_dim;
}

static int record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_quantized *out)
{
    (void)ctx;
    out->codes = tess_nearest(g, latent, codebook(self, g));
    struct tess_node *rows = tess_embedding(g, out->codes, codebook(self, g));
    out->quantised = tess_straight_through(g, rows, latent);
    out->loss = tess_mean_all(g, tess_square(g, tess_sub(g, rows, latent)));
    return TESS_OK;
}

static int record_assign(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_node **codes)
{
    (void)ctx;
    *codes = tess_nearest(g, latent, codebook(self, g));
    return TESS_OK;
}

static int record_lookup(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *codes, struct tess_node **quantised)
{
    (void)ctx;
    *quantised = tess_embedding(g, codes, codebook(self, g));
    return TESS_OK;
}

static const struct tess_quantizer_1 ops = {.size = sizeof ops,
                                            .codebook_size = codebook_size,
                                            .code_dim = code_dim,
                                            .record = record,
                                            .record_assign = record_assign,
                                            .record_lookup = record_lookup};

static const struct tess_param params[] = {{.name = "codebook_size",
                                            .help = "codes",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct outside, codebook_size),
                                            .lo = 2,
                                            .hi = 65536,
                                            .def = 12},
                                           {.name = "code_dim",
                                            .help = "width of a code",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct outside, code_dim),
                                            .lo = 1,
                                            .hi = 512,
                                            .def = 6},
                                           {.name = NULL}};

TESS_PLUGIN("outside", "1", "MIT", TESS_NEEDS("graph/1"),
            TESS_COMPONENT("outside", "quantizer/1", "written elsewhere", sizeof(struct outside), params, NULL, NULL, &ops));
