/* See judge_metric.h. SPDX-License-Identifier: MIT */
#include "core/judge/judge_metric.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const int64_t metric_level_size[METRIC_DEPTH] = {16, 9};

void judge_metric_close(struct metric_case *c)
{
    void *const all[] = {c->image, c->made, c->scores[0], c->scores[1], c->made_scores, c->distance, c->labels, c->codes[0], c->codes[1]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    for (int set = 0; set < TESS_METRIC_SETS; set++)
        free(c->features[set]);
}

/* Sets of rows that a metric is given. */
int judge_metric_sets(const struct metric_case *c)
{
    switch (c->ops->wants) {
    case TESS_METRIC_FEATURES:
        return TESS_HAS(c->ops, uses_training) && c->ops->uses_training ? 3 : 2;
    case TESS_METRIC_CLASSES:
    case TESS_METRIC_CODES:
        return 2;
    default:
        return 1;
    }
}

static struct tess_metric_shape metric_shape(const struct metric_case *c, int64_t rows)
{
    const int64_t all[TESS_METRIC_SETS] = {rows, rows > 40 ? rows - 40 : rows, rows};
    struct tess_metric_shape s = {.size = sizeof s, .height = METRIC_SIDE, .width = METRIC_SIDE, .channels = 3};
    for (int set = 0; set < judge_metric_sets(c); set++)
        s.rows[set] = all[set];
    s.features = c->ops->wants == TESS_METRIC_FEATURES ? METRIC_FEATURES : 0;
    s.classes = c->ops->wants == TESS_METRIC_CLASSES ? METRIC_CLASSES : 0;
    s.depth = c->ops->wants == TESS_METRIC_CODES ? METRIC_DEPTH : 0;
    for (int64_t l = 0; l < s.depth; l++)
        s.level_size[l] = metric_level_size[l];
    return s;
}

static int metric_alloc(struct metric_case *c, int64_t rows)
{
    const int64_t pixels = METRIC_SIDE * METRIC_SIDE * 3;
    int missing = !(c->image = malloc((size_t)(rows * pixels))) || !(c->made = malloc((size_t)(rows * pixels) * sizeof(float)));
    for (int set = 0; set < TESS_METRIC_SETS; set++)
        missing |= !(c->features[set] = malloc((size_t)(rows * METRIC_FEATURES) * sizeof(float)));
    for (int set = 0; set < 2; set++) {
        missing |= !(c->scores[set] = malloc((size_t)(rows * METRIC_CLASSES) * sizeof(float)));
        missing |= !(c->codes[set] = malloc((size_t)(rows * METRIC_TOKENS) * sizeof(int32_t)));
    }
    missing |= !(c->made_scores = malloc((size_t)(rows * METRIC_CLASSES) * sizeof(float)));
    missing |= !(c->distance = malloc((size_t)rows * sizeof(float)));
    missing |= !(c->labels = malloc((size_t)rows * sizeof(int32_t)));
    return missing ? judge_fail(c->j, "no memory for the test") : TESS_OK;
}

/* Smooth images with a reconstruction that is near; vectors of two different normal distributions. */
static void metric_draw_images(struct metric_case *c, const struct tess_stream *s, int64_t rows)
{
    const int64_t pixels = METRIC_SIDE * METRIC_SIDE * 3;
    tess_random_normal(s, 0, rows * pixels, c->made);
    for (int64_t k = 0; k < rows * pixels; k++) {
        double x = 0.5 + 0.4 * sin(0.07 * (double)(k % 4001));
        c->image[k] = (uint8_t)(255.0 * x);
        c->made[k] = (float)(x + 0.05 * (double)c->made[k]);
    }
    for (int set = 0; set < TESS_METRIC_SETS; set++) {
        tess_random_normal(s, (uint64_t)(1 + set) << 32, rows * METRIC_FEATURES, c->features[set]);
        for (int64_t k = 0; k < rows * METRIC_FEATURES && set == TESS_METRIC_SAMPLES; k++)
            c->features[1][k] = 0.3f + 1.2f * c->features[1][k];
    }
}

/* Scores of which that of the reconstruction is mostly highest where the image's is, codes of which some are rare, distances. */
static void metric_draw_numbers(struct metric_case *c, const struct tess_stream *s, int64_t rows)
{
    tess_random_uniform(s, (uint64_t)5 << 32, rows, c->distance);
    for (int set = 0; set < 2; set++) {
        tess_random_normal(s, (uint64_t)(6 + set) << 32, rows * METRIC_CLASSES, c->scores[set]);
        for (int64_t i = 0; i < rows * METRIC_TOKENS; i++) {
            int64_t size = metric_level_size[i % METRIC_DEPTH], a = tess_random_below(s, ((uint64_t)(8 + set) << 32) + (uint64_t)i, size);
            c->codes[set][i] = (int32_t)(a * a / size);
        }
    }
    tess_random_normal(s, (uint64_t)10 << 32, rows * METRIC_CLASSES, c->made_scores);
    for (int64_t i = 0; i < rows * METRIC_CLASSES; i++)
        c->made_scores[i] = c->scores[0][i] + 0.4f * c->made_scores[i];
    for (int64_t i = 0; i < rows; i++)
        c->labels[i] = (int32_t)(i % METRIC_CLASSES) - (i % 11 == 10 ? METRIC_CLASSES : 0);
}

int judge_metric_open(struct judge *j, struct tess_instance *i, int64_t rows, struct metric_case *c)
{
    const struct tess_stream s = {.seed = j->seed};
    *c = (struct metric_case){.j = j, .ctx = j->ctx, .ops = tess_instance_ops(i, "metric/1"), .self = tess_instance_self(i)};
    c->shape = metric_shape(c, rows);
    JUDGE_TRY(metric_alloc(c, rows));
    metric_draw_images(c, &s, rows);
    metric_draw_numbers(c, &s, rows);
    if (!c->ops->check)
        return TESS_OK;
    int checked = c->ops->check(c->self, j->ctx, &c->shape);
    JUDGE_TRY(judge_status(j, j->ctx, "check", checked));
    if (checked != TESS_OK && checked != TESS_E_VALUE && checked != TESS_E_SHAPE)
        return judge_fail(j, "check: wanted TESS_E_VALUE or TESS_E_SHAPE for rows that do not do, found %d", checked);
    return checked == TESS_OK ? TESS_OK : judge_unfit(j, "%s", tess_message(j->ctx));
}

/* Tensors of the rows first .. first + count - 1 of a set. */
struct metric_tensors {
    struct tess_tensor image, made, features, distance, scores, made_scores, labels, codes;
};

static void metric_tensors_of(const struct metric_case *c, int32_t set, int64_t first, int64_t count, struct metric_tensors *t)
{
    const int64_t pixels = METRIC_SIDE * METRIC_SIDE * 3;
    const int64_t images[4] = {count, METRIC_SIDE, METRIC_SIDE, 3}, vectors[2] = {count, METRIC_FEATURES};
    const int64_t scores[2] = {count, METRIC_CLASSES}, codes[2] = {count, METRIC_TOKENS};
    int of_two = set < 2 ? set : 0;
    t->image = tess_tensor_over(c->image + first * pixels, TESS_U8, 4, images);
    t->made = tess_tensor_over(c->made + first * pixels, TESS_F32, 4, images);
    t->features = tess_tensor_over(c->features[set] + first * METRIC_FEATURES, TESS_F32, 2, vectors);
    t->distance = tess_tensor_over(c->distance + first, TESS_F32, 1, &count);
    t->scores = tess_tensor_over(c->scores[of_two] + first * METRIC_CLASSES, TESS_F32, 2, scores);
    t->made_scores = tess_tensor_over(c->made_scores + first * METRIC_CLASSES, TESS_F32, 2, scores);
    t->labels = tess_tensor_over(c->labels + first, TESS_I32, 1, &count);
    t->codes = tess_tensor_over(c->codes[of_two] + first * METRIC_TOKENS, TESS_I32, 2, codes);
}

int judge_metric_accumulate(struct metric_case *c, void *state, int32_t set, int64_t first, int64_t count)
{
    struct metric_tensors t;
    struct tess_metric_rows rows = {.size = sizeof rows, .set = set, .first = first, .count = count};
    metric_tensors_of(c, set, first, count, &t);
    switch (c->ops->wants) {
    case TESS_METRIC_PAIRS:
        rows.image = &t.image;
        rows.made = &t.made;
        break;
    case TESS_METRIC_DISTANCES:
        rows.distance = &t.distance;
        break;
    case TESS_METRIC_CLASSES:
        rows.scores = &t.scores;
        rows.made_scores = set == TESS_METRIC_IMAGES ? &t.made_scores : NULL;
        rows.labels = &t.labels;
        break;
    case TESS_METRIC_CODES:
        rows.codes = &t.codes;
        break;
    default:
        rows.features = &t.features;
        rows.stay = (int32_t)(c->shape.resamples > 0); /* either must do */
    }
    return c->ops->accumulate(c->self, c->ctx, state, &rows);
}

int judge_metric_same(const struct metric_case *a, const struct metric_case *b)
{
    const size_t n = (size_t)a->shape.rows[0], pixels = METRIC_SIDE * METRIC_SIDE * 3;
    int same = memcmp(a->image, b->image, n * pixels) == 0 && memcmp(a->made, b->made, n * pixels * sizeof(float)) == 0 &&
               memcmp(a->made_scores, b->made_scores, n * METRIC_CLASSES * sizeof(float)) == 0 &&
               memcmp(a->distance, b->distance, n * sizeof(float)) == 0 && memcmp(a->labels, b->labels, n * sizeof(int32_t)) == 0;
    for (int set = 0; same && set < 2; set++)
        same = memcmp(a->features[set], b->features[set], n * METRIC_FEATURES * sizeof(float)) == 0 &&
               memcmp(a->scores[set], b->scores[set], n * METRIC_CLASSES * sizeof(float)) == 0 &&
               memcmp(a->codes[set], b->codes[set], n * METRIC_TOKENS * sizeof(int32_t)) == 0;
    return same;
}
