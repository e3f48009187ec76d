/* `tessera graph` draws a pipeline in every format, and `why`, `du` and `gc` as a user meets them. SPDX-License-Identifier: MIT */
#include "tests/support/command_fixture.h"
#include "tests/support/paths.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DONE = 0, USAGE = 2 };

static void setup(void)
{
    (void)small_folder_enter();
}

static void teardown(void)
{
    small_folder_leave();
}

static int count(const char *text, const char *word)
{
    int n = 0;
    for (; (text = strstr(text, word)); text += strlen(word))
        n++;
    return n;
}

START_TEST(formats)
{
    (void)command_ends(DONE, "", "run small.yaml --until images");
    const struct command_result *r = command_ends(DONE, "", "graph small.yaml");
    ck_assert_msg(strstr(r->out, "images (import)") && strstr(r->out, "  cached\n") && strstr(r->out, "    model <- tokenizer\n") &&
                      strstr(r->out, "  run: input `model` will be computed"),
                  "%s", r->out);
    r = command_ends(DONE, "", "graph small.yaml --format dot");
    ck_assert_msg(strstr(r->out, "digraph \"small\" {") == r->out && count(r->out, " -> ") >= 8 && count(r->out, "style=dashed") == 1, "%s",
                  r->out);
    r = command_ends(DONE, "", "graph small.yaml --format=mermaid");
    ck_assert_msg(strstr(r->out, "flowchart TD\n") == r->out && strstr(r->out, "[\"images<br/>import<br/>cached\"]:::cached"), "%s",
                  r->out);
    r = command_ends(DONE, "", "graph small.yaml --format svg -o small.svg");
    ck_assert_str_eq(r->out, "");
    FILE *f = fopen("small.svg", "r");
    static char svg[1 << 16];
    ck_assert_ptr_nonnull(f);
    svg[fread(svg, 1, sizeof svg - 1, f)] = '\0';
    (void)fclose(f);
    ck_assert(strstr(svg, "<svg xmlns=\"http://www.w3.org/2000/svg\"") == svg && strstr(svg, "</svg>\n") && count(svg, "<rect") == 7);
    (void)command_ends(USAGE, "--format wants", "graph small.yaml --format png");
    (void)command_ends(USAGE, "text or dot", "graph small.yaml --stage codes --format mermaid");
    r = command_ends(DONE, "", "graph small.yaml --stage codes --graph 1 --format dot");
    ck_assert_ptr_nonnull(strstr(r->out, "digraph"));
}
END_TEST

START_TEST(why_du_gc)
{
    (void)command_ends(DONE, "", "run small.yaml --until tokenizer");
    const struct command_result *r = command_ends(DONE, "", "why small.yaml codes tokenizer.steps=5");
    ck_assert_msg(strstr(r->out, "codes (encode) will run") && strstr(r->out, "never ran"), "%s", r->out);
    r = command_ends(DONE, "", "why small.yaml tokenizer tokenizer.steps=5");
    ck_assert_msg(strstr(r->out, "  tokenizer: parameter `steps`: ") && strstr(r->out, " -> 5\n") &&
                      strstr(r->out, "computed by run `small`"),
                  "%s", r->out);
    r = command_ends(DONE, "", "why small.yaml tokenizer");
    ck_assert_msg(strstr(r->out, "is cached since 20") && strstr(r->out, "nothing forces it to run"), "%s", r->out);
    r = command_ends(DONE, "", "why small.yaml tokenizer --json");
    ck_assert(*r->out == '{' && strstr(r->out, "\"state\":\"cached\"") && strstr(r->out, "\"run\":\"small\""));
    (void)command_ends(USAGE, "there is no stage `tokeniser`", "why small.yaml tokeniser");
    (void)command_ends(USAGE, "wanted a stage", "why small.yaml");
    r = command_ends(DONE, "", "du");
    ck_assert_msg(strstr(r->out, "runs/small") && strstr(r->out, "results of runs"), "%s", r->out);
    r = command_ends(DONE, "", "gc --dry-run");
    ck_assert_str_eq(r->out, "nothing to remove\n");
    (void)command_ends(DONE, "", "run small.yaml --until tokenizer tokenizer.steps=5");
    r = command_ends(DONE, "", "gc");
    ck_assert_msg(strstr(r->out, "(no run refers to it)") && strstr(r->out, "removed 1 file"), "%s", r->out);
    r = command_ends(DONE, "", "gc . --json");
    ck_assert_str_eq(r->out, "{\"removed\":[],\"dry_run\":false,\"files\":0,\"bytes\":0,\"busy\":false}\n");
    r = command_ends(DONE, "", "plan small.yaml tokenizer.steps=9");
    ck_assert_msg(strstr(r->out, " of disk; ") && strstr(r->out, "the unknown time of"), "%s", r->out);
}
END_TEST

/* Checks that `tessera why small.yaml WORDS` prints each of the texts (NULL ends). */
static void why_prints(const char *words, ...)
{
    va_list list;
    const char *text;
    const struct command_result *r = command_ends(DONE, "", "why small.yaml %s", words);
    va_start(list, words);
    while ((text = va_arg(list, const char *)))
        ck_assert_msg(strstr(r->out, text), "why %s\nwanted: %s\nfound:  %s", words, text, r->out);
    va_end(list);
}

/* Every kind of reason, as a sentence and as JSON. */
START_TEST(reasons)
{
    (void)command_ends(DONE, "", "run small.yaml --until codes");
    why_prints("codes tokenizer.steps=5", "codes (encode) will run, because of\n",
               "  tokenizer: parameter `steps`: 12 -> 5  (tokenizer -> codes)\n", "\ncompared with\n  codes: ", NULL);
    why_prints("tokenizer --seed 4", "  tokenizer: seed: 3 -> 4\n", NULL);
    why_prints("tokenizer --force tokenizer", "tokenizer (train-autoencoder) will run, because of\n  tokenizer: --force\n", NULL);
    why_prints("tokenizer tokenizer.quantizer.use=nearest", "  tokenizer: parameter `quantizer.use`: ema -> nearest\n", NULL);
    why_prints("tokenizer backend=openblas", "  tokenizer: numeric mode: ", NULL);
    why_prints("codes --json tokenizer.steps=5", "{\"stage\":\"codes\",\"use\":\"encode\",\"state\":\"input\"",
               "\"read_by\":\"codes\",\"as_input\":\"model\",\"told_above\":false,\"earlier\":{\"path\":\"",
               "{\"kind\":\"parameter\",\"name\":\"steps\",\"before\":\"12\",\"now\":\"5\",\"before_path\":null", "\"others\":[]}\n", NULL);
    why_prints("prior --json", "\"state\":\"new\"",
               "\"steps\":[{\"stage\":\"prior\",\"use\":\"train-prior\",\"state\":\"new\",\"read_by\":null",
               "\"earlier\":null,\"changes\":[]}", NULL);
    (void)command_ends(USAGE, "stage `codes` comes after --until tokenizer", "why small.yaml codes --until tokenizer");

    (void)command_ends(DONE, "", "run small.yaml --until tokenizer tokenizer.steps=5");
    why_prints("tokenizer tokenizer.steps=6", "  tokenizer: parameter `steps`: 5 -> 6\n",
               "\nother results of train-autoencoder, made with other values (theirs -> now)\n", "    parameter `steps`: 12 -> 6\n", NULL);
    why_prints("tokenizer --json tokenizer.steps=6", "\"others\":[{\"result\":{\"path\":\"", "\"before\":\"12\",\"now\":\"6\"", NULL);
}
END_TEST

/* Files that a stage reads: another one, one that grew, one of another name. */
START_TEST(reasons_in_files)
{
    (void)command_ends(DONE, "", "run small.yaml --until images");
    ck_assert_int_eq(system("cp images others && printf x | dd of=others bs=1 seek=500 conv=notrunc 2> dd"), 0);
    why_prints("images images.source.images=others", "  images: file ", "others: sha256 ", "; it was ",
               "images; the first different byte is byte 500: ", NULL);
    why_prints("images images.source.images=others --json", "{\"kind\":\"file\",\"name\":\"", "\"before_path\":\"", NULL);
    (void)command_ends(DONE, "", "run small.yaml --until codes");
    (void)command_ends(DONE, "", "run small.yaml --until tokenizer tokenizer.steps=4 name=other");
    why_prints("codes codes.in.model=runs/other/tokenizer.h5", "  codes: input `model`: sha256 ", " -> ", NULL);
    ck_assert_int_eq(
        system("rm runs/small/codes.h5 runs/.cache/$(basename $(readlink -f runs/small/codes.h5)) 2> /dev/null; rm -rf runs/.cache/*"), 0);
    why_prints("tokenizer", "tokenizer", NULL);
}
END_TEST

/* The files that each source reads are in the stage's key: with the same files it is cached, and a changed one is named. */
START_TEST(files_of_every_source)
{
    static const struct {
        const char *name, *source, *file;
    } sources[] = {{"npy", "path: pictures.npy", "pictures.npy"},
                   {"tar", "path: pictures.tar, labels: none", "pictures.tar"},
                   {"hdf5", "path: pictures.h5", "pictures.h5"},
                   {"cifar", "path: data_batch_1.bin", "data_batch_1.bin"}};
    char text[600];
    snprintf(text, sizeof text, "cp '%s/pictures.npy' '%s/pictures.tar' '%s/pictures.h5' . && head -c 61460 /dev/zero > data_batch_1.bin",
             TEST_FOLDER, TEST_FOLDER, TEST_FOLDER);
    ck_assert_int_eq(system(text), 0);
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        snprintf(text, sizeof text, "plugins source/%s", sources[i].name);
        if (command("%s", text)->code != 0)
            continue; /* built without its library */
        snprintf(text, sizeof text,
                 "tessera: 1\nname: %s\nstages:\n  images: {use: import, size: 8, crop: 8, channels: 3, skip_bad: true, source: {use: %s, "
                 "%s}}\n",
                 sources[i].name, sources[i].name, sources[i].source);
        small_write("source.yaml", text);
        (void)command_ends(DONE, "", "run source.yaml");
        (void)command_ends(DONE, "nothing to do", "run source.yaml");
        snprintf(text, sizeof text, "cp '%s' other && printf 'more' >> other && mv other '%s'", sources[i].file, sources[i].file);
        ck_assert_int_eq(system(text), 0);
        const struct command_result *r = command("why source.yaml images");
        if (r->code == DONE) /* a source may refuse a file with more at its end */
            ck_assert_msg(strstr(r->out, "images (import) will run") && strstr(r->out, sources[i].file) && strstr(r->out, ": sha256 "),
                          "%s", r->out);
    }
}
END_TEST

/* A training that was stopped tells how far its checkpoint has come. */
START_TEST(reason_with_a_checkpoint)
{
    const struct command_limits stop = {.inject = "term@step:6"};
    (void)command_ends(DONE, "", "run small.yaml --until images");
    ck_assert_int_eq(command_within(&stop, "run small.yaml --until tokenizer")->code, 75);
    why_prints("tokenizer", "tokenizer (train-autoencoder) will run\n", "it never ran", "its checkpoint has done 6 of 12\n", NULL);
    why_prints("tokenizer --json", "\"done\":6,\"done_of\":12", NULL);
}
END_TEST

/* A page of a finished run, twice the same where clocks are left out. */
START_TEST(pages)
{
    (void)command_ends(DONE, "", "run small.yaml --until tokenizer");
    (void)command_ends(DONE, "report.html", "report small");
    (void)command_ends(DONE, "", "report small runs/small -q --reproducible -o one.html");
    (void)command_ends(DONE, "", "report small runs/small -q --reproducible -o two.html");
    ck_assert_int_eq(system("cmp one.html two.html && grep -q 'Made 20' report.html && ! grep -q 'Made 20' one.html"), 0);
    (void)command_ends(DONE, "watched.html", "report small -o watched.html --watch --every 1"); /* the run is at its end */
    (void)command_ends(USAGE, "wanted the folder of a run", "report");
    (void)command_ends(USAGE, "wanted the folder of a run or of a sweep, found none", "report none");
    (void)command_ends(USAGE, "--every", "report small --every 0");
    /* Nothing that is read is replaced; an earlier page is. */
    (void)command_ends(USAGE, "-o runs/small/log.jsonl: is a file of the folder", "report small -o runs/small/log.jsonl");
    (void)command_ends(USAGE, "-o runs/small/tokenizer.h5: is a file of the folder", "report small -o runs/small/tokenizer.h5");
    (void)command_ends(USAGE, "-o small.yaml: is the file that is read; give another name", "graph small.yaml -o small.yaml");
    (void)command_ends(DONE, "", "report small -q -o runs/small/page.html");
    (void)command_ends(DONE, "", "report small -q -o runs/small/page.html");
    (void)command_ends(DONE, "nothing to do", "run small.yaml --until tokenizer");
    const struct command_result *r = command_ends(DONE, "", "du --json");
    ck_assert_msg(strstr(r->out, "\"runs\":[{") && strstr(r->out, "runs/small"), "%s", r->out);
}
END_TEST

/* The files of a folder are too many for an attribute; the list beside the result names the one that changed all the same. */
START_TEST(many_files)
{
    char command[600];
    snprintf(command, sizeof command, "mkdir pictures && for i in $(seq 160); do cp '%s/grey.png' pictures/a-rather-long-name-$i.png; done",
             TEST_FOLDER);
    ck_assert_int_eq(system(command), 0);
    small_write("many.yaml", "tessera: 1\nname: many\nstages:\n  images: {use: import, source: {use: folder, path: pictures}, size: 8}\n");
    (void)command_ends(DONE, "", "run many.yaml");
    ck_assert_int_eq(system("ls runs/.cache/*.files > /dev/null"), 0);
    snprintf(command, sizeof command, "cp '%s/deep.png' pictures/a-rather-long-name-77.png && rm pictures/a-rather-long-name-99.png",
             TEST_FOLDER);
    ck_assert_int_eq(system(command), 0);
    const struct command_result *r = command_ends(DONE, "", "why many.yaml images");
    ck_assert_msg(strstr(r->out, "a-rather-long-name-77.png: sha256 ") && strstr(r->out, "a-rather-long-name-99.png: sha256 ") &&
                      strstr(r->out, " -> none") && count(r->out, ": file ") == 2,
                  "%s", r->out);
    ck_assert_int_eq(system("rm -r runs/many"), 0);
    r = command_ends(DONE, "", "gc");
    ck_assert_msg(strstr(r->out, ".files  (no run refers to it)"), "%s", r->out);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("drawings");
    TCase *t = tcase_create("graph");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, formats);
    tcase_add_test(t, why_du_gc);
    tcase_add_test(t, reasons);
    tcase_add_test(t, reasons_in_files);
    tcase_add_test(t, reason_with_a_checkpoint);
    tcase_add_test(t, pages);
    tcase_add_test(t, many_files);
    suite_add_tcase(s, t);
    t = tcase_create("sources");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, files_of_every_source);
    suite_add_tcase(s, t);
    return suite_run(s);
}
