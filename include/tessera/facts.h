/* Facts: the small named values that describe an artefact (count, height, width, codebook_size, the tokenizer's digest,
 * a model's components). They are an artefact's root attributes, and they are all a stage needs of its inputs to plan.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_FACTS_H
#define TESSERA_FACTS_H

#include <tessera/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tess_facts; /* made and freed by the host; setting an existing name replaces it; order of first setting is kept */

TESS_EXPORT TESS_CHECKED int tess_facts_set_i64(struct tess_call *c, struct tess_facts *f, const char *name, int64_t value);
TESS_EXPORT TESS_CHECKED int tess_facts_set_f64(struct tess_call *c, struct tess_facts *f, const char *name, double value);
TESS_EXPORT TESS_CHECKED int tess_facts_set_text(struct tess_call *c, struct tess_facts *f, const char *name, const char *value);

/* For a plan: the run will give from 0 to `most`, and what comes after is planned again once it is known (rows that may be skipped). */
TESS_EXPORT TESS_CHECKED int tess_facts_set_i64_at_most(struct tess_call *c, struct tess_facts *f, const char *name, int64_t most);

/* Fail with TESS_E_DATA naming the fact when it is absent or of another type. */
TESS_EXPORT TESS_CHECKED int tess_facts_i64(struct tess_call *c, const struct tess_facts *f, const char *name, int64_t *value);
TESS_EXPORT TESS_CHECKED int tess_facts_f64(struct tess_call *c, const struct tess_facts *f, const char *name, double *value);
TESS_EXPORT TESS_CHECKED int tess_facts_text(struct tess_call *c, const struct tess_facts *f, const char *name, const char **value);
/* The same with a default; a fact of another type counts as absent. */
TESS_EXPORT int64_t tess_facts_i64_or(const struct tess_facts *f, const char *name, int64_t otherwise);
TESS_EXPORT double tess_facts_f64_or(const struct tess_facts *f, const char *name, double otherwise);
TESS_EXPORT const char *tess_facts_text_or(const struct tess_facts *f, const char *name, const char *otherwise);

#ifdef __cplusplus
}
#endif
#endif
