/* See npy_files.h. SPDX-License-Identifier: MIT */
#include "plugins/sources/npy/npy_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* Adds PATH, or PATH/NAME. */
static int files_add(struct tess_context *ctx, struct npy_files *f, const char *path, const char *name)
{
    size_t front = strlen(path), bytes = front + (name ? strlen(name) : 0) + 2;
    void *memory;
    if (f->count == NPY_FILES_MAX)
        return ctx->fail(ctx, TESS_E_DATA, "%s: has more than %d arrays; put several images into one", path, NPY_FILES_MAX);
    TESS_TRY(tess_reserve(ctx, &f->file, &f->capacity, f->count + 1, sizeof *f->file, "files of arrays"));
    TESS_TRY(tess_alloc(ctx, bytes, "the name of a file", &memory));
    struct npy_file *to = &f->file[f->count++];
    *to = (struct npy_file){.path = memory};
    (void)snprintf(memory, bytes, name ? "%s/%s" : "%s", path, name);
    to->name = to->path + (name ? front + 1 : 0);
    return TESS_OK;
}

static int files_list(struct tess_context *ctx, const char *path, DIR *d, struct npy_files *f)
{
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(d);
        size_t n = e ? strlen(e->d_name) : 0;
        if (!e)
            return errno ? ctx->fail(ctx, TESS_E_IO, "%s: cannot be listed: %s", path, strerror(errno)) : TESS_OK;
        if (e->d_name[0] != '.' && n > 4 && strcasecmp(e->d_name + n - 4, ".npy") == 0)
            TESS_TRY(files_add(ctx, f, path, e->d_name));
    }
}

static int files_by_bytes(const void *a, const void *b)
{
    return strcmp(((const struct npy_file *)a)->path, ((const struct npy_file *)b)->path);
}

static int files_find(struct tess_context *ctx, const char *path, struct npy_files *f)
{
    struct stat about;
    f->folder = stat(path, &about) == 0 && S_ISDIR(about.st_mode);
    if (!f->folder)
        return files_add(ctx, f, path, NULL);
    DIR *d = opendir(path);
    if (!d)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be listed: %s", path, strerror(errno));
    int status = files_list(ctx, path, d, f);
    closedir(d);
    if (status == TESS_OK && f->count == 0)
        status = ctx->fail(ctx, TESS_E_DATA, "%s: has no arrays: no file in it ends in .npy; check the path", path);
    if (f->count)
        qsort(f->file, (size_t)f->count, sizeof *f->file, files_by_bytes);
    return status;
}

static int files_header(struct tess_context *ctx, struct npy_file *f)
{
    int fd;
    TESS_TRY(steady_open(ctx, f->path, &f->steady, &fd));
    int status = npy_header_read(ctx, f->path, fd, f->steady.bytes, &f->header);
    close(fd);
    return status;
}

int npy_files_open(struct tess_context *ctx, const char *path, struct npy_files *f)
{
    TESS_TRY(files_find(ctx, path, f));
    for (int64_t i = 0; i < f->count; i++)
        TESS_TRY(files_header(ctx, &f->file[i]));
    return TESS_OK;
}

void npy_files_free(struct npy_files *f)
{
    for (int64_t i = 0; i < f->count; i++)
        tess_free(f->file[i].path);
    tess_free(f->file);
    *f = (struct npy_files){0};
}

const struct npy_file *npy_files_of(const struct npy_files *f, int64_t i)
{
    int64_t low = 0, high = f->count - 1;
    while (low < high) {
        int64_t middle = low + (high - low + 1) / 2;
        if (f->file[middle].first <= i)
            low = middle;
        else
            high = middle - 1;
    }
    return &f->file[low];
}
