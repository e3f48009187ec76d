/* Checks on the results of a prior's plugins against the contracts of their kinds, before they are used. Each failure names plugin,
 * function, the expected value and the one found. SPDX-License-Identifier: MIT */
#ifndef TESSI_PRIOR_CHECK_H
#define TESSI_PRIOR_CHECK_H

#include <tessera/model.h>

#include "core/model/check_recorded.h"

/* Checks that noise and denoiser are of their kinds, and that steps and vocabulary are possible; the gate has seen that they have the
 * functions that their kinds require. Parts that are NULL are not looked at. */
int tessi_model_check_prior(struct tess_context *ctx, const struct tess_prior *p) TESS_CHECKED;
/* Logits are f32 (rows, tokens, K). A graph that has failed is left to its seal, here and below. */
int tessi_model_check_logits(struct tess_context *ctx, const struct tessi_recording *r, const struct tess_prior *p, int64_t tokens,
                             const struct tess_node *logits) TESS_CHECKED;
/* The loss is one f32, the bound f32 (rows). */
int tessi_model_check_noise_loss(struct tess_context *ctx, const struct tessi_recording *r,
                                 const struct tess_noise_loss *loss) TESS_CHECKED;
/* Checks that tokens written by `function` of an instance are in 0 .. below - 1. */
int tessi_model_check_tokens(struct tess_context *ctx, const struct tess_instance *i, const char *kind, const char *function,
                             int64_t tokens, const int32_t *x, int64_t below) TESS_CHECKED;

#endif
