/* The axes of a sweep: what the file says under `axes`, and words of the command line with several values.
 *
 *     axes:
 *       K: [64, 256]                        values of one key
 *       steps: range(100, 400, 100)         the same as [100, 200, 300]
 *       quantizer:                          named choices: each name stands for some overrides
 *         ema: {tokenizer.quantizer.use: ema}
 *         refit: {tokenizer.quantizer.use: nearest, codes.in.model: rebuilt}
 *
 * A value becomes an override, "K=64", and from there on is what a user might have typed: the pipeline's own reader judges it.
 *
 * SPDX-License-Identifier: MIT */
#include "core/sweep/sweep_private.h"

#include "core/base/files.h"
#include "core/base/text.h"
#include "core/config/merge.h"
#include "core/config/scalar.h"
#include "core/config/yaml.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACE "command line"
#define RANGE "range("

/* ---- lists and ranges ---------------------------------------------------------------------------------------------- */

size_t tessi_sweep_item(const char *at)
{
    int depth = 0;
    char quote = '\0', before = ' ';
    size_t n = 0;
    for (; at[n]; before = at[n++]) {
        if (quote) {
            if (at[n] == '\\' && quote == '"' && at[n + 1])
                n++;
            else if (at[n] == quote)
                quote = '\0';
        } else if ((at[n] == '"' || at[n] == '\'') && !isalnum((unsigned char)before)) {
            quote = at[n];
        } else if (strchr("([{", at[n])) {
            depth++;
        } else if (strchr(")]}", at[n])) {
            depth--;
        } else if (at[n] == ',' && depth <= 0) {
            break;
        }
    }
    return n;
}

int tessi_sweep_is_several(const char *value)
{
    value += strspn(value, " \t");
    return value[tessi_sweep_item(value)] == ',' || strncmp(value, RANGE, strlen(RANGE)) == 0;
}

int tessi_sweep_value_texts(struct tess_context *ctx, const struct tessi_config *node, char **shown, char **printed)
{
    *shown = NULL;
    TESS_TRY(tessi_config_print(ctx, node, printed));
    int scalar = node->kind == TESSI_SCALAR && !tessi_config_is_null(node) && node->text && *node->text;
    return tessi_base_format(ctx, shown, "%s", scalar ? node->text : *printed);
}

/* ---- an axis in the making ----------------------------------------------------------------------------------------- */

/* Place of what is read, for messages: a node of the file, or a word of the command line. */
struct axes_place {
    struct tess_context *ctx;
    struct tessi_sweep *s;
    struct tessi_sweep_axis *axis;
    const struct tessi_config *node; /* NULL: a word */
    const char *word;
    int64_t index; /* number of the word, from 1 */
};

static int TESS_PRINTF(2, 3) axes_wrong(const struct axes_place *p, const char *format, ...)
{
    char text[900];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (p->node)
        return tessi_config_fail(p->ctx, p->node, TESS_E_USAGE, "%s", text);
    return p->ctx->fail(p->ctx, TESS_E_USAGE, "%s:%d:1: `%s`: %s", PLACE, (int)p->index, p->word, text);
}

/* Checks the name of an axis, which is part of folders' names and of overrides. */
static int axes_check_name(const struct axes_place *p, const char *name)
{
    int fine = isalnum((unsigned char)*name) && strlen(name) <= 200;
    for (const char *at = name; *at; at++)
        fine = fine && (isalnum((unsigned char)*at) || strchr("-_.", *at));
    if (!fine)
        return axes_wrong(p, "an axis is named by letters, digits, `-`, `_` and `.`, beginning with a letter or digit; found `%s`", name);
    if (strcmp(name, "name") == 0)
        return axes_wrong(p, "`name` is the folder of the whole sweep, and no axis; each variant has a folder in it by itself");
    return TESS_OK;
}

static int axes_new(const struct axes_place *p, const char *name, struct tessi_sweep_axis **out)
{
    struct tessi_sweep *s = p->s;
    void *memory;
    TESS_TRY(axes_check_name(p, name));
    if (s->axes == TESSI_SWEEP_MAX_AXES)
        return axes_wrong(p, "wanted at most %d axes, found more", TESSI_SWEEP_MAX_AXES);
    if (!s->axis) {
        TESS_TRY(tessi_sweep_alloc(p->ctx, s, TESSI_SWEEP_MAX_AXES * sizeof *s->axis, &memory));
        s->axis = memory;
    }
    *out = &s->axis[s->axes];
    (*out)->zip = s->axes++;
    return tessi_sweep_text(p->ctx, s, &(*out)->name, "%s", name);
}

/* Adds a value without overrides; *out is NULL where the axis has it already, which is a note. */
static int axes_value(const struct axes_place *p, const char *text, struct tessi_sweep_value **out)
{
    struct tessi_sweep_axis *a = p->axis;
    void *memory;
    *out = NULL;
    if (tessi_sweep_value_called(a, text) >= 0)
        return tessi_sweep_note(p->ctx, p->s, "the axis `%s` has the value %s more than once; it is taken once", a->name, text);
    if (a->count == TESSI_SWEEP_MAX_VALUES)
        return axes_wrong(p, "wanted at most %d values of an axis, found more", TESSI_SWEEP_MAX_VALUES);
    if ((a->count & (a->count - 1)) == 0) {
        TESS_TRY(tessi_sweep_alloc(p->ctx, p->s, (size_t)(a->count ? 2 * a->count : 1) * sizeof *a->value, &memory));
        if (a->count)
            memcpy(memory, a->value, (size_t)a->count * sizeof *a->value);
        a->value = memory;
    }
    *out = &a->value[a->count++];
    return tessi_sweep_text(p->ctx, p->s, &(*out)->text, "%s", text);
}

static int axes_set(const struct axes_place *p, struct tessi_sweep_value *v, const char *key, const char *printed)
{
    char *text = NULL;
    if (strcmp(key, "name") == 0)
        return axes_wrong(p, "`name` is the folder of the whole sweep, and is not changed by a choice");
    TESS_TRY(tessi_base_format(p->ctx, &text, "%s=%s", key, printed));
    int status = tessi_sweep_add(p->ctx, p->s, &v->sets, &v->set, text);
    tess_free(text);
    return status;
}

static int axes_node(const struct axes_place *p, const struct tessi_config *node)
{
    struct tessi_sweep_value *v = NULL;
    char *shown = NULL, *printed = NULL;
    int status = tessi_sweep_value_texts(p->ctx, node, &shown, &printed);
    if (status == TESS_OK)
        status = axes_value(p, shown, &v);
    if (status == TESS_OK && v)
        status = axes_set(p, v, p->axis->name, printed);
    tess_free(shown);
    tess_free(printed);
    return status;
}

/* ---- texts: "64, 256", "range(1, 4)" ------------------------------------------------------------------------------- */

/* Reads the numbers of a range behind its bracket: their count, or -1. *whole: 1 where all are integers. */
static int axes_numbers(const char *text, double number[3], int *whole)
{
    int n = 0;
    *whole = 1;
    for (char *end; n < 3; text = end + 1) {
        number[n++] = strtod(text, &end);
        size_t length = (size_t)(end - text), digits = strspn(text, " +-0123456789");
        if (length == 0 || !isfinite(number[n - 1]))
            return -1;
        *whole = *whole && digits >= length;
        end += strspn(end, " ");
        if (*end == ')')
            return end[1 + strspn(end + 1, " ")] == '\0' ? n : -1;
        if (*end != ',')
            return -1;
    }
    return -1;
}

static int axes_range(const struct axes_place *p, const char *item)
{
    double number[3];
    int whole, n = axes_numbers(item + strlen(RANGE), number, &whole);
    double first = n > 1 ? number[0] : 0, end = n > 1 ? number[1] : number[0], step = n > 2 ? number[2] : 1;
    if (n < 1)
        return axes_wrong(p, "wanted range(END), range(FIRST, END) or range(FIRST, END, STEP), numbers, found `%s`", item);
    double count = step != 0.0 ? ceil((end - first) / step - 1e-9) : 0;
    if (count < 1 || count > TESSI_SWEEP_MAX_VALUES)
        return axes_wrong(p, "`%s` has %s; the end is not part of a range: range(1, 4) is 1, 2, 3", item,
                          count < 1 ? "no value" : "too many values");
    for (int64_t i = 0; i < (int64_t)count; i++) {
        struct tessi_sweep_value *v;
        char text[40];
        if (whole)
            (void)snprintf(text, sizeof text, "%.0f", first + (double)i * step);
        else /* twelve digits: 0.1 + 2 * 0.1 is 0.3 to whoever wrote it */
            (void)snprintf(text, sizeof text, "%.12g", first + (double)i * step);
        TESS_TRY(axes_value(p, text, &v));
        if (v)
            TESS_TRY(axes_set(p, v, p->axis->name, text));
    }
    return TESS_OK;
}

/* Parses one item of a list as YAML, where it stands. */
static int axes_item(const struct axes_place *p, const char *item, int32_t offset)
{
    struct tessi_config *node = NULL;
    if (!*item)
        return axes_wrong(p,
                          "wanted a value on both sides of each comma, found nothing; is there a variable of the shell that is not set?");
    if (strncmp(item, RANGE, strlen(RANGE)) == 0)
        return axes_range(p, item);
    const char *file = p->node ? p->node->file : PLACE;
    int32_t line = p->node ? p->node->line : (int32_t)p->index, column = p->node ? p->node->column : 1;
    int status = tessi_config_yaml_parse_at(p->ctx, item, file, line, column + offset, &node);
    if (status == TESS_OK)
        status = axes_node(p, node);
    tessi_config_free(node);
    return status;
}

/* Calls `each` with every item of a list, without the blanks around it. */
static int axes_list(const struct axes_place *p, const char *text,
                     int (*each)(const struct axes_place *p, const char *item, int32_t offset))
{
    int status = TESS_OK, more = 1;
    for (const char *at = text; more && status == TESS_OK;) {
        char *item = NULL;
        size_t all = tessi_sweep_item(at), head = strspn(at, " \t"), length = all > head ? all - head : 0;
        while (length && strchr(" \t", at[head + length - 1]))
            length--;
        status = tessi_base_format(p->ctx, &item, "%.*s", (int)length, at + head);
        if (status == TESS_OK)
            status = each(p, item, (int32_t)(at + head - text));
        tess_free(item);
        more = at[all] == ',';
        at += all + (size_t)more;
    }
    return status;
}

/* ---- the file ------------------------------------------------------------------------------------------------------ */

/* Adds the overrides of a choice: keys with dots, or maps in maps down to a key of a stage. */
static int axes_choice(const struct axes_place *p, struct tessi_sweep_value *v, const char *path, const struct tessi_config *map)
{
    int status = TESS_OK;
    for (const struct tessi_config *at = map->child; at && status == TESS_OK; at = at->next) {
        const struct axes_place here = {.ctx = p->ctx, .s = p->s, .axis = p->axis, .node = at};
        char *key = NULL, *printed = NULL;
        status = tessi_base_format(p->ctx, &key, "%s%s%s", path, *path ? "." : "", at->key);
        if (status == TESS_OK && at->kind == TESSI_MAP && at->child &&
            (!strchr(key, '.') || (strncmp(key, "stages.", 7) == 0 && !strchr(key + 7, '.'))))
            status = axes_choice(&here, v, key, at);
        else if (status == TESS_OK && (status = tessi_config_print(p->ctx, at, &printed)) == TESS_OK)
            status = axes_set(&here, v, key, printed);
        tess_free(key);
        tess_free(printed);
    }
    return status;
}

static int axes_choices(const struct axes_place *p, const struct tessi_config *map)
{
    for (const struct tessi_config *at = map->child; at; at = at->next) {
        const struct axes_place here = {.ctx = p->ctx, .s = p->s, .axis = p->axis, .node = at};
        struct tessi_sweep_value *v;
        if (at->kind != TESSI_MAP && !tessi_config_is_null(at))
            return axes_wrong(&here,
                              "the choice `%s` of `%s` wants a map of keys and values, like {tokenizer.quantizer.use: ema}; {} for none",
                              at->key, p->axis->name);
        TESS_TRY(axes_value(&here, at->key, &v));
        if (v && at->kind == TESSI_MAP)
            TESS_TRY(axes_choice(&here, v, "", at));
    }
    return TESS_OK;
}

static int axes_of_file(struct tess_context *ctx, struct tessi_sweep *s, const struct tessi_config *at)
{
    struct axes_place p = {.ctx = ctx, .s = s, .node = at};
    TESS_TRY(axes_new(&p, at->key, &p.axis));
    if (at->kind == TESSI_MAP && at->child)
        return axes_choices(&p, at);
    if (at->kind == TESSI_SCALAR && !tessi_config_is_null(at) && at->text && *at->text)
        return axes_list(&p, at->text, axes_item);
    if (at->kind == TESSI_SCALAR || !at->child)
        return axes_wrong(&p, "the axis `%s` wants values, like [64, 256], range(1, 4), or a map of named choices; found none", at->key);
    for (const struct tessi_config *value = at->child; value; value = value->next) {
        const struct axes_place here = {.ctx = ctx, .s = s, .axis = p.axis, .node = value};
        TESS_TRY(axes_node(&here, value));
    }
    return TESS_OK;
}

int tessi_sweep_axes_file(struct tess_context *ctx, struct tessi_sweep *s, const struct tessi_config *axes)
{
    for (const struct tessi_config *at = axes->child; at; at = at->next)
        TESS_TRY(axes_of_file(ctx, s, at));
    return TESS_OK;
}

/* ---- the command line ---------------------------------------------------------------------------------------------- */

/* 1 where the axis has named choices: their values are not what a key is set to. */
static int axes_is_choice(const struct tessi_sweep_axis *a)
{
    for (int64_t i = 0; i < a->count; i++) {
        size_t length = strlen(a->name);
        const struct tessi_sweep_value *v = &a->value[i];
        if (v->sets != 1 || strncmp(v->set[0], a->name, length) != 0 || v->set[0][length] != '=')
            return 1;
    }
    return 0;
}

/* Takes one of the choices that the file has. */
static int axes_take(const struct axes_place *p, const char *item, int32_t offset)
{
    char names[600] = "";
    const struct tessi_sweep_axis *all = p->axis;
    struct tessi_sweep_axis *a = &p->s->axis[tessi_sweep_axis_named(p->s, all->name)];
    struct axes_place here = *p;
    struct tessi_sweep_value *v;
    int64_t i = tessi_sweep_value_called(all, item);
    (void)offset;
    for (int64_t k = 0; k < all->count; k++)
        tessi_base_add(names, sizeof names, "%s%s", k ? ", " : "", all->value[k].text);
    if (i < 0)
        return axes_wrong(p, "`%s` is no choice of `%s`; there are %s", item, all->name, names);
    here.axis = a;
    TESS_TRY(axes_value(&here, item, &v));
    if (v) {
        v->sets = all->value[i].sets;
        v->set = all->value[i].set;
    }
    return TESS_OK;
}

/* Values for an axis that the file has, in the place of its own. */
static int axes_again(struct axes_place *p, struct tessi_sweep_axis *a, const char *value)
{
    struct tessi_sweep_axis all = *a;
    a->formers = a->count;
    a->former = a->value;
    a->count = 0;
    a->value = NULL;
    int choice = axes_is_choice(&all);
    struct axes_place here = *p;
    here.axis = choice ? &all : a;
    return axes_list(&here, value, choice ? axes_take : axes_item);
}

static int axes_word(struct tess_context *ctx, struct tessi_sweep *s, const char *word, int64_t index, int64_t of_file)
{
    struct axes_place p = {.ctx = ctx, .s = s, .word = word, .index = index};
    const char *equals = strchr(word, '=');
    char *name = NULL;
    if (!equals || equals == word)
        return axes_wrong(&p, "wanted key=value or key=value,value, like K=64,256");
    if (equals[1 + strspn(equals + 1, " \t\r\n")] == '\0')
        return axes_wrong(&p, "wanted values behind `=`, found nothing; did a variable of the shell stand there, which is not set?");
    TESS_TRY(tessi_base_format(ctx, &name, "%.*s", (int)(equals - word), word));
    int64_t there = tessi_sweep_axis_named(s, name);
    int status;
    if (there >= of_file)
        status = axes_wrong(&p, "the axis `%s` is there twice on the command line; give all of its values at once", name);
    else if (there >= 0)
        status = axes_again(&p, &s->axis[there], equals + 1);
    else if (!tessi_sweep_is_several(equals + 1))
        status = tessi_sweep_add(ctx, s, &s->overrides, &s->override, word);
    else if ((status = axes_new(&p, name, &p.axis)) == TESS_OK)
        status = axes_list(&p, equals + 1, axes_item);
    tess_free(name);
    return status;
}

int tessi_sweep_axes_words(struct tess_context *ctx, struct tessi_sweep *s, const struct tessi_sweep_options *o)
{
    int64_t of_file = s->axes;
    for (int64_t i = 0; i < o->words; i++)
        TESS_TRY(axes_word(ctx, s, o->word[i], i + 1, of_file));
    return TESS_OK;
}
