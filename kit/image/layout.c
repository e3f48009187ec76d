/* See layout.h. SPDX-License-Identifier: MIT */
#include "kit/image/layout.h"

#include <stdio.h>
#include <string.h>

enum { SIDE_MAX = 65536 };

static const char *const layout_letters[] = {"", "nhwc", "nchw", "nhw", "hwc", "chw", "hw"};

static int layout_is_channels(int64_t n)
{
    return n == 1 || n == 3;
}

/* "60000 x 32 x 32 x 3" */
static void layout_shape(int32_t rank, const int64_t *dim, char *to, size_t capacity)
{
    size_t n = 0;
    to[0] = '\0';
    for (int32_t i = 0; i < rank && n < capacity; i++)
        n += (size_t)snprintf(to + n, capacity - n, "%s%lld", i ? " x " : "", (long long)dim[i]);
}

/* The layout that rank and sizes tell; LAYOUT_AUTO: none, or not one alone. */
static int32_t layout_guess(int32_t rank, const int64_t *dim)
{
    if (rank == 2)
        return LAYOUT_HW;
    if (rank == 3)
        return layout_is_channels(dim[2]) || layout_is_channels(dim[0]) ? LAYOUT_AUTO : LAYOUT_NHW;
    if (rank != 4 || layout_is_channels(dim[3]) == layout_is_channels(dim[1]))
        return LAYOUT_AUTO;
    return layout_is_channels(dim[3]) ? LAYOUT_NHWC : LAYOUT_NCHW;
}

int layout_of(struct tess_context *ctx, const char *path, int32_t layout, int32_t rank, const int64_t *dim, struct layout *out)
{
    char shape[200];
    layout_shape(rank, dim, shape, sizeof shape);
    int32_t told = layout == LAYOUT_AUTO ? layout_guess(rank, dim) : layout;
    if (told == LAYOUT_AUTO)
        return ctx->fail(ctx, TESS_E_DATA, "%s: an array of %s may be images in several ways, or in none; set `layout`", path, shape);
    const char *letters = layout_letters[told];
    if ((size_t)rank != strlen(letters))
        return ctx->fail(ctx, TESS_E_DATA, "%s: an array of %s does not fit `layout: %s`", path, shape, letters);
    *out = (struct layout){1, 1, 1, 1, told == LAYOUT_NCHW || told == LAYOUT_CHW};
    for (int32_t i = 0; i < rank; i++)
        *(letters[i] == 'n' ? &out->count : letters[i] == 'h' ? &out->height : letters[i] == 'w' ? &out->width : &out->channels) = dim[i];
    if (out->count < 1 || out->height < 1 || out->width < 1 || out->height > SIDE_MAX || out->width > SIDE_MAX ||
        !layout_is_channels(out->channels))
        return ctx->fail(
            ctx, TESS_E_DATA,
            "%s: an array of %s as %s has %lld images of %lld x %lld x %lld; at least one, sides of 1 to 65536 and 1 or 3 channels "
            "are wanted; check `layout`",
            path, shape, letters, (long long)out->count, (long long)out->height, (long long)out->width, (long long)out->channels);
    out->planar = out->planar && out->channels > 1;
    return TESS_OK;
}

void layout_interleave(const struct layout *l, const uint8_t *from, uint8_t *to)
{
    int64_t area = l->height * l->width;
    for (int64_t k = 0; k < l->channels; k++)
        for (int64_t p = 0; p < area; p++)
            to[p * l->channels + k] = from[k * area + p];
}
