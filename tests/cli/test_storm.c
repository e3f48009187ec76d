/* Two runs at once of a pipeline with every stage, killed at named points two hundred times in all and begun again, leave the artefacts of
 * one run that nobody disturbed: on 1, 2 and 4 threads, which differ from try to try. TESSERA_KILLS says how many kills.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/command_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static const char storm_yaml[] =
    "tessera: 1\n"
    "name: small\n"
    "extends: small.yaml\n"
    "stages:\n"
    "  tokenizer: {steps: 25, ema_decay: 0.9}\n"
    "  prior: {steps: 40, denoiser: {dropout: 0.1}}\n"
    "  samples: {count: 70}\n"
    "  rebuilt: {use: refit, in: {images: images, model: tokenizer}, pool: 2000, codebook_size: 8, steps: 20, batch: 8}\n"
    "  head: {use: train-likelihood, in: {images: images, model: tokenizer}, steps: 20, batch: 8}\n"
    "  mask: {use: import, source: {use: idx, images: mask}}\n"
    "  edited: {use: edit, in: {images: images, mask: mask, model: tokenizer, prior: prior}, limit: 5, variants: 3, split: all}\n"
    "  wide: {use: sample-canvas, in: {prior: prior, model: tokenizer}, count: 2, height: 12, width: 18}\n"
    "  like: {use: nearest-neighbours, in: {images: images, samples: samples}}\n";

static const char *const stage[] = {"images",  "tokenizer", "codes", "prior",  "samples", "decoded", "metrics",
                                    "rebuilt", "head",      "mask",  "edited", "wide",    "like",    NULL};

static const char line[] = "run storm.yaml --threads %d --workdir wild"; /* not -q: what resumes says so */

/* Left halves are kept. */
static void write_mask(void)
{
    uint8_t mask[SMALL_H * SMALL_W];
    for (int at = 0; at < SMALL_H * SMALL_W; at++)
        mask[at] = at % SMALL_W < SMALL_W / 2 ? 255 : 0;
    small_write_idx("mask", 3, (const int64_t[]){1, SMALL_H, SMALL_W}, mask, sizeof mask);
}

static void setup(void)
{
    (void)small_folder_enter();
    small_make_data(500);
    write_mask();
    small_write("storm.yaml", storm_yaml);
    (void)command_ends(0, "", "run storm.yaml -q --threads 1 --workdir calm");
}

START_TEST(any_number_of_threads)
{
    for (int threads = 2; threads <= 4; threads *= 2) {
        char workdir[16], after[32];
        snprintf(workdir, sizeof workdir, "calm%d", threads);
        snprintf(after, sizeof after, "on %d threads", threads);
        (void)command_ends(0, "", "run storm.yaml -q --threads %d --workdir %s", threads, workdir);
        command_same_and_whole(stage, "calm", workdir, after);
    }
}
END_TEST

START_TEST(twins_killed_two_hundred_times)
{
    const char *asked = getenv("TESSERA_KILLS");
    int want = asked ? atoi(asked) : 200, killed = 0, resumed = 0;
    for (int storm = 1; killed < want; storm++) {
        ck_assert_int_eq(system("rm -rf wild"), 0);
        struct command_kills k = command_twins_killed_until_they_end(line, line);
        ck_assert_int_gt(k.killed, 0);
        killed += k.killed;
        resumed += k.resumed;
        char after[64];
        snprintf(after, sizeof after, "in storm %d, after %d kills", storm, killed);
        command_same_and_whole(stage, "calm", "wild", after);
    }
    printf("killed %d times, resumed %d times\n", killed, resumed);
    ck_assert_int_gt(resumed, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("storm");
    TCase *t = tcase_create("storm");
    tcase_set_timeout(t, 600);
    tcase_add_unchecked_fixture(t, setup, small_folder_leave);
    tcase_add_test(t, any_number_of_threads);
    tcase_add_test(t, twins_killed_two_hundred_times);
    suite_add_tcase(s, t);
    return suite_run(s);
}
