/* Growth of an archive: the images of the source that it has not yet, told by their contents, become further shards. The shards that are
 * there stay as they are, and so does the index until the new ones are finished.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/encode.h"
#include "core/base/files.h"
#include "core/config/merge.h"
#include "core/plug/registry.h"
#include "core/store/store.h"
#include "kit/archive/content.h"

#include <tessera/kind/source.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct known { /* contents of the images that the archive has, sorted */
    uint64_t *content;
    int64_t count;
};

static int by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Adds the contents in a dataset, if it is there. */
static int add_known(struct tess_context *ctx, const struct tess_artefact *index, const char *name, struct known *k)
{
    struct tess_tensor t = {.data = NULL};
    void *memory;
    if (!tess_artefact_has(index, name))
        return TESS_OK;
    TESS_TRY(tess_artefact_load(ctx, index, name, TESS_U8, &t));
    int64_t n = t.rank == 2 && t.dim[1] == ARCHIVE_CONTENT ? t.dim[0] : 0;
    int status = tess_alloc(ctx, (size_t)(k->count + n) * sizeof *k->content + 1, "contents of images", &memory);
    if (status == TESS_OK) {
        uint64_t *all = memory;
        if (k->count)
            memcpy(all, k->content, (size_t)k->count * sizeof *all);
        for (int64_t i = 0; i < n; i++)
            memcpy(&all[k->count + i], (const uint8_t *)t.data + i * ARCHIVE_CONTENT, sizeof *all);
        tess_free(k->content);
        k->content = all;
        k->count += n;
    }
    tess_free(t.data);
    return status;
}

static int read_known(struct tess_context *ctx, const struct cli_folder *f, struct known *k)
{
    struct tess_artefact *index = NULL;
    TESS_TRY(tessi_store_artefact_open(ctx, f->path, &index));
    int status = tessi_store_artefact_check_bytes(ctx, index);
    if (status == TESS_OK)
        status = add_known(ctx, index, "content", k);
    if (status == TESS_OK)
        status = add_known(ctx, index, "skipped_content", k);
    if (status == TESS_OK && !k->count)
        status = ctx->fail(
            ctx, TESS_E_USAGE,
            "%s: does not tell the contents of its images, as its source does not; --append is for folders, lists and tar files", f->path);
    if (k->count)
        qsort(k->content, (size_t)k->count, sizeof *k->content, by_value);
    tessi_store_artefact_close(index);
    return status;
}

/* ---- the new ones ---------------------------------------------------------------------------------------------------------- */

/* Writes the numbers of the source's images that are not known to `to`. */
static int select_new(struct tess_context *ctx, const struct cli_folder *f, const struct tess_source_1 *ops, void *self,
                      const struct known *k, FILE *to, int64_t *n)
{
    for (int64_t i = 0; i < f->items; i++) {
        uint64_t content;
        uint8_t bytes[ARCHIVE_CONTENT];
        TESS_TRY(archive_content(ctx, ops, self, i, bytes));
        memcpy(&content, bytes, sizeof content);
        if (bsearch(&content, k->content, (size_t)k->count, sizeof content, by_value))
            continue;
        if (fprintf(to, "%" PRId64 "\n", i) < 0)
            return ctx->fail(ctx, TESS_E_IO, "the list of new images cannot be written: %s", strerror(errno));
        ++*n;
    }
    return TESS_OK;
}

/* Lists the new images as text, which is freed by free. */
static int list_new(struct tess_context *ctx, const struct cli_folder *f, char **text, size_t *bytes, int64_t *n)
{
    struct tess_instance *source = NULL;
    struct tessi_config *copy = NULL;
    struct known k = {.content = NULL};
    struct tess_digest all;
    TESS_TRY(tessi_config_copy(ctx, tessi_config_child(f->a->stage, "source"), &copy));
    int status = tessi_plug_instance_new(ctx, f->a->runtime->registry, "source/1", copy, NULL, NULL, 1, &source);
    const struct tess_source_1 *ops = status == TESS_OK ? tess_instance_ops(source, "source/1") : NULL;
    if (status == TESS_OK)
        status = read_known(ctx, f, &k);
    if (status == TESS_OK && TESS_HAS(ops, tolerate) && ops->tolerate)
        ops->tolerate(tess_instance_self(source), 1);
    tess_digest_start(&all);
    if (status == TESS_OK && ops->fingerprint) /* on all threads, and remembered */
        status = ops->fingerprint(tess_instance_self(source), ctx, &all);
    FILE *to = status == TESS_OK ? open_memstream(text, bytes) : NULL;
    if (status == TESS_OK && !to)
        status = ctx->fail(ctx, TESS_E_MEMORY, "no memory for the list of new images");
    if (status == TESS_OK)
        status = select_new(ctx, f, ops, tess_instance_self(source), &k, to, n);
    if (to && fclose(to) != 0 && status == TESS_OK)
        status = ctx->fail(ctx, TESS_E_MEMORY, "no memory for the list of new images");
    tess_free(k.content);
    tess_instance_close(source);
    tessi_config_free(copy);
    return status;
}

/* ---- the recipe -------------------------------------------------------------------------------------------------------------- */

/* Number of images that the recipe has shards for: the end of the last one. */
static int recipe_end(struct tess_context *ctx, const struct cli_folder *f, int64_t *end)
{
    const struct tessi_config *last = tessi_config_child(f->recipe, "stages")->child;
    int64_t first = 0, items = 0;
    while (last->next)
        last = last->next;
    const struct tessi_config *a = tessi_config_child(last, "first_item"), *b = tessi_config_child(last, "items");
    if (!a || !b || !tessi_config_is_i64(a, &first) || !tessi_config_is_i64(b, &items))
        return ctx->fail(ctx, TESS_E_DATA, "%s/" CLI_ENCODE_RECIPE ": its last stage has no `first_item` and `items`", f->path);
    *end = first + items;
    return TESS_OK;
}

/* Writes the stages that there are, then those of n new images, of `select`, from number `end` on. */
static int print_stages(struct tess_context *ctx, const struct cli_folder *f, const char *select, int64_t end, int64_t n, FILE *to)
{
    int64_t shard = f->shards;
    int status = TESS_OK;
    for (const struct tessi_config *s = tessi_config_child(f->recipe, "stages")->child; s; s = s->next)
        TESS_TRY(cli_encode_put_line(ctx, s->key, s, to));
    for (int64_t first = 0; first < n && status == TESS_OK; first += f->shard_items) {
        struct tessi_config *stage = NULL;
        char name[CLI_ENCODE_NAME];
        cli_encode_shard_name(shard++, name);
        status = cli_encode_shard(ctx, f, end + first, n - first < f->shard_items ? n - first : f->shard_items, &stage);
        if (status == TESS_OK)
            status = cli_encode_put_i64(ctx, stage, "offset", end);
        if (status == TESS_OK)
            status = cli_encode_put(ctx, stage, "select", select, 1);
        if (status == TESS_OK)
            status = cli_encode_put_line(ctx, name, stage, to);
        tessi_config_free(stage);
    }
    return status;
}

/* Writes the recipe with the stages of new images, and loads it. */
static int extend_recipe(struct tess_context *ctx, struct cli_folder *f, const char *select, int64_t end, int64_t n)
{
    char *text = NULL, *path = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    int status = to ? print_stages(ctx, f, select, end, n, to) : ctx->fail(ctx, TESS_E_MEMORY, "no memory for the recipe");
    if (to && fclose(to) != 0 && status == TESS_OK)
        status = ctx->fail(ctx, TESS_E_MEMORY, "no memory for the recipe");
    if (status == TESS_OK)
        status = tessi_base_format(ctx, &path, "%s/" CLI_ENCODE_RECIPE, f->path);
    if (status == TESS_OK)
        status = cli_encode_write(ctx, path, "archive", text);
    free(text);
    tess_free(path);
    return status == TESS_OK ? cli_encode_recipe_load(ctx, f) : status;
}

/* Opens the table of remembered digests that the shards' pipelines will use, so that files are read once. */
static int remember_files(struct tess_context *ctx, const struct cli_folder *f)
{
    char *path = NULL, *folder = NULL;
    TESS_TRY(tessi_host_runtime_compute(ctx, f->a->runtime)); /* threads */
    if (f->a->runtime->files)
        return TESS_OK;
    int status = tessi_base_format(ctx, &folder, "%s/runs/.cache", f->a->work);
    if (status == TESS_OK)
        status = tessi_base_make_folder(ctx, folder);
    if (status == TESS_OK)
        status = tessi_base_format(ctx, &path, "%s/files", folder);
    if (status == TESS_OK)
        status = tessi_host_file_digests_open(ctx, path, &f->a->runtime->files);
    tess_free(folder);
    tess_free(path);
    return status;
}

void cli_encode_append_name(int64_t shard, char name[CLI_ENCODE_NAME])
{
    (void)snprintf(name, CLI_ENCODE_NAME, "append-%06" PRId64 ".txt", shard);
}

int cli_encode_append(struct tess_context *ctx, struct cli_folder *f, int64_t *added)
{
    char *text = NULL, *path = NULL, name[CLI_ENCODE_NAME];
    size_t bytes = 0;
    int64_t end = 0;
    *added = 0;
    cli_encode_append_name(f->shards, name);
    if (f->a->o->limit)
        return ctx->fail(ctx, TESS_E_USAGE, "--append and --limit do not go together: an archive of the first images does not grow");
    TESS_TRY(recipe_end(ctx, f, &end));
    TESS_TRY(remember_files(ctx, f));
    int status = list_new(ctx, f, &text, &bytes, added);
    if (status == TESS_OK && *added)
        status = tessi_base_format(ctx, &path, "%s/%s", f->path, name);
    if (status == TESS_OK && *added)
        status = tessi_base_write_text(ctx, path, text, bytes);
    if (status == TESS_OK && *added)
        status = extend_recipe(ctx, f, name, end, *added);
    free(text);
    tess_free(path);
    return status;
}
