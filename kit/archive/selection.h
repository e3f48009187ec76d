/* Selection of items of a source: a file of their numbers, one a line in decimal, ascending; lines that begin with `#` are passed over.
 * Words behind the number and a blank are for people. SPDX-License-Identifier: MIT */
#ifndef KIT_ARCHIVE_SELECTION_H
#define KIT_ARCHIVE_SELECTION_H

#include <tessera/digest.h>

struct archive_selection {
    int64_t *item; /* NULL: all items */
    int64_t count, capacity;
};
/* Reads the numbers, each below `count`. TESS_E_DATA names file and line. `path` NULL: all `count` items. Freed in any case. */
int archive_selection_read(struct tess_context *ctx, const char *path, int64_t count, struct archive_selection *out) TESS_CHECKED;
/* Adds the bytes of the file to a digest. Its place and times are no part of what is made of it. */
int archive_selection_digest(struct tess_context *ctx, const char *path, struct tess_digest *d) TESS_CHECKED;
void archive_selection_free(struct archive_selection *s);
/* Number in the source of the selection's i-th item. */
int64_t archive_selection_at(const struct archive_selection *s, int64_t i);

#endif
