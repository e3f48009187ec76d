/* Drawings: scales, thinned lines, layers of a DAG, texts of strangers. SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/report/html.h"
#include "core/report/svg.h"
#include "core/report/svg_layers.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <string.h>

static struct tessi_context context;
#define CTX (&context.context)

static void setup(void)
{
    tessi_base_context_init(&context, NULL);
}

static int rounded(double tick)
{
    double part = fabs(tick) / pow(10.0, floor(log10(fabs(tick)) + 1e-9));
    double nearest = fmin(fmin(fabs(part - 1), fabs(part - 2)), fmin(fabs(part - 5), fabs(part - 10)));
    return nearest < 1e-9;
}

START_TEST(scales)
{
    static const double ends[][2] = {{0, 1}, {0.2, 0.21}, {-3, 17}, {1e-9, 3e-9}, {0, 123456}, {-1e6, -1}, {5, 5}, {0, 0}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct tessi_svg_scale s = tessi_report_svg_scale(ends[i][0], ends[i][1], TESSI_SVG_LINEAR, 0, 300, 5);
        ck_assert_msg(s.ticks >= 2 && s.ticks <= 11 && !s.logarithmic, "%d ticks of %g to %g", s.ticks, ends[i][0], ends[i][1]);
        for (int32_t k = 0; k < s.ticks; k++) {
            double at = tessi_report_svg_at(&s, s.tick[k]);
            ck_assert_msg(at >= -1e-6 && at <= 300 + 1e-6, "tick %g of %g to %g lies at %g", s.tick[k], ends[i][0], ends[i][1], at);
            if (k)
                ck_assert(rounded(s.tick[k] - s.tick[k - 1]));
        }
    }
}
END_TEST

START_TEST(logarithmic_scales)
{
    struct tessi_svg_scale s = tessi_report_svg_scale(1e-6, 1e3, TESSI_SVG_EITHER, 200, 0, 5);
    ck_assert(s.logarithmic && s.ticks >= 3 && s.ticks <= 7);
    for (int32_t k = 0; k < s.ticks; k++)
        ck_assert_double_eq_tol(log10(s.tick[k]), round(log10(s.tick[k])), 1e-9);
    ck_assert_double_eq_tol(tessi_report_svg_at(&s, 1e-6), 200, 1e-9);
    ck_assert_double_eq_tol(tessi_report_svg_at(&s, 1e3), 0, 1e-9);
    ck_assert(!tessi_report_svg_scale(1, 19, TESSI_SVG_EITHER, 0, 1, 5).logarithmic); /* little is linear */
    ck_assert(!tessi_report_svg_scale(0, 1e6, TESSI_SVG_LOG, 0, 1, 5).logarithmic);   /* zero has no logarithm */
    ck_assert(tessi_report_svg_scale(3, 4, TESSI_SVG_LOG, 0, 1, 5).ticks >= 2);       /* round steps within a decade */
    ck_assert(tessi_report_svg_scale(NAN, INFINITY, TESSI_SVG_LINEAR, 0, 1, 5).ticks >= 2);
}
END_TEST

START_TEST(numbers)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.25, "0.25"}, {20000, "20k"}, {1500000, "1.5M"}, {1e-6, "1e-6"},
                 {2e12, "2e12"}, {0, "0"},       {-30, "-30"},      {1e-10, "1e-10"}};
    char text[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_str_eq(tessi_report_svg_number(cases[i].value, text, sizeof text), cases[i].text);
}
END_TEST

/* Distance of the point from the polyline. */
static double distance(int64_t n, const double *x, const double *y, double px, double py)
{
    double least = INFINITY;
    for (int64_t i = 0; i + 1 < n; i++) {
        double dx = x[i + 1] - x[i], dy = y[i + 1] - y[i], square = dx * dx + dy * dy;
        double part = square > 0 ? fmin(fmax(((px - x[i]) * dx + (py - y[i]) * dy) / square, 0), 1) : 0;
        least = fmin(least, hypot(x[i] + part * dx - px, y[i] + part * dy - py));
    }
    return least;
}

START_TEST(thinned_lines_keep_what_is_seen)
{
    enum { N = 20000, WIDE = 300 };
    static double x[N], y[N], all_x[N], all_y[N];
    double highest = -INFINITY, kept_highest = -INFINITY;
    for (int i = 0; i < N; i++) {
        all_x[i] = x[i] = (double)i * WIDE / N;
        all_y[i] = y[i] = 100 + 40 * sin(i * 0.001) + (i == 7777 ? 60 : 3 * sin(i * 12.9898));
        highest = fmax(highest, y[i]);
    }
    int64_t n = tessi_report_svg_thin(N, x, y, 0.3);
    ck_assert_msg(n < 4 * WIDE, "%lld points", (long long)n);
    ck_assert_double_eq(x[0], 0);
    ck_assert_double_eq(x[n - 1], all_x[N - 1]);
    for (int64_t i = 0; i < n; i++) {
        kept_highest = fmax(kept_highest, y[i]);
        ck_assert(i == 0 || x[i] >= x[i - 1]);
    }
    ck_assert_double_eq(highest, kept_highest); /* a single spike among thousands of points stays */
    for (int i = 0; i < N; i += 97)
        ck_assert_double_le(distance(n, x, y, all_x[i], all_y[i]), 1.5);
    for (int i = 0; i < 100; i++) {
        x[i] = i * 3.0;
        y[i] = 2.0 * i;
    }
    ck_assert_int_le(tessi_report_svg_thin(100, x, y, 0.3), 4); /* a straight line */
    ck_assert_int_eq(tessi_report_svg_thin(1, x, y, 0.3), 1);
}
END_TEST

START_TEST(layers)
{
    static const struct tessi_svg_edge edge[] = {{0, 1, "a"}, {1, 2, "b"}, {0, 2, "c"},
                                                 {2, 3, "d"}, {0, 3, "e"}, {3, 0, "closes a circle"}};
    struct tessi_svg_layers l;
    ck_assert_int_eq(tessi_report_svg_layers(CTX, 5, 6, edge, 100, &l), TESS_OK);
    ck_assert_int_eq(l.layers, 4);
    for (int64_t i = 0; i < 4; i++)
        ck_assert_int_eq(l.place[i].layer, i);
    ck_assert_int_eq(l.place[4].layer, 0); /* a stage that nothing reads */
    ck_assert_int_eq(l.places, 5 + 1 + 2); /* bends of c and of e */
    for (int64_t i = 0; i < l.joints; i++)
        ck_assert_int_eq(l.place[l.joint[i].to].layer, l.place[l.joint[i].from].layer + 1);
    for (int64_t layer = 0; layer < l.layers; layer++)
        for (int64_t i = l.first[layer] + 1; i < l.first[layer + 1]; i++) {
            const struct tessi_svg_place *a = &l.place[l.row[i - 1]], *b = &l.place[l.row[i]];
            ck_assert_double_ge(b->x - a->x, (a->width + b->width) / 2); /* nothing overlaps */
        }
    tessi_report_svg_layers_free(&l);
}
END_TEST

static char *written(void (*write)(FILE *to, const char *text), const char *text)
{
    char *out = NULL;
    size_t bytes;
    FILE *to = open_memstream(&out, &bytes);
    write(to, text);
    ck_assert_int_eq(fclose(to), 0);
    return out;
}

START_TEST(escaping)
{
    static const struct {
        void (*write)(FILE *to, const char *text);
        const char *text, *want;
    } cases[] = {
        {tessi_report_html_text, "<script>alert(\"1\")&'</script>", "&lt;script&gt;alert(&quot;1&quot;)&amp;&#39;&lt;/script&gt;"},
        {tessi_report_html_text, "a\nb\x1b[0m", "a\\nb\\x1b[0m"},
        {tessi_report_html_text, "x\xE2\x80\xAEy", "x\\xe2\\x80\\xaey"}, /* turns the text around */
        {tessi_report_html_text, "\xff", "\\xff"},
        {tessi_report_html_lines, "a<\nb\n", "a&lt;\nb\n"},
        {tessi_report_html_path, "//host/a b\"<", ".///host/a%20b%22%3C"},
        {tessi_report_html_path, "javascript:alert(1)", "./javascript%3Aalert%281%29"},
        {tessi_report_html_id, "a b\"", "a-20b-22"},
        {tessi_report_html_json, "{\"a\":\"</script><!--&\"}", "{\"a\":\"\\u003c/script\\u003e\\u003c!--\\u0026\"}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *out = written(cases[i].write, cases[i].text);
        ck_assert_str_eq(out, cases[i].want);
        free(out);
    }
}
END_TEST

START_TEST(base64)
{
    static const char *const cases[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *out = NULL;
        size_t bytes;
        FILE *to = open_memstream(&out, &bytes);
        tessi_report_html_base64(to, cases[i][0], strlen(cases[i][0]));
        ck_assert_int_eq(fclose(to), 0);
        ck_assert_str_eq(out, cases[i][1]);
        free(out);
    }
}
END_TEST

START_TEST(charts_with_gaps)
{
    static const double x[] = {1, 2, 3, 4}, y[] = {1, NAN, INFINITY, -4}, low[] = {0.5, 0, 0, 1}, high[] = {1.5, -1, -1, 0};
    const struct tessi_svg_series series[] = {{.name = "<a>", .points = 4, .x = x, .y = y, .low = low, .high = high},
                                              {.name = "nothing", .style = TESSI_SVG_CROWD}};
    const struct tessi_svg_chart c = {.id = "f1",
                                      .title = "<title>",
                                      .description = "\"",
                                      .x = {.label = "<x>"},
                                      .y = {.label = "y", .unit = "&", .kind = TESSI_SVG_LOG},
                                      .count = 2,
                                      .series = series,
                                      .joined = 1};
    char *out = NULL;
    size_t bytes;
    FILE *to = open_memstream(&out, &bytes);
    ck_assert_int_eq(tessi_report_svg_chart(CTX, to, &c), TESS_OK);
    ck_assert_int_eq(fclose(to), 0);
    ck_assert(!strstr(out, "nan") && !strstr(out, "inf") && !strstr(out, "<a>") && !strstr(out, "<x>"));
    ck_assert(strstr(out, "&lt;a&gt;") && strstr(out, "role=\"img\"") && strstr(out, "aria-labelledby=\"f1-t f1-d\""));
    free(out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("svg");
    TCase *t = tcase_create("svg");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, scales);
    tcase_add_test(t, logarithmic_scales);
    tcase_add_test(t, numbers);
    tcase_add_test(t, thinned_lines_keep_what_is_seen);
    tcase_add_test(t, layers);
    tcase_add_test(t, escaping);
    tcase_add_test(t, base64);
    tcase_add_test(t, charts_with_gaps);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
