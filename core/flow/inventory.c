/* A run's folder refers to the results that it has, be they hard links of the cache's files or copies with their keys, and to the keys that
 * its log has last of each stage: those of a run that was killed between computing and publishing, and of checkpoints it will resume.
 *
 * SPDX-License-Identifier: MIT */
#include "core/flow/inventory.h"
#include "core/base/aside_names.h"
#include "core/base/context.h"
#include "core/base/files.h"
#include "core/base/memory.h"
#include "core/flow/run_log.h"
#include "core/store/store.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DEPTH_MAX 12 /* folders within folders: groups of runs, sweeps, variants */
#define KEY_LENGTH (TESS_DIGEST_TEXT - 1)

struct place { /* a file of a run's folder */
    uint64_t device, inode;
    int64_t bytes, run;
};

struct scan {
    struct tess_context *ctx;
    struct tessi_inventory *v;
    struct place *place;
    int64_t places, place_capacity;
    char (*key)[TESS_DIGEST_TEXT]; /* keys that run folders refer to */
    int64_t keys, key_capacity;
    int links; /* folders on the way that are links: what is in them may be anybody's */
};

/* ---- one file ------------------------------------------------------------------------------------------------------ */

static int inventory_ends(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

/* Kind of a file of the cache by its name, and its key. */
static int32_t inventory_kind(const char *name, char key[TESS_DIGEST_TEXT])
{
    int digits = 0;
    while (digits < KEY_LENGTH && (isdigit((unsigned char)name[digits]) || (name[digits] >= 'a' && name[digits] <= 'f')))
        digits++;
    *key = '\0';
    if (tessi_base_aside_named(name))
        return TESSI_FILE_PARTIAL;
    if (inventory_ends(name, ".lock"))
        return TESSI_FILE_LOCK;
    if (digits < KEY_LENGTH)
        return TESSI_FILE_OTHER;
    const char *rest = name + KEY_LENGTH;
    int32_t kind = strcmp(rest, ".h5") == 0                                                          ? TESSI_FILE_RESULT
                   : strcmp(rest, ".files") == 0                                                     ? TESSI_FILE_LIST
                   : strcmp(rest, ".checkpoint.h5") == 0 || strcmp(rest, ".checkpoint.h5.rows") == 0 ? TESSI_FILE_CHECKPOINT
                                                                                                     : TESSI_FILE_OTHER;
    if (kind != TESSI_FILE_OTHER)
        snprintf(key, TESS_DIGEST_TEXT, "%.*s", KEY_LENGTH, name);
    return kind;
}

static int inventory_add_file(struct scan *s, const char *path, int32_t kind, const char *key, const struct stat *st)
{
    struct tessi_inventory *v = s->v;
    TESS_TRY(tess_reserve(s->ctx, &v->file, &v->file_capacity, v->files + 1, sizeof *v->file, "files of the cache"));
    struct tessi_inventory_file *f = &v->file[v->files];
    *f = (struct tessi_inventory_file){.kind = kind,
                                       .bytes = (int64_t)st->st_blocks * 512,
                                       .time = (int64_t)st->st_mtime,
                                       .device = (uint64_t)st->st_dev,
                                       .inode = (uint64_t)st->st_ino,
                                       .referred = kind == TESSI_FILE_RESULT && st->st_nlink > 1};
    snprintf(f->key, sizeof f->key, "%s", key);
    TESS_TRY(tess_copy_text(s->ctx, path, &f->path));
    v->files++;
    return TESS_OK;
}

static int inventory_add_key(struct scan *s, const char *key)
{
    if (strlen(key) != KEY_LENGTH)
        return TESS_OK;
    TESS_TRY(tess_reserve(s->ctx, &s->key, &s->key_capacity, s->keys + 1, sizeof *s->key, "keys of runs"));
    snprintf(s->key[s->keys++], TESS_DIGEST_TEXT, "%s", key);
    return TESS_OK;
}

static int inventory_log_key(void *user, const char *key)
{
    return inventory_add_key(user, key);
}

/* Adds the key that an artefact in a run's folder says it has. One that cannot be read says nothing. */
static int inventory_artefact_key(struct scan *s, const char *path)
{
    struct tessi_context own;
    struct tess_artefact *a = NULL;
    tessi_base_context_init(&own, s->ctx->host);
    const char *key = tessi_store_artefact_open(&own.context, path, &a) == TESS_OK ? tessi_store_artefact_provenance(a, "key") : NULL;
    int status = key ? inventory_add_key(s, key) : TESS_OK;
    tessi_store_artefact_close(a);
    return status;
}

/* ---- folders ------------------------------------------------------------------------------------------------------- */

static int inventory_open(struct tess_context *ctx, const char *path, DIR **out)
{
    *out = opendir(path);
    if (!*out && errno != ENOENT)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s; what is in it may refer to any result", path, strerror(errno));
    return TESS_OK;
}

static int inventory_cache(struct scan *s)
{
    DIR *d;
    int status = TESS_OK;
    TESS_TRY(inventory_open(s->ctx, s->v->cache, &d));
    for (struct dirent *e; d && status == TESS_OK && (e = readdir(d));) {
        char key[TESS_DIGEST_TEXT], *path = NULL;
        struct stat st;
        status = tessi_base_format(s->ctx, &path, "%s/%s", s->v->cache, e->d_name);
        if (status == TESS_OK && lstat(path, &st) == 0 && S_ISREG(st.st_mode)) {
            int32_t kind = inventory_kind(e->d_name, key);
            status = inventory_add_file(s, path, kind, key, &st);
        }
        tess_free(path);
    }
    if (d)
        (void)closedir(d);
    return status;
}

/* Takes a file of a run's folder. */
static int inventory_run_file(struct scan *s, int64_t run, const char *name, const char *path, const struct stat *st)
{
    struct tessi_inventory_run *r = &s->v->run[run];
    int result = inventory_ends(name, ".h5");
    if (!s->links && (tessi_base_aside_named(name) || strcmp(name, ".lock") == 0))
        return inventory_add_file(s, path, *name == '.' ? TESSI_FILE_LOCK : TESSI_FILE_PARTIAL, "", st);
    r->files++;
    r->results += result;
    r->variants |= strcmp(name, "sweep.yaml") == 0;
    r->bytes += (int64_t)st->st_blocks * 512;
    r->shared += st->st_nlink > 1 ? (int64_t)st->st_blocks * 512 : 0;
    TESS_TRY(tess_reserve(s->ctx, &s->place, &s->place_capacity, s->places + 1, sizeof *s->place, "files of runs"));
    s->place[s->places++] = (struct place){(uint64_t)st->st_dev, (uint64_t)st->st_ino, (int64_t)st->st_blocks * 512, run};
    if (strcmp(name, "log.jsonl") == 0)
        return tessi_flow_run_log_keys(s->ctx, path, inventory_log_key, s);
    return result && st->st_nlink == 1 ? inventory_artefact_key(s, path) : TESS_OK;
}

static int inventory_walk(struct scan *s, const char *folder, int depth);

/* Walks a folder in a folder, and remembers meanwhile whether it is a link. */
static int inventory_enter(struct scan *s, const char *folder, int depth)
{
    struct stat st;
    int linked = lstat(folder, &st) == 0 && S_ISLNK(st.st_mode);
    s->links += linked;
    int status = inventory_walk(s, folder, depth);
    s->links -= linked;
    return status;
}

/* Walks a folder of runs; each folder with files is a run's, or a sweep's. */
static int inventory_walk(struct scan *s, const char *folder, int depth)
{
    DIR *d;
    int64_t run = -1;
    int status = inventory_open(s->ctx, folder, &d);
    for (struct dirent *e; d && status == TESS_OK && (e = readdir(d));) {
        char *path = NULL;
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || (depth == 0 && strcmp(e->d_name, ".cache") == 0))
            continue;
        status = tessi_base_format(s->ctx, &path, "%s/%s", folder, e->d_name);
        if (status != TESS_OK || stat(path, &st) != 0) {
            tess_free(path);
            continue;
        }
        if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
            status = inventory_enter(s, path, depth + 1);
        else if (S_ISDIR(st.st_mode))
            status = s->ctx->fail(s->ctx, TESS_E_IO, "%s: folders are nested deeper than any run's; is it a link to a folder above?", path);
        if (S_ISREG(st.st_mode) && depth > 0 && run < 0) {
            status = tess_reserve(s->ctx, &s->v->run, &s->v->run_capacity, s->v->runs + 1, sizeof *s->v->run, "runs");
            if (status == TESS_OK) {
                run = s->v->runs++;
                s->v->run[run] = (struct tessi_inventory_run){.folder = NULL};
                status = tess_copy_text(s->ctx, folder, &s->v->run[run].folder);
            }
        }
        if (S_ISREG(st.st_mode) && depth > 0 && status == TESS_OK)
            status = inventory_run_file(s, run, e->d_name, path, &st);
        tess_free(path);
    }
    if (d)
        (void)closedir(d);
    return status;
}

/* ---- references ---------------------------------------------------------------------------------------------------- */

static int inventory_by_inode(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static int inventory_by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int inventory_by_path(const void *a, const void *b)
{
    return strcmp(((const struct tessi_inventory_file *)a)->path, ((const struct tessi_inventory_file *)b)->path);
}

static int inventory_by_folder(const void *a, const void *b)
{
    return strcmp(((const struct tessi_inventory_run *)a)->folder, ((const struct tessi_inventory_run *)b)->folder);
}

/* Marks files of the cache that a run refers to, by inode or key, and sums what all files take. */
static int inventory_refer(struct scan *s)
{
    struct tessi_inventory *v = s->v;
    if (s->keys)
        qsort(s->key, (size_t)s->keys, sizeof *s->key, inventory_by_text);
    for (int64_t i = 0; i < v->files; i++) {
        struct tessi_inventory_file *f = &v->file[i];
        TESS_TRY(tess_reserve(s->ctx, &s->place, &s->place_capacity, s->places + 1, sizeof *s->place, "files of runs"));
        s->place[s->places++] = (struct place){f->device, f->inode, f->bytes, -1 - i};
        f->referred |= *f->key && s->keys && bsearch(f->key, s->key, (size_t)s->keys, sizeof *s->key, inventory_by_text) != NULL;
    }
    if (s->places)
        qsort(s->place, (size_t)s->places, sizeof *s->place, inventory_by_inode);
    for (int64_t i = 0, end; i < s->places; i = end) {
        int runs = 0;
        for (end = i; end < s->places && inventory_by_inode(&s->place[i], &s->place[end]) == 0; end++)
            runs |= s->place[end].run >= 0;
        v->total += s->place[i].bytes;
        for (int64_t k = i; k < end; k++)
            if (s->place[k].run < 0)
                v->file[-1 - s->place[k].run].referred |= runs;
    }
    return TESS_OK;
}

/* A list of files goes with its result, which lies behind it in the order of names. */
static void inventory_lists(struct tessi_inventory *v)
{
    for (int64_t i = 0; i < v->files; i++) {
        size_t same = v->file[i].kind == TESSI_FILE_LIST ? strlen(v->file[i].path) - strlen("files") : 0;
        v->file[i].referred = same ? 0 : v->file[i].referred;
        for (int64_t k = i + 1; same && k < v->files && strncmp(v->file[k].path, v->file[i].path, same) == 0; k++)
            if (v->file[k].kind == TESSI_FILE_RESULT)
                v->file[i].referred = v->file[k].referred;
    }
}

/* A folder that was named, and has no runs, is a slip. */
static int inventory_there(struct tess_context *ctx, const char *workdir, const char *runs)
{
    struct stat st;
    if (stat(runs, &st) == 0 || errno != ENOENT)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_USAGE, "%s: wanted the folder that runs/ is in, found none: there is no %s", workdir, runs);
}

int tessi_flow_inventory(struct tess_context *ctx, const char *workdir, struct tessi_inventory *out)
{
    struct scan s = {.ctx = ctx, .v = out};
    char *runs = NULL;
    int here = !workdir || !*workdir || strcmp(workdir, ".") == 0;
    *out = (struct tessi_inventory){.total = 0};
    TESS_TRY(tessi_base_format(ctx, &runs, "%s%sruns", here ? "" : workdir, here ? "" : "/"));
    int status = here ? TESS_OK : inventory_there(ctx, workdir, runs);
    if (status == TESS_OK)
        status = tessi_base_format(ctx, &out->cache, "%s/.cache", runs);
    if (status == TESS_OK)
        status = inventory_cache(&s);
    if (status == TESS_OK)
        status = inventory_walk(&s, runs, 0);
    if (status == TESS_OK)
        status = inventory_refer(&s);
    if (status == TESS_OK && out->files)
        qsort(out->file, (size_t)out->files, sizeof *out->file, inventory_by_path);
    if (status == TESS_OK && out->runs)
        qsort(out->run, (size_t)out->runs, sizeof *out->run, inventory_by_folder);
    if (status == TESS_OK)
        inventory_lists(out);
    tess_free(s.place);
    tess_free(s.key);
    tess_free(runs);
    return status;
}

void tessi_flow_inventory_free(struct tessi_inventory *v)
{
    for (int64_t i = 0; i < v->files; i++)
        tess_free(v->file[i].path);
    for (int64_t i = 0; i < v->runs; i++)
        tess_free(v->run[i].folder);
    tess_free(v->file);
    tess_free(v->run);
    tess_free(v->cache);
    *v = (struct tessi_inventory){.total = 0};
}
