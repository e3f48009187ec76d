/* `tessera plan`: what a run would do, and why, before it does it.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/draw.h"
#include "cli/plan.h"
#include "core/base/json.h"
#include "core/config/yaml.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- the plan ------------------------------------------------------------------------------------------------------ */

static const char *const states[] = {"cached", "run", "run", "run", "run"};
static const char *const state_names[] = {"cached", "new", "changed", "input", "forced"};

static const char *plan_scaled(double value, double base, const char *const *units, char *text, size_t capacity)
{
    int unit = 0;
    while (value >= base - 0.5 && units[unit + 1]) { /* 1023.7 KiB would read as 1024 */
        value /= base;
        unit++;
    }
    if (value <= 0)
        snprintf(text, capacity, "-");
    else
        snprintf(text, capacity, value < 9.995 && unit ? "%.2f %s" : value < 99.95 && unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    size_t length = strlen(text);
    if (text[length - 1] == ' ')
        text[length - 1] = '\0';
    return text;
}

static const char *const counts[] = {"", "k", "M", "G", "T", NULL};
static const char *const sizes[] = {"B", "KiB", "MiB", "GiB", "TiB", NULL};
static const char *const works[] = {"FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP", "EFLOP", NULL};

const char *cli_bytes(double bytes, char *text, size_t capacity)
{
    return plan_scaled(bytes, 1024, sizes, text, capacity);
}

const char *cli_duration(double seconds, char *text, size_t capacity)
{
    int64_t s = (int64_t)(seconds + 0.5);
    if (seconds < 0.0)
        snprintf(text, capacity, "unknown");
    else if (seconds < 9.95)
        snprintf(text, capacity, "%.1f s", seconds);
    else if (s < 60)
        snprintf(text, capacity, "%d s", (int)s);
    else if (s < 3600)
        snprintf(text, capacity, "%d min %02d s", (int)(s / 60), (int)(s % 60));
    else
        snprintf(text, capacity, "%" PRId64 " h %02d min", s / 3600, (int)(s % 3600 / 60));
    return text;
}

struct row {
    struct tessi_stage_view view;
    char parameters[24], memory[24], work[24], time[24];
};

static void make_row(const struct tessi_pipeline *p, int64_t i, struct row *row)
{
    tessi_flow_pipeline_stage(p, i, &row->view);
    plan_scaled((double)row->view.cost.parameters, 1000, counts, row->parameters, sizeof row->parameters);
    plan_scaled((double)row->view.memory, 1024, sizes, row->memory, sizeof row->memory);
    plan_scaled(row->view.cost.flops, 1000, works, row->work, sizeof row->work);
    if (row->view.state == TESSI_CACHED)
        snprintf(row->time, sizeof row->time, "-");
    else
        cli_duration(row->view.seconds_predicted, row->time, sizeof row->time);
}

static void plan_widen(int *width, const char *text)
{
    int length = (int)strlen(text);
    *width = length > *width ? length : *width;
}

/* The columns before a reason, but for name and use: state, parameters, memory, work, time, and the blanks between. */
#define REASON_COLUMN (2 + 2 + 6 + 2 + 10 + 2 + 9 + 2 + 11 + 2 + 11 + 2)
#define LEAST_REASON 24

/* Prints a reason behind its row; on a terminal in lines of its own column, broken between words. */
static void show_reason(const char *text, int column)
{
    int64_t capacity = cli_columns() - column;
    if (!*text) {
        putchar('\n');
    } else if (!isatty(STDOUT_FILENO) || capacity < LEAST_REASON) {
        printf("  %s\n", text);
    } else {
        fputs("  ", stdout);
        for (int64_t used = 0; *text;) {
            size_t word = strcspn(text, " ");
            if (used && used + 1 + (int64_t)word > capacity) {
                printf("\n%*s", column, "");
                used = 0;
            }
            printf("%s%.*s", used ? " " : "", (int)word, text);
            used += (used ? 1 : 0) + (int64_t)word;
            text += word + strspn(text + word, " ");
        }
        putchar('\n');
    }
}

/* Sums over the stages that will run. */
struct totals {
    int64_t cached, unknown;  /* numbers of stages: cached ones; ones whose time is not known */
    double seconds;           /* time of those that are known */
    int64_t disk, checkpoint; /* bytes of all results; of the largest checkpoint beside the one before it */
};

static void plan_totals(const struct tessi_pipeline *p, struct totals *t)
{
    struct tessi_stage_view v;
    *t = (struct totals){0};
    for (int64_t i = 0; i < tessi_flow_pipeline_count(p); i++) {
        tessi_flow_pipeline_stage(p, i, &v);
        if (v.state == TESSI_CACHED) {
            t->cached++;
            continue;
        }
        t->unknown += v.seconds_predicted < 0.0;
        t->seconds += v.seconds_predicted < 0.0 ? 0.0 : v.seconds_predicted;
        t->disk += v.output_bytes;
        int64_t checkpoint = v.checkpoint_bytes * (v.total > 0 ? 1 : 2);
        t->checkpoint = checkpoint > t->checkpoint ? checkpoint : t->checkpoint;
    }
}

/* The last line: how much is to be done, how long it takes, what disk space it wants. */
static void show_totals(const struct tessi_pipeline *p)
{
    struct totals t;
    char time[24], disk[24];
    const char *folder = cli_shown(tessi_flow_pipeline_folder(p));
    int64_t n = tessi_flow_pipeline_count(p);
    plan_totals(p, &t);
    if (t.cached == n) {
        printf("\nnothing to do: %" PRId64 " %s cached in %s\n", n, n == 1 ? "stage" : "stages", folder);
        return;
    }
    printf("\n%" PRId64 " to run, %" PRId64 " cached; ", n - t.cached, t.cached);
    cli_duration(t.seconds, time, sizeof time);
    if (t.unknown == n - t.cached)
        printf("time unknown until such stages have run on this machine");
    else if (t.unknown)
        printf("%s and the unknown time of %" PRId64 " %s", time, t.unknown, t.unknown == 1 ? "stage" : "stages");
    else
        printf("%s in all", time);
    if (t.disk + t.checkpoint > 0)
        printf("; %s of disk", cli_bytes((double)(t.disk + t.checkpoint), disk, sizeof disk));
    printf("; results go to %s\n", folder);
}

static void show_table(const struct tessi_pipeline *p)
{
    struct row row;
    int name = 5, use = 3;
    int64_t n = tessi_flow_pipeline_count(p);
    for (int64_t i = 0; i < n; i++) {
        make_row(p, i, &row);
        plan_widen(&name, row.view.name);
        plan_widen(&use, row.view.use);
    }
    printf("%-*s  %-*s  %-6s  %10s  %9s  %11s  %11s  %s\n", name, "stage", use, "use", "state", "parameters", "memory", "work", "time",
           "why");
    for (int64_t i = 0; i < n; i++) {
        make_row(p, i, &row);
        printf("%-*s  %-*s  %-6s  %10s  %9s  %11s  %11s", name, row.view.name, use, row.view.use, states[row.view.state], row.parameters,
               row.memory, row.work, row.time);
        show_reason(cli_shown(row.view.reason), name + use + REASON_COLUMN);
    }
    show_totals(p);
}

static void show_inputs(const struct tessi_pipeline *p, int64_t i)
{
    const char *port, *from;
    int64_t n = 0;
    for (; tessi_flow_pipeline_input(p, i, n, &port, &from); n++)
        printf("%s%s: %s", n ? ", " : "  in: {", port, from);
    if (n)
        printf("}\n");
}

static void show_parameters(const struct tessi_pipeline *p)
{
    struct tessi_context context;
    struct tessi_stage_view view;
    for (int64_t i = 0; i < tessi_flow_pipeline_count(p); i++) {
        tessi_flow_pipeline_stage(p, i, &view);
        tessi_base_context_init(&context, NULL);
        printf("\n%s\n", view.name);
        show_inputs(p, i);
        for (const struct tessi_config *s = view.values->child; s; s = s->next) {
            char *text = NULL;
            if (tessi_config_print(&context.context, s, &text) == TESS_OK)
                printf("  %s: %s\n", s->key, text);
            tess_free(text);
        }
    }
}

static void plan_json_pair(const char *name, const char *value)
{
    tessi_base_json_text(stdout, name);
    putchar(':');
    tessi_base_json_text(stdout, value);
    putchar(',');
}

static void plan_json_seconds(double seconds)
{
    if (seconds < 0.0)
        fputs("null", stdout);
    else
        tessi_base_json_f64(stdout, seconds);
}

static void show_json(const struct tessi_pipeline *p)
{
    struct tessi_stage_view view;
    struct totals t;
    plan_totals(p, &t);
    putchar('{');
    plan_json_pair("name", tessi_flow_pipeline_name(p));
    plan_json_pair("folder", tessi_flow_pipeline_folder(p));
    fputs("\"seconds\":", stdout);
    plan_json_seconds(t.unknown ? -1.0 : t.seconds);
    printf(",\"disk_bytes\":%" PRId64 ",\"process_bytes\":%" PRId64 ",\"stages\":[", t.disk + t.checkpoint, tessi_flow_pipeline_held(p));
    for (int64_t i = 0; i < tessi_flow_pipeline_count(p); i++) {
        tessi_flow_pipeline_stage(p, i, &view);
        fputs(i ? ",{" : "{", stdout);
        plan_json_pair("stage", view.name);
        plan_json_pair("use", view.use);
        printf("\"cached\":%s,", view.state == TESSI_CACHED ? "true" : "false");
        plan_json_pair("state", state_names[view.state]);
        plan_json_pair("why", view.reason ? view.reason : "");
        plan_json_pair("config", view.parameters);
        plan_json_pair("path", view.path);
        printf("\"steps\":%" PRId64 ",\"done\":%" PRId64 ",\"done_of\":%" PRId64 ",\"parameters\":%" PRId64 ",\"peak_bytes\":%" PRId64
               ",\"output_bytes\":%" PRId64 ",\"checkpoint_bytes\":%" PRId64 ",\"flops\":",
               view.steps, view.done, view.total, view.cost.parameters, view.memory, view.output_bytes, view.checkpoint_bytes);
        tessi_base_json_f64(stdout, view.cost.flops);
        fputs(",\"seconds\":", stdout);
        plan_json_seconds(view.seconds_predicted);
        putchar('}');
    }
    puts("]}");
}

void cli_plan_show(const struct tessi_pipeline *p, int json, int parameters)
{
    if (json) {
        show_json(p);
        return;
    }
    show_table(p);
    if (parameters)
        show_parameters(p);
}

static int plan(struct cli_globals *g, int argc, char **argv)
{
    static struct cli_options w;
    struct tessi_context context;
    struct tessi_runtime *r = NULL;
    struct tessi_pipeline *p = NULL;
    int code = cli_options_read(g, &cli_plan, argc, argv, &w);
    if (code)
        return code;
    tessi_base_context_init(&context, NULL);
    int status = cli_options_open(&context.context, g, &w, &r, &p);
    if (status == TESS_OK)
        cli_plan_show(p, w.json, w.parameters || g->level >= TESSI_VERBOSE);
    code = status == TESS_OK ? 0 : cli_failed(&context.context, status);
    tessi_flow_pipeline_free(p);
    tessi_host_runtime_free(r);
    return code;
}

static const struct cli_flag flags[] = {CLI_PIPELINE_FLAGS("as if this stage were not cached (may be repeated)"),
                                        {.name = "--parameters",
                                         .help = "what each stage reads and its parameters, defaults filled in (-v does the same)",
                                         .type = CLI_SWITCH,
                                         CLI_OPTION(parameters)},
                                        {.name = "--json", .help = "as one JSON object", .type = CLI_SWITCH, CLI_OPTION(json)},
                                        {.name = NULL}};

const struct cli_verb cli_plan = {
    .name = "plan",
    .summary = "say what a run would compute, why, and what it takes",
    .arguments = "P.yaml [key=value ...]",
    .description = "Checks the whole pipeline and computes nothing. For each stage: cached or to be run and why, trained parameters,\n"
                   "peak memory, work, and the time that is left to be done, by what such stages took on this machine; then totals of\n"
                   "time and disk space. key=value changes the pipeline: tokenizer.steps=200, K=64 (a name under params), seed=3.\n",
    .flags = flags,
    .run = plan,
};
