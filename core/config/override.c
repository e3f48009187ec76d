/* "tokenizer.quantizer.use=ema" on the command line: a pipeline that extends the file by one key.
 *
 * A path begins with a stage, or says `stages.` or `params.` first; a single name is one under params, or `seed`, `name`,
 * `backend`, `precision`. Stages and params must exist already. Keys inside a stage may be new: whether the component knows
 * them is its parameter table's affair, which then names the command line as the place.
 *
 * SPDX-License-Identifier: MIT */
#include "core/config/merge.h"

#include "core/base/context.h"
#include "core/config/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_PARTS 16
#define PLACE "command line"

static const char *const settings[] = {"seed", "name", "backend", "precision"};
#define SETTINGS ((int64_t)(sizeof settings / sizeof *settings))

struct path {
    char text[512];
    int64_t parts;
    const char *part[MAX_PARTS + 2]; /* names of the path, from 1; part[0] is for a prefix that was left out */
};

static int TESS_PRINTF(4, 5) override_wrong(struct tess_context *ctx, int64_t index, const char *text, const char *format, ...)
{
    char message[512];
    va_list list;
    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    return ctx->fail(ctx, TESS_E_USAGE, "%s:%d:1: `%s`: %s", PLACE, (int)index, text, message);
}

static int override_split(struct tess_context *ctx, const char *text, int64_t index, struct path *p)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return override_wrong(ctx, index, text, "wanted key=value, like tokenizer.steps=200");
    if ((size_t)(equals - text) >= sizeof p->text)
        return override_wrong(ctx, index, text, "wanted a key of at most %zu letters", sizeof p->text - 1);
    memcpy(p->text, text, (size_t)(equals - text));
    p->text[equals - text] = '\0';
    p->parts = 0;
    for (char *at = p->text; at;) {
        char *dot = strchr(at, '.');
        if (dot)
            *dot++ = '\0';
        if (*at == '\0')
            return override_wrong(ctx, index, text, "wanted names with one dot between, found an empty one");
        if (p->parts == MAX_PARTS)
            return override_wrong(ctx, index, text, "wanted at most %d names", MAX_PARTS);
        p->part[++p->parts] = at;
        at = dot;
    }
    return TESS_OK;
}

static int is_setting(const char *name)
{
    for (int64_t i = 0; i < SETTINGS; i++)
        if (strcmp(settings[i], name) == 0)
            return 1;
    return 0;
}

/* Fails for a single name that is not under params: a key that only files have, a stage whose key is left out, or a typing error. */
static int unknown_name(struct tess_context *ctx, const struct tessi_config *stages, const struct tessi_config *params, const char *name,
                        const char *text, int64_t index)
{
    static const char *const of_files[] = {"tessera", "extends", "stages", "params"};
    const char *names[SETTINGS + MAX_NAMES];
    char near[300];
    int64_t n = SETTINGS;
    for (size_t i = 0; i < sizeof of_files / sizeof *of_files; i++)
        if (strcmp(name, of_files[i]) == 0)
            return override_wrong(ctx, index, text,
                         "`%s` as a whole is said in the file alone; here one key of a stage, one name under params, "
                         "seed, name, backend or precision can be changed",
                         name);
    memcpy(names, settings, sizeof settings);
    n += tessi_config_key_names(params, names + n, MAX_NAMES);
    const char *nearest = tessi_base_nearest_name(name, names, n);
    if (nearest)
        return override_wrong(ctx, index, text, "there is no name under params `%s`; did you mean `%s`?", name, nearest);
    n = tessi_config_key_names(stages, names, MAX_NAMES);
    nearest = tessi_base_nearest_name(name, names, n);
    if (nearest)
        return override_wrong(ctx, index, text, "there is no name under params `%s`; did you mean a key of the stage `%s`, like %s.seed=1?",
                              name, nearest, nearest);
    return override_wrong(ctx, index, text, "there is no name under params `%s`%s", name,
                          tessi_config_suggest(params, name, near, sizeof near));
}

/* Adds `stages` or `params` in front where it was left out, and checks the name after it. A stage by its name alone can only be removed. */
static int override_complete(struct tess_context *ctx, const struct tessi_config *root, const struct tessi_config *value, struct path *p,
                             const char *text, int64_t index)
{
    char near[300];
    const struct tessi_config *stages = tessi_config_child(root, "stages"), *params = tessi_config_child(root, "params");
    const char *first = p->part[1];
    int stage = p->parts == 1 && tessi_config_child(stages, first) && !tessi_config_child(params, first);
    if (p->parts == 1 && is_setting(first))
        return TESS_OK;
    if (stage && !tessi_config_is_null(value))
        return override_wrong(ctx, index, text, "`%s` is a stage; say which of its keys, like %s.seed=1; %s=null takes the stage away",
                              first, first, first);
    if (p->parts == 1 && !stage && !tessi_config_child(params, first))
        return unknown_name(ctx, stages, params, first, text, index);
    if (strcmp(first, "stages") != 0 && strcmp(first, "params") != 0) {
        p->part[0] = p->parts == 1 && !stage ? "params" : "stages";
        memmove(p->part + 1, p->part, (size_t)(p->parts + 1) * sizeof *p->part);
        p->parts++;
    }
    int is_param = strcmp(p->part[1], "params") == 0;
    const struct tessi_config *map = is_param ? params : stages;
    if (p->parts < 2 || (is_param && p->parts > 2))
        return override_wrong(ctx, index, text, "wanted %s", is_param ? "params.NAME=value" : "stages.NAME.KEY=value");
    if (!tessi_config_child(map, p->part[2]))
        return override_wrong(ctx, index, text, "there is no %s `%s`%s", is_param ? "name under params" : "stage", p->part[2],
                     tessi_config_suggest(map, p->part[2], near, sizeof near));
    return TESS_OK;
}

static int read_value(struct tess_context *ctx, const char *text, int64_t index, struct tessi_config **out)
{
    const char *value = strchr(text, '=') + 1;
    if (value[strspn(value, " \t\r\n")] == '\0')
        return override_wrong(ctx, index, text,
                     "wanted a value behind `=`, found nothing; did a variable of the shell stand there, which is not set? %.*s=null takes "
                     "the key away, %.*s='\"\"' is an empty text",
                     (int)(value - 1 - text), text, (int)(value - 1 - text), text);
    int status = tessi_config_yaml_parse_at(ctx, value, PLACE, (int32_t)index, (int32_t)(value - text) + 1, out);
    if (status == TESS_E_USAGE)
        tess_append_message(ctx, "; in `%.300s`", text);
    return status;
}

int tessi_config_override(struct tess_context *ctx, struct tessi_config *root, const char *text, int64_t index,
                          struct tessi_config *dropped)
{
    struct path p;
    struct tessi_config *value = NULL, *map = NULL;
    TESS_TRY(override_split(ctx, text, index, &p));
    TESS_TRY(read_value(ctx, text, index, &value));
    int status = override_complete(ctx, root, value, &p, text, index);
    /* Builds the tree from the inside out: {stages: {tokenizer: {steps: 200}}}. */
    for (int64_t i = p.parts; status == TESS_OK && i >= 1; i--) {
        status = tessi_config_set_key(ctx, value, p.part[i]);
        value->key_line = (int32_t)index;
        value->key_column = 1;
        if (status == TESS_OK)
            status = tessi_config_new(ctx, TESSI_MAP, PLACE, (int32_t)index, 1, &map);
        if (status == TESS_OK) {
            tessi_config_append(map, value);
            value = map;
        }
    }
    if (status != TESS_OK) {
        tessi_config_free(value);
        return status;
    }
    return tessi_config_merge(ctx, root, value, dropped);
}
