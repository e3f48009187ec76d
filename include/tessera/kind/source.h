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

/* An image, bytes in H W C order. The caller owns it and reuses it: start from zeroed memory with the size set, end with
 * tess_image_free. */
struct tess_image {
    uint32_t size; /* sizeof(struct tess_image) as the caller was compiled */
    uint32_t reserved;
    int64_t height, width, channels;
    uint8_t *pixels;
    size_t capacity;
    int64_t label;    /* class, from 0; -1: none */
    char name[256];   /* name within its source (a path below the folder), or the index in decimal; UTF-8; set for a bad image, too */
    char reason[512]; /* set with TESS_E_ITEM: the defect, without name or path, so that the text is the same wherever the source lies */
};
/* Sets the image's sizes and allocates its pixels. [any thread] */
TESS_EXPORT TESS_CHECKED int tess_image_resize(struct tess_context *ctx, struct tess_image *im, int64_t height, int64_t width,
                                               int64_t channels);
TESS_EXPORT void tess_image_free(struct tess_image *im);

struct tess_source_1 {
    uint32_t size;
    int64_t (*count)(void *self);
    /* Height, width and channels of all images, each 0 where it differs from image to image. */
    void (*shape)(void *self, int64_t *height, int64_t *width, int64_t *channels);
    int64_t (*labels)(void *self);       /* number of classes; 0: no labels */
    int32_t (*names)(void *self);        /* 1: images have names of their own, 0: just their index */
    /* Reads image i. TESS_E_ITEM, with out->reason, where this image is bad and others may not be: it may be left out then. A lack of
     * memory is no TESS_E_ITEM, nor a bad file that holds many images. [any thread, many at once] */
    int (*read)(void *self, struct tess_context *ctx, int64_t i, struct tess_image *out);
    /* Adds the bytes of the source's files to the digest. NULL: there are none; its images are made from its parameters. */
    int (*fingerprint)(void *self, struct tess_context *ctx, struct tess_digest *d);
    const char *(*class_name)(void *self, int64_t label);                                 /* borrowed; NULL: classes have no names */
    /* Sets tolerance: with `bad` 1, images that cannot even be opened are no failure of `fingerprint`, since the caller may leave them out.
     * NULL: nothing to set. */
    void (*tolerate)(void *self, int32_t bad);
    /* A sentence on files that lie beside the images and are ignored; NULL where there is nothing to say. Borrowed. */
    const char *(*remark)(void *self);
    /* Optional, both: `bytes` is the memory that the source holds once it was read from; `rest` says that nothing will be read for a while,
     * so that the source may release it. */
    int64_t (*bytes)(void *self);
    void (*rest)(void *self); /* [one thread] */
    /* Optional: adds the content of item i to the digest, whatever its name and place: the SHA-256 of the bytes that it is stored as, as a
     * text (tess_digest_add_files). So a file has the same content in a folder, in a list and in an archive of files. TESS_E_ITEM as
     * `read`, without an image to hold the reason. [one thread, not within a task of tess_stage_parallel] */
    int (*content)(void *self, struct tess_context *ctx, int64_t i, struct tess_digest *d);
    /* Optional: advice that items first to first + n - 1 will be read next, so that the disk may begin. Nothing depends on it, and it never
     * fails. The caller keeps `first` and `n` within `count`. [any thread] */
    void (*soon)(void *self, int64_t first, int64_t n);
    /* Optional: sets which items `fingerprint` is to add the contents of, first to first + n - 1, within `count`; of the others what an
     * item's number, name and label depend on. For a part of an archive, which is then no other one when a file of another part changes.
     * Not called: all. [one thread] */
    void (*part)(void *self, int64_t first, int64_t n);
};

#ifdef __cplusplus
}
#endif
#endif
