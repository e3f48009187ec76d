/* The nearest of many images to each of some others, by pixels or by a network's features (docs/models.md, "Nearest training images and
 * flips"): as many vectors at a time as memory allows, and the checkpoint of a search. Compiled into the stage that
 * searches.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_STAGES_IMAGE_SEARCH_H
#define PLUGINS_STAGES_IMAGE_SEARCH_H

#include "kit/infer/image_vectors.h"

enum { IMAGE_SEARCH_LISTS = 2 };

struct image_search {
    struct tess_stage_run *run;
    struct image_vectors *vectors;
    struct image_list pool, query[IMAGE_SEARCH_LISTS]; /* queries: one list after the other */
    int64_t neighbours;                                /* k */
    int64_t queries, block, at_once;                   /* all; vectors of the pool, and of the queries, in memory at a time */
    int64_t first, done;                               /* the queries at work, and how much of the pool they have seen */
    int32_t *index;                                    /* (queries, k): number in the pool */
    double *square;                                    /* (queries, k): squared distance of the vectors */
    struct tess_tensor query_vectors, block_vectors;
    struct tess_neighbours *search;
};

/* How many vectors fit into `bytes`: up to an eighth is the pool's, the rest the queries'. The pool passes by once for every at_once of
 * them. */
void image_search_fit(int64_t queries, int64_t width, int64_t bytes, int64_t *block, int64_t *at_once);
/* Everything, from the checkpoint where there is one. Start from zeroed memory but for what is above `queries`; close in any case. */
int image_search_make(struct tess_context *ctx, struct image_search *s, int64_t bytes) TESS_CHECKED;
void image_search_close(struct image_search *s);

#endif
