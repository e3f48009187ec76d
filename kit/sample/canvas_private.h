/* Shared by the files of canvas.h. SPDX-License-Identifier: MIT */
#ifndef KIT_SAMPLE_CANVAS_PRIVATE_H
#define KIT_SAMPLE_CANVAS_PRIVATE_H

#include "kit/sample/canvas.h"

struct logit_graph { /* gives logits: one of the two graphs */
    struct tess_graph *graph;
    int64_t width; /* tokens of a window it gives logits of */
};

struct taking {                   /* a canvas that takes this step */
    int64_t canvas, first, draws; /* the canvas's slots: first .. first + draws - 1 */
    const struct logit_graph *logit_graph;
};

struct job { /* a window of a batch, and its place there */
    int64_t taking, window, place;
};

struct canvas {
    struct canvas_options o;
    struct windows windows;
    int64_t tokens, window_tokens, codebook_size; /* codes of a canvas, codes of a window, K */
    int64_t capacity, calls;                      /* allocated slots; calls of the denoiser */
    struct logit_graph all, picked;
    int64_t rows;                                       /* rows of a batch for each window; 2 with guidance */
    struct tess_tensor x, left, call, state;            /* where all canvases stand */
    struct tess_tensor input, label, positions, logits; /* buffers of a batch */
    struct taking *taking;                              /* (batch) */
    int64_t takings, slots;                             /* in use */
    struct job *job;                                    /* (in_batch) */
    int64_t jobs;
    int64_t places, in_batch; /* windows that a microbatch has room for, and a batch: o.batch in whole microbatches */
    int64_t *filled;          /* (places): windows of the batch so far whose number leaves that remainder */
    int32_t *slot;            /* (batch, tokens): where among its canvas's draws a token is; -1: it is not drawn */
    uint8_t *chosen, *wanted; /* tokens and windows of one canvas */
    double *sum;              /* (capacity, K): probabilities added up over windows */
    float *logit;             /* (capacity, K): of their mean */
    int64_t *covers;          /* (capacity): windows that have said something */
};

static inline int32_t *canvas_tokens(const struct canvas *k, int64_t i)
{
    return (int32_t *)k->x.data + i * k->tokens;
}

/* Probabilities of the tokens that canvases draw in this step, into `sum`, and how many windows gave some, into `covers`. */
int canvas_add_windows(struct tess_context *ctx, struct canvas *k) TESS_CHECKED;

#endif
