/* Sums of one block of floats over all ranks, again and again: along the tree that keeps their bits (core/ranks/ranks_sum.c), or by the
 * MPI library. bench/ranks/compare runs the two in turn.
 *
 * usage: mpirun -n N exchange tree|allreduce|allreduce-spans FLOATS ROUNDS
 *
 * `tree` and `allreduce-spans` sum spans of 1 MiB, as a training step hands them over; `allreduce` sums the block by one call. Rank 0
 * prints one JSON object: the seconds of each round, from a barrier to the end on the slowest rank. SPDX-License-Identifier: MIT */
#include "core/base/clock.h"
#include "core/host/runtime.h"
#include "core/ranks/ranks.h"

#include <mpi.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPAN_FLOATS = 1 << 18 };

struct block {
    int64_t floats, spans;
    float *data;
};

static int64_t span_floats(const struct block *b, int64_t i)
{
    int64_t left = b->floats - i * SPAN_FLOATS;
    return left < SPAN_FLOATS ? left : SPAN_FLOATS;
}

static int block_open(struct tess_context *ctx, const char *floats, struct block *out)
{
    void *memory;
    out->floats = atoll(floats);
    if (out->floats < 1)
        return ctx->fail(ctx, TESS_E_VALUE, "wanted a number of floats, found %s", floats);
    out->spans = (out->floats + SPAN_FLOATS - 1) / SPAN_FLOATS;
    TESS_TRY(tess_alloc(ctx, (size_t)out->floats * sizeof *out->data, "the block", &memory));
    out->data = memory;
    for (int64_t i = 0; i < out->floats; i++)
        out->data[i] = 1.0f;
    return TESS_OK;
}

static void print_round(int64_t round, const char *how, int ranks, const struct block *b, double seconds)
{
    if (round == 0)
        printf("{\"how\": \"%s\", \"ranks\": %d, \"floats\": %lld, \"seconds\": [", how, ranks, (long long)b->floats);
    printf("%s%.6f", round ? ", " : "", seconds);
}

/* ---- the tree ------------------------------------------------------------------------------------------------------ */

static int tree_round(struct tess_context *ctx, struct tessi_ranks *r, const struct block *b, struct tessi_ranks_sum *sum)
{
    for (int64_t i = 0; i < b->spans; i++) {
        float *at = b->data + i * SPAN_FLOATS;
        sum[i] = (struct tessi_ranks_sum){.job = {.run = tessi_ranks_sum_run},
                                          .microbatches = tessi_ranks_size(r),
                                          .floats = span_floats(b, i),
                                          .part = {at},
                                          .result = at,
                                          .scale = 1.0f};
        tessi_ranks_job_start(r, &sum[i].job, 1);
    }
    int rc = TESS_OK;
    for (int64_t i = 0; i < b->spans; i++) {
        int ended = tessi_ranks_job_wait(ctx, r, &sum[i].job);
        rc = rc == TESS_OK ? ended : rc;
    }
    return rc;
}

static int tree_rounds(struct tess_context *ctx, struct tessi_ranks *r, const struct block *b, int64_t rounds)
{
    void *sum;
    TESS_TRY(tess_alloc(ctx, (size_t)b->spans * sizeof(struct tessi_ranks_sum), "sums", &sum));
    int rc = TESS_OK;
    for (int64_t i = 0; i < rounds && rc == TESS_OK; i++) {
        rc = tessi_ranks_barrier(ctx, r, 0.0);
        double begin = tessi_base_seconds();
        rc = rc == TESS_OK ? tree_round(ctx, r, b, sum) : rc;
        rc = rc == TESS_OK ? tessi_ranks_barrier(ctx, r, 0.0) : rc;
        if (rc == TESS_OK && tessi_ranks_rank(r) == 0)
            print_round(i, "tree", tessi_ranks_size(r), b, tessi_base_seconds() - begin);
    }
    tess_free(sum);
    return rc;
}

static int tree(struct tess_context *ctx, struct tessi_runtime *runtime, struct block *b, const char *floats, int64_t rounds)
{
    TESS_TRY(tessi_host_runtime_join(ctx, runtime, "mpi", NULL));
    int rc = block_open(ctx, floats, b);
    rc = rc == TESS_OK ? tree_rounds(ctx, runtime->ranks, b, rounds) : rc;
    if (rc == TESS_OK && tessi_ranks_rank(runtime->ranks) == 0)
        puts("]}");
    tessi_ranks_close(runtime->ranks, rc);
    runtime->ranks = NULL;
    return rc;
}

/* ---- the library --------------------------------------------------------------------------------------------------- */

static int library(struct tess_context *ctx, struct block *b, const char *how, const char *floats, int64_t rounds)
{
    int rank, ranks, rc = TESS_OK, spans = strcmp(how, "allreduce-spans") == 0;
    if (MPI_Init(NULL, NULL) != MPI_SUCCESS)
        return ctx->fail(ctx, TESS_E_FAILED, "MPI cannot be initialised");
    (void)MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    (void)MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    rc = block_open(ctx, floats, b);
    for (int64_t i = 0; i < rounds && rc == TESS_OK; i++) {
        (void)MPI_Barrier(MPI_COMM_WORLD);
        double begin = tessi_base_seconds();
        if (!spans)
            (void)MPI_Allreduce(MPI_IN_PLACE, b->data, (int)b->floats, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
        for (int64_t k = 0; spans && k < b->spans; k++)
            (void)MPI_Allreduce(MPI_IN_PLACE, b->data + k * SPAN_FLOATS, (int)span_floats(b, k), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
        (void)MPI_Barrier(MPI_COMM_WORLD);
        if (rank == 0)
            print_round(i, how, ranks, b, tessi_base_seconds() - begin);
    }
    if (rc == TESS_OK && rank == 0)
        puts("]}");
    (void)MPI_Finalize();
    return rc;
}

static int is_way(const char *word)
{
    return strcmp(word, "tree") == 0 || strcmp(word, "allreduce") == 0 || strcmp(word, "allreduce-spans") == 0;
}

int main(int argc, char **argv)
{
    struct tessi_context c;
    struct tess_context *ctx = &c.context;
    struct tessi_runtime *runtime = NULL;
    struct block b = {0};
    if (argc != 4 || !is_way(argv[1]) || atoll(argv[3]) < 1) {
        (void)fputs("usage: mpirun -n N exchange tree|allreduce|allreduce-spans FLOATS ROUNDS\n", stderr);
        return 64;
    }
    tessi_base_context_init(&c, NULL);
    int rc = tessi_host_runtime_new(ctx, &(struct tessi_runtime_options){.threads = 1}, &runtime);
    if (rc == TESS_OK && strcmp(argv[1], "tree") == 0)
        rc = tree(ctx, runtime, &b, argv[2], atoll(argv[3]));
    else if (rc == TESS_OK)
        rc = library(ctx, &b, argv[1], argv[2], atoll(argv[3]));
    if (rc != TESS_OK)
        fprintf(stderr, "exchange: %s\n", c.message);
    tess_free(b.data);
    tessi_host_runtime_free(runtime);
    return rc == TESS_OK ? 0 : 1;
}
