/* The list of files that passed their trial (trial.h): text, a line a file, the last that passed first.
 *
 *     DIGEST <tab> ENVIRONMENT <tab> PATH=PLACE <tab> PATH=PLACE ...
 *
 * PLACE is device, inode, size and both times of a file that was loaded with it. ENVIRONMENT is a digest of what tells the loader where
 * libraries are. A list that does not look right is taken for none, one that cannot be written is not missed.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* dl_iterate_phdr */
#include "core/base/context.h"
#include "core/base/files.h"
#include "core/plug/plug_private.h"
#include "core/plug/trial.h"

#include <inttypes.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LINES_MAX 64
#define BYTES_MAX (1 << 20)

struct tessi_passed {
    char *path;  /* path of the list; NULL: there is no folder for it */
    char *text;  /* contents of the list, after its first line; NULL: not read yet */
    char *fresh; /* new lines, to be put in front */
    char environment[TESS_DIGEST_TEXT];
};

static const char head[] = "tessera plugins that passed 1\n";

int tessi_plug_passed_open(struct tess_context *ctx, struct tessi_passed **out)
{
    static const char *const names[] = {"LD_LIBRARY_PATH", "LD_PRELOAD", "LD_AUDIT"};
    void *memory = NULL;
    struct tess_digest d;
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tessi_passed), "the list of plugins that passed", &memory));
    struct tessi_passed *p = memory;
    *out = p;
    tess_digest_start(&d);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        tess_digest_add_text(&d, value ? value : "");
    }
    tess_digest_end(&d, p->environment);
    if (cache && *cache == '/')
        return tessi_base_format(ctx, &p->path, "%s/tessera/plugins", cache);
    return home && *home == '/' ? tessi_base_format(ctx, &p->path, "%s/.cache/tessera/plugins", home) : TESS_OK;
}

/* ---- files as they are --------------------------------------------------------------------------------------------- */

/* Place of a file as text, "DEVICE:INODE:SIZE:MTIME:CTIME"; 0: the file does not exist. */
static int place_of(const char *path, char *text, size_t capacity)
{
    struct stat s;
    if (stat(path, &s) != 0)
        return 0;
    snprintf(text, capacity, "%" PRIx64 ":%" PRIx64 ":%lld:%lld.%09ld:%lld.%09ld", (uint64_t)s.st_dev, (uint64_t)s.st_ino,
             (long long)s.st_size, (long long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec, (long long)s.st_ctim.tv_sec, s.st_ctim.tv_nsec);
    return 1;
}

/* 1 where each file "PATH=PLACE" of the line is unchanged. */
static int is_as_it_was(const char *line)
{
    char path[PATH_MAX], place[160];
    while (*line == '\t') {
        size_t length = strcspn(++line, "\t\n"), equals = length;
        while (equals > 0 && line[equals] != '=')
            equals--;
        if (equals == 0 || equals >= sizeof path)
            return 0;
        snprintf(path, sizeof path, "%.*s", (int)equals, line);
        if (!place_of(path, place, sizeof place) || strlen(place) != length - equals - 1 ||
            memcmp(place, line + equals + 1, length - equals - 1) != 0)
            return 0;
        line += length;
    }
    return *line == '\n';
}

/* ---- the list ------------------------------------------------------------------------------------------------------ */

static void passed_read(struct tessi_passed *p)
{
    struct tessi_context own;
    void *memory = NULL;
    char front[sizeof head - 1];
    tessi_base_context_init(&own, NULL);
    FILE *f = p->path ? fopen(p->path, "rbe") : NULL;
    if (tess_alloc(&own.context, BYTES_MAX + 1, "the list of plugins that passed", &memory) != TESS_OK) {
        if (f)
            fclose(f);
        return;
    }
    p->text = memory; /* zeroed memory: "" where there is no list */
    if (!f)
        return;
    if (fread(front, 1, sizeof front, f) == sizeof front && memcmp(front, head, sizeof front) == 0)
        p->text[fread(p->text, 1, BYTES_MAX, f)] = '\0';
    fclose(f);
}

int tessi_plug_passed_has(struct tessi_passed *p, const char *digest)
{
    size_t length = strlen(digest), other = strlen(p->environment);
    if (!p->text)
        passed_read(p);
    for (const char *line = p->text; line && *line; line += strcspn(line, "\n"), line += *line == '\n')
        if (strncmp(line, digest, length) == 0 && line[length] == '\t' && strncmp(line + length + 1, p->environment, other) == 0 &&
            is_as_it_was(line + length + 1 + other))
            return 1;
    return 0;
}

struct loaded {
    FILE *to;
    int (*without)(void *user, const char *path);
    void *user;
    int good;
};

static int add_loaded(struct dl_phdr_info *info, size_t size, void *user)
{
    struct loaded *l = user;
    char place[160];
    const char *path = *info->dlpi_name ? info->dlpi_name : "/proc/self/exe";
    (void)size;
    if (*path != '/' || l->without(l->user, path)) /* not a file: linux-vdso is the kernel's */
        return 0;
    l->good = l->good && !strpbrk(path, "\t\n") && place_of(path, place, sizeof place);
    if (l->good)
        fprintf(l->to, "\t%s=%s", path, place);
    return 0;
}

void tessi_plug_passed_add(struct tessi_passed *p, const char *digest, int (*without)(void *user, const char *path), void *user)
{
    char *text = NULL, *joined = NULL;
    size_t bytes = 0;
    struct tessi_context own;
    struct loaded l = {.to = p->path ? open_memstream(&text, &bytes) : NULL, .without = without, .user = user, .good = 1};
    tessi_base_context_init(&own, NULL);
    if (!l.to)
        return;
    fprintf(l.to, "%s\t%s", digest, p->environment);
    dl_iterate_phdr(add_loaded, &l);
    fputc('\n', l.to);
    if (fclose(l.to) == 0 && l.good && tessi_base_format(&own.context, &joined, "%s%s", text, p->fresh ? p->fresh : "") == TESS_OK) {
        tess_free(p->fresh);
        p->fresh = joined;
    }
    free(text);
}

/* Writes the list: the new lines, then the earlier lines of other files, up to the most that is kept. */
static void passed_write(struct tess_context *ctx, const struct tessi_passed *p)
{
    char *text = NULL, *folder = NULL;
    size_t bytes = 0;
    int lines = 0;
    FILE *to = open_memstream(&text, &bytes);
    if (!to)
        return;
    fprintf(to, "%s%s", head, p->fresh);
    for (const char *at = p->fresh; (at = strchr(at, '\n')); at++)
        lines++;
    for (const char *line = p->text; line && *line && lines < LINES_MAX; line += strcspn(line, "\n"), line += *line == '\n') {
        char digest[TESS_DIGEST_TEXT];
        snprintf(digest, sizeof digest, "%s", line);
        size_t length = strcspn(line, "\n");
        if (strstr(p->fresh, digest) || line[length] != '\n')
            continue;
        fprintf(to, "%.*s\n", (int)length, line);
        lines++;
    }
    const char *slash = strrchr(p->path, '/');
    if (fclose(to) == 0 && tessi_base_format(ctx, &folder, "%.*s", (int)(slash - p->path), p->path) == TESS_OK &&
        tessi_base_make_folder(ctx, folder) == TESS_OK && bytes < BYTES_MAX)
        (void)!tessi_base_write_text(ctx, p->path, text, bytes);
    tess_free(folder);
    free(text);
}

void tessi_plug_passed_save(struct tessi_passed *p)
{
    struct tessi_context own;
    tessi_base_context_init(&own, NULL);
    if (p->fresh && p->path)
        passed_write(&own.context, p);
    tess_free(p->text);
    tess_free(p->fresh);
    p->text = p->fresh = NULL; /* text and fresh entries are read again when needed */
}

void tessi_plug_passed_close(struct tessi_passed *p)
{
    if (!p)
        return;
    tessi_plug_passed_save(p);
    tess_free(p->path);
    tess_free(p);
}
