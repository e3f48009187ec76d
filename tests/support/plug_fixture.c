/* The bench of tests/support/plug_fixture.h. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* nftw */
#include "tests/support/plug_fixture.h"
#include "tests/support/paths.h"
#include "core/config/yaml.h"
#include "tests/support/suite.h"

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void plug_start(struct plug_fixture *b)
{
    memset(b, 0, sizeof *b);
    unsetenv("TESSERA_PLUGIN_PATH");
    snprintf(b->folder, sizeof b->folder, "%s/tessera-test-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(b->folder));
    tessi_base_context_init(&b->context, NULL);
    b->ctx = &b->context.context;
}

static void fixture(const char *name, char *path, size_t capacity)
{
    ck_assert_int_lt(snprintf(path, capacity, TEST_BUILD "/tests/fixtures/.libs/%s.so", name), (int)capacity);
    ck_assert_msg(access(path, R_OK) == 0, "%s is missing", path);
}

void plug_add(struct plug_fixture *b, const char *sub, const char *name)
{
    char from[PATH_MAX], to[PATH_MAX];
    fixture(name, from, sizeof from);
    snprintf(to, sizeof to, "%s/%s", b->folder, sub);
    mkdir(to, 0777);
    snprintf(to, sizeof to, "%s/%s/%s.so", b->folder, sub, name);
    ck_assert_int_eq(symlink(from, to), 0);
}

void plug_write(struct plug_fixture *b, const char *name, const char *text)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", b->folder, name);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    ck_assert_int_eq(fclose(f), 0);
}

void plug_scan(struct plug_fixture *b)
{
    struct tessi_runtime_options o = {.plugin_path = b->folder, .threads = 1};
    tessi_host_runtime_free(b->runtime); /* runtime of the previous scan */
    b->runtime = NULL;
    int status = tessi_host_runtime_new(b->ctx, &o, &b->runtime);
    ck_assert_msg(status == TESS_OK, "%s", tessi_base_context_message(b->ctx));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void plug_end(struct plug_fixture *b)
{
    tessi_host_runtime_free(b->runtime);
    nftw(b->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *plug_open(struct plug_fixture *b, const char *kind, const char *yaml, int open, struct tess_instance **out)
{
    struct tessi_config *config = NULL;
    *out = NULL;
    tessi_base_context_clear(b->ctx);
    int status = tessi_config_yaml_parse(b->ctx, yaml, strlen(yaml), "x.yaml", &config);
    if (status == TESS_OK)
        status = tessi_plug_instance_new(b->ctx, b->runtime->registry, kind, config, NULL, NULL, open, out);
    tessi_config_free(config);
    ck_assert_int_eq(status, b->context.code);
    return status == TESS_OK ? NULL : tessi_base_context_message(b->ctx);
}

const char *plug_refusal(const struct plug_fixture *b, const char *name)
{
    char file[128];
    snprintf(file, sizeof file, "/%s.so", name);
    for (int64_t i = 0; i < tessi_plug_registry_files(b->runtime->registry); i++) {
        const struct tessi_found *f = tessi_plug_registry_file(b->runtime->registry, i);
        size_t length = strlen(f->path), tail = strlen(file);
        if (length >= tail && strcmp(f->path + length - tail, file) == 0)
            return f->refusal ? f->refusal : "";
    }
    return NULL;
}
