/* A plugin as one could be written with the headers in this folder and no others: it must load, and work, in every later program of the same
 * major. SPDX-License-Identifier: MIT */
#include <tessera/tessera.h>

#include <stdio.h>

struct squares {
    int64_t count, side;
    double grey;
    const char *title;
    struct tess_list labels;
    struct tess_list_f64 levels;
};

static int open_squares(void *self, struct tess_context *ctx)
{
    const struct squares *s = self;
    return s->side % 2 ? ctx->fail(ctx, TESS_E_VALUE, "`side` must be even, found %lld", (long long)s->side) : TESS_OK;
}

static int64_t squares_count(void *self)
{
    return ((const struct squares *)self)->count;
}

static void squares_shape(void *self, int64_t *height, int64_t *width, int64_t *channels)
{
    *height = *width = ((const struct squares *)self)->side;
    *channels = 1;
}

static int64_t squares_labels(void *self)
{
    return ((const struct squares *)self)->labels.count;
}

static int32_t squares_names(void *self)
{
    (void)self;
    return 1;
}

static int squares_read(void *self, struct tess_context *ctx, int64_t i, struct tess_image *out)
{
    const struct squares *s = self;
    double level = s->levels.count ? s->levels.item[i % s->levels.count] : s->grey;
    TESS_TRY(tess_image_resize(ctx, out, s->side, s->side, 1));
    for (int64_t k = 0; k < s->side * s->side; k++)
        out->pixels[k] = (uint8_t)(255.0 * level);
    out->label = s->labels.count ? s->labels.item[i % s->labels.count] : -1;
    (void)snprintf(out->name, sizeof out->name, "%.100s %lld", s->title, (long long)i);
    return TESS_OK;
}

static int squares_fingerprint(void *self, struct tess_context *ctx, struct tess_digest *d)
{
    (void)ctx;
    tess_digest_add_text(d, ((const struct squares *)self)->title);
    return TESS_OK;
}

static const struct tess_param params[] = {TESS_PARAM_I64(struct squares, count, 1, 100, 4, "images"),
                                           TESS_PARAM_I64(struct squares, side, 1, 64, 8, "height and width in pixels"),
                                           TESS_PARAM_F64(struct squares, grey, 0, 1, 0.5, "of all pixels"),
                                           TESS_PARAM_STR(struct squares, title, "square", "what images are called"),
                                           TESS_PARAM_LIST(struct squares, labels, 0, 9, "", "of the images, in turn"),
                                           TESS_PARAM_LIST_F64(struct squares, levels, 0, 1, "", "in the place of grey, in turn"),
                                           TESS_PARAM_END};

static const struct tess_source_1 ops = {.size = sizeof ops,
                                         .count = squares_count,
                                         .shape = squares_shape,
                                         .labels = squares_labels,
                                         .names = squares_names,
                                         .read = squares_read,
                                         .fingerprint = squares_fingerprint};

TESS_PLUGIN("tests-first", "1.0", "MIT", TESS_NEEDS("digest/1"),
            TESS_COMPONENT("squares", "source/1", "grey squares", sizeof(struct squares), params, open_squares, NULL, &ops));
