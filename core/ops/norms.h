/* Shared by the norms: whether scale and offset fit. SPDX-License-Identifier: MIT */
#ifndef TESSI_NORMS_H
#define TESSI_NORMS_H

#include "core/graph/node.h"

/* 1 where x is f32, and gamma and beta have a value for each of its last dimension. */
int tessi_ops_affine_fits(const struct tess_node *x, const struct tess_node *gamma, const struct tess_node *beta);

#endif
