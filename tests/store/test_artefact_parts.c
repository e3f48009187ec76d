/* Artefacts in parts: read as one file would be, by any number of threads with few files open; parts that do not belong together make no
 * index. SPDX-License-Identifier: MIT */
#include "core/base/workers.h"
#include "core/store/store_private.h"
#include "tests/support/parts_fixture.h"
#include "tests/support/suite.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PARTS = PARTS_COUNT, ROWS = PARTS_ROWS, ROW = PARTS_ROW, WIDTH_MAX = PARTS_NAME_MAX };

/* ---- as one file --------------------------------------------------------------------------------------------------- */

static void check_rows(const struct tess_artefact *a, int64_t first, int64_t n)
{
    int32_t codes[ROWS * ROW], labels[ROWS];
    uint16_t narrow[ROWS * ROW];
    struct tess_tensor t = tess_tensor_over(codes, TESS_I32, 3, (int64_t[]){n, 2, 3});
    store_ok(tess_artefact_read(C, a, "codes", first, &t));
    t = tess_tensor_over(narrow, TESS_U16, 3, (int64_t[]){n, 2, 3});
    store_ok(tess_artefact_read(C, a, "/codes", first, &t));
    t = tess_tensor_over(labels, TESS_I32, 1, &n);
    store_ok(tess_artefact_read(C, a, "labels", first, &t));
    for (int64_t i = 0; i < n; i++) {
        ck_assert_int_eq(labels[i], (first + i) % 10);
        for (int64_t k = 0; k < ROW; k++)
            ck_assert(codes[i * ROW + k] == parts_code(first + i, k) && narrow[i * ROW + k] == parts_code(first + i, k));
    }
}

static void check_names(const struct tess_artefact *a, const char *path, int64_t n, const int64_t *row)
{
    char *list[ROWS], text[WIDTH_MAX];
    store_ok(tessi_store_artefact_strings(C, a, path, n, list));
    for (int64_t i = 0; i < n; i++) {
        ck_assert_str_eq(list[i], parts_row_name(row ? row[i] : i, text));
        tess_free(list[i]);
    }
}

START_TEST(reads_as_one)
{
    struct tess_artefact *a;
    struct tess_tensor t;
    store_ok(tessi_store_artefact_open(C, store_path("a"), &a)); /* the folder */
    ck_assert_int_eq(tessi_store_parts_count(a), PARTS);
    for (int64_t first = 0; first < ROWS; first += 7)
        for (int64_t n = 0; first + n <= ROWS; n += n < 8 ? 1 : 41)
            check_rows(a, first, n);
    check_rows(a, 0, ROWS);
    store_ok(tess_artefact_shape(C, a, "codes", &t));
    ck_assert(t.dtype == TESS_U16 && t.rank == 3 && t.dim[0] == ROWS && t.dim[1] == 2 && t.dim[2] == 3);
    store_ok(tess_artefact_load(C, a, "error", TESS_F32, &t));
    ck_assert(t.dim[0] == ROWS && ((float *)t.data)[299] == 299.0f / 7 && ((float *)t.data)[69] == 69.0f / 7);
    tess_free(t.data);
    store_fails(tess_artefact_load(C, a, "codes", TESS_U8, &t), TESS_E_DATA, "u8 was wanted", NULL);
    check_names(a, "names", ROWS, NULL);
    ck_assert(tess_artefact_has(a, "skipped") && tess_artefact_has(a, "codebook") && !tess_artefact_has(a, "none"));
    char *skipped[4];
    store_ok(tessi_store_artefact_strings(C, a, "skipped", 4, skipped));
    ck_assert_str_eq(skipped[0], "bad.png: is truncated"); /* rows: none of p-1, two of p-2 and of p-3 */
    for (int i = 0; i < 4; i++)
        tess_free(skipped[i]);
    const struct tess_attrs *f = tess_artefact_attrs(a);
    ck_assert(tess_attrs_i64_or(f, "count", 0) == ROWS && tess_attrs_i64_or(f, "items", 0) == ROWS &&
              tess_attrs_i64_or(f, "first_item", 1) == 0);
    ck_assert_str_eq(tess_attrs_text_or(f, "tokenizer", ""), "abc");
    store_ok(tessi_store_artefact_verify(C, a));
    tessi_store_artefact_close(a);
}
END_TEST

START_TEST(copies)
{
    static const int64_t row[] = {299, 0, 69, 70, 199, 200, 70};
    struct tess_artefact *a = store_open("a/index.h5"), *b = store_create("b.h5", "codes");
    store_ok(tess_artefact_copy(C, b, "codes", a, NULL));
    store_ok(tess_artefact_copy(C, b, "names", a, NULL));
    store_ok(tess_artefact_copy_rows(C, b, "labels", a, 7, row, NULL));
    store_finish(b, NULL);
    b = store_open("b.h5");
    struct tess_tensor t;
    int32_t bits;
    int64_t stored;
    ck_assert_str_eq(tessi_store_artefact_dataset_at(b, 0, &t, &bits, &stored), "codes");
    ck_assert(bits == 12 && t.dim[0] == ROWS);
    check_names(b, "names", ROWS, NULL);
    store_ok(tess_artefact_load(C, b, "labels", TESS_I32, &t));
    for (int i = 0; i < 7; i++)
        ck_assert_int_eq(((int32_t *)t.data)[i], row[i] % 10);
    tess_free(t.data);
    tessi_store_artefact_close(b);
    b = store_create("b.h5", "codes");
    store_ok(tess_artefact_copy_rows(C, b, "names", a, 7, row, NULL));
    store_finish(b, NULL);
    b = store_open("b.h5");
    check_names(b, "names", 7, row);
    tessi_store_artefact_close(b);
    tessi_store_artefact_close(a);
}
END_TEST

START_TEST(says_what_is_in_parts)
{
    struct tess_artefact *a = store_open("a/index.h5"), *part;
    struct tess_tensor t;
    int32_t bits;
    int64_t stored, rows, seen = 0;
    const char *name, *digest;
    for (int64_t i = 0; (name = tessi_store_artefact_dataset_at(a, i, &t, &bits, &stored)); i++) {
        ck_assert_int_eq(tessi_store_dataset_joined(a, i), stored < 0);
        seen += stored < 0;
    }
    ck_assert_int_eq(seen, 5);
    for (int64_t i = 0; i < PARTS; i++) {
        ck_assert_str_eq(tessi_store_part_name(a, i, &rows, &digest), parts_name[i]);
        ck_assert_int_eq(rows, parts_plain[i].end - parts_plain[i].begin);
        store_ok(tessi_store_part_acquire(C, a, i, &part));
        ck_assert_str_eq(tess_artefact_digest(part), digest);
        tessi_store_part_release(a, i);
    }
    ck_assert_ptr_null(tessi_store_part_name(a, PARTS, &rows, &digest));
    tessi_store_artefact_close(a);
}
END_TEST

/* An index depends on the parts' contents alone: its bytes are those of one written again. */
START_TEST(index_is_deterministic)
{
    char digest[2][TESS_DIGEST_TEXT];
    static char bytes[2][1 << 16];
    size_t n[2];
    for (int k = 0; k < 2; k++) {
        store_ok(parts_write_index(parts_name, PARTS, digest[k]));
        FILE *f = fopen(store_path("a/index.h5"), "rb");
        n[k] = fread(bytes[k], 1, sizeof bytes[k], f);
        fclose(f);
    }
    ck_assert(n[0] == n[1] && n[0] < sizeof bytes[0] && memcmp(bytes[0], bytes[1], n[0]) == 0);
    ck_assert_str_eq(digest[0], digest[1]);
    parts_write_one("p-3.h5", &(struct parts_one){.begin = 200, .end = 299, .bits = 12}); /* another part: another digest */
    store_ok(parts_write_index(parts_name, PARTS, digest[1]));
    ck_assert_str_ne(digest[0], digest[1]);
}
END_TEST

/* ---- what does not belong together --------------------------------------------------------------------------------- */

START_TEST(unlike_parts_make_no_index)
{
    static const struct {
        struct parts_one part;
        const char *word[2];
    } bad[] = {
        {{.begin = 200, .end = 300, .bits = 8, .attr = "tokenizer"}, {"p-3.h5", "`tokenizer`"}},
        {{.begin = 200, .end = 300, .bits = 8, .attr = "extra"}, {"p-3.h5", "`extra`"}},
        {{.begin = 200, .end = 300, .bits = 8, .lack = "labels"}, {"p-3.h5", "/labels has 0 rows"}},
        {{.begin = 200, .end = 300, .bits = 8, .lack = "codes"}, {"p-3.h5", "rows"}},
        {{.begin = 200, .end = 300, .bits = 8, .codebook = 9}, {"p-3.h5", "/codebook"}},
        {{.begin = 200, .end = 300, .bits = 8, .shift = 5}, {"p-3.h5", "from 205 on"}},
        {{.begin = 200, .end = 300, .bits = 8, .width = 8}, {"p-3.h5", "/codes is of another type or shape"}},
        {{.begin = 200, .end = 300, .bits = 0}, {"p-3.h5", "/codes is of another type or shape"}},
        {{.begin = 200, .end = 300, .bits = 8, .kind = "samples"}, {"p-3.h5", "another kind"}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        parts_write_one("p-3.h5", &bad[i].part);
        store_fails(parts_write_index(parts_name, PARTS, NULL), TESS_E_DATA, "a/index.h5", bad[i].word[0], bad[i].word[1], NULL);
    }
    parts_write_one("p-3.h5", &parts_plain[3]);
    store_fails(parts_write_index((const char *const[]){"p-0.h5", "index.h5"}, 2, NULL), TESS_E_DATA, "is in parts itself", NULL);
    store_fails(parts_write_index((const char *const[]){"../a/p-0.h5"}, 1, NULL), TESS_E_DATA, "in the folder of the index", NULL);
    store_fails(parts_write_index((const char *const[]){"p-7.h5"}, 1, NULL), TESS_E_IO, "p-7.h5", "no such file", NULL);
    ck_assert(!store_unfinished("a/index.h5"));
}
END_TEST

START_TEST(folders)
{
    struct tess_artefact *a;
    ck_assert_int_eq(mkdir(store_path("empty"), 0777), 0);
    store_fails(tessi_store_artefact_open(C, store_path("empty"), &a), TESS_E_IO, "a folder without an index.h5", NULL);
    ck_assert_int_eq(mkdir(store_path("empty/index.h5"), 0777), 0);
    store_fails(tessi_store_artefact_open(C, store_path("empty"), &a), TESS_E_IO, "a folder", NULL);
    a = store_create("b.h5", "codes");
    struct tess_tensor t = tess_tensor_over(&(int32_t){1}, TESS_I32, 0, NULL);
    store_fails(tess_artefact_put(C, a, "parts/file", &t, NULL), TESS_E_INTERNAL, "no place for a dataset", NULL);
    tessi_store_artefact_close(a);
}
END_TEST

/* ---- many parts, many threads -------------------------------------------------------------------------------------- */

enum { MANY = 40 };

static int open_files(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    for (struct dirent *e; d && (e = readdir(d));)
        n += *e->d_name != '.';
    closedir(d);
    return n;
}

struct reading {
    const struct tess_artefact *a;
    int most;
    _Atomic int failures;
};

static void read_one(void *user, int worker, int64_t i)
{
    struct reading *r = user;
    struct tessi_context own;
    int32_t code[ROW];
    int64_t row = store_number((uint64_t)i) % (MANY * 5);
    struct tess_tensor t = tess_tensor_over(code, TESS_I32, 3, (int64_t[]){1, 2, 3});
    (void)worker;
    tessi_base_context_init(&own, NULL);
    int good = tess_artefact_read(&own.context, r->a, "codes", row, &t) == TESS_OK && open_files() <= r->most;
    for (int64_t k = 0; k < ROW && good; k++)
        good = code[k] == parts_code(row, k);
    r->failures += !good;
}

static void write_many(void)
{
    static char text[MANY][24];
    const char *file[MANY];
    for (int i = 0; i < MANY; i++) {
        snprintf(text[i], sizeof text[i], "m-%02d.h5", i);
        file[i] = text[i];
        parts_write_one(text[i], &(struct parts_one){.begin = 5 * i, .end = 5 * i + 5, .bits = 8});
    }
    store_ok(parts_write_index(file, MANY, NULL));
}

START_TEST(many_parts_and_threads)
{
    struct tessi_workers *w;
    write_many();
    int before = open_files();
    struct rlimit files;
    ck_assert(getrlimit(RLIMIT_NOFILE, &files) == 0);
    files.rlim_cur = 80; /* a quarter of them for parts */
    ck_assert(setrlimit(RLIMIT_NOFILE, &files) == 0);
    struct tess_artefact *a = store_open("a/index.h5");
    struct reading r = {.a = a, .most = before + 1 + 20 + 3 + 3}; /* the index, the parts, more of them at work, the counting itself */
    store_ok(tessi_base_workers_new(C, 3, &w));
    tessi_base_workers_run(w, 3000, read_one, &r);
    ck_assert_int_eq(r.failures, 0);
    tessi_base_workers_free(w);
    /* A part that was replaced by its equal is another file, which may have been read half as it was. */
    store_copy("a/m-00.h5", "kept.h5", -1);
    ck_assert_int_eq(rename(store_path("kept.h5"), store_path("a/m-00.h5")), 0);
    store_fails(tessi_store_parts_unchanged(C, a), TESS_E_DATA, "part 1 of 40, `m-00.h5`, changed", NULL);
    tessi_store_artefact_close(a);
    ck_assert_int_eq(open_files(), before);
    ck_assert_int_eq(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
}
END_TEST

int main(void)
{
    (void)H5dont_atexit();
    Suite *s = suite_create("artefact parts");
    TCase *t = tcase_create("parts");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, parts_setup, store_teardown);
    tcase_add_test(t, reads_as_one);
    tcase_add_test(t, copies);
    tcase_add_test(t, says_what_is_in_parts);
    tcase_add_test(t, index_is_deterministic);
    tcase_add_test(t, unlike_parts_make_no_index);
    tcase_add_test(t, folders);
    tcase_add_test(t, many_parts_and_threads);
    suite_add_tcase(s, t);
    return suite_run(s);
}
