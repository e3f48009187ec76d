/* Counter-based random numbers: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
 *
 * There is no generator state. A number is a function of (seed, purpose, step, sample, index), so any thread can draw
 * it in any order, resuming needs nothing stored, and the order of the data is a function of the step.
 * Key = seed; counter = (block, sample, step, purpose); number `index` is word index % 4 of block index / 4.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_RANDOM_H
#define TESSERA_RANDOM_H

#include <tessera/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tess_stream {
    uint64_t seed;
    uint32_t purpose; /* tess_purpose("...") */
    uint32_t step;    /* training step, epoch, diffusion step ... */
    uint32_t sample;  /* index of the sample within the step, the same however the batch is cut */
};

/* A purpose from its name (FNV-1a, 32 bits). */
TESS_EXPORT uint32_t tess_purpose(const char *name);

/* Numbers first .. first + n - 1 of the stream. [any thread; cannot fail] */
TESS_EXPORT void tess_random_u32(const struct tess_stream *s, uint64_t first, int64_t n, uint32_t *out);
/* Uniform in [0, 1): multiples of 2^-24. */
TESS_EXPORT void tess_random_uniform(const struct tess_stream *s, uint64_t first, int64_t n, float *out);
/* Standard normal, by Box-Muller; consumes two numbers a value (indices 2 * first ...). */
TESS_EXPORT void tess_random_normal(const struct tess_stream *s, uint64_t first, int64_t n, float *out);
/* Uniform integer in [0, n), n >= 1: the high half of a 64 x 64 bit product; uses numbers 2 * index and 2 * index + 1. */
TESS_EXPORT int64_t tess_random_below(const struct tess_stream *s, uint64_t index, int64_t n);

/* Image of position i under a permutation of 0 .. n - 1 keyed by the stream: a balanced Feistel network over the next
 * power of four, walked until it falls below n. O(1), no table; a different permutation for each key. */
TESS_EXPORT int64_t tess_random_permute(const struct tess_stream *s, int64_t n, int64_t i);

#ifdef __cplusplus
}
#endif
#endif
