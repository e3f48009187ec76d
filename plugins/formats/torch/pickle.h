/* Reader of the pickle inside a file of torch.save, as far as a dictionary of tensors needs it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_FORMATS_TORCH_PICKLE_H
#define PLUGINS_FORMATS_TORCH_PICKLE_H

#include <tessera/exchange.h>

/* Limits: bytes of a pickle, values and items of its containers, tensors in it. */
enum { PICKLE_MAX = 32 << 20, PICKLE_VALUES = 1 << 21, PICKLE_TENSORS = 1 << 17, PICKLE_NOTE = 400 };

/* Tensor: a view of a storage, which is a row of numbers under a key: element (i, j, ...) is number offset + i stride[0] + j stride[1]
 * ... */
struct pickle_tensor {
    const char *name, *storage;  /* storage: key of the storage */
    int32_t type, rank, repeats; /* type: one of numbers.h; repeats: 1 where it has more elements than its storage */
    int64_t offset, numbers;     /* numbers in the storage; all of the view is inside */
    int64_t storage_bytes;       /* bytes of the storage, as the pickle has them */
    int64_t dim[TESS_ENTRY_RANK], stride[TESS_ENTRY_RANK];
};

struct pickle_storage {
    const char *key;
    int64_t numbers, width; /* width: bytes of a number */
};

struct pickle {
    struct pickle_tensor *tensor; /* in the dictionary's order; names may be there twice */
    int64_t count;
    struct pickle_storage *storage; /* every storage of the pickle, by key, each once */
    int64_t storages;
    char note[PICKLE_NOTE]; /* which dictionary of several was taken; "": the file has one */
    char *text;             /* text that holds names and keys */
};

/* Reads a pickle; TESS_E_DATA for anything but a dictionary of tensors by name, or one that has such a dictionary under a name: `key`
 * ("ema", "a.b"), or where that is "" the first of the names that programs use. `path` is what messages say. `used` NULL: the pickle is all
 * of the bytes; else their number. Start from zeroed memory; free in any case. */
int pickle_read(struct tess_context *ctx, const char *path, const uint8_t *bytes, size_t count, const char *key, struct pickle *out,
                size_t *used) TESS_CHECKED;
void pickle_free(struct pickle *p);

/* Reads a pickle that is a list of texts: a callback for each, its first failure ends it. Everything else about a pickle as above. */
typedef int pickle_text_fn(void *user, struct tess_context *ctx, const char *text, size_t length);
int pickle_read_texts(struct tess_context *ctx, const char *path, const uint8_t *bytes, size_t count, pickle_text_fn *each, void *user,
                      size_t *used) TESS_CHECKED;
/* Reads a pickle that is any value, and gives the bytes it has; *big is 1 where it is a dictionary that says `little_endian` is False. */
int pickle_skip(struct tess_context *ctx, const char *path, const uint8_t *bytes, size_t count, size_t *used, int *big) TESS_CHECKED;

#endif
