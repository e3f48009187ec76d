/* See tar_shards.h. Braces are expanded first, from the left; glob(3) does the rest, which glob's own braces could not: they do not count.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/sources/tar/tar_shards.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { TAR_BRACES_MAX = 4 };

static int shards_too_many(struct tess_context *ctx, const char *pattern)
{
    return ctx->fail(ctx, TESS_E_VALUE, "%s: stands for more than %d files; name fewer at a time", pattern, TAR_SHARDS_MAX);
}

/* Adds a text, which the list owns then. */
static int shards_own(struct tess_context *ctx, struct tar_shards *s, const char *pattern, char *path)
{
    int status = s->count < TAR_SHARDS_MAX ? tess_reserve(ctx, &s->path, &s->capacity, s->count + 1, sizeof *s->path, "names of files")
                                           : shards_too_many(ctx, pattern);
    if (status == TESS_OK)
        s->path[s->count++] = path;
    else
        tess_free(path);
    return status;
}

static int shards_add(struct tess_context *ctx, struct tar_shards *s, const char *pattern, const char *path)
{
    char *copy;
    TESS_TRY(tess_copy_text(ctx, path, &copy));
    return shards_own(ctx, s, pattern, copy);
}

/* ---- braces -------------------------------------------------------------------------------------------------------- */

/* Adds FRONT MIDDLE BACK, of which the first two have lengths. */
static int shards_add_parts(struct tess_context *ctx, struct tar_shards *s, const char *pattern, size_t front, const char *middle, size_t n,
                            const char *back)
{
    size_t rest = strlen(back);
    void *memory;
    TESS_TRY(tess_alloc(ctx, front + n + rest + 1, "the name of a file", &memory));
    char *text = memory;
    memcpy(text, pattern, front);
    memcpy(text + front, middle, n);
    memcpy(text + front + n, back, rest + 1);
    return shards_own(ctx, s, pattern, text);
}

/* Reads digits; 0 where there are none, or more than a number of files could have. */
static int shards_number(const char **at, int64_t *out, int *digits)
{
    const char *from = *at;
    *out = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++)
        if (*at - from > 11)
            return 0;
        else
            *out = 10 * *out + **at - '0';
    *digits = (int)(*at - from);
    return *digits > 0;
}

/* Expands {FIRST..LAST} behind `front` bytes; *range 0: it is none. */
static int shards_range(struct tess_context *ctx, struct tar_shards *s, const char *pattern, size_t front, const char *close, int *range)
{
    const char *at = pattern + front + 1;
    int64_t first, last;
    int digits, digits_last;
    char text[24];
    *range = shards_number(&at, &first, &digits) && at[0] == '.' && at[1] == '.';
    at += *range ? 2 : 0;
    *range = *range && shards_number(&at, &last, &digits_last) && at == close;
    if (!*range)
        return TESS_OK;
    if (last < first || last - first >= TAR_SHARDS_MAX)
        return last < first ? ctx->fail(ctx, TESS_E_VALUE, "%s: counts down; write the lower number first", pattern)
                            : shards_too_many(ctx, pattern);
    for (int64_t i = first; i <= last; i++) {
        int n = snprintf(text, sizeof text, "%0*lld", digits, (long long)i);
        TESS_TRY(shards_add_parts(ctx, s, pattern, front, text, (size_t)n, close + 1));
    }
    return TESS_OK;
}

/* Expands the first braces of a pattern; *more 0: it has none. */
static int shards_braces(struct tess_context *ctx, struct tar_shards *s, const char *pattern, int *more)
{
    const char *open = strchr(pattern, '{'), *close = open ? strchr(open, '}') : NULL;
    int range;
    *more = close != NULL;
    if (!close)
        return TESS_OK;
    TESS_TRY(shards_range(ctx, s, pattern, (size_t)(open - pattern), close, &range));
    for (const char *at = open + 1; !range && at <= close;) {
        size_t n = strcspn(at, ",}");
        TESS_TRY(shards_add_parts(ctx, s, pattern, (size_t)(open - pattern), at, n, close + 1));
        at += n + 1;
    }
    return TESS_OK;
}

size_t tar_shard_front(const char *name)
{
    static const char *const endings[] = {".tar", ".tar.gz",  ".tgz",  ".tar.zst", ".tzst",   ".tar.xz",
                                          ".txz", ".tar.bz2", ".tbz2", ".tbz",     ".tar.lz4"};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t n = strlen(endings[i]);
        if (length > n && strcasecmp(name + length - n, endings[i]) == 0)
            return length - n;
    }
    return 0;
}

/* ---- files --------------------------------------------------------------------------------------------------------- */

static int shards_by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int shards_missing(struct tess_context *ctx, const char *pattern)
{
    return ctx->fail(ctx, TESS_E_IO, "%s: there is no such file; check the path, and see datasets/README.md", pattern);
}

/* Adds the files that match, or with `tars` those of them whose names have the ending of a tar file. */
static int shards_glob(struct tess_context *ctx, struct tar_shards *s, const char *pattern, int tars)
{
    int64_t before = s->count;
    glob_t found;
    int status = TESS_OK, error = glob(pattern, GLOB_NOSORT | GLOB_ERR, NULL, &found);
    if (error == GLOB_NOMATCH)
        return shards_missing(ctx, pattern);
    if (error)
        return ctx->fail(ctx, error == GLOB_NOSPACE ? TESS_E_MEMORY : TESS_E_IO, "%s: cannot be listed: %s", pattern,
                         error == GLOB_NOSPACE ? "no memory" : strerror(errno));
    qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, shards_by_bytes);
    for (size_t i = 0; i < found.gl_pathc && status == TESS_OK; i++)
        if (!tars || tar_shard_front(found.gl_pathv[i]))
            status = shards_add(ctx, s, pattern, found.gl_pathv[i]);
    globfree(&found);
    return status != TESS_OK || s->count > before ? status : shards_missing(ctx, pattern);
}

/* Adds what one pattern without braces stands for. */
static int shards_find(struct tess_context *ctx, struct tar_shards *s, const char *pattern)
{
    struct stat about;
    if (stat(pattern, &about) != 0)
        return shards_glob(ctx, s, pattern, 0);
    if (!S_ISDIR(about.st_mode))
        return shards_add(ctx, s, pattern, pattern);
    struct tar_shards one = {0};
    int status = shards_add_parts(ctx, &one, pattern, strlen(pattern), "/*.t*", 5, "");
    if (status == TESS_OK)
        status = shards_glob(ctx, s, one.path[0], 1);
    tar_shards_free(&one);
    return status;
}

/* Expands all braces, the first of each text at a time, in the order that a shell has: depth first. */
static int shards_expand(struct tess_context *ctx, struct tar_shards *s, const char *pattern, int depth)
{
    struct tar_shards texts = {0};
    int more = 0, status = shards_braces(ctx, &texts, pattern, &more);
    if (status == TESS_OK && !more)
        status = shards_find(ctx, s, pattern);
    if (status == TESS_OK && more && depth == 0)
        status = ctx->fail(ctx, TESS_E_VALUE, "%s: has too many braces; %d are possible", pattern, TAR_BRACES_MAX);
    for (int64_t i = 0; i < texts.count && status == TESS_OK; i++)
        status = shards_expand(ctx, s, texts.path[i], depth - 1);
    tar_shards_free(&texts);
    return status;
}

int tar_shards_list(struct tess_context *ctx, const char *pattern, struct tar_shards *s)
{
    struct stat about;
    return stat(pattern, &about) == 0 ? shards_find(ctx, s, pattern) : shards_expand(ctx, s, pattern, TAR_BRACES_MAX);
}

void tar_shards_free(struct tar_shards *s)
{
    for (int64_t i = 0; i < s->count; i++)
        tess_free(s->path[i]);
    tess_free(s->path);
    *s = (struct tar_shards){0};
}
