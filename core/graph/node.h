/* The graph from inside: nodes, recorded operations, and the schedule made of them.
 *
 * A node is a value or an alias of one. A reshape shares its source's storage; a stop-gradient shares storage but has no
 * gradient; a straight-through node has the storage of one node and the gradient of another. So each node says whose storage
 * (`value_of`) and whose gradient (`gradient_of`, NULL: none) it stands for, and nothing below ever copies for them.
 *
 * The schedule is a list of steps: all forward operations in the order of recording, then for each objective the backward
 * operations in reverse. A gradient's first contribution is written in place; later ones go to a temporary that is added.
 * Every buffer lives from one step to another; memory_plan.c packs them into one arena.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSI_NODE_H
#define TESSI_NODE_H

#include <tessera/graph.h>

#include <stdatomic.h>

#include "core/host/runtime.h"
#include "core/graph/weight_store.h"
#include "core/ranks/ranks.h"

enum { TESSI_VALUE, TESSI_INPUT, TESSI_WEIGHT, TESSI_CONSTANT, TESSI_ARRAY, TESSI_COEFFICIENT };

#define TESSI_NO_BUFFER (-1)

enum { TESSI_SCOPES_MAX = 32, TESSI_WEIGHT_NAME = 600, TESSI_MICROBATCHES_MAX = 1 << 20 };

struct tess_node {
    struct tess_graph *graph;
    int64_t number;           /* number in the order of recording */
    struct tess_tensor shape; /* data NULL */
    int32_t kind;
    int64_t index; /* number of the input, the weight or the adaptive weight */
    float constant;
    void *array; /* values of a TESSI_ARRAY; of the owner */
    struct tess_node *value_of, *gradient_of;
    int32_t stored;            /* dtype of the value, and of its gradient, in memory (owners only; dtype_assign.c) */
    int64_t buffer;            /* buffer of the value (owners only; inputs and weights have none) */
    int64_t again;             /* while differentiating: of the value made again for this objective, or TESSI_NO_BUFFER */
    struct tessi_step *maker;  /* NULL for inputs, weights and constants */
    int64_t *gradient;         /* per objective, then per gradient probe: buffer of the gradient, TESSI_NO_BUFFER, or TESSI_PROBED */
    char *needed;              /* per objective, then per gradient probe: a gradient is wanted here */
};

#define TESSI_PROBED (-2) /* a weight's gradient that a gradient probe asks for: it lives beside the totals, not in the arena */

struct tessi_step;

/* An operation of the library: the public struct, and its preparation at sealing. */
struct tessi_op {
    struct tess_op op;
    /* Plans dense kernels and sets scratch sizes, once the schedule is known. */
    int (*prepare)(struct tess_context *ctx, struct tess_graph *g, struct tessi_step *s);
    void (*drop)(struct tess_graph *g, struct tessi_step *s); /* frees what `prepare` allocated */
    /* Makes output 0 again for the backward pass, from the inputs and the further outputs; NULL: forward does. */
    int (*again)(const struct tess_op_run *r);
    uint32_t bf16_in, bf16_out; /* bit i: input / output i, and its gradient, may be stored as bf16 */
    int32_t cheap;              /* output 0 may be made again for the backward pass, where inputs and further outputs are there:
                                 * TESSI_CHEAP with `recompute`, TESSI_CHEAPEST also without, where it and input 0 are stored as bf16 */
    uint32_t alike;                 /* bits of inputs and, above them at TESSI_ALIKE_OUT, outputs that must be stored alike */
};

enum { TESSI_CHEAP = 1, TESSI_CHEAPEST = 2, TESSI_ALIKE_OUT = 16 };

struct tessi_step { /* a recorded operation */
    const struct tess_op *op;
    const struct tessi_op *extra; /* NULL for a plugin's */
    const char *scope;            /* scope where the node was recorded, "encoder.block1"; the graph's */
    void *attr, *state;
    int32_t inputs, outputs;
    struct tess_node *in[TESS_OP_MAX], *out[TESS_OP_MAX];
    uint32_t reads_pack; /* bit k: in[k] is a weight that it reads as packed, and not its values */
    size_t scratch_forward, scratch_backward;
    int64_t scratch_buffer; /* buffer of the forward step's scratch */
    double flops;
};

struct tessi_backward { /* one scheduled backward of one objective, or a forward made again for those that follow */
    int64_t step;
    int32_t again;
    int32_t objective;
    int64_t scratch_buffer;
    int64_t temporary[TESS_OP_MAX]; /* buffer of din[i] when it is to be added, else TESSI_NO_BUFFER */
    char wanted[TESS_OP_MAX];
    int64_t again_in[TESS_OP_MAX];  /* buffer of in[i] where that was made again, else TESSI_NO_BUFFER */
    int64_t again_out;              /* where a forward made again writes its output 0 */
    char missing[TESS_OP_MAX];      /* dout[i] does not flow */
    char gives[TESS_OP_MAX];        /* in[i] is a weight of the objective, and this step the last that adds to its gradient */
    char whole[TESS_OP_MAX];        /* this step is the first that adds to it as well */
};

struct tessi_buffer {
    int64_t bytes, offset;
    int64_t from, to; /* steps it lives in, inclusive; from < 0: never written */
    int32_t overlay;  /* 1: it lies in the memory of gradients, and the offset is one there (overlay.c) */
};

struct tessi_named {
    char *name;
    struct tess_node *node;
};

struct tessi_objective {
    char *name, *prefixes;
    struct tess_node *node;
};

struct tessi_pack { /* a weight rounded to bf16, or laid out by the backend for one kernel, or both; or what an operation makes of it once a
                       step */
    struct tess_kernel *kernel; /* NULL: rounded only, for all kernels that read it so */
    int64_t weight;
    size_t offset; /* offset of the bytes that the kernels read */
    int is_bf16;
    int (*make)(const void *self, const float *weight, char *to); /* NULL: one of the others */
    const void *self;
};

enum { TESSI_BATCH_MEANS_MAX = 8 };
struct tessi_batch_mean;
struct tessi_batch_mean_at { /* batch_mean.c */
    int32_t total;           /* number of the total that holds the sum */
    struct tessi_batch_mean *state;
};

enum { TESSI_GRADIENT_PROBES_MAX = 8 };
struct tessi_gradient_probe { /* the gradient of a scalar in one weight, wanted before those of the objectives */
    struct tess_node *node;
    int64_t weight, offset; /* offset in the sums */
};

struct tessi_sums;         /* sum_tree.c */
struct tessi_overlay;      /* overlay.c */
struct tessi_gradient_sum; /* gradient_sum.c */
struct tessi_gradient_ranks; /* gradient_ranks.c */
struct tessi_slot {        /* memory of a running microbatch; there are as many as can run at once */
    char *arena, *pad;     /* pad: inputs of a microbatch that is not full */
    int64_t holds;         /* 1 + the microbatch whose activations are in the arena, between the halves of a step */
    struct tessi_context context;
    atomic_int busy;
};

struct tess_graph {
    struct tessi_runtime *runtime;
    struct tess_weights *weights;
    int training, recompute, sealed;
    int64_t microbatch, microbatches;
    uint64_t seed;
    int64_t training_steps; /* 0: there is no end to count to */
    int status;
    char message[TESSI_MESSAGE_CAPACITY];
    char scope[512]; /* scopes open now, a dot behind each */
    size_t scope_mark[TESSI_SCOPES_MAX];
    int scope_depth;
    char **scope_text; /* each scope there was, without its last dot: those of the steps */
    int64_t scope_texts, scope_capacity;

    struct tess_node **node;
    int64_t nodes, node_capacity;
    struct tessi_step **step;
    int64_t steps, step_capacity;
    struct tessi_named *input, *output, *total;
    int64_t input_capacity, output_capacity, total_capacity, objective_capacity;
    int32_t inputs, outputs, totals;
    struct tessi_objective *objective;
    int32_t objectives;
    struct tessi_batch_mean_at batch_mean[TESSI_BATCH_MEANS_MAX];
    int32_t batch_means;
    int32_t *column; /* totals that are columns of a training's curve */
    int64_t column_capacity;
    int32_t columns;
    struct tessi_gradient_probe *gradient_probe;
    int64_t gradient_probe_capacity, adaptive_weight_capacity;
    int32_t gradient_probes, adaptive_weights;
    float *adaptive_weight; /* 0 until they are weighed */
    int (*adapt)(void *user, struct tess_context *ctx, const struct tess_tensor *gradient_probe, float *adaptive_weight);
    void *adapt_user;

    struct tessi_backward *back;
    int64_t backs, gradient_probe_backs; /* the gradient probes' come first */
    struct tessi_buffer *buffer;
    int64_t buffers, buffer_capacity;
    int64_t arena_bytes, pad_bytes;
    struct tessi_overlay *overlay; /* activations in the memory of gradients; NULL: there are none */
    struct tessi_pack *pack;
    int64_t packs;
    size_t packed_bytes, pack_scratch; /* pack_room: behind the packs, for each worker, a weight rounded before it is laid out */
    char *packed;
    uint64_t packed_version;

    /* run time */
    struct tessi_slot *slot;
    int slots;
    int64_t *total_offset;         /* [objective, then total]: offset in the sums */
    int64_t sum_floats;            /* totals and gradient probes */
    struct tess_cache *cache;      /* cache of its cached attention; NULL: it has none */
    struct tessi_sums *sums;
    struct tessi_gradient_sum *gradients;
    float *result;                 /* gradients of the last step */
    struct tessi_ranks *ranks;     /* ranks that share the microbatches; NULL: this process has them all */
};

/* Has the graph's batches run on all ranks: each runs its share of the microbatches, and all get the same totals and gradients as one
 * process, bit for bit. A rank's input and output tensors have the rows of its own share alone. Every rank must run the same batches.
 * `ranks` NULL: this process alone. */
void tessi_graph_over_ranks(struct tess_graph *g, struct tessi_ranks *ranks);

/* ---- recording (graph.c, record.c; graph_named.c has endpoints with a name) */
/* The scope of what is recorded now, a text of the graph's; NULL where memory ran out. */
const char *tessi_graph_scope(struct tess_graph *g);
/* Memory, zeroed, or a copy of a text, that the graph frees; NULL where it has failed, or fails for want of it. */
void *tessi_graph_alloc(struct tess_graph *g, size_t bytes);
char *tessi_graph_text(struct tess_graph *g, const char *text);
/* tess_reserve; 0 where the graph fails for want of memory. */
int tessi_graph_reserve(struct tess_graph *g, void *list, int64_t *capacity, int64_t wanted, size_t size);
struct tess_node *tessi_graph_node_new(struct tess_graph *g, const struct tess_tensor *shape);
/* A node that shares storage with `value` and gradient with `gradient` (NULL: none). */
struct tess_node *tessi_graph_node_alias(struct tess_graph *g, const struct tess_tensor *shape, struct tess_node *value,
                                   struct tess_node *gradient);
/* Records an operation of the library; gives output 0. Scratch for forward and backward may differ and may be set by prepare. */
struct tess_node *tessi_graph_record(struct tess_graph *g, const struct tessi_op *op, const void *attr, size_t attr_size, int32_t n_inputs,
                               struct tess_node *const *inputs, int32_t n_outputs, const struct tess_tensor *outputs, double flops);
struct tess_tensor tessi_graph_shape(int32_t dtype, int32_t rank, const int64_t *dim);
int64_t tessi_graph_buffer_new(struct tess_graph *g, int64_t bytes, int64_t from, int64_t to);

/* ---- sealing */
/* The failure of a step's function: a message that names scope and operation, and a status of this library whatever was returned. */
int tessi_graph_step_failed(struct tess_context *ctx, const struct tessi_step *s, const char *function, int status) TESS_CHECKED;
/* Chooses how each value is stored; before the memory plan, which counts the bytes. */
void tessi_graph_assign_dtypes(struct tess_graph *g);
/* The owner's tensor as it lies in memory: the node's dimensions, the owner's dtype. */
struct tess_tensor tessi_graph_stored(const struct tess_node *x, const struct tess_node *owner);
/* Orders the steps, forward and backward, and finds how long each buffer lives (schedule.c). */
int tessi_graph_schedule(struct tess_context *ctx, struct tess_graph *g) TESS_CHECKED;
/* The scalar of objective o, or of gradient probe o - objectives. */
struct tess_node *tessi_graph_target(const struct tess_graph *g, int32_t o);
int tessi_graph_plan(struct tess_context *ctx, struct tess_graph *g) TESS_CHECKED;

/* Memory of all packs of a sealed graph. */
size_t tessi_graph_pack_bytes(const struct tess_graph *g);

/* ---- totals over microbatches (sum_tree.c): blocks of `floats`, added pairwise in a tree fixed by the microbatch's index alone. */
int tessi_graph_sums_new(struct tess_context *ctx, int64_t floats, int64_t microbatches, struct tessi_sums **out) TESS_CHECKED;
void tessi_graph_sums_free(struct tessi_sums *t);
void tessi_graph_sums_start(struct tessi_sums *t, int64_t microbatches);
/* A block to write microbatch i's into; NULL when memory ran out. [any thread] */
float *tessi_graph_sums_take(struct tessi_sums *t);
/* Microbatch i's block is complete: adds what can be added. [any thread] */
void tessi_graph_sums_give(struct tessi_sums *t, int64_t microbatch, float *block);
/* The sum, after all microbatches were given; valid until the next start. */
float *tessi_graph_sums_result(struct tessi_sums *t);
/* Makes the sum over all ranks, each of which was given its share of the microbatches. */
int tessi_graph_sums_over_ranks(struct tess_context *ctx, struct tessi_sums *t, struct tessi_ranks *ranks) TESS_CHECKED;
/* Hands the summed gradient probes to the graph's weigh function. */
int tessi_graph_adapt_weights(struct tess_context *ctx, struct tess_graph *g, float *sums, int64_t microbatches) TESS_CHECKED;

/* ---- gradients over microbatches (gradient_sum.c) */
/* Memory for the sums of graph g's weights; over ranks, of this rank's share. */
int tessi_graph_gradient_sum_new(struct tess_context *ctx, const struct tess_graph *g, struct tessi_gradient_sum **out) TESS_CHECKED;
void tessi_graph_gradient_sum_free(struct tessi_gradient_sum *t);
int tessi_graph_gradient_levels(int64_t microbatches); /* number of weight-sized blocks that the sum needs */
void tessi_graph_gradient_sum_start(struct tessi_gradient_sum *t, int64_t microbatches);
/* Place for a microbatch's gradient of a weight, to be written directly before it is given; NULL: the caller uses memory of its own. [any
 * thread; may wait] */
float *tessi_graph_gradient_sum_place(struct tessi_gradient_sum *t, int64_t microbatch, int64_t weight);
/* Gives the microbatch's gradient of that weight, once for each microbatch. [any thread; may wait] */
void tessi_graph_gradient_sum_give(struct tessi_gradient_sum *t, int64_t microbatch, int64_t weight, const float *gradient);
/* Reports a microbatch as failed, so that nobody waits for it. */
void tessi_graph_gradient_sum_fail(struct tessi_gradient_sum *t);
/* Waits for the sums over all ranks; nothing for one process. */
int tessi_graph_gradient_sum_finish(struct tess_context *ctx, struct tessi_gradient_sum *t) TESS_CHECKED;
/* Block i of the memory for sums, which lasts as long as `t`. */
float *tessi_graph_gradient_sum_block(const struct tessi_gradient_sum *t, int i);
/* Mean over the microbatches, after all were given; valid until the next start, or until the next forward pass of a graph with activations
 * in that memory. */
float *tessi_graph_gradient_sum_result(struct tessi_gradient_sum *t);

/* ---- gradients over ranks (gradient_ranks.c): spans of weights whose gradients travel together, while others are still computed */
int tessi_graph_gradient_ranks_new(struct tess_context *ctx, const struct tess_graph *g, struct tessi_gradient_ranks **out) TESS_CHECKED;
void tessi_graph_gradient_ranks_free(struct tessi_gradient_ranks *t);
/* Hands all spans to the carrier; level[i] has the sum of the i-th node of this rank's share, and level[0] gets the mean over all. */
void tessi_graph_gradient_ranks_start(struct tessi_gradient_ranks *t, int64_t microbatches, float *const *level);
/* The weight's gradient is summed over this rank's share. [any thread] */
void tessi_graph_gradient_ranks_given(struct tessi_gradient_ranks *t, int64_t weight);
int tessi_graph_gradient_ranks_finish(struct tess_context *ctx, struct tessi_gradient_ranks *t) TESS_CHECKED;

#endif
