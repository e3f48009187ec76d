/* See name_table.h. SPDX-License-Identifier: MIT */
#include "kit/checkpoint/name_table.h"

#include <tessera/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct tess_entry *name_find(const struct tess_import_plan *p, const char *format, int64_t i)
{
    char name[TESS_ENTRY_NAME];
    const char *hole = strstr(format, "%d");
    if (hole)
        (void)snprintf(name, sizeof name, "%.*s%d%s", (int)(hole - format), format, (int)i, hole + 2);
    else
        (void)snprintf(name, sizeof name, "%s", format);
    return name_get(p, name);
}

const struct tess_entry *name_get(const struct tess_import_plan *p, const char *name)
{
    int64_t low = 0, high = p->order ? p->entries : 0;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        const struct tess_entry *e = &p->entry[p->order[middle]];
        int order = strcmp(e->name, name);
        if (order == 0)
            return e;
        *(order < 0 ? &low : &high) = order < 0 ? middle + 1 : middle;
    }
    for (int64_t k = 0; !p->order && k < p->entries; k++)
        if (strcmp(p->entry[k].name, name) == 0)
            return &p->entry[k];
    return NULL;
}

static const char *name_table_behind(const char *name, const char *beginning)
{
    size_t length = beginning ? strlen(beginning) : 0;
    return length && strncmp(name, beginning, length) == 0 ? name + length : NULL;
}

void name_import(const struct name_row *table, struct tess_import_plan *p, int64_t i)
{
    const struct tess_entry *e = &p->entry[i];
    struct tess_import_use *use = &p->use[i];
    for (; table->theirs || table->ours; table++) {
        const char *rest = name_table_behind(e->name, table->theirs);
        if (!rest)
            continue;
        use->left = table->ours ? NULL : table->left;
        /* Names here may be longer than there: one that does not fit is then of no weight, and told as such. */
        if (table->ours && snprintf(use->ours, sizeof use->ours, "%s%s", table->ours, rest) >= (int)sizeof use->ours)
            use->ours[0] = '\0';
        use->layout = e->rank == 4 && (e->dim[2] != 1 || e->dim[3] != 1) ? TESS_LAYOUT_KERNEL : TESS_LAYOUT_SAME;
        return;
    }
}

void name_export(const struct name_row *table, struct tess_export_weight *w)
{
    const int64_t *d = w->shape.dim;
    for (; table->theirs || table->ours; table++) {
        const char *rest = name_table_behind(w->ours, table->ours);
        if (!rest)
            continue;
        w->left = table->theirs ? NULL : table->left;
        if (table->theirs && snprintf(w->theirs, sizeof w->theirs, "%s%s", table->theirs, rest) >= (int)sizeof w->theirs)
            w->theirs[0] = '\0';
        break;
    }
    w->layout = w->shape.rank == 4 ? TESS_LAYOUT_KERNEL : TESS_LAYOUT_SAME;
    w->rank = w->shape.rank;
    memcpy(w->dim, d, sizeof w->shape.dim);
    if (w->layout == TESS_LAYOUT_KERNEL) {
        w->dim[1] = d[3];
        w->dim[2] = d[1];
        w->dim[3] = d[2];
    }
}

int name_check_number(struct tess_context *ctx, const char *config_text, const char *key, int64_t wanted)
{
    int64_t found;
    TESS_TRY(tess_config_text_i64(ctx, config_text, key, wanted, &found));
    if (found == wanted)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_VALUE,
                   "`%s` of the model is %lld, not %lld, and the file would not tell; say %s=%lld here, and to whoever reads it",
                   key, (long long)found, (long long)wanted, key, (long long)found);
}

int name_check_part(struct tess_context *ctx, const struct tess_export_plan *p, const char *who, const char *part, const char *use,
                    const char **config_text)
{
    int32_t same;
    TESS_TRY(tess_attrs_text(ctx, p->attrs, part, config_text));
    TESS_TRY(tess_config_text_has(ctx, *config_text, "use", use, &same));
    return same ? TESS_OK : ctx->fail(ctx, TESS_E_VALUE, "%s has the %s `%s`, the model %s", who, part, use, *config_text);
}
