/* User errors in a pipeline or in the overrides behind it on the command line: each is reported in one line, with its place, and none is
 * taken for something else. `tessera plan` reports all of them before any work.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/command_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"
#include "tests/support/told.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DONE = 0, USAGE = 2, NO_PLUGIN = 69 };

static void setup(void)
{
    (void)small_folder_enter();
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

/* ---- changes that put one component in the place of another --------------------------------------------------------- */

static const struct {
    const char *stages, *place, *words;
} extension[] = {
    {"  smples: {count: 3}\n", "bad.yaml:4:3",
     "`smples` is no stage of small.yaml, which is extended, and without `use` no new one; did you"
     " mean `samples`?"},
    {"  prior: {noise: {use: autoregressive}}\n", "small.yaml:20:29",
     "noise/autoregressive has no parameter `steps`; it stays from `absorbing`, whose place `autoregressive` took at bad.yaml:4:24: take "
     "it "
     "away as well, `prior.noise.steps=null`, or in a file `steps: null` there"},
    {"  prior: {denoiser: {use: unet}}\n", "small.yaml:21:34", "`prior.denoiser.embed_dim=null`"},
    {"  codes: {use: decode}\n", "small.yaml:14:29", "stage/decode has no input `images`; it stays from `encode`"},
    {"  codes: {use: decode}\n", "small.yaml:14:29", "`codes.in.images=null`, or in a file `images: null` there"},
    {"  tokenizer: {batch: 64,256}\n", "bad.yaml:4:25", "`256:` has nothing behind its colon"},
    {"  tokenizer: {batch: '64,256'}\n", "bad.yaml:4:22", "found the text \"64,256\"; it takes one value, not a list"},
    {"  tokenizer: {batch: [64, 256]}\n", "bad.yaml:4:22", "found a list of 2; it takes one value, not a list"},
};

START_TEST(what_stays_and_does_not_fit)
{
    char text[512];
    snprintf(text, sizeof text, "tessera: 1\nextends: small.yaml\nstages:\n%s", extension[_i].stages);
    small_write("bad.yaml", text);
    told(USAGE, extension[_i].place, extension[_i].words, "plan bad.yaml");
}
END_TEST

START_TEST(the_cure_for_what_stays)
{
    small_write("good.yaml", "tessera: 1\nextends: small.yaml\nstages:\n  prior: {noise: {use: autoregressive, steps: null}}\n");
    (void)command_ends(DONE, "", "plan good.yaml");
    (void)command_ends(DONE, "", "plan small.yaml prior.noise.use=autoregressive prior.noise.steps=null");
    (void)command_ends(DONE, "", "plan small.yaml prior.noise=autoregressive");
    small_write("bad.yaml",
                "tessera: 1\nextends: small.yaml\nparams: {K: 12}\nstages: {tokenizer: {quantizer: {codebook_size: '${K}'}}}\n");
    told(USAGE, "bad.yaml:4:49", "found the text \"64,256\"; it takes one value, not a list (`K`, command line:1:3)",
         "plan bad.yaml K=64,256");
}
END_TEST

/* The two ways to say another noise differ in what becomes of the values of the noise before, and each says so. */
START_TEST(what_stays_and_what_goes)
{
    static const char gone[] = "prior.noise: `uniform` takes its own steps: 1000, not 10 as was written for `absorbing`; "
                               "`prior.noise.use=uniform` would keep that\n";
    static const char kept[] = "prior.noise: `uniform` keeps what was written for `absorbing`: steps: 10 (its own: 1000); "
                               "`prior.noise=uniform` would take its own\n";
    ck_assert_str_eq(command_ends(DONE, "", "plan small.yaml prior.noise=uniform")->err, gone);
    ck_assert_str_eq(command_ends(DONE, "", "plan small.yaml prior.noise.use=uniform")->err, kept);
    ck_assert_str_eq(command_ends(DONE, "", "plan small.yaml prior.noise.use=uniform prior.noise.steps=9")->err, "");
    ck_assert_str_eq(command_ends(DONE, "", "plan small.yaml prior.noise=uniform prior.noise.steps=10")->err, "");
    ck_assert_str_eq(command_ends(DONE, "", "plan small.yaml prior.noise=uniform -q")->err, "");
    ck_assert_str_eq(command_ends(DONE, "", "plan small.yaml prior.noise.steps=1e3 prior.noise=uniform")->err, "");
    small_write("more.yaml", "tessera: 1\nextends: small.yaml\nparams: {T: 20}\nstages: {prior: {noise: {steps: '${T}'}}}\n");
    small_write("other.yaml", "tessera: 1\nextends: more.yaml\nstages: {prior: {noise: uniform}}\n");
    (void)command_ends(DONE, "takes its own steps: 1000, not 20 as was written", "plan other.yaml");
    (void)command_ends(DONE, "takes its own channel_mult: [1, 1, 2], not [1, 1]; attn_resolutions: [], not [4] as",
                       "plan small.yaml tokenizer.encoder=conv");
}
END_TEST

/* ---- text that is not what it looks like ----------------------------------------------------------------------------- */

#define PRIOR "tessera: 1\nextends: small.yaml\nstages:\n  prior:\n"

static const struct {
    const char *text, *place, *words;
} look[] = {
    {PRIOR "    steps\xef\xbc\x9a 3\n    batch: 4\n", "bad.yaml:5:10",
     "found U+FF1A, a full-width colon, so that this is not YAML; write `:`"},
    {PRIOR "    batch: 4\n    steps:\xc2\xa0"
           "3\n",
     "bad.yaml:6:11", "found U+00A0, a no-break space"},
    {PRIOR "    steps:\xc2\xa0"
           "3\n    batch: 4\n",
     "bad.yaml:5:11", "found U+00A0, a no-break space"},
    {PRIOR "\xc2\xa0   steps: 3\n", "bad.yaml:5:1", "found U+00A0, a no-break space, in a key"},
    {PRIOR "    ste\xe2\x80\x8bps: 3\n", "bad.yaml:5:8", "found U+200B, a zero-width space, in a key; take it out"},
    {PRIOR "    noise: uni\xe2\x80\x8b"
           "form\n",
     "bad.yaml:5:15", "found U+200B, a zero-width space, in a text without quotes"},
    {PRIOR "    noise: 'uni\xe2\x80\x8b"
           "form'\n",
     "bad.yaml:5:12", "(its character 4 is U+200B, a zero-width space)"},
    {PRIOR "    noise: \xe2\x80\x9cuniform\xe2\x80\x9d\n", "bad.yaml:5:12", "found U+201C, a typographic quotation mark"},
    {PRIOR "    lr: 1e\xe2\x88\x92"
           "4\n",
     "bad.yaml:5:9", "(its character 3 is U+2212, a minus sign)"},
    {PRIOR "    st\xd0\xb5ps: 3\n", "bad.yaml:5:5", "(its character 3 is U+0435, a Cyrillic letter); did you mean `steps`?"},
    {PRIOR "    in: {codes: c\xd0\xbe"
           "des}\n",
     "bad.yaml:5:17", "(its character 2 is U+043E, a Cyrillic letter); did you mean `codes`?"},
    {PRIOR "    # \xe2\x80\x9cmore\xe2\x80\x9d\xef\xbc\x9a\n    steps: [${K}]\n", "bad.yaml:6:14",
     "inside [ ] and { } write \"${name}\" with quotes"},
    {PRIOR "    steps: \"${K}\n", "bad.yaml:6:1", "found unexpected end of stream"},
    {PRIOR "    steps: ${K}: 1\n", "bad.yaml:5:16", "mapping values are not allowed in this context"},
    {PRIOR "    noise: [${K\n", "bad.yaml:5:14", "this is not YAML"},
    {PRIOR "    noise: @uniform\n", "bad.yaml:5:12", "found a text that begins with `@`"},
    {PRIOR "    steps: 3\a\n", "bad.yaml:5:13", "found the control character U+0007"},
    {PRIOR "    steps: \xff\n", "bad.yaml:5:12", "found the byte 0xff"},
    {PRIOR "    # \xe2\x80\x8b\xc3\xa9\xff\n", "bad.yaml:5:9", "found the byte 0xff"},
    {"\xff\xfet", "bad.yaml:1:1", "found UTF-16; save the file as UTF-8"},
    {"\xfe\xff", "bad.yaml:1:1", "found UTF-16"},
    {"tessera: 1\nbackend: cuda\nstages: {a: {use: encode}}\n", "bad.yaml:2:10", "backend: no backend is called `cuda`; there are `"},
};

START_TEST(what_is_not_what_it_looks_like)
{
    small_write("bad.yaml", look[_i].text);
    told(_i == sizeof look / sizeof *look - 1 || strstr(look[_i].text, "'uni") ? NO_PLUGIN : USAGE, look[_i].place, look[_i].words,
         "plan bad.yaml");
}
END_TEST

START_TEST(a_mark_at_the_beginning)
{
    static char text[8192];
    snprintf(text, sizeof text, "\xef\xbb\xbf%s", small_pipeline);
    small_write("mark.yaml", text);
    (void)command_ends(DONE, "", "plan mark.yaml");
    snprintf(text, sizeof text, "\xef\xbb\xbftessera: 1\r\nextends: mark.yaml\r\nstages: {prior: {steps: x}}\r\n");
    small_write("bad.yaml", text);
    told(USAGE, "bad.yaml:3:25", "found the text \"x\"", "plan bad.yaml");
    small_write("bad.yaml", "\xef\xbb\xbftessera: x\n");
    told(USAGE, "bad.yaml:1:10", "found the text \"x\"", "plan bad.yaml");
    told(NO_PLUGIN, "command line:1:9", "backend: no backend is called `cuda`", "plan small.yaml backend=cuda precision=f32");
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
    t = tcase_create("change");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_add_loop_test(t, what_stays_and_does_not_fit, 0, sizeof extension / sizeof *extension);
    tcase_add_test(t, the_cure_for_what_stays);
    tcase_add_test(t, what_stays_and_what_goes);
    suite_add_tcase(s, t);
    t = tcase_create("text");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_add_loop_test(t, what_is_not_what_it_looks_like, 0, sizeof look / sizeof *look);
    tcase_add_test(t, a_mark_at_the_beginning);
    suite_add_tcase(s, t);
    return suite_run(s);
}
