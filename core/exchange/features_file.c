/* Weights of features from the file their user named. The network, once recorded, says which weights there must be; its plugin says which
 * tensor is which; the file may hold more, such as the rest of a checkpoint. SPDX-License-Identifier: MIT */
#include "core/exchange/exchange_private.h"
#include "core/host/file_digests.h"

#include <tessera/artefact.h>
#include <tessera/kind/features.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

struct reading {
    const struct tess_instance *features;
    const char *scope, *path, *second; /* files; second NULL: there is one */
    struct tess_weights *weights;
    struct tessi_weights_files files;
    int64_t *source;  /* [weight]: number of its entry, -1: none */
    int32_t *layout;  /* [weight]: its layout in the file */
    float *there;     /* buffer for the largest tensor */
};

static int in_scope(const struct reading *r, int64_t i)
{
    size_t n = strlen(r->scope);
    const char *name = tess_weights_name(r->weights, i);
    return strncmp(name, r->scope, n) == 0 && name[n] == '.';
}

static int64_t weight_named(const struct reading *r, const char *ours)
{
    for (int64_t i = 0; i < tess_weights_count(r->weights); i++)
        if (in_scope(r, i) && strcmp(tess_weights_name(r->weights, i) + strlen(r->scope) + 1, ours) == 0)
            return i;
    return -1;
}

static int features_file_match_entry(struct tess_context *ctx, struct reading *r, int64_t i)
{
    const struct tess_features_1 *ops = tess_instance_ops(r->features, "features/1");
    const struct tess_entry *e = &r->files.entry[i];
    char ours[TESS_ENTRY_NAME] = "", found[160], wanted[160];
    int32_t layout = TESS_LAYOUT_SAME;
    struct tess_tensor shape;
    if (!ops->place(tess_instance_self(r->features), e->name, ours, &layout))
        return TESS_OK;
    int64_t w = weight_named(r, ours);
    if (w < 0)
        return TESS_OK;
    if (r->source[w] >= 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` and `%s` are the same weight of %s", r->path,
                       r->files.entry[r->source[w]].name, e->name, tess_instance_name(r->features));
    TESS_TRY(tess_weights_view(ctx, r->weights, w, TESS_ROLE_VALUE, &shape));
    shape.data = NULL;
    if (!e->is_real || !tessi_exchange_layout_fits(layout, e->rank, e->dim, &shape))
        return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` is %s, which does not fit %s of %s, %s", r->path, e->name,
                       tessi_exchange_entry_text(e, found, sizeof found), ours, tess_instance_name(r->features),
                       tess_tensor_text(&shape, wanted, sizeof wanted));
    r->source[w] = i;
    r->layout[w] = layout;
    return TESS_OK;
}

static int features_file_check_whole(struct tess_context *ctx, const struct reading *r)
{
    int64_t missing = 0, first = -1;
    for (int64_t i = tess_weights_count(r->weights) - 1; i >= 0; i--)
        if (in_scope(r, i) && r->source[i] < 0) {
            missing++;
            first = i;
        }
    if (missing == 0)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_DATA,
                   "%s: lacks %lld of the weights of %s, the first of them %s; is the file of another network, or a part of it?", r->path,
                   (long long)missing, tess_instance_name(r->features), tess_weights_name(r->weights, first) + strlen(r->scope) + 1);
}

static int read_weight(struct tess_context *ctx, const struct reading *r, int64_t i)
{
    struct tess_tensor view;
    TESS_TRY(tess_weights_view(ctx, r->weights, i, TESS_ROLE_VALUE, &view));
    TESS_TRY(tessi_exchange_weights_read(ctx, &r->files, r->source[i], r->there));
    for (int64_t k = 0; k < tess_tensor_count(&view); k++)
        if (!isfinite(r->there[k]))
            return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` has a value that is not finite", r->path,
                           r->files.entry[r->source[i]].name);
    tessi_exchange_layout_move(r->layout[i], &view, 0, r->there, view.data);
    return TESS_OK;
}

static int features_file_make_space(struct tess_context *ctx, struct reading *r)
{
    size_t n = (size_t)tess_weights_count(r->weights) + 1, max = 1;
    void *memory;
    TESS_TRY(tess_alloc(ctx, n * sizeof *r->source, "a list of weights", &memory));
    r->source = memory;
    TESS_TRY(tess_alloc(ctx, n * sizeof *r->layout, "a list of weights", &memory));
    r->layout = memory;
    for (int64_t i = 0; i < tess_weights_count(r->weights); i++) {
        struct tess_tensor shape;
        r->source[i] = -1;
        TESS_TRY(tess_weights_view(ctx, r->weights, i, TESS_ROLE_VALUE, &shape));
        if (in_scope(r, i))
            max = tess_tensor_bytes(&shape) > max ? tess_tensor_bytes(&shape) : max;
    }
    TESS_TRY(tess_alloc(ctx, max, "a weight", &memory));
    r->there = memory;
    return TESS_OK;
}

static int features_file_load(struct tess_context *ctx, struct reading *r)
{
    struct tess_tensor view;
    TESS_TRY(tessi_exchange_weights_open(ctx, r->path, "", &r->files));
    if (r->second)
        TESS_TRY(tessi_exchange_weights_open(ctx, r->second, "", &r->files));
    TESS_TRY(features_file_make_space(ctx, r));
    for (int64_t i = 0; i < r->files.entries; i++)
        TESS_TRY(features_file_match_entry(ctx, r, i));
    TESS_TRY(features_file_check_whole(ctx, r));
    for (int64_t i = 0; i < tess_weights_count(r->weights); i++) {
        TESS_TRY(tess_weights_view(ctx, r->weights, i, TESS_ROLE_VALUE, &view));
        if (in_scope(r, i) && view.data)
            TESS_TRY(read_weight(ctx, r, i));
    }
    tess_weights_touch(r->weights);
    return TESS_OK;
}

static const char *features_file_second(const struct tess_instance *features)
{
    const struct tess_features_1 *ops = tess_instance_ops(features, "features/1");
    return TESS_HAS(ops, second_file) && ops->second_file ? ops->second_file(tess_instance_self(features)) : NULL;
}

int tess_features_load(struct tess_context *ctx, const struct tess_instance *features, const char *scope, struct tess_weights *w)
{
    const struct tess_features_1 *ops = tess_instance_ops(features, "features/1");
    if (!ops->file(tess_instance_self(features)))
        return ctx->fail(ctx, TESS_E_VALUE,
                       "%s: no weights: name their file under `weights`, or leave the network out and give one that a stage has trained as "
                       "the input `features`",
                       tess_instance_name(features));
    struct reading r = {.features = features,
                        .scope = scope,
                        .weights = w,
                        .path = ops->file(tess_instance_self(features)),
                        .second = features_file_second(features)};
    int status = features_file_load(ctx, &r);
    for (int64_t i = 0; i < r.files.parts && status == TESS_OK; i++)
        status = tessi_host_witness_confirm(ctx, r.files.part[i].path);
    tessi_exchange_weights_close(&r.files);
    tess_free(r.source);
    tess_free(r.layout);
    tess_free(r.there);
    return status;
}

int tess_features_fingerprint(struct tess_context *ctx, const struct tess_instance *features, struct tess_digest *d)
{
    const struct tess_features_1 *ops = tess_instance_ops(features, "features/1");
    const char *path = ops->file(tess_instance_self(features));
    const char *second = features_file_second(features);
    if (path)
        TESS_TRY(tessi_host_digest_add_content(ctx, d, path, TESSI_OF_TENSORS, tessi_exchange_digest_of_tensors));
    return path && second ? tessi_host_digest_add_content(ctx, d, second, TESSI_OF_TENSORS, tessi_exchange_digest_of_tensors) : TESS_OK;
}

int tess_features_read(struct tess_context *ctx, const char *scope, struct tess_weights *w, const struct tess_artefact *a)
{
    const struct reading r = {.scope = scope, .weights = w};
    TESS_TRY(tess_weights_seal(ctx, w));
    for (int64_t i = 0; i < tess_weights_count(w); i++) {
        char as[TESS_WEIGHT_PATH];
        if (!in_scope(&r, i))
            continue;
        (void)snprintf(as, sizeof as, TESS_FEATURES_SCOPE "%s", tess_weights_name(w, i) + strlen(scope));
        TESS_TRY(tess_weights_read_one(ctx, w, i, a, as));
    }
    return TESS_OK;
}
