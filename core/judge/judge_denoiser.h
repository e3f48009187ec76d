/* Shared by the two files of kind denoiser/1. SPDX-License-Identifier: MIT */
#ifndef TESSI_JUDGE_DENOISER_H
#define TESSI_JUDGE_DENOISER_H

#include "core/judge/judge_private.h"

/* Sizes of the maps that are tried, the smallest first. */
extern const int64_t judge_denoiser_size[][2];

enum { DENOISER_SIZES = 3, DENOISER_TOKENS = 64 /* at most */, DENOISER_CODES = 5, DENOISER_CLASSES = 3, DENOISER_PICKED = 6 };

extern const struct judge_workload judge_denoiser_workloads[];
#define DENOISER_PLAIN (&judge_denoiser_workloads[0])
#define DENOISER_TIMED (&judge_denoiser_workloads[1])
#define DENOISER_PICKS (&judge_denoiser_workloads[2])
#define DENOISER_CAUSAL (&judge_denoiser_workloads[3])
#define DENOISER_LABELLED (&judge_denoiser_workloads[4])

/* A piece of one row, with the logits of its first run. */
struct denoiser_case {
    struct judge_piece p;
    float first[DENOISER_TOKENS * DENOISER_CODES];
};

/* Opens a case for workload `w`; JUDGE_UNFIT where the component does not have that function. */
int judge_denoiser_open(struct judge *j, struct tess_instance *i, const struct judge_workload *w, struct denoiser_case *c);
void judge_denoiser_close(struct denoiser_case *c);
int64_t judge_denoiser_tokens(const struct denoiser_case *c);
int judge_denoiser_run(struct denoiser_case *c);
int judge_denoiser_run_first(struct denoiser_case *c);

/* Tests of picked positions and of the next token. */
int judge_denoiser_positions(struct judge *j);
int judge_denoiser_next_agrees(struct judge *j);
int judge_denoiser_next_weights(struct judge *j);

#endif
