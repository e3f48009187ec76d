/* Loading of files and command line into one pipeline, as plain configuration. SPDX-License-Identifier: MIT */
#ifndef TESSI_LOAD_H
#define TESSI_LOAD_H

#include "core/flow/pipeline.h"
#include "core/config/merge.h"

/* Loads the whole pipeline: bases merged in, overrides applied, `${...}` replaced but for the values under `sweep`; `extends` is gone and
 * every name under params was used. A map whose keys are among those of a pipeline; what they hold is the caller's to check. */
int tessi_flow_pipeline_load(struct tess_context *ctx, const struct tessi_pipeline_options *o, struct tessi_config **out) TESS_CHECKED;
/* tessi_flow_pipeline_load that leaves every `${...}` as it is written, for callers that read `sweep` and `name` alone. */
int tessi_flow_sweep_load(struct tess_context *ctx, const struct tessi_pipeline_options *o, struct tessi_config **out) TESS_CHECKED;

#endif
