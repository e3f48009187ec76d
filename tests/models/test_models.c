/* The plugins that make up a tokenizer and a prior, against golden values of the same models in PyTorch: outputs, losses, and every
 * gradient; with the batch as one microbatch and as microbatches of one sample. SPDX-License-Identifier: MIT */
#include "tests/support/parity.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void free_all(struct tess_tensor *list, int n)
{
    for (int i = 0; i < n; i++)
        free(list[i].data);
}

static struct tess_instance *open_part(struct fixture *b, const char *kind, const char *config_text)
{
    struct tess_instance *i;
    fixture_ok(b, tess_instance_open(&b->context.context, kind, config_text, "test", &i));
    return i;
}

/* ---- the autoencoder ---- */

static const struct golden_name unleashing_names[] = {
    {"encoder.", "encoder."}, {"decoder.", "generator."}, {"quantizer.codebook", "quantize.embedding.weight"}, {NULL, NULL}};
static const struct golden_name taming_names[] = {{"encoder.quant_conv.", "quant_conv."},
                                                  {"decoder.post_quant_conv.", "post_quant_conv."},
                                                  {"encoder.", "encoder."},
                                                  {"decoder.", "decoder."},
                                                  {"quantizer.codebook", "quantize.embedding.weight"},
                                                  {NULL, NULL}};
/* The shortcuts of residual blocks that do not change the width: allocated and saved by the published code, never used. */
static const char *const autoencoder_unused[] = {".conv_out.", NULL};

struct parts {
    struct tess_instance *encoder, *decoder, *quantizer;
};

/* Variant of a golden autoencoder's run: the loss term that beta weights, microbatches of one sample or of the whole batch, and the
 * architecture, taming or not. */
struct slicing {
    const char *beta_on;
    int one_row, taming;
};
static const struct slicing slicings[] = {{"codebook", 0, 0},   {"codebook", 1, 0}, {"commitment", 0, 0},
                                          {"commitment", 1, 0}, {"codebook", 0, 1}, {"codebook", 1, 1}};

static void open_parts(struct fixture *b, const struct golden *g, const struct slicing *s, struct parts *p)
{
    char config_text[512], mult[128], attention[128], variant[64] = "";
    if (s->taming)
        snprintf(variant, sizeof variant, ", variant: taming, z_channels: %lld", (long long)golden_size(g, "z_channels"));
    snprintf(config_text, sizeof config_text, "{use: conv, channels: %lld, channel_mult: %s, res_blocks: %lld, attn_resolutions: %s%s}",
             (long long)golden_size(g, "nf"), golden_list(g, "ch_mult", mult, sizeof mult), (long long)golden_size(g, "res_blocks"),
             golden_list(g, "attn_resolutions", attention, sizeof attention), variant);
    p->encoder = open_part(b, "encoder/1", config_text);
    p->decoder = open_part(b, "decoder/1", config_text);
    snprintf(config_text, sizeof config_text, "{use: nearest, codebook_size: %lld, code_dim: %lld, beta: %g, beta_on: %s}",
             (long long)golden_size(g, "codebook_size"), (long long)golden_size(g, "emb_dim"), golden_number(g, "beta"), s->beta_on);
    p->quantizer = open_part(b, "quantizer/1", config_text);
}

static void close_parts(struct parts *p)
{
    tess_instance_close(p->encoder);
    tess_instance_close(p->decoder);
    tess_instance_close(p->quantizer);
}

/* Inputs "image" and the golden "latent"; outputs latent, its codes, reconstruction; objective mean |x - y| + code loss, and both as
 * totals. What is quantised has the golden latent's values and the encoder's gradient: a rounding that chooses another code would change
 * all that comes after it. Taming's image and loss are of pixels in -1 .. 1, which its networks here make of 0 .. 1 themselves. */
static void record_autoencoder(struct fixture *b, const struct parts *p, const struct golden *golden, const struct slicing *s, int64_t rows)
{
    const struct tess_encoder_1 *encoder = tess_instance_ops(p->encoder, "encoder/1");
    const struct tess_decoder_1 *decoder = tess_instance_ops(p->decoder, "decoder/1");
    const struct tess_quantizer_1 *quantizer = tess_instance_ops(p->quantizer, "quantizer/1");
    int64_t side = golden_size(golden, "img_size"), channels = golden_size(golden, "n_channels");
    struct tess_graph *g = b->graph;
    struct tess_context *ctx = &b->context.context;
    struct tess_node *image = tess_input(g, "image", TESS_F32, 4, DIMS(rows, side, side, channels)), *latent, *codes, *output;
    struct tess_node *x = s->taming ? tess_affine(g, image, 0.5f, 0.5f) : image;
    struct tess_quantized q = {.size = sizeof q};
    tess_scope(g, "encoder");
    fixture_ok(b, encoder->record(tess_instance_self(p->encoder), ctx, g, x, golden_size(golden, "emb_dim"), &latent));
    tess_scope_end(g);
    struct tess_tensor z = tess_shape(latent);
    struct tess_node *given = tess_straight_through(g, tess_input(g, "latent", TESS_F32, 4, z.dim), latent);
    tess_scope(g, "quantizer");
    fixture_ok(b, quantizer->record_assign(tess_instance_self(p->quantizer), ctx, g, latent, &codes));
    fixture_ok(b, quantizer->record(tess_instance_self(p->quantizer), ctx, g, given, &q));
    tess_scope_end(g);
    tess_scope(g, "decoder");
    fixture_ok(b, decoder->record(tess_instance_self(p->decoder), ctx, g, q.quantised, side, side, channels, &output));
    tess_scope_end(g);
    if (s->taming)
        output = tess_affine(g, output, 2.0f, -1.0f);
    struct tess_node *distance = tess_mean_all(g, tess_abs(g, tess_sub(g, image, output)));
    tess_output(g, "latent", latent);
    tess_output(g, "codes", codes);
    tess_output(g, "reconstruction", output);
    tess_objective(g, "loss", "", tess_add(g, distance, q.loss));
    tess_total(g, "distance", distance);
    tess_total(g, "code loss", q.loss);
    fixture_ok(b, tess_graph_seal(ctx, g));
}

START_TEST(the_autoencoder_is_the_published_one)
{
    const struct slicing *s = &slicings[_i];
    const struct golden_name *names = s->taming ? taming_names : unleashing_names;
    struct golden *golden = golden_open(s->taming ? "taming.h5" : "ae.h5");
    struct fixture b;
    struct parts p;
    char path[128];
    struct tess_tensor want[4] = {golden_read(golden, "latent", TESS_F32), golden_read(golden, "codes", TESS_I32),
                                  golden_read(golden, "reconstruction", TESS_F32), golden_read(golden, "image", TESS_F32)};
    int64_t samples = want[3].dim[0], rows = s->one_row ? 1 : samples, microbatches = samples / rows;
    struct tess_tensor out[3] = {want[0], want[1], want[2]}, total[3];
    float value[3];
    for (int i = 0; i < 3; i++) {
        out[i].data = calloc(1, tess_tensor_bytes(&out[i]));
        total[i] = tess_tensor_over(&value[i], TESS_F32, 0, NULL);
    }
    fixture_open(&b, 2, rows, microbatches, 1);
    open_parts(&b, golden, s, &p);
    record_autoencoder(&b, &p, golden, s, rows);
    golden_weights(golden, &b, names, autoencoder_unused);
    struct tess_tensor in[2] = {want[3], want[0]};
    struct tess_batch batch = {
        .size = sizeof batch, .samples = samples, .inputs = 2, .in = in, .outputs = 3, .out = out, .totals = 3, .total = total};
    fixture_ok(&b, tess_graph_step(&b.context.context, b.graph, &batch));

    golden_near("latent", out[0].data, &want[0], allowed.value, 0.0);
    int64_t others = 0;
    for (int64_t i = 0; i < tess_tensor_count(&want[1]); i++)
        others += ((int32_t *)out[1].data)[i] != ((int32_t *)want[1].data)[i];
    ck_assert_msg(100 * others <= allowed.codebook_size * tess_tensor_count(&want[1]), "%lld of %lld codes are others", (long long)others,
                  (long long)tess_tensor_count(&want[1]));
    golden_near("reconstruction", out[2].data, &want[2], allowed.value, 0.0);
    snprintf(path, sizeof path, "code_loss_beta_on_%s", s->beta_on);
    double distance = golden_scalar(golden, "rec_loss"), code_loss = golden_scalar(golden, path);
    golden_close_to("distance", (double)value[1] / (double)microbatches, distance, allowed.value);
    golden_close_to(path, (double)value[2] / (double)microbatches, code_loss, allowed.value);
    golden_close_to("objective", (double)value[0], distance + code_loss, allowed.value);
    snprintf(path, sizeof path, "grads_beta_on_%s", s->beta_on);
    int64_t compared = golden_gradients(golden, &b, s->taming ? "grads" : path, names, allowed.gradient);
    ck_assert_int_eq(compared, s->taming ? 6 : strcmp(s->beta_on, "codebook") == 0 ? tess_weights_count(b.weights) : 2);

    close_parts(&p);
    fixture_close(&b);
    free_all(want, 4);
    free_all(out, 3);
    golden_close(golden);
}
END_TEST

/* ---- the denoiser and its losses ---- */

static const struct golden_name denoiser_names[] = {{"denoiser.", ""}, {NULL, NULL}};
static const char *const denoiser_unused[] = {"start_tok", "causal.", NULL}; /* the start token is the causal model's */

struct objective {
    const char *ours, *theirs, *bound;
    int one_row;
};
static const struct objective objectives[] = {{"elbo", "elbo", "elbo_bits_per_dim", 0},
                                              {"elbo", "elbo", "elbo_bits_per_dim", 1},
                                              {"mlm", "mlm", "vb_mlm", 0},
                                              {"mlm", "mlm", "vb_mlm", 1},
                                              {"reweighted", "reweighted_elbo", "vb_reweighted_elbo", 0},
                                              {"reweighted", "reweighted_elbo", "vb_reweighted_elbo", 1}};

static struct tess_instance *open_transformer(struct fixture *b, const struct golden *g)
{
    char config_text[256];
    snprintf(config_text, sizeof config_text, "{use: transformer, embed_dim: %lld, layers: %lld, heads: %lld}",
             (long long)golden_size(g, "width"), (long long)golden_size(g, "layers"), (long long)golden_size(g, "heads"));
    return open_part(b, "denoiser/1", config_text);
}

START_TEST(the_prior_is_the_published_one)
{
    const struct objective *o = &objectives[_i];
    struct golden *golden = golden_open("transformer.h5");
    struct fixture b;
    char text[128];
    struct tess_tensor in[3] = {golden_read(golden, "x0", TESS_I32), golden_read(golden, "x_t", TESS_I32),
                                golden_read(golden, "t", TESS_F32)};
    struct tess_tensor logits = golden_read(golden, "logits", TESS_F32);
    int64_t samples = logits.dim[0], tokens = logits.dim[1], codebook_size = golden_size(golden, "codebook_size");
    int64_t rows = o->one_row ? 1 : samples, microbatches = samples / rows;
    fixture_open(&b, 2, rows, microbatches, 1);

    struct tess_instance *denoiser = open_transformer(&b, golden);
    int64_t steps = golden_size(golden, "total_steps");
    snprintf(text, sizeof text, "{use: absorbing, steps: %lld, loss: %s, weight: code}", (long long)steps, o->ours);
    struct tess_instance *noise = open_part(&b, "noise/1", text);
    const struct tess_denoiser_1 *d = tess_instance_ops(denoiser, "denoiser/1");
    const struct tess_noise_1 *n = tess_instance_ops(noise, "noise/1");
    ck_assert_int_eq(codebook_size, golden_size(golden, "mask_id"));
    ck_assert_int_eq(n->needs_time, 0);

    struct tess_graph *g = b.graph;
    struct tess_node *x0 = tess_input(g, "x0", TESS_I32, 2, DIMS(rows, tokens)), *xt = tess_input(g, "xt", TESS_I32, 2, DIMS(rows, tokens));
    struct tess_node *t = tess_input(g, "t", TESS_F32, 1, DIMS(rows)), *y;
    struct tess_denoiser_input given = {.size = sizeof given,
                                        .tokens = xt,
                                        .vocabulary = n->vocabulary(tess_instance_self(noise), codebook_size),
                                        .codebook_size = codebook_size,
                                        .height = 1,
                                        .width = tokens};
    struct tess_noise_loss loss = {.size = sizeof loss};
    tess_scope(g, "denoiser");
    fixture_ok(&b, d->record(tess_instance_self(denoiser), &b.context.context, g, &given, &y));
    tess_scope_end(g);
    fixture_ok(&b, n->record_loss(tess_instance_self(noise), &b.context.context, g, y, x0, xt, t, &loss));
    tess_objective(g, "loss", "denoiser.", loss.loss);
    tess_output(g, "logits", y);
    tess_output(g, "bound", loss.bound);
    fixture_ok(&b, tess_graph_seal(&b.context.context, g));
    golden_weights(golden, &b, denoiser_names, denoiser_unused);

    float value, *bound = calloc((size_t)samples, sizeof *bound);
    struct tess_tensor out[2] = {logits, tess_tensor_over(bound, TESS_F32, 1, DIMS(samples))};
    struct tess_tensor total = tess_tensor_over(&value, TESS_F32, 0, NULL);
    out[0].data = calloc(1, tess_tensor_bytes(&logits));
    struct tess_batch batch = {
        .size = sizeof batch, .samples = samples, .inputs = 3, .in = in, .outputs = 2, .out = out, .totals = 1, .total = &total};
    fixture_ok(&b, tess_graph_step(&b.context.context, g, &batch));
    double mean = 0.0;
    for (int64_t i = 0; i < samples; i++)
        mean += (double)bound[i] / (double)samples;
    golden_near("logits", out[0].data, &logits, allowed.value, 0.0);
    snprintf(text, sizeof text, "loss_%s", o->theirs);
    golden_close_to(text, (double)value, golden_scalar(golden, text), allowed.value);
    golden_close_to(o->bound, mean, golden_scalar(golden, o->bound), allowed.value);
    snprintf(text, sizeof text, "grads_%s", o->theirs);
    ck_assert_int_eq(golden_gradients(golden, &b, text, denoiser_names, allowed.gradient), tess_weights_count(b.weights));

    tess_instance_close(denoiser);
    tess_instance_close(noise);
    fixture_close(&b);
    free_all(in, 3);
    free_all(out, 2);
    free(logits.data);
    golden_close(golden);
}
END_TEST

/* ---- a causal transformer from the same operations ---- */

static struct tess_node *weight(struct tess_graph *g, const char *name, int32_t rank, const int64_t *dim)
{
    return tess_weight(g, name, rank, dim, TESS_INIT(.kind = TESS_INIT_CONSTANT));
}

static struct tess_node *linear(struct tess_graph *g, const char *name, struct tess_node *x, int64_t from, int64_t to)
{
    tess_scope(g, "%s", name);
    struct tess_node *w = weight(g, "weight", 2, DIMS(to, from)), *b = weight(g, "bias", 1, DIMS(to));
    tess_scope_end(g);
    return tess_linear(g, x, w, b);
}

static struct tess_node *norm(struct tess_graph *g, const char *name, struct tess_node *x, int64_t width)
{
    tess_scope(g, "%s", name);
    struct tess_node *gamma = weight(g, "weight", 1, &width), *beta = weight(g, "bias", 1, &width);
    tess_scope_end(g);
    return tess_layer_norm(g, x, gamma, beta, 1e-5f);
}

static struct tess_node *causal_block(struct tess_graph *g, struct tess_node *x, int64_t width, int32_t heads)
{
    struct tess_node *h = norm(g, "ln1", x, width);
    struct tess_node *q = linear(g, "attn.query", h, width, width), *k = linear(g, "attn.key", h, width, width);
    struct tess_node *v = linear(g, "attn.value", h, width, width);
    x = tess_add(g, x, linear(g, "attn.proj", tess_attention(g, q, k, v, heads, 1), width, width));
    h = tess_gelu(g, linear(g, "mlp.0", norm(g, "ln2", x, width), width, 4 * width));
    return tess_add(g, x, linear(g, "mlp.2", h, 4 * width, width));
}

START_TEST(a_causal_transformer_is_the_published_one)
{
    static const struct golden_name names[] = {{"", "causal."}, {NULL, NULL}};
    static const char *const others[] = {"blocks.", "head.", "ln_f.", "pos_emb", "start_tok", "tok_emb.", NULL};
    struct golden *golden = golden_open("transformer.h5");
    struct tess_tensor logits = golden_read(golden, "causal_logits", TESS_F32), x0 = golden_read(golden, "x0", TESS_I32), out = logits;
    int64_t samples = logits.dim[0], tokens = logits.dim[1], codebook_size = logits.dim[2], width = golden_size(golden, "width");
    int64_t layers = golden_size(golden, "layers");
    struct fixture b;
    fixture_open(&b, 2, 1, samples, 0);
    struct tess_graph *g = b.graph;

    struct tess_node *all = tess_input(g, "x0", TESS_I32, 2, DIMS(1, tokens));
    struct tess_node *x = tess_embedding(g, all, weight(g, "tok_emb.weight", 2, DIMS(codebook_size, width)));
    struct tess_node *start = tess_add(g, tess_constant(g, 0.0f, 3, DIMS(1, 1, width)), weight(g, "start_tok", 1, &width));
    x = tess_concat(g, start, tess_slice(g, x, 1, 0, tokens - 1), 1);
    x = tess_add(g, x, weight(g, "pos_emb", 2, DIMS(tokens, width)));
    for (int64_t i = 0; i < layers; i++) {
        tess_scope(g, "blocks.%d", (int)i);
        x = causal_block(g, x, width, (int32_t)golden_size(golden, "heads"));
        tess_scope_end(g);
    }
    tess_output(g, "logits", tess_linear(g, norm(g, "ln_f", x, width), weight(g, "head.weight", 2, DIMS(codebook_size, width)), NULL));
    fixture_ok(&b, tess_graph_seal(&b.context.context, g));
    golden_weights(golden, &b, names, others);

    out.data = calloc(1, tess_tensor_bytes(&out));
    struct tess_batch batch = {.size = sizeof batch, .samples = samples, .inputs = 1, .in = &x0, .outputs = 1, .out = &out};
    fixture_ok(&b, tess_graph_run(&b.context.context, g, &batch));
    golden_near("causal logits", out.data, &logits, allowed.value, 0.0);
    fixture_close(&b);
    free(out.data);
    free(x0.data);
    free(logits.data);
    golden_close(golden);
}
END_TEST

/* ---- without golden values ---- */

/* Logits of a small transformer that is told the time t / T. */
static void timed_logits(float time, float *logits)
{
    enum { L = 6, K = 5 };
    struct fixture b;
    int32_t token[L] = {0, 5, 2, 5, 4, 1};
    fixture_open(&b, 1, 1, 1, 0);
    struct tess_instance *i = open_part(&b, "denoiser/1", "{use: transformer, embed_dim: 8, layers: 1, heads: 2}");
    const struct tess_denoiser_1 *d = tess_instance_ops(i, "denoiser/1");
    struct tess_denoiser_input in = {.size = sizeof in, .vocabulary = K + 1, .codebook_size = K, .height = 2, .width = 3};
    struct tess_node *y;
    in.tokens = tess_input(b.graph, "tokens", TESS_I32, 2, DIMS(1, L));
    in.time = tess_input(b.graph, "time", TESS_F32, 1, DIMS(1));
    fixture_ok(&b, d->record(tess_instance_self(i), &b.context.context, b.graph, &in, &y));
    tess_output(b.graph, "logits", y);
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    struct tess_tensor given[2] = {tess_tensor_over(token, TESS_I32, 2, DIMS(1, L)), tess_tensor_over(&time, TESS_F32, 1, DIMS(1))};
    struct tess_tensor out = tess_tensor_over(logits, TESS_F32, 3, DIMS(1, L, K));
    struct tess_batch batch = {.size = sizeof batch, .samples = 1, .inputs = 2, .in = given, .outputs = 1, .out = &out};
    fixture_ok(&b, tess_graph_run(&b.context.context, b.graph, &batch));
    tess_instance_close(i);
    fixture_close(&b);
}

START_TEST(a_transformer_told_the_time_hears_it)
{
    float early[30], late[30], again[30];
    timed_logits(0.1f, early);
    timed_logits(0.9f, late);
    timed_logits(0.1f, again);
    ck_assert(memcmp(early, again, sizeof early) == 0);
    for (int i = 0; i < 6; i++) /* every token */
        ck_assert(memcmp(early + 5 * i, late + 5 * i, 5 * sizeof(float)) != 0);
}
END_TEST

/* Number of trained elements that a component declares at the published sizes, without those whose names begin with `apart`, which are
 * added to *others; nothing is computed, and no memory for weights is allocated. */
static int64_t parameters(const char *kind, const char *config_text, const char *apart, int64_t *others)
{
    struct fixture b;
    struct tess_node *out;
    fixture_open(&b, 1, 1, 1, 0);
    struct tess_instance *i = open_part(&b, kind, config_text);
    struct tess_context *ctx = &b.context.context;
    const void *ops = tess_instance_ops(i, kind);
    void *self = tess_instance_self(i);
    if (strcmp(kind, "encoder/1") == 0) {
        struct tess_node *image = tess_input(b.graph, "image", TESS_F32, 4, DIMS(1, 256, 256, 3));
        fixture_ok(&b, ((const struct tess_encoder_1 *)ops)->record(self, ctx, b.graph, image, 256, &out));
    } else if (strcmp(kind, "decoder/1") == 0) {
        struct tess_node *latent = tess_input(b.graph, "latent", TESS_F32, 4, DIMS(1, 16, 16, 256));
        fixture_ok(&b, ((const struct tess_decoder_1 *)ops)->record(self, ctx, b.graph, latent, 256, 256, 3, &out));
    } else {
        struct tess_denoiser_input in = {.size = sizeof in, .vocabulary = 1025, .codebook_size = 1024, .height = 16, .width = 16};
        in.tokens = tess_input(b.graph, "tokens", TESS_I32, 2, DIMS(1, 256));
        fixture_ok(&b, ((const struct tess_denoiser_1 *)ops)->record(self, ctx, b.graph, &in, &out));
    }
    fixture_ok(&b, tess_graph_status(b.graph));
    int64_t count = tess_weights_size(b.weights), aside = 0;
    for (int64_t k = 0; apart && k < tess_weights_count(b.weights); k++) {
        struct tess_tensor shape;
        fixture_ok(&b, tess_weights_view(ctx, b.weights, k, TESS_ROLE_VALUE, &shape));
        if (strncmp(tess_weights_name(b.weights, k), apart, strlen(apart)) == 0)
            aside += tess_tensor_count(&shape);
    }
    if (others)
        *others += aside;
    tess_instance_close(i);
    fixture_close(&b);
    return count - aside;
}

/* The published totals, without what is saved there and never used: the shortcuts of blocks that keep their width (2,348,928 in both
 * halves), the likelihood head (147,971), the start token (512). */
START_TEST(published_sizes_have_the_published_number_of_weights)
{
    static const char conv[] = "{use: conv, channels: 128, channel_mult: [1, 1, 2, 2, 4], res_blocks: 2, attn_resolutions: [16]}";
    ck_assert_int_eq(parameters("encoder/1", conv, NULL, NULL) + parameters("decoder/1", conv, NULL, NULL),
                     30349568 + 35168262 - 147971 - 2348928);
    ck_assert_int_eq(parameters("denoiser/1", "{use: transformer, embed_dim: 512, layers: 24, heads: 8}", NULL, NULL), 76838912 - 512);
}
END_TEST

START_TEST(taming_has_its_published_number_of_weights)
{
    static const char conv[] =
        "{use: conv, channels: 128, channel_mult: [1, 1, 2, 2, 4], res_blocks: 2, attn_resolutions: [16], variant: taming, "
        "z_channels: 256}";
    int64_t quant = 0;
    ck_assert_int_eq(parameters("encoder/1", conv, "quant_conv.", &quant), 29298176);
    ck_assert_int_eq(parameters("decoder/1", conv, "post_quant_conv.", &quant), 42449795);
    ck_assert_int_eq(quant, 131584);
}
END_TEST

/* Swaps the rows and columns of every kernel. */
static void transpose_kernels(struct fixture *b)
{
    for (int64_t i = 0; i < tess_weights_count(b->weights); i++) {
        struct tess_tensor w;
        fixture_ok(b, tess_weights_view(&b->context.context, b->weights, i, TESS_ROLE_VALUE, &w));
        if (w.rank != 4)
            continue;
        int64_t side = w.dim[1], ci = w.dim[3];
        for (int64_t o = 0; o < w.dim[0]; o++)
            for (int64_t u = 0; u < side; u++)
                for (int64_t v = 0; v < u; v++)
                    for (int64_t k = 0; k < ci; k++) {
                        float *x = (float *)w.data + ((o * side + u) * side + v) * ci + k;
                        float *y = (float *)w.data + ((o * side + v) * side + u) * ci + k, keep = *x;
                        *x = *y;
                        *y = keep;
                    }
    }
    tess_weights_touch(b->weights);
}

/* A grey image through an encoder and a decoder. */
static void through(int64_t height, int64_t width, int transposed, float *image, float *latent, float *result)
{
    struct fixture b;
    struct tess_node *z, *y;
    fixture_open(&b, 1, 1, 1, 0);
    struct tess_instance *e = open_part(&b, "encoder/1", "{use: conv, channels: 8, channel_mult: [1, 2, 3], groups: 4}");
    struct tess_instance *d = open_part(&b, "decoder/1", "{use: conv, channels: 8, channel_mult: [1, 2, 3], groups: 4}");
    const struct tess_encoder_1 *encoder = tess_instance_ops(e, "encoder/1");
    const struct tess_decoder_1 *decoder = tess_instance_ops(d, "decoder/1");
    struct tess_node *x = tess_input(b.graph, "image", TESS_F32, 4, DIMS(1, height, width, 1));
    tess_scope(b.graph, "encoder");
    fixture_ok(&b, encoder->record(tess_instance_self(e), &b.context.context, b.graph, x, 5, &z));
    tess_scope_end(b.graph);
    tess_scope(b.graph, "decoder");
    fixture_ok(&b, decoder->record(tess_instance_self(d), &b.context.context, b.graph, z, height, width, 1, &y));
    tess_scope_end(b.graph);
    tess_output(b.graph, "latent", z);
    tess_output(b.graph, "result", y);
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    fixture_ok(&b, tess_weights_seal(&b.context.context, b.weights));
    if (transposed)
        transpose_kernels(&b);
    struct tess_tensor in = tess_tensor_over(image, TESS_F32, 4, DIMS(1, height, width, 1));
    struct tess_tensor out[2] = {tess_tensor_over(latent, TESS_F32, 4, DIMS(1, height / 4, width / 4, 5)),
                                 tess_tensor_over(result, TESS_F32, 4, DIMS(1, height, width, 1))};
    struct tess_batch batch = {.size = sizeof batch, .samples = 1, .inputs = 1, .in = &in, .outputs = 2, .out = out};
    fixture_ok(&b, tess_graph_run(&b.context.context, b.graph, &batch));
    tess_instance_close(e);
    tess_instance_close(d);
    fixture_close(&b);
}

/* (height, width, channels) -> (width, height, channels) */
static void turn(int64_t height, int64_t width, int64_t channels, const float *from, float *to)
{
    for (int64_t i = 0; i < height; i++)
        for (int64_t j = 0; j < width; j++)
            memcpy(to + (j * height + i) * channels, from + (i * width + j) * channels, (size_t)channels * sizeof *to);
}

/* The blocks do not tell rows from columns: an image lying on its side gives the same latent on its side, if the kernels do too. A
 * height taken for a width shows here, where square images hide it. */
START_TEST(images_need_not_be_square)
{
    enum { H = 8, W = 24, D = 5, LATENT = H / 4 * (W / 4) * D };
    float image[H * W], turned[H * W], z[LATENT], z_turned[LATENT], z_want[LATENT], y[H * W], y_turned[H * W], y_want[H * W];
    struct tess_stream s = {.seed = 3, .purpose = tess_purpose("image")};
    tess_random_uniform(&s, 0, H * W, image);
    turn(H, W, 1, image, turned);
    through(H, W, 0, image, z, y);
    through(W, H, 1, turned, z_turned, y_turned);
    turn(H / 4, W / 4, D, z, z_want);
    turn(H, W, 1, y, y_want);
    struct tess_tensor latent = tess_tensor_over(z_want, TESS_F32, 1, DIMS(LATENT));
    struct tess_tensor result = tess_tensor_over(y_want, TESS_F32, 1, DIMS(H * W));
    golden_near("latent", z_turned, &latent, allowed.value, 0.0);
    golden_near("result", y_turned, &result, allowed.value, 0.0);
}
END_TEST

struct refusal {
    const char *kind, *config_text, *word;
};
static const struct refusal refusals[] = {
    {"encoder/1", "{use: conv, channels: 40, channel_mult: [1, 2]}", "groups"},
    {"encoder/1", "{use: conv, channels: 32, channel_mult: []}", "channel_mult"},
    {"decoder/1", "{use: conv, channels: 12, channel_mult: [1], groups: 5}", "groups"},
    {"encoder/1", "{use: conv, z_channels: 8}", "z_channels: 8 is of `variant: taming`; set that too, or leave z_channels out"},
    {"denoiser/1", "{use: transformer, embed_dim: 30, heads: 4}", "heads"},
    {"quantizer/1", "{use: nearest, codebook_size: 1}", "codebook_size"},
    {"quantizer/1", "{use: nearest, beta_on: both}", "beta_on"},
    {"noise/1", "{use: absorbing, steps: 0}", "steps"},
};

START_TEST(parameters_that_do_not_fit_are_refused)
{
    struct fixture b;
    struct tess_instance *i = NULL;
    fixture_open(&b, 1, 1, 1, 0);
    ck_assert_int_ne(tess_instance_open(&b.context.context, refusals[_i].kind, refusals[_i].config_text, "test", &i), TESS_OK);
    ck_assert_msg(strstr(tessi_base_context_message(&b.context.context), refusals[_i].word) != NULL, "%s",
                  tessi_base_context_message(&b.context.context));
    fixture_close(&b);
}
END_TEST

START_TEST(images_that_do_not_fit_are_refused)
{
    struct fixture b;
    struct tess_node *out;
    fixture_open(&b, 1, 1, 1, 0);
    struct tess_instance *e = open_part(&b, "encoder/1", "{use: conv, channels: 32, channel_mult: [1, 1, 1]}");
    struct tess_instance *d = open_part(&b, "decoder/1", "{use: conv, channels: 32, channel_mult: [1, 1]}");
    const struct tess_encoder_1 *encoder = tess_instance_ops(e, "encoder/1");
    const struct tess_decoder_1 *decoder = tess_instance_ops(d, "decoder/1");
    struct tess_node *image = tess_input(b.graph, "image", TESS_F32, 4, DIMS(1, 28, 30, 1));
    ck_assert_int_eq(encoder->record(tess_instance_self(e), &b.context.context, b.graph, image, 8, &out), TESS_E_SHAPE);
    ck_assert_msg(strstr(tessi_base_context_message(&b.context.context), "28 x 32") != NULL, "%s",
                  tessi_base_context_message(&b.context.context)); /* the message names an image size that fits */
    tessi_base_context_clear(&b.context.context);
    struct tess_node *latent = tess_input(b.graph, "latent", TESS_F32, 4, DIMS(1, 7, 7, 8));
    ck_assert_int_eq(decoder->record(tess_instance_self(d), &b.context.context, b.graph, latent, 28, 28, 1, &out), TESS_E_SHAPE);
    ck_assert_msg(strstr(tessi_base_context_message(&b.context.context), "14 x 14") != NULL, "%s",
                  tessi_base_context_message(&b.context.context)); /* the message names the size that the decoder makes */
    tess_instance_close(e);
    tess_instance_close(d);
    fixture_close(&b);
}
END_TEST

static void golden_files(TCase *t)
{
    tcase_add_loop_test(t, the_autoencoder_is_the_published_one, 0, (int)(sizeof slicings / sizeof *slicings));
    tcase_add_loop_test(t, the_prior_is_the_published_one, 0, (int)(sizeof objectives / sizeof *objectives));
    tcase_add_test(t, a_causal_transformer_is_the_published_one);
}

int main(void)
{
    Suite *s = suite_create("models");
    TCase *t = tcase_create("models");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_transformer_told_the_time_hears_it);
    tcase_add_test(t, published_sizes_have_the_published_number_of_weights);
    tcase_add_test(t, taming_has_its_published_number_of_weights);
    tcase_add_test(t, images_need_not_be_square);
    tcase_add_loop_test(t, parameters_that_do_not_fit_are_refused, 0, (int)(sizeof refusals / sizeof *refusals));
    tcase_add_test(t, images_that_do_not_fit_are_refused);
    suite_add_tcase(s, t);
    int failed = suite_failures(s);
    failed += parity_everywhere(golden_files);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
