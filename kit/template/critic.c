/* critic/1 `template-name`: two convolutions that halve the image and one that judges; each output sees a patch of 22 x 22 pixels.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/kind/critic.h>
#include <tessera/plugin.h>

#include <math.h>

struct template_name {
    int64_t channels; /* parameters, filled by the host from the table below */
    double slope;
};

/* A 4 x 4 convolution with a border of 1; weights are drawn uniformly within 1 / sqrt(fan-in). */
static struct tess_node *convolution(struct tess_graph *g, const char *name, struct tess_node *x, int64_t channels, int32_t stride)
{
    const struct tess_tensor in = tess_shape(x);
    const int64_t dim[4] = {channels, 4, 4, in.rank == 4 ? in.dim[3] : 1};
    const struct tess_init drawn = {sizeof drawn, TESS_INIT_UNIFORM, 0, 0.0, 1.0 / sqrt(16.0 * (double)dim[3])};
    const struct tess_init zero = {sizeof zero, TESS_INIT_CONSTANT, TESS_WEIGHT_NO_DECAY, 0.0, 0.0};
    const struct tess_conv conv = {sizeof conv, stride, 1, 1, 1, 1};
    tess_scope(g, "%s", name);
    struct tess_node *w = tess_weight(g, "weight", 4, dim, &drawn), *b = tess_weight(g, "bias", 1, &channels, &zero);
    tess_scope_end(g);
    return tess_conv2d(g, x, w, b, &conv);
}

/* image (rows, H, W, C), pixels in 0 .. 1 -> logits (rows, h, w, 1), larger for what looks real */
static int template_name_record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *image,
                                struct tess_node **logits)
{
    const struct template_name *c = (const struct template_name *)self;
    const struct tess_tensor in = tess_shape(image);
    if (image && (in.rank != 4 || in.dim[1] < 8 || in.dim[2] < 8))
        return ctx->fail(ctx, TESS_E_SHAPE, "template-name: images of %lld x %lld are too small; 8 x 8 pixels are the least",
                         (long long)in.dim[1], (long long)in.dim[2]);
    struct tess_node *x = tess_affine(g, image, 2.0f, -1.0f); /* pixels in -1 .. 1 */
    x = tess_leaky_relu(g, convolution(g, "first", x, c->channels, 2), (float)c->slope);
    x = tess_leaky_relu(g, convolution(g, "second", x, 2 * c->channels, 2), (float)c->slope);
    *logits = convolution(g, "judge", x, 1, 1);
    return TESS_OK;
}

static const struct tess_critic_1 ops = {sizeof(struct tess_critic_1), template_name_record};

static const struct tess_param params[] = {TESS_PARAM_I64(struct template_name, channels, 1, 4096, 16, "channels of the first convolution"),
                                           TESS_PARAM_F64(struct template_name, slope, 0, 1, 0.2, "slope of the activation below 0"),
                                           TESS_PARAM_END};

TESS_PLUGIN("template-name", "0.1.0", "MIT", TESS_NEEDS("graph/1"),
            TESS_COMPONENT("template-name", "critic/1", "three convolutions that judge patches", sizeof(struct template_name), params, NULL,
                           NULL, &ops));
