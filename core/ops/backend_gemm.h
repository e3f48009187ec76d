/* Planned backend kernels (products, convolutions): the graph operations' only access to the backend. SPDX-License-Identifier: MIT */
#ifndef TESSI_BACKEND_GEMM_H
#define TESSI_BACKEND_GEMM_H

#include "core/graph/node.h"

struct tessi_backend_gemm {
    struct tess_graph *graph; /* NULL: not planned */
    struct tess_kernel kernel;
    int64_t pack;             /* in the graph's list of packed weights; -1: b is packed for each run, or never */
    int64_t round_a, round_b; /* values of an operand that is rounded to bf16 for each run; 0: taken as it is */
};

/* Plans `d`, whose dtypes say how operands and result are stored; `operands` says what is multiplied: where that is bf16 and an operand
 * is f32, which then must be dense, it is rounded first. `b` (may be NULL) is the node of operand b: when it is a weight, that and a
 * layout the backend asks for are made once per optimiser step; when it is not, for each run. `scratch` is raised to what a run needs. */
int tessi_ops_backend_gemm_plan(struct tess_context *ctx, struct tess_graph *g, const struct tess_kernel_desc *d, int32_t operands,
                                const struct tess_node *b, struct tessi_backend_gemm *out, size_t *scratch) TESS_CHECKED;
void tessi_ops_backend_gemm_drop(struct tessi_backend_gemm *k);
/* Runs it in the operation's scratch; `offset` bytes of that are the caller's own. */
int tessi_ops_backend_gemm_run(const struct tess_op_run *r, const struct tessi_backend_gemm *k, size_t offset, const void *a, const void *b,
                    const float *bias, void *result) TESS_CHECKED;
/* Room in g->packed, from `offset` on, for what `make` makes of a weight once an optimiser step. */
int tessi_ops_backend_gemm_keep(struct tess_context *ctx, struct tess_graph *g, const struct tess_node *weight, size_t bytes,
                     int (*make)(const void *self, const float *weight, char *to), const void *self, size_t *offset) TESS_CHECKED;
/* The dtype that products of weights are computed in: TESS_F32, or TESS_BF16 where the run's precision says so. */
int32_t tessi_ops_operands(const struct tess_graph *g);
/* A plain product of one matrix pair, stored as f32; leading dimensions are those of the stored matrices. */
struct tess_kernel_desc tessi_ops_gemm(int64_t m, int64_t n, int64_t k, int transpose_a, int64_t lda, int transpose_b, int64_t ldb,
                                       int64_t ldc);

#endif
