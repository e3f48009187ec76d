/* See geometry_loops.h. A weight has 23 bits and a byte eight, where the multiplication that processors are fastest at takes 16 of each and
 * adds two products: weights are split into their lower 15 bits and the rest, and the two sums are put together at the end. The sum of the
 * lower products may wrap around; the whole is below 2^31, so it comes out right all the same.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/image/geometry_loops.h"

#include <string.h>

enum { LOWER_BITS = 15, GROUP = 4 };

static uint8_t loops_byte(int32_t sum)
{
    sum >>= GEOMETRY_WEIGHT_BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

static int64_t loops_groups(int64_t taps)
{
    return (taps + GROUP - 1) / GROUP;
}

size_t geometry_loops_bytes(int64_t taps, int64_t count)
{
    return 2 * (size_t)count * sizeof(int32_t) + (size_t)(count * loops_groups(taps) * 2 * GROUP) * sizeof(int16_t);
}

struct geometry_loops_axis geometry_loops_weigh(const int32_t *table, int64_t taps, int64_t count, void *memory)
{
    int32_t *place = memory;
    int16_t *weight = (int16_t *)(place + 2 * count);
    int64_t groups = loops_groups(taps);
    memset(weight, 0, (size_t)(count * groups * 2 * GROUP) * sizeof *weight);
    for (int64_t x = 0; x < count; x++) {
        const int32_t *row = table + x * (2 + taps);
        int16_t *to = weight + x * groups * 2 * GROUP;
        place[2 * x] = row[0];
        place[2 * x + 1] = (int32_t)loops_groups(row[1]);
        for (int32_t i = 0; i < row[1]; i++) {
            to[i / GROUP * 2 * GROUP + i % GROUP] = (int16_t)(row[2 + i] & ((1 << LOWER_BITS) - 1));
            to[i / GROUP * 2 * GROUP + i % GROUP + GROUP] = (int16_t)(row[2 + i] >> LOWER_BITS);
        }
    }
    return (struct geometry_loops_axis){count, groups, place, weight};
}

static void loops_add_plain(int32_t *restrict sum, const uint8_t *restrict from, int32_t weight, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        sum[i] += weight * from[i];
}

static void loops_settle_plain(const int32_t *restrict sum, int64_t n, uint8_t *restrict to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = loops_byte(sum[i]);
}

#if defined(__x86_64__)
#include <immintrin.h>
#define WITH_AVX2 __attribute__((target("avx2")))

int geometry_loops_here(void)
{
    return __builtin_cpu_supports("avx2") != 0;
}

/* Four pixels of three bytes, two in each half, as pairs of 16-bit numbers: red of both, green of both, blue of both, nothing. */
WITH_AVX2 static inline __m256i loops_pixels(const uint8_t *at)
{
    const __m256i order = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11,
                                           -1, -1, -1, -1, -1);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)at)), order);
}

/* Four weights, two for each half: the pair four times. */
WITH_AVX2 static inline __m256i loops_weights(const int16_t *at)
{
    const __m256i order = _mm256_setr_epi8(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7);
    return _mm256_shuffle_epi8(_mm256_broadcastq_epi64(_mm_loadl_epi64((const __m128i *)(const void *)at)), order);
}

WITH_AVX2 void geometry_loops_row(const uint8_t *from, int64_t skipped, const struct geometry_loops_axis *a, uint8_t *to)
{
    for (int64_t x = 0; x < a->count; x++, to += 3) {
        const int16_t *weight = a->weight + x * a->groups * 2 * GROUP;
        const uint8_t *at = from + (a->place[2 * x] - skipped) * 3;
        __m256i lower = _mm256_setzero_si256(), upper = lower;
        for (int32_t g = 0; g < a->place[2 * x + 1]; g++, at += 3 * GROUP, weight += 2 * GROUP) {
            __m256i pixels = loops_pixels(at);
            lower = _mm256_add_epi32(lower, _mm256_madd_epi16(pixels, loops_weights(weight)));
            upper = _mm256_add_epi32(upper, _mm256_madd_epi16(pixels, loops_weights(weight + GROUP)));
        }
        __m256i sums = _mm256_add_epi32(lower, _mm256_slli_epi32(upper, LOWER_BITS));
        __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
        sum = _mm_srai_epi32(_mm_add_epi32(sum, _mm_set1_epi32(1 << (GEOMETRY_WEIGHT_BITS - 1))), GEOMETRY_WEIGHT_BITS);
        sum = _mm_packus_epi16(_mm_packs_epi32(sum, sum), sum);
        uint32_t pixel = (uint32_t)_mm_cvtsi128_si32(sum);
        memcpy(to, &pixel, 3);
    }
}

WITH_AVX2 static void loops_add_vectors(int32_t *restrict sum, const uint8_t *restrict from, int32_t weight, int64_t n)
{
    __m256i w = _mm256_set1_epi32(weight);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(from + i)));
        __m256i *at = (__m256i *)(void *)(sum + i);
        _mm256_storeu_si256(at, _mm256_add_epi32(_mm256_loadu_si256(at), _mm256_mullo_epi32(bytes, w)));
    }
    loops_add_plain(sum + i, from + i, weight, n - i);
}

WITH_AVX2 static void loops_settle_vectors(const int32_t *restrict sum, int64_t n, uint8_t *restrict to)
{
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const __m256i *at = (const __m256i *)(const void *)(sum + i);
        __m256i a = _mm256_srai_epi32(_mm256_loadu_si256(at), GEOMETRY_WEIGHT_BITS);
        __m256i b = _mm256_srai_epi32(_mm256_loadu_si256(at + 1), GEOMETRY_WEIGHT_BITS);
        __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
        __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
        _mm_storeu_si128((__m128i *)(void *)(to + i), bytes);
    }
    loops_settle_plain(sum + i, n - i, to + i);
}

void geometry_loops_add(int32_t *restrict sum, const uint8_t *restrict from, int32_t weight, int64_t n)
{
    if (geometry_loops_here())
        loops_add_vectors(sum, from, weight, n);
    else
        loops_add_plain(sum, from, weight, n);
}

void geometry_loops_settle(const int32_t *restrict sum, int64_t n, uint8_t *restrict to)
{
    if (geometry_loops_here())
        loops_settle_vectors(sum, n, to);
    else
        loops_settle_plain(sum, n, to);
}
#else
int geometry_loops_here(void)
{
    return 0;
}

void geometry_loops_row(const uint8_t *from, int64_t skipped, const struct geometry_loops_axis *a, uint8_t *to)
{
    (void)from, (void)skipped, (void)a, (void)to;
}

void geometry_loops_add(int32_t *restrict sum, const uint8_t *restrict from, int32_t weight, int64_t n)
{
    loops_add_plain(sum, from, weight, n);
}

void geometry_loops_settle(const int32_t *restrict sum, int64_t n, uint8_t *restrict to)
{
    loops_settle_plain(sum, n, to);
}
#endif
