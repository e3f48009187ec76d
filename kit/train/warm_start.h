/* Warm start of training from a trained model (docs/pipelines.md, "Starting from a model"). Linked into the stages that train.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_TRAIN_WARM_START_H
#define KIT_TRAIN_WARM_START_H

#include "kit/infer/common.h"

/* Weights by name and shape that inference needs, of the parts to be trained (wanted) and of the model to start from (given). Without
 * values, so that they can be compared when planning. Start from zeroed memory; close in any case. */
struct warm_start {
    struct tess_weights *wanted, *given;
    struct tess_graph *graph[2];
};
int warm_start_open_tokenizer(struct tess_context *ctx, struct warm_start *s, const struct tess_tokenizer *wanted,
                              const struct tess_tokenizer *given) TESS_CHECKED;
int warm_start_open_prior(struct tess_context *ctx, struct warm_start *s, const struct tess_prior *wanted,
                          const struct tess_prior *given) TESS_CHECKED;
void warm_start_close(struct warm_start *s);

/* TESS_E_SHAPE unless both have the same weights. `what` is the port's name. */
int warm_start_check(struct tess_context *ctx, const struct warm_start *s, const char *what) TESS_CHECKED;

/* Reads values of `w`, which it seals, from the model's file: those that were checked, and of what only training has (a critic, averages, a
 * noise's memory) each group, `quantizer.` and the like, that is in the file as a whole and in shape. The rest begins as without a model,
 * and a note says which. Weights under `skip[i]`, a list that ends with NULL, are not looked at. */
int warm_start_read(struct tess_context *ctx, struct tess_stage_run *r, const struct warm_start *s, struct tess_weights *w,
               const struct tess_artefact *model, const char *const *skip) TESS_CHECKED;

/* Notes where a part that was given is not the model's in every parameter, weights apart. */
void warm_start_note_part(struct tess_stage_run *r, const char *part, const struct tess_instance *wanted,
                          const struct tess_instance *given);

/* 1 when training has a checkpoint to resume at, which holds all weights: then there is nothing to start. */
int warm_start_is_past(struct tess_stage_run *r);

#endif
