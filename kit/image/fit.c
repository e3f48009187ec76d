/* See fit.h. SPDX-License-Identifier: MIT */
#include "kit/image/fit.h"
#include "kit/image/geometry.h"

#include <stdio.h>

static int fit_check_label(struct tess_context *ctx, int64_t i, int64_t classes, struct tess_image *image)
{
    if (!classes || (image->label >= 0 && image->label < classes))
        return TESS_OK;
    if (image->label < 0)
        (void)snprintf(image->reason, sizeof image->reason, "has no label, and others have");
    else
        (void)snprintf(image->reason, sizeof image->reason, "has label %lld of %lld classes", (long long)image->label, (long long)classes);
    if (*image->name)
        return ctx->fail(ctx, TESS_E_ITEM, "%s: %s", image->name, image->reason);
    return ctx->fail(ctx, TESS_E_ITEM, "image %lld %s", (long long)i, image->reason);
}

int image_source_decodes(const struct tess_source_1 *source, void *self)
{
    int64_t height, width, channels;
    source->shape(self, &height, &width, &channels);
    return !height || !width || !channels;
}

int image_read(struct tess_context *ctx, const struct tess_source_1 *source, void *self, int64_t i, int64_t classes, int32_t skip_bad,
               const char *advice, struct tess_image *image)
{
    image->name[0] = image->reason[0] = '\0';
    int status = source->read(self, ctx, i, image);
    if (status == TESS_OK)
        status = fit_check_label(ctx, i, classes, image);
    if (status != TESS_E_ITEM)
        return status;
    if (!*image->reason)
        (void)snprintf(image->reason, sizeof image->reason, "cannot be read");
    if (skip_bad) {
        tess_forget(ctx);
        return TESS_OK;
    }
    tess_append_message(ctx, "; replace or remove it, or leave such images out with %s", advice);
    return status;
}

/* Scaled length of the longer side, cut to whole pixels as torchvision's `Resize` does. */
static int64_t fit_scaled(int64_t side, int64_t size, int64_t shorter)
{
    int64_t v = side == shorter ? size : (int64_t)((double)size * (double)side / (double)shorter);
    return v > 0 ? v : 1;
}

struct image_sizes image_fit_sizes(const struct image_fit *f, int64_t height, int64_t width)
{
    struct image_sizes z = {.scaled = {height, width}};
    int64_t shorter = height < width ? height : width;
    for (int i = 0; i < 2; i++) {
        if (f->size)
            z.scaled[i] = f->fit == FIT_STRETCH ? f->size : fit_scaled(z.scaled[i], f->size, shorter);
        z.cropped[i] = f->crop && f->crop < z.scaled[i] ? f->crop : z.scaled[i];
        z.padded[i] = f->pad > z.cropped[i] ? f->pad : z.cropped[i];
    }
    return z;
}

/* Scaled sides that cover to[0] x to[1] and touch it in one direction; of equal sides those of image_fit_sizes. */
static void fit_cover(int64_t height, int64_t width, const int64_t to[2], int64_t scaled[2])
{
    const int64_t side[2] = {height, width};
    int first = (double)to[0] * (double)width >= (double)to[1] * (double)height ? 0 : 1, other = 1 - first;
    scaled[first] = to[first];
    scaled[other] = (int64_t)((double)to[first] * (double)side[other] / (double)side[first]);
    if (scaled[other] < to[other])
        scaled[other] = to[other];
}

struct image_sizes image_fit_sizes_to(const struct image_fit *f, int64_t height, int64_t width, const int64_t to[2])
{
    struct image_sizes z = image_fit_sizes(f, height, width);
    if (f->fit == FIT_NONE)
        z.scaled[0] = height, z.scaled[1] = width;
    else if (!f->size && f->fit == FIT_STRETCH)
        z.scaled[0] = to[0], z.scaled[1] = to[1];
    else if (!f->size)
        fit_cover(height, width, to, z.scaled);
    for (int i = 0; i < 2; i++) {
        int64_t crop = f->crop ? f->crop : to[i];
        z.cropped[i] = crop < z.scaled[i] ? crop : z.scaled[i];
        z.padded[i] = f->pad > z.cropped[i] ? f->pad : z.cropped[i];
    }
    return z;
}

void image_fit_worker_free(struct image_fit_worker *h)
{
    tess_image_free(&h->image);
    tess_free(h->a);
    tess_free(h->b);
}

static int fit_alloc(struct tess_context *ctx, const struct tess_image *im, uint8_t **memory, size_t *capacity, size_t bytes)
{
    void *fresh;
    if (bytes <= *capacity)
        return TESS_OK;
    tess_free(*memory);
    *memory = NULL;
    *capacity = 0;
    TESS_TRY(tess_alloc(ctx, bytes, im->name, &fresh));
    *memory = fresh;
    *capacity = bytes;
    return TESS_OK;
}

int image_fit_reserve(struct tess_context *ctx, struct image_fit_worker *worker_state, size_t a, size_t b)
{
    TESS_TRY(fit_alloc(ctx, &worker_state->image, &worker_state->a, &worker_state->buffer_a, a));
    return fit_alloc(ctx, &worker_state->image, &worker_state->b, &worker_state->buffer_b, b);
}

static size_t fit_area(const int64_t sides[2], int64_t channels)
{
    return (size_t)(sides[0] * sides[1] * channels);
}

static size_t fit_larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Checks that an image comes out in the size and channels of the others. */
static int fit_check(struct tess_context *ctx, const struct image_fit *f, const struct tess_image *im, const struct image_sizes *z,
                     int64_t height, int64_t width, int64_t channels)
{
    if (z->padded[0] != height || z->padded[1] != width)
        return ctx->fail(
            ctx, TESS_E_SHAPE,
            "image %s is %lld x %lld and comes out as %lld x %lld, others as %lld x %lld; set `size` and `crop` to make all equal",
            im->name, (long long)im->height, (long long)im->width, (long long)z->padded[0], (long long)z->padded[1], (long long)height,
            (long long)width);
    if (!f->channels && im->channels != channels)
        return ctx->fail(ctx, TESS_E_SHAPE, "image %s has %lld channels, others have %lld; set `channels` to make all equal", im->name,
                         (long long)im->channels, (long long)channels);
    if (f->channels && im->channels != 1 && im->channels != 3)
        return ctx->fail(ctx, TESS_E_SHAPE, "image %s has %lld channels; 1 or 3 can be changed to %lld", im->name, (long long)im->channels,
                         (long long)channels);
    return TESS_OK;
}

int image_fit_apply(struct tess_context *ctx, const struct image_fit *f, const struct image_sizes *z, struct image_fit_worker *worker_state,
                    int64_t height, int64_t width, int64_t channels, uint8_t *to)
{
    const struct tess_image *im = &worker_state->image;
    int64_t n = im->channels;
    TESS_TRY(fit_check(ctx, f, im, z, height, width, channels));
    const struct geometry_scale scale = {.ih = im->height,
                                         .iw = im->width,
                                         .c = n,
                                         .h = z->scaled[0],
                                         .w = z->scaled[1],
                                         .top = geometry_crop_start(z->scaled[0], z->cropped[0]),
                                         .left = geometry_crop_start(z->scaled[1], z->cropped[1]),
                                         .rows = z->cropped[0],
                                         .columns = z->cropped[1],
                                         .rule = f->resize};
    TESS_TRY(fit_alloc(ctx, im, &worker_state->a, &worker_state->buffer_a, fit_larger(geometry_capacity(&scale), fit_area(z->padded, n))));
    TESS_TRY(fit_alloc(ctx, im, &worker_state->b, &worker_state->buffer_b, fit_area(z->cropped, n)));
    geometry_resize(&scale, im->pixels, worker_state->a, worker_state->b);
    geometry_place(worker_state->b, z->cropped[0], z->cropped[1], n, f->fill, worker_state->a, z->padded[0], z->padded[1]);
    geometry_channels(worker_state->a, height * width, n, to, channels);
    return TESS_OK;
}
