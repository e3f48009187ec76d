/* Exporting an archive: the codes leave as a stream of blocks, so memory does not grow with the rows. SPDX-License-Identifier: MIT */
#include "core/archive/export_private.h"
#include "core/archive/pieces.h"

#include <tessera/levels.h>

#include <string.h>

enum { BLOCK_CODES = 1 << 20 };

/* ---- blocks --------------------------------------------------------------------------------------------------------------- */

/* Narrows i32 codes in place, little-endian. TESS_E_DATA for one that is no code. */
static int export_narrow(struct tess_context *ctx, const struct tessi_archive_exporter *x, int64_t first, void *values, int64_t n)
{
    const int32_t *code = values;
    uint8_t *to = values;
    for (int64_t i = 0; i < n; i++) {
        uint32_t value = (uint32_t)code[i];
        if (value >= (uint32_t)x->codebook_size)
            return ctx->fail(ctx, TESS_E_DATA,
                             "%s: row %lld has code %d, whose codebook has %lld; `tessera archive verify` lists all faults", x->o->from,
                             (long long)(first + i / x->row), code[i], (long long)x->codebook_size);
        for (int64_t k = 0; k < x->width; k++)
            to[i * x->width + k] = (uint8_t)(value >> (8 * k));
    }
    return TESS_OK;
}

/* Buffers of a block. */
struct buffers {
    struct tess_tensor codes, label;
    char **name; /* names of the block's rows */
    int64_t names;
};

static void buffers_drop_names(struct buffers *b)
{
    for (int64_t i = 0; i < b->names; i++)
        tess_free(b->name[i]);
    b->names = 0;
}

static int export_read(struct tess_context *ctx, const struct tessi_archive_exporter *x, struct buffers *b, int64_t first, int64_t rows,
                       struct tessi_archive_block *out)
{
    b->codes.dim[0] = b->label.dim[0] = rows;
    TESS_TRY(tess_artefact_read(ctx, x->a, "codes", first, &b->codes));
    TESS_TRY(export_narrow(ctx, x, first, b->codes.data, rows * x->row));
    if (x->has_labels)
        TESS_TRY(tess_artefact_read(ctx, x->a, "labels", first, &b->label));
    buffers_drop_names(b);
    b->names = x->has_names ? rows : 0;
    if (x->has_names)
        TESS_TRY(tess_artefact_read_strings(ctx, x->a, "names", first, rows, b->name));
    *out = (struct tessi_archive_block){first, rows, b->codes.data, x->has_labels ? b->label.data : NULL,
                                        x->has_names ? (const char *const *)b->name : NULL};
    return TESS_OK;
}

static int buffers_open(struct tess_context *ctx, const struct tessi_archive_exporter *x, struct buffers *b, int64_t step)
{
    void *memory;
    b->codes = x->codes;
    b->codes.dtype = TESS_I32;
    b->codes.dim[0] = step;
    b->label = tess_tensor_over(NULL, TESS_I32, 1, &step);
    TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(&b->codes), "codes", &b->codes.data));
    TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(&b->label), "labels", &b->label.data));
    if (!x->has_names)
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, (size_t)step * sizeof(char *), "names", &memory));
    b->name = memory;
    return TESS_OK;
}

static void buffers_close(struct buffers *b)
{
    buffers_drop_names(b);
    tess_free(b->name);
    tess_free(b->codes.data);
    tess_free(b->label.data);
}

int tessi_archive_export_blocks(struct tess_context *ctx, const struct tessi_archive_exporter *x,
                                int (*take)(void *user, struct tess_context *ctx, const struct tessi_archive_block *b), void *user)
{
    struct buffers b = {.name = NULL};
    struct tessi_archive_block block;
    int64_t all = x->codes.dim[0], step = BLOCK_CODES / x->row > 0 ? BLOCK_CODES / x->row : 1;
    step = step < all ? step : all;
    int status = buffers_open(ctx, x, &b, step);
    for (int64_t i = 0; i < all && status == TESS_OK; i += step) {
        int64_t rows = all - i < step ? all - i : step;
        status = export_read(ctx, x, &b, i, rows, &block);
        if (status == TESS_OK)
            status = take(user, ctx, &block);
        if (x->o->log)
            tessi_base_progress(x->o->log, i + rows, all, "rows", NULL, 0);
    }
    buffers_close(&b);
    return status;
}

/* ---- HDF5 for others ------------------------------------------------------------------------------------------------------ */

static int export_hdf5(struct tess_context *ctx, const struct tessi_archive_exporter *x)
{
    struct tessi_archive_pieces p = {.piece = NULL};
    int status = tessi_archive_pieces_add(ctx, &p, x->o->from);
    if (status == TESS_OK)
        status = tessi_archive_write_file(ctx, &p, x->o->to, 1, x->o->log);
    tessi_archive_pieces_free(&p);
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------ */

static int export_open(struct tess_context *ctx, struct tessi_archive_exporter *x)
{
    const struct tess_attrs *f = tess_artefact_attrs(x->a);
    int64_t level_size[TESS_DEPTH_MAX];
    if (strcmp(tess_artefact_kind(x->a), "codes") != 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: is of kind `%s`, an archive of codes was wanted", x->o->from, tess_artefact_kind(x->a));
    TESS_TRY(tessi_store_artefact_check_attrs(ctx, x->a));
    TESS_TRY(tess_attrs_i64(ctx, f, "codebook_size", &x->codebook_size));
    TESS_TRY(tess_levels_get(ctx, f, x->codebook_size, &x->depth, level_size));
    TESS_TRY(tess_artefact_shape(ctx, x->a, "codes", &x->codes));
    x->row = x->codes.dim[0] ? tess_tensor_count(&x->codes) / x->codes.dim[0] : 1;
    x->width = x->codebook_size <= 256 ? 1 : x->codebook_size <= 65536 ? 2 : 4;
    x->has_labels = tess_artefact_has(x->a, "labels");
    x->has_names = tess_artefact_has(x->a, "names");
    return TESS_OK;
}

int tessi_archive_export(struct tess_context *ctx, const struct tessi_archive_export *o)
{
    static int (*const formats[])(struct tess_context *, const struct tessi_archive_exporter *) = {
        tessi_archive_export_npy, tessi_archive_export_safetensors, tessi_archive_export_tar, tessi_archive_export_png, export_hdf5};
    struct tessi_archive_exporter x = {.o = o};
    struct tess_artefact *a;
    TESS_TRY(tessi_store_artefact_open(ctx, o->from, &a));
    x.a = a;
    int status = export_open(ctx, &x);
    if (status == TESS_OK && o->format != TESSI_ARCHIVE_HDF5) /* that checks its pieces */
        status = tessi_store_artefact_check_bytes(ctx, a);
    if (status == TESS_OK)
        status = formats[o->format](ctx, &x);
    tessi_store_artefact_close(a);
    return status;
}
