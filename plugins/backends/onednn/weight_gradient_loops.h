/* The loops of a weight gradient, over tiles that the file which includes this one defines: the processor's (weight_gradient_tiles.c), or
 * those of a test in plain C. It defines, for tiles 0 to 7 of 16 rows of 64 bytes,
 *
 *   TILE_CLEAR(t), TILE_LOAD(t, from), TILE_STORE(t, to)    rows lie 64 bytes apart
 *   TILE_MULTIPLY(sums, a, b)                               sums[i][j] += sum over k of a[i][2 k] b[k][2 j] + a[i][2 k + 1] b[k][2 j + 1]
 *   lay_outputs(pixel, n, first, to)                        32 pixels of n <= 16 channels from `first` on: to[channel][pixel]
 *   lay_inputs(pixel, n, first, pairs, even, odd)           the same as pairs of pixels: even[i][channel] is of
 *                                 pixels 2 i and 2 i + 1, odd[i][channel], unless it is NULL, of 2 i + 1 and 2 i + 2
 *
 * where channels past n are zeros. No guard: two programs include it, each once. SPDX-License-Identifier: MIT */
#include "plugins/backends/onednn/weight_gradient.h"

#include <string.h>

enum { TILE_VALUES = GRADIENT_ROWS * GRADIENT_ROWS, BLOCK_VALUES = GRADIENT_ROWS * GRADIENT_DEEP };

/* Images (images, h, w, channels) as a phase of the grid sees them: every `stride`-th pixel from (y, x) on. */
struct view {
    const uint16_t *data, *zeros;
    int64_t h, w, channels;
    int32_t stride, y, x;
};

static int64_t below(int64_t a, int64_t b) /* a / b rounded down */
{
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

static int32_t fewer(int64_t a, int64_t b)
{
    return (int32_t)(a < b ? a : b);
}

/* Addresses of the pixels at n positions of the grid from `first` on; zeros in the margins, and before and behind all images. */
static void find_pixels(const struct weight_gradient *g, const struct view *v, int64_t first, int32_t n, const uint16_t **pixel)
{
    int64_t row = below(first, g->width), image = below(row, g->height), y = row - image * g->height, x = first - row * g->width;
    int64_t rows = (v->h - v->y + v->stride - 1) / v->stride, columns = (v->w - v->x + v->stride - 1) / v->stride;
    for (int32_t i = 0; i < n; x = 0) {
        int32_t end = i + fewer(g->width - x, n - i);
        if (image >= 0 && image < g->d.images && y < rows) {
            const uint16_t *at = v->data + (((image * v->h + y * v->stride + v->y) * v->w) + v->x + x * v->stride) * v->channels;
            for (; i < end && x < columns; x++, at += v->stride * v->channels)
                pixel[i++] = at;
        }
        for (; i < end; i++)
            pixel[i] = v->zeros;
        if (++y == g->height) {
            y = 0;
            image++;
        }
    }
}

/* dy of n positions from `first` on. */
static void piece_outputs(const struct weight_gradient *g, const uint16_t *dy, const struct gradient_rooms *at, int64_t first, int32_t n,
                          char *room)
{
    const struct view v = {dy, (const uint16_t *)(void *)(room + at->zeros), g->d.ho, g->d.wo, g->d.co, 1, 0, 0};
    const uint16_t **pixel = (const uint16_t **)(void *)(room + at->pixels);
    uint16_t *to = (uint16_t *)(void *)(room + at->outputs);
    find_pixels(g, &v, first, n, pixel);
    for (int32_t block = 0; block < g->blocks_out; block++)
        for (int32_t i = 0; i < n; i += GRADIENT_DEEP)
            lay_outputs(pixel + i, fewer(g->d.co - block * GRADIENT_ROWS, GRADIENT_ROWS), block * GRADIENT_ROWS,
                        to + ((int64_t)block * g->piece + i) * GRADIENT_ROWS);
}

static uint16_t *pairs_of(const struct weight_gradient *g, const struct gradient_rooms *at, int32_t phase, int32_t block, int odd,
                          char *room)
{
    return (uint16_t *)(void *)(room + at->inputs + ((size_t)(phase * g->blocks_in + block) * 2 + (size_t)odd) * at->pairs);
}

/* x of the positions that outputs at n positions from `first` on read. */
static void piece_inputs(const struct weight_gradient *g, const uint16_t *x, const struct gradient_rooms *at, int64_t first, int32_t n,
                         char *room)
{
    const uint16_t **pixel = (const uint16_t **)(void *)(room + at->pixels);
    int32_t window = n + g->before + g->after, stride = g->d.stride;
    for (int32_t phase = 0; phase < stride * stride; phase++) {
        if (!g->odd[phase])
            continue;
        const struct view v = {
            x, (const uint16_t *)(void *)(room + at->zeros), g->d.h, g->d.w, g->d.ci, stride, phase / stride, phase % stride};
        find_pixels(g, &v, first - g->before, window + GRADIENT_PAST, pixel);
        for (int32_t block = 0; block < g->blocks_in; block++)
            lay_inputs(pixel, fewer(g->d.ci - block * GRADIENT_ROWS, GRADIENT_ROWS), block * GRADIENT_ROWS, window / 2,
                       pairs_of(g, at, phase, block, 0, room), g->odd[phase] & 2 ? pairs_of(g, at, phase, block, 1, room) : NULL);
    }
}

static const uint16_t *tap_inputs(const struct weight_gradient *g, const struct gradient_rooms *at, int32_t tap, char *room)
{
    const struct gradient_tap *t = &g->tap[tap];
    int odd = t->shift % 2;
    return pairs_of(g, at, t->phase, t->block, odd, room) + (t->shift - odd) * GRADIENT_ROWS;
}

/* Two blocks of output channels times two taps: four sums, over `deep` tiles of positions. `fresh`: from zero. */
static void four_sums(int32_t deep, const uint16_t *a, int64_t a_step, const uint16_t *b0, const uint16_t *b1, float *s, int64_t s_step,
                      int fresh)
{
    float *t = s + s_step;
    if (fresh) {
        TILE_CLEAR(0);
        TILE_CLEAR(1);
        TILE_CLEAR(2);
        TILE_CLEAR(3);
    } else {
        TILE_LOAD(0, s);
        TILE_LOAD(1, s + TILE_VALUES);
        TILE_LOAD(2, t);
        TILE_LOAD(3, t + TILE_VALUES);
    }
    for (int32_t k = 0; k < deep; k++, a += BLOCK_VALUES, b0 += BLOCK_VALUES, b1 += BLOCK_VALUES) {
        TILE_LOAD(4, a);
        TILE_LOAD(6, b0);
        TILE_LOAD(7, b1);
        TILE_LOAD(5, a + a_step);
        TILE_MULTIPLY(0, 4, 6);
        TILE_MULTIPLY(1, 4, 7);
        TILE_MULTIPLY(2, 5, 6);
        TILE_MULTIPLY(3, 5, 7);
    }
    TILE_STORE(0, s);
    TILE_STORE(1, s + TILE_VALUES);
    TILE_STORE(2, t);
    TILE_STORE(3, t + TILE_VALUES);
}

/* One block of output channels times one tap: what four_sums leaves over. */
static void one_sum(int32_t deep, const uint16_t *a, const uint16_t *b, float *s, int fresh)
{
    if (fresh)
        TILE_CLEAR(0);
    else
        TILE_LOAD(0, s);
    for (int32_t k = 0; k < deep; k++, a += BLOCK_VALUES, b += BLOCK_VALUES) {
        TILE_LOAD(4, a);
        TILE_LOAD(6, b);
        TILE_MULTIPLY(0, 4, 6);
    }
    TILE_STORE(0, s);
}

/* Sums of output channels of block `block` and, where it is there, of the next. */
static void two_blocks(const struct weight_gradient *g, const struct gradient_rooms *at, int32_t block, int32_t n, int fresh, char *room,
                       float *sums)
{
    int64_t a_step = (int64_t)g->piece * GRADIENT_ROWS, s_step = (int64_t)g->taps * TILE_VALUES;
    const uint16_t *a = (const uint16_t *)(void *)(room + at->outputs) + block * a_step;
    int32_t deep = n / GRADIENT_DEEP, blocks = fewer(g->blocks_out - block, 2), tap = 0;
    for (; blocks == 2 && tap + 2 <= g->taps; tap += 2)
        four_sums(deep, a, a_step, tap_inputs(g, at, tap, room), tap_inputs(g, at, tap + 1, room), sums + (int64_t)tap * TILE_VALUES,
                  s_step, fresh);
    for (; tap < g->taps; tap++)
        for (int32_t i = 0; i < blocks; i++)
            one_sum(deep, a + i * a_step, tap_inputs(g, at, tap, room), sums + i * s_step + (int64_t)tap * TILE_VALUES, fresh);
}

/* Sums of one or two blocks of output channels, (block, tap, channel, input channel), put into dw (co, kh, kw, ci). */
static void put_sums(const struct weight_gradient *g, int32_t block, const float *sums, float *dw)
{
    int64_t row = g->d.kh * g->d.kw * g->d.ci;
    int32_t end = fewer(g->d.co, (block + 2) * (int64_t)GRADIENT_ROWS);
    for (int32_t o = block * GRADIENT_ROWS; o < end; o++) {
        const float *s = sums + (int64_t)(o / GRADIENT_ROWS - block) * g->taps * TILE_VALUES + o % GRADIENT_ROWS * GRADIENT_ROWS;
        for (int32_t tap = 0; tap < g->taps; tap++, s += TILE_VALUES) {
            int32_t c = g->tap[tap].block * GRADIENT_ROWS, n = fewer(g->d.ci - c, GRADIENT_ROWS);
            float *to = dw + o * row + g->tap[tap].place * g->d.ci + c;
            if (n == GRADIENT_ROWS)
                memcpy(to, s, GRADIENT_ROWS * sizeof *s); /* of a known size, which needs no call */
            else
                memcpy(to, s, (size_t)n * sizeof *s);
        }
    }
}

static void gradient_loops(const struct weight_gradient *g, const uint16_t *x, const uint16_t *dy, float *dw, char *room)
{
    struct gradient_rooms at = weight_gradient_rooms(g);
    float *sums = (float *)(void *)(room + at.sums);
    int64_t block_values = (int64_t)g->taps * TILE_VALUES;
    int one_piece = g->pieces == 1;
    memset(room + at.zeros, 0, at.sums - at.zeros);
    for (int64_t first = 0; first < g->positions; first += g->piece) {
        int32_t n = (fewer(g->piece, g->positions - first) + GRADIENT_DEEP - 1) / GRADIENT_DEEP * GRADIENT_DEEP;
        piece_outputs(g, dy, &at, first, n, room);
        piece_inputs(g, x, &at, first, n, room);
        for (int32_t block = 0; block < g->blocks_out; block += 2) {
            two_blocks(g, &at, block, n, first == 0, room, one_piece ? sums : sums + block * block_values);
            if (one_piece)
                put_sums(g, block, sums, dw);
        }
    }
    for (int32_t block = 0; !one_piece && block < g->blocks_out; block += 2)
        put_sums(g, block, sums + block * block_values, dw);
}
