/* decoder/1 `magvit2`: the decoder of Open-MAGVIT2 (docs/models.md, "Open-MAGVIT2"): the encoder's levels from the lowest resolution up,
 * where in front of each level its features are normalised and get the scale and the offset that mean and deviation of the latent say
 * (adaptive group norm), and pixels come out of channels between levels (depth to space).
 *
 * SPDX-License-Identifier: MIT */
#include "kit/nets/magvit2_blocks.h"

#include <tessera/kind/decoder.h>

#include <stdio.h>

#define EPSILON 1e-6f

static int magvit2_decoder_open(void *self, struct tess_context *ctx)
{
    return magvit2_check(self, ctx, "magvit2 decoder");
}

/* Mean and standard deviation over a sample's positions of each of the latent's channels, (N, D): (34.2), (34.3) */
struct style {
    struct tess_node *mean, *deviation;
    int64_t width;
};

static struct style magvit2_style(struct tess_graph *g, struct tess_node *latent)
{
    struct tess_tensor t = tess_shape(latent);
    int64_t rows = t.dim[0], positions = t.dim[1] * t.dim[2], d = t.dim[3];
    struct tess_node *flat = tess_reshape(g, latent, 3, (const int64_t[]){rows, positions, d}), *mean = tess_mean(g, flat, 1u << 1);
    struct tess_node *squares = tess_sum(g, tess_square(g, tess_sub(g, flat, mean)), 1u << 1);
    struct tess_node *deviation =
        tess_sqrt(g, tess_affine(g, squares, 1.0f / (float)(positions - 1), EPSILON)); /* unbiased, as published */
    return (struct style){tess_reshape(g, mean, 2, (const int64_t[]){rows, d}), tess_reshape(g, deviation, 2, (const int64_t[]){rows, d}),
                          d};
}

/* (34.4) */
static void magvit2_adapt(struct magvit2_stack *s, const struct style *style, int64_t level)
{
    const int64_t shape[4] = {tess_shape(s->x).dim[0], 1, 1, s->width};
    tess_scope(s->g, "adaptive.%d", (int)level);
    struct tess_node *gamma = magvit2_linear(s, "gamma", style->deviation, style->width, s->width, 1);
    struct tess_node *beta = magvit2_linear(s, "beta", style->mean, style->width, s->width, 1);
    tess_scope_end(s->g);
    struct tess_node *one = tess_constant(s->g, 1.0f, 1, &s->width), *zero = tess_constant(s->g, 0.0f, 1, &s->width);
    s->x = tess_group_norm(s->g, s->x, one, zero, (int32_t)s->shape->groups, EPSILON);
    s->x = tess_mul(s->g, s->x, tess_reshape(s->g, gamma, 4, shape));
    s->x = tess_add(s->g, s->x, tess_reshape(s->g, beta, 4, shape));
}

/* Channels (2, 2, C) to pixels of 2 x 2. */
static void magvit2_up(struct magvit2_stack *s, int64_t level)
{
    char name[40];
    int64_t c = s->width;
    (void)snprintf(name, sizeof name, "up.%d.upsample.conv1", (int)level);
    magvit2_convolve(s, name, 4 * c, 1, 1);
    struct tess_tensor t = tess_shape(s->x);
    int64_t n = t.dim[0], h = t.dim[1], w = t.dim[2];
    s->x = tess_transpose(s->g, tess_reshape(s->g, s->x, 4, (const int64_t[]){n * h, w, 2, 2 * c}), 1, 2);
    s->x = tess_reshape(s->g, s->x, 4, (const int64_t[]){n, 2 * h, 2 * w, c});
    s->width = c;
}

static struct tess_node *magvit2_decoder_stack(const struct magvit2_shape *p, struct tess_graph *g, struct tess_node *latent,
                                               int64_t channels)
{
    struct style style = magvit2_style(g, latent);
    int64_t levels = p->channel_mult.count;
    struct magvit2_stack s = {.g = g, .shape = p, .x = latent, .width = style.width};
    char name[40];
    magvit2_convolve(&s, "conv_in", magvit2_width(p, levels - 1), 1, 1);
    magvit2_residuals(&s, "mid_block", p->res_blocks, s.width);
    for (int64_t i = levels - 1; i >= 0; i--) {
        magvit2_adapt(&s, &style, i);
        (void)snprintf(name, sizeof name, "up.%d.block", (int)i);
        magvit2_residuals(&s, name, p->res_blocks, magvit2_width(p, i));
        if (i > 0)
            magvit2_up(&s, i);
    }
    magvit2_norm_out(&s);
    magvit2_convolve(&s, "conv_out", channels, 1, 1);
    return tess_affine(g, s.x, 0.5f, 0.5f); /* it makes pixels in -1 .. 1 */
}

static int magvit2_decoder_record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, int64_t height,
                                  int64_t width, int64_t channels, struct tess_node **image)
{
    const struct magvit2_shape *p = self;
    struct tess_tensor in = tess_shape(latent);
    int64_t factor = (int64_t)1 << (p->channel_mult.count - 1);
    if (latent && (in.rank != 4 || in.dim[1] * factor != height || in.dim[2] * factor != width))
        return ctx->fail(ctx, TESS_E_SHAPE,
                         "magvit2 decoder: %lld levels make %lld x %lld of a latent of %lld x %lld, the images are %lld x %lld; give "
                         "channel_mult as many levels as the encoder's",
                         (long long)p->channel_mult.count, (long long)(in.dim[1] * factor), (long long)(in.dim[2] * factor),
                         (long long)in.dim[1], (long long)in.dim[2], (long long)height, (long long)width);
    if (latent && in.dim[1] * in.dim[2] < 2)
        return ctx->fail(
            ctx, TESS_E_SHAPE,
            "magvit2 decoder: a latent of one position has no deviation, which its norms take; give channel_mult fewer levels, "
            "or larger images");
    *image = magvit2_decoder_stack(p, g, latent, channels);
    return TESS_OK;
}

static const struct tess_decoder_1 ops = {.size = sizeof ops, .record = magvit2_decoder_record};

static const struct tess_param params[] = {MAGVIT2_PARAMS(struct magvit2_shape), TESS_PARAM_END};

TESS_PLUGIN("tessera-magvit2-decoder", "0.1.0", "MIT", TESS_NEEDS("graph/1"),
            TESS_COMPONENT_DOCUMENTED(MAGVIT2_PUBLISHED, "decoder: {use: magvit2, channels: 32, channel_mult: [1, 2, 2, 4]}", "magvit2",
                                      "decoder/1", "residual convolutions with adaptive norms, latent to image",
                                      sizeof(struct magvit2_shape), params, magvit2_decoder_open, NULL, &ops));
