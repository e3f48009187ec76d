/* Gradients of an operation held against central differences. SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_GRADIENTS_H
#define TESTS_SUPPORT_GRADIENTS_H

#include <tessera/graph.h>

/* Records an operation over weights that it declares; gives its result. */
typedef struct tess_node *gradient_recorder(struct tess_graph *g);

/* Asserts that the gradient of every trained weight that `record` declares is the slope of the mean of the result times fixed random
 * numbers, within `bound` of its largest value; central differences of f32 give about 1e-3 where curvature is mild. */
void gradient_check(const char *operation, gradient_recorder *record, double bound);

#endif
