/* source/1 `folder`, as it is listed; folder.c is what it does, and is loaded with libvips when it is to do it.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/sources/folder/folder_table.h"

static const struct tess_source_1 ops = {.size = sizeof ops};

FOLDER_PLUGIN(NULL, NULL, "folder");
