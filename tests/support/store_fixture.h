/* Fixture of the artefact tests: a temporary folder, files in it, and assertions on statuses. SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_STORE_FIXTURE_H
#define TESTS_SUPPORT_STORE_FIXTURE_H

#include <tessera/digest.h>
#include "core/base/context.h"
#include "core/base/memory.h"
#include "core/store/store.h"

extern struct tessi_context store_call;
#define C (&store_call.context)

/* A fresh folder for a test, removed with everything in it afterwards. */
void store_setup(void);
void store_teardown(void);
/* "FOLDER/name", in one of a few static buffers. */
const char *store_path(const char *name);
int store_exists(const char *name);
int store_unfinished(const char *name); /* an unfinished file of that name is left aside */
int64_t store_size(const char *name);
void store_copy(const char *from, const char *to, int64_t bytes); /* copies the first `bytes` bytes; -1: all */

/* Fails the test with the message unless `status` is TESS_OK. */
void store_ok(int status);
/* Fails the test unless `status` is `code` and the message has all of the words (up to NULL); forgets the message. */
void store_fails(int status, int code, ...);

struct tess_artefact *store_create(const char *name, const char *kind);
void store_finish(struct tess_artefact *a, char digest[TESS_DIGEST_TEXT]);
struct tess_artefact *store_open(const char *name);
/* A small artefact with something of everything. */
void store_everything(const char *name, char digest[TESS_DIGEST_TEXT]);
/* The i-th of a row of numbers without a pattern. */
uint32_t store_number(uint64_t i);

#endif
