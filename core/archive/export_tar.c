/* tar as WebDataset reads it: members with one key, the row's number, are one sample: KEY.npy, KEY.cls and, with the source's name,
 * KEY.txt. Headers are of ustar (POSIX 1003.1-1988) without times or owners, so the same archive makes the same bytes.
 * SPDX-License-Identifier: MIT */
#include "core/archive/export_private.h"

#include <stdio.h>
#include <string.h>

enum { TAR_BLOCK = 512, TAR_RECORD = 20 * TAR_BLOCK };

struct tar {
    const struct tessi_archive_exporter *x;
    struct tessi_aside *to;
    int64_t bytes;
    char npy[TESSI_NPY_HEADER]; /* header of the .npy file of one row's codes */
    uint8_t zeros[TAR_RECORD];
};

static int tar_put(struct tess_context *ctx, struct tar *t, const void *bytes, size_t count)
{
    t->bytes += (int64_t)count;
    return tessi_base_aside_put(ctx, t->to, bytes, count);
}

static int tar_pad(struct tess_context *ctx, struct tar *t, int64_t multiple)
{
    int64_t over = t->bytes % multiple;
    return over ? tar_put(ctx, t, t->zeros, (size_t)(multiple - over)) : TESS_OK;
}

static int tar_header(struct tess_context *ctx, struct tar *t, int64_t row, const char *ending, int64_t bytes)
{
    char h[TAR_BLOCK] = {0};
    unsigned sum = 0;
    (void)snprintf(h, 100, "%09lld.%s", (long long)row, ending);
    memcpy(h + 100, "0000644", 8);
    memcpy(h + 108, "0000000", 8);
    memcpy(h + 116, "0000000", 8);
    (void)snprintf(h + 124, 12, "%011llo", (unsigned long long)bytes);
    memcpy(h + 136, "00000000000", 12);
    memcpy(h + 148, "        ", 8);
    h[156] = '0';
    memcpy(h + 257, "ustar", 6);
    memcpy(h + 263, "00", 2);
    for (int i = 0; i < TAR_BLOCK; i++)
        sum += (unsigned char)h[i];
    (void)snprintf(h + 148, 8, "%06o", sum & 0777777);
    h[155] = ' ';
    return tar_put(ctx, t, h, sizeof h);
}

static int tar_text(struct tess_context *ctx, struct tar *t, int64_t row, const char *ending, const char *text)
{
    TESS_TRY(tar_header(ctx, t, row, ending, (int64_t)strlen(text)));
    TESS_TRY(tar_put(ctx, t, text, strlen(text)));
    return tar_pad(ctx, t, TAR_BLOCK);
}

static int tar_row(struct tess_context *ctx, struct tar *t, const struct tessi_archive_block *b, int64_t i)
{
    int64_t row = b->first + i, bytes = t->x->row * t->x->width;
    char text[24];
    TESS_TRY(tar_header(ctx, t, row, "npy", TESSI_NPY_HEADER + bytes));
    TESS_TRY(tar_put(ctx, t, t->npy, TESSI_NPY_HEADER));
    TESS_TRY(tar_put(ctx, t, b->codes + i * bytes, (size_t)bytes));
    TESS_TRY(tar_pad(ctx, t, TAR_BLOCK));
    if (b->label) {
        (void)snprintf(text, sizeof text, "%d", b->label[i]);
        TESS_TRY(tar_text(ctx, t, row, "cls", text));
    }
    return b->name ? tar_text(ctx, t, row, "txt", b->name[i]) : TESS_OK;
}

static int tar_take(void *user, struct tess_context *ctx, const struct tessi_archive_block *b)
{
    for (int64_t i = 0; i < b->rows; i++)
        TESS_TRY(tar_row(ctx, user, b, i));
    return TESS_OK;
}

int tessi_archive_export_tar(struct tess_context *ctx, const struct tessi_archive_exporter *x)
{
    struct tar t = {.x = x};
    const struct tess_tensor one = tess_tensor_over(NULL, TESS_I32, x->codes.rank - 1, x->codes.dim + 1);
    (void)tessi_archive_npy_header(&one, x->width, t.npy);
    TESS_TRY(tessi_base_aside_open(ctx, x->o->to, 0, &t.to));
    int status = tessi_archive_export_blocks(ctx, x, tar_take, &t);
    if (status == TESS_OK)
        status = tar_put(ctx, &t, t.zeros, 2 * TAR_BLOCK);
    if (status == TESS_OK)
        status = tar_pad(ctx, &t, TAR_RECORD);
    if (status == TESS_OK)
        status = tessi_base_aside_finish(ctx, t.to);
    tessi_base_aside_close(t.to);
    return status;
}
