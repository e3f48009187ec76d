/* Content of an image of a source as a short digest, by which archives know what they have. SPDX-License-Identifier: MIT */
#ifndef KIT_ARCHIVE_CONTENT_H
#define KIT_ARCHIVE_CONTENT_H

#include <tessera/kind/source.h>

enum { ARCHIVE_CONTENT = 8 }; /* bytes of it */

/* The first bytes of the digest of item i's content; zeros where the source does not tell it, or the item cannot be read. [as `content`] */
int archive_content(struct tess_context *ctx, const struct tess_source_1 *ops, void *self, int64_t i,
                    uint8_t out[ARCHIVE_CONTENT]) TESS_CHECKED;
/* Ends a digest to which the content was added (`content` of the source, or tess_digest_add_files of its file); writes its first bytes. */
void archive_content_end(struct tess_digest *d, uint8_t out[ARCHIVE_CONTENT]);
/* 1 where the source tells contents. */
int archive_has_content(const struct tess_source_1 *ops);

#endif
