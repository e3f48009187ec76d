/* See folder_list.h. The order in which a file system gives names is its own affair; here it is that of the bytes of the whole path below
 * the folder, so that a copy of a data set is the same data set. SPDX-License-Identifier: MIT */
#include "plugins/sources/folder_list.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEPTH_MOST = 64 };

/* A folder on the way down. */
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
};

static int refuse(struct tess_call *c, const char *path)
{
    return c->fail(c, TESS_E_IO, "%s: cannot be read: %s; check the path, and see datasets/README.md", path, strerror(errno));
}

static int text_of(struct tess_call *c, const char *front, const char *between, const char *back, char **out)
{
    size_t bytes = strlen(front) + strlen(between) + strlen(back) + 1;
    void *memory;
    TESS_TRY(tess_alloc(c, bytes, "the name of a file", &memory));
    snprintf(memory, bytes, "%s%s%s", front, between, back);
    *out = memory;
    return TESS_OK;
}

int folder_list_path(struct tess_call *c, const char *path, const char *name, char **out)
{
    struct stat about;
    if (stat(path, &about) == 0 && !S_ISDIR(about.st_mode))
        return text_of(c, path, "", "", out);
    return text_of(c, path, "/", name, out);
}

static int wanted(const char *name, const char *extensions)
{
    const char *dot = strrchr(name, '.');
    size_t length = dot ? strlen(dot + 1) : 0;
    for (const char *at = extensions + strspn(extensions, " ,"); length && *at; at += strspn(at, " ,")) {
        size_t n = strcspn(at, " ,"), same = 0;
        while (same < n && n == length && tolower((unsigned char)at[same]) == tolower((unsigned char)dot[1 + same]))
            same++;
        if (same == length)
            return 1;
        at += n;
    }
    return 0;
}

/* Takes `name`, or notes that it was passed by. */
static int add(struct tess_call *c, struct walk *w, char *name)
{
    struct folder_list *l = w->list;
    if (!wanted(name, w->extensions)) {
        if (l->passed++ == 0)
            snprintf(l->passed_name, sizeof l->passed_name, "%s", name);
        tess_free(name);
        return TESS_OK;
    }
    if (l->count == l->room) {
        int64_t room = l->room ? 2 * l->room : 1024;
        void *memory;
        int status = tess_alloc(c, (size_t)room * sizeof *l->name, "names of files", &memory);
        if (status != TESS_OK) {
            tess_free(name);
            return status;
        }
        if (l->count)
            memcpy(memory, l->name, (size_t)l->count * sizeof *l->name);
        tess_free(l->name);
        l->name = memory;
        l->room = room;
    }
    l->name[l->count++] = name;
    return TESS_OK;
}

static int descend(struct tess_call *c, struct walk *w, const char *below, const struct level *above);

/* What an entry is, links followed. A file that is not there any more, or a link to nothing, counts as a file: reading it says so. */
static int look(struct tess_call *c, struct walk *w, const struct dirent *e, const char *name, int *is_folder, int *is_file)
{
    struct stat about;
    char *path;
    *is_folder = e->d_type == DT_DIR;
    *is_file = e->d_type == DT_REG;
    if (*is_folder || *is_file)
        return TESS_OK;
    TESS_TRY(text_of(c, w->path, "/", name, &path));
    *is_file = stat(path, &about) != 0 || S_ISREG(about.st_mode);
    *is_folder = !*is_file && S_ISDIR(about.st_mode);
    tess_free(path);
    return TESS_OK;
}

static int visit(struct tess_call *c, struct walk *w, const char *below, const struct dirent *e, const struct level *here)
{
    int is_folder, is_file;
    char *name;
    if (e->d_name[0] == '.')
        return TESS_OK;
    TESS_TRY(text_of(c, below, *below ? "/" : "", e->d_name, &name));
    int status = look(c, w, e, name, &is_folder, &is_file);
    if (status == TESS_OK && is_file)
        return add(c, w, name);
    if (status == TESS_OK && is_folder && w->recursive)
        status = descend(c, w, name, here);
    tess_free(name);
    return status;
}

static int in_a_circle(struct tess_call *c, const char *path, const struct level *here)
{
    if (here->depth > DEPTH_MOST)
        return c->fail(c, TESS_E_DATA, "%s: lies more than %d folders deep; set `path` nearer to the images", path, DEPTH_MOST);
    for (const struct level *at = here->above; at; at = at->above)
        if (at->device == here->device && at->inode == here->inode)
            return c->fail(c, TESS_E_DATA, "%s: is a link to a folder that it lies in; remove it, or set `recursive: false`", path);
    return TESS_OK;
}

static int descend(struct tess_call *c, struct walk *w, const char *below, const struct level *above)
{
    struct level here = {.above = above, .depth = above ? above->depth + 1 : 0};
    struct stat about;
    char *path;
    TESS_TRY(text_of(c, w->path, *below ? "/" : "", below, &path));
    DIR *d = opendir(path);
    int status = d && fstat(dirfd(d), &about) == 0 ? TESS_OK : refuse(c, path);
    if (status == TESS_OK) {
        here.device = about.st_dev;
        here.inode = about.st_ino;
        status = in_a_circle(c, path, &here);
    }
    while (status == TESS_OK) {
        errno = 0;
        const struct dirent *e = readdir(d);
        if (!e) {
            status = errno ? refuse(c, path) : TESS_OK;
            break;
        }
        status = visit(c, w, below, e, &here);
    }
    if (d)
        closedir(d);
    tess_free(path);
    return status;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int folder_list_make(struct tess_call *c, const char *path, int recursive, const char *extensions, struct folder_list *l)
{
    struct walk w = {path, extensions, recursive, l};
    struct stat about;
    if (stat(path, &about) != 0)
        return refuse(c, path);
    if (!S_ISDIR(about.st_mode)) {
        const char *slash = strrchr(path, '/');
        char *name;
        TESS_TRY(text_of(c, slash ? slash + 1 : path, "", "", &name));
        return add(c, &w, name);
    }
    TESS_TRY(descend(c, &w, "", NULL));
    if (l->count)
        qsort(l->name, (size_t)l->count, sizeof *l->name, by_bytes);
    return TESS_OK;
}

void folder_list_free(struct folder_list *l)
{
    for (int64_t i = 0; i < l->count; i++)
        tess_free(l->name[i]);
    tess_free(l->name);
    *l = (struct folder_list){0};
}
