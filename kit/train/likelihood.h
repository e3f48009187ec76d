/* Likelihood of images under a model whose decoder has the head for it (docs/models.md, "Image likelihood"): a normal distribution around
 * each value of the reconstruction, as a loss in a graph and as a metric. Linked into the stages that train the head or measure with it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_TRAIN_LIKELIHOOD_H
#define KIT_TRAIN_LIKELIHOOD_H

#include <tessera/graph.h>
#include <tessera/plugin.h>

enum { DEQUANTISE_UNIFORM, DEQUANTISE_NONE };

struct likelihood_params {
    int64_t bits;
    int32_t dequantise;
};

#define LIKELIHOOD_PARAMS(S, m)                                                                                                            \
    {.name = "bits", .help = "bits of an image's values that the likelihood is of (8: the bytes; 5 as published)", .type = TESS_I64,       \
     .offset = offsetof(S, m.bits), .lo = 1, .hi = 8, .def = 8},                                                                           \
    {.name = "dequantise", .help = "where a value's bin is looked at: at random, which makes a bound, or at the value, as published", \
     .type = TESS_ENUM, .offset = offsetof(S, m.dequantise), .text = "uniform|none"}

/* Negative log-likelihood as a loss, (23.3): x, mean and log_sigma of one shape -> scalar, in bits a value. */
struct tess_node *likelihood_record(struct tess_graph *g, struct tess_node *x, struct tess_node *mean, struct tess_node *log_sigma);
/* Negative log-likelihood (23.2) of n values given as bytes, in nats and in double; with `dequantise: uniform` at the places (23.6), by
 * draws of `random`, which is keyed by the image and has its purpose set here. [any thread] */
double likelihood_of(const struct likelihood_params *p, const struct tess_stream *random, int64_t n, const uint8_t *byte, const float *mean,
                     const float *log_sigma);

#endif
