/* Shared by the files of core/judge: a test at work, its tables, the parameters it is tried with. SPDX-License-Identifier: MIT */
#ifndef TESSI_JUDGE_PRIVATE_H
#define TESSI_JUDGE_PRIVATE_H

#include "core/judge/judge.h"
#include "core/plug/plug_private.h"

#include <tessera/tessera.h>

/* The verdict that the process of a test leaves for the one that started it. */
struct judge_told {
    int32_t status;
    char config[4096]; /* the parameters at work */
    char text[1600];
};

struct judge {
    struct tess_context *ctx; /* its runtime has one thread */
    struct tessi_context context;
    struct tessi_runtime *runtime;
    const struct tess_plugin *plugin;
    const struct tess_component *component;
    const char *file;
    const struct judge_kind *kind;
    const struct tessi_judge_options *options;
    int level;
    uint64_t seed; /* this test's of this component */
    struct judge_told *told;
};

/* Statuses of a test beside TESS_OK and failures. */
enum {
    JUDGE_SKIP = 1, /* the reason is told */
    JUDGE_UNFIT = 2 /* not with these parameters: they are refused with a message, or want too much time or memory */
};

struct judge_test {
    const char *name; /* NULL ends the table */
    int level;        /* the lowest at which it is run */
    const char *asserts;
    int (*run)(struct judge *j);
};

struct judge_piece;

/* A function of a kind that records a piece of a graph. */
struct judge_workload {
    const char *name; /* "record_assign"; NULL ends the table */
    int training;     /* the graph is one of training */
    int smooth;       /* its f32 outputs may be held against differences */
    int mixes;        /* a sample's outputs may depend on the others of its microbatch */
    int sizes;        /* how many sizes `record` knows: it is asked for 0 first, for the next where that does not fit */
    /* Declares inputs, calls the function, gives its nodes to judge_gives. */
    int (*record)(struct judge_piece *p);
    int (*has)(const void *ops); /* whether the component has the function; NULL: all have */
};

struct judge_kind {
    const char *id;
    const struct judge_test *test;
    const struct judge_workload *workload; /* NULL: it records nothing */
};

extern const struct judge_test judge_component_tests[], judge_params_tests[], judge_recorded_tests[], judge_repeated_tests[];
int judge_gradients(struct judge *j);
extern const struct judge_kind judge_quantizer, judge_noise, judge_denoiser, judge_encoder, judge_decoder, judge_critic, judge_features,
    judge_sampler, judge_source, judge_format, judge_checkpoint, judge_stage, judge_backend, judge_metric;
/* NULL: a kind without tests of its own. */
const struct judge_kind *judge_kind_of(const char *id);

/* ---- verdicts ------------------------------------------------------------------------------------------------------ */

/* All keep the sentence, the first one; give TESS_E_FAILED, JUDGE_SKIP. */
int judge_fail(struct judge *j, const char *format, ...) TESS_PRINTF(2, 3);
int judge_skip(struct judge *j, const char *format, ...) TESS_PRINTF(2, 3);
/* The same of the parameters at work alone: JUDGE_UNFIT. */
int judge_unfit(struct judge *j, const char *format, ...) TESS_PRINTF(2, 3);
/* A status of `function` by the rules: TESS_OK, or one of the negative codes with a message. TESS_OK where it keeps them. */
int judge_status(struct judge *j, const struct tess_context *ctx, const char *function, int status);
/* Fails unless `status` is TESS_OK, with the message of ctx. */
int judge_ok(struct judge *j, const struct tess_context *ctx, const char *function, int status);
/* A number of the test's own, the same for the same key: uniform in [0, 1), and whole in [0, n). */
double judge_draw(const struct judge *j, const char *purpose, int64_t a, int64_t b);
int64_t judge_draw_below(const struct judge *j, const char *purpose, int64_t a, int64_t b, int64_t n);

/* ---- parameters ---------------------------------------------------------------------------------------------------- */

/* How far from the defaults parameters are drawn. */
enum {
    JUDGE_NEAR = 0, /* such that models stay small */
    JUDGE_WIDE = 1, /* over the whole range, its ends among them */
    JUDGE_SMALL = 2 /* whole numbers smaller than their defaults, the others as they are */
};

/* Parameters number v of the test, as a pipeline writes them, into told->config: 0 are the defaults. JUDGE_SKIP where one must be said by
 * the user. */
int judge_variant(struct judge *j, int64_t v, int how);
/* The defaults, but `name` written `value`. */
int judge_variant_with(struct judge *j, const char *name, const char *value);
/* An instance of told->config. `open` 0: its own `open` is not called. */
int judge_open(struct judge *j, struct tess_context *ctx, int open, struct tess_instance **out);
/* Runs body for so many variants, but for those that are refused with a message or for which it gives JUDGE_UNFIT; where all are, for more,
 * until one is not. JUDGE_SKIP where there is none. */
int judge_over(struct judge *j, int64_t variants, int (*body)(struct judge *j, struct tess_instance *i));
/* Names of the first component of `kind` that opens with its defaults, other than `not`; NULL: none. */
const char *judge_other(struct judge *j, const char *kind, const char *not_this);

/* ---- contexts ------------------------------------------------------------------------------------------------------ */

/* A second runtime over the same plugins and backend, with threads of its own. */
struct judge_threads {
    struct tessi_runtime runtime;
    struct tessi_context context;
    struct tess_context *ctx;
};
int judge_threads_open(struct judge *j, int threads, struct judge_threads *t);
void judge_threads_close(struct judge_threads *t);

/* ---- pieces of graphs ---------------------------------------------------------------------------------------------- */

enum { JUDGE_PORTS = 8 };

/* Values of an input. Rows are keyed by their place in the batch, so that they are the same however many there are. */
enum judge_fill {
    JUDGE_FILL_UNIT,   /* uniform in [0, 1) */
    JUDGE_FILL_NORMAL, /* standard normal */
    JUDGE_FILL_CODES,  /* whole, below `limit` */
    JUDGE_FILL_TIMES   /* 1 .. limit, as f32; limit 0: in (0, 1] */
};

struct judge_port {
    const char *name;
    struct tess_node *node;
    struct tess_tensor value; /* the whole batch, owned; outputs: after a run */
    enum judge_fill fill;     /* how an input is drawn */
    int32_t total;            /* an output that is a sum over the microbatches */
};

/* Why a piece is not as it should be. */
enum judge_fault {
    JUDGE_FINE = 0,
    JUDGE_REFUSED, /* with a message: that may be right */
    JUDGE_BAD_STATUS,
    JUDGE_BAD_NODE, /* missing, of another graph, dtype or shape */
    JUDGE_BAD_SCOPE
};

struct judge_piece {
    struct judge *j;
    struct tess_context *ctx;
    const struct judge_workload *work;
    struct tess_instance *instance;
    const void *ops;
    void *self;
    int64_t rows, microbatches; /* rows of one microbatch */
    uint32_t step;              /* the step of training that keys draws */
    int64_t first;              /* number of the batch's first row, where it is a part of another's */
    int size;                   /* which of the workload's sizes */
    int gradients;              /* f32 inputs are weights, and an objective is made of the outputs */
    struct tess_weights *weights;
    int borrowed; /* the weights are another's */
    struct tess_graph *graph;
    int32_t inputs, outputs, is_sealed;
    struct judge_port in[JUDGE_PORTS], out[JUDGE_PORTS];
    enum judge_fault fault;
    int status;
    char why[800];
    int64_t detail[4]; /* a workload's own */
};

/* Zeroed but for j, ctx, work, instance, rows, microbatches (and first, gradients, weights) as the caller set them: makes the graph and
 * records; fault, status and why tell what came of it. TESS_OK but for want of memory. */
int judge_piece_record(struct judge_piece *p);
/* n pieces over the weights of the first, all recorded before the first is sealed, as a store takes no further weight then. */
int judge_pieces_begin(struct judge_piece *const *p, int n);
/* Seals; JUDGE_UNFIT where it would take too long, JUDGE_SKIP where it was not recorded well, which is another test's. Weights get values
 * that hide nothing: those that begin with 0 do not stay there. */
int judge_piece_seal(struct judge_piece *p);
/* The two together. */
int judge_piece_open(struct judge_piece *p);
/* The same for a test that has nothing to say of failures: they are its own. */
int judge_piece_begin(struct judge_piece *p);
/* Runs the batch, `samples` rows of it (0: all): out[].value. A failure is the run's, with its message in p->ctx. */
int judge_piece_run(struct judge_piece *p, int64_t samples);
void judge_piece_close(struct judge_piece *p);

/* Calls `each` for every function that records and that the component has; JUDGE_UNFIT where none was fit. */
int judge_each_workload(struct judge *j, struct tess_instance *i,
                        int (*each)(struct judge *j, struct tess_instance *i, const struct judge_workload *w));

/* For workloads. An input of dim[0] == p->rows, its values drawn; limit of codes or times. */
struct tess_node *judge_input(struct judge_piece *p, const char *name, int32_t dtype, int32_t rank, const int64_t *dim,
                              enum judge_fill fill, int64_t limit);
/* A node that the component gave: dims of -1 are its own choice. dim[0] == p->rows is an output, else (a scalar) a total. */
void judge_gives(struct judge_piece *p, const char *name, struct tess_node *node, int32_t dtype, int32_t rank, const int64_t *dim);

/* Adds scale times normal numbers to t; gives the sum of those times `other`, unless NULL. */
double judge_add_normal(const struct tess_stream *s, double scale, const struct tess_tensor *t, const float *other);
/* First difference of two tensors of one shape beyond absolute + relative |b|; 0: none, else `text` says where. */
int judge_differs(const struct tess_tensor *a, const struct tess_tensor *b, double absolute, double relative, char *text, size_t capacity);
/* The first value that is not finite. */
int judge_not_finite(const struct tess_tensor *t, char *text, size_t capacity);
/* An output of p by name; NULL where it has none. */
const struct tess_tensor *judge_output(const struct judge_piece *p, const char *name);

#define JUDGE_TRY(expression)                                                                                                              \
    do {                                                                                                                                   \
        int judge_status_ = (expression);                                                                                                  \
        if (judge_status_ != TESS_OK)                                                                                                      \
            return judge_status_;                                                                                                          \
    } while (0)

#endif
