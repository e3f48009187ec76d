/* A batch changes speed and memory, and no bit: results of every stage with a parameter `batch`, whose batches end within a microbatch
 * here.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/command_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

enum { COUNT = 44, SIDE = 16 };

/* Images of 16 x 16: products of 8 x 256 and 8 x 64 rows, whose last two are rounded otherwise by libraries that take six at a time. */
static const char pipeline[] =
    "tessera: 1\n"
    "name: small\n"
    "extends: small.yaml\n"
    "stages:\n"
    "  tokenizer: {steps: 2, encoder: {attn_resolutions: [8]}}\n"
    "  prior: {steps: 2}\n"
    "  features: {use: train-features, in: {images: images}, network: {use: vgg16, channels: 4}, steps: 2, batch: 10,\n"
    "             keep_classifier: true}\n"
    "  samples: {count: 20}\n"
    "  metrics: {in: {samples: samples, features: features}, metrics: [psnr, lpips, classifier, frechet], draws: 2}\n"
    "  told: {use: classify, in: {images: images, features: features}}\n"
    "  near: {use: nearest-neighbours, in: {samples: samples, images: images, features: features}, neighbours: 3}\n"
    "  edited: {use: edit, in: {images: images, mask: mask, model: tokenizer, prior: prior}, variants: 3, limit: 9}\n"
    "  mask: {use: import, source: {use: idx, images: masks}}\n"
    "  canvas: {use: sample-canvas, in: {prior: prior, model: tokenizer}, height: 10, width: 12, count: 3}\n"
    "  ordered: {use: sample-canvas, in: {prior: prior, model: tokenizer}, height: 9, width: 10, count: 4, order: random}\n";

static const char *const stages[] = {"codes", "samples", "decoded", "metrics", "told", "near", "edited", "canvas", "ordered"};

static void setup(void)
{
    static uint8_t image[COUNT * SIDE * SIDE], mask[SIDE * SIDE];
    (void)small_folder_enter();
    for (int i = 0; i < COUNT * SIDE * SIDE; i++)
        image[i] = small_pixel(i / (SIDE * SIDE), i % (SIDE * SIDE));
    for (int i = 0; i < SIDE * SIDE; i++)
        mask[i] = i % SIDE < SIDE / 2 ? 255 : 0;
    small_write_idx("images", 3, (const int64_t[]){COUNT, SIDE, SIDE}, image, sizeof image);
    small_write_idx("masks", 3, (const int64_t[]){1, SIDE, SIDE}, mask, sizeof mask);
    small_write("batches.yaml", pipeline);
}

static void run_with(int batch, const char *others)
{
    char line[1024] = "";
    int n = 0;
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        n += snprintf(line + n, sizeof line - (size_t)n, " %s.batch=%d", stages[i], batch);
    (void)command_ends(0, "", "run batches.yaml -q --workdir of-%d%s %s", batch, line, others);
}

START_TEST(no_batch_changes_a_bit)
{
    run_with(64, "");
    run_with(_i, "near.memory=1");
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        char one[COMMAND_DIGEST], two[COMMAND_DIGEST], folder[16];
        snprintf(folder, sizeof folder, "of-%d", _i);
        command_digest("of-64", stages[i], one);
        command_digest(folder, stages[i], two);
        ck_assert_msg(strcmp(one, two) == 0, "%s: batches of %d give %s, of 64 %s", stages[i], _i, two, one);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("batches");
    TCase *t = tcase_create("batches");
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, no_batch_changes_a_bit, 5, 6);
    suite_add_tcase(s, t);
    return suite_run(s);
}
