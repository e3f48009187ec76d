/* Importance sampling of training times by their cost (docs/models.md, "Uniform diffusion", (15.13) and (15.14); Nichol and Dhariwal,
 * "Improved denoising diffusion probabilistic models", section 3.3). What is remembered are buffers beside the weights, "times.square",
 * "times.count" and "times.share", so that a checkpoint holds them and a training that goes on draws what it would have drawn.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_NOISES_UNIFORM_UNIFORM_TIMES_H
#define PLUGINS_NOISES_UNIFORM_UNIFORM_TIMES_H

#include <tessera/kind/noise.h>

/* Declares the buffers, and gives the importance weights `scale` / (T p_t) of t (N) as a node (N, 1), which make the mean unbiased. */
struct tess_node *uniform_times_record(struct tess_graph *g, int64_t steps, double scale, struct tess_node *t);
/* Draws t with probability p_t. [any thread] */
int uniform_times_draw(struct tess_context *ctx, struct tess_weights *w, const char *scope, int64_t steps, const struct tess_stream *random,
                       int64_t *t);
/* Observes a step: adds its costs to the squares, and computes p_t from them once every time was seen often enough. [one thread] */
int uniform_times_observe(struct tess_context *ctx, struct tess_weights *w, const char *scope, int64_t steps,
                          const struct tess_noise_seen *seen);

#endif
