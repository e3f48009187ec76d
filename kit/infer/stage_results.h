/* Results of a stage beside its data: rows carried over from an artefact, metrics, pictures, and stopping when asked to.
 * SPDX-License-Identifier: MIT */
#ifndef KIT_INFER_STAGE_RESULTS_H
#define KIT_INFER_STAGE_RESULTS_H

#include "kit/infer/stage_images.h"

#include <tessera/kind/source.h>
#include <tessera/kind/stage.h>

/* Copies labels, names of images and classes, and marks of mirrored images to the result, as far as the artefact has them. */
int stage_carry_over(struct tess_context *ctx, const struct tess_artefact *from, struct tess_artefact *to) TESS_CHECKED;
/* Copies labels and names of n rows, where row i of the result is row[i] of the artefact, and names of classes. */
int stage_carry_rows(struct tess_context *ctx, const struct tess_artefact *from, struct tess_artefact *to, int64_t n,
                     const int64_t *row) TESS_CHECKED;
/* Writes the names of a source's classes, where it has them; `source` may be NULL, `self` is the source's instance. */
int stage_put_classes(struct tess_context *ctx, const struct tess_source_1 *source, void *self, int64_t classes,
                      struct tess_artefact *to) TESS_CHECKED;
/* Writes a metric of which lower or higher values are better (TESS_METRIC_LOWER, TESS_METRIC_HIGHER; 0: neither); stage_put_metric_as under
 * a name that ends in `suffix`. */
int stage_put_metric(struct tess_context *ctx, struct tess_artefact *a, const char *name, double value, const char *unit,
                     int32_t better) TESS_CHECKED;
int stage_put_metric_as(struct tess_context *ctx, struct tess_artefact *a, const char *name, const char *suffix, double value,
                        const char *unit, int32_t better) TESS_CHECKED;
/* TESS_E_STOPPED, with a message that says how to resume, when the user asked to stop. */
int stage_check_stop(struct tess_context *ctx, const struct tess_stage_run *r, int64_t done, int64_t total, const char *unit) TESS_CHECKED;
/* Writes a picture of pairs of rows: `across` originals, below them their reconstructions. n u8 images each. */
int stage_put_pairs(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_tensor *originals,
                    const struct tess_tensor *reconstructions) TESS_CHECKED;
/* Writes such a picture with any number of rows for each `across` images; lists[0] are the originals. `names` says what the rows are,
 * "original|before|after". */
int stage_put_rows(struct tess_context *ctx, struct tess_artefact *a, const char *name, int64_t rows,
                   const struct tess_tensor *const *lists, const char *names) TESS_CHECKED;
/* Writes a picture of images u8 (n, H, W, C), about as wide as it is high; stage_put_sheet_across with `across` of them side by side. */
int stage_put_sheet(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_tensor *images) TESS_CHECKED;
int stage_put_sheet_across(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_tensor *images,
                           int64_t across) TESS_CHECKED;

#endif
