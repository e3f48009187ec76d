/* Editing from end to end: regions by their definition; codes that are kept are kept; a variant is the same whatever else is drawn; neither
 * threads, batches nor being killed change a bit; and every mask that cannot be is refused.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/store/store.h"
#include "kit/sample/region.h"
#include "tests/support/command_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"
#include "tests/support/paths.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tessera/tessera.h>
#include <unistd.h>

enum { H = SMALL_H / 2, W = SMALL_W / 2, TOKENS = H * W, PIXELS = SMALL_H * SMALL_W, IMAGES = 5, VARIANTS = 3 };

static struct tessi_context context;
#define C (&context.context)

static const char edit_yaml[] = "tessera: 1\n"
                                "name: small\n"
                                "extends: small.yaml\n"
                                "params: {masks: mask}\n"
                                "stages:\n"
                                "  samples: null\n"
                                "  decoded: null\n"
                                "  metrics: null\n"
                                "  mask: {use: import, source: {use: idx, images: \"${masks}\"}}\n"
                                "  edited:\n"
                                "    {use: edit, in: {images: images, mask: mask, model: tokenizer, prior: prior},\n"
                                "     limit: 5, variants: 3, split: all}\n";

/* Mask `i` gives up a rectangle of one pixel to all of them; white elsewhere. */
static int is_black(int64_t i, int64_t at)
{
    int64_t y = at / SMALL_W, x = at % SMALL_W;
    return y >= i % 3 && y <= i % 3 + i % 6 && x >= i % 7 && x <= i % 7 + i % 5;
}

static void write_masks(const char *name, int64_t n, int64_t channels, int inverted)
{
    static uint8_t all[SMALL_COUNT * PIXELS * 3];
    for (int64_t i = 0; i < n * PIXELS; i++)
        for (int64_t k = 0; k < channels; k++)
            all[i * channels + k] = is_black(n == 1 ? 8 : i / PIXELS, i % PIXELS) == inverted ? 255 : 0;
    small_write_idx(name, channels > 1 ? 4 : 3, (const int64_t[]){n, SMALL_H, SMALL_W, channels}, all, n * PIXELS * channels);
}

static void setup(void)
{
    (void)small_folder_enter();
    tessi_base_context_init(&context, NULL);
    write_masks("mask", 1, 1, 0);
    write_masks("masks", SMALL_COUNT, 1, 0);
    small_write("edit.yaml", edit_yaml);
}

static struct tess_artefact *result(const char *workdir, const char *stage)
{
    struct tess_artefact *a;
    char path[256];
    snprintf(path, sizeof path, "%s/runs/small/%s.h5", workdir, stage);
    ck_assert_msg(tessi_store_artefact_open(C, path, &a) == TESS_OK, "%s", tessi_base_context_message(C));
    return a;
}

static struct tess_tensor load(const char *workdir, const char *stage, const char *name)
{
    struct tess_artefact *a = result(workdir, stage);
    struct tess_tensor t;
    ck_assert_msg(tess_artefact_load(C, a, name, TESS_U8, &t) == TESS_OK, "%s", tessi_base_context_message(C));
    tessi_store_artefact_close(a);
    return t;
}

static void same(const char *one, const char *two)
{
    struct tess_artefact *a = result(one, "edited"), *b = result(two, "edited");
    ck_assert_str_eq(tess_artefact_digest(a), tess_artefact_digest(b));
    tessi_store_artefact_close(a);
    tessi_store_artefact_close(b);
}

/* ---- regions ---- */

START_TEST(a_cell_is_touched_by_any_of_its_pixels)
{
    static const struct {
        int64_t height, width, channels, h, w;
    } shape[] = {{8, 12, 1, 4, 6}, {9, 7, 3, 3, 2}, {16, 16, 3, 1, 1}, {5, 5, 1, 5, 5}};
    static const double threshold[] = {1e-4, 0.0, 0.5, 0.9};
    uint8_t mask[16 * 16 * 3], cells[25], want[25];
    for (uint32_t trial = 0; trial < 64; trial++) {
        int64_t height = shape[trial % 4].height, width = shape[trial % 4].width, channels = shape[trial % 4].channels, n = 0;
        int64_t h = shape[trial % 4].h, w = shape[trial % 4].w;
        struct region_rule rule = {.white = trial / 4 % 2, .threshold = threshold[trial / 8 % 4]};
        struct tess_stream s = {.seed = trial, .purpose = tess_purpose("mask")};
        for (int64_t i = 0; i < height * width * channels; i++) { /* mostly kept, values of all sorts */
            int64_t value = tess_random_below(&s, (uint64_t)i, 12) ? 0 : tess_random_below(&s, (uint64_t)(1000 + i), 256);
            mask[i] = (uint8_t)(rule.white ? value : 255 - value);
        }
        memset(want, 0, sizeof want);
        for (int64_t cell = 0; cell < h * w; cell++)
            for (int64_t p = 0; p < height * width; p++) {
                double mean = 0.0;
                if (p / width * h / height != cell / w || p % width * w / width != cell % w)
                    continue;
                for (int64_t k = 0; k < channels; k++)
                    mean += mask[p * channels + k] / 255.0 / (double)channels;
                want[cell] |= (rule.white ? mean : 1.0 - mean) > rule.threshold + 1e-12;
            }
        for (int64_t cell = 0; cell < h * w; cell++)
            n += want[cell];
        ck_assert_int_eq(region_cells(&rule, mask, height, width, channels, h, w, cells), n);
        ck_assert(memcmp(cells, want, (size_t)(h * w)) == 0);
    }
}
END_TEST

/* ---- what is kept ---- */

static const char *const noises[] = {"prior.noise.use=absorbing", "prior.noise.use=uniform", "prior.noise.use=absorbing edited.steps=3"};
static const char *const mask_files[] = {"masks=mask", "masks=masks"};

START_TEST(kept_codes_are_kept)
{
    for (int logit_graph = 0; logit_graph < 4; logit_graph++) {
        int each = logit_graph % 2;
        int64_t from = logit_graph < 2 ? 0 : SMALL_TRAIN; /* images that were trained on, and others with their masks */
        (void)command_ends(0, "", "run edit.yaml -q %s %s edited.split=%s", noises[_i], mask_files[each], from ? "held-out" : "all");
        struct tess_tensor made = load(".", "edited", "codes"), codes = load(".", "codes", "codes"),
                           region = load(".", "edited", "regenerated");
        int64_t drawn = 0, changed = 0, differ = 0;
        ck_assert(made.dim[0] == IMAGES * VARIANTS && region.dim[0] == IMAGES && made.dim[1] == H && made.dim[2] == W);
        for (int64_t i = 0; i < IMAGES * TOKENS; i++) {
            int64_t y = i % TOKENS / W, x = i % W, m = each ? from + i / TOKENS : 8;
            int touched = is_black(m, 2 * y * SMALL_W + 2 * x) || is_black(m, 2 * y * SMALL_W + 2 * x + 1) ||
                          is_black(m, (2 * y + 1) * SMALL_W + 2 * x) || is_black(m, (2 * y + 1) * SMALL_W + 2 * x + 1);
            ck_assert_int_eq(((const uint8_t *)region.data)[i], touched);
            drawn += touched;
            for (int64_t v = 0; v < VARIANTS; v++) {
                const uint8_t *of = (const uint8_t *)made.data + (i / TOKENS * VARIANTS + v) * TOKENS + i % TOKENS;
                ck_assert(touched || *of == ((const uint8_t *)codes.data)[from * TOKENS + i]);
                changed += *of != ((const uint8_t *)codes.data)[from * TOKENS + i];
                differ += v > 0 && *of != of[-TOKENS];
            }
        }
        ck_assert_msg(changed > drawn / 2 && differ > 0, "%d of %d changed, variants differ %d times", (int)changed, (int)drawn,
                      (int)differ);
        tess_free(made.data);
        tess_free(codes.data);
        tess_free(region.data);
    }
}
END_TEST

/* Masks of the same region in black on white, in white on black, and in colour give the same edits. */
START_TEST(a_mask_may_be_told_in_other_ways)
{
    write_masks("white", SMALL_COUNT, 1, 1);
    write_masks("colour", SMALL_COUNT, 3, 0);
    (void)command_ends(0, "", "run edit.yaml -q masks=masks --workdir black");
    (void)command_ends(0, "", "run edit.yaml -q masks=white edited.regenerate=white --workdir inverse");
    (void)command_ends(0, "", "run edit.yaml -q masks=colour --workdir three");
    same("black", "inverse");
    same("black", "three");
}
END_TEST

START_TEST(originals_are_put_back)
{
    (void)command_ends(0, "", "run edit.yaml -q masks=masks --workdir plain");
    (void)command_ends(0, "", "run edit.yaml -q masks=masks edited.composite=true --workdir back");
    struct tess_tensor plain = load("plain", "edited", "images"), back = load("back", "edited", "images"),
                       images = load("plain", "images", "images");
    int64_t others = 0;
    for (int64_t i = 0; i < IMAGES * VARIANTS * PIXELS; i++) {
        int64_t image = i / (VARIANTS * PIXELS), at = i % PIXELS;
        uint8_t original = ((const uint8_t *)images.data)[image * PIXELS + at], decoded = ((const uint8_t *)plain.data)[i];
        ck_assert_int_eq(((const uint8_t *)back.data)[i], is_black(image, at) ? decoded : original);
        others += !is_black(image, at) && decoded != original;
    }
    ck_assert_int_gt(others, 0);
    tess_free(plain.data);
    tess_free(back.data);
    tess_free(images.data);
}
END_TEST

/* ---- what is of no matter ---- */

START_TEST(threads_and_batches_do_not_count)
{
    (void)command_ends(0, "", "run edit.yaml -q masks=masks --threads 1 --workdir one %s", noises[_i]);
    (void)command_ends(0, "", "run edit.yaml -q masks=masks --threads 2 edited.batch=4 --workdir two %s", noises[_i]);
    same("one", "two");
}
END_TEST

START_TEST(a_variant_does_not_see_others)
{
    (void)command_ends(0, "", "run edit.yaml -q masks=masks --workdir few %s", noises[_i]);
    (void)command_ends(0, "", "run edit.yaml -q masks=masks edited.limit=9 edited.variants=4 edited.batch=7 --workdir many %s", noises[_i]);
    static const char *const name[] = {"codes", "images"};
    for (int d = 0; d < 2; d++) {
        struct tess_tensor few = load("few", "edited", name[d]), many = load("many", "edited", name[d]);
        size_t row = tess_tensor_bytes(&few) / (IMAGES * VARIANTS);
        ck_assert_int_eq(many.dim[0], 36);
        for (int64_t q = 0; q < IMAGES * VARIANTS; q++)
            ck_assert(memcmp((const char *)few.data + (size_t)q * row,
                             (const char *)many.data + (size_t)(q / VARIANTS * 4 + q % VARIANTS) * row, row) == 0);
        tess_free(few.data);
        tess_free(many.data);
    }
}
END_TEST

START_TEST(killed_again_and_again)
{
#define LONGER "masks=masks edited.limit=40 edited.variants=12"
    char line[512], other[512];
    (void)command_ends(0, "", "run edit.yaml -q --threads 1 --workdir calm %s " LONGER, noises[_i]);
    (void)command_ends(0, "", "run edit.yaml -q --until prior --workdir wild %s " LONGER, noises[_i]);
    snprintf(line, sizeof line, "run edit.yaml --threads %%d --workdir wild %s edited.batch=5 " LONGER, noises[_i]);
    snprintf(other, sizeof other, "run edit.yaml --threads %%d --workdir wild %s edited.batch=8 " LONGER, noises[_i]);
    struct command_kills kills = command_killed_until_it_ends(line, other);
    ck_assert_msg(kills.killed >= 2 && kills.resumed >= 1, "killed %d times, resumed %d", kills.killed, kills.resumed);
    same("calm", "wild");
}
END_TEST

/* ---- what cannot be ---- */

START_TEST(masks_that_do_not_fit)
{
    static uint8_t white[SMALL_COUNT * PIXELS];
    memset(white, 255, sizeof white);
    small_write_idx("small-mask", 3, (const int64_t[]){1, SMALL_H, SMALL_W - 2}, white, PIXELS);
    small_write_idx("white-mask", 3, (const int64_t[]){1, SMALL_H, SMALL_W}, white, PIXELS);
    small_write_idx("three-masks", 3, (const int64_t[]){3, SMALL_H, SMALL_W}, white, 3 * PIXELS);
    memset(white, 0, sizeof white);
    memset(white + 2 * PIXELS, 255, PIXELS);
    small_write_idx("one-white", 3, (const int64_t[]){SMALL_COUNT, SMALL_H, SMALL_W}, white, SMALL_COUNT * PIXELS);
    (void)command_ends(2, "the mask is 8 x 10, the images are 8 x 12; import it with the same size, crop and pad as them",
                       "plan edit.yaml masks=small-mask");
    (void)command_ends(2, "3 masks for 44 images; one for all is wanted, or one for each in their order",
                       "plan edit.yaml masks=three-masks");
    (void)command_ends(65,
                       "the mask leaves nothing to be drawn anew, no pixel of it is black by more than the threshold 0.0001; paint what is "
                       "to be regenerated black, or set `regenerate: white`",
                       "run edit.yaml -q masks=white-mask");
    (void)command_ends(65, "mask 2 leaves nothing to be drawn anew", "run edit.yaml -q masks=one-white");
    (void)command_ends(0, "of 2 of 2 images everything is regenerated: the mask keeps nothing of them",
                       "run edit.yaml masks=one-white edited.limit=2");
    (void)command_ends(0, "", "run edit.yaml -q masks=white-mask edited.regenerate=white"); /* all of the image is drawn anew */
    struct tess_tensor region = load(".", "edited", "regenerated");
    for (int64_t i = 0; i < IMAGES * TOKENS; i++)
        ck_assert_int_eq(((const uint8_t *)region.data)[i], 1);
    tess_free(region.data);
}
END_TEST

START_TEST(models_that_do_not_fit)
{
    (void)command_ends(2, "a prior of noise `deaf` cannot sample around tokens that are known",
                       "plan edit.yaml --plugin-path " TEST_DEAF_NOISE " prior.noise.use=deaf");
    small_write("other.yaml", "tessera: 1\nname: small\nextends: edit.yaml\nstages:\n"
                              "  stranger: {use: train-autoencoder, in: {images: images}, steps: 3, batch: 12, seed: 99,\n"
                              "             encoder: {use: conv, channels: 32, channel_mult: [1, 1]}, decoder: conv,\n"
                              "             quantizer: {use: ema, codebook_size: 12, code_dim: 6}}\n"
                              "  edited: {in: {model: stranger}}\n");
    (void)command_ends(65, "codes of another tokenizer", "run other.yaml -q");
    (void)command_ends(65, "codes of another tokenizer", "plan other.yaml stranger.quantizer.codebook_size=13");
    small_write("wide.yaml", "tessera: 1\nname: small\nextends: edit.yaml\nstages:\n"
                             "  wide: {use: import, source: {use: idx, images: images}, pad: 16}\n  mask: {pad: 16}\n"
                             "  edited: {in: {images: wide}}\n");
    (void)command_ends(2, "images of 16 x 16 x 1 do not fit a model trained on 8 x 12 x 1", "plan wide.yaml");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("edit");
    TCase *t = tcase_create("edit");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_add_test(t, a_cell_is_touched_by_any_of_its_pixels);
    tcase_add_loop_test(t, kept_codes_are_kept, 0, 3);
    tcase_add_test(t, a_mask_may_be_told_in_other_ways);
    tcase_add_test(t, originals_are_put_back);
    tcase_add_loop_test(t, threads_and_batches_do_not_count, 0, 2);
    tcase_add_loop_test(t, a_variant_does_not_see_others, 0, 2);
    tcase_add_loop_test(t, killed_again_and_again, 0, 2);
    tcase_add_test(t, masks_that_do_not_fit);
    tcase_add_test(t, models_that_do_not_fit);
    suite_add_tcase(s, t);
    return suite_run(s);
}
