/* stage/1 `import`: images of a source as one artefact of equal size: scaled, cropped, padded, split. Training images come first, those
 * kept for validation after them, so that a split is one number. Every image is read, or the stage fails naming the one that cannot be;
 * with `skip_bad` it goes on and says which ones it left out. To which side of the split an image belongs does not depend on that.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/infer/cost.h"
#include "plugins/stages/import/import_work.h"

#include <math.h>
#include <stdio.h>

/* Estimate of a name's length, for a plan. */
enum { NAME_BYTES = 48 };

/* ---- the plan ------------------------------------------------------------------------------------------------------ */

/* Size of the first image that can be read, which stands for all where sizes differ. */
static int first_size(struct tess_context *ctx, struct import_work *k, int64_t *h, int64_t *w, int64_t *ch)
{
    struct tess_image image = {.size = sizeof image, .reason = "?"};
    int status = TESS_OK;
    for (int64_t i = 0; i < k->count && status == TESS_OK && *image.reason; i++)
        status = import_read_image(ctx, k, i, &image);
    *h = image.height;
    *w = image.width;
    *ch = image.channels;
    if (status == TESS_OK && *image.reason)
        status = ctx->fail(ctx, TESS_E_DATA, "import: none of the %lld images can be read (%s); check the source `%s`", (long long)k->count,
                         image.reason, tess_instance_name(k->s->source));
    tess_image_free(&image);
    return status;
}

/* Computes sizes, counts and the split, from the source alone. */
static int import_measure(struct tess_context *ctx, struct import_work *k)
{
    const struct import_stage *s = k->s;
    int64_t h, w, ch;
    const double max = 1125899906842624.0; /* 2^50 bytes: what comes of a hostile header must not overflow */
    k->source = tess_instance_ops(s->source, "source/1");
    k->self = tess_instance_self(s->source);
    k->count = k->source->count(k->self);
    if (s->limit && s->limit < k->count)
        k->count = s->limit;
    if (k->count < 1)
        return ctx->fail(ctx, TESS_E_DATA, "import: the source `%s` has no images; check its paths", tess_instance_name(s->source));
    k->source->shape(k->self, &h, &w, &ch);
    if (!h || !w || !ch)
        TESS_TRY(first_size(ctx, k, &h, &w, &ch));
    struct image_sizes z = image_fit_sizes(&s->to, h, w);
    k->height = z.padded[0];
    k->width = z.padded[1];
    k->channels = s->to.channels ? s->to.channels : ch;
    if ((double)k->count * (double)k->height * (double)k->width * (double)k->channels > max)
        return ctx->fail(ctx, TESS_E_SHAPE,
                       "import: %lld images of %lld x %lld x %lld are more than 2^50 bytes; check the source, `size` and `pad`",
                       (long long)k->count, (long long)k->height, (long long)k->width, (long long)k->channels);
    k->classes = k->source->labels(k->self);
    if (k->classes > 65536)
        return ctx->fail(ctx, TESS_E_DATA, "import: the source `%s` has %lld classes; 65536 are possible", tess_instance_name(s->source),
                       (long long)k->classes);
    k->train = (int64_t)floor((double)k->count * s->split + 0.5);
    k->train = k->train < 1 ? 1 : k->train;
    return TESS_OK;
}

static int import_describe(struct tess_context *ctx, const struct import_work *k, struct tess_attrs *f, int64_t count, int64_t train,
                           int planning)
{
    int at_most = planning && k->s->skip_bad;
    TESS_TRY((at_most ? tess_attrs_set_i64_at_most : tess_attrs_set_i64)(ctx, f, "count", count));
    TESS_TRY((at_most ? tess_attrs_set_i64_at_most : tess_attrs_set_i64)(ctx, f, "train_count", train));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "height", k->height));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "width", k->width));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "channels", k->channels));
    return tess_attrs_set_i64(ctx, f, "classes", k->classes);
}

/* Bytes that an import needs: what the source holds, a group of images and the list of rows, names and labels of all; an image before it is
 * scaled is no part of it. */
static int64_t memory_of(const struct import_work *k)
{
    int64_t row = import_row_bytes(k), group = IMPORT_GROUP_BYTES / row, rows = IMPORT_MEMORY / row;
    group = group > IMPORT_GROUP ? IMPORT_GROUP : group < 1 ? 1 : group;
    rows = rows > k->count ? k->count : rows;
    int64_t bytes = (group + rows) * row + cost_of_picture(1, k->count < group ? k->count : group, row, k->width);
    if (IMPORT_SOURCE_HAS(k->source, bytes))
        bytes += k->source->bytes(k->self);
    if (k->source->names(k->self))
        bytes += k->count * (int64_t)(NAME_BYTES + sizeof(char *));
    return bytes + (k->classes ? k->count * (int64_t)sizeof(uint16_t) : 0);
}

static int import_plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    struct import_work k = {.s = self};
    TESS_TRY(import_measure(ctx, &k));
    TESS_TRY(import_describe(ctx, &k, p->out, k.count, k.train, 1));
    p->steps = k.count;
    p->cost->total_bytes = memory_of(&k);
    p->output_bytes = k.count * import_row_bytes(&k);
    p->checkpoint_bytes = p->output_bytes / 2; /* the checkpoint's rows are one file that grows, where two are reckoned with */
    return TESS_OK;
}

static int import_fingerprint(void *self, struct tess_context *ctx, struct tess_digest *d)
{
    const struct import_stage *s = self;
    const struct tess_source_1 *ops = tess_instance_ops(s->source, "source/1");
    if (IMPORT_SOURCE_HAS(ops, tolerate))
        ops->tolerate(tess_instance_self(s->source), s->skip_bad);
    return ops->fingerprint
               ? tess_instance_returned(ctx, s->source, "source", "fingerprint", ops->fingerprint(tess_instance_self(s->source), ctx, d))
               : TESS_OK;
}

/* Dependencies of the result: no numeric mode, as bytes are moved and scaled in integers. */
static uint64_t import_depends(void *self)
{
    return ((const struct import_stage *)self)->shuffle ? TESS_DEPENDS_SEED : 0;
}

/* ---- the run ------------------------------------------------------------------------------------------------------- */

static int open_rows(struct tess_context *ctx, struct tess_stage_run *r, struct import_work *k)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s%s", tess_stage_checkpoint_path(r), TESS_CHECKPOINT_ROWS) >= (int)sizeof path)
        return ctx->fail(ctx, TESS_E_CREATE, "%s: is too long for the name of a file; choose a shorter folder",
                         tess_stage_checkpoint_path(r));
    return archive_rows_open(ctx, &k->rows, path, IMPORT_MEMORY);
}

static int import(struct tess_context *ctx, struct tess_stage_run *r, struct import_work *k)
{
    TESS_TRY(import_measure(ctx, k));
    TESS_TRY(open_rows(ctx, r, k));
    const char *remark = IMPORT_SOURCE_HAS(k->source, remark) ? k->source->remark(k->self) : NULL;
    if (remark)
        tess_stage_note(r, "%s", remark);
    TESS_TRY(import_read(ctx, r, k));
    TESS_TRY(tess_stage_alone(ctx, r));
    TESS_TRY(import_write(ctx, r, k));
    return import_describe(ctx, k, tess_artefact_describe(tess_stage_output(r)), k->kept, k->kept_train, 0);
}

static int import_run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    struct import_work k = {.s = self, .seed = tess_stage_seed(r)};
    int status = import(ctx, r, &k);
    archive_rows_close(&k.rows);
    return status;
}

static const struct tess_port ports[] = {{.name = NULL}};

static const struct tess_stage_1 ops = {.size = sizeof ops,
                                        .ports = ports,
                                        .output = "images",
                                        .plan = import_plan,
                                        .fingerprint = import_fingerprint,
                                        .run = import_run,
                                        .depends = import_depends};

static const struct tess_param params[] = {
    {.name = "source",
     .help = "where the images are",
     .type = TESS_COMPONENT,
     .flags = TESS_REQUIRED,
     .offset = offsetof(struct import_stage, source),
     .text = "source/1"},
    {.name = "size",
     .help = "scale the shorter side, or both, to this many pixels; 0: as it is",
     .type = TESS_I64,
     .offset = offsetof(struct import_stage, to.size),
     .lo = 0,
     .hi = 65536,
     .def = 0},
    {.name = "fit",
     .help = "which sides `size` is for: the shorter one, or both though it distorts",
     .type = TESS_ENUM,
     .offset = offsetof(struct import_stage, to.fit),
     .text = "shorter|stretch"},
    {.name = "resize",
     .help = "whose bytes: Pillow up to 12.3 scales widths first, 13 heights where they shrink by twice as much",
     .type = TESS_ENUM,
     .offset = offsetof(struct import_stage, to.resize),
     .text = "pillow-12|pillow-13"},
    {.name = "crop",
     .help = "then keep the centre, at most this many pixels a side; 0: all",
     .type = TESS_I64,
     .offset = offsetof(struct import_stage, to.crop),
     .lo = 0,
     .hi = 65536,
     .def = 0},
    {.name = "pad",
     .help = "then pad around to this many pixels a side; 0: not",
     .type = TESS_I64,
     .offset = offsetof(struct import_stage, to.pad),
     .lo = 0,
     .hi = 65536,
     .def = 0},
    {.name = "fill",
     .help = "value of the padding, a byte",
     .type = TESS_I64,
     .offset = offsetof(struct import_stage, to.fill),
     .lo = 0,
     .hi = 255,
     .def = 0},
    {.name = "channels",
     .help = "1: grey, 3: colour, 0: as they are",
     .type = TESS_I64,
     .offset = offsetof(struct import_stage, to.channels),
     .lo = 0,
     .hi = 3,
     .def = 0},
    {.name = "limit",
     .help = "images at most, the first ones; 0: all",
     .type = TESS_I64,
     .offset = offsetof(struct import_stage, limit),
     .lo = 0,
     .hi = 1e12,
     .def = 0},
    {.name = "split",
     .help = "share of the images that is trained on; the rest is for validation",
     .type = TESS_F64,
     .offset = offsetof(struct import_stage, split),
     .lo = 0,
     .hi = 1,
     .def = 1},
    {.name = "shuffle",
     .help = "draw the validation images; else they are the last ones",
     .type = TESS_BOOL,
     .offset = offsetof(struct import_stage, shuffle)},
    {.name = "skip_bad",
     .help = "go on without images that cannot be read, and list them; else the first one is an error",
     .type = TESS_BOOL,
     .offset = offsetof(struct import_stage, skip_bad)},
    {.name = NULL}};

static int open_import(void *self, struct tess_context *ctx)
{
    const struct import_stage *s = self;
    const struct image_fit *to = &s->to;
    if (to->channels == 2)
        return ctx->fail(ctx, TESS_E_VALUE, "import: channels is 2; 1 (grey), 3 (colour) or 0 (as they are) are possible");
    if (to->fit == FIT_STRETCH && !to->size)
        return ctx->fail(ctx, TESS_E_VALUE, "import: `fit: stretch` needs the side to stretch to; set `size`");
    if (to->crop && to->size && to->crop > to->size)
        return ctx->fail(ctx, TESS_E_VALUE, "import: a crop of %lld from images scaled to %lld; set `crop` to at most `size`",
                       (long long)to->crop, (long long)to->size);
    if (s->split <= 0.0)
        return ctx->fail(ctx, TESS_E_VALUE, "import: split is 0 and leaves nothing to train on; set it above 0, to 1 for all images");
    return TESS_OK;
}

TESS_PLUGIN("tessera-import", "0.3.0", "MIT", TESS_NEEDS("artefact/1", "random/1", "stage/1"),
            TESS_COMPONENT_DOCUMENTED(NULL,
                                      "images:\n"
                                      "  use: import\n"
                                      "  source: {use: folder, path: photographs}\n"
                                      "  size: 64",
                                      "import", "stage/1", "images of a source, scaled, cropped, padded and split",
                                      sizeof(struct import_stage), params, open_import, NULL, &ops));
