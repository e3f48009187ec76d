/* Every backend that was built, against loops that spell out what the kinds of kernels mean, in double; and what any backend promises: its
 * own scratch and no more, no value left over from before, the same bits in any batch and on any thread.
 *
 * SPDX-License-Identifier: MIT */
#include "core/plug/registry.h"
#include "tests/support/graphs.h"
#include "tests/support/suite.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 64 };
static const float left_over = -12345.5f; /* fill of memory that must not be written */

static struct fixture fixture;
static struct tess_instance *instance;
static const struct tess_backend_1 *ops;
static char backend[64];            /* the name of the one under test */
static int32_t operands = TESS_F32; /* dtype of the operands */
static void *self;

static void setup(void)
{
    fixture_open(&fixture, 1, 1, 1, 0);
    fixture_ok(&fixture, tess_instance_open(&fixture.context.context, "backend/1", backend, "test", &instance));
    ops = tess_instance_ops(instance, "backend/1");
    self = tess_instance_self(instance);
}

static void teardown(void)
{
    tess_instance_close(instance);
    fixture_close(&fixture);
}

/* Random values; for bf16 operands, values that bf16 holds exactly: multiples of 1/32 up to 4. */
static float *draw(const char *purpose, int64_t n)
{
    struct tess_stream s = {.seed = 4, .purpose = tess_purpose(purpose)};
    float *x = malloc((size_t)n * sizeof *x);
    tess_random_normal(&s, 0, n, x);
    for (int64_t i = 0; i < n && operands == TESS_BF16; i++)
        x[i] = fmaxf(-4.0f, fminf(4.0f, nearbyintf(32.0f * x[i]) / 32.0f));
    return x;
}

/* An operand as the backend takes it; the caller frees it. */
static void *stored(const float *x, int64_t n)
{
    void *memory = malloc((size_t)n * sizeof *x);
    uint16_t *narrow = memory;
    if (operands == TESS_F32)
        return memcpy(memory, x, (size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        ck_assert_int_eq(bits & 0xffff, 0);
        narrow[i] = (uint16_t)(bits >> 16);
    }
    return memory;
}

static void count_values(const struct tess_kernel_desc *d, int64_t *a, int64_t *b)
{
    int64_t x = d->images * d->h * d->w * d->ci, y = d->images * d->ho * d->wo * d->co, w = d->co * d->kh * d->kw * d->ci;
    int64_t matrices = d->outer * d->inner;
    *a = d->what == TESS_GEMM ? (d->transpose_a ? d->k : d->m) * d->lda * matrices : d->what == TESS_CONV_DATA ? y : x;
    *b = d->what == TESS_GEMM ? (d->transpose_b ? d->n : d->k) * d->ldb * matrices : d->what == TESS_CONV_WEIGHT ? y : w;
}

static float *filled(int64_t n, float value)
{
    float *x = malloc((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = value;
    return x;
}

static void near(const char *what, const float *got, const double *want, int64_t n)
{
    double largest = 0.0;
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(want[i]));
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(fabs((double)got[i] - want[i]) <= 1e-5 * largest, "%s: value %lld is %g, not %g", what, (long long)i, (double)got[i],
                      want[i]);
}

/* ---- a kernel at work ---------------------------------------------------------------------------------------------- */

struct work {
    struct tess_kernel kernel;
    void *packed;
    int64_t values_a, values_b, values_c; /* values_c: of a convolution's result; 0: a product's, whose rows may lie apart */
};

static void plan(struct work *w, const struct tess_kernel_desc *d, const float *b)
{
    w->packed = NULL;
    w->kernel = (struct tess_kernel){.size = sizeof w->kernel};
    count_values(d, &w->values_a, &w->values_b);
    w->values_c = d->what == TESS_CONV          ? d->images * d->ho * d->wo * d->co
                  : d->what == TESS_CONV_DATA   ? d->images * d->h * d->w * d->ci
                  : d->what == TESS_CONV_WEIGHT ? d->co * d->kh * d->kw * d->ci
                                                : 0;
    fixture_ok(&fixture, ops->plan(self, &fixture.context.context, d, &w->kernel));
    if (!w->kernel.packed_bytes)
        return;
    unsigned char *packed = malloc(w->kernel.packed_bytes + GUARD);
    memset(packed, 0xa5, w->kernel.packed_bytes + GUARD);
    void *weights = stored(b, w->values_b);
    ck_assert_int_eq(ops->pack(self, &w->kernel, weights, packed), TESS_OK);
    free(weights);
    for (size_t i = 0; i < GUARD; i++)
        ck_assert_int_eq(packed[w->kernel.packed_bytes + i], 0xa5);
    w->packed = packed;
}

static void drop(struct work *w)
{
    ops->drop(self, &w->kernel);
    free(w->packed);
}

/* Runs with exactly the scratch that was asked for, full of what no sum survives. */
static void run(const struct work *w, const float *a, const float *b, const float *bias, float *c)
{
    struct tessi_context context;
    size_t capacity = (w->kernel.scratch_bytes + GUARD + 127) / 64 * 64;
    unsigned char *scratch = aligned_alloc(64, capacity);
    memset(scratch, 0xff, capacity);
    tessi_base_context_init(&context, fixture.context.context.host);
    void *left = stored(a, w->values_a), *right = w->packed ? w->packed : stored(b, w->values_b);
    float *result = w->values_c ? filled(w->values_c + 2 * GUARD, left_over) : c;
    struct tess_kernel_run r = {.size = sizeof r,
                                .a = left,
                                .b = right,
                                .bias = bias,
                                .c = w->values_c ? result + GUARD : c,
                                .scratch = scratch,
                                .context = &context.context};
    ck_assert_int_eq(ops->run(self, &w->kernel, &r), TESS_OK);
    if (w->values_c) {
        for (int64_t i = 0; i < GUARD; i++)
            ck_assert_msg(result[i] == left_over && result[GUARD + w->values_c + i] == left_over, "wrote beyond its result");
        memcpy(c, result + GUARD, (size_t)w->values_c * sizeof *c);
        free(result);
    }
    free(left);
    if (!w->packed)
        free(right);
    for (size_t i = w->kernel.scratch_bytes; i < capacity; i++)
        ck_assert_msg(scratch[i] == 0xff, "wrote beyond its scratch");
    free(scratch);
}

/* ---- products ------------------------------------------------------------------------------------------------------ */

/* Bits of i: both transpositions, a bias, 1 or a batch of 2 x 3, alpha and beta. */
START_TEST(products)
{
    static const float betas[] = {0.0f, 1.0f, 0.5f};
    int batch = _i >> 3 & 1;
    struct tess_kernel_desc d = {.size = sizeof d,
                                 .what = TESS_GEMM,
                                 .dtype_a = TESS_F32,
                                 .dtype_b = TESS_F32,
                                 .dtype_c = TESS_F32,
                                 .transpose_a = _i & 1,
                                 .transpose_b = _i >> 1 & 1,
                                 .bias = _i >> 2 & 1,
                                 .m = 13,
                                 .n = 37,
                                 .k = 21,
                                 .outer = batch ? 2 : 1,
                                 .inner = batch ? 3 : 1,
                                 .alpha = 0.75f,
                                 .beta = betas[_i / 16]};
    int64_t rows_a = d.transpose_a ? d.k : d.m, rows_b = d.transpose_b ? d.n : d.k;
    d.lda = (d.transpose_a ? d.m : d.k) + 3;
    d.ldb = (d.transpose_b ? d.k : d.n) + 5;
    d.ldc = d.n + 2;
    const int64_t one_a = rows_a * d.lda, one_b = rows_b * d.ldb, one_c = d.m * d.ldc, all_c = 6 * one_c;
    /* outer and inner may stand in any order */
    d.stride_a[0] = 3 * one_a, d.stride_a[1] = one_a;
    d.stride_b[0] = one_b, d.stride_b[1] = 2 * one_b;
    d.stride_c[0] = 3 * one_c, d.stride_c[1] = one_c;
    float *a = draw("a", 6 * one_a), *b = draw("b", 6 * one_b), *bias = draw("bias", d.n);
    float *c = d.beta > 0.0f ? draw("c", all_c) : filled(all_c, NAN), *before = malloc((size_t)all_c * sizeof *before);
    double *want = calloc((size_t)(d.m * d.n), sizeof *want);
    float *got = calloc((size_t)(d.m * d.n), sizeof *got);
    struct work w;
    for (int64_t i = 0; i < all_c; i++)
        if (i % d.ldc >= d.n)
            c[i] = left_over;
    memcpy(before, c, (size_t)all_c * sizeof *c);
    plan(&w, &d, b);
    run(&w, a, b, bias, c);
    for (int64_t i = 0; i < d.outer; i++)
        for (int64_t j = 0; j < d.inner; j++) {
            const float *x = a + i * d.stride_a[0] + j * d.stride_a[1], *y = b + i * d.stride_b[0] + j * d.stride_b[1];
            int64_t at = i * d.stride_c[0] + j * d.stride_c[1];
            for (int64_t u = 0; u < d.m; u++)
                for (int64_t v = 0; v < d.n; v++) {
                    double sum = 0.0;
                    for (int64_t k = 0; k < d.k; k++)
                        sum += (double)x[d.transpose_a ? k * d.lda + u : u * d.lda + k] *
                               (double)y[d.transpose_b ? v * d.ldb + k : k * d.ldb + v];
                    want[u * d.n + v] = (double)d.alpha * sum +
                                        (d.beta > 0.0f ? (double)d.beta * (double)before[at + u * d.ldc + v] : 0.0) +
                                        (d.bias ? (double)bias[v] : 0.0);
                    got[u * d.n + v] = c[at + u * d.ldc + v];
                }
            near("product", got, want, d.m * d.n);
        }
    for (int64_t i = 0; i < d.outer * d.inner * one_c; i++)
        ck_assert_msg(i % d.ldc < d.n || c[i] == left_over, "wrote between the rows of c");
    drop(&w);
    free(a), free(b), free(c), free(bias), free(before), free(want), free(got);
}
END_TEST

/* Products in the form used for weights: dense matrices, one pair, nothing added. Bits of i: both transpositions, a bias, b a weight. */
START_TEST(products_of_weights)
{
    struct tess_kernel_desc d = {.size = sizeof d,
                                 .what = TESS_GEMM,
                                 .dtype_a = operands,
                                 .dtype_b = operands,
                                 .dtype_c = TESS_F32,
                                 .transpose_a = _i & 1,
                                 .transpose_b = _i >> 1 & 1,
                                 .bias = _i >> 2 & 1,
                                 .weight_b = _i >> 3 & 1,
                                 .m = 33,
                                 .n = 70,
                                 .k = 51,
                                 .outer = 1,
                                 .inner = 1,
                                 .alpha = 1.0f};
    d.lda = d.transpose_a ? d.m : d.k;
    d.ldb = d.transpose_b ? d.k : d.n;
    d.ldc = d.n;
    float *a = draw("a", d.m * d.k), *b = draw("b", d.k * d.n), *bias = draw("bias", d.n), *c = filled(d.m * d.n, NAN);
    double *want = calloc((size_t)(d.m * d.n), sizeof *want);
    struct work w;
    for (int64_t u = 0; u < d.m; u++)
        for (int64_t v = 0; v < d.n; v++) {
            for (int64_t k = 0; k < d.k; k++)
                want[u * d.n + v] +=
                    (double)a[d.transpose_a ? k * d.m + u : u * d.k + k] * (double)b[d.transpose_b ? v * d.k + k : k * d.n + v];
            want[u * d.n + v] += d.bias ? (double)bias[v] : 0.0;
        }
    plan(&w, &d, b);
    run(&w, a, b, bias, c);
    near("product", c, want, d.m * d.n);
    drop(&w);
    free(a), free(b), free(bias), free(c), free(want);
}
END_TEST

/* ---- convolutions -------------------------------------------------------------------------------------------------- */

struct size {
    int64_t images, h, w, ci, kh, kw;
    int32_t stride, top, left, bottom, right;
    int64_t co;
};

static const struct size sizes[] = {
    {2, 9, 7, 5, 3, 3, 1, 1, 1, 1, 1, 6},     /* the plain one */
    {2, 8, 10, 4, 3, 3, 2, 0, 0, 1, 1, 7},    /* down: border on the right and at the bottom alone */
    {2, 7, 9, 4, 3, 3, 2, 0, 0, 1, 1, 3},     /* odd sizes: the last row and column are in no patch's middle */
    {3, 6, 5, 8, 1, 1, 1, 0, 0, 0, 0, 4},     /* 1 x 1 kernel: the input itself is the matrix of patches */
    {2, 6, 5, 3, 1, 1, 2, 0, 0, 0, 0, 4},     /* pixels that no patch has */
    {2, 5, 5, 3, 1, 1, 1, 1, 1, 0, 0, 2},     /* 1 x 1 with a border */
    {2, 12, 11, 1, 3, 3, 1, 1, 1, 1, 1, 8},   /* grey in */
    {2, 12, 11, 8, 3, 3, 1, 1, 1, 1, 1, 1},   /* grey out */
    {2, 9, 9, 3, 4, 4, 2, 1, 1, 1, 1, 5},     /* critics */
    {1, 6, 8, 2, 5, 3, 1, 0, 2, 1, 0, 3},     /* nothing symmetric */
    {1, 4, 5, 2, 2, 2, 1, 3, 2, 2, 4, 3},     /* borders wider than the kernel */
    {1, 4, 4, 2, 4, 4, 1, 0, 0, 0, 0, 3},     /* output of one pixel */
    {1, 3, 2, 2, 3, 3, 1, 1, 1, 1, 1, 2},     /* smaller than the kernel */
    {2, 5, 5, 2, 3, 3, 3, 2, 2, 2, 2, 2},     /* stride 3 */
    {2, 8, 12, 3, 4, 4, 2, 1, 1, 1, 1, 5},    /* transposed: a U-Net's way up */
    {2, 2, 2, 8, 4, 4, 2, 1, 1, 1, 1, 16},    /* a resize to one pixel */
    {1, 5, 3, 1, 3, 5, 2, 2, 1, 0, 3, 3},     /* a border on the right wider than what the stride leaves */
    {2, 40, 33, 32, 3, 3, 1, 1, 1, 1, 1, 40}, /* several blocks an image, the last one shorter */
};

static struct tess_kernel_desc dense_of(const struct size *s, int32_t what)
{
    return (struct tess_kernel_desc){.size = sizeof(struct tess_kernel_desc),
                                     .what = what,
                                     .dtype_a = operands,
                                     .dtype_b = operands,
                                     .dtype_c = TESS_F32,
                                     .bias = what == TESS_CONV,
                                     .weight_b = what != TESS_CONV_WEIGHT,
                                     .alpha = 1.0f,
                                     .images = s->images,
                                     .h = s->h,
                                     .w = s->w,
                                     .ci = s->ci,
                                     .kh = s->kh,
                                     .kw = s->kw,
                                     .ho = (s->h + s->top + s->bottom - s->kh) / s->stride + 1,
                                     .wo = (s->w + s->left + s->right - s->kw) / s->stride + 1,
                                     .co = s->co,
                                     .stride = s->stride,
                                     .top = s->top,
                                     .left = s->left};
}

/* Every pixel, weight and output that meet, once: the sums of y = x * w and of both its gradients. */
static void convolve(const struct tess_kernel_desc *d, const float *x, const float *w, const float *dy, double *y, double *dx, double *dw)
{
    for (int64_t n = 0; n < d->images; n++)
        for (int64_t oy = 0; oy < d->ho; oy++)
            for (int64_t ox = 0; ox < d->wo; ox++)
                for (int64_t u = 0; u < d->kh; u++)
                    for (int64_t v = 0; v < d->kw; v++) {
                        int64_t iy = oy * d->stride - d->top + u, ix = ox * d->stride - d->left + v;
                        if (iy < 0 || iy >= d->h || ix < 0 || ix >= d->w)
                            continue;
                        int64_t in = ((n * d->h + iy) * d->w + ix) * d->ci, out = ((n * d->ho + oy) * d->wo + ox) * d->co;
                        for (int64_t o = 0; o < d->co; o++)
                            for (int64_t i = 0; i < d->ci; i++) {
                                int64_t tap = ((o * d->kh + u) * d->kw + v) * d->ci + i;
                                y[out + o] += (double)x[in + i] * (double)w[tap];
                                dx[in + i] += (double)dy[out + o] * (double)w[tap];
                                dw[tap] += (double)dy[out + o] * (double)x[in + i];
                            }
                    }
}

struct tensors {
    int64_t x_count, w_count, y_count;
    float *x, *w, *bias, *dy;
};

static struct tensors draw_all(const struct tess_kernel_desc *d)
{
    struct tensors t = {
        .x_count = d->images * d->h * d->w * d->ci, .w_count = d->co * d->kh * d->kw * d->ci, .y_count = d->images * d->ho * d->wo * d->co};
    t.x = draw("x", t.x_count);
    t.w = draw("w", t.w_count);
    t.bias = draw("bias", d->co);
    t.dy = draw("dy", t.y_count);
    return t;
}

static void free_all(struct tensors *t)
{
    free(t->x), free(t->w), free(t->bias), free(t->dy);
}

START_TEST(convolutions)
{
    struct tess_kernel_desc d = dense_of(&sizes[_i], TESS_CONV);
    struct tensors t = draw_all(&d);
    double *y = calloc((size_t)t.y_count, sizeof *y), *dx = calloc((size_t)t.x_count, sizeof *dx),
           *dw = calloc((size_t)t.w_count, sizeof *dw);
    float *result[3] = {filled(t.y_count, NAN), filled(t.x_count, NAN), filled(t.w_count, NAN)};
    struct work w;
    convolve(&d, t.x, t.w, t.dy, y, dx, dw);
    for (int64_t i = 0; i < t.y_count; i++)
        y[i] += (double)t.bias[i % d.co];
    plan(&w, &d, t.w);
    run(&w, t.x, t.w, t.bias, result[0]);
    near("y", result[0], y, t.y_count);
    drop(&w);
    d.bias = 0;
    plan(&w, &d, t.w);
    run(&w, t.x, t.w, NULL, result[0]);
    for (int64_t i = 0; i < t.y_count; i++)
        y[i] -= (double)t.bias[i % d.co];
    near("y without bias", result[0], y, t.y_count);
    drop(&w);
    d.what = TESS_CONV_DATA;
    plan(&w, &d, t.w);
    run(&w, t.dy, t.w, NULL, result[1]);
    near("dx", result[1], dx, t.x_count);
    drop(&w);
    d.what = TESS_CONV_WEIGHT;
    plan(&w, &d, t.dy);
    run(&w, t.x, t.dy, NULL, result[2]);
    near("dw", result[2], dw, t.w_count);
    drop(&w);
    for (int i = 0; i < 3; i++)
        free(result[i]);
    free(y), free(dx), free(dw);
    free_all(&t);
}
END_TEST

/* An image alone gives the bits it gives among others. */
START_TEST(images_do_not_see_each_other)
{
    struct size many = sizes[_i], one = sizes[_i];
    many.images = 5;
    one.images = 1;
    for (int32_t what = TESS_CONV; what <= TESS_CONV_DATA; what++) {
        struct tess_kernel_desc d = dense_of(&many, what), single = dense_of(&one, what);
        struct tensors t = draw_all(&d);
        int64_t from = (what == TESS_CONV ? t.x_count : t.y_count) / 5, to = (what == TESS_CONV ? t.y_count : t.x_count) / 5;
        const float *in = what == TESS_CONV ? t.x : t.dy;
        float *all = filled(5 * to, NAN), *alone = filled(to, NAN);
        struct work w;
        plan(&w, &d, t.w);
        run(&w, in, t.w, t.bias, all);
        drop(&w);
        plan(&w, &single, t.w);
        for (int64_t i = 0; i < 5; i++) {
            run(&w, in + i * from, t.w, t.bias, alone);
            ck_assert_msg(memcmp(alone, all + i * to, (size_t)to * sizeof *all) == 0, "image %lld", (long long)i);
        }
        drop(&w);
        free(all), free(alone);
        free_all(&t);
    }
}
END_TEST

/* ---- threads ------------------------------------------------------------------------------------------------------- */

struct runner {
    const struct work *w;
    const struct tensors *t;
    const float *want;
    int different;
};

static void *run_often(void *user)
{
    struct runner *r = user;
    float *dw = filled(r->t->w_count, NAN);
    for (int i = 0; i < 8; i++) {
        run(r->w, r->t->x, r->t->dy, NULL, dw);
        r->different += memcmp(dw, r->want, (size_t)r->t->w_count * sizeof *dw) != 0;
    }
    free(dw);
    return NULL;
}

START_TEST(many_threads_at_once)
{
    enum { THREADS = 6 };
    struct tess_kernel_desc d = dense_of(&sizes[sizeof sizes / sizeof *sizes - 1], TESS_CONV_WEIGHT);
    struct tensors t = draw_all(&d);
    float *want = filled(t.w_count, NAN);
    struct runner r[THREADS];
    pthread_t thread[THREADS];
    struct work w;
    plan(&w, &d, NULL);
    run(&w, t.x, t.dy, NULL, want);
    for (int i = 0; i < THREADS; i++) {
        r[i] = (struct runner){&w, &t, want, 0};
        ck_assert_int_eq(pthread_create(&thread[i], NULL, run_often, &r[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
        ck_assert_int_eq(r[i].different, 0);
    }
    drop(&w);
    free(want);
    free_all(&t);
}
END_TEST

/* ---- what it says of itself ---------------------------------------------------------------------------------------- */

START_TEST(says_what_decides_the_bits)
{
    char name[32], version[32], kernels[64];
    ck_assert_msg(sscanf(ops->numeric_class(self), "%31s %31[0-9.] %63[^\n]", name, version, kernels) == 3, "%s", ops->numeric_class(self));
    ck_assert_str_eq(name, backend);
}
END_TEST

START_TEST(refuses_other_dtypes)
{
    struct tess_kernel_desc d = dense_of(&sizes[0], TESS_CONV);
    struct tess_kernel k = {.size = sizeof k};
    d.dtype_b = TESS_U8;
    ck_assert_int_eq(ops->plan(self, &fixture.context.context, &d, &k), TESS_E_VALUE);
    ck_assert(strstr(tessi_base_context_message(&fixture.context.context), "x u8 -> f32"));
}
END_TEST

/* Not every processor multiplies bf16. */
static int can(struct tess_context *ctx, const char *name)
{
    struct tess_kernel_desc d = dense_of(&sizes[0], TESS_CONV);
    struct tess_kernel k = {.size = sizeof k};
    struct tess_instance *i;
    if (tess_instance_open(ctx, "backend/1", name, "test", &i) != TESS_OK)
        return 0;
    const struct tess_backend_1 *b = tess_instance_ops(i, "backend/1");
    int status = b->plan(tess_instance_self(i), ctx, &d, &k);
    if (status == TESS_OK)
        b->drop(tess_instance_self(i), &k);
    tess_instance_close(i);
    return status == TESS_OK;
}

static int failures_of(struct tess_context *ctx, const char *name, int32_t dtype)
{
    operands = dtype;
    if (!can(ctx, name)) {
        printf("%s has no products of %s here: %s\n", name, tess_dtype_name(dtype), tessi_base_context_message(ctx));
        tessi_base_context_clear(ctx);
        return dtype == TESS_F32;
    }
    snprintf(backend, sizeof backend, "%s", name);
    Suite *s = suite_create(backend);
    TCase *t = tcase_create(tess_dtype_name(dtype));
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    if (dtype == TESS_F32)
        tcase_add_loop_test(t, products, 0, 48);
    tcase_add_loop_test(t, products_of_weights, 0, 16);
    tcase_add_loop_test(t, convolutions, 0, (int)(sizeof sizes / sizeof *sizes));
    tcase_add_loop_test(t, images_do_not_see_each_other, 0, (int)(sizeof sizes / sizeof *sizes));
    tcase_add_test(t, many_threads_at_once);
    tcase_add_test(t, says_what_decides_the_bits);
    tcase_add_test(t, refuses_other_dtypes);
    suite_add_tcase(s, t);
    return suite_failures(s);
}

int main(void)
{
    struct tessi_context context;
    struct tessi_runtime *runtime = NULL;
    const struct tess_component *k;
    int failed = 0, backends = 0;
    tessi_base_context_init(&context, NULL);
    if (tessi_host_runtime_new(&context.context, &(struct tessi_runtime_options){.threads = 1}, &runtime) != TESS_OK)
        return EXIT_FAILURE;
    for (int64_t i = 0; (k = tessi_plug_registry_component(runtime->registry, i, NULL)); i++)
        if (strcmp(k->kind, "backend/1") == 0) {
            failed += failures_of(&context.context, k->name, TESS_F32) + failures_of(&context.context, k->name, TESS_BF16);
            backends++;
        }
    tessi_host_runtime_free(runtime);
    return failed || !backends ? EXIT_FAILURE : EXIT_SUCCESS;
}
