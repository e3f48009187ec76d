/* Choice of the earlier result that a stage is compared with. Each result in the cache has a record of its ingredients. The stage is
 * compared with the result in the run's folder, else with the one that differs least; an input that differs leads to the stage that makes
 * it, which is compared with the artefact that was read then, and so on.
 *
 * SPDX-License-Identifier: MIT */
#include "core/flow/why.h"
#include "core/base/files.h"
#include "core/base/memory.h"
#include "core/config/merge.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- results ------------------------------------------------------------------------------------------------------- */

static void why_result_free(struct tessi_result *r)
{
    char *const text[] = {r->path, r->key, r->digest, r->use, r->stage, r->run, r->run_id};
    for (size_t i = 0; i < sizeof text / sizeof *text; i++)
        tess_free(text[i]);
}

/* Copies what the result says of itself; "stage/1 NAME, PLUGIN ..." begins its list of plugins. */
static int why_describe(struct tess_context *ctx, const struct tess_artefact *a, const char *path, struct tessi_result *r)
{
    struct stat st;
    const char *plugin = tessi_store_artefact_provenance(a, "plugin"), *name = plugin ? strchr(plugin, ' ') : NULL;
    const char *run = tessi_store_artefact_provenance(a, "run"), *id = tessi_store_artefact_provenance(a, "run_id");
    const char *stage = tessi_store_artefact_provenance(a, "stage");
    r->time = fstat(tessi_store_artefact_descriptor(a), &st) == 0 ? (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec : 0;
    TESS_TRY(tess_copy_text(ctx, path, &r->path));
    TESS_TRY(tess_copy_text(ctx, tessi_store_artefact_provenance(a, "key"), &r->key));
    TESS_TRY(tess_copy_text(ctx, tess_artefact_digest(a), &r->digest));
    TESS_TRY(tess_copy_text(ctx, stage ? stage : "", &r->stage));
    TESS_TRY(tessi_base_format(ctx, &r->use, "%.*s", name ? (int)strcspn(name + 1, ",") : 0, name ? name + 1 : ""));
    if (run)
        TESS_TRY(tess_copy_text(ctx, run, &r->run));
    return id ? tess_copy_text(ctx, id, &r->run_id) : TESS_OK;
}

/* Adds the result in a file; one that cannot be read, is a checkpoint or has no key is passed by. */
static int why_add_result(struct tess_context *ctx, struct tessi_why *w, const char *path)
{
    struct tessi_context own;
    struct tess_artefact *a = NULL;
    tessi_base_context_init(&own, ctx->host);
    if (tessi_store_artefact_open(&own.context, path, &a) != TESS_OK)
        return TESS_OK;
    int status = TESS_OK;
    if (tessi_store_artefact_provenance(a, "key") && strcmp(tess_artefact_kind(a), "checkpoint") != 0)
        status = tess_reserve(ctx, &w->result, &w->result_capacity, w->results + 1, sizeof *w->result, "earlier results");
    else
        path = NULL;
    if (status == TESS_OK && path) {
        w->result[w->results] = (struct tessi_result){.path = NULL};
        status = why_describe(ctx, a, path, &w->result[w->results++]);
    }
    tessi_store_artefact_close(a);
    return status;
}

static int why_by_path(const void *a, const void *b)
{
    return strcmp(((const struct tessi_result *)a)->path, ((const struct tessi_result *)b)->path);
}

/* Lists the results of the cache, and those that only the run's folder has. */
static int why_scan(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_why *w)
{
    int status = TESS_OK;
    DIR *d = opendir(p->cache);
    for (struct dirent *e; d && status == TESS_OK && (e = readdir(d));) {
        size_t length = strlen(e->d_name);
        char *path = NULL;
        if (length != TESS_DIGEST_TEXT - 1 + 3 || strcmp(e->d_name + length - 3, ".h5") != 0)
            continue;
        status = tessi_base_format(ctx, &path, "%s/%s", p->cache, e->d_name);
        if (status == TESS_OK)
            status = why_add_result(ctx, w, path);
        tess_free(path);
    }
    if (d)
        (void)closedir(d);
    int64_t cached = w->results;
    for (int64_t i = 0; i < p->count && status == TESS_OK; i++) {
        int64_t before = w->results;
        if (tessi_base_is_file(p->stage[i].path))
            status = why_add_result(ctx, w, p->stage[i].path);
        for (int64_t k = 0; k < cached && w->results > before; k++)
            if (strcmp(w->result[k].key, w->result[before].key) == 0)
                why_result_free(&w->result[--w->results]);
    }
    if (w->results)
        qsort(w->result, (size_t)w->results, sizeof *w->result, why_by_path);
    return status;
}

/* ---- comparing ----------------------------------------------------------------------------------------------------- */

static int why_compare(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s, const struct tessi_result *r,
                       int look, struct tessi_changes *out)
{
    struct tess_artefact *a = NULL;
    TESS_TRY(tessi_store_artefact_open(ctx, r->path, &a));
    int status = tessi_flow_changes_find(ctx, p, s, a, out);
    if (status == TESS_OK && look)
        status = tessi_flow_changes_look(ctx, p, s, a, out);
    tessi_store_artefact_close(a);
    return status;
}

/* Orders results by their distance from the stage: number of changes first, then whether the stage had that name, then age. */
static int why_nearer(const struct tessi_why_other *a, const struct tessi_why_other *b, const char *name)
{
    int x = strcmp(a->result->stage, name) != 0, y = strcmp(b->result->stage, name) != 0;
    if (a->changes.count != b->changes.count)
        return a->changes.count < b->changes.count;
    return x != y ? x < y : a->result->time > b->result->time;
}

/* Compares the stage with all results of its plugin, nearest first. */
static int why_compare_all(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s, const struct tessi_why *w,
                           struct tessi_why_other **out, int64_t *count)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(w->results + 1) * sizeof **out, "earlier results", &memory));
    struct tessi_why_other *other = *out = memory;
    for (int64_t i = 0; i < w->results; i++) {
        if (strcmp(w->result[i].use, s->component->name) != 0)
            continue;
        struct tessi_why_other fresh = {.result = &w->result[i]};
        int64_t at = (*count)++;
        int status = why_compare(ctx, p, s, fresh.result, 0, &fresh.changes);
        for (; at > 0 && why_nearer(&fresh, &other[at - 1], s->name); at--)
            other[at] = other[at - 1];
        other[at] = fresh;
        TESS_TRY(status);
    }
    return TESS_OK;
}

static void why_others_free(struct tessi_why_other *other, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        tessi_flow_changes_free(&other[i].changes);
    tess_free(other);
}

/* The result to compare a stage with: that of a content digest, where one is told, else the one in the run's folder, else the nearest. */
static int why_earlier(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s, const struct tessi_why *w,
                       const char *digest, const struct tessi_result **out)
{
    struct tessi_context own;
    struct tess_artefact *a = NULL;
    struct tessi_why_other *other = NULL;
    int64_t others = 0;
    const char *key = NULL;
    *out = NULL;
    tessi_base_context_init(&own, ctx->host);
    if (!digest && tessi_base_is_file(s->path) && tessi_store_artefact_open(&own.context, s->path, &a) == TESS_OK)
        key = tessi_store_artefact_provenance(a, "key");
    for (int64_t i = 0; i < w->results && !*out; i++)
        if (digest ? strcmp(w->result[i].digest, digest) == 0 : key && strcmp(w->result[i].key, key) == 0)
            *out = strcmp(w->result[i].use, s->component->name) == 0 || !digest ? &w->result[i] : NULL;
    tessi_store_artefact_close(a);
    if (*out)
        return TESS_OK;
    int status = why_compare_all(ctx, p, s, w, &other, &others);
    if (status == TESS_OK && others)
        *out = other[0].result;
    why_others_free(other, others);
    return status;
}

/* ---- steps --------------------------------------------------------------------------------------------------------- */

static int64_t why_told(const struct tessi_why *w, int64_t stage)
{
    for (int64_t i = 0; i < w->steps; i++)
        if (w->step[i].stage == stage && !w->step[i].repeated)
            return i;
    return -1;
}

static int why_visit(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_why *w, int64_t stage, int64_t reader,
                     const char *port, const char *digest)
{
    const struct tessi_stage *s = &p->stage[stage];
    int64_t told = why_told(w, stage), here = w->steps;
    TESS_TRY(tess_reserve(ctx, &w->step, &w->step_capacity, w->steps + 1, sizeof *w->step, "reasons"));
    w->step[w->steps++] = (struct tessi_why_step){.stage = stage, .reader = reader, .port = port, .state = s->state, .repeated = told >= 0};
    if (told >= 0)
        return TESS_OK;
    const struct tessi_result *earlier;
    TESS_TRY(why_earlier(ctx, p, s, w, digest, &earlier));
    w->step[here].earlier = earlier;
    if (!earlier)
        return TESS_OK;
    struct tessi_changes changes = {.item = NULL};
    int status = why_compare(ctx, p, s, earlier, 1, &changes);
    w->step[here].changes = changes;
    for (int64_t i = 0; i < changes.count && status == TESS_OK; i++)
        for (int64_t k = 0; k < s->inputs && changes.item[i].kind == TESSI_CHANGE_INPUT && status == TESS_OK; k++)
            if (s->input[k].stage >= 0 && strcmp(s->input[k].port->name, changes.item[i].name) == 0)
                status = why_visit(ctx, p, w, s->input[k].stage, here, s->input[k].port->name, changes.item[i].before);
    return status;
}

/* Takes the result that the first step compares with out of the others. */
static void why_drop_first(struct tessi_why *w)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < w->others; i++) {
        if (w->other[i].result == w->step[0].earlier)
            tessi_flow_changes_free(&w->other[i].changes);
        else
            w->other[kept++] = w->other[i];
    }
    w->others = kept;
}

int tessi_flow_why(struct tess_context *ctx, const struct tessi_pipeline *p, const char *stage, struct tessi_why *out)
{
    char near[300];
    const struct tessi_stage *s = NULL;
    *out = (struct tessi_why){.stage = 0};
    for (int64_t i = 0; i < p->count; i++)
        if (strcmp(p->stage[i].name, stage) == 0)
            s = &p->stage[out->stage = i];
    if (!s)
        return ctx->fail(ctx, TESS_E_USAGE, "there is no stage `%s`%s", stage,
                         tessi_config_suggest(tessi_config_child(p->root, "stages"), stage, near, sizeof near));
    TESS_TRY(why_scan(ctx, p, out));
    if (s->state == TESSI_CACHED) {
        for (int64_t i = 0; i < out->results && !out->cached; i++)
            if (strcmp(out->result[i].key, s->key) == 0)
                out->cached = &out->result[i];
        return TESS_OK;
    }
    TESS_TRY(why_visit(ctx, p, out, out->stage, -1, NULL, NULL));
    TESS_TRY(why_compare_all(ctx, p, s, out, &out->other, &out->others));
    why_drop_first(out);
    return TESS_OK;
}

void tessi_flow_why_free(struct tessi_why *w)
{
    for (int64_t i = 0; i < w->steps; i++)
        tessi_flow_changes_free(&w->step[i].changes);
    why_others_free(w->other, w->others);
    for (int64_t i = 0; i < w->results; i++)
        why_result_free(&w->result[i]);
    tess_free(w->step);
    tess_free(w->result);
}

const char *tessi_flow_why_stage(const struct tessi_pipeline *p, int64_t stage, const char **use)
{
    *use = p->stage[stage].component->name;
    return p->stage[stage].name;
}

int tessi_flow_why_is_cause(const struct tessi_pipeline *p, const struct tessi_why *w, int64_t step, const struct tessi_change *c)
{
    const struct tessi_stage *s = &p->stage[w->step[step].stage];
    if (c->kind != TESSI_CHANGE_INPUT || !c->before || !c->now)
        return 1;
    for (int64_t k = 0; k < s->inputs; k++)
        if (strcmp(s->input[k].port->name, c->name) == 0)
            return s->input[k].stage < 0;
    return 1;
}
