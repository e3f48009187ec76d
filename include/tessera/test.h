/* A host for the tests of a plugin: what the program offers to its plugins, opened by a test of one's own, and checks that say what is
 * wrong.
 *
 *     struct tess_test_host *h;
 *     if (tess_test_host_open(NULL, &h) != TESS_OK || tess_test_add_file(h, "./mine.so") != TESS_OK) ...  tess_test_message(h)
 *     struct tess_context *ctx = tess_test_context(h);
 *     tess_instance_open(ctx, "quantizer/1", "{use: mine}", "test", &i);
 *     ...  tess_test_run, tess_check_gradient, tess_check_near ...
 *     if (tess_test_host_close(h) != 0) ...  something was not freed
 *
 * For tests alone: nothing here is for a plugin at work, and no header of the others includes this one. A test is linked with `pkg-config
 * --libs tessera`, and uses whatever test library it likes: functions return a status and keep one sentence. One thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_TEST_H
#define TESSERA_TEST_H

#include <tessera/graph.h>
#include <tessera/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the host ------------------------------------------------------------------------------------------------------ */

struct tess_test_host;

struct tess_test_options {
    uint32_t size;           /* sizeof(struct tess_test_options) */
    int32_t threads;         /* to compute with; 0: one, so that a run is repeated exactly whatever the plugin does */
    const char *backend;     /* NULL: the preferred one */
    const char *precision;   /* "f32", "bf16", "auto"; NULL: f32 */
    const char *plugin_path; /* further folders with plugins, with colons between; NULL: none */
};

/* Options NULL: the defaults. Plugins are those of the installation and of TESSERA_PLUGIN_PATH. Unless memory is short, *out is there after
 * a failure too, for its message; close it. */
TESS_EXPORT TESS_CHECKED int tess_test_host_open(const struct tess_test_options *o, struct tess_test_host **out);
/* Closes the host; returns the bytes of tess_alloc (tensors, graphs, instances, memory reserved by plugins) that were allocated since it
 * was opened and are still in use; 0: none leaked. Close instances and free graphs before. NULL is fine. */
TESS_EXPORT int64_t tess_test_host_close(struct tess_test_host *h);
/* The context for all other functions. Its message is that of the last failure: each function of this header forgets the one before. */
TESS_EXPORT struct tess_context *tess_test_context(struct tess_test_host *h);
TESS_EXPORT const char *tess_test_message(const struct tess_test_host *h); /* "" when nothing has failed; fine with NULL */
/* A plugin's file beside those found, or a plugin that the test has compiled in: the address of its `tess_plugin_1`, valid until the host
 * is closed. Both are checked as the program checks; TESS_E_PLUGIN says why one is refused. */
TESS_EXPORT TESS_CHECKED int tess_test_add_file(struct tess_test_host *h, const char *path);
TESS_EXPORT TESS_CHECKED int tess_test_add_plugin(struct tess_test_host *h, const struct tess_plugin *plugin);
/* The n-th allocation by tess_alloc from now on fails, once; 1 is the next, 0: none. Whoever meets it must end in TESS_E_MEMORY. */
TESS_EXPORT void tess_test_fail_allocation(int64_t n);

/* ---- tensors ------------------------------------------------------------------------------------------------------- */

/* New tensors, the same for the same seed: f32 standard normal, and i32 uniform in [0, codebook_size). tess_free(out->data) ends them. */
TESS_EXPORT TESS_CHECKED int tess_test_normal(struct tess_context *ctx, uint64_t seed, int32_t rank, const int64_t *dim,
                                              struct tess_tensor *out);
TESS_EXPORT TESS_CHECKED int tess_test_codes(struct tess_context *ctx, uint64_t seed, int64_t codebook_size, int32_t rank,
                                             const int64_t *dim, struct tess_tensor *out);

/* ---- running a graph ----------------------------------------------------------------------------------------------- */

/* A piece of a graph with its inputs: what a component records, or anything else that <tessera/graph.h> can. */
struct tess_test_graph {
    uint32_t size; /* sizeof(struct tess_test_graph) */
    int32_t training;
    int32_t inputs, outputs;
    const struct tess_tensor *in; /* [inputs] values, of the whole batch */
    int64_t microbatches;         /* parts of the batch, each a run by itself: dim[0] of each input is a multiple of it; 0: one */
    uint64_t seed;                /* seed of the weights and of the graph's random draws */
    uint32_t step;                /* training step, which keys the graph's draws */
    uint32_t reserved;
    struct tess_weights *weights; /* borrowed, to go on with; NULL: new ones for each call */
    /* Records the piece: nodes of the inputs (of one microbatch), in order, to those of the outputs. Weights are declared under the scope
     * "test". */
    int (*record)(void *user, struct tess_context *ctx, struct tess_graph *g, struct tess_node *const *in, struct tess_node **out);
    void *user;
};

/* Runs the graph forward. out [outputs] get tensors of their own, to be freed by tess_free(out[i].data): the microbatches' one after the
 * other where an output has a row for each sample, else, as for losses and counts, the mean of the microbatches (f32). An output that was
 * not recorded (NULL) is TESS_E_FAILED. */
TESS_EXPORT TESS_CHECKED int tess_test_run(struct tess_context *ctx, const struct tess_test_graph *t, struct tess_tensor *out);

/* ---- gradients ----------------------------------------------------------------------------------------------------- */

struct tess_gradient_options {
    uint32_t size;
    int32_t only_inputs; /* 1: weights are left as they are, and their gradients out */
    double tolerance;    /* largest relative error; 0: 2e-3 */
    double step;         /* step of the differences, relative to the element's size or 1, whichever is more; 0: 1e-2 */
    double perturb;      /* spread of a normal number added to each weight, so that those that begin at zero hide nothing; 0: 0.1;
                          * below 0: none */
    int64_t max_elements; /* largest number of elements of a tensor that are checked, spread over it; 0: 64 */
};

struct tess_gradient_report {
    uint32_t size;
    int32_t rank;
    int64_t checked, moved, wrong; /* elements looked at; of these, taken off a kink; with too large an error */
    /* The element with the largest error: "in0" or the weight's name, index, value, both derivatives, and the error relative to the larger
     * of them or to a hundredth of the tensor's largest derivative. */
    char name[128];
    int64_t index[TESS_MAX_RANK];
    double value, backward, difference, error;
};

/* Holds the backward pass against central differences, for f32 inputs and for all trained weights. The objective is the sum of every f32
 * output times fixed normal numbers, added in double; the difference of steps h and h / 2 is extrapolated (Richardson), so that its error
 * is of the order h^4. Where the two disagree, or the slopes on the two sides do not approach each other, the element lies at a kink (ReLU
 * at 0, a rounding): it is moved aside and looked at again, up to four times; one that stays at a kink is left out. TESS_E_FAILED names the
 * worst element when one is off by more than the tolerance and more than rounding to f32 explains; it is also given when no element could
 * be looked at, or when none has a derivative. Piecewise constant and straight-through outputs have, on purpose, another gradient than
 * their slope: leave them out of `outputs`. report may be NULL. */
TESS_EXPORT TESS_CHECKED int tess_check_gradient(struct tess_context *ctx, const struct tess_test_graph *t,
                                                 const struct tess_gradient_options *o, struct tess_gradient_report *report);

/* ---- values -------------------------------------------------------------------------------------------------------- */

/* TESS_E_FAILED names `what`, the worst element, and how many are wrong: |got - want| <= absolute + relative |want|, in f32 or integers of
 * one kind; NaN is near nothing. */
TESS_EXPORT TESS_CHECKED int tess_check_near(struct tess_context *ctx, const char *what, const struct tess_tensor *got,
                                             const struct tess_tensor *want, double absolute, double relative);
/* Checks that `got` and `want` have the same bytes; TESS_E_FAILED names the first element that differs. */
TESS_EXPORT TESS_CHECKED int tess_check_same(struct tess_context *ctx, const char *what, const struct tess_tensor *got,
                                             const struct tess_tensor *want);
/* f32: no NaN, no infinity. i32: all in [lo, hi). The first that is not is named. */
TESS_EXPORT TESS_CHECKED int tess_check_finite(struct tess_context *ctx, const char *what, const struct tess_tensor *got);
TESS_EXPORT TESS_CHECKED int tess_check_codes(struct tess_context *ctx, const char *what, const struct tess_tensor *got, int64_t lo,
                                              int64_t hi);

#ifdef __cplusplus
}
#endif
#endif
