/* Listing of source/1 `list`. Its functions are in list.c, which is loaded with libvips when the source is used.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/sources/list/list_table.h"

static const struct tess_source_1 ops = {.size = sizeof ops};

LIST_PLUGIN(NULL, NULL, "list");
