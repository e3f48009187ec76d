/* Further metrics of `evaluate`, listed by a pipeline: those of pairs see images and reconstructions as they pass by, those of features the
 * images and a set of samples as vectors (docs/metrics.md). SPDX-License-Identifier: MIT */
#ifndef PLUGINS_STAGES_EVALUATE_METRICS_H
#define PLUGINS_STAGES_EVALUATE_METRICS_H

#include "kit/infer/image_vectors.h"
#include "kit/metric/measure.h"

struct evaluate_metrics_params {
    struct tess_list_component metrics;
    struct tess_instance *features; /* NULL: the port's network, or pixels */
};

#define EVALUATE_METRICS_PARAMS(S, m)                                                                                                      \
    TESS_PARAM("metrics", S, m.metrics, TESS_LIST_COMPONENT, TESS_LATER, 0, 0, 0, "metric/1",                                              \
               "further metrics: of reconstructions (ssim), or of `samples` against the images (frechet, kernel, ...)"),                   \
        TESS_PARAM("features", S, m.features, TESS_COMPONENT, TESS_LATER, 0, 0, 0, "features/1",                                           \
                   "network whose last features sets of images are judged by; pixels where neither this nor the port is given")

#define EVALUATE_METRICS_PORTS                                                                                                             \
    {.name = "samples", .kind = "samples", .optional = 1, .help = "what a prior drew, with its images: for `metrics` of sets"},            \
    {                                                                                                                                      \
        .name = "features", .kind = "features", .optional = 1, .help = "a network trained here, in place of the parameter `features`"      \
    }

struct evaluate_metrics {
    struct measure pairs, sets;
    struct image_vectors vectors; /* converter of the images of both sets */
    struct stage_images samples;
    int64_t drawn;    /* number of samples */
    int64_t training; /* number of images trained on, for the metrics that use them; else 0 */
};

/* Optional inputs of the stage: attributes, and when running their artefacts as well, else NULL. */
struct evaluate_inputs {
    const struct tess_attrs *samples, *features;
    const struct tess_artefact *samples_file, *features_file;
};

/* Opens the metrics for `images` images of `size` H, W, C, before which `training` were trained on. Start from zeroed memory; close in any
 * case. TESS_E_USAGE where metrics of sets have no samples, or samples no metrics of sets. */
int evaluate_metrics_open(struct tess_context *ctx, struct evaluate_metrics *m, const struct evaluate_metrics_params *p,
                          const struct evaluate_inputs *in, int64_t images, int64_t training, const int64_t size[3], uint64_t seed,
                          int64_t batch) TESS_CHECKED;
void evaluate_metrics_close(struct evaluate_metrics *m);
/* Adds time and memory of the metrics to a plan's cost. */
int evaluate_metrics_cost(struct tess_context *ctx, const struct evaluate_metrics *m, int64_t images, struct tess_cost *cost) TESS_CHECKED;
/* Attributes for the result: metrics and network, by name and parameters. */
int evaluate_metrics_describe(struct tess_context *ctx, const struct evaluate_metrics *m, struct tess_attrs *f) TESS_CHECKED;
/* Writes the results of pairs, after all were fed to m->pairs; then feeds the sets, `count` images from `first` on and all samples, and
 * writes theirs. */
int evaluate_metrics_finish(struct tess_context *ctx, struct evaluate_metrics *m, struct tess_stage_run *run,
                            const struct stage_images *images, int64_t first, int64_t count) TESS_CHECKED;

#endif
