/* The host record: what the host of a context is in this program. It holds pointers alone, to things of rooms above, which core/host fills;
 * so a room below the registry, the backend or the log's users can reach the one it was given without knowing how it was made.
 * SPDX-License-Identifier: MIT */
#ifndef TESSI_HOST_H
#define TESSI_HOST_H

#include <tessera/base.h>

struct tessi_registry;
struct tessi_log;
struct tessi_workers;
struct tessi_file_digests;
struct tessi_witness;
struct tess_instance;
struct tess_backend_1;
struct tess_graph;
struct tessi_ranks;

struct tessi_runtime {
    struct tess_host host; /* first: ctx->host of this program is a struct tessi_runtime * */
    struct tessi_registry *registry;
    struct tessi_log *log;
    struct tessi_workers *workers;
    struct tess_instance *backend;
    const struct tess_backend_1 *backend_ops; /* functions of the backend */
    void *backend_self;
    struct tess_instance *transport; /* connects this process with the others that run the same pipeline; NULL: it is alone */
    struct tessi_ranks *ranks;       /* those processes; NULL: it is alone */
    int reserved;           /* 1: the backend has reserved its memory */
    struct tessi_file_digests *files; /* table of remembered digests; NULL: none are remembered */
    struct tessi_witness *witness;    /* record of the files being digested; NULL: nobody asks */
    struct tessi_witness *expected;   /* the files that the stage at work was planned with */
    void (*graph_sealed)(void *user, const struct tess_graph *g); /* called with each graph that is sealed; NULL: nobody asks */
    void *graph_user;
    int threads;            /* number of threads asked for; 0: all processors */
    int32_t precision;      /* dtype of operands in products with weights: TESS_F32 or TESS_BF16; set by tessi_host_runtime_compute */
    char precision_name[8]; /* precision asked for: "f32", "bf16", "auto"; "": f32 */
    char backend_name[64];  /* backend asked for; "": the preferred one */
    char numeric_mode[256]; /* "f32, openblas 0.3.21 Zen, kernels avx2": part of every cache key */
};

/* The services that the host offers to plugins: struct tess_host.service of this program, by which its hosts are known. */
const void *tessi_base_host_service(const struct tess_host *h, const char *id);
/* The runtime behind a context; NULL for a context of another host, or of none. */
struct tessi_runtime *tessi_base_runtime_of(const struct tess_context *ctx);
/* The runtime behind a context, where one is required: TESS_E_INTERNAL where there is none. */
int tessi_base_runtime_need(struct tess_context *ctx, struct tessi_runtime **out) TESS_CHECKED;

#endif
