/* Whole steps of the published trainings, from a published model's file on: losses, the weight of the adversarial term and the weights
 * after Adam are PyTorch's (golden/step_*.h5), of "Unleashing Transformers", of taming, of ReFiT, and with the losses of Open-MAGVIT2.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/checkpoint_model.h"
#include "tests/support/command_fixture.h"
#include "tests/support/suite.h"
#include "tests/support/vgg_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double *lpips_values(void *user, const char *name, int64_t count)
{
    char path[80];
    snprintf(path, sizeof path, "weights/%s", name);
    return golden_doubles(user, path, count);
}

/* The golden images as `colour`, the perceptual network as vgg.safetensors, the published model as model.h5. */
static struct golden *step_open(const char *name, const char *as, const char *file)
{
    ck_assert_int_eq(setenv("TESSERA_GOLDEN", TEST_SOURCE "/tests/golden", 1), 0);
    struct golden *golden = golden_open(name), *lpips = golden_open("lpips.h5");
    struct tess_tensor bytes = checkpoint_bytes(golden, "bytes");
    char path[400];
    vgg_write("vgg.safetensors",
              &(struct vgg_file){.prefix = "", .channels = 64 / golden_size(lpips, "thin"), .user = lpips, .values = lpips_values});
    small_write_idx("colour", 4, bytes.dim, bytes.data, tess_tensor_count(&bytes));
    snprintf(path, sizeof path, "%s/%s", TEST_CHECKPOINTS, file);
    fixture_ok(&fixture, checkpoint_import_as(as, path, "model.h5", NULL, "groups=4 height=16 width=24"));
    free(bytes.data);
    golden_close(lpips);
    return golden;
}

#define TRAINED                                                                                                                            \
    "in: {images: images, model: model.h5}, batch: 4, microbatches: 1, perceptual: {use: vgg16, channels: 4, weights: vgg.safetensors, "   \
    "range: %s}, critic: {use: patchgan, channels: 2, layers: 1, range: %s}, lr: %g, beta1: %g, beta2: %g, %s"

/* Trains the stage and exports its model as tuned.safetensors. */
static void step_train(const struct golden *golden, const char *use, const char *range, const char *as, const char *more)
{
    char text[2048];
    int n = snprintf(text, sizeof text,
                     "tessera: 1\nname: step\nstages:\n  images: {use: import, source: {use: idx, images: colour}, split: 1.0}\n"
                     "  tuned: {use: %s, ",
                     use);
    n += snprintf(text + n, sizeof text - (size_t)n, TRAINED "}\n", range, range, golden_number(golden, "lr"),
                  golden_number(golden, "beta1"), golden_number(golden, "beta2"), more);
    small_write("step.yaml", text);
    (void)command_ends(0, "", "run step.yaml");
    fixture_ok(&fixture, checkpoint_export_as(as, "runs/step/tuned.h5", "tuned.safetensors", "groups=4"));
}

/* Column `name` of the training's curve, at row `step`. */
static double curve_value(const char *name, int64_t step)
{
    struct tess_artefact *a;
    struct tess_tensor curve;
    char *names[16] = {NULL};
    double value = NAN;
    fixture_ok(&fixture, tessi_store_artefact_open(C, "runs/step/tuned.h5", &a));
    fixture_ok(&fixture, tess_artefact_load(C, a, "curve", TESS_F32, &curve));
    ck_assert(curve.dim[1] <= 16 && step < curve.dim[0]);
    fixture_ok(&fixture, tessi_store_artefact_strings(C, a, "curve_names", curve.dim[1], names));
    for (int64_t i = 0; i < curve.dim[1]; i++) {
        if (strcmp(names[i], name) == 0)
            value = (double)((float *)curve.data)[step * curve.dim[1] + i];
        tess_free(names[i]);
    }
    ck_assert_msg(!isnan(value), "the curve has no %s", name);
    tess_free(curve.data);
    tessi_store_artefact_close(a);
    return value;
}

/* Compares a curve with PyTorch's in double. The adaptive weight is a ratio of two norms of gradients, summed in f32 by the backend: oneDNN
 * 2.6 is 3e-6 off for taming's step, 3.7 is 1.01e-5. */
static void same_curve(const struct golden *golden, const char *dataset, const char *name, int64_t steps)
{
    const double tolerance = strcmp(dataset, "adaptive_weight") == 0 ? 2e-5 : 1e-5;
    double *want = golden_doubles(golden, dataset, steps);
    for (int64_t i = 0; i < steps; i++)
        golden_close_to(name, curve_value(name, i), want[i], tolerance);
    free(want);
}

/* Number of tensors of tuned.safetensors that are the golden's: off by at most `share` of the learning rate, which one step of Adam is. */
static int same_weights(const struct golden *golden, double share)
{
    const double bound = share * golden_number(golden, "lr");
    struct tess_instance *file;
    int compared = 0;
    fixture_ok(&fixture, tessi_exchange_format_read(C, "tuned.safetensors", "", &file));
    const struct tess_format_1 *f = tess_instance_ops(file, "format/1");
    for (int64_t i = 0; i < f->count(tess_instance_self(file)); i++) {
        const struct tess_entry *e = f->entry(tess_instance_self(file), i);
        char path[300];
        int64_t count = 1;
        snprintf(path, sizeof path, "after/%s", e->name);
        if (!golden_has(golden, path))
            continue;
        for (int32_t d = 0; d < e->rank; d++)
            count *= e->dim[d];
        double *want = golden_doubles(golden, path, count);
        float *value = malloc((size_t)count * sizeof *value);
        ck_assert_ptr_nonnull(value);
        fixture_ok(&fixture, f->read(tess_instance_self(file), C, i, value));
        for (int64_t k = 0; k < count; k++)
            ck_assert_msg(isnan(want[k]) || fabs((double)value[k] - want[k]) < bound, "%s[%d]: %.9g, not %.9g", e->name, (int)k,
                          (double)value[k], want[k]);
        free(value);
        free(want);
        compared++;
    }
    tess_instance_close(file);
    return compared;
}

/* ---- the steps ---- */

START_TEST(two_steps_of_unleashing_transformers)
{
    struct golden *golden = step_open("step_unleashing.h5", "unleashing-transformers", "vqgan.th");
    step_train(golden, "train-autoencoder", "unit", "unleashing-transformers", "steps: 2, adversarial_weight_max: 1");
    same_curve(golden, "loss", "loss", 2);
    same_curve(golden, "critic_loss", "critic", 2);
    same_curve(golden, "adaptive_weight", "adversarial weight", 2);
    ck_assert_int_ge(same_weights(golden, 0.05), 124);
    golden_close(golden);
}
END_TEST

#define SIGNED "steps: 1, pixel_range: signed, critic_learns: after, adversarial_weight: 0.8, "

/* In pixels of 0 .. 1 the difference counts half as much, and no weight of the perceptual term brings that back. */
START_TEST(a_step_of_taming)
{
    struct golden *golden = step_open("step_taming.h5", "taming", "taming.ckpt");
    double *loss = golden_doubles(golden, "loss", 1);
    step_train(golden, "train-autoencoder", "signed", "taming", SIGNED "adversarial_weight_max: 1e4");
    same_curve(golden, "loss", "loss", 1);
    same_curve(golden, "critic_loss", "critic", 1);
    same_curve(golden, "adaptive_weight", "adversarial weight", 1);
    ck_assert_int_ge(same_weights(golden, 0.05), 150);
    step_train(golden, "train-autoencoder", "signed", "taming", "steps: 1, adversarial_weight: 0.8, adversarial_weight_max: 1e4");
    ck_assert_double_lt(curve_value("loss", 0), 0.9 * *loss);
    free(loss);
    golden_close(golden);
}
END_TEST

START_TEST(a_step_of_refit)
{
    struct golden *golden = step_open("step_refit.h5", "taming", "taming.ckpt");
    step_train(golden, "refit", "signed", "taming", SIGNED "codebook_size: 2, positions: all, pool: 2, adversarial_balance: fixed");
    same_curve(golden, "loss", "loss", 1);
    same_curve(golden, "critic_loss", "critic", 1);
    same_curve(golden, "adaptive_weight", "adversarial weight", 1);
    ck_assert_int_ge(same_weights(golden, 0.05), 88);
    golden_close(golden);
}
END_TEST

#define WEIGHED "steps: 3, pixel_range: signed, generator_loss: non-saturating, adversarial_weight: 0.1, adversarial_balance: fixed, "

/* The averages of the last step are kept with the model, and are no tensor of its file. */
START_TEST(three_steps_of_other_losses)
{
    static const char *const file[] = {"step_lecam.h5", "step_vanilla.h5"}, *const more[] = {"lecam_weight: 0.05", "critic_loss: vanilla"};
    static const char *const average[] = {"weights/lecam/real", "weights/lecam/made"};
    struct golden *golden = step_open(file[_i], "taming", "taming.ckpt");
    char text[240];
    snprintf(text, sizeof text, WEIGHED "%s", more[_i]);
    step_train(golden, "train-autoencoder", "signed", "taming", text);
    same_curve(golden, "loss", "loss", 3);
    same_curve(golden, "critic_loss", "critic", 3);
    ck_assert_int_ge(same_weights(golden, 0.05), 150);
    struct tess_artefact *a;
    double *want = golden_doubles(golden, "lecam", 2);
    fixture_ok(&fixture, tessi_store_artefact_open(C, "runs/step/tuned.h5", &a));
    for (int i = 0; i < 2; i++) {
        struct tess_tensor value;
        ck_assert_int_eq(tess_artefact_has(a, average[i]), _i == 0);
        if (_i > 0)
            continue;
        fixture_ok(&fixture, tess_artefact_load(C, a, average[i], TESS_F32, &value));
        golden_close_to(average[i], (double)*(float *)value.data, want[i], 1e-5);
        tess_free(value.data);
    }
    tessi_store_artefact_close(a);
    free(want);
    golden_close(golden);
}
END_TEST

/* The fixed weight is there for a whole training as well. */
START_TEST(a_fixed_weight)
{
    struct golden *golden = step_open("step_taming.h5", "taming", "taming.ckpt");
    step_train(golden, "train-autoencoder", "signed", "taming", SIGNED "adversarial_balance: fixed");
    golden_close_to("weight", curve_value("adversarial weight", 0), 0.8, 1e-6);
    golden_close(golden);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("steps");
    TCase *tests = tcase_create("steps");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, checkpoint_setup, checkpoint_teardown);
    tcase_add_test(tests, two_steps_of_unleashing_transformers);
    tcase_add_test(tests, a_step_of_taming);
    tcase_add_test(tests, a_step_of_refit);
    tcase_add_loop_test(tests, three_steps_of_other_losses, 0, 2);
    tcase_add_test(tests, a_fixed_weight);
    return suite_run(suite);
}
