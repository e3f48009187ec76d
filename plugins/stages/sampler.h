/* Reverse diffusion of many sequences, with no call of the denoiser that nothing comes of (docs/models.md, "Absorbing diffusion",
 * sampling).
 *
 * Where the noise can tell from its draws that a step changes nothing, and the denoiser is not told the time, the step is made without it.
 * Sequences then need the denoiser at different steps; as it does not know the step, one batch holds whichever sequences are waiting,
 * each at its own. What is drawn is keyed by step and by the sequence's own number, so the samples are, bit for bit, those of a loop
 * that calls the denoiser at every step.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_STAGES_SAMPLER_H
#define PLUGINS_STAGES_SAMPLER_H

#include "plugins/stages/common.h"

struct sampler {
    /* Set by the caller. */
    const struct tess_prior *prior;
    const struct stage_graph *denoise;
    int64_t count, steps;
    double temperature;
    uint64_t seed;
    int every_step; /* call the denoiser at every step, whatever comes of it */
    /* Where it stands; a checkpoint holds these. */
    struct tess_tensor x;    /* (count, height, width) i32 */
    struct tess_tensor left; /* (count) i32: reverse steps still to make */
    int64_t calls;           /* sequences given to the denoiser so far */
    /* Its own. */
    struct tess_tensor tokens, time, logits; /* of a batch */
    int64_t *active, actives, next;
};

/* Memory, and the start of every sequence. Start from zeroed memory but for the caller's part; close in any case. */
int sampler_open(struct tess_call *c, struct sampler *s) TESS_CHECKED;
void sampler_close(struct sampler *s);
/* One call of the denoiser for the sequences that wait for it. */
int sampler_advance(struct tess_call *c, struct sampler *s) TESS_CHECKED;
int64_t sampler_steps_done(const struct sampler *s); /* of count x steps */
int sampler_finished(const struct sampler *s);

#endif
