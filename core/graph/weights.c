/* Named weights: declaration, layout, initial values, reading and writing. SPDX-License-Identifier: MIT */
#include "core/graph/finite.h"
#include "core/graph/weight_store.h"

#include <tessera/artefact.h>
#include <tessera/random.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int tess_weights_new(struct tess_context *ctx, uint64_t seed, struct tess_weights **out)
{
    void *memory;
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tess_weights), "weights", &memory));
    *out = memory;
    (*out)->seed = seed;
    (*out)->version = 1;
    return TESS_OK;
}

void tess_weights_free(struct tess_weights *w)
{
    if (!w)
        return;
    for (int64_t i = 0; i < w->count; i++)
        tess_free(w->item[i].name);
    for (int r = 0; r < TESS_ROLES; r++)
        tess_free(w->role[r]);
    tess_free(w->item);
    tess_free(w);
}

int64_t tess_weights_index(const struct tess_weights *w, const char *name)
{
    for (int64_t i = 0; i < w->count; i++)
        if (strcmp(w->item[i].name, name) == 0)
            return i;
    return -1;
}

int tessi_graph_weights_declare(struct tess_context *ctx, struct tess_weights *w, const char *name, int32_t rank, const int64_t *dim,
                          struct tess_init init, int64_t *index)
{
    struct tess_tensor shape = tess_tensor_over(NULL, TESS_F32, rank, dim);
    int64_t i = tess_weights_index(w, name);
    if (i >= 0) {
        char was[96], is[96];
        *index = i;
        if (!tess_tensor_same_shape(&w->item[i].shape, &shape))
            return ctx->fail(ctx, TESS_E_SHAPE, "weight %s was declared as %s and is now %s", name,
                           tess_tensor_text(&w->item[i].shape, was, sizeof was), tess_tensor_text(&shape, is, sizeof is));
        return TESS_OK;
    }
    if (w->sealed)
        return ctx->fail(ctx, TESS_E_INTERNAL, "weight %s is declared after the store was sealed", name);
    char *copy;
    TESS_TRY(tess_reserve(ctx, &w->item, &w->capacity, w->count + 1, sizeof *w->item, "weights"));
    TESS_TRY(tess_copy_text(ctx, name, &copy));
    w->item[w->count] = (struct tessi_weight){.name = copy, .shape = shape, .init = init};
    *index = w->count++;
    return TESS_OK;
}

int tessi_graph_weight_is_external(const struct tessi_weight *w)
{
    return (w->init.flags & TESS_WEIGHT_EXTERNAL) == TESS_WEIGHT_EXTERNAL;
}

void tessi_graph_weights_layout(struct tess_weights *w)
{
    int64_t at = 0;
    for (int pass = 0; pass < 3; pass++) {
        for (int64_t i = 0; i < w->count; i++) {
            struct tessi_weight *item = &w->item[i];
            int place = tessi_graph_weight_is_external(item) ? 2 : (item->init.flags & TESS_WEIGHT_BUFFER) != 0;
            if (place != pass)
                continue;
            item->offset = at;
            at += (tess_tensor_count(&item->shape) + 15) / 16 * 16;
        }
        if (pass == 0)
            w->trained = at;
        if (pass == 1)
            w->kept = at;
    }
    w->all = at;
}

static void weights_initialise(const struct tess_weights *w, const struct tessi_weight *item)
{
    int64_t n = tess_tensor_count(&item->shape);
    float *value = w->role[TESS_ROLE_VALUE] + item->offset;
    struct tess_stream s = {.seed = w->seed, .purpose = tess_purpose("weights"), .step = tess_purpose(item->name)};
    float centre = (float)item->init.centre, spread = (float)item->init.spread;
    if (item->init.kind == TESS_INIT_UNIFORM)
        tess_random_uniform(&s, 0, n, value);
    else if (item->init.kind == TESS_INIT_NORMAL)
        tess_random_normal(&s, 0, n, value);
    for (int64_t i = 0; i < n; i++) {
        float draw = item->init.kind == TESS_INIT_UNIFORM ? 2.0f * value[i] - 1.0f : value[i];
        value[i] = item->init.kind == TESS_INIT_CONSTANT ? centre : centre + spread * draw;
    }
}

int tess_weights_seal(struct tess_context *ctx, struct tess_weights *w)
{
    if (w->sealed)
        return TESS_OK;
    tessi_graph_weights_layout(w);
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)w->all * sizeof(float) + 64, "the weights", &memory));
    w->role[TESS_ROLE_VALUE] = memory;
    w->sealed = 1;
    for (int64_t i = 0; i < w->count; i++)
        weights_initialise(w, &w->item[i]);
    w->version++;
    return TESS_OK;
}

int tessi_graph_weights_role(struct tess_context *ctx, struct tess_weights *w, int32_t role, float **out)
{
    TESS_TRY(tess_weights_seal(ctx, w));
    if (!w->role[role]) {
        void *memory;
        TESS_TRY(tess_alloc(ctx, (size_t)w->trained * sizeof(float) + 64, "the optimiser's state", &memory));
        w->role[role] = memory;
        memset(memory, 0, (size_t)w->trained * sizeof(float)); /* has the pages now: else each is had twice, for its first read and write */
        if (role == TESS_ROLE_AVERAGE && w->trained)
            memcpy(w->role[role], w->role[TESS_ROLE_VALUE], (size_t)w->trained * sizeof(float));
    }
    *out = w->role[role];
    return TESS_OK;
}

int64_t tess_weights_count(const struct tess_weights *w)
{
    return w->count;
}

int64_t tess_weights_size(const struct tess_weights *w)
{
    int64_t n = 0;
    for (int64_t i = 0; i < w->count; i++)
        if (!(w->item[i].init.flags & TESS_WEIGHT_BUFFER))
            n += tess_tensor_count(&w->item[i].shape);
    return n;
}

int64_t tess_weights_bytes(const struct tess_weights *w)
{
    int64_t n = 0;
    for (int64_t i = 0; i < w->count; i++)
        n += (tess_tensor_count(&w->item[i].shape) + 15) / 16 * 16;
    return n * (int64_t)sizeof(float);
}

const char *tess_weights_name(const struct tess_weights *w, int64_t i)
{
    return i >= 0 && i < w->count ? w->item[i].name : NULL;
}

int tess_weights_view(struct tess_context *ctx, struct tess_weights *w, int64_t i, int32_t role, struct tess_tensor *out)
{
    if (i < 0 || i >= w->count || role < 0 || role >= TESS_ROLES)
        return ctx->fail(ctx, TESS_E_INTERNAL, "there is no weight %lld in role %d", (long long)i, (int)role);
    const struct tessi_weight *item = &w->item[i];
    *out = item->shape;
    if (!w->sealed)
        return TESS_OK;
    float *block;
    int buffer = (item->init.flags & TESS_WEIGHT_BUFFER) != 0;
    TESS_TRY(tessi_graph_weights_role(ctx, w, buffer ? TESS_ROLE_VALUE : role, &block));
    out->data = block + item->offset;
    return TESS_OK;
}

int tess_weights_find(struct tess_context *ctx, struct tess_weights *w, const char *name, int32_t role, struct tess_tensor *out)
{
    int64_t i = tess_weights_index(w, name);
    if (i < 0)
        return ctx->fail(ctx, TESS_E_DATA, "there is no weight named %s", name);
    return tess_weights_view(ctx, w, i, role, out);
}

void tess_weights_touch(struct tess_weights *w)
{
    w->version++;
}

void tess_weights_path(const char *name, char *path, size_t capacity)
{
    snprintf(path, capacity, "weights/%s", name);
    for (char *p = path; *p; p++)
        if (*p == '.')
            *p = '/';
}

int tess_weights_write(struct tess_context *ctx, struct tess_weights *w, int32_t role, struct tess_artefact *a)
{
    TESS_TRY(tess_weights_seal(ctx, w));
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
    return ctx->fail(ctx, TESS_E_DATA,
                   "%s: the weight %s has a value that is not finite; nothing can be computed with it: the model diverged, train it again "
                   "with a lower `lr`",
                   tess_artefact_path(a), as ? as : w->item[i].name);
}

int tess_weights_read(struct tess_context *ctx, struct tess_weights *w, const struct tess_artefact *a)
{
    TESS_TRY(tess_weights_seal(ctx, w));
    for (int64_t i = 0; i < w->count; i++)
        if (!tessi_graph_weight_is_external(&w->item[i]))
            TESS_TRY(tess_weights_read_one(ctx, w, i, a, NULL));
    return TESS_OK;
}

int tess_weights_take_averages(struct tess_context *ctx, struct tess_weights *w)
{
    for (int64_t i = 0; i < w->count; i++) {
        struct tess_tensor value, average;
        TESS_TRY(tess_weights_view(ctx, w, i, TESS_ROLE_VALUE, &value));
        TESS_TRY(tess_weights_view(ctx, w, i, TESS_ROLE_AVERAGE, &average));
        if (value.data != average.data) /* a buffer has none */
            memcpy(value.data, average.data, tess_tensor_bytes(&value));
    }
    tess_weights_touch(w);
    return TESS_OK;
}
