/* quantizer/1 `nearest`: the codebook is trained by gradients (docs/models.md, "Nearest quantizer"; van den Oord et al., "Neural Discrete
 * Representation Learning", equation 3). The published code of "Unleashing Transformers" weights the other term by beta: an option. Two
 * other rules of assignment are options as well: the row of the largest cosine (Yu et al., "Vector-quantized Image Modeling with Improved
 * VQGAN"), and that of the largest product (Shi et al., "Scalable Image Tokenization with Index Backpropagation Quantization").
 *
 * SPDX-License-Identifier: MIT */
#include "kit/codebook/codebook.h"

struct nearest {
    struct codebook codebook;
    double beta;
    int32_t beta_on, assign;
};

enum { ON_COMMITMENT, ON_CODEBOOK };
enum { ASSIGN_NEAREST, ASSIGN_COSINE, ASSIGN_DOT };

/* (4.9): vectors over their lengths, a length below 1e-12 being 1e-12. */
static struct tess_node *nearest_unit(struct tess_graph *g, struct tess_node *x)
{
    uint32_t last = 1u << (tess_shape(x).rank - 1);
    struct tess_node *square = tess_sum(g, tess_square(g, x), last);
    return tess_div(g, x, tess_sqrt(g, tess_clamp(g, square, 1e-24f, 1e38f)));
}

/* The rows that codes stand for, and the latents as they are compared with them: as they are, or both of unit length. */
static struct tess_node *nearest_rows(const struct nearest *q, struct tess_graph *g)
{
    struct tess_node *rows = codebook_weight(&q->codebook, g);
    return q->assign == ASSIGN_COSINE ? nearest_unit(g, rows) : rows;
}

static struct tess_node *nearest_latent(const struct nearest *q, struct tess_graph *g, struct tess_node *latent)
{
    return q->assign == ASSIGN_COSINE ? nearest_unit(g, latent) : latent;
}

/* (4.1), of unit vectors (4.10), or (4.11) */
static struct tess_node *nearest_codes(const struct nearest *q, struct tess_graph *g, struct tess_node *latent, struct tess_node *rows)
{
    return q->assign == ASSIGN_DOT ? tess_argmax(g, tess_linear(g, latent, rows, NULL)) : tess_nearest(g, latent, rows);
}

static int nearest_record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_quantized *out)
{
    const struct nearest *q = self;
    struct tess_node *all = nearest_rows(q, g), *z = nearest_latent(q, g, latent);
    (void)ctx;
    out->codes = nearest_codes(q, g, z, all);
    struct tess_node *rows = tess_embedding(g, out->codes, all);
    out->quantised = tess_straight_through(g, rows, z); /* (4.2) */
    struct tess_node *commitment = codebook_pull(g, z, rows), *update = codebook_pull(g, rows, z);
    float beta = (float)q->beta;
    /* (4.4) or (4.5) */
    out->loss = q->beta_on == ON_COMMITMENT ? tess_add(g, update, tess_affine(g, commitment, beta, 0.0f))
                                            : tess_add(g, commitment, tess_affine(g, update, beta, 0.0f));
    return TESS_OK;
}

static int nearest_record_assign(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent,
                                 struct tess_node **codes)
{
    (void)ctx;
    *codes = nearest_codes(self, g, nearest_latent(self, g, latent), nearest_rows(self, g));
    return TESS_OK;
}

static int nearest_record_lookup(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *codes,
                                 struct tess_node **quantised)
{
    (void)ctx;
    *quantised = tess_embedding(g, codes, nearest_rows(self, g));
    return TESS_OK;
}

/* By another rule a latent is not near its row, and their distance no error. */
static int nearest_outside_latent_space(void *self)
{
    return ((const struct nearest *)self)->assign != ASSIGN_NEAREST;
}

static const struct tess_quantizer_1 ops = {.size = sizeof ops,
                                            .codebook_size = codebook_codebook_size,
                                            .code_dim = codebook_code_dim,
                                            .record = nearest_record,
                                            .record_assign = nearest_record_assign,
                                            .record_lookup = nearest_record_lookup,
                                            .rebuild = codebook_rebuild,
                                            .outside_latent_space = nearest_outside_latent_space};

static const struct tess_param params[] = {
    CODEBOOK_PARAMS(struct nearest, codebook),
    {.name = "beta",
     .help = "weight of the term named by beta_on",
     .type = TESS_F64,
     .offset = offsetof(struct nearest, beta),
     .lo = 0,
     .hi = 100,
     .def = 0.25},
    {.name = "beta_on",
     .help = "commitment: as the papers write it; codebook: as the published code has it",
     .type = TESS_ENUM,
     .offset = offsetof(struct nearest, beta_on),
     .text = "commitment|codebook"},
    {.name = "assign",
     .help = "row of a latent: the nearest; that of the largest cosine, both of unit length from then on; or that of the largest product",
     .type = TESS_ENUM,
     .flags = TESS_LATER,
     .offset = offsetof(struct nearest, assign),
     .text = "nearest|cosine|dot"},
    {.name = NULL}};

TESS_PLUGIN("tessera-nearest", "0.2.0", "MIT", TESS_NEEDS("graph/1"),
            TESS_COMPONENT_DOCUMENTED("van den Oord, Vinyals and Kavukcuoglu, Neural Discrete Representation Learning, 2017, equation 3",
                                      "quantizer: {use: nearest, codebook_size: 256, code_dim: 128, beta: 0.25}", "nearest", "quantizer/1",
                                      "nearest codebook row, codebook trained by gradients", sizeof(struct nearest), params, NULL, NULL,
                                      &ops));
