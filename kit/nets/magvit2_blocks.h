/* Shared by encoder/1 and decoder/1 `magvit2` (docs/models.md, "Open-MAGVIT2"): the shape they are told, residual blocks without biases,
 * levels of them. Names of weights are those of the published checkpoints; a convolution's weight lies (Co, Kh, Kw, Ci) here. Linked into
 * both plugins.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_NETS_MAGVIT2_BLOCKS_H
#define KIT_NETS_MAGVIT2_BLOCKS_H

#include <tessera/graph.h>
#include <tessera/plugin.h>

struct magvit2_shape { /* parameters of both plugins */
    int64_t channels, res_blocks, groups;
    struct tess_list channel_mult;
};

#define MAGVIT2_PUBLISHED                                                                                                                  \
    "Luo et al., Open-MAGVIT2: An Open-Source Project Toward Democratizing Auto-Regressive Visual Generation, 2024; Yu et al., Language "  \
    "Model Beats Diffusion: Tokenizer is Key to Visual Generation, 2023"
#define MAGVIT2_PARAMS(S)                                                                                                                  \
    TESS_PARAM("channels", S, channels, TESS_I64, 0, 1, 8192, 32, NULL, "channels at full resolution"),                                    \
        TESS_PARAM_LIST(S, channel_mult, 1, 64, "1, 2, 2, 4",                                                                              \
                        "channels of each level, as multiples; each level but the last halves the image"),                                 \
        TESS_PARAM("res_blocks", S, res_blocks, TESS_I64, 0, 1, 32, 2, NULL, "residual blocks a level, and in the middle"),                \
        TESS_PARAM("groups", S, groups, TESS_I64, 0, 1, 8192, 32, NULL, "groups of the normalisation; must divide every level's channels")

/* Recording state: x is the node reached so far, with `width` channels. */
struct magvit2_stack {
    struct tess_graph *g;
    const struct magvit2_shape *shape;
    struct tess_node *x;
    int64_t width;
};

int magvit2_check(const struct magvit2_shape *s, struct tess_context *ctx, const char *who);
/* Channels of a level. */
int64_t magvit2_width(const struct magvit2_shape *s, int64_t level);
/* A layer of this name, and x after it: 3 x 3 with a stride, padded by one; 1 x 1 or a linear map. */
void magvit2_convolve(struct magvit2_stack *s, const char *name, int64_t width, int32_t stride, int bias);
struct tess_node *magvit2_linear(struct magvit2_stack *s, const char *name, struct tess_node *x, int64_t from, int64_t to, int bias);
/* Residual blocks NAME.0 to NAME.COUNT - 1, of which the first changes the width. */
void magvit2_residuals(struct magvit2_stack *s, const char *name, int64_t count, int64_t width);
/* norm_out and swish. */
void magvit2_norm_out(struct magvit2_stack *s);

#endif
