/* The weight store from inside. Trained weights come first in each block, buffers (state) after, and what is given from outside last;
 * only trained ones have moments, averages and gradients, and what is given is not kept. Offsets are multiples of 16 floats.
 * SPDX-License-Identifier: MIT */
#ifndef TESSI_WEIGHT_STORE_H
#define TESSI_WEIGHT_STORE_H

#include <tessera/weights.h>

struct tessi_weight {
    char *name;
    struct tess_tensor shape;
    struct tess_init init;
    int64_t offset; /* in floats; set by sealing, of a buffer behind all trained ones */
    int rounds;     /* some graph reads it rounded to bf16, and */
    uint64_t rounded_version; /* the version of the values that this was made of */
    int given_back;           /* nothing reads the values any more, and they are gone */
};

struct tess_weights {
    uint64_t seed;
    struct tessi_weight *item;
    int64_t count, capacity;
    int sealed;
    int64_t trained, kept, all; /* floats, padding included; kept: all but what is given */
    float *role[TESS_ROLES];
    uint64_t version;     /* grows whenever values change */
    uint16_t *rounded;    /* values in bf16, laid out like a role; written where a weight `rounds` */
    struct tess_graph **graph; /* sealed graphs over it */
    int64_t graphs, graph_capacity;
};

int tessi_graph_weight_is_external(const struct tessi_weight *w);
/* Declares a weight or finds it again; `index` of it. TESS_E_SHAPE when an earlier declaration differs. */
int tessi_graph_weights_declare(struct tess_context *ctx, struct tess_weights *w, const char *name, int32_t rank, const int64_t *dim,
                                const struct tess_init *init, int64_t *index) TESS_CHECKED;
/* Assigns offsets without memory, so that a plan can know sizes. */
void tessi_graph_weights_layout(struct tess_weights *w);
/* Allocates the values of a store that is not sealed yet, and seals it; initial values only of what is external where `all_read` says that
 * the others are read next. */
int tessi_graph_weights_begin(struct tess_context *ctx, struct tess_weights *w, int all_read) TESS_CHECKED;
/* The block of rounded values, had on first use. */
int tessi_graph_weights_rounded(struct tess_context *ctx, struct tess_weights *w) TESS_CHECKED;
/* Keeps a graph on the list of those over the store, from its sealing until one of the two is freed. */
int tessi_graph_weights_watch(struct tess_context *ctx, struct tess_weights *w, struct tess_graph *g) TESS_CHECKED;
void tessi_graph_weights_unwatch(struct tess_graph *g);
/* The block of a role, had on first use (moments zero, average a copy of the values). */
int tessi_graph_weights_role(struct tess_context *ctx, struct tess_weights *w, int32_t role, float **out) TESS_CHECKED;

#endif
