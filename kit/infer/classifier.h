/* Classifier over a network of kind features/1: the network's last features, averaged over the image, go through one linear layer to a
 * score a class (docs/models.md, (19.4)). What the stages share that train one and ask one.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_INFER_CLASSIFIER_H
#define KIT_INFER_CLASSIFIER_H

#include "kit/infer/common.h"

#include <tessera/kind/features.h>

/* Scope of the linear layer's weights, beside TESS_FEATURES_SCOPE. An artefact of kind "features" has the layer where its attribute
 * CLASSIFIER_ATTR is 1. */
#define CLASSIFIER_SCOPE "head"
#define CLASSIFIER_ATTR "classifier"

/* Records a classifier: input "image" u8 (rows, H, W, C), `image`: H, W, C; gives the scores (rows, classes). */
int classifier_record(struct tess_context *ctx, struct tess_instance *network, int64_t classes, const int64_t image[3],
                      struct tess_graph *g, struct tess_node **scores) TESS_CHECKED;
/* Class of the highest of `classes` scores, the first of equals. */
int64_t classifier_best(const float *scores, int64_t classes);

/* Trained classifier, with its graph. */
struct classifier {
    struct tess_instance *network;
    struct stage_graph scores; /* output "scores" */
    int64_t classes;
};
/* Opens a classifier from the attributes of a "features" alone, for images of height, width, channels `image`; TESS_E_DATA where it has no
 * such layer. Start from zeroed memory; close in any case. */
int classifier_open(struct tess_context *ctx, struct classifier *k, const struct tess_attrs *features, const char *where,
                    const int64_t image[3], uint64_t seed, int64_t batch) TESS_CHECKED;
void classifier_close(struct classifier *k);

#endif
