/* Kind backend/1: products against plain loops. SPDX-License-Identifier: MIT */
#include "core/judge/judge_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BACKEND_ROOM = 96 * 96 };

struct backend_case {
    struct judge *j;
    const struct tess_backend_1 *ops;
    void *self;
    float a[BACKEND_ROOM], b[BACKEND_ROOM], c[BACKEND_ROOM], before[BACKEND_ROOM], bias[96];
};

static struct backend_case *backend_open(struct judge *j, struct tess_instance *i)
{
    struct backend_case *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->j = j;
    k->ops = tess_instance_ops(i, "backend/1");
    k->self = tess_instance_self(i);
    const struct tess_stream s = {.seed = j->seed};
    tess_random_normal(&s, 0, BACKEND_ROOM, k->a);
    tess_random_normal(&s, BACKEND_ROOM, BACKEND_ROOM, k->b);
    tess_random_normal(&s, 2 * BACKEND_ROOM, BACKEND_ROOM, k->before);
    tess_random_normal(&s, 3 * BACKEND_ROOM, 96, k->bias);
    return k;
}

/* Plans a kernel, packs where it wants that, runs it, drops it. JUDGE_UNFIT for an operation that the backend refuses to plan. */
static int backend_run(struct backend_case *k, const struct tess_kernel_desc *d)
{
    struct tess_kernel kernel = {.size = sizeof kernel};
    struct judge *j = k->j;
    int planned = k->ops->plan(k->self, j->ctx, d, &kernel);
    JUDGE_TRY(judge_status(j, j->ctx, "plan", planned));
    if (planned == TESS_E_VALUE) {
        tess_forget(j->ctx);
        return JUDGE_UNFIT;
    }
    JUDGE_TRY(judge_ok(j, j->ctx, "plan", planned));
    void *scratch = NULL, *packed = NULL;
    int status = judge_ok(j, j->ctx, "the test", tess_alloc(j->ctx, kernel.scratch_bytes + 64, "scratch", &scratch));
    if (status == TESS_OK && kernel.packed_bytes)
        status = judge_ok(j, j->ctx, "the test", tess_alloc(j->ctx, kernel.packed_bytes, "packed", &packed));
    if (status == TESS_OK && packed)
        status = judge_ok(j, j->ctx, "pack", k->ops->pack(k->self, &kernel, k->b, packed));
    memcpy(k->c, k->before, sizeof k->c);
    const struct tess_kernel_run r = {.size = sizeof r,
                                      .a = k->a,
                                      .b = packed ? packed : k->b,
                                      .bias = d->bias ? k->bias : NULL,
                                      .c = k->c,
                                      .scratch = scratch,
                                      .context = j->ctx};
    if (status == TESS_OK)
        status = judge_ok(j, j->ctx, "run", k->ops->run(k->self, &kernel, &r));
    k->ops->drop(k->self, &kernel);
    tess_free(packed);
    tess_free(scratch);
    return status;
}

static double backend_gemm_at(const struct backend_case *k, const struct tess_kernel_desc *d, int64_t row, int64_t column)
{
    double sum = 0.0;
    for (int64_t i = 0; i < d->k; i++) {
        double x = (double)(d->transpose_a ? k->a[i * d->lda + row] : k->a[row * d->lda + i]);
        double y = (double)(d->transpose_b ? k->b[column * d->ldb + i] : k->b[i * d->ldb + column]);
        sum += x * y;
    }
    sum *= (double)d->alpha;
    if (d->beta != 0.0f)
        sum += (double)d->beta * (double)k->before[row * d->ldc + column];
    return sum + (d->bias ? (double)k->bias[column] : 0.0);
}

static int backend_gemm_case(struct backend_case *k, int64_t n)
{
    const int64_t size[5] = {1, 3, 8, 17, 33};
    struct tess_kernel_desc d = {.size = sizeof d,
                                 .what = TESS_GEMM,
                                 .dtype_a = TESS_F32,
                                 .dtype_b = TESS_F32,
                                 .dtype_c = TESS_F32,
                                 .outer = 1,
                                 .inner = 1,
                                 .alpha = 1.0f};
    d.m = size[judge_draw_below(k->j, "m", n, 0, 5)];
    d.n = size[judge_draw_below(k->j, "n", n, 0, 5)];
    d.k = size[judge_draw_below(k->j, "k", n, 0, 5)];
    d.transpose_a = (int32_t)judge_draw_below(k->j, "ta", n, 0, 2);
    d.transpose_b = (int32_t)judge_draw_below(k->j, "tb", n, 0, 2);
    d.bias = (int32_t)judge_draw_below(k->j, "bias", n, 0, 2);
    d.weight_b = (int32_t)judge_draw_below(k->j, "weight", n, 0, 2);
    d.alpha = d.bias ? 1.0f : 0.5f;
    d.beta = d.bias || d.weight_b ? 0.0f : 1.0f;
    d.lda = (d.transpose_a ? d.m : d.k) + judge_draw_below(k->j, "lda", n, 0, 3);
    d.ldb = (d.transpose_b ? d.k : d.n) + (d.weight_b ? 0 : judge_draw_below(k->j, "ldb", n, 0, 3));
    d.ldc = d.n + judge_draw_below(k->j, "ldc", n, 0, 3);
    JUDGE_TRY(backend_run(k, &d));
    for (int64_t row = 0; row < d.m; row++)
        for (int64_t column = 0; column < d.ldc; column++) {
            double got = (double)k->c[row * d.ldc + column];
            double want = column < d.n ? backend_gemm_at(k, &d, row, column) : (double)k->before[row * d.ldc + column];
            if (row == d.m - 1 && column >= d.n)
                continue;
            if (!(fabs(got - want) <= 2e-5 * (double)(d.k + 4) && (column < d.n || got == want)))
                return judge_fail(k->j, "a product of %lld x %lld and %lld x %lld%s%s: wanted %.7g at %lld, %lld, found %.7g",
                                  (long long)d.m, (long long)d.k, (long long)d.k, (long long)d.n,
                                  d.transpose_a ? ", the first transposed" : "", d.transpose_b ? ", the second transposed" : "", want,
                                  (long long)row, (long long)column, got);
        }
    return TESS_OK;
}

static int backend_gemm_body(struct judge *j, struct tess_instance *i)
{
    struct backend_case *k = backend_open(j, i);
    int status = k ? TESS_OK : judge_fail(j, "no memory for the test"), fits = 0;
    for (int64_t n = 0; status == TESS_OK && n < 40 * (int64_t)j->level; n++) {
        status = backend_gemm_case(k, n);
        fits += status == TESS_OK;
        status = status == JUDGE_UNFIT ? TESS_OK : status;
    }
    free(k);
    return status == TESS_OK && !fits ? judge_fail(j, "wanted products of f32, found that it can do none") : status;
}

static int backend_gemm(struct judge *j)
{
    return judge_over(j, 1, backend_gemm_body);
}

static double backend_conv_at(const struct backend_case *k, const struct tess_kernel_desc *d, int64_t image, int64_t y, int64_t x,
                              int64_t co)
{
    double sum = d->bias ? (double)k->bias[co] : 0.0;
    for (int64_t ky = 0; ky < d->kh; ky++)
        for (int64_t kx = 0; kx < d->kw; kx++) {
            int64_t row = y * d->stride - d->top + ky, column = x * d->stride - d->left + kx;
            if (row < 0 || row >= d->h || column < 0 || column >= d->w)
                continue;
            for (int64_t ci = 0; ci < d->ci; ci++)
                sum += (double)k->a[((image * d->h + row) * d->w + column) * d->ci + ci] *
                       (double)k->b[((co * d->kh + ky) * d->kw + kx) * d->ci + ci];
        }
    return sum;
}

static int backend_conv_case(struct backend_case *k, int64_t n)
{
    struct tess_kernel_desc d = {
        .size = sizeof d, .what = TESS_CONV, .dtype_a = TESS_F32, .dtype_b = TESS_F32, .dtype_c = TESS_F32, .weight_b = 1, .alpha = 1.0f};
    d.bias = (int32_t)judge_draw_below(k->j, "bias", n, 0, 2);
    d.images = 1 + judge_draw_below(k->j, "images", n, 0, 2);
    d.h = 4 + judge_draw_below(k->j, "h", n, 0, 5);
    d.w = 4 + judge_draw_below(k->j, "w", n, 0, 5);
    d.ci = 1 + judge_draw_below(k->j, "ci", n, 0, 9);
    d.co = 1 + judge_draw_below(k->j, "co", n, 0, 9);
    d.kh = d.kw = 1 + judge_draw_below(k->j, "kernel", n, 0, 4);
    d.stride = 1 + (int32_t)judge_draw_below(k->j, "stride", n, 0, 2);
    d.top = d.left = (int32_t)judge_draw_below(k->j, "pad", n, 0, 2);
    d.ho = (d.h + 2 * d.top - d.kh) / d.stride + 1;
    d.wo = (d.w + 2 * d.left - d.kw) / d.stride + 1;
    JUDGE_TRY(backend_run(k, &d));
    for (int64_t at = 0; at < d.images * d.ho * d.wo * d.co; at++) {
        int64_t co = at % d.co, x = at / d.co % d.wo, y = at / d.co / d.wo % d.ho, image = at / d.co / d.wo / d.ho;
        double want = backend_conv_at(k, &d, image, y, x, co), got = (double)k->c[at];
        if (!(fabs(got - want) <= 2e-5 * (double)(d.kh * d.kw * d.ci + 4)))
            return judge_fail(k->j, "a convolution of %lld x %lld x %lld by %lld x %lld: wanted %.7g at %lld, %lld, %lld, found %.7g",
                              (long long)d.h, (long long)d.w, (long long)d.ci, (long long)d.kh, (long long)d.kw, want, (long long)y,
                              (long long)x, (long long)co, got);
    }
    return TESS_OK;
}

static int backend_conv_body(struct judge *j, struct tess_instance *i)
{
    struct backend_case *k = backend_open(j, i);
    int status = k ? TESS_OK : judge_fail(j, "no memory for the test"), fits = 0;
    for (int64_t n = 0; status == TESS_OK && n < 40 * (int64_t)j->level; n++) {
        status = backend_conv_case(k, n);
        fits += status == TESS_OK;
        status = status == JUDGE_UNFIT ? TESS_OK : status;
    }
    free(k);
    return status == TESS_OK && !fits ? judge_skip(j, "it has no convolutions") : status;
}

static int backend_conv(struct judge *j)
{
    return judge_over(j, 1, backend_conv_body);
}

static int backend_class_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_backend_1 *ops = tess_instance_ops(i, "backend/1");
    const char *text = ops->numeric_class(tess_instance_self(i));
    if (!text || !*text)
        return judge_fail(j, "numeric_class: wanted library, version and kernels for cache keys, found none");
    char first[256];
    snprintf(first, sizeof first, "%s", text);
    text = ops->numeric_class(tess_instance_self(i));
    return strncmp(first, text, sizeof first - 1) == 0 ? TESS_OK : judge_fail(j, "numeric_class: wanted the same when asked again");
}

static int backend_class(struct judge *j)
{
    return judge_over(j, 1, backend_class_body);
}

static int backend_repeats_body(struct judge *j, struct tess_instance *i)
{
    struct backend_case *a = backend_open(j, i), *b = backend_open(j, i);
    int status = a && b ? TESS_OK : judge_fail(j, "no memory for the test");
    for (int64_t n = 0; status == TESS_OK && n < 10; n++) {
        int first = backend_gemm_case(a, n), again = backend_gemm_case(b, n);
        if (first == TESS_OK && again == TESS_OK && memcmp(a->c, b->c, sizeof a->c) != 0)
            status = judge_fail(j, "wanted the same bytes of the same product, found others");
    }
    free(a);
    free(b);
    return status;
}

static int backend_repeats(struct judge *j)
{
    return judge_over(j, 1, backend_repeats_body);
}

static const struct judge_test tests[] = {
    {"numeric-class", 1, "library and kernels have a name, and the same when asked again", backend_class},
    {"products", 1, "products of f32 agree with plain loops, and write nothing beside", backend_gemm},
    {"convolutions", 1, "convolutions of f32 agree with plain loops", backend_conv},
    {"product-repeats", 1, "the same product gives the same bytes", backend_repeats},
    {NULL, 0, NULL, NULL}};

const struct judge_kind judge_backend = {"backend/1", tests, NULL};
