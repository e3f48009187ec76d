/* backend/1 `plain`: what the kinds of kernels mean, as loops over doubles with one rounding at the end. No library, no vector, no fused
 * multiply-add has a part in its bits, so results made with it and with the portable kernels are the same on every machine of an
 * architecture. Plugin of tests/flow/test_epoch.c.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/kind/backend.h>
#include <tessera/plugin.h>

#include <string.h>

#ifdef __x86_64__
#define ARCHITECTURE "x86-64"
#else
#define ARCHITECTURE "other"
#endif

static const char *numeric_class(void *self)
{
    (void)self;
    return "plain 1 " ARCHITECTURE;
}

static double value(int32_t dtype, const void *from, int64_t i)
{
    uint32_t bits;
    float f;
    if (dtype == TESS_F32)
        return (double)((const float *)from)[i];
    bits = (uint32_t)((const uint16_t *)from)[i] << 16;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

/* Stores x as `dtype`, rounded to nearest even; results here are finite. */
static void put(int32_t dtype, void *to, int64_t i, double x)
{
    float f = (float)x;
    uint32_t bits;
    if (dtype == TESS_F32) {
        ((float *)to)[i] = f;
        return;
    }
    memcpy(&bits, &f, sizeof bits);
    ((uint16_t *)to)[i] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* Loops are nested so that each sum adds its terms in ascending order and no sum waits for its own last term: the innermost loop runs over
 * sums. */
static void multiply(const struct tess_kernel_desc *d, const struct tess_kernel_run *r, const int64_t at[3])
{
    double *sum = r->scratch, *b = sum + d->n;
    for (int64_t k = 0; k < d->k; k++)
        for (int64_t v = 0; v < d->n; v++)
            b[k * d->n + v] = value(d->dtype_b, r->b, at[1] + (d->transpose_b ? v * d->ldb + k : k * d->ldb + v));
    for (int64_t u = 0; u < d->m; u++) {
        memset(sum, 0, (size_t)d->n * sizeof *sum);
        for (int64_t k = 0; k < d->k; k++) {
            double a = value(d->dtype_a, r->a, at[0] + (d->transpose_a ? k * d->lda + u : u * d->lda + k));
            for (int64_t v = 0; v < d->n; v++)
                sum[v] += a * b[k * d->n + v];
        }
        for (int64_t v = 0; v < d->n; v++) {
            int64_t to = at[2] + u * d->ldc + v;
            double x = sum[v] * (double)d->alpha;
            x += d->beta == 0.0f ? 0.0 : (double)d->beta * value(d->dtype_c, r->c, to);
            put(d->dtype_c, r->c, to, x + (d->bias ? (double)r->bias[v] : 0.0));
        }
    }
}

/* Adds `factor` times the `n` numbers at `from` to those at `sum`. */
static void add_scaled(double *restrict sum, const double *restrict from, double factor, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        sum[i] += from[i] * factor;
}

/* Adds one pixel of a patch, all channels, to the sums of the result. Weights of TESS_CONV and sums of TESS_CONV_WEIGHT lie as (tap, ci,
 * co), weights of TESS_CONV_DATA as they came, (co, tap, ci). */
static void visit(const struct tess_kernel_desc *d, const double *a, const double *b, int64_t in, int64_t out, int64_t tap, double *sum)
{
    int64_t weights = tap * d->ci * d->co;
    for (int64_t i = 0; d->what == TESS_CONV && i < d->ci; i++)
        add_scaled(sum + out, b + weights + i * d->co, a[in + i], d->co);
    for (int64_t i = 0; d->what == TESS_CONV_WEIGHT && i < d->ci; i++)
        add_scaled(sum + weights + i * d->co, b + out, a[in + i], d->co);
    for (int64_t o = 0; d->what == TESS_CONV_DATA && o < d->co; o++)
        add_scaled(sum + in, b + (o * d->kh * d->kw + tap) * d->ci, a[out + o], d->ci);
}

struct sizes {
    int64_t x, y, w;
};

static struct sizes sizes_of(const struct tess_kernel_desc *d)
{
    return (struct sizes){d->images * d->h * d->w * d->ci, d->images * d->ho * d->wo * d->co, d->co * d->kh * d->kw * d->ci};
}

static int64_t choose(const struct tess_kernel_desc *d, int64_t of_conv, int64_t of_data, int64_t of_weight)
{
    return d->what == TESS_CONV ? of_conv : d->what == TESS_CONV_DATA ? of_data : of_weight;
}

/* Place of the i-th number of weights (co, tap, ci) among weights (tap, ci, co). */
static int64_t weight_place(const struct tess_kernel_desc *d, int64_t i)
{
    int64_t taps = d->kh * d->kw * d->ci;
    return i % taps * d->co + i / taps;
}

static void convolve(const struct tess_kernel_desc *d, const struct tess_kernel_run *r)
{
    struct sizes z = sizes_of(d);
    int64_t n = choose(d, z.y, z.x, z.w), of_a = choose(d, z.x, z.y, z.x), of_b = choose(d, z.w, z.w, z.y);
    double *sum = r->scratch, *a = sum + n, *b = a + of_a;
    for (int64_t i = 0; i < n; i++)
        sum[i] = d->bias ? (double)r->bias[i % d->co] : 0.0;
    for (int64_t i = 0; i < of_a; i++)
        a[i] = value(d->dtype_a, r->a, i);
    for (int64_t i = 0; i < of_b; i++)
        b[d->what == TESS_CONV ? weight_place(d, i) : i] = value(d->dtype_b, r->b, i);
    for (int64_t pixel = 0; pixel < d->images * d->ho * d->wo; pixel++)
        for (int64_t tap = 0; tap < d->kh * d->kw; tap++) {
            int64_t image = pixel / (d->ho * d->wo), oy = pixel / d->wo % d->ho, ox = pixel % d->wo;
            int64_t y = oy * d->stride - d->top + tap / d->kw, x = ox * d->stride - d->left + tap % d->kw;
            if (y >= 0 && y < d->h && x >= 0 && x < d->w)
                visit(d, a, b, ((image * d->h + y) * d->w + x) * d->ci, pixel * d->co, tap, sum);
        }
    for (int64_t i = 0; i < n; i++)
        put(d->dtype_c, r->c, i, sum[d->what == TESS_CONV_WEIGHT ? weight_place(d, i) : i]);
}

static int plan(void *self, struct tess_context *ctx, const struct tess_kernel_desc *d, struct tess_kernel *out)
{
    void *memory;
    (void)self;
    TESS_TRY(tess_alloc(ctx, sizeof *d, "a plan", &memory));
    memcpy(memory, d, sizeof *d);
    out->handle = memory;
    struct sizes z = sizes_of(d);
    out->scratch_bytes = (size_t)(d->what == TESS_GEMM ? (d->k + 1) * d->n : z.x + z.y + z.w) * sizeof(double);
    return TESS_OK;
}

static int run(void *self, const struct tess_kernel *k, const struct tess_kernel_run *r)
{
    const struct tess_kernel_desc *d = k->handle;
    (void)self;
    if (d->what != TESS_GEMM)
        convolve(d, r);
    for (int64_t i = 0; d->what == TESS_GEMM && i < d->outer * d->inner; i++)
        multiply(d, r,
                 (const int64_t[]){i / d->inner * d->stride_a[0] + i % d->inner * d->stride_a[1],
                                   i / d->inner * d->stride_b[0] + i % d->inner * d->stride_b[1],
                                   i / d->inner * d->stride_c[0] + i % d->inner * d->stride_c[1]});
    return TESS_OK;
}

static void drop(void *self, struct tess_kernel *k)
{
    (void)self;
    tess_free(k->handle);
    k->handle = NULL;
}

static const struct tess_backend_1 ops = {
    .size = sizeof ops, .numeric_class = numeric_class, .plan = plan, .run = run, .drop = drop, .preference = -1000};

TESS_PLUGIN("tessera-test-plain", "1", "MIT", TESS_NEEDS_NONE,
            TESS_COMPONENT("plain", "backend/1", "loops over doubles, for tests", 0, NULL, NULL, NULL, &ops));
