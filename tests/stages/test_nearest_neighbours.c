/* The stage nearest-neighbours: images that are training images find themselves, distances are those of pixels and of the perceptual loss,
 * metrics follow from the lists, and neither memory, threads, batches nor a stop change anything. SPDX-License-Identifier: MIT */
#include "core/base/memory.h"
#include "core/store/store.h"
#include "kit/train/perceptual.h"
#include "tests/support/graphs.h"
#include "tests/support/stage_fixture.h"
#include "tests/support/suite.h"
#include "tests/support/vgg_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { K = 4, HELD = SMALL_COUNT - SMALL_TRAIN, PAD = 16 };

#define NEAR "near: {use: nearest-neighbours, in: {samples: images, images: images}, neighbours: 4}"
#define SEES "near.features={use: vgg16, weights: vgg.safetensors, channels: 2}", "images.pad=16"

static void setup(void)
{
    stage_bench_setup();
    small_write("near.yaml", "tessera: 1\nname: small\nextends: small.yaml\nstages:\n  " NEAR "\n");
    vgg_write("vgg.safetensors", &(struct vgg_file){.prefix = "", .channels = 2, .seed = 5});
}

#define LOOK(...) ATTEMPT(.path = "near.yaml", .until = "near", __VA_ARGS__)

/* ---- pixels ---- */

static double pixels_apart(const struct tess_tensor *images, int64_t a, int64_t b)
{
    int64_t n = SMALL_H * SMALL_W;
    const uint8_t *x = images->data;
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += pow(((double)x[a * n + i] - (double)x[b * n + i]) / 255.0, 2.0);
    return sqrt(sum);
}

/* Every neighbour in its place: no other training image is nearer, nor as near with a lower number. */
static void check_row(const struct tess_tensor *images, int64_t image, const int32_t *index, const float *distance)
{
    for (int64_t i = 0; i < K; i++) {
        double own = pixels_apart(images, image, index[i]);
        int before = 0;
        ck_assert(index[i] >= 0 && index[i] < SMALL_TRAIN);
        ck_assert_double_le(fabs((double)distance[i] - own), 1e-6 * own);
        for (int64_t p = 0; p < SMALL_TRAIN; p++) {
            double other = pixels_apart(images, image, p);
            before += other < own || (other == own && p < index[i]);
        }
        ck_assert_int_eq(before, (int)i);
    }
}

static double mean_of(const float *distance, int64_t n)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)distance[i * K] / (double)n;
    return sum;
}

static void check_metrics(const struct tess_artefact *a, const float *distance, const float *fresh)
{
    double nearer = 0.0, least = INFINITY;
    for (int64_t i = 0; i < SMALL_COUNT; i++)
        for (int64_t j = 0; j < HELD; j++) {
            float x = distance[i * K], y = fresh[j * K];
            nearer += x < y ? 100.0 : x == y ? 50.0 : 0.0;
        }
    for (int64_t j = 0; j < HELD; j++)
        least = fmin(least, (double)fresh[j * K]);
    ck_assert(metric(a, "samples") == SMALL_COUNT && metric(a, "training images") == SMALL_TRAIN);
    ck_assert(metric(a, "least distance") == 0.0 && metric(a, "least distance, new images") == least && least > 0.0);
    ck_assert_double_le(fabs(metric(a, "distance to the nearest") - mean_of(distance, SMALL_COUNT)), 1e-9);
    ck_assert_double_le(fabs(metric(a, "distance to the nearest, new images") - mean_of(fresh, HELD)), 1e-9);
    ck_assert_double_le(fabs(metric(a, "samples nearer than new images") - nearer / (SMALL_COUNT * HELD)), 1e-9);
}

/* The samples are the images themselves: those trained on find themselves at distance 0, and nothing else does. */
START_TEST(an_image_finds_itself)
{
    works(LOOK(.workdir = "."));
    struct tess_artefact *a = result(".", "near"), *from = result(".", "images");
    struct tess_tensor index = load(a, "neighbour", TESS_I32), distance = load(a, "distance", TESS_F32),
                       images = load(from, "images", TESS_U8), fresh = load(a, "new/distance", TESS_F32),
                       fresh_index = load(a, "new/neighbour", TESS_I32), which = load(a, "new/image", TESS_I32);
    const int32_t *i = index.data;
    const float *d = distance.data;
    ck_assert(index.dim[0] == SMALL_COUNT && index.dim[1] == K && fresh.dim[0] == HELD && which.dim[0] == HELD);
    for (int64_t n = 0; n < SMALL_COUNT; n++) {
        check_row(&images, n, i + n * K, d + n * K);
        ck_assert(n < SMALL_TRAIN ? i[n * K] == n && d[n * K] == 0.0f : d[n * K] > 0.0f);
    }
    for (int64_t n = 0; n < HELD; n++) { /* the yardstick is the last of the samples once more */
        ck_assert_int_eq(((const int32_t *)which.data)[n], SMALL_TRAIN + n);
        ck_assert(memcmp((const int32_t *)fresh_index.data + n * K, i + (SMALL_TRAIN + n) * K, K * sizeof *i) == 0);
        ck_assert(memcmp((const float *)fresh.data + n * K, d + (SMALL_TRAIN + n) * K, K * sizeof *d) == 0);
    }
    check_metrics(a, d, fresh.data);
    ck_assert(tess_artefact_has(a, "pictures/neighbours") && tess_artefact_has(a, "pictures/closest"));
    struct tess_tensor *const all[] = {&index, &distance, &images, &fresh, &fresh_index, &which};
    for (size_t t = 0; t < sizeof all / sizeof *all; t++)
        tess_free(all[t]->data);
    tessi_store_artefact_close(a);
    tessi_store_artefact_close(from);
}
END_TEST

/* A row of the picture is a sample and its neighbours; the closest come in order. */
START_TEST(pictures_show_them)
{
    works(LOOK(.workdir = ".", .override = {"near.limit=3"}));
    struct tess_artefact *a = result(".", "near"), *from = result(".", "images");
    struct tess_tensor picture = load(a, "pictures/neighbours", TESS_U8), images = load(from, "images", TESS_U8),
                       index = load(a, "neighbour", TESS_I32);
    enum { ZOOM = 2, GAP = 2 };
    ck_assert(picture.dim[0] == 3 * SMALL_H * ZOOM + 2 * GAP && picture.dim[1] == (K + 1) * SMALL_W * ZOOM + K * GAP);
    for (int64_t row = 0; row < 3; row++)
        for (int64_t column = 0; column <= K; column++) {
            int64_t image = column ? ((const int32_t *)index.data)[row * K + column - 1] : row;
            for (int64_t y = 0; y < SMALL_H; y++)
                for (int64_t x = 0; x < SMALL_W; x++)
                    ck_assert_int_eq(((const uint8_t *)picture.data)[(row * (SMALL_H * ZOOM + GAP) + y * ZOOM) * picture.dim[1] +
                                                                     column * (SMALL_W * ZOOM + GAP) + x * ZOOM],
                                     ((const uint8_t *)images.data)[(image * SMALL_H + y) * SMALL_W + x]);
        }
    tess_free(picture.data);
    picture = load(a, "pictures/nearest", TESS_U8); /* the samples side by side, the nearest below each */
    ck_assert(picture.dim[0] == 2 * SMALL_H * ZOOM + GAP && picture.dim[1] == 3 * SMALL_W * ZOOM + 2 * GAP);
    for (int64_t at = 0; at < 6; at++) {
        int64_t image = at < 3 ? at : ((const int32_t *)index.data)[(at - 3) * K];
        for (int64_t i = 0; i < SMALL_H * SMALL_W; i++)
            ck_assert_int_eq(((const uint8_t *)picture.data)[(at / 3 * (SMALL_H * ZOOM + GAP) + i / SMALL_W * ZOOM) * picture.dim[1] +
                                                             at % 3 * (SMALL_W * ZOOM + GAP) + i % SMALL_W * ZOOM],
                             ((const uint8_t *)images.data)[image * SMALL_H * SMALL_W + i]);
    }
    tess_free(picture.data);
    tess_free(images.data);
    tess_free(index.data);
    tessi_store_artefact_close(a);
    tessi_store_artefact_close(from);
}
END_TEST

START_TEST(all_images_and_no_yardstick)
{
    works(LOOK(.workdir = ".", .override = {"near.split=all"}));
    struct tess_artefact *a = result(".", "near");
    struct tess_tensor index = load(a, "neighbour", TESS_I32);
    for (int64_t n = 0; n < SMALL_COUNT; n++)
        ck_assert_int_eq(((const int32_t *)index.data)[n * K], n);
    ck_assert(!tess_artefact_has(a, "new/distance") && attr(a, "new_images") == 0 && attr(a, "training_images") == SMALL_COUNT);
    tess_free(index.data);
    tessi_store_artefact_close(a);
    works(LOOK(.workdir = ".", .override = {"near.yardstick=false"}));
    a = result(".", "near");
    ck_assert(!tess_artefact_has(a, "new/distance") && attr(a, "training_images") == SMALL_TRAIN);
    tessi_store_artefact_close(a);
    works(LOOK(.workdir = ".", .override = {"near.split=all", "near.in.held-out=images", "near.limit=5"}));
    a = result(".", "near"); /* a port of its own: of all its images, evenly */
    ck_assert(attr(a, "samples") == 5 && attr(a, "new_images") == 5);
    struct tess_tensor which = load(a, "new/image", TESS_I32);
    for (int64_t n = 0; n < 5; n++)
        ck_assert_int_eq(((const int32_t *)which.data)[n], n * SMALL_COUNT / 5);
    tess_free(which.data);
    tessi_store_artefact_close(a);
}
END_TEST

/* ---- features ---- */

static double loss_of(struct fixture *b, const float *image, int64_t x, int64_t y)
{
    int64_t n = PAD * PAD;
    float mean;
    struct tess_tensor in[2] = {tess_tensor_over((void *)(uintptr_t)(image + x * n), TESS_F32, 4, DIMS(1, PAD, PAD, 1)),
                                tess_tensor_over((void *)(uintptr_t)(image + y * n), TESS_F32, 4, DIMS(1, PAD, PAD, 1))};
    struct tess_tensor out = tess_tensor_over(&mean, TESS_F32, 1, DIMS(1));
    struct tess_batch batch = {.size = sizeof batch, .samples = 1, .inputs = 2, .in = in, .outputs = 1, .out = &out};
    fixture_ok(b, tess_graph_run(&b->context.context, b->graph, &batch));
    return (double)mean;
}

/* The graph of the term between two images, of the network of that artefact (NULL: of the file). */
static void record_term(struct fixture *b, struct perceptual_params *p, const struct tess_artefact *network)
{
    char config_text[200];
    snprintf(config_text, sizeof config_text, "{use: vgg16, weights: %s/vgg.safetensors, channels: 2}", stage_bench_folder);
    fixture_ok(b, tess_instance_open(&b->context.context, "features/1",
                                     network ? tess_attrs_text_or(tess_artefact_attrs(network), "network", "") : config_text, "test",
                                     &p->features));
    struct tess_node *x = tess_input(b->graph, "x", TESS_F32, 4, DIMS(1, PAD, PAD, 1));
    struct tess_node *y = tess_input(b->graph, "y", TESS_F32, 4, DIMS(1, PAD, PAD, 1));
    struct tess_node *error = tess_constant(b->graph, 0.0f, 0, NULL);
    fixture_ok(b, perceptual_record(&b->context.context, p, b->graph, x, y, &error));
    tess_output(b->graph, "error", tess_reshape(b->graph, error, 1, DIMS(1)));
    fixture_ok(b, tess_graph_seal(&b->context.context, b->graph));
    fixture_ok(b, tess_weights_seal(&b->context.context, b->weights));
    fixture_ok(b, network ? tess_features_read(&b->context.context, PERCEPTUAL, b->weights, network)
                        : tess_features_load(&b->context.context, p->features, PERCEPTUAL, b->weights));
}

/* The distance between two images is the term of the loss (19.2), which is computed another way; of what the stages have made. */
static void is_the_loss(const char *precision, double relative, const struct tess_artefact *network)
{
    struct tess_artefact *a = result(".", "near"), *from = result(".", "images");
    struct tess_tensor index = load(a, "neighbour", TESS_I32), distance = load(a, "distance", TESS_F32),
                       bytes = load(from, "images", TESS_U8);
    float *image = malloc((size_t)tess_tensor_count(&bytes) * sizeof *image);
    for (int64_t i = 0; i < tess_tensor_count(&bytes); i++)
        image[i] = (float)((const uint8_t *)bytes.data)[i] / 255.0f;
    struct fixture b;
    struct perceptual_params p = {.weight = 1.0};
    fixture_precision = precision;
    fixture_open(&b, 1, 1, 1, 0);
    record_term(&b, &p, network);
    for (int64_t n = 0; n < SMALL_COUNT; n++) {
        const int32_t *i = (const int32_t *)index.data + n * K;
        const float *d = (const float *)distance.data + n * K;
        ck_assert(n < SMALL_TRAIN ? i[0] == n && d[0] == 0.0f : d[0] > 0.0f);
        for (int64_t k = 0; k < K; k++) {
            double loss = loss_of(&b, image, n, i[k]);
            ck_assert_msg(fabs((double)d[k] - loss) <= relative * loss + 1e-7, "image %d and %d: %g, in the loss %g", (int)n, (int)i[k],
                          (double)d[k], loss);
        }
        for (int64_t p2 = 0; p2 < SMALL_TRAIN && relative < 1e-3; p2++) /* no other row is nearer than the last */
            if (i[0] != p2 && i[1] != p2 && i[2] != p2 && i[3] != p2)
                ck_assert_double_ge(loss_of(&b, image, n, p2), (double)d[K - 1] * (1.0 - relative));
    }
    tess_instance_close(p.features);
    fixture_close(&b);
    fixture_precision = NULL;
    free(image);
    tess_free(index.data);
    tess_free(distance.data);
    tess_free(bytes.data);
    tessi_store_artefact_close(a);
    tessi_store_artefact_close(from);
}

START_TEST(the_distance_is_that_of_the_loss)
{
    works(LOOK(.workdir = ".", .override = {SEES, "precision=f32"}));
    is_the_loss("f32", 1e-4, NULL);
    if (fixture_can_bf16(NULL, NULL)) {
        works(LOOK(.workdir = ".", .override = {SEES, "precision=bf16"}));
        is_the_loss("bf16", 0.05, NULL);
    }
}
END_TEST

/* A network that was taught here, as the input `features`, gives the distances that it has in a tokenizer's loss. */
START_TEST(a_network_that_was_trained_here)
{
    small_make_shades();
    small_write("near.yaml", "tessera: 1\nname: small\nextends: small.yaml\nstages:\n"
                             "  images: {pad: 16, source: {labels: shades}}\n"
                             "  taught: {use: train-features, in: {images: images}, network: {use: vgg16, channels: 8},\n"
                             "           steps: 20, batch: 12, lr: 2e-3}\n"
                             "  near: {use: nearest-neighbours, in: {samples: images, images: images, features: taught}, neighbours: 4}\n");
    works(LOOK(.workdir = "."));
    works(LOOK(.workdir = "two", .threads = 1, .override = {"near.batch=5", "near.memory=1"}));
    stage_bench_same(".", "two", "near");
    struct tess_artefact *taught = result(".", "taught"), *near = result(".", "near");
    ck_assert_str_eq(tess_attrs_text_or(tess_artefact_attrs(near), "distance", ""), "{use: vgg16, channels: 8, range: signed}");
    is_the_loss("f32", 1e-4, taught);
    tessi_store_artefact_close(taught);
    tessi_store_artefact_close(near);
    refused(LOOK(.plan_only = 1, .override = {"near.features={use: vgg16, weights: vgg.safetensors, channels: 2}"}), TESS_E_VALUE,
            "the perceptual distance has two networks: leave out the parameter `features`, or the input `features`");
}
END_TEST

START_TEST(a_negative_weight_is_no_distance)
{
    vgg_write("vgg.safetensors", &(struct vgg_file){.prefix = "", .channels = 2, .seed = 5, .negative = "lin2.model.1.weight"});
    refused(LOOK(.workdir = ".", .override = {SEES}), TESS_E_DATA, "no distance comes of that");
}
END_TEST

/* ---- the same whatever ---- */

START_TEST(nothing_but_the_images_counts)
{
    works(LOOK(.workdir = "one", .threads = 1, .override = {SEES}));
    works(LOOK(.workdir = "two", .threads = 3, .override = {SEES, "near.batch=5", "near.memory=1"}));
    stage_bench_same("one", "two", "near");
    works(LOOK(.workdir = "one", .threads = 1));
    works(LOOK(.workdir = "two", .threads = 2, .override = {"near.batch=1", "near.memory=1"}));
    stage_bench_same("one", "two", "near");
}
END_TEST

#define LONGER "images.pad=32", "near.features={use: vgg16, weights: vgg.safetensors, channels: 8}", "near.limit=90"

/* Some at a time, each after the other; and at last with memory for all of them. */
START_TEST(it_goes_on_where_it_stopped)
{
    const struct attempt wild = {
        .path = "near.yaml", .until = "near", .workdir = "wild", .threads = 1, .override = {LONGER, "near.memory=1"}};
    struct attempt other = wild;
    small_make_data(600);
    vgg_write("vgg.safetensors", &(struct vgg_file){.prefix = "", .channels = 8, .seed = 5});
    works(LOOK(.workdir = "calm", .threads = 1, .override = {LONGER}));
    ck_assert_int_gt(stage_bench_interrupt(&wild, 3), 2);
    stage_bench_same("calm", "wild", "near");
    other.workdir = "other";
    ck_assert_int_eq(stage_bench_stop(&other, "term@step:4"), 75);
    works(LOOK(.workdir = "other", .threads = 2, .override = {LONGER}));
    stage_bench_same("calm", "other", "near");
}
END_TEST

/* Memory that cannot be allocated, here and there in the search. */
START_TEST(memory_runs_out)
{
    int failures = 0, status = TESS_E_MEMORY;
    works(LOOK(.workdir = "calm", .threads = 1, .override = {SEES}));
    works(ATTEMPT(.workdir = "short", .threads = 1, .until = "images", .override = {"images.pad=16"}));
    for (int64_t n = 5; status != TESS_OK; n += 1 + n / 16, failures++) {
        tessi_base_memory_fail_at(n);
        status = LOOK(.workdir = "short", .threads = 1, .override = {SEES});
        tessi_base_memory_fail_at(0);
        ck_assert_int_eq(tessi_base_memory_in_use(), 0);
        if (status != TESS_OK)
            refused(status, TESS_E_MEMORY, "memory");
    }
    ck_assert_int_gt(failures, 30);
    stage_bench_same("calm", "short", "near");
}
END_TEST

/* ---- what is refused ---- */

START_TEST(what_does_not_go_together)
{
    struct tess_artefact *a;
    char digest[TESS_DIGEST_TEXT];
    const struct tessi_provenance about = {.tool = "test"};
    refused(LOOK(.plan_only = 1, .override = {"near.in.samples=samples", "samples.in.model=null"}), TESS_E_DATA,
            "codes without images; give `model`, the tokenizer, to the stage that drew them");
    refused(LOOK(.plan_only = 1, .override = {"near.neighbours=34"}), TESS_E_VALUE, "34 of 33 training images are not available");
    small_write("wide.yaml", "tessera: 1\nname: small\nextends: small.yaml\nstages:\n"
                             "  wide: {use: import, source: {use: idx, images: images}, pad: 14}\n  " NEAR "\n");
    refused(ATTEMPT(.path = "wide.yaml", .plan_only = 1, .override = {"near.in.samples=samples", "near.in.images=wide"}), TESS_E_SHAPE,
            "samples of 8 x 12 x 1 cannot be held against training images of 14 x 14 x 1");
    refused(ATTEMPT(.path = "wide.yaml", .plan_only = 1, .override = {"near.in.held-out=wide"}), TESS_E_SHAPE,
            "held-out images of 14 x 14");
    refused(LOOK(.plan_only = 1, .override = {"near.features={use: vgg16, weights: vgg.safetensors, channels: 2}"}), TESS_E_SHAPE,
            "images of 8 x 12 are too small");
    ck_assert_int_eq(tessi_store_artefact_create(C, "bare.h5", "samples", &a), TESS_OK); /* says nothing of images, and has none */
    static const char *const attr[] = {"count", "height", "width", "codebook_size"};
    for (size_t i = 0; i < sizeof attr / sizeof *attr; i++)
        ck_assert_int_eq(tess_attrs_set_i64(C, tess_artefact_describe(a), attr[i], 3), TESS_OK);
    uint8_t code[27] = {0};
    const struct tess_tensor codes = tess_tensor_over(code, TESS_U8, 3, (int64_t[]){3, 3, 3});
    ck_assert_int_eq(tess_artefact_put(C, a, "codes", &codes, NULL), TESS_OK);
    ck_assert_int_eq(tessi_store_artefact_finish(C, a, &about, digest), TESS_OK);
    refused(LOOK(.workdir = ".", .override = {"near.in.samples=bare.h5"}), TESS_E_DATA, "codes without images");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("nearest neighbours");
    TCase *t = tcase_create("nearest neighbours");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, stage_bench_teardown);
    tcase_add_test(t, an_image_finds_itself);
    tcase_add_test(t, pictures_show_them);
    tcase_add_test(t, all_images_and_no_yardstick);
    tcase_add_test(t, the_distance_is_that_of_the_loss);
    tcase_add_test(t, a_network_that_was_trained_here);
    tcase_add_test(t, a_negative_weight_is_no_distance);
    tcase_add_test(t, nothing_but_the_images_counts);
    tcase_add_test(t, it_goes_on_where_it_stopped);
    tcase_add_test(t, memory_runs_out);
    tcase_add_test(t, what_does_not_go_together);
    suite_add_tcase(s, t);
    return suite_run(s);
}
