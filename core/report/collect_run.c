/* Folder of a run: settings out of resolved.yaml, then its stages. SPDX-License-Identifier: MIT */
#include "core/base/files.h"
#include "core/config/yaml.h"
#include "core/report/collect_private.h"

#include <stdio.h>
#include <string.h>

const char *tessi_report_setting_text(const struct tessi_report_run *run, const char *name)
{
    for (int64_t i = 0; i < run->settings; i++)
        if (strcmp(run->setting[i].name, name) == 0)
            return run->setting[i].text;
    return NULL;
}

double tessi_report_metric_error(const struct tessi_report_metric *m)
{
    const double quantile = 1.959963984540054; /* 0.975 quantile of the normal distribution */
    if (m->standard_error >= 0 || m->low > m->high)
        return m->standard_error;
    return (m->high - m->low) / (2 * quantile);
}

const struct tessi_report_stage *tessi_report_stage_named(const struct tessi_report_run *run, const char *name)
{
    for (int64_t i = 0; i < run->stages; i++)
        if (strcmp(run->stage[i].name, name) == 0)
            return &run->stage[i];
    return NULL;
}

/* ---- settings ------------------------------------------------------------------------------------------------------ */

struct settings {
    struct tess_context *ctx;
    struct tessi_report_set *set;
    struct tessi_report_run *run;
    int64_t capacity;
};

static int settings_add(struct settings *s, const char *name, const struct tessi_config *node)
{
    struct tessi_report_run *run = s->run;
    char *printed = NULL;
    const char *text = node->kind == TESSI_SCALAR ? node->text : NULL;
    TESS_TRY(tessi_report_grow(s->ctx, s->set, &run->setting, &s->capacity, run->settings + 1, sizeof *run->setting));
    struct tessi_report_setting *to = &run->setting[run->settings++];
    *to = (struct tessi_report_setting){name, ""};
    if (!text || !*text) {
        TESS_TRY(tessi_config_print(s->ctx, node, &printed));
        text = printed;
    }
    int status = tessi_report_text(s->ctx, s->set, text, &to->text);
    tess_free(printed);
    return status;
}

static int settings_flatten(struct settings *s, const char *front, const struct tessi_config *node)
{
    if (node->kind != TESSI_MAP || !node->child)
        return settings_add(s, front, node);
    for (const struct tessi_config *at = node->child; at; at = at->next) {
        const char *name;
        TESS_TRY(tessi_report_format(s->ctx, s->set, &name, "%s%s%s", front, *front ? "." : "", at->key));
        TESS_TRY(settings_flatten(s, name, at));
    }
    return TESS_OK;
}

/* ---- stages -------------------------------------------------------------------------------------------------------- */

/* Text of the stage's parameters as YAML flow text, as resolved.yaml has them; what is not a parameter is left out. */
static int run_parameters(struct tess_context *ctx, struct tessi_report_set *set, const struct tessi_config *stage, const char **out)
{
    struct tessi_config *copy = NULL, **last;
    char *text = NULL;
    TESS_TRY(tessi_config_copy(ctx, stage, &copy));
    for (last = &copy->child; *last;) {
        struct tessi_config *child = *last;
        if (strcmp(child->key, "in") != 0 && strcmp(child->key, "seed") != 0) {
            last = &child->next;
            continue;
        }
        *last = child->next;
        child->next = NULL;
        tessi_config_free(child);
    }
    int status = tessi_config_print(ctx, copy, &text);
    if (status == TESS_OK)
        status = tessi_report_text(ctx, set, text, out);
    tess_free(text);
    tessi_config_free(copy);
    return status;
}

static int run_stage(struct tess_context *ctx, struct tessi_report_set *set, struct tessi_report_run *run, const struct tessi_config *stage,
                     const struct tessi_report_log *log, int64_t *metrics)
{
    struct tessi_report_stage *s = &run->stage[run->stages];
    char name[300];
    *s = (struct tessi_report_stage){.kind = "",
                                     .key = "",
                                     .digest = "",
                                     .parameters = "",
                                     .plugin = "",
                                     .numeric_mode = "",
                                     .tool = "",
                                     .seed = "",
                                     .files = "",
                                     .warning = ""};
    TESS_TRY(tessi_report_text(ctx, set, stage->key, &s->name));
    run->stages++;
    (void)snprintf(name, sizeof name, "%s.use", stage->key);
    s->use = tessi_report_setting_text(run, name);
    s->use = s->use ? s->use : "";
    TESS_TRY(tessi_report_collect_stage(ctx, set, run, s, tessi_report_log_stage(log, s->name), metrics));
    return *s->parameters ? TESS_OK : run_parameters(ctx, set, stage, &s->parameters);
}

/* A warning's items are separated by "; "; the head "diverged" is that of a training whose result is of no use. */
static int run_diverged(const struct tessi_report_run *run)
{
    for (int64_t i = 0; i < run->stages; i++)
        for (const char *at = run->stage[i].warning; at && *at; at = strstr(at, "; ") ? strstr(at, "; ") + 2 : NULL)
            if (strncmp(at, "diverged:", 9) == 0)
                return 1;
    return 0;
}

static int run_stages(struct tess_context *ctx, struct tessi_report_set *set, struct tessi_report_run *run, struct tessi_config *root,
                      const struct tessi_report_log *log)
{
    struct tessi_config *stages = tessi_config_get(root, "stages");
    int64_t metrics = 0;
    void *memory;
    TESS_TRY(tessi_report_alloc(ctx, set, (size_t)((stages ? tessi_config_count(stages) : 0) + 1) * sizeof *run->stage, &memory));
    run->stage = memory;
    for (const struct tessi_config *at = stages && stages->kind == TESSI_MAP ? stages->child : NULL; at; at = at->next)
        TESS_TRY(run_stage(ctx, set, run, at, log, &metrics));
    run->diverged = run_diverged(run);
    return tessi_report_collect_protocols(ctx, set, run);
}

/* Settings of a resolved pipeline: what it says of itself, then each stage's. */
static int run_settings(struct tess_context *ctx, struct tessi_report_set *set, struct tessi_report_run *run, struct tessi_config *root)
{
    static const char *const own[] = {"seed", "backend", "precision"};
    struct settings s = {ctx, set, run, 0};
    const struct tessi_config *name = tessi_config_get(root, "name"), *stages = tessi_config_get(root, "stages");
    if (run->sweep < 0 && name && name->kind == TESSI_SCALAR && *name->text)
        TESS_TRY(tessi_report_text(ctx, set, name->text, &run->name));
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        const struct tessi_config *at = tessi_config_get(root, own[i]);
        if (at)
            TESS_TRY(settings_add(&s, own[i], at));
    }
    const char *seed = tessi_report_setting_text(run, "seed");
    run->seed = seed ? seed : "";
    return stages ? settings_flatten(&s, "", stages) : TESS_OK;
}

/* ---- references ---------------------------------------------------------------------------------------------------- */

/* The children of a map as a list of texts; `skip`: a key that is left out, NULL: none. */
static int run_texts(struct tess_context *ctx, struct tessi_report_set *set, const struct tessi_config *map, const char *skip,
                     struct tessi_report_setting **out, int64_t *n)
{
    struct tessi_report_run list = {0};
    struct settings s = {ctx, set, &list, 0};
    for (const struct tessi_config *at = map && map->kind == TESSI_MAP ? map->child : NULL; at; at = at->next) {
        const char *name;
        if (skip && strcmp(at->key, skip) == 0)
            continue;
        TESS_TRY(tessi_report_text(ctx, set, at->key, &name));
        TESS_TRY(settings_add(&s, name, at));
    }
    *out = list.setting;
    *n = list.settings;
    return TESS_OK;
}

static int run_references(struct tess_context *ctx, struct tessi_report_set *set, struct tessi_report_run *run, struct tessi_config *root)
{
    struct tessi_config *references = tessi_config_get(root, "references");
    void *memory;
    if (!references || references->kind != TESSI_MAP)
        return TESS_OK;
    TESS_TRY(tessi_report_alloc(ctx, set, (size_t)(tessi_config_count(references) + 1) * sizeof *run->reference, &memory));
    run->reference = memory;
    for (struct tessi_config *at = references->child; at; at = at->next) {
        struct tessi_report_reference *r = &run->reference[run->references++];
        TESS_TRY(tessi_report_text(ctx, set, at->key, &r->name));
        TESS_TRY(run_texts(ctx, set, at, "at", &r->metric, &r->metrics));
        TESS_TRY(run_texts(ctx, set, tessi_config_get(at, "at"), NULL, &r->setting, &r->settings));
    }
    return TESS_OK;
}

static int run_resolved(struct tess_context *ctx, struct tessi_report_set *set, struct tessi_report_run *run,
                        const struct tessi_report_log *log)
{
    struct tessi_context own;
    struct tessi_config *root = NULL;
    const char *path;
    TESS_TRY(tessi_report_format(ctx, set, &path, "%s/resolved.yaml", run->folder));
    if (!tessi_base_is_file(path))
        return TESS_OK; /* ended before it was planned */
    tessi_base_context_init(&own, ctx->host);
    if (tessi_config_yaml_load(&own.context, path, &root) != TESS_OK)
        return tessi_report_note(ctx, set, "%s; the run's settings are not known", tessi_base_context_message(&own.context));
    int status = run_settings(ctx, set, run, root);
    if (status == TESS_OK)
        status = run_references(ctx, set, run, root);
    if (status == TESS_OK)
        status = run_stages(ctx, set, run, root, log);
    tessi_config_free(root);
    return status;
}

int tessi_report_run_is_whole(const struct tessi_report_run *run)
{
    for (int64_t i = 0; i < run->stages; i++)
        if (run->stage[i].state == TESSI_REPORT_ABSENT)
            return 0;
    return run->stages > 0;
}

/* Outcome of a run without a log: done where every stage has a result. */
static void run_outcome(struct tessi_report_run *run)
{
    if (!*run->started && run->outcome == TESSI_REPORT_NOT_RUN && tessi_report_run_is_whole(run))
        run->outcome = TESSI_REPORT_FINISHED;
}

int tessi_report_collect_run(struct tess_context *ctx, struct tessi_report_set *set, struct tessi_report_run *run)
{
    struct tessi_report_log log = {0};
    run->failed_stage = run->reason = run->seed = run->pipeline = run->started = run->processor = "";
    run->seconds = -1;
    int status = tessi_report_log_read(ctx, set, run, &log);
    if (status == TESS_OK)
        status = run_resolved(ctx, set, run, &log);
    tessi_report_log_free(&log);
    run_outcome(run);
    return status;
}
