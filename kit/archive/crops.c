/* See crops.h. SPDX-License-Identifier: MIT */
#include "kit/archive/crops.h"
#include "kit/image/geometry.h"

#include <tessera/random.h>

#include <math.h>
#include <string.h>

enum { TEN = 10, ATTEMPTS = 10, NUMBERS = 5 /* random numbers of an attempt */ };
#define TEN_SIZE 1.1
#define AREA_LEAST 0.2
#define PROPORTIONS_MAX (4.0 / 3.0)

static int64_t crops_smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Sides in the picture of a box that becomes height x width once the shorter side is scaled to `size`; within the picture. */
static void scaled_sides(const struct crop_rule *r, double size, int64_t ih, int64_t iw, int64_t side[2])
{
    double scale = size > 0.0 ? (double)crops_smaller(ih, iw) / size : 1.0;
    const int64_t wanted[2] = {r->height, r->width};
    for (int i = 0; i < 2; i++) {
        side[i] = (int64_t)floor((double)wanted[i] * scale + 0.5);
        side[i] = side[i] < 1 ? 1 : side[i];
    }
}

/* ---- ten ----------------------------------------------------------------------------------------------------------- */

static struct crop_box ten_box(const struct crop_rule *r, int64_t ih, int64_t iw, int64_t k)
{
    int64_t side[2];
    scaled_sides(r, r->size ? (double)r->size : floor(TEN_SIZE * (double)crops_smaller(r->height, r->width)), ih, iw, side);
    int64_t h = crops_smaller(side[0], ih), w = crops_smaller(side[1], iw), corner = k % 5;
    int64_t top = corner == 4 ? (ih - h) / 2 : corner / 2 ? ih - h : 0, left = corner == 4 ? (iw - w) / 2 : corner % 2 ? iw - w : 0;
    return (struct crop_box){(int32_t)top, (int32_t)left, (int32_t)h, (int32_t)w, k >= 5};
}

/* ---- multi --------------------------------------------------------------------------------------------------------- */

static struct crop_box largest_box(const struct crop_rule *r, int64_t ih, int64_t iw)
{
    double scale = fmin((double)ih / (double)r->height, (double)iw / (double)r->width);
    int64_t h = (int64_t)((double)r->height * scale + 1e-9), w = (int64_t)((double)r->width * scale + 1e-9);
    h = h < 1 ? 1 : h;
    w = w < 1 ? 1 : w;
    return (struct crop_box){(int32_t)((ih - h) / 2), (int32_t)((iw - w) / 2), (int32_t)h, (int32_t)w, 0};
}

static struct crop_box drawn_box(const struct crop_rule *r, int64_t item, int64_t ih, int64_t iw, int64_t k)
{
    const struct tess_stream s = {.seed = r->seed, .purpose = tess_purpose("encode.crops"), .step = (uint32_t)k, .sample = (uint32_t)item};
    double proportions = (double)r->width / (double)r->height, bound = log(PROPORTIONS_MAX);
    float x[NUMBERS];
    for (int i = 0; i < ATTEMPTS; i++) {
        tess_random_uniform(&s, (uint64_t)(i * NUMBERS), NUMBERS, x);
        double area = (double)ih * (double)iw * (AREA_LEAST + (1.0 - AREA_LEAST) * (double)x[0]);
        double across = proportions * exp(bound * (2.0 * (double)x[1] - 1.0));
        int64_t w = (int64_t)floor(sqrt(area * across) + 0.5), h = (int64_t)floor(sqrt(area / across) + 0.5);
        if (w < 1 || h < 1 || w > iw || h > ih)
            continue;
        return (struct crop_box){(int32_t)((double)x[2] * (double)(ih - h + 1)), (int32_t)((double)x[3] * (double)(iw - w + 1)), (int32_t)h,
                                 (int32_t)w, x[4] < 0.5f};
    }
    return largest_box(r, ih, iw);
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

int64_t crops_count(const struct crop_rule *r, int64_t ih, int64_t iw)
{
    int64_t side[2];
    if (r->crops == CROPS_TEN)
        return TEN;
    if (r->crops == CROPS_MULTI)
        return r->count;
    scaled_sides(r, (double)r->size, ih, iw, side);
    return (ih / side[0]) * (iw / side[1]);
}

struct crop_box crops_box(const struct crop_rule *r, int64_t item, int64_t ih, int64_t iw, int64_t k)
{
    int64_t side[2];
    if (r->crops == CROPS_TEN)
        return ten_box(r, ih, iw, k);
    if (r->crops == CROPS_MULTI)
        return k ? drawn_box(r, item, ih, iw, k) : largest_box(r, ih, iw);
    scaled_sides(r, (double)r->size, ih, iw, side);
    int64_t across = iw / side[1], top = ih % side[0] / 2 + k / across * side[0], left = iw % side[1] / 2 + k % across * side[1];
    return (struct crop_box){(int32_t)top, (int32_t)left, (int32_t)side[0], (int32_t)side[1], 0};
}

/* Copies a box of an image to `to`, its rows one behind the other. */
static void cut_out(const struct tess_image *im, const struct crop_box *box, uint8_t *to)
{
    size_t line = (size_t)(box->width * im->channels), stride = (size_t)(im->width * im->channels);
    const uint8_t *from = im->pixels + (size_t)box->top * stride + (size_t)(box->left * im->channels);
    for (int64_t y = 0; y < box->height; y++, from += stride, to += line)
        memcpy(to, from, line);
}

int crops_apply(struct tess_context *ctx, const struct crop_rule *r, const struct crop_box *box, struct image_fit_worker *worker_state,
                int64_t channels, uint8_t *to)
{
    const struct tess_image *im = &worker_state->image;
    const struct geometry_scale scale = {.ih = box->height,
                                         .iw = box->width,
                                         .c = im->channels,
                                         .h = r->height,
                                         .w = r->width,
                                         .rows = r->height,
                                         .columns = r->width,
                                         .rule = r->resize};
    size_t box_bytes = (size_t)box->height * (size_t)box->width * (size_t)im->channels, needed = geometry_capacity(&scale);
    size_t scaled_bytes = (size_t)(r->height * r->width * im->channels);
    TESS_TRY(image_fit_reserve(ctx, worker_state, needed, box_bytes + scaled_bytes));
    cut_out(im, box, worker_state->b);
    geometry_resize(&scale, worker_state->b, worker_state->a, worker_state->b + box_bytes);
    geometry_channels(worker_state->b + box_bytes, r->height * r->width, im->channels, to, channels);
    if (box->flipped)
        geometry_flip(to, r->height, r->width, channels);
    return TESS_OK;
}
