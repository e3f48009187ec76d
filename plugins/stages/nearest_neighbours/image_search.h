/* Search for the images of a pool that are nearest to each query image, by pixels or by a network's features (docs/models.md, "Nearest
 * training images and flips"): as many vectors at a time as memory allows, and the checkpoint of a search. Compiled into the stage that
 * searches.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_STAGES_NEAREST_NEIGHBOURS_IMAGE_SEARCH_H
#define PLUGINS_STAGES_NEAREST_NEIGHBOURS_IMAGE_SEARCH_H

#include "kit/infer/image_vectors.h"

enum { IMAGE_SEARCH_LISTS = 2 };

struct image_search {
    struct tess_stage_run *run;
    struct image_vectors *vectors;
    struct image_list pool, query[IMAGE_SEARCH_LISTS]; /* query: lists searched one after the other */
    int64_t neighbours;                                /* k */
    int64_t queries, block, at_once;                   /* queries in all; vectors of the pool, and of queries, in memory */
    int64_t first, done;                               /* first query in work; images of the pool it was compared with */
    int32_t *index;                                    /* (queries, k): number in the pool */
    double *square;                                    /* (queries, k): squared distance of the vectors */
    struct tess_tensor query_vectors, block_vectors;
    struct tess_neighbours *search;
};

/* Numbers of vectors that fit into `bytes`: up to an eighth for the pool, the rest for the queries. The pool is read once for every at_once
 * queries. */
void image_search_fit(int64_t queries, int64_t width, int64_t bytes, int64_t *block, int64_t *at_once);
/* Runs the whole search, from the checkpoint where there is one. Start from zeroed memory but for what is above `queries`; close in any
 * case. */
int image_search_make(struct tess_context *ctx, struct image_search *s, int64_t bytes) TESS_CHECKED;
void image_search_close(struct image_search *s);

#endif
