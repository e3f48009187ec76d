/* Kind metric/1: states of blocks, merged in any order that keeps the rows', packed and unpacked. SPDX-License-Identifier: MIT */
#include "core/judge/judge_metric.h"
#include "core/base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Measures in two orders of merging; the values must agree within a share of their size. */
static int metric_two_orders(struct judge *j, struct tess_instance *i, enum metric_order a, enum metric_order b, double share,
                             const char *what)
{
    struct metric_case first, second = {.image = NULL};
    int status = judge_metric_open(j, i, 2 * TESS_METRIC_BLOCK + 88, &first);
    if (status == TESS_OK)
        status = judge_metric_values(&first, a);
    if (status == TESS_OK)
        status = judge_metric_open(j, i, 2 * TESS_METRIC_BLOCK + 88, &second);
    if (status == TESS_OK)
        status = judge_metric_values(&second, b);
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
    if (status == TESS_OK && !judge_metric_has_intervals(&with))
        status = judge_unfit(j, "it has no intervals");
    with.shape.resamples = METRIC_RESAMPLES;
    if (status == TESS_OK)
        status = judge_metric_values(&with, METRIC_PACKED);
    if (status == TESS_OK && !with.resampled)
        status = judge_unfit(j, "it has no intervals with these parameters");
    if (status == TESS_OK)
        status = judge_metric_open(j, i, 2 * TESS_METRIC_BLOCK + 88, &without);
    if (status == TESS_OK)
        status = judge_metric_values(&without, METRIC_TREE);
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
            status = judge_metric_values(&c, METRIC_TREE);
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
        status = judge_metric_values(&c, METRIC_TREE);
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
    c.shape.resamples = judge_metric_has_intervals(&c) ? METRIC_RESAMPLES : 0;
    for (int64_t n = 0, left = 0; status == TESS_OK && left == 0 && n < 2000; n++) {
        int64_t before = tessi_base_memory_in_use();
        tessi_base_memory_fail_at(n);
        int measured = judge_metric_measure(&c, METRIC_TREE);
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

/* ---- states beside others, and as bytes ---------------------------------------------------------------------------- */

static int metric_names_body(struct judge *j, struct tess_instance *i)
{
    struct metric_case c;
    int status = judge_metric_open(j, i, TESS_METRIC_BLOCK + 3, &c);
    if (status == TESS_OK)
        status = judge_metric_values(&c, METRIC_TREE);
    for (int32_t k = 0; status == TESS_OK && k < c.values; k++)
        for (int32_t other = 0; other < k && status == TESS_OK; other++)
            if (strcmp(c.name[k], c.name[other]) == 0)
                status = judge_fail(j, "finish: wanted a name of its own for each value, found `%s` twice", c.name[k]);
    judge_metric_close(&c);
    return status;
}

static int metric_names(struct judge *j)
{
    return judge_over(j, 1 + (int64_t)j->level, metric_names_body);
}

/* A state of the first block, packed into memory that the caller frees. */
static int metric_packed(struct metric_case *c, void **state, uint8_t **bytes, int64_t *count)
{
    *state = NULL;
    int status = c->ops->open(c->self, c->ctx, &c->shape, state);
    if (status == TESS_OK)
        status = judge_metric_accumulate(c, *state, TESS_METRIC_IMAGES, 0, TESS_METRIC_BLOCK);
    JUDGE_TRY(judge_ok(c->j, c->ctx, "a state of one block", status));
    *count = c->ops->pack(c->self, *state, NULL);
    *bytes = *count >= 0 ? malloc((size_t)*count + 1) : NULL;
    if (!*bytes)
        return judge_fail(c->j, "pack: wanted a number of bytes, found %lld", (long long)*count);
    (void)c->ops->pack(c->self, *state, *bytes);
    return TESS_OK;
}

/* Packs a state, unpacks it, and packs that: checkpoints of a run that was resumed are those of one that was not. */
static int metric_pack_again_body(struct judge *j, struct tess_instance *i)
{
    struct metric_case c;
    uint8_t *bytes = NULL, *again = NULL;
    void *state = NULL, *other = NULL;
    int64_t count = 0, found = 0;
    int status = judge_metric_open(j, i, TESS_METRIC_BLOCK, &c);
    if (status == TESS_OK)
        status = metric_packed(&c, &state, &bytes, &count);
    if (status == TESS_OK)
        status = judge_ok(j, j->ctx, "open", c.ops->open(c.self, j->ctx, &c.shape, &other));
    if (status == TESS_OK)
        status = judge_ok(j, j->ctx, "unpack", c.ops->unpack(c.self, j->ctx, other, bytes, count));
    if (status == TESS_OK && (found = c.ops->pack(c.self, other, NULL)) != count)
        status = judge_fail(j, "wanted the %lld bytes that it was unpacked from, found %lld", (long long)count, (long long)found);
    if (status == TESS_OK && !(again = malloc((size_t)count + 1)))
        status = judge_fail(j, "no memory for the test");
    if (status == TESS_OK) {
        (void)c.ops->pack(c.self, other, again);
        for (int64_t k = 0; k < count && status == TESS_OK; k++)
            if (bytes[k] != again[k])
                status = judge_fail(j, "wanted the bytes that it was unpacked from, found byte %lld of %lld to differ", (long long)k,
                                    (long long)count);
    }
    free(again);
    free(bytes);
    if (c.ops) {
        c.ops->close(c.self, other);
        c.ops->close(c.self, state);
    }
    judge_metric_close(&c);
    return status;
}

static int metric_pack_again(struct judge *j)
{
    return judge_over(j, 1, metric_pack_again_body);
}

/* Unpacks the beginning of a packed state. */
static int metric_cut_body(struct judge *j, struct tess_instance *i)
{
    enum { CUTS = 16 };
    struct metric_case c;
    uint8_t *bytes = NULL;
    void *state = NULL;
    int64_t count = 0;
    int status = judge_metric_open(j, i, TESS_METRIC_BLOCK, &c);
    if (status == TESS_OK)
        status = metric_packed(&c, &state, &bytes, &count);
    for (int64_t k = 0; k < CUTS && k < count && status == TESS_OK; k++) {
        const int64_t left = count - 1 - k * count / CUTS;
        void *other = NULL;
        status = judge_ok(j, j->ctx, "open", c.ops->open(c.self, j->ctx, &c.shape, &other));
        int unpacked = status == TESS_OK ? c.ops->unpack(c.self, j->ctx, other, bytes, left) : TESS_OK;
        if (status == TESS_OK && unpacked != TESS_E_DATA)
            status = judge_fail(j, "unpack of the first %lld of %lld bytes: wanted TESS_E_DATA (%d), found %d", (long long)left,
                                (long long)count, TESS_E_DATA, unpacked);
        tess_forget(j->ctx);
        c.ops->close(c.self, other);
    }
    free(bytes);
    if (c.ops)
        c.ops->close(c.self, state);
    judge_metric_close(&c);
    return status;
}

static int metric_cut(struct judge *j)
{
    return judge_over(j, 1, metric_cut_body);
}

/* Fills a state while another of the same instance is open and filled with the same rows twice: it packs to the same bytes as alone. */
static int metric_beside_body(struct judge *j, struct tess_instance *i)
{
    struct metric_case c;
    uint8_t *bytes = NULL, *beside = NULL;
    void *state = NULL, *other = NULL, *same = NULL;
    int64_t count = 0, found = 0;
    int status = judge_metric_open(j, i, TESS_METRIC_BLOCK, &c);
    if (status == TESS_OK)
        status = metric_packed(&c, &state, &bytes, &count);
    if (status == TESS_OK)
        status = judge_ok(j, j->ctx, "open", c.ops->open(c.self, j->ctx, &c.shape, &other));
    if (status == TESS_OK)
        status = judge_ok(j, j->ctx, "another state", judge_metric_accumulate(&c, other, TESS_METRIC_IMAGES, 0, TESS_METRIC_BLOCK / 2));
    if (status == TESS_OK)
        status = metric_packed(&c, &same, &beside, &found);
    if (status == TESS_OK && (found != count || memcmp(bytes, beside, (size_t)count) != 0))
        status = judge_fail(j, "wanted a state of the same rows to be the same beside another, found it to differ");
    free(beside);
    free(bytes);
    if (c.ops) {
        c.ops->close(c.self, same);
        c.ops->close(c.self, other);
        c.ops->close(c.self, state);
    }
    judge_metric_close(&c);
    return status;
}

static int metric_beside(struct judge *j)
{
    return judge_over(j, 1, metric_beside_body);
}

static const struct judge_test tests[] = {
    {"value-repeats", 1, "the same rows give the same values, bit for bit; each has a name, a unit, and which is better", metric_repeats},
    {"merge-order", 1, "blocks merged in either order of brackets give the same values", metric_merges},
    {"merge-blocks", 1, "one state of all blocks and one state a block give the same values", metric_blocks},
    {"pack", 1, "states that were packed and unpacked give the same values, bit for bit", metric_packs},
    {"names", 1, "no two values have the same name", metric_names},
    {"pack-again", 1, "a state that was unpacked packs to the same bytes", metric_pack_again},
    {"unpack-cut", 1, "packed bytes cut off anywhere are no state: TESS_E_DATA", metric_cut},
    {"states-apart", 1, "a state of the same rows is the same beside another that is being filled", metric_beside},
    {"resample", 1, "resamples that have every row once give the values of the rows themselves", metric_resamples},
    {"few-rows", 1, "few rows are refused when it is asked, or measured", metric_few},
    {"rows-kept", 1, "rows are left as they are", metric_rows_kept},
    {"unpack-random", 1, "random bytes are no state: TESS_E_DATA, or a state that closes", metric_bytes},
    {"metric-memory", 1, "whichever allocation fails, the status is TESS_E_MEMORY and all memory comes back", metric_memory},
    {NULL, 0, NULL, NULL}};

const struct judge_kind judge_metric = {"metric/1", tests, NULL};
