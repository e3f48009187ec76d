/* The process's runtime, behind the struct tess_host of this program. SPDX-License-Identifier: MIT */
#ifndef TESSI_RUNTIME_H
#define TESSI_RUNTIME_H

#include <tessera/kind/backend.h>
#include "core/base/context.h"
#include "core/base/host.h"
#include "core/base/log.h"
#include "core/base/workers.h"
#include "core/host/file_digests.h"
#include "core/plug/registry.h"

struct tessi_ranks_joining;

struct tessi_runtime_options {
    const char *plugin_path; /* extra folders, may be NULL */
    const char *backend;     /* NULL: the preferred one */
    const char *precision;   /* NULL: f32 */
    int threads;             /* 0: all processors */
    int level, colour;       /* verbosity of the log, and colours in it */
    FILE *terminal;          /* NULL: quiet */
    double trial_seconds;    /* time limit for loading a user's plugin file for the first time, in seconds; 0: the default */
};

/* Creates the runtime with its registry and log; workers and backend are created on first need (tessi_host_runtime_compute), so that
 * `plugins` works without a backend. From here on `ctx` is a context of this host. */
int tessi_host_runtime_new(struct tess_context *ctx, const struct tessi_runtime_options *o, struct tessi_runtime **out) TESS_CHECKED;
/* Sets the backend that a pipeline asks for, before computing. Without effect when the options named one, or an earlier call did. */
int tessi_host_runtime_choose_backend(struct tess_context *ctx, struct tessi_runtime *r, const char *name) TESS_CHECKED;
/* Sets the precision that a pipeline asks for, likewise: "f32", "bf16" or "auto", bf16 where the processor multiplies it by itself.
 * TESS_E_VALUE for another word. */
int tessi_host_runtime_choose_precision(struct tess_context *ctx, struct tessi_runtime *r, const char *name) TESS_CHECKED;
int tessi_host_runtime_compute(struct tess_context *ctx, struct tessi_runtime *r) TESS_CHECKED;
/* Reserves the memory that the backend needs before its first run; once. After tessi_host_runtime_compute. [one thread] */
int tessi_host_runtime_reserve(struct tess_context *ctx, struct tessi_runtime *r) TESS_CHECKED;
/* 1, or 2 for whole tiles, where the backend says that it multiplies operands of `dtype` faster than f32; else 0. After
 * tessi_host_runtime_compute. */
int tessi_host_runtime_multiplies(const struct tessi_runtime *r, int32_t dtype);
/* Joins the other processes that run the same pipeline, over a component of kind transport/1: a name or {use: ...} as a pipeline writes it.
 * Before anything is computed. `joining` (core/ranks/ranks.h) may be NULL. */
int tessi_host_runtime_join(struct tess_context *ctx, struct tessi_runtime *r, const char *transport,
                            const struct tessi_ranks_joining *joining) TESS_CHECKED;
void tessi_host_runtime_free(struct tessi_runtime *r);

#endif
