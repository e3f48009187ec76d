/* The likelihood of images: the head and its loss against PyTorch (likelihood/likelihood.h5), closed forms, and when the metric is a bound;
 * what the head leaves as it is, in both variants of the decoder. SPDX-License-Identifier: MIT */
#include "core/plug/plug_private.h"
#include "kit/train/likelihood.h"
#include "tests/support/golden.h"
#include "tests/support/suite.h"
#include "tests/support/paths.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double HALF_LN_2_PI = 0.91893853320467274178;
static const struct likelihood_params as_published = {.bits = 8, .dequantise = DEQUANTISE_NONE};
static const struct tess_stream nothing = {.seed = 0};

static struct tess_instance *open_decoder(struct fixture *b, const char *config_text)
{
    struct tess_instance *i;
    fixture_ok(b, tess_instance_open(&b->context.context, "decoder/1", config_text, "test", &i));
    return i;
}

/* ---- against PyTorch ---- */

static const struct golden_name names[] = {{"decoder.", "generator."}, {NULL, NULL}};

START_TEST(the_head_is_the_published_one)
{
    setenv("TESSERA_GOLDEN", TEST_LIKELIHOOD, 1);
    struct golden *golden = golden_open("likelihood.h5");
    struct fixture b;
    char config_text[256], mult[64];
    struct tess_tensor latent = golden_read(golden, "latent", TESS_F32), image = golden_read(golden, "image", TESS_F32);
    struct tess_tensor want[2] = {golden_read(golden, "mean", TESS_F32), golden_read(golden, "log_sigma", TESS_F32)}, out[2], total;
    int64_t samples = image.dim[0], rows = _i ? 1 : samples, side = image.dim[1], channels = image.dim[3];
    float bits;
    fixture_open(&b, 2, rows, samples / rows, 1);
    snprintf(config_text, sizeof config_text, "{use: conv, channels: %lld, channel_mult: %s, res_blocks: %lld}",
             (long long)golden_size(golden, "nf"), golden_list(golden, "ch_mult", mult, sizeof mult),
             (long long)golden_size(golden, "res_blocks"));
    struct tess_tokenizer t = {.height = side, .width = side, .channels = channels, .decoder = open_decoder(&b, config_text)};
    struct tess_node *z = tess_input(b.graph, "latent", TESS_F32, 4, DIMS(rows, latent.dim[1], latent.dim[2], latent.dim[3]));
    struct tess_node *x = tess_input(b.graph, "image", TESS_F32, 4, DIMS(rows, side, side, channels)), *mean, *log_sigma;
    fixture_ok(&b, tess_tokenizer_record_head(&b.context.context, &t, b.graph, z, &mean, &log_sigma));
    tess_objective(b.graph, "bits", "decoder.logsigma.", likelihood_record(b.graph, x, mean, log_sigma));
    tess_output(b.graph, "mean", mean);
    tess_output(b.graph, "log_sigma", log_sigma);
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    golden_weights(golden, &b, names, (const char *const[]){NULL});
    for (int i = 0; i < 2; i++) {
        out[i] = want[i];
        out[i].data = calloc(1, tess_tensor_bytes(&out[i]));
    }
    total = tess_tensor_over(&bits, TESS_F32, 0, NULL);
    struct tess_tensor in[2] = {latent, image};
    struct tess_batch batch = {
        .size = sizeof batch, .samples = samples, .inputs = 2, .in = in, .outputs = 2, .out = out, .totals = 1, .total = &total};
    fixture_ok(&b, tess_graph_step(&b.context.context, b.graph, &batch));
    golden_near("mean", out[0].data, &want[0], 1e-4, 0.0);
    golden_near("log sigma", out[1].data, &want[1], 1e-4, 0.0);
    golden_close_to("bits", (double)bits, golden_scalar(golden, "bits"), 1e-4);
    ck_assert_int_eq(golden_gradients(golden, &b, "grads", names, 1e-3), 4);
    tess_instance_close(t.decoder);
    for (int i = 0; i < 2; i++) {
        free(want[i].data);
        free(out[i].data);
        free(in[i].data);
    }
    fixture_close(&b);
    golden_close(golden);
}
END_TEST

/* ---- the head changes nothing else ---- */

enum { SIDE = 8, DEPTH = 6, LATENT = 2 * (SIDE / 2) * (SIDE / 2) * DEPTH, IMAGE = 2 * SIDE * SIDE * 3 };

static const char *const variants[] = {"{use: conv, channels: 8, groups: 4, channel_mult: [1, 2]}",
                                       "{use: conv, channels: 8, groups: 4, channel_mult: [1, 2], variant: taming}"};

/* The decoder's image of random latents; gives the number of weights, and of those the head's. */
static void decode(const char *config_text, int head, float *image, int64_t *weights, int64_t *of_head)
{
    struct fixture b;
    float latent[LATENT];
    struct tess_stream s = {.seed = 1, .purpose = tess_purpose("latent")};
    struct tess_tensor in = tess_tensor_over(latent, TESS_F32, 4, DIMS(2, SIDE / 2, SIDE / 2, DEPTH));
    struct tess_tensor out = tess_tensor_over(image, TESS_F32, 4, DIMS(2, SIDE, SIDE, 3));
    tess_random_normal(&s, 0, LATENT, latent);
    fixture_open(&b, 1, 2, 1, 0);
    struct tess_instance *decoder = open_decoder(&b, config_text);
    const struct tess_decoder_1 *ops = tess_instance_ops(decoder, "decoder/1");
    struct tess_node *z = tess_input(b.graph, "latent", TESS_F32, 4, in.dim), *y, *log_sigma;
    if (head)
        fixture_ok(&b, ops->record_likelihood(tess_instance_self(decoder), &b.context.context, b.graph, z, SIDE, SIDE, 3, &y, &log_sigma));
    else
        fixture_ok(&b, ops->record(tess_instance_self(decoder), &b.context.context, b.graph, z, SIDE, SIDE, 3, &y));
    tess_output(b.graph, "image", y);
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    struct tess_batch batch = {.size = sizeof batch, .samples = 2, .inputs = 1, .in = &in, .outputs = 1, .out = &out};
    fixture_ok(&b, tess_graph_run(&b.context.context, b.graph, &batch));
    *weights = tess_weights_count(b.weights);
    *of_head = 0;
    for (int64_t i = 0; i < *weights; i++)
        *of_head += strncmp(tess_weights_name(b.weights, i), "logsigma.", 9) == 0;
    tess_instance_close(decoder);
    fixture_close(&b);
}

START_TEST(the_image_is_the_same_with_the_head)
{
    static float plain[IMAGE], with[IMAGE];
    int64_t weights[2], of_head[2];
    decode(variants[_i], 0, plain, &weights[0], &of_head[0]);
    decode(variants[_i], 1, with, &weights[1], &of_head[1]);
    ck_assert(memcmp(plain, with, sizeof plain) == 0);
    ck_assert(of_head[0] == 0 && of_head[1] == 4 && weights[1] == weights[0] + 4);
}
END_TEST

/* A decoder from before there was a head says less of itself. */
START_TEST(a_decoder_without_a_head)
{
    struct fixture b;
    fixture_open(&b, 1, 1, 1, 0);
    struct tess_tokenizer t = {.height = SIDE, .width = SIDE, .channels = 3, .decoder = open_decoder(&b, variants[0])};
    struct tess_decoder_1 older = *(const struct tess_decoder_1 *)tess_instance_ops(t.decoder, "decoder/1");
    struct tess_component component = *t.decoder->component;
    const struct tess_component *was = t.decoder->component;
    struct tess_node *z = tess_input(b.graph, "latent", TESS_F32, 4, DIMS(1, SIDE / 2, SIDE / 2, DEPTH)), *y, *log_sigma;
    older.size = offsetof(struct tess_decoder_1, record_likelihood);
    component.ops = &older;
    t.decoder->component = &component;
    ck_assert_int_eq(tess_tokenizer_record_head(&b.context.context, &t, b.graph, z, &y, &log_sigma), TESS_E_VALUE);
    ck_assert_ptr_nonnull(
        strstr(tessi_base_context_message(&b.context.context), "the decoder `conv` has no head for the likelihood of images"));
    t.decoder->component = was;
    tess_instance_close(t.decoder);
    fixture_close(&b);
}
END_TEST

/* ---- the metric ---- */

START_TEST(closed_forms)
{
    enum { N = 6 };
    static const uint8_t byte[N] = {0, 1, 77, 128, 254, 255};
    float mean[N], log_sigma[N];
    for (int i = 0; i < N; i++) {
        mean[i] = (float)byte[i] / 255.0f;
        log_sigma[i] = -1.5f;
    }
    /* x = mu: s + ln(2 pi) / 2 of each, and no logarithm of 0 */
    ck_assert(fabs(likelihood_of(&as_published, &nothing, N, byte, mean, log_sigma) - N * (HALF_LN_2_PI - 1.5)) < 1e-6);
    /* error of one standard deviation: half a nat more */
    for (int i = 0; i < N; i++)
        mean[i] += expf(-1.5f);
    ck_assert(fabs(likelihood_of(&as_published, &nothing, N, byte, mean, log_sigma) - N * (HALF_LN_2_PI - 1.0)) < 1e-5);
    /* the published way to write it, where it can be written so */
    double sum = 0.0;
    for (int i = 0; i < N; i++) {
        log_sigma[i] = -0.3f * (float)i;
        sum += 0.5 * exp(2.0 * log(fabs((double)byte[i] / 255.0 - (double)mean[i])) - 2.0 * (double)log_sigma[i]) + (double)log_sigma[i] +
               HALF_LN_2_PI;
    }
    ck_assert(fabs(likelihood_of(&as_published, &nothing, N, byte, mean, log_sigma) - sum) < 1e-9);
}
END_TEST

/* The graph's loss is the metric of the same values, in bits a value. */
START_TEST(the_loss_is_the_metric)
{
    enum { N = 24 };
    struct fixture b;
    uint8_t byte[N];
    float x[N], bits;
    struct tess_tensor in = tess_tensor_over(x, TESS_F32, 2, DIMS(2, N / 2)), total = tess_tensor_over(&bits, TESS_F32, 0, NULL), mean,
                       log_sigma;
    for (int i = 0; i < N; i++) {
        byte[i] = (uint8_t)(i * 11);
        x[i] = (float)byte[i] / 255.0f;
    }
    fixture_open(&b, 1, 2, 1, 1);
    struct tess_node *given = tess_input(b.graph, "x", TESS_F32, 2, in.dim);
    struct tess_node *mu = normal_weight(b.graph, "mean", 2, in.dim, 0.5, 0.3), *s = normal_weight(b.graph, "s", 2, in.dim, -1, 0.5);
    tess_objective(b.graph, "bits", "", likelihood_record(b.graph, given, mu, s));
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    struct tess_batch batch = {.size = sizeof batch, .samples = 2, .inputs = 1, .in = &in, .totals = 1, .total = &total};
    fixture_ok(&b, tess_graph_step(&b.context.context, b.graph, &batch));
    fixture_ok(&b, tess_weights_find(&b.context.context, b.weights, "mean", TESS_ROLE_VALUE, &mean));
    fixture_ok(&b, tess_weights_find(&b.context.context, b.weights, "s", TESS_ROLE_VALUE, &log_sigma));
    double want = likelihood_of(&as_published, &nothing, N, byte, mean.data, log_sigma.data) / (N * log(2.0));
    ck_assert_msg(fabs((double)bits - want) < 1e-5 * fabs(want), "%g, wanted %g", (double)bits, want);
    fixture_close(&b);
}
END_TEST

/* sum over the values a pixel can have of 2^-b e^-nats: what the metric takes for their probabilities. */
static double mass(const struct likelihood_params *p, float mean, float log_sigma, int draws)
{
    double sum = 0.0;
    for (int v = 0; v < 1 << p->bits; v++) {
        uint8_t byte = (uint8_t)(v << (8 - p->bits));
        double nats = 0.0;
        for (int j = 0; j < draws; j++) {
            struct tess_stream s = {.seed = 9, .sample = (uint32_t)(v * draws + j)};
            nats += likelihood_of(p, &s, 1, &byte, &mean, &log_sigma);
        }
        sum += exp(-nats / draws) / (1 << p->bits);
    }
    return sum;
}

/* A density at a value stands for the whole bin of width 2^-b. Where the deviation is not small beside the bin that is as good as the
 * integral, and all values together have the mass 1; where it is small, the mass is more than 1 and the metric promises too much. Looked at
 * in random places of the bin it is a bound by Jensen's inequality: the mass is never more than 1. */
START_TEST(when_it_is_a_bound)
{
    const struct likelihood_params at_value = {.bits = _i, .dequantise = DEQUANTISE_NONE};
    const struct likelihood_params at_random = {.bits = _i, .dequantise = DEQUANTISE_UNIFORM};
    const float width = 1.0f / (float)(1 << _i);
    if (_i == 8)
        ck_assert(fabs(mass(&at_value, 0.5f, logf(0.05f), 1) - 255.0 / 256.0) < 1e-3);
    ck_assert(mass(&at_value, 0.0f, logf(0.05f * width), 1) > 2.0);
    for (float sigma = 0.05f; sigma < 20.0f; sigma *= 2.0f)
        for (float mean = 0.31f; mean < 0.5f; mean += 0.05f) {
            double m = mass(&at_random, mean, logf(sigma * width), 400);
            ck_assert_msg(m < 1.02, "%g bins wide around %g: %g", (double)sigma, (double)mean, m);
            if (sigma > 3.0f && sigma * width < 0.05f)
                ck_assert_msg(m > 0.97, "%g bins wide around %g: %g", (double)sigma, (double)mean, m);
        }
}
END_TEST

/* Draws are of the image and the place in it: in pieces as well as whole. */
START_TEST(draws_are_keyed)
{
    enum { N = 1000 };
    static uint8_t byte[N];
    static float mean[N], log_sigma[N];
    const struct likelihood_params p = {.bits = 8, .dequantise = DEQUANTISE_UNIFORM};
    struct tess_stream one = {.seed = 3, .sample = 5}, other = {.seed = 3, .sample = 6};
    for (int i = 0; i < N; i++) {
        byte[i] = (uint8_t)i;
        log_sigma[i] = -5.0f;
    }
    double sum = likelihood_of(&p, &one, N, byte, mean, log_sigma);
    ck_assert(sum == likelihood_of(&p, &one, N, byte, mean, log_sigma) && sum != likelihood_of(&p, &other, N, byte, mean, log_sigma));
    double first = likelihood_of(&p, &one, 300, byte, mean, log_sigma);
    double next = likelihood_of(&p, &one, 301, byte, mean, log_sigma);
    ck_assert(next != first && fabs(next - first) < fabs(first));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("likelihood");
    TCase *t = tcase_create("likelihood");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, the_head_is_the_published_one, 0, 2);
    tcase_add_loop_test(t, the_image_is_the_same_with_the_head, 0, 2);
    tcase_add_test(t, a_decoder_without_a_head);
    tcase_add_test(t, closed_forms);
    tcase_add_test(t, the_loss_is_the_metric);
    tcase_add_loop_test(t, when_it_is_a_bound, 5, 9);
    tcase_add_test(t, draws_are_keyed);
    suite_add_tcase(s, t);
    return suite_run(s);
}
