/* Activations in the memory of gradients (overlay.c). SPDX-License-Identifier: MIT */
#ifndef TESSI_GRAPH_OVERLAY_H
#define TESSI_GRAPH_OVERLAY_H

#include "core/graph/node.h"

/* Decides which buffers of a scheduled graph lie in the memory of gradients; before the others are placed. None where more microbatches
 * than workers are to be run, or on several ranks. */
int tessi_graph_overlay_plan(struct tess_context *ctx, struct tess_graph *g) TESS_CHECKED;
void tessi_graph_overlay_free(struct tessi_overlay *o);
/* The memory for the runs to come: the blocks of gradients, or memory of its own for a graph whose gradients ranks share. */
int tessi_graph_overlay_reserve(struct tess_context *ctx, struct tess_graph *g) TESS_CHECKED;
/* Place of a buffer that lies there, for the slot of that number. */
char *tessi_graph_overlay_at(const struct tess_graph *g, const struct tessi_buffer *b, int64_t slot);

/* ---- backward passes that run together; o NULL: nothing lies there */
void tessi_graph_overlay_start(struct tessi_overlay *o, int64_t first, int64_t end);
/* Tells that the microbatch has made all backward steps before that one. [any thread] */
void tessi_graph_overlay_reach(struct tessi_overlay *o, int64_t microbatch, int64_t step);
/* 1 where no microbatch reads an activation any more in the memory of that weight's gradient. [any thread] */
int tessi_graph_overlay_is_free(const struct tessi_overlay *o, int64_t weight);

#endif
