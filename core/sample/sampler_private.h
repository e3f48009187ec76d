/* The sampler from inside: what its files share. SPDX-License-Identifier: MIT */
#ifndef TESSI_SAMPLER_PRIVATE_H
#define TESSI_SAMPLER_PRIVATE_H

#include <tessera/sampler.h>

#include "core/base/context.h"

struct tessi_logit_graph { /* gives logits: one of the two graphs */
    struct tess_graph *graph;
    int64_t width; /* tokens of a sequence it gives logits of */
    double flops;  /* work for one row of the batch */
};

struct tessi_sample_worker { /* a worker's */
    struct tessi_context context;
    int64_t failed; /* at which of the sequences */
    int32_t *row;   /* (tokens): where in a sequence's logits a token's are */
};

struct tess_sampler {
    struct tess_sampler_options o;
    struct tessi_runtime *runtime;
    struct tessi_sample_worker *worker_state;
    int64_t tokens, calls, rows; /* rows: of a batch, for each sequence; 2 with guidance */
    double flops;
    int telling;                          /* the sampler may say beforehand which calls come to nothing */
    struct tessi_logit_graph all, picked; /* picked.graph NULL: there is none */
    struct tess_tensor x, left, call, state;
    struct tess_tensor input, time, label, positions, logits; /* buffers of a batch */
    int64_t *active, actives, next;
    int64_t *draws; /* for the active ones that come first: distinct positions in each one's row of `positions`; the rest is padding */
    uint8_t *where; /* (tokens): 1 for a token of the sequence that is read */
    struct tessi_lockstep *lockstep; /* NULL: whole sequences; else nothing from `input` on is there */
};

/* ---- one sequence ------------------------------------------------------------------------------------------------------- */

int32_t *tessi_sample_sequence(const struct tess_sampler *s, int64_t i); /* its tokens */
int32_t *tessi_sample_left(const struct tess_sampler *s, int64_t i);
int32_t tessi_sample_steps(const struct tess_sampler *s, int64_t i);
uint32_t tessi_sample_number(const struct tess_sampler *s, int64_t i); /* what its draws are keyed by */
/* The known tokens of sequence i, as they are with the steps it has left. */
int tessi_sample_hold(struct tess_context *ctx, const struct tess_sampler *s, int64_t i) TESS_CHECKED;

/* The next call of sequence i, in place; it has steps left. step.reverse points into it. */
struct tessi_sample_call {
    struct tess_reverse reverse;
    struct tess_sampler_step step;
};
void tessi_sample_next(const struct tess_sampler *s, int64_t i, const float *logits, struct tessi_sample_call *out);
/* One call is made, or came to nothing. */
int tessi_sample_passed(struct tess_context *ctx, const struct tess_sampler *s, int64_t i) TESS_CHECKED;

/* ---- all sequences ------------------------------------------------------------------------------------------------------ */

/* task(c, user, row, k) for k in [0, n), each once, on all workers; `row` (L) is the worker's own. Of those that failed the first by number
 * says why, so that a failure does not depend on workers either. */
int tessi_sample_sampler_each(struct tess_context *ctx, const struct tess_sampler *s, int64_t n,
                              int (*task)(struct tess_context *ctx, const void *user, int32_t *row, int64_t k),
                              const void *user) TESS_CHECKED;
/* The labels of sequence i as rows of a batch from `to` on: its own, then with guidance the null label. */
void tessi_sample_put_labels(const struct tess_sampler *s, int64_t i, int32_t *to);
/* Logits of `n` values a row, the rows of one sequence: mixed into the first of them where there is guidance. */
void tessi_sample_guide(const struct tess_sampler *s, int64_t n, float *logits);

/* Sequences of a batch at a time, token by token through o->next. `o` is borrowed; free accepts NULL and a half-made one. */
struct tessi_lockstep;
int tessi_sample_lockstep_new(struct tess_context *ctx, const struct tess_sampler *s, struct tessi_lockstep **out) TESS_CHECKED;
void tessi_sample_lockstep_free(struct tessi_lockstep *k);
/* One token of each sequence in the batch: drawn, or put into the cache again where it was drawn before. Adds what the denoiser did. */
int tessi_sample_lockstep_advance(struct tess_context *ctx, struct tessi_lockstep *k, const struct tess_sampler *s, int64_t *calls,
                                  double *flops) TESS_CHECKED;

#endif
