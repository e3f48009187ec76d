/* Arithmetic of i32 tensors, recorded for the functions that take f32 as well. SPDX-License-Identifier: MIT */
#ifndef TESSI_INTEGER_H
#define TESSI_INTEGER_H

#include "core/graph/node.h"

enum {
    TESSI_INTEGER_ADD,
    TESSI_INTEGER_SUB,
    TESSI_INTEGER_MUL,
    TESSI_INTEGER_FLOOR_DIV,
    TESSI_INTEGER_MOD,
    TESSI_INTEGER_MAXIMUM,
    TESSI_INTEGER_MINIMUM,
    TESSI_INTEGERS
};

/* 1 when both operands exist and are i32: the functions below then record the operation. */
int tessi_ops_integers(const struct tess_node *a, const struct tess_node *b);
/* Records TESSI_INTEGER_ADD or another operation of the enum above, b broadcast against a. A result outside 32 bits, or a division by zero,
 * fails the run with TESS_E_DATA. */
struct tess_node *tessi_ops_integer_record(struct tess_graph *g, int32_t which, struct tess_node *a, struct tess_node *b);
/* Records a sum over the axes whose bits are set, which stay as 1; `y` has the result's shape. */
struct tess_node *tessi_ops_integer_sum(struct tess_graph *g, struct tess_node *x, const struct tess_tensor *y);

#endif
