/* sweep.yaml: a sweep as it is kept in its folder, for tables and pages. Written by one printer and read by the reader of all
 * configurations, so a file that was changed by hand is read as well, or refused with its line.
 *
 * SPDX-License-Identifier: MIT */
#include "core/sweep/sweep_private.h"

#include "core/base/files.h"
#include "core/config/merge.h"
#include "core/config/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_NAME "sweep.yaml"

/* ---- writing ------------------------------------------------------------------------------------------------------- */

/* Prints a text in quotes, always, so that 64 stays the text that it is. */
static int file_text(struct tess_context *ctx, FILE *to, const char *text)
{
    struct tessi_config *node = NULL;
    char *printed = NULL;
    TESS_TRY(tessi_config_new(ctx, TESSI_SCALAR, FILE_NAME, 1, 1, &node));
    node->quoted = 1;
    int status = tessi_config_set_text(ctx, node, text);
    if (status == TESS_OK)
        status = tessi_config_print(ctx, node, &printed);
    if (status == TESS_OK)
        fputs(printed, to);
    tess_free(printed);
    tessi_config_free(node);
    return status;
}

static int file_list(struct tess_context *ctx, FILE *to, int64_t n, char *const *text)
{
    fputc('[', to);
    for (int64_t i = 0; i < n; i++) {
        fputs(i ? ", " : "", to);
        TESS_TRY(file_text(ctx, to, text[i]));
    }
    fputc(']', to);
    return TESS_OK;
}

/* Prints {AXIS: "VALUE", ...} of the axes that have an index. */
static int file_values(struct tess_context *ctx, FILE *to, const struct tessi_sweep *s, const int64_t *at)
{
    int64_t n = 0;
    fputc('{', to);
    for (int64_t i = 0; i < s->axes; i++) {
        if (at[i] < 0)
            continue;
        fputs(n++ ? ", " : "", to);
        TESS_TRY(file_text(ctx, to, s->axis[i].name));
        fputs(": ", to);
        TESS_TRY(file_text(ctx, to, s->axis[i].value[at[i]].text));
    }
    fputc('}', to);
    return TESS_OK;
}

static int file_axes(struct tess_context *ctx, FILE *to, const struct tessi_sweep *s)
{
    fputs("axes:\n", to);
    for (int64_t i = 0; i < s->axes; i++) {
        fputs("  - {name: ", to);
        TESS_TRY(file_text(ctx, to, s->axis[i].name));
        fputs(", values: [", to);
        for (int64_t k = 0; k < s->axis[i].count; k++) {
            fputs(k ? ", " : "", to);
            TESS_TRY(file_text(ctx, to, s->axis[i].value[k].text));
        }
        fputs("]}\n", to);
    }
    return TESS_OK;
}

static int file_variants(struct tess_context *ctx, FILE *to, const struct tessi_sweep *s)
{
    fputs("variants:\n", to);
    for (int64_t i = 0; i < s->variants; i++) {
        const struct tessi_sweep_variant *v = &s->variant[i];
        fputs("  - {name: ", to);
        TESS_TRY(file_text(ctx, to, v->name));
        fputs(", values: ", to);
        TESS_TRY(file_values(ctx, to, s, v->at));
        fputs(", set: ", to);
        TESS_TRY(file_list(ctx, to, v->sets, v->set));
        fputs("}\n", to);
    }
    return TESS_OK;
}

static int file_print(struct tess_context *ctx, FILE *to, const struct tessi_sweep *s)
{
    int based = 0;
    fprintf(to, "# The variants of a sweep, written by `tessera sweep`; each has its run's folder beside this file.\npipeline: ");
    TESS_TRY(file_text(ctx, to, s->pipeline));
    fputs("\noverrides: ", to);
    TESS_TRY(file_list(ctx, to, s->overrides, s->override));
    fputc('\n', to);
    TESS_TRY(file_axes(ctx, to, s));
    if (s->seed_axis >= 0) {
        fputs("seed_axis: ", to);
        TESS_TRY(file_text(ctx, to, s->axis[s->seed_axis].name));
        fputc('\n', to);
    }
    for (int64_t i = 0; i < s->axes; i++)
        based |= s->baseline[i] >= 0;
    if (based) {
        fputs("baseline: ", to);
        TESS_TRY(file_values(ctx, to, s, s->baseline));
        fputc('\n', to);
    }
    TESS_TRY(file_variants(ctx, to, s));
    fputs("excluded: ", to);
    TESS_TRY(file_list(ctx, to, s->excluded, s->exclude));
    fputs("\nduplicates:", to);
    for (int64_t i = 0; i < s->duplicates; i++) {
        fputs("\n  - {name: ", to);
        TESS_TRY(file_text(ctx, to, s->duplicate[i].name));
        fputs(", of: ", to);
        TESS_TRY(file_text(ctx, to, s->duplicate[i].of));
        fputs("}", to);
    }
    fputs(s->duplicates ? "\n" : " []\n", to);
    return TESS_OK;
}

/* 1 where the file has these bytes. */
static int file_is(const char *path, const char *text, size_t bytes)
{
    FILE *f = fopen(path, "re");
    char piece[4096];
    size_t n, at = 0;
    int same = f != NULL;
    while (same && (n = fread(piece, 1, sizeof piece, f)) > 0) {
        same = at + n <= bytes && memcmp(text + at, piece, n) == 0;
        at += n;
    }
    if (f)
        fclose(f);
    return same && at == bytes;
}

/* Writes what `print` prints to a file, aside, unless it is there. */
static int file_write(struct tess_context *ctx, const char *folder, const char *name, const void *what,
                      int (*print)(struct tess_context *ctx, FILE *to, const void *what))
{
    char *text = NULL, *path = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    int status = to ? print(ctx, to, what) : TESS_OK;
    if (!to || fclose(to) != 0)
        status = ctx->fail(ctx, TESS_E_MEMORY, "no memory for %s", name);
    if (status == TESS_OK)
        status = tessi_base_format(ctx, &path, "%s/%s", folder, name);
    if (status == TESS_OK)
        status = tessi_base_make_folder(ctx, folder);
    if (status == TESS_OK && !file_is(path, text, bytes))
        status = tessi_base_write_text(ctx, path, text, bytes);
    tess_free(path);
    free(text);
    return status;
}

static int file_print_sweep(struct tess_context *ctx, FILE *to, const void *what)
{
    return file_print(ctx, to, what);
}

int tessi_sweep_write(struct tess_context *ctx, const struct tessi_sweep *s)
{
    return file_write(ctx, s->folder, FILE_NAME, s, file_print_sweep);
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

static int file_wrong(struct tess_context *ctx, const struct tessi_config *at, const char *what)
{
    return tessi_config_fail(ctx, at, TESS_E_DATA,
                             "wanted the sweep that `tessera sweep` writes, with %s; run the sweep again, which writes it", what);
}

/* The text of a map's key; a failure where it is missing. */
static int file_get(struct tess_context *ctx, struct tessi_sweep *s, const struct tessi_config *map, const char *key, char **out)
{
    const struct tessi_config *at = tessi_config_child(map, key);
    if (!at || at->kind != TESSI_SCALAR || !at->text)
        return file_wrong(ctx, at ? at : map, key);
    return tessi_sweep_text(ctx, s, out, "%s", at->text);
}

static int file_get_list(struct tess_context *ctx, struct tessi_sweep *s, const struct tessi_config *map, const char *key, int64_t *count,
                         char ***list)
{
    const struct tessi_config *at = tessi_config_child(map, key);
    if (!at || at->kind != TESSI_SEQUENCE)
        return file_wrong(ctx, at ? at : map, key);
    for (const struct tessi_config *item = at->child; item; item = item->next) {
        if (item->kind != TESSI_SCALAR || !item->text)
            return file_wrong(ctx, item, key);
        TESS_TRY(tessi_sweep_add(ctx, s, count, list, item->text));
    }
    return TESS_OK;
}

/* The items of a list of maps: their number, and memory for as many of `bytes`. */
static int file_maps(struct tess_context *ctx, struct tessi_sweep *s, const struct tessi_config *root, const char *key, size_t bytes,
                     const struct tessi_config **list, void **memory)
{
    *list = tessi_config_child(root, key);
    if (!*list || (*list)->kind != TESSI_SEQUENCE)
        return file_wrong(ctx, *list ? *list : root, key);
    for (const struct tessi_config *item = (*list)->child; item; item = item->next)
        if (item->kind != TESSI_MAP)
            return file_wrong(ctx, item, key);
    return tessi_sweep_alloc(ctx, s, (size_t)(tessi_config_count(*list) + 1) * bytes, memory);
}

static int file_get_axes(struct tess_context *ctx, struct tessi_sweep *s, const struct tessi_config *root)
{
    const struct tessi_config *list;
    void *memory;
    TESS_TRY(file_maps(ctx, s, root, "axes", sizeof *s->axis, &list, &memory));
    s->axis = memory;
    for (const struct tessi_config *item = list->child; item; item = item->next) {
        struct tessi_sweep_axis *a = &s->axis[s->axes];
        char **text = NULL;
        a->zip = s->axes++;
        TESS_TRY(file_get(ctx, s, item, "name", &a->name));
        TESS_TRY(file_get_list(ctx, s, item, "values", &a->count, &text));
        TESS_TRY(tessi_sweep_alloc(ctx, s, (size_t)(a->count + 1) * sizeof *a->value, &memory));
        a->value = memory;
        for (int64_t i = 0; i < a->count; i++)
            a->value[i].text = text[i];
    }
    return TESS_OK;
}

/* Reads {AXIS: VALUE, ...} as indices; every axis must be there where `all`. */
static int file_get_values(struct tess_context *ctx, struct tessi_sweep *s, const struct tessi_config *map, int all, int64_t **out)
{
    void *memory;
    TESS_TRY(tessi_sweep_alloc(ctx, s, (size_t)(s->axes + 1) * sizeof **out, &memory));
    *out = memory;
    for (int64_t i = 0; i < s->axes; i++) {
        const struct tessi_config *at = tessi_config_child(map, s->axis[i].name);
        (*out)[i] = at && at->kind == TESSI_SCALAR && at->text ? tessi_sweep_value_called(&s->axis[i], at->text) : -1;
        if ((*out)[i] < 0 && (all || at))
            return file_wrong(ctx, at ? at : map, "a value of each axis");
    }
    return TESS_OK;
}

static int file_get_variants(struct tess_context *ctx, struct tessi_sweep *s, const struct tessi_config *root)
{
    const struct tessi_config *list;
    void *memory;
    TESS_TRY(file_maps(ctx, s, root, "variants", sizeof *s->variant, &list, &memory));
    s->variant = memory;
    for (const struct tessi_config *item = list->child; item; item = item->next) {
        struct tessi_sweep_variant *v = &s->variant[s->variants++];
        TESS_TRY(file_get(ctx, s, item, "name", &v->name));
        if (strchr(v->name, '/') || *v->name == '.') /* a folder in this one */
            return file_wrong(ctx, item, "names of folders");
        const struct tessi_config *values = tessi_config_child(item, "values");
        if (!values || values->kind != TESSI_MAP)
            return file_wrong(ctx, item, "values");
        TESS_TRY(file_get_values(ctx, s, values, 1, &v->at));
        TESS_TRY(file_get_list(ctx, s, item, "set", &v->sets, &v->set));
    }
    return TESS_OK;
}

static int file_get_duplicates(struct tess_context *ctx, struct tessi_sweep *s, const struct tessi_config *root)
{
    const struct tessi_config *list;
    void *memory;
    TESS_TRY(file_maps(ctx, s, root, "duplicates", sizeof *s->duplicate, &list, &memory));
    s->duplicate = memory;
    for (const struct tessi_config *item = list->child; item; item = item->next) {
        struct tessi_sweep_duplicate *d = &s->duplicate[s->duplicates++];
        TESS_TRY(file_get(ctx, s, item, "name", &d->name));
        TESS_TRY(file_get(ctx, s, item, "of", &d->of));
    }
    return TESS_OK;
}

static int file_get_all(struct tess_context *ctx, struct tessi_sweep *s, const struct tessi_config *root)
{
    char *seed;
    if (root->kind != TESSI_MAP)
        return file_wrong(ctx, root, "`pipeline`");
    TESS_TRY(file_get(ctx, s, root, "pipeline", &s->pipeline));
    TESS_TRY(file_get_list(ctx, s, root, "overrides", &s->overrides, &s->override));
    TESS_TRY(file_get_axes(ctx, s, root));
    if (tessi_config_child(root, "seed_axis")) {
        TESS_TRY(file_get(ctx, s, root, "seed_axis", &seed));
        if ((s->seed_axis = tessi_sweep_axis_named(s, seed)) < 0)
            return file_wrong(ctx, tessi_config_child(root, "seed_axis"), "the name of an axis as `seed_axis`");
    }
    TESS_TRY(file_get_values(ctx, s, tessi_config_child(root, "baseline"), 0, &s->baseline));
    TESS_TRY(file_get_variants(ctx, s, root));
    TESS_TRY(file_get_list(ctx, s, root, "excluded", &s->excluded, &s->exclude));
    return file_get_duplicates(ctx, s, root);
}

int tessi_sweep_read(struct tess_context *ctx, const char *folder, struct tessi_sweep **out)
{
    struct tessi_config *root = NULL;
    char *path = NULL;
    int status = tessi_sweep_new(ctx, out);
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        length--;
    if (status == TESS_OK)
        status = tessi_sweep_text(ctx, *out, &(*out)->folder, "%.*s", (int)length, folder);
    if (status == TESS_OK) {
        (*out)->name = (*out)->folder;
        status = tessi_base_format(ctx, &path, "%s/" FILE_NAME, (*out)->folder);
    }
    if (status == TESS_OK && (status = tessi_config_yaml_load(ctx, path, &root)) == TESS_E_USAGE)
        status = TESS_E_DATA;
    if (status == TESS_OK)
        status = file_get_all(ctx, *out, root);
    tessi_config_free(root);
    tess_free(path);
    return status;
}

/* ---- outcomes ------------------------------------------------------------------------------------------------------ */

#define OUTCOME_NAME "outcome.yaml"

static const char *const outcomes[] = {"not run", "done", "failed", "stopped"};

static int file_print_outcome(struct tess_context *ctx, FILE *to, const void *what)
{
    const struct tessi_sweep_outcome *o = what;
    fprintf(to, "outcome: %s\n", outcomes[o->outcome]);
    if (*o->stage) {
        fputs("stage: ", to);
        TESS_TRY(file_text(ctx, to, o->stage));
        fputc('\n', to);
    }
    if (*o->reason) {
        fputs("reason: ", to);
        TESS_TRY(file_text(ctx, to, o->reason));
        fputc('\n', to);
    }
    fprintf(to, "seconds: %.3f\n", o->seconds);
    return TESS_OK;
}

int tessi_sweep_outcome_write(struct tess_context *ctx, const char *folder, const struct tessi_sweep_outcome *o)
{
    return file_write(ctx, folder, OUTCOME_NAME, o, file_print_outcome);
}

static void file_copy(const struct tessi_config *root, const char *key, char *to, size_t capacity)
{
    const struct tessi_config *at = tessi_config_child(root, key);
    (void)snprintf(to, capacity, "%s", at && at->kind == TESSI_SCALAR && at->text ? at->text : "");
}

int tessi_sweep_outcome_read(struct tess_context *ctx, const char *folder, struct tessi_sweep_outcome *out)
{
    struct tessi_config *root = NULL;
    char *path = NULL, word[40];
    memset(out, 0, sizeof *out);
    TESS_TRY(tessi_base_format(ctx, &path, "%s/" OUTCOME_NAME, folder));
    int there = 0, status = tessi_base_file_there(ctx, path, &there);
    if (status == TESS_OK && there && (status = tessi_config_yaml_load(ctx, path, &root)) == TESS_E_USAGE)
        status = TESS_E_DATA;
    if (status == TESS_OK && there) {
        const struct tessi_config *seconds = tessi_config_child(root, "seconds");
        file_copy(root, "outcome", word, sizeof word);
        file_copy(root, "stage", out->stage, sizeof out->stage);
        file_copy(root, "reason", out->reason, sizeof out->reason);
        while (out->outcome < 4 && strcmp(outcomes[out->outcome], word) != 0)
            out->outcome++;
        if (out->outcome == 4 || !seconds || tessi_config_f64(ctx, seconds, &out->seconds) != TESS_OK)
            status = file_wrong(ctx, root, "an outcome");
    }
    tessi_config_free(root);
    tess_free(path);
    return status;
}
