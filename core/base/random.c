/* Philox 4x32-10 and what is drawn from it. A block of four numbers is a keyed mixing of its own place
 * (block, sample, step, purpose); the key is the seed. A stream holds 2^34 numbers, then begins again.
 *
 * The normal goes through double precision and is rounded once, so that the last bits of a C library's logarithm and
 * cosine do not show. SPDX-License-Identifier: MIT */
#include <tessera/random.h>

#include <assert.h>
#include <math.h>

static void random_philox(uint32_t k0, uint32_t k1, const uint32_t counter[4], uint32_t out[4])
{
    uint32_t a = counter[0], b = counter[1], c = counter[2], d = counter[3];
    for (int round = 0; round < 10; round++) {
        uint64_t p = (uint64_t)0xD2511F53u * a, q = (uint64_t)0xCD9E8D57u * c;
        a = (uint32_t)(q >> 32) ^ b ^ k0;
        c = (uint32_t)(p >> 32) ^ d ^ k1;
        b = (uint32_t)q;
        d = (uint32_t)p;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = a;
    out[1] = b;
    out[2] = c;
    out[3] = d;
}

static void random_draw(const struct tess_stream *s, uint64_t block, uint32_t out[4])
{
    const uint32_t counter[4] = {(uint32_t)block, s->sample, s->step, s->purpose};
    random_philox((uint32_t)s->seed, (uint32_t)(s->seed >> 32), counter, out);
}

uint32_t tess_purpose(const char *name)
{
    uint32_t h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 16777619u;
    return h;
}

void tess_random_u32(const struct tess_stream *s, uint64_t first, int64_t n, uint32_t *out)
{
    uint32_t word[4];
    for (int64_t i = 0; i < n; i++) {
        uint64_t index = first + (uint64_t)i;
        if (i == 0 || index % 4 == 0)
            random_draw(s, index / 4, word);
        out[i] = word[index % 4];
    }
}

void tess_random_uniform(const struct tess_stream *s, uint64_t first, int64_t n, float *out)
{
    uint32_t word[4];
    for (int64_t i = 0; i < n; i++) {
        uint64_t index = first + (uint64_t)i;
        if (i == 0 || index % 4 == 0)
            random_draw(s, index / 4, word);
        out[i] = (float)(word[index % 4] >> 8) * 0x1p-24f;
    }
}

void tess_random_normal(const struct tess_stream *s, uint64_t first, int64_t n, float *out)
{
    uint32_t word[4];
    for (int64_t i = 0; i < n; i++) {
        uint64_t index = 2 * (first + (uint64_t)i);
        if (i == 0 || index % 4 == 0)
            random_draw(s, index / 4, word);
        /* u lies in (0, 1], so that the logarithm is finite. */
        double u = ((double)word[index % 4] + 1.0) * 0x1p-32;
        double angle = 6.283185307179586 * ((double)word[index % 4 + 1] * 0x1p-32);
        out[i] = (float)(sqrt(-2.0 * log(u)) * cos(angle));
    }
}

int64_t tess_random_below(const struct tess_stream *s, uint64_t index, int64_t n)
{
    assert(n >= 1);
    uint32_t word[2];
    tess_random_u32(s, 2 * index, 2, word);
    uint64_t x = (uint64_t)word[0] << 32 | word[1];
    return (int64_t)(((unsigned __int128)x * (uint64_t)n) >> 64);
}

#define FEISTEL_ROUNDS 6

int64_t tess_random_permute(const struct tess_stream *s, int64_t n, int64_t i)
{
    assert(n >= 1 && i >= 0 && i < n);
    uint32_t half = 1; /* bits of one half of the Feistel block; 62 bits in all hold any n that can be asked for */
    while (half < 32 && (uint64_t)1 << (2 * half) < (uint64_t)n)
        half++;
    const uint64_t mask = ((uint64_t)1 << half) - 1;
    uint32_t key[4], mixed[4];
    random_draw(s, 0, key);

    /* Walking the cycle of i until it comes back below n is a permutation of 0 .. n - 1, since the network is one of 0 .. 4^half - 1. */
    uint64_t x = (uint64_t)i;
    do {
        uint64_t left = x >> half, right = x & mask;
        for (uint32_t round = 0; round < FEISTEL_ROUNDS; round++) {
            const uint32_t counter[4] = {(uint32_t)right, round, key[2], key[3]};
            random_philox(key[0], key[1], counter, mixed);
            uint64_t next = left ^ (mixed[0] & mask);
            left = right;
            right = next;
        }
        x = left << half | right;
    } while (x >= (uint64_t)n);
    return (int64_t)x;
}
