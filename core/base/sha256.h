/* The compression function of SHA-256, as digest.c calls it: plain C, or the processor's own instructions.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSI_SHA256_H
#define TESSI_SHA256_H

#include <stddef.h>
#include <stdint.h>

/* `blocks` blocks of 64 bytes into the state. */
typedef void tessi_sha256_compress(uint32_t state[8], const uint8_t *data, size_t blocks);

extern const uint32_t tessi_sha256_constants[64];

/* Those of this processor; NULL where it has none, or none that are known here (sha256_x86.c). */
tessi_sha256_compress *tessi_base_sha256_of_processor(void);

/* For tests: 0, the plain C; 1, the processor's; -1 where it has none. What is chosen by itself is the latter where there is one. Before
 * anything is digested in other threads. */
int tessi_base_sha256_use(int processor);

#endif
