/* decoder/1 `conv`: the generator of "Unleashing Transformers", or the decoder of taming and VQ-DDM (docs/models.md, "Decoder"): the
 * encoder's levels from the lowest resolution up, as many residual blocks a level (taming: one more), nearest upsampling between levels.
 * Where it is asked for, a head beside the last convolution for how far pixels are from the image ("Image likelihood").
 *
 * SPDX-License-Identifier: MIT */
#include "kit/nets/conv_blocks.h"

static int conv_decoder_open_decoder(void *self, struct tess_context *ctx)
{
    return conv_check(self, ctx, "conv decoder");
}

/* `height`: of the images trained on, which decides where there is attention. log_sigma NULL: without that head. */
static struct tess_node *conv_decoder_stack(const struct conv_shape *p, struct tess_graph *g, struct tess_node *latent, int64_t height,
                               int64_t channels, struct tess_node **log_sigma)
{
    int64_t levels = p->channel_mult.count;
    struct conv_stack s = {.g = g, .shape = p, .x = latent, .width = tess_shape(latent).dim[3]};
    if (p->variant == CONV_TAMING)
        conv_quant(&s, "post_quant_conv", p->z_channels ? p->z_channels : s.width);
    conv_first(&s, p->channels * p->channel_mult.item[levels - 1]);
    conv_middle(&s);
    for (int64_t i = levels - 1; i >= 0; i--) {
        conv_level(&s, "up", i, p->res_blocks + (p->variant == CONV_TAMING), height >> i);
        if (i > 0)
            conv_up(&s, i);
    }
    conv_last(&s, channels);
    if (log_sigma)
        *log_sigma = conv_log_sigma(&s, channels);
    return p->variant == CONV_TAMING ? tess_affine(g, s.x, 0.5f, 0.5f) : s.x; /* taming's networks make pixels in -1 .. 1 */
}

static int record_both(const struct conv_shape *p, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, int64_t height,
                       int64_t width, int64_t channels, struct tess_node **image, struct tess_node **log_sigma)
{
    struct tess_tensor in = tess_shape(latent);
    int64_t levels = p->channel_mult.count, factor = (int64_t)1 << (levels - 1);
    if (latent && (in.rank != 4 || in.dim[1] * factor != height || in.dim[2] * factor != width))
        return ctx->fail(ctx, TESS_E_SHAPE,
                       "conv decoder: %lld levels make %lld x %lld of a latent of %lld x %lld, the images are %lld x %lld; give "
                       "channel_mult as many levels as the encoder's",
                       (long long)levels, (long long)(in.dim[1] * factor), (long long)(in.dim[2] * factor), (long long)in.dim[1],
                       (long long)in.dim[2], (long long)height, (long long)width);
    *image = conv_decoder_stack(p, g, latent, height, channels, log_sigma);
    return TESS_OK;
}

static int conv_decoder_record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, int64_t height,
                               int64_t width, int64_t channels, struct tess_node **image)
{
    return record_both(self, ctx, g, latent, height, width, channels, image, NULL);
}

/* Image and log sigma, of pixels in 0 .. 1 in either variant. */
static int record_likelihood(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, int64_t height,
                             int64_t width, int64_t channels, struct tess_node **image, struct tess_node **log_sigma)
{
    return record_both(self, ctx, g, latent, height, width, channels, image, log_sigma);
}

static int record_larger(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, int64_t height,
                         int64_t width, int64_t channels, struct tess_node **image)
{
    const struct conv_shape *p = self;
    struct tess_tensor in = tess_shape(latent);
    int64_t factor = (int64_t)1 << (p->channel_mult.count - 1);
    if (latent && (in.rank != 4 || in.dim[1] * factor < height || in.dim[2] * factor < width))
        return ctx->fail(ctx, TESS_E_SHAPE, "conv decoder: a latent of %lld x %lld is smaller than that of images of %lld x %lld",
                       (long long)in.dim[1], (long long)in.dim[2], (long long)height, (long long)width);
    *image = conv_decoder_stack(p, g, latent, height, channels, NULL);
    return TESS_OK;
}

static const struct tess_decoder_1 ops = {
    .size = sizeof ops, .record = conv_decoder_record, .record_likelihood = record_likelihood, .record_larger = record_larger};

static const struct tess_param params[] = {CONV_PARAMS(struct conv_shape), {.name = NULL}};

TESS_PLUGIN("tessera-conv-decoder", "0.2.0", "MIT", TESS_NEEDS("graph/1"),
            TESS_COMPONENT_DOCUMENTED("Esser, Rombach and Ommer, Taming Transformers for High-Resolution Image Synthesis, 2021",
                                      "decoder: {use: conv, channels: 64, channel_mult: [1, 2, 4]}", "conv", "decoder/1",
                                      "residual convolutions and attention, latent to image", sizeof(struct conv_shape), params,
                                      conv_decoder_open_decoder, NULL, &ops));
