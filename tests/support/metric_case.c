/* See metric_case.h. SPDX-License-Identifier: MIT */
#include "tests/support/metric_case.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void metric_ok(struct tess_context *ctx, int status)
{
    ck_assert_msg(status == TESS_OK, "status %d: %s", status, tess_message(ctx));
}

static int metric_put_value(void *to, struct tess_context *ctx, const struct tess_metric_value *found)
{
    struct metric_values *v = to;
    (void)ctx;
    ck_assert_ptr_nonnull(found->unit);
    ck_assert(found->better == TESS_METRIC_LOWER || found->better == TESS_METRIC_HIGHER);
    ck_assert_int_lt(v->count, METRIC_CASE_VALUES);
    snprintf(v->name[v->count], sizeof v->name[0], "%s", found->name);
    v->error[v->count] = found->standard_error;
    v->value[v->count++] = found->value;
    return TESS_OK;
}

static int metric_put_list(void *to, struct tess_context *ctx, const char *name, const char *labels, const char *unit, int64_t n,
                           const float *values)
{
    struct metric_values *v = to;
    (void)ctx;
    ck_assert(labels && unit && v->lists < 4);
    snprintf(v->list[v->lists], sizeof v->list[0], "%s", name);
    memcpy(v->item[v->lists++], values, (size_t)(n < 8 ? n : 8) * sizeof *values);
    return TESS_OK;
}

/* Tasks from the last to the first: nothing may depend on their order. */
static int metric_in_turn(void *to, struct tess_context *ctx, int64_t n, int (*task)(void *user, struct tess_context *ctx, int64_t i),
                          void *user)
{
    (void)to;
    for (int64_t i = n - 1; i >= 0; i--)
        TESS_TRY(task(user, ctx, i));
    return TESS_OK;
}

static int metric_dealt(void *to, struct tess_context *ctx, int64_t n, int (*task)(void *user, struct tess_context *ctx, int64_t i),
                        void *user, void *items, int64_t bytes)
{
    (void)items;
    (void)bytes;
    return metric_in_turn(to, ctx, n, task, user);
}

void metric_case_open(struct metric_case *m, struct tess_context *ctx, const char *config, const struct tess_metric_shape *shape)
{
    *m = (struct metric_case){.ctx = ctx, .shape = *shape};
    metric_ok(ctx, tess_instance_open(ctx, "metric/1", config, "test", &m->instance));
    m->ops = tess_instance_ops(m->instance, "metric/1");
    m->self = tess_instance_self(m->instance);
    metric_ok(ctx, m->ops->check ? m->ops->check(m->self, ctx, &m->shape) : TESS_OK);
    metric_ok(ctx, m->ops->open(m->self, ctx, &m->shape, &m->state));
}

void metric_case_close(struct metric_case *m)
{
    m->ops->close(m->self, m->state);
    tess_instance_close(m->instance);
}

void metric_case_add(struct metric_case *m, const struct tess_metric_rows *rows)
{
    void *one = NULL, *again = NULL;
    metric_ok(m->ctx, m->ops->open(m->self, m->ctx, &m->shape, &one));
    metric_ok(m->ctx, m->ops->accumulate(m->self, m->ctx, one, rows));
    int64_t bytes = m->ops->pack(m->self, one, NULL);
    char *kept = malloc((size_t)bytes + 1);
    ck_assert_int_eq(m->ops->pack(m->self, one, kept), bytes);
    metric_ok(m->ctx, m->ops->open(m->self, m->ctx, &m->shape, &again));
    metric_ok(m->ctx, m->ops->unpack(m->self, m->ctx, again, kept, bytes));
    metric_ok(m->ctx, m->ops->merge(m->self, m->ctx, m->state, again));
    m->ops->close(m->self, one);
    m->ops->close(m->self, again);
    free(kept);
}

void metric_case_features(struct metric_case *m, int32_t set, const float *x, int64_t n, int64_t d, int64_t block)
{
    for (int64_t first = 0; first < n; first += block) {
        int64_t count = first + block < n ? block : n - first;
        const struct tess_tensor t = tess_tensor_over((void *)(uintptr_t)(x + first * d), TESS_F32, 2, (const int64_t[]){count, d});
        metric_case_add(m, &(struct tess_metric_rows){
                               .size = sizeof(struct tess_metric_rows), .set = set, .first = first, .count = count, .features = &t});
    }
}

void metric_case_finish(struct metric_case *m, struct metric_values *v)
{
    const struct tess_metric_sink sink = {.size = sizeof sink,
                                          .to = v,
                                          .value = metric_put_value,
                                          .parallel = metric_in_turn,
                                          .list = metric_put_list,
                                          .dealt = metric_dealt};
    memset(v, 0, sizeof *v);
    metric_ok(m->ctx, m->ops->finish(m->self, m->ctx, m->state, &sink));
}

struct metric_again {
    const char *name;
    double value;
};

static int metric_put_again(void *to, struct tess_context *ctx, int64_t r, const char *name, double value)
{
    struct metric_again *a = to;
    (void)ctx;
    ck_assert_int_eq(r, 0);
    if (strcmp(name, a->name) == 0)
        a->value = value;
    return TESS_OK;
}

double metric_case_resampled(struct metric_case *m, const uint16_t *const times[2], const char *name)
{
    struct metric_again a = {name, (double)NAN};
    const struct tess_metric_resamples r = {.size = sizeof r,
                                            .count = 1,
                                            .rows = {m->shape.rows[0], m->shape.rows[1], m->shape.rows[2]},
                                            .times = {times[0], times[1], NULL},
                                            .to = &a,
                                            .value = metric_put_again,
                                            .parallel = metric_in_turn,
                                            .dealt = metric_dealt};
    ck_assert_ptr_nonnull(m->ops->resample);
    metric_ok(m->ctx, m->ops->resample(m->self, m->ctx, m->state, &r));
    return a.value;
}

static int metric_named(const struct metric_values *v, const char *name)
{
    for (int i = 0; i < v->count; i++)
        if (strcmp(v->name[i], name) == 0)
            return i;
    ck_abort_msg("there is no value `%s`", name);
    return 0;
}

double metric_value_named(const struct metric_values *v, const char *name)
{
    return v->value[metric_named(v, name)];
}

double metric_error_named(const struct metric_values *v, const char *name)
{
    return v->error[metric_named(v, name)];
}

const float *metric_list_named(const struct metric_values *v, const char *name)
{
    for (int i = 0; i < v->lists; i++)
        if (strcmp(v->list[i], name) == 0)
            return v->item[i];
    ck_abort_msg("there is no list `%s`", name);
    return NULL;
}
