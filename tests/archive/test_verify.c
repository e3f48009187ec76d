/* Verifying archives: every flipped bit is found, every fault is named with its shard and rows, and no file harms the process that asked.
 * SPDX-License-Identifier: MIT */
#include "core/archive/archive.h"
#include "tests/support/archive_fixture.h"
#include "tests/support/command_fixture.h"
#include "tests/support/suite.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct tessi_archive_fault last;
static char all_faults[1 << 14];

static void take_fault(void *user, const struct tessi_archive_fault *fault)
{
    (void)user;
    last = *fault;
    size_t at = strlen(all_faults);
    snprintf(all_faults + at, sizeof all_faults - at, "%s /%s %lld+%lld @%lld %s\n", fault->file, fault->dataset, (long long)fault->first,
             (long long)fault->rows, (long long)fault->archive_row, fault->text);
}

static int deep;

static struct tessi_archive_counts verified(const char *name, int processes)
{
    struct tessi_archive_counts counts;
    const struct tessi_archive_verify o = {.path = store_path(name), .processes = processes, .deep = deep, .fault = take_fault};
    all_faults[0] = '\0';
    store_ok(tessi_archive_verify(C, &o, &counts));
    return counts;
}

/* The archive "a" has one fault, with all of the words (NULL ends). */
static void has_fault(int64_t shard, ...)
{
    va_list list;
    struct tessi_archive_counts c = verified("a", 2);
    ck_assert_msg(c.faults == 1 && last.shard == shard, "%lld faults:\n%s", (long long)c.faults, all_faults);
    va_start(list, shard);
    for (const char *word; (word = va_arg(list, const char *));)
        ck_assert_msg(strstr(all_faults, word), "`%s` is not in: %s", word, all_faults);
    va_end(list);
}

static void setup_fresh(const struct archive_shard *shard)
{
    store_setup();
    archive_setup("a", ARCHIVE_SHARDS, shard);
}

static void rename_in(const char *from, const char *to)
{
    ck_assert_int_eq(rename(store_path(from), store_path(to)), 0);
}

static void write_index_again(void)
{
    const char *const file[] = {"shard-000000.h5", "shard-000001.h5", "shard-000002.h5"};
    store_ok(tessi_archive_write_index(C, store_path("a/index.h5"), file, 3, NULL));
}

/* ---- whole ones ----------------------------------------------------------------------------------------------------------- */

START_TEST(whole)
{
    const struct archive_shard kinds[] = {{0}, {.crops = 1}, {.depth = 3}, {.codebook_size = 1000}, {.codebook_size = 70000}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        setup_fresh(&kinds[i]);
        struct tessi_archive_counts c = verified("a", 1 + (int)i);
        ck_assert_msg(c.faults == 0, "%s", all_faults);
        ck_assert_int_eq(c.shards, 3);
        ck_assert_int_eq(c.items, 75);
        ck_assert_int_eq(c.skipped, 11);
        ck_assert_int_eq(c.rows, 64 * (1 + kinds[i].crops));
        c = verified("a/shard-000001.h5", 1);
        ck_assert_msg(c.faults == 0 && c.shards == 0 && c.items == 25, "%s", all_faults);
        store_teardown();
    }
}
END_TEST

START_TEST(an_index_of_one_shard)
{
    const char *const file[] = {"shard-000000.h5"};
    struct tessi_archive_counts counts;
    setup_fresh(NULL);
    ck_assert_int_eq(chdir(store_path("a")), 0);
    store_fails(tessi_archive_write_index(C, "index.h5", file, 0, NULL), TESS_E_DATA, "an index of no shards", NULL);
    store_ok(tessi_archive_write_index(C, "index.h5", file, 1, NULL));
    store_ok(tessi_archive_verify(C, &(struct tessi_archive_verify){.path = "index.h5", .processes = 1, .fault = take_fault}, &counts));
    ck_assert(counts.faults == 0 && counts.shards == 1 && counts.items == 25);
    ck_assert_int_eq(chdir("/"), 0);
    store_teardown();
}
END_TEST

/* ---- faults --------------------------------------------------------------------------------------------------------------- */

START_TEST(shards)
{
    setup_fresh(NULL);
    rename_in("a/shard-000001.h5", "a/elsewhere");
    has_fault(1, "shard-000001.h5", "missing", NULL);
    archive_write_shard("a/shard-000001.h5", &(struct archive_shard){.first = 25, .items = 25, .tokenizer = "other"});
    has_fault(1, "another artefact", NULL);
    store_copy("a/shard-000000.h5", "a/shard-000001.h5", -1);
    has_fault(1, "shard-000001.h5", "part 1", "changed names", NULL);
    store_copy("a/elsewhere", "a/shard-000001.h5", store_size("a/elsewhere") - 1);
    has_fault(1, "truncated", NULL);
    store_copy("a/elsewhere", "a/shard-000001.h5", 0);
    has_fault(1, "shard-000001.h5", NULL);
    rename_in("a/elsewhere", "a/shard-000001.h5");
    ck_assert_int_eq(verified("a", 2).faults, 0);
    store_copy("a/index.h5", "a/index.h5", 100);
    has_fault(-1, "index.h5", NULL);
    store_teardown();
}
END_TEST

/* The command's lines: shard, dataset, rows in the shard and in the archive; as JSON the same. */
START_TEST(lines_of_the_command)
{
    setup_fresh(NULL);
    archive_write_shard("a/shard-000001.h5", &(struct archive_shard){.first = 25, .items = 25, .wrong_code = 1});
    write_index_again();
    ck_assert_int_eq(chdir(store_path(".")), 0);
    const char *out = command_ends(65, "a: is damaged: 1 of its files", "archive verify a")->out;
    ck_assert_msg(strncmp(out, "shard-000001.h5: /codes row 3 (24 of the archive): code 41 at level 0, whose codes are below 40\n", 95) ==
                      0,
                  "%s", out);
    ck_assert_ptr_nonnull(strstr(out, ": 1 fault in 1 file\n"));
    out = command_ends(65, "a: is damaged", "archive verify a --json")->out;
    ck_assert_ptr_nonnull(
        strstr(out, "{\"path\":\"a\",\"faults\":[{\"file\":\"shard-000001.h5\",\"shard\":1,\"dataset\":\"codes\",\"first_row\":3,"
                    "\"rows\":1,\"archive_row\":24,\"message\":\"code 41 at level 0, whose codes are below 40\"}],\"whole\":false,"));
    ck_assert_int_eq(rename("a/shard-000001.h5", "kept.h5"), 0);
    ck_assert_int_eq(rename("a/shard-000000.h5", "first.h5"), 0);
    out = command_ends(65, "2 of its files", "archive verify a --json")->out;
    ck_assert_ptr_nonnull(strstr(out, "\"dataset\":null,\"first_row\":0,\"rows\":0,\"archive_row\":null,\"message\":"));
    ck_assert_ptr_nonnull(strstr(out, "},{\"file\":\"shard-000001.h5\""));
    out = command_ends(74, "nowhere: ", "archive verify nowhere --json")->out;
    ck_assert_str_eq(out, "{\"path\":\"nowhere\",\"faults\":[]}\n");
    ck_assert_int_eq(chdir("/"), 0);
    store_teardown();
}
END_TEST

/* Values out of range are found though the bytes are those that were written; `deep` digests contents as well. */
START_TEST(values)
{
    deep = _i;
    setup_fresh(NULL);
    archive_write_shard("a/shard-000001.h5", &(struct archive_shard){.first = 25, .items = 25, .wrong_code = 1});
    write_index_again();
    has_fault(1, "shard-000001.h5 /codes 3+1 @24 code 41 at level 0, whose codes are below 40", NULL);
    archive_write_shard("a/shard-000001.h5", &(struct archive_shard){.first = 25, .items = 25, .wrong_label = 1});
    write_index_again();
    has_fault(1, "shard-000001.h5 /labels 2+1 @23 label 6 of 5 classes", NULL);
    archive_write_shard("a/shard-000001.h5", &(struct archive_shard){.first = 25, .items = 25, .lost_item = 1});
    write_index_again();
    has_fault(1, "21 items with rows and 3 skipped are not its 25 items", NULL);
    store_teardown();
    setup_fresh(&(struct archive_shard){.depth = 2});
    archive_write_shard("a/shard-000002.h5", &(struct archive_shard){.first = 50, .items = 25, .depth = 2, .wrong_code = 1});
    write_index_again();
    has_fault(2, "/codes 3+1", "at level 1", NULL);
    store_teardown();
    deep = 0;
}
END_TEST

static void flip(int file, int64_t bit)
{
    uint8_t byte;
    ck_assert_int_eq(pread(file, &byte, 1, bit / 8), 1);
    byte ^= (uint8_t)(1 << bit % 8);
    ck_assert_int_eq(pwrite(file, &byte, 1, bit / 8), 1);
}

/* An archive without rows says why, to whoever wants rows. */
START_TEST(no_rows)
{
    struct tess_artefact *a;
    store_setup();
    a = store_create("none.h5", "codes");
    store_ok(tess_attrs_set_i64(C, tess_artefact_describe(a), "count", 0));
    store_ok(tess_attrs_set_i64(C, tess_artefact_describe(a), "first_item", 0));
    store_ok(tess_attrs_set_i64(C, tess_artefact_describe(a), "items", 3));
    store_finish(a, NULL);
    store_ok(tessi_store_artefact_open(C, store_path("none.h5"), &a));
    store_fails(tessi_store_artefact_check_attrs(C, a), TESS_E_DATA, "none.h5: has no rows: all its 3 items were skipped", NULL);
    tessi_store_artefact_close(a);
    store_teardown();
}
END_TEST

/* Where the index cannot be opened each shard is looked at by itself. */
START_TEST(no_index)
{
    setup_fresh(NULL);
    int f = open(store_path("a/index.h5"), O_RDWR);
    ck_assert(f >= 0 && ftruncate(f, 900) == 0 && close(f) == 0);
    f = open(store_path("a/shard-000001.h5"), O_RDWR);
    flip(f, 8 * 5000 + 1);
    ck_assert_int_eq(close(f), 0);
    struct tessi_archive_counts c = verified("a", 2);
    ck_assert_msg(c.faulty == 2 && strstr(all_faults, "is truncated: 900 bytes") && strstr(all_faults, "shard-000001.h5 "), "%s",
                  all_faults);
    store_teardown();
}
END_TEST

/* ---- damage --------------------------------------------------------------------------------------------------------------- */

/* Flips bits of a file of the archive, `step` apart. Every one is a fault, in bytes that HDF5 leaves unused as well. */
static void flips_are_found(const char *name, int64_t first, int64_t step)
{
    int64_t bytes = store_size(name), unnoticed = 0, tried = 0;
    int file = open(store_path(name), O_RDWR);
    ck_assert_int_ge(file, 0);
    for (int64_t bit = first; bit < 8 * bytes; bit += step, tried++) {
        flip(file, bit);
        unnoticed += verified("a", 2).faults == 0;
        flip(file, bit);
    }
    close(file);
    ck_assert_msg(unnoticed == 0, "%s: %lld of %lld flips went unnoticed", name, (long long)unnoticed, (long long)tried);
}

START_TEST(flipped)
{
    setup_fresh(NULL);
    flips_are_found("a/shard-000001.h5", 3, 8 * 97 + 1);
    flips_are_found("a/index.h5", 5, 8 * 193 + 1);
    flips_are_found("a/shard-000002.h5", 8 * (store_size("a/shard-000002.h5") - 64), 31); /* the line with the sum */
    store_teardown();
}
END_TEST

/* Random damage: bytes anywhere, a file cut anywhere. Whatever is in the files, the call comes back. */
START_TEST(fuzzed)
{
    static const char *const file[] = {"a/shard-000000.h5", "a/shard-000002.h5", "a/index.h5"};
    setup_fresh(NULL);
    int64_t found = 0, tried = 0;
    for (uint64_t seed = 0; seed < 90; seed++, tried++) {
        const char *name = file[seed % 3];
        int64_t bytes = store_size(name), many = 1 + store_number(7 * seed) % 40;
        store_copy(name, "kept", -1);
        int f = open(store_path(name), O_RDWR);
        for (int64_t i = 0; i < many && seed % 4 != 3; i++) {
            uint8_t byte = (uint8_t)store_number(1000 * seed + (uint64_t)i);
            int64_t at = store_number(2000 * seed + (uint64_t)i) % (seed % 4 == 2 ? 600 : bytes);
            ck_assert_int_eq(pwrite(f, &byte, 1, at), 1);
        }
        if (seed % 4 == 3)
            ck_assert_int_eq(ftruncate(f, store_number(seed) % bytes), 0);
        close(f);
        found += verified("a", 2).faults > 0;
        store_copy("kept", name, -1);
    }
    ck_assert_int_ge(found, tried - 3); /* random bytes may be those that were there */
    ck_assert_int_eq(verified("a", 2).faults, 0);
    store_teardown();
}
END_TEST

/* Rows of a damaged chunk are named, and those before and behind it were read. */
START_TEST(rows_of_a_chunk)
{
    setup_fresh(&(struct archive_shard){.items = 600, .height = 16, .width = 16});
    const char *name = "a/shard-000001.h5";
    int file = open(store_path(name), O_RDWR);
    int64_t bytes = store_size(name), found = 0;
    for (int64_t at = bytes / 4; at < bytes && !found; at += bytes / 16) {
        flip(file, 8 * at);
        struct tessi_archive_counts c = verified("a", 1);
        if (c.faults == 1 && strcmp(last.dataset, "codes") == 0) {
            found = 1;
            ck_assert_int_eq(last.shard, 1);
            ck_assert_msg(last.rows >= 60 && last.rows <= 130, "%s", all_faults);
            ck_assert_int_eq(last.archive_row - last.first, 514);
        }
        flip(file, 8 * at);
    }
    close(file);
    ck_assert(found);
    store_teardown();
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("archive verify");
    TCase *c = tcase_create("faults");
    tcase_set_timeout(c, 20);
    tcase_add_test(c, whole);
    tcase_add_test(c, an_index_of_one_shard);
    tcase_add_test(c, shards);
    tcase_add_test(c, lines_of_the_command);
    tcase_add_loop_test(c, values, 0, 2);
    suite_add_tcase(s, c);
    c = tcase_create("damage");
    tcase_set_timeout(c, 20);
    tcase_add_test(c, no_rows);
    tcase_add_test(c, no_index);
    tcase_add_test(c, flipped);
    tcase_add_test(c, fuzzed);
    tcase_add_test(c, rows_of_a_chunk);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return suite_run(suite());
}
