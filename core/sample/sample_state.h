/* State of all sequences that are sampled, which both samplers advance: the asynchronous one (sampler_advance.c) and the one that draws a
 * token of every sequence in lockstep (sampler_causal.c). SPDX-License-Identifier: MIT */
#ifndef TESSI_SAMPLE_STATE_H
#define TESSI_SAMPLE_STATE_H

#include <tessera/sampler.h>

#include "core/base/context.h"

struct tessi_sample_worker { /* scratch of a worker, and its failure */
    struct tessi_context context;
    int64_t failed; /* number of the sequence that failed */
    int32_t *row;   /* (tokens): row of each token in the sequence's logits */
};

struct tessi_sample_state {
    struct tess_sampler_options o;
    struct tessi_runtime *runtime;
    struct tessi_sample_worker *worker_state;
    int64_t tokens, rows;                  /* tokens of a sequence; rows of a batch for each sequence: 2 with guidance */
    int64_t places, batch;                 /* sequences of a microbatch, and of a batch (tessi_sample_places) */
    int64_t first, end;                    /* sequences of this rank: all, unless there are several */
    struct tess_tensor x, left, call, own; /* tokens, steps left, calls made in the current step; memory of the sampler component */
};

/* Allocates a zeroed tensor; freed with its data. */
int tessi_sample_tensor(struct tess_context *ctx, struct tess_tensor *t, int32_t dtype, int32_t rank, const int64_t *dim) TESS_CHECKED;
/* Checks mask and labels of s->o against the prior, and allocates; the options are set before. A half-made state is freed all the same. */
int tessi_sample_state_open(struct tess_context *ctx, struct tessi_sample_state *s) TESS_CHECKED;
void tessi_sample_state_close(struct tessi_sample_state *s);
/* Sets s->places, the sequences that a microbatch of `graph` has room for, and s->batch, o.batch in whole microbatches. Sequence i always
 * goes to a place whose number is i modulo s->places: the last bits of its logits depend on its place in a microbatch, and must not depend
 * on the batch or on which sequences wait beside it (docs/decisions.md, "Places of items"). */
void tessi_sample_places(struct tessi_sample_state *s, const struct tess_graph *graph);
/* Sets every sequence to the noise's first state. */
int tessi_sample_state_start(struct tess_context *ctx, const struct tessi_sample_state *s) TESS_CHECKED;

/* ---- one sequence ------------------------------------------------------------------------------------------------------- */

int32_t *tessi_sample_sequence(const struct tessi_sample_state *s, int64_t i); /* tokens of sequence i */
int32_t *tessi_sample_left(const struct tessi_sample_state *s, int64_t i);
int32_t tessi_sample_steps(const struct tessi_sample_state *s, int64_t i);
uint32_t tessi_sample_number(const struct tessi_sample_state *s, int64_t i); /* number that keys the sequence's random draws */
/* Sets the known tokens of sequence i to their state at the steps it has left. */
int tessi_sample_condition(struct tess_context *ctx, const struct tessi_sample_state *s, int64_t i) TESS_CHECKED;

/* Describes the next call of sequence i, which has steps left and is updated in place. step.reverse points into *out. */
struct tessi_sample_call {
    struct tess_reverse reverse;
    struct tess_sampler_step step;
};
void tessi_sample_next(const struct tessi_sample_state *s, int64_t i, const float *logits, struct tessi_sample_call *out);
/* Counts one call of sequence i as made, whether the denoiser ran for it or not; the last call of a step ends the step. */
int tessi_sample_passed(struct tess_context *ctx, const struct tessi_sample_state *s, int64_t i) TESS_CHECKED;

/* ---- all sequences ------------------------------------------------------------------------------------------------------ */

/* task(c, user, row, k) for k in [0, n), each once, on all workers; `row` (L) is the worker's own. When several fail, the message is that
 * of the lowest k, so that a failure does not depend on workers either. */
int tessi_sample_each(struct tess_context *ctx, const struct tessi_sample_state *s, int64_t n,
                      int (*task)(struct tess_context *ctx, const void *user, int32_t *row, int64_t k), const void *user) TESS_CHECKED;
/* Writes the labels of sequence i into batch rows from `to` on: its own, then with guidance the null label. */
void tessi_sample_put_labels(const struct tessi_sample_state *s, int64_t i, int32_t *to);
/* Classifier-free guidance on the rows of one sequence, `n` logits a row: mixed into the first of them. Nothing without guidance. */
void tessi_sample_guide(const struct tessi_sample_state *s, int64_t n, float *logits);

#endif
