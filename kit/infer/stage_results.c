/* SPDX-License-Identifier: MIT */
#include "kit/infer/stage_results.h"

#include <stdio.h>
#include <string.h>

int stage_carry_over(struct tess_context *ctx, const struct tess_artefact *from, struct tess_artefact *to)
{
    struct tess_dataset how = {.size = sizeof how, .compress = 1, .labels = "image"};
    TESS_TRY(tess_artefact_copy(ctx, to, "labels", from, &how));
    TESS_TRY(tess_artefact_copy(ctx, to, "flipped", from, &how));
    TESS_TRY(tess_artefact_copy(ctx, to, "names", from, NULL));
    TESS_TRY(tess_artefact_copy(ctx, to, "skipped", from, NULL));
    return tess_artefact_copy(ctx, to, "classes", from, NULL);
}

int stage_carry_rows(struct tess_context *ctx, const struct tess_artefact *from, struct tess_artefact *to, int64_t n, const int64_t *row)
{
    struct tess_dataset how = {.size = sizeof how, .compress = 1, .labels = "image"};
    TESS_TRY(tess_artefact_copy_rows(ctx, to, "labels", from, n, row, &how));
    TESS_TRY(tess_artefact_copy_rows(ctx, to, "names", from, n, row, NULL));
    TESS_TRY(tess_artefact_copy(ctx, to, "skipped", from, NULL));
    return tess_artefact_copy(ctx, to, "classes", from, NULL);
}

int stage_put_classes(struct tess_context *ctx, const struct tess_source_1 *source, void *self, int64_t classes, struct tess_artefact *to)
{
    void *memory;
    if (!source || classes == 0 || !TESS_HAS(source, class_name) || !source->class_name)
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, (size_t)classes * sizeof(char *), "names of classes", &memory));
    const char **list = memory;
    int named = 1;
    for (int64_t i = 0; i < classes; i++)
        named = (list[i] = source->class_name(self, i)) && named; /* labels that are numbers have none */
    int status = named ? tess_artefact_put_strings(ctx, to, "classes", classes, list) : TESS_OK;
    tess_free(memory);
    return status;
}

int stage_put_metric(struct tess_context *ctx, struct tess_artefact *a, const char *name, double value, const char *unit, int32_t better)
{
    const struct tess_metric_value v = TESS_METRIC_VALUE(name, value, unit, better);
    return tess_artefact_put_metric_value(ctx, a, &v);
}

int stage_put_metric_as(struct tess_context *ctx, struct tess_artefact *a, const char *name, const char *suffix, double value,
                        const char *unit, int32_t better)
{
    char full[96];
    snprintf(full, sizeof full, "%s%s", name, suffix);
    return stage_put_metric(ctx, a, full, value, unit, better);
}

int stage_check_stop(struct tess_context *ctx, const struct tess_stage_run *r, int64_t done, int64_t total, const char *unit)
{
    if (!tess_stage_stopping(r))
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_STOPPED, "stopped at %s %lld of %lld; run the same command again to go on", unit, (long long)done,
                     (long long)total);
}

static int64_t zoom_for(const struct tess_tensor *images)
{
    return images->dim[2] < 64 ? 2 : 1;
}

enum { STAGE_RESULTS_GAP = 2 };

/* Writes images as a contact sheet whose tiles they are. */
static int put_contact_sheet(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_tensor *images,
                             int64_t across, const char *rows)
{
    struct tess_tensor sheet;
    int64_t zoom = zoom_for(images), one = images->dim[2] * zoom + STAGE_RESULTS_GAP;
    TESS_TRY(tess_contact_sheet(ctx, images, across, STAGE_RESULTS_GAP, zoom, &sheet));
    const struct tess_tiles tiles = {.size = sizeof tiles,
                                     .zoom = (int32_t)zoom,
                                     .gap = STAGE_RESULTS_GAP,
                                     .count = images->dim[0],
                                     .across = (sheet.dim[1] + STAGE_RESULTS_GAP) / one,
                                     .height = images->dim[1],
                                     .width = images->dim[2],
                                     .rows = rows};
    int status = tess_artefact_put_tiles(ctx, a, name, &sheet, &tiles);
    tess_free(sheet.data);
    return status;
}

int stage_put_sheet(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_tensor *images)
{
    return put_contact_sheet(ctx, a, name, images, 0, NULL);
}

int stage_put_sheet_across(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_tensor *images,
                           int64_t across)
{
    return put_contact_sheet(ctx, a, name, images, across, NULL);
}

int stage_put_rows(struct tess_context *ctx, struct tess_artefact *a, const char *name, int64_t rows,
                   const struct tess_tensor *const *lists, const char *names)
{
    const struct tess_tensor *first = lists[0];
    int64_t n = first->dim[0], across = n < 16 ? n : 16, blocks = n / across;
    size_t line = tess_tensor_bytes(first) / (size_t)n * (size_t)across;
    struct tess_tensor all;
    TESS_TRY(stage_tensor(ctx, &all, TESS_U8, 4, (const int64_t[]){rows * blocks * across, first->dim[1], first->dim[2], first->dim[3]}));
    for (int64_t i = 0; i < blocks; i++)
        for (int64_t j = 0; j < rows; j++)
            memcpy((char *)all.data + (size_t)(i * rows + j) * line, (const char *)lists[j]->data + (size_t)i * line, line);
    int status = put_contact_sheet(ctx, a, name, &all, across, names);
    tess_free(all.data);
    return status;
}

int stage_put_pairs(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_tensor *originals,
                    const struct tess_tensor *reconstructions)
{
    return stage_put_rows(ctx, a, name, 2, (const struct tess_tensor *const[]){originals, reconstructions}, "original|reconstruction");
}
