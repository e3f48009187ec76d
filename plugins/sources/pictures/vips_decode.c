/* See vips_decode.h. What the values become is what most readers of such data sets make of them: an embedded profile is passed over unless
 * it is wanted, 16 bits lose the lower 8, palettes become RGB, CMYK becomes RGB by the formula of Pillow, grey stays grey.
 *
 * libvips is used for its decoders and nothing else: no cache, no threads but those of a decoder that must have one, no loader but those of
 * photographs (others run interpreters, or read other files that an image names). Pixels come a strip at a time into the image that is
 * handed on, so an image is in memory once, and a second time where its decoder needs it whole. Messages of libvips collect in one place
 * for all threads, so an image that cannot be decoded is decoded again with no other at work: the reason is then its own.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/sources/pictures/vips_decode.h"
#include "plugins/sources/pictures/png_whole.h"
#include "plugins/sources/pictures/upright.h"
#include "plugins/sources/pictures/vips_reason.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <vips/vips.h>

enum { STRIP = 16, SPARE = 32 << 20, ATTEMPTS = 3, REASON_CAPACITY = sizeof((struct tess_image *)0)->reason };

/* State of the process, as libvips itself is. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_rwlock_t alone = PTHREAD_RWLOCK_INITIALIZER;
static int ready;

static void vips_decode_pass_over(const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer user)
{
    (void)domain, (void)level, (void)message, (void)user;
}

static void vips_decode_set_up(void)
{
    ready = vips_init("tessera") == 0;
    if (!ready)
        return;
    g_log_set_handler("VIPS", G_LOG_LEVEL_MASK | G_LOG_FLAG_RECURSION, vips_decode_pass_over, NULL);
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    vips_block_untrusted_set(TRUE);
    /* libvips marks whole loaders; these two stand here like those of other photographs. */
    vips_operation_block_set("VipsForeignLoadJp2k", FALSE);
    vips_operation_block_set("VipsForeignLoadJxl", FALSE);
}

int vips_decode_start(struct tess_context *ctx)
{
    pthread_once(&once, vips_decode_set_up);
    return ready ? TESS_OK
                 : ctx->fail(ctx, TESS_E_FAILED, "libvips does not start: %s; see whether it is installed whole", vips_error_buffer());
}

static int is_known(const char *loader)
{
    static const char *const known[] = {"Jpeg", "Png", "Webp", "Tiff", "Nsgif", "Heif", "Jxl", "Jp2k"};
    static const char front[] = "VipsForeignLoad";
    if (!loader || strncmp(loader, front, strlen(front)) != 0)
        return 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(loader + strlen(front), known[i], strlen(known[i])) == 0)
            return 1;
    return 0;
}

/* State of decoding one image. */
struct job {
    const void *bytes;
    size_t count;
    const struct picture_options *options;
    VipsImage *image;
    size_t need;  /* bytes of memory that the decoder may ask for, with some to spare */
    char *reason; /* buffer of REASON_CAPACITY bytes */
};

/* Replaces an image by the result of a step; -1 when the step failed. */
static int vips_decode_replace(VipsImage **image, int failed, VipsImage **made)
{
    if (failed)
        return -1;
    g_object_unref(*image);
    *image = *made;
    return 0;
}

static const char *no_reader(struct job *k)
{
    const char *reader, *kind = vips_reason_kind(k->bytes, k->count, &reader);
    if (!kind)
        return "is no image of a kind that is read here";
    (void)snprintf(k->reason, REASON_CAPACITY,
                   "begins like a %s image, for which this libvips has no decoder (it needs %s), or no whole header", kind, reader);
    return k->reason;
}

static VipsImage *vips_decode_header(const struct job *k, const char *loader_options)
{
    return vips_image_new_from_buffer(k->bytes, k->count, loader_options, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on",
                                      k->options->damaged == DAMAGED_ACCEPT ? VIPS_FAIL_ON_NONE : VIPS_FAIL_ON_WARNING, NULL);
}

/* Opens a JPEG again where it is to be reduced while it is decoded; 0, or -1 where that fails. */
static int vips_decode_reduce(struct job *k)
{
    char text[24];
    int reduction = picture_reduction(vips_image_get_height(k->image), vips_image_get_width(k->image), k->options->shrink_to);
    if (reduction == 1 || memcmp(k->bytes, "\xff\xd8\xff", 3) != 0)
        return 0;
    (void)snprintf(text, sizeof text, "shrink=%d", reduction);
    VipsImage *made = vips_decode_header(k, text);
    return vips_decode_replace(&k->image, made ? 0 : -1, &made);
}

/* Opens the image by its header alone: it decodes as it is read. Gives NULL, or what is wrong; "": libvips says. */
static const char *open_image(struct job *k)
{
    if (!is_known(vips_foreign_find_load_buffer(k->bytes, k->count)))
        return no_reader(k);
    const char *trouble = k->options->damaged == DAMAGED_ACCEPT ? NULL : png_whole_trouble(k->bytes, k->count);
    if (trouble)
        return trouble;
    k->image = vips_decode_header(k, "");
    if (!k->image)
        return "";
    int64_t width = vips_image_get_width(k->image), height = vips_image_get_height(k->image);
    if (width * height > k->options->max_pixels) {
        (void)snprintf(k->reason, REASON_CAPACITY, "is %lld x %lld, more than `max_pixels: %lld`", (long long)height, (long long)width,
                       (long long)k->options->max_pixels);
        return k->reason;
    }
    VipsBandFormat format = vips_image_get_format(k->image);
    if (format != VIPS_FORMAT_UCHAR && format != VIPS_FORMAT_USHORT)
        return "has samples that are no integers of 8 or 16 bits";
    k->need += (size_t)(width * height) * (size_t)vips_image_get_bands(k->image) * 4;
    return vips_decode_reduce(k) ? "" : NULL;
}

static int bands_without_alpha(VipsImage *image)
{
    return vips_image_get_bands(image) - (vips_image_hasalpha(image) ? 1 : 0);
}

static int is_cmyk(VipsImage *image)
{
    return vips_image_get_interpretation(image) == VIPS_INTERPRETATION_CMYK && vips_image_get_bands(image) >= 4;
}

/* Reduces 16 bits to the upper 8. */
static int vips_decode_to_bytes(VipsImage **image)
{
    VipsImage *made = NULL;
    VipsInterpretation meaning = vips_image_get_interpretation(*image);
    if (vips_image_get_format(*image) == VIPS_FORMAT_UCHAR)
        return 0;
    if (vips_decode_replace(image, vips_msb(*image, &made, NULL), &made))
        return -1;
    meaning = meaning == VIPS_INTERPRETATION_RGB16    ? VIPS_INTERPRETATION_sRGB
              : meaning == VIPS_INTERPRETATION_GREY16 ? VIPS_INTERPRETATION_B_W
                                                      : meaning;
    return vips_decode_replace(image, vips_copy(*image, &made, "interpretation", meaning, NULL), &made);
}

/* Converts from an embedded profile to sRGB, grey to grey. A profile that does not fit the image is passed over, as viewers do. */
static int vips_decode_from_profile(VipsImage **image)
{
    VipsImage *made = NULL;
    int grey = bands_without_alpha(*image) == 1;
    if (vips_image_get_typeof(*image, VIPS_META_ICC_NAME) == 0)
        return 0;
    if (vips_icc_transform(*image, &made, "srgb", "embedded", TRUE, "intent", VIPS_INTENT_RELATIVE, "black_point_compensation", TRUE,
                           "depth", 8, NULL))
        return 0;
    g_object_unref(*image);
    *image = made;
    if (!grey)
        return 0;
    return vips_decode_replace(image, vips_colourspace(*image, &made, VIPS_INTERPRETATION_B_W, NULL), &made);
}

/* Converts to grey or sRGB of 8 bits, with transparency left to the next step. */
static int to_known_space(VipsImage **image)
{
    VipsImage *made = NULL;
    if (is_cmyk(*image))
        return 0;
    VipsInterpretation space = bands_without_alpha(*image) == 1 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
    if (vips_image_get_interpretation(*image) == space)
        return 0;
    return vips_decode_replace(image, vips_colourspace(*image, &made, space, NULL), &made);
}

static int settle_alpha(VipsImage **image, int alpha)
{
    VipsImage *made = NULL;
    if (!vips_image_hasalpha(*image))
        return 0;
    if (alpha == ALPHA_DROP || is_cmyk(*image))
        return vips_decode_replace(image, vips_extract_band(*image, &made, 0, "n", vips_image_get_bands(*image) - 1, NULL), &made);
    VipsArrayDouble *white = vips_array_double_newv(1, 255.0);
    int failed = vips_flatten(*image, &made, "background", white, NULL);
    vips_area_unref(VIPS_AREA(white));
    return vips_decode_replace(image, failed, &made);
}

/* Sets up the conversion to bytes, of which nothing is computed yet. Gives NULL, or what is wrong; "": libvips says. */
static const char *vips_decode_convert(struct job *k)
{
    VipsImage **image = &k->image, *made = NULL;
    if (bands_without_alpha(*image) > 4 || bands_without_alpha(*image) < 1)
        return "has more than four channels";
    if ((k->options->profile == PROFILE_SRGB && vips_decode_from_profile(image)) || vips_decode_to_bytes(image) || to_known_space(image) ||
        settle_alpha(image, k->options->alpha))
        return "";
    if (vips_image_get_format(*image) != VIPS_FORMAT_UCHAR && vips_decode_replace(image, vips_cast_uchar(*image, &made, NULL), &made))
        return "";
    int bands = vips_image_get_bands(*image);
    return bands == 1 || bands == 3 || (bands == 4 && is_cmyk(*image)) ? NULL : "has channels of an unknown meaning";
}

/* ---- pixels -------------------------------------------------------------------------------------------------------- */

/* Product a b / 255, rounded, without a division. */
static int vips_decode_times(int a, int b)
{
    int product = a * b + 128;
    return ((product >> 8) + product) >> 8;
}

/* Converts CMYK to RGB as Pillow does, without profiles: what the paper gives back, less what black takes of it. */
static void from_inks(const uint8_t *from, int64_t pixels, uint8_t *to)
{
    for (int64_t i = 0; i < pixels; i++, from += 4)
        for (int k = 0; k < 3; k++) {
            int light = 255 - from[3] - vips_decode_times(from[k], 255 - from[3]);
            *to++ = (uint8_t)(light < 0 ? 0 : light);
        }
}

/* Copies rows y to y + n from the region. */
static void take_rows(const VipsRegion *region, int64_t y, int64_t n, struct tess_image *out)
{
    int64_t row = out->width * out->channels;
    for (int64_t r = y; r < y + n; r++) {
        const uint8_t *from = region->data + (r - region->valid.top) * region->bpl;
        if (is_cmyk(region->im))
            from_inks(from, out->width, out->pixels + r * row);
        else
            memcpy(out->pixels + r * row, from, (size_t)row);
    }
}

/* Decodes strip by strip on this thread, from top to bottom. */
static const char *copy_strips(VipsImage *image, struct tess_image *out)
{
    VipsRegion *region = vips_region_new(image);
    const char *wrong = region ? NULL : "";
    for (int64_t y = 0; y < out->height && !wrong; y += STRIP) {
        const VipsRect strip = {0, (int)y, (int)out->width, (int)(out->height - y < STRIP ? out->height - y : STRIP)};
        wrong = vips_region_prepare(region, &strip) == 0 ? NULL : "";
        if (!wrong)
            take_rows(region, y, strip.height, out);
    }
    if (region)
        g_object_unref(region);
    return wrong;
}

/* Decodes an image. Gives NULL, or what is wrong with the bytes, for which the reason may serve; *status: what else failed. */
static const char *vips_decode_decode(struct tess_context *ctx, struct job *k, struct tess_image *out, int *status)
{
    *status = TESS_OK;
    k->image = NULL;
    k->need = SPARE + k->count;
    const char *wrong = open_image(k);
    int orientation = k->image ? vips_image_get_orientation(k->image) : 1;
    if (!wrong)
        wrong = vips_decode_convert(k);
    if (!wrong) {
        int bands = vips_image_get_bands(k->image);
        *status = tess_image_resize(ctx, out, vips_image_get_height(k->image), vips_image_get_width(k->image), bands == 4 ? 3 : bands);
        if (*status == TESS_OK)
            wrong = copy_strips(k->image, out);
    }
    if (k->image)
        g_object_unref(k->image);
    if (!wrong && *status == TESS_OK)
        *status = picture_upright(ctx, orientation, out);
    return wrong;
}

/* ---- one file ------------------------------------------------------------------------------------------------------ */

/* Decodes again with no other image at work. NULL: it could be decoded after all, or *status says what else failed. */
static const char *decode_alone(struct tess_context *ctx, struct job *k, struct tess_image *out, int *status)
{
    const char *wrong = "", *want = NULL;
    pthread_rwlock_wrlock(&alone);
    for (int i = 0; i < ATTEMPTS && wrong && !want; i++) {
        vips_reason_begin();
        wrong = vips_decode_decode(ctx, k, out, status);
        if (wrong && !*wrong) {
            vips_reason_take(k->reason, REASON_CAPACITY);
            wrong = k->reason;
            want = vips_reason_want(k->need);
        }
        vips_reason_end();
        if (wrong && !vips_reason_is_want(wrong))
            break;
    }
    pthread_rwlock_unlock(&alone);
    if (!want)
        return wrong;
    *status =
        ctx->fail(ctx, TESS_E_MEMORY, "%s is wanting to decode it, some %zu MiB and a thread: %s; use fewer threads, or raise the limits",
                  want, k->need >> 20, wrong);
    return NULL;
}

int vips_decode(struct tess_context *ctx, const char *path, const void *bytes, size_t count, const struct picture_options *o,
                struct tess_image *out)
{
    struct job k = {.bytes = bytes, .count = count, .options = o, .reason = out->reason};
    int status;
    out->reason[0] = '\0';
    if (!vips_reason_has_memory(SPARE + count)) /* some of the libraries end the process where they get none */
        return ctx->fail(ctx, TESS_E_MEMORY, "%s: memory is wanting to decode it: %zu MiB; use fewer threads, or raise the limits", path,
                         (SPARE + count) >> 20);
    pthread_rwlock_rdlock(&alone);
    const char *wrong = vips_decode_decode(ctx, &k, out, &status);
    pthread_rwlock_unlock(&alone);
    if (wrong)
        wrong = decode_alone(ctx, &k, out, &status);
    vips_thread_shutdown(); /* frees caches of this thread, which are made again when needed */
    if (wrong) {
        if (wrong != out->reason)
            (void)snprintf(out->reason, REASON_CAPACITY, "%s", wrong);
        return ctx->fail(ctx, TESS_E_ITEM, "%s: %s", path, out->reason);
    }
    if (status != TESS_OK)
        tess_prepend_message(ctx, "%s", path);
    return status;
}
