/* SPDX-License-Identifier: MIT */
#include "tests/support/parts_fixture.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define D(...) (&(struct tess_dataset){.size = sizeof(struct tess_dataset), __VA_ARGS__})
enum { ROWS = PARTS_ROWS, ROW = PARTS_ROW, WIDTH_MAX = PARTS_NAME_MAX };

static const char *const joined[] = {"codes", "labels", "error", "names", "none", NULL}, *const gathered[] = {"skipped", NULL};
static const char *const summed[] = {"count", "items", NULL};

int32_t parts_code(int64_t row, int64_t k)
{
    return (int32_t)(store_number((uint64_t)(row * ROW + k)) % 200);
}

const char *parts_row_name(int64_t row, char text[WIDTH_MAX])
{
    snprintf(text, WIDTH_MAX, "%.*s%lld", (int)(row / 60), "longer and longer", (long long)row);
    return text;
}

static void write_numbers(struct tess_artefact *a, const struct parts_one *p)
{
    int64_t n = p->end - p->begin, width = p->width ? p->width : ROW;
    int32_t *codes = calloc((size_t)(n * width) + 1, sizeof *codes), *labels = calloc((size_t)n + 1, sizeof *labels);
    float *error = calloc((size_t)n + 1, sizeof *error), book[8] = {p->codebook, 1, 2, 3, 4, 5, 6, 7};
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < width; k++)
            codes[i * width + k] = parts_code(p->begin + i, k);
        labels[i] = (int32_t)((p->begin + i) % 10);
        error[i] = (float)(p->begin + i) / 7;
    }
    struct tess_tensor t = tess_tensor_over(codes, TESS_I32, 3, (int64_t[]){n, 2, width / 2});
    if (n && (!p->lack || strcmp(p->lack, "codes") != 0))
        store_ok(tess_artefact_put(C, a, "codes", &t, D(.bits = p->bits, .by_row = 1, .labels = "image y x")));
    t = tess_tensor_over(labels, TESS_I32, 1, &n);
    if (n && (!p->lack || strcmp(p->lack, "labels") != 0))
        store_ok(tess_artefact_put(C, a, "labels", &t, D(.bits = 4)));
    t = tess_tensor_over(error, TESS_F32, 1, &n);
    if (n)
        store_ok(tess_artefact_put(C, a, "error", &t, NULL));
    t = tess_tensor_over(book, TESS_F32, 2, (int64_t[]){4, 2});
    store_ok(tess_artefact_put(C, a, "codebook", &t, D(.labels = "code dim")));
    free(codes);
    free(labels);
    free(error);
}

static void write_strings(struct tess_artefact *a, const struct parts_one *p)
{
    char text[ROWS][WIDTH_MAX];
    const char *list[ROWS], *skipped[] = {"bad.png: is truncated", "worse.png: is empty"};
    int64_t n = p->end - p->begin;
    for (int64_t i = 0; i < n; i++)
        list[i] = parts_row_name(p->begin + i, text[i]);
    if (n)
        store_ok(tess_artefact_put_strings(C, a, "names", n, list));
    if (p->begin >= 100)
        store_ok(tess_artefact_put_strings(C, a, "skipped", p->begin >= 200 ? 2 : 1, skipped));
}

void parts_write_one(const char *file, const struct parts_one *p)
{
    char path[128];
    snprintf(path, sizeof path, "a/%s", file);
    struct tess_artefact *a = store_create(path, p->kind ? p->kind : "codes");
    struct tess_attrs *f = tess_artefact_describe(a);
    write_numbers(a, p);
    write_strings(a, p);
    store_ok(tess_attrs_set_i64(C, f, "count", p->end - p->begin));
    store_ok(tess_attrs_set_i64(C, f, "first_item", p->begin + p->shift));
    store_ok(tess_attrs_set_i64(C, f, "items", p->end - p->begin));
    store_ok(tess_attrs_set_text(C, f, "tokenizer", p->attr && strcmp(p->attr, "tokenizer") == 0 ? "other" : "abc"));
    if (p->attr && strcmp(p->attr, "extra") == 0)
        store_ok(tess_attrs_set_f64(C, f, "extra", 1.0));
    store_finish(a, NULL);
}

const struct parts_one parts_plain[PARTS_COUNT] = {{.begin = 0, .end = 70, .bits = 8},
                                                   {.begin = 70, .end = 200, .bits = 10},
                                                   {.begin = 200, .end = 200, .bits = 8},
                                                   {.begin = 200, .end = 300, .bits = 12}};
const char *const parts_name[PARTS_COUNT] = {"p-0.h5", "p-1.h5", "p-2.h5", "p-3.h5"};

int parts_write_index(const char *const *file, int64_t n, char digest[TESS_DIGEST_TEXT])
{
    return tessi_store_parts_write(C,
                                   &(struct tessi_parts_options){.path = store_path("a/index.h5"),
                                                                 .file = file,
                                                                 .files = n,
                                                                 .joined = joined,
                                                                 .gathered = gathered,
                                                                 .summed = summed,
                                                                 .start = "first_item",
                                                                 .length = "items"},
                                   digest);
}

void parts_setup(void)
{
    store_setup();
    ck_assert_int_eq(mkdir(store_path("a"), 0777), 0);
    for (int i = 0; i < PARTS_COUNT; i++)
        parts_write_one(parts_name[i], &parts_plain[i]);
    store_ok(parts_write_index(parts_name, PARTS_COUNT, NULL));
}

/* Reads everything in the archive and gives the status of the first failure; or verifies it. */
int parts_read_everything(int verify)
{
    struct tess_artefact *a;
    struct tess_tensor t;
    char *list[ROWS] = {0};
    TESS_TRY(tessi_store_artefact_open(C, store_path("a/index.h5"), &a));
    int status = verify ? tessi_store_artefact_verify(C, a) : tess_artefact_load(C, a, "codes", TESS_I32, &t);
    if (!verify && status == TESS_OK) {
        for (int64_t i = 0; i < ROWS * ROW; i++)
            ck_assert_int_eq(((int32_t *)t.data)[i], parts_code(i / ROW, i % ROW));
        status = tessi_store_artefact_strings(C, a, "names", ROWS, list);
    }
    if (!verify)
        tess_free(t.data);
    for (int64_t i = 0; i < ROWS; i++)
        tess_free(list[i]);
    tessi_store_artefact_close(a);
    return status;
}
