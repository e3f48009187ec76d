/* Private declarations of core/testing. SPDX-License-Identifier: MIT */
#ifndef TESSI_TESTING_H
#define TESSI_TESTING_H

#include <tessera/test.h>

/* Graph under test, with its weights and the nodes of its inputs and outputs. */
struct tessi_testing_graph {
    struct tess_graph *graph;
    struct tess_weights *weights, *own; /* `own` is freed at the end */
    int64_t rows, microbatches;         /* rows: samples of a microbatch */
    struct tess_node **in, **out;       /* [inputs], [outputs] */
};

/* Checks `t` and makes store and graph; nodes of the inputs are the caller's to record. Ended by tessi_testing_graph_end, also after a
 * failure. */
int tessi_testing_graph_start(struct tess_context *ctx, const struct tess_test_graph *t, struct tessi_testing_graph *out) TESS_CHECKED;
void tessi_testing_graph_end(struct tessi_testing_graph *g);
/* Records the piece under its scope, and sees to it that every output was. */
int tessi_testing_graph_record(struct tess_context *ctx, const struct tess_test_graph *t, struct tessi_testing_graph *g) TESS_CHECKED;

/* "[3, 0, 7]": the place of element i, into text. */
const char *tessi_testing_place(const struct tess_tensor *t, int64_t i, char *text, size_t capacity);

#endif
