/* stage/1 `template-name`: brightness and contrast of images, and the image that is their mean.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/kind/stage.h>
#include <tessera/plugin.h>

#include <math.h>
#include <string.h>

struct template_name {
    int64_t batch; /* a parameter, filled by the host from the table below */
};

/* Sums over the images so far: of each pixel its sum, and of all values their number, sum and sum of squares. */
struct sums {
    int64_t images;
    double values, sum, squares;
    double *pixel; /* (H, W, C) */
};

static void add_image(struct sums *s, const uint8_t *pixels, int64_t values)
{
    s->images++;
    s->values += (double)values;
    for (int64_t i = 0; i < values; i++) {
        const double x = pixels[i] / 255.0;
        s->sum += x;
        s->squares += x * x;
        s->pixel[i] += x;
    }
}

static double mean_of(const struct sums *s)
{
    return s->sum / s->values;
}

static double deviation_of(const struct sums *s)
{
    return sqrt(fmax(0.0, s->squares / s->values - mean_of(s) * mean_of(s)));
}

/* ---- planning: from attributes alone ---- */

static int template_name_plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    const struct template_name *t = (const struct template_name *)self;
    int64_t height, width, channels;
    TESS_TRY(tess_attrs_i64(ctx, p->in[0], "count", &p->steps));
    TESS_TRY(tess_attrs_i64(ctx, p->in[0], "height", &height));
    TESS_TRY(tess_attrs_i64(ctx, p->in[0], "width", &width));
    TESS_TRY(tess_attrs_i64(ctx, p->in[0], "channels", &channels));
    p->cost->total_bytes = (t->batch + (int64_t)sizeof(double)) * height * width * channels;
    return TESS_OK;
}

/* ---- running ---- */

static int add_images(struct tess_context *ctx, struct tess_stage_run *r, const struct tess_tensor *images, struct tess_tensor *batch,
                      struct sums *sums)
{
    const int64_t count = images->dim[0], most = batch->dim[0], values = tess_tensor_count(images) / (count ? count : 1);
    for (int64_t i = 0; i < count; i += batch->dim[0]) {
        batch->dim[0] = count - i < most ? count - i : most;
        if (tess_stage_stopping(r))
            return ctx->fail(ctx, TESS_E_STOPPED, "stopped at image %lld of %lld", (long long)i, (long long)count);
        TESS_TRY(tess_artefact_read(ctx, tess_stage_input(r, "images"), "images", i, batch));
        for (int64_t k = 0; k < batch->dim[0]; k++)
            add_image(sums, (const uint8_t *)batch->data + k * values, values);
        tess_stage_progress(r, i + batch->dim[0], count, "image", "mean", mean_of(sums));
    }
    return TESS_OK;
}

static int write_results(struct tess_context *ctx, struct tess_stage_run *r, const struct tess_tensor *images, struct tess_tensor *picture,
                         const struct sums *sums)
{
    struct tess_artefact *a = tess_stage_output(r);
    TESS_TRY(tess_artefact_put_metric(ctx, a, "brightness", mean_of(sums), ""));
    TESS_TRY(tess_artefact_put_metric(ctx, a, "contrast", deviation_of(sums), ""));
    *picture = tess_tensor_over(picture->data, TESS_U8, 3, images->dim + 1);
    for (int64_t i = 0; i < tess_tensor_count(picture); i++)
        ((uint8_t *)picture->data)[i] = (uint8_t)(255.0 * sums->pixel[i] / (double)sums->images + 0.5);
    return tess_artefact_put_picture(ctx, a, "mean", picture);
}

static int template_name_run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    const struct template_name *t = (const struct template_name *)self;
    struct tess_tensor images, batch;
    struct sums sums;
    void *pixel = NULL;
    memset(&sums, 0, sizeof sums);
    TESS_TRY(tess_artefact_shape(ctx, tess_stage_input(r, "images"), "images", &images));
    batch = images;
    batch.dim[0] = t->batch;
    int status = tess_alloc(ctx, tess_tensor_bytes(&batch), "a batch of images", &batch.data);
    if (status == TESS_OK)
        status = tess_alloc(ctx, tess_tensor_bytes(&batch) / (size_t)t->batch * sizeof(double), "sums of pixels", &pixel);
    sums.pixel = (double *)pixel;
    if (status == TESS_OK)
        status = add_images(ctx, r, &images, &batch, &sums);
    if (status == TESS_OK)
        status = write_results(ctx, r, &images, &batch, &sums);
    tess_free(pixel);
    tess_free(batch.data);
    return status;
}

/* Dependencies of the result beside its inputs: none, as nothing is drawn and no backend has a part in it; it is found again whatever the
 * seed. */
static uint64_t template_name_depends(void *self)
{
    (void)self;
    return 0;
}

static const struct tess_port ports[] = {{"images", "images", 0, "images to measure"}, {NULL, NULL, 0, NULL}};

static const struct tess_stage_1 ops = {
    sizeof(struct tess_stage_1), ports, "metrics", template_name_plan, NULL, template_name_run, template_name_depends,
    sizeof(struct tess_port)};

static const struct tess_param params[] = {TESS_PARAM_I64(struct template_name, batch, 1, 65536, 64, "images in memory at a time"),
                                           TESS_PARAM_END};

TESS_PLUGIN("template-name", "0.1.0", "MIT", TESS_NEEDS("artefact/1", "stage/1"),
            TESS_COMPONENT("template-name", "stage/1", "brightness and contrast of images", sizeof(struct template_name), params, NULL,
                           NULL, &ops));
