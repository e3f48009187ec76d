/* The stages at work: small pipelines over made-up images, run whole. What is checked are their promises: bytes come through an import as
 * they are, results do not depend on threads, batches or interruptions, a sample does not know how many there are, metrics are those of
 * their definitions, and what does not belong together is refused.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/memory.h"
#include "core/base/log.h"
#include "core/store/store.h"
#include "tests/support/stage_fixture.h"
#include "tests/support/suite.h"
#include "tests/support/vgg_file.h"

#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <tessera/tessera.h>
#include <unistd.h>

enum { CODES = 12, WIDTH = 6 };

static const char *const all_stages[] = {"images", "tokenizer", "codes", "prior", "samples", "decoded", "metrics"};
enum { STAGES = sizeof all_stages / sizeof *all_stages };

static void same_content(const char *one, const char *two, int stages)
{
    for (int i = 0; i < stages; i++)
        stage_bench_same(one, two, all_stages[i]);
}

/* ---- import -------------------------------------------------------------------------------------------------------- */

START_TEST(import_keeps_every_byte)
{
    works(ATTEMPT(.workdir = ".", .until = "images"));
    struct tess_artefact *a = result(".", "images");
    struct tess_tensor images = load(a, "images", TESS_U8), labels = load(a, "labels", TESS_I32);
    ck_assert(images.rank == 4 && images.dim[0] == SMALL_COUNT && images.dim[1] == SMALL_H && images.dim[2] == SMALL_W &&
              images.dim[3] == 1);
    for (int64_t i = 0; i < SMALL_COUNT * SMALL_H * SMALL_W; i++)
        ck_assert_int_eq(((const uint8_t *)images.data)[i], small_pixel(i / (SMALL_H * SMALL_W), i % (SMALL_H * SMALL_W)));
    for (int64_t i = 0; i < SMALL_COUNT; i++)
        ck_assert_int_eq(((const int32_t *)labels.data)[i], small_label(i));
    ck_assert(attr(a, "count") == SMALL_COUNT && attr(a, "train_count") == SMALL_TRAIN && attr(a, "classes") == 5);
    ck_assert(attr(a, "height") == SMALL_H && attr(a, "width") == SMALL_W && attr(a, "channels") == 1);
    tess_free(images.data);
    tess_free(labels.data);
    tessi_store_artefact_close(a);
}
END_TEST

/* Shuffled: the same images with their labels, each once, in an order that the seed decides. */
START_TEST(import_shuffles_images_with_their_labels)
{
    int seen[SMALL_COUNT] = {0}, moved = 0;
    works(ATTEMPT(.workdir = ".", .until = "images", .override = {"images.shuffle=true"}));
    struct tess_artefact *a = result(".", "images");
    struct tess_tensor images = load(a, "images", TESS_U8), labels = load(a, "labels", TESS_I32);
    for (int64_t i = 0; i < SMALL_COUNT; i++) {
        const uint8_t *im = (const uint8_t *)images.data + i * SMALL_H * SMALL_W;
        int64_t k = 0, at = 0;
        for (; k < SMALL_COUNT; k++) {
            for (at = 0; at < SMALL_H * SMALL_W && im[at] == small_pixel(k, at); at++)
                ;
            if (at == SMALL_H * SMALL_W)
                break;
        }
        ck_assert_int_lt(k, SMALL_COUNT);
        seen[k]++;
        moved += k != i;
        ck_assert_int_eq(((const int32_t *)labels.data)[i], small_label(k));
    }
    for (int k = 0; k < SMALL_COUNT; k++)
        ck_assert_int_eq(seen[k], 1);
    ck_assert_int_gt(moved, SMALL_COUNT / 2);
    tess_free(images.data);
    tess_free(labels.data);
    tessi_store_artefact_close(a);
}
END_TEST

START_TEST(import_cuts_scales_and_pads)
{
    small_write("small.yaml", "tessera: 1\nname: small\nstages:\n"
                              "  images: {use: import, source: {use: idx, images: images}, split: 0.75}\n");
    works(ATTEMPT(.workdir = ".", .until = "images",
                  .override = {"images.size=4", "images.crop=4", "images.pad=7", "images.fill=9", "images.channels=3", "images.limit=10"}));
    struct tess_artefact *a = result(".", "images");
    struct tess_tensor images = load(a, "images", TESS_U8);
    ck_assert(images.dim[0] == 10 && images.dim[1] == 7 && images.dim[2] == 7 && images.dim[3] == 3);
    ck_assert(attr(a, "train_count") == 8 && attr(a, "height") == 7 && attr(a, "channels") == 3);
    const uint8_t *im = images.data;
    for (int64_t i = 0; i < 10 * 49; i++) {
        int64_t y = i % 49 / 7, x = i % 7;
        ck_assert(im[3 * i] == im[3 * i + 1] && im[3 * i] == im[3 * i + 2]);
        if (y < 1 || y > 4 || x < 1 || x > 4)
            ck_assert_int_eq(im[3 * i], 9);
    }
    tess_free(images.data);
    tessi_store_artefact_close(a);
    refused(ATTEMPT(.until = "images", .override = {"images.size=4", "images.crop=5"}), TESS_E_VALUE,
            "a crop of 5 from images scaled to 4");
    refused(ATTEMPT(.until = "images", .override = {"images.channels=2"}), TESS_E_VALUE, "channels is 2");
}
END_TEST

/* ---- the whole chain ----------------------------------------------------------------------------------------------- */

/* Threads and batches are of no consequence. */
START_TEST(same_bits_whatever_the_threads_and_batches)
{
    works(ATTEMPT(.workdir = "one", .threads = 1));
    works(ATTEMPT(.workdir = "two", .threads = 3, .override = {"codes.batch=1", "samples.batch=3", "decoded.batch=7", "metrics.batch=5"}));
    same_content("one", "two", STAGES);
}
END_TEST

/* A critic's half of every step as well, and its start after a few. */
START_TEST(a_critic_does_not_change_that)
{
    static const char *const with[] = {"tokenizer.critic={use: patchgan, channels: 8, layers: 1}", "tokenizer.adversarial_start=4"};
    works(ATTEMPT(.workdir = "one", .threads = 1, .until = "tokenizer", .override = {with[0], with[1]}));
    works(ATTEMPT(.workdir = "two", .threads = 3, .until = "tokenizer", .override = {with[0], with[1]}));
    works(ATTEMPT(.workdir = "none", .until = "tokenizer"));
    works(ATTEMPT(.workdir = "later", .until = "tokenizer", .override = {with[0], "tokenizer.adversarial_start=100"}));
    same_content("one", "two", 2);
    struct tess_artefact *a = result("one", "tokenizer"), *b = result("none", "tokenizer"), *l = result("later", "tokenizer");
    struct tess_tensor x = load(a, "weights/decoder/blocks/0/weight", TESS_F32), y = load(b, "weights/decoder/blocks/0/weight", TESS_F32),
                       z = load(l, "weights/decoder/blocks/0/weight", TESS_F32);
    ck_assert(memcmp(x.data, y.data, tess_tensor_bytes(&x)) != 0); /* the critic changed the weights */
    ck_assert(memcmp(y.data, z.data, tess_tensor_bytes(&y)) == 0); /* not before its start */
    tess_free(x.data);
    tess_free(y.data);
    tess_free(z.data);
    tessi_store_artefact_close(a);
    tessi_store_artefact_close(b);
    tessi_store_artefact_close(l);
}
END_TEST

/* Draws of the augmentation are of the sample and the step; without a critic there is nothing to augment. */
START_TEST(an_augmented_critic_does_not_change_that)
{
    static const char *const with[] = {"tokenizer.critic={use: patchgan, channels: 8, layers: 1}", "tokenizer.augment=diffaug"};
    works(ATTEMPT(.workdir = "one", .threads = 1, .until = "tokenizer", .override = {with[0], with[1]}));
    works(ATTEMPT(.workdir = "two", .threads = 3, .until = "tokenizer", .override = {with[0], with[1]}));
    works(ATTEMPT(.workdir = "plain", .until = "tokenizer", .override = {with[0]}));
    same_content("one", "two", 2);
    struct tess_artefact *a = result("one", "tokenizer"), *b = result("plain", "tokenizer");
    ck_assert_str_ne(tess_artefact_digest(a), tess_artefact_digest(b));
    tessi_store_artefact_close(a);
    tessi_store_artefact_close(b);
    refused(ATTEMPT(.plan_only = 1, .override = {with[1]}), TESS_E_VALUE,
            "augment: diffaug changes what a critic sees, and there is none; add `critic`, or leave augment out");
}
END_TEST

#define PERCEIVES "images.pad=16", "tokenizer.perceptual={use: vgg16, weights: vgg.safetensors, channels: 1}"

/* The features' weights come from their file, decide the result, and are in no artefact. */
START_TEST(features_are_left_as_they_are)
{
    static const char critic[] = "tokenizer.critic={use: patchgan, channels: 8, layers: 1}";
    char first[TESS_DIGEST_TEXT];
    vgg_write("vgg.safetensors", &(struct vgg_file){.prefix = "", .channels = 1, .seed = 3});
    works(ATTEMPT(.workdir = "one", .threads = 1, .until = "tokenizer", .override = {PERCEIVES, critic}));
    works(ATTEMPT(.workdir = "two", .threads = 3, .until = "tokenizer", .override = {PERCEIVES, critic}));
    same_content("one", "two", 2);
    struct tess_artefact *a = result("one", "tokenizer");
    snprintf(first, sizeof first, "%s", tess_artefact_digest(a));
    ck_assert(tess_artefact_has(a, "weights/critic/main/0/weight") && !tess_artefact_has(a, "weights/perceptual/lin0"));
    ck_assert_str_eq(tess_attrs_text_or(tess_artefact_attrs(a), "perceptual", ""), "{use: vgg16, channels: 1, range: signed}");
    tessi_store_artefact_close(a);
    vgg_write("vgg.safetensors", &(struct vgg_file){.prefix = "", .channels = 1, .seed = 4}); /* another network under the same name */
    works(ATTEMPT(.workdir = "one", .until = "tokenizer", .override = {PERCEIVES, critic}));
    a = result("one", "tokenizer");
    ck_assert_str_ne(tess_artefact_digest(a), first);
    tessi_store_artefact_close(a);
    works(ATTEMPT(.workdir = "one", .until = "codes", .override = {PERCEIVES, critic})); /* a model is opened without them */
}
END_TEST

static void tokenizer_key(char key[TESS_DIGEST_TEXT])
{
    works(ATTEMPT(.workdir = "one", .until = "tokenizer", .override = {PERCEIVES}));
    struct tess_artefact *a = result("one", "tokenizer");
    snprintf(key, TESS_DIGEST_TEXT, "%s", tessi_store_artefact_provenance(a, "key"));
    tessi_store_artefact_close(a);
}

/* Other bytes around the same tensors are the same weights: the result has the key that it had, which is found in the cache. */
START_TEST(the_same_weights_saved_again)
{
    char first[TESS_DIGEST_TEXT], again[TESS_DIGEST_TEXT];
    vgg_write("vgg.safetensors", &(struct vgg_file){.prefix = "", .channels = 1, .seed = 3});
    tokenizer_key(first);
    vgg_write("vgg.safetensors", &(struct vgg_file){.prefix = "", .channels = 1, .seed = 3, .noted = 1});
    tokenizer_key(again);
    ck_assert_str_eq(again, first);
    vgg_write("vgg.safetensors", &(struct vgg_file){.prefix = "", .channels = 1, .seed = 3, .negative = "lin2.model.1.weight"});
    tokenizer_key(again);
    ck_assert_str_ne(again, first);
}
END_TEST

START_TEST(features_that_cannot_be_had)
{
    refused(ATTEMPT(.plan_only = 1, .override = {PERCEIVES}), TESS_E_IO, "vgg.safetensors");
    vgg_write("vgg.safetensors", &(struct vgg_file){.prefix = "", .channels = 1, .missing = "net.slice2.5.weight"});
    refused(ATTEMPT(.plan_only = 1, .override = {PERCEIVES}), TESS_E_DATA,
            "lacks 1 of the weights of vgg16, the first of them features.5.weight");
    vgg_write("vgg.safetensors", &(struct vgg_file){.prefix = "", .channels = 1});
    refused(ATTEMPT(.plan_only = 1, .override = {PERCEIVES, "images.pad=12"}), TESS_E_SHAPE, "images of 12 x 12 are too small");
    refused(ATTEMPT(.plan_only = 1, .override = {"images.pad=16", "tokenizer.perceptual=vgg16"}), TESS_E_VALUE,
            "vgg16: no weights: name their file under `weights`");
}
END_TEST

/* A network taught to tell how bright images are, whose features then are in the tokenizer's loss. */
static const char taught[] = "tessera: 1\n"
                             "extends: small.yaml\n"
                             "name: small\n"
                             "stages:\n"
                             "  images: {pad: 16, source: {labels: shades}}\n"
                             "  features:\n"
                             "    use: train-features\n"
                             "    in: {images: images}\n"
                             "    network: {use: vgg16, channels: 8}\n"
                             "    steps: 100\n"
                             "    batch: 12\n"
                             "    lr: 2e-3\n"
                             "    ema_decay: 0.5\n"
                             "  tokenizer: {in: {features: features}}\n";

static void write_taught(void)
{
    small_make_shades();
    small_write("taught.yaml", taught);
}

START_TEST(features_are_trained_here)
{
    write_taught();
    works(ATTEMPT(.path = "taught.yaml", .workdir = "one", .threads = 1, .until = "tokenizer"));
    works(ATTEMPT(.path = "taught.yaml", .workdir = "two", .threads = 3, .until = "tokenizer", .override = {"features.evaluate_batch=3"}));
    works(ATTEMPT(.workdir = "none", .until = "tokenizer", .override = {"images.pad=16"}));
    same_content("one", "two", 2);
    struct tess_artefact *f = result("one", "features"), *g = result("two", "features"), *with = result("one", "tokenizer"),
                         *without = result("none", "tokenizer");
    ck_assert_str_eq(tess_artefact_kind(f), "features");
    ck_assert_str_eq(tess_artefact_digest(f), tess_artefact_digest(g));
    ck_assert_str_ne(tess_artefact_digest(with), tess_artefact_digest(without));
    ck_assert_str_eq(tess_attrs_text_or(tess_artefact_attrs(with), "perceptual", ""), "{use: vgg16, channels: 8, range: signed}");
    ck_assert(tess_artefact_has(f, "weights/network/features/28/weight") && !tess_artefact_has(f, "weights/head/weight"));
    ck_assert(!tess_artefact_has(with, "weights/perceptual/lin0"));
    struct tess_tensor curve = load(f, "curve", TESS_F32), channels = load(f, "weights/network/lin0", TESS_F32);
    const float *loss = curve.data;
    int64_t points = curve.dim[0];
    ck_assert_msg(loss[2 * points - 1] < 0.8f * logf(4.0f), "loss %g", (double)loss[2 * points - 1]); /* guessing has ln 4 */
    ck_assert_msg(metric(f, "classes told apart") > 40.0, "%g %%", metric(f, "classes told apart"));
    for (int64_t i = 0; i < channels.dim[0]; i++)
        ck_assert(((const float *)channels.data)[i] == 1.0f); /* nothing taught it that channels count differently */
    tess_free(curve.data);
    tess_free(channels.data);
    tessi_store_artefact_close(f);
    tessi_store_artefact_close(g);
    tessi_store_artefact_close(with);
    tessi_store_artefact_close(without);
}
END_TEST

START_TEST(features_that_cannot_be_trained)
{
    write_taught();
    refused(ATTEMPT(.path = "taught.yaml", .plan_only = 1, .override = {"images.source.labels=null"}), TESS_E_DATA,
            "the images have 0 classes, and it learns to tell classes apart; import them with labels");
    refused(ATTEMPT(.path = "taught.yaml", .plan_only = 1, .override = {"images.pad=0"}), TESS_E_SHAPE, "are too small");
    refused(ATTEMPT(.path = "taught.yaml", .plan_only = 1, .override = {"tokenizer.perceptual=vgg16"}), TESS_E_VALUE,
            "has two networks: leave out the parameter `perceptual`, or the input `features`");
}
END_TEST

/* Training with all loss terms, stopped at any step, resumes to the same bits. */
START_TEST(training_goes_on_where_it_stopped)
{
#define ALL PERCEIVES, "tokenizer.critic={use: patchgan, channels: 8, layers: 1}", "tokenizer.augment=diffaug", "tokenizer.steps=60"
    vgg_write("vgg.safetensors", &(struct vgg_file){.prefix = "", .channels = 1, .seed = 3});
    works(ATTEMPT(.workdir = "calm", .until = "tokenizer", .threads = 1, .override = {ALL}));
    ck_assert_int_gt(stage_bench_interrupt(&(struct attempt){.workdir = "wild", .until = "tokenizer", .threads = 1, .override = {ALL}}, 9),
                     2);
    same_content("calm", "wild", 2);
#undef ALL
}
END_TEST

static void check_codes(void)
{
    struct tess_artefact *a = result(".", "codes"), *m = result(".", "tokenizer");
    struct tess_tensor codes = load(a, "codes", TESS_I32), codebook = load(a, "codebook", TESS_F32), labels = load(a, "labels", TESS_I32),
                       shape;
    struct tess_tensor trained = load(m, "weights/quantizer/codebook", TESS_F32);
    int64_t counts[CODES] = {0}, stored;
    int32_t bits = 0;
    const char *name;
    ck_assert(codes.dim[0] == SMALL_COUNT && codes.dim[1] == SMALL_H / 2 && codes.dim[2] == SMALL_W / 2 && codebook.dim[0] == CODES &&
              codebook.dim[1] == WIDTH);
    for (int64_t i = 0; (name = tessi_store_artefact_dataset_at(a, i, &shape, &bits, &stored)) && strcmp(name, "codes") != 0; i++)
        ;
    ck_assert_int_eq(bits, 4); /* ceil(log2 12) */
    for (int64_t i = 0; i < SMALL_COUNT; i++)
        ck_assert_int_eq(((const int32_t *)labels.data)[i], small_label(i));
    for (int64_t i = 0; i < tess_tensor_count(&codes); i++) {
        int32_t k = ((const int32_t *)codes.data)[i];
        ck_assert(k >= 0 && k < CODES);
        counts[k]++;
    }
    ck_assert(memcmp(codebook.data, trained.data, tess_tensor_bytes(&codebook)) == 0);
    struct tess_code_health h = tess_code_health_of(counts, CODES);
    ck_assert(metric(a, "codes used") == (double)h.used && fabs(metric(a, "order-0 entropy") - h.entropy) < 1e-12);
    ck_assert(metric(a, "quantisation error") > 0.0);
    ck_assert(attr(a, "train_count") == SMALL_TRAIN && attr(a, "height") == SMALL_H / 2 && attr(a, "width") == SMALL_W / 2 &&
              attr(a, "codebook_size") == CODES);
    ck_assert_str_eq(tess_attrs_text_or(tess_artefact_attrs(a), "tokenizer", "none"), tess_artefact_digest(m));
    tess_free(codes.data);
    tess_free(codebook.data);
    tess_free(labels.data);
    tess_free(trained.data);
    tessi_store_artefact_close(a);
    tessi_store_artefact_close(m);
}

/* Metrics are of the validation images: health by the archive's codes of them, the error near that of what `decode` makes of them. */
static void check_metrics(void)
{
    struct tess_artefact *a = result(".", "metrics"), *c = result(".", "codes"), *d = result(".", "decoded"),
                         *images = result(".", "images");
    struct tess_tensor codes = load(c, "codes", TESS_I32), made = load(d, "images", TESS_U8), real = load(images, "images", TESS_U8);
    int64_t counts[CODES] = {0}, per_image = SMALL_H / 2 * (SMALL_W / 2);
    double error = 0.0, mse = metric(a, "reconstruction MSE");
    for (int64_t i = SMALL_TRAIN * per_image; i < SMALL_COUNT * per_image; i++)
        counts[((const int32_t *)codes.data)[i]]++;
    struct tess_code_health h = tess_code_health_of(counts, CODES);
    ck_assert(metric(a, "images") == SMALL_COUNT - SMALL_TRAIN && metric(a, "codes used") == (double)h.used);
    ck_assert(fabs(metric(a, "perplexity") - h.perplexity) < 1e-9 && fabs(metric(a, "top code's share") - 100.0 * h.top_share) < 1e-9);
    for (int64_t i = SMALL_TRAIN * SMALL_H * SMALL_W; i < SMALL_COUNT * SMALL_H * SMALL_W; i++)
        error += pow((((const uint8_t *)made.data)[i] - ((const uint8_t *)real.data)[i]) / 255.0, 2.0) /
                 ((SMALL_COUNT - SMALL_TRAIN) * SMALL_H * SMALL_W);
    /* Cutting to 0 .. 1 brings a reconstruction nearer to its image, rounding moves it by half a byte at most. */
    ck_assert_msg(sqrt(error) < sqrt(mse) + 0.5 / 255.0 && mse < 2.0 * error, "MSE %g, of the bytes %g", mse, error);
    ck_assert(fabs(metric(a, "reconstruction PSNR") + 10.0 * log10(mse)) < 1e-9);
    ck_assert(metric(a, "prior's bound") > 0.0 && metric(a, "prior's bound") < 3.0 * log2(CODES));
    ck_assert(attr(d, "count") == SMALL_COUNT && attr(d, "train_count") == SMALL_TRAIN);
    tess_free(codes.data);
    tess_free(made.data);
    tess_free(real.data);
    tessi_store_artefact_close(a);
    tessi_store_artefact_close(c);
    tessi_store_artefact_close(d);
    tessi_store_artefact_close(images);
}

START_TEST(results_are_what_they_say)
{
    works(ATTEMPT(.workdir = "."));
    check_codes();
    check_metrics();
    works(ATTEMPT(.workdir = ".", .override = {"metrics.limit=2", "metrics.draws=40"}));
    struct tess_artefact *a = result(".", "metrics");
    ck_assert(metric(a, "images") == 2.0);
    tessi_store_artefact_close(a);
}
END_TEST

static void finish(struct tess_artefact *a, char digest[TESS_DIGEST_TEXT])
{
    struct tessi_provenance p = {.tool = "test"};
    ck_assert_msg(tessi_store_artefact_finish(C, a, &p, digest) == TESS_OK, "%s", tessi_base_context_message(C));
}

/* The digest of an artefact of nothing but the labels and names of that one. */
static void only_names(const char *path, char digest[TESS_DIGEST_TEXT])
{
    struct tess_artefact *from, *a;
    ck_assert_int_eq(tessi_store_artefact_open(C, path, &from), TESS_OK);
    ck_assert(tess_artefact_has(from, "labels") && tess_artefact_has(from, "names"));
    ck_assert_int_eq(tessi_store_artefact_create(C, "only.h5", "codes", &a), TESS_OK);
    ck_assert_int_eq(tess_artefact_copy(C, a, "labels", from, NULL), TESS_OK);
    ck_assert_int_eq(tess_artefact_copy(C, a, "names", from, NULL), TESS_OK);
    finish(a, digest);
    tessi_store_artefact_close(from);
}

/* Labels and names are carried from images to the archive of codes, and from there to the decoded images. */
START_TEST(labels_and_names_come_along)
{
    static const char *const kept[] = {"count", "train_count", "height", "width", "channels", "classes"};
    struct tess_artefact *a, *images;
    char text[SMALL_COUNT][24], digest[3][TESS_DIGEST_TEXT];
    const char *names[SMALL_COUNT];
    works(ATTEMPT(.workdir = ".", .until = "tokenizer"));
    images = result(".", "images");
    ck_assert_int_eq(tessi_store_artefact_create(C, "named.h5", "images", &a), TESS_OK);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        ck_assert_int_eq(tess_attrs_set_i64(C, tess_artefact_describe(a), kept[i], attr(images, kept[i])), TESS_OK);
    for (int i = 0; i < SMALL_COUNT; i++) {
        snprintf(text[i], sizeof text[i], "%.*sÄ %d", i % 5, "wxyz", i);
        names[i] = text[i];
    }
    ck_assert_int_eq(tess_artefact_copy(C, a, "images", images, NULL), TESS_OK);
    ck_assert_int_eq(tess_artefact_copy(C, a, "labels", images, NULL), TESS_OK);
    ck_assert_int_eq(tess_artefact_put_strings(C, a, "names", SMALL_COUNT, names), TESS_OK);
    ck_assert_int_eq(tess_artefact_copy(C, a, "nothing of that name", images, NULL), TESS_OK);
    finish(a, digest[0]);
    tessi_store_artefact_close(images);
    small_write("other.yaml",
                "tessera: 1\nname: small\nextends: small.yaml\nstages: {codes: {in: {images: named.h5}}, samples: null, metrics: null,\n"
                "  prior: null}\n");
    works(ATTEMPT(.path = "other.yaml", .workdir = "."));
    only_names("named.h5", digest[0]);
    only_names("runs/small/codes.h5", digest[1]);
    only_names("runs/small/decoded.h5", digest[2]);
    ck_assert_str_eq(digest[0], digest[1]);
    ck_assert_str_eq(digest[0], digest[2]);
}
END_TEST

/* Sample i depends on the seed and on i; codes and images stand for each other. */
START_TEST(samples_do_not_see_each_other)
{
    works(ATTEMPT(.workdir = "."));
    works(ATTEMPT(.workdir = "more", .override = {"samples.count=13", "samples.batch=2"}));
    works(ATTEMPT(.workdir = "hot", .override = {"samples.temperature=3", "samples.steps=4"}));
    struct tess_artefact *few = result(".", "samples"), *many = result("more", "samples"), *hot = result("hot", "samples");
    static const char *const name[] = {"codes", "images"};
    for (int i = 0; i < 2; i++) {
        struct tess_tensor a = load(few, name[i], TESS_U8), b = load(many, name[i], TESS_U8), h = load(hot, name[i], TESS_U8);
        ck_assert(a.dim[0] == 5 && b.dim[0] == 13 && memcmp(a.data, b.data, tess_tensor_bytes(&a)) == 0);
        ck_assert(memcmp(a.data, h.data, tess_tensor_bytes(&a)) != 0);
        if (i == 0)
            for (int64_t k = 0; k < tess_tensor_count(&b); k++)
                ck_assert_int_lt(((const uint8_t *)b.data)[k], CODES); /* every mask was lifted */
        tess_free(a.data);
        tess_free(b.data);
        tess_free(h.data);
    }
    ck_assert(attr(few, "steps") == 10 && attr(hot, "steps") == 4 && attr(few, "seed") == 3);
    ck_assert(tess_attrs_f64_or(tess_artefact_attrs(hot), "temperature", 0.0) == 3.0);
    tessi_store_artefact_close(few);
    tessi_store_artefact_close(many);
    tessi_store_artefact_close(hot);
}
END_TEST

/* Steps that change nothing are made without the denoiser: the same samples as from a loop that calls it at each of them. */
START_TEST(idle_steps_change_nothing)
{
    static const char *const steps[] = {"samples.steps=3", "samples.steps=24", "samples.steps=100"};
    char lean[24], plain[24];
    for (int i = 0; i < 3; i++) {
        snprintf(lean, sizeof lean, "lean%d", i);
        snprintf(plain, sizeof plain, "plain%d", i);
        works(ATTEMPT(.workdir = lean, .until = "samples", .override = {steps[i], "samples.count=21"}));
        works(ATTEMPT(.workdir = plain, .until = "samples", .override = {steps[i], "samples.count=21", "samples.every_step=true"}));
        same_content(lean, plain, 5);
    }
}
END_TEST

/* ---- what does not belong together --------------------------------------------------------------------------------- */

START_TEST(sizes_that_do_not_fit)
{
    refused(ATTEMPT(.plan_only = 1, .override = {"images.crop=7"}), TESS_E_SHAPE, "stage `tokenizer`");
    refused(ATTEMPT(.plan_only = 1, .override = {"tokenizer.microbatches=5"}), TESS_E_VALUE, "microbatches: 5 does not divide batch: 12");
    small_write("other.yaml", "tessera: 1\nname: other\nextends: small.yaml\nstages:\n"
                              "  wide: {use: import, source: {use: idx, images: images}, pad: 16}\n"
                              "  codes: {in: {images: wide}}\n");
    refused(ATTEMPT(.path = "other.yaml", .plan_only = 1), TESS_E_SHAPE,
            "images of 16 x 16 x 1 do not fit a model trained on 8 x 12 x 1; import them with the same size, crop and pad");
    small_write("other.yaml", "tessera: 1\nname: other\nextends: small.yaml\nstages:\n"
                              "  wide: {use: import, source: {use: idx, images: images}, pad: 16}\n"
                              "  metrics: {in: {images: wide}}\n");
    refused(ATTEMPT(.path = "other.yaml", .plan_only = 1), TESS_E_SHAPE, "images of 16 x 16 x 1 do not fit a model trained on 8 x 12 x 1");
}
END_TEST

/* Codes of another tokenizer of the same shape, trained with another seed, are refused: only the digest tells them apart. */
START_TEST(codes_of_another_tokenizer)
{
    static const char head[] = "tessera: 1\nname: other\nextends: small.yaml\nstages:\n"
                               "  stranger: {use: train-autoencoder, in: {images: images}, steps: 3, batch: 12, seed: 99,\n"
                               "             encoder: {use: conv, channels: 32, channel_mult: [1, 1]}, decoder: conv,\n"
                               "             quantizer: {use: ema, codebook_size: %d, code_dim: 6}}\n  %s\n";
    static const char *const meeting[] = {"samples: {in: {model: stranger}}", "decoded: {in: {model: stranger}}",
                                          "metrics: {in: {model: stranger}}"};
    char text[1024];
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof text, head, CODES, meeting[i]);
        small_write("other.yaml", text);
        refused(ATTEMPT(.path = "other.yaml"), TESS_E_DATA, "codes of another tokenizer");
        ck_assert(access("runs/other/codes.h5", R_OK) == 0); /* the result of the stage before is kept */
        snprintf(text, sizeof text, head, CODES + 1, meeting[i]);
        small_write("other.yaml", text); /* a size that tells is found before work starts */
        refused(ATTEMPT(.path = "other.yaml", .plan_only = 1), TESS_E_DATA, "codes of another tokenizer");
    }
}
END_TEST

/* ---- interruption -------------------------------------------------------------------------------------------------- */

/* Encoding, stopped again and again, ends with the archive of an undisturbed run. */
START_TEST(encoding_goes_on_where_it_stopped)
{
    small_make_data(3000);
    works(ATTEMPT(.workdir = "calm", .until = "codes", .threads = 1));
    works(ATTEMPT(.workdir = "wild", .until = "tokenizer", .threads = 1));
    ck_assert_int_gt(stage_bench_interrupt(&(struct attempt){.workdir = "wild", .until = "codes", .threads = 1}, 2), 2);
    same_content("calm", "wild", 3);
}
END_TEST

/* Memory that cannot be allocated, here and there in the chain: a failure that says so, nothing lost, the next run ends as any other. */
START_TEST(memory_runs_out)
{
    int failures = 0;
    works(ATTEMPT(.workdir = "calm", .threads = 1));
    for (int64_t n = 5;; n += n / 3, failures++) {
        char workdir[32];
        snprintf(workdir, sizeof workdir, "short%d", failures % 2);
        tessi_base_memory_fail_at(n);
        int status = ATTEMPT(.workdir = workdir, .threads = 1);
        tessi_base_memory_fail_at(0);
        ck_assert_int_eq(tessi_base_memory_in_use(), 0);
        if (status == TESS_OK) {
            same_content("calm", workdir, STAGES);
            break;
        }
        refused(status, TESS_E_MEMORY, "memory");
    }
    ck_assert_int_gt(failures, 10);
}
END_TEST

/* Allocation failures within a refit, whose pool may lie in a file. */
START_TEST(memory_runs_out_in_a_refit)
{
    static const char *const place[] = {"refit.memory=0", "refit.memory=1"};
    int failures = 0, status = TESS_E_MEMORY;
    small_write("other.yaml", "tessera: 1\nname: small\nextends: small.yaml\nstages:\n"
                              "  refit: {use: refit, in: {images: images, model: tokenizer}, steps: 3, batch: 12, pool: 300}\n");
    works(ATTEMPT(.path = "other.yaml", .workdir = "calm", .until = "refit", .threads = 1));
    works(ATTEMPT(.path = "other.yaml", .workdir = "short", .until = "tokenizer", .threads = 1));
    for (int64_t n = 5; status != TESS_OK; n += 1 + n / 16, failures++) {
        tessi_base_memory_fail_at(n);
        status = ATTEMPT(.path = "other.yaml", .workdir = "short", .until = "refit", .threads = 1, .override = {place[failures % 2]});
        tessi_base_memory_fail_at(0);
        ck_assert_int_eq(tessi_base_memory_in_use(), 0);
        if (status != TESS_OK)
            refused(status, TESS_E_MEMORY, "memory");
    }
    ck_assert_int_gt(failures, 40);
    struct tess_artefact *a = result("calm", "refit"), *b = result("short", "refit");
    ck_assert_str_eq(tess_artefact_digest(a), tess_artefact_digest(b));
    tessi_store_artefact_close(a);
    tessi_store_artefact_close(b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("stages");
    TCase *t = tcase_create("stages");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, stage_bench_setup, stage_bench_teardown);
    tcase_add_test(t, import_keeps_every_byte);
    tcase_add_test(t, import_shuffles_images_with_their_labels);
    tcase_add_test(t, import_cuts_scales_and_pads);
    tcase_add_test(t, same_bits_whatever_the_threads_and_batches);
    tcase_add_test(t, a_critic_does_not_change_that);
    tcase_add_test(t, an_augmented_critic_does_not_change_that);
    tcase_add_test(t, features_are_left_as_they_are);
    tcase_add_test(t, the_same_weights_saved_again);
    tcase_add_test(t, features_that_cannot_be_had);
    tcase_add_test(t, features_are_trained_here);
    tcase_add_test(t, features_that_cannot_be_trained);
    tcase_add_test(t, training_goes_on_where_it_stopped);
    tcase_add_test(t, results_are_what_they_say);
    tcase_add_test(t, labels_and_names_come_along);
    tcase_add_test(t, samples_do_not_see_each_other);
    tcase_add_test(t, idle_steps_change_nothing);
    tcase_add_test(t, sizes_that_do_not_fit);
    tcase_add_test(t, codes_of_another_tokenizer);
    tcase_add_test(t, encoding_goes_on_where_it_stopped);
    tcase_add_test(t, memory_runs_out);
    tcase_add_test(t, memory_runs_out_in_a_refit);
    suite_add_tcase(s, t);
    return suite_run(s);
}
