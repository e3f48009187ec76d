/* Lists that grow into a file without a name: the same bytes as in memory, whatever the folder is, and a sentence where the disk fails.
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/base/inject.h"
#include "core/base/spool.h"
#include "tests/support/suite.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORD = 24, RECORDS = 3 * TESSI_SPOOL_MEMORY / RECORD + 1000 };

static struct tessi_context context;
static struct tess_context *const ctx = &context.context;
static char folder[] = "/tmp/tessera-spool-XXXXXX";

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    tessi_base_context_init(&context, NULL);
}

static void teardown(void)
{
    (void)tessi_base_inject_plan(NULL);
    ck_assert_int_eq(rmdir(folder), 0); /* nothing was left in it */
}

static void ok(int status)
{
    ck_assert_msg(status == TESS_OK, "%s", tess_message(ctx));
}

static void record(int64_t i, char text[RECORD + 1])
{
    snprintf(text, RECORD + 1, "%024lld", (long long)(i * i + 1));
}

/* Adds all records; the status of the first that fails. */
static int fill(struct tessi_spool *s)
{
    char text[RECORD + 1];
    int status = TESS_OK;
    for (int64_t i = 0; i < RECORDS && status == TESS_OK; i++) {
        record(i, text);
        status = tessi_base_spool_add(ctx, s, text, RECORD);
    }
    return status;
}

/* Every record, from the first to the last, and some by themselves. */
static void check_all(const struct tessi_spool *s)
{
    static struct tessi_spool_reader r;
    char text[RECORD + 1], found[RECORD + 1] = "";
    r = (struct tessi_spool_reader){.spool = s};
    ck_assert_int_eq(tessi_base_spool_bytes(s), (int64_t)RECORDS * RECORD);
    for (int64_t i = 0; i < RECORDS; i++) {
        record(i, text);
        ok(tessi_base_spool_next(ctx, &r, found, RECORD));
        ck_assert_str_eq(found, text);
        if (i % 997 == 0) {
            ok(tessi_base_spool_read(ctx, s, i * RECORD, found, RECORD));
            ck_assert_str_eq(found, text);
        }
    }
}

START_TEST(whatever_the_folder_is)
{
    char deeper[sizeof folder + 20];
    const char *const folders[] = {NULL, folder, deeper, "/none/at/all", "none-here"};
    snprintf(deeper, sizeof deeper, "%s/not/there/yet", folder);
    struct tessi_spool s = {.folder = NULL};
    ok(tessi_base_spool_into(ctx, &s, folders[_i]));
    ok(tessi_base_spool_into(ctx, &s, "/elsewhere")); /* the first one given counts */
    ck_assert(!folders[_i] || strcmp(s.folder, folders[_i]) == 0);
    if (!folders[_i])
        ck_assert_str_eq(s.folder, "/elsewhere");
    ok(fill(&s));
    if (_i != 3) /* only root may write into `/` */
        ck_assert_int_eq(s.has_file, 1);
    check_all(&s);
    tessi_base_spool_free(&s);
    ok(fill(&s)); /* emptied, without a folder: all of it in memory */
    ck_assert(!s.has_file && s.written == 0);
    check_all(&s);
    tessi_base_spool_free(&s);
}
END_TEST

/* Bytes written anew, in the file, in memory, and across the border. */
START_TEST(written_anew)
{
    struct tessi_spool s = {.folder = NULL};
    char text[RECORD + 1], found[3 * RECORD + 1] = "", twice[3 * RECORD + 1];
    ok(tessi_base_spool_into(ctx, &s, folder));
    ok(fill(&s));
    ck_assert(s.written > 0 && s.used > 2 * RECORD);
    const int64_t at[] = {0, s.written - RECORD, s.written - RECORD / 2 - RECORD, s.written};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        snprintf(twice, sizeof twice, "%072zu", i + 7);
        ok(tessi_base_spool_put(ctx, &s, at[i], twice, 3 * RECORD));
        ok(tessi_base_spool_read(ctx, &s, at[i], found, 3 * RECORD));
        ck_assert_str_eq(found, twice);
    }
    record(RECORDS - 1, text);
    ok(tessi_base_spool_read(ctx, &s, (RECORDS - 1) * (int64_t)RECORD, found, RECORD));
    ck_assert(memcmp(found, text, RECORD) == 0);
    tessi_base_spool_free(&s);
}
END_TEST

/* A disk that refuses: the folder and the cause are told, and what to do. */
START_TEST(a_disk_that_fails)
{
    static const struct {
        const char *plan, *words;
    } trouble[] = {{"ENOSPC@write:1", "a temporary list in it cannot be written: No space left on device; make room, then run again"},
                   {"fail@write:2", "a temporary list in it cannot be written: "}};
    struct tessi_spool s = {.folder = NULL};
    char found[RECORD];
    ok(tessi_base_spool_into(ctx, &s, folder));
    if (_i < 2) {
        ck_assert_ptr_null(tessi_base_inject_plan(trouble[_i].plan));
        ck_assert_int_eq(fill(&s), TESS_E_IO);
        ck_assert_msg(strncmp(tess_message(ctx), folder, strlen(folder)) == 0 && strstr(tess_message(ctx), trouble[_i].words), "%s",
                      tess_message(ctx));
    } else {
        ok(fill(&s));
        ck_assert_ptr_null(tessi_base_inject_plan("EIO@read:1"));
        ck_assert_int_eq(tessi_base_spool_read(ctx, &s, 0, found, RECORD), TESS_E_IO);
        ck_assert_ptr_nonnull(strstr(tess_message(ctx), "cannot be read: Input/output error; look at the disk, then run again"));
    }
    tessi_base_spool_free(&s);
}
END_TEST

/* Where no file can be made the list stays in memory. */
START_TEST(no_file_at_all)
{
    struct tessi_spool s = {.folder = NULL};
    ok(tessi_base_spool_into(ctx, &s, folder));
    ck_assert_ptr_null(tessi_base_inject_plan("fail@open:1+"));
    ok(fill(&s));
    ck_assert(!s.has_file && s.written == 0);
    check_all(&s);
    tessi_base_spool_free(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spool");
    TCase *t = tcase_create("spool");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, whatever_the_folder_is, 0, 5);
    tcase_add_test(t, written_anew);
    tcase_add_loop_test(t, a_disk_that_fails, 0, 3);
    tcase_add_test(t, no_file_at_all);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
