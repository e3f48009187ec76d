/* Checkpoints of classes as their authors published them, run from clones of their repositories (tests/checkpoints/make_published.py):
 * codes, images and logits of the imported models are theirs, and exports have their tensors bit for bit.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/checkpoint_fixture.h"
#include "tests/support/checkpoint_model.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_OF(name) TEST_CHECKPOINTS "/" name

static const char tokenizer[] = "groups=4 height=8 width=12";

static void attr_is(const char *path, const char *attr, const char *wanted)
{
    struct tess_artefact *a;
    fixture_ok(&fixture, tessi_store_artefact_open(C, path, &a));
    checkpoint_same_text(a, attr, wanted);
    tessi_store_artefact_close(a);
}

/* A complete export of x.h5 has every tensor of the file that the class wrote, in its shape; 1 where it has no other. */
static int whole_export_has_all(const char *as, const char *parameters, const char *file)
{
    struct tensor_list *theirs = calloc(1, sizeof *theirs), *ours = calloc(1, sizeof *ours);
    fixture_ok(&fixture, checkpoint_export_complete(as, "x.h5", "whole.safetensors", parameters));
    list_read(theirs, file);
    list_read(ours, "whole.safetensors");
    int same = ours->n == theirs->n;
    for (int64_t i = 0; i < theirs->n; i++) {
        const struct tess_entry *e = &theirs->entry[i], *twin = list_named(ours, e->name);
        ck_assert_msg(e->rank == twin->rank && memcmp(e->dim, twin->dim, (size_t)e->rank * sizeof *e->dim) == 0, "%s", e->name);
    }
    free(theirs);
    free(ours);
    return same;
}

/* ---- VQ-DDM's U-Net that is told labels ------------------------------------------------------------------------------- */

/* A prior is imported, has the golden values, is exported with the file's tensors, and comes back. */
static void there_and_back(const char *checkpoint, const char *golden)
{
    fixture_ok(&fixture, checkpoint_import_as("taming", FILE_OF("taming.ckpt"), "taming.h5", NULL, tokenizer));
    fixture_ok(&fixture, checkpoint_import_as("vq-ddm", checkpoint, "x.h5", "taming.h5", NULL));
    checkpoint_check_prior(golden, "x.h5");
    fixture_ok(&fixture, checkpoint_export_as("vq-ddm", "x.h5", "y.safetensors", "steps=20"));
    ck_assert_int_eq(checkpoint_same_tensors("y.safetensors", checkpoint), 116);
    fixture_ok(&fixture, checkpoint_import_as("vq-ddm", "y.safetensors", "y.h5", "taming.h5", "steps=20"));
    checkpoint_same_content("x.h5", "y.h5");
    (void)whole_export_has_all("vq-ddm", "steps=20", checkpoint);
}

START_TEST(a_network_that_is_told_labels)
{
    there_and_back(FILE_OF("labelled.ckpt"), "labelled.h5");
    attr_is("x.h5", "condition", "labels");
}
END_TEST

/* ---- VQ-DDM's U-Net that reads numbers ---------------------------------------------------------------------------------- */

START_TEST(a_network_that_reads_numbers)
{
    there_and_back(FILE_OF("plain.ckpt"), "plain.h5");
}
END_TEST

/* ---- Gumbel's quantizer, of both programs ------------------------------------------------------------------------------ */

/* The imported tokenizer gives the codes and images of the programs' whole classes, whose draws are switched off, and an export has every
 * tensor of the file. */
START_TEST(an_autoencoder_of_logits)
{
    static const char *const as[] = {"taming", "unleashing-transformers"}, *const file[] = {FILE_OF("vqgumbel.ckpt"),
                                                                                            FILE_OF("vqgumbel.th")};
    static const char *const golden[] = {"vqgumbel.h5", "vqgumbel_th.h5"};
    fixture_ok(&fixture, checkpoint_import_as(as[_i], file[_i], "x.h5", NULL, tokenizer));
    checkpoint_check_tokenizer(golden[_i], "x.h5");
    ck_assert(whole_export_has_all(as[_i], "groups=4", file[_i]));
}
END_TEST

/* ---- Open-MAGVIT2 ----------------------------------------------------------------------------------------------------- */

/* The averaged weights are imported; codes are equal to those of the program's class, images within 1e-4. */
START_TEST(an_autoencoder_of_signs)
{
    fixture_ok(&fixture, checkpoint_import_as("open-magvit2", FILE_OF("magvit2.ckpt"), "x.h5", NULL, tokenizer));
    checkpoint_check_tokenizer("magvit2.h5", "x.h5");
    fixture_ok(&fixture, checkpoint_export_as("open-magvit2", "x.h5", "y.safetensors", "groups=4"));
    fixture_ok(&fixture, checkpoint_import_as("open-magvit2", "y.safetensors", "y.h5", NULL, tokenizer));
    checkpoint_same_content("x.h5", "y.h5");
}
END_TEST

/* A file that is another one: tensors whose names have `drop` in them are gone, `add` is there, or `change` has another shape. */
struct another {
    const char *drop, *add, *change;
    int32_t rank; /* shape of `add` or `change` */
    int64_t dim[5];
    const char *words; /* what the import says of it */
};

/* Makes the list that other file, whose import is refused. */
static void another_is_refused(const struct another *o, struct tensor_list *l, const char *as, const struct tess_attrs *first,
                               const char *const *parameter, int parameters)
{
    struct matched k;
    if (o->drop)
        list_drop(l, o->drop);
    if (o->add)
        list_add(l, o->add, "f32", o->rank, o->dim);
    if (o->change) {
        list_named(l, o->change)->rank = o->rank;
        memcpy(list_named(l, o->change)->dim, o->dim, sizeof o->dim);
    }
    checkpoint_refused(list_match(l, as, first, parameter, parameters, &k), TESS_E_DATA, o->words);
    list_match_close(&k);
}

static const struct another networks[] = {
    {"adaptive", NULL, NULL, 0, {0}, "the file is no tokenizer of open-magvit2 (`encoder.mid_block.0.conv1.weight`, `decoder.adaptive"},
    {NULL, NULL, "encoder.conv_in.weight", 5, {4, 3, 3, 3, 3}, "its kernels are of three dimensions, which are for videos"},
    {NULL, NULL, "encoder.conv_out.weight", 4, {31, 8, 1, 1}, "a code is of 1 to 30 bits"},
    {NULL, NULL, "encoder.down.1.block.0.conv1.weight", 4, {6, 4, 3, 3}, "the width of a level is no multiple of the first convolution's"},
    {"encoder.down.0.block", NULL, NULL, 0, {0}, "there is no `encoder.down.0.block.0.conv1.weight`"},
    {"decoder.up.1.upsample.conv1.bias",
     NULL,
     NULL,
     0,
     {0},
     "lacks 1 of the model's weights, the first of them decoder.up.1.upsample.conv1.bias"},
};

START_TEST(an_autoencoder_of_something_else)
{
    static const char *const small[] = {"groups=2", "height=8", "width=12"};
    struct tensor_list *l = calloc(1, sizeof *l);
    list_read(l, FILE_OF("magvit2.ckpt"));
    list_drop(l, "model_ema.");
    another_is_refused(&networks[_i], l, "open-magvit2", NULL, small, 3);
    free(l);
}
END_TEST

/* ---- taming's transformers -------------------------------------------------------------------------------------------- */

static const char causal[] = "heads=3 sos_token=5";

static void import_transformer(const char *to)
{
    fixture_ok(&fixture, checkpoint_import_as("taming", FILE_OF("net2net.ckpt"), "first.h5", NULL, tokenizer));
    fixture_ok(&fixture, checkpoint_import_as("taming", FILE_OF("net2net.ckpt"), to, "first.h5", causal));
}

/* Two models come from a single file: the autoencoder without a tokenizer, the transformer over its codes with one. */
START_TEST(a_transformer_beside_its_autoencoder)
{
    import_transformer("x.h5");
    checkpoint_check_tokenizer("pooled.h5", "first.h5");
    checkpoint_check_prior("net2net.h5", "x.h5");
    attr_is("x.h5", "denoiser",
            "{use: transformer, embed_dim: 12, layers: 2, heads: 3, mlp_ratio: 4, dropout: 0, init: small, start_code: 5, context: 27}");
}
END_TEST

START_TEST(a_transformer_and_back)
{
    struct tensor_list *ours = calloc(1, sizeof *ours);
    import_transformer("x.h5");
    fixture_ok(&fixture, checkpoint_export_complete("taming", "x.h5", "y.ckpt", causal));
    ck_assert_int_eq(checkpoint_same_tensors("y.ckpt", FILE_OF("net2net.ckpt")), 39); /* the masks too */
    list_read(ours, "y.ckpt");
    ck_assert_int_eq(ours->n, 39);
    fixture_ok(&fixture, checkpoint_import_as("taming", "y.ckpt", "y.h5", "first.h5", causal));
    checkpoint_same_content("x.h5", "y.h5");
    free(ours);
}
END_TEST

START_TEST(a_transformer_that_others_cannot_hold)
{
    import_transformer("x.h5");
    checkpoint_refused(checkpoint_export_as("unleashing-transformers", "x.h5", "y.th", "heads=3"), TESS_E_VALUE,
                       "unleashing-transformers has no transformer with `start_code` or `context`, the model {use: transformer");
    checkpoint_refused(checkpoint_export_as("taming", "x.h5", "y.ckpt", "heads=3"), TESS_E_VALUE,
                       "`start_code` of the model is 5, and the file would not tell; say sos_token=5 here");
    fixture_ok(&fixture, checkpoint_import(FILE_OF("vqgan.th"), "tokenizer.h5", NULL, tokenizer));
    fixture_ok(&fixture, checkpoint_import(FILE_OF("autoregressive.th"), "causal.h5", "tokenizer.h5", "heads=3"));
    checkpoint_refused(checkpoint_export_as("taming", "causal.h5", "y.ckpt", "heads=3"), TESS_E_VALUE,
                       "taming's transformers begin with a code, and the model with a vector of its own");
}
END_TEST

static const struct another conditions[] = {
    {NULL,
     "cond_stage_model.encoder.conv_in.weight",
     NULL,
     1,
     {1},
     "it has a network for a condition (`cond_stage_model.encoder.conv_in.weight`)"},
    {NULL, "permuter.forward_shuffle_idx", NULL, 1, {24}, "its tokens are in an order of their own (`permuter.forward_shuffle_idx`)"},
    {NULL, "transformer.tok_emb.bias", NULL, 1, {12}, "it is a CodeGPT, which reads vectors"},
    {NULL, NULL, "transformer.pos_emb", 3, {1, 48, 12}, "it has places for 48 tokens and the map 24, as where coordinates"},
    {NULL, NULL, "transformer.pos_emb", 3, {1, 23, 12}, "the prior is of 23 tokens at most, the tokenizer makes 24"},
    {NULL, NULL, "transformer.head.weight", 2, {25, 12}, "the prior is of 24 tokens of 25 codes, the tokenizer makes 4 x 6 of 24"},
};

START_TEST(a_transformer_with_a_condition)
{
    static const char *const heads[] = {"heads=3"};
    struct tensor_list *l = calloc(1, sizeof *l);
    struct tess_artefact *first;
    import_transformer("x.h5");
    fixture_ok(&fixture, tessi_store_artefact_open(C, "first.h5", &first));
    list_read(l, FILE_OF("net2net.ckpt"));
    another_is_refused(&conditions[_i], l, "taming", tess_artefact_attrs(first), heads, 1);
    tessi_store_artefact_close(first);
    free(l);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("published");
    TCase *tests = tcase_create("published");
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, checkpoint_setup, checkpoint_teardown);
    tcase_add_test(tests, a_network_that_reads_numbers);
    tcase_add_test(tests, a_network_that_is_told_labels);
    tcase_add_loop_test(tests, an_autoencoder_of_logits, 0, 2);
    tcase_add_test(tests, an_autoencoder_of_signs);
    tcase_add_loop_test(tests, an_autoencoder_of_something_else, 0, (int)(sizeof networks / sizeof *networks));
    tcase_add_test(tests, a_transformer_beside_its_autoencoder);
    tcase_add_test(tests, a_transformer_and_back);
    tcase_add_test(tests, a_transformer_that_others_cannot_hold);
    tcase_add_loop_test(tests, a_transformer_with_a_condition, 0, (int)(sizeof conditions / sizeof *conditions));
    return suite_run(suite);
}
