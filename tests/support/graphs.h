/* Fixture of the graph tests: a runtime with a given number of threads, and assertions that print the status message.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_GRAPHS_H
#define TESTS_SUPPORT_GRAPHS_H

#include <tessera/tessera.h>

#include "core/host/runtime.h"
#include "tests/support/suite.h"

struct fixture {
    struct tessi_context context;
    struct tessi_runtime *runtime;
    struct tess_weights *weights;
    struct tess_graph *graph;
    struct tess_instance *sampler; /* sampler opened by fixture_sampler; NULL before the first call */
};

/* Backend, precision and recompute setting of runtimes opened from now on; NULL: the preferred backend, f32. */
extern const char *fixture_backend, *fixture_precision;
extern int fixture_recompute;

/* The names of the backends there are, up to BENCH_BACKENDS, and their number: 0 is a failure. Asserts nothing: main may call it. */
enum { BENCH_BACKENDS = 8 };
int fixture_backends(char name[BENCH_BACKENDS][64]);
/* Support of bf16 products by the backend on this processor; *by_itself: native, not emulated in f32 (by_itself may be NULL). */
int fixture_can_bf16(const char *backend, int *by_itself);
/* Runs the suite that `fill` makes of a test case, for each backend in f32, and in bf16 where that can be had, with fixture_backend and
 * fixture_precision set; `first`: 1 for the first of them. Gives the exit status. */
int fixture_everywhere(const char *title, void (*fill)(TCase *t, int first));
/* A runtime of `threads` workers, an empty weight store, and a graph of rows x microbatches. */
void fixture_open(struct fixture *b, int threads, int64_t rows, int64_t microbatches, int training);
void fixture_close(struct fixture *b);
/* The sampler of that name and parameters, "ancestral"; the fixture's, until another is asked for. */
const struct tess_instance *fixture_sampler(struct fixture *b, const char *config_text);
/* ck_assert that `status` is TESS_OK, with the call's message. */
void fixture_ok(struct fixture *b, int status);
/* A trained weight drawn from a normal around `centre`. */
struct tess_node *normal_weight(struct tess_graph *g, const char *name, int32_t rank, const int64_t *dim, double centre, double spread);
#define DIMS(...)                                                                                                                          \
    (const int64_t[])                                                                                                                      \
    {                                                                                                                                      \
        __VA_ARGS__                                                                                                                        \
    }

#endif
