/* Stages that ranks share beside training: results are those of one process, and the log tells that the work was shared. Stopped runs go on
 * with as many ranks or others. SPDX-License-Identifier: MIT */
#include "tests/support/command_fixture.h"
#include "tests/support/encode_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { COUNT = 60, SIDE = 16, PICTURES = 45 };

static const char pipeline[] =
    "tessera: 1\n"
    "name: small\n"
    "extends: small.yaml\n"
    "stages:\n"
    "  tokenizer: {steps: 2}\n"
    "  refit: {use: refit, in: {images: images, model: tokenizer}, steps: 2, batch: 10, pool: 700, iterations: 3}\n"
    "  likelihood: {use: train-likelihood, in: {images: images, model: refit}, steps: 2, batch: 10}\n"
    "  codes: {batch: 24}\n"
    "  prior: {steps: 2}\n"
    "  causal:\n"
    "    {use: train-prior, in: {codes: codes}, steps: 2, batch: 10, noise: {use: autoregressive},\n"
    "     denoiser: {use: transformer, embed_dim: 32, layers: 1, heads: 2}}\n"
    "  features: {use: train-features, in: {images: images}, network: {use: vgg16, channels: 4}, steps: 2, batch: 10,\n"
    "             keep_classifier: true}\n"
    "  samples: {count: 27, batch: 16}\n"
    "  drawn: {use: sample, in: {prior: causal, model: tokenizer}, count: 21, batch: 8}\n"
    "  metrics: {in: {samples: samples, features: features},\n"
    "            metrics: [psnr, lpips, classifier, frechet, {use: kernel, subsets: 5, subset: 9}, precision-recall], draws: 2}\n"
    "  told: {use: classify, in: {images: images, features: features}}\n"
    "  near: {use: nearest-neighbours, in: {samples: samples, images: images, features: features}, neighbours: 3}\n"
    "  edited: {use: edit, in: {images: images, mask: mask, model: tokenizer, prior: prior}, variants: 3, limit: 9}\n"
    "  mask: {use: import, source: {use: idx, images: masks}}\n"
    "  canvas: {use: sample-canvas, in: {prior: prior, model: tokenizer}, height: 10, width: 12, count: 3}\n";

/* Pictures that are decoded, some of them damaged: by an import, and by an encode from their files. */
static const char decoding[] =
    "tessera: 1\n"
    "name: small\n"
    "extends: small.yaml\n"
    "stages:\n"
    "  tokenizer: {steps: 2}\n"
    "  prior: null\n"
    "  samples: null\n"
    "  decoded: null\n"
    "  metrics: null\n"
    "  codes: {batch: 24}\n"
    "  pictures: {use: import, source: {use: folder, path: pictures}, size: 16, crop: 16, pad: 16, skip_bad: true, split: 0.8,\n"
    "             shuffle: true}\n"
    "  archive: {use: encode, in: {model: tokenizer}, source: {use: folder, path: pictures}, crops: multi, crop_count: 3,\n"
    "            size: 20, batch: 16, skip_bad: true}\n";

static const char *const decoded[] = {"tokenizer", "pictures", "archive", NULL};

static const char *const stages[] = {"tokenizer", "refit",   "likelihood", "codes", "prior",  "causal", "features", "samples",
                                     "drawn",     "metrics", "told",       "near",  "edited", "canvas", "decoded",  NULL};

static void setup(void)
{
    static uint8_t image[COUNT * SIDE * SIDE], mask[SIDE * SIDE], label[COUNT];
    (void)small_folder_enter();
    for (int i = 0; i < COUNT * SIDE * SIDE; i++)
        image[i] = small_pixel(i / (SIDE * SIDE), i % (SIDE * SIDE));
    for (int i = 0; i < SIDE * SIDE; i++)
        mask[i] = i % SIDE < SIDE / 2 ? 255 : 0;
    for (int i = 0; i < COUNT; i++)
        label[i] = small_label(i);
    small_write_idx("images", 3, (const int64_t[]){COUNT, SIDE, SIDE}, image, sizeof image);
    small_write_idx("labels", 1, (const int64_t[]){COUNT}, label, sizeof label);
    small_write_idx("masks", 3, (const int64_t[]){1, SIDE, SIDE}, mask, sizeof mask);
    small_write("shared.yaml", pipeline);
    small_write("decoding.yaml", decoding);
    ck_assert_int_eq(mkdir("pictures", 0755), 0);
    for (int i = 0; i < PICTURES; i++) {
        char path[32];
        snprintf(path, sizeof path, "pictures/%02d.png", i);
        encode_write_picture(path, i, 20 + i % 20, 30 + i % 30);
    }
    (void)command_ends(0, "", "run decoding.yaml -q --threads 2 --workdir read");
    (void)command_ends(0, "", "run shared.yaml -q --threads 2 --workdir alone");
}

/* 1 where the run's log has a line of the stage's shared work. */
static int was_shared(const char *workdir, const char *stage)
{
    char path[64], line[4096], name[64];
    int found = 0;
    snprintf(path, sizeof path, "%s/runs/small/log.jsonl", workdir);
    snprintf(name, sizeof name, "\"stage\":\"%s\"", stage);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f))
        found |= strstr(line, "\"event\":\"ranks\"") && strstr(line, name);
    (void)fclose(f);
    return found;
}

START_TEST(stages_are_shared_and_no_bit_changes)
{
    static const int ranks[] = {2, 4}, threads[] = {2, 1};
    char workdir[32];
    snprintf(workdir, sizeof workdir, "ranks%d", ranks[_i]);
    (void)command_ends(0, "", "run shared.yaml -q --ranks %d --threads %d --workdir %s", ranks[_i], threads[_i], workdir);
    command_same_and_whole(stages, "alone", workdir, "on ranks");
    for (const char *const *stage = stages; *stage; stage++)
        ck_assert_msg(was_shared(workdir, *stage), "rank 0 computed %s alone", *stage);
    ck_assert(!was_shared("alone", "codes"));
}
END_TEST

START_TEST(pictures_are_decoded_by_all_ranks)
{
    static const int ranks[] = {2, 3, 8};
    char workdir[32];
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
        snprintf(workdir, sizeof workdir, "read%d", ranks[i]);
        (void)command_ends(0, "", "run decoding.yaml -q --ranks %d --threads 1 --workdir %s", ranks[i], workdir);
        command_same_and_whole(decoded, "read", workdir, "on ranks");
        for (const char *const *stage = decoded; *stage; stage++)
            ck_assert_msg(was_shared(workdir, *stage), "rank 0 computed %s alone", *stage);
        ck_assert_msg(!was_shared(workdir, "images"), "images that need no decoding were sent");
    }
}
END_TEST

/* The failure is that of the first picture that cannot be read, in the words of one process, whichever rank found it. */
START_TEST(a_bad_picture_is_told_as_by_one_process)
{
    char alone[1024];
    const struct command_result *r = command("run decoding.yaml -q --threads 1 --workdir bad --until pictures pictures.skip_bad=false");
    snprintf(alone, sizeof alone, "%.1000s", r->err);
    ck_assert_msg(r->code > 0 && strstr(alone, "03.png"), "%d: %s", r->code, alone);
    r = command("run decoding.yaml -q --ranks 3 --threads 1 --workdir bad --until pictures pictures.skip_bad=false");
    ck_assert_msg(r->code > 0 && strcmp(r->err, alone) == 0, "%d: wanted: %s, found: %s", r->code, alone, r->err);
}
END_TEST

START_TEST(decoding_is_killed_and_goes_on)
{
    struct command_kills kills = command_killed_until_it_ends("run decoding.yaml -q --ranks 2 --threads %d --workdir torn",
                                                              "run decoding.yaml -q --ranks 3 --threads %d --workdir torn");
    ck_assert_msg(kills.killed >= 2, "killed %d times", kills.killed);
    command_same_and_whole(decoded, "read", "torn", "after kills");
}
END_TEST

/* Stopped and killed from the codes to the samples, and resumed with two ranks and three in turn, at the same place or from the stage's
 * beginning. */
START_TEST(stopped_on_other_ranks)
{
    static const char *const sampled[] = {"tokenizer", "codes", "prior", "samples", NULL};
    (void)command_ends(0, "", "run shared.yaml -q --threads 2 --workdir wild --until tokenizer");
    struct command_kills kills = command_killed_until_it_ends("run shared.yaml -q --ranks 2 --threads %d --workdir wild --until samples",
                                                              "run shared.yaml -q --ranks 3 --threads %d --workdir wild --until samples");
    ck_assert_msg(kills.killed >= 2, "killed %d times", kills.killed);
    command_same_and_whole(sampled, "alone", "wild", "after kills");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("stages on ranks");
    TCase *t = tcase_create("stages");
    tcase_add_unchecked_fixture(t, setup, small_folder_leave);
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, stages_are_shared_and_no_bit_changes, 0, 2);
    tcase_add_test(t, stopped_on_other_ranks);
    tcase_add_test(t, pictures_are_decoded_by_all_ranks);
    tcase_add_test(t, a_bad_picture_is_told_as_by_one_process);
    tcase_add_test(t, decoding_is_killed_and_goes_on);
    suite_add_tcase(s, t);
    return suite_run(s);
}
