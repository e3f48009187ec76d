/* A training's curves as a picture. SPDX-License-Identifier: MIT */
#ifndef TESSI_PLOT_H
#define TESSI_PLOT_H

#include <tessera/tensor.h>

#include <tessera/base.h>

/* One panel for each of the series under another, each with its name, its least and largest value and its last one, over the steps. `curve`
 * is (points, 1 + series) f32, the step first; a series that spans more than a factor of 20, all of it above 0, is drawn by its logarithm,
 * and says so. Into a grey picture that the caller frees with tess_free(out->data). */
int tessi_train_plot(struct tess_context *ctx, int64_t points, int32_t series, const float *curve, const char *const *name,
               struct tess_tensor *out) TESS_CHECKED;

#endif
