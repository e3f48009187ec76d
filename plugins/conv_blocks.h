/* The blocks an encoder and a decoder are made of (docs/models.md, "Blocks"): convolution, group normalisation, residual and attention
 * blocks, and the numbering of the flat list they form. Names of weights are those of the published checkpoints; a convolution's weight
 * lies (Co, Kh, Kw, Ci) here. Compiled into both plugins.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_CONV_BLOCKS_H
#define PLUGINS_CONV_BLOCKS_H

#include <tessera/autoencoder.h>
#include <tessera/plugin.h>

struct conv_shape { /* parameters of both plugins */
    int64_t channels, res_blocks, groups;
    struct tess_list channel_mult, attn_resolutions;
};

#define CONV_PARAMS(S)                                                                                                                     \
    {.name = "channels", .help = "channels at full resolution", .type = TESS_I64, .offset = offsetof(S, channels), .lo = 1, .hi = 8192,    \
     .def = 32},                                                                                                                           \
    {.name = "channel_mult", .help = "channels of each level, as multiples; each level but the last halves the image",                     \
     .type = TESS_LIST, .offset = offsetof(S, channel_mult), .lo = 1, .hi = 64, .text = "1, 1, 2"},                                        \
    {.name = "res_blocks", .help = "residual blocks a level", .type = TESS_I64, .offset = offsetof(S, res_blocks), .lo = 1, .hi = 32,      \
     .def = 1},                                                                                                                            \
    {.name = "attn_resolutions",                                                                                                           \
     .help = "heights in pixels at which each residual block is followed by attention (the middle has it anyway)", .type = TESS_LIST,      \
     .offset = offsetof(S, attn_resolutions), .lo = 1, .hi = 65536, .text = ""},                                                           \
    {.name = "groups", .help = "groups of the normalisation; must divide every level's channels", .type = TESS_I64,                        \
     .offset = offsetof(S, groups), .lo = 1, .hi = 8192, .def = 32}

/* A list of blocks being recorded: x is where it stands. */
struct conv_stack {
    struct tess_graph *g;
    const struct conv_shape *shape;
    struct tess_node *x;
    int64_t width;   /* channels of x */
    int32_t block;   /* number of the next block */
};

int conv_check(const struct conv_shape *s, struct tess_call *c, const char *who);
int conv_attends(const struct conv_shape *s, int64_t height);
/* Each records the block with the next number and moves on. */
void conv_plain(struct conv_stack *s, int64_t width);               /* 3 x 3, padded by one */
void conv_norm(struct conv_stack *s);
void conv_residual(struct conv_stack *s, int64_t width);
void conv_attention(struct conv_stack *s);
void conv_down(struct conv_stack *s);                               /* stride 2, padded on the right and at the bottom */
void conv_up(struct conv_stack *s);                                 /* nearest, then 3 x 3 */

#endif
