/* The contents of files as digests, remembered (digest_table.h), and whether they stay as they were while a stage works with them.
 * SPDX-License-Identifier: MIT */
#ifndef TESSI_FILE_DIGESTS_H
#define TESSI_FILE_DIGESTS_H

#include "core/host/digest_table.h"

struct tess_artefact;

/* Record of the files that were digested, as they were then. */
struct tessi_witness {
    struct tessi_seen {
        char *path, digest[TESS_DIGEST_TEXT];
        struct tessi_place at;
        int lately;    /* 1: the file changed so shortly before that another change could have left the same times */
        int confirmed; /* 1: the file was unchanged after its last read */
    } * file;
    int64_t count, capacity;
};
void tessi_host_witness_free(struct tessi_witness *w);
/* Sets the record that files read by tess_digest_add_file and tess_digest_add_files are added to. NULL: none. Returns the one before. [one
 * thread] */
struct tessi_witness *tessi_host_witness_set(const struct tess_context *ctx, struct tessi_witness *w);
/* Checks that the files of `w` that nobody confirmed are as they were: place, size and times; and the digest, where times alone do not
 * tell. TESS_E_DATA with the first that is not. */
int tessi_host_witness_check(struct tess_context *ctx, const struct tessi_witness *w) TESS_CHECKED;
/* Confirms that one file is as it was; called after its last read, as later changes do not matter. For files that were digested for the
 * stage at work (tessi_runtime, `expected`); any other is fine. */
int tessi_host_witness_confirm(struct tess_context *ctx, const char *path) TESS_CHECKED;

/* Checks an artefact's content against its digest: by reading it, or because the host remembers that it was read since it last changed.
 * TESS_E_DATA as tessi_store_artefact_verify. [one thread] */
int tessi_host_artefact_check(struct tess_context *ctx, const struct tess_artefact *a) TESS_CHECKED;

#endif
