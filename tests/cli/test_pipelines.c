/* Every pipeline that is shipped can be planned: over files of the names and sizes of Fashion-MNIST, a folder of pictures, and weights in
 * the shape of the published ones. SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/host/runtime.h"
#include "tests/support/command_fixture.h"
#include "tests/support/stage_fixture.h"
#include "tests/support/suite.h"
#include "tests/support/vgg_file.h"
#include "tests/support/paths.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_CAPACITY = 600 };

static void write_fashion(void)
{
    static const char *const part[] = {"train", "t10k"};
    static uint8_t images[70 * 28 * 28], labels[70];
    char name[64];
    for (int i = 0; i < 70; i++)
        labels[i] = (uint8_t)(i % 10);
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s-images-idx3-ubyte.gz", part[i]);
        small_write_idx(name, 3, (const int64_t[]){70, 28, 28}, images, sizeof images);
        snprintf(name, sizeof name, "%s-labels-idx1-ubyte.gz", part[i]);
        small_write_idx(name, 1, (const int64_t[]){70}, labels, sizeof labels);
    }
}

/* The files of a folder under the pipelines' that end in `ending`, sorted; their number. */
static int list(const char *folder, const char *ending, char name[][PATH_CAPACITY], int max)
{
    char path[300];
    struct dirent **entry;
    int n = 0;
    snprintf(path, sizeof path, TEST_PIPELINES "/%s", folder);
    int found = scandir(path, &entry, NULL, alphasort);
    ck_assert_msg(found >= 0, "%s", path);
    for (int i = 0; i < found; i++) {
        size_t length = strlen(entry[i]->d_name), tail = strlen(ending);
        if (length > tail && strcmp(entry[i]->d_name + length - tail, ending) == 0) {
            ck_assert_int_lt(n, max);
            snprintf(name[n++], sizeof name[0], TEST_PIPELINES "/%s/%s", folder, entry[i]->d_name);
        }
        free(entry[i]);
    }
    free(entry);
    return n;
}

static int is_small(const char *path)
{
    return strstr(path, "-small.yaml") != NULL;
}

static int have_folders(void)
{
    struct tessi_context context;
    struct tessi_runtime *r;
    struct tess_instance *folder;
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_host_runtime_new(&context.context, &(struct tessi_runtime_options){.threads = 1}, &r), TESS_OK);
    int yes = tess_instance_open(&context.context, "source/1", "{use: folder, path: " TEST_PIPELINES "/right-half.png}", "test", &folder) ==
              TESS_OK;
    if (yes)
        tess_instance_close(folder);
    tessi_host_runtime_free(r);
    return yes;
}

/* A folder of a dozen pictures. */
static void write_pictures(void)
{
    char copy[PATH_CAPACITY + 40];
    ck_assert_int_eq(mkdir("pictures", 0777), 0);
    for (int i = 0; i < 12; i++) {
        snprintf(copy, sizeof copy, "cp '%s/right-half.png' pictures/%02d.png", TEST_PIPELINES, i);
        ck_assert_int_eq(system(copy), 0);
    }
}

/* 1 for a pipeline over a folder of pictures, which needs libvips. */
static int is_of_pictures(const char *path)
{
    return strstr(path, "/colour") != NULL;
}

/* Plans every pipeline of a folder, which has `count`, over made-up images. */
static void plan_all(const char *folder, int count)
{
    char name[16][PATH_CAPACITY], data[96];
    write_fashion();
    write_pictures();
    int n = list(folder, ".yaml", name, 16), pictures = have_folders();
    ck_assert_int_eq(n, count);
    for (int i = 0; i < n; i++) {
        snprintf(data, sizeof data, "data=%s%s", stage_bench_folder, is_of_pictures(name[i]) ? "/pictures" : "");
        if (pictures || !is_of_pictures(name[i]))
            works(ATTEMPT(.path = name[i], .plan_only = 1, .override = {data}));
    }
}

START_TEST(the_quickstart)
{
    plan_all("", 4);
}
END_TEST

START_TEST(those_in_colour)
{
    plan_all("colour", 1);
}
END_TEST

/* Pipelines of the papers: each has a small variant, which reads nothing but Fashion-MNIST and the mask beside it. */
START_TEST(those_of_the_papers)
{
    static const char *const folder[] = {"unleashing-transformers", "vq-ddm"};
    char name[32][PATH_CAPACITY], data[96], copy[PATH_CAPACITY + 40];
    if (!have_folders())
        return; /* without libvips there is no source of pictures */
    write_fashion();
    vgg_write("lpips.safetensors", &(struct vgg_file){.prefix = "", .channels = 64});
    write_pictures();
    for (int k = 0; k < 2; k++) {
        int n = list(folder[k], ".yaml", name, 32), small = 0;
        ck_assert_int_ge(n, 6);
        for (int i = 0; i < n; i++) {
            small += is_small(name[i]);
            snprintf(data, sizeof data, "data=%s%s", stage_bench_folder, is_small(name[i]) ? "" : "/pictures");
            if (is_small(name[i])) {
                works(ATTEMPT(.path = name[i], .plan_only = 1, .override = {data}));
                continue;
            }
            works(ATTEMPT(.path = name[i], .plan_only = 1, .override = {data, "vgg=lpips.safetensors"}));
            refused(ATTEMPT(.path = name[i], .plan_only = 1, .override = {data}), TESS_E_IO, "lpips.pth");
            snprintf(copy, sizeof copy, "%.*s-small.yaml", (int)strlen(name[i]) - 5, name[i]);
            ck_assert_msg(access(copy, R_OK) == 0, "%s", copy);
        }
        ck_assert_int_eq(2 * small, n);
    }
}
END_TEST

START_TEST(those_of_quantizers)
{
    plan_all("quantizers", 8);
}
END_TEST

/* Ablations: every variant of every sweep, and their base. */
START_TEST(those_of_ablations)
{
    char name[16][PATH_CAPACITY];
    write_fashion();
    write_pictures();
    int n = list("ablations", ".yaml", name, 16), sweeps = 0;
    for (int i = 0; i < n; i++) {
        int base = strstr(name[i], "/base.yaml") != NULL;
        if (is_of_pictures(name[i]) && !have_folders())
            continue;
        const char *verb = base ? "plan" : "sweep --dry-run";
        const struct command_result *r = command_ends(0, "", "%s %s data=%s%s", verb, name[i], stage_bench_folder,
                                                      is_of_pictures(name[i]) ? "/pictures" : "");
        ck_assert_msg(strstr(r->out, " to run, 0 cached") != NULL, "%s: %s", name[i], r->out);
        sweeps += !base;
    }
    ck_assert_int_ge(sweeps, 6);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pipelines");
    TCase *t = tcase_create("pipelines");
    tcase_set_timeout(t, 240);
    tcase_add_checked_fixture(t, stage_bench_setup, stage_bench_teardown);
    tcase_add_test(t, the_quickstart);
    tcase_add_test(t, those_in_colour);
    tcase_add_test(t, those_of_the_papers);
    tcase_add_test(t, those_of_quantizers);
    tcase_add_test(t, those_of_ablations);
    suite_add_tcase(s, t);
    return suite_run(s);
}
