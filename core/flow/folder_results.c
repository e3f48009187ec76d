/* Results in the run's folder: which of them are of another run, and a stage's own, published there.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/base/files.h"
#include "core/flow/flow_private.h"
#include "core/flow/folder.h"
#include "core/flow/folder_results.h"
#include "core/flow/pictures.h"
#include "core/flow/stage_record.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- results of other runs ----------------------------------------------------------------------------------------- */

/* Takes a result and its pictures out of the folder; the cache has it first. */
static int results_take_out(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tess_artefact *a, const char *stage,
                            const char *path)
{
    const char *name, *key = tessi_store_artefact_provenance(a, "key");
    char *cached = NULL, *picture = NULL;
    TESS_TRY(tessi_base_format(ctx, &cached, "%s/%s.h5", p->cache, key));
    int status = tessi_base_is_file(cached) ? TESS_OK : tessi_base_link_file(ctx, path, cached, NULL);
    tess_free(cached);
    TESS_TRY(status);
    for (int64_t i = 0; (name = tessi_store_artefact_picture_at(a, i)); i++) {
        TESS_TRY(tessi_flow_picture_path(ctx, p->folder, stage, name, &picture));
        (void)unlink(picture);
        tess_free(picture);
    }
    if (unlink(path) != 0 && errno != ENOENT)
        return tessi_base_cannot_write(ctx, TESS_E_CREATE, path, errno);
    return TESS_OK;
}

static int results_same_text(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

/* 1 where an artefact in the folder is the result that this pipeline's stage would give now, as far as can be told before it is run. `here`
 * has the digests of the artefacts that stay in the folder, "" where none does. */
static int results_is_of(const struct tessi_stage *s, const struct tess_artefact *a, char (*here)[TESS_DIGEST_TEXT])
{
    char name[128];
    if (*s->key)
        return results_same_text(tessi_store_artefact_provenance(a, "key"), s->key);
    if (!results_same_text(tessi_store_artefact_provenance(a, "parameters"), tessi_plug_instance_resolved(s->instance)) ||
        !results_same_text(tessi_store_artefact_provenance(a, "numeric_mode"), s->numeric_mode))
        return 0;
    const char *seed = tessi_store_artefact_provenance(a, "seed"), *epoch = tessi_store_artefact_provenance(a, "epoch");
    const char *files = tessi_store_artefact_provenance(a, "input." TESSI_FILES_INPUT);
    if (!seed || strtoull(seed, NULL, 10) != s->seed || !epoch || strtoll(epoch, NULL, 10) != TESS_EPOCH)
        return 0;
    if (s->plugins && /* other stages are not run this time, and were not looked at */
        (!results_same_text(files ? files : "", s->files) || !results_same_text(tessi_store_artefact_provenance(a, "plugin"), s->plugins)))
        return 0;
    for (int64_t i = 0; i < s->inputs; i++) {
        const struct tessi_input *in = &s->input[i];
        if (!in->at)
            continue;
        (void)snprintf(name, sizeof name, "input.%s", in->port->name);
        if (!results_same_text(tessi_store_artefact_provenance(a, name), in->stage >= 0 ? here[in->stage] : in->file_digest))
            return 0;
    }
    return 1;
}

/* Opens a file as the result of a stage: 1 where it is an artefact written by a stage of that name. */
static int results_open(const struct tess_context *ctx, const char *path, const char *stage, struct tess_artefact **out)
{
    struct tessi_context own;
    tessi_base_context_init(&own, ctx->host);
    *out = NULL;
    if (!tessi_base_is_file(path) || tessi_store_artefact_open(&own.context, path, out) != TESS_OK)
        return 0;
    if (results_same_text(tessi_store_artefact_provenance(*out, "stage"), stage) && tessi_store_artefact_provenance(*out, "key"))
        return 1;
    tessi_store_artefact_close(*out);
    *out = NULL;
    return 0;
}

static void results_name(char *list, size_t capacity, const char *stage)
{
    size_t used = strlen(list);
    (void)snprintf(list + used, capacity - used, "%s%s", used ? ", " : "", stage);
}

static int results_clear_stages(struct tess_context *ctx, const struct tessi_pipeline *p, char *list, size_t capacity)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(p->count + 1) * TESS_DIGEST_TEXT, "digests", &memory));
    char(*here)[TESS_DIGEST_TEXT] = memory;
    int status = TESS_OK;
    for (int64_t i = 0; i < p->count && status == TESS_OK; i++) {
        const struct tessi_stage *s = &p->stage[i];
        struct tess_artefact *a;
        if (!results_open(ctx, s->path, s->name, &a))
            continue;
        if (results_is_of(s, a, here)) {
            (void)snprintf(here[i], TESS_DIGEST_TEXT, "%s", tess_artefact_digest(a));
        } else {
            status = results_take_out(ctx, p, a, s->name, s->path);
            results_name(list, capacity, s->name);
        }
        tessi_store_artefact_close(a);
    }
    tess_free(memory);
    return status;
}

static int results_same_path(const char *a, const char *b)
{
    char *x = realpath(a, NULL), *y = x ? realpath(b, NULL) : NULL;
    int same = y && strcmp(x, y) == 0;
    free(x);
    free(y);
    return same;
}

/* The stage that reads this file as an input from outside; NULL: none. */
static const struct tessi_stage *results_reader(const struct tessi_pipeline *p, const char *path)
{
    for (int64_t i = 0; i < p->count; i++)
        for (int64_t k = 0; k < p->stage[i].inputs; k++)
            if (p->stage[i].input[k].file && results_same_path(p->stage[i].input[k].file, path))
                return &p->stage[i];
    return NULL;
}

int tessi_flow_folder_check_inputs(struct tess_context *ctx, const struct tessi_pipeline *p)
{
    for (int64_t i = 0; i < p->count; i++) {
        const struct tessi_stage *reader = results_reader(p, p->stage[i].path);
        if (reader)
            return ctx->fail(
                ctx, TESS_E_USAGE,
                "%s: is read by stage `%s`, and is where the result of stage `%s` goes; give this run a folder of its own: name=%s-2",
                p->stage[i].path, reader->name, p->stage[i].name, p->name);
    }
    return TESS_OK;
}

static int results_has_stage(const struct tessi_pipeline *p, const char *name)
{
    for (int64_t i = 0; i < p->count; i++)
        if (strcmp(p->stage[i].name, name) == 0)
            return 1;
    return 0;
}

/* Removes results of stages that this pipeline does not have. Files that no stage wrote are left alone. */
static int results_clear_others(struct tess_context *ctx, const struct tessi_pipeline *p, char *list, size_t capacity)
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
        if (results_has_stage(p, stage))
            continue;
        status = tessi_base_format(ctx, &path, "%s/%s", p->folder, e->d_name);
        if (status == TESS_OK && !results_reader(p, path) && results_open(ctx, path, stage, &a)) {
            status = results_take_out(ctx, p, a, stage, path);
            results_name(list, capacity, stage);
            tessi_store_artefact_close(a);
        }
        tess_free(path);
    }
    if (d)
        closedir(d);
    return status;
}

int tessi_flow_folder_clear(struct tess_context *ctx, const struct tessi_pipeline *p)
{
    char list[512] = "";
    TESS_TRY(results_clear_stages(ctx, p, list, sizeof list));
    TESS_TRY(results_clear_others(ctx, p, list, sizeof list));
    if (*list)
        tessi_base_log_note(p->runtime->log, "%s had results of another run (%s); they are in the cache, and no longer here", p->folder,
                            list);
    return TESS_OK;
}

/* ---- publishing ---------------------------------------------------------------------------------------------------- */

/* Shows the result in the folder: its pictures as files, its record and its warnings with the stage. */
static int results_show(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s, int fresh)
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
static int results_drop_former(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s)
{
    struct tess_artefact *a;
    int status = TESS_OK;
    if (!results_open(ctx, s->path, s->name, &a))
        return tessi_base_is_file(s->path) ? tessi_flow_pictures_drop(ctx, p, s->name) : TESS_OK;
    if (strcmp(tess_artefact_digest(a), s->digest) != 0)
        status = results_take_out(ctx, p, a, s->name, s->path);
    tessi_store_artefact_close(a);
    return status;
}

int tessi_flow_folder_publish(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s)
{
    int changed = 0;
    if (tessi_base_is_file(s->cached)) {
        TESS_TRY(results_drop_former(ctx, p, s));
        TESS_TRY(tessi_base_link_file(ctx, s->cached, s->path, &changed));
    } else {
        TESS_TRY(tessi_base_link_file(ctx, s->path, s->cached, NULL));
    }
    return results_show(ctx, p, s, changed || s->outcome == TESSI_COMPUTED);
}
