/* Gradient of a convolution's weights by tile products: the loops over tiles in plain C against sums in double, for every class of shapes,
 * and the processor's tiles, where there are any, against those in plain C to the bit.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/backends/onednn/weight_gradient.h"
#include "tests/support/graphs.h"
#include "tests/support/suite.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- tiles in plain C ------------------------------------------------------------------------------------------------ */

/* Rows of a tile of 64 bytes: sums in f32, or operands in bf16. */
union tile {
    float sum[16][16];
    uint16_t value[16][32];
};
static union tile tile[8];

static float wide(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Denormal numbers count as 0, as inputs and as results. */
static float normal(float x)
{
    return fabsf(x) < FLT_MIN ? copysignf(0.0f, x) : x;
}

/* As the processor's manual says: products of even and of odd positions are summed apart, then together, then added to the sum. */
static void multiply(union tile *s, const union tile *a, const union tile *b)
{
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 16; j++) {
            float half[2] = {0.0f, 0.0f};
            for (int k = 0; k < 16; k++)
                for (int h = 0; h < 2; h++)
                    half[h] = normal(fmaf(normal(wide(a->value[i][2 * k + h])), normal(wide(b->value[k][2 * j + h])), half[h]));
            s->sum[i][j] = normal(normal(s->sum[i][j]) + normal(half[0] + half[1]));
        }
}

#define TILE_CLEAR(t) memset(&tile[t], 0, sizeof tile[t])
#define TILE_LOAD(t, from) memcpy(&tile[t], from, sizeof tile[t])
#define TILE_STORE(t, to) memcpy(to, &tile[t], sizeof tile[t])
#define TILE_MULTIPLY(sums, a, b) multiply(&tile[sums], &tile[a], &tile[b])

static void lay_outputs(const uint16_t *const *pixel, int32_t n, int32_t first, uint16_t *to)
{
    for (int i = 0; i < GRADIENT_DEEP; i++)
        for (int c = 0; c < GRADIENT_ROWS; c++)
            to[c * GRADIENT_DEEP + i] = c < n ? pixel[i][first + c] : 0;
}

static void lay_inputs(const uint16_t *const *pixel, int32_t n, int32_t first, int32_t pairs, uint16_t *even, uint16_t *odd)
{
    for (int32_t i = 0; i < 2 * pairs; i++)
        for (int c = 0; c < GRADIENT_ROWS; c++) {
            even[(i / 2 * GRADIENT_ROWS + c) * 2 + i % 2] = c < n ? pixel[i][first + c] : 0;
            if (odd)
                odd[(i / 2 * GRADIENT_ROWS + c) * 2 + i % 2] = c < n ? pixel[i + 1][first + c] : 0;
        }
}

#include "plugins/backends/onednn/weight_gradient_loops.h"

/* ---- shapes ---------------------------------------------------------------------------------------------------------- */

/* One of each class: whole blocks and remainders of channels on either side, an odd number of blocks, one piece and several, pieces that
 * end within an image, images smaller than a tile, kernels of even and odd sides, both strides, margins on one side only, and images that
 * the last output does not reach the end of. */
static const struct sizes {
    int64_t images, h, w, ci, kh, kw, ho, wo, co;
    int32_t stride, top, left;
} sizes[] = {
    {2, 8, 8, 32, 3, 3, 8, 8, 32, 1, 1, 1},     {1, 24, 24, 16, 3, 3, 24, 24, 16, 1, 1, 1}, {3, 7, 5, 3, 3, 3, 7, 5, 48, 1, 1, 1},
    {2, 9, 9, 40, 3, 3, 9, 9, 1, 1, 1, 1},      {5, 8, 8, 17, 4, 4, 7, 7, 33, 1, 1, 1},     {4, 16, 16, 16, 4, 4, 8, 8, 32, 2, 1, 1},
    {2, 16, 12, 32, 3, 3, 8, 6, 16, 2, 0, 0},   {2, 15, 13, 8, 3, 3, 8, 7, 20, 2, 1, 1},    {1, 1, 40, 16, 1, 3, 1, 40, 16, 1, 0, 1},
    {1, 40, 1, 16, 3, 1, 40, 1, 16, 1, 1, 0},   {3, 2, 2, 16, 3, 3, 2, 2, 16, 1, 1, 1},     {1, 30, 31, 5, 5, 5, 30, 31, 7, 1, 2, 2},
    {2, 12, 12, 16, 3, 3, 10, 10, 16, 1, 0, 0}, {1, 6, 6, 4, 2, 2, 3, 3, 4, 2, 0, 0},       {1, 64, 9, 96, 3, 3, 64, 9, 80, 1, 1, 1},
};

static struct tess_kernel_desc desc_of(const struct sizes *s)
{
    return (struct tess_kernel_desc){.size = sizeof(struct tess_kernel_desc),
                                     .what = TESS_CONV_WEIGHT,
                                     .dtype_a = TESS_BF16,
                                     .dtype_b = TESS_BF16,
                                     .dtype_c = TESS_F32,
                                     .images = s->images,
                                     .h = s->h,
                                     .w = s->w,
                                     .ci = s->ci,
                                     .kh = s->kh,
                                     .kw = s->kw,
                                     .ho = s->ho,
                                     .wo = s->wo,
                                     .co = s->co,
                                     .stride = s->stride,
                                     .top = s->top,
                                     .left = s->left};
}

struct problem {
    struct tess_kernel_desc d;
    struct weight_gradient *gradient;
    uint16_t *x, *dy;
    float *dw;
    void *scratch;
    int64_t inputs, outputs, weights;
};

static struct fixture fixture;

static void setup(void)
{
    fixture_open(&fixture, 1, 1, 1, 0);
}

static void teardown(void)
{
    fixture_close(&fixture);
}

static uint16_t *draw(const char *purpose, int64_t n)
{
    struct tess_stream s = {.seed = 4, .purpose = tess_purpose(purpose)};
    float *x = malloc((size_t)n * sizeof *x);
    uint16_t *narrow = malloc((size_t)n * sizeof *narrow);
    tess_random_normal(&s, 0, n, x);
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        narrow[i] = (uint16_t)(bits >> 16);
    }
    free(x);
    return narrow;
}

static void problem_open(struct problem *p, const struct sizes *s)
{
    p->d = desc_of(s);
    ck_assert(weight_gradient_fits(&p->d));
    fixture_ok(&fixture, weight_gradient_new(&fixture.context.context, &p->d, &p->gradient));
    p->inputs = s->images * s->h * s->w * s->ci;
    p->outputs = s->images * s->ho * s->wo * s->co;
    p->weights = s->co * s->kh * s->kw * s->ci;
    p->x = draw("x", p->inputs);
    p->dy = draw("dy", p->outputs);
    p->dw = malloc((size_t)p->weights * sizeof *p->dw);
    size_t bytes = weight_gradient_rooms(p->gradient).all;
    p->scratch = aligned_alloc(64, bytes);
    memset(p->scratch, 0xff, bytes); /* NaN wherever something is read that was not written */
    memset(p->dw, 0xff, (size_t)p->weights * sizeof *p->dw);
}

static void problem_close(struct problem *p)
{
    weight_gradient_free(p->gradient);
    free(p->x);
    free(p->dy);
    free(p->dw);
    free(p->scratch);
}

/* The sum that a weight's gradient is, in double, and of its magnitudes. */
static double sum_of(const struct problem *p, int64_t o, int64_t ky, int64_t kx, int64_t c, double *size)
{
    const struct tess_kernel_desc *d = &p->d;
    double sum = 0.0;
    *size = 0.0;
    for (int64_t i = 0; i < d->images; i++)
        for (int64_t y = 0; y < d->ho; y++)
            for (int64_t x = 0; x < d->wo; x++) {
                int64_t row = y * d->stride + ky - d->top, column = x * d->stride + kx - d->left;
                if (row < 0 || row >= d->h || column < 0 || column >= d->w)
                    continue;
                double term = (double)wide(p->x[((i * d->h + row) * d->w + column) * d->ci + c]) *
                              (double)wide(p->dy[((i * d->ho + y) * d->wo + x) * d->co + o]);
                sum += term;
                *size += fabs(term);
            }
    return sum;
}

START_TEST(loops_give_the_sums)
{
    struct problem p;
    problem_open(&p, &sizes[_i]);
    gradient_loops(p.gradient, p.x, p.dy, p.dw, p.scratch);
    for (int64_t i = 0; i < p.weights; i++) {
        double size,
            sum = sum_of(&p, i / (p.d.kh * p.d.kw * p.d.ci), i / (p.d.kw * p.d.ci) % p.d.kh, i / p.d.ci % p.d.kw, i % p.d.ci, &size);
        ck_assert_msg(fabs((double)p.dw[i] - sum) <= 1e-6 * size + 1e-30, "weight %lld: wanted %.9g, found %.9g", (long long)i, sum,
                      (double)p.dw[i]);
    }
    problem_close(&p);
}
END_TEST

/* Also where values are denormal, or sums of them are. */
START_TEST(tiles_of_the_processor_give_the_same_bits)
{
#ifdef TESSI_X86_64
    struct problem p;
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx512vbmi2") || !__builtin_cpu_supports("avx512bw") || !weight_gradient_has_tiles())
        return;
    problem_open(&p, &sizes[_i]);
    for (int tiny = 0; tiny < 2; tiny++) {
        float *plain = malloc((size_t)p.weights * sizeof *plain);
        for (int64_t i = 0; tiny && i < p.inputs; i += 3)
            p.x[i] = (uint16_t)((p.x[i] & 0x8000) | (i % 2 ? 0x0040 : 0x2000)); /* a denormal number, or 2^-63 */
        for (int64_t i = 0; tiny && i < p.outputs; i += 2)
            p.dy[i] = (uint16_t)((p.dy[i] & 0x80ff) | 0x2000);
        gradient_loops(p.gradient, p.x, p.dy, plain, p.scratch);
        weight_gradient_by_tiles(p.gradient, p.x, p.dy, p.dw, p.scratch);
        ck_assert_mem_eq(plain, p.dw, (size_t)p.weights * sizeof *plain);
        free(plain);
    }
    problem_close(&p);
#endif
}
END_TEST

/* Where sums are many there are fewer pieces, and where there is one, room for sums of two blocks alone. */
START_TEST(many_sums_have_long_pieces)
{
    static const struct sizes few = {1, 32, 32, 64, 3, 3, 32, 32, 64, 1, 1, 1}, many = {1, 32, 32, 512, 3, 3, 32, 32, 512, 1, 1, 1};
    struct weight_gradient *g;
    struct tess_kernel_desc d = desc_of(&few);
    fixture_ok(&fixture, weight_gradient_new(&fixture.context.context, &d, &g));
    ck_assert_int_eq(g->positions, 33 * 33);
    ck_assert_int_eq(g->pieces, 3);
    ck_assert_int_eq(g->piece, 384);
    weight_gradient_free(g);
    d = desc_of(&many);
    fixture_ok(&fixture, weight_gradient_new(&fixture.context.context, &d, &g));
    ck_assert_int_eq(g->pieces, 1);
    ck_assert_uint_lt(weight_gradient_rooms(g).all, 5 << 20);
    weight_gradient_free(g);
}
END_TEST

START_TEST(others_are_left_to_the_library)
{
    struct tess_kernel_desc good = desc_of(&sizes[0]), d;
    ck_assert(weight_gradient_fits(&good));
    d = good;
    d.kh = d.kw = 1; /* a product */
    ck_assert(!weight_gradient_fits(&d));
    d = good;
    d.dtype_a = TESS_F32;
    ck_assert(!weight_gradient_fits(&d));
    d = good;
    d.what = TESS_CONV_DATA;
    ck_assert(!weight_gradient_fits(&d));
    d = good;
    d.ci = 1;
    ck_assert(!weight_gradient_fits(&d));
    d = good;
    d.stride = 3;
    ck_assert(!weight_gradient_fits(&d));
    d = good;
    d.w = INT64_C(1) << 40;
    ck_assert(!weight_gradient_fits(&d));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("weight gradients by tiles");
    TCase *tests = tcase_create("shapes");
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, loops_give_the_sums, 0, sizeof sizes / sizeof *sizes);
    tcase_add_loop_test(tests, tiles_of_the_processor_give_the_same_bits, 0, sizeof sizes / sizeof *sizes);
    tcase_add_test(tests, many_sums_have_long_pieces);
    tcase_add_test(tests, others_are_left_to_the_library);
    return suite_run(suite);
}
