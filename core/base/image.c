/* Room for one image. Sizes come from files, so they are checked before anything is multiplied.
 * SPDX-License-Identifier: MIT */
#include <tessera/kind/source.h>

#define SIDE_MAX (1 << 20)
#define BYTES_MAX ((int64_t)1 << 32)

int tess_image_resize(struct tess_context *ctx, struct tess_image *im, int64_t height, int64_t width, int64_t channels)
{
    if (height < 1 || height > SIDE_MAX || width < 1 || width > SIDE_MAX || channels < 1 || channels > 64 ||
        height * width * channels > BYTES_MAX)
        return ctx->fail(ctx, TESS_E_DATA,
                         "an image of %lld x %lld pixels and %lld channels is not possible; sides go from 1 to %d, channels "
                         "from 1 to 64, and 4 GiB is the most",
                         (long long)height, (long long)width, (long long)channels, SIDE_MAX);
    size_t bytes = (size_t)(height * width * channels);
    if (bytes > im->capacity) {
        void *memory;
        TESS_TRY(tess_alloc(ctx, bytes, "an image", &memory));
        tess_free(im->pixels);
        im->pixels = memory;
        im->capacity = bytes;
    }
    im->height = height;
    im->width = width;
    im->channels = channels;
    return TESS_OK;
}

void tess_image_free(struct tess_image *im)
{
    if (!im)
        return;
    tess_free(im->pixels);
    *im = (struct tess_image){.size = im->size};
}
