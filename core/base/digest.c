/* SHA-256, as FIPS 180-4 section 6.2 writes it; by the processor's own instructions where it has them (sha256_x86.c), with the same bits
 * and some five times as fast. SPDX-License-Identifier: MIT */
#include <tessera/digest.h>

#include "core/base/sha256.h"

#include "core/base/inject.h"

#include <stdatomic.h>
#include <string.h>

/* First 32 bits of the fractional parts of the cube roots of the first 64 primes. */
const uint32_t tessi_sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t digest_rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void digest_compress_one(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = digest_rotate(w[i - 15], 7) ^ digest_rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = digest_rotate(w[i - 2], 17) ^ digest_rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 64; i++) {
        uint32_t t1 = h + (digest_rotate(e, 6) ^ digest_rotate(e, 11) ^ digest_rotate(e, 25)) + ((e & f) ^ (~e & g)) +
                      tessi_sha256_constants[i] + w[i];
        uint32_t t2 = (digest_rotate(a, 2) ^ digest_rotate(a, 13) ^ digest_rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

static void compress_portable(uint32_t state[8], const uint8_t *data, size_t blocks)
{
    for (; blocks > 0; blocks--, data += 64)
        digest_compress_one(state, data);
}

static _Atomic(tessi_sha256_compress *) chosen;

int tessi_base_sha256_use(int processor)
{
    tessi_sha256_compress *own = tessi_base_sha256_of_processor();
    if (processor && !own)
        return -1;
    atomic_store(&chosen, processor ? own : compress_portable);
    return 0;
}

static void digest_compress(uint32_t state[8], const uint8_t *data, size_t blocks)
{
    tessi_sha256_compress *run = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (!run) {
        run = tessi_base_sha256_of_processor();
        run = run ? run : compress_portable;
        atomic_store(&chosen, run);
    }
    run(state, data, blocks);
}

void tess_digest_start(struct tess_digest *d)
{
    *d = (struct tess_digest){
        .state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void tess_digest_add(struct tess_digest *d, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    size_t held = d->bytes % sizeof d->block;
    d->bytes += bytes;
    if (held) {
        size_t take = sizeof d->block - held < bytes ? sizeof d->block - held : bytes;
        memcpy(d->block + held, at, take);
        at += take;
        bytes -= take;
        if (held + take < sizeof d->block)
            return;
        digest_compress(d->state, d->block, 1);
    }
    size_t blocks = bytes / sizeof d->block;
    if (blocks)
        digest_compress(d->state, at, blocks);
    at += blocks * sizeof d->block;
    bytes -= blocks * sizeof d->block;
    if (bytes)
        memcpy(d->block, at, bytes);
}

static void digest_store(uint8_t *out, uint64_t x, int big_endian)
{
    for (int i = 0; i < 8; i++)
        out[big_endian ? 7 - i : i] = (uint8_t)(x >> (8 * i));
}

void tess_digest_add_text(struct tess_digest *d, const char *text)
{
    size_t bytes = strlen(text);
    uint8_t length[8];
    digest_store(length, bytes, 0);
    tess_digest_add(d, length, sizeof length);
    tess_digest_add(d, text, bytes);
}

void tess_digest_end(struct tess_digest *d, char text[TESS_DIGEST_TEXT])
{
    static const uint8_t padding[64] = {0x80};
    uint8_t bits[8];
    digest_store(bits, 8 * d->bytes, 1);
    size_t held = d->bytes % 64;
    tess_digest_add(d, padding, (held < 56 ? 56 : 120) - held);
    tess_digest_add(d, bits, sizeof bits);
    for (int i = 0; i < 64; i++)
        text[i] = "0123456789abcdef"[d->state[i / 8] >> (28 - 4 * (i % 8)) & 15];
    text[64] = '\0';
}
