/* Gradients over ranks. The weights' block is cut into spans of whole weights. When the last microbatch of this rank's share has given the
 * gradients of all weights of a span, the carrier adds it over the ranks, while the backward passes go on with earlier layers. Spans are
 * handed over in the order in which the backward pass completes them, which is the same on all ranks. SPDX-License-Identifier: MIT */
#include "core/graph/node.h"

#include <stdatomic.h>

#define SPAN_FLOATS ((int64_t)1 << 18) /* smallest span: 1 MiB; less is dearer to carry than to wait for */

struct span {
    struct tessi_ranks_sum sum; /* first */
    int64_t first, end;         /* floats of the weights' block */
    int64_t weights, last;      /* number of its weights that get a gradient, and the place of the last of these in the backward pass */
    _Atomic int64_t missing;
};

struct tessi_gradient_ranks {
    struct tessi_ranks *ranks;
    struct span *span; /* spans in the order of the weights */
    int32_t *order;    /* spans in the order in which they are complete */
    int32_t *span_of;  /* span of each weight */
    int32_t spans, ordered;
    int started;
};

/* Cuts the block into spans of whole weights. */
static void ranks_cut(struct tessi_gradient_ranks *t, const struct tess_weights *w)
{
    for (int64_t i = 0; i < w->count; i++) {
        int64_t first = w->item[i].offset, end = first + tess_tensor_count(&w->item[i].shape);
        if (first >= w->trained)
            continue;
        if (t->spans == 0 || t->span[t->spans - 1].end - t->span[t->spans - 1].first >= SPAN_FLOATS)
            t->span[t->spans++].first = first;
        t->span[t->spans - 1].end = end;
        t->span_of[i] = t->spans - 1;
    }
}

/* Finds when each span is complete, and sorts them. A span of weights without a gradient is zero on every rank, and left out. */
static void ranks_sort(struct tessi_gradient_ranks *t, const struct tess_graph *g)
{
    for (int64_t k = 0; k < g->backs; k++) {
        const struct tessi_backward *b = &g->back[k];
        const struct tessi_step *step = b->step >= 0 && !b->again ? g->step[b->step] : NULL;
        for (int32_t i = 0; step && i < step->inputs; i++)
            if (b->gives[i]) {
                struct span *s = &t->span[t->span_of[step->in[i]->gradient_of->index]];
                s->weights++;
                s->last = k;
            }
    }
    for (int32_t i = 0; i < t->spans; i++) {
        int32_t at = t->ordered;
        if (t->span[i].weights == 0)
            continue;
        for (; at > 0 && t->span[t->order[at - 1]].last > t->span[i].last; at--)
            t->order[at] = t->order[at - 1];
        t->order[at] = i;
        t->ordered++;
    }
}

int tessi_graph_gradient_ranks_new(struct tess_context *ctx, const struct tess_graph *g, struct tessi_gradient_ranks **out)
{
    void *memory;
    const struct tess_weights *w = g->weights;
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tessi_gradient_ranks), "gradients of ranks", &memory));
    struct tessi_gradient_ranks *t = memory;
    t->ranks = g->ranks;
    int status = tess_alloc(ctx, (size_t)(w->count + 1) * sizeof *t->span, "gradients of ranks", &memory);
    t->span = status == TESS_OK ? memory : NULL;
    if (status == TESS_OK)
        status = tess_alloc(ctx, (size_t)(w->count + 1) * 2 * sizeof *t->order, "gradients of ranks", &memory);
    t->order = status == TESS_OK ? memory : NULL;
    if (status != TESS_OK) {
        tessi_graph_gradient_ranks_free(t);
        return status;
    }
    t->span_of = t->order + w->count + 1;
    ranks_cut(t, w);
    ranks_sort(t, g);
    *out = t;
    return TESS_OK;
}

void tessi_graph_gradient_ranks_free(struct tessi_gradient_ranks *t)
{
    if (!t)
        return;
    tess_free(t->span);
    tess_free(t->order);
    tess_free(t);
}

void tessi_graph_gradient_ranks_start(struct tessi_gradient_ranks *t, int64_t microbatches, float *const *level)
{
    struct tessi_tree_node node[TESSI_TREE_NODES];
    int64_t first, end;
    tessi_ranks_share(microbatches, tessi_ranks_size(t->ranks), tessi_ranks_rank(t->ranks), &first, &end);
    int nodes = tessi_ranks_tree_nodes(microbatches, first, end, node);
    for (int32_t i = 0; i < t->ordered; i++) {
        struct span *s = &t->span[t->order[i]];
        s->sum = (struct tessi_ranks_sum){.job.run = tessi_ranks_sum_run, .microbatches = microbatches, .floats = s->end - s->first};
        s->sum.scale = microbatches > 1 ? 1.0f / (float)microbatches : 1.0f;
        s->sum.result = level[0] + s->first;
        for (int k = 0; k < nodes; k++)
            s->sum.part[k] = level[k] + s->first;
        atomic_store(&s->missing, s->weights);
        tessi_ranks_job_start(t->ranks, &s->sum.job, nodes == 0); /* a rank without microbatches adds those of the others */
    }
    t->started = 1;
}

void tessi_graph_gradient_ranks_given(struct tessi_gradient_ranks *t, int64_t weight)
{
    struct span *s = &t->span[t->span_of[weight]];
    if (atomic_fetch_sub(&s->missing, 1) == 1)
        tessi_ranks_job_ready(t->ranks, &s->sum.job);
}

int tessi_graph_gradient_ranks_finish(struct tess_context *ctx, struct tessi_gradient_ranks *t)
{
    int status = TESS_OK;
    for (int32_t i = 0; t->started && i < t->ordered; i++) {
        int one = tessi_ranks_job_wait(ctx, t->ranks, &t->span[t->order[i]].sum.job);
        status = status == TESS_OK ? one : status;
    }
    t->started = 0;
    return status;
}
