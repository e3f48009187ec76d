/* Collects rows into blocks, accumulates each block into a state, and merges the states in a binary tree. SPDX-License-Identifier: MIT */
#include "kit/metric/measure.h"

#include <string.h>

int64_t measure_wanted(struct tess_instance *const *instance, int64_t count, uint32_t wants)
{
    int64_t n = 0;
    for (int64_t i = 0; i < count; i++) {
        const struct tess_metric_1 *ops = tess_instance_ops(instance[i], "metric/1");
        n += ops && ops->wants == wants;
    }
    return n;
}

int measure_open(struct tess_context *ctx, struct measure *m, struct tess_instance *const *instance, int64_t count, uint32_t wants,
                 const struct tess_metric_shape *shape, const struct bootstrap *b)
{
    m->wants = wants;
    m->shape = *shape;
    m->shape.size = sizeof m->shape;
    m->bootstrap = b ? *b : (struct bootstrap){.resamples = 0};
    m->shape.resamples = m->bootstrap.resamples;
    for (int64_t i = 0; i < count; i++) {
        const struct tess_metric_1 *ops = tess_instance_ops(instance[i], "metric/1");
        if (!ops || ops->wants != wants)
            continue;
        if (m->metrics == MEASURE_MAX)
            return ctx->fail(ctx, TESS_E_USAGE, "more than %d metrics in one list; take some into another stage", MEASURE_MAX);
        if (ops->check)
            TESS_TRY(
                tess_instance_returned(ctx, instance[i], "metric", "check", ops->check(tess_instance_self(instance[i]), ctx, &m->shape)));
        m->instance[m->metrics] = instance[i];
        m->ops[m->metrics++] = ops;
    }
    return TESS_OK;
}

void measure_drop(struct measure *m, int32_t i)
{
    for (int set = 0; set < TESS_METRIC_SETS; set++) {
        struct measure_tree *t = &m->tree[i][set];
        for (int32_t k = 0; k < t->count; k++)
            m->ops[i]->close(tess_instance_self(m->instance[i]), t->state[k]);
        t->count = 0;
    }
}

void measure_close(struct measure *m)
{
    for (int32_t i = 0; i < m->metrics; i++)
        measure_drop(m, i);
    for (int k = 0; k < TESS_METRIC_SETS * MEASURE_FIELDS; k++)
        tess_free(m->field[k / MEASURE_FIELDS][k % MEASURE_FIELDS].data);
    memset(m, 0, sizeof *m);
}

int measure_uses_training(struct tess_instance *const *instance, int64_t count)
{
    int uses = 0;
    for (int64_t i = 0; i < count; i++) {
        const struct tess_metric_1 *ops = tess_instance_ops(instance[i], "metric/1");
        uses |= ops && TESS_HAS(ops, uses_training) && ops->uses_training;
    }
    return uses;
}

/* Bytes of the rows that wait, without those of a few numbers each. */
static int64_t measure_waiting_bytes(const struct measure *m)
{
    const struct tess_metric_shape *s = &m->shape;
    int64_t pixels = s->height * s->width * s->channels, numbers = TESS_METRIC_SETS * (s->features + 2 * s->classes);
    return TESS_METRIC_BLOCK * (m->wants == TESS_METRIC_PAIRS ? pixels * (int64_t)(1 + sizeof(float)) : numbers * (int64_t)sizeof(float));
}

int64_t measure_bytes(const struct measure *m)
{
    int64_t bytes = m->metrics ? measure_waiting_bytes(m) + bootstrap_bytes(&m->bootstrap, m->shape.rows) : 0;
    for (int32_t i = 0; i < m->metrics; i++)
        if (m->ops[i]->bytes)
            bytes += m->ops[i]->bytes(tess_instance_self(m->instance[i]), &m->shape);
    return bytes;
}

/* Merges the last two states of the tree into one. */
static int measure_merge_top(struct tess_context *ctx, struct measure *m, int32_t i, struct measure_tree *t)
{
    void *self = tess_instance_self(m->instance[i]), *next = t->state[--t->count];
    int status = tess_instance_returned(ctx, m->instance[i], "metric", "merge", m->ops[i]->merge(self, ctx, t->state[t->count - 1], next));
    t->blocks[t->count - 1] += t->blocks[t->count];
    m->ops[i]->close(self, next);
    return status;
}

static int measure_push(struct tess_context *ctx, struct measure *m, int32_t i, const struct tess_metric_rows *rows)
{
    struct measure_tree *t = &m->tree[i][rows->set];
    void *self = tess_instance_self(m->instance[i]), *state = NULL;
    TESS_TRY(tess_instance_returned(ctx, m->instance[i], "metric", "open", m->ops[i]->open(self, ctx, &m->shape, &state)));
    t->state[t->count] = state;
    t->blocks[t->count++] = 1;
    TESS_TRY(tess_instance_returned(ctx, m->instance[i], "metric", "accumulate", m->ops[i]->accumulate(self, ctx, state, rows)));
    while (t->count > 1 && t->blocks[t->count - 1] == t->blocks[t->count - 2])
        TESS_TRY(measure_merge_top(ctx, m, i, t));
    return TESS_OK;
}

static void measure_rows_of(uint32_t wants, const struct tess_tensor *field, struct tess_metric_rows *rows)
{
    switch (wants) {
    case TESS_METRIC_PAIRS:
        rows->image = &field[0];
        rows->made = &field[1];
        break;
    case TESS_METRIC_DISTANCES:
        rows->distance = &field[0];
        break;
    case TESS_METRIC_CLASSES:
        rows->scores = &field[0];
        rows->labels = &field[1];
        rows->made_scores = field[2].data ? &field[2] : NULL;
        break;
    case TESS_METRIC_CODES:
        rows->codes = &field[0];
        break;
    default:
        rows->features = &field[0];
    }
}

/* Accumulates rows first .. first + count - 1 of a set, at most a block. `stay`: the memory of `field` stays until the end. */
static int measure_accumulate(struct tess_context *ctx, struct measure *m, int32_t set, int64_t first, int64_t count, int32_t stay,
                              struct tess_tensor field[MEASURE_FIELDS])
{
    struct tess_metric_rows rows = {.size = sizeof rows, .set = set, .first = first, .count = count, .stay = stay};
    for (int k = 0; k < MEASURE_FIELDS; k++)
        field[k].dim[0] = count;
    measure_rows_of(m->wants, field, &rows);
    for (int32_t i = 0; i < m->metrics; i++)
        if (set != TESS_METRIC_TRAINING || measure_uses_training(&m->instance[i], 1))
            TESS_TRY(measure_push(ctx, m, i, &rows));
    return TESS_OK;
}

/* Accumulates the waiting rows of a set as one block. */
static int measure_block(struct tess_context *ctx, struct measure *m, int32_t set)
{
    struct tess_tensor field[MEASURE_FIELDS];
    int64_t count = m->waiting[set];
    memcpy(field, m->field[set], sizeof field);
    m->waiting[set] = 0;
    return count ? measure_accumulate(ctx, m, set, m->fed[set] - count, count, 0, field) : TESS_OK;
}

int measure_feed_staying(struct tess_context *ctx, struct measure *m, int32_t set, const struct tess_tensor *rows)
{
    int64_t n = rows->dim[0];
    size_t row = n ? tess_tensor_bytes(rows) / (size_t)n : 0;
    for (int64_t i = 0; m->metrics && i < n; i += TESS_METRIC_BLOCK) {
        struct tess_tensor field[MEASURE_FIELDS] = {*rows};
        field[0].data = (char *)rows->data + (size_t)i * row;
        TESS_TRY(measure_accumulate(ctx, m, set, i, n - i < TESS_METRIC_BLOCK ? n - i : TESS_METRIC_BLOCK, 1, field));
    }
    m->fed[set] += n;
    return TESS_OK;
}

/* Allocates the rows of a block, of the size that the first rows have. */
static int measure_reserve(struct tess_context *ctx, struct measure *m, int32_t set, int32_t fields, const struct tess_tensor *const *from)
{
    for (int32_t k = 0; k < fields; k++) {
        struct tess_tensor *t = &m->field[set][k];
        if (t->data)
            continue;
        *t = *from[k];
        t->dim[0] = TESS_METRIC_BLOCK;
        t->data = NULL;
        TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(t), "rows to measure", &t->data));
    }
    return TESS_OK;
}

int measure_feed(struct tess_context *ctx, struct measure *m, int32_t set, int32_t fields, const struct tess_tensor *const *field)
{
    int64_t n = field[0]->dim[0];
    if (!m->metrics || !n)
        return TESS_OK;
    TESS_TRY(measure_reserve(ctx, m, set, fields, field));
    for (int64_t i = 0; i < n;) {
        int64_t at = m->waiting[set], space = TESS_METRIC_BLOCK - at, take = n - i < space ? n - i : space;
        for (int32_t k = 0; k < fields; k++) {
            size_t row = tess_tensor_bytes(field[k]) / (size_t)n;
            memcpy((char *)m->field[set][k].data + (size_t)at * row, (const char *)field[k]->data + (size_t)i * row, (size_t)take * row);
        }
        m->waiting[set] += take;
        m->fed[set] += take;
        i += take;
        if (m->waiting[set] == TESS_METRIC_BLOCK)
            TESS_TRY(measure_block(ctx, m, set));
    }
    return TESS_OK;
}

int measure_gather(struct tess_context *ctx, struct measure *m, int32_t i, void **state)
{
    struct measure_tree *all = &m->tree[i][0];
    *state = NULL;
    for (int32_t set = 0; set < TESS_METRIC_SETS; set++) {
        struct measure_tree *t = &m->tree[i][set];
        TESS_TRY(measure_block(ctx, m, set)); /* the last rows; for all metrics at once, none are left for the next */
        while (t->count > 1)
            TESS_TRY(measure_merge_top(ctx, m, i, t));
        if (set && t->count) {
            all->blocks[all->count] = t->blocks[0];
            all->state[all->count++] = t->state[--t->count];
            if (all->count > 1)
                TESS_TRY(measure_merge_top(ctx, m, i, all));
        }
    }
    if (!all->count)
        return ctx->fail(ctx, TESS_E_INTERNAL, "a metric was given no rows");
    *state = all->state[0];
    return TESS_OK;
}
