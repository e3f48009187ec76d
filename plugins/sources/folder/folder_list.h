/* List of the files of a folder, in the order of their names' bytes. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_SOURCES_FOLDER_FOLDER_LIST_H
#define PLUGINS_SOURCES_FOLDER_FOLDER_LIST_H

#include "plugins/sources/pictures/name_table.h"

struct folder_list {
    struct name_table name; /* paths below the folder, in the order of their bytes */
    int single;  /* 1: the path is that of a file, the only one */
    struct folder_passed {
        int64_t count;
        char name[256]; /* example of one of them, as UTF-8 */
    } passed[3];
};

/* Names that are passed by: files whose names end in nothing that was asked for; pipes, devices and sockets; links to a folder that they
 * lie in.
 */
enum { PASSED_OTHER, PASSED_SPECIAL, PASSED_CIRCLE };

/* All regular files below `path` whose names end in one of `extensions` ("jpg png"; A-Z counts as a-z); hidden ones, which begin with a
 * dot, never. Links are followed, but for those which lead in a circle. What cannot be opened, folders too, is in the list: reading it says
 * so. A `path` that is a file is a list of one. Free it in any case. */
int folder_list_make(struct tess_context *ctx, const char *path, int recursive, const char *extensions, struct folder_list *l) TESS_CHECKED;
void folder_list_free(struct folder_list *l);

/* FOLDER/NAME of file i, or the file itself; tess_free. `path` as the list was made with. */
int folder_list_path(struct tess_context *ctx, const char *path, const struct folder_list *l, int64_t i, char **out) TESS_CHECKED;

#endif
