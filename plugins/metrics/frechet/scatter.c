/* Factors of a scatter instead of the scatter: what is small in a covariance is the square of what is small in its factor, so half of the
 * digits are not lost where the vectors span fewer dimensions than they have. SPDX-License-Identifier: MIT */
#include "plugins/metrics/frechet/scatter.h"

#include <math.h>
#include <string.h>

/* LAPACK prototypes, with Fortran's names and arguments; matrices are column-major. */
void dgeqrf_(const int *m, const int *n, double *a, const int *lda, double *tau, double *work, const int *lwork, int *info);
void dgesdd_(const char *job, const int *m, const int *n, double *a, const int *lda, double *s, double *u, const int *ldu, double *vt,
             const int *ldvt, double *work, const int *lwork, int *iwork, int *info, size_t job_length);
void dgemm_(const char *transpose_a, const char *transpose_b, const int *m, const int *n, const int *k, const double *alpha,
            const double *a, const int *lda, const double *b, const int *ldb, const double *beta, double *c, const int *ldc,
            size_t length_a, size_t length_b);

int scatter_open(struct tess_context *ctx, int64_t features, struct scatter *s)
{
    void *mean;
    TESS_TRY(tess_alloc(ctx, (size_t)features * sizeof(double), "a mean", &mean));
    *s = (struct scatter){.features = features, .mean = mean};
    return TESS_OK;
}

void scatter_close(struct scatter *s)
{
    tess_free(s->mean);
    tess_free(s->factor);
    *s = (struct scatter){.features = 0};
}

static int scatter_grow(struct tess_context *ctx, struct scatter *s, int64_t height)
{
    return tess_reserve(ctx, &s->factor, &s->capacity, height, (size_t)s->features * sizeof(double), "factors of a covariance");
}

/* Mean of the vectors; gives how many there are, each as often as it is counted. */
static int64_t scatter_mean(struct scatter *s, const float *vector, int64_t rows, const uint16_t *times)
{
    int64_t d = s->features, all = 0;
    for (int64_t i = 0; i < rows; i++) {
        double weight = times ? (double)times[i] : 1.0;
        all += times ? times[i] : 1;
        for (int64_t k = 0; weight > 0.0 && k < d; k++)
            s->mean[k] += weight * (double)vector[i * d + k];
    }
    for (int64_t k = 0; all && k < d; k++)
        s->mean[k] /= (double)all;
    return all;
}

int scatter_begin(struct tess_context *ctx, struct scatter *s, const float *vector, int64_t rows, const uint16_t *times)
{
    int64_t d = s->features;
    TESS_TRY(scatter_grow(ctx, s, rows));
    s->rows = scatter_mean(s, vector, rows, times);
    s->height = 0;
    for (int64_t i = 0; i < rows; i++) {
        double weight = times ? sqrt((double)times[i]) : 1.0, *row = s->factor + s->height * d;
        if (times && !times[i])
            continue;
        for (int64_t k = 0; k < d; k++)
            row[k] = weight * ((double)vector[i * d + k] - s->mean[k]);
        s->height++;
    }
    return TESS_OK;
}

int scatter_merge(struct tess_context *ctx, struct scatter *s, const struct scatter *next)
{
    int64_t d = s->features, rows = s->rows + next->rows;
    double apart = rows ? sqrt((double)s->rows / (double)rows * (double)next->rows) : 0.0,
           share = rows ? (double)next->rows / (double)rows : 0.0;
    if (!next->rows)
        return TESS_OK;
    TESS_TRY(scatter_grow(ctx, s, s->height + next->height + 1));
    double *row = s->factor + s->height * d;
    memcpy(row, next->factor, (size_t)(next->height * d) * sizeof(double));
    row += next->height * d;
    for (int64_t k = 0; k < d; k++) {
        double gap = next->mean[k] - s->mean[k];
        row[k] = apart * gap;
        s->mean[k] += share * gap;
    }
    s->height += next->height + 1;
    s->rows = rows;
    return s->height > 2 * d ? scatter_reduce(ctx, s) : TESS_OK;
}

/* Transposes a row-major F, which LAPACK would read column-major, as F^T. */
static void transpose(const double *from, int64_t rows, int64_t columns, double *to)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < columns; k++)
            to[k * rows + i] = from[i * columns + k];
}

static void keep_upper(struct scatter *s, const double *a, int64_t rows)
{
    int64_t d = s->features;
    for (int64_t i = 0; i < d; i++)
        for (int64_t k = 0; k < d; k++)
            s->factor[i * d + k] = k >= i ? a[k * rows + i] : 0.0;
    s->height = d;
}

int scatter_reduce(struct tess_context *ctx, struct scatter *s)
{
    int64_t d = s->features, rows = s->height;
    int m = (int)rows, n = (int)d, info = 0, space = 64 * n;
    void *memory;
    if (rows <= d)
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, (size_t)(rows * d + d + space) * sizeof(double), "a factorisation", &memory));
    double *a = memory, *tau = a + rows * d, *work = tau + d;
    transpose(s->factor, rows, d, a);
    dgeqrf_(&m, &n, a, &m, tau, work, &space, &info);
    if (info == 0)
        keep_upper(s, a, rows);
    tess_free(memory);
    return info == 0 ? TESS_OK : ctx->fail(ctx, TESS_E_FAILED, "a covariance could not be factorised (LAPACK's dgeqrf: %d)", info);
}

/* Singular values of a column-major (rows, columns) matrix, which is overwritten. */
static int singular_values(struct tess_context *ctx, double *a, int64_t rows, int64_t columns, double *value)
{
    int m = (int)rows, n = (int)columns, one = 1, info = 0, space = -1;
    double need = 0.0;
    void *memory, *indices;
    int64_t fewest = rows < columns ? rows : columns;
    TESS_TRY(tess_alloc(ctx, (size_t)(8 * fewest) * sizeof(int), "a decomposition", &indices));
    dgesdd_("N", &m, &n, a, &m, value, NULL, &one, NULL, &one, &need, &space, indices, &info, 1);
    space = (int)need;
    int status = info ? TESS_OK : tess_alloc(ctx, (size_t)space * sizeof(double), "a decomposition", &memory);
    if (status == TESS_OK && info == 0) {
        dgesdd_("N", &m, &n, a, &m, value, NULL, &one, NULL, &one, memory, &space, indices, &info, 1);
        tess_free(memory);
    }
    tess_free(indices);
    if (status == TESS_OK && info)
        status = ctx->fail(ctx, TESS_E_FAILED, "singular values did not converge (LAPACK's dgesdd: %d)", info);
    return status;
}

int scatter_nuclear(struct tess_context *ctx, const struct scatter *a, const struct scatter *b, double *sum)
{
    int64_t d = a->features, fewest = a->height < b->height ? a->height : b->height;
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(a->height * b->height + fewest) * sizeof(double), "a product of factors", &memory));
    double *product = memory, *value = product + a->height * b->height;
    /* column-major (height of a, height of b): factors read so are F^T */
    const int m = (int)a->height, n = (int)b->height, inner = (int)d;
    const double one = 1.0, zero = 0.0;
    dgemm_("T", "N", &m, &n, &inner, &one, a->factor, &inner, b->factor, &inner, &zero, product, &m, 1, 1);
    int status = singular_values(ctx, product, a->height, b->height, value);
    *sum = 0.0;
    for (int64_t i = 0; i < fewest; i++)
        *sum += value[i];
    tess_free(memory);
    return status;
}

double scatter_trace(const struct scatter *s)
{
    double sum = 0.0;
    for (int64_t i = 0; i < s->height * s->features; i++)
        sum += s->factor[i] * s->factor[i];
    return sum;
}
