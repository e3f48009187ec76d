/* Disk space for a stage's files. SPDX-License-Identifier: MIT */
#ifndef TESSI_DISK_SPACE_H
#define TESSI_DISK_SPACE_H

#include "core/flow/flow_private.h"

/* Checks, before the work, that there is disk space for what the plan says the stage will write; else TESS_E_IO. The result's part is
 * reserved where the file system can, so that nobody else fills it. From here on the result waits for space where there is none, until a
 * stop is asked for. */
int tessi_flow_disk_reserve(struct tess_context *ctx, const struct tessi_pipeline *p, struct tess_stage_run *r) TESS_CHECKED;

#endif
