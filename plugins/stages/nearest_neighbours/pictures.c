/* Pictures of samples with the training images nearest to them. SPDX-License-Identifier: MIT */
#include "plugins/stages/nearest_neighbours/nearest_neighbours.h"

enum { PICTURE_ROWS = 16, PICTURE_NEIGHBOURS = 15 };

/* Writes a picture with a row for each of some samples: the sample and its nearest training images. */
static int pictures_put_rows(struct tess_context *ctx, const struct work *w, const char *name, const int64_t *sample, int64_t rows)
{
    int64_t k = w->s->neighbours, shown = k < PICTURE_NEIGHBOURS ? k : PICTURE_NEIGHBOURS, across = shown + 1;
    const int64_t *size = w->n.size;
    struct tess_tensor all, sheet = {.data = NULL};
    TESS_TRY(stage_tensor(ctx, &all, TESS_U8, 4, (const int64_t[]){rows * across, size[0], size[1], size[2]}));
    int status = TESS_OK;
    for (int64_t i = 0; i < rows && status == TESS_OK; i++) {
        uint8_t *to = (uint8_t *)all.data + (size_t)(i * across) * w->images.row;
        status = stage_images_get(ctx, &w->samples, sample[i], to);
        for (int64_t j = 0; j < shown && status == TESS_OK; j++)
            status = stage_images_get(ctx, &w->images, w->search.index[sample[i] * k + j], to + (size_t)(j + 1) * w->images.row);
    }
    if (status == TESS_OK)
        status = tess_contact_sheet(ctx, &all, across, 2, size[1] < 64 ? 2 : 1, &sheet);
    if (status == TESS_OK)
        status = tess_artefact_put_picture(ctx, tess_stage_output(w->run), name, &sheet);
    tess_free(sheet.data);
    tess_free(all.data);
    return status;
}

/* Writes a picture of the first samples in a row, with the nearest training image below each: reports set such rows beside those of other
 * runs. */
static int pictures_put_below(struct tess_context *ctx, const struct work *w, int64_t n)
{
    const int64_t *size = w->n.size, shape[4] = {n, size[0], size[1], size[2]};
    struct tess_tensor line[2] = {{.data = NULL}, {.data = NULL}};
    int status = TESS_OK;
    for (int i = 0; i < 2 && status == TESS_OK; i++)
        status = stage_tensor(ctx, &line[i], TESS_U8, 4, shape);
    for (int64_t i = 0; i < n && status == TESS_OK; i++) {
        size_t at = (size_t)i * w->images.row;
        status = stage_images_get(ctx, &w->samples, i, (uint8_t *)line[0].data + at);
        if (status == TESS_OK)
            status = stage_images_get(ctx, &w->images, w->search.index[i * w->s->neighbours], (uint8_t *)line[1].data + at);
    }
    if (status == TESS_OK)
        status = stage_put_rows(ctx, tess_stage_output(w->run), "nearest", 2, (const struct tess_tensor *const[]){&line[0], &line[1]},
                                "sample|nearest training image");
    tess_free(line[0].data);
    tess_free(line[1].data);
    return status;
}

int nearest_neighbours_put_pictures(struct tess_context *ctx, const struct work *w)
{
    int64_t n = w->n.samples, rows = n < PICTURE_ROWS ? n : PICTURE_ROWS, k = w->s->neighbours, list[PICTURE_ROWS + 1] = {0}, have = 0;
    for (int64_t i = 0; i < rows; i++)
        list[i] = i;
    TESS_TRY(pictures_put_below(ctx, w, rows));
    TESS_TRY(pictures_put_rows(ctx, w, "neighbours", list, rows));
    for (int64_t i = 0; i < n; i++) {
        int64_t at = have < rows ? have++ : rows;
        for (; at > 0 && w->distance[list[at - 1] * k] > w->distance[i * k]; at--)
            list[at] = list[at - 1];
        list[at] = i;
    }
    return pictures_put_rows(ctx, w, "closest", list, rows);
}
