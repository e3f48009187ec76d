/* Parts of the workloads of `tessera bench`: a model, its graph, made-up input, and a run or a step of it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSI_CLI_BENCH_MODEL_H
#define TESSI_CLI_BENCH_MODEL_H

#include "cli/bench.h"

#include <tessera/sampler.h>
#include <tessera/train.h>

/* Everything that a case holds; members that it does not need are NULL. */
struct bench_model {
    struct tess_attrs *attrs;
    struct tess_tokenizer tokenizer;
    struct tess_prior prior;
    struct tess_instance *critic;
    struct tess_weights *weights;
    struct tess_graph *graph, *picked;
    struct tess_sampler *sampler;
    struct tess_instance *steps; /* instance of kind sampler/1 */
    struct tess_sampler_options sampling;
    struct tess_training_params training;
    int64_t batch, step;
    int settled; /* the weights are, and the plan is that of an inference */
    struct tess_tensor in[4], out[2], total[4];
    struct tess_batch run;
};

/* n, or a quarter of it where the work is to be quick. */
int64_t bench_cut(const struct bench_work *w, int64_t n);
/* An empty model for `batch` units, as the work's self; the work closes it. */
int bench_model_open(struct tess_context *ctx, struct bench_work *w, int64_t batch, struct bench_model **out) TESS_CHECKED;
/* A graph over its weights, in microbatches of as many rows as leave one or more for each worker; for training as the stages cut them.
 * training: 0 none, 1 by Adam, 2 by AdamW. */
int bench_model_graph(struct tess_context *ctx, struct bench_model *m, int training, struct tess_graph **out) TESS_CHECKED;
/* Ends the recording of m->graph, whose work and memory become the case's; inputs are drawn below `values`, pixels or codes. */
int bench_model_seal(struct tess_context *ctx, struct bench_work *w, struct bench_model *m, int64_t values, int training) TESS_CHECKED;
/* Memory of inputs, outputs, totals, and of the logits of a sampler. */
int64_t bench_model_buffers(const struct bench_model *m);
/* Before the first run of an inference, when all its graphs are there: settles the weights, and plans memory with that. */
int bench_model_settle(struct tess_context *ctx, struct bench_work *w) TESS_CHECKED;
/* Runs of a struct bench_work: the graph forward, or a whole step of training. */
int bench_model_forward(struct tess_context *ctx, struct bench_work *w) TESS_CHECKED;
int bench_model_step(struct tess_context *ctx, struct bench_work *w) TESS_CHECKED;

#endif
