/* Attributes: the small named values that describe an artefact (count, height, width, codebook_size, the tokenizer's digest,
 * a model's components). They are an artefact's root attributes, and they are all a stage needs of its inputs to plan.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_ATTRIBUTES_H
#define TESSERA_ATTRIBUTES_H

#include <tessera/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tess_attrs; /* made and freed by the host; setting an existing name replaces it; order of first setting is kept */

TESS_EXPORT TESS_CHECKED int tess_attrs_set_i64(struct tess_context *ctx, struct tess_attrs *f, const char *name, int64_t value);
TESS_EXPORT TESS_CHECKED int tess_attrs_set_f64(struct tess_context *ctx, struct tess_attrs *f, const char *name, double value);
TESS_EXPORT TESS_CHECKED int tess_attrs_set_text(struct tess_context *ctx, struct tess_attrs *f, const char *name, const char *value);

/* An upper bound, for a plan: the run will give a value from 0 to `max`, and later stages are planned again once it is known (rows that may
 * be skipped). */
TESS_EXPORT TESS_CHECKED int tess_attrs_set_i64_at_most(struct tess_context *ctx, struct tess_attrs *f, const char *name, int64_t max);

/* Fail with TESS_E_DATA naming the attribute when it is absent or of another type. */
TESS_EXPORT TESS_CHECKED int tess_attrs_i64(struct tess_context *ctx, const struct tess_attrs *f, const char *name, int64_t *value);
TESS_EXPORT TESS_CHECKED int tess_attrs_f64(struct tess_context *ctx, const struct tess_attrs *f, const char *name, double *value);
TESS_EXPORT TESS_CHECKED int tess_attrs_text(struct tess_context *ctx, const struct tess_attrs *f, const char *name, const char **value);
/* Read an attribute with a default; an attribute of another type counts as absent. */
TESS_EXPORT int64_t tess_attrs_i64_or(const struct tess_attrs *f, const char *name, int64_t otherwise);
TESS_EXPORT double tess_attrs_f64_or(const struct tess_attrs *f, const char *name, double otherwise);
TESS_EXPORT const char *tess_attrs_text_or(const struct tess_attrs *f, const char *name, const char *otherwise);

#ifdef __cplusplus
}
#endif
#endif
