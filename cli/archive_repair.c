/* `tessera archive repair`: shards that are damaged or missing are encoded again, by the recipe that lies beside them. A shard is a fixed
 * range of items, so the new one is the old, byte for byte; its digest in the index says so. SPDX-License-Identifier: MIT */
#include "cli/archive.h"
#include "cli/archive_former.h"
#include "cli/encode.h"
#include "core/archive/pieces.h"
#include "core/base/aside.h"
#include "core/base/files.h"
#include "core/base/workers.h"
#include "core/config/merge.h"
#include "core/config/yaml.h"

#include <tessera/model.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECIPE "encode.yaml"
enum { FAULTY_MAX = 65536 };

struct repair_options {
    struct cli_archive_one one; /* first */
    const char *model, *source;
    int dry;
};

struct repair {
    const struct repair_options *o;
    const struct cli_globals *g;
    struct tessi_log *log;
    struct cli_encode encode;
    struct cli_archive archive;
    struct tessi_config *recipe;
    char *faulty; /* by shard: 1 where it is */
    int64_t shards, count;
    int64_t former; /* offset of the folder of links to former images that was made last; -1: none */
    int index; /* 1: the index itself has a fault, or is missing */
};

/* ---- what is to be done --------------------------------------------------------------------------------------------------- */

static void repair_fault(void *user, const struct tessi_archive_fault *f)
{
    struct repair *r = user;
    printf("%s: %s\n", cli_shown(f->file), cli_shown(f->text));
    if (f->shard < 0)
        r->index = 1;
    else if (f->shard < r->shards && !r->faulty[f->shard]) {
        r->faulty[f->shard] = 1;
        r->count++;
    }
}

/* Stage of a shard in the recipe; NULL: none. */
static struct tessi_config *repair_stage(const struct repair *r, int64_t shard)
{
    char name[TESSI_ARCHIVE_SHARD_NAME];
    const struct tessi_config *stages = tessi_config_child(r->recipe, "stages");
    tessi_archive_shard_name(shard, name);
    *strstr(name, ".h5") = '\0';
    return stages ? tessi_config_child(stages, name) : NULL;
}

static int repair_open(struct tess_context *ctx, struct repair *r)
{
    char *path = NULL;
    void *memory;
    if (!tessi_archive_is_folder(r->o->one.path))
        return ctx->fail(ctx, TESS_E_USAGE,
                         "%s: is one file; delete it, and encode again: only what is in shards can be repaired by the shard",
                         r->o->one.path);
    TESS_TRY(tessi_base_format(ctx, &path, "%s/" RECIPE, r->o->one.path));
    int status = tessi_base_is_file(path) ? tessi_config_yaml_load(ctx, path, &r->recipe)
                                          : ctx->fail(ctx, TESS_E_IO,
                                                      "%s: is not there; without the recipe of an archive its shards cannot be "
                                                      "encoded again: get damaged ones from another copy",
                                                      path);
    tess_free(path);
    TESS_TRY(status);
    while (r->shards < FAULTY_MAX && repair_stage(r, r->shards))
        r->shards++;
    if (!r->shards)
        return ctx->fail(ctx, TESS_E_DATA, "%s/" RECIPE ": has no stages; it is not the recipe of an archive", r->o->one.path);
    TESS_TRY(tess_alloc(ctx, (size_t)r->shards, "shards", &memory));
    r->faulty = memory;
    return TESS_OK;
}

/* Finds what is damaged; without an index, the shards that are not there. */
static int repair_look(struct tess_context *ctx, struct repair *r)
{
    struct tessi_archive_counts counts;
    char *path = NULL;
    const struct tessi_archive_verify v = {.path = r->o->one.path,
                                           .processes = r->g->threads ? (int)r->g->threads : tessi_base_processors(),
                                           .log = r->log,
                                           .fault = repair_fault,
                                           .user = r};
    TESS_TRY(tessi_base_format(ctx, &path, "%s/" TESSI_STORE_INDEX, r->o->one.path));
    int looked = tessi_base_is_file(path);
    r->index = !looked;
    tess_free(path);
    if (looked) {
        tessi_base_progress_start(r->log, "verify");
        TESS_TRY(tessi_archive_verify(ctx, &v, &counts));
        tessi_base_progress_end(r->log);
    }
    if (!r->index)
        return TESS_OK;
    for (int64_t i = 0; i < r->shards; i++) { /* the index does not say: every shard by itself */
        if (r->faulty[i])
            continue;
        struct tessi_archive_verify one = v;
        TESS_TRY(tessi_archive_shard_path(ctx, r->o->one.path, i, &path));
        one.path = path;
        one.fault = NULL;
        int there = tessi_base_is_file(path);
        counts.faults = 0;
        int status = there && !looked ? tessi_archive_verify(ctx, &one, &counts) : TESS_OK;
        if (status == TESS_OK && (!there || counts.faults)) {
            printf("%s: %s\n", cli_shown(path), there ? "is damaged" : "is missing");
            r->faulty[i] = 1;
            r->count++;
        }
        tess_free(path);
        TESS_TRY(status);
    }
    return TESS_OK;
}

/* ---- one shard ------------------------------------------------------------------------------------------------------------ */

static int repair_set_path(struct tess_context *ctx, struct tessi_config *value, const char *path)
{
    char *whole = NULL;
    TESS_TRY(tessi_base_path_absolute(ctx, path, &whole));
    int status = tessi_config_set_text(ctx, value, whole);
    tess_free(whole);
    return status;
}

/* The stage with absolute paths: the tokenizer of the command line, wherever that of the recipe was, and the images, where it says any. */
static int repair_with_paths(struct tess_context *ctx, const struct repair *r, int64_t shard, struct tessi_config **out)
{
    struct tessi_config *in, *model, *source, *images;
    TESS_TRY(tessi_config_copy(ctx, repair_stage(r, shard), out));
    TESS_TRY(cli_encode_paths(ctx, r->archive.runtime->registry, *out, r->o->one.path, CLI_PATHS_ABSOLUTE));
    in = tessi_config_child(*out, "in");
    model = in ? tessi_config_child(in, "model") : NULL;
    if (!model)
        return ctx->fail(ctx, TESS_E_DATA, "%s/" RECIPE ": a shard has no model; it is not the recipe of an archive", r->o->one.path);
    TESS_TRY(repair_set_path(ctx, model, r->o->model));
    if (!r->o->source)
        return TESS_OK;
    source = tessi_config_child(*out, "source");
    images = source ? tessi_config_child(source, "path") : tessi_config_child(in, "images");
    images = images || !source ? images : tessi_config_child(source, "images");
    if (!images)
        return ctx->fail(ctx, TESS_E_DATA, "%s/" RECIPE ": a shard has neither a source with a `path` nor images; leave --from out",
                         r->o->one.path);
    return repair_set_path(ctx, images, r->o->source);
}

/* Digest of shard i in the index, "" where the index is not to be trusted. */
static int repair_digest(struct tess_context *ctx, const struct repair *r, int64_t shard, char digest[65])
{
    struct tess_artefact *index;
    const char *said;
    int64_t rows;
    digest[0] = '\0';
    if (r->index)
        return TESS_OK;
    TESS_TRY(tessi_store_artefact_open(ctx, r->o->one.path, &index));
    if (tessi_store_part_name(index, shard, &rows, &said))
        (void)snprintf(digest, 65, "%s", said);
    tessi_store_artefact_close(index);
    return TESS_OK;
}

static int repair_compare(struct tess_context *ctx, const struct repair *r, int64_t shard, const char *path)
{
    struct tess_artefact *a;
    char wanted[65];
    TESS_TRY(repair_digest(ctx, r, shard, wanted));
    TESS_TRY(tessi_store_artefact_open(ctx, path, &a));
    int same = !*wanted || strcmp(wanted, tess_artefact_digest(a)) == 0, status = TESS_OK;
    if (!same)
        status = ctx->fail(ctx, TESS_E_DATA,
                           "%s: encoded again it is %.12s..., and was %.12s...: images, tokenizer, program or processor are "
                           "others than then; encode the archive again",
                           path, tess_artefact_digest(a), wanted);
    tessi_store_artefact_close(a);
    if (!same)
        tessi_store_artefact_remove(path);
    return status;
}

/* The stage of a shard, of the images that there were when it was made. */
static int repair_prepare(struct tess_context *ctx, struct repair *r, int64_t shard, struct tessi_config **stage)
{
    const struct cli_former former = {.archive = r->o->one.path,
                                      .work = r->archive.work,
                                      .stages = tessi_config_child(r->recipe, "stages"),
                                      .registry = r->archive.runtime->registry};
    TESS_TRY(repair_with_paths(ctx, r, shard, stage));
    return cli_former_images(ctx, &former, *stage, &r->former);
}

static int repair_shard(struct tess_context *ctx, struct repair *r, int64_t shard)
{
    char *path = NULL, *aside = NULL, name[TESSI_ARCHIVE_SHARD_NAME];
    struct tessi_config *stage = NULL;
    int computed = 0, status = tessi_archive_shard_path(ctx, r->o->one.path, shard, &path);
    tessi_archive_shard_name(shard, name);
    *strstr(name, ".h5") = '\0';
    if (status == TESS_OK)
        status = tessi_base_format(ctx, &aside, "%s" CLI_ARCHIVE_ASIDE, path);
    if (status == TESS_OK)
        status = repair_prepare(ctx, r, shard, &stage);
    if (status == TESS_OK)
        (void)rename(path, aside); /* fails where the shard is missing */
    if (status == TESS_OK)
        status = cli_encode_part(ctx, &r->archive, name, stage, path, &computed);
    if (status == TESS_OK)
        status = repair_compare(ctx, r, shard, path);
    if (status == TESS_OK) {
        (void)unlink(aside);
        printf("%s: encoded again\n", cli_shown(path));
    } else if (aside && !tessi_base_is_file(path)) {
        (void)rename(aside, path); /* the former file is back in its place */
    }
    tessi_config_free(stage);
    tess_free(path);
    tess_free(aside);
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------ */

/* Removes what repairs that were killed left beside whole shards; the work folder as well, but where an append waits to go on there. */
static int repair_tidy(struct tess_context *ctx, struct repair *r)
{
    struct tess_artefact *index;
    char *path = NULL, *aside = NULL;
    for (int64_t i = 0; i < r->shards; i++) {
        TESS_TRY(tessi_archive_shard_path(ctx, r->o->one.path, i, &path));
        int status = tessi_base_format(ctx, &aside, "%s" CLI_ARCHIVE_ASIDE, path);
        if (status == TESS_OK && tessi_base_is_file(path))
            (void)unlink(aside);
        tess_free(path);
        tess_free(aside);
        TESS_TRY(status);
    }
    TESS_TRY(tessi_store_artefact_open(ctx, r->o->one.path, &index));
    if (tessi_store_parts_count(index) == r->shards)
        cli_encode_remove_work(&r->archive);
    tessi_store_artefact_close(index);
    tessi_base_aside_sweep_folder(r->o->one.path);
    return TESS_OK;
}

static int repair_index(struct tess_context *ctx, const struct repair *r)
{
    char *path = NULL;
    TESS_TRY(tessi_base_format(ctx, &path, "%s/" TESSI_STORE_INDEX, r->o->one.path));
    tessi_store_artefact_remove(path);
    int status = tessi_archive_folder_finish(ctx, r->o->one.path, r->shards);
    if (status == TESS_OK)
        printf("%s: written again\n", cli_shown(path));
    tess_free(path);
    return status;
}

static int repair_work(struct tess_context *ctx, void *user)
{
    struct repair *r = user;
    TESS_TRY(repair_look(ctx, r));
    if (!r->count && !r->index)
        printf("%s: nothing to repair\n", cli_shown(r->o->one.path));
    if (r->o->dry)
        return TESS_OK;
    r->encode = (struct cli_encode){.output = r->o->one.path, .model = r->o->model, .checkpoint_seconds = 60, .seed = -1};
    r->archive = (struct cli_archive){.o = &r->encode, .g = r->g};
    TESS_TRY(tessi_base_format(ctx, &r->archive.work, "%s/.work", r->o->one.path));
    if (!r->count && !r->index)
        return repair_tidy(ctx, r);
    TESS_TRY(cli_runtime_new(ctx, r->g, &r->archive.runtime));
    for (int64_t i = r->shards - 1; i >= 0; i--) /* the last ones first: they say which images came later */
        if (r->faulty[i])
            TESS_TRY(repair_shard(ctx, r, i));
    if (r->index)
        TESS_TRY(repair_index(ctx, r));
    return repair_tidy(ctx, r);
}

/* Looking alone disturbs nobody. */
static int repair_all(struct tess_context *ctx, struct repair *r)
{
    TESS_TRY(repair_open(ctx, r));
    return r->o->dry ? repair_work(ctx, r) : cli_archive_alone(ctx, r->o->one.path, repair_work, r);
}

static int repair(struct cli_globals *g, int argc, char **argv)
{
    static struct repair_options o;
    struct repair r = {.o = &o, .g = g, .former = -1};
    struct tessi_context context;
    int code = cli_archive_read(g, &cli_archive_repair, argc, argv, &o.one);
    if (code == 0 && !o.model)
        code = cli_usage_error(cli_archive_repair.name, "wanted -m with the tokenizer that the archive was encoded with");
    if (code)
        return code;
    tessi_base_context_init(&context, NULL);
    tessi_base_signals_catch();
    int status = tessi_base_log_new(&context.context, stderr, g->level, g->colour, &r.log);
    if (status == TESS_OK)
        status = repair_all(&context.context, &r);
    tessi_config_free(r.recipe);
    tess_free(r.faulty);
    tess_free(r.archive.work);
    tessi_host_runtime_free(r.archive.runtime);
    tessi_base_log_free(r.log);
    return status == TESS_OK ? 0 : cli_failed(&context.context, status);
}

#define REPAIR(m) .offset = offsetof(struct repair_options, m)
static const struct cli_flag flags[] = {
    {.name = "--model",
     .brief = "-m",
     .value = "FILE",
     .help = "tokenizer that the archive was encoded with",
     .type = CLI_TEXT,
     .complete = CLI_COMPLETE_FILES,
     REPAIR(model)},
    {.name = "--from",
     .value = "SOURCE",
     .help = "images that it was encoded from, where they lie elsewhere by now",
     .type = CLI_TEXT,
     .complete = CLI_COMPLETE_FILES,
     REPAIR(source)},
    {.name = "--dry-run", .brief = "-n", .help = "only say what is damaged", .type = CLI_SWITCH, REPAIR(dry)},
    {.name = NULL}};

const struct cli_verb cli_archive_repair = {
    .name = "archive repair",
    .summary = "encode damaged or missing shards again, and no others",
    .arguments = "ARCHIVE -m TOKENIZER.h5",
    .description =
        "Verifies the archive, and has the pipeline in ARCHIVE/encode.yaml make the shards that are damaged or missing. A shard is of\n"
        "a fixed range of items, so the new one is the former, byte for byte: where its digest is not the one in the index, images or\n"
        "tokenizer are not those of then, and what was there is put back. A damaged file is NAME.h5.damaged meanwhile. The recipe has\n"
        "the images' place as seen from the archive's folder; --from says where they are, once either was moved. Images that came\n"
        "into a folder since are passed by, as far as the shards tell which those are; a list or tar files have to be given as they were\n"
        "then.\n",
    .flags = flags,
    .run = repair,
};
