/* Reading all of a damaged file: blocks that cannot be read are named with their rows, and reading resumes behind them. What is read passes
 * by an examiner, so that whoever wants to look at values need not read the file again. SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/store/store_private.h"

#include <string.h>

#define CHUNK_BYTES_MAX ((int64_t)1 << 30)

/* A dataset on its way. */
struct examine {
    const struct tess_artefact *a;
    struct tessi_entry *e;
    const struct tessi_examiner *x;
    char *block;
    int64_t chunk, step;   /* rows of a chunk, and of a block, which is of whole chunks */
    int64_t bad, bad_rows; /* rows that could not be read and are not told yet: first, number */
    char why[200];
    int64_t *damaged;
};

static void examine_tell_bad(struct examine *m)
{
    if (m->bad_rows > 0)
        m->x->damaged(m->x->user, m->e->name, m->bad, m->bad_rows, m->why);
    *m->damaged += m->bad_rows;
    m->bad_rows = 0;
}

static int examine_rows(struct tess_context *ctx, struct examine *m, int64_t first, int64_t rows)
{
    int64_t count = rows * tessi_store_entry_row(m->e);
    TESS_TRY(tessi_store_entry_read(ctx, m->a, m->e, first, rows, m->block));
    TESS_TRY(tessi_store_check_padding(ctx, m->a, m->e, m->block, count));
    if (!m->x->wants)
        tessi_store_digest_values(&m->e->digest, m->e, m->block, count);
    struct tess_tensor t = tess_tensor_over(m->block, m->e->dtype, m->e->rank, m->e->dim);
    if (t.rank)
        t.dim[0] = rows;
    m->x->rows(m->x->user, m->e->name, first, &t);
    return TESS_OK;
}

/* Reads one chunk, or notes that it cannot be read: one that stands behind another bad one is told together with it. */
static void examine_chunk(struct examine *m, int64_t first, int64_t rows)
{
    struct tessi_context own;
    tessi_base_context_init(&own, NULL);
    if (examine_rows(&own.context, m, first, rows) == TESS_OK) {
        examine_tell_bad(m);
        return;
    }
    if (m->bad_rows == 0) {
        m->bad = first;
        (void)snprintf(m->why, sizeof m->why, "%s", tessi_base_context_message(&own.context));
    }
    m->bad_rows += rows;
}

static void examine_block(struct examine *m, int64_t first, int64_t rows)
{
    struct tessi_context own;
    struct tess_digest before = m->e->digest;
    tessi_base_context_init(&own, NULL);
    if (m->bad_rows == 0 && examine_rows(&own.context, m, first, rows) == TESS_OK)
        return;
    m->e->digest = before;
    for (int64_t i = 0; i < rows; i += m->chunk)
        examine_chunk(m, first + i, rows - i < m->chunk ? rows - i : m->chunk);
}

/* Rows of a chunk of a dataset; all rows of one that is not chunked. */
static int examine_chunk_rows(struct tess_context *ctx, struct examine *m, int64_t all)
{
    hsize_t dims[H5S_MAX_RANK] = {0};
    tessi_store_lock();
    int status = tessi_store_resume(ctx, m->a);
    hid_t dataset = status == TESS_OK ? H5Dopen2(m->a->file, m->e->name, H5P_DEFAULT) : -1;
    hid_t layout = dataset < 0 ? -1 : H5Dget_create_plist(dataset);
    if (layout >= 0 && H5Pget_layout(layout) == H5D_CHUNKED && H5Pget_chunk(layout, H5S_MAX_RANK, dims) < 1)
        dims[0] = 0;
    if (status == TESS_OK && dataset < 0)
        status = tessi_store_fail(ctx, m->a, m->e->name);
    tessi_store_close(layout);
    tessi_store_close(dataset);
    tessi_store_unlock();
    m->chunk = dims[0] > 0 && dims[0] < (hsize_t)all ? (int64_t)dims[0] : all;
    return status;
}

static int examine_entry(struct tess_context *ctx, struct examine *m)
{
    int64_t all = m->e->rank ? m->e->dim[0] : 1, row = tessi_store_entry_row(m->e) * (int64_t)tessi_store_entry_size(m->e);
    void *block;
    tess_digest_start(&m->e->digest);
    if (tessi_store_entry_count(m->e) == 0)
        return TESS_OK;
    TESS_TRY(examine_chunk_rows(ctx, m, all));
    if (m->chunk * row > CHUNK_BYTES_MAX)
        return tessi_store_foreign(ctx, m->a, m->e->name, "has chunks of more than 1 GiB");
    m->step = m->chunk * row < TESSI_BLOCK ? TESSI_BLOCK / (m->chunk * row) * m->chunk : m->chunk;
    TESS_TRY(tess_alloc(ctx, (size_t)(m->step < all ? m->step : all) * (size_t)row, "reading an artefact", &block));
    m->block = block;
    for (int64_t first = 0; first < all; first += m->step)
        examine_block(m, first, all - first < m->step ? all - first : m->step);
    examine_tell_bad(m);
    tessi_store_close_dataset(m->e);
    tess_free(block);
    return TESS_OK;
}

int tessi_store_artefact_examine(struct tess_context *ctx, const struct tess_artefact *a, const struct tessi_examiner *x, int64_t *damaged)
{
    char digest[TESS_DIGEST_TEXT];
    *damaged = 0;
    for (int64_t i = 0; i < a->entries; i++) {
        struct examine m = {.a = a, .e = &a->entry[i], .x = x, .damaged = damaged};
        if (a->entry[i].joined || (x->wants && !x->wants(x->user, a->entry[i].name)))
            continue;
        TESS_TRY(examine_entry(ctx, &m));
    }
    if (*damaged || x->wants)
        return TESS_OK;
    TESS_TRY(tessi_store_digest_content(ctx, a, digest));
    return tessi_store_compare_digest(ctx, a, digest);
}
