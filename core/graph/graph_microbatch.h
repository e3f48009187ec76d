/* State of a microbatch on its way through a graph (graph_microbatch.c), and the batch it is part of (graph_run.c).
 * SPDX-License-Identifier: MIT */
#ifndef TESSI_GRAPH_MICROBATCH_H
#define TESSI_GRAPH_MICROBATCH_H

#include "core/graph/node.h"

struct tessi_job { /* one batch being run */
    struct tess_graph *g;
    const struct tess_batch *b;
    int backward, half;
    int64_t microbatches, first, end; /* microbatches of the batch, and the share of them that this process runs */
};

/* Pointers of one microbatch on one worker. */
struct tessi_microbatch {
    const struct tessi_job *job;
    struct tessi_slot *slot;
    int64_t index, rows; /* rows: samples in it; further rows are padding */
    float *sums;         /* totals and gradient probes; NULL when they are not wanted */
};

/* TESS_OK for a batch that the sealed graph can run: its tensors have the dtype and every dimension of the graph's inputs, outputs and
 * totals (batch_check.c). */
int tessi_graph_batch_check(struct tess_context *ctx, const struct tess_graph *g, const struct tess_batch *b,
                            int backward_too) TESS_CHECKED;
/* Zero-fills copies of the inputs of which the microbatch has fewer rows than the graph; called before forward. */
void tessi_graph_microbatch_fill_pad(const struct tessi_microbatch *s);
int tessi_graph_microbatch_forward(const struct tessi_microbatch *s) TESS_CHECKED;
/* Copies outputs into the caller's memory and totals into the microbatch's. */
void tessi_graph_microbatch_copy_results(const struct tessi_microbatch *s);
/* Runs the backward steps first .. end - 1. */
int tessi_graph_microbatch_backward(const struct tessi_microbatch *s, int64_t first, int64_t end) TESS_CHECKED;

#endif
