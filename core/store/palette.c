/* See palette.h. SPDX-License-Identifier: MIT */
#include "core/store/palette.h"

#include <stdlib.h>
#include <string.h>

enum { PALETTE_BINS = 1 << 15 };

struct palette_bin {
    int64_t count, sum[3]; /* pixels of the bin and the sums of their channels */
    int16_t bin;
    uint8_t part[3]; /* the bin's number, 5 bits a channel */
};

struct palette_box {
    int64_t first, end, count; /* bins, and their pixels */
    int32_t axis, spread;      /* widest channel and its width in bins */
};

/* ---- exact ---- */

static const uint8_t *palette_pixel(const struct tess_tensor *picture, int64_t i, uint8_t colour[3])
{
    const uint8_t *at = (const uint8_t *)picture->data + i * picture->dim[2];
    for (int64_t k = 0; k < 3; k++)
        colour[k] = at[picture->dim[2] == 3 ? k : 0];
    return colour;
}

static int palette_order(const void *a, const void *b)
{
    return memcmp(a, b, 3);
}

/* Index of a colour in the sorted palette, or of where it belongs; *there tells which. */
static int32_t palette_find(const struct tessi_store_palette *p, const uint8_t colour[3], int *there)
{
    int32_t lo = 0, hi = p->colours;
    while (lo < hi) {
        int32_t middle = (lo + hi) / 2;
        if (palette_order(p->colour[middle], colour) < 0)
            lo = middle + 1;
        else
            hi = middle;
    }
    *there = lo < p->colours && palette_order(p->colour[lo], colour) == 0;
    return lo;
}

/* 1 where the picture has at most `most` colours, which are then the palette, sorted. */
static int palette_exact(const struct tess_tensor *picture, int64_t pixels, int32_t most, struct tessi_store_palette *p, uint8_t *index)
{
    uint8_t colour[3];
    int there;
    p->colours = 0;
    for (int64_t i = 0; i < pixels; i++) {
        int32_t at = palette_find(p, palette_pixel(picture, i, colour), &there);
        if (there)
            continue;
        if (p->colours == most)
            return 0;
        memmove(p->colour[at + 1], p->colour[at], (size_t)(p->colours - at) * 3);
        memcpy(p->colour[at], colour, 3);
        p->colours++;
    }
    for (int64_t i = 0; i < pixels; i++)
        index[i] = (uint8_t)palette_find(p, palette_pixel(picture, i, colour), &there);
    return 1;
}

/* ---- median cut ---- */

static int palette_bin_of(const uint8_t colour[3])
{
    return (colour[0] >> 3) << 10 | (colour[1] >> 3) << 5 | colour[2] >> 3;
}

/* Fills the bins that have pixels to the front; gives their number. */
static int64_t palette_count(const struct tess_tensor *picture, int64_t pixels, struct palette_bin *bin)
{
    uint8_t colour[3];
    int64_t n = 0;
    for (int64_t i = 0; i < pixels; i++) {
        struct palette_bin *b = &bin[palette_bin_of(palette_pixel(picture, i, colour))];
        b->count++;
        for (int k = 0; k < 3; k++)
            b->sum[k] += colour[k];
    }
    for (int i = 0; i < PALETTE_BINS; i++) {
        if (!bin[i].count)
            continue;
        bin[n] = bin[i];
        bin[n].bin = (int16_t)i;
        for (int k = 0; k < 3; k++)
            bin[n].part[k] = (uint8_t)(i >> (10 - 5 * k) & 31);
        n++;
    }
    return n;
}

static void palette_measure(const struct palette_bin *bin, struct palette_box *box)
{
    box->count = 0;
    box->spread = -1;
    for (int64_t i = box->first; i < box->end; i++)
        box->count += bin[i].count;
    for (int32_t k = 0; k < 3; k++) {
        int32_t lo = 31, hi = 0;
        for (int64_t i = box->first; i < box->end; i++) {
            lo = bin[i].part[k] < lo ? bin[i].part[k] : lo;
            hi = bin[i].part[k] > hi ? bin[i].part[k] : hi;
        }
        if (hi - lo > box->spread) {
            box->spread = hi - lo;
            box->axis = k;
        }
    }
}

static int palette_compare(const struct palette_bin *a, const struct palette_bin *b, int32_t axis)
{
    return a->part[axis] != b->part[axis] ? a->part[axis] - b->part[axis] : a->bin - b->bin;
}

static int palette_red(const void *a, const void *b)
{
    return palette_compare(a, b, 0);
}

static int palette_green(const void *a, const void *b)
{
    return palette_compare(a, b, 1);
}

static int palette_blue(const void *a, const void *b)
{
    return palette_compare(a, b, 2);
}

/* Splits a box at its median along the widest channel; the upper part becomes `upper`. */
static void palette_split(struct palette_bin *bin, struct palette_box *box, struct palette_box *upper)
{
    static int (*const orders[])(const void *, const void *) = {palette_red, palette_green, palette_blue};
    qsort(bin + box->first, (size_t)(box->end - box->first), sizeof *bin, orders[box->axis]);
    int64_t at = box->first + 1, seen = bin[box->first].count;
    while (at < box->end - 1 && seen + bin[at].count <= box->count / 2)
        seen += bin[at++].count;
    *upper = (struct palette_box){.first = at, .end = box->end};
    box->end = at;
    palette_measure(bin, box);
    palette_measure(bin, upper);
}

static int32_t palette_boxes(struct palette_bin *bin, int64_t bins, int32_t most, struct palette_box *box)
{
    int32_t n = 1;
    box[0] = (struct palette_box){.end = bins};
    palette_measure(bin, &box[0]);
    while (n < most) {
        int32_t chosen = -1;
        for (int32_t i = 0; i < n; i++)
            if (box[i].end - box[i].first > 1 && (chosen < 0 || box[i].count * box[i].spread > box[chosen].count * box[chosen].spread))
                chosen = i;
        if (chosen < 0)
            break;
        palette_split(bin, &box[chosen], &box[n++]);
    }
    return n;
}

static void palette_cut(const struct tess_tensor *picture, int64_t pixels, int32_t most, struct palette_bin *bin, uint8_t *number,
                        struct tessi_store_palette *p, uint8_t *index)
{
    struct palette_box box[TESSI_PALETTE_COLOURS];
    uint8_t colour[3];
    p->colours = palette_boxes(bin, palette_count(picture, pixels, bin), most, box);
    for (int32_t i = 0; i < p->colours; i++) {
        int64_t sum[3] = {0, 0, 0};
        for (int64_t k = box[i].first; k < box[i].end; k++) {
            number[bin[k].bin] = (uint8_t)i;
            for (int c = 0; c < 3; c++)
                sum[c] += bin[k].sum[c];
        }
        for (int c = 0; c < 3; c++)
            p->colour[i][c] = (uint8_t)((sum[c] + box[i].count / 2) / box[i].count);
    }
    for (int64_t i = 0; i < pixels; i++)
        index[i] = number[palette_bin_of(palette_pixel(picture, i, colour))];
}

int tessi_store_palette(struct tess_context *ctx, const struct tess_tensor *picture, int32_t most, struct tessi_store_palette *palette,
                        uint8_t *index)
{
    int64_t pixels = picture->dim[0] * picture->dim[1];
    void *memory;
    if (palette_exact(picture, pixels, most, palette, index))
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, PALETTE_BINS * (sizeof(struct palette_bin) + 1), "a palette", &memory));
    struct palette_bin *bin = memory;
    palette_cut(picture, pixels, most, bin, (uint8_t *)(bin + PALETTE_BINS), palette, index);
    tess_free(memory);
    return TESS_OK;
}
