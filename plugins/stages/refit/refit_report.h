/* Report of the stage `refit` on a tokenizer before and after its work: metrics and pictures (docs/models.md, "ReFiT").
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_STAGES_REFIT_REFIT_REPORT_H
#define PLUGINS_STAGES_REFIT_REFIT_REPORT_H

#include "kit/infer/common.h"

/* Threshold of use in the published code: a code counts as used when it was chosen so many times. */
enum { REFIT_OFTEN = 10 };

struct refit_measure {
    int64_t codebook_size, *counts, often;         /* counts (K); codes chosen REFIT_OFTEN times or more */
    struct tess_code_health health;
    double quantisation, mse;              /* mean squares, of latents and of pixels in 0 .. 1 */
    struct tess_tensor originals, made;    /* the first images, and their reconstructions */
};

struct refit_progress {
    struct tess_stage_run *run;
    int64_t done, total; /* in images; done: before this measurement */
};

/* Measures reconstructions of images first .. first + count - 1 through a codec of both ways with CODEC_ERROR. Start from zeroed memory;
 * close in any case. */
int refit_measure(struct tess_context *ctx, struct refit_measure *m, const struct stage_codec *codec, const struct stage_images *images,
                  int64_t first, int64_t count, const struct refit_progress *progress) TESS_CHECKED;
void refit_measure_close(struct refit_measure *m);
/* Writes metrics, pictures and a note: `after` under the names that other stages use, `before` with " before" behind them. */
int refit_report(struct tess_context *ctx, struct tess_stage_run *r, const struct refit_measure *before,
                 const struct refit_measure *after) TESS_CHECKED;

#endif
