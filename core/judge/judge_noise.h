/* Shared by the files of kind noise/1: an instance at work on short sequences. SPDX-License-Identifier: MIT */
#ifndef TESSI_JUDGE_NOISE_H
#define TESSI_JUDGE_NOISE_H

#include "core/judge/judge_private.h"

enum { NOISE_CODES = 5, NOISE_TOKENS = 12, NOISE_TOKENS_MAX = 256 };

struct noise_case {
    struct judge *j;
    struct tess_context *ctx;
    const struct tess_noise_1 *ops;
    void *self;
    int64_t tokens, codes, vocabulary, steps; /* L, K, size of the vocabulary of noised tokens, T */
    int causal;
};

/* Opens a noise for sequences of `tokens` tokens of `codes` codes. An impossible vocabulary or number of steps is a failure of the test
 * `sizes`: here JUDGE_SKIP. */
int judge_noise_open(struct judge *j, struct tess_instance *i, int64_t tokens, int64_t codes, struct noise_case *n);
int judge_noise_corrupt(const struct noise_case *n, int64_t t, uint32_t sample, const int32_t *x0, int32_t *xt);
/* Makes one reverse step, with `left` of `all` steps left; x may be next. */
int judge_noise_reverse(const struct noise_case *n, int64_t left, int64_t all, uint32_t sample, const float *logits, const int32_t *x,
                  int32_t *next);
struct tess_reverse judge_noise_step(const struct noise_case *n, int64_t left, int64_t all, uint32_t sample, const float *logits,
                               const int32_t *x, int32_t *next);
/* Draws the start of sampling, and checks that it is within the vocabulary. */
int judge_noise_start(const struct noise_case *n, uint32_t sample, int32_t *x);
/* Number of steps of a short chain: at most 12, or one a token where the noise is causal. */
int64_t judge_noise_chain(const struct noise_case *n);
/* Draw the codes of a sequence; and logits (L, K). */
void judge_noise_codes(const struct noise_case *n, uint32_t sample, int32_t *x0);
void judge_noise_logits(const struct noise_case *n, uint32_t sample, float *logits);
/* Fails unless all of x lie in [0, limit). */
int judge_noise_within(const struct noise_case *n, const char *function, const int32_t *x, int64_t limit);

extern const struct judge_workload judge_noise_workloads[];

/* judge_noise_steps.c: reverse steps. */
int judge_noise_reverse_range(struct judge *j);
int judge_noise_finishes(struct judge *j);
int judge_noise_reverse_repeats(struct judge *j);
int judge_noise_reverse_in_place(struct judge *j);
int judge_noise_reverse_kept(struct judge *j);
int judge_noise_not_finite(struct judge *j);
int judge_noise_changes(struct judge *j);
int judge_noise_rows(struct judge *j);
int judge_noise_condition(struct judge *j);
int judge_noise_any_thread(struct judge *j);
/* judge_noise_chance.c: distributions of drawn tokens. */
int judge_noise_corrupt_grows(struct judge *j);
int judge_noise_corrupt_alike(struct judge *j);
int judge_noise_start_is_marginal(struct judge *j);
int judge_noise_reverse_posterior(struct judge *j);
int judge_noise_reverse_exact(struct judge *j);
int judge_noise_temperature(struct judge *j);
int judge_noise_condition_marginal(struct judge *j);
/* judge_noise_bound.c: the loss and the bound. */
int judge_noise_bound_times(struct judge *j);
int judge_noise_bound_constant(struct judge *j);
int judge_noise_bound_known_source(struct judge *j);
int judge_noise_bound_perfect(struct judge *j);
int judge_noise_draw_time(struct judge *j);
int judge_noise_times_restored(struct judge *j);

#endif
