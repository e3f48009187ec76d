/* The bound of a prior on the codes of images: its mean, with a standard error over the sequences, and by diffusion time.
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_STAGES_EVALUATE_EVALUATE_BOUND_H
#define PLUGINS_STAGES_EVALUATE_EVALUATE_BOUND_H

#include "kit/infer/common.h"

enum { EVALUATE_BINS = 10 }; /* parts of the times 1 .. T, fewer where T is */

struct evaluate_bound {
    /* prior, graph and data whose bound it is, borrowed */
    const struct tess_prior *prior;
    struct stage_graph *loss; /* its output `bound` */
    struct tess_stage_run *run;
    const int32_t *codes;  /* (count, L) */
    const int32_t *labels; /* (count); NULL: the prior is told none */
    int64_t count, draws, batch;
    uint64_t seed;
    /* results */
    double bits;    /* per code: mean over sequences and draws, and the constant */
    double *each;   /* (count): mean over a sequence's draws, without the constant; bits per code */
    double *binned; /* (2, bins, count): of the draws of a sequence in a bin of times the sum, and their number */
    int64_t bins;   /* 0: the bound has no times (a causal prior) */
};

/* Number of times at which a sequence is corrupted: 1 for a causal prior, whose bound is the same at every time. */
int64_t evaluate_bound_draws(const struct tess_prior *p, int64_t draws);
/* Bytes that the results and a batch take. */
int64_t evaluate_bound_bytes(const struct tess_prior *p, int64_t count, int64_t batch);
/* Computes the results. Close in any case. TESS_E_STOPPED when the user asked to stop. */
int evaluate_bound_compute(struct tess_context *ctx, struct evaluate_bound *b) TESS_CHECKED;
void evaluate_bound_close(struct evaluate_bound *b);
/* Writes the metric `prior's bound` and, where there are times, the datasets of the bound by time (docs/formats.md). */
int evaluate_bound_put(struct tess_context *ctx, const struct evaluate_bound *b, struct tess_artefact *a) TESS_CHECKED;

#endif
