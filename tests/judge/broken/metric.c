/* Metrics that each break one promise: the mean squared error of pairs. SPDX-License-Identifier: MIT */
#include "tests/judge/broken/broken.h"

#include <math.h>

enum {
    HONEST = 0,
    FORGETS = 1,
    NOT_A_NUMBER = 2,
    PACKS_HALF = 3,
    WRITES_ROWS = 4,
    LOSES = 5,
    LAST_BLOCK = 6,
    NO_NAME = 7,
    MANY = 8,
    NO_WAY = 9,
    NAMELESS_LIST = 10,
    NAN_LIST = 11,
    NO_BYTES = 12,
    PACKS_MORE = 13,
    COUNTS_OTHER = 14,
    SWALLOWS = 15,
    UNPACKS_BADLY = 16,
    CHECKS_BADLY = 17,
    TAKES_NONE = 18,
    RESAMPLES = 19,
    OTHER_RESAMPLE = 20,
    OTHER_NAME = 21,
    OTHER_VALUE = 22,
    CHANGES_VALUE = 23,
    NO_RESAMPLE = 24,
    TAKES_MANY = 25,
    SAME_NAMES = 26,
    PACKS_ANEW = 27,
    UNPACKS_CUT = 28,
    SHARES = 29
};

struct state {
    double sum, count;
};

static int state_open(void *self, struct tess_context *ctx, const struct tess_metric_shape *s, void **state)
{
    int status = tess_alloc(ctx, sizeof(struct state), "the state of a metric", state);
    if (status == TESS_OK)
        memset(*state, 0, sizeof(struct state));
    if (status == TESS_OK && broken_how(self) == CHANGES_VALUE && s->resamples)
        ((struct state *)*state)->sum = 1.0;
    if (status == TESS_E_MEMORY && broken_how(self) == SWALLOWS) {
        tess_forget(ctx);
        return ctx->fail(ctx, TESS_E_VALUE, "a state that is too large");
    }
    return status;
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
    if (broken_how(self) == SHARES)
        s->sum += (double)((struct broken *)self)->count++;
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
    int64_t how = broken_how(self);
    const float list[2] = {1.0f, how == NAN_LIST ? NAN : 2.0f};
    struct tess_metric_value v = TESS_METRIC_VALUE(how == NO_NAME ? "" : "error", value, "", TESS_METRIC_LOWER);
    v.better = how == NO_WAY ? 7 : v.better;
    for (int k = 0; k < (how == MANY ? 1000 : how == SAME_NAMES ? 2 : 1); k++)
        TESS_TRY(sink->value(sink->to, ctx, &v));
    return sink->list(sink->to, ctx, how == NAMELESS_LIST ? "a/b" : "parts", "part", "", 2, list);
}

static int check(void *self, struct tess_context *ctx, const struct tess_metric_shape *s)
{
    int64_t how = broken_how(self);
    if (how == CHECKS_BADLY)
        return ctx->fail(ctx, TESS_E_IO, "the disk is gone");
    if (how == TAKES_NONE || (how == TAKES_MANY && s->rows[0] < 20))
        return ctx->fail(ctx, TESS_E_VALUE, "more images are wanted");
    return TESS_OK;
}

/* Every row is drawn once, so that each resample has the value of all rows. */
static int resample(void *self, struct tess_context *ctx, void *state, const struct tess_metric_resamples *r)
{
    int64_t how = broken_how(self);
    const struct state *s = state;
    double value = s->sum / s->count;
    for (int64_t k = 0; k < r->count && how != NO_RESAMPLE; k++)
        TESS_TRY(r->value(r->to, ctx, how == OTHER_RESAMPLE ? r->count : k, how == OTHER_NAME ? "other" : "error",
                          how == OTHER_VALUE ? 2.0 * value : value));
    return TESS_OK;
}

static int64_t pack(void *self, const void *state, void *bytes)
{
    struct state s = *(const struct state *)state;
    if (broken_how(self) == PACKS_HALF)
        s.count *= 2.0;
    if (broken_how(self) == PACKS_ANEW)
        s.sum += 1.0;
    if (bytes)
        memcpy(bytes, &s, sizeof s);
    if (bytes && broken_how(self) == PACKS_MORE)
        ((uint8_t *)bytes)[sizeof s] = 1;
    return broken_how(self) == NO_BYTES ? -1 : (int64_t)sizeof s - (bytes && broken_how(self) == COUNTS_OTHER);
}

static int unpack(void *self, struct tess_context *ctx, void *state, const void *bytes, int64_t count)
{
    if (broken_how(self) == UNPACKS_CUT && count < (int64_t)sizeof(struct state)) {
        memcpy(state, bytes, (size_t)count);
        return TESS_OK;
    }
    if (count != sizeof(struct state))
        return ctx->fail(ctx, broken_how(self) == UNPACKS_BADLY ? TESS_E_VALUE : TESS_E_DATA, "a state has %zu bytes, not %lld",
                         sizeof(struct state), (long long)count);
    memcpy(state, bytes, sizeof(struct state));
    return TESS_OK;
}

#define METRIC_OPS                                                                                                                         \
    .size = sizeof(struct tess_metric_1), .wants = TESS_METRIC_PAIRS, .check = check, .open = state_open, .close = state_close,            \
    .accumulate = accumulate, .merge = merge, .finish = finish, .pack = pack, .unpack = unpack
static const struct tess_metric_1 ops = {METRIC_OPS}, again = {METRIC_OPS, .resample = resample};

#define ALL(X)                                                                                                                             \
    X(0, "honest")                                                                                                                         \
    X(1, "forgets")                                                                                                                        \
    X(2, "not-a-number")                                                                                                                   \
    X(3, "packs-half")                                                                                                                     \
    X(4, "writes-rows")                                                                                                                    \
    X(5, "loses")                                                                                                                          \
    X(6, "last-block")                                                                                                                     \
    X(7, "no-name")                                                                                                                        \
    X(8, "many")                                                                                                                           \
    X(9, "no-way")                                                                                                                         \
    X(10, "nameless-list")                                                                                                                 \
    X(11, "nan-list")                                                                                                                      \
    X(12, "no-bytes")                                                                                                                      \
    X(13, "packs-more")                                                                                                                    \
    X(14, "counts-other")                                                                                                                  \
    X(15, "swallows")                                                                                                                      \
    X(16, "unpacks-badly")                                                                                                                 \
    X(17, "checks-badly")                                                                                                                  \
    X(18, "takes-none") X(25, "takes-many") X(26, "same-names") X(27, "packs-anew") X(28, "unpacks-cut") X(29, "shares")
#define AGAIN_ALL(X)                                                                                                                       \
    X(19, "resamples") X(20, "other-resample") X(21, "other-name") X(22, "other-value") X(23, "changes-value") X(24, "no-resample")
#define TABLE(n, name) BROKEN_PARAMS(n)
ALL(TABLE)
AGAIN_ALL(TABLE)
#define ROW(n, name_) BROKEN_ROW(name_, "metric/1", n, &ops),
#define AGAIN_ROW(n, name_) BROKEN_ROW(name_, "metric/1", n, &again),
static const struct tess_component components[] = {ALL(ROW) AGAIN_ALL(AGAIN_ROW){.name = NULL}};

static const char *const needs[] = {"graph/1", NULL};

TESS_EXPORT const struct tess_plugin tess_plugin_1 = TESS_PLUGIN_INIT("broken-metrics", "1", "MIT", needs, components);
