/* The list of files that a stage read from outside the pipeline, as it is kept with the result: a line each, sorted as they were read,
 *
 *     SHA-256 SIZE TIME PATH
 *
 * with the size in bytes and the time of the last change, UTC, as 2026-01-02T03:04:05Z. Where the result is not to tell where and when it
 * was made (p->anonymous), the time is `-`, and paths are relative to the folder that all the files have in common. A short list is an
 * attribute of the result's provenance, a long one, of a folder of images, a file beside it in the cache, KEY.files.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSI_FILE_LIST_H
#define TESSI_FILE_LIST_H

#include "core/flow/flow_private.h"

struct tessi_listed {
    const char *digest, *time, *path;
    int64_t size;
    int kept; /* for the reader: 1: the stage reads it as well */
};

struct tessi_file_list {
    char *text;
    struct tessi_listed *item; /* sorted by path */
    int64_t count;
    size_t common; /* of a list of relative paths: bytes that all paths of the stage's files have in common, now */
};

/* The list of the stage's files as text, freed by the caller. NULL where there are none, and where there are so many that the list goes
 * into a file beside the result (tessi_flow_file_list_write). */
int tessi_flow_file_list_text(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s,
                              char **out) TESS_CHECKED;
/* Writes the list as PATH. */
int tessi_flow_file_list_write(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s,
                               const char *path) TESS_CHECKED;
/* Reads the list of a result in the cache or the run's folder; count 0 where there is none. Freed in any case. */
int tessi_flow_file_list_read(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s,
                              const struct tess_artefact *a, struct tessi_file_list *out) TESS_CHECKED;
void tessi_flow_file_list_free(struct tessi_file_list *l);
/* The file of that path, as the list has it or as it is now; NULL: not in the list. */
struct tessi_listed *tessi_flow_file_list_find(const struct tessi_file_list *l, const char *path);
/* A file's time as in the list. Returns `text`. */
const char *tessi_flow_file_time(int64_t nanoseconds, char text[24]);

#endif
