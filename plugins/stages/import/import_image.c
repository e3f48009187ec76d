/* See import_image.h. SPDX-License-Identifier: MIT */
#include "plugins/stages/import/import_image.h"
#include "kit/image/geometry.h"

/* Scaled length of the longer side, cut to whole pixels as torchvision's `Resize` does. */
static int64_t import_image_scaled(int64_t side, int64_t size, int64_t shorter)
{
    int64_t v = side == shorter ? size : (int64_t)((double)size * (double)side / (double)shorter);
    return v > 0 ? v : 1;
}

struct import_sizes import_sizes_of(const struct import_fit *f, int64_t height, int64_t width)
{
    struct import_sizes z = {.scaled = {height, width}};
    int64_t shorter = height < width ? height : width;
    for (int i = 0; i < 2; i++) {
        if (f->size)
            z.scaled[i] = f->fit == FIT_STRETCH ? f->size : import_image_scaled(z.scaled[i], f->size, shorter);
        z.cropped[i] = f->crop && f->crop < z.scaled[i] ? f->crop : z.scaled[i];
        z.padded[i] = f->pad > z.cropped[i] ? f->pad : z.cropped[i];
    }
    return z;
}

void import_worker_free(struct import_worker *h)
{
    tess_image_free(&h->image);
    tess_free(h->a);
    tess_free(h->b);
}

static int alloc_bytes(struct tess_context *ctx, const struct tess_image *im, uint8_t **memory, size_t *capacity, size_t bytes)
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

static size_t import_image_area(const int64_t sides[2], int64_t channels)
{
    return (size_t)(sides[0] * sides[1] * channels);
}

static size_t import_image_larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Checks that an image comes out in the size and channels of the others. */
static int import_image_check(struct tess_context *ctx, const struct import_fit *f, const struct tess_image *im,
                              const struct import_sizes *z, int64_t height, int64_t width, int64_t channels)
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

int import_transform(struct tess_context *ctx, const struct import_fit *f, struct import_worker *worker_state, int64_t height,
                     int64_t width, int64_t channels, uint8_t *to)
{
    const struct tess_image *im = &worker_state->image;
    struct import_sizes z = import_sizes_of(f, im->height, im->width);
    int64_t n = im->channels;
    TESS_TRY(import_image_check(ctx, f, im, &z, height, width, channels));
    const struct geometry_scale scale = {.ih = im->height,
                                         .iw = im->width,
                                         .c = n,
                                         .h = z.scaled[0],
                                         .w = z.scaled[1],
                                         .top = geometry_crop_start(z.scaled[0], z.cropped[0]),
                                         .left = geometry_crop_start(z.scaled[1], z.cropped[1]),
                                         .rows = z.cropped[0],
                                         .columns = z.cropped[1],
                                         .rule = f->resize};
    TESS_TRY(alloc_bytes(ctx, im, &worker_state->a, &worker_state->buffer_a,
                         import_image_larger(geometry_capacity(&scale), import_image_area(z.padded, n))));
    TESS_TRY(alloc_bytes(ctx, im, &worker_state->b, &worker_state->buffer_b, import_image_area(z.cropped, n)));
    geometry_resize(&scale, im->pixels, worker_state->a, worker_state->b);
    geometry_place(worker_state->b, z.cropped[0], z.cropped[1], n, f->fill, worker_state->a, z.padded[0], z.padded[1]);
    geometry_channels(worker_state->a, height * width, n, to, channels);
    return TESS_OK;
}
