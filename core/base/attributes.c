/* Attributes: a short list of named values, searched from the front. An artefact has a few dozen at most, and their order is
 * what a reader of the file sees, so a list serves better than a table. SPDX-License-Identifier: MIT */
#include "core/base/attributes_private.h"

#include <math.h>
#include <string.h>

static const char *type_name(int32_t type)
{
    return type == TESSI_ATTR_I64 ? "an integer" : type == TESSI_ATTR_F64 ? "a real number" : "a text";
}

static struct tessi_attr *attributes_find(const struct tess_attrs *f, const char *name)
{
    for (int64_t i = 0; i < f->count; i++)
        if (strcmp(f->item[i].name, name) == 0)
            return &f->item[i];
    return NULL;
}

int tessi_base_attrs_new(struct tess_context *ctx, struct tess_attrs **out)
{
    void *memory = NULL;
    int status = tess_alloc(ctx, sizeof(struct tess_attrs), "attributes", &memory);
    *out = memory;
    return status;
}

void tessi_base_attrs_free(struct tess_attrs *f)
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

/* Sets the attribute `name` to the other members of `value`, whose text it takes over. */
static int attributes_set(struct tess_context *ctx, struct tess_attrs *f, const char *name, struct tessi_attr value)
{
    struct tessi_attr *at = attributes_find(f, name);
    if (at) {
        value.name = at->name;
        tess_free(at->text);
        *at = value;
        return TESS_OK;
    }
    TESS_TRY(tess_reserve(ctx, &f->item, &f->capacity, f->count + 1, sizeof *f->item, "attributes"));
    TESS_TRY(tess_copy_text(ctx, name, &value.name));
    f->item[f->count++] = value;
    return TESS_OK;
}

int tess_attrs_set_i64(struct tess_context *ctx, struct tess_attrs *f, const char *name, int64_t value)
{
    return attributes_set(ctx, f, name, (struct tessi_attr){.type = TESSI_ATTR_I64, .i64 = value});
}

int tess_attrs_set_i64_at_most(struct tess_context *ctx, struct tess_attrs *f, const char *name, int64_t max)
{
    return attributes_set(ctx, f, name, (struct tessi_attr){.type = TESSI_ATTR_I64, .i64 = max, .at_most = 1});
}

int tess_attrs_set_f64(struct tess_context *ctx, struct tess_attrs *f, const char *name, double value)
{
    return attributes_set(ctx, f, name, (struct tessi_attr){.type = TESSI_ATTR_F64, .f64 = value});
}

int tess_attrs_set_text(struct tess_context *ctx, struct tess_attrs *f, const char *name, const char *value)
{
    struct tessi_attr attr = {.type = TESSI_ATTR_TEXT};
    TESS_TRY(tess_copy_text(ctx, value, &attr.text));
    int status = attributes_set(ctx, f, name, attr);
    if (status != TESS_OK)
        tess_free(attr.text);
    return status;
}

static int attributes_want(struct tess_context *ctx, const struct tess_attrs *f, const char *name, int32_t type,
                           const struct tessi_attr **out)
{
    *out = attributes_find(f, name);
    if (!*out)
        return ctx->fail(ctx, TESS_E_DATA, "`%s` is missing, %s was wanted", name, type_name(type));
    if ((*out)->type != type)
        return ctx->fail(ctx, TESS_E_DATA, "`%s` is %s, %s was wanted", name, type_name((*out)->type), type_name(type));
    return TESS_OK;
}

int tess_attrs_i64(struct tess_context *ctx, const struct tess_attrs *f, const char *name, int64_t *value)
{
    const struct tessi_attr *attr;
    TESS_TRY(attributes_want(ctx, f, name, TESSI_ATTR_I64, &attr));
    *value = attr->i64;
    return TESS_OK;
}

int tess_attrs_f64(struct tess_context *ctx, const struct tess_attrs *f, const char *name, double *value)
{
    const struct tessi_attr *attr;
    TESS_TRY(attributes_want(ctx, f, name, TESSI_ATTR_F64, &attr));
    *value = attr->f64;
    return TESS_OK;
}

int tess_attrs_text(struct tess_context *ctx, const struct tess_attrs *f, const char *name, const char **value)
{
    const struct tessi_attr *attr;
    TESS_TRY(attributes_want(ctx, f, name, TESSI_ATTR_TEXT, &attr));
    *value = attr->text;
    return TESS_OK;
}

int64_t tess_attrs_i64_or(const struct tess_attrs *f, const char *name, int64_t otherwise)
{
    const struct tessi_attr *attr = attributes_find(f, name);
    return attr && attr->type == TESSI_ATTR_I64 ? attr->i64 : otherwise;
}

double tess_attrs_f64_or(const struct tess_attrs *f, const char *name, double otherwise)
{
    const struct tessi_attr *attr = attributes_find(f, name);
    return attr && attr->type == TESSI_ATTR_F64 ? attr->f64 : otherwise;
}

const char *tess_attrs_text_or(const struct tess_attrs *f, const char *name, const char *otherwise)
{
    const struct tessi_attr *attr = attributes_find(f, name);
    return attr && attr->type == TESSI_ATTR_TEXT ? attr->text : otherwise;
}

int tessi_base_attrs_copy(struct tess_context *ctx, const struct tess_attrs *from, struct tess_attrs *to)
{
    for (int64_t i = 0; i < from->count; i++) {
        const struct tessi_attr *attr = &from->item[i];
        if (attr->type == TESSI_ATTR_TEXT)
            TESS_TRY(tess_attrs_set_text(ctx, to, attr->name, attr->text));
        else
            TESS_TRY(attributes_set(ctx, to, attr->name, *attr));
    }
    return TESS_OK;
}

static int attributes_same(const struct tessi_attr *a, const struct tessi_attr *b)
{
    if (!a || !b || a->type != b->type)
        return 0;
    if (a->type == TESSI_ATTR_TEXT)
        return strcmp(a->text, b->text) == 0;
    if (a->type == TESSI_ATTR_I64)
        return a->i64 == b->i64;
    return !(a->f64 < b->f64) && !(a->f64 > b->f64) && isnan(a->f64) == isnan(b->f64);
}

int tessi_base_attrs_equal(const struct tess_attrs *a, const struct tess_attrs *b, const char **name)
{
    for (int side = 0; side < 2; side++) {
        const struct tess_attrs *here = side ? b : a, *there = side ? a : b;
        for (int64_t i = 0; i < here->count; i++)
            if (!attributes_same(&here->item[i], attributes_find(there, here->item[i].name))) {
                if (name)
                    *name = here->item[i].name;
                return 0;
            }
    }
    return 1;
}
