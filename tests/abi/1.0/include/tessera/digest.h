/* SHA-256 (FIPS 180-4): the name of a content. Cache keys and content digests are 64 lower-case hex digits.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_DIGEST_H
#define TESSERA_DIGEST_H

#include <tessera/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TESS_DIGEST_TEXT 65 /* 64 hex digits and the end */

struct tess_digest {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[64];
};

TESS_EXPORT void tess_digest_start(struct tess_digest *d);
TESS_EXPORT void tess_digest_add(struct tess_digest *d, const void *data, size_t bytes);
/* A string with its length in front, so that ("ab", "c") and ("a", "bc") differ. */
TESS_EXPORT void tess_digest_add_text(struct tess_digest *d, const char *text);
TESS_EXPORT void tess_digest_end(struct tess_digest *d, char text[TESS_DIGEST_TEXT]);
/* Adds a file's bytes. Fails with TESS_E_IO naming the file. */
TESS_EXPORT TESS_CHECKED int tess_digest_add_file(struct tess_context *ctx, struct tess_digest *d, const char *path);
/* Adds the SHA-256 of each of n files, in their order, as texts. Read on all threads of the host, which remembers them: a file that has not
 * changed since is not read again. Not from within a task of tess_stage_parallel. */
TESS_EXPORT TESS_CHECKED int tess_digest_add_files(struct tess_context *ctx, struct tess_digest *d, int64_t n, const char *const *path);

#ifdef __cplusplus
}
#endif
#endif
