/* The perceptual term of a reconstruction's loss (docs/models.md, section 19). SPDX-License-Identifier: MIT */
#ifndef PLUGINS_PERCEPTUAL_H
#define PLUGINS_PERCEPTUAL_H

#include <tessera/features.h>

struct perceptual_params {
    struct tess_instance *features; /* NULL: none */
    double weight;
};

#define PERCEPTUAL_PARAMS(S, m)                                                                                                            \
    {.name = "perceptual", .help = "network whose features the reconstruction's are held against; none where it is not said",              \
     .type = TESS_COMPONENT, .offset = offsetof(S, m.features), .text = "features/1"},                                                     \
    {.name = "perceptual_weight", .help = "what that distance counts beside the difference of pixels", .type = TESS_F64,                   \
     .offset = offsetof(S, m.weight), .lo = 0, .hi = 1e4, .def = 1}

/* The scope of its weights. */
#define PERCEPTUAL "perceptual"

/* error + weight times (19.3), the mean over the images: x real images, y made ones; error as it is where there are no features. */
int perceptual_record(struct tess_call *c, const struct perceptual_params *p, struct tess_graph *g, struct tess_node *x,
                      struct tess_node *y, struct tess_node **error);
/* image (rows, H, W, C), pixels in 0 .. 1 -> (rows, D): vectors whose squared distances are the perceptual ones, (24.2). No gradient. */
int perceptual_vector(struct tess_call *c, struct tess_instance *features, struct tess_graph *g, struct tess_node *image,
                      struct tess_node **vector);

#endif
