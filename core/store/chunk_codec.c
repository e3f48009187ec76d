/* Decoding of chunks as HDF5's filters write them (HDF5 File Format Specification, "Filter Pipeline"; H5Znbit, H5Zfletcher32, H5Zshuffle):
 *
 *     fletcher32   over 16-bit words, the first byte being the high one: s1 = sum of w_i, s2 = sum of (n - i) w_i, both modulo 65535 and
 *                  in 1 .. 65535 unless all words are 0; an odd last byte is a high byte. Stored behind the data as (s2 << 16 | s1),
 *                  little-endian.
 *     deflate      a zlib stream
 *     shuffle      all first bytes of the elements, then all second bytes, ...
 *     n-bit        the `precision` low bits of each element, one element after the other, the highest bit first
 *
 * HDF5 decodes under one lock for the whole process, and n-bit a bit field at a time. SPDX-License-Identifier: MIT */
#include "core/store/store_private.h"

#include <string.h>
#include <zlib.h>

#define LANES ((size_t)8)
#define WORDS (LANES * 256) /* words summed before a reduction */

static uint64_t reduced(uint64_t sum)
{
    return sum ? (sum - 1) % 65535 + 1 : 0;
}

typedef uint32_t sums4 __attribute__((vector_size(16)));

/* Sums a block of n words, a multiple of LANES, whose sums of 32 bits do not overflow: n <= 8 * 361. Word 2l of each eight has lane l of
 * `even`, word 2l + 1 lane l of `odd`; with m eights, s1 = sum of a_k and s2 = sum of 8 b_k - k a_k, where a is the plain sum of word k and
 * b the sum of its running sums. The words are summed as the machine has them (chunk_codec_as_stored). */
static void sum_block(const unsigned char *data, size_t n, uint64_t *s1, uint64_t *s2)
{
    sums4 even = {0}, odd = {0}, even_running = {0}, odd_running = {0};
    for (size_t i = 0; i < n; i += LANES) {
        sums4 pairs;
        memcpy(&pairs, data + 2 * i, sizeof pairs);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        even += pairs & 0xffff;
        odd += pairs >> 16;
#else
        even += pairs >> 16;
        odd += pairs & 0xffff;
#endif
        even_running += even;
        odd_running += odd;
    }
    *s2 += n * *s1;
    for (size_t l = 0; l < LANES / 2; l++) {
        *s1 += (uint64_t)even[l] + odd[l];
        *s2 += LANES * ((uint64_t)even_running[l] + odd_running[l]) - 2 * l * (uint64_t)even[l] - (2 * l + 1) * (uint64_t)odd[l];
    }
}

/* The sum of words with the high byte first, from that of the words as the machine has them: modulo 65535, a word with its bytes swapped is
 * 256 times the word. */
static uint64_t chunk_codec_as_stored(uint64_t sum)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    sum *= 256;
#endif
    return reduced(sum);
}

uint32_t tessi_store_fletcher32(const unsigned char *data, size_t bytes)
{
    uint64_t s1 = 0, s2 = 0;
    size_t words = bytes / 2;
    for (; words >= LANES; s1 = reduced(s1), s2 = reduced(s2)) {
        size_t n = words < WORDS ? words - words % LANES : WORDS;
        sum_block(data, n, &s1, &s2);
        data += 2 * n;
        words -= n;
    }
    s1 = chunk_codec_as_stored(s1);
    s2 = chunk_codec_as_stored(s2);
    for (; words > 0; words--, data += 2) {
        s1 = reduced(s1 + ((uint64_t)data[0] << 8 | data[1]));
        s2 = reduced(s2 + s1);
    }
    if (bytes % 2) {
        s1 = reduced(s1 + ((uint64_t)*data << 8));
        s2 = reduced(s2 + s1);
    }
    return (uint32_t)(s2 << 16 | s1);
}

static uint64_t load_be64(const unsigned char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* Defines the unpacking loop for elements of a type. Four elements of up to 14 bits, or one, are taken out of each word of 64 bits. */
#define UNPACK(name, type)                                                                                                                 \
    static void name(const unsigned char *packed, int64_t first, int64_t count, int32_t precision, type *restrict to)                      \
    {                                                                                                                                      \
        const uint64_t mask = ((uint64_t)1 << precision) - 1;                                                                              \
        uint64_t bit = (uint64_t)first * (uint64_t)precision;                                                                              \
        int64_t i = 0;                                                                                                                     \
        for (; precision <= 14 && i + 4 <= count; i += 4) {                                                                                \
            uint64_t word = load_be64(packed + bit / 8) << bit % 8;                                                                        \
            to[i] = (type)(word >> (64 - precision));                                                                                      \
            to[i + 1] = (type)(word >> (64 - 2 * precision) & mask);                                                                       \
            to[i + 2] = (type)(word >> (64 - 3 * precision) & mask);                                                                       \
            to[i + 3] = (type)(word >> (64 - 4 * precision) & mask);                                                                       \
            bit += 4 * (uint64_t)precision;                                                                                                \
        }                                                                                                                                  \
        for (; i < count; i++) {                                                                                                           \
            to[i] = (type)((load_be64(packed + bit / 8) << bit % 8) >> (64 - precision));                                                  \
            bit += (uint64_t)precision;                                                                                                    \
        }                                                                                                                                  \
    }

UNPACK(unpack_u8, uint8_t)
UNPACK(unpack_u16, uint16_t)
UNPACK(unpack_u32, uint32_t)

void tessi_store_unpack(const unsigned char *packed, int64_t first, int64_t count, int32_t precision, size_t size, void *to)
{
    if (size == 1)
        unpack_u8(packed, first, count, precision, to);
    else if (size == 2)
        unpack_u16(packed, first, count, precision, to);
    else
        unpack_u32(packed, first, count, precision, to);
}

void tessi_store_unshuffle(const unsigned char *from, size_t bytes, size_t size, unsigned char *to)
{
    size_t n = bytes / size;
    for (size_t k = 0; k < size; k++)
        for (size_t i = 0; i < n; i++)
            to[i * size + k] = from[k * n + i];
    memcpy(to + n * size, from + n * size, bytes - n * size); /* bytes that are no whole element stay */
}

size_t tessi_store_inflate(const unsigned char *from, size_t bytes, unsigned char *to, size_t capacity)
{
    uLongf length = (uLongf)capacity;
    return uncompress(to, &length, from, (uLong)bytes) == Z_OK ? (size_t)length : 0;
}
