/* The kernels against plain loops in double, every table this processor has, at sizes that do not fill a vector.
 * SPDX-License-Identifier: MIT */
#include "core/kernels/kernels.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const tables[] = {"portable", "avx2", "avx512"};
enum { N = 1037 };

static float a[N], b[N], c[N], y[N], z[N];

static float draw(void)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) * 0x1p-24f * 8.0f - 4.0f;
}

static int choose(int i)
{
    for (int k = 0; k < N; k++) {
        a[k] = draw();
        b[k] = draw();
        c[k] = draw();
    }
    return tessi_kernels_use(tables[i]) == 0;
}

static void near(const char *what, double got, double want, double bound)
{
    ck_assert_msg(fabs(got - want) <= bound * fmax(1.0, fabs(want)), "%s (%s): %.9g, not %.9g", what, tessi_kernels_name(), got, want);
}

static double gelu(double x)
{
    return 0.5 * x * (1.0 + erf(x / sqrt(2.0)));
}

static double function(int which, double x)
{
    switch (which) {
    case TESSI_SWISH:
        return x / (1.0 + exp(-x));
    case TESSI_GELU:
        return gelu(x);
    case TESSI_MISH:
        return x * tanh(log1p(exp(x)));
    case TESSI_TANH:
        return tanh(x);
    case TESSI_SIGMOID:
        return 1.0 / (1.0 + exp(-x));
    case TESSI_LEAKY:
        return x > 0.0 ? x : 0.2 * x;
    case TESSI_ABS:
        return fabs(x);
    case TESSI_SQUARE:
        return x * x;
    case TESSI_EXP:
        return exp(x);
    case TESSI_LOG:
        return log(x);
    case TESSI_ATANH:
        return atanh(x);
    default:
        return sqrt(x);
    }
}

START_TEST(functions_of_one_variable)
{
    if (!choose(_i))
        return;
    const float wide[] = {-90.0f, -30.0f, -20.5f, -1e-6f, 0.0f, 1e-6f, 20.5f, 30.0f, 80.0f};
    for (int f = 0; f < TESSI_UNARY_COUNT; f++) {
        int positive = f == TESSI_LOG || f == TESSI_SQRT;
        memcpy(a, wide, f == TESSI_EXP || f == TESSI_SQUARE || f == TESSI_ATANH || positive ? 0 : sizeof wide);
        for (int k = 0; k < N && f == TESSI_ATANH; k++)
            a[k] = 0.97f * a[k] / (1.0f + fabsf(a[k]));
        for (int k = 0; k < N && positive; k++)
            a[k] = fabsf(a[k]) + 0.1f;
        tessi_kernels()->as_f32.unary[f](N, 0.2f, a, y);
        tessi_kernels()->as_f32.unary_back[f](N, 0.2f, a, b, z);
        for (int k = 0; k < N; k++) {
            double x = (double)a[k], h = 1e-5, slope = (function(f, x + h) - function(f, x - h)) / (2.0 * h);
            near("a function", (double)y[k], function(f, x), 4e-7);
            if (fabs(x) > 1e-4)
                near("its slope", (double)z[k], (double)b[k] * slope, 2e-6 * fmax(1.0, fabs((double)b[k])));
        }
    }
}
END_TEST

enum { ARGUMENTS = 1 << 16 };

static int is_nan(uint16_t bf16)
{
    return (bf16 & 0x7fff) > 0x7f80;
}

/* Every argument there is, with many gradients from above, and lengths that end in parts of a vector. */
START_TEST(tables_have_the_bits_of_their_functions)
{
    static uint16_t x[ARGUMENTS], dy[ARGUMENTS], got[ARGUMENTS], want[ARGUMENTS];
    if (!choose(_i))
        return;
    for (int f = 0; f < TESSI_UNARY_COUNT; f++) {
        ck_assert_int_eq(tessi_kernels_is_tabulated(f), f == TESSI_SWISH || f == TESSI_GELU || f == TESSI_MISH);
        for (int round = 0; round < 8 && tessi_kernels_is_tabulated(f); round++) {
            int64_t n = ARGUMENTS - 37 * round;
            for (int i = 0; i < ARGUMENTS; i++) {
                x[i] = (uint16_t)(i + 1001 * round);
                dy[i] = (uint16_t)(round ? i * 40503 + round * 9973 : 0x3f80);
            }
            tessi_kernels()->as_bf16.unary[f](n, 0.0f, x, want);
            tessi_kernels_tabulated(f, n, x, got);
            ck_assert_msg(memcmp(got, want, (size_t)n * 2) == 0, "function %d (%s)", f, tessi_kernels_name());
            tessi_kernels()->as_bf16.unary_back[f](n, 0.0f, x, dy, want);
            tessi_kernels_tabulated_back(f, n, x, dy, got);
            for (int64_t i = 0; i < n; i++)
                ck_assert_msg(got[i] == want[i] || (is_nan(got[i]) && is_nan(want[i])),
                              "slope of function %d (%s) at %#x, times %#x: %#x, not %#x", f, tessi_kernels_name(), x[i], dy[i], got[i],
                              want[i]);
        }
    }
}
END_TEST

START_TEST(a_layer_norm_made_again)
{
    uint16_t narrow[N], first[N], again[N];
    if (!choose(_i))
        return;
    for (int n = 1; n <= N; n += 1 + n / 3) {
        float mean, rstd;
        tessi_kernels()->as_f32.layer_norm(n, 1e-5f, a, b, c, y, &mean, &rstd);
        tessi_kernels()->as_f32.layer_norm_again(n, mean, rstd, a, b, c, z);
        ck_assert(memcmp(y, z, (size_t)n * sizeof *y) == 0);
        tessi_kernels()->to_bf16(n, a, narrow);
        tessi_kernels()->as_bf16.layer_norm(n, 1e-5f, narrow, b, c, first, &mean, &rstd);
        tessi_kernels()->as_bf16.layer_norm_again(n, mean, rstd, narrow, b, c, again);
        ck_assert(memcmp(first, again, (size_t)n * sizeof *first) == 0);
    }
}
END_TEST

START_TEST(sums)
{
    if (!choose(_i))
        return;
    double s = 0.0, d = 0.0, column[17] = {0};
    for (int k = 0; k < N; k++) {
        s += (double)a[k];
        d += (double)a[k] * (double)b[k];
    }
    near("sum", tessi_kernels()->sum(N, a), s, 1e-5 * N);
    near("dot", tessi_kernels()->dot(N, a, b), d, 1e-5 * N);
    memset(y, 0, sizeof y);
    tessi_kernels()->as_f32.column_sums(61, 17, a, y);
    for (int k = 0; k < 61 * 17; k++)
        column[k % 17] += (double)a[k];
    for (int k = 0; k < 17; k++)
        near("column sum", (double)y[k], column[k], 1e-4);
}
END_TEST

START_TEST(softmax_and_cross_entropy)
{
    if (!choose(_i))
        return;
    for (int n = 1; n < 70; n += 7) {
        double s = 0.0;
        memcpy(y, a, sizeof y);
        float lse = tessi_kernels()->as_f32.softmax(n, 0.5f, y, y);
        for (int k = 0; k < n; k++)
            s += exp(0.5 * (double)a[k]);
        near("ln sum exp", (double)lse, log(s), 1e-6);
        memcpy(z, a, sizeof z);
        tessi_kernels()->as_f32.softmax_again(n, 0.5f, lse, z, z);
        for (int k = 0; k < n; k++) {
            near("softmax", (double)y[k], exp(0.5 * (double)a[k]) / s, 1e-6);
            near("softmax made again", (double)z[k], (double)y[k], 2e-6);
        }
        s = 0.0;
        for (int k = 0; k < n; k++)
            s += exp((double)a[k]);
        lse = tessi_kernels()->log_sum_exp(n, a);
        near("ln sum exp", (double)lse, log(s), 1e-6);
        tessi_kernels()->cross_entropy_back(n, a, lse, 2.0f, y);
        for (int k = 0; k < n; k++)
            near("gradient of cross-entropy", (double)y[k], 2.0 * exp((double)a[k]) / s, 2e-6);
    }
}
END_TEST

/* Values that bf16 holds as they are, so that both tables have the same sums. */
static void check_query(int64_t rows, int64_t n, const struct tessi_kernels_stored_kernels *kernels, const void *x)
{
    kernels->row_products(rows, n, x, b, y);
    for (int64_t i = 0; i < rows; i++) {
        double want = 0.0;
        for (int64_t k = 0; k < n; k++)
            want += (double)a[i * n + k] * (double)b[k];
        near("a row's product", (double)y[i], want, 1e-6 * (double)n);
    }
    kernels->row_mixture(rows, n, x, c, y);
    for (int64_t k = 0; k < n; k++) {
        double want = 0.0;
        for (int64_t i = 0; i < rows; i++)
            want += (double)c[i] * (double)a[i * n + k];
        near("a mixture of rows", (double)y[k], want, 1e-6 * (double)rows);
    }
}

/* The largest is found wherever it stands, or e^x of it would not be finite; what is no number is not lost. */
START_TEST(softmax_of_extreme_rows)
{
    if (!choose(_i))
        return;
    for (int n = 1; n < 70; n++)
        for (int k = 0; k < n; k++) {
            memcpy(y, a, sizeof y);
            y[k] = 1000.0f;
            ck_assert_float_eq(tessi_kernels()->as_f32.softmax(n, 1.0f, y, y), 1000.0f);
            for (int i = 0; i < n; i++)
                ck_assert_msg(i == k ? y[i] == 1.0f : y[i] >= 0.0f && y[i] < 1e-30f, "%d of %d: %.9g", i, n, (double)y[i]);
            memcpy(y, a, sizeof y);
            y[k] = NAN;
            ck_assert_float_nan(tessi_kernels()->log_sum_exp(n, y));
            ck_assert_float_nan(tessi_kernels()->as_f32.softmax(n, 1.0f, y, y));
            for (int i = 0; i < n; i++)
                ck_assert_float_nan(y[i]);
        }
}
END_TEST

START_TEST(one_query_over_rows)
{
    static const int64_t widths[] = {1, 3, 16, 32, 63, 64, 65, 130};
    uint16_t narrow[N];
    if (!choose(_i))
        return;
    tessi_kernels()->to_bf16(N, a, narrow);
    tessi_kernels()->from_bf16(N, narrow, a);
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (int64_t rows = 1; rows * widths[w] <= N; rows = 2 * rows + 1) {
            check_query(rows, widths[w], &tessi_kernels()->as_f32, a);
            check_query(rows, widths[w], &tessi_kernels()->as_bf16, narrow);
        }
}
END_TEST

START_TEST(the_lowest_of_lanes)
{
    if (!choose(_i))
        return;
    float lane[TESSI_LANES + TESSI_FOLDED], two[2];
    for (int64_t n = 1; n <= N; n = n < 260 ? n + 1 : n + 97) {
        float want[TESSI_LANES + TESSI_FOLDED], least = INFINITY, next = INFINITY;
        for (int i = 0; i < TESSI_LANES + TESSI_FOLDED; i++)
            want[i] = INFINITY;
        b[n / 2] = n % 3 ? b[n / 2] : NAN;
        a[n - 1] = n % 5 ? a[n - 1] : a[0]; /* equals now and then */
        b[n - 1] = n % 5 ? b[n - 1] : b[0];
        for (int64_t k = 0; k < n; k++) {
            float s = a[k] - b[k];
            if (isnan(s))
                continue;
            want[k % TESSI_LANES] = fminf(want[k % TESSI_LANES], s);
            want[TESSI_LANES + k % TESSI_FOLDED] = fminf(want[TESSI_LANES + k % TESSI_FOLDED], s);
            next = fminf(next, fmaxf(least, s));
            least = fminf(least, s);
        }
        for (int second = 0; second < 2; second++) {
            tessi_kernels()->lowest(n, a, b, second, lane, two);
            ck_assert_msg(memcmp(lane, want, sizeof want) == 0 && two[0] == least, "%lld values", (long long)n);
            ck_assert_msg(two[1] == (second ? next : INFINITY), "%lld values: %g, not %g", (long long)n, (double)two[1], (double)next);
        }
    }
}
END_TEST

START_TEST(operands_and_what_they_lose)
{
    if (!choose(_i))
        return;
    uint16_t narrow[N], plain[N];
    for (int n = 1; n < 300; n += 1 + n / 7) {
        float square[2];
        double kept = 0.0, lost = 0.0;
        a[n / 2] = 3e-39f; /* subnormal beside a centre of zero */
        b[n / 2] = 0.0f;
        tessi_kernels()->round_bf16(n, a, b, narrow, square);
        tessi_kernels()->sub(n, a, b, c);
        tessi_kernels()->to_bf16(n, c, plain);
        for (int k = 0; k < n; k++) {
            uint32_t bits = (uint32_t)narrow[k] << 16;
            float rounded;
            memcpy(&rounded, &bits, sizeof rounded);
            ck_assert_int_eq(narrow[k], plain[k] & 0x7f80 ? plain[k] : 0);
            kept += pow((double)rounded, 2.0);
            lost += pow((double)c[k] - (double)rounded, 2.0);
        }
        ck_assert_int_eq(narrow[n / 2], 0);
        near("kept", (double)square[0], kept, 1e-6);
        ck_assert(fabs((double)square[1] - lost) <= 1e-6 * lost + 1e-30);
    }
    tessi_kernels()->round_bf16(1, (float[]){3.4e38f}, (float[]){-3.4e38f}, narrow, y);
    ck_assert(!isfinite(y[1])); /* nothing can be said of it */
}
END_TEST

START_TEST(sums_in_double)
{
    if (!choose(_i))
        return;
    double s = 0.0, sum[N], want[N];
    for (int i = 0; i < 77; i++)
        s += pow((double)a[i] - (double)b[i], 2.0);
    near("squared distance", tessi_kernels()->square_distance(77, a, b), s, 1e-14);
    for (int i = 0; i < N; i++)
        want[i] = (sum[i] = (double)c[i] / 3.0) + (double)a[i];
    tessi_kernels()->accumulate_double(N, a, sum);
    ck_assert(memcmp(sum, want, sizeof want) == 0);
}
END_TEST

START_TEST(adam_follows_its_formula)
{
    if (!choose(_i))
        return;
    float w[37], m[37], v[37];
    double dw[37], dm[37] = {0}, dv[37] = {0};
    memset(m, 0, sizeof m);
    memset(v, 0, sizeof v);
    for (int k = 0; k < 37; k++)
        dw[k] = (double)(w[k] = b[k]);
    for (int t = 1; t <= 5; t++) {
        struct tessi_adam p = {.lr = 0.01f,
                               .beta1 = 0.9f,
                               .beta2 = 0.99f,
                               .epsilon = 1e-8f,
                               .decay = 0.001f,
                               .l2 = 0.02f,
                               .correct1 = (float)(1.0 - pow(0.9, t)),
                               .correct2 = (float)(1.0 - pow(0.99, t)),
                               .gradient_scale = 0.5f};
        tessi_kernels()->adam(37, &p, a + t, w, m, v);
        for (int k = 0; k < 37; k++) {
            double g = 0.5 * (double)a[t + k] + 0.02 * dw[k];
            dm[k] = 0.9 * dm[k] + 0.1 * g;
            dv[k] = 0.99 * dv[k] + 0.01 * g * g;
            dw[k] = dw[k] * (1.0 - 0.001) - 0.01 * (dm[k] / (1.0 - pow(0.9, t))) / (sqrt(dv[k] / (1.0 - pow(0.99, t))) + 1e-8);
            near("Adam", (double)w[k], dw[k], 1e-5);
        }
    }
}
END_TEST

/* Sums of 1024 products in lanes of one vector, by a compiler that fuses none of them here. */
static double in_lanes(int lanes)
{
    float sum[4] = {0.0f};
    for (int i = 0; i < 1024; i++)
        sum[i % lanes] += a[i] * b[i];
    return lanes == 1 ? (double)sum[0] : (double)((sum[0] + sum[2]) + (sum[1] + sum[3]));
}

/* The name that keys have for the kernels says in which order rows are summed: results of another order have another key. */
START_TEST(the_order_of_sums_is_in_the_name)
{
    ck_assert(choose(0));
#ifdef TESSI_X86_64
    double got = tessi_kernels()->dot(1024, a, b);
    ck_assert(in_lanes(4) != in_lanes(1));
    if (!*tessi_kernels_order())
        ck_assert_msg(got == in_lanes(4), "%a, not %a: other lanes, or products are fused", got, in_lanes(4));
    else
        ck_assert_msg(got != in_lanes(4), "the order called%s is the usual one", tessi_kernels_order());
#endif
}
END_TEST

int main(void)
{
    Suite *s = suite_create("kernels");
    TCase *t = tcase_create("every table");
    tcase_add_loop_test(t, functions_of_one_variable, 0, 3);
    tcase_add_loop_test(t, tables_have_the_bits_of_their_functions, 0, 3);
    tcase_add_loop_test(t, a_layer_norm_made_again, 0, 3);
    tcase_add_loop_test(t, sums, 0, 3);
    tcase_add_loop_test(t, softmax_and_cross_entropy, 0, 3);
    tcase_add_loop_test(t, softmax_of_extreme_rows, 0, 3);
    tcase_add_loop_test(t, one_query_over_rows, 0, 3);
    tcase_add_loop_test(t, the_lowest_of_lanes, 0, 3);
    tcase_add_loop_test(t, operands_and_what_they_lose, 0, 3);
    tcase_add_loop_test(t, sums_in_double, 0, 3);
    tcase_add_loop_test(t, adam_follows_its_formula, 0, 3);
    tcase_add_test(t, the_order_of_sums_is_in_the_name);
    suite_add_tcase(s, t);
    return suite_run(s);
}
