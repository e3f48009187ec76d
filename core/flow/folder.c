/* The run's folder. It is of one pipeline at a time: resolved.yaml says which, and no result lies there that is not of it.
 *
 * Who comes first takes out what is of another pipeline, or of other parameters, and writes resolved.yaml; then results are put there one
 * by one. So a stop at any moment leaves a folder that is short of results and never of two minds. Nothing is lost by it, as what is taken
 * out stays in the cache. A second run of the same pipeline joins the first, one of another is told who is there.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/base/files.h"
#include "core/base/lock.h"
#include "core/flow/flow_private.h"
#include "core/flow/folder.h"
#include "core/flow/folder_results.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX (64 * 1024) /* largest text of a lock on its run, in bytes */

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
    size_t head = 1 + TESS_DIGEST_TEXT; /* the first line's two newlines */
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
    TESS_TRY(tessi_flow_folder_clear(ctx, p));
    TESS_TRY(tessi_base_format(ctx, &path, "%s/resolved.yaml", p->folder));
    int status = folder_drop_outcome(ctx, p, path, resolved, bytes);
    if (status == TESS_OK)
        status = tessi_base_write_text(ctx, path, resolved, bytes);
    tess_free(path);
    return status;
}

/* Tries to enter the folder: 1 done, 0 to be tried again, or a failure. */
static int folder_try(struct tess_context *ctx, struct tessi_pipeline *p, const char *path, const char *about, const char *resolved,
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
    TESS_TRY(tessi_flow_folder_check_inputs(ctx, p));
    TESS_TRY(tessi_base_format(ctx, &path, "%s/.lock", p->folder));
    if ((status = tessi_flow_resolved_text(ctx, p, &resolved, &bytes)) != TESS_OK ||
        (status = folder_describe(ctx, p, resolved, bytes, &about)) != TESS_OK)
        goto done;
    /* Two runs may each find the other one busy, so they try again. */
    while ((status = folder_try(ctx, p, path, about, resolved, bytes)) == 0) {
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
