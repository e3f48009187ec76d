/* `tessera encode` and `decode`: one file and folders of shards, killed at any point, shared by several processes, on any number of
 * threads, are byte for byte those of an undisturbed run; every picture has a row or a reason; what differs from the archive that is there
 * is refused with a sentence.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/store/store.h"
#include "tests/support/command_fixture.h"
#include "tests/support/encode_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"
#include "tests/support/paths.h"

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PICTURES = 26, BAD = 4 };
#define MODEL " -m model.h5 "

/* Pictures of several sizes in two folders, some of them no pictures. */
static void write_pictures(const char *folder, int first, int n)
{
    char path[128];
    for (int i = first; i < first + n; i++) {
        snprintf(path, sizeof path, "%s/%c", folder, "ab"[i % 2]);
        (void)mkdir(folder, 0777);
        (void)mkdir(path, 0777);
        snprintf(path, sizeof path, "%s/%c/p%03d.png", folder, "ab"[i % 2], i);
        encode_write_picture(path, i, 8 + i % 9, 12 + 3 * (i % 11));
    }
}

static void setup(void)
{
    (void)small_folder_enter();
    (void)command_ends(0, "", "run small.yaml --until tokenizer --workdir model");
    small_shell("cp model/runs/small/tokenizer.h5 model.h5; sed 's/seed: 3/seed: 4/' small.yaml > other.yaml");
    write_pictures("photos", 0, PICTURES);
}

static void rows_are(const char *path, int64_t rows, int64_t skipped)
{
    struct tessi_context context;
    struct tess_artefact *a = NULL;
    struct tess_tensor shape;
    int32_t bits;
    int64_t stored, found = 0;
    const char *name;
    tessi_base_context_init(&context, NULL);
    ck_assert_msg(tessi_store_artefact_open(&context.context, path, &a) == TESS_OK, "%s", tessi_base_context_message(&context.context));
    ck_assert_msg(tessi_store_artefact_verify(&context.context, a) == TESS_OK, "%s", tessi_base_context_message(&context.context));
    ck_assert_int_eq(tess_attrs_i64_or(tess_artefact_attrs(a), "count", -1), rows);
    for (int64_t i = 0; (name = tessi_store_artefact_dataset_at(a, i, &shape, &bits, &stored)); i++)
        found += strcmp(name, "skipped") == 0 ? shape.dim[0] : 0;
    ck_assert_int_eq(found, skipped);
    tessi_store_artefact_close(a);
}

/* ---- kills --------------------------------------------------------------------------------------------------------------- */

START_TEST(one_file_killed)
{
    if (!command_has("source/folder"))
        return;
    (void)command_ends(0, "skipped a/p010.png", "encode photos" MODEL "-o calm.h5 --skip-bad --batch 4");
    rows_are("calm.h5", PICTURES - BAD, BAD);
    small_shell("find photos -name '*.png' | sort > paths && " TEST_PROGRAM " encode - -m model.h5 -o listed.h5 --skip-bad -q < paths");
    rows_are("listed.h5", PICTURES - BAD, BAD);
    int kills = encode_killed_until_it_ends("encode photos" MODEL "-o wild.h5 --skip-bad --batch 4");
    ck_assert_int_ge(kills, 3);
    small_shell("cmp calm.h5 wild.h5 && test ! -e wild.h5.work");
    (void)command_ends(0, "nothing to do", "encode photos" MODEL "-o wild.h5 --skip-bad --batch 4");
}
END_TEST

/* A batch is of whole microbatches, as the network computes no fewer: a smaller one would have it compute places that nothing is in. */
START_TEST(small_batches_are_whole_microbatches)
{
    const struct command_limits limits = {.inject = "kill@step:7"}; /* steps take eight pictures each, and would be more with one */
    if (!command_has("source/folder"))
        return;
    const struct command_result *r = command_within(&limits, "encode photos" MODEL "-o small.h5 --skip-bad --batch 1");
    ck_assert_msg(r->code == 0, "%d: %s", r->code, r->err);
}
END_TEST

#define SHARDED "--skip-bad --batch 4 --shard-items 7 --labels folders"

START_TEST(shards_killed)
{
    if (!command_has("source/folder"))
        return;
    (void)command_ends(0, "", "encode photos" MODEL "-o calm-s " SHARDED " --threads 1");
    rows_are("calm-s", PICTURES - BAD, BAD);
    ck_assert_int_ge(encode_killed_until_it_ends("encode photos" MODEL "-o wild-s " SHARDED), 3);
    small_shell("diff -r calm-s wild-s && test ! -e wild-s/.work");
    (void)command_ends(0, "nothing to do", "encode photos" MODEL "-o wild-s " SHARDED);
}
END_TEST

/* A compressed tar file, read in order, makes the contents that the plain one makes, killed and resumed. */
START_TEST(compressed_killed)
{
    static const char same[] = "for f in index shard-000000 shard-000001 shard-000002 shard-000003; do "
                               "test \"$(" TEST_PROGRAM " inspect plain/$f.h5 | grep digest)\" = "
                               "\"$(" TEST_PROGRAM " inspect packed/$f.h5 | grep digest)\" || exit 1; done";
    if (!command_has("source/tar"))
        return;
    small_shell("cd photos && tar --sort=name -cf ../t.tar a b && gzip -c ../t.tar > ../t.tar.gz");
    (void)command_ends(0, "skipped t/a/p010.png", "encode t.tar" MODEL "-o plain --skip-bad --batch 4 --shard-items 7");
    ck_assert_int_ge(encode_killed_until_it_ends("encode t.tar.gz" MODEL "-o packed --skip-bad --batch 4 --shard-items 7"), 3);
    small_shell(same);
    small_shell("mv t.tar.gz renamed.xz");
    (void)command_ends(0, "", "encode renamed.xz" MODEL "-o unpacked.h5 --skip-bad --source tar");
    rows_are("unpacked.h5", PICTURES - BAD, BAD);
}
END_TEST

/* Shares of an archive, in any order, make the same files; the index comes with the last. */
START_TEST(shares)
{
    if (!command_has("source/folder"))
        return;
    (void)command_ends(0, "", "encode photos" MODEL "-o whole " SHARDED);
    (void)command_ends(0, "2 of 4 shards of parts are left", "encode photos" MODEL "-o parts " SHARDED " --shard 2/2");
    small_shell("test ! -e parts/index.h5 && test -e parts/shard-000003.h5 && test ! -e parts/shard-000002.h5");
    (void)command_ends(0, "", "encode photos" MODEL "-o parts " SHARDED " --shard 1/2 --threads 2");
    small_shell("diff -r whole parts");
    (void)command_ends(2, "as 2/4", "encode photos" MODEL "-o parts " SHARDED " --shard 3/2");
}
END_TEST

/* The rows of an archive do not depend on how it is cut. */
START_TEST(one_or_four)
{
    struct tessi_context context;
    struct tess_tensor t[2];
    static const char *const path[] = {"one.h5", "four"};
    if (!command_has("source/folder"))
        return;
    (void)command_ends(0, "", "encode photos" MODEL "-o one.h5 --skip-bad --flip both");
    (void)command_ends(0, "", "encode photos" MODEL "-o four --skip-bad --flip both --shard-items 7");
    tessi_base_context_init(&context, NULL);
    for (int i = 0; i < 2; i++) {
        struct tess_artefact *a = NULL;
        ck_assert_int_eq(tessi_store_artefact_open(&context.context, path[i], &a), TESS_OK);
        ck_assert_int_eq(tess_artefact_load(&context.context, a, "codes", TESS_I32, &t[i]), TESS_OK);
        tessi_store_artefact_close(a);
    }
    ck_assert_int_eq(t[0].dim[0], 2 * (PICTURES - BAD));
    ck_assert(tess_tensor_same_shape(&t[0], &t[1]) && memcmp(t[0].data, t[1].data, tess_tensor_bytes(&t[0])) == 0);
    tess_free(t[0].data);
    tess_free(t[1].data);
}
END_TEST

/* Files merged of archives cut in different ways are the same: no bit of a row depends on shards, batch or threads, or on the pictures that
 * were left out before it. */
START_TEST(cut_anyhow)
{
    if (!command_has("source/folder"))
        return;
    (void)command_ends(0, "", "encode photos" MODEL "-o cut --skip-bad --shard-items 5 --batch 3 --threads 2");
    (void)command_ends(0, "", "encode photos" MODEL "-o uncut --skip-bad --threads 1");
    (void)command_ends(0, "", "archive merge cut -o cut.h5");
    (void)command_ends(0, "", "archive merge uncut -o uncut.h5");
    small_shell("cmp cut.h5 uncut.h5");
}
END_TEST

/* A shard of which every picture is bad has no rows, and is whole. */
START_TEST(nothing_but_bad)
{
    if (!command_has("source/folder"))
        return;
    small_shell("mkdir -p few && for i in 1 2 3; do echo none > few/$i.png; done && cp photos/a/p000.png few/4.png");
    const struct command_result *r = command_ends(0, "skipped 3.png", "encode few" MODEL "-o shards --skip-bad --shard-items 3");
    ck_assert_msg(strstr(r->out, "1 row of 4 images, 3 skipped, in 2 shards") != NULL, "%s", r->out);
    r = command_ends(0, "", "archive verify shards");
    ck_assert_msg(strstr(r->out, "1 row of 4 items, 3 skipped") != NULL, "%s", r->out);
    (void)command_ends(0, "", "inspect --verify shards/shard-000000.h5");
}
END_TEST

/* ---- what is refused ------------------------------------------------------------------------------------------------------- */

START_TEST(changes_are_told)
{
    if (!command_has("source/folder"))
        return;
    small_shell("cp -r photos mine");
    (void)command_ends(0, "", "run other.yaml --until tokenizer --workdir other");
    (void)command_ends(0, "", "encode mine" MODEL "-o first.h5 --skip-bad");
    (void)command_ends(0, "left to other shares", "encode mine" MODEL "-o some " SHARDED " --shard 1/2");
    (void)command_ends(65, "input `model` changed", "encode mine -m other/runs/small/tokenizer.h5 -o first.h5 --skip-bad");
    (void)command_ends(65, "codes of two tokenizers cannot be one", "encode mine -m other/runs/small/tokenizer.h5 -o some " SHARDED);
    (void)command_ends(65, "skip_bad: true -> false", "encode mine" MODEL "-o first.h5");
    (void)command_ends(65, "`size: 20` is wanted now", "encode mine" MODEL "-o some " SHARDED " --size 20");
    small_shell("printf changed > mine/a/p010.png");
    (void)command_ends(65, "a/p010.png changed", "encode mine" MODEL "-o first.h5 --skip-bad");
    (void)command_ends(65, "a/p010.png changed", "encode mine" MODEL "-o some " SHARDED);
    write_pictures("mine", PICTURES, 1);
    (void)command_ends(65, "has 27 images, and had 26 when some was begun", "encode mine" MODEL "-o some " SHARDED);
    (void)command_ends(73, "a folder with other files", "encode mine" MODEL "-o mine");
    (void)command_ends(2, "autoencoder, was wanted", "encode mine -m first.h5 -o two.h5");
    (void)command_ends(65, "leave such images out", "encode mine" MODEL "-o strict.h5");
}
END_TEST

/* Starts an encoding that stops within its first shard, changes a file meanwhile, and has it go on. */
static const struct command_result *changed_meanwhile(const char *line, const char *change)
{
    const struct command_limits stop = {.inject = "pause@write:3", .tag = "2"};
    pid_t p = command_start(line, &stop);
    command_paused(p);
    small_shell(change);
    command_resume(p);
    return command_wait_tagged(p, "2");
}

/* A picture that changes while its shard is made is read again where bad ones are left out, and refused else; one of another shard is no
 * matter. So is a picture that changes before its shard is begun. */
START_TEST(changes_while_it_is_read)
{
    static const char again[] = "mine/p002.png changed while there was work with it; shard-000000 is made again";
    if (!command_has("source/folder"))
        return;
    small_shell("rm -rf mine && mkdir mine && for i in 0 1 2 4 5 6 7 8; do cp photos/?/p00$i.png mine; done");
#define MINE "encode mine" MODEL "--batch 8 --shard-items 4 "
    const struct command_result *r = changed_meanwhile(MINE "-o read --skip-bad", "cp mine/p001.png mine/p002.png");
    ck_assert_msg(r->code == 0 && strstr(r->err, again), "%d: %s", r->code, r->err);
    (void)command_ends(0, "", MINE "-o calm-read --skip-bad");
    small_shell("diff -r read calm-read && rm -r read calm-read");
    r = changed_meanwhile(MINE "-o read --skip-bad", "cp mine/p006.png mine/p007.png");
    ck_assert_msg(r->code == 0 && !strstr(r->err, "again"), "%d: %s", r->code, r->err);
    (void)command_ends(0, "", MINE "-o calm-read --skip-bad");
    small_shell("diff -r read calm-read && rm -r read");
    r = changed_meanwhile(MINE "-o read", "cp mine/p000.png mine/p001.png");
    ck_assert_msg(r->code == 65 && strstr(r->err, "mine/p001.png: changed while there was work with it"), "%d: %s", r->code, r->err);
    small_shell("rm -r read");
    r = changed_meanwhile(MINE "-o read --skip-bad", "rm mine/p001.png"); /* fewer images than the archive was begun with */
    ck_assert_msg(r->code == 65 && strstr(r->err, "has 7 images, and had 8 when the archive was begun"), "%d: %s", r->code, r->err);
    small_shell("cp mine/p000.png mine/p001.png");
    r = changed_meanwhile("encode mine" MODEL "-o read.h5 --skip-bad", "rm mine/p001.png");
    ck_assert_msg(r->code == 0 && strstr(r->out, "7 rows of 7 images"), "%d: %s%s", r->code, r->out, r->err);
}
END_TEST

/* An archive grows by what is new, wherever that lies among the rest; killed while it does, it becomes the same. */
START_TEST(grows)
{
    if (!command_has("source/folder"))
        return;
    small_shell("cp -r photos growing");
    (void)command_ends(0, "", "encode growing" MODEL "-o grow " SHARDED);
    (void)command_ends(0, "nothing to do", "encode growing" MODEL "-o grow --append " SHARDED);
    write_pictures("growing", PICTURES, 8);
    (void)command_ends(65, "or add new ones to the finished archive with --append", "encode growing" MODEL "-o grow " SHARDED);
    small_shell("cp -r grow kept");
    (void)command_ends(0, "grow: 7 images in 5 shards", "encode growing" MODEL "-o grow --append " SHARDED);
    rows_are("grow", PICTURES - BAD + 7, BAD); /* the file that is no picture has the content of those before */
    small_shell("mv grow calm-g && mv kept grow");
    ck_assert_int_ge(encode_killed_until_it_ends("encode growing" MODEL "-o grow --append " SHARDED), 1);
    small_shell("diff -r calm-g grow");
    (void)command_ends(0, "nothing to do", "encode growing" MODEL "-o grow --append " SHARDED);
    (void)command_ends(65, "`flip: both` is wanted now", "encode growing" MODEL "-o grow --append --flip both " SHARDED);
    (void)command_ends(2, "nothing to add to", "encode growing" MODEL "-o none --append " SHARDED);
}
END_TEST

/* ---- back again ------------------------------------------------------------------------------------------------------------- */

START_TEST(decoded)
{
    if (!command_has("source/folder"))
        return;
    const struct command_limits stop = {.inject = "term@write:5"};
    (void)command_ends(0, "", "encode photos" MODEL "-o codes " SHARDED);
    (void)command_ends(0, "", "decode codes" MODEL "-o calm");
    small_shell("test $(find calm -name '*.png' | wc -l) = 22 && test -e calm/a/p000.png.png");
    const struct command_result *r = command_within(&stop, "decode codes" MODEL "-o wild --batch 4");
    ck_assert_msg(r->code == 75, "%d: %s", r->code, r->err);
    (void)command_ends(73, "another archive, or with another tokenizer", "decode codes/shard-000000.h5" MODEL "-o wild");
    (void)command_ends(0, "", "decode codes" MODEL "-o wild");
    small_shell("diff -r calm wild");
    (void)command_ends(0, "nothing to do", "decode codes" MODEL "-o wild");
    small_shell("rm wild/a/p000.png.png");
    (void)command_ends(0, "", "decode codes" MODEL "-o wild");
    small_shell("diff -r calm wild");
    (void)command_ends(73, "another archive, or with another tokenizer", "decode codes/shard-000000.h5" MODEL "-o wild");
    (void)command_ends(0, "", "decode codes" MODEL "-o images.h5");
    (void)command_ends(0, "nothing to do", "decode codes" MODEL "-o images.h5");
    (void)command_ends(73, "is not empty", "decode codes" MODEL "-o photos");
}
END_TEST

/* No row is lost where several have one name, or one that is too long for a file with `.png` behind it. */
START_TEST(decoded_names)
{
    char line[700], name[NAME_MAX + 1];
    if (!command_has("source/folder") || !command_has("source/list"))
        return;
    memset(name, 'n', sizeof name);
    memcpy(name + 249, ".png", 5);
    snprintf(line, sizeof line,
             "mkdir odd && cp photos/a/p000.png odd/a.png && cp odd/a.png odd/%s && printf 'a.png\na.png\n%s\n' > odd/list.txt", name,
             name);
    small_shell(line);
    (void)command_ends(0, "", "encode odd/list.txt" MODEL "-o odd.h5");
    (void)command_ends(0, "", "decode odd.h5" MODEL "-o odd-shown");
    small_shell("test \"$(ls odd-shown | tr '\\n' ' ')\" = '000000002.png a.png.000000000.png a.png.000000001.png '");
    /* A file where other rows have a folder, also that of the folder's own mark; names that are another's with its number. */
    small_shell(
        "mkdir -p clash/a.png clash/.decode clash/000000007.png && cd clash && "
        "for f in a a.png/b .decode/c x.000000005 x x 000000007.png/y $(printf %0255d 7); do cp ../odd/a.png $f; echo $f; done > list.txt");
    (void)command_ends(0, "", "encode clash/list.txt" MODEL "-o clash.h5");
    (void)command_ends(0, "", "decode clash.h5" MODEL "-o clash-shown");
    small_shell("cd clash-shown && test \"$(find * -type f | LC_ALL=C sort | tr '\\n' ' ')\" = '000000002.png 000000005.png 000000006.png "
                "000000007.png a.000000000.png a.png/b.png x.000000004.png x.000000005.000000003.png '");
    (void)command_ends(0, "nothing to do", "decode clash.h5" MODEL "-o clash-shown");
}
END_TEST

/* Command lines that are wrong, each with its sentence; nothing is written. */
START_TEST(words_that_are_wrong)
{
    if (!command_has("source/folder"))
        return;
    (void)command_ends(2, "wanted a source of images: a folder, a file, or - for a list", "encode" MODEL "-o no.h5");
    (void)command_ends(2, "wanted -m MODEL.h5, the tokenizer", "encode photos -o no.h5");
    (void)command_ends(2, "wanted -o, the archive: FILE.h5, or a folder of shards", "encode photos -m model.h5");
    (void)command_ends(2, "wanted one source of images, found `more` after `photos`", "encode photos more" MODEL "-o no.h5");
    (void)command_ends(2, "--tiles and --crops do not go together", "encode photos" MODEL "-o no.h5 --tiles --crops ten");
    (void)command_ends(74, "none.tar: cannot be opened: No such file or directory", "encode none.tar" MODEL "-o no.h5");
    (void)command_ends(2, "stage/encode has no parameter `sizee`; did you mean `size`?", "encode photos" MODEL "-o no.h5 --set sizee=3");
    small_shell("test ! -e no.h5 && test ! -e no");
}
END_TEST

/* The type of a file is told by its first bytes, else by its name. */
START_TEST(sources_by_their_bytes)
{
    static const char *const colour[] = {"pictures.npy", "pictures.tar", "pictures.h5", "pictures.csv"};
    if (!command_has("source/folder"))
        return;
    (void)command_ends(0, "", "encode images" MODEL "-o bytes.h5 -q");
    small_shell("cp images byte-images.idx && gzip -n byte-images.idx ");
    (void)command_ends(0, "", "encode byte-images.idx.gz" MODEL "-o zipped.h5 -q");
    (void)command_ends(0, "", "archive export bytes.h5 -o bytes.npy");
    (void)command_ends(0, "", "archive export zipped.h5 -o zipped.npy");
    small_shell("cmp bytes.npy zipped.npy");
    (void)command_ends(0, "", "encode model/runs/small/images.h5" MODEL "-o artefact.h5 -q --set batch=7");
    (void)command_ends(0, "", "archive export artefact.h5 -o artefact.npy");
    small_shell("cmp bytes.npy artefact.npy");
    for (size_t i = 0; i < sizeof colour / sizeof *colour; i++)
        (void)command_ends(0, "", "encode " TEST_FOLDER "/%s" MODEL "-o colour-%zu.h5 --skip-bad", colour[i], i);
}
END_TEST

/* Labels of a tar file that are numbers, as WebDataset keeps them: their classes have no names. */
START_TEST(labels_that_are_numbers)
{
    small_shell("printf 'tessera: 1\\nstages:\\n  images: {use: import, source: {use: tar, path: " TEST_FOLDER
                "/pictures.tar}, skip_bad: true, size: 8, crop: 8, channels: 1}\\n' > numbers.yaml");
    (void)command_ends(0, "", "run numbers.yaml -q");
    (void)command_ends(0, "", "encode " TEST_FOLDER "/pictures.tar" MODEL "-o numbers.h5 --skip-bad -q");
    rows_are("numbers.h5", 2, 1);
}
END_TEST

/* Channels become the tokenizer's, in a folder of grey and colour pictures too. */
START_TEST(channels_become_the_tokenizers)
{
    if (!command_has("source/folder"))
        return;
    small_shell("mkdir mixed && cp " TEST_FOLDER "/grey.png mixed/a.png && cp " TEST_FOLDER
                "/colour.png mixed/b.png && cp photos/a/p000.png mixed");
    (void)command_ends(0, "", "encode mixed" MODEL "-o mixed.h5 -q");
    rows_are("mixed.h5", 3, 0);
}
END_TEST

/* A process that was killed while it wrote the recipe, and one that is just writing it, leave a folder that an archive may be begun in; the
 * same of the mark of a folder of pictures. */
START_TEST(begun_and_no_further)
{
    if (!command_has("source/folder"))
        return;
    small_shell("mkdir begun shown-begun && : > begun/encode.yaml.0123abcd.1.0.partial && : > shown-begun/.decode.0123abcd.1.0.partial");
    (void)command_ends(0, "", "encode photos" MODEL "-o begun " SHARDED);
    (void)command_ends(0, "", "decode begun" MODEL "-o shown-begun");
    small_shell("mkdir foreign && : > foreign/encode.yaml.txt");
    (void)command_ends(73, "is a folder with other files", "encode photos" MODEL "-o foreign " SHARDED);
    const char *err =
        command_ends(65, "is no image", "encode photos" MODEL "-o strict.h5")->err; /* no word of the work folder's pipeline */
    ck_assert_msg(strstr(err, ".yaml") == NULL, "%s", err);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("encode");
    TCase *t = tcase_create("encode");
    tcase_set_timeout(t, 600);
    tcase_add_unchecked_fixture(t, setup, small_folder_leave);
    tcase_add_test(t, small_batches_are_whole_microbatches);
    tcase_add_test(t, one_file_killed);
    tcase_add_test(t, shards_killed);
    tcase_add_test(t, compressed_killed);
    tcase_add_test(t, shares);
    tcase_add_test(t, one_or_four);
    tcase_add_test(t, cut_anyhow);
    tcase_add_test(t, nothing_but_bad);
    tcase_add_test(t, changes_are_told);
    tcase_add_test(t, changes_while_it_is_read);
    tcase_add_test(t, grows);
    tcase_add_test(t, decoded);
    tcase_add_test(t, decoded_names);
    tcase_add_test(t, words_that_are_wrong);
    tcase_add_test(t, sources_by_their_bytes);
    tcase_add_test(t, labels_that_are_numbers);
    tcase_add_test(t, channels_become_the_tokenizers);
    tcase_add_test(t, begun_and_no_further);
    suite_add_tcase(s, t);
    return suite_run(s);
}
