/* Sampling in lockstep: all sequences of a batch token by token (sampler_causal.c). SPDX-License-Identifier: MIT */
#ifndef TESSI_SAMPLE_LOCKSTEP_H
#define TESSI_SAMPLE_LOCKSTEP_H

#include "core/sample/sample_state.h"

/* Lockstep sampler: one batch of sequences at a time, token by token through o->next. The options of `s` are borrowed, its places set; free
 * accepts NULL and a half-made one. */
struct tessi_lockstep;
int tessi_sample_lockstep_new(struct tess_context *ctx, struct tessi_sample_state *s, struct tessi_lockstep **out) TESS_CHECKED;
void tessi_sample_lockstep_free(struct tessi_lockstep *k);
/* Advances each sequence of the batch by one token: drawn, or put into the cache again where it was drawn before. Adds the denoiser's calls
 * and work. */
int tessi_sample_lockstep_advance(struct tess_context *ctx, struct tessi_lockstep *k, const struct tessi_sample_state *s, int64_t *calls,
                                  double *flops) TESS_CHECKED;

#endif
