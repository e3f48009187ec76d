/* Kind "source/1": where images come from. Opened by the host with its parameters (paths); then images are read in any order.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_SOURCE_H
#define TESSERA_SOURCE_H

#include <tessera/digest.h>
#include <tessera/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One image, bytes in H W C order. The caller owns it and reuses it: start from zeroed memory with the size set, end with
 * tess_image_free. */
struct tess_image {
    uint32_t size; /* sizeof(struct tess_image) as the caller was compiled */
    uint32_t reserved;
    int64_t height, width, channels;
    uint8_t *pixels;
    size_t capacity;
    int64_t label;    /* -1: none */
    char name[256];   /* what it is called within its source (a path below the folder), or the index in decimal; UTF-8; set when it is bad,
                         too */
    char reason[512]; /* set with TESS_E_ITEM: what is wrong with it, without name or path, so that it is the same wherever the source lies
                       */
};
/* Sets the sizes and makes room. [any thread] */
TESS_EXPORT TESS_CHECKED int tess_image_resize(struct tess_context *ctx, struct tess_image *im, int64_t height, int64_t width,
                                               int64_t channels);
TESS_EXPORT void tess_image_free(struct tess_image *im);

struct tess_source_1 {
    uint32_t size;
    int64_t (*count)(void *self);
    /* Sizes of all images, or 0 where they differ from image to image. */
    void (*shape)(void *self, int64_t *height, int64_t *width, int64_t *channels);
    int64_t (*labels)(void *self);       /* number of classes; 0: no labels */
    int32_t (*names)(void *self);        /* 1: images have names of their own, 0: just their index */
    /* TESS_E_ITEM, with out->reason, where this image is bad and others may not be: it may be left out then. Nothing else is that: neither
     * want of memory nor a file that holds many images. [any thread, many at once] */
    int (*read)(void *self, struct tess_context *ctx, int64_t i, struct tess_image *out);
    /* Adds the bytes it stands for. NULL: none but its parameters, from which its images are made. */
    int (*fingerprint)(void *self, struct tess_context *ctx, struct tess_digest *d);
    const char *(*class_name)(void *self, int64_t label);                                 /* borrowed; NULL: classes have no names */
    /* `bad` 1: images that cannot even be opened are no failure of `fingerprint`, for who asks may leave them out. NULL: nothing to tell.
     */
    void (*tolerate)(void *self, int32_t bad);
    /* A sentence on what lies beside the images and is none of them; NULL where there is nothing to say. Borrowed. */
    const char *(*remark)(void *self);
    /* Optional, both: memory it holds once it was read from; and that nothing is read for a while, so that it need not hold that any more.
     */
    int64_t (*bytes)(void *self);
    void (*rest)(void *self); /* [one thread] */
};

#ifdef __cplusplus
}
#endif
#endif
