/* Images cut, scaled and turned over; see geometry.h. SPDX-License-Identifier: MIT */
#include "plugins/stages/geometry.h"

#include <math.h>
#include <string.h>

static uint8_t byte_of(double v)
{
    return (uint8_t)(v < 0.0 ? 0.0 : v > 255.0 ? 255.0 : v + 0.5);
}

/* One output value: the triangle filter of half width max(1, n / m) around its centre, over n inputs `stride` apart. */
static uint8_t filtered(const uint8_t *from, int64_t stride, int64_t n, int64_t m, int64_t i)
{
    double scale = (double)n / (double)m, reach = scale > 1.0 ? scale : 1.0, centre = ((double)i + 0.5) * scale;
    int64_t first = (int64_t)floor(centre - reach), last = (int64_t)ceil(centre + reach);
    double sum = 0.0, weights = 0.0;
    first = first < 0 ? 0 : first;
    last = last > n ? n : last;
    for (int64_t k = first; k < last; k++) {
        double w = 1.0 - fabs(((double)k + 0.5 - centre) / reach);
        if (w <= 0.0)
            continue;
        sum += w * (double)from[k * stride];
        weights += w;
    }
    return byte_of(sum / weights);
}

void geometry_resize(const uint8_t *from, int64_t ih, int64_t iw, int64_t c, uint8_t *row, uint8_t *to, int64_t h, int64_t w)
{
    for (int64_t y = 0; y < ih; y++)
        for (int64_t x = 0; x < w; x++)
            for (int64_t k = 0; k < c; k++)
                row[(y * w + x) * c + k] = w == iw ? from[(y * iw + x) * c + k] : filtered(from + y * iw * c + k, c, iw, w, x);
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w * c; x++)
            to[y * w * c + x] = h == ih ? row[y * w * c + x] : filtered(row + x, w * c, ih, h, y);
}

void geometry_place(const uint8_t *from, int64_t ih, int64_t iw, int64_t c, int64_t fill, uint8_t *to, int64_t h, int64_t w)
{
    int64_t from_y = ih > h ? (ih - h) / 2 : 0, from_x = iw > w ? (iw - w) / 2 : 0, to_y = h > ih ? (h - ih) / 2 : 0,
            to_x = w > iw ? (w - iw) / 2 : 0;
    int64_t rows = ih < h ? ih : h, columns = iw < w ? iw : w;
    memset(to, (int)fill, (size_t)(h * w * c));
    for (int64_t y = 0; y < rows; y++)
        memcpy(to + ((to_y + y) * w + to_x) * c, from + ((from_y + y) * iw + from_x) * c, (size_t)(columns * c));
}

void geometry_flip(uint8_t *image, int64_t h, int64_t w, int64_t c)
{
    for (int64_t y = 0; y < h; y++, image += w * c)
        for (int64_t x = 0; x < w / 2; x++)
            for (int64_t k = 0; k < c; k++) {
                uint8_t *left = image + x * c + k, *right = image + (w - 1 - x) * c + k, kept = *left;
                *left = *right;
                *right = kept;
            }
}

void geometry_channels(const uint8_t *from, int64_t pixels, int64_t c, uint8_t *to, int64_t wanted)
{
    for (int64_t i = 0; i < pixels; i++)
        for (int64_t k = 0; k < wanted; k++)
            to[i * wanted + k] =
                c == wanted ? from[i * c + k]
                : c == 1    ? from[i]
                            : byte_of(0.299 * (double)from[i * c] + 0.587 * (double)from[i * c + 1] + 0.114 * (double)from[i * c + 2]);
}
