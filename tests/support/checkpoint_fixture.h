/* Fixture of the checkpoint tests: a runtime and a temporary folder, imports expected to succeed or to be refused with nothing written,
 * and helpers that write files of given bytes.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_CHECKPOINT_FIXTURE_H
#define TESTS_SUPPORT_CHECKPOINT_FIXTURE_H

#include "core/exchange/exchange_private.h"
#include "core/store/store.h"
#include "tests/support/golden.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/paths.h"

extern struct fixture fixture; /* fixture with a runtime, but no graph */
#define C (&fixture.context.context)

/* A new folder, entered, and a runtime; afterwards no memory is in use, and the folder is gone. */
void checkpoint_setup(void);
void checkpoint_teardown(void);

/* FROM -> TO as unleashing-transformers; the parameters are words with blanks between, "groups=4 height=8", and may be NULL. */
int checkpoint_import(const char *from, const char *to, const char *tokenizer, const char *parameters);
int checkpoint_export(const char *from, const char *to, const char *parameters);
/* Import and export as the architecture `as`. */
int checkpoint_import_as(const char *as, const char *from, const char *to, const char *tokenizer, const char *parameters);
int checkpoint_export_as(const char *as, const char *from, const char *to, const char *parameters);
/* With what the program's classes have beside the weights, which the two above leave out. */
int checkpoint_export_complete(const char *as, const char *from, const char *to, const char *parameters);
/* The fixtures TEST_CHECKPOINTS/vqgan.th and absorbing.th as tokenizer.h5 and prior.h5. */
void checkpoint_import_both(void);
/* The fixtures taming.ckpt and vq_ddm.ckpt as taming.h5 and ddm.h5. */
void checkpoint_import_taming(void);

/* Fails the test unless `status` is `code` and the message has the words; forgets the message. */
void checkpoint_refused(int status, int code, const char *words);
/* An import of this file is refused so, and leaves neither refused.h5 nor a part of it. */
void checkpoint_refuses(const char *path, const char *words);

void checkpoint_write(const char *path, const void *bytes, size_t count);
/* All of a file; *bytes of it; to be freed. */
char *checkpoint_slurp(const char *path, size_t *bytes);

/* The numbers that an artefact of this kind, "autoencoder" or "prior", has; of no model in particular. */
void checkpoint_numbers(struct tess_artefact *a, const char *kind);

#endif
