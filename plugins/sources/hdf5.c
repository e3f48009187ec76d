/* source/1 `hdf5`: images in HDF5 files of other programs, bytes in one dataset of many images, and labels in another. Datasets are read by
 * the host (<tessera/array.h>), a row at a time.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/image/layout.h"

#include <tessera/array.h>
#include <tessera/plugin.h>
#include <tessera/kind/source.h>

#include <stdio.h>
#include <string.h>

struct hdf5 {
    const char *path, *images, *labels;
    int32_t layout;
    struct tess_array *array;
    struct layout sizes;
    int32_t *label;
    int64_t classes;
};

enum { CLASSES_MAX = 65536 };

static int hdf5_check_labels(struct tess_context *ctx, struct hdf5 *s)
{
    for (int64_t i = 0; i < s->sizes.count; i++) {
        if (s->label[i] < -1 || s->label[i] >= CLASSES_MAX)
            return ctx->fail(ctx, TESS_E_DATA, "%s: the label of image %lld in `%s` is %d; 0 to %d are possible, or -1 for none", s->path,
                             (long long)i, s->labels, s->label[i], CLASSES_MAX - 1);
        s->classes = s->label[i] >= s->classes ? (int64_t)s->label[i] + 1 : s->classes;
    }
    return TESS_OK;
}

static int hdf5_read_labels(struct tess_context *ctx, struct hdf5 *s, const struct tess_array *a)
{
    struct tess_array_shape shape = {.size = sizeof shape};
    void *memory;
    tess_array_shape_of(a, &shape);
    if (shape.kind == 'f' || shape.rank > 2 || (shape.rank == 2 && shape.dim[1] != 1))
        return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` holds no labels: integers in one dimension are wanted", s->path, s->labels);
    if (shape.dim[0] != s->sizes.count)
        return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` has %lld labels for the %lld images of `%s`; take both from the same set", s->path,
                         s->labels, (long long)shape.dim[0], (long long)s->sizes.count, s->images);
    TESS_TRY(tess_alloc(ctx, (size_t)shape.dim[0] * sizeof *s->label, "labels", &memory));
    s->label = memory;
    TESS_TRY(tess_array_read(ctx, a, 0, shape.dim[0], TESS_I32, s->label));
    return hdf5_check_labels(ctx, s);
}

static int hdf5_labels(struct tess_context *ctx, struct hdf5 *s)
{
    struct tess_array *a;
    int status = tess_array_open(ctx, s->path, s->labels, &a);
    if (status == TESS_OK)
        status = hdf5_read_labels(ctx, s, a);
    tess_array_close(a);
    return status;
}

static int open_hdf5(void *self, struct tess_context *ctx)
{
    struct hdf5 *s = self;
    struct tess_array_shape shape = {.size = sizeof shape};
    TESS_TRY(tess_array_open(ctx, s->path, s->images, &s->array));
    tess_array_shape_of(s->array, &shape);
    if (shape.kind != 'u' || shape.bytes != 1)
        return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` holds numbers of %d bits, and images are unsigned bytes; scale them to 0 to 255 first",
                         s->path, s->images, 8 * shape.bytes);
    TESS_TRY(layout_of(ctx, s->path, s->layout, shape.rank, shape.dim, &s->sizes));
    if (s->layout >= LAYOUT_HWC || shape.rank == 2)
        return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` is one image; a dataset of many is wanted, its first dimension counting them", s->path,
                         s->images);
    return s->labels ? hdf5_labels(ctx, s) : TESS_OK;
}

static void close_hdf5(void *self)
{
    struct hdf5 *s = self;
    tess_array_close(s->array);
    tess_free(s->label);
}

static int64_t hdf5_count(void *self)
{
    return ((struct hdf5 *)self)->sizes.count;
}

static void hdf5_shape(void *self, int64_t *height, int64_t *width, int64_t *channels)
{
    const struct hdf5 *s = self;
    *height = s->sizes.height;
    *width = s->sizes.width;
    *channels = s->sizes.channels;
}

static int64_t hdf5_classes(void *self)
{
    return ((struct hdf5 *)self)->classes;
}

static int32_t hdf5_names(void *self)
{
    (void)self;
    return 0;
}

static size_t hdf5_row(const struct hdf5 *s)
{
    return (size_t)(s->sizes.height * s->sizes.width * s->sizes.channels);
}

static int hdf5_read_planar(struct tess_context *ctx, const struct hdf5 *s, int64_t i, uint8_t *to)
{
    void *planes;
    TESS_TRY(tess_alloc(ctx, hdf5_row(s), "an image", &planes));
    int status = tess_array_read(ctx, s->array, i, 1, TESS_U8, planes);
    if (status == TESS_OK)
        layout_interleave(&s->sizes, planes, to);
    tess_free(planes);
    return status;
}

static int hdf5_read(void *self, struct tess_context *ctx, int64_t i, struct tess_image *out)
{
    const struct hdf5 *s = self;
    (void)snprintf(out->name, sizeof out->name, "%lld", (long long)i);
    out->label = s->label ? s->label[i] : -1;
    TESS_TRY(tess_image_resize(ctx, out, s->sizes.height, s->sizes.width, s->sizes.channels));
    return s->sizes.planar ? hdf5_read_planar(ctx, s, i, out->pixels) : tess_array_read(ctx, s->array, i, 1, TESS_U8, out->pixels);
}

/* Labels as they were read, and the file; the names of the datasets are parameters, and count as such. */
static int hdf5_fingerprint(void *self, struct tess_context *ctx, struct tess_digest *d)
{
    const struct hdf5 *s = self;
    if (s->label)
        tess_digest_add(d, s->label, (size_t)s->sizes.count * sizeof *s->label);
    return tess_digest_add_files(ctx, d, 1, &s->path);
}

static int hdf5_content(void *self, struct tess_context *ctx, int64_t i, struct tess_digest *d)
{
    const struct hdf5 *s = self;
    const int64_t sizes[] = {s->sizes.height, s->sizes.width, s->sizes.channels, s->sizes.planar};
    struct tess_digest own;
    char text[TESS_DIGEST_TEXT];
    void *bytes;
    TESS_TRY(tess_alloc(ctx, hdf5_row(s), "an image", &bytes));
    int status = tess_array_read(ctx, s->array, i, 1, TESS_U8, bytes);
    if (status == TESS_OK) {
        tess_digest_start(&own);
        tess_digest_add(&own, sizes, sizeof sizes);
        tess_digest_add(&own, bytes, hdf5_row(s));
        tess_digest_end(&own, text);
        tess_digest_add_text(d, text);
    }
    tess_free(bytes);
    return status;
}

static const struct tess_source_1 ops = {.size = sizeof ops,
                                         .count = hdf5_count,
                                         .shape = hdf5_shape,
                                         .labels = hdf5_classes,
                                         .names = hdf5_names,
                                         .read = hdf5_read,
                                         .fingerprint = hdf5_fingerprint,
                                         .content = hdf5_content};

static const struct tess_param params[] = {
    {.name = "path", .help = "the file", .type = TESS_STR, .flags = TESS_REQUIRED | TESS_PATH, .offset = offsetof(struct hdf5, path)},
    {.name = "images",
     .help = "dataset of the images, unsigned bytes: a name, or a path of groups",
     .type = TESS_STR,
     .offset = offsetof(struct hdf5, images),
     .text = "images"},
    {.name = "labels",
     .help = "dataset with an integer for each image; -1: none",
     .type = TESS_STR,
     .offset = offsetof(struct hdf5, labels)},
    {.name = "layout",
     .help = "of the dimensions: images, height, width, channels; auto: by their number and sizes",
     .type = TESS_ENUM,
     .offset = offsetof(struct hdf5, layout),
     .text = LAYOUT_NAMES},
    {.name = NULL}};

TESS_PLUGIN("tessera-hdf5", "0.1.0", "MIT", TESS_NEEDS("digest/1", "array/1"),
            TESS_COMPONENT_DOCUMENTED(NULL, "source: {use: hdf5, path: data.h5, images: train/images, labels: train/labels}", "hdf5",
                                      "source/1", "images in a dataset of another program's HDF5 file", sizeof(struct hdf5), params,
                                      open_hdf5, close_hdf5, &ops));
