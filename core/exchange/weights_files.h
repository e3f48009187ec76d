/* The tensors of another program's weights, which may be one file, a list of shards (NAME.index.json), or a folder with one of these and
 * config.json beside it. SPDX-License-Identifier: MIT */
#ifndef TESSI_WEIGHTS_FILES_H
#define TESSI_WEIGHTS_FILES_H

#include <tessera/attributes.h>
#include <tessera/exchange.h>
#include <tessera/plugin.h>

struct tessi_weights_part {
    char *path;
    struct tess_instance *format;
    int64_t first; /* its first entry among all */
};

struct tessi_weights_files {
    struct tessi_weights_part *part;
    int64_t parts, capacity;
    struct tess_entry *entry; /* the entries of all parts, whose names are all different */
    int64_t entries;
    struct tess_attrs *settings; /* numbers and texts at the top of config.json; NULL: there is none */
    char *index;                 /* path of the list of shards; NULL: none */
};

/* Opens a file, a list of shards or a folder. `key`: name of the dictionary in a file that has several, "": by guess. Start from zeroed
 * memory; close in any case. Call again with another path to add its tensors. */
int tessi_exchange_weights_open(struct tess_context *ctx, const char *path, const char *key, struct tessi_weights_files *w) TESS_CHECKED;
void tessi_exchange_weights_close(struct tessi_weights_files *w);
/* Reads the values of entry i as f32. */
int tessi_exchange_weights_read(struct tess_context *ctx, const struct tessi_weights_files *w, int64_t i, float *to) TESS_CHECKED;
/* Reads `count` values of entry i from value `first` on, one piece after the other from its first value to its last. */
int tessi_exchange_weights_read_part(struct tess_context *ctx, const struct tessi_weights_files *w, int64_t i, int64_t first, int64_t count,
                                     float *to) TESS_CHECKED;
/* 1 where entry i can be read in pieces. */
int tessi_exchange_weights_has_parts(const struct tessi_weights_files *w, int64_t i);
/* The part that entry i is in. */
const struct tessi_weights_part *tessi_exchange_weights_part(const struct tessi_weights_files *w, int64_t i);

#endif
