/* SPDX-License-Identifier: MIT */
#include "kit/infer/stage_images.h"

#include <string.h>

int stage_images_open(struct tess_context *ctx, struct stage_images *s, const struct tess_artefact *a, const int64_t image[3])
{
    char text[160];
    memset(s, 0, sizeof *s);
    s->from = a;
    TESS_TRY(tess_artefact_shape(ctx, a, "images", &s->shape));
    if (s->shape.rank != 4 || s->shape.dtype != TESS_U8 || (image && memcmp(s->shape.dim + 1, image, 3 * sizeof *image) != 0))
        return ctx->fail(ctx, TESS_E_DATA,
                         "%s: /images is %s, u8 (N, %lld, %lld, %lld) was wanted; import them with the same size, crop and pad",
                         tess_artefact_path(a), tess_tensor_text(&s->shape, text, sizeof text), (long long)(image ? image[0] : 0),
                         (long long)(image ? image[1] : 0), (long long)(image ? image[2] : 0));
    s->row = (size_t)(s->shape.dim[1] * s->shape.dim[2] * s->shape.dim[3]);
    if (tess_tensor_bytes(&s->shape) <= (size_t)STAGE_IMAGES_MAX)
        return tess_artefact_load(ctx, a, "images", TESS_U8, &s->all);
    return TESS_OK;
}

static int stage_samples_without_images(struct tess_context *ctx)
{
    return ctx->fail(ctx, TESS_E_DATA, "these samples are codes without images; give `model`, the tokenizer, to the stage that drew them");
}

int stage_samples_open(struct tess_context *ctx, struct stage_images *s, const struct tess_artefact *a, const int64_t image[3])
{
    return tess_artefact_has(a, "images") ? stage_images_open(ctx, s, a, image) : stage_samples_without_images(ctx);
}

int stage_samples_size(struct tess_context *ctx, const struct tess_attrs *samples, const int64_t unsaid[3], int64_t size[3])
{
    static const char *const name[3] = {"image_height", "image_width", "image_channels"};
    for (int i = 0; i < 3; i++)
        size[i] = tess_attrs_i64_or(samples, name[i], unsaid[i]);
    return size[2] > 0 ? TESS_OK : stage_samples_without_images(ctx);
}

void stage_images_close(struct stage_images *s)
{
    tess_free(s->all.data);
    s->all.data = NULL;
}

int stage_images_get(struct tess_context *ctx, const struct stage_images *s, int64_t i, uint8_t *to)
{
    i += s->first;
    if (i < 0 || i >= s->shape.dim[0])
        return ctx->fail(ctx, TESS_E_DATA, "%s: /images has %lld images, number %lld was wanted", tess_artefact_path(s->from),
                         (long long)s->shape.dim[0], (long long)i);
    if (s->all.data) {
        memcpy(to, (const uint8_t *)s->all.data + (size_t)i * s->row, s->row);
        return TESS_OK;
    }
    struct tess_tensor one = s->shape;
    one.dim[0] = 1;
    one.data = to;
    return tess_artefact_read(ctx, s->from, "images", i, &one);
}

int stage_held_out(struct tess_context *ctx, const struct tess_attrs *images, int64_t limit, int64_t *first, int64_t *count)
{
    int64_t all;
    TESS_TRY(tess_attrs_i64(ctx, images, "count", &all));
    *first = tess_attrs_i64_or(images, "train_count", all);
    if (all < 1 || *first < 0)
        return ctx->fail(ctx, TESS_E_DATA, "there are %lld images, %lld of them to train on; import again", (long long)all,
                         (long long)*first);
    if (*first >= all)
        *first = 0;
    *count = all - *first;
    if (limit && limit < *count)
        *count = limit;
    return TESS_OK;
}

int stage_keep_first(struct tess_context *ctx, struct tess_tensor *kept, const struct tess_tensor *images)
{
    int64_t n = images->dim[0], have = kept->dim[0];
    size_t row = tess_tensor_bytes(images) / (size_t)n;
    if (!kept->data) {
        have = 0;
        *kept = *images;
        kept->dim[0] = PICTURE_IMAGES;
        TESS_TRY(stage_tensor(ctx, kept, TESS_U8, kept->rank, kept->dim));
    }
    n = n < PICTURE_IMAGES - have ? n : PICTURE_IMAGES - have;
    memcpy((char *)kept->data + (size_t)have * row, images->data, (size_t)n * row);
    kept->dim[0] = have + n;
    return TESS_OK;
}

/* docs/models.md, "Decoder", (3.1) */
int stage_to_bytes(struct tess_context *ctx, int64_t n, const float *x, uint8_t *to)
{
    int bad = 0;
    for (int64_t i = 0; i < n; i++) {
        float v = x[i] * 255.0f + 0.5f;
        to[i] = (uint8_t)(v > 0.0f ? v < 255.0f ? v : 255.0f : 0.0f);
        bad |= v != v;
    }
    return bad ? ctx->fail(
                     ctx, TESS_E_DATA,
                     "the model makes pixels that are no numbers (NaN): its values overflow; it diverged, train it again with a lower `lr`")
               : TESS_OK;
}

int stage_tensor(struct tess_context *ctx, struct tess_tensor *t, int32_t dtype, int32_t rank, const int64_t *dim)
{
    *t = tess_tensor_over(NULL, dtype, rank, dim);
    return tess_alloc(ctx, tess_tensor_bytes(t) + 1, "a batch", &t->data);
}
