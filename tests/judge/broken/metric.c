/* Metrics that each break one promise: the mean squared error of pairs. SPDX-License-Identifier: MIT */
#include "tests/judge/broken/broken.h"

#include <math.h>

enum { HONEST = 0, FORGETS = 1, NOT_A_NUMBER = 2, PACKS_HALF = 3, WRITES_ROWS = 4, LOSES = 5, LAST_BLOCK = 6, NO_NAME = 7 };

struct state {
    double sum, count;
};

static int broken_open(void *self, struct tess_context *ctx)
{
    (void)self;
    (void)ctx;
    return TESS_OK;
}

static void broken_close(void *self)
{
    (void)self;
}

static int state_open(void *self, struct tess_context *ctx, const struct tess_metric_shape *s, void **state)
{
    (void)self;
    (void)s;
    return tess_alloc(ctx, sizeof(struct state), "the state of a metric", state);
}

static void state_close(void *self, void *state)
{
    if (broken_how(self) != LOSES)
        tess_free(state);
}

static int accumulate(void *self, struct tess_context *ctx, void *state, const struct tess_metric_rows *rows)
{
    struct state *s = state;
    const uint8_t *image = rows->image->data;
    float *made = rows->made->data;
    (void)ctx;
    if (broken_how(self) == LAST_BLOCK)
        s->sum = s->count = 0;
    for (int64_t i = 0, n = tess_tensor_count(rows->made); i < n; i++) {
        double d = (double)image[i] / 255.0 - (double)made[i];
        s->sum += d * d;
        s->count += 1.0;
    }
    if (broken_how(self) == WRITES_ROWS)
        made[0] = 0.0f;
    return TESS_OK;
}

static int merge(void *self, struct tess_context *ctx, void *state, void *next)
{
    struct state *s = state, *t = next;
    (void)ctx;
    if (broken_how(self) == FORGETS) { /* the mean of means */
        s->sum = s->sum / s->count + t->sum / t->count;
        s->count = 2.0;
        return TESS_OK;
    }
    s->sum += t->sum;
    s->count += t->count;
    return TESS_OK;
}

static int finish(void *self, struct tess_context *ctx, void *state, const struct tess_metric_sink *sink)
{
    const struct state *s = state;
    double value = broken_how(self) == NOT_A_NUMBER ? NAN : s->sum / s->count;
    const struct tess_metric_value v = TESS_METRIC_VALUE(broken_how(self) == NO_NAME ? "" : "error", value, "", TESS_METRIC_LOWER);
    return sink->value(sink->to, ctx, &v);
}

static int64_t pack(void *self, const void *state, void *bytes)
{
    struct state s = *(const struct state *)state;
    if (broken_how(self) == PACKS_HALF)
        s.count *= 2.0;
    if (bytes)
        memcpy(bytes, &s, sizeof s);
    return sizeof s;
}

static int unpack(void *self, struct tess_context *ctx, void *state, const void *bytes, int64_t count)
{
    (void)self;
    if (count != sizeof(struct state))
        return ctx->fail(ctx, TESS_E_DATA, "a state has %zu bytes, not %lld", sizeof(struct state), (long long)count);
    memcpy(state, bytes, sizeof(struct state));
    return TESS_OK;
}

static const struct tess_metric_1 ops = {.size = sizeof ops,
                                         .wants = TESS_METRIC_PAIRS,
                                         .open = state_open,
                                         .close = state_close,
                                         .accumulate = accumulate,
                                         .merge = merge,
                                         .finish = finish,
                                         .pack = pack,
                                         .unpack = unpack};

#define ALL(X)                                                                                                            \
    X(0, "honest") X(1, "forgets") X(2, "not-a-number") X(3, "packs-half") X(4, "writes-rows") X(5, "loses") X(6, "last-block") \
    X(7, "no-name")
#define TABLE(n, name) BROKEN_PARAMS(n)
ALL(TABLE)
#define ROW(n, name_) BROKEN_ROW(name_, "metric/1", n, &ops),
static const struct tess_component components[] = {ALL(ROW){.name = NULL}};

static const char *const needs[] = {"graph/1", NULL};

TESS_EXPORT const struct tess_plugin tess_plugin_1 = TESS_PLUGIN_INIT("broken-metrics", "1", "MIT", needs, components);
