/* Training of an autoencoder (docs/models.md, "The autoencoder's loss", "The adversarial term"): the training graph over its parts, which
 * are known by kind alone, and what the training loop asks of a stage. Linked into the stages that train an autoencoder, or a part of one.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_TRAIN_AUTOENCODING_H
#define KIT_TRAIN_AUTOENCODING_H

#include "kit/train/adversarial.h"
#include "kit/train/code_usage.h"
#include "kit/infer/common.h"
#include "kit/train/perceptual.h"

struct autoencoding_params {
    struct tess_training_params training;
    int32_t reconstruction;
    int32_t pixel_range;
    int32_t flip;
    struct perceptual_params perceptual;
    struct adversarial_params adversarial;
};

#define AUTOENCODING_PARAMS(S, m)                                                                                                          \
    {.name = "reconstruction",                                                                                                             \
     .help = "mean absolute (l1, as published) or mean squared (l2) difference of pixels",                                                 \
     .type = TESS_ENUM,                                                                                                                    \
     .offset = offsetof(S, m.reconstruction),                                                                                              \
     .text = "l1|l2"},                                                                                                                     \
        {.name = "pixel_range",                                                                                                            \
         .help =                                                                                                                           \
             "pixels that `reconstruction` compares: unit, 0 .. 1; signed, -1 .. 1, as published for taming, VQ-DDM and ReFiT: the same "  \
             "differences, twice as large",                                                                                                \
         .type = TESS_ENUM,                                                                                                                \
         .flags = TESS_LATER,                                                                                                              \
         .offset = offsetof(S, m.pixel_range),                                                                                             \
         .text = "unit|signed"},                                                                                                           \
        {.name = "flip",                                                                                                                   \
         .help = "turn images over from left to right, half of the time: each by itself, or all of a batch (as published)",                \
         .type = TESS_ENUM,                                                                                                                \
         .offset = offsetof(S, m.flip),                                                                                                    \
         .text = "none|image|batch"},                                                                                                      \
        PERCEPTUAL_PARAMS(S, m.perceptual), ADVERSARIAL_PARAMS(S, m.adversarial)

/* Columns of the curve beside the losses: the use of codes, and with a critic those of adversarial.h. */
enum { AUTOENCODING_COLUMNS = (int)CODE_USAGE_COLUMNS + (int)ADVERSARIAL_COLUMNS };

/* State of a training run: the graph and what its callbacks need. */
struct autoencoding {
    const struct autoencoding_params *p;
    struct tess_instance *encoder, *quantizer, *decoder;
    struct tess_code_layout layout; /* codes of the quantizer; asked once */
    int started;                    /* the run starts from the weights of a model */
    int frozen; /* the encoder runs without a gradient and stays as it is, decay and averages included */
    struct tess_weights *weights;
    struct tess_graph *graph;
    struct perceptual_params perceptual; /* parameters of the perceptual term: those of *p, or with a network that was trained here */
    struct perceptual_network network;
    struct stage_images images;
    int64_t train_count;
    uint64_t seed;
    _Atomic int64_t step; /* the step being made */
    struct adversarial adversarial;
    struct code_usage usage;
    double metric[AUTOENCODING_COLUMNS]; /* columns of the step just made */
    int (*remember)(void *user, struct tess_context *ctx,
                    struct tess_attrs *f); /* member of struct tess_training; `user` is the owner. NULL: none */
    void *owner;
    struct tess_stage_run *run; /* set while it trains */
};

/* Fails where parameters contradict each other. */
int autoencoding_check(struct tess_context *ctx, const struct autoencoding_params *p) TESS_CHECKED;
/* Adds the content of the features' file to a stage's key. */
int autoencoding_fingerprint(struct tess_context *ctx, const struct autoencoding_params *p, struct tess_digest *d) TESS_CHECKED;
/* To be called before autoencoding_open: chooses the network for the perceptual term, from the parameters or, where `attributes` is not
 * NULL, an artefact of kind "features"; `from` is that artefact, NULL when planning. */
int autoencoding_measure(struct tess_context *ctx, struct autoencoding *k, const struct tess_attrs *attrs, const struct tess_artefact *from)
    TESS_CHECKED;
int autoencoding_image_size(struct tess_context *ctx, const struct tess_attrs *images, int64_t image[3]) TESS_CHECKED;
/* Records and seals k->graph over k->weights, a new store where that is NULL. `latent`: the shape of a microbatch's latents. */
int autoencoding_open(struct tess_context *ctx, struct autoencoding *k, const int64_t image[3], struct tess_tensor *latent) TESS_CHECKED;
/* After autoencoding_open, when planning: records the inference of the model, from image to codes and back, over its weights. Fails where
 * that wants weights which training does not declare. */
int autoencoding_check_inference(struct tess_context *ctx, const struct autoencoding *k, const int64_t image[3],
                                 const struct tess_tensor *latent) TESS_CHECKED;
void autoencoding_close(struct autoencoding *k);
/* 1 where training has a critic and the model of these attributes was trained with an equal one, in every parameter. */
int autoencoding_same_critic(const struct autoencoding_params *p, const struct tess_attrs *model);
/* Writes the attributes of the model. */
int autoencoding_describe(struct tess_context *ctx, struct autoencoding *k, const int64_t image[3], const struct tess_tensor *latent,
                          struct tess_attrs *f) TESS_CHECKED;
/* Trains on the images, which are open, to the last step; the weights then are the model's. */
int autoencoding_train(struct tess_context *ctx, struct tess_stage_run *r, struct autoencoding *k) TESS_CHECKED;
/* Ends training: frees the memory of its graph for what comes next. The weights stay. */
void autoencoding_trained(struct autoencoding *k);

#endif
