/* Kind "metric/1": one or several numbers that judge images or codes: reconstructions against their originals, a set of samples against a
 * set of images, the use of a codebook (docs/metrics.md).
 *
 * Rows come in blocks and in any number; what a metric knows of those it has seen is a state. The host opens a state for each block of
 * TESS_METRIC_BLOCK rows, lets `accumulate` add the block, and merges the states in a binary tree fixed by the blocks' numbers: with block
 * 2 j of a level the block 2 j + 1 after it, a last one without a partner as it is. So the result's bits depend on the rows alone,
 * whichever worker saw them. A state may be packed into bytes and unpacked elsewhere, for checkpoints and other processes.
 *
 * Threads: a state is passed to one call at a time; calls on different states may come from several threads at once, so none of them writes
 * anything of `self` ([any thread]; `check` and `finish` [one thread]). The metric allocates a state's memory, by tess_alloc. Functions
 * that return int give TESS_OK, or a code whose message is in the context.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_KIND_METRIC_H
#define TESSERA_KIND_METRIC_H

#include <tessera/artefact.h>
#include <tessera/levels.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TESS_METRIC_BLOCK 256 /* rows of a block, but for a set's last one */

/* Kind of row that a metric reads; a metric reads one kind. */
enum {
    TESS_METRIC_PAIRS = 1,     /* an image and its reconstruction */
    TESS_METRIC_FEATURES = 2,  /* a vector of features; of two or three sets */
    TESS_METRIC_DISTANCES = 3, /* perceptual distance of an image and its reconstruction, by the features of a network */
    TESS_METRIC_CLASSES = 4,   /* a classifier's scores of an image and its reconstruction, or of a sample, and the label */
    TESS_METRIC_CODES = 5      /* codes of an image or of a sample */
};
/* Sets of rows: images that are measured on (none of them trained on, where there are such), samples, and, for a metric that
 * `uses_training`, the images that were trained on. Of pairs and distances there is the first set alone; of classes and codes the first,
 * and the second where the caller has samples. */
enum { TESS_METRIC_IMAGES = 0, TESS_METRIC_SAMPLES = 1, TESS_METRIC_TRAINING = 2, TESS_METRIC_SETS = 3 };

/* Shape of all the rows that a metric will be given, told before the first. */
struct tess_metric_shape {
    uint32_t size;
    uint32_t reserved;
    int64_t rows[TESS_METRIC_SETS];  /* number of rows of each set, 0 for none */
    int64_t height, width, channels; /* size of the images */
    int64_t features;                /* D: components of a vector; 0 unless the metric is of features */
    int64_t resamples;               /* `resample` will be asked for so many, and a state keeps what that takes; 0: none */
    int64_t classes;                 /* scores of an image; 0 unless the metric is of classes */
    int64_t depth;                   /* levels of codes; 0 unless the metric is of codes */
    int64_t level_size[TESS_DEPTH_MAX]; /* (depth) codebook size of each level */
};

struct tess_metric_rows {
    uint32_t size;
    int32_t set;                        /* TESS_METRIC_IMAGES, TESS_METRIC_SAMPLES or TESS_METRIC_TRAINING */
    int64_t first, count;               /* rows first .. first + count - 1 of the set; each comes once, in rising order within a state */
    const struct tess_tensor *image;    /* (count, H, W, C) u8 for a metric of pairs, else NULL */
    const struct tess_tensor *made;     /* (count, H, W, C) f32 of about 0 .. 1, unclamped; likewise */
    const struct tess_tensor *features; /* (count, D) f32 for a metric of features, else NULL */
    const struct tess_tensor *distance; /* (count) f32 for a metric of distances, else NULL */
    /* For a metric of classes, else NULL: scores (count, classes) f32 of the image or sample, the class with the highest being the one it
     * is taken for; those of the image's reconstruction, NULL for samples; the label (count) i32, below 0: none. */
    const struct tess_tensor *scores, *made_scores, *labels;
    const struct tess_tensor *codes; /* (count, L) i32 for a metric of codes, else NULL; code i is of level i % depth, in its range */
    int32_t stay; /* 1: the rows' memory stays as it is until `finish` and `resample` have returned, and a state may point at it; the rows
                   * of a set then lie one behind the other. 0: the memory is the caller's again after the call */
    int32_t reserved;
};

/* Sink of a metric's results, with a parallel loop to compute them. The host's; used within `finish` alone. */
struct tess_metric_sink {
    uint32_t size;
    uint32_t reserved;
    void *to;
    /* A result, with its direction; texts are copied. */
    int (*value)(void *to, struct tess_context *ctx, const struct tess_metric_value *v);
    /* task(user, ctx, i) for i in [0, n), each once, on all workers, each call with a context of its own. */
    int (*parallel)(void *to, struct tess_context *ctx, int64_t n, int (*task)(void *user, struct tess_context *ctx, int64_t i),
                    void *user);
    /* A list of n numbers beside the results, written as the dataset /measured/NAME of f32; `labels`: the dimension's name. Copied. */
    int (*list)(void *to, struct tess_context *ctx, const char *name, const char *labels, const char *unit, int64_t n, const float *values);
    /* As `parallel`, on several processes where the run has them: task i writes the `bytes` at items + i * bytes and nothing else, and
     * afterwards each process has all n items. */
    int (*dealt)(void *to, struct tess_context *ctx, int64_t n, int (*task)(void *user, struct tess_context *ctx, int64_t i), void *user,
                 void *items, int64_t bytes);
};

/* Resamples for intervals by bootstrap (Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979): the rows of a set drawn anew with
 * replacement, as many as the set has. The host's; used within `resample` alone. */
struct tess_metric_resamples {
    uint32_t size;
    uint32_t reserved;
    int64_t count;                           /* R: number of resamples */
    int64_t rows[TESS_METRIC_SETS];          /* number of rows of each set */
    const uint16_t *times[TESS_METRIC_SETS]; /* [set]: (R, rows) times that resample r has each row; NULL: a set without rows, or training
                                              * images, which are not drawn anew */
    void *to;
    /* Takes the result `name` of resample r. [any thread; different resamples may be given at once] */
    int (*value)(void *to, struct tess_context *ctx, int64_t r, const char *name, double value);
    /* task(user, ctx, i) for i in [0, n), each once, as the sink's `parallel`, and as its `dealt`. */
    int (*parallel)(void *to, struct tess_context *ctx, int64_t n, int (*task)(void *user, struct tess_context *ctx, int64_t i),
                    void *user);
    int (*dealt)(void *to, struct tess_context *ctx, int64_t n, int (*task)(void *user, struct tess_context *ctx, int64_t i), void *user,
                 void *items, int64_t bytes);
};

struct tess_metric_1 {
    uint32_t size;
    uint32_t wants; /* kind of row: TESS_METRIC_PAIRS, ... */
    /* Method of computation beyond the parameters, kept with each result: "covariance over n - 1". NULL: there is nothing to say. */
    const char *protocol;
    /* Checks that rows of shape `s` can be judged: TESS_E_VALUE or TESS_E_SHAPE for too few rows or an unsuitable size. Called when a
     * pipeline is planned. NULL: all can. */
    int (*check)(void *self, struct tess_context *ctx, const struct tess_metric_shape *s);
    /* Bytes that the states of all rows and `finish` take together. NULL: next to none. */
    int64_t (*bytes)(void *self, const struct tess_metric_shape *s);
    int (*open)(void *self, struct tess_context *ctx, const struct tess_metric_shape *s, void **state);
    void (*close)(void *self, void *state); /* NULL is fine */
    int (*accumulate)(void *self, struct tess_context *ctx, void *state, const struct tess_metric_rows *rows);
    /* Adds to `state` the contents of `next`, a state of rows that follow. `next` may be changed; it is closed afterwards. */
    int (*merge)(void *self, struct tess_context *ctx, void *state, void *next);
    int (*finish)(void *self, struct tess_context *ctx, void *state, const struct tess_metric_sink *sink);
    /* Serialises the state; returns the number of bytes, and writes nothing where `bytes` is NULL. */
    int64_t (*pack)(void *self, const void *state, void *bytes);
    /* Restores packed bytes into a state just opened. TESS_E_DATA for bytes that no state packs to. */
    int (*unpack)(void *self, struct tess_context *ctx, void *state, const void *bytes, int64_t count);
    int32_t uses_training; /* 1: a metric of features that is given TESS_METRIC_TRAINING, too; it is never called without such rows */
    int32_t reserved;
    /* Gives the results, or some of them under the names they have in `finish`, of each resample; called after `finish` on the same state,
     * where the shape has resamples. [one thread] NULL: the metric has no intervals. */
    int (*resample)(void *self, struct tess_context *ctx, void *state, const struct tess_metric_resamples *r);
};

#ifdef __cplusplus
}
#endif
#endif
