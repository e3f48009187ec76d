/* Writing an index: the finished parts are opened one after the other, held against the first, and listed in a table
 * (artefact_parts_table.c) beside a copy of what they all have. No values of joined datasets are read. SPDX-License-Identifier: MIT */
#include "core/base/files.h"
#include "core/store/store_private.h"

#include <stdio.h>
#include <string.h>

/* A joined dataset: what is the largest of the parts' so far. */
struct joined {
    const char *name;
    int gathered;             /* 1: any number of rows */
    struct tessi_entry shape; /* shape in the first part that has the dataset, widened; rank 0: none has it yet */
    int32_t *length;          /* first dimension in each part */
};

struct index {
    const struct tessi_parts_options *o;
    struct tess_artefact *first, *a; /* the first part; the index */
    char (*digest)[TESS_DIGEST_TEXT];
    int32_t *rows;
    int64_t *sum, sums, end; /* end: where the next part's range must begin */
    struct joined *joined;
    int64_t joineds;
};

static int64_t list_length(const char *const *list)
{
    int64_t n = 0;
    while (list && list[n])
        n++;
    return n;
}

static int unfit(struct tess_context *ctx, const struct index *x, int64_t i, const char *what)
{
    return ctx->fail(ctx, TESS_E_DATA, "%s: cannot have `%s` as part %lld: %s; all parts must be of one making", x->o->path, x->o->file[i],
                     (long long)i + 1, what);
}

/* ---- attributes ---------------------------------------------------------------------------------------------------- */

/* Index of a name among the summed attributes, or -1. */
static int64_t sum_of(const struct index *x, const char *name)
{
    for (int64_t i = 0; i < x->sums; i++)
        if (strcmp(x->o->summed[i], name) == 0)
            return i;
    return -1;
}

static int write_is_range(const struct index *x, const char *name)
{
    return x->o->start && strcmp(name, x->o->start) == 0;
}

static int add_sums(struct tess_context *ctx, struct index *x, int64_t i, const struct tess_artefact *part)
{
    char what[200];
    for (int64_t k = 0; k < x->sums; k++) {
        int64_t value = tess_attrs_i64_or(part->attrs, x->o->summed[k], 0);
        if (value < 0 || value > INT64_MAX - x->sum[k]) {
            (void)snprintf(what, sizeof what, "its attribute `%.60s` is %lld", x->o->summed[k], (long long)value);
            return unfit(ctx, x, i, what);
        }
        x->sum[k] += value;
    }
    if (!x->o->start)
        return TESS_OK;
    int64_t start = tess_attrs_i64_or(part->attrs, x->o->start, -1), length = tess_attrs_i64_or(part->attrs, x->o->length, -1);
    if (i == 0)
        x->end = start;
    if (start < 0 || length < 0 || start != x->end || length > INT64_MAX - start) {
        (void)snprintf(what, sizeof what, "it is of %lld from %lld on (`%.40s`, `%.40s`), the one before ends at %lld", (long long)length,
                       (long long)start, x->o->length, x->o->start, (long long)x->end);
        return unfit(ctx, x, i, what);
    }
    x->end = start + length;
    return TESS_OK;
}

static int check_same_attrs(struct tess_context *ctx, const struct index *x, int64_t i, const struct tess_artefact *part)
{
    char what[200];
    if (strcmp(part->kind, x->first->kind) != 0)
        return unfit(ctx, x, i, "it is of another kind than the first");
    for (int64_t k = 0; k < x->first->attrs->count + part->attrs->count; k++) {
        const struct tess_attrs *from = k < x->first->attrs->count ? x->first->attrs : part->attrs;
        const char *name = from->item[k < x->first->attrs->count ? k : k - x->first->attrs->count].name, *differs;
        struct tess_attrs one = {NULL, 0, 0}, other = {NULL, 0, 0};
        if (sum_of(x, name) >= 0 || write_is_range(x, name))
            continue;
        for (int64_t n = 0; n < x->first->attrs->count; n++)
            if (strcmp(x->first->attrs->item[n].name, name) == 0)
                one = (struct tess_attrs){&x->first->attrs->item[n], 1, 1};
        for (int64_t n = 0; n < part->attrs->count; n++)
            if (strcmp(part->attrs->item[n].name, name) == 0)
                other = (struct tess_attrs){&part->attrs->item[n], 1, 1};
        if (one.count == 0 || other.count == 0 || !tessi_base_attrs_equal(&one, &other, &differs)) {
            (void)snprintf(what, sizeof what, "its attribute `%.60s` is not that of the first", name);
            return unfit(ctx, x, i, what);
        }
    }
    return TESS_OK;
}

/* ---- datasets ------------------------------------------------------------------------------------------------------ */

static struct joined *joined_of(const struct index *x, const char *name)
{
    for (int64_t k = 0; k < x->joineds; k++)
        if (strcmp(x->joined[k].name, name) == 0)
            return &x->joined[k];
    return NULL;
}

/* Widens the shape to hold the part's values as well; 0 where they are of another kind or shape. */
static int join_shape(struct tessi_entry *shape, const struct tessi_entry *e)
{
    if (shape->rank == 0) {
        *shape = *e;
        return e->rank > 0 && e->dim[0] <= INT32_MAX;
    }
    int fits = e->rank == shape->rank && e->dim[0] <= INT32_MAX && e->is_signed == shape->is_signed &&
               (e->dtype == shape->dtype || tessi_store_can_widen(e->dtype, shape->dtype) || tessi_store_can_widen(shape->dtype, e->dtype));
    for (int32_t k = 1; k < e->rank && fits; k++)
        fits = e->dim[k] == shape->dim[k];
    if (!fits)
        return 0;
    if (shape->dtype != e->dtype && tessi_store_can_widen(shape->dtype, e->dtype))
        shape->dtype = e->dtype;
    if (e->precision > shape->precision)
        shape->precision = e->precision;
    return 1;
}

static int add_joined(struct tess_context *ctx, struct index *x, int64_t i, const struct tess_artefact *part)
{
    char what[200];
    for (int64_t k = 0; k < x->joineds; k++) {
        struct joined *j = &x->joined[k];
        const struct tessi_entry *e = tessi_store_entry_find(part, j->name);
        if (e && !join_shape(&j->shape, e)) {
            (void)snprintf(what, sizeof what, "its /%.60s is of another type or shape than those before", j->name);
            return unfit(ctx, x, i, what);
        }
        j->length[i] = e ? (int32_t)e->dim[0] : 0;
        if (k == 0)
            x->rows[i] = j->length[i];
    }
    return TESS_OK;
}

/* Checks that a dataset of a row each is in every part, or in none. */
static int check_lengths(struct tess_context *ctx, const struct index *x)
{
    char what[200];
    if (x->joined[0].shape.rank == 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: none of its parts has /%s", x->o->path, x->joined[0].name);
    for (int64_t k = 0; k < x->joineds; k++)
        for (int64_t i = 0; i < x->o->files && x->joined[k].shape.rank && !x->joined[k].gathered; i++)
            if (x->joined[k].length[i] != x->rows[i]) {
                (void)snprintf(what, sizeof what, "its /%.60s has %lld rows, /%.60s %lld", x->joined[k].name,
                               (long long)x->joined[k].length[i], x->joined[0].name, (long long)x->rows[i]);
                return unfit(ctx, x, i, what);
            }
    return TESS_OK;
}

static int is_shared(const struct index *x, const struct tessi_entry *e)
{
    return !joined_of(x, e->name) && !tessi_store_reserved_name(e->name);
}

/* Compares what is no joined dataset with the first part's. */
static int check_shared(struct tess_context *ctx, struct index *x, int64_t i, const struct tess_artefact *part)
{
    int64_t shared = 0;
    char what[200], one[TESS_DIGEST_TEXT], other[TESS_DIGEST_TEXT];
    for (int64_t k = 0; k < part->entries; k++) {
        struct tessi_entry *e = &part->entry[k], *own = tessi_store_entry_find(x->first, e->name);
        if (!is_shared(x, e))
            continue;
        shared++;
        int same = own && own->dtype == e->dtype && own->rank == e->rank && memcmp(own->dim, e->dim, sizeof e->dim) == 0;
        if (same) {
            TESS_TRY(tessi_store_digest_entry(ctx, part, e));
            struct tess_digest d = own->digest, f = e->digest;
            tess_digest_end(&d, one);
            tess_digest_end(&f, other);
            same = strcmp(one, other) == 0;
        }
        (void)snprintf(what, sizeof what, "its /%.60s is not that of the first", e->name);
        if (!same)
            return unfit(ctx, x, i, what);
    }
    for (int64_t k = 0; k < x->first->entries; k++)
        shared -= is_shared(x, &x->first->entry[k]);
    return shared ? unfit(ctx, x, i, "it lacks a dataset that the first has") : TESS_OK;
}

/* ---- the parts ----------------------------------------------------------------------------------------------------- */

static int add_part(struct tess_context *ctx, struct index *x, int64_t i, const struct tess_artefact *part)
{
    if (part->parts)
        return unfit(ctx, x, i, "it is in parts itself");
    memcpy(x->digest[i], part->digest, TESS_DIGEST_TEXT);
    if (i == 0)
        for (int64_t k = 0; k < part->entries; k++)
            if (is_shared(x, &part->entry[k]))
                TESS_TRY(tessi_store_digest_entry(ctx, part, &part->entry[k]));
    TESS_TRY(check_same_attrs(ctx, x, i, part));
    TESS_TRY(add_sums(ctx, x, i, part));
    TESS_TRY(add_joined(ctx, x, i, part));
    return i ? check_shared(ctx, x, i, part) : TESS_OK;
}

static int open_part(struct tess_context *ctx, const struct index *x, int64_t i, struct tess_artefact **out)
{
    const char *slash = strrchr(x->o->path, '/');
    char *path = NULL;
    if (strchr(x->o->file[i], '/') || strlen(x->o->file[i]) > 255)
        return unfit(ctx, x, i, "the name is none of a file in the folder of the index");
    TESS_TRY(tessi_base_format(ctx, &path, "%.*s%s", slash ? (int)(slash - x->o->path) + 1 : 0, x->o->path, x->o->file[i]));
    int status = tessi_store_artefact_open(ctx, path, out);
    tess_free(path);
    return status;
}

static int add_parts(struct tess_context *ctx, struct index *x)
{
    for (int64_t i = 0; i < x->o->files; i++) {
        struct tess_artefact *part = NULL;
        int status = open_part(ctx, x, i, &part);
        if (i == 0)
            x->first = part;
        if (status == TESS_OK)
            status = add_part(ctx, x, i, part);
        if (i > 0)
            tessi_store_artefact_close(part);
        TESS_TRY(status);
    }
    return check_lengths(ctx, x);
}

/* ---- the index ----------------------------------------------------------------------------------------------------- */

static int write_attrs(struct tess_context *ctx, const struct index *x)
{
    TESS_TRY(tessi_base_attrs_copy(ctx, x->first->attrs, x->a->attrs));
    for (int64_t k = 0; k < x->sums; k++)
        for (int64_t i = 0; i < x->a->attrs->count; i++)
            if (strcmp(x->a->attrs->item[i].name, x->o->summed[k]) == 0)
                x->a->attrs->item[i].i64 = x->sum[k];
    return tess_attrs_set_i64(ctx, x->a->attrs, "parts", x->o->files);
}

/* Attribute `labels` or `unit` of a dataset of the first part, or NULL; to be freed. */
static int dataset_text(struct tess_context *ctx, const struct index *x, hid_t dataset, const char *name, char **out)
{
    struct tessi_value v = {0};
    hid_t attribute = H5Aexists(dataset, name) > 0 ? H5Aopen(dataset, name, H5P_DEFAULT) : -1;
    int status = attribute < 0 ? TESS_OK : tessi_store_read_value(ctx, x->first, name, attribute, &v);
    tessi_store_close(attribute);
    *out = v.text;
    return status;
}

static int copy_shared(struct tess_context *ctx, const struct index *x, const char *name)
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

static int put_numbers(struct tess_context *ctx, const struct index *x, const char *name, const int32_t *values, int32_t rank, int64_t n,
                       int64_t width)
{
    const struct tess_dataset plain = {.size = sizeof plain};
    struct tess_tensor t = tess_tensor_over((void *)(uintptr_t)values, TESS_I32, rank, (int64_t[]){n, width});
    tessi_store_lock();
    int status = tessi_store_put(ctx, x->a, name, &t, &plain);
    tessi_store_unlock();
    return status;
}

static int put_texts(struct tess_context *ctx, const struct index *x, const char *name, int64_t n, const char *const *text)
{
    tessi_store_lock();
    int status = tessi_store_put_strings(ctx, x->a, name, n, text);
    tessi_store_unlock();
    return status;
}

/* Writes the joined datasets that a part has, in the order of the options. `number` has room for all their rows and lengths. */
static int write_joined(struct tess_context *ctx, const struct index *x, const char **text, int32_t *number)
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

static int write_table(struct tess_context *ctx, const struct index *x, const char **text, int32_t *number)
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

static int write_index(struct tess_context *ctx, struct index *x, const char **text, int32_t *number, char digest[65])
{
    TESS_TRY(tessi_store_artefact_create(ctx, x->o->path, x->first->kind, &x->a));
    int status = write_attrs(ctx, x);
    for (int64_t k = 0; k < x->first->entries && status == TESS_OK; k++)
        if (is_shared(x, &x->first->entry[k]))
            status = copy_shared(ctx, x, x->first->entry[k].name);
    if (status == TESS_OK)
        status = write_table(ctx, x, text, number);
    if (status == TESS_OK)
        return tessi_store_artefact_finish(ctx, x->a, x->o->provenance, digest);
    tessi_store_artefact_close(x->a);
    return status;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

/* Names the joined datasets; their lengths lie in `length`, a row each. */
static void name_joined(struct index *x, int32_t *length)
{
    int64_t rows = list_length(x->o->joined);
    for (int64_t k = 0; k < x->joineds; k++)
        x->joined[k] = (struct joined){
            .name = k < rows ? x->o->joined[k] : x->o->gathered[k - rows], .gathered = k >= rows, .length = length + k * x->o->files};
}

int tessi_store_parts_write(struct tess_context *ctx, const struct tessi_parts_options *o, char digest[65])
{
    struct index x = {.o = o, .sums = list_length(o->summed), .joineds = list_length(o->joined) + list_length(o->gathered)};
    size_t files = (size_t)o->files, joined = (size_t)x.joineds, names = files > joined ? files : joined;
    void *memory[7] = {0};
    if (o->files < 1 || o->files > TESSI_PARTS_MAX || list_length(o->joined) < 1)
        return ctx->fail(ctx, TESS_E_INTERNAL, "%s: %lld parts; 1 .. %d of them with a joined dataset make an index", o->path,
                         (long long)o->files, TESSI_PARTS_MAX);
    const size_t bytes[7] = {files * TESS_DIGEST_TEXT,
                             files * sizeof(int32_t),
                             ((size_t)x.sums + 1) * sizeof(int64_t),
                             joined * sizeof(struct joined),
                             joined * files * sizeof(int32_t),
                             names * sizeof(char *),
                             joined * (files + TESS_MAX_RANK) * sizeof(int32_t)};
    int status = TESS_OK;
    for (int i = 0; i < 7 && status == TESS_OK; i++)
        status = tess_alloc(ctx, bytes[i], "an index", &memory[i]);
    if (status == TESS_OK) {
        x.digest = memory[0];
        x.rows = memory[1];
        x.sum = memory[2];
        x.joined = memory[3];
        name_joined(&x, memory[4]);
        status = add_parts(ctx, &x);
    }
    if (status == TESS_OK)
        status = write_index(ctx, &x, memory[5], memory[6], digest);
    tessi_store_artefact_close(x.first);
    for (int i = 0; i < 7; i++)
        tess_free(memory[i]);
    return status;
}
