/* source/1 `folder`, as it is listed; folder.c is what it does, and is loaded with libvips when it is to do it.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/sources/folder/folder_table.h"

static const struct tess_source_1 ops = {.size = sizeof ops};

static const struct tess_component components[] = {
    {.name = "folder", FOLDER_ROW, .self_size = sizeof(struct folder), .module = "folder", .ops = &ops}, {.name = NULL}};

TESS_EXPORT const struct tess_plugin tess_plugin_1 = {TESS_PLUGIN_HEAD, FOLDER_HEAD, .components = components};
