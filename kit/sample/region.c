/* SPDX-License-Identifier: MIT */
#include "kit/sample/region.h"

#include <string.h>

int region_has_pixel(const struct region_rule *r, const uint8_t *pixel, int64_t channels)
{
    int64_t sum = 0;
    for (int64_t k = 0; k < channels; k++)
        sum += r->white ? pixel[k] : 255 - pixel[k];
    return (double)sum / (255.0 * (double)channels) > r->threshold;
}

/* (21.1) */
int64_t region_cells(const struct region_rule *r, const uint8_t *mask, int64_t height, int64_t width, int64_t channels, int64_t h,
                     int64_t w, uint8_t *cells)
{
    int64_t n = 0;
    memset(cells, 0, (size_t)(h * w));
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++) {
            uint8_t *cell = &cells[y * h / height * w + x * w / width];
            if (*cell || !region_has_pixel(r, mask + (y * width + x) * channels, channels))
                continue;
            *cell = 1;
            n++;
        }
    return n;
}
