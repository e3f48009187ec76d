/* Pictures of results as files of the run's folder, STAGE.NAME.png. SPDX-License-Identifier: MIT */
#include "core/flow/pictures.h"
#include "core/base/files.h"
#include "core/base/memory.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The name of a stage has no `.`, so no two pictures of a pipeline have one path. */
int tessi_flow_picture_path(struct tess_context *ctx, const char *folder, const char *stage, const char *name, char **out)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, 3 * strlen(name) + 1, "name of a picture", &memory));
    char *escaped = memory, *to = memory;
    for (const char *at = name; *at; at++)
        if (isalnum((unsigned char)*at) || strchr("-_.", *at))
            *to++ = *at;
        else
            to += snprintf(to, 4, "%%%02X", (unsigned)(unsigned char)*at);
    *to = '\0';
    int status = tessi_base_format(ctx, out, "%s/%s.%s.png", folder, stage, escaped);
    tess_free(memory);
    return status;
}

static int pictures_export_one(struct tess_context *ctx, const struct tess_artefact *a, const char *name, const char *path)
{
    struct tess_tensor t = {0};
    char *dataset = NULL;
    TESS_TRY(tessi_base_format(ctx, &dataset, "pictures/%s", name));
    int status = tess_artefact_load(ctx, a, dataset, TESS_U8, &t);
    if (status == TESS_OK)
        status = tessi_store_png_write(ctx, path, &t);
    tess_free(t.data);
    tess_free(dataset);
    return status;
}

int tessi_flow_pictures_export(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s,
                               const struct tess_artefact *a, int fresh)
{
    void *memory;
    int64_t n = 0;
    int status = TESS_OK;
    while (tessi_store_artefact_picture_at(a, n))
        n++;
    if (!s->picture) {
        status = tess_alloc(ctx, (size_t)(n + 1) * sizeof *s->picture, "pictures", &memory);
        s->picture = memory;
    }
    while (status == TESS_OK && s->pictures < n) {
        const char *name = tessi_store_artefact_picture_at(a, s->pictures);
        char **path = &s->picture[s->pictures++];
        status = tessi_flow_picture_path(ctx, p->folder, s->name, name, path);
        if (status == TESS_OK && (fresh || !tessi_base_is_file(*path)))
            status = pictures_export_one(ctx, a, name, *path);
    }
    return status;
}

/* 1 where a file is a picture of the stage: STAGE.NAME.png. */
static int pictures_is_of(const char *stage, const char *file)
{
    size_t length = strlen(stage), end = strlen(file);
    return strncmp(file, stage, length) == 0 && file[length] == '.' && end > length + 5 && strcmp(file + end - 4, ".png") == 0;
}

/* Removes all pictures of a stage: those of a result that does not say any more which it has. */
int tessi_flow_pictures_drop(struct tess_context *ctx, const struct tessi_pipeline *p, const char *stage)
{
    int status = TESS_OK;
    DIR *d = opendir(p->folder);
    for (struct dirent *e; d && status == TESS_OK && (e = readdir(d));) {
        char *path = NULL;
        if (!pictures_is_of(stage, e->d_name))
            continue;
        status = tessi_base_format(ctx, &path, "%s/%s", p->folder, e->d_name);
        if (status == TESS_OK)
            (void)unlink(path);
        tess_free(path);
    }
    if (d)
        closedir(d);
    return status;
}
