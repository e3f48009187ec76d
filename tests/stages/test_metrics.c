/* The metrics of `evaluate` on images of three channels that are wider than high, against their definitions in plain loops over what the
 * decoder gives before it is clamped (docs/models.md, "Evaluation" and "Image likelihood").
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/host/runtime.h"
#include "core/store/store.h"
#include "kit/metric/mean_error.h"
#include "tests/support/command_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <tessera/tessera.h>

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 13, H = 8, W = 12, CHANNELS = 3, TRAIN = 9, TOKENS = 24, HELD = N - TRAIN, T = 10, VALUES = H * W * CHANNELS, CODES = 12 };

static const char pipeline[] = "tessera: 1\n"
                               "name: small\n"
                               "extends: small.yaml\n"
                               "stages:\n"
                               "  images: {source: {use: idx, images: colour, labels: null}, split: 0.7}\n"
                               "  tokenizer: {batch: 3}\n"
                               "  prior: {batch: 3}\n"
                               "  head: {use: train-likelihood, in: {images: images, model: tokenizer}, steps: 3, batch: 3}\n"
                               "  bounded: {use: evaluate, in: {images: images, model: tokenizer, prior: prior}, draws: 10, batch: 7}\n"
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

static struct tess_metric_value value_of(const char *stage, const char *name)
{
    struct tess_artefact *a = result(stage);
    struct tess_metric_value v;
    int64_t i = 0;
    int found = 0;
    while (!found && tessi_store_artefact_metric(a, i++, &v))
        found = strcmp(v.name, name) == 0;
    ck_assert_msg(found, "%s has no %s", stage, name);
    tessi_store_artefact_close(a);
    return v;
}

static double metric(const char *stage, const char *name)
{
    return value_of(stage, name).value;
}

/* Output of the head's decoder for n maps of codes: means and logarithms of deviations. */
static void decode_codes(const struct tess_tensor *codes, struct tess_tensor out[2])
{
    struct tessi_runtime *r;
    struct tess_tokenizer t = {.size = sizeof t};
    struct tess_weights *weights;
    struct tess_graph *g;
    struct tess_artefact *model = result("head");
    OK(tessi_host_runtime_new(C, &(struct tessi_runtime_options){.threads = 1, .precision = "f32"}, &r));
    OK(tessi_host_runtime_compute(C, r));
    OK(tess_tokenizer_open(C, tess_artefact_attrs(model), "head", &t));
    OK(tess_weights_new(C, 0, &weights));
    OK(tess_graph_new(
        C, weights, &(struct tess_graph_options){.size = sizeof(struct tess_graph_options), .microbatch = codes->dim[0], .microbatches = 1},
        &g));
    OK(tess_tokenizer_record_likelihood(C, &t, g));
    OK(tess_graph_seal(C, g));
    OK(tess_weights_read(C, weights, model));
    for (int i = 0; i < 2; i++) {
        out[i] = tess_tensor_over(NULL, TESS_F32, 4, (const int64_t[]){codes->dim[0], H, W, CHANNELS});
        OK(tess_alloc(C, tess_tensor_bytes(&out[i]), "images", &out[i].data));
    }
    const struct tess_batch batch = {.size = sizeof batch, .samples = codes->dim[0], .inputs = 1, .in = codes, .outputs = 2, .out = out};
    OK(tess_graph_run(C, g, &batch));
    tess_graph_free(g);
    tess_weights_free(weights);
    tess_tokenizer_close(&t);
    tessi_host_runtime_free(r);
    tessi_store_artefact_close(model);
}

/* Codes of the validation images. */
static struct tess_tensor held_codes(void)
{
    struct tess_artefact *archive = result("codes");
    struct tess_tensor codes = tess_tensor_over(NULL, TESS_I32, 3, (const int64_t[]){HELD, 4, 6});
    OK(tess_alloc(C, tess_tensor_bytes(&codes), "codes", &codes.data));
    OK(tess_artefact_read(C, archive, "codes", TRAIN, &codes));
    tessi_store_artefact_close(archive);
    return codes;
}

static void decode(struct tess_tensor out[2])
{
    struct tess_tensor codes = held_codes();
    decode_codes(&codes, out);
    tess_free(codes.data);
}

/* The prior's bound at every time of 1 .. T for each of the codes kept for validation, one row at a time; noised by the draws of the
 * stage `bounded`, each of whose ten draws has a time of its own. */
static void bounds(double out[HELD][T])
{
    struct tessi_runtime *r;
    struct tess_prior p = {.size = sizeof p};
    struct tess_weights *weights;
    struct tess_graph *g;
    struct tess_noise_loss loss = {.size = sizeof loss};
    struct tess_artefact *prior = result("prior"), *archive = result("codes"), *stage = result("bounded");
    uint64_t seed = strtoull(tessi_store_artefact_provenance(stage, "seed"), NULL, 10);
    int32_t x0[HELD][TOKENS], xt[TOKENS];
    float t, bound;
    struct tess_tensor codes = tess_tensor_over(x0, TESS_I32, 3, (const int64_t[]){HELD, 4, 6});
    OK(tess_artefact_read(C, archive, "codes", TRAIN, &codes));
    OK(tessi_host_runtime_new(C, &(struct tessi_runtime_options){.threads = 1, .precision = "f32"}, &r));
    OK(tessi_host_runtime_compute(C, r));
    OK(tess_prior_open(C, tess_artefact_attrs(prior), "prior", &p));
    OK(tess_weights_new(C, 0, &weights));
    OK(tess_graph_new(C, weights,
                      &(struct tess_graph_options){.size = sizeof(struct tess_graph_options), .microbatch = 1, .microbatches = 1}, &g));
    OK(tess_prior_record_loss(C, &p, g, &loss));
    tess_output(g, "bound", loss.bound);
    OK(tess_graph_seal(C, g));
    OK(tess_weights_read(C, weights, prior));
    for (int64_t i = 0; i < HELD; i++)
        for (int64_t k = 0; k < T; k++) {
            const struct tess_stream s = {
                .seed = seed, .purpose = tess_purpose("evaluate.corrupt"), .step = (uint32_t)k, .sample = (uint32_t)i};
            const struct tess_tensor in[3] = {tess_tensor_over(x0[i], TESS_I32, 2, (const int64_t[]){1, TOKENS}),
                                              tess_tensor_over(xt, TESS_I32, 2, (const int64_t[]){1, TOKENS}),
                                              tess_tensor_over(&t, TESS_F32, 1, (const int64_t[]){1})};
            struct tess_tensor made = tess_tensor_over(&bound, TESS_F32, 1, (const int64_t[]){1});
            t = (float)(k + 1);
            OK(tess_prior_corrupt(C, &p, &s, k + 1, x0[i], xt));
            OK(tess_graph_run(
                C, g,
                &(struct tess_batch){.size = sizeof(struct tess_batch), .samples = 1, .inputs = 3, .in = in, .outputs = 1, .out = &made}));
            out[i][k] = (double)bound;
        }
    tess_graph_free(g);
    tess_weights_free(weights);
    tess_prior_close(&p);
    tessi_host_runtime_free(r);
    tessi_store_artefact_close(prior);
    tessi_store_artefact_close(archive);
    tessi_store_artefact_close(stage);
}

static void near(double found, double wanted, const char *what)
{
    ck_assert_msg(fabs(found - wanted) <= 1e-5 * fabs(wanted), "%s: wanted %.9g, found %.9g", what, wanted, found);
}

/* Sample deviation of n values over the root of n. */
static double error_of(const double *x, int64_t n, int64_t step)
{
    double mean = 0.0, square = 0.0;
    for (int64_t i = 0; i < n; i++)
        mean += x[i * step] / (double)n;
    for (int64_t i = 0; i < n; i++)
        square += pow(x[i * step] - mean, 2.0);
    return sqrt(square / (double)((n - 1) * n));
}

/* Negative logarithm of the density of value i of the validation images. */
static double log_density(int64_t i, const struct tess_tensor out[2])
{
    double x = (double)pixel[TRAIN * VALUES + i] / 255.0, mean = (double)((const float *)out[0].data)[i];
    double log_sigma = (double)((const float *)out[1].data)[i];
    return 0.5 * pow((x - mean) / exp(log_sigma), 2.0) + log_sigma + 0.5 * log(2.0 * acos(-1.0));
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
        square += (x - mean) * (x - mean);
        nats += log_density(i, out);
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
    double each[HELD] = {0.0};
    for (int64_t i = 0; i < HELD * VALUES; i++)
        each[i / VALUES] += log_density(i, out) / VALUES / log(2.0);
    near(value_of("likely", "pixels given codes").standard_error, error_of(each, HELD, 1), "error of the pixels' bits");
    near(value_of("likely", "codes").standard_error, value_of("likely", "prior's bound").standard_error * TOKENS / VALUES,
         "error of the codes' bits");
    double apart = value_of("likely", "codes").standard_error + value_of("likely", "pixels given codes").standard_error;
    double whole = value_of("likely", "image likelihood").standard_error;
    ck_assert(whole > 0.0 && whole <= apart * (1.0 + 1e-9));
    tess_free(out[0].data);
    tess_free(out[1].data);
}
END_TEST

/* Every time once for every sequence: the bound, its error over the sequences, and both at each time. */
START_TEST(bound_at_every_time)
{
    double bound[HELD][T], each[HELD] = {0.0}, all = 0.0;
    struct tess_tensor bits, error, first, draws;
    (void)command_ends(0, "", "run colour.yaml -q");
    bounds(bound);
    for (int64_t i = 0; i < HELD; i++)
        for (int64_t k = 0; k < T; k++) {
            each[i] += bound[i][k] / T;
            all += bound[i][k] / (HELD * T);
        }
    const struct tess_metric_value v = value_of("bounded", "prior's bound");
    near(v.value, all, "the bound");
    near(v.standard_error, error_of(each, HELD, 1), "the bound's error");
    ck_assert(v.better == TESS_METRIC_LOWER && v.low > v.high);
    struct tess_artefact *a = result("bounded");
    OK(tess_artefact_load(C, a, "bound/bits", TESS_F32, &bits));
    OK(tess_artefact_load(C, a, "bound/standard_error", TESS_F32, &error));
    OK(tess_artefact_load(C, a, "bound/first_time", TESS_I32, &first));
    OK(tess_artefact_load(C, a, "bound/draws", TESS_I32, &draws));
    ck_assert_int_eq(tess_attrs_i64_or(tess_artefact_attrs(a), "times", 0), T);
    ck_assert(bits.dim[0] == T && error.dim[0] == T && first.dim[0] == T && draws.dim[0] == T);
    for (int64_t k = 0; k < T; k++) {
        double mean = 0.0;
        for (int64_t i = 0; i < HELD; i++)
            mean += bound[i][k] / HELD;
        near((double)((float *)bits.data)[k], mean, "the bound at a time");
        near((double)((float *)error.data)[k], error_of(&bound[0][k], HELD, T), "its error");
        ck_assert(((int32_t *)first.data)[k] == k + 1 && ((int32_t *)draws.data)[k] == HELD);
    }
    tess_free(bits.data);
    tess_free(error.data);
    tess_free(first.data);
    tess_free(draws.data);
    tessi_store_artefact_close(a);
}
END_TEST

/* Groups of equal size: the error is that of the groups' means, however alike the values of a group are. Groups of any size: by hand. */
START_TEST(means_of_groups)
{
    const double sum[4] = {6.0, 9.0, 3.0, 12.0}, three[4] = {3.0, 3.0, 3.0, 3.0}, mean[4] = {2.0, 3.0, 1.0, 4.0};
    const double uneven[4] = {1.0, 0.0, 2.0, 3.0}, of_uneven[4] = {1.0, 0.0, 4.0, 7.0}, none[4] = {0.0, 0.0, 0.0, 0.0};
    near(mean_error_of(mean, 4).mean, 2.5, "mean");
    near(mean_error_of(mean, 4).standard_error, sqrt(5.0 / 12.0), "error");
    near(mean_error_of_groups(sum, three, 4).mean, 2.5, "mean of groups");
    near(mean_error_of_groups(sum, three, 4).standard_error, sqrt(5.0 / 12.0), "error of groups");
    near(mean_error_of_groups(of_uneven, uneven, 4).mean, 2.0, "mean of uneven groups");
    near(mean_error_of_groups(of_uneven, uneven, 4).standard_error, sqrt(4.0 / 3.0 * (1.0 + 0.0 + 1.0)) / 6.0, "error of uneven groups");
    ck_assert(mean_error_of(mean, 1).standard_error == -1.0 && mean_error_of_groups(none, none, 4).standard_error == -1.0);
}
END_TEST

/* ---- the atlas ---- */

/* The tile of a code in the picture, 8 x 8 pixels shown at twice their size, against the middle of the code's own image. */
static void expect_tile(const struct tess_tensor *sheet, int i, const float *image)
{
    int top = i / 16 * 18, left = i % 16 * 18;
    for (int y = 0; y < 8; y++)
        for (int x = 0; x < 8; x++)
            for (int c = 0; c < CHANNELS; c++) {
                int found = ((const uint8_t *)sheet->data)[((top + 2 * y) * sheet->dim[1] + left + 2 * x) * CHANNELS + c];
                double wanted = 255.0 * fmin(fmax((double)image[(y * W + x + (W - 8) / 2) * CHANNELS + c], 0.0), 1.0);
                ck_assert_msg(fabs(wanted - found) <= 0.51, "tile %d, pixel %d %d %d: %g, found %d", i, y, x, c, wanted, found);
            }
}

/* Counts of the validation codes; the number of codes that are used. */
static int counted(int64_t uses[CODES])
{
    struct tess_tensor codes = held_codes();
    int used = 0;
    for (int i = 0; i < HELD * TOKENS; i++)
        used += uses[((int32_t *)codes.data)[i]]++ == 0;
    tess_free(codes.data);
    return used;
}

/* Every code, by falling use and then by number, decoded alone; with fewer tiles than used codes, the least used at the end. */
START_TEST(atlas_of_codes)
{
    struct tess_tensor code, uses, sheet, out[2], map = tess_tensor_over(NULL, TESS_I32, 3, (const int64_t[]){CODES, 4, 6});
    static int32_t alone[CODES * TOKENS];
    int64_t wanted[CODES] = {0};
    (void)command_ends(0, "", "run colour.yaml -q");
    int used = counted(wanted);
    struct tess_artefact *a = result("likely");
    OK(tess_artefact_load(C, a, "atlas/code", TESS_I32, &code));
    OK(tess_artefact_load(C, a, "atlas/uses", TESS_I32, &uses));
    OK(tess_artefact_load(C, a, "pictures/codebook", TESS_U8, &sheet));
    ck_assert(code.dim[0] == CODES && uses.dim[0] == CODES);
    for (int i = 0; i < CODES * TOKENS; i++)
        alone[i] = ((int32_t *)code.data)[i / TOKENS];
    map.data = alone;
    decode_codes(&map, out);
    for (int i = 0; i < CODES; i++) {
        int32_t k = ((int32_t *)code.data)[i], n = ((int32_t *)uses.data)[i], next = i + 1 < CODES ? ((int32_t *)uses.data)[i + 1] : 0;
        ck_assert_msg(n == wanted[k] && n >= next && (n > next || i + 1 == CODES || k < ((int32_t *)code.data)[i + 1]), "%d: %d", i, k);
        expect_tile(&sheet, i, (const float *)out[0].data + i * VALUES);
    }
    int32_t first = ((int32_t *)code.data)[0], last = ((int32_t *)code.data)[used - 1];
    for (int i = 0; i < 2; i++)
        tess_free(out[i].data);
    tess_free(code.data);
    tess_free(uses.data);
    tess_free(sheet.data);
    tessi_store_artefact_close(a);
    ck_assert_int_gt(used, 4);
    (void)command_ends(0, "", "run colour.yaml -q --until likely likely.atlas=4");
    a = result("likely");
    OK(tess_artefact_load(C, a, "atlas/code", TESS_I32, &code));
    ck_assert(code.dim[0] == 4 && ((int32_t *)code.data)[0] == first && ((int32_t *)code.data)[3] == last);
    tess_free(code.data);
    tessi_store_artefact_close(a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("metrics");
    TCase *t = tcase_create("metrics");
    tcase_set_timeout(t, 240);
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_add_test(t, of_colour_images);
    tcase_add_test(t, bound_at_every_time);
    tcase_add_test(t, means_of_groups);
    tcase_add_test(t, atlas_of_codes);
    suite_add_tcase(s, t);
    return suite_run(s);
}
