/* The recipe of an archive, encode.yaml: a pipeline with a stage for each shard. Written when the archive is begun; later commands are held
 * against it. SPDX-License-Identifier: MIT */
#include "cli/encode.h"
#include "core/base/aside_names.h"
#include "core/base/files.h"
#include "core/config/merge.h"
#include "core/config/yaml.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOTHING_ELSE "give the archive what it was begun with, or encode to another folder"

enum { NAME = CLI_ENCODE_NAME };

/* The stage of shard i of a new archive. */
static int shard_stage(struct tess_context *ctx, const struct cli_folder *f, int64_t i, struct tessi_config **stage)
{
    int64_t first = i * f->shard_items, n = f->items - first < f->shard_items ? f->items - first : f->shard_items;
    return cli_encode_shard(ctx, f, first, n, stage);
}

int cli_encode_shard(struct tess_context *ctx, const struct cli_folder *f, int64_t first, int64_t n, struct tessi_config **stage)
{
    TESS_TRY(tessi_config_copy(ctx, f->a->stage, stage));
    int status = cli_encode_put(ctx, *stage, "expect_tokenizer", f->a->tokenizer, 1);
    if (status == TESS_OK && !f->a->o->limit)
        status = cli_encode_put_i64(ctx, *stage, "expect_count", f->items);
    if (status == TESS_OK)
        status = cli_encode_put_i64(ctx, *stage, "first_item", first);
    if (status == TESS_OK)
        status = cli_encode_put_i64(ctx, *stage, "items", n);
    return status == TESS_OK ? cli_encode_paths(ctx, f->a->runtime->registry, *stage, f->path, CLI_PATHS_RELATIVE) : status;
}

/* Copies a key of one stage to another, where it is there. */
static int carry_key(struct tess_context *ctx, const struct tessi_config *from, const char *key, struct tessi_config *to)
{
    const struct tessi_config *value = tessi_config_child(from, key);
    return value && value->text ? cli_encode_put(ctx, to, key, value->text, value->quoted) : TESS_OK;
}

int cli_encode_recipe_stage(struct tess_context *ctx, const struct cli_folder *f, const char *name, struct tessi_config **stage)
{
    static const char *const keys[] = {"expect_tokenizer", "expect_count", "first_item", "items", "offset", "select"};
    const struct tessi_config *there = tessi_config_child(tessi_config_child(f->recipe, "stages"), name);
    *stage = NULL;
    if (!there)
        return ctx->fail(ctx, TESS_E_DATA, "%s/" CLI_ENCODE_RECIPE ": has no stage `%s`; it is not the recipe of an archive", f->path,
                         name);
    TESS_TRY(tessi_config_copy(ctx, f->a->stage, stage));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        TESS_TRY(carry_key(ctx, there, keys[i], *stage));
    return cli_encode_paths(ctx, f->a->runtime->registry, *stage, f->path, CLI_PATHS_ABSOLUTE);
}

int cli_encode_recipe_cut(struct tess_context *ctx, const struct tessi_config *recipe, int64_t n, const char *path)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    int status = to ? TESS_OK : ctx->fail(ctx, TESS_E_MEMORY, "no memory for %s", CLI_ENCODE_RECIPE);
    for (const struct tessi_config *s = tessi_config_child(recipe, "stages")->child; s && n-- > 0 && status == TESS_OK; s = s->next)
        status = cli_encode_put_line(ctx, s->key, s, to);
    if (to && fclose(to) != 0 && status == TESS_OK)
        status = ctx->fail(ctx, TESS_E_MEMORY, "no memory for %s", CLI_ENCODE_RECIPE);
    if (status == TESS_OK)
        status = cli_encode_write(ctx, path, "archive", text);
    free(text);
    return status;
}

/* ---- the recipe ----------------------------------------------------------------------------------------------------------- */

/* Text of a new encode.yaml: a line a shard. */
static int recipe_text(struct tess_context *ctx, const struct cli_folder *f, char **text)
{
    char *whole = NULL, name[NAME];
    size_t bytes = 0;
    FILE *to = open_memstream(&whole, &bytes);
    int status = to ? TESS_OK : ctx->fail(ctx, TESS_E_MEMORY, "no memory for %s", CLI_ENCODE_RECIPE);
    for (int64_t i = 0; i < f->shards && status == TESS_OK; i++) {
        struct tessi_config *stage = NULL;
        cli_encode_shard_name(i, name);
        status = shard_stage(ctx, f, i, &stage);
        if (status == TESS_OK)
            status = cli_encode_put_line(ctx, name, stage, to);
        tessi_config_free(stage);
    }
    if (to && fclose(to) != 0 && status == TESS_OK)
        status = ctx->fail(ctx, TESS_E_MEMORY, "no memory for %s", CLI_ENCODE_RECIPE);
    if (status == TESS_OK)
        status = tessi_base_format(ctx, text, "%s", whole);
    free(whole);
    return status;
}

static int refuse_key(struct tess_context *ctx, const struct cli_folder *f, const char *key, const char *was, const char *is)
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
static int compare_key(struct tess_context *ctx, const struct cli_folder *f, const char *key, const struct tessi_config *before,
                       const struct tessi_config *now)
{
    char *was = NULL, *is = NULL;
    if (strcmp(key, "batch") == 0) /* changes no bit of a shard */
        return TESS_OK;
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

/* 1 for a key that says which images a shard is of; an archive that grows has others in each. */
static int is_of_a_part(const char *key)
{
    return strcmp(key, "expect_count") == 0 || strcmp(key, "items") == 0 || strcmp(key, "first_item") == 0;
}

/* Compares all keys of two stages; where the archive grows, but for those of a part. */
static int compare_stages(struct tess_context *ctx, const struct cli_folder *f, const struct tessi_config *before,
                          const struct tessi_config *now)
{
    const int grows = f->a->o->append;
    TESS_TRY(compare_key(ctx, f, "expect_tokenizer", before, now));
    if (!grows)
        TESS_TRY(compare_key(ctx, f, "expect_count", before, now));
    for (const struct tessi_config *key = before->child; key; key = key->next)
        if (!grows || !is_of_a_part(key->key))
            TESS_TRY(compare_key(ctx, f, key->key, before, now));
    for (const struct tessi_config *key = now->child; key; key = key->next)
        if (!grows || !is_of_a_part(key->key))
            TESS_TRY(compare_key(ctx, f, key->key, before, now));
    return TESS_OK;
}

/* Holds the first shard of an archive that was begun before against that of this command. Tokenizer and images first: they are the reason
 * where sizes of shards differ. Paths may differ: what the files contain is the shards' to say. */
static int compare_recipe(struct tess_context *ctx, const struct cli_folder *f, struct tessi_config *root)
{
    const struct tessi_registry *r = f->a->runtime->registry;
    const struct tessi_config *stages = tessi_config_child(root, "stages"), *first = stages ? stages->child : NULL;
    struct tessi_config *before = NULL, *now = NULL;
    if (!first || first->kind != TESSI_MAP)
        return ctx->fail(ctx, TESS_E_DATA, "%s/%s: has no stages; it is not the recipe of an archive", f->path, CLI_ENCODE_RECIPE);
    int status = tessi_config_copy(ctx, first, &before);
    if (status == TESS_OK)
        status = shard_stage(ctx, f, 0, &now);
    if (status == TESS_OK)
        status = cli_encode_paths(ctx, r, before, f->path, CLI_PATHS_NONE);
    if (status == TESS_OK)
        status = cli_encode_paths(ctx, r, now, f->path, CLI_PATHS_NONE);
    if (status == TESS_OK)
        status = compare_stages(ctx, f, before, now);
    tessi_config_free(before);
    tessi_config_free(now);
    return status;
}

int cli_encode_recipe_load(struct tess_context *ctx, struct cli_folder *f)
{
    char *path = NULL;
    tessi_config_free(f->recipe);
    f->recipe = NULL;
    TESS_TRY(tessi_base_format(ctx, &path, "%s/" CLI_ENCODE_RECIPE, f->path));
    int status = tessi_config_yaml_load(ctx, path, &f->recipe);
    tess_free(path);
    if (status == TESS_OK)
        f->shards = tessi_config_count(tessi_config_child(f->recipe, "stages"));
    return status;
}

int cli_encode_recipe_begin(struct tess_context *ctx, struct cli_folder *f)
{
    char *path = NULL, *text = NULL;
    TESS_TRY(tessi_base_format(ctx, &path, "%s/" CLI_ENCODE_RECIPE, f->path));
    int status = TESS_OK;
    if (tessi_base_is_file(path)) {
        status = cli_encode_recipe_load(ctx, f);
        if (status == TESS_OK)
            status = compare_recipe(ctx, f, f->recipe);
    } else if (f->a->o->append) {
        status =
            ctx->fail(ctx, TESS_E_USAGE, "%s: is no archive yet, so there is nothing to add to; encode without --append first", f->path);
    } else if (!tessi_base_aside_alone(f->path, CLI_ENCODE_RECIPE)) {
        status = ctx->fail(ctx, TESS_E_CREATE, "%s: is a folder with other files and no %s, so no archive; give a new or an empty folder",
                           f->path, CLI_ENCODE_RECIPE);
    } else {
        status = recipe_text(ctx, f, &text);
        if (status == TESS_OK)
            status = cli_encode_write(ctx, path, "archive", text);
        if (status == TESS_OK)
            status = cli_encode_recipe_load(ctx, f);
    }
    tess_free(path);
    tess_free(text);
    return status;
}
