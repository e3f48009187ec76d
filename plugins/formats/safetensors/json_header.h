/* The header of a safetensors file: a JSON object of tensors by name.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_FORMATS_SAFETENSORS_JSON_HEADER_H
#define PLUGINS_FORMATS_SAFETENSORS_JSON_HEADER_H

#include "kit/format/numbers.h"

enum { HEADER_MAX = 16 << 20, HEADER_TENSORS = 1 << 14 };

struct header {
    struct tess_entry *entry;
    int32_t *type;        /* dtype: a type of numbers.h */
    int64_t *begin, *end; /* offset behind the header, in bytes */
    int64_t count, capacity;
    char *text; /* text that holds the names */
};

/* Parses the header; TESS_E_DATA for anything but such an object. Types and offsets are checked one by one, not yet against each other or
 * the file. Start from zeroed memory; free in any case. */
int header_read(struct tess_context *ctx, const char *path, const char *text, size_t bytes, struct header *out) TESS_CHECKED;
void header_free(struct header *h);
/* Writes text as a JSON string, with its quotes, cut to `capacity`. */
void header_quote(const char *text, char *to, size_t capacity);

#endif
