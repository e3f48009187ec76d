/* `tessera table`: runs and sweeps as one table. SPDX-License-Identifier: MIT */
#include "cli/table.h"
#include "cli/draw.h"
#include "cli/flags.h"
#include "core/base/context.h"
#include "core/base/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_PATHS 4096

static int table_is_there(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

int cli_run_paths(struct tess_context *ctx, const struct cli_globals *g, const char *const *paths, int64_t n, char **found)
{
    for (int64_t i = 0; i < n; i++) {
        char *below = NULL;
        TESS_TRY(tessi_base_format(ctx, &below, "%s%sruns/%s", g->workdir ? g->workdir : "", g->workdir ? "/" : "", paths[i]));
        int use = !table_is_there(paths[i]) && table_is_there(below);
        int status = tess_copy_text(ctx, use ? below : paths[i], &found[i]);
        tess_free(below);
        TESS_TRY(status);
    }
    return TESS_OK;
}

/* 1 where the locale's characters are UTF-8, by the variables that decide it. */
static int table_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]), *charset = value ? strchr(value, '.') : NULL;
        if (value && *value)
            return charset && (strncasecmp(charset, ".utf-8", 6) == 0 || strncasecmp(charset, ".utf8", 5) == 0);
    }
    return 0;
}

static int table_print(struct tess_context *ctx, const struct cli_globals *g, const char *const *paths, int64_t n,
                       const struct tessi_report_table_options *o, int format, int differences)
{
    const struct tessi_report_text_style style = {
        .columns = isatty(STDOUT_FILENO) || getenv("COLUMNS") ? cli_columns() : 0,
        .utf8 = table_utf8(),
        .bold = g->colour && isatty(STDOUT_FILENO),
        .differences = differences,
    };
    struct tessi_report_set set;
    struct tessi_report_table table;
    int status = tessi_report_collect(ctx, paths, n, &set);
    if (status == TESS_OK)
        status = tessi_report_table_make(ctx, &set, o, &table);
    if (status == TESS_OK)
        status = tessi_report_table_print(ctx, &table, format, &style, stdout);
    tessi_report_free(&set);
    return status;
}

static int table_of_paths(struct tess_context *ctx, const struct cli_globals *g, const char *const *paths, int64_t n,
                          const struct tessi_report_table_options *o, int format, int differences)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(n + 1) * sizeof(char *), "paths", &memory));
    char **found = memory;
    int status = cli_run_paths(ctx, g, paths, n, found);
    if (status == TESS_OK)
        status = table_print(ctx, g, (const char *const *)found, n, o, format, differences);
    for (int64_t i = 0; i < n; i++)
        tess_free(found[i]);
    tess_free(found);
    return status;
}

int cli_table_show(struct tess_context *ctx, const struct cli_globals *g, const char *const *paths, int64_t n,
                   const struct tessi_report_table_options *o)
{
    static const struct tessi_report_table_options defaults;
    return table_of_paths(ctx, g, paths, n, o ? o : &defaults, TESSI_REPORT_AS_TEXT, 0);
}

/* ---- the verb ------------------------------------------------------------------------------------------------------ */

struct table_options {
    struct tessi_report_table_options table;
    int64_t paths;
    const char *path[MAX_PATHS];
    int csv, json, latex, markdown, differences;
};

static int table_take_word(void *options, const char *verb, const char *word)
{
    struct table_options *o = options;
    if (o->paths == MAX_PATHS)
        return cli_usage_error(verb, "wanted at most %d runs or sweeps", MAX_PATHS);
    o->path[o->paths++] = word;
    return 0;
}

static int table_run(struct cli_globals *g, int argc, char **argv)
{
    static struct table_options o;
    struct tessi_context context;
    memset(&o, 0, sizeof o);
    int code = cli_flags_read(g, &cli_table, argc, argv, &o, table_take_word);
    if (code)
        return code;
    if (!o.paths)
        return cli_usage_error(argv[0], "wanted the folder of a run or of a sweep, runs/NAME");
    if (o.csv + o.json + o.latex + o.markdown > 1)
        return cli_usage_error(argv[0], "wanted one of --csv, --json, --latex and --markdown");
    int format = o.csv        ? TESSI_REPORT_AS_CSV
                 : o.json     ? TESSI_REPORT_AS_JSON
                 : o.latex    ? TESSI_REPORT_AS_LATEX
                 : o.markdown ? TESSI_REPORT_AS_MARKDOWN
                              : TESSI_REPORT_AS_TEXT;
    tessi_base_context_init(&context, NULL);
    int status = table_of_paths(&context.context, g, o.path, o.paths, &o.table, format, o.differences);
    return status == TESS_OK ? 0 : cli_failed(&context.context, status);
}

#define OPTION(member) .offset = offsetof(struct table_options, member)
static const struct cli_flag flags[] = {
    {.name = "--csv", .help = "as comma-separated values, with all digits", .type = CLI_SWITCH, OPTION(csv)},
    {.name = "--json", .help = "as one JSON object, with every value", .type = CLI_SWITCH, OPTION(json)},
    {.name = "--latex", .help = "as a LaTeX tabular (booktabs)", .type = CLI_SWITCH, OPTION(latex)},
    {.name = "--markdown", .help = "as a Markdown table", .type = CLI_SWITCH, OPTION(markdown)},
    {.name = "--metrics",
     .value = "A,B",
     .help = "these metrics, in this order, by name or a part of it",
     .initial = "those with a direction that vary",
     .type = CLI_TEXT,
     OPTION(table.metrics)},
    {.name = "--all", .help = "all metrics, and all settings that differ", .type = CLI_SWITCH, OPTION(table.all)},
    {.name = "--sort", .value = "NAME", .help = "by a metric, best first, or by a setting", .type = CLI_TEXT, OPTION(table.sort)},
    {.name = "--baseline",
     .value = "ROW",
     .help = "compare with this row, K=64",
     .initial = "the sweep's, else the first",
     .type = CLI_TEXT,
     OPTION(table.baseline)},
    {.name = "--differences",
     .help = "beside each value the difference to the baseline; ~ marks those within noise",
     .type = CLI_SWITCH,
     OPTION(differences)},
    {.name = NULL}};

const struct cli_verb cli_table = {
    .name = "table",
    .summary = "runs and sweeps as one table of their metrics",
    .arguments = "RUN|SWEEP ...",
    .description = "A row for each variant; runs that differ by their seed alone are one row: mean, 95 % interval and n. Columns are the\n"
                   "settings that differ and the metrics, with the better direction; the best is marked, and so are those within noise of\n"
                   "it. Metrics that were measured in different ways are columns of their own. RUN is runs/NAME, or NAME.\n",
    .flags = flags,
    .run = table_run,
};
