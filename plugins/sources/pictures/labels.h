/* Labels that stand beside images as texts. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_SOURCES_PICTURES_LABELS_H
#define PLUGINS_SOURCES_PICTURES_LABELS_H

#include <tessera/base.h>

enum { LABELS_MAX = 65536 };

struct labels {
    int32_t *label; /* label of each image, -1: none; NULL: no image has one */
    int64_t classes;
    char **name; /* names of the classes as UTF-8, sorted by their bytes; NULL: classes have numbers alone */
};

/* Makes labels of n texts, each NULL or empty where an image has none. Where all are integers from 0 they are the classes' numbers; else
 * words are the classes' names, numbered in the order of their bytes. `path` is for messages. Free it in any case. */
int labels_make(struct tess_context *ctx, const char *path, int64_t n, char *const *text, struct labels *out) TESS_CHECKED;
void labels_free(struct labels *l);

#endif
