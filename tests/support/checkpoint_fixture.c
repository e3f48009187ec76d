/* See checkpoint_fixture.h. SPDX-License-Identifier: MIT */
#include "tests/support/checkpoint_fixture.h"
#include "core/base/aside.h"
#include "core/base/memory.h"
#include "tests/support/paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fixture fixture;

void checkpoint_setup(void)
{
    struct tessi_runtime_options o = {.threads = 2};
    unsetenv("TESSERA_PLUGIN_PATH");
    setenv("TESSERA_GOLDEN", TEST_CHECKPOINTS, 1);
    (void)small_folder_enter();
    memset(&fixture, 0, sizeof fixture);
    tessi_base_context_init(&fixture.context, NULL);
    fixture_ok(&fixture, tessi_host_runtime_new(C, &o, &fixture.runtime));
}

void checkpoint_teardown(void)
{
    tessi_host_runtime_free(fixture.runtime);
    small_folder_leave();
    ck_assert_int_eq(tessi_base_memory_in_use(), 0);
}

static int exchange(int (*work)(struct tess_context *ctx, const struct tessi_exchange *x), const char *as, const char *from, const char *to,
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
    return exchange(tessi_exchange_import_model, as, from, to, tokenizer, parameters);
}

int checkpoint_export_as(const char *as, const char *from, const char *to, const char *parameters)
{
    char words[256];
    snprintf(words, sizeof words, "%s complete=false", parameters ? parameters : "");
    return exchange(tessi_exchange_export_model, as, from, to, NULL, words);
}

int checkpoint_export_complete(const char *as, const char *from, const char *to, const char *parameters)
{
    return exchange(tessi_exchange_export_model, as, from, to, NULL, parameters);
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
    fixture_ok(&fixture, checkpoint_import(TEST_CHECKPOINTS "/vqgan.th", "tokenizer.h5", NULL, "groups=4 height=8 width=12"));
    fixture_ok(&fixture, checkpoint_import(TEST_CHECKPOINTS "/absorbing.th", "prior.h5", "tokenizer.h5", "heads=3"));
}

void checkpoint_import_taming(void)
{
    fixture_ok(&fixture, checkpoint_import_as("taming", TEST_CHECKPOINTS "/taming.ckpt", "taming.h5", NULL, "groups=4 height=8 width=12"));
    fixture_ok(&fixture, checkpoint_import_as("vq-ddm", TEST_CHECKPOINTS "/vq_ddm.ckpt", "ddm.h5", "taming.h5", NULL));
}

void checkpoint_refused(int status, int code, const char *words)
{
    const char *message = tessi_base_context_message(C);
    ck_assert_msg(status == code && strstr(message, words), "wanted %d: %s\nfound  %d: %s", code, words, status, message);
    ck_assert_msg(!strchr(message, '\n'), "more than a line: %s", message);
    tessi_base_context_clear(C);
}

void checkpoint_refuses(const char *path, const char *words)
{
    const char *message = tessi_base_context_message(C);
    int status = checkpoint_import(path, "refused.h5", NULL, "groups=4 height=8 width=12");
    ck_assert_msg(strncmp(message, path, strlen(path)) == 0, "the message does not begin with the file: %s", message);
    checkpoint_refused(status, TESS_E_DATA, words);
    ck_assert_int_ne(access("refused.h5", F_OK), 0);
    ck_assert(!tessi_base_aside_left("refused.h5", (char[300]){0}, 300));
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

void checkpoint_numbers(struct tess_artefact *a, const char *kind)
{
    static const char *const autoencoder[] = {"height",       "width",    "channels",      "latent_height",
                                              "latent_width", "code_dim", "codebook_size", NULL};
    static const char *const prior[] = {"height", "width", "codebook_size", NULL};
    for (const char *const *name = strcmp(kind, "prior") == 0 ? prior : autoencoder; *name; name++)
        fixture_ok(&fixture, tess_attrs_set_i64(C, tess_artefact_describe(a), *name, 4));
    if (strcmp(kind, "autoencoder") == 0)
        fixture_ok(&fixture,
                   tess_attrs_set_text(C, tess_artefact_describe(a), "quantizer", "{use: nearest, codebook_size: 4, code_dim: 4}"));
}
