/* The metrics of `evaluate` on images of three channels that are wider than high, against their definitions in plain loops over what the
 * decoder gives before it is clamped (docs/models.md, "Evaluation" and "Image likelihood").
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/host/runtime.h"
#include "core/store/store.h"
#include "tests/support/command_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <tessera/tessera.h>

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 13, H = 8, W = 12, CHANNELS = 3, TRAIN = 9, TOKENS = 24, VALUES = H * W * CHANNELS };

static const char pipeline[] = "tessera: 1\n"
                               "name: small\n"
                               "extends: small.yaml\n"
                               "stages:\n"
                               "  images: {source: {use: idx, images: colour, labels: null}, split: 0.7}\n"
                               "  tokenizer: {batch: 3}\n"
                               "  prior: {batch: 3}\n"
                               "  head: {use: train-likelihood, in: {images: images, model: tokenizer}, steps: 3, batch: 3}\n"
                               "  likely: {use: evaluate, in: {images: images, model: head, prior: prior}, dequantise: none, batch: 3}\n";

static struct tessi_context context;
#define C (&context.context)
#define OK(x) ck_assert_msg((x) == TESS_OK, "%s", tessi_base_context_message(C))

static uint8_t pixel[N * VALUES];

static void setup(void)
{
    (void)small_folder_enter();
    for (size_t i = 0; i < sizeof pixel; i++)
        pixel[i] = (uint8_t)((i / CHANNELS % W * 19 + i / CHANNELS / W % H * 7 + i % CHANNELS * 80 + i / VALUES * 11) % 256);
    small_write_idx("colour", 4, (const int64_t[]){N, H, W, CHANNELS}, pixel, sizeof pixel);
    small_write("colour.yaml", pipeline);
    tessi_base_context_init(&context, NULL);
}

static struct tess_artefact *result(const char *stage)
{
    struct tess_artefact *a;
    char path[100];
    snprintf(path, sizeof path, "runs/small/%s.h5", stage);
    OK(tessi_store_artefact_open(C, path, &a));
    return a;
}

static double metric(const char *stage, const char *name)
{
    struct tess_artefact *a = result(stage);
    struct tess_metric_value v;
    int64_t i = 0;
    int found = 0;
    while (!found && tessi_store_artefact_metric(a, i++, &v))
        found = strcmp(v.name, name) == 0;
    ck_assert_msg(found, "%s has no %s", stage, name);
    tessi_store_artefact_close(a);
    return v.value;
}

/* Output of the head's decoder for the codes of the validation images: means and logarithms of deviations. */
static void decode(struct tess_tensor out[2])
{
    enum { HELD = N - TRAIN };
    struct tessi_runtime *r;
    struct tess_tokenizer t = {.size = sizeof t};
    struct tess_weights *weights;
    struct tess_graph *g;
    struct tess_artefact *model = result("head"), *archive = result("codes");
    struct tess_tensor codes = tess_tensor_over(NULL, TESS_I32, 3, (const int64_t[]){HELD, 4, 6});
    OK(tessi_host_runtime_new(C, &(struct tessi_runtime_options){.threads = 1, .precision = "f32"}, &r));
    OK(tessi_host_runtime_compute(C, r));
    OK(tess_tokenizer_open(C, tess_artefact_attrs(model), "head", &t));
    OK(tess_weights_new(C, 0, &weights));
    OK(tess_graph_new(C, weights,
                      &(struct tess_graph_options){.size = sizeof(struct tess_graph_options), .microbatch = HELD, .microbatches = 1}, &g));
    OK(tess_tokenizer_record_likelihood(C, &t, g));
    OK(tess_graph_seal(C, g));
    OK(tess_weights_read(C, weights, model));
    OK(tess_alloc(C, tess_tensor_bytes(&codes), "codes", &codes.data));
    OK(tess_artefact_read(C, archive, "codes", TRAIN, &codes));
    for (int i = 0; i < 2; i++) {
        out[i] = tess_tensor_over(NULL, TESS_F32, 4, (const int64_t[]){HELD, H, W, CHANNELS});
        OK(tess_alloc(C, tess_tensor_bytes(&out[i]), "images", &out[i].data));
    }
    const struct tess_batch batch = {.size = sizeof batch, .samples = HELD, .inputs = 1, .in = &codes, .outputs = 2, .out = out};
    OK(tess_graph_run(C, g, &batch));
    tess_free(codes.data);
    tess_graph_free(g);
    tess_weights_free(weights);
    tess_tokenizer_close(&t);
    tessi_host_runtime_free(r);
    tessi_store_artefact_close(model);
    tessi_store_artefact_close(archive);
}

static void near(double found, double wanted, const char *what)
{
    ck_assert_msg(fabs(found - wanted) <= 1e-5 * fabs(wanted), "%s: wanted %.9g, found %.9g", what, wanted, found);
}

/* The density is of the byte's value on 0 .. 1; a byte is one of 256 such, hence 8 bits more. */
START_TEST(of_colour_images)
{
    struct tess_tensor out[2];
    double square = 0.0, nats = 0.0, n = (N - TRAIN) * VALUES;
    (void)command_ends(0, "", "run colour.yaml -q");
    decode(out);
    for (int64_t i = 0; i < (N - TRAIN) * VALUES; i++) {
        double x = (double)pixel[TRAIN * VALUES + i] / 255.0, mean = (double)((const float *)out[0].data)[i];
        double log_sigma = (double)((const float *)out[1].data)[i];
        square += (x - mean) * (x - mean);
        nats += 0.5 * pow((x - mean) / exp(log_sigma), 2.0) + log_sigma + 0.5 * log(2.0 * acos(-1.0));
    }
    double mse = square / n, bound = metric("metrics", "prior's bound");
    near(metric("metrics", "reconstruction MSE"), mse, "MSE");
    near(metric("likely", "reconstruction MSE"), mse, "MSE of the model with a head");
    near(metric("metrics", "reconstruction PSNR"), 10.0 * log10(1.0 / mse), "PSNR");
    ck_assert(metric("metrics", "images") == N - TRAIN);
    near(metric("likely", "pixels given codes"), nats / n / log(2.0) + 8.0, "bits of the pixels a value");
    near(metric("likely", "codes"), metric("likely", "prior's bound") * TOKENS / VALUES, "bits of the codes a value");
    near(metric("likely", "image likelihood"), metric("likely", "codes") + metric("likely", "pixels given codes"), "bits a value");
    near(metric("likely", "prior's bound"), bound, "the prior's bound");
    tess_free(out[0].data);
    tess_free(out[1].data);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("metrics");
    TCase *t = tcase_create("metrics");
    tcase_set_timeout(t, 240);
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_add_test(t, of_colour_images);
    suite_add_tcase(s, t);
    return suite_run(s);
}
