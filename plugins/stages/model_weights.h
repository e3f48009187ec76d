/* Weights of a model that a stage goes on with. Compiled into the stages that train.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_STAGES_MODEL_WEIGHTS_H
#define PLUGINS_STAGES_MODEL_WEIGHTS_H

#include <tessera/artefact.h>
#include <tessera/weights.h>

/* Whether `path`, behind "weights/", is where the weight `name` lies in a model's file. */
int model_is_weight(const char *path, const char *name);
/* Weight i of the store gets the values it has in a model's file. */
int model_read_weight(struct tess_call *c, struct tess_weights *w, int64_t i, const struct tess_artefact *a) TESS_CHECKED;
/* From here on the moving averages are the weights. */
int model_take_averages(struct tess_call *c, struct tess_weights *w) TESS_CHECKED;

#endif
