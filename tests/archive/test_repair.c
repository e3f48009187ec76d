/* `tessera archive` on archives that `tessera encode` made: four machines' shares become the undisturbed archive, what is cut, exported and
 * imported has the same codes, damaged shards are encoded again as they were, an export that is killed leaves no file.
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/store/store.h"
#include "tests/support/command_fixture.h"
#include "tests/support/encode_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PICTURES = 26 };
#define ENCODE "encode photos -m model.h5 --skip-bad --batch 4 --shard-items 7"

static void setup(void)
{
    char path[64];
    (void)small_folder_enter();
    (void)command_ends(0, "", "run small.yaml --until tokenizer --workdir model");
    small_shell("cp model/runs/small/tokenizer.h5 model.h5 && mkdir photos");
    for (int i = 0; i < PICTURES; i++) {
        snprintf(path, sizeof path, "photos/p%03d.png", i);
        encode_write_picture(path, i, SMALL_H, SMALL_W);
    }
}

START_TEST(machines)
{
    if (!command_has("source/folder"))
        return;
    (void)command_ends(0, "", ENCODE " -o whole");
    for (int i = 1; i <= 4; i++)
        (void)command_ends(0, "", ENCODE " -o m%d --shard %d/4", i, i);
    (void)command_ends(0, "", "archive merge m3 m1 m4 m2 -o merged");
    small_shell("diff -r whole merged");
    (void)command_ends(0, "", "archive verify merged");
    ck_assert_ptr_nonnull(strstr(command("archive verify merged")->out, "4 shards, 22 rows of 26 items, 4 skipped"));
    (void)command_ends(65, "items 7 to 13 are missing", "archive merge m1 m3 m4 -o less");
    ck_assert_ptr_nonnull(strstr(command("archive info whole")->out, "22 of 26 items, 4 skipped"));
    (void)command_ends(0, "", ENCODE " -o crops --crops ten");
    (void)command_ends(0, "", "archive verify crops");
}
END_TEST

START_TEST(repaired)
{
    if (!command_has("source/folder"))
        return;
    (void)command_ends(0, "", ENCODE " -o whole");
    small_shell("cp -r whole a");
    ck_assert_ptr_nonnull(strstr(command_ends(0, "", "archive repair a -m model.h5")->out, "nothing to repair"));
    small_shell("printf x | dd of=a/shard-000001.h5 bs=1 seek=700 conv=notrunc 2>/dev/null && rm a/shard-000003.h5");
    (void)command_ends(65, "2 of its files", "archive verify a");
    (void)command_ends(0, "", "archive repair a -m model.h5 -n");
    (void)command_ends(0, "", "archive repair a -m model.h5");
    small_shell("diff -r whole a");
    small_shell("head -c 900 whole/index.h5 > a/index.h5 && rm a/shard-000000.h5");
    (void)command_ends(0, "", "archive repair a -m model.h5");
    small_shell("diff -r whole a");
    small_shell("cp photos/p001.png photos/p001b.png && printf x >> a/shard-000002.h5"); /* a copy, which is in no shard */
    (void)command_ends(0, "", "archive repair a -m model.h5");
    small_shell("diff -r whole a && rm photos/p001b.png");
    small_shell("rm a/shard-000002.h5 && cp photos/p015.png photos/p016.png"); /* other pictures than then */
    (void)command_ends(65, "encoded again it is", "archive repair a -m model.h5");
    small_shell("test ! -e a/shard-000002.h5");
    small_shell(
        "cp whole/shard-000002.h5 a && printf x | dd of=a/shard-000002.h5 bs=1 seek=700 conv=notrunc 2>/dev/null; cp a/shard-000002.h5 "
        "kept.h5");
    (void)command_ends(65, "encoded again it is", "archive repair a -m model.h5"); /* what was there is there again */
    small_shell("cmp a/shard-000002.h5 kept.h5 && test ! -e a/shard-000002.h5.damaged");
    (void)command_ends(74, "encode.yaml: is not there", "archive repair photos -m model.h5");
}
END_TEST

/* Killed at any point, the same command ends the repair, and nothing lies beside the shards then. */
START_TEST(repair_killed)
{
    static const char *const points[] = {"renamed", "write"};
    int kills = 0;
    if (!command_has("source/folder"))
        return;
    (void)command_ends(0, "", ENCODE " -o whole");
    for (size_t p = 0; p < sizeof points / sizeof *points; p++)
        for (int n = 1; n < 60; n += p ? 9 : 1 + n / 4) {
            char plan[40];
            snprintf(plan, sizeof plan, "kill@%s:%d", points[p], n);
            const struct command_limits limits = {.inject = plan};
            small_shell("rm -rf a && cp -r whole a && rm a/index.h5 a/shard-000003.h5 && "
                        "printf x | dd of=a/shard-000001.h5 bs=1 seek=700 conv=notrunc 2>/dev/null");
            int code = command_within(&limits, "archive repair a -m model.h5")->code;
            if (code == 0)
                break;
            ck_assert_int_eq(code, -9);
            kills++;
            (void)command_ends(0, "", "archive repair a -m model.h5");
            small_shell("diff -r whole a");
        }
    ck_assert_int_gt(kills, 6);
    /* Two did so: a repair killed behind the shard it made, another beside a process at work on the archive. */
    small_shell("cp whole/shard-000001.h5 a/shard-000001.h5.damaged && mkdir a/.work");
    (void)command_ends(0, "", "archive repair a -m model.h5");
    small_shell("diff -r whole a && rm a/shard-000002.h5");
    const struct command_limits stop = {.inject = "pause@write:3", .tag = "2"};
    pid_t other = command_start("archive repair a -m model.h5", &stop);
    command_paused(other);
    (void)command_ends(73, "is at work on it; stop that first", "archive repair a -m model.h5");
    command_resume(other);
    ck_assert_int_eq(command_wait_tagged(other, "2")->code, 0);
    small_shell("diff -r whole a && rm -r a");
}
END_TEST

#define GROW "encode grow -m model.h5 --skip-bad --batch 4 --shard-items 7"

static void damage(int shard)
{
    char line[128];
    snprintf(line, sizeof line, "rm -rf r && cp -r g r && printf damage | dd of=r/shard-00000%d.h5 bs=1 seek=2100 conv=notrunc 2>/dev/null",
             shard);
    small_shell(line);
}

/* Each shard of an archive that has grown twice is made again as it was, byte for byte. New pictures lie among the former ones: a bad
 * picture and a picture in a folder are among the new. Several damaged shards are made again at once, and without the index as well. */
START_TEST(grown)
{
    static const struct {
        const char *path;
        int picture, growth;
    } added[] = {{"grow/p001x.png", 40, 1}, {"grow/in/p.png", 41, 1}, {"grow/a.png", 42, 2}};
    if (!command_has("source/folder"))
        return;
    small_shell("cp -r photos grow && mkdir grow/in");
    (void)command_ends(0, "", GROW " -o g");
    for (int growth = 1; growth <= 2; growth++) {
        small_shell(growth == 2 ? "echo none > grow/p000.5.png" : "true");
        for (size_t k = 0; k < sizeof added / sizeof *added; k++)
            if (added[k].growth == growth)
                encode_write_picture(added[k].path, added[k].picture, SMALL_H, SMALL_W);
        (void)command_ends(0, "", GROW " -o g --append");
    }
    small_shell("test -e g/shard-000005.h5 && test ! -e g/shard-000006.h5");
    for (int i = 0; i < 6; i++) {
        damage(i);
        (void)command_ends(0, "", "archive repair r -m model.h5");
        small_shell("diff -r g r");
    }
    /* A copy of a picture that is there is in no shard. Shards whose names can be read tell that it came later. */
    small_shell("cp grow/p001.png grow/p001b.png && cp grow/p003.png grow/bad.png");
    (void)command_ends(0, "nothing to do", GROW " -o g --append");
    for (int i = 0; i < 6; i++) {
        char line[300];
        snprintf(line, sizeof line,
                 "rm -r r && cp -r g r && f=r/shard-%06d.h5 && c=$(tail -c 2 $f | head -c 1) && if test $c = 0; then c=1; else c=0; fi && "
                 "printf $c | dd of=$f bs=1 seek=$(($(stat -c %%s $f) - 2)) conv=notrunc 2>/dev/null",
                 i);
        small_shell(line);
        (void)command_ends(65, "is damaged", "archive verify r");
        const struct command_limits kill = {.inject = "kill@write:9"}; /* while the shard is `NAME.h5.damaged` */
        (void)command_within(&kill, "archive repair r -m model.h5");
        (void)command_ends(0, "", "archive repair r -m model.h5");
        small_shell("diff -r g r");
    }
    small_shell("rm grow/bad.png r/shard-000005.h5"); /* a copy is one, too, where the shard with the names is gone */
    (void)command_ends(0, "", "archive repair r -m model.h5");
    small_shell("diff -r g r && rm grow/p001b.png");
    small_shell("rm r/shard-00000[135].h5 r/index.h5");
    (void)command_ends(0, "", "archive repair r -m model.h5");
    small_shell("diff -r g r && rm r/shard-000001.h5");
    encode_write_picture("grow/q.png", 43, SMALL_H, SMALL_W);
    (void)command_ends(65, "grow: has 1 more image than when shard-000001 was made, and no shard tells which",
                       "archive repair r -m model.h5");
}
END_TEST

START_TEST(appended)
{
    if (!command_has("source/folder"))
        return;
    (void)command_ends(0, "", ENCODE " -o grown");
    small_shell("for i in 1 2 3 4 5 6 7 8; do cp photos/p00$i.png photos/q$i.png; printf x >> photos/q$i.png; done");
    (void)command_ends(0, "", ENCODE " -o grown --append");
    (void)command_ends(0, "", "archive verify grown");
    small_shell("cp -r grown kept && n=$(ls grown/shard-*.h5 | tail -1) && rm $n");
    (void)command_ends(0, "", "archive repair grown -m model.h5");
    small_shell("diff -r kept grown; rm photos/q*.png");
}
END_TEST

/* A disk that fills at the n-th write, and has room again when the command is given again: all is as if it never had been. */
static void full_then_again(const char *line, const char *before, const char *calm)
{
    static const int writes[] = {1, 4, 9, 21};
    int refused = 0;
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++) {
        char plan[60], reset[200];
        snprintf(plan, sizeof plan, "fail@write:%d+,term@full:1", writes[i]);
        snprintf(reset, sizeof reset, "rm -rf made made.npy; test -z '%s' || cp -r '%s' made", before, before);
        small_shell(reset);
        int code = command_within(&(const struct command_limits){.inject = plan}, "%s", line)->code;
        ck_assert_msg(code == 0 || code == 73 || code == 74 || code == 75, "%s: %s: %d", line, plan, code);
        refused += code != 0;
        if (code != 0)
            (void)command_ends(0, "", "%s", line);
        snprintf(reset, sizeof reset, "diff -r %s %s", calm, strstr(calm, ".npy") ? "made.npy" : "made");
        small_shell(reset);
    }
    ck_assert_int_gt(refused, 1);
}

START_TEST(disk_full)
{
    if (!command_has("source/folder"))
        return;
    (void)command_ends(0, "", ENCODE " -o calm");
    full_then_again(ENCODE " -o made", "", "calm");
    (void)command_ends(0, "", "archive export calm -o calm.npy");
    full_then_again("archive export calm -o made.npy", "", "calm.npy");
    (void)command_ends(0, "", "archive split calm -o split --rows 4");
    full_then_again("archive split calm -o made --rows 4", "", "split");
    (void)command_ends(0, "", "archive merge calm -o calm-merged");
    full_then_again("archive merge calm -o made", "", "calm-merged");
    small_shell(
        "for i in 1 2 4; do cp photos/p00$i.png photos/q$i.png; printf x >> photos/q$i.png; done; cp -r calm before; rm -rf made; cp -r "
        "before made");
    (void)command_ends(0, "", ENCODE " -o made --append"); /* its recipe has the folder's name */
    small_shell("mv made calm-grown");
    full_then_again(ENCODE " -o made --append", "before", "calm-grown");
    small_shell("rm photos/q*.png");
}
END_TEST

/* Codes go out and come back; how they are used is counted. */
START_TEST(imported)
{
    if (!command_has("source/folder"))
        return;
    (void)command_ends(0, "", ENCODE " -o whole");
    (void)command_ends(0, "", "archive export whole -o codes.npy");
    ck_assert_ptr_nonnull(strstr(command_ends(0, "", "archive import codes.npy -m model.h5 -o back.h5")->out, "back.h5: 22 rows"));
    (void)command_ends(0, "", "archive verify back.h5");
    (void)command_ends(0, "", "archive export back.h5 -o again.npy");
    small_shell("cmp codes.npy again.npy && mkdir maps && cp codes.npy maps/9.npy && cp codes.npy maps/10.npy");
    ck_assert_ptr_nonnull(strstr(command_ends(0, "", "archive import maps -m model.h5 -o maps.h5")->out, "maps.h5: 44 rows"));
    (void)command_ends(0, "", "archive verify maps.h5 --deep");
    ck_assert_ptr_nonnull(strstr(command_ends(0, "", "archive stats whole --json")->out, "\"rows\":22,\"levels\":[{\"codebook_size\":"));
    ck_assert_ptr_nonnull(strstr(command_ends(0, "", "archive stats maps.h5 -o usage.png")->out, "44 rows"));
    small_shell("test -s usage.png");
    (void)command_ends(74, "No such file", "archive import nowhere.npy -m model.h5 -o x.h5");
    (void)command_ends(65, "", "archive import back.h5 -m model.h5 -o x.h5");
    small_shell("test ! -e x.h5");
}
END_TEST

START_TEST(export_killed)
{
    if (!command_has("source/folder"))
        return;
    static const char *const outputs[] = {"o.npy", "o.tar", "o.safetensors", "o --format png"};
    int kills = 0;
    (void)command_ends(0, "", ENCODE " -o whole");
    for (size_t f = 0; f < sizeof outputs / sizeof *outputs; f++) {
        (void)command_ends(0, "", "archive export whole -o calm-%s", outputs[f]);
        for (int n = 1; n < 9; n += 2) {
            char plan[40];
            snprintf(plan, sizeof plan, "kill@%s:%d", n % 4 == 1 ? "write" : "sync", n);
            const struct command_limits limits = {.inject = plan};
            small_shell("rm -rf o o.npy o.tar o.safetensors");
            kills += command_within(&limits, "archive export whole -o %s", outputs[f])->code == -9;
            small_shell("for i in o o.npy o.tar o.safetensors; do test ! -e $i || diff -r $i calm-$i; done");
        }
        small_shell("rm -rf o o.npy o.tar o.safetensors");
        (void)command_ends(0, "", "archive export whole -o %s", outputs[f]);
        small_shell("for i in o o.npy o.tar o.safetensors; do test ! -e $i || diff -r $i calm-$i; done; test ! -e o.partial");
    }
    ck_assert_int_gt(kills, 6);
}
END_TEST

static void prints(const char *line, const char *words)
{
    const char *out = command_ends(0, "", "%s", line)->out;
    ck_assert_msg(strstr(out, words) != NULL, "`%s` is not in: %s", words, out);
}

/* Told, cut into other shards, exported and imported again: the same codes. */
START_TEST(told_cut_and_brought_back)
{
    if (!command_has("source/folder"))
        return;
    (void)command_ends(0, "", ENCODE " -o whole");
    prints("archive info whole", "22 of 26 items, 4 skipped");
    prints("archive info whole --json", "\"rows\":22,\"items\":26,\"skipped\":4,\"height\":4,\"width\":6");
    prints("archive stats whole", "uses           528");
    prints("archive stats whole --json -o counts.npy", "\"codebook_size\":12,\"used\":12,\"total\":528");
    prints("archive split whole -o cut --parts 2", "cut: 2 shards");
    prints("archive split whole -o fine --rows 5", "fine: 5 shards");
    prints("archive verify fine --json", "\"whole\":true,\"fault_count\":0,\"faulty_files\":0,\"shards\":5,\"rows\":22");
    (void)command_ends(0, "", "archive export whole -o codes.npy");
    (void)command_ends(0, "", "archive export fine -o fine.npy");
    prints("archive import codes.npy -m model.h5 -o back.h5", "back.h5: 22 rows");
    prints("archive verify back.h5", "22 rows of 22 items, 0 skipped");
    (void)command_ends(0, "", "archive export back.h5 -o again.npy");
    small_shell("cmp codes.npy fine.npy && cmp codes.npy again.npy && test -s counts.npy");
    (void)command_ends(2, "wanted either --rows N or --parts N", "archive split whole -o no");
    (void)command_ends(2, "wanted -o with the name of a new folder", "archive split whole --rows 5");
    (void)command_ends(2, "wanted -m with the tokenizer", "archive import codes.npy -o no.h5");
    (void)command_ends(2, "wanted --classes N beside --labels", "archive import codes.npy -m model.h5 -o no.h5 --labels codes.npy");
    (void)command_ends(65, "codes.npy", "archive import codes.npy -m model.h5 -o no.h5 --labels codes.npy --classes 3");
    (void)command_ends(74, "none.npy", "archive import none.npy -m model.h5 -o no.h5");
    small_shell("test ! -e no && test ! -e no.h5");
}
END_TEST

/* Faults as a user meets them: a line each, a summary, and the same as JSON. */
START_TEST(faults_are_printed)
{
    if (!command_has("source/folder"))
        return;
    (void)command_ends(0, "", ENCODE " -o sick");
    prints("archive verify sick", "sick: 4 shards, 22 rows of 26 items, 4 skipped; ");
    small_shell("printf x | dd of=sick/shard-000001.h5 bs=1 seek=700 conv=notrunc 2>/dev/null && rm sick/shard-000003.h5");
    const struct command_result *r = command_ends(65, "sick: is damaged: 2 of its files; `tessera archive repair`", "archive verify sick");
    ck_assert_msg(strstr(r->out, "shard-000001.h5: ") && strstr(r->out, "shard-000003.h5: ") && strstr(r->out, " faults in 2 files\n"),
                  "%s", r->out);
    r = command_ends(65, "is damaged", "archive verify sick --json");
    ck_assert_msg(strstr(r->out, "{\"path\":\"sick\",\"faults\":[{\"file\":\"shard-00000") == r->out && strstr(r->out, "\"message\":\"") &&
                      strstr(r->out, "],\"whole\":false,\"fault_count\":") && strstr(r->out, "\"faulty_files\":2,"),
                  "%s", r->out);
    r = command_ends(74, "none", "archive verify none --json");
    ck_assert_str_eq(r->out, "{\"path\":\"none\",\"faults\":[]}\n");
    prints("archive verify sick/shard-000000.h5", "sick/shard-000000.h5: 1 file, 6 rows of 7 items, 1 skipped; ");
}
END_TEST

/* Command lines that are wrong: each has its sentence, and nothing is written. */
START_TEST(words_that_are_wrong)
{
    if (!command_has("source/folder"))
        return;
    (void)command_ends(0, "", ENCODE " -o words");
    static const struct {
        const char *line, *told;
        int code;
    } slip[] = {
        {"archive", "wanted a verb, such as `tessera archive info ARCHIVE`", 2},
        {"archive zzzzzzzz", "there is no verb `zzzzzzzz`", 2},
        {"archive verify", "wanted an archive of codes: a folder with its index.h5, or one file", 2},
        {"archive verify words more", "wanted one archive, found `words` and `more`", 2},
        {"archive info model.h5", "model.h5: is of kind `autoencoder`, an archive of codes was wanted", 65},
        {"archive stats model.h5", "model.h5: is of kind `autoencoder`, an archive of codes was wanted", 65},
        {"archive stats words -o words/index.h5", "is a file of the folder words, which is read; give another name", 2},
        {"archive export words -o words/shard-000001.h5", "is a file of the folder words, which is read", 2},
        {"archive merge words -o words/shard-000001.h5", "is a file of the folder words, which is read", 2},
        {"archive export words", "tessera archive export: wanted -o with the name of the output; see `tessera archive export --help`", 2},
        {"archive export words -o new.gif", "wanted --format npy, safetensors, tar, png or h5, found none", 2},
        {"archive merge -o new", "wanted archives to merge, and -o with the name of the result", 2},
        {"archive split words -o new --rows 3 --parts 2", "wanted either --rows N or --parts N", 2},
        {"archive import new.npy -m words/index.h5 -o new.h5", "is of kind `codes`, an autoencoder was wanted for -m", 65},
        {"archive repair words", "see `tessera archive repair --help`", 2}};
    for (size_t i = 0; i < sizeof slip / sizeof *slip; i++)
        (void)command_ends(slip[i].code, slip[i].told, "%s", slip[i].line);
    small_shell("test ! -e new && test ! -e new.h5 && test ! -e new.gif");
    prints("archive verify words", ": whole\n");
}
END_TEST

/* Codes in a file of tensors: the only one of integers counts. */
START_TEST(imported_from_tensors)
{
    if (!command_has("source/folder"))
        return;
    (void)command_ends(0, "", ENCODE " -o plain");
    small_shell("mkdir -p classed/a classed/b && cp photos/p00*.png photos/p01*.png classed/a && cp photos/p02*.png classed/b");
    (void)command_ends(0, "", "encode classed -m model.h5 --skip-bad -o named.h5 --labels folders");
    (void)command_ends(0, "", "archive export plain -o plain.safetensors");
    (void)command_ends(0, "", "archive export plain -o plain.npy");
    prints("archive import plain.safetensors -m model.h5 -o tensors.h5", "tensors.h5: 22 rows");
    (void)command_ends(0, "", "archive export tensors.h5 -o tensors.npy");
    small_shell("cmp plain.npy tensors.npy");
    (void)command_ends(0, "", "archive export named.h5 -o named.safetensors");
    (void)command_ends(65, "named.safetensors: has 2 tensors of integers; codes are one, (N, ...)",
                       "archive import named.safetensors -m model.h5 -o no.h5");
    (void)command_ends(0, "", "archive export named.h5 -o named.npy");
    prints("archive import named.npy -m model.h5 -o labelled.h5 --labels named.labels.npy --classes 3", "labelled.h5: 22 rows");
    (void)command_ends(0, "", "archive export labelled.h5 -o labelled.npy");
    small_shell("test ! -e no.h5");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("archive repair");
    TCase *c = tcase_create("repair");
    tcase_add_unchecked_fixture(c, setup, small_folder_leave);
    tcase_set_timeout(c, 30);
    tcase_add_test(c, machines);
    tcase_add_test(c, told_cut_and_brought_back);
    tcase_add_test(c, grown);
    tcase_add_test(c, appended);
    tcase_add_test(c, repair_killed);
    tcase_add_test(c, repaired);
    tcase_add_test(c, export_killed);
    tcase_add_test(c, disk_full);
    tcase_add_test(c, imported);
    tcase_add_test(c, faults_are_printed);
    tcase_add_test(c, words_that_are_wrong);
    tcase_add_test(c, imported_from_tensors);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return suite_run(suite());
}
