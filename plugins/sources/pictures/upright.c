/* See upright.h. SPDX-License-Identifier: MIT */
#include "plugins/sources/pictures/upright.h"

#include <string.h>

/* Source position, by EXIF's orientation, of the pixel that belongs at (y, x) of the upright image: its place in the h x w that were
 * stored. */
static int64_t stored_at(int orientation, int64_t h, int64_t w, int64_t y, int64_t x)
{
    int64_t sy = orientation > 4 ? x : y, sx = orientation > 4 ? y : x;
    int up = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    int left = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    return (up ? h - 1 - sy : sy) * w + (left ? w - 1 - sx : sx);
}

int picture_upright(struct tess_context *ctx, int orientation, struct tess_image *im)
{
    int64_t h = im->height, w = im->width, n = im->channels;
    struct tess_image turned = {.size = sizeof turned};
    if (orientation < 2 || orientation > 8)
        return TESS_OK;
    TESS_TRY(tess_image_resize(ctx, &turned, orientation > 4 ? w : h, orientation > 4 ? h : w, n));
    for (int64_t y = 0; y < turned.height; y++)
        for (int64_t x = 0; x < turned.width; x++)
            memcpy(turned.pixels + (y * turned.width + x) * n, im->pixels + stored_at(orientation, h, w, y, x) * n, (size_t)n);
    tess_free(im->pixels);
    im->pixels = turned.pixels;
    im->capacity = turned.capacity;
    im->height = turned.height;
    im->width = turned.width;
    return TESS_OK;
}
