/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* nftw */
#include "tests/support/store_fixture.h"

#include "core/base/aside.h"
#include "tests/support/suite.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tessi_context store_call;
static char folder[256];

void store_setup(void)
{
    const char *temporary = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/tessera-store-XXXXXX", temporary ? temporary : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    tessi_base_context_init(&store_call, NULL);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

void store_teardown(void)
{
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    ck_assert_int_eq(tessi_base_memory_in_use(), 0);
}

const char *store_path(const char *name)
{
    static char text[8][512];
    static int next;
    char *own = text[next++ % 8];
    snprintf(own, sizeof text[0], "%s/%s", folder, name);
    return own;
}

int store_exists(const char *name)
{
    struct stat st;
    return lstat(store_path(name), &st) == 0;
}

int store_unfinished(const char *name)
{
    char found[1024];
    return tessi_base_aside_left(store_path(name), found, sizeof found);
}

int64_t store_size(const char *name)
{
    struct stat st;
    ck_assert_int_eq(stat(store_path(name), &st), 0);
    return (int64_t)st.st_size;
}

void store_copy(const char *from, const char *to, int64_t bytes)
{
    int64_t size = store_size(from);
    size_t n = (size_t)(bytes < 0 || bytes > size ? size : bytes);
    char *data = malloc(n + 1);
    FILE *f = fopen(store_path(from), "rb");
    ck_assert(data && f && fread(data, 1, n, f) == n);
    fclose(f);
    f = fopen(store_path(to), "wb");
    ck_assert(f && fwrite(data, 1, n, f) == n);
    ck_assert_int_eq(fclose(f), 0);
    free(data);
}

void store_ok(int status)
{
    ck_assert_msg(status == TESS_OK, "status %d: %s", status, tessi_base_context_message(C));
}

void store_fails(int status, int code, ...)
{
    const char *message = tessi_base_context_message(C), *word;
    ck_assert_msg(status == code, "status %d, not %d: %s", status, code, message);
    va_list list;
    va_start(list, code);
    while ((word = va_arg(list, const char *)))
        ck_assert_msg(strstr(message, word) != NULL, "`%s` is not in: %s", word, message);
    va_end(list);
    ck_assert_msg(!strchr(message, '\n') && *message, "not one line: %s", message);
    tessi_base_context_clear(C);
}

struct tess_artefact *store_create(const char *name, const char *kind)
{
    struct tess_artefact *a;
    store_ok(tessi_store_artefact_create(C, store_path(name), kind, &a));
    return a;
}

void store_finish(struct tess_artefact *a, char digest[TESS_DIGEST_TEXT])
{
    store_ok(tessi_store_artefact_finish(C, a, NULL, digest));
}

struct tess_artefact *store_open(const char *name)
{
    struct tess_artefact *a;
    store_ok(tessi_store_artefact_open(C, store_path(name), &a));
    return a;
}

uint32_t store_number(uint64_t i)
{
    uint64_t x = (i + 1) * 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return (uint32_t)(x >> 32);
}

void store_everything(const char *name, char digest[TESS_DIGEST_TEXT])
{
    static int32_t codes[3000 * 4];
    static float weights[2000];
    static uint8_t picture[20 * 30 * 3];
    static const char *const names[] = {"ankle boot", "", "träger", "x"};
    for (uint64_t i = 0; i < 12000; i++)
        codes[i] = (int32_t)(store_number(i) % 1000);
    for (uint64_t i = 0; i < 2000; i++)
        weights[i] = (float)store_number(i) * 1e-9f;
    for (uint64_t i = 0; i < sizeof picture; i++)
        picture[i] = (uint8_t)store_number(i);

    struct tess_artefact *a = store_create(name, "codes");
    struct tess_tensor t = tess_tensor_over(codes, TESS_I32, 3, (int64_t[]){3000, 2, 2});
    store_ok(tess_artefact_put(C, a, "codes", &t,
                               &(struct tess_dataset){.size = sizeof(struct tess_dataset), .bits = 10, .labels = "image y x"}));
    t = tess_tensor_over(weights, TESS_F32, 2, (int64_t[]){40, 50});
    store_ok(tess_artefact_put(C, a, "weights/encoder/w", &t, &(struct tess_dataset){.size = sizeof(struct tess_dataset), .unit = "none"}));
    t = tess_tensor_over(weights, TESS_F32, 0, NULL);
    store_ok(tess_artefact_put(C, a, "weights/scale", &t, NULL));
    store_ok(tess_artefact_put_strings(C, a, "names", 4, names));
    t = tess_tensor_over(picture, TESS_U8, 3, (int64_t[]){20, 30, 3});
    store_ok(tess_artefact_put_picture(C, a, "zebra", &t));
    t = tess_tensor_over(picture, TESS_U8, 3, (int64_t[]){30, 20, 1});
    store_ok(tess_artefact_put_picture(C, a, "ape", &t));
    struct tess_metric_value v = TESS_METRIC_VALUE("psnr", 20.625, "dB", TESS_METRIC_HIGHER);
    v.standard_error = 0.25;
    v.low = 20.0;
    v.high = 21.25;
    store_ok(tess_artefact_put_metric_value(C, a, &v));
    store_ok(tess_artefact_put_metric(C, a, "mse", 0.0087, ""));
    struct tess_attrs *f = tess_artefact_describe(a);
    store_ok(tess_attrs_set_i64(C, f, "count", 3000));
    store_ok(tess_attrs_set_text(C, f, "tokenizer", "{use: conv, channels: 32}"));
    store_ok(tess_attrs_set_f64(C, f, "beta", 0.25));
    store_ok(tess_attrs_set_text(C, f, "empty", ""));
    const char *const ports[] = {"images", "model"}, *const inputs[] = {"00ff", "11ee"};
    store_ok(tessi_store_artefact_finish(C, a,
                                   &(struct tessi_provenance){.stage = "codes",
                                                              .plugin = "stage/1 encode",
                                                              .parameters = "{batch: 64}",
                                                              .key = "abc",
                                                              .numeric_mode = "f32",
                                                              .tool = "tessera 0.1.0",
                                                              .seed = UINT64_MAX,
                                                              .inputs = 2,
                                                              .input_port = ports,
                                                              .input_digest = inputs},
                                   digest));
}
