/* Writing an index: the finished parts are opened one after the other, and held against the first; then they are listed in a table
 * (artefact_parts_index.c) beside a copy of what they all have. No values of joined datasets are read. SPDX-License-Identifier: MIT */
#include "core/base/files.h"
#include "core/store/artefact_parts_index.h"

#include <stdio.h>
#include <string.h>

static int64_t list_length(const char *const *list)
{
    int64_t n = 0;
    while (list && list[n])
        n++;
    return n;
}

static int unfit(struct tess_context *ctx, const struct tessi_parts_index *x, int64_t i, const char *what)
{
    return ctx->fail(ctx, TESS_E_DATA, "%s: cannot have `%s` as part %lld: %s; all parts must be of one making", x->o->path, x->o->file[i],
                     (long long)i + 1, what);
}

/* ---- attributes ---------------------------------------------------------------------------------------------------- */

/* Index of a name among the summed attributes, or -1. */
static int64_t sum_of(const struct tessi_parts_index *x, const char *name)
{
    for (int64_t i = 0; i < x->sums; i++)
        if (strcmp(x->o->summed[i], name) == 0)
            return i;
    return -1;
}

static int write_is_range(const struct tessi_parts_index *x, const char *name)
{
    return x->o->start && strcmp(name, x->o->start) == 0;
}

static int add_sums(struct tess_context *ctx, struct tessi_parts_index *x, int64_t i, const struct tess_artefact *part)
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

static int check_same_attrs(struct tess_context *ctx, const struct tessi_parts_index *x, int64_t i, const struct tess_artefact *part)
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

static struct tessi_parts_joined *joined_of(const struct tessi_parts_index *x, const char *name)
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

static int add_joined(struct tess_context *ctx, struct tessi_parts_index *x, int64_t i, const struct tess_artefact *part)
{
    char what[200];
    for (int64_t k = 0; k < x->joineds; k++) {
        struct tessi_parts_joined *j = &x->joined[k];
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
static int check_lengths(struct tess_context *ctx, const struct tessi_parts_index *x)
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

int tessi_store_parts_index_shared(const struct tessi_parts_index *x, const struct tessi_entry *e)
{
    return !joined_of(x, e->name) && !tessi_store_reserved_name(e->name);
}

/* Compares what is no joined dataset with the first part's. */
static int check_shared(struct tess_context *ctx, struct tessi_parts_index *x, int64_t i, const struct tess_artefact *part)
{
    int64_t shared = 0;
    char what[200], one[TESS_DIGEST_TEXT], other[TESS_DIGEST_TEXT];
    for (int64_t k = 0; k < part->entries; k++) {
        struct tessi_entry *e = &part->entry[k], *own = tessi_store_entry_find(x->first, e->name);
        if (!tessi_store_parts_index_shared(x, e))
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
        shared -= tessi_store_parts_index_shared(x, &x->first->entry[k]);
    return shared ? unfit(ctx, x, i, "it lacks a dataset that the first has") : TESS_OK;
}

/* ---- the parts ----------------------------------------------------------------------------------------------------- */

/* 1 where the file has the metadata of HDF5 1.8: byte 8 is the version of its superblock, 2 there and 3 from 1.10 on. */
static int write_is_portable(const char *path)
{
    FILE *f = fopen(path, "rbe");
    int is = f && fseek(f, 8, SEEK_SET) == 0 && getc(f) == 2;
    if (f)
        (void)fclose(f);
    return is;
}

static int add_part(struct tess_context *ctx, struct tessi_parts_index *x, int64_t i, const struct tess_artefact *part)
{
    if (part->parts)
        return unfit(ctx, x, i, "it is in parts itself");
    memcpy(x->digest[i], part->digest, TESS_DIGEST_TEXT);
    x->portable = x->portable && write_is_portable(part->path);
    if (i == 0)
        for (int64_t k = 0; k < part->entries; k++)
            if (tessi_store_parts_index_shared(x, &part->entry[k]))
                TESS_TRY(tessi_store_digest_entry(ctx, part, &part->entry[k]));
    TESS_TRY(check_same_attrs(ctx, x, i, part));
    TESS_TRY(add_sums(ctx, x, i, part));
    TESS_TRY(add_joined(ctx, x, i, part));
    return i ? check_shared(ctx, x, i, part) : TESS_OK;
}

static int open_part(struct tess_context *ctx, const struct tessi_parts_index *x, int64_t i, struct tess_artefact **out)
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

static int add_parts(struct tess_context *ctx, struct tessi_parts_index *x)
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

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

/* Names the joined datasets; their lengths lie in `length`, a row each. */
static void name_joined(struct tessi_parts_index *x, int32_t *length)
{
    int64_t rows = list_length(x->o->joined);
    for (int64_t k = 0; k < x->joineds; k++)
        x->joined[k] = (struct tessi_parts_joined){
            .name = k < rows ? x->o->joined[k] : x->o->gathered[k - rows], .gathered = k >= rows, .length = length + k * x->o->files};
}

int tessi_store_parts_write(struct tess_context *ctx, const struct tessi_parts_options *o, char digest[65])
{
    struct tessi_parts_index x = {
        .o = o, .portable = 1, .sums = list_length(o->summed), .joineds = list_length(o->joined) + list_length(o->gathered)};
    size_t files = (size_t)o->files, joined = (size_t)x.joineds, names = files > joined ? files : joined;
    void *memory[7] = {0};
    if (o->files < 1 || o->files > TESSI_PARTS_MAX || list_length(o->joined) < 1)
        return ctx->fail(ctx, TESS_E_INTERNAL, "%s: %lld parts; 1 .. %d of them with a joined dataset make an index", o->path,
                         (long long)o->files, TESSI_PARTS_MAX);
    const size_t bytes[7] = {files * TESS_DIGEST_TEXT,
                             files * sizeof(int32_t),
                             ((size_t)x.sums + 1) * sizeof(int64_t),
                             joined * sizeof(struct tessi_parts_joined),
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
        status = tessi_store_parts_index_write(ctx, &x, memory[5], memory[6], digest);
    tessi_store_artefact_close(x.first);
    for (int i = 0; i < 7; i++)
        tess_free(memory[i]);
    return status;
}
