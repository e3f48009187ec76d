/* See bench_model.h. SPDX-License-Identifier: MIT */
#include "cli/bench_model.h"

#include "core/base/attributes_private.h"
#include "core/graph/node.h"
#include "core/train/optimiser.h"

static void close_model(struct bench_work *w)
{
    struct bench_model *m = w->self;
    if (!m)
        return;
    tess_sampler_free(m->sampler);
    tess_graph_free(m->graph);
    tess_graph_free(m->picked);
    tess_weights_free(m->weights);
    tess_tokenizer_close(&m->tokenizer);
    tess_instance_close(m->steps);
    tess_prior_close(&m->prior);
    tess_instance_close(m->critic);
    tessi_base_attrs_free(m->attrs);
    for (int i = 0; i < 4; i++) {
        tess_free(m->in[i].data);
        tess_free(m->total[i].data);
        if (i < 2)
            tess_free(m->out[i].data);
    }
    tess_free(m);
    w->self = NULL;
}

int64_t bench_cut(const struct bench_work *w, int64_t n)
{
    return !w->quick ? n : n > 4 ? n / 4 : 1;
}

int bench_model_open(struct tess_context *ctx, struct bench_work *w, int64_t batch, struct bench_model **out)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, sizeof(struct bench_model), "a benchmark", &memory));
    w->self = memory;
    w->close = close_model;
    *out = memory;
    (*out)->batch = bench_cut(w, batch);
    w->units = (double)(*out)->batch;
    (*out)->training.recompute = w->recompute;
    TESS_TRY(tess_weights_new(ctx, w->seed, &(*out)->weights));
    return tessi_base_attrs_new(ctx, &(*out)->attrs);
}

int bench_model_graph(struct tess_context *ctx, struct bench_model *m, int training, struct tess_graph **out)
{
    struct tess_graph_options o = {.size = sizeof o, .training = training, .microbatch = 1, .microbatches = 1, .seed = 1};
    struct tessi_runtime *runtime;
    TESS_TRY(tessi_base_runtime_need(ctx, &runtime));
    int64_t workers = tessi_base_workers_count(runtime->workers);
    o.recompute = m->training.recompute;
    m->training = (struct tess_training_params){
        .batch = m->batch, .steps = 1000, .lr = 1e-5, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .optimiser = training == 2};
    if (training) {
        m->training.microbatches = m->batch % workers == 0 ? workers : 0; /* 0: whatever divides the batch */
        TESS_TRY(tess_training_microbatches(ctx, &m->training, &o.microbatches));
    } else {
        for (o.microbatches = m->batch; o.microbatches % 2 == 0 && o.microbatches / 2 >= workers && m->batch / o.microbatches < 8;)
            o.microbatches /= 2;
    }
    o.microbatch = m->batch / o.microbatches;
    return tess_graph_new(ctx, m->weights, &o, out);
}

/* Memory for inputs, outputs and totals; inputs drawn below `values`, pixels or codes. */
static int bench_model_fill(struct tess_context *ctx, struct bench_model *m, uint64_t seed, int64_t values)
{
    struct tess_stream s = {.seed = seed, .purpose = tess_purpose("bench.input")};
    struct tess_batch *b = &m->run;
    *b = (struct tess_batch){.size = sizeof *b, .samples = m->batch, .in = m->in, .out = m->out, .total = m->total};
    int64_t microbatches = m->batch / tess_graph_microbatch(m->graph);
    for (; b->inputs < 4 && tess_graph_input_at(m->graph, b->inputs, &m->in[b->inputs]); b->inputs++) {
        struct tess_tensor *t = &m->in[b->inputs];
        t->dim[0] *= microbatches;
        TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(t), "input", &t->data));
        for (int64_t i = 0; i < tess_tensor_count(t); i++) {
            int64_t value = tess_random_below(&s, (uint64_t)i, values);
            if (t->dtype == TESS_U8)
                ((uint8_t *)t->data)[i] = (uint8_t)value;
            else if (t->dtype == TESS_I32)
                ((int32_t *)t->data)[i] = (int32_t)value;
            else
                ((float *)t->data)[i] = 1.0f;
        }
    }
    for (; b->outputs < 2 && tess_graph_output_at(m->graph, b->outputs, &m->out[b->outputs]); b->outputs++) {
        struct tess_tensor *t = &m->out[b->outputs];
        t->dim[0] *= microbatches;
        TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(t), "output", &t->data));
    }
    for (; b->totals < 4 && tess_graph_total_at(m->graph, b->totals, &m->total[b->totals]); b->totals++)
        TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(&m->total[b->totals]), "totals", &m->total[b->totals].data));
    return TESS_OK;
}

int64_t bench_model_buffers(const struct bench_model *m)
{
    int64_t bytes = 0;
    for (int i = 0; i < 4; i++) {
        bytes += m->in[i].data ? (int64_t)tess_tensor_bytes(&m->in[i]) : 0;
        bytes += i < 2 && m->out[i].data ? (int64_t)tess_tensor_bytes(&m->out[i]) : 0;
        bytes += m->total[i].data ? (int64_t)tess_tensor_bytes(&m->total[i]) : 0;
    }
    if (m->sampling.prior)
        bytes += m->batch * tess_prior_tokens(&m->prior) * m->prior.codebook_size * (int64_t)sizeof(float);
    return bytes;
}

int bench_model_seal(struct tess_context *ctx, struct bench_work *w, struct bench_model *m, int64_t values, int training)
{
    struct tess_cost cost = {.size = sizeof cost};
    TESS_TRY(tess_graph_seal(ctx, m->graph));
    TESS_TRY(tess_graph_cost(ctx, m->graph, &cost));
    w->flops = cost.flops * (double)m->batch;
    TESS_TRY(bench_model_fill(ctx, m, w->seed, values));
    w->planned = cost.total_bytes + (training ? tess_training_bytes(&m->training, cost.parameters) : 0) + bench_model_buffers(m);
    return TESS_OK;
}

int bench_model_settle(struct tess_context *ctx, struct bench_work *w)
{
    struct bench_model *m = w->self;
    struct tess_cost cost = {.size = sizeof cost}, picked = {.size = sizeof picked};
    if (m->settled)
        return TESS_OK;
    m->settled = 1;
    TESS_TRY(tess_graph_cost(ctx, m->graph, &cost));
    if (m->picked)
        TESS_TRY(tess_graph_cost(ctx, m->picked, &picked));
    int64_t settled = tess_weights_settled_bytes(m->weights);
    int64_t all = cost.total_bytes + (m->picked ? picked.total_bytes - tess_weights_bytes(m->weights) : 0);
    w->planned = (all - settled > settled ? all - settled : settled) + bench_model_buffers(m);
    return tess_weights_settle(ctx, m->weights);
}

int bench_model_forward(struct tess_context *ctx, struct bench_work *w)
{
    struct bench_model *m = w->self;
    TESS_TRY(bench_model_settle(ctx, w));
    return tess_graph_run(ctx, m->graph, &m->run);
}

int bench_model_step(struct tess_context *ctx, struct bench_work *w)
{
    struct bench_model *m = w->self;
    struct tessi_runtime *runtime;
    TESS_TRY(tessi_base_runtime_need(ctx, &runtime));
    m->run.step = (uint32_t)m->step;
    TESS_TRY(tess_graph_step(ctx, m->graph, &m->run));
    const struct tessi_optimiser o = {.p = &m->training};
    return tessi_train_optimise(ctx, runtime->workers, &o, m->weights, m->step++, m->graph->result, 0.0);
}
