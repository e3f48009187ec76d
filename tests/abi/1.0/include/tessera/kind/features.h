/* Kind "features/1": a network, trained for something else and left as it is, that gives features of an image; for perceptual losses and
 * for metrics (docs/models.md, "Perceptual distance"). Its weights are in a file that the user names and the host reads, in any format/1;
 * or in an artefact of kind "features", which has an attribute `network` (name and parameters of such a component) and the weights under
 * /weights/network.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_FEATURES_H
#define TESSERA_FEATURES_H

#include <tessera/digest.h>
#include <tessera/exchange.h>
#include <tessera/graph.h>
#include <tessera/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TESS_FEATURES_MAX 16
#define TESS_FEATURES_SCOPE "network" /* scope of the weights in an artefact of kind "features" */

struct tess_features {
    uint32_t size; /* sizeof(struct tess_features), set by the caller */
    int32_t count;
    struct tess_node *map[TESS_FEATURES_MAX];    /* (rows, h, w, C) */
    struct tess_node *weight[TESS_FEATURES_MAX]; /* (C): what each channel counts in a distance of two images; NULL: as much as any other */
    int32_t trained; /* set by the caller; 1: the network is trained here, and its weights are declared as any model's are */
    int32_t reserved;
};

struct tess_features_1 {
    uint32_t size;
    /* image (rows, H, W, C) f32, pixels in 0 .. 1 -> its features, the lowest first. Weights are declared with TESS_WEIGHT_EXTERNAL unless
     * out->trained, under the scope the caller set. Recorded more than once over the same weights. 1 .. TESS_FEATURES_MAX features; the
     * nodes belong to the graph. Fails with TESS_E_SHAPE for images it cannot take. */
    int (*record)(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *image, struct tess_features *out);
    const char *(*file)(void *self); /* path of its weights' file, valid as long as the instance; NULL: no file was named */
    /* Maps the file's tensor `theirs` to the weight `ours`, as named when recorded, and its layout in the file (TESS_LAYOUT_...). Returns
     * 1; 0: the tensor is skipped. */
    int (*place)(void *self, const char *theirs, char ours[TESS_ENTRY_NAME], int32_t *layout);
    /* Path of a second file, with weights that the first lacks; valid as long as the instance. NULL, or the function NULL: there is none. */
    const char *(*second_file)(void *self);
};

/* Reads the weights `scope.NAME` that were recorded from `features` out of its file: each must be there, once, in its shape, and finite.
 * TESS_E_DATA names the file and what is wrong. As long as `w` is not sealed, all but the values is checked and nothing is written: for
 * planning. */
TESS_EXPORT TESS_CHECKED int tess_features_load(struct tess_context *ctx, const struct tess_instance *features, const char *scope,
                                                struct tess_weights *w);
/* Reads the weights `scope.NAME` out of an artefact of kind "features", which has them as TESS_FEATURES_SCOPE.NAME. Seals the store.
 * TESS_E_DATA where one is missing or of another shape. */
TESS_EXPORT TESS_CHECKED int tess_features_read(struct tess_context *ctx, const char *scope, struct tess_weights *w,
                                                const struct tess_artefact *a);
/* Adds the tensors of the component's weights file, where there is one, by name, shape and value as f32: for a stage's fingerprint. Two
 * saves of the same weights are the same, whatever else their writers put into the files. */
TESS_EXPORT TESS_CHECKED int tess_features_fingerprint(struct tess_context *ctx, const struct tess_instance *features,
                                                       struct tess_digest *d);

#ifdef __cplusplus
}
#endif
#endif
