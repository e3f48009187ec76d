/* Encoding of one part of an archive, or of a whole small one, through a pipeline of one stage in a work folder beside it: locks,
 * checkpoints, resuming, the disk and signals are the pipeline's. SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* nftw */
#include "cli/encode.h"
#include "core/base/context.h"
#include "core/base/files.h"
#include "core/store/store.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int remove_one(const char *path, const struct stat *about, int type, struct FTW *ftw)
{
    (void)about, (void)type, (void)ftw;
    (void)remove(path);
    return 0;
}

void cli_encode_remove_work(const struct cli_archive *a)
{
    enum { OPEN = 16 };
    (void)nftw(a->work, remove_one, OPEN, FTW_DEPTH | FTW_PHYS);
}

/* Puts a finished part where the pipeline's run would have it, so that planning says whether it is the result, or what differs. */
static int show_finished(struct tess_context *ctx, const struct cli_archive *a, const char *name, const char *path)
{
    char *folder = NULL, *there = NULL;
    if (!tessi_base_is_file(path))
        return TESS_OK;
    TESS_TRY(tessi_base_format(ctx, &folder, "%s/runs/%s", a->work, name));
    int status = tessi_base_make_folder(ctx, folder);
    if (status == TESS_OK)
        status = tessi_base_format(ctx, &there, "%s/%s.h5", folder, name);
    if (status == TESS_OK)
        status = tessi_base_link_file(ctx, path, there, NULL);
    tess_free(folder);
    tess_free(there);
    return status;
}

/* Runs the pipeline, and links its result into place. */
static int part_run(struct tess_context *ctx, struct tessi_pipeline *p, const char *path, int *computed)
{
    struct tessi_stage_view view;
    TESS_TRY(tessi_flow_pipeline_run(ctx, p));
    tessi_flow_pipeline_stage(p, 0, &view);
    *computed = view.outcome == TESSI_COMPUTED;
    TESS_TRY(tessi_base_link_file(ctx, view.path, path, NULL));
    (void)unlink(view.path); /* only other names of the file, or copies where the file system has no such names */
    (void)unlink(view.cached);
    return TESS_OK;
}

static int part_do(struct tess_context *ctx, const struct cli_archive *a, struct tessi_pipeline *p, const char *path, int *computed)
{
    struct tessi_stage_view view;
    tessi_flow_pipeline_stage(p, 0, &view);
    if (!tessi_base_is_file(path))
        return part_run(ctx, p, path, computed);
    if (view.state == TESSI_CACHED)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_DATA, "%s is there and was encoded from something else: %s; encode to another place, or %s", path,
                     *view.reason ? view.reason : "its settings differ",
                     a->o->append ? "give the archive its own settings" : "remove it to encode again");
}

/* Opens the pipeline of the one stage, which is written into the work folder. */
static int part_open(struct tess_context *ctx, const struct cli_archive *a, const char *name, const struct tessi_config *stage,
                     struct tessi_pipeline **p)
{
    char *yaml = NULL, *line = NULL;
    int status = tessi_base_format(ctx, &yaml, "%s/%s.yaml", a->work, name);
    if (status == TESS_OK)
        status = tessi_base_make_folder(ctx, a->work);
    if (status == TESS_OK)
        status = cli_encode_line(ctx, name, stage, &line);
    if (status == TESS_OK)
        status = cli_encode_write(ctx, yaml, name, line);
    const struct tessi_pipeline_options o = {
        .path = yaml, .workdir = a->work, .checkpoint_seconds = a->o->checkpoint_seconds, .anonymous = 1};
    if (status == TESS_OK)
        status = tessi_flow_pipeline_open(ctx, a->runtime, &o, p);
    tess_free(yaml);
    tess_free(line);
    return status;
}

/* Takes the place in the pipeline of the work folder out of a message: nobody wrote that file. */
static void part_drop_place(struct tess_context *ctx, const struct cli_archive *a, const char *name, int status)
{
    char text[TESSI_MESSAGE_CAPACITY];
    const char *at = tessi_base_context_message(ctx);
    size_t work = strlen(a->work), length = strlen(name);
    if (strncmp(at, a->work, work) != 0 || at[work] != '/' || strncmp(at + work + 1, name, length) != 0 ||
        strncmp(at + work + 1 + length, ".yaml:", 6) != 0)
        return;
    at += work + 1 + length + 6;
    at += strspn(at, "0123456789:");
    (void)snprintf(text, sizeof text, "%s", at + (*at == ' '));
    tessi_base_context_clear(ctx);
    (void)ctx->fail(ctx, status, "%s", text);
}

static int part_once(struct tess_context *ctx, const struct cli_archive *a, const char *name, const struct tessi_config *stage,
                     const char *path, int *computed, struct tessi_pipeline **p)
{
    TESS_TRY(show_finished(ctx, a, name, path));
    TESS_TRY(part_open(ctx, a, name, stage, p));
    return part_do(ctx, a, *p, path, computed);
}

/* 1 where the part failed as an image changed while it was read. Where bad images are left out, that does not end the run either: the part
 * is made once more, of what is there then. */
static int part_changed(const struct tess_context *ctx, const struct cli_archive *a, const char *name, const struct tessi_pipeline *p)
{
    struct tessi_context own;
    char *file = NULL;
    tessi_base_context_init(&own, ctx->host);
    if (tessi_flow_pipeline_changed(&own.context, p, &file) != TESS_OK || !file)
        return 0;
    tessi_base_log_note(a->runtime->log, "%s changed while there was work with it; %s is made again", file, name);
    tess_free(file);
    return 1;
}

int cli_encode_part(struct tess_context *ctx, const struct cli_archive *a, const char *name, const struct tessi_config *stage,
                    const char *path, int *computed)
{
    enum { TIMES = 5 };
    int status = TESS_OK, again = 1;
    *computed = 0;
    for (int i = 0; again; i++) {
        struct tessi_pipeline *p = NULL;
        status = part_once(ctx, a, name, stage, path, computed, &p);
        again = status == TESS_E_DATA && a->o->skip_bad && p && i + 1 < TIMES && part_changed(ctx, a, name, p);
        tessi_flow_pipeline_free(p);
        if (again)
            tessi_base_context_clear(ctx);
    }
    if (status != TESS_OK)
        part_drop_place(ctx, a, name, status);
    return status;
}

int cli_encode_part_plan(struct tess_context *ctx, const struct cli_archive *a, const char *name, const struct tessi_config *stage)
{
    struct tessi_pipeline *p = NULL;
    int status = part_open(ctx, a, name, stage, &p);
    tessi_flow_pipeline_free(p);
    return status;
}
