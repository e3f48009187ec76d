/* Reverse diffusion of canvases larger than the maps a prior was trained on (docs/models.md, "Larger canvases"): each token is drawn from
 * the mean of what all windows that cover it say. Only windows that cover a token drawn in a step are given to the denoiser, each once, and
 * where it can it is asked for the logits of those tokens alone. Canvases advance together, so that a batch has windows of several. What is
 * added up for a token is so in the order of the windows, and which of the graphs a step takes is decided by its own draws: neither batch
 * nor count change a bit.
 *
 * For noises that tell which tokens a step draws, whose denoiser is not told the time. Linked into the stage that samples canvases.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_SAMPLE_CANVAS_H
#define KIT_SAMPLE_CANVAS_H

#include "kit/sample/sampling.h"
#include "kit/sample/windows.h"

struct canvas_options {
    const struct tess_prior *prior;      /* borrowed, as are the graphs; sealed, weights filled */
    struct tess_graph *denoise, *picked; /* picked NULL: all logits at every step */
    int64_t batch, count;                /* windows at a time; canvases */
    int64_t height, width, stride;       /* size and stride in codes, at least the prior's size; see windows.h */
    int32_t raster;                      /* one token a step, row by row; else in random order, in `steps` steps */
    int64_t steps;
    double temperature;
    uint64_t seed;
    const struct tess_instance *sampler; /* instance of kind sampler/1, borrowed */
    const int32_t *label;                /* (count): label of each canvas, borrowed; NULL: the prior is told none */
    double guidance;                     /* as in struct tess_sampler_options; above 0 graphs are made for twice `batch` */
};

struct canvas;
int canvas_new(struct tess_context *ctx, const struct canvas_options *o, struct canvas **out) TESS_CHECKED;
void canvas_free(struct canvas *k); /* NULL is fine */
/* Advances as many canvases as fit into the buffers by one step. */
int canvas_advance(struct tess_context *ctx, struct canvas *k) TESS_CHECKED;
int canvas_finished(const struct canvas *k);
/* State of all canvases, for a checkpoint; its calls are windows given to the denoiser. */
struct sampling_state canvas_state(struct canvas *k);

int64_t canvas_steps(const struct canvas_options *o);
/* Number of windows given to the denoiser for one canvas: exact in raster order, the mean in random order. */
double canvas_calls(const struct canvas_options *o);
/* Memory of a sampler of canvases beside the graphs, in bytes. */
int64_t canvas_bytes(const struct canvas_options *o);

#endif
