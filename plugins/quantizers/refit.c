/* quantizer/1 `refit`: what the stage of that name leaves behind (docs/models.md, "ReFiT"; Hu et al., "Global Context with Discrete
 * Diffusion in Vector Quantised Modelling"). The codebook is drawn to the latents, and the latents, whose encoder is done learning, are not
 * drawn to the codebook: from nothing it would not learn.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/codebook/codebook.h"

struct refit {
    struct codebook codebook;
};

static int refit_record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_quantized *out)
{
    const struct refit *q = self;
    struct tess_node *rows;
    (void)ctx;
    codebook_quantise(&q->codebook, g, latent, out, &rows);
    out->loss = codebook_pull(g, rows, latent); /* the second term of (16.2) */
    return TESS_OK;
}

static const struct tess_quantizer_1 ops = {.size = sizeof ops,
                                            .codebook_size = codebook_codebook_size,
                                            .code_dim = codebook_code_dim,
                                            .record = refit_record,
                                            .record_assign = codebook_record_assign,
                                            .record_lookup = codebook_record_lookup,
                                            .rebuild = codebook_rebuild};

static const struct tess_param params[] = {CODEBOOK_PARAMS(struct refit, codebook), {.name = NULL}};

TESS_PLUGIN("tessera-quantizer-refit", "0.1.0", "MIT", TESS_NEEDS("graph/1"),
            TESS_COMPONENT_WITH("refit", "quantizer/1", "nearest codebook row, codebook drawn to the latents of a frozen encoder",
                                sizeof(struct refit), params, NULL, NULL, &ops, "refit", NULL, NULL,
                                "Hu et al., Global Context with Discrete Diffusion in Vector Quantised Modelling, 2022, ReFiT",
                                "quantizer: {use: refit, codebook_size: 512, code_dim: 256}"));
