/* `tessera archive import`: codes that other programs wrote, as an archive of the tokenizer that made them. SPDX-License-Identifier: MIT */
#include "cli/archive.h"
#include "core/base/aside.h"

#include "kit/archive/code_arrays.h"
#include "kit/archive/codebook.h"
#include "kit/infer/common.h"

#include <stdio.h>
#include <string.h>

enum { BLOCK = 4096 };
#define TOOL "tessera " PACKAGE_VERSION

struct import_options {
    struct cli_archive_one one; /* first */
    const char *to, *model, *labels;
    int64_t classes;
};

struct import_work {
    const struct import_options *o;
    struct tess_artefact *model, *to;
    struct stage_codec codec;
    struct code_maps maps;
    struct code_arrays arrays;
    struct tess_tensor codes, item, label, codebook; /* rows of a block, and the codebook; codebook without data: there is none */
    int32_t *labels;                                 /* labels of the items; NULL: none */
    struct tessi_log *log;
};

/* ---- the tokenizer -------------------------------------------------------------------------------------------------------- */

static int import_open_model(struct tess_context *ctx, struct import_work *k)
{
    const char *path = k->o->model;
    TESS_TRY(tessi_store_artefact_open(ctx, path, &k->model));
    if (strcmp(tess_artefact_kind(k->model), "autoencoder") != 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: is of kind `%s`, an autoencoder was wanted for -m", path, tess_artefact_kind(k->model));
    TESS_TRY(tessi_store_artefact_check_bytes(ctx, k->model));
    TESS_TRY(tessi_store_artefact_check_attrs(ctx, k->model));
    TESS_TRY(stage_codec_open(ctx, &k->codec, tess_artefact_attrs(k->model), path, NULL, 0, STAGE_MICROBATCH, CODEC_DECODE));
    k->maps = code_maps_of_tokenizer(&k->codec.tokenizer);
    TESS_TRY(tess_weights_read(ctx, k->codec.weights, k->model));
    return archive_has_codebook(&k->codec.tokenizer) ? archive_codebook(ctx, &k->codec.tokenizer, k->codec.weights, 0, &k->codebook)
                                                     : TESS_OK;
}

/* ---- the archive ---------------------------------------------------------------------------------------------------------- */

static int import_describe(struct tess_context *ctx, const struct import_work *k)
{
    struct tess_attrs *f = tess_artefact_describe(k->to);
    TESS_TRY(tess_attrs_set_i64(ctx, f, "count", k->arrays.rows));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "train_count", k->arrays.rows));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "height", k->maps.height));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "width", k->maps.width));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "codebook_size", k->maps.codebook_size));
    TESS_TRY(tess_levels_set(ctx, f, k->maps.codebook_size, k->maps.depth, k->maps.level_size));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "code_dim", k->codec.tokenizer.code_dim));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "classes", k->labels ? k->o->classes : 0));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "first_item", 0));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "items", k->arrays.items));
    return tess_attrs_set_text(ctx, f, "tokenizer", tess_tokenizer_digest(k->model));
}

static int import_begin(struct tess_context *ctx, const struct import_work *k)
{
    struct tess_tensor codes = k->codes, list = k->item;
    const struct tess_dataset packed = {.size = sizeof packed, .compress = 1, .labels = "image"};
    const struct tess_dataset label = {
        .size = sizeof label, .bits = stage_bits(k->o->classes ? k->o->classes : 1), .compress = 1, .labels = "image"};
    const struct tess_dataset how = {.size = sizeof how,
                                     .bits = stage_bits(k->maps.codebook_size),
                                     .by_row = 1,
                                     .labels = k->maps.depth > 1 ? "image y x level" : "image y x"};
    codes.dim[0] = list.dim[0] = k->arrays.rows;
    TESS_TRY(tess_artefact_begin(ctx, k->to, "codes", &codes, &how));
    if (k->arrays.views != 1)
        TESS_TRY(tess_artefact_begin(ctx, k->to, "item", &list, &packed));
    return k->labels ? tess_artefact_begin(ctx, k->to, "labels", &list, &label) : TESS_OK;
}

static int import_put_block(struct tess_context *ctx, struct import_work *k, int64_t rows)
{
    struct tess_tensor codes = k->codes, item = k->item, label = k->label;
    codes.dim[0] = item.dim[0] = label.dim[0] = rows;
    TESS_TRY(tess_artefact_append(ctx, k->to, "codes", &codes));
    if (k->arrays.views != 1)
        TESS_TRY(tess_artefact_append(ctx, k->to, "item", &item));
    return k->labels ? tess_artefact_append(ctx, k->to, "labels", &label) : TESS_OK;
}

static int import_rows(struct tess_context *ctx, struct import_work *k)
{
    int64_t n = 0, all = 0, tokens = code_maps_tokens(&k->maps);
    for (int64_t f = 0; f < k->arrays.files; f++)
        for (int64_t r = 0; r < k->arrays.file[f].rows; r++, all++) {
            int64_t item = k->arrays.folder ? f : r / k->arrays.views;
            TESS_TRY(code_arrays_read(ctx, &k->arrays, f, r, k->maps.depth, k->maps.level_size, (int32_t *)k->codes.data + n * tokens));
            ((int32_t *)k->item.data)[n] = (int32_t)item;
            ((int32_t *)k->label.data)[n] = k->labels ? k->labels[item] : 0;
            if (++n < BLOCK && all + 1 < k->arrays.rows)
                continue;
            TESS_TRY(import_put_block(ctx, k, n));
            tessi_base_progress(k->log, all + 1, k->arrays.rows, "rows", NULL, 0);
            n = 0;
        }
    return TESS_OK;
}

/* Names of the files, a row each. */
static int import_names(struct tess_context *ctx, const struct import_work *k)
{
    char text[1024];
    const char *one[1] = {text};
    int64_t width = 1;
    for (int64_t f = 0; f < k->arrays.files; f++) {
        int64_t length = (int64_t)tess_utf8_text(k->arrays.file[f].name, text, sizeof text);
        width = length > width ? length : width;
    }
    TESS_TRY(tess_artefact_begin_strings(ctx, k->to, "names", k->arrays.rows, width));
    for (int64_t f = 0; f < k->arrays.files; f++) {
        (void)tess_utf8_text(k->arrays.file[f].name, text, sizeof text);
        for (int64_t r = 0; r < k->arrays.file[f].rows; r++)
            TESS_TRY(tess_artefact_append_strings(ctx, k->to, "names", 1, one));
    }
    return TESS_OK;
}

static int import_write(struct tess_context *ctx, struct import_work *k)
{
    const struct tess_dataset how = {.size = sizeof how, .compress = 1, .labels = "code channel"};
    TESS_TRY(import_describe(ctx, k));
    TESS_TRY(import_begin(ctx, k));
    TESS_TRY(import_rows(ctx, k));
    if (k->arrays.folder)
        TESS_TRY(import_names(ctx, k));
    return k->codebook.data ? tess_artefact_put(ctx, k->to, "codebook", &k->codebook, &how) : TESS_OK;
}

/* ---- the verb ------------------------------------------------------------------------------------------------------------- */

static int import_read_labels(struct tess_context *ctx, struct import_work *k)
{
    void *memory;
    if (!k->o->labels)
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, (size_t)k->arrays.items * sizeof *k->labels, "labels", &memory));
    k->labels = memory;
    return code_arrays_labels(ctx, k->o->labels, k->arrays.items, k->o->classes, k->labels);
}

static int import_with(struct tess_context *ctx, struct import_work *k)
{
    const struct tessi_provenance p = {.tool = TOOL, .warning = NULL};
    const int64_t n = BLOCK;
    TESS_TRY(tessi_base_not_over(ctx, k->o->to, k->o->one.path));
    TESS_TRY(tessi_base_not_over(ctx, k->o->to, k->o->model));
    TESS_TRY(import_open_model(ctx, k));
    TESS_TRY(cli_archive_arrays(ctx, &k->arrays, k->o->one.path, code_maps_tokens(&k->maps)));
    if (k->arrays.items > INT32_MAX)
        return ctx->fail(ctx, TESS_E_DATA, "%s: has more than 2147483647 images", k->o->one.path);
    TESS_TRY(import_read_labels(ctx, k));
    TESS_TRY(code_maps_tensor(ctx, &k->maps, BLOCK, &k->codes));
    TESS_TRY(stage_tensor(ctx, &k->item, TESS_I32, 1, &n));
    TESS_TRY(stage_tensor(ctx, &k->label, TESS_I32, 1, &n));
    TESS_TRY(tessi_store_artefact_create(ctx, k->o->to, "codes", &k->to));
    TESS_TRY(import_write(ctx, k));
    int status = tessi_store_artefact_finish(ctx, k->to, &p, NULL);
    k->to = NULL; /* freed in any case */
    return status;
}

static int import_archive(struct tess_context *ctx, const struct cli_globals *g, const struct import_options *o)
{
    struct import_work k = {.o = o};
    struct tessi_runtime *r = NULL;
    char rows[32];
    int status = cli_runtime_new(ctx, g, &r);
    if (status == TESS_OK)
        status = tessi_host_runtime_compute(ctx, r);
    if (status == TESS_OK)
        status = tessi_base_log_new(ctx, stderr, g->level, g->colour, &k.log);
    if (status == TESS_OK) {
        tessi_base_progress_start(k.log, "import");
        status = import_with(ctx, &k);
        tessi_base_progress_end(k.log);
    }
    if (status == TESS_OK)
        printf("%s: %s rows\n", cli_shown(o->to), cli_archive_count(k.arrays.rows, rows));
    struct tess_tensor *const tensors[] = {&k.codes, &k.item, &k.label, &k.codebook};
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++)
        tess_free(tensors[i]->data);
    tess_free(k.labels);
    code_arrays_close(&k.arrays);
    stage_codec_close(&k.codec);
    tessi_store_artefact_close(k.to);
    tessi_store_artefact_close(k.model);
    tessi_base_log_free(k.log);
    tessi_host_runtime_free(r);
    return status;
}

static int import(struct cli_globals *g, int argc, char **argv)
{
    struct import_options o = {.to = NULL};
    struct tessi_context context;
    int code = cli_archive_read(g, &cli_archive_import, argc, argv, &o.one);
    if (code == 0 && (!o.to || !o.model))
        code = cli_usage_error(cli_archive_import.name,
                               "wanted -m with the tokenizer that made the codes, and -o with the name of the archive");
    if (code == 0 && o.labels && !o.classes)
        code = cli_usage_error(cli_archive_import.name, "wanted --classes N beside --labels");
    if (code)
        return code;
    tessi_base_context_init(&context, NULL);
    int status = import_archive(&context.context, g, &o);
    return status == TESS_OK ? 0 : cli_failed(&context.context, status);
}

#define IMPORT(m) .offset = offsetof(struct import_options, m)
static const struct cli_flag flags[] = {{.name = "--output",
                                         .brief = "-o",
                                         .value = "FILE",
                                         .help = "the archive, a new file",
                                         .type = CLI_TEXT,
                                         .complete = CLI_COMPLETE_FILES,
                                         IMPORT(to)},
                                        {.name = "--model",
                                         .brief = "-m",
                                         .value = "FILE",
                                         .help = "tokenizer that made the codes (see `tessera import` for those of others)",
                                         .type = CLI_TEXT,
                                         .complete = CLI_COMPLETE_FILES,
                                         IMPORT(model)},
                                        {.name = "--labels",
                                         .value = "FILE|FOLDER",
                                         .help = "labels of the images, a number each: an NPY file, or a file an image",
                                         .type = CLI_TEXT,
                                         .complete = CLI_COMPLETE_FILES,
                                         IMPORT(labels)},
                                        {.name = "--classes",
                                         .value = "N",
                                         .help = "number of classes that labels are of",
                                         .type = CLI_INTEGER,
                                         IMPORT(classes),
                                         .lo = 1,
                                         .hi = 65536},
                                        {.name = NULL}};

const struct cli_verb cli_archive_import = {
    .name = "archive import",
    .summary = "make an archive of codes that other programs wrote",
    .arguments = "FILE|FOLDER -m TOKENIZER.h5 -o ARCHIVE.h5",
    .description =
        "FILE is an NPY file, or one of torch.save or safetensors with one tensor of integers: the codes of all images, (N, h, w) or\n"
        "(N, h w). FOLDER has an NPY file an image, in the order of the numbers in their names. What an image has beyond the tokens of one "
        "map are further maps of it, (1, 10, 256) for ten crops. Codes\n"
        "that the tokenizer does not have are refused, with file, map and place.\n",
    .flags = flags,
    .run = import,
};
