/* A file of torch.save, in either of its containers: a pickle, and the storages that it names as ranges of the file.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_FORMATS_TORCH_TORCH_FILE_H
#define PLUGINS_FORMATS_TORCH_TORCH_FILE_H

#include "kit/format/steady_file.h"
#include "plugins/formats/torch/pickle.h"
#include "plugins/formats/torch/zip_members.h"

enum { TORCH_FOLDER_MAX = 255 };

struct torch_file {
    const char *path;
    int fd, is_open, is_legacy;
    struct steady_file about;
    struct zip_members zip;
    char folder[TORCH_FOLDER_MAX + 1]; /* folder inside the zip, "archive" */
    struct pickle pickle;
    int64_t *offset; /* legacy: [storage of the pickle] place of its bytes; -1: none */
};

struct torch_range { /* bytes of a storage */
    int64_t offset, bytes;
    uint32_t sum; /* CRC-32 */
    int32_t has_sum;
};

/* 1 where the first bytes are those of a file before PyTorch 1.6: pickles one after the other. */
int torch_legacy_recognises(const uint8_t *head, size_t bytes);
/* Reads pickle and places of an open file; `key` as for pickle_read. TESS_E_DATA. */
int torch_legacy_open(struct tess_context *ctx, struct torch_file *f, const char *key) TESS_CHECKED;
int torch_zip_open(struct tess_context *ctx, struct torch_file *f, const char *key) TESS_CHECKED;
/* Finds the storage of a tensor; TESS_E_DATA where it is not there, or has other bytes than the pickle says. */
int torch_legacy_range(struct tess_context *ctx, const struct torch_file *f, const struct pickle_tensor *p,
                       struct torch_range *out) TESS_CHECKED;
int torch_zip_range(struct tess_context *ctx, const struct torch_file *f, const struct pickle_tensor *p,
                    struct torch_range *out) TESS_CHECKED;

#endif
