/* Parameter tables: walking their rows and putting them into words.
 *
 * Rows and components are found by the stride the plugin was compiled with, never by sizeof, so that rows may grow.
 *
 * SPDX-License-Identifier: MIT */
#include "core/plug/plug_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct tess_param *tessi_plug_param_at(const struct tess_component *k, int64_t i)
{
    if (!k->params)
        return NULL;
    const struct tess_param *p = (const void *)((const char *)k->params + (size_t)i * k->param_stride);
    return p->name ? p : NULL;
}

const struct tess_component *tessi_plug_component_at(const struct tess_plugin *p, int64_t i)
{
    const struct tess_component *k = (const void *)((const char *)p->components + (size_t)i * p->component_stride);
    return k->name ? k : NULL;
}

const struct tess_param *tessi_plug_param_named(const struct tess_component *k, const char *name, int64_t *index)
{
    const struct tess_param *p;
    for (int64_t i = 0; (p = tessi_plug_param_at(k, i)); i++) {
        if (strcmp(p->name, name) == 0) {
            if (index)
                *index = i;
            return p;
        }
    }
    return NULL;
}

const char *tessi_plug_param_former(const struct tess_component *k, const struct tess_param *p)
{
    return k->param_stride >= offsetof(struct tess_param, former) + sizeof p->former ? p->former : NULL;
}

int tessi_plug_was_called(const struct tess_component *k, const struct tess_param *p, const char *name)
{
    const char *former = tessi_plug_param_former(k, p);
    size_t length = strlen(name);
    for (const char *at = former; at && *at; at += strcspn(at, "|"), at += *at == '|')
        if (strcspn(at, "|") == length && memcmp(at, name, length) == 0)
            return 1;
    return 0;
}

int tessi_plug_kind_length(const char *kind)
{
    return (int)strcspn(kind, "/");
}

size_t tessi_plug_param_bytes(int32_t type, size_t *align)
{
    switch (type) {
    case TESS_BOOL:
    case TESS_ENUM:
        *align = _Alignof(int32_t);
        return sizeof(int32_t);
    case TESS_I64:
        *align = _Alignof(int64_t);
        return sizeof(int64_t);
    case TESS_F64:
        *align = _Alignof(double);
        return sizeof(double);
    case TESS_STR:
    case TESS_COMPONENT:
        *align = _Alignof(void *);
        return sizeof(void *);
    case TESS_LIST:
        *align = _Alignof(struct tess_list);
        return sizeof(struct tess_list);
    case TESS_LIST_F64:
        *align = _Alignof(struct tess_list_f64);
        return sizeof(struct tess_list_f64);
    case TESS_LIST_STR:
        *align = _Alignof(struct tess_list_str);
        return sizeof(struct tess_list_str);
    case TESS_LIST_COMPONENT:
        *align = _Alignof(struct tess_list_component);
        return sizeof(struct tess_list_component);
    default:
        *align = 1;
        return 0;
    }
}

int tessi_plug_option(const struct tess_param *p, int64_t i, char *text, size_t capacity)
{
    const char *at = p->text;
    for (; i > 0; i--) {
        at += strcspn(at, "|");
        if (*at == '\0')
            return 0;
        at++;
    }
    snprintf(text, capacity, "%.*s", (int)strcspn(at, "|"), at);
    return 1;
}

int64_t tessi_plug_option_index(const struct tess_param *p, const char *name)
{
    char option[80];
    for (int64_t i = 0; tessi_plug_option(p, i, option, sizeof option); i++)
        if (strcmp(option, name) == 0)
            return i;
    return -1;
}

int tessi_plug_is_list(int32_t type)
{
    return type == TESS_LIST || (type >= TESS_LIST_F64 && type <= TESS_LIST_COMPONENT);
}

int tessi_plug_list_item(const struct tess_param *p, int64_t i, char *item, size_t capacity)
{
    const char *at = p->type != TESS_LIST_COMPONENT && p->text ? p->text : "";
    at += strspn(at, " ");
    for (; i > 0 && *at; i--) {
        at += strcspn(at, ",");
        at += *at == ',' ? 1 + strspn(at + 1, " ") : 0;
    }
    size_t length = strcspn(at, ",");
    while (length > 0 && at[length - 1] == ' ')
        length--;
    snprintf(item, capacity, "%.*s", (int)length, at);
    return length > 0;
}

int tessi_plug_component_text(const struct tess_param *p, char *kind, size_t kind_capacity, char *like, size_t like_capacity)
{
    static const char word[] = " like ";
    if (!p->text)
        return 0;
    const char *at = strstr(p->text, word);
    snprintf(kind, kind_capacity, "%.*s", (int)(at ? (size_t)(at - p->text) : strlen(p->text)), p->text);
    snprintf(like, like_capacity, "%s", at ? at + strlen(word) : "");
    return !at || *like;
}

const char *tessi_plug_param_type(const struct tess_param *p)
{
    static const char *const names[] = {"?",        "boolean",   "integer", "number", "text",      "choice",
                                        "integers", "component", "numbers", "texts",  "components"};
    if (p->type == TESS_STR && (p->flags & TESS_PATH))
        return "path";
    return names[p->type >= TESS_BOOL && p->type <= TESS_LIST_COMPONENT ? p->type : 0];
}

const char *tessi_plug_param_default(const struct tess_param *p, char *text, size_t capacity)
{
    char item[256];
    *text = '\0';
    if (p->flags & TESS_REQUIRED)
        return text;
    switch (p->type) {
    case TESS_BOOL:
        snprintf(text, capacity, "%s", p->def != 0 ? "true" : "false");
        break;
    case TESS_I64:
        snprintf(text, capacity, "%lld", (long long)p->def);
        break;
    case TESS_F64:
        tessi_config_real_text(p->def, text, capacity);
        break;
    case TESS_STR:
        snprintf(text, capacity, "%s", p->text ? p->text : "");
        break;
    case TESS_ENUM:
        tessi_plug_option(p, (int64_t)p->def, text, capacity);
        break;
    case TESS_LIST:
    case TESS_LIST_F64:
    case TESS_LIST_STR:
    case TESS_LIST_COMPONENT:
        tessi_base_add(text, capacity, "[");
        for (int64_t i = 0; tessi_plug_list_item(p, i, item, sizeof item); i++)
            tessi_base_add(text, capacity, "%s%s", i ? ", " : "", item);
        tessi_base_add(text, capacity, "]");
        break;
    default:
        break;
    }
    return text;
}

/* Appends the bounds in their shortest form: 65536, 0.9999999, 1e+09. */
static void add_bounds(const struct tess_param *p, char *text, size_t capacity)
{
    char low[40], high[40];
    tessi_base_add(text, capacity, "%s .. %s", tessi_config_real_text(p->lo, low, sizeof low),
                   tessi_config_real_text(p->hi, high, sizeof high));
}

const char *tessi_plug_param_limits(const struct tess_param *p, char *text, size_t capacity)
{
    char option[80], kind[80], like[80];
    *text = '\0';
    switch (p->type) {
    case TESS_BOOL:
        tessi_base_add(text, capacity, "true, false");
        break;
    case TESS_LIST:
    case TESS_LIST_F64:
        tessi_base_add(text, capacity, "each ");
        add_bounds(p, text, capacity);
        break;
    case TESS_I64:
    case TESS_F64:
        add_bounds(p, text, capacity);
        break;
    case TESS_ENUM:
        for (int64_t i = 0; tessi_plug_option(p, i, option, sizeof option); i++)
            tessi_base_add(text, capacity, "%s%s", i ? ", " : "", option);
        break;
    case TESS_COMPONENT:
    case TESS_LIST_COMPONENT:
        tessi_plug_component_text(p, kind, sizeof kind, like, sizeof like);
        tessi_base_add(text, capacity, "%s%s%s", kind, *like ? ", like " : "", like);
        break;
    default:
        break;
    }
    return text;
}

const char *tessi_plug_param_range(const struct tess_param *p, char *text, size_t capacity)
{
    char limits[512], value[256];
    tessi_plug_param_limits(p, limits, sizeof limits);
    tessi_plug_param_default(p, value, sizeof value);
    snprintf(text, capacity, "%s%s", limits, *limits ? ", " : "");
    if (p->flags & TESS_REQUIRED)
        tessi_base_add(text, capacity, "required");
    else
        tessi_base_add(text, capacity, "default %s", *value ? value : "none");
    return text;
}

const char *tessi_plug_param_wants(const struct tess_param *p, char *text, size_t capacity)
{
    char limits[512];
    tessi_plug_param_limits(p, limits, sizeof limits);
    int word = tessi_plug_kind_length(limits);
    switch (p->type) {
    case TESS_BOOL:
        snprintf(text, capacity, "true or false");
        break;
    case TESS_I64:
        snprintf(text, capacity, "an integer %s", limits);
        break;
    case TESS_F64:
        snprintf(text, capacity, "a number %s", limits);
        break;
    case TESS_ENUM:
        snprintf(text, capacity, "one of %s", limits);
        break;
    case TESS_LIST:
        snprintf(text, capacity, "a list of at most %d integers, %s, like [1, 2]", TESS_LIST_MAX, limits);
        break;
    case TESS_LIST_F64:
        snprintf(text, capacity, "a list of at most %d numbers, %s, like [0.5, 1]", TESS_LIST_MAX, limits);
        break;
    case TESS_LIST_STR:
        snprintf(text, capacity, "a list of at most %d texts, like [one, two]", TESS_LIST_MAX);
        break;
    case TESS_LIST_COMPONENT:
        snprintf(text, capacity, "a list of at most %d components of kind %.*s, each a name or a map with `use`", TESS_LIST_MAX, word,
                 limits);
        break;
    case TESS_COMPONENT:
        snprintf(text, capacity, "the name of a component of kind %.*s or a map with `use`", word, limits);
        break;
    default:
        snprintf(text, capacity, "%s", p->flags & TESS_PATH ? "the path of a file" : "a text");
    }
    return text;
}
