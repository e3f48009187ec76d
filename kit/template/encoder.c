/* encoder/1 `template-name`: an image in patches. Each patch of `patch` x `patch` pixels becomes one vector of the latent, by two linear
 * layers with swish between them: no patch sees another.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/kind/encoder.h>
#include <tessera/plugin.h>

#include <math.h>

struct template_name {
    int64_t patch, channels; /* parameters, filled by the host from the table below */
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

/* image (N, H, W, C) -> latent (N, H / patch, W / patch, width) */
static int template_name_record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *image, int64_t width,
                                struct tess_node **latent)
{
    const struct template_name *e = (const struct template_name *)self;
    const struct tess_tensor in = tess_shape(image);
    const int64_t cut[4] = {e->channels, e->patch, e->patch, in.dim[3]}, project[2] = {width, e->channels};
    const struct tess_conv patches = {sizeof patches, (int32_t)e->patch, 0, 0, 0, 0};
    if (image && (in.rank != 4 || in.dim[1] % e->patch || in.dim[2] % e->patch))
        return ctx->fail(ctx, TESS_E_SHAPE, "template-name: images of %lld x %lld are no whole patches of %lld; crop them, or set `patch`",
                         (long long)in.dim[1], (long long)in.dim[2], (long long)e->patch);
    struct tess_node *h =
        tess_conv2d(g, image, weight(g, "cut.weight", 4, cut, e->patch * e->patch * in.dim[3]), bias(g, "cut.bias", e->channels), &patches);
    *latent = tess_linear(g, tess_swish(g, h), weight(g, "project.weight", 2, project, e->channels), bias(g, "project.bias", width));
    return TESS_OK;
}

static const struct tess_encoder_1 ops = {sizeof(struct tess_encoder_1), template_name_record};

static const struct tess_param params[] = {TESS_PARAM_I64(struct template_name, patch, 1, 256, 2, "height and width of a patch, in pixels"),
                                           TESS_PARAM_I64(struct template_name, channels, 1, 65536, 64, "values between the two layers"),
                                           TESS_PARAM_END};

TESS_PLUGIN("template-name", "0.1.0", "MIT", TESS_NEEDS("graph/1"),
            TESS_COMPONENT("template-name", "encoder/1", "patches through two linear layers", sizeof(struct template_name), params, NULL,
                           NULL, &ops));
