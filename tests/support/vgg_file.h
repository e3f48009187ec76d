/* A file of weights for features/1 `vgg16`, as PyTorch lays them out, in the safetensors format; written here apart from the plugins.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_VGG_FILE_H
#define TESTS_SUPPORT_VGG_FILE_H

#include <stdint.h>

struct vgg_file {
    const char *prefix;    /* prefix of all tensor names */
    int64_t channels;      /* channels of the first block */
    int listed;            /* "features.0.weight" and not "net.slice1.0.weight" */
    uint64_t seed;         /* seed of the randomly drawn weights */
    void *user;
    double *(*values)(void *user, const char *name, int64_t count); /* under LPIPS's names; freed here. NULL: drawn */
    /* LPIPS's name of a tensor left out, with a wrong shape, with a NaN, there twice; or NULL. */
    const char *missing, *reshaped, *spoilt, *twice;
    int noted;            /* 1: the header has metadata as well */
    int part;             /* 0: all of it; 1: without the channel weights of LPIPS; 2: these alone */
    const char *negative; /* name of a tensor whose sign is flipped, or NULL */
};

void vgg_write(const char *path, const struct vgg_file *f);

#endif
