/* See source_fixture.h. SPDX-License-Identifier: MIT */
#include "tests/support/source_fixture.h"

#include "core/base/memory.h"
#include "tests/support/paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

void source_put(const char *name, const void *bytes, size_t n)
{
    char path[1024];
    for (const char *at = name; (at = strchr(at, '/')); at++) {
        snprintf(path, sizeof path, "%s/%.*s", source.folder, (int)(at - name), name);
        (void)mkdir(path, 0777);
    }
    snprintf(path, sizeof path, "%s/%s", source.folder, name);
    FILE *f = fopen(path, "wb");
    ck_assert_msg(f != NULL, "%s", path);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

void source_put_text(const char *name, const char *text)
{
    source_put(name, text, strlen(text));
}

void source_put_image(const char *image, const char *name)
{
    static char all[65536];
    char path[512];
    snprintf(path, sizeof path, "%s/%s", TEST_FOLDER, image);
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s", path);
    size_t n = fread(all, 1, sizeof all, f);
    fclose(f);
    source_put(name, all, n);
}

void source_works(int status)
{
    ck_assert_msg(status == TESS_OK, "status %d: %s", status, tessi_base_context_message(source.ctx));
}

void source_refused(int status, int code, const char *words)
{
    const char *found = tessi_base_context_message(source.ctx);
    ck_assert_msg(status == code && strstr(found, words) && !strchr(found, '\n'), "wanted %d: %s\nfound  %d: %s", code, words, status,
                  found);
    tessi_base_context_clear(source.ctx);
}

const char *source_listed(void)
{
    static char all[8192];
    struct tess_image im = {.size = sizeof im};
    size_t used = 0;
    all[0] = '\0';
    for (int64_t i = 0; i < source.ops->count(source.self); i++) {
        int status = source.ops->read(source.self, source.ctx, i, &im);
        if (status != TESS_E_ITEM)
            source_works(status);
        tessi_base_context_clear(source.ctx);
        used += (size_t)(status == TESS_OK ? snprintf(all + used, sizeof all - used, "%s:%lld ", im.name, (long long)im.label)
                                           : snprintf(all + used, sizeof all - used, "%s! ", im.name));
    }
    tess_image_free(&im);
    return all;
}

const char *source_content(int64_t i)
{
    static char text[2][TESS_DIGEST_TEXT];
    static int turn;
    struct tess_digest d;
    turn = !turn;
    tess_digest_start(&d);
    source_works(source.ops->content(source.self, source.ctx, i, &d));
    tess_digest_end(&d, text[turn]);
    return text[turn];
}
