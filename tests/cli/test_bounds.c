/* Values out of range, keys without effect, and unknown words in a pipeline: each reported in one line, with its place.
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

enum { DONE = 0, USAGE = 2, IO = 74 };

static void setup(void)
{
    (void)small_folder_enter();
}

/* ---- parts in stages that cannot use them ---------------------------------------------------------------------------- */

START_TEST(a_part_that_another_stage_makes)
{
    static const char words[] =
        "`quantizer: refit` learns nothing from its initial values: stage/refit makes it of a model that is trained; train "
        "another quantizer here, and run that stage on what comes of it, or give a `model` that has one";
    told(USAGE, "small.yaml:6:3", words, "plan small.yaml tokenizer.quantizer.use=refit -q");
    told(USAGE, "small.yaml:6:3", words, "run small.yaml tokenizer.quantizer=refit -q");
    small_write("refit.yaml", "tessera: 1\nextends: small.yaml\nstages:\n"
                              "  rebuilt: {use: refit, in: {images: images, model: tokenizer}, pool: 100, steps: 2, batch: 4}\n"
                              "  tuned: {use: train-autoencoder, in: {images: images, model: rebuilt}, steps: 2, batch: 4}\n"
                              "  said: {use: train-autoencoder, in: {images: images, model: rebuilt}, steps: 2, batch: 4,\n"
                              "    quantizer: {use: refit, codebook_size: 12, code_dim: 6}}\n");
    (void)command_ends(DONE, "", "plan refit.yaml");
    const struct command_result *r = command_ends(DONE, "", "plugins quantizer/refit");
    ck_assert(strstr(r->out, "made by stage/refit") != NULL);
    small_write("features.yaml",
                "tessera: 1\nextends: small.yaml\nstages:\n"
                "  learnt: {use: train-features, in: {images: images}, network: {use: vgg16, channels: 8, weights: x.pth}}\n");
    told(USAGE, "features.yaml:4:3", "x.pth` would not be read", "plan features.yaml");
}
END_TEST

/* ---- values and files that are out of bounds ------------------------------------------------------------------------- */

static const struct {
    const char *change, *words;
} bound[] = {
    {"prior.lr=1e400", "wants a number 0 .. 10, found 1e400"},
    {"prior.lr=1e-400", "wants a number 0 .. 10, found 1e-400"},
    {"prior.lr=.nan", "found .nan"},
    {"prior.lr=-.inf", "found -.inf"},
    {"prior.lr=nan", "found the text \"nan\""},
    {"prior.steps=1_000", "found the text \"1_000\"; digits stand without `_`"},
    {"prior.steps=64,256", "found the text \"64,256\"; it takes one value, not a list"},
    {"prior.steps=[64,256]", "found a list of 2; it takes one value, not a list"},
    {"prior.steps=0x", "found the text \"0x\""},
    {"prior.steps=99999999999999999999", "found 99999999999999999999"},
    {"prior.steps=\"5\"", "found the text \"5\""},
    {"prior.steps=a=b", "found the text \"a=b\""},
    {"seed=18446744073709551616", "`seed` wants an integer 0 .. 9223372036854775807, found 18446744073709551616"},
    {"prior.seed=-1", "`seed` wants an integer 0 .. 9223372036854775807, found -1"},
    {"prior.recompute=yes", "wants true or false, found the text \"yes\""},
};

START_TEST(values_out_of_bounds)
{
    char line[128], place[64];
    const char *change_ = bound[_i].change;
    snprintf(line, sizeof line, "plan small.yaml %s", change_);
    snprintf(place, sizeof place, "command line:1:%d", (int)(strchr(change_, '=') - change_) + 2);
    told(USAGE, place, bound[_i].words, line);
}
END_TEST

START_TEST(values_within_bounds)
{
    (void)command_ends(DONE, "", "plan small.yaml prior.steps=0x10 prior.batch=0o12 tokenizer.steps=017 prior.lr=+.5e-2 samples.count=1e1");
    (void)command_ends(DONE, "", "plan small.yaml prior.lr=0e9 tokenizer.lr=0.0");
}
END_TEST

/* Text that grows while it is read, and names that stand for names: each ends at a bound, and none at the end of the stack. */
START_TEST(files_out_of_bounds)
{
    enum { CAPACITY = 1 << 20 };
    char *text = malloc(CAPACITY), *at;
    strcpy(text, "tessera: 1\nstages: {a: {use: \"${a8000}\"}}\nparams:\n  a0: x\n");
    at = text + strlen(text);
    for (int i = 1; i <= 900; i++)
        at += sprintf(at, "  a%d: \"${a%d}\"\n", i, i - 1);
    at += sprintf(at, "  a8000: \"${a900}\"\n");
    small_write("bad.yaml", text);
    told(USAGE, "bad.yaml:806:9", "wanted at most 100 names that stand for one another", "plan bad.yaml");
    at = text + sprintf(text, "tessera: 1\nparams:\n");
    for (int i = 0; i <= 1000; i++)
        at += sprintf(at, "  k%d: 1\n", i);
    small_write("bad.yaml", text);
    told(USAGE, "bad.yaml:1003:3", "wanted at most 1000 keys in a map", "plan bad.yaml");
    at = text + sprintf(text, "- x\n");
    for (int i = 0; i <= 1000; i++)
        at += sprintf(at, "- &a%d x\n", i);
    small_write("bad.yaml", text);
    told(USAGE, "bad.yaml:1002:3", "wanted at most 1000 anchors", "plan bad.yaml");
    sprintf(text, "tessera: 1\nparams: {%0300d: 1}\n", 7);
    small_write("bad.yaml", text);
    told(USAGE, "bad.yaml:2:10", "wanted a key of at most 255 bytes, found 300", "plan bad.yaml");
    small_write("bad.yaml", "tessera: 1\n\"pa\\erams\": {}\n");
    told(USAGE, "bad.yaml:2:1", "found the control character U+001B in it", "plan bad.yaml");
    small_write("bad.yaml", "tessera: 1\nstages: {a: {use: encode}}\nseed: \"1\\n\\e[31m2\"\n");
    told(USAGE, "bad.yaml:3:7", "found the text \"1  [31m2\"", "plan bad.yaml");
    small_write("bad.yaml", "tessera: 1\nextends: \"no\\e[31mthing\"\n");
    const struct command_result *r = command_ends(IO, "no\\x1b[31mthing: cannot be read", "plan bad.yaml");
    ck_assert_ptr_null(strchr(r->err, 27));
    free(text);
}
END_TEST

/* ---- parameters that contradict each other --------------------------------------------------------------------------- */

static const struct {
    const char *change, *said;
} contradiction[] = {
    {"prior.warmup=100",
     "command line:1:14: stage `prior`: `warmup: 100` is more than `steps: 9`: the learning rate gets to 0.09 of `lr: 0.001`"
     " and no further\n"},
    {"tokenizer.lr=0", "command line:1:14: stage `tokenizer`: `lr: 0` learns nothing in all of its 12 steps; `steps: 0` takes no time for "
                       "that\n"},
    {"tokenizer.lr_final=0.1", "command line:1:20: stage `tokenizer`: `lr_final` counts with `schedule: cosine` alone, and the schedule is "
                               "constant\n"},
    {"prior.ema_every=3", "command line:1:17: stage `prior`: `ema_every` counts where there is an `ema_decay` alone, and there is "
                          "none\n"},
    {"prior.ema_every=10 prior.ema_decay=0.9", "command line:1:17: stage `prior`: `ema_every: 10` is more than `steps: 9`: the average, "
                                               "which is kept, is that of the first weights\n"},
    {"tokenizer.log_every=13", "command line:1:21: stage `tokenizer`: `log_every: 13` is more than `steps: 12`: nothing of it goes to the "
                               "log before its end\n"},
    {"tokenizer.log_every=12", ""},
    {"tokenizer.critic.use=patchgan tokenizer.critic.layers=1 tokenizer.adversarial_start=12",
     "command line:3:29: stage `tokenizer`: `adversarial_start: 12` is not within `steps: 12`: the critic is trained and never counts\n"},
    {"prior.batch=34",
     "command line:1:13: stage `prior`: `batch: 34` is more than the 33 samples to train on, which each batch has again and "
     "again\n"},
    {"prior.warmup=9 prior.batch=33 tokenizer.lr_final=0.1 tokenizer.schedule=cosine prior.ema_decay=0.9 prior.ema_every=9", ""},
    {"prior.steps=0 prior.warmup=100", ""},
};

START_TEST(parameters_that_contradict_each_other)
{
    const struct command_result *r = command_ends(DONE, "", "plan small.yaml %s", contradiction[_i].change);
    ck_assert_str_eq(r->err, contradiction[_i].said);
}
END_TEST

/* ---- keys by their former names -------------------------------------------------------------------------------------- */

START_TEST(a_former_key_is_refused_with_the_new_one)
{
    static const char *const key[][3] = {{"tokenizer", "slices=4", "`slices` is called `microbatches` now"},
                                         {"prior", "average=0.9", "`average` is called `ema_decay` now"},
                                         {"prior", "average_every=2", "`average_every` is called `ema_every` now"},
                                         {"tokenizer", "adversarial_most=2", "`adversarial_most` is called `adversarial_weight_max` now"}};
    for (size_t i = 0; i < sizeof key / sizeof *key; i++)
        (void)command_ends(USAGE, key[i][2], "plan small.yaml %s.%s", key[i][0], key[i][1]);
}
END_TEST

/* ---- words that are no verb ------------------------------------------------------------------------------------------ */

static const struct {
    const char *word, *words;
} verb[] = {
    {"clean", "which may be deleted"},
    {"resume", "`tessera run P.yaml` goes on"},
    {"train", "training is a stage of a pipeline"},
    {"ls", "`tessera plugins` lists what there is"},
    {"status", "`tessera plan P.yaml`"},
    {"version", "`tessera --version`"},
    {"help clean", "which may be deleted"},
    {"show", "`tessera view FILE`"},
    {"evaluate", "`evaluate` is a stage of pipelines"},
    {"sample", "`sample` is a stage of pipelines"},
    {"rnu", "did you mean `run`?"},
    {"pan", "did you mean `plan`?"},
    {"plugin", "did you mean `plugins`?"},
    {"inpsect", "did you mean `inspect`?"},
    {"small.yaml", "did you mean `run small.yaml`, or `plan small.yaml`?"},
    {"codes.h5", "did you mean `inspect codes.h5`"},
    {"frobnicate", "there are run, sweep, submit, table, "},
};

START_TEST(words_that_are_no_verb)
{
    const struct command_result *r = command_ends(USAGE, verb[_i].words, "%s", verb[_i].word);
    ck_assert_msg(strncmp(r->err, "tessera: there is no verb `", 27) == 0 && strchr(r->err, '\n')[1] == '\0', "%s", r->err);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bounds");
    TCase *t = tcase_create("bounds");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_add_loop_test(t, values_out_of_bounds, 0, sizeof bound / sizeof *bound);
    tcase_add_test(t, values_within_bounds);
    tcase_add_test(t, files_out_of_bounds);
    tcase_add_loop_test(t, parameters_that_contradict_each_other, 0, sizeof contradiction / sizeof *contradiction);
    tcase_add_test(t, a_former_key_is_refused_with_the_new_one);
    tcase_add_test(t, a_part_that_another_stage_makes);
    tcase_add_loop_test(t, words_that_are_no_verb, 0, sizeof verb / sizeof *verb);
    suite_add_tcase(s, t);
    return suite_run(s);
}
