/* stage/1 `encode` straight from a source: the codes are those of importing first, whatever is killed when and however many threads there
 * are; what is left out is told; crops are boxes within their pictures, the same for any tokenizer.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/store/store.h"
#include "kit/archive/crops.h"
#include "tests/support/command_fixture.h"
#include "tests/support/encode_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"
#include "tests/support/paths.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Pictures of different sizes with labels, every 7th bad; the tokenizer wants 8 x 12. */
#define RAGGED "{use: ragged, images: 60, classes: 60, differ: sizes, every: 7}"
#define MODEL "in: {model: model/runs/small/tokenizer.h5}"
#define RUN "--plugin-path " TEST_SOURCE_PLUGINS " --workdir "

static void setup(void)
{
    (void)small_folder_enter();
    (void)command_ends(0, "", "run small.yaml --until tokenizer --workdir model");
    small_write("p.yaml", "tessera: 1\nname: p\nstages:\n"
                          "  direct: {use: encode, " MODEL ", source: " RAGGED ", skip_bad: true, batch: 4}\n");
}

/* ---- the same as importing first --------------------------------------------------------------------------------------- */

static void same_data(const char *one, const char *two, const char *name, int32_t dtype)
{
    struct tess_tensor a, b;
    encode_load(one, name, dtype, &a);
    encode_load(two, name, dtype, &b);
    ck_assert_msg(tess_tensor_same_shape(&a, &b) && memcmp(a.data, b.data, tess_tensor_bytes(&a)) == 0, "%s of %s and %s", name, one, two);
    tess_free(a.data);
    tess_free(b.data);
}

/* Scaled to 12 and cropped to 8 x 12 by hand: fit by fit the import has another rule, so that sizes are given to both. */
START_TEST(codes_of_importing_first)
{
    small_write("both.yaml", "tessera: 1\nname: both\nstages:\n"
                             "  images: {use: import, source: {use: idx, images: images, labels: labels}}\n"
                             "  codes: {use: encode, in: {images: images, model: model/runs/small/tokenizer.h5}}\n"
                             "  direct: {use: encode, " MODEL ", source: {use: idx, images: images, labels: labels}, batch: 7}\n");
    (void)command_ends(0, "", "run both.yaml");
    same_data("runs/both/codes.h5", "runs/both/direct.h5", "codes", TESS_I32);
    same_data("runs/both/codes.h5", "runs/both/direct.h5", "labels", TESS_I32);
    same_data("runs/both/codes.h5", "runs/both/direct.h5", "codebook", TESS_F32);
}
END_TEST

/* ---- kills, threads, bad pictures -------------------------------------------------------------------------------------- */

static void digest_of(const char *workdir, char digest[COMMAND_DIGEST])
{
    const struct command_result *r = command_ends(0, "", "inspect %s/runs/p/direct.h5", workdir);
    const char *at = strstr(r->out, "digest");
    ck_assert_ptr_nonnull(at);
    snprintf(digest, COMMAND_DIGEST, "%.*s", (int)strcspn(at, "\n"), at);
}

START_TEST(killed_and_resumed)
{
    char calm[COMMAND_DIGEST], wild[COMMAND_DIGEST];
    const struct command_result *r = command_ends(0, "skipped ", "run p.yaml --threads 1 " RUN "calm");
    ck_assert_msg(strstr(r->out, "images skipped") != NULL, "%s", r->out);
    int kills = 0;
    const struct command_limits limits = {.inject = "usr1@step:1,kill@step:2"};
    for (;; kills++) {
        r = command_within(&limits, "run p.yaml --threads %d " RUN "wild", 1 + kills % 3);
        if (r->code == 0)
            break;
        ck_assert_msg(r->code == -9 && kills < 60, "%d: %s", r->code, r->err);
        ck_assert_msg(kills == 0 || strstr(r->err, "resuming at image "), "%s", r->err);
    }
    ck_assert_int_ge(kills, 5);
    digest_of("calm", calm);
    digest_of("wild", wild);
    ck_assert_str_eq(calm, wild);
    ck_assert_int_eq(system("test -z \"$(ls wild/runs/.cache | grep checkpoint)\""), 0);
}
END_TEST

/* Number of rows of a dataset, of texts as well. */
static int64_t rows_of(const struct tess_artefact *a, const char *name)
{
    struct tess_tensor shape;
    int32_t bits;
    int64_t stored;
    const char *found;
    for (int64_t i = 0; (found = tessi_store_artefact_dataset_at(a, i, &shape, &bits, &stored)); i++)
        if (strcmp(found, name) == 0)
            return shape.dim[0];
    return -1;
}

/* Each item has a row or a reason. */
START_TEST(rows_and_reasons)
{
    struct tessi_context context;
    struct tess_artefact *a = NULL;
    (void)command_ends(0, "", "run p.yaml " RUN "w");
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_store_artefact_open(&context.context, "w/runs/p/direct.h5", &a), TESS_OK);
    ck_assert_int_eq(rows_of(a, "skipped"), 60 / 7);
    ck_assert_int_eq(rows_of(a, "codes") + rows_of(a, "skipped"), 60);
    ck_assert_int_eq(rows_of(a, "names"), rows_of(a, "codes"));
    ck_assert_int_eq(tess_attrs_i64_or(tess_artefact_attrs(a), "items", -1), 60);
    tessi_store_artefact_close(a);
    (void)command_ends(65, "skip_bad: true", "run p.yaml direct.skip_bad=false " RUN "strict");
    (void)command_ends(65, "none of the 1 images can be read", "run p.yaml direct.limit=1 direct.source.every=1 " RUN "none");
}
END_TEST

START_TEST(one_origin)
{
    (void)command_ends(2, "found none", "run p.yaml direct.source=null direct.skip_bad=null " RUN "w");
    (void)command_ends(65, "begun with tokenizer aaaa", "run p.yaml direct.expect_tokenizer=aaaa " RUN "w");
    (void)command_ends(65, "has 60 images, and had 61 when the archive was begun", "run p.yaml direct.expect_count=61 " RUN "w");
}
END_TEST

/* Parts of a source, one behind the other, have the rows of the whole. */
START_TEST(parts_of_the_items)
{
    struct tess_tensor whole, part[2];
    (void)command_ends(0, "", "run p.yaml " RUN "w");
    (void)command_ends(0, "", "run p.yaml name=first direct.items=23 " RUN "w");
    (void)command_ends(0, "", "run p.yaml name=second direct.items=37 direct.first_item=23 " RUN "w");
    encode_load("w/runs/p/direct.h5", "codes", TESS_I32, &whole);
    encode_load("w/runs/first/direct.h5", "codes", TESS_I32, &part[0]);
    encode_load("w/runs/second/direct.h5", "codes", TESS_I32, &part[1]);
    size_t first = tess_tensor_bytes(&part[0]), second = tess_tensor_bytes(&part[1]);
    ck_assert_uint_eq(tess_tensor_bytes(&whole), first + second);
    ck_assert_int_eq(memcmp(whole.data, part[0].data, first), 0);
    ck_assert_int_eq(memcmp((char *)whole.data + first, part[1].data, second), 0);
    tess_free(whole.data);
    tess_free(part[0].data);
    tess_free(part[1].data);
}
END_TEST

/* A selection is the source with other items left out. */
START_TEST(a_selection)
{
    struct tess_tensor item;
    small_write("some", "# of the archive\n1\n2 a name\n58\n");
    (void)command_ends(0, "",
                       "run p.yaml direct.select=some direct.crops=multi direct.crop_count=2 direct.offset=100 "
                       "direct.first_item=100 " RUN "w");
    encode_load("w/runs/p/direct.h5", "item", TESS_I32, &item);
    ck_assert_int_eq(item.dim[0], 6);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(((int32_t *)item.data)[i], 100 + i / 2);
    tess_free(item.data);
    small_write("wrong", "5\n4\n");
    (void)command_ends(65, "wrong:2: wanted the number of an item above 5", "run p.yaml direct.select=wrong " RUN "w");
}
END_TEST

/* ---- crops ---------------------------------------------------------------------------------------------------------------- */

/* Boxes lie within their picture, and are functions of seed, item and number alone. */
START_TEST(boxes)
{
    static const int64_t sides[][2] = {{64, 64}, {1, 1}, {1, 500}, {300, 40}, {4000, 6000}};
    for (int32_t crops = CROPS_TEN; crops <= CROPS_TILES; crops++)
        for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
            const struct crop_rule r = {.crops = crops, .count = 10, .height = 32, .width = 48, .seed = 5};
            int64_t ih = sides[i][0], iw = sides[i][1], n = crops_count(&r, ih, iw);
            ck_assert(crops == CROPS_TILES ? n == ih / 32 * (iw / 48) : n == 10);
            for (int64_t k = 0; k < n; k++) {
                struct crop_box b = crops_box(&r, 7, ih, iw, k), again = crops_box(&r, 7, ih, iw, k);
                ck_assert(b.top >= 0 && b.left >= 0 && b.height >= 1 && b.width >= 1);
                ck_assert(b.top + b.height <= ih && b.left + b.width <= iw);
                ck_assert_int_eq(memcmp(&b, &again, sizeof b), 0);
            }
        }
}
END_TEST

/* Crops that are drawn keep to their bounds: area 0.2 to 1, proportions 3/4 to 4/3 of the row's, about half turned over. */
START_TEST(drawn_boxes)
{
    const struct crop_rule r = {.crops = CROPS_MULTI, .count = 2, .height = 64, .width = 64, .seed = 1};
    int flipped = 0;
    double area = 0.0;
    for (int64_t item = 0; item < 400; item++) {
        struct crop_box b = crops_box(&r, item, 600, 800, 1);
        double share = (double)b.height * b.width / (600.0 * 800.0), proportions = (double)b.width / b.height;
        ck_assert(share > 0.195 && share <= 1.0 && proportions > 0.74 && proportions < 1.35);
        flipped += b.flipped;
        area += share;
    }
    ck_assert(flipped > 150 && flipped < 250);
    ck_assert_msg(area / 400 > 0.4 && area / 400 < 0.65, "%g", area / 400);
}
END_TEST

/* Eight pictures, the last two of which have no label. */
START_TEST(pictures_without_a_label)
{
    struct tess_tensor label;
    (void)command_ends(65, "picture-6.png: has no label, and others have; replace or remove it, or leave such images out with",
                       "run p.yaml direct.source.images=8 direct.source.classes=6 direct.source.every=0 direct.skip_bad=false " RUN "w");
    (void)command_ends(0, "skipped picture-7.png: has no label, and others have",
                       "run p.yaml direct.source.images=8 direct.source.classes=6 direct.source.every=0 " RUN "w");
    encode_load("w/runs/p/direct.h5", "labels", TESS_I32, &label);
    ck_assert_int_eq(label.dim[0], 6);
    tess_free(label.data);
}
END_TEST

START_TEST(crops_of_a_source)
{
    struct tess_tensor box, flipped;
    (void)command_ends(0, "", "run p.yaml direct.crops=ten " RUN "w");
    encode_load("w/runs/p/direct.h5", "crops", TESS_I32, &box);
    encode_load("w/runs/p/direct.h5", "flipped", TESS_I32, &flipped);
    ck_assert_int_eq(box.dim[0], flipped.dim[0]);
    ck_assert_int_eq(box.dim[0] % 10, 0);
    for (int64_t i = 0; i < box.dim[0]; i++)
        ck_assert_int_eq(((int32_t *)flipped.data)[i], i % 10 >= 5);
    tess_free(box.data);
    tess_free(flipped.data);
    (void)command_ends(2, "cuts pictures by itself", "run p.yaml direct.crops=ten direct.crop=4 " RUN "w");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("encode_source");
    TCase *t = tcase_create("encode_source");
    tcase_set_timeout(t, 600);
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_add_test(t, codes_of_importing_first);
    tcase_add_test(t, killed_and_resumed);
    tcase_add_test(t, rows_and_reasons);
    tcase_add_test(t, one_origin);
    tcase_add_test(t, parts_of_the_items);
    tcase_add_test(t, a_selection);
    tcase_add_test(t, pictures_without_a_label);
    tcase_add_test(t, crops_of_a_source);
    suite_add_tcase(s, t);
    TCase *b = tcase_create("boxes");
    tcase_add_test(b, boxes);
    tcase_add_test(b, drawn_boxes);
    suite_add_tcase(s, b);
    return suite_run(s);
}
