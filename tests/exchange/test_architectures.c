/* Checkpoints of other programs' classes, written by them (tests/checkpoints/make_packages.py): each becomes a model whose codes are equal
 * and whose images agree; and what a file cannot tell is assumed and said, or asked for.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/checkpoint_fixture.h"
#include "tests/support/checkpoint_model.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char sizes[] = "groups=4 height=8 width=12";

static const struct {
    const char *file, *as, *parameters, *golden, *quantizer;
} made[] = {
    {"diffusers", "diffusers", "height=8 width=12", "diffusers.h5",
     "{use: nearest, codebook_size: 24, code_dim: 5, beta: 0.25, beta_on: codebook}"},
    {"diffusers_plain.safetensors", "diffusers", "groups=4 height=8 width=12", "diffusers_plain.h5", NULL},
    {"llamagen.pt", "llamagen", "groups=4 height=8 width=12", "llamagen.h5",
     "{use: nearest, codebook_size: 24, code_dim: 5, beta: 0.25, beta_on: codebook, assign: cosine}"},
    {"taming.ckpt", "taming", "groups=4 height=8 width=12 assign=cosine", "rule_cosine.h5", NULL},
    {"taming.ckpt", "taming", "groups=4 height=8 width=12 assign=dot", "rule_dot.h5", NULL},
    {"taming.ckpt", "ibq", "groups=4 height=8 width=12", "rule_dot.h5",
     "{use: nearest, codebook_size: 24, code_dim: 5, beta: 0.25, beta_on: codebook, assign: dot}"},
    {"gumbel.th", "unleashing-transformers", "groups=4 height=8 width=12", "gumbel.h5", NULL},
    {"pooled.ckpt", "taming", "groups=4 height=8 width=12", "pooled.h5", NULL},
};
#define MADE ((int)(sizeof made / sizeof *made))

START_TEST(they_compute_what_they_did)
{
    char path[300];
    struct tess_artefact *a;
    snprintf(path, sizeof path, TEST_CHECKPOINTS "/%s", made[_i].file);
    fixture_ok(&fixture, checkpoint_import_as(made[_i].as, path, "x.h5", NULL, made[_i].parameters));
    checkpoint_check_tokenizer(made[_i].golden, "x.h5");
    fixture_ok(&fixture, tessi_store_artefact_open(C, "x.h5", &a));
    if (made[_i].quantizer)
        checkpoint_same_text(a, "quantizer", made[_i].quantizer);
    tessi_store_artefact_close(a);
}
END_TEST

/* Exported and imported again, each is the same model; all its tensors but idle ones are the file's. */
START_TEST(and_back)
{
    char path[300];
    struct tess_artefact *a;
    int has_averages = strcmp(made[_i].golden, "pooled.h5") == 0;
    snprintf(path, sizeof path, TEST_CHECKPOINTS "/%s", made[_i].file);
    fixture_ok(&fixture, checkpoint_import_as(made[_i].as, path, "x.h5", NULL, made[_i].parameters));
    fixture_ok(&fixture, checkpoint_export_as(made[_i].as, "x.h5", "x.safetensors",
                                              strchr(made[_i].parameters, 'g') == made[_i].parameters ? made[_i].parameters : sizes));
    fixture_ok(&fixture, checkpoint_import_as(made[_i].as, "x.safetensors", "y.h5", NULL,
                                              made[_i].parameters[0] == 'g' ? made[_i].parameters : sizes));
    checkpoint_same_content("x.h5", "y.h5");
    fixture_ok(&fixture, tessi_store_artefact_open(C, "x.h5", &a));
    if (has_averages)
        checkpoint_same_text(
            a, "quantizer",
            "{use: ema, codebook_size: 24, code_dim: 5, beta: 0.25, decay: 0.99, epsilon: 1e-05, revive: 0.1, warmup: true, "
            "init: batch}");
    tessi_store_artefact_close(a);
}
END_TEST

/* ---- what is said --------------------------------------------------------------------------------------------------- */

static char *report_of(struct tessi_exchange x)
{
    char *text = NULL;
    size_t bytes = 0;
    const char *const parameter[] = {"groups=4", "height=8", "width=12"};
    x.report = open_memstream(&text, &bytes);
    ck_assert_ptr_nonnull(x.report);
    if (!x.parameters) {
        x.parameter = parameter;
        x.parameters = 3;
    }
    fixture_ok(&fixture, tessi_exchange_import_model(C, &x));
    fclose(x.report);
    return text;
}

static void says(const char *text, const char *words)
{
    ck_assert_msg(strstr(text, words) != NULL, "wanted `%s` in\n%s", words, text);
}

START_TEST(what_a_file_cannot_tell)
{
    static const char *const heads[] = {"heads=3"};
    char *text = report_of((struct tessi_exchange){.from = TEST_CHECKPOINTS "/taming.ckpt", .to = "x.h5", .as = "taming"});
    says(text, "  assumed   images of 8 x 12, norms of 4 groups, codes by the rule nearest: the file does not tell; set height=, width=, "
               "groups=, assign=\n");
    free(text);
    checkpoint_import_both();
    text = report_of((struct tessi_exchange){.from = TEST_CHECKPOINTS "/absorbing.th",
                                             .to = "x.h5",
                                             .as = "unleashing-transformers",
                                             .tokenizer = "tokenizer.h5",
                                             .parameter = heads,
                                             .parameters = 1});
    says(text, "  warning   3 heads: the file does not tell, and other numbers make other samples without an error; set heads=\n");
    free(text);
    text = report_of((struct tessi_exchange){.from = TEST_CHECKPOINTS "/llamagen.pt", .to = "x.h5", .as = "llamagen"});
    says(text, "  assumed   weights under `ema` of the file, not under `model`: set --key\n");
    says(text, "codes by the rule cosine");
    free(text);
}
END_TEST

START_TEST(an_export_of_another_rule)
{
    fixture_ok(&fixture, checkpoint_import_as("ibq", TEST_CHECKPOINTS "/taming.ckpt", "x.h5", NULL, sizes));
    checkpoint_refused(checkpoint_export_as("taming", "x.h5", "x.safetensors", "groups=4"), TESS_E_VALUE,
                       "the model assigns codes by `assign: dot`, and the file would not tell; say assign=dot here");
}
END_TEST

/* ---- critics that are others, networks under other names -------------------------------------------------------------- */

/* Changes a list of taming.ckpt, and imports it. */
static int match_changed(void (*change)(struct tensor_list *), struct matched *k)
{
    static const char *const parameter[] = {"groups=4", "height=8", "width=12"};
    struct tensor_list *l = calloc(1, sizeof *l);
    list_read(l, TEST_CHECKPOINTS "/taming.ckpt");
    change(l);
    int status = list_match(l, "taming", NULL, parameter, 3, k);
    free(l);
    return status;
}

static void with_actnorm(struct tensor_list *l)
{
    const int64_t dim[] = {1, 4, 1, 1};
    list_drop(l, "loss.discriminator.main.3.");
    list_add(l, "loss.discriminator.main.3.loc", "f32", 4, dim);
    list_add(l, "loss.discriminator.main.3.scale", "f32", 4, dim);
    list_add(l, "loss.discriminator.main.3.initialized", "u8", 0, NULL);
}

static void with_bias(struct tensor_list *l)
{
    list_add(l, "loss.discriminator.main.2.bias", "f32", 1, (const int64_t[]){4});
}

static void wider(struct tensor_list *l)
{
    list_named(l, "loss.discriminator.main.2.weight")->dim[2] = 5;
}

START_TEST(a_critic_that_does_not_fit)
{
    static void (*const change[])(struct tensor_list *) = {with_actnorm, with_bias, wider};
    struct matched k;
    fixture_ok(&fixture, match_changed(change[_i], &k));
    ck_assert_ptr_null(tess_attrs_text_or(k.m.plan.attrs, "critic", NULL));
    list_match_close(&k);
}
END_TEST

/* A critic that was trained on larger images than those of the import, which are nothing any more behind its layers. */
START_TEST(a_critic_of_larger_images)
{
    static const char *const parameter[] = {"groups=4", "height=4", "width=4"};
    struct tensor_list *l = calloc(1, sizeof *l);
    struct matched k;
    list_read(l, TEST_CHECKPOINTS "/taming.ckpt");
    fixture_ok(&fixture, list_match(l, "taming", NULL, parameter, 3, &k));
    ck_assert_ptr_null(tess_attrs_text_or(k.m.plan.attrs, "critic", NULL));
    list_match_close(&k);
    free(l);
}
END_TEST

/* A decoder whose last level is half as wide as the encoder's, and so has no change of width between its two. */
static void narrow_decoder(struct tensor_list *l)
{
    list_drop(l, "decoder.up.0.block.0.nin_shortcut");
    for (int64_t i = 0; i < l->n; i++)
        for (int32_t d = 0; d < l->entry[i].rank && strncmp(l->entry[i].name, "decoder.", 8) == 0; d++)
            l->entry[i].dim[d] = l->entry[i].dim[d] == 8 ? 4 : l->entry[i].dim[d];
}

START_TEST(a_decoder_of_other_widths)
{
    struct matched k;
    fixture_ok(&fixture, match_changed(narrow_decoder, &k));
    ck_assert_ptr_nonnull(strstr(tess_attrs_text_or(k.m.plan.attrs, "decoder", ""), "channel_mult: [1, 1]"));
    ck_assert_ptr_nonnull(strstr(tess_attrs_text_or(k.m.plan.attrs, "encoder", ""), "channel_mult: [1, 2]"));
    list_match_close(&k);
}
END_TEST

static void widen_decoder(struct tensor_list *l)
{
    list_add(l, "decoder.up.2.block.0.conv1.weight", "f32", 4, (const int64_t[]){8, 8, 3, 3});
}

START_TEST(a_decoder_of_more_levels)
{
    struct matched k;
    checkpoint_refused(match_changed(widen_decoder, &k), TESS_E_DATA, "its decoder has more levels than the encoder");
    list_match_close(&k);
}
END_TEST

static void as_refit_saves(struct tensor_list *l)
{
    for (int64_t i = 0; i < l->n; i++)
        if (strncmp(l->entry[i].name, "loss.", 5) == 0)
            l->entry[i].name += 5;
}

START_TEST(files_of_refit)
{
    struct matched k;
    fixture_ok(&fixture, match_changed(as_refit_saves, &k));
    ck_assert_ptr_nonnull(tess_attrs_text_or(k.m.plan.attrs, "critic", NULL));
    list_match_close(&k);
}
END_TEST

/* The U-Net once more inside the noise, under `_nn.`; alone there; and with a layer for numbers beside its embedding. */
START_TEST(networks_inside_the_noise)
{
    struct tensor_list *l = calloc(1, sizeof *l);
    struct tess_artefact *tokenizer;
    struct matched k;
    static char name[400][TESS_ENTRY_NAME];
    checkpoint_import_taming();
    fixture_ok(&fixture, tessi_store_artefact_open(C, "taming.h5", &tokenizer));
    list_read(l, TEST_CHECKPOINTS "/vq_ddm.ckpt");
    for (int64_t i = 0; i < l->n; i++) {
        const char *rest = strstr(l->entry[i].name, "_denoise_fn.");
        if (!rest)
            continue;
        snprintf(name[i], sizeof name[i], "_denoising._nn.%s", rest + strlen("_denoise_fn."));
        l->entry[i].name = name[i];
    }
    if (_i == 1)
        for (int64_t i = 0; i < l->n; i++)
            if (strncmp(l->entry[i].name, "_nn.", 4) == 0)
                l->entry[i--] = l->entry[--l->n];
    if (_i == 2)
        list_add(l, "_nn.input_conv.weight", "f32", 4, (const int64_t[]){8, 1, 1, 1});
    fixture_ok(&fixture, list_match(l, "vq-ddm", tess_artefact_attrs(tokenizer), NULL, 0, &k));
    list_match_close(&k);
    tessi_store_artefact_close(tokenizer);
    free(l);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("architectures");
    TCase *tests = tcase_create("architectures");
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, checkpoint_setup, checkpoint_teardown);
    tcase_add_loop_test(tests, they_compute_what_they_did, 0, MADE);
    tcase_add_loop_test(tests, and_back, 0, MADE);
    tcase_add_test(tests, what_a_file_cannot_tell);
    tcase_add_test(tests, an_export_of_another_rule);
    tcase_add_loop_test(tests, a_critic_that_does_not_fit, 0, 3);
    tcase_add_test(tests, a_critic_of_larger_images);
    tcase_add_test(tests, a_decoder_of_other_widths);
    tcase_add_test(tests, a_decoder_of_more_levels);
    tcase_add_test(tests, files_of_refit);
    tcase_add_loop_test(tests, networks_inside_the_noise, 0, 3);
    return suite_run(suite);
}
