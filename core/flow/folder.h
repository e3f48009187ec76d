/* The run's folder, RUNS/NAME: the runs that work in it, and its files. SPDX-License-Identifier: MIT */
#ifndef TESSI_FOLDER_H
#define TESSI_FOLDER_H

#include "core/flow/flow_private.h"

/* Enters the folder for a run of this pipeline: results of others are removed (the cache keeps them), resolved.yaml is written. While it
 * runs only runs of the same pipeline may enter. TESS_E_CREATE says who is there with another. */
int tessi_flow_folder_enter(struct tess_context *ctx, struct tessi_pipeline *p) TESS_CHECKED;
void tessi_flow_folder_leave(struct tessi_pipeline *p);
/* Publishes a stage's result: the artefact under the stage's name, and its pictures. A result that only the folder still has is linked back
 * into the cache. */
int tessi_flow_folder_publish(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s) TESS_CHECKED;

#endif
