/* Use of the codebook by the codes of one training step, as columns of the training's curve and log: a codebook that collapses shows here
 * long before its artefact is measured.
 *
 * Both are of the codes of a whole batch, so neither can exceed the number of its codes; of quantizers with several levels they are means
 * over the levels. SPDX-License-Identifier: MIT */
#ifndef KIT_TRAIN_CODE_USAGE_H
#define KIT_TRAIN_CODE_USAGE_H

#include <tessera/tensor.h>

/* Number of different codes of a step (11.1), and their perplexity (11.3). */
enum { CODE_USAGE_USED, CODE_USAGE_PERPLEXITY, CODE_USAGE_COLUMNS };
extern const char *const code_usage_column[CODE_USAGE_COLUMNS];

/* Memory for the codes of a step, kept between steps. Start from zeroed memory; close in any case. */
struct code_usage {
    int32_t *sorted;
    int64_t capacity;
};
void code_usage_close(struct code_usage *u);
/* Measures codes i32 (..., depth), `depth` levels a position, into value[CODE_USAGE_...]. */
int code_usage_measure(struct tess_context *ctx, struct code_usage *u, const struct tess_tensor *codes, int64_t depth,
                       double value[CODE_USAGE_COLUMNS]) TESS_CHECKED;

#endif
