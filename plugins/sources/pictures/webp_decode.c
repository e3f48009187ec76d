/* See webp_decode.h. libvips decodes a WebP whole and then copies it with threads of its own, which takes twice as long as the decoding.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/sources/pictures/webp_decode.h"

#include <string.h>

#include <webp/decode.h>

/* 1 for the simple format: one chunk, `VP8 ` or `VP8L`, behind the front that all WebPs have. */
static int webp_is_simple(const uint8_t *at, size_t count)
{
    return count > 20 && memcmp(at, "RIFF", 4) == 0 && memcmp(at + 8, "WEBPVP8", 7) == 0 && (at[15] == ' ' || at[15] == 'L');
}

int webp_decode(struct tess_context *ctx, const void *bytes, size_t count, const struct picture_options *o, struct tess_image *out,
                int *done)
{
    WebPBitstreamFeatures about;
    *done = 0;
    if (o->damaged == DAMAGED_ACCEPT || !webp_is_simple(bytes, count) || WebPGetFeatures(bytes, count, &about) != VP8_STATUS_OK ||
        about.has_alpha || about.has_animation || (int64_t)about.width * about.height > o->max_pixels)
        return TESS_OK;
    TESS_TRY(tess_image_resize(ctx, out, about.height, about.width, 3));
    size_t row = 3 * (size_t)about.width;
    *done = WebPDecodeRGBInto(bytes, count, out->pixels, row * (size_t)about.height, (int)row) != NULL;
    return TESS_OK;
}
