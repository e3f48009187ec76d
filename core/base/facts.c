/* Facts: a short list of named values, searched from the front. An artefact has a few dozen at most, and their order is
 * what a reader of the file sees, so a list serves better than a table. SPDX-License-Identifier: MIT */
#include "core/base/facts_private.h"

#include <math.h>
#include <string.h>

static const char *type_name(int32_t type)
{
    return type == TESSI_FACT_I64 ? "an integer" : type == TESSI_FACT_F64 ? "a real number" : "a text";
}

static struct tessi_fact *find(const struct tess_facts *f, const char *name)
{
    for (int64_t i = 0; i < f->count; i++)
        if (strcmp(f->item[i].name, name) == 0)
            return &f->item[i];
    return NULL;
}

static int copy_text(struct tess_call *c, const char *text, char **out)
{
    size_t bytes = strlen(text) + 1;
    void *copy;
    TESS_TRY(tess_alloc(c, bytes, "a fact", &copy));
    *out = memcpy(copy, text, bytes);
    return TESS_OK;
}

int tessi_facts_new(struct tess_call *c, struct tess_facts **out)
{
    void *memory = NULL;
    int status = tess_alloc(c, sizeof(struct tess_facts), "facts", &memory);
    *out = memory;
    return status;
}

void tessi_facts_free(struct tess_facts *f)
{
    if (!f)
        return;
    for (int64_t i = 0; i < f->count; i++) {
        tess_free(f->item[i].name);
        tess_free(f->item[i].text);
    }
    tess_free(f->item);
    tess_free(f);
}

static int more_room(struct tess_call *c, struct tess_facts *f)
{
    int64_t room = f->room ? 2 * f->room : 16;
    void *memory;
    TESS_TRY(tess_alloc(c, (size_t)room * sizeof *f->item, "facts", &memory));
    if (f->count)
        memcpy(memory, f->item, (size_t)f->count * sizeof *f->item);
    tess_free(f->item);
    f->item = memory;
    f->room = room;
    return TESS_OK;
}

/* Takes `value` but for its name; its text is then the facts'. */
static int set(struct tess_call *c, struct tess_facts *f, const char *name, struct tessi_fact value)
{
    struct tessi_fact *at = find(f, name);
    if (at) {
        value.name = at->name;
        tess_free(at->text);
        *at = value;
        return TESS_OK;
    }
    if (f->count == f->room)
        TESS_TRY(more_room(c, f));
    TESS_TRY(copy_text(c, name, &value.name));
    f->item[f->count++] = value;
    return TESS_OK;
}

int tess_facts_set_i64(struct tess_call *c, struct tess_facts *f, const char *name, int64_t value)
{
    return set(c, f, name, (struct tessi_fact){.type = TESSI_FACT_I64, .i64 = value});
}

int tess_facts_set_i64_at_most(struct tess_call *c, struct tess_facts *f, const char *name, int64_t most)
{
    return set(c, f, name, (struct tessi_fact){.type = TESSI_FACT_I64, .i64 = most, .at_most = 1});
}

int tess_facts_set_f64(struct tess_call *c, struct tess_facts *f, const char *name, double value)
{
    return set(c, f, name, (struct tessi_fact){.type = TESSI_FACT_F64, .f64 = value});
}

int tess_facts_set_text(struct tess_call *c, struct tess_facts *f, const char *name, const char *value)
{
    struct tessi_fact fact = {.type = TESSI_FACT_TEXT};
    TESS_TRY(copy_text(c, value, &fact.text));
    int status = set(c, f, name, fact);
    if (status != TESS_OK)
        tess_free(fact.text);
    return status;
}

static int want(struct tess_call *c, const struct tess_facts *f, const char *name, int32_t type, const struct tessi_fact **out)
{
    *out = find(f, name);
    if (!*out)
        return c->fail(c, TESS_E_DATA, "`%s` is missing, %s was wanted", name, type_name(type));
    if ((*out)->type != type)
        return c->fail(c, TESS_E_DATA, "`%s` is %s, %s was wanted", name, type_name((*out)->type), type_name(type));
    return TESS_OK;
}

int tess_facts_i64(struct tess_call *c, const struct tess_facts *f, const char *name, int64_t *value)
{
    const struct tessi_fact *fact;
    TESS_TRY(want(c, f, name, TESSI_FACT_I64, &fact));
    *value = fact->i64;
    return TESS_OK;
}

int tess_facts_f64(struct tess_call *c, const struct tess_facts *f, const char *name, double *value)
{
    const struct tessi_fact *fact;
    TESS_TRY(want(c, f, name, TESSI_FACT_F64, &fact));
    *value = fact->f64;
    return TESS_OK;
}

int tess_facts_text(struct tess_call *c, const struct tess_facts *f, const char *name, const char **value)
{
    const struct tessi_fact *fact;
    TESS_TRY(want(c, f, name, TESSI_FACT_TEXT, &fact));
    *value = fact->text;
    return TESS_OK;
}

int64_t tess_facts_i64_or(const struct tess_facts *f, const char *name, int64_t otherwise)
{
    const struct tessi_fact *fact = find(f, name);
    return fact && fact->type == TESSI_FACT_I64 ? fact->i64 : otherwise;
}

double tess_facts_f64_or(const struct tess_facts *f, const char *name, double otherwise)
{
    const struct tessi_fact *fact = find(f, name);
    return fact && fact->type == TESSI_FACT_F64 ? fact->f64 : otherwise;
}

const char *tess_facts_text_or(const struct tess_facts *f, const char *name, const char *otherwise)
{
    const struct tessi_fact *fact = find(f, name);
    return fact && fact->type == TESSI_FACT_TEXT ? fact->text : otherwise;
}

int tessi_facts_copy(struct tess_call *c, const struct tess_facts *from, struct tess_facts *to)
{
    for (int64_t i = 0; i < from->count; i++) {
        const struct tessi_fact *fact = &from->item[i];
        if (fact->type == TESSI_FACT_TEXT)
            TESS_TRY(tess_facts_set_text(c, to, fact->name, fact->text));
        else
            TESS_TRY(set(c, to, fact->name, *fact));
    }
    return TESS_OK;
}

static int same(const struct tessi_fact *a, const struct tessi_fact *b)
{
    if (!a || !b || a->type != b->type)
        return 0;
    if (a->type == TESSI_FACT_TEXT)
        return strcmp(a->text, b->text) == 0;
    if (a->type == TESSI_FACT_I64)
        return a->i64 == b->i64;
    return !(a->f64 < b->f64) && !(a->f64 > b->f64) && isnan(a->f64) == isnan(b->f64);
}

int tessi_facts_equal(const struct tess_facts *a, const struct tess_facts *b, const char **name)
{
    for (int side = 0; side < 2; side++) {
        const struct tess_facts *here = side ? b : a, *there = side ? a : b;
        for (int64_t i = 0; i < here->count; i++)
            if (!same(&here->item[i], find(there, here->item[i].name))) {
                if (name)
                    *name = here->item[i].name;
                return 0;
            }
    }
    return 1;
}
