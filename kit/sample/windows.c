/* SPDX-License-Identifier: MIT */
#include "kit/sample/windows.h"

#include <string.h>

/* (22.1): along one side. */
static int64_t windows_along(int64_t size, int64_t window, int64_t stride)
{
    return (size - window + stride - 1) / stride + 1;
}

static int64_t windows_offset(int64_t k, int64_t size, int64_t window, int64_t stride)
{
    return k * stride < size - window ? k * stride : size - window;
}

/* (22.2) */
static int64_t first_covering(int64_t at, int64_t window, int64_t stride)
{
    return at < window ? 0 : (at - window + stride) / stride;
}

static int64_t last_covering(int64_t at, int64_t size, int64_t window, int64_t stride)
{
    return at < size - window ? at / stride : windows_along(size, window, stride) - 1;
}

struct windows windows_over(int64_t height, int64_t width, int64_t h, int64_t w, int64_t stride)
{
    return (struct windows){.height = height,
                            .width = width,
                            .h = h,
                            .w = w,
                            .stride = stride,
                            .rows = windows_along(height, h, stride),
                            .columns = windows_along(width, w, stride)};
}

int64_t windows_count(const struct windows *s)
{
    return s->rows * s->columns;
}

void windows_place(const struct windows *s, int64_t i, int64_t *y, int64_t *x)
{
    *y = windows_offset(i / s->columns, s->height, s->h, s->stride);
    *x = windows_offset(i % s->columns, s->width, s->w, s->stride);
}

struct window_range windows_covering(const struct windows *s, int64_t y, int64_t x)
{
    return (struct window_range){.top = first_covering(y, s->h, s->stride),
                                 .bottom = last_covering(y, s->height, s->h, s->stride),
                                 .left = first_covering(x, s->w, s->stride),
                                 .right = last_covering(x, s->width, s->w, s->stride)};
}

int64_t windows_wanted(const struct windows *s, const uint8_t *chosen, uint8_t *wanted)
{
    int64_t n = 0;
    memset(wanted, 0, (size_t)windows_count(s));
    for (int64_t at = 0; at < s->height * s->width; at++) {
        if (!chosen[at])
            continue;
        struct window_range r = windows_covering(s, at / s->width, at % s->width);
        for (int64_t i = r.top; i <= r.bottom; i++)
            for (int64_t j = r.left; j <= r.right; j++) {
                n += !wanted[i * s->columns + j];
                wanted[i * s->columns + j] = 1;
            }
    }
    return n;
}
