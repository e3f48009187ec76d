/* The index of an archive of codes: which datasets of its shards are joined, and which attributes are sums. SPDX-License-Identifier: MIT */
#include "core/archive/archive.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

const char *const tessi_archive_joined[] = {"codes", "error", "labels", "names", "flipped", "crops", "item", "content", NULL};

int tessi_archive_is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int64_t tessi_archive_items(const struct tess_attrs *attrs, int64_t skipped)
{
    return tess_attrs_i64_or(attrs, "items", tess_attrs_i64_or(attrs, "count", 0) + skipped);
}

/* Whether the first shard says its range of items: 1, 0, or a status. */
static int index_has_ranges(struct tess_context *ctx, const char *path, const char *file, int *has)
{
    char whole[4096 + 256];
    struct tess_artefact *a;
    const char *slash = strrchr(path, '/');
    (void)snprintf(whole, sizeof whole, "%.*s%s", slash ? (int)(slash - path) + 1 : 0, path, file);
    TESS_TRY(tessi_store_artefact_open(ctx, whole, &a));
    *has = tess_attrs_i64_or(tess_artefact_attrs(a), "first_item", -1) >= 0;
    int status =
        strcmp(tess_artefact_kind(a), "codes") == 0
            ? TESS_OK
            : ctx->fail(ctx, TESS_E_DATA, "%s: is of kind `%s`; an archive is of files of kind `codes`", whole, tess_artefact_kind(a));
    tessi_store_artefact_close(a);
    return status;
}

int tessi_archive_write_index(struct tess_context *ctx, const char *path, const char *const *file, int64_t n, char digest[65])
{
    static const char *const gathered[] = {"skipped", "skipped_content", NULL}, *const sums[] = {"count", "train_count", NULL};
    static const char *const sums_of_ranges[] = {"count", "train_count", "items", NULL};
    int ranges = 0;
    if (n < 1)
        return ctx->fail(ctx, TESS_E_DATA, "%s: an index of no shards is not possible", path);
    TESS_TRY(index_has_ranges(ctx, path, file[0], &ranges));
    const struct tessi_parts_options o = {.path = path,
                                          .file = file,
                                          .files = n,
                                          .joined = tessi_archive_joined,
                                          .gathered = gathered,
                                          .summed = ranges ? sums_of_ranges : sums,
                                          .start = ranges ? "first_item" : NULL,
                                          .length = ranges ? "items" : NULL};
    return tessi_store_parts_write(ctx, &o, digest);
}
