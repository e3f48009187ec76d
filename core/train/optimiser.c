/* The optimiser (docs/models.md, "Optimiser"): Kingma and Ba, "Adam", algorithm 1; Loshchilov and Hutter, "Decoupled weight decay
 * regularization", algorithm 2. The trained block is cut into pieces of PIECE values whatever the number of workers.
 * SPDX-License-Identifier: MIT */
#include "core/train/optimiser.h"

#include "core/kernels/kernels.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { PIECE = 16384 };

/* (8.1), (8.2) and (8.3) */
double tessi_train_learning_rate(const struct tess_training_params *p, int64_t step)
{
    if (step < p->warmup)
        return p->lr * (double)(step + 1) / (double)p->warmup;
    if (p->schedule == 0 || p->steps <= p->warmup)
        return p->lr;
    double done = (double)(step - p->warmup) / (double)(p->steps - p->warmup);
    return p->lr * (p->lr_final + (1.0 - p->lr_final) * 0.5 * (1.0 + cos(3.14159265358979323846 * done)));
}

struct work {
    struct tess_weights *w;
    const struct tess_training_params *p;
    const struct tessi_optimiser *o;
    int64_t step;
    const float *gradient;
    float *value, *m, *v, *average; /* average NULL: no averaging in this step */
    struct tessi_adam adam;
    double *squares; /* one sum of squares a piece */
};

static int64_t piece_size(const struct work *k, int64_t i)
{
    int64_t left = k->w->trained - i * PIECE;
    return left < PIECE ? left : PIECE;
}

static void square_piece(void *user, int worker, int64_t i)
{
    struct work *k = user;
    const float *g = k->gradient + i * PIECE;
    (void)worker;
    k->squares[i] = tessi_kernels()->dot(piece_size(k, i), g, g);
}

/* Steps that this weight's optimiser has made; -1 where this step is not one of its own. */
static int64_t steps_made(const struct tessi_optimiser *o, const char *name, int64_t step)
{
    const char *at = (const char *)o->group;
    for (int32_t i = 0; i < o->groups; i++, at += o->group->size) {
        const struct tess_training_group *group = (const void *)at;
        if (strncmp(name, group->prefix, strlen(group->prefix)) == 0)
            return (TESS_HAS(group, again) && group->again) == o->again && step >= group->first_step ? step - group->first_step : -1;
    }
    return o->again ? -1 : step;
}

/* Updates piece i of the trained block, weight by weight, without decay where a weight asks for none. */
static void step_piece(void *user, int worker, int64_t i)
{
    struct work *k = user;
    int64_t from = i * PIECE, to = from + piece_size(k, i);
    (void)worker;
    for (int64_t j = 0; j < k->w->count; j++) {
        const struct tessi_weight *item = &k->w->item[j];
        if (item->init.flags & TESS_WEIGHT_BUFFER)
            continue;
        int64_t a = item->offset, b = a + tess_tensor_count(&item->shape);
        a = a > from ? a : from;
        b = b < to ? b : to;
        if (a >= b)
            continue;
        struct tessi_adam adam = k->adam;
        int64_t made = steps_made(k->o, item->name, k->step);
        if (made < 0)
            continue;
        adam.correct1 = (float)(1.0 - pow(k->p->beta1, (double)(made + 1)));
        adam.correct2 = (float)(1.0 - pow(k->p->beta2, (double)(made + 1)));
        if (item->init.flags & TESS_WEIGHT_NO_DECAY)
            adam.decay = adam.l2 = 0.0f;
        tessi_kernels()->adam(b - a, &adam, k->gradient + a, k->value + a, k->m + a, k->v + a);
        if (k->average)
            tessi_kernels()->average(b - a, (float)k->p->ema_decay, k->value + a, k->average + a);
    }
}

int64_t tessi_train_gradient_pieces(const struct tess_weights *w)
{
    return (w->trained + PIECE - 1) / PIECE;
}

double tessi_train_gradient_length(struct tessi_workers *pool, struct tess_weights *w, const float *gradient, double *squares)
{
    int64_t pieces = tessi_train_gradient_pieces(w);
    struct work k = {.w = w, .gradient = gradient, .squares = squares};
    double sum = 0.0;
    tessi_base_workers_run(pool, pieces, square_piece, &k);
    for (int64_t i = 0; i < pieces; i++)
        sum += squares[i];
    return sqrt(sum);
}

int tessi_train_optimise(struct tess_context *ctx, struct tessi_workers *pool, const struct tessi_optimiser *o, struct tess_weights *w,
                         int64_t step, const float *gradient, double length)
{
    const struct tess_training_params *p = o->p;
    double scale = p->clip > 0.0 && length > p->clip ? p->clip / length : 1.0; /* (8.4) */
    struct work k = {.w = w, .p = p, .o = o, .step = step, .gradient = gradient};
    assert(step >= 0 && scale > 0.0 && scale <= 1.0); /* clipping shortens */
    TESS_TRY(tessi_graph_weights_role(ctx, w, TESS_ROLE_VALUE, &k.value));
    TESS_TRY(tessi_graph_weights_role(ctx, w, TESS_ROLE_MOMENT1, &k.m));
    TESS_TRY(tessi_graph_weights_role(ctx, w, TESS_ROLE_MOMENT2, &k.v));
    if (p->ema_decay > 0.0) {
        float *average;
        TESS_TRY(tessi_graph_weights_role(ctx, w, TESS_ROLE_AVERAGE, &average));
        k.average = (step + 1) % p->ema_every == 0 ? average : NULL;
    }
    double lr = tessi_train_learning_rate(p, step);
    k.adam = (struct tessi_adam){.lr = (float)lr,
                                 .beta1 = (float)p->beta1,
                                 .beta2 = (float)p->beta2,
                                 .epsilon = (float)p->epsilon,
                                 .decay = p->optimiser == 1 ? (float)(lr * p->weight_decay) : 0.0f,
                                 .l2 = p->optimiser == 0 ? (float)p->weight_decay : 0.0f,
                                 .gradient_scale = (float)scale};
    tessi_base_workers_run(pool, tessi_train_gradient_pieces(w), step_piece, &k);
    tess_weights_touch(w);
    return TESS_OK;
}
