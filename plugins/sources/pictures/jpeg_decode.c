/* See jpeg_decode.h. libvips decodes JPEGs with the same library and the same settings; what is saved is its machinery around each image.
 * Whatever is not plain (a warning, an error, four channels, several or odd EXIF blocks, a profile that is wanted) is left to libvips, so
 * reasons of bad images are its own.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/sources/pictures/jpeg_decode.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

enum { ROWS = 16, MARKER_MAX = 65533, ORIENTATION_TAG = 0x0112, TYPE_SHORT = 3, IFD_ENTRY = 12 };

struct jpeg {
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    jmp_buf leave;
    struct tess_context *ctx;
    const struct picture_options *options;
    struct tess_image *out;
    int orientation, status;
};

static void jpeg_leave(j_common_ptr info)
{
    struct jpeg *j = info->client_data;
    longjmp(j->leave, 1);
}

static void jpeg_silent(j_common_ptr info)
{
    (void)info;
}

static void jpeg_count(j_common_ptr info, int level)
{
    info->err->num_warnings += level < 0;
}

/* ---- markers ------------------------------------------------------------------------------------------------------- */

static uint32_t exif_number(const uint8_t *at, int bytes, int little)
{
    uint32_t n = 0;
    for (int i = 0; i < bytes; i++)
        n = n << 8 | at[little ? bytes - 1 - i : i];
    return n;
}

/* EXIF's orientation in a TIFF of `count` bytes, 1 where it has none; 0: not as expected. */
static int exif_orientation(const uint8_t *tiff, size_t count)
{
    int found = 0;
    if (count < 8 || (memcmp(tiff, "II*", 4) != 0 && memcmp(tiff, "MM\0*", 4) != 0))
        return 0;
    int little = tiff[0] == 'I';
    size_t at = exif_number(tiff + 4, 4, little);
    if (at < 8 || at > count - 2)
        return 0;
    size_t n = exif_number(tiff + at, 2, little);
    if (n > (count - at - 2) / IFD_ENTRY)
        return 0;
    for (const uint8_t *e = tiff + at + 2; n; n--, e += IFD_ENTRY) {
        if (exif_number(e, 2, little) != ORIENTATION_TAG)
            continue;
        if (found || exif_number(e + 2, 2, little) != TYPE_SHORT || exif_number(e + 4, 4, little) != 1)
            return 0;
        found = (int)exif_number(e + 8, 2, little);
        if (found < 1 || found > 8)
            return 0;
    }
    return found ? found : 1;
}

static int marker_begins(const struct jpeg_marker_struct *m, int marker, const char *with, size_t n)
{
    return m->marker == marker && m->data_length >= n && memcmp(m->data, with, n) == 0;
}

/* Reads the orientation; 0 where the markers want another decoder. */
static int jpeg_markers(struct jpeg *j)
{
    int blocks = 0;
    for (const struct jpeg_marker_struct *m = j->info.marker_list; m; m = m->next) {
        if (marker_begins(m, JPEG_APP0 + 2, "ICC_PROFILE", 12))
            return 0;
        if (!marker_begins(m, JPEG_APP0 + 1, "Exif\0", 6))
            continue;
        j->orientation = exif_orientation(m->data + 6, m->data_length - 6);
        if (blocks++ || !j->orientation)
            return 0;
    }
    return 1;
}

/* ---- pixels -------------------------------------------------------------------------------------------------------- */

static int jpeg_is_plain(struct jpeg *j)
{
    const struct jpeg_decompress_struct *i = &j->info;
    int grey = i->num_components == 1 && i->jpeg_color_space == JCS_GRAYSCALE;
    int colour = i->num_components == 3 && (i->jpeg_color_space == JCS_YCbCr || i->jpeg_color_space == JCS_RGB);
    return (grey || colour) && i->data_precision == 8 && i->err->num_warnings == 0 &&
           (int64_t)i->image_width * i->image_height <= j->options->max_pixels && jpeg_markers(j);
}

/* Decodes the pixels; 0 where another decoder has to. */
static int jpeg_pixels(struct jpeg *j)
{
    struct jpeg_decompress_struct *i = &j->info;
    i->out_color_space = i->num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    i->scale_num = 1;
    i->scale_denom = (unsigned)picture_reduction(i->image_height, i->image_width, j->options->shrink_to);
    if (!jpeg_start_decompress(i))
        return 0;
    j->status = tess_image_resize(j->ctx, j->out, i->output_height, i->output_width, i->num_components);
    while (j->status == TESS_OK && i->output_scanline < i->output_height && i->err->num_warnings == 0) {
        JSAMPROW row[ROWS];
        size_t stride = (size_t)i->output_width * (size_t)i->num_components;
        for (int k = 0; k < ROWS; k++) /* rows past the end are not written */
            row[k] =
                j->out->pixels + ((size_t)i->output_scanline + (size_t)k < i->output_height ? i->output_scanline + (size_t)k : 0) * stride;
        JDIMENSION left = i->output_height - i->output_scanline;
        (void)jpeg_read_scanlines(i, row, left < ROWS ? left : ROWS);
    }
    return j->status == TESS_OK && i->err->num_warnings == 0;
}

static int jpeg_decode_marked(struct jpeg *j, const void *bytes, size_t count)
{
    if (setjmp(j->leave))
        return 0;
    jpeg_create_decompress(&j->info);
    jpeg_mem_src(&j->info, (unsigned char *)(uintptr_t)bytes, (unsigned long)count);
    jpeg_save_markers(&j->info, JPEG_APP0 + 1, MARKER_MAX);
    if (j->options->profile == PROFILE_SRGB)
        jpeg_save_markers(&j->info, JPEG_APP0 + 2, MARKER_MAX);
    if (jpeg_read_header(&j->info, TRUE) != JPEG_HEADER_OK || !jpeg_is_plain(j))
        return 0;
    return jpeg_pixels(j);
}

int jpeg_decode(struct tess_context *ctx, const void *bytes, size_t count, const struct picture_options *o, struct tess_image *out,
                int *orientation, int *done)
{
    struct jpeg j = {.ctx = ctx, .options = o, .out = out, .orientation = 1};
    *done = 0;
    if (o->damaged == DAMAGED_ACCEPT || count < 3 || memcmp(bytes, "\xff\xd8\xff", 3) != 0)
        return TESS_OK;
    j.info.err = jpeg_std_error(&j.errors);
    j.errors.error_exit = jpeg_leave;
    j.errors.output_message = jpeg_silent;
    j.errors.emit_message = jpeg_count;
    j.info.client_data = &j;
    *done = jpeg_decode_marked(&j, bytes, count);
    jpeg_destroy_decompress(&j.info);
    *orientation = j.orientation;
    return j.status;
}
