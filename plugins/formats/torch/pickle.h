/* Reader of the pickle inside a file of torch.save, as far as a state dictionary needs it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_FORMATS_PICKLE_H
#define PLUGINS_FORMATS_PICKLE_H

#include <tessera/exchange.h>

enum { PICKLE_MAX = 4 << 20, PICKLE_TENSORS = 1 << 14 }; /* limits: bytes of a pickle, tensors in it */

/* Tensor: a view of a storage, which is a row of numbers under a key: element (i, j, ...) is number offset + i stride[0] + j stride[1]
 * ... */
struct pickle_tensor {
    const char *name, *storage; /* storage: key of the storage */
    int32_t type, rank;         /* type: one of numbers.h */
    int64_t offset, numbers;    /* numbers in the storage; all of the view is inside */
    int64_t dim[TESS_ENTRY_RANK], stride[TESS_ENTRY_RANK];
};

struct pickle {
    struct pickle_tensor *tensor; /* in the dictionary's order; names may be there twice */
    int64_t count;
    char *text; /* text that holds the names */
};

/* Reads a pickle; TESS_E_DATA for anything but a dictionary of tensors by name, or one that has such a dictionary under `state_dict`;
 * `path` is what messages say. Start from zeroed memory; free in any case. */
int pickle_read(struct tess_context *ctx, const char *path, const uint8_t *bytes, size_t count, struct pickle *out) TESS_CHECKED;
void pickle_free(struct pickle *p);

#endif
