/* Further metrics of `evaluate`, listed by a pipeline: those of pairs, distances, classes and codes see images and reconstructions as they
 * pass by; those of features the images and a set of samples as vectors (docs/metrics.md). SPDX-License-Identifier: MIT */
#ifndef PLUGINS_STAGES_EVALUATE_EVALUATE_METRICS_H
#define PLUGINS_STAGES_EVALUATE_EVALUATE_METRICS_H

#include "kit/infer/classifier.h"
#include "kit/infer/image_distances.h"
#include "kit/infer/image_vectors.h"
#include "kit/infer/round_trip.h"
#include "kit/metric/measure.h"

struct evaluate_metrics_params {
    struct tess_list_component metrics;
    struct tess_instance *features; /* NULL: the port's network, or pixels */
    int64_t bootstrap;
};

#define EVALUATE_METRICS_PARAMS(S, m)                                                                                                      \
    TESS_PARAM(                                                                                                                            \
        "metrics", S, m.metrics, TESS_LIST_COMPONENT, TESS_LATER, 0, 0, 0, "metric/1",                                                     \
        "further metrics: of reconstructions (ssim, lpips), of their codes (uniformity), of `samples` against the images (frechet, "       \
        "kernel, ...), of classes (classifier)"),                                                                                          \
        TESS_PARAM(                                                                                                                        \
            "features", S, m.features, TESS_COMPONENT, TESS_LATER, 0, 0, 0, "features/1",                                                  \
            "network of perceptual distances, whose last features sets of images are judged by; for sets pixels where neither this "       \
            "nor the port is given"),                                                                                                      \
        TESS_PARAM("bootstrap", S, m.bootstrap, TESS_I64, TESS_LATER, 0, 1e5, 0, NULL,                                                     \
                   "resamples that the metrics of `metrics` have intervals of, 2.5 to 97.5 %; 0: no intervals")

#define EVALUATE_METRICS_PORTS                                                                                                             \
    {.name = "samples", .kind = "samples", .optional = 1, .help = "what a prior drew, with its images: for `metrics` of sets"},            \
    {                                                                                                                                      \
        .name = "features", .kind = "features", .optional = 1,                                                                             \
        .help = "a network trained here, in place of the parameter `features`; with `keep_classifier` for metrics of classes"              \
    }

enum { EVALUATE_KINDS = TESS_METRIC_CODES + 1 };

struct evaluate_metrics {
    struct measure measure[EVALUATE_KINDS]; /* [TESS_METRIC_PAIRS, ...] */
    struct image_vectors vectors;           /* for sets: converter of the images of all sets */
    float *vector[TESS_METRIC_SETS];        /* for sets: (rows, D), kept until the end */
    struct image_distances distances;
    struct classifier classifier;
    struct tess_tensor bytes, scores, made_scores; /* images of a batch and the classifier's scores of them */
    struct tess_tensor labels[2];                  /* labels of images and of samples, for the classifier; without data: they have none */
    struct stage_images samples;
    struct bootstrap bootstrap;
    int64_t batch;
    int64_t drawn;    /* number of samples */
    int64_t training; /* number of images trained on, for the metrics that use them; else 0 */
};

/* Inputs that are measured: their attributes, and when running the artefacts as well, else NULL. */
struct evaluate_inputs {
    const struct tess_attrs *images, *samples, *features; /* `samples` and `features` NULL: not given */
    const struct tess_artefact *images_file, *samples_file, *features_file;
    int64_t count, first; /* images to measure on, and how many lie before them: those trained on */
    int64_t size[3];      /* H, W, C */
    struct code_maps maps;
    uint64_t seed;
    int64_t batch;
};

/* Opens the metrics. Start from zeroed memory; close in any case. TESS_E_USAGE where metrics lack what they judge or judge by, or samples
 * have no metrics. */
int evaluate_metrics_open(struct tess_context *ctx, struct evaluate_metrics *m, const struct evaluate_metrics_params *p,
                          const struct evaluate_inputs *in) TESS_CHECKED;
void evaluate_metrics_close(struct evaluate_metrics *m);
/* Adds time and memory of the metrics to a plan's cost. */
int evaluate_metrics_cost(struct tess_context *ctx, const struct evaluate_metrics *m, int64_t images, struct tess_cost *cost) TESS_CHECKED;
/* Attributes for the result: metrics and network, by name and parameters. */
int evaluate_metrics_describe(struct tess_context *ctx, const struct evaluate_metrics *m, struct tess_attrs *f) TESS_CHECKED;

/* ---- running: evaluate_feed.c ---- */

/* Reads the weights of networks, and labels. */
int evaluate_metrics_read(struct tess_context *ctx, struct evaluate_metrics *m, const struct evaluate_inputs *in) TESS_CHECKED;
/* Feeds a batch of images and their reconstructions, the first image being number `first` of the artefact. */
int evaluate_metrics_batch(struct tess_context *ctx, struct evaluate_metrics *m, const struct round_trip *t, int64_t first) TESS_CHECKED;
/* Feeds the sets after all batches, and writes the results of all metrics. */
int evaluate_metrics_finish(struct tess_context *ctx, struct evaluate_metrics *m, struct tess_stage_run *run,
                            const struct stage_images *images, const struct evaluate_inputs *in) TESS_CHECKED;

#endif
