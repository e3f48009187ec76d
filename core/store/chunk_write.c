/* Writing chunks of plain values past HDF5's filters. HDF5 copies a chunk to its cache, and to another buffer for its checksum, which it
 * sums a word at a time: for large models that took longer than the disk. Here a chunk is filled, summed eight words at a time
 * (chunk_codec.c) and given to HDF5 as it is to lie in the file (H5Dwrite_chunk). The bytes are those that HDF5 writes itself.
 *
 * SHA-256 of the values takes as long as all of that. Where there is a second thread, it digests a large dataset's chunks while they are
 * written and the next are filled.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/workers.h"
#include "core/store/store_private.h"

#include <string.h>

#define CHECKSUM ((size_t)4)
#define APART ((int64_t)4 << 20)       /* bytes of a dataset from which on it is digested on another thread, */
#define APART_LEAST ((size_t)64 << 10) /* where its chunks are not so small that handing them over would count, */
#define APART_MAX ((size_t)4 << 20)    /* nor so large that three of them would */
#define ROOMS (TESSI_DIGEST_QUEUE + 1) /* chunks in memory then: the one that is filled, and those in the queue */

static size_t chunk_write_row(const struct tessi_entry *e)
{
    return (size_t)tessi_store_entry_row(e) * tessi_store_entry_size(e);
}

static size_t chunk_write_bytes(const struct tessi_entry *e)
{
    return (size_t)e->chunk_rows * chunk_write_row(e);
}

static int chunk_write_is_apart(const struct tessi_entry *e)
{
    size_t bytes = chunk_write_bytes(e);
    return e->dtype != TESSI_TEXT && e->dim[0] * (int64_t)chunk_write_row(e) >= APART && bytes >= APART_LEAST && bytes <= APART_MAX;
}

/* Decides where the values are digested, and makes room for chunks. */
static int chunk_write_begin(struct tess_context *ctx, struct tess_artefact *a, struct tessi_entry *e)
{
    void *memory;
    if (chunk_write_is_apart(e) && !a->digests && tessi_base_workers_of(ctx) > 1)
        TESS_TRY(tessi_base_digest_queue_new(ctx, &a->digests));
    e->apart = a->digests && chunk_write_is_apart(e);
    TESS_TRY(tess_alloc(ctx, (e->apart ? ROOMS : 1) * (chunk_write_bytes(e) + CHECKSUM), "a chunk of a file", &memory));
    e->room = e->filling = memory;
    return TESS_OK;
}

/* Goes on to the next room, whose chunk is digested by now. */
static void chunk_write_next(struct tessi_entry *e)
{
    size_t room = chunk_write_bytes(e) + CHECKSUM;
    e->filling = e->filling == e->room + (ROOMS - 1) * room ? e->room : e->filling + room;
}

/* Writes the chunk that ends before row `end`. */
static int chunk_write_put(struct tess_context *ctx, struct tess_artefact *a, struct tessi_entry *e, int64_t end)
{
    const hsize_t offset[TESS_MAX_RANK] = {(hsize_t)((end - 1) / e->chunk_rows * e->chunk_rows)};
    size_t bytes = chunk_write_bytes(e);
    if (e->apart)
        tessi_base_digest_queue_add(a->digests, &e->digest, e->filling, (size_t)(end - (int64_t)offset[0]) * chunk_write_row(e));
    uint32_t sum = tessi_store_fletcher32(e->filling, bytes);
    for (size_t i = 0; i < CHECKSUM; i++)
        e->filling[bytes + i] = (unsigned char)(sum >> 8 * i);
    if (H5Dwrite_chunk(e->dataset, H5P_DEFAULT, 0, offset, bytes + CHECKSUM, e->filling) < 0)
        return tessi_store_give_up(ctx, a, e->name);
    if (e->apart)
        chunk_write_next(e);
    return TESS_OK;
}

int tessi_store_chunk_fill(struct tess_context *ctx, struct tess_artefact *a, struct tessi_entry *e, const void *values, int64_t rows)
{
    const unsigned char *from = values;
    size_t row = chunk_write_row(e);
    if (!e->filling)
        TESS_TRY(chunk_write_begin(ctx, a, e));
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
    if (e->apart)
        tessi_base_digest_queue_wait(a->digests);
    tess_free(e->room);
    e->room = e->filling = NULL;
    return status;
}
