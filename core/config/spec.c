/* The tree of configuration: making, walking and copying its nodes.
 *
 * A node and the name of its file are one block of memory, so a node can move to another tree (a base pipeline's stage into
 * the pipeline that extends it) and still say where it was written.
 *
 * SPDX-License-Identifier: MIT */
#include "core/config/spec.h"
#include "core/base/text.h"
#include "core/config/scalar.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int tessi_spec_new(struct tess_call *c, int32_t kind, const char *file, int32_t line, int32_t column, struct tessi_spec **out)
{
    size_t bytes = strlen(file) + 1;
    void *memory = NULL;
    *out = NULL;
    TESS_TRY(tess_alloc(c, sizeof(struct tessi_spec) + bytes, "a piece of configuration", &memory));
    struct tessi_spec *s = memory;
    char *name = (char *)(s + 1);
    memcpy(name, file, bytes);
    s->kind = kind;
    s->file = name;
    s->line = s->key_line = line;
    s->column = s->key_column = column;
    *out = s;
    return TESS_OK;
}

static int set(struct tess_call *c, char **member, const char *text)
{
    char *copy = NULL;
    TESS_TRY(tessi_text_copy(c, text, strlen(text), &copy));
    tess_free(*member);
    *member = copy;
    return TESS_OK;
}

int tessi_spec_set_text(struct tess_call *c, struct tessi_spec *s, const char *text)
{
    return set(c, &s->text, text);
}

int tessi_spec_set_key(struct tess_call *c, struct tessi_spec *s, const char *key)
{
    return set(c, &s->key, key);
}

int tessi_spec_set_beside(struct tess_call *c, struct tessi_spec *s, const char *file)
{
    return set(c, &s->beside, file);
}

const char *tessi_spec_beside(const struct tessi_spec *s)
{
    return s->beside ? s->beside : s->file;
}

int tessi_spec_set_via(struct tess_call *c, struct tessi_spec *s, const char *via)
{
    return set(c, &s->via, via);
}

int tessi_spec_set_former(struct tess_call *c, struct tessi_spec *s, const struct tessi_spec *former, const char *path, int afresh)
{
    struct tessi_spec *copy = NULL;
    TESS_TRY(tessi_spec_copy(c, former, &copy));
    tessi_spec_free(s->former);
    s->former = copy;
    s->afresh = afresh;
    return set(c, &s->path, path);
}

int tessi_spec_stays(const struct tessi_spec *former, const struct tessi_spec *key)
{
    for (const struct tessi_spec *old = former && former->kind == TESSI_MAP ? former->child : NULL; old; old = old->next)
        if (strcmp(old->key, key->key) == 0)
            return old->line == key->line && old->column == key->column && strcmp(old->file, key->file) == 0;
    return 0;
}

void tessi_spec_append(struct tessi_spec *parent, struct tessi_spec *child)
{
    struct tessi_spec **last = &parent->child;
    while (*last)
        last = &(*last)->next;
    *last = child;
    child->next = NULL;
}

int tessi_spec_copy(struct tess_call *c, const struct tessi_spec *s, struct tessi_spec **out)
{
    struct tessi_spec *copy = NULL;
    int status = tessi_spec_new(c, s->kind, s->file, s->line, s->column, &copy);
    if (status != TESS_OK)
        goto done;
    copy->quoted = s->quoted;
    copy->key_line = s->key_line;
    copy->key_column = s->key_column;
    copy->used = s->used;
    if (s->key && (status = tessi_spec_set_key(c, copy, s->key)) != TESS_OK)
        goto done;
    if (s->text && (status = tessi_spec_set_text(c, copy, s->text)) != TESS_OK)
        goto done;
    if (s->beside && (status = tessi_spec_set_beside(c, copy, s->beside)) != TESS_OK)
        goto done;
    if (s->via && (status = tessi_spec_set_via(c, copy, s->via)) != TESS_OK)
        goto done;
    struct tessi_spec **last = &copy->child;
    for (const struct tessi_spec *child = s->child; child; child = child->next) {
        if ((status = tessi_spec_copy(c, child, last)) != TESS_OK)
            goto done;
        last = &(*last)->next;
    }
done:
    if (status != TESS_OK) {
        tessi_spec_free(copy);
        copy = NULL;
    }
    *out = copy;
    return status;
}

void tessi_spec_free(struct tessi_spec *s)
{
    if (!s)
        return;
    struct tessi_spec *child = s->child;
    while (child) {
        struct tessi_spec *next = child->next;
        tessi_spec_free(child);
        child = next;
    }
    tess_free(s->key);
    tess_free(s->text);
    tess_free(s->beside);
    tess_free(s->path);
    tess_free(s->via);
    tessi_spec_free(s->former);
    tess_free(s);
}

struct tessi_spec *tessi_spec_get(struct tessi_spec *map, const char *key)
{
    if (!map || map->kind != TESSI_MAP)
        return NULL;
    for (struct tessi_spec *child = map->child; child; child = child->next) {
        if (child->key && strcmp(child->key, key) == 0) {
            child->used = 1;
            return child;
        }
    }
    return NULL;
}

int64_t tessi_spec_count(const struct tessi_spec *s)
{
    int64_t n = 0;
    for (const struct tessi_spec *child = s->child; child; child = child->next)
        n++;
    return n;
}

int tessi_spec_fail(struct tess_call *c, const struct tessi_spec *s, int code, const char *format, ...)
{
    char message[1536];
    va_list list;
    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    if (!s)
        return c->fail(c, code, "%s", message);
    return c->fail(c, code, "%s:%d:%d: %s", s->file, s->line, s->column, message);
}
