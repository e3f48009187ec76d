/* Rows through the states of a metric to its values: blocks accumulated, merged in one order or another, packed, resampled.
 * SPDX-License-Identifier: MIT */
#include "core/judge/judge_metric.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { METRIC_BLOCKS = 3 };

static int metric_value(void *to, struct tess_context *ctx, const struct tess_metric_value *v)
{
    struct metric_case *c = to;
    (void)ctx;
    if (c->values == METRIC_VALUES)
        return judge_fail(c->j, "finish: wanted at most %d values, found more", METRIC_VALUES);
    if (!v->size || !v->name || !*v->name || !v->unit)
        return judge_fail(c->j, "finish: wanted a size, a name and a unit with each value, found none");
    if (isnan(v->value) || isnan(v->standard_error) || isnan(v->low) || isnan(v->high))
        return judge_fail(c->j, "finish: wanted a value for `%s`, found NaN", v->name);
    if (v->better < TESS_METRIC_LOWER || v->better > TESS_METRIC_HIGHER)
        return judge_fail(c->j, "finish: wanted TESS_METRIC_LOWER, TESS_METRIC_HIGHER or 0 for `%s`, found %d", v->name, (int)v->better);
    snprintf(c->name[c->values], sizeof c->name[0], "%s", v->name);
    c->value[c->values++] = v->value;
    return TESS_OK;
}

static int metric_list(void *to, struct tess_context *ctx, const char *name, const char *labels, const char *unit, int64_t n,
                       const float *values)
{
    struct metric_case *c = to;
    (void)ctx;
    if (!name || !*name || strchr(name, '/') || !labels || !unit || n < 1)
        return judge_fail(c->j, "finish: wanted a name without `/`, a dimension's name, a unit and values of a list, found none");
    for (int64_t i = 0; i < n; i++)
        if (isnan(values[i]))
            return judge_fail(c->j, "finish: wanted a value in the list `%s`, found NaN", name);
    return TESS_OK;
}

static int metric_parallel(void *to, struct tess_context *ctx, int64_t n, int (*task)(void *user, struct tess_context *ctx, int64_t i),
                           void *user)
{
    (void)to;
    for (int64_t i = 0; i < n; i++)
        TESS_TRY(task(user, ctx, i));
    return TESS_OK;
}

/* As on several processes, of which another ran every second task: items that nobody here has made come from there. */
static int metric_dealt(void *to, struct tess_context *ctx, int64_t n, int (*task)(void *user, struct tess_context *ctx, int64_t i),
                        void *user, void *items, int64_t bytes)
{
    struct judge *j = ((const struct metric_case *)to)->j;
    uint8_t *own = items, *other = n ? malloc((size_t)(n * bytes) + 1) : NULL;
    int status = !n || other ? TESS_OK : judge_fail(j, "no memory for the test");
    for (int odd = 0; odd < 2 && n && status == TESS_OK; odd++) {
        memcpy(other, own, (size_t)(n * bytes));
        for (int64_t i = odd; i < n && status == TESS_OK; i += 2)
            status = task(user, ctx, i);
        for (int64_t i = 1 - odd; i < n && status == TESS_OK; i += 2)
            if (memcmp(own + i * bytes, other + i * bytes, (size_t)bytes) != 0)
                status =
                    judge_fail(j, "dealt: a task wrote item %lld, which is another's: processes would have different values", (long long)i);
    }
    free(other);
    return status;
}

/* ---- states -------------------------------------------------------------------------------------------------------- */

/* Packs a state and unpacks it into another; the old one is closed. */
static int metric_through_bytes(struct metric_case *c, void **state)
{
    int64_t bytes = c->ops->pack(c->self, *state, NULL);
    void *packed = bytes >= 0 ? malloc((size_t)bytes + 64) : NULL, *other = NULL;
    if (!packed)
        return judge_fail(c->j, "pack: wanted a number of bytes, found %lld", (long long)bytes);
    memset((char *)packed + bytes, 0x5a, 64);
    int64_t wrote = c->ops->pack(c->self, *state, packed);
    int status = TESS_OK;
    for (int k = 0; k < 64; k++)
        if (((const uint8_t *)packed)[bytes + k] != 0x5a)
            status = judge_fail(c->j, "pack: wanted the %lld bytes it said, found more written", (long long)bytes);
    if (status == TESS_OK && wrote != bytes)
        status = judge_fail(c->j, "pack: wanted %lld bytes as it said, found %lld", (long long)bytes, (long long)wrote);
    if (status == TESS_OK)
        status = c->ops->open(c->self, c->ctx, &c->shape, &other);
    if (status == TESS_OK)
        status = c->ops->unpack(c->self, c->ctx, other, packed, bytes);
    free(packed);
    c->ops->close(c->self, *state);
    *state = other;
    return status;
}

static int metric_merge(struct metric_case *c, void **state, int into, int next)
{
    int status = c->ops->merge(c->self, c->ctx, state[into], state[next]);
    c->ops->close(c->self, state[next]);
    state[next] = NULL;
    return status;
}

/* Accumulates all rows of a set in state[0]; the other states are closed. */
static int metric_set(struct metric_case *c, int32_t set, enum metric_order order, void *state[METRIC_BLOCKS])
{
    int64_t rows = c->shape.rows[set];
    int blocks = 0, status = TESS_OK;
    for (int64_t first = 0; first < rows && status == TESS_OK; first += TESS_METRIC_BLOCK, blocks++) {
        int64_t count = rows - first < TESS_METRIC_BLOCK ? rows - first : TESS_METRIC_BLOCK;
        int at = order == METRIC_ONE ? 0 : blocks;
        if (!state[at])
            status = c->ops->open(c->self, c->ctx, &c->shape, &state[at]);
        if (status == TESS_OK)
            status = judge_metric_accumulate(c, state[at], set, first, count);
        if (status == TESS_OK && order == METRIC_PACKED)
            status = metric_through_bytes(c, &state[at]);
    }
    if (order == METRIC_ONE)
        return status;
    for (int k = 1; k < blocks && order != METRIC_RIGHT && status == TESS_OK; k++)
        status = metric_merge(c, state, 0, k);
    for (int k = blocks - 1; k > 0 && order == METRIC_RIGHT && status == TESS_OK; k--)
        status = metric_merge(c, state, k - 1, k);
    return status;
}

int judge_metric_has_intervals(const struct metric_case *c)
{
    return TESS_HAS(c->ops, resample) && c->ops->resample;
}

/* A value of a resample that has every row once: that of `finish`, but for rounding. */
static int metric_again(void *to, struct tess_context *ctx, int64_t r, const char *name, double value)
{
    struct metric_case *c = to;
    (void)ctx;
    if (r < 0 || r >= METRIC_RESAMPLES)
        return judge_fail(c->j, "resample: wanted a resample of 0 .. %d, found %lld", METRIC_RESAMPLES - 1, (long long)r);
    for (int32_t k = 0; k < c->values; k++) {
        double x = c->value[k];
        if (strcmp(c->name[k], name) != 0)
            continue;
        c->resampled++;
        if (x == value || fabs(x - value) <= 1e-6 * (fabs(x) + fabs(value)) + 1e-9)
            return TESS_OK;
        return judge_fail(c->j, "resample: wanted `%s` to be %.17g where every row is drawn once, found %.17g", name, x, value);
    }
    return judge_fail(c->j, "resample: wanted a name that `finish` gave, found `%s`", name);
}

/* Resamples that have every row once. */
static int metric_resample(struct metric_case *c, void *state)
{
    struct tess_metric_resamples r = {
        .size = sizeof r, .count = METRIC_RESAMPLES, .to = c, .value = metric_again, .parallel = metric_parallel, .dealt = metric_dealt};
    uint16_t *times[2] = {NULL, NULL};
    int status = TESS_OK;
    for (int set = 0; set < 2 && status == TESS_OK; set++) {
        int64_t n = METRIC_RESAMPLES * c->shape.rows[set];
        r.rows[set] = c->shape.rows[set];
        r.times[set] = times[set] = malloc((size_t)(n ? n : 1) * sizeof *times[set]);
        if (!times[set])
            status = judge_fail(c->j, "no memory for the test");
        for (int64_t i = 0; status == TESS_OK && i < n; i++)
            times[set][i] = 1;
    }
    if (status == TESS_OK)
        status = c->ops->resample(c->self, c->ctx, state, &r);
    free(times[0]);
    free(times[1]);
    return status;
}

int judge_metric_measure(struct metric_case *c, enum metric_order order)
{
    void *state[TESS_METRIC_SETS][METRIC_BLOCKS] = {{NULL}};
    int sets = judge_metric_sets(c), status = TESS_OK;
    const struct tess_metric_sink sink = {
        .size = sizeof sink, .to = c, .value = metric_value, .parallel = metric_parallel, .list = metric_list, .dealt = metric_dealt};
    c->values = 0;
    for (int set = 0; set < sets && status == TESS_OK; set++)
        status = metric_set(c, set, order, state[set]);
    for (int set = 1; set < sets && status == TESS_OK; set++)
        status = c->ops->merge(c->self, c->ctx, state[0][0], state[set][0]);
    if (status == TESS_OK)
        status = c->ops->finish(c->self, c->ctx, state[0][0], &sink);
    if (status == TESS_OK && c->shape.resamples && judge_metric_has_intervals(c))
        status = metric_resample(c, state[0][0]);
    for (int k = 0; k < TESS_METRIC_SETS * METRIC_BLOCKS; k++)
        c->ops->close(c->self, state[k / METRIC_BLOCKS][k % METRIC_BLOCKS]);
    return status;
}

int judge_metric_values(struct metric_case *c, enum metric_order order)
{
    int status = judge_metric_measure(c, order);
    if (*c->j->verdict->text)
        return TESS_E_FAILED;
    JUDGE_TRY(judge_ok(c->j, c->ctx, "measuring", status));
    return c->values ? TESS_OK : judge_fail(c->j, "finish: wanted a value, found none");
}
