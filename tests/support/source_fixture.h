/* Fixture of the tests of a source: a runtime, an empty folder for the source's files, and the opened source with its functions.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_SOURCE_FIXTURE_H
#define TESTS_SOURCE_FIXTURE_H

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

#endif
