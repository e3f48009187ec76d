/* Differences between the protocols of metrics of one name. A protocol is taken apart into named pieces: versions of components,
 * parameters, attributes and the digests of data. SPDX-License-Identifier: MIT */
#include "core/config/yaml.h"
#include "core/report/table_private.h"

#include <stdio.h>
#include <string.h>

struct protocol_pieces {
    struct tess_context *ctx;
    struct tessi_report_set *set;
    int64_t count, capacity;
    struct tessi_report_setting *item;
};

static int pieces_add(struct protocol_pieces *p, const char *name, size_t length, const char *text, size_t bytes)
{
    TESS_TRY(tessi_report_grow(p->ctx, p->set, &p->item, &p->capacity, p->count + 1, sizeof *p->item));
    struct tessi_report_setting *to = &p->item[p->count++];
    TESS_TRY(tessi_report_format(p->ctx, p->set, &to->name, "%.*s", (int)length, name));
    return tessi_report_format(p->ctx, p->set, &to->text, "%.*s", (int)bytes, text);
}

/* Components with their versions: "stage/1 evaluate, tessera-evaluate 0.1.0; ...". */
static int pieces_components(struct protocol_pieces *p, const char *line, size_t length)
{
    for (const char *at = line; at < line + length;) {
        size_t item = strcspn(at, ";\n"), name = strcspn(at, ",;\n");
        TESS_TRY(pieces_add(p, at, name, at + name + (name < item), item - name - (name < item)));
        at += item;
        at += strspn(at, "; ");
    }
    return TESS_OK;
}

static int pieces_flatten(struct protocol_pieces *p, const char *front, const struct tessi_config *node)
{
    for (const struct tessi_config *at = node->child; at; at = at->next) {
        const char *name;
        char *text = NULL;
        TESS_TRY(tessi_report_format(p->ctx, p->set, &name, "%s%s%s", front, *front ? "." : "", at->key));
        if (at->kind == TESSI_MAP && at->child) {
            TESS_TRY(pieces_flatten(p, name, at));
            continue;
        }
        TESS_TRY(tessi_config_print(p->ctx, at, &text));
        int status = pieces_add(p, name, strlen(name), text, strlen(text));
        tess_free(text);
        TESS_TRY(status);
    }
    return TESS_OK;
}

static int pieces_parameters(struct protocol_pieces *p, const char *line, size_t length)
{
    struct tessi_context own;
    struct tessi_config *root = NULL;
    tessi_base_context_init(&own, p->ctx->host);
    if (tessi_config_yaml_parse(&own.context, line, length, "parameters", &root) != TESS_OK)
        return pieces_add(p, "parameters", 10, line, length);
    int status = root->kind == TESSI_MAP ? pieces_flatten(p, "", root) : TESS_OK;
    tessi_config_free(root);
    return status;
}

/* The second line has the parameters; before it are components, behind it attributes, "NAME: TEXT". */
static int pieces_of(struct protocol_pieces *p, const struct tessi_report_measure *m)
{
    int line = 0;
    for (const char *at = m->protocol; *at; line++) {
        size_t length = strcspn(at, "\n"), colon = strcspn(at, ":\n");
        if (line == 0)
            TESS_TRY(pieces_components(p, at, length));
        else if (line == 1)
            TESS_TRY(pieces_parameters(p, at, length));
        else
            TESS_TRY(pieces_add(p, at, colon, at + colon + (colon < length), length - colon - (colon < length)));
        at += length + (at[length] == '\n');
    }
    for (const char *at = m->against; *at;) {
        size_t length = strcspn(at, "\n"), digest = length > 64 ? length - 64 : 0; /* a port's name may have a blank */
        const char *name;                                                          /* apart from an attribute of the port's name */
        TESS_TRY(tessi_report_format(p->ctx, p->set, &name, "data at %.*s", (int)(digest ? digest - 1 : length), at));
        TESS_TRY(pieces_add(p, name, strlen(name), at + digest, digest ? 8 : 0));
        at += length + (at[length] == '\n');
    }
    TESS_TRY(pieces_add(p, "unit", 4, m->unit, strlen(m->unit)));
    const char *better = m->better > 0 ? "higher" : m->better < 0 ? "lower" : "not told";
    return pieces_add(p, "better", 6, better, strlen(better));
}

static const char *pieces_text(const struct protocol_pieces *p, const char *name)
{
    for (int64_t i = 0; i < p->count; i++)
        if (strcmp(p->item[i].name, name) == 0)
            return p->item[i].text;
    return NULL;
}

int tessi_report_protocol_difference(struct tess_context *ctx, struct tessi_report_set *set, const struct tessi_report_table *t, int64_t i,
                                     const char **out)
{
    const struct tessi_report_measure *a = &t->measure[i];
    struct protocol_pieces own = {.ctx = ctx, .set = set};
    void *memory;
    int64_t others = 0;
    *out = "";
    TESS_TRY(pieces_of(&own, a));
    TESS_TRY(tessi_report_alloc(ctx, set, (size_t)(t->measures + 1) * sizeof own, &memory));
    struct protocol_pieces *other = memory;
    for (int64_t k = 0; k < t->measures; k++) {
        if (k == i || strcmp(a->stage, t->measure[k].stage) != 0 || strcmp(a->name, t->measure[k].name) != 0)
            continue;
        other[others] = (struct protocol_pieces){.ctx = ctx, .set = set};
        TESS_TRY(pieces_of(&other[others++], &t->measure[k]));
    }
    for (int64_t p = 0; p < own.count; p++) {
        int differs = 0;
        for (int64_t k = 0; k < others; k++)
            differs |= !tessi_report_same(own.item[p].text, pieces_text(&other[k], own.item[p].name));
        const char *text = own.item[p].text + strspn(own.item[p].text, " ");
        if (differs)
            TESS_TRY(tessi_report_format(ctx, set, out, "%s%s%s %s", *out, **out ? ", " : "", own.item[p].name, *text ? text : "none"));
    }
    return TESS_OK;
}
