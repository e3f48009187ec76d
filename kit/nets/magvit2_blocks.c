/* Blocks of Open-MAGVIT2's autoencoder. SPDX-License-Identifier: MIT */
#include "kit/nets/magvit2_blocks.h"

#include <math.h>

#define EPSILON 1e-6f

/* Uniform in +-1 / sqrt(fan in), biases too, as published. */
static struct tess_init magvit2_uniform(int64_t fan_in, uint32_t flags)
{
    return (struct tess_init){
        .size = sizeof(struct tess_init), .kind = TESS_INIT_UNIFORM, .flags = flags, .spread = 1.0 / sqrt((double)fan_in)};
}

static struct tess_node *magvit2_bias(struct tess_graph *g, int64_t fan_in, int64_t width)
{
    return tess_weight(g, "bias", 1, &width, (struct tess_init[]){magvit2_uniform(fan_in, TESS_WEIGHT_NO_DECAY)});
}

int magvit2_check(const struct magvit2_shape *s, struct tess_context *ctx, const char *who)
{
    if (s->channel_mult.count < 1)
        return ctx->fail(ctx, TESS_E_VALUE, "%s: channel_mult is empty; give a multiple for each level, such as [1, 2, 2, 4]", who);
    for (int64_t i = -1; i < s->channel_mult.count; i++) {
        int64_t width = i < 0 ? s->channels : magvit2_width(s, i);
        if (width % s->groups)
            return ctx->fail(
                ctx, TESS_E_VALUE,
                "%s: %lld channels are not divided by %lld groups; set `channels` to a multiple of %lld, or `groups` to a divisor", who,
                (long long)width, (long long)s->groups, (long long)s->groups);
    }
    return TESS_OK;
}

int64_t magvit2_width(const struct magvit2_shape *s, int64_t level)
{
    return s->channels * s->channel_mult.item[level];
}

void magvit2_convolve(struct magvit2_stack *s, const char *name, int64_t width, int32_t stride, int bias)
{
    const struct tess_conv conv = {.size = sizeof conv, .stride = stride, .top = 1, .left = 1, .bottom = 1, .right = 1};
    const int64_t shape[4] = {width, 3, 3, s->width};
    tess_scope(s->g, "%s", name);
    struct tess_node *w = tess_weight(s->g, "weight", 4, shape, (struct tess_init[]){magvit2_uniform(9 * s->width, 0)});
    struct tess_node *b = bias ? magvit2_bias(s->g, 9 * s->width, width) : NULL;
    tess_scope_end(s->g);
    s->x = tess_conv2d(s->g, s->x, w, b, &conv);
    s->width = width;
}

struct tess_node *magvit2_linear(struct magvit2_stack *s, const char *name, struct tess_node *x, int64_t from, int64_t to, int bias)
{
    tess_scope(s->g, "%s", name);
    struct tess_node *w = tess_weight(s->g, "weight", 2, (const int64_t[]){to, from}, (struct tess_init[]){magvit2_uniform(from, 0)});
    struct tess_node *b = bias ? magvit2_bias(s->g, from, to) : NULL;
    tess_scope_end(s->g);
    return tess_linear(s->g, x, w, b);
}

static void magvit2_norm_swish(struct magvit2_stack *s, const char *name)
{
    tess_scope(s->g, "%s", name);
    struct tess_node *gamma = tess_weight(s->g, "weight", 1, &s->width, TESS_INIT(.flags = TESS_WEIGHT_NO_DECAY, .centre = 1.0));
    struct tess_node *beta = tess_weight(s->g, "bias", 1, &s->width, TESS_INIT(.flags = TESS_WEIGHT_NO_DECAY));
    tess_scope_end(s->g);
    s->x = tess_group_norm_swish(s->g, s->x, gamma, beta, (int32_t)s->shape->groups, EPSILON);
}

void magvit2_norm_out(struct magvit2_stack *s)
{
    magvit2_norm_swish(s, "norm_out");
}

/* (34.1), in the scope that is open */
static void magvit2_residual(struct magvit2_stack *s, int64_t width)
{
    struct tess_node *skip = s->x;
    int64_t from = s->width;
    magvit2_norm_swish(s, "norm1");
    magvit2_convolve(s, "conv1", width, 1, 0);
    magvit2_norm_swish(s, "norm2");
    magvit2_convolve(s, "conv2", width, 1, 0);
    if (from != width)
        skip = magvit2_linear(s, "nin_shortcut", skip, from, width, 0);
    s->x = tess_add(s->g, s->x, skip);
}

void magvit2_residuals(struct magvit2_stack *s, const char *name, int64_t count, int64_t width)
{
    for (int64_t i = 0; i < count; i++) {
        tess_scope(s->g, "%s.%d", name, (int)i);
        magvit2_residual(s, width);
        tess_scope_end(s->g);
    }
}
