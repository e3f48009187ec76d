/* source/1 `npy`: images as NumPy saves them, bytes in one array of many images or in a folder of arrays; and labels in another. Headers
 * are read when the source is opened; an image is read from its place in its file.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/sources/npy/npy_files.h"

#include <tessera/plugin.h>
#include <tessera/kind/source.h>

#include <stdio.h>
#include <string.h>

struct npy {
    const char *path, *labels;
    int32_t layout;
    struct npy_files files, label_file;
    int32_t *label;
    int64_t classes;
    struct layout common; /* sizes of all images, 0 where they differ */
};

enum { CLASSES_MAX = 65536, PIECE = 1 << 16 };

/* ---- opening ------------------------------------------------------------------------------------------------------- */

static int npy_images(struct tess_context *ctx, struct npy *s)
{
    for (int64_t k = 0; k < s->files.count; k++) {
        struct npy_file *f = &s->files.file[k];
        if (f->header.kind != 'u' || f->header.bytes != 1)
            return ctx->fail(ctx, TESS_E_DATA,
                             "%s: holds numbers of type %c%d, and images are bytes; save x.astype(numpy.uint8), scaled to 0 to 255",
                             f->path, f->header.kind, f->header.bytes);
        TESS_TRY(layout_of(ctx, f->path, s->layout, f->header.rank, f->header.dim, &f->layout));
        f->first = s->files.images;
        s->files.images += f->layout.count;
        struct layout *c = &s->common;
        c->height = k == 0 || c->height == f->layout.height ? f->layout.height : 0;
        c->width = k == 0 || c->width == f->layout.width ? f->layout.width : 0;
        c->channels = k == 0 || c->channels == f->layout.channels ? f->layout.channels : 0;
    }
    return TESS_OK;
}

/* A number of `bytes` bytes, little-endian, as a label. -1 becomes -1, no label; *fits 0: another one below 0, or too large. */
static int64_t label_at(const uint8_t *from, int bytes, int is_signed, int *fits)
{
    uint64_t n = 0;
    for (int i = bytes - 1; i >= 0; i--)
        n = n << 8 | from[i];
    if (is_signed && n >> (8 * bytes - 1)) {
        int none = n == (bytes == 8 ? UINT64_MAX : ((uint64_t)1 << 8 * bytes) - 1);
        *fits = *fits && none;
        return -1;
    }
    *fits = *fits && n < CLASSES_MAX;
    return n < CLASSES_MAX ? (int64_t)n : -1;
}

/* Reads labels first to first + n - 1; the buffer has PIECE bytes, which n labels fit into. */
static int npy_label_piece(struct tess_context *ctx, struct npy *s, const struct npy_file *f, int64_t first, int64_t n, uint8_t *buffer)
{
    const struct npy_header *h = &f->header;
    int fits = 1;
    TESS_TRY(steady_read(ctx, f->path, &f->steady, h->offset + first * h->bytes, (size_t)(n * h->bytes), buffer));
    for (int64_t i = 0; i < n && fits; i++) {
        int64_t label = label_at(buffer + i * h->bytes, h->bytes, h->kind == 'i', &fits);
        s->label[first + i] = (int32_t)label;
        s->classes = label >= s->classes ? label + 1 : s->classes;
        if (!fits)
            return ctx->fail(ctx, TESS_E_DATA, "%s: the label of image %lld is not in 0 to %d, or -1 for none", f->path,
                             (long long)(first + i), CLASSES_MAX - 1);
    }
    return TESS_OK;
}

static int npy_labels(struct tess_context *ctx, struct npy *s)
{
    uint8_t buffer[PIECE];
    void *memory;
    TESS_TRY(npy_files_open(ctx, s->labels, &s->label_file));
    const struct npy_file *f = &s->label_file.file[0];
    const struct npy_header *h = &f->header;
    if (s->label_file.count != 1 || h->rank != 1 || (h->kind != 'u' && h->kind != 'i') || h->bytes > 8)
        return ctx->fail(ctx, TESS_E_DATA, "%s: labels are integers in one dimension, in one file", s->labels);
    if (h->dim[0] != s->files.images)
        return ctx->fail(ctx, TESS_E_DATA, "%s: has %lld labels for the %lld images of %s; take both from the same set", s->labels,
                         (long long)h->dim[0], (long long)s->files.images, s->path);
    TESS_TRY(tess_alloc(ctx, (size_t)h->dim[0] * sizeof *s->label, "labels", &memory));
    s->label = memory;
    for (int64_t i = 0; i < h->dim[0]; i += PIECE / 8) {
        int64_t left = h->dim[0] - i;
        TESS_TRY(npy_label_piece(ctx, s, f, i, left < PIECE / 8 ? left : PIECE / 8, buffer));
    }
    return TESS_OK;
}

static int open_npy(void *self, struct tess_context *ctx)
{
    struct npy *s = self;
    TESS_TRY(npy_files_open(ctx, s->path, &s->files));
    TESS_TRY(npy_images(ctx, s));
    return s->labels ? npy_labels(ctx, s) : TESS_OK;
}

static void close_npy(void *self)
{
    struct npy *s = self;
    npy_files_free(&s->files);
    npy_files_free(&s->label_file);
    tess_free(s->label);
}

static int64_t npy_count(void *self)
{
    return ((struct npy *)self)->files.images;
}

static void npy_shape_of(void *self, int64_t *height, int64_t *width, int64_t *channels)
{
    const struct npy *s = self;
    *height = s->common.height;
    *width = s->common.width;
    *channels = s->common.channels;
}

static int64_t npy_classes(void *self)
{
    return ((struct npy *)self)->classes;
}

static int32_t npy_names(void *self)
{
    return ((struct npy *)self)->files.folder;
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

static void npy_name(const struct npy *s, const struct npy_file *f, int64_t i, struct tess_image *out)
{
    char shown[200];
    (void)tess_utf8_text(f->name, shown, sizeof shown);
    if (!s->files.folder)
        (void)snprintf(out->name, sizeof out->name, "%lld", (long long)i);
    else if (f->layout.count == 1)
        (void)snprintf(out->name, sizeof out->name, "%s", shown);
    else
        (void)snprintf(out->name, sizeof out->name, "%s/%lld", shown, (long long)(i - f->first));
}

static int64_t npy_row(const struct npy_file *f)
{
    return f->layout.height * f->layout.width * f->layout.channels;
}

static int64_t npy_place(const struct npy_file *f, int64_t i)
{
    return f->header.offset + (i - f->first) * npy_row(f);
}

/* Reads an image whose channels lie apart, and puts them together. */
static int npy_read_planar(struct tess_context *ctx, const struct npy_file *f, int64_t i, uint8_t *to)
{
    void *planes;
    TESS_TRY(tess_alloc(ctx, (size_t)npy_row(f), "an image", &planes));
    int status = steady_read(ctx, f->path, &f->steady, npy_place(f, i), (size_t)npy_row(f), planes);
    if (status == TESS_OK)
        layout_interleave(&f->layout, planes, to);
    tess_free(planes);
    return status;
}

static int npy_read(void *self, struct tess_context *ctx, int64_t i, struct tess_image *out)
{
    const struct npy *s = self;
    const struct npy_file *f = npy_files_of(&s->files, i);
    npy_name(s, f, i, out);
    out->label = s->label ? s->label[i] : -1;
    TESS_TRY(tess_image_resize(ctx, out, f->layout.height, f->layout.width, f->layout.channels));
    if (f->layout.planar)
        return npy_read_planar(ctx, f, i, out->pixels);
    return steady_read(ctx, f->path, &f->steady, npy_place(f, i), (size_t)npy_row(f), out->pixels);
}

static int npy_add_files(struct tess_context *ctx, const struct npy_files *f, const char **path, struct tess_digest *d)
{
    for (int64_t k = 0; k < f->count; k++) {
        tess_digest_add_text(d, f->folder ? f->file[k].name : "");
        path[k] = f->file[k].path;
    }
    return tess_digest_add_files(ctx, d, f->count, path);
}

/* Names and contents of the files, then the labels as they were read. */
static int npy_fingerprint(void *self, struct tess_context *ctx, struct tess_digest *d)
{
    const struct npy *s = self;
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(s->files.count + 1) * sizeof(char *), "paths", &memory));
    int status = npy_add_files(ctx, &s->files, memory, d);
    tess_digest_add_text(d, s->labels ? "labels" : "no labels");
    if (status == TESS_OK && s->labels)
        status = npy_add_files(ctx, &s->label_file, memory, d);
    if (s->label)
        tess_digest_add(d, s->label, (size_t)s->files.images * sizeof *s->label);
    tess_free(memory);
    return status;
}

static int npy_content(void *self, struct tess_context *ctx, int64_t i, struct tess_digest *d)
{
    const struct npy *s = self;
    const struct npy_file *f = npy_files_of(&s->files, i);
    struct tess_digest own;
    char text[TESS_DIGEST_TEXT];
    void *bytes;
    TESS_TRY(tess_alloc(ctx, (size_t)npy_row(f), "an image", &bytes));
    int status = steady_read(ctx, f->path, &f->steady, npy_place(f, i), (size_t)npy_row(f), bytes);
    if (status == TESS_OK) {
        const int64_t sizes[] = {f->layout.height, f->layout.width, f->layout.channels, f->layout.planar};
        tess_digest_start(&own);
        tess_digest_add(&own, sizes, sizeof sizes);
        tess_digest_add(&own, bytes, (size_t)npy_row(f));
        tess_digest_end(&own, text);
        tess_digest_add_text(d, text);
    }
    tess_free(bytes);
    return status;
}

static void npy_soon(void *self, int64_t first, int64_t n)
{
    const struct npy *s = self;
    for (int64_t i = first, next; i < first + n; i = next) {
        const struct npy_file *f = npy_files_of(&s->files, i);
        next = f->first + f->layout.count < first + n ? f->first + f->layout.count : first + n;
        steady_soon(f->path, npy_place(f, i), (next - i) * npy_row(f));
    }
}

static const struct tess_source_1 ops = {.size = sizeof ops,
                                         .count = npy_count,
                                         .shape = npy_shape_of,
                                         .labels = npy_classes,
                                         .names = npy_names,
                                         .read = npy_read,
                                         .fingerprint = npy_fingerprint,
                                         .content = npy_content,
                                         .soon = npy_soon};

static const struct tess_param params[] = {{.name = "path",
                                            .help = "an .npy file of images, or a folder of such files",
                                            .type = TESS_STR,
                                            .flags = TESS_REQUIRED | TESS_PATH,
                                            .offset = offsetof(struct npy, path)},
                                           {.name = "labels",
                                            .help = "an .npy file with an integer for each image; -1: none",
                                            .type = TESS_STR,
                                            .flags = TESS_PATH,
                                            .offset = offsetof(struct npy, labels)},
                                           {.name = "layout",
                                            .help = "of the dimensions: images, height, width, channels; auto: by their number and sizes",
                                            .type = TESS_ENUM,
                                            .offset = offsetof(struct npy, layout),
                                            .text = LAYOUT_NAMES},
                                           {.name = NULL}};

TESS_PLUGIN("tessera-npy", "0.1.0", "MIT", TESS_NEEDS("digest/1"),
            TESS_COMPONENT_DOCUMENTED(NULL, "source: {use: npy, path: images.npy, labels: labels.npy}", "npy", "source/1",
                                      "arrays that NumPy saved: bytes of many images, or a folder of such files", sizeof(struct npy),
                                      params, open_npy, close_npy, &ops));
