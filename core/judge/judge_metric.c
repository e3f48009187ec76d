/* Kind metric/1: states of blocks, merged in any order that keeps the rows', packed and unpacked. SPDX-License-Identifier: MIT */
#include "core/judge/judge_private.h"
#include "core/base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { METRIC_SIDE = 12, METRIC_FEATURES = 6, METRIC_BLOCKS = 3, METRIC_VALUES = 64 };

/* State of a test: rows of the sets, of pairs the first alone; and the values of a finish. */
struct metric_case {
    struct judge *j;
    struct tess_context *ctx;
    const struct tess_metric_1 *ops;
    void *self;
    struct tess_metric_shape shape;
    uint8_t *image;
    float *made, *features[TESS_METRIC_SETS];
    int32_t values;
    char name[METRIC_VALUES][64];
    double value[METRIC_VALUES];
};

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

static int metric_parallel(void *to, struct tess_context *ctx, int64_t n, int (*task)(void *user, struct tess_context *ctx, int64_t i),
                           void *user)
{
    (void)to;
    for (int64_t i = 0; i < n; i++)
        TESS_TRY(task(user, ctx, i));
    return TESS_OK;
}

/* ---- rows ---------------------------------------------------------------------------------------------------------- */

static void metric_close(struct metric_case *c)
{
    free(c->image);
    free(c->made);
    for (int set = 0; set < TESS_METRIC_SETS; set++)
        free(c->features[set]);
}

/* Draws the rows: smooth images with a reconstruction that is near; vectors of two different normal distributions. */
static int metric_open(struct judge *j, struct tess_instance *i, int64_t rows, struct metric_case *c)
{
    const int64_t pixels = METRIC_SIDE * METRIC_SIDE * 3;
    const struct tess_stream s = {.seed = j->seed};
    *c = (struct metric_case){.j = j, .ctx = j->ctx, .ops = tess_instance_ops(i, "metric/1"), .self = tess_instance_self(i)};
    c->shape = (struct tess_metric_shape){.size = sizeof c->shape,
                                          .rows = {rows, rows > 40 ? rows - 40 : rows, rows},
                                          .height = METRIC_SIDE,
                                          .width = METRIC_SIDE,
                                          .channels = 3,
                                          .features = c->ops->wants == TESS_METRIC_FEATURES ? METRIC_FEATURES : 0};
    c->image = malloc((size_t)(rows * pixels));
    c->made = malloc((size_t)(rows * pixels) * sizeof(float));
    int missing = !c->image || !c->made;
    for (int set = 0; set < TESS_METRIC_SETS; set++) {
        c->features[set] = malloc((size_t)(rows * METRIC_FEATURES) * sizeof(float));
        missing |= !c->features[set];
    }
    if (missing)
        return judge_fail(j, "no memory for the test");
    tess_random_normal(&s, 0, rows * pixels, c->made);
    for (int64_t k = 0; k < rows * pixels; k++) {
        double x = 0.5 + 0.4 * sin(0.07 * (double)(k % 4001));
        c->image[k] = (uint8_t)(255.0 * x);
        c->made[k] = (float)(x + 0.05 * (double)c->made[k]);
    }
    for (int set = 0; set < TESS_METRIC_SETS; set++) {
        tess_random_normal(&s, (uint64_t)(1 + set) << 32, rows * METRIC_FEATURES, c->features[set]);
        for (int64_t k = 0; k < rows * METRIC_FEATURES && set == TESS_METRIC_SAMPLES; k++)
            c->features[1][k] = 0.3f + 1.2f * c->features[1][k];
    }
    if (!c->ops->check)
        return TESS_OK;
    int checked = c->ops->check(c->self, j->ctx, &c->shape);
    JUDGE_TRY(judge_status(j, j->ctx, "check", checked));
    if (checked != TESS_OK && checked != TESS_E_VALUE && checked != TESS_E_SHAPE)
        return judge_fail(j, "check: wanted TESS_E_VALUE or TESS_E_SHAPE for rows that do not do, found %d", checked);
    return checked == TESS_OK ? TESS_OK : judge_unfit(j, "%s", tess_message(j->ctx));
}

static int metric_accumulate(struct metric_case *c, void *state, int32_t set, int64_t first, int64_t count)
{
    const int64_t pixels = METRIC_SIDE * METRIC_SIDE * 3;
    const int64_t images[4] = {count, METRIC_SIDE, METRIC_SIDE, 3}, vectors[2] = {count, METRIC_FEATURES};
    struct tess_tensor image = tess_tensor_over(c->image + first * pixels, TESS_U8, 4, images);
    struct tess_tensor made = tess_tensor_over(c->made + first * pixels, TESS_F32, 4, images);
    struct tess_tensor features = tess_tensor_over(c->features[set] + first * METRIC_FEATURES, TESS_F32, 2, vectors);
    int pairs = c->ops->wants == TESS_METRIC_PAIRS;
    const struct tess_metric_rows rows = {.size = sizeof rows,
                                          .set = set,
                                          .first = first,
                                          .count = count,
                                          .image = pairs ? &image : NULL,
                                          .made = pairs ? &made : NULL,
                                          .features = pairs ? NULL : &features};
    return c->ops->accumulate(c->self, c->ctx, state, &rows);
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
            status = metric_accumulate(c, state[at], set, first, count);
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

/* Measures: from the rows to the values. */
static int metric_measure(struct metric_case *c, enum metric_order order)
{
    void *state[TESS_METRIC_SETS][METRIC_BLOCKS] = {{NULL}};
    int sets = c->ops->wants != TESS_METRIC_FEATURES ? 1 : c->ops->uses_training ? 3 : 2, status = TESS_OK;
    const struct tess_metric_sink sink = {.size = sizeof sink, .to = c, .value = metric_value, .parallel = metric_parallel};
    c->values = 0;
    for (int set = 0; set < sets && status == TESS_OK; set++)
        status = metric_set(c, set, order, state[set]);
    for (int set = 1; set < sets && status == TESS_OK; set++)
        status = c->ops->merge(c->self, c->ctx, state[0][0], state[set][0]);
    if (status == TESS_OK)
        status = c->ops->finish(c->self, c->ctx, state[0][0], &sink);
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
    int status = metric_open(j, i, 2 * TESS_METRIC_BLOCK + 88, &first);
    if (status == TESS_OK)
        status = metric_values(&first, a);
    if (status == TESS_OK)
        status = metric_open(j, i, 2 * TESS_METRIC_BLOCK + 88, &second);
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
    metric_close(&second);
    metric_close(&first);
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

/* Tries few rows: they are refused by `check`, or measured. */
static int metric_few_body(struct judge *j, struct tess_instance *i)
{
    int took = 0;
    for (int64_t rows = 1; rows < 20; rows += 6) {
        struct metric_case c;
        int status = metric_open(j, i, rows, &c);
        if (status == TESS_OK)
            status = metric_values(&c, METRIC_TREE);
        took += status == TESS_OK;
        metric_close(&c);
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
    const int64_t rows = TESS_METRIC_BLOCK, pixels = METRIC_SIDE * METRIC_SIDE * 3;
    int status = metric_open(j, i, rows, &c);
    if (status == TESS_OK)
        status = metric_open(j, i, rows, &same);
    if (status == TESS_OK)
        status = metric_values(&c, METRIC_TREE);
    if (status == TESS_OK && (memcmp(c.image, same.image, (size_t)(rows * pixels)) != 0 ||
                              memcmp(c.made, same.made, (size_t)(rows * pixels) * sizeof(float)) != 0 ||
                              memcmp(c.features[0], same.features[0], (size_t)(rows * METRIC_FEATURES) * sizeof(float)) != 0 ||
                              memcmp(c.features[1], same.features[1], (size_t)(rows * METRIC_FEATURES) * sizeof(float)) != 0))
        status = judge_fail(j, "wanted the rows left as they were, found them changed");
    metric_close(&same);
    metric_close(&c);
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
    int status = metric_open(j, i, TESS_METRIC_BLOCK, &c);
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
    metric_close(&c);
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
    int status = metric_open(j, i, TESS_METRIC_BLOCK + 3, &c);
    c.ops->close(c.self, NULL);
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
    metric_close(&c);
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
    {"few-rows", 1, "few rows are refused when it is asked, or measured", metric_few},
    {"rows-kept", 1, "rows are left as they are", metric_rows_kept},
    {"unpack-random", 1, "random bytes are no state: TESS_E_DATA, or a state that closes", metric_bytes},
    {"metric-memory", 1, "whichever allocation fails, the status is TESS_E_MEMORY and all memory comes back", metric_memory},
    {NULL, 0, NULL, NULL}};

const struct judge_kind judge_metric = {"metric/1", tests, NULL};
