/* Artefacts whose digest is right and whose attributes contradict their datasets, given to every stage that takes their kind: each is
 * refused by a sentence with file, attribute or dataset, and what was wanted. Nothing crashes, and nothing is computed of them.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/attributes_private.h"
#include "core/base/memory.h"
#include "core/flow/pipeline.h"
#include "core/store/store.h"
#include "tests/support/craft.h"
#include "tests/support/stage_fixture.h"
#include "tests/support/suite.h"
#include "tests/support/paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNS "runs/small/"
#define TRAIN "steps: 1, batch: 4, "
#define CONV                                                                                                                               \
    "encoder: {use: conv, channels: 32, channel_mult: [1, 1]}, decoder: conv, quantizer: {use: ema, codebook_size: 12, code_dim: 6}"

/* A stage, with FILE where the artefact goes. */
struct consumer {
    const char *kind, *stage;
};
static const struct consumer consumers[] = {
    {"images", "{use: train-autoencoder, in: {images: FILE}, " TRAIN CONV "}"},
    {"images", "{use: encode, in: {images: FILE, model: " RUNS "tokenizer.h5}}"},
    {"images", "{use: encode, in: {images: FILE, model: " RUNS "tokenizer.h5}, flip: both}"},
    {"images", "{use: evaluate, in: {images: FILE, model: " RUNS "tokenizer.h5}}"},
    {"images", "{use: refit, in: {images: FILE, model: " RUNS "tokenizer.h5}, " TRAIN "pool: 200}"},
    {"images", "{use: train-likelihood, in: {images: FILE, model: " RUNS "tokenizer.h5}, steps: 1, batch: 4}"},
    {"images", "{use: train-features, in: {images: FILE}, " TRAIN "network: {use: vgg16, channels: 1}}"},
    {"images", "{use: nearest-neighbours, in: {samples: " RUNS "samples.h5, images: FILE}, neighbours: 2}"},
    {"images", "{use: nearest-neighbours, in: {samples: FILE, images: " RUNS "images.h5}, neighbours: 2}"},
    {"images", "{use: nearest-neighbours, in: {samples: " RUNS "samples.h5, images: " RUNS "images.h5, held-out: FILE}, neighbours: 2}"},
    {"images", "{use: edit, in: {images: FILE, mask: " RUNS "images.h5, model: " RUNS "tokenizer.h5, prior: " RUNS "prior.h5}, limit: 2}"},
    {"images", "{use: edit, in: {images: " RUNS "images.h5, mask: FILE, model: " RUNS "tokenizer.h5, prior: " RUNS "prior.h5}, limit: 2}"},
    {"codes",
     "{use: train-prior, in: {codes: FILE}, " TRAIN "noise: absorbing, denoiser: {use: transformer, embed_dim: 32, layers: 1, heads: 2}}"},
    {"codes", "{use: train-prior, in: {codes: FILE, prior: " RUNS "prior.h5}, steps: 1, batch: 4}"},
    {"codes", "{use: decode, in: {codes: FILE, model: " RUNS "tokenizer.h5}}"},
    {"samples", "{use: decode, in: {codes: FILE, model: " RUNS "tokenizer.h5}}"},
    {"samples", "{use: nearest-neighbours, in: {samples: FILE, images: " RUNS "images.h5}, neighbours: 2}"},
    {"autoencoder", "{use: encode, in: {images: " RUNS "images.h5, model: FILE}}"},
    {"autoencoder", "{use: evaluate, in: {images: " RUNS "images.h5, model: FILE}, limit: 3}"},
    {"autoencoder", "{use: refit, in: {images: " RUNS "images.h5, model: FILE}, " TRAIN "pool: 200}"},
    {"autoencoder", "{use: train-likelihood, in: {images: " RUNS "images.h5, model: FILE}, steps: 1, batch: 4}"},
    {"autoencoder", "{use: train-autoencoder, in: {images: " RUNS "images.h5, model: FILE}, steps: 1, batch: 4}"},
    {"autoencoder", "{use: decode, in: {codes: " RUNS "codes.h5, model: FILE}}"},
    {"prior", "{use: sample, in: {prior: FILE}, count: 2}"},
    {"prior", "{use: sample-canvas, in: {prior: FILE}, count: 1, height: 10, width: 12}"},
    {"prior", "{use: evaluate, in: {images: " RUNS "images.h5, model: " RUNS "tokenizer.h5, prior: FILE}, limit: 3}"},
    {"prior", "{use: train-prior, in: {codes: " RUNS "codes.h5, prior: FILE}, steps: 1, batch: 4}"},
    {"prior", "{use: edit, in: {images: " RUNS "images.h5, mask: " RUNS "images.h5, model: " RUNS "tokenizer.h5, prior: FILE}, limit: 2}"},
    {"features", "{use: nearest-neighbours, in: {samples: " RUNS "samples.h5, images: " RUNS "images.h5, features: FILE}, neighbours: 2}"},
};
enum { CONSUMERS = sizeof consumers / sizeof *consumers };

static struct tessi_runtime *runtime;
static struct tessi_context host;
static char words[2048];
static int crafted;

/* The whole small pipeline, with a model of features: made once, by a process of its own, in this folder. */
static void make_all(void)
{
    int how;
    stage_bench_setup();
    small_make_shades();
    small_write("more.yaml", "tessera: 1\nname: small\nextends: small.yaml\nstages:\n"
                             "  images: {pad: 16, source: {use: idx, images: images, labels: shades}}\n"
                             "  features: {use: train-features, in: {images: images}, " TRAIN "network: {use: vgg16, channels: 1}}\n");
    pid_t child = fork();
    if (child == 0)
        _exit(ATTEMPT(.path = "more.yaml", .workdir = ".") == TESS_OK ? 0 : 1);
    ck_assert(waitpid(child, &how, 0) == child && how == 0);
}

static void setup(void)
{
    tessi_base_context_init(&host, NULL);
    ck_assert_int_eq(tessi_host_runtime_new(&host.context, &(struct tessi_runtime_options){.threads = 2}, &runtime), TESS_OK);
}

static void teardown(void)
{
    tessi_host_runtime_free(runtime);
    ck_assert_int_eq(tessi_base_memory_in_use(), 0);
}

/* A pipeline of one stage over `file`; its message is in `words`. */
static int give(const struct consumer *to, const char *file, int plan_only)
{
    struct tessi_context own;
    struct tessi_pipeline *p = NULL;
    char text[1200];
    const char *at = strstr(to->stage, "FILE");
    snprintf(text, sizeof text, "tessera: 1\nstages:\n  s: %.*s%s%s\n", (int)(at - to->stage), to->stage, file, at + 4);
    small_write("one.yaml", text);
    tessi_base_context_init(&own, host.context.host);
    int status = tessi_flow_pipeline_open(&own.context, runtime, &(struct tessi_pipeline_options){.path = "one.yaml", .workdir = "w"}, &p);
    if (status == TESS_OK && !plan_only)
        status = tessi_flow_pipeline_run(&own.context, p);
    snprintf(words, sizeof words, "%s", tessi_base_context_message(&own.context));
    tessi_flow_pipeline_free(p);
    return status;
}

static const char *make(const char *from, const struct craft *how)
{
    static char path[64];
    char whole[64];
    snprintf(whole, sizeof whole, RUNS "%s.h5", from);
    snprintf(path, sizeof path, "crafted-%d.h5", crafted++);
    craft(whole, path, how);
    return path;
}

/* Planning refuses it, and the message has the file and these words. */
static void refuses(const struct consumer *to, const char *file, const char *one, const char *two, const char *what)
{
    int status = give(to, file, 1);
    ck_assert_msg(status == TESS_E_DATA && strstr(words, file) && strstr(words, one) && strstr(words, two) && !strchr(words, '\n'),
                  "%s: %s, to %s: status %d: %s", to->kind, what, to->stage, status, words);
}

/* ---- properties ---------------------------------------------------------------------------------------------------- */

static const struct {
    const char *kind, *file;
} kinds[] = {{"images", "images"},         {"codes", "codes"}, {"samples", "samples"},
             {"autoencoder", "tokenizer"}, {"prior", "prior"}, {"features", "features"}};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* True where stages may accept the attribute's changed `value`, all else as it was: they only must not crash then. */
static int may_be(const char *kind, const char *attr, int64_t was, int64_t value)
{
    static const char *const free_of[] = {"seed", "calls", "steps"};
    for (size_t i = 0; i < sizeof free_of / sizeof *free_of; i++)
        if (strcmp(attr, free_of[i]) == 0)
            return 1;
    if (strcmp(attr, "train_count") == 0)
        return value == was + 1;
    if (strcmp(attr, "classes") == 0)
        return value >= (strcmp(kind, "features") == 0 ? 2 : 0) && value <= was + 1;
    if (strcmp(kind, "features") == 0 || (strcmp(kind, "samples") == 0 && strcmp(attr, "codebook_size") == 0))
        return value == was + 1; /* an attribute of the training images, contradicted by the model and not by the file */
    return 0;
}

/* True where the contradiction is seen only once graphs are recorded: any refusal with a message will do then. */
static int is_of_parts(const char *kind, int64_t value)
{
    return (strcmp(kind, "autoencoder") == 0 || strcmp(kind, "prior") == 0 || strcmp(kind, "features") == 0) && value > 0 &&
           value < 1 << 20;
}

static void perturb(const char *kind, const char *file, const struct tessi_attr *f)
{
    const int64_t values[] = {0, -1, f->i64 + 1, (int64_t)1 << 40};
    char name[80];
    snprintf(name, sizeof name, "`%s`", f->name);
    for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
        if (values[v] == f->i64)
            continue;
        const char *path = make(file, &(struct craft){.attr = f->name, .value = values[v]});
        for (int i = 0; i < CONSUMERS; i++) {
            if (strcmp(consumers[i].kind, kind) != 0)
                continue;
            char what[160];
            snprintf(what, sizeof what, "%s = %lld", f->name, (long long)values[v]);
            if (may_be(kind, f->name, f->i64, values[v]))
                (void)give(&consumers[i], path, 0);
            else if (is_of_parts(kind, values[v]))
                ck_assert_msg(give(&consumers[i], path, 0) != TESS_OK && *words, "%s: %s, to %s was computed", kind, what,
                              consumers[i].stage);
            else
                refuses(&consumers[i], path, name, "wanted", what);
        }
    }
}

/* Numbers and texts that are not there, or are of another type. */
static void take_away(const char *kind, const char *file, const struct tessi_attr *f, int text)
{
    const char *path = make(file, &(struct craft){.attr = f->name, .remove = !text, .text = text});
    for (int i = 0; i < CONSUMERS; i++)
        if (strcmp(consumers[i].kind, kind) == 0)
            (void)give(&consumers[i], path, 0);
}

START_TEST(a_attr_is_another)
{
    char path[64];
    struct tess_artefact *a;
    snprintf(path, sizeof path, RUNS "%s.h5", kinds[_i].file);
    ck_assert_int_eq(tessi_store_artefact_open(C, path, &a), TESS_OK);
    const struct tess_attrs *f = tess_artefact_attrs(a);
    ck_assert_int_ge(f->count, 3);
    for (int64_t i = 0; i < f->count; i++) {
        if (f->item[i].type == TESSI_ATTR_I64)
            perturb(kinds[_i].kind, kinds[_i].file, &f->item[i]);
        take_away(kinds[_i].kind, kinds[_i].file, &f->item[i], 0);
        if (f->item[i].type != TESSI_ATTR_TEXT)
            take_away(kinds[_i].kind, kinds[_i].file, &f->item[i], 1);
    }
    tessi_store_artefact_close(a);
}
END_TEST

START_TEST(a_dataset_is_another)
{
    char path[64], name[128];
    struct tess_artefact *a;
    const char *data;
    int done = 0;
    snprintf(path, sizeof path, RUNS "%s.h5", kinds[_i].file);
    ck_assert_int_eq(tessi_store_artefact_open(C, path, &a), TESS_OK);
    for (int64_t k = 0; (data = tess_artefact_name_at(a, k)) != NULL; k++) {
        int weight = strncmp(data, "weights/", 8) == 0;
        if (strncmp(data, "pictures/", 9) == 0 || strncmp(data, "curve", 5) == 0 || (weight && k % 16 != 0))
            continue;
        struct tess_tensor shape;
        int scalar = tess_artefact_shape(C, a, data, &shape) == TESS_OK && shape.rank == 0;
        snprintf(name, sizeof name, "/%s", data);
        for (int change = CRAFT_MISSING; change <= CRAFT_OTHER; change++) {
            if (scalar && change != CRAFT_MISSING && change != CRAFT_OTHER)
                continue;
            const char *file = make(kinds[_i].file, &(struct craft){.data = data, .change = change});
            int may_lack = change == CRAFT_MISSING && (strcmp(data, "codebook") == 0 || strcmp(data, "flipped") == 0);
            for (int i = 0; i < CONSUMERS; i++) {
                if (strcmp(consumers[i].kind, kinds[_i].kind) != 0)
                    continue;
                if (may_lack || (weight && change != CRAFT_OTHER)) /* not every stage reads every weight */
                    (void)give(&consumers[i], file, 0);
                else
                    refuses(&consumers[i], file, name, change == CRAFT_MISSING ? "there is no dataset" : "; ", craft_name(change));
                done++;
            }
        }
    }
    ck_assert_int_ge(done, 2);
    tessi_store_artefact_close(a);
}
END_TEST

/* ---- what each was found by ---------------------------------------------------------------------------------------- */

static const struct {
    const char *kind, *file;
    struct craft how;
    const char *one, *two;
} cases[] = {
    {"codes", "codes", {.attr = "height", .value = 3}, "the attribute `height` is 3", "/codes is u8 (44, 8, 8)"},
    {"codes", "codes", {.data = "codes", .change = CRAFT_FLAT}, "/codes is u8 (44, 64)", "integers (count, height, width)"},
    {"codes", "codes", {.attr = "train_count", .value = 0}, "the attribute `train_count` is 0", "1 .. "},
    {"codes", "codes", {.attr = "train_count", .value = -1}, "the attribute `train_count` is -1", "1 .. "},
    {"codes", "codes", {.attr = "train_count", .value = 1000000}, "the attribute `train_count` is 1000000", "the attribute `count`, 44"},
    {"images", "images", {.attr = "height", .value = 4}, "the attribute `height` is 4", "/images is u8 (44, 16, 16, 1)"},
    {"images", "images", {.attr = "train_count", .value = 0}, "the attribute `train_count` is 0", "1 .. "},
    {"images", "images", {.attr = "train_count", .value = 1000000}, "the attribute `train_count` is 1000000", "the attribute `count`, 44"},
    {"images", "images", {.data = "images", .change = CRAFT_TALLER}, "the attribute `height` is 16", "/images is u8 (44, 32, 16, 1)"},
    {"images", "images", {.attr = "count", .value = 0}, "the attribute `count` is 0", "1 .. "},
    {"images", "images", {.attr = "count", .value = 1000000}, "the attribute `count` is 1000000", "/images is u8 (44, 16, 16, 1)"},
    {"images", "images", {.data = "labels", .change = CRAFT_SHORTER}, "the attribute `count` is 44", "/labels is u8 (43)"},
    {"samples", "samples", {.attr = "image_channels", .value = 0}, "the attribute `image_channels` is 0", "/images is u8 (5, 16, 16, 1)"},
    {"codes", "codes", {.data = "codebook", .change = CRAFT_SHORTER}, "the attribute `codebook_size` is 12", "/codebook is f32 (11, 6)"},
    {"autoencoder",
     "tokenizer",
     {.attr = "latent_height", .value = 2},
     "`latent_height` and `latent_width` are 2 and 8",
     "its encoder makes 8 x 8"},
    {"autoencoder",
     "tokenizer",
     {.attr = "codebook_size", .value = 13},
     "`codebook_size` and `code_dim` are 13 and 6",
     "12 codes of width 6"},
    {"autoencoder", "tokenizer", {.attr = "code_dim", .value = 5}, "`codebook_size` and `code_dim` are 12 and 5", "12 codes of width 6"},
};
enum { CASES = sizeof cases / sizeof *cases };

START_TEST(a_sentence_says_what_contradicts_what)
{
    const char *file = make(cases[_i].file, &cases[_i].how);
    int given = 0;
    for (int i = 0; i < CONSUMERS; i++) {
        if (strcmp(consumers[i].kind, cases[_i].kind) != 0)
            continue;
        int status = give(&consumers[i], file, 1);
        if (strcmp(cases[_i].kind, "autoencoder") == 0 && strstr(consumers[i].stage, "decode,")) { /* a decoder has words of its own */
            ck_assert_int_ne(status, TESS_OK);
            continue;
        }
        ck_assert_msg(status == TESS_E_DATA && strstr(words, cases[_i].one) && strstr(words, cases[_i].two), "%s: status %d: %s",
                      consumers[i].stage, status, words);
        given++;
    }
    ck_assert_int_ge(given, 1);
}
END_TEST

/* Values are looked at where they are used. */
START_TEST(codes_and_labels_that_are_none)
{
    const char *file = make("codes", &(struct craft){.data = "codes", .change = CRAFT_LARGE});
    for (int i = 0; i < CONSUMERS; i++)
        if (strcmp(consumers[i].kind, "codes") == 0) {
            ck_assert_int_eq(give(&consumers[i], file, 0), TESS_E_DATA);
            ck_assert_msg(strstr(words, file) && strstr(words, "/codes holds 15, and the attribute `codebook_size` says 12"), "%s", words);
        }
    int32_t label[SMALL_COUNT] = {[SMALL_COUNT - 1] = 4};
    struct tess_tensor labels = tess_tensor_over(label, TESS_I32, 1, (int64_t[]){SMALL_COUNT});
    file = make("images", &(struct craft){.labels = &labels});
    ck_assert_int_eq(give(&consumers[6], file, 0), TESS_E_DATA);
    ck_assert_msg(strstr(words, file) && strstr(words, "/labels holds 4, and the attribute `classes` says 4"), "%s", words);
}
END_TEST

/* ---- values that are no numbers ------------------------------------------------------------------------------------ */

/* NaN or infinity in a weight that every stage needs, one weight for each part of the models. */
START_TEST(weights_that_are_not_finite)
{
    static const struct {
        const char *kind, *file, *weight;
    } of[] = {{"autoencoder", "tokenizer", "weights/encoder/blocks/0/weight"},
              {"autoencoder", "tokenizer", "weights/quantizer/codebook"},
              {"autoencoder", "tokenizer", "weights/decoder/blocks/0/bias"},
              {"prior", "prior", "weights/denoiser/head/weight"},
              {"features", "features", "weights/network/lin4"}};
    int refused_ones = 0;
    for (size_t w = 0; w < sizeof of / sizeof *of; w++)
        for (int change = CRAFT_NAN; change <= CRAFT_INFINITE; change++) {
            char path[64], name[96];
            struct tess_artefact *a;
            snprintf(path, sizeof path, RUNS "%s.h5", of[w].file);
            ck_assert_int_eq(tessi_store_artefact_open(C, path, &a), TESS_OK);
            ck_assert_msg(tess_artefact_has(a, of[w].weight), "%s", of[w].weight);
            tessi_store_artefact_close(a);
            const char *file = make(of[w].file, &(struct craft){.data = of[w].weight, .change = change});
            snprintf(name, sizeof name, "%s", of[w].weight + strlen("weights/"));
            for (char *at = name; *at; at++)
                *at = *at == '/' ? '.' : *at;
            for (int i = 0; i < CONSUMERS; i++) {
                if (strcmp(consumers[i].kind, of[w].kind) != 0 || strstr(consumers[i].stage, "decode,") ||
                    (strstr(consumers[i].stage, "encode,") && strstr(name, "decoder")))
                    continue;
                int status = give(&consumers[i], file, 0);
                ck_assert_msg(status == TESS_E_DATA && strstr(words, file) && strstr(words, name) && strstr(words, "not finite"),
                              "%s with %s %s: status %d: %s", consumers[i].stage, name, craft_name(change), status, words);
                refused_ones++;
            }
        }
    ck_assert_int_ge(refused_ones, 40);
}
END_TEST

static const char *digest_of(const char *file)
{
    static char digest[TESS_DIGEST_TEXT];
    struct tess_artefact *a;
    ck_assert_int_eq(tessi_store_artefact_open(C, file, &a), TESS_OK);
    snprintf(digest, sizeof digest, "%s", tess_artefact_digest(a));
    tessi_store_artefact_close(a);
    return digest;
}

/* Weights that are numbers, and values computed of them that are none: no black images, no metrics, no codes. */
START_TEST(values_that_overflow)
{
    static const char *const weight[] = {"weights/encoder/blocks/0/weight", "weights/decoder/blocks/0/weight"};
    for (int part = 0; part < 2; part++) {
        const char *file = make("tokenizer", &(struct craft){.data = weight[part], .change = CRAFT_HUGE});
        for (int i = 0; i < CONSUMERS; i++) {
            int codebook_size = strstr(consumers[i].stage, "encode,") != NULL, metrics = strstr(consumers[i].stage, "evaluate,") != NULL;
            if (strcmp(consumers[i].kind, "autoencoder") != 0 || (part == 1 && codebook_size) || (!codebook_size && !metrics))
                continue;
            int status = give(&consumers[i], file, 0);
            ck_assert_msg(status != TESS_OK && (strstr(words, "no number") || strstr(words, "not finite")), "%s: %s: status %d: %s",
                          weight[part], consumers[i].stage, status, words);
        }
        if (part == 0)
            continue;
        craft(RUNS "codes.h5", "same.h5", &(struct craft){.attr = "tokenizer", .text = 1, .as = digest_of(file)});
        const struct consumer decode = {"autoencoder", "{use: decode, in: {codes: same.h5, model: FILE}}"};
        ck_assert_int_eq(give(&decode, file, 0), TESS_E_DATA);
        ck_assert_msg(strstr(words, "pixels that are no numbers"), "%s", words);
    }
}
END_TEST

/* A command given a file with a NaN or infinite weight fails with a message that names the file; nothing is written. */
static void command_refuses(const char *command, const char *file, const char *made)
{
    char line[600], text[1000] = "";
    snprintf(line, sizeof line, TEST_PROGRAM " %s > out 2>&1", command);
    int how = system(line);
    FILE *f = fopen("out", "r");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    ck_assert_msg(WIFEXITED(how) && WEXITSTATUS(how) == 65 && strstr(text, file), "%s: %d: %s", command, how, text);
    ck_assert_int_ne(access(made, F_OK), 0);
}

START_TEST(view_and_export_refuse_them)
{
    const struct craft changes[] = {{.data = "weights/decoder/blocks/0/weight", .change = CRAFT_NAN},
                                    {.attr = "latent_height", .value = -1}};
    for (int i = 0; i < 2; i++) {
        char command[300];
        const char *file = make("tokenizer", &changes[i]);
        char codes[64];
        snprintf(codes, sizeof codes, "codes-%d.h5", i);
        craft(RUNS "codes.h5", codes, &(struct craft){.attr = "tokenizer", .remove = 1});
        snprintf(command, sizeof command, "view %s -m %s -o seen.png", codes, file);
        command_refuses(command, file, "seen.png");
        snprintf(command, sizeof command, "export %s -o out.safetensors --as unleashing-transformers", file);
        command_refuses(command, file, "out.safetensors");
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("contradictions");
    TCase *t = tcase_create("contradictions");
    tcase_set_timeout(t, 300);
    tcase_add_unchecked_fixture(t, make_all, small_folder_leave);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, a_attr_is_another, 0, KINDS);
    tcase_add_loop_test(t, a_dataset_is_another, 0, KINDS);
    tcase_add_loop_test(t, a_sentence_says_what_contradicts_what, 0, CASES);
    tcase_add_test(t, codes_and_labels_that_are_none);
    tcase_add_test(t, weights_that_are_not_finite);
    tcase_add_test(t, values_that_overflow);
    tcase_add_test(t, view_and_export_refuse_them);
    suite_add_tcase(s, t);
    return suite_run(s);
}
