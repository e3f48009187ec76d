/* Images of an artefact for `tessera view`: as stored, or made of codes. SPDX-License-Identifier: MIT */
#include "cli/view.h"
#include "kit/infer/common.h"

#include <math.h>
#include <string.h>

static int64_t view_count(const struct view_options *w, int64_t there)
{
    int64_t n = w->count ? w->count : w->output ? 64 : 16;
    return n < there ? n : there;
}

static uint8_t view_byte_of(float x)
{
    float scaled = x * 255.0f + 0.5f;
    return scaled > 0 ? scaled < 255 ? (uint8_t)scaled : 255 : 0;
}

static int view_to_bytes(struct tess_context *ctx, const struct tess_tensor *from, struct tess_tensor *to)
{
    *to = tess_tensor_over(NULL, TESS_U8, from->rank, from->dim);
    TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(to), "images", &to->data));
    const float *value = from->data;
    uint8_t *byte = to->data;
    int bad = 0;
    for (int64_t i = 0; i < tess_tensor_count(from); i++) {
        byte[i] = view_byte_of(value[i]);
        bad |= isnan(value[i]);
    }
    if (!bad)
        return TESS_OK;
    tess_free(to->data);
    to->data = NULL;
    return ctx->fail(ctx, TESS_E_DATA, "these images have values that are no numbers (NaN): the model that makes them diverged");
}

int cli_view_nothing(struct tess_context *ctx, const struct tess_artefact *a, const char *why)
{
    return ctx->fail(ctx, TESS_E_DATA, "%s: %s; `tessera inspect` lists what this artefact of kind `%s` holds", tess_artefact_path(a), why,
                     tess_artefact_kind(a));
}

/* Rows of a dataset, as stored. */
static int view_rows(struct tess_context *ctx, const struct tess_artefact *a, const char *name, int64_t n, int32_t dtype,
                     struct tess_tensor *t)
{
    TESS_TRY(tess_artefact_shape(ctx, a, name, t));
    t->dim[0] = n;
    t->dtype = dtype;
    TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(t), name, &t->data));
    int status = tess_artefact_read(ctx, a, name, 0, t);
    if (status != TESS_OK) {
        tess_free(t->data);
        t->data = NULL;
    }
    return status;
}

int cli_view_stored(struct tess_context *ctx, const struct view_options *w, const struct tess_artefact *a, struct tess_tensor *out)
{
    struct tess_tensor shape, values;
    TESS_TRY(tess_artefact_shape(ctx, a, "images", &shape));
    int64_t channels = shape.rank == 4 ? shape.dim[3] : 1;
    if (shape.rank < 3 || shape.rank > 4 || (shape.dtype != TESS_U8 && shape.dtype != TESS_F32) || (channels != 1 && channels != 3) ||
        tess_tensor_count(&shape) == 0)
        return cli_view_nothing(ctx, a, "/images holds nothing that can be shown");
    TESS_TRY(view_rows(ctx, a, "images", view_count(w, shape.dim[0]), shape.dtype, &values));
    if (values.rank == 3)
        values = tess_tensor_over(values.data, values.dtype, 4, (int64_t[]){values.dim[0], values.dim[1], values.dim[2], 1});
    if (values.dtype == TESS_U8) {
        *out = values;
        return TESS_OK;
    }
    int status = view_to_bytes(ctx, &values, out);
    tess_free(values.data);
    return status;
}

/* ---- codes --------------------------------------------------------------------------------------------------------- */

static int view_codes(struct tess_context *ctx, const struct view_options *w, const struct tess_artefact *a, struct tess_tensor *codes)
{
    struct tess_tensor shape;
    TESS_TRY(tess_artefact_shape(ctx, a, "codes", &shape));
    if (shape.rank < 3 || shape.rank > 4 || shape.dtype == TESS_F32 || tess_tensor_count(&shape) == 0)
        return cli_view_nothing(ctx, a, "/codes holds no maps of codes");
    return view_rows(ctx, a, "codes", view_count(w, shape.dim[0]), TESS_I32, codes);
}

/* Neighbouring codes get hues far apart: steps of the golden ratio around the circle, in two lightnesses. */
static void view_false_colour(int32_t code, uint8_t *rgb)
{
    double hue = code * 0.6180339887498949;
    hue = 6 * (hue - (double)(int64_t)hue);
    double light = code % 2 ? 255 : 170;
    for (int k = 0; k < 3; k++) {
        double d = hue - 2 * k; /* distance to red, green, blue on a circle of 6 */
        d = d < 0 ? -d : d;
        d = d > 3 ? 6 - d : d;
        double part = d <= 1 ? 1 : d >= 2 ? 0 : 2 - d;
        rgb[k] = (uint8_t)(light * (0.15 + 0.85 * part));
    }
}

/* Levels stand beside each other. */
static int view_code_maps(struct tess_context *ctx, const struct tess_tensor *codes, struct tess_tensor *out)
{
    int64_t depth = codes->rank == 4 ? codes->dim[3] : 1, width = codes->dim[2];
    *out = tess_tensor_over(NULL, TESS_U8, 4, (int64_t[]){codes->dim[0], codes->dim[1], width * depth, 3});
    TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(out), "maps of codes", &out->data));
    for (int64_t i = 0; i < tess_tensor_count(codes); i++) {
        int64_t row = i / (width * depth), x = i / depth % width, level = i % depth;
        view_false_colour(((const int32_t *)codes->data)[i], (uint8_t *)out->data + 3 * ((row * depth + level) * width + x));
    }
    return TESS_OK;
}

static int view_same_tokenizer(struct tess_context *ctx, const struct view_options *w, const struct tess_artefact *a,
                               const struct tess_artefact *model)
{
    const char *wanted = tess_attrs_text_or(tess_artefact_attrs(a), "tokenizer", "");
    if (*wanted && strcmp(wanted, tess_tokenizer_digest(model)) != 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: its codes are of the tokenizer %.12s, %s is %.12s; give the one they were made with",
                         w->path, wanted, w->model, tess_tokenizer_digest(model));
    return TESS_OK;
}

static int view_open_model(struct tess_context *ctx, const struct view_options *w, const struct tess_artefact *a,
                           struct tess_artefact **model)
{
    TESS_TRY(tessi_store_artefact_open(ctx, w->model, model));
    if (strcmp(tess_artefact_kind(*model), "autoencoder") != 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: is of kind `%s`, an autoencoder was wanted for -m", w->model, tess_artefact_kind(*model));
    TESS_TRY(tessi_store_artefact_check_attrs(ctx, *model));
    return view_same_tokenizer(ctx, w, a, *model);
}

static int view_decode(struct tess_context *ctx, const struct view_options *w, const struct tess_artefact *model, struct stage_codec *k,
                       const struct tess_tensor *codes, struct tess_tensor *out)
{
    const struct tess_tokenizer *t = &k->tokenizer;
    int64_t n = codes->dim[0];
    TESS_TRY(stage_codec_open(ctx, k, tess_artefact_attrs(model), w->model, NULL, 0, n, CODEC_DECODE));
    int64_t depth = codes->rank == 4 ? codes->dim[3] : 1;
    if (depth != t->depth)
        return ctx->fail(ctx, TESS_E_DATA, "%s: %lld codes a position, the tokenizer %s makes %lld", w->path, (long long)depth, w->model,
                         (long long)t->depth);
    if (codes->dim[1] != t->latent_height || codes->dim[2] != t->latent_width)
        return ctx->fail(ctx, TESS_E_DATA, "%s: maps of %lld x %lld codes, the tokenizer %s makes %lld x %lld", w->path,
                         (long long)codes->dim[1], (long long)codes->dim[2], w->model, (long long)t->latent_height,
                         (long long)t->latent_width);
    TESS_TRY(tess_weights_read(ctx, k->weights, model));
    *out = tess_tensor_over(NULL, TESS_U8, 4, (int64_t[]){n, t->height, t->width, t->channels});
    TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(out), "decoded images", &out->data));
    int status = stage_codec_decode(ctx, k, n, codes, NULL, out);
    if (status != TESS_OK) {
        tess_free(out->data);
        out->data = NULL;
    }
    return status;
}

static int view_decode_codes(struct tess_context *ctx, struct cli_globals *g, const struct view_options *w, const struct tess_artefact *a,
                             const struct tess_tensor *codes, struct tess_tensor *out)
{
    struct tessi_runtime *r = NULL;
    struct tess_artefact *model = NULL;
    struct stage_codec codec = {.own = NULL};
    int status = cli_runtime_new(ctx, g, &r);
    if (status == TESS_OK)
        status = tessi_host_runtime_compute(ctx, r);
    if (status == TESS_OK)
        status = view_open_model(ctx, w, a, &model);
    if (status == TESS_OK)
        status = view_decode(ctx, w, model, &codec, codes, out);
    stage_codec_close(&codec);
    tessi_store_artefact_close(model);
    tessi_host_runtime_free(r);
    return status;
}

int cli_view_coded(struct tess_context *ctx, struct cli_globals *g, const struct view_options *w, const struct tess_artefact *a,
                   struct tess_tensor *out)
{
    struct tess_tensor codes;
    TESS_TRY(view_codes(ctx, w, a, &codes));
    int status = w->model ? view_decode_codes(ctx, g, w, a, &codes, out) : view_code_maps(ctx, &codes, out);
    tess_free(codes.data);
    return status;
}
