/* `tessera archive revert`: gives up an append that was begun and not finished. The archive is then what it was before.
 * SPDX-License-Identifier: MIT */
#include "cli/archive.h"
#include "cli/encode.h"
#include "core/archive/pieces.h"
#include "core/base/aside.h"
#include "core/base/files.h"
#include "core/config/merge.h"
#include "core/config/yaml.h"

#include <stdio.h>
#include <unistd.h>

struct revert {
    const char *folder;
    char *recipe_path;
    struct tessi_config *recipe;
    int64_t kept, planned; /* number of shards in the index, and in the recipe */
};

/* Reads how many shards the archive has, and how many the append that was begun would give it. */
static int revert_look(struct tess_context *ctx, struct revert *r)
{
    struct tess_artefact *index = NULL;
    TESS_TRY(tessi_store_artefact_open(ctx, r->folder, &index));
    r->kept = tessi_store_parts_count(index);
    tessi_store_artefact_close(index);
    TESS_TRY(tessi_base_format(ctx, &r->recipe_path, "%s/" CLI_ENCODE_RECIPE, r->folder));
    if (!tessi_base_is_file(r->recipe_path))
        return ctx->fail(ctx, TESS_E_IO, "%s: is not there; nothing can have been added to this archive", r->recipe_path);
    TESS_TRY(tessi_config_yaml_load(ctx, r->recipe_path, &r->recipe));
    const struct tessi_config *stages = tessi_config_child(r->recipe, "stages");
    r->planned = stages ? tessi_config_count(stages) : 0;
    if (r->planned < r->kept)
        return ctx->fail(ctx, TESS_E_DATA, "%s: has %lld stages for the %lld shards of the index; it is not the recipe of this archive",
                         r->recipe_path, (long long)r->planned, (long long)r->kept);
    return TESS_OK;
}

/* Removes shards first, then their lines in the recipe, then the list of their images: whatever it is interrupted at, what is left is an
 * append that was begun, or none. One that was killed before its recipe was written has left a list and a work folder alone. */
static int revert_remove(struct tess_context *ctx, const struct revert *r)
{
    char name[CLI_ENCODE_NAME], *path = NULL;
    struct cli_archive a = {.g = NULL};
    for (int64_t i = r->planned - 1; i >= r->kept; i--) {
        TESS_TRY(tessi_archive_shard_path(ctx, r->folder, i, &path));
        tessi_store_artefact_remove(path);
        tess_free(path);
    }
    TESS_TRY(tessi_base_format(ctx, &a.work, "%s/.work", r->folder));
    cli_encode_remove_work(&a);
    tess_free(a.work);
    if (r->planned > r->kept)
        TESS_TRY(cli_encode_recipe_cut(ctx, r->recipe, r->kept, r->recipe_path));
    cli_encode_append_name(r->kept, name);
    TESS_TRY(tessi_base_format(ctx, &path, "%s/%s", r->folder, name));
    (void)unlink(path);
    tess_free(path);
    tessi_base_aside_sweep_folder(r->folder);
    return TESS_OK;
}

static int revert_work(struct tess_context *ctx, void *user)
{
    struct revert *r = user;
    TESS_TRY(revert_look(ctx, r));
    return revert_remove(ctx, r);
}

static int revert_all(struct tess_context *ctx, struct revert *r)
{
    if (!tessi_archive_is_folder(r->folder))
        return ctx->fail(ctx, TESS_E_USAGE, "%s: is no folder; only an archive of shards is added to (tessera encode --append)", r->folder);
    return cli_archive_alone(ctx, r->folder, revert_work, r);
}

static int revert(struct cli_globals *g, int argc, char **argv)
{
    static struct cli_archive_one o;
    struct tessi_context context;
    int code = cli_archive_read(g, &cli_archive_revert, argc, argv, &o);
    if (code)
        return code;
    struct revert r = {.folder = o.path};
    tessi_base_context_init(&context, NULL);
    int status = revert_all(&context.context, &r);
    if (status == TESS_OK && r.planned == r.kept)
        printf("%s: nothing to give up, all its %lld shards are finished\n", cli_shown(r.folder), (long long)r.kept);
    else if (status == TESS_OK)
        printf("%s: %lld %s that were to be added are given up; it has %lld as before\n", cli_shown(r.folder),
               (long long)(r.planned - r.kept), r.planned - r.kept == 1 ? "shard" : "shards", (long long)r.kept);
    tessi_config_free(r.recipe);
    tess_free(r.recipe_path);
    return status == TESS_OK ? 0 : cli_failed(&context.context, status);
}

static const struct cli_flag flags[] = {{.name = NULL}};

const struct cli_verb cli_archive_revert = {
    .name = "archive revert",
    .summary = "give up adding images that was begun and not finished",
    .arguments = "ARCHIVE",
    .description =
        "`tessera encode --append` that was stopped resumes by the same command. Where it is not to go on, because the images changed\n"
        "once more or were the wrong ones, this removes what it has made: the archive is what it was before.\n",
    .flags = flags,
    .run = revert,
};
