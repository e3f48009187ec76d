/* Running a graph: its memory, and microbatches handed to workers; graph_microbatch.c is what becomes of each. SPDX-License-Identifier: MIT
 */
#include "core/graph/batch_mean.h"
#include "core/graph/cache.h"
#include "core/graph/node.h"
#include "core/graph/graph_microbatch.h"
#include "core/graph/overlay.h"
#include "core/graph/pack.h"

#include <stdatomic.h>
#include <string.h>

/* The parts of a step: all of it; or, in graphs with gradient probes, first what the gradient probes need and then the rest. */
enum { WHOLE, FIRST, SECOND };

/* Slots count as there when all of their memory is: a run after one that had not enough begins here again. */
static int have_slots(struct tess_context *ctx, struct tess_graph *g)
{
    void *memory;
    int workers = tessi_base_workers_count(g->runtime->workers), slots = workers < g->microbatches ? workers : (int)g->microbatches;
    TESS_TRY(tess_alloc(ctx, (size_t)slots * sizeof *g->slot, "a graph", &memory));
    struct tessi_slot *slot = memory;
    int status = TESS_OK;
    for (int i = 0; i < slots && status == TESS_OK; i++) {
        status = tess_alloc(ctx, (size_t)g->arena_bytes + 64, "activations", &memory);
        if (status != TESS_OK)
            break;
        slot[i].arena = memory;
        status = tess_alloc(ctx, (size_t)g->pad_bytes + 64, "inputs", &memory);
        if (status == TESS_OK)
            slot[i].pad = memory;
    }
    if (status == TESS_OK) {
        g->slot = slot;
        g->slots = slots;
        return TESS_OK;
    }
    for (int i = 0; i < slots; i++) {
        tess_free(slot[i].arena);
        tess_free(slot[i].pad);
    }
    tess_free(slot);
    return status;
}

static int graph_run_prepare(struct tess_context *ctx, struct tess_graph *g)
{
    void *memory;
    if (g->slot)
        return TESS_OK;
    TESS_TRY(tess_weights_seal(ctx, g->weights));
    TESS_TRY(tessi_host_runtime_reserve(ctx, g->runtime));
    int64_t n = g->objectives + g->totals, at = 0;
    TESS_TRY(tess_alloc(ctx, (size_t)(n + 1) * sizeof(int64_t), "a graph", &memory));
    tess_free(g->total_offset);
    g->total_offset = memory;
    for (int32_t i = 0; i < n; i++) {
        struct tess_tensor shape;
        tess_graph_total_at(g, i, &shape);
        g->total_offset[i] = at;
        at += (tess_tensor_count(&shape) + 15) / 16 * 16;
    }
    if (n && !g->sums)
        TESS_TRY(tessi_graph_sums_new(ctx, g->sum_floats, g->microbatches, &g->sums));
    TESS_TRY(tessi_graph_pack_reserve(ctx, g));
    TESS_TRY(tessi_graph_cache_reserve(ctx, g->cache));
    return have_slots(ctx, g);
}

/* A slot nobody works in: the one that holds the microbatch, else any. There are as many as microbatches that can run at once, so the
 * search ends. */
static struct tessi_slot *graph_run_claim(struct tess_graph *g, int64_t index)
{
    for (int i = 0; g->gradient_probes && i < g->slots; i++) {
        if (atomic_exchange(&g->slot[i].busy, 1))
            continue;
        if (g->slot[i].holds == index + 1)
            return &g->slot[i];
        atomic_store(&g->slot[i].busy, 0);
    }
    for (int i = 0;; i = (i + 1) % g->slots)
        if (!atomic_exchange(&g->slot[i].busy, 1))
            return &g->slot[i];
}

/* Memory of this microbatch's share of the totals, which are there after the first half. */
static int take_sums(struct tessi_microbatch *s)
{
    struct tess_graph *g = s->job->g;
    if (!g->sums || (s->job->half == SECOND && !g->batch_means))
        return TESS_OK;
    s->sums = tessi_graph_sums_take(g->sums);
    return s->sums ? TESS_OK
                   : s->slot->context.context.fail(&s->slot->context.context, TESS_E_MEMORY, "no memory for a microbatch's totals");
}

static int run_forward(struct tessi_microbatch *s)
{
    const struct tess_graph *g = s->job->g;
    if (s->job->half == SECOND && s->slot->holds == s->index + 1 && !g->batch_means)
        return TESS_OK;
    tessi_graph_microbatch_fill_pad(s);
    TESS_TRY(tessi_graph_microbatch_forward(s));
    if (s->job->half != SECOND || g->batch_means)
        tessi_graph_microbatch_copy_results(s);
    s->slot->holds = g->gradient_probes ? s->index + 1 : 0;
    return TESS_OK;
}

static int run_backward(const struct tessi_microbatch *s)
{
    const struct tess_graph *g = s->job->g;
    if (!s->job->backward)
        return TESS_OK;
    return s->job->half == FIRST ? tessi_graph_microbatch_backward(s, 0, g->gradient_probe_backs)
                                 : tessi_graph_microbatch_backward(s, g->gradient_probe_backs, g->backs);
}

static void run_in_slot(struct tessi_job *job, struct tessi_slot *slot, int64_t index)
{
    struct tess_graph *g = job->g;
    struct tessi_microbatch s = {.job = job, .slot = slot, .index = index};
    if (slot->context.code != TESS_OK)
        return; /* the batch has failed already, and nobody waits */
    s.rows = job->b->samples - index * g->microbatch;
    s.rows = s.rows < g->microbatch ? s.rows : g->microbatch;
    int status = take_sums(&s);
    if (status == TESS_OK)
        status = run_forward(&s);
    if (status == TESS_OK)
        status = run_backward(&s);
    if (job->half == SECOND)
        slot->holds = 0;
    if (s.slot->context.code == TESS_OK && status != TESS_OK)
        (void)s.slot->context.context.fail(&s.slot->context.context, status, "a microbatch failed without saying why");
    if (status != TESS_OK && g->gradients)
        tessi_graph_gradient_sum_fail(g->gradients);
    if (s.sums)
        tessi_graph_sums_give(g->sums, index, s.sums);
}

static void run_microbatch(void *user, int worker, int64_t index)
{
    struct tessi_job *job = user;
    struct tessi_slot *slot = graph_run_claim(job->g, job->first + index);
    (void)worker;
    run_in_slot(job, slot, job->first + index);
    atomic_store(&slot->busy, 0);
}

static void copy_totals(const struct tess_graph *g, const struct tess_batch *b, const float *sums, int64_t microbatches)
{
    for (int32_t i = 0; i < b->totals && i < g->objectives + g->totals; i++) {
        struct tess_tensor shape;
        tess_graph_total_at(g, i, &shape);
        float *to = b->total[i].data;
        if (!to)
            continue;
        memcpy(to, sums + g->total_offset[i], tess_tensor_bytes(&shape));
        if (i < g->objectives)
            *to /= (float)microbatches;
    }
}

/* All microbatches through one half, or through the whole. */
static int run_half(struct tess_context *ctx, struct tessi_job *job, int half)
{
    struct tess_graph *g = job->g;
    job->half = half;
    for (int i = 0; i < g->slots; i++)
        tessi_base_context_init(&g->slot[i].context, &g->runtime->host);
    if (half != FIRST && job->backward)
        tessi_graph_gradient_sum_start(g->gradients, job->microbatches);
    if ((half != SECOND || g->batch_means) && g->sums)
        tessi_graph_sums_start(g->sums, job->microbatches);
    tessi_base_workers_run(g->runtime->workers, job->end - job->first, run_microbatch, job);
    for (int i = 0; i < g->slots; i++)
        if (g->slot[i].context.code != TESS_OK)
            return tessi_base_context_pass(ctx, &g->slot[i].context.context);
    if (g->ranks && (half != SECOND || g->batch_means) && g->sums)
        return tessi_graph_sums_over_ranks(ctx, g->sums, g->ranks);
    return TESS_OK;
}

static int graph_run_halves(struct tess_context *ctx, struct tessi_job *job)
{
    struct tess_graph *g = job->g;
    TESS_TRY(run_half(ctx, job, g->gradient_probes || g->batch_means ? FIRST : WHOLE));
    if (g->batch_means)
        tessi_graph_batch_means_take(g, tessi_graph_sums_result(g->sums), job->microbatches);
    if (g->gradient_probes && job->backward)
        TESS_TRY(tessi_graph_adapt_weights(ctx, g, tessi_graph_sums_result(g->sums), job->microbatches));
    if (g->batch_means || (g->gradient_probes && job->backward))
        TESS_TRY(run_half(ctx, job, SECOND));
    return TESS_OK;
}

/* Runs a job. Where this rank alone has failed, the others, who wait for it, are told; then nothing of it is on its way any more. */
static int graph_run_job(struct tess_context *ctx, struct tessi_job *job)
{
    struct tess_graph *g = job->g;
    int status = graph_run_halves(ctx, job);
    if (status != TESS_OK && !tessi_ranks_lost(g->ranks))
        tessi_ranks_abort(g->ranks, status, tess_message(ctx));
    int finished = job->backward ? tessi_graph_gradient_sum_finish(ctx, g->gradients) : TESS_OK;
    return status == TESS_OK ? finished : status;
}

static int graph_run_run(struct tess_context *ctx, struct tess_graph *g, const struct tess_batch *b, int backward_too)
{
    TESS_TRY(tessi_graph_batch_check(ctx, g, b, backward_too));
    g->result = NULL;
    TESS_TRY(graph_run_prepare(ctx, g));
    struct tessi_job job = {.g = g, .b = b, .backward = backward_too, .microbatches = (b->samples + g->microbatch - 1) / g->microbatch};
    tessi_ranks_share(job.microbatches, tessi_ranks_size(g->ranks), tessi_ranks_rank(g->ranks), &job.first, &job.end);
    for (int32_t i = 0; i < g->adaptive_weights; i++)
        g->adaptive_weight[i] = 0.0f;
    for (int i = 0; i < g->slots; i++)
        g->slot[i].holds = 0;
    if (backward_too && !g->gradients)
        TESS_TRY(tessi_graph_gradient_sum_new(ctx, g, &g->gradients));
    TESS_TRY(tessi_graph_overlay_reserve(ctx, g));
    tessi_graph_pack(g);
    tessi_graph_batch_means_forget(g);
    TESS_TRY(graph_run_job(ctx, &job));
    if (g->sums)
        copy_totals(g, b, tessi_graph_sums_result(g->sums), job.microbatches);
    if (backward_too)
        g->result = tessi_graph_gradient_sum_result(g->gradients);
    return TESS_OK;
}

void tessi_graph_over_ranks(struct tess_graph *g, struct tessi_ranks *ranks)
{
    if (g->ranks == ranks)
        return;
    tessi_graph_gradient_sum_free(g->gradients); /* laid out for other shares */
    g->gradients = NULL;
    g->result = NULL;
    g->ranks = ranks;
}

int tess_graph_run(struct tess_context *ctx, struct tess_graph *g, const struct tess_batch *b)
{
    return graph_run_run(ctx, g, b, 0);
}

int tess_graph_step(struct tess_context *ctx, struct tess_graph *g, const struct tess_batch *b)
{
    if (g && !g->objectives)
        return ctx->fail(ctx, TESS_E_VALUE, "a step of a graph without objectives");
    return graph_run_run(ctx, g, b, 1);
}

int tess_graph_gradient(struct tess_context *ctx, struct tess_graph *g, const char *weight, struct tess_tensor *out)
{
    if (!g || !weight || !out)
        return ctx->fail(ctx, TESS_E_VALUE, "the gradient of a weight: %s NULL",
                         !g        ? "the graph is"
                         : !weight ? "its name is"
                                   : "the place for it is");
    for (int64_t i = 0; i < g->weights->count; i++)
        if (strcmp(g->weights->item[i].name, weight) == 0 && !(g->weights->item[i].init.flags & TESS_WEIGHT_BUFFER)) {
            if (!g->result)
                return ctx->fail(ctx, TESS_E_VALUE, "gradients are there after a step that did not fail");
            *out = g->weights->item[i].shape;
            out->data = g->result + g->weights->item[i].offset;
            return TESS_OK;
        }
    return ctx->fail(ctx, TESS_E_DATA, "there is no trained weight named %s", weight);
}
