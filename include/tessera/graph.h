/* The graph: operations recorded once for fixed shapes, differentiated, planned, run many times.
 *
 *     struct tess_node *x = tess_input(g, "image", TESS_F32, 4, (int64_t[]){rows, 28, 28, 1});
 *     struct tess_node *h = tess_swish(g, tess_conv2d(g, x, w, b, &(struct tess_conv){.size = sizeof(struct tess_conv), .stride = 1,
 * ...})); tess_output(g, "latent", h); TESS_TRY(tess_graph_seal(c, g));
 *
 * A graph is recorded for one microbatch: `microbatch` samples. A batch is `microbatches` times that; workers take whole microbatches and
 * run them on one thread each; gradients and totals of the microbatches are added in a fixed binary tree. So the bits of a result do not
 * depend on how many workers there are.
 *
 * Recording never fails in the middle: after the first failure, which is kept in the graph, every operation gives NULL.
 * tess_graph_seal reports that failure with the scope and the operation it was found in, "encoder.block1: conv2d of ...: wanted 64
 * channels, found 3", so model code reads as a list of calls. A node that is NULL where one is wanted, one of another graph, a name that is
 * NULL or empty, a dtype an operation does not take, and a tensor of more than 2^40 values are failures like shapes that do not fit.
 * Nodes belong to the graph.
 *
 * Shapes in brackets. "..." is any number of leading dimensions. Formulas are numbered in docs/models.md where they need it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_GRAPH_H
#define TESSERA_GRAPH_H

#include <tessera/random.h>
#include <tessera/tensor.h>
#include <tessera/weights.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tess_graph;
struct tess_node;
struct tess_cache;

/* ---- life ---------------------------------------------------------------------------------------------------------- */

struct tess_graph_options {
    uint32_t size;     /* sizeof(struct tess_graph_options) */
    int32_t training;  /* 1: dropout draws, gradients are wanted */
    int64_t microbatch;   /* samples of a microbatch */
    int64_t microbatches; /* number of microbatches of the largest batch that will be run */
    uint64_t seed;     /* seed of all random draws in the graph */
    int32_t recompute; /* 1: values that are cheap to compute (norms, activations, upsampling) are computed again for the backward pass, not
                        * kept: the same bits, less memory, some more time */
    int32_t reserved;
    int64_t training_steps; /* number of steps of the whole training, for tess_progress; 0: it has no end */
};

/* Weights are borrowed and must outlive the graph. */
TESS_EXPORT TESS_CHECKED int tess_graph_new(struct tess_context *ctx, struct tess_weights *w, const struct tess_graph_options *o,
                                            struct tess_graph **out);
TESS_EXPORT void tess_graph_free(struct tess_graph *g);
/* Ends recording: reports the first failure, or a scope that is still open, differentiates the objectives, plans memory, prepares the
 * backend's kernels. Reserves no memory: that is left to the first run, so that a plan costs nothing. */
TESS_EXPORT TESS_CHECKED int tess_graph_seal(struct tess_context *ctx, struct tess_graph *g);
/* Keeps a failure found while recording (a shape that does not fit); returns NULL, so that `return tess_graph_fail(...)`. */
TESS_EXPORT struct tess_node *tess_graph_fail(struct tess_graph *g, int code, const char *format, ...) TESS_PRINTF(3, 4);
TESS_EXPORT int64_t tess_graph_microbatch(const struct tess_graph *g);
TESS_EXPORT int tess_graph_training(const struct tess_graph *g);
/* TESS_OK or the code of the first failure while recording. */
TESS_EXPORT int tess_graph_status(const struct tess_graph *g);

/* Resources of a sealed graph. */
struct tess_cost {
    uint32_t size;       /* sizeof(struct tess_cost), set by the caller, who gets no more than it has room for */
    int64_t parameters;  /* trained elements of the weights it uses */
    double flops;        /* floating-point operations for one sample, forward and, where there are objectives, backward */
    int64_t arena_bytes; /* activations, gradients of activations and scratch of one worker */
    int64_t total_bytes; /* memory in all: all workers of this host, weights, optimiser and gradients in flight */
};
TESS_EXPORT TESS_CHECKED int tess_graph_cost(struct tess_context *ctx, const struct tess_graph *g, struct tess_cost *out);

/* A graph as text, allocated, the caller's to tess_free. TESS_GRAPH_TEXT: a line a node with its scope, operation, operands, shape, the
 * type it is kept in and its bytes; of a sealed graph also the memory plan, a line a buffer with its offset, bytes, the steps it lives in
 * and the value, gradient or scratch that it is, and the totals. TESS_GRAPH_DOT: a drawing for Graphviz. `tessera graph` prints those of a
 * stage. */
enum { TESS_GRAPH_TEXT = 0, TESS_GRAPH_DOT = 1 };
TESS_EXPORT TESS_CHECKED int tess_graph_print(struct tess_context *ctx, const struct tess_graph *g, int32_t format, char **text);

/* Names of weights, outputs and totals declared from here on get `name.` in front: tess_scope(g, "blocks.%d", i) ... tess_scope_end(g). */
TESS_EXPORT void tess_scope(struct tess_graph *g, const char *format, ...) TESS_PRINTF(2, 3);
TESS_EXPORT void tess_scope_end(struct tess_graph *g);

/* Shape and dtype; data is NULL. A scalar of rank 0 for a NULL node, so check tess_graph_status before relying on it. */
TESS_EXPORT struct tess_tensor tess_shape(const struct tess_node *x);

/* ---- inputs and outputs -------------------------------------------------------------------------------------------- */

/* An input, filled for every run; dim[0] must be a multiple of microbatch: sample-major. No gradient. */
TESS_EXPORT struct tess_node *tess_input(struct tess_graph *g, const char *name, int32_t dtype, int32_t rank, const int64_t *dim);
TESS_EXPORT struct tess_node *tess_weight(struct tess_graph *g, const char *name, int32_t rank, const int64_t *dim,
                                          const struct tess_init *init);
TESS_EXPORT struct tess_node *tess_constant(struct tess_graph *g, float value, int32_t rank, const int64_t *dim);
/* A constant with the values of a tensor of f32, i32, u16 or u8, copied: a table, a mask, positions. No gradient. The same for every
 * microbatch. */
TESS_EXPORT struct tess_node *tess_constant_array(struct tess_graph *g, const struct tess_tensor *values);
/* An output, copied out after every run: dim[0] a multiple of microbatch; the microbatches' parts stand one after the other. */
TESS_EXPORT void tess_output(struct tess_graph *g, const char *name, struct tess_node *x);
/* A total: x (f32) summed over the microbatches of a batch, in the fixed tree. Counts, sums, statistics. */
TESS_EXPORT void tess_total(struct tess_graph *g, const char *name, struct tess_node *x);
/* A scalar whose mean over the microbatches is to be minimised over the trained weights whose names begin with one of `prefixes`
 * (comma-separated; "" is all). Several objectives may share a graph: a weight belongs to one of them. Its value is
 * reported as a total divided by the microbatches, under `name`. */
TESS_EXPORT void tess_objective(struct tess_graph *g, const char *name, const char *prefixes, struct tess_node *scalar);
/* A scalar whose mean over the microbatches of each step is a column of the training's curve and in its log, beside the losses: what a
 * component wants to be seen (a temperature, a share of codes in use). Named like a total; objectives and columns are 10 at most. */
TESS_EXPORT void tess_column(struct tess_graph *g, const char *name, struct tess_node *scalar);
/* The mean of x (f32) over all microbatches of the batch, in each of them: for statistics that a part of a batch would get wrong, such as
 * the codes' mean distribution and its entropy. A step then runs forward twice, with its own x in the first half; at most 8. A value
 * computed from means alone is the same in every microbatch and gets the gradient of the whole batch; where it is mixed with a microbatch's
 * own values, the gradient passes as if x were the mean. The x of microbatches have one shape, whatever its first dimension. */
TESS_EXPORT struct tess_node *tess_batch_mean(struct tess_graph *g, struct tess_node *x);
/* A loss that weighs another by gradients: `scalar`'s gradient in the weight of that name is found before the objectives' (mean over the
 * microbatches), handed to the function of tess_set_adaptive_weights in the order of the gradient probes, and the values it sets are those
 * of the adaptive weights, scalar nodes (0 while running forward), in the objectives' backward passes of the same step. At most 8.
 * docs/models.md, "The adversarial term".
 */
TESS_EXPORT void tess_gradient_probe(struct tess_graph *g, struct tess_node *scalar, const char *weight);
TESS_EXPORT struct tess_node *tess_adaptive_weight(struct tess_graph *g);
TESS_EXPORT void tess_set_adaptive_weights(struct tess_graph *g,
                                           int (*adapt)(void *user, struct tess_context *ctx, const struct tess_tensor *gradient_probe,
                                                        float *adaptive_weight),
                                           void *user);

/* ---- element by element -------------------------------------------------------------------------------------------- */

/* b's dimensions are aligned to a's last ones, and a 1 is repeated: a (N, H, W, C) with b (C) or (N, 1, 1, C). The result has a's shape.
 * Both are f32, or both i32 (add, sub, mul, maximum, minimum: no gradient; a result outside 32 bits fails the run with TESS_E_DATA). The
 * gradient of b is summed over what was repeated. */
TESS_EXPORT struct tess_node *tess_add(struct tess_graph *g, struct tess_node *a, struct tess_node *b);
TESS_EXPORT struct tess_node *tess_sub(struct tess_graph *g, struct tess_node *a, struct tess_node *b);
TESS_EXPORT struct tess_node *tess_mul(struct tess_graph *g, struct tess_node *a, struct tess_node *b);
/* a / b of f32, by IEEE 754: a / 0 is infinite or NaN. da = dy / b, db = -dy a / b^2. */
TESS_EXPORT struct tess_node *tess_div(struct tess_graph *g, struct tess_node *a, struct tess_node *b);
/* The larger, the smaller; NaN where one is NaN. The gradient goes to the one that was chosen, half of it to each of equals. */
TESS_EXPORT struct tess_node *tess_maximum(struct tess_graph *g, struct tess_node *a, struct tess_node *b);
TESS_EXPORT struct tess_node *tess_minimum(struct tess_graph *g, struct tess_node *a, struct tess_node *b);
/* i32: a / b rounded down, and a - b floor(a / b), which has the sign of b. A division by 0 fails the run with TESS_E_DATA. No gradient. */
TESS_EXPORT struct tess_node *tess_floor_div(struct tess_graph *g, struct tess_node *a, struct tess_node *b);
TESS_EXPORT struct tess_node *tess_mod(struct tess_graph *g, struct tess_node *a, struct tess_node *b);
/* f32 of a's shape: 1 where `a relation b` holds, else 0; a and b both f32 or both i32. With NaN only TESS_NOT_EQUAL holds. No gradient. */
enum { TESS_LESS = 0, TESS_LESS_EQUAL = 1, TESS_EQUAL = 2, TESS_NOT_EQUAL = 3, TESS_GREATER_EQUAL = 4, TESS_GREATER = 5 };
TESS_EXPORT struct tess_node *tess_compare(struct tess_graph *g, struct tess_node *a, int32_t relation, struct tess_node *b);
/* a where the f32 condition is not 0, else b: a and b of one shape, both f32 or both i32; the condition is broadcast against them. Gradient
 * dy to the one chosen and 0 to the other, whatever is in it: unlike a product with 0 and 1, an infinite value left out does no harm. */
TESS_EXPORT struct tess_node *tess_where(struct tess_graph *g, struct tess_node *condition, struct tess_node *a, struct tess_node *b);
TESS_EXPORT struct tess_node *tess_affine(struct tess_graph *g, struct tess_node *x, float scale, float offset); /* scale x + offset */
TESS_EXPORT struct tess_node *tess_swish(struct tess_graph *g, struct tess_node *x);    /* x / (1 + e^-x) */
TESS_EXPORT struct tess_node *tess_gelu(struct tess_graph *g, struct tess_node *x);     /* x (1 + erf(x / sqrt 2)) / 2 */
TESS_EXPORT struct tess_node *tess_mish(struct tess_graph *g, struct tess_node *x);     /* x tanh(ln(1 + e^x)) */
TESS_EXPORT struct tess_node *tess_tanh(struct tess_graph *g, struct tess_node *x);
TESS_EXPORT struct tess_node *tess_sigmoid(struct tess_graph *g, struct tess_node *x);
TESS_EXPORT struct tess_node *tess_leaky_relu(struct tess_graph *g, struct tess_node *x, float slope); /* 0: ReLU */
TESS_EXPORT struct tess_node *tess_abs(struct tess_graph *g, struct tess_node *x);      /* gradient 0 at 0 */
TESS_EXPORT struct tess_node *tess_square(struct tess_graph *g, struct tess_node *x);
TESS_EXPORT struct tess_node *tess_exp(struct tess_graph *g, struct tess_node *x);
TESS_EXPORT struct tess_node *tess_log(struct tess_graph *g, struct tess_node *x);
TESS_EXPORT struct tess_node *tess_sqrt(struct tess_graph *g, struct tess_node *x);
TESS_EXPORT struct tess_node *tess_atanh(struct tess_graph *g, struct tess_node *x); /* domain |x| < 1; gradient dy / (1 - x^2) */
/* x between lo and hi (lo <= hi), f32. Gradient dy where lo <= x <= hi, else 0; straight through everywhere with
 * tess_straight_through(g, tess_clamp(g, x, lo, hi), x). */
TESS_EXPORT struct tess_node *tess_clamp(struct tess_graph *g, struct tess_node *x, float lo, float hi);
/* Step functions of f32: the nearest integer (of two the even one), the integer below, and -1, 0 or 1. Their gradient, 0 almost everywhere,
 * is replaced by dy: it passes straight through, at no cost. None passes tess_stop_gradient of them. */
TESS_EXPORT struct tess_node *tess_round(struct tess_graph *g, struct tess_node *x);
TESS_EXPORT struct tess_node *tess_floor(struct tess_graph *g, struct tess_node *x);
TESS_EXPORT struct tess_node *tess_sign(struct tess_graph *g, struct tess_node *x);
/* u8, u16 or i32 -> f32: scale x + offset. No gradient. */
TESS_EXPORT struct tess_node *tess_to_f32(struct tess_graph *g, struct tess_node *x, float scale, float offset);
/* f32 -> i32: the nearest integer (of two the even one); NaN and what is outside 32 bits fail the run with TESS_E_DATA. u8, u16 -> i32. No
 * gradient. */
TESS_EXPORT struct tess_node *tess_to_i32(struct tess_graph *g, struct tess_node *x);
/* Training: zero with probability p, the rest times 1 / (1 - p), drawn by (seed, purpose, step, sample, element). Else x. */
TESS_EXPORT struct tess_node *tess_dropout(struct tess_graph *g, struct tess_node *x, float p, const char *purpose);
/* The share of a training's steps that were made before this one, a scalar of 0 .. 1: what anneals is a function of it, and resumes with
 * the step's number alone. 1 where nothing is trained, or training has no end. No gradient. */
TESS_EXPORT struct tess_node *tess_progress(struct tess_graph *g);
TESS_EXPORT struct tess_node *tess_stop_gradient(struct tess_graph *g, struct tess_node *x);
/* Value of `value`, gradient to `through` unchanged: z + sg[z_q - z]. Same shapes. */
TESS_EXPORT struct tess_node *tess_straight_through(struct tess_graph *g, struct tess_node *value, struct tess_node *through);

/* ---- shapes and reductions ----------------------------------------------------------------------------------------- */

TESS_EXPORT struct tess_node *tess_reshape(struct tess_graph *g, struct tess_node *x, int32_t rank, const int64_t *dim); /* no copy */
/* Axes in another order: axis k of the result is axis axes[k] of x; `axes` has each of 0 .. rank - 1 once. Any dtype. A copy; the gradient
 * is permuted back. tess_transpose exchanges two. */
TESS_EXPORT struct tess_node *tess_permute(struct tess_graph *g, struct tess_node *x, const int32_t *axes);
TESS_EXPORT struct tess_node *tess_transpose(struct tess_graph *g, struct tess_node *x, int32_t a, int32_t b);
/* Concatenation of a and b along an axis; slice of `count` values of an axis from `first` on. f32 or i32. */
TESS_EXPORT struct tess_node *tess_concat(struct tess_graph *g, struct tess_node *a, struct tess_node *b, int32_t axis);
TESS_EXPORT struct tess_node *tess_slice(struct tess_graph *g, struct tess_node *x, int32_t axis, int64_t first, int64_t count);
/* Sum and mean over the axes whose bits are set; those dimensions stay, as 1. The sum takes i32, too, without a gradient: it fails the run
 * with TESS_E_DATA where a part of it leaves 32 bits. */
TESS_EXPORT struct tess_node *tess_sum(struct tess_graph *g, struct tess_node *x, uint32_t axes);
TESS_EXPORT struct tess_node *tess_mean(struct tess_graph *g, struct tess_node *x, uint32_t axes);
TESS_EXPORT struct tess_node *tess_mean_all(struct tess_graph *g, struct tess_node *x); /* -> scalar */

/* ---- layers -------------------------------------------------------------------------------------------------------- */

/* (..., C), (O, C), (O) or NULL -> (..., O): y = W x + b. */
TESS_EXPORT struct tess_node *tess_linear(struct tess_graph *g, struct tess_node *x, struct tess_node *w, struct tess_node *b);
/* Linear layer along any axis: x (..., C, ...) whose dimension `axis` is C -> (..., O, ...); every other index by itself. With axis 1 of
 * (N, L, C) a weight (M, L) mixes tokens: y_nm = sum_l w_ml x_nl + b_m. Where the axis is not the last one, x is transposed there and back.
 */
TESS_EXPORT struct tess_node *tess_linear_along(struct tess_graph *g, struct tess_node *x, int32_t axis, struct tess_node *w,
                                                struct tess_node *b);
/* (..., m, k) x (..., k, n) -> (..., m, n); a transposed operand is given as (..., k, m) or (..., n, k). Same leading dims. */
TESS_EXPORT struct tess_node *tess_matmul(struct tess_graph *g, struct tess_node *a, struct tess_node *b, int transpose_a, int transpose_b);

struct tess_conv {
    uint32_t size;                    /* sizeof(struct tess_conv) */
    int32_t stride;                   /* 1 or more, both axes */
    int32_t top, left, bottom, right; /* zero padding, in pixels */
};
/* (N, H, W, Ci), (Co, Kh, Kw, Ci), (Co) or NULL -> (N, Ho, Wo, Co), Ho = (H + top + bottom - Kh) / stride + 1, rounded down. */
TESS_EXPORT struct tess_node *tess_conv2d(struct tess_graph *g, struct tess_node *x, struct tess_node *w, struct tess_node *b,
                                          const struct tess_conv *conv);
/* (N, H, W, Ci), (Ci, Kh, Kw, Co), (Co) or NULL -> (N, Ho, Wo, Co), Ho = (H - 1) stride + Kh - top - bottom: the transpose, in the sense of
 * matrices, of tess_conv2d from (N, Ho, Wo, Co) with the same weight. Pixel (i, j) of x adds W x_ij to the Kh x Kw pixels of y from
 * (i stride - top, j stride - left) on, as far as they lie in y. */
TESS_EXPORT struct tess_node *tess_conv2d_transpose(struct tess_graph *g, struct tess_node *x, struct tess_node *w, struct tess_node *b,
                                                    const struct tess_conv *conv);
TESS_EXPORT struct tess_node *tess_upsample(struct tess_graph *g, struct tess_node *x, int32_t factor); /* nearest, H and W */
/* (N, H, W, C) -> (N, H / factor, W / factor, C), rounded down: the largest of factor x factor pixels, each channel by itself. The gradient
 * goes to the first of equals. */
TESS_EXPORT struct tess_node *tess_max_pool(struct tess_graph *g, struct tess_node *x, int32_t factor);
/* (N, ..., C), gamma and beta (C): each group of C / groups channels of a sample to mean 0 and variance 1 (biased). */
TESS_EXPORT struct tess_node *tess_group_norm(struct tess_graph *g, struct tess_node *x, struct tess_node *gamma, struct tess_node *beta,
                                              int32_t groups, float eps);
/* Group norm, then swish, in one pass. */
TESS_EXPORT struct tess_node *tess_group_norm_swish(struct tess_graph *g, struct tess_node *x, struct tess_node *gamma,
                                                    struct tess_node *beta, int32_t groups, float eps);
TESS_EXPORT struct tess_node *tess_layer_norm(struct tess_graph *g, struct tess_node *x, struct tess_node *gamma, struct tess_node *beta,
                                              float eps); /* over the last dimension */
TESS_EXPORT struct tess_node *tess_softmax(struct tess_graph *g, struct tess_node *x); /* over the last dimension */
/* q (N, L, C), k and v (N, M, C) -> (N, L, C); `heads` divides C: softmax(q k^T / sqrt(C / heads)) v for each head.
 * causal: position i sees 0 .. i (L == M). */
TESS_EXPORT struct tess_node *tess_attention(struct tess_graph *g, struct tess_node *q, struct tess_node *k, struct tess_node *v,
                                             int32_t heads, int causal);
/* Causal attention one token at a time (docs/models.md, (20.5)). A cache keeps keys and values of the tokens before, from run to run and
 * outside the graph, so that nothing of them is copied in or out. It is the caller's: made before the graph is recorded, freed after the
 * graph is. It belongs to the first graph that is recorded over it; each tess_attention_cached of that graph has a layer in it, in the
 * order of recording. Its memory is of the graph's cost (total_bytes): microbatch x microbatches sequences of `tokens` tokens, in f32, or
 * in bf16 where the run's precision is that, had before the first run. A sequence's place in the cache is its place in the batch, whose
 * `first` must be 0. [workers use it during a run of its graph; nobody else may then] */
TESS_EXPORT TESS_CHECKED int tess_cache_new(struct tess_context *ctx, int64_t tokens, struct tess_cache **out); /* tokens: at least 1 */
TESS_EXPORT void tess_cache_free(struct tess_cache *cache); /* NULL is fine */
/* q, k, v (N, 1, C), position (N, 1) i32 in [0, tokens) -> (N, 1, C): puts k and v in the cache as those of `position`, then
 * softmax(q k^T / sqrt(C / heads)) v over positions 0 .. `position`, which must have been put there before, in order: from 0 on, again and
 * again if one likes, no position left out. Else the run fails with TESS_E_DATA. Sums in f32, in one order: a row depends neither on the
 * batch nor on what else is in it. Inference only: no gradient. */
TESS_EXPORT struct tess_node *tess_attention_cached(struct tess_graph *g, struct tess_node *q, struct tess_node *k, struct tess_node *v,
                                                    struct tess_node *position, struct tess_cache *cache, int32_t heads);
/* q (N, L, C), k and v (N, M, C) -> (N, L, C); `heads` divides C. For each head q softmax(k)^T v, the softmax being over the M positions of
 * each of the head's C / heads channels of k, and q as it is: linear in L and M. Computed in f32 in either precision. */
TESS_EXPORT struct tess_node *tess_linear_attention(struct tess_graph *g, struct tess_node *q, struct tess_node *k, struct tess_node *v,
                                                    int32_t heads);
/* codes (...) i32 in [0, V), table (V, C) -> (..., C). A code outside fails the run with TESS_E_DATA. */
TESS_EXPORT struct tess_node *tess_embedding(struct tess_graph *g, struct tess_node *codes, struct tess_node *table);
/* codes (...) i32 in [0, size) -> (..., size) f32: 1 at the code, else 0. A code outside fails the run with TESS_E_DATA. No gradient. */
TESS_EXPORT struct tess_node *tess_one_hot(struct tess_graph *g, struct tess_node *codes, int64_t size);
/* (..., K) f32 -> (...) i32: where the last dimension is largest, of equals the first; the first NaN where there is one. No gradient. */
TESS_EXPORT struct tess_node *tess_argmax(struct tess_graph *g, struct tess_node *x);
/* x (N, L, C), index (N, P) i32 in [0, L) -> (N, P, C): rows of each sample, in any order, as often as they are asked for. Gradients of a
 * row's copies add up. An index outside fails the run with TESS_E_DATA. */
TESS_EXPORT struct tess_node *tess_gather(struct tess_graph *g, struct tess_node *x, struct tess_node *index);
/* t (N) f32 -> (N, width): sin then cos of scale t times width / 2 frequencies from 1 down to 1 / 10000, geometric. */
TESS_EXPORT struct tess_node *tess_sinusoid(struct tess_graph *g, struct tess_node *t, int64_t width, float scale);
/* logits (..., K), target (...) i32, weight (...) f32 or NULL -> (...): -weight ln softmax(logits)[target], in nats.
 * Rows of weight 0 cost nothing and their gradient is 0. No gradient to weight. */
TESS_EXPORT struct tess_node *tess_cross_entropy(struct tess_graph *g, struct tess_node *logits, struct tess_node *target,
                                                 struct tess_node *weight);

/* a, b (N, ..., C), weight (C) or NULL: ones -> (N): of vectors of C values, the mean over those of a sample of
 * sum_c weight_c (a_c / (|a| + 1e-10) - b_c / (|b| + 1e-10))^2. C at most 2048. No gradient to weight, nor to a vector of zeros. */
TESS_EXPORT struct tess_node *tess_direction_distance(struct tess_graph *g, struct tess_node *a, struct tess_node *b,
                                                      struct tess_node *weight);

/* ---- an operation of one's own ------------------------------------------------------------------------------------- */

#define TESS_OP_MAX 8 /* inputs or outputs of an operation */

/* Arguments of an operation's call for one microbatch, on one thread. Values are f32 unless the node says otherwise. */
struct tess_op_run {
    uint32_t size;
    int32_t inputs, outputs;
    const void *attr;              /* the operation's own settings, as given when recorded */
    const struct tess_tensor *in;  /* [inputs] */
    const struct tess_tensor *out; /* [outputs] forward writes data; backward may read those it asked to keep */
    const struct tess_tensor *dout;/* backward: gradient of each output; data NULL where none flows */
    const struct tess_tensor *din; /* backward: write (not add) the gradient of each input; data NULL where not wanted */
    void *scratch;                 /* as many bytes as asked for; contents undefined */
    struct tess_stream random;     /* seed, step, and in `sample` the index of the microbatch's first row in its batch; set purpose */
    int64_t rows;                  /* samples in the microbatch */
    struct tess_context *context;        /* for failures: return ctx->fail(ctx, TESS_E_..., ...) */
    const void *host_state;        /* private data of the operations that come with the library */
};

struct tess_op {
    uint32_t size; /* sizeof(struct tess_op) */
    const char *name;
    uint32_t keep_in, keep_out; /* bit i: backward reads the value of input / output i */
    int (*forward)(const struct tess_op_run *r);
    int (*backward)(const struct tess_op_run *r); /* NULL: no gradient passes */
};

/* Records `op`, which must outlive the graph, over `inputs` (a NULL entry is an absent optional one where the operation allows it);
 * `outputs` are the shapes it gives, f32, i32, u16 or u8; `nodes` receives them, NULL after a failure; it may be `inputs`. attr is copied.
 * A table without size, name or forward, or that keeps inputs it has not, is TESS_E_PLUGIN. A function that returns something else than
 * TESS_OK or a TESS_E_* fails the run with TESS_E_PLUGIN; one that returns a failure without a message is named by scope and operation.
 * flops: floating- point operations of one microbatch forward (backward is taken as twice that). */
TESS_EXPORT void tess_custom(struct tess_graph *g, const struct tess_op *op, const void *attr, size_t attr_size, int32_t n_inputs,
                             struct tess_node *const *inputs, int32_t n_outputs, const struct tess_tensor *outputs, size_t scratch_bytes,
                             double flops, struct tess_node **nodes);

/* ---- running ------------------------------------------------------------------------------------------------------- */

/* Tensors of one batch, in the order of declaration, with the dtype and every dimension of the graph's; the first may be larger than
 * it need be. All inputs are given; of outputs and totals as many as are wanted, from the first on. Anything else is TESS_E_SHAPE. Whole
 * batches: dim[0] = microbatches x the node's dim[0]; a shorter last batch is given with `samples` < microbatch x microbatches: missing
 * rows are computed on zeros and their outputs dropped (inference only). */
struct tess_batch {
    uint32_t size;
    int32_t inputs, outputs, totals; /* lengths of the arrays; totals count objectives first, then totals, as declared */
    int64_t samples;                 /* rows of this batch */
    uint32_t step;                   /* number of the step; keys dropout and the like */
    uint32_t first;                  /* index of the first sample, added to `sample` of random streams */
    const struct tess_tensor *in;
    struct tess_tensor *out;         /* data NULL: not wanted */
    struct tess_tensor *total;       /* f32 */
};

/* Runs forward only, on all workers; fails with the first microbatch's failure. Not to be called from two threads at once. */
TESS_EXPORT TESS_CHECKED int tess_graph_run(struct tess_context *ctx, struct tess_graph *g, const struct tess_batch *b);
/* Runs forward on all ranks, where several processes run the pipeline (kind/transport.h) and the call is made in a stage's `run`: each
 * computes some of the microbatches, and all of them get every output and total. All ranks make the call, with the same inputs, so it is
 * not made where only one comes by, such as behind a condition on time. The bits are those of tess_graph_run; on one process, in a batch of
 * one microbatch, and outside a stage it is the same function. TESS_E_STOPPED where rank 0 has left the stage: the stage returns it. */
TESS_EXPORT TESS_CHECKED int tess_graph_run_shared(struct tess_context *ctx, struct tess_graph *g, const struct tess_batch *b);
/* Runs forward and backward of every objective; gradients of the mean over microbatches are kept until the next step. */
TESS_EXPORT TESS_CHECKED int tess_graph_step(struct tess_context *ctx, struct tess_graph *g, const struct tess_batch *b);
/* Gradient of a weight after tess_graph_step (f32, a view valid until the next). */
TESS_EXPORT TESS_CHECKED int tess_graph_gradient(struct tess_context *ctx, struct tess_graph *g, const char *weight,
                                                 struct tess_tensor *out);

/* Shapes of the i-th input, output, total for one microbatch, with data NULL, and its name. NULL past the end. */
TESS_EXPORT const char *tess_graph_input_at(const struct tess_graph *g, int32_t i, struct tess_tensor *shape);
TESS_EXPORT const char *tess_graph_output_at(const struct tess_graph *g, int32_t i, struct tess_tensor *shape);
TESS_EXPORT const char *tess_graph_total_at(const struct tess_graph *g, int32_t i, struct tess_tensor *shape);
/* The number of the total, as above, that is the i-th column of a training's curve; -1 past the end. */
TESS_EXPORT int32_t tess_graph_column_at(const struct tess_graph *g, int32_t i);

#ifdef __cplusplus
}
#endif
#endif
