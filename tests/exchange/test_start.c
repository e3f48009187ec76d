/* Training that starts from a model: its loss begins at the model's, which PyTorch knows as well; the parts are the model's where none are
 * said; critics and averages go on where the model has them; being killed changes nothing; and a model of other weights is refused when
 * planning.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/checkpoint_model.h"
#include "tests/support/command_fixture.h"
#include "tests/support/suite.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The golden images as `colour`, and the models that were imported. */
static void setup(void)
{
    checkpoint_setup();
    struct golden *golden = golden_open("taming.h5");
    struct tess_tensor bytes = checkpoint_bytes(golden, "bytes");
    small_write_idx("colour", 4, bytes.dim, bytes.data, tess_tensor_count(&bytes));
    free(bytes.data);
    golden_close(golden);
    checkpoint_import_taming();
}

#define HEAD "tessera: 1\nname: start\nstages:\n  images: {use: import, source: {use: idx, images: colour}, split: 1.0}\n"
#define TAMING "{use: conv, channels: 4, channel_mult: [1, 2], attn_resolutions: [4], groups: 4, variant: taming, z_channels: 6}"

/* A pipeline of the images and this stage, run; what it said. */
static const struct command_result *train(const char *stage)
{
    char text[2048];
    snprintf(text, sizeof text, HEAD "  tuned: {use: %s}\n", stage);
    small_write("start.yaml", text);
    const struct command_result *r = command("run start.yaml");
    ck_assert_msg(r->code == 0, "%s", r->err);
    return r;
}

static struct tess_tensor dataset(const char *path, const char *name)
{
    struct tess_artefact *a;
    struct tess_tensor t;
    fixture_ok(&fixture, tessi_store_artefact_open(C, path, &a));
    fixture_ok(&fixture, tess_artefact_load(C, a, name, TESS_F32, &t));
    tessi_store_artefact_close(a);
    return t;
}

/* The loss of the first step, whose weights are those it started from. */
static double first_loss(void)
{
    struct tess_tensor curve = dataset("runs/start/tuned.h5", "curve");
    double loss = (double)((float *)curve.data)[1];
    ck_assert_int_ge(curve.dim[1], 2);
    tess_free(curve.data);
    return loss;
}

/* Root of the mean square by which a dataset of the result is off that of `other`. */
static double apart(const char *other, const char *name)
{
    struct tess_tensor a = dataset("runs/start/tuned.h5", name), b = dataset(other, name);
    double sum = 0.0;
    ck_assert(tess_tensor_same_shape(&a, &b));
    for (int64_t i = 0; i < tess_tensor_count(&a); i++)
        sum += pow((double)((float *)a.data)[i] - (double)((float *)b.data)[i], 2.0);
    sum = sqrt(sum / (double)tess_tensor_count(&a));
    tess_free(a.data);
    tess_free(b.data);
    return sum;
}

/* ---- where it begins ---- */

START_TEST(the_loss_begins_at_the_models)
{
    struct golden *golden = golden_open("taming.h5");
    double wanted = golden_scalar(golden, "loss");
    const struct command_result *r = train("train-autoencoder, in: {images: images, model: taming.h5}, steps: 3, batch: 4, lr: 1.0e-3");
    ck_assert_ptr_nonnull(strstr(r->err, "tuned: starts from 155 weights of the model"));
    ck_assert_ptr_null(strstr(r->err, "new, as it has none"));
    golden_close_to("loss", first_loss(), wanted, 1e-5);
    ck_assert_double_gt(apart("taming.h5", "weights/encoder/conv_in/weight"), 1e-4); /* the network learns */
    (void)train("train-autoencoder, in: {images: images}, steps: 1, batch: 4, encoder: " TAMING
                ", decoder: conv, quantizer: {use: nearest, codebook_size: 24, code_dim: 5, beta_on: codebook}");
    ck_assert_double_gt(fabs(first_loss() / wanted - 1.0), 0.01); /* initial weights do not begin there */
    golden_close(golden);
}
END_TEST

/* Training from a model gives the same result whether its parts are written in the pipeline or taken from the model. */
START_TEST(parts_that_are_said)
{
    (void)train("train-autoencoder, in: {images: images, model: taming.h5}, steps: 3, batch: 4");
    fixture_ok(&fixture, rename("runs/start/tuned.h5", "unsaid.h5"));
    const struct command_result *r = train("train-autoencoder, in: {images: images, model: taming.h5}, steps: 3, batch: 4, encoder: " TAMING
                                           ", decoder: conv, quantizer: {use: nearest, codebook_size: 24, code_dim: 5, beta_on: codebook}");
    ck_assert_ptr_null(strstr(r->err, "the model was trained with"));
    checkpoint_same_content("runs/start/tuned.h5", "unsaid.h5");
    r = train("train-autoencoder, in: {images: images, model: taming.h5}, steps: 3, batch: 4, "
              "quantizer: {use: nearest, codebook_size: 24, code_dim: 5, beta: 0.5, beta_on: codebook}");
    ck_assert_ptr_nonnull(strstr(r->err, "tuned: the quantizer is {use: nearest, codebook_size: 24, code_dim: 5, beta: 0.5,"));
    ck_assert_ptr_nonnull(strstr(r->err, "the model was trained with {use: nearest, codebook_size: 24, code_dim: 5, beta: 0.25,"));
}
END_TEST

START_TEST(a_plan_says_from_what)
{
    small_write("start.yaml", HEAD "  tuned: {use: train-autoencoder, in: {images: images, model: taming.h5}, steps: 3, batch: 4}\n");
    const struct command_result *r = command_ends(0, "", "plan --parameters start.yaml");
    const char *in = strstr(r->out, "\ntuned\n  in: {images: images, model: /");
    ck_assert_msg(in && strstr(in, "/taming.h5}\n  use: train-autoencoder\n"), "%s", r->out);
}
END_TEST

/* ---- what only training has ---- */

#define JUDGED(range, more)                                                                                                                \
    "in: {images: images, model: taming.h5}, steps: 1, batch: 4, microbatches: 1, lr: 0, "                                                 \
    "critic: {use: patchgan, channels: 2, layers: 1, range: " range "}" more

START_TEST(a_critic_goes_on)
{
    const struct command_result *r = train("train-autoencoder, " JUDGED("signed", ""));
    ck_assert_ptr_nonnull(strstr(r->err, "tuned: starts from 162 weights of the model"));
    ck_assert_double_eq(apart("taming.h5", "weights/critic/main/2/weight"), 0.0);
    ck_assert_double_eq(apart("taming.h5", "weights/critic/main/5/bias"), 0.0);
    r = train("train-autoencoder, " JUDGED("unit", ""));
    ck_assert_ptr_nonnull(strstr(r->err, "tuned: starts from 155 weights of the model"));
    ck_assert_ptr_nonnull(strstr(r->err, "tuned: the critic is new: the model has none of the same parameters"));
    ck_assert_double_gt(apart("taming.h5", "weights/critic/main/2/weight"), 0.01);
    (void)train("refit, " JUDGED("signed", ", pool: 96, codebook_size: 8"));
    ck_assert_double_eq(apart("taming.h5", "weights/critic/main/2/weight"), 0.0);
    ck_assert_double_eq(apart("taming.h5", "weights/decoder/conv_in/weight"), 0.0);
}
END_TEST

/* Export of a model trained further by this program: its critic is written with it. */
START_TEST(a_critic_goes_out)
{
    (void)train("train-autoencoder, in: {images: images, model: taming.h5}, steps: 2, batch: 4, microbatches: 1, lr: 1.0e-3, "
                "critic: {use: patchgan, channels: 2, layers: 1, range: signed}");
    ck_assert_double_gt(apart("taming.h5", "weights/critic/main/2/weight"), 1e-5);
    fixture_ok(&fixture, checkpoint_export_as("taming", "runs/start/tuned.h5", "tuned.safetensors", "groups=4"));
    fixture_ok(&fixture, checkpoint_import_as("taming", "tuned.safetensors", "again.h5", NULL, "groups=4 height=8 width=12"));
    ck_assert_double_eq(apart("again.h5", "weights/critic/main/2/weight"), 0.0);
    ck_assert_double_eq(apart("again.h5", "weights/decoder/conv_out/bias"), 0.0);
}
END_TEST

#define EMA "quantizer: {use: ema, codebook_size: 24, code_dim: 5, revive: 0}"

/* A codebook that is there is not rebuilt from the first batch, and moves at the pace of `decay` at once. */
START_TEST(averages_begin_at_the_codebook)
{
    const struct command_result *r = train("train-autoencoder, in: {images: images, model: taming.h5}, steps: 1, batch: 4, lr: 0, " EMA);
    ck_assert_ptr_nonnull(strstr(r->err, "new, as it has none like them: what only training has of quantizer\n"));
    struct tess_tensor before = dataset("taming.h5", "weights/quantizer/codebook"), after = dataset("runs/start/tuned.h5",
                                                                                                   "weights/quantizer/codebook");
    struct tess_tensor size = dataset("runs/start/tuned.h5", "weights/quantizer/cluster_size");
    double total = 0.0, moved = apart("taming.h5", "weights/quantizer/codebook");
    for (int64_t k = 0; k < 24; k++)
        total += (double)((float *)size.data)[k];
    for (int64_t k = 0; k < 24; k++) { /* 96 vectors and 24 codes: N was 4, m 4 e; of a code without vectors both shrink alike */
        double n = (double)((float *)size.data)[k], smooth = (n + 1e-5) / (total + 24e-5) * total;
        if (fabs(n - 0.99 * 4.0) < 1e-6)
            for (int64_t j = 5 * k; j < 5 * k + 5; j++)
                ck_assert_double_eq_tol((double)((float *)after.data)[j], (double)((float *)before.data)[j] * n / smooth, 1e-5);
    }
    ck_assert_double_eq_tol(total, 96.0, 1e-3);
    ck_assert_msg(moved > 0.0 && moved < 0.2, "the codebook moved by %g", moved);
    tess_free(before.data);
    tess_free(after.data);
    tess_free(size.data);
}
END_TEST

START_TEST(averages_go_on)
{
    (void)train("train-autoencoder, in: {images: images, model: taming.h5}, steps: 4, batch: 4, lr: 0, " EMA);
    fixture_ok(&fixture, rename("runs/start/tuned.h5", "ema.h5"));
    const struct command_result *r = train("train-autoencoder, in: {images: images, model: ema.h5}, steps: 1, batch: 4, lr: 0");
    ck_assert_ptr_nonnull(strstr(r->err, "tuned: starts from 157 weights of the model"));
    ck_assert_ptr_null(strstr(r->err, "new, as it has none"));
    struct tess_tensor before = dataset("ema.h5", "weights/quantizer/cluster_size");
    struct tess_tensor after = dataset("runs/start/tuned.h5", "weights/quantizer/cluster_size");
    int64_t without = 0;
    for (int64_t k = 0; k < 24; k++) {
        double n = ((double)((float *)after.data)[k] - 0.99 * (double)((float *)before.data)[k]) / 0.01; /* vectors of the batch */
        ck_assert_double_eq_tol(n, round(n), 0.02);
        without += n < 0.5;
    }
    ck_assert_int_gt(without, 0);
    tess_free(before.data);
    tess_free(after.data);
}
END_TEST

/* ---- priors ---- */

static const char prior[] = HEAD "  codes: {use: encode, in: {images: images, model: taming.h5}}\n"
                                 "  other: {use: train-autoencoder, in: {images: images, model: taming.h5}, steps: 2, batch: 4}\n"
                                 "  others: {use: encode, in: {images: images, model: other}}\n"
                                 "  tuned: {use: train-prior, in: {codes: %s, prior: %s}, steps: 2, batch: 4, lr: %s%s}\n";

static const struct command_result *train_prior(const char *codes, const char *from, const char *lr, const char *more)
{
    char text[2048];
    snprintf(text, sizeof text, prior, codes, from, lr, more);
    small_write("start.yaml", text);
    const struct command_result *r = command("run start.yaml");
    ck_assert_msg(r->code == 0, "%s", r->err);
    return r;
}

START_TEST(a_prior_goes_on)
{
    static const char last[] = "weights/denoiser/final_conv/1/weight";
    const struct command_result *r = train_prior("codes", "ddm.h5", "0", "");
    ck_assert_ptr_nonnull(strstr(r->err, "tuned: starts from 115 weights of the model"));
    ck_assert_ptr_nonnull(strstr(r->err, "new, as it has none like them: what only training has of noise\n")); /* times of importance */
    ck_assert_ptr_null(strstr(r->err, "the prior is of codes of"));
    ck_assert_double_eq(apart("ddm.h5", last), 0.0);
    fixture_ok(&fixture, rename("runs/start/tuned.h5", "tuned.h5"));
    r = train_prior("codes", "tuned.h5", "1.0e-3", "");
    ck_assert_ptr_nonnull(strstr(r->err, "tuned: starts from 118 weights of the model")); /* the noise's memory is there */
    ck_assert_double_gt(apart("ddm.h5", last), 1e-4);
    r = train_prior("others", "ddm.h5", "0", ", noise: {use: uniform, steps: 20}");
    ck_assert_ptr_nonnull(strstr(r->err, "tuned: the prior is of codes of tokenizer "));
    ck_assert_ptr_nonnull(strstr(r->err, "tuned: the noise is {use: uniform, steps: 20, schedule: cosine,"));
    ck_assert_double_eq(apart("ddm.h5", last), 0.0);
}
END_TEST

/* ---- what is no start ---- */

static const struct {
    const char *stage, *words;
} wrong[] = {
    {"train-autoencoder, in: {images: images, model: taming.h5}, encoder: {use: conv, channels: 8, channel_mult: [1, 2], "
     "attn_resolutions: [4], groups: 4, variant: taming, z_channels: 6}",
     "model: its encoder.conv_in.weight is f32 (4, 3, 3, 3), and f32 (8, 3, 3, 3) is to be trained; training can start from a model of the "
     "same parts only"},
    {"train-autoencoder, in: {images: images, model: taming.h5}, quantizer: {use: ema, codebook_size: 16, code_dim: 5}",
     "model: its quantizer.codebook is f32 (24, 5), and f32 (16, 5) is to be trained"},
    {"train-autoencoder, in: {images: images, model: taming.h5}, decoder: {use: conv, channels: 4, channel_mult: [1, 2], res_blocks: 2, "
     "attn_resolutions: [4], groups: 4, variant: taming, z_channels: 6}",
     "model: it has no decoder.up.1.block.2.norm1.weight, which is to be trained"},
    {"train-autoencoder, in: {images: images, model: taming.h5}, decoder: {use: conv, channels: 4, channel_mult: [1, 2], groups: 4, "
     "variant: taming, z_channels: 6}",
     "model: its decoder.up.1.attn.0.norm.weight is in no part that is to be trained"},
    {"train-autoencoder, in: {images: images, model: ddm.h5}",
     "input `model` of stage/train-autoencoder wants an artefact of kind autoencoder; `ddm.h5` is of kind prior"},
    {"train-autoencoder, in: {images: images}, decoder: conv, quantizer: nearest",
     "train-autoencoder: `encoder` is missing; say it, or give a `model` to start from, whose encoder it then is"},
    {"train-autoencoder, in: {images: images}, encoder: conv, quantizer: nearest", "`decoder` is missing; say it"},
    {"train-autoencoder, in: {images: images}, encoder: conv, decoder: conv", "`quantizer` is missing; say it"},
    {"train-autoencoder, in: {images: grey, model: taming.h5}", "do not fit a model trained on 8 x 12 x 3"},
    {"train-prior, in: {codes: codes}, noise: uniform", "train-prior: `denoiser` is missing; say it, or give a `prior` to start from"},
    {"train-prior, in: {codes: codes, prior: ddm.h5}, noise: {use: absorbing, steps: 20}",
     "prior: its denoiser.embedding.weight is f32 (24, 8), and f32 (25, 8) is to be trained"},
    {"train-prior, in: {codes: codes, prior: ddm.h5}, denoiser: {use: unet, channels: 8, channel_mult: [1, 2, 4]}",
     "unet: a map of 4 x 6 codes cannot be halved 2 times"},
    {"train-prior, in: {codes: few, prior: ddm.h5}", "prior: it is of 24 codes, the archive of 8; encode with a tokenizer of as many"},
};

START_TEST(no_start)
{
    char text[2048];
    snprintf(text, sizeof text,
             HEAD "  grey: {use: import, source: {use: idx, images: images}}\n"
                  "  codes: {use: encode, in: {images: images, model: taming.h5}}\n"
                  "  smaller: {use: refit, in: {images: images, model: taming.h5}, codebook_size: 8, pool: 96, steps: 0}\n"
                  "  few: {use: encode, in: {images: images, model: smaller}}\n"
                  "  tuned: {use: %s, steps: 2, batch: 4}\n",
             wrong[_i].stage);
    small_make_data(8);
    small_write("start.yaml", text);
    const struct command_result *r = command("plan start.yaml");
    ck_assert_msg(r->code != 0 && strstr(r->err, wrong[_i].words), "wanted %s\nfound  %d: %s", wrong[_i].words, r->code, r->err);
    ck_assert_int_ne(access("runs/start/tuned.h5", F_OK), 0);
}
END_TEST

/* ---- being killed ---- */

static const char longer[] = "tessera: 1\n"
                             "name: start\n"
                             "stages:\n"
                             "  images: {use: import, source: {use: idx, images: colour}, split: 1.0}\n"
                             "  codes: {use: encode, in: {images: images, model: taming.h5}}\n"
                             "  tuned: {use: train-autoencoder, in: {images: images, model: taming.h5}, steps: 60, batch: 4,\n"
                             "          ema_decay: 0.9, critic: {use: patchgan, channels: 2, layers: 1, range: signed}, " EMA "}\n"
                             "  prior: {use: train-prior, in: {codes: codes, prior: ddm.h5}, steps: 60, batch: 4}\n";

START_TEST(killed_again_and_again)
{
    small_write("longer.yaml", longer);
    (void)command_ends(0, "", "run longer.yaml --threads 1 --workdir calm");
    struct command_kills kills = command_killed_until_it_ends("run longer.yaml --threads %d --workdir wild", NULL);
    ck_assert_msg(kills.killed >= 2 && kills.resumed >= 1, "killed %d times, resumed %d", kills.killed, kills.resumed);
    checkpoint_same_content("calm/runs/start/tuned.h5", "wild/runs/start/tuned.h5");
    checkpoint_same_content("calm/runs/start/prior.h5", "wild/runs/start/prior.h5");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("start");
    TCase *tests = tcase_create("start");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 240);
    tcase_add_checked_fixture(tests, setup, checkpoint_teardown);
    tcase_add_test(tests, the_loss_begins_at_the_models);
    tcase_add_test(tests, parts_that_are_said);
    tcase_add_test(tests, a_plan_says_from_what);
    tcase_add_test(tests, a_critic_goes_on);
    tcase_add_test(tests, a_critic_goes_out);
    tcase_add_test(tests, averages_begin_at_the_codebook);
    tcase_add_test(tests, averages_go_on);
    tcase_add_test(tests, a_prior_goes_on);
    tcase_add_loop_test(tests, no_start, 0, (int)(sizeof wrong / sizeof *wrong));
    tcase_add_test(tests, killed_again_and_again);
    return suite_run(suite);
}
