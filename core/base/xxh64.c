/* See xxh64.h. Names of the steps are the specification's. SPDX-License-Identifier: MIT */
#include "core/base/xxh64.h"

#include <string.h>

#define PRIME1 0x9E3779B185EBCA87u
#define PRIME2 0xC2B2AE3D27D4EB4Fu
#define PRIME3 0x165667B19E3779F9u
#define PRIME4 0x85EBCA77C2B2AE63u
#define PRIME5 0x27D4EB2F165667C5u

enum { STRIPE = 32 };

static uint64_t xxh64_rotate(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static uint64_t xxh64_word(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static uint64_t xxh64_round(uint64_t lane, uint64_t word)
{
    return xxh64_rotate(lane + word * PRIME2, 31) * PRIME1;
}

void tessi_base_xxh64_start(struct tessi_xxh64 *x)
{
    *x = (struct tessi_xxh64){.lane = {PRIME1 + PRIME2, PRIME2, 0, -PRIME1}};
}

static void xxh64_stripes(uint64_t lane[4], const uint8_t *at, size_t stripes)
{
    uint64_t a = lane[0], b = lane[1], c = lane[2], d = lane[3];
    for (; stripes > 0; stripes--, at += STRIPE) {
        a = xxh64_round(a, xxh64_word(at));
        b = xxh64_round(b, xxh64_word(at + 8));
        c = xxh64_round(c, xxh64_word(at + 16));
        d = xxh64_round(d, xxh64_word(at + 24));
    }
    lane[0] = a;
    lane[1] = b;
    lane[2] = c;
    lane[3] = d;
}

void tessi_base_xxh64_add(struct tessi_xxh64 *x, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    size_t held = x->bytes % STRIPE;
    x->bytes += bytes;
    if (held) {
        size_t take = STRIPE - held < bytes ? STRIPE - held : bytes;
        memcpy(x->held + held, at, take);
        at += take;
        bytes -= take;
        if (held + take < STRIPE)
            return;
        xxh64_stripes(x->lane, x->held, 1);
    }
    xxh64_stripes(x->lane, at, bytes / STRIPE);
    if (bytes % STRIPE)
        memcpy(x->held, at + bytes / STRIPE * STRIPE, bytes % STRIPE);
}

/* Adds the last bytes, fewer than a stripe. */
static uint64_t xxh64_rest(uint64_t sum, const uint8_t *at, size_t bytes)
{
    for (; bytes >= 8; bytes -= 8, at += 8)
        sum = xxh64_rotate(sum ^ xxh64_round(0, xxh64_word(at)), 27) * PRIME1 + PRIME4;
    if (bytes >= 4) {
        uint64_t word = (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24;
        sum = xxh64_rotate(sum ^ word * PRIME1, 23) * PRIME2 + PRIME3;
        bytes -= 4;
        at += 4;
    }
    for (; bytes > 0; bytes--, at++)
        sum = xxh64_rotate(sum ^ *at * PRIME5, 11) * PRIME1;
    return sum;
}

uint64_t tessi_base_xxh64_end(const struct tessi_xxh64 *x)
{
    uint64_t sum = PRIME5;
    if (x->bytes >= STRIPE) {
        sum = xxh64_rotate(x->lane[0], 1) + xxh64_rotate(x->lane[1], 7) + xxh64_rotate(x->lane[2], 12) + xxh64_rotate(x->lane[3], 18);
        for (int i = 0; i < 4; i++)
            sum = (sum ^ xxh64_round(0, x->lane[i])) * PRIME1 + PRIME4;
    }
    sum = xxh64_rest(sum + x->bytes, x->held, x->bytes % STRIPE);
    sum = (sum ^ sum >> 33) * PRIME2;
    sum = (sum ^ sum >> 29) * PRIME3;
    return sum ^ sum >> 32;
}
