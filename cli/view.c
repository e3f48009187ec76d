/* `tessera view`: looking at what an artefact holds. Images and samples as a contact sheet, codes decoded by their tokenizer or in
 * false colours, pictures as they are; into a PNG file or onto the terminal.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/draw.h"
#include "cli/flags.h"
#include "cli/view.h"
#include "core/base/aside.h"

#include <stdio.h>
#include <string.h>

#define MOST 100000 /* images of a sheet, pixels of a side */

/* Shows a picture, in a file or on the terminal, and frees it. */
static int show_picture(struct tess_context *ctx, const struct cli_globals *g, const struct view_options *w, struct tess_tensor *picture)
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
static int show_images(struct tess_context *ctx, const struct cli_globals *g, const struct view_options *w,
                       const struct tess_tensor *images)
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
    return cli_view_nothing(ctx, a, "its picture is of no shape that can be shown");
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

static int view_show_pictures(struct tess_context *ctx, const struct cli_globals *g, const struct view_options *w,
                              const struct tess_artefact *a)
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
        return cli_view_nothing(ctx, a, w->picture ? "has no pictures" : "has no images, codes or pictures to show");
    return ctx->fail(ctx, TESS_E_USAGE, "%s: has no picture `%s`; it has %s", w->path, w->picture, picture_names(a, text, sizeof text));
}

static int show_artefact(struct tess_context *ctx, struct cli_globals *g, const struct view_options *w, const struct tess_artefact *a)
{
    struct tess_tensor images = {0};
    int coded = tess_artefact_has(a, "codes");
    if (w->model && !coded)
        return cli_view_nothing(ctx, a, "has no codes to decode with -m");
    if (w->picture || (!coded && !tess_artefact_has(a, "images")))
        return view_show_pictures(ctx, g, w, a);
    if (w->model || !tess_artefact_has(a, "images"))
        TESS_TRY(cli_view_coded(ctx, g, w, a, &images));
    else
        TESS_TRY(cli_view_stored(ctx, w, a, &images));
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

static int view_show(struct tess_context *ctx, struct cli_globals *g, const struct view_options *w)
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
    struct view_options *w = options;
    if (w->path)
        return cli_usage_error(verb, "wanted one file, found `%s` and `%s`", w->path, word);
    w->path = word;
    return 0;
}

static int view(struct cli_globals *g, int argc, char **argv)
{
    struct view_options w = {0};
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

#define VIEW(member) .offset = offsetof(struct view_options, member)
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
