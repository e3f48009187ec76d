/* `tessera decode`: codes back to pictures, with the tokenizer that they were encoded with: a folder of PNG files, one a row, or one
 * artefact of images through the stage `decode`.
 *
 * Each PNG appears whole or not at all, and a file `.decode` in the folder says which archive is decoded there; so the same command
 * goes on behind the files that are there, and another archive's files are never taken for its own.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/decode_names.h"
#include "cli/encode.h"
#include "core/base/aside_names.h"
#include "core/base/files.h"
#include "core/store/store.h"
#include "kit/infer/codes.h"
#include "kit/infer/stage_codec.h"
#include "kit/infer/stage_images.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 64, MARK_BYTES = 2 * TESS_DIGEST_TEXT /* digests of the archive and the tokenizer that the pictures are of */ };

struct decode_verb {
    const char *codes, *model, *output;
    int64_t batch;
    const struct cli_globals *g;
    struct tessi_runtime *runtime;
    struct tess_artefact *from, *tokenizer;
    struct stage_codec codec;
    struct tess_tensor part, images;
    int64_t count, done, made; /* made: of those done, the ones that were not there */
    struct decode_names names;
};

/* Work of one thread on a block: the first failure of each is kept. */
struct decode_block {
    const struct decode_verb *v;
    int64_t first;
    struct tessi_context *context; /* [worker] */
    int *status;
};

/* ---- the folder ------------------------------------------------------------------------------------------------------------- */

static int make_parent(struct tess_context *ctx, const char *path)
{
    char *folder = NULL;
    TESS_TRY(tessi_base_format(ctx, &folder, "%.*s", (int)(strrchr(path, '/') - path), path));
    int status = tessi_base_make_folder(ctx, folder);
    tess_free(folder);
    return status;
}

static void read_mark(const char *path, char text[MARK_BYTES])
{
    text[0] = '\0';
    FILE *f = fopen(path, "re");
    if (!f)
        return;
    text[fread(text, 1, MARK_BYTES - 1, f)] = '\0';
    (void)fclose(f);
}

/* Enters the folder: a new or empty one, or that of the same command stopped. */
static int enter(struct tess_context *ctx, const struct decode_verb *v, const char *mark)
{
    char wanted[MARK_BYTES], found[MARK_BYTES];
    (void)snprintf(wanted, sizeof wanted, "%.63s %.63s\n", tess_artefact_digest(v->from), tess_artefact_digest(v->tokenizer));
    TESS_TRY(tessi_base_make_folder(ctx, v->output));
    read_mark(mark, found);
    if (strcmp(wanted, found) == 0)
        return TESS_OK;
    if (*found || !tessi_base_aside_alone(v->output, DECODE_MARK))
        return ctx->fail(ctx, TESS_E_CREATE, "%s: is not empty%s; give a new or an empty folder", v->output,
                         *found ? ": another archive, or with another tokenizer, was decoded there" : "");
    return tessi_base_write_text(ctx, mark, wanted, strlen(wanted));
}

static int png_one(struct tess_context *ctx, const struct decode_verb *v, int64_t row, int64_t at)
{
    const struct tess_tokenizer *t = &v->codec.tokenizer;
    const int64_t dim[3] = {t->height, t->width, t->channels};
    size_t bytes = (size_t)(dim[0] * dim[1] * dim[2]);
    const struct tess_tensor picture = tess_tensor_over((uint8_t *)v->images.data + (size_t)at * bytes, TESS_U8, 3, dim);
    char *path = NULL;
    TESS_TRY(cli_decode_path(ctx, &v->names, v->output, row, &path));
    int status = make_parent(ctx, path);
    if (status == TESS_OK)
        status = tessi_store_png_write(ctx, path, &picture);
    tess_free(path);
    return status;
}

static void png_task(void *user, int worker, int64_t i)
{
    struct decode_block *b = user;
    if (b->status[worker] == TESS_OK)
        b->status[worker] = png_one(&b->context[worker].context, b->v, b->first + i, i);
}

/* Writes the n pictures of a block, on all threads. */
static int png_block(struct tess_context *ctx, struct decode_verb *v, int64_t first, int64_t n)
{
    int workers = tessi_base_workers_count(v->runtime->workers), status = TESS_OK;
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)workers * (sizeof(struct tessi_context) + sizeof(int)), "contexts", &memory));
    struct decode_block b = {.v = v, .first = first, .context = memory};
    b.status = (int *)(void *)(b.context + workers);
    for (int w = 0; w < workers; w++)
        tessi_base_context_init(&b.context[w], ctx->host);
    tessi_base_workers_run(v->runtime->workers, n, png_task, &b);
    for (int w = 0; w < workers && status == TESS_OK; w++)
        if (b.status[w] != TESS_OK)
            status = tessi_base_context_pass(ctx, &b.context[w].context);
    tess_free(memory);
    return status;
}

/* 1 where all files of rows first to first + n - 1 are there. */
static int block_is_there(struct tess_context *ctx, const struct decode_verb *v, int64_t first, int64_t n, int *there)
{
    *there = 1;
    for (int64_t i = 0; i < n && *there; i++) {
        char *path = NULL;
        TESS_TRY(cli_decode_path(ctx, &v->names, v->output, first + i, &path));
        *there = tessi_base_is_file(path);
        tess_free(path);
    }
    return TESS_OK;
}

static int decode_block(struct tess_context *ctx, struct decode_verb *v, const struct code_maps *maps, int64_t n)
{
    struct tess_tensor codes = v->part;
    int there;
    codes.dim[0] = n;
    TESS_TRY(block_is_there(ctx, v, v->done, n, &there));
    if (there)
        return TESS_OK;
    v->made += n;
    TESS_TRY(tess_artefact_read(ctx, v->from, "codes", v->done, &codes));
    TESS_TRY(stage_check_codes(ctx, v->from, &codes, maps));
    TESS_TRY(stage_codec_decode(ctx, &v->codec, n, &codes, NULL, &v->images));
    return png_block(ctx, v, v->done, n);
}

static int decode_rows(struct tess_context *ctx, struct decode_verb *v)
{
    const struct tess_tokenizer *t = &v->codec.tokenizer;
    int64_t batch = v->batch ? v->batch : BLOCK;
    TESS_TRY(stage_codec_open(ctx, &v->codec, tess_artefact_attrs(v->tokenizer), v->model, NULL, 0, batch, CODEC_DECODE));
    struct code_maps own;
    int64_t level_size[TESS_DEPTH_MAX];
    TESS_TRY(code_maps_of_attrs(ctx, tess_artefact_attrs(v->from), &own, level_size));
    TESS_TRY(stage_check_map(ctx, t, "codes", &own));
    TESS_TRY(tess_weights_read(ctx, v->codec.weights, v->tokenizer));
    const struct code_maps maps = code_maps_of_tokenizer(t);
    TESS_TRY(code_maps_tensor(ctx, &maps, batch, &v->part));
    TESS_TRY(stage_tensor(ctx, &v->images, TESS_U8, 4, (const int64_t[]){batch, t->height, t->width, t->channels}));
    tessi_base_progress_start(v->runtime->log, "decode");
    int status = TESS_OK;
    while (v->done < v->count && status == TESS_OK) {
        int64_t n = v->count - v->done < batch ? v->count - v->done : batch;
        status = tessi_base_signals_stopping()
                     ? ctx->fail(ctx, TESS_E_STOPPED, "stopped at row %" PRId64 " of %" PRId64 "; the same command goes on there", v->done,
                                 v->count)
                     : decode_block(ctx, v, &maps, n);
        if (status != TESS_OK)
            break;
        v->done += n;
        tessi_base_progress(v->runtime->log, v->done, v->count, "image", NULL, 0.0);
    }
    tessi_base_progress_end(v->runtime->log);
    return status;
}

static int decode_folder(struct tess_context *ctx, struct decode_verb *v)
{
    char *mark = NULL;
    TESS_TRY(tessi_host_runtime_compute(ctx, v->runtime));
    TESS_TRY(tessi_base_format(ctx, &mark, "%s/" DECODE_MARK, v->output));
    int status = enter(ctx, v, mark);
    if (status == TESS_OK)
        status = cli_decode_names(ctx, v->from, v->count, &v->names);
    if (status == TESS_OK)
        status = decode_rows(ctx, v);
    if (status == TESS_OK && v->made == 0)
        tessi_base_log_note(v->runtime->log, "nothing to do: %s is complete", v->output);
    tess_free(mark);
    return status;
}

/* ---- one artefact ------------------------------------------------------------------------------------------------------------ */

static int decode_stage(struct tess_context *ctx, const struct decode_verb *v, struct tessi_config *stage)
{
    struct tessi_config *in = NULL;
    char *codes = NULL, *model = NULL;
    TESS_TRY(cli_encode_put(ctx, stage, "use", "decode", 0));
    TESS_TRY(tessi_config_new(ctx, TESSI_MAP, "command line", 1, 1, &in));
    TESS_TRY(tessi_config_set_key(ctx, in, "in"));
    tessi_config_append(stage, in);
    TESS_TRY(tessi_base_path_absolute(ctx, tess_artefact_path(v->from), &codes));
    int status = tessi_base_path_absolute(ctx, v->model, &model);
    if (status == TESS_OK)
        status = cli_encode_put(ctx, in, "codes", codes, 1);
    if (status == TESS_OK)
        status = cli_encode_put(ctx, in, "model", model, 1);
    if (status == TESS_OK && v->batch)
        status = cli_encode_put_i64(ctx, stage, "batch", v->batch);
    tess_free(codes);
    tess_free(model);
    return status;
}

static int decode_file(struct tess_context *ctx, struct decode_verb *v)
{
    const struct cli_encode o = {.output = v->output};
    struct cli_archive a = {.o = &o, .g = v->g, .runtime = v->runtime};
    struct tessi_config *stage = NULL;
    int computed = 0;
    TESS_TRY(tessi_config_new(ctx, TESSI_MAP, "command line", 1, 1, &stage));
    int status = decode_stage(ctx, v, stage);
    if (status == TESS_OK)
        status = tessi_base_format(ctx, &a.work, "%s.work", v->output);
    if (status == TESS_OK)
        status = cli_encode_part(ctx, &a, "decoded", stage, v->output, &computed);
    if (status == TESS_OK && !computed)
        tessi_base_log_note(v->runtime->log, "nothing to do: %s is complete", v->output);
    if (status == TESS_OK)
        cli_encode_remove_work(&a);
    tess_free(a.work);
    tessi_config_free(stage);
    return status;
}

/* ---- the verb ------------------------------------------------------------------------------------------------------------------ */

static int open_both(struct tess_context *ctx, struct decode_verb *v)
{
    TESS_TRY(tessi_store_artefact_open(ctx, v->codes, &v->from));
    TESS_TRY(tessi_store_artefact_open(ctx, v->model, &v->tokenizer));
    const char *kind = tess_artefact_kind(v->from);
    if (strcmp(kind, "codes") != 0 && strcmp(kind, "samples") != 0)
        return ctx->fail(ctx, TESS_E_USAGE, "%s: is of kind %s; codes, or samples, were wanted", v->codes, kind);
    if (strcmp(tess_artefact_kind(v->tokenizer), "autoencoder") != 0)
        return ctx->fail(ctx, TESS_E_USAGE, "%s: is of kind %s; the tokenizer, an artefact of kind autoencoder, was wanted", v->model,
                         tess_artefact_kind(v->tokenizer));
    TESS_TRY(tessi_store_artefact_check_attrs(ctx, v->from));
    TESS_TRY(stage_check_tokenizer(ctx, v->from, v->tokenizer));
    TESS_TRY(tessi_store_artefact_check_bytes(ctx, v->from));
    TESS_TRY(tessi_store_artefact_check_bytes(ctx, v->tokenizer));
    return tess_attrs_i64(ctx, tess_artefact_attrs(v->from), "count", &v->count);
}

static int decode_all(struct tess_context *ctx, struct decode_verb *v)
{
    const struct cli_globals *g = v->g;
    size_t length = strlen(v->output);
    TESS_TRY(cli_runtime_new(ctx, g, &v->runtime));
    TESS_TRY(open_both(ctx, v));
    if (length > 3 && strcmp(v->output + length - 3, ".h5") == 0)
        return decode_file(ctx, v);
    TESS_TRY(decode_folder(ctx, v));
    if (g->level > TESSI_QUIET)
        printf("%s: %" PRId64 " %s\n", cli_shown(v->output), v->count, v->count == 1 ? "picture" : "pictures");
    return TESS_OK;
}

static void decode_close(struct decode_verb *v)
{
    cli_decode_names_free(&v->names);
    tess_free(v->part.data);
    tess_free(v->images.data);
    stage_codec_close(&v->codec);
    tessi_store_artefact_close(v->from);
    tessi_store_artefact_close(v->tokenizer);
    tessi_host_runtime_free(v->runtime);
}

static int take_codes(void *options, const char *verb, const char *word)
{
    struct decode_verb *v = options;
    if (v->codes)
        return cli_usage_error(verb, "wanted one archive, found `%s` after `%s`", word, v->codes);
    v->codes = word;
    return 0;
}

static int decode(struct cli_globals *g, int argc, char **argv)
{
    static struct decode_verb v;
    struct tessi_context context;
    int code = cli_flags_read(g, &cli_decode, argc, argv, &v, take_codes);
    if (code)
        return code;
    if (!v.codes || !v.model || !v.output)
        return cli_usage_error(argv[0], "wanted an archive, -m MODEL.h5 and -o, a folder of pictures or FILE.h5");
    v.g = g;
    tessi_base_context_init(&context, NULL);
    tessi_base_signals_catch();
    int status = decode_all(&context.context, &v);
    code = status == TESS_OK ? 0 : cli_failed(&context.context, status);
    decode_close(&v);
    return code;
}

#define DECODE_AT(m) .offset = offsetof(struct decode_verb, m)
static const struct cli_flag flags[] = {{.name = "--model",
                                         .brief = "-m",
                                         .value = "FILE",
                                         .help = "the tokenizer that the codes were encoded with",
                                         .type = CLI_TEXT,
                                         .complete = CLI_COMPLETE_FILES,
                                         DECODE_AT(model)},
                                        {.name = "--output",
                                         .brief = "-o",
                                         .value = "WHERE",
                                         .help = "a folder of PNG files, one a row, or FILE.h5, an artefact of images",
                                         .type = CLI_TEXT,
                                         .complete = CLI_COMPLETE_FILES,
                                         DECODE_AT(output)},
                                        {.name = "--batch",
                                         .value = "N",
                                         .help = "images computed at a time; changes speed and memory, not the result",
                                         .initial = "64",
                                         .type = CLI_INTEGER,
                                         DECODE_AT(batch),
                                         .lo = 1,
                                         .hi = 65536},
                                        {.name = NULL}};

const struct cli_verb cli_decode = {
    .name = "decode",
    .summary = "turn an archive of codes back into pictures",
    .arguments = "ARCHIVE -m MODEL.h5 -o FOLDER|FILE.h5",
    .description =
        "Decodes all rows of ARCHIVE, one file or a folder of shards, with the tokenizer that they were encoded with; another one is\n"
        "refused. In a folder a picture has the name of its image and .png behind it, with the number of its row in between where several\n"
        "rows would have one file, or that number alone where the name is none of a file.\n",
    .flags = flags,
    .notes = "Ctrl-C stops between two batches, and the same command goes on behind the files that are there.\n",
    .run = decode,
};
