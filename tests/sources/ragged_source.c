/* source/1 `ragged`, for tests of import: images with names, of one value each, whose sizes or channels differ, one of which may be
 * unreadable.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/plugin.h>
#include <tessera/kind/source.h>

#include <stdio.h>
#include <string.h>

struct ragged {
    int64_t images, bad, bads, every, classes;
    int32_t differ;
};

enum { NOTHING, SIZES, CHANNELS };

static int64_t count(void *self)
{
    return ((struct ragged *)self)->images;
}

static void shape(void *self, int64_t *height, int64_t *width, int64_t *channels)
{
    const struct ragged *s = self;
    *height = s->differ == SIZES ? 0 : 8;
    *width = s->differ == SIZES ? 0 : 10;
    *channels = s->differ == CHANNELS ? 0 : 1;
}

static int64_t labels(void *self)
{
    return ((struct ragged *)self)->classes;
}

static int32_t names(void *self)
{
    (void)self;
    return 1;
}

static int read_image(void *self, struct tess_context *ctx, int64_t i, struct tess_image *out)
{
    const struct ragged *s = self;
    snprintf(out->name, sizeof out->name, "picture-%lld.png", (long long)i);
    if ((s->bad >= 0 && i >= s->bad && i < s->bad + s->bads) || (s->every && i % s->every == s->every - 1)) {
        snprintf(out->reason, sizeof out->reason, "is damaged");
        return ctx->fail(ctx, TESS_E_ITEM, "/some/where/%s: is damaged", out->name);
    }
    int64_t more = s->differ == SIZES ? i : 0, channels = s->differ == CHANNELS && i % 2 ? 3 : 1;
    TESS_TRY(tess_image_resize(ctx, out, 8 + more, 10 + 3 * more, channels));
    memset(out->pixels, (int)(10 * i + 5), (size_t)(out->height * out->width * channels));
    out->label = s->classes ? s->classes - 1 - i : -1;
    return TESS_OK;
}

static const struct tess_source_1 ops = {
    .size = sizeof ops, .count = count, .shape = shape, .labels = labels, .names = names, .read = read_image};

static const struct tess_param params[] = {
    {.name = "images", .help = "how many", .type = TESS_I64, .offset = offsetof(struct ragged, images), .lo = 0, .hi = 1e15, .def = 6},
    {.name = "bads", .help = "how many of them", .type = TESS_I64, .offset = offsetof(struct ragged, bads), .lo = 1, .hi = 100, .def = 1},
    {.name = "bad",
     .help = "the first unreadable one",
     .type = TESS_I64,
     .offset = offsetof(struct ragged, bad),
     .lo = -1,
     .hi = 100,
     .def = -1},
    {.name = "every",
     .help = "of so many one is unreadable",
     .type = TESS_I64,
     .offset = offsetof(struct ragged, every),
     .lo = 0,
     .hi = 100},
    {.name = "classes", .help = "of labels", .type = TESS_I64, .offset = offsetof(struct ragged, classes), .lo = 0, .hi = 1e6, .def = 0},
    {.name = "differ", .help = "in what", .type = TESS_ENUM, .offset = offsetof(struct ragged, differ), .text = "nothing|sizes|channels"},
    {.name = NULL}};

TESS_PLUGIN("tessera-test-ragged", "1.0", "MIT", TESS_NEEDS_NONE,
            TESS_COMPONENT("ragged", "source/1", "for tests", sizeof(struct ragged), params, NULL, NULL, &ops));
