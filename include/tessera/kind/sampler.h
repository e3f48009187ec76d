/* Kind "sampler/1": which tokens a step of sampling draws or masks again, and with what chance. A noise (kind/noise.h) knows its own step
 * back; a sampler may take it as it is, or do something else with the denoiser's logits. K codes, L tokens a sequence; tokens are i32 in
 * [0, vocabulary), where K is the mask of a noise whose vocabulary is K + 1; logits f32.
 *
 * Sequences are sampled by the host, many at a time, each at its own step: a sampler is asked about one step of one sequence at a time, by
 * several threads at once, and keeps nothing of it but in that sequence's own state. So what is drawn depends on the sequence alone, and
 * not on the batch or the number of threads. Draws come from the stream of the step: set a purpose, or use the one it has.
 *
 * A step with more than one call of the denoiser comes to `draw` once for each. Between the calls of a step a sequence is at the time the
 * step began with; what the last leaves is at the time it ends with. Tokens that are known are put back by the host after every call.
 *
 * Functions that return int give TESS_OK, or a code whose message is in the context. All but `check` [any thread]. The host checks the
 * tokens that a sampler writes: those outside the vocabulary, and codes outside [0, K) after the last step, are a failure that names it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_KIND_SAMPLER_H
#define TESSERA_KIND_SAMPLER_H

#include <tessera/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Arguments of a sampler's functions: one call of the denoiser in one step of one sequence. */
struct tess_sampler_step {
    uint32_t size;
    int32_t call;                       /* number of the call within the step, 0 .. calls - 1 */
    int64_t left, steps;                /* steps that the sequence has left, including this one, and in all: 1 <= left <= steps */
    const struct tess_prior *prior;     /* for tess_prior_reverse, tess_prior_vocabulary and the like of model.h */
    const struct tess_reverse *reverse; /* the step as a noise is given it: tokens, times, temperature, logits, stream */
    const uint8_t *mask;                /* (L) 1 for a token that is known; NULL: none is */
    void *state;                        /* `state_size` bytes of this sequence, aligned to 8; NULL where that is 0 */
};

#define TESS_SAMPLER_CALLS_MAX 64
#define TESS_SAMPLER_STATE_MAX (1 << 28)

struct tess_sampler_1 {
    uint32_t size;
    int32_t reserved;
    /* Checks that it can sample from the prior: TESS_OK, or TESS_E_VALUE with a message that names one that would do. Called when a
     * pipeline is planned. NULL: from any. [one thread] */
    int (*check)(void *self, struct tess_context *ctx, const struct tess_prior *p);
    /* Number of tokens whose logits this call reads, told from x and the draws alone (s->reverse->logits is NULL), and 1 in `where` (L),
     * unless NULL, for each of them, else 0. 0: the call leaves x and the state as they are, and is not made, as long as the denoiser is
     * not told the time. Below 0: cannot be told, all are read. NULL: likewise, always. */
    int64_t (*reads)(void *self, const struct tess_sampler_step *s, uint8_t *where);
    /* Draws the tokens: writes s->reverse->next (L), which may be x itself. Logits of token i are row i of s->reverse->logits, or row
     * s->reverse->row[i] where that is not NULL, which is then known for the tokens of `reads` alone. */
    int (*draw)(void *self, struct tess_context *ctx, const struct tess_sampler_step *s);
    /* Number of calls of the denoiser in the step with `left` of `steps` left, 1 .. TESS_SAMPLER_CALLS_MAX. NULL: 1. */
    int64_t (*calls)(void *self, int64_t left, int64_t steps);
    /* Size in bytes of the state that it keeps with each sequence, at most TESS_SAMPLER_STATE_MAX: zeroed at the start, saved and resumed
     * with the sequence. NULL: 0. */
    int64_t (*state_size)(void *self, int64_t tokens, int64_t codebook_size);
};

#ifdef __cplusplus
}
#endif
#endif
