/* Small things done with paths and files: what the run's folder needs. SPDX-License-Identifier: MIT */
#ifndef TESSI_FILES_H
#define TESSI_FILES_H

#include "core/base/aside.h"

/* printf into memory of its own; tess_free. */
int tessi_base_format(struct tess_context *ctx, char **out, const char *format, ...) TESS_CHECKED TESS_PRINTF(3, 4);
/* `path` as one finds it when it is written in `file`: relative to that file's folder, or to the current folder for "command line". */
int tessi_base_path_beside(struct tess_context *ctx, const char *file, const char *path, char **out) TESS_CHECKED;
/* From the root; the same path otherwise. */
int tessi_base_path_absolute(struct tess_context *ctx, const char *path, char **out) TESS_CHECKED;
int tessi_base_is_file(const char *path);
/* The same where it matters why not: *there is 0 only when there is none. TESS_E_IO when that cannot be told. */
int tessi_base_file_there(struct tess_context *ctx, const char *path, int *there) TESS_CHECKED;
/* With its parents; one that is there is fine. */
int tessi_base_make_folder(struct tess_context *ctx, const char *path) TESS_CHECKED;

#endif
