/* SHA-256 by the instructions of x86-64: sha256rnds2 makes two rounds, sha256msg1 and sha256msg2 four words of the schedule. The state is
 * kept as they want it, (a b e f) and (c d g h), highest word first.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/sha256.h"

#if defined __x86_64__ && defined __GNUC__

#include <cpuid.h>
#include <immintrin.h>

#define OF_SHA __attribute__((target("sha,sse4.1,ssse3")))

/* Four rounds with the words w. */
OF_SHA static inline void sha256_x86_rounds(__m128i *abef, __m128i *cdgh, __m128i w, int at)
{
    __m128i x = _mm_add_epi32(w, _mm_loadu_si128((const __m128i *)(const void *)&tessi_sha256_constants[at]));
    *cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, x);
    *abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32(x, 0x0e));
}

/* w[16..19] from w[0..15], which lie in a, b, c and d. */
OF_SHA static inline __m128i sha256_x86_schedule(__m128i a, __m128i b, __m128i c, __m128i d)
{
    __m128i x = _mm_add_epi32(_mm_sha256msg1_epu32(a, b), _mm_alignr_epi8(d, c, 4));
    return _mm_sha256msg2_epu32(x, d);
}

OF_SHA static inline __m128i sha256_x86_load(const uint8_t *data)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)data), swap);
}

/* The words are four variables and no array, so that they stay in registers where a compiler does not unroll the loop. */
OF_SHA static void sha256_x86_compress_one(__m128i *abef, __m128i *cdgh, const uint8_t *data)
{
    __m128i x = *abef, y = *cdgh, a = sha256_x86_load(data), b = sha256_x86_load(data + 16);
    __m128i c = sha256_x86_load(data + 32), d = sha256_x86_load(data + 48);
    sha256_x86_rounds(&x, &y, a, 0);
    sha256_x86_rounds(&x, &y, b, 4);
    sha256_x86_rounds(&x, &y, c, 8);
    sha256_x86_rounds(&x, &y, d, 12);
    for (int at = 16; at < 64; at += 16) {
        a = sha256_x86_schedule(a, b, c, d);
        sha256_x86_rounds(&x, &y, a, at);
        b = sha256_x86_schedule(b, c, d, a);
        sha256_x86_rounds(&x, &y, b, at + 4);
        c = sha256_x86_schedule(c, d, a, b);
        sha256_x86_rounds(&x, &y, c, at + 8);
        d = sha256_x86_schedule(d, a, b, c);
        sha256_x86_rounds(&x, &y, d, at + 12);
    }
    *abef = _mm_add_epi32(*abef, x);
    *cdgh = _mm_add_epi32(*cdgh, y);
}

OF_SHA static void sha256_x86_compress(uint32_t state[8], const uint8_t *data, size_t blocks)
{
    __m128i *at = (__m128i *)(void *)state;
    __m128i dcba = _mm_shuffle_epi32(_mm_loadu_si128(at), 0xb1), hgfe = _mm_shuffle_epi32(_mm_loadu_si128(at + 1), 0x1b);
    __m128i abef = _mm_alignr_epi8(dcba, hgfe, 8), cdgh = _mm_blend_epi16(hgfe, dcba, 0xf0);
    for (; blocks > 0; blocks--, data += 64)
        sha256_x86_compress_one(&abef, &cdgh, data);
    __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128(at, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128(at + 1, _mm_alignr_epi8(dchg, feba, 8));
}

tessi_sha256_compress *tessi_base_sha256_of_processor(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSE4_1) || !(c & bit_SSSE3))
        return NULL;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & 1u << 29)) /* SHA */
        return NULL;
    return sha256_x86_compress;
}

#else

tessi_sha256_compress *tessi_base_sha256_of_processor(void)
{
    return NULL;
}

#endif
