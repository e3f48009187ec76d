/* Libraries that are loaded when a component is opened, and not before: which, with what settings, and what is said where one cannot be.
 * SPDX-License-Identifier: MIT */
#include "tests/plug_bench.h"
#include "tests/suite.h"

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct bench bench;

static void setup(void)
{
    bench_start(&bench);
}

static void teardown(void)
{
    bench_end(&bench);
}

static const struct tess_component *heavy(void)
{
    const struct tess_component *k = tessi_registry_find(bench.runtime->registry, "backend/1", "heavy", NULL);
    ck_assert_ptr_nonnull(k);
    return k;
}

START_TEST(functions_come_from_the_library)
{
    bench_add(&bench, "", "heavy");
    bench_add(&bench, "libraries", "heavy_library");
    setenv("TESSERA_TEST_OTHER", "mine", 1);
    bench_scan(&bench);
    ck_assert_ptr_null(bench_refusal(&bench, "heavy_library")); /* nobody has looked at it */
    ck_assert_ptr_null(((const struct tess_backend_1 *)heavy()->ops)->run);
    ck_assert_int_eq(tessi_runtime_choose_backend(bench.c, bench.runtime, "heavy"), TESS_OK);
    ck_assert_msg(tessi_runtime_compute(bench.c, bench.runtime) == TESS_OK, "%s", tessi_call_message(bench.c));
    ck_assert_ptr_nonnull(bench.runtime->dense->run);
    ck_assert_msg(strstr(bench.runtime->numeric_mode, "told, a=b") != NULL, "%s", bench.runtime->numeric_mode);
    ck_assert_str_eq(getenv("TESSERA_TEST_OTHER"), "mine"); /* as it was */
    ck_assert_ptr_null(getenv("TESSERA_TEST_HEAVY"));
    ck_assert_int_eq(tessi_runtime_reserve(bench.c, bench.runtime), TESS_E_MEMORY);
    ck_assert_str_eq(tessi_call_message(bench.c), "no room for 1");
    unsetenv("TESSERA_TEST_OTHER");
}
END_TEST

/* Reason why the heavy backend cannot be opened when it is asked for by name. */
static const char *refusal(void)
{
    bench_scan(&bench);
    ck_assert_int_eq(tessi_runtime_choose_backend(bench.c, bench.runtime, "heavy"), TESS_OK);
    ck_assert_int_eq(tessi_runtime_compute(bench.c, bench.runtime), TESS_E_PLUGIN);
    ck_assert_ptr_null(bench.runtime->dense);
    ck_assert_ptr_nonnull(heavy()); /* listed all the same */
    return tessi_call_message(bench.c);
}

START_TEST(one_that_was_named_and_cannot_be_loaded_is_an_error)
{
    char wanted[PATH_MAX];
    bench_add(&bench, "", "heavy");
    const char *message = refusal();
    snprintf(wanted, sizeof wanted, "backend/heavy: %s/libraries/heavy_library.so: wanted a shared object that loads, found: ", bench.folder);
    ck_assert_msg(strstr(message, wanted) != NULL, "%s", message);
}
END_TEST

START_TEST(a_library_of_another_version_is_refused)
{
    char other[PATH_MAX], path[PATH_MAX];
    bench_add(&bench, "", "heavy");
    bench_add(&bench, "libraries", "heavy_other");
    snprintf(other, sizeof other, "%s/libraries/heavy_other.so", bench.folder);
    snprintf(path, sizeof path, "%s/libraries/heavy_library.so", bench.folder);
    ck_assert_int_eq(rename(other, path), 0);
    const char *message = refusal();
    ck_assert_msg(strstr(message, "wanted the library of fixture-heavy 1, found fixture-heavy 2") != NULL, "%s", message);
}
END_TEST

START_TEST(a_library_without_the_component_is_refused)
{
    char other[PATH_MAX], path[PATH_MAX];
    bench_add(&bench, "", "heavy");
    bench_add(&bench, "libraries", "heavy_empty");
    snprintf(other, sizeof other, "%s/libraries/heavy_empty.so", bench.folder);
    snprintf(path, sizeof path, "%s/libraries/heavy_library.so", bench.folder);
    ck_assert_int_eq(rename(other, path), 0);
    const char *message = refusal();
    ck_assert_msg(strstr(message, "wanted backend/1 `heavy` in it, found none") != NULL, "%s", message);
}
END_TEST

/* The first of all by preference is not there: the next one is taken, and the user is told. */
START_TEST(the_next_backend_by_preference_is_taken_and_told)
{
    char *told = NULL;
    size_t bytes = 0;
    FILE *terminal = open_memstream(&told, &bytes);
    bench_add(&bench, "", "heavy");
    struct tessi_runtime_options o = {.plugin_path = bench.folder, .threads = 1, .level = TESSI_NORMAL, .terminal = terminal};
    ck_assert_int_eq(tessi_runtime_new(bench.c, &o, &bench.runtime), TESS_OK);
    ck_assert_msg(tessi_runtime_compute(bench.c, bench.runtime) == TESS_OK, "%s", tessi_call_message(bench.c));
    ck_assert_str_ne(tess_instance_name(bench.runtime->backend), "heavy");
    ck_assert_str_eq(tessi_call_message(bench.c), "");
    fflush(terminal);
    ck_assert_msg(strstr(told, "` is taken, as `heavy` cannot be: ") && strstr(told, "heavy_library.so: wanted a shared object that loads"),
                  "%s", told);
    tessi_runtime_free(bench.runtime);
    bench.runtime = NULL;
    fclose(terminal);
    free(told);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("libraries");
    TCase *tests = tcase_create("libraries");
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, functions_come_from_the_library);
    tcase_add_test(tests, one_that_was_named_and_cannot_be_loaded_is_an_error);
    tcase_add_test(tests, a_library_of_another_version_is_refused);
    tcase_add_test(tests, a_library_without_the_component_is_refused);
    tcase_add_test(tests, the_next_backend_by_preference_is_taken_and_told);
    return suite_run(suite);
}
