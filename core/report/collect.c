/* Collecting of runs from paths: see collect.h. SPDX-License-Identifier: MIT */
#include "core/base/files.h"
#include "core/report/collect_private.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { COLLECT_NOTHING = 0, COLLECT_RUN = 1, COLLECT_SWEEP = 2 };

static int collect_has(const char *folder, const char *file)
{
    char path[4096];
    return snprintf(path, sizeof path, "%s/%s", folder, file) < (int)sizeof path && tessi_base_is_file(path);
}

/* Kind of folder by the files in it. */
static int collect_kind(const char *folder)
{
    if (collect_has(folder, "sweep.yaml"))
        return COLLECT_SWEEP;
    return collect_has(folder, "resolved.yaml") || collect_has(folder, "log.jsonl") ? COLLECT_RUN : COLLECT_NOTHING;
}

/* 1 where a folder has others that are of runs. */
static int collect_is_group(const char *folder)
{
    int found = 0;
    char path[4096];
    DIR *d = opendir(folder);
    for (struct dirent *e; d && !found && (e = readdir(d));)
        found = e->d_name[0] != '.' && snprintf(path, sizeof path, "%s/%s", folder, e->d_name) < (int)sizeof path &&
                collect_kind(path) != COLLECT_NOTHING;
    if (d)
        closedir(d);
    return found;
}

static int collect_refuse(struct tess_context *ctx, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return ctx->fail(ctx, TESS_E_USAGE, "%s: wanted the folder of a run or of a sweep, found none: %s; runs are in runs/NAME", path,
                         strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return ctx->fail(ctx, TESS_E_USAGE, "%s: wanted the folder of a run or of a sweep, runs/NAME, found a file", path);
    if (collect_is_group(path))
        return ctx->fail(ctx, TESS_E_USAGE, "%s: wanted the folder of a run or of a sweep, found one with several in it; name them: %s/*",
                         path, path);
    return ctx->fail(ctx, TESS_E_USAGE,
                     "%s: wanted the folder of a run (with resolved.yaml) or of a sweep (with sweep.yaml), found neither file in it", path);
}

static int collect_run(struct tess_context *ctx, struct tessi_report_set *set, const char *path, int64_t *capacity)
{
    size_t length = strlen(path);
    TESS_TRY(tessi_report_grow(ctx, set, &set->run, capacity, set->runs + 1, sizeof *set->run));
    struct tessi_report_run *run = &set->run[set->runs++];
    *run = (struct tessi_report_run){.sweep = -1};
    while (length > 1 && path[length - 1] == '/')
        length--;
    TESS_TRY(tessi_report_format(ctx, set, &run->folder, "%.*s", (int)length, path));
    const char *slash = strrchr(run->folder, '/');
    run->name = slash && slash[1] ? slash + 1 : run->folder;
    return tessi_report_collect_run(ctx, set, run);
}

/* ---- folders named twice ------------------------------------------------------------------------------------------- */

static int collect_same(const struct stat *a, const struct stat *b)
{
    return a->st_ino != 0 && a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

/* 1 where a sweep has been collected from this folder. */
static int collect_has_sweep(const struct tessi_report_set *set, const char *path)
{
    struct stat here, other;
    for (int64_t i = 0; i < set->sweeps; i++)
        if (stat(path, &here) == 0 && stat(set->sweep[i].folder, &other) == 0 && collect_same(&here, &other))
            return 1;
    return 0;
}

/* Takes out runs that were named by themselves and are there already: named before, or a variant of a sweep. */
static int collect_once(struct tess_context *ctx, struct tessi_report_set *set)
{
    void *memory;
    int64_t kept = 0;
    TESS_TRY(tess_alloc(ctx, (size_t)(set->runs + 1) * sizeof(struct stat), "places of runs", &memory));
    struct stat *place = memory;
    for (int64_t i = 0; i < set->runs; i++)
        if (stat(set->run[i].folder, &place[i]) != 0)
            place[i].st_ino = 0;
    int status = TESS_OK;
    for (int64_t i = 0; i < set->runs && status == TESS_OK; i++) {
        int again = 0;
        for (int64_t k = 0; k < set->runs && !again && set->run[i].sweep < 0; k++)
            again = k != i && (k < i || set->run[k].sweep >= 0) && collect_same(&place[i], &place[k]);
        if (again) {
            status = tessi_report_note(ctx, set, "%s is named more than once, and counts once", set->run[i].folder);
            continue;
        }
        place[kept] = place[i];
        set->run[kept++] = set->run[i];
    }
    set->runs = status == TESS_OK ? kept : set->runs;
    tess_free(memory);
    return status;
}

int tessi_report_collect(struct tess_context *ctx, const char *const *paths, int64_t n, struct tessi_report_set *set)
{
    int64_t runs = 0, sweeps = 0;
    *set = (struct tessi_report_set){0};
    for (int64_t i = 0; i < n; i++) {
        int kind = collect_kind(paths[i]);
        if (kind == COLLECT_NOTHING)
            return collect_refuse(ctx, paths[i]);
        if (kind == COLLECT_RUN)
            TESS_TRY(collect_run(ctx, set, paths[i], &runs));
        else if (collect_has_sweep(set, paths[i]))
            TESS_TRY(tessi_report_note(ctx, set, "%s is named more than once, and counts once", paths[i]));
        else
            TESS_TRY(tessi_report_collect_sweep(ctx, set, paths[i], &runs, &sweeps));
    }
    return collect_once(ctx, set);
}

void tessi_report_free(struct tessi_report_set *set)
{
    tessi_report_memory_free(set->memory);
    *set = (struct tessi_report_set){0};
}
