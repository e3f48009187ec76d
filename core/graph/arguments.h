/* Arguments of recording functions, checked before they are used: each check keeps the first failure in the graph. SPDX-License-Identifier:
 * MIT */
#ifndef TESSI_ARGUMENTS_H
#define TESSI_ARGUMENTS_H

#include "core/graph/node.h"

/* The largest tensor that a graph has, in values: 4 TiB of f32. Sizes beyond it would overflow further on. */
#define TESSI_VALUES_MAX ((int64_t)1 << 40)

/* 1 when the graph accepts operations and all n nodes exist and belong to it; else 0, and the graph keeps the message. */
int tessi_graph_check_nodes(struct tess_graph *g, const char *operation, int32_t n, struct tess_node *const *x);
#define TESSI_NODES(g, operation, ...)                                                                                                     \
    tessi_graph_check_nodes(g, operation, (int32_t)(sizeof((struct tess_node *[]){__VA_ARGS__}) / sizeof(struct tess_node *)),             \
                            (struct tess_node *[]){__VA_ARGS__})
/* 1 for a shape that a node may have: `rank` of 0 .. TESS_MAX_RANK, dimensions of at least 1, at most TESSI_VALUES_MAX values; `out` is it.
 * `what` and `name` begin the message. */
int tessi_graph_check_shape(struct tess_graph *g, const char *what, const char *name, int32_t dtype, int32_t rank, const int64_t *dim,
                            struct tess_tensor *out);
/* 1 for the name of an input, an output, a total: a text with something in it. */
int tessi_graph_check_name(struct tess_graph *g, const char *what, const char *name);
/* 1 where the text is a line of UTF-8 without controls, which is shown and stored as it is. */
int tessi_graph_is_line(const char *text);
/* 1 for a tensor of a dtype that nodes may have, with at most TESSI_VALUES_MAX values. */
int tessi_graph_tensor_fits(const struct tess_tensor *t);

#endif
