/* Scales, ticks and their texts (svg.h). SPDX-License-Identifier: MIT */
#include "core/report/svg.h"

#include <math.h>
#include <string.h>

enum { SVG_TICKS_MOST = 16 };

/* The step of 1, 2 or 5 times a power of ten nearest above span / wanted. */
static double scale_step(double span, int32_t wanted)
{
    double rough = span / wanted, power = pow(10.0, floor(log10(rough))), part = rough / power;
    return power * (part <= 1.0 ? 1.0 : part <= 2.0 ? 2.0 : part <= 5.0 ? 5.0 : 10.0);
}

static void scale_tick(struct tessi_svg_scale *s, double value)
{
    if (s->ticks < SVG_TICKS_MOST)
        s->tick[s->ticks++] = value;
}

/* Ticks within lo .. hi. The ends stay as the data have them: a curve fills its panel. */
static void scale_linear(struct tessi_svg_scale *s, int32_t wanted)
{
    double step = scale_step(s->hi - s->lo, wanted);
    for (double i = ceil(s->lo / step - 1e-9); i * step <= s->hi + 1e-9 * step && s->ticks < SVG_TICKS_MOST; i++)
        scale_tick(s, fabs(i) < 0.5 ? 0.0 : i * step);
}

/* Powers of ten, every so many where there are many; with their 2nd and 5th multiples where there are few. */
static void scale_logarithmic(struct tessi_svg_scale *s, int32_t wanted)
{
    int first = (int)floor(log10(s->lo) - 1e-9), last = (int)ceil(log10(s->hi) + 1e-9), decades = last - first;
    int skip = decades > wanted ? (decades + wanted - 1) / wanted : 1;
    static const double parts[] = {1.0, 2.0, 5.0};
    for (int k = first; k <= last; k++)
        for (int i = 0; i < (decades <= 3 ? 3 : 1); i++) {
            double value = parts[i] * pow(10.0, k);
            if (k % skip == 0 && value >= s->lo * (1 - 1e-9) && value <= s->hi * (1 + 1e-9))
                scale_tick(s, value);
        }
    if (s->ticks < 2 && s->hi / s->lo < 10.0) { /* within a decade, round steps tell more */
        s->ticks = 0;
        scale_linear(s, wanted);
    }
}

struct tessi_svg_scale tessi_report_svg_scale(double lo, double hi, int32_t kind, double from, double to, int32_t wanted)
{
    struct tessi_svg_scale s = {.lo = lo, .hi = hi, .from = from, .to = to};
    s.logarithmic = kind != TESSI_SVG_LINEAR && lo > 0 && (kind == TESSI_SVG_LOG || hi > 20.0 * lo);
    if (!isfinite(lo) || !isfinite(hi) || hi < lo) {
        s.lo = 0.0;
        s.hi = 1.0;
        s.logarithmic = 0;
    } else if (hi - lo <= 1e-12 * fmax(fabs(lo), fabs(hi))) {
        double margin = lo < 0 || lo > 0 ? 0.05 * fabs(lo) : 1.0;
        s.lo = lo - margin;
        s.hi = lo + margin;
    }
    if (s.logarithmic)
        scale_logarithmic(&s, wanted);
    else
        scale_linear(&s, wanted);
    return s;
}

double tessi_report_svg_at(const struct tessi_svg_scale *s, double value)
{
    double lo = s->logarithmic ? log(s->lo) : s->lo, hi = s->logarithmic ? log(s->hi) : s->hi;
    double part = ((s->logarithmic ? log(value) : value) - lo) / (hi - lo);
    return s->from + part * (s->to - s->from);
}

/* "1e-06" as "1e-6". */
static void scale_shorten(char *text)
{
    char *e = strchr(text, 'e');
    if (!e)
        return;
    char *digits = e + 1 + (e[1] == '+' || e[1] == '-');
    size_t zeros = strspn(digits, "0");
    if (digits[zeros] == '\0')
        zeros--;
    memmove(digits, digits + zeros, strlen(digits + zeros) + 1);
    if (e[1] == '+')
        memmove(e + 1, e + 2, strlen(e + 2) + 1);
}

const char *tessi_report_svg_number(double value, char *text, size_t capacity)
{
    double size = fabs(value);
    if (size >= 1e4 && size < 1e6)
        (void)snprintf(text, capacity, "%.4gk", value / 1e3);
    else if (size >= 1e6 && size < 1e9)
        (void)snprintf(text, capacity, "%.4gM", value / 1e6);
    else
        (void)snprintf(text, capacity, "%.4g", value);
    scale_shorten(text);
    return text;
}
