/* Whether a run has nothing left to do: every result is cached and lies in the run's folder with its pictures, under the resolved.yaml that
 * this pipeline would write. SPDX-License-Identifier: MIT */
#include "core/base/files.h"
#include "core/flow/flow_private.h"
#include "core/flow/pictures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* 1 where `path` is another name of `target`, or a copy of equal time where the file system has no such names. */
static int settled_is_linked(const char *target, const char *path)
{
    struct stat a, b;
    if (stat(target, &a) != 0 || stat(path, &b) != 0)
        return 0;
    if (a.st_dev == b.st_dev && a.st_ino == b.st_ino)
        return 1;
    return a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

static int settled_pictures(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s, int *settled)
{
    struct tess_artefact *a = NULL;
    const char *name;
    int status = tessi_store_artefact_open(ctx, s->path, &a);
    for (int64_t i = 0; status == TESS_OK && *settled && (name = tessi_store_artefact_picture_at(a, i)); i++) {
        char *path = NULL;
        status = tessi_flow_picture_path(ctx, p->folder, s->name, name, &path);
        *settled = status == TESS_OK && tessi_base_is_file(path);
        tess_free(path);
    }
    tessi_store_artefact_close(a);
    return status;
}

/* Compares resolved.yaml with what this pipeline would write. */
static int settled_resolved(struct tess_context *ctx, const struct tessi_pipeline *p, int *settled)
{
    char *path = NULL, *text = NULL, *found = NULL;
    size_t bytes = 0, n = 0;
    int status = tessi_base_format(ctx, &path, "%s/resolved.yaml", p->folder);
    if (status == TESS_OK)
        status = tessi_flow_resolved_text(ctx, p, &text, &bytes);
    FILE *f = status == TESS_OK ? fopen(path, "re") : NULL;
    if (f && (found = malloc(bytes + 1)))
        n = fread(found, 1, bytes + 1, f);
    *settled = found && n == bytes && memcmp(found, text, bytes) == 0;
    if (f)
        fclose(f);
    free(found);
    free(text);
    tess_free(path);
    return status;
}

int tessi_flow_pipeline_settled(struct tess_context *ctx, const struct tessi_pipeline *p, int *settled)
{
    *settled = 1;
    for (int64_t i = 0; i < p->views && *settled; i++) {
        const struct tessi_stage *s = &p->stage[p->view[i]];
        *settled = s->state == TESSI_CACHED && settled_is_linked(s->cached, s->path);
        if (*settled)
            TESS_TRY(settled_pictures(ctx, p, s, settled));
    }
    return *settled ? settled_resolved(ctx, p, settled) : TESS_OK;
}
