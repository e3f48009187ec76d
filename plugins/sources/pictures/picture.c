/* See picture.h. SPDX-License-Identifier: MIT */
#include "plugins/sources/pictures/picture.h"
#include "plugins/sources/pictures/jpeg_decode.h"
#include "plugins/sources/pictures/upright.h"
#include "plugins/sources/pictures/vips_decode.h"
#include "plugins/sources/pictures/webp_decode.h"

#include <ctype.h>
#include <string.h>

int picture_start(struct tess_context *ctx)
{
    return vips_decode_start(ctx);
}

int picture_decode(struct tess_context *ctx, const char *path, const void *bytes, size_t count, const struct picture_options *o,
                   struct tess_image *out)
{
    int done = 0, orientation = 1, status = TESS_OK;
    out->reason[0] = '\0';
#ifdef TESS_JPEG
    status = jpeg_decode(ctx, bytes, count, o, out, &orientation, &done);
    if (status == TESS_OK && done)
        status = picture_upright(ctx, orientation, out);
#else
    (void)orientation;
#endif
#ifdef TESS_WEBP
    if (status == TESS_OK && !done)
        status = webp_decode(ctx, bytes, count, o, out, &done);
#endif
    if (status != TESS_OK)
        tess_prepend_message(ctx, "%s", path);
    return status != TESS_OK || done ? status : vips_decode(ctx, path, bytes, count, o, out);
}

int picture_reduction(int64_t height, int64_t width, int64_t shrink_to)
{
    int64_t shorter = height < width ? height : width;
    int reduction = 1;
    while (shrink_to > 0 && reduction < 8 && shorter / shrink_to >= 2 * reduction)
        reduction *= 2;
    return reduction;
}

int picture_name_ends(const char *name, const char *extensions)
{
    const char *dot = strrchr(name, '.');
    size_t length = dot ? strlen(dot + 1) : 0;
    for (const char *at = extensions + strspn(extensions, " ,"); length && *at; at += strspn(at, " ,")) {
        size_t n = strcspn(at, " ,"), same = 0;
        while (same < n && n == length && tolower((unsigned char)at[same]) == tolower((unsigned char)dot[1 + same]))
            same++;
        if (same == length)
            return 1;
        at += n;
    }
    return 0;
}
