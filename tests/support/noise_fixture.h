/* Fixture of the noise tests: an opened noise with a graph, and comparisons of drawn frequencies with probabilities.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_NOISE_FIXTURE_H
#define TESTS_SUPPORT_NOISE_FIXTURE_H

#include "tests/support/graphs.h"

struct noise {
    struct fixture fixture;
    struct tess_instance *instance;
    const struct tess_noise_1 *ops;
    void *self;
};

/* `settings`: the parameters, "steps: 5, loss: elbo", or "". */
void noise_open(struct noise *n, const char *use, const char *settings, int64_t rows, int training);
void noise_close(struct noise *n);
/* A reverse step of `tokens` tokens of `codes` codes from time `from` to `to`, at temperature 1; one stream of random numbers. */
struct tess_reverse noise_reverse(int64_t codes, const float *logits, const int32_t *x, int32_t *next, int64_t tokens, double from,
                                  double to);
/* ck_assert that the counts fit the probabilities p. Keys are fixed, so this either always holds or never. */
void noise_fits(const char *what, const int64_t *count, const double *p, int cells);

#endif
