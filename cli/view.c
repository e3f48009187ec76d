/* `tessera view`: looking at what an artefact holds. Images and samples as a contact sheet, codes decoded by their tokenizer or in
 * false colours, pictures as they are; into a PNG file or onto the terminal.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/draw.h"
#include "cli/flags.h"
#include "core/base/aside.h"
#include "core/store/store.h"
#include "kit/infer/common.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 100000 /* images of a sheet, pixels of a side */

struct options {
    const char *path, *model, *output, *picture;
    int64_t count, across, zoom; /* count, across, zoom: as asked for; 0: chosen to fit */
};

/* ---- what to show -------------------------------------------------------------------------------------------------- */

/* n images as u8 (n, H, W, C), freed by the caller. */
static int64_t how_many(const struct options *w, int64_t there)
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

static int nothing_to_show(struct tess_context *ctx, const struct tess_artefact *a, const char *why)
{
    return ctx->fail(ctx, TESS_E_DATA, "%s: %s; `tessera inspect` lists what this artefact of kind `%s` holds", tess_artefact_path(a), why,
                   tess_artefact_kind(a));
}

/* Rows of a dataset, as stored. */
static int first_rows(struct tess_context *ctx, const struct tess_artefact *a, const char *name, int64_t n, int32_t dtype,
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

static int stored_images(struct tess_context *ctx, const struct options *w, const struct tess_artefact *a, struct tess_tensor *out)
{
    struct tess_tensor shape, values;
    TESS_TRY(tess_artefact_shape(ctx, a, "images", &shape));
    int64_t channels = shape.rank == 4 ? shape.dim[3] : 1;
    if (shape.rank < 3 || shape.rank > 4 || (shape.dtype != TESS_U8 && shape.dtype != TESS_F32) || (channels != 1 && channels != 3) ||
        tess_tensor_count(&shape) == 0)
        return nothing_to_show(ctx, a, "/images holds nothing that can be shown");
    TESS_TRY(first_rows(ctx, a, "images", how_many(w, shape.dim[0]), shape.dtype, &values));
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

static int read_codes(struct tess_context *ctx, const struct options *w, const struct tess_artefact *a, struct tess_tensor *codes)
{
    struct tess_tensor shape;
    TESS_TRY(tess_artefact_shape(ctx, a, "codes", &shape));
    if (shape.rank < 3 || shape.rank > 4 || shape.dtype == TESS_F32 || tess_tensor_count(&shape) == 0)
        return nothing_to_show(ctx, a, "/codes holds no maps of codes");
    return first_rows(ctx, a, "codes", how_many(w, shape.dim[0]), TESS_I32, codes);
}

/* Neighbouring codes get hues far apart: steps of the golden ratio around the circle, in two lightnesses. */
static void false_colour(int32_t code, uint8_t *rgb)
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
static int code_maps(struct tess_context *ctx, const struct tess_tensor *codes, struct tess_tensor *out)
{
    int64_t depth = codes->rank == 4 ? codes->dim[3] : 1, width = codes->dim[2];
    *out = tess_tensor_over(NULL, TESS_U8, 4, (int64_t[]){codes->dim[0], codes->dim[1], width * depth, 3});
    TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(out), "maps of codes", &out->data));
    for (int64_t i = 0; i < tess_tensor_count(codes); i++) {
        int64_t row = i / (width * depth), x = i / depth % width, level = i % depth;
        false_colour(((const int32_t *)codes->data)[i], (uint8_t *)out->data + 3 * ((row * depth + level) * width + x));
    }
    return TESS_OK;
}

static int same_tokenizer(struct tess_context *ctx, const struct options *w, const struct tess_artefact *a,
                          const struct tess_artefact *model)
{
    const char *wanted = tess_attrs_text_or(tess_artefact_attrs(a), "tokenizer", "");
    if (*wanted && strcmp(wanted, tess_tokenizer_digest(model)) != 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: its codes are of the tokenizer %.12s, %s is %.12s; give the one they were made with",
                         w->path, wanted, w->model, tess_tokenizer_digest(model));
    return TESS_OK;
}

static int view_open_model(struct tess_context *ctx, const struct options *w, const struct tess_artefact *a, struct tess_artefact **model)
{
    TESS_TRY(tessi_store_artefact_open(ctx, w->model, model));
    if (strcmp(tess_artefact_kind(*model), "autoencoder") != 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: is of kind `%s`, an autoencoder was wanted for -m", w->model, tess_artefact_kind(*model));
    TESS_TRY(tessi_store_artefact_check_attrs(ctx, *model));
    return same_tokenizer(ctx, w, a, *model);
}

static int view_decode(struct tess_context *ctx, const struct options *w, const struct tess_artefact *model, struct stage_codec *k,
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

static int decoded_images(struct tess_context *ctx, struct cli_globals *g, const struct options *w, const struct tess_artefact *a,
                          const struct tess_tensor *codes, struct tess_tensor *out)
{
    const struct tessi_runtime_options o = {
        .plugin_path = g->plugin_path, .backend = g->backend, .threads = (int)g->threads, .level = g->level};
    struct tessi_runtime *r = NULL;
    struct tess_artefact *model = NULL;
    struct stage_codec codec = {.own = NULL};
    int status = tessi_host_runtime_new(ctx, &o, &r);
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

static int coded_images(struct tess_context *ctx, struct cli_globals *g, const struct options *w, const struct tess_artefact *a,
                        struct tess_tensor *out)
{
    struct tess_tensor codes;
    TESS_TRY(read_codes(ctx, w, a, &codes));
    int status = w->model ? decoded_images(ctx, g, w, a, &codes, out) : code_maps(ctx, &codes, out);
    tess_free(codes.data);
    return status;
}

/* ---- showing ------------------------------------------------------------------------------------------------------- */

/* Shows a picture, in a file or on the terminal, and frees it. */
static int show_picture(struct tess_context *ctx, const struct cli_globals *g, const struct options *w, struct tess_tensor *picture)
{
    int status = w->output ? tessi_store_png_write(ctx, w->output, picture) : cli_draw(ctx, picture, g->colour);
    tess_free(picture->data);
    return status;
}

static int64_t view_squarest(int64_t n)
{
    int64_t side = 1;
    while (side * side < n)
        side++;
    return side;
}

/* Shows images as a contact sheet. On a terminal as many stand side by side as keep their pixels, four at least; in a file small ones are
 * enlarged. */
static int show_images(struct tess_context *ctx, const struct cli_globals *g, const struct options *w, const struct tess_tensor *images)
{
    struct tess_tensor sheet;
    int64_t n = images->dim[0], side = images->dim[1] > images->dim[2] ? images->dim[1] : images->dim[2];
    int64_t zoom = w->zoom ? w->zoom : w->output ? side < 64 ? 64 / side : 1 : 1, gap = w->output ? 2 : 1, across = w->across;
    if (!across && !w->output) {
        int64_t fit = (cli_columns() + gap) / (images->dim[2] * zoom + gap);
        across = fit > 4 ? fit : view_squarest(n) < 4 ? view_squarest(n) : 4;
    }
    TESS_TRY(tess_contact_sheet(ctx, images, across, gap, zoom, &sheet));
    return show_picture(ctx, g, w, &sheet);
}

static int load_picture(struct tess_context *ctx, const struct tess_artefact *a, const char *name, struct tess_tensor *out)
{
    char path[1100];
    (void)snprintf(path, sizeof path, "pictures/%s", name);
    TESS_TRY(tess_artefact_load(ctx, a, path, TESS_U8, out));
    if (out->rank == 3 && (out->dim[2] == 1 || out->dim[2] == 3) && tess_tensor_count(out) > 0)
        return TESS_OK;
    tess_free(out->data);
    return nothing_to_show(ctx, a, "its picture is of no shape that can be shown");
}

/* "a, b and c", cut to room */
static const char *picture_names(const struct tess_artefact *a, char *text, size_t capacity)
{
    const char *name;
    size_t at = 0;
    text[0] = '\0';
    for (int64_t i = 0; at < capacity && (name = tessi_store_artefact_picture_at(a, i)); i++)
        at += (size_t)snprintf(text + at, capacity - at, "%s`%s`", i ? ", " : "", name);
    return text;
}

static int view_show_pictures(struct tess_context *ctx, const struct cli_globals *g, const struct options *w, const struct tess_artefact *a)
{
    struct tess_tensor picture;
    char text[600];
    const char *name;
    if (!w->picture && w->output && tessi_store_artefact_picture_at(a, 1))
        return ctx->fail(ctx, TESS_E_USAGE, "%s: has several pictures, %s: name one with --picture", w->path,
                       picture_names(a, text, sizeof text));
    int64_t shown = 0;
    for (int64_t i = 0; (name = tessi_store_artefact_picture_at(a, i)); i++) {
        if (w->picture && strcmp(name, w->picture) != 0)
            continue;
        TESS_TRY(load_picture(ctx, a, name, &picture));
        if (!w->output && !w->picture)
            printf("%s%s\n", shown ? "\n" : "", cli_shown(name));
        TESS_TRY(show_picture(ctx, g, w, &picture));
        shown++;
    }
    if (shown)
        return TESS_OK;
    if (!tessi_store_artefact_picture_at(a, 0))
        return nothing_to_show(ctx, a, w->picture ? "has no pictures" : "has no images, codes or pictures to show");
    return ctx->fail(ctx, TESS_E_USAGE, "%s: has no picture `%s`; it has %s", w->path, w->picture, picture_names(a, text, sizeof text));
}

static int show_artefact(struct tess_context *ctx, struct cli_globals *g, const struct options *w, const struct tess_artefact *a)
{
    struct tess_tensor images = {0};
    int coded = tess_artefact_has(a, "codes");
    if (w->model && !coded)
        return nothing_to_show(ctx, a, "has no codes to decode with -m");
    if (w->picture || (!coded && !tess_artefact_has(a, "images")))
        return view_show_pictures(ctx, g, w, a);
    if (w->model || !tess_artefact_has(a, "images"))
        TESS_TRY(coded_images(ctx, g, w, a, &images));
    else
        TESS_TRY(stored_images(ctx, w, a, &images));
    int status = show_images(ctx, g, w, &images);
    tess_free(images.data);
    return status;
}

static int is_png(const char *path)
{
    unsigned char head[4] = {0};
    FILE *f = fopen(path, "rbe");
    if (f) {
        (void)!fread(head, 1, sizeof head, f);
        (void)fclose(f);
    }
    return memcmp(head, "\x89PNG", 4) == 0;
}

static int view_show(struct tess_context *ctx, struct cli_globals *g, const struct options *w)
{
    struct tess_tensor picture;
    struct tess_artefact *a;
    if (is_png(w->path)) {
        TESS_TRY(tessi_store_png_read(ctx, w->path, &picture));
        return show_picture(ctx, g, w, &picture);
    }
    TESS_TRY(tessi_store_artefact_open(ctx, w->path, &a));
    int status = show_artefact(ctx, g, w, a);
    tessi_store_artefact_close(a);
    return status;
}

/* ---- the verb ------------------------------------------------------------------------------------------------------ */

static int view_take_word(void *options, const char *verb, const char *word)
{
    struct options *w = options;
    if (w->path)
        return cli_usage_error(verb, "wanted one file, found `%s` and `%s`", w->path, word);
    w->path = word;
    return 0;
}

static int view(struct cli_globals *g, int argc, char **argv)
{
    struct options w = {0};
    struct tessi_context context;
    int code = cli_flags_read(g, &cli_view, argc, argv, &w, view_take_word);
    if (code)
        return code;
    if (!w.path)
        return cli_usage_error(argv[0], "wanted the name of an artefact or of a PNG picture");
    tessi_base_context_init(&context, NULL);
    int status = tessi_base_not_over(&context.context, w.output, w.path);
    if (status == TESS_OK)
        status = tessi_base_not_over(&context.context, w.output, w.model);
    if (status == TESS_OK)
        status = view_show(&context.context, g, &w);
    return status == TESS_OK ? 0 : cli_failed(&context.context, status);
}

#define VIEW(member) .offset = offsetof(struct options, member)
static const struct cli_flag flags[] = {
    {.name = "--output",
     .brief = "-o",
     .value = "FILE",
     .help = "write a PNG file",
     .type = CLI_TEXT,
     .complete = CLI_COMPLETE_FILES,
     VIEW(output)},
    {.name = "--model",
     .brief = "-m",
     .value = "FILE",
     .help = "tokenizer (the artefact of train-autoencoder) to decode codes with",
     .type = CLI_TEXT,
     .complete = CLI_COMPLETE_FILES,
     VIEW(model)},
    {.name = "--count",
     .value = "N",
     .help = "how many images",
     .initial = "64 in a file, 16 in the terminal",
     .type = CLI_INTEGER,
     VIEW(count),
     .lo = 1,
     .hi = MOST},
    {.name = "--across", .value = "N", .help = "how many side by side", .type = CLI_INTEGER, VIEW(across), .lo = 1, .hi = MOST},
    {.name = "--zoom", .value = "N", .help = "enlarge each N times", .type = CLI_INTEGER, VIEW(zoom), .lo = 1, .hi = MOST},
    {.name = "--picture", .value = "NAME", .help = "this picture of the artefact", .type = CLI_TEXT, VIEW(picture)},
    {.name = NULL}};

const struct cli_verb cli_view = {
    .name = "view",
    .summary = "look at images, samples, codes or pictures: a contact sheet, here or as PNG",
    .arguments = "FILE",
    .description = "FILE is an artefact or a PNG picture. Images and samples are laid out as a contact sheet; codes are decoded by\n"
                   "their tokenizer with -m, and without it shown in false colours; where there are neither, the artefact's\n"
                   "pictures are shown. Drawn in the terminal unless -o is given.\n",
    .flags = flags,
    .run = view,
};
