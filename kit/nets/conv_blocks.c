/* Blocks of the convolutional autoencoder. SPDX-License-Identifier: MIT */
#include "kit/nets/conv_blocks.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define EPSILON 1e-6f

/* Uniform in +-1 / sqrt(fan in), biases too, as published. */
static struct tess_init conv_blocks_uniform(int64_t fan_in, uint32_t flags)
{
    return (struct tess_init){
        .size = sizeof(struct tess_init), .kind = TESS_INIT_UNIFORM, .flags = flags, .spread = 1.0 / sqrt((double)fan_in)};
}

static struct tess_node *conv_blocks_convolve(struct tess_graph *g, struct tess_node *x, int64_t from, int64_t to,
                                              const struct tess_conv *conv)
{
    struct tess_node *w =
        tess_weight(g, "weight", 4, (const int64_t[]){to, 3, 3, from}, (struct tess_init[]){conv_blocks_uniform(9 * from, 0)});
    struct tess_node *b = tess_weight(g, "bias", 1, &to, (struct tess_init[]){conv_blocks_uniform(9 * from, TESS_WEIGHT_NO_DECAY)});
    return tess_conv2d(g, x, w, b, conv);
}

static const struct tess_conv same = {.size = sizeof(struct tess_conv), .stride = 1, .top = 1, .left = 1, .bottom = 1, .right = 1};

static struct tess_node *conv_blocks_named(struct conv_stack *s, const char *name, struct tess_node *x, int64_t from, int64_t to)
{
    tess_scope(s->g, "%s", name);
    x = conv_blocks_convolve(s->g, x, from, to, &same);
    tess_scope_end(s->g);
    return x;
}

static struct tess_node *conv_blocks_norm(struct conv_stack *s, const char *name, struct tess_node *x, int64_t width, int swish)
{
    tess_scope(s->g, "%s", name);
    struct tess_node *gamma = tess_weight(s->g, "weight", 1, &width, TESS_INIT(.flags = TESS_WEIGHT_NO_DECAY, .centre = 1.0));
    struct tess_node *beta = tess_weight(s->g, "bias", 1, &width, TESS_INIT(.flags = TESS_WEIGHT_NO_DECAY));
    tess_scope_end(s->g);
    int32_t groups = (int32_t)s->shape->groups;
    return swish ? tess_group_norm_swish(s->g, x, gamma, beta, groups, EPSILON) : tess_group_norm(s->g, x, gamma, beta, groups, EPSILON);
}

/* Records a 1 x 1 convolution, as a matrix over the channels. */
static struct tess_node *conv_blocks_mix(struct conv_stack *s, const char *name, struct tess_node *x, int64_t from, int64_t to)
{
    tess_scope(s->g, "%s", name);
    struct tess_node *w = tess_weight(s->g, "weight", 2, (const int64_t[]){to, from}, (struct tess_init[]){conv_blocks_uniform(from, 0)});
    struct tess_node *b = tess_weight(s->g, "bias", 1, &to, (struct tess_init[]){conv_blocks_uniform(from, TESS_WEIGHT_NO_DECAY)});
    tess_scope_end(s->g);
    return tess_linear(s->g, x, w, b);
}

/* Opens the scope of a block: its number in one list in "Unleashing Transformers", its name in taming. */
static void TESS_PRINTF(2, 3) conv_blocks_start(struct conv_stack *s, const char *name, ...)
{
    char text[64];
    va_list list;
    va_start(list, name);
    (void)vsnprintf(text, sizeof text, name, list);
    va_end(list);
    if (s->shape->variant == CONV_TAMING)
        tess_scope(s->g, "%s", text);
    else
        tess_scope(s->g, "blocks.%d", (int)s->block);
    s->block++;
}

int conv_check(const struct conv_shape *s, struct tess_context *ctx, const char *who)
{
    if (s->channel_mult.count < 1)
        return ctx->fail(ctx, TESS_E_VALUE, "%s: channel_mult is empty; give a multiple for each level, such as [1, 1, 2]", who);
    for (int64_t i = 0; i < s->channel_mult.count; i++)
        if (s->channels * s->channel_mult.item[i] % s->groups)
            return ctx->fail(ctx, TESS_E_VALUE,
                           "%s: level %lld has %lld channels, which %lld groups do not divide; set `channels` to a multiple of %lld, "
                           "or `groups` to a divisor", who, (long long)i, (long long)(s->channels * s->channel_mult.item[i]),
                           (long long)s->groups, (long long)s->groups);
    if (s->channels % s->groups)
        return ctx->fail(ctx, TESS_E_VALUE,
                       "%s: %lld channels are not divided by %lld groups; set `channels` to a multiple, or `groups` to a divisor", who,
                       (long long)s->channels, (long long)s->groups);
    if (s->z_channels && s->variant != CONV_TAMING)
        return ctx->fail(ctx, TESS_E_VALUE, "%s: z_channels: %lld is of `variant: taming`; set that too, or leave z_channels out", who,
                       (long long)s->z_channels);
    if ((!s->mid_attention || s->resample == CONV_RESAMPLE_POOL) && s->variant != CONV_TAMING)
        return ctx->fail(ctx, TESS_E_VALUE, "%s: `%s` is of `variant: taming`; set that too, or leave it out", who,
                         s->mid_attention ? "resample: pool" : "mid_attention: false");
    return TESS_OK;
}

static int conv_blocks_attends(const struct conv_shape *s, int64_t height)
{
    for (int64_t i = 0; i < s->attn_resolutions.count; i++)
        if (s->attn_resolutions.item[i] == height)
            return 1;
    return 0;
}

void conv_first(struct conv_stack *s, int64_t width)
{
    conv_blocks_start(s, "conv_in");
    s->x = conv_blocks_convolve(s->g, s->x, s->width, width, &same);
    s->width = width;
    tess_scope_end(s->g);
}

void conv_last(struct conv_stack *s, int64_t width)
{
    conv_blocks_start(s, "norm_out");
    s->x = conv_blocks_norm(s, "", s->x, s->width, s->shape->variant == CONV_TAMING);
    tess_scope_end(s->g);
    s->before_last = s->x;
    s->before_width = s->width;
    conv_blocks_start(s, "conv_out");
    s->x = conv_blocks_convolve(s->g, s->x, s->width, width, &same);
    s->width = width;
    tess_scope_end(s->g);
}

/* (23.1), named by its places in the published list of layers */
struct tess_node *conv_log_sigma(struct conv_stack *s, int64_t width)
{
    tess_scope(s->g, "logsigma");
    struct tess_node *h = tess_leaky_relu(s->g, conv_blocks_named(s, "0", s->before_last, s->before_width, s->before_width), 0.0f);
    h = conv_blocks_mix(s, "2", h, s->before_width, width);
    tess_scope_end(s->g);
    return h;
}

void conv_quant(struct conv_stack *s, const char *name, int64_t width)
{
    s->x = conv_blocks_mix(s, name, s->x, s->width, width);
    s->width = width;
}

/* Records a residual block, in the scope that is open. */
static void conv_blocks_residual(struct conv_stack *s, int64_t width)
{
    const char *shortcut = s->shape->variant == CONV_TAMING ? "nin_shortcut" : "conv_out";
    struct tess_node *h = conv_blocks_norm(s, "norm1", s->x, s->width, 1);
    h = conv_blocks_named(s, "conv1", h, s->width, width);
    h = conv_blocks_norm(s, "norm2", h, width, 1);
    h = conv_blocks_named(s, "conv2", h, width, width);
    struct tess_node *skip = width == s->width ? s->x : conv_blocks_mix(s, shortcut, s->x, s->width, width);
    s->x = tess_add(s->g, skip, h);
    s->width = width;
}

/* Records an attention block, in the scope that is open. */
static void conv_blocks_attention(struct conv_stack *s)
{
    struct tess_tensor shape = tess_shape(s->x);
    int64_t c = s->width;
    struct tess_node *h = conv_blocks_norm(s, "norm", s->x, c, 0);
    h = tess_reshape(s->g, h, 3, (const int64_t[]){shape.dim[0], shape.dim[1] * shape.dim[2], c});
    struct tess_node *q = conv_blocks_mix(s, "q", h, c, c), *k = conv_blocks_mix(s, "k", h, c, c), *v = conv_blocks_mix(s, "v", h, c, c);
    h = conv_blocks_mix(s, "proj_out", tess_attention(s->g, q, k, v, 1, 0), c, c);
    s->x = tess_add(s->g, s->x, tess_reshape(s->g, h, 4, shape.dim));
}

void conv_level(struct conv_stack *s, const char *path, int64_t level, int64_t blocks, int64_t height)
{
    for (int64_t i = 0; i < blocks; i++) {
        conv_blocks_start(s, "%s.%d.block.%d", path, (int)level, (int)i);
        conv_blocks_residual(s, s->shape->channels * s->shape->channel_mult.item[level]);
        tess_scope_end(s->g);
        if (!conv_blocks_attends(s->shape, height))
            continue;
        conv_blocks_start(s, "%s.%d.attn.%d", path, (int)level, (int)i);
        conv_blocks_attention(s);
        tess_scope_end(s->g);
    }
}

void conv_middle(struct conv_stack *s)
{
    conv_blocks_start(s, "mid.block_1");
    conv_blocks_residual(s, s->width);
    tess_scope_end(s->g);
    if (s->shape->mid_attention) {
        conv_blocks_start(s, "mid.attn_1");
        conv_blocks_attention(s);
        tess_scope_end(s->g);
    }
    conv_blocks_start(s, "mid.block_2");
    conv_blocks_residual(s, s->width);
    tess_scope_end(s->g);
}

/* Means of squares of 2 x 2: rows in pairs, then columns. */
static struct tess_node *conv_blocks_pool(struct tess_graph *g, struct tess_node *x)
{
    struct tess_tensor t = tess_shape(x);
    if (!x)
        return NULL;
    int64_t n = t.dim[0], h = t.dim[1] / 2, w = t.dim[2], c = t.dim[3];
    x = tess_mean(g, tess_reshape(g, x, 4, (const int64_t[]){n * h, 2, w, c}), 1u << 1);
    x = tess_mean(g, tess_reshape(g, x, 4, (const int64_t[]){n * h, w / 2, 2, c}), 1u << 2);
    return tess_reshape(g, x, 4, (const int64_t[]){n, h, w / 2, c});
}

void conv_down(struct conv_stack *s, int64_t level)
{
    static const struct tess_conv half = {.size = sizeof(struct tess_conv), .stride = 2, .bottom = 1, .right = 1};
    if (s->shape->resample == CONV_RESAMPLE_POOL) {
        s->x = conv_blocks_pool(s->g, s->x);
        return;
    }
    conv_blocks_start(s, "down.%d.downsample", (int)level);
    tess_scope(s->g, "conv");
    s->x = conv_blocks_convolve(s->g, s->x, s->width, s->width, &half);
    tess_scope_end(s->g);
    tess_scope_end(s->g);
}

void conv_up(struct conv_stack *s, int64_t level)
{
    if (s->shape->resample == CONV_RESAMPLE_POOL) {
        s->x = tess_upsample(s->g, s->x, 2);
        return;
    }
    conv_blocks_start(s, "up.%d.upsample", (int)level);
    s->x = conv_blocks_named(s, "conv", tess_upsample(s->g, s->x, 2), s->width, s->width);
    tess_scope_end(s->g);
}
