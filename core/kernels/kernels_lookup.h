/* Functions of one bf16 value by a table of all its 65,536 arguments. Included by kernels.c alone.
 *
 * With AVX-512 sixteen values are gathered at a time, which takes two thirds of the time of one after the other. SPDX-License-Identifier:
 * MIT */
#ifndef TESSI_KERNELS_LOOKUP_H
#define TESSI_KERNELS_LOOKUP_H

#include "core/kernels/kernels_math.h"

#ifdef __AVX512F__
#include <immintrin.h>

enum { LOOKUP_LANES = 16 };

static inline __m512i lookup_widened(const uint16_t *x)
{
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)x));
}

/* round_to_bf16 of each lane. */
static inline __m256i lookup_rounded(__m512 x)
{
    __m512i u = _mm512_castps_si512(x), upper = _mm512_srli_epi32(u, 16);
    __m512i odd = _mm512_and_si512(upper, _mm512_set1_epi32(1));
    __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7fff)), odd), 16);
    __mmask16 is_nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(_mm512_mask_or_epi32(rounded, is_nan, upper, _mm512_set1_epi32(0x40)));
}

/* Whole vectors of values; gives how many values they were. A gather reads four bytes at each entry, the lower two of which are it. */
static inline int64_t lookup_some(int64_t n, const uint16_t *table, const uint16_t *x, uint16_t *y)
{
    int64_t i = 0;
    for (; i + LOOKUP_LANES <= n; i += LOOKUP_LANES)
        _mm256_storeu_si256((void *)(y + i), _mm512_cvtepi32_epi16(_mm512_i32gather_epi32(lookup_widened(x + i), (const void *)table, 2)));
    return i;
}

static inline int64_t lookup_scaled_some(int64_t n, const float *table, const uint16_t *x, const uint16_t *factor, uint16_t *y)
{
    int64_t i = 0;
    for (; i + LOOKUP_LANES <= n; i += LOOKUP_LANES) {
        __m512 value = _mm512_i32gather_ps(lookup_widened(x + i), table, 4);
        __m512 scale = _mm512_castsi512_ps(_mm512_slli_epi32(lookup_widened(factor + i), 16));
        _mm256_storeu_si256((void *)(y + i), lookup_rounded(_mm512_mul_ps(scale, value)));
    }
    return i;
}
#else
static inline int64_t lookup_some(int64_t n, const uint16_t *restrict table, const uint16_t *restrict x, uint16_t *restrict y)
{
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        uint16_t a = table[x[i]], b = table[x[i + 1]], c = table[x[i + 2]], d = table[x[i + 3]];
        y[i] = a;
        y[i + 1] = b;
        y[i + 2] = c;
        y[i + 3] = d;
    }
    return i;
}

/* The entries in one loop and the products in another, which is one of vectors. */
static inline int64_t lookup_scaled_some(int64_t n, const float *restrict table, const uint16_t *restrict x,
                                         const uint16_t *restrict factor, uint16_t *restrict y)
{
    enum { BLOCK = 256 };
    float value[BLOCK];
    for (int64_t first = 0; first < n; first += BLOCK) {
        int64_t m = n - first < BLOCK ? n - first : BLOCK;
        for (int64_t i = 0; i < m; i++)
            value[i] = table[x[first + i]];
        for (int64_t i = 0; i < m; i++)
            y[first + i] = round_to_bf16(widen(factor[first + i]) * value[i]);
    }
    return n;
}
#endif

#endif
