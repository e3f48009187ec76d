/* Parameters that are lists: of integers, of numbers, of texts, of components. Each item is read by itself, kept in its canonical form and
 * written to the member; the default goes the same way, as if the pipeline had said it.
 *
 * SPDX-License-Identifier: MIT */
#include "core/plug/filling.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* State of filling a list: its two canonical forms, and the member its items go to. */
struct listing {
    const struct filling *f;
    const struct tess_param *p;
    struct tessi_config *values, *identity;
    void *member;
    int64_t count;
};

static int add_text(struct tess_context *ctx, const struct tessi_config *place, const char *text, int quoted, struct tessi_config *to)
{
    struct tessi_config *item = NULL;
    TESS_TRY(tessi_config_new(ctx, TESSI_SCALAR, place->file, place->line, place->column, &item));
    item->quoted = quoted;
    tessi_config_append(to, item);
    return tessi_config_set_text(ctx, item, text);
}

/* Builds the default as a sequence. */
static int list_default(struct tess_context *ctx, const struct tess_param *p, const struct tessi_config *place, struct tessi_config **out)
{
    char item[256], number[40];
    int texts = p->type == TESS_LIST_STR;
    int status = tessi_config_new(ctx, TESSI_SEQUENCE, place->file, place->line, place->column, out);
    for (int64_t i = 0; status == TESS_OK && tessi_plug_list_item(p, i, item, sizeof item); i++)
        status = add_text(ctx, place, texts ? item : tessi_config_real_text(strtod(item, NULL), number, sizeof number), texts, *out);
    return status;
}

static int keep_item(struct listing *l, const struct tessi_config *place, const char *text, int quoted)
{
    l->count++;
    TESS_TRY(add_text(l->f->ctx, place, text, quoted, l->values));
    return add_text(l->f->ctx, place, text, quoted, l->identity);
}

static int item_i64(struct listing *l, struct tessi_config *s)
{
    struct tess_list *to = l->member;
    char text[40];
    int64_t value;
    if (!tessi_config_read_i64(s, &value) || (double)value < l->p->lo || (double)value > l->p->hi)
        return tessi_plug_params_wrong(l->f, l->p, s, NULL);
    to->item[l->count] = value;
    snprintf(text, sizeof text, "%" PRId64, value);
    return keep_item(l, s, text, 0);
}

static int item_f64(struct listing *l, struct tessi_config *s)
{
    struct tess_list_f64 *to = l->member;
    char text[40];
    double value;
    if (!tessi_config_read_f64(s, &value) || value < l->p->lo || value > l->p->hi)
        return tessi_plug_params_wrong(l->f, l->p, s, NULL);
    to->item[l->count] = value;
    return keep_item(l, s, tessi_config_real_text(value, text, sizeof text), 0);
}

/* Adds a text item; its pointer is set when the list is kept (list_keep). */
static int item_str(struct listing *l, struct tessi_config *s)
{
    if (s->kind != TESSI_SCALAR || tessi_config_scalar_is(s->text ? s->text : "", s->quoted) != TESSI_IS_TEXT)
        return tessi_plug_params_wrong(l->f, l->p, s, NULL);
    return keep_item(l, s, s->text, 1);
}

static int add_listed(struct tess_context *ctx, struct tess_instance *i, struct tess_instance *part)
{
    void *memory = NULL;
    TESS_TRY(tess_alloc(ctx, (size_t)(i->listeds + 1) * sizeof(void *), "sub-components", &memory));
    if (i->listeds)
        memcpy(memory, i->listed, (size_t)i->listeds * sizeof(void *));
    tess_free(i->listed);
    i->listed = memory;
    i->listed[i->listeds++] = part;
    return TESS_OK;
}

static int item_component(struct listing *l, struct tessi_config *s)
{
    struct tess_list_component *to = l->member;
    struct tess_instance *part = NULL;
    struct tessi_config *value = NULL, *counts = NULL;
    char kind[80];
    const struct tess_instance *model = tessi_plug_params_model(l->f, l->p, kind, sizeof kind);
    TESS_TRY(tessi_plug_instance_new(l->f->ctx, l->f->registry, kind, s, model, NULL, l->f->open, &part));
    int status = add_listed(l->f->ctx, l->f->i, part);
    if (status != TESS_OK) {
        tess_instance_close(part);
        return status;
    }
    to->item[l->count++] = part;
    TESS_TRY(tessi_config_copy(l->f->ctx, part->values, &value));
    tessi_config_append(l->values, value);
    TESS_TRY(tessi_config_copy(l->f->ctx, part->identity, &counts));
    tessi_config_append(l->identity, counts);
    return TESS_OK;
}

static int list_item(struct listing *l, struct tessi_config *s)
{
    switch (l->p->type) {
    case TESS_LIST:
        return item_i64(l, s);
    case TESS_LIST_F64:
        return item_f64(l, s);
    case TESS_LIST_STR:
        return item_str(l, s);
    default:
        return item_component(l, s);
    }
}

/* Keeps both forms of the list, and points text items into the one that stays. All members begin with the count. */
static int list_keep(struct listing *l)
{
    struct tessi_config *kept = NULL;
    struct tess_list_str *texts = l->member;
    int64_t n = 0;
    TESS_TRY(tessi_plug_params_keep(l->f, l->p, l->f->i->values, l->values, &kept));
    if (tessi_plug_is_identity(l->p))
        TESS_TRY(tessi_plug_params_keep(l->f, l->p, l->f->i->identity, l->identity, NULL));
    memcpy(l->member, &l->count, sizeof l->count);
    for (const struct tessi_config *item = l->p->type == TESS_LIST_STR ? kept->child : NULL; item; item = item->next)
        texts->item[n++] = item->text;
    return TESS_OK;
}

int tessi_plug_fill_list(const struct filling *f, const struct tess_param *p, struct tessi_config *s, void *member)
{
    const struct tessi_config *place = s ? s : f->config;
    struct tessi_config *usual = NULL;
    struct listing l = {.f = f, .p = p, .member = member};
    if (s && (s->kind != TESSI_SEQUENCE || tessi_config_count(s) > TESS_LIST_MAX))
        return tessi_plug_params_wrong(f, p, s, NULL);
    int status = s ? TESS_OK : list_default(f->ctx, p, place, &usual);
    if (status == TESS_OK)
        status = tessi_config_new(f->ctx, TESSI_SEQUENCE, place->file, place->line, place->column, &l.values);
    if (status == TESS_OK)
        status = tessi_config_new(f->ctx, TESSI_SEQUENCE, place->file, place->line, place->column, &l.identity);
    for (struct tessi_config *item = s ? s->child : usual ? usual->child : NULL; status == TESS_OK && item; item = item->next)
        status = list_item(&l, item);
    if (status == TESS_OK)
        status = list_keep(&l);
    tessi_config_free(usual);
    tessi_config_free(l.values);
    tessi_config_free(l.identity);
    return status;
}

/* ---- defaults ------------------------------------------------------------------------------------------------------ */

int tessi_plug_default_text(struct tess_context *ctx, const struct tess_param *p, char **out)
{
    static const struct tessi_config place = {.file = "default", .line = 1, .column = 1};
    struct tessi_config *s = NULL;
    char text[512];
    int status, none = p->type == TESS_COMPONENT || (p->type == TESS_STR && !p->text);
    if (tessi_plug_is_list(p->type)) {
        status = list_default(ctx, p, &place, &s);
    } else {
        status = tessi_config_new(ctx, TESSI_SCALAR, place.file, 1, 1, &s);
        if (status == TESS_OK) {
            s->quoted = !none && (p->type == TESS_STR || p->type == TESS_ENUM);
            status = tessi_config_set_text(ctx, s, none ? "null" : tessi_plug_param_default(p, text, sizeof text));
        }
    }
    if (status == TESS_OK)
        status = tessi_config_print(ctx, s, out);
    tessi_config_free(s);
    return status;
}
