/* See archive_former.h. A shard is of a range of the images that its source had when it was made, and its file says so of each. So it can
 * be made again, byte for byte, of a source that has just these: of links with their names. Which these are is looked for in three ways,
 * and held against the number of images that there were.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/archive_former.h"
#include "core/base/context.h"
#include "core/base/files.h"
#include "core/config/merge.h"
#include "core/plug/registry.h"
#include "core/store/store.h"
#include "kit/archive/content.h"
#include "kit/image/image_name.h"

#include <tessera/kind/source.h>

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FORMER_BLOCK = 1024, FORMER_DEPTH = 64 };

/* Names of images, sorted. */
struct names {
    char **name;
    int64_t count, capacity;
    int64_t images; /* number of images: one may have several rows, and one that was left out several names in the list */
};

/* How it is told which images there were. */
enum rule {
    FORMER_NAMED,     /* the shards of then name them, the damaged one too */
    FORMER_NOT_LATER, /* all that the shards of later stages do not name */
    FORMER_NEW,       /* those that whole shards of then name, and of those that no shard names the ones whose content no row has */
    FORMER_RULES
};

/* What the shards say. */
struct known {
    enum rule rule;
    struct names there, later; /* names in the shards of then, and in those of later stages */
    uint64_t *content;         /* contents of the rows of whole shards, sorted; of FORMER_NEW */
    int64_t contents, capacity;
};

static int64_t former_offset(const struct tessi_config *stage)
{
    const struct tessi_config *value = tessi_config_child(stage, "offset");
    int64_t offset = 0;
    return value && tessi_config_is_i64(value, &offset) ? offset : 0;
}

/* ---- names ----------------------------------------------------------------------------------------------------------------- */

static int names_by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int names_has(const struct names *l, const char *name)
{
    return l->count && bsearch(&name, l->name, (size_t)l->count, sizeof *l->name, names_by_bytes) != NULL;
}

static int names_add(struct tess_context *ctx, struct names *l, const char *name, size_t length)
{
    TESS_TRY(tess_reserve(ctx, &l->name, &l->capacity, l->count + 1, sizeof *l->name, "names of images"));
    TESS_TRY(tess_copy_bytes(ctx, name, length, &l->name[l->count]));
    l->count++;
    return TESS_OK;
}

/* Adds the name of a row, which is that of the row before where an image has several. */
static int names_add_row(struct tess_context *ctx, struct names *l, const char *name)
{
    if (l->count && strcmp(l->name[l->count - 1], name) == 0)
        return TESS_OK;
    l->images++;
    return names_add(ctx, l, name, strlen(name));
}

/* Adds the names that a line "NAME: REASON" may have: a name may have a colon, too. */
static int names_add_skipped(struct tess_context *ctx, struct names *l, const char *line)
{
    for (const char *at = line; (at = strstr(at, ": ")); at++)
        TESS_TRY(names_add(ctx, l, line, (size_t)(at - line)));
    l->images++;
    return TESS_OK;
}

static int names_add_strings(struct tess_context *ctx, struct names *l, const struct tess_artefact *a, const char *dataset, int skipped)
{
    char *text[FORMER_BLOCK];
    int64_t all = tess_artefact_strings(a, dataset); /* negative: there is no such dataset */
    int status = TESS_OK;
    for (int64_t first = 0; first < all && status == TESS_OK; first += FORMER_BLOCK) {
        int64_t n = all - first < FORMER_BLOCK ? all - first : FORMER_BLOCK;
        memset(text, 0, sizeof text);
        status = tess_artefact_read_strings(ctx, a, dataset, first, n, text);
        for (int64_t i = 0; i < n; i++) {
            if (status == TESS_OK)
                status = skipped ? names_add_skipped(ctx, l, text[i]) : names_add_row(ctx, l, text[i]);
            tess_free(text[i]);
        }
    }
    return status;
}

static void names_sort(struct names *l)
{
    if (l->count)
        qsort(l->name, (size_t)l->count, sizeof *l->name, names_by_bytes);
}

static void names_free(struct names *l)
{
    for (int64_t i = 0; i < l->count; i++)
        tess_free(l->name[i]);
    tess_free(l->name);
}

/* ---- what the shards say ----------------------------------------------------------------------------------------------------- */

static int known_by_content(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Opens the shard of a stage, or, of then, what a repair that was killed put aside. *a NULL: it cannot be opened, or `whole` is wanted and
 * it is not. */
static int shard_open(struct tess_context *ctx, const struct cli_former *f, const char *name, int whole, struct tess_artefact **a)
{
    char *path = NULL;
    *a = NULL;
    TESS_TRY(tessi_base_format(ctx, &path, "%s/%s.h5", f->archive, name));
    if (!whole && !tessi_base_is_file(path)) {
        tess_free(path);
        path = NULL;
        TESS_TRY(tessi_base_format(ctx, &path, "%s/%s.h5" CLI_ARCHIVE_ASIDE, f->archive, name));
    }
    int status = tessi_store_artefact_open(ctx, path, a);
    if (status == TESS_OK && whole)
        status = tessi_store_artefact_check_bytes(ctx, *a);
    tess_free(path);
    if (status == TESS_OK)
        return TESS_OK;
    tessi_store_artefact_close(*a);
    *a = NULL;
    if (status != TESS_E_MEMORY)
        tessi_base_context_clear(ctx);
    return status == TESS_E_MEMORY ? status : TESS_OK;
}

static int names_of_shard(struct tess_context *ctx, const struct tess_artefact *a, struct names *l)
{
    TESS_TRY(names_add_strings(ctx, l, a, "names", 0));
    return names_add_strings(ctx, l, a, "skipped", 1);
}

/* Reads the names in all shards whose offset is above `offset`; these have to be whole. */
static int known_later(struct tess_context *ctx, const struct cli_former *f, int64_t offset, struct known *k)
{
    for (const struct tessi_config *s = f->stages->child; s; s = s->next) {
        struct tess_artefact *a;
        if (former_offset(s) <= offset)
            continue;
        TESS_TRY(shard_open(ctx, f, s->key, 1, &a));
        int status =
            a ? names_of_shard(ctx, a, &k->later)
              : ctx->fail(ctx, TESS_E_DATA, "%s/%s.h5: is damaged or missing, and names images that came later", f->archive, s->key);
        tessi_store_artefact_close(a);
        TESS_TRY(status);
    }
    names_sort(&k->later);
    return TESS_OK;
}

/* Adds the contents of the rows. Those of pictures that were left out are no sign of a copy: many are empty, or cut off at one place. */
static int known_contents(struct tess_context *ctx, const struct tess_artefact *a, struct known *k)
{
    struct tess_tensor t = {.data = NULL};
    if (!tess_artefact_has(a, "content"))
        return TESS_OK;
    TESS_TRY(tess_artefact_load(ctx, a, "content", TESS_U8, &t));
    const int64_t n = t.rank == 2 && t.dim[1] == ARCHIVE_CONTENT ? t.dim[0] : 0;
    int status = tess_reserve(ctx, &k->content, &k->capacity, k->contents + n + 1, sizeof *k->content, "contents of images");
    if (status == TESS_OK)
        memcpy(k->content + k->contents, t.data, (size_t)n * sizeof *k->content);
    k->contents += status == TESS_OK ? n : 0;
    tess_free(t.data);
    return status;
}

/* Reads what one shard says by the rule. */
static int known_of_shard(struct tess_context *ctx, const struct tess_artefact *a, int then, struct known *k)
{
    if (then)
        TESS_TRY(names_of_shard(ctx, a, &k->there));
    return k->rule == FORMER_NEW ? known_contents(ctx, a, k) : TESS_OK;
}

/* Reads what the shards say that can be read, by FORMER_NAMED the damaged ones too: it shows in the number of images where they are wrong.
 */
static int known_there(struct tess_context *ctx, const struct cli_former *f, int64_t offset, struct known *k)
{
    for (const struct tessi_config *s = f->stages->child; s; s = s->next) {
        struct tess_artefact *a;
        const int then = former_offset(s) <= offset;
        if (!then && k->rule == FORMER_NAMED)
            continue;
        TESS_TRY(shard_open(ctx, f, s->key, k->rule != FORMER_NAMED, &a));
        int status = a ? known_of_shard(ctx, a, then, k) : TESS_OK;
        tessi_store_artefact_close(a);
        if (status != TESS_OK && k->rule != FORMER_NAMED)
            return status;
        if (status != TESS_OK)
            tessi_base_context_clear(ctx);
    }
    names_sort(&k->there);
    if (k->contents)
        qsort(k->content, (size_t)k->contents, sizeof *k->content, known_by_content);
    return TESS_OK;
}

static void known_free(struct known *k)
{
    names_free(&k->there);
    names_free(&k->later);
    tess_free(k->content);
}

/* 1 where the content of a file is that of a row; 0 also where it cannot be read. */
static int known_copy(struct tess_context *ctx, const struct known *k, const char *path)
{
    uint64_t content;
    struct tess_digest d;
    tess_digest_start(&d);
    if (tess_digest_add_files(ctx, &d, 1, &path) != TESS_OK) {
        tessi_base_context_clear(ctx);
        return 0;
    }
    uint8_t bytes[ARCHIVE_CONTENT];
    archive_content_end(&d, bytes);
    memcpy(&content, bytes, sizeof content);
    return k->contents && bsearch(&content, k->content, (size_t)k->contents, sizeof content, known_by_content) != NULL;
}

/* 1 for an entry that was there by the rule. */
static int known_takes(struct tess_context *ctx, const struct known *k, const char *name, const char *path)
{
    if (k->rule == FORMER_NAMED)
        return names_has(&k->there, name);
    if (names_has(&k->later, name))
        return 0;
    return k->rule == FORMER_NOT_LATER || names_has(&k->there, name) || !known_copy(ctx, k, path);
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

static int level_copy(struct tess_context *ctx, const struct known *k, const struct level *at);

/* 1 for a folder that lies in itself, by a link. */
static int level_returns(const struct level *at, const struct stat *about)
{
    for (; at; at = at->above)
        if (at->device == about->st_dev && at->inode == about->st_ino)
            return 1;
    return 0;
}

static int level_down(struct tess_context *ctx, const struct known *k, const struct level *at, const char *from, const char *to,
                      const char *below, const struct stat *about)
{
    char *inner = NULL;
    if (level_returns(at, about) || at->depth == FORMER_DEPTH)
        return TESS_OK;
    TESS_TRY(tessi_base_format(ctx, &inner, "%s/", below));
    const struct level next = {at, from, to, inner, about->st_dev, about->st_ino, at->depth + 1};
    int status = level_copy(ctx, k, &next);
    tess_free(inner);
    return status;
}

/* Makes a link to one entry of a folder, or a folder of links. What cannot be looked at is a link, too: the source says what it is. */
static int level_entry(struct tess_context *ctx, const struct known *k, const struct level *at, const char *entry)
{
    char *from = NULL, *to = NULL, *below = NULL, name[IMAGE_NAME_BYTES];
    struct stat about;
    int status = tessi_base_format(ctx, &from, "%s/%s", at->from, entry);
    if (status == TESS_OK)
        status = tessi_base_format(ctx, &to, "%s/%s", at->to, entry);
    if (status == TESS_OK)
        status = tessi_base_format(ctx, &below, "%s%s", at->below, entry);
    if (status == TESS_OK && stat(from, &about) == 0 && S_ISDIR(about.st_mode)) {
        status = level_down(ctx, k, at, from, to, below, &about);
    } else if (status == TESS_OK) {
        image_name(below, name);
        if (known_takes(ctx, k, name, from) && symlink(from, to) != 0)
            status = ctx->fail(ctx, TESS_E_IO, "%s: a link cannot be made: %s", to, strerror(errno));
    }
    tess_free(from);
    tess_free(to);
    tess_free(below);
    return status;
}

static int level_copy(struct tess_context *ctx, const struct known *k, const struct level *at)
{
    int status = tessi_base_make_folder(ctx, at->to);
    DIR *d = status == TESS_OK ? opendir(at->from) : NULL;
    if (status == TESS_OK && !d)
        status = ctx->fail(ctx, TESS_E_IO, "%s: cannot be listed: %s", at->from, strerror(errno));
    for (const struct dirent *e; d && status == TESS_OK && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            status = level_entry(ctx, k, at, e->d_name);
    if (d)
        closedir(d);
    return status;
}

/* ---- the stage ------------------------------------------------------------------------------------------------------------- */

/* Number of images that the stage's source has at `path`; -1: it cannot be opened, and the stage will say why. */
static int former_count(struct tess_context *ctx, const struct cli_former *f, const struct tessi_config *stage, const char *path,
                        int64_t *count)
{
    struct tessi_config *copy = NULL;
    struct tess_instance *source = NULL;
    *count = -1;
    TESS_TRY(tessi_config_copy(ctx, tessi_config_child(stage, "source"), &copy));
    int status = tessi_config_set_text(ctx, tessi_config_child(copy, "path"), path);
    if (status == TESS_OK && tessi_plug_instance_new(ctx, f->registry, "source/1", copy, NULL, NULL, 1, &source) == TESS_OK) {
        const struct tess_source_1 *ops = tess_instance_ops(source, "source/1");
        *count = ops->count(tess_instance_self(source));
    } else if (status == TESS_OK) {
        tessi_base_context_clear(ctx);
    }
    tess_instance_close(source);
    tessi_config_free(copy);
    return status;
}

/* Makes the folder anew by one rule; what was in it goes first. */
static int former_make(struct tess_context *ctx, const struct cli_former *f, enum rule rule, int64_t offset, const char *from, char *to)
{
    const struct cli_archive old = {.work = to};
    struct known k = {.rule = rule};
    struct stat about;
    cli_encode_remove_work(&old);
    if (stat(from, &about) != 0)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be opened: %s", from, strerror(errno));
    const struct level top = {NULL, from, to, "", about.st_dev, about.st_ino, 0};
    int status = rule == FORMER_NAMED ? TESS_OK : known_later(ctx, f, offset, &k);
    if (status == TESS_OK && rule != FORMER_NOT_LATER)
        status = known_there(ctx, f, offset, &k);
    if (status == TESS_OK)
        status = level_copy(ctx, &k, &top);
    known_free(&k);
    return status;
}

static int former_unknown(struct tess_context *ctx, const char *shard, const char *from, int64_t more)
{
    if (more < 0)
        return ctx->fail(ctx, TESS_E_DATA,
                         "%s: lacks %" PRId64 " of the images that were there when %s was made; put them back, or say where the images are "
                         "(--from)",
                         from, -more, shard);
    return ctx->fail(ctx, TESS_E_DATA,
                     "%s: has %" PRId64
                     " more %s than when %s was made, and no shard tells which of them came later: put new ones and copies "
                     "elsewhere meanwhile, or give the images as they were then (--from)",
                     from, more, more == 1 ? "image" : "images", shard);
}

/* Makes the folder by the first rule that gives the number of images that there were. */
static int former_find(struct tess_context *ctx, const struct cli_former *f, const struct tessi_config *stage, int64_t count,
                       const char *from, char *to)
{
    int64_t more = 0;
    for (enum rule rule = FORMER_NAMED; rule < FORMER_RULES; rule++) {
        int64_t made;
        TESS_TRY(former_make(ctx, f, rule, former_offset(stage), from, to));
        TESS_TRY(former_count(ctx, f, stage, to, &made));
        if (made == count)
            return TESS_OK;
        if (rule == FORMER_NOT_LATER)
            more = (made < 0 ? 0 : made) - count;
    }
    return former_unknown(ctx, stage->key, from, more);
}

/* 1 where shards of images that came later follow. */
static int former_grown(const struct cli_former *f, int64_t offset)
{
    for (const struct tessi_config *s = f->stages->child; s; s = s->next)
        if (former_offset(s) > offset)
            return 1;
    return 0;
}

/* The folder of a stage's images; NULL: they lie in none. */
static struct tessi_config *former_folder(const struct tessi_config *stage)
{
    const struct tessi_config *source = tessi_config_child(stage, "source"), *use = source ? tessi_config_child(source, "use") : NULL;
    struct tessi_config *path = source ? tessi_config_child(source, "path") : NULL;
    struct stat about;
    return use && path && strcmp(use->text, "folder") == 0 && stat(path->text, &about) == 0 && S_ISDIR(about.st_mode) ? path : NULL;
}

int cli_former_images(struct tess_context *ctx, const struct cli_former *f, struct tessi_config *stage, int64_t *made)
{
    const int64_t offset = former_offset(stage);
    const struct tessi_config *expect = tessi_config_child(stage, "expect_count");
    struct tessi_config *path = former_folder(stage);
    char *here = NULL, *to = NULL;
    int64_t count, now;
    if (!path || !expect || !tessi_config_is_i64(expect, &count))
        return TESS_OK;
    TESS_TRY(former_count(ctx, f, stage, path->text, &now));
    if (!former_grown(f, offset) && (now == count || now < 0))
        return TESS_OK;
    TESS_TRY(tessi_base_format(ctx, &here, "%s/images-before-%" PRId64, f->work, offset));
    int status = tessi_base_path_absolute(ctx, here, &to);
    tess_free(here);
    if (status == TESS_OK && *made != offset)
        status = former_find(ctx, f, stage, count, path->text, to);
    if (status == TESS_OK)
        status = tessi_config_set_text(ctx, path, to);
    *made = status == TESS_OK ? offset : -1;
    tess_free(to);
    return status;
}
