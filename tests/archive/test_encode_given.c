/* `tessera encode` where an archive is given besides the pictures: the crops and flips of another tokenizer's archive, the same archive
 * made elsewhere, one that grows, one of an artefact's images. Files are those of undisturbed runs, byte for byte.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/store/store.h"
#include "kit/archive/crop_list.h"
#include "tests/support/command_fixture.h"
#include "tests/support/encode_fixture.h"
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
#define SMALL "--skip-bad --batch 4 --shard-items 4" /* as many kills as shards */

static void write_pictures(const char *folder, int first, int n)
{
    char path[128];
    (void)mkdir(folder, 0777);
    for (int i = first; i < first + n; i++) {
        snprintf(path, sizeof path, "%s/p%03d.png", folder, i);
        encode_write_picture(path, i, 9 + i % 9, 13 + 3 * (i % 11));
    }
}

static void setup(void)
{
    (void)small_folder_enter();
    (void)command_ends(0, "", "run small.yaml --until tokenizer --workdir model");
    small_shell("cp model/runs/small/tokenizer.h5 model.h5; cp model/runs/small/images.h5 images.h5;"
                "sed 's/seed: 3/seed: 4/' small.yaml > other.yaml");
    (void)command_ends(0, "", "run other.yaml --until tokenizer --workdir other");
    small_shell("cp other/runs/small/tokenizer.h5 other.h5");
    write_pictures("photos", 0, PICTURES);
}

static void same_crops(const char *one, const char *two)
{
    ck_assert_msg(encode_same(one, two, "crops", TESS_I32) && encode_same(one, two, "flipped", TESS_I32) &&
                      encode_same(one, two, "item", TESS_I32),
                  "%s and %s", one, two);
}

/* ---- crops of another archive ----------------------------------------------------------------------------------------- */

/* Two tokenizers, the same crops, rows aligned; the same tokenizer makes the same codes and errors of them. */
START_TEST(the_same_crops)
{
    if (!command_has("source/folder"))
        return;
    (void)command_ends(0, "", "encode photos -m model.h5 -o a.h5 " MULTI " --seed 7");
    (void)command_ends(0, "", "encode photos -m other.h5 -o b.h5 --skip-bad --batch 4 --crops-of a.h5 --threads 2");
    same_crops("a.h5", "b.h5");
    ck_assert(!encode_same("a.h5", "b.h5", "codes", TESS_I32));
    small_shell("mkdir -p x && " TEST_PROGRAM " inspect a.h5 > x/a && " TEST_PROGRAM " inspect b.h5 > x/b");
    (void)command_ends(0, "", "encode photos -m model.h5 -o again --skip-bad --batch 3 --crops-of a.h5 --shard-items 5");
    same_crops("a.h5", "again");
    ck_assert(encode_same("a.h5", "again", "codes", TESS_I32));
    (void)command_ends(0, "", "archive verify again");
}
END_TEST

/* An archive of shards, killed, of the crops of another of shards; and tiles, of which pictures have different numbers. */
START_TEST(killed_and_sharded)
{
    if (!command_has("source/folder"))
        return;
    (void)command_ends(0, "", "encode photos -m model.h5 -o tiles " SHARDED " --tiles --size 9");
    (void)command_ends(0, "", "encode photos -m other.h5 -o calm --crops-of tiles " SMALL);
    ck_assert(encode_same("tiles", "calm", "crops", TESS_I32) && encode_same("tiles", "calm", "item", TESS_I32));
    ck_assert_int_ge(encode_killed_until_it_ends("encode photos -m other.h5 -o wild --crops-of tiles " SMALL), 3);
    small_shell("diff -r calm wild");
}
END_TEST

/* A picture that is missing, changed, new or in another place is told; other folders with the same names will do. */
START_TEST(other_pictures)
{
    if (!command_has("source/folder"))
        return;
    (void)command_ends(0, "", "encode photos -m model.h5 -o list.h5 " MULTI);
    small_shell("mkdir mine && cp photos/* mine && rm mine/p005.png");
    (void)command_ends(65, "has 19 images, and the archive at `crops` is of 20",
                       "encode mine -m other.h5 -o m.h5 --skip-bad --crops-of list.h5");
    small_shell("cp photos/p006.png mine/p005.png");
    (void)command_ends(65, "p005.png: is not the picture that", "encode mine -m other.h5 -o m.h5 --skip-bad --crops-of list.h5");
    small_shell("rm mine/p005.png && cp photos/p005.png mine/q005.png");
    (void)command_ends(65, "q005.png: ", "encode mine -m other.h5 -o m.h5 --skip-bad --crops-of list.h5");
    small_shell("rm mine/q005.png && echo none > mine/p005.png");
    (void)command_ends(65, "p005.png: cannot be read", "encode mine -m other.h5 -o m.h5 --skip-bad --crops-of list.h5");
    small_shell("cp photos/p005.png mine && cp photos/p006.png mine/p003.png");
    (void)command_ends(65, "p003.png: is not the picture", "encode mine -m other.h5 -o m.h5 --skip-bad --crops-of list.h5");
    (void)command_ends(65, "leave such", "encode photos -m other.h5 -o n.h5 --crops-of list.h5");
    small_shell("cd photos && ls -r *.png > ../list.txt");
    (void)command_ends(0, "in another order",
                       "encode list.txt -m other.h5 -o turned.h5 --skip-bad --crops-of list.h5 --set source.root=photos");
}
END_TEST

START_TEST(no_crops)
{
    if (!command_has("source/folder"))
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
    if (!command_has("source/folder"))
        return;
    (void)command_ends(0, "", "encode photos -m model.h5 -o ours.h5 " MULTI);
    (void)command_ends(0, "", "encode photos -m model.h5 -o theirs.h5 " MULTI " --portable");
    small_shell("for f in ours theirs; do " TEST_PROGRAM
                " inspect --verify $f.h5 | grep digest > $f; done; cmp ours theirs && ! cmp -s ours.h5 theirs.h5");
    (void)command_ends(0, "", "encode photos -m model.h5 -o os " SHARDED);
    (void)command_ends(0, "", "encode photos -m model.h5 -o ts " SHARDED " --portable");
    (void)command_ends(0, "", "archive verify ts");
    small_shell("for f in os ts; do for s in $f/*.h5; do " TEST_PROGRAM " inspect $s | grep digest; done > $f.d; done; cmp os.d ts.d");
    /* version of the superblock: 2 of HDF5 1.8, 3 of 1.10 */
    small_shell("for s in ts/*.h5; do test $(od -An -tu1 -j8 -N1 $s) = 2 || exit 1; done; test $(od -An -tu1 -j8 -N1 os/index.h5) = 3");
    (void)command_ends(65, "`portable: true` is wanted now", "encode photos -m model.h5 -o os " SHARDED " --portable");
}
END_TEST

/* ---- the same elsewhere ------------------------------------------------------------------------------------------------ */

/* Nothing in an archive says where it was made, and it may be moved: with its pictures, or with the word where they are. */
START_TEST(elsewhere)
{
    if (!command_has("source/folder"))
        return;
    for (int i = 0; i < 2; i++) {
        char folder[32], line[512];
        snprintf(folder, sizeof folder, i ? "there/deep/er" : "here");
        snprintf(line, sizeof line, "mkdir -p %s && cp -r photos model.h5 %s", folder, folder);
        small_shell(line);
        snprintf(line, sizeof line, "cd %s && " TEST_PROGRAM " encode %s -m model.h5 -o a " SHARDED " -q", folder,
                 i ? "$PWD/photos" : "photos");
        small_shell(line);
        write_pictures(i ? "there/deep/er/photos" : "here/photos", PICTURES, 4);
        snprintf(line, sizeof line, "%s -q " SHARDED " --append",
                 i ? TEST_PROGRAM " encode there/deep/er/photos -m there/deep/er/model.h5 -o there/deep/er/a"
                   : "cd here && " TEST_PROGRAM " encode photos -m model.h5 -o a");
        small_shell(line);
    }
    small_shell("diff -r here/a there/deep/er/a");
    small_shell("for f in here/a/*; do ! grep -q -a \"$PWD\" $f || exit 1; done");
    small_shell("mv there moved && mkdir far && cp -r here/a far/a && rm far/a/shard-000003.h5 moved/deep/er/a/shard-000003.h5");
    (void)command_ends(0, "", "archive repair moved/deep/er/a -m model.h5");
    small_shell("diff -r here/a moved/deep/er/a");
    (void)command_ends(0, "", "archive repair far/a -m model.h5 --from here/photos");
    small_shell("cmp here/a/shard-000003.h5 far/a/shard-000003.h5");
    (void)command_ends(0, "nothing to do", "encode here/photos -m model.h5 -o far/a --append " SHARDED);
    (void)command_ends(0, "", "archive merge here/a -o merged");
    small_shell("diff -r here/a merged");
}
END_TEST

/* ---- given up ------------------------------------------------------------------------------------------------------------ */

/* An append given up at any point leaves the former archive, from which another may begin. */
START_TEST(given_up)
{
    if (!command_has("source/folder"))
        return;
    small_shell("cp -r photos growing");
    (void)command_ends(0, "", "encode growing -m model.h5 -o grow " SHARDED);
    const char *out = command_ends(0, "", "archive revert grow")->out;
    ck_assert_msg(strstr(out, "nothing to give up") != NULL, "%s", out);
    small_shell("cp -r grow kept");
    write_pictures("growing", PICTURES, 9);
    for (int at = 1; at < 40; at += at < 12 ? 1 : 9) {
        char plan[32];
        snprintf(plan, sizeof plan, "kill@write:%d", at);
        const struct command_limits limits = {.inject = plan};
        const struct command_result *r =
            command_within(&limits, "encode growing -m model.h5 -o grow --append --shard-items 2 --skip-bad --batch 4");
        ck_assert_msg(r->code == -9 || r->code == 0, "%d: %s", r->code, r->err);
        if (r->code == 0)
            break;
        (void)command_ends(0, "", "archive revert grow");
        small_shell("diff -r kept grow");
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
    ck_assert(encode_same("one.h5", "four", "codes", TESS_I32) && encode_same("one.h5", "four", "labels", TESS_I32));
    (void)command_ends(0, "left to other shares", "encode images.h5 -m model.h5 -o shares --shard-items 11 --shard 2/2");
    (void)command_ends(0, "", "encode images.h5 -m model.h5 -o shares --shard-items 11 --shard 1/2 --batch 3 --threads 2");
    small_shell("diff -r four shares");
    (void)command_ends(0, "", "encode images.h5 -m model.h5 -o flips --shard-items 11 --flip both");
    (void)command_ends(0, "", "encode images.h5 -m model.h5 -o uncut --flip both");
    (void)command_ends(0, "", "archive verify flips");
    ck_assert(encode_same("flips", "uncut", "codes", TESS_I32) && encode_same("flips", "uncut", "flipped", TESS_I32));
    ck_assert_int_ge(encode_killed_until_it_ends("encode images.h5 -m model.h5 -o killed --shard-items 11 --flip both"), 1);
    small_shell("diff -r flips killed");
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
