/* An import that is stopped and killed: it resumes at any image, to the same bits; and what happens to the rows that lie beside its
 * checkpoint. Moments are counted in images, not in seconds.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/command_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"
#include "tests/support/paths.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IMAGES = 60, DIGEST = 96 };

static void write_pipeline(const char *keys)
{
    FILE *f = fopen("p.yaml", "w");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "tessera: 1\nname: p\nstages:\n  images: {use: import, %s}\n", keys);
    ck_assert_int_eq(fclose(f), 0);
}

/* Every 7th image is bad. */
#define RAGGED                                                                                                                             \
    "source: {use: ragged, images: 60, classes: 60, differ: sizes, every: 7}, size: 12, crop: 9, split: 0.5, shuffle: true, skip_bad: "    \
    "true"
#define RUN "run p.yaml --plugin-path " TEST_SOURCE_PLUGINS " --workdir "

static void setup(void)
{
    (void)small_folder_enter();
    write_pipeline(RAGGED);
}

static void digest_of(const char *workdir, char text[DIGEST])
{
    const struct command_result *r = command_ends(0, "", "inspect %s/runs/p/images.h5", workdir);
    const char *at = strstr(r->out, "digest");
    ck_assert_ptr_nonnull(at);
    snprintf(text, DIGEST, "%.*s", (int)strcspn(at, "\n"), at);
}

static void same(const char *workdir)
{
    char calm[DIGEST], found[DIGEST];
    if (access("calm", F_OK) != 0)
        (void)command_ends(0, "", RUN "calm --threads 1");
    digest_of("calm", calm);
    digest_of(workdir, found);
    ck_assert_str_eq(calm, found);
}

/* Files of the cache whose names end in `tail`. */
static int left(const char *workdir, const char *tail)
{
    char path[256];
    int n = 0;
    snprintf(path, sizeof path, "%s/runs/.cache", workdir);
    DIR *d = opendir(path);
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));) {
        size_t length = strlen(e->d_name), end = strlen(tail);
        n += length > end && strcmp(e->d_name + length - end, tail) == 0;
    }
    closedir(d);
    return n;
}

/* Output of the last import run by injected(), which injects faults at named points (core/base/inject.h); its result is the exit code, or
 * -N when signal N ended the program. */
static char said[1 << 16];

static int injected(const char *plan, const char *workdir, int threads)
{
    char line[2048];
    snprintf(line, sizeof line, "TESSERA_INJECT=%s exec %s " RUN "%s --threads %d >said 2>&1", plan, TEST_PROGRAM, workdir, threads);
    int status = system(line);
    FILE *f = fopen("said", "r");
    ck_assert_ptr_nonnull(f);
    said[fread(said, 1, sizeof said - 1, f)] = '\0';
    fclose(f);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* Asked for a checkpoint after two reports of progress and killed after four, again and again. On one thread a report is of one image; on
 * several, images that are read while another thread reports have no report of their own, and the fourth may come before the checkpoint is
 * written: so every third attempt is of one thread, which gets further. */
START_TEST(killed_at_every_few_images)
{
    enum { ALONE = 8 };
    int kills = 0;
    for (;; kills++) {
        int code = injected("usr1@step:2,kill@step:4", "wild", kills < ALONE ? 1 : 1 + kills % 3);
        if (code == 0)
            break;
        ck_assert_msg(code == -9, "%d: %s", code, said);
        ck_assert_msg(kills == 0 || strstr(said, "resuming at image "), "%s", said);
        ck_assert_int_le(kills, IMAGES);
    }
    ck_assert_int_ge(kills, ALONE);
    same("wild");
    ck_assert_int_eq(left("wild", ".checkpoint.h5") + left("wild", ".rows"), 0);
}
END_TEST

/* Asked to stop at image _i, it stops there or an image a thread later, and says so. */
START_TEST(stops_within_an_image)
{
    char plan[64], words[64];
    snprintf(plan, sizeof plan, "term@step:%d", 5 * _i + 1);
    ck_assert_msg(injected(plan, "stopped", 1) == 75, "%s", said);
    ck_assert_int_eq(left("stopped", ".checkpoint.h5") + left("stopped", ".rows"), 2);
    snprintf(words, sizeof words, "resuming at image %d of %d", 5 * _i + 1, IMAGES);
    (void)command_ends(0, words, RUN "stopped --threads 4");
    same("stopped");
    ck_assert_int_eq(left("stopped", ".checkpoint.h5") + left("stopped", ".rows"), 0);
}
END_TEST

/* Rows that changed are not taken, and rows that are gone are read again. */
START_TEST(rows_are_checked)
{
    ck_assert_int_eq(injected("term@step:20", "r", 1), 75);
    ck_assert_int_eq(
        system("cp -r r cut; cp -r r gone; f=$(ls r/runs/.cache/*.rows); printf x | dd of=$f bs=1 seek=900 conv=notrunc 2>/dev/null"
               "; truncate -s 900 cut/runs/.cache/*.rows; rm gone/runs/.cache/*.rows"),
        0);
    (void)command_ends(65, "is not what was written; look at the disk, and delete it", RUN "r");
    (void)command_ends(0, "or is cut short: it starts over", RUN "cut");
    same("cut");
    (void)command_ends(0, "or is cut short: it starts over", RUN "gone");
    same("gone");
    ck_assert_int_eq(system("rm r/runs/.cache/*.rows"), 0);
    (void)command_ends(0, "starts over", RUN "r");
    same("r");
}
END_TEST

/* More rows than memory keeps: killed while the artefact is written, it does not read an image again. */
START_TEST(many_rows_lie_in_a_file)
{
    write_pipeline("source: {use: ragged, images: 6}, pad: 4100");
    ck_assert_msg(injected("kill@checkpoint:1", "large", 2) == -9, "%s", said);
    ck_assert_int_eq(left("large", ".rows"), 1);
    (void)command_ends(0, "resuming at image 6 of 6", RUN "large");
    same("large");
}
END_TEST

/* A disk that is full when rows are to be written leaves the checkpoint before, and what it speaks of. */
START_TEST(full_disks)
{
    ck_assert_int_eq(injected("term@step:20", "full", 1), 75);
    int code = injected("fail@write:2", "full", 1); /* the place that is reserved for the result */
    ck_assert_msg(code == 74 && strstr(said, "MiB of this stage's result cannot be reserved: "), "%d %s", code, said);
    code = injected("term@step:9,fail@write:3+", "full", 1);
    ck_assert_msg(code == 75 && strstr(said, "no checkpoint could be written") && strstr(said, "make room"), "%d %s", code, said);
    (void)command_ends(0, "resuming at image 20 of 60", RUN "full");
    same("full");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("import");
    TCase *t = tcase_create("import");
    tcase_set_timeout(t, 600);
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_add_test(t, killed_at_every_few_images);
    tcase_add_loop_test(t, stops_within_an_image, 0, 4);
    tcase_add_test(t, rows_are_checked);
    tcase_add_test(t, many_rows_lie_in_a_file);
    tcase_add_test(t, full_disks);
    suite_add_tcase(s, t);
    return suite_run(s);
}
