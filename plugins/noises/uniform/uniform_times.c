/* SPDX-License-Identifier: MIT */
#include "plugins/noises/uniform/uniform_times.h"

#include <tessera/plugin.h>

#include <math.h>
#include <stdio.h>

#define LN2 0.69314718055994530942
#define DECAY 0.9

enum { SEEN_MORE_THAN = 10, SEEN_MAX = 1 << 20 /* counts stay exact in f32 */ };

static double uniform_times_sum_of(const float *share, int64_t steps)
{
    double sum = 0.0;
    for (int64_t t = 0; t < steps; t++)
        sum += (double)share[t];
    return sum;
}

struct weigh {
    int64_t steps;
    double scale;
};

/* t (N), share (T) -> scale / (T p_t) (N, 1), p_t = share_t / sum of share */
static int weigh_forward(const struct tess_op_run *r)
{
    const struct weigh *a = r->attr;
    const float *t = r->in[0].data, *share = r->in[1].data;
    double sum = uniform_times_sum_of(share, a->steps);
    for (int64_t i = 0; i < r->in[0].dim[0]; i++) {
        int64_t at = (int64_t)t[i];
        if (at < 1 || at > a->steps)
            return r->context->fail(r->context, TESS_E_DATA, "uniform: sample %lld has t = %g, times are 1 .. %lld", (long long)i,
                                    (double)t[i], (long long)a->steps);
        ((float *)r->out[0].data)[i] = (float)(a->scale * sum / ((double)a->steps * (double)share[at - 1]));
    }
    return TESS_OK;
}

static const struct tess_op op_weigh = {.size = sizeof(struct tess_op), .name = "uniform times", .forward = weigh_forward};

struct tess_node *uniform_times_record(struct tess_graph *g, int64_t steps, double scale, struct tess_node *t)
{
    const struct weigh a = {.steps = steps, .scale = scale};
    struct tess_init zero = {.size = sizeof(struct tess_init), .flags = TESS_WEIGHT_BUFFER},
                     flat = {.size = sizeof(struct tess_init), .flags = TESS_WEIGHT_BUFFER, .centre = 1.0};
    (void)tess_weight(g, "times.square", 1, &steps, &zero);
    (void)tess_weight(g, "times.count", 1, &steps, &zero);
    struct tess_node *in[2] = {t, tess_weight(g, "times.share", 1, &steps, &flat)}, *out;
    struct tess_tensor each = tess_tensor_over(NULL, TESS_F32, 2, (const int64_t[]){tess_shape(t).dim[0], 1});
    tess_custom(g, &op_weigh, &a, sizeof a, 2, in, 1, &each, 0, (double)steps, &out);
    return out;
}

static int uniform_times_view(struct tess_context *ctx, struct tess_weights *w, const char *scope, const char *name, float **out)
{
    char full[256];
    struct tess_tensor t;
    snprintf(full, sizeof full, "%s.times.%s", scope, name);
    TESS_TRY(tess_weights_find(ctx, w, full, TESS_ROLE_VALUE, &t));
    *out = t.data;
    return TESS_OK;
}

int uniform_times_draw(struct tess_context *ctx, struct tess_weights *w, const char *scope, int64_t steps, const struct tess_stream *random,
                       int64_t *t)
{
    float *share, u[2];
    TESS_TRY(uniform_times_view(ctx, w, scope, "share", &share));
    tess_random_uniform(random, 0, 2, u);
    double left = ((double)u[0] + (double)u[1] * 0x1p-24) * uniform_times_sum_of(share, steps);
    for (*t = 1; *t < steps; ++*t) {
        left -= (double)share[*t - 1];
        if (left < 0.0)
            break;
    }
    return TESS_OK;
}

int uniform_times_observe(struct tess_context *ctx, struct tess_weights *w, const char *scope, int64_t steps,
                          const struct tess_noise_seen *seen)
{
    float *square, *count, *share;
    double nats = (double)seen->tokens * LN2 / (double)steps; /* nats for each bit of the bound */
    TESS_TRY(uniform_times_view(ctx, w, scope, "square", &square));
    TESS_TRY(uniform_times_view(ctx, w, scope, "count", &count));
    TESS_TRY(uniform_times_view(ctx, w, scope, "share", &share));
    for (int64_t i = 0; i < seen->samples; i++) {
        int64_t t = (int64_t)seen->t[i] - 1;
        double cost = (double)seen->bound[i] * nats;
        square[t] = (float)(DECAY * (double)square[t] + (1.0 - DECAY) * cost * cost);
        count[t] += count[t] < (float)SEEN_MAX ? 1.0f : 0.0f;
    }
    for (int64_t t = 0; t < steps; t++)
        if (count[t] <= (float)SEEN_MORE_THAN)
            return TESS_OK;
    for (int64_t t = 0; t < steps; t++)
        share[t] = (float)(sqrt((double)square[t] + 1e-10) + 1e-4);
    if (steps > 1)
        share[0] = share[1]; /* the first step's cost is of another kind, as published */
    tess_weights_touch(w);
    return TESS_OK;
}
