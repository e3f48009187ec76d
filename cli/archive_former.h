/* The folder of an archive's images as it was before the archive grew. SPDX-License-Identifier: MIT */
#ifndef TESSI_CLI_ARCHIVE_FORMER_H
#define TESSI_CLI_ARCHIVE_FORMER_H

#include "cli/encode.h"

struct cli_former {
    const char *archive;               /* folder of the archive */
    const char *work;                  /* folder that links are made in; removed with it */
    const struct tessi_config *stages; /* of the recipe, with the shards' offsets */
};

/* Where the archive has grown since the shard of `stage` was made, and the images lie in a folder, makes a folder of links to them without
 * those that came later, and has the stage read that: the images that the shards of later stages name. Those shards have to be whole.
 * `made` keeps the offset of the folder that was made last, which is used again: start at -1. */
int cli_former_images(struct tess_context *ctx, const struct cli_former *f, struct tessi_config *stage, int64_t *made) TESS_CHECKED;

#endif
