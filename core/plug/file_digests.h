/* Content digests of files, remembered between runs; behind tess_digest_add_files. SPDX-License-Identifier: MIT */
#ifndef TESSI_FILE_DIGESTS_H
#define TESSI_FILE_DIGESTS_H

#include <tessera/digest.h>

struct tessi_file_digests;

/* The table in `path`; one that is not there, or is not right, is empty. */
int tessi_file_digests_open(struct tess_call *c, const char *path, struct tessi_file_digests **out) TESS_CHECKED;
/* Writes it, when there is something new; its folder must be there. A failure is none of the caller's. NULL is fine. */
void tessi_file_digests_save(struct tessi_file_digests *t);
void tessi_file_digests_close(struct tessi_file_digests *t);

#endif
