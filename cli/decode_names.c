/* See decode_names.h. Paths are sorted with `/` before all other bytes, so that those that collide, two rows of one path or a file where
 * another row wants a folder, are neighbours. Whoever collides gets the next form of its name; the last form, a number, is one row's alone.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/decode_names.h"
#include "core/base/files.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENDING ".png"
#define NUMBER ".000000000"

/* Forms of a path. */
enum { FORM_NAME, FORM_BOTH, FORM_NUMBER };

/* 1 for a name that a file below a folder can have: relative, without `..`, without control characters, not too long with what comes behind
 * it, and not within the file of the folder itself. */
static int stays_below(const char *name)
{
    if (!*name || *name == '/' || strncmp(name, DECODE_MARK "/", sizeof DECODE_MARK) == 0)
        return 0;
    for (const char *at = name; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return 0;
    for (const char *part = name; part; part = strchr(part, '/')) {
        part += *part == '/';
        size_t n = strcspn(part, "/");
        if (n == 0 || (n <= 2 && strncmp(part, "..", n) == 0) || n + sizeof NUMBER ENDING > NAME_MAX)
            return 0;
    }
    return 1;
}

/* Gives a row the path of a form of its name. */
static int set_form(struct tess_context *ctx, struct decode_names *n, int64_t row, int form, const char *name)
{
    char *path = NULL;
    if (form == FORM_NAME)
        TESS_TRY(tessi_base_format(ctx, &path, "%s" ENDING, name));
    else if (form == FORM_BOTH)
        TESS_TRY(tessi_base_format(ctx, &path, "%s.%09" PRId64 ENDING, name, row));
    else
        TESS_TRY(tessi_base_format(ctx, &path, "%09" PRId64 ENDING, row));
    tess_free(n->path[row]);
    n->path[row] = path;
    n->form[row] = (char)form;
    return TESS_OK;
}

/* Gives a row, whose path collides, the next form. */
static int raise_form(struct tess_context *ctx, struct decode_names *n, int64_t row, int *raised)
{
    const int behind = n->form[row] == FORM_BOTH ? snprintf(NULL, 0, ".%09" PRId64 ENDING, row) : (int)strlen(ENDING);
    char *name = NULL;
    if (n->form[row] == FORM_NUMBER)
        return TESS_OK;
    TESS_TRY(tessi_base_format(ctx, &name, "%.*s", (int)strlen(n->path[row]) - behind, n->path[row]));
    int status = set_form(ctx, n, row, n->form[row] + 1, name);
    tess_free(name);
    *raised = 1;
    return status;
}

/* ---- collisions --------------------------------------------------------------------------------------------------------------- */

static int place_in_order(unsigned char c)
{
    return c == '/' ? 1 : c; /* lower than all that a path may have */
}

static int by_path(const void *a, const void *b)
{
    const char *x = **(char **const *)a, *y = **(char **const *)b;
    while (*x && *x == *y)
        x++, y++;
    return place_in_order((unsigned char)*x) - place_in_order((unsigned char)*y);
}

/* 1 for a path within the folder `above`. */
static int lies_in(const char *path, const char *above)
{
    size_t length = strlen(above);
    return strncmp(path, above, length) == 0 && path[length] == '/';
}

/* Raises those of the rows from at[first] on that share its path, or of which it is a folder; *next: the first one of another path. */
static int raise_at(struct tess_context *ctx, struct decode_names *n, char ***at, int64_t first, int64_t *next, int *raised)
{
    int64_t end = first + 1;
    while (end < n->count && strcmp(*at[end], *at[first]) == 0)
        end++;
    *next = end;
    if (end == n->count || !lies_in(*at[end], *at[first])) {
        for (int64_t i = first; end - first > 1 && i < end; i++)
            TESS_TRY(raise_form(ctx, n, at[i] - n->path, raised));
        return TESS_OK;
    }
    int below = 1; /* a file gives way, unless it has the last form */
    for (int64_t i = first; i < end; i++) {
        below = below && n->form[at[i] - n->path] == FORM_NUMBER;
        TESS_TRY(raise_form(ctx, n, at[i] - n->path, raised));
    }
    while (below && *next < n->count && lies_in(*at[*next], *at[first])) {
        TESS_TRY(raise_form(ctx, n, at[*next] - n->path, raised));
        ++*next;
    }
    return TESS_OK;
}

/* Raises rows until no two collide; each is raised twice at most. */
static int raise_all(struct tess_context *ctx, struct decode_names *n)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)n->count * sizeof(char **) + 1, "names of images", &memory));
    char ***at = memory;
    int status = TESS_OK, raised = 1;
    for (int64_t i = 0; i < n->count; i++)
        at[i] = &n->path[i];
    while (raised && status == TESS_OK) {
        raised = 0;
        qsort(at, (size_t)n->count, sizeof *at, by_path);
        for (int64_t i = 0; i < n->count && status == TESS_OK;)
            status = raise_at(ctx, n, at, i, &i, &raised);
    }
    tess_free(memory);
    return status;
}

/* ---- all ---------------------------------------------------------------------------------------------------------------------- */

int cli_decode_names(struct tess_context *ctx, const struct tess_artefact *codes, int64_t count, struct decode_names *n)
{
    const int form = tess_artefact_has(codes, "item") ? FORM_BOTH : FORM_NAME;
    void *memory;
    if (!tess_artefact_has(codes, "names"))
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, (size_t)count * sizeof(char *) + 1, "names of images", &memory));
    n->path = memory;
    n->count = count;
    TESS_TRY(tess_alloc(ctx, (size_t)count + 1, "names of images", &memory));
    n->form = memory;
    TESS_TRY(tessi_store_artefact_strings(ctx, codes, "names", count, n->path));
    for (int64_t i = 0; i < count; i++)
        TESS_TRY(set_form(ctx, n, i, stays_below(n->path[i]) ? form : FORM_NUMBER, n->path[i]));
    return raise_all(ctx, n);
}

void cli_decode_names_free(struct decode_names *n)
{
    for (int64_t i = 0; i < n->count; i++)
        tess_free(n->path[i]);
    tess_free(n->path);
    tess_free(n->form);
}

int cli_decode_path(struct tess_context *ctx, const struct decode_names *n, const char *folder, int64_t row, char **path)
{
    if (n->path)
        return tessi_base_format(ctx, path, "%s/%s", folder, n->path[row]);
    return tessi_base_format(ctx, path, "%s/%09" PRId64 ENDING, folder, row);
}
