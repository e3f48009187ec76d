/* Checks of a row of a parameter table: name, member, range and default. SPDX-License-Identifier: MIT */
#include "core/plug/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KNOWN_FLAGS (TESS_REQUIRED | TESS_NEUTRAL | TESS_PATH | TESS_LATER | TESS_GONE)

static int check_number(struct tessi_check *k, const struct tess_param *p)
{
    int whole = p->type != TESS_F64;
    if (isnan(p->lo) || isnan(p->hi) || !(p->lo < p->hi))
        return tessi_plug_check_refuse(k, "wanted a range with lo below hi, found %g .. %g", p->lo, p->hi);
    if (p->flags & TESS_REQUIRED)
        return 1;
    if (!isfinite(p->def) || p->def < p->lo || p->def > p->hi || (whole && p->def != floor(p->def)))
        return tessi_plug_check_refuse(k, "wanted %s default in %g .. %g, found %g", whole ? "a whole" : "a finite", p->lo, p->hi, p->def);
    return 1;
}

/* Checks the items of a list's default: numbers within the range, or texts; none is empty. */
static int check_list(struct tessi_check *k, const struct tess_param *p)
{
    int numbers = p->type != TESS_LIST_STR;
    const char *what = p->type == TESS_LIST ? "integers" : numbers ? "numbers" : "texts", *text = p->text ? p->text : "";
    char item[256], *end;
    int64_t n = 0, commas = 0;
    if (numbers && (isnan(p->lo) || isnan(p->hi) || !(p->lo < p->hi)))
        return tessi_plug_check_refuse(k, "wanted a range with lo below hi, found %g .. %g", p->lo, p->hi);
    if (!tessi_plug_is_line(text, TESSI_TEXT_BYTES_MAX))
        return tessi_plug_check_refuse(k, "wanted a line of UTF-8 as the default, found other text");
    for (; tessi_plug_list_item(p, n, item, sizeof item); n++) {
        double value = numbers ? strtod(item, &end) : 0;
        int fine = !numbers || (end != item && !*end && isfinite(value) && (p->type != TESS_LIST || value == floor(value)));
        if (!fine || n == TESS_LIST_MAX)
            return tessi_plug_check_refuse(k, "wanted at most %d %s as the default, found \"%s\"", TESS_LIST_MAX, what, text);
        if (numbers && (value < p->lo || value > p->hi))
            return tessi_plug_check_refuse(k, "wanted default items in %g .. %g, found %g", p->lo, p->hi, value);
    }
    for (const char *at = text; (at = strchr(at, ',')); at++)
        commas++;
    return n == (text[strspn(text, " ")] ? commas + 1 : 0) ||
           tessi_plug_check_refuse(k, "wanted at most %d %s as the default, found \"%s\"", TESS_LIST_MAX, what, text);
}

/* Checks former names: letters as in a name, and no parameter has one. */
static int check_former(struct tessi_check *k, const struct tess_component *component, const struct tess_param *p)
{
    const char *former = tessi_plug_param_former(component, p);
    char name[80];
    if (!former && (p->flags & TESS_GONE))
        return tessi_plug_check_refuse(k, "wanted the names that are gone (TESS_GONE), found none");
    for (const char *at = former; at && *at; at += strcspn(at, "|"), at += *at == '|') {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at, "|"), at);
        if (!tessi_plug_is_name(name) || strcmp(name, "use") == 0)
            return tessi_plug_check_refuse(k, "wanted former names of letters, digits, `_` and `-`, not `use`");
        if (tessi_plug_param_named(component, name, NULL))
            return tessi_plug_check_refuse(k, "wanted a former name that no parameter has now, found `%s`", name);
    }
    return 1;
}

static int check_enum(struct tessi_check *k, const struct tess_param *p)
{
    char option[80];
    int64_t n = 0;
    if (!p->text)
        return tessi_plug_check_refuse(k, "wanted its choices, \"a|b\", found none");
    if (!tessi_plug_is_line(p->text, TESSI_TEXT_BYTES_MAX))
        return tessi_plug_check_refuse(k, "wanted its choices in one line of UTF-8, found other text");
    for (; tessi_plug_option(p, n, option, sizeof option); n++)
        if (*option == '\0' || strlen(option) > 63 || tessi_plug_option_index(p, option) != n)
            return tessi_plug_check_refuse(k, "wanted different names of 1 to 63 letters as choices, found \"%s\"", p->text);
    if (!(p->flags & TESS_REQUIRED) && !(p->def >= 0 && p->def < (double)n && p->def == floor(p->def)))
        return tessi_plug_check_refuse(k, "wanted the index of one of its %lld choices as the default, found %g", (long long)n, p->def);
    return 1;
}

static int check_component_param(struct tessi_check *k, const struct tess_component *component, const struct tess_param *p, int64_t row)
{
    char kind[80], like[80];
    int64_t other_row = 0;
    if (!tessi_plug_component_text(p, kind, sizeof kind, like, sizeof like) || !tessi_plug_is_kind(kind))
        return tessi_plug_check_refuse(k, "wanted a kind like \"encoder/1\", found \"%s\"", p->text ? p->text : "");
    if (*like) {
        const struct tess_param *other = tessi_plug_param_named(component, like, &other_row);
        if (!other || other->type != TESS_COMPONENT || other_row >= row)
            return tessi_plug_check_refuse(k, "wanted `%s` of \"%s\" to be a component in an earlier row, found %s", like, p->text,
                                           other ? "something else" : "no such row");
    }
    return 1;
}

int tessi_plug_check_param(struct tessi_check *k, const struct tess_component *component, const struct tess_param *p, int64_t row)
{
    size_t align, bytes = tessi_plug_param_bytes(p->type, &align);
    if (!tessi_plug_is_name(p->name) || strcmp(p->name, "use") == 0)
        return tessi_plug_check_refuse(k, "wanted a name of letters, digits, `_` and `-`, not `use`");
    if (!p->help || !tessi_plug_is_line(p->help, TESSI_TEXT_BYTES_MAX))
        return tessi_plug_check_refuse(k, "wanted a line of help, in UTF-8, found %s", p->help ? "other text" : "none");
    if (p->flags & ~(uint32_t)KNOWN_FLAGS)
        return tessi_plug_check_refuse(k, "has the flags 0x%x, which this tessera, of ABI %d.%d, does not know",
                                       p->flags & ~(uint32_t)KNOWN_FLAGS, TESS_ABI_MAJOR, TESS_ABI_MINOR);
    if (bytes == 0)
        return tessi_plug_check_refuse(k, "wanted a type from %d to %d, found %d", TESS_BOOL, TESS_LIST_COMPONENT, p->type);
    if (p->offset > component->self_size || bytes > component->self_size - p->offset || p->offset % align != 0)
        return tessi_plug_check_refuse(k, "wanted %zu bytes, aligned to %zu, inside the %zu of its struct, found offset %zu", bytes, align,
                                       component->self_size, p->offset);
    for (int64_t i = 0; i < row; i++) {
        const struct tess_param *other = tessi_plug_param_at(component, i);
        size_t other_align, other_bytes = tessi_plug_param_bytes(other->type, &other_align);
        if (strcmp(other->name, p->name) == 0)
            return tessi_plug_check_refuse(k, "wanted each name once, found it twice");
        if (p->offset < other->offset + other_bytes && other->offset < p->offset + bytes)
            return tessi_plug_check_refuse(k, "wanted a member of its own, found the one of `%s` at offset %zu", other->name, p->offset);
    }
    if ((p->flags & TESS_REQUIRED) && (p->flags & TESS_LATER))
        return tessi_plug_check_refuse(k, "wanted a default for what came later (TESS_LATER), found TESS_REQUIRED");
    if ((p->flags & TESS_PATH) && p->type != TESS_STR)
        return tessi_plug_check_refuse(k, "wanted TESS_PATH with a string, found type %d", p->type);
    if (p->type == TESS_STR && p->text && !tessi_plug_is_line(p->text, TESSI_TEXT_BYTES_MAX))
        return tessi_plug_check_refuse(k, "wanted a line of UTF-8 as the default, found other text");
    if (!check_former(k, component, p))
        return 0;
    switch (p->type) {
    case TESS_BOOL:
        return p->def == 0 || p->def == 1 || tessi_plug_check_refuse(k, "wanted 0 or 1 as the default, found %g", p->def);
    case TESS_I64:
    case TESS_F64:
        return check_number(k, p);
    case TESS_LIST:
    case TESS_LIST_F64:
    case TESS_LIST_STR:
        return check_list(k, p);
    case TESS_ENUM:
        return check_enum(k, p);
    case TESS_COMPONENT:
    case TESS_LIST_COMPONENT:
        return check_component_param(k, component, p, row);
    default:
        return 1;
    }
}
