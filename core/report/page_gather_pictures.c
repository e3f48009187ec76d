/* The pictures of an artefact as small as a page wants them: of a contact sheet whose tiles are known, the first tiles of each kind; of
 * others the whole. Larger ones are made smaller by means over boxes of pixels. SPDX-License-Identifier: MIT */
#include "core/report/page_private.h"
#include "core/store/store.h"

#include <string.h>

enum { PICTURES_TILE = 64, PICTURES_SHEET = 512, PICTURES_OF_RESULT = 8 };

/* The mean of each box of `factor` x `factor` pixels of the window at (top, left) of a picture, height x width of them. */
static void pictures_shrink(const struct tess_tensor *from, int64_t top, int64_t left, int64_t factor, int64_t height, int64_t width,
                            uint8_t *to)
{
    const uint8_t *pixel = from->data;
    const int64_t channels = from->dim[2], row = from->dim[1] * channels, area = factor * factor;
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++)
            for (int64_t c = 0; c < channels; c++) {
                int64_t sum = area / 2;
                for (int64_t i = 0; i < area; i++)
                    sum += pixel[(top + y * factor + i / factor) * row + (left + x * factor + i % factor) * channels + c];
                *to++ = (uint8_t)(sum / area);
            }
}

static int64_t pictures_factor(int64_t side, int64_t most)
{
    return (side + most - 1) / most;
}

/* Number of tiles in line `line` of every `lines` of the sheet, over the whole sheet. */
static int64_t pictures_tiles_of(const struct tess_tiles *t, int64_t lines, int64_t line)
{
    int64_t n = 0;
    for (int64_t at = line; at * t->across < t->count; at += lines)
        n += t->count - at * t->across < t->across ? t->count - at * t->across : t->across;
    return n;
}

/* Keeps the first tiles of one kind. A tile is enlarged `zoom` times in the sheet, so its pixels are taken at that distance. */
static int pictures_strip(struct tess_context *ctx, const struct tess_tensor *sheet, const struct tess_tiles *t, int64_t lines,
                          int64_t line, struct tessi_report_page_strip *s)
{
    int64_t larger = t->height > t->width ? t->height : t->width, factor = pictures_factor(larger, PICTURES_TILE) * t->zoom;
    int64_t height = t->height * t->zoom / factor, width = t->width * t->zoom / factor;
    s->count = pictures_tiles_of(t, lines, line);
    int64_t n = s->count < TESSI_REPORT_PAGE_TILES ? s->count : TESSI_REPORT_PAGE_TILES;
    s->tiles = tess_tensor_over(NULL, TESS_U8, 4, (int64_t[]){n, height ? height : 1, width ? width : 1, sheet->dim[2]});
    TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(&s->tiles), "pictures", &s->tiles.data));
    for (int64_t i = 0; i < n && height && width; i++) {
        int64_t y = (i / t->across * lines + line) * (t->height * t->zoom + t->gap), x = i % t->across * (t->width * t->zoom + t->gap);
        pictures_shrink(sheet, y, x, factor, height, width, (uint8_t *)s->tiles.data + i * height * width * sheet->dim[2]);
    }
    return TESS_OK;
}

/* A strip for each kind of line: "original|reconstruction" are two. */
static int pictures_strips(struct tess_context *ctx, const char *name, const struct tess_tensor *sheet, const struct tess_tiles *t,
                           struct tessi_report_page_result *r)
{
    int64_t lines = 1, line = 0;
    for (const char *at = t->rows; *at; at++)
        lines += *at == '|';
    for (const char *at = t->rows; line < lines && lines <= PICTURES_OF_RESULT; line++) {
        size_t length = strcspn(at, "|");
        TESS_TRY(tess_reserve(ctx, &r->strip, &r->strip_capacity, r->strips + 1, sizeof *r->strip, "pictures"));
        struct tessi_report_page_strip *s = &r->strip[r->strips++];
        TESS_TRY(tess_copy_text(ctx, name, &s->picture));
        TESS_TRY(tess_copy_bytes(ctx, at, length, &s->row));
        TESS_TRY(pictures_strip(ctx, sheet, t, lines, line, s));
        at += length + (at[length] == '|');
    }
    return TESS_OK;
}

static int pictures_sheet(struct tess_context *ctx, const char *name, const struct tess_tensor *from, struct tessi_report_page_result *r)
{
    int64_t factor = pictures_factor(from->dim[1], PICTURES_SHEET), height = from->dim[0] / factor, width = from->dim[1] / factor;
    if (height < 1 || width < 1 || height > 2 * PICTURES_SHEET)
        return TESS_OK;
    TESS_TRY(tess_reserve(ctx, &r->sheet, &r->sheet_capacity, r->sheets + 1, sizeof *r->sheet, "pictures"));
    struct tessi_report_page_sheet *s = &r->sheet[r->sheets++];
    TESS_TRY(tess_copy_text(ctx, name, &s->picture));
    s->pixels = tess_tensor_over(NULL, TESS_U8, 3, (int64_t[]){height, width, from->dim[2]});
    TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(&s->pixels), "a picture", &s->pixels.data));
    pictures_shrink(from, 0, 0, factor, height, width, s->pixels.data);
    return TESS_OK;
}

static int pictures_one(struct tess_context *ctx, const struct tess_artefact *a, const char *name, struct tessi_report_page_result *r)
{
    char path[1100], rows[256];
    struct tess_tensor pixels = {.data = NULL};
    struct tess_tiles tiles;
    TESS_TRY(tessi_store_artefact_tiles(ctx, a, name, &tiles, rows, sizeof rows));
    (void)snprintf(path, sizeof path, "pictures/%s", name);
    TESS_TRY(tess_artefact_load(ctx, a, path, TESS_U8, &pixels));
    int status = TESS_OK;
    if (pixels.rank == 3 && (pixels.dim[2] == 1 || pixels.dim[2] == 3) && tess_tensor_count(&pixels) > 0)
        status = tiles.count ? pictures_strips(ctx, name, &pixels, &tiles, r) : pictures_sheet(ctx, name, &pixels, r);
    tess_free(pixels.data);
    return status;
}

int tessi_report_page_gather_pictures(struct tess_context *ctx, const struct tess_artefact *a, struct tessi_report_page_result *r)
{
    const char *name;
    for (int64_t i = 0; i < PICTURES_OF_RESULT && (name = tessi_store_artefact_picture_at(a, i)); i++) {
        if ((r->points && strcmp(name, "training") == 0) || (r->atlas && strcmp(name, "codebook") == 0))
            continue; /* the curve and the atlas, which are drawn here */
        TESS_TRY(pictures_one(ctx, a, name, r));
    }
    return TESS_OK;
}
