/* features/1 `vgg16`: the convolutions of VGG16 up to its fifth block, with the weights of LPIPS for their channels (docs/models.md,
 * "Perceptual distance"; Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015; Zhang et al.,
 * "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", 2018).
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/kind/features.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BLOCKS = 5, DEEPEST = 3, COLOURS = 3 };
enum { SIGNED, UNIT };

struct vgg16 {
    const char *weights, *heads;
    int64_t channels;
    int32_t range;
};

/* Places of the convolutions in the published list of layers; -1: a block of two. */
static const int layer[BLOCKS][DEEPEST] = {{0, 2, -1}, {5, 7, -1}, {10, 12, 14}, {17, 19, 21}, {24, 26, 28}};
static const int64_t width[BLOCKS] = {1, 2, 4, 8, 8}; /* widths, as multiples of `channels` */

/* ---- pixels as the network knows them (19.1) ---- */

static const float shift[COLOURS] = {-0.030f, -0.088f, -0.188f}, scale[COLOURS] = {0.458f, 0.448f, 0.450f};

static int scale_forward(const struct tess_op_run *r)
{
    int wide = *(const int32_t *)r->attr == SIGNED;
    int64_t n = tess_tensor_count(&r->out[0]) / COLOURS, channels = r->in[0].dim[3];
    const float *x = r->in[0].data;
    float *y = r->out[0].data;
    for (int64_t i = 0; i < n; i++, x += channels)
        for (int k = 0; k < COLOURS; k++) {
            float pixel = x[channels == 1 ? 0 : k];
            *y++ = ((wide ? 2.0f * pixel - 1.0f : pixel) - shift[k]) / scale[k];
        }
    return TESS_OK;
}

static int scale_backward(const struct tess_op_run *r)
{
    float by = *(const int32_t *)r->attr == SIGNED ? 2.0f : 1.0f;
    int64_t n = tess_tensor_count(&r->dout[0]) / COLOURS, channels = r->in[0].dim[3];
    const float *dy = r->dout[0].data;
    float *dx = r->din[0].data;
    memset(dx, 0, tess_tensor_bytes(&r->din[0]));
    for (int64_t i = 0; i < n; i++, dx += channels)
        for (int k = 0; k < COLOURS; k++)
            dx[channels == 1 ? 0 : k] += by / scale[k] * *dy++;
    return TESS_OK;
}

static struct tess_node *vgg16_scaled(struct tess_graph *g, struct tess_node *image, int32_t range)
{
    static const struct tess_op op = {.size = sizeof op, .name = "vgg16_scale", .forward = scale_forward, .backward = scale_backward};
    struct tess_tensor shape = tess_shape(image);
    struct tess_node *y;
    shape.dim[3] = COLOURS;
    tess_custom(g, &op, &range, sizeof range, 1, &image, 1, &shape, 0, 2.0 * (double)tess_tensor_count(&shape), &y);
    return y;
}

/* ---- the network ---- */

/* Initial weights for training here: a convolution before a ReLU keeps the variance of its input (He et al., "Delving Deep into
 * Rectifiers", 2015). */
static struct tess_init vgg16_kernel(int trained, int64_t fan_in)
{
    return trained ? (struct tess_init){.size = sizeof(struct tess_init), .kind = TESS_INIT_NORMAL, .spread = sqrt(2.0 / (double)fan_in)}
                   : (struct tess_init){.size = sizeof(struct tess_init), .flags = TESS_WEIGHT_EXTERNAL};
}

/* Equal channel weights, as long as channels have not been calibrated on people's judgement. */
static struct tess_init vgg16_alike(int trained, double value)
{
    return (struct tess_init){
        .size = sizeof(struct tess_init), .flags = trained ? TESS_WEIGHT_NO_DECAY : TESS_WEIGHT_EXTERNAL, .centre = value};
}

static struct tess_node *vgg16_convolution(struct tess_graph *g, int trained, int place, struct tess_node *x, int64_t to)
{
    static const struct tess_conv same = {.size = sizeof(struct tess_conv), .stride = 1, .top = 1, .left = 1, .bottom = 1, .right = 1};
    struct tess_tensor s = tess_shape(x);
    int64_t from = s.rank == 4 ? s.dim[3] : 1;
    tess_scope(g, "features.%d", place);
    struct tess_node *w =
        tess_weight(g, "weight", 4, (const int64_t[]){to, 3, 3, from}, (struct tess_init[]){vgg16_kernel(trained, 9 * from)});
    struct tess_node *b = tess_weight(g, "bias", 1, &to, (struct tess_init[]){vgg16_alike(trained, 0.0)});
    tess_scope_end(g);
    return tess_leaky_relu(g, tess_conv2d(g, x, w, b, &same), 0.0f);
}

static int vgg16_record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *image, struct tess_features *out)
{
    const struct vgg16 *v = self;
    const int trained = TESS_HAS(out, trained) && out->trained;
    const int64_t least = 1 << (BLOCKS - 1);
    struct tess_tensor s = tess_shape(image);
    out->count = 0;
    if (!image)
        return TESS_OK;
    if (s.rank != 4 || (s.dim[3] != 1 && s.dim[3] != COLOURS))
        return ctx->fail(ctx, TESS_E_SHAPE, "vgg16: images of %lld channels, and it knows 1 and 3; import them with `channels: 3`",
                       (long long)(s.rank == 4 ? s.dim[3] : 0));
    if (s.dim[1] < least || s.dim[2] < least)
        return ctx->fail(ctx, TESS_E_SHAPE,
                         "vgg16: images of %lld x %lld are too small to be halved %d times; they must have %lld x %lld, or "
                         "leave `perceptual` out",
                         (long long)s.dim[1], (long long)s.dim[2], BLOCKS - 1, (long long)least, (long long)least);
    struct tess_node *x = vgg16_scaled(g, image, v->range);
    for (int i = 0; i < BLOCKS; i++) {
        char name[16];
        int64_t channels = v->channels * width[i];
        x = i ? tess_max_pool(g, x, 2) : x;
        for (int k = 0; k < DEEPEST && layer[i][k] >= 0; k++)
            x = vgg16_convolution(g, trained, layer[i][k], x, channels);
        (void)snprintf(name, sizeof name, "lin%d", i);
        out->map[out->count] = x;
        out->weight[out->count++] = tess_weight(g, name, 1, &channels, (struct tess_init[]){vgg16_alike(trained, 1.0)});
    }
    return TESS_OK;
}

/* ---- its file ---- */

static const char *vgg16_file(void *self)
{
    return ((const struct vgg16 *)self)->weights;
}

static const char *vgg16_second_file(void *self)
{
    return ((const struct vgg16 *)self)->heads;
}

/* 1 for the name of a convolution: "features.2.weight" in the list of layers, or "net.slice1.2.weight" in LPIPS. */
static int is_convolution(const char *theirs, int block, int place, const char *part, char ours[TESS_ENTRY_NAME])
{
    char sliced[64];
    (void)snprintf(ours, TESS_ENTRY_NAME, "features.%d.%s", place, part);
    (void)snprintf(sliced, sizeof sliced, "net.slice%d.%d.%s", block + 1, place, part);
    return strcmp(theirs, ours) == 0 || strcmp(theirs, sliced) == 0;
}

static int vgg16_place(void *self, const char *theirs, char ours[TESS_ENTRY_NAME], int32_t *layout)
{
    static const char *const before[] = {"perceptual.", "loss.perceptual_loss."}; /* in checkpoints of autoencoders */
    char head[64];
    (void)self;
    for (size_t i = 0; i < sizeof before / sizeof *before; i++)
        if (strncmp(theirs, before[i], strlen(before[i])) == 0)
            theirs += strlen(before[i]);
    for (int i = 0; i < BLOCKS; i++) {
        (void)snprintf(head, sizeof head, "lin%d.model.1.weight", i);
        (void)snprintf(ours, TESS_ENTRY_NAME, "lin%d", i);
        *layout = TESS_LAYOUT_SAME;
        if (strcmp(theirs, head) == 0)
            return 1;
        for (int k = 0; k < DEEPEST && layer[i][k] >= 0; k++) {
            *layout = TESS_LAYOUT_SAME;
            if (is_convolution(theirs, i, layer[i][k], "bias", ours))
                return 1;
            *layout = TESS_LAYOUT_KERNEL;
            if (is_convolution(theirs, i, layer[i][k], "weight", ours))
                return 1;
        }
    }
    return 0;
}

static const struct tess_features_1 ops = {.size = sizeof ops, .record = vgg16_record, .file = vgg16_file, .place = vgg16_place,
                                            .second_file = vgg16_second_file};

static const struct tess_param params[] = {
    {.name = "weights",
     .help = "file of its weights: those of VGG16 and of LPIPS, or a checkpoint that holds them; not needed to train it here",
     .type = TESS_STR,
     .flags = TESS_PATH,
     .offset = offsetof(struct vgg16, weights)},
    {.name = "heads",
     .help = "file of the channel weights of LPIPS, where `weights` is of VGG16 alone, such as torchvision's",
     .type = TESS_STR,
     .flags = TESS_PATH | TESS_LATER,
     .offset = offsetof(struct vgg16, heads)},
    {.name = "channels",
     .help = "channels of the first block; 64 in the published network",
     .type = TESS_I64,
     .offset = offsetof(struct vgg16, channels),
     .lo = 1,
     .hi = 256,
     .def = 64},
    {.name = "range",
     .help = "pixels as it is shown them: signed, -1 .. 1, which its constants are for; unit, 0 .. 1, as \"Unleashing Transformers\" did",
     .type = TESS_ENUM,
     .offset = offsetof(struct vgg16, range),
     .text = "signed|unit"},
    {.name = NULL}};

TESS_PLUGIN("tessera-vgg16", "0.2.0", "MIT", TESS_NEEDS("graph/1"),
            TESS_COMPONENT_DOCUMENTED("Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, 2018",
                                      "perceptual: {use: vgg16, weights: vgg16-lpips.pth}", "vgg16", "features/1",
                                      "VGG16 with the channel weights of LPIPS, from a file or trained here", sizeof(struct vgg16), params,
                                      NULL, NULL, &ops));
