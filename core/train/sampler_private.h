/* The sampler from inside: sequences of a causal prior in lockstep. SPDX-License-Identifier: MIT */
#ifndef TESSI_SAMPLER_PRIVATE_H
#define TESSI_SAMPLER_PRIVATE_H

#include <tessera/sampler.h>

/* The next reverse step of sequence i, in place; it has steps left. */
struct tess_reverse tessi_sampler_step(const struct tess_sampler *s, int64_t i, const float *logits);

/* Sequences of a batch at a time, token by token through o->next. `o` is borrowed; free accepts NULL and a half-made one. */
struct tessi_lockstep;
int tessi_lockstep_new(struct tess_call *c, const struct tess_sampler_options *o, struct tessi_lockstep **out) TESS_CHECKED;
void tessi_lockstep_free(struct tessi_lockstep *k);
/* One token of each sequence in the batch: drawn, or put into the cache again where it was drawn before. Adds what the denoiser did. */
int tessi_lockstep_advance(struct tess_call *c, struct tessi_lockstep *k, const struct tess_sampler *s, int64_t *calls,
                           double *flops) TESS_CHECKED;

#endif
