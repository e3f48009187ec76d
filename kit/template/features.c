/* features/1 `template-name`: three convolutions with ReLU, each at half the size of the one before, for perceptual distances. It is taught
 * classes by the stage train-features, or reads a file that has its weights under the names they have here.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/kind/features.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LAYERS = 3 };

struct template_name {
    const char *weights; /* parameters, filled by the host from the table below */
    int64_t channels;
};

/* A weight of a file of its own is external: neither models nor checkpoints hold it. Trained here it is one like any other. */
static struct tess_node *convolution(struct tess_graph *g, int trained, int layer, struct tess_node *x, int64_t channels)
{
    const struct tess_tensor in = tess_shape(x);
    const int64_t dim[4] = {channels, 3, 3, in.rank == 4 ? in.dim[3] : 1};
    const double spread = sqrt(2.0 / (9.0 * (double)dim[3]));
    const struct tess_init external = {sizeof external, TESS_INIT_CONSTANT, TESS_WEIGHT_EXTERNAL, 0.0, 0.0};
    const struct tess_init drawn = {sizeof drawn, TESS_INIT_NORMAL, 0, 0.0, spread};
    const struct tess_init zero = {sizeof zero, TESS_INIT_CONSTANT, TESS_WEIGHT_NO_DECAY, 0.0, 0.0};
    const struct tess_conv conv = {sizeof conv, 1, 1, 1, 1, 1};
    tess_scope(g, "layers.%d", layer);
    struct tess_node *w = tess_weight(g, "weight", 4, dim, trained ? &drawn : &external);
    struct tess_node *b = tess_weight(g, "bias", 1, &channels, trained ? &zero : &external);
    tess_scope_end(g);
    return tess_leaky_relu(g, tess_conv2d(g, x, w, b, &conv), 0.0f);
}

/* image (rows, H, W, C), pixels in 0 .. 1 -> three maps */
static int template_name_record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *image,
                                struct tess_features *out)
{
    const struct template_name *f = (const struct template_name *)self;
    const struct tess_tensor in = tess_shape(image);
    if (image && (in.rank != 4 || in.dim[1] < 4 || in.dim[2] < 4))
        return ctx->fail(ctx, TESS_E_SHAPE, "template-name: images of %lld x %lld are too small; 4 x 4 pixels are the least",
                         (long long)in.dim[1], (long long)in.dim[2]);
    struct tess_node *x = tess_affine(g, image, 2.0f, -1.0f);
    for (int i = 0; i < LAYERS; i++) {
        x = convolution(g, out->trained, i, i ? tess_max_pool(g, x, 2) : x, f->channels << i);
        out->map[i] = x;
        out->weight[i] = NULL; /* all channels count alike */
    }
    out->count = LAYERS;
    return TESS_OK;
}

static const char *template_name_file(void *self)
{
    return ((const struct template_name *)self)->weights;
}

/* Name of the weight that a tensor of the file becomes; 0 for a tensor that is none. */
static int template_name_place(void *self, const char *theirs, char ours[TESS_ENTRY_NAME], int32_t *layout)
{
    (void)self;
    *layout = TESS_LAYOUT_SAME;
    for (int i = 0; i < LAYERS; i++) {
        const char *const parts[2] = {"weight", "bias"};
        for (int k = 0; k < 2; k++) {
            (void)snprintf(ours, TESS_ENTRY_NAME, "layers.%d.%s", i, parts[k]);
            if (strcmp(theirs, ours) == 0)
                return 1;
        }
    }
    return 0;
}

static const struct tess_features_1 ops = {sizeof(struct tess_features_1), template_name_record, template_name_file, template_name_place};

static const struct tess_param params[] = {
    TESS_PARAM("weights", struct template_name, weights, TESS_STR, TESS_PATH, 0, 0, 0, NULL, "file of its weights; not to train it here"),
    TESS_PARAM_I64(struct template_name, channels, 1, 1024, 16, "channels of the first convolution"), TESS_PARAM_END};

TESS_PLUGIN("template-name", "0.1.0", "MIT", TESS_NEEDS("graph/1"),
            TESS_COMPONENT("template-name", "features/1", "three convolutions, each at half the size of the one before",
                           sizeof(struct template_name), params, NULL, NULL, &ops));
