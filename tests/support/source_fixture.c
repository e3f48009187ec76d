/* See source_fixture.h. SPDX-License-Identifier: MIT */
#include "tests/support/source_fixture.h"

#include "core/base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct source_fixture source;

void source_setup(void)
{
    fixture_open(&source.fixture, 1, 1, 1, 0);
    source.ctx = &source.fixture.context.context;
    strcpy(source.folder, "/tmp/tessera-source-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(source.folder));
}

void source_teardown(void)
{
    char command[96];
    tess_instance_close(source.instance);
    source.instance = NULL;
    fixture_close(&source.fixture);
    ck_assert_int_eq(tessi_base_memory_in_use(), 0);
    snprintf(command, sizeof command, "rm -rf '%s'", source.folder);
    ck_assert_int_eq(system(command), 0);
}

int source_open(const char *config_text)
{
    tess_instance_close(source.instance);
    source.instance = NULL;
    tessi_base_context_clear(source.ctx);
    int status = tess_instance_open(source.ctx, "source/1", config_text, "test", &source.instance);
    source.ops = status == TESS_OK ? tess_instance_ops(source.instance, "source/1") : NULL;
    source.self = status == TESS_OK ? tess_instance_self(source.instance) : NULL;
    return status;
}
