/* Shared by the files of core/judge: a test at work, its tables, the parameters it is tried with. SPDX-License-Identifier: MIT */
#ifndef TESSI_JUDGE_PRIVATE_H
#define TESSI_JUDGE_PRIVATE_H

#include "core/judge/judge.h"
#include "core/plug/plug_private.h"

#include <tessera/tessera.h>

/* The verdict that the process of a test leaves for the one that started it. */
struct judge_verdict {
    int32_t status;
    char config[4096]; /* parameters of the present variant, as text */
    char text[1600];
};

struct judge {
    struct tess_context *ctx; /* context of a runtime with one thread */
    struct tessi_context context;
    struct tessi_runtime *runtime;
    const struct tess_plugin *plugin;
    const struct tess_component *component;
    const char *file;
    const struct judge_kind *kind;
    const struct tessi_judge_options *options;
    int level;
    uint64_t seed; /* seed of this test for this component */
    struct judge_verdict *verdict;
};

/* Statuses of a test beside TESS_OK and failures. */
enum {
    JUDGE_SKIP = 1, /* the test does not apply, and the reason is told */
    JUDGE_UNFIT = 2 /* the parameters do not suit: they are refused with a message, or want too much time or memory */
};

struct judge_test {
    const char *name; /* NULL ends the table */
    int level;        /* lowest level at which the test is run */
    const char *asserts;
    int (*run)(struct judge *j);
};

struct judge_piece;

/* A function of a kind that records a piece of a graph. */
struct judge_workload {
    const char *name; /* "record_assign"; NULL ends the table */
    int training;     /* 1: the graph is one of training */
    int smooth;       /* 1: its f32 outputs may be compared with finite differences */
    int mixes;        /* 1: a sample's outputs may depend on the others of its microbatch */
    int sizes;        /* number of sizes that `record` knows: 0 is tried first, then the next where that does not fit */
    /* Declares inputs, calls the function, gives its nodes to judge_gives. */
    int (*record)(struct judge_piece *p);
    int (*has)(const void *ops); /* 1 where the component has the function; NULL: all have */
};

struct judge_kind {
    const char *id;
    const struct judge_test *test;
    const struct judge_workload *workload; /* workloads of the kind; NULL: it records nothing */
};

extern const struct judge_test judge_component_tests[], judge_params_tests[], judge_recorded_tests[], judge_repeated_tests[];
int judge_gradients(struct judge *j);
extern const struct judge_kind judge_quantizer, judge_noise, judge_denoiser, judge_encoder, judge_decoder, judge_critic, judge_features,
    judge_sampler, judge_source, judge_format, judge_checkpoint, judge_stage, judge_backend, judge_metric, judge_transport;
/* Tests of a kind; NULL: it has none of its own. */
const struct judge_kind *judge_kind_of(const char *id);

/* ---- verdicts ------------------------------------------------------------------------------------------------------ */

/* Keep the message, unless there is one; return TESS_E_FAILED, JUDGE_SKIP. */
int judge_fail(struct judge *j, const char *format, ...) TESS_PRINTF(2, 3);
int judge_skip(struct judge *j, const char *format, ...) TESS_PRINTF(2, 3);
/* Keeps the message, for the present parameters alone; returns JUDGE_UNFIT. */
int judge_unfit(struct judge *j, const char *format, ...) TESS_PRINTF(2, 3);
/* Checks that the status of `function` keeps the rules, TESS_OK or a negative code with a message; then TESS_OK. */
int judge_status(struct judge *j, const struct tess_context *ctx, const char *function, int status);
/* Fails unless `status` is TESS_OK, with the message of ctx. */
int judge_ok(struct judge *j, const struct tess_context *ctx, const char *function, int status);
/* Random numbers of the test, the same for the same key: uniform in [0, 1), and an integer in [0, n). */
double judge_draw(const struct judge *j, const char *purpose, int64_t a, int64_t b);
int64_t judge_draw_below(const struct judge *j, const char *purpose, int64_t a, int64_t b, int64_t n);

/* ---- parameters ---------------------------------------------------------------------------------------------------- */

/* Range in which parameters are drawn. */
enum {
    JUDGE_NEAR = 0, /* near the defaults, so that models stay small */
    JUDGE_WIDE = 1, /* over the whole range, its ends among them */
    JUDGE_SMALL = 2 /* whole numbers smaller than their defaults, the others as they are */
};

/* Writes variant v of the parameters, as a pipeline writes them, into told->config; 0: the defaults. JUDGE_SKIP where the user must set
 * one. */
int judge_variant(struct judge *j, int64_t v, int how);
/* Writes the defaults, but `name` with the value `value`, into told->config. */
int judge_variant_with(struct judge *j, const char *name, const char *value);
/* Opens an instance from told->config. `open` 0: its own `open` is not called. */
int judge_open(struct judge *j, struct tess_context *ctx, int open, struct tess_instance **out);
/* Runs body for `variants` variants, except those that are refused with a message or for which it gives JUDGE_UNFIT; where all are, for
 * more, until one is not. JUDGE_SKIP where there is none. */
int judge_over(struct judge *j, int64_t variants, int (*body)(struct judge *j, struct tess_instance *i));
/* Name of the first component of `kind` that opens with its defaults, other than `not_this`; NULL: none. */
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
    struct tess_tensor value; /* values of the whole batch, owned; of an output, after a run */
    enum judge_fill fill;     /* distribution that an input is drawn from */
    int32_t total;            /* 1: an output that is a sum over the microbatches */
};

/* Fault of a recorded piece. */
enum judge_fault {
    JUDGE_FINE = 0,
    JUDGE_REFUSED, /* refused with a message, which may be right */
    JUDGE_BAD_STATUS,
    JUDGE_BAD_NODE, /* a node that is missing, or of another graph, dtype or shape */
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
    int size;                   /* index of the workload's size */
    int gradients;              /* 1: f32 inputs are weights, and an objective is made of the outputs */
    struct tess_weights *weights;
    int borrowed; /* 1: the weights belong to another piece */
    struct tess_graph *graph;
    int32_t inputs, outputs, is_sealed;
    struct judge_port in[JUDGE_PORTS], out[JUDGE_PORTS];
    enum judge_fault fault;
    int status;
    char why[800];
    int64_t detail[4]; /* private values of a workload */
};

/* Makes the graph of a piece and records it; fault, status and why tell the result. The piece is zeroed but for j, ctx, work, instance,
 * rows, microbatches (and first, gradients, weights) as the caller set them. TESS_OK but for want of memory. */
int judge_piece_record(struct judge_piece *p);
/* Records n pieces over the weights of the first, all before the first is sealed, as a store takes no further weight then. */
int judge_pieces_begin(struct judge_piece *const *p, int n);
/* Seals a piece; JUDGE_UNFIT where it would take too long, JUDGE_SKIP where it was not recorded well, which is another test's. Weights get
 * values that hide nothing: those that begin with 0 do not stay there. */
int judge_piece_seal(struct judge_piece *p);
/* Records and seals a piece. */
int judge_piece_open(struct judge_piece *p);
/* Records and seals a piece, for a test that is not about failures of recording: they are failures of the test. */
int judge_piece_begin(struct judge_piece *p);
/* Runs the batch, `samples` rows of it (0: all), into out[].value. A failure is the run's, with its message in p->ctx. */
int judge_piece_run(struct judge_piece *p, int64_t samples);
void judge_piece_close(struct judge_piece *p);

/* Calls `each` for every function that records and that the component has; JUDGE_UNFIT where none was fit. */
int judge_each_workload(struct judge *j, struct tess_instance *i,
                        int (*each)(struct judge *j, struct tess_instance *i, const struct judge_workload *w));

/* Declares an input, for workloads: dim[0] == p->rows, its values drawn; `limit` of codes or times. */
struct tess_node *judge_input(struct judge_piece *p, const char *name, int32_t dtype, int32_t rank, const int64_t *dim,
                              enum judge_fill fill, int64_t limit);
/* Checks a node that the component gave: dims of -1 are its own choice. dim[0] == p->rows is an output, else (a scalar) a total. */
void judge_gives(struct judge_piece *p, const char *name, struct tess_node *node, int32_t dtype, int32_t rank, const int64_t *dim);

/* Adds scale times normal numbers to t; returns the sum of those times `other`, unless NULL. */
double judge_add_normal(const struct tess_stream *s, double scale, const struct tess_tensor *t, const float *other);
/* First difference of two tensors of one shape beyond absolute + relative |b|; 0: none, else `text` says where. */
int judge_differs(const struct tess_tensor *a, const struct tess_tensor *b, double absolute, double relative, char *text, size_t capacity);
/* Finds the first value that is not finite. */
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
