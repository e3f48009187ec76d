/* The end of a measurement: attributes of the result; each metric's results, what they come to on resamples, and their intervals, written
 * into the artefact. SPDX-License-Identifier: MIT */
#include "kit/metric/measure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int measure_describe_metric(struct tess_context *ctx, const struct measure *m, int32_t i, struct tess_attrs *f)
{
    char key[160];
    snprintf(key, sizeof key, "metric_%s", tess_instance_name(m->instance[i]));
    TESS_TRY(tess_attrs_set_text(ctx, f, key, tess_instance_config_text(m->instance[i])));
    snprintf(key, sizeof key, "protocol_%s", tess_instance_name(m->instance[i]));
    return m->ops[i]->protocol ? tess_attrs_set_text(ctx, f, key, m->ops[i]->protocol) : TESS_OK;
}

int measure_describe(struct tess_context *ctx, const struct measure *m, struct tess_attrs *f)
{
    for (int32_t i = 0; i < m->metrics; i++)
        TESS_TRY(measure_describe_metric(ctx, m, i, f));
    if (!m->metrics || !m->bootstrap.resamples)
        return TESS_OK;
    TESS_TRY(tess_attrs_set_i64(ctx, f, "bootstrap", m->bootstrap.resamples));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "bootstrap_seed", (int64_t)m->bootstrap.seed));
    return tess_attrs_set_text(ctx, f, "bootstrap_interval", "percentiles 2.5 and 97.5; standard error: deviation over the resamples");
}

/* Result of a metric, its texts copied. */
struct measure_value {
    struct tess_metric_value v;
    char name[128], unit[64];
    double *again; /* [resample]: its value there, NaN until it is told; NULL without resamples */
};

struct measure_results {
    struct tess_stage_run *run;
    struct tess_artefact *artefact;
    struct measure_value *value;
    int64_t values, capacity;
};

static int measure_value(void *to, struct tess_context *ctx, const struct tess_metric_value *v)
{
    struct measure_results *r = to;
    TESS_TRY(tess_reserve(ctx, &r->value, &r->capacity, r->values + 1, sizeof *r->value, "results of a metric"));
    struct measure_value *own = &r->value[r->values];
    *own = (struct measure_value){.v = *v};
    snprintf(own->name, sizeof own->name, "%s", v->name);
    snprintf(own->unit, sizeof own->unit, "%s", v->unit ? v->unit : "");
    r->values++;
    return TESS_OK;
}

static int measure_list(void *to, struct tess_context *ctx, const char *name, const char *labels, const char *unit, int64_t n,
                        const float *values)
{
    const struct measure_results *r = to;
    const struct tess_dataset d = {.size = sizeof d, .labels = labels, .unit = unit};
    const struct tess_tensor t = tess_tensor_over((void *)(uintptr_t)values, TESS_F32, 1, &n);
    char path[160];
    snprintf(path, sizeof path, "measured/%s", name);
    return tess_artefact_put(ctx, r->artefact, path, &t, &d);
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

static int measure_dealt(void *to, struct tess_context *ctx, int64_t n, int (*task)(void *user, struct tess_context *ctx, int64_t i),
                         void *user, void *items, int64_t bytes)
{
    const struct measure_results *r = to;
    struct measure_task t = {task, user};
    TESS_TRY(tess_stage_dealt(ctx, r->run, n, measure_call, &t));
    return tess_stage_gather(ctx, r->run, items, n, bytes);
}

static int measure_again(void *to, struct tess_context *ctx, int64_t resample, const char *name, double value)
{
    struct measure_results *r = to;
    for (int64_t i = 0; i < r->values; i++)
        if (strcmp(r->value[i].name, name) == 0) {
            r->value[i].again[resample] = value;
            return TESS_OK;
        }
    return ctx->fail(ctx, TESS_E_INTERNAL, "a metric has the result `%s` on resamples, and none of that name on the rows themselves", name);
}

/* Computes the results on resamples, and of these the intervals. */
static int measure_resample(struct tess_context *ctx, struct measure *m, int32_t i, void *state, struct measure_results *r,
                            struct tess_metric_resamples *draws)
{
    for (int64_t k = 0; k < r->values; k++) {
        void *memory;
        TESS_TRY(tess_alloc(ctx, (size_t)draws->count * sizeof(double), "results on resamples", &memory));
        r->value[k].again = memory;
        for (int64_t j = 0; j < draws->count; j++)
            r->value[k].again[j] = NAN;
    }
    draws->to = r;
    TESS_TRY(tess_instance_returned(ctx, m->instance[i], "metric", "resample",
                                    m->ops[i]->resample(tess_instance_self(m->instance[i]), ctx, state, draws)));
    for (int64_t k = 0; k < r->values; k++)
        bootstrap_interval(r->value[k].again, draws->count, &r->value[k].v);
    return TESS_OK;
}

static int measure_put(struct tess_context *ctx, struct measure_results *r)
{
    for (int64_t k = 0; k < r->values; k++) {
        struct measure_value *own = &r->value[k];
        own->v.name = own->name;
        own->v.unit = own->unit;
        TESS_TRY(tess_artefact_put_metric_value(ctx, r->artefact, &own->v));
    }
    return TESS_OK;
}

static void measure_results_empty(struct measure_results *r)
{
    for (int64_t k = 0; k < r->values; k++)
        tess_free(r->value[k].again);
    r->values = 0;
}

static int measure_finish_one(struct tess_context *ctx, struct measure *m, int32_t i, struct measure_results *r,
                              struct tess_metric_resamples *draws)
{
    const struct tess_metric_sink sink = {
        .size = sizeof sink, .to = r, .value = measure_value, .parallel = measure_parallel, .list = measure_list, .dealt = measure_dealt};
    void *state = NULL;
    TESS_TRY(measure_gather(ctx, m, i, &state));
    TESS_TRY(tess_instance_returned(ctx, m->instance[i], "metric", "finish",
                                    m->ops[i]->finish(tess_instance_self(m->instance[i]), ctx, state, &sink)));
    if (draws->count && TESS_HAS(m->ops[i], resample) && m->ops[i]->resample)
        TESS_TRY(measure_resample(ctx, m, i, state, r, draws));
    TESS_TRY(measure_put(ctx, r));
    measure_drop(m, i);
    measure_results_empty(r);
    return TESS_OK;
}

int measure_finish(struct tess_context *ctx, struct measure *m, struct tess_stage_run *run, struct tess_artefact *a)
{
    struct measure_results r = {.run = run, .artefact = a};
    struct tess_metric_resamples draws = {
        .size = sizeof draws, .to = &r, .value = measure_again, .parallel = measure_parallel, .dealt = measure_dealt};
    int status = m->metrics && m->bootstrap.resamples ? bootstrap_draw(ctx, &m->bootstrap, m->fed, &draws) : TESS_OK;
    for (int32_t i = 0; status == TESS_OK && i < m->metrics; i++)
        status = measure_finish_one(ctx, m, i, &r, &draws);
    measure_results_empty(&r);
    tess_free(r.value);
    bootstrap_close(&draws);
    return status;
}
