/* Shared by encoder/1 and decoder/1 `conv` (docs/models.md, "Blocks"): the shape they are told, residual and attention blocks, levels of
 * them, and how the weights are called. Names are those of the published checkpoints of each variant; a convolution's weight lies
 * (Co, Kh, Kw, Ci) here. Linked into both plugins.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_NETS_CONV_BLOCKS_H
#define KIT_NETS_CONV_BLOCKS_H

#include <tessera/kind/decoder.h>
#include <tessera/kind/encoder.h>
#include <tessera/plugin.h>

enum { CONV_UNLEASHING, CONV_TAMING };
enum { CONV_RESAMPLE_CONV, CONV_RESAMPLE_POOL };

struct conv_shape { /* parameters of both plugins */
    int64_t channels, res_blocks, groups, z_channels;
    struct tess_list channel_mult, attn_resolutions;
    int32_t variant, mid_attention, resample;
};

#define CONV_PARAMS(S)                                                                                                                     \
    {.name = "channels",                                                                                                                   \
     .help = "channels at full resolution",                                                                                                \
     .type = TESS_I64,                                                                                                                     \
     .offset = offsetof(S, channels),                                                                                                      \
     .lo = 1,                                                                                                                              \
     .hi = 8192,                                                                                                                           \
     .def = 32},                                                                                                                           \
        {.name = "channel_mult",                                                                                                           \
         .help = "channels of each level, as multiples; each level but the last halves the image",                                         \
         .type = TESS_LIST,                                                                                                                \
         .offset = offsetof(S, channel_mult),                                                                                              \
         .lo = 1,                                                                                                                          \
         .hi = 64,                                                                                                                         \
         .text = "1, 1, 2"},                                                                                                               \
        {.name = "res_blocks",                                                                                                             \
         .help = "residual blocks a level (in a decoder of `variant: taming` one more)",                                                   \
         .type = TESS_I64,                                                                                                                 \
         .offset = offsetof(S, res_blocks),                                                                                                \
         .lo = 1,                                                                                                                          \
         .hi = 32,                                                                                                                         \
         .def = 1},                                                                                                                        \
        {.name = "attn_resolutions",                                                                                                       \
         .help = "heights in pixels at which each residual block is followed by attention (the middle has it anyway)",                     \
         .type = TESS_LIST,                                                                                                                \
         .offset = offsetof(S, attn_resolutions),                                                                                          \
         .lo = 1,                                                                                                                          \
         .hi = 65536,                                                                                                                      \
         .text = ""},                                                                                                                      \
        {.name = "groups",                                                                                                                 \
         .help = "groups of the normalisation; must divide every level's channels",                                                        \
         .type = TESS_I64,                                                                                                                 \
         .offset = offsetof(S, groups),                                                                                                    \
         .lo = 1,                                                                                                                          \
         .hi = 8192,                                                                                                                       \
         .def = 32},                                                                                                                       \
        {.name = "variant",                                                                                                                \
         .help = "the network of \"Unleashing Transformers\", or that of taming and VQ-DDM",                                               \
         .type = TESS_ENUM,                                                                                                                \
         .offset = offsetof(S, variant),                                                                                                   \
         .text = "unleashing|taming"},                                                                                                     \
        {.name = "z_channels",                                                                                                             \
         .help = "`variant: taming`: channels before the map to code_dim and after that back; 0: as many as code_dim",                     \
         .type = TESS_I64,                                                                                                                 \
         .offset = offsetof(S, z_channels),                                                                                                \
         .lo = 0,                                                                                                                          \
         .hi = 8192,                                                                                                                       \
         .def = 0},                                                                                                                        \
        {.name = "mid_attention",                                                                                                          \
         .help = "`variant: taming`: attention between the two residual blocks of the middle",                                             \
         .type = TESS_BOOL,                                                                                                                \
         .flags = TESS_LATER,                                                                                                              \
         .offset = offsetof(S, mid_attention),                                                                                             \
         .def = 1},                                                                                                                        \
    {                                                                                                                                      \
        .name = "resample",                                                                                                                \
        .help = "between levels: a convolution; or, with `variant: taming`, pool: means of 2 x 2 and nearest, without", .type = TESS_ENUM, \
        .flags = TESS_LATER, .offset = offsetof(S, resample), .text = "conv|pool"                                                          \
    }

/* Recording state of a list of blocks: x is the node reached so far. */
struct conv_stack {
    struct tess_graph *g;
    const struct conv_shape *shape;
    struct tess_node *x;
    int64_t width;   /* channels of x */
    int32_t block;   /* number of the next block */
    struct tess_node *before_last; /* input of conv_last's convolution, with `before_width` channels */
    int64_t before_width;
};

int conv_check(const struct conv_shape *s, struct tess_context *ctx, const char *who);
/* Functions that record blocks, with the next numbers of the list, and advance x. */
void conv_first(struct conv_stack *s, int64_t width); /* 3 x 3, padded by one */
/* `blocks` residual blocks, each with attention where this height has it; `path` is "down" or "up". */
void conv_level(struct conv_stack *s, const char *path, int64_t level, int64_t blocks, int64_t height);
void conv_middle(struct conv_stack *s);              /* residual, attention where there is one, residual */
void conv_down(struct conv_stack *s, int64_t level); /* stride 2, padded on the right and at the bottom; or means of 2 x 2 */
void conv_up(struct conv_stack *s, int64_t level);   /* nearest, then 3 x 3 where levels have convolutions between them */
void conv_last(struct conv_stack *s, int64_t width);                 /* norm, in taming swish, 3 x 3 */
/* Likelihood head, recorded after conv_last: 3 x 3, ReLU, 1 x 1 to `width`, over the input of its convolution; in no list. Leaves x where
 * it is. */
struct tess_node *conv_log_sigma(struct conv_stack *s, int64_t width);
void conv_quant(struct conv_stack *s, const char *name, int64_t width); /* 1 x 1; in no list */

#endif
