/* XXH64, a checksum of 64 bits that is as fast as memory: any change within eight bytes changes it, and of other changes all but one in
 * 2^64. It is no digest: whoever wants to can make two files with one sum. Y. Collet, "xxHash fast digest algorithm" (specification 0.1.1),
 * with seed 0; `xxhsum -H1` computes the same. SPDX-License-Identifier: MIT */
#ifndef TESSI_XXH64_H
#define TESSI_XXH64_H

#include <stddef.h>
#include <stdint.h>

struct tessi_xxh64 {
    uint64_t lane[4], bytes;
    uint8_t held[32]; /* the last bytes % 32 bytes */
};
void tessi_base_xxh64_start(struct tessi_xxh64 *x);
void tessi_base_xxh64_add(struct tessi_xxh64 *x, const void *data, size_t bytes);
uint64_t tessi_base_xxh64_end(const struct tessi_xxh64 *x);

#endif
