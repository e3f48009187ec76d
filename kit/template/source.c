/* source/1 `template-name`: images from a file of bytes alone. One image stands after the other, each of height x width x channels bytes, a
 * row of pixels at a time; there is no head and there are no labels.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/kind/source.h>
#include <tessera/plugin.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct template_name {
    const char *path; /* parameters, filled by the host from the table below */
    int64_t height, width, channels;
    int64_t count; /* number of images, set when the source is opened */
};

static int64_t image_bytes(const struct template_name *s)
{
    return s->height * s->width * s->channels;
}

/* Opens the source, cheaply: only the file's size is looked at. An error message says what was wanted, what was found, and what to do. */
static int template_name_open(void *self, struct tess_context *ctx)
{
    struct template_name *s = (struct template_name *)self;
    FILE *f = fopen(s->path, "rb");
    long bytes = -1;
    if (f && fseek(f, 0, SEEK_END) == 0)
        bytes = ftell(f);
    if (f)
        (void)fclose(f);
    if (bytes < 0)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s; check the path", s->path, strerror(errno));
    if (bytes == 0 || bytes % image_bytes(s) != 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: wanted whole images of %lld bytes, found %ld bytes; check height, width and channels",
                         s->path, (long long)image_bytes(s), bytes);
    s->count = bytes / image_bytes(s);
    return TESS_OK;
}

static int64_t template_name_count(void *self)
{
    return ((const struct template_name *)self)->count;
}

static void template_name_shape(void *self, int64_t *height, int64_t *width, int64_t *channels)
{
    const struct template_name *s = (const struct template_name *)self;
    *height = s->height;
    *width = s->width;
    *channels = s->channels;
}

static int64_t template_name_labels(void *self)
{
    (void)self;
    return 0; /* classes */
}

static int32_t template_name_names(void *self)
{
    (void)self;
    return 0; /* an image is called by its index */
}

/* Reads an image. Called by many threads at once, so each call has a file of its own. */
static int template_name_read(void *self, struct tess_context *ctx, int64_t i, struct tess_image *out)
{
    const struct template_name *s = (const struct template_name *)self;
    size_t bytes = (size_t)image_bytes(s);
    snprintf(out->name, sizeof out->name, "%lld", (long long)i);
    out->label = -1;
    TESS_TRY(tess_image_resize(ctx, out, s->height, s->width, s->channels));
    FILE *f = fopen(s->path, "rb");
    int whole = f && fseek(f, (long)(i * image_bytes(s)), SEEK_SET) == 0 && fread(out->pixels, 1, bytes, f) == bytes;
    if (f)
        (void)fclose(f);
    return whole ? TESS_OK
                 : ctx->fail(ctx, TESS_E_IO, "%s: image %lld cannot be read; did the file become shorter?", s->path, (long long)i);
}

/* Fingerprint of the input beside the parameters: digests the file's bytes. */
static int template_name_fingerprint(void *self, struct tess_context *ctx, struct tess_digest *d)
{
    const struct template_name *s = (const struct template_name *)self;
    return tess_digest_add_files(ctx, d, 1, &s->path);
}

static const struct tess_source_1 ops = {sizeof(struct tess_source_1),
                                         template_name_count,
                                         template_name_shape,
                                         template_name_labels,
                                         template_name_names,
                                         template_name_read,
                                         template_name_fingerprint,
                                         NULL,
                                         NULL,
                                         NULL,
                                         NULL,
                                         NULL};

static const struct tess_param params[] = {
    TESS_PARAM("path", struct template_name, path, TESS_STR, TESS_REQUIRED | TESS_PATH, 0, 0, 0, NULL, "file of bytes"),
    TESS_PARAM_I64(struct template_name, height, 1, 65536, 28, "rows of an image"),
    TESS_PARAM_I64(struct template_name, width, 1, 65536, 28, "pixels of a row"),
    TESS_PARAM_I64(struct template_name, channels, 1, 3, 1, "bytes of a pixel"), TESS_PARAM_END};

TESS_PLUGIN("template-name", "0.1.0", "MIT", TESS_NEEDS("digest/1"),
            TESS_COMPONENT("template-name", "source/1", "images from a file of bytes alone", sizeof(struct template_name), params,
                           template_name_open, NULL, &ops));
