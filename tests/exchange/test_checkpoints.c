/* Published models through import and export: what PyTorch computes with a file is what the imported model computes; what was imported goes
 * out again bit by bit; pipelines take it for one of their own; and what is not of the architecture is refused before anything is written.
 *
 * The files in tests/checkpoints were written by torch.save (make_checkpoints.py there).
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/checkpoint_model.h"
#include "tests/support/command_fixture.h"
#include "tests/support/suite.h"
#include "core/base/aside.h"
#include "core/base/attributes_private.h"
#include "core/base/memory.h"
#include "core/base/workers.h"
#include "tests/support/paths.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the same as PyTorch ---------------------------------------------------------------------------------------------- */

START_TEST(the_tokenizer_computes_what_it_did)
{
    checkpoint_import_both();
    checkpoint_check_tokenizer("tokenizer.h5", "tokenizer.h5");
}
END_TEST

START_TEST(the_prior_computes_what_it_did)
{
    checkpoint_import_both();
    checkpoint_check_prior("prior.h5", "prior.h5");
}
END_TEST

START_TEST(the_autoregressive_prior_computes_what_it_did)
{
    checkpoint_import_both();
    fixture_ok(&fixture, checkpoint_import(TEST_CHECKPOINTS "/autoregressive.th", "causal.h5", "tokenizer.h5", "heads=3"));
    checkpoint_check_prior("autoregressive.h5", "causal.h5");
}
END_TEST

/* ---- what a model says of itself ------------------------------------------------------------------------------------- */

static void same_number(const struct tess_artefact *a, const char *attr, int64_t wanted)
{
    ck_assert_int_eq(tess_attrs_i64_or(tess_artefact_attrs(a), attr, -1), wanted);
}

START_TEST(an_artefact_like_one_of_training)
{
    static const char conv[] = "{use: conv, channels: 4, channel_mult: [1, 2], res_blocks: 1, attn_resolutions: [4], groups: 4, "
                               "variant: unleashing, z_channels: 0}";
    struct tess_artefact *tokenizer, *prior;
    struct tess_digest d;
    char file[TESS_DIGEST_TEXT];
    checkpoint_import_both();
    fixture_ok(&fixture, tessi_store_artefact_open(C, "tokenizer.h5", &tokenizer));
    fixture_ok(&fixture, tessi_store_artefact_open(C, "prior.h5", &prior));
    fixture_ok(&fixture, tessi_store_artefact_verify(C, tokenizer));
    ck_assert_str_eq(tess_artefact_kind(tokenizer), "autoencoder");
    checkpoint_same_text(tokenizer, "encoder", conv);
    checkpoint_same_text(tokenizer, "decoder", conv);
    checkpoint_same_text(tokenizer, "quantizer", "{use: nearest, codebook_size: 24, code_dim: 6, beta: 0.25, beta_on: codebook}");
    same_number(tokenizer, "height", 8);
    same_number(tokenizer, "width", 12);
    same_number(tokenizer, "channels", 3);
    same_number(tokenizer, "latent_height", 4);
    same_number(tokenizer, "latent_width", 6);
    same_number(tokenizer, "codebook_size", 24);
    same_number(tokenizer, "code_dim", 6);
    ck_assert_str_eq(tess_artefact_kind(prior), "prior");
    checkpoint_same_text(prior, "noise", "{use: absorbing, steps: 20, mask: random, loss: reweighted, weight: code}");
    checkpoint_same_text(prior, "denoiser",
                         "{use: transformer, embed_dim: 12, layers: 2, heads: 3, mlp_ratio: 4, dropout: 0, init: published}");
    checkpoint_same_text(prior, "tokenizer", tess_artefact_digest(tokenizer));
    same_number(prior, "height", 4);
    same_number(prior, "width", 6);
    same_number(prior, "codebook_size", 24);
    tess_digest_start(&d);
    fixture_ok(&fixture, tess_digest_add_file(C, &d, TEST_CHECKPOINTS "/absorbing.th"));
    tess_digest_end(&d, file);
    ck_assert_str_eq(tessi_store_artefact_provenance(prior, "input.file"), file);
    ck_assert_str_eq(tessi_store_artefact_provenance(prior, "input.tokenizer"), tess_artefact_digest(tokenizer));
    ck_assert_str_eq(tessi_store_artefact_provenance(prior, "tool"), "tessera " PACKAGE_VERSION);
    ck_assert_ptr_nonnull(strstr(tessi_store_artefact_provenance(prior, "plugin"), "checkpoint/1 unleashing-transformers"));
    ck_assert_ptr_nonnull(strstr(tessi_store_artefact_provenance(prior, "parameters"), "heads: 3"));
    const char *imported = tessi_store_artefact_provenance(prior, "imported");
    ck_assert_msg(
        imported && strncmp(imported, "file      absorbing.th, 41 tensors (torch)\ntaken     37 tensors, 4668 parameters\nleft ", 81) == 0,
        "%s", imported);
    ck_assert_ptr_nonnull(strstr(imported, "left      3: statistics of the training (Lt_history ...)\n"));
    ck_assert_msg(strstr(imported, "3 heads"), "%s", imported);
    ck_assert_ptr_nonnull(strstr(command("inspect prior.h5")->out, "taken     37 tensors, 4668 parameters\n"));
    tessi_store_artefact_close(tokenizer);
    tessi_store_artefact_close(prior);
}
END_TEST

/* The digest of the file has a thread of its own beside the workers, wherever there is more than one processor. */
START_TEST(a_file_is_digested_beside_the_import)
{
    const struct command_result *r =
        command_within(&(struct command_limits){.inject = "count"},
                       "import %s/vqgan.th -o t.h5 --as unleashing-transformers groups=4 height=8 width=12", TEST_CHECKPOINTS);
    const char *at = strstr(r->err, " thread ");
    int processors = tessi_base_processors();
    ck_assert_msg(r->code == 0 && at, "%s", r->err);
    ck_assert_int_eq(strtol(at + 8, NULL, 10), processors > 1 ? processors : 0);
}
END_TEST

/* ---- out again --------------------------------------------------------------------------------------------------------- */

START_TEST(there_and_back_bit_by_bit)
{
    checkpoint_import_both();
    fixture_ok(&fixture, checkpoint_export("tokenizer.h5", "tokenizer.safetensors", "groups=4"));
    fixture_ok(&fixture, checkpoint_export("prior.h5", "prior.safetensors", "heads=3"));
    ck_assert_int_eq(checkpoint_same_tensors("tokenizer.safetensors", TEST_CHECKPOINTS "/vqgan.th"), 132);
    ck_assert_int_eq(checkpoint_same_tensors("prior.safetensors", TEST_CHECKPOINTS "/absorbing.th"), 37);
    fixture_ok(&fixture, checkpoint_import("tokenizer.safetensors", "tokenizer2.h5", NULL, "groups=4 height=8 width=12"));
    fixture_ok(&fixture, checkpoint_import("prior.safetensors", "prior2.h5", "tokenizer2.h5", "heads=3 steps=20"));
    checkpoint_same_content("tokenizer.h5", "tokenizer2.h5");
    checkpoint_same_content("prior.h5", "prior2.h5");
}
END_TEST

/* 38: the absorbing one's, and the start. */
START_TEST(an_autoregressive_prior_there_and_back)
{
    struct tess_artefact *a;
    checkpoint_import_both();
    fixture_ok(&fixture, checkpoint_import(TEST_CHECKPOINTS "/autoregressive.th", "causal.h5", "tokenizer.h5", "heads=3"));
    fixture_ok(&fixture, tessi_store_artefact_open(C, "causal.h5", &a));
    checkpoint_same_text(a, "noise", "{use: autoregressive}");
    checkpoint_same_text(a, "denoiser",
                         "{use: transformer, embed_dim: 12, layers: 2, heads: 3, mlp_ratio: 4, dropout: 0, init: published}");
    same_number(a, "codebook_size", 24);
    tessi_store_artefact_close(a);
    fixture_ok(&fixture, checkpoint_export("causal.h5", "causal.safetensors", "heads=3"));
    ck_assert_int_eq(checkpoint_same_tensors("causal.safetensors", TEST_CHECKPOINTS "/autoregressive.th"), 38);
    fixture_ok(&fixture, checkpoint_import("causal.safetensors", "causal2.h5", "tokenizer.h5", "heads=3"));
    checkpoint_same_content("causal.h5", "causal2.h5");
    checkpoint_refused(checkpoint_export("causal.h5", "x.safetensors", NULL), TESS_E_VALUE, "`heads` of the model is 3, not 8");
    fixture_ok(&fixture, checkpoint_import(TEST_CHECKPOINTS "/vqgan.th", "wide.h5", NULL, "groups=4 height=8 width=16"));
    checkpoint_refused(checkpoint_import(TEST_CHECKPOINTS "/autoregressive.th", "x.h5", "wide.h5", "heads=3"), TESS_E_DATA,
                       "the prior is of 24 tokens of 24 codes, the tokenizer makes 4 x 8 of 24: it is another's");
}
END_TEST

/* Export and import of a model with the image-likelihood head, which is written under its published names and read as part of the model. */
START_TEST(there_and_back_with_the_head)
{
    struct tess_artefact *a;
    checkpoint_import_both();
    small_write("head.yaml", "tessera: 1\nname: head\nstages:\n"
                             "  images: {use: import, source: {use: idx, images: images}, channels: 3, split: 0.75}\n"
                             "  head: {use: train-likelihood, in: {images: images, model: tokenizer.h5}, steps: 2, batch: 4}\n");
    (void)command_ends(0, "", "run head.yaml -q");
    fixture_ok(&fixture, checkpoint_export("runs/head/head.h5", "head.safetensors", "groups=4"));
    fixture_ok(&fixture, checkpoint_import("head.safetensors", "head.h5", NULL, "groups=4 height=8 width=12"));
    fixture_ok(&fixture, checkpoint_export("head.h5", "head2.safetensors", "groups=4"));
    ck_assert_int_eq(checkpoint_same_tensors("head.safetensors", "head2.safetensors"), 136);
    fixture_ok(&fixture, checkpoint_export("tokenizer.h5", "tokenizer.safetensors", "groups=4"));
    ck_assert_int_eq(checkpoint_same_tensors("tokenizer.safetensors", "head.safetensors"), 132);
    fixture_ok(&fixture, tessi_store_artefact_open(C, "head.h5", &a));
    same_number(a, "likelihood", 1);
    ck_assert(tess_artefact_has(a, "weights/decoder/logsigma/2/weight"));
    tessi_store_artefact_close(a);
    fixture_ok(&fixture, tessi_store_artefact_open(C, "tokenizer.h5", &a));
    same_number(a, "likelihood", -1);
    tessi_store_artefact_close(a);
    /* a prior of the codes is one of the model the head was added to */
    fixture_ok(&fixture, checkpoint_import(TEST_CHECKPOINTS "/absorbing.th", "prior2.h5", "runs/head/head.h5", "heads=3"));
    checkpoint_same_content("prior.h5", "prior2.h5");
}
END_TEST

/* Networks of the same plugins that the architecture has no names for. */
START_TEST(an_export_of_the_other_variant)
{
    /* words of another parameter say nothing of the variant */
    static const char taming[] = "{use: conv, channels: 4, groups: 4, note: ', variant: unleashing', variant: taming, z_channels: 0}";
    static const char unleashing[] = "{use: conv, channels: 4, groups: 4, variant: unleashing, z_channels: 0}";
    for (int decoder = 0; decoder < 2; decoder++) {
        struct tess_artefact *a;
        struct tessi_provenance about = {.tool = "test"};
        char digest[TESS_DIGEST_TEXT];
        float value[4] = {1, 2, 3, 4};
        struct tess_tensor t = tess_tensor_over(value, TESS_F32, 1, DIMS(4));
        fixture_ok(&fixture, tessi_store_artefact_create(C, "taming.h5", "autoencoder", &a));
        checkpoint_numbers(a, "autoencoder");
        fixture_ok(&fixture, tess_attrs_set_text(C, tess_artefact_describe(a), "encoder", decoder ? unleashing : taming));
        fixture_ok(&fixture, tess_attrs_set_text(C, tess_artefact_describe(a), "decoder", decoder ? taming : unleashing));
        fixture_ok(&fixture, tess_artefact_put(C, a, "weights/encoder/conv_in/bias", &t, NULL));
        fixture_ok(&fixture, tessi_store_artefact_finish(C, a, &about, digest));
        checkpoint_refused(checkpoint_export("taming.h5", "x.safetensors", "groups=4"), TESS_E_VALUE,
                           decoder ? "unleashing-transformers has the decoder conv of `variant: unleashing`, the model {use: conv"
                                   : "unleashing-transformers has the encoder conv of `variant: unleashing`, the model {use: conv");
        ck_assert_int_ne(access("x.safetensors", F_OK), 0);
    }
}
END_TEST

START_TEST(an_export_that_would_mean_another_model)
{
    checkpoint_import_both();
    checkpoint_refused(checkpoint_export("tokenizer.h5", "x.safetensors", NULL), TESS_E_VALUE,
                       "tokenizer.h5: `groups` of the model is 4, not 32, and the file would not tell; say groups=4 here");
    checkpoint_refused(checkpoint_export("prior.h5", "x.safetensors", NULL), TESS_E_VALUE, "`heads` of the model is 3, not 8");
    checkpoint_refused(checkpoint_export("prior.h5", "x.npy", "heads=3"), TESS_E_USAGE,
                       "x.npy: the ending says the format, or --format does, which can be: ");
    checkpoint_refused(checkpoint_export("prior.h5", "no/x.safetensors", "heads=3"), TESS_E_CREATE, "its folder does not exist");
    checkpoint_refused(checkpoint_export("none.h5", "x.safetensors", NULL), TESS_E_IO, "none.h5: no such file");
    ck_assert_int_ne(access("x.safetensors", F_OK), 0);
    ck_assert(!tessi_base_aside_left("x.safetensors", (char[300]){0}, 300));
}
END_TEST

/* ---- the whole file, changed ------------------------------------------------------------------------------------------ */

#define UNLEASHING "unleashing-transformers"

static const char *const small[] = {"groups=4", "height=8", "width=12"};

static int64_t taken_of(struct tensor_list *l)
{
    struct matched k;
    fixture_ok(&fixture, list_match(l, UNLEASHING, NULL, small, 3, &k));
    int64_t n = tess_weights_count(k.m.weights);
    list_match_close(&k);
    return n;
}

START_TEST(what_may_be_missing_or_more)
{
    struct tensor_list *l = calloc(1, sizeof *l);
    ck_assert_ptr_nonnull(l);
    list_read(l, TEST_CHECKPOINTS "/vqgan.th");
    ck_assert_int_eq(taken_of(l), 132);
    list_add(l, "ae.generator.logsigma.0.weight", "f32", 4, (const int64_t[]){4, 4, 3, 3});
    list_add(l, "ae.generator.logsigma.0.bias", "f32", 1, (const int64_t[]){4});
    list_add(l, "ae.generator.logsigma.2.weight", "f32", 4, (const int64_t[]){3, 4, 1, 1});
    list_add(l, "ae.generator.logsigma.2.bias", "f32", 1, (const int64_t[]){3});
    ck_assert_int_eq(taken_of(l), 136);
    list_drop(l, "logsigma");
    list_drop(l, "perceptual.");
    list_drop(l, "ae.encoder.blocks.1.conv_out");
    ck_assert_int_eq(taken_of(l), 132);
    list_drop(l, "disc.main.5."); /* now it is another discriminator, which is left as a whole */
    ck_assert_int_eq(taken_of(l), 125);
    list_drop(l, "disc.");
    ck_assert_int_eq(taken_of(l), 125);
    free(l);
}
END_TEST

/* Single changes after which a list of tensors is not that of the architecture, and the message of each. */
static const struct {
    const char *drop, *add, *change; /* names */
    int32_t rank;
    int64_t dim[4]; /* shape of the added or changed tensor; rank -1: its dtype is changed */
    const char *words;
} changes[] = {
    {"ae.generator.blocks.3.conv1.bias",
     NULL,
     NULL,
     0,
     {0},
     "lacks 1 of the model's weights, the first of them decoder.blocks.3.conv1.bias"},
    {"ae.encoder.blocks.6.q.bias", NULL, NULL, 0, {0}, "lacks 1 of the model's weights, the first of them encoder.blocks.6.q.bias"},
    {"ae.generator.blocks.1.", NULL, NULL, 0, {0}, "lacks 8 of the model's weights, the first of them decoder.blocks.1."},
    {"ae.generator", NULL, NULL, 0, {0}, "of the model's weights, the first of them decoder.blocks.0.weight"},
    {"ae.quantize", NULL, NULL, 0, {0}, "wanted the codebook `ae.quantize.embedding.weight` (K, D), found none"},
    {"ae.quantize", "ae.quantize.embed.weight", NULL, 2, {24, 6}, "wanted the codebook `ae.quantize.embedding.weight` (K, D), found none"},
    {"ae.encoder.blocks.5.", NULL, NULL, 0, {0}, "its blocks do not begin with a convolution and end with"},
    {"ae.encoder.blocks.0.", NULL, NULL, 0, {0}, "the file is neither an autoencoder"},
    {NULL,
     "ae.generator.logsigma.0.weight",
     NULL,
     4,
     {4, 4, 3, 3},
     "lacks 3 of the model's weights, the first of them decoder.logsigma.0.bias"},
    {NULL, "ae.generator.logsigma.2.bias", NULL, 1, {3}, "`ae.generator.logsigma.2.bias` is more than the model has"},
    {NULL,
     "quant_conv.weight",
     NULL,
     4,
     {6, 6, 1, 1},
     "1 tensors are none of unleashing-transformers: `quant_conv.weight`; is the file of another"},
    {NULL, "ae.generator.blocks.30.weight", NULL, 1, {4}, "`ae.generator.blocks.30.weight` is more than the model has"},
    {NULL, "ae.encoder.blocks.1.conv3.weight", NULL, 1, {4}, "`ae.encoder.blocks.1.conv3.weight` is more than the model has"},
    {NULL,
     NULL,
     "ae.encoder.blocks.1.conv2.weight",
     4,
     {4, 4, 1, 3},
     "`ae.encoder.blocks.1.conv2.weight` is f32 (4, 4, 1, 3), which does not fit"},
    {NULL,
     NULL,
     "ae.encoder.blocks.1.norm1.weight",
     1,
     {5},
     "is f32 (5), which does not fit encoder.blocks.1.norm1.weight of the model, f32 (4)"},
    {NULL,
     NULL,
     "ae.quantize.embedding.weight",
     2,
     {24, 7},
     "is f32 (24, 7), which does not fit quantizer.codebook of the model, f32 (24, 6)"},
    {NULL, NULL, "ae.quantize.embedding.weight", 2, {1, 6}, "codebook_size"},
    {NULL, NULL, "ae.encoder.blocks.0.weight", 4, {0, 3, 3, 3}, "no multiple of the first convolution's"},
    {NULL, NULL, "ae.encoder.blocks.3.conv1.weight", 4, {6, 4, 3, 3}, "no multiple of the first convolution's"},
    {NULL, NULL, "ae.generator.blocks.0.bias", -1, {0}, "`ae.generator.blocks.0.bias` is i64 (8), and weights are real numbers"},
};

START_TEST(a_list_of_something_else)
{
    struct tensor_list *l = calloc(1, sizeof *l);
    struct matched k;
    ck_assert_ptr_nonnull(l);
    list_read(l, TEST_CHECKPOINTS "/vqgan.th");
    if (changes[_i].drop)
        list_drop(l, changes[_i].drop);
    if (changes[_i].add)
        list_add(l, changes[_i].add, "f32", changes[_i].rank, changes[_i].dim);
    if (changes[_i].change && changes[_i].rank < 0) {
        list_named(l, changes[_i].change)->dtype = "i64";
        list_named(l, changes[_i].change)->is_real = 0;
    } else if (changes[_i].change) {
        list_named(l, changes[_i].change)->rank = changes[_i].rank;
        memcpy(list_named(l, changes[_i].change)->dim, changes[_i].dim, sizeof changes[_i].dim);
    }
    int status = list_match(l, UNLEASHING, NULL, small, 3, &k);
    ck_assert_int_ne(status, TESS_OK);
    checkpoint_refused(status, status == TESS_E_VALUE || status == TESS_E_USAGE ? status : TESS_E_DATA, changes[_i].words);
    list_match_close(&k);
    free(l);
}
END_TEST

/* Single changes after which a list of tensors is not that of the autoregressive prior. */
static const struct {
    const char *drop, *add, *words;
} causal_changes[] = {{"start_tok", NULL, "lacks 1 of the model's weights, the first of them denoiser.start_tok"},
                      {"net.pos_emb", NULL, "wanted `net.head.weight` (K, D), `net.pos_emb` (1, L, D)"},
                      {"blocks.1.attn.key", NULL, "lacks 2 of the model's weights, the first of them denoiser.blocks.1.attn.key.weight"},
                      {NULL, "net.blocks.0.attn.masks", "`net.blocks.0.attn.masks` is more than the model has"},
                      {NULL, "other", "1 tensors are none of unleashing-transformers: `other`; is the file of another"}};

START_TEST(an_autoregressive_list_of_something_else)
{
    static const char *const three[] = {"heads=3"};
    struct tensor_list *l = calloc(1, sizeof *l);
    struct tess_attrs *tokenizer;
    struct matched k;
    fixture_ok(&fixture, tessi_base_attrs_new(C, &tokenizer));
    fixture_ok(&fixture, tess_attrs_set_i64(C, tokenizer, "latent_height", 4));
    fixture_ok(&fixture, tess_attrs_set_i64(C, tokenizer, "latent_width", 6));
    fixture_ok(&fixture, tess_attrs_set_i64(C, tokenizer, "codebook_size", 24));
    list_read(l, TEST_CHECKPOINTS "/autoregressive.th");
    if (causal_changes[_i].drop)
        list_drop(l, causal_changes[_i].drop);
    else
        list_add(l, causal_changes[_i].add, "f32", 1, (const int64_t[]){12});
    checkpoint_refused(list_match(l, UNLEASHING, tokenizer, three, 1, &k), TESS_E_DATA, causal_changes[_i].words);
    list_match_close(&k);
    tessi_base_attrs_free(tokenizer);
    free(l);
}
END_TEST

START_TEST(a_prior_and_its_tokenizer)
{
    checkpoint_import_both();
    checkpoint_refused(checkpoint_import(TEST_CHECKPOINTS "/absorbing.th", "x.h5", NULL, "heads=3"), TESS_E_USAGE,
                       "is a prior, which is of the codes of one tokenizer; import that first");
    checkpoint_refused(checkpoint_import(TEST_CHECKPOINTS "/absorbing.th", "x.h5", "prior.h5", "heads=3"), TESS_E_DATA,
                       "prior.h5: is of kind `prior`, an autoencoder was wanted for --tokenizer");
    checkpoint_refused(checkpoint_import(TEST_CHECKPOINTS "/vqgan.th", "x.h5", "tokenizer.h5", "groups=4 height=8 width=12"), TESS_E_USAGE,
                       "is an autoencoder, and --tokenizer is for priors; leave it out");
    fixture_ok(&fixture, checkpoint_import(TEST_CHECKPOINTS "/vqgan.th", "wide.h5", NULL, "groups=4 height=8 width=16"));
    checkpoint_refused(checkpoint_import(TEST_CHECKPOINTS "/absorbing.th", "x.h5", "wide.h5", "heads=3"), TESS_E_DATA,
                       "the prior is of 24 tokens of 24 codes, the tokenizer makes 4 x 8 of 24: it is another's");
    checkpoint_refused(checkpoint_import(TEST_CHECKPOINTS "/absorbing.th", "x.h5", "tokenizer.h5", NULL), TESS_E_VALUE,
                       "8 heads do not divide embed_dim 12");
    checkpoint_refused(checkpoint_import(TEST_CHECKPOINTS "/vqgan.th", "x.h5", NULL, "groups=4 height=9"), TESS_E_VALUE,
                       "halves images 1 times, which 9 x 256 cannot be; say height= and width=");
    ck_assert_int_ne(access("x.h5", F_OK), 0);
}
END_TEST

/* Found only when the values are read: still nothing is left behind. */
START_TEST(a_weight_that_is_not_finite)
{
    size_t bytes;
    checkpoint_import_both();
    fixture_ok(&fixture, checkpoint_export("tokenizer.h5", "spoilt.safetensors", "groups=4"));
    char *all = checkpoint_slurp("spoilt.safetensors", &bytes);
    memcpy(all + bytes - 4, "\0\0\xc0\x7f", 4);
    checkpoint_write("spoilt.safetensors", all, bytes);
    checkpoint_refuses("spoilt.safetensors", "` has a value that is not finite; the model diverged");
    free(all);
}
END_TEST

/* ---- the published sizes ----------------------------------------------------------------------------------------------- */

START_TEST(the_published_tokenizer)
{
    struct tensor_list *l = calloc(1, sizeof *l);
    struct matched k;
    ck_assert_ptr_nonnull(l);
    list_read_published(l, "vqgan");
    fixture_ok(&fixture, list_match(l, UNLEASHING, NULL, NULL, 0, &k));
    ck_assert_str_eq(tess_attrs_text_or(k.m.plan.attrs, "encoder", ""),
                     "{use: conv, channels: 128, channel_mult: [1, 1, 2, 2, 4], res_blocks: 2, attn_resolutions: [16], groups: 32, "
                     "variant: unleashing, z_channels: 0}");
    ck_assert_int_eq(tess_attrs_i64_or(k.m.plan.attrs, "latent_height", 0), 16);
    ck_assert_str_eq(tess_attrs_text_or(k.m.plan.attrs, "critic", ""), "{use: patchgan, channels: 64, layers: 3, range: unit}");
    /* The total of the paper's code without the head for variances and the shortcuts that are never used; and the discriminator's. */
    ck_assert_int_eq(tess_weights_size(k.m.weights), 65779974 - 147971 - 2348928 + 2765633);
    list_check_back(l, &k);
    list_match_close(&k);
    free(l);
}
END_TEST

/* The total of the paper: without the start token that the absorbing prior has and does not use. */
static const struct {
    const char *title, *noise;
    int64_t weights;
} published_priors[] = {{"absorbing", "{use: absorbing, steps: 256, mask: random, loss: reweighted, weight: code}", 76838912 - 512},
                        {"autoregressive", "{use: autoregressive}", 76838400}};

START_TEST(the_published_priors)
{
    struct tensor_list *l = calloc(1, sizeof *l);
    struct tess_attrs *tokenizer;
    struct matched k;
    ck_assert_ptr_nonnull(l);
    fixture_ok(&fixture, tessi_base_attrs_new(C, &tokenizer));
    fixture_ok(&fixture, tess_attrs_set_i64(C, tokenizer, "latent_height", 16));
    fixture_ok(&fixture, tess_attrs_set_i64(C, tokenizer, "latent_width", 16));
    fixture_ok(&fixture, tess_attrs_set_i64(C, tokenizer, "codebook_size", 1024));
    list_read_published(l, published_priors[_i].title);
    fixture_ok(&fixture, list_match(l, UNLEASHING, tokenizer, NULL, 0, &k));
    ck_assert_str_eq(tess_attrs_text_or(k.m.plan.attrs, "denoiser", ""),
                     "{use: transformer, embed_dim: 512, layers: 24, heads: 8, mlp_ratio: 4, dropout: 0, init: published}");
    ck_assert_str_eq(tess_attrs_text_or(k.m.plan.attrs, "noise", ""), published_priors[_i].noise);
    ck_assert_int_eq(tess_weights_size(k.m.weights), published_priors[_i].weights);
    list_check_back(l, &k);
    list_match_close(&k);
    tessi_base_attrs_free(tokenizer);
    free(l);
}
END_TEST

/* ---- as a user meets it ------------------------------------------------------------------------------------------------ */

static const char pipeline[] = "tessera: 1\n"
                               "name: imported\n"
                               "stages:\n"
                               "  images: {use: import, source: {use: idx, images: colour}, split: 0.75}\n"
                               "  codes: {use: encode, in: {images: images, model: tokenizer.h5}}\n"
                               "  decoded: {use: decode, in: {codes: codes, model: tokenizer.h5}}\n"
                               "  samples: {use: sample, in: {prior: prior.h5, model: tokenizer.h5}, count: 3}\n"
                               "  metrics: {use: evaluate, in: {images: images, model: tokenizer.h5, prior: prior.h5}}\n"
                               "  tuned: {use: train-prior, in: {codes: codes}, steps: 3, batch: 4, noise: {use: absorbing, steps: 20},\n"
                               "          denoiser: {use: transformer, embed_dim: 12, layers: 1, heads: 3}}\n"
                               "  more: {use: sample, in: {prior: tuned, model: tokenizer.h5}, count: 2}\n";

START_TEST(pipelines_take_it_for_their_own)
{
    enum { N = 16 };
    uint8_t pixel[N * 8 * 12 * 3];
    for (size_t i = 0; i < sizeof pixel; i++)
        pixel[i] = (uint8_t)(i * 37 + i / 96 * 11);
    small_write_idx("colour", 4, (const int64_t[]){N, 8, 12, 3}, pixel, sizeof pixel);
    small_write("imported.yaml", pipeline);
    const struct command_result *r = command("import %s/vqgan.th -o tokenizer.h5 --as unleashing-transformers groups=4 height=8 width=12",
                                             TEST_CHECKPOINTS);
    ck_assert_msg(r->code == 0, "%s", r->err);
    ck_assert_ptr_nonnull(strstr(r->out, "taken     132 tensors, 11272 parameters"));
    ck_assert_ptr_nonnull(strstr(r->out, "left      12: shortcuts of residual blocks that keep their width"));
    ck_assert_ptr_nonnull(strstr(r->out, "left      3: running statistics of the discriminator's norms"));
    ck_assert_ptr_nonnull(strstr(r->out, "critic    {use: patchgan, channels: 2, layers: 1, range: unit}"));
    ck_assert_ptr_nonnull(strstr(r->out, "left      38: the network of the perceptual loss"));
    ck_assert_ptr_nonnull(strstr(r->out, "assumed   images of 8 x 12, norms of 4 groups: the file does not tell"));
    r = command("import %s/absorbing.th -o prior.h5 --tokenizer tokenizer.h5 --as unleashing-transformers heads=3", TEST_CHECKPOINTS);
    ck_assert_msg(r->code == 0, "%s", r->err);
    ck_assert_ptr_nonnull(strstr(r->out, "left      3: statistics of the training (Lt_history ...)"));
    r = command("run imported.yaml");
    ck_assert_msg(r->code == 0, "%s", r->err);
    r = command("export prior.h5 -o prior.safetensors --as unleashing-transformers heads=3");
    ck_assert_msg(r->code == 0, "%s", r->err);
    ck_assert_ptr_nonnull(strstr(r->out, "prior.safetensors: 37 tensors, 4668 parameters, of prior.h5"));
    /* Small weights have no checksum in the file, and go nowhere where they are not those that were written. */
    small_shell("printf AB | dd of=prior.h5 bs=1 seek=$(($(stat -c %s prior.h5) / 8 * 4)) conv=notrunc 2>/dev/null");
    (void)command_ends(65, "prior.h5", "export prior.h5 -o other.safetensors --as unleashing-transformers heads=3");
    small_shell("test ! -e other.safetensors");
}
END_TEST

START_TEST(pipelines_take_an_autoregressive_prior)
{
    checkpoint_import_both();
    small_write("causal.yaml", "tessera: 1\n"
                               "stages:\n"
                               "  samples: {use: sample, in: {prior: causal.h5, model: tokenizer.h5}, count: 3}\n");
    const struct command_result *r = command_ends(0, "", "import %s/autoregressive.th -o causal.h5 --tokenizer tokenizer.h5 "
                                                         "--as unleashing-transformers heads=3", TEST_CHECKPOINTS);
    ck_assert_ptr_nonnull(strstr(r->out, "left      2: masks of causal attention, which are always the same (net.blocks.0.attn.mask ...)"));
    ck_assert_ptr_nonnull(
        strstr(r->out, "warning   3 heads: the file does not tell, and other numbers make other samples without an error; set heads="));
    (void)command_ends(0, "", "run causal.yaml -q");
    const char *at = strstr(command_ends(0, "", "inspect runs/causal/samples.h5")->out, "\n  steps ");
    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq(atoi(at + strlen("\n  steps ")), 24);
}
END_TEST

START_TEST(slips_of_the_hand)
{
    (void)command_ends(
        2,
        "wanted --as NAME, the architecture whose names the file has; there are: diffusers, ibq, llamagen, open-magvit2, taming, "
        "unleashing-transformers, vq-ddm",
        "import %s/vqgan.th -o x.h5", TEST_CHECKPOINTS);
    (void)command_ends(
        69, "no checkpoint is called `tamed`; there are diffusers, ibq, llamagen, open-magvit2, taming, unleashing-transformers, vq-ddm",
        "import %s/vqgan.th -o x.h5 --as tamed", TEST_CHECKPOINTS);
    (void)command_ends(2, "no parameter `hight`; did you mean `height`?", "import %s/vqgan.th -o x.h5 --as unleashing-transformers hight=8",
                       TEST_CHECKPOINTS);
    (void)command_ends(2, "wants an integer 1 .. 65536", "import %s/vqgan.th -o x.h5 --as unleashing-transformers height=0",
                       TEST_CHECKPOINTS);
    (void)command_ends(2, "`height` is given twice", "import %s/vqgan.th -o x.h5 --as unleashing-transformers height=8 height=8",
                       TEST_CHECKPOINTS);
    (void)command_ends(2, "wanted -o FILE", "import %s/vqgan.th --as unleashing-transformers", TEST_CHECKPOINTS);
    (void)command_ends(2, "wanted the name of a file", "export -o x.safetensors --as unleashing-transformers");
    (void)command_ends(2, "there is no flag `--tokenizer`", "export x.h5 --tokenizer y.h5 -o x.safetensors --as unleashing-transformers");
    (void)command_ends(65, "images: is no HDF5 file", "import %s/absorbing.th -o x.h5 --as unleashing-transformers --tokenizer images",
                       TEST_CHECKPOINTS);
    (void)command_ends(2, "level 0 has 4 channels, which 32 groups do not divide",
                       "import %s/vqgan.th -o x.h5 --as unleashing-transformers",
                       TEST_CHECKPOINTS);
    (void)command_ends(73, "its folder does not exist",
                       "import %s/vqgan.th -o no/x.h5 --as unleashing-transformers groups=4 height=8 width=12",
                       TEST_CHECKPOINTS);
    ck_assert_int_ne(access("x.h5", F_OK), 0);
}
END_TEST

/* ---- memory ------------------------------------------------------------------------------------------------------------ */

START_TEST(every_allocation_may_fail)
{
    int status = TESS_E_MEMORY;
    fixture_ok(&fixture, tessi_host_runtime_compute(C, fixture.runtime));
    int64_t before = tessi_base_memory_in_use();
    for (int64_t n = 1; status != TESS_OK; n += n < 200 ? 1 : 37) {
        ck_assert_int_lt(n, 1000000);
        tessi_base_memory_fail_at(n);
        status = checkpoint_import(TEST_CHECKPOINTS "/vqgan.th", "x.h5", NULL, "groups=4 height=8 width=12");
        tessi_base_memory_fail_at(0);
        ck_assert_msg(status == TESS_OK || status == TESS_E_MEMORY, "allocation %lld: %d, %s", (long long)n, status,
                      tessi_base_context_message(C));
        ck_assert_int_eq(tessi_base_memory_in_use(), before);
        ck_assert_int_eq(access("x.h5", F_OK) == 0, status == TESS_OK);
        tessi_base_context_clear(C);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("checkpoints");
    TCase *tests = tcase_create("checkpoints");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, checkpoint_setup, checkpoint_teardown);
    tcase_add_test(tests, the_tokenizer_computes_what_it_did);
    tcase_add_test(tests, the_prior_computes_what_it_did);
    tcase_add_test(tests, the_autoregressive_prior_computes_what_it_did);
    tcase_add_test(tests, an_artefact_like_one_of_training);
    tcase_add_test(tests, a_file_is_digested_beside_the_import);
    tcase_add_test(tests, there_and_back_bit_by_bit);
    tcase_add_test(tests, an_autoregressive_prior_there_and_back);
    tcase_add_test(tests, there_and_back_with_the_head);
    tcase_add_test(tests, an_export_that_would_mean_another_model);
    tcase_add_test(tests, an_export_of_the_other_variant);
    tcase_add_test(tests, what_may_be_missing_or_more);
    tcase_add_loop_test(tests, a_list_of_something_else, 0, (int)(sizeof changes / sizeof *changes));
    tcase_add_loop_test(tests, an_autoregressive_list_of_something_else, 0, (int)(sizeof causal_changes / sizeof *causal_changes));
    tcase_add_test(tests, a_prior_and_its_tokenizer);
    tcase_add_test(tests, a_weight_that_is_not_finite);
    tcase_add_test(tests, the_published_tokenizer);
    tcase_add_loop_test(tests, the_published_priors, 0, 2);
    tcase_add_test(tests, pipelines_take_it_for_their_own);
    tcase_add_test(tests, pipelines_take_an_autoregressive_prior);
    tcase_add_test(tests, slips_of_the_hand);
    tcase_add_test(tests, every_allocation_may_fail);
    return suite_run(suite);
}
