/* `tessera plan`: what a run would do, and why, before it does it. Also the arguments that `run` and `plan` have in common.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/draw.h"
#include "cli/plan.h"
#include "core/base/json.h"
#include "core/config/yaml.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- arguments ----------------------------------------------------------------------------------------------------- */

/* The value of `--flag VALUE` or `--flag=VALUE`, with *i moved; NULL when argv[*i] is another flag. "" when it has none. */
static const char *plan_value_of(int argc, char **argv, int *i, const char *flag)
{
    size_t length = strlen(flag);
    if (strncmp(argv[*i], flag, length) != 0)
        return NULL;
    if (argv[*i][length] == '=')
        return argv[*i] + length + 1;
    if (argv[*i][length] != '\0')
        return NULL;
    return *i + 1 < argc ? argv[++*i] : "";
}

static int read_number(const char *verb, const char *flag, const char *text, uint64_t least, uint64_t max, uint64_t *out)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || value < least || value > max)
        return cli_usage_error(verb, "%s wants an integer %" PRIu64 " .. %" PRIu64 ", found `%s`", flag, least, max, text);
    *out = value;
    return 0;
}

static int add_override(const char *verb, struct cli_options *w, const char *text)
{
    if (!strchr(text, '='))
        return cli_usage_error(verb, "wanted one pipeline and then key=value, found `%s` after `%s`", text,
                               w->options.path ? w->options.path : "--set");
    if (w->options.overrides == CLI_MAX_OVERRIDES)
        return cli_usage_error(verb, "wanted at most %d key=value", CLI_MAX_OVERRIDES);
    w->override[w->options.overrides++] = text;
    return 0;
}

/* One flag with a value. 1: taken; 0: not one of these; -1: wrong, *code says how. */
static int read_valued(const char *verb, int argc, char **argv, int *i, int running, struct cli_options *w, int *code)
{
    const char *value;
    uint64_t number = 0;
    if ((value = plan_value_of(argc, argv, i, "--until"))) {
        w->options.until = value;
        *code = *value ? 0 : cli_usage_error(verb, "--until wants a stage");
    } else if ((value = plan_value_of(argc, argv, i, "--force"))) {
        *code = !*value                               ? cli_usage_error(verb, "--force wants a stage")
                : w->options.forces == CLI_MAX_FORCES ? cli_usage_error(verb, "wanted --force at most %d times", CLI_MAX_FORCES)
                                                      : 0;
        if (*code == 0)
            w->force[w->options.forces++] = value;
    } else if ((value = plan_value_of(argc, argv, i, "--seed"))) {
        *code = read_number(verb, "--seed", value, 0, INT64_MAX, &w->seed);
        w->options.seed = &w->seed;
    } else if ((value = plan_value_of(argc, argv, i, "--set"))) {
        *code = add_override(verb, w, value);
    } else if (running && (value = plan_value_of(argc, argv, i, "--checkpoint-seconds"))) {
        *code = read_number(verb, "--checkpoint-seconds", value, 1, 1000000000, &number);
        w->options.checkpoint_seconds = (int64_t)number;
    } else {
        return 0;
    }
    return *code ? -1 : 1;
}

static int plan_unknown_flag(const char *verb, const char *flag, int running)
{
    static const char *const names[] = {"--until",       "--force", "--seed",    "--set",     "--json",
                                        "--parameters",  "--help",  "--threads", "--workdir", "--backend",
                                        "--plugin-path", "--quiet", "--verbose", "--dry-run", "--checkpoint-seconds"};
    int64_t n = (int64_t)(sizeof names / sizeof *names);
    const char *nearest = tessi_base_nearest_name(flag, names, running ? n : n - 2);
    if (nearest)
        return cli_usage_error(verb, "there is no flag `%s`; did you mean `%s`?", flag, nearest);
    return cli_usage_error(verb, "there is no flag `%s`", flag);
}

int cli_options_read(struct cli_globals *g, int argc, char **argv, int running, struct cli_options *w)
{
    int flags = 1;
    memset(w, 0, sizeof *w);
    w->options.override = w->override;
    w->options.force = w->force;
    for (int i = 1; i < argc; i++) {
        int code = 0, taken = flags ? cli_global_flag(g, argc, argv, &i) : 0;
        if (taken < 0)
            return tessi_base_exit_code(TESS_E_USAGE);
        if (taken)
            continue;
        const char *word = argv[i];
        if (flags && (taken = read_valued(argv[0], argc, argv, &i, running, w, &code)) != 0) {
            if (taken < 0)
                return code;
        } else if (flags && strcmp(word, "--") == 0) {
            flags = 0;
        } else if (flags && running && (strcmp(word, "-n") == 0 || strcmp(word, "--dry-run") == 0)) {
            w->dry = 1;
        } else if (flags && strcmp(word, "--json") == 0) {
            w->json = 1;
        } else if (flags && strcmp(word, "--parameters") == 0) {
            w->parameters = 1;
        } else if (flags && *word == '-') {
            return plan_unknown_flag(argv[0], word, running);
        } else if (!w->options.path) {
            w->options.path = word;
        } else if ((code = add_override(argv[0], w, word)) != 0) {
            return code;
        }
    }
    if (!w->options.path)
        return cli_usage_error(argv[0], "wanted a pipeline, a YAML file");
    if (w->json && running && !w->dry)
        return cli_usage_error(argv[0], "--json goes with --dry-run");
    w->options.workdir = g->workdir;
    return 0;
}

/* What the user should know of files that were looked at: one of his that is refused, or taken in the place of tessera's own. */
static void tell_remarks(const struct tessi_runtime *r)
{
    for (int64_t i = 0; i < tessi_plug_registry_files(r->registry); i++) {
        const struct tessi_found *f = tessi_plug_registry_file(r->registry, i);
        if (f->remark)
            tessi_base_log_warn(r->log, "%s", f->remark);
    }
}

int cli_options_open(struct tess_context *ctx, const struct cli_globals *g, const struct cli_options *w, struct tessi_runtime **r,
                  struct tessi_pipeline **p)
{
    const struct tessi_runtime_options options = {
        .plugin_path = g->plugin_path,
        .backend = g->backend,
        .threads = g->threads,
        .level = g->level,
        .colour = g->colour,
        .terminal = stderr,
    };
    TESS_TRY(tessi_host_runtime_new(ctx, &options, r));
    tell_remarks(*r);
    return tessi_flow_pipeline_open(ctx, *r, &w->options, p);
}

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

struct row {
    struct tessi_stage_view view;
    char parameters[24], memory[24], work[24];
};

static void make_row(const struct tessi_pipeline *p, int64_t i, struct row *row)
{
    tessi_flow_pipeline_stage(p, i, &row->view);
    plan_scaled((double)row->view.cost.parameters, 1000, counts, row->parameters, sizeof row->parameters);
    plan_scaled((double)row->view.memory, 1024, sizes, row->memory, sizeof row->memory);
    plan_scaled(row->view.cost.flops, 1000, works, row->work, sizeof row->work);
}

static void plan_widen(int *width, const char *text)
{
    int length = (int)strlen(text);
    *width = length > *width ? length : *width;
}

/* The columns before a reason, but for name and use: state, parameters, memory, work, and the blanks between. */
#define REASON_COLUMN (2 + 2 + 6 + 2 + 10 + 2 + 9 + 2 + 11 + 2)
#define LEAST_REASON 24

/* Behind its row; on a terminal in lines of its own column, broken between words. */
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

static void show_table(const struct tessi_pipeline *p)
{
    struct row row;
    int name = 5, use = 3;
    int64_t n = tessi_flow_pipeline_count(p), cached = 0;
    for (int64_t i = 0; i < n; i++) {
        make_row(p, i, &row);
        plan_widen(&name, row.view.name);
        plan_widen(&use, row.view.use);
        cached += row.view.state == TESSI_CACHED;
    }
    printf("%-*s  %-*s  %-6s  %10s  %9s  %11s  %s\n", name, "stage", use, "use", "state", "parameters", "memory", "work", "why");
    for (int64_t i = 0; i < n; i++) {
        make_row(p, i, &row);
        printf("%-*s  %-*s  %-6s  %10s  %9s  %11s", name, row.view.name, use, row.view.use, states[row.view.state], row.parameters,
               row.memory, row.work);
        show_reason(cli_shown(row.view.reason), name + use + REASON_COLUMN);
    }
    if (cached == n)
        printf("\nnothing to do: %" PRId64 " %s cached in %s\n", n, n == 1 ? "stage" : "stages", cli_shown(tessi_flow_pipeline_folder(p)));
    else
        printf("\n%" PRId64 " to run, %" PRId64 " cached; results go to %s\n", n - cached, cached,
               cli_shown(tessi_flow_pipeline_folder(p)));
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
        struct tessi_config *root = NULL;
        tessi_flow_pipeline_stage(p, i, &view);
        tessi_base_context_init(&context, NULL);
        printf("\n%s\n", view.name);
        show_inputs(p, i);
        if (tessi_config_yaml_parse(&context.context, view.parameters, strlen(view.parameters), view.name, &root) != TESS_OK)
            printf("  %s\n", view.parameters);
        for (const struct tessi_config *s = root ? root->child : NULL; s; s = s->next) {
            char *text = NULL;
            if (tessi_config_print(&context.context, s, &text) == TESS_OK)
                printf("  %s: %s\n", s->key, text);
            tess_free(text);
        }
        tessi_config_free(root);
    }
}

static void plan_json_pair(const char *name, const char *value)
{
    tessi_base_json_text(stdout, name);
    putchar(':');
    tessi_base_json_text(stdout, value);
    putchar(',');
}

static void show_json(const struct tessi_pipeline *p)
{
    struct tessi_stage_view view;
    putchar('{');
    plan_json_pair("name", tessi_flow_pipeline_name(p));
    plan_json_pair("folder", tessi_flow_pipeline_folder(p));
    printf("\"process_bytes\":%" PRId64 ",\"stages\":[", tessi_flow_pipeline_held(p));
    for (int64_t i = 0; i < tessi_flow_pipeline_count(p); i++) {
        tessi_flow_pipeline_stage(p, i, &view);
        fputs(i ? ",{" : "{", stdout);
        plan_json_pair("stage", view.name);
        plan_json_pair("use", view.use);
        printf("\"cached\":%s,", view.state == TESSI_CACHED ? "true" : "false");
        plan_json_pair("state", state_names[view.state]);
        plan_json_pair("why", view.reason ? view.reason : "");
        plan_json_pair("specification", view.parameters);
        plan_json_pair("path", view.path);
        printf("\"steps\":%" PRId64 ",\"done\":%" PRId64 ",\"parameters\":%" PRId64 ",\"peak_bytes\":%" PRId64 ",\"flops\":", view.steps,
               view.done, view.cost.parameters, view.memory);
        tessi_base_json_f64(stdout, view.cost.flops);
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
    int code = cli_options_read(g, argc, argv, 0, &w);
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

const struct cli_verb cli_plan = {
    .name = "plan",
    .summary = "say what a run would compute, why, and what it takes",
    .usage = "usage: tessera plan P.yaml [key=value ...] [FLAGS]\n\n"
             "Checks the whole pipeline and computes nothing. For each stage: cached or to be run and why, trained parameters,\n"
             "peak memory, work. key=value changes the pipeline: tokenizer.steps=200, K=64 (a name under params), seed=3.\n\n"
             "  --until STAGE   this stage and what it needs\n"
             "  --force STAGE   as if this stage were not cached (may be repeated)\n"
             "  --seed N        instead of the pipeline's seed\n"
             "  --set key=value the same as key=value\n"
             "  --parameters    what each stage reads and its parameters, defaults filled in (-v does the same)\n"
             "  --json          as one JSON object\n",
    .run = plan,
};
