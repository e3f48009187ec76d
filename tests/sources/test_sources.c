/* Import from sources of every kind: images that differ, that have names, that cannot be read; announcements too large to be true; and
 * gzipped files cut where only their checksum is missing.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/memory.h"
#include "core/flow/pipeline.h"
#include "core/store/store.h"
#include "tests/support/suite.h"
#include "tests/support/texts.h"
#include "tests/support/paths.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tessera/tessera.h>
#include <unistd.h>
#include <zlib.h>

static char folder[] = "/tmp/tessera-sources-XXXXXX";
static char message[2048];

static void setup(void)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    unsetenv("TESSERA_PLUGIN_PATH");
}

static void teardown(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(system(command), 0);
    ck_assert_int_eq(tessi_base_memory_in_use(), 0);
}

/* Plans, or runs, a pipeline of one import with these keys. */
static int attempt_on(int threads, int run, const char *keys)
{
    struct tessi_context context;
    struct tessi_runtime *runtime = NULL;
    struct tessi_pipeline *p = NULL;
    struct tessi_pipeline_options o = {.path = "p.yaml", .workdir = "."};
    FILE *f = fopen("p.yaml", "w");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "tessera: 1\nname: p\nstages:\n  images: {use: import, %s}\n", keys);
    ck_assert_int_eq(fclose(f), 0);
    tessi_base_context_init(&context, NULL);
    int status = tessi_host_runtime_new(&context.context,
                                        &(struct tessi_runtime_options){.threads = threads, .plugin_path = TEST_SOURCE_PLUGINS}, &runtime);
    if (status == TESS_OK)
        status = tessi_flow_pipeline_open(&context.context, runtime, &o, &p);
    if (status == TESS_OK && run)
        status = tessi_flow_pipeline_run(&context.context, p);
    snprintf(message, sizeof message, "%s", tessi_base_context_message(&context.context));
    tessi_flow_pipeline_free(p);
    tessi_host_runtime_free(runtime);
    return status;
}
enum { PLAN, RUN };

static int attempt(int run, const char *keys)
{
    return attempt_on(1, run, keys);
}

static void works(int status)
{
    ck_assert_msg(status == TESS_OK, "status %d: %s", status, message);
}

static void refused(int status, int code, const char *words)
{
    ck_assert_msg(status == code && strstr(message, words), "wanted %d: %s\nfound  %d: %s", code, words, status, message);
    ck_assert_int_ne(access("runs/p/images.h5", F_OK), 0);
}

static struct tess_tensor load(struct tess_context *ctx, const struct tess_artefact *a, const char *name)
{
    struct tess_tensor t;
    ck_assert_msg(tess_artefact_load(ctx, a, name, TESS_I32, &t) == TESS_OK, "no %s", name);
    return t;
}

static void cut(const char *from, const char *to, long less)
{
    static char all[4096];
    FILE *f = fopen(from, "rb");
    size_t n = fread(all, 1, sizeof all, f);
    fclose(f);
    f = fopen(to, "wb");
    ck_assert_uint_eq(fwrite(all, 1, n - (size_t)less, f), n - (size_t)less);
    fclose(f);
}

static void pack(const char *name, int dims, int n, int side)
{
    gzFile f = gzopen(name, "wb");
    ck_assert_int_eq(gzwrite(f, (const char[]){0, 0, 8, (char)dims}, 4), 4);
    for (int i = 0; i < dims; i++)
        ck_assert_int_eq(gzwrite(f, (const char[]){0, 0, 0, (char)(i ? side : n)}, 4), 4);
    for (int i = 0; i < n * (dims > 1 ? side * side : 1); i++)
        ck_assert_int_eq(gzputc(f, i % 7), i % 7);
    ck_assert_int_eq(gzclose(f), Z_OK);
}

/* ---- differing images ---------------------------------------------------------------------------------------------- */

/* Scaled and cut they are equal; one value stays one value; names and labels stay with their images. */
START_TEST(differing_sizes_become_one)
{
    struct tessi_context context;
    struct tess_artefact *a;
    int moved = 0;
    works(attempt(RUN, "source: {use: ragged, differ: sizes, classes: 6}, size: 5, crop: 5, split: 0.5, shuffle: true"));
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_store_artefact_open(&context.context, "runs/p/images.h5", &a), TESS_OK);
    struct tess_tensor images = load(&context.context, a, "images"), label = load(&context.context, a, "labels");
    ck_assert(images.dim[0] == 6 && images.dim[1] == 5 && images.dim[2] == 5 && images.dim[3] == 1);
    ck_assert_int_eq(tess_attrs_i64_or(tess_artefact_attrs(a), "train_count", 0), 3);
    ck_assert_int_eq(tess_attrs_i64_or(tess_artefact_attrs(a), "classes", 0), 6);
    ck_assert_int_eq(tess_artefact_has(a, "names"), 1);
    int seen = 0;
    for (int i = 0; i < 6; i++) {
        const int32_t *im = (const int32_t *)images.data + 25 * i;
        for (int k = 0; k < 25; k++)
            ck_assert_int_eq(im[k], im[0]);
        int from = (im[0] - 5) / 10;
        ck_assert_int_eq(((const int32_t *)label.data)[i], 5 - from);
        seen |= 1 << from;
        moved += from != i;
    }
    ck_assert_int_eq(seen, 63);
    ck_assert_int_gt(moved, 0);
    tess_free(images.data);
    tess_free(label.data);
    tessi_store_artefact_close(a);
}
END_TEST

START_TEST(differing_images_are_refused)
{
    refused(attempt(RUN, "source: {use: ragged, differ: sizes}"), TESS_E_SHAPE,
            "image picture-1.png is 9 x 13 and comes out as 9 x 13, others as 8 x 10; set `size` and `crop`");
    refused(attempt(RUN, "source: {use: ragged, differ: sizes}, size: 5"), TESS_E_SHAPE,
            "image picture-1.png is 9 x 13 and comes out as 5 x 7");
    refused(attempt(RUN, "source: {use: ragged, differ: channels}"), TESS_E_SHAPE,
            "image picture-1.png has 3 channels, others have 1; set `channels`");
    refused(attempt(RUN, "source: {use: ragged, bad: 4}"), TESS_E_ITEM,
            "/some/where/picture-4.png: is damaged; replace or remove it, or leave such images out with `skip_bad: true`");
    works(attempt(RUN, "source: {use: ragged, differ: channels}, channels: 3"));
}
END_TEST

/* `fit: stretch` forces both sides to the size; a side that has it already stays. */
START_TEST(stretched_to_a_square)
{
    struct tessi_context context;
    struct tess_artefact *a;
    works(attempt(RUN, "source: {use: ragged, differ: sizes}, size: 9, fit: stretch"));
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_store_artefact_open(&context.context, "runs/p/images.h5", &a), TESS_OK);
    struct tess_tensor images = load(&context.context, a, "images");
    ck_assert(images.dim[0] == 6 && images.dim[1] == 9 && images.dim[2] == 9);
    for (int i = 0; i < 6 * 81; i++)
        ck_assert_int_eq(((const int32_t *)images.data)[i], 10 * (i / 81) + 5);
    tess_free(images.data);
    tessi_store_artefact_close(a);
}
END_TEST

/* ---- bad images ---------------------------------------------------------------------------------------------------- */

/* runs/p/images.h5: `kept` are its images, by number of the source, ending with -1. Gives its digest. */
static const char *holds(const int *kept, int train, const char *names, const char *skipped)
{
    static char digest[8][TESS_DIGEST_TEXT];
    static int next;
    struct tessi_context context;
    struct tess_artefact *a;
    int n = 0;
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_store_artefact_open(&context.context, "runs/p/images.h5", &a), TESS_OK);
    struct tess_tensor images = load(&context.context, a, "images"), label = load(&context.context, a, "labels");
    int64_t area = images.dim[1] * images.dim[2];
    for (; kept[n] >= 0; n++) {
        ck_assert_int_eq(((const int32_t *)images.data)[n * area], 10 * kept[n] + 5);
        ck_assert_int_eq(((const int32_t *)label.data)[n], 5 - kept[n]);
    }
    ck_assert(images.dim[0] == n && label.dim[0] == n);
    ck_assert_int_eq(tess_attrs_i64_or(tess_artefact_attrs(a), "count", 0), n);
    ck_assert_int_eq(tess_attrs_i64_or(tess_artefact_attrs(a), "train_count", 0), train);
    ck_assert_int_eq(tess_artefact_has(a, "skipped"), *skipped != '\0');
    ck_assert_str_eq(texts_read("runs/p/images.h5", "names"), names);
    if (*skipped)
        ck_assert_str_eq(texts_read("runs/p/images.h5", "skipped"), skipped);
    next = (next + 1) % 8;
    strcpy(digest[next], tess_artefact_digest(a));
    tess_free(images.data);
    tess_free(label.data);
    tessi_store_artefact_close(a);
    return digest[next];
}

#define ALL_NAMES "picture-0.png picture-1.png picture-2.png picture-3.png picture-4.png picture-5.png "
#define TWO_BAD "source: {use: ragged, classes: 6, bad: 1, bads: 2}, split: 0.5, skip_bad: true"

START_TEST(bad_images_are_skipped)
{
    static const int max[] = {0, 3, 4, 5, -1}, all[] = {0, 1, 2, 3, 4, 5, -1}, late[] = {2, 3, 4, 5, -1};
    works(attempt(RUN, TWO_BAD));
    /* 0 of 0, 1, 2; the rest is for validation, as it was. */
    const char *one = holds(max, 1, "picture-0.png picture-3.png picture-4.png picture-5.png ",
                            "picture-1.png: is damaged picture-2.png: is damaged ");
    ck_assert_int_eq(system("rm -r runs"), 0);
    works(attempt_on(3, RUN, TWO_BAD));
    ck_assert_str_eq(one, holds(max, 1, "picture-0.png picture-3.png picture-4.png picture-5.png ",
                                "picture-1.png: is damaged picture-2.png: is damaged "));
    works(attempt(PLAN, TWO_BAD)); /* found again */
    /* The first good image sets the size, when the first ones are bad. */
    works(attempt(RUN, "source: {use: ragged, classes: 6, differ: sizes, bad: 0, bads: 2}, size: 10, crop: 8, skip_bad: true"));
    (void)holds(late, 4, "picture-2.png picture-3.png picture-4.png picture-5.png ",
                "picture-0.png: is damaged picture-1.png: is damaged ");
    /* Without bad images the content is the same as without `skip_bad`; only the metric, which is not content, is added. */
    works(attempt(RUN, "source: {use: ragged, classes: 6}, skip_bad: true"));
    (void)holds(all, 6, ALL_NAMES, "");
}
END_TEST

/* An image without a label among others that have one is bad as one that cannot be decoded is. */
START_TEST(images_without_a_label)
{
    static const int all[] = {0, 1, 2, 3, 4, 5, -1};
    refused(attempt(RUN, "source: {use: ragged, images: 8, classes: 6}"), TESS_E_ITEM,
            "picture-6.png: has no label, and others have; replace or remove it, or leave such images out with `skip_bad: true`");
    works(attempt(RUN, "source: {use: ragged, images: 8, classes: 6}, skip_bad: true"));
    (void)holds(all, 6, ALL_NAMES, "picture-6.png: has no label, and others have picture-7.png: has no label, and others have ");
}
END_TEST

START_TEST(too_many_bad_images)
{
    refused(attempt(RUN, "source: {use: ragged, bad: 0, bads: 6}, split: 0.5, skip_bad: true"), TESS_E_DATA,
            "none of the 6 images there are can be read (picture-5.png: is damaged); check the source `ragged`");
    refused(attempt(PLAN, "source: {use: ragged, bad: 0, bads: 6, differ: sizes}, skip_bad: true"), TESS_E_DATA,
            "none of the 6 images can be read (is damaged); check the source `ragged`");
    refused(attempt(RUN, "source: {use: ragged, bad: 0, bads: 3}, split: 0.5, skip_bad: true"), TESS_E_DATA,
            "none of the 3 images to train on can be read");
    refused(attempt(RUN, "source: {use: ragged, bad: 3, bads: 3}, split: 0.5, skip_bad: true"), TESS_E_DATA,
            "none of the 3 images kept for validation can be read");
    /* Errors in the settings, or in a file that holds all images, do not count as bad images. */
    refused(attempt(RUN, "source: {use: ragged, differ: channels}, skip_bad: true"), TESS_E_SHAPE,
            "image picture-1.png has 3 channels, others have 1; set `channels`");
    pack("images.gz", 3, 9, 4);
    cut("images.gz", "cut.gz", 3);
    refused(attempt(RUN, "source: {use: idx, images: cut.gz}, skip_bad: true"), TESS_E_DATA, "cut.gz: unexpected end of file");
    /* The reported image does not depend on which thread met a bad one first. */
    for (int i = 0; i < 20; i++)
        refused(attempt_on(4, RUN, "source: {use: ragged, images: 90, bad: 33, bads: 50}"), TESS_E_ITEM, "picture-33.png: is damaged");
    refused(attempt(PLAN, "source: {use: ragged}, fit: stretch"), TESS_E_VALUE, "`fit: stretch` needs the side to stretch to; set `size`");
}
END_TEST

/* Images too large to be taken all at a time: three make a group here, and the fourth one. */
START_TEST(large_images_go_by_few)
{
    struct tessi_context context;
    struct tess_artefact *a;
    works(attempt(RUN, "source: {use: ragged, images: 4}, pad: 4100, fill: 200"));
    ck_assert_int_lt(tessi_base_memory_peak(), (int64_t)1 << 29);
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_store_artefact_open(&context.context, "runs/p/images.h5", &a), TESS_OK);
    for (int64_t i = 0; i < 4; i++) {
        struct tess_tensor one;
        ck_assert_int_eq(tess_artefact_shape(&context.context, a, "images", &one), TESS_OK);
        ck_assert(one.dim[0] == 4 && one.dim[1] == 4100);
        one.dim[0] = 1;
        one.data = malloc(tess_tensor_bytes(&one));
        ck_assert_int_eq(tess_artefact_read(&context.context, a, "images", i, &one), TESS_OK);
        const uint8_t *im = one.data;
        ck_assert_int_eq(im[0], 200);
        ck_assert_int_eq(im[2050 * 4100 + 2050], 10 * i + 5);
        ck_assert_int_eq(im[2045 * 4100 + 2050], 200); /* eight rows from 2046 on */
        ck_assert_int_eq(im[2046 * 4100 + 2045], 10 * i + 5);
        free(one.data);
    }
    tessi_store_artefact_close(a);
}
END_TEST

/* ---- what cannot be ------------------------------------------------------------------------------------------------ */

START_TEST(impossible_imports_are_refused_in_the_plan)
{
    refused(attempt(PLAN, "source: {use: ragged, images: 0}"), TESS_E_DATA, "the source `ragged` has no images");
    refused(attempt(PLAN, "source: {use: ragged, classes: 65537}"), TESS_E_DATA, "has 65537 classes; 65536 are possible");
    refused(attempt(PLAN, "source: {use: ragged}, split: 0"), TESS_E_VALUE, "split is 0");
    refused(attempt(PLAN, "source: {use: ragged, images: 1000000000000000}, pad: 65536, channels: 3"), TESS_E_SHAPE,
            "1000000000000000 images of 65536 x 65536 x 3 are more than 2^50 bytes");
    works(attempt(PLAN, "source: {use: ragged, images: 1000000000000000}, limit: 1000"));
}
END_TEST

/* All bytes are there, but nothing vouches for them. */
START_TEST(bytes_without_checksum_are_refused)
{
    char keys[128];
    pack("images.gz", 3, 9, 4);
    pack("labels.gz", 1, 9, 0);
    works(attempt(PLAN, "source: {use: idx, images: images.gz, labels: labels.gz}"));
    for (long less = 1; less <= 8; less++) {
        cut("images.gz", "cut.gz", less);
        snprintf(keys, sizeof keys, "source: {use: idx, images: cut.gz}");
        refused(attempt(RUN, keys), TESS_E_DATA, "cut.gz: unexpected end of file; fetch the file again");
        cut("labels.gz", "cut.gz", less);
        snprintf(keys, sizeof keys, "source: {use: idx, images: images.gz, labels: cut.gz}");
        refused(attempt(PLAN, keys), TESS_E_DATA, "cut.gz: unexpected end of file; fetch the file again");
    }
    works(attempt(RUN, "source: {use: idx, images: images.gz, labels: labels.gz}"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sources");
    TCase *t = tcase_create("sources");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, differing_sizes_become_one);
    tcase_add_test(t, differing_images_are_refused);
    tcase_add_test(t, stretched_to_a_square);
    tcase_add_test(t, bad_images_are_skipped);
    tcase_add_test(t, images_without_a_label);
    tcase_add_test(t, too_many_bad_images);
    tcase_add_test(t, large_images_go_by_few);
    tcase_add_test(t, impossible_imports_are_refused_in_the_plan);
    tcase_add_test(t, bytes_without_checksum_are_refused);
    suite_add_tcase(s, t);
    return suite_run(s);
}
