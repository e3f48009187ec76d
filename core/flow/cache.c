/* Looking a stage up in the cache. A file found there is never taken on trust: it must open, be of the right kind, carry the key
 * it is named by, hash to its own digest, and have the facts that were planned.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/files.h"
#include "core/flow/flow_private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Whether the fact found, b, is what a planned. */
static int keeps(const struct tessi_fact *a, const struct tessi_fact *b)
{
    if (a->type != b->type)
        return 0;
    if (a->type == TESSI_FACT_TEXT)
        return strcmp(a->text, b->text) == 0;
    if (a->type == TESSI_FACT_I64)
        return a->i64 == b->i64 || (a->at_most && b->i64 >= 0 && b->i64 < a->i64);
    return memcmp(&a->f64, &b->f64, sizeof a->f64) == 0;
}

const char *tessi_facts_missing(const struct tess_facts *planned, const struct tess_facts *found)
{
    for (int64_t i = 0; i < planned->count; i++) {
        int64_t k = 0;
        while (k < found->count && strcmp(found->item[k].name, planned->item[i].name) != 0)
            k++;
        if (k == found->count || !keeps(&planned->item[i], &found->item[k]))
            return planned->item[i].name;
    }
    return NULL;
}

int tessi_stage_take(struct tess_call *c, struct tessi_stage *s, const struct tess_facts *found)
{
    for (int64_t i = 0; i < s->facts->count; i++) {
        const struct tessi_fact *planned = &s->facts->item[i];
        if (planned->at_most && tess_facts_i64_or(found, planned->name, planned->i64) != planned->i64)
            s->differs = 1;
    }
    return tessi_facts_copy(c, found, s->facts);
}

static const char *key_of(const struct tess_artefact *a)
{
    const char *key = tessi_artefact_provenance(a, "key");
    return key ? key : "none";
}

static int check(struct tess_call *c, const struct tessi_stage *s, const char *path, struct tess_artefact **out)
{
    TESS_TRY(tessi_artefact_open(c, path, out));
    const char *kind = tess_artefact_kind(*out), *key = key_of(*out);
    if (strcmp(kind, s->ops->output) != 0)
        return c->fail(c, TESS_E_DATA, "%s: wanted an artefact of kind %s, found kind %s", path, s->ops->output, kind);
    if (strcmp(key, s->key) != 0)
        return c->fail(c, TESS_E_DATA, "%s: wanted the artefact of key %.12s..., found that of key %.12s%s", path, s->key, key,
                       strlen(key) > 12 ? "..." : "");
    TESS_TRY(tessi_artefact_check(c, *out));
    const char *fact = tessi_facts_missing(s->facts, tess_artefact_facts(*out));
    if (fact)
        return c->fail(c, TESS_E_DATA, "%s: wanted the fact `%s` as it was planned, found another value or none", path, fact);
    return TESS_OK;
}

/* Facts and digest are from here on the artefact's own. */
static int take(struct tess_call *c, struct tessi_stage *s, const struct tess_artefact *a)
{
    snprintf(s->digest, sizeof s->digest, "%s", tess_artefact_digest(a));
    return tessi_stage_take(c, s, tess_artefact_facts(a));
}

int tessi_cache_find(struct tess_call *c, struct tessi_stage *s, int *found)
{
    struct tessi_call own;
    struct tess_artefact *a = NULL;
    *found = 0;
    int in_cache, there;
    TESS_TRY(tessi_file_there(c, s->cached, &in_cache));
    TESS_TRY(tessi_file_there(c, s->path, &there));
    const char *path = in_cache ? s->cached : s->path;
    if (!in_cache && !there)
        return TESS_OK;
    tessi_call_init(&own, c->host);
    int status = check(&own.call, s, path, &a);
    if (status == TESS_OK) {
        *found = 1;
        status = take(c, s, a);
    } else if (status != TESS_E_DATA) {
        status = c->fail(c, status, "%s", tessi_call_message(&own.call)); /* it may be whole: nothing is written over it */
    } else if (in_cache) {
        status = c->fail(c, status, "%s, or compute it anew with --force %s", tessi_call_message(&own.call), s->name);
    } else {
        status = TESS_OK; /* an artefact of earlier parameters, or a damaged one: it will be replaced */
    }
    tessi_artefact_close(a);
    return status;
}
