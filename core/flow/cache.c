/* Looking a stage up in the cache. A file found there is never taken on trust: it must open, be of the right kind, carry the key
 * it is named by, hash to its own digest, and have the attributes that were planned.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/files.h"
#include "core/flow/flow_private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* 1 where the attribute found, b, agrees with the planned one, a. */
static int cache_keeps(const struct tessi_attr *a, const struct tessi_attr *b)
{
    if (a->type != b->type)
        return 0;
    if (a->type == TESSI_ATTR_TEXT)
        return strcmp(a->text, b->text) == 0;
    if (a->type == TESSI_ATTR_I64)
        return a->i64 == b->i64 || (a->at_most && b->i64 >= 0 && b->i64 < a->i64);
    return memcmp(&a->f64, &b->f64, sizeof a->f64) == 0;
}

const char *tessi_flow_attrs_missing(const struct tess_attrs *planned, const struct tess_attrs *found)
{
    for (int64_t i = 0; i < planned->count; i++) {
        int64_t k = 0;
        while (k < found->count && strcmp(found->item[k].name, planned->item[i].name) != 0)
            k++;
        if (k == found->count || !cache_keeps(&planned->item[i], &found->item[k]))
            return planned->item[i].name;
    }
    return NULL;
}

int tessi_flow_stage_take(struct tess_context *ctx, struct tessi_stage *s, const struct tess_attrs *found)
{
    for (int64_t i = 0; i < s->attrs->count; i++) {
        const struct tessi_attr *planned = &s->attrs->item[i];
        if (planned->at_most && tess_attrs_i64_or(found, planned->name, planned->i64) != planned->i64)
            s->differs = 1;
    }
    return tessi_base_attrs_copy(ctx, found, s->attrs);
}

static const char *key_of(const struct tess_artefact *a)
{
    const char *key = tessi_store_artefact_provenance(a, "key");
    return key ? key : "none";
}

static int cache_check(struct tess_context *ctx, const struct tessi_stage *s, const char *path, struct tess_artefact **out)
{
    TESS_TRY(tessi_store_artefact_open(ctx, path, out));
    const char *kind = tess_artefact_kind(*out), *key = key_of(*out);
    if (strcmp(kind, s->ops->output) != 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: wanted an artefact of kind %s, found kind %s", path, s->ops->output, kind);
    if (strcmp(key, s->key) != 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: wanted the artefact of key %.12s..., found that of key %.12s%s", path, s->key, key,
                       strlen(key) > 12 ? "..." : "");
    TESS_TRY(tessi_host_artefact_check(ctx, *out));
    const char *attr = tessi_flow_attrs_missing(s->attrs, tess_artefact_attrs(*out));
    if (attr)
        return ctx->fail(ctx, TESS_E_DATA, "%s: wanted the attribute `%s` as it was planned, found another value or none", path, attr);
    return TESS_OK;
}

/* Replaces the stage's attributes and digest by the artefact's own. */
static int cache_take(struct tess_context *ctx, struct tessi_stage *s, const struct tess_artefact *a)
{
    snprintf(s->digest, sizeof s->digest, "%s", tess_artefact_digest(a));
    return tessi_flow_stage_take(ctx, s, tess_artefact_attrs(a));
}

int tessi_flow_cache_find(struct tess_context *ctx, struct tessi_stage *s, int *found)
{
    struct tessi_context own;
    struct tess_artefact *a = NULL;
    *found = 0;
    int in_cache, there;
    TESS_TRY(tessi_base_file_there(ctx, s->cached, &in_cache));
    TESS_TRY(tessi_base_file_there(ctx, s->path, &there));
    const char *path = in_cache ? s->cached : s->path;
    if (!in_cache && !there)
        return TESS_OK;
    tessi_base_context_init(&own, ctx->host);
    int status = cache_check(&own.context, s, path, &a);
    if (status == TESS_OK) {
        *found = 1;
        status = cache_take(ctx, s, a);
    } else if (status != TESS_E_DATA) {
        status = ctx->fail(ctx, status, "%s", tessi_base_context_message(&own.context)); /* may be whole: never overwritten */
    } else if (in_cache) {
        status = ctx->fail(ctx, status, "%s, or recompute it with --force %s", tessi_base_context_message(&own.context), s->name);
    } else {
        status = TESS_OK; /* an artefact of earlier parameters, or a damaged one: it will be replaced */
    }
    tessi_store_artefact_close(a);
    return status;
}
