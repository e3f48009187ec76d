/* Weight gradients on the processor's tiles of bf16 (AMX). Compiled for processors that have them, and called on no other.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/backends/onednn/weight_gradient.h"

#include <immintrin.h>

#define TILE_CLEAR(t) _tile_zero(t)
#define TILE_LOAD(t, from) _tile_loadd(t, from, 64)
#define TILE_STORE(t, to) _tile_stored(t, to, 64)
#define TILE_MULTIPLY(sums, a, b) _tile_dpbf16ps(sums, a, b)

/* 16 channels of two pixels, interleaved. */
static inline __m512i pair(const uint16_t *a, const uint16_t *b, __mmask16 channels)
{
    __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(channels, a));
    __m512i high = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(channels, b));
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

static inline __mmask16 channels_mask(int32_t n)
{
    return (__mmask16)((1u << n) - 1);
}

/* Transposes 16 rows of 16 values of 32 bits. */
static inline void transpose(__m512i r[16])
{
    __m512i t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 4; i++) { /* quarters of the rows: 0x88 takes the even ones, 0xdd the odd */
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
        r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
    }
}

static void lay_outputs(const uint16_t *const *pixel, int32_t n, int32_t first, uint16_t *to)
{
    __m512i row[16];
    __mmask16 channels = channels_mask(n);
    for (int i = 0; i < 16; i++)
        row[i] = pair(pixel[2 * i] + first, pixel[2 * i + 1] + first, channels);
    transpose(row);
    for (int i = 0; i < 16; i++)
        _mm512_store_si512(to + i * GRADIENT_DEEP, row[i]);
}

static void lay_inputs(const uint16_t *const *pixel, int32_t n, int32_t first, int32_t pairs, uint16_t *even, uint16_t *odd)
{
    __mmask16 channels = channels_mask(n);
    __m512i now = pair(pixel[0] + first, pixel[1] + first, channels);
    for (int32_t i = 0; i < pairs; i++, even += GRADIENT_DEEP) {
        __m512i next = pair(pixel[2 * i + 2] + first, pixel[2 * i + 3] + first, channels);
        _mm512_store_si512(even, now);
        if (odd)
            _mm512_store_si512(odd + i * GRADIENT_DEEP, _mm512_shrdi_epi32(now, next, 16));
        now = next;
    }
}

#include "plugins/backends/onednn/weight_gradient_loops.h"

/* Description of the tiles, as the processor reads it: all eight have 16 rows of 64 bytes. */
struct tile_shapes {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

void weight_gradient_by_tiles(const struct weight_gradient *g, const uint16_t *x, const uint16_t *dy, float *dw, void *scratch)
{
    struct tile_shapes shapes = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        shapes.row_bytes[i] = 64;
        shapes.rows[i] = GRADIENT_ROWS;
    }
    _tile_loadconfig(&shapes);
    gradient_loops(g, x, dy, dw, scratch);
    _tile_release();
}
