/* Fixture of the tests of a source: a runtime, an empty folder for the source's files, and the opened source with its functions.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_SOURCE_FIXTURE_H
#define TESTS_SUPPORT_SOURCE_FIXTURE_H

#include "tests/support/graphs.h"

struct source_fixture {
    struct fixture fixture; /* with a runtime, but no graph */
    struct tess_context *ctx;
    char folder[64];
    struct tess_instance *instance; /* NULL until one is opened */
    const struct tess_source_1 *ops;
    void *self;
};
extern struct source_fixture source;

/* A new folder and a runtime; afterwards no memory is in use, and the folder is gone. */
void source_setup(void);
void source_teardown(void);
/* Closes the source that is open, and opens one from its config text: a status, with its message in the context. */
int source_open(const char *config_text);
/* Writes a file of n bytes, or of a text, into the folder; folders in its name are made. */
void source_put(const char *name, const void *bytes, size_t n);
void source_put_text(const char *name, const char *text);
/* Copies an image of the fixtures (tests/folder) into the folder under another name. */
void source_put_image(const char *image, const char *name);
void source_works(int status);
/* Checks a failure and that its message is one line with these words; forgets it. */
void source_refused(int status, int code, const char *words);
/* Names and labels of all images in their order, "a.png:0 b.png:1 "; bad ones are "a.png! ". */
const char *source_listed(void);
/* Content of image i as hex digits, in one of two buffers by turns. */
const char *source_content(int64_t i);

#endif
