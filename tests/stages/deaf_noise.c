/* noise/1 `deaf`, for tests: absorbing noise that does not say how to hold known tokens, as a noise whose denoiser reads in one direction
 * does not.
 *
 * SPDX-License-Identifier: MIT */
#define tess_plugin_1 absorbing_plugin
#include "plugins/noises/absorbing.c"
#undef tess_plugin_1

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

static const struct tess_component deaf_components[] = {{.name = "deaf",
                                                         .kind = "noise/1",
                                                         .summary = "for tests: hears no known tokens",
                                                         TESS_PARAMS(params),
                                                         .caps = TESS_DETERMINISTIC,
                                                         .self_size = sizeof(struct absorbing),
                                                         .ops = &deaf_ops},
                                                        {.name = NULL}};

extern TESS_EXPORT const struct tess_plugin tess_plugin_1;
TESS_EXPORT const struct tess_plugin tess_plugin_1 = {TESS_PLUGIN_HEAD,
                                                      .id = "tests-deaf",
                                                      .version = "1",
                                                      .license = "MIT",
                                                      .needs = needs,
                                                      .components = deaf_components};
