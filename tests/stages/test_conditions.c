/* Labels from end to end: the small pipeline with a prior that is told them, run by the program; what is asked for is drawn, kept with the
 * samples, and the same for any number of threads and however often it was killed. Wrong questions have answers when it is planned.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/command_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"
#undef fail /* Check's old macro, in the way of a context's fail */

#include <tessera/plugin.h>

/* The stage from inside, for what is drawn in training. */
#define tess_plugin_1 train_prior_plugin
extern const struct tess_plugin train_prior_plugin;
#include "plugins/stages/train_prior.c"
#undef tess_plugin_1

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define TOLD "prior.condition=labels prior.steps=40 "

static void setup(void)
{
    (void)small_folder_enter();
}

/* The text of `inspect` behind these words. */
static const char *found(const char *file, const char *words)
{
    const char *at = strstr(command_ends(0, "", "inspect %s", file)->out, words);
    ck_assert_msg(at != NULL, "%s has no %s", file, words);
    return at + strlen(words);
}

static void same(const char *one, const char *two, const char *stage)
{
    char path[128], text[2][96];
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/runs/small/%s.h5", i ? two : one, stage);
        const char *at = found(path, "digest");
        snprintf(text[i], sizeof text[i], "%.*s", (int)strcspn(at, "\n"), at);
    }
    ck_assert_msg(strcmp(text[0], text[1]) == 0, "%s differs between %s and %s", stage, one, two);
}

START_TEST(labels_are_kept_with_the_samples)
{
    (void)command_ends(0, "", "run small.yaml -q " TOLD "samples.each=2 samples.guidance=1.5");
    ck_assert_int_eq(atoi(found("runs/small/prior.h5", "\n  classes ")), 5);
    ck_assert_int_eq(atoi(found("runs/small/samples.h5", "\n  count ")), 10);
    ck_assert(strtod(found("runs/small/samples.h5", "\n  guidance "), NULL) == 1.5);
    (void)found("runs/small/samples.h5", "(1 + w) conditional - w unconditional");
    (void)found("runs/small/samples.h5", "/labels");
    (void)found("runs/small/metrics.h5", "prior's bound");
    (void)found("runs/small/prior.h5", "/weights/denoiser/label_emb/weight");
}
END_TEST

START_TEST(every_noise_and_denoiser_is_told)
{
#define UNET                                                                                                                               \
    "prior.denoiser.use=unet prior.denoiser.embed_dim=null prior.denoiser.layers=null prior.denoiser.channels=16 "                         \
    "prior.denoiser.channel_mult=[1] prior.denoiser.head_dim=8"
    static const char *const of[] = {"prior.noise.use=uniform", "prior.noise.use=uniform " UNET, UNET,
                                     "prior.noise.use=autoregressive prior.noise.steps=null",
                                     "prior.noise.use=autoregressive prior.noise.steps=null samples.every_step=true"};
    (void)command_ends(0, "", "run small.yaml -q " TOLD "samples.labels=[4,-1,0] samples.guidance=2 %s", of[_i]);
    (void)found("runs/small/samples.h5", "/labels");
}
END_TEST

static const struct {
    int code;
    const char *words, *line;
} wrong[] = {
    {2, "`guidance` is given, and this prior is told no labels", "plan small.yaml samples.guidance=1"},
    {2, "`labels` is given, and this prior is told no labels", "plan small.yaml samples.labels=[0]"},
    {2, "`each` is 3, of a class, and this prior is told no labels", "plan small.yaml samples.each=3"},
    {2, "labels: 5 is none of this prior's classes, which are 0 .. 4", "plan small.yaml prior.condition=labels samples.labels=[1,5]"},
    {65, "`condition: labels` is given, and the codes have no labels", "plan small.yaml prior.condition=labels images.source.labels=null"},
    {2, "condition", "plan small.yaml prior.condition=texts"},
    {2, "a prior of noise `uniform` has no mask", "plan small.yaml prior.noise.use=uniform samples.sampler=maskgit"},
    {69, "no sampler is called `maskgid`", "plan small.yaml samples.sampler=maskgid"}};

START_TEST(wrong_questions)
{
    (void)command_ends(wrong[_i].code, wrong[_i].words, "%s", wrong[_i].line);
}
END_TEST

START_TEST(neither_threads_nor_batches_count)
{
#define DRAWN TOLD "samples.each=3 samples.guidance=1 samples.sampler=maskgit samples.steps=6"
    (void)command_ends(0, "", "run small.yaml -q --workdir one --threads 1 " DRAWN);
    (void)command_ends(0, "", "run small.yaml -q --workdir four --threads 4 samples.batch=2 " DRAWN);
    same("one", "four", "prior");
    same("one", "four", "samples");
    (void)found("one/runs/small/samples.h5", "{use: maskgit, choice_temperature: 4.5, schedule: cosine}");
}
END_TEST

START_TEST(killed_again_and_again)
{
#define LONGER TOLD "prior.ema_decay=0.9 samples.each=12 samples.guidance=1 samples.sampler=maskgit samples.steps=20"
    (void)command_ends(0, "", "run small.yaml -q --threads 1 --workdir calm " LONGER);
    (void)command_ends(0, "", "run small.yaml -q --workdir wild --until codes " LONGER);
    int killed = command_killed_until_it_ends("run small.yaml -q --threads %d --workdir wild " LONGER, NULL).killed;
    ck_assert_msg(killed >= 3, "killed %d times", killed);
    same("calm", "wild", "prior");
    same("calm", "wild", "samples");
}
END_TEST

/* The shade of the small images is their class: a classifier learns it, and a prior that is told it draws it. One sample in four is right
 * by chance; over six seeds 72 to 88 % were, and another backend's prior is another draw. */
START_TEST(what_is_asked_for_is_drawn)
{
    small_make_shades();
    small_write("shades.yaml", "tessera: 1\n"
                               "extends: small.yaml\n"
                               "name: small\n"
                               "stages:\n"
                               "  images: {source: {labels: shades}, pad: 16}\n"
                               "  tokenizer: {steps: 150, lr: 3e-3}\n"
                               "  prior: {condition: labels, steps: 1000, lr: 3e-3}\n"
                               "  samples: {each: 8, guidance: 1}\n"
                               "  features:\n"
                               "    use: train-features\n"
                               "    in: {images: images}\n"
                               "    network: {use: vgg16, channels: 4, range: unit}\n"
                               "    keep_classifier: true\n"
                               "    steps: 150\n"
                               "    batch: 11\n"
                               "    lr: 3e-3\n"
                               "  told: {use: classify, in: {images: samples, features: features}}\n"
                               "  told-images: {use: classify, in: {images: images, features: features}}\n"
                               "  judged:\n"
                               "    use: evaluate\n"
                               "    in: {images: images, model: tokenizer, samples: samples, features: features}\n"
                               "    metrics: [classifier]\n");
    (void)command_ends(0, "", "run shades.yaml -q");
    double images = strtod(found("runs/small/told-images.h5", "classified as labelled"), NULL);
    double samples = strtod(found("runs/small/told.h5", "classified as labelled"), NULL);
    ck_assert_msg(images >= 90.0 && samples >= 50.0, "%g %% of the images and %g %% of the samples are what their labels say", images,
                  samples);
    ck_assert_double_eq(strtod(found("runs/small/judged.h5", "accuracy of images"), NULL), images);
    ck_assert_double_eq(strtod(found("runs/small/judged.h5", "accuracy of samples"), NULL), samples);
    (void)command_ends(65, "it has features and no classifier", "plan shades.yaml features.keep_classifier=false");
    (void)command_ends(65, "labels of 0 classes", "plan shades.yaml prior.condition=none samples.each=0 samples.guidance=0");
}
END_TEST

/* A share of `condition_drop` of the labels is left out, each by a draw of its own. */
START_TEST(labels_are_dropped_at_their_rate)
{
    enum { SAMPLES = 20000, CLASSES = 3 };
    struct stage stage = {.condition = CONDITION_LABELS, .condition_drop = 0.1};
    int32_t label[CLASSES] = {0, 1, 2};
    struct work k = {.s = &stage, .trained = {.size = sizeof k.trained, .classes = CLASSES}, .labels = {.data = label}, .seed = 7};
    int dropped = 0;
    for (uint32_t i = 0; i < SAMPLES; i++) {
        struct tess_stream s = {.seed = 7, .purpose = tess_purpose("prior.time"), .step = i / 64, .sample = i % 64};
        int32_t told = train_prior_label(&k, &s, i % CLASSES);
        ck_assert(told == CLASSES || told == (int32_t)(i % CLASSES));
        dropped += told == CLASSES;
    }
    double deviations = fabs(dropped - 0.1 * SAMPLES) / sqrt(SAMPLES * 0.09);
    ck_assert_msg(deviations < 4.0, "%d of %d dropped", dropped, SAMPLES);
    stage.condition_drop = 0.0;
    ck_assert_int_eq(train_prior_label(&k, &(struct tess_stream){.seed = 1}, 2), 2);
    stage.condition_drop = 1.0;
    ck_assert_int_eq(train_prior_label(&k, &(struct tess_stream){.seed = 1}, 2), CLASSES);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("conditions");
    TCase *t = tcase_create("conditions");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_add_test(t, labels_are_kept_with_the_samples);
    tcase_add_loop_test(t, every_noise_and_denoiser_is_told, 0, 5);
    tcase_add_loop_test(t, wrong_questions, 0, (int)(sizeof wrong / sizeof *wrong));
    tcase_add_test(t, neither_threads_nor_batches_count);
    tcase_add_test(t, killed_again_and_again);
    tcase_add_test(t, what_is_asked_for_is_drawn);
    tcase_add_test(t, labels_are_dropped_at_their_rate);
    suite_add_tcase(s, t);
    return suite_run(s);
}
