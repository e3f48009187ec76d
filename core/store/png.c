/* PNG pictures out and in. libpng leaves its functions by longjmp; so each of the two functions that call it keeps what must survive in a
 * struct of its caller, and has no variables of its own that change after setjmp. SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/store/store_private.h"

#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#define SIDE_MAX (1 << 16) /* pixels of a picture that is read */

struct job {
    png_structp png;
    png_infop info;
    FILE *file;             /* file being read */
    struct tessi_aside *to; /* file being written */
    struct tess_context *ctx;
    const char *path;
    struct tess_tensor *picture;
    int status; /* status of a failure that is not libpng's */
    png_size_t row_bytes;
    char reason[160];
};

static void keep_reason(png_structp png, png_const_charp message)
{
    struct job *j = png_get_error_ptr(png);
    (void)snprintf(j->reason, sizeof j->reason, "%s", message);
    png_longjmp(png, 1);
}

static void ignore_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void put_bytes(png_structp png, png_bytep bytes, png_size_t count)
{
    struct job *j = png_get_io_ptr(png);
    if (j->status == TESS_OK)
        j->status = tessi_base_aside_put(j->ctx, j->to, bytes, count);
    if (j->status != TESS_OK)
        png_error(png, "the disk takes no more");
}

static void no_flush(png_structp png)
{
    (void)png;
}

/* zlib's 6 takes twice as long as its 4 over pictures of results, and gives 1 % fewer bytes. */
enum { COMPRESSION_LEVEL = 4 };

static int png_encode(struct job *j)
{
    if (setjmp(png_jmpbuf(j->png)))
        return -1;
    png_set_compression_level(j->png, COMPRESSION_LEVEL);
    png_set_write_fn(j->png, j, put_bytes, no_flush);
    png_set_IHDR(j->png, j->info, (png_uint_32)j->picture->dim[1], (png_uint_32)j->picture->dim[0], 8,
                 j->picture->dim[2] == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(j->png, j->info);
    for (int64_t y = 0; y < j->picture->dim[0]; y++)
        png_write_row(j->png, (png_const_bytep)j->picture->data + (size_t)(y * j->picture->dim[1] * j->picture->dim[2]));
    png_write_end(j->png, NULL);
    return 0;
}

static int write_picture(struct tess_context *ctx, struct job *j)
{
    j->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, j, keep_reason, ignore_warning);
    j->info = j->png ? png_create_info_struct(j->png) : NULL;
    if (!j->info) {
        png_destroy_write_struct(&j->png, NULL);
        return ctx->fail(ctx, TESS_E_MEMORY, "%s: no memory to write a picture", j->path);
    }
    int bad = png_encode(j);
    png_destroy_write_struct(&j->png, &j->info);
    if (j->status != TESS_OK)
        return j->status;
    return bad ? ctx->fail(ctx, TESS_E_IO, "%s: cannot be written as PNG: %s", j->path, j->reason) : tessi_base_aside_finish(ctx, j->to);
}

int tessi_store_png_write(struct tess_context *ctx, const char *path, const struct tess_tensor *picture)
{
    char text[160];
    struct tess_tensor own = *picture;
    struct job j = {.ctx = ctx, .path = path, .picture = &own};
    if (own.dtype != TESS_U8 || own.rank != 3 || (own.dim[2] != 1 && own.dim[2] != 3) || own.dim[0] < 1 || own.dim[1] < 1 ||
        own.dim[0] > INT32_MAX || own.dim[1] > INT32_MAX)
        return ctx->fail(ctx, TESS_E_SHAPE, "%s: a picture is u8 (height, width, 1 or 3), found %s", path,
                       tess_tensor_text(picture, text, sizeof text));
    TESS_TRY(tessi_base_aside_open(ctx, path, 0, &j.to));
    int status = write_picture(ctx, &j);
    tessi_base_aside_close(j.to);
    return status;
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

/* Decodes a picture of any depth and colour type to 8 bits, grey or RGB, without transparency. */
static int png_decode(struct job *j)
{
    if (setjmp(png_jmpbuf(j->png)))
        return -1;
    png_init_io(j->png, j->file);
    png_set_user_limits(j->png, SIDE_MAX, SIDE_MAX);
    png_read_info(j->png, j->info);
    png_set_expand(j->png);
    png_set_strip_16(j->png);
    png_set_strip_alpha(j->png);
    (void)png_set_interlace_handling(j->png);
    png_read_update_info(j->png, j->info);
    *j->picture = tess_tensor_over(NULL, TESS_U8, 3,
                                   (int64_t[]){(int64_t)png_get_image_height(j->png, j->info),
                                               (int64_t)png_get_image_width(j->png, j->info), (int64_t)png_get_channels(j->png, j->info)});
    j->row_bytes = png_get_rowbytes(j->png, j->info);
    if (j->row_bytes != (size_t)(j->picture->dim[1] * j->picture->dim[2]))
        png_error(j->png, "of an unknown layout");
    j->status = tess_alloc(j->ctx, tess_tensor_bytes(j->picture), "a picture", &j->picture->data);
    if (j->status != TESS_OK)
        return -1;
    for (int pass = png_get_interlace_type(j->png, j->info) == PNG_INTERLACE_NONE ? 6 : 0; pass < 7; pass++)
        for (int64_t y = 0; y < j->picture->dim[0]; y++)
            png_read_row(j->png, (png_bytep)j->picture->data + (size_t)y * j->row_bytes, NULL);
    png_read_end(j->png, NULL);
    return 0;
}

static int read_file(struct tess_context *ctx, struct job *j)
{
    unsigned char head[8];
    if (fread(head, 1, sizeof head, j->file) != sizeof head || png_sig_cmp(head, 0, sizeof head) != 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: is no PNG picture; check the name", j->path);
    rewind(j->file);
    j->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, j, keep_reason, ignore_warning);
    j->info = j->png ? png_create_info_struct(j->png) : NULL;
    int bad = j->info ? png_decode(j) : -1;
    int status = j->status;
    if (bad && status == TESS_OK)
        status = j->info ? ctx->fail(ctx, TESS_E_DATA, "%s: is a damaged PNG picture: %s", j->path, j->reason)
                         : ctx->fail(ctx, TESS_E_MEMORY, "%s: no memory to read a picture", j->path);
    png_destroy_read_struct(&j->png, &j->info, NULL);
    return status;
}

int tessi_store_png_read(struct tess_context *ctx, const char *path, struct tess_tensor *picture)
{
    struct job j = {.ctx = ctx, .path = path, .picture = picture, .file = fopen(path, "rbe")};
    *picture = (struct tess_tensor){0};
    if (!j.file)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be opened: %s; check the name", path, strerror(errno));
    int status = read_file(ctx, &j);
    (void)fclose(j.file);
    if (status != TESS_OK) {
        tess_free(picture->data);
        picture->data = NULL;
    }
    return status;
}
