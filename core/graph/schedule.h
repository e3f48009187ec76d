/* The schedule of a graph while it is made (schedule.c): backward steps and buffers, with the time at which each step runs and each buffer
 * is alive. SPDX-License-Identifier: MIT */
#ifndef TESSI_GRAPH_SCHEDULE_H
#define TESSI_GRAPH_SCHEDULE_H

#include "core/graph/node.h"

/* Bytes of a value as it is stored. */
int64_t tessi_graph_stored_bytes(const struct tess_node *owner);
/* Extends the life of buffer b to `time`; nothing where there is none, as memory ran out for it. */
void tessi_graph_buffer_until(struct tess_graph *g, int64_t b, int64_t time);
/* Extends the life of x's buffer, where it has one, to `time`. */
void tessi_graph_live_until(struct tess_graph *g, const struct tess_node *x, int64_t time);
/* Time of the backward step that is added next. */
int64_t tessi_graph_backward_time(const struct tess_graph *g);
void tessi_graph_backward_add(struct tess_graph *g, const struct tessi_backward *b);
/* Adds the backward steps of objective o, or of gradient probe o - objectives (differentiate.c). TESS_E_VALUE where it depends on none of
 * its weights. */
int tessi_graph_differentiate(struct tess_context *ctx, struct tess_graph *g, int32_t o) TESS_CHECKED;

#endif
