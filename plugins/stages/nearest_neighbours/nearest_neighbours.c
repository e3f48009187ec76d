/* stage/1 `nearest-neighbours`: the training images that are nearest to each sample, to see whether a model makes images or remembers
 * them (docs/models.md, "Nearest training images and flips"). Beside them stands the same for images that nobody trained on: samples
 * should be as far from the training images as those are.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/infer/cost.h"
#include "plugins/stages/nearest_neighbours/nearest_neighbours.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TRAIN, ALL };
enum { SAMPLES, NEW }; /* lists of queries: samples, new images */
enum { FEATURES = 3 }; /* number of the port `features` */

/* ---- sizes and counts, from attributes alone ---- */

static int image_size(struct tess_context *ctx, const struct tess_attrs *f, int64_t size[3])
{
    TESS_TRY(tess_attrs_i64(ctx, f, "height", &size[0]));
    TESS_TRY(tess_attrs_i64(ctx, f, "width", &size[1]));
    return tess_attrs_i64(ctx, f, "channels", &size[2]);
}

/* Image size of the queries: images have it in height, width and channels; samples, whose height and width are the code map's, in
 * image_height and so on. */
static int sample_size(struct tess_context *ctx, const struct tess_attrs *f, const int64_t pool[3], int64_t size[3])
{
    if (tess_attrs_i64_or(f, "channels", 0) > 0)
        return image_size(ctx, f, size);
    return stage_samples_size(ctx, f, pool, size);
}

static int nearest_neighbours_check_size(struct tess_context *ctx, const char *what, const int64_t size[3], const int64_t pool[3])
{
    if (memcmp(size, pool, 3 * sizeof *size) == 0)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_SHAPE,
                   "%s of %lld x %lld x %lld cannot be held against training images of %lld x %lld x %lld; give the images that the model "
                   "was trained on, and import all with the same size, crop and pad",
                   what, (long long)size[0], (long long)size[1], (long long)size[2], (long long)pool[0], (long long)pool[1],
                   (long long)pool[2]);
}

/* New images: those of a port of their own, all of them; else what was kept for validation of the training images' artefact. */
static int count_unseen(struct tess_context *ctx, const struct stage *s, const struct tess_attrs *images, const struct tess_attrs *held_out,
                        struct counts *n)
{
    int64_t size[3];
    if (held_out) {
        TESS_TRY(image_size(ctx, held_out, size));
        TESS_TRY(nearest_neighbours_check_size(ctx, "held-out images", size, n->size));
        TESS_TRY(tess_attrs_i64(ctx, held_out, "count", &n->unseen));
    } else if (s->split == TRAIN) {
        TESS_TRY(tess_attrs_i64(ctx, images, "count", &n->unseen));
        n->first = n->pool;
        n->unseen -= n->pool;
    }
    n->fresh = !s->yardstick ? 0 : n->unseen < n->samples ? n->unseen : n->samples;
    return TESS_OK;
}

static int nearest_neighbours_count(struct tess_context *ctx, const struct stage *s, const struct tess_attrs *const *in, struct counts *n)
{
    int64_t size[3];
    TESS_TRY(tess_attrs_i64(ctx, in[0], "count", &n->of));
    n->samples = s->limit && s->limit < n->of ? s->limit : n->of;
    TESS_TRY(image_size(ctx, in[1], n->size));
    TESS_TRY(tess_attrs_i64(ctx, in[1], "count", &n->pool));
    if (s->split == TRAIN)
        n->pool = tess_attrs_i64_or(in[1], "train_count", n->pool);
    TESS_TRY(sample_size(ctx, in[0], n->size, size));
    TESS_TRY(nearest_neighbours_check_size(ctx, "samples", size, n->size));
    if (n->samples < 1)
        return ctx->fail(ctx, TESS_E_VALUE, "there are no samples to look for");
    if (n->pool < s->neighbours)
        return ctx->fail(ctx, TESS_E_VALUE, "neighbours: %lld of %lld training images are not available; lower `neighbours`%s",
                         (long long)s->neighbours, (long long)n->pool, s->split == TRAIN ? ", or set split: all" : "");
    return count_unseen(ctx, s, in[1], in[2], n);
}

static int nearest_neighbours_describe(struct tess_context *ctx, const struct stage *s, const struct counts *n,
                                       const struct image_vectors *v, struct tess_attrs *f)
{
    TESS_TRY(tess_attrs_set_i64(ctx, f, "samples", n->samples));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "training_images", n->pool));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "new_images", n->fresh));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "neighbours", s->neighbours));
    return tess_attrs_set_text(ctx, f, "distance", v->network.instance ? tess_instance_config_text(v->network.instance) : "pixels");
}

static int nearest_neighbours_plan_with(struct tess_context *ctx, const struct stage *s, struct tess_stage_plan *p, struct image_vectors *v)
{
    struct counts n = {.pool = 0};
    int64_t block, at_once;
    TESS_TRY(nearest_neighbours_count(ctx, s, p->in, &n));
    TESS_TRY(perceptual_choose(ctx, &v->network, s->features, "features", p->in[FEATURES], NULL));
    TESS_TRY(image_vectors_open(ctx, v, n.size, p->seed, s->batch));
    TESS_TRY(nearest_neighbours_describe(ctx, s, &n, v, p->out));
    int64_t queries = n.samples + n.fresh;
    image_search_fit(queries, v->width, s->memory << 20, &block, &at_once);
    int64_t seen = (queries + at_once - 1) / at_once * n.pool;
    if (v->network.instance)
        TESS_TRY(stage_graph_cost(ctx, &v->features, (double)(seen + queries), p->cost));
    if (v->network.instance)
        p->cost->total_bytes += tess_weights_bytes(v->features.weights);
    int64_t one = n.size[0] * n.size[1] * n.size[2], unseen = p->in[2] && n.fresh ? cost_of_reading(p->in[2]) : 0;
    p->cost->total_bytes += cost_of_reading(p->in[1]) + n.of * one + unseen + s->batch * one + queries * s->neighbours * 16;
    p->cost->flops += 2.0 * (double)queries * (double)n.pool * (double)v->width;
    p->cost->total_bytes += (at_once + block) * v->width * (int64_t)sizeof(float) + at_once * block * (int64_t)sizeof(double);
    p->steps = seen;
    return TESS_OK;
}

static int nearest_neighbours_plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    const struct stage *s = self;
    struct image_vectors v = {.width = 0};
    int status = nearest_neighbours_plan_with(ctx, s, p, &v);
    image_vectors_close(&v);
    return status;
}

/* ---- run ---- */

/* (24.1) of pixels, whose vectors are 0 .. 255; (19.2) of features, which is the squared distance of (24.2). */
static double distance_of(const struct work *w, double square)
{
    return w->vectors.network.instance ? square : sqrt(square) / 255.0;
}

static int nearest_neighbours_measure(struct tess_context *ctx, struct work *w)
{
    int64_t n = w->search.queries * w->s->neighbours;
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)n * sizeof *w->distance, "distances", &memory));
    w->distance = memory;
    for (int64_t i = 0; i < n; i++)
        w->distance[i] = (float)distance_of(w, w->search.square[i]);
    return TESS_OK;
}

/* Writes the lists of queries first .. first + n - 1. */
static int put_lists(struct tess_context *ctx, const struct work *w, const char *neighbour, const char *distance, int64_t first, int64_t n)
{
    const int64_t k = w->s->neighbours, dim[2] = {n, k};
    struct tess_artefact *a = tess_stage_output(w->run);
    struct tess_dataset how = {.size = sizeof how, .labels = "image neighbour"};
    struct tess_tensor t = tess_tensor_over(w->search.index + first * k, TESS_I32, 2, dim);
    TESS_TRY(tess_artefact_put(ctx, a, neighbour, &t, &how));
    how.unit = w->vectors.network.instance ? "perceptual distance" : "pixels in 0 .. 1";
    t = tess_tensor_over(w->distance + first * k, TESS_F32, 2, dim);
    return tess_artefact_put(ctx, a, distance, &t, &how);
}

/* Writes the numbers of the new images, whose distances are the yardstick for the samples'. */
static int put_new_images(struct tess_context *ctx, const struct work *w)
{
    struct tess_tensor t;
    TESS_TRY(stage_tensor(ctx, &t, TESS_I32, 1, &w->n.fresh));
    for (int64_t i = 0; i < w->n.fresh; i++)
        ((int32_t *)t.data)[i] = (int32_t)image_list_at(&w->search.query[NEW], i);
    int status = tess_artefact_put(ctx, tess_stage_output(w->run), "new/image", &t, NULL);
    tess_free(t.data);
    return status;
}

struct summary {
    double mean, least;
};

static struct summary nearest_neighbours_summarise(const struct work *w, int64_t first, int64_t n)
{
    struct summary m = {.least = INFINITY};
    for (int64_t i = first; i < first + n; i++) {
        double d = (double)w->distance[i * w->s->neighbours];
        m.mean += d / (double)n;
        m.least = d < m.least ? d : m.least;
    }
    return m;
}

/* (24.4) */
static double nearer_than_new(const struct work *w)
{
    int64_t k = w->s->neighbours, m = w->n.samples, n = w->n.fresh;
    double pairs = 0.0;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = m; j < m + n; j++) {
            float a = w->distance[i * k], b = w->distance[j * k];
            pairs += a < b ? 1.0 : a > b ? 0.0 : 0.5;
        }
    return pairs / ((double)m * (double)n);
}

static int put_summary(struct tess_context *ctx, const struct work *w, const char *suffix, const struct summary *m)
{
    struct tess_artefact *a = tess_stage_output(w->run);
    TESS_TRY(stage_put_metric_as(ctx, a, "distance to the nearest", suffix, m->mean, "mean", 0));
    return stage_put_metric_as(ctx, a, "least distance", suffix, m->least, "", 0);
}

static int nearest_neighbours_put_metrics(struct tess_context *ctx, const struct work *w)
{
    struct tess_artefact *a = tess_stage_output(w->run);
    struct summary samples = nearest_neighbours_summarise(w, 0, w->n.samples),
                   fresh = nearest_neighbours_summarise(w, w->n.samples, w->n.fresh);
    TESS_TRY(tess_artefact_put_metric(ctx, a, "samples", (double)w->n.samples, ""));
    TESS_TRY(tess_artefact_put_metric(ctx, a, "training images", (double)w->n.pool, ""));
    TESS_TRY(put_summary(ctx, w, "", &samples));
    if (w->n.fresh == 0) {
        tess_stage_note(w->run, "from a sample to the nearest training image it is %.4g in the mean, %.4g at least%s", samples.mean,
                        samples.least, w->s->yardstick ? "; images that were not trained on would be a yardstick: give `held-out`" : "");
        return TESS_OK;
    }
    double nearer = 100.0 * nearer_than_new(w);
    TESS_TRY(put_summary(ctx, w, ", new images", &fresh));
    TESS_TRY(stage_put_metric(ctx, a, "samples nearer than new images", nearer, "%", TESS_METRIC_LOWER));
    tess_stage_note(w->run,
                    "from a sample to the nearest training image it is %.4g in the mean, %.4g at least; from a new image %.4g and %.4g; a "
                    "sample is the nearer of the two in %.0f%% of pairs (50%%: as far as new images; towards 100%%: copies)",
                    samples.mean, samples.least, fresh.mean, fresh.least, nearer);
    return TESS_OK;
}

/* ---- the whole ---- */

static int open_images(struct tess_context *ctx, struct work *w)
{
    const struct tess_artefact *samples = tess_stage_input(w->run, "samples"), *images = tess_stage_input(w->run, "images");
    const struct tess_artefact *held_out = tess_stage_input(w->run, "held-out");
    const struct tess_attrs *const in[3] = {tess_artefact_attrs(samples), tess_artefact_attrs(images),
                                            held_out ? tess_artefact_attrs(held_out) : NULL};
    TESS_TRY(stage_samples_open(ctx, &w->samples, samples, NULL));
    TESS_TRY(nearest_neighbours_count(ctx, w->s, in, &w->n));
    TESS_TRY(nearest_neighbours_check_size(ctx, "samples", w->samples.shape.dim + 1, w->n.size));
    TESS_TRY(stage_images_open(ctx, &w->images, images, w->n.size));
    return held_out && w->n.fresh ? stage_images_open(ctx, &w->held_out, held_out, w->n.size) : TESS_OK;
}

static int nearest_neighbours_look(struct tess_context *ctx, struct work *w)
{
    const struct tess_artefact *features = tess_stage_input(w->run, "features");
    struct tess_artefact *a = tess_stage_output(w->run);
    TESS_TRY(open_images(ctx, w));
    TESS_TRY(perceptual_choose(ctx, &w->vectors.network, w->s->features, "features", features ? tess_artefact_attrs(features) : NULL,
                               features));
    TESS_TRY(image_vectors_open(ctx, &w->vectors, w->n.size, tess_stage_seed(w->run), w->s->batch));
    TESS_TRY(image_vectors_read(ctx, &w->vectors));
    w->search = (struct image_search){
        .run = w->run,
        .vectors = &w->vectors,
        .neighbours = w->s->neighbours,
        .pool = {.images = &w->images, .of = w->n.pool, .count = w->n.pool},
        .query = {{.images = &w->samples, .of = w->n.samples, .count = w->n.samples},
                  {.images = w->held_out.from ? &w->held_out : &w->images, .first = w->n.first, .of = w->n.unseen, .count = w->n.fresh}}};
    TESS_TRY(image_search_make(ctx, &w->search, w->s->memory << 20));
    TESS_TRY(nearest_neighbours_measure(ctx, w));
    TESS_TRY(nearest_neighbours_describe(ctx, w->s, &w->n, &w->vectors, tess_artefact_describe(a)));
    TESS_TRY(put_lists(ctx, w, "neighbour", "distance", 0, w->n.samples));
    if (w->n.fresh) {
        TESS_TRY(put_lists(ctx, w, "new/neighbour", "new/distance", w->n.samples, w->n.fresh));
        TESS_TRY(put_new_images(ctx, w));
    }
    TESS_TRY(nearest_neighbours_put_metrics(ctx, w));
    return nearest_neighbours_put_pictures(ctx, w);
}

static int nearest_neighbours_run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    const struct stage *s = self;
    struct work w = {.s = s, .run = r};
    int status = nearest_neighbours_look(ctx, &w);
    image_search_close(&w.search);
    image_vectors_close(&w.vectors);
    stage_images_close(&w.images);
    stage_images_close(&w.samples);
    stage_images_close(&w.held_out);
    tess_free(w.distance);
    return status;
}

static int nearest_neighbours_fingerprint(void *self, struct tess_context *ctx, struct tess_digest *d)
{
    const struct stage *s = self;
    return s->features ? tess_features_fingerprint(ctx, s->features, d) : TESS_OK;
}

static const struct tess_port ports[] = {
    {.name = "samples", .kind = "samples|images", .help = "what to find the nearest of"},
    {.name = "images", .kind = "images", .help = "the training images"},
    {.name = "held-out", .kind = "images", .optional = 1, .help = "images nobody trained on, where `images` keeps none for validation"},
    PERCEPTUAL_PORT("features"),
    {.name = NULL}};

/* Dependencies of the result: the numeric mode, no seed, as nothing is drawn. */
static uint64_t nearest_neighbours_depends(void *self)
{
    (void)self;
    return TESS_DEPENDS_NUMERIC;
}

static const struct tess_stage_1 ops = {.size = sizeof ops,
                                        .ports = ports,
                                        .output = "metrics",
                                        .plan = nearest_neighbours_plan,
                                        .fingerprint = nearest_neighbours_fingerprint,
                                        .run = nearest_neighbours_run,
                                        .depends = nearest_neighbours_depends};

STAGE_BATCH_OPEN(nearest_neighbours_open, struct stage, batch)

static const struct tess_param params[] = {
    {.name = "neighbours", .help = "nearest training images of each sample", .type = TESS_I64, .offset = offsetof(struct stage, neighbours),
     .lo = 1, .hi = 1000, .def = 10},
    {.name = "features", .help = "network whose features are compared (the perceptual distance); pixels where it is not said",
     .type = TESS_COMPONENT, .offset = offsetof(struct stage, features), .text = "features/1"},
    {.name = "split", .help = "train: only images that were trained on; all: those kept for validation as well", .type = TESS_ENUM,
     .offset = offsetof(struct stage, split), .text = "train|all"},
    {.name = "limit", .help = "samples at most; 0: all", .type = TESS_I64, .offset = offsetof(struct stage, limit), .lo = 0, .hi = 1e9,
     .def = 0},
    {.name = "yardstick", .help = "measure as many images that were not trained on, where there are some", .type = TESS_BOOL,
     .offset = offsetof(struct stage, yardstick), .def = 1},
    {.name = "memory", .help = "MiB for the vectors; with less, the training images are looked at several times", .type = TESS_I64,
     .flags = TESS_NEUTRAL, .offset = offsetof(struct stage, memory), .lo = 1, .hi = 1e7, .def = 4096},
    STAGE_BATCH_PARAM(struct stage, batch),
    {.name = NULL}};

TESS_PLUGIN("tessera-nearest-neighbours", "0.2.0", "MIT", TESS_NEEDS("graph/1", "digest/1", "artefact/1", "stage/1"),
            TESS_COMPONENT_DOCUMENTED("Bond-Taylor et al., Unleashing Transformers, 2022",
                                      "copies: {use: nearest-neighbours, in: {samples: samples, images: images}, neighbours: 10}",
                                      "nearest-neighbours", "stage/1", "the training images nearest to each sample: copies, or new images?",
                                      sizeof(struct stage), params, nearest_neighbours_open, NULL, &ops));
