/* Checkpoints of taming and VQ-DDM, as their trainer saves them: the weights under `state_dict`, beside what training left behind. What
 * PyTorch computes with a file is what the imported model computes, the discriminator included; what was imported goes out again bit by
 * bit; and what is of something else is refused in one line.
 *
 * The files in tests/checkpoints were written by torch.save (make_checkpoints.py there).
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/checkpoint_model.h"
#include "tests/support/command_fixture.h"
#include "tests/support/suite.h"
#include "core/base/aside.h"
#include "core/base/attributes_private.h"
#include "tests/support/paths.h"

#include <tessera/kind/critic.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const architecture[] = {"taming", "vq-ddm"};
static const char sizes[] = "groups=4 height=8 width=12";

/* ---- the same as PyTorch ---- */

START_TEST(the_autoencoder_computes_what_it_did)
{
    fixture_ok(&fixture, checkpoint_import_as(architecture[_i], TEST_CHECKPOINTS "/taming.ckpt", "x.h5", NULL, sizes));
    checkpoint_check_tokenizer("taming.h5", "x.h5");
}
END_TEST

START_TEST(the_prior_computes_what_it_did)
{
    checkpoint_import_taming();
    checkpoint_check_prior("vq_ddm.h5", "ddm.h5");
}
END_TEST

/* All four images as one microbatch, over which PyTorch in training takes the statistics of its norms too. */
START_TEST(the_critic_judges_as_it_did)
{
    checkpoint_import_taming();
    struct golden *golden = golden_open("taming.h5");
    struct tess_tensor bytes = checkpoint_bytes(golden, "bytes"), judged = golden_read(golden, "judged", TESS_F32), out = judged;
    struct tess_graph_options o = {.size = sizeof o, .microbatch = bytes.dim[0], .microbatches = 1};
    struct tess_artefact *a;
    struct tess_instance *critic;
    struct tess_weights *w;
    struct tess_graph *g;
    struct tess_node *logits = NULL;
    fixture_ok(&fixture, tessi_host_runtime_compute(C, fixture.runtime));
    fixture_ok(&fixture, tessi_store_artefact_open(C, "taming.h5", &a));
    fixture_ok(&fixture, tess_instance_open(C, "critic/1", tess_attrs_text_or(tess_artefact_attrs(a), "critic", ""), "taming.h5", &critic));
    fixture_ok(&fixture, tess_weights_new(C, 0, &w));
    fixture_ok(&fixture, tess_graph_new(C, w, &o, &g));
    struct tess_node *image = tess_to_f32(g, tess_input(g, "image", TESS_U8, 4, bytes.dim), 1.0f / 255.0f, 0.0f);
    tess_scope(g, "critic");
    const struct tess_critic_1 *ops = tess_instance_ops(critic, "critic/1");
    fixture_ok(&fixture, ops->record(tess_instance_self(critic), C, g, image, &logits));
    tess_scope_end(g);
    tess_output(g, "judged", logits);
    fixture_ok(&fixture, tess_graph_seal(C, g));
    fixture_ok(&fixture, tess_weights_read(C, w, a));
    out.data = calloc(1, tess_tensor_bytes(&judged));
    struct tess_batch b = {.size = sizeof b, .samples = bytes.dim[0], .inputs = 1, .in = &bytes, .outputs = 1, .out = &out};
    fixture_ok(&fixture, tess_graph_run(C, g, &b));
    golden_near("judged", out.data, &judged, 1e-4, 0.0);
    free(out.data);
    free(judged.data);
    free(bytes.data);
    tess_graph_free(g);
    tess_weights_free(w);
    tess_instance_close(critic);
    tessi_store_artefact_close(a);
    golden_close(golden);
}
END_TEST

/* ---- what a model says of itself ---- */

START_TEST(artefacts_like_those_of_training)
{
    static const char conv[] = "{use: conv, channels: 4, channel_mult: [1, 2], res_blocks: 1, attn_resolutions: [4], groups: 4, "
                               "variant: taming, z_channels: 6}";
    struct tess_artefact *tokenizer, *prior;
    checkpoint_import_taming();
    fixture_ok(&fixture, tessi_store_artefact_open(C, "taming.h5", &tokenizer));
    fixture_ok(&fixture, tessi_store_artefact_open(C, "ddm.h5", &prior));
    fixture_ok(&fixture, tessi_store_artefact_verify(C, tokenizer));
    fixture_ok(&fixture, tessi_store_artefact_verify(C, prior));
    checkpoint_same_text(tokenizer, "encoder", conv);
    checkpoint_same_text(tokenizer, "decoder", conv);
    checkpoint_same_text(tokenizer, "quantizer", "{use: nearest, codebook_size: 24, code_dim: 5, beta: 0.25, beta_on: codebook}");
    checkpoint_same_text(tokenizer, "critic", "{use: patchgan, channels: 2, layers: 1, range: signed}");
    checkpoint_same_text(
        prior, "noise",
        "{use: uniform, steps: 20, schedule: cosine-root, offset: 0.008, clip: 0.001, step: plug-in, first_step: published, "
        "residual: 0, times: importance}");
    checkpoint_same_text(prior, "denoiser",
                         "{use: unet, channels: 8, channel_mult: [1, 2], heads: 4, head_dim: 32, groups: 8, dropout: 0, input: embedding, "
                         "time_offset: -200}");
    checkpoint_same_text(prior, "tokenizer", tess_artefact_digest(tokenizer));
    ck_assert_int_eq(tess_attrs_i64_or(tess_artefact_attrs(prior), "height", -1), 4);
    ck_assert_int_eq(tess_attrs_i64_or(tess_artefact_attrs(prior), "width", -1), 6);
    tessi_store_artefact_close(tokenizer);
    tessi_store_artefact_close(prior);
}
END_TEST

/* ---- out again ---- */

START_TEST(there_and_back_bit_by_bit)
{
    checkpoint_import_taming();
    fixture_ok(&fixture, checkpoint_export_as(architecture[_i], "taming.h5", "taming.safetensors", "groups=4"));
    fixture_ok(&fixture, checkpoint_import_as(architecture[1 - _i], "taming.safetensors", "again.h5", NULL, sizes));
    checkpoint_same_content("taming.h5", "again.h5");
    fixture_ok(&fixture, checkpoint_export_as("taming", "again.h5", "again.safetensors", "groups=4"));
    ck_assert_int_eq(checkpoint_same_tensors("again.safetensors", TEST_CHECKPOINTS "/taming.ckpt"), 162);
    fixture_ok(&fixture, checkpoint_export_as("vq-ddm", "ddm.h5", "ddm.safetensors", "steps=20"));
    ck_assert_int_eq(checkpoint_same_tensors("ddm.safetensors", TEST_CHECKPOINTS "/vq_ddm.ckpt"), 115);
    fixture_ok(&fixture, checkpoint_import_as("vq-ddm", "ddm.safetensors", "ddm2.h5", "again.h5", "steps=20"));
    checkpoint_same_content("ddm.h5", "ddm2.h5");
}
END_TEST

/* A small model of attributes alone. */
static void make_model(const char *path, const char *kind, const char *const *attr)
{
    struct tess_artefact *a;
    struct tessi_provenance about = {.tool = "test"};
    char digest[TESS_DIGEST_TEXT];
    float value[4] = {1, 2, 3, 4};
    struct tess_tensor t = tess_tensor_over(value, TESS_F32, 1, DIMS(4));
    fixture_ok(&fixture, tessi_store_artefact_create(C, path, kind, &a));
    checkpoint_numbers(a, kind);
    for (; *attr; attr += 2)
        fixture_ok(&fixture, tess_attrs_set_text(C, tess_artefact_describe(a), attr[0], attr[1]));
    fixture_ok(&fixture, tess_artefact_put(C, a, "weights/critic/main/0/bias", &t, NULL));
    fixture_ok(&fixture, tess_artefact_put(C, a, "weights/denoiser/mid_block1/block1/block/0/bias", &t, NULL));
    fixture_ok(&fixture, tessi_store_artefact_finish(C, a, &about, digest));
}

#define UNIFORM(schedule, step, residual)                                                                                                  \
    "{use: uniform, steps: 20, schedule: " schedule ", offset: 0.008, clip: 0.001, step: " step ", first_step: published, residual: "      \
    residual ", times: uniform}"
#define PUBLISHED UNIFORM("cosine-root", "plug-in", "0")
#define UNET(groups, offset)                                                                                                               \
    "{use: unet, channels: 8, channel_mult: [1], heads: 4, head_dim: 32, groups: " groups ", dropout: 0, input: embedding, "     \
    "time_offset: " offset "}"

static const struct {
    const char *noise, *denoiser, *words;
} others[] = {
    {"{use: absorbing, steps: 20}", UNET("8", "-200"), "vq-ddm has the noise `uniform`, the model {use: absorbing"},
    {PUBLISHED, "{use: transformer, heads: 4}", "vq-ddm has the denoiser `unet`, the model {use: transformer"},
    {UNIFORM("cosine", "plug-in", "0"), UNET("8", "-200"),
     "vq-ddm has the noise uniform of `schedule: cosine-root`, the model {use: uniform"},
    {UNIFORM("cosine-root", "marginal", "0"), UNET("8", "-200"), "vq-ddm has the noise uniform of `step: plug-in`, the model"},
    {UNIFORM("cosine-root", "plug-in", "1"), UNET("8", "-200"), "vq-ddm has the noise uniform of `residual: 0`, the model"},
    {PUBLISHED, UNET("4", "-200"), "`groups` of the model's denoiser is 4, not 8, and the file would not tell; say norm_groups=4"},
    {PUBLISHED, UNET("8", "0"), "vq-ddm counts steps from 0, which is `time_offset: -200` for 20 steps, the model"},
};

START_TEST(an_export_that_would_mean_another_prior)
{
    make_model("other.h5", "prior", (const char *const[]){"noise", others[_i].noise, "denoiser", others[_i].denoiser, NULL});
    checkpoint_refused(checkpoint_export_as("vq-ddm", "other.h5", "x.safetensors", "steps=20"), TESS_E_VALUE, others[_i].words);
    ck_assert_int_ne(access("x.safetensors", F_OK), 0);
}
END_TEST

START_TEST(an_export_that_would_mean_another_model)
{
    checkpoint_import_both();
    checkpoint_import_taming();
    checkpoint_refused(checkpoint_export_as("taming", "tokenizer.h5", "x.safetensors", "groups=4"), TESS_E_VALUE,
                       "taming has the decoder conv of `variant: taming`, the model {use: conv");
    checkpoint_refused(checkpoint_export_as("taming", "taming.h5", "x.safetensors", NULL), TESS_E_VALUE,
                       "`groups` of the model is 4, not 32, and the file would not tell; say groups=4 here");
    checkpoint_refused(checkpoint_export("taming.h5", "x.safetensors", "groups=4"), TESS_E_VALUE,
                       "unleashing-transformers has the decoder conv of `variant: unleashing`");
    checkpoint_refused(checkpoint_export_as("taming", "ddm.h5", "x.safetensors", NULL), TESS_E_VALUE,
                       "taming has the noise `autoregressive`, the model {use: uniform");
    checkpoint_refused(checkpoint_export_as("vq-ddm", "ddm.h5", "x.safetensors", NULL), TESS_E_VALUE,
                       "`steps` of the model is 20, not 4000, and the file would not tell; say steps=20 here");
    ck_assert_int_ne(access("x.safetensors", F_OK), 0);
}
END_TEST

/* A critic that sees other pixels, or of a kind nobody published, is left and told of. */
START_TEST(an_export_without_its_critic)
{
    static const char conv[] = "{use: conv, channels: 4, groups: 4, variant: taming, z_channels: 0}";
    static const char *const critic[] = {"{use: patchgan, channels: 4, layers: 1, range: unit}", "{use: other}",
                                         "{use: patchgan, channels: 4, layers: 1, range: signed}"};
    for (int i = 0; i < 3; i++) {
        make_model("critic.h5", "autoencoder", (const char *const[]){"encoder", conv, "decoder", conv, "critic", critic[i], NULL});
        struct tess_export_weight w[] = {{.ours = "critic.main.0.bias"}};
        struct tess_artefact *a;
        fixture_ok(&fixture, tessi_store_artefact_open(C, "critic.h5", &a));
        struct tessi_exchange x = {.from = "critic.h5", .as = "taming", .parameter = (const char *const[]){"groups=4"}, .parameters = 1};
        struct tess_instance *checkpoint;
        struct tess_export_plan p = {
            .size = sizeof p, .kind = "autoencoder", .attrs = tess_artefact_attrs(a), .weights = 1, .weight = w};
        fixture_ok(&fixture, tessi_exchange_checkpoint_open(C, &x, &checkpoint));
        const struct tess_checkpoint_1 *ops = tess_instance_ops(checkpoint, "checkpoint/1");
        fixture_ok(&fixture, ops->plan_export(tess_instance_self(checkpoint), C, &p));
        ck_assert_str_eq(w[0].theirs, i == 2 ? "loss.discriminator.main.0.bias" : "");
        if (i < 2)
            ck_assert_str_eq(w[0].left, "a critic that is not the architecture's, or sees pixels of another range");
        tess_instance_close(checkpoint);
        tessi_store_artefact_close(a);
    }
}
END_TEST

/* ---- the whole file, changed ---- */

static const char *const small[] = {"groups=4", "height=8", "width=12"};

/* Single changes after which a list of tensors is not that of the architecture, and the message of each. */
static const struct {
    int prior;
    const char *drop, *add, *change;
    int32_t rank;
    int64_t dim[4];
    const char *words;
} changes[] = {
    {0,
     "decoder.up.1.block.1.conv1.bias",
     NULL,
     NULL,
     0,
     {0},
     "lacks 1 of the model's weights, the first of them decoder.up.1.block.1.conv1.bias"},
    {0, "encoder.mid.attn_1.q.bias", NULL, NULL, 0, {0}, "lacks 1 of the model's weights, the first of them encoder.mid.attn_1.q.bias"},
    {0, "post_quant_conv.bias", NULL, NULL, 0, {0}, "lacks 1 of the model's weights, the first of them decoder.post_quant_conv.bias"},
    {0, "encoder.down.1.attn.0.", NULL, NULL, 0, {0}, "`decoder.up.1.attn.0.norm.weight` is more than the model has"},
    {0,
     "encoder.down.0.block.0.conv1",
     NULL,
     NULL,
     0,
     {0},
     "this is no encoder of taming: there is no `encoder.down.0.block.0.conv1.weight`"},
    {0,
     NULL,
     "encoder.down.0.block.1.conv1.weight",
     NULL,
     4,
     {4, 4, 3, 3},
     "its levels differ in their number of residual blocks, or attention is behind some of them only"},
    {0, "quantize", NULL, NULL, 0, {0}, "wanted the codebook `quantize.embedding.weight` (K, D), found none"},
    {0, "quantize", "quantize.embed.weight", NULL, 2, {24, 5}, "wanted the codebook `quantize.embedding.weight` (K, D), found none"},
    {0, "encoder.conv_in.", NULL, NULL, 0, {0}, "the file is neither an autoencoder (`encoder.conv_in.weight`) nor a transformer"},
    {0, "encoder.conv_in.", "transformer.tok_emb.weight", NULL, 2, {24, 8}, "wanted `transformer.head.weight` (K, D)"},
    {0, NULL, NULL, "quant_conv.weight", 4, {5, 3, 1, 1}, "it makes other channels than `quant_conv.weight` takes"},
    {0, NULL, NULL, "encoder.conv_in.weight", 4, {3, 3, 3, 3}, "the width of a level is no multiple of the first convolution's"},
    {0,
     NULL,
     NULL,
     "quantize.embedding.weight",
     2,
     {24, 7},
     "is f32 (24, 7), which does not fit quantizer.codebook of the model, f32 (24, 5)"},
    {0, NULL, NULL, "decoder.conv_out.weight", 4, {3, 4, 1, 3}, "`decoder.conv_out.weight` is f32 (3, 4, 1, 3), which does not fit"},
    {0, NULL, "quantize.embedding.cluster_size", NULL, 1, {24}, "`quantize.embedding.cluster_size` is more than the model has"},
    {1,
     "_denoising._denoise_fn.mid_block2.mlp.1.bias",
     NULL,
     NULL,
     0,
     {0},
     "`_nn.mid_block2.mlp.1.bias` has no twin of its shape under `_denoising._denoise_fn.`"},
    {1, "mid_block2.mlp.1.bias", NULL, NULL, 0, {0}, "lacks 1 of the model's weights, the first of them denoiser.mid_block2.mlp.1.bias"},
    {1, "final_conv.1", NULL, NULL, 0, {0}, "the file is neither an autoencoder (`encoder.conv_in.weight`) nor a prior"},
    {1, ".embedding.", NULL, NULL, 0, {0}, "neither `embedding.weight` (K, D) nor `input_conv.weight` (D, 1, 1, 1) is there"},
    {1, "downs.0.0.block1.block.0", NULL, NULL, 0, {0}, "this is no U-Net of vq-ddm: there is no `downs.0.0.block1.block.0.weight`"},
    {1, "to_qkv", NULL, NULL, 0, {0}, "`mid_attn.fn.fn.to_qkv.weight` is missing or not of 3 x 4 heads; say heads="},
    {1, NULL, NULL, "_nn.final_conv.1.bias", 1, {25}, "`_nn.final_conv.1.bias` has no twin of its shape"},
    {1, NULL, NULL, "_denoising.Lt_count", 1, {21}, "`_denoising.Lt_count` is no list of the length of the others"},
    {1, NULL, NULL, "_denoising.log_alpha", 2, {20, 1}, "`_denoising.log_alpha` is no list of numbers"},
    {1, NULL, "_denoising.other", NULL, 1, {20}, "1 tensors are none of vq-ddm: `_denoising.other`"},
    {1, NULL, "_denoising._denoise_fn.label_emb.weight", NULL, 2, {10, 7}, "`label_emb.weight` is no table of labels, (2 or more, D)"},
    {1, NULL, "_denoising._denoise_fn.begin_conv.weight", NULL, 2, {8, 1}, "`_denoising._denoise_fn.begin_conv.weight` is more than the"},
};

static struct tess_attrs *tokenizer_of(int64_t height, int64_t width, int64_t codebook_size)
{
    struct tess_attrs *f;
    fixture_ok(&fixture, tessi_base_attrs_new(C, &f));
    fixture_ok(&fixture, tess_attrs_set_i64(C, f, "latent_height", height));
    fixture_ok(&fixture, tess_attrs_set_i64(C, f, "latent_width", width));
    fixture_ok(&fixture, tess_attrs_set_i64(C, f, "codebook_size", codebook_size));
    return f;
}

START_TEST(a_list_of_something_else)
{
    struct tensor_list *l = calloc(1, sizeof *l);
    struct tess_attrs *tokenizer = tokenizer_of(4, 6, 24);
    struct matched k;
    int prior = changes[_i].prior;
    ck_assert_ptr_nonnull(l);
    list_read(l, prior ? TEST_CHECKPOINTS "/vq_ddm.ckpt" : TEST_CHECKPOINTS "/taming.ckpt");
    if (changes[_i].drop)
        list_drop(l, changes[_i].drop);
    if (changes[_i].add)
        list_add(l, changes[_i].add, "f32", changes[_i].rank, changes[_i].dim);
    if (changes[_i].change) {
        list_named(l, changes[_i].change)->rank = changes[_i].rank;
        memcpy(list_named(l, changes[_i].change)->dim, changes[_i].dim, sizeof changes[_i].dim);
    }
    checkpoint_refused(list_match(l, architecture[prior], prior ? tokenizer : NULL, small, prior ? 0 : 3, &k), TESS_E_DATA,
                       changes[_i].words);
    list_match_close(&k);
    tessi_base_attrs_free(tokenizer);
    free(l);
}
END_TEST

/* Checkpoints with one copy of the network, under either of its two names, are accepted; the schedule is not needed. */
START_TEST(a_network_under_one_name)
{
    static const char *const twenty[] = {"steps=20"};
    static const char *const gone[] = {"_nn.", "_denoising."};
    for (int i = 0; i < 2; i++) {
        struct tensor_list *l = calloc(1, sizeof *l);
        struct tess_attrs *tokenizer = tokenizer_of(4, 6, 24);
        struct matched k;
        ck_assert_ptr_nonnull(l);
        list_read(l, TEST_CHECKPOINTS "/vq_ddm.ckpt");
        list_drop(l, gone[i]);
        fixture_ok(&fixture, list_match(l, "vq-ddm", tokenizer, twenty, 1, &k));
        ck_assert_int_eq(tess_weights_count(k.m.weights), 115);
        ck_assert_ptr_nonnull(strstr(tess_attrs_text_or(k.m.plan.attrs, "denoiser", ""), "time_offset: -200}"));
        list_match_close(&k);
        tessi_base_attrs_free(tokenizer);
        free(l);
    }
}
END_TEST

/* A network that reads a code as one number. */
START_TEST(a_network_of_numbers)
{
    struct tensor_list *l = calloc(1, sizeof *l);
    struct tess_attrs *tokenizer = tokenizer_of(4, 6, 24);
    struct matched k;
    ck_assert_ptr_nonnull(l);
    list_read(l, TEST_CHECKPOINTS "/vq_ddm.ckpt");
    list_drop(l, "_nn.");
    list_drop(l, "embedding.weight");
    list_add(l, "_denoising._denoise_fn.input_conv.weight", "f32", 4, (const int64_t[]){8, 1, 1, 1});
    list_add(l, "_denoising._denoise_fn.input_conv.bias", "f32", 1, (const int64_t[]){8});
    fixture_ok(&fixture, list_match(l, "vq-ddm", tokenizer, NULL, 0, &k));
    ck_assert_ptr_nonnull(strstr(tess_attrs_text_or(k.m.plan.attrs, "denoiser", ""), "input: scalar"));
    ck_assert_ptr_nonnull(strstr(tess_attrs_text_or(k.m.plan.attrs, "noise", ""), "residual: 1,"));
    list_match_close(&k);
    tessi_base_attrs_free(tokenizer);
    free(l);
}
END_TEST

START_TEST(a_file_and_its_tokenizer)
{
    size_t bytes;
    checkpoint_import_both();
    checkpoint_import_taming();
    struct tess_artefact *a;
    fixture_ok(&fixture, tessi_store_artefact_open(C, "taming.h5", &a));
    tessi_store_artefact_close(a);
    checkpoint_refused(checkpoint_import_as("vq-ddm", TEST_CHECKPOINTS "/vq_ddm.ckpt", "x.h5", NULL, NULL), TESS_E_USAGE,
                       "is a prior, which is of the codes of one tokenizer");
    checkpoint_refused(checkpoint_import_as("taming", TEST_CHECKPOINTS "/vqgan.th", "x.h5", NULL, sizes), TESS_E_DATA,
                       "the file is neither an autoencoder (`encoder.conv_in.weight`) nor a transformer");
    checkpoint_refused(checkpoint_import(TEST_CHECKPOINTS "/taming.ckpt", "x.h5", NULL, sizes), TESS_E_DATA, "the file is neither");
    checkpoint_refused(checkpoint_import_as("vq-ddm", TEST_CHECKPOINTS "/absorbing.th", "x.h5", "taming.h5", NULL), TESS_E_DATA,
                       "the file is neither an autoencoder (`encoder.conv_in.weight`) nor a prior");
    char *all = checkpoint_slurp(TEST_CHECKPOINTS "/taming.ckpt", &bytes);
    for (size_t cut = 1; cut < bytes; cut = cut * 3 + 7) { /* the end of a zip file is where its members are listed */
        checkpoint_write("cut.ckpt", all, bytes - cut);
        checkpoint_refused(checkpoint_import_as("taming", "cut.ckpt", "x.h5", NULL, sizes), TESS_E_DATA, "cut.ckpt: is ");
    }
    free(all);
    ck_assert_int_ne(access("x.h5", F_OK), 0);
    ck_assert(!tessi_base_aside_left("x.h5", (char[300]){0}, 300));
}
END_TEST

/* ---- the published sizes ---- */

START_TEST(the_published_autoencoder)
{
    struct tensor_list *l = calloc(1, sizeof *l);
    struct matched k;
    ck_assert_ptr_nonnull(l);
    list_read_published(l, "taming");
    fixture_ok(&fixture, list_match(l, architecture[_i], NULL, NULL, 0, &k));
    ck_assert_str_eq(tess_attrs_text_or(k.m.plan.attrs, "decoder", ""),
                     "{use: conv, channels: 128, channel_mult: [1, 1, 2, 2, 4], res_blocks: 2, attn_resolutions: [16], groups: 32, "
                     "variant: taming, z_channels: 256}");
    ck_assert_str_eq(tess_attrs_text_or(k.m.plan.attrs, "critic", ""), "{use: patchgan, channels: 64, layers: 3, range: signed}");
    ck_assert_int_eq(tess_weights_size(k.m.weights), 29298176 + 42449795 + 131584 + 262144 + 2765633);
    list_check_back(l, &k);
    list_match_close(&k);
    free(l);
}
END_TEST

START_TEST(the_published_prior)
{
    struct tensor_list *l = calloc(1, sizeof *l);
    struct tess_attrs *tokenizer = tokenizer_of(16, 16, 1024);
    struct matched k;
    ck_assert_ptr_nonnull(l);
    list_read_published(l, "vqddm");
    fixture_ok(&fixture, list_match(l, "vq-ddm", tokenizer, NULL, 0, &k));
    ck_assert_str_eq(tess_attrs_text_or(k.m.plan.attrs, "denoiser", ""),
                     "{use: unet, channels: 128, channel_mult: [1, 2, 4, 8], heads: 4, head_dim: 32, groups: 8, dropout: 0, "
                     "input: embedding, time_offset: -1}");
    ck_assert_int_eq(tess_weights_size(k.m.weights), 117586568);
    list_check_back(l, &k);
    list_match_close(&k);
    tessi_base_attrs_free(tokenizer);
    free(l);
}
END_TEST

/* ---- as a user meets it ---- */

static const char pipeline[] = "tessera: 1\n"
                               "name: imported\n"
                               "stages:\n"
                               "  images: {use: import, source: {use: idx, images: colour}, split: 0.75}\n"
                               "  codes: {use: encode, in: {images: images, model: taming.h5}}\n"
                               "  samples: {use: sample, in: {prior: ddm.h5, model: taming.h5}, count: 3}\n"
                               "  metrics: {use: evaluate, in: {images: images, model: taming.h5, prior: ddm.h5}}\n";

START_TEST(pipelines_take_it_for_their_own)
{
    enum { N = 16 };
    uint8_t pixel[N * 8 * 12 * 3];
    for (size_t i = 0; i < sizeof pixel; i++)
        pixel[i] = (uint8_t)(i * 37 + i / 96 * 11);
    small_write_idx("colour", 4, (const int64_t[]){N, 8, 12, 3}, pixel, sizeof pixel);
    small_write("imported.yaml", pipeline);
    const struct command_result *r = command("import %s/taming.ckpt -o taming.h5 --as taming groups=4 height=8 width=12", TEST_CHECKPOINTS);
    ck_assert_msg(r->code == 0, "%s", r->err);
    ck_assert_ptr_nonnull(strstr(r->out, "taken     162 tensors, 13135 parameters"));
    ck_assert_ptr_nonnull(strstr(r->out, "left      33: the network of the perceptual loss"));
    ck_assert_ptr_nonnull(strstr(r->out, "left      3: running statistics of the discriminator's norms"));
    r = command("import %s/vq_ddm.ckpt -o ddm.h5 --tokenizer taming.h5 --as vq-ddm", TEST_CHECKPOINTS);
    ck_assert_msg(r->code == 0, "%s", r->err);
    ck_assert_ptr_nonnull(strstr(r->out, "left      115: the same network once more; its values are not compared"));
    ck_assert_ptr_nonnull(
        strstr(r->out, "warning   4 heads: the file does not tell, and other numbers make other samples without an error; set heads=\n"));
    r = command("run imported.yaml");
    ck_assert_msg(r->code == 0, "%s", r->err);
    r = command("export ddm.h5 -o ddm.safetensors --as vq-ddm steps=20");
    ck_assert_msg(r->code == 0, "%s", r->err);
    ck_assert_ptr_nonnull(strstr(r->out, "ddm.safetensors: 115 tensors, 53268 parameters, of ddm.h5"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trainers");
    TCase *tests = tcase_create("trainers");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, checkpoint_setup, checkpoint_teardown);
    tcase_add_loop_test(tests, the_autoencoder_computes_what_it_did, 0, 2);
    tcase_add_test(tests, the_prior_computes_what_it_did);
    tcase_add_test(tests, the_critic_judges_as_it_did);
    tcase_add_test(tests, artefacts_like_those_of_training);
    tcase_add_loop_test(tests, there_and_back_bit_by_bit, 0, 2);
    tcase_add_test(tests, an_export_that_would_mean_another_model);
    tcase_add_loop_test(tests, an_export_that_would_mean_another_prior, 0, (int)(sizeof others / sizeof *others));
    tcase_add_test(tests, an_export_without_its_critic);
    tcase_add_loop_test(tests, a_list_of_something_else, 0, (int)(sizeof changes / sizeof *changes));
    tcase_add_test(tests, a_network_under_one_name);
    tcase_add_test(tests, a_network_of_numbers);
    tcase_add_test(tests, a_file_and_its_tokenizer);
    tcase_add_loop_test(tests, the_published_autoencoder, 0, 2);
    tcase_add_test(tests, the_published_prior);
    tcase_add_test(tests, pipelines_take_it_for_their_own);
    return suite_run(suite);
}
