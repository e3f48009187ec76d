/* The folder of an archive's images as it was before the archive grew. SPDX-License-Identifier: MIT */
#ifndef TESSI_CLI_ARCHIVE_FORMER_H
#define TESSI_CLI_ARCHIVE_FORMER_H

#include "cli/encode.h"

#define CLI_ARCHIVE_ASIDE ".damaged" /* behind the name of a damaged shard while it is made again */

struct cli_former {
    const char *archive;               /* folder of the archive */
    const char *work;                  /* folder that links are made in; removed with it */
    const struct tessi_config *stages; /* stages of the recipe, with the offsets of the shards */
};

/* Makes a folder of links to the images that there were when the shard of `stage` was made, and has the stage read it; does nothing where
 * the archive has not grown since, or its images lie in no folder. Where the shards of then name all images, those are the ones; otherwise
 * the images that the shards of later stages name came later, and those shards have to be whole. `made` keeps the offset of the folder that
 * was made last, which is used again: start at -1. */
int cli_former_images(struct tess_context *ctx, const struct cli_former *f, struct tessi_config *stage, int64_t *made) TESS_CHECKED;

#endif
