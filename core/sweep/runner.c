/* The child's pipeline is the variant's, opened once; a stage that it is told to run finds those before it in the cache, and links them
 * into the variant's folder on the way. Settling does so for all, so that the folder is as a run would leave it.
 *
 * SPDX-License-Identifier: MIT */
#include "core/sweep/runner.h"
#include "core/sweep/plan_private.h"

#include <signal.h>
#include <string.h>

static void runner_put(FILE *to, const void *what)
{
    const struct tessi_sweep_report *r = what;
    tessi_sweep_put_i64(to, r->told);
    tessi_sweep_put_i64(to, r->status);
    tessi_sweep_put_i64(to, r->computed);
    tessi_sweep_put_f64(to, r->seconds);
    tessi_sweep_put_text(to, r->message);
    tessi_sweep_put_text(to, r->warning);
    tessi_sweep_put_text(to, r->stage);
    tessi_sweep_put_text(to, r->busy);
    tessi_sweep_put_text(to, r->cached);
    tessi_sweep_put_text(to, r->waits);
}

int tessi_sweep_runner_next(struct tessi_sweep_child *c, struct tessi_sweep_report *out)
{
    struct tessi_sweep_record r;
    if (!tessi_sweep_child_next(c, &r))
        return 0;
    out->told = tessi_sweep_get_i64(&r);
    out->status = (int)tessi_sweep_get_i64(&r);
    out->computed = tessi_sweep_get_i64(&r) != 0;
    out->seconds = tessi_sweep_get_f64(&r);
    out->message = tessi_sweep_get_text(&r);
    out->warning = tessi_sweep_get_text(&r);
    out->stage = tessi_sweep_get_text(&r);
    out->busy = tessi_sweep_get_text(&r);
    out->cached = tessi_sweep_get_text(&r);
    out->waits = tessi_sweep_get_text(&r);
    return 1;
}

/* Tells the parent that the stage waits, which the child's own log tells nobody. The child's thread is in the stage meanwhile, so nothing
 * else is sent. */
static void runner_waits(void *user, const char *message)
{
    const int *out = user;
    tessi_sweep_child_send(*out, runner_put, &(struct tessi_sweep_report){.waits = message});
}

/* Name of the first stage that is at fault: the one that would have been next. */
static const char *runner_stage_left(const struct tessi_pipeline *p)
{
    struct tessi_stage_view view;
    for (int64_t i = 0; i < tessi_flow_pipeline_count(p); i++) {
        tessi_flow_pipeline_stage(p, i, &view);
        if (view.outcome == TESSI_LEFT)
            return view.name;
    }
    return "";
}

/* Runs one stage; what came of it is in the report. */
static void runner_stage(struct tess_context *ctx, struct tessi_pipeline *p, int64_t i, struct tessi_sweep_report *r)
{
    struct tessi_stage_view view;
    r->status = tessi_flow_pipeline_stage_run(ctx, p, i, 0);
    tessi_flow_pipeline_stage(p, i, &view);
    r->stage = view.name;
    r->computed = view.outcome == TESSI_COMPUTED;
    r->seconds = view.seconds;
    r->warning = view.warning;
    for (int64_t k = 0; r->status == TESS_OK && k <= i; k++) { /* the stage, or one that it needs */
        tessi_flow_pipeline_stage(p, k, &view);
        if (view.busy) {
            r->busy = view.busy;
            r->cached = view.cached;
        }
    }
}

static void runner_settle(struct tess_context *ctx, struct tessi_pipeline *p, struct tessi_sweep_report *r)
{
    for (int64_t i = 0; r->status == TESS_OK && i < tessi_flow_pipeline_count(p); i++)
        r->status = tessi_flow_pipeline_stage_run(ctx, p, i, 1);
    r->stage = r->status == TESS_OK ? "" : runner_stage_left(p);
}

static int runner_main(void *user, int in, int out)
{
    const struct tessi_sweep_runner *self = user;
    struct tessi_sweep_opened opened = {NULL};
    struct tessi_context context;
    struct tess_context *ctx = &context.context;
    int64_t told;
    tessi_base_context_init(&context, NULL);
    opened.waits = runner_waits;
    opened.waits_user = &out;
    int begun = 0, status = tessi_sweep_variant_open(ctx, self->sweep, self->settings, self->variant, self->threads, &opened);
    if (status == TESS_OK) {
        begun = 1;
        status = tessi_flow_pipeline_begin(ctx, opened.pipeline);
    }
    while (tessi_sweep_child_told(in, &told) && told) {
        struct tessi_sweep_report r = {.told = told, .status = status};
        if (status == TESS_OK && told == TESSI_RUNNER_SETTLE)
            runner_settle(ctx, opened.pipeline, &r);
        else if (status == TESS_OK)
            runner_stage(ctx, opened.pipeline, told - 1, &r);
        status = r.status;
        r.message = tessi_base_context_message(ctx);
        tessi_sweep_child_send(out, runner_put, &r);
    }
    if (begun)
        status = tessi_flow_pipeline_end(ctx, opened.pipeline, status);
    tessi_sweep_variant_close(&opened, 0);
    (void)status; /* each failure was in a report */
    return 0;
}

int tessi_sweep_runner_start(struct tess_context *ctx, struct tessi_sweep_runner *r, const struct tessi_sweep_child *others, int64_t n,
                             struct tessi_sweep_child *out)
{
    return tessi_sweep_child_start(ctx, runner_main, r, SIGTERM, others, n, out);
}
