/* See npy_header.h. The header is a Python dictionary with three keys, of which nothing is evaluated: what does not look as NumPy writes it
 * is refused. SPDX-License-Identifier: MIT */
#include "kit/format/npy_header.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FRONT = 12, TEXT_MAX = 65536 };

static const char npy_magic[] = "\x93NUMPY";

static int npy_refuse(struct tess_context *ctx, const char *path, const char *why)
{
    return ctx->fail(ctx, TESS_E_DATA, "%s: %s", path, why);
}

static int npy_read_at(struct tess_context *ctx, const char *path, int fd, void *to, size_t bytes, int64_t at)
{
    for (size_t have = 0; have < bytes;) {
        ssize_t got = pread(fd, (char *)to + have, bytes - have, (off_t)at + (off_t)have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", path, strerror(errno));
        if (got == 0)
            return npy_refuse(ctx, path, "is cut within its header; fetch it again");
        have += (size_t)got;
    }
    return TESS_OK;
}

/* ---- the dictionary ------------------------------------------------------------------------------------------------ */

static const char *npy_blank(const char *at)
{
    return at + strspn(at, " \t\n");
}

/* Passes a sign, blanks around it; NULL where another one stands there, or `at` is NULL. */
static const char *npy_sign(const char *at, char sign)
{
    at = at ? npy_blank(at) : NULL;
    return at && *at == sign ? npy_blank(at + 1) : NULL;
}

/* Passes a text in quotes, copied to `to`; NULL where there is none or it is longer. */
static const char *npy_text(const char *at, char *to, size_t capacity)
{
    char quote = at && (*at == '\'' || *at == '"') ? *at : '\0';
    const char *end = quote ? strchr(at + 1, quote) : NULL;
    if (!end || (size_t)(end - at) > capacity)
        return NULL;
    memcpy(to, at + 1, (size_t)(end - at - 1));
    to[end - at - 1] = '\0';
    return npy_blank(end + 1);
}

static const char *npy_shape(const char *at, struct npy_header *h)
{
    at = npy_sign(at, '(');
    for (h->rank = 0; at && *at >= '0' && *at <= '9'; h->rank++) {
        int64_t n = 0;
        if (h->rank == NPY_MAX_RANK)
            return NULL;
        for (; *at >= '0' && *at <= '9'; at++)
            if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *at - '0', &n))
                return NULL;
        h->dim[h->rank] = n;
        at += *at == 'L';
        at = npy_blank(at);
        if (*at != ')')
            at = npy_sign(at, ',');
    }
    return npy_sign(at, ')');
}

static const char *npy_value(const char *at, const char *key, struct npy_header *h, char *type, size_t capacity, int *fortran)
{
    if (strcmp(key, "descr") == 0)
        return npy_text(at, type, capacity);
    if (strcmp(key, "shape") == 0)
        return npy_shape(at, h);
    if (strcmp(key, "fortran_order") != 0)
        return NULL;
    *fortran = strncmp(at, "True", 4) == 0;
    return *fortran ? npy_blank(at + 4) : strncmp(at, "False", 5) == 0 ? npy_blank(at + 5) : NULL;
}

/* Reads the whole dictionary; 0 where it is not as NumPy writes it. */
static int npy_dictionary(const char *text, struct npy_header *h, char *type, size_t capacity, int *fortran)
{
    const char *at = npy_sign(text, '{');
    int keys = 0;
    while (at && *at != '}') {
        char key[24];
        at = npy_sign(npy_text(at, key, sizeof key), ':');
        at = at ? npy_value(at, key, h, type, capacity, fortran) : NULL;
        keys++;
        if (at && *at != '}')
            at = npy_sign(at, ',');
    }
    at = npy_sign(at, '}');
    return at && *at == '\0' && keys == 3;
}

/* ---- the file ------------------------------------------------------------------------------------------------------ */

static int npy_type(struct tess_context *ctx, const char *path, const char *type, struct npy_header *h)
{
    char shown[64];
    int bytes = 0, end = 0;
    h->kind = type[0] ? type[1] : '\0';
    (void)tess_shown_text(type, shown, sizeof shown);
    if (type[0] == '>' && type[1] && strcmp(type + 2, "1") != 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: holds big-endian numbers (%s); write them little-endian", path, shown);
    if (!type[0] || !strchr("|<>=", type[0]) || !h->kind || !strchr("uifb", h->kind) || sscanf(type + 2, "%2d%n", &bytes, &end) != 1 ||
        type[2 + end] || bytes < 1 || bytes > 16)
        return ctx->fail(ctx, TESS_E_DATA, "%s: holds elements of type `%s`; integers or real numbers are wanted", path, shown);
    h->bytes = bytes;
    return TESS_OK;
}

/* Checks that the file has as many numbers as its header says, and no more. */
static int npy_size(struct tess_context *ctx, const char *path, int64_t file_bytes, struct npy_header *h)
{
    int64_t bytes = h->bytes;
    h->count = 1;
    for (int i = 0; i < h->rank; i++)
        if (__builtin_mul_overflow(h->count, h->dim[i], &h->count) || __builtin_mul_overflow(bytes, h->dim[i], &bytes))
            return npy_refuse(ctx, path, "announces more numbers than a file can hold; fetch it again");
    if (bytes != file_bytes - h->offset)
        return ctx->fail(ctx, TESS_E_DATA, "%s: is %s: %lld bytes of numbers are announced, %lld found; fetch it again", path,
                         bytes > file_bytes - h->offset ? "truncated" : "longer than its header says", (long long)bytes,
                         (long long)(file_bytes - h->offset));
    return TESS_OK;
}

static int npy_parse(struct tess_context *ctx, const char *path, int64_t file_bytes, const char *text, size_t length, struct npy_header *h)
{
    char type[24] = "";
    int fortran = 0;
    if (strlen(text) != length || !npy_dictionary(text, h, type, sizeof type, &fortran))
        return npy_refuse(ctx, path, "has a header that is not as NumPy writes it for an array of one type");
    if (fortran && h->rank > 1)
        return npy_refuse(ctx, path, "has its first dimension running fastest; save numpy.ascontiguousarray(x)");
    TESS_TRY(npy_type(ctx, path, type, h));
    return npy_size(ctx, path, file_bytes, h);
}

int npy_header_read(struct tess_context *ctx, const char *path, int fd, int64_t file_bytes, struct npy_header *h)
{
    uint8_t front[FRONT] = {0};
    char *text;
    void *memory;
    *h = (struct npy_header){0};
    if (file_bytes < FRONT)
        return npy_refuse(ctx, path, "is no NPY file: it is shorter than the shortest");
    TESS_TRY(npy_read_at(ctx, path, fd, front, sizeof front, 0));
    if (memcmp(front, npy_magic, 6) != 0)
        return npy_refuse(ctx, path,
                          memcmp(front, "PK\3\4", 4) == 0 ? "is an NPZ, an archive of arrays; save one array with numpy.save"
                                                          : "is no NPY file: it does not begin as one; check the name");
    if (front[6] < 1 || front[6] > 3)
        return ctx->fail(ctx, TESS_E_DATA, "%s: is an NPY file of version %d; 1 to 3 are read here", path, front[6]);
    size_t before = front[6] == 1 ? 10 : 12;
    size_t length = (size_t)front[8] | (size_t)front[9] << 8 | (front[6] == 1 ? 0 : (size_t)front[10] << 16 | (size_t)front[11] << 24);
    if (length > TEXT_MAX)
        return npy_refuse(ctx, path, "has a header of more than 64 KiB; arrays of numbers have a short one");
    h->offset = (int64_t)(before + length);
    TESS_TRY(tess_alloc(ctx, length + 1, path, &memory));
    text = memory;
    int status = npy_read_at(ctx, path, fd, text, length, (int64_t)before);
    if (status == TESS_OK)
        status = npy_parse(ctx, path, file_bytes, text, length, h);
    tess_free(text);
    return status;
}
