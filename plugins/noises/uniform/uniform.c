/* noise/1 `uniform`: tokens turn into any code alike (docs/models.md, "Uniform diffusion"; Hoogeboom et al., "Argmax flows and multinomial
 * diffusion", and Hu et al., "Global context with discrete diffusion in vector quantised modelling").
 *
 * At step t a token is kept with probability alpha_t and else drawn anew from all K codes, so that at T nothing is left of it. The network
 * predicts z_0, which with the known q makes the step back; the loss is the bound's term at t. A token may change at every step, so the
 * network must be told t and no step can be left out.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/sample/draws.h"
#include "plugins/noises/uniform/uniform_steps.h"
#include "plugins/noises/uniform/uniform_times.h"

#include <tessera/plugin.h>

#include <math.h>

struct uniform {
    int64_t steps;
    double offset, clip, residual;
    int32_t schedule, step, first_step, times;
    double *bar; /* (steps + 1) */
};

enum { TIMES_UNIFORM, TIMES_IMPORTANCE };

#define LN2 0.69314718055994530942

static int open_uniform(void *self, struct tess_context *ctx)
{
    struct uniform *p = self;
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(p->steps + 1) * sizeof *p->bar, "a schedule", &memory));
    p->bar = memory;
    uniform_schedule(p->schedule, p->offset, p->clip, p->steps, p->bar);
    return TESS_OK;
}

static void close_uniform(void *self)
{
    tess_free(((struct uniform *)self)->bar);
}

static int64_t uniform_vocabulary(void *self, int64_t codebook_size)
{
    (void)self;
    return codebook_size;
}

static int64_t uniform_steps(void *self)
{
    return ((struct uniform *)self)->steps;
}

/* Random numbers of token i: the stream's 4 i .. 4 i + 3, one block of Philox: two for whether, two for what. */
static double uniform_whether(const struct tess_stream *random, int64_t i)
{
    float u[2];
    tess_random_uniform(random, (uint64_t)(4 * i), 2, u);
    return (double)u[0] + (double)u[1] * 0x1p-24;
}

static int64_t any_of(const struct tess_stream *random, int64_t i, int64_t n)
{
    return tess_random_below(random, (uint64_t)(2 * i + 1), n);
}

/* Draws x_t of one token, by (15.2). */
static int32_t uniform_forget(const struct tess_stream *random, double bar, int64_t codebook_size, int64_t i, int32_t x0)
{
    return uniform_whether(random, i) < bar ? x0 : (int32_t)any_of(random, i, codebook_size);
}

static int uniform_corrupt(void *self, struct tess_context *ctx, const struct tess_stream *random, int64_t tokens, int64_t codebook_size,
                           int64_t t, const int32_t *x0, int32_t *xt)
{
    const struct uniform *p = self;
    if (t < 1 || t > p->steps)
        return ctx->fail(ctx, TESS_E_INTERNAL, "uniform: step %lld is outside 1 .. %lld", (long long)t, (long long)p->steps);
    for (int64_t i = 0; i < tokens; i++)
        xt[i] = uniform_forget(random, p->bar[t], codebook_size, i, x0[i]);
    return TESS_OK;
}

/* ---- the loss ---- */

struct cost {
    const struct uniform *noise; /* borrowed: the instance outlives its graphs */
};

/* Prediction for one token: softmax of its logits, with the residual, in double. */
struct token {
    const float *logits;
    int64_t codebook_size, x, z;
    double *p, log_pz;
};

static void uniform_predict(const struct uniform *n, struct token *t)
{
    double max = -INFINITY, sum = 0.0;
    for (int64_t k = 0; k < t->codebook_size; k++)
        t->p[k] = (double)t->logits[k];
    t->p[t->x] += n->residual;
    for (int64_t k = 0; k < t->codebook_size; k++)
        max = t->p[k] > max ? t->p[k] : max;
    t->log_pz = t->p[t->z] - max;
    for (int64_t k = 0; k < t->codebook_size; k++)
        sum += t->p[k] = exp(t->p[k] - max);
    t->log_pz -= log(sum);
    for (int64_t k = 0; k < t->codebook_size; k++)
        t->p[k] /= sum;
}

/* Step back from the time t of row i. A row that only fills a batch has t = 0, and any step will do. */
static int step_at(const struct tess_op_run *r, int64_t i, struct uniform_step *s)
{
    const struct uniform *n = ((const struct cost *)r->attr)->noise;
    float time = ((const float *)r->in[3].data)[i];
    if (!(time >= 0.0f && time <= (float)n->steps))
        return r->context->fail(r->context, TESS_E_DATA, "uniform: sample %lld has t = %g, times are 1 .. %lld", (long long)i, (double)time,
                             (long long)n->steps);
    int64_t t = time < 1.0f ? 1 : (int64_t)time;
    *s = uniform_step_of(n->bar[t - 1], n->bar[t], r->in[0].dim[2], t == 1 ? n->first_step : n->step);
    return TESS_OK;
}

static int token_at(const struct tess_op_run *r, int64_t at, struct token *t)
{
    int64_t codebook_size = r->in[0].dim[2];
    int32_t z = ((const int32_t *)r->in[1].data)[at], x = ((const int32_t *)r->in[2].data)[at];
    if (z < 0 || z >= codebook_size || x < 0 || x >= codebook_size)
        return r->context->fail(r->context, TESS_E_DATA, "uniform: token %lld is %d and becomes %d, codes are 0 .. %lld", (long long)at,
                                (int)z, (int)x, (long long)(codebook_size - 1));
    *t = (struct token){
        .logits = (const float *)r->in[0].data + at * codebook_size, .codebook_size = codebook_size, .x = x, .z = z, .p = r->scratch};
    return TESS_OK;
}

/* logits (N, L, K), x0 and xt (N, L), t (N) -> L_t of each sample (N, 1), nats: (15.10) summed over tokens */
static int cost_forward(const struct tess_op_run *r)
{
    const struct uniform *n = ((const struct cost *)r->attr)->noise;
    int64_t tokens = r->in[0].dim[1];
    float *cost = r->out[0].data;
    for (int64_t i = 0; i < r->in[0].dim[0]; i++) {
        struct uniform_step s;
        double sum = 0.0;
        TESS_TRY(step_at(r, i, &s));
        for (int64_t at = i * tokens; at < (i + 1) * tokens; at++) {
            struct token t;
            TESS_TRY(token_at(r, at, &t));
            uniform_predict(n, &t);
            sum += uniform_divergence(&s, t.x, t.z, t.p, t.log_pz);
        }
        cost[i] = (float)sum;
    }
    return TESS_OK;
}

/* cost_i = sum of divergences, (15.11) */
static int cost_backward(const struct tess_op_run *r)
{
    const struct uniform *n = ((const struct cost *)r->attr)->noise;
    int64_t tokens = r->in[0].dim[1], codebook_size = r->in[0].dim[2];
    const float *dcost = r->dout[0].data;
    float *dlogits = r->din[0].data;
    for (int64_t i = 0; i < r->in[0].dim[0]; i++) {
        struct uniform_step s;
        TESS_TRY(step_at(r, i, &s));
        for (int64_t at = i * tokens; at < (i + 1) * tokens; at++) {
            struct token t;
            TESS_TRY(token_at(r, at, &t));
            double *d = t.p + codebook_size;
            uniform_predict(n, &t);
            uniform_gradient(&s, t.x, t.z, t.p, d);
            for (int64_t k = 0; k < codebook_size; k++)
                dlogits[at * codebook_size + k] = (float)((double)dcost[i] * d[k]);
        }
    }
    return TESS_OK;
}

static const struct tess_op op_cost = {
    .size = sizeof(struct tess_op), .name = "uniform cost", .keep_in = 15, .forward = cost_forward, .backward = cost_backward};

/* KL(q(z_T | z_0), uniform), bits per token: the constant of (15.13) */
static double uniform_bound_constant(void *self, int64_t tokens, int64_t codebook_size)
{
    const struct uniform *p = self;
    (void)tokens;
    return uniform_prior(p->bar[p->steps], codebook_size) / LN2;
}

static int uniform_record_loss(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *logits, struct tess_node *x0,
                       struct tess_node *xt, struct tess_node *t, struct tess_noise_loss *out)
{
    const struct uniform *p = self;
    struct tess_tensor shape = tess_shape(logits), codes = tess_shape(xt);
    if (logits && xt && (shape.rank != 3 || codes.rank != 2))
        return ctx->fail(ctx, TESS_E_SHAPE, "uniform: logits (N, L, K) and codes (N, L) are wanted");
    struct cost a = {.noise = p};
    struct tess_node *in[4] = {logits, x0, xt, t}, *cost;
    struct tess_tensor each = tess_tensor_over(NULL, TESS_F32, 2, (const int64_t[]){codes.dim[0], 1});
    double flops = 30.0 * (double)tess_tensor_count(&shape), scale = (double)p->steps / ((double)codes.dim[1] * LN2);
    tess_custom(g, &op_cost, &a, sizeof a, 4, in, 1, &each, 2 * (size_t)shape.dim[2] * sizeof(double), flops, &cost);
    struct tess_node *bound = tess_affine(g, cost, (float)scale, 0.0f), *trained = bound;
    if (p->times == TIMES_IMPORTANCE && tess_graph_training(g))
        trained = tess_mul(g, cost, uniform_times_record(g, p->steps, scale, t));
    out->loss = tess_affine(g, tess_mean_all(g, trained), 1.0f, (float)uniform_bound_constant(self, codes.dim[1], shape.dim[2]));
    out->bound = tess_reshape(g, bound, 1, codes.dim);
    return TESS_OK;
}

/* ---- times of training ---- */

static int uniform_draw_time(void *self, struct tess_context *ctx, struct tess_weights *w, const char *scope,
                             const struct tess_stream *random, int64_t *t)
{
    const struct uniform *p = self;
    if (p->times == TIMES_IMPORTANCE)
        return uniform_times_draw(ctx, w, scope, p->steps, random, t);
    *t = 1 + tess_random_below(random, 0, p->steps);
    return TESS_OK;
}

static int uniform_observe(void *self, struct tess_context *ctx, struct tess_weights *w, const char *scope,
                           const struct tess_noise_seen *seen)
{
    const struct uniform *p = self;
    return p->times == TIMES_IMPORTANCE ? uniform_times_observe(ctx, w, scope, p->steps, seen) : TESS_OK;
}

/* ---- sampling ---- */

static int uniform_start(void *self, struct tess_context *ctx, const struct tess_stream *random, int64_t tokens, int64_t codebook_size,
                         int32_t *x)
{
    (void)self;
    (void)ctx;
    for (int64_t i = 0; i < tokens; i++)
        x[i] = (int32_t)any_of(random, i, codebook_size);
    return TESS_OK;
}

/* A draw from (15.9) in the three parts of (15.15): the token stays; it turns into a code that is predicted; into any. -1 when the logits
 * are no distribution. */
static int32_t step_back(const struct uniform *n, const struct uniform_step *s, const struct tess_reverse *r, int64_t i)
{
    int32_t x = r->x[i];
    struct draw_row others = {
        .logits = r->logits + i * r->codebook_size, .codebook_size = r->codebook_size, .without = x, .temperature = r->temperature};
    if (!draw_row_open(&others))
        return -1;
    /* ln of the odds against x; of all logits ruled out it is NaN */
    double odds = log(others.sum) + ((double)others.max - (double)others.logits[x] - n->residual) / r->temperature;
    double p_x = 1.0 / (1.0 + exp(odds)), rest = 1.0 / (1.0 + exp(-odds));
    if (isnan(odds) || others.logits[x] == INFINITY)
        return -1;
    double stay, predicted, u = uniform_whether(&r->random, i);
    uniform_parts(s, p_x, rest, &stay, &predicted);
    if (u < stay)
        return x;
    if (u < stay + predicted || s->e == 0.0) {
        float what[2];
        tess_random_uniform(&r->random, (uint64_t)(4 * i + 2), 2, what);
        return draw_row_code(&others, (double)what[0] + (double)what[1] * 0x1p-24);
    }
    int32_t k = (int32_t)any_of(&r->random, i, r->codebook_size - 1);
    return k < x ? k : k + 1;
}

static int uniform_reverse(void *self, struct tess_context *ctx, const struct tess_reverse *r)
{
    const struct uniform *p = self;
    double all = (double)p->steps;
    struct uniform_step s =
        uniform_step_of(r->last ? 1.0 : uniform_bar(p->bar, p->steps, r->to * all), uniform_bar(p->bar, p->steps, r->from * all),
                        r->codebook_size, r->last ? p->first_step : p->step);
    for (int64_t i = 0; i < r->tokens; i++) {
        r->next[i] = step_back(p, &s, r, i);
        if (r->next[i] < 0)
            return ctx->fail(ctx, TESS_E_FAILED,
                           "uniform: the denoiser's output at token %lld is not finite; the prior has diverged in training", (long long)i);
    }
    return TESS_OK;
}

/* (21.3): draws of different times know nothing of one another. At 0 nothing is forgotten. */
static int uniform_condition(void *self, struct tess_context *ctx, const struct tess_reverse *r, const uint8_t *mask, const int32_t *values)
{
    const struct uniform *p = self;
    double bar = uniform_bar(p->bar, p->steps, r->from * (double)p->steps);
    (void)ctx;
    for (int64_t i = 0; i < r->tokens; i++)
        r->next[i] = mask[i] ? uniform_forget(&r->random, bar, r->codebook_size, i, values[i]) : r->x[i];
    return TESS_OK;
}

static const struct tess_noise_1 ops = {.size = sizeof ops,
                                        .needs_time = 1,
                                        .vocabulary = uniform_vocabulary,
                                        .steps = uniform_steps,
                                        .corrupt = uniform_corrupt,
                                        .record_loss = uniform_record_loss,
                                        .bound_constant = uniform_bound_constant,
                                        .start = uniform_start,
                                        .reverse = uniform_reverse,
                                        .draw_time = uniform_draw_time,
                                        .observe = uniform_observe,
                                        .condition = uniform_condition};

static const struct tess_param params[] = {
    {.name = "steps",
     .help = "diffusion steps (T)",
     .type = TESS_I64,
     .offset = offsetof(struct uniform, steps),
     .lo = 1,
     .hi = 1e6,
     .def = 1000},
    {.name = "schedule",
     .help = "cosine: alpha-bar is f(t) / f(0), as in the paper; cosine-root: its root, as in the published code",
     .type = TESS_ENUM,
     .offset = offsetof(struct uniform, schedule),
     .text = "cosine|cosine-root"},
    {.name = "offset",
     .help = "s of the schedule's f(t) = cos^2((t / T + s) / (1 + s) pi / 2)",
     .type = TESS_F64,
     .offset = offsetof(struct uniform, offset),
     .lo = 1e-6,
     .hi = 1,
     .def = 0.008},
    {.name = "clip",
     .help = "smallest alpha of a step, before the root",
     .type = TESS_F64,
     .offset = offsetof(struct uniform, clip),
     .lo = 0,
     .hi = 0.5,
     .def = 0.001},
    {.name = "step",
     .help = "marginal: mean of the posteriors over the predicted code; plug-in: the prediction in the place of the code, as published",
     .type = TESS_ENUM,
     .offset = offsetof(struct uniform, step),
     .text = "marginal|plug-in"},
    {.name = "first_step",
     .help = "of t = 1; direct: the prediction itself, as in the paper; published: times the step's likelihood, as in the published code",
     .type = TESS_ENUM,
     .offset = offsetof(struct uniform, first_step),
     .text = "direct|published"},
    {.name = "residual",
     .help = "added to the current code's logit: 0 predicts codes as most published models do, 1 a change as the paper writes it",
     .type = TESS_F64,
     .offset = offsetof(struct uniform, residual),
     .lo = 0,
     .hi = 100,
     .def = 0},
    {.name = "times",
     .help = "of training; importance: by the root mean square of what each has cost, once all were seen more than 10 times",
     .type = TESS_ENUM,
     .offset = offsetof(struct uniform, times),
     .text = "uniform|importance"},
    {.name = NULL}};

TESS_PLUGIN("tessera-uniform", "0.1.0", "MIT", TESS_NEEDS("graph/1", "random/1"),
            TESS_COMPONENT_DOCUMENTED("Hoogeboom et al., Argmax Flows and Multinomial Diffusion, 2021; Hu et al., Global Context with "
                                      "Discrete Diffusion in Vector Quantised Modelling, 2022",
                                      "noise: {use: uniform, steps: 100, schedule: cosine}", "uniform", "noise/1",
                                      "tokens turn into any code alike, and are drawn back step by step", sizeof(struct uniform), params,
                                      open_uniform, close_uniform, &ops));
