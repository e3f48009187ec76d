/* The index file: attributes of the first part with the sums in place of its own, what all parts have the same, and the table of the parts
 * (read by artefact_parts_table.c). SPDX-License-Identifier: MIT */
#include "core/store/artefact_parts_index.h"

#include <string.h>

static int write_attrs(struct tess_context *ctx, const struct tessi_parts_index *x)
{
    TESS_TRY(tessi_base_attrs_copy(ctx, x->first->attrs, x->a->attrs));
    for (int64_t k = 0; k < x->sums; k++)
        for (int64_t i = 0; i < x->a->attrs->count; i++)
            if (strcmp(x->a->attrs->item[i].name, x->o->summed[k]) == 0)
                x->a->attrs->item[i].i64 = x->sum[k];
    return tess_attrs_set_i64(ctx, x->a->attrs, "parts", x->o->files);
}

/* Attribute `labels` or `unit` of a dataset of the first part, or NULL; to be freed. */
static int dataset_text(struct tess_context *ctx, const struct tessi_parts_index *x, hid_t dataset, const char *name, char **out)
{
    struct tessi_value v = {0};
    hid_t attribute = H5Aexists(dataset, name) > 0 ? H5Aopen(dataset, name, H5P_DEFAULT) : -1;
    int status = attribute < 0 ? TESS_OK : tessi_store_read_value(ctx, x->first, name, attribute, &v);
    tessi_store_close(attribute);
    *out = v.text;
    return status;
}

static int copy_shared(struct tess_context *ctx, const struct tessi_parts_index *x, const char *name)
{
    char *labels = NULL, *unit = NULL;
    tessi_store_lock();
    hid_t dataset = H5Dopen2(x->first->file, name, H5P_DEFAULT);
    int status = dataset < 0 ? tessi_store_fail(ctx, x->first, name) : dataset_text(ctx, x, dataset, "labels", &labels);
    if (status == TESS_OK)
        status = dataset_text(ctx, x, dataset, "unit", &unit);
    tessi_store_close(dataset);
    tessi_store_unlock();
    if (status == TESS_OK)
        status = tess_artefact_copy(ctx, x->a, name, x->first,
                                    &(struct tess_dataset){.size = sizeof(struct tess_dataset), .labels = labels, .unit = unit});
    tess_free(labels);
    tess_free(unit);
    return status;
}

static int put_numbers(struct tess_context *ctx, const struct tessi_parts_index *x, const char *name, const int32_t *values, int32_t rank,
                       int64_t n, int64_t width)
{
    const struct tess_dataset plain = {.size = sizeof plain};
    struct tess_tensor t = tess_tensor_over((void *)(uintptr_t)values, TESS_I32, rank, (int64_t[]){n, width});
    tessi_store_lock();
    int status = tessi_store_put(ctx, x->a, name, &t, &plain);
    tessi_store_unlock();
    return status;
}

static int put_texts(struct tess_context *ctx, const struct tessi_parts_index *x, const char *name, int64_t n, const char *const *text)
{
    tessi_store_lock();
    int status = tessi_store_put_strings(ctx, x->a, name, n, text);
    tessi_store_unlock();
    return status;
}

/* Writes the joined datasets that a part has, in the order of the options. `number` has room for all their rows and lengths. */
static int write_joined(struct tess_context *ctx, const struct tessi_parts_index *x, const char **text, int32_t *number)
{
    int64_t n = 0, files = x->o->files;
    for (int64_t k = 0; k < x->joineds; k++)
        if (x->joined[k].shape.rank)
            x->joined[n++] = x->joined[k]; /* the others go; the lengths belong to one block */
    for (int64_t k = 0; k < n; k++)
        text[k] = x->joined[k].name;
    TESS_TRY(put_texts(ctx, x, "parts/joined", n, text));
    for (int64_t k = 0; k < n; k++)
        text[k] = x->joined[k].shape.dtype == TESSI_TEXT ? "string" : tess_dtype_name(x->joined[k].shape.dtype);
    TESS_TRY(put_texts(ctx, x, "parts/dtype", n, text));
    for (int64_t k = 0; k < n; k++)
        number[k] = x->joined[k].shape.precision;
    TESS_TRY(put_numbers(ctx, x, "parts/bits", number, 1, n, 1));
    for (int64_t k = 0; k < n; k++)
        for (int32_t d = 1; d < TESS_MAX_RANK; d++)
            number[k * (TESS_MAX_RANK - 1) + d - 1] = d < x->joined[k].shape.rank ? (int32_t)x->joined[k].shape.dim[d] : 0;
    TESS_TRY(put_numbers(ctx, x, "parts/row", number, 2, n, TESS_MAX_RANK - 1));
    for (int64_t k = 0; k < n; k++)
        memcpy(number + k * files, x->joined[k].length, (size_t)files * sizeof *number);
    return put_numbers(ctx, x, "parts/length", number, 2, n, files);
}

static int write_table(struct tess_context *ctx, const struct tessi_parts_index *x, const char **text, int32_t *number)
{
    int64_t n = x->o->files;
    TESS_TRY(put_texts(ctx, x, "parts/file", n, x->o->file));
    for (int64_t i = 0; i < n; i++)
        text[i] = x->digest[i];
    TESS_TRY(put_texts(ctx, x, "parts/digest", n, text));
    TESS_TRY(put_numbers(ctx, x, "parts/rows", x->rows, 1, n, 1));
    if (x->sums)
        TESS_TRY(put_texts(ctx, x, "parts/summed", x->sums, x->o->summed));
    if (x->o->start)
        TESS_TRY(put_texts(ctx, x, "parts/start", 1, &x->o->start));
    return write_joined(ctx, x, text, number);
}

int tessi_store_parts_index_write(struct tess_context *ctx, struct tessi_parts_index *x, const char **text, int32_t *number,
                                  char digest[65])
{
    TESS_TRY((x->portable ? tessi_store_artefact_create_portable : tessi_store_artefact_create)(ctx, x->o->path, x->first->kind, &x->a));
    int status = write_attrs(ctx, x);
    for (int64_t k = 0; k < x->first->entries && status == TESS_OK; k++)
        if (tessi_store_parts_index_shared(x, &x->first->entry[k]))
            status = copy_shared(ctx, x, x->first->entry[k].name);
    if (status == TESS_OK)
        status = write_table(ctx, x, text, number);
    if (status == TESS_OK)
        return tessi_store_artefact_finish(ctx, x->a, x->o->provenance, digest);
    tessi_store_artefact_close(x->a);
    return status;
}
