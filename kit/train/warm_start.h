/* A trained model as the start of training (docs/pipelines.md, "Starting from a model"). Linked into the stages that train.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_STAGES_START_H
#define PLUGINS_STAGES_START_H

#include "kit/infer/common.h"

/* The weights that using a model needs, by name and shape: of the parts to be trained, and of those of the model to start from. Values
 * have no part in it, so that it can be told when planning. Start from zeroed memory; close in any case. */
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

/* The values of `w`, sealed by it, out of the model's file: those that were checked, and of what only training has (a critic, averages,
 * a noise's memory) each group, `quantizer.` and the like, that is in the file as a whole and in shape. The rest begins as without a
 * model, and a note says which. Weights under `skip[i]`, a list that ends with NULL, are not looked at. */
int warm_start_read(struct tess_context *ctx, struct tess_stage_run *r, const struct warm_start *s, struct tess_weights *w,
               const struct tess_artefact *model, const char *const *skip) TESS_CHECKED;

/* A note where a part that was said is not the model's in every parameter, weights apart. */
void warm_start_note_part(struct tess_stage_run *r, const char *part, const struct tess_instance *wanted,
                          const struct tess_instance *given);

/* 1 when training has a checkpoint to resume at, which holds all weights: then there is nothing to start. */
int warm_start_is_past(struct tess_stage_run *r);

#endif
