/* quantizer/1 `nearest`: the codebook is trained by gradients (docs/models.md, "Nearest quantizer"; van den Oord et al., "Neural Discrete
 * Representation Learning", equation 3). The published code of "Unleashing Transformers" weights the other term by beta: an option.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/codebook/codebook.h"

struct nearest {
    struct codebook codebook;
    double beta;
    int32_t beta_on;
};

enum { ON_COMMITMENT, ON_CODEBOOK };

static int nearest_record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_quantized *out)
{
    const struct nearest *q = self;
    struct tess_node *rows;
    (void)ctx;
    codebook_quantise(&q->codebook, g, latent, out, &rows);
    struct tess_node *commitment = codebook_pull(g, latent, rows), *update = codebook_pull(g, rows, latent);
    float beta = (float)q->beta;
    /* (4.4) or (4.5) */
    out->loss = q->beta_on == ON_COMMITMENT ? tess_add(g, update, tess_affine(g, commitment, beta, 0.0f))
                                            : tess_add(g, commitment, tess_affine(g, update, beta, 0.0f));
    return TESS_OK;
}

static const struct tess_quantizer_1 ops = {.size = sizeof ops,
                                            .codebook_size = codebook_codebook_size,
                                            .code_dim = codebook_code_dim,
                                            .record = nearest_record,
                                            .record_assign = codebook_record_assign,
                                            .record_lookup = codebook_record_lookup,
                                            .rebuild = codebook_rebuild};

static const struct tess_param params[] = {
    BOOK_PARAMS(struct nearest, codebook),
    {.name = "beta", .help = "weight of the term named by beta_on", .type = TESS_F64, .offset = offsetof(struct nearest, beta), .lo = 0,
     .hi = 100, .def = 0.25},
    {.name = "beta_on", .help = "commitment: as the papers write it; codebook: as the published code has it", .type = TESS_ENUM,
     .offset = offsetof(struct nearest, beta_on), .text = "commitment|codebook"},
    {.name = NULL}};

TESS_PLUGIN("tessera-nearest", "0.1.0", "MIT", TESS_NEEDS("graph/1"),
            TESS_COMPONENT_DOCUMENTED("van den Oord, Vinyals and Kavukcuoglu, Neural Discrete Representation Learning, 2017, equation 3",
                                      "quantizer: {use: nearest, codebook_size: 256, code_dim: 128, beta: 0.25}", "nearest", "quantizer/1",
                                      "nearest codebook row, codebook trained by gradients", sizeof(struct nearest), params, NULL, NULL,
                                      &ops));
