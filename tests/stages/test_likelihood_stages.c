/* The head for the likelihood of images as pipelines use it: the model it is given stays as it is, to the last bit and with all it had;
 * codes, priors and samples of the one go with the other and with no third; metrics add up; and neither threads nor a stop change a bit.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/store/store.h"
#include "tests/support/command_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <tessera/tessera.h>

#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char pipeline[] = "tessera: 1\n"
                               "name: like\n"
                               "extends: small.yaml\n"
                               "stages:\n"
                               "  tokenizer: {critic: {use: patchgan, channels: 8, layers: 1}}\n"
                               "  head: {use: train-likelihood, in: {images: images, model: tokenizer}, steps: 20, batch: 12, lr: 1e-2}\n"
                               "  again: {use: train-likelihood, in: {images: images, model: head}, steps: 5, batch: 12, seed: 8}\n"
                               "  likely: {use: evaluate, in: {images: images, model: head, prior: prior}, dequantise: none}\n"
                               "  pixels: {use: evaluate, in: {images: images, model: head}, dequantise: none}\n"
                               "  five: {use: evaluate, in: {images: images, model: head, prior: prior}, bits: 5, dequantise: none}\n"
                               "  bound: {use: evaluate, in: {images: images, model: head, prior: prior}}\n"
                               "  recoded: {use: encode, in: {images: images, model: again}}\n"
                               "  samples: {in: {model: head}}\n"
                               "  decoded: {in: {codes: recoded}}\n";

static struct tessi_context context; /* context in which results are read */
#define C (&context.context)

static void setup(void)
{
    (void)small_folder_enter();
    small_write("like.yaml", pipeline);
    tessi_base_context_init(&context, NULL);
}

static struct tess_artefact *result(const char *workdir, const char *stage)
{
    struct tess_artefact *a;
    char path[256];
    snprintf(path, sizeof path, "%s/runs/like/%s.h5", workdir, stage);
    ck_assert_msg(tessi_store_artefact_open(C, path, &a) == TESS_OK, "%s", tessi_base_context_message(C));
    return a;
}

static double metric(const char *stage, const char *name, const char *wanted)
{
    struct tess_metric_value v;
    struct tess_artefact *a = result(".", stage);
    for (int64_t i = 0; tessi_store_artefact_metric(a, i, &v); i++)
        if (strcmp(v.name, name) == 0) {
            ck_assert(!wanted || strcmp(v.unit, wanted) == 0);
            tessi_store_artefact_close(a);
            return v.value;
        }
    tessi_store_artefact_close(a);
    return NAN;
}

static void digest_of(const char *workdir, const char *stage, char digest[TESS_DIGEST_TEXT])
{
    struct tess_artefact *a = result(workdir, stage);
    snprintf(digest, TESS_DIGEST_TEXT, "%s", tess_artefact_digest(a));
    tessi_store_artefact_close(a);
}

/* Number of weights of `one` that `other` has with the same bits; *all: number of weights of `one`. */
static int equal_weights(const struct tess_artefact *one, const struct tess_artefact *other, int *all)
{
    const char *name;
    int equal = 0;
    *all = 0;
    for (int64_t i = 0; (name = tess_artefact_name_at(one, i)) != NULL; i++) {
        struct tess_tensor x, y;
        if (strncmp(name, "weights/", 8) != 0)
            continue;
        *all += 1;
        ck_assert_int_eq(tess_artefact_load(C, one, name, TESS_F32, &x), TESS_OK);
        ck_assert_msg(tess_artefact_load(C, other, name, TESS_F32, &y) == TESS_OK, "%s", name);
        ck_assert_int_eq(tess_tensor_count(&x), tess_tensor_count(&y));
        equal += memcmp(x.data, y.data, tess_tensor_bytes(&x)) == 0;
        tess_free(x.data);
        tess_free(y.data);
    }
    return equal;
}

START_TEST(the_model_stays_as_it_is)
{
    int all, given, equal;
    (void)command_ends(0, "", "run like.yaml -q --until again");
    struct tess_artefact *model = result(".", "tokenizer"), *head = result(".", "head"), *again = result(".", "again");
    equal = equal_weights(model, head, &given);
    ck_assert_msg(equal == given && given > 40, "%d of %d weights", equal, given);
    equal = equal_weights(head, again, &all);
    ck_assert(all == given + 4 && equal == given); /* the head continues where it was, and was moved */
    ck_assert(tess_artefact_has(head, "weights/decoder/logsigma/0/weight") && tess_artefact_has(head, "weights/critic/main/0/weight"));
    ck_assert(tess_attrs_i64_or(tess_artefact_attrs(head), "likelihood", 0) == 1);
    ck_assert(tess_attrs_i64_or(tess_artefact_attrs(model), "likelihood", 0) == 0);
    static const char *const attr[] = {"encoder", "quantizer", "decoder", "critic"};
    for (int i = 0; i < 4; i++)
        ck_assert_str_eq(tess_attrs_text_or(tess_artefact_attrs(head), attr[i], "a"),
                         tess_attrs_text_or(tess_artefact_attrs(model), attr[i], "b"));
    ck_assert_str_eq(tess_attrs_text_or(tess_artefact_attrs(head), "tokenizer", ""), tess_artefact_digest(model));
    ck_assert_str_eq(tess_attrs_text_or(tess_artefact_attrs(again), "tokenizer", ""), tess_artefact_digest(model));
    ck_assert_str_eq(tess_attrs_text_or(tess_artefact_attrs(model), "tokenizer", "none"), "none");
    struct tess_tensor curve;
    ck_assert_int_eq(tess_artefact_load(C, head, "curve", TESS_F32, &curve), TESS_OK);
    ck_assert(((float *)curve.data)[2 * curve.dim[0] - 1] < ((float *)curve.data)[1]); /* the head learns */
    tess_free(curve.data);
    ck_assert(access("runs/like/head.deviations.png", R_OK) == 0);
    tessi_store_artefact_close(model);
    tessi_store_artefact_close(head);
    tessi_store_artefact_close(again);
}
END_TEST

START_TEST(codes_go_with_either)
{
    static const char other[] = "tessera: 1\nname: other\nextends: like.yaml\nstages:\n"
                                "  stranger: {use: train-autoencoder, in: {images: images}, steps: 3, batch: 12, seed: 99,\n"
                                "             encoder: {use: conv, channels: 32, channel_mult: [1, 1]}, decoder: conv,\n"
                                "             quantizer: {use: ema, codebook_size: 12, code_dim: 6}}\n"
                                "  estranged: {use: train-likelihood, in: {images: images, model: stranger}, steps: 2, batch: 12}\n"
                                "  refit: {use: refit, in: {images: images, model: head}, steps: 2, batch: 12, pool: 300}\n"
                                "  %s\n";
    static const char *const meeting[] = {"samples: {in: {model: estranged}}", "decoded: {in: {model: estranged}}",
                                          "likely: {in: {model: estranged}}", "likely: {in: {model: refit}}"};
    char text[1500];
    (void)command_ends(0, "", "run like.yaml -q");
    struct tess_artefact *model = result(".", "tokenizer"), *codes = result(".", "recoded"), *first = result(".", "codes");
    struct tess_tensor a, b;
    ck_assert_str_eq(tess_attrs_text_or(tess_artefact_attrs(codes), "tokenizer", ""), tess_artefact_digest(model));
    ck_assert_int_eq(tess_artefact_load(C, codes, "codes", TESS_U8, &a), TESS_OK);
    ck_assert_int_eq(tess_artefact_load(C, first, "codes", TESS_U8, &b), TESS_OK);
    ck_assert(memcmp(a.data, b.data, tess_tensor_bytes(&a)) == 0);
    tess_free(a.data);
    tess_free(b.data);
    tessi_store_artefact_close(model);
    tessi_store_artefact_close(codes);
    tessi_store_artefact_close(first);
    (void)command_ends(0, "", "view runs/like/codes.h5 -m runs/like/head.h5 -o seen.png");
    for (int i = 0; i < 4; i++) {
        snprintf(text, sizeof text, other, meeting[i]);
        small_write("other.yaml", text);
        (void)command_ends(65, "codes of another tokenizer", "run other.yaml -q");
    }
    struct tess_artefact *refit;
    ck_assert_int_eq(tessi_store_artefact_open(C, "runs/other/refit.h5", &refit), TESS_OK);
    ck_assert(!tess_artefact_has(refit, "weights/decoder/logsigma/0/weight"));
    ck_assert_str_eq(tess_attrs_text_or(tess_artefact_attrs(refit), "tokenizer", "none"), "none");
    tessi_store_artefact_close(refit);
}
END_TEST

START_TEST(metrics_add_up)
{
    (void)command_ends(0, "", "run like.yaml -q");
    static const char *const with[] = {"likely", "five", "bound"};
    for (int i = 0; i < 3; i++) {
        double pixels = metric(with[i], "pixels given codes", "bits/dim"), codes = metric(with[i], "codes", "bits/dim");
        ck_assert(isfinite(pixels) && fabs(metric(with[i], "image likelihood", "bits/dim") - pixels - codes) < 1e-12);
        double bits = metric(with[i], "prior's bound", "bits/code");
        ck_assert(fabs(codes - bits * (SMALL_H / 2 * SMALL_W / 2) / (SMALL_H * SMALL_W)) < 1e-9);
    }
    /* the bin's width is all that 5 bits change of a density at the value */
    ck_assert(fabs(metric("likely", "pixels given codes", NULL) - metric("five", "pixels given codes", NULL) - 3.0) < 1e-9);
    ck_assert(metric("bound", "pixels given codes", NULL) != metric("likely", "pixels given codes", NULL));
    /* without a prior the decoder's part alone, under its own name */
    ck_assert(metric("pixels", "pixels given codes", "bits/dim") == metric("likely", "pixels given codes", NULL));
    ck_assert(isnan(metric("pixels", "image likelihood", NULL)) && isnan(metric("pixels", "codes", NULL)));
    /* and a model without the head says nothing of it, and the same as before of the rest */
    ck_assert(isnan(metric("metrics", "pixels given codes", NULL)));
    ck_assert(metric("metrics", "reconstruction MSE", NULL) == metric("likely", "reconstruction MSE", NULL));
}
END_TEST

/* The metric of `evaluate` equals its definition, computed from the decoder's own output. */
START_TEST(the_metric_is_its_definition)
{
    (void)command_ends(0, "", "run like.yaml -q --until pixels --threads 1");
    (void)command_ends(0, "", "run like.yaml -q --until pixels --threads 3 --workdir three pixels.batch=5");
    char one[TESS_DIGEST_TEXT], three[TESS_DIGEST_TEXT];
    digest_of(".", "head", one);
    digest_of("three", "head", three);
    ck_assert_str_eq(one, three);
    digest_of(".", "pixels", one);
    digest_of("three", "pixels", three);
    ck_assert_str_eq(one, three);
    double mse = metric("pixels", "reconstruction MSE", NULL), bits = metric("pixels", "pixels given codes", NULL);
    /* no deviation makes it less than the best single one would, a spread of them may; but not by much after so few steps */
    double best = 0.5 * log2(2.0 * 3.14159265358979 * exp(1.0) * mse) + 8.0;
    ck_assert_msg(bits > best - 2.0 && bits < best + 3.0, "%g bits/dim, %g with one deviation for all", bits, best);
}
END_TEST

START_TEST(training_the_head_goes_on_where_it_stopped)
{
    char calm[TESS_DIGEST_TEXT], wild[TESS_DIGEST_TEXT];
#define HEAD "head.steps=120 head.ema_decay=0.9 --threads 1"
    (void)command_ends(0, "", "run like.yaml -q --until head --workdir calm " HEAD);
    (void)command_ends(0, "", "run like.yaml -q --until tokenizer --workdir wild --threads 1");
    ck_assert_int_eq(command_stopped_until_it_ends("run like.yaml -q --until head --workdir wild " HEAD, 11), 4); /* 11, 33, 66, 110 */
    digest_of("calm", "head", calm);
    digest_of("wild", "head", wild);
    ck_assert_str_eq(calm, wild);
}
END_TEST

START_TEST(sizes_and_settings_that_do_not_fit)
{
    small_write("wide.yaml", "tessera: 1\nname: like\nextends: like.yaml\nstages:\n"
                             "  wide: {use: import, source: {use: idx, images: images}, pad: 16}\n  head: {in: {images: wide}}\n");
    (void)command_ends(2, "images of 16 x 16 x 1 do not fit a model trained on 8 x 12 x 1", "plan wide.yaml");
    (void)command_ends(2, "microbatches: 5 does not divide batch: 12", "plan like.yaml head.microbatches=5");
    (void)command_ends(2, "bits", "plan like.yaml five.bits=9");
    (void)command_ends(2, "dequantise", "plan like.yaml five.dequantise=always");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("likelihood stages");
    TCase *t = tcase_create("likelihood stages");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_add_test(t, the_model_stays_as_it_is);
    tcase_add_test(t, codes_go_with_either);
    tcase_add_test(t, metrics_add_up);
    tcase_add_test(t, the_metric_is_its_definition);
    tcase_add_test(t, training_the_head_goes_on_where_it_stopped);
    tcase_add_test(t, sizes_and_settings_that_do_not_fit);
    suite_add_tcase(s, t);
    return suite_run(s);
}
