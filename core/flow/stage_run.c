/* Services of the host to a running stage: inputs and output, progress, stopping, checkpoints.
 *
 * A checkpoint is an artefact of kind "checkpoint" beside the one being made, under the same key, so that it can only be taken
 * up by exactly the stage that left it. One that cannot be written costs time and no results, and so does one that is damaged: a warning.
 * One that cannot be read for now (permission, memory, descriptors, the disk) is hours of work all the same; it ends the run before
 * anything is written over it.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/clock.h"
#include "core/base/inject.h"
#include "core/base/files.h"
#include "core/base/pulse.h"
#include "core/flow/flow_private.h"
#include "core/ranks/ranks.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CHECKPOINT "checkpoint"
#define LINE_SECONDS 5 /* seconds between progress events in the log */

struct tess_stage_run tessi_flow_stage_run_new(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s)
{
    double now = tessi_base_seconds();
    return (struct tess_stage_run){.ctx = ctx,
                                   .stage = s,
                                   .log = p->runtime->log,
                                   .name = s->name,
                                   .key = s->key,
                                   .seed = s->seed,
                                   .follows = tessi_ranks_rank(p->runtime->ranks) > 0,
                                   .interval = (double)p->checkpoint_seconds,
                                   .last_checkpoint = now,
                                   .last_line = now};
}

const struct tess_artefact *tess_stage_input(const struct tess_stage_run *r, const char *port)
{
    for (int64_t i = 0; i < r->inputs; i++)
        if (strcmp(r->port[i]->name, port) == 0)
            return r->input[i];
    return NULL;
}

struct tess_artefact *tess_stage_output(struct tess_stage_run *r)
{
    return r->output;
}

uint64_t tess_stage_seed(const struct tess_stage_run *r)
{
    return r->seed;
}

void tess_stage_progress(struct tess_stage_run *r, int64_t done, int64_t total, const char *unit, const char *metric, double value)
{
    double now = tessi_base_seconds();
    tessi_base_pulse();
    r->done = done;
    r->total = total;
    tessi_flow_pace_note(&r->pace, done, total, now);
    snprintf(r->unit, sizeof r->unit, "%s", unit);
    (void)tessi_base_inject(TESSI_AT_STEP);
    tessi_base_progress(r->log, done, total, unit, metric, value);
    if (now - r->last_line < LINE_SECONDS && done < total)
        return;
    r->last_line = now;
    if (metric)
        tessi_base_log_event(r->log, "progress", "s:stage", r->name, "i:done", done, "i:total", total, "s:unit", unit, "s:metric", metric,
                             "f:value", value, NULL);
    else
        tessi_base_log_event(r->log, "progress", "s:stage", r->name, "i:done", done, "i:total", total, "s:unit", unit, NULL);
}

void tess_stage_note(struct tess_stage_run *r, const char *format, ...)
{
    char text[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    tessi_base_log_note(r->log, "%s: %s", r->name, text);
}

/* Keeps a warning, without the cure, behind those before it; a later word on the same ("diverged: ...") takes the former's place. */
static void keep_warning(struct tessi_stage *s, const char *text)
{
    size_t length = strcspn(text, ";"), about = strcspn(text, ":"), used = strlen(s->warning);
    if (used && strncmp(s->warning, text, about < length ? about : length) == 0)
        used = 0;
    snprintf(s->warning + used, sizeof s->warning - used, "%s%.*s", used ? "; " : "", (int)length, text);
}

void tess_stage_warn(struct tess_stage_run *r, const char *format, ...)
{
    char text[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    keep_warning(r->stage, text);
    tessi_base_log_warn(r->log, "%s: %s", r->name, text);
}

int tess_stage_stopping(const struct tess_stage_run *r)
{
    return !r->follows && tessi_base_signals_stopping();
}

int tess_stage_checkpoint_due(const struct tess_stage_run *r)
{
    if (r->follows)
        return 0;
    return tessi_base_signals_checkpoint() || tessi_base_seconds() - r->last_checkpoint >= r->interval;
}

/* ---- checkpoints --------------------------------------------------------------------------------------------------- */

static int open_checkpoint(struct tess_context *ctx, const struct tess_stage_run *r, struct tess_artefact **out)
{
    TESS_TRY(tessi_store_artefact_open(ctx, r->checkpoint, out));
    const char *key = tessi_store_artefact_provenance(*out, "key");
    if (strcmp(tess_artefact_kind(*out), CHECKPOINT) != 0 || !key || strcmp(key, r->key) != 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: wanted the checkpoint of key %.12s..., found something else", r->checkpoint, r->key);
    return tessi_store_artefact_verify(ctx, *out);
}

/* Adds the progress of the work to a checkpoint, for whoever plans next. */
static int put_progress(struct tess_context *ctx, const struct tess_stage_run *r, struct tess_artefact *a)
{
    struct tess_attrs *f = tess_artefact_describe(a);
    if (r->total <= 0)
        return TESS_OK;
    TESS_TRY(tess_attrs_set_i64(ctx, f, TESSI_PROGRESS_DONE, r->done));
    TESS_TRY(tess_attrs_set_i64(ctx, f, TESSI_PROGRESS_TOTAL, r->total));
    return tess_attrs_set_text(ctx, f, TESSI_PROGRESS_UNIT, r->unit);
}

static void get_progress(struct tess_stage_run *r)
{
    const struct tess_attrs *f = tess_artefact_attrs(r->resumed);
    r->resumed_done = r->done = tess_attrs_i64_or(f, TESSI_PROGRESS_DONE, 0);
    r->resumed_total = r->total = tess_attrs_i64_or(f, TESSI_PROGRESS_TOTAL, 0);
    snprintf(r->unit, sizeof r->unit, "%s", tess_attrs_text_or(f, TESSI_PROGRESS_UNIT, "step"));
}

int tessi_flow_stage_find_checkpoint(struct tess_context *ctx, struct tess_stage_run *r)
{
    struct tessi_context own;
    int there = 0;
    TESS_TRY(tessi_base_file_there(ctx, r->checkpoint, &there));
    if (!there)
        return TESS_OK;
    tessi_base_context_init(&own, ctx->host);
    int status = open_checkpoint(&own.context, r, &r->resumed);
    if (status == TESS_OK) {
        r->stage->checkpoint = (struct tessi_kept){1, tess_attrs_i64_or(tess_artefact_attrs(r->resumed), "step", -1)};
        get_progress(r);
        tessi_base_log_event(r->log, "resume", "s:stage", r->name, "s:checkpoint", r->checkpoint, NULL);
        return TESS_OK;
    }
    tessi_store_artefact_close(r->resumed);
    r->resumed = NULL;
    if (status != TESS_E_DATA)
        return ctx->fail(ctx, status, "%s; it is the checkpoint of this stage: see that it can be read, or remove it to start over",
                         tessi_base_context_message(&own.context));
    tessi_base_log_warn(r->log, "%s: the checkpoint is left aside and the stage starts over: %s", r->name,
                        tessi_base_context_message(&own.context));
    return TESS_OK;
}

const struct tess_artefact *tess_stage_resume(struct tess_stage_run *r)
{
    return r->resumed;
}

const char *tess_stage_checkpoint_path(const struct tess_stage_run *r)
{
    return r->checkpoint;
}

int tess_stage_checkpoint(struct tess_context *ctx, struct tess_stage_run *r,
                          int (*write)(void *user, struct tess_context *ctx, struct tess_artefact *a), void *user)
{
    struct tessi_context own;
    struct tess_artefact *a = NULL;
    if (r->follows)
        return TESS_OK;
    TESS_TRY(tessi_flow_sources_check(ctx, r));
    const struct tessi_provenance about = {.stage = r->name, .key = r->key, .seed = r->seed};
    tessi_base_context_init(&own, ctx->host);
    struct tessi_kept kept = {0, -1};
    int disk = 1; /* 1: the failure at hand is the disk's */
    int status = tessi_store_artefact_create(&own.context, r->checkpoint, CHECKPOINT, &a);
    if (status == TESS_OK) {
        status = write(user, &own.context, a);
        if (status == TESS_OK)
            status = put_progress(&own.context, r, a);
        disk = status == TESS_E_IO || status == TESS_E_CREATE;
    }
    if (status == TESS_OK) {
        disk = 1;
        kept = (struct tessi_kept){1, tess_attrs_i64_or(tess_artefact_attrs(a), "step", -1)};
        status = tessi_store_artefact_finish(&own.context, a, &about, NULL);
        a = NULL;
    }
    tessi_store_artefact_close(a);
    r->last_checkpoint = tessi_base_seconds();
    if (status == TESS_OK) {
        r->stage->checkpoint = kept;
        tessi_base_log_event(r->log, CHECKPOINT, "s:stage", r->name, NULL);
        (void)tessi_base_inject(TESSI_AT_CHECKPOINT);
        return TESS_OK;
    }
    if (!disk || status == TESS_E_INTERNAL)
        return ctx->fail(ctx, status, "%s", tessi_base_context_message(&own.context));
    tessi_base_log_warn(r->log, "%s: no checkpoint could be written, the work goes on and the one before is kept: %s", r->name,
                   tessi_base_context_message(&own.context));
    return TESS_OK;
}

/* ---- ranks --------------------------------------------------------------------------------------------------------- */

int tess_stage_leads(const struct tess_stage_run *r)
{
    return !r->follows;
}

struct tessi_ranks *tessi_flow_ranks(const struct tess_context *ctx)
{
    const struct tessi_runtime *runtime = tessi_base_runtime_of(ctx);
    return runtime ? runtime->ranks : NULL;
}

int32_t tess_stage_ranks(const struct tess_stage_run *r)
{
    const struct tessi_ranks *ranks = tessi_flow_ranks(r->ctx);
    return tessi_ranks_together(ranks) ? tessi_ranks_size(ranks) : 1;
}

int tess_stage_agree(struct tess_context *ctx, struct tess_stage_run *r, void *data, int64_t bytes)
{
    struct tessi_ranks *ranks = tessi_flow_ranks(ctx);
    (void)r;
    if (!tessi_ranks_together(ranks))
        return TESS_OK;
    TESS_TRY(tessi_ranks_meet_at(ctx, ranks, bytes));
    return tessi_ranks_broadcast(ctx, ranks, data, bytes);
}

int tess_stage_gather(struct tess_context *ctx, struct tess_stage_run *r, void *data, int64_t n, int64_t bytes)
{
    struct tessi_ranks *ranks = tessi_flow_ranks(ctx);
    (void)r;
    if (!tessi_ranks_together(ranks))
        return TESS_OK;
    TESS_TRY(tessi_ranks_meet_at(ctx, ranks, n * bytes));
    return tessi_ranks_gather(ctx, ranks, data, n, bytes);
}

int tess_stage_alone(struct tess_context *ctx, struct tess_stage_run *r)
{
    (void)r;
    return tessi_ranks_part(ctx, tessi_flow_ranks(ctx));
}
