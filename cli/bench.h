/* The workloads of `tessera bench`. Each is opened once and run many times; sizes and names are those of bench/peers/bench_torch.py, so
 * that both do the same work.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSI_CLI_BENCH_H
#define TESSI_CLI_BENCH_H

#include "core/host/runtime.h"

struct bench_work {
    uint64_t seed;
    int recompute;   /* cheap values are recomputed in the backward pass */
    int quick;       /* sides, lists and batches of a quarter, to see that all of it works: rates are no measure then */
    double units;    /* images, sequences, vectors or iterations of one run */
    double flops;    /* operations of one run */
    int64_t planned; /* bytes of graphs, weights and buffers by their plans; 0: there is no plan */
    void *self;
    int (*run)(struct tess_context *ctx, struct bench_work *w);
    void (*close)(struct bench_work *w);
};

struct bench_case {
    const char *name, *unit, *summary;
    /* Fills the work; close is called in any case. */
    int (*open)(struct tess_context *ctx, const struct bench_case *k, struct bench_work *w);
    const void *sizes;
};

/* All workloads in the order they are run; ends with a NULL name. */
extern const struct bench_case bench_cases[];

/* Fused multiply-adds a second this machine reaches on `threads` threads, as GFLOP/s (two for each): of vectors in f32 or in bf16, or of
 * whole tiles in bf16; 0 where it has none. */
enum { BENCH_F32, BENCH_BF16, BENCH_TILES, BENCH_PEAKS };
double bench_peak(int threads, int what);
/* Name of the unit that makes them here. */
const char *bench_peak_unit(int what);

#endif
