/* Covariances by products of blocks, and the root's trace from eigenvalues: with a Cholesky factor C = U^T U the eigenvalues of C C' are
 * those of the symmetric U C' U^T, and the trace of the root is the sum of their roots. The blocks take D^2 operations a vector where an
 * orthogonal factor takes some eight times as many, and vectors that a resample has not take none. SPDX-License-Identifier: MIT */
#include "plugins/metrics/frechet/moments.h"

#include <math.h>
#include <string.h>

enum { MOMENTS_BLOCK = 512 }; /* vectors a product */

/* BLAS and LAPACK prototypes, with Fortran's names and arguments; matrices are column-major. */
void dsyrk_(const char *half, const char *transpose, const int *n, const int *k, const double *alpha, const double *a, const int *lda,
            const double *beta, double *c, const int *ldc, size_t length_half, size_t length_transpose);
void dtrmm_(const char *side, const char *half, const char *transpose, const char *diagonal, const int *m, const int *n,
            const double *alpha, const double *a, const int *lda, double *b, const int *ldb, size_t length_side, size_t length_half,
            size_t length_transpose, size_t length_diagonal);
void dpotrf_(const char *half, const int *n, double *a, const int *lda, int *info, size_t length_half);
void dsyevd_(const char *job, const char *half, const int *n, double *a, const int *lda, double *value, double *work, const int *lwork,
             int *iwork, const int *liwork, int *info, size_t length_job, size_t length_half);

void moments_close(struct moments *m)
{
    tess_free(m->mean);
    *m = (struct moments){.features = 0};
}

/* Writes vectors from *at on into a block, about `about` and times the root of their counts, passing over those that are not counted; adds
 * them to the sum. Gives the number written, and *at behind the last that was looked at. */
static int64_t moments_block(const struct moments *m, const float *vector, int64_t count, const uint16_t *times, const double *about,
                             int64_t *at, double *block)
{
    const int64_t d = m->features;
    int64_t n = 0;
    for (; *at < count && n < MOMENTS_BLOCK; ++*at) {
        const double weight = (double)times[*at], root = sqrt(weight);
        if (!times[*at])
            continue;
        for (int64_t k = 0; k < d; k++) {
            double x = (double)vector[*at * d + k] - about[k];
            m->mean[k] += weight * x;
            block[n * d + k] = root * x;
        }
        n++;
    }
    return n;
}

/* Moves the sums about `about` to the mean. */
static void moments_centre(struct moments *m, const double *about)
{
    const int64_t d = m->features;
    for (int64_t k = 0; k < d; k++)
        m->mean[k] /= (double)m->rows;
    for (int64_t i = 0; i < d; i++)
        for (int64_t k = 0; k <= i; k++) /* column-major: the upper triangle */
            m->scatter[i * d + k] -= (double)m->rows * m->mean[i] * m->mean[k];
    for (int64_t k = 0; k < d; k++)
        m->mean[k] += about[k];
}

int moments_open(struct tess_context *ctx, int64_t features, const float *vector, int64_t count, const uint16_t *times, const double *about,
                 struct moments *out)
{
    const size_t d = (size_t)features;
    const double one = 1.0;
    const int n = (int)features;
    void *memory, *block;
    *out = (struct moments){.features = features};
    TESS_TRY(tess_alloc(ctx, (d + d * d) * sizeof(double), "a covariance", &memory));
    memset(memory, 0, (d + d * d) * sizeof(double));
    out->mean = memory;
    out->scatter = out->mean + d;
    TESS_TRY(tess_alloc(ctx, MOMENTS_BLOCK * d * sizeof(double), "a block of vectors", &block));
    for (int64_t at = 0; at < count;) {
        const int rows = (int)moments_block(out, vector, count, times, about, &at, block);
        dsyrk_("U", "N", &n, &rows, &one, block, &n, &one, out->scatter, &n, 1, 1);
    }
    tess_free(block);
    for (int64_t i = 0; i < count; i++)
        out->rows += times[i];
    if (out->rows)
        moments_centre(out, about);
    return TESS_OK;
}

double moments_trace(const struct moments *m)
{
    double sum = 0.0;
    for (int64_t i = 0; i < m->features; i++)
        sum += m->scatter[i * (m->features + 1)];
    return sum;
}

/* Sum of the roots of the eigenvalues of a symmetric matrix, which is overwritten; those below zero are roundings of zero. */
static int moments_eigenvalues(struct tess_context *ctx, double *a, int64_t features, double *value, double *sum)
{
    const int n = (int)features;
    int info = 0, space = -1, places = -1, wanted = 0;
    double need = 0.0;
    void *memory;
    dsyevd_("N", "U", &n, a, &n, value, &need, &space, &wanted, &places, &info, 1, 1);
    if (info)
        return ctx->fail(ctx, TESS_E_FAILED, "eigenvalues were refused (LAPACK's dsyevd: %d)", info);
    space = (int)need;
    places = wanted;
    TESS_TRY(tess_alloc(ctx, (size_t)space * sizeof(double) + (size_t)places * sizeof(int), "eigenvalues", &memory));
    dsyevd_("N", "U", &n, a, &n, value, memory, &space, (int *)((double *)memory + space), &places, &info, 1, 1);
    tess_free(memory);
    if (info)
        return ctx->fail(ctx, TESS_E_FAILED, "eigenvalues did not converge (LAPACK's dsyevd: %d)", info);
    *sum = 0.0;
    for (int64_t i = 0; i < features; i++)
        *sum += value[i] > 0.0 ? sqrt(value[i]) : 0.0;
    return TESS_OK;
}

int moments_root(struct tess_context *ctx, struct moments *a, const struct moments *b, double *sum, int *defined)
{
    const int64_t d = a->features;
    const int n = (int)d;
    const double one = 1.0;
    int info = 0;
    void *memory;
    dpotrf_("U", &n, a->scatter, &n, &info, 1);
    *defined = info == 0;
    if (info)
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, (size_t)(d * d + d) * sizeof(double), "a product of covariances", &memory));
    double *product = memory;
    for (int64_t i = 0; i < d; i++)
        for (int64_t k = 0; k < d; k++) /* the product has two triangles, the scatter one */
            product[i * d + k] = k <= i ? b->scatter[i * d + k] : b->scatter[k * d + i];
    dtrmm_("L", "U", "N", "N", &n, &n, &one, a->scatter, &n, product, &n, 1, 1, 1, 1);
    dtrmm_("R", "U", "T", "N", &n, &n, &one, a->scatter, &n, product, &n, 1, 1, 1, 1);
    int status = moments_eigenvalues(ctx, product, d, product + d * d, sum);
    tess_free(memory);
    return status;
}
