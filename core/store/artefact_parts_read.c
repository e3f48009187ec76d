/* Reading and verifying what lies in parts: a range of rows is read piece by piece, each from the part that has it, and widened where that
 * part's integers are narrower than the index's, or its strings shorter. SPDX-License-Identifier: MIT */
#include "core/store/store_private.h"

#include <string.h>

int64_t tessi_store_parts_find(const struct tessi_parts *p, const struct tessi_entry *e, int64_t row)
{
    const int64_t *first = p->first + (e->joined - 1) * (p->count + 1);
    int64_t low = 0, high = p->count; /* the last part whose first row is not behind `row` */
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (first[middle] <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Spreads strings of a width to a larger one in place, from the last to the first. */
static void spread_texts(char *values, int64_t count, size_t from, size_t to)
{
    for (int64_t i = count; i-- > 0;) {
        memmove(values + (size_t)i * to, values + (size_t)i * from, from);
        memset(values + (size_t)i * to + from, 0, to - from);
    }
}

/* Reads rows of one part, `first` counted there. */
static int parts_read_piece(struct tess_context *ctx, const struct tess_artefact *a, const struct tessi_entry *e, int64_t i, int64_t first,
                            int64_t rows, void *to)
{
    struct tess_artefact *part;
    int64_t count = rows * tessi_store_entry_row(e);
    TESS_TRY(tessi_store_part_use(ctx, a, i, &part));
    struct tessi_entry *own = tessi_store_entry_find(part, e->name);
    int status = tessi_store_entry_read(ctx, part, own, first, rows, to);
    if (status == TESS_OK && own->dtype == TESSI_TEXT && own->precision < e->precision)
        spread_texts(to, count, tessi_store_entry_size(own), tessi_store_entry_size(e));
    else if (status == TESS_OK && own->dtype != e->dtype)
        tessi_store_widen(to, count, own->dtype, e->dtype);
    tessi_store_part_release(a, i);
    return status;
}

int tessi_store_parts_read(struct tess_context *ctx, const struct tess_artefact *a, const struct tessi_entry *e, int64_t first,
                           int64_t rows, void *to)
{
    const struct tessi_parts *p = a->parts;
    const int64_t *start = p->first + (e->joined - 1) * (p->count + 1);
    size_t row = (size_t)tessi_store_entry_row(e) * tessi_store_entry_size(e);
    char *at = to;
    for (int64_t i = tessi_store_parts_find(p, e, first); rows > 0 && i < p->count; i++) {
        int64_t n = start[i + 1] - first < rows ? start[i + 1] - first : rows;
        if (n <= 0)
            continue;
        TESS_TRY(parts_read_piece(ctx, a, e, i, first - start[i], n, at));
        first += n;
        rows -= n;
        at += (size_t)n * row;
    }
    return TESS_OK;
}

/* ---- verifying ----------------------------------------------------------------------------------------------------- */

/* Compares the datasets that both have, by the digests of their values; those of the index are computed where `again` says so. */
static int parts_same_values(struct tess_context *ctx, const struct tess_artefact *a, int64_t i, const struct tess_artefact *part,
                             int again)
{
    for (int64_t k = 0; k < a->entries; k++) {
        struct tessi_entry *e = &a->entry[k], *own = e->joined ? NULL : tessi_store_entry_find(part, e->name);
        char one[TESS_DIGEST_TEXT], other[TESS_DIGEST_TEXT];
        if (!own)
            continue;
        if (again)
            TESS_TRY(tessi_store_digest_entry(ctx, a, e));
        TESS_TRY(tessi_store_digest_entry(ctx, part, own));
        struct tess_digest d = e->digest, f = own->digest;
        tess_digest_end(&d, one);
        tess_digest_end(&f, other);
        if (strcmp(one, other) != 0)
            return ctx->fail(ctx, TESS_E_DATA, "%s: /%s is not that of part %lld, `%s`: make the index again of its parts", a->path,
                             e->name, (long long)i + 1, a->parts->part[i].file);
    }
    return TESS_OK;
}

static int parts_check_sums(struct tess_context *ctx, const struct tess_artefact *a, const uint64_t *sum)
{
    for (int64_t k = 0; k < a->parts->sums; k++) {
        int64_t said = tess_attrs_i64_or(a->attrs, a->parts->summed[k], 0);
        if ((uint64_t)said != sum[k])
            return ctx->fail(ctx, TESS_E_DATA,
                             "%s: its attribute `%s` is %lld, the parts have %lld in all: make the index again of its parts", a->path,
                             a->parts->summed[k], (long long)said, (long long)sum[k]);
    }
    return TESS_OK;
}

typedef int verify_part(struct tess_context *ctx, const struct tess_artefact *part);

static int parts_verify_all(struct tess_context *ctx, const struct tess_artefact *a, verify_part *verify, uint64_t *sum)
{
    for (int64_t i = 0; i < a->parts->count; i++) {
        struct tess_artefact *part;
        TESS_TRY(tessi_store_part_acquire(ctx, a, i, &part));
        int status = verify(ctx, part);
        if (status == TESS_OK)
            status = parts_same_values(ctx, a, i, part, i == 0);
        for (int64_t k = 0; k < a->parts->sums; k++)
            sum[k] += (uint64_t)tess_attrs_i64_or(part->attrs, a->parts->summed[k], 0);
        tessi_store_part_release(a, i);
        TESS_TRY(status);
    }
    return parts_check_sums(ctx, a, sum);
}

int tessi_store_parts_verify(struct tess_context *ctx, const struct tess_artefact *a, verify_part *verify)
{
    void *sum;
    if (!a->parts)
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, (size_t)(a->parts->sums + 1) * sizeof(uint64_t), "sums", &sum));
    int status = parts_verify_all(ctx, a, verify, sum);
    tess_free(sum);
    return status;
}

int tessi_store_part_same(struct tess_context *ctx, const struct tess_artefact *a, int64_t i, const struct tess_artefact *part)
{
    return parts_same_values(ctx, a, i, part, 1);
}

int tessi_store_parts_check_sums(struct tess_context *ctx, const struct tess_artefact *a)
{
    void *sum;
    int status = TESS_OK;
    if (!a->parts)
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, (size_t)(a->parts->sums + 1) * sizeof(uint64_t), "sums", &sum));
    for (int64_t i = 0; i < a->parts->count && status == TESS_OK; i++) {
        struct tess_artefact *part;
        status = tessi_store_part_acquire(ctx, a, i, &part);
        if (status != TESS_OK)
            break;
        for (int64_t k = 0; k < a->parts->sums; k++)
            ((uint64_t *)sum)[k] += (uint64_t)tess_attrs_i64_or(part->attrs, a->parts->summed[k], 0);
        tessi_store_part_release(a, i);
    }
    if (status == TESS_OK)
        status = parts_check_sums(ctx, a, sum);
    tess_free(sum);
    return status;
}
