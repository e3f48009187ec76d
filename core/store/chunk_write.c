/* Writing chunks of plain values past HDF5's filters. HDF5 copies a chunk to its cache, and to another buffer for its checksum, which it
 * sums a word at a time: for large models that took longer than the disk. Here a chunk is filled, summed eight words at a time
 * (chunk_codec.c) and given to HDF5 as it is to lie in the file (H5Dwrite_chunk). The bytes are those that HDF5 writes itself.
 *
 * SPDX-License-Identifier: MIT */
#include "core/store/store_private.h"

#include <string.h>

#define CHECKSUM ((size_t)4)

static size_t chunk_write_row(const struct tessi_entry *e)
{
    return (size_t)tessi_store_entry_row(e) * tessi_store_entry_size(e);
}

/* Writes the chunk that ends before row `end`. */
static int chunk_write_put(struct tess_context *ctx, struct tess_artefact *a, struct tessi_entry *e, int64_t end)
{
    const hsize_t offset[TESS_MAX_RANK] = {(hsize_t)((end - 1) / e->chunk_rows * e->chunk_rows)};
    size_t bytes = (size_t)e->chunk_rows * chunk_write_row(e);
    uint32_t sum = tessi_store_fletcher32(e->filling, bytes);
    for (size_t i = 0; i < CHECKSUM; i++)
        e->filling[bytes + i] = (unsigned char)(sum >> 8 * i);
    if (H5Dwrite_chunk(e->dataset, H5P_DEFAULT, 0, offset, bytes + CHECKSUM, e->filling) < 0)
        return tessi_store_give_up(ctx, a, e->name);
    return TESS_OK;
}

int tessi_store_chunk_fill(struct tess_context *ctx, struct tess_artefact *a, struct tessi_entry *e, const void *values, int64_t rows)
{
    const unsigned char *from = values;
    size_t row = chunk_write_row(e);
    void *memory;
    if (!e->filling) {
        TESS_TRY(tess_alloc(ctx, (size_t)e->chunk_rows * row + CHECKSUM, "a chunk of a file", &memory));
        e->filling = memory;
    }
    for (int64_t done = 0; done < rows;) {
        int64_t at = (e->rows + done) % e->chunk_rows, room = e->chunk_rows - at, n = rows - done < room ? rows - done : room;
        memcpy(e->filling + (size_t)at * row, from + (size_t)done * row, (size_t)n * row);
        done += n;
        if (n == room)
            TESS_TRY(chunk_write_put(ctx, a, e, e->rows + done));
    }
    return TESS_OK;
}

int tessi_store_chunk_end(struct tess_context *ctx, struct tess_artefact *a, struct tessi_entry *e)
{
    int64_t left = e->chunk_rows ? e->rows % e->chunk_rows : 0;
    int status = TESS_OK;
    if (e->filling && left) {
        size_t row = chunk_write_row(e);
        memset(e->filling + (size_t)left * row, 0, (size_t)(e->chunk_rows - left) * row);
        status = chunk_write_put(ctx, a, e, e->rows);
    }
    tess_free(e->filling);
    e->filling = NULL;
    return status;
}
