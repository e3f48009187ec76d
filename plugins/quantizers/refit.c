/* quantizer/1 `refit`: what the stage of that name leaves behind (docs/models.md, "ReFiT"; Hu et al., "Global Context with Discrete
 * Diffusion in Vector Quantised Modelling"). The codebook is drawn to the latents, and the latents, whose encoder is done learning, are not
 * drawn to the codebook: from nothing it would not learn.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/codebook/codebook.h"

struct refit {
    struct book book;
};

static int record(void *self, struct tess_call *c, struct tess_graph *g, struct tess_node *latent, struct tess_quantized *out)
{
    const struct refit *q = self;
    struct tess_node *rows;
    (void)c;
    book_quantise(&q->book, g, latent, out, &rows);
    out->loss = book_pull(g, rows, latent); /* the second term of (16.2) */
    return TESS_OK;
}

static const struct tess_quantizer_1 ops = {.size = sizeof ops,
                                            .codebook_size = book_codebook_size,
                                            .code_dim = book_code_dim,
                                            .record = record,
                                            .record_assign = book_record_assign,
                                            .record_lookup = book_record_lookup,
                                            .rebuild = book_rebuild};

static const struct tess_param params[] = {BOOK_PARAMS(struct refit, book), {.name = NULL}};

static const struct tess_component components[] = {{.name = "refit",
                                                    .kind = "quantizer/1",
                                                    .summary = "nearest codebook row, codebook drawn to the latents of a frozen encoder",
                                                    TESS_PARAMS(params),
                                                    .caps = TESS_DETERMINISTIC,
                                                    .self_size = sizeof(struct refit),
                                                    .ops = &ops,
                                                    .made_by = "refit"},
                                                   {.name = NULL}};

static const char *const needs[] = {"graph/1", NULL};

TESS_EXPORT const struct tess_plugin tess_plugin_1 = {
    TESS_PLUGIN_HEAD, .id = "tessera-quantizer-refit", .version = "0.1.0", .license = "MIT", .needs = needs, .components = components};
