/* Denoisers, encoders, decoders and critics that each break one promise. SPDX-License-Identifier: MIT */
#include "tests/judge/broken/broken.h"

enum {
    HONEST = 0,
    LOCAL = 1,
    SEES_ITSELF = 2,
    NO_TIME = 3,
    WRONG_ROWS = 4,
    NO_LABEL = 5,
    OTHER_NEXT = 6,
    MIXES = 7,
    NARROW = 8,
    WRONG_CODE = 9,
    BLIND = 10,
    WRONG_SIZE = 11,
    OTHER_IMAGE = 12,
    OTHER_LARGER = 13,
    NO_HEAD = 14,
    STOPS = 15,
    NEW_WEIGHTS = 16,
    NO_MASK = 17
};

enum { WIDTH = 8 };

static const struct tess_init drawn = {.size = sizeof drawn, .kind = TESS_INIT_NORMAL, .spread = 0.5};

static struct tess_node *dense(struct tess_graph *g, const char *name, struct tess_node *x, int64_t in, int64_t out)
{
    tess_scope(g, "%s", name);
    struct tess_node *w = tess_weight(g, "weight", 2, (const int64_t[]){out, in}, &drawn);
    struct tess_node *b = tess_weight(g, "bias", 1, &out, &drawn);
    tess_scope_end(g);
    return tess_linear(g, x, w, b);
}

/* ---- denoiser ------------------------------------------------------------------------------------------------------ */

static struct tess_node *table(struct tess_graph *g, const char *name, struct tess_node *codes, int64_t rows)
{
    return tess_embedding(g, codes, tess_weight(g, name, 2, (const int64_t[]){rows, WIDTH}, &drawn));
}

/* (N, 1, WIDTH) of one value or number a sample */
static struct tess_node *beside(struct tess_graph *g, struct tess_node *x, int64_t rows)
{
    return tess_reshape(g, x, 3, (const int64_t[]){rows, 1, WIDTH});
}

static struct tess_node *hidden(int64_t how, struct tess_graph *g, const struct tess_denoiser_input *in)
{
    struct tess_tensor s = tess_shape(in->tokens);
    int64_t rows = s.dim[0], tokens = s.dim[1];
    struct tess_node *x = table(g, "embedding", in->tokens, in->vocabulary);
    struct tess_node *place = tess_weight(g, "place", 2, (const int64_t[]){tokens, WIDTH}, &drawn);
    if (in->causal && how != SEES_ITSELF) { /* causal: tokens shifted by one position behind a start embedding */
        struct tess_node *first = tess_weight(g, "first", 3, (const int64_t[]){1, 1, WIDTH}, &drawn);
        struct tess_node *zero = tess_affine(g, tess_slice(g, x, 1, 0, 1), 0.0f, 0.0f);
        zero = tess_add(g, zero, first);
        x = tokens > 1 ? tess_concat(g, zero, tess_slice(g, x, 1, 0, tokens - 1), 1) : zero;
    }
    x = tess_add(g, x, place);
    if (in->time && how != NO_TIME)
        x = tess_add(g, x, beside(g, dense(g, "time", tess_sinusoid(g, in->time, 4, 100.0f), 4, WIDTH), rows));
    if (in->label && how != NO_LABEL)
        x = tess_add(g, x, beside(g, table(g, "labels", in->label, in->classes + 1), rows));
    if (how == LOCAL)
        return tess_tanh(g, x);
    struct tess_node *q = dense(g, "q", x, WIDTH, WIDTH), *k = dense(g, "k", x, WIDTH, WIDTH), *v = dense(g, "v", x, WIDTH, WIDTH);
    return tess_tanh(g, tess_add(g, x, tess_attention(g, q, k, v, 2, in->causal)));
}

static int denoise(void *self, struct tess_context *ctx, struct tess_graph *g, const struct tess_denoiser_input *in,
                   struct tess_node **logits)
{
    int64_t how = broken_how(self);
    struct tess_node *x = hidden(how, g, in);
    (void)ctx;
    if (in->positions)
        x = how == WRONG_ROWS ? tess_slice(g, x, 1, 0, tess_shape(in->positions).dim[1]) : tess_gather(g, x, in->positions);
    *logits = dense(g, "head", x, WIDTH, in->codebook_size);
    return TESS_OK;
}

/* ---- encoder ------------------------------------------------------------------------------------------------------- */

static int encode(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *image, int64_t width,
                  struct tess_node **latent)
{
    int64_t how = broken_how(self);
    struct tess_tensor s = tess_shape(image);
    struct tess_conv by = {.size = sizeof by, .stride = 4};
    if (image && (s.dim[1] % 4 || s.dim[2] % 4))
        return ctx->fail(ctx, how == WRONG_CODE ? TESS_E_DATA : TESS_E_SHAPE, "images of 4 x 4 patches are wanted");
    if (how == BLIND && image)
        image = tess_affine(g, image, 0.0f, 0.5f);
    if (how == MIXES)
        image = tess_sub(g, image, tess_mean(g, image, 1));
    if (how == NEW_WEIGHTS) {
        static int64_t times;
        tess_scope(g, "%d", (int)(times++ % 1000));
        (void)tess_weight(g, "again", 1, &width, &drawn);
        tess_scope_end(g);
    }
    struct tess_node *w = tess_weight(g, "weight", 4, (const int64_t[]){how == NARROW ? width + 1 : width, 4, 4, s.dim[3]}, &drawn);
    *latent = tess_conv2d(g, image, w, NULL, &by);
    return TESS_OK;
}

/* ---- decoder ------------------------------------------------------------------------------------------------------- */

static struct tess_node *image_of(int64_t how, struct tess_graph *g, struct tess_node *latent, int64_t channels)
{
    struct tess_tensor s = tess_shape(latent);
    struct tess_conv by = {.size = sizeof by, .stride = how == WRONG_SIZE ? 3 : 4};
    struct tess_node *w = tess_weight(g, "weight", 4, (const int64_t[]){s.dim[3], 4, 4, channels}, &drawn);
    return tess_tanh(g, tess_conv2d_transpose(g, latent, w, NULL, &by));
}

/* The latent is a quarter of the image, or it is another decoder's. */
static int fits(struct tess_context *ctx, struct tess_node *latent, int64_t height, int64_t width, int64_t grown)
{
    struct tess_tensor s = tess_shape(latent);
    (void)grown;
    if (height % 4 || width % 4 || s.dim[1] < height / 4 || s.dim[2] < width / 4)
        return ctx->fail(ctx, TESS_E_SHAPE, "latents of a quarter of the image are wanted");
    return TESS_OK;
}

static int decode(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, int64_t height, int64_t width,
                  int64_t channels, struct tess_node **image)
{
    TESS_TRY(fits(ctx, latent, height, width, 1));
    *image = image_of(broken_how(self), g, latent, channels);
    return TESS_OK;
}

static int decode_larger(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, int64_t height,
                         int64_t width, int64_t channels, struct tess_node **image)
{
    TESS_TRY(fits(ctx, latent, height, width, 2));
    *image = image_of(broken_how(self), g, latent, channels);
    if (broken_how(self) == OTHER_LARGER)
        *image = tess_affine(g, *image, 1.0f, 0.001f);
    return TESS_OK;
}

static int decode_likelihood(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, int64_t height,
                             int64_t width, int64_t channels, struct tess_node **image, struct tess_node **log_sigma)
{
    TESS_TRY(decode(self, ctx, g, latent, height, width, channels, image));
    *log_sigma = broken_how(self) == NO_HEAD ? tess_affine(g, *image, 0.1f, 0.0f) : dense(g, "head", *image, channels, channels);
    if (broken_how(self) == OTHER_IMAGE)
        *image = tess_affine(g, *image, 1.0f, 0.001f);
    return TESS_OK;
}

/* ---- critic -------------------------------------------------------------------------------------------------------- */

static int judge_image(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *image, struct tess_node **logits)
{
    struct tess_node *x = NULL;
    TESS_TRY(encode(self, ctx, g, broken_how(self) == STOPS ? tess_stop_gradient(g, image) : image, WIDTH, &x));
    *logits = dense(g, "head", x, broken_how(self) == NARROW ? WIDTH + 1 : WIDTH, broken_how(self) == NARROW ? 2 : 1);
    return TESS_OK;
}

static const struct tess_denoiser_1 denoiser = {
    .size = sizeof denoiser, .record = denoise, .picks_positions = 1, .causal = 1, .takes_labels = 1};
static const struct tess_encoder_1 encoder = {.size = sizeof encoder, .record = encode};
static const struct tess_decoder_1 decoder = {
    .size = sizeof decoder, .record = decode, .record_likelihood = decode_likelihood, .record_larger = decode_larger};
static const struct tess_critic_1 critic = {.size = sizeof critic, .record = judge_image};

BROKEN_PARAMS(0)
BROKEN_PARAMS(1)
BROKEN_PARAMS(2)
BROKEN_PARAMS(3)
BROKEN_PARAMS(4)
BROKEN_PARAMS(5)
BROKEN_PARAMS(7)
BROKEN_PARAMS(8)
BROKEN_PARAMS(9)
BROKEN_PARAMS(10)
BROKEN_PARAMS(11)
BROKEN_PARAMS(12)
BROKEN_PARAMS(13)
BROKEN_PARAMS(14)
BROKEN_PARAMS(15)
BROKEN_PARAMS(16)

static const struct tess_component components[] = {BROKEN_ROW("honest", "denoiser/1", 0, &denoiser),
                                                   BROKEN_ROW("local", "denoiser/1", 1, &denoiser),
                                                   BROKEN_ROW("sees-itself", "denoiser/1", 2, &denoiser),
                                                   BROKEN_ROW("no-time", "denoiser/1", 3, &denoiser),
                                                   BROKEN_ROW("wrong-rows", "denoiser/1", 4, &denoiser),
                                                   BROKEN_ROW("no-label", "denoiser/1", 5, &denoiser),
                                                   BROKEN_ROW("honest", "encoder/1", 0, &encoder),
                                                   BROKEN_ROW("mixes", "encoder/1", 7, &encoder),
                                                   BROKEN_ROW("narrow", "encoder/1", 8, &encoder),
                                                   BROKEN_ROW("wrong-code", "encoder/1", 9, &encoder),
                                                   BROKEN_ROW("blind", "encoder/1", 10, &encoder),
                                                   BROKEN_ROW("new-weights", "encoder/1", 16, &encoder),
                                                   BROKEN_ROW("honest", "decoder/1", 0, &decoder),
                                                   BROKEN_ROW("wrong-size", "decoder/1", 11, &decoder),
                                                   BROKEN_ROW("other-image", "decoder/1", 12, &decoder),
                                                   BROKEN_ROW("other-larger", "decoder/1", 13, &decoder),
                                                   BROKEN_ROW("no-head", "decoder/1", 14, &decoder),
                                                   BROKEN_ROW("honest", "critic/1", 0, &critic),
                                                   BROKEN_ROW("narrow", "critic/1", 8, &critic),
                                                   BROKEN_ROW("stops", "critic/1", 15, &critic),
                                                   {.name = NULL}};

#ifdef BROKEN_SYMBOL
TESS_EXPORT int one_symbol_too_many;
int one_symbol_too_many = 1;
#elif defined BROKEN_WEAK /* inline in C++, and not of its library */
TESS_EXPORT __attribute__((weak)) int one_weak_symbol(void) __asm__("_ZN4mine10one_symbolEv");
int one_weak_symbol(void)
{
    return 1;
}
#else                     /* std::vector<float>::size() const, as C++ leaves it where nothing is inlined */
TESS_EXPORT __attribute__((weak)) int of_cxx(void) __asm__("_ZNKSt6vectorIfSaIfEE4sizeEv");
int of_cxx(void)
{
    return 1;
}
#endif

static const char *const needs[] = {"graph/1", NULL};

TESS_EXPORT const struct tess_plugin tess_plugin_1 = TESS_PLUGIN_INIT("broken-networks", "1", "MIT", needs, components);
