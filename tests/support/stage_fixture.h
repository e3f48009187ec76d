/* Fixture of the stage tests: pipelines run in a temporary folder, and access to their results. SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_STAGE_FIXTURE_H
#define TESTS_SUPPORT_STAGE_FIXTURE_H

#include "core/base/context.h"
#include "tests/support/small_pipeline.h"

#include <tessera/tessera.h>

extern const char *stage_bench_folder;
extern struct tessi_context stage_bench_call; /* context in which results are read */
#define C (&stage_bench_call.context)

/* Fixture: a folder of its own with the small pipeline. The teardown checks that no memory is in use. */
void stage_bench_setup(void);
void stage_bench_teardown(void);

struct attempt {
    const char *path, *workdir, *until; /* path NULL: small.yaml */
    const char *override[12];
    int threads, plan_only; /* threads 0: 2 */
};
/* Plans, and runs unless told not to; gives the status and keeps the message. */
int stage_bench_attempt(const struct attempt *a);
#define ATTEMPT(...) stage_bench_attempt(&(struct attempt){__VA_ARGS__})
/* Runs the attempt in a child with an injection plan (core/base/inject.h); gives its exit code, or -N when signal N killed it. */
int stage_bench_stop(const struct attempt *a, const char *plan);
/* Repeats the attempt in children, asked to stop at step `first`, 2 `first`, 3 `first` ..., until one ends; gives the number of stops. */
int stage_bench_interrupt(const struct attempt *a, int first);

/* Fails the test with the message of the last attempt unless the status is TESS_OK, or `code` with these words in the message. */
void works(int status);
void refused(int status, int code, const char *words);

/* An artefact of the run `small`; and what is in one. */
struct tess_artefact *result(const char *workdir, const char *stage);
struct tess_tensor load(const struct tess_artefact *a, const char *name, int32_t dtype);
double metric(const struct tess_artefact *a, const char *name);
int64_t attr(const struct tess_artefact *a, const char *name);
void stage_bench_same(const char *one, const char *two, const char *stage); /* the digests of a stage in two workdirs */

#endif
