/* Planning the variants of a sweep, one after the other in a child, whose records become the plan. A variant whose planning ends the child
 * is a failed one; the next child goes on behind it.
 *
 * SPDX-License-Identifier: MIT */
#include "core/sweep/plan_private.h"
#include "core/sweep/process.h"

#include "core/base/clock.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* ---- the child's side ---------------------------------------------------------------------------------------------- */

struct planner {
    const struct tessi_sweep *s;
    const struct tessi_sweep_settings *o;
    int64_t from; /* first variant to be planned */
};

struct planner_report {
    int64_t variant;
    int status, settled;
    const char *message;
    const struct tessi_runtime *runtime; /* whose remarks are told; NULL: none */
    const struct tessi_pipeline *pipeline;
};

/* Index of a stage among those of the pipeline, by name; -1: it is a file. */
static int64_t plan_stage_named(const struct tessi_pipeline *p, const char *name)
{
    struct tessi_stage_view view;
    for (int64_t i = 0; i < tessi_flow_pipeline_count(p); i++) {
        tessi_flow_pipeline_stage(p, i, &view);
        if (strcmp(view.name, name) == 0)
            return i;
    }
    return -1;
}

static void plan_put_stage(FILE *to, const struct tessi_pipeline *p, int64_t i)
{
    struct tessi_stage_view view;
    const char *port, *from;
    int64_t needs = 0;
    tessi_flow_pipeline_stage(p, i, &view);
    tessi_sweep_put_text(to, view.name);
    tessi_sweep_put_text(to, view.use);
    tessi_sweep_put_text(to, view.identity);
    tessi_sweep_put_i64(to, view.state == TESSI_CACHED);
    tessi_sweep_put_i64(to, view.memory);
    tessi_sweep_put_f64(to, view.seconds_predicted);
    tessi_sweep_put_text(to, view.files);
    for (int64_t k = 0; tessi_flow_pipeline_input(p, i, k, &port, &from); k++)
        needs += plan_stage_named(p, from) >= 0;
    tessi_sweep_put_i64(to, needs);
    for (int64_t k = 0; tessi_flow_pipeline_input(p, i, k, &port, &from); k++)
        if (plan_stage_named(p, from) >= 0)
            tessi_sweep_put_i64(to, plan_stage_named(p, from));
}

/* Puts the artefacts that stages read from outside, each with its place. */
static void plan_put_outside(FILE *to, const struct tessi_pipeline *p)
{
    const char *port, *from;
    int64_t n = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t i = 0; i < tessi_flow_pipeline_count(p); i++)
            for (int64_t k = 0; tessi_flow_pipeline_input(p, i, k, &port, &from); k++) {
                char place[TESSI_SWEEP_PLACE_TEXT] = "";
                struct tessi_place at;
                if (plan_stage_named(p, from) >= 0)
                    continue;
                n += pass == 0;
                if (pass == 0)
                    continue;
                (void)tessi_sweep_place(from, &at, place);
                tessi_sweep_put_text(to, from);
                tessi_sweep_put_text(to, place);
            }
        if (pass == 0)
            tessi_sweep_put_i64(to, n);
    }
}

static void plan_put_remarks(FILE *to, const struct tessi_runtime *r)
{
    int64_t n = 0, files = r ? tessi_plug_registry_files(r->registry) : 0;
    for (int64_t i = 0; i < files; i++)
        n += tessi_plug_registry_file(r->registry, i)->remark != NULL;
    tessi_sweep_put_i64(to, n);
    for (int64_t i = 0; i < files; i++)
        if (tessi_plug_registry_file(r->registry, i)->remark)
            tessi_sweep_put_text(to, tessi_plug_registry_file(r->registry, i)->remark);
}

static void plan_put(FILE *to, const void *what)
{
    const struct planner_report *r = what;
    tessi_sweep_put_i64(to, r->variant);
    tessi_sweep_put_i64(to, r->status);
    tessi_sweep_put_text(to, r->message);
    plan_put_remarks(to, r->runtime);
    if (r->status != TESS_OK)
        return;
    tessi_sweep_put_text(to, tessi_flow_pipeline_folder(r->pipeline));
    tessi_sweep_put_i64(to, r->settled);
    tessi_sweep_put_i64(to, tessi_flow_pipeline_count(r->pipeline));
    for (int64_t i = 0; i < tessi_flow_pipeline_count(r->pipeline); i++)
        plan_put_stage(to, r->pipeline, i);
    plan_put_outside(to, r->pipeline);
}

static int plan_variants(void *user, int in, int out)
{
    const struct planner *p = user;
    struct tessi_sweep_opened opened = {NULL};
    (void)in;
    for (int64_t v = p->from; v < p->s->variants; v++) {
        struct tessi_context context;
        if (!tessi_sweep_same_runtime(p->s, p->from, v))
            return 0; /* the next child goes on */
        tessi_base_context_init(&context, NULL);
        struct planner_report report = {.variant = v};
        report.status = tessi_sweep_variant_open(&context.context, p->s, p->o, v, p->o->threads, &opened);
        if (report.status == TESS_OK)
            report.status = tessi_flow_pipeline_settled(&context.context, opened.pipeline, &report.settled);
        report.message = tessi_base_context_message(&context.context);
        report.runtime = v == 0 ? opened.runtime : NULL;
        report.pipeline = opened.pipeline;
        tessi_sweep_child_send(out, plan_put, &report);
        tessi_sweep_variant_close(&opened, opened.runtime != NULL);
    }
    return 0;
}

/* ---- the parent's side --------------------------------------------------------------------------------------------- */

#define TELL_AFTER 1.0 /* seconds of planning that nobody needs to hear of */

static int plan_get_stage(struct tess_context *ctx, struct tessi_sweep_plan *p, struct tessi_sweep *s, struct tessi_sweep_record *r,
                          struct tessi_sweep_planned *v)
{
    void *memory;
    struct tessi_sweep_stage stage = {0};
    const char *name = tessi_sweep_get_text(r), *use = tessi_sweep_get_text(r), *identity = tessi_sweep_get_text(r);
    int64_t known = 0;
    stage.cached = tessi_sweep_get_i64(r) != 0;
    stage.memory = tessi_sweep_get_i64(r);
    stage.seconds = tessi_sweep_get_f64(r);
    const char *files = tessi_sweep_get_text(r);
    stage.needs = tessi_sweep_get_i64(r);
    TESS_TRY(tessi_sweep_alloc(ctx, s, (size_t)(stage.needs + 1) * sizeof(int64_t), &memory));
    stage.need = memory;
    for (int64_t i = 0; i < stage.needs; i++)
        stage.need[i] = v->stage[tessi_sweep_get_i64(r)];
    while (known < p->stages && strcmp(p->stage[known].identity, identity) != 0)
        known++;
    v->stage[v->stages++] = known;
    if (known < p->stages) {
        p->stage[known].users++;
        return TESS_OK;
    }
    TESS_TRY(tessi_sweep_text(ctx, s, &stage.name, "%s", name));
    TESS_TRY(tessi_sweep_text(ctx, s, &stage.use, "%s", use));
    TESS_TRY(tessi_sweep_text(ctx, s, &stage.files, "%s", files));
    TESS_TRY(tessi_sweep_text(ctx, s, &stage.identity, "%s", identity));
    stage.users = 1;
    p->stage[p->stages++] = stage;
    return TESS_OK;
}

/* Makes room for `more` stages. */
static int plan_reserve(struct tess_context *ctx, struct tessi_sweep_plan *p, struct tessi_sweep *s, int64_t more, int64_t *capacity)
{
    void *memory;
    if (p->stages + more < *capacity)
        return TESS_OK;
    *capacity = 2 * (p->stages + more) + 1;
    TESS_TRY(tessi_sweep_alloc(ctx, s, (size_t)*capacity * sizeof *p->stage, &memory));
    if (p->stages)
        memcpy(memory, p->stage, (size_t)p->stages * sizeof *p->stage);
    p->stage = memory;
    return TESS_OK;
}

/* Takes one variant's record; *next is the variant behind it. */
static int plan_get(struct tess_context *ctx, struct tessi_sweep_plan *p, struct tessi_sweep *s, struct tessi_sweep_record *r,
                    int64_t *capacity, int64_t *next)
{
    int64_t index = tessi_sweep_get_i64(r);
    struct tessi_sweep_planned *v = &p->variant[index];
    void *memory;
    char *message;
    v->status = (int)tessi_sweep_get_i64(r);
    TESS_TRY(tessi_sweep_text(ctx, s, &message, "%s", tessi_sweep_get_text(r)));
    v->message = message;
    *next = index + 1;
    for (int64_t n = tessi_sweep_get_i64(r); n > 0; n--)
        TESS_TRY(tessi_sweep_note(ctx, s, "%s", tessi_sweep_get_text(r)));
    if (v->status != TESS_OK)
        return TESS_OK;
    TESS_TRY(tessi_sweep_text(ctx, s, &v->folder, "%s", tessi_sweep_get_text(r)));
    v->settled = tessi_sweep_get_i64(r) != 0;
    int64_t n = tessi_sweep_get_i64(r);
    TESS_TRY(tessi_sweep_alloc(ctx, s, (size_t)(n + 1) * sizeof *v->stage, &memory));
    v->stage = memory;
    TESS_TRY(plan_reserve(ctx, p, s, n, capacity));
    for (int64_t i = 0; i < n; i++)
        TESS_TRY(plan_get_stage(ctx, p, s, r, v));
    int64_t texts = 0;
    for (int64_t i = 2 * tessi_sweep_get_i64(r); i > 0; i--)
        TESS_TRY(tessi_sweep_add(ctx, s, &texts, &v->outside, tessi_sweep_get_text(r)));
    v->outsides = texts / 2;
    return TESS_OK;
}

/* Reads records of one child until it ends. */
static int plan_listen(struct tess_context *ctx, struct tessi_sweep_plan *p, struct tessi_sweep *s, const struct tessi_sweep_settings *o,
                       struct tessi_sweep_child *c, int64_t *capacity, int64_t *next)
{
    int more = 1, status = TESS_OK;
    while (more && status == TESS_OK) {
        struct tessi_sweep_record record;
        if (!tessi_sweep_child_wait(c))
            return ctx->fail(ctx, TESS_E_STOPPED, "stopped while the variants were planned; nothing was computed");
        status = tessi_sweep_child_read(ctx, c, &more);
        while (status == TESS_OK && tessi_sweep_child_next(c, &record)) {
            status = plan_get(ctx, p, s, &record, capacity, next);
            if (tessi_base_seconds() - p->began > TELL_AFTER)
                tessi_base_progress(o->log, *next, s->variants, "variant", NULL, 0);
        }
    }
    return status;
}

/* Plans the variants from *next on, as far as one child gets. */
static int plan_child(struct tess_context *ctx, struct tessi_sweep_plan *p, struct tessi_sweep *s, const struct tessi_sweep_settings *o,
                      int64_t *capacity, int64_t *next)
{
    struct planner planner = {s, o, *next};
    struct tessi_sweep_child child;
    char how[400];
    TESS_TRY(tessi_sweep_child_start(ctx, plan_variants, &planner, SIGKILL, NULL, 0, &child));
    int status = plan_listen(ctx, p, s, o, &child, capacity, next);
    if (status != TESS_OK)
        (void)kill(child.pid, SIGKILL);
    tessi_sweep_child_end(&child, how, sizeof how);
    if (status == TESS_OK && *how) {
        struct tessi_sweep_planned *v = &p->variant[(*next)++];
        char *message;
        v->status = TESS_E_FAILED;
        status = tessi_sweep_text(ctx, s, &message, "it could not be planned: %s", how);
        v->message = message;
    }
    return status;
}

/* Fails where no variant can be planned, or one has a mistake that a run refuses. */
static int plan_judge(struct tess_context *ctx, const struct tessi_sweep *s, const struct tessi_sweep_plan *p)
{
    int64_t fine = 0, wrong = -1;
    for (int64_t i = 0; i < s->variants; i++) {
        fine += p->variant[i].status == TESS_OK;
        if (wrong < 0 && p->variant[i].status == TESS_E_USAGE)
            wrong = i;
    }
    if (wrong < 0 && fine == 0)
        wrong = 0;
    if (wrong < 0)
        return TESS_OK;
    int status = ctx->fail(ctx, p->variant[wrong].status, "%s", p->variant[wrong].message);
    if (fine || s->variants > 1)
        tess_prepend_message(ctx, "variant %s", s->variant[wrong].name);
    return status;
}

int tessi_sweep_plan(struct tess_context *ctx, struct tessi_sweep *s, const struct tessi_sweep_settings *o, struct tessi_sweep_plan *out)
{
    void *memory;
    int64_t capacity = 0, next = 0;
    *out = (struct tessi_sweep_plan){.sweep = s, .began = tessi_base_seconds()};
    TESS_TRY(tessi_sweep_alloc(ctx, s, (size_t)s->variants * sizeof *out->variant, &memory));
    out->variant = memory;
    for (int64_t i = 0; i < s->variants; i++)
        out->variant[i].message = "";
    tessi_base_progress_start(o->log, "planning");
    int status = TESS_OK;
    while (status == TESS_OK && next < s->variants)
        status = plan_child(ctx, out, s, o, &capacity, &next);
    tessi_base_progress_end(o->log);
    if (status == TESS_OK)
        status = plan_judge(ctx, s, out);
    return status == TESS_OK ? tessi_sweep_plan_duplicates(ctx, s, out) : status;
}
