/* Drawing in a terminal. A character cell is about twice as high as wide, so it takes two pixels, one above the other: the upper as the
 * colour of a half block, the lower as its background. SPDX-License-Identifier: MIT */
#include "cli/draw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_MAX 2000
#define HALF_BLOCK "\xe2\x96\x80" /* U+2580 */

struct canvas {
    int64_t height, width;
    uint8_t *rgb;
};

int64_t cli_columns(void)
{
    struct winsize size;
    const char *text = getenv("COLUMNS");
    long n = 0;
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        n = size.ws_col;
    else if (text)
        n = strtol(text, NULL, 10);
    return n >= 1 && n <= COLUMNS_MAX ? n : 80;
}

/* Scales a picture down to the canvas, whose pixels are each the mean of those they cover. */
static void draw_shrink(const struct tess_tensor *picture, struct canvas *to)
{
    int64_t h = picture->dim[0], w = picture->dim[1], channels = picture->dim[2];
    const uint8_t *from = picture->data;
    for (int64_t y = 0; y < to->height; y++)
        for (int64_t x = 0; x < to->width; x++)
            for (int64_t k = 0; k < 3; k++) {
                int64_t y1 = (y + 1) * h / to->height, x1 = (x + 1) * w / to->width, y0 = y * h / to->height, x0 = x * w / to->width;
                int64_t sum = 0, n = (y1 - y0) * (x1 - x0);
                for (int64_t i = y0; i < y1; i++)
                    for (int64_t j = x0; j < x1; j++)
                        sum += from[(i * w + j) * channels + (channels == 3 ? k : 0)];
                to->rgb[(y * to->width + x) * 3 + k] = (uint8_t)((sum + n / 2) / n);
            }
}

static int step_of_six(uint8_t value)
{
    return (value * 5 + 127) / 255;
}

/* Nearest colour of the terminal's 256: one of the 6 x 6 x 6 cube, or of the 24 greys. */
static int colour_of_256(const uint8_t *p)
{
    if (p[0] == p[1] && p[1] == p[2])
        return p[0] < 4 ? 16 : p[0] > 246 ? 231 : 232 + (p[0] - 3) * 24 / 244;
    return 16 + 36 * step_of_six(p[0]) + 6 * step_of_six(p[1]) + step_of_six(p[2]);
}

/* Sets a colour; `what`: 38 for letters, 48 for the background. */
static void set_colour(int what, const uint8_t *p, int full)
{
    if (full)
        printf("\033[%d;2;%d;%d;%dm", what, p[0], p[1], p[2]);
    else
        printf("\033[%d;5;%dm", what, colour_of_256(p));
}

static void draw_blocks(const struct canvas *k, int full)
{
    for (int64_t y = 0; y < k->height; y += 2) {
        const uint8_t *last[2] = {NULL, NULL};
        for (int64_t x = 0; x < k->width; x++) {
            const uint8_t *upper = k->rgb + (y * k->width + x) * 3, *lower = y + 1 < k->height ? upper + k->width * 3 : NULL;
            if (!last[0] || memcmp(last[0], upper, 3) != 0)
                set_colour(38, upper, full);
            if (lower && (!last[1] || memcmp(last[1], lower, 3) != 0))
                set_colour(48, lower, full);
            fputs(HALF_BLOCK, stdout);
            last[0] = upper;
            last[1] = lower;
        }
        puts("\033[0m");
    }
}

static int draw_luma(const uint8_t *p)
{
    return (299 * p[0] + 587 * p[1] + 114 * p[2]) / 1000;
}

static void draw_shades(const struct canvas *k)
{
    static const char shades[] = " .:-=+*#%@";
    for (int64_t y = 0; y < k->height; y += 2) {
        for (int64_t x = 0; x < k->width; x++) {
            const uint8_t *upper = k->rgb + (y * k->width + x) * 3, *lower = y + 1 < k->height ? upper + k->width * 3 : upper;
            putchar(shades[(draw_luma(upper) + draw_luma(lower)) * 9 / 510]);
        }
        putchar('\n');
    }
}

int cli_draw(struct tess_context *ctx, const struct tess_tensor *picture, int colour)
{
    struct canvas k = {.width = cli_columns()};
    if (k.width > picture->dim[1])
        k.width = picture->dim[1];
    k.height = picture->dim[0] * k.width / picture->dim[1];
    if (k.height < 1)
        k.height = 1;
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(k.height * k.width * 3), "drawing a picture", &memory));
    k.rgb = memory;
    draw_shrink(picture, &k);
    const char *terminal = getenv("COLORTERM");
    if (colour && isatty(STDOUT_FILENO))
        draw_blocks(&k, terminal && (strstr(terminal, "truecolor") || strstr(terminal, "24bit")));
    else
        draw_shades(&k);
    tess_free(memory);
    return TESS_OK;
}
