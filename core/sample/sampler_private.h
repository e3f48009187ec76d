/* The sampler from inside: sequences of a causal prior in lockstep. SPDX-License-Identifier: MIT */
#ifndef TESSI_SAMPLER_PRIVATE_H
#define TESSI_SAMPLER_PRIVATE_H

#include <tessera/sampler.h>

/* The next reverse step of sequence i, in place; it has steps left. */
struct tess_reverse tessi_sample_sampler_step(const struct tess_sampler *s, int64_t i, const float *logits);

/* task(c, user, row, k) for k in [0, n), each once, on all workers; `row` (L) is the worker's own. Of those that failed the first by number
 * says why, so that a failure does not depend on workers either. */
int tessi_sample_sampler_each(struct tess_context *ctx, const struct tess_sampler *s, int64_t n,
                       int (*task)(struct tess_context *ctx, const void *user, int32_t *row, int64_t k), const void *user) TESS_CHECKED;

/* Sequences of a batch at a time, token by token through o->next. `o` is borrowed; free accepts NULL and a half-made one. */
struct tessi_lockstep;
int tessi_sample_lockstep_new(struct tess_context *ctx, const struct tess_sampler_options *o, struct tessi_lockstep **out) TESS_CHECKED;
void tessi_sample_lockstep_free(struct tessi_lockstep *k);
/* One token of each sequence in the batch: drawn, or put into the cache again where it was drawn before. Adds what the denoiser did. */
int tessi_sample_lockstep_advance(struct tess_context *ctx, struct tessi_lockstep *k, const struct tess_sampler *s, int64_t *calls,
                           double *flops) TESS_CHECKED;

#endif
