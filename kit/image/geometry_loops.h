/* Inner loops of geometry.c by the processor's vectors, with the same bytes: sums of integers come out the same in any order.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_IMAGE_GEOMETRY_LOOPS_H
#define KIT_IMAGE_GEOMETRY_LOOPS_H

#include <stddef.h>
#include <stdint.h>

enum { GEOMETRY_WEIGHT_BITS = 22 };
/* Bytes behind the last input that geometry_loops_row may read. */
enum { GEOMETRY_LOOPS_SPARE = 16 };

/* Horizontal resampling of pixels of three bytes for `count` outputs: where the inputs of each begin, and the weights in the order that the
 * loop wants. Built of a table with rows of 2 + taps: first input, number of inputs, weights (geometry.c). */
struct geometry_loops_axis {
    int64_t count, groups; /* outputs; groups of four inputs that an output has weights for */
    const int32_t *place;  /* first input of each output, and the number of groups that it needs */
    const int16_t *weight; /* weights, four a group: their lower 15 bits, then the bits above them */
};

/* 1 where this processor has the vectors that the loops below are for. */
int geometry_loops_here(void);
/* Bytes of memory for the axis; its address is a multiple of 4. */
size_t geometry_loops_bytes(int64_t taps, int64_t count);
struct geometry_loops_axis geometry_loops_weigh(const int32_t *table, int64_t taps, int64_t count, void *memory);
/* Resamples a row; `from` is where its input number `skipped` is. Only where geometry_loops_here. */
void geometry_loops_row(const uint8_t *from, int64_t skipped, const struct geometry_loops_axis *a, uint8_t *to);

/* sum[i] += weight * from[i], and the bytes of such sums, by vectors or without. */
void geometry_loops_add(int32_t *restrict sum, const uint8_t *restrict from, int32_t weight, int64_t n);
void geometry_loops_settle(const int32_t *restrict sum, int64_t n, uint8_t *restrict to);

#endif
