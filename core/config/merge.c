/* Merge of two configurations, one laid over the other: `extends` and the command line's overrides follow the same rule.
 *
 * Maps are merged key by key; a scalar or a list replaces what was there. A null takes a key away, so that a change of `use`
 * can drop a parameter the new component does not have; without that the parameter check would speak up. A component may be
 * written by its bare name: laid over by a map, the name becomes the map's `use`.
 *
 * SPDX-License-Identifier: MIT */
#include "core/config/merge.h"

#include "core/base/context.h"
#include "core/base/lookalike.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct tessi_config *tessi_config_child(const struct tessi_config *map, const char *key)
{
    for (struct tessi_config *child = map && map->kind == TESSI_MAP ? map->child : NULL; child; child = child->next)
        if (strcmp(child->key, key) == 0)
            return child;
    return NULL;
}

int64_t tessi_config_key_names(const struct tessi_config *map, const char **names, int64_t capacity)
{
    int64_t n = 0;
    for (const struct tessi_config *child = map && map->kind == TESSI_MAP ? map->child : NULL; child && n < capacity; child = child->next)
        names[n++] = child->key;
    return n;
}

const char *tessi_config_suggest(const struct tessi_config *map, const char *word, char *text, size_t capacity)
{
    const char *names[MAX_NAMES] = {NULL};
    int64_t n = tessi_config_key_names(map, names, MAX_NAMES);
    const char *nearest = tessi_base_nearest_name(word, names, n);
    size_t begins = strlen(tessi_base_lookalike_words(word, text, capacity));
    if (nearest)
        snprintf(text + begins, capacity - begins, "; did you mean `%s`?", nearest);
    else if (n == 0)
        snprintf(text + begins, capacity - begins, "; there is none");
    for (int64_t i = 0; !nearest && i < n; i++) {
        size_t used = strlen(text);
        snprintf(text + used, capacity - used, "%s%s", i ? ", " : "; there are ", names[i]);
    }
    return text;
}

int tessi_config_key_fail(struct tess_context *ctx, const struct tessi_config *s, int code, const char *format, ...)
{
    char message[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    return ctx->fail(ctx, code, "%s:%d:%d: %s", s->file, (int)s->key_line, (int)s->key_column, message);
}

#define MAX_PATH 1024

/* State of a merge: the path of the map being merged, "stages.prior.noise". */
struct merging {
    struct tess_context *ctx;
    struct tessi_config *dropped;
    int64_t depth; /* number of names in the path */
    char path[MAX_PATH];
};

/* Turns a component's bare name into a map: `name` -> {use: name}. */
static int name_to_map(struct tess_context *ctx, struct tessi_config *s)
{
    struct tessi_config *use = NULL;
    TESS_TRY(tessi_config_new(ctx, TESSI_SCALAR, s->file, s->line, s->column, &use));
    int status = tessi_config_set_key(ctx, use, "use");
    if (status != TESS_OK) {
        tessi_config_free(use);
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

/* Removes the key of an explicit null; a key with nothing after its colon is an error, as a value was more likely forgotten. */
static int take_away(struct tess_context *ctx, const struct tessi_config *base, struct tessi_config **at, const struct tessi_config *change,
                     struct tessi_config *dropped)
{
    char near[300];
    struct tessi_config *old = *at;
    if (!change->text || !*change->text)
        return tessi_config_key_fail(ctx, change, TESS_E_USAGE,
                              "`%s:` has nothing behind its colon; write the value, or `%s: null` to take the key "
                              "of the pipeline that this one extends away",
                              change->key, change->key);
    if (!old)
        return tessi_config_key_fail(ctx, change, TESS_E_USAGE, "`%s: null` takes a key away, and there is no `%s` to take%s", change->key,
                              change->key, tessi_config_suggest(base, change->key, near, sizeof near));
    *at = old->next;
    tessi_config_append(dropped, old);
    return TESS_OK;
}

static int merge(struct merging *m, struct tessi_config *base, struct tessi_config *change) TESS_CHECKED;

static int merge_under(struct merging *m, const char *key, struct tessi_config *base, struct tessi_config *change)
{
    size_t length = strlen(m->path);
    snprintf(m->path + length, sizeof m->path - length, "%s%s", length ? "." : "", key);
    m->depth++;
    int status = merge(m, base, change);
    m->depth--;
    m->path[length] = '\0';
    return status;
}

/* 1 for the bare name of a component: a text somewhere below a stage. */
static int is_component_name(const struct merging *m, const struct tessi_config *s)
{
    return m->depth >= 2 && s->kind == TESSI_SCALAR && tessi_config_is_text(s);
}

static const char *merge_use_of(const struct tessi_config *map)
{
    const struct tessi_config *use = tessi_config_child(map, "use");
    return use && use->kind == TESSI_SCALAR ? use->text : NULL;
}

/* Keeps the old component where the change replaces it by another: it explains the values that stay. */
static int keep_former(const struct merging *m, struct tessi_config *old, struct tessi_config *change)
{
    static const char front[] = "stages.";
    const char *before = merge_use_of(old), *after = merge_use_of(change);
    char path[MAX_PATH];
    int named = is_component_name(m, change);
    if (m->depth < 1 || strncmp(m->path, "stages", 6) != 0 || !before || (!named && (!after || strcmp(before, after) == 0)))
        return TESS_OK;
    snprintf(path, sizeof path, "%.900s.%.100s", m->path, change->key);
    return tessi_config_set_former(m->ctx, named ? change : old, old, path + sizeof front - 1, named);
}

/* Merges one key of the change, detached from it, into the base. */
static int lay_over(struct merging *m, struct tessi_config *base, struct tessi_config *change)
{
    struct tessi_config **at = &base->child;
    while (*at && strcmp((*at)->key, change->key) != 0)
        at = &(*at)->next;
    struct tessi_config *old = *at;
    int status = TESS_OK;
    if (tessi_config_is_null(change)) {
        status = take_away(m->ctx, base, at, change, m->dropped);
        tessi_config_free(change);
        return status;
    }
    if (old && change->kind == TESSI_MAP && is_component_name(m, old) && !tessi_config_child(change, "use")) {
        status = name_to_map(m->ctx, old);
        if (status != TESS_OK) {
            tessi_config_free(change);
            return status;
        }
    }
    if (old && (status = keep_former(m, old, change)) != TESS_OK) {
        tessi_config_free(change);
        return status;
    }
    if (old && change->kind == TESSI_MAP && old->kind == TESSI_MAP)
        return merge_under(m, change->key, old, change);
    if (old) {
        *at = change;
        change->next = old->next;
        tessi_config_append(m->dropped, old);
    } else {
        tessi_config_append(base, change);
    }
    return TESS_OK;
}

static int merge(struct merging *m, struct tessi_config *base, struct tessi_config *change)
{
    int status = TESS_OK;
    while (change->child && status == TESS_OK) {
        struct tessi_config *child = change->child;
        change->child = child->next;
        child->next = NULL;
        status = lay_over(m, base, child);
    }
    tessi_config_free(change);
    return status;
}

int tessi_config_merge(struct tess_context *ctx, struct tessi_config *base, struct tessi_config *change, struct tessi_config *dropped)
{
    struct merging m = {.ctx = ctx, .dropped = dropped};
    return merge(&m, base, change);
}
