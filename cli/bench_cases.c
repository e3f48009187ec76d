/* The workloads of `tessera bench`: models at the sizes of bench/peers/bench_torch.py, with weights as they begin and made-up input.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/bench_model.h"

#include <tessera/kind/critic.h>
#include <tessera/kmeans.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

struct image_sizes {
    const char *encoder, *quantizer, *critic;
    int64_t batch, side, channels, latent, codebook_size, width;
};

struct prior_sizes {
    const char *denoiser;
    int64_t batch, side, codebook_size, steps;
};

/* ---- images -------------------------------------------------------------------------------------------------------- */

static int bench_cases_open_tokenizer(struct tess_context *ctx, struct bench_work *w, const struct image_sizes *z, struct bench_model **m)
{
    int64_t cut = w->quick && z->side > 64 ? 4 : 1; /* a critic wants some pixels */
    TESS_TRY(bench_model_open(ctx, w, z->batch, m));
    struct tess_attrs *f = (*m)->attrs;
    TESS_TRY(tess_attrs_set_i64(ctx, f, "height", z->side / cut));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "width", z->side / cut));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "channels", z->channels));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "latent_height", z->latent / cut));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "latent_width", z->latent / cut));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "codebook_size", z->codebook_size));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "code_dim", z->width));
    TESS_TRY(tess_attrs_set_text(ctx, f, "encoder", z->encoder));
    TESS_TRY(tess_attrs_set_text(ctx, f, "decoder", z->encoder));
    TESS_TRY(tess_attrs_set_text(ctx, f, "quantizer", z->quantizer));
    (*m)->tokenizer.size = sizeof(*m)->tokenizer;
    return tess_tokenizer_open(ctx, f, "bench", &(*m)->tokenizer);
}

static int open_encode(struct tess_context *ctx, const struct bench_case *k, struct bench_work *w)
{
    struct bench_model *m;
    TESS_TRY(bench_cases_open_tokenizer(ctx, w, k->sizes, &m));
    TESS_TRY(bench_model_graph(ctx, m, 0, &m->graph));
    TESS_TRY(tess_tokenizer_record_encode(ctx, &m->tokenizer, m->graph));
    w->run = bench_model_forward;
    return bench_model_seal(ctx, w, m, 256, 0);
}

static int open_decode(struct tess_context *ctx, const struct bench_case *k, struct bench_work *w)
{
    struct bench_model *m;
    TESS_TRY(bench_cases_open_tokenizer(ctx, w, k->sizes, &m));
    TESS_TRY(bench_model_graph(ctx, m, 0, &m->graph));
    TESS_TRY(tess_tokenizer_record_decode(ctx, &m->tokenizer, m->graph));
    w->run = bench_model_forward;
    return bench_model_seal(ctx, w, m, m->tokenizer.codebook_size, 0);
}

/* min(|a| / (|b| + 1e-4), 1) of the gradients in the decoder's last kernel. */
static int bench_cases_adapt(void *user, struct tess_context *ctx, const struct tess_tensor *gradient_probe, float *adaptive_weight)
{
    double length[2] = {0.0, 0.0};
    (void)user;
    (void)ctx;
    for (int i = 0; i < 2; i++)
        for (int64_t k = 0; k < tess_tensor_count(&gradient_probe[i]); k++)
            length[i] += pow((double)((const float *)gradient_probe[i].data)[k], 2.0);
    adaptive_weight[0] = (float)fmin(sqrt(length[0]) / (sqrt(length[1]) + 1e-4), 1.0);
    return TESS_OK;
}

static struct tess_node *bench_cases_hinge(struct tess_graph *g, struct tess_node *x, float sign)
{
    return tess_mean_all(g, tess_leaky_relu(g, tess_affine(g, x, sign, 1.0f), 0.0f));
}

/* The generator's and the critic's losses over one forward run; the last thing the decoder declares is its last bias, before it the kernel.
 */
static int record_step(struct tess_context *ctx, struct bench_model *m)
{
    const struct tess_tokenizer *t = &m->tokenizer;
    const struct tess_critic_1 *critic = tess_instance_ops(m->critic, "critic/1");
    struct tess_graph *g = m->graph;
    struct tess_quantized q;
    struct tess_node *latent = NULL, *y = NULL, *made = NULL, *real = NULL;
    struct tess_node *image =
        tess_input(g, "image", TESS_U8, 4, (const int64_t[]){tess_graph_microbatch(g), t->height, t->width, t->channels});
    struct tess_node *x = tess_to_f32(g, image, 2.0f / 255.0f, -1.0f);
    TESS_TRY(tess_tokenizer_latent(ctx, t, g, x, &latent));
    TESS_TRY(tess_tokenizer_quantize(ctx, t, g, latent, &q));
    TESS_TRY(tess_tokenizer_image(ctx, t, g, q.quantised, &y));
    const char *last = tess_weights_name(m->weights, tess_weights_count(m->weights) - 2);
    tess_scope(g, "critic");
    TESS_TRY(critic->record(tess_instance_self(m->critic), ctx, g, y, &made));
    TESS_TRY(critic->record(tess_instance_self(m->critic), ctx, g, x, &real));
    tess_scope_end(g);
    struct tess_node *error = tess_mean_all(g, tess_abs(g, tess_sub(g, x, y)));
    struct tess_node *fooled = tess_affine(g, tess_mean_all(g, made), -1.0f, 0.0f);
    struct tess_node *loss = tess_add(g, tess_add(g, error, q.loss), tess_mul(g, tess_adaptive_weight(g), fooled));
    struct tess_node *own = tess_affine(g, tess_add(g, bench_cases_hinge(g, real, -1.0f), bench_cases_hinge(g, made, 1.0f)), 0.5f, 0.0f);
    tess_gradient_probe(g, error, last);
    tess_gradient_probe(g, fooled, last);
    tess_set_adaptive_weights(g, bench_cases_adapt, NULL);
    tess_objective(g, "loss", "encoder.,quantizer.,decoder.", loss);
    tess_objective(g, "critic", "critic.", own);
    return TESS_OK;
}

static int open_ae_step(struct tess_context *ctx, const struct bench_case *k, struct bench_work *w)
{
    const struct image_sizes *z = k->sizes;
    struct bench_model *m;
    TESS_TRY(bench_cases_open_tokenizer(ctx, w, z, &m));
    TESS_TRY(tess_instance_open(ctx, "critic/1", z->critic, "bench", &m->critic));
    TESS_TRY(bench_model_graph(ctx, m, 1, &m->graph));
    TESS_TRY(record_step(ctx, m));
    w->run = bench_model_step;
    return bench_model_seal(ctx, w, m, 256, 1);
}

/* ---- codes --------------------------------------------------------------------------------------------------------- */

static int open_prior(struct tess_context *ctx, struct bench_work *w, const struct prior_sizes *z, struct bench_model **m)
{
    char noise[64];
    TESS_TRY(bench_model_open(ctx, w, z->batch, m));
    struct tess_attrs *f = (*m)->attrs;
    snprintf(noise, sizeof noise, "{use: absorbing, steps: %lld}", (long long)bench_cut(w, z->steps));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "codebook_size", z->codebook_size));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "height", bench_cut(w, z->side)));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "width", bench_cut(w, z->side)));
    TESS_TRY(tess_attrs_set_text(ctx, f, "noise", noise));
    TESS_TRY(tess_attrs_set_text(ctx, f, "denoiser", z->denoiser));
    (*m)->prior.size = sizeof(*m)->prior;
    return tess_prior_open(ctx, f, "bench", &(*m)->prior);
}

static int open_denoise(struct tess_context *ctx, const struct bench_case *k, struct bench_work *w)
{
    struct bench_model *m;
    TESS_TRY(open_prior(ctx, w, k->sizes, &m));
    TESS_TRY(bench_model_graph(ctx, m, 0, &m->graph));
    TESS_TRY(tess_prior_record_denoise(ctx, &m->prior, m->graph));
    w->run = bench_model_forward;
    return bench_model_seal(ctx, w, m, m->prior.codebook_size, 0);
}

/* Half of each sequence is masked: t = T / 2, where the work is that of any other t. */
static int bench_cases_mask(struct tess_context *ctx, struct bench_model *m, uint64_t seed)
{
    int64_t tokens = m->prior.height * m->prior.width, t = (tess_prior_steps(&m->prior) + 1) / 2;
    for (int64_t i = 0; i < m->batch; i++) {
        struct tess_stream s = {.seed = seed, .purpose = tess_purpose("bench.mask"), .sample = (uint32_t)i};
        ((float *)m->in[2].data)[i] = (float)t;
        TESS_TRY(tess_prior_corrupt(ctx, &m->prior, &s, t, (int32_t *)m->in[0].data + i * tokens, (int32_t *)m->in[1].data + i * tokens));
    }
    return TESS_OK;
}

static int open_prior_step(struct tess_context *ctx, const struct bench_case *k, struct bench_work *w)
{
    struct bench_model *m;
    struct tess_noise_loss loss = {.size = sizeof loss};
    TESS_TRY(open_prior(ctx, w, k->sizes, &m));
    TESS_TRY(bench_model_graph(ctx, m, 2, &m->graph));
    TESS_TRY(tess_prior_record_loss(ctx, &m->prior, m->graph, &loss));
    tess_objective(m->graph, "loss", "denoiser", loss.loss);
    w->run = bench_model_step;
    TESS_TRY(bench_model_seal(ctx, w, m, m->prior.codebook_size, 1));
    return bench_cases_mask(ctx, m, w->seed);
}

/* All steps of the small case; of the large one as many as take about as long as 24 calls, counted as the share of the steps they are. */
static int run_sample(struct tess_context *ctx, struct bench_work *w)
{
    struct bench_model *m = w->self;
    int64_t max = m->sampling.count < 64 ? 24 : INT64_MAX;
    TESS_TRY(bench_model_settle(ctx, w));
    tess_sampler_free(m->sampler);
    m->sampler = NULL;
    TESS_TRY(tess_sampler_new(ctx, &m->sampling, &m->sampler));
    for (int64_t i = 0; i < max && !tess_sampler_finished(m->sampler); i++)
        TESS_TRY(tess_sampler_advance(ctx, m->sampler));
    double all = (double)(m->sampling.count * m->sampling.steps);
    w->units = (double)m->sampling.count * (double)tess_sampler_steps_done(m->sampler) / all;
    w->flops = tess_sampler_flops(m->sampler);
    return TESS_OK;
}

static int open_sample(struct tess_context *ctx, const struct bench_case *k, struct bench_work *w)
{
    const struct prior_sizes *z = k->sizes;
    struct bench_model *m;
    TESS_TRY(open_denoise(ctx, k, w));
    m = w->self;
    int64_t steps = bench_cut(w, z->steps), positions = tess_sampler_positions(&m->prior, steps);
    if (positions) {
        TESS_TRY(bench_model_graph(ctx, m, 0, &m->picked));
        TESS_TRY(tess_prior_record_picked(ctx, &m->prior, positions, m->picked));
        TESS_TRY(tess_graph_seal(ctx, m->picked));
    }
    m->sampling = (struct tess_sampler_options){.size = sizeof m->sampling,
                                                .prior = &m->prior,
                                                .denoise = m->graph,
                                                .batch = m->batch,
                                                .count = m->batch,
                                                .steps = steps,
                                                .temperature = 1.0,
                                                .seed = w->seed,
                                                .picked = m->picked};
    w->run = run_sample;
    TESS_TRY(tess_instance_open(ctx, "sampler/1", "ancestral", "bench", &m->steps));
    m->sampling.sampler = m->steps;
    return TESS_OK;
}

/* ---- vectors ------------------------------------------------------------------------------------------------------- */

enum { VECTORS = 65536, VECTOR_WIDTH = 256, VECTOR_CODES = 1024, VECTOR_ROWS = 512, LLOYD_ITERATIONS = 10 };

static int normal_tensor(struct tess_context *ctx, struct tess_tensor *t, int64_t rows, uint64_t seed, const char *purpose)
{
    struct tess_stream s = {.seed = seed, .purpose = tess_purpose(purpose)};
    *t = tess_tensor_over(NULL, TESS_F32, 2, (const int64_t[]){rows, VECTOR_WIDTH});
    TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(t), "vectors", &t->data));
    tess_random_normal(&s, 0, tess_tensor_count(t), t->data);
    return TESS_OK;
}

static int open_assign(struct tess_context *ctx, const struct bench_case *k, struct bench_work *w)
{
    struct bench_model *m;
    struct tess_init normal = {.size = sizeof(struct tess_init), .kind = TESS_INIT_NORMAL, .flags = TESS_WEIGHT_BUFFER, .spread = 1.0};
    struct tess_cost cost = {.size = sizeof cost};
    (void)k;
    TESS_TRY(bench_model_open(ctx, w, VECTORS, &m));
    struct tess_graph_options o = {.size = sizeof o, .microbatch = VECTOR_ROWS, .microbatches = m->batch / VECTOR_ROWS, .seed = 1};
    TESS_TRY(tess_graph_new(ctx, m->weights, &o, &m->graph));
    struct tess_node *x = tess_input(m->graph, "vectors", TESS_F32, 2, (const int64_t[]){VECTOR_ROWS, VECTOR_WIDTH});
    struct tess_node *codebook = tess_weight(m->graph, "codebook", 2, (const int64_t[]){VECTOR_CODES, VECTOR_WIDTH}, &normal);
    tess_output(m->graph, "codes", tess_nearest(m->graph, x, codebook));
    TESS_TRY(tess_graph_seal(ctx, m->graph));
    TESS_TRY(tess_graph_cost(ctx, m->graph, &cost));
    TESS_TRY(tess_weights_seal(ctx, m->weights));
    TESS_TRY(normal_tensor(ctx, &m->in[0], bench_cut(w, VECTORS), w->seed, "bench.vectors"));
    m->out[0] = tess_tensor_over(NULL, TESS_I32, 1, &m->batch);
    TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(&m->out[0]), "codes", &m->out[0].data));
    m->run = (struct tess_batch){.size = sizeof m->run, .samples = m->batch, .inputs = 1, .in = m->in, .outputs = 1, .out = m->out};
    w->flops = cost.flops * (double)m->batch;
    w->planned = cost.total_bytes;
    w->run = bench_model_forward;
    return TESS_OK;
}

/* Ten iterations from the same centres, as the peers make them: vectors without structure, where nothing can be spared. */
static int run_kmeans(struct tess_context *ctx, struct bench_work *w)
{
    struct bench_model *m = w->self;
    struct tess_pool pool = tess_pool_of(&m->in[0]);
    struct tess_kmeans_options o = {
        .size = sizeof o, .seeding = TESS_SEED_GIVEN, .codebook_size = VECTOR_CODES, .iterations = LLOYD_ITERATIONS, .seed = w->seed};
    struct tess_kmeans_report r;
    memcpy(m->in[2].data, m->in[1].data, tess_tensor_bytes(&m->in[1]));
    TESS_TRY(tess_kmeans(ctx, &pool, &o, &m->in[2], &r));
    w->planned = bench_model_buffers(m);
    w->units = (double)r.iterations;
    w->flops = 2.0 * (double)m->in[0].dim[0] * VECTOR_WIDTH * VECTOR_CODES * (double)r.iterations;
    return TESS_OK;
}

static int open_kmeans(struct tess_context *ctx, const struct bench_case *k, struct bench_work *w)
{
    struct bench_model *m;
    (void)k;
    TESS_TRY(bench_model_open(ctx, w, LLOYD_ITERATIONS, &m));
    TESS_TRY(normal_tensor(ctx, &m->in[0], bench_cut(w, VECTORS), w->seed, "bench.vectors"));
    TESS_TRY(normal_tensor(ctx, &m->in[1], VECTOR_CODES, w->seed, "bench.centres"));
    w->run = run_kmeans;
    return normal_tensor(ctx, &m->in[2], VECTOR_CODES, w->seed, "bench.centres");
}

/* ---- sizes --------------------------------------------------------------------------------------------------------- */

#define BIG_CONV "{use: conv, channels: 128, channel_mult: [1, 1, 2, 2, 4], res_blocks: 2, attn_resolutions: [16]}"
#define SMALL_CONV "{use: conv, channels: 32, channel_mult: [1, 2, 4], res_blocks: 1, attn_resolutions: [8]}"
#define BIG_QUANTIZER "{use: nearest, codebook_size: 1024, code_dim: 256}"
#define SMALL_QUANTIZER "{use: nearest, codebook_size: 256, code_dim: 64}"
#define BIG_TRANSFORMER "{use: transformer, embed_dim: 512, layers: 24, heads: 8}"
#define SMALL_TRANSFORMER "{use: transformer, embed_dim: 192, layers: 6, heads: 6}"

static const struct image_sizes big = {BIG_CONV, BIG_QUANTIZER, NULL, 4, 256, 3, 16, 1024, 256};
static const struct image_sizes big_step = {BIG_CONV, BIG_QUANTIZER, "{use: patchgan, channels: 64, layers: 3}", 2, 256, 3, 16, 1024, 256};
static const struct image_sizes small = {SMALL_CONV, SMALL_QUANTIZER, NULL, 64, 32, 1, 8, 256, 64};
static const struct image_sizes small_step = {SMALL_CONV, SMALL_QUANTIZER, "{use: patchgan, channels: 32, layers: 2}", 64, 32, 1, 8, 256,
                                              64};
static const struct prior_sizes tokens256 = {BIG_TRANSFORMER, 8, 16, 1024, 256};
static const struct prior_sizes tokens256_step = {BIG_TRANSFORMER, 4, 16, 1024, 256};
static const struct prior_sizes tokens64 = {SMALL_TRANSFORMER, 64, 8, 256, 64};
static const struct prior_sizes tokens64_step = {SMALL_TRANSFORMER, 64, 8, 256, 256};

const struct bench_case bench_cases[] = {
    {"encode", "images/s", "256 x 256 RGB to 16 x 16 codes of 1024, 4 at a time", open_encode, &big},
    {"decode", "images/s", "and back", open_decode, &big},
    {"ae_step", "images/s", "one Adam step of both with a PatchGAN critic, batch 2", open_ae_step, &big_step},
    {"denoise", "sequences/s", "transformer, 24 layers of 512, 256 tokens, 8 at a time", open_denoise, &tokens256},
    {"prior_step", "sequences/s", "one AdamW step of the absorbing loss, batch 4", open_prior_step, &tokens256_step},
    {"sample", "sequences/s", "8 sequences of 256 tokens in 256 steps", open_sample, &tokens256},
    {"small_encode", "images/s", "32 x 32 grey to 8 x 8 codes of 256, 64 at a time", open_encode, &small},
    {"small_decode", "images/s", "and back", open_decode, &small},
    {"small_ae_step", "images/s", "one Adam step of both with a PatchGAN critic, batch 64", open_ae_step, &small_step},
    {"small_denoise", "sequences/s", "transformer, 6 layers of 192, 64 tokens, 64 at a time", open_denoise, &tokens64},
    {"small_prior_step", "sequences/s", "one AdamW step of the absorbing loss, batch 64", open_prior_step, &tokens64_step},
    {"small_sample", "sequences/s", "64 sequences of 64 tokens in 64 steps", open_sample, &tokens64},
    {"assign", "vectors/s", "65,536 vectors of 256 to the nearest of 1,024, exactly", open_assign, NULL},
    {"kmeans", "iterations/s", "10 iterations of Lloyd over the same", open_kmeans, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
