/* Shared by the files of kind quantizer/1. SPDX-License-Identifier: MIT */
#ifndef TESSI_JUDGE_QUANTIZER_H
#define TESSI_JUDGE_QUANTIZER_H

#include "core/judge/judge_private.h"

#define QUANTIZER_HEIGHT 2
#define QUANTIZER_WIDTH 3

extern const struct judge_workload judge_quantizer_workloads[]; /* record, record_assign, record_lookup */

int judge_quantizer_outside(const struct tess_quantizer_1 *ops, void *self); /* outside_latent_space */
int64_t judge_quantizer_depth(const struct tess_quantizer_1 *ops, void *self);
int64_t judge_quantizer_level_size(const struct tess_quantizer_1 *ops, void *self, int64_t level);
/* Shape of the codes of a microbatch; returns the rank. */
int32_t judge_quantizer_codes_shape(const struct judge_piece *p, int64_t dim[5]);
int judge_quantizer_run(struct judge_piece *p);

/* Records latent to quantised, codes and loss. */
int judge_quantizer_record(struct judge_piece *p);
/* Fails unless the codes of the last run are in range. */
int judge_quantizer_codes_fit(struct judge *j, const struct judge_piece *p, const char *of);

/* Tests of the vectors of codes. */
int judge_quantizer_nearest(struct judge *j);
int judge_quantizer_lookup_inverts(struct judge *j);
int judge_quantizer_fixed_point(struct judge *j);
int judge_quantizer_distinct(struct judge *j);
int judge_quantizer_agrees(struct judge *j);
int judge_quantizer_random_weights(struct judge *j);
/* Tests of training. */
int judge_quantizer_loss_finite(struct judge *j);
int judge_quantizer_gradient_flows(struct judge *j);
int judge_quantizer_steps(struct judge *j);
int judge_quantizer_usage(struct judge *j);
int judge_quantizer_steps_repeat(struct judge *j);
int judge_quantizer_steps_threads(struct judge *j);
int judge_quantizer_restored(struct judge *j);
int judge_quantizer_rebuild(struct judge *j);
int judge_quantizer_rebuild_unfit(struct judge *j);

#endif
