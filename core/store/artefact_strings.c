/* Datasets of strings: UTF-8 of a fixed width, padded with zeros, written whole or a few at a time. SPDX-License-Identifier: MIT */
#include "core/store/store_private.h"

#include <string.h>

enum { TEXT_MAX = 1 << 16 }; /* largest width of a text, in bytes */

static int begin_strings(struct tess_context *ctx, struct tess_artefact *a, const char *name, int64_t n, int64_t width)
{
    if (width < 1 || width > TEXT_MAX)
        return ctx->fail(ctx, TESS_E_VALUE, "%s: /%s: a text of %lld bytes; %d is the most", a->path, name, (long long)width, TEXT_MAX);
    struct tessi_entry planned = {.dataset = -1, .dtype = TESSI_TEXT, .precision = 8 * (int32_t)width, .rank = 1, .dim = {n, 1, 1, 1, 1}};
    TESS_TRY(tessi_store_check_new(ctx, a, name));
    /* Padding costs nothing when it is deflated. */
    struct tess_dataset d = {.size = sizeof d, .compress = n * width >= 4096};
    return tessi_store_start(ctx, a, name, &planned, &d);
}

/* Writes n strings, padded to the width of the dataset, through a buffer of `block` of them. */
static int pad_strings(struct tess_context *ctx, struct tess_artefact *a, struct tessi_entry *e, int64_t n, const char *const *text,
                       char *buffer, int64_t block)
{
    size_t width = tessi_store_entry_size(e);
    for (int64_t done = 0; done < n; done += block) {
        int64_t rows = n - done < block ? n - done : block;
        memset(buffer, 0, (size_t)block * width);
        for (int64_t i = 0; i < rows; i++) {
            size_t length = strlen(text[done + i]);
            if (length > width) {
                a->failed = 1;
                return ctx->fail(ctx, TESS_E_INTERNAL, "%s: /%s: a text of %zu bytes, at most %zu were announced", a->path, e->name, length,
                                 width);
            }
            memcpy(buffer + (size_t)i * width, text[done + i], length);
        }
        TESS_TRY(tessi_store_write_rows(ctx, a, e, buffer, rows));
    }
    return TESS_OK;
}

static int append_strings(struct tess_context *ctx, struct tess_artefact *a, const char *name, int64_t n, const char *const *text)
{
    struct tessi_entry *e = tessi_store_entry_find(a, name);
    if (a->failed)
        return ctx->fail(ctx, TESS_E_IO, "%s: an earlier write failed, nothing more is taken", a->path);
    if (!e || e->dtype != TESSI_TEXT || n > e->dim[0] - e->rows)
        return ctx->fail(ctx, TESS_E_INTERNAL, "%s: /%s takes no %lld texts more", a->path, name, (long long)n);
    if (n == 0)
        return TESS_OK;
    int64_t width = (int64_t)tessi_store_entry_size(e), block = TESSI_BLOCK / width < n ? TESSI_BLOCK / width : n;
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(block * width), "texts", &memory));
    int status = pad_strings(ctx, a, e, n, text, memory, block);
    tess_free(memory);
    return status == TESS_OK && e->rows == e->dim[0] ? tessi_store_complete(ctx, a, e) : status;
}

int tessi_store_put_strings(struct tess_context *ctx, struct tess_artefact *a, const char *name, int64_t n, const char *const *text)
{
    int64_t width = 1;
    for (int64_t i = 0; i < n; i++)
        width = (int64_t)strlen(text[i]) > width ? (int64_t)strlen(text[i]) : width;
    TESS_TRY(begin_strings(ctx, a, name, n, width));
    return append_strings(ctx, a, name, n, text);
}

int tess_artefact_begin_strings(struct tess_context *ctx, struct tess_artefact *a, const char *name, int64_t n, int64_t width)
{
    name = tessi_store_bare_name(name);
    TESS_TRY(tessi_store_check_reserved(ctx, a, name));
    tessi_store_lock();
    int status = begin_strings(ctx, a, name, n, width);
    tessi_store_unlock();
    return status;
}

int tess_artefact_append_strings(struct tess_context *ctx, struct tess_artefact *a, const char *name, int64_t n, const char *const *text)
{
    tessi_store_lock();
    int status = append_strings(ctx, a, tessi_store_bare_name(name), n, text);
    tessi_store_unlock();
    return status;
}

int tess_artefact_put_strings(struct tess_context *ctx, struct tess_artefact *a, const char *name, int64_t n, const char *const *text)
{
    name = tessi_store_bare_name(name);
    TESS_TRY(tessi_store_check_reserved(ctx, a, name));
    tessi_store_lock();
    int status = tessi_store_put_strings(ctx, a, name, n, text);
    tessi_store_unlock();
    return status;
}
