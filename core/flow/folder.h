/* The run's folder, RUNS/NAME: who works in it, and what lies there. SPDX-License-Identifier: MIT */
#ifndef TESSI_FOLDER_H
#define TESSI_FOLDER_H

#include "core/flow/flow_private.h"

/* For a run of this pipeline: results of others are taken out (the cache keeps them), resolved.yaml is written. While it runs only runs of
 * the same pipeline may enter. TESS_E_CREATE says who is there with another. */
int tessi_flow_folder_enter(struct tess_context *ctx, struct tessi_pipeline *p) TESS_CHECKED;
void tessi_flow_folder_leave(struct tessi_pipeline *p);
/* The artefact under the stage's name, and its pictures. One that only the folder still has goes back into the cache. */
int tessi_flow_folder_publish(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s) TESS_CHECKED;

#endif
