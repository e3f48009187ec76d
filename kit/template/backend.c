/* backend/1 `template-name`: matrix products and convolutions as plain loops in f32, a place to put a library or kernels of one's own. It
 * states a preference below that of the others, so it is at work only where it is asked for.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/kind/backend.h>
#include <tessera/plugin.h>

#include <string.h>

/* Part of every cache key: it changes whenever the bits do. */
static const char *template_name_numeric_class(void *self)
{
    (void)self;
    return "template-name 1";
}

/* Kept until `drop`: here the description alone; a library would keep its primitive. */
static int template_name_plan(void *self, struct tess_context *ctx, const struct tess_kernel_desc *d, struct tess_kernel *out)
{
    void *memory = NULL;
    (void)self;
    if (d->dtype_a != TESS_F32 || d->dtype_b != TESS_F32 || d->dtype_c != TESS_F32)
        return ctx->fail(ctx, TESS_E_VALUE, "template-name: wanted f32, found another type; run with `precision: f32`");
    TESS_TRY(tess_alloc(ctx, sizeof *d, "a plan", &memory));
    memcpy(memory, d, sizeof *d);
    out->handle = memory;
    return TESS_OK;
}

static void template_name_drop(void *self, struct tess_kernel *k)
{
    (void)self;
    tess_free(k->handle);
    k->handle = NULL;
}

/* c = alpha op(a) op(b) + beta c + bias */
static void multiply(const struct tess_kernel_desc *d, const float *a, const float *b, const float *bias, float *c)
{
    for (int64_t i = 0; i < d->m; i++)
        for (int64_t j = 0; j < d->n; j++) {
            float sum = 0.0f, *to = c + i * d->ldc + j;
            for (int64_t k = 0; k < d->k; k++)
                sum += a[d->transpose_a ? k * d->lda + i : i * d->lda + k] * b[d->transpose_b ? j * d->ldb + k : k * d->ldb + j];
            *to = d->alpha * sum + (d->beta == 0.0f ? 0.0f : d->beta * *to) + (d->bias ? bias[j] : 0.0f);
        }
}

/* Product at one tap of a convolution's kernel and one place: x (ci) and y (co) are its pixels, w (co rows of `row`) its weights; one of
 * the three is the result. */
static void visit(const struct tess_kernel_desc *d, float *x, float *w, float *y, int64_t row)
{
    for (int64_t o = 0; o < d->co; o++)
        for (int64_t i = 0; i < d->ci; i++)
            if (d->what == TESS_CONV)
                y[o] += x[i] * w[o * row + i];
            else if (d->what == TESS_CONV_DATA)
                x[i] += y[o] * w[o * row + i];
            else
                w[o * row + i] += x[i] * y[o];
}

static void convolve(const struct tess_kernel_desc *d, float *x, float *w, float *y)
{
    const int64_t row = d->kh * d->kw * d->ci;
    for (int64_t at = 0; at < d->images * d->ho * d->wo; at++)
        for (int64_t tap = 0; tap < d->kh * d->kw; tap++) {
            const int64_t image = at / (d->ho * d->wo);
            const int64_t u = at / d->wo % d->ho * d->stride - d->top + tap / d->kw, v = at % d->wo * d->stride - d->left + tap % d->kw;
            if (u >= 0 && u < d->h && v >= 0 && v < d->w)
                visit(d, x + ((image * d->h + u) * d->w + v) * d->ci, w + tap * d->ci, y + at * d->co, row);
        }
}

static void run_convolution(const struct tess_kernel_desc *d, float *a, float *b, const float *bias, float *c)
{
    const int64_t x = d->images * d->h * d->w * d->ci, y = d->images * d->ho * d->wo * d->co, w = d->co * d->kh * d->kw * d->ci;
    const int64_t results = d->what == TESS_CONV ? y : d->what == TESS_CONV_DATA ? x : w;
    for (int64_t i = 0; i < results; i++)
        c[i] = d->bias ? bias[i % d->co] : 0.0f;
    if (d->what == TESS_CONV)
        convolve(d, a, b, c);
    else if (d->what == TESS_CONV_DATA)
        convolve(d, c, b, a);
    else
        convolve(d, a, c, b);
}

/* Thread safety: called by several threads at once. a and b are read alone; the loops above take all three alike. */
static int template_name_run(void *self, const struct tess_kernel *k, const struct tess_kernel_run *r)
{
    const struct tess_kernel_desc *d = (const struct tess_kernel_desc *)k->handle;
    float *a = (float *)(uintptr_t)r->a, *b = (float *)(uintptr_t)r->b, *c = (float *)r->c;
    (void)self;
    if (d->what != TESS_GEMM)
        run_convolution(d, a, b, r->bias, c);
    for (int64_t i = 0; d->what == TESS_GEMM && i < d->outer * d->inner; i++) {
        const int64_t outer = i / d->inner, inner = i % d->inner;
        multiply(d, a + outer * d->stride_a[0] + inner * d->stride_a[1], b + outer * d->stride_b[0] + inner * d->stride_b[1], r->bias,
                 c + outer * d->stride_c[0] + inner * d->stride_c[1]);
    }
    return TESS_OK;
}

static const struct tess_backend_1 ops = {sizeof(struct tess_backend_1),
                                          template_name_numeric_class,
                                          template_name_plan,
                                          NULL,
                                          template_name_run,
                                          template_name_drop,
                                          NULL,
                                          -100,
                                          0,
                                          NULL};

TESS_PLUGIN("template-name", "0.1.0", "MIT", TESS_NEEDS_NONE,
            TESS_COMPONENT("template-name", "backend/1", "plain loops in f32", 0, NULL, NULL, NULL, &ops));
