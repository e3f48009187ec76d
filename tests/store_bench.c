/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* nftw */
#include "tests/store_bench.h"

#include "core/base/aside.h"

#include <check.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tessi_call bench_call;
static char folder[256];

void bench_setup(void)
{
    const char *temporary = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/tessera-store-XXXXXX", temporary ? temporary : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    tessi_call_init(&bench_call, NULL);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

void bench_teardown(void)
{
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    ck_assert_int_eq(tessi_memory_in_use(), 0);
}

const char *bench_path(const char *name)
{
    static char text[8][512];
    static int next;
    char *own = text[next++ % 8];
    snprintf(own, sizeof text[0], "%s/%s", folder, name);
    return own;
}

int bench_exists(const char *name)
{
    struct stat st;
    return lstat(bench_path(name), &st) == 0;
}

int bench_unfinished(const char *name)
{
    char found[1024];
    return tessi_aside_left(bench_path(name), found, sizeof found);
}

int64_t bench_size(const char *name)
{
    struct stat st;
    ck_assert_int_eq(stat(bench_path(name), &st), 0);
    return (int64_t)st.st_size;
}

void bench_copy(const char *from, const char *to, int64_t bytes)
{
    int64_t size = bench_size(from);
    size_t n = (size_t)(bytes < 0 || bytes > size ? size : bytes);
    char *data = malloc(n + 1);
    FILE *f = fopen(bench_path(from), "rb");
    ck_assert(data && f && fread(data, 1, n, f) == n);
    fclose(f);
    f = fopen(bench_path(to), "wb");
    ck_assert(f && fwrite(data, 1, n, f) == n);
    ck_assert_int_eq(fclose(f), 0);
    free(data);
}

void bench_ok(int status)
{
    ck_assert_msg(status == TESS_OK, "status %d: %s", status, tessi_call_message(C));
}

void bench_fails(int status, int code, ...)
{
    const char *message = tessi_call_message(C), *word;
    ck_assert_msg(status == code, "status %d, not %d: %s", status, code, message);
    va_list list;
    va_start(list, code);
    while ((word = va_arg(list, const char *)))
        ck_assert_msg(strstr(message, word) != NULL, "`%s` is not in: %s", word, message);
    va_end(list);
    ck_assert_msg(!strchr(message, '\n') && *message, "not one line: %s", message);
    tessi_call_clear(C);
}

struct tess_artefact *bench_create(const char *name, const char *kind)
{
    struct tess_artefact *a;
    bench_ok(tessi_artefact_create(C, bench_path(name), kind, &a));
    return a;
}

void bench_finish(struct tess_artefact *a, char digest[TESS_DIGEST_TEXT])
{
    bench_ok(tessi_artefact_finish(C, a, NULL, digest));
}

struct tess_artefact *bench_open(const char *name)
{
    struct tess_artefact *a;
    bench_ok(tessi_artefact_open(C, bench_path(name), &a));
    return a;
}

uint32_t bench_number(uint64_t i)
{
    uint64_t x = (i + 1) * 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return (uint32_t)(x >> 32);
}

void bench_everything(const char *name, char digest[TESS_DIGEST_TEXT])
{
    static int32_t codes[3000 * 4];
    static float weights[2000];
    static uint8_t picture[20 * 30 * 3];
    static const char *const names[] = {"ankle boot", "", "träger", "x"};
    for (uint64_t i = 0; i < 12000; i++)
        codes[i] = (int32_t)(bench_number(i) % 1000);
    for (uint64_t i = 0; i < 2000; i++)
        weights[i] = (float)bench_number(i) * 1e-9f;
    for (uint64_t i = 0; i < sizeof picture; i++)
        picture[i] = (uint8_t)bench_number(i);

    struct tess_artefact *a = bench_create(name, "codes");
    struct tess_tensor t = tess_tensor_over(codes, TESS_I32, 3, (int64_t[]){3000, 2, 2});
    bench_ok(tess_artefact_put(C, a, "codes", &t,
                               &(struct tess_dataset){.size = sizeof(struct tess_dataset), .bits = 10, .labels = "image y x"}));
    t = tess_tensor_over(weights, TESS_F32, 2, (int64_t[]){40, 50});
    bench_ok(tess_artefact_put(C, a, "weights/encoder/w", &t, &(struct tess_dataset){.size = sizeof(struct tess_dataset), .unit = "none"}));
    t = tess_tensor_over(weights, TESS_F32, 0, NULL);
    bench_ok(tess_artefact_put(C, a, "weights/scale", &t, NULL));
    bench_ok(tess_artefact_put_strings(C, a, "names", 4, names));
    t = tess_tensor_over(picture, TESS_U8, 3, (int64_t[]){20, 30, 3});
    bench_ok(tess_artefact_put_picture(C, a, "zebra", &t));
    t = tess_tensor_over(picture, TESS_U8, 3, (int64_t[]){30, 20, 1});
    bench_ok(tess_artefact_put_picture(C, a, "ape", &t));
    bench_ok(tess_artefact_put_figure(C, a, "psnr", 20.625, "dB"));
    bench_ok(tess_artefact_put_figure(C, a, "mse", 0.0087, ""));
    struct tess_facts *f = tess_artefact_describe(a);
    bench_ok(tess_facts_set_i64(C, f, "count", 3000));
    bench_ok(tess_facts_set_text(C, f, "tokenizer", "{use: conv, channels: 32}"));
    bench_ok(tess_facts_set_f64(C, f, "beta", 0.25));
    bench_ok(tess_facts_set_text(C, f, "empty", ""));
    const char *const ports[] = {"images", "model"}, *const inputs[] = {"00ff", "11ee"};
    bench_ok(tessi_artefact_finish(C, a,
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
