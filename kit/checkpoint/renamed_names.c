/* See renamed_names.h. SPDX-License-Identifier: MIT */
#include "kit/checkpoint/renamed_names.h"

#include "kit/checkpoint/name_table.h"
#include "kit/checkpoint/taming_autoencoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS_MAX = 17 };

/* ---- patterns ------------------------------------------------------------------------------------------------------ */

/* Matches the beginning of a name; its numbers go to `number`, and what is behind it is returned. NULL: it does not match. */
static const char *renamed_match(const char *pattern, const char *name, int64_t number[2])
{
    int n = 0;
    for (; *pattern; pattern++) {
        char *end;
        if (*pattern != '#') {
            if (*pattern != *name++)
                return NULL;
            continue;
        }
        if (*name < '0' || *name > '9')
            return NULL;
        long value = strtol(name, &end, 10);
        if (end - name > 3)
            return NULL;
        number[n++ & 1] = value;
        name = end;
    }
    return name;
}

static size_t renamed_print(const char *pattern, const int64_t number[2], char *to, size_t capacity)
{
    size_t at = 0;
    int n = 0;
    for (; *pattern && at + 24 < capacity; pattern++)
        if (*pattern == '#')
            at += (size_t)snprintf(to + at, capacity - at, "%lld", (long long)number[n++ & 1]);
        else
            to[at++] = *pattern;
    to[at] = '\0';
    return at;
}

/* A name there as one of taming's, or, when `back`, the reverse; 0 where no row fits. */
static int renamed_name(const struct renamed_row *table, int64_t levels, int back, const char *name, char *to, size_t capacity)
{
    for (; table->theirs; table++) {
        int64_t number[2] = {0};
        const char *from = back ? table->taming : table->theirs, *rest = renamed_match(from, name, number);
        if (!rest)
            continue;
        if (table->upward)
            number[0] = levels - 1 - number[0];
        size_t at = renamed_print(back ? table->theirs : table->taming, number, to, capacity);
        if (table->rest && renamed_name(table->rest, 0, back, rest, to + at, capacity - at))
            return 1;
        return snprintf(to + at, capacity - at, "%s", rest) < (int)(capacity - at);
    }
    return 0;
}

/* ---- there to here ------------------------------------------------------------------------------------------------- */

struct renamed_plan { /* the plan with taming's names */
    struct tess_import_plan plan;
    struct tess_entry *entry;
    int64_t *order;
    char *text;
};

static int renamed_by_name(const void *a, const void *b)
{
    return strcmp((*(const struct tess_entry *const *)a)->name, (*(const struct tess_entry *const *)b)->name);
}

static int renamed_sort(struct tess_context *ctx, struct renamed_plan *q)
{
    void *memory;
    int64_t n = q->plan.entries;
    TESS_TRY(tess_alloc(ctx, (size_t)(n + 1) * sizeof(void *), "names", &memory));
    const struct tess_entry **order = memory;
    for (int64_t i = 0; i < n; i++)
        order[i] = &q->entry[i];
    qsort(order, (size_t)n, sizeof *order, renamed_by_name);
    for (int64_t i = 0; i < n; i++)
        q->order[i] = order[i] - q->entry;
    tess_free(memory);
    return TESS_OK;
}

static int64_t renamed_levels(const struct renamed *r, const struct tess_import_plan *p)
{
    char name[TESS_ENTRY_NAME];
    int64_t n = 0;
    for (; n < LEVELS_MAX; n++) {
        (void)renamed_print(r->levels, (const int64_t[]){n, n}, name, sizeof name);
        if (!name_get(p, name))
            break;
    }
    return n;
}

static int renamed_fill(struct tess_context *ctx, const struct renamed *r, const struct tess_import_plan *p, struct renamed_plan *q)
{
    void *memory;
    int64_t levels = renamed_levels(r, p);
    TESS_TRY(tess_alloc(ctx, (size_t)(p->entries + 1) * sizeof *q->entry, "names", &memory));
    q->entry = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(p->entries + 1) * sizeof *q->order, "names", &memory));
    q->order = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(p->entries + 1) * TESS_ENTRY_NAME, "names", &memory));
    q->text = memory;
    for (int64_t i = 0; i < p->entries; i++) {
        char *name = q->text + i * TESS_ENTRY_NAME;
        q->entry[i] = p->entry[i];
        q->entry[i].name = renamed_name(r->table, levels, 0, p->entry[i].name, name, TESS_ENTRY_NAME) ? name : p->entry[i].name;
    }
    q->plan = *p;
    q->plan.entry = q->entry;
    q->plan.order = q->order;
    return renamed_sort(ctx, q);
}

int renamed_import(struct tess_context *ctx, const struct renamed *r, const struct conv_untold *u, struct tess_import_plan *p)
{
    struct renamed_plan q = {.entry = NULL};
    int status = renamed_fill(ctx, r, p, &q);
    if (status == TESS_OK)
        status = taming_import(ctx, r->who, u, &q.plan);
    p->kind = q.plan.kind;
    memcpy(p->assumed, q.plan.assumed, sizeof p->assumed);
    memcpy(p->warning, q.plan.warning, sizeof p->warning);
    tess_free(q.entry);
    tess_free(q.order);
    tess_free(q.text);
    return status;
}

/* ---- and back ------------------------------------------------------------------------------------------------------ */

/* Levels of the model: those of taming's names. */
static int64_t renamed_export_levels(const struct tess_export_plan *p)
{
    int64_t levels = 0;
    for (int64_t i = 0; i < p->weights; i++) {
        int64_t number[2] = {0};
        if (renamed_match("encoder.down.#.", p->weight[i].theirs, number) && number[0] >= levels)
            levels = number[0] + 1;
    }
    return levels;
}

int renamed_export(struct tess_context *ctx, const struct renamed *r, const struct conv_untold *u, struct tess_export_plan *p)
{
    TESS_TRY(taming_export(ctx, r->who, 0, u, p));
    int64_t levels = renamed_export_levels(p);
    for (int64_t i = 0; i < p->weights; i++) {
        struct tess_export_weight *w = &p->weight[i];
        char name[TESS_ENTRY_NAME];
        if (*w->theirs && renamed_name(r->table, levels, 1, w->theirs, name, sizeof name))
            memcpy(w->theirs, name, sizeof name);
    }
    return TESS_OK;
}
