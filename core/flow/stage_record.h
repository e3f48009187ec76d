/* The record of a stage's result, for the log. SPDX-License-Identifier: MIT */
#ifndef TESSI_STAGE_RECORD_H
#define TESSI_STAGE_RECORD_H

#include "core/flow/flow_private.h"

/* Replaces s->record by the record of the artefact `a`, its result in the run's folder: members of a JSON object without braces,
 * "use":"evaluate","kind":"metrics",...; docs/formats.md has the list. */
int tessi_flow_stage_record(struct tess_context *ctx, struct tessi_stage *s, const struct tess_artefact *a) TESS_CHECKED;
/* The overrides of a command line as a JSON array of texts, freed by the caller. */
int tessi_flow_overrides_record(struct tess_context *ctx, int64_t n, const char *const *override, char **out) TESS_CHECKED;

#endif
