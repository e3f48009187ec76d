/* Running a pipeline: stage after stage, each from the cache or computed into it, then shown in the run's folder.
 *
 * Several runs may share a cache. Whoever computes a key holds its lock; another run waits, and finds the result. An artefact
 * has its name in the cache only when it is complete, so a kill leaves what was finished, a checkpoint, and nothing else that
 * counts.
 *
 * SPDX-License-Identifier: MIT */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "core/base/clock.h"
#include "core/base/inject.h"
#include "core/base/memory.h"
#include "core/base/files.h"
#include "core/base/processor.h"
#include "core/flow/cache_lock.h"
#include "core/flow/flow_private.h"
#include "core/flow/folder.h"
#include "core/flow/rates.h"
#include "core/base/lock.h"
#include "core/flow/disk_space.h"
#include "core/plug/blame.h"
#include "core/plug/process.h"
#include "core/ranks/ranks.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- one execution ------------------------------------------------------------------------------------------------- */

static int open_inputs(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s, struct tess_stage_run *r)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(s->inputs + 1) * sizeof *r->input, "inputs", &memory));
    r->input = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(s->inputs + 1) * sizeof *r->port, "inputs", &memory));
    r->port = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(s->inputs + 1) * sizeof *r->place, "inputs", &memory));
    r->place = memory;
    for (; r->inputs < s->inputs; r->inputs++) {
        const struct tessi_input *in = &s->input[r->inputs];
        r->port[r->inputs] = in->port;
        if (!in->at)
            continue;
        const char *path = in->file ? in->file : p->stage[in->stage].path;
        TESS_TRY(tessi_store_artefact_open(ctx, path, &r->input[r->inputs]));
        if (strcmp(tess_artefact_digest(r->input[r->inputs]), tessi_flow_input_digest(p, in)) != 0) {
            tessi_store_artefact_close(r->input[r->inputs]);
            r->input[r->inputs] = NULL;
            return ctx->fail(ctx, TESS_E_DATA, "%s: its content changed while the pipeline ran; run again", path);
        }
        int status = tessi_store_artefact_check_attrs(ctx, r->input[r->inputs]);
        if (status != TESS_OK) {
            tessi_store_artefact_close(r->input[r->inputs]);
            r->input[r->inputs] = NULL;
            return status;
        }
        (void)tessi_host_place_of(tessi_store_artefact_descriptor(r->input[r->inputs]), &r->place[r->inputs]);
    }
    return TESS_OK;
}

void tessi_flow_stage_run_close(struct tess_stage_run *r)
{
    for (int64_t i = 0; i < r->inputs; i++)
        tessi_store_artefact_close(r->input[i]);
    tess_free(r->input);
    tess_free(r->port);
    tess_free(r->place);
    tess_free(r->checkpoint);
    tessi_store_artefact_close(r->resumed);
    tessi_store_artefact_close(r->output);
}

static int execute_check_attrs(struct tess_context *ctx, struct tessi_stage *s, struct tess_stage_run *r)
{
    const struct tess_attrs *found = tess_artefact_describe(r->output);
    const char *name = tessi_flow_attrs_missing(s->attrs, found);
    if (name)
        return ctx->fail(ctx, TESS_E_INTERNAL, "the attribute `%s` is not what was planned; that is a defect of stage/%s", name,
                         s->component->name);
    return tessi_flow_stage_take(ctx, s, found);
}

static int checkpoint_path(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s, char **out)
{
    return tessi_base_format(ctx, out, "%s/%s.checkpoint.h5", p->cache, s->key);
}

int tessi_flow_stage_run_open(struct tess_context *ctx, const struct tessi_pipeline *p, struct tess_stage_run *r)
{
    TESS_TRY(checkpoint_path(ctx, p, r->stage, &r->checkpoint));
    TESS_TRY(open_inputs(ctx, p, r->stage, r));
    return tessi_flow_stage_find_checkpoint(ctx, r);
}

/* The status of a stage's work, unless the process is another afterwards than before: then that is what went wrong, and whatever came of it
 * is told as that. What changed it is in a user's plugin, if there is one: nothing that is shipped does. */
static int stage_left(struct tess_context *ctx, const struct tessi_process *before, int status)
{
    char what[300], shown[1024];
    const char *path;
    const struct tess_plugin *suspect = tessi_plug_blame_suspect(&path);
    if (!suspect || !tessi_plug_process_changed(before, what, sizeof what))
        return status;
    (void)tess_shown_text(path, shown, sizeof shown);
    tess_forget(ctx);
    return ctx->fail(ctx, TESS_E_PLUGIN, "a plugin, perhaps `%s` (%s), %s while the stage runs; `tessera check %s` tests its functions",
                     suspect->id, shown, what, shown);
}

int tessi_flow_stage_work(struct tess_context *ctx, struct tessi_pipeline *p, struct tess_stage_run *r)
{
    struct tessi_stage *s = r->stage;
    TESS_TRY(tessi_flow_sources_check(ctx, r));
    struct tessi_process before;
    tessi_plug_process_look(&before);
    p->runtime->expected = &s->witness;
    int status = tess_instance_returned(ctx, s->instance, "stage", "run", s->ops->run(tess_instance_self(s->instance), ctx, r));
    p->runtime->expected = NULL;
    status = stage_left(ctx, &before, status);
    return status != TESS_OK ? status : tessi_flow_sources_check(ctx, r);
}

/* The stage's own work, which other ranks may share. */
static int execute_work(struct tess_context *ctx, struct tessi_pipeline *p, struct tess_stage_run *r)
{
    struct tessi_ranks *ranks = p->runtime->ranks;
    const struct tessi_ranks_traffic before = tessi_ranks_traffic(ranks);
    tessi_ranks_enter_stage(ranks, r->stage - p->stage, r->key);
    int status = tessi_flow_stage_work(ctx, p, r);
    tessi_ranks_leave_stage(ranks);
    const struct tessi_ranks_traffic after = tessi_ranks_traffic(ranks);
    if (after.pieces > before.pieces)
        tessi_base_log_event(r->log, "ranks", "s:stage", r->name, "i:ranks", (int64_t)tessi_ranks_size(ranks), "i:pieces",
                             after.pieces - before.pieces, "i:bytes_sent", after.bytes - before.bytes, "i:exchanges",
                             after.exchanges - before.exchanges, "f:seconds_waited", after.seconds - before.seconds, NULL);
    return status;
}

static int execute(struct tess_context *ctx, struct tessi_pipeline *p, struct tessi_stage *s)
{
    const double now = tessi_base_seconds();
    struct tess_stage_run r = tessi_flow_stage_run_new(ctx, p, s);
    tessi_base_log_event(r.log, "stage_start", "s:stage", s->name, "s:use", s->component->name, "s:key", s->key, NULL);
    tessi_base_progress_start(r.log, s->name);
    (void)tessi_base_inject(TESSI_AT_STAGE);
    int status = tessi_flow_stage_run_open(ctx, p, &r);
    if (status == TESS_OK)
        status =
            (s->portable ? tessi_store_artefact_create_portable : tessi_store_artefact_create)(ctx, s->cached, s->ops->output, &r.output);
    if (status == TESS_OK)
        status = tessi_flow_disk_reserve(ctx, p, &r);
    if (status == TESS_OK)
        status = execute_work(ctx, p, &r);
    tessi_base_progress_end(r.log);
    if (status == TESS_OK)
        status = execute_check_attrs(ctx, s, &r);
    if (status == TESS_OK)
        status = tessi_flow_stage_finish(ctx, p, &r);
    tessi_flow_log_waited(p, s, r.waited_seconds, "room on the disk");
    s->flops_done = status == TESS_OK ? s->cost.flops * tessi_flow_share_done(&r) : 0.0;
    if (status != TESS_OK && r.gave_up)
        status = TESS_E_STOPPED; /* while it waited for room */
    if (status == TESS_OK)
        tessi_flow_rates_ran(p, &r, tessi_base_seconds() - now);
    tessi_flow_stage_run_close(&r);
    return status;
}

/* ---- cached or computed -------------------------------------------------------------------------------------------- */

int tessi_flow_stage_stopped(struct tess_context *ctx, const struct tessi_stage *s)
{
    tessi_base_context_clear(ctx);
    if (s->outcome != TESSI_COMPUTED)
        return ctx->fail(ctx, TESS_E_STOPPED, "stopped before stage `%s`; the same command resumes there", s->name);
    if (!s->checkpoint.there)
        return ctx->fail(ctx, TESS_E_STOPPED, "stopped in stage `%s`, which has no checkpoint yet; the same command restarts it", s->name);
    if (s->checkpoint.step < 0)
        return ctx->fail(ctx, TESS_E_STOPPED, "stopped in stage `%s`; the same command resumes at its checkpoint", s->name);
    return ctx->fail(ctx, TESS_E_STOPPED, "stopped in stage `%s`; the same command resumes at its checkpoint of step %" PRId64, s->name,
                     s->checkpoint.step);
}

/* Removes the checkpoint of a stage that is done, holding its lock: the checkpoint may be that of another run, which computes the stage
 * once more. */
static int drop_checkpoint(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s)
{
    char *path = NULL, *rows = NULL;
    TESS_TRY(checkpoint_path(ctx, p, s, &path));
    int status = tessi_base_format(ctx, &rows, "%s" TESS_CHECKPOINT_ROWS, path);
    if (status == TESS_OK)
        (void)unlink(rows);
    tessi_store_artefact_remove(path); /* last, so that what is left says so */
    tess_free(rows);
    tess_free(path);
    return status;
}

/* Removes a checkpoint beside a finished artefact, which a kill at the very end left. */
static int drop_old_checkpoint(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s)
{
    char *path = NULL, *checkpoint = NULL, holder[256];
    int lock = -1, held = 0;
    TESS_TRY(checkpoint_path(ctx, p, s, &checkpoint));
    int left = tessi_base_is_file(checkpoint) || tessi_base_aside_left(checkpoint, holder, sizeof holder);
    tess_free(checkpoint);
    if (!left)
        return TESS_OK;
    TESS_TRY(tessi_base_format(ctx, &path, "%s/%s.lock", p->cache, s->key));
    int status = tessi_base_lock_try(ctx, path, &lock, &held, holder, sizeof holder);
    if (status == TESS_OK && !held)
        status = drop_checkpoint(ctx, p, s);
    tessi_base_lock_drop(path, lock);
    tess_free(path);
    return status;
}

static int execute_compute(struct tess_context *ctx, struct tessi_pipeline *p, struct tessi_stage *s)
{
    char *path = NULL;
    int lock = -1, found = 0;
    TESS_TRY(tessi_base_format(ctx, &path, "%s/%s.lock", p->cache, s->key));
    int status = tessi_flow_stage_lock(ctx, p, s, path, &lock);
    if (status == TESS_OK && *s->busy) {
        tess_free(path);
        return TESS_OK;
    }
    if (status == TESS_OK && !s->forced)
        status = tessi_flow_cache_find(ctx, s, &found);
    if (status == TESS_OK && !found) {
        s->outcome = TESSI_COMPUTED;
        status = execute(ctx, p, s);
    }
    if (status == TESS_OK)
        status = drop_checkpoint(ctx, p, s);
    tessi_base_lock_drop(path, lock);
    tess_free(path);
    return status;
}

int tessi_flow_stage_plan_again(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s)
{
    for (int64_t i = 0; i < s->inputs; i++)
        s->differs |= s->input[i].stage >= 0 && p->stage[s->input[i].stage].differs;
    return s->differs ? tessi_flow_stage_plan(ctx, p, s) : TESS_OK;
}

static int execute_get(struct tess_context *ctx, struct tessi_pipeline *p, struct tessi_stage *s)
{
    int found = *s->digest != '\0';
    if (found && !tessi_base_is_file(s->cached) && !tessi_base_is_file(s->path)) {
        found = 0; /* removed since it was planned */
        s->digest[0] = '\0';
    }
    if (!found)
        TESS_TRY(tessi_flow_stage_plan_again(ctx, p, s));
    TESS_TRY(tessi_flow_stage_key(ctx, p, s));
    if (!found && !s->forced)
        TESS_TRY(tessi_flow_cache_find(ctx, s, &found));
    s->outcome = TESSI_WAS_CACHED;
    return found ? drop_old_checkpoint(ctx, p, s) : execute_compute(ctx, p, s);
}

static int run_stage(struct tess_context *ctx, struct tessi_pipeline *p, struct tessi_stage *s)
{
    struct tessi_log *log = p->runtime->log;
    if (tessi_base_signals_stopping())
        return tessi_flow_stage_stopped(ctx, s);
    double start = tessi_base_seconds();
    s->busy[0] = '\0';
    int64_t held = tessi_base_memory_resident() - tessi_base_memory_in_use();
    tessi_base_memory_peak_restart();
    int status = execute_get(ctx, p, s);
    int64_t max = held + tessi_base_memory_peak();
    if (*s->busy) {
        s->outcome = TESSI_LEFT;
        return status;
    }
    if (status == TESS_OK)
        status = tessi_flow_folder_publish(ctx, p, s);
    tessi_base_memory_trim(); /* the next stage begins from what this one did */
    s->seconds = tessi_base_seconds() - start;
    if (status == TESS_E_STOPPED) {
        tessi_base_log_event(log, "stopped", "s:stage", s->name, "f:seconds", s->seconds, NULL);
        return tessi_flow_stage_stopped(ctx, s);
    }
    if (status != TESS_OK) {
        (void)tessi_flow_stage_blame(ctx, s, status);
        tessi_base_log_event(log, "error", "s:stage", s->name, "i:status", (int64_t)status, "s:text", tessi_base_context_message(ctx),
                             NULL);
        return status;
    }
    tessi_base_log_event(log, s->outcome == TESSI_COMPUTED ? "stage_end" : "stage_cached", "s:stage", s->name, "f:seconds", s->seconds,
                         "f:planned_seconds", s->outcome == TESSI_COMPUTED && s->seconds_predicted > 0 ? s->seconds_predicted : (double)NAN,
                         "f:flop", s->outcome == TESSI_COMPUTED && s->flops_done > 0 ? s->flops_done : (double)NAN, "s:key", s->key,
                         "s:digest", s->digest, "i:planned_bytes", tessi_flow_stage_memory(p, s), "i:peak_bytes", max, "m:", s->record,
                         NULL);
    return TESS_OK;
}

/* ---- the run ------------------------------------------------------------------------------------------------------- */

/* Removes what killed runs left, whatever they computed. Their checkpoints stay. */
static void sweep(const struct tessi_pipeline *p)
{
    tessi_base_lock_sweep_folder(p->cache);
    tessi_base_aside_sweep_folder(p->cache);
    tessi_base_aside_sweep_folder(p->folder);
}

/* Opens the log, first, so that it has the messages of entering the folder, then enters. Two runs may write to it: each line has its run's
 * name. */
static int execute_start(struct tess_context *ctx, struct tessi_pipeline *p)
{
    char *path = NULL, processor[128];
    TESS_TRY(tessi_base_make_folder(ctx, p->cache));
    TESS_TRY(tessi_flow_cache_join(ctx, p->cache, &p->cache_lock));
    TESS_TRY(tessi_base_make_folder(ctx, p->folder));
    sweep(p);
    tessi_host_file_digests_save(p->runtime->files);
    TESS_TRY(tessi_base_format(ctx, &path, "%s/log.jsonl", p->folder));
    int status = tessi_base_log_to(ctx, p->runtime->log, path);
    tess_free(path);
    TESS_TRY(status);
    tessi_base_log_event(p->runtime->log, "run_start", "s:name", p->name, "s:pipeline", p->source, "s:tool", "tessera " PACKAGE_VERSION,
                         "i:threads", (int64_t)tessi_base_workers_count(p->runtime->workers), "i:ranks",
                         (int64_t)tessi_ranks_size(p->runtime->ranks), "s:numeric_mode", p->runtime->numeric_mode, "s:processor",
                         tessi_base_processor_name(processor, sizeof processor), "i:seed", (int64_t)p->seed, "j:overrides", p->overrides,
                         NULL);
    status = tessi_flow_folder_enter(ctx, p);
    if (status != TESS_OK)
        tessi_base_log_event(p->runtime->log, "error", "i:status", (int64_t)status, "s:text", tessi_base_context_message(ctx), NULL);
    return status;
}

int tessi_flow_pipeline_begin(struct tess_context *ctx, struct tessi_pipeline *p)
{
    p->began = tessi_base_seconds();
    p->lock = p->cache_lock = -1;
    return execute_start(ctx, p);
}

int tessi_flow_pipeline_end(struct tess_context *ctx, struct tessi_pipeline *p, int status)
{
    tessi_base_log_event(p->runtime->log, "run_end", "i:status", (int64_t)status, "f:seconds", tessi_base_seconds() - p->began, NULL);
    tessi_flow_folder_leave(p);
    tessi_flow_cache_leave(p->cache, p->cache_lock);
    p->cache_lock = -1;
    int closed = tessi_base_log_to(ctx, p->runtime->log, NULL);
    return status == TESS_OK ? closed : status;
}

/* Runs the stages that `s` reads, those first that they read, then `s`, each once. The first that is left for another process, or fails, is
 * the last. */
static int run_with_needs(struct tess_context *ctx, struct tessi_pipeline *p, struct tessi_stage *s)
{
    for (int64_t i = 0; i < s->inputs; i++) {
        if (s->input[i].stage < 0)
            continue;
        struct tessi_stage *need = &p->stage[s->input[i].stage];
        TESS_TRY(run_with_needs(ctx, p, need));
        if (need->outcome == TESSI_LEFT)
            return TESS_OK;
    }
    return s->outcome == TESSI_LEFT ? run_stage(ctx, p, s) : TESS_OK;
}

int tessi_flow_pipeline_stage_run(struct tess_context *ctx, struct tessi_pipeline *p, int64_t i, int wait)
{
    p->leaves_busy = !wait;
    int status = run_with_needs(ctx, p, &p->stage[p->view[i]]);
    p->leaves_busy = 0;
    return status;
}

int tessi_flow_pipeline_run(struct tess_context *ctx, struct tessi_pipeline *p)
{
    int status = tessi_flow_pipeline_begin(ctx, p);
    for (int64_t i = 0; status == TESS_OK && i < p->views; i++)
        status = run_stage(ctx, p, &p->stage[p->view[i]]);
    return tessi_flow_pipeline_end(ctx, p, status);
}
