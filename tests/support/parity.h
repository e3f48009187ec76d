/* Suites repeated on every backend, in f32 and, where the backend has bf16 products on this processor, in bf16.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_PARITY_H
#define TESTS_SUPPORT_PARITY_H

#include "tests/support/golden.h"

/* Allowed error of outputs and losses, as a share of the largest (in bf16 in the mean, see golden_near), and of gradients; what rounding
 * leaves of one that is zero; and codes of 100 that may be others. */
struct tolerance {
    double value, gradient, rounding;
    int codebook_size;
};
extern struct tolerance allowed; /* tolerances in force: those of f32 until parity_everywhere sets others */

/* Runs the tests that `fill` puts into a case, once for each backend and precision; gives the number of failures. */
int parity_everywhere(void (*fill)(TCase *t));

#endif
