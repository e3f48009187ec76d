/* Headers of NPY files, versions 1 to 3: one array of numbers of one type (NumPy Enhancement Proposal 1).
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_FORMAT_NPY_HEADER_H
#define KIT_FORMAT_NPY_HEADER_H

#include <tessera/base.h>

enum { NPY_MAX_RANK = 8 };

struct npy_header {
    char kind;           /* 'u', 'i', 'f', 'b' as NumPy names it */
    int32_t bytes, rank; /* width of a number in bytes; number of dimensions */
    int64_t dim[NPY_MAX_RANK];
    int64_t offset; /* byte of the file at which the numbers begin, the last dimension running fastest */
    int64_t count;  /* number of values */
};

/* Reads the header of an open file of `file_bytes` bytes. TESS_E_DATA where the file is none, is cut or goes on behind its numbers, or
 * holds what is not read here: Python objects, records, complex numbers, big-endian ones, the first dimension running fastest. [any thread]
 * */
int npy_header_read(struct tess_context *ctx, const char *path, int fd, int64_t file_bytes, struct npy_header *h) TESS_CHECKED;

#endif
