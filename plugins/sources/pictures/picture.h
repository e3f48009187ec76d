/* Bytes of an image file to pixels: the one way of all sources with files of images, in a folder, a list or an archive of files.
 *
 * Options are parameters of each such source; PICTURE_PARAMS has their rows.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_SOURCES_PICTURES_PICTURE_H
#define PLUGINS_SOURCES_PICTURES_PICTURE_H

#include <tessera/plugin.h>
#include <tessera/kind/source.h>

enum { ALPHA_WHITE, ALPHA_DROP };
enum { DAMAGED_REFUSE, DAMAGED_ACCEPT };
enum { PROFILE_IGNORE, PROFILE_SRGB };

struct picture_options {
    int32_t alpha, damaged, profile;
    int64_t max_pixels, shrink_to;
};

/* Name endings of images, in small letters. */
#define PICTURE_EXTENSIONS "jpg jpeg jpe jfif png webp gif tif tiff heic heif avif jxl jp2"

/* Makes the decoders ready, once in a process. */
int picture_start(struct tess_context *ctx) TESS_CHECKED;
/* Decodes an image file's bytes: 8 bits, grey or sRGB, upright, the first frame; `path` is for messages. A defect of the bytes is
 * TESS_E_ITEM, with out->reason; lack of memory or threads is TESS_E_MEMORY. [any thread] */
int picture_decode(struct tess_context *ctx, const char *path, const void *bytes, size_t count, const struct picture_options *o,
                   struct tess_image *out) TESS_CHECKED;
/* Reduction at which a JPEG of this size is decoded, 1, 2, 4 or 8: the largest that keeps both sides at `shrink_to` or more (0: 1). */
int picture_reduction(int64_t height, int64_t width, int64_t shrink_to);
/* 1 where a name ends in one of `extensions` ("jpg png"; A-Z counts as a-z). */
int picture_name_ends(const char *name, const char *extensions);

/* Rows of a table of parameters, for a struct `self` with a struct picture_options `member`. */
#define PICTURE_PARAMS(self, member)                                                                                                       \
    {.name = "alpha",                                                                                                                      \
     .help = "transparent images: laid on white, or what is transparent dropped",                                                          \
     .type = TESS_ENUM,                                                                                                                    \
     .offset = offsetof(self, member.alpha),                                                                                               \
     .text = "white|drop"},                                                                                                                \
        {.name = "damaged",                                                                                                                \
         .help = "images whose decoder warns or that break off: bad, or taken as far as they decode",                                      \
         .type = TESS_ENUM,                                                                                                                \
         .offset = offsetof(self, member.damaged),                                                                                         \
         .text = "refuse|accept"},                                                                                                         \
        {.name = "profile",                                                                                                                \
         .help = "embedded ICC profiles: passed over, or colours converted from them to sRGB",                                             \
         .type = TESS_ENUM,                                                                                                                \
         .flags = TESS_LATER,                                                                                                              \
         .offset = offsetof(self, member.profile),                                                                                         \
         .text = "ignore|srgb"},                                                                                                           \
        {.name = "shrink_to",                                                                                                              \
         .help = "decode JPEGs at a half, quarter or eighth while both sides keep so many pixels; 0: whole",                               \
         .type = TESS_I64,                                                                                                                 \
         .flags = TESS_LATER,                                                                                                              \
         .offset = offsetof(self, member.shrink_to),                                                                                       \
         .lo = 0,                                                                                                                          \
         .hi = 65536,                                                                                                                      \
         .def = 0},                                                                                                                        \
    {                                                                                                                                      \
        .name = "max_pixels", .help = "of one image; a larger one is bad. A thread needs some 4 to 16 bytes for each", .type = TESS_I64,   \
        .offset = offsetof(self, member.max_pixels), .lo = 1, .hi = 1 << 30, .def = 1 << 26                                                \
    }

/* The plugin of one source of pictures, in the small file with its table (`module`: the library with its functions) and in that library,
 * which has `open` and `close`. Its parameters are `params`, its functions `ops`. */
#define PICTURE_SOURCE(id, version, name, summary, type, open, close, module, example)                                                     \
    TESS_PLUGIN(                                                                                                                           \
        id, version, "MIT", TESS_NEEDS("digest/1"),                                                                                        \
        TESS_COMPONENT_WITH(name, "source/1", summary, sizeof(type), params, open, close, &ops, NULL, module, NULL, NULL, example))

#endif
