/* Parts that are missing, swapped, foreign, shorter, damaged or lying are refused by name; so are tables that a stranger made up.
 * SPDX-License-Identifier: MIT */
#include "core/store/store_private.h"
#include "tests/support/parts_fixture.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- parts that are not as they were ------------------------------------------------------------------------------- */

/* Replaces the digest that a file says it has. */
static void claim_digest(const char *name, const char *digest)
{
    hid_t file = H5Fopen(store_path(name), H5F_ACC_RDWR, H5P_DEFAULT), group = H5Gopen2(file, "provenance", H5P_DEFAULT);
    hid_t attribute = H5Aopen(group, "digest", H5P_DEFAULT), type = H5Aget_type(attribute);
    ck_assert(attribute >= 0 && H5Awrite(attribute, type, digest) >= 0);
    H5Tclose(type);
    H5Aclose(attribute);
    H5Gclose(group);
    ck_assert_int_ge(H5Fclose(file), 0);
}

static void flip_byte(const char *name, int64_t at)
{
    FILE *f = fopen(store_path(name), "r+b");
    ck_assert_int_eq(fseek(f, (long)at, SEEK_SET), 0);
    int byte = getc(f);
    ck_assert(fseek(f, (long)at, SEEK_SET) == 0 && putc(byte ^ 0x10, f) >= 0);
    fclose(f);
}

static void rename_part(const char *from, const char *to)
{
    ck_assert_int_eq(rename(store_path(from), store_path(to)), 0);
}

START_TEST(other_parts_are_refused)
{
    char digest[TESS_DIGEST_TEXT];
    ck_assert_int_eq(parts_read_everything(0), TESS_OK);
    store_copy("a/p-1.h5", "kept.h5", -1);

    ck_assert_int_eq(unlink(store_path("a/p-1.h5")), 0);
    store_fails(parts_read_everything(0), TESS_E_IO, "a/index.h5: part 2 of 4, `p-1.h5`, is missing", "put it back", NULL);
    store_fails(parts_read_everything(1), TESS_E_IO, "`p-1.h5`, is missing", NULL);

    store_copy("kept.h5", "a/p-1.h5", store_size("kept.h5") - 100);
    store_fails(parts_read_everything(0), TESS_E_DATA, "p-1.h5", "is truncated", NULL);

    parts_write_one("p-1.h5", &(struct parts_one){.begin = 70, .end = 200, .bits = 10, .codebook = 2});
    store_fails(parts_read_everything(0), TESS_E_DATA, "part 2 of 4, `p-1.h5`", "is another artefact", NULL);
    store_copy("kept.h5", "a/p-1.h5", -1);

    rename_part("a/p-0.h5", "a/p-t.h5");
    rename_part("a/p-3.h5", "a/p-0.h5");
    rename_part("a/p-t.h5", "a/p-3.h5");
    store_fails(parts_read_everything(0), TESS_E_DATA, "`p-0.h5`", "that of part 4, `p-3.h5`", NULL);
    rename_part("a/p-0.h5", "a/p-t.h5");
    rename_part("a/p-3.h5", "a/p-0.h5");
    rename_part("a/p-t.h5", "a/p-3.h5");
    ck_assert_int_eq(parts_read_everything(1), TESS_OK);

    struct tess_artefact *a = store_open("kept.h5");
    snprintf(digest, sizeof digest, "%s", tess_artefact_digest(a));
    tessi_store_artefact_close(a);
    parts_write_one("p-1.h5", &(struct parts_one){.begin = 70, .end = 199, .bits = 10}); /* says it is the one it is not: shorter */
    claim_digest("a/p-1.h5", digest);
    store_fails(parts_read_everything(0), TESS_E_DATA, "`p-1.h5`", "(129, 2, 3)", "(130, 2, 3)", NULL);
    parts_write_one("p-1.h5", &(struct parts_one){.begin = 70, .end = 200, .bits = 10, .attr = "tokenizer"});
    claim_digest("a/p-1.h5", digest);
    store_fails(parts_read_everything(0), TESS_E_DATA, "`p-1.h5`", "`tokenizer` is another", NULL);
    parts_write_one("p-1.h5", &(struct parts_one){.begin = 71, .end = 201, .bits = 10, .shift = -1}); /* other values in the right shapes */
    claim_digest("a/p-1.h5", digest);
    store_fails(parts_read_everything(1), TESS_E_DATA, "p-1.h5", "the content has digest", NULL);
    store_copy("a/index.h5", "kept.h5", -1);
    store_ok(parts_write_index(parts_name, 1, NULL));
    store_copy("a/index.h5", "a/p-1.h5", -1);
    store_copy("kept.h5", "a/index.h5", -1);
    store_fails(parts_read_everything(0), TESS_E_DATA, "`p-1.h5`", "is in parts itself", NULL);
}
END_TEST

/* A byte of a part that is another is found, and the part is named. */
START_TEST(damage_is_found)
{
    for (int64_t at = 600; at < store_size("a/p-3.h5"); at += 977) {
        store_copy("a/p-3.h5", "kept.h5", -1);
        flip_byte("a/p-3.h5", at);
        int status = parts_read_everything(1);
        if (status != TESS_OK)
            store_fails(status, TESS_E_DATA, "p-3.h5", NULL);
        else
            ck_assert_int_eq(parts_read_everything(0), TESS_OK); /* a byte that no reader sees */
        store_copy("kept.h5", "a/p-3.h5", -1);
    }
}
END_TEST

/* The index of parts that belong together, told of an attribute or dataset that is not theirs. */
START_TEST(index_is_held_against_parts)
{
    struct tess_artefact *a;
    hid_t file = H5Fopen(store_path("a/index.h5"), H5F_ACC_RDWR, H5P_DEFAULT), d = H5Dopen2(file, "codebook", H5P_DEFAULT);
    const float book[8] = {5};
    char digest[TESS_DIGEST_TEXT];
    ck_assert(H5Dwrite(d, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, book) >= 0);
    H5Dclose(d);
    H5Fclose(file);
    a = store_open("a/index.h5");
    store_fails(tessi_store_artefact_verify_file(C, a), TESS_E_DATA, "the content has digest", NULL);
    store_ok(tessi_store_digest_content(C, a, digest)); /* digest of the values just read */
    tessi_store_artefact_close(a);
    claim_digest("a/index.h5", digest);
    store_fails(parts_read_everything(1), TESS_E_DATA, "/codebook is not that of part 1, `p-0.h5`", NULL);
}
END_TEST

/* ---- tables of strangers ------------------------------------------------------------------------------------------- */

static void change_numbers(const char *dataset, int64_t at, int32_t value)
{
    int32_t values[64];
    hid_t file = H5Fopen(store_path("a/index.h5"), H5F_ACC_RDWR, H5P_DEFAULT), d = H5Dopen2(file, dataset, H5P_DEFAULT);
    ck_assert(H5Dread(d, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    values[at] = value;
    ck_assert(H5Dwrite(d, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(d);
    H5Fclose(file);
}

static void change_text(const char *dataset, int64_t at, const char *value)
{
    char values[4096];
    hid_t file = H5Fopen(store_path("a/index.h5"), H5F_ACC_RDWR, H5P_DEFAULT), d = H5Dopen2(file, dataset, H5P_DEFAULT);
    hid_t type = H5Dget_type(d);
    size_t width = H5Tget_size(type);
    ck_assert(H5Dread(d, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    memset(values + (size_t)at * width, 0, width);
    memcpy(values + (size_t)at * width, value, strlen(value) < width ? strlen(value) : width);
    ck_assert(H5Dwrite(d, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Tclose(type);
    H5Dclose(d);
    H5Fclose(file);
}

/* Replaces a dataset of the table by its values but the last. */
static void shorten(const char *dataset)
{
    char values[4096];
    hid_t file = H5Fopen(store_path("a/index.h5"), H5F_ACC_RDWR, H5P_DEFAULT), d = H5Dopen2(file, dataset, H5P_DEFAULT);
    hid_t type = H5Dget_type(d), space = H5Dget_space(d);
    hsize_t dim[2];
    int rank = H5Sget_simple_extent_dims(space, dim, NULL);
    ck_assert(H5Dread(d, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(d);
    dim[0]--;
    hid_t less = H5Screate_simple(rank, dim, NULL);
    ck_assert_int_ge(H5Ldelete(file, dataset, H5P_DEFAULT), 0);
    d = H5Dcreate2(file, dataset, type, less, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    ck_assert(H5Dwrite(d, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(d);
    H5Sclose(less);
    H5Sclose(space);
    H5Tclose(type);
    H5Fclose(file);
}

START_TEST(tables_of_other_lengths)
{
    static const struct {
        const char *dataset, *word;
    } bad[] = {{"parts/file", "another number of parts than the attribute"}, {"parts/digest", "another number of strings"},
               {"parts/rows", "another shape or type than the table"},       {"parts/dtype", "another number of strings"},
               {"parts/bits", "another shape or type than the table"},       {"parts/length", "another shape or type than the table"}};
    store_copy("a/index.h5", "kept.h5", -1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        shorten(bad[i].dataset);
        store_fails(parts_read_everything(0), TESS_E_DATA, "a/index.h5", bad[i].word, NULL);
        store_copy("kept.h5", "a/index.h5", -1);
    }
}
END_TEST

START_TEST(made_up_tables)
{
    static const struct {
        const char *dataset;
        int64_t at;
        const char *text;
        int32_t number;
        const char *word;
    } bad[] = {
        {"parts/file", 1, "../b", 0, "no file beside"},  {"parts/file", 1, "b/c", 0, "no file beside"},
        {"parts/file", 0, "../b", 0, "no file beside"},  {"parts/file", 1, "..", 0, "no file beside"},
        {"parts/file", 1, "", 0, "no file beside"},      {"parts/file", 1, "a\nb", 0, "no file beside"},
        {"parts/file", 1, "p-0.h5", 0, "a name twice"},  {"parts/digest", 1, "ABCDEF", 0, "no digest"},
        {"parts/rows", 0, NULL, 71, "not the length"},   {"parts/rows", 0, NULL, -1, "below 0"},
        {"parts/length", 0, NULL, 71, "not the length"}, {"parts/length", 0, NULL, INT32_MIN, "below 0"},
        {"parts/joined", 1, "codes", 0, "a name twice"}, {"parts/joined", 1, "../x", 0, "no dataset's"},
        {"parts/joined", 1, "parts", 0, "no dataset's"}, {"parts/joined", 1, "/x", 0, "no dataset's"},
        {"parts/dtype", 0, "f64", 0, "does not write"},  {"parts/bits", 0, NULL, 17, "does not write"},
        {"parts/bits", 0, NULL, 0, "does not write"},    {"parts/bits", 0, NULL, 1, ""},
        {"parts/bits", 3, NULL, 9, "does not write"},    {"parts/row", 1, NULL, 0, NULL},
        {"parts/row", 3, NULL, 9, "behind the last"},    {"parts/row", 1, NULL, INT32_MAX, NULL},
        {"parts/summed", 0, "other", 0, NULL},           {"parts/length", 1, NULL, 131, "not the length"},
    };
    store_copy("a/index.h5", "kept.h5", -1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (bad[i].text)
            change_text(bad[i].dataset, bad[i].at, bad[i].text);
        else
            change_numbers(bad[i].dataset, bad[i].at, bad[i].number);
        for (int verify = 0; verify < 2; verify++) {
            int status = parts_read_everything(verify);
            if (bad[i].word || status != TESS_OK)
                store_fails(status, TESS_E_DATA, "a/", bad[i].word ? bad[i].word : "", NULL);
            ck_assert(status != TESS_OK || !verify);
        }
        store_copy("kept.h5", "a/index.h5", -1);
    }
    ck_assert_int_eq(parts_read_everything(1), TESS_OK);
}
END_TEST

/* No byte of an index that is another crashes a reader, or has it read other values. */
START_TEST(damaged_indices)
{
    int64_t bytes = store_size("a/index.h5");
    store_copy("a/index.h5", "kept.h5", -1);
    /* HDF5 1.10 frees pointers of a list of links that it has not filled yet, where damage ends the list early: the address sanitizer,
     * which fills memory with a pattern, ends the process there. */
    for (int64_t at = suite_sanitizes_addresses("bytes of an index") ? bytes : 0; at < bytes; at += 37) {
        flip_byte("a/index.h5", at);
        int read = parts_read_everything(0), found = parts_read_everything(1);
        ck_assert_msg(read == TESS_OK || found != TESS_OK, "byte %lld", (long long)at);
        tessi_base_context_clear(C);
        flip_byte("a/index.h5", at);
    }
    for (int64_t n = 0; n < bytes; n += 499) {
        store_copy("kept.h5", "a/index.h5", n);
        ck_assert_int_ne(parts_read_everything(0), TESS_OK);
        tessi_base_context_clear(C);
    }
}
END_TEST

int main(void)
{
    (void)H5dont_atexit();
    Suite *s = suite_create("damaged parts");
    TCase *t = tcase_create("parts");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, parts_setup, store_teardown);
    tcase_add_test(t, other_parts_are_refused);
    tcase_add_test(t, damage_is_found);
    tcase_add_test(t, index_is_held_against_parts);
    tcase_add_test(t, tables_of_other_lengths);
    tcase_add_test(t, made_up_tables);
    tcase_add_test(t, damaged_indices);
    suite_add_tcase(s, t);
    return suite_run(s);
}
