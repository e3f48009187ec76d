/* Private declarations of the sampler's files. SPDX-License-Identifier: MIT */
#ifndef TESSI_SAMPLER_PRIVATE_H
#define TESSI_SAMPLER_PRIVATE_H

#include <tessera/sampler.h>

#include "core/base/context.h"

struct tessi_logit_graph { /* denoiser graph: of all tokens, or of picked positions */
    struct tess_graph *graph;
    int64_t width; /* tokens of a sequence that it computes logits of */
    double flops;  /* work for one row of the batch */
};

struct tessi_sample_worker { /* state of a worker */
    struct tessi_context context;
    int64_t failed; /* number of the sequence that failed */
    int32_t *row;   /* (tokens): row of each token in the sequence's logits */
};

struct tess_sampler {
    struct tess_sampler_options o;
    struct tessi_runtime *runtime;
    struct tessi_sample_worker *worker_state;
    int64_t tokens, calls, rows; /* rows: batch rows of each sequence; 2 with guidance */
    double flops;
    int telling;                          /* the sampler can tell beforehand which calls read no logits */
    struct tessi_logit_graph all, picked; /* picked.graph NULL: there is none */
    struct tess_tensor x, left, call, state;
    struct tess_tensor input, time, label, positions, logits; /* buffers of a batch */
    int64_t *active, actives, next;
    int64_t *draws; /* [active sequence, of those that come first]: distinct positions in its row of `positions`; the rest is padding */
    uint8_t *where; /* (tokens): 1 for a token of the sequence that is read */
    struct tessi_lockstep *lockstep; /* NULL: whole sequences; else nothing from `input` on is there */
};

/* ---- one sequence ------------------------------------------------------------------------------------------------------- */

int32_t *tessi_sample_sequence(const struct tess_sampler *s, int64_t i); /* tokens of sequence i */
int32_t *tessi_sample_left(const struct tess_sampler *s, int64_t i);
int32_t tessi_sample_steps(const struct tess_sampler *s, int64_t i);
uint32_t tessi_sample_number(const struct tess_sampler *s, int64_t i); /* number that keys the sequence's random draws */
/* Sets the known tokens of sequence i to their state at the steps it has left. */
int tessi_sample_hold(struct tess_context *ctx, const struct tess_sampler *s, int64_t i) TESS_CHECKED;

/* Describes the next call of sequence i, which has steps left and is updated in place. step.reverse points into *out. */
struct tessi_sample_call {
    struct tess_reverse reverse;
    struct tess_sampler_step step;
};
void tessi_sample_next(const struct tess_sampler *s, int64_t i, const float *logits, struct tessi_sample_call *out);
/* Counts one call of sequence i as made, whether the denoiser ran for it or not; the last call of a step ends the step. */
int tessi_sample_passed(struct tess_context *ctx, const struct tess_sampler *s, int64_t i) TESS_CHECKED;

/* ---- all sequences ------------------------------------------------------------------------------------------------------ */

/* task(c, user, row, k) for k in [0, n), each once, on all workers; `row` (L) is the worker's own. When several fail, the message is that
 * of the lowest k, so that a failure does not depend on workers either. */
int tessi_sample_sampler_each(struct tess_context *ctx, const struct tess_sampler *s, int64_t n,
                              int (*task)(struct tess_context *ctx, const void *user, int32_t *row, int64_t k),
                              const void *user) TESS_CHECKED;
/* Writes the labels of sequence i into batch rows from `to` on: its own, then with guidance the null label. */
void tessi_sample_put_labels(const struct tess_sampler *s, int64_t i, int32_t *to);
/* Classifier-free guidance on the rows of one sequence, `n` logits a row: mixed into the first of them. Nothing without guidance. */
void tessi_sample_guide(const struct tess_sampler *s, int64_t n, float *logits);

/* Lockstep sampler: one batch of sequences at a time, token by token through o->next. `o` is borrowed; free accepts NULL and a half-made
 * one. */
struct tessi_lockstep;
int tessi_sample_lockstep_new(struct tess_context *ctx, const struct tess_sampler *s, struct tessi_lockstep **out) TESS_CHECKED;
void tessi_sample_lockstep_free(struct tessi_lockstep *k);
/* Advances each sequence of the batch by one token: drawn, or put into the cache again where it was drawn before. Adds the denoiser's calls
 * and work. */
int tessi_sample_lockstep_advance(struct tess_context *ctx, struct tessi_lockstep *k, const struct tess_sampler *s, int64_t *calls,
                                  double *flops) TESS_CHECKED;

#endif
