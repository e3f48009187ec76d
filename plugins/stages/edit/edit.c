/* stage/1 `edit`: parts of images drawn anew (docs/models.md, "Editing"). A mask says which; it is an image like any other, so its size is
 * known when a pipeline is planned. Images are encoded, the codes that the mask touches are sampled from the prior around the others, which
 * are kept exactly, and the whole is decoded. Variant v of image i is keyed by i and v, so it is the same whatever else is drawn.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/stages/edit/edit_models.h"
#include "plugins/stages/edit/edit_results.h"
#include "kit/infer/cost.h"

#include <stdio.h>
#include <string.h>

struct work {
    const struct edit_params *s;
    struct tess_stage_run *run;
    struct edit_models m;
    struct stage_images images, masks;
    struct region_rule rule;
    struct tess_sampler *sampler;
    uint64_t seed;
    struct tess_tensor cells, codes;                /* (images, h, w): u8, 1 where drawn anew; i32, the codes as encoded */
    struct tess_tensor fixed, values, each, number; /* rows of all sequences, as the sampler wants them */
    struct tess_tensor labels, own;                 /* labels of all sequences; own: labels of all images, where these are asked for */
    struct tess_tensor batch, mask;                 /* batch: images; mask: one mask */
    struct edit_results results;
};

/* ---- planning ---- */

static int edit_plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    const struct edit_params *s = self;
    struct edit_models m = {.images = 0};
    int status = edit_check_mask(ctx, p->in[0], p->in[1]);
    if (status == TESS_OK)
        status = edit_open_models(ctx, s, p->seed, p->in[0], p->in[2], p->in[3], "prior", &m);
    if (status == TESS_OK)
        status = edit_describe(ctx, s, &m, p->in[3], p->seed, p->out);
    if (status == TESS_OK)
        status = edit_cost(ctx, &m, p->in[0], p->in[1], p->cost);
    if (status == TESS_OK) {
        sampling_disk(&m.p, m.count, m.p.prior.height, m.p.prior.width, p);
        p->output_bytes += cost_of_tokenizer_images(&m.codec.tokenizer, m.count) + m.images * m.cells / 8;
    }
    p->steps = m.count * (m.steps ? m.steps : m.tokens);
    edit_close_models(&m);
    return status;
}

/* ---- codes and cells of the images ---- */

static uint8_t *cells_of(const struct work *k, int64_t i)
{
    return (uint8_t *)k->cells.data + i * k->m.cells;
}

static int find_region(struct tess_context *ctx, struct work *k, int64_t i, int64_t *drawn)
{
    const struct tess_prior *p = &k->m.p.prior;
    const struct tess_tensor *shape = &k->masks.shape;
    const char *gone = k->rule.white ? "white" : "black", *kept = k->rule.white ? "black" : "white";
    char which[48] = "the mask";
    if (i == 0 || shape->dim[0] > 1)
        TESS_TRY(stage_images_get(ctx, &k->masks, i, k->mask.data));
    *drawn = region_cells(&k->rule, k->mask.data, shape->dim[1], shape->dim[2], shape->dim[3], p->height, p->width, cells_of(k, i));
    if (*drawn > 0)
        return TESS_OK;
    if (shape->dim[0] > 1)
        snprintf(which, sizeof which, "mask %lld", (long long)(k->masks.first + i));
    return ctx->fail(ctx, TESS_E_DATA,
                   "edit: %s leaves nothing to be drawn anew, no pixel of it is %s by more than the threshold %g; paint what is to be "
                   "regenerated %s, or set `regenerate: %s`",
                   which, gone, k->rule.threshold, gone, kept);
}

static int find_regions(struct tess_context *ctx, struct work *k)
{
    struct edit_models *m = &k->m;
    int64_t whole = 0, all = 0, drawn;
    TESS_TRY(stage_tensor(ctx, &k->cells, TESS_U8, 3, (const int64_t[]){m->images, m->p.prior.height, m->p.prior.width}));
    TESS_TRY(stage_tensor(ctx, &k->each, TESS_I32, 1, &m->count));
    for (int64_t i = 0; i < m->images; i++) {
        TESS_TRY(find_region(ctx, k, i, &drawn));
        whole += drawn == m->cells;
        all += drawn;
        for (int64_t v = 0; v < k->s->variants; v++)
            ((int32_t *)k->each.data)[i * k->s->variants + v] = (int32_t)(m->steps ? m->steps : drawn * (m->tokens / m->cells));
    }
    if (whole)
        tess_stage_note(k->run, "of %lld of %lld images everything is regenerated: the mask keeps nothing of them", (long long)whole,
                        (long long)m->images);
    return tess_artefact_put_metric(ctx, tess_stage_output(k->run), "regenerated", 100.0 * (double)all / (double)(m->images * m->cells),
                                    "% of codes");
}

/* Reads images first .. first + n - 1 into the batch. */
static int read_batch(struct tess_context *ctx, struct work *k, int64_t first, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        TESS_TRY(stage_images_get(ctx, &k->images, first + i, (uint8_t *)k->batch.data + (size_t)i * k->images.row));
    return TESS_OK;
}

static int edit_encode(struct tess_context *ctx, struct work *k)
{
    struct edit_models *m = &k->m;
    const struct code_maps maps = code_maps_of_prior(&m->p.prior);
    struct tess_tensor codes;
    TESS_TRY(code_maps_tensor(ctx, &maps, m->images, &k->codes));
    for (int64_t i = 0; i < m->images; i += k->s->batch) {
        int64_t n = m->images - i < k->s->batch ? m->images - i : k->s->batch;
        struct tess_tensor images = k->batch;
        codes = k->codes;
        codes.data = (int32_t *)codes.data + i * m->tokens;
        codes.dim[0] = images.dim[0] = n;
        TESS_TRY(read_batch(ctx, k, i, n));
        TESS_TRY(stage_codec_encode(ctx, &m->codec, n, &images, &codes, NULL));
    }
    return TESS_OK;
}

/* Fills known tokens, their values and the number of each sequence: variants of an image differ in the number alone. */
static int tell_variants(struct tess_context *ctx, struct work *k)
{
    struct edit_models *m = &k->m;
    int64_t depth = m->tokens / m->cells;
    TESS_TRY(stage_tensor(ctx, &k->fixed, TESS_U8, 2, (const int64_t[]){m->count, m->tokens}));
    TESS_TRY(stage_tensor(ctx, &k->values, TESS_I32, 2, (const int64_t[]){m->count, m->tokens}));
    TESS_TRY(stage_tensor(ctx, &k->number, TESS_I32, 1, &m->count));
    for (int64_t q = 0; q < m->count; q++) {
        int64_t i = q / k->s->variants, v = q % k->s->variants;
        ((uint32_t *)k->number.data)[q] = (uint32_t)(i * VARIANTS_MAX + v);
        memcpy((int32_t *)k->values.data + q * m->tokens, (const int32_t *)k->codes.data + i * m->tokens, (size_t)m->tokens * 4);
        for (int64_t t = 0; t < m->tokens; t++)
            ((uint8_t *)k->fixed.data)[q * m->tokens + t] = !cells_of(k, i)[t / depth];
    }
    return TESS_OK;
}

/* ---- sampling ---- */

/* Labels of the sequences: for variant v of image i the list's v-th in turn, or the image's own. */
static int edit_label(struct tess_context *ctx, struct work *k)
{
    const struct tess_artefact *images = tess_stage_input(k->run, "images");
    const struct tess_list *list = &k->s->choice.labels;
    int64_t classes = k->m.p.prior.classes, variants = k->s->variants;
    if (classes == 0)
        return TESS_OK;
    TESS_TRY(stage_tensor(ctx, &k->labels, TESS_I32, 1, &k->m.count));
    if (list->count == 0) {
        TESS_TRY(tess_artefact_load(ctx, images, "labels", TESS_I32, &k->own));
        TESS_TRY(stage_check_below(ctx, images, "labels", &k->own, "classes", classes));
    }
    for (int64_t q = 0; q < k->m.count; q++) {
        int64_t label = list->count ? list->item[q % variants % list->count] : ((const int32_t *)k->own.data)[k->m.first + q / variants];
        ((int32_t *)k->labels.data)[q] = (int32_t)(label < 0 ? classes : label);
    }
    return TESS_OK;
}

static int edit_sample(struct tess_context *ctx, struct work *k)
{
    const struct edit_models *m = &k->m;
    struct tess_sampler_options o = {.size = sizeof o,
                                     .prior = &m->p.prior,
                                     .denoise = m->p.denoise.graph,
                                     .batch = k->s->batch,
                                     .count = m->count,
                                     .temperature = k->s->choice.temperature,
                                     .seed = k->seed,
                                     .picked = m->p.picked.graph,
                                     .mask = k->fixed.data,
                                     .values = k->values.data,
                                     .each = k->each.data,
                                     .number = k->number.data,
                                     .sampler = m->p.sampler,
                                     .label = k->labels.data,
                                     .guidance = m->p.guidance};
    TESS_TRY(tess_sampler_new(ctx, &o, &k->sampler));
    return sampling_finish(ctx, k->run, &m->p, k->sampler, k->each.data, 0);
}

/* ---- results ---- */

static int edit_put_images(struct tess_context *ctx, struct work *k, struct tess_artefact *a)
{
    struct edit_models *m = &k->m;
    struct tess_dataset how = {.size = sizeof how, .labels = "image y x channel"};
    struct tess_tensor whole = k->images.shape, codes = tess_sampler_x(k->sampler);
    whole.dim[0] = m->count;
    TESS_TRY(tess_artefact_begin(ctx, a, "images", &whole, &how));
    for (int64_t q = 0; q < m->count; q += k->s->batch) {
        struct tess_tensor some = codes, made = k->batch;
        some.dim[0] = made.dim[0] = m->count - q < k->s->batch ? m->count - q : k->s->batch;
        some.data = (int32_t *)codes.data + q * m->tokens;
        TESS_TRY(stage_codec_decode(ctx, &m->codec, some.dim[0], &some, NULL, &made));
        for (int64_t n = 0; n < some.dim[0]; n++)
            TESS_TRY(edit_results_take(ctx, &k->results, (q + n) / k->s->variants, (q + n) % k->s->variants,
                                       (uint8_t *)made.data + (size_t)n * k->images.row));
        TESS_TRY(tess_artefact_append(ctx, a, "images", &made));
    }
    return edit_results_put_picture(ctx, &k->results, a);
}

static int edit_put_all(struct tess_context *ctx, struct work *k)
{
    struct tess_artefact *a = tess_stage_output(k->run);
    struct tess_tensor codes = tess_sampler_x(k->sampler);
    TESS_TRY(edit_describe(ctx, k->s, &k->m, tess_artefact_attrs(tess_stage_input(k->run, "prior")), k->seed, tess_artefact_describe(a)));
    TESS_TRY(sampling_put_codes(ctx, a, &k->m.p, &codes, &k->labels));
    struct tess_dataset how = {.size = sizeof how, .bits = 1, .labels = "image y x"};
    TESS_TRY(tess_artefact_put(ctx, a, "regenerated", &k->cells, &how));
    k->results = (struct edit_results){.images = &k->images,
                                       .masks = &k->masks,
                                       .rule = k->rule,
                                       .cells = k->cells.data,
                                       .count = k->m.images,
                                       .variants = k->s->variants,
                                       .h = k->m.p.prior.height,
                                       .w = k->m.p.prior.width,
                                       .composite = k->s->composite};
    TESS_TRY(edit_results_open(ctx, &k->results));
    return edit_put_images(ctx, k, a);
}

/* ---- run ---- */

static int edit_prepare(struct tess_context *ctx, struct work *k)
{
    const struct tess_artefact *images = tess_stage_input(k->run, "images"), *mask = tess_stage_input(k->run, "mask"),
                               *model = tess_stage_input(k->run, "model"), *prior = tess_stage_input(k->run, "prior");
    struct edit_models *m = &k->m;
    const struct tess_tokenizer *t = &m->codec.tokenizer;
    TESS_TRY(stage_check_tokenizer(ctx, prior, model));
    TESS_TRY(edit_check_mask(ctx, tess_artefact_attrs(images), tess_artefact_attrs(mask)));
    TESS_TRY(edit_open_models(ctx, k->s, k->seed, tess_artefact_attrs(images), tess_artefact_attrs(model), tess_artefact_attrs(prior),
                         tess_artefact_path(prior), m));
    TESS_TRY(sampling_read_weights(ctx, &m->p, prior, &m->codec, model));
    TESS_TRY(stage_images_open(ctx, &k->images, images, (const int64_t[]){t->height, t->width, t->channels}));
    TESS_TRY(stage_images_open(ctx, &k->masks, mask, NULL));
    const int64_t *d = k->images.shape.dim, *e = k->masks.shape.dim;
    k->images.first = m->first;
    k->masks.first = e[0] > 1 ? m->first : 0;
    if (d[0] < m->first + m->images || d[1] != e[1] || d[2] != e[2])
        return ctx->fail(ctx, TESS_E_DATA, "edit: /images of %s or of %s are not of the size that its attributes say; make it again",
                       tess_artefact_path(images), tess_artefact_path(mask));
    TESS_TRY(stage_tensor(ctx, &k->batch, TESS_U8, 4, (const int64_t[]){k->s->batch, d[1], d[2], d[3]}));
    return stage_tensor(ctx, &k->mask, TESS_U8, 4, (const int64_t[]){1, e[1], e[2], e[3]});
}

static int edit(struct tess_context *ctx, struct work *k)
{
    TESS_TRY(edit_prepare(ctx, k));
    TESS_TRY(find_regions(ctx, k));
    TESS_TRY(edit_encode(ctx, k));
    TESS_TRY(tell_variants(ctx, k));
    TESS_TRY(edit_label(ctx, k));
    TESS_TRY(edit_sample(ctx, k));
    return edit_put_all(ctx, k);
}

static int edit_run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    const struct edit_params *s = self;
    struct work k = {.s = s, .run = r, .seed = tess_stage_seed(r), .rule = {.white = s->regenerate, .threshold = s->threshold}};
    int status = edit(ctx, &k);
    tess_sampler_free(k.sampler);
    edit_close_models(&k.m);
    stage_images_close(&k.images);
    stage_images_close(&k.masks);
    edit_results_close(&k.results);
    void *const memory[] = {k.cells.data,  k.codes.data, k.fixed.data, k.values.data, k.each.data,
                            k.number.data, k.batch.data, k.mask.data,  k.labels.data, k.own.data};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        tess_free(memory[i]);
    return status;
}

static const struct tess_port ports[] = {
    {.name = "images", .kind = "images", .help = "what to edit"},
    {.name = "mask", .kind = "images", .help = "one for all, or one for each; white is kept, black drawn anew"},
    {.name = "model", .kind = "autoencoder", .help = "the tokenizer"},
    {.name = "prior", .kind = "prior", .help = "what to draw from"},
    {.name = NULL}};

static const struct tess_stage_1 ops = {.size = sizeof ops, .ports = ports, .output = "samples", .plan = edit_plan, .run = edit_run};

STAGE_BATCH_OPEN(edit_open, struct edit_params, batch)

static const struct tess_param params[] = {
    {.name = "variants",
     .help = "of each image",
     .type = TESS_I64,
     .offset = offsetof(struct edit_params, variants),
     .lo = 1,
     .hi = VARIANTS_MAX,
     .def = 4},
    {.name = "limit",
     .help = "images at most, the first ones; 0: all",
     .type = TESS_I64,
     .offset = offsetof(struct edit_params, limit),
     .lo = 0,
     .hi = 1e12,
     .def = 16},
    {.name = "split",
     .help = "held-out: images kept for validation, where there are some, which the models were not trained on; all: whatever there is",
     .type = TESS_ENUM,
     .offset = offsetof(struct edit_params, split),
     .text = "held-out|all"},
    {.name = "regenerate",
     .help = "what the mask's colour is where the image is drawn anew; the rest is kept",
     .type = TESS_ENUM,
     .offset = offsetof(struct edit_params, regenerate),
     .text = "black|white"},
    {.name = "threshold",
     .help = "how much of that colour a pixel must have, 0 .. 1; one such pixel is enough for a code",
     .type = TESS_F64,
     .offset = offsetof(struct edit_params, threshold),
     .lo = 0,
     .hi = 0.999,
     .def = 1e-4},
    {.name = "steps",
     .help = "reverse steps; 0: one for each code drawn anew, or where codes change at any step as many as the noise has",
     .type = TESS_I64,
     .offset = offsetof(struct edit_params, steps),
     .lo = 0,
     .hi = 1e6,
     .def = 0},
    SAMPLING_CHOICE_PARAMS(struct edit_params, choice),
    {.name = "composite",
     .help = "the original's pixels wherever the mask keeps them; else all are the decoder's, as published",
     .type = TESS_BOOL,
     .offset = offsetof(struct edit_params, composite)},
    STAGE_BATCH_PARAM(struct edit_params, batch),
    {.name = NULL}};

TESS_PLUGIN("tessera-edit", "0.1.0", "MIT", TESS_NEEDS("graph/1", "train/1", "artefact/1", "stage/1"),
            TESS_COMPONENT_DOCUMENTED("Bond-Taylor et al., Unleashing Transformers, 2022",
                                      "edited: {use: edit, in: {images: images, mask: mask, model: tokenizer, prior: prior}, variants: 4}",
                                      "edit", "stage/1", "parts of images drawn anew, where a mask says so", sizeof(struct edit_params),
                                      params, edit_open, NULL, &ops));
