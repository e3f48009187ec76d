/* Kind metric/1: states of blocks, merged in any order that keeps the rows', packed and unpacked. SPDX-License-Identifier: MIT */
#include "core/judge/judge_metric.h"
#include "core/base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { METRIC_BLOCKS = 3, METRIC_RESAMPLES = 2 };

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

/* ---- states -------------------------------------------------------------------------------------------------------- */

/* Order in which the blocks of a set are merged. */
enum metric_order {
    METRIC_TREE,  /* a tree, ((0 1) 2), as the host merges */
    METRIC_LEFT,  /* from the left: one state, merged with each next */
    METRIC_RIGHT, /* from the right: (0 (1 2)) */
    METRIC_ONE,   /* no merge: one state accumulates all blocks */
    METRIC_PACKED /* METRIC_TREE with states packed and unpacked */
};

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

static int metric_has_intervals(const struct metric_case *c)
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
        .size = sizeof r, .count = METRIC_RESAMPLES, .to = c, .value = metric_again, .parallel = metric_parallel};
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

/* Measures: from the rows to the values, and those of resamples where the shape has some. */
static int metric_measure(struct metric_case *c, enum metric_order order)
{
    void *state[TESS_METRIC_SETS][METRIC_BLOCKS] = {{NULL}};
    int sets = judge_metric_sets(c), status = TESS_OK;
    const struct tess_metric_sink sink = {
        .size = sizeof sink, .to = c, .value = metric_value, .parallel = metric_parallel, .list = metric_list};
    c->values = 0;
    for (int set = 0; set < sets && status == TESS_OK; set++)
        status = metric_set(c, set, order, state[set]);
    for (int set = 1; set < sets && status == TESS_OK; set++)
        status = c->ops->merge(c->self, c->ctx, state[0][0], state[set][0]);
    if (status == TESS_OK)
        status = c->ops->finish(c->self, c->ctx, state[0][0], &sink);
    if (status == TESS_OK && c->shape.resamples && metric_has_intervals(c))
        status = metric_resample(c, state[0][0]);
    for (int k = 0; k < TESS_METRIC_SETS * METRIC_BLOCKS; k++)
        c->ops->close(c->self, state[k / METRIC_BLOCKS][k % METRIC_BLOCKS]);
    return status;
}

/* Measures, with failures as failures of the test. */
static int metric_values(struct metric_case *c, enum metric_order order)
{
    int status = metric_measure(c, order);
    if (*c->j->verdict->text)
        return TESS_E_FAILED;
    JUDGE_TRY(judge_ok(c->j, c->ctx, "measuring", status));
    return c->values ? TESS_OK : judge_fail(c->j, "finish: wanted a value, found none");
}

/* ---- tests --------------------------------------------------------------------------------------------------------- */

/* Measures in two orders of merging; the values must agree within a share of their size. */
static int metric_two_orders(struct judge *j, struct tess_instance *i, enum metric_order a, enum metric_order b, double share,
                             const char *what)
{
    struct metric_case first, second = {.image = NULL};
    int status = judge_metric_open(j, i, 2 * TESS_METRIC_BLOCK + 88, &first);
    if (status == TESS_OK)
        status = metric_values(&first, a);
    if (status == TESS_OK)
        status = judge_metric_open(j, i, 2 * TESS_METRIC_BLOCK + 88, &second);
    if (status == TESS_OK)
        status = metric_values(&second, b);
    if (status == TESS_OK && first.values != second.values)
        status = judge_fail(j, "%s: wanted the same %d values, found %d", what, (int)first.values, (int)second.values);
    for (int32_t k = 0; status == TESS_OK && k < first.values; k++) {
        double x = first.value[k], y = second.value[k];
        int same = strcmp(first.name[k], second.name[k]) == 0 && (x == y || fabs(x - y) <= share * (fabs(x) + fabs(y)));
        if (!same)
            status = judge_fail(j, "%s: wanted `%s` to be %.17g, found `%s` to be %.17g", what, first.name[k], x, second.name[k], y);
    }
    judge_metric_close(&second);
    judge_metric_close(&first);
    return status;
}

static int metric_repeats_body(struct judge *j, struct tess_instance *i)
{
    return metric_two_orders(j, i, METRIC_TREE, METRIC_TREE, 0.0, "measured twice");
}

static int metric_merges_body(struct judge *j, struct tess_instance *i)
{
    return metric_two_orders(j, i, METRIC_LEFT, METRIC_RIGHT, 1e-6, "blocks merged from the first on and from the last back");
}

static int metric_blocks_body(struct judge *j, struct tess_instance *i)
{
    return metric_two_orders(j, i, METRIC_ONE, METRIC_TREE, 1e-6, "one state of all blocks, and one a block");
}

static int metric_packs_body(struct judge *j, struct tess_instance *i)
{
    return metric_two_orders(j, i, METRIC_TREE, METRIC_PACKED, 0.0, "states as they are, and packed and unpacked");
}

static int metric_repeats(struct judge *j)
{
    return judge_over(j, 1 + (int64_t)j->level, metric_repeats_body);
}

static int metric_merges(struct judge *j)
{
    return judge_over(j, 1 + (int64_t)j->level, metric_merges_body);
}

static int metric_blocks(struct judge *j)
{
    return judge_over(j, 1 + (int64_t)j->level, metric_blocks_body);
}

static int metric_packs(struct judge *j)
{
    return judge_over(j, 1 + (int64_t)j->level, metric_packs_body);
}

/* Measures with resamples, from states that are packed and unpacked; then again with none, whose values must be the same. */
static int metric_resamples_body(struct judge *j, struct tess_instance *i)
{
    struct metric_case with, without = {.image = NULL};
    int status = judge_metric_open(j, i, 2 * TESS_METRIC_BLOCK + 88, &with);
    if (status == TESS_OK && !metric_has_intervals(&with))
        status = judge_unfit(j, "it has no intervals");
    with.shape.resamples = METRIC_RESAMPLES;
    if (status == TESS_OK)
        status = metric_values(&with, METRIC_PACKED);
    if (status == TESS_OK && !with.resampled)
        status = judge_unfit(j, "it has no intervals with these parameters");
    if (status == TESS_OK)
        status = judge_metric_open(j, i, 2 * TESS_METRIC_BLOCK + 88, &without);
    if (status == TESS_OK)
        status = metric_values(&without, METRIC_TREE);
    for (int32_t k = 0; status == TESS_OK && k < without.values; k++)
        if (without.value[k] != with.value[k])
            status = judge_fail(j, "wanted `%s` to be %.17g with resamples as without, found %.17g", without.name[k], without.value[k],
                                with.value[k]);
    judge_metric_close(&without);
    judge_metric_close(&with);
    return status;
}

static int metric_resamples(struct judge *j)
{
    return judge_over(j, 1 + (int64_t)j->level, metric_resamples_body);
}

/* Tries few rows: they are refused by `check`, or measured. */
static int metric_few_body(struct judge *j, struct tess_instance *i)
{
    int took = 0;
    for (int64_t rows = 1; rows < 20; rows += 6) {
        struct metric_case c;
        int status = judge_metric_open(j, i, rows, &c);
        if (status == TESS_OK)
            status = metric_values(&c, METRIC_TREE);
        took += status == TESS_OK;
        judge_metric_close(&c);
        tess_forget(j->ctx);
        if (status != JUDGE_UNFIT)
            JUDGE_TRY(status);
        *j->verdict->text = '\0';
    }
    return took ? TESS_OK : judge_unfit(j, "it takes no fewer than 20 rows");
}

static int metric_few(struct judge *j)
{
    return judge_over(j, 1 + (int64_t)j->level, metric_few_body);
}

/* Checks that rows are not changed: they are the host's. */
static int metric_rows_kept_body(struct judge *j, struct tess_instance *i)
{
    struct metric_case c, same = {.image = NULL};
    const int64_t rows = TESS_METRIC_BLOCK;
    int status = judge_metric_open(j, i, rows, &c);
    if (status == TESS_OK)
        status = judge_metric_open(j, i, rows, &same);
    if (status == TESS_OK)
        status = metric_values(&c, METRIC_TREE);
    if (status == TESS_OK && !judge_metric_same(&c, &same))
        status = judge_fail(j, "wanted the rows left as they were, found them changed");
    judge_metric_close(&same);
    judge_metric_close(&c);
    return status;
}

static int metric_rows_kept(struct judge *j)
{
    return judge_over(j, 1, metric_rows_kept_body);
}

/* Unpacks bytes of no state: TESS_E_DATA, or a state that can be closed. */
static int metric_bytes_body(struct judge *j, struct tess_instance *i)
{
    struct metric_case c;
    uint32_t word[64];
    int status = judge_metric_open(j, i, TESS_METRIC_BLOCK, &c);
    for (uint32_t round = 0; status == TESS_OK && round < 32; round++) {
        void *state = NULL;
        const struct tess_stream s = {.seed = j->seed, .step = round};
        tess_random_u32(&s, 0, 64, word);
        status = judge_ok(j, j->ctx, "open", c.ops->open(c.self, j->ctx, &c.shape, &state));
        int unpacked = status == TESS_OK ? c.ops->unpack(c.self, j->ctx, state, word, round * 8) : TESS_OK;
        if (status == TESS_OK)
            status = judge_status(j, j->ctx, "unpack", unpacked);
        if (status == TESS_OK && unpacked != TESS_OK && unpacked != TESS_E_DATA)
            status = judge_fail(j, "unpack of random bytes: wanted TESS_E_DATA (%d), found %d", TESS_E_DATA, unpacked);
        tess_forget(j->ctx);
        c.ops->close(c.self, state);
    }
    judge_metric_close(&c);
    return status;
}

static int metric_bytes(struct judge *j)
{
    return judge_over(j, 1, metric_bytes_body);
}

/* Checks that each failing allocation is reported, and that without one nothing leaks. */
static int metric_memory_body(struct judge *j, struct tess_instance *i)
{
    struct metric_case c;
    int status = judge_metric_open(j, i, TESS_METRIC_BLOCK + 3, &c);
    c.ops->close(c.self, NULL);
    c.shape.resamples = metric_has_intervals(&c) ? METRIC_RESAMPLES : 0;
    for (int64_t n = 0, left = 0; status == TESS_OK && left == 0 && n < 2000; n++) {
        int64_t before = tessi_base_memory_in_use();
        tessi_base_memory_fail_at(n);
        int measured = metric_measure(&c, METRIC_TREE);
        left = n ? tessi_base_memory_fail_left() : 0;
        tessi_base_memory_fail_at(0);
        status = judge_status(j, j->ctx, "measuring", measured);
        if (status == TESS_OK && measured != TESS_OK && (measured != TESS_E_MEMORY || n == 0))
            status = judge_fail(j, "allocation %lld failed: wanted TESS_E_MEMORY (%d), found %d: %s", (long long)n, TESS_E_MEMORY, measured,
                                tess_message(j->ctx));
        if (status == TESS_OK && tessi_base_memory_in_use() != before)
            status = judge_fail(j, "wanted all memory back when its states are closed, found %lld bytes more in use",
                                (long long)(tessi_base_memory_in_use() - before));
        tess_forget(j->ctx);
    }
    judge_metric_close(&c);
    return status;
}

static int metric_memory(struct judge *j)
{
    return judge_over(j, 1, metric_memory_body);
}

static const struct judge_test tests[] = {
    {"value-repeats", 1, "the same rows give the same values, bit for bit; each has a name, a unit, and which is better", metric_repeats},
    {"merge-order", 1, "blocks merged in either order of brackets give the same values", metric_merges},
    {"merge-blocks", 1, "one state of all blocks and one state a block give the same values", metric_blocks},
    {"pack", 1, "states that were packed and unpacked give the same values, bit for bit", metric_packs},
    {"resample", 1, "resamples that have every row once give the values of the rows themselves", metric_resamples},
    {"few-rows", 1, "few rows are refused when it is asked, or measured", metric_few},
    {"rows-kept", 1, "rows are left as they are", metric_rows_kept},
    {"unpack-random", 1, "random bytes are no state: TESS_E_DATA, or a state that closes", metric_bytes},
    {"metric-memory", 1, "whichever allocation fails, the status is TESS_E_MEMORY and all memory comes back", metric_memory},
    {NULL, 0, NULL, NULL}};

const struct judge_kind judge_metric = {"metric/1", tests, NULL};
