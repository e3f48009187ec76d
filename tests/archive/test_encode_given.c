/* `tessera encode` where an archive is given besides the pictures: the crops and flips of another tokenizer's archive, the same archive
 * made elsewhere, one that grows, one of an artefact's images. Files are those of undisturbed runs, byte for byte.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/store/store.h"
#include "kit/archive/crop_list.h"
#include "tests/support/command_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"
#include "tests/support/paths.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PICTURES = 20, BAD = 3, CROPS = 3 };
#define MULTI "--skip-bad --batch 4 --crops multi --crop-count 3"
#define SHARDED "--skip-bad --batch 4 --shard-items 7"

static void shell(const char *line)
{
    ck_assert_msg(system(line) == 0, "%s", line);
}

static void write_pictures(const char *folder, int first, int n)
{
    static uint8_t pixel[40 * 60];
    struct tessi_context context;
    char path[128];
    tessi_base_context_init(&context, NULL);
    (void)mkdir(folder, 0777);
    for (int i = first; i < first + n; i++) {
        const int64_t dim[3] = {9 + i % 9, 13 + 3 * (i % 11), 1};
        for (int64_t at = 0; at < dim[0] * dim[1]; at++)
            pixel[at] = (uint8_t)(small_pixel(i, at % (SMALL_H * SMALL_W)) + i);
        const struct tess_tensor picture = tess_tensor_over(pixel, TESS_U8, 3, dim);
        snprintf(path, sizeof path, "%s/p%03d.png", folder, i);
        if (i % 7 == 3)
            small_write(path, "no picture");
        else
            ck_assert_int_eq(tessi_store_png_write(&context.context, path, &picture), TESS_OK);
    }
}

static int has_folders(void)
{
    return command("plugins source/folder")->code == 0;
}

static void setup(void)
{
    (void)small_folder_enter();
    (void)command_ends(0, "", "run small.yaml --until tokenizer --workdir model");
    shell("cp model/runs/small/tokenizer.h5 model.h5; cp model/runs/small/images.h5 images.h5;"
          "sed 's/seed: 3/seed: 4/' small.yaml > other.yaml");
    (void)command_ends(0, "", "run other.yaml --until tokenizer --workdir other");
    shell("cp other/runs/small/tokenizer.h5 other.h5");
    write_pictures("photos", 0, PICTURES);
}

static void read_all(const char *path, const char *name, int32_t dtype, struct tess_tensor *t)
{
    struct tessi_context context;
    struct tess_artefact *a = NULL;
    tessi_base_context_init(&context, NULL);
    ck_assert_msg(tessi_store_artefact_open(&context.context, path, &a) == TESS_OK, "%s", tessi_base_context_message(&context.context));
    ck_assert_msg(tess_artefact_load(&context.context, a, name, dtype, t) == TESS_OK, "%s", tessi_base_context_message(&context.context));
    tessi_store_artefact_close(a);
}

static int same(const char *one, const char *two, const char *name, int32_t dtype)
{
    struct tess_tensor a, b;
    read_all(one, name, dtype, &a);
    read_all(two, name, dtype, &b);
    int is = tess_tensor_same_shape(&a, &b) && memcmp(a.data, b.data, tess_tensor_bytes(&a)) == 0;
    tess_free(a.data);
    tess_free(b.data);
    return is;
}

static void same_crops(const char *one, const char *two)
{
    ck_assert_msg(same(one, two, "crops", TESS_I32) && same(one, two, "flipped", TESS_I32) && same(one, two, "item", TESS_I32), "%s and %s",
                  one, two);
}

/* Runs the command until it ends, each time asked for a checkpoint and killed a little further on. Gives the number of kills. */
static int killed_until_it_ends(const char *line)
{
    for (int kills = 0;; kills++) {
        char plan[80];
        snprintf(plan, sizeof plan, "usr1@step:%d,kill@%s:%d", 1 + kills % 2, kills % 3 ? "step" : "write",
                 kills % 3 ? 2 + kills % 2 : 5 + kills);
        const struct command_limits limits = {.inject = plan};
        const struct command_result *r = command_within(&limits, "%s --threads %d", line, 1 + kills % 2);
        if (r->code == 0)
            return kills;
        ck_assert_msg(r->code == -9 && kills < 100, "%s: %d: %s", plan, r->code, r->err);
    }
}

/* ---- crops of another archive ----------------------------------------------------------------------------------------- */

/* Two tokenizers, the same crops, rows aligned; the same tokenizer makes the same codes and errors of them. */
START_TEST(the_same_crops)
{
    if (!has_folders())
        return;
    (void)command_ends(0, "", "encode photos -m model.h5 -o a.h5 " MULTI " --seed 7");
    (void)command_ends(0, "", "encode photos -m other.h5 -o b.h5 --skip-bad --batch 4 --crops-of a.h5 --threads 2");
    same_crops("a.h5", "b.h5");
    ck_assert(!same("a.h5", "b.h5", "codes", TESS_I32));
    shell("mkdir -p x && " TEST_PROGRAM " inspect a.h5 > x/a && " TEST_PROGRAM " inspect b.h5 > x/b");
    (void)command_ends(0, "", "encode photos -m model.h5 -o again --skip-bad --batch 3 --crops-of a.h5 --shard-items 5");
    same_crops("a.h5", "again");
    ck_assert(same("a.h5", "again", "codes", TESS_I32));
    (void)command_ends(0, "", "archive verify again");
}
END_TEST

/* An archive of shards, killed, of the crops of another of shards; and tiles, of which pictures have different numbers. */
START_TEST(killed_and_sharded)
{
    if (!has_folders())
        return;
    (void)command_ends(0, "", "encode photos -m model.h5 -o tiles " SHARDED " --tiles --size 9");
    (void)command_ends(0, "", "encode photos -m other.h5 -o calm --crops-of tiles " SHARDED);
    ck_assert(same("tiles", "calm", "crops", TESS_I32) && same("tiles", "calm", "item", TESS_I32));
    ck_assert_int_ge(killed_until_it_ends("encode photos -m other.h5 -o wild --crops-of tiles " SHARDED), 3);
    shell("diff -r calm wild");
}
END_TEST

/* A picture that is missing, changed, new or in another place is told; other folders with the same names will do. */
START_TEST(other_pictures)
{
    if (!has_folders())
        return;
    (void)command_ends(0, "", "encode photos -m model.h5 -o list.h5 " MULTI);
    shell("mkdir mine && cp photos/* mine && rm mine/p005.png");
    (void)command_ends(65, "has 19 images, and the archive at `crops` is of 20",
                       "encode mine -m other.h5 -o m.h5 --skip-bad --crops-of list.h5");
    shell("cp photos/p006.png mine/p005.png");
    (void)command_ends(65, "p005.png: is not the picture that", "encode mine -m other.h5 -o m.h5 --skip-bad --crops-of list.h5");
    shell("rm mine/p005.png && cp photos/p005.png mine/q005.png");
    (void)command_ends(65, "q005.png: ", "encode mine -m other.h5 -o m.h5 --skip-bad --crops-of list.h5");
    shell("rm mine/q005.png && echo none > mine/p005.png");
    (void)command_ends(65, "p005.png: cannot be read", "encode mine -m other.h5 -o m.h5 --skip-bad --crops-of list.h5");
    shell("cp photos/p005.png mine && cp photos/p006.png mine/p003.png");
    (void)command_ends(65, "p003.png: is not the picture", "encode mine -m other.h5 -o m.h5 --skip-bad --crops-of list.h5");
    (void)command_ends(65, "leave such", "encode photos -m other.h5 -o n.h5 --crops-of list.h5");
    shell("cd photos && ls -r *.png > ../list.txt");
    (void)command_ends(0, "in another order",
                       "encode list.txt -m other.h5 -o turned.h5 --skip-bad --crops-of list.h5 --set source.root=photos");
}
END_TEST

START_TEST(no_crops)
{
    if (!has_folders())
        return;
    (void)command_ends(0, "", "encode photos -m model.h5 -o plain.h5 --skip-bad");
    (void)command_ends(2, "tells no crops", "encode photos -m other.h5 -o none.h5 --skip-bad --crops-of plain.h5");
    (void)command_ends(2, "do not go with it", "encode photos -m other.h5 -o none.h5 --crops-of plain.h5 --flip both");
    (void)command_ends(2, "is of kind autoencoder", "encode photos -m other.h5 -o none.h5 --crops-of model.h5");
    (void)command_ends(2, "pictures of a `source", "encode images.h5 -m other.h5 -o none.h5 --crops-of plain.h5");
}
END_TEST

/* ---- portable --------------------------------------------------------------------------------------------------------- */

/* Files for other readers have the same content, in shards as well as whole. */
START_TEST(portable)
{
    if (!has_folders())
        return;
    (void)command_ends(0, "", "encode photos -m model.h5 -o ours.h5 " MULTI);
    (void)command_ends(0, "", "encode photos -m model.h5 -o theirs.h5 " MULTI " --portable");
    shell("for f in ours theirs; do " TEST_PROGRAM
          " inspect --verify $f.h5 | grep digest > $f; done; cmp ours theirs && ! cmp -s ours.h5 theirs.h5");
    (void)command_ends(0, "", "encode photos -m model.h5 -o os " SHARDED);
    (void)command_ends(0, "", "encode photos -m model.h5 -o ts " SHARDED " --portable");
    (void)command_ends(0, "", "archive verify ts");
    shell("for f in os ts; do for s in $f/shard*.h5; do " TEST_PROGRAM " inspect $s | grep digest; done > $f.d; done; cmp os.d ts.d");
    /* version of the superblock: 2 of HDF5 1.8, 3 of 1.10 */
    shell("for s in ts/*.h5; do test $(od -An -tu1 -j8 -N1 $s) = 2 || exit 1; done; test $(od -An -tu1 -j8 -N1 os/index.h5) = 3");
    (void)command_ends(65, "`portable: true` is wanted now", "encode photos -m model.h5 -o os " SHARDED " --portable");
}
END_TEST

/* ---- the same elsewhere ------------------------------------------------------------------------------------------------ */

/* Nothing in an archive says where it was made, and it may be moved: with its pictures, or with the word where they are. */
START_TEST(elsewhere)
{
    if (!has_folders())
        return;
    for (int i = 0; i < 2; i++) {
        char folder[32], line[512];
        snprintf(folder, sizeof folder, i ? "there/deep/er" : "here");
        snprintf(line, sizeof line, "mkdir -p %s && cp -r photos model.h5 %s", folder, folder);
        shell(line);
        snprintf(line, sizeof line, "cd %s && " TEST_PROGRAM " encode %s -m model.h5 -o a " SHARDED " -q", folder,
                 i ? "$PWD/photos" : "photos");
        shell(line);
        write_pictures(i ? "there/deep/er/photos" : "here/photos", PICTURES, 4);
        snprintf(line, sizeof line, "%s -q " SHARDED " --append",
                 i ? TEST_PROGRAM " encode there/deep/er/photos -m there/deep/er/model.h5 -o there/deep/er/a"
                   : "cd here && " TEST_PROGRAM " encode photos -m model.h5 -o a");
        shell(line);
    }
    shell("diff -r here/a there/deep/er/a");
    shell("for f in here/a/*; do ! grep -q -a \"$PWD\" $f || exit 1; done");
    shell("mv there moved && mkdir far && cp -r here/a far/a && rm far/a/shard-000003.h5 moved/deep/er/a/shard-000003.h5");
    (void)command_ends(0, "", "archive repair moved/deep/er/a -m model.h5");
    shell("diff -r here/a moved/deep/er/a");
    (void)command_ends(0, "", "archive repair far/a -m model.h5 --from here/photos");
    shell("cmp here/a/shard-000003.h5 far/a/shard-000003.h5");
    (void)command_ends(0, "nothing to do", "encode here/photos -m model.h5 -o far/a --append " SHARDED);
    (void)command_ends(0, "", "archive merge here/a -o merged");
    shell("diff -r here/a merged");
}
END_TEST

/* ---- given up ------------------------------------------------------------------------------------------------------------ */

/* An append given up at any point leaves the former archive, from which another may begin. */
START_TEST(given_up)
{
    if (!has_folders())
        return;
    shell("cp -r photos growing");
    (void)command_ends(0, "", "encode growing -m model.h5 -o grow " SHARDED);
    const char *out = command_ends(0, "", "archive revert grow")->out;
    ck_assert_msg(strstr(out, "nothing to give up") != NULL, "%s", out);
    shell("cp -r grow kept");
    write_pictures("growing", PICTURES, 9);
    for (int at = 4; at < 40; at += 9) {
        char plan[32];
        snprintf(plan, sizeof plan, "kill@write:%d", at);
        const struct command_limits limits = {.inject = plan};
        const struct command_result *r =
            command_within(&limits, "encode growing -m model.h5 -o grow --append --shard-items 2 --skip-bad --batch 4");
        ck_assert_msg(r->code == -9 || r->code == 0, "%d: %s", r->code, r->err);
        if (r->code == 0)
            break;
        (void)command_ends(0, "", "archive revert grow");
        shell("diff -r kept grow");
    }
    (void)command_ends(2, "is no folder", "archive revert model.h5");
    (void)command_ends(0, "", "encode growing -m model.h5 -o grow --append " SHARDED);
    (void)command_ends(0, "", "archive verify grow");
}
END_TEST

/* ---- an artefact's images --------------------------------------------------------------------------------------------- */

/* Shards of an artefact's images, by several processes, have the rows of the one file, flips beside their images. */
START_TEST(of_an_artefact)
{
    (void)command_ends(0, "", "encode images.h5 -m model.h5 -o one.h5");
    (void)command_ends(0, "", "encode images.h5 -m model.h5 -o four --shard-items 11");
    ck_assert(same("one.h5", "four", "codes", TESS_I32) && same("one.h5", "four", "labels", TESS_I32));
    (void)command_ends(0, "left to other shares", "encode images.h5 -m model.h5 -o shares --shard-items 11 --shard 2/2");
    (void)command_ends(0, "", "encode images.h5 -m model.h5 -o shares --shard-items 11 --shard 1/2 --batch 3 --threads 2");
    shell("diff -r four shares");
    (void)command_ends(0, "", "encode images.h5 -m model.h5 -o flips --shard-items 11 --flip both");
    (void)command_ends(0, "", "encode images.h5 -m model.h5 -o uncut --flip both");
    (void)command_ends(0, "", "archive verify flips");
    ck_assert(same("flips", "uncut", "codes", TESS_I32) && same("flips", "uncut", "flipped", TESS_I32));
    ck_assert_int_ge(killed_until_it_ends("encode images.h5 -m model.h5 -o killed --shard-items 11 --flip both"), 1);
    shell("diff -r flips killed");
    (void)command_ends(2, "are for sources", "encode images.h5 -m model.h5 -o four --append");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("encode_given");
    TCase *t = tcase_create("encode_given");
    tcase_set_timeout(t, 600);
    tcase_add_unchecked_fixture(t, setup, small_folder_leave);
    tcase_add_test(t, the_same_crops);
    tcase_add_test(t, killed_and_sharded);
    tcase_add_test(t, other_pictures);
    tcase_add_test(t, no_crops);
    tcase_add_test(t, portable);
    tcase_add_test(t, elsewhere);
    tcase_add_test(t, given_up);
    tcase_add_test(t, of_an_artefact);
    suite_add_tcase(s, t);
    return suite_run(s);
}
