/* Listing of source/1 `folder`. Its functions are in folder.c, which is loaded with libvips when the source is used.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/sources/folder/folder_table.h"

static const struct tess_source_1 ops = {.size = sizeof ops};

FOLDER_PLUGIN(NULL, NULL, "folder");
