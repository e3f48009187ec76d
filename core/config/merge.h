/* Configurations laid over one another: merge, override, interpolate, and what their messages share. SPDX-License-Identifier: MIT */
#ifndef TESSI_MERGE_H
#define TESSI_MERGE_H

#include "core/config/config.h"

/* Lays `change` (taken, and freed) over `base`: maps deep, anything else is replaced, a null removes. Where a map meets the bare
 * name of a component, the name becomes its `use`. What was replaced or removed is appended to `dropped`, a sequence. */
int tessi_config_merge(struct tess_context *ctx, struct tessi_config *base, struct tessi_config *change,
                       struct tessi_config *dropped) TESS_CHECKED;

/* Applies an override "path.to.key=value" to the pipeline; `index` (from 1) is the line number in its places. */
int tessi_config_override(struct tess_context *ctx, struct tessi_config *root, const char *text, int64_t index,
                          struct tessi_config *dropped) TESS_CHECKED;

/* Replaces `${name}` and `${params.name}` in every scalar under `root`. A name under params that nothing uses is an error, unless what used
 * it was among `dropped`. */
int tessi_config_interpolate(struct tess_context *ctx, struct tessi_config *root, const struct tessi_config *dropped) TESS_CHECKED;

/* Child of a map by key, not marked used. */
struct tessi_config *tessi_config_child(const struct tessi_config *map, const char *key);
/* Writes the keys of a map into names, at most `capacity`; returns their number. Borrowed. */
#define MAX_NAMES 256
int64_t tessi_config_key_names(const struct tessi_config *map, const char **names, int64_t capacity);
/* Suggestion for an unknown key from a map's keys, "; did you mean `x`?" or "; there are a, b", into text. */
const char *tessi_config_suggest(const struct tessi_config *map, const char *word, char *text, size_t capacity);
/* Fails with a message at the key's place. */
int tessi_config_key_fail(struct tess_context *ctx, const struct tessi_config *s, int code, const char *format, ...) TESS_PRINTF(4, 5);

#endif
