/* PNG pictures of few colours, in memory: for pages that have their pictures in them. As in png.c, what must survive libpng's longjmp is in
 * a struct of the caller. SPDX-License-Identifier: MIT */
#include "core/store/palette.h"
#include "core/store/store_private.h"

#include <png.h>
#include <setjmp.h>
#include <string.h>

struct indexed_job {
    png_structp png;
    png_infop info;
    struct tess_context *ctx;
    struct tessi_store_palette palette;
    uint8_t *index; /* (height, width): each pixel's colour */
    int64_t height, width;
    int32_t bits;
    uint8_t *bytes; /* the file so far */
    int64_t count, capacity;
    int status;
};

static void indexed_put(png_structp png, png_bytep bytes, png_size_t count)
{
    struct indexed_job *j = png_get_io_ptr(png);
    j->status = tess_reserve(j->ctx, &j->bytes, &j->capacity, j->count + (int64_t)count, 1, "a picture");
    if (j->status != TESS_OK)
        png_error(png, "no memory");
    memcpy(j->bytes + j->count, bytes, count);
    j->count += (int64_t)count;
}

static void indexed_no_flush(png_structp png)
{
    (void)png;
}

static void indexed_quiet(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void indexed_leave(png_structp png, png_const_charp message)
{
    (void)message;
    png_longjmp(png, 1);
}

static int indexed_encode(struct indexed_job *j)
{
    png_color colour[TESSI_PALETTE_COLOURS];
    if (setjmp(png_jmpbuf(j->png)))
        return -1;
    for (int32_t i = 0; i < j->palette.colours; i++)
        colour[i] = (png_color){j->palette.colour[i][0], j->palette.colour[i][1], j->palette.colour[i][2]};
    png_set_write_fn(j->png, j, indexed_put, indexed_no_flush);
    png_set_compression_level(j->png, 9);
    png_set_filter(j->png, 0, PNG_FILTER_NONE); /* neighbours in a palette are no neighbours in colour */
    png_set_IHDR(j->png, j->info, (png_uint_32)j->width, (png_uint_32)j->height, j->bits, PNG_COLOR_TYPE_PALETTE, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_PLTE(j->png, j->info, colour, j->palette.colours);
    png_write_info(j->png, j->info);
    png_set_packing(j->png);
    for (int64_t y = 0; y < j->height; y++)
        png_write_row(j->png, j->index + y * j->width);
    png_write_end(j->png, NULL);
    return 0;
}

static int indexed_write(struct indexed_job *j)
{
    j->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, j, indexed_leave, indexed_quiet);
    j->info = j->png ? png_create_info_struct(j->png) : NULL;
    int bad = j->info ? indexed_encode(j) : -1;
    png_destroy_write_struct(&j->png, &j->info);
    if (j->status != TESS_OK)
        return j->status;
    return bad ? j->ctx->fail(j->ctx, TESS_E_MEMORY, "no memory to write a picture") : TESS_OK;
}

int tessi_store_png_indexed(struct tess_context *ctx, const struct tess_tensor *picture, int32_t colours, void **bytes, size_t *count)
{
    char text[160];
    struct indexed_job j = {.ctx = ctx, .height = picture->dim[0], .width = picture->dim[1]};
    void *index;
    if (picture->dtype != TESS_U8 || picture->rank != 3 || (picture->dim[2] != 1 && picture->dim[2] != 3) || j.height < 1 || j.width < 1 ||
        j.height > INT32_MAX || j.width > INT32_MAX)
        return ctx->fail(ctx, TESS_E_SHAPE, "a picture is u8 (height, width, 1 or 3), found %s",
                         tess_tensor_text(picture, text, sizeof text));
    TESS_TRY(tess_alloc(ctx, (size_t)(j.height * j.width), "a picture", &index));
    j.index = index;
    int status = tessi_store_palette(ctx, picture, colours, &j.palette, j.index);
    j.bits = j.palette.colours <= 2 ? 1 : j.palette.colours <= 4 ? 2 : j.palette.colours <= 16 ? 4 : 8;
    if (status == TESS_OK)
        status = indexed_write(&j);
    tess_free(index);
    if (status != TESS_OK) {
        tess_free(j.bytes);
        j.bytes = NULL;
    }
    *bytes = j.bytes;
    *count = (size_t)j.count;
    return status;
}
