/* A plugin built with the headers of the first release, kept in tests/abi/1.0, loads and works here. As long as nothing is released those
 * headers are renewed with the contract: `make renew-first-headers`. SPDX-License-Identifier: MIT */
#include "tests/support/paths.h"
#include "tests/support/plug_fixture.h"
#include "tests/support/suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <tessera/tessera.h>
#include <unistd.h>

static struct plug_fixture fixture;

static void setup(void)
{
    plug_start(&fixture);
    setenv("TESSERA_PLUGIN_PATH", TEST_BUILD "/tests/abi/1.0/.libs", 1);
    plug_scan(&fixture);
}

static void teardown(void)
{
    plug_end(&fixture);
    unsetenv("TESSERA_PLUGIN_PATH");
}

START_TEST(it_is_accepted)
{
    ck_assert_ptr_nonnull(plug_refusal(&fixture, "plugin"));
    ck_assert_str_eq(plug_refusal(&fixture, "plugin"), "");
}
END_TEST

START_TEST(it_works)
{
    struct tess_instance *i;
    struct tess_image image = {.size = sizeof image};
    struct tess_digest d;
    const char *message = plug_open(&fixture, "source/1", "use: squares\nside: 4\nlabels: [3, 7]\nlevels: [0, 1, 0.2]\n", 1, &i);
    ck_assert_msg(!message, "%s", message);
    ck_assert_str_eq(tess_instance_config_text(i),
                     "{use: squares, count: 4, side: 4, grey: 0.5, title: square, labels: [3, 7], levels: [0, 1, 0.2]}");
    const struct tess_source_1 *ops = tess_instance_ops(i, "source/1");
    void *self = tess_instance_self(i);
    ck_assert_int_eq(ops->count(self), 4);
    ck_assert_int_eq(ops->labels(self), 2);
    ck_assert_int_eq(ops->read(self, fixture.ctx, 2, &image), TESS_OK);
    ck_assert_int_eq(image.height, 4);
    ck_assert_int_eq(image.channels, 1);
    ck_assert_int_eq(image.pixels[15], 51);
    ck_assert_int_eq(image.label, 3);
    ck_assert_str_eq(image.name, "square 2");
    tess_digest_start(&d);
    ck_assert_int_eq(ops->fingerprint(self, fixture.ctx, &d), TESS_OK);
    ck_assert(!TESS_HAS(ops, rest) || !ops->rest);
    tess_image_free(&image);
    tess_instance_close(i);
    message = plug_open(&fixture, "source/1", "use: squares\nside: 3\n", 1, &i);
    ck_assert_msg(message && strstr(message, "`side` must be even, found 3"), "%s", message);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("first");
    TCase *tests = tcase_create("first");
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, it_is_accepted);
    tcase_add_test(tests, it_works);
    return suite_run(suite);
}
