/* An archive as a folder: shards of a fixed range of the source's items each, and an index that presents them as one. The
 * contents of a shard depend neither on the pictures that were left out of others nor on kills, threads or the machine, so any number of
 * processes may share the shards of an archive; the process that makes the last shard writes the index.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/encode.h"
#include "core/archive/pieces.h"
#include "core/config/merge.h"
#include "core/base/files.h"
#include "core/base/lock.h"
#include "core/config/yaml.h"
#include "core/plug/registry.h"
#include "core/store/store.h"

#include <tessera/kind/source.h>
#include <tessera/model.h>

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NOTHING_ELSE "give the archive what it was begun with, or encode to another folder"

enum { SHARD_BYTES = 128 << 20, SHARD_STEP = 1024, SHARDS_MAX = 65536, NAME = CLI_ENCODE_NAME };

void cli_encode_shard_name(int64_t i, char name[NAME])
{
    (void)snprintf(name, NAME, "shard-%06" PRId64, i);
}

static int shard_path(struct tess_context *ctx, const struct cli_folder *f, int64_t i, char **path)
{
    char name[NAME];
    cli_encode_shard_name(i, name);
    return tessi_base_format(ctx, path, "%s/%s.h5", f->path, name);
}

/* ---- what there is to do ------------------------------------------------------------------------------------------------- */

static int read_share(struct tess_context *ctx, const char *text, struct cli_folder *f)
{
    char rest;
    f->mine = f->of = 1;
    if (text && (sscanf(text, "%" SCNd64 "/%" SCNd64 "%c", &f->mine, &f->of, &rest) != 2 || f->mine < 1 || f->mine > f->of))
        return ctx->fail(ctx, TESS_E_USAGE, "--shard wants i/n, the i-th of n shares from 1, as 2/4; found `%s`", text);
    return TESS_OK;
}

/* Counts the images of an artefact. */
static int count_images(struct tess_context *ctx, struct cli_folder *f)
{
    struct tess_artefact *images = NULL;
    if (f->a->o->append || f->a->o->limit)
        return ctx->fail(ctx, TESS_E_USAGE, "%s is an artefact of images, of which all are encoded; --append and --limit are for sources",
                         f->a->o->source);
    TESS_TRY(tessi_store_artefact_open(ctx, f->a->o->source, &images));
    int status = tess_attrs_i64(ctx, tess_artefact_attrs(images), "count", &f->items);
    if (status == TESS_OK && f->items < 1)
        status = ctx->fail(ctx, TESS_E_DATA, "%s: has no images", f->a->o->source);
    tessi_store_artefact_close(images);
    return status;
}

/* Counts the images of the source. */
static int count_items(struct tess_context *ctx, struct cli_folder *f)
{
    struct tess_instance *source = NULL;
    struct tessi_config *at = tessi_config_child(f->a->stage, "source"), *copy = NULL;
    if (!at)
        return count_images(ctx, f);
    TESS_TRY(tessi_config_copy(ctx, at, &copy));
    int status = tessi_plug_instance_new(ctx, f->a->runtime->registry, "source/1", copy, NULL, NULL, 1, &source);
    if (status == TESS_OK) {
        const struct tess_source_1 *ops = tess_instance_ops(source, "source/1");
        f->items = ops->count(tess_instance_self(source));
        if (f->a->o->limit && f->a->o->limit < f->items)
            f->items = f->a->o->limit;
        if (f->items < 1)
            status = ctx->fail(ctx, TESS_E_DATA, "%s: has no images", f->a->o->source);
    }
    tess_instance_close(source);
    tessi_config_free(copy);
    return status;
}

/* Items of a shard: as many as make 128 MiB of codes, in steps of a thousand or so. */
static int plan_shards(struct tess_context *ctx, struct cli_folder *f)
{
    double fit = (double)SHARD_BYTES * 8.0 / (double)f->a->row_bits;
    f->shard_items = f->a->o->shard_items;
    if (!f->shard_items)
        f->shard_items = fit < SHARD_STEP ? SHARD_STEP : (int64_t)fit / SHARD_STEP * SHARD_STEP;
    if (f->shard_items > f->items)
        f->shard_items = f->items;
    f->shards = (f->items + f->shard_items - 1) / f->shard_items;
    if (f->shards > SHARDS_MAX)
        return ctx->fail(ctx, TESS_E_USAGE,
                         "%" PRId64 " images in shards of %" PRId64 " are %" PRId64 " shards, at most %d are possible; raise --shard-items",
                         f->items, f->shard_items, f->shards, SHARDS_MAX);
    return TESS_OK;
}

int cli_encode_shards(struct tess_context *ctx, struct cli_archive *a, int64_t *shards)
{
    struct cli_folder f = {.a = a, .path = a->o->output, .lock = -1};
    TESS_TRY(count_items(ctx, &f));
    TESS_TRY(plan_shards(ctx, &f));
    *shards = f.shards;
    return TESS_OK;
}

/* ---- the end ----------------------------------------------------------------------------------------------------------------- */

static int write_index(struct tess_context *ctx, const struct cli_folder *f)
{
    return tessi_archive_folder_finish(ctx, f->path, f->shards);
}

/* *missing: number of shards that are not there yet. */
static int count_missing(struct tess_context *ctx, const struct cli_folder *f, int64_t *missing)
{
    *missing = 0;
    for (int64_t i = 0; i < f->shards; i++) {
        char *path = NULL;
        TESS_TRY(shard_path(ctx, f, i, &path));
        *missing += !tessi_base_is_file(path);
        tess_free(path);
    }
    return TESS_OK;
}

/* Enters the folder with the other processes at work in it. */
static int folder_join(struct tess_context *ctx, struct cli_folder *f)
{
    char holder[256];
    int held = 0;
    (void)snprintf(f->lock_path, sizeof f->lock_path, "%s/.lock", f->path);
    for (;;) {
        TESS_TRY(tessi_base_lock_try(ctx, f->lock_path, &f->lock, &held, holder, sizeof holder));
        if (!held && (f->lock < 0 || tessi_base_lock_share(f->lock, f->lock_path)))
            return TESS_OK;
        if (held && (f->lock = tessi_base_lock_join(f->lock_path)) >= 0)
            return TESS_OK;
        if (!held)
            tessi_base_lock_drop(f->lock_path, f->lock);
        if (tessi_base_signals_stopping())
            return ctx->fail(ctx, TESS_E_STOPPED, "stopped before the first shard");
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
}

/* *complete: 1 where the index is of all shards of the recipe. */
static int is_complete(struct tess_context *ctx, const struct cli_folder *f, int *complete)
{
    struct tess_artefact *index = NULL;
    char *path = NULL;
    TESS_TRY(tessi_base_format(ctx, &path, "%s/" TESSI_STORE_INDEX, f->path));
    *complete = tessi_base_is_file(path);
    int status = *complete ? tessi_store_artefact_open(ctx, path, &index) : TESS_OK;
    if (status == TESS_OK && *complete)
        *complete = tessi_store_parts_count(index) == f->shards;
    tessi_store_artefact_close(index);
    tess_free(path);
    return status;
}

/* Leaves the folder, and where all is there and nobody else is at work finishes it: the index, no work folder. */
static int folder_finish(struct tess_context *ctx, struct cli_folder *f)
{
    char holder[256];
    int held = 0;
    int64_t missing;
    tessi_base_lock_drop(f->lock_path, f->lock);
    f->lock = -1;
    TESS_TRY(count_missing(ctx, f, &missing));
    if (missing) {
        tessi_base_log_note(f->a->runtime->log, "%" PRId64 " of %" PRId64 " shards of %s are left to other shares (--shard)", missing,
                            f->shards, f->path);
        return TESS_OK;
    }
    TESS_TRY(tessi_base_lock_try(ctx, f->lock_path, &f->lock, &held, holder, sizeof holder));
    if (held)
        return TESS_OK; /* another process is at work, and will find all shards there */
    int complete, status = is_complete(ctx, f, &complete);
    if (status == TESS_OK && !complete)
        status = write_index(ctx, f);
    if (status == TESS_OK)
        cli_encode_remove_work(f->a);
    tessi_base_lock_drop(f->lock_path, f->lock);
    f->lock = -1;
    return status;
}

/* ---- all ------------------------------------------------------------------------------------------------------------------ */

/* Makes a shard, or finds it there. Where the archive grows the earlier ones are of fewer images than the source has by now. */
static int one_shard(struct tess_context *ctx, const struct cli_folder *f, int64_t i)
{
    char *path = NULL, name[NAME];
    int computed = 0;
    cli_encode_shard_name(i, name);
    struct tessi_config *stage = NULL;
    TESS_TRY(shard_path(ctx, f, i, &path));
    int there = f->a->o->append && tessi_base_is_file(path), status = there ? TESS_OK : cli_encode_recipe_stage(ctx, f, name, &stage);
    if (status == TESS_OK && !there)
        status = cli_encode_part(ctx, f->a, name, stage, path, &computed);
    tessi_config_free(stage);
    tess_free(path);
    return status;
}

static int all_shards(struct tess_context *ctx, struct cli_folder *f)
{
    int complete;
    int64_t added = 0;
    TESS_TRY(is_complete(ctx, f, &complete));
    if (complete && f->a->o->append)
        TESS_TRY(cli_encode_append(ctx, f, &added));
    if (complete && !added) {
        tessi_base_log_note(f->a->runtime->log, "nothing to do: %s is complete", f->path);
        return TESS_OK;
    }
    tessi_base_log_note(f->a->runtime->log, "%s: %" PRId64 " images in %" PRId64 " %s", f->path, added ? added : f->items, f->shards,
                        f->shards == 1 ? "shard" : "shards");
    for (int64_t i = f->mine - 1; i < f->shards; i += f->of)
        TESS_TRY(one_shard(ctx, f, i));
    return TESS_OK;
}

int cli_encode_folder(struct tess_context *ctx, struct cli_archive *a)
{
    struct cli_folder f = {.a = a, .path = a->o->output, .lock = -1};
    TESS_TRY(read_share(ctx, a->o->shard, &f));
    TESS_TRY(count_items(ctx, &f));
    TESS_TRY(plan_shards(ctx, &f));
    if (a->o->append && access(f.path, F_OK) != 0)
        return ctx->fail(ctx, TESS_E_USAGE, "%s: is no archive yet, so there is nothing to add to; encode without --append first", f.path);
    TESS_TRY(tessi_base_make_folder(ctx, f.path));
    TESS_TRY(folder_join(ctx, &f));
    int status = cli_encode_recipe_begin(ctx, &f);
    if (status == TESS_OK)
        status = all_shards(ctx, &f);
    if (status == TESS_OK)
        status = folder_finish(ctx, &f);
    else
        tessi_base_lock_drop(f.lock_path, f.lock);
    tessi_config_free(f.recipe);
    return status;
}
