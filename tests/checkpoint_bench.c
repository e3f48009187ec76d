/* See checkpoint_bench.h. SPDX-License-Identifier: MIT */
#include "tests/checkpoint_bench.h"
#include "core/base/aside.h"
#include "core/base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct bench bench;

void checkpoint_setup(void)
{
    struct tessi_runtime_options o = {.threads = 2};
    unsetenv("TESSERA_PLUGIN_PATH");
    setenv("TESSERA_GOLDEN", CHECKPOINTS, 1);
    (void)small_folder_enter();
    memset(&bench, 0, sizeof bench);
    tessi_call_init(&bench.call, NULL);
    bench_ok(&bench, tessi_runtime_new(C, &o, &bench.runtime));
}

void checkpoint_teardown(void)
{
    tessi_runtime_free(bench.runtime);
    small_folder_leave();
    ck_assert_int_eq(tessi_memory_in_use(), 0);
}

static int exchange(int (*work)(struct tess_call *c, const struct tessi_exchange *x), const char *as, const char *from, const char *to,
                    const char *tokenizer, const char *parameters)
{
    char words[256];
    const char *word[8];
    char *next;
    struct tessi_exchange x = {.from = from, .to = to, .as = as, .tokenizer = tokenizer, .parameter = word};
    snprintf(words, sizeof words, "%s", parameters ? parameters : "");
    for (char *at = strtok_r(words, " ", &next); at && x.parameters < 8; at = strtok_r(NULL, " ", &next))
        word[x.parameters++] = at;
    return work(C, &x);
}

int checkpoint_import_as(const char *as, const char *from, const char *to, const char *tokenizer, const char *parameters)
{
    return exchange(tessi_import_model, as, from, to, tokenizer, parameters);
}

int checkpoint_export_as(const char *as, const char *from, const char *to, const char *parameters)
{
    return exchange(tessi_export_model, as, from, to, NULL, parameters);
}

int checkpoint_import(const char *from, const char *to, const char *tokenizer, const char *parameters)
{
    return checkpoint_import_as("unleashing-transformers", from, to, tokenizer, parameters);
}

int checkpoint_export(const char *from, const char *to, const char *parameters)
{
    return checkpoint_export_as("unleashing-transformers", from, to, parameters);
}

void checkpoint_import_both(void)
{
    bench_ok(&bench, checkpoint_import(CHECKPOINTS "/vqgan.th", "tokenizer.h5", NULL, "groups=4 height=8 width=12"));
    bench_ok(&bench, checkpoint_import(CHECKPOINTS "/absorbing.th", "prior.h5", "tokenizer.h5", "heads=3"));
}

void checkpoint_import_taming(void)
{
    bench_ok(&bench, checkpoint_import_as("taming", CHECKPOINTS "/taming.ckpt", "taming.h5", NULL, "groups=4 height=8 width=12"));
    bench_ok(&bench, checkpoint_import_as("vq-ddm", CHECKPOINTS "/vq_ddm.ckpt", "ddm.h5", "taming.h5", NULL));
}

void checkpoint_refused(int status, int code, const char *words)
{
    const char *message = tessi_call_message(C);
    ck_assert_msg(status == code && strstr(message, words), "wanted %d: %s\nfound  %d: %s", code, words, status, message);
    ck_assert_msg(!strchr(message, '\n'), "more than a line: %s", message);
    tessi_call_clear(C);
}

void checkpoint_refuses(const char *path, const char *words)
{
    const char *message = tessi_call_message(C);
    int status = checkpoint_import(path, "refused.h5", NULL, "groups=4 height=8 width=12");
    ck_assert_msg(strncmp(message, path, strlen(path)) == 0, "the message does not begin with the file: %s", message);
    checkpoint_refused(status, TESS_E_DATA, words);
    ck_assert_int_ne(access("refused.h5", F_OK), 0);
    ck_assert(!tessi_aside_left("refused.h5", (char[300]){0}, 300));
}

void checkpoint_write(const char *path, const void *bytes, size_t count)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, count, f), count);
    ck_assert_int_eq(fclose(f), 0);
}

char *checkpoint_slurp(const char *path, size_t *bytes)
{
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s is missing", path);
    ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
    long n = ftell(f);
    char *all = malloc((size_t)n + 1);
    ck_assert_ptr_nonnull(all);
    rewind(f);
    *bytes = fread(all, 1, (size_t)n, f);
    ck_assert_int_eq((long)*bytes, n);
    fclose(f);
    return all;
}
