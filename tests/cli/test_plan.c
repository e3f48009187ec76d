/* Announcements of `plan` compared with the run that follows: memory of every kind of stage, the step it resumes at, why it runs. Also
 * the messages of a run: events, and a training that diverges.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/command_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB 1048576.0

static void enter(void)
{
    (void)small_folder_enter();
}

static void leave(void)
{
    small_folder_leave();
}

/* The number behind `"name":` in the JSON object of a stage. */
static double number_of(const char *json, const char *stage, const char *name)
{
    char text[96];
    snprintf(text, sizeof text, "\"stage\":\"%s\"", stage);
    const char *at = strstr(json, text);
    ck_assert_msg(at != NULL, "no stage %s in %s", stage, json);
    snprintf(text, sizeof text, "\"%s\":", name);
    at = strstr(at, text);
    ck_assert_msg(at != NULL, "no %s of %s", name, stage);
    return strtod(at + strlen(text), NULL);
}

/* ---- memory ---- */

#define SIDE 64
#define BIG_COUNT 4000

/* Images enough to be seen in a plan, of which only a few are worked on. */
static void make_big(void)
{
    int64_t bytes = (int64_t)BIG_COUNT * SIDE * SIDE;
    uint8_t *all = malloc((size_t)bytes), *label = malloc(BIG_COUNT);
    for (int64_t i = 0; i < bytes; i++)
        all[i] = (uint8_t)((i / SIDE / 8 + i % SIDE / 8 + i / SIDE / SIDE) * 37);
    for (int64_t i = 0; i < BIG_COUNT; i++)
        label[i] = (uint8_t)(i % 4);
    small_write_idx("big", 3, (const int64_t[]){BIG_COUNT, SIDE, SIDE}, all, bytes);
    small_write_idx("big-labels", 1, (const int64_t[]){BIG_COUNT}, label, BIG_COUNT);
    free(all);
    free(label);
}

static const char every_kind[] =
    "tessera: 1\n"
    "extends: small.yaml\n"
    "name: kinds\n"
    "stages:\n"
    "  big: {use: import, source: {use: idx, images: big, labels: big-labels}, split: 0.999}\n"
    "  white: {use: import, source: {use: idx, images: images}, limit: 1}\n"
    "  wide:\n"
    "    use: train-autoencoder\n"
    "    in: {images: big}\n"
    "    steps: 1\n"
    "    batch: 16\n"
    "    encoder: {use: conv, channels: 32, channel_mult: [1, 1, 1, 1]}\n"
    "    decoder: {use: conv}\n"
    "    quantizer: {use: nearest, codebook_size: 512, code_dim: 16}\n"
    "  network: {use: train-features, in: {images: big}, steps: 1, batch: 4, evaluate_batch: 4, network: {use: vgg16, channels: 4}}\n"
    "  rebuilt: {use: refit, in: {images: images, model: tokenizer}, pool: 100, steps: 2, batch: 4}\n"
    "  head: {use: train-likelihood, in: {images: images, model: tokenizer}, steps: 2, batch: 4}\n"
    "  near: {use: nearest-neighbours, in: {samples: samples, images: images}, neighbours: 2, memory: 16}\n"
    "  edited: {use: edit, in: {images: images, mask: white, model: tokenizer, prior: prior}, limit: 2, variants: 2, threshold: 0.1}\n"
    "  canvas: {use: sample-canvas, in: {prior: prior, model: tokenizer}, height: 6, width: 9, count: 2}\n"
    "  judged: {use: evaluate, in: {images: big, model: wide}, batch: 4}\n";

static double resident_of(const char *line)
{
    struct rusage used;
    int how;
    pid_t child = command_start(line, NULL);
    ck_assert_int_eq(wait4(child, &how, 0, &used), child);
    ck_assert_msg(WIFEXITED(how) && WEXITSTATUS(how) == 0, "%s: %d", line, how);
    return (double)used.ru_maxrss * 1024.0;
}

/* Disk space is planned at least, so that it can be reserved; stages whose results grow with the data tell it. */
static void hold_disk_against(const char *stage, double planned)
{
    static const char *const telling[] = {"images", "big", "tokenizer", "codes", "prior", "samples", "decoded", "edited", "canvas", NULL};
    char path[100];
    struct stat st;
    int tells = 0;
    snprintf(path, sizeof path, "runs/kinds/%s.h5", stage);
    ck_assert_int_eq(stat(path, &st), 0);
    for (int i = 0; telling[i]; i++)
        tells |= strcmp(telling[i], stage) == 0;
    ck_assert_msg(planned <= (double)st.st_size && (!tells || planned > 0.0), "%s: planned %.0f bytes on the disk, found %.0f", stage,
                  planned, (double)st.st_size);
}

/* Planned by a process of its own, so as a run would tell; within a quarter, or 16 MiB of what is tiny, whatever libraries take. */
static void hold_against(const char *stage)
{
    char line[200];
    const char *json = command_ends(0, "", "plan kinds.yaml --json -j 2")->out;
    double planned = number_of(json, stage, "peak_bytes"), disk = number_of(json, stage, "output_bytes");
    snprintf(line, sizeof line, "run kinds.yaml -q -j 2 --until %s --force %s", stage, stage);
    double found = resident_of(line);
    ck_assert_msg(fabs(planned - found) < fmax(0.25 * found, 16.0 * MIB), "%s: planned %.1f MiB, resident %.1f MiB", stage, planned / MIB,
                  found / MIB);
    hold_disk_against(stage, disk);
}

START_TEST(memory_is_as_planned)
{
    static const char *const stages[] = {"images", "big",     "white",   "tokenizer", "codes", "prior",  "samples", "decoded", "metrics",
                                         "wide",   "network", "rebuilt", "head",      "near",  "edited", "canvas",  "judged"};
#if defined __SANITIZE_ADDRESS__
    return; /* shadow memory of a sanitizer is not part of a plan */
#endif
    make_big();
    small_write("kinds.yaml", every_kind);
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        hold_against(stages[i]);
}
END_TEST

/* The stage's own share, of the images alone sixteen times what it was planned as once. */
START_TEST(a_plan_counts_images_and_buffers)
{
    make_big();
    small_write("kinds.yaml", every_kind);
    const char *json = command_ends(0, "", "plan kinds.yaml --json")->out;
    double process = strtod(strstr(json, "\"process_bytes\":") + strlen("\"process_bytes\":"), NULL), images = 64.0 * 64.0 * BIG_COUNT;
    ck_assert(process > 1 * MIB);
    ck_assert(number_of(json, "big", "peak_bytes") > process + images);
    ck_assert(number_of(json, "wide", "peak_bytes") > process + images);
    ck_assert(number_of(json, "judged", "peak_bytes") > process + images);
    ck_assert(number_of(json, "network", "peak_bytes") > process + images);
}
END_TEST

/* ---- why ---- */

START_TEST(a_reason_is_not_cut)
{
    (void)command_ends(0, "", "run small.yaml -q --until tokenizer");
    const char *out = command_ends(0, "", "plan small.yaml --until tokenizer tokenizer.steps=13 tokenizer.lr=0.002 tokenizer.batch=11 "
                                          "tokenizer.clip=1 tokenizer.beta1=0.8")->out;
    static const char *const told[] = {"steps: 12 -> 13", "lr: 0.001 -> 0.002", "batch: 12 -> 11", "clip: 0 -> 1", "beta1: "};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        ck_assert_msg(strstr(out, told[i]) != NULL, "wanted `%s` in\n%s", told[i], out);
    ck_assert_ptr_null(strstr(out, "more"));
}
END_TEST

START_TEST(a_checkpoint_is_planned_with)
{
    pid_t child = command_start("run small.yaml tokenizer.steps=100000", NULL);
    for (int i = 0; i < 3000 && access("runs/small/images.h5", F_OK) != 0; i++)
        usleep(10000);
    for (int i = 0; i < 3000 && system("ls runs/.cache/*.checkpoint.h5 >/dev/null 2>&1") != 0; i++) {
        kill(child, SIGUSR1); /* until it has made a step and heeds it */
        usleep(20000);
    }
    kill(child, SIGTERM);
    (void)command_wait(child);
    const char *out = command_ends(0, "", "plan small.yaml tokenizer.steps=100000 --until tokenizer --json")->out;
    const char *at = strstr(out, "resumes at step ");
    ck_assert_msg(at && strstr(at, " of 100000"), "%s", out);
    ck_assert(number_of(out, "tokenizer", "done") == strtod(at + strlen("resumes at step "), NULL));
    ck_assert_ptr_null(strstr(command_ends(0, "", "plan small.yaml --until tokenizer")->out, "resumes"));
}
END_TEST

/* ---- events ---- */

START_TEST(one_of_everything)
{
    small_make_data(1);
    static const char one[] = "run small.yaml --until tokenizer images.split=1 tokenizer.steps=1 tokenizer.batch=1";
    const struct command_result *r = command_ends(0, "tokenizer  1/1 step", "%s", one);
    ck_assert(strstr(r->err, "images  1/1 image") != NULL);
    (void)command_ends(0, "nothing to do: 2 stages cached", "%s", one);
    (void)command_ends(0, "nothing to do: 1 stage cached", "run small.yaml --until images images.split=1");
    r = command_ends(0, "", "plan small.yaml --until images images.split=1");
    ck_assert_ptr_nonnull(strstr(r->out, "nothing to do: 1 stage cached in"));
}
END_TEST

START_TEST(every_event_of_a_stage_names_it)
{
    char line[4096];
    int losses = 0, ends = 0;
    (void)command_ends(0, "", "run small.yaml -q");
    FILE *f = fopen("runs/small/log.jsonl", "r");
    while (fgets(line, sizeof line, f)) {
        int of_run = strstr(line, "\"event\":\"run_") != NULL;
        ck_assert_msg(of_run || strstr(line, "\"stage\":"), "%s", line);
        losses += strstr(line, "\"event\":\"loss\"") != NULL;
        ends += strstr(line, "\"planned_bytes\":") != NULL && strstr(line, "\"peak_bytes\":") != NULL;
    }
    fclose(f);
    ck_assert_int_eq(losses, 2);
    ck_assert_int_eq(ends, 7);
}
END_TEST

START_TEST(a_training_that_diverges_is_told)
{
    char log[1 << 16];
    static const char cure[] = "lower `lr`, add `warmup`, or set `clip`";
    const struct command_result *r = command_ends(0, "warning: prior: diverged: loss is ", "run small.yaml prior.lr=10 prior.steps=60");
    ck_assert_ptr_nonnull(strstr(r->err, cure));
    ck_assert_ptr_nonnull(strstr(r->err, "never came back"));
    const char *table = strstr(r->err, "computed");
    ck_assert_msg(table && strstr(table, "warning: diverged"), "%s", r->err);
    FILE *f = fopen("runs/small/log.jsonl", "r");
    log[fread(log, 1, sizeof log - 1, f)] = '\0';
    fclose(f);
    ck_assert_ptr_nonnull(strstr(log, "\"event\":\"diverged\",\"step\":50,\"objective\":\"loss\""));
    ck_assert_ptr_null(strstr(command_ends(0, "", "run small.yaml --force prior")->err, "diverged"));
}
END_TEST

START_TEST(a_model_that_diverged_is_told_where_it_is_measured)
{
    const struct command_result *r =
        command_ends(0, "diverged", "run small.yaml tokenizer.lr=1 tokenizer.steps=60 tokenizer.quantizer.use=nearest "
                     "tokenizer.quantizer.codebook_size=256");
    ck_assert_msg(strstr(r->err, "warning: metrics: reconstruction PSNR is -") != NULL, "%s", r->err);
    ck_assert_msg(strstr(r->err, "warning: tokenizer: the codebook collapsed: ") != NULL, "%s", r->err);
    const char *row = strstr(r->err, "tokenizer  computed"); /* the two stages stand there, each once */
    ck_assert(row && strstr(row, "warning: diverged: loss was ") && strstr(row, "; the codebook collapsed: "));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan");
    TCase *t = tcase_create("plan");
    tcase_set_timeout(t, 600);
    tcase_add_checked_fixture(t, enter, leave);
    tcase_add_test(t, memory_is_as_planned);
    tcase_add_test(t, a_plan_counts_images_and_buffers);
    tcase_add_test(t, a_reason_is_not_cut);
    tcase_add_test(t, a_checkpoint_is_planned_with);
    tcase_add_test(t, one_of_everything);
    tcase_add_test(t, every_event_of_a_stage_names_it);
    tcase_add_test(t, a_training_that_diverges_is_told);
    tcase_add_test(t, a_model_that_diverged_is_told_where_it_is_measured);
    suite_add_tcase(s, t);
    return suite_run(s);
}
