/* Configurations laid over one another: merge, override, interpolate, and what their messages share. SPDX-License-Identifier: MIT */
#ifndef TESSI_MERGE_H
#define TESSI_MERGE_H

#include "core/config/spec.h"

/* Lays `change` (taken, and freed) over `base`: maps deep, anything else is replaced, a null removes. Where a map meets the bare
 * name of a component, the name becomes its `use`. What was replaced or removed is appended to `dropped`, a sequence. */
int tessi_merge(struct tess_call *c, struct tessi_spec *base, struct tessi_spec *change, struct tessi_spec *dropped) TESS_CHECKED;

/* Lays one "path.to.key=value" over the pipeline; `index` (from 1) is the line its places show. */
int tessi_override(struct tess_call *c, struct tessi_spec *root, const char *text, int64_t index, struct tessi_spec *dropped) TESS_CHECKED;

/* Replaces `${name}` and `${params.name}` in every scalar under `root`. A name under params that nothing uses is an error, unless what used
 * it was among `dropped`. */
int tessi_interpolate(struct tess_call *c, struct tessi_spec *root, const struct tessi_spec *dropped) TESS_CHECKED;

/* Child by key without marking it used. */
struct tessi_spec *tessi_spec_child(const struct tessi_spec *map, const char *key);
/* Keys of a map into names, at most `room`; their number. Borrowed. */
#define MAX_NAMES 256
int64_t tessi_key_names(const struct tessi_spec *map, const char **names, int64_t room);
/* "; did you mean `x`?", or "; there are a, b" of a map's keys, into text. */
const char *tessi_suggest(const struct tessi_spec *map, const char *word, char *text, size_t room);
/* Fails at the key's place. */
int tessi_key_fail(struct tess_call *c, const struct tessi_spec *s, int code, const char *format, ...) TESS_PRINTF(4, 5);

#endif
