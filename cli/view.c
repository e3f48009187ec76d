/* `tessera view`: looking at what an artefact holds. Images and samples as a contact sheet, codes decoded by their tokenizer or in
 * false colours, pictures as they are; into a PNG file or onto the terminal.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/draw.h"
#include "core/base/aside.h"
#include "core/store/store.h"

#include <tessera/graph.h>
#include <tessera/model.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 100000 /* images of a sheet, pixels of a side */
#define SLICE_ROWS 8

struct options {
    const char *path, *model, *output, *picture;
    int64_t count, across, zoom; /* 0: as fits */
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

struct decoder {
    struct tess_artefact *model;
    struct tess_tokenizer tokenizer;
    struct tess_weights *weights;
    struct tess_graph *graph;
};

static void close_decoder(struct decoder *d)
{
    tess_graph_free(d->graph);
    tess_weights_free(d->weights);
    tess_tokenizer_close(&d->tokenizer);
    tessi_store_artefact_close(d->model);
}

static int same_tokenizer(struct tess_context *ctx, const struct options *w, const struct tess_artefact *a, const struct decoder *d)
{
    const char *wanted = tess_attrs_text_or(tess_artefact_attrs(a), "tokenizer", "");
    if (*wanted && strcmp(wanted, tess_tokenizer_digest(d->model)) != 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: its codes are of the tokenizer %.12s, %s is %.12s; give the one they were made with",
                         w->path, wanted, w->model, tess_tokenizer_digest(d->model));
    return TESS_OK;
}

static int view_open_decoder(struct tess_context *ctx, const struct options *w, const struct tess_artefact *a,
                             const struct tess_tensor *codes, struct decoder *d)
{
    int64_t n = codes->dim[0], rows = n < SLICE_ROWS ? n : SLICE_ROWS;
    TESS_TRY(tessi_store_artefact_open(ctx, w->model, &d->model));
    if (strcmp(tess_artefact_kind(d->model), "autoencoder") != 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: is of kind `%s`, an autoencoder was wanted for -m", w->model, tess_artefact_kind(d->model));
    TESS_TRY(tessi_store_artefact_check_attrs(ctx, d->model));
    TESS_TRY(same_tokenizer(ctx, w, a, d));
    d->tokenizer.size = sizeof d->tokenizer;
    TESS_TRY(tess_tokenizer_open(ctx, tess_artefact_attrs(d->model), w->model, &d->tokenizer));
    if ((codes->rank == 4 ? codes->dim[3] : 1) != d->tokenizer.depth)
        return ctx->fail(ctx, TESS_E_DATA, "%s: %lld codes a position, the tokenizer %s makes %lld", w->path,
                         (long long)(codes->rank == 4 ? codes->dim[3] : 1), w->model, (long long)d->tokenizer.depth);
    if (codes->dim[1] != d->tokenizer.latent_height || codes->dim[2] != d->tokenizer.latent_width)
        return ctx->fail(ctx, TESS_E_DATA, "%s: maps of %lld x %lld codes, the tokenizer %s makes %lld x %lld", w->path,
                       (long long)codes->dim[1], (long long)codes->dim[2], w->model, (long long)d->tokenizer.latent_height,
                       (long long)d->tokenizer.latent_width);
    TESS_TRY(tess_weights_new(ctx, 0, &d->weights));
    TESS_TRY(tess_graph_new(
        ctx, d->weights,
        &(struct tess_graph_options){.size = sizeof(struct tess_graph_options), .microbatch = rows, .microbatches = (n + rows - 1) / rows},
        &d->graph));
    TESS_TRY(tess_tokenizer_record_decode(ctx, &d->tokenizer, d->graph));
    TESS_TRY(tess_graph_seal(ctx, d->graph));
    return tess_weights_read(ctx, d->weights, d->model);
}

static int run_decoder(struct tess_context *ctx, const struct decoder *d, const struct tess_tensor *codes, struct tess_tensor *out)
{
    struct tess_tensor images =
        tess_tensor_over(NULL, TESS_F32, 4, (int64_t[]){codes->dim[0], d->tokenizer.height, d->tokenizer.width, d->tokenizer.channels});
    TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(&images), "decoded images", &images.data));
    struct tess_batch batch = {.size = sizeof batch, .inputs = 1, .outputs = 1, .samples = codes->dim[0], .in = codes, .out = &images};
    int status = tess_graph_run(ctx, d->graph, &batch);
    if (status == TESS_OK)
        status = view_to_bytes(ctx, &images, out);
    tess_free(images.data);
    return status;
}

static int decoded_images(struct tess_context *ctx, struct cli_globals *g, const struct options *w, const struct tess_artefact *a,
                          const struct tess_tensor *codes, struct tess_tensor *out)
{
    struct tessi_runtime *r = NULL;
    struct decoder d = {0};
    int status = tessi_host_runtime_new(
        ctx,
        &(struct tessi_runtime_options){.plugin_path = g->plugin_path, .backend = g->backend, .threads = g->threads, .level = g->level},
        &r);
    if (status == TESS_OK)
        status = tessi_host_runtime_compute(ctx, r);
    if (status == TESS_OK)
        status = view_open_decoder(ctx, w, a, codes, &d);
    if (status == TESS_OK)
        status = run_decoder(ctx, &d, codes, out);
    close_decoder(&d);
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

/* Takes `picture`. */
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

/* On a terminal as many stand side by side as keep their pixels, four at least; in a file small ones are enlarged. */
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

/* The value of a flag, behind `=` or as the next argument; NULL, with a message, when there is none. */
static const char *view_value_of(int argc, char **argv, int *i, size_t length)
{
    if (argv[*i][length] == '=')
        return argv[*i] + length + 1;
    if (*i + 1 < argc)
        return argv[++*i];
    (void)cli_usage_error(argv[0], "%s wants a value, found the end of the line", argv[*i]);
    return NULL;
}

static int view_number(const char *verb, const char *flag, const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno || end == text || *end || n < 1 || n > MOST)
        return cli_usage_error(verb, "%s wants an integer 1 .. %d, found `%s`", flag, MOST, text);
    *out = n;
    return 0;
}

/* 0 taken, else the exit code. */
static int view_take_flag(struct options *w, int argc, char **argv, int *i)
{
    static const char *const flags[] = {"-o", "--output", "-m", "--model", "--picture", "--count", "--across", "--zoom"};
    int64_t *const numbers[] = {&w->count, &w->across, &w->zoom};
    const char **const texts[] = {&w->output, &w->output, &w->model, &w->model, &w->picture};
    for (size_t k = 0; k < sizeof flags / sizeof *flags; k++) {
        size_t length = strlen(flags[k]);
        if (strncmp(argv[*i], flags[k], length) != 0 || (argv[*i][length] && argv[*i][length] != '='))
            continue;
        const char *value = view_value_of(argc, argv, i, length);
        if (!value)
            return tessi_base_exit_code(TESS_E_USAGE);
        if (k >= 5)
            return view_number(argv[0], flags[k], value, numbers[k - 5]);
        *texts[k] = value;
        return 0;
    }
    return cli_usage_error(argv[0], "there is no flag `%s`", argv[*i]);
}

static int view(struct cli_globals *g, int argc, char **argv)
{
    struct options w = {0};
    struct tessi_context context;
    int plain = 0;
    for (int i = 1; i < argc; i++) {
        int taken = plain ? 0 : cli_global_flag(g, argc, argv, &i);
        if (taken < 0)
            return tessi_base_exit_code(TESS_E_USAGE);
        if (taken)
            continue;
        if (!plain && strcmp(argv[i], "--") == 0) {
            plain = 1;
        } else if (!plain && argv[i][0] == '-' && argv[i][1]) {
            int code = view_take_flag(&w, argc, argv, &i);
            if (code)
                return code;
        } else if (w.path) {
            return cli_usage_error(argv[0], "wanted one file, found `%s` and `%s`", w.path, argv[i]);
        } else {
            w.path = argv[i];
        }
    }
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

const struct cli_verb cli_view = {
    .name = "view",
    .summary = "look at images, samples, codes or pictures: a contact sheet, here or as PNG",
    .usage = "usage: tessera view FILE [-o GRID.png] [-m MODEL.h5] [--count N] [--across N] [--zoom N] [--picture NAME]\n\n"
             "FILE is an artefact or a PNG picture. Images and samples are laid out as a contact sheet; codes are decoded by\n"
             "their tokenizer with -m, and without it shown in false colours; where there are neither, the artefact's\n"
             "pictures are shown. Drawn in the terminal unless -o is given.\n\n"
             "  -o, --output FILE    write a PNG file\n"
             "  -m, --model FILE     tokenizer (the artefact of train-autoencoder) to decode codes with\n"
             "      --count N        how many images (64 in a file, 16 in the terminal)\n"
             "      --across N       how many side by side\n"
             "      --zoom N         enlarge each N times\n"
             "      --picture NAME   this picture of the artefact\n",
    .run = view,
};
