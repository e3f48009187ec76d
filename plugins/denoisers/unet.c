/* denoiser/1 `unet`: the U-Net of "Global Context with Discrete Diffusion in Vector Quantised Modelling" (docs/models.md, "U-Net"). Levels
 * of residual blocks over the map of codes, each level but the last halving it, a middle, and the way back up with what each level was on
 * the way down beside it. Blocks are convolution, norm, Mish, in this order, with the time as a bias between the two; each level ends with
 * attention that is linear in the number of tokens. Names of weights are those of the published checkpoints; without a time those of its
 * layers are not there.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/plugin.h>
#include <tessera/kind/denoiser.h>

#include <math.h>

struct unet {
    int64_t channels, groups, heads, head_dim;
    struct tess_list channel_mult;
    double dropout, time_offset;
    int32_t input;
};

enum { INPUT_EMBEDDING, INPUT_SCALAR, INPUT_PLAIN };

#define EPSILON 1e-5f
#define TIME_SCALE 4000.0f /* scale of t / T before the sinusoid */

struct stack { /* a network being recorded */
    const struct unet *p;
    struct tess_graph *g;
    struct tess_node *time; /* condition that every block's bias is computed from, (N, channels); NULL: none */
};

static int open_unet(void *self, struct tess_context *ctx)
{
    const struct unet *p = self;
    if (p->channel_mult.count < 1)
        return ctx->fail(ctx, TESS_E_VALUE, "unet: channel_mult is empty; give a multiple for each level, such as [1, 2, 4, 8]");
    if (p->channels % p->groups)
        return ctx->fail(ctx, TESS_E_VALUE,
                       "unet: %lld channels are not divided by %lld groups; set `channels` to a multiple of %lld, or `groups` to a divisor",
                       (long long)p->channels, (long long)p->groups, (long long)p->groups);
    return TESS_OK;
}

static int64_t width_of(const struct unet *p, int64_t level)
{
    return p->channels * p->channel_mult.item[level];
}

/* Channels of a code as it is read. */
static int64_t width_of_input(const struct unet *p)
{
    return p->input == INPUT_PLAIN ? 1 : p->channels;
}

/* ---- layers; all start as published: uniform in +-1 / sqrt(fan in), biases too ---- */

static struct tess_init unet_uniform(int64_t fan_in, uint32_t flags)
{
    return (struct tess_init){
        .size = sizeof(struct tess_init), .kind = TESS_INIT_UNIFORM, .flags = flags, .spread = 1.0 / sqrt((double)fan_in)};
}

static struct tess_node *unet_bias(struct tess_graph *g, int64_t width, int64_t fan_in)
{
    return tess_weight(g, "bias", 1, &width, (struct tess_init[]){unet_uniform(fan_in, TESS_WEIGHT_NO_DECAY)});
}

/* Dense layer over the last dimension: a layer of the time, or a 1 x 1 convolution. */
static struct tess_node *unet_linear(struct tess_graph *g, const char *name, struct tess_node *x, int64_t from, int64_t to)
{
    tess_scope(g, "%s", name);
    struct tess_node *w = tess_weight(g, "weight", 2, (const int64_t[]){to, from}, (struct tess_init[]){unet_uniform(from, 0)}),
                     *b = unet_bias(g, to, from);
    tess_scope_end(g);
    return tess_linear(g, x, w, b);
}

static struct tess_node *unet_convolve(struct tess_graph *g, const char *name, struct tess_node *x, int64_t from, int64_t to,
                                       int32_t stride)
{
    const struct tess_conv conv = {.size = sizeof(struct tess_conv), .stride = stride, .top = 1, .left = 1, .bottom = 1, .right = 1};
    tess_scope(g, "%s", name);
    struct tess_node *w = tess_weight(g, "weight", 4, (const int64_t[]){to, 3, 3, from}, (struct tess_init[]){unet_uniform(9 * from, 0)}),
                     *b = unet_bias(g, to, 9 * from);
    tess_scope_end(g);
    return tess_conv2d(g, x, w, b, &conv);
}

/* Upsampling to twice the size. PyTorch takes for the fan-in of a transposed kernel what is the fan-out. */
static struct tess_node *unet_widen(struct tess_graph *g, const char *name, struct tess_node *x, int64_t width)
{
    const struct tess_conv twice = {.size = sizeof(struct tess_conv), .stride = 2, .top = 1, .left = 1, .bottom = 1, .right = 1};
    tess_scope(g, "%s", name);
    struct tess_node *w =
        tess_weight(g, "weight", 4, (const int64_t[]){width, 4, 4, width}, (struct tess_init[]){unet_uniform(16 * width, 0)});
    struct tess_node *b = unet_bias(g, width, 16 * width);
    tess_scope_end(g);
    return tess_conv2d_transpose(g, x, w, b, &twice);
}

/* Convolution, norm, Mish (17.4). */
static struct tess_node *unet_block(const struct stack *s, const char *name, struct tess_node *x, int64_t from, int64_t to)
{
    struct tess_graph *g = s->g;
    tess_scope(g, "%s.block", name);
    x = unet_convolve(g, "0", x, from, to, 1);
    tess_scope(g, "1");
    struct tess_node *gamma = tess_weight(g, "weight", 1, &to, TESS_INIT(.flags = TESS_WEIGHT_NO_DECAY, .centre = 1.0));
    struct tess_node *beta = tess_weight(g, "bias", 1, &to, TESS_INIT(.flags = TESS_WEIGHT_NO_DECAY));
    tess_scope_end(g);
    tess_scope_end(g);
    return tess_mish(g, tess_group_norm(g, x, gamma, beta, (int32_t)s->p->groups, EPSILON));
}

/* (17.5) */
static struct tess_node *unet_residual(const struct stack *s, const char *name, struct tess_node *x, int64_t from, int64_t to)
{
    struct tess_graph *g = s->g;
    tess_scope(g, "%s", name);
    struct tess_node *h = unet_block(s, "block1", x, from, to);
    if (s->time) {
        struct tess_node *t = unet_linear(g, "mlp.1", s->time, s->p->channels, to);
        h = tess_add(g, h, tess_reshape(g, t, 4, (const int64_t[]){tess_shape(s->time).dim[0], 1, 1, to}));
    }
    h = unet_block(s, "block2", h, to, to);
    x = tess_add(g, h, from == to ? x : unet_linear(g, "res_conv", x, from, to));
    tess_scope_end(g);
    return x;
}

/* x + g attention(x), g being 0 at first (17.7). */
static struct tess_node *unet_attention(const struct stack *s, const char *name, struct tess_node *x, int64_t width)
{
    struct tess_graph *g = s->g;
    int64_t inner = s->p->heads * s->p->head_dim;
    struct tess_tensor map = tess_shape(x);
    struct tess_init zero = {.size = sizeof(struct tess_init), .flags = TESS_WEIGHT_NO_DECAY};
    tess_scope(g, "%s.fn", name);
    struct tess_node *gain = tess_weight(g, "g", 1, (const int64_t[]){1}, &zero);
    tess_scope(g, "fn");
    struct tess_node *w =
        tess_weight(g, "to_qkv.weight", 2, (const int64_t[]){3 * inner, width}, (struct tess_init[]){unet_uniform(width, 0)});
    struct tess_node *all = tess_linear(g, tess_reshape(g, x, 3, (const int64_t[]){map.dim[0], map.dim[1] * map.dim[2], width}), w, NULL);
    struct tess_node *q = tess_slice(g, all, 2, 0, inner), *k = tess_slice(g, all, 2, inner, inner);
    struct tess_node *v = tess_slice(g, all, 2, 2 * inner, inner);
    struct tess_node *h = unet_linear(g, "to_out", tess_linear_attention(g, q, k, v, (int32_t)s->p->heads), inner, width);
    tess_scope_end(g);
    tess_scope_end(g);
    return tess_add(g, x, tess_reshape(g, tess_mul(g, h, gain), 4, map.dim));
}

/* ---- the network ---- */

/* A host from before there were levels gives a smaller struct. */
static int64_t unet_depth(const struct tess_denoiser_input *in)
{
    return TESS_HAS(in, depth) && in->depth > 1 ? in->depth : 1;
}

/* The features of each code, (N, H, W x depth, width_of_input), mixed to one vector a position. */
static struct tess_node *mix_levels(const struct unet *p, struct tess_graph *g, const struct tess_denoiser_input *in, struct tess_node *x)
{
    int64_t rows = tess_shape(in->tokens).dim[0], d = width_of_input(p), depth = unet_depth(in);
    if (depth == 1)
        return x;
    x = tess_reshape(g, x, 4, (const int64_t[]){rows, in->height, in->width, depth * d});
    return unet_linear(g, "levels", x, depth * d, d);
}

/* The tokens as a map, (N, H, W x depth, width_of_input): (17.1). */
static struct tess_node *read_tokens(const struct unet *p, struct tess_graph *g, const struct tess_denoiser_input *in)
{
    int64_t rows = tess_shape(in->tokens).dim[0], d = p->channels;
    int64_t across = in->width * unet_depth(in);
    const int64_t map[4] = {rows, in->height, across, d}, one[4] = {rows, in->height, across, 1};
    if (p->input == INPUT_EMBEDDING) {
        struct tess_init normal = {
            .size = sizeof(struct tess_init), .kind = TESS_INIT_NORMAL, .flags = TESS_WEIGHT_NO_DECAY, .spread = 1.0};
        struct tess_node *table = tess_weight(g, "embedding.weight", 2, (const int64_t[]){in->vocabulary, d}, &normal);
        return tess_reshape(g, tess_embedding(g, in->tokens, table), 4, map);
    }
    /* A 1 x 1 convolution of one channel, element by element: as a product its operands would be rounded to bf16 where a run is, and codes
     * next to one another would be the same. */
    const float step = 1.0f / (float)(in->vocabulary > 1 ? in->vocabulary - 1 : 1);
    if (p->input == INPUT_PLAIN)
        return tess_reshape(g, tess_to_f32(g, in->tokens, 2.0f * step, -1.0f), 4, one);
    struct tess_node *z = tess_to_f32(g, in->tokens, step, 0.0f);
    tess_scope(g, "input_conv");
    struct tess_node *w = tess_weight(g, "weight", 2, (const int64_t[]){d, 1}, (struct tess_init[]){unet_uniform(1, 0)}),
                     *b = unet_bias(g, d, 1);
    tess_scope_end(g);
    struct tess_node *x = tess_add(g, tess_constant(g, 0.0f, 4, map), tess_reshape(g, w, 1, &d));
    return tess_add(g, tess_mul(g, x, tess_reshape(g, z, 4, one)), b);
}

/* Embedding of the time (17.2), (N, channels). */
static struct tess_node *read_time(const struct unet *p, struct tess_graph *g, struct tess_node *time)
{
    int64_t d = p->channels;
    struct tess_node *t = tess_sinusoid(g, tess_affine(g, time, TIME_SCALE, (float)p->time_offset), d, 1.0f);
    return unet_linear(g, "mlp.2", tess_mish(g, unet_linear(g, "mlp.0", t, d, 4 * d)), 4 * d, d);
}

/* Embedding of the label, a learnt vector for each class and one for none, (N, channels) (25.1). */
static struct tess_node *read_label(const struct unet *p, struct tess_graph *g, const struct tess_denoiser_input *in)
{
    const struct tess_init normal = {.size = sizeof normal, .kind = TESS_INIT_NORMAL, .flags = TESS_WEIGHT_NO_DECAY, .spread = 1.0};
    const int64_t shape[2] = {in->classes + 1, p->channels};
    return tess_embedding(g, in->label, tess_weight(g, "label_embedding.weight", 2, shape, &normal));
}

/* Condition of the blocks: Mish of the sum of time and label, or of the one that is there; NULL without either. */
static struct tess_node *read_condition(const struct unet *p, struct tess_graph *g, const struct tess_denoiser_input *in)
{
    struct tess_node *time = in->time ? read_time(p, g, in->time) : NULL;
    struct tess_node *label = TESS_HAS(in, classes) && in->label ? read_label(p, g, in) : NULL;
    struct tess_node *both = time && label ? tess_add(g, time, label) : time ? time : label;
    return both ? tess_mish(g, both) : NULL;
}

/* Downward level (17.8), whose result is also the skip connection. */
static struct tess_node *go_down(const struct stack *s, struct tess_node *x, int64_t level, struct tess_node **skip)
{
    static const char *const purpose[] = {"unet.0", "unet.1", "unet.2", "unet.3", "unet.4", "unet.5", "unet.6", "unet.7",
                                          "unet.8", "unet.9", "unet.10", "unet.11", "unet.12", "unet.13", "unet.14", "unet.15"};
    _Static_assert(sizeof purpose / sizeof *purpose == TESS_LIST_MAX, "each level's dropout has draws of its own");
    const struct unet *p = s->p;
    int64_t from = level ? width_of(p, level - 1) : width_of_input(p), to = width_of(p, level);
    tess_scope(s->g, "downs.%d", (int)level);
    x = tess_dropout(s->g, unet_residual(s, "0", x, from, to), (float)p->dropout, purpose[level]);
    x = unet_attention(s, "2", unet_residual(s, "1", x, to, to), to);
    *skip = x;
    if (level + 1 < p->channel_mult.count)
        x = unet_convolve(s->g, "3.conv", x, to, to, 2);
    tess_scope_end(s->g);
    return x;
}

/* Upward level (17.10): from the size and width of `level` to those of the one above. */
static struct tess_node *go_up(const struct stack *s, struct tess_node *x, int64_t level, struct tess_node *skip)
{
    const struct unet *p = s->p;
    int64_t from = width_of(p, level), to = width_of(p, level - 1);
    tess_scope(s->g, "ups.%d", (int)(p->channel_mult.count - 1 - level));
    x = unet_residual(s, "0", tess_concat(s->g, x, skip, 3), 2 * from, to);
    x = unet_attention(s, "2", unet_residual(s, "1", x, to, to), to);
    x = unet_widen(s->g, "3.conv", x, to);
    tess_scope_end(s->g);
    return x;
}

/* Number of times that both sides can be halved, at most `max`. */
static int64_t unet_halvings(int64_t height, int64_t width, int64_t max)
{
    int64_t n = 0;
    for (; n < max && height % 2 == 0 && width % 2 == 0; n++) {
        height /= 2;
        width /= 2;
    }
    return n;
}

static int unet_check_sizes(const struct unet *p, struct tess_context *ctx, const struct tess_denoiser_input *in)
{
    int64_t times = p->channel_mult.count - 1, factor = (int64_t)1 << times, fits = unet_halvings(in->height, in->width, times);
    struct tess_tensor tokens = tess_shape(in->tokens);
    if (in->tokens && (tokens.rank != 2 || tokens.dim[1] != in->height * in->width * unet_depth(in)))
        return ctx->fail(ctx, TESS_E_SHAPE, "unet: sequences of %lld tokens for a map of %lld x %lld; wanted %lld for each place of it",
                         (long long)tokens.dim[1], (long long)in->height, (long long)in->width, (long long)unet_depth(in));
    if (fits < times)
        return ctx->fail(ctx, TESS_E_SHAPE,
                       "unet: a map of %lld x %lld codes cannot be halved %lld times; %lld x %lld would fit, which is a question of the "
                       "images' size and the encoder's levels, or give channel_mult at most %lld levels",
                       (long long)in->height, (long long)in->width, (long long)times,
                       (long long)((in->height + factor - 1) / factor * factor), (long long)((in->width + factor - 1) / factor * factor),
                       (long long)(fits + 1));
    if (in->time && p->channels % 2)
        return ctx->fail(ctx, TESS_E_SHAPE,
                       "unet: this noise needs the time, which takes an even number of channels, not %lld; set `channels` to %lld",
                       (long long)p->channels, (long long)(p->channels + 1));
    return TESS_OK;
}

static int unet_record(void *self, struct tess_context *ctx, struct tess_graph *g, const struct tess_denoiser_input *in,
                       struct tess_node **logits)
{
    const struct unet *p = self;
    struct tess_node *skip[TESS_LIST_MAX];
    int64_t levels = p->channel_mult.count, deepest = width_of(p, levels - 1), depth = unet_depth(in);
    TESS_TRY(unet_check_sizes(p, ctx, in));
    struct stack s = {.p = p, .g = g, .time = read_condition(p, g, in)};
    struct tess_node *x = mix_levels(p, g, in, read_tokens(p, g, in));
    for (int64_t level = 0; level < levels; level++)
        x = go_down(&s, x, level, &skip[level]);
    /* (17.9) */
    x = unet_residual(&s, "mid_block1", x, deepest, deepest);
    x = unet_attention(&s, "mid_attn", x, deepest);
    x = unet_residual(&s, "mid_block2", x, deepest, deepest);
    for (int64_t level = levels - 1; level > 0; level--) /* the first level's skip is not used, as published */
        x = go_up(&s, x, level, skip[level]);
    /* (17.11) */
    x = unet_block(&s, "final_conv.0", x, width_of(p, 0), p->channels);
    x = unet_linear(g, "final_conv.1", x, p->channels, depth * in->codebook_size);
    *logits = tess_reshape(g, x, 3, (const int64_t[]){tess_shape(in->tokens).dim[0], in->height * in->width * depth, in->codebook_size});
    return TESS_OK;
}

static const struct tess_denoiser_1 ops = {.size = sizeof ops, .record = unet_record, .reads_depth = 1, .takes_labels = 1};

static const struct tess_param params[] = {
    {.name = "channels",
     .help = "width of the first level, of a code's embedding and of the time's",
     .type = TESS_I64,
     .offset = offsetof(struct unet, channels),
     .lo = 1,
     .hi = 8192,
     .def = 64},
    {.name = "channel_mult",
     .help = "channels of each level, as multiples; each level but the last halves the map",
     .type = TESS_LIST,
     .offset = offsetof(struct unet, channel_mult),
     .lo = 1,
     .hi = 64,
     .text = "1, 2, 4"},
    {.name = "heads",
     .help = "heads of attention",
     .type = TESS_I64,
     .offset = offsetof(struct unet, heads),
     .lo = 1,
     .hi = 1024,
     .def = 4},
    {.name = "head_dim",
     .help = "channels of a head",
     .type = TESS_I64,
     .offset = offsetof(struct unet, head_dim),
     .lo = 1,
     .hi = 8192,
     .def = 32},
    {.name = "groups",
     .help = "groups of the normalisation; must divide channels",
     .type = TESS_I64,
     .offset = offsetof(struct unet, groups),
     .lo = 1,
     .hi = 8192,
     .def = 8},
    {.name = "dropout",
     .help = "share of values dropped between the two residual blocks of each level on the way down",
     .type = TESS_F64,
     .offset = offsetof(struct unet, dropout),
     .lo = 0,
     .hi = 0.99,
     .def = 0},
    {.name = "input",
     .help =
         "what is made of a code: embedding, a learnt vector; scalar, its number over the largest, by a learnt layer; plain, its number "
         "in -1 .. 1 as one channel",
     .type = TESS_ENUM,
     .offset = offsetof(struct unet, input),
     .text = "embedding|scalar|plain"},
    {.name = "time_offset",
     .help = "added to 4000 t / T; published weights count steps from 0 and want -4000 / T",
     .type = TESS_F64,
     .offset = offsetof(struct unet, time_offset),
     .lo = -4000,
     .hi = 4000,
     .def = 0},
    {.name = NULL}};

TESS_PLUGIN(
    "tessera-unet", "0.1.0", "MIT", TESS_NEEDS("graph/1"),
    TESS_COMPONENT_DOCUMENTED(
        "Ronneberger, Fischer and Brox, U-Net, 2015; Hu et al., Global Context with Discrete Diffusion in Vector Quantised Modelling, 2022",
        "denoiser: {use: unet, channels: 64}", "unet", "denoiser/1", "U-Net with linear attention over the map of codes",
        sizeof(struct unet), params, open_unet, NULL, &ops));
