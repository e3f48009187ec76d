/* An archive as a folder: shards of a fixed range of the source's items each, and an index that presents them as one. What a shard holds
 * does not depend on what was left out, on kills, on threads or on which machine made it, so any number of processes may share the shards
 * of an archive, and whoever makes the last one writes the index.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/encode.h"
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

#define RECIPE "encode.yaml"
#define NOTHING_ELSE "give the archive what it was begun with, or encode to another folder"

enum { SHARD_BYTES = 128 << 20, SHARD_STEP = 1024, SHARDS_MAX = 65536, PATH = 4096, NAME = 64 };

struct folder {
    struct cli_archive *a;
    const char *path;
    int64_t items, shard_items, shards; /* of the source; a shard's; shards in all */
    int64_t mine, of;                   /* share of the shards: those of number mine - 1, mine - 1 + of, ... */
    int lock;
    char lock_path[PATH];
};

static void shard_name(int64_t i, char name[NAME])
{
    (void)snprintf(name, NAME, "shard-%06" PRId64, i);
}

static int shard_path(struct tess_context *ctx, const struct folder *f, int64_t i, char **path)
{
    char name[NAME];
    shard_name(i, name);
    return tessi_base_format(ctx, path, "%s/%s.h5", f->path, name);
}

/* ---- what there is to do ------------------------------------------------------------------------------------------------- */

static int read_share(struct tess_context *ctx, const char *text, struct folder *f)
{
    char rest;
    f->mine = f->of = 1;
    if (text && (sscanf(text, "%" SCNd64 "/%" SCNd64 "%c", &f->mine, &f->of, &rest) != 2 || f->mine < 1 || f->mine > f->of))
        return ctx->fail(ctx, TESS_E_USAGE, "--shard wants i/n, the i-th of n shares from 1, as 2/4; found `%s`", text);
    return TESS_OK;
}

/* Counts the images of the source. */
static int count_items(struct tess_context *ctx, struct folder *f)
{
    struct tess_instance *source = NULL;
    struct tessi_config *at = tessi_config_child(f->a->stage, "source"), *copy = NULL;
    if (!at)
        return ctx->fail(ctx, TESS_E_USAGE, "%s is an artefact of images, which becomes one file: -o %s.h5", f->a->o->source, f->path);
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
static int plan_shards(struct tess_context *ctx, struct folder *f)
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

/* The stage of shard i. */
static int shard_stage(struct tess_context *ctx, const struct folder *f, int64_t i, struct tessi_config **stage)
{
    int64_t first = i * f->shard_items, n = f->items - first < f->shard_items ? f->items - first : f->shard_items;
    TESS_TRY(tessi_config_copy(ctx, f->a->stage, stage));
    int status = cli_encode_put(ctx, *stage, "expect_tokenizer", f->a->tokenizer, 1);
    if (status == TESS_OK && !f->a->o->limit)
        status = cli_encode_put_i64(ctx, *stage, "expect_count", f->items);
    if (status == TESS_OK)
        status = cli_encode_put_i64(ctx, *stage, "first_item", first);
    if (status == TESS_OK)
        status = cli_encode_put_i64(ctx, *stage, "items", n);
    return status;
}

/* ---- the recipe ----------------------------------------------------------------------------------------------------------- */

/* Text of encode.yaml: a line a shard. */
static int recipe_text(struct tess_context *ctx, const struct folder *f, char **text)
{
    char *whole = NULL, name[NAME];
    size_t bytes = 0;
    FILE *to = open_memstream(&whole, &bytes);
    int status = to ? TESS_OK : ctx->fail(ctx, TESS_E_MEMORY, "no memory for %s", RECIPE);
    for (int64_t i = 0; i < f->shards && status == TESS_OK; i++) {
        struct tessi_config *stage = NULL;
        char *line = NULL;
        shard_name(i, name);
        status = shard_stage(ctx, f, i, &stage);
        if (status == TESS_OK)
            status = cli_encode_line(ctx, name, stage, &line);
        if (status == TESS_OK)
            fputs(line, to);
        tess_free(line);
        tessi_config_free(stage);
    }
    if (to && fclose(to) != 0 && status == TESS_OK)
        status = ctx->fail(ctx, TESS_E_MEMORY, "no memory for %s", RECIPE);
    if (status == TESS_OK)
        status = tessi_base_format(ctx, text, "%s", whole);
    free(whole);
    return status;
}

static int refuse_key(struct tess_context *ctx, const struct folder *f, const char *key, const char *was, const char *is)
{
    if (strcmp(key, "expect_tokenizer") == 0)
        return ctx->fail(
            ctx, TESS_E_DATA,
            "%s was begun with tokenizer %.12s..., and %s is tokenizer %.12s...: codes of two tokenizers cannot be one archive; "
            "give it the tokenizer it was begun with, or encode to another folder",
            f->path, was, f->a->o->model, is);
    if (strcmp(key, "expect_count") == 0)
        return ctx->fail(
            ctx, TESS_E_DATA,
            "%s has %s images, and had %s when %s was begun; give the archive the same images, or add new ones to the finished "
            "archive with --append",
            f->a->o->source, is, was, f->path);
    return ctx->fail(ctx, TESS_E_DATA, "%s was begun with `%s: %s`, and `%s: %s` is wanted now; " NOTHING_ELSE, f->path, key, was, key, is);
}

/* Compares a key of two stages; what either does not have is `not set`. */
static int compare_key(struct tess_context *ctx, const struct folder *f, const char *key, const struct tessi_config *before,
                       const struct tessi_config *now)
{
    char *was = NULL, *is = NULL;
    const struct tessi_config *a = tessi_config_child(before, key), *b = tessi_config_child(now, key);
    int status = a ? tessi_config_print(ctx, a, &was) : tessi_base_format(ctx, &was, "not set");
    if (status == TESS_OK)
        status = b ? tessi_config_print(ctx, b, &is) : tessi_base_format(ctx, &is, "not set");
    if (status == TESS_OK && strcmp(was, is) != 0) {
        int quoted = strlen(was) > 2 && *was == '"' && *is == '"';
        if (quoted)
            was[strlen(was) - 1] = is[strlen(is) - 1] = '\0';
        status = refuse_key(ctx, f, key, was + quoted, is + quoted);
    }
    tess_free(was);
    tess_free(is);
    return status;
}

/* Holds the first shard of an archive that was begun before against that of this command. Tokenizer and images first: they are the reason
 * where sizes of shards differ. */
static int compare_recipe(struct tess_context *ctx, const struct folder *f, struct tessi_config *root)
{
    const struct tessi_config *stages = tessi_config_child(root, "stages"), *before = stages ? stages->child : NULL;
    struct tessi_config *now = NULL;
    if (!before || before->kind != TESSI_MAP)
        return ctx->fail(ctx, TESS_E_DATA, "%s/%s: has no stages; it is not the recipe of an archive", f->path, RECIPE);
    int status = shard_stage(ctx, f, 0, &now);
    if (status == TESS_OK)
        status = compare_key(ctx, f, "expect_tokenizer", before, now);
    if (status == TESS_OK)
        status = compare_key(ctx, f, "expect_count", before, now);
    for (const struct tessi_config *key = before->child; key && status == TESS_OK; key = key->next)
        status = compare_key(ctx, f, key->key, before, now);
    for (const struct tessi_config *key = now ? now->child : NULL; key && status == TESS_OK; key = key->next)
        status = compare_key(ctx, f, key->key, before, now);
    tessi_config_free(now);
    return status;
}

static int is_empty(const char *path)
{
    int empty = 1;
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));)
        empty = empty && *e->d_name == '.';
    if (d)
        (void)closedir(d);
    return empty;
}

/* Writes encode.yaml of a new archive, or checks that of one that was begun. */
static int begin_or_resume(struct tess_context *ctx, const struct folder *f)
{
    char *path = NULL, *text = NULL;
    struct tessi_config *root = NULL;
    TESS_TRY(tessi_base_format(ctx, &path, "%s/" RECIPE, f->path));
    int status = TESS_OK;
    if (tessi_base_is_file(path)) {
        status = tessi_config_yaml_load(ctx, path, &root);
        if (status == TESS_OK)
            status = compare_recipe(ctx, f, root);
    } else if (!is_empty(f->path)) {
        status = ctx->fail(ctx, TESS_E_CREATE, "%s: is a folder with other files and no %s, so no archive; give a new or an empty folder",
                           f->path, RECIPE);
    } else {
        status = recipe_text(ctx, f, &text);
        if (status == TESS_OK)
            status = cli_encode_write(ctx, path, "archive", text);
    }
    tessi_config_free(root);
    tess_free(path);
    tess_free(text);
    return status;
}

/* ---- the end ----------------------------------------------------------------------------------------------------------------- */

static int write_index(struct tess_context *ctx, const struct folder *f)
{
    static const char *const joined[] = {"codes", "error", "labels", "names", "flipped", "crops", "item", NULL};
    static const char *const gathered[] = {"skipped", NULL}, *const summed[] = {"count", "train_count", "items", NULL};
    char *path = NULL, (*name)[NAME] = NULL;
    const char **file = NULL;
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)f->shards * (NAME + sizeof *file), "names of shards", &memory));
    file = memory;
    name = (char(*)[NAME])(void *)(file + f->shards);
    for (int64_t i = 0; i < f->shards; i++) {
        (void)snprintf(name[i], NAME, "shard-%06" PRId64 ".h5", i);
        file[i] = name[i];
    }
    int status = tessi_base_format(ctx, &path, "%s/" TESSI_STORE_INDEX, f->path);
    const struct tessi_parts_options o = {.path = path,
                                          .file = file,
                                          .files = f->shards,
                                          .joined = joined,
                                          .gathered = gathered,
                                          .summed = summed,
                                          .start = "first_item",
                                          .length = "items"};
    if (status == TESS_OK)
        status = tessi_store_parts_write(ctx, &o, NULL);
    tess_free(path);
    tess_free(memory);
    return status;
}

/* *missing: number of shards that are not there yet. */
static int count_missing(struct tess_context *ctx, const struct folder *f, int64_t *missing)
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
static int folder_join(struct tess_context *ctx, struct folder *f)
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

/* Leaves the folder, and where all is there and nobody else is at work finishes it: the index, no work folder. */
static int folder_finish(struct tess_context *ctx, struct folder *f)
{
    char holder[256], *index = NULL;
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
    int status = tessi_base_format(ctx, &index, "%s/" TESSI_STORE_INDEX, f->path);
    if (status == TESS_OK && !tessi_base_is_file(index))
        status = write_index(ctx, f);
    if (status == TESS_OK)
        cli_encode_remove_work(f->a);
    tessi_base_lock_drop(f->lock_path, f->lock);
    f->lock = -1;
    tess_free(index);
    return status;
}

/* ---- all ------------------------------------------------------------------------------------------------------------------ */

static int one_shard(struct tess_context *ctx, const struct folder *f, int64_t i)
{
    struct tessi_config *stage = NULL;
    char *path = NULL, name[NAME];
    int computed = 0;
    shard_name(i, name);
    int status = shard_path(ctx, f, i, &path);
    if (status == TESS_OK)
        status = shard_stage(ctx, f, i, &stage);
    if (status == TESS_OK)
        status = cli_encode_part(ctx, f->a, name, stage, path, &computed);
    tessi_config_free(stage);
    tess_free(path);
    return status;
}

static int all_shards(struct tess_context *ctx, struct folder *f)
{
    char *index = NULL;
    TESS_TRY(tessi_base_format(ctx, &index, "%s/" TESSI_STORE_INDEX, f->path));
    int done = tessi_base_is_file(index);
    tess_free(index);
    if (done) {
        tessi_base_log_note(f->a->runtime->log, "nothing to do: %s is complete", f->path);
        return TESS_OK;
    }
    tessi_base_log_note(f->a->runtime->log, "%s: %" PRId64 " images in %" PRId64 " %s", f->path, f->items, f->shards,
                        f->shards == 1 ? "shard" : "shards");
    for (int64_t i = f->mine - 1; i < f->shards; i += f->of)
        TESS_TRY(one_shard(ctx, f, i));
    return TESS_OK;
}

int cli_encode_folder(struct tess_context *ctx, struct cli_archive *a)
{
    struct folder f = {.a = a, .path = a->o->output, .lock = -1};
    TESS_TRY(read_share(ctx, a->o->shard, &f));
    TESS_TRY(count_items(ctx, &f));
    TESS_TRY(plan_shards(ctx, &f));
    TESS_TRY(tessi_base_make_folder(ctx, f.path));
    TESS_TRY(folder_join(ctx, &f));
    int status = begin_or_resume(ctx, &f);
    if (status == TESS_OK)
        status = all_shards(ctx, &f);
    if (status == TESS_OK)
        return folder_finish(ctx, &f);
    tessi_base_lock_drop(f.lock_path, f.lock);
    return status;
}
