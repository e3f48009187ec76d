/* See folder_list.h. The order in which a file system gives names is its own affair; here it is that of the bytes of the whole path below
 * the folder, so that a copy of a data set is the same data set. SPDX-License-Identifier: MIT */
#include "plugins/sources/folder/folder_list.h"
#include "plugins/sources/pictures/picture.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 64, RUN_BYTES = 1 << 17, RUNS = 32 };

/* A folder of the path being walked. */
struct level {
    const struct level *above;
    dev_t device;
    ino_t inode;
    int depth;
};

struct walk {
    const char *path, *extensions;
    int recursive;
    struct folder_list *list;
    char *names; /* names of the files found last, one behind the other, each with its end */
    int64_t bytes, capacity, count;
    struct name_table run[RUNS]; /* those found before, sorted: run i is empty, or has RUN_BYTES << i bytes of names or so */
};

static int folder_list_refuse(struct tess_context *ctx, const char *path)
{
    return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s; check the path, and see datasets/README.md", path, strerror(errno));
}

static int text_of(struct tess_context *ctx, const char *front, const char *between, const char *back, char **out)
{
    size_t bytes = strlen(front) + strlen(between) + strlen(back) + 1;
    void *memory;
    TESS_TRY(tess_alloc(ctx, bytes, "the name of a file", &memory));
    snprintf(memory, bytes, "%s%s%s", front, between, back);
    *out = memory;
    return TESS_OK;
}

int folder_list_path(struct tess_context *ctx, const char *path, const struct folder_list *l, int64_t i, char **out)
{
    char name[NAME_TABLE_TEXT];
    return text_of(ctx, path, l->single ? "" : "/", l->single ? "" : name_table_get(&l->name, i, name), out);
}

/* Counts a name that is passed by, with an example: the first in the order of bytes, so that it does not depend on the file system's. */
static void pass_by(struct folder_list *l, int why, const char *name)
{
    struct folder_passed *p = &l->passed[why];
    char text[sizeof p->name];
    (void)tess_utf8_text(name, text, sizeof text);
    if (p->count++ == 0 || strcmp(text, p->name) < 0)
        memcpy(p->name, text, sizeof text);
}

static int folder_list_by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorts the names found last into a table. */
static int folder_list_sort(struct tess_context *ctx, struct walk *w, struct name_table *out)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(w->count + 1) * sizeof(char *), "names of files", &memory));
    const char **name = memory, *at = w->names;
    int status = TESS_OK;
    for (int64_t i = 0; i < w->count; i++, at += strlen(at) + 1)
        name[i] = at;
    qsort(name, (size_t)w->count, sizeof *name, folder_list_by_bytes);
    for (int64_t i = 0; i < w->count && status == TESS_OK; i++)
        status = name_table_add(ctx, out, name[i]);
    tess_free(memory);
    w->count = w->bytes = 0;
    return status;
}

/* Makes a run of the names found last, merged with those there are, as one adds 1 to a binary number: so a name is merged as often as there
 * are runs, and memory is that of the table alone. */
static int folder_list_add_run(struct tess_context *ctx, struct walk *w)
{
    struct name_table run = {0};
    int i = 0, status = folder_list_sort(ctx, w, &run);
    for (; status == TESS_OK && i < RUNS - 1 && w->run[i].count; i++) {
        struct name_table merged = {0};
        status = name_table_merge(ctx, &w->run[i], &run, &merged);
        run = merged;
    }
    name_table_free(&w->run[i]);
    w->run[i] = run;
    return status;
}

/* Merges all runs into the list. */
static int folder_list_end(struct tess_context *ctx, struct walk *w)
{
    int status = folder_list_add_run(ctx, w);
    for (int i = 0; i < RUNS; i++) {
        struct name_table merged = {0};
        if (status == TESS_OK)
            status = name_table_merge(ctx, &w->list->name, &w->run[i], &merged);
        name_table_free(&w->run[i]);
        if (status == TESS_OK)
            w->list->name = merged;
        else
            name_table_free(&merged);
    }
    return status;
}

/* Adds `name` to those found, and frees it. */
static int folder_list_add(struct tess_context *ctx, struct walk *w, char *name)
{
    int64_t bytes = (int64_t)strlen(name) + 1;
    int status = tess_reserve(ctx, &w->names, &w->capacity, w->bytes + bytes, 1, "names of files");
    if (status == TESS_OK) {
        memcpy(w->names + w->bytes, name, (size_t)bytes);
        w->bytes += bytes;
        w->count++;
    }
    tess_free(name);
    return status == TESS_OK && w->bytes > RUN_BYTES ? folder_list_add_run(ctx, w) : status;
}

/* Adds `name` as an image, or passes it by; owns it then. */
static int folder_list_add_file(struct tess_context *ctx, struct walk *w, char *name)
{
    if (picture_name_ends(name, w->extensions))
        return folder_list_add(ctx, w, name);
    pass_by(w->list, PASSED_OTHER, name);
    tess_free(name);
    return TESS_OK;
}

static int folder_list_descend(struct tess_context *ctx, struct walk *w, const char *below, const struct level *above);

enum { A_FILE, A_FOLDER, SPECIAL };

/* Type of an entry, links followed. A file that is not there any more, or a link to nothing, counts as a file: reading it says so. */
static int folder_list_look(struct tess_context *ctx, struct walk *w, const struct dirent *e, const char *name, int *what)
{
    struct stat about;
    char *path;
    *what = e->d_type == DT_DIR ? A_FOLDER : A_FILE;
    if (e->d_type == DT_DIR || e->d_type == DT_REG)
        return TESS_OK;
    TESS_TRY(text_of(ctx, w->path, "/", name, &path));
    if (stat(path, &about) == 0)
        *what = S_ISREG(about.st_mode) ? A_FILE : S_ISDIR(about.st_mode) ? A_FOLDER : SPECIAL;
    tess_free(path);
    return TESS_OK;
}

/* Visits an entry: a file, or a folder to descend into; owns `name` then. */
static int folder_list_visit(struct tess_context *ctx, struct walk *w, const struct level *here, const struct dirent *e, char *name)
{
    int what = A_FILE, status = folder_list_look(ctx, w, e, name, &what);
    if (status == TESS_OK && what == A_FILE)
        return folder_list_add_file(ctx, w, name);
    if (status == TESS_OK && what == SPECIAL)
        pass_by(w->list, PASSED_SPECIAL, name);
    if (status == TESS_OK && what == A_FOLDER && w->recursive)
        status = folder_list_descend(ctx, w, name, here);
    tess_free(name);
    return status;
}

static int is_circle(const struct level *here)
{
    for (const struct level *at = here->above; at; at = at->above)
        if (at->device == here->device && at->inode == here->inode)
            return 1;
    return 0;
}

static int read_entries(struct tess_context *ctx, struct walk *w, DIR *d, const char *path, const char *below, const struct level *here)
{
    if (here->depth > DEPTH_MAX)
        return ctx->fail(ctx, TESS_E_DATA, "%s: lies more than %d folders deep; set `path` nearer to the images", path, DEPTH_MAX);
    for (;;) {
        char *name;
        errno = 0;
        const struct dirent *e = readdir(d);
        if (!e)
            return errno ? folder_list_refuse(ctx, path) : TESS_OK;
        if (e->d_name[0] == '.')
            continue;
        TESS_TRY(text_of(ctx, below, *below ? "/" : "", e->d_name, &name));
        TESS_TRY(folder_list_visit(ctx, w, here, e, name));
    }
}

/* A folder below the first that may not be opened, or is gone, stands in the list of files. */
static int folder_list_cannot_open(struct tess_context *ctx, struct walk *w, const char *path, const char *below)
{
    char *name;
    if (!*below || (errno != EACCES && errno != EPERM && errno != ENOENT && errno != ELOOP))
        return folder_list_refuse(ctx, path);
    TESS_TRY(text_of(ctx, below, "", "", &name));
    return folder_list_add(ctx, w, name);
}

static int folder_list_descend(struct tess_context *ctx, struct walk *w, const char *below, const struct level *above)
{
    struct level here = {.above = above, .depth = above ? above->depth + 1 : 0};
    struct stat about;
    char *path;
    int status;
    TESS_TRY(text_of(ctx, w->path, *below ? "/" : "", below, &path));
    DIR *d = opendir(path);
    if (!d) {
        status = folder_list_cannot_open(ctx, w, path, below);
    } else if (fstat(dirfd(d), &about) != 0) {
        status = folder_list_refuse(ctx, path);
    } else {
        here.device = about.st_dev;
        here.inode = about.st_ino;
        status = TESS_OK;
        if (is_circle(&here))
            pass_by(w->list, PASSED_CIRCLE, below);
        else
            status = read_entries(ctx, w, d, path, below, &here);
    }
    if (d)
        closedir(d);
    tess_free(path);
    return status;
}

static int folder_list_walk(struct tess_context *ctx, struct walk *w)
{
    struct stat about;
    if (stat(w->path, &about) != 0)
        return folder_list_refuse(ctx, w->path);
    if (S_ISDIR(about.st_mode))
        return folder_list_descend(ctx, w, "", NULL);
    const char *slash = strrchr(w->path, '/');
    char *name;
    w->list->single = 1;
    TESS_TRY(text_of(ctx, slash ? slash + 1 : w->path, "", "", &name));
    return folder_list_add_file(ctx, w, name);
}

int folder_list_make(struct tess_context *ctx, const char *path, int recursive, const char *extensions, struct folder_list *l)
{
    struct walk w = {.path = path, .extensions = extensions, .recursive = recursive, .list = l};
    int status = folder_list_walk(ctx, &w);
    if (status == TESS_OK)
        status = folder_list_end(ctx, &w);
    for (int i = 0; i < RUNS; i++)
        name_table_free(&w.run[i]);
    tess_free(w.names);
    return status;
}

void folder_list_free(struct folder_list *l)
{
    name_table_free(&l->name);
    *l = (struct folder_list){.single = 0};
}
