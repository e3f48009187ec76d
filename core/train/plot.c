/* See plot.h. Letters are 3 x 5 dots, each row an octal digit: enough for names and numbers, and no library. SPDX-License-Identifier: MIT
 */
#include "core/train/plot.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 512, PANEL = 96, TOP = 18, BORDER = 4, DOT = 2, INK = 0, FRAME = 190, PAPER = 255 };

static const struct {
    char letter;
    const char *rows;
} glyphs[] = {{'0', "75557"}, {'1', "26227"}, {'2', "71747"}, {'3', "71717"}, {'4', "55711"}, {'5', "74717"}, {'6', "74757"},
              {'7', "71111"}, {'8', "75757"}, {'9', "75717"}, {'a', "25755"}, {'b', "65656"}, {'c', "34443"}, {'d', "65556"},
              {'e', "74647"}, {'f', "74644"}, {'g', "34553"}, {'h', "55755"}, {'i', "72227"}, {'j', "11152"}, {'k', "55655"},
              {'l', "44447"}, {'m', "57755"}, {'n', "65555"}, {'o', "25552"}, {'p', "65644"}, {'q', "25573"}, {'r', "65655"},
              {'s', "34216"}, {'t', "72222"}, {'u', "55557"}, {'v', "55552"}, {'w', "55775"}, {'x', "55255"}, {'y', "55222"},
              {'z', "71247"}, {'.', "00002"}, {'-', "00700"}, {'+', "02720"}, {'/', "11244"}, {':', "02020"}};

static void plot_dot(uint8_t *page, int64_t y, int64_t x, uint8_t shade)
{
    page[y * WIDTH + x] = shade;
}

static void write_text(uint8_t *page, int64_t top, const char *text)
{
    int64_t left = BORDER;
    for (; *text && left + 4 * DOT < WIDTH; text++, left += 4 * DOT)
        for (size_t i = 0; i < sizeof glyphs / sizeof *glyphs; i++)
            for (int64_t at = 0; glyphs[i].letter == tolower((unsigned char)*text) && at < 15 * DOT * DOT; at++) {
                int64_t y = at / (3 * DOT), x = at % (3 * DOT);
                if ((glyphs[i].rows[y / DOT] - '0') >> (2 - x / DOT) & 1)
                    plot_dot(page, top + y, left + x, INK);
            }
}

/* The vertical axis: its ends, the last value drawn, linear or logarithmic. */
struct scale {
    double least, max, last;
    int logarithmic;
};

static struct scale scale_of(int64_t points, int32_t series, const float *curve, int32_t which)
{
    struct scale s = {.least = INFINITY, .max = -INFINITY};
    for (int64_t i = 0; i < points; i++) {
        s.last = (double)curve[i * (1 + series) + 1 + which];
        s.least = s.last < s.least ? s.last : s.least;
        s.max = s.last > s.max ? s.last : s.max;
    }
    s.logarithmic = s.least > 0.0 && s.max > 20.0 * s.least;
    return s;
}

/* Height of a value, 0 at the bottom to 1 at the top; the middle where all values are equal. */
static double plot_height(const struct scale *s, double value)
{
    double from = s->logarithmic ? log(s->least) : s->least, to = s->logarithmic ? log(s->max) : s->max;
    return to > from ? ((s->logarithmic ? log(value) : value) - from) / (to - from) : 0.5;
}

static void draw_panel(uint8_t *page, int64_t points, int32_t series, const float *curve, int32_t which, const char *name)
{
    const int64_t top = which * PANEL + TOP, bottom = (which + 1) * PANEL - BORDER, wide = WIDTH - 2 * BORDER;
    const double end = (double)curve[(points - 1) * (1 + series)];
    struct scale s = scale_of(points, series, curve, which);
    char text[128];
    int64_t before = -1;
    snprintf(text, sizeof text, "%.30s: %.3g to %.3g last %.3g%s", name, s.least, s.max, s.last, s.logarithmic ? " log" : "");
    write_text(page, which * PANEL + BORDER, text);
    for (int64_t x = 0; x < wide; x++) {
        plot_dot(page, top - 1, BORDER + x, FRAME);
        plot_dot(page, bottom, BORDER + x, FRAME);
    }
    for (int64_t x = 0, i = 0; x < wide; x++) { /* i: the point whose steps this column shows */
        while (i + 1 < points && (double)curve[i * (1 + series)] < end * (double)(x + 1) / (double)wide)
            i++;
        int64_t y = bottom - 1 - (int64_t)(plot_height(&s, (double)curve[i * (1 + series) + 1 + which]) * (double)(bottom - 1 - top));
        for (int64_t k = before < 0 ? y : before, step = k < y ? 1 : -1;; k += step) {
            plot_dot(page, k, BORDER + x, INK);
            if (k == y)
                break;
        }
        before = y;
    }
}

int tessi_train_plot(struct tess_context *ctx, int64_t points, int32_t series, const float *curve, const char *const *name,
                     struct tess_tensor *out)
{
    *out = tess_tensor_over(NULL, TESS_U8, 3, (const int64_t[]){series * PANEL, WIDTH, 1});
    TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(out), "a picture of the training", &out->data));
    memset(out->data, PAPER, tess_tensor_bytes(out));
    for (int32_t i = 0; i < series; i++)
        draw_panel(out->data, points, series, curve, i, name[i]);
    return TESS_OK;
}
