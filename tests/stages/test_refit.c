/* ReFiT from end to end, run by the program on a tokenizer of which half the codes are dead: they come alive, the encoder is as it was,
 * metrics are those that other stages measure, any K is taken by what follows, and neither threads, the pool's place nor being killed in
 * any phase change a bit. k-means is held against scikit-learn's, and bad input against its sentence.
 *
 * SPDX-License-Identifier: MIT */
#include "core/store/store.h"
#include "tests/support/command_fixture.h"
#include "tests/support/golden.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"
#include "tests/support/paths.h"

#include <tessera/tessera.h>

#include <check.h>
#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An EMA codebook that starts away from the latents and revives nothing. */
static const char pipeline[] = "tessera: 1\n"
                               "name: refit\n"
                               "seed: 3\n"
                               "stages:\n"
                               "  images: {use: import, source: {use: idx, images: images, labels: labels}, split: 0.75}\n"
                               "  tokenizer:\n"
                               "    use: train-autoencoder\n"
                               "    in: {images: images}\n"
                               "    steps: 60\n"
                               "    batch: 16\n"
                               "    encoder: {use: conv, channels: 8, groups: 4, channel_mult: [1, 1]}\n"
                               "    decoder: {use: conv}\n"
                               "    quantizer: {use: ema, codebook_size: 32, code_dim: 6, init: normal, revive: 0, warmup: false}\n"
                               "  refit: {use: refit, in: {images: images, model: tokenizer}, steps: 30, batch: 16, pool: 3000, lr: 5e-4}\n"
                               "  codes: {use: encode, in: {images: images, model: refit}}\n"
                               "  metrics: {use: evaluate, in: {images: images, model: refit}}\n"
                               "  was: {use: evaluate, in: {images: images, model: tokenizer}}\n"
                               "  prior:\n"
                               "    use: train-prior\n"
                               "    in: {codes: codes}\n"
                               "    steps: 5\n"
                               "    batch: 8\n"
                               "    noise: {use: absorbing, steps: 24}\n"
                               "    denoiser: {use: transformer, embed_dim: 32, layers: 1, heads: 2}\n"
                               "  samples: {use: sample, in: {prior: prior, model: refit}, count: 3}\n";

#define CRITIC(stage) stage ".critic.use=patchgan " stage ".critic.channels=8 " stage ".critic.layers=1"

enum { IMAGES = 400, CODES = 32, TOKENS = SMALL_H / 2 * (SMALL_W / 2) };

static struct tessi_context context; /* context in which results are read */
#define C (&context.context)

static void enter(void)
{
    (void)small_folder_enter();
    small_make_data(IMAGES);
    small_write("refit.yaml", pipeline);
    tessi_base_context_init(&context, NULL);
}

static const struct command_result *works(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const struct command_result *works(const char *format, ...)
{
    char line[900];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    return command_ends(0, "", "run refit.yaml %s", line);
}

static char trained[256]; /* folder of a run whose tokenizer the tests begin with */

/* Trains the tokenizer, once for all tests. */
static void train_once(void)
{
    enter();
    works("-q --until tokenizer");
    ck_assert_ptr_nonnull(getcwd(trained, sizeof trained));
}

/* Copies the cache under `from` to another folder for runs. */
static void copy_cache(const char *from, const char *workdir)
{
    char line[700];
    snprintf(line, sizeof line, "mkdir -p %s/runs && cp -a %s/runs/.cache %s/runs/", workdir, from, workdir);
    ck_assert_int_eq(system(line), 0);
}

static void setup(void)
{
    enter();
    copy_cache(trained, ".");
}

static struct tess_artefact *result(const char *workdir, const char *stage)
{
    struct tess_artefact *a;
    char path[256];
    snprintf(path, sizeof path, "%s/runs/refit/%s.h5", workdir, stage);
    ck_assert_msg(tessi_store_artefact_open(C, path, &a) == TESS_OK, "%s", tessi_base_context_message(C));
    return a;
}

static double metric(const struct tess_artefact *a, const char *name)
{
    struct tess_metric_value v;
    for (int64_t i = 0; tessi_store_artefact_metric(a, i, &v); i++)
        if (strcmp(v.name, name) == 0)
            return v.value;
    ck_abort_msg("no metric `%s`", name);
}

static double metric_in(const char *workdir, const char *stage, const char *name)
{
    struct tess_artefact *a = result(workdir, stage);
    double value = metric(a, name);
    tessi_store_artefact_close(a);
    return value;
}

static int64_t attr_in(const char *workdir, const char *stage, const char *name)
{
    struct tess_artefact *a = result(workdir, stage);
    int64_t value = tess_attrs_i64_or(tess_artefact_attrs(a), name, -1);
    tessi_store_artefact_close(a);
    return value;
}

static void digest_of(const char *workdir, const char *stage, char digest[TESS_DIGEST_TEXT])
{
    struct tess_artefact *a = result(workdir, stage);
    snprintf(digest, TESS_DIGEST_TEXT, "%s", tess_artefact_digest(a));
    tessi_store_artefact_close(a);
}

static void same(const char *one, const char *two, const char *stage)
{
    char a[TESS_DIGEST_TEXT], b[TESS_DIGEST_TEXT];
    digest_of(one, stage, a);
    digest_of(two, stage, b);
    ck_assert_msg(strcmp(a, b) == 0, "%s differs between %s and %s", stage, one, two);
}

/* Number of weights under `prefix`, and of those with the same bits in both models. */
static void compare_weights(const char *workdir, const char *prefix, int *all, int *equal)
{
    struct tess_artefact *a = result(workdir, "tokenizer"), *b = result(workdir, "refit");
    struct tess_tensor shape;
    const char *name;
    int32_t bits;
    int64_t stored;
    *all = *equal = 0;
    for (int64_t i = 0; (name = tessi_store_artefact_dataset_at(a, i, &shape, &bits, &stored)) != NULL; i++) {
        struct tess_tensor x, y;
        if (strncmp(name, prefix, strlen(prefix)) != 0)
            continue;
        ck_assert_int_eq(tess_artefact_load(C, a, name, TESS_F32, &x), TESS_OK);
        ck_assert_int_eq(tess_artefact_load(C, b, name, TESS_F32, &y), TESS_OK);
        ck_assert(tess_tensor_same_shape(&x, &y));
        *all += 1;
        *equal += memcmp(x.data, y.data, tess_tensor_bytes(&x)) == 0;
        tess_free(x.data);
        tess_free(y.data);
    }
    tessi_store_artefact_close(a);
    tessi_store_artefact_close(b);
}

static void lower(const struct tess_artefact *a, const char *name)
{
    char before[64];
    snprintf(before, sizeof before, "%s before", name);
    ck_assert_msg(metric(a, name) < metric(a, before), "%s: %g, before %g", name, metric(a, name), metric(a, before));
}

/* ---- what it is for ---- */

START_TEST(dead_codes_come_alive)
{
    int all, equal;
    works("-q --until refit");
    struct tess_artefact *a = result(".", "refit");
    ck_assert_msg(metric(a, "codes used before") < 0.6 * CODES, "%g codes used before", metric(a, "codes used before"));
    ck_assert_msg(metric(a, "codes used") > 0.95 * CODES, "%g codes used", metric(a, "codes used"));
    ck_assert(metric(a, "codes used 10 times") <= metric(a, "codes used") && metric(a, "codes used 10 times") > 0.5 * CODES);
    ck_assert(metric(a, "order-0 entropy") > metric(a, "order-0 entropy before"));
    lower(a, "quantisation error");
    lower(a, "reconstruction MSE");
    ck_assert(metric(a, "reconstruction PSNR") > metric(a, "reconstruction PSNR before"));
    tessi_store_artefact_close(a);
    compare_weights(".", "weights/encoder/", &all, &equal);
    ck_assert(all > 10 && equal == all);
    compare_weights(".", "weights/decoder/", &all, &equal);
    ck_assert(all > 10 && equal < all);
    ck_assert(access("runs/refit/refit.usage.png", R_OK) == 0 && access("runs/refit/refit.reconstructions.png", R_OK) == 0);
}
END_TEST

/* Decay, averages and a critic leave the encoder alone too; each of them changes what is trained. */
START_TEST(the_encoder_stands_still)
{
    static const char *const with[] = {"refit.weight_decay=0.1 refit.optimiser=adamw", "refit.ema_decay=0.9", CRITIC("refit"),
                                       CRITIC("refit") " refit.adversarial_balance=gradients"};
    char digest[sizeof with / sizeof *with + 1][TESS_DIGEST_TEXT];
    int n = sizeof with / sizeof *with, all, equal;
    works("-q --until refit");
    digest_of(".", "refit", digest[n]);
    for (int i = 0; i < n; i++) {
        works("-q --until refit %s", with[i]);
        compare_weights(".", "weights/encoder/", &all, &equal);
        ck_assert_msg(all > 10 && equal == all, "%s: %d of %d weights", with[i], equal, all);
        digest_of(".", "refit", digest[i]);
        for (int j = 0; j < i; j++)
            ck_assert_msg(strcmp(digest[i], digest[j]) != 0, "%s", with[i]);
        ck_assert_msg(strcmp(digest[i], digest[n]) != 0, "%s", with[i]);
    }
}
END_TEST

/* A critic of the model goes on: with a learning rate of 0 it is the one that was trained. */
START_TEST(a_critic_goes_on)
{
    int all, equal;
    works("-q --until refit " CRITIC("tokenizer") " " CRITIC("refit") " refit.lr=0");
    compare_weights(".", "weights/critic/", &all, &equal);
    ck_assert(all > 3 && equal == all);
    compare_weights(".", "weights/decoder/", &all, &equal);
    ck_assert(equal == all);
}
END_TEST

/* Without steps only the codebook is new, and any number of codes is taken by every stage that follows. */
START_TEST(any_number_of_codes)
{
    static const int codes[] = {8, 48, 300};
    static const char *const stages[] = {"refit", "codes", "prior"};
    int all, equal;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        works("-q refit.codebook_size=%d refit.steps=0", codes[i]);
        for (int j = 0; j < 3; j++)
            ck_assert_int_eq(attr_in(".", stages[j], "codebook_size"), codes[i]);
        compare_weights(".", "weights/decoder/", &all, &equal);
        ck_assert(all > 10 && equal == all);
        struct tess_artefact *a = result(".", "refit");
        struct tess_tensor shape;
        ck_assert_int_eq(tess_artefact_shape(C, a, "weights/quantizer/codebook", &shape), TESS_OK);
        ck_assert(shape.dim[0] == codes[i] && shape.dim[1] == 6);
        ck_assert(!tess_artefact_has(a, "curve"));
        tessi_store_artefact_close(a);
    }
}
END_TEST

/* Metrics of refit equal those that `evaluate` and `encode` measure on the models before and after it. */
START_TEST(metrics_are_those_of_other_stages)
{
    static const char *const name[] = {"reconstruction MSE", "codes used", "order-0 entropy", "perplexity", "top code's share"};
    char before[64];
    works("-q images.split=%s", _i ? "1" : "0.75");
    struct tess_artefact *a = result(".", "refit");
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        snprintf(before, sizeof before, "%s before", name[i]);
        ck_assert_msg(metric(a, name[i]) == metric_in(".", "metrics", name[i]), "%s", name[i]);
        ck_assert_msg(metric(a, before) == metric_in(".", "was", name[i]), "%s", before);
    }
    ck_assert(metric(a, "images") == (_i ? IMAGES : IMAGES / 4));
    if (_i) /* nothing kept for validation: all are measured, as by `encode` */
        ck_assert(metric(a, "quantisation error") == metric_in(".", "codes", "quantisation error"));
    tessi_store_artefact_close(a);
    works("-q images.split=%s refit.limit=7", _i ? "1" : "0.75");
    ck_assert(metric_in(".", "refit", "images") == 7.0);
}
END_TEST

static const char *const kinds[] = {"refit.ema_decay=0.9", "refit.positions=all refit.seeding=k-means++",
                                    "refit.seeding=random " CRITIC("refit")};

START_TEST(threads_and_the_pools_place_do_not_count)
{
    copy_cache(trained, "one");
    copy_cache(trained, "two");
    copy_cache(trained, "four");
    works("-q --until refit --threads 1 --workdir one %s", kinds[_i]);
    works("-q --until refit --threads 2 --workdir two %s", kinds[_i]);
    works("-q --until refit --threads 4 --workdir four refit.memory=0 %s", kinds[_i]); /* the pool lies in a file */
    same("one", "two", "refit");
    same("one", "four", "refit");
}
END_TEST

/* ---- being killed ---- */

static void nothing_unfinished(const char *folder)
{
    DIR *d = opendir(folder);
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));)
        ck_assert_msg(!strstr(e->d_name, ".partial") && !strstr(e->d_name, "checkpoint") && !strstr(e->d_name, "pool"), "%s is left",
                      e->d_name);
    closedir(d);
}

/* Objective of converged k-means: the quantisation error of the pool's vectors. The pool has the vectors of all images here, and the error
 * that stage encode reports is per component, of 6. */
START_TEST(the_objective_is_the_pools_error)
{
    works("-q --until codes images.split=1 refit.steps=0 refit.pool=100000 refit.positions=all refit.tolerance=0 refit.iterations=2000");
    double objective = metric_in(".", "refit", "k-means objective"), error = metric_in(".", "codes", "quantisation error");
    ck_assert_msg(fabs(objective - 6.0 * error) <= 1e-4 * objective, "%g, but %g of 6 components", objective, error);
}
END_TEST

/* ---- killed in each of the phases ---- */

#define WIDER "tokenizer.encoder.channels=32 tokenizer.encoder.groups=32 " /* k-means has iterations enough to be killed in */
#define LONGER                                                                                                                             \
    "--until refit refit.pool=9000 refit.positions=all refit.seeding=random refit.codebook_size=300 refit.tolerance=0 refit.steps=40 "     \
    "refit.ema_decay=0.9 refit.limit=100 " WIDER

enum { POOL, KMEANS, TRAINING, PHASES };

/* Progress of a checkpoint: its phase, and in *done the vectors, iterations or steps of that phase; -1 without a checkpoint. */
static int progress_of(const char *folder, int64_t *done)
{
    int phase = -1;
    char path[600];
    struct tess_artefact *a = NULL;
    struct tessi_context own;
    DIR *d = opendir(folder);
    ck_assert_ptr_nonnull(d);
    tessi_base_context_init(&own, NULL);
    for (struct dirent *e; (e = readdir(d)) && !a;) {
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (!strstr(e->d_name, "checkpoint") || strstr(e->d_name, ".partial") ||
            tessi_store_artefact_open(&own.context, path, &a) != TESS_OK)
            continue;
        const struct tess_attrs *f = tess_artefact_attrs(a);
        phase = tess_attrs_i64_or(f, "step", -1) >= 0 ? TRAINING : tess_attrs_i64_or(f, "iterations", 0) > 0 ? KMEANS : POOL;
        *done = tess_attrs_i64_or(f, phase == TRAINING ? "step" : phase == KMEANS ? "iterations" : "vectors", -1);
    }
    closedir(d);
    tessi_store_artefact_close(a);
    return phase;
}

/* Resumes at the checkpoint there is, writes one at every step, and ends at the n-th: killed, or told to stop. */
static void end_at(int n, int signal_number, int tries)
{
    static const char *const goes_on[] = {"resuming at vector", "resuming at vector", "resuming at step"};
    char line[512], plan[64];
    int64_t was;
    int before = progress_of("wild/runs/.cache", &was);
    snprintf(plan, sizeof plan, "usr1@step:1+,%s@checkpoint:%d", signal_number == SIGKILL ? "kill" : "term", n);
    snprintf(line, sizeof line, "run refit.yaml --threads %d --workdir wild refit.memory=%d " LONGER, 1 << tries % 3, tries % 2);
    const struct command_result *r = command_within(&(struct command_limits){.inject = plan}, "%s", line);
    ck_assert_msg(r->code == (signal_number == SIGKILL ? -SIGKILL : 75), "phase %d: %d %s", before, r->code, r->err);
    ck_assert_msg(before < 0 || strstr(r->err, goes_on[before]), "from phase %d: %s", before, r->err);
}

START_TEST(killed_in_every_phase)
{
    int killed[PHASES] = {0}, stopped[PHASES] = {0}, here = -1;
    int64_t done;
    small_make_data(600);
    works("-q --until tokenizer --workdir wild " WIDER);
    copy_cache("wild", "calm");
    works("-q --threads 1 --workdir calm " LONGER);
    for (int tries = 0; here < TRAINING || !killed[here] || !stopped[here]; tries++) {
        ck_assert_int_lt(tries, 100);
        int known = here < 0 || !killed[here] || !stopped[here], asked = here >= 0 && killed[here] ? SIGTERM : SIGKILL;
        end_at(known ? 1 : 4, asked, tries); /* in no hurry where this phase has not had both */
        here = progress_of("wild/runs/.cache", &done);
        ck_assert_int_ge(here, POOL);
        killed[here] += asked == SIGKILL;
        stopped[here] += asked == SIGTERM;
    }
    for (int phase = 0; phase < PHASES; phase++)
        ck_assert_msg(killed[phase] && stopped[phase], "phase %d: killed %d times, stopped %d", phase, killed[phase], stopped[phase]);
    works("-q --workdir wild " LONGER);
    same("calm", "wild", "refit");
    nothing_unfinished("wild/runs/.cache");
    nothing_unfinished("wild/runs/refit");
}
END_TEST

/* ---- what cannot be done ---- */

static void refused(int code, const char *words, const char *more)
{
    (void)command_ends(code, words, "run refit.yaml -q --until refit %s", more);
    ck_assert_msg(access("runs/refit/refit.h5", R_OK) != 0, "something was written: %s", more);
}

/* Found before any work. */
START_TEST(asked_for_too_much)
{
    refused(2, "pool: 31 vectors cannot be made 32 codes; give a pool many times larger than the codebook", "refit.pool=31");
    refused(2, "300 images of 24 latents each are a pool of 7200 vectors, which cannot be made 8000 codes; give more images or",
            "refit.pool=9000 refit.positions=all refit.codebook_size=8000");
    refused(2, "codebook_size", "refit.codebook_size=1");
    refused(2, "no parameter `decay`", "refit.decay=0.5");
    ck_assert(access("runs/refit/images.h5", R_OK) != 0);
    small_write("wide.yaml", "tessera: 1\nname: refit\nextends: refit.yaml\nstages:\n"
                             "  wide: {use: import, source: {use: idx, images: images}, pad: 16}\n"
                             "  refit: {in: {images: wide}}\n");
    (void)command_ends(2, "images of 16 x 16 x 1 do not fit a model trained on 8 x 12 x 1; import them with the same size, crop and pad",
                       "run wide.yaml -q --until refit");
    ck_assert(access("runs/refit/images.h5", R_OK) != 0);
}
END_TEST

/* All images alike: as many different latents as there are places in one. A map of one place makes one. */
START_TEST(latents_that_make_no_codebook)
{
    static uint8_t grey[IMAGES * SMALL_H * SMALL_W];
    memset(grey, 90, sizeof grey);
    small_write_idx("images", 3, (const int64_t[]){IMAGES, SMALL_H, SMALL_W}, grey, sizeof grey);
    refused(65, "the 3000 vectors of the pool are only ", "tokenizer.steps=3");
    refused(65, "different ones, too few for 32 codes; give a larger pool or a smaller codebook_size", "tokenizer.steps=3");
    /* images of one pixel per code, alike up to the processor's rounding */
    const char *err = command_ends(65, "the 3000 vectors of the pool are ", "run refit.yaml -q --until refit %s",
                                   "tokenizer.steps=3 images.crop=8 tokenizer.encoder.channel_mult=[1,1,1,1]")->err;
    ck_assert_msg(strstr(err, "all the same, which makes no 32 codes; train the encoder until its latents differ") ||
                      strstr(err, "different ones, too few for 32 codes; give a larger pool or a smaller codebook_size"), "%s", err);
    ck_assert(access("runs/refit/refit.h5", R_OK) != 0);
    nothing_unfinished("runs/.cache");
}
END_TEST

/* A disk without room for the pool's file says so before the pool is made; nothing of it stays. */
START_TEST(no_capacity_for_the_pool)
{
    works("-q --until tokenizer");
    const struct command_limits limits = {.file_bytes = 4 << 20};
    const struct command_result *r =
        command_wait(command_start("run refit.yaml -q --until refit refit.pool=500000 refit.memory=1", &limits));
    ck_assert_msg(r->code == 74 && strstr(r->err, "no room for a pool of 11 MiB"), "%d %s", r->code, r->err);
    ck_assert(access("runs/refit/refit.h5", R_OK) != 0);
    nothing_unfinished("runs/.cache");
}
END_TEST

/* ---- k-means ---- */

START_TEST(as_good_as_scikit_learn)
{
    static const char *const pool[] = {"clusters", "cloud"};
    char path[64];
    struct fixture b;
    struct tess_kmeans_report report;
    setenv("TESSERA_GOLDEN", TEST_REFIT, 1);
    struct golden *g = golden_open("kmeans.h5");
    snprintf(path, sizeof path, "%s/vectors", pool[_i]);
    struct tess_tensor vectors = golden_read(g, path, TESS_F32);
    snprintf(path, sizeof path, "%s/seeds", pool[_i]);
    struct tess_tensor centres = golden_read(g, path, TESS_F32);
    snprintf(path, sizeof path, "%s/objective", pool[_i]);
    double want = golden_scalar(g, path), got = 0.0;
    const struct tess_kmeans_options o = {
        .size = sizeof o, .seeding = TESS_SEED_GIVEN, .codebook_size = centres.dim[0], .iterations = 300, .tolerance = 1e-4};
    const struct tess_pool p = tess_pool_of(&vectors);
    int64_t d = vectors.dim[1];
    fixture_open(&b, 2, 1, 1, 0);
    fixture_ok(&b, tess_kmeans(&b.context.context, &p, &o, &centres, &report));
    ck_assert_int_eq(report.converged, 1);
    for (int64_t i = 0; i < vectors.dim[0]; i++) {
        double best = INFINITY;
        for (int64_t k = 0; k < centres.dim[0]; k++) {
            double square = 0.0;
            for (int64_t j = 0; j < d; j++)
                square += pow((double)((float *)vectors.data)[i * d + j] - (double)((float *)centres.data)[k * d + j], 2.0);
            best = fmin(best, square);
        }
        got += best / (double)vectors.dim[0];
    }
    ck_assert_msg(fabs(got - want) < 0.01 * want, "%s: %g, scikit-learn %g", pool[_i], got, want);
    fixture_close(&b);
    free(vectors.data);
    free(centres.data);
    golden_close(g);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("refit");
    TCase *t = tcase_create("refit"), *k = tcase_create("kmeans");
    tcase_set_timeout(t, 240);
    tcase_add_unchecked_fixture(t, train_once, small_folder_leave);
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_add_test(t, dead_codes_come_alive);
    tcase_add_test(t, the_encoder_stands_still);
    tcase_add_test(t, a_critic_goes_on);
    tcase_add_test(t, any_number_of_codes);
    tcase_add_loop_test(t, metrics_are_those_of_other_stages, 0, 2);
    tcase_add_loop_test(t, threads_and_the_pools_place_do_not_count, 0, (int)(sizeof kinds / sizeof *kinds));
    tcase_add_test(t, the_objective_is_the_pools_error);
    tcase_add_test(t, killed_in_every_phase);
    tcase_add_test(t, asked_for_too_much);
    tcase_add_test(t, latents_that_make_no_codebook);
    tcase_add_test(t, no_capacity_for_the_pool);
    tcase_add_loop_test(k, as_good_as_scikit_learn, 0, 2);
    suite_add_tcase(s, t);
    suite_add_tcase(s, k);
    return suite_run(s);
}
