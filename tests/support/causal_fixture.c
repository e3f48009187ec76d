/* SPDX-License-Identifier: MIT */
#include "tests/support/causal_fixture.h"

#include <stdlib.h>
#include <string.h>

static struct tess_graph *graph_of(struct causal *m, int64_t rows, int64_t microbatches)
{
    struct tess_graph_options o = {.size = sizeof o, .microbatch = rows, .microbatches = microbatches, .seed = 11};
    struct tess_graph *g;
    fixture_ok(&m->b, tess_graph_new(&m->b.context.context, m->b.weights, &o, &g));
    return g;
}

static void fill(struct causal *m, const char *name)
{
    struct tess_tensor w;
    struct tess_stream s = {.seed = 9, .purpose = tess_purpose(name)};
    fixture_ok(&m->b, tess_weights_find(&m->b.context.context, m->b.weights, name, TESS_ROLE_VALUE, &w));
    tess_random_normal(&s, 0, tess_tensor_count(&w), w.data);
}

void causal_open(struct causal *m, const struct causal_size *size, int threads, int64_t loss_rows, int64_t microbatches)
{
    struct tess_noise_loss loss = {.size = sizeof loss};
    memset(m, 0, sizeof *m);
    fixture_open(&m->b, threads, loss_rows, microbatches, 1);
    struct tess_context *ctx = &m->b.context.context;
    m->prior = (struct tess_prior){
        .size = sizeof(struct tess_prior), .codebook_size = size->codebook_size, .height = size->height, .width = size->width};
    fixture_ok(&m->b, tess_instance_open(ctx, "noise/1", "autoregressive", "test", &m->prior.noise));
    fixture_ok(&m->b, tess_instance_open(ctx, "denoiser/1", size->denoiser, "test", &m->prior.denoiser));
    m->denoise = graph_of(m, CAUSAL_ROWS, microbatches);
    m->next = graph_of(m, CAUSAL_ROWS, microbatches);
    fixture_ok(&m->b, tess_cache_new(ctx, size->height * size->width, &m->cache));
    fixture_ok(&m->b, tess_prior_record_loss(ctx, &m->prior, m->b.graph, &loss));
    tess_objective(m->b.graph, "loss", "", loss.loss);
    tess_output(m->b.graph, "bound", loss.bound);
    fixture_ok(&m->b, tess_prior_record_denoise(ctx, &m->prior, m->denoise));
    fixture_ok(&m->b, tess_prior_record_next(ctx, &m->prior, m->cache, m->next));
    fixture_ok(&m->b, tess_graph_seal(ctx, m->b.graph));
    fixture_ok(&m->b, tess_graph_seal(ctx, m->denoise));
    fixture_ok(&m->b, tess_graph_seal(ctx, m->next));
    fixture_ok(&m->b, tess_weights_seal(ctx, m->b.weights));
    fill(m, "denoiser.pos_emb");
    if (tess_weights_index(m->b.weights, "denoiser.start_tok") >= 0) /* or a code's own embedding stands there */
        fill(m, "denoiser.start_tok");
    tess_weights_touch(m->b.weights);
}

void causal_close(struct causal *m)
{
    tess_graph_free(m->denoise);
    tess_graph_free(m->next);
    tess_cache_free(m->cache);
    tess_instance_close(m->prior.noise);
    tess_instance_close(m->prior.denoiser);
    fixture_close(&m->b);
}

void causal_whole(struct causal *m, int64_t n, int32_t *x, float *logits)
{
    int64_t tokens = m->prior.height * m->prior.width;
    struct tess_tensor in = tess_tensor_over(x, TESS_I32, 2, DIMS(n, tokens));
    struct tess_tensor out = tess_tensor_over(logits, TESS_F32, 3, DIMS(n, tokens, m->prior.codebook_size));
    struct tess_batch b = {.size = sizeof b, .samples = n, .inputs = 1, .in = &in, .outputs = 1, .out = &out};
    fixture_ok(&m->b, tess_graph_run(&m->b.context.context, m->denoise, &b));
}

void causal_steps(struct causal *m, int64_t n, const int32_t *x, float *logits)
{
    int64_t tokens = m->prior.height * m->prior.width, codebook_size = m->prior.codebook_size;
    int32_t *token = malloc((size_t)n * sizeof *token), *position = malloc((size_t)n * sizeof *position);
    float *one = malloc((size_t)(n * codebook_size) * sizeof *one);
    for (int64_t at = 0; at < tokens; at++) {
        for (int64_t i = 0; i < n; i++) {
            token[i] =
                at ? x[i * tokens + at - 1] : (int32_t)(i % codebook_size); /* before the first one there is none, whatever is said */
            position[i] = (int32_t)at;
        }
        struct tess_tensor in[2] = {tess_tensor_over(token, TESS_I32, 2, DIMS(n, 1)), tess_tensor_over(position, TESS_I32, 2, DIMS(n, 1))};
        struct tess_tensor out = tess_tensor_over(one, TESS_F32, 3, DIMS(n, 1, codebook_size));
        struct tess_batch b = {.size = sizeof b, .samples = n, .inputs = 2, .in = in, .outputs = 1, .out = &out};
        fixture_ok(&m->b, tess_graph_run(&m->b.context.context, m->next, &b));
        for (int64_t i = 0; i < n; i++)
            memcpy(logits + (i * tokens + at) * codebook_size, one + i * codebook_size, (size_t)codebook_size * sizeof *one);
    }
    free(token);
    free(position);
    free(one);
}

void causal_codes(const struct causal *m, int64_t n, int32_t *x)
{
    struct tess_stream s = {.seed = 3, .purpose = tess_purpose("codes")};
    for (int64_t i = 0; i < n * m->prior.height * m->prior.width; i++)
        x[i] = (int32_t)tess_random_below(&s, (uint64_t)i, m->prior.codebook_size);
}
