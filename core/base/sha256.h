/* The compression function of SHA-256, as digest.c calls it: plain C, or the processor's own instructions.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSI_SHA256_H
#define TESSI_SHA256_H

#include <stddef.h>
#include <stdint.h>

/* Compresses `blocks` blocks of 64 bytes into the state. */
typedef void tessi_sha256_compress(uint32_t state[8], const uint8_t *data, size_t blocks);

extern const uint32_t tessi_sha256_constants[64];

/* The compression function that uses this processor's SHA-256 instructions; NULL where it has none that are supported (sha256_x86.c). */
tessi_sha256_compress *tessi_base_sha256_of_processor(void);

/* Selects the implementation, 0 plain C, 1 the processor's; returns -1 where it has none. The default is the processor's where there is
 * one. To be called before anything is digested in other threads; for tests. */
int tessi_base_sha256_use(int processor);

#endif
