/* See craft.h. SPDX-License-Identifier: MIT */
#include "tests/support/craft.h"

#include "core/base/context.h"
#include "core/base/attributes_private.h"
#include "core/store/store.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct tessi_context own;
#define C (&own.context)

static void fine(int status)
{
    ck_assert_msg(status == TESS_OK, "%s", tessi_base_context_message(C));
}

const char *craft_name(int change)
{
    static const char *const name[CRAFT_CHANGES] = {"as it was",
                                                    "missing",
                                                    "flat",
                                                    "shorter",
                                                    "taller",
                                                    "of another type",
                                                    "with a NaN",
                                                    "with an infinity",
                                                    "of huge values",
                                                    "with rows far away",
                                                    "with rows far away",
                                                    "with a large value"};
    return name[change];
}

static void change_attrs(const struct tess_artefact *a, const struct craft *how, struct tess_artefact *to)
{
    const struct tess_attrs *f = tess_artefact_attrs(a);
    struct tess_attrs *g = tess_artefact_describe(to);
    for (int64_t i = 0; i < f->count; i++) {
        const struct tessi_attr *x = &f->item[i];
        if (how->attr && strcmp(how->attr, x->name) == 0 && (how->remove || how->text)) {
            if (how->text)
                fine(tess_attrs_set_text(C, g, x->name, how->as ? how->as : "7"));
        } else if (x->type == TESSI_ATTR_I64)
            fine(tess_attrs_set_i64(C, g, x->name, x->i64));
        else if (x->type == TESSI_ATTR_F64)
            fine(tess_attrs_set_f64(C, g, x->name, x->f64));
        else
            fine(tess_attrs_set_text(C, g, x->name, x->text));
    }
    if (how->attr && !how->remove && !how->text)
        fine(tess_attrs_set_i64(C, g, how->attr, how->value));
}

/* Numbers as another type, or in another shape; `t` has its memory, twice as much as it needs. */
static void change_numbers(struct tess_tensor *t, int change, int32_t bits)
{
    int64_t n = tess_tensor_count(t), part;
    size_t bytes = tess_tensor_bytes(t);
    char *values = t->data;
    float *real = t->data;
    int32_t *whole = t->data;
    switch (change) {
    case CRAFT_FLAT:
        if (t->rank > 1) {
            t->dim[t->rank - 2] *= t->dim[t->rank - 1];
            t->dim[--t->rank] = 1;
        } else {
            t->dim[t->rank++] = 1;
        }
        break;
    case CRAFT_SHORTER:
        t->dim[0]--;
        break;
    case CRAFT_TALLER:
        memcpy(values + bytes, values, bytes);
        t->dim[t->rank > 1] *= 2;
        break;
    case CRAFT_OTHER:
        t->dtype = t->dtype == TESS_F32 ? TESS_I32 : TESS_F32;
        for (int64_t i = 0; i < n; i++)
            if (t->dtype == TESS_I32)
                whole[i] = (int32_t)real[i];
            else
                real[i] = (float)whole[i];
        break;
    case CRAFT_NAN:
        real[n / 2] = NAN;
        break;
    case CRAFT_INFINITE:
        real[n / 2] = -INFINITY;
        break;
    case CRAFT_HUGE:
        for (int64_t i = 0; i < n; i++)
            real[i] = i % 2 ? 3e38f : -3e38f;
        break;
    case CRAFT_HEAD:
    case CRAFT_TAIL:
        part = n / 35;
        if (change == CRAFT_TAIL)
            memcpy(real + n - part, real, (size_t)part * sizeof *real);
        for (int64_t i = change == CRAFT_HEAD ? part : 0; i < (change == CRAFT_HEAD ? n : n - part); i++)
            real[i] = 1e6f;
        break;
    default:
        whole[n - 1] = (int32_t)(((int64_t)1 << bits) - 1);
    }
}

static void copy_changed(const struct tess_artefact *a, const char *name, int change, int32_t bits, struct tess_artefact *to)
{
    struct tess_tensor shape, t;
    struct tess_dataset how = {.size = sizeof how, .bits = bits};
    fine(tess_artefact_shape(C, a, name, &shape));
    int32_t dtype = shape.dtype == TESS_F32 ? TESS_F32 : TESS_I32;
    fine(tess_artefact_load(C, a, name, dtype, &t));
    void *twice = malloc(2 * tess_tensor_bytes(&t) + 1);
    memcpy(twice, t.data, tess_tensor_bytes(&t));
    tess_free(t.data);
    t.data = twice;
    change_numbers(&t, change, bits);
    if (t.dtype == TESS_F32)
        how.bits = 0;
    fine(tess_artefact_put(C, to, name, &t, t.dtype == TESS_I32 && dtype == TESS_F32 ? NULL : &how));
    free(twice);
}

/* Strings: only their number and type matter here. */
static void copy_strings(const char *name, int change, int64_t rows, struct tess_artefact *to)
{
    const char **list = malloc(2 * (size_t)rows * sizeof *list);
    uint8_t *bytes = calloc((size_t)rows, 1);
    for (int64_t i = 0; i < 2 * rows; i++)
        list[i] = "text";
    struct tess_tensor t = tess_tensor_over(bytes, TESS_U8, change == CRAFT_FLAT ? 2 : 1, (int64_t[]){rows, 1});
    if (change == CRAFT_OTHER || change == CRAFT_FLAT)
        fine(tess_artefact_put(C, to, name, &t, NULL));
    else
        fine(tess_artefact_put_strings(C, to, name, change == CRAFT_SHORTER ? rows - 1 : change == CRAFT_TALLER ? 2 * rows : rows, list));
    free(list);
    free(bytes);
}

void craft(const char *from, const char *to, const struct craft *how)
{
    struct tess_artefact *a, *b;
    struct tess_tensor shape;
    const char *name;
    int32_t bits;
    int64_t stored;
    tessi_base_context_init(&own, NULL);
    fine(tessi_store_artefact_open(C, from, &a));
    fine(tessi_store_artefact_create(C, to, tess_artefact_kind(a), &b));
    change_attrs(a, how, b);
    for (int64_t i = 0; (name = tessi_store_artefact_dataset_at(a, i, &shape, &bits, &stored)); i++) {
        int change = how->data && strcmp(how->data, name) == 0 ? how->change : CRAFT_LEAVE;
        if (strncmp(name, "pictures/", 9) == 0 || change == CRAFT_MISSING || (how->labels && strcmp(name, "labels") == 0))
            continue;
        if (change == CRAFT_LEAVE)
            fine(tess_artefact_copy(C, b, name, a, NULL));
        else if (shape.dtype == 0)
            copy_strings(name, change, shape.dim[0], b);
        else
            copy_changed(a, name, change, bits, b);
    }
    if (how->labels)
        fine(tess_artefact_put(C, b, "labels", how->labels, NULL));
    fine(tessi_store_artefact_finish(C, b, NULL, NULL));
    tessi_store_artefact_close(a);
}
