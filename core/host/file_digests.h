/* The contents of files as digests, remembered (digest_table.h), and whether they stay as they were while a stage works with them.
 * SPDX-License-Identifier: MIT */
#ifndef TESSI_FILE_DIGESTS_H
#define TESSI_FILE_DIGESTS_H

#include "core/base/spool.h"
#include "core/host/digest_table.h"

#include <stdatomic.h>

struct tess_artefact;

/* A file that was digested, as it was then. */
struct tessi_seen {
    const char *path;
    char digest[TESS_DIGEST_TEXT];
    struct tessi_place at;
    int lately;    /* 1: the file changed so shortly before that another change could have left the same times */
    int confirmed; /* 1: the file was unchanged after its last read */
};

/* Record of the files that were digested: of many, in a temporary file. Zeroed memory is an empty one. */
struct tessi_witness {
    struct tessi_spool records;
    int64_t count;
};
void tessi_host_witness_free(struct tessi_witness *w);

/* A walk over the files of a record, in the order they were digested; `w` and nothing else is set at first. */
struct tessi_witness_walk {
    const struct tessi_witness *w;
    struct tessi_spool_reader reader;
    struct tessi_seen seen; /* the file of the last step */
    char *path;
    int64_t capacity, record; /* bytes that `path` has; place of the file's record */
};
/* Reads the next file; *more 0: there is none. Close it in any case. */
int tessi_host_witness_next(struct tess_context *ctx, struct tessi_witness_walk *walk, int *more) TESS_CHECKED;
void tessi_host_witness_walk_close(struct tessi_witness_walk *walk);

/* Sets the record that files read by tess_digest_add_file and tess_digest_add_files are added to. NULL: none. Returns the one before. [one
 * thread] */
struct tessi_witness *tessi_host_witness_set(const struct tess_context *ctx, struct tessi_witness *w);
/* Checks that the files of `w` that nobody confirmed are as they were: place, size and times; and the digest, where times alone do not
 * tell. TESS_E_DATA with the first that is not. */
int tessi_host_witness_check(struct tess_context *ctx, const struct tessi_witness *w) TESS_CHECKED;
/* *path: the first file that the check would fail for, freed by tess_free; NULL: none. */
int tessi_host_witness_changed(struct tess_context *ctx, const struct tessi_witness *w, char **path) TESS_CHECKED;
/* Confirms that one file is as it was; called after its last read, as later changes do not matter. For files that were digested for the
 * stage at work (tessi_runtime, `expected`); any other is fine. */
int tessi_host_witness_confirm(struct tess_context *ctx, const char *path) TESS_CHECKED;

/* The digest of one file, made beside other work. Open it, then whatever else reads the file, so that a file that takes its place between
 * the two is noticed by the record's check; `read` may run on another thread, with a context of its own, and gives TESS_E_STOPPED without a
 * message once `stop` is set; `record` adds the file to the record that is set, as tess_digest_add_file does. Close it in any case. */
struct tessi_digesting {
    const char *path; /* the caller's */
    int fd;           /* -1: not open */
    atomic_int stop;
    struct tessi_place at;
    int64_t now;
    char digest[TESS_DIGEST_TEXT];
};
int tessi_host_digesting_open(struct tess_context *ctx, const char *path, struct tessi_digesting *f) TESS_CHECKED;
int tessi_host_digesting_read(struct tess_context *ctx, struct tessi_digesting *f) TESS_CHECKED; /* [any thread] */
int tessi_host_digesting_record(struct tess_context *ctx, const struct tessi_digesting *f) TESS_CHECKED;
void tessi_host_digesting_close(struct tessi_digesting *f);

/* Adds to `d` the digest that `content` makes of what a file holds, remembered as `what` (digest_table.h): for files whose bytes may differ
 * where their content does not. The file's bytes are digested for the witness alone. [one thread] */
int tessi_host_digest_add_content(struct tess_context *ctx, struct tess_digest *d, const char *path, int what,
                                  int (*content)(struct tess_context *ctx, const char *path, char digest[TESS_DIGEST_TEXT])) TESS_CHECKED;

/* Checks an artefact's content against its digest: by reading it, or because the host remembers that it was read since it last changed.
 * TESS_E_DATA as tessi_store_artefact_verify. [one thread] */
int tessi_host_artefact_check(struct tess_context *ctx, const struct tess_artefact *a) TESS_CHECKED;

#endif
