/* stage/1 `import`: images of a source as one artefact of equal size: scaled, cropped, padded, split. Training images come first, those
 * kept for validation after them, so that a split is one number. Every image is read, or the stage fails naming the one that cannot be;
 * with `skip_bad` it goes on and says which ones it left out. To which side of the split an image belongs does not depend on that.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/stages/cost.h"
#include "plugins/stages/import_image.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct stage {
    struct tess_instance *source;
    struct import_fit to;
    int64_t limit;
    double split;
    int32_t shuffle, skip_bad;
};

/* Images read and written at a time: at most so many, and so many bytes. Bad ones told by name: at most so many. */
enum { GROUP = 256, GROUP_BYTES = 64 << 20, REASON = 512, NAMED = 10 };

struct work {
    const struct stage *s;
    const struct tess_source_1 *source;
    void *self;
    int64_t count, train, height, width, channels, classes; /* count and train: of the source */
    uint64_t seed;
    struct import_hand *hand; /* one a worker */
    int64_t first, most, kept, kept_train; /* of the group at hand; written so far */
    struct tess_tensor images, label, names; /* of a group; all labels kept; all names, 256 bytes each */
    char (*reason)[REASON];                  /* of a group: "" for an image that could be read */
    char **skipped;                          /* "NAME: REASON" */
    int64_t bad;
};

/* ---- the plan ------------------------------------------------------------------------------------------------------ */

/* Reads image i of the source. One that is bad is skipped where that is wanted: the call is as before and `reason` not empty. */
static int read_image(struct tess_call *c, const struct work *k, int64_t i, struct tess_image *image, char reason[REASON])
{
    reason[0] = image->name[0] = image->reason[0] = '\0';
    int status = k->source->read(k->self, c, i, image);
    if (status != TESS_E_ITEM)
        return status;
    if (k->s->skip_bad) {
        snprintf(reason, REASON, "%s", *image->reason ? image->reason : "cannot be read");
        tess_forget(c);
        return TESS_OK;
    }
    tess_append_message(c, "; replace or remove it, or leave such images out with `skip_bad: true`");
    return status;
}

/* Where sizes differ the first image that can be read says what all must become. */
static int first_size(struct tess_call *c, struct work *k, int64_t *h, int64_t *w, int64_t *ch)
{
    struct tess_image image = {0};
    char reason[REASON] = "?";
    int status = TESS_OK;
    for (int64_t i = 0; i < k->count && status == TESS_OK && *reason; i++)
        status = read_image(c, k, i, &image, reason);
    *h = image.height;
    *w = image.width;
    *ch = image.channels;
    tess_image_free(&image);
    if (status == TESS_OK && *reason)
        return c->fail(c, TESS_E_DATA, "import: none of the %lld images can be read (%s); check the source `%s`", (long long)k->count, reason,
                       tess_instance_name(k->s->source));
    return status;
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
    if (!h || !w || !ch)
        TESS_TRY(first_size(c, k, &h, &w, &ch));
    struct import_sizes z = import_sizes_of(&s->to, h, w);
    k->height = z.padded[0];
    k->width = z.padded[1];
    k->channels = s->to.channels ? s->to.channels : ch;
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

static int describe(struct tess_call *c, const struct work *k, struct tess_facts *f, int64_t count, int64_t train, int planning)
{
    int at_most = planning && k->s->skip_bad;
    TESS_TRY((at_most ? tess_facts_set_i64_at_most : tess_facts_set_i64)(c, f, "count", count));
    TESS_TRY((at_most ? tess_facts_set_i64_at_most : tess_facts_set_i64)(c, f, "train_count", train));
    TESS_TRY(tess_facts_set_i64(c, f, "height", k->height));
    TESS_TRY(tess_facts_set_i64(c, f, "width", k->width));
    TESS_TRY(tess_facts_set_i64(c, f, "channels", k->channels));
    return tess_facts_set_i64(c, f, "classes", k->classes);
}

static int64_t group_of(const struct work *k)
{
    int64_t row = k->height * k->width * k->channels, most = row > GROUP_BYTES / GROUP ? GROUP_BYTES / row : GROUP;
    return most < 1 ? 1 : most;
}

/* What the source holds, a group of images, labels and names of all; an image before it is scaled is no part of it. */
static int64_t bytes_of(const struct work *k)
{
    const struct tess_source_1 *source = k->source;
    int64_t one = k->height * k->width * k->channels, most = group_of(k);
    int64_t bytes = most * (one + REASON) + cost_of_picture(1, k->count < most ? k->count : most, one, k->width);
    if (source->size >= offsetof(struct tess_source_1, bytes) + sizeof source->bytes && source->bytes)
        bytes += source->bytes(k->self);
    if (source->names(k->self))
        bytes += k->count * (int64_t)(sizeof k->hand->image.name + sizeof(char *));
    return bytes + (k->classes ? k->count * (int64_t)sizeof(uint16_t) : 0) + (k->s->skip_bad ? k->count * (int64_t)sizeof *k->skipped : 0);
}

static int plan(void *self, struct tess_call *c, struct tess_stage_plan *p)
{
    struct work k = {.s = self};
    TESS_TRY(measure(c, &k));
    TESS_TRY(describe(c, &k, p->out, k.count, k.train, 1));
    p->steps = k.count;
    p->cost.total_bytes = bytes_of(&k);
    return TESS_OK;
}

/* 1 where the source was compiled with this member and has it. */
#define HAS(ops, member) ((ops)->size >= offsetof(struct tess_source_1, member) + sizeof (ops)->member && (ops)->member)

static int fingerprint(void *self, struct tess_call *c, struct tess_digest *d)
{
    const struct stage *s = self;
    const struct tess_source_1 *ops = tess_instance_ops(s->source, "source/1");
    if (HAS(ops, tolerate))
        ops->tolerate(tess_instance_self(s->source), s->skip_bad);
    return ops->fingerprint ? ops->fingerprint(tess_instance_self(s->source), c, d) : TESS_OK;
}

/* Bytes are moved and scaled in integers. */
static uint64_t depends(void *self)
{
    return ((struct stage *)self)->shuffle ? TESS_DEPENDS_SEED : 0;
}

/* ---- one image ----------------------------------------------------------------------------------------------------- */

/* Which image of the source stands at place i: training images first. */
static int64_t source_of(const struct work *k, int64_t i)
{
    struct tess_stream s = {.seed = k->seed, .purpose = tess_purpose("import.split")};
    return k->s->shuffle ? tess_random_permute(&s, k->count, i) : i;
}

/* Reads image j of the group; labels and names go to its place among all, should none before it be bad. */
static int read_one(void *user, struct tess_call *c, int32_t worker, int64_t j)
{
    struct work *k = user;
    struct tess_image *image = &k->hand[worker].image;
    int64_t i = k->first + j, row = k->height * k->width * k->channels;
    TESS_TRY(read_image(c, k, source_of(k, i), image, k->reason[j]));
    if (k->names.data)
        memcpy((char *)k->names.data + i * (int64_t)sizeof image->name, image->name, sizeof image->name);
    if (k->reason[j][0])
        return TESS_OK;
    TESS_TRY(import_transform(c, &k->s->to, &k->hand[worker], k->height, k->width, k->channels, (uint8_t *)k->images.data + j * row));
    if (!k->classes)
        return TESS_OK;
    if (image->label < 0 || image->label >= k->classes)
        return c->fail(c, TESS_E_DATA, "image %s has label %lld of %lld classes", image->name, (long long)image->label,
                       (long long)k->classes);
    ((uint16_t *)k->label.data)[i] = (uint16_t)image->label;
    return TESS_OK;
}

/* ---- all of them --------------------------------------------------------------------------------------------------- */

static char *name_at(const struct work *k, int64_t i)
{
    return (char *)k->names.data + i * (int64_t)sizeof k->hand->image.name;
}

static int skip(struct tess_call *c, struct tess_stage_run *r, struct work *k, int64_t i, const char *reason)
{
    char index[32];
    void *memory;
    snprintf(index, sizeof index, "%lld", (long long)source_of(k, i));
    const char *name = k->names.data ? name_at(k, i) : index;
    size_t bytes = strlen(name) + strlen(reason) + 3;
    TESS_TRY(tess_alloc(c, bytes, "the name of an image", &memory));
    snprintf(memory, bytes, "%s: %s", name, reason);
    k->skipped[k->bad++] = memory;
    if (k->bad <= NAMED)
        tess_stage_note(r, "skipped %s", (const char *)memory);
    return TESS_OK;
}

/* Those of the group that could be read move up to those before them. */
static int close_ranks(struct tess_call *c, struct tess_stage_run *r, struct work *k, int64_t n, int64_t *good)
{
    int64_t row = k->height * k->width * k->channels;
    uint8_t *images = k->images.data;
    uint16_t *label = k->label.data;
    *good = 0;
    for (int64_t j = 0; j < n; j++) {
        int64_t i = k->first + j;
        if (k->reason[j][0]) {
            TESS_TRY(skip(c, r, k, i, k->reason[j]));
            continue;
        }
        if (*good != j)
            memcpy(images + *good * row, images + j * row, (size_t)row);
        if (label)
            label[k->kept] = label[i];
        if (k->names.data && k->kept != i)
            memcpy(name_at(k, k->kept), name_at(k, i), sizeof k->hand->image.name);
        k->kept_train += i < k->train;
        k->kept++;
        ++*good;
    }
    return TESS_OK;
}

static int put_names(struct tess_call *c, struct work *k, struct tess_artefact *a)
{
    void *memory;
    TESS_TRY(tess_alloc(c, (size_t)k->kept * sizeof(char *), "names", &memory));
    const char **list = memory;
    for (int64_t i = 0; i < k->kept; i++)
        list[i] = name_at(k, i);
    int status = tess_artefact_put_strings(c, a, "names", k->kept, list);
    tess_free(memory);
    return status;
}

/* What was left out: the names and reasons, and a figure. Never all of one side of the split: that would change what the other is for. */
static int tell_skipped(struct tess_call *c, struct tess_stage_run *r, struct work *k, struct tess_artefact *a)
{
    int64_t validation = k->kept - k->kept_train;
    if (k->kept_train == 0 || (validation == 0 && k->count > k->train))
        return c->fail(c, TESS_E_DATA, "import: none of the %lld images %s can be read (%s); check the source `%s`",
                       (long long)(k->kept == 0 ? k->count : k->kept_train == 0 ? k->train : k->count - k->train),
                       k->kept == 0 ? "there are" : k->kept_train == 0 ? "to train on" : "kept for validation", k->skipped[k->bad - 1],
                       tess_instance_name(k->s->source));
    if (!k->s->skip_bad)
        return TESS_OK;
    TESS_TRY(tess_artefact_put_figure(c, a, "images skipped", (double)k->bad, ""));
    if (k->bad == 0)
        return TESS_OK;
    if (k->bad > NAMED)
        tess_stage_note(r, "skipped %lld images in all; /skipped in its file has their names and reasons", (long long)k->bad);
    return tess_artefact_put_strings(c, a, "skipped", k->bad, (const char *const *)k->skipped);
}

static int put_classes(struct tess_call *c, struct work *k, struct tess_artefact *a)
{
    struct tess_dataset how = {.size = sizeof how, .bits = stage_bits(k->classes), .compress = 1, .labels = "image"};
    k->label.dim[0] = k->kept;
    TESS_TRY(tess_artefact_put(c, a, "labels", &k->label, &how));
    if (k->source->size < offsetof(struct tess_source_1, class_name) + sizeof k->source->class_name || !k->source->class_name)
        return TESS_OK;
    void *memory;
    TESS_TRY(tess_alloc(c, (size_t)k->classes * sizeof(char *), "names of classes", &memory));
    const char **list = memory;
    for (int64_t i = 0; i < k->classes; i++)
        list[i] = k->source->class_name(k->self, i);
    int status = tess_artefact_put_strings(c, a, "classes", k->classes, list);
    tess_free(memory);
    return status;
}

static int have_memory(struct tess_call *c, const struct tess_stage_run *r, struct work *k)
{
    void *memory;
    k->most = group_of(k);
    TESS_TRY(tess_alloc(c, (size_t)tess_stage_workers(r) * sizeof *k->hand, "the hands of import", &memory));
    k->hand = memory;
    TESS_TRY(tess_alloc(c, (size_t)k->most * sizeof *k->reason, "reasons", &memory));
    k->reason = memory;
    TESS_TRY(stage_tensor(c, &k->images, TESS_U8, 4, (const int64_t[]){k->most, k->height, k->width, k->channels}));
    if (k->classes)
        TESS_TRY(stage_tensor(c, &k->label, TESS_U16, 1, &k->count));
    if (k->source->names(k->self))
        TESS_TRY(stage_tensor(c, &k->names, TESS_U8, 2, (const int64_t[]){k->count, (int64_t)sizeof k->hand->image.name}));
    if (k->s->skip_bad) {
        TESS_TRY(tess_alloc(c, (size_t)k->count * sizeof *k->skipped, "names of images skipped", &memory));
        k->skipped = memory;
    }
    return TESS_OK;
}

static int import(struct tess_call *c, struct tess_stage_run *r, struct work *k)
{
    struct tess_artefact *a = tess_stage_output(r);
    struct tess_dataset how = {.size = sizeof how, .labels = "image y x channel", .may_end = k->s->skip_bad};
    TESS_TRY(measure(c, k));
    TESS_TRY(have_memory(c, r, k));
    struct tess_tensor whole = k->images, group = k->images;
    whole.dim[0] = k->count;
    TESS_TRY(tess_artefact_begin(c, a, "images", &whole, &how));
    for (int64_t n; k->first < k->count; k->first += n) {
        int64_t before = k->kept;
        n = k->count - k->first < k->most ? k->count - k->first : k->most;
        TESS_TRY(stage_check_stop(c, r, k->first, k->count, "image"));
        TESS_TRY(tess_stage_parallel(c, r, n, read_one, k));
        TESS_TRY(close_ranks(c, r, k, n, &group.dim[0]));
        TESS_TRY(tess_artefact_append(c, a, "images", &group));
        if (before == 0 && k->kept) {
            struct tess_tensor some = group;
            some.dim[0] = group.dim[0] < PICTURE_IMAGES ? group.dim[0] : PICTURE_IMAGES;
            TESS_TRY(stage_put_sheet(c, a, "images", &some));
        }
        tess_stage_progress(r, k->first + n, k->count, "image", NULL, 0.0);
    }
    TESS_TRY(tell_skipped(c, r, k, a));
    TESS_TRY(describe(c, k, tess_artefact_describe(a), k->kept, k->kept_train, 0));
    TESS_TRY(tess_artefact_end(c, a, "images"));
    if (k->classes)
        TESS_TRY(put_classes(c, k, a));
    return k->names.data ? put_names(c, k, a) : TESS_OK;
}

static int run(void *self, struct tess_call *c, struct tess_stage_run *r)
{
    struct work k = {.s = self, .seed = tess_stage_seed(r)};
    int status = import(c, r, &k);
    if (k.source && k.source->size >= offsetof(struct tess_source_1, rest) + sizeof k.source->rest && k.source->rest)
        k.source->rest(k.self); /* other stages have the memory */
    for (int32_t i = 0; k.hand && i < tess_stage_workers(r); i++)
        import_hand_free(&k.hand[i]);
    for (int64_t i = 0; i < k.bad; i++)
        tess_free(k.skipped[i]);
    tess_free(k.skipped);
    tess_free(k.hand);
    tess_free(k.reason);
    tess_free(k.images.data);
    tess_free(k.label.data);
    tess_free(k.names.data);
    return status;
}

static const struct tess_port ports[] = {{.name = NULL}};

static const struct tess_stage_1 ops = {
    .size = sizeof ops, .ports = ports, .output = "images", .plan = plan, .fingerprint = fingerprint, .run = run, .depends = depends};

static const struct tess_param params[] = {{.name = "source",
                                            .help = "where the images are",
                                            .type = TESS_COMPONENT,
                                            .flags = TESS_REQUIRED,
                                            .offset = offsetof(struct stage, source),
                                            .text = "source/1"},
                                           {.name = "size",
                                            .help = "scale the shorter side, or both, to this many pixels; 0: as it is",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct stage, to.size),
                                            .lo = 0,
                                            .hi = 65536,
                                            .def = 0},
                                           {.name = "fit",
                                            .help = "which sides `size` is for: the shorter one, or both though it distorts",
                                            .type = TESS_ENUM,
                                            .offset = offsetof(struct stage, to.fit),
                                            .text = "shorter|stretch"},
                                           {.name = "resize",
                                            .help = "whose bytes: Pillow up to 12.3 scales widths first, 13 heights where they shrink by twice as much",
                                            .type = TESS_ENUM,
                                            .offset = offsetof(struct stage, to.resize),
                                            .text = "pillow-12|pillow-13"},
                                           {.name = "crop",
                                            .help = "then keep the centre, at most this many pixels a side; 0: all",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct stage, to.crop),
                                            .lo = 0,
                                            .hi = 65536,
                                            .def = 0},
                                           {.name = "pad",
                                            .help = "then pad around to this many pixels a side; 0: not",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct stage, to.pad),
                                            .lo = 0,
                                            .hi = 65536,
                                            .def = 0},
                                           {.name = "fill",
                                            .help = "value of the padding, a byte",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct stage, to.fill),
                                            .lo = 0,
                                            .hi = 255,
                                            .def = 0},
                                           {.name = "channels",
                                            .help = "1: grey, 3: colour, 0: as they are",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct stage, to.channels),
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
                                           {.name = "skip_bad",
                                            .help = "go on without images that cannot be read, and list them; else the first one is an error",
                                            .type = TESS_BOOL,
                                            .offset = offsetof(struct stage, skip_bad)},
                                           {.name = NULL}};

static int open_import(void *self, struct tess_call *c)
{
    const struct stage *s = self;
    const struct import_fit *to = &s->to;
    if (to->channels == 2)
        return c->fail(c, TESS_E_VALUE, "import: channels is 2; 1 (grey), 3 (colour) or 0 (as they are) are possible");
    if (to->fit == FIT_STRETCH && !to->size)
        return c->fail(c, TESS_E_VALUE, "import: `fit: stretch` needs the side to stretch to; set `size`");
    if (to->crop && to->size && to->crop > to->size)
        return c->fail(c, TESS_E_VALUE, "import: a crop of %lld from images scaled to %lld; set `crop` to at most `size`",
                       (long long)to->crop, (long long)to->size);
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
    TESS_PLUGIN_HEAD, .id = "tessera-import", .version = "0.3.0", .license = "MIT", .needs = needs, .components = components};
