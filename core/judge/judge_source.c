/* Kind source/1: images in any order. SPDX-License-Identifier: MIT */
#include "core/judge/judge_private.h"
#include "core/base/memory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SOURCE_IMAGES = 24 };

static int64_t source_count(const struct tess_source_1 *ops, void *self)
{
    int64_t n = ops->count(self);
    return n < SOURCE_IMAGES ? n : SOURCE_IMAGES;
}

/* FNV-1a of an image: sizes, pixels, label and name. */
static uint64_t source_hash(const struct tess_image *im)
{
    uint64_t h = 1469598103934665603ULL;
    const int64_t number[4] = {im->height, im->width, im->channels, im->label};
    for (size_t i = 0; i < sizeof number; i++)
        h = (h ^ ((const uint8_t *)number)[i]) * 1099511628211ULL;
    for (int64_t i = 0; i < im->height * im->width * im->channels; i++)
        h = (h ^ im->pixels[i]) * 1099511628211ULL;
    for (const char *at = im->name; *at; at++)
        h = (h ^ (uint8_t)*at) * 1099511628211ULL;
    return h;
}

/* Reads an image: TESS_OK, or JUDGE_UNFIT where it is bad and says why. */
static int source_read(struct judge *j, struct tess_context *ctx, const struct tess_source_1 *ops, void *self, int64_t i,
                       struct tess_image *im)
{
    im->reason[0] = '\0';
    int status = ops->read(self, ctx, i, im);
    JUDGE_TRY(judge_status(j, ctx, "read", status));
    if (status == TESS_E_ITEM && im->reason[0] == '\0')
        return judge_fail(j, "read of image %lld: wanted a reason with TESS_E_ITEM, found none", (long long)i);
    tess_forget(ctx);
    if (status == TESS_E_ITEM)
        return JUDGE_UNFIT;
    return status == TESS_OK ? TESS_OK : judge_fail(j, "read of image %lld: found status %d", (long long)i, status);
}

static int source_sizes_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_source_1 *ops = tess_instance_ops(i, "source/1");
    void *self = tess_instance_self(i);
    int64_t n = ops->count(self), h = -1, w = -1, c = -1, labels = ops->labels(self);
    ops->shape(self, &h, &w, &c);
    if (n < 0 || labels < 0 || h < 0 || w < 0 || c < 0)
        return judge_fail(j, "wanted counts and sizes of 0 or more, found %lld images of %lld x %lld x %lld and %lld labels", (long long)n,
                          (long long)h, (long long)w, (long long)c, (long long)labels);
    if (ops->names(self) != 0 && ops->names(self) != 1)
        return judge_fail(j, "names: wanted 0 or 1, found %d", (int)ops->names(self));
    return ops->count(self) == n ? TESS_OK : judge_fail(j, "wanted the same count when asked again");
}

static int source_sizes(struct judge *j)
{
    return judge_over(j, 1, source_sizes_body);
}

static int source_image(struct judge *j, const struct tess_source_1 *ops, void *self, int64_t k, const struct tess_image *im)
{
    int64_t h = 0, w = 0, c = 0, labels = ops->labels(self);
    ops->shape(self, &h, &w, &c);
    if (im->height < 1 || im->width < 1 || im->channels < 1 || !im->pixels)
        return judge_fail(j, "image %lld: wanted pixels, found %lld x %lld x %lld", (long long)k, (long long)im->height,
                          (long long)im->width, (long long)im->channels);
    if ((h && im->height != h) || (w && im->width != w) || (c && im->channels != c))
        return judge_fail(j, "image %lld: wanted the size that `shape` says, %lld x %lld x %lld, found %lld x %lld x %lld", (long long)k,
                          (long long)h, (long long)w, (long long)c, (long long)im->height, (long long)im->width, (long long)im->channels);
    if (labels ? im->label < -1 || im->label >= labels : im->label != -1)
        return judge_fail(j, "image %lld: wanted a label below %lld, or -1 for none, found %lld", (long long)k, (long long)labels,
                          (long long)im->label);
    if (im->name[0] == '\0' || !memchr(im->name, 0, sizeof im->name))
        return judge_fail(j, "image %lld: wanted a name that ends, found none", (long long)k);
    return TESS_OK;
}

/* Reads the images forward, backward, and again. */
static int source_reads_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_source_1 *ops = tess_instance_ops(i, "source/1");
    void *self = tess_instance_self(i);
    uint64_t hash[SOURCE_IMAGES] = {0};
    struct tess_image im = {.size = sizeof im};
    int64_t n = source_count(ops, self);
    int status = TESS_OK;
    for (int64_t k = 0; status == TESS_OK && k < 2 * n; k++) {
        int64_t at = k < n ? k : 2 * n - 1 - k;
        status = source_read(j, j->ctx, ops, self, at, &im);
        uint64_t h = status == TESS_OK ? source_hash(&im) : 1;
        if (status == TESS_OK)
            status = source_image(j, ops, self, at, &im);
        if (status == JUDGE_UNFIT)
            status = TESS_OK;
        if (status == TESS_OK && k >= n && h != hash[at])
            status = judge_fail(j, "wanted image %lld to be the same when it is read again, found another", (long long)at);
        hash[at] = h;
    }
    tess_image_free(&im);
    return status;
}

static int source_reads(struct judge *j)
{
    return judge_over(j, 1, source_reads_body);
}

static int source_classes_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_source_1 *ops = tess_instance_ops(i, "source/1");
    void *self = tess_instance_self(i);
    int64_t labels = ops->labels(self);
    if (!TESS_HAS(ops, class_name) || !ops->class_name)
        return judge_skip(j, "its classes have no names");
    for (int64_t k = 0; k < labels; k++) {
        const char *name = ops->class_name(self, k);
        if (name && !*name)
            return judge_fail(j, "class_name: wanted a name or NULL for class %lld, found an empty one", (long long)k);
    }
    return TESS_OK;
}

static int source_classes(struct judge *j)
{
    return judge_over(j, 1, source_classes_body);
}

static int source_fingerprint_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_source_1 *ops = tess_instance_ops(i, "source/1");
    char text[2][TESS_DIGEST_TEXT];
    for (int k = 0; k < 2; k++) {
        struct tess_digest d;
        tess_digest_start(&d);
        JUDGE_TRY(judge_ok(j, j->ctx, "fingerprint", ops->fingerprint(tess_instance_self(i), j->ctx, &d)));
        tess_digest_end(&d, text[k]);
    }
    return strcmp(text[0], text[1]) == 0 ? TESS_OK : judge_fail(j, "wanted the same fingerprint of the same files, found another");
}

static int source_fingerprint(struct judge *j)
{
    return judge_over(j, 1, source_fingerprint_body);
}

static int source_content_of(struct judge *j, const struct tess_source_1 *ops, void *self, int64_t k, char text[TESS_DIGEST_TEXT])
{
    struct tess_digest d;
    tess_digest_start(&d);
    int status = ops->content(self, j->ctx, k, &d);
    tess_digest_end(&d, text);
    JUDGE_TRY(judge_status(j, j->ctx, "content", status));
    tess_forget(j->ctx);
    if (status == TESS_E_ITEM)
        return JUDGE_UNFIT;
    return status == TESS_OK ? TESS_OK : judge_fail(j, "content of image %lld: found status %d", (long long)k, status);
}

struct source_seen {
    uint64_t hash; /* hash of the pixels alone */
    char content[TESS_DIGEST_TEXT], again[TESS_DIGEST_TEXT];
};

static int source_seen(struct judge *j, const struct tess_source_1 *ops, void *self, int64_t k, struct source_seen *seen)
{
    struct tess_image im = {.size = sizeof im};
    int status = source_read(j, j->ctx, ops, self, k, &im);
    if (status == TESS_OK)
        status = source_content_of(j, ops, self, k, seen->content);
    if (status == TESS_OK)
        status = source_content_of(j, ops, self, k, seen->again);
    im.label = 0;
    im.name[0] = '\0';
    seen->hash = status == TESS_OK ? source_hash(&im) : 0;
    tess_image_free(&im);
    return status;
}

/* Checks that an image's content is the same when asked again, and that images of other pixels have another. */
static int source_content_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_source_1 *ops = tess_instance_ops(i, "source/1");
    void *self = tess_instance_self(i);
    struct source_seen seen[SOURCE_IMAGES];
    int64_t done = 0;
    if (!TESS_HAS(ops, content) || !ops->content)
        return judge_skip(j, "it does not tell the content of one image");
    for (int64_t k = 0; k < source_count(ops, self); k++) {
        int status = source_seen(j, ops, self, k, &seen[done]);
        if (status == JUDGE_UNFIT)
            continue;
        JUDGE_TRY(status);
        if (strcmp(seen[done].content, seen[done].again) != 0)
            return judge_fail(j, "wanted the same content of image %lld when asked again, found another", (long long)k);
        for (int64_t before = 0; before < done; before++)
            if (seen[before].hash != seen[done].hash && strcmp(seen[before].content, seen[done].content) == 0)
                return judge_fail(j, "wanted another content of image %lld, whose pixels differ from one before it", (long long)k);
        done++;
    }
    return TESS_OK;
}

static int source_content(struct judge *j)
{
    return judge_over(j, 1, source_content_body);
}

/* Fails the memory for an image: TESS_E_MEMORY, and never TESS_E_ITEM, by which a good image would be left out. */
static int source_memory_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_source_1 *ops = tess_instance_ops(i, "source/1");
    void *self = tess_instance_self(i);
    if (source_count(ops, self) < 1)
        return judge_skip(j, "it has no images");
    for (int64_t n = 1; n < 200; n++) {
        struct tess_image im = {.size = sizeof im};
        tess_forget(j->ctx);
        tessi_base_memory_fail_at(n);
        int status = ops->read(self, j->ctx, 0, &im);
        int64_t left = tessi_base_memory_fail_left();
        tessi_base_memory_fail_at(0);
        tess_image_free(&im);
        if (left > 0)
            return TESS_OK;
        JUDGE_TRY(judge_status(j, j->ctx, "read", status));
        if (status != TESS_OK && status != TESS_E_MEMORY)
            return judge_fail(j, "allocation %lld failed: wanted TESS_E_MEMORY (%d), found %d: %s", (long long)n, TESS_E_MEMORY, status,
                              tess_message(j->ctx));
    }
    return TESS_OK;
}

static int source_memory(struct judge *j)
{
    return judge_over(j, 1, source_memory_body);
}

/* ---- several threads ----------------------------------------------------------------------------------------------- */

struct source_thread {
    const struct tess_source_1 *ops;
    void *self;
    struct tessi_context context;
    int64_t first, n;
    int failed;
    uint64_t hash[SOURCE_IMAGES];
};

static void *source_thread(void *user)
{
    struct source_thread *t = user;
    struct tess_image im = {.size = sizeof im};
    for (int64_t k = 0; k < t->n; k++) {
        int64_t at = (t->first + k) % t->n;
        int status = t->ops->read(t->self, &t->context.context, at, &im);
        t->failed |= status != TESS_OK && status != TESS_E_ITEM;
        t->hash[at] = status == TESS_OK ? source_hash(&im) : 1;
        tess_forget(&t->context.context);
    }
    tess_image_free(&im);
    return NULL;
}

static int source_threads_body(struct judge *j, struct tess_instance *i)
{
    enum { THREADS = 4 };
    struct source_thread t[THREADS + 1];
    pthread_t thread[THREADS];
    int started = 0;
    for (int k = 0; k <= THREADS; k++) {
        t[k] = (struct source_thread){.ops = tess_instance_ops(i, "source/1"), .self = tess_instance_self(i), .first = 5 * k};
        t[k].n = source_count(t[k].ops, t[k].self);
        tessi_base_context_init(&t[k].context, &j->runtime->host);
    }
    if (t[0].n < 1)
        return judge_skip(j, "it has no images");
    (void)source_thread(&t[THREADS]);
    for (; started < THREADS; started++)
        if (pthread_create(&thread[started], NULL, source_thread, &t[started]) != 0)
            break;
    for (int k = 0; k < started; k++)
        (void)pthread_join(thread[k], NULL);
    for (int k = 0; k < started; k++)
        if (t[k].failed || memcmp(t[k].hash, t[THREADS].hash, (size_t)t[k].n * sizeof t[k].hash[0]) != 0)
            return judge_fail(j, "wanted images read on %d threads at once to be those read on one, found others", THREADS);
    return TESS_OK;
}

static int source_threads(struct judge *j)
{
    return judge_over(j, 1, source_threads_body);
}

/* Checks that after a rest images are read as before. */
static int source_rest_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_source_1 *ops = tess_instance_ops(i, "source/1");
    void *self = tess_instance_self(i);
    struct tess_image im = {.size = sizeof im};
    if (!TESS_HAS(ops, rest) || !ops->rest || source_count(ops, self) < 1)
        return judge_skip(j, "it holds nothing while images are read, or has none");
    int status = source_read(j, j->ctx, ops, self, 0, &im);
    uint64_t before = status == TESS_OK ? source_hash(&im) : 0;
    ops->rest(self);
    ops->rest(self);
    if (status == TESS_OK)
        status = source_read(j, j->ctx, ops, self, 0, &im);
    if (status == TESS_OK && source_hash(&im) != before)
        status = judge_fail(j, "wanted the same image after `rest`, found another");
    tess_image_free(&im);
    return status == JUDGE_UNFIT ? TESS_OK : status;
}

static int source_rest(struct judge *j)
{
    return judge_over(j, 1, source_rest_body);
}

/* Checks that advice of what will be read changes nothing of what is read. */
static int source_soon_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_source_1 *ops = tess_instance_ops(i, "source/1");
    void *self = tess_instance_self(i);
    struct tess_image im = {.size = sizeof im};
    int64_t n = source_count(ops, self);
    if (!TESS_HAS(ops, soon) || !ops->soon || n < 1)
        return judge_skip(j, "it takes no advice, or has no images");
    int status = source_read(j, j->ctx, ops, self, n - 1, &im);
    uint64_t before = status == TESS_OK ? source_hash(&im) : 0;
    ops->soon(self, 0, n);
    ops->soon(self, n - 1, 1);
    ops->soon(self, n, 0);
    if (status == TESS_OK)
        status = source_read(j, j->ctx, ops, self, n - 1, &im);
    if (status == TESS_OK && source_hash(&im) != before)
        status = judge_fail(j, "wanted the same image after `soon`, found another");
    tess_image_free(&im);
    return status == JUDGE_UNFIT ? TESS_OK : status;
}

static int source_soon(struct judge *j)
{
    return judge_over(j, 1, source_soon_body);
}

static const struct judge_test tests[] = {
    {"sizes", 1, "counts and sizes are 0 or more, and the same when asked again", source_sizes},
    {"reads", 1, "images have the sizes, labels and names that were said, and are the same in any order", source_reads},
    {"classes", 1, "each class has a name or none", source_classes},
    {"fingerprint", 1, "the same files have the same fingerprint", source_fingerprint},
    {"read-allocations", 1, "whichever allocation fails, reading gives TESS_E_MEMORY", source_memory},
    {"any-thread", 1, "images read on several threads at once are the same", source_threads},
    {"rest", 1, "images are the same after a rest", source_rest},
    {"content", 1, "the content of an image is the same when asked again, and another for other pixels", source_content},
    {"soon", 1, "advice of what will be read next changes nothing", source_soon},
    {NULL, 0, NULL, NULL}};

const struct judge_kind judge_source = {"source/1", tests, NULL};
