/* The folder of a new archive: shards that have the names of their numbers, and an index that comes last. Without it a folder is no
 * archive, so a kill leaves nothing half, and the same command ends what was begun. With it the same command, which may have been killed
 * right behind it, finds that each of its shards is there. SPDX-License-Identifier: MIT */
#include "core/archive/pieces.h"
#include "core/base/aside.h"
#include "core/base/files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int folder_is_another(struct tess_context *ctx, const char *folder)
{
    return ctx->fail(ctx, TESS_E_CREATE, "%s: is an archive already, of other shards; choose another name, or delete it first", folder);
}

/* Opens the index that is there; NULL: none. */
static int folder_index(struct tess_context *ctx, const char *folder, int64_t n, struct tess_artefact **there)
{
    char *index = NULL, name[TESSI_ARCHIVE_SHARD_NAME];
    const char *digest;
    int64_t rows;
    TESS_TRY(tessi_base_format(ctx, &index, "%s/" TESSI_STORE_INDEX, folder));
    int status = tessi_base_is_file(index) ? tessi_store_artefact_open(ctx, index, there) : TESS_OK;
    tess_free(index);
    if (status != TESS_OK || !*there)
        return status;
    if (tessi_store_parts_count(*there) != n)
        status = folder_is_another(ctx, folder);
    for (int64_t i = 0; i < n && status == TESS_OK; i++)
        if (strcmp(tessi_store_part_name(*there, i, &rows, &digest), tessi_archive_shard_name(i, name)) != 0)
            status = folder_is_another(ctx, folder);
    if (status != TESS_OK) {
        tessi_store_artefact_close(*there);
        *there = NULL;
    }
    return status;
}

int tessi_archive_folder_expect(struct tess_context *ctx, const char *folder, const struct tess_artefact *there, int64_t i,
                                const char *digest)
{
    const char *found;
    int64_t rows;
    if (!there)
        return TESS_OK;
    (void)tessi_store_part_name(there, i, &rows, &found);
    return strcmp(found, digest) == 0 ? TESS_OK : folder_is_another(ctx, folder);
}

static int folder_check_shards(struct tess_context *ctx, const char *folder, int64_t n)
{
    char name[TESSI_ARCHIVE_SHARD_NAME];
    struct dirent *e;
    int status = TESS_OK;
    DIR *d = opendir(folder);
    if (!d)
        return ctx->fail(ctx, TESS_E_CREATE, "%s: cannot be read: %s", folder, strerror(errno));
    while (status == TESS_OK && (e = readdir(d))) {
        if (tessi_archive_is_shard_name(e->d_name) &&
            (strtoll(e->d_name + 6, NULL, 10) >= n ||
             strcmp(tessi_archive_shard_name(strtoll(e->d_name + 6, NULL, 10), name), e->d_name) != 0))
            status = ctx->fail(ctx, TESS_E_CREATE, "%s: has %s, which the new archive would not have; choose another name, or delete it",
                               folder, e->d_name);
    }
    closedir(d);
    return status;
}

int tessi_archive_folder_begin(struct tess_context *ctx, const char *folder, int64_t n, struct tess_artefact **there)
{
    *there = NULL;
    TESS_TRY(tessi_base_make_folder(ctx, folder));
    TESS_TRY(folder_index(ctx, folder, n, there));
    int status = folder_check_shards(ctx, folder, n);
    if (status != TESS_OK) {
        tessi_store_artefact_close(*there);
        *there = NULL;
    }
    return status;
}

int tessi_archive_folder_finish(struct tess_context *ctx, const char *folder, int64_t n)
{
    void *memory;
    char *index = NULL;
    TESS_TRY(tess_alloc(ctx, (size_t)n * (TESSI_ARCHIVE_SHARD_NAME + sizeof(char *)), "names of shards", &memory));
    const char **file = memory;
    char(*name)[TESSI_ARCHIVE_SHARD_NAME] = (char(*)[TESSI_ARCHIVE_SHARD_NAME])(void *)(file + n);
    for (int64_t i = 0; i < n; i++)
        file[i] = tessi_archive_shard_name(i, name[i]);
    int status = tessi_base_format(ctx, &index, "%s/" TESSI_STORE_INDEX, folder);
    tessi_base_aside_sweep_folder(folder); /* files of a process that still lived when its shard was begun here */
    if (status == TESS_OK)
        status = tessi_archive_write_index(ctx, index, file, n, NULL);
    tess_free(index);
    tess_free(memory);
    return status;
}

int tessi_archive_shard_path(struct tess_context *ctx, const char *folder, int64_t i, char **out)
{
    char name[TESSI_ARCHIVE_SHARD_NAME];
    return tessi_base_format(ctx, out, "%s/%s", folder, tessi_archive_shard_name(i, name));
}

int tessi_archive_link_shard(struct tess_context *ctx, const struct tessi_archive_piece *piece, const char *folder, int64_t i)
{
    char *path = NULL;
    TESS_TRY(tessi_archive_shard_path(ctx, folder, i, &path));
    int status = tessi_base_link_file(ctx, piece->path, path, NULL);
    tess_free(path);
    return status;
}
