/* The folder of an archive's images as it was before the archive grew. SPDX-License-Identifier: MIT */
#ifndef TESSI_CLI_ARCHIVE_FORMER_H
#define TESSI_CLI_ARCHIVE_FORMER_H

#include "cli/encode.h"

#define CLI_ARCHIVE_ASIDE ".damaged" /* behind the name of a damaged shard while it is made again */

struct cli_former {
    const char *archive;               /* folder of the archive */
    const char *work;                  /* folder that links are made in; removed with it */
    const struct tessi_config *stages; /* stages of the recipe, with the offsets of the shards */
    const struct tessi_registry *registry;
};

/* Makes a folder of links to the images that there were when the shard of `stage` was made, and has the stage read it; does nothing where
 * the archive has not grown since and the folder has as many images as then, or the images lie in no folder. The images are those that the
 * shards of then name, where that gives as many as there were; else all but those that the shards of later stages name, which have to be
 * whole; else of these without copies of images that have rows in whole shards. TESS_E_DATA where none gives the number. `made` keeps the
 * offset of the folder that was made last, which is used again: start at -1. */
int cli_former_images(struct tess_context *ctx, const struct cli_former *f, struct tessi_config *stage, int64_t *made) TESS_CHECKED;

#endif
