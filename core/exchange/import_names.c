/* See import_names.h. Wrappers put a word in front of names: a trainer its field (`first_stage_model.`, `model.`), parallel training
 * `module.`, a compiler `_orig_mod.`, which may be in the middle too. Moving averages of the weights, where a program keeps them as buffers
 * of its model, are `model_ema.` and the weight's name without its dots.
 *
 * SPDX-License-Identifier: MIT */
#include "core/exchange/import_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char average_prefix[] = "model_ema.";
static const char *const wrapper[] = {"_orig_mod.", "module."};
enum { STRICT = 1, LOOSE = 2, DEPTH = 3 };

/* ---- prefixes ------------------------------------------------------------------------------------------------------ */

struct prefix {
    const char *text;
    int64_t bytes, count;
};

static int import_names_by_name(const void *a, const void *b)
{
    return strcmp((*(const struct tess_entry *const *)a)->name, (*(const struct tess_entry *const *)b)->name);
}

/* The commonest first; of two as common the shorter. */
static int import_names_by_count(const void *a, const void *b)
{
    const struct prefix *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

/* Bytes up to and with the `depth`-th dot, 0: there are fewer, or nothing is behind it. */
static int64_t import_names_cut(const char *name, int depth)
{
    const char *dot = name;
    for (; depth && dot; depth--) {
        dot = strchr(dot, '.');
        dot = dot && dot[1] ? dot + 1 : NULL;
    }
    return dot ? dot - name : 0;
}

/* Counts a prefix of a name; names come in order, so equal prefixes come together. */
static void import_names_count(struct prefix *list, int64_t *n, const char *name, int64_t bytes)
{
    struct prefix *last = *n ? &list[*n - 1] : NULL;
    if (last && last->bytes == bytes && memcmp(last->text, name, (size_t)bytes) == 0)
        last->count++;
    else
        list[(*n)++] = (struct prefix){name, bytes, 1};
}

int tessi_exchange_prefixes(struct tess_context *ctx, int64_t n, const struct tess_entry *e, char (*out)[TESS_ENTRY_NAME], int *count)
{
    void *memory;
    *count = 0;
    TESS_TRY(tess_alloc(ctx, (size_t)(n + 1) * (sizeof(void *) + DEPTH * sizeof(struct prefix)), "prefixes of names", &memory));
    struct prefix *list = memory;
    const struct tess_entry **order = (const struct tess_entry **)(list + DEPTH * (n + 1));
    int64_t prefixes = 0;
    for (int64_t i = 0; i < n; i++)
        order[i] = &e[i];
    qsort(order, (size_t)n, sizeof *order, import_names_by_name);
    for (int depth = 1; depth <= DEPTH; depth++)
        for (int64_t i = 0; i < n; i++) {
            int64_t bytes = import_names_cut(order[i]->name, depth);
            if (bytes)
                import_names_count(list, &prefixes, order[i]->name, bytes);
        }
    qsort(list, (size_t)prefixes, sizeof *list, import_names_by_count);
    for (; *count < TESSI_PREFIXES && *count < prefixes; ++*count)
        (void)snprintf(out[*count], TESS_ENTRY_NAME, "%.*s", (int)list[*count].bytes, list[*count].text);
    tess_free(memory);
    return TESS_OK;
}

/* ---- names --------------------------------------------------------------------------------------------------------- */

/* Copies a name without its wrappers: words between dots, of which each is either all of a word or none. */
static char *import_names_copy(const char *name, int wrappers, char *to)
{
    for (const char *at = name; *at;) {
        size_t taken = 0;
        for (int i = 0; i < wrappers && !taken; i++)
            if (strncmp(at, wrapper[i], strlen(wrapper[i])) == 0)
                taken = strlen(wrapper[i]);
        at += taken;
        if (taken)
            continue;
        const char *dot = strchr(at, '.');
        size_t length = dot ? (size_t)(dot - at) + 1 : strlen(at);
        memcpy(to, at, length);
        to += length;
        at += length;
    }
    *to = '\0';
    return to + 1;
}

/* Name of a weight without its dots: its average's name behind `model_ema.`. */
static void import_names_dotless(const char *name, char *to)
{
    for (; *name; name++)
        if (*name != '.')
            *to++ = *name;
    *to = '\0';
}

struct average {
    char name[TESS_ENTRY_NAME];
    int64_t source;
};

static int import_names_average_by_name(const void *a, const void *b)
{
    return strcmp(((const struct average *)a)->name, ((const struct average *)b)->name);
}

/* Gives each entry its average, where there is one of its shape. */
static int import_names_find_averages(struct tess_context *ctx, const struct tess_entry *all, const int64_t *source, int64_t averages,
                                      struct tessi_import_names *out)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(averages + 1) * sizeof(struct average), "moving averages", &memory));
    struct average *list = memory, wanted = {.source = -1};
    for (int64_t i = 0; i < averages; i++) {
        const char *name = strstr(all[source[i]].name, average_prefix) + sizeof average_prefix - 1; /* import_names_is_average saw it */
        (void)snprintf(list[i].name, sizeof list[i].name, "%s", name);
        list[i].source = source[i];
    }
    qsort(list, (size_t)averages, sizeof *list, import_names_average_by_name);
    for (int64_t i = 0; i < out->count; i++) {
        import_names_dotless(out->entry[i].name, wanted.name);
        const struct average *a = bsearch(&wanted, list, (size_t)averages, sizeof *list, import_names_average_by_name);
        const struct tess_entry *e = a ? &all[a->source] : NULL, *mine = &out->entry[i];
        int fits = e && e->is_real && e->rank == mine->rank && memcmp(e->dim, mine->dim, sizeof e->dim) == 0;
        out->average[i] = fits ? a->source : -1;
    }
    tess_free(memory);
    return TESS_OK;
}

static int import_names_alloc(struct tess_context *ctx, int64_t n, int64_t bytes, struct tessi_import_names *out)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(n + 1) * sizeof *out->entry, "names", &memory));
    out->entry = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(n + 1) * sizeof *out->order, "names", &memory));
    out->order = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(n + 1) * sizeof *out->source, "names", &memory));
    out->source = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(n + 1) * sizeof *out->average, "names", &memory));
    out->average = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)bytes + 1, "names", &memory));
    out->text = memory;
    return TESS_OK;
}

/* 1 for an average: of the model under the prefix, or of one that the program averages as a whole, beside it. */
static int import_names_is_average(const char *name, const char *prefix, size_t bytes)
{
    size_t above = bytes;
    if (strncmp(name, prefix, bytes) == 0 && strncmp(name + bytes, average_prefix, sizeof average_prefix - 1) == 0)
        return 1;
    for (above -= above > 0; above > 0 && prefix[above - 1] != '.';)
        above--;
    return bytes && strncmp(name, prefix, above) == 0 && strncmp(name + above, average_prefix, sizeof average_prefix - 1) == 0;
}

/* Splits the entries that have the prefix into weights, in `out`, and averages, whose numbers go to `average`. */
static void import_names_split(int64_t n, const struct tess_entry *e, const char *prefix, int loose, struct tessi_import_names *out,
                               int64_t *average)
{
    size_t bytes = strlen(prefix);
    char *to = out->text;
    for (int64_t i = 0; i < n; i++) {
        if (import_names_is_average(e[i].name, prefix, bytes)) {
            average[out->averages++] = i;
            continue;
        }
        if (strncmp(e[i].name, prefix, bytes) != 0 || !e[i].name[bytes])
            continue;
        out->entry[out->count] = e[i];
        out->entry[out->count].name = to;
        out->source[out->count] = i;
        out->average[out->count] = -1;
        to = import_names_copy(e[i].name + bytes, loose ? LOOSE : STRICT, to);
        out->count++;
    }
}

static int import_names_sort(struct tess_context *ctx, struct tessi_import_names *out)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(out->count + 1) * sizeof(void *), "names", &memory));
    const struct tess_entry **order = memory;
    for (int64_t i = 0; i < out->count; i++)
        order[i] = &out->entry[i];
    qsort(order, (size_t)out->count, sizeof *order, import_names_by_name);
    for (int64_t i = 0; i < out->count; i++)
        out->order[i] = order[i] - out->entry;
    tess_free(memory);
    return TESS_OK;
}

int tessi_exchange_names_open(struct tess_context *ctx, int64_t n, const struct tess_entry *e, const char *prefix, int loose,
                              struct tessi_import_names *out)
{
    int64_t bytes = 0;
    void *memory;
    *out = (struct tessi_import_names){.prefix = prefix};
    for (int64_t i = 0; i < n; i++)
        bytes += (int64_t)strlen(e[i].name) + 1;
    TESS_TRY(import_names_alloc(ctx, n, bytes, out));
    TESS_TRY(tess_alloc(ctx, (size_t)(n + 1) * sizeof(int64_t), "moving averages", &memory));
    import_names_split(n, e, prefix, loose, out, memory);
    int status = out->averages ? import_names_find_averages(ctx, e, memory, out->averages, out) : TESS_OK;
    tess_free(memory);
    return status == TESS_OK ? import_names_sort(ctx, out) : status;
}

void tessi_exchange_names_free(struct tessi_import_names *names)
{
    tess_free(names->entry);
    tess_free(names->order);
    tess_free(names->source);
    tess_free(names->average);
    tess_free(names->text);
    memset(names, 0, sizeof *names);
}
