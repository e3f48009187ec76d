/* What the stages share; see common.h. SPDX-License-Identifier: MIT */
#include "kit/infer/common.h"

#include <stdio.h>
#include <string.h>

int stage_graph_open(struct tess_context *ctx, struct stage_graph *s, uint64_t seed, int64_t batch)
{
    return stage_graph_open_rows(ctx, s, seed, batch, STAGE_MICROBATCH);
}

int stage_graph_open_rows(struct tess_context *ctx, struct stage_graph *s, uint64_t seed, int64_t batch, int64_t rows)
{
    struct tess_graph_options o = {.size = sizeof o, .microbatch = rows, .microbatches = (batch + rows - 1) / rows, .seed = seed};
    s->batch = batch;
    if (!s->weights)
        TESS_TRY(tess_weights_new(ctx, seed, &s->weights));
    return tess_graph_new(ctx, s->weights, &o, &s->graph);
}

void stage_graph_close(struct stage_graph *s, int owns_weights)
{
    tess_graph_free(s->graph);
    if (owns_weights)
        tess_weights_free(s->weights);
    s->graph = NULL;
    s->weights = NULL;
}

int stage_graph_run(struct tess_context *ctx, const struct stage_graph *s, uint32_t step, int64_t first, int64_t n, int32_t inputs,
                    const struct tess_tensor *in, int32_t outputs, struct tess_tensor *out)
{
    struct tess_batch b = {
        .size = sizeof b, .samples = n, .step = step, .first = (uint32_t)first, .inputs = inputs, .in = in, .outputs = outputs, .out = out};
    return tess_graph_run(ctx, s->graph, &b);
}

int stage_graph_cost(struct tess_context *ctx, const struct stage_graph *s, double samples, struct tess_cost *cost)
{
    struct tess_cost one = {.size = sizeof one};
    TESS_TRY(tess_graph_cost(ctx, s->graph, &one));
    cost->flops += one.flops * samples;
    cost->parameters = one.parameters > cost->parameters ? one.parameters : cost->parameters;
    cost->arena_bytes = one.arena_bytes > cost->arena_bytes ? one.arena_bytes : cost->arena_bytes;
    cost->total_bytes += one.total_bytes - tess_weights_bytes(s->weights);
    return TESS_OK;
}

int stage_codec_open(struct tess_context *ctx, struct stage_codec *k, const struct tess_attrs *f, const char *where,
                     struct tess_weights *weights, uint64_t seed, int64_t batch, int directions)
{
    k->weights = weights;
    k->error = directions & CODEC_ERROR;
    k->likelihood = directions & CODEC_LIKELIHOOD;
    k->tokenizer.size = sizeof k->tokenizer;
    TESS_TRY(tess_tokenizer_open(ctx, f, where, &k->tokenizer));
    if (!weights) {
        TESS_TRY(tess_weights_new(ctx, seed, &k->own));
        k->weights = k->own;
    }
    k->encode.weights = k->decode.weights = k->weights;
    if (directions & CODEC_ENCODE) {
        TESS_TRY(stage_graph_open(ctx, &k->encode, seed, batch));
        TESS_TRY(k->error ? tess_tokenizer_record_encode_error(ctx, &k->tokenizer, k->encode.graph)
                          : tess_tokenizer_record_encode(ctx, &k->tokenizer, k->encode.graph));
    }
    if (directions & CODEC_DECODE) {
        TESS_TRY(stage_graph_open(ctx, &k->decode, seed, batch));
        TESS_TRY(k->likelihood ? tess_tokenizer_record_likelihood(ctx, &k->tokenizer, k->decode.graph)
                               : tess_tokenizer_record_decode(ctx, &k->tokenizer, k->decode.graph));
    }
    if (k->encode.graph)
        TESS_TRY(tess_graph_seal(ctx, k->encode.graph));
    return k->decode.graph ? tess_graph_seal(ctx, k->decode.graph) : TESS_OK;
}

void stage_codec_close(struct stage_codec *k)
{
    stage_graph_close(&k->encode, 0);
    stage_graph_close(&k->decode, 0);
    tess_weights_free(k->own);
    k->own = NULL;
    tess_tokenizer_close(&k->tokenizer);
}

int stage_codec_encode(struct tess_context *ctx, const struct stage_codec *k, int64_t n, const struct tess_tensor *images,
                       struct tess_tensor *codes, struct tess_tensor *error)
{
    struct tess_tensor out[2] = {*codes};
    if (k->error)
        out[1] = *error;
    return stage_graph_run(ctx, &k->encode, 0, 0, n, 1, images, k->error ? 2 : 1, out);
}

int stage_codec_decode(struct tess_context *ctx, const struct stage_codec *k, int64_t n, const struct tess_tensor *codes,
                       struct tess_tensor *real, struct tess_tensor *images)
{
    const struct tess_tokenizer *t = &k->tokenizer;
    struct tess_tensor y = {.data = NULL};
    if (!real) {
        TESS_TRY(stage_tensor(ctx, &y, TESS_F32, 4, (const int64_t[]){n, t->height, t->width, t->channels}));
        real = &y;
    }
    int status = stage_graph_run(ctx, &k->decode, 0, 0, n, 1, codes, 1, real);
    if (status == TESS_OK)
        status = stage_to_bytes(ctx, n * t->height * t->width * t->channels, real->data, images->data);
    tess_free(y.data);
    return status;
}

int stage_codec_likelihood(struct tess_context *ctx, const struct stage_codec *k, int64_t n, const struct tess_tensor *codes,
                           struct tess_tensor *real, struct tess_tensor *log_sigma)
{
    struct tess_tensor out[2] = {*real, *log_sigma};
    return stage_graph_run(ctx, &k->decode, 0, 0, n, 1, codes, 2, out);
}

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

int stage_tensor(struct tess_context *ctx, struct tess_tensor *t, int32_t dtype, int32_t rank, const int64_t *dim)
{
    *t = tess_tensor_over(NULL, dtype, rank, dim);
    return tess_alloc(ctx, tess_tensor_bytes(t) + 1, "a batch", &t->data);
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

int stage_carry_over(struct tess_context *ctx, const struct tess_artefact *from, struct tess_artefact *to)
{
    struct tess_dataset how = {.size = sizeof how, .compress = 1, .labels = "image"};
    TESS_TRY(tess_artefact_copy(ctx, to, "labels", from, &how));
    TESS_TRY(tess_artefact_copy(ctx, to, "flipped", from, &how));
    TESS_TRY(tess_artefact_copy(ctx, to, "names", from, NULL));
    TESS_TRY(tess_artefact_copy(ctx, to, "skipped", from, NULL));
    return tess_artefact_copy(ctx, to, "classes", from, NULL);
}

int stage_carry_rows(struct tess_context *ctx, const struct tess_artefact *from, struct tess_artefact *to, int64_t n, const int64_t *row)
{
    struct tess_dataset how = {.size = sizeof how, .compress = 1, .labels = "image"};
    TESS_TRY(tess_artefact_copy_rows(ctx, to, "labels", from, n, row, &how));
    TESS_TRY(tess_artefact_copy_rows(ctx, to, "names", from, n, row, NULL));
    TESS_TRY(tess_artefact_copy(ctx, to, "skipped", from, NULL));
    return tess_artefact_copy(ctx, to, "classes", from, NULL);
}

int stage_put_metric_as(struct tess_context *ctx, struct tess_artefact *a, const char *name, const char *suffix, double value,
                        const char *unit)
{
    char full[96];
    snprintf(full, sizeof full, "%s%s", name, suffix);
    return tess_artefact_put_metric(ctx, a, full, value, unit);
}

int stage_check_stop(struct tess_context *ctx, const struct tess_stage_run *r, int64_t done, int64_t total, const char *unit)
{
    if (!tess_stage_stopping(r))
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_STOPPED, "stopped at %s %lld of %lld; run the same command again to go on", unit, (long long)done,
                   (long long)total);
}

static int64_t zoom_for(const struct tess_tensor *images)
{
    return images->dim[2] < 64 ? 2 : 1;
}

int stage_put_sheet(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_tensor *images)
{
    struct tess_tensor sheet;
    TESS_TRY(tess_contact_sheet(ctx, images, 0, 2, zoom_for(images), &sheet));
    int status = tess_artefact_put_picture(ctx, a, name, &sheet);
    tess_free(sheet.data);
    return status;
}

int stage_put_rows(struct tess_context *ctx, struct tess_artefact *a, const char *name, int64_t rows,
                   const struct tess_tensor *const *lists)
{
    const struct tess_tensor *first = lists[0];
    int64_t n = first->dim[0], across = n < 16 ? n : 16, blocks = n / across;
    size_t line = tess_tensor_bytes(first) / (size_t)n * (size_t)across;
    struct tess_tensor all, sheet = {.data = NULL};
    TESS_TRY(stage_tensor(ctx, &all, TESS_U8, 4, (const int64_t[]){rows * blocks * across, first->dim[1], first->dim[2], first->dim[3]}));
    for (int64_t i = 0; i < blocks; i++)
        for (int64_t j = 0; j < rows; j++)
            memcpy((char *)all.data + (size_t)(i * rows + j) * line, (const char *)lists[j]->data + (size_t)i * line, line);
    int status = tess_contact_sheet(ctx, &all, across, 2, zoom_for(&all), &sheet);
    if (status == TESS_OK)
        status = tess_artefact_put_picture(ctx, a, name, &sheet);
    tess_free(sheet.data);
    tess_free(all.data);
    return status;
}

int stage_put_pairs(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_tensor *originals,
                    const struct tess_tensor *reconstructions)
{
    return stage_put_rows(ctx, a, name, 2, (const struct tess_tensor *const[]){originals, reconstructions});
}

int stage_check_images(struct tess_context *ctx, const struct tess_tokenizer *t, const struct tess_attrs *images)
{
    int64_t h, w, ch;
    TESS_TRY(tess_attrs_i64(ctx, images, "height", &h));
    TESS_TRY(tess_attrs_i64(ctx, images, "width", &w));
    TESS_TRY(tess_attrs_i64(ctx, images, "channels", &ch));
    if (h == t->height && w == t->width && ch == t->channels)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_SHAPE,
                   "images of %lld x %lld x %lld do not fit a model trained on %lld x %lld x %lld; import them with the same size, "
                   "crop and pad",
                   (long long)h, (long long)w, (long long)ch, (long long)t->height, (long long)t->width, (long long)t->channels);
}
