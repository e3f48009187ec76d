/* Shared by the files of kind sampler/1. SPDX-License-Identifier: MIT */
#ifndef TESSI_JUDGE_SAMPLER_H
#define TESSI_JUDGE_SAMPLER_H

#include "core/judge/judge_private.h"

enum { SAMPLER_TOKENS = 12, SAMPLER_CODES = 4, SAMPLER_STEPS = 5 };

/* A sampler at work on a prior without a network: logits come from the test. */
struct sampler_case {
    struct judge *j;
    struct tess_context *ctx;
    const struct tess_sampler_1 *ops;
    void *self;
    struct tess_prior prior;
    int64_t vocabulary, tokens, steps;
    size_t state;
};

/* Arguments of one call of `draw`; step.reverse points to `reverse`. */
struct sampler_step {
    struct tess_reverse reverse;
    struct tess_sampler_step step;
};

/* Callbacks of a test around each draw. */
struct sampler_watch {
    int (*look)(const struct sampler_case *c, struct sampler_step *s, const float *logits);
    const float *source; /* logits given for every token; NULL: drawn */
};

/* Opens the sampler with the n-th noise that is not causal and that it takes; JUDGE_UNFIT past the last. */
int judge_sampler_open(struct judge *j, struct tess_instance *i, int64_t n, int64_t tokens, struct sampler_case *c);
void judge_sampler_close(struct sampler_case *c);
/* Samples a whole sequence, from the noise's start to its end. */
int judge_sampler_sequence(const struct sampler_case *c, uint32_t sample, const struct sampler_watch *w, int32_t *x);
/* Sequences with every noise that it takes. */
int judge_sampler_all(struct judge *j, struct tess_instance *i, const struct sampler_watch *w);
/* The call of a step; `state` is NULL where it keeps none. */
void judge_sampler_step_of(const struct sampler_case *c, int64_t left, int32_t call, uint32_t sample, const float *logits, const int32_t *x,
                           int32_t *next, void *state, struct sampler_step *s);

/* Tests of single draws; of threads and of frequencies. */
int judge_sampler_repeats(struct judge *j);
int judge_sampler_reads(struct judge *j);
int judge_sampler_reads_keeps(struct judge *j);
int judge_sampler_not_finite(struct judge *j);
int judge_sampler_any_thread(struct judge *j);
int judge_sampler_exact(struct judge *j);

#endif
