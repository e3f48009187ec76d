/* Pictures, and the tiles of those that are contact sheets. SPDX-License-Identifier: MIT */
#include "core/store/store_private.h"

#include <stdio.h>
#include <string.h>

/* The attribute `tiles` of a picture. */
#define TILES_FORMAT "count=%lld across=%lld height=%lld width=%lld gap=%d zoom=%d"

herr_t tessi_store_ordered_group(const struct tess_artefact *a, const char *name)
{
    hid_t p = H5Pcreate(H5P_GROUP_CREATE), group = -1;
    if (p >= 0 && H5Pset_obj_track_times(p, 0) >= 0 && H5Pset_link_creation_order(p, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED) >= 0 &&
        H5Pset_link_phase_change(p, 64, 32) >= 0)
        group = H5Gcreate2(a->file, name, H5P_DEFAULT, p, H5P_DEFAULT);
    tessi_store_close(p);
    return group < 0 ? -1 : H5Gclose(group);
}

static int artefact_pictures_put(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_tensor *t)
{
    char path[TESSI_NAME_MAX + 16], text[160];
    TESS_TRY(tessi_store_check_line(ctx, a, name, "name for a picture"));
    if (strchr(name, '/') || !*name)
        return ctx->fail(ctx, TESS_E_INTERNAL, "%s: `%s` is no name for a picture", a->path, name);
    if (t->dtype != TESS_U8 || t->rank != 3 || t->dim[0] < 1 || t->dim[1] < 1 || (t->dim[2] != 1 && t->dim[2] != 3))
        return ctx->fail(ctx, TESS_E_SHAPE, "%s: the picture `%s` is %s; u8 (height, width, 1 or 3) was wanted", a->path, name,
                         tess_tensor_text(t, text, sizeof text));
    (void)snprintf(path, sizeof path, "pictures/%s", name);
    if (!a->failed && !a->pictures && tessi_store_ordered_group(a, "pictures") < 0)
        return tessi_store_give_up(ctx, a, "pictures");
    TESS_TRY(tessi_store_put(ctx, a, path, t,
                             &(struct tess_dataset){.size = sizeof(struct tess_dataset), .compress = 1, .labels = "y x channel"}));
    TESS_TRY(tess_reserve(ctx, &a->picture, &a->picture_capacity, a->pictures + 1, sizeof *a->picture, "pictures of an artefact"));
    TESS_TRY(tess_copy_text(ctx, name, &a->picture[a->pictures]));
    a->pictures++;
    return TESS_OK;
}

int tess_artefact_put_picture(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_tensor *t)
{
    tessi_store_lock();
    int status = artefact_pictures_put(ctx, a, name, t);
    tessi_store_unlock();
    return status;
}

/* 1 where the layout is that of a picture of this size. */
static int tiles_fit(const struct tess_tiles *t, int64_t height, int64_t width)
{
    const int64_t most = 1 << 16;
    if (t->count < 1 || t->across < 1 || t->height < 1 || t->width < 1 || t->zoom < 1 || t->gap < 0 || t->count > most ||
        t->across > t->count || t->height > most || t->width > most || t->zoom > most || t->gap > most)
        return 0;
    int64_t lines = (t->count + t->across - 1) / t->across;
    return lines * (t->height * t->zoom + t->gap) - t->gap == height && t->across * (t->width * t->zoom + t->gap) - t->gap == width;
}

static int put_tiles(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_tensor *t,
                     const struct tess_tiles *tiles)
{
    char path[TESSI_NAME_MAX + 16], text[200];
    if (!tiles_fit(tiles, t->rank == 3 ? t->dim[0] : 0, t->rank == 3 ? t->dim[1] : 0))
        return ctx->fail(ctx, TESS_E_INTERNAL, "%s: the picture `%s` is not as large as its tiles", a->path, name);
    TESS_TRY(artefact_pictures_put(ctx, a, name, t));
    (void)snprintf(path, sizeof path, "pictures/%s", name);
    (void)snprintf(text, sizeof text, TILES_FORMAT, (long long)tiles->count, (long long)tiles->across, (long long)tiles->height,
                   (long long)tiles->width, (int)tiles->gap, (int)tiles->zoom);
    hid_t dataset = H5Dopen2(a->file, path, H5P_DEFAULT);
    int bad = dataset < 0 || tessi_store_attribute_text(dataset, "tiles", text) < 0 ||
              (tiles->rows && tessi_store_attribute_text(dataset, "rows", tiles->rows) < 0);
    if (dataset >= 0)
        bad = H5Dclose(dataset) < 0 || bad;
    return bad ? tessi_store_give_up(ctx, a, path) : TESS_OK;
}

int tess_artefact_put_tiles(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_tensor *t,
                            const struct tess_tiles *tiles)
{
    tessi_store_lock();
    int status = put_tiles(ctx, a, name, t, tiles);
    tessi_store_unlock();
    return status;
}

/* A text attribute of a dataset, cut to `capacity`; "" where there is none. */
static int read_text(struct tess_context *ctx, const struct tess_artefact *a, const char *path, hid_t dataset, const char *name, char *text,
                     size_t capacity)
{
    struct tessi_value value = {0};
    text[0] = '\0';
    if (H5Aexists(dataset, name) <= 0)
        return TESS_OK;
    hid_t attribute = H5Aopen(dataset, name, H5P_DEFAULT);
    int status = attribute < 0 ? tessi_store_fail(ctx, a, path) : tessi_store_read_value(ctx, a, path, attribute, &value);
    if (status == TESS_OK && value.type == TESSI_ATTR_TEXT)
        (void)snprintf(text, capacity, "%s", value.text);
    tessi_store_close(attribute);
    tess_free(value.text);
    return status;
}

static int read_tiles(struct tess_context *ctx, const struct tess_artefact *a, const struct tessi_entry *e, struct tess_tiles *out,
                      char *rows, size_t capacity)
{
    char text[200];
    long long count = 0, across = 0, height = 0, width = 0;
    int gap = 0, zoom = 0;
    hid_t dataset = H5Dopen2(a->file, e->name, H5P_DEFAULT);
    if (dataset < 0)
        return tessi_store_fail(ctx, a, e->name);
    int status = read_text(ctx, a, e->name, dataset, "tiles", text, sizeof text);
    if (status == TESS_OK)
        status = read_text(ctx, a, e->name, dataset, "rows", rows, capacity);
    H5Dclose(dataset);
    if (status == TESS_OK && sscanf(text, TILES_FORMAT, &count, &across, &height, &width, &gap, &zoom) == 6)
        *out = (struct tess_tiles){sizeof *out, zoom, gap, count, across, height, width, rows};
    if (e->rank != 3 || !tiles_fit(out, e->dim[0], e->dim[1]))
        memset(out, 0, sizeof *out);
    return status;
}

int tessi_store_artefact_tiles(struct tess_context *ctx, const struct tess_artefact *a, const char *picture, struct tess_tiles *out,
                               char *rows, size_t capacity)
{
    char path[TESSI_NAME_MAX + 16];
    int status = TESS_OK;
    memset(out, 0, sizeof *out);
    rows[0] = '\0';
    (void)snprintf(path, sizeof path, "pictures/%s", picture);
    tessi_store_lock();
    const struct tessi_entry *e = tessi_store_entry_find(a, path);
    if (e)
        status = read_tiles(ctx, a, e, out, rows, capacity);
    tessi_store_unlock();
    return status;
}
