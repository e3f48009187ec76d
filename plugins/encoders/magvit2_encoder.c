/* encoder/1 `magvit2`: the encoder of Open-MAGVIT2 (docs/models.md, "Open-MAGVIT2"). Levels of residual blocks without attention, each
 * level but the last halving the image by a convolution; more blocks in the middle; a last norm and a map to the code's channels, whose
 * signs are the code (quantizer `lfq`).
 *
 * SPDX-License-Identifier: MIT */
#include "kit/nets/magvit2_blocks.h"

#include <tessera/kind/encoder.h>

#include <stdio.h>

static int magvit2_encoder_open(void *self, struct tess_context *ctx)
{
    return magvit2_check(self, ctx, "magvit2 encoder");
}

static int magvit2_encoder_record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *image, int64_t width,
                                  struct tess_node **latent)
{
    const struct magvit2_shape *p = self;
    struct tess_tensor in = tess_shape(image);
    int64_t levels = p->channel_mult.count, factor = (int64_t)1 << (levels - 1);
    char name[40];
    if (image && (in.rank != 4 || in.dim[1] % factor || in.dim[2] % factor))
        return ctx->fail(
            ctx, TESS_E_SHAPE,
            "magvit2 encoder: images of %lld x %lld cannot be halved %lld times; crop or pad them to a multiple of %lld, or give "
            "channel_mult fewer levels",
            (long long)in.dim[1], (long long)in.dim[2], (long long)(levels - 1), (long long)factor);
    struct magvit2_stack s = {.g = g, .shape = p, .x = tess_affine(g, image, 2.0f, -1.0f), .width = in.dim[3]}; /* it sees -1 .. 1 */
    magvit2_convolve(&s, "conv_in", p->channels, 1, 0);
    for (int64_t i = 0; i < levels; i++) {
        (void)snprintf(name, sizeof name, "down.%d.block", (int)i);
        magvit2_residuals(&s, name, p->res_blocks, magvit2_width(p, i));
        (void)snprintf(name, sizeof name, "down.%d.downsample", (int)i);
        if (i + 1 < levels)
            magvit2_convolve(&s, name, s.width, 2, 1);
    }
    magvit2_residuals(&s, "mid_block", p->res_blocks, s.width);
    magvit2_norm_out(&s);
    *latent = magvit2_linear(&s, "conv_out", s.x, s.width, width, 1);
    return TESS_OK;
}

static const struct tess_encoder_1 ops = {.size = sizeof ops, .record = magvit2_encoder_record};

static const struct tess_param params[] = {MAGVIT2_PARAMS(struct magvit2_shape), TESS_PARAM_END};

TESS_PLUGIN("tessera-magvit2-encoder", "0.1.0", "MIT", TESS_NEEDS("graph/1"),
            TESS_COMPONENT_DOCUMENTED(MAGVIT2_PUBLISHED, "encoder: {use: magvit2, channels: 32, channel_mult: [1, 2, 2, 4]}", "magvit2",
                                      "encoder/1", "residual convolutions without attention, image to latent", sizeof(struct magvit2_shape),
                                      params, magvit2_encoder_open, NULL, &ops));
