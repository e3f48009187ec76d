/* Categorical draws from a row of the denoiser's logits: softmax(logits / temperature), with one code left out where the noise wants it so.
 * Linked into each noise that needs it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_SAMPLE_DRAWS_H
#define KIT_SAMPLE_DRAWS_H

#include <stdint.h>

/* Row of logits over K codes, borrowed, with its normalisation. */
struct draw_row {
    const float *logits;            /* (codebook_size) */
    int64_t codebook_size, without; /* without: a code that is left out; -1: none is */
    double temperature;
    float max; /* the largest logit */
    double sum; /* sum of exp((logit - max) / temperature) */
};

/* Fills `max` and `sum`. Gives 0 when a logit is NaN or infinitely large: there is no such distribution. A logit of minus infinity rules
 * its code out; when all are ruled out sum is 0. */
int draw_row_open(struct draw_row *r);
/* Draws by inversion: the code where the cumulative sum passes the share u of the whole, u in [0, 1); -1 when sum is 0. */
int32_t draw_row_code(const struct draw_row *r, double u);

#endif
