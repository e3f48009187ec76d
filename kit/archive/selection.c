/* See selection.h. SPDX-License-Identifier: MIT */
#include "kit/archive/selection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int selection_line(struct tess_context *ctx, const char *path, int64_t line, const char *text, int64_t count,
                          struct archive_selection *s)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    int64_t before = s->count ? s->item[s->count - 1] : -1;
    if (end == text || errno || !strchr(" \n", *end) || number <= before || number >= count)
        return ctx->fail(ctx, TESS_E_DATA,
                         "%s:%lld: wanted the number of an item above %lld and below %lld, the source's items; found `%.40s`", path,
                         (long long)line, (long long)before, (long long)count, text);
    TESS_TRY(tess_reserve(ctx, &s->item, &s->capacity, s->count + 1, sizeof *s->item, "numbers of items"));
    s->item[s->count++] = number;
    return TESS_OK;
}

int archive_selection_read(struct tess_context *ctx, const char *path, int64_t count, struct archive_selection *out)
{
    char *text = NULL;
    size_t capacity = 0;
    int status = TESS_OK;
    *out = (struct archive_selection){.count = path ? 0 : count};
    FILE *f = path ? fopen(path, "re") : NULL;
    if (path && !f)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
    for (int64_t line = 1; f && status == TESS_OK && getline(&text, &capacity, f) > 0; line++)
        if (*text != '#')
            status = selection_line(ctx, path, line, text, count, out);
    if (status == TESS_OK && f && ferror(f))
        status = ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", path, strerror(errno));
    free(text);
    if (f)
        (void)fclose(f);
    return status;
}

int archive_selection_digest(struct tess_context *ctx, const char *path, struct tess_digest *d)
{
    char piece[4096];
    FILE *f = fopen(path, "rbe");
    if (!f)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
        tess_digest_add(d, piece, n);
    int status = ferror(f) ? ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", path, strerror(errno)) : TESS_OK;
    (void)fclose(f);
    return status;
}

void archive_selection_free(struct archive_selection *s)
{
    tess_free(s->item);
    *s = (struct archive_selection){.item = NULL};
}

int64_t archive_selection_at(const struct archive_selection *s, int64_t i)
{
    return s->item ? s->item[i] : i;
}
