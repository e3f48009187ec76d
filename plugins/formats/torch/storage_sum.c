/* See storage_sum.h. A sum is the remainder of the bytes, as a polynomial over GF(2), by the polynomial of CRC-32. Where the processor
 * multiplies such polynomials (pclmulqdq), 64 bytes a step are folded onto the next 64: a factor x^n is replaced by its remainder, which
 * changes the bytes and not their remainder (Gopal et al., "Fast CRC computation for generic polynomials using PCLMULQDQ instruction",
 * Intel, 2009). zlib takes what is left, and everything on other processors: its tables take a fifth of the speed.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/formats/torch/storage_sum.h"

#include <zlib.h>

#if defined __x86_64__ && defined __GNUC__

#include <immintrin.h>

#define OF_PCLMUL __attribute__((target("pclmul,sse2")))

enum { STEP = 64, LANE = 16, LEAST = 2 * STEP };

/* The lane `x`, multiplied by the power of x that the factors stand for: its two halves, each by its own, and added. */
OF_PCLMUL static inline __m128i storage_sum_fold(__m128i x, __m128i factors)
{
    return _mm_xor_si128(_mm_clmulepi64_si128(x, factors, 0x00), _mm_clmulepi64_si128(x, factors, 0x11));
}

OF_PCLMUL static inline __m128i storage_sum_lane(const uint8_t *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* The sum of whole steps, two of them at least. Factors are x^(512 + 32), x^(512 - 32), x^(128 + 32) and x^(128 - 32) modulo the
 * polynomial, their bits in the order of the bytes' bits. */
OF_PCLMUL static uint32_t storage_sum_steps(uint32_t sum, const uint8_t *at, size_t steps)
{
    const __m128i by_step = _mm_set_epi64x(0x1c6e41596, 0x154442bd4), by_lane = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
    __m128i lane[STEP / LANE];
    uint8_t left[LANE];
    for (int i = 0; i < STEP / LANE; i++)
        lane[i] = storage_sum_lane(at + i * LANE);
    lane[0] = _mm_xor_si128(lane[0], _mm_cvtsi32_si128((int)~sum));
    for (at += STEP; steps > 1; steps--, at += STEP)
        for (int i = 0; i < STEP / LANE; i++)
            lane[i] = _mm_xor_si128(storage_sum_fold(lane[i], by_step), storage_sum_lane(at + i * LANE));
    for (int i = 1; i < STEP / LANE; i++)
        lane[i] = _mm_xor_si128(storage_sum_fold(lane[i - 1], by_lane), lane[i]);
    _mm_storeu_si128((__m128i *)(void *)left, lane[STEP / LANE - 1]);
    return (uint32_t)crc32(0xffffffff, left, sizeof left); /* from an empty register, which zlib keeps inverted */
}

uint32_t storage_sum(uint32_t sum, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    size_t steps = bytes / STEP;
    if (bytes >= LEAST && __builtin_cpu_supports("pclmul")) {
        sum = storage_sum_steps(sum, at, steps);
        at += steps * STEP;
        bytes -= steps * STEP;
    }
    return (uint32_t)crc32_z(sum, at, bytes);
}

#else

uint32_t storage_sum(uint32_t sum, const void *data, size_t bytes)
{
    return (uint32_t)crc32_z(sum, data, bytes);
}

#endif
