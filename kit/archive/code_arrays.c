/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* strverscmp */
#include "kit/archive/code_arrays.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 1 << 26 };

/* ---- the files ------------------------------------------------------------------------------------------------------------ */

static int arrays_add(struct tess_context *ctx, struct code_arrays *a, const char *folder, const char *name)
{
    size_t bytes = strlen(folder) + strlen(name) + 2;
    void *memory;
    TESS_TRY(tess_reserve(ctx, &a->file, &a->capacity, a->files + 1, sizeof *a->file, "files of codes"));
    TESS_TRY(tess_alloc(ctx, bytes, "the name of a file", &memory));
    (void)snprintf(memory, bytes, *name ? "%s/%s" : "%s", folder, name);
    a->file[a->files++] = (struct code_array){.path = memory, .name = (char *)memory + (*name ? strlen(folder) + 1 : 0)};
    return TESS_OK;
}

static int arrays_list(struct tess_context *ctx, struct code_arrays *a, const char *path, DIR *d)
{
    const struct dirent *e;
    while (a->files < FILES_MAX && (e = readdir(d))) {
        size_t n = strlen(e->d_name);
        if (e->d_name[0] != '.' && n > 4 && strcmp(e->d_name + n - 4, ".npy") == 0)
            TESS_TRY(arrays_add(ctx, a, path, e->d_name));
    }
    return a->files ? TESS_OK : ctx->fail(ctx, TESS_E_DATA, "%s: has no file that ends in .npy; check the path", path);
}

/* Order by the numbers in names: 9.npy before 10.npy. */
static int arrays_by_number(const void *x, const void *y)
{
    return strverscmp(((const struct code_array *)x)->name, ((const struct code_array *)y)->name);
}

/* Opens a file and reads its header, unless it is the one that is open. */
static int arrays_use(struct tess_context *ctx, struct code_arrays *a, int64_t file)
{
    const char *path = a->file[file].path;
    struct stat st;
    if (a->fd >= 0 && a->at == file)
        return TESS_OK;
    if (a->fd >= 0)
        close(a->fd);
    a->at = file;
    a->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (a->fd < 0 || fstat(a->fd, &st) != 0)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be opened: %s; check the name", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return ctx->fail(ctx, TESS_E_IO, "%s: is no file", path);
    if (!a->given)
        TESS_TRY(npy_header_read(ctx, path, a->fd, (int64_t)st.st_size, &a->header));
    if (a->header.kind != 'u' && a->header.kind != 'i')
        return ctx->fail(ctx, TESS_E_DATA, "%s: holds no integers (%c%d); codes are integers", path, a->header.kind, a->header.bytes);
    if (a->header.count < a->tokens || a->header.count % a->tokens)
        return ctx->fail(ctx, TESS_E_DATA,
                         "%s: has %lld codes, which is no whole number of maps of %lld; was it made with another "
                         "tokenizer?",
                         path, (long long)a->header.count, (long long)a->tokens);
    return TESS_OK;
}

static int arrays_count(struct tess_context *ctx, struct code_arrays *a)
{
    for (int64_t i = 0; i < a->files; i++) {
        TESS_TRY(arrays_use(ctx, a, i));
        a->file[i].rows = a->header.count / a->tokens;
        a->views = i == 0 || a->views == a->file[i].rows ? a->file[i].rows : -1;
        a->rows += a->file[i].rows;
    }
    a->items = a->files;
    if (a->folder)
        return TESS_OK;
    a->items = a->header.rank ? a->header.dim[0] : 0;
    if (a->items < 1 || a->rows % a->items)
        return ctx->fail(ctx, TESS_E_DATA,
                         "%s: its first dimension is %lld, and it has %lld maps of %lld codes; (N, ...) was wanted, N images",
                         a->file[0].path, (long long)a->items, (long long)a->rows, (long long)a->tokens);
    a->views = a->rows / a->items;
    return TESS_OK;
}

int code_arrays_open(struct tess_context *ctx, struct code_arrays *a, const char *path, int64_t tokens)
{
    struct stat st;
    void *memory;
    a->fd = -1;
    a->tokens = tokens;
    a->folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    DIR *d = a->folder ? opendir(path) : NULL;
    if (a->folder && !d)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be listed: %s", path, strerror(errno));
    int status = a->folder ? arrays_list(ctx, a, path, d) : arrays_add(ctx, a, path, "");
    if (d)
        closedir(d);
    TESS_TRY(status);
    qsort(a->file, (size_t)a->files, sizeof *a->file, arrays_by_number);
    TESS_TRY(tess_alloc(ctx, (size_t)tokens * 8, "a map of codes", &memory));
    a->bytes = memory;
    return arrays_count(ctx, a);
}

int code_arrays_open_given(struct tess_context *ctx, struct code_arrays *a, const char *path, const struct npy_header *header,
                           int64_t tokens)
{
    void *memory;
    a->fd = -1;
    a->tokens = tokens;
    a->given = 1;
    a->header = *header;
    TESS_TRY(arrays_add(ctx, a, path, ""));
    TESS_TRY(tess_alloc(ctx, (size_t)tokens * 8, "a map of codes", &memory));
    a->bytes = memory;
    return arrays_count(ctx, a);
}

void code_arrays_close(struct code_arrays *a)
{
    if (a->files && a->fd >= 0)
        close(a->fd);
    for (int64_t i = 0; i < a->files; i++)
        tess_free(a->file[i].path);
    tess_free(a->file);
    tess_free(a->bytes);
    memset(a, 0, sizeof *a);
}

/* ---- numbers -------------------------------------------------------------------------------------------------------------- */

/* The i-th number, little-endian; one that an i64 cannot hold is -1, which is no code either. */
static int64_t arrays_number(const struct npy_header *h, const uint8_t *bytes, int64_t i)
{
    uint64_t value = 0;
    int bits = 8 * h->bytes;
    for (int k = h->bytes - 1; k >= 0; k--)
        value = value << 8 | bytes[i * h->bytes + k];
    if (h->kind == 'i' && bits < 64 && value >> (bits - 1))
        return -1;
    return value > INT64_MAX ? -1 : (int64_t)value;
}

static int arrays_pread(struct tess_context *ctx, const char *path, int fd, void *to, size_t count, int64_t at)
{
    for (size_t done = 0; done < count;) {
        ssize_t n = pread(fd, (char *)to + done, count - done, (off_t)(at + (int64_t)done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", path, n < 0 ? strerror(errno) : "it became shorter meanwhile");
        done += (size_t)n;
    }
    return TESS_OK;
}

int code_arrays_read(struct tess_context *ctx, struct code_arrays *a, int64_t file, int64_t row, int64_t depth, const int64_t *level_size,
                     int32_t *to)
{
    TESS_TRY(arrays_use(ctx, a, file));
    const struct npy_header *h = &a->header;
    int64_t bytes = a->tokens * h->bytes;
    TESS_TRY(arrays_pread(ctx, a->file[file].path, a->fd, a->bytes, (size_t)bytes, h->offset + row * bytes));
    for (int64_t i = 0; i < a->tokens; i++) {
        int64_t code = arrays_number(h, a->bytes, i);
        if (code < 0 || code >= level_size[i % depth])
            return ctx->fail(ctx, TESS_E_DATA,
                             "%s: code %lld of map %lld is %lld; the tokenizer has codes 0 to %lld%s: was it made with "
                             "another?",
                             a->file[file].path, (long long)i, (long long)row, (long long)code, (long long)level_size[i % depth] - 1,
                             depth > 1 ? " at that level" : "");
        to[i] = (int32_t)code;
    }
    return TESS_OK;
}

int code_arrays_labels(struct tess_context *ctx, const char *path, int64_t n, int64_t end, int32_t *to)
{
    struct code_arrays a = {.files = 0};
    int64_t limit = end;
    int status = code_arrays_open(ctx, &a, path, 1);
    if (status == TESS_OK && a.rows != n)
        status =
            ctx->fail(ctx, TESS_E_DATA, "%s: has %lld labels for %lld images; one each was wanted", path, (long long)a.rows, (long long)n);
    for (int64_t f = 0, i = 0; f < a.files && status == TESS_OK; f++)
        for (int64_t r = 0; r < a.file[f].rows && status == TESS_OK; r++, i++)
            status = code_arrays_read(ctx, &a, f, r, 1, &limit, &to[i]);
    code_arrays_close(&a);
    return status;
}
