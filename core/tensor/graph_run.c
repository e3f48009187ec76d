/* Running a graph: slices handed to workers, each through forward and, in a step, backward, on one thread.
 * SPDX-License-Identifier: MIT */
#include "core/tensor/cache.h"
#include "core/tensor/dense.h"
#include "core/tensor/kernels.h"
#include "core/tensor/node.h"
#include "core/tensor/window.h"

#include <stdatomic.h>
#include <string.h>

/* What of a step is made: all of it; or, with probes, first what they need and then the rest. */
enum { WHOLE, FIRST, SECOND };

struct job { /* one batch being run */
    struct tess_graph *g;
    const struct tess_batch *b;
    int backward, half;
    int64_t slices;
};

/* Pointers of one slice on one worker. */
struct slice {
    const struct job *job;
    struct tessi_slot *slot;
    int64_t index, rows; /* rows that are real */
    float *sums;         /* totals and probes; NULL when they are not wanted */
};

static int prepare(struct tess_call *c, struct tess_graph *g)
{
    void *memory;
    if (g->slot)
        return TESS_OK;
    TESS_TRY(tess_weights_seal(c, g->weights));
    int64_t n = g->objectives + g->totals, at = 0;
    TESS_TRY(tess_alloc(c, (size_t)(n + 1) * sizeof(int64_t), "a graph", &memory));
    tess_free(g->total_offset);
    g->total_offset = memory;
    for (int32_t i = 0; i < n; i++) {
        struct tess_tensor shape;
        tess_graph_total_at(g, i, &shape);
        g->total_offset[i] = at;
        at += (tess_tensor_count(&shape) + 15) / 16 * 16;
    }
    if (n && !g->sums)
        TESS_TRY(tessi_sums_new(c, g->sum_floats, g->slices, &g->sums));
    if (g->packed_bytes && !g->packed) {
        TESS_TRY(tess_alloc(c, tessi_pack_bytes(g), "packed weights", &memory));
        g->packed = memory;
    }
    TESS_TRY(tessi_cache_reserve(c, g->cache));
    int workers = tessi_workers_count(g->runtime->workers), slots = workers < g->slices ? workers : (int)g->slices;
    TESS_TRY(tess_alloc(c, (size_t)slots * sizeof *g->slot, "a graph", &memory));
    g->slot = memory;
    g->slots = slots;
    for (int i = 0; i < slots; i++) {
        TESS_TRY(tess_alloc(c, (size_t)g->arena_bytes + 64, "activations", &memory));
        g->slot[i].arena = memory;
        TESS_TRY(tess_alloc(c, (size_t)g->pad_bytes + 64, "inputs", &memory));
        g->slot[i].pad = memory;
    }
    return TESS_OK;
}

static void pack_one(void *user, int worker, int64_t i)
{
    struct tess_graph *g = user;
    struct tessi_pack *p = &g->pack[i];
    const struct tessi_weight *w = &g->weights->item[p->weight];
    const void *from = g->weights->role[TESS_ROLE_VALUE] + w->offset;
    if (p->make) {
        (void)p->make(p->self, from, g->packed + p->offset);
        return;
    }
    if (p->is_narrow) {
        void *rounded = g->packed + (p->kernel ? g->packed_bytes + (size_t)worker * g->pack_room : p->offset);
        tessi_kernels()->to_bf16(tess_tensor_count(&w->shape), from, rounded);
        from = rounded;
    }
    if (p->kernel)
        (void)g->runtime->dense->pack(g->runtime->dense_self, p->kernel, from, g->packed + p->offset);
}

static void pack_weights(struct tess_graph *g)
{
    if (!g->packs || g->packed_version == g->weights->version)
        return;
    tessi_workers_run(g->runtime->workers, g->packs, pack_one, g);
    g->packed_version = g->weights->version;
}

/* The slice's rows of input i: the caller's memory, or a zero-filled copy where the slice is not full. */
static void *input_data(const struct slice *s, int64_t i)
{
    const struct tess_graph *g = s->job->g;
    const struct tess_tensor *given = &s->job->b->in[i], *shape = &g->input[i].node->shape;
    size_t bytes = tess_tensor_bytes(shape);
    char *from = (char *)given->data + (size_t)s->index * bytes;
    if (s->rows == g->rows)
        return from;
    char *pad = s->slot->pad;
    for (int64_t k = 0; k < i; k++)
        pad += (tess_tensor_bytes(&g->input[k].node->shape) + 63) / 64 * 64;
    return pad;
}

static void fill_pad(const struct slice *s)
{
    const struct tess_graph *g = s->job->g;
    if (s->rows == g->rows)
        return;
    for (int32_t i = 0; i < g->inputs; i++) {
        size_t bytes = tess_tensor_bytes(&g->input[i].node->shape), row = bytes / (size_t)g->rows;
        char *pad = input_data(s, i);
        memset(pad, 0, bytes);
        memcpy(pad, (char *)s->job->b->in[i].data + (size_t)s->index * bytes, row * (size_t)s->rows);
    }
}

static void *value(const struct slice *s, const struct tess_node *x)
{
    const struct tess_node *owner = x->value_of;
    const struct tess_graph *g = s->job->g;
    if (owner->kind == TESSI_INPUT)
        return input_data(s, owner->index);
    if (owner->kind == TESSI_WEIGHT)
        return g->weights->role[TESS_ROLE_VALUE] + g->weights->item[owner->index].offset;
    if (owner->kind == TESSI_COEFFICIENT)
        return g->coefficient + owner->index;
    return s->slot->arena + g->buffer[owner->buffer].offset;
}

static void *gradient(const struct slice *s, const struct tess_node *x, int32_t objective)
{
    const struct tess_node *owner = x->gradient_of;
    const struct tess_graph *g = s->job->g;
    int64_t b = owner->gradient[objective];
    return b == TESSI_PROBED ? (void *)(s->sums + g->probe[objective - g->objectives].offset) : s->slot->arena + g->buffer[b].offset;
}

static struct tess_op_run start_run(const struct slice *s, const struct tessi_step *step, struct tess_tensor *in, struct tess_tensor *out)
{
    const struct tess_graph *g = s->job->g;
    for (int32_t k = 0; k < step->inputs; k++) {
        in[k] = step->in[k] ? tessi_stored(step->in[k], step->in[k]->value_of) : tess_tensor_over(NULL, TESS_F32, 0, NULL);
        in[k].data = step->in[k] ? value(s, step->in[k]) : NULL;
    }
    for (int32_t k = 0; k < step->outputs; k++) {
        out[k] = tessi_stored(step->out[k], step->out[k]);
        out[k].data = value(s, step->out[k]);
    }
    return (struct tess_op_run){
        .size = sizeof(struct tess_op_run),
        .inputs = step->inputs,
        .outputs = step->outputs,
        .attr = step->attr,
        .in = in,
        .out = out,
        .random = {.seed = g->seed, .step = s->job->b->step, .sample = s->job->b->first + (uint32_t)(s->index * g->rows)},
        .rows = g->rows,
        .call = &s->slot->call.call,
        .host_state = step->state,
    };
}

static int forward(const struct slice *s)
{
    const struct tess_graph *g = s->job->g;
    struct tess_tensor in[TESS_OP_MAX], out[TESS_OP_MAX];
    for (int64_t i = 0; i < g->nodes; i++) {
        const struct tess_node *x = g->node[i];
        if (x->kind == TESSI_CONSTANT && x->value_of == x) {
            float *v = value(s, x);
            for (int64_t k = 0; k < tess_tensor_count(&x->shape); k++)
                v[k] = x->constant;
        }
    }
    for (int64_t i = 0; i < g->steps; i++) {
        const struct tessi_step *step = g->step[i];
        struct tess_op_run r = start_run(s, step, in, out);
        if (step->scratch_buffer >= 0)
            r.scratch = s->slot->arena + g->buffer[step->scratch_buffer].offset;
        TESS_TRY(step->op->forward(&r));
    }
    return TESS_OK;
}

static void copy_results(const struct slice *s)
{
    const struct tess_graph *g = s->job->g;
    const struct tess_batch *b = s->job->b;
    for (int32_t i = 0; i < g->outputs && i < b->outputs; i++) {
        size_t bytes = tess_tensor_bytes(&g->output[i].node->shape), row = bytes / (size_t)g->rows;
        if (b->out[i].data)
            memcpy((char *)b->out[i].data + (size_t)s->index * bytes, value(s, g->output[i].node), row * (size_t)s->rows);
    }
    for (int32_t i = 0; s->sums && i < g->objectives + g->totals; i++) {
        const struct tess_node *x = i < g->objectives ? g->objective[i].node : g->total[i - g->objectives].node;
        memcpy(s->sums + g->total_offset[i], value(s, x), tess_tensor_bytes(&x->shape));
    }
}

/* Where a step of the backward pass finds what was made again. */
static void redirect(const struct slice *s, const struct tessi_backward *b, const struct tessi_step *step, struct tess_tensor *in,
                     struct tess_tensor *out)
{
    const struct tess_graph *g = s->job->g;
    for (int32_t i = 0; i < step->inputs; i++)
        if (b->again_in[i] >= 0)
            in[i].data = s->slot->arena + g->buffer[b->again_in[i]].offset;
    if (b->again_out >= 0)
        out[0].data = s->slot->arena + g->buffer[b->again_out].offset;
}

/* The backward steps first .. end - 1. */
static int backward(const struct slice *s, int64_t first, int64_t end)
{
    const struct tess_graph *g = s->job->g;
    struct tess_tensor in[TESS_OP_MAX], out[TESS_OP_MAX], din[TESS_OP_MAX], dout[TESS_OP_MAX];
    for (int64_t k = first; k < end; k++) {
        const struct tessi_backward *b = &g->back[k];
        if (b->step < 0) {
            *(float *)gradient(s, tessi_target(g, b->objective), b->objective) = 1.0f;
            continue;
        }
        const struct tessi_step *step = g->step[b->step];
        struct tess_op_run r = start_run(s, step, in, out);
        redirect(s, b, step, in, out);
        if (b->scratch_buffer >= 0)
            r.scratch = s->slot->arena + g->buffer[b->scratch_buffer].offset;
        if (b->again) {
            TESS_TRY(step->op->forward(&r));
            continue;
        }
        for (int32_t i = 0; i < step->outputs; i++) {
            dout[i] = out[i];
            dout[i].data = b->missing[i] ? NULL : gradient(s, step->out[i], b->objective);
        }
        for (int32_t i = 0; i < step->inputs; i++) {
            din[i] = in[i];
            din[i].data = NULL;
            if (!b->wanted[i])
                continue;
            din[i].dtype = step->in[i]->gradient_of->stored;
            if (b->whole[i])
                din[i].data = tessi_gradient_sum_place(g->gradients, s->index, step->in[i]->gradient_of->index);
            if (!din[i].data)
                din[i].data = b->temporary[i] >= 0 ? (void *)(s->slot->arena + g->buffer[b->temporary[i]].offset)
                                                   : gradient(s, step->in[i], b->objective);
        }
        r.din = din;
        r.dout = dout;
        TESS_TRY(step->op->backward(&r));
        for (int32_t i = 0; i < step->inputs; i++)
            if (b->wanted[i] && b->temporary[i] >= 0)
                tessi_window_accumulate(&din[i], gradient(s, step->in[i], b->objective));
        for (int32_t i = 0; i < step->inputs; i++)
            if (b->gives[i])
                tessi_gradient_sum_give(g->gradients, s->index, step->in[i]->gradient_of->index,
                                        b->whole[i] ? din[i].data : gradient(s, step->in[i], b->objective));
    }
    return TESS_OK;
}

/* A slot nobody works in: the one that holds the slice, else any. There are as many as slices that can run at once, so the search ends. */
static struct tessi_slot *claim(struct tess_graph *g, int64_t index)
{
    for (int i = 0; g->probes && i < g->slots; i++) {
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

/* Memory of this slice's share of the totals, which are there after the first half. */
static int take_sums(struct slice *s)
{
    struct tess_graph *g = s->job->g;
    if (!g->sums || s->job->half == SECOND)
        return TESS_OK;
    s->sums = tessi_sums_take(g->sums);
    return s->sums ? TESS_OK : s->slot->call.call.fail(&s->slot->call.call, TESS_E_MEMORY, "no memory for a slice's totals");
}

static int run_forward(struct slice *s)
{
    const struct tess_graph *g = s->job->g;
    if (s->job->half == SECOND && s->slot->holds == s->index + 1)
        return TESS_OK;
    fill_pad(s);
    TESS_TRY(forward(s));
    if (s->job->half != SECOND)
        copy_results(s);
    s->slot->holds = g->probes ? s->index + 1 : 0;
    return TESS_OK;
}

static int run_backward(const struct slice *s)
{
    const struct tess_graph *g = s->job->g;
    if (!s->job->backward)
        return TESS_OK;
    return s->job->half == FIRST ? backward(s, 0, g->probe_backs) : backward(s, g->probe_backs, g->backs);
}

static void run_in_slot(struct job *job, struct tessi_slot *slot, int64_t index)
{
    struct tess_graph *g = job->g;
    struct slice s = {.job = job, .slot = slot, .index = index};
    if (slot->call.code != TESS_OK)
        return; /* the batch has failed already, and nobody waits */
    s.rows = job->b->samples - index * g->rows;
    s.rows = s.rows < g->rows ? s.rows : g->rows;
    int status = take_sums(&s);
    if (status == TESS_OK)
        status = run_forward(&s);
    if (status == TESS_OK)
        status = run_backward(&s);
    if (job->half == SECOND)
        slot->holds = 0;
    if (s.slot->call.code == TESS_OK && status != TESS_OK)
        (void)s.slot->call.call.fail(&s.slot->call.call, status, "an operation failed without saying why");
    if (status != TESS_OK && g->gradients)
        tessi_gradient_sum_fail(g->gradients);
    if (s.sums)
        tessi_sums_give(g->sums, index, s.sums);
}

static void run_slice(void *user, int worker, int64_t index)
{
    struct job *job = user;
    struct tessi_slot *slot = claim(job->g, index);
    (void)worker;
    run_in_slot(job, slot, index);
    atomic_store(&slot->busy, 0);
}

static int check(struct tess_call *c, const struct tess_graph *g, const struct tess_batch *b, int backward_too)
{
    if (!g->sealed)
        return c->fail(c, TESS_E_INTERNAL, "a graph is run before it was sealed");
    if (b->inputs < g->inputs)
        return c->fail(c, TESS_E_SHAPE, "the graph has %d inputs, the batch gives %d", (int)g->inputs, (int)b->inputs);
    if (b->samples < 1 || b->samples > g->rows * g->slices)
        return c->fail(c, TESS_E_SHAPE, "a batch of %lld samples does not fit %lld slices of %lld", (long long)b->samples,
                       (long long)g->slices, (long long)g->rows);
    if (b->samples % g->rows && (backward_too || g->totals))
        return c->fail(c, TESS_E_SHAPE, "a step needs whole slices: %lld samples are not a multiple of %lld", (long long)b->samples,
                       (long long)g->rows);
    for (int32_t i = 0; i < g->inputs; i++) {
        const struct tess_tensor *t = &b->in[i], *want = &g->input[i].node->shape;
        int64_t per = tess_tensor_count(want) / g->rows;
        if (t->dtype != want->dtype || !t->data || tess_tensor_count(t) < per * b->samples) {
            char text[96];
            return c->fail(c, TESS_E_SHAPE, "input %s is %s: %lld values of %s a sample are wanted", g->input[i].name,
                           tess_tensor_text(t, text, sizeof text), (long long)per, tess_dtype_name(want->dtype));
        }
    }
    return TESS_OK;
}

static void copy_totals(const struct tess_graph *g, const struct tess_batch *b, const float *sums, int64_t slices)
{
    for (int32_t i = 0; i < b->totals && i < g->objectives + g->totals; i++) {
        struct tess_tensor shape;
        tess_graph_total_at(g, i, &shape);
        float *to = b->total[i].data;
        if (!to)
            continue;
        memcpy(to, sums + g->total_offset[i], tess_tensor_bytes(&shape));
        if (i < g->objectives)
            *to /= (float)slices;
    }
}

/* All slices through one half, or through the whole. */
static int run_half(struct tess_call *c, struct job *job, int half)
{
    struct tess_graph *g = job->g;
    job->half = half;
    for (int i = 0; i < g->slots; i++)
        tessi_call_init(&g->slot[i].call, &g->runtime->host);
    if (half != FIRST && job->backward)
        tessi_gradient_sum_start(g->gradients, job->slices);
    if (half != SECOND && g->sums)
        tessi_sums_start(g->sums, job->slices);
    tessi_workers_run(g->runtime->workers, job->slices, run_slice, job);
    for (int i = 0; i < g->slots; i++)
        if (g->slot[i].call.code != TESS_OK)
            return tessi_call_pass(c, &g->slot[i].call.call);
    return TESS_OK;
}

static int run(struct tess_call *c, struct tess_graph *g, const struct tess_batch *b, int backward_too)
{
    TESS_TRY(check(c, g, b, backward_too));
    TESS_TRY(prepare(c, g));
    struct job job = {.g = g, .b = b, .backward = backward_too, .slices = (b->samples + g->rows - 1) / g->rows};
    for (int32_t i = 0; i < g->coefficients; i++)
        g->coefficient[i] = 0.0f;
    for (int i = 0; i < g->slots; i++)
        g->slot[i].holds = 0;
    if (backward_too && !g->gradients)
        TESS_TRY(tessi_gradient_sum_new(c, g->weights, g->slices, &g->gradients));
    pack_weights(g);
    TESS_TRY(run_half(c, &job, g->probes ? FIRST : WHOLE));
    if (g->sums)
        copy_totals(g, b, tessi_sums_result(g->sums), job.slices);
    if (g->probes && backward_too) {
        TESS_TRY(tessi_graph_weigh(c, g, tessi_sums_result(g->sums), job.slices));
        TESS_TRY(run_half(c, &job, SECOND));
    }
    if (backward_too)
        g->result = tessi_gradient_sum_result(g->gradients);
    return TESS_OK;
}

int tess_graph_run(struct tess_call *c, struct tess_graph *g, const struct tess_batch *b)
{
    return run(c, g, b, 0);
}

int tess_graph_step(struct tess_call *c, struct tess_graph *g, const struct tess_batch *b)
{
    if (!g->objectives)
        return c->fail(c, TESS_E_INTERNAL, "a step of a graph without objectives");
    return run(c, g, b, 1);
}

int tess_graph_gradient(struct tess_call *c, struct tess_graph *g, const char *weight, struct tess_tensor *out)
{
    for (int64_t i = 0; i < g->weights->count; i++)
        if (strcmp(g->weights->item[i].name, weight) == 0 && !(g->weights->item[i].init.flags & TESS_WEIGHT_BUFFER)) {
            if (!g->result)
                return c->fail(c, TESS_E_INTERNAL, "gradients are there after a step");
            *out = g->weights->item[i].shape;
            out->data = g->result + g->weights->item[i].offset;
            return TESS_OK;
        }
    return c->fail(c, TESS_E_DATA, "there is no trained weight named %s", weight);
}
