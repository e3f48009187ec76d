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
#include "core/base/inject.h"
#include "core/base/memory.h"
#include "core/base/files.h"
#include "core/flow/flow_private.h"
#include "core/flow/folder.h"
#include "core/base/lock.h"
#include "core/flow/disk_space.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* ---- one execution ------------------------------------------------------------------------------------------------- */

static int open_inputs(struct tess_call *c, const struct tessi_pipeline *p, const struct tessi_stage *s, struct tess_stage_run *r)
{
    void *memory;
    TESS_TRY(tess_alloc(c, (size_t)(s->inputs + 1) * sizeof *r->input, "inputs", &memory));
    r->input = memory;
    TESS_TRY(tess_alloc(c, (size_t)(s->inputs + 1) * sizeof *r->port, "inputs", &memory));
    r->port = memory;
    TESS_TRY(tess_alloc(c, (size_t)(s->inputs + 1) * sizeof *r->place, "inputs", &memory));
    r->place = memory;
    for (; r->inputs < s->inputs; r->inputs++) {
        const struct tessi_input *in = &s->input[r->inputs];
        r->port[r->inputs] = in->port;
        if (!in->at)
            continue;
        const char *path = in->file ? in->file : p->stage[in->stage].path;
        TESS_TRY(tessi_artefact_open(c, path, &r->input[r->inputs]));
        if (strcmp(tess_artefact_digest(r->input[r->inputs]), tessi_input_digest(p, in)) != 0) {
            tessi_artefact_close(r->input[r->inputs]);
            r->input[r->inputs] = NULL;
            return c->fail(c, TESS_E_DATA, "%s: its content changed while the pipeline ran; run again", path);
        }
        int status = tessi_artefact_check_facts(c, r->input[r->inputs]);
        if (status != TESS_OK) {
            tessi_artefact_close(r->input[r->inputs]);
            r->input[r->inputs] = NULL;
            return status;
        }
        (void)tessi_place_of(tessi_artefact_descriptor(r->input[r->inputs]), &r->place[r->inputs]);
    }
    return TESS_OK;
}

static void close_run(struct tess_stage_run *r)
{
    for (int64_t i = 0; i < r->inputs; i++)
        tessi_artefact_close(r->input[i]);
    tess_free(r->input);
    tess_free(r->port);
    tess_free(r->place);
    tess_free(r->checkpoint);
    tessi_artefact_close(r->resumed);
    tessi_artefact_close(r->output);
}

/* Provenance, then the file under its own name. */
static int finish(struct tess_call *c, const struct tessi_pipeline *p, struct tessi_stage *s, struct tess_stage_run *r)
{
    void *memory;
    TESS_TRY(tess_alloc(c, (size_t)(2 * s->inputs + 2) * sizeof(char *), "provenance", &memory));
    const char **port = memory, **digest = port + s->inputs + 1;
    int64_t n = 0;
    for (int64_t i = 0; i < s->inputs; i++) {
        if (!s->input[i].at)
            continue;
        port[n] = s->input[i].port->name;
        digest[n++] = tessi_input_digest(p, &s->input[i]);
    }
    if (*s->files) {
        port[n] = TESSI_FILES_INPUT;
        digest[n++] = s->files;
    }
    char *files = NULL;
    int status = tessi_sources_list(c, s, &files);
    const struct tessi_provenance about = {
        .stage = s->name,
        .files = files,
        .plugin = s->plugins,
        .parameters = tessi_instance_resolved(s->instance),
        .key = s->key,
        .numeric_mode = s->numeric_mode,
        .tool = "tessera " PACKAGE_VERSION,
        .seed = s->seed,
        .epoch = TESS_EPOCH,
        .inputs = n,
        .input_port = port,
        .input_digest = digest,
    };
    struct tess_artefact *output = r->output;
    if (status == TESS_OK) {
        r->output = NULL;
        status = tessi_artefact_finish(c, output, &about, s->digest);
    }
    tess_free(files);
    tess_free(memory);
    return status;
}

static int check_facts(struct tess_call *c, struct tessi_stage *s, struct tess_stage_run *r)
{
    const struct tess_facts *found = tess_artefact_describe(r->output);
    const char *name = tessi_facts_missing(s->facts, found);
    if (name)
        return c->fail(c, TESS_E_INTERNAL, "the fact `%s` is not what was planned; that is a defect of stage/%s", name, s->component->name);
    return tessi_stage_take(c, s, found);
}

static int checkpoint_path(struct tess_call *c, const struct tessi_pipeline *p, const struct tessi_stage *s, char **out)
{
    return tessi_format(c, out, "%s/%s.checkpoint.h5", p->cache, s->key);
}

/* The stage's own part, between two looks at what it reads from outside. */
static int work(struct tess_call *c, struct tessi_pipeline *p, struct tessi_stage *s, struct tess_stage_run *r)
{
    TESS_TRY(tessi_sources_check(c, r));
    p->runtime->expected = &s->witness;
    int status = s->ops->run(tess_instance_self(s->instance), c, r);
    p->runtime->expected = NULL;
    if (status > 0)
        return c->fail(c, TESS_E_INTERNAL, "it gave the status %d, which means nothing", status);
    if (status != TESS_OK)
        return c->fail(c, status, "it failed and gave no reason");
    return tessi_sources_check(c, r);
}

static int execute(struct tess_call *c, struct tessi_pipeline *p, struct tessi_stage *s)
{
    double now = tessi_clock();
    struct tess_stage_run r = {.c = c,
                               .stage = s,
                               .log = p->runtime->log,
                               .name = s->name,
                               .key = s->key,
                               .seed = s->seed,
                               .interval = (double)p->checkpoint_seconds,
                               .last_checkpoint = now,
                               .last_line = now};
    tessi_log_event(r.log, "stage_start", "s:stage", s->name, "s:use", s->component->name, "s:key", s->key, NULL);
    tessi_progress_start(r.log, s->name);
    (void)tessi_inject(TESSI_AT_STAGE);
    int status = checkpoint_path(c, p, s, &r.checkpoint);
    if (status == TESS_OK)
        status = open_inputs(c, p, s, &r);
    if (status == TESS_OK)
        status = tessi_stage_find_checkpoint(c, &r);
    if (status == TESS_OK)
        status = tessi_artefact_create(c, s->cached, s->ops->output, &r.output);
    if (status == TESS_OK)
        status = tessi_room_have(c, p, &r);
    if (status == TESS_OK)
        status = work(c, p, s, &r);
    tessi_progress_end(r.log);
    if (status == TESS_OK)
        status = check_facts(c, s, &r);
    if (status == TESS_OK)
        status = finish(c, p, s, &r);
    if (status != TESS_OK && r.gave_up)
        status = TESS_E_STOPPED; /* while it waited for room */
    close_run(&r);
    return status;
}

/* ---- cached or computed -------------------------------------------------------------------------------------------- */

struct waiting {
    const struct tessi_pipeline *p;
    const struct tessi_stage *s;
    int told;
};

/* The message of a stop: where it was, and what the same command will begin with. */
static int stopped(struct tess_call *c, const struct tessi_stage *s)
{
    tessi_call_clear(c);
    if (s->outcome != TESSI_COMPUTED)
        return c->fail(c, TESS_E_STOPPED, "stopped before stage `%s`; the same command goes on from there", s->name);
    if (!s->checkpoint.there)
        return c->fail(c, TESS_E_STOPPED, "stopped in stage `%s`, which has no checkpoint yet; the same command begins it anew", s->name);
    if (s->checkpoint.step < 0)
        return c->fail(c, TESS_E_STOPPED, "stopped in stage `%s`; the same command goes on from its checkpoint", s->name);
    return c->fail(c, TESS_E_STOPPED, "stopped in stage `%s`; the same command goes on from its checkpoint of step %" PRId64, s->name,
                   s->checkpoint.step);
}

static int wait_for_other(void *user, struct tess_call *c, const char *holder)
{
    struct waiting *w = user;
    if (!w->told++)
        tessi_log_note(w->p->runtime->log, "%s: %s computes this; waiting for it", w->s->name, holder);
    return tessi_signals_stopping() ? stopped(c, w->s) : TESS_OK;
}

/* Of a stage that is done. Who holds its lock does that: a checkpoint may be that of another run, which computes it once more. */
static int drop_checkpoint(struct tess_call *c, const struct tessi_pipeline *p, const struct tessi_stage *s)
{
    char *path = NULL, *rows = NULL;
    TESS_TRY(checkpoint_path(c, p, s, &path));
    int status = tessi_format(c, &rows, "%s" TESS_CHECKPOINT_ROWS, path);
    if (status == TESS_OK)
        (void)unlink(rows);
    tessi_artefact_remove(path); /* last, so that what is left says so */
    tess_free(rows);
    tess_free(path);
    return status;
}

/* A checkpoint beside a finished artefact is one that a kill at the very end left. */
static int drop_old_checkpoint(struct tess_call *c, const struct tessi_pipeline *p, const struct tessi_stage *s)
{
    char *path = NULL, *checkpoint = NULL, holder[256];
    int lock = -1, held = 0;
    TESS_TRY(checkpoint_path(c, p, s, &checkpoint));
    int left = tessi_is_file(checkpoint) || tessi_aside_left(checkpoint, holder, sizeof holder);
    tess_free(checkpoint);
    if (!left)
        return TESS_OK;
    TESS_TRY(tessi_format(c, &path, "%s/%s.lock", p->cache, s->key));
    int status = tessi_lock_try(c, path, &lock, &held, holder, sizeof holder);
    if (status == TESS_OK && !held)
        status = drop_checkpoint(c, p, s);
    tessi_lock_drop(path, lock);
    tess_free(path);
    return status;
}

static int compute(struct tess_call *c, struct tessi_pipeline *p, struct tessi_stage *s)
{
    struct waiting w = {p, s, 0};
    char *path = NULL;
    int lock = -1, found = 0;
    TESS_TRY(tessi_format(c, &path, "%s/%s.lock", p->cache, s->key));
    int status = tessi_lock_take(c, path, wait_for_other, &w, &lock);
    if (status == TESS_OK && !s->forced)
        status = tessi_cache_find(c, s, &found);
    if (status == TESS_OK && !found) {
        s->outcome = TESSI_COMPUTED;
        status = execute(c, p, s);
    }
    if (status == TESS_OK)
        status = drop_checkpoint(c, p, s);
    tessi_lock_drop(path, lock);
    tess_free(path);
    return status;
}

/* A stage planned from what an input would have at most is planned from what it has. */
static int plan_again(struct tess_call *c, const struct tessi_pipeline *p, struct tessi_stage *s)
{
    for (int64_t i = 0; i < s->inputs; i++)
        s->differs |= s->input[i].stage >= 0 && p->stage[s->input[i].stage].differs;
    return s->differs ? tessi_stage_plan(c, p, s) : TESS_OK;
}

static int get(struct tess_call *c, struct tessi_pipeline *p, struct tessi_stage *s)
{
    int found = *s->digest != '\0';
    if (!found)
        TESS_TRY(plan_again(c, p, s));
    TESS_TRY(tessi_stage_key(c, p, s));
    if (!found && !s->forced)
        TESS_TRY(tessi_cache_find(c, s, &found));
    s->outcome = TESSI_WAS_CACHED;
    return found ? drop_old_checkpoint(c, p, s) : compute(c, p, s);
}

static int run_stage(struct tess_call *c, struct tessi_pipeline *p, struct tessi_stage *s)
{
    struct tessi_log *log = p->runtime->log;
    if (tessi_signals_stopping())
        return stopped(c, s);
    double start = tessi_clock();
    int64_t held = tessi_memory_resident() - tessi_memory_in_use();
    tessi_memory_peak_restart();
    int status = get(c, p, s);
    int64_t most = held + tessi_memory_peak();
    if (status == TESS_OK)
        status = tessi_folder_publish(c, p, s);
    tessi_memory_trim(); /* the next stage begins from what this one did */
    s->seconds = tessi_clock() - start;
    if (status == TESS_E_STOPPED) {
        tessi_log_event(log, "stopped", "s:stage", s->name, "f:seconds", s->seconds, NULL);
        return stopped(c, s);
    }
    if (status != TESS_OK) {
        (void)tessi_stage_blame(c, s, status);
        tessi_log_event(log, "error", "s:stage", s->name, "i:status", (int64_t)status, "s:text", tessi_call_message(c), NULL);
        return status;
    }
    tessi_log_event(log, s->outcome == TESSI_COMPUTED ? "stage_end" : "stage_cached", "s:stage", s->name, "f:seconds", s->seconds, "s:key",
                    s->key, "s:digest", s->digest, "i:planned_bytes", tessi_stage_memory(p, s), "i:peak_bytes", most, NULL);
    return TESS_OK;
}

/* ---- the run ------------------------------------------------------------------------------------------------------- */

/* The log first, so that it has what entering the folder says. Two runs may write to it: each line has its run's name. */
static int start(struct tess_call *c, struct tessi_pipeline *p)
{
    char *path = NULL;
    TESS_TRY(tessi_make_folder(c, p->cache));
    TESS_TRY(tessi_make_folder(c, p->folder));
    tessi_file_digests_save(p->runtime->files);
    TESS_TRY(tessi_format(c, &path, "%s/log.jsonl", p->folder));
    int status = tessi_log_to(c, p->runtime->log, path);
    tess_free(path);
    TESS_TRY(status);
    tessi_log_event(p->runtime->log, "run_start", "s:name", p->name, "s:pipeline", p->source, "s:tool", "tessera " PACKAGE_VERSION,
                    "i:threads", (int64_t)tessi_workers_count(p->runtime->workers), "s:numeric_mode", p->runtime->numeric_mode, "i:seed",
                    (int64_t)p->seed, NULL);
    status = tessi_folder_enter(c, p);
    if (status != TESS_OK)
        tessi_log_event(p->runtime->log, "error", "i:status", (int64_t)status, "s:text", tessi_call_message(c), NULL);
    return status;
}

int tessi_pipeline_run(struct tess_call *c, struct tessi_pipeline *p)
{
    double began = tessi_clock();
    p->lock = -1;
    int status = start(c, p);
    for (int64_t i = 0; status == TESS_OK && i < p->views; i++)
        status = run_stage(c, p, &p->stage[p->view[i]]);
    tessi_log_event(p->runtime->log, "run_end", "i:status", (int64_t)status, "f:seconds", tessi_clock() - began, NULL);
    tessi_folder_leave(p);
    int closed = tessi_log_to(c, p->runtime->log, NULL);
    return status == TESS_OK ? closed : status;
}
