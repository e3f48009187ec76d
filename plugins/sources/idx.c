/* source/1 `idx`: the format of MNIST and its kin (docs/formats.md, "IDX"), plain or gzipped. A header of big-endian numbers, then bytes:
 * images are (N, H, W) or (N, H, W, C), labels (N). Opening reads headers and labels; pixels are read on first use, once. Nothing a header
 * says is believed before the bytes are there.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/plugin.h>
#include <tessera/kind/source.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum { LABELS = 1, IMAGES = 3, COLOUR = 4, MAX_DIMS = 4, PIECE = 1 << 20 };

struct idx {
    const char *images, *labels;
    int64_t n, height, width, channels, classes;
    size_t header; /* bytes before the pixels */
    uint8_t *label, *pixel;
    size_t row;
    pthread_mutex_t lock;
    int has_lock;
};

static int idx_missing(struct tess_context *ctx, const char *path)
{
    const char *hint = strncmp(path, "/usr/share/datasets/fashion-mnist/", 34) == 0
                           ? "; on Debian install the package dataset-fashion-mnist"
                           : "; check the path, and see datasets/README.md";
    return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s%s", path, strerror(errno), hint);
}

/* Fails with zlib's reason, without the path it puts in front. */
static int idx_damaged(struct tess_context *ctx, gzFile f, const char *path)
{
    int code;
    const char *why = gzerror(f, &code);
    size_t length = strlen(path);
    if (code == Z_ERRNO)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s; check the path", path, strerror(errno));
    if (code == Z_MEM_ERROR) /* says nothing about the file */
        return ctx->fail(ctx, TESS_E_MEMORY, "%s: no memory to decompress it; use smaller sizes or end other programs", path);
    if (strncmp(why, path, length) == 0 && strncmp(why + length, ": ", 2) == 0)
        why += length + 2;
    return ctx->fail(ctx, TESS_E_DATA, "%s: %s; fetch the file again", path, why);
}

/* zlib reads plain files too. Reads `bytes`, or fails naming what was wanted at `at` of `whole`. */
static int read_bytes(struct tess_context *ctx, gzFile f, const char *path, void *to, size_t bytes, size_t at, size_t whole)
{
    char *here = to;
    for (size_t left = bytes; left;) {
        int got = gzread(f, here, left < PIECE ? (unsigned)left : PIECE);
        if (got < 0)
            return idx_damaged(ctx, f, path);
        if (got == 0)
            return ctx->fail(ctx, TESS_E_DATA, "%s: is truncated: %zu bytes wanted, %zu found; fetch the file again", path, whole,
                           at + bytes - left);
        here += got;
        left -= (size_t)got;
    }
    return TESS_OK;
}

static const char *dims_text(int dims)
{
    return dims == LABELS ? "labels" : dims == IMAGES || dims == COLOUR ? "images" : "an array of other dimensions";
}

/* The header: 0, 0, the type of an element, the number of dimensions, then each dimension in four bytes. */
static int read_header(struct tess_context *ctx, gzFile f, const char *path, int wanted, int64_t dim[MAX_DIMS], int *dims)
{
    uint8_t magic[4], size[4];
    TESS_TRY(read_bytes(ctx, f, path, magic, 4, 0, 4));
    if (magic[0] || magic[1] || magic[2] < 0x08 || magic[2] > 0x0e)
        return ctx->fail(ctx, TESS_E_DATA,
                       "%s: is not an IDX file: it begins with %02x %02x %02x %02x, 00 00 08 %02x was wanted; check the name", path,
                       magic[0], magic[1], magic[2], magic[3], wanted);
    if (magic[2] != 0x08)
        return ctx->fail(ctx, TESS_E_DATA, "%s: holds elements of type %02x; bytes (type 08) are wanted", path, magic[2]);
    *dims = magic[3];
    int fits = wanted == LABELS ? *dims == LABELS : *dims == IMAGES || *dims == COLOUR;
    if (!fits)
        return ctx->fail(ctx, TESS_E_DATA, "%s: holds %s (magic 00 00 08 %02x) where %s were wanted; are `images` and `labels` exchanged?",
                       path, dims_text(*dims), magic[3], dims_text(wanted));
    for (int i = 0; i < *dims; i++) {
        TESS_TRY(read_bytes(ctx, f, path, size, 4, 4 + 4 * (size_t)i, 4 + 4 * (size_t)*dims));
        dim[i] = (int64_t)size[0] << 24 | (int64_t)size[1] << 16 | (int64_t)size[2] << 8 | size[3];
        if (dim[i] < 1)
            return ctx->fail(ctx, TESS_E_DATA, "%s: dimension %d is 0: there is nothing in it", path, i);
    }
    return TESS_OK;
}

/* `bytes` of content and not one more, into memory that grows as they come. */
static int read_content(struct tess_context *ctx, gzFile f, const char *path, size_t header, size_t bytes, uint8_t **out)
{
    size_t capacity = bytes < ((size_t)64 << 20) ? bytes : (size_t)64 << 20, have = 0;
    uint8_t extra;
    void *memory;
    TESS_TRY(tess_alloc(ctx, capacity, path, &memory));
    *out = memory;
    for (;;) {
        TESS_TRY(read_bytes(ctx, f, path, *out + have, capacity - have, header + have, header + bytes));
        have = capacity;
        if (have == bytes)
            break;
        capacity = bytes - capacity < capacity ? bytes : 2 * capacity;
        TESS_TRY(tess_alloc(ctx, capacity, path, &memory));
        memcpy(memory, *out, have);
        tess_free(*out);
        *out = memory;
    }
    /* A file cut within gzip's checksum gives all its bytes, and zlib says so only here: unchecked bytes are not taken. */
    int got = gzread(f, &extra, 1), code;
    gzerror(f, &code);
    if (got < 0 || code != Z_OK)
        return idx_damaged(ctx, f, path);
    if (got > 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: goes on after the %zu bytes its header announces; fetch the file again", path,
                         header + bytes);
    return TESS_OK;
}

static int read_labels(struct tess_context *ctx, struct idx *s)
{
    int64_t dim[MAX_DIMS];
    int dims;
    gzFile f = gzopen(s->labels, "rb");
    if (!f)
        return idx_missing(ctx, s->labels);
    int status = read_header(ctx, f, s->labels, LABELS, dim, &dims);
    if (status == TESS_OK && dim[0] != s->n)
        status = ctx->fail(ctx, TESS_E_DATA, "%s: has %lld labels for the %lld images of %s; take both from the same set", s->labels,
                         (long long)dim[0], (long long)s->n, s->images);
    if (status == TESS_OK)
        status = read_content(ctx, f, s->labels, 8, (size_t)dim[0], &s->label);
    gzclose_r(f);
    for (int64_t i = 0; status == TESS_OK && i < s->n; i++)
        s->classes = s->label[i] + 1 > s->classes ? s->label[i] + 1 : s->classes;
    return status;
}

static int open_idx(void *self, struct tess_context *ctx)
{
    struct idx *s = self;
    int64_t dim[MAX_DIMS] = {0};
    int dims;
    pthread_mutex_init(&s->lock, NULL);
    s->has_lock = 1;
    gzFile f = gzopen(s->images, "rb");
    if (!f)
        return idx_missing(ctx, s->images);
    int status = read_header(ctx, f, s->images, IMAGES, dim, &dims);
    gzclose_r(f);
    TESS_TRY(status);
    s->n = dim[0];
    s->height = dim[1];
    s->width = dim[2];
    s->channels = dims == COLOUR ? dim[3] : 1;
    s->header = 4 + 4 * (size_t)dims;
    if (s->height > 65536 || s->width > 65536 || (s->channels != 1 && s->channels != 3))
        return ctx->fail(ctx, TESS_E_DATA, "%s: announces images of %lld x %lld x %lld; sides up to 65536 and 1 or 3 channels are wanted",
                       s->images, (long long)s->height, (long long)s->width, (long long)s->channels);
    s->row = (size_t)(s->height * s->width * s->channels);
    if ((size_t)s->n > ((size_t)1 << 40) / s->row)
        return ctx->fail(ctx, TESS_E_DATA, "%s: announces %lld images of %zu bytes, more than a file of this kind can be", s->images,
                       (long long)s->n, s->row);
    return s->labels ? read_labels(ctx, s) : TESS_OK;
}

static void close_idx(void *self)
{
    struct idx *s = self;
    tess_free(s->label);
    tess_free(s->pixel);
    if (s->has_lock)
        pthread_mutex_destroy(&s->lock);
}

static int64_t idx_count(void *self)
{
    return ((struct idx *)self)->n;
}

static void idx_shape(void *self, int64_t *height, int64_t *width, int64_t *channels)
{
    const struct idx *s = self;
    *height = s->height;
    *width = s->width;
    *channels = s->channels;
}

static int64_t idx_labels(void *self)
{
    return ((struct idx *)self)->classes;
}

static int32_t idx_names(void *self)
{
    (void)self;
    return 0;
}

/* The header once more: who plans looks at it long before who reads. */
static int read_header_again(struct tess_context *ctx, gzFile f, const struct idx *s)
{
    int64_t dim[MAX_DIMS] = {0};
    int dims;
    TESS_TRY(read_header(ctx, f, s->images, IMAGES, dim, &dims));
    if (dim[0] == s->n && dim[1] == s->height && dim[2] == s->width && (dims == COLOUR ? dim[3] : 1) == s->channels)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_IO,
                     "%s: changed since it was opened: it held %lld images of %lld x %lld, now %lld of %lld x %lld; run again", s->images,
                     (long long)s->n, (long long)s->height, (long long)s->width, (long long)dim[0], (long long)dim[1], (long long)dim[2]);
}

static int idx_load(struct tess_context *ctx, struct idx *s)
{
    uint8_t *pixel = NULL;
    gzFile f = gzopen(s->images, "rb");
    if (!f)
        return idx_missing(ctx, s->images);
    int status = read_header_again(ctx, f, s);
    if (status == TESS_OK)
        status = read_content(ctx, f, s->images, s->header, (size_t)s->n * s->row, &pixel);
    gzclose_r(f);
    if (status != TESS_OK)
        tess_free(pixel);
    else
        s->pixel = pixel;
    return status;
}

static int idx_read_image(void *self, struct tess_context *ctx, int64_t i, struct tess_image *out)
{
    struct idx *s = self;
    snprintf(out->name, sizeof out->name, "%lld", (long long)i);
    pthread_mutex_lock(&s->lock);
    int status = s->pixel ? TESS_OK : idx_load(ctx, s);
    pthread_mutex_unlock(&s->lock);
    TESS_TRY(status);
    TESS_TRY(tess_image_resize(ctx, out, s->height, s->width, s->channels));
    memcpy(out->pixels, s->pixel + (size_t)i * s->row, s->row);
    out->label = s->label ? s->label[i] : -1;
    return TESS_OK;
}

/* Digests the sizes that were read when the source was opened, and the files. */
static int idx_fingerprint(void *self, struct tess_context *ctx, struct tess_digest *d)
{
    const struct idx *s = self;
    const char *const path[] = {s->images, s->labels};
    const int64_t kept[] = {s->n, s->height, s->width, s->channels};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        char text[24];
        snprintf(text, sizeof text, "%lld", (long long)kept[i]);
        tess_digest_add_text(d, text);
    }
    tess_digest_add_text(d, s->labels ? "labels" : "no labels");
    if (s->label)
        tess_digest_add(d, s->label, (size_t)s->n);
    return tess_digest_add_files(ctx, d, s->labels ? 2 : 1, path);
}

static int64_t idx_bytes(void *self)
{
    const struct idx *s = self;
    return s->n * (int64_t)s->row;
}

static void idx_rest(void *self)
{
    struct idx *s = self;
    tess_free(s->pixel);
    s->pixel = NULL;
}

static const struct tess_source_1 ops = {.size = sizeof ops,
                                         .count = idx_count,
                                         .shape = idx_shape,
                                         .labels = idx_labels,
                                         .names = idx_names,
                                         .read = idx_read_image,
                                         .fingerprint = idx_fingerprint,
                                         .bytes = idx_bytes,
                                         .rest = idx_rest};

static const struct tess_param params[] = {{.name = "images",
                                            .help = "file of images, plain or .gz",
                                            .type = TESS_STR,
                                            .flags = TESS_REQUIRED | TESS_PATH,
                                            .offset = offsetof(struct idx, images)},
                                           {.name = "labels",
                                            .help = "file of labels, plain or .gz",
                                            .type = TESS_STR,
                                            .flags = TESS_PATH,
                                            .offset = offsetof(struct idx, labels)},
                                           {.name = NULL}};

TESS_PLUGIN("tessera-idx", "0.1.0", "MIT", TESS_NEEDS("digest/1"),
            TESS_COMPONENT_DOCUMENTED("LeCun, Cortes and Burges, The MNIST Database of Handwritten Digits, 1998",
                                      "source: {use: idx, images: train-images-idx3-ubyte.gz, labels: train-labels-idx1-ubyte.gz}", "idx",
                                      "source/1", "IDX files, plain or gzipped: MNIST, Fashion-MNIST and their kin", sizeof(struct idx),
                                      params, open_idx, close_idx, &ops));
