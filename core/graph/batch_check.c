/* Checks a batch's tensors against the sealed graph that is to run it, so that nothing is read or written beyond the caller's memory.
 * SPDX-License-Identifier: MIT */
#include "core/graph/graph_microbatch.h"

#include <stdio.h>

/* 1 where t has the shape of the graph's tensor over `samples` rows. Its first dimension may be larger: the rest is left alone. */
static int batch_tensor_fits(const struct tess_graph *g, const struct tess_tensor *t, const struct tess_tensor *one, int64_t samples)
{
    if (t->dtype != one->dtype || t->rank != one->rank || t->dim[0] < one->dim[0] / g->microbatch * samples)
        return 0;
    for (int32_t i = 1; i < one->rank; i++)
        if (t->dim[i] != one->dim[i])
            return 0;
    return 1;
}

/* "wanted f32 (64, 8), found f32 (64, 7)" for an input or output that does not fit. */
static int batch_mismatch(struct tess_context *ctx, const char *what, const char *name, const struct tess_tensor *wanted,
                          const struct tess_tensor *found)
{
    char want[160], got[160];
    int known = found->rank >= 0 && found->rank <= TESS_MAX_RANK;
    return ctx->fail(ctx, TESS_E_SHAPE, "%s %s of a graph: wanted %s, found %s", what, name, tess_tensor_text(wanted, want, sizeof want),
                     !found->data ? "no data"
                     : known      ? tess_tensor_text(found, got, sizeof got)
                                  : "a tensor without a rank");
}

static int batch_check_named(struct tess_context *ctx, const struct tess_graph *g, const struct tess_batch *b, const char *what,
                             const struct tessi_named *named, const struct tess_tensor *t)
{
    struct tess_tensor wanted = named->node->shape;
    if (batch_tensor_fits(g, t, &wanted, b->samples))
        return TESS_OK;
    wanted.dim[0] = wanted.dim[0] / g->microbatch * b->samples;
    return batch_mismatch(ctx, what, named->name, &wanted, t);
}

static int batch_check_total(struct tess_context *ctx, const struct tess_graph *g, int32_t i, const struct tess_tensor *t)
{
    struct tess_tensor wanted, found = *t;
    const char *name = tess_graph_total_at(g, i, &wanted);
    found.data = NULL;
    return tess_tensor_same_shape(&wanted, &found) ? TESS_OK : batch_mismatch(ctx, "total", name, &wanted, t);
}

static int batch_check_counts(struct tess_context *ctx, const struct tess_graph *g, const struct tess_batch *b)
{
    if (b->inputs != g->inputs || b->outputs < 0 || b->outputs > g->outputs || b->totals < 0 || b->totals > g->objectives + g->totals)
        return ctx->fail(
            ctx, TESS_E_SHAPE,
            "a batch of %d inputs, %d outputs and %d totals for a graph that has %d, %d and %d: all inputs are wanted, and no more of "
            "the others than there are",
            (int)b->inputs, (int)b->outputs, (int)b->totals, (int)g->inputs, (int)g->outputs, (int)(g->objectives + g->totals));
    if ((b->inputs && !b->in) || (b->outputs && !b->out) || (b->totals && !b->total))
        return ctx->fail(ctx, TESS_E_VALUE, "a batch whose %s are NULL",
                         b->inputs && !b->in     ? "inputs"
                         : b->outputs && !b->out ? "outputs"
                                                 : "totals");
    return TESS_OK;
}

static int batch_check_samples(struct tess_context *ctx, const struct tess_graph *g, const struct tess_batch *b, int backward_too)
{
    if (b->samples < 1 || b->samples > g->microbatch * g->microbatches)
        return ctx->fail(ctx, TESS_E_SHAPE, "a batch of %lld samples does not fit %lld microbatches of %lld", (long long)b->samples,
                         (long long)g->microbatches, (long long)g->microbatch);
    if (b->samples % g->microbatch && (backward_too || g->totals))
        return ctx->fail(ctx, TESS_E_SHAPE, "a step needs whole microbatches: %lld samples are not a multiple of %lld",
                         (long long)b->samples, (long long)g->microbatch);
    return TESS_OK;
}

int tessi_graph_batch_check(struct tess_context *ctx, const struct tess_graph *g, const struct tess_batch *b, int backward_too)
{
    if (!g || !b)
        return ctx->fail(ctx, TESS_E_VALUE, "a run of a graph: the %s is NULL", g ? "batch" : "graph");
    if (!g->sealed)
        return ctx->fail(ctx, TESS_E_VALUE, "a graph is run before it was sealed");
    if (!TESS_HAS(b, total))
        return ctx->fail(ctx, TESS_E_VALUE, "struct tess_batch: its size is %u; set it to sizeof(struct tess_batch)", (unsigned)b->size);
    TESS_TRY(batch_check_counts(ctx, g, b));
    TESS_TRY(batch_check_samples(ctx, g, b, backward_too));
    for (int32_t i = 0; i < b->inputs; i++)
        if (!b->in[i].data)
            return batch_mismatch(ctx, "input", g->input[i].name, &g->input[i].node->shape, &b->in[i]);
        else
            TESS_TRY(batch_check_named(ctx, g, b, "input", &g->input[i], &b->in[i]));
    for (int32_t i = 0; i < b->outputs; i++)
        if (b->out[i].data)
            TESS_TRY(batch_check_named(ctx, g, b, "output", &g->output[i], &b->out[i]));
    for (int32_t i = 0; i < b->totals; i++)
        if (b->total[i].data)
            TESS_TRY(batch_check_total(ctx, g, i, &b->total[i]));
    return TESS_OK;
}
