/* Inputs read as programs: the bytes choose what is written, so that a fuzzer's changes of bytes are changes of structure, and a file that
 * comes of them is nearly right. SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_PROGRAM_H
#define TESTS_FUZZ_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

struct program {
    const uint8_t *at, *end;
};

/* The next byte; 0 behind the end. */
static inline unsigned program_byte(struct program *p)
{
    return p->at < p->end ? *p->at++ : 0;
}

/* The next choice of n. */
static inline size_t program_choice(struct program *p, size_t n)
{
    return program_byte(p) % n;
}

/* A number that sizes and places are likely to be, or are likely to be wrong with. */
static inline uint64_t program_number(struct program *p)
{
    static const uint64_t number[] = {0,
                                      1,
                                      2,
                                      3,
                                      4,
                                      8,
                                      24,
                                      96,
                                      255,
                                      256,
                                      65535,
                                      65536,
                                      0x7fffffff,
                                      0x80000000,
                                      0xffffffff,
                                      0x100000000,
                                      (uint64_t)1 << 40,
                                      (uint64_t)1 << 62,
                                      INT64_MAX,
                                      (uint64_t)1 << 63,
                                      UINT64_MAX};
    unsigned b = program_byte(p);
    return b < 128 ? b : number[b % (sizeof number / sizeof *number)];
}

#endif
