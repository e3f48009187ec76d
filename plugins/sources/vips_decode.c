/* See vips_decode.h. What the values become is what most readers of such data sets make of them: an embedded profile of an RGB or grey image
 * is passed over, 16 bits lose the lower 8, palettes and CMYK become RGB, grey stays grey.
 *
 * libvips is used for its decoders and nothing else: one thread for each image, no cache, no loader but those of photographs (others run
 * interpreters, or read other files that an image names). Its messages collect in one place for all threads, so an image that cannot be
 * decoded is decoded again with no other at work: the reason is then its own.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/sources/vips_decode.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <vips/vips.h>

/* Of the process, as libvips itself is. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_rwlock_t alone = PTHREAD_RWLOCK_INITIALIZER;
static int ready;

static void say_nothing(const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer user)
{
    (void)domain, (void)level, (void)message, (void)user;
}

static void start(void)
{
    ready = vips_init("tessera") == 0;
    if (!ready)
        return;
    g_log_set_handler("VIPS", G_LOG_LEVEL_MASK | G_LOG_FLAG_RECURSION, say_nothing, NULL);
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    vips_block_untrusted_set(TRUE);
}

int vips_decode_start(struct tess_call *c)
{
    pthread_once(&once, start);
    return ready ? TESS_OK : c->fail(c, TESS_E_FAILED, "libvips does not start: %s; see whether it is installed whole", vips_error_buffer());
}

static int is_known(const char *loader)
{
    static const char *const known[] = {"Jpeg", "Png", "Webp", "Tiff", "Nsgif", "Heif", "Jxl", "Jp2k"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(loader + strlen("VipsForeignLoad"), known[i], strlen(known[i])) == 0)
            return 1;
    return 0;
}

/* Puts what a step made in the place of what it was made from. */
static int replace(VipsImage **image, int failed, VipsImage **made)
{
    if (failed)
        return -1;
    g_object_unref(*image);
    *image = *made;
    return 0;
}

/* Header alone: `image` decodes as it is read. NULL, or what is wrong; "": libvips says. */
static const char *open_image(const void *bytes, size_t count, VipsImage **image, char reason[REASON_ROOM])
{
    const char *loader = vips_foreign_find_load_buffer(bytes, count);
    if (!loader || strncmp(loader, "VipsForeignLoad", strlen("VipsForeignLoad")) != 0 || !is_known(loader))
        return "is no image of a kind that is read here";
    *image = vips_image_new_from_buffer(bytes, count, "", "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR, NULL);
    if (!*image)
        return "";
    int64_t width = vips_image_get_width(*image), height = vips_image_get_height(*image);
    if (width * height > PIXELS_MOST) {
        snprintf(reason, REASON_ROOM, "is %lld x %lld, more than 2^26 pixels", (long long)height, (long long)width);
        return reason;
    }
    VipsBandFormat format = vips_image_get_format(*image);
    if (format != VIPS_FORMAT_UCHAR && format != VIPS_FORMAT_USHORT)
        return "has samples that are no integers of 8 or 16 bits";
    return NULL;
}

static int bands_without_alpha(VipsImage *image)
{
    return vips_image_get_bands(image) - (vips_image_hasalpha(image) ? 1 : 0);
}

/* 16 bits to the upper 8 of them. */
static int to_bytes(VipsImage **image)
{
    VipsImage *made = NULL;
    VipsInterpretation meaning = vips_image_get_interpretation(*image);
    if (vips_image_get_format(*image) == VIPS_FORMAT_UCHAR)
        return 0;
    if (replace(image, vips_msb(*image, &made, NULL), &made))
        return -1;
    meaning = meaning == VIPS_INTERPRETATION_RGB16    ? VIPS_INTERPRETATION_sRGB
              : meaning == VIPS_INTERPRETATION_GREY16 ? VIPS_INTERPRETATION_B_W
                                                      : meaning;
    return replace(image, vips_copy(*image, &made, "interpretation", meaning, NULL), &made);
}

/* To one of two spaces of 8 bits, with what is transparent left to the next step. */
static int to_known_space(VipsImage **image)
{
    VipsImage *made = NULL;
    VipsInterpretation space = bands_without_alpha(*image) == 1 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
    return replace(image, vips_colourspace(*image, &made, space, NULL), &made);
}

static int settle_alpha(VipsImage **image, int alpha)
{
    VipsImage *made = NULL;
    if (!vips_image_hasalpha(*image))
        return 0;
    if (alpha == ALPHA_DROP)
        return replace(image, vips_extract_band(*image, &made, 0, "n", vips_image_get_bands(*image) - 1, NULL), &made);
    VipsArrayDouble *white = vips_array_double_newv(1, 255.0);
    int failed = vips_flatten(*image, &made, "background", white, NULL);
    vips_area_unref(VIPS_AREA(white));
    return replace(image, failed, &made);
}

/* NULL, or what is wrong; "": libvips says. */
static const char *convert(VipsImage **image, int alpha)
{
    VipsImage *made = vips_image_copy_memory(*image); /* here it is decoded */
    if (replace(image, !made, &made) || replace(image, vips_autorot(*image, &made, NULL), &made))
        return "";
    if (bands_without_alpha(*image) > 4 || bands_without_alpha(*image) < 1)
        return "has more than four channels";
    if (to_bytes(image) || to_known_space(image) || settle_alpha(image, alpha) || replace(image, vips_cast_uchar(*image, &made, NULL), &made))
        return "";
    return vips_image_get_bands(*image) == 1 || vips_image_get_bands(*image) == 3 ? NULL : "has channels of an unknown meaning";
}

/* NULL, or what is wrong with the bytes, for which `reason` may serve. */
static const char *decode(struct tess_call *c, const void *bytes, size_t count, int alpha, struct tess_image *out, char reason[REASON_ROOM],
                          int *status)
{
    VipsImage *image = NULL;
    size_t size = 0;
    void *pixels = NULL;
    *status = TESS_OK;
    const char *wrong = open_image(bytes, count, &image, reason);
    if (!wrong)
        wrong = convert(&image, alpha);
    if (!wrong) {
        pixels = vips_image_write_to_memory(image, &size);
        wrong = pixels ? NULL : "";
    }
    if (!wrong) {
        *status = tess_image_resize(c, out, vips_image_get_height(image), vips_image_get_width(image), vips_image_get_bands(image));
        if (*status == TESS_OK)
            memcpy(out->pixels, pixels, size);
    }
    g_free(pixels);
    if (image)
        g_object_unref(image);
    return wrong;
}

/* The library's reason on one line, without the full stops and line ends it collects. */
static void take_reason(char reason[REASON_ROOM])
{
    char *text = vips_error_buffer_copy();
    size_t n = 0;
    for (const char *at = text; *at && n < REASON_ROOM - 3; at++) {
        if (*at != '\n')
            reason[n++] = *at;
        else if (at[1])
            n += (size_t)snprintf(reason + n, REASON_ROOM - n, "; ");
    }
    reason[n] = '\0';
    if (n == 0)
        snprintf(reason, REASON_ROOM, "cannot be decoded");
    g_free(text);
}

int vips_decode(struct tess_call *c, const char *path, const void *bytes, size_t count, int alpha, struct tess_image *out)
{
    char reason[REASON_ROOM] = "";
    int status;
    pthread_rwlock_rdlock(&alone);
    const char *wrong = decode(c, bytes, count, alpha, out, reason, &status);
    pthread_rwlock_unlock(&alone);
    if (wrong) {
        pthread_rwlock_wrlock(&alone);
        vips_error_clear();
        wrong = decode(c, bytes, count, alpha, out, reason, &status);
        if (wrong && !*wrong) {
            take_reason(reason);
            wrong = reason;
        }
        vips_error_clear();
        pthread_rwlock_unlock(&alone);
    }
    vips_thread_shutdown(); /* what it keeps for this thread; it is had again when needed */
    return wrong ? c->fail(c, TESS_E_DATA, "%s: %s", path, wrong) : status;
}
