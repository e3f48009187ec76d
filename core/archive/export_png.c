/* PNG: a picture of each row's map in a folder. Codes are told apart and read back exactly: up to 256 of them are grey values, beyond that
 * code = 65536 red + 256 green + blue. Levels stand side by side. The folder has its name once it is complete, and says of which archive.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* nftw */
#include "core/archive/export_private.h"
#include "core/base/context.h"
#include "core/base/files.h"
#include "core/base/inject.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK ".export" /* digest of the archive that the pictures in a folder are of */
enum { FOLDER_FILES = 10000 };

struct png {
    const struct tessi_archive_exporter *x;
    const char *folder; /* folder on its way to its place */
    struct tess_tensor picture;
};

static int png_remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st, (void)type, (void)walk;
    return remove(path);
}

static void png_draw(const struct png *p, const uint8_t *codes)
{
    const struct tessi_archive_exporter *x = p->x;
    int64_t width = x->codes.dim[2], channels = p->picture.dim[2];
    uint8_t *to = p->picture.data;
    for (int64_t i = 0; i < x->row; i++) {
        int64_t level = i % x->depth, at = i / x->depth, pixel = (at / width * x->depth + level) * width + at % width;
        for (int64_t c = 0; c < channels; c++)
            to[pixel * channels + c] = channels - 1 - c < x->width ? codes[i * x->width + channels - 1 - c] : 0;
    }
}

static int png_take(void *user, struct tess_context *ctx, const struct tessi_archive_block *b)
{
    struct png *p = user;
    int status = TESS_OK;
    for (int64_t i = 0; i < b->rows && status == TESS_OK; i++) {
        int64_t row = b->first + i;
        char *path = NULL, *folder = NULL;
        png_draw(p, b->codes + i * p->x->row * p->x->width);
        if (row % FOLDER_FILES == 0)
            status = tessi_base_format(ctx, &folder, "%s/%05lld", p->folder, (long long)(row / FOLDER_FILES));
        if (folder && mkdir(folder, 0777) != 0)
            status = tessi_base_cannot_write(ctx, TESS_E_CREATE, folder, errno);
        if (status == TESS_OK)
            status = tessi_base_format(ctx, &path, "%s/%05lld/%09lld.png", p->folder, (long long)(row / FOLDER_FILES), (long long)row);
        if (status == TESS_OK)
            status = tessi_store_png_write(ctx, path, &p->picture);
        tess_free(path);
        tess_free(folder);
    }
    return status;
}

/* Notes in the folder which archive its pictures are of. */
static int png_write_mark(struct tess_context *ctx, const struct png *p)
{
    const char *digest = tess_artefact_digest(p->x->a);
    char *path = NULL;
    TESS_TRY(tessi_base_format(ctx, &path, "%s/" MARK, p->folder));
    int status = tessi_base_write_text(ctx, path, digest, strlen(digest));
    tess_free(path);
    return status;
}

/* Looks at a folder that is there: *same is 1 where it is this archive's export, which is complete as it has its name. */
static int png_is_there(struct tess_context *ctx, const struct tessi_archive_exporter *x, int *same)
{
    char *path = NULL, digest[65] = "";
    TESS_TRY(tessi_base_format(ctx, &path, "%s/" MARK, x->o->to));
    FILE *f = fopen(path, "re");
    if (f) {
        digest[fread(digest, 1, sizeof digest - 1, f)] = '\0';
        (void)fclose(f);
    }
    *same = strcmp(digest, tess_artefact_digest(x->a)) == 0;
    tess_free(path);
    return TESS_OK;
}

static int png_write(struct tess_context *ctx, struct png *p)
{
    const struct tessi_archive_exporter *x = p->x;
    p->picture = tess_tensor_over(NULL, TESS_U8, 3, (int64_t[]){x->codes.dim[1], x->codes.dim[2] * x->depth, x->width == 1 ? 1 : 3});
    TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(&p->picture), "a picture", &p->picture.data));
    int status = mkdir(p->folder, 0777) == 0 ? TESS_OK : tessi_base_cannot_write(ctx, TESS_E_CREATE, p->folder, errno);
    if (status == TESS_OK)
        status = tessi_archive_export_blocks(ctx, x, png_take, p);
    if (status == TESS_OK)
        status = png_write_mark(ctx, p);
    if (status == TESS_OK && (tessi_base_inject(TESSI_AT_RENAME) || rename(p->folder, x->o->to) != 0))
        status = tessi_base_cannot_write(ctx, TESS_E_IO, x->o->to, errno);
    tess_free(p->picture.data);
    return status;
}

int tessi_archive_export_png(struct tess_context *ctx, const struct tessi_archive_exporter *x)
{
    struct png p = {.x = x};
    struct stat st;
    char *folder = NULL;
    int there = lstat(x->o->to, &st) == 0, same = 0;
    if (there)
        TESS_TRY(png_is_there(ctx, x, &same));
    if (same && x->o->log)
        tessi_base_log_note(x->o->log, "nothing to do: %s is complete", x->o->to);
    if (same)
        return TESS_OK;
    if (there)
        return ctx->fail(ctx, TESS_E_CREATE, "%s: is there already; choose another name, or delete it", x->o->to);
    if (x->codebook_size > 1 << 24)
        return ctx->fail(ctx, TESS_E_DATA, "%s: has %lld codes, a PNG can tell 16777216 apart; export it as npy", x->o->from,
                         (long long)x->codebook_size);
    TESS_TRY(tessi_base_format(ctx, &folder, "%s.partial", x->o->to));
    p.folder = folder;
    (void)nftw(folder, png_remove_one, 16, FTW_DEPTH | FTW_PHYS); /* files that a killed export left */
    int status = png_write(ctx, &p);
    if (status != TESS_OK)
        (void)nftw(folder, png_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    tess_free(folder);
    return status;
}
