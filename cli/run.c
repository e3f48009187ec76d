/* `tessera run`: a pipeline through the cache, then what came of it. Progress and remarks go to stderr, metrics to stdout.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/plan.h"
#include "cli/ranks.h"
#include "core/base/progress_line.h"
#include "core/ranks/ranks.h"
#include "core/store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A tenth of a second is of interest below a minute. */
static void duration_text(double seconds, char *text, size_t capacity)
{
    if (seconds < 59.95)
        snprintf(text, capacity, "%.1f s", seconds);
    else
        tessi_base_duration_text(seconds, text, capacity);
}

static void show_stages(const struct tessi_pipeline *p)
{
    static const char *const outcomes[] = {"left", "cached", "computed"};
    struct tessi_stage_view view;
    char time[32];
    int width = 5;
    int64_t n = tessi_flow_pipeline_count(p), cached = 0;
    for (int64_t i = 0; i < n; i++) {
        tessi_flow_pipeline_stage(p, i, &view);
        width = (int)strlen(view.name) > width ? (int)strlen(view.name) : width;
        cached += view.outcome == TESSI_WAS_CACHED;
    }
    if (cached == n) {
        fprintf(stderr, "nothing to do: %" PRId64 " %s cached\n", n, n == 1 ? "stage" : "stages");
        return;
    }
    fputc('\n', stderr);
    for (int64_t i = 0; i < n; i++) {
        tessi_flow_pipeline_stage(p, i, &view);
        duration_text(view.seconds, time, sizeof time);
        fprintf(stderr, "%-*s  %s", width, view.name, outcomes[view.outcome]);
        if (view.outcome == TESSI_COMPUTED)
            fprintf(stderr, "  %s", time);
        fprintf(stderr, view.warning && *view.warning ? "  warning: %s\n" : "\n", view.warning);
    }
}

static void run_show_pictures(const struct tessi_pipeline *p)
{
    struct tessi_stage_view view;
    for (int64_t i = 0; i < tessi_flow_pipeline_count(p); i++) {
        tessi_flow_pipeline_stage(p, i, &view);
        for (int64_t k = 0; k < view.pictures; k++)
            fprintf(stderr, "picture  %s\n", cli_shown(view.picture[k]));
    }
    fprintf(stderr, "results  %s\n", cli_shown(tessi_flow_pipeline_folder(p)));
}

/* Columns of the table of metrics. */
struct run_columns {
    int stage, metric, better, error; /* widths; of the column of standard errors 0 where no metric has one */
    int64_t rows;
};

static void run_widen(struct run_columns *w, const char *stage, const struct tess_metric_value *v)
{
    w->stage = (int)strlen(stage) > w->stage ? (int)strlen(stage) : w->stage;
    w->metric = (int)strlen(v->name) > w->metric ? (int)strlen(v->name) : w->metric;
    w->error = v->standard_error >= 0.0 ? 12 : w->error;
    w->rows++;
}

static void run_print_metric(const struct run_columns *w, const char *stage, const struct tess_metric_value *v)
{
    const int more = v->better || *v->unit;
    char error[32] = "";
    if (v->standard_error >= 0.0)
        snprintf(error, sizeof error, "+- %.3g", v->standard_error);
    printf("%-*s  %-*s  %12.6g", w->stage, stage, w->metric, v->name, v->value);
    if (w->error && (*error || more))
        printf("  %-*s", more ? w->error : 0, error);
    if (more)
        printf("  %-*s", *v->unit ? w->better : 0, cli_better(v->better));
    if (*v->unit)
        printf("  %s", v->unit);
    putchar('\n');
}

/* Twice over the artefacts: once to measure the columns, once to print. */
static int run_metrics(struct tess_context *ctx, const struct tessi_pipeline *p, struct run_columns *w, int print)
{
    struct tessi_stage_view view;
    for (int64_t i = 0; i < tessi_flow_pipeline_count(p); i++) {
        struct tess_artefact *a = NULL;
        struct tess_metric_value v;
        tessi_flow_pipeline_stage(p, i, &view);
        TESS_TRY(tessi_store_artefact_open(ctx, view.path, &a));
        for (int64_t k = 0; tessi_store_artefact_metric(a, k, &v); k++)
            if (print)
                run_print_metric(w, view.name, &v);
            else
                run_widen(w, view.name, &v);
        tessi_store_artefact_close(a);
    }
    return TESS_OK;
}

static int show_metrics(struct tess_context *ctx, const struct tessi_pipeline *p)
{
    struct run_columns w = {.stage = 5, .metric = 6, .better = 6};
    TESS_TRY(run_metrics(ctx, p, &w, 0));
    if (w.rows == 0)
        return TESS_OK;
    printf("%-*s  %-*s  %12s", w.stage, "stage", w.metric, "metric", "value");
    if (w.error)
        printf("  %-*s", w.error, "std. error");
    printf("  better  unit\n");
    return run_metrics(ctx, p, &w, 1);
}

static int run_pipeline(struct tess_context *ctx, const struct cli_globals *g, struct tessi_pipeline *p)
{
    TESS_TRY(tessi_flow_pipeline_run(ctx, p));
    if (g->level > TESSI_QUIET)
        show_stages(p);
    TESS_TRY(show_metrics(ctx, p));
    (void)fflush(stdout);
    if (g->level > TESSI_QUIET)
        run_show_pictures(p);
    return TESS_OK;
}

/* The run on one of several ranks; rank 0 does what a process alone would, and tells what came of it. */
static int run_on_ranks(struct tess_context *ctx, const struct cli_globals *g, struct tessi_runtime *r, struct tessi_pipeline *p)
{
    TESS_TRY(tessi_flow_ranks_agree(ctx, p));
    return tessi_ranks_rank(r->ranks) == 0 ? run_pipeline(ctx, g, p) : tessi_flow_pipeline_follow(ctx, p);
}

/* Runs, or shows what would be done; gives the exit code. */
static int run_opened(struct tess_context *ctx, struct cli_globals *g, struct cli_options *w, struct cli_ranks *ranks)
{
    struct tessi_runtime *r = NULL;
    struct tessi_pipeline *p = NULL;
    int status = cli_options_open(ctx, g, w, &r, &p);
    int leads = !r || tessi_ranks_rank(r->ranks) == 0;
    if (status == TESS_OK && w->dry)
        cli_plan_show(p, w->json, w->parameters || g->level >= TESSI_VERBOSE);
    else if (status == TESS_OK)
        status = run_on_ranks(ctx, g, r, p);
    if (!leads && status == TESS_E_STOPPED)
        tess_forget(ctx);
    status = tessi_flow_ranks_end(ctx, r, status);
    cli_ranks_ended(ctx, ranks);
    int code = status == TESS_OK ? 0 : leads ? cli_failed(ctx, status) : status == TESS_E_STOPPED ? 0 : tessi_base_exit_code(status);
    tessi_flow_pipeline_free(p);
    tessi_host_runtime_free(r);
    return code;
}

static int run(struct cli_globals *g, int argc, char **argv)
{
    static struct cli_options w;
    struct tessi_context context;
    struct cli_ranks ranks = {0};
    int code = cli_options_read(g, &cli_run, argc, argv, &w);
    if (code == 0 && w.json && !w.dry)
        code = cli_usage_error(argv[0], "--json goes with --dry-run");
    if (code)
        return code;
    tessi_base_context_init(&context, NULL);
    if (!w.dry)
        tessi_base_signals_catch();
    int status = w.dry ? TESS_OK : cli_ranks_start(&context.context, g, &w, &ranks);
    return status == TESS_OK ? run_opened(&context.context, g, &w, &ranks) : cli_failed(&context.context, status);
}

static const struct cli_flag flags[] = {
    {.name = "--dry-run", .brief = "-n", .help = "only say what would be done (`tessera plan`)", .type = CLI_SWITCH, CLI_OPTION(dry)},
    CLI_PIPELINE_FLAGS("compute this stage though it is cached (may be repeated)"),
    {.name = "--checkpoint-seconds",
     .value = "N",
     .help = "between two checkpoints of a stage",
     .initial = "60",
     .type = CLI_INTEGER,
     CLI_OPTION(options.checkpoint_seconds),
     .lo = 1,
     .hi = 1000000000},
    {.name = "--ranks",
     .value = "N",
     .help = "run on N processes on this machine; mpirun and srun start them on several",
     .type = CLI_INTEGER,
     CLI_OPTION(ranks),
     .lo = 1,
     .hi = 64},
    {.name = "--transport",
     .value = "CONFIG",
     .help = "what ranks are joined over, as a pipeline writes a component: {use: mpi, silence: 120}",
     .type = CLI_TEXT,
     CLI_OPTION(transport)},
    {.name = "--patience",
     .value = "SECONDS",
     .help = "time that a rank's work may stand still before the run is ended; 0: for ever",
     .initial = "40",
     .type = CLI_INTEGER,
     CLI_OPTION(patience),
     .lo = 0,
     .hi = 1000000},
    {.name = "--parameters",
     .help = "with --dry-run: what each stage reads and its parameters, defaults filled in",
     .type = CLI_SWITCH,
     CLI_OPTION(parameters)},
    {.name = "--json", .help = "with --dry-run: as one JSON object", .type = CLI_SWITCH, CLI_OPTION(json)},
    {.name = NULL}};

const struct cli_verb cli_run = {
    .name = "run",
    .summary = "run a pipeline: compute what is not in the cache",
    .arguments = "P.yaml [key=value ...]",
    .description = "Runs each stage that the cache does not hold. Results are in runs/NAME: STAGE.h5, pictures, resolved.yaml, log.jsonl.\n"
                   "A run that was stopped or killed resumes with the same command. key=value changes the pipeline: tokenizer.steps=200,\n"
                   "K=64 (a name under params), seed=3; a null takes a key away.\n",
    .flags = flags,
    .notes = "SIGTERM, SIGHUP and SIGXCPU stop at a checkpoint (exit code 75), and so does Ctrl-C, which then ends the program as it ends\n"
             "others, so that a loop around it ends too; a second Ctrl-C ends it at once. SIGUSR1 writes a checkpoint and goes on.\n",
    .run = run,
};
