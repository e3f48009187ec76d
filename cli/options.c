/* The arguments of verbs that have a pipeline: P.yaml, key=value, their flags. SPDX-License-Identifier: MIT */
#include "cli/ranks.h"
#include "core/ranks/ranks.h"
#include "core/sweep/sweep.h"

#include <stdint.h>
#include <string.h>

static int plan_add_override(struct cli_options *w, const char *verb, const char *text)
{
    if (!strchr(text, '='))
        return cli_usage_error(verb, "wanted one pipeline and then key=value, found `%s` after `%s`", text,
                               w->options.path ? w->options.path : "--set");
    if (w->options.overrides == CLI_MAX_OVERRIDES)
        return cli_usage_error(verb, "wanted at most %d key=value", CLI_MAX_OVERRIDES);
    w->override[w->options.overrides++] = text;
    return 0;
}

int cli_options_set(void *options, const char *verb, const char *value)
{
    return plan_add_override(options, verb, value);
}

int cli_options_force(void *options, const char *verb, const char *value)
{
    struct cli_options *w = options;
    if (!*value)
        return cli_usage_error(verb, "--force wants a stage");
    if (w->options.forces == CLI_MAX_FORCES)
        return cli_usage_error(verb, "wanted --force at most %d times", CLI_MAX_FORCES);
    w->force[w->options.forces++] = value;
    return 0;
}

static int plan_take_word(void *options, const char *verb, const char *word)
{
    struct cli_options *w = options;
    if (w->options.path)
        return plan_add_override(w, verb, word);
    w->options.path = word;
    return 0;
}

static int plan_take_stage(void *options, const char *verb, const char *word)
{
    struct cli_options *w = options;
    if (!w->options.path || w->stage || strchr(word, '='))
        return plan_take_word(w, verb, word);
    w->stage = word;
    return 0;
}

static int plan_read(struct cli_globals *g, const struct cli_verb *verb, int argc, char **argv, struct cli_options *w,
                     int (*take_word)(void *options, const char *verb, const char *word))
{
    memset(w, 0, sizeof *w);
    w->seed = -1;
    w->options.override = w->override;
    w->options.force = w->force;
    int code = cli_flags_read(g, verb, argc, argv, w, take_word);
    if (code)
        return code;
    if (!w->options.path)
        return cli_usage_error(argv[0], "wanted a pipeline, a YAML file");
    w->seed_given = (uint64_t)w->seed;
    w->options.seed = w->seed < 0 ? NULL : &w->seed_given;
    w->options.workdir = g->workdir;
    return 0;
}

int cli_options_read(struct cli_globals *g, const struct cli_verb *verb, int argc, char **argv, struct cli_options *w)
{
    return plan_read(g, verb, argc, argv, w, plan_take_word);
}

int cli_options_read_stage(struct cli_globals *g, const struct cli_verb *verb, int argc, char **argv, struct cli_options *w)
{
    int code = plan_read(g, verb, argc, argv, w, plan_take_stage);
    if (code == 0 && !w->stage)
        code = cli_usage_error(argv[0], "wanted a stage behind the pipeline; `tessera plan` lists them");
    return code;
}

/* Warns of remarks on plugins' files: a user's plugin that is refused, or taken in the place of tessera's own. */
static void tell_remarks(const struct tessi_runtime *r)
{
    for (int64_t i = 0; i < tessi_plug_registry_files(r->registry); i++) {
        const struct tessi_found *f = tessi_plug_registry_file(r->registry, i);
        if (f->remark)
            tessi_base_log_warn(r->log, "%s", f->remark);
    }
}

int cli_runtime_new(struct tess_context *ctx, const struct cli_globals *g, struct tessi_runtime **out)
{
    const struct tessi_runtime_options options = {
        .plugin_path = g->plugin_path,
        .backend = g->backend,
        .threads = (int)g->threads,
        .level = g->level,
        .colour = g->colour,
        .terminal = stderr,
    };
    return tessi_host_runtime_new(ctx, &options, out);
}

int cli_options_open(struct tess_context *ctx, const struct cli_globals *g, const struct cli_options *w, struct tessi_runtime **r,
                     struct tessi_pipeline **p)
{
    TESS_TRY(cli_runtime_new(ctx, g, r));
    TESS_TRY(cli_ranks_join(ctx, *r, w));
    cli_ranks_watch((*r)->ranks, w->patience);
    if (tessi_ranks_rank((*r)->ranks) > 0)
        tessi_base_log_hide((*r)->log); /* rank 0 speaks for all */
    tell_remarks(*r);
    int status = tessi_flow_pipeline_open(ctx, *r, &w->options, p);
    if (status == TESS_OK && tessi_flow_pipeline_sweeps(*p))
        tessi_base_log_note((*r)->log, "%s has a sweep; this is its base alone, and `tessera sweep %s` runs all of it", w->options.path,
                            w->options.path);
    for (int64_t i = 0; (status == TESS_E_USAGE || status == TESS_E_VALUE) && i < w->options.overrides; i++)
        if (tessi_sweep_is_several(strchr(w->override[i], '=') + 1)) {
            tess_append_message(ctx, "; `%s` has several values, which `tessera sweep %s %s` runs", w->override[i], w->options.path,
                                w->override[i]);
            break;
        }
    return status;
}
