/* Inference graph over many samples, in microbatches that do not depend on the batch. SPDX-License-Identifier: MIT */
#ifndef KIT_INFER_STAGE_GRAPH_H
#define KIT_INFER_STAGE_GRAPH_H

#include <tessera/graph.h>
#include <tessera/plugin.h>
#include <tessera/weights.h>

/* Microbatch of an inference graph, in samples: the same whatever the batch, so that a result never depends on it. The last bits of a
 * sample's result depend on its place in its microbatch; so a stage cuts its samples at whole microbatches (stage_whole_microbatches), or
 * gives each the place of its number. */
enum { STAGE_MICROBATCH = 8 };

/* `samples`, rounded up to whole microbatches. */
static inline int64_t stage_whole_microbatches(int64_t samples)
{
    return (samples + STAGE_MICROBATCH - 1) / STAGE_MICROBATCH * STAGE_MICROBATCH;
}

struct stage_graph {
    struct tess_weights *weights;
    struct tess_graph *graph;
    int64_t batch; /* samples at a time */
};
/* Makes an empty graph over s->weights, or over a new store when that is NULL. */
int stage_graph_open(struct tess_context *ctx, struct stage_graph *s, uint64_t seed, int64_t batch) TESS_CHECKED;
/* Makes an empty graph with microbatches of `rows`, which must not depend on the batch either. */
int stage_graph_open_rows(struct tess_context *ctx, struct stage_graph *s, uint64_t seed, int64_t batch, int64_t rows) TESS_CHECKED;
void stage_graph_close(struct stage_graph *s, int owns_weights);
/* Runs `n` samples, the first of which has number `first`; every tensor's first dimension is cut to n. Shared by the ranks of a run
 * (tess_graph_run_shared). */
int stage_graph_run(struct tess_context *ctx, const struct stage_graph *s, uint32_t step, int64_t first, int64_t n, int32_t inputs,
                    const struct tess_tensor *in, int32_t outputs, struct tess_tensor *out) TESS_CHECKED;
/* Reads the weights of an inference, after the last graph over them was sealed, and settles them (tess_weights_settle). */
int stage_graph_weights(struct tess_context *ctx, struct tess_weights *w, const struct tess_artefact *from) TESS_CHECKED;
/* Takes off a plan what settling gives back, where more is there afterwards than while the weights are read; `before`: the plan's
 * total_bytes before the weights and all their graphs were added. */
void stage_graph_cost_settled(const struct tess_weights *w, int64_t before, struct tess_cost *cost);
/* Adds the graph's cost for `samples` samples to a plan. Memory is the graph's alone: several are had at once, over weights that a stage
 * counts once (tess_weights_bytes). */
int stage_graph_cost(struct tess_context *ctx, const struct stage_graph *s, double samples, struct tess_cost *cost) TESS_CHECKED;

/* Parameter `batch`, and the stage's `open`, which rounds it up to whole microbatches. */
#define STAGE_BATCH_OPEN(name, S, m)                                                                                                       \
    static int name(void *self, struct tess_context *ctx)                                                                                  \
    {                                                                                                                                      \
        (void)ctx;                                                                                                                         \
        ((S *)self)->m = stage_whole_microbatches(((S *)self)->m);                                                                         \
        return TESS_OK;                                                                                                                    \
    }
#define STAGE_BATCH_PARAM(S, m)                                                                                                            \
    {                                                                                                                                      \
        .name = "batch", .help = "samples computed at a time, in whole eights; changes speed and memory, not the result",                  \
        .type = TESS_I64, .flags = TESS_NEUTRAL, .offset = offsetof(S, m), .lo = 1, .hi = 65536, .def = 64                                 \
    }

#endif
