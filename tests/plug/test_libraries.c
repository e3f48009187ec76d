/* Libraries that are loaded when a component is opened, and not before: which, with what settings, and what is said where one cannot be.
 * SPDX-License-Identifier: MIT */
#include "tests/support/plug_fixture.h"
#include "tests/support/suite.h"

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct plug_fixture fixture;

static void setup(void)
{
    plug_start(&fixture);
}

static void teardown(void)
{
    plug_end(&fixture);
}

static const struct tess_component *heavy(void)
{
    const struct tess_component *k = tessi_plug_registry_find(fixture.runtime->registry, "backend/1", "heavy", NULL);
    ck_assert_ptr_nonnull(k);
    return k;
}

START_TEST(functions_come_from_the_library)
{
    plug_add(&fixture, "", "heavy");
    plug_add(&fixture, "libraries", "heavy_library");
    setenv("TESSERA_TEST_OTHER", "mine", 1);
    plug_scan(&fixture);
    ck_assert_ptr_null(plug_refusal(&fixture, "heavy_library")); /* nobody has looked at it */
    ck_assert_ptr_null(((const struct tess_backend_1 *)heavy()->ops)->run);
    ck_assert_int_eq(tessi_host_runtime_choose_backend(fixture.ctx, fixture.runtime, "heavy"), TESS_OK);
    ck_assert_msg(tessi_host_runtime_compute(fixture.ctx, fixture.runtime) == TESS_OK, "%s", tessi_base_context_message(fixture.ctx));
    ck_assert_ptr_nonnull(fixture.runtime->backend_ops->run);
    ck_assert_msg(strstr(fixture.runtime->numeric_mode, "told, a=b") != NULL, "%s", fixture.runtime->numeric_mode);
    ck_assert_str_eq(getenv("TESSERA_TEST_OTHER"), "mine"); /* the value from before the library was loaded */
    ck_assert_ptr_null(getenv("TESSERA_TEST_HEAVY"));
    ck_assert_int_eq(tessi_host_runtime_reserve(fixture.ctx, fixture.runtime), TESS_E_MEMORY);
    ck_assert_str_eq(tessi_base_context_message(fixture.ctx), "no room for 1");
    unsetenv("TESSERA_TEST_OTHER");
}
END_TEST

/* Reason why the heavy backend cannot be opened when it is asked for by name. */
static const char *refusal(void)
{
    plug_scan(&fixture);
    ck_assert_int_eq(tessi_host_runtime_choose_backend(fixture.ctx, fixture.runtime, "heavy"), TESS_OK);
    ck_assert_int_eq(tessi_host_runtime_compute(fixture.ctx, fixture.runtime), TESS_E_PLUGIN);
    ck_assert_ptr_null(fixture.runtime->backend_ops);
    ck_assert_ptr_nonnull(heavy()); /* listed all the same */
    return tessi_base_context_message(fixture.ctx);
}

START_TEST(one_that_was_named_and_cannot_be_loaded_is_an_error)
{
    char wanted[PATH_MAX];
    plug_add(&fixture, "", "heavy");
    const char *message = refusal();
    snprintf(wanted, sizeof wanted,
             "backend/heavy: %s/libraries/heavy_library.so: wanted a shared object that can be read, found: ", fixture.folder);
    ck_assert_msg(strstr(message, wanted) != NULL, "%s", message);
}
END_TEST

/* Before it is loaded: some ask again and again for what is not to be had. */
START_TEST(no_addresses_for_a_library)
{
    long pages = 0;
    if (!suite_limits_addresses("no_addresses_for_a_library"))
        return;
    plug_add(&fixture, "", "heavy");
    plug_add(&fixture, "libraries", "heavy_library");
    plug_scan(&fixture);
    ck_assert_int_eq(tessi_host_runtime_choose_backend(fixture.ctx, fixture.runtime, "heavy"), TESS_OK);
    FILE *f = fopen("/proc/self/statm", "r");
    ck_assert(f && fscanf(f, "%ld", &pages) == 1);
    fclose(f);
    const struct rlimit limit = {((rlim_t)pages << 12) + (150 << 20), RLIM_INFINITY};
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
    ck_assert_int_eq(tessi_host_runtime_compute(fixture.ctx, fixture.runtime), TESS_E_MEMORY);
    ck_assert_msg(strstr(tessi_base_context_message(fixture.ctx), "MiB of addresses to be loaded"), "%s",
                  tessi_base_context_message(fixture.ctx));
}
END_TEST

START_TEST(a_library_of_another_version_is_refused)
{
    char other[PATH_MAX], path[PATH_MAX];
    plug_add(&fixture, "", "heavy");
    plug_add(&fixture, "libraries", "heavy_other");
    snprintf(other, sizeof other, "%s/libraries/heavy_other.so", fixture.folder);
    snprintf(path, sizeof path, "%s/libraries/heavy_library.so", fixture.folder);
    ck_assert_int_eq(rename(other, path), 0);
    const char *message = refusal();
    ck_assert_msg(strstr(message, "wanted the library of fixture-heavy 1, found fixture-heavy 2") != NULL, "%s", message);
}
END_TEST

START_TEST(a_library_without_the_component_is_refused)
{
    char other[PATH_MAX], path[PATH_MAX];
    plug_add(&fixture, "", "heavy");
    plug_add(&fixture, "libraries", "heavy_empty");
    snprintf(other, sizeof other, "%s/libraries/heavy_empty.so", fixture.folder);
    snprintf(path, sizeof path, "%s/libraries/heavy_library.so", fixture.folder);
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
    plug_add(&fixture, "", "heavy");
    struct tessi_runtime_options o = {.plugin_path = fixture.folder, .threads = 1, .level = TESSI_NORMAL, .terminal = terminal};
    ck_assert_int_eq(tessi_host_runtime_new(fixture.ctx, &o, &fixture.runtime), TESS_OK);
    ck_assert_msg(tessi_host_runtime_compute(fixture.ctx, fixture.runtime) == TESS_OK, "%s", tessi_base_context_message(fixture.ctx));
    ck_assert_str_ne(tess_instance_name(fixture.runtime->backend), "heavy");
    ck_assert_str_eq(tessi_base_context_message(fixture.ctx), "");
    fflush(terminal);
    ck_assert_msg(strstr(told, "` is taken, as `heavy` cannot be: ") &&
                      strstr(told, "heavy_library.so: wanted a shared object that can be read"),
                  "%s", told);
    tessi_host_runtime_free(fixture.runtime);
    fixture.runtime = NULL;
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
    tcase_add_test(tests, no_addresses_for_a_library);
    tcase_add_test(tests, a_library_without_the_component_is_refused);
    tcase_add_test(tests, the_next_backend_by_preference_is_taken_and_told);
    return suite_run(suite);
}
