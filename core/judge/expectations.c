/* See expectations.h. SPDX-License-Identifier: MIT */
#include "core/judge/expectations.h"

#include "core/base/text.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { EXPECTATIONS_MAX = 256 };

struct expectation {
    char component[160], test[80], reason[400];
    int line;
};

struct expectations {
    char path[PATH_MAX];
    int64_t count;
    struct expectation item[EXPECTATIONS_MAX];
};

/* Parses a line `KIND/NAME TEST: reason`. */
static int expectations_line(struct tess_context *ctx, struct expectations *e, int line, const char *text)
{
    struct expectation *x = &e->item[e->count];
    int reason = 0;
    if (e->count == EXPECTATIONS_MAX)
        return ctx->fail(ctx, TESS_E_USAGE, "%s:%d: wanted at most %d expectations", e->path, line, EXPECTATIONS_MAX);
    if (sscanf(text, " %159s %79[^: \t]: %n", x->component, x->test, &reason) != 2 || reason == 0 || text[reason] == '\0' ||
        !strchr(x->component, '/'))
        return ctx->fail(ctx, TESS_E_USAGE, "%s:%d: wanted `KIND/NAME TEST: reason`, found `%.100s`", e->path, line, text);
    snprintf(x->reason, sizeof x->reason, "%s", text + reason);
    x->line = line;
    e->count++;
    return TESS_OK;
}

static int expectations_lines(struct tess_context *ctx, struct expectations *e, FILE *f)
{
    char text[800];
    for (int line = 1; fgets(text, sizeof text, f); line++) {
        text[strcspn(text, "\r\n")] = '\0';
        const char *at = text + strspn(text, " \t");
        if (*at != '\0' && *at != '#')
            TESS_TRY(expectations_line(ctx, e, line, at));
    }
    return TESS_OK;
}

/* Path of PLUGIN.expect for PLUGIN.so, at the n-th place to look. */
static int expectations_beside(const char *plugin, int n, char *path, size_t capacity)
{
    const char *slash = strrchr(plugin, '/'), *name = slash ? slash + 1 : plugin;
    int folder = (int)(name - plugin), built = folder >= 6 && strncmp(name - 6, ".libs/", 6) == 0;
    if (n > built)
        return 0;
    int bytes = snprintf(path, capacity, "%.*s%.*s.expect", n ? folder - 6 : folder, plugin, (int)strcspn(name, "."), name);
    return bytes > 0 && (size_t)bytes < capacity;
}

int judge_expectations_read(struct tess_context *ctx, const char *path, const char *plugin, struct expectations **out)
{
    char beside[PATH_MAX];
    void *memory;
    FILE *f = path ? fopen(path, "re") : NULL;
    *out = NULL;
    if (path && !f)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", path, strerror(errno));
    for (int n = 0; !path && !f && expectations_beside(plugin, n, beside, sizeof beside); n++)
        f = fopen(beside, "re");
    if (!f)
        return TESS_OK;
    int status = tess_alloc(ctx, sizeof **out, "expectations", &memory);
    if (status == TESS_OK) {
        *out = memory;
        snprintf((*out)->path, sizeof(*out)->path, "%s", path ? path : beside);
        status = expectations_lines(ctx, *out, f);
    }
    (void)fclose(f);
    return status;
}

void judge_expectations_free(struct expectations *e)
{
    tess_free(e);
}

const char *judge_expectations_find(const struct expectations *e, const char *component, const char *test)
{
    for (int64_t i = 0; e && i < e->count; i++)
        if (strcmp(e->item[i].component, component) == 0 && strcmp(e->item[i].test, test) == 0)
            return e->item[i].reason;
    return NULL;
}

const char *judge_expectations_path(const struct expectations *e)
{
    return e ? e->path : "";
}

int judge_expectations_at(const struct expectations *e, int64_t i, const char **component, const char **test)
{
    if (!e || i >= e->count)
        return 0;
    *component = e->item[i].component;
    *test = e->item[i].test;
    return e->item[i].line;
}
