/* Listing of source/1 `tar`. Its functions are in tar.c, which is loaded with libvips and libarchive when the source is used.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/sources/tar/tar_table.h"

static const struct tess_source_1 ops = {.size = sizeof ops};

TAR_PLUGIN(NULL, NULL, "tar");
