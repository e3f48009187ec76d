/* An installation as a package leaves it: staged under DESTDIR, moved, and then all that its users have.
 *
 * SPDX-License-Identifier: MIT */
#include "core/plug/installed.h"
#include "tests/support/install_fixture.h"
#include "tests/support/paths.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <check.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- paths ----------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *here, *planned, *target, *wanted;
} move[] = {
    {"/opt/x/bin", "/usr/local/bin", "/usr/local/lib/tessera/plugins-1", "/opt/x/lib/tessera/plugins-1"},
    {"/usr/bin", "/usr/bin", "/usr/lib/x86_64-linux-gnu/tessera/plugins-1", "/usr/lib/x86_64-linux-gnu/tessera/plugins-1"},
    {"/a/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu/tessera/plugins-1",
     "/a/lib/x86_64-linux-gnu/tessera/plugins-1"},
    {"/a/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/usr/share/tessera", "/a/share/tessera"},
    {"/stage/usr/bin", "/usr/bin", "/usr/library/p", "/stage/usr/library/p"},
    {"/bin", "/usr/local/bin", "/usr/local/lib/p", "/lib/p"},
    {"/bin", "/a/b/c", "/d", NULL},
    {"", "/a/bin", "/a/lib", NULL},
    {"/x/bin", "/opt/y//bin", "/opt/y//lib", "/x/lib"},
};

START_TEST(paths_are_kept_relative_to_the_program)
{
    char path[PATH_MAX], clean[PATH_MAX] = "";
    int fits = tessi_plug_moved(move[_i].here, move[_i].planned, move[_i].target, path, sizeof path);
    for (size_t i = 0, n = 0; fits && path[i]; i++) /* a prefix may have been written with two slashes */
        if (path[i] != '/' || path[i + 1] != '/')
            clean[n++] = path[i], clean[n] = '\0';
    ck_assert_int_eq(fits, move[_i].wanted != NULL);
    if (fits)
        ck_assert_str_eq(clean, move[_i].wanted);
    ck_assert(!tessi_plug_moved("/opt/x/bin", "/usr/bin", "/usr/lib", path, 8));
}
END_TEST

/* What is missing is told with its reason: files of the release that are damaged, and a program that was moved without its plugins. */
START_TEST(a_damaged_installation_says_what_is_wrong)
{
    install_shell("cp -R '%s' there && truncate -s 3000 there/lib/tessera/plugins-1/backends/*.so", install_prefix());
    small_make_data(SMALL_COUNT);
    small_write("small.yaml", small_pipeline);
    const char *said = install_shell("there/bin/tessera run small.yaml 2>&1; test $? = 69");
    install_says(said, "warning: a plugin is not used: ");
    install_says(said, "/backends/openblas.so: wanted a whole file, found one cut off or damaged");
    install_says(said, "there is no backend");
    install_shell("mkdir alone && cp there/bin/tessera alone");
    said = install_shell("alone/tessera run small.yaml 2>&1; test $? = 69");
    install_says(said, "there is no ");
    install_says(said, "nor any other plugin; looked in ");
}
END_TEST

/* ---- what is there ----------------------------------------------------------------------------------------------------- */

START_TEST(a_moved_installation_finds_its_plugins)
{
    const char *why = install_shell("tessera plugins --why");
    char place[PATH_MAX];
    snprintf(place, sizeof place, "accepted  %s/", install_prefix());
    install_says(why, place);
    install_says(why, " 0 refused");
    install_says_not(why, "no such folder");
    install_says_not(why, TEST_BUILD "/plugins");
    install_says(install_shell("tessera plugins quantizer"), "ema");
    install_shell("cd / && ln -s \"$(command -v tessera)\" \"$OLDPWD/linked\" && \"$OLDPWD/linked\" plugins backend/openblas");
}
END_TEST

START_TEST(documents_examples_and_licence_are_there)
{
    static const char *const files[] = {"share/doc/tessera/README.md",
                                        "share/doc/tessera/LICENSE",
                                        "share/doc/tessera/docs/pipelines.md",
                                        "share/doc/tessera/docs/pictures/samples.png",
                                        "share/tessera/pipelines/quickstart.yaml",
                                        "include/tessera/plugin.h",
                                        "include/tessera/kit/codebook/codebook.h"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        install_shell("test -s '%s/%s'", install_prefix(), files[i]);
    install_says_not(install_shell("find '%s' -path '*plugins-1*'", install_prefix()), ".la");
    install_says(install_shell("tessera plan '%s/share/tessera/pipelines/quickstart.yaml'", install_prefix()), "tokenizer");
}
END_TEST

/* ---- plugins from outside ------------------------------------------------------------------------------------------------ */

#define COMPILE "$CC -std=c11 -Wall -Wextra -Werror -O1 -shared -fPIC -fvisibility=hidden -Wl,-z,defs "

static void small_pipeline_with(const char *quantizer)
{
    small_make_data(SMALL_COUNT);
    small_write("small.yaml", small_pipeline);
    install_shell("tessera run small.yaml --plugin-path . -q tokenizer.quantizer='{use: %s, codebook_size: 12, code_dim: 6}'", quantizer);
}

START_TEST(a_plugin_needs_pkg_config_and_no_more)
{
    install_shell(COMPILE TEST_SOURCE "/tests/install/outside.c -o outside.so $(pkg-config --cflags --libs tessera)");
    install_says(install_shell("tessera plugins quantizer/outside --plugin-path ."), "written elsewhere");
    small_pipeline_with("outside");
    install_says(install_shell("tessera inspect runs/small/tokenizer.h5"), "outside");
}
END_TEST

/* A plugin linked with libtessera is accepted after the prefix was moved: its run path leads nowhere. */
START_TEST(a_plugin_is_accepted_after_the_prefix_went_elsewhere)
{
    install_shell("cp -R '%s' there && export PKG_CONFIG_PATH=\"$PKG_CONFIG_PATH\" && " COMPILE TEST_SOURCE
                  "/tests/install/outside.c -o outside.so $(pkg-config --cflags --libs-only-L --libs-only-l tessera)"
                  " -Wl,-rpath,/nowhere/at/all && there/bin/tessera plugins quantizer/outside --plugin-path .",
                  install_prefix());
    install_says_not(install_shell("there/bin/tessera plugins --why"), install_prefix());
}
END_TEST

START_TEST(the_kit_is_linked_into_a_plugin)
{
    install_shell("sed 's/\"nearest\"/\"kitted\"/; s/tessera-nearest/kitted/' " TEST_SOURCE "/plugins/quantizers/nearest.c > kitted.c");
    install_shell(COMPILE "-Wl,--gc-sections kitted.c -o kitted.so $(pkg-config --cflags --libs tessera-kit)");
    install_says(install_shell("tessera plugins quantizer/kitted --plugin-path ."), "codebook_size");
    install_says(install_shell("nm -D --defined-only kitted.so | wc -l"), "1\n");
}
END_TEST

START_TEST(a_program_of_ones_own_finds_the_plugins)
{
    install_shell("$CC $CFLAGS -std=c99 -Wall -Wextra -Werror " TEST_SOURCE
                  "/tests/install/own_program.c -o own $(pkg-config --cflags --libs"
                  " tessera)");
    install_says(install_shell("./own"), "latent 4 x 4\nleaked 0\n");
}
END_TEST

START_TEST(variables_of_the_pc_file_tell_places)
{
    install_shell("test -d \"$(pkg-config --variable=plugindir tessera)/quantizers\"");
    install_shell("test -s \"$(pkg-config --variable=kitdir tessera)/nets/conv_blocks.h\"");
    install_says(install_shell("tessera --version"), install_shell("pkg-config --variable=version tessera | tr -d '\\n'"));
    install_shell("pkg-config --print-errors --exists 'tessera >= 0.1' tessera-kit");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("install");
    TCase *paths = tcase_create("paths"), *tests = tcase_create("installed");
    suite_add_tcase(suite, paths);
    tcase_add_loop_test(paths, paths_are_kept_relative_to_the_program, 0, sizeof move / sizeof *move);
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, install_enter, install_leave);
    tcase_add_test(tests, a_moved_installation_finds_its_plugins);
    tcase_add_test(tests, a_damaged_installation_says_what_is_wrong);
    tcase_add_test(tests, documents_examples_and_licence_are_there);
    tcase_add_test(tests, a_plugin_needs_pkg_config_and_no_more);
    tcase_add_test(tests, a_plugin_is_accepted_after_the_prefix_went_elsewhere);
    tcase_add_test(tests, the_kit_is_linked_into_a_plugin);
    tcase_add_test(tests, a_program_of_ones_own_finds_the_plugins);
    tcase_add_test(tests, variables_of_the_pc_file_tell_places);
    return suite_run(suite);
}
