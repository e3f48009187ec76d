/* encoder/1 `conv`: the convolutional encoder of "Unleashing Transformers", or that of taming and VQ-DDM (docs/models.md, "Encoder").
 * Levels of residual blocks, each level but the last halving the image; a middle of residual, attention, residual; a last norm and
 * convolution.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/nets/conv_blocks.h"

static int open_encoder(void *self, struct tess_context *ctx)
{
    return conv_check(self, ctx, "conv encoder");
}

static int conv_encoder_record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *image, int64_t width,
                               struct tess_node **latent)
{
    const struct conv_shape *p = self;
    struct tess_tensor in = tess_shape(image);
    int64_t levels = p->channel_mult.count, factor = (int64_t)1 << (levels - 1), height = in.dim[1];
    struct conv_stack s = {.g = g, .shape = p, .x = image, .width = in.dim[3]};
    if (image && (in.rank != 4 || in.dim[1] % factor || in.dim[2] % factor))
        return ctx->fail(ctx, TESS_E_SHAPE,
                       "conv encoder: images of %lld x %lld cannot be halved %lld times; crop or pad them to a multiple of %lld "
                       "(%lld x %lld), or give channel_mult fewer levels",
                       (long long)in.dim[1], (long long)in.dim[2], (long long)(levels - 1), (long long)factor,
                       (long long)((in.dim[1] + factor - 1) / factor * factor), (long long)((in.dim[2] + factor - 1) / factor * factor));
    if (p->variant == CONV_TAMING) /* networks of taming see pixels in -1 .. 1 */
        s.x = tess_affine(g, s.x, 2.0f, -1.0f);
    conv_first(&s, p->channels);
    for (int64_t i = 0; i < levels; i++) {
        conv_level(&s, "down", i, p->res_blocks, height >> i);
        if (i + 1 < levels)
            conv_down(&s, i);
    }
    conv_middle(&s);
    conv_last(&s, p->z_channels ? p->z_channels : width);
    if (p->variant == CONV_TAMING)
        conv_quant(&s, "quant_conv", width);
    *latent = s.x;
    return TESS_OK;
}

static const struct tess_encoder_1 ops = {.size = sizeof ops, .record = conv_encoder_record};

static const struct tess_param params[] = {CONV_PARAMS(struct conv_shape), {.name = NULL}};

TESS_PLUGIN("tessera-conv-encoder", "0.2.0", "MIT", TESS_NEEDS("graph/1"),
            TESS_COMPONENT_DOCUMENTED("Esser, Rombach and Ommer, Taming Transformers for High-Resolution Image Synthesis, 2021",
                                      "encoder: {use: conv, channels: 64, channel_mult: [1, 2, 4]}", "conv", "encoder/1",
                                      "residual convolutions and attention, image to latent", sizeof(struct conv_shape), params,
                                      open_encoder, NULL, &ops));
