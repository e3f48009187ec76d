/* Path and file helpers, as the run's folder needs them. SPDX-License-Identifier: MIT */
#ifndef TESSI_FILES_H
#define TESSI_FILES_H

#include "core/base/aside.h"

/* printf into newly allocated memory, to be freed by tess_free. */
int tessi_base_format(struct tess_context *ctx, char **out, const char *format, ...) TESS_CHECKED TESS_PRINTF(3, 4);
/* Resolves `path` as written in `file`: relative to that file's folder, or to the current folder for "command line". */
int tessi_base_path_beside(struct tess_context *ctx, const char *file, const char *path, char **out) TESS_CHECKED;
/* Absolute form of `path`. */
int tessi_base_path_absolute(struct tess_context *ctx, const char *path, char **out) TESS_CHECKED;
int tessi_base_is_file(const char *path);
/* Checks that a file exists, telling absence from failure: *there is 0 only when there is none. TESS_E_IO when that cannot be told. */
int tessi_base_file_there(struct tess_context *ctx, const char *path, int *there) TESS_CHECKED;
/* Creates a folder and its parents; existing ones are fine. */
int tessi_base_make_folder(struct tess_context *ctx, const char *path) TESS_CHECKED;

#endif
