/* Implementation of submit.h. SPDX-License-Identifier: MIT */
#include "cli/submit.h"
#include "core/sweep/run.h"

#include <stdio.h>
#include <string.h>

/* Time of all stages that a pipeline will compute. */
static double submit_plan_seconds(const struct tessi_pipeline *p)
{
    struct tessi_stage_view v;
    double sum = 0.0;
    for (int64_t i = 0; i < tessi_flow_pipeline_count(p); i++) {
        tessi_flow_pipeline_stage(p, i, &v);
        if (v.state == TESSI_CACHED)
            continue;
        if (v.seconds_predicted < 0.0)
            return -1.0;
        sum += v.seconds_predicted;
    }
    return sum;
}

static int submit_plan_pipeline(struct tess_context *ctx, const struct cli_globals *g, int words, const char *const *word,
                                struct submit_planned *out)
{
    static struct cli_options w;
    struct tessi_runtime *r = NULL;
    struct tessi_pipeline *p = NULL;
    char *argv[CLI_MAX_OVERRIDES + 2] = {(char *)(uintptr_t) "submit"};
    struct cli_globals quiet = *g; /* a note that the file has a sweep would say that it is not run */
    for (int i = 0; i < words; i++)
        argv[i + 1] = (char *)(uintptr_t)word[i];
    if (cli_options_read(&quiet, &cli_plan, words + 1, argv, &w) != 0)
        return TESS_E_USAGE;
    quiet.level = TESSI_QUIET;
    int status = cli_options_open(ctx, &quiet, &w, &r, &p);
    if (status == TESS_OK) {
        snprintf(out->name, sizeof out->name, "%s", tessi_flow_pipeline_name(p));
        out->sweeps = tessi_flow_pipeline_sweeps(p);
        out->seconds = submit_plan_seconds(p);
    }
    tessi_flow_pipeline_free(p);
    tessi_host_runtime_free(r);
    return status;
}

static double submit_plan_sweep_seconds(const struct tessi_sweep_plan *p)
{
    double sum = 0.0;
    for (int64_t i = 0; i < p->stages; i++) {
        if (!p->stage[i].cached && p->stage[i].seconds < 0.0)
            return -1.0;
        sum += p->stage[i].cached ? 0.0 : p->stage[i].seconds;
    }
    return sum;
}

static int submit_plan_variants(struct tess_context *ctx, struct tessi_sweep *s, const struct tessi_sweep_settings *settings,
                                struct submit_planned *out)
{
    struct tessi_sweep_plan plan;
    TESS_TRY(tessi_sweep_plan(ctx, s, settings, &plan));
    for (int64_t i = 0; i < s->notes; i++)
        tessi_base_log_note(settings->log, "%s", s->note[i]);
    for (int64_t i = 0; i < s->variants; i++)
        if (plan.variant[i].status != TESS_OK)
            tessi_base_log_warn(settings->log, "%s will fail: %s", s->variant[i].name, plan.variant[i].message);
    snprintf(out->name, sizeof out->name, "%s", s->name);
    out->sweeps = 1;
    out->seconds = submit_plan_sweep_seconds(&plan);
    return TESS_OK;
}

static int submit_plan_sweep(struct tess_context *ctx, const struct cli_globals *g, int words, const char *const *word,
                             struct submit_planned *out)
{
    const struct tessi_sweep_options define = {.path = word[0], .workdir = g->workdir, .words = words - 1, .word = word + 1};
    struct tessi_sweep_settings settings = {
        .workdir = g->workdir, .plugin_path = g->plugin_path, .backend = g->backend, .threads = (int)g->threads, .jobs = 1};
    struct tessi_sweep *s = NULL;
    TESS_TRY(tessi_base_log_new(ctx, stderr, g->level, g->colour, &settings.log));
    int status = tessi_sweep_define(ctx, &define, &s);
    if (status == TESS_OK)
        status = submit_plan_variants(ctx, s, &settings, out);
    tessi_sweep_free(s);
    tessi_base_log_free(settings.log);
    return status;
}

int cli_submit_plan(struct tess_context *ctx, const struct cli_globals *g, int words, const char *const *word, struct submit_planned *out)
{
    for (int i = 1; i < words; i++) {
        const char *value = strchr(word[i], '=');
        if (value && tessi_sweep_is_several(value + 1))
            return submit_plan_sweep(ctx, g, words, word, out);
    }
    TESS_TRY(submit_plan_pipeline(ctx, g, words, word, out));
    return out->sweeps ? submit_plan_sweep(ctx, g, words, word, out) : TESS_OK;
}
