/* The atlas of an artefact: the tiles of its picture `codebook`, and the codes that they are of (docs/formats.md). One that does not fit
 * together is left out. SPDX-License-Identifier: MIT */
#include "core/report/page_private.h"
#include "core/store/store.h"

#include <string.h>

enum { ATLAS_TILES = 4096, ATLAS_SIDE = 64 };

/* Cuts the tiles out of their sheet, where each pixel is `zoom` wide. */
static int atlas_cut(struct tess_context *ctx, const struct tess_tensor *sheet, const struct tess_tiles *t, struct tess_tensor *out)
{
    const int64_t channels = sheet->dim[2], row = sheet->dim[1] * channels;
    uint8_t *to;
    *out = tess_tensor_over(NULL, TESS_U8, 4, (int64_t[]){t->count, t->height, t->width, channels});
    TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(out), "an atlas", &out->data));
    to = out->data;
    for (int64_t i = 0; i < t->count; i++) {
        int64_t top = i / t->across * (t->height * t->zoom + t->gap), left = i % t->across * (t->width * t->zoom + t->gap);
        for (int64_t y = 0; y < t->height; y++)
            for (int64_t x = 0; x < t->width; x++, to += channels)
                memcpy(to, (const uint8_t *)sheet->data + (top + y * t->zoom) * row + (left + x * t->zoom) * channels, (size_t)channels);
    }
    return TESS_OK;
}

/* Loads a list of t->count numbers; *out stays NULL where it is none. */
static int atlas_list(struct tess_context *ctx, const struct tess_artefact *a, const char *name, int64_t n, int32_t **out)
{
    struct tess_tensor list;
    TESS_TRY(tess_artefact_load(ctx, a, name, TESS_I32, &list));
    if (list.rank == 1 && list.dim[0] == n)
        *out = list.data;
    else
        tess_free(list.data);
    return TESS_OK;
}

int tessi_report_page_gather_atlas(struct tess_context *ctx, const struct tess_artefact *a, struct tessi_report_page_result *r)
{
    char rows[256];
    struct tess_tensor sheet;
    struct tess_tiles tiles;
    if (!tess_artefact_has(a, "pictures/codebook") || !tess_artefact_has(a, "atlas/code") || !tess_artefact_has(a, "atlas/uses"))
        return TESS_OK;
    TESS_TRY(tessi_store_artefact_tiles(ctx, a, "codebook", &tiles, rows, sizeof rows));
    if (tiles.count < 1 || tiles.count > ATLAS_TILES || tiles.height > ATLAS_SIDE || tiles.width > ATLAS_SIDE)
        return TESS_OK;
    TESS_TRY(atlas_list(ctx, a, "atlas/code", tiles.count, &r->atlas_code));
    TESS_TRY(atlas_list(ctx, a, "atlas/uses", tiles.count, &r->atlas_uses));
    if (!r->atlas_code || !r->atlas_uses)
        return TESS_OK;
    TESS_TRY(tess_artefact_load(ctx, a, "pictures/codebook", TESS_U8, &sheet));
    int status = sheet.rank == 3 ? atlas_cut(ctx, &sheet, &tiles, &r->atlas_tile) : TESS_OK;
    r->atlas = status == TESS_OK && r->atlas_tile.data ? tiles.count : 0;
    tess_free(sheet.data);
    return status;
}
