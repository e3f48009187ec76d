/* stage/1 `import`: images of a source as one artefact of equal size: scaled, cropped, padded, split. Training images come first, those
 * kept for validation after them, so that a split is one number. Every image is read, or the stage fails naming the one that cannot be.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/stages/common.h"
#include "plugins/stages/geometry.h"

#include <math.h>
#include <string.h>

struct stage {
    struct tess_instance *source;
    int64_t size, crop, pad, fill, channels, limit;
    double split;
    int32_t shuffle;
};

/* Images read and written at a time: at most so many, and so many bytes. */
enum { GROUP = 256, GROUP_BYTES = 64 << 20 };

struct work {
    const struct stage *s;
    const struct tess_source_1 *source;
    void *self;
    int64_t count, train, height, width, channels, classes;
    uint64_t seed;
    struct tess_image image;
    struct tess_tensor images, label, names; /* of a group; all labels; all names, 256 bytes each */
    uint8_t *a, *b;                          /* an image between two steps */
    size_t room;
};

static int64_t rounded(int64_t a, int64_t b, int64_t c)
{
    int64_t v = (int64_t)floor((double)a * (double)b / (double)c + 0.5);
    return v > 0 ? v : 1;
}

struct sizes { /* of one image after each step */
    int64_t scaled[2], cropped[2], padded[2];
};

static struct sizes sizes_of(const struct stage *s, int64_t h, int64_t w)
{
    struct sizes z = {.scaled = {h, w}};
    int64_t shorter = h < w ? h : w;
    for (int i = 0; i < 2; i++) {
        if (s->size && shorter != s->size)
            z.scaled[i] = z.scaled[i] == shorter ? s->size : rounded(z.scaled[i], s->size, shorter);
        z.cropped[i] = s->crop && s->crop < z.scaled[i] ? s->crop : z.scaled[i];
        z.padded[i] = s->pad > z.cropped[i] ? s->pad : z.cropped[i];
    }
    return z;
}

/* Sizes, counts and the split, from the source alone. */
static int measure(struct tess_call *c, struct work *k)
{
    const struct stage *s = k->s;
    int64_t h, w, ch;
    const double most = 1125899906842624.0; /* 2^50 bytes: what comes of a hostile header must not overflow */
    k->source = tess_instance_ops(s->source, "source/1");
    k->self = tess_instance_self(s->source);
    k->count = k->source->count(k->self);
    if (s->limit && s->limit < k->count)
        k->count = s->limit;
    if (k->count < 1)
        return c->fail(c, TESS_E_DATA, "import: the source `%s` has no images; check its paths", tess_instance_name(s->source));
    k->source->shape(k->self, &h, &w, &ch);
    if (!h || !w || !ch) { /* they differ: the first one says what all must become */
        TESS_TRY(k->source->read(k->self, c, 0, &k->image));
        h = k->image.height;
        w = k->image.width;
        ch = k->image.channels;
    }
    struct sizes z = sizes_of(s, h, w);
    k->height = z.padded[0];
    k->width = z.padded[1];
    k->channels = s->channels ? s->channels : ch;
    if ((double)k->count * (double)k->height * (double)k->width * (double)k->channels > most)
        return c->fail(c, TESS_E_SHAPE,
                       "import: %lld images of %lld x %lld x %lld are more than 2^50 bytes; check the source, `size` and `pad`",
                       (long long)k->count, (long long)k->height, (long long)k->width, (long long)k->channels);
    k->classes = k->source->labels(k->self);
    if (k->classes > 65536)
        return c->fail(c, TESS_E_DATA, "import: the source `%s` has %lld classes; 65536 are possible", tess_instance_name(s->source),
                       (long long)k->classes);
    k->train = (int64_t)floor((double)k->count * s->split + 0.5);
    k->train = k->train < 1 ? 1 : k->train;
    return TESS_OK;
}

static int describe(struct tess_call *c, const struct work *k, struct tess_facts *f)
{
    TESS_TRY(tess_facts_set_i64(c, f, "count", k->count));
    TESS_TRY(tess_facts_set_i64(c, f, "train_count", k->train));
    TESS_TRY(tess_facts_set_i64(c, f, "height", k->height));
    TESS_TRY(tess_facts_set_i64(c, f, "width", k->width));
    TESS_TRY(tess_facts_set_i64(c, f, "channels", k->channels));
    return tess_facts_set_i64(c, f, "classes", k->classes);
}

static int plan(void *self, struct tess_call *c, struct tess_stage_plan *p)
{
    struct work k = {.s = self};
    int status = measure(c, &k);
    if (status == TESS_OK)
        status = describe(c, &k, p->out);
    if (status == TESS_OK) {
        p->steps = k.count;
        p->cost.total_bytes = k.count * k.height * k.width * k.channels;
    }
    tess_image_free(&k.image);
    return status;
}

static int fingerprint(void *self, struct tess_call *c, struct tess_digest *d)
{
    struct tess_instance *source = ((struct stage *)self)->source;
    const struct tess_source_1 *ops = tess_instance_ops(source, "source/1");
    return ops->fingerprint ? ops->fingerprint(tess_instance_self(source), c, d) : TESS_OK;
}

/* ---- one image ---- */

static int have_room(struct tess_call *c, struct work *k, size_t bytes)
{
    void *memory;
    if (bytes <= k->room)
        return TESS_OK;
    tess_free(k->a);
    tess_free(k->b);
    k->a = k->b = NULL;
    k->room = 0;
    TESS_TRY(tess_alloc(c, bytes, "an image", &memory));
    k->a = memory;
    TESS_TRY(tess_alloc(c, bytes, "an image", &memory));
    k->b = memory;
    k->room = bytes;
    return TESS_OK;
}

static int transform(struct tess_call *c, struct work *k, uint8_t *to)
{
    const struct tess_image *im = &k->image;
    struct sizes z = sizes_of(k->s, im->height, im->width);
    int64_t ch = im->channels, tallest = im->height > z.padded[0] ? im->height : z.padded[0],
            widest = im->width > z.padded[1] ? im->width : z.padded[1];
    if (z.padded[0] != k->height || z.padded[1] != k->width)
        return c->fail(
            c, TESS_E_SHAPE,
            "image %s is %lld x %lld and comes out as %lld x %lld, others as %lld x %lld; set `size` and `crop` to make all equal",
            im->name, (long long)im->height, (long long)im->width, (long long)z.padded[0], (long long)z.padded[1], (long long)k->height,
            (long long)k->width);
    if (!k->s->channels && ch != k->channels)
        return c->fail(c, TESS_E_SHAPE, "image %s has %lld channels, others have %lld; set `channels` to make all equal", im->name,
                       (long long)ch, (long long)k->channels);
    tallest = z.scaled[0] > tallest ? z.scaled[0] : tallest;
    widest = z.scaled[1] > widest ? z.scaled[1] : widest;
    TESS_TRY(have_room(c, k, (size_t)(tallest * widest * ch)));
    geometry_resize(im->pixels, im->height, im->width, ch, k->b, k->a, z.scaled[0], z.scaled[1]);
    geometry_place(k->a, z.scaled[0], z.scaled[1], ch, k->s->fill, k->b, z.cropped[0], z.cropped[1]);
    geometry_place(k->b, z.cropped[0], z.cropped[1], ch, k->s->fill, k->a, z.padded[0], z.padded[1]);
    geometry_channels(k->a, k->height * k->width, ch, to, k->channels);
    return TESS_OK;
}

/* Which image of the source stands at place i: training images first. */
static int64_t source_of(const struct work *k, int64_t i)
{
    struct tess_stream s = {.seed = k->seed, .purpose = tess_purpose("import.split")};
    return k->s->shuffle ? tess_random_permute(&s, k->count, i) : i;
}

static int read_one(struct tess_call *c, struct work *k, int64_t i, uint8_t *to)
{
    TESS_TRY(k->source->read(k->self, c, source_of(k, i), &k->image));
    TESS_TRY(transform(c, k, to));
    if (k->classes) {
        if (k->image.label < 0 || k->image.label >= k->classes)
            return c->fail(c, TESS_E_DATA, "image %s has label %lld of %lld classes", k->image.name, (long long)k->image.label,
                           (long long)k->classes);
        ((uint16_t *)k->label.data)[i] = (uint16_t)k->image.label;
    }
    if (k->names.data)
        memcpy((char *)k->names.data + i * (int64_t)sizeof k->image.name, k->image.name, sizeof k->image.name);
    return TESS_OK;
}

static int put_names(struct tess_call *c, struct work *k, struct tess_artefact *a)
{
    void *memory;
    TESS_TRY(tess_alloc(c, (size_t)k->count * sizeof(char *), "names", &memory));
    const char **list = memory;
    for (int64_t i = 0; i < k->count; i++)
        list[i] = (const char *)k->names.data + i * (int64_t)sizeof k->image.name;
    int status = tess_artefact_put_strings(c, a, "names", k->count, list);
    tess_free(memory);
    return status;
}

static int import(struct tess_call *c, struct tess_stage_run *r, struct work *k)
{
    struct tess_artefact *a = tess_stage_output(r);
    struct tess_dataset how = {.size = sizeof how, .labels = "image y x channel"};
    TESS_TRY(measure(c, k));
    TESS_TRY(describe(c, k, tess_artefact_describe(a)));
    int64_t row = k->height * k->width * k->channels, most = row > GROUP_BYTES / GROUP ? GROUP_BYTES / row : GROUP;
    most = most < 1 ? 1 : most;
    TESS_TRY(stage_tensor(c, &k->images, TESS_U8, 4, (const int64_t[]){most, k->height, k->width, k->channels}));
    if (k->classes)
        TESS_TRY(stage_tensor(c, &k->label, TESS_U16, 1, &k->count));
    if (k->source->names(k->self))
        TESS_TRY(stage_tensor(c, &k->names, TESS_U8, 2, (const int64_t[]){k->count, (int64_t)sizeof k->image.name}));
    struct tess_tensor whole = k->images, group = k->images;
    whole.dim[0] = k->count;
    TESS_TRY(tess_artefact_begin(c, a, "images", &whole, &how));
    for (int64_t i = 0; i < k->count; i += group.dim[0]) {
        group.dim[0] = k->count - i < most ? k->count - i : most;
        TESS_TRY(stage_check_stop(c, r, i, k->count, "image"));
        for (int64_t j = 0; j < group.dim[0]; j++)
            TESS_TRY(read_one(c, k, i + j, (uint8_t *)group.data + j * row));
        TESS_TRY(tess_artefact_append(c, a, "images", &group));
        if (i == 0) {
            struct tess_tensor some = group;
            some.dim[0] = group.dim[0] < PICTURE_IMAGES ? group.dim[0] : PICTURE_IMAGES;
            TESS_TRY(stage_put_sheet(c, a, "images", &some));
        }
        tess_stage_progress(r, i + group.dim[0], k->count, "image", NULL, 0.0);
    }
    if (k->classes) {
        how = (struct tess_dataset){.size = sizeof how, .bits = stage_bits(k->classes), .compress = 1, .labels = "image"};
        TESS_TRY(tess_artefact_put(c, a, "labels", &k->label, &how));
    }
    return k->names.data ? put_names(c, k, a) : TESS_OK;
}

static int run(void *self, struct tess_call *c, struct tess_stage_run *r)
{
    struct work k = {.s = self, .seed = tess_stage_seed(r)};
    int status = import(c, r, &k);
    tess_image_free(&k.image);
    tess_free(k.images.data);
    tess_free(k.label.data);
    tess_free(k.names.data);
    tess_free(k.a);
    tess_free(k.b);
    return status;
}

static const struct tess_port ports[] = {{.name = NULL}};

static const struct tess_stage_1 ops = {
    .size = sizeof ops, .ports = ports, .output = "images", .plan = plan, .fingerprint = fingerprint, .run = run};

static const struct tess_param params[] = {{.name = "source",
                                            .help = "where the images are",
                                            .type = TESS_COMPONENT,
                                            .flags = TESS_REQUIRED,
                                            .offset = offsetof(struct stage, source),
                                            .text = "source/1"},
                                           {.name = "size",
                                            .help = "scale the shorter side to this many pixels; 0: as it is",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct stage, size),
                                            .lo = 0,
                                            .hi = 65536,
                                            .def = 0},
                                           {.name = "crop",
                                            .help = "then keep the centre, at most this many pixels a side; 0: all",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct stage, crop),
                                            .lo = 0,
                                            .hi = 65536,
                                            .def = 0},
                                           {.name = "pad",
                                            .help = "then pad around to this many pixels a side; 0: not",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct stage, pad),
                                            .lo = 0,
                                            .hi = 65536,
                                            .def = 0},
                                           {.name = "fill",
                                            .help = "value of the padding, a byte",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct stage, fill),
                                            .lo = 0,
                                            .hi = 255,
                                            .def = 0},
                                           {.name = "channels",
                                            .help = "1: grey, 3: colour, 0: as they are",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct stage, channels),
                                            .lo = 0,
                                            .hi = 3,
                                            .def = 0},
                                           {.name = "limit",
                                            .help = "images at most, the first ones; 0: all",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct stage, limit),
                                            .lo = 0,
                                            .hi = 1e12,
                                            .def = 0},
                                           {.name = "split",
                                            .help = "share of the images that is trained on; the rest is for validation",
                                            .type = TESS_F64,
                                            .offset = offsetof(struct stage, split),
                                            .lo = 0,
                                            .hi = 1,
                                            .def = 1},
                                           {.name = "shuffle",
                                            .help = "draw the validation images; else they are the last ones",
                                            .type = TESS_BOOL,
                                            .offset = offsetof(struct stage, shuffle)},
                                           {.name = NULL}};

static int open_import(void *self, struct tess_call *c)
{
    const struct stage *s = self;
    if (s->channels == 2)
        return c->fail(c, TESS_E_VALUE, "import: channels is 2; 1 (grey), 3 (colour) or 0 (as they are) are possible");
    if (s->crop && s->size && s->crop > s->size)
        return c->fail(c, TESS_E_VALUE, "import: a crop of %lld from images scaled to %lld; set `crop` to at most `size`",
                       (long long)s->crop, (long long)s->size);
    if (s->split <= 0.0)
        return c->fail(c, TESS_E_VALUE, "import: split is 0 and leaves nothing to train on; set it above 0, to 1 for all images");
    return TESS_OK;
}

static const struct tess_component components[] = {{.name = "import",
                                                    .kind = "stage/1",
                                                    .summary = "images of a source, scaled, cropped, padded and split",
                                                    TESS_PARAMS(params),
                                                    .caps = TESS_DETERMINISTIC,
                                                    .self_size = sizeof(struct stage),
                                                    .open = open_import,
                                                    .ops = &ops},
                                                   {.name = NULL}};

static const char *const needs[] = {"artefact/1", "random/1", "stage/1", NULL};

TESS_EXPORT const struct tess_plugin tess_plugin_1 = {
    TESS_PLUGIN_HEAD, .id = "tessera-import", .version = "0.1.0", .license = "MIT", .needs = needs, .components = components};
