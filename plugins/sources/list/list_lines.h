/* The lines of a list of images: a path and perhaps a label each. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_SOURCES_LIST_LIST_LINES_H
#define PLUGINS_SOURCES_LIST_LIST_LINES_H

#include <tessera/base.h>

enum { FORMAT_AUTO, FORMAT_TEXT, FORMAT_CSV, FORMAT_TSV, FORMAT_JSONL };

struct list_lines {
    char *text; /* the file; paths and labels lie in it, each with its end */
    size_t bytes;
    int64_t count, path_capacity, label_capacity;
    char **path;
    char **label; /* NULL where a line has none */
};

/* Reads a list: text with a path a line (or ended by NUL each, where the file has such), a tab and the label where there is one; CSV or TSV
 * (RFC 4180) whose first line names the columns; JSON lines. `path_key` and `label_key` are the columns or keys; NULL: the usual ones.
 * Empty lines are passed over. TESS_E_DATA names the line that is wrong. Free it in any case. */
int list_lines_read(struct tess_context *ctx, const char *file, int32_t format, const char *path_key, const char *label_key,
                    struct list_lines *l) TESS_CHECKED;
/* Parses l->text, which has a byte more than l->bytes. */
int list_lines_parse(struct tess_context *ctx, const char *file, int32_t format, const char *path_key, const char *label_key,
                     struct list_lines *l) TESS_CHECKED;
void list_lines_free(struct list_lines *l);

#endif
