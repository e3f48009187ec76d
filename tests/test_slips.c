/* What a user gets wrong in a pipeline or behind it on the command line: each slip is told in one line, with its place, and none is taken
 * for something else. Everything here is said by `tessera plan` before any work.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/command_bench.h"
#include "tests/small_pipeline.h"
#include "tests/suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DONE = 0, USAGE = 2, NO_PLUGIN = 69 };

static void setup(void)
{
    (void)small_folder_enter();
}

/* One line on stderr which begins with the place and has the words; nothing on stdout. */
static void told(int code, const char *place, const char *words, const char *line)
{
    char wanted[128];
    const struct command_result *r = command_ends(code, words, "%s", line);
    snprintf(wanted, sizeof wanted, "tessera: %s: ", place);
    ck_assert_msg(strncmp(r->err, wanted, strlen(wanted)) == 0, "%s\nwanted it at %s\nfound %s", line, wanted, r->err);
    ck_assert_msg(strchr(r->err, '\n') == r->err + strlen(r->err) - 1, "not one line: %s", r->err);
    ck_assert_str_eq(r->out, "");
}

/* ---- keys that are null, empty, a list or a map --------------------------------------------------------------------- */

static const char *const setting[] = {"name", "seed", "backend", "precision", "params", "stages"};
#define SETTINGS ((int)(sizeof setting / sizeof *setting))

START_TEST(settings_that_are_no_value)
{
    static const struct {
        const char *put, *found;
    } form[] = {{"", "nothing"}, {" null", "nothing"}, {" ~", "nothing"}, {" [1, 2]", "a list of 2"}, {" {a: 1}", "a map"},
                {" word", "the text \"word\""}};
    char text[256], words[64], place[64];
    const char *key = setting[_i];
    int is_map = _i >= 4;
    for (int i = 0; i < 6; i++) {
        if (i == (is_map ? 4 : 5))
            continue;
        snprintf(text, sizeof text, "%s:%s\ntessera: 1\n%s", key, form[i].put, _i == 5 ? "" : "stages: {a: {use: encode}}\n");
        small_write("bad.yaml", text);
        snprintf(words, sizeof words, ", found %s", form[i].found);
        snprintf(place, sizeof place, "bad.yaml:1:%zu", strlen(key) + (i ? 3 : 2));
        told(USAGE, place, words, "plan bad.yaml");
    }
}
END_TEST

START_TEST(settings_changed_to_no_value)
{
    static const struct {
        const char *put, *words;
    } form[] = {{"", "wanted a value behind `=`, found nothing"}, {"[1,2]", "found a list of 2"}, {"{a:1}", "found a map"},
                {"\"\"", "found the text \"\""}};
    char line[128], place[64];
    small_write("all.yaml", "tessera: 1\nname: all\nseed: 1\nbackend: openblas\nprecision: f32\nstages: {a: {use: encode}}\n");
    const char *key = setting[_i];
    for (int i = 0; i < 4; i++) {
        snprintf(line, sizeof line, "plan all.yaml %s=%s", key, form[i].put);
        snprintf(place, sizeof place, "command line:1:%zu", i ? strlen(key) + 2 : 1);
        told(USAGE, place, form[i].words, line);
    }
    /* A null takes the key away: what holds without it holds. The stage has no input, which is said once all the keys are fine. */
    snprintf(line, sizeof line, "plan all.yaml %s=null", key);
    told(USAGE, "all.yaml:6:10", "stage `a` wants `in: {", line);
}
END_TEST

static const struct {
    const char *line, *place, *words;
} change[] = {
    {"plan small.yaml tokenizer.steps=", "command line:1:1", "`tokenizer.steps=`: wanted a value behind `=`, found nothing"},
    {"plan small.yaml seed=1 tokenizer.quantizer.use=", "command line:2:1", "tokenizer.quantizer.use=null takes the key away"},
    {"plan small.yaml samples=", "command line:1:1", "found nothing"},
    {"plan small.yaml samples=3", "command line:1:1", "like samples.seed=1; samples=null takes the stage away"},
    {"plan small.yaml smples=3", "command line:1:1", "did you mean a key of the stage `samples`, like samples.seed=1?"},
    {"plan small.yaml sed=3", "command line:1:1", "did you mean `seed`?"},
    {"plan small.yaml tokenizer=null", "small.yaml:14:52", "there is no stage `tokenizer`"},
    {"plan small.yaml stages=null", "command line:1:1", "`stages` as a whole is said in the file alone"},
    {"plan small.yaml tessera=1", "command line:1:1", "`tessera` as a whole is said in the file alone"},
    {"plan small.yaml extends=x.yaml", "command line:1:1", "`extends` as a whole is said in the file alone"},
    {"plan small.yaml samples.count=null prior.stepz=null", "command line:2:1",
     "`stepz: null` takes a key away, and there is no `stepz` to take; did you mean `steps`?"},
};

START_TEST(changes_that_are_no_value)
{
    told(USAGE, change[_i].place, change[_i].words, change[_i].line);
}
END_TEST

START_TEST(what_a_null_takes_away)
{
    const struct command_result *r = command_ends(DONE, "", "plan small.yaml samples=null name=null");
    ck_assert_msg(!strstr(r->out, "samples ") && strstr(r->out, "6 to run") && strstr(r->out, "runs/small\n"), "%s", r->out);
    small_write("other.yaml", "tessera: 1\nextends: small.yaml\nname: another\nstages: {samples: ~}\n");
    r = command_ends(DONE, "", "plan other.yaml name=null");
    ck_assert_msg(!strstr(r->out, "samples ") && strstr(r->out, "runs/other\n"), "%s", r->out);
    small_write("other.yaml", "tessera: 1\nextends: small.yaml\nstages:\n  samples:\n  prior: {steps: 3}\n");
    told(USAGE, "other.yaml:4:3", "`samples:` has nothing behind its colon", "plan other.yaml");
    small_write("other.yaml", "tessera: 1\nextends: small.yaml\nparams: {file: }\nstages: {images: {source: {images: '${file}'}}}\n");
    told(USAGE, "other.yaml:3:10", "params: `file:` has nothing behind its colon", "plan other.yaml");
    small_write("other.yaml", "tessera: 1\nextends: small.yaml\nparams: {d: null}\nstages: {images: {source: {images: '${d}/images'}}}\n");
    told(USAGE, "other.yaml:4:36", "`${d}` stands inside a text and has no value: it is null at other.yaml:3:13", "plan other.yaml");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("slips");
    TCase *t = tcase_create("null");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_add_loop_test(t, settings_that_are_no_value, 0, SETTINGS);
    tcase_add_loop_test(t, settings_changed_to_no_value, 0, 4);
    tcase_add_loop_test(t, changes_that_are_no_value, 0, sizeof change / sizeof *change);
    tcase_add_test(t, what_a_null_takes_away);
    suite_add_tcase(s, t);
    return suite_run(s);
}
