/* Plots of training curves. SPDX-License-Identifier: MIT */
#ifndef TESSI_PLOT_H
#define TESSI_PLOT_H

#include <tessera/tensor.h>

#include <tessera/base.h>

/* Plots one panel a series, one below the other, each with its name, minimum, maximum and last value, over the steps. `curve` is (points, 1
 * + series) f32, the step first; a series that spans more than a factor of 20, all of it above 0, is drawn by its logarithm, and labelled
 * so. Gives a grey picture that the caller frees with tess_free(out->data). */
int tessi_train_plot(struct tess_context *ctx, int64_t points, int32_t series, const float *curve, const char *const *name,
               struct tess_tensor *out) TESS_CHECKED;

#endif
