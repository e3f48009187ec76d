/* `tessera encode`: images to an archive of codes. A name that ends in .h5 is one file, any other a folder of shards. The same command goes
 * on where it was stopped or killed. SPDX-License-Identifier: MIT */
#include "cli/encode.h"
#include "core/base/files.h"
#include "core/store/store.h"
#include "kit/archive/crop_list.h"

#include <tessera/model.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the command line ---------------------------------------------------------------------------------------------------- */

static int take_source(void *options, const char *verb, const char *word)
{
    struct cli_encode *o = options;
    if (o->source)
        return cli_usage_error(verb, "wanted one source of images, found `%s` after `%s`", word, o->source);
    o->source = word;
    return 0;
}

static int take_set(void *options, const char *verb, const char *value)
{
    struct cli_encode *o = options;
    if (!strchr(value, '='))
        return cli_usage_error(verb, "--set wants KEY=VALUE, found `%s`", value);
    if (o->sets == CLI_ENCODE_SETS)
        return cli_usage_error(verb, "--set at most %d times", CLI_ENCODE_SETS);
    o->set[o->sets++] = value;
    return 0;
}

int cli_encode_read(struct cli_globals *g, int argc, char **argv, struct cli_encode *o)
{
    int code = cli_flags_read(g, &cli_encode, argc, argv, o, take_source);
    if (code)
        return code;
    if (!o->source)
        return cli_usage_error(argv[0], "wanted a source of images: a folder, a file, or - for a list on standard input");
    if (!o->model)
        return cli_usage_error(argv[0], "wanted -m MODEL.h5, the tokenizer");
    if (!o->output)
        return cli_usage_error(argv[0], "wanted -o, the archive: FILE.h5, or a folder of shards");
    if (o->tiles && o->crops)
        return cli_usage_error(argv[0], "--tiles and --crops do not go together");
    if (o->crops_of && (o->tiles || o->crops || o->crop_count || o->flip || o->size || o->crop || o->pad || o->fit))
        return cli_usage_error(argv[0], "--crops-of says which parts of pictures are encoded; --crops, --crop-count, --tiles, --flip, "
                                        "--size, --crop, --pad and --fit do not go with it");
    return 0;
}

int cli_encode_is_file(const char *path)
{
    size_t length = strlen(path);
    return length > 3 && strcmp(path + length - 3, ".h5") == 0;
}

/* ---- the archive ------------------------------------------------------------------------------------------------------------ */

/* Rows of a picture of the archive whose crops are taken. */
static int read_views(struct tess_context *ctx, const char *path, int64_t *views)
{
    struct tess_artefact *archive = NULL;
    TESS_TRY(tessi_store_artefact_open(ctx, path, &archive));
    int status = TESS_OK;
    if (strcmp(tess_artefact_kind(archive), "codes") != 0)
        status =
            ctx->fail(ctx, TESS_E_USAGE, "%s: is of kind %s; an archive of codes with crops was wanted", path, tess_artefact_kind(archive));
    *views = crop_list_views(tess_artefact_attrs(archive));
    tessi_store_artefact_close(archive);
    return status;
}

int cli_encode_model(struct tess_context *ctx, struct cli_archive *a)
{
    struct tess_artefact *model = NULL;
    int64_t h = 0, w = 0, codebook_size = 0, bits = 1;
    int status = tessi_store_artefact_open(ctx, a->o->model, &model);
    if (status == TESS_OK && strcmp(tess_artefact_kind(model), "autoencoder") != 0)
        status = ctx->fail(ctx, TESS_E_USAGE, "%s: is of kind %s; the tokenizer, an artefact of kind autoencoder, was wanted", a->o->model,
                           tess_artefact_kind(model));
    const struct tess_attrs *f = status == TESS_OK ? tess_artefact_attrs(model) : NULL;
    if (status == TESS_OK)
        status = tess_attrs_i64(ctx, f, "latent_height", &h);
    if (status == TESS_OK)
        status = tess_attrs_i64(ctx, f, "latent_width", &w);
    if (status == TESS_OK)
        status = tess_attrs_i64(ctx, f, "codebook_size", &codebook_size);
    while (bits < 31 && (INT64_C(1) << bits) < codebook_size)
        bits++;
    enum { TEN = 10, TILES = 16 };
    const char *crops = a->o->crops ? a->o->crops : "";
    int64_t given = 0;
    if (status == TESS_OK && a->o->crops_of)
        status = read_views(ctx, a->o->crops_of, &given);
    int64_t views = given                                             ? given
                    : a->o->tiles                                     ? TILES
                    : strcmp(crops, "multi") == 0 && a->o->crop_count ? a->o->crop_count
                    : *crops                                          ? TEN
                    : a->o->flip                                      ? 2
                                                                      : 1;
    if (status == TESS_OK) {
        (void)snprintf(a->tokenizer, sizeof a->tokenizer, "%s", tess_tokenizer_digest(model));
        a->row_bits = h * w * tess_attrs_i64_or(f, "depth", 1) * bits * views;
        a->row_bits = a->row_bits < 1 ? 1 : a->row_bits;
    }
    tessi_store_artefact_close(model);
    return status;
}

static int encode_file(struct tess_context *ctx, struct cli_archive *a)
{
    int computed = 0;
    if (a->o->append || a->o->shard || a->o->shard_items)
        return ctx->fail(ctx, TESS_E_USAGE,
                         "%s is one file; --append, --shard and --shard-items are for an archive of shards, a folder: -o %.*s",
                         a->o->output, (int)strlen(a->o->output) - 3, a->o->output);
    TESS_TRY(cli_encode_part(ctx, a, "codes", a->stage, a->o->output, &computed));
    if (!computed)
        tessi_base_log_note(a->runtime->log, "nothing to do: %s is complete", a->o->output);
    cli_encode_remove_work(a);
    return TESS_OK;
}

static void show_archive(const struct tess_artefact *a, const char *path)
{
    const struct tess_attrs *f = tess_artefact_attrs(a);
    struct tess_tensor shape;
    int32_t bits;
    int64_t stored, skipped = 0;
    const char *name;
    for (int64_t i = 0; (name = tessi_store_artefact_dataset_at(a, i, &shape, &bits, &stored)); i++)
        if (strcmp(name, "skipped") == 0)
            skipped = shape.dim[0];
    const int64_t rows = tess_attrs_i64_or(f, "count", 0), items = tess_attrs_i64_or(f, "items", rows);
    printf("%s: %" PRId64 " %s of %" PRId64 " %s, %" PRId64 " skipped", cli_shown(path), rows, rows == 1 ? "row" : "rows", items,
           items == 1 ? "image" : "images", skipped);
    if (tessi_store_parts_count(a))
        printf(", in %" PRId64 " %s", tessi_store_parts_count(a), tessi_store_parts_count(a) == 1 ? "shard" : "shards");
    printf("\n%" PRId64 " x %" PRId64 " codes of %" PRId64 ", tokenizer %.12s...\n", tess_attrs_i64_or(f, "height", 0),
           tess_attrs_i64_or(f, "width", 0), tess_attrs_i64_or(f, "codebook_size", 0), tess_attrs_text_or(f, "tokenizer", ""));
}

/* Prints what the archive holds; a folder that waits for the shards of others holds nothing yet. */
static int show_result(struct tess_context *ctx, const struct cli_archive *a)
{
    struct tess_artefact *made = NULL;
    char *index = NULL;
    TESS_TRY(tessi_base_format(ctx, &index, "%s/" TESSI_STORE_INDEX, a->o->output));
    int there = tessi_base_is_file(a->o->output) || tessi_base_is_file(index);
    tess_free(index);
    if (!there || a->g->level <= TESSI_QUIET)
        return TESS_OK;
    TESS_TRY(tessi_store_artefact_open(ctx, a->o->output, &made));
    show_archive(made, a->o->output);
    tessi_store_artefact_close(made);
    return TESS_OK;
}

static int same_text(const char *path, const char *text, size_t bytes)
{
    int same = 1;
    size_t at = 0;
    FILE *f = fopen(path, "rbe");
    for (int c; f && same && (c = getc(f)) != EOF; at++)
        same = at < bytes && (unsigned char)text[at] == c;
    if (f)
        (void)fclose(f);
    return f && same && at == bytes;
}

/* Writes the list on standard input into the work folder, as it is read more than once; one that is there and the same stays. */
static int keep_list(struct tess_context *ctx, const struct cli_archive *a, struct cli_encode *o, char **path)
{
    char *text = NULL, piece[4096];
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    int status = to ? TESS_OK : ctx->fail(ctx, TESS_E_MEMORY, "no memory for the list on standard input");
    for (size_t n; to && (n = fread(piece, 1, sizeof piece, stdin)) > 0;)
        (void)fwrite(piece, 1, n, to);
    if (to && fclose(to) != 0)
        status = ctx->fail(ctx, TESS_E_MEMORY, "no memory for the list on standard input");
    if (status == TESS_OK && ferror(stdin))
        status = ctx->fail(ctx, TESS_E_IO, "standard input cannot be read");
    if (status == TESS_OK)
        status = tessi_base_make_folder(ctx, a->work);
    if (status == TESS_OK)
        status = tessi_base_format(ctx, path, "%s/list.txt", a->work);
    if (status == TESS_OK && !same_text(*path, text, bytes))
        status = tessi_base_write_text(ctx, *path, text, bytes);
    free(text);
    o->list = *path;
    return status;
}

static int encode_all(struct tess_context *ctx, struct cli_archive *a, struct cli_encode *o)
{
    const char *output = a->o->output;
    TESS_TRY(cli_runtime_new(ctx, a->g, &a->runtime));
    TESS_TRY(cli_encode_model(ctx, a));
    TESS_TRY(tessi_base_format(ctx, &a->work, cli_encode_is_file(output) ? "%s.work" : "%s/.work", output));
    if (strcmp(o->source, "-") == 0)
        TESS_TRY(keep_list(ctx, a, o, &a->list));
    TESS_TRY(cli_encode_stage(ctx, o, &a->stage));
    TESS_TRY(cli_encode_paths(ctx, a->runtime->registry, a->stage, NULL, CLI_PATHS_ABSOLUTE));
    TESS_TRY(cli_encode_is_file(output) ? encode_file(ctx, a) : cli_encode_folder(ctx, a));
    return show_result(ctx, a);
}

static int encode(struct cli_globals *g, int argc, char **argv)
{
    static struct cli_encode o = {.seed = -1};
    struct tessi_context context;
    struct cli_archive a = {.o = &o, .g = g};
    int code = cli_encode_read(g, argc, argv, &o);
    if (code)
        return code;
    tessi_base_context_init(&context, NULL);
    tessi_base_signals_catch();
    int status = encode_all(&context.context, &a, &o);
    code = status == TESS_OK ? 0 : cli_failed(&context.context, status);
    tessi_config_free(a.stage);
    tess_free(a.work);
    tess_free(a.list);
    tessi_host_runtime_free(a.runtime);
    return code;
}

#define ENCODE_AT(m) .offset = offsetof(struct cli_encode, m)
#define ENCODE_SIDE(flag, words, m)                                                                                                        \
    {                                                                                                                                      \
        .name = flag, .value = "N", .help = words, .type = CLI_INTEGER, ENCODE_AT(m), .lo = 1, .hi = 65536                                 \
    }
#define ENCODE_WORD(flag, letters, words, m)                                                                                               \
    {                                                                                                                                      \
        .name = flag, .value = "WORD", .help = words, .choices = letters, .type = CLI_TEXT, ENCODE_AT(m)                                   \
    }

static const struct cli_flag flags[] = {
    {.name = "--model",
     .brief = "-m",
     .value = "FILE",
     .help = "the tokenizer, an artefact of a trained autoencoder",
     .type = CLI_TEXT,
     .complete = CLI_COMPLETE_FILES,
     ENCODE_AT(model)},
    {.name = "--output",
     .brief = "-o",
     .value = "ARCHIVE",
     .help = "where the codes go: FILE.h5, or a folder of shards and their index",
     .type = CLI_TEXT,
     .complete = CLI_COMPLETE_FILES,
     ENCODE_AT(output)},
    {.name = "--skip-bad",
     .help = "go on without images that cannot be read; their names and reasons are in /skipped",
     .type = CLI_SWITCH,
     ENCODE_AT(skip_bad)},
    ENCODE_SIDE("--size", "scale the shorter side to N pixels first; without it so that the tokenizer's size is covered", size),
    ENCODE_SIDE("--crop", "then keep the centre, N pixels a side; without it the tokenizer's size", crop),
    ENCODE_SIDE("--pad", "then pad around to N pixels a side", pad),
    ENCODE_WORD("--fit", "shorter stretch none", "which sides --size is for: shorter, stretch (both), none (pixels as they are)", fit),
    {.name = "--tiles", .help = "cut each image into tiles of the tokenizer's size, a row each", .type = CLI_SWITCH, ENCODE_AT(tiles)},
    ENCODE_WORD("--crops", "ten multi", "several rows an image: ten crops, or multi, drawn ones; their boxes are stored", crops),
    {.name = "--crop-count",
     .value = "N",
     .help = "crops of an image with --crops multi",
     .initial = "10",
     .type = CLI_INTEGER,
     ENCODE_AT(crop_count),
     .lo = 1,
     .hi = 1024},
    ENCODE_WORD("--flip", "both", "both: each image a second time, turned over from left to right", flip),
    ENCODE_WORD("--labels", "folders", "folders: the class of an image is the folder that it lies in", labels),
    {.name = "--append",
     .help = "add the images that a finished archive has not yet, as further shards",
     .type = CLI_SWITCH,
     ENCODE_AT(append)},
    {.name = "--shard",
     .value = "I/N",
     .help = "only the I-th of N shares of the shards, from 1: on N machines at once",
     .type = CLI_TEXT,
     ENCODE_AT(shard)},
    {.name = "--crops-of",
     .value = "ARCHIVE",
     .help = "the very crops and flips that another tokenizer was given, by name and content",
     .type = CLI_TEXT,
     .complete = CLI_COMPLETE_FILES,
     ENCODE_AT(crops_of)},
    {.name = "--portable",
     .help = "for readers that know little of HDF5: shuffle and deflate alone, no n-bit",
     .type = CLI_SWITCH,
     ENCODE_AT(portable)},
    {.name = "--shard-items",
     .value = "N",
     .help = "images of a shard; without it as many as make 128 MiB of codes",
     .type = CLI_INTEGER,
     ENCODE_AT(shard_items),
     .lo = 1,
     .hi = 1000000000},
    {.name = "--limit",
     .value = "N",
     .help = "images at most, the first ones",
     .type = CLI_INTEGER,
     ENCODE_AT(limit),
     .lo = 1,
     .hi = 1000000000000},
    {.name = "--batch",
     .value = "N",
     .help = "images computed at a time; changes speed and memory, not the result",
     .initial = "64",
     .type = CLI_INTEGER,
     ENCODE_AT(batch),
     .lo = 1,
     .hi = 65536},
    {.name = "--seed",
     .value = "N",
     .help = "of crops that are drawn",
     .initial = "0",
     .type = CLI_INTEGER,
     ENCODE_AT(seed),
     .lo = 0,
     .hi = INT64_MAX},
    {.name = "--checkpoint-seconds",
     .value = "N",
     .help = "between two checkpoints: a kill loses at most so much",
     .initial = "60",
     .type = CLI_INTEGER,
     ENCODE_AT(checkpoint_seconds),
     .lo = 1,
     .hi = 1000000000},
    {.name = "--source",
     .value = "NAME",
     .help = "how to read SOURCE, where the file does not tell: `tessera plugins source`",
     .type = CLI_TEXT,
     ENCODE_AT(use)},
    {.name = "--set",
     .value = "KEY=VALUE",
     .help = "another parameter of the stage `encode` or of its source: source.alpha=drop",
     .type = CLI_EACH,
     .take = take_set},
    {.name = NULL}};

const struct cli_verb cli_encode = {
    .name = "encode",
    .summary = "turn images into an archive of codes",
    .arguments = "SOURCE -m MODEL.h5 -o ARCHIVE [--skip-bad]",
    .description =
        "Reads images straight from SOURCE, scales and crops them to the size that the tokenizer wants, and stores their codes. SOURCE\n"
        "is a folder of pictures, a tar file, a list of paths (.txt, .csv, .jsonl, or - for standard input), an IDX or NPY file, or an\n"
        "artefact of images. ARCHIVE is one file, where its name ends in .h5, or a folder: shards, and index.h5, which presents\n"
        "them as one. Stages and verbs that take codes take either: `in: {codes: ARCHIVE}`, `tessera inspect ARCHIVE`.\n",
    .flags = flags,
    .notes =
        "Ctrl-C and SIGTERM stop at a checkpoint, and the same command resumes there, as after a kill or a full disk; the archive is the\n"
        "same, byte for byte. What is being made lies in ARCHIVE/.work, or FILE.h5.work, which goes at the end. A finished archive is\n"
        "left as it is: another tokenizer, other images or other settings are refused with what differs.\n"
        "\n"
        "  tessera encode photographs -m tokenizer.h5 -o codes.h5 --skip-bad\n"
        "  tessera encode photographs -m tokenizer.h5 -o archive --skip-bad --shard 1/4    on the first of four machines\n",
    .run = encode,
};
