/* `${name}` in scalars. A scalar that is nothing but one reference takes the value as it was written, so `"${K}"` is a number where K
 * is one; inside other text the value's text is put in. `$${` stands for `${`. There is no code: names, and that is all.
 *
 * A relative path begins where its first letters were written: one that begins with a reference is relative to the file that has the
 * value, or to the current folder where that is the command line.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/config/merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT 65536
#define MAX_CHAIN 100 /* longest chain of names that stand for names */

enum { UNTOUCHED = 0, FINISHED = 1, AT_WORK = 2 }; /* states of a name under params, kept in its `used` */

struct scope {
    struct tess_context *ctx;
    struct tessi_config *params; /* NULL: none */
    int depth;                 /* number of names being looked up, each for the one before */
};

static int interpolate_expand(struct scope *s, struct tessi_config *node);

/* Reads the name between the braces at `text`, which points behind "${"; NULL and *end NULL where there is no closing brace. */
static const char *name_at(const char *text, char *name, size_t capacity, const char **end)
{
    *end = strchr(text, '}');
    if (!*end)
        return NULL;
    if (strncmp(text, "params.", 7) == 0)
        text += 7;
    snprintf(name, capacity, "%.*s", (int)(*end - text < 200 ? *end - text : 200), text);
    ++*end;
    return name;
}

static int interpolate_look_up(struct scope *s, const struct tessi_config *node, const char *text, const char **end,
                               struct tessi_config **out)
{
    char name[256], near[300];
    if (!name_at(text, name, sizeof name, end))
        return tessi_config_fail(s->ctx, node, TESS_E_USAGE,
                                 "wanted `}` after `${`, found the end of the text; `$${` stands for `${` itself");
    *out = tessi_config_child(s->params, name);
    if (!*out)
        return tessi_config_fail(s->ctx, node, TESS_E_USAGE, "`${%s}`: there is no such name under params%s", name,
                               tessi_config_suggest(s->params, name, near, sizeof near));
    if ((*out)->used == AT_WORK)
        return tessi_config_fail(s->ctx, node, TESS_E_USAGE, "`${%s}`: this name stands for itself", name);
    if (s->depth == MAX_CHAIN)
        return tessi_config_fail(s->ctx, node, TESS_E_USAGE, "`${%s}`: wanted at most %d names that stand for one another, found more",
                                 name, MAX_CHAIN);
    s->depth++;
    int status = interpolate_expand(s, *out);
    s->depth--;
    return status;
}

static int set_via(struct scope *s, struct tessi_config *node, const struct tessi_config *param)
{
    char via[300];
    snprintf(via, sizeof via, "`%.64s`, %.200s:%d:%d", param->key, param->file, param->line, param->column);
    return tessi_config_set_via(s->ctx, node, via);
}

/* Writes the text with every reference replaced. */
static int interpolate_replace(struct scope *s, struct tessi_config *node, FILE *to)
{
    for (const char *at = node->text; *at;) {
        if (strncmp(at, "$${", 3) == 0) {
            fputs("${", to);
            at += 3;
        } else if (strncmp(at, "${", 2) == 0) {
            struct tessi_config *param;
            int first = at == node->text;
            TESS_TRY(interpolate_look_up(s, node, at + 2, &at, &param));
            if (tessi_config_is_null(param))
                return tessi_config_fail(s->ctx, node, TESS_E_USAGE,
                                         "`${%s}` stands inside a text and has no value: it is null at %s:%d:%d", param->key, param->file,
                                         param->line, param->column);
            TESS_TRY(set_via(s, node, param));
            if (first)
                TESS_TRY(tessi_config_set_beside(s->ctx, node, tessi_config_beside(param)));
            fputs(param->text, to);
            if (ftell(to) > MAX_TEXT)
                return tessi_config_fail(s->ctx, node, TESS_E_USAGE, "wanted a text of at most %d letters, found more", MAX_TEXT);
        } else {
            fputc(*at++, to);
        }
    }
    return TESS_OK;
}

static int expand_scalar(struct scope *s, struct tessi_config *node)
{
    const char *end = NULL;
    struct tessi_config *param;
    if (!strstr(node->text, "${"))
        return TESS_OK;
    if (strncmp(node->text, "${", 2) == 0 && strchr(node->text, '}') && strchr(node->text, '}')[1] == '\0') {
        TESS_TRY(interpolate_look_up(s, node, node->text + 2, &end, &param));
        node->quoted = param->quoted;
        TESS_TRY(set_via(s, node, param));
        TESS_TRY(tessi_config_set_beside(s->ctx, node, tessi_config_beside(param)));
        return tessi_config_set_text(s->ctx, node, param->text);
    }
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    if (!to)
        return s->ctx->fail(s->ctx, TESS_E_MEMORY, "no memory for a text");
    int status = interpolate_replace(s, node, to);
    fclose(to);
    if (status == TESS_OK)
        status = text ? tessi_config_set_text(s->ctx, node, text) : s->ctx->fail(s->ctx, TESS_E_MEMORY, "no memory for a text");
    free(text);
    return status;
}

/* Expands the references in a node, under params or anywhere else. */
static int interpolate_expand(struct scope *s, struct tessi_config *node)
{
    if (node->kind != TESSI_SCALAR) {
        for (struct tessi_config *child = node->child; child; child = child->next)
            TESS_TRY(interpolate_expand(s, child));
        return TESS_OK;
    }
    if (node->used == FINISHED)
        return TESS_OK;
    node->used = AT_WORK;
    int status = node->text ? expand_scalar(s, node) : TESS_OK;
    node->used = FINISHED;
    return status;
}

/* 1 when a text below `node` refers to the name. */
static int interpolate_mentions(const struct tessi_config *node, const char *name)
{
    char found[256];
    const char *end;
    for (const struct tessi_config *child = node->child; child; child = child->next)
        if (interpolate_mentions(child, name))
            return 1;
    for (const char *at = node->text; at && (at = strstr(at, "${")); at += 2)
        if ((at == node->text || at[-1] != '$') && name_at(at + 2, found, sizeof found, &end) && strcmp(found, name) == 0)
            return 1;
    return 0;
}

/* Suggestion for an unused name, "; did you mean `K`?", among the names that are used; or "". */
static const char *near_used(const struct tessi_config *params, const struct tessi_config *of, char *text, size_t capacity)
{
    const char *names[MAX_NAMES];
    int64_t n = 0;
    for (const struct tessi_config *param = params->child; param && n < MAX_NAMES; param = param->next)
        if (param != of && param->used != UNTOUCHED)
            names[n++] = param->key;
    const char *nearest = tessi_base_nearest_name(of->key, names, n);
    snprintf(text, capacity, "%s%s%s", nearest ? "; did you mean `" : "", nearest ? nearest : "", nearest ? "`?" : "");
    return text;
}

/* Expands former values, which are only shown in messages: one that cannot be expanded is shown as written, and none makes a name used. */
static void expand_formers(struct scope *s, struct tessi_config *node)
{
    if (node->former && interpolate_expand(s, node->former) != TESS_OK)
        tess_forget(s->ctx);
    for (struct tessi_config *child = node->child; child; child = child->next)
        expand_formers(s, child);
}

int tessi_config_interpolate(struct tess_context *ctx, struct tessi_config *root, const struct tessi_config *dropped)
{
    struct scope s = {ctx, tessi_config_child(root, "params"), 0};
    char near[300];
    for (struct tessi_config *param = s.params ? s.params->child : NULL; param; param = param->next) {
        if (param->kind != TESSI_SCALAR)
            return tessi_config_fail(ctx, param, TESS_E_USAGE, "params: `%s` wants a single value, found a %s", param->key,
                                   param->kind == TESSI_MAP ? "map" : "list");
        if (tessi_config_is_null(param) && !*param->text)
            return tessi_config_key_fail(ctx, param, TESS_E_USAGE,
                                  "params: `%s:` has nothing behind its colon; write the value, \"\" for an empty "
                                  "text, or null where it may be left out",
                                  param->key);
        param->used = UNTOUCHED;
    }
    for (struct tessi_config *child = root->child; child; child = child->next)
        if (child != s.params)
            TESS_TRY(interpolate_expand(&s, child));
    for (struct tessi_config *param = s.params ? s.params->child : NULL; param; param = param->next) {
        if (param->used != UNTOUCHED)
            continue;
        int replaced = interpolate_mentions(dropped, param->key);
        if (!replaced || strcmp(param->file, "command line") == 0)
            return tessi_config_key_fail(ctx, param, TESS_E_USAGE,
                                         "params: nothing uses `%s`%s; write `${%s}` where it is meant, or take it away%s", param->key,
                                         replaced ? " any more" : "", param->key, near_used(s.params, param, near, sizeof near));
    }
    expand_formers(&s, root);
    return TESS_OK;
}
