/* Results that lie in the run's folder and are not of the run. SPDX-License-Identifier: MIT */
#ifndef TESSI_FOLDER_RESULTS_H
#define TESSI_FOLDER_RESULTS_H

#include "core/flow/flow_private.h"

/* Checks that no outside file lies where a result goes. */
int tessi_flow_folder_check_inputs(struct tess_context *ctx, const struct tessi_pipeline *p) TESS_CHECKED;
/* Removes results that this pipeline would not give now, and those of stages that it does not have; the cache keeps them. Files that no
 * stage wrote are left alone. */
int tessi_flow_folder_clear(struct tess_context *ctx, const struct tessi_pipeline *p) TESS_CHECKED;

#endif
