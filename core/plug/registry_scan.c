/* Search for plugins: the folders, and the files in them. SPDX-License-Identifier: MIT */
#include "core/plug/registry_private.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct paths {
    char **path;
    int64_t count, capacity;
};

/* 1 for errors that say that the process or the machine has too little, and nothing about a file or folder. */
static int is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM;
}

static int list_failed(struct tess_context *ctx, const char *folder, int error)
{
    return ctx->fail(ctx, TESS_E_IO, "%s: cannot be listed, and what plugins it has is not known: %s", folder, strerror(error));
}

static void free_paths(struct paths *p)
{
    for (int64_t i = 0; i < p->count; i++)
        tess_free(p->path[i]);
    tess_free(p->path);
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Adds the plugins of a folder, and of the folders in it as deep as `depth`. Hidden names are passed over but for `.libs`, where
 * libtool leaves what it has built, and the folder of what is loaded later. */
static int list_folder(struct tess_context *ctx, const char *folder, int depth, struct paths *out)
{
    DIR *d = opendir(folder);
    int status = TESS_OK;
    if (!d)
        return is_shortage(errno) ? list_failed(ctx, folder, errno) : TESS_OK;
    for (struct dirent *e; status == TESS_OK && (errno = 0, e = readdir(d));) {
        char path[PATH_MAX];
        struct stat st;
        size_t length = strlen(e->d_name);
        int libs = strcmp(e->d_name, ".libs") == 0;
        if ((*e->d_name == '.' && !libs) || snprintf(path, sizeof path, "%s/%s", folder, e->d_name) >= (int)sizeof path)
            continue;
        int known = stat(path, &st) == 0, named = length > 3 && strcmp(e->d_name + length - 3, ".so") == 0;
        if (known && S_ISDIR(st.st_mode) && !named) {
            if ((depth > 0 && strcmp(e->d_name, TESSI_LIBRARIES) != 0) || libs)
                status = list_folder(ctx, path, libs ? 0 : depth - 1, out);
        } else if (named) {
            if ((status = tess_reserve(ctx, &out->path, &out->capacity, out->count + 1, sizeof *out->path, TESSI_PLUGIN_LIST)) == TESS_OK)
                status = tess_copy_text(ctx, path, &out->path[out->count]);
            out->count += status == TESS_OK;
        }
    }
    if (status == TESS_OK && errno != 0)
        status = list_failed(ctx, folder, errno);
    closedir(d);
    return status;
}

int tessi_plug_registry_scan(struct tess_context *ctx, struct tessi_registry *r, const char *path, size_t length)
{
    struct paths files = {NULL, 0, 0};
    struct stat st;
    while (length > 1 && path[length - 1] == '/')
        length--;
    TESS_TRY(tess_reserve(ctx, &r->folder, &r->folder_capacity, r->folders + 1, sizeof *r->folder, TESSI_PLUGIN_LIST));
    struct tessi_registry_folder *f = &r->folder[r->folders];
    memset(f, 0, sizeof *f);
    TESS_TRY(tess_copy_bytes(ctx, path, length, &f->path));
    r->folders++;
    if (stat(f->path, &st) != 0)
        snprintf(f->note, sizeof f->note, "%s", errno == ENOENT ? "no such folder" : strerror(errno));
    else if (!S_ISDIR(st.st_mode))
        snprintf(f->note, sizeof f->note, "not a folder");
    else if (access(f->path, R_OK | X_OK) != 0)
        snprintf(f->note, sizeof f->note, "%s", strerror(errno));
    if (*f->note)
        return TESS_OK;
    int status = list_folder(ctx, f->path, 1, &files);
    if (files.count > 1)
        qsort(files.path, (size_t)files.count, sizeof *files.path, compare_paths);
    for (int64_t i = 0; status == TESS_OK && i < files.count; i++)
        status = tessi_plug_registry_add(ctx, r, files.path[i]);
    free_paths(&files);
    return status;
}

/* Searches each folder of a colon-separated list. Empty entries are not the current folder: they are ignored. */
int tessi_plug_registry_scan_list(struct tess_context *ctx, struct tessi_registry *r, const char *list)
{
    while (list && *list) {
        size_t length = strcspn(list, ":");
        if (length > 0)
            TESS_TRY(tessi_plug_registry_scan(ctx, r, list, length));
        list += length + (list[length] == ':');
    }
    return TESS_OK;
}

/* 1 when a folder in `path` has a .libs: built by libtool, not installed. A folder that is there and cannot be looked at for a shortage is
 * taken for one, so that listing it says what is wrong. */
static int is_build_tree(const char *path)
{
    DIR *d = opendir(path);
    int found = 0;
    if (!d)
        return is_shortage(errno);
    for (struct dirent *e; !found && (e = readdir(d));) {
        char libs[PATH_MAX];
        struct stat st;
        if (*e->d_name != '.' && snprintf(libs, sizeof libs, "%s/%s/.libs", path, e->d_name) < (int)sizeof libs)
            found = stat(libs, &st) == 0 && S_ISDIR(st.st_mode);
    }
    closedir(d);
    return found;
}

int tessi_plug_tree_plugins(const char *exe, char *folder, size_t capacity)
{
    char at[PATH_MAX];
    snprintf(at, sizeof at, "%s", exe);
    char *slash = strrchr(at, '/');
    if (!slash)
        return 0;
    *slash = '\0';
    if ((slash = strrchr(at, '/')) && strcmp(slash, "/.libs") == 0)
        *slash = '\0';
    /* The program lies in the tree's top folder, test programs one or two below. */
    for (int up = 0; up < 3; up++) {
        if (snprintf(folder, capacity, "%s/plugins", at) < (int)capacity && is_build_tree(folder))
            return 1;
        if (!(slash = strrchr(at, '/')))
            return 0;
        *slash = '\0';
    }
    return 0;
}
