/* Carrying a dataset from one artefact over to another. SPDX-License-Identifier: MIT */
#include "core/store/store_private.h"

#include <string.h>

/* Selection of rows of a dataset that make the new one. */
struct choice {
    int64_t n;
    const int64_t *row; /* indices of the rows; NULL: all, in order */
};

static int64_t row_at(const struct choice *o, int64_t i)
{
    return o->row ? o->row[i] : i;
}

/* Copies texts with a zero at their ends, as a text that fills its width has none in the file. */
static void end_texts(const char *packed, const struct choice *o, size_t width, char *ended, const char **list)
{
    for (int64_t i = 0; i < o->n; i++) {
        char *text = ended + (size_t)i * (width + 1);
        memcpy(text, packed + (size_t)row_at(o, i) * width, width);
        text[width] = '\0';
        list[i] = text;
    }
}

static int copy_texts(struct tess_context *ctx, struct tess_artefact *to, const char *name, const struct tess_artefact *from,
                      struct tessi_entry *e, const struct choice *o)
{
    int64_t n = o->n;
    size_t width = tessi_store_entry_size(e);
    void *packed = NULL, *ended = NULL, *list = NULL;
    if (e->joined)
        TESS_TRY(tessi_store_parts_check(ctx, from));
    int status = tess_alloc(ctx, (size_t)e->dim[0] * width + 1, "texts", &packed);
    if (status == TESS_OK)
        status = tess_alloc(ctx, (size_t)n * (width + 1) + 1, "texts", &ended);
    if (status == TESS_OK)
        status = tess_alloc(ctx, (size_t)n * sizeof(char *) + 1, "texts", &list);
    if (status == TESS_OK && e->dim[0])
        status = tessi_store_entry_read(ctx, from, e, 0, e->dim[0], packed);
    if (status == TESS_OK) {
        end_texts(packed, o, width, ended, list);
        status = tess_artefact_put_strings(ctx, to, name, n, list);
    }
    tess_free(packed);
    tess_free(ended);
    tess_free(list);
    return status;
}

static int copy_numbers(struct tess_context *ctx, struct tess_artefact *to, const char *name, const struct tess_tensor *all,
                        const struct choice *o, const struct tess_dataset *how)
{
    struct tess_tensor some = *all;
    size_t row = all->dim[0] ? tess_tensor_bytes(all) / (size_t)all->dim[0] : 0;
    if (!o->row)
        return tess_artefact_put(ctx, to, name, all, how);
    some.dim[0] = o->n;
    TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(&some) + 1, "rows", &some.data));
    for (int64_t i = 0; i < o->n; i++)
        memcpy((char *)some.data + (size_t)i * row, (const char *)all->data + (size_t)o->row[i] * row, row);
    int status = tess_artefact_put(ctx, to, name, &some, how);
    tess_free(some.data);
    return status;
}

static int check_rows(struct tess_context *ctx, const struct tess_artefact *from, const struct tessi_entry *e, const struct choice *o)
{
    for (int64_t i = 0; i < o->n && o->row; i++)
        if (o->row[i] < 0 || o->row[i] >= e->dim[0])
            return ctx->fail(ctx, TESS_E_VALUE, "%s: /%s has %lld rows, row %lld was asked for", tess_artefact_path(from), e->name,
                           (long long)e->dim[0], (long long)o->row[i]);
    return TESS_OK;
}

static int artefact_copy_copy(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_artefact *from,
                              struct tessi_entry *e, const struct choice *o, const struct tess_dataset *d)
{
    struct tess_dataset how = {.size = sizeof how};
    struct tess_tensor all;
    if (e->dtype == TESSI_TEXT)
        return copy_texts(ctx, a, name, from, e, o);
    if (d)
        memcpy(&how, d, d->size < sizeof how ? d->size : sizeof how);
    if (e->precision < 8 * (int32_t)tess_dtype_size(e->dtype))
        how.bits = e->precision;
    TESS_TRY(tess_artefact_load(ctx, from, name, e->dtype, &all));
    int status = copy_numbers(ctx, a, name, &all, o, &how);
    tess_free(all.data);
    return status;
}

int tess_artefact_copy(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_artefact *from,
                       const struct tess_dataset *d)
{
    struct tessi_entry *e = tessi_store_entry_find(from, name + strspn(name, "/"));
    return e ? artefact_copy_copy(ctx, a, name, from, e, &(struct choice){.n = e->dim[0]}, d) : TESS_OK;
}

int tess_artefact_copy_rows(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_artefact *from,
                            int64_t n, const int64_t *row, const struct tess_dataset *d)
{
    struct tessi_entry *e = tessi_store_entry_find(from, name + strspn(name, "/"));
    const struct choice o = {.n = n, .row = row};
    if (!e)
        return TESS_OK;
    TESS_TRY(check_rows(ctx, from, e, &o));
    return artefact_copy_copy(ctx, a, name, from, e, &o, d);
}
