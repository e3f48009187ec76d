/* One configuration laid over another: `extends` and the command line's overrides follow the same rule.
 *
 * Maps are merged key by key; a scalar or a list replaces what was there. A null takes a key away, so that a change of `use`
 * can drop a parameter the new component does not have; without that the parameter check would speak up. A component may be
 * written by its bare name: laid over by a map, the name becomes the map's `use`.
 *
 * SPDX-License-Identifier: MIT */
#include "core/flow/load.h"

#include "core/base/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_NAMES 256

struct tessi_spec *tessi_spec_child(const struct tessi_spec *map, const char *key)
{
    for (struct tessi_spec *child = map && map->kind == TESSI_MAP ? map->child : NULL; child; child = child->next)
        if (strcmp(child->key, key) == 0)
            return child;
    return NULL;
}

const char *tessi_suggest(const struct tessi_spec *map, const char *word, char *text, size_t room)
{
    const char *names[MAX_NAMES] = {NULL};
    int64_t n = 0;
    for (const struct tessi_spec *child = map && map->kind == TESSI_MAP ? map->child : NULL; child && n < MAX_NAMES; child = child->next)
        names[n++] = child->key;
    const char *nearest = tessi_nearest_name(word, names, n);
    text[0] = '\0';
    if (nearest)
        snprintf(text, room, "; did you mean `%s`?", nearest);
    else if (n == 0)
        snprintf(text, room, "; there is none");
    for (int64_t i = 0; !nearest && i < n; i++) {
        size_t used = strlen(text);
        snprintf(text + used, room - used, "%s%s", i ? ", " : "; there are ", names[i]);
    }
    return text;
}

int tessi_key_fail(struct tess_call *c, const struct tessi_spec *s, int code, const char *format, ...)
{
    char message[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    return c->fail(c, code, "%s:%d:%d: %s", s->file, (int)s->key_line, (int)s->key_column, message);
}

static int is_null(const struct tessi_spec *s)
{
    return s->kind == TESSI_SCALAR && !s->quoted &&
           (!s->text || *s->text == '\0' || strcmp(s->text, "~") == 0 || strcmp(s->text, "null") == 0);
}

/* `name` -> {use: name} */
static int name_to_map(struct tess_call *c, struct tessi_spec *s)
{
    struct tessi_spec *use = NULL;
    TESS_TRY(tessi_spec_new(c, TESSI_SCALAR, s->file, s->line, s->column, &use));
    int status = tessi_spec_set_key(c, use, "use");
    if (status != TESS_OK) {
        tessi_spec_free(use);
        return status;
    }
    use->quoted = s->quoted;
    use->text = s->text;
    s->text = NULL;
    s->quoted = 0;
    s->kind = TESSI_MAP;
    s->child = use;
    return TESS_OK;
}

/* One key of the change, detached from it. */
static int lay_over(struct tess_call *c, struct tessi_spec *base, struct tessi_spec *change, struct tessi_spec *dropped)
{
    char near[300];
    struct tessi_spec **at = &base->child;
    while (*at && strcmp((*at)->key, change->key) != 0)
        at = &(*at)->next;
    struct tessi_spec *old = *at;
    int status = TESS_OK;
    if (is_null(change)) {
        if (!old) {
            status = tessi_key_fail(c, change, TESS_E_USAGE, "`%s: null` takes a key away, and there is no `%s` to take%s", change->key,
                                    change->key, tessi_suggest(base, change->key, near, sizeof near));
        } else {
            *at = old->next;
            tessi_spec_append(dropped, old);
        }
        tessi_spec_free(change);
        return status;
    }
    if (old && change->kind == TESSI_MAP && old->kind == TESSI_SCALAR && !is_null(old) && !tessi_spec_child(change, "use")) {
        status = name_to_map(c, old);
        if (status != TESS_OK) {
            tessi_spec_free(change);
            return status;
        }
    }
    if (old && change->kind == TESSI_MAP && old->kind == TESSI_MAP)
        return tessi_merge(c, old, change, dropped);
    if (old) {
        *at = change;
        change->next = old->next;
        tessi_spec_append(dropped, old);
    } else {
        tessi_spec_append(base, change);
    }
    return TESS_OK;
}

int tessi_merge(struct tess_call *c, struct tessi_spec *base, struct tessi_spec *change, struct tessi_spec *dropped)
{
    int status = TESS_OK;
    while (change->child && status == TESS_OK) {
        struct tessi_spec *child = change->child;
        change->child = child->next;
        child->next = NULL;
        status = lay_over(c, base, child, dropped);
    }
    tessi_spec_free(change);
    return status;
}
