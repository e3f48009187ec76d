/* The tree of configuration: making, walking and copying its nodes.
 *
 * A node and the name of its file are one block of memory, so a node can move to another tree (a base pipeline's stage into
 * the pipeline that extends it) and still say where it was written.
 *
 * SPDX-License-Identifier: MIT */
#include "core/config/config.h"
#include "core/base/text.h"
#include "core/config/scalar.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int tessi_config_new(struct tess_context *ctx, int32_t kind, const char *file, int32_t line, int32_t column, struct tessi_config **out)
{
    size_t bytes = strlen(file) + 1;
    void *memory = NULL;
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tessi_config) + bytes, "a piece of configuration", &memory));
    struct tessi_config *s = memory;
    char *name = (char *)(s + 1);
    memcpy(name, file, bytes);
    s->kind = kind;
    s->file = name;
    s->line = s->key_line = line;
    s->column = s->key_column = column;
    *out = s;
    return TESS_OK;
}

static int config_set(struct tess_context *ctx, char **member, const char *text)
{
    char *copy = NULL;
    TESS_TRY(tess_copy_text(ctx, text, &copy));
    tess_free(*member);
    *member = copy;
    return TESS_OK;
}

int tessi_config_set_text(struct tess_context *ctx, struct tessi_config *s, const char *text)
{
    return config_set(ctx, &s->text, text);
}

int tessi_config_set_key(struct tess_context *ctx, struct tessi_config *s, const char *key)
{
    return config_set(ctx, &s->key, key);
}

int tessi_config_set_beside(struct tess_context *ctx, struct tessi_config *s, const char *file)
{
    return config_set(ctx, &s->beside, file);
}

const char *tessi_config_beside(const struct tessi_config *s)
{
    return s->beside ? s->beside : s->file;
}

int tessi_config_set_via(struct tess_context *ctx, struct tessi_config *s, const char *via)
{
    return config_set(ctx, &s->via, via);
}

int tessi_config_set_former(struct tess_context *ctx, struct tessi_config *s, const struct tessi_config *former, const char *path,
                            int afresh)
{
    struct tessi_config *copy = NULL;
    TESS_TRY(tessi_config_copy(ctx, former, &copy));
    tessi_config_free(s->former);
    s->former = copy;
    s->afresh = afresh;
    return config_set(ctx, &s->path, path);
}

int tessi_config_stays(const struct tessi_config *former, const struct tessi_config *key)
{
    for (const struct tessi_config *old = former && former->kind == TESSI_MAP ? former->child : NULL; old; old = old->next)
        if (strcmp(old->key, key->key) == 0)
            return old->line == key->line && old->column == key->column && strcmp(old->file, key->file) == 0;
    return 0;
}

void tessi_config_append(struct tessi_config *parent, struct tessi_config *child)
{
    struct tessi_config **last = &parent->child;
    while (*last)
        last = &(*last)->next;
    *last = child;
    child->next = NULL;
}

int tessi_config_copy(struct tess_context *ctx, const struct tessi_config *s, struct tessi_config **out)
{
    struct tessi_config *copy = NULL;
    int status = tessi_config_new(ctx, s->kind, s->file, s->line, s->column, &copy);
    if (status != TESS_OK)
        goto done;
    copy->quoted = s->quoted;
    copy->key_line = s->key_line;
    copy->key_column = s->key_column;
    copy->used = s->used;
    if (s->key && (status = tessi_config_set_key(ctx, copy, s->key)) != TESS_OK)
        goto done;
    if (s->text && (status = tessi_config_set_text(ctx, copy, s->text)) != TESS_OK)
        goto done;
    if (s->beside && (status = tessi_config_set_beside(ctx, copy, s->beside)) != TESS_OK)
        goto done;
    if (s->via && (status = tessi_config_set_via(ctx, copy, s->via)) != TESS_OK)
        goto done;
    struct tessi_config **last = &copy->child;
    for (const struct tessi_config *child = s->child; child; child = child->next) {
        if ((status = tessi_config_copy(ctx, child, last)) != TESS_OK)
            goto done;
        last = &(*last)->next;
    }
done:
    if (status != TESS_OK) {
        tessi_config_free(copy);
        copy = NULL;
    }
    *out = copy;
    return status;
}

void tessi_config_free(struct tessi_config *s)
{
    if (!s)
        return;
    struct tessi_config *child = s->child;
    while (child) {
        struct tessi_config *next = child->next;
        tessi_config_free(child);
        child = next;
    }
    tess_free(s->key);
    tess_free(s->text);
    tess_free(s->beside);
    tess_free(s->path);
    tess_free(s->via);
    tessi_config_free(s->former);
    tess_free(s);
}

struct tessi_config *tessi_config_get(struct tessi_config *map, const char *key)
{
    if (!map || map->kind != TESSI_MAP)
        return NULL;
    for (struct tessi_config *child = map->child; child; child = child->next) {
        if (child->key && strcmp(child->key, key) == 0) {
            child->used = 1;
            return child;
        }
    }
    return NULL;
}

int64_t tessi_config_count(const struct tessi_config *s)
{
    int64_t n = 0;
    for (const struct tessi_config *child = s->child; child; child = child->next)
        n++;
    return n;
}

int tessi_config_fail(struct tess_context *ctx, const struct tessi_config *s, int code, const char *format, ...)
{
    char message[1536];
    va_list list;
    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    if (!s)
        return ctx->fail(ctx, code, "%s", message);
    return ctx->fail(ctx, code, "%s:%d:%d: %s", s->file, s->line, s->column, message);
}
