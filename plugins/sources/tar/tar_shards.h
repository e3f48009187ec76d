/* Files that a pattern names: shards of an archive. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_SOURCES_TAR_TAR_SHARDS_H
#define PLUGINS_SOURCES_TAR_TAR_SHARDS_H

#include <tessera/base.h>

enum { TAR_SHARDS_MAX = 100000 };

struct tar_shards {
    int64_t count, capacity;
    char **path;
};

/* Length of a file's name without what says that it is a tar file, .tar, .tar.gz, .tgz and the like; 0: it has no such ending. */
size_t tar_shard_front(const char *name);
/* Lists the files of a pattern: a file; a folder, for the files in it with such an ending; `a-{000..012}.tar`, numbers counted up with the
 * zeros in front that the first has; `{a,b}.tar`; and * ? [] as in a shell. Those of one pattern are in the order of their names' bytes,
 * those of braces in the order written. Whatever is missing is refused. Free it in any case. */
int tar_shards_list(struct tess_context *ctx, const char *pattern, struct tar_shards *s) TESS_CHECKED;
void tar_shards_free(struct tar_shards *s);

#endif
