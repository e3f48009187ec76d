/* Names of many images in little memory: a name keeps only what it has behind the beginning that it shares with the one before, which for
 * names in order is a few bytes. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_SOURCES_PICTURES_NAME_TABLE_H
#define PLUGINS_SOURCES_PICTURES_NAME_TABLE_H

#include <tessera/base.h>

enum {
    NAME_TABLE_MAX = 8191, /* bytes of a name that are kept; a path so long is none to the system */
    NAME_TABLE_TEXT = NAME_TABLE_MAX + 1
};

/* Zeroed memory is an empty table. */
struct name_table {
    uint8_t *bytes;
    int64_t used, capacity;
    int64_t *group; /* where every 16th name begins, which is whole */
    int64_t groups;
    int64_t count;
    char *last; /* the name that was added last */
};

int name_table_add(struct tess_context *ctx, struct name_table *t, const char *name) TESS_CHECKED;
/* Gives back memory that further names would have taken; none follow. */
int name_table_end(struct tess_context *ctx, struct name_table *t) TESS_CHECKED;
/* Writes name i into `text`, of NAME_TABLE_TEXT bytes, and returns it. [any thread] */
const char *name_table_get(const struct name_table *t, int64_t i, char *text);
void name_table_free(struct name_table *t);
/* Merges two tables whose names are in the order of their bytes into `out`, an empty one, and frees them. */
int name_table_merge(struct tess_context *ctx, struct name_table *a, struct name_table *b, struct name_table *out) TESS_CHECKED;

#endif
