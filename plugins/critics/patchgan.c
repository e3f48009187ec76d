/* critic/1 `patchgan`: convolutions whose every output judges a patch of the image (docs/models.md, "The adversarial term"; Isola et al.,
 * "Image-to-image translation with conditional adversarial networks", section 3.2.2).
 *
 * 4 x 4 convolutions with border 1: stride 2 to `channels`, then layers - 1 of stride 2 and one of stride 1, each to twice the channels, at
 * most 8 times `channels`, with batch normalisation; leaky ReLU 0.2 after each; last one of stride 1 to one channel. The statistics of the
 * batch normalisation are those of the microbatch, real and made images apart. Weights are named by their place in the published list of
 * layers.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/kind/critic.h>
#include <tessera/plugin.h>

#include <math.h>

struct patchgan {
    int64_t channels, layers;
    int32_t range;
};

enum { UNIT, SIGNED };

/* PyTorch's initial values: uniform within 1 / sqrt(fan-in). */
static struct tess_init by_fan_in(int64_t fan_in, uint32_t flags)
{
    return (struct tess_init){
        .size = sizeof(struct tess_init), .kind = TESS_INIT_UNIFORM, .flags = flags, .spread = 1.0 / sqrt((double)fan_in)};
}

static struct tess_node *patchgan_convolution(struct tess_graph *g, int64_t place, struct tess_node *x, int64_t channels, int32_t stride,
                                              int bias)
{
    struct tess_conv how = {.size = sizeof(struct tess_conv), .stride = stride, .top = 1, .left = 1, .bottom = 1, .right = 1};
    struct tess_tensor s = tess_shape(x);
    int64_t in = s.rank == 4 ? s.dim[3] : 1;
    tess_scope(g, "main.%d", (int)place);
    struct tess_node *w = tess_weight(g, "weight", 4, (const int64_t[]){channels, 4, 4, in}, (struct tess_init[]){by_fan_in(16 * in, 0)});
    struct tess_node *b =
        bias ? tess_weight(g, "bias", 1, &channels, (struct tess_init[]){by_fan_in(16 * in, TESS_WEIGHT_NO_DECAY)}) : NULL;
    tess_scope_end(g);
    return tess_conv2d(g, x, w, b, &how);
}

/* Mean and variance of each channel over all images of the microbatch: group normalisation of the microbatch as one image, a channel a
 * group. */
static struct tess_node *batch_norm(struct tess_graph *g, int64_t place, struct tess_node *x)
{
    struct tess_tensor s = tess_shape(x);
    int64_t channels = s.rank == 4 ? s.dim[3] : 1;
    tess_scope(g, "main.%d", (int)place);
    struct tess_node *gamma = tess_weight(g, "weight", 1, &channels, TESS_INIT(.flags = TESS_WEIGHT_NO_DECAY, .centre = 1.0));
    struct tess_node *beta = tess_weight(g, "bias", 1, &channels, TESS_INIT(.flags = TESS_WEIGHT_NO_DECAY));
    tess_scope_end(g);
    x = tess_reshape(g, x, 4, (const int64_t[]){1, s.dim[0] * s.dim[1], s.dim[2], channels});
    return tess_reshape(g, tess_group_norm(g, x, gamma, beta, (int32_t)channels, 1e-5f), 4, s.dim);
}

static int patchgan_record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *image, struct tess_node **logits)
{
    const struct patchgan *p = self;
    struct tess_tensor s = tess_shape(image);
    int64_t side = s.dim[1] < s.dim[2] ? s.dim[1] : s.dim[2], least = 3LL << p->layers, width = p->channels;
    if (image && side < least)
        return ctx->fail(ctx, TESS_E_SHAPE,
                       "patchgan critic: images of %lld x %lld are too small for %lld layers, which want %lld; set `layers` lower",
                       (long long)s.dim[1], (long long)s.dim[2], (long long)p->layers, (long long)least);
    if (p->range == SIGNED) /* no matter of weights: the border's zeros are grey then, and black otherwise */
        image = tess_affine(g, image, 2.0f, -1.0f);
    struct tess_node *h = tess_leaky_relu(g, patchgan_convolution(g, 0, image, width, 2, 1), 0.2f);
    for (int64_t i = 1; i <= p->layers; i++) {
        width = p->channels << (i < 3 ? i : 3);
        h = patchgan_convolution(g, 3 * i - 1, h, width, i < p->layers ? 2 : 1, 0);
        h = tess_leaky_relu(g, batch_norm(g, 3 * i, h), 0.2f);
    }
    *logits = patchgan_convolution(g, 3 * p->layers + 2, h, 1, 1, 1);
    return TESS_OK;
}

static const struct tess_critic_1 ops = {.size = sizeof ops, .record = patchgan_record};

static const struct tess_param params[] = {{.name = "channels",
                                            .help = "channels of the first layer",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct patchgan, channels),
                                            .lo = 1,
                                            .hi = 4096,
                                            .def = 64},
                                           {.name = "layers",
                                            .help = "normalised layers; each but the last halves the image",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct patchgan, layers),
                                            .lo = 1,
                                            .hi = 8,
                                            .def = 3},
                                           {.name = "range",
                                            .help = "of the pixels it is shown: unit 0 .. 1, or signed -1 .. 1 as in taming",
                                            .type = TESS_ENUM,
                                            .offset = offsetof(struct patchgan, range),
                                            .text = "unit|signed"},
                                           {.name = NULL}};

TESS_PLUGIN("tessera-patchgan", "0.2.0", "MIT", TESS_NEEDS("graph/1"),
            TESS_COMPONENT_DOCUMENTED("Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, 2017",
                                      "critic: {use: patchgan, channels: 64, layers: 3}", "patchgan", "critic/1",
                                      "convolutions that judge patches of the image", sizeof(struct patchgan), params, NULL, NULL, &ops));
