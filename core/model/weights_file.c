/* Named weights in artefacts: where each lies, writing, reading with its shape and values checked. SPDX-License-Identifier: MIT */
#include "core/graph/finite.h"
#include "core/graph/weight_store.h"

#include <tessera/artefact.h>

#include <stdio.h>
#include <string.h>

void tess_weights_path(const char *name, char *path, size_t capacity)
{
    if (!path || !capacity)
        return;
    (void)snprintf(path, capacity, "weights/%s", name ? name : "");
    for (char *p = path; *p; p++)
        if (*p == '.')
            *p = '/';
}

static int artefact_given(struct tess_context *ctx, const struct tess_artefact *a)
{
    return a ? TESS_OK : ctx->fail(ctx, TESS_E_VALUE, "weights: the artefact is NULL");
}

int tess_weights_write(struct tess_context *ctx, struct tess_weights *w, int32_t role, struct tess_artefact *a)
{
    TESS_TRY(tess_weights_seal(ctx, w));
    TESS_TRY(artefact_given(ctx, a));
    for (int64_t i = 0; i < w->count; i++) {
        char path[TESS_WEIGHT_PATH];
        struct tess_tensor view;
        if (tessi_graph_weight_is_external(&w->item[i]))
            continue;
        tess_weights_path(w->item[i].name, path, sizeof path);
        TESS_TRY(tess_weights_view(ctx, w, i, role, &view));
        TESS_TRY(tess_artefact_put(ctx, a, path, &view, NULL));
    }
    return TESS_OK;
}

/* A scalar is stored as it is, but reading goes by rows. */
static int read_values(struct tess_context *ctx, const struct tess_artefact *a, const char *path, struct tess_tensor *view)
{
    struct tess_tensor whole;
    if (view->rank > 0)
        return tess_artefact_read(ctx, a, path, 0, view);
    TESS_TRY(tess_artefact_load(ctx, a, path, TESS_F32, &whole));
    memcpy(view->data, whole.data, sizeof(float));
    tess_free(whole.data);
    return TESS_OK;
}

int tess_weights_read_one(struct tess_context *ctx, struct tess_weights *w, int64_t i, const struct tess_artefact *a, const char *as)
{
    char path[TESS_WEIGHT_PATH], wanted[96], found[96];
    struct tess_tensor view, shape;
    TESS_TRY(tess_weights_seal(ctx, w));
    TESS_TRY(artefact_given(ctx, a));
    TESS_TRY(tess_weights_view(ctx, w, i, TESS_ROLE_VALUE, &view));
    tess_weights_path(as ? as : w->item[i].name, path, sizeof path);
    TESS_TRY(tess_artefact_shape(ctx, a, path, &shape));
    shape.data = NULL;
    if (!tess_tensor_same_shape(&shape, &w->item[i].shape))
        return ctx->fail(ctx, TESS_E_DATA, "%s: /%s is %s, the model needs %s", tess_artefact_path(a), path,
                         tess_tensor_text(&shape, found, sizeof found), tess_tensor_text(&w->item[i].shape, wanted, sizeof wanted));
    tess_weights_touch(w);
    TESS_TRY(read_values(ctx, a, path, &view));
    if (tessi_graph_all_finite(tess_tensor_count(&view), view.data))
        return TESS_OK;
    return ctx->fail(
        ctx, TESS_E_DATA,
        "%s: the weight %s has a value that is not finite; nothing can be computed with it: the model diverged, train it again "
        "with a lower `lr`",
        tess_artefact_path(a), as ? as : w->item[i].name);
}

int tess_weights_read(struct tess_context *ctx, struct tess_weights *w, const struct tess_artefact *a)
{
    if (w && a)
        TESS_TRY(tessi_graph_weights_begin(ctx, w, 1));
    TESS_TRY(tess_weights_seal(ctx, w));
    TESS_TRY(artefact_given(ctx, a));
    for (int64_t i = 0; i < w->count; i++)
        if (!tessi_graph_weight_is_external(&w->item[i]))
            TESS_TRY(tess_weights_read_one(ctx, w, i, a, NULL));
    return TESS_OK;
}
