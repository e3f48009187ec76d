/* Images cut, scaled and turned over; see geometry.h. SPDX-License-Identifier: MIT */
#include "plugins/stages/geometry.h"

#include <math.h>
#include <string.h>

static uint8_t byte_of(double v)
{
    return (uint8_t)(v < 0.0 ? 0.0 : v > 255.0 ? 255.0 : v + 0.5);
}

/* A weight is an integer, in units of 2^-WEIGHT_BITS. */
enum { WEIGHT_BITS = 22, COLUMNS = 256 };

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t taps_of(int64_t n, int64_t m)
{
    return n > m ? 2 * ((n + m - 1) / m) + 1 : 3;
}

/* For one axis from n to m values: of each output the first input, how many, and their weights. */
struct axis {
    int64_t taps;
    const int32_t *table; /* m rows of 2 + taps */
};

static const int32_t *tap(const struct axis *a, int64_t i)
{
    return a->table + i * (2 + a->taps);
}

/* The triangle filter of half width max(1, n / m) around each output's centre, its weights summing to one. */
static struct axis weigh(int64_t n, int64_t m, int32_t *table)
{
    struct axis a = {taps_of(n, m), table};
    double scale = (double)n / (double)m, reach = scale > 1.0 ? scale : 1.0;
    for (int64_t i = 0; i < m; i++) {
        int32_t *out = table + i * (2 + a.taps);
        double centre = ((double)i + 0.5) * scale, sum = 0.0;
        int64_t first = (int64_t)larger((int64_t)(centre - reach + 0.5), 0), last = (int64_t)(centre + reach + 0.5);
        last = last > n ? n : last;
        for (int pass = 0; pass < 2; pass++)
            for (int64_t k = first; k < last; k++) {
                double w = 1.0 - fabs(((double)k - centre + 0.5) * (1.0 / reach));
                w = w > 0.0 ? w : 0.0;
                if (pass == 0)
                    sum += w;
                else
                    out[2 + k - first] = (int32_t)(0.5 + w * (1.0 / sum) * (double)(1 << WEIGHT_BITS));
            }
        out[0] = (int32_t)first;
        out[1] = (int32_t)(last - first);
    }
    return a;
}

static uint8_t settled(int32_t sum)
{
    sum >>= WEIGHT_BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

static void along_a_row(const uint8_t *from, int64_t c, const struct axis *a, uint8_t *to, int64_t w)
{
    for (int64_t x = 0; x < w; x++) {
        const int32_t *t = tap(a, x);
        for (int64_t k = 0; k < c; k++) {
            const uint8_t *at = from + t[0] * c + k;
            int32_t sum = 1 << (WEIGHT_BITS - 1);
            for (int32_t i = 0; i < t[1]; i++)
                sum += t[2 + i] * at[i * c];
            to[x * c + k] = settled(sum);
        }
    }
}

/* One row of the result, a block of its `width` bytes at a time. */
static void down_the_columns(const uint8_t *from, int64_t width, const int32_t *t, uint8_t *to)
{
    int32_t sum[COLUMNS];
    for (int64_t x = 0; x < width; x += COLUMNS) {
        int64_t n = width - x < COLUMNS ? width - x : COLUMNS;
        for (int64_t i = 0; i < n; i++)
            sum[i] = 1 << (WEIGHT_BITS - 1);
        for (int32_t k = 0; k < t[1]; k++) {
            const uint8_t *at = from + (t[0] + k) * width + x;
            for (int64_t i = 0; i < n; i++)
                sum[i] += t[2 + k] * at[i];
        }
        for (int64_t i = 0; i < n; i++)
            to[x + i] = settled(sum[i]);
    }
}

static size_t table_bytes(int64_t n, int64_t m)
{
    return (size_t)(m * (2 + taps_of(n, m))) * sizeof(int32_t);
}

size_t geometry_room(int64_t ih, int64_t iw, int64_t c, int64_t h, int64_t w)
{
    size_t across = table_bytes(iw, w), down = table_bytes(ih, h);
    return (across > down ? across : down) + (size_t)(w * ih * c);
}

void geometry_resize(const uint8_t *from, int64_t ih, int64_t iw, int64_t c, void *room, uint8_t *to, int64_t h, int64_t w)
{
    size_t across = table_bytes(iw, w), down = table_bytes(ih, h);
    uint8_t *row = (uint8_t *)room + (across > down ? across : down);
    const uint8_t *rows = from;
    if (w != iw) {
        struct axis a = weigh(iw, w, room);
        for (int64_t y = 0; y < ih; y++)
            along_a_row(from + y * iw * c, c, &a, (h == ih ? to : row) + y * w * c, w);
        rows = row;
    } else if (h == ih) {
        memcpy(to, from, (size_t)(h * w * c));
    }
    if (h == ih)
        return;
    struct axis a = weigh(ih, h, room);
    for (int64_t y = 0; y < h; y++)
        down_the_columns(rows, w * c, tap(&a, y), to + y * w * c);
}

/* n / 2, and where that is no integer the even one of its neighbours. */
static int64_t half(int64_t n)
{
    return n / 2 + (n % 4 == 3);
}

void geometry_place(const uint8_t *from, int64_t ih, int64_t iw, int64_t c, int64_t fill, uint8_t *to, int64_t h, int64_t w)
{
    int64_t from_y = ih > h ? half(ih - h) : 0, from_x = iw > w ? half(iw - w) : 0, to_y = h > ih ? (h - ih) / 2 : 0,
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
