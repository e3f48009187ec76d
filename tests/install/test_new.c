/* `tessera new`: a project of every kind, in C and in C++, that builds without a warning, passes its own test and runs its pipeline as it
 * was written; and what it refuses to begin.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/install_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <check.h>
#include <stdlib.h>

enum { NO_CREATE = 73, USAGE = 2 };

/* Kinds, and what makes their pipelines as short as a test's. */
static const struct {
    const char *kind, *set;
} kinds[] = {
    {"backend", "images=../images steps=1"},
    {"checkpoint", "images=../images steps=2"},
    {"critic", "images=../images steps=2 tokenizer.adversarial_start=1"},
    {"decoder", "images=../images steps=2"},
    {"denoiser", "images=../images steps=2"},
    {"encoder", "images=../images steps=2"},
    {"features", "images=../images labels=../labels steps=2"},
    {"format", "images=../images steps=2"},
    {"metric", "images=../images steps=2"},
    {"noise", "images=../images steps=2"},
    {"quantizer", "images=../images steps=2"},
    {"sampler", "images=../images steps=2"},
    {"source", ""},
    {"stage", "images=../images"},
    {"transport", "images=../images steps=2"},
};

static const struct {
    const char *flag, *variable;
} languages[] = {{"", "CFLAGS"}, {"--cxx", "CXXFLAGS"}};

enum { KINDS = sizeof kinds / sizeof *kinds };

START_TEST(a_new_project_passes_as_it_is)
{
    const char *kind = kinds[_i / 2].kind, *flag = languages[_i % 2].flag, *variable = languages[_i % 2].variable;
    small_make_data(SMALL_COUNT);
    install_shell("head -c 3136 /dev/zero > raw"); /* four images of 28 x 28 */
    install_says(install_shell("tessera new %s my-%s %s", kind, kind, flag), "Next: make");
    const char *said = install_shell("make -C my-%s check %s=\"$CFLAGS -O0 -Werror\"", kind, variable);
    install_says(said, "nothing is leaked");
    install_says(said, " ok\n");
    install_says_not(said, " not\n");
    install_says(install_shell("tessera check my-%s/my-%s.so %s", kind, kind, strcmp(kind, "source") == 0 ? "--set path=raw" : ""),
                 " 0 failed, ");
    if (_i % 2 == 0)
        install_says(install_shell("make -C my-%s run SET='%s'", kind, kinds[_i / 2].set), "results");
}
END_TEST

/* The way that its pipeline's comment shows. */
START_TEST(a_format_takes_a_model_out_and_in)
{
    small_make_data(SMALL_COUNT);
    install_shell("tessera -q new format plain && make -C plain run SET='images=../images steps=2'");
    install_shell("tessera export plain/runs/plain/tokenizer.h5 -o model.plain --as taming --plugin-path plain");
    install_says(install_shell("head -n 1 model.plain"), "plain 1 ");
    install_shell("tessera import model.plain -o model.h5 --as taming --plugin-path plain height=8 width=12");
    install_shell("tessera export model.h5 -o again.plain --as taming --plugin-path plain && cmp model.plain again.plain");
}
END_TEST

START_TEST(a_checkpoint_names_a_model_anew)
{
    static const char parts[] = "--as named --plugin-path named encoder='{use: conv, channels: 32, channel_mult: [1, 1], res_blocks: 1}' "
                                "decoder='{use: conv}' quantizer='{use: nearest, codebook_size: 64, code_dim: 16}' height=8 width=12";
    small_make_data(SMALL_COUNT);
    install_shell("tessera -q new checkpoint named && make -C named run SET='images=../images steps=2'");
    install_shell("tessera export named/runs/named/tokenizer.h5 -o model.safetensors %s && grep -q model.encoder. model.safetensors",
                  parts);
    install_shell("tessera import model.safetensors -o model.h5 %s", parts);
    install_shell("tessera export model.h5 -o again.safetensors %s", parts);
    install_shell("tail -c 748356 model.safetensors > values && tail -c 748356 again.safetensors | cmp - values"); /* 187,089 of f32 */
}
END_TEST

/* The two commands that its pipeline's comment shows. */
START_TEST(a_transport_carries_a_training)
{
    static const char run[] = "tessera -q run meet/meet.yaml --plugin-path meet images=images steps=3 tokenizer.microbatches=4 --workdir";
    small_make_data(SMALL_COUNT);
    install_shell("tessera -q new transport meet && make -C meet && mkdir here");
    install_shell("(%s shared --transport '{use: meet, folder: here, rank: 1}'; echo $? > how) & "
                  "%s shared --transport '{use: meet, folder: here}' && wait && grep -qx 0 how",
                  run, run);
    install_says(install_shell_ends(USAGE, "%s again --transport '{use: meet, folder: here}'", run), "have met in this folder");
    install_shell(
        "%s alone && for run in shared alone; do tessera inspect $run/runs/meet/tokenizer.h5 | grep digest > $run.digest; done && "
        "grep -q . alone.digest && cmp shared.digest alone.digest",
        run);
}
END_TEST

START_TEST(every_kind_with_a_template_is_tried)
{
    const char *said = install_shell_ends(USAGE, "tessera new zzzzzz x");
    int n = 0;
    for (const char *at = said; *at; at++)
        n += *at == ',';
    for (int i = 0; i < KINDS; i++)
        install_says(said, kinds[i].kind);
    ck_assert_int_eq(n + 1, KINDS);
}
END_TEST

static const struct {
    const char *arguments, *words;
} slips[] = {
    {"", "wanted KIND and NAME, found nothing"},
    {"source", "wanted KIND and NAME, found no name"},
    {"sorce x", "there is no kind `sorce`; did you mean `source`?"},
    {"source idx", "source/idx is there already, in "},
    {"source 2x", "a name is a letter a .. z"},
    {"source x-", "a name is a letter a .. z"},
    {"source X", "a name is a letter a .. z"},
    {"source ../x", "a name is a letter a .. z"},
    {"source class", "`class` is a word of C or C++"},
    {"source tess-x", "`tess-x` is Tessera's own prefix"},
    {"source x y", "wanted KIND NAME, found `y` besides"},
    {"source x --c++", "there is no flag `--c++`"},
    {"source x -o", "-o wants a value, DIR"},
};

START_TEST(a_wrong_name_is_told)
{
    install_says(install_shell_ends(USAGE, "tessera new %s", slips[_i].arguments), slips[_i].words);
    install_says(install_shell("ls | wc -l"), "0\n");
}
END_TEST

START_TEST(nothing_is_overwritten)
{
    install_shell("mkdir there && echo mine > there/file && touch file");
    install_says(install_shell_ends(NO_CREATE, "tessera new source x -o there"), "is there already, and nothing is overwritten");
    install_says(install_shell_ends(NO_CREATE, "tessera new source x -o file"), "is there already");
    install_says(install_shell_ends(NO_CREATE, "tessera new source x -o no/such/folder"), "No such file or directory");
    install_says(install_shell("ls there; cat there/file"), "file\nmine\n");
    install_shell("tessera -q new source two-words -o there/inner && grep -q 'struct two_words' there/inner/two-words.c");
}
END_TEST

START_TEST(meson_builds_and_tests_it)
{
    if (system("meson --version > out 2>&1 && ninja --version > out 2>&1") != 0) {
        printf("%s: left out, meson and ninja are not there\n", __func__);
        return;
    }
    install_shell("tessera new encoder one && cd one && export CCACHE_DISABLE=1 && meson setup build --werror && meson test -C build");
    install_shell(
        "tessera new encoder two --cxx && cd two && export CCACHE_DISABLE=1 && meson setup build --werror && meson test -C build");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("new");
    TCase *tests = tcase_create("projects"), *refused = tcase_create("refused");
    suite_add_tcase(suite, tests);
    suite_add_tcase(suite, refused);
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, install_enter, install_leave);
    tcase_add_loop_test(tests, a_new_project_passes_as_it_is, 0, 2 * KINDS);
    tcase_add_test(tests, a_format_takes_a_model_out_and_in);
    tcase_add_test(tests, a_checkpoint_names_a_model_anew);
    tcase_add_test(tests, a_transport_carries_a_training);
    tcase_add_test(tests, meson_builds_and_tests_it);
    tcase_add_checked_fixture(refused, install_enter, install_leave);
    tcase_add_test(refused, every_kind_with_a_template_is_tried);
    tcase_add_loop_test(refused, a_wrong_name_is_told, 0, sizeof slips / sizeof *slips);
    tcase_add_test(refused, nothing_is_overwritten);
    return suite_run(suite);
}
