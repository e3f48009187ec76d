/* Brute force for uniform diffusion: K x K matrices multiplied out, for so few codes that it can be. SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_UNIFORM_FIXTURE_H
#define TESTS_SUPPORT_UNIFORM_FIXTURE_H

#include "plugins/noises/uniform/uniform_steps.h"
#include "tests/support/noise_fixture.h"

enum { MAX = 7, LONGEST = 12 };
#define LN2 0.69314718055994530942

typedef double matrix[MAX][MAX];

/* Every combination of the options there are. */
struct options {
    int schedule, step, first_step, residual;
};
enum { OPTIONS = 16 };
struct options options_of(int i);
const char *settings_of(const struct options *o, int steps);

/* ck_assert, relative to 1 + |wanted|. */
void near(const char *what, double got, double want, double tolerance);
/* Logits of probabilities of all sorts: flat, peaked, nearly certain. */
void some_logits(uint32_t which, int codebook_size, double *logits);
void softmax(const double *logits, int codebook_size, double *p);

/* Steps s + 1 .. t multiplied out: from[i] to[j]. */
void chain(const double *bar, int codebook_size, int s, int t, matrix out);
/* q(z_s | z_t = x, z_0 = z) and p(z_s | z_t = x); early: the chain from 0 to s; late: from s to t. */
void posterior(matrix early, matrix late, int codebook_size, int x, int z, double *q);
void model(matrix early, matrix late, int codebook_size, int kind, int x, const double *p, double *step);
double divergence(const double *q, const double *p, int codebook_size);
/* KL of the two for these logits. */
double divergence_of(matrix early, matrix late, int codebook_size, int kind, int x, int z, const double *logits);

#endif
