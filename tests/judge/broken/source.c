/* Sources that each break one promise: three grey images of 2 x 2, of two classes. SPDX-License-Identifier: MIT */
#include "tests/judge/broken/broken.h"

#include <tessera/kind/source.h>

#include <stdatomic.h>
#include <stdio.h>

enum {
    HONEST = 0,
    NEGATIVE = 1,
    NAMES_TWO = 2,
    NO_REASON = 3,
    WRONG_STATUS = 4,
    NO_PIXELS = 5,
    OTHER_SIZE = 6,
    LABEL_BEYOND = 7,
    NO_NAME = 8,
    CHANGES = 9,
    EMPTY_CLASS = 10,
    OTHER_FINGERPRINT = 11,
    OTHER_CONTENT = 12,
    ONE_CONTENT = 13,
    SWALLOWS_MEMORY = 14,
    RESTS_BADLY = 15,
    SOON_BADLY = 16,
    EMPTY = 17,
    CONTENT_STATUS = 18,
    GROWS = 19,
    BAD_CONTENT = 20
};

/* Number of calls so far, for what changes from call to call. */
static atomic_int calls;
static int shift; /* what `rest` and `soon` leave in the pixels */

static int64_t count(void *self)
{
    int64_t how = broken_how(self);
    return how == NEGATIVE ? -1 : how == EMPTY ? 0 : how == GROWS ? 3 + atomic_fetch_add(&calls, 1) : 3;
}

static void shape(void *self, int64_t *height, int64_t *width, int64_t *channels)
{
    (void)self;
    *height = *width = 2;
    *channels = 1;
}

static int64_t labels(void *self)
{
    (void)self;
    return 2;
}

static int32_t names(void *self)
{
    return broken_how(self) == NAMES_TWO ? 2 : 1;
}

static int read_image(void *self, struct tess_context *ctx, int64_t i, struct tess_image *out)
{
    int64_t how = broken_how(self), size = how == OTHER_SIZE ? 3 : 2;
    if (how == NO_REASON)
        return ctx->fail(ctx, TESS_E_ITEM, "a bad image");
    if (how == WRONG_STATUS)
        return ctx->fail(ctx, TESS_E_IO, "the disk is gone");
    int status = tess_image_resize(ctx, out, size, 2, 1);
    if (status == TESS_E_MEMORY && how == SWALLOWS_MEMORY) {
        tess_forget(ctx);
        snprintf(out->reason, sizeof out->reason, "it does not fit");
        return ctx->fail(ctx, TESS_E_ITEM, "image %lld: it does not fit", (long long)i);
    }
    TESS_TRY(status);
    memset(out->pixels, (int)(10 * i + shift + (how == CHANGES ? atomic_fetch_add(&calls, 1) : 0)), (size_t)(2 * size));
    out->height = how == NO_PIXELS ? 0 : out->height;
    out->label = how == LABEL_BEYOND ? 2 : i % 2;
    snprintf(out->name, sizeof out->name, "%s", how == NO_NAME ? "" : i == 0 ? "a" : i == 1 ? "b" : "c");
    return TESS_OK;
}

static int fingerprint(void *self, struct tess_context *ctx, struct tess_digest *d)
{
    uint8_t byte = (uint8_t)(broken_how(self) == OTHER_FINGERPRINT ? atomic_fetch_add(&calls, 1) : 0);
    (void)ctx;
    tess_digest_add(d, &byte, 1);
    return TESS_OK;
}

static const char *class_name(void *self, int64_t label)
{
    return label == 0 ? "zero" : broken_how(self) == EMPTY_CLASS ? "" : NULL;
}

static void rest(void *self)
{
    shift = broken_how(self) == RESTS_BADLY;
}

static int content(void *self, struct tess_context *ctx, int64_t i, struct tess_digest *d)
{
    int64_t how = broken_how(self);
    if (how == CONTENT_STATUS)
        return ctx->fail(ctx, TESS_E_IO, "the disk is gone");
    if (how == BAD_CONTENT)
        return ctx->fail(ctx, TESS_E_ITEM, "the disk has a bad place");
    uint8_t byte = (uint8_t)(how == ONE_CONTENT ? 0 : how == OTHER_CONTENT ? atomic_fetch_add(&calls, 1) : i);
    tess_digest_add(d, &byte, 1);
    return TESS_OK;
}

static void soon(void *self, int64_t first, int64_t n)
{
    (void)first;
    (void)n;
    shift = broken_how(self) == SOON_BADLY;
}

static const struct tess_source_1 ops = {.size = sizeof ops,
                                         .count = count,
                                         .shape = shape,
                                         .labels = labels,
                                         .names = names,
                                         .read = read_image,
                                         .fingerprint = fingerprint,
                                         .class_name = class_name,
                                         .rest = rest,
                                         .content = content,
                                         .soon = soon},
                                  bare = {.size = sizeof bare,
                                          .count = count,
                                          .shape = shape,
                                          .labels = labels,
                                          .names = names,
                                          .read = read_image,
                                          .fingerprint = fingerprint};

#define ALL(X)                                                                                                                             \
    X(0, "honest")                                                                                                                         \
    X(1, "negative")                                                                                                                       \
    X(2, "names-two")                                                                                                                      \
    X(3, "no-reason")                                                                                                                      \
    X(4, "wrong-status")                                                                                                                   \
    X(5, "no-pixels")                                                                                                                      \
    X(6, "other-size")                                                                                                                     \
    X(7, "label-beyond")                                                                                                                   \
    X(8, "no-name")                                                                                                                        \
    X(9, "changes")                                                                                                                        \
    X(10, "empty-class")                                                                                                                   \
    X(11, "other-fingerprint")                                                                                                             \
    X(12, "other-content")                                                                                                                 \
    X(13, "one-content")                                                                                                                   \
    X(14, "swallows-memory")                                                                                                               \
    X(15, "rests-badly") X(16, "soon-badly") X(17, "empty") X(18, "content-status") X(19, "grows") X(20, "bad-content")
#define TABLE(n, name) BROKEN_PARAMS(n)
ALL(TABLE)
#define ROW(n, name_) BROKEN_ROW(name_, "source/1", n, &ops),
static const struct tess_component components[] = {ALL(ROW) BROKEN_ROW("bare", "source/1", 0, &bare), {.name = NULL}};

TESS_EXPORT const struct tess_plugin tess_plugin_1 = TESS_PLUGIN_INIT("broken-sources", "1", "MIT", NULL, components);
