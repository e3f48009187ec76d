/* Running of pieces of graphs: one piece, all functions of a component, several pieces over the same weights.
 * SPDX-License-Identifier: MIT */
#include "core/judge/judge_private.h"
#include "core/graph/node.h"

#include <string.h>

enum { PIECE_TENSORS = 64 };

/* Passes on a failure, telling its message if no test has told it yet. */
static int piece_told(const struct judge_piece *p, int status)
{
    return status < 0 && *p->j->verdict->text == '\0' ? judge_ok(p->j, p->ctx, p->work->name, status) : status;
}

int judge_piece_begin(struct judge_piece *p)
{
    return piece_told(p, judge_piece_open(p));
}

int judge_pieces_begin(struct judge_piece *const *p, int n)
{
    int status = TESS_OK;
    for (int k = 0; k < n && status == TESS_OK; k++) {
        p[k]->weights = k ? p[0]->weights : p[k]->weights;
        status = piece_told(p[k], judge_piece_record(p[k]));
    }
    for (int k = 0; k < n && status == TESS_OK; k++)
        status = piece_told(p[k], judge_piece_seal(p[k]));
    return status;
}

/* Fills the tensors of a batch in the graph's order. The graph has further ones where the component declares its own: those are not wanted.
 * */
static int32_t piece_tensors(const struct judge_piece *p, int total, struct tess_tensor *out)
{
    struct tess_tensor shape;
    const char *name;
    int32_t n = 0;
    while (n < PIECE_TENSORS && (name = total ? tess_graph_total_at(p->graph, n, &shape) : tess_graph_output_at(p->graph, n, &shape))) {
        out[n] = shape;
        for (int32_t i = 0; i < p->outputs; i++)
            if (p->out[i].total == total && strcmp(p->out[i].name, name) == 0)
                out[n].data = p->out[i].value.data;
        n++;
    }
    return n;
}

int judge_piece_run(struct judge_piece *p, int64_t samples)
{
    struct tess_tensor in[JUDGE_PORTS], out[PIECE_TENSORS], total[PIECE_TENSORS];
    int32_t inputs = 0;
    for (int32_t i = 0; i < p->inputs; i++)
        if (p->in[i].node && p->in[i].node->kind == TESSI_INPUT)
            in[inputs++] = p->in[i].value;
    int32_t outputs = piece_tensors(p, 0, out), totals = piece_tensors(p, 1, total);
    for (int32_t i = 0; i < outputs; i++)
        out[i].dim[0] *= p->microbatches;
    const struct tess_batch b = {.size = sizeof b,
                                 .inputs = inputs,
                                 .outputs = outputs,
                                 .totals = totals,
                                 .samples = samples ? samples : p->rows * p->microbatches,
                                 .step = p->step,
                                 .first = (uint32_t)p->first,
                                 .in = in,
                                 .out = out,
                                 .total = total};
    return p->gradients ? tess_graph_step(p->ctx, p->graph, &b) : tess_graph_run(p->ctx, p->graph, &b);
}

int judge_each_workload(struct judge *j, struct tess_instance *i,
                        int (*each)(struct judge *j, struct tess_instance *i, const struct judge_workload *w))
{
    const void *ops = tess_instance_ops(i, j->component->kind);
    int fits = 0;
    for (const struct judge_workload *w = j->kind->workload; w->name; w++) {
        if (w->has && !w->has(ops))
            continue;
        int status = each(j, i, w);
        tess_forget(j->ctx);
        if (status != TESS_OK && status != JUDGE_UNFIT)
            return status;
        fits |= status == TESS_OK;
        if (status == TESS_OK)
            *j->verdict->text = '\0';
    }
    return fits ? TESS_OK : JUDGE_UNFIT;
}

const struct tess_tensor *judge_output(const struct judge_piece *p, const char *name)
{
    for (int32_t i = 0; i < p->outputs; i++)
        if (strcmp(p->out[i].name, name) == 0)
            return &p->out[i].value;
    return NULL;
}
