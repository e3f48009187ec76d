/* The perceptual term of a reconstruction's loss (docs/models.md, section 19). SPDX-License-Identifier: MIT */
#ifndef KIT_TRAIN_PERCEPTUAL_H
#define KIT_TRAIN_PERCEPTUAL_H

#include <tessera/artefact.h>
#include <tessera/kind/features.h>

struct perceptual_params {
    struct tess_instance *features; /* NULL: none */
    double weight;
};

#define PERCEPTUAL_PARAMS(S, m)                                                                                                            \
    {.name = "perceptual", .help = "network whose features the reconstruction's are held against; none where it is not said",              \
     .type = TESS_COMPONENT, .offset = offsetof(S, m.features), .text = "features/1"},                                                     \
    {.name = "perceptual_weight", .help = "what that distance counts beside the difference of pixels", .type = TESS_F64,                   \
     .offset = offsetof(S, m.weight), .lo = 0, .hi = 1e4, .def = 1}

/* Port for a network trained by a stage train-features; `parameter` names the stage's parameter for a network, in quotes. */
#define PERCEPTUAL_PORT(parameter)                                                                                                         \
    {.name = "features", .kind = "features", .optional = 1, .help = "a network trained here, in place of the parameter `" parameter "`"}

/* Scope of the network's weights. */
#define PERCEPTUAL "perceptual"

/* Network for the perceptual term of a stage. Start from zeroed memory; close in any case. */
struct perceptual_network {
    struct tess_instance *instance;   /* NULL: none */
    struct tess_instance *trained;    /* `instance`, where it is of an artefact and has its weights; closed with this struct */
    const struct tess_artefact *from; /* artefact of `trained`; NULL when planning */
};
/* Chooses the network: that of the stage's parameter, `given` or NULL, or that of its port: the artefact's attributes, NULL without one,
 * and the artefact, NULL when planning. TESS_E_VALUE where there are both; `parameter` is that one's name. */
int perceptual_choose(struct tess_context *ctx, struct perceptual_network *n, struct tess_instance *given, const char *parameter,
                      const struct tess_attrs *attrs, const struct tess_artefact *from) TESS_CHECKED;
void perceptual_close(struct perceptual_network *n);
/* Check for a plan, once the network is recorded: the file that it names must have its weights. */
int perceptual_check(struct tess_context *ctx, const struct perceptual_network *n, struct tess_weights *w) TESS_CHECKED;
/* Reads the network's weights, from its file or artefact. Seals the store. */
int perceptual_read(struct tess_context *ctx, const struct perceptual_network *n, struct tess_weights *w) TESS_CHECKED;

/* Adds the perceptual term: error + weight times (19.3), the mean over the images; x real images, y reconstructions; error as it is where
 * there is no network. */
int perceptual_record(struct tess_context *ctx, const struct perceptual_params *p, struct tess_graph *g, struct tess_node *x,
                      struct tess_node *y, struct tess_node **error);
/* Perceptual distance of each image, (19.3): x, y (rows, H, W, C), pixels in 0 .. 1 -> (rows). NULL where the network gives no features or
 * recording failed, which sealing the graph tells. */
int perceptual_distance(struct tess_context *ctx, struct tess_instance *features, struct tess_graph *g, struct tess_node *x,
                        struct tess_node *y, struct tess_node **distance) TESS_CHECKED;
/* Perceptual vectors: image (rows, H, W, C), pixels in 0 .. 1 -> (rows, D), whose squared distances are the perceptual ones, (24.2). No
 * gradient. */
int perceptual_vector(struct tess_context *ctx, struct tess_instance *features, struct tess_graph *g, struct tess_node *image,
                      struct tess_node **vector);
/* Pooled features for metrics of sets: image -> (rows, C), the network's last features, averaged over the image. No gradient. */
int perceptual_pooled(struct tess_context *ctx, struct tess_instance *features, struct tess_graph *g, struct tess_node *image,
                      struct tess_node **vector);

#endif
