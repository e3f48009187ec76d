/* State of the stage `nearest-neighbours`, shared by its files. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_STAGES_NEAREST_NEIGHBOURS_NEAREST_NEIGHBOURS_H
#define PLUGINS_STAGES_NEAREST_NEIGHBOURS_NEAREST_NEIGHBOURS_H

#include "plugins/stages/nearest_neighbours/image_search.h"

struct stage {
    struct tess_instance *features; /* NULL: the port's network, or pixels */
    int64_t neighbours, limit, memory, batch;
    int32_t split, yardstick;
};

struct counts {
    int64_t size[3];              /* height, width, channels of an image */
    int64_t samples, of, pool;    /* samples: how many of `of`; pool: training images */
    int64_t fresh, first, unseen; /* fresh: images that were not trained on, taken from `unseen` ones from `first` on */
};

struct work {
    const struct stage *s;
    struct tess_stage_run *run;
    struct counts n;
    struct stage_images images, samples, held_out;
    struct image_vectors vectors;
    struct image_search search;
    float *distance; /* (queries, k) */
};

/* Writes pictures of the first samples, and of those nearest to a training image, of which a copy would be the first. */
int nearest_neighbours_put_pictures(struct tess_context *ctx, const struct work *w) TESS_CHECKED;

#endif
