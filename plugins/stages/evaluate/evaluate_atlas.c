/* See evaluate_atlas.h. SPDX-License-Identifier: MIT */
#include "plugins/stages/evaluate/evaluate_atlas.h"

#include "kit/infer/cost.h"

#include <stdlib.h>
#include <string.h>

enum { ATLAS_SIDE = 8, ATLAS_ACROSS = 16, ATLAS_CODEBOOK = 1 << 20 };

/* A code and its number of uses. */
struct atlas_code {
    int32_t code;
    int64_t uses;
};

struct atlas {
    const struct stage_codec *codec;
    int64_t shown, batch;
    struct atlas_code *code; /* (K) by falling use; the first `shown` are those of the picture */
    struct tess_tensor map, image, tile, number, uses;
};

/* Side of a tile along an image's side that has `positions` of the map. */
static int64_t atlas_side(int64_t image, int64_t positions)
{
    int64_t one = image / positions;
    one = one < ATLAS_SIDE ? ATLAS_SIDE : one;
    return one < image ? one : image;
}

int64_t evaluate_atlas_codes(const struct tess_tokenizer *t, int64_t most)
{
    if (t->depth > 1 || t->codebook_size > ATLAS_CODEBOOK)
        return 0;
    return t->codebook_size < most ? t->codebook_size : most;
}

int64_t evaluate_atlas_bytes(const struct tess_tokenizer *t, int64_t n, int64_t batch)
{
    int64_t tile = atlas_side(t->height, t->latent_height) * atlas_side(t->width, t->latent_width) * t->channels;
    if (!n)
        return 0;
    return t->codebook_size * (int64_t)sizeof(struct atlas_code) + batch * cost_of_tokenizer_images(t, 1) +
           batch * t->latent_height * t->latent_width * (int64_t)sizeof(int32_t) + n * (tile * 6 + 2 * (int64_t)sizeof(int32_t));
}

/* ---- which codes ---- */

static int atlas_falling(const void *a, const void *b)
{
    const struct atlas_code *x = a, *y = b;
    if (x->uses != y->uses)
        return x->uses < y->uses ? 1 : -1;
    return (x->code > y->code) - (x->code < y->code);
}

static int atlas_choose(struct tess_context *ctx, struct atlas *k, const struct tess_tensor *codes)
{
    int64_t size = k->codec->tokenizer.codebook_size, used = 0;
    const int32_t *code = codes->data;
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)size * sizeof *k->code, "uses of codes", &memory));
    k->code = memory;
    for (int64_t i = 0; i < size; i++)
        k->code[i].code = (int32_t)i;
    for (int64_t i = 0; i < tess_tensor_count(codes); i++)
        k->code[code[i]].uses++;
    qsort(k->code, (size_t)size, sizeof *k->code, atlas_falling);
    while (used < size && k->code[used].uses)
        used++;
    int64_t least = used > k->shown ? k->shown / 4 : 0; /* the others follow the most used ones as they are */
    memmove(k->code + k->shown - least, k->code + (least ? used - least : k->shown), (size_t)least * sizeof *k->code);
    return TESS_OK;
}

/* ---- decoding ---- */

/* Decodes n codes from number `first` on and cuts out their tiles. */
static int atlas_decode(struct tess_context *ctx, struct atlas *k, int64_t first, int64_t n)
{
    const struct tess_tokenizer *t = &k->codec->tokenizer;
    int64_t positions = t->latent_height * t->latent_width, line = k->tile.dim[2] * t->channels;
    int64_t top = (t->height - k->tile.dim[1]) / 2, left = (t->width - k->tile.dim[2]) / 2;
    k->map.dim[0] = k->image.dim[0] = n;
    for (int64_t i = 0; i < n * positions; i++)
        ((int32_t *)k->map.data)[i] = k->code[first + i / positions].code;
    TESS_TRY(stage_codec_decode(ctx, k->codec, n, &k->map, NULL, &k->image));
    for (int64_t i = 0; i < n; i++)
        for (int64_t y = 0; y < k->tile.dim[1]; y++)
            memcpy((uint8_t *)k->tile.data + ((first + i) * k->tile.dim[1] + y) * line,
                   (const uint8_t *)k->image.data + ((i * t->height + top + y) * t->width + left) * t->channels, (size_t)line);
    return TESS_OK;
}

static int atlas_make(struct tess_context *ctx, struct atlas *k, const struct tess_tensor *codes)
{
    const struct tess_tokenizer *t = &k->codec->tokenizer;
    const struct code_maps maps = code_maps_of_tokenizer(t);
    int64_t high = atlas_side(t->height, t->latent_height), wide = atlas_side(t->width, t->latent_width);
    TESS_TRY(atlas_choose(ctx, k, codes));
    TESS_TRY(code_maps_tensor(ctx, &maps, k->batch, &k->map));
    TESS_TRY(stage_tensor(ctx, &k->image, TESS_U8, 4, (const int64_t[]){k->batch, t->height, t->width, t->channels}));
    TESS_TRY(stage_tensor(ctx, &k->tile, TESS_U8, 4, (const int64_t[]){k->shown, high, wide, t->channels}));
    TESS_TRY(stage_tensor(ctx, &k->number, TESS_I32, 1, &k->shown));
    TESS_TRY(stage_tensor(ctx, &k->uses, TESS_I32, 1, &k->shown));
    for (int64_t i = 0; i < k->shown; i++) {
        ((int32_t *)k->number.data)[i] = k->code[i].code;
        ((int32_t *)k->uses.data)[i] = k->code[i].uses < INT32_MAX ? (int32_t)k->code[i].uses : INT32_MAX;
    }
    for (int64_t i = 0; i < k->shown; i += k->batch)
        TESS_TRY(atlas_decode(ctx, k, i, k->shown - i < k->batch ? k->shown - i : k->batch));
    return TESS_OK;
}

/* ---- the result ---- */

static int atlas_write(struct tess_context *ctx, const struct atlas *k, struct tess_artefact *a)
{
    struct tess_dataset code = {.size = sizeof code, .labels = "tile"};
    TESS_TRY(stage_put_sheet_across(ctx, a, "codebook", &k->tile, ATLAS_ACROSS));
    TESS_TRY(tess_artefact_put(ctx, a, "atlas/code", &k->number, &code));
    return tess_artefact_put(ctx, a, "atlas/uses", &k->uses, &code);
}

int evaluate_atlas_put(struct tess_context *ctx, const struct stage_codec *k, const struct tess_tensor *codes, int64_t most, int64_t batch,
                       struct tess_artefact *a)
{
    struct atlas atlas = {.codec = k, .shown = evaluate_atlas_codes(&k->tokenizer, most)};
    atlas.batch = batch < atlas.shown ? batch : atlas.shown;
    if (!atlas.shown)
        return TESS_OK;
    int status = atlas_make(ctx, &atlas, codes);
    if (status == TESS_OK)
        status = atlas_write(ctx, &atlas, a);
    tess_free(atlas.code);
    tess_free(atlas.map.data);
    tess_free(atlas.image.data);
    tess_free(atlas.tile.data);
    tess_free(atlas.number.data);
    tess_free(atlas.uses.data);
    return status;
}
