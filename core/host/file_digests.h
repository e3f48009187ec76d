/* The contents of files as digests, remembered (digest_table.h), and whether they stay as they were while a stage works with them.
 * SPDX-License-Identifier: MIT */
#ifndef TESSI_FILE_DIGESTS_H
#define TESSI_FILE_DIGESTS_H

#include "core/host/digest_table.h"

struct tess_artefact;

/* The files that were digested, as they were then. */
struct tessi_witness {
    struct tessi_seen {
        char *path, digest[TESS_DIGEST_TEXT];
        struct tessi_place at;
        int lately;    /* it changed so shortly before that it could have changed again without another time */
        int confirmed; /* it was as here after it had been read for good */
    } * file;
    int64_t count, capacity;
};
void tessi_host_witness_free(struct tessi_witness *w);
/* While it is set, what tess_digest_add_file and tess_digest_add_files read is written down there as well. NULL: no more. Gives the one
 * before. [one thread] */
struct tessi_witness *tessi_host_witness_set(const struct tess_context *ctx, struct tessi_witness *w);
/* The files of `w` that nobody confirmed are as they were: place, size and times; and the digest, where times alone do not tell.
 * TESS_E_DATA with the first that is not. */
int tessi_host_witness_check(struct tess_context *ctx, const struct tessi_witness *w) TESS_CHECKED;
/* The same of one file, by whoever has just read it and does not come back to it: what becomes of it later is no matter. Of files that were
 * digested for the stage at work (tessi_runtime, `expected`); any other is fine. */
int tessi_host_witness_confirm(struct tess_context *ctx, const char *path) TESS_CHECKED;

/* An artefact's content is what its digest says: by reading it, or because the host remembers that it was read since it last changed.
 * TESS_E_DATA as tessi_store_artefact_verify. [one thread] */
int tessi_host_artefact_check(struct tess_context *ctx, const struct tess_artefact *a) TESS_CHECKED;

#endif
