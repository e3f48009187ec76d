/* Components that each break one promise of all kinds, of their parameters or of opening and closing; as sources, which are the shortest.
 * SPDX-License-Identifier: MIT */
#define BROKEN_OPEN broken_open
#define BROKEN_CLOSE broken_close
#include "tests/judge/broken/broken.h"

#include <tessera/kind/source.h>

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { HONEST = 0, ONLY_ONE = 1, KEEPS_THREAD = 2, REFUSES = 3, LOSES_LATE = 4, TURNS = 5, SWALLOWS = 6 };

struct described {
    struct broken broken;
    char *text;
    struct tess_instance *part;
    int64_t whole;
    double real;
    struct tess_list_f64 list;
};

static int opened, times;

static void *wait_for_ever(void *user)
{
    (void)user;
    for (;;)
        (void)pause();
    return NULL;
}

static int broken_open(void *self, struct tess_context *ctx)
{
    struct broken *b = self;
    pthread_t thread;
    if (b->how == REFUSES || (b->how == TURNS && times++ % 2))
        return ctx->fail(ctx, TESS_E_VALUE, "`how` is of no use");
    if (b->how == ONLY_ONE && opened)
        return ctx->fail(ctx, TESS_E_FAILED, "it is open already");
    if (b->how == KEEPS_THREAD && pthread_create(&thread, NULL, wait_for_ever, NULL) != 0)
        return ctx->fail(ctx, TESS_E_FAILED, "no thread");
    if (b->how == LOSES_LATE || b->how == SWALLOWS) {
        void *more;
        TESS_TRY(tess_alloc(ctx, 100, "its first", &b->memory));
        int status = tess_alloc(ctx, 100, "its second", &more);
        if (status != TESS_OK && b->how == LOSES_LATE)
            b->memory = NULL;
        if (status != TESS_OK && b->how == SWALLOWS) {
            tess_forget(ctx);
            return ctx->fail(ctx, TESS_E_VALUE, "`how` is too much");
        }
        TESS_TRY(status);
        tess_free(more);
    }
    opened++;
    return TESS_OK;
}

static void broken_close(void *self)
{
    struct broken *b = self;
    tess_free(b->memory);
    opened -= opened > 0;
}

static int64_t none(void *self)
{
    (void)self;
    return 0;
}

static void shape(void *self, int64_t *height, int64_t *width, int64_t *channels)
{
    (void)self;
    *height = *width = *channels = 0;
}

static int32_t names(void *self)
{
    (void)self;
    return 0;
}

static int read_none(void *self, struct tess_context *ctx, int64_t i, struct tess_image *out)
{
    (void)self;
    (void)out;
    return ctx->fail(ctx, TESS_E_DATA, "there is no image %lld", (long long)i);
}

static const struct tess_source_1 ops = {
    .size = sizeof ops, .count = none, .shape = shape, .labels = none, .names = names, .read = read_none};

#define MEMBER(name_, type_, flags_)                                                                                                       \
    .name = #name_, .help = "a parameter", .type = type_, .flags = flags_, .offset = offsetof(struct described, name_)
static const struct tess_param text_wanted[] = {{MEMBER(text, TESS_STR, TESS_REQUIRED)}, {.name = NULL}},
                               part_wanted[] = {{MEMBER(part, TESS_COMPONENT, TESS_REQUIRED), .text = "quantizer/1"}, {.name = NULL}},
                               nobody_wanted[] = {{MEMBER(part, TESS_COMPONENT, TESS_REQUIRED), .text = "nobody/1"}, {.name = NULL}},
                               numbers_wanted[] = {{MEMBER(whole, TESS_I64, TESS_REQUIRED), .lo = 2, .hi = 1000000},
                                                   {MEMBER(real, TESS_F64, TESS_REQUIRED), .lo = 0.25, .hi = 0.75},
                                                   {MEMBER(list, TESS_LIST_F64, 0), .lo = 0, .hi = 1, .text = "0.5, 0.25"},
                                                   {.name = NULL}};

#define ALL(X)                                                                                                                             \
    X(0, "honest")                                                                                                                         \
    X(1, "only-one")                                                                                                                       \
    X(2, "keeps-thread") X(3, "refuses") X(4, "loses-late") X(5, "turns") X(6, "swallows")
#define TABLE(n, name) BROKEN_PARAMS(n)
ALL(TABLE)
#define ROW(n, name_) BROKEN_ROW(name_, "source/1", n, &ops),
#define WANTS(name_, params_)                                                                                                              \
    {                                                                                                                                      \
        .name = name_, .kind = "source/1", .summary = "has a parameter without a default", .params = params_,                              \
        .param_stride = sizeof(struct tess_param), .self_size = sizeof(struct described), .open = broken_open, .close = broken_close,      \
        .ops = &ops                                                                                                                        \
    }
#define NO_SUMMARY                                                                                                                         \
    {                                                                                                                                      \
        .name = "no-summary", .kind = "source/1", .summary = "", .params = params_0, .param_stride = sizeof(struct tess_param),            \
        .self_size = sizeof(struct broken), .ops = &ops                                                                                    \
    }
static const struct tess_component components[] = {ALL(ROW) WANTS("wants-text", text_wanted), NO_SUMMARY,
                                                   WANTS("wants-part", part_wanted),          WANTS("wants-nobody", nobody_wanted),
                                                   WANTS("wants-numbers", numbers_wanted),    {.name = NULL}};

TESS_EXPORT const struct tess_plugin tess_plugin_1 = TESS_PLUGIN_INIT("described", "1", "MIT", NULL, components);
