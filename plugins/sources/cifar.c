/* source/1 `cifar`: the binary version of CIFAR-10 and CIFAR-100. A record is a label in one byte (CIFAR-100: the coarse one, then the fine
 * one), then 32 x 32 pixels, all red values, all green ones, all blue ones. A folder stands for the files its authors put there.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/plugin.h>
#include <tessera/kind/source.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIDE = 32, AREA = SIDE * SIDE, BATCHES = 6, RECORD_MAX = 2 + 3 * AREA };
enum { CIFAR_10, CIFAR_100 };
enum { TRAIN, TEST, ALL };
enum { FINE, COARSE };

struct cifar {
    const char *path;
    int32_t set, part, labels;
    int64_t batches, record;
    char *file[BATCHES];
    int fd[BATCHES]; /* once a record of it was read: a file that another replaced before is not the one that was fingerprinted */
    pthread_mutex_t lock;
    int has_lock;
    int64_t first[BATCHES + 1]; /* image of each file; then of all */
    off_t size[BATCHES];        /* when it was opened */
};

static const char *const train_10[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                       "data_batch_4.bin", "data_batch_5.bin", NULL};
static const char *const test_10[] = {"test_batch.bin", NULL}, *const train_100[] = {"train.bin", NULL},
                         *const test_100[] = {"test.bin", NULL};

static const char *const *files_of(const struct cifar *s, int part)
{
    if (s->set == CIFAR_100)
        return part == TRAIN ? train_100 : test_100;
    return part == TRAIN ? train_10 : test_10;
}

static int cifar_add_file(struct tess_context *ctx, struct cifar *s, const char *name)
{
    size_t bytes = strlen(s->path) + (name ? strlen(name) : 0) + 2;
    struct stat about;
    void *memory;
    TESS_TRY(tess_alloc(ctx, bytes, "the name of a file", &memory));
    char *path = memory;
    int64_t k = s->batches++;
    snprintf(path, bytes, name ? "%s/%s" : "%s", s->path, name);
    s->file[k] = path;
    s->fd[k] = -1;
    if (stat(path, &about) != 0 || access(path, R_OK) != 0)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s; check the path, and see datasets/README.md", path, strerror(errno));
    if (about.st_size < 1 || about.st_size % s->record != 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: has %lld bytes, and records of %s have %lld; fetch the file again, or set `set`", path,
                       (long long)about.st_size, s->set == CIFAR_100 ? "CIFAR-100" : "CIFAR-10", (long long)s->record);
    s->size[k] = about.st_size;
    s->first[k + 1] = s->first[k] + (int64_t)about.st_size / s->record;
    return TESS_OK;
}

static int open_cifar(void *self, struct tess_context *ctx)
{
    struct cifar *s = self;
    struct stat about;
    pthread_mutex_init(&s->lock, NULL);
    s->has_lock = 1;
    s->record = 3 * AREA + (s->set == CIFAR_100 ? 2 : 1);
    if (s->labels == COARSE && s->set != CIFAR_100)
        return ctx->fail(ctx, TESS_E_VALUE, "cifar: CIFAR-10 has no coarse labels; leave `labels` out, or set `set: cifar-100`");
    if (stat(s->path, &about) == 0 && !S_ISDIR(about.st_mode))
        return cifar_add_file(ctx, s, NULL);
    for (int part = TRAIN; part <= TEST; part++)
        for (const char *const *name = files_of(s, part); *name && (s->part == ALL || s->part == part); name++)
            TESS_TRY(cifar_add_file(ctx, s, *name));
    return TESS_OK;
}

static void close_cifar(void *self)
{
    struct cifar *s = self;
    for (int64_t k = 0; k < s->batches; k++) {
        if (s->file[k] && s->fd[k] >= 0)
            close(s->fd[k]);
        tess_free(s->file[k]);
    }
    if (s->has_lock)
        pthread_mutex_destroy(&s->lock);
}

static int64_t cifar_count(void *self)
{
    const struct cifar *s = self;
    return s->first[s->batches];
}

static void cifar_shape(void *self, int64_t *height, int64_t *width, int64_t *channels)
{
    (void)self;
    *height = *width = SIDE;
    *channels = 3;
}

static int64_t cifar_labels(void *self)
{
    const struct cifar *s = self;
    return s->set == CIFAR_10 ? 10 : s->labels == COARSE ? 20 : 100;
}

static int32_t cifar_names(void *self)
{
    (void)self;
    return 0;
}

static int open_batch(struct tess_context *ctx, struct cifar *s, int64_t k)
{
    int error = 0;
    pthread_mutex_lock(&s->lock);
    if (s->fd[k] < 0)
        s->fd[k] = open(s->file[k], O_RDONLY | O_CLOEXEC);
    if (s->fd[k] < 0)
        error = errno;
    pthread_mutex_unlock(&s->lock);
    return error ? ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", s->file[k], strerror(error)) : TESS_OK;
}

static int read_record(struct tess_context *ctx, struct cifar *s, int64_t k, int64_t at, uint8_t *record)
{
    struct stat about;
    TESS_TRY(open_batch(ctx, s, k));
    if (fstat(s->fd[k], &about) != 0 || about.st_size != s->size[k])
        return ctx->fail(ctx, TESS_E_IO, "%s: became %s since it was opened; run again when nothing writes there", s->file[k],
                       about.st_size < s->size[k] ? "shorter" : "longer");
    for (int64_t have = 0; have < s->record;) {
        ssize_t got = pread(s->fd[k], record + have, (size_t)(s->record - have), (off_t)(at * s->record + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return ctx->fail(ctx, TESS_E_IO, "%s: record %lld cannot be read: %s", s->file[k], (long long)at,
                           got < 0 ? strerror(errno) : "the file became shorter");
        have += got;
    }
    return TESS_OK;
}

static int cifar_read_image(void *self, struct tess_context *ctx, int64_t i, struct tess_image *out)
{
    struct cifar *s = self;
    uint8_t record[RECORD_MAX];
    int64_t k = 0;
    while (i >= s->first[k + 1])
        k++;
    snprintf(out->name, sizeof out->name, "%lld", (long long)i);
    TESS_TRY(read_record(ctx, s, k, i - s->first[k], record));
    const uint8_t *pixel = record + s->record - 3 * AREA;
    TESS_TRY(tess_image_resize(ctx, out, SIDE, SIDE, 3));
    for (int p = 0; p < AREA; p++)
        for (int channel = 0; channel < 3; channel++)
            out->pixels[3 * p + channel] = pixel[channel * AREA + p];
    out->label = record[s->set == CIFAR_100 && s->labels == FINE];
    if (out->label < cifar_labels(self))
        return TESS_OK;
    (void)snprintf(out->reason, sizeof out->reason, "has label %lld of %lld classes", (long long)out->label, (long long)cifar_labels(self));
    return ctx->fail(ctx, TESS_E_ITEM, "%s: record %lld %s; fetch the file again, or set `set`", s->file[k], (long long)(i - s->first[k]),
                   out->reason);
}

/* Fingerprint: numbers of records that the files had when they were opened, and the files. */
static int cifar_fingerprint(void *self, struct tess_context *ctx, struct tess_digest *d)
{
    const struct cifar *s = self;
    for (int64_t k = 1; k <= s->batches; k++) {
        char text[24];
        snprintf(text, sizeof text, "%lld", (long long)s->first[k]);
        tess_digest_add_text(d, text);
    }
    return tess_digest_add_files(ctx, d, s->batches, (const char *const *)s->file);
}

static int cifar_content(void *self, struct tess_context *ctx, int64_t i, struct tess_digest *d)
{
    struct cifar *s = self;
    uint8_t record[RECORD_MAX];
    char text[TESS_DIGEST_TEXT];
    struct tess_digest own;
    int64_t k = 0;
    while (i >= s->first[k + 1])
        k++;
    TESS_TRY(read_record(ctx, s, k, i - s->first[k], record));
    tess_digest_start(&own);
    tess_digest_add(&own, record, (size_t)s->record);
    tess_digest_end(&own, text);
    tess_digest_add_text(d, text);
    return TESS_OK;
}

static const struct tess_source_1 ops = {.size = sizeof ops,
                                         .count = cifar_count,
                                         .shape = cifar_shape,
                                         .labels = cifar_labels,
                                         .names = cifar_names,
                                         .read = cifar_read_image,
                                         .fingerprint = cifar_fingerprint,
                                         .content = cifar_content};

static const struct tess_param params[] = {{.name = "path",
                                            .help = "folder of the binary version, or one of its files",
                                            .type = TESS_STR,
                                            .flags = TESS_REQUIRED | TESS_PATH,
                                            .offset = offsetof(struct cifar, path)},
                                           {.name = "set",
                                            .help = "which one it is",
                                            .type = TESS_ENUM,
                                            .offset = offsetof(struct cifar, set),
                                            .text = "cifar-10|cifar-100"},
                                           {.name = "part",
                                            .help = "of a folder: images to train on, to test on, or both in this order",
                                            .type = TESS_ENUM,
                                            .offset = offsetof(struct cifar, part),
                                            .text = "train|test|all"},
                                           {.name = "labels",
                                            .help = "of CIFAR-100: 100 classes, or 20",
                                            .type = TESS_ENUM,
                                            .offset = offsetof(struct cifar, labels),
                                            .text = "fine|coarse"},
                                           {.name = NULL}};

TESS_PLUGIN("tessera-cifar", "0.1.0", "MIT", TESS_NEEDS("digest/1"),
            TESS_COMPONENT_DOCUMENTED("Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
                                      "source: {use: cifar, path: cifar-10-batches-bin}", "cifar", "source/1",
                                      "the binary files of CIFAR-10 and CIFAR-100", sizeof(struct cifar), params, open_cifar, close_cifar,
                                      &ops));
