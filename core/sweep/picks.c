/* Picks: some values of some axes, as exclusions and the baseline name them, "K=64,quantizer=ema" or {K: [64, 128], quantizer: ema}. What
 * is named must be there: an exclusion that no variant can meet is a slip of the pen. SPDX-License-Identifier: MIT */
#include "core/sweep/sweep_private.h"

#include "core/base/files.h"
#include "core/base/text.h"
#include "core/config/merge.h"
#include "core/config/yaml.h"

#include <stdio.h>
#include <string.h>

/* Words for an axis or a value that there is not: "; there are K, seed". */
static const char *picks_there_are(const struct tessi_sweep *s, const struct tessi_sweep_axis *a, char *text, size_t capacity)
{
    *text = '\0';
    for (int64_t i = 0; i < (a ? a->count : s->axes); i++)
        tessi_base_add(text, capacity, "%s%s", i ? ", " : "", a ? a->value[i].text : s->axis[i].name);
    return text;
}

static int picks_axis(struct tess_context *ctx, const struct tessi_sweep *s, const char *where, const char *name, int64_t *out)
{
    char text[600];
    *out = tessi_sweep_axis_named(s, name);
    if (*out >= 0)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_USAGE, "%s: there is no axis `%s`; there are %s", where, name,
                     picks_there_are(s, NULL, text, sizeof text));
}

/* 1 where the file's axis has the value, and the command line's has not. */
static int picks_is_former(const struct tessi_sweep_axis *a, const char *text)
{
    const struct tessi_sweep_axis was = {.count = a->formers, .value = a->former};
    return tessi_sweep_value_called(&was, text) >= 0;
}

/* Picks one value of an axis. */
static int picks_value(struct tess_context *ctx, struct tessi_sweep *s, const char *where, int64_t axis, const struct tessi_config *node,
                       struct tessi_sweep_pick *out)
{
    const struct tessi_sweep_axis *a = &s->axis[axis];
    char *shown = NULL, *printed = NULL, text[600];
    void *memory;
    int status = tessi_sweep_value_texts(ctx, node, &shown, &printed);
    int64_t i = status == TESS_OK ? tessi_sweep_value_called(a, shown) : -1;
    int former = status == TESS_OK && i < 0 && picks_is_former(a, shown);
    out->former |= former;
    if (status == TESS_OK && i < 0 && !former)
        status = ctx->fail(ctx, TESS_E_USAGE, "%s: the axis `%s` has no value %s; there are %s", where, a->name, shown,
                           picks_there_are(s, a, text, sizeof text));
    if (status == TESS_OK && !out->picked[axis] && (status = tessi_sweep_alloc(ctx, s, (size_t)a->count, &memory)) == TESS_OK)
        out->picked[axis] = memory;
    if (status == TESS_OK && i >= 0)
        out->picked[axis][i] = 1;
    tess_free(shown);
    tess_free(printed);
    return status;
}

int tessi_sweep_pick_node(struct tess_context *ctx, struct tessi_sweep *s, const char *what, const struct tessi_config *node,
                          struct tessi_sweep_pick *out)
{
    memset(out, 0, sizeof *out);
    if (node->kind != TESSI_MAP || !node->child)
        return tessi_config_fail(ctx, node, TESS_E_USAGE, "`%s` wants a map of axes and values, like {K: 64, quantizer: ema}", what);
    for (const struct tessi_config *at = node->child; at; at = at->next) {
        char where[400];
        int64_t axis;
        (void)snprintf(where, sizeof where, "%s:%d:%d: `%s`", at->file, (int)at->line, (int)at->column, what);
        TESS_TRY(picks_axis(ctx, s, where, at->key, &axis));
        int many = at->kind == TESSI_SEQUENCE;
        for (const struct tessi_config *value = many ? at->child : at; value; value = many ? value->next : NULL)
            TESS_TRY(picks_value(ctx, s, where, axis, value, out));
    }
    return TESS_OK;
}

static int picks_item(struct tess_context *ctx, struct tessi_sweep *s, const char *where, char *item, struct tessi_sweep_pick *out)
{
    char *equals = strchr(item, '=');
    struct tessi_config *node = NULL;
    int64_t axis;
    if (!equals || equals == item || !equals[1])
        return ctx->fail(ctx, TESS_E_USAGE, "%s: wanted AXIS=VALUE, with commas between several, found `%s`", where, item);
    *equals = '\0';
    TESS_TRY(picks_axis(ctx, s, where, item, &axis));
    TESS_TRY(tessi_config_yaml_parse_at(ctx, equals + 1, "command line", 1, 1, &node));
    int status = picks_value(ctx, s, where, axis, node, out);
    tessi_config_free(node);
    return status;
}

int tessi_sweep_pick_word(struct tess_context *ctx, struct tessi_sweep *s, const char *flag, const char *word, struct tessi_sweep_pick *out)
{
    int status = TESS_OK, more = 1;
    memset(out, 0, sizeof *out);
    for (const char *at = word; more && status == TESS_OK;) {
        char *item = NULL;
        size_t all = tessi_sweep_item(at), head = strspn(at, " \t");
        status = tessi_base_format(ctx, &item, "%.*s", all > head ? (int)(all - head) : 0, at + head);
        if (status == TESS_OK)
            status = picks_item(ctx, s, flag, item, out);
        tess_free(item);
        more = at[all] == ',';
        at += all + (size_t)more;
    }
    return status;
}

int tessi_sweep_pick_matches(const struct tessi_sweep *s, const struct tessi_sweep_pick *p, const int64_t *at)
{
    for (int64_t i = 0; i < s->axes; i++)
        if (p->picked[i] && !p->picked[i][at[i]])
            return 0;
    return 1;
}
