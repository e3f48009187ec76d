/* Whether a sweep is as its last end left it, told without planning it again. SPDX-License-Identifier: MIT */
#ifndef TESSI_SWEEP_SETTLED_H
#define TESSI_SWEEP_SETTLED_H

#include "core/sweep/run.h"

/* A sweep that has come to its end leaves FOLDER/.settled: what it was asked for, what it ran with, and every file that it has and read,
 * with place, size and times, and digests of those that changed too lately for times to tell. It decides nothing: without it, or where
 * anything differs, the sweep is planned. */

/* Digest of what is asked for: the pipeline with all that it extends, axes, overrides. To be computed before duplicates are taken out. */
int tessi_sweep_settled_request(struct tess_context *ctx, const struct tessi_sweep *s, char digest[65]) TESS_CHECKED;
/* 1 where nothing is left to do, and then the number of its distinct stages. */
int tessi_sweep_settled_is(struct tess_context *ctx, const struct tessi_sweep *s, const struct tessi_sweep_settings *o, const char *request,
                           int64_t *stages);
/* Leaves the file, after all variants were done; contents of results are checked for it. A failure leaves none. */
void tessi_sweep_settled_leave(struct tess_context *ctx, const struct tessi_sweep_plan *p, const struct tessi_sweep_settings *o,
                               const char *request);

#endif
