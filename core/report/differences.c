/* See differences.h. SPDX-License-Identifier: MIT */
#include "core/report/differences.h"

#include "core/report/collect_private.h"
#include "core/report/statistics.h"
#include "core/store/store.h"

#include <stdio.h>
#include <string.h>

struct comparing {
    struct tess_context *ctx;
    struct tessi_report_set *set;
    const struct tessi_report_run *a, *b;
    struct tessi_report_differences *out;
    int64_t capacity;
};

static int differences_equal(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static int differences_add(struct comparing *c, const struct tessi_report_difference *d)
{
    struct tessi_report_differences *out = c->out;
    TESS_TRY(tessi_report_grow(c->ctx, c->set, &out->item, &c->capacity, out->count + 1, sizeof *out->item));
    out->item[out->count++] = *d;
    return TESS_OK;
}

/* Adds two texts where they differ. */
static int differences_texts(struct comparing *c, int kind, const char *stage, const char *name, const char *a, const char *b)
{
    if (differences_equal(a, b))
        return TESS_OK;
    return differences_add(
        c, &(struct tessi_report_difference){.kind = kind, .stage = stage, .name = name, .unit = "", .a = a, .b = b, .half = -1});
}

/* ---- settings and stages ------------------------------------------------------------------------------------------- */

/* 1 where the setting is of a stage that one of the runs has not. */
static int differences_of_one(const struct comparing *c, const char *name)
{
    char stage[300];
    (void)snprintf(stage, sizeof stage, "%.*s", (int)strcspn(name, "."), name);
    return strchr(name, '.') && (!tessi_report_stage_named(c->a, stage) || !tessi_report_stage_named(c->b, stage));
}

static int differences_is_seed(const char *name)
{
    const char *dot = strchr(name, '.');
    return strcmp(name, "seed") == 0 || (dot && strcmp(dot, ".seed") == 0);
}

static int differences_setting(struct comparing *c, int seeds, const char *name, const char *a, const char *b)
{
    if (differences_of_one(c, name) || differences_is_seed(name) != seeds)
        return TESS_OK;
    c->out->same_settings += !seeds && differences_equal(a, b);
    return differences_texts(c, seeds ? TESSI_DIFFERENT_SEED : TESSI_DIFFERENT_SETTING, "", name, a, b);
}

static int differences_settings(struct comparing *c, int seeds)
{
    for (int64_t i = 0; i < c->a->settings; i++)
        TESS_TRY(differences_setting(c, seeds, c->a->setting[i].name, c->a->setting[i].text,
                                     tessi_report_setting_text(c->b, c->a->setting[i].name)));
    for (int64_t i = 0; i < c->b->settings; i++)
        if (!tessi_report_setting_text(c->a, c->b->setting[i].name))
            TESS_TRY(differences_setting(c, seeds, c->b->setting[i].name, NULL, c->b->setting[i].text));
    return TESS_OK;
}

static int differences_stages(struct comparing *c)
{
    for (int64_t i = 0; i < c->a->stages; i++)
        if (!tessi_report_stage_named(c->b, c->a->stage[i].name))
            TESS_TRY(differences_texts(c, TESSI_DIFFERENT_STAGE, c->a->stage[i].name, c->a->stage[i].name, c->a->stage[i].use, NULL));
    for (int64_t i = 0; i < c->b->stages; i++)
        if (!tessi_report_stage_named(c->a, c->b->stage[i].name))
            TESS_TRY(differences_texts(c, TESSI_DIFFERENT_STAGE, c->b->stage[i].name, c->b->stage[i].name, NULL, c->b->stage[i].use));
    return TESS_OK;
}

/* ---- what both have results of ------------------------------------------------------------------------------------- */

/* Calls `each` for the stages that both runs have a result of. */
static int differences_each(struct comparing *c,
                            int (*each)(struct comparing *c, const struct tessi_report_stage *a, const struct tessi_report_stage *b))
{
    for (int64_t i = 0; i < c->a->stages; i++) {
        const struct tessi_report_stage *b = tessi_report_stage_named(c->b, c->a->stage[i].name);
        if (b && c->a->stage[i].path && b->path)
            TESS_TRY(each(c, &c->a->stage[i], b));
    }
    return TESS_OK;
}

/* The text of item NAME in "NAME, TEXT; NAME, TEXT"; NULL: there is none. */
static int differences_item(struct comparing *c, const char *list, const char *name, size_t length, const char **out)
{
    *out = NULL;
    for (const char *at = list; *at;) {
        size_t item = strcspn(at, ";"), own = strcspn(at, ",;");
        if (own == length && strncmp(at, name, length) == 0)
            return tessi_report_format(c->ctx, c->set, out, "%.*s", (int)(item > own + 2 ? item - own - 2 : 0),
                                       at + (item > own + 2 ? own + 2 : own));
        at += item;
        at += strspn(at, "; ");
    }
    return TESS_OK;
}

/* 1 where the same component is listed already, of an earlier stage. */
static int differences_listed(const struct comparing *c, const char *name, const char *a, const char *b)
{
    for (int64_t i = 0; i < c->out->count; i++) {
        const struct tessi_report_difference *d = &c->out->item[i];
        if (d->kind == TESSI_DIFFERENT_PLUGIN && strcmp(d->name, name) == 0 && differences_equal(d->a, a) && differences_equal(d->b, b))
            return 1;
    }
    return 0;
}

static int differences_plugin_list(struct comparing *c, const struct tessi_report_stage *a, const struct tessi_report_stage *b, int back)
{
    for (const char *at = (back ? b : a)->plugin; *at;) {
        size_t item = strcspn(at, ";"), length = strcspn(at, ",;");
        const char *name, *of_a, *of_b;
        TESS_TRY(tessi_report_format(c->ctx, c->set, &name, "%.*s", (int)length, at));
        TESS_TRY(differences_item(c, a->plugin, at, length, &of_a));
        TESS_TRY(differences_item(c, b->plugin, at, length, &of_b));
        if ((!back || !of_a) && !differences_listed(c, name, of_a, of_b))
            TESS_TRY(differences_texts(c, TESSI_DIFFERENT_PLUGIN, a->name, name, of_a, of_b));
        at += item;
        at += strspn(at, "; ");
    }
    return TESS_OK;
}

static int differences_plugins(struct comparing *c, const struct tessi_report_stage *a, const struct tessi_report_stage *b)
{
    TESS_TRY(differences_plugin_list(c, a, b, 0));
    TESS_TRY(differences_plugin_list(c, a, b, 1));
    if (!differences_listed(c, "tool", a->tool, b->tool))
        TESS_TRY(differences_texts(c, TESSI_DIFFERENT_PLUGIN, "", "tool", a->tool, b->tool));
    if (!differences_listed(c, "numeric mode", a->numeric_mode, b->numeric_mode))
        TESS_TRY(differences_texts(c, TESSI_DIFFERENT_PLUGIN, "", "numeric mode", a->numeric_mode, b->numeric_mode));
    return TESS_OK;
}

/* Digest of the file PATH in lines "DIGEST PATH"; NULL: it is not listed. */
static int differences_file(struct comparing *c, const char *list, const char *path, size_t length, const char **out)
{
    *out = NULL;
    for (const char *at = list; *at;) {
        size_t line = strcspn(at, "\n"), digest = strcspn(at, " \n");
        if (line == digest + 1 + length && strncmp(at + digest + 1, path, length) == 0)
            return tessi_report_format(c->ctx, c->set, out, "%.*s", (int)digest, at);
        at += line + (at[line] == '\n');
    }
    return TESS_OK;
}

static int differences_files(struct comparing *c, const struct tessi_report_stage *a, const struct tessi_report_stage *b, int back)
{
    for (const char *at = (back ? b : a)->files; *at;) {
        size_t line = strcspn(at, "\n"), digest = strcspn(at, " \n");
        const char *path, *of_a, *of_b;
        if (line > digest) {
            TESS_TRY(tessi_report_format(c->ctx, c->set, &path, "%.*s", (int)(line - digest - 1), at + digest + 1));
            TESS_TRY(differences_file(c, a->files, path, strlen(path), &of_a));
            TESS_TRY(differences_file(c, b->files, path, strlen(path), &of_b));
            if (!back || !of_a)
                TESS_TRY(differences_texts(c, TESSI_DIFFERENT_INPUT, a->name, path, of_a, of_b));
        }
        at += line + (at[line] == '\n');
    }
    return TESS_OK;
}

/* Inputs from outside the pipeline: artefacts by their port, files where they are listed, else all together. Inputs from other stages are
 * those stages' results. */
static int differences_inputs(struct comparing *c, const struct tessi_report_stage *a, const struct tessi_report_stage *b)
{
    TESS_TRY(differences_files(c, a, b, 0));
    TESS_TRY(differences_files(c, a, b, 1));
    for (int64_t i = 0; i < a->inputs; i++) {
        const struct tessi_report_input *in = &a->input[i];
        int stage = in->from && tessi_report_stage_named(c->a, in->from), listed = !in->from && (*a->files || *b->files);
        for (int64_t k = 0; !stage && !listed && k < b->inputs; k++)
            if (strcmp(b->input[k].port, in->port) == 0)
                TESS_TRY(differences_texts(c, TESSI_DIFFERENT_INPUT, a->name, in->port, in->digest, b->input[k].digest));
    }
    return TESS_OK;
}

static int differences_results(struct comparing *c, const struct tessi_report_stage *a, const struct tessi_report_stage *b)
{
    c->out->same_results += strcmp(a->digest, b->digest) == 0;
    return differences_texts(c, TESSI_DIFFERENT_RESULT, a->name, a->name, a->digest, b->digest);
}

static int differences_warnings(struct comparing *c, const struct tessi_report_stage *a, const struct tessi_report_stage *b)
{
    return differences_texts(c, TESSI_DIFFERENT_OUTCOME, a->name, "warning", *a->warning ? a->warning : NULL,
                             *b->warning ? b->warning : NULL);
}

/* ---- metrics ------------------------------------------------------------------------------------------------------- */

static const struct tessi_report_metric *differences_metric(const struct tessi_report_run *run, const struct tessi_report_metric *like)
{
    for (int64_t i = 0; i < run->metrics; i++)
        if (strcmp(run->metric[i].stage, like->stage) == 0 && strcmp(run->metric[i].name, like->name) == 0)
            return &run->metric[i];
    return NULL;
}

static int differences_values(struct comparing *c, const struct tessi_report_metric *a, const struct tessi_report_metric *b)
{
    const struct tessi_report_mean ma = tessi_report_mean_of(&a->value, 1, tessi_report_metric_error(a));
    const struct tessi_report_mean mb = tessi_report_mean_of(&b->value, 1, tessi_report_metric_error(b));
    struct tessi_report_difference d = {
        .kind = TESSI_DIFFERENT_METRIC, .stage = a->stage, .name = a->name, .unit = a->unit, .a = "", .b = ""};
    double difference;
    d.va = a->value;
    d.vb = b->value;
    if (strcmp(a->unit, b->unit) != 0)
        d.unit_b = b->unit;
    d.compared = tessi_report_compare(&mb, &ma, &difference, &d.half);
    d.elsewhere = strcmp(a->protocol, b->protocol) != 0 || strcmp(a->against, b->against) != 0;
    if (!(a->value < b->value) && !(a->value > b->value) && !d.elsewhere) {
        c->out->same_metrics++;
        return TESS_OK;
    }
    return differences_add(c, &d);
}

static int differences_metrics(struct comparing *c)
{
    for (int64_t i = 0; i < c->a->metrics; i++) {
        const struct tessi_report_metric *a = &c->a->metric[i], *b = differences_metric(c->b, a);
        if (b)
            TESS_TRY(differences_values(c, a, b));
        else
            TESS_TRY(differences_add(c, &(struct tessi_report_difference){.kind = TESSI_DIFFERENT_METRIC,
                                                                          .stage = a->stage,
                                                                          .name = a->name,
                                                                          .unit = a->unit,
                                                                          .a = "",
                                                                          .va = a->value,
                                                                          .half = -1}));
    }
    for (int64_t i = 0; i < c->b->metrics; i++) {
        const struct tessi_report_metric *b = &c->b->metric[i];
        if (!differences_metric(c->a, b))
            TESS_TRY(differences_add(c, &(struct tessi_report_difference){.kind = TESSI_DIFFERENT_METRIC,
                                                                          .stage = b->stage,
                                                                          .name = b->name,
                                                                          .unit = b->unit,
                                                                          .b = "",
                                                                          .vb = b->value,
                                                                          .half = -1}));
    }
    return TESS_OK;
}

/* ---- pictures ------------------------------------------------------------------------------------------------------ */

static int differences_has_picture(const struct tessi_report_stage *s, const char *name)
{
    for (int64_t i = 0; i < s->pictures; i++)
        if (strcmp(s->picture[i], name) == 0)
            return 1;
    return 0;
}

/* Loads a picture from its artefact; one that cannot be read is empty. */
static struct tess_tensor differences_load(const struct comparing *c, const struct tessi_report_stage *s, const char *name)
{
    struct tessi_context own;
    struct tess_artefact *a = NULL;
    struct tess_tensor t = {0};
    char dataset[300];
    tessi_base_context_init(&own, c->ctx->host);
    (void)snprintf(dataset, sizeof dataset, "pictures/%s", name);
    if (tessi_store_artefact_open(&own.context, s->path, &a) == TESS_OK &&
        tess_artefact_load(&own.context, a, dataset, TESS_U8, &t) != TESS_OK)
        t = (struct tess_tensor){0};
    tessi_store_artefact_close(a);
    return t;
}

static int differences_size(struct comparing *c, const struct tess_tensor *t, const char **out)
{
    if (t->rank != 3)
        return tessi_report_text(c->ctx, c->set, "cannot be read", out);
    return tessi_report_format(c->ctx, c->set, out, "%lldx%lldx%lld", (long long)t->dim[0], (long long)t->dim[1], (long long)t->dim[2]);
}

static int differences_picture(struct comparing *c, const struct tessi_report_stage *a, const struct tessi_report_stage *b,
                               const char *name)
{
    struct tess_tensor ta = differences_load(c, a, name), tb = differences_load(c, b, name);
    const char *sa = NULL, *sb = NULL;
    int same = ta.rank == 3 && tb.rank == 3 && memcmp(ta.dim, tb.dim, 3 * sizeof *ta.dim) == 0 &&
               memcmp(ta.data, tb.data, tess_tensor_bytes(&ta)) == 0;
    int status = TESS_OK;
    if (!same && differences_has_picture(a, name))
        status = differences_size(c, &ta, &sa);
    if (status == TESS_OK && !same && differences_has_picture(b, name))
        status = differences_size(c, &tb, &sb);
    if (status == TESS_OK && !same)
        status = differences_add(
            c, &(struct tessi_report_difference){
                   .kind = TESSI_DIFFERENT_PICTURE, .stage = a->name, .name = name, .unit = "", .a = sa, .b = sb, .half = -1});
    c->out->same_pictures += same;
    tess_free(ta.data);
    tess_free(tb.data);
    return status;
}

static int differences_pictures(struct comparing *c, const struct tessi_report_stage *a, const struct tessi_report_stage *b)
{
    if (strcmp(a->digest, b->digest) == 0) {
        c->out->same_pictures += a->pictures;
        return TESS_OK;
    }
    for (int64_t i = 0; i < a->pictures; i++)
        TESS_TRY(differences_picture(c, a, b, a->picture[i]));
    for (int64_t i = 0; i < b->pictures; i++)
        if (!differences_has_picture(a, b->picture[i]))
            TESS_TRY(differences_picture(c, a, b, b->picture[i]));
    return TESS_OK;
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

int tessi_report_compare_runs(struct tess_context *ctx, struct tessi_report_set *set, const struct tessi_report_run *a,
                              const struct tessi_report_run *b, struct tessi_report_differences *out)
{
    static const char *const outcomes[] = {"not finished", "done", "failed", "stopped"};
    struct comparing c = {.ctx = ctx, .set = set, .a = a, .b = b, .out = out};
    *out = (struct tessi_report_differences){0};
    TESS_TRY(differences_settings(&c, 0));
    TESS_TRY(differences_settings(&c, 1));
    TESS_TRY(differences_stages(&c));
    TESS_TRY(differences_each(&c, differences_plugins));
    TESS_TRY(differences_each(&c, differences_inputs));
    TESS_TRY(differences_each(&c, differences_results));
    TESS_TRY(differences_metrics(&c));
    TESS_TRY(differences_each(&c, differences_pictures));
    TESS_TRY(differences_texts(&c, TESSI_DIFFERENT_OUTCOME, "", "outcome", outcomes[a->outcome], outcomes[b->outcome]));
    return differences_each(&c, differences_warnings);
}
