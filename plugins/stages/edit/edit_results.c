/* SPDX-License-Identifier: MIT */
#include "plugins/stages/edit/edit_results.h"

#include <string.h>

/* Limits of the picture, in images. */
enum { SHOWN_IMAGES = 16, SHOWN_VARIANTS = 8 };

static int64_t edit_results_across(const struct edit_results *r)
{
    return 2 + (r->variants < SHOWN_VARIANTS ? r->variants : SHOWN_VARIANTS);
}

int edit_results_open(struct tess_context *ctx, struct edit_results *r)
{
    const int64_t *d = r->images->shape.dim, *e = r->masks->shape.dim;
    int64_t rows = r->count < SHOWN_IMAGES ? r->count : SHOWN_IMAGES;
    r->here = r->masked = -1;
    TESS_TRY(stage_tensor(ctx, &r->original, TESS_U8, 4, (const int64_t[]){1, d[1], d[2], d[3]}));
    TESS_TRY(stage_tensor(ctx, &r->mask, TESS_U8, 4, (const int64_t[]){1, e[1], e[2], e[3]}));
    return stage_tensor(ctx, &r->shown, TESS_U8, 4, (const int64_t[]){rows * edit_results_across(r), d[1], d[2], d[3]});
}

void edit_results_close(struct edit_results *r)
{
    tess_free(r->original.data);
    tess_free(r->mask.data);
    tess_free(r->shown.data);
}

/* (21.4) */
static int put_back(struct tess_context *ctx, struct edit_results *r, int64_t i, uint8_t *made)
{
    const struct tess_tensor *mask = &r->masks->shape;
    int64_t channels = r->images->shape.dim[3], which = mask->dim[0] > 1 ? i : 0;
    const uint8_t *original = r->original.data;
    if (r->masked != which)
        TESS_TRY(stage_images_get(ctx, r->masks, r->masked = which, r->mask.data));
    for (int64_t p = 0; p < mask->dim[1] * mask->dim[2]; p++)
        if (!region_has_pixel(&r->rule, (const uint8_t *)r->mask.data + p * mask->dim[3], mask->dim[3]))
            memcpy(made + p * channels, original + p * channels, (size_t)channels);
    return TESS_OK;
}

/* Draws stripes of two greys over the cells that were drawn anew. */
static void show_region(const struct edit_results *r, int64_t i, uint8_t *image)
{
    int64_t height = r->images->shape.dim[1], width = r->images->shape.dim[2], channels = r->images->shape.dim[3];
    const uint8_t *cells = r->cells + i * r->h * r->w;
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++)
            if (cells[y * r->h / height * r->w + x * r->w / width])
                memset(image + (y * width + x) * channels, (x + y) / 2 % 2 ? 96 : 160, (size_t)channels);
}

int edit_results_take(struct tess_context *ctx, struct edit_results *r, int64_t i, int64_t v, uint8_t *made)
{
    size_t bytes = r->images->row;
    if (r->here != i)
        TESS_TRY(stage_images_get(ctx, r->images, r->here = i, r->original.data));
    if (r->composite)
        TESS_TRY(put_back(ctx, r, i, made));
    if (i >= SHOWN_IMAGES || v >= SHOWN_VARIANTS)
        return TESS_OK;
    uint8_t *line = (uint8_t *)r->shown.data + (size_t)(i * edit_results_across(r)) * bytes;
    memcpy(line + (size_t)(2 + v) * bytes, made, bytes);
    if (v > 0)
        return TESS_OK;
    memcpy(line, r->original.data, bytes);
    memcpy(line + bytes, r->original.data, bytes);
    show_region(r, i, line + bytes);
    return TESS_OK;
}

int edit_results_put_picture(struct tess_context *ctx, const struct edit_results *r, struct tess_artefact *a)
{
    struct tess_tensor sheet;
    TESS_TRY(tess_contact_sheet(ctx, &r->shown, edit_results_across(r), 2, r->shown.dim[2] < 64 ? 2 : 1, &sheet));
    int status = tess_artefact_put_picture(ctx, a, "edits", &sheet);
    tess_free(sheet.data);
    return status;
}
