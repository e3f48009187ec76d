/* Tensors that the classes of a published program have and a model here has not, for files that those classes load with strict=True. Linked
 * into each plugin of an architecture.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_CHECKPOINT_EXTRAS_H
#define KIT_CHECKPOINT_EXTRAS_H

#include <tessera/exchange.h>
#include <tessera/plugin.h>

#define EXTRAS_PARAM(S, m)                                                                                                                 \
    {                                                                                                                                      \
        .name = "complete",                                                                                                                \
        .help = "an export has what the program's classes have beside the model's weights too (idle weights, statistics, masks), so that " \
                "they load it with strict=True",                                                                                           \
        .type = TESS_BOOL, .offset = offsetof(S, m), .def = 1                                                                              \
    }

/* All do nothing where the plan wants no extra tensors. Names are formats of printf. */

/* A tensor of one value; dtype "f32" or "i64". */
int extras_constant(struct tess_context *ctx, const struct tess_export_plan *p, const char *dtype, float value, int32_t rank,
                    const int64_t *dim, const char *name, ...) TESS_CHECKED __attribute__((format(printf, 7, 8)));
/* A list of n values, which are copied. */
int extras_values(struct tess_context *ctx, const struct tess_export_plan *p, int32_t rank, const int64_t *dim, const float *values,
                  const char *name, ...) TESS_CHECKED __attribute__((format(printf, 6, 7)));
/* Weight i of the plan under another name. */
int extras_same(struct tess_context *ctx, const struct tess_export_plan *p, int64_t i, const char *name, ...) TESS_CHECKED
    __attribute__((format(printf, 4, 5)));
/* Running statistics of batch normalisation as they begin, 0, 1 and 0, behind each weight "...main.N.weight" of rank 1 that is exported. */
int extras_running(struct tess_context *ctx, const struct tess_export_plan *p) TESS_CHECKED;

/* Length of `name` without the ending, where it has that; else 0. */
int extras_stem(const char *name, const char *ending);

#endif
