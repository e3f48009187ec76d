/* Kind "noise/1": how discrete diffusion corrupts codes, what is trained on, and its step back. K codes, L tokens a sequence, T steps; t
 * runs from 1 (least noise) to T. What the denoiser is told of the time is the fraction t / T. Codes are i32 in [0, K), noised tokens i32
 * in [0, vocabulary), logits f32.
 *
 * Whatever records does so under the scope the caller set ("noise"); nodes belong to the graph. Arrays are the caller's and borrowed until
 * the call returns. "[any thread]": several threads may be in such calls of one instance at once, so they write nothing of it; all others
 * come from one thread at a time. Those that return int give TESS_OK, or a code whose message is in the context. What a noise gives back is
 * held against what is said here before anything is made of it: the nodes and the sizes when a pipeline is planned, the tokens when they
 * are written.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_KIND_NOISE_H
#define TESSERA_KIND_NOISE_H

#include <tessera/graph.h>
#include <tessera/random.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tess_noise_loss {
    uint32_t size; /* sizeof(struct tess_noise_loss), set by the caller, as in all structs here */
    int32_t reserved;
    struct tess_node *loss;  /* scalar: mean over the samples of what is trained on */
    struct tess_node *bound; /* (N): for t uniform in 1 .. T, an unbiased estimate of each sample's bound, in bits per token */
};

/* Arguments of one reverse step for one sequence. */
struct tess_reverse {
    uint32_t size;                 /* sizeof(struct tess_reverse) */
    int32_t last;                  /* to == 0: every token must be decided */
    int64_t tokens, codebook_size; /* L, K */
    double from, to;               /* fractions of T: 1 at the start of sampling, 0 at the end; to < from */
    double temperature;            /* logits are divided by it; > 0 */
    const float *logits;           /* (L, K): output of the denoiser at `from` */
    const int32_t *x;              /* (L): tokens before the step */
    int32_t *next;                 /* (L): tokens after the step; may be x itself */
    struct tess_stream random;     /* keyed by seed, reverse step and sample; set purpose */
    const int32_t *row; /* (L): which row of `logits` is token i's, where `changes` says that it is drawn, else undefined. NULL: the
                         * i-th. Not NULL only for noises that say `reads_row`. */
};

/* Samples of a training step, for a noise that chooses its times: their times and bounds. */
struct tess_noise_seen {
    uint32_t size;
    int64_t samples, tokens;
    const float *t;     /* (samples): times, 1 .. T */
    const float *bound; /* (samples): `bound` of struct tess_noise_loss */
};

/* Largest number of steps: times are f32 in a graph, which holds whole numbers exactly up to here. */
#define TESS_STEPS_MAX 16777216

struct tess_noise_1 {
    uint32_t size;
    int32_t needs_time;                                       /* 1: the denoiser must be told t */
    int64_t (*vocabulary)(void *self, int64_t codebook_size); /* size of what the denoiser reads: K, or K + 1 with a mask (id K) */
    int64_t (*steps)(void *self); /* T, at most TESS_STEPS_MAX; 0: as many as a sequence has tokens (tess_prior_steps of model.h tells) */
    /* Draws the noised sequence x_t ~ q(x_t | x_0), both (L), t in 1 .. T. Streams are keyed by sample; set purpose. [any thread] */
    int (*corrupt)(void *self, struct tess_context *ctx, const struct tess_stream *random, int64_t tokens, int64_t codebook_size, int64_t t,
                   const int32_t *x0, int32_t *xt);
    /* Records the training loss: logits (N, L, K), x0 and xt (N, L) i32, t (N) f32 holding 1 .. T. */
    int (*record_loss)(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *logits, struct tess_node *x0,
                       struct tess_node *xt, struct tess_node *t, struct tess_noise_loss *out);
    /* Constant part of the bound, outside the expectation over t, in bits per token (the prior term). */
    double (*bound_constant)(void *self, int64_t tokens, int64_t codebook_size);
    /* Fills x (L) with the start of sampling (all masked; uniform codes). The stream is keyed by sample. [any thread] */
    int (*start)(void *self, struct tess_context *ctx, const struct tess_stream *random, int64_t tokens, int64_t codebook_size, int32_t *x);
    /* Draws a reverse step, x_to ~ p(x_to | x_from). TESS_E_FAILED for logits that are no numbers. [any thread] */
    int (*reverse)(void *self, struct tess_context *ctx, const struct tess_reverse *r);
    /* Number of tokens that the reverse step would draw, told from x and the draws alone (r->logits is NULL): a step of 0 leaves x as it is
     * and needs no denoiser, as long as the denoiser is not told the time. `where` (L), unless NULL, gets 1 for each of them, else 0.
     * NULL: cannot be told. [any thread] */
    int64_t (*changes)(void *self, const struct tess_reverse *r, uint8_t *where);
    /* Draws a training time, for a noise that chooses its times; NULL, both draw_time and observe: times are uniform. Its state is in
     * buffers that record_loss declares in a training graph, found in `w` as scope.NAME; they are saved and resumed with the weights. Gives
     * t in 1 .. T for a sample of the next step, from what was observed up to the last: the stream is keyed by step and sample. [any
     * thread] */
    int (*draw_time)(void *self, struct tess_context *ctx, struct tess_weights *w, const char *scope, const struct tess_stream *random,
                     int64_t *t);
    /* Called after each optimiser step with all its samples, in order. [one thread] */
    int (*observe)(void *self, struct tess_context *ctx, struct tess_weights *w, const char *scope, const struct tess_noise_seen *seen);
    int32_t reads_row; /* 1: reverse needs logits of the tokens `changes` tells of only, and looks for them by `row` unless that is NULL */
    int32_t reserved;
    /* 1: token i's logits may depend on the tokens before it alone. Tokens then are drawn in order, one a step: steps() is 0, the step
     * with s left draws token L - s, and the bound is the sequence's own code length, the same at every t. Needs a denoiser that is
     * `causal`. */
    int32_t causal;
    int32_t reserved_1;
    /* Sets known tokens, for sampling around any of them: next is x with each token i that has mask[i] in the state it has at fraction
     * r->from of the time when x_0 is values[i]; at 0, values[i] itself. r->logits is NULL; the stream is keyed by the steps left and the
     * sample. A noise with `changes` gives the same state at every time but 0, since steps of none are left out. NULL: what the denoiser
     * says of a token does not heed what is known of all the others, so this noise cannot sample around them. [any thread] */
    int (*condition)(void *self, struct tess_context *ctx, const struct tess_reverse *r, const uint8_t *mask, const int32_t *values);
};

#ifdef __cplusplus
}
#endif
#endif
