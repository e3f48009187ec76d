/* Layout of a convolutional autoencoder, both networks, derived from the shapes of its encoder; and the attributes that follow. Linked into
 * each plugin of an architecture that has one.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_CHECKPOINT_CONV_LAYOUT_H
#define KIT_CHECKPOINT_CONV_LAYOUT_H

#include "kit/checkpoint/extras.h"
#include "kit/checkpoint/name_table.h"

#include <tessera/exchange.h>
#include <tessera/plugin.h>

/* Properties that shapes do not tell: parameters, with the published values as defaults. */
struct conv_untold {
    int64_t height, width, groups;
    int32_t assign; /* rule of assignment: an index into CONV_ASSIGN; 0 where an architecture has one rule */
    int32_t complete; /* export: with extras */
};
#define CONV_ASSIGN "nearest|cosine|dot"
#define CONV_ASSIGN_PARAM(S, m, rule)                                                                                                      \
    {                                                                                                                                      \
        .name = "assign",                                                                                                                  \
        .help = "the row that a latent takes: the nearest, that of the largest cosine (rows of unit length), or product",                  \
        .type = TESS_ENUM, .offset = offsetof(S, m.assign), .def = rule, .text = CONV_ASSIGN                                               \
    }
#define CONV_UNTOLD_PARAMS(S, m)                                                                                                           \
    {.name = "height",                                                                                                                     \
     .help = "height of the images in pixels",                                                                                             \
     .type = TESS_I64,                                                                                                                     \
     .offset = offsetof(S, m.height),                                                                                                      \
     .lo = 1,                                                                                                                              \
     .hi = 65536,                                                                                                                          \
     .def = 256},                                                                                                                          \
        {.name = "width",                                                                                                                  \
         .help = "width of the images in pixels",                                                                                          \
         .type = TESS_I64,                                                                                                                 \
         .offset = offsetof(S, m.width),                                                                                                   \
         .lo = 1,                                                                                                                          \
         .hi = 65536,                                                                                                                      \
         .def = 256},                                                                                                                      \
        {.name = "groups",                                                                                                                 \
         .help = "groups of the autoencoder's normalisation",                                                                              \
         .type = TESS_I64,                                                                                                                 \
         .offset = offsetof(S, m.groups),                                                                                                  \
         .lo = 1,                                                                                                                          \
         .hi = 8192,                                                                                                                       \
         .def = 32},                                                                                                                       \
        EXTRAS_PARAM(S, m.complete)

struct conv_layout {
    const char *who, *variant;                                      /* the architecture, for messages; of encoder and decoder `conv` */
    const char *quantizer;                                          /* "nearest", "ema" or "gumbel" */
    int no_mid_attention, pools; /* the middle has no attention; levels have no convolution between them */
    int asks_rule;               /* the architecture has more than one rule of assignment */
    int64_t channels, width[TESS_LIST_MAX], attends[TESS_LIST_MAX]; /* width of each level, and whether it attends */
    int64_t decoder_width[TESS_LIST_MAX];                           /* widths of the decoder's levels; [0] 0: the encoder's */
    int64_t levels, res_blocks, image_channels, z_channels, code_dim, codebook_size;
};

/* TESS_E_DATA: "this is no encoder of WHO: WHAT" */
int conv_layout_odd(struct tess_context *ctx, const struct conv_layout *l, const char *what);
/* A level of `residual` residual blocks and `attention` blocks of attention, all of them or none with attention behind, `width` wide. */
int conv_layout_level(struct tess_context *ctx, struct conv_layout *l, int64_t residual, int64_t attention, int64_t width) TESS_CHECKED;
/* The attributes of an autoencoder into p->attributes, and what was assumed; its kind. */
int conv_layout_describe(struct tess_context *ctx, const struct conv_untold *u, const struct conv_layout *l,
                         struct tess_import_plan *p) TESS_CHECKED;
/* Checks that encoder and decoder of the model are `conv` of the variant and the groups that were said, and lays each weight out with its
 * name of the table; `range`: values of the critic's images, "unit" or "signed". TESS_E_VALUE where the model is another. */
int conv_layout_export(struct tess_context *ctx, const char *who, const char *variant, const char *range, const struct name_row *names,
                       const struct conv_untold *u, struct tess_export_plan *p) TESS_CHECKED;

#endif
