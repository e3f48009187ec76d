/* Runner of metric/1 components: a stage feeds rows in batches of any size, and each metric sees them in the blocks and the tree that
 * <tessera/kind/metric.h> promises, whatever the batch and however many the workers. SPDX-License-Identifier: MIT */
#ifndef KIT_METRIC_MEASURE_H
#define KIT_METRIC_MEASURE_H

#include "kit/metric/bootstrap.h"

#include <tessera/artefact.h>
#include <tessera/kind/metric.h>
#include <tessera/kind/stage.h>
#include <tessera/plugin.h>

enum { MEASURE_MAX = 16, MEASURE_LEVELS = 32, MEASURE_FIELDS = 3 };

/* Partial states of one metric and one set, each the merge of a whole subtree of blocks; subtrees differ in height, the tallest first. */
struct measure_tree {
    void *state[MEASURE_LEVELS];
    int64_t blocks[MEASURE_LEVELS];
    int32_t count;
};

struct measure {
    int32_t metrics;
    uint32_t wants; /* kind of the rows */
    struct tess_instance *instance[MEASURE_MAX];
    const struct tess_metric_1 *ops[MEASURE_MAX];
    struct tess_metric_shape shape;
    struct bootstrap bootstrap;
    struct measure_tree tree[MEASURE_MAX][TESS_METRIC_SETS];
    int64_t fed[TESS_METRIC_SETS];
    /* rows waiting for their block to be full */
    struct tess_tensor field[TESS_METRIC_SETS][MEASURE_FIELDS];
    int64_t waiting[TESS_METRIC_SETS];
};

/* Starts measuring by those of the instances that take rows of the kind `wants` (TESS_METRIC_PAIRS, ...), after asking each whether it can
 * judge such rows. `b`: intervals by bootstrap that are asked for; NULL: none. The instances stay the caller's. `m` is zeroed. */
int measure_open(struct tess_context *ctx, struct measure *m, struct tess_instance *const *instance, int64_t count, uint32_t wants,
                 const struct tess_metric_shape *shape, const struct bootstrap *b) TESS_CHECKED;
void measure_close(struct measure *m);
/* Number of the instances that take rows of the kind `wants`. */
int64_t measure_wanted(struct tess_instance *const *instance, int64_t count, uint32_t wants);
/* 1 where one of the metrics uses the images that were trained on. */
int measure_uses_training(struct tess_instance *const *instance, int64_t count);
/* Memory of the measurement in bytes, for a plan. */
int64_t measure_bytes(const struct measure *m);
/* Attributes for the result: each metric's parameters and protocol, `metric_NAME` and `protocol_NAME`, and how rows are drawn anew. */
int measure_describe(struct tess_context *ctx, const struct measure *m, struct tess_attrs *f) TESS_CHECKED;
/* Feeds rows of a set in order, any number at a time: `fields` tensors whose first dimension is that number, which must be the same in all
 * of them, those of <tessera/kind/metric.h> in this order: of pairs image, made; of features features; of distances distance; of classes
 * scores, labels and, of images, made_scores; of codes codes. */
int measure_feed(struct tess_context *ctx, struct measure *m, int32_t set, int32_t fields,
                 const struct tess_tensor *const *field) TESS_CHECKED;
/* Feeds all rows of a set at once, of a kind with one field, whose memory stays as it is until measure_finish: metrics need no copy of
 * it. */
int measure_feed_staying(struct tess_context *ctx, struct measure *m, int32_t set, const struct tess_tensor *rows) TESS_CHECKED;
/* Finishes after all rows were fed: writes each metric's results into the artefact, with their intervals where they are asked for, computed
 * on the workers of the run. */
int measure_finish(struct tess_context *ctx, struct measure *m, struct tess_stage_run *run, struct tess_artefact *a) TESS_CHECKED;
/* Merges all states of metric i into one, which stays the measure's; for measure_finish, as is the next. */
int measure_gather(struct tess_context *ctx, struct measure *m, int32_t i, void **state) TESS_CHECKED;
/* Closes the states of metric i. */
void measure_drop(struct measure *m, int32_t i);

#endif
