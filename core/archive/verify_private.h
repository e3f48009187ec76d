/* Seam between the processes that verify and what they look at. SPDX-License-Identifier: MIT */
#ifndef TESSI_ARCHIVE_VERIFY_PRIVATE_H
#define TESSI_ARCHIVE_VERIFY_PRIVATE_H

#include "core/archive/archive.h"

/* Sink of faults, and of progress: rows of codes read. */
struct tessi_archive_sink {
    void *user;
    void (*fault)(void *user, const struct tessi_archive_fault *fault);
    void (*progress)(void *user, int64_t rows);
    int deep; /* 1: the content is digested even where the file's bytes have the right sum */
};

/* Verifies one open file. `fault` has the file's names already, and in `archive_row` the archive's number of its first row; it is filled
 * for each fault. Skipped items are added to *skipped. TESS_E_DATA, with a message, where it cannot be read at all. */
int tessi_archive_verify_file(struct tess_context *ctx, const struct tess_artefact *a, const struct tessi_archive_fault *fault,
                              const struct tessi_archive_sink *sink, int64_t *skipped) TESS_CHECKED;

#endif
