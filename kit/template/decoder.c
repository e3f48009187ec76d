/* decoder/1 `template-name`: an image of patches. Each vector of the latent becomes `patch` x `patch` pixels, by two linear layers with
 * swish between them; the patch is as large as image and latent say.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/kind/decoder.h>
#include <tessera/plugin.h>

#include <math.h>

struct template_name {
    int64_t channels; /* a parameter, filled by the host from the table below */
};

/* A weight drawn uniformly within 1 / sqrt(fan-in), and a bias that begins at zero. */
static struct tess_node *weight(struct tess_graph *g, const char *name, int32_t rank, const int64_t *dim, int64_t fan_in)
{
    const struct tess_init init = {sizeof init, TESS_INIT_UNIFORM, 0, 0.0, 1.0 / sqrt((double)fan_in)};
    return tess_weight(g, name, rank, dim, &init);
}

static struct tess_node *bias(struct tess_graph *g, const char *name, int64_t channels)
{
    const struct tess_init init = {sizeof init, TESS_INIT_CONSTANT, TESS_WEIGHT_NO_DECAY, 0.0, 0.0};
    return tess_weight(g, name, 1, &channels, &init);
}

/* latent (N, h, w, D) -> image (N, height, width, channels) */
static int template_name_record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, int64_t height,
                                int64_t width, int64_t channels, struct tess_node **image)
{
    const struct template_name *d = (const struct template_name *)self;
    const struct tess_tensor in = tess_shape(latent);
    const int64_t patch = latent ? height / in.dim[1] : 1;
    const int64_t expand[2] = {d->channels, in.dim[3]}, paint[4] = {d->channels, patch, patch, channels};
    const struct tess_conv patches = {sizeof patches, (int32_t)patch, 0, 0, 0, 0};
    if (latent && (patch < 1 || in.dim[1] * patch != height || in.dim[2] * patch != width))
        return ctx->fail(ctx, TESS_E_SHAPE, "template-name: a latent of %lld x %lld does not divide images of %lld x %lld into squares",
                         (long long)in.dim[1], (long long)in.dim[2], (long long)height, (long long)width);
    struct tess_node *h = tess_linear(g, latent, weight(g, "expand.weight", 2, expand, in.dim[3]), bias(g, "expand.bias", d->channels));
    *image = tess_conv2d_transpose(g, tess_swish(g, h), weight(g, "paint.weight", 4, paint, d->channels), bias(g, "paint.bias", channels),
                                   &patches);
    return TESS_OK;
}

static const struct tess_decoder_1 ops = {sizeof(struct tess_decoder_1), template_name_record, NULL, NULL};

static const struct tess_param params[] = {TESS_PARAM_I64(struct template_name, channels, 1, 65536, 64, "values between the two layers"),
                                           TESS_PARAM_END};

TESS_PLUGIN("template-name", "0.1.0", "MIT", TESS_NEEDS("graph/1"),
            TESS_COMPONENT("template-name", "decoder/1", "patches from two linear layers", sizeof(struct template_name), params, NULL, NULL,
                           &ops));
