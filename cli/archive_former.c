/* See archive_former.h. A shard is of a range of the images that its source had when it was made, and its file says so of each. So it can
 * be made again, byte for byte, of a source that has just these: of links with their names.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/archive_former.h"
#include "core/base/context.h"
#include "core/base/files.h"
#include "core/config/merge.h"
#include "core/store/store.h"
#include "kit/image/image_name.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FORMER_BLOCK = 1024, FORMER_DEPTH = 64 };

/* Names of images, sorted: of those that came later, or, where all of them are known, of those that there were. */
struct later {
    char **name;
    int64_t count, capacity;
    int64_t skipped; /* number of images that were left out; each may have several names in the list */
    int there;       /* 1: the images of the list were there, and no others */
};

static int64_t former_offset(const struct tessi_config *stage)
{
    const struct tessi_config *value = tessi_config_child(stage, "offset");
    int64_t offset = 0;
    return value && tessi_config_is_i64(value, &offset) ? offset : 0;
}

/* ---- names ----------------------------------------------------------------------------------------------------------------- */

static int later_by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Number of images with names that the list has: one may have several rows. */
static int64_t later_images(const struct later *l, int64_t names)
{
    int64_t n = 0;
    for (int64_t i = 0; i < names; i++)
        n += i == 0 || strcmp(l->name[i], l->name[i - 1]) != 0;
    return n;
}

static int later_has(const struct later *l, const char *name)
{
    return l->count && bsearch(&name, l->name, (size_t)l->count, sizeof *l->name, later_by_bytes) != NULL;
}

static int later_add(struct tess_context *ctx, struct later *l, const char *name, size_t length)
{
    TESS_TRY(tess_reserve(ctx, &l->name, &l->capacity, l->count + 1, sizeof *l->name, "names of images"));
    TESS_TRY(tess_copy_bytes(ctx, name, length, &l->name[l->count]));
    l->count++;
    return TESS_OK;
}

/* Adds the name of a row, or those that a line "NAME: REASON" may have: a name may have a colon, too. */
static int later_add_text(struct tess_context *ctx, struct later *l, const char *text, int skipped)
{
    if (!skipped)
        return later_add(ctx, l, text, strlen(text));
    for (const char *at = text; (at = strstr(at, ": ")); at++)
        TESS_TRY(later_add(ctx, l, text, (size_t)(at - text)));
    return TESS_OK;
}

static int later_add_strings(struct tess_context *ctx, struct later *l, const struct tess_artefact *a, const char *dataset, int skipped)
{
    char *text[FORMER_BLOCK];
    int64_t all = tess_artefact_strings(a, dataset);
    int status = TESS_OK;
    for (int64_t first = 0; first < all && status == TESS_OK; first += FORMER_BLOCK) {
        int64_t n = all - first < FORMER_BLOCK ? all - first : FORMER_BLOCK;
        memset(text, 0, sizeof text);
        status = tess_artefact_read_strings(ctx, a, dataset, first, n, text);
        for (int64_t i = 0; i < n; i++) {
            if (status == TESS_OK)
                status = later_add_text(ctx, l, text[i], skipped);
            tess_free(text[i]);
        }
    }
    l->skipped += skipped && all > 0 ? all : 0; /* negative: there is no such dataset */
    return status;
}

/* Reads the names, or the reasons with names, in all shards whose offset is above `offset`, or is not. */
static int later_read_of(struct tess_context *ctx, const struct cli_former *f, int64_t offset, int above, const char *dataset, int skipped,
                         struct later *l)
{
    for (const struct tessi_config *s = f->stages->child; s; s = s->next) {
        struct tess_artefact *a = NULL;
        char *path = NULL;
        if ((former_offset(s) > offset) != above)
            continue;
        TESS_TRY(tessi_base_format(ctx, &path, "%s/%s.h5", f->archive, s->key));
        int status = TESS_OK;
        if (!above && !tessi_base_is_file(path)) { /* a repair was killed while it made that shard */
            tess_free(path);
            path = NULL;
            status = tessi_base_format(ctx, &path, "%s/%s.h5" CLI_ARCHIVE_ASIDE, f->archive, s->key);
        }
        if (status == TESS_OK)
            status = tessi_store_artefact_open(ctx, path, &a);
        if (status == TESS_OK)
            status = later_add_strings(ctx, l, a, dataset, skipped);
        tessi_store_artefact_close(a);
        tess_free(path);
        TESS_TRY(status);
    }
    return TESS_OK;
}

static void later_sort(struct later *l)
{
    if (l->count)
        qsort(l->name, (size_t)l->count, sizeof *l->name, later_by_bytes);
}

/* Reads the names in all shards whose offset is above `offset`. */
static int later_read(struct tess_context *ctx, const struct cli_former *f, int64_t offset, struct later *l)
{
    TESS_TRY(later_read_of(ctx, f, offset, 1, "names", 0, l));
    TESS_TRY(later_read_of(ctx, f, offset, 1, "skipped", 1, l));
    later_sort(l);
    return TESS_OK;
}

/* Reads the names in the others, the damaged ones too, as far as they can be read. Where these are as many images as there were, they are
 * the ones, and copies of them, which are in no shard, came later. */
static void later_read_former(struct tess_context *ctx, const struct cli_former *f, const struct tessi_config *stage, struct later *l)
{
    const struct tessi_config *expect = tessi_config_child(stage, "expect_count");
    const int64_t offset = former_offset(stage);
    int64_t count = -1;
    int status = expect && tessi_config_is_i64(expect, &count) ? later_read_of(ctx, f, offset, 0, "names", 0, l) : TESS_E_DATA;
    later_sort(l);
    int64_t images = later_images(l, l->count);
    if (status == TESS_OK)
        status = later_read_of(ctx, f, offset, 0, "skipped", 1, l);
    later_sort(l);
    l->there = status == TESS_OK && images + l->skipped == count;
    if (status != TESS_OK)
        tessi_base_context_clear(ctx);
}

static void later_free(struct later *l)
{
    for (int64_t i = 0; i < l->count; i++)
        tess_free(l->name[i]);
    tess_free(l->name);
}

/* ---- links ----------------------------------------------------------------------------------------------------------------- */

/* A folder on the way down from the images' own. */
struct level {
    const struct level *above;
    const char *from, *to, *below; /* its path, that of its copy, and its name within the images' folder: "" or "a/b/" */
    dev_t device;
    ino_t inode;
    int depth;
};

static int level_copy(struct tess_context *ctx, const struct later *l, const struct level *at);

/* 1 for a folder that lies in itself, by a link. */
static int level_returns(const struct level *at, const struct stat *about)
{
    for (; at; at = at->above)
        if (at->device == about->st_dev && at->inode == about->st_ino)
            return 1;
    return 0;
}

static int level_down(struct tess_context *ctx, const struct later *l, const struct level *at, const char *from, const char *to,
                      const char *below, const struct stat *about)
{
    char *inner = NULL;
    if (level_returns(at, about) || at->depth == FORMER_DEPTH)
        return TESS_OK;
    TESS_TRY(tessi_base_format(ctx, &inner, "%s/", below));
    const struct level next = {at, from, to, inner, about->st_dev, about->st_ino, at->depth + 1};
    int status = level_copy(ctx, l, &next);
    tess_free(inner);
    return status;
}

/* Makes a link to one entry of a folder, or a folder of links. What cannot be looked at is a link, too: the source says what it is. */
static int level_entry(struct tess_context *ctx, const struct later *l, const struct level *at, const char *entry)
{
    char *from = NULL, *to = NULL, *below = NULL, name[IMAGE_NAME_BYTES];
    struct stat about;
    int status = tessi_base_format(ctx, &from, "%s/%s", at->from, entry);
    if (status == TESS_OK)
        status = tessi_base_format(ctx, &to, "%s/%s", at->to, entry);
    if (status == TESS_OK)
        status = tessi_base_format(ctx, &below, "%s%s", at->below, entry);
    if (status == TESS_OK && stat(from, &about) == 0 && S_ISDIR(about.st_mode)) {
        status = level_down(ctx, l, at, from, to, below, &about);
    } else if (status == TESS_OK) {
        image_name(below, name);
        if (later_has(l, name) == l->there && symlink(from, to) != 0)
            status = ctx->fail(ctx, TESS_E_IO, "%s: a link cannot be made: %s", to, strerror(errno));
    }
    tess_free(from);
    tess_free(to);
    tess_free(below);
    return status;
}

static int level_copy(struct tess_context *ctx, const struct later *l, const struct level *at)
{
    int status = tessi_base_make_folder(ctx, at->to);
    DIR *d = status == TESS_OK ? opendir(at->from) : NULL;
    if (status == TESS_OK && !d)
        status = ctx->fail(ctx, TESS_E_IO, "%s: cannot be listed: %s", at->from, strerror(errno));
    for (const struct dirent *e; d && status == TESS_OK && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            status = level_entry(ctx, l, at, e->d_name);
    if (d)
        closedir(d);
    return status;
}

/* ---- the stage ------------------------------------------------------------------------------------------------------------- */

/* Makes the folder anew; what a repair that was killed left of it goes first. */
static int former_make(struct tess_context *ctx, const struct cli_former *f, const struct tessi_config *stage, const char *from, char *to)
{
    const struct cli_archive old = {.work = to};
    struct later l = {.name = NULL};
    struct stat about;
    cli_encode_remove_work(&old);
    if (stat(from, &about) != 0)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be opened: %s", from, strerror(errno));
    const struct level top = {NULL, from, to, "", about.st_dev, about.st_ino, 0};
    int status = TESS_OK;
    later_read_former(ctx, f, stage, &l);
    if (!l.there) {
        later_free(&l);
        l = (struct later){.name = NULL};
        status = later_read(ctx, f, former_offset(stage), &l);
    }
    if (status == TESS_OK)
        status = level_copy(ctx, &l, &top);
    later_free(&l);
    return status;
}

/* 1 where shards of images that came later follow. */
static int former_grown(const struct cli_former *f, int64_t offset)
{
    for (const struct tessi_config *s = f->stages->child; s; s = s->next)
        if (former_offset(s) > offset)
            return 1;
    return 0;
}

int cli_former_images(struct tess_context *ctx, const struct cli_former *f, struct tessi_config *stage, int64_t *made)
{
    const int64_t offset = former_offset(stage);
    const struct tessi_config *source = tessi_config_child(stage, "source"), *use = source ? tessi_config_child(source, "use") : NULL;
    struct tessi_config *path = source ? tessi_config_child(source, "path") : NULL;
    struct stat about;
    char *here = NULL, *to = NULL;
    if (!former_grown(f, offset) || !use || !path || strcmp(use->text, "folder") != 0 || stat(path->text, &about) != 0 ||
        !S_ISDIR(about.st_mode))
        return TESS_OK;
    TESS_TRY(tessi_base_format(ctx, &here, "%s/images-before-%" PRId64, f->work, offset));
    int status = tessi_base_path_absolute(ctx, here, &to);
    tess_free(here);
    TESS_TRY(status);
    status = *made == offset ? TESS_OK : former_make(ctx, f, stage, path->text, to);
    if (status == TESS_OK)
        status = tessi_config_set_text(ctx, path, to);
    *made = status == TESS_OK ? offset : -1;
    tess_free(to);
    return status;
}
