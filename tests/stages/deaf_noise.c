/* noise/1 `deaf`, for tests: absorbing noise that does not say how to hold known tokens, as a noise whose denoiser reads in one direction
 * does not.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/plugin.h>

/* The description of the noise that this one is made of has other names. */
#define tess_plugin_1 absorbing_plugin
#define tess_plugin_needs absorbing_needs
#define tess_plugin_components absorbing_components
extern const struct tess_plugin absorbing_plugin;
#include "plugins/noises/absorbing.c"
#undef tess_plugin_1
#undef tess_plugin_needs
#undef tess_plugin_components

static const struct tess_noise_1 deaf_ops = {.size = sizeof deaf_ops,
                                             .vocabulary = absorbing_vocabulary,
                                             .steps = absorbing_steps,
                                             .corrupt = absorbing_corrupt,
                                             .record_loss = absorbing_record_loss,
                                             .bound_constant = absorbing_bound_constant,
                                             .start = absorbing_start,
                                             .reverse = absorbing_reverse,
                                             .changes = absorbing_changes,
                                             .reads_row = 1};

TESS_PLUGIN("tests-deaf", "1", "MIT", TESS_NEEDS("graph/1", "random/1"),
            TESS_COMPONENT("deaf", "noise/1", "for tests: hears no known tokens", sizeof(struct absorbing), params, NULL, NULL, &deaf_ops));
