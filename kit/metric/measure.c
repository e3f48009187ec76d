/* Collects rows into blocks, accumulates each block into a state, and merges the states in a binary tree. SPDX-License-Identifier: MIT */
#include "kit/metric/measure.h"

#include <string.h>

static int64_t measure_row_values(const struct measure *m)
{
    return m->shape.height * m->shape.width * m->shape.channels;
}

static int measure_buffers(struct tess_context *ctx, struct measure *m, uint32_t wants)
{
    const struct tess_metric_shape *s = &m->shape;
    const int64_t pixels[4] = {TESS_METRIC_BLOCK, s->height, s->width, s->channels}, vectors[2] = {TESS_METRIC_BLOCK, s->features};
    if (wants == TESS_METRIC_PAIRS) {
        m->image = tess_tensor_over(NULL, TESS_U8, 4, pixels);
        m->made = tess_tensor_over(NULL, TESS_F32, 4, pixels);
        TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(&m->image), "images to measure", &m->image.data));
        return tess_alloc(ctx, tess_tensor_bytes(&m->made), "reconstructions to measure", &m->made.data);
    }
    for (int set = 0; set < TESS_METRIC_SETS; set++) {
        m->features[set] = tess_tensor_over(NULL, TESS_F32, 2, vectors);
        TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(&m->features[set]), "features to measure", &m->features[set].data));
    }
    return TESS_OK;
}

int measure_open(struct tess_context *ctx, struct measure *m, struct tess_instance *const *instance, int64_t count, uint32_t wants,
                 const struct tess_metric_shape *shape)
{
    m->shape = *shape;
    m->shape.size = sizeof m->shape;
    for (int64_t i = 0; i < count; i++) {
        const struct tess_metric_1 *ops = tess_instance_ops(instance[i], "metric/1");
        if (!ops || ops->wants != wants)
            continue;
        if (m->metrics == MEASURE_MAX)
            return ctx->fail(ctx, TESS_E_USAGE, "more than %d metrics in one list; take some into another stage", MEASURE_MAX);
        if (ops->check)
            TESS_TRY(ops->check(tess_instance_self(instance[i]), ctx, &m->shape));
        m->instance[m->metrics] = instance[i];
        m->ops[m->metrics++] = ops;
    }
    return m->metrics ? measure_buffers(ctx, m, wants) : TESS_OK;
}

static void measure_drop(struct measure *m, int32_t i, int set)
{
    struct measure_tree *t = &m->tree[i][set];
    for (int32_t k = 0; k < t->count; k++)
        m->ops[i]->close(tess_instance_self(m->instance[i]), t->state[k]);
    t->count = 0;
}

void measure_close(struct measure *m)
{
    for (int32_t i = 0; i < m->metrics; i++) {
        for (int set = 0; set < TESS_METRIC_SETS; set++)
            measure_drop(m, i, set);
    }
    tess_free(m->image.data);
    tess_free(m->made.data);
    for (int set = 0; set < TESS_METRIC_SETS; set++)
        tess_free(m->features[set].data);
    memset(m, 0, sizeof *m);
}

int measure_uses_training(struct tess_instance *const *instance, int64_t count)
{
    int uses = 0;
    for (int64_t i = 0; i < count; i++) {
        const struct tess_metric_1 *ops = tess_instance_ops(instance[i], "metric/1");
        uses |= ops && ops->uses_training;
    }
    return uses;
}

int64_t measure_bytes(const struct measure *m)
{
    int64_t bytes = 0;
    for (int32_t i = 0; i < m->metrics; i++)
        if (m->ops[i]->bytes)
            bytes += m->ops[i]->bytes(tess_instance_self(m->instance[i]), &m->shape);
    if (m->image.data)
        bytes += (int64_t)(tess_tensor_bytes(&m->image) + tess_tensor_bytes(&m->made));
    if (m->features[0].data)
        bytes += TESS_METRIC_SETS * (int64_t)tess_tensor_bytes(&m->features[0]);
    return bytes;
}

/* Merges the last two states of the tree into one. */
static int measure_merge_top(struct tess_context *ctx, struct measure *m, int32_t i, struct measure_tree *t)
{
    void *self = tess_instance_self(m->instance[i]), *next = t->state[--t->count];
    int status = m->ops[i]->merge(self, ctx, t->state[t->count - 1], next);
    t->blocks[t->count - 1] += t->blocks[t->count];
    m->ops[i]->close(self, next);
    return status;
}

static int measure_push(struct tess_context *ctx, struct measure *m, int32_t i, const struct tess_metric_rows *rows)
{
    struct measure_tree *t = &m->tree[i][rows->set];
    void *self = tess_instance_self(m->instance[i]), *state = NULL;
    TESS_TRY(m->ops[i]->open(self, ctx, &m->shape, &state));
    t->state[t->count] = state;
    t->blocks[t->count++] = 1;
    TESS_TRY(m->ops[i]->accumulate(self, ctx, state, rows));
    while (t->count > 1 && t->blocks[t->count - 1] == t->blocks[t->count - 2])
        TESS_TRY(measure_merge_top(ctx, m, i, t));
    return TESS_OK;
}

/* Accumulates the waiting rows of a set as one block. */
static int measure_block(struct tess_context *ctx, struct measure *m, int32_t set)
{
    struct tess_tensor image = m->image, made = m->made, features = m->features[set];
    struct tess_metric_rows rows = {.size = sizeof rows, .set = set, .first = m->fed[set] - m->waiting[set], .count = m->waiting[set]};
    image.dim[0] = made.dim[0] = features.dim[0] = m->waiting[set];
    if (m->image.data) {
        rows.image = &image;
        rows.made = &made;
    } else {
        rows.features = &features;
    }
    m->waiting[set] = 0;
    for (int32_t i = 0; rows.count && i < m->metrics; i++)
        if (set != TESS_METRIC_TRAINING || m->ops[i]->uses_training)
            TESS_TRY(measure_push(ctx, m, i, &rows));
    return TESS_OK;
}

/* Number of the n rows that still fit into the block; the caller copies them. */
static int64_t measure_take(struct measure *m, int32_t set, int64_t n)
{
    int64_t space = TESS_METRIC_BLOCK - m->waiting[set], take = n < space ? n : space;
    m->waiting[set] += take;
    m->fed[set] += take;
    return take;
}

int measure_pairs(struct tess_context *ctx, struct measure *m, const struct tess_tensor *image, const struct tess_tensor *made)
{
    int64_t n = image->dim[0], values = measure_row_values(m);
    for (int64_t i = 0; m->metrics && i < n;) {
        int64_t at = m->waiting[0], take = measure_take(m, 0, n - i);
        memcpy((uint8_t *)m->image.data + at * values, (const uint8_t *)image->data + i * values, (size_t)(take * values));
        memcpy((float *)m->made.data + at * values, (const float *)made->data + i * values, (size_t)(take * values) * sizeof(float));
        i += take;
        if (m->waiting[0] == TESS_METRIC_BLOCK)
            TESS_TRY(measure_block(ctx, m, 0));
    }
    return TESS_OK;
}

int measure_features(struct tess_context *ctx, struct measure *m, int32_t set, const struct tess_tensor *features)
{
    int64_t n = features->dim[0], d = m->shape.features;
    for (int64_t i = 0; m->metrics && i < n;) {
        int64_t at = m->waiting[set], take = measure_take(m, set, n - i);
        memcpy((float *)m->features[set].data + at * d, (const float *)features->data + i * d, (size_t)(take * d) * sizeof(float));
        i += take;
        if (m->waiting[set] == TESS_METRIC_BLOCK)
            TESS_TRY(measure_block(ctx, m, set));
    }
    return TESS_OK;
}

/* ---- results ---- */

struct measure_results {
    struct tess_stage_run *run;
    struct tess_artefact *artefact;
};

static int measure_value(void *to, struct tess_context *ctx, const struct tess_metric_value *v)
{
    const struct measure_results *r = to;
    return tess_artefact_put_metric_value(ctx, r->artefact, v);
}

struct measure_task {
    int (*task)(void *user, struct tess_context *ctx, int64_t i);
    void *user;
};

static int measure_call(void *user, struct tess_context *ctx, int32_t worker, int64_t i)
{
    const struct measure_task *t = user;
    (void)worker;
    return t->task(t->user, ctx, i);
}

static int measure_parallel(void *to, struct tess_context *ctx, int64_t n, int (*task)(void *user, struct tess_context *ctx, int64_t i),
                            void *user)
{
    const struct measure_results *r = to;
    struct measure_task t = {task, user};
    return tess_stage_parallel(ctx, r->run, n, measure_call, &t);
}

/* Merges the states left in the trees, set after set, into one. */
static int measure_gather(struct tess_context *ctx, struct measure *m, int32_t i, void **state)
{
    struct measure_tree *first = &m->tree[i][0];
    for (int set = 0; set < TESS_METRIC_SETS; set++)
        while (m->tree[i][set].count > 1)
            TESS_TRY(measure_merge_top(ctx, m, i, &m->tree[i][set]));
    if (!first->count)
        return ctx->fail(ctx, TESS_E_INTERNAL, "a metric was given no rows");
    for (int set = 1; set < TESS_METRIC_SETS; set++)
        if (m->tree[i][set].count)
            TESS_TRY(m->ops[i]->merge(tess_instance_self(m->instance[i]), ctx, first->state[0], m->tree[i][set].state[0]));
    *state = first->state[0];
    return TESS_OK;
}

int measure_finish(struct tess_context *ctx, struct measure *m, struct tess_stage_run *run, struct tess_artefact *a)
{
    struct measure_results r = {run, a};
    const struct tess_metric_sink sink = {.size = sizeof sink, .to = &r, .value = measure_value, .parallel = measure_parallel};
    for (int32_t set = 0; set < TESS_METRIC_SETS; set++)
        TESS_TRY(measure_block(ctx, m, set));
    for (int32_t i = 0; i < m->metrics; i++) {
        void *state = NULL;
        TESS_TRY(measure_gather(ctx, m, i, &state));
        TESS_TRY(m->ops[i]->finish(tess_instance_self(m->instance[i]), ctx, state, &sink));
        for (int set = 0; set < TESS_METRIC_SETS; set++)
            measure_drop(m, i, set);
    }
    return TESS_OK;
}
