/* Layout of values in a file: types, chunks, filters, attributes. docs/formats.md tells the same to readers.
 *
 * A precision below the type's width is stored through the n-bit filter where that saves something, so a code takes ceil(log2 K) bits and
 * is still an unsigned integer to every reader. What is large, or filtered, is cut into chunks of whole rows with a checksum each; the rest
 * lies in one piece. SPDX-License-Identifier: MIT */
#include "core/store/store_private.h"

#include <string.h>

#define CHUNK_LEAST (256 << 10)
#define CHUNK_MAX (1 << 20)
#define ROWS_LEAST (16 << 10) /* chunk size, at least, of datasets read by the row, each chunk being decoded whole for a row */
#define ROWS_MAX (32 << 10)
#define SMALL (64 << 10) /* bytes below which a plain dataset is contiguous */
#define PACKED_LEAST 1024 /* bytes that packing must save */
#define READ_CACHE (64 << 20)
#define CACHE_SLOTS 8191 /* hash slots of the chunk cache: a prime, several times the number of the smallest chunks */
#define WRITE_SLOTS 1
#define DEFLATE_LEVEL 4

size_t tessi_store_entry_size(const struct tessi_entry *e)
{
    return e->dtype == TESSI_TEXT ? (size_t)e->precision / 8 : tess_dtype_size(e->dtype);
}

int64_t tessi_store_entry_row(const struct tessi_entry *e)
{
    int64_t n = 1;
    for (int32_t i = 1; i < e->rank; i++)
        n *= e->dim[i];
    return n;
}

int64_t tessi_store_entry_count(const struct tessi_entry *e)
{
    return e->rank ? e->dim[0] * tessi_store_entry_row(e) : 1;
}

/* Copies the type `base`, with a precision where it is less than the width. */
static hid_t layout_typed(hid_t base, const struct tessi_entry *e)
{
    hid_t t = H5Tcopy(base);
    if (t < 0)
        return t;
    herr_t bad = 0;
    if (e->dtype == TESSI_TEXT)
        bad = H5Tset_size(t, tessi_store_entry_size(e)) < 0 || H5Tset_strpad(t, H5T_STR_NULLPAD) < 0 || H5Tset_cset(t, H5T_CSET_UTF8) < 0;
    else if (e->dtype != TESS_F32 && !e->is_signed && (size_t)e->precision < 8 * tessi_store_entry_size(e))
        bad = H5Tset_precision(t, (size_t)e->precision) < 0;
    if (!bad)
        return t;
    H5Tclose(t);
    return -1;
}

hid_t tessi_store_file_type(const struct tessi_entry *e)
{
    switch (e->dtype) {
    case TESS_U8:
        return layout_typed(H5T_STD_U8LE, e);
    case TESS_U16:
        return layout_typed(H5T_STD_U16LE, e);
    case TESS_I32:
        return layout_typed(e->is_signed ? H5T_STD_I32LE : H5T_STD_U32LE, e);
    case TESS_F32:
        return layout_typed(H5T_IEEE_F32LE, e);
    default:
        return layout_typed(H5T_C_S1, e);
    }
}

hid_t tessi_store_memory_type(const struct tessi_entry *e)
{
    switch (e->dtype) {
    case TESS_U8:
        return layout_typed(H5T_NATIVE_UINT8, e);
    case TESS_U16:
        return layout_typed(H5T_NATIVE_UINT16, e);
    case TESS_I32:
        return layout_typed(e->is_signed ? H5T_NATIVE_INT32 : H5T_NATIVE_UINT32, e);
    case TESS_F32:
        return layout_typed(H5T_NATIVE_FLOAT, e);
    default:
        return layout_typed(H5T_C_S1, e);
    }
}

int64_t tessi_store_chunk_rows(int64_t rows, int64_t row_bytes, int by_row)
{
    int64_t fewest = by_row ? ROWS_LEAST : CHUNK_LEAST, least = (fewest + row_bytes - 1) / row_bytes;
    int64_t max = (by_row ? ROWS_MAX : CHUNK_MAX) / row_bytes;
    if (rows <= least)
        return rows;
    if (max < least) /* no whole number of rows lies in the range */
        return max > 1 ? max : 1;
    int64_t best = least, waste = INT64_MAX;
    for (int64_t r = least; r <= max && r <= rows; r++) {
        int64_t w = (rows + r - 1) / r * r - rows;
        if (w <= waste) {
            best = r;
            waste = w;
        }
    }
    return best;
}

/* 1 where the n-bit filter is worth that some readers lack it: not for one number a row beside larger rows, nor for little. */
static int is_packed(const struct tessi_entry *e)
{
    int64_t spare = 8 * (int64_t)tessi_store_entry_size(e) - e->precision;
    return e->dtype != TESS_F32 && e->dtype != TESSI_TEXT && !e->is_signed && e->rank > 1 &&
           spare * tessi_store_entry_count(e) / 8 >= PACKED_LEAST;
}

static int layout_is_compressed(const struct tessi_entry *e, const struct tess_dataset *d)
{
    return d->compress || (e->portable && e->dtype != TESS_F32 && e->dtype != TESSI_TEXT);
}

static int layout_is_chunked(const struct tessi_entry *e, const struct tess_dataset *d)
{
    int64_t row = tessi_store_entry_row(e) * (int64_t)tessi_store_entry_size(e);
    int filtered = (is_packed(e) && !e->portable) || layout_is_compressed(e, d);
    return e->rank > 0 && tessi_store_entry_count(e) > 0 && row < UINT32_MAX && (filtered || d->may_end || row * e->dim[0] >= SMALL);
}

int64_t tessi_store_plain_chunk(const struct tessi_entry *e, const struct tess_dataset *d)
{
    int64_t row = tessi_store_entry_row(e) * (int64_t)tessi_store_entry_size(e);
    int filtered = is_packed(e) || layout_is_compressed(e, d) || e->portable;
    int is_swapped = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ && tessi_store_entry_size(e) > 1;
    return layout_is_chunked(e, d) && !filtered && !is_swapped ? tessi_store_chunk_rows(e->dim[0], row, d->by_row) : 0;
}

hid_t tessi_store_layout(const struct tessi_entry *e, const struct tess_dataset *d)
{
    size_t size = tessi_store_entry_size(e);
    int64_t row = tessi_store_entry_row(e) * (int64_t)size;
    int packed = is_packed(e) && !e->portable, compress = layout_is_compressed(e, d);
    hid_t p = H5Pcreate(H5P_DATASET_CREATE);
    if (p < 0)
        return p;
    herr_t bad = H5Pset_obj_track_times(p, 0) < 0 || H5Pset_fill_time(p, H5D_FILL_TIME_NEVER) < 0;
    if (layout_is_chunked(e, d)) {
        hsize_t chunk[TESS_MAX_RANK];
        chunk[0] = (hsize_t)tessi_store_chunk_rows(e->dim[0], row, d->by_row);
        for (int32_t i = 1; i < e->rank; i++)
            chunk[i] = (hsize_t)e->dim[i];
        bad = bad || H5Pset_chunk(p, e->rank, chunk) < 0;
        if (packed)
            bad = bad || H5Pset_nbit(p) < 0;
        else if (compress && size > 1 && e->dtype != TESSI_TEXT)
            bad = bad || H5Pset_shuffle(p) < 0;
        if (compress)
            bad = bad || H5Pset_deflate(p, DEFLATE_LEVEL) < 0;
        if (!e->portable)
            bad = bad || H5Pset_fletcher32(p) < 0;
    }
    if (!bad)
        return p;
    H5Pclose(p);
    return -1;
}

hid_t tessi_store_layout_write_cache(const struct tessi_entry *e, const struct tess_dataset *d)
{
    int64_t row = tessi_store_entry_row(e) * (int64_t)tessi_store_entry_size(e);
    size_t chunk = row > 0 && e->rank > 0 && e->dim[0] > 0 ? (size_t)(tessi_store_chunk_rows(e->dim[0], row, d->by_row) * row) : 1;
    hid_t p = H5Pcreate(H5P_DATASET_ACCESS);
    if (p < 0 || H5Pset_chunk_cache(p, WRITE_SLOTS, chunk, 1.0) >= 0)
        return p;
    H5Pclose(p);
    return -1;
}

hid_t tessi_store_layout_cache(const struct tessi_entry *e, int use)
{
    hid_t p = H5Pcreate(H5P_DATASET_ACCESS);
    if (p < 0)
        return p;
    size_t row = (size_t)tessi_store_entry_row(e) * tessi_store_entry_size(e);
    size_t capacity = READ_CACHE < 2 * row ? 2 * row : READ_CACHE;
    if ((use == TESSI_CACHE_NONE ? H5Pset_chunk_cache(p, 1, 0, 1.0) : H5Pset_chunk_cache(p, CACHE_SLOTS, capacity, 0.75)) >= 0)
        return p;
    H5Pclose(p);
    return -1;
}

/* ---- attributes ---------------------------------------------------------------------------------------------------- */

herr_t tessi_store_attribute_number(hid_t object, const char *name, hid_t file_type, hid_t memory_type, const void *value)
{
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(object, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT);
    herr_t bad = attribute < 0 || H5Awrite(attribute, memory_type, value) < 0;
    if (attribute >= 0)
        bad = H5Aclose(attribute) < 0 || bad;
    tessi_store_close(space);
    return bad ? -1 : 0;
}

herr_t tessi_store_attribute_text(hid_t object, const char *name, const char *text)
{
    size_t bytes = strlen(text);
    hid_t type = H5Tcopy(H5T_C_S1); /* HDF5 knows no string of no bytes: an empty text is one zero */
    herr_t bad = type < 0 || H5Tset_size(type, bytes ? bytes : 1) < 0 || H5Tset_strpad(type, H5T_STR_NULLPAD) < 0 ||
                 H5Tset_cset(type, H5T_CSET_UTF8) < 0 || tessi_store_attribute_number(object, name, type, type, text) < 0;
    tessi_store_close(type);
    return bad ? -1 : 0;
}
