/* Forward and backward pass of one microbatch, on one thread. SPDX-License-Identifier: MIT */
#include "core/base/memory.h"
#include "core/base/pulse.h"
#include "core/graph/graph_microbatch.h"

#include "core/graph/bf16_view.h"
#include "core/graph/overlay.h"
#include "core/plug/process.h"

#include <assert.h>
#include <string.h>

/* Rows of input i for the microbatch: the caller's memory, or a zero-filled copy where the microbatch is not full. */
static void *input_data(const struct tessi_microbatch *s, int64_t i)
{
    const struct tess_graph *g = s->job->g;
    const struct tess_tensor *given = &s->job->b->in[i], *shape = &g->input[i].node->shape;
    size_t bytes = tess_tensor_bytes(shape);
    char *from = (char *)given->data + (size_t)s->index * bytes;
    if (s->rows == g->microbatch)
        return from;
    char *pad = s->slot->pad;
    for (int64_t k = 0; k < i; k++)
        pad += tessi_base_aligned(tess_tensor_bytes(&g->input[k].node->shape));
    return pad;
}

void tessi_graph_microbatch_fill_pad(const struct tessi_microbatch *s)
{
    const struct tess_graph *g = s->job->g;
    if (s->rows == g->microbatch)
        return;
    for (int32_t i = 0; i < g->inputs; i++) {
        size_t bytes = tess_tensor_bytes(&g->input[i].node->shape), row = bytes / (size_t)g->microbatch;
        char *pad = input_data(s, i);
        memset(pad, 0, bytes);
        memcpy(pad, (char *)s->job->b->in[i].data + (size_t)s->index * bytes, row * (size_t)s->rows);
    }
}

static char *graph_microbatch_buffer(const struct tessi_microbatch *s, int64_t i)
{
    const struct tess_graph *g = s->job->g;
    const struct tessi_buffer *b = &g->buffer[i];
    return b->overlay ? tessi_graph_overlay_at(g, b, s->slot - g->slot) : s->slot->arena + b->offset;
}

static void *graph_microbatch_value(const struct tessi_microbatch *s, const struct tess_node *x)
{
    const struct tess_node *owner = x->value_of;
    const struct tess_graph *g = s->job->g;
    if (owner->kind == TESSI_INPUT)
        return input_data(s, owner->index);
    if (owner->kind == TESSI_WEIGHT)
        return g->weights->role[TESS_ROLE_VALUE] + g->weights->item[owner->index].offset;
    if (owner->kind == TESSI_ARRAY)
        return owner->array;
    if (owner->kind == TESSI_COEFFICIENT)
        return g->adaptive_weight + owner->index;
    assert(owner->buffer >= 0); /* every value that an operation made has its place in the plan */
    return graph_microbatch_buffer(s, owner->buffer);
}

static void *graph_microbatch_gradient(const struct tessi_microbatch *s, const struct tess_node *x, int32_t objective)
{
    const struct tess_node *owner = x->gradient_of;
    const struct tess_graph *g = s->job->g;
    int64_t b = owner->gradient[objective];
    return b == TESSI_PROBED ? (void *)(s->sums + g->gradient_probe[objective - g->objectives].offset)
                             : (void *)graph_microbatch_buffer(s, b);
}

static struct tess_op_run start_run(const struct tessi_microbatch *s, const struct tessi_step *step, struct tess_tensor *in,
                                    struct tess_tensor *out)
{
    const struct tess_graph *g = s->job->g;
    for (int32_t k = 0; k < step->inputs; k++) {
        in[k] = step->in[k] ? tessi_graph_stored(step->in[k], step->in[k]->value_of) : tess_tensor_over(NULL, TESS_F32, 0, NULL);
        in[k].data = step->in[k] ? graph_microbatch_value(s, step->in[k]) : NULL;
    }
    for (int32_t k = 0; k < step->outputs; k++) {
        out[k] = tessi_graph_stored(step->out[k], step->out[k]);
        out[k].data = graph_microbatch_value(s, step->out[k]);
    }
    return (struct tess_op_run){
        .size = sizeof(struct tess_op_run),
        .inputs = step->inputs,
        .outputs = step->outputs,
        .attr = step->attr,
        .in = in,
        .out = out,
        .random = {.seed = g->seed, .step = s->job->b->step, .sample = s->job->b->first + (uint32_t)(s->index * g->microbatch)},
        .rows = g->microbatch,
        .context = &s->slot->context.context,
        .host_state = step->state,
    };
}

/* Calls one of an operation's functions. A failure is one whether it is returned, kept as a message, or both. */
static int microbatch_call(const struct tessi_microbatch *s, const struct tessi_step *step, const char *name,
                           int (*function)(const struct tess_op_run *r), const struct tess_op_run *r)
{
    int status = function(r);
    char what[200];
    tessi_base_pulse();
    if (tessi_plug_numbers_changed(what, sizeof what)) {
        struct tess_context *ctx = &s->slot->context.context;
        tess_forget(ctx);
        status = ctx->fail(ctx, TESS_E_PLUGIN, "%s: %s", name, what);
    }
    if (status == TESS_OK && s->slot->context.code == TESS_OK)
        return TESS_OK;
    return tessi_graph_step_failed(&s->slot->context.context, step, name, status);
}

int tessi_graph_microbatch_forward(const struct tessi_microbatch *s)
{
    const struct tess_graph *g = s->job->g;
    struct tess_tensor in[TESS_OP_MAX], out[TESS_OP_MAX];
    for (int64_t i = 0; i < g->nodes; i++) {
        const struct tess_node *x = g->node[i];
        if (x->kind == TESSI_CONSTANT && x->value_of == x) {
            float *v = graph_microbatch_value(s, x);
            for (int64_t k = 0; k < tess_tensor_count(&x->shape); k++)
                v[k] = x->constant;
        }
    }
    for (int64_t i = 0; i < g->steps; i++) {
        const struct tessi_step *step = g->step[i];
        struct tess_op_run r = start_run(s, step, in, out);
        if (step->scratch_buffer >= 0)
            r.scratch = graph_microbatch_buffer(s, step->scratch_buffer);
        TESS_TRY(microbatch_call(s, step, "forward", step->op->forward, &r));
    }
    return TESS_OK;
}

void tessi_graph_microbatch_copy_results(const struct tessi_microbatch *s)
{
    const struct tess_graph *g = s->job->g;
    const struct tess_batch *b = s->job->b;
    for (int32_t i = 0; i < g->outputs && i < b->outputs; i++) {
        size_t bytes = tess_tensor_bytes(&g->output[i].node->shape), row = bytes / (size_t)g->microbatch;
        if (b->out[i].data)
            memcpy((char *)b->out[i].data + (size_t)s->index * bytes, graph_microbatch_value(s, g->output[i].node), row * (size_t)s->rows);
    }
    for (int32_t i = 0; s->sums && i < g->objectives + g->totals; i++) {
        const struct tess_node *x = i < g->objectives ? g->objective[i].node : g->total[i - g->objectives].node;
        memcpy(s->sums + g->total_offset[i], graph_microbatch_value(s, x), tess_tensor_bytes(&x->shape));
    }
}

/* Points the tensors of a backward step at recomputed values, where they were recomputed. */
static void graph_microbatch_redirect(const struct tessi_microbatch *s, const struct tessi_backward *b, const struct tessi_step *step,
                                      struct tess_tensor *in, struct tess_tensor *out)
{
    for (int32_t i = 0; i < step->inputs; i++)
        if (b->again_in[i] >= 0)
            in[i].data = graph_microbatch_buffer(s, b->again_in[i]);
    if (b->again_out >= 0)
        out[0].data = graph_microbatch_buffer(s, b->again_out);
}

int tessi_graph_microbatch_backward(const struct tessi_microbatch *s, int64_t first, int64_t end)
{
    const struct tess_graph *g = s->job->g;
    struct tess_tensor in[TESS_OP_MAX], out[TESS_OP_MAX], din[TESS_OP_MAX], dout[TESS_OP_MAX];
    for (int64_t k = first; k < end; k++) {
        const struct tessi_backward *b = &g->back[k];
        tessi_graph_overlay_reach(g->overlay, s->index, k);
        if (b->step < 0) {
            *(float *)graph_microbatch_gradient(s, tessi_graph_target(g, b->objective), b->objective) = 1.0f;
            continue;
        }
        const struct tessi_step *step = g->step[b->step];
        struct tess_op_run r = start_run(s, step, in, out);
        graph_microbatch_redirect(s, b, step, in, out);
        if (b->scratch_buffer >= 0)
            r.scratch = graph_microbatch_buffer(s, b->scratch_buffer);
        if (b->again) {
            TESS_TRY(microbatch_call(s, step, "forward", step->extra->again ? step->extra->again : step->op->forward, &r));
            continue;
        }
        for (int32_t i = 0; i < step->outputs; i++) {
            dout[i] = out[i];
            dout[i].data = b->missing[i] ? NULL : graph_microbatch_gradient(s, step->out[i], b->objective);
        }
        for (int32_t i = 0; i < step->inputs; i++) {
            din[i] = in[i];
            din[i].data = NULL;
            if (!b->wanted[i])
                continue;
            din[i].dtype = step->in[i]->gradient_of->stored;
            if (b->whole[i])
                din[i].data = tessi_graph_gradient_sum_place(g->gradients, s->index, step->in[i]->gradient_of->index);
            if (!din[i].data)
                din[i].data = b->temporary[i] >= 0 ? (void *)graph_microbatch_buffer(s, b->temporary[i])
                                                   : graph_microbatch_gradient(s, step->in[i], b->objective);
        }
        r.din = din;
        r.dout = dout;
        TESS_TRY(microbatch_call(s, step, "backward", step->op->backward, &r));
        for (int32_t i = 0; i < step->inputs; i++)
            if (b->wanted[i] && b->temporary[i] >= 0)
                tessi_graph_bf16_view_accumulate(&din[i], graph_microbatch_gradient(s, step->in[i], b->objective));
        for (int32_t i = 0; i < step->inputs; i++)
            if (b->gives[i])
                tessi_graph_gradient_sum_give(g->gradients, s->index, step->in[i]->gradient_of->index,
                                              b->whole[i] ? din[i].data : graph_microbatch_gradient(s, step->in[i], b->objective));
    }
    tessi_graph_overlay_reach(g->overlay, s->index, end);
    return TESS_OK;
}
