/* Noises that each break one promise: tokens turn into a mask (id K), linearly in t, as in absorbing diffusion. SPDX-License-Identifier:
 * MIT */
#include "tests/judge/broken/broken.h"

#include <math.h>

enum {
    HONEST = 0,
    OUTSIDE = 1,
    WRITES_X0 = 2,
    UNKEYED = 3,
    WRONG_POSTERIOR = 4,
    HALF_BOUND = 5,
    IMPERFECT = 6,
    UNFINISHED = 7,
    CHANGES_NONE = 8,
    CONDITION_ALL = 9,
    STARTS_CLEAN = 10,
    SMALL_VOCABULARY = 11,
    NAN_PASSES = 12,
    NOT_IN_PLACE = 13,
    WRONG_GRADIENT = 14,
    HOT = 15,
    IGNORES_ROW = 16,
    BACKWARD_TIMES = 17,
    MANY_STEPS = 18,
    EDGES = 19,
    NEGATIVE_CONSTANT = 20,
    SHARED_BUFFER = 21,
    TIMED = 22,
    TIME_0 = 23,
    OTHER_TIME = 24,
    NOT_SAVED = 25,
    NAN_BOUND = 26,
    NAN_LOSS = 27,
    OTHER_SIZES = 28,
    WRITES_X = 29,
    MARKS_TWO = 30,
    COUNTS_WRONG = 31,
    OTHER_START = 32,
    REFUSES_TIME = 33,
    CAUSAL_STEPS = 34,
    LOST_KNOWN = 35
};

/* Number of calls so far, for what changes from call to call. */
static int64_t unkeyed;

static int64_t vocabulary(void *self, int64_t codes)
{
    return broken_how(self) == SMALL_VOCABULARY ? codes - 1 : broken_how(self) == OTHER_SIZES ? codes + 1 + unkeyed++ % 2 : codes + 1;
}

static int64_t steps(void *self)
{
    return broken_how(self) == MANY_STEPS ? (int64_t)1 << 40 : 16;
}

static int corrupt(void *self, struct tess_context *ctx, const struct tess_stream *random, int64_t tokens, int64_t codes, int64_t t,
                   const int32_t *x0, int32_t *xt)
{
    int64_t how = broken_how(self);
    if (how == REFUSES_TIME && t > 8)
        return ctx->fail(ctx, TESS_E_VALUE, "time %lld is late", (long long)t);
    if (t < 1 || t > 16)
        return ctx->fail(ctx, TESS_E_VALUE, "there is no time %lld", (long long)t);
    float share = (float)(how == BACKWARD_TIMES ? 17 - t : t) / 16.0f;
    for (int64_t i = 0; i < tokens; i++) {
        float u;
        tess_random_uniform(random, (uint64_t)i, 1, &u);
        if (how == UNKEYED)
            u = (float)(unkeyed++ % 7) / 7.0f;
        if (how == EDGES && i % 2)
            u = 0.0f;
        xt[i] = u < share ? (int32_t)codes + (how == OUTSIDE) : x0[i];
    }
    if (how == WRITES_X0)
        ((int32_t *)x0)[0] = 1;
    return TESS_OK;
}

/* ---- the loss ------------------------------------------------------------------------------------------------------ */

/* xt (N, L), t (N) -> masked (N, L), factor (N, 1) */
static int factors_forward(const struct tess_op_run *r)
{
    const int64_t *a = r->attr; /* how, K */
    int64_t n = r->in[0].dim[0], tokens = r->in[0].dim[1];
    const int32_t *xt = r->in[0].data;
    const float *t = r->in[1].data;
    for (int64_t i = 0; i < n; i++) {
        ((float *)r->out[1].data)[i] = 16.0f / t[i] / ((float)tokens * 0.693147f) *
                                       (a[0] == HALF_BOUND  ? 0.5f
                                        : a[0] == NAN_BOUND ? NAN
                                                            : 1.0f);
        for (int64_t k = i * tokens; k < (i + 1) * tokens; k++)
            ((float *)r->out[0].data)[k] = xt[k] == a[1] ? 1.0f : 0.0f;
    }
    return TESS_OK;
}

static int same_forward(const struct tess_op_run *r)
{
    memcpy(r->out[0].data, r->in[0].data, tess_tensor_bytes(&r->in[0]));
    return TESS_OK;
}

/* y = x, and twice the gradient */
static int twice_backward(const struct tess_op_run *r)
{
    for (int64_t i = 0, n = tess_tensor_count(&r->in[0]); i < n && r->din[0].data; i++)
        ((float *)r->din[0].data)[i] = 2.0f * ((const float *)r->dout[0].data)[i];
    return TESS_OK;
}

static int record_loss(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *logits, struct tess_node *x0,
                       struct tess_node *xt, struct tess_node *t, struct tess_noise_loss *out)
{
    static const struct tess_op factors = {.size = sizeof factors, .name = "factors", .forward = factors_forward};
    static const struct tess_op twice = {.size = sizeof twice, .name = "twice", .forward = same_forward, .backward = twice_backward};
    struct tess_tensor shape = tess_shape(logits), codes = tess_shape(xt);
    const int64_t attr[2] = {broken_how(self), shape.dim[2]};
    struct tess_node *in[2] = {xt, t}, *f[2];
    struct tess_tensor outputs[2] = {tess_tensor_over(NULL, TESS_F32, 2, codes.dim),
                                     tess_tensor_over(NULL, TESS_F32, 2, (const int64_t[]){codes.dim[0], 1})};
    (void)ctx;
    if (broken_how(self) == WRONG_GRADIENT)
        tess_custom(g, &twice, NULL, 0, 1, &logits, 1, &shape, 0, 0.0, &logits);
    tess_custom(g, &factors, attr, sizeof attr, 2, in, 2, outputs, 0, 0.0, f);
    struct tess_node *ce = tess_mul(g, tess_sum(g, tess_cross_entropy(g, logits, x0, f[0]), 2), f[1]);
    if (broken_how(self) == IMPERFECT)
        ce = tess_affine(g, ce, 1.0f, 0.1f);
    out->loss = tess_mean_all(g, ce);
    if (broken_how(self) == NAN_LOSS)
        out->loss = tess_affine(g, out->loss, 1.0f, INFINITY);
    out->bound = tess_reshape(g, ce, 1, codes.dim);
    return TESS_OK;
}

static double bound_constant(void *self, int64_t tokens, int64_t codes)
{
    (void)tokens;
    (void)codes;
    return broken_how(self) == NEGATIVE_CONSTANT ? -1.0 : 0.0;
}

/* ---- sampling ------------------------------------------------------------------------------------------------------ */

static int start(void *self, struct tess_context *ctx, const struct tess_stream *random, int64_t tokens, int64_t codes, int32_t *x)
{
    (void)ctx;
    if (broken_how(self) == OTHER_START)
        x[--tokens] = (int32_t)(unkeyed++ % codes);
    for (int64_t i = 0; i < tokens; i++)
        x[i] = broken_how(self) == STARTS_CLEAN ? (int32_t)tess_random_below(random, (uint64_t)i, codes) : (int32_t)codes;
    return TESS_OK;
}

static int revealed(int64_t how, const struct tess_reverse *r, int64_t i, float u[2])
{
    if (r->x[i] != r->codebook_size)
        return 0;
    tess_random_uniform(&r->random, (uint64_t)(2 * i), 2, u);
    double share = how == WRONG_POSTERIOR ? (r->from - r->to) : (r->from - r->to) / r->from;
    return (r->last && how != UNFINISHED) || (double)u[0] < (how == UNFINISHED ? 0.5 * share : share);
}

static int64_t changes(void *self, const struct tess_reverse *r, uint8_t *where)
{
    int64_t n = 0;
    float u[2];
    for (int64_t i = 0; i < r->tokens; i++) {
        int now = broken_how(self) == CHANGES_NONE ? 0 : revealed(broken_how(self), r, i, u);
        n += now;
        if (where)
            where[i] = (uint8_t)(broken_how(self) == MARKS_TWO ? 2 * now : now);
    }
    return broken_how(self) == COUNTS_WRONG ? n + 1 : n;
}

/* Draws a code by inverting the cumulative distribution at u; -1 for logits that are NaN or infinite. */
static int32_t draw(const float *logits, int64_t codes, double temperature, double u)
{
    double max = -INFINITY, sum = 0.0;
    for (int64_t k = 0; k < codes; k++)
        max = (double)logits[k] > max ? (double)logits[k] : max;
    for (int64_t k = 0; k < codes; k++)
        sum += exp(((double)logits[k] - max) / temperature);
    if (!isfinite(sum) || !isfinite(max))
        return -1;
    for (int64_t k = 0; k < codes; k++)
        if ((u -= exp(((double)logits[k] - max) / temperature) / sum) < 0)
            return (int32_t)k;
    return (int32_t)codes - 1;
}

static int32_t shared[1024];

static int reverse(void *self, struct tess_context *ctx, const struct tess_reverse *r)
{
    int64_t how = broken_how(self);
    int32_t *next = how == SHARED_BUFFER ? shared : r->next;
    for (int64_t i = 0; i < r->tokens; i++) {
        float u[2];
        if (how == NOT_IN_PLACE && i + 1 < r->tokens)
            r->next[i + 1] = 0;
        int now = revealed(how, r, i, u);
        next[i] = r->x[i];
        if (!now)
            continue;
        int64_t row = r->row && how != IGNORES_ROW ? r->row[i] : i;
        next[i] = draw(r->logits + row * r->codebook_size, r->codebook_size, how == HOT ? 1.0 : r->temperature, (double)u[1]);
        if (next[i] < 0 && how == NAN_PASSES)
            next[i] = 0;
        if (next[i] < 0)
            return ctx->fail(ctx, TESS_E_FAILED, "logits of token %lld are no numbers", (long long)i);
        for (volatile int wait = 0; how == SHARED_BUFFER && wait < 20000; wait++)
            continue;
    }
    if (how == WRITES_X)
        ((int32_t *)r->x)[0] = 0;
    if (how == SHARED_BUFFER)
        memcpy(r->next, shared, (size_t)r->tokens * sizeof *shared);
    return TESS_OK;
}

static int condition(void *self, struct tess_context *ctx, const struct tess_reverse *r, const uint8_t *mask, const int32_t *values)
{
    (void)ctx;
    for (int64_t i = 0; i < r->tokens; i++)
        r->next[i] = mask[i] || broken_how(self) == CONDITION_ALL ? values[i] : r->x[i];
    for (int64_t i = 0; broken_how(self) == LOST_KNOWN && i < r->tokens; i++)
        r->next[i] = mask[i] ? (values[i] + 1) % (int32_t)r->codebook_size : r->x[i];
    return TESS_OK;
}

/* ---- times of training --------------------------------------------------------------------------------------------- */

static int draw_time(void *self, struct tess_context *ctx, struct tess_weights *w, const char *scope, const struct tess_stream *random,
                     int64_t *t)
{
    int64_t how = broken_how(self);
    (void)ctx;
    (void)w;
    (void)scope;
    *t = 1 + (tess_random_below(random, 0, 16) + (how == NOT_SAVED ? ((struct broken *)self)->count : 0)) % 16;
    *t = how == TIME_0 ? 0 : how == OTHER_TIME ? 1 + unkeyed++ % 16 : *t;
    return TESS_OK;
}

static int observe(void *self, struct tess_context *ctx, struct tess_weights *w, const char *scope, const struct tess_noise_seen *seen)
{
    (void)ctx;
    (void)w;
    (void)scope;
    ((struct broken *)self)->count += seen->samples > 0;
    return TESS_OK;
}

#define NOISE_OPS                                                                                                                          \
    .size = sizeof(struct tess_noise_1), .vocabulary = vocabulary, .steps = steps, .corrupt = corrupt, .record_loss = record_loss,         \
    .bound_constant = bound_constant, .start = start, .reverse = reverse
static const struct tess_noise_1 ops = {NOISE_OPS, .condition = condition, .changes = changes, .reads_row = 1},
                                 timed = {NOISE_OPS, .condition = condition, .changes = changes, .draw_time = draw_time,
                                          .observe = observe},
                                 causal = {NOISE_OPS, .causal = 1}, plain = {NOISE_OPS};

#define ALL(X)                                                                                                                             \
    X(0, "honest")                                                                                                                         \
    X(1, "outside")                                                                                                                        \
    X(2, "writes-x0")                                                                                                                      \
    X(3, "unkeyed")                                                                                                                        \
    X(4, "wrong-posterior")                                                                                                                \
    X(5, "half-bound")                                                                                                                     \
    X(6, "imperfect")                                                                                                                      \
    X(7, "unfinished")                                                                                                                     \
    X(8, "changes-none")                                                                                                                   \
    X(9, "condition-all")                                                                                                                  \
    X(10, "starts-clean")                                                                                                                  \
    X(11, "small-vocabulary")                                                                                                              \
    X(12, "nan-passes")                                                                                                                    \
    X(13, "not-in-place")                                                                                                                  \
    X(14, "wrong-gradient")                                                                                                                \
    X(15, "hot")                                                                                                                           \
    X(16, "ignores-row")                                                                                                                   \
    X(17, "backward-times")                                                                                                                \
    X(18, "many-steps")                                                                                                                    \
    X(19, "edges")                                                                                                                         \
    X(20, "negative-constant")                                                                                                             \
    X(21, "shared-buffer")                                                                                                                 \
    X(26, "nan-bound")                                                                                                                     \
    X(27, "nan-loss")                                                                                                                      \
    X(28, "other-sizes")                                                                                                                   \
    X(29, "writes-x") X(30, "marks-two") X(31, "counts-wrong") X(32, "other-start") X(33, "refuses-time") X(35, "lost-known")
#define TIMED_ALL(X) X(22, "timed") X(23, "time-0") X(24, "other-time") X(25, "not-saved")
#define TABLE(n, name) BROKEN_PARAMS(n)
ALL(TABLE)
TIMED_ALL(TABLE)
BROKEN_PARAMS(34)
#define ROW(n, name_) BROKEN_ROW(name_, "noise/1", n, &ops),
#define TIMED_ROW(n, name_) BROKEN_ROW(name_, "noise/1", n, &timed),
static const struct tess_component components[] = {ALL(ROW) TIMED_ALL(TIMED_ROW) BROKEN_ROW("causal-steps", "noise/1", 34, &causal),
                                                   BROKEN_ROW("plain", "noise/1", 0, &plain),
                                                   {.name = NULL}};

static const char *const needs[] = {"graph/1", NULL};

TESS_EXPORT const struct tess_plugin tess_plugin_1 = TESS_PLUGIN_INIT("broken-noises", "1", "MIT", needs, components);
