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
#include "core/flow/files.h"
#include "core/flow/flow_private.h"

#include <ctype.h>
#include <stdio.h>
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
    }
    return TESS_OK;
}

static void close_run(struct tess_stage_run *r)
{
    for (int64_t i = 0; i < r->inputs; i++)
        tessi_artefact_close(r->input[i]);
    tess_free(r->input);
    tess_free(r->port);
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
    const struct tessi_provenance about = {
        .stage = s->name,
        .plugin = s->plugins,
        .parameters = tessi_instance_resolved(s->instance),
        .key = s->key,
        .numeric_mode = p->runtime->numeric_mode,
        .tool = "tessera " PACKAGE_VERSION,
        .seed = s->seed,
        .inputs = n,
        .input_port = port,
        .input_digest = digest,
    };
    struct tess_artefact *output = r->output;
    r->output = NULL;
    int status = tessi_artefact_finish(c, output, &about, s->digest);
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

static int execute(struct tess_call *c, struct tessi_pipeline *p, struct tessi_stage *s)
{
    double now = tessi_clock();
    struct tess_stage_run r = {.c = c,
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
        status = tessi_artefact_create(c, s->cached, s->ops->output, &r.output);
    if (status == TESS_OK)
        status = s->ops->run(tess_instance_self(s->instance), c, &r);
    if (status > 0)
        status = c->fail(c, TESS_E_INTERNAL, "it gave the status %d, which means nothing", status);
    else if (status != TESS_OK)
        (void)c->fail(c, status, "it failed and gave no reason");
    tessi_progress_end(r.log);
    if (status == TESS_OK)
        status = check_facts(c, s, &r);
    if (status == TESS_OK)
        status = finish(c, p, s, &r);
    close_run(&r);
    return status;
}

/* ---- cached or computed -------------------------------------------------------------------------------------------- */

struct waiting {
    const struct tessi_pipeline *p;
    const struct tessi_stage *s;
    int told;
};

static int stopped(struct tess_call *c, const struct tessi_stage *s, int begun)
{
    tessi_call_clear(c);
    return c->fail(c, TESS_E_STOPPED, "stopped %s stage `%s`; the same command goes on %s", begun ? "in" : "before", s->name,
                   begun ? "from its last checkpoint" : "from there");
}

static int wait_for_other(void *user, struct tess_call *c)
{
    struct waiting *w = user;
    if (!w->told++)
        tessi_log_note(w->p->runtime->log, "%s: another run computes this; waiting for it", w->s->name);
    return tessi_signals_stopping() ? stopped(c, w->s, 0) : TESS_OK;
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
    return found ? TESS_OK : compute(c, p, s);
}

/* ---- the run's folder ---------------------------------------------------------------------------------------------- */

static int picture_path(struct tess_call *c, const struct tessi_pipeline *p, const struct tessi_stage *s, const char *name, char **out)
{
    TESS_TRY(tessi_format(c, out, "%s/%s-%s.png", p->folder, s->name, name));
    for (char *at = *out + strlen(p->folder) + strlen(s->name) + 2; *at; at++)
        if (!isalnum((unsigned char)*at) && !strchr("-_.", *at))
            *at = '_';
    return TESS_OK;
}

static int export_picture(struct tess_call *c, const struct tess_artefact *a, const char *name, const char *path)
{
    struct tess_tensor t = {0};
    char *dataset = NULL;
    TESS_TRY(tessi_format(c, &dataset, "pictures/%s", name));
    int status = tess_artefact_load(c, a, dataset, TESS_U8, &t);
    if (status == TESS_OK)
        status = tessi_png_write(c, path, &t);
    tess_free(t.data);
    tess_free(dataset);
    return status;
}

static int export_pictures(struct tess_call *c, const struct tessi_pipeline *p, struct tessi_stage *s, int fresh)
{
    void *memory;
    struct tess_artefact *a = NULL;
    int64_t n = 0;
    int status = tessi_artefact_open(c, s->path, &a);
    while (status == TESS_OK && tessi_artefact_picture_at(a, n))
        n++;
    if (status == TESS_OK && !s->picture) {
        status = tess_alloc(c, (size_t)(n + 1) * sizeof *s->picture, "pictures", &memory);
        s->picture = memory;
    }
    while (status == TESS_OK && s->pictures < n) {
        const char *name = tessi_artefact_picture_at(a, s->pictures);
        char **path = &s->picture[s->pictures++];
        status = picture_path(c, p, s, name, path);
        if (status == TESS_OK && (fresh || !tessi_is_file(*path)))
            status = export_picture(c, a, name, *path);
    }
    tessi_artefact_close(a);
    return status;
}

/* The artefact under the stage's name, and its pictures. An artefact that only the run's folder still has goes back into the cache. A
 * checkpoint beside a finished artefact is one that a kill at the very end left. */
static int publish(struct tess_call *c, const struct tessi_pipeline *p, struct tessi_stage *s)
{
    char *checkpoint = NULL;
    int changed = 0;
    TESS_TRY(checkpoint_path(c, p, s, &checkpoint));
    tessi_artefact_remove(checkpoint);
    tess_free(checkpoint);
    if (tessi_is_file(s->cached))
        TESS_TRY(tessi_link_file(c, s->cached, s->path, &changed));
    else
        TESS_TRY(tessi_link_file(c, s->path, s->cached, NULL));
    return export_pictures(c, p, s, changed || s->outcome == TESSI_COMPUTED);
}

static int run_stage(struct tess_call *c, struct tessi_pipeline *p, struct tessi_stage *s)
{
    struct tessi_log *log = p->runtime->log;
    if (tessi_signals_stopping())
        return stopped(c, s, 0);
    double start = tessi_clock();
    int status = get(c, p, s);
    if (status == TESS_OK)
        status = publish(c, p, s);
    s->seconds = tessi_clock() - start;
    if (status == TESS_E_STOPPED) {
        tessi_log_event(log, "stopped", "s:stage", s->name, "f:seconds", s->seconds, NULL);
        return stopped(c, s, s->outcome == TESSI_COMPUTED);
    }
    if (status != TESS_OK) {
        (void)tessi_stage_blame(c, s, status);
        tessi_log_event(log, "error", "s:stage", s->name, "i:status", (int64_t)status, "s:text", tessi_call_message(c), NULL);
        return status;
    }
    tessi_log_event(log, s->outcome == TESSI_COMPUTED ? "stage_end" : "stage_cached", "s:stage", s->name, "f:seconds", s->seconds, "s:key",
                    s->key, "s:digest", s->digest, NULL);
    return TESS_OK;
}

/* ---- the run ------------------------------------------------------------------------------------------------------- */

static int start(struct tess_call *c, const struct tessi_pipeline *p)
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
    TESS_TRY(tessi_format(c, &path, "%s/resolved.yaml", p->folder));
    status = tessi_resolved_write(c, p, path);
    tess_free(path);
    return status;
}

int tessi_pipeline_run(struct tess_call *c, struct tessi_pipeline *p)
{
    double began = tessi_clock();
    int status = start(c, p);
    for (int64_t i = 0; status == TESS_OK && i < p->views; i++)
        status = run_stage(c, p, &p->stage[p->view[i]]);
    tessi_log_event(p->runtime->log, "run_end", "i:status", (int64_t)status, "f:seconds", tessi_clock() - began, NULL);
    int closed = tessi_log_to(c, p->runtime->log, NULL);
    return status == TESS_OK ? closed : status;
}
