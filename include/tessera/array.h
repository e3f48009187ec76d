/* Arrays in HDF5 files of other programs, for reading: numbers in a dataset of any layout that the library itself can decode. Service
 * "array/1".
 *
 * A file may be a stranger's. Links that are not plain (soft, external), values in other files, filters that are no part of HDF5, datasets
 * that claim more than the file can hold and chunks of more than 1 GiB are refused with a sentence (TESS_E_DATA). All HDF5 work of a
 * process runs on one thread at a time; these functions take a lock.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_ARRAY_H
#define TESSERA_ARRAY_H

#include <tessera/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tess_array; /* an open dataset and its file */

struct tess_array_shape {
    uint32_t size;  /* sizeof(struct tess_array_shape) as the caller was compiled */
    int32_t kind;   /* 'u': unsigned integers, 'i': signed ones, 'f': real numbers */
    int32_t bytes;  /* width of a number as it is stored: 1, 2, 4 or 8 */
    int32_t rank;   /* 1 to TESS_MAX_RANK */
    int64_t dim[TESS_MAX_RANK];
};

/* Opens the dataset `name` ("train/images") of a file; tess_array_close in any case. TESS_E_IO: the file is missing; TESS_E_DATA: it is no
 * HDF5 file, or has no such dataset; the message has the names of those it has. */
TESS_EXPORT TESS_CHECKED int tess_array_open(struct tess_context *ctx, const char *path, const char *name, struct tess_array **out);
TESS_EXPORT void tess_array_close(struct tess_array *a); /* NULL is fine */
/* Fills the members that `out->size` says there are. [any thread] */
TESS_EXPORT void tess_array_shape_of(const struct tess_array *a, struct tess_array_shape *out);
/* Reads rows first to first + rows - 1 along the first dimension, as TESS_U8 or TESS_I32. TESS_E_DATA where a number does not fit into
 * that, or is real. Chunks that were decoded are kept for the next call, 64 MiB at most. [any thread] */
TESS_EXPORT TESS_CHECKED int tess_array_read(struct tess_context *ctx, const struct tess_array *a, int64_t first, int64_t rows,
                                             int32_t dtype, void *to);

#ifdef __cplusplus
}
#endif
#endif
