/* Filling a component's struct from configuration, row by row of its table.
 *
 * Each value is checked, written to its member, and kept once more as canonical configuration: numbers as the shortest text
 * that reads back the same, choices by name, paths absolute, sub-components whole. That second form is what artefacts store,
 * cache keys hash, strings in the struct point into, and what another component "like" this one takes its values from; so a
 * component that changes its own members in open() changes none of these.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/base/lookalike.h"
#include "core/plug/filling.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *label_of(const struct tess_component *k, char *text, size_t capacity)
{
    snprintf(text, capacity, "%.*s/%s", tessi_plug_kind_length(k->kind), k->kind, k->name);
    return text;
}

/* 1 for a number written with digit separators, 1_000, as in YAML 1.1 and in many languages. */
static int is_number_without(const char *text, char mark)
{
    char rest[64];
    size_t n = 0;
    for (const char *at = text; *at && n + 1 < sizeof rest; at++)
        if (*at != mark)
            rest[n++] = *at;
    rest[n] = '\0';
    int type = n < strlen(text) ? tessi_config_scalar_is(rest, 0) : TESSI_IS_TEXT;
    return type == TESSI_IS_INT || type == TESSI_IS_REAL;
}

/* Adds the origin of a value to the message, when it is not where the value stands. */
static void add_origin(const struct filling *f, const struct tess_param *p, const struct tessi_config *s)
{
    const struct tessi_config *former = f->config->former;
    if (s->via)
        tess_append_message(f->ctx, " (%.300s)", s->via);
    if (s->key && !f->inherited && strcmp(s->key, p->name) == 0 && tessi_config_stays(former, s))
        tessi_plug_append_stays(f->ctx, f->config, "", s);
}

int tessi_plug_params_wrong(const struct filling *f, const struct tess_param *p, const struct tessi_config *s, const char *found)
{
    char wants[640], text[200], from[200] = "";
    if (f->inherited)
        snprintf(from, sizeof from, " (taken from %.*s/%s)", tessi_plug_kind_length(f->like->component->kind),
                 f->like->component->kind, f->like->component->name);
    int status =
        tessi_config_fail(f->ctx, s, TESS_E_VALUE, "%s: `%s` wants %s, found %s%s", f->label, p->name,
                          tessi_plug_param_wants(p, wants, sizeof wants), found ? found : tessi_config_found(s, text, sizeof text), from);
    if ((p->type == TESS_I64 || p->type == TESS_F64) && (s->kind == TESSI_SEQUENCE || (tessi_config_is_text(s) && strchr(s->text, ','))))
        tess_append_message(f->ctx, "; it takes one value, not a list");
    else if ((p->type == TESS_I64 || p->type == TESS_F64) && tessi_config_is_text(s) && is_number_without(s->text, '_'))
        tess_append_message(f->ctx, "; digits stand without `_`");
    add_origin(f, p, s);
    return status;
}

int tessi_plug_params_keep(const struct filling *f, const struct tess_param *p, struct tessi_config *map, const struct tessi_config *value,
                           struct tessi_config **out)
{
    struct tessi_config *copy = NULL;
    TESS_TRY(tessi_config_copy(f->ctx, value, &copy));
    int status = tessi_config_set_key(f->ctx, copy, p->name);
    if (status != TESS_OK) {
        tessi_config_free(copy);
        return status;
    }
    tessi_config_append(map, copy);
    if (out)
        *out = copy;
    return TESS_OK;
}

int tessi_plug_is_identity(const struct tess_param *p)
{
    return (p->flags & (TESS_NEUTRAL | TESS_PATH)) == 0;
}

/* Keeps a scalar made here, as tessi_plug_params_keep; `kept` (may be NULL) receives the text as it lives in i->values. */
static int keep_text(const struct filling *f, const struct tess_param *p, const struct tessi_config *place, const char *text, int quoted,
                     const char **kept)
{
    struct tessi_config *s = NULL, *value = NULL;
    TESS_TRY(tessi_config_new(f->ctx, TESSI_SCALAR, place->file, place->line, place->column, &s));
    s->quoted = quoted;
    int status = tessi_config_set_text(f->ctx, s, text);
    if (status == TESS_OK)
        status = tessi_plug_params_keep(f, p, f->i->values, s, &value);
    if (status == TESS_OK && tessi_plug_is_identity(p))
        status = tessi_plug_params_keep(f, p, f->i->identity, s, NULL);
    if (status == TESS_OK && kept)
        *kept = value->text;
    tessi_config_free(s);
    return status;
}

static int fill_bool(const struct filling *f, const struct tess_param *p, const struct tessi_config *s, int32_t *member)
{
    *member = p->def != 0;
    if (s && !tessi_config_read_bool(s, member))
        return tessi_plug_params_wrong(f, p, s, NULL);
    return keep_text(f, p, s ? s : f->config, *member ? "true" : "false", 0, NULL);
}

static int fill_i64(const struct filling *f, const struct tess_param *p, const struct tessi_config *s, int64_t *member)
{
    char text[40];
    *member = (int64_t)p->def;
    if (s && (!tessi_config_read_i64(s, member) || (double)*member < p->lo || (double)*member > p->hi))
        return tessi_plug_params_wrong(f, p, s, NULL);
    snprintf(text, sizeof text, "%" PRId64, *member);
    return keep_text(f, p, s ? s : f->config, text, 0, NULL);
}

static int fill_f64(const struct filling *f, const struct tess_param *p, const struct tessi_config *s, double *member)
{
    char text[40];
    *member = p->def;
    if (s && (!tessi_config_read_f64(s, member) || *member < p->lo || *member > p->hi))
        return tessi_plug_params_wrong(f, p, s, NULL);
    return keep_text(f, p, s ? s : f->config, tessi_config_real_text(*member, text, sizeof text), 0, NULL);
}

/* Absolute form of a path: relative to the folder of the file it was written in, and from the current folder when that is relative too. */
static int absolute_path(const struct filling *f, const struct tess_param *p, const struct tessi_config *s, const char *text, char *path)
{
    char cwd[PATH_MAX];
    const char *file = tessi_config_beside(s);
    const char *slash = strcmp(file, "command line") == 0 ? NULL : strrchr(file, '/');
    int folder = slash ? (int)(slash - file) + 1 : 0;
    int absolute = *text == '/';
    int from_root = absolute || (folder && *file == '/');
    if (*text == '\0')
        return tessi_plug_params_wrong(f, p, s, "an empty text");
    if (!from_root && !getcwd(cwd, sizeof cwd))
        return tessi_config_fail(f->ctx, s, TESS_E_IO, "%s: `%s`: the current folder is not available: %s", f->label, p->name,
                                 strerror(errno));
    while (!absolute && text[0] == '.' && text[1] == '/')
        text += 2 + strspn(text + 2, "/");
    int length = snprintf(path, PATH_MAX, "%s%s%.*s%s", from_root ? "" : cwd, from_root ? "" : "/", absolute ? 0 : folder, file, text);
    if (length >= PATH_MAX)
        return tessi_config_fail(f->ctx, s, TESS_E_VALUE, "%s: `%s` wants a path of at most %d bytes, found %d", f->label, p->name,
                               PATH_MAX - 1, length);
    return TESS_OK;
}

static int fill_str(const struct filling *f, const struct tess_param *p, const struct tessi_config *s, const char **member)
{
    char path[PATH_MAX];
    const char *text = p->text;
    if (s) {
        int type = s->kind == TESSI_SCALAR ? tessi_config_scalar_is(s->text ? s->text : "", s->quoted) : 0;
        if (type == TESSI_IS_NULL && !p->text && !(p->flags & TESS_REQUIRED))
            text = NULL;
        else if (type == TESSI_IS_TEXT)
            text = s->text;
        else if (type == 0 || type == TESSI_IS_NULL)
            return tessi_plug_params_wrong(f, p, s, NULL);
        else {
            int status = tessi_config_fail(f->ctx, s, TESS_E_VALUE, "%s: `%s` wants a text, found %.48s; write it in quotes", f->label,
                                           p->name, s->text);
            add_origin(f, p, s);
            return status;
        }
    }
    if (!text)
        return keep_text(f, p, s ? s : f->config, "null", 0, NULL);
    if (p->flags & TESS_PATH) {
        TESS_TRY(absolute_path(f, p, s ? s : f->config, text, path));
        text = path;
    }
    return keep_text(f, p, s ? s : f->config, text, 1, member);
}

static int fill_enum(const struct filling *f, const struct tess_param *p, const struct tessi_config *s, int32_t *member)
{
    char option[80], found[80];
    int64_t index = (int64_t)p->def;
    if (s) {
        index = s->kind == TESSI_SCALAR && s->text ? tessi_plug_option_index(p, s->text) : -1;
        if (index < 0)
            return tessi_plug_params_wrong(
                f, p, s, s->kind == TESSI_SCALAR && s->text && *s->text ? NULL : tessi_config_found(s, found, sizeof found));
    }
    *member = (int32_t)index;
    tessi_plug_option(p, index, option, sizeof option);
    return keep_text(f, p, s ? s : f->config, option, 1, NULL);
}

const struct tess_instance *tessi_plug_params_model(const struct filling *f, const struct tess_param *p, char *kind, size_t capacity)
{
    char like[80];
    int64_t row = 0;
    tessi_plug_component_text(p, kind, capacity, like, sizeof like);
    return *like && tessi_plug_param_named(f->i->component, like, &row) ? f->i->part[row] : NULL;
}

static int fill_component(const struct filling *f, const struct tess_param *p, struct tessi_config *s, int64_t row,
                          struct tess_instance **member)
{
    char kind[80];
    if (!s || (s->kind == TESSI_SCALAR && tessi_config_scalar_is(s->text ? s->text : "", s->quoted) == TESSI_IS_NULL)) {
        if (p->flags & TESS_REQUIRED)
            return tessi_plug_params_wrong(f, p, s ? s : f->config, "nothing");
        return keep_text(f, p, s ? s : f->config, "null", 0, NULL);
    }
    const struct tess_instance *model = tessi_plug_params_model(f, p, kind, sizeof kind);
    TESS_TRY(tessi_plug_instance_new(f->ctx, f->registry, kind, s, model, NULL, f->open, &f->i->part[row]));
    *member = f->i->part[row];
    TESS_TRY(tessi_plug_params_keep(f, p, f->i->values, (*member)->values, NULL));
    return tessi_plug_is_identity(p) ? tessi_plug_params_keep(f, p, f->i->identity, (*member)->identity, NULL) : TESS_OK;
}

/* Value written for a parameter, under its name or a former one; *out is NULL where there is none. */
static int params_written(const struct filling *f, const struct tess_param *p, struct tessi_config *config, struct tessi_config **out)
{
    struct tessi_config *s = tessi_config_get(config, p->name);
    for (struct tessi_config *old = config->kind == TESSI_MAP ? config->child : NULL; old; old = old->next) {
        if (!tessi_plug_was_called(f->i->component, p, old->key))
            continue;
        struct tessi_config place = *old;
        place.line = old->key_line;
        place.column = old->key_column;
        if (p->flags & TESS_GONE)
            return tessi_config_fail(f->ctx, &place, TESS_E_USAGE, "%s: `%s` is called `%s` now", f->label, old->key, p->name);
        if (s)
            return tessi_config_fail(f->ctx, &place, TESS_E_USAGE, "%s: `%s` is called `%s` now, which is given too (line %d): say it once",
                                     f->label, old->key, p->name, (int)(s->key ? s->key_line : s->line));
        s = old;
    }
    *out = s;
    return TESS_OK;
}

/* Value of a parameter: as written, or the value of the parameter of the same name and type of the component that this one is "like"; NULL:
 * the default. */
static int params_value_of(struct filling *f, const struct tess_param *p, struct tessi_config *config, struct tessi_config **out)
{
    f->inherited = 0;
    *out = NULL;
    TESS_TRY(params_written(f, p, config, out));
    const struct tess_param *other = *out || !f->like ? NULL : tessi_plug_param_named(f->like->component, p->name, NULL);
    if (!other || other->type != p->type)
        return TESS_OK;
    struct tessi_config *s = tessi_config_get(f->like->values, p->name);
    if (s && s->kind == TESSI_SCALAR && tessi_config_scalar_is(s->text, s->quoted) == TESSI_IS_NULL)
        return TESS_OK;
    *out = s;
    f->inherited = s != NULL;
    return TESS_OK;
}

static int params_is_listed(const char *const *names, const char *name)
{
    for (; names && *names; names++)
        if (strcmp(*names, name) == 0)
            return 1;
    return 0;
}

static int unknown_key(const struct filling *f, const struct tessi_config *key, const char *const *skip)
{
    const char *names[260] = {"use"};
    char list[400] = "";
    int64_t n = 1;
    const struct tess_param *p;
    for (; skip && *skip && n < 4; skip++)
        names[n++] = *skip;
    for (int64_t row = 0; n < 260 && (p = tessi_plug_param_at(f->i->component, row)); row++)
        names[n++] = p->name;
    struct tessi_config place = *key;
    place.line = key->key_line;
    place.column = key->key_column;
    char words[100];
    const char *nearest = tessi_base_nearest_name(key->key, names, n);
    tessi_base_lookalike_words(key->key, words, sizeof words);
    if (tessi_config_stays(f->config->former, key)) {
        int status = tessi_config_fail(f->ctx, &place, TESS_E_USAGE, "%s has no parameter `%s`", f->label, key->key);
        tessi_plug_append_stays(f->ctx, f->config, "", key);
        return status;
    }
    if (nearest)
        return tessi_config_fail(f->ctx, &place, TESS_E_USAGE, "%s has no parameter `%s`%s; did you mean `%s`?", f->label, key->key, words,
                               nearest);
    for (int64_t i = 1; i < n; i++)
        tessi_base_add(list, sizeof list, "%s%s", i > 1 ? ", " : "", names[i]);
    return tessi_config_fail(f->ctx, &place, TESS_E_USAGE, "%s has no parameter `%s`%s; it takes %s", f->label, key->key, words,
                           n > 1 ? list : "none");
}

/* Fails for a required value that is missing; the message says so where a bare name replaced a map that had it. */
static int params_missing(const struct filling *f, const struct tess_param *p)
{
    char wants[640];
    const struct tessi_config *former = f->config->former;
    int status = tessi_config_fail(f->ctx, f->config, TESS_E_USAGE, "%s: `%s` is missing; it wants %s", f->label, p->name,
                                 tessi_plug_param_wants(p, wants, sizeof wants));
    for (const struct tessi_config *old = former && f->config->afresh ? former->child : NULL; old; old = old->next)
        if (strcmp(old->key, p->name) == 0)
            tess_append_message(f->ctx, "; the one at %s:%d:%d went with what `%s` took the place of: `%s.use=%s` keeps it", old->file,
                                old->line, old->column, f->i->component->name, f->config->path, f->i->component->name);
    return status;
}

/* 1 where the component has a parameter of that name, or of that former name. */
static int params_takes(const struct tess_component *k, const char *key)
{
    const struct tess_param *p;
    if (strcmp(key, "use") == 0)
        return 1;
    for (int64_t row = 0; (p = tessi_plug_param_at(k, row)); row++)
        if (strcmp(p->name, key) == 0 || tessi_plug_was_called(k, p, key))
            return 1;
    return 0;
}

static int fill_row(struct filling *f, const struct tess_param *p, struct tessi_config *s, int64_t row)
{
    void *member = (char *)f->i->self + p->offset;
    switch (p->type) {
    case TESS_BOOL:
        return fill_bool(f, p, s, member);
    case TESS_I64:
        return fill_i64(f, p, s, member);
    case TESS_F64:
        return fill_f64(f, p, s, member);
    case TESS_STR:
        return fill_str(f, p, s, member);
    case TESS_ENUM:
        return fill_enum(f, p, s, member);
    case TESS_COMPONENT:
        return fill_component(f, p, s, row, member);
    default:
        return tessi_plug_fill_list(f, p, s, member);
    }
}

/* Removes a TESS_LATER parameter from the identity while it has its default, so that the identity, and with it results, are as before the
 * parameter existed. */
static int params_forget_default(const struct filling *f, const struct tess_param *p)
{
    struct tessi_config **last = &f->i->identity->child, *kept;
    char *text = NULL, *usual = NULL;
    if (!(p->flags & TESS_LATER) || !tessi_plug_is_identity(p))
        return TESS_OK;
    while (*last && (*last)->next)
        last = &(*last)->next;
    kept = *last;
    int status = tessi_config_print(f->ctx, kept, &text);
    if (status == TESS_OK)
        status = tessi_plug_default_text(f->ctx, p, &usual);
    if (status == TESS_OK && strcmp(text, usual) == 0) {
        *last = NULL;
        tessi_config_free(kept);
    }
    tess_free(text);
    tess_free(usual);
    return status;
}

int tessi_plug_params_fill(struct tess_context *ctx, const struct tessi_registry *r, struct tess_instance *i, struct tessi_config *config,
                           const struct tess_instance *like, const char *const *skip, int open)
{
    char label[140];
    struct filling f = {ctx, r, i, config, like, label_of(i->component, label, sizeof label), open, 0};
    struct tessi_config *s = NULL;
    const struct tess_param *p;
    for (struct tessi_config *key = config->kind == TESSI_MAP ? config->child : NULL; key; key = key->next) {
        if (params_is_listed(skip, key->key))
            continue;
        key->used = 1;
        if (!params_takes(i->component, key->key))
            return unknown_key(&f, key, skip);
    }
    for (int64_t row = 0; (p = tessi_plug_param_at(i->component, row)); row++) {
        TESS_TRY(params_value_of(&f, p, config, &s));
        if (!s && (p->flags & TESS_REQUIRED))
            return params_missing(&f, p);
        TESS_TRY(fill_row(&f, p, s, row));
        TESS_TRY(params_forget_default(&f, p));
    }
    return TESS_OK;
}
