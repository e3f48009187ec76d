/* Scalars of a configuration by the core schema of YAML 1.2. SPDX-License-Identifier: MIT */
#ifndef TESSI_SCALAR_H
#define TESSI_SCALAR_H

#include "core/config/config.h"

/* Types of a scalar by the YAML 1.2 core schema. */
enum { TESSI_IS_NULL = 1, TESSI_IS_BOOL = 2, TESSI_IS_INT = 3, TESSI_IS_REAL = 4, TESSI_IS_INFINITE = 5, TESSI_IS_TEXT = 6 };
int tessi_config_scalar_is(const char *text, int quoted);
/* Read a scalar: 1 and the value, or 0 for a scalar of another type, or one out of range. */
int tessi_config_read_i64(const struct tessi_config *s, int64_t *out);
int tessi_config_read_f64(const struct tessi_config *s, double *out);
int tessi_config_read_bool(const struct tessi_config *s, int32_t *out);
/* Shortest decimal that reads back as the same double. */
const char *tessi_config_real_text(double value, char *text, size_t capacity);

#endif
