/* Shared by quantizers whose codebook is trained by gradients: the codebook, the nearest of its rows, the way back
 * (docs/models.md, "Nearest quantizer"). A plugin's own struct begins with struct codebook: the functions that answer for it take either.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_CODEBOOK_CODEBOOK_H
#define KIT_CODEBOOK_CODEBOOK_H

#include <tessera/kind/quantizer.h>
#include <tessera/plugin.h>

struct codebook {
    int64_t codebook_size, code_dim;
};

#define CODEBOOK_PARAMS(S, m)                                                                                                              \
    {.name = "codebook_size",                                                                                                              \
     .help = "codes (K)",                                                                                                                  \
     .type = TESS_I64,                                                                                                                     \
     .offset = offsetof(S, m.codebook_size),                                                                                               \
     .lo = 2,                                                                                                                              \
     .hi = 16777216,                                                                                                                       \
     .def = 256},                                                                                                                          \
    {                                                                                                                                      \
        .name = "code_dim", .help = "width of a code (D)", .type = TESS_I64, .offset = offsetof(S, m.code_dim), .lo = 1, .hi = 4096,       \
        .def = 32                                                                                                                          \
    }

/* The codebook's weight. */
struct tess_node *codebook_weight(const struct codebook *b, struct tess_graph *g);
/* Records the assignment of a latent: codes and the codebook rows they stand for, the latter also straight through. Fills all of *out but
 * the loss, which the caller makes. */
void codebook_quantise(const struct codebook *b, struct tess_graph *g, struct tess_node *latent, struct tess_quantized *out,
                   struct tess_node **rows);
/* mean((a - sg[b])^2): either term of (4.3) */
struct tess_node *codebook_pull(struct tess_graph *g, struct tess_node *a, struct tess_node *b);

/* Entries for the table of a quantizer's functions. */
int64_t codebook_codebook_size(void *self);
int64_t codebook_code_dim(void *self);
int codebook_record_assign(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_node **codes);
int codebook_record_lookup(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *codes,
                           struct tess_node **quantised);
int codebook_rebuild(void *self, struct tess_context *ctx, const struct tess_tensor *pool, uint64_t seed, struct tess_tensor *codebook);

#endif
