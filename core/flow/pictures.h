/* Pictures of results as files of the run's folder. SPDX-License-Identifier: MIT */
#ifndef TESSI_PICTURES_H
#define TESSI_PICTURES_H

#include "core/flow/flow_private.h"

/* Path of a stage's picture, FOLDER/STAGE.NAME.png, where bytes of NAME other than letters, digits, `-`, `_` and `.` stand as %XX; freed by
 * the caller. */
int tessi_flow_picture_path(struct tess_context *ctx, const char *folder, const char *stage, const char *name, char **out) TESS_CHECKED;
/* Writes the pictures of `a`, the stage's result, that are not there, or all where they are `fresh`; s->picture lists them. */
int tessi_flow_pictures_export(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s,
                               const struct tess_artefact *a, int fresh) TESS_CHECKED;
/* Removes all pictures of a stage: those of a result that does not say any more which it has. */
int tessi_flow_pictures_drop(struct tess_context *ctx, const struct tessi_pipeline *p, const char *stage) TESS_CHECKED;

#endif
