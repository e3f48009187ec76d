/* A sweep as its file and the command line define it: axes, which of them are zipped, what is excluded, and all variants.
 *
 * SPDX-License-Identifier: MIT */
#include "core/sweep/sweep_private.h"

#include "core/base/files.h"
#include "core/config/merge.h"
#include "core/flow/load.h"

#include <stdio.h>
#include <string.h>

#define MAX_PICKS 1000

struct define {
    struct tess_context *ctx;
    struct tessi_sweep *s;
    const struct tessi_sweep_options *o;
    const struct tessi_config *sweep; /* the file's; NULL: it has none */
    int64_t picks;
    struct tessi_sweep_pick *pick;
};

/* ---- zipped axes --------------------------------------------------------------------------------------------------- */

static int define_is_zipped(const struct tessi_sweep *s, int64_t i)
{
    for (int64_t k = 0; k < s->axes; k++)
        if (k != i && s->axis[k].zip == s->axis[i].zip)
            return 1;
    return 0;
}

/* Zips an axis with those of the group, which begins with `first` (-1: it is the first). */
static int define_zip_axis(struct tess_context *ctx, struct tessi_sweep *s, const char *where, const char *name, int64_t *first)
{
    int64_t i = tessi_sweep_axis_named(s, name);
    if (i < 0)
        return ctx->fail(ctx, TESS_E_USAGE, "%s: there is no axis `%s` to be zipped", where, name);
    if (i == *first || define_is_zipped(s, i))
        return ctx->fail(ctx, TESS_E_USAGE, "%s: the axis `%s` is zipped twice", where, name);
    if (*first < 0) {
        *first = i;
        return TESS_OK;
    }
    const struct tessi_sweep_axis *a = &s->axis[*first], *b = &s->axis[i];
    if (a->count != b->count)
        return ctx->fail(ctx, TESS_E_USAGE, "%s: axes that are zipped have as many values as each other; `%s` has %lld, `%s` has %lld",
                         where, a->name, (long long)a->count, b->name, (long long)b->count);
    /* The group goes by its earliest axis, whatever the order it was written in. */
    int64_t head = i < *first ? i : *first;
    for (int64_t k = 0; k < s->axes; k++)
        if (k == i || s->axis[k].zip == *first)
            s->axis[k].zip = head;
    *first = head;
    return TESS_OK;
}

/* Refuses a group of fewer than two axes: it would change nothing. */
static int define_zip_end(struct tess_context *ctx, const struct tessi_sweep *s, const char *where, int64_t first)
{
    if (first < 0)
        return ctx->fail(ctx, TESS_E_USAGE, "%s: wanted the names of two axes or more, which take their values together, found none",
                         where);
    if (!define_is_zipped(s, first))
        return ctx->fail(ctx, TESS_E_USAGE, "%s: wanted two axes or more, which take their values together, found `%s` alone", where,
                         s->axis[first].name);
    return TESS_OK;
}

static int define_zip_node(const struct define *d, const struct tessi_config *group)
{
    char where[400];
    int64_t first = -1;
    (void)snprintf(where, sizeof where, "%s:%d:%d: `zip`", group->file, (int)group->line, (int)group->column);
    for (const struct tessi_config *at = group->child; at; at = at->next) {
        if (at->kind != TESSI_SCALAR || !at->text)
            return d->ctx->fail(d->ctx, TESS_E_USAGE, "%s wants names of axes, like [K, tokenizer.batch], or a list of such lists", where);
        TESS_TRY(define_zip_axis(d->ctx, d->s, where, at->text, &first));
    }
    return define_zip_end(d->ctx, d->s, where, first);
}

static int define_zips(const struct define *d)
{
    const struct tessi_config *zip = tessi_config_child(d->sweep, "zip");
    if (zip && zip->kind != TESSI_SEQUENCE)
        return tessi_config_fail(d->ctx, zip, TESS_E_USAGE,
                                 "`zip` wants names of axes, like [K, tokenizer.batch], or a list of such lists");
    int groups = zip && zip->child && zip->child->kind == TESSI_SEQUENCE;
    for (const struct tessi_config *at = groups ? zip->child : NULL; at; at = at->next)
        TESS_TRY(define_zip_node(d, at));
    if (zip && !groups)
        TESS_TRY(define_zip_node(d, zip));
    for (int64_t i = 0; i < d->o->zips; i++) {
        int64_t first = -1;
        for (const char *at = d->o->zip[i]; *at; at += strspn(at, ",")) {
            char name[256];
            size_t length = strcspn(at, ",");
            (void)snprintf(name, sizeof name, "%.*s", (int)length, at);
            TESS_TRY(define_zip_axis(d->ctx, d->s, "--zip", name, &first));
            at += length;
        }
        TESS_TRY(define_zip_end(d->ctx, d->s, "--zip", first));
    }
    return TESS_OK;
}

/* ---- exclusions, baseline, the axis of seeds ----------------------------------------------------------------------- */

static int define_pick_new(struct define *d, struct tessi_sweep_pick **out)
{
    *out = NULL;
    if (d->picks == MAX_PICKS)
        return d->ctx->fail(d->ctx, TESS_E_USAGE, "wanted at most %d exclusions, found more", MAX_PICKS);
    *out = &d->pick[d->picks++];
    return TESS_OK;
}

static int define_excludes(struct define *d)
{
    const struct tessi_config *exclude = tessi_config_child(d->sweep, "exclude");
    struct tessi_sweep_pick *pick;
    void *memory;
    TESS_TRY(tessi_sweep_alloc(d->ctx, d->s, MAX_PICKS * sizeof *d->pick, &memory));
    d->pick = memory;
    int many = exclude && exclude->kind == TESSI_SEQUENCE;
    for (const struct tessi_config *at = many ? exclude->child : exclude; at; at = many ? at->next : NULL) {
        TESS_TRY(define_pick_new(d, &pick));
        TESS_TRY(tessi_sweep_pick_node(d->ctx, d->s, "exclude", at, pick));
    }
    for (int64_t i = 0; i < d->o->excludes; i++) {
        TESS_TRY(define_pick_new(d, &pick));
        TESS_TRY(tessi_sweep_pick_word(d->ctx, d->s, "--exclude", d->o->exclude[i], pick));
    }
    return TESS_OK;
}

static int define_baseline(const struct define *d)
{
    const struct tessi_config *node = tessi_config_child(d->sweep, "baseline");
    struct tessi_sweep_pick pick = {.former = 0};
    void *memory;
    TESS_TRY(tessi_sweep_alloc(d->ctx, d->s, (size_t)d->s->axes * sizeof(int64_t), &memory));
    d->s->baseline = memory;
    if (d->o->baseline)
        TESS_TRY(tessi_sweep_pick_word(d->ctx, d->s, "--baseline", d->o->baseline, &pick));
    else if (node)
        TESS_TRY(tessi_sweep_pick_node(d->ctx, d->s, "baseline", node, &pick));
    for (int64_t i = 0; i < d->s->axes; i++) {
        int64_t n = 0;
        d->s->baseline[i] = -1;
        for (int64_t k = 0; pick.picked[i] && k < d->s->axis[i].count; k++) {
            n += pick.picked[i][k];
            d->s->baseline[i] = pick.picked[i][k] ? k : d->s->baseline[i];
        }
        if (n > 1)
            return d->ctx->fail(d->ctx, TESS_E_USAGE,
                                "the baseline has several values of the axis `%s`; it is one variant, or one for each "
                                "value of the axes that it does not name",
                                d->s->axis[i].name);
    }
    return TESS_OK;
}

static int define_seed_axis(const struct define *d)
{
    const struct tessi_config *node = tessi_config_child(d->sweep, "seed_axis");
    d->s->seed_axis = tessi_sweep_axis_named(d->s, "seed");
    if (!node || tessi_config_is_null(node))
        return TESS_OK;
    d->s->seed_axis = node->kind == TESSI_SCALAR ? tessi_sweep_axis_named(d->s, node->text) : -1;
    if (d->s->seed_axis < 0)
        return tessi_config_fail(d->ctx, node, TESS_E_USAGE,
                                 "`seed_axis` wants the name of the axis that repeats a variant, like prior.seed");
    return TESS_OK;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

static int define_check(const struct define *d)
{
    static const char *const keys[] = {"axes", "zip", "exclude", "baseline", "seed_axis"};
    for (const struct tessi_config *at = d->sweep ? d->sweep->child : NULL; at; at = at->next) {
        int64_t i = 0;
        while (i < 5 && strcmp(keys[i], at->key) != 0)
            i++;
        const char *nearest = i == 5 ? tessi_base_nearest_name(at->key, keys, 5) : NULL;
        if (i == 5)
            return tessi_config_key_fail(d->ctx, at, TESS_E_USAGE, "`sweep` has no key `%s`; %s%s%s", at->key,
                                         nearest ? "did you mean `" : "it takes ",
                                         nearest ? nearest : "axes, zip, exclude, baseline, seed_axis", nearest ? "`?" : "");
    }
    const struct tessi_config *axes = tessi_config_child(d->sweep, "axes");
    if (axes && axes->kind != TESSI_MAP)
        return tessi_config_fail(d->ctx, axes, TESS_E_USAGE, "`axes` wants a map of keys and lists of values, like {K: [64, 256]}");
    return TESS_OK;
}

/* Sets name and folder from the pipeline as the overrides of the whole sweep leave it. */
static int define_name(const struct define *d)
{
    struct tessi_config *root = NULL;
    const struct tessi_pipeline_options o = {
        .path = d->o->path, .overrides = d->s->overrides, .override = (const char *const *)d->s->override};
    const char *workdir = d->o->workdir && *d->o->workdir ? d->o->workdir : ".";
    int here = strcmp(workdir, ".") == 0;
    TESS_TRY(tessi_flow_sweep_load(d->ctx, &o, &root));
    const struct tessi_config *name = tessi_config_child(root, "name");
    int status = TESS_OK;
    if (strstr(name->text, "${"))
        status =
            tessi_config_fail(d->ctx, name, TESS_E_USAGE,
                              "the `name` of a sweep is one for all variants, without `${...}`; each variant has a folder in it by itself");
    if (status == TESS_OK)
        status = tessi_sweep_text(d->ctx, d->s, &d->s->name, "%s", name->text);
    if (status == TESS_OK)
        status = tessi_sweep_text(d->ctx, d->s, &d->s->folder, "%s%sruns/%s", here ? "" : workdir, here ? "" : "/", name->text);
    tessi_config_free(root);
    return status;
}

static int define_all(struct define *d)
{
    char *path = NULL;
    TESS_TRY(define_check(d));
    const struct tessi_config *axes = tessi_config_child(d->sweep, "axes");
    if (axes)
        TESS_TRY(tessi_sweep_axes_file(d->ctx, d->s, axes));
    TESS_TRY(tessi_sweep_axes_words(d->ctx, d->s, d->o));
    if (d->s->axes == 0)
        return d->ctx->fail(
            d->ctx, TESS_E_USAGE,
            "%s has no `sweep: {axes: ...}`, and no key on the command line has several values, like K=64,256; nothing to sweep: "
            "`tessera run` runs it once",
            d->o->path);
    TESS_TRY(define_zips(d));
    TESS_TRY(define_excludes(d));
    TESS_TRY(define_baseline(d));
    TESS_TRY(define_seed_axis(d));
    TESS_TRY(define_name(d));
    TESS_TRY(tessi_base_path_absolute(d->ctx, d->o->path, &path));
    int status = tessi_sweep_text(d->ctx, d->s, &d->s->pipeline, "%s", path);
    tess_free(path);
    return status == TESS_OK ? tessi_sweep_variants_list(d->ctx, d->s, d->picks, d->pick) : status;
}

int tessi_sweep_define(struct tess_context *ctx, const struct tessi_sweep_options *o, struct tessi_sweep **out)
{
    struct tessi_config *root = NULL;
    TESS_TRY(tessi_sweep_new(ctx, out));
    int status = tessi_flow_sweep_load(ctx, &(struct tessi_pipeline_options){.path = o->path}, &root);
    struct define d = {.ctx = ctx, .s = *out, .o = o, .sweep = status == TESS_OK ? tessi_config_child(root, "sweep") : NULL};
    if (status == TESS_OK)
        status = define_all(&d);
    tessi_config_free(root);
    return status;
}
