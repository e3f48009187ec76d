/* Images cut, scaled and turned over; see geometry.h. SPDX-License-Identifier: MIT */
#include "kit/image/geometry.h"
#include "kit/image/geometry_loops.h"

#include <math.h>
#include <string.h>

static uint8_t geometry_byte_of(double v)
{
    return (uint8_t)(v < 0.0 ? 0.0 : v > 255.0 ? 255.0 : v + 0.5);
}

/* Fixed-point weights: integers in units of 2^-GEOMETRY_WEIGHT_BITS. Sums of weighted bytes are below 2^31 and whole numbers, so it does
 * not matter in which order they are added. */
enum { COLUMNS = 256 };

static int64_t geometry_larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t geometry_smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t taps_of(int64_t n, int64_t m)
{
    return n > m ? 2 * ((n + m - 1) / m) + 1 : 3;
}

/* Resampling of one axis from n to m values, for the `count` outputs that are wanted: of each the first input, the number of inputs, and
 * their weights. */
struct axis {
    int64_t count, taps;
    const int32_t *table; /* count rows of 2 + taps; NULL: n == m, nothing to resample */
    int64_t first, end;   /* range of inputs that the outputs need */
    struct geometry_loops_axis loops; /* count 0: not used */
};

static size_t table_bytes(int64_t n, int64_t m, int64_t count)
{
    return n == m ? 0 : (size_t)(count * (2 + taps_of(n, m))) * sizeof(int32_t);
}

static const int32_t *geometry_tap(const struct axis *a, int64_t i)
{
    return a->table + i * (2 + a->taps);
}

/* The triangle filter of half width max(1, n / m) around each output's centre, its weights summing to one. */
static struct axis geometry_weigh(int64_t n, int64_t m, int64_t first, int64_t count, int32_t *table)
{
    struct axis a = {.count = count, .taps = taps_of(n, m), .table = table, .first = first, .end = first + count};
    double scale = (double)n / (double)m, reach = scale > 1.0 ? scale : 1.0;
    if (n == m)
        return (struct axis){.count = count, .first = first, .end = first + count};
    for (int64_t i = 0; i < count; i++) {
        int32_t *out = table + i * (2 + a.taps);
        double centre = ((double)(first + i) + 0.5) * scale, sum = 0.0;
        int64_t from = geometry_larger((int64_t)(centre - reach + 0.5), 0), to = geometry_smaller((int64_t)(centre + reach + 0.5), n);
        for (int pass = 0; pass < 2; pass++)
            for (int64_t k = from; k < to; k++) {
                double w = 1.0 - fabs(((double)k - centre + 0.5) * (1.0 / reach));
                w = w > 0.0 ? w : 0.0;
                if (pass == 0)
                    sum += w;
                else
                    out[2 + k - from] = (int32_t)(0.5 + w * (1.0 / sum) * (double)(1 << GEOMETRY_WEIGHT_BITS));
            }
        out[0] = (int32_t)from;
        out[1] = (int32_t)(to - from);
    }
    a.first = geometry_tap(&a, 0)[0];
    a.end = geometry_tap(&a, count - 1)[0] + geometry_tap(&a, count - 1)[1];
    return a;
}

static uint8_t geometry_settled(int32_t sum)
{
    sum >>= GEOMETRY_WEIGHT_BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* Adds the form of the axis that vectors want, for pixels of three bytes. */
static void geometry_vectors(struct axis *a, int64_t c, void *memory)
{
    if (a->table && c == 3 && geometry_loops_here())
        a->loops = geometry_loops_weigh(a->table, a->taps, a->count, memory);
}

static size_t vector_bytes(const struct geometry_scale *s)
{
    return s->iw == s->w || s->c != 3 || !geometry_loops_here() ? 0 : geometry_loops_bytes(taps_of(s->iw, s->w), s->columns);
}

/* Resamples one row horizontally. `from` is where the row's input number a->first would be, less `skipped` inputs that are not there;
 * `end` is the end of the memory that may be read. */
static void along_a_row(const uint8_t *from, const uint8_t *end, int64_t skipped, int64_t c, const struct axis *a, uint8_t *to)
{
    if (a->loops.count && end - (from + (a->end - skipped) * c) >= GEOMETRY_LOOPS_SPARE) {
        geometry_loops_row(from, skipped, &a->loops, to);
        return;
    }
    for (int64_t x = 0; x < a->count; x++) {
        const int32_t *t = geometry_tap(a, x);
        for (int64_t k = 0; k < c; k++) {
            const uint8_t *at = from + (t[0] - skipped) * c + k;
            int32_t sum = 1 << (GEOMETRY_WEIGHT_BITS - 1);
            for (int32_t i = 0; i < t[1]; i++)
                sum += t[2 + i] * at[i * c];
            to[x * c + k] = geometry_settled(sum);
        }
    }
}

static void geometry_start_sums(int32_t *sum, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        sum[i] = 1 << (GEOMETRY_WEIGHT_BITS - 1);
}

/* Resamples one row of the result vertically, a block of its `width` bytes at a time; rows of `from` are `stride` bytes apart. */
static void down_the_columns(const uint8_t *from, int64_t stride, int64_t width, const int32_t *t, uint8_t *to)
{
    int32_t sum[COLUMNS];
    for (int64_t x = 0; x < width; x += COLUMNS) {
        int64_t n = geometry_smaller(width - x, COLUMNS);
        geometry_start_sums(sum, n);
        for (int32_t k = 0; k < t[1]; k++)
            geometry_loops_add(sum, from + (t[0] + k) * stride + x, t[2 + k], n);
        geometry_loops_settle(sum, n, to + x);
    }
}

/* Upper bound of the outputs that wait for the same input: neighbours are n / m inputs apart, and each reaches over 2 n / m + 1, or 3. */
static int64_t waiting_max(int64_t n, int64_t m, int64_t count)
{
    return geometry_smaller(n > m ? 4 : 3 * ((m + n - 1) / n) + 2, count);
}

/* Resamples horizontally, then vertically, row by row: each input row is scaled and added to all outputs that need it, and only the outputs
 * that wait for further rows are kept. */
static void across_first(const struct geometry_scale *s, const uint8_t *from, const struct axis *across, const struct axis *down,
                         uint8_t *row, int32_t *sums, uint8_t *to)
{
    int64_t n = s->columns * s->c, max = waiting_max(s->ih, s->h, s->rows), done = 0, begun = 0;
    const uint8_t *end = from + s->ih * s->iw * s->c;
    for (int64_t r = down->first; r < down->end; r++) {
        const uint8_t *scaled = across->table ? row : from + (r * s->iw + s->left) * s->c;
        if (across->table)
            along_a_row(from + r * s->iw * s->c, end, 0, s->c, across, row);
        for (; begun < s->rows && geometry_tap(down, begun)[0] <= r; begun++)
            geometry_start_sums(sums + begun % max * n, n);
        for (int64_t y = done; y < begun; y++)
            geometry_loops_add(sums + y % max * n, scaled, geometry_tap(down, y)[2 + r - geometry_tap(down, y)[0]], n);
        for (; done < begun && geometry_tap(down, done)[0] + geometry_tap(down, done)[1] == r + 1; done++)
            geometry_loops_settle(sums + done % max * n, n, to + done * n);
    }
}

static void down_first(const struct geometry_scale *s, const uint8_t *from, const struct axis *across, const struct axis *down,
                       uint8_t *row, uint8_t *to)
{
    int64_t width = (across->end - across->first) * s->c;
    for (int64_t y = 0; y < s->rows; y++) {
        down_the_columns(from + across->first * s->c, s->iw * s->c, width, geometry_tap(down, y), row);
        along_a_row(row, row + width + GEOMETRY_LOOPS_SPARE, across->first, s->c, across, to + y * s->columns * s->c);
    }
}

/* Resamples horizontally where the height does not change, or copies where the width does not either. */
static void one_way(const struct geometry_scale *s, const uint8_t *from, const struct axis *across, uint8_t *to)
{
    int64_t n = s->columns * s->c;
    for (int64_t y = 0; y < s->rows; y++) {
        const uint8_t *at = from + (s->top + y) * s->iw * s->c;
        if (across->table)
            along_a_row(at, from + s->ih * s->iw * s->c, 0, s->c, across, to + y * n);
        else
            memcpy(to + y * n, at + s->left * s->c, (size_t)n);
    }
}

static int is_down_first(const struct geometry_scale *s)
{
    return s->rule == GEOMETRY_PILLOW_13 && s->w != s->iw && s->ih - s->h > 2 * (s->iw - s->w);
}

/* Bytes of one intermediate row with what may be read behind it, in whole integers. */
static size_t row_bytes(const struct geometry_scale *s)
{
    return ((size_t)((is_down_first(s) ? s->iw : s->columns) * s->c) + GEOMETRY_LOOPS_SPARE + 3) & ~(size_t)3;
}

size_t geometry_capacity(const struct geometry_scale *s)
{
    size_t sums = s->h == s->ih || is_down_first(s)
                      ? 0
                      : (size_t)(waiting_max(s->ih, s->h, s->rows) * s->columns * s->c) * sizeof(int32_t);
    return table_bytes(s->iw, s->w, s->columns) + table_bytes(s->ih, s->h, s->rows) + vector_bytes(s) + row_bytes(s) + sums;
}

void geometry_resize(const struct geometry_scale *s, const uint8_t *from, void *buffer, uint8_t *to)
{
    uint8_t *at = buffer;
    struct axis across = geometry_weigh(s->iw, s->w, s->left, s->columns, buffer);
    at += table_bytes(s->iw, s->w, s->columns);
    struct axis down = geometry_weigh(s->ih, s->h, s->top, s->rows, (int32_t *)(void *)at);
    at += table_bytes(s->ih, s->h, s->rows);
    geometry_vectors(&across, s->c, at);
    at += vector_bytes(s);
    if (s->h == s->ih)
        one_way(s, from, &across, to);
    else if (is_down_first(s))
        down_first(s, from, &across, &down, at, to);
    else
        across_first(s, from, &across, &down, at, (int32_t *)(void *)(at + row_bytes(s)), to);
}

/* Half the difference; where that is no integer, the even one of its neighbours. */
int64_t geometry_crop_start(int64_t side, int64_t cropped)
{
    int64_t n = side - cropped;
    return n / 2 + (n % 4 == 3);
}

void geometry_place(const uint8_t *from, int64_t ih, int64_t iw, int64_t c, int64_t fill, uint8_t *to, int64_t h, int64_t w)
{
    int64_t from_y = ih > h ? geometry_crop_start(ih, h) : 0, from_x = iw > w ? geometry_crop_start(iw, w) : 0,
            to_y = h > ih ? (h - ih) / 2 : 0, to_x = w > iw ? (w - iw) / 2 : 0;
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
                : c == 1
                    ? from[i]
                    : geometry_byte_of(0.299 * (double)from[i * c] + 0.587 * (double)from[i * c + 1] + 0.114 * (double)from[i * c + 2]);
}
