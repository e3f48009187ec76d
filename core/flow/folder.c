/* The run's folder. It is of one pipeline at a time: resolved.yaml says which, and no result lies there that is not of it.
 *
 * Who comes first takes out what is of another pipeline, or of other parameters, and writes resolved.yaml; then results are put there one
 * by one. So a stop at any moment leaves a folder that is short of results and never of two minds. Nothing is lost by it, as what is taken
 * out stays in the cache. A second run of the same pipeline joins the first, one of another is told who is there.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/base/files.h"
#include "core/flow/flow_private.h"
#include "core/flow/folder.h"
#include "core/flow/pictures.h"
#include "core/flow/stage_record.h"
#include "core/base/lock.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX (64 * 1024) /* largest text of a lock on its run, in bytes */

/* ---- what is of another run ---------------------------------------------------------------------------------------- */

/* Takes a result and its pictures out of the folder; the cache has it first. */
static int take_out(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tess_artefact *a, const char *stage,
                    const char *path)
{
    const char *name, *key = tessi_store_artefact_provenance(a, "key");
    char *cached = NULL, *picture = NULL;
    TESS_TRY(tessi_base_format(ctx, &cached, "%s/%s.h5", p->cache, key));
    int status = tessi_base_is_file(cached) ? TESS_OK : tessi_base_link_file(ctx, path, cached, NULL);
    tess_free(cached);
    TESS_TRY(status);
    for (int64_t i = 0; (name = tessi_store_artefact_picture_at(a, i)); i++) {
        TESS_TRY(tessi_flow_picture_path(ctx, p, stage, name, &picture));
        (void)unlink(picture);
        tess_free(picture);
    }
    if (unlink(path) != 0 && errno != ENOENT)
        return tessi_base_cannot_write(ctx, TESS_E_CREATE, path, errno);
    return TESS_OK;
}

static int same_text(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

/* 1 where an artefact in the folder is the result that this pipeline's stage would give now, as far as can be told before it is run. `here`
 * has the digests of the artefacts that stay in the folder, "" where none does. */
static int is_of(const struct tessi_stage *s, const struct tess_artefact *a, char (*here)[TESS_DIGEST_TEXT])
{
    char name[128];
    if (*s->key)
        return same_text(tessi_store_artefact_provenance(a, "key"), s->key);
    if (!same_text(tessi_store_artefact_provenance(a, "parameters"), tessi_plug_instance_resolved(s->instance)) ||
        !same_text(tessi_store_artefact_provenance(a, "numeric_mode"), s->numeric_mode))
        return 0;
    const char *seed = tessi_store_artefact_provenance(a, "seed"), *epoch = tessi_store_artefact_provenance(a, "epoch");
    const char *files = tessi_store_artefact_provenance(a, "input/" TESSI_FILES_INPUT);
    if (!seed || strtoull(seed, NULL, 10) != s->seed || !epoch || strtoll(epoch, NULL, 10) != TESS_EPOCH)
        return 0;
    if (s->plugins && /* else it is not run this time, and was not looked at */
        (!same_text(files ? files : "", s->files) || !same_text(tessi_store_artefact_provenance(a, "plugin"), s->plugins)))
        return 0;
    for (int64_t i = 0; i < s->inputs; i++) {
        const struct tessi_input *in = &s->input[i];
        if (!in->at)
            continue;
        (void)snprintf(name, sizeof name, "input/%s", in->port->name);
        if (!same_text(tessi_store_artefact_provenance(a, name), in->stage >= 0 ? here[in->stage] : in->file_digest))
            return 0;
    }
    return 1;
}

/* Opens a file as the result of a stage: 1 where it is an artefact written by a stage of that name. */
static int open_result(const struct tess_context *ctx, const char *path, const char *stage, struct tess_artefact **out)
{
    struct tessi_context own;
    tessi_base_context_init(&own, ctx->host);
    *out = NULL;
    if (!tessi_base_is_file(path) || tessi_store_artefact_open(&own.context, path, out) != TESS_OK)
        return 0;
    if (same_text(tessi_store_artefact_provenance(*out, "stage"), stage) && tessi_store_artefact_provenance(*out, "key"))
        return 1;
    tessi_store_artefact_close(*out);
    *out = NULL;
    return 0;
}

static void name_it(char *list, size_t capacity, const char *stage)
{
    size_t used = strlen(list);
    (void)snprintf(list + used, capacity - used, "%s%s", used ? ", " : "", stage);
}

static int sort_out_stages(struct tess_context *ctx, const struct tessi_pipeline *p, char *list, size_t capacity)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(p->count + 1) * TESS_DIGEST_TEXT, "digests", &memory));
    char(*here)[TESS_DIGEST_TEXT] = memory;
    int status = TESS_OK;
    for (int64_t i = 0; i < p->count && status == TESS_OK; i++) {
        const struct tessi_stage *s = &p->stage[i];
        struct tess_artefact *a;
        if (!open_result(ctx, s->path, s->name, &a))
            continue;
        if (is_of(s, a, here)) {
            (void)snprintf(here[i], TESS_DIGEST_TEXT, "%s", tess_artefact_digest(a));
        } else {
            status = take_out(ctx, p, a, s->name, s->path);
            name_it(list, capacity, s->name);
        }
        tessi_store_artefact_close(a);
    }
    tess_free(memory);
    return status;
}

static int same_path(const char *a, const char *b)
{
    char *x = realpath(a, NULL), *y = x ? realpath(b, NULL) : NULL;
    int same = y && strcmp(x, y) == 0;
    free(x);
    free(y);
    return same;
}

/* The stage that reads this file as an input from outside; NULL: none. */
static const struct tessi_stage *reader_of(const struct tessi_pipeline *p, const char *path)
{
    for (int64_t i = 0; i < p->count; i++)
        for (int64_t k = 0; k < p->stage[i].inputs; k++)
            if (p->stage[i].input[k].file && same_path(p->stage[i].input[k].file, path))
                return &p->stage[i];
    return NULL;
}

/* Checks that no outside file lies where a result goes. */
static int folder_check_inputs(struct tess_context *ctx, const struct tessi_pipeline *p)
{
    for (int64_t i = 0; i < p->count; i++) {
        const struct tessi_stage *reader = reader_of(p, p->stage[i].path);
        if (reader)
            return ctx->fail(
                ctx, TESS_E_USAGE,
                "%s: is read by stage `%s`, and is where the result of stage `%s` goes; give this run a folder of its own: name=%s-2",
                p->stage[i].path, reader->name, p->stage[i].name, p->name);
    }
    return TESS_OK;
}

static int has_stage(const struct tessi_pipeline *p, const char *name)
{
    for (int64_t i = 0; i < p->count; i++)
        if (strcmp(p->stage[i].name, name) == 0)
            return 1;
    return 0;
}

/* Removes results of stages that this pipeline does not have. Files that no stage wrote are left alone. */
static int sort_out_others(struct tess_context *ctx, const struct tessi_pipeline *p, char *list, size_t capacity)
{
    int status = TESS_OK;
    DIR *d = opendir(p->folder);
    for (struct dirent *e; d && status == TESS_OK && (e = readdir(d));) {
        char stage[256], *path = NULL;
        struct tess_artefact *a;
        size_t length = strlen(e->d_name);
        if (length < 4 || strcmp(e->d_name + length - 3, ".h5") != 0)
            continue;
        (void)snprintf(stage, sizeof stage, "%.*s", (int)length - 3, e->d_name);
        if (has_stage(p, stage))
            continue;
        status = tessi_base_format(ctx, &path, "%s/%s", p->folder, e->d_name);
        if (status == TESS_OK && !reader_of(p, path) && open_result(ctx, path, stage, &a)) {
            status = take_out(ctx, p, a, stage, path);
            name_it(list, capacity, stage);
            tessi_store_artefact_close(a);
        }
        tess_free(path);
    }
    if (d)
        closedir(d);
    return status;
}

static int sort_out(struct tess_context *ctx, const struct tessi_pipeline *p)
{
    char list[512] = "";
    TESS_TRY(sort_out_stages(ctx, p, list, sizeof list));
    TESS_TRY(sort_out_others(ctx, p, list, sizeof list));
    if (*list)
        tessi_base_log_note(p->runtime->log, "%s had results of another run (%s); they are in the cache, and no longer here", p->folder,
                            list);
    return TESS_OK;
}

/* ---- entering and leaving ------------------------------------------------------------------------------------------ */

/* Describes the run for its lock: "PIPELINE DIGEST", then "STAGE DIGEST" for the files that stages read, in lines, each with a newline
 * before it and one at the end. */
static int folder_describe(struct tess_context *ctx, const struct tessi_pipeline *p, const char *resolved, size_t bytes, char **out)
{
    struct tess_digest d;
    char digest[TESS_DIGEST_TEXT], *text = NULL, *longer = NULL;
    tess_digest_start(&d);
    tess_digest_add(&d, resolved, bytes);
    tess_digest_end(&d, digest);
    TESS_TRY(tessi_base_format(ctx, &text, "\n%s\n", digest));
    for (int64_t i = 0; i < p->count; i++) {
        if (!*p->stage[i].files)
            continue;
        int status = tessi_base_format(ctx, &longer, "%s%s %s\n", text, p->stage[i].name, p->stage[i].files);
        tess_free(text);
        text = longer;
        TESS_TRY(status);
    }
    *out = text;
    return TESS_OK;
}

/* 1 where two runs are of one pipeline and read the same files, as far as both have looked: one may be of the first stages alone. */
static int folder_agree(const char *ours, const char *theirs)
{
    size_t head = 1 + TESS_DIGEST_TEXT; /* both newlines of the first line */
    if (strncmp(ours, theirs, head) != 0)
        return 0;
    for (const char *line = ours + head; *line; line = strchr(line, '\n') + 1) {
        char name[300];
        (void)snprintf(name, sizeof name, "\n%.*s ", (int)strcspn(line, " "), line);
        const char *other = strstr(theirs, name);
        if (other && strncmp(other + 1, line, strcspn(line, "\n")) != 0)
            return 0;
    }
    return 1;
}

static int folder_refuse(struct tess_context *ctx, const struct tessi_pipeline *p, const char *holder)
{
    return ctx->fail(ctx, TESS_E_CREATE,
                   "%s: %s runs another pipeline there, or this one with other parameters or inputs; wait until it ends, or give this "
                   "run a folder of its own: name=%s-2",
                   p->folder, *holder ? holder : "another process", p->name);
}

/* Joins the runs in the folder: 1 done, 0 nobody is there any more, or a failure. */
static int folder_join(struct tess_context *ctx, struct tessi_pipeline *p, const char *path, const char *about)
{
    void *memory;
    int lock = tessi_base_lock_join(path);
    if (lock < 0)
        return 0;
    int status = tess_alloc(ctx, TEXT_MAX, "what a lock says", &memory);
    if (status == TESS_OK) {
        const char *theirs = tessi_base_lock_read(lock, memory, TEXT_MAX);
        status = folder_agree(about, theirs) ? 1 : folder_refuse(ctx, p, memory);
        tess_free(memory);
    }
    if (status == 1)
        p->lock = lock;
    else
        tessi_base_lock_drop(path, lock);
    return status;
}

/* Removes outcome.yaml, which a sweep leaves, where resolved.yaml says that the folder was of another run. */
static int folder_drop_outcome(struct tess_context *ctx, const struct tessi_pipeline *p, const char *path, const char *resolved,
                               size_t bytes)
{
    char *outcome = NULL;
    size_t at = 0;
    int same = 1;
    FILE *f = fopen(path, "rbe");
    for (int c; f && same && (c = getc(f)) != EOF; at++)
        same = at < bytes && (unsigned char)resolved[at] == c;
    same = f && same && at == bytes;
    if (f)
        (void)fclose(f);
    if (same)
        return TESS_OK;
    TESS_TRY(tessi_base_format(ctx, &outcome, "%s/outcome.yaml", p->folder));
    (void)unlink(outcome);
    tess_free(outcome);
    return TESS_OK;
}

static int folder_prepare(struct tess_context *ctx, const struct tessi_pipeline *p, const char *resolved, size_t bytes)
{
    char *path = NULL;
    TESS_TRY(sort_out(ctx, p));
    TESS_TRY(tessi_base_format(ctx, &path, "%s/resolved.yaml", p->folder));
    int status = folder_drop_outcome(ctx, p, path, resolved, bytes);
    if (status == TESS_OK)
        status = tessi_base_write_text(ctx, path, resolved, bytes);
    tess_free(path);
    return status;
}

/* Tries to enter the folder: 1 done, 0 to be tried again, or a failure. */
static int try_to_enter(struct tess_context *ctx, struct tessi_pipeline *p, const char *path, const char *about, const char *resolved,
                        size_t bytes)
{
    char holder[256];
    int lock, held, status;
    TESS_TRY(tessi_base_lock_try(ctx, path, &lock, &held, holder, sizeof holder));
    if (held)
        return folder_join(ctx, p, path, about);
    tessi_base_lock_sign(lock, about);
    status = folder_prepare(ctx, p, resolved, bytes);
    if (status == TESS_OK && lock >= 0 && !tessi_base_lock_share(lock, path)) {
        tessi_base_lock_drop(path, lock);
        return 0;
    }
    if (status != TESS_OK)
        tessi_base_lock_drop(path, lock);
    else
        p->lock = lock;
    return status == TESS_OK ? 1 : status;
}

int tessi_flow_folder_enter(struct tess_context *ctx, struct tessi_pipeline *p)
{
    char *path = NULL, *about = NULL, *resolved = NULL;
    size_t bytes = 0;
    int status;
    p->lock = -1;
    TESS_TRY(folder_check_inputs(ctx, p));
    TESS_TRY(tessi_base_format(ctx, &path, "%s/.lock", p->folder));
    if ((status = tessi_flow_resolved_text(ctx, p, &resolved, &bytes)) != TESS_OK ||
        (status = folder_describe(ctx, p, resolved, bytes, &about)) != TESS_OK)
        goto done;
    /* Two runs may each find the other one busy, so they try again. */
    while ((status = try_to_enter(ctx, p, path, about, resolved, bytes)) == 0) {
        if (tessi_base_signals_stopping()) {
            status = ctx->fail(ctx, TESS_E_STOPPED, "stopped before the first stage");
            break;
        }
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    status = status == 1 ? TESS_OK : status;
done:
    free(resolved);
    tess_free(about);
    tess_free(path);
    return status;
}

void tessi_flow_folder_leave(struct tessi_pipeline *p)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/.lock", p->folder) < (int)sizeof path)
        tessi_base_lock_drop(path, p->lock);
    p->lock = -1;
}

/* ---- publishing ---------------------------------------------------------------------------------------------------- */

/* Shows the result in the folder: its pictures as files, its record and its warnings with the stage. */
static int show_result(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s, int fresh)
{
    struct tess_artefact *a = NULL;
    TESS_TRY(tessi_store_artefact_open(ctx, s->path, &a));
    const char *warning = tessi_store_artefact_provenance(a, "warning");
    if (warning && s->outcome == TESSI_WAS_CACHED)
        (void)snprintf(s->warning, sizeof s->warning, "%s", warning);
    int status = tessi_flow_pictures_export(ctx, p, s, a, fresh);
    if (status == TESS_OK)
        status = tessi_flow_stage_record(ctx, s, a);
    tessi_store_artefact_close(a);
    return status;
}

/* Removes an older result of the same name, with its pictures, before another takes its place: it may have more pictures. */
static int folder_drop_former(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s)
{
    struct tess_artefact *a;
    int status = TESS_OK;
    if (!open_result(ctx, s->path, s->name, &a))
        return tessi_base_is_file(s->path) ? tessi_flow_pictures_drop(ctx, p, s->name) : TESS_OK;
    if (strcmp(tess_artefact_digest(a), s->digest) != 0)
        status = take_out(ctx, p, a, s->name, s->path);
    tessi_store_artefact_close(a);
    return status;
}

int tessi_flow_folder_publish(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s)
{
    int changed = 0;
    if (tessi_base_is_file(s->cached)) {
        TESS_TRY(folder_drop_former(ctx, p, s));
        TESS_TRY(tessi_base_link_file(ctx, s->cached, s->path, &changed));
    } else {
        TESS_TRY(tessi_base_link_file(ctx, s->path, s->cached, NULL));
    }
    return show_result(ctx, p, s, changed || s->outcome == TESSI_COMPUTED);
}
