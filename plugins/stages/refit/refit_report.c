/* See refit_report.h. SPDX-License-Identifier: MIT */
#include "plugins/stages/refit/refit_report.h"

#include "kit/infer/round_trip.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { AT_A_TIME = 64 };

/* ---- measuring ---- */

static int refit_report_measure(struct tess_context *ctx, struct refit_measure *m, struct round_trip *t, const struct stage_images *images,
                                int64_t first, int64_t count, const struct refit_progress *progress)
{
    double square = 0.0, distance = 0.0, pixels = (double)(tess_tensor_count(&images->shape) / images->shape.dim[0]);
    for (int64_t i = 0; i < count; i += AT_A_TIME) {
        int64_t n = count - i < AT_A_TIME ? count - i : AT_A_TIME;
        TESS_TRY(stage_check_stop(ctx, progress->run, progress->done + i, progress->total, "image"));
        TESS_TRY(round_trip_make(ctx, t, images, first + i, n, &square));
        for (int64_t j = 0; j < tess_tensor_count(&t->codes); j++)
            m->counts[((const int32_t *)t->codes.data)[j]]++;
        for (int64_t j = 0; j < n; j++)
            distance += (double)((const float *)t->error.data)[j];
        TESS_TRY(stage_keep_first(ctx, &m->originals, &t->images));
        TESS_TRY(stage_keep_first(ctx, &m->made, &t->bytes));
        tess_stage_progress(progress->run, progress->done + i + n, progress->total, "image", NULL, 0.0);
    }
    for (int64_t i = 0; i < m->codebook_size; i++)
        m->often += m->counts[i] >= REFIT_OFTEN;
    m->health = tess_code_health_of(m->counts, m->codebook_size);
    m->quantisation = distance / (double)count;
    m->mse = square / ((double)count * pixels);
    return TESS_OK;
}

int refit_measure(struct tess_context *ctx, struct refit_measure *m, const struct stage_codec *codec, const struct stage_images *images,
                  int64_t first, int64_t count, const struct refit_progress *progress)
{
    struct round_trip t = {.codec = NULL};
    void *memory;
    m->codebook_size = codec->tokenizer.codebook_size;
    TESS_TRY(tess_alloc(ctx, (size_t)m->codebook_size * sizeof *m->counts, "counts", &memory));
    m->counts = memory;
    int status = round_trip_open(ctx, &t, codec, AT_A_TIME);
    if (status == TESS_OK)
        status = refit_report_measure(ctx, m, &t, images, first, count, progress);
    round_trip_close(&t);
    return status;
}

void refit_measure_close(struct refit_measure *m)
{
    tess_free(m->counts);
    tess_free(m->originals.data);
    tess_free(m->made.data);
    memset(m, 0, sizeof *m);
}

/* ---- telling ---- */

static int refit_report_put_metrics(struct tess_context *ctx, struct tess_artefact *a, const struct refit_measure *m, const char *suffix)
{
    TESS_TRY(stage_put_metric_as(ctx, a, "codes used 10 times", suffix, (double)m->often, "", TESS_METRIC_HIGHER));
    TESS_TRY(stage_put_metric_as(ctx, a, "quantisation error", suffix, m->quantisation, "mean square", TESS_METRIC_LOWER));
    TESS_TRY(stage_put_metric_as(ctx, a, "reconstruction MSE", suffix, m->mse, "pixels in 0 .. 1", TESS_METRIC_LOWER));
    return stage_put_metric_as(ctx, a, "reconstruction PSNR", suffix, -10.0 * log10(m->mse), "dB", TESS_METRIC_HIGHER);
}

static int refit_report_falling(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* Picture of the codes' usage, the most frequent first: a bar a code (of more than COLUMNS codes, of every so many), as high as the
 * logarithm of 1 + count, on a grey ground as wide as the codebook. What stays empty was never chosen. */
enum { COLUMNS = 1024, HEIGHT = 96, GAP = 8, WHITE = 255, GROUND = 224, BAR = 64 };

static void draw_usage(const int64_t *sorted, int64_t codebook_size, int64_t columns, int64_t thick, double max, int64_t width, uint8_t *to)
{
    for (int64_t i = 0; i < columns; i++) {
        int64_t count = sorted[i * codebook_size / columns];
        int64_t high = count ? (int64_t)ceil(log1p((double)count) / log1p(max) * HEIGHT) : 0;
        for (int64_t y = 0; y < HEIGHT; y++)
            memset(to + y * width + i * thick, y >= HEIGHT - high ? BAR : GROUND, (size_t)thick);
    }
}

static int put_usage(struct tess_context *ctx, struct tess_artefact *a, const struct refit_measure *before,
                     const struct refit_measure *after)
{
    const struct refit_measure *m[2] = {before, after};
    int64_t codebook_size = before->codebook_size > after->codebook_size ? before->codebook_size : after->codebook_size,
            columns = codebook_size < COLUMNS ? codebook_size : COLUMNS;
    int64_t thick = columns < COLUMNS / 2 ? COLUMNS / 2 / columns : 1, width = columns * thick;
    double max = 1.0;
    struct tess_tensor picture;
    void *memory;
    for (int i = 0; i < 2; i++)
        max = fmax(max, m[i]->health.top_share * (double)m[i]->health.total);
    TESS_TRY(stage_tensor(ctx, &picture, TESS_U8, 3, (const int64_t[]){2 * HEIGHT + GAP, width, 1}));
    int status = tess_alloc(ctx, (size_t)codebook_size * sizeof(int64_t), "counts", &memory);
    if (status == TESS_OK) {
        memset(picture.data, WHITE, tess_tensor_bytes(&picture));
        for (int i = 0; i < 2; i++) {
            memcpy(memory, m[i]->counts, (size_t)m[i]->codebook_size * sizeof(int64_t));
            qsort(memory, (size_t)m[i]->codebook_size, sizeof(int64_t), refit_report_falling);
            int64_t share = columns * m[i]->codebook_size / codebook_size;
            draw_usage(memory, m[i]->codebook_size, share ? share : 1, thick, max, width,
                       (uint8_t *)picture.data + i * (HEIGHT + GAP) * width);
        }
        tess_free(memory);
        status = tess_artefact_put_picture(ctx, a, "usage", &picture);
    }
    tess_free(picture.data);
    return status;
}

int refit_report(struct tess_context *ctx, struct tess_stage_run *r, const struct refit_measure *before, const struct refit_measure *after)
{
    struct tess_artefact *a = tess_stage_output(r);
    const struct tess_code_health *was = &before->health, *is = &after->health;
    TESS_TRY(stage_put_health_as(ctx, a, was, " before"));
    TESS_TRY(refit_report_put_metrics(ctx, a, before, " before"));
    TESS_TRY(stage_put_health(ctx, r, 1, is));
    TESS_TRY(refit_report_put_metrics(ctx, a, after, ""));
    tess_stage_note(r,
                    "%lld of %lld codes used, before %lld of %lld; mean squared quantisation error %.4g, before %.4g; reconstruction MSE "
                    "%.4g, before %.4g",
                    (long long)is->used, (long long)is->codebook_size, (long long)was->used, (long long)was->codebook_size,
                    after->quantisation, before->quantisation, after->mse, before->mse);
    TESS_TRY(put_usage(ctx, a, before, after));
    return stage_put_rows(ctx, a, "reconstructions", 3,
                          (const struct tess_tensor *const[]){&before->originals, &before->made, &after->made}, "original|before|after");
}
