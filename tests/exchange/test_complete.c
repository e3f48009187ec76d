/* Exports that the published programs load with strict=True: every tensor that their classes have is there, under its name and in its
 * shape, and no other; what the model has keeps its bits; and the file comes in again as the same model.
 *
 * The lists are those of the files in tests/checkpoints, which classes of the same names saved whole.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/checkpoint_model.h"
#include "tests/support/command_fixture.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct complete {
    const char *as, *file, *model, *parameters, *import;
    int64_t tensors;   /* tensors of the file but for the perceptual loss's */
    const char *added; /* prefix of names that only today's class has; NULL: none */
    const char *off;   /* what names of the file begin with and those of the export do not; NULL: nothing */
};

static const struct complete complete[] = {
    {"unleashing-transformers", "vqgan.th", NULL, "groups=4", "groups=4 height=8 width=12", 147, "ae.generator.logsigma.", NULL},
    {"unleashing-transformers", "absorbing.th", "model.h5", "heads=3", "heads=3", 41, NULL, NULL},
    {"unleashing-transformers", "autoregressive.th", "model.h5", "heads=3", "heads=3", 40, NULL, NULL},
    {"taming", "taming.ckpt", NULL, "groups=4", "groups=4 height=8 width=12", 165, NULL, NULL},
    {"vq-ddm", "vq_ddm.ckpt", "model.h5", "steps=20", "steps=20", 236, NULL, NULL},
    {"vq-ddm", "taming.ckpt", NULL, "groups=4", "groups=4 height=8 width=12", 165, NULL, "loss."}}; /* the class of the retraining */

static void import_case(const struct complete *k)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", TEST_CHECKPOINTS, k->file);
    if (k->model && strcmp(k->as, "vq-ddm") == 0)
        fixture_ok(&fixture, checkpoint_import_as("taming", TEST_CHECKPOINTS "/taming.ckpt", k->model, NULL, "groups=4 height=8 width=12"));
    else if (k->model)
        fixture_ok(&fixture, checkpoint_import(TEST_CHECKPOINTS "/vqgan.th", k->model, NULL, "groups=4 height=8 width=12"));
    fixture_ok(&fixture, checkpoint_import_as(k->as, path, "case.h5", k->model, k->import));
}

static int is_left_out(const struct complete *k, const char *name)
{
    return strncmp(name, "perceptual.", 11) == 0 || strncmp(name, "loss.perceptual_loss.", 21) == 0 ||
           strncmp(name, "perceptual_loss.", 16) == 0 || (k->added && strncmp(name, k->added, strlen(k->added)) == 0);
}

/* Every entry of `one` that is not left out is in `other`, with its shape and sort of number. */
static int64_t all_in(const struct complete *k, struct tensor_list *one, struct tensor_list *other)
{
    int64_t n = 0;
    for (int64_t i = 0; i < one->n; i++) {
        const struct tess_entry *e = &one->entry[i], *twin;
        if (is_left_out(k, e->name))
            continue;
        twin = list_named(other, e->name);
        ck_assert_msg(e->rank == twin->rank && memcmp(e->dim, twin->dim, (size_t)e->rank * sizeof *e->dim) == 0, "%s has another shape",
                      e->name);
        ck_assert_msg(strcmp(e->dtype, twin->dtype) == 0, "%s is %s and %s", e->name, e->dtype, twin->dtype);
        n++;
    }
    return n;
}

static void check_file(const struct complete *k, const char *to)
{
    struct tensor_list *ours = calloc(1, sizeof *ours), *theirs = calloc(1, sizeof *theirs);
    char path[400];
    ck_assert(ours && theirs);
    snprintf(path, sizeof path, "%s/%s", TEST_CHECKPOINTS, k->file);
    fixture_ok(&fixture, checkpoint_export_complete(k->as, "case.h5", to, k->parameters));
    list_read(ours, to);
    list_read(theirs, path);
    for (int64_t i = 0; k->off && i < theirs->n; i++)
        if (strncmp(theirs->entry[i].name, k->off, strlen(k->off)) == 0)
            memmove(theirs->name[i], theirs->name[i] + strlen(k->off), strlen(theirs->name[i] + strlen(k->off)) + 1);
    ck_assert_int_eq(all_in(k, theirs, ours), k->tensors);
    ck_assert_int_eq(all_in(k, ours, theirs), k->tensors);
    ck_assert_int_eq(ours->n, k->tensors + (k->added ? 4 : 0));
    free(ours);
    free(theirs);
}

START_TEST(every_tensor_of_the_classes)
{
    const struct complete *k = &complete[_i];
    import_case(k);
    check_file(k, "case.safetensors");
    check_file(k, "case.ckpt");
}
END_TEST

/* Extras of an export are left when it is imported again; but for the head, whose zeros a file cannot tell from a trained one's. */
START_TEST(the_same_model_again)
{
    const struct complete *k = &complete[_i];
    import_case(k);
    fixture_ok(&fixture, checkpoint_export_complete(k->as, "case.h5", "case.pt", k->parameters));
    fixture_ok(&fixture, checkpoint_import_as(k->as, "case.pt", "again.h5", k->model, k->import));
    if (!k->added)
        checkpoint_same_content("case.h5", "again.h5");
    fixture_ok(&fixture, checkpoint_export_as(k->as, "case.h5", "plain.pth", k->parameters));
    ck_assert_int_gt(checkpoint_same_tensors("plain.pth", "case.pt"), 30);
}
END_TEST

/* Values of a tensor of a file; freed by the caller. */
static float *values_of(const char *path, const char *name, int64_t count)
{
    struct tess_instance *file;
    float *value = calloc((size_t)count, sizeof *value);
    fixture_ok(&fixture, tessi_exchange_format_read(C, path, "", &file));
    const struct tess_format_1 *f = tess_instance_ops(file, "format/1");
    int64_t at = -1;
    for (int64_t i = 0; i < f->count(tess_instance_self(file)); i++)
        if (strcmp(f->entry(tess_instance_self(file), i)->name, name) == 0)
            at = i;
    ck_assert_msg(at >= 0 && value, "%s has no %s", path, name);
    fixture_ok(&fixture, f->read(tess_instance_self(file), C, at, value));
    tess_instance_close(file);
    return value;
}

/* The schedule is the published one: both ends of (15) with 20 steps, and what a step keeps and does not add up to one. */
START_TEST(a_schedule_that_the_program_would_compute)
{
    import_case(&complete[4]);
    fixture_ok(&fixture, checkpoint_export_complete("vq-ddm", "case.h5", "case.pt", "steps=20"));
    float *kept = values_of("case.pt", "_denoising.log_alpha", 20), *lost = values_of("case.pt", "_denoising.log_1_min_alpha", 20);
    float *all = values_of("case.pt", "_denoising.log_cumprod_alpha", 20),
          *none = values_of("case.pt", "_denoising.log_1_min_cumprod_alpha", 20);
    double sum = 0.0;
    for (int i = 0; i < 20; i++) {
        sum += (double)kept[i];
        ck_assert_double_eq_tol(exp((double)kept[i]) + exp((double)lost[i]), 1.0, 1e-6);
        ck_assert_double_eq_tol(exp((double)all[i]) + exp((double)none[i]), 1.0, 1e-6);
        ck_assert_double_eq_tol((double)all[i], sum, 1e-4);
    }
    ck_assert_double_eq_tol((double)kept[19], 0.5 * log(0.001), 1e-5); /* the one step that is clipped */
    ck_assert_double_eq_tol((double)all[9], log(cos((0.5 + 0.008) / 1.008 * 1.5707963267948966) / cos(0.008 / 1.008 * 1.5707963267948966)),
                            1e-5);
    free(kept);
    free(lost);
    free(all);
    free(none);
}
END_TEST

/* Codes as the first paper's program keeps them, a tensor of torch.save by itself, become an archive of the tokenizer. */
START_TEST(codes_of_others)
{
    struct tess_artefact *a;
    struct tess_tensor codes;
    fixture_ok(&fixture, checkpoint_import(TEST_CHECKPOINTS "/vqgan.th", "model.h5", NULL, "groups=4 height=8 width=12"));
    (void)command_ends(0, "", "archive import %s/train_latents -m model.h5 -o codes.h5", TEST_CHECKPOINTS);
    fixture_ok(&fixture, tessi_store_artefact_open(C, "codes.h5", &a));
    fixture_ok(&fixture, tess_artefact_load(C, a, "codes", TESS_I32, &codes));
    ck_assert(codes.rank == 3 && codes.dim[0] == 5 && codes.dim[1] == 4 && codes.dim[2] == 6);
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 24; j++)
            ck_assert_int_eq(((int32_t *)codes.data)[24 * i + j], (7 * i + 3 * j) % 24);
    tess_free(codes.data);
    tessi_store_artefact_close(a);
    (void)command_ends(65, "turned_latents: `tensor` is a view whose numbers do not lie one behind the other; save it as contiguous()",
                       "archive import %s/turned_latents -m model.h5 -o x.h5", TEST_CHECKPOINTS);
    (void)command_ends(65, "absorbing.th: has 0 tensors of integers; codes are one, (N, ...)",
                       "archive import %s/absorbing.th -m model.h5 -o x.h5", TEST_CHECKPOINTS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("complete");
    TCase *tests = tcase_create("complete");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, checkpoint_setup, checkpoint_teardown);
    tcase_add_loop_test(tests, every_tensor_of_the_classes, 0, (int)(sizeof complete / sizeof *complete));
    tcase_add_loop_test(tests, the_same_model_again, 0, (int)(sizeof complete / sizeof *complete));
    tcase_add_test(tests, codes_of_others);
    tcase_add_test(tests, a_schedule_that_the_program_would_compute);
    return suite_run(suite);
}
