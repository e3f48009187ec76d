/* `tessera report`: runs and sweeps as one HTML page that needs nothing else. SPDX-License-Identifier: MIT */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "cli/bench.h"
#include "cli/flags.h"
#include "cli/table.h"
#include "core/base/aside.h"
#include "core/base/context.h"
#include "core/base/log.h"
#include "core/base/processor.h"
#include "core/report/page.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { REPORT_PATHS = 4096 };
#define REPORT_OUTPUT "report.html"

struct report_options {
    struct tessi_report_page_options page;
    int64_t paths, every;
    const char *path[REPORT_PATHS];
    int watch;
};

static int report_take_word(void *options, const char *verb, const char *word)
{
    struct report_options *o = options;
    if (o->paths == REPORT_PATHS)
        return cli_usage_error(verb, "wanted at most %d runs or sweeps", REPORT_PATHS);
    o->path[o->paths++] = word;
    return 0;
}

/* "Made 2026-01-02 03:04 UTC on HOST by tessera 0.1.0". */
static void report_made(char *text, size_t capacity)
{
    char host[256] = "", when[64];
    struct tm utc;
    time_t now = time(NULL);
    (void)gethostname(host, sizeof host - 1);
    (void)strftime(when, sizeof when, "%Y-%m-%d %H:%M UTC", gmtime_r(&now, &utc));
    (void)snprintf(text, capacity, "Made %s on %s by tessera %s", when, host, PACKAGE_VERSION);
}

/* The machine's peak, measured where a page has a use for it, and once. */
static double report_peak(int64_t threads, int bf16)
{
    static struct {
        int64_t threads;
        double peak;
    } known[2];
    bf16 = bf16 != 0;
    if (threads < 1 || threads > INT_MAX)
        return 0.0;
    if (known[bf16].threads != threads) {
        double peak = bf16 ? bench_peak((int)threads, BENCH_BF16) : 0.0;
        known[bf16].peak = 1e9 * (peak > 0.0 ? peak : bench_peak((int)threads, BENCH_F32));
        known[bf16].threads = threads;
    }
    return known[bf16].peak;
}

static int report_unfinished(const struct tessi_report_set *set)
{
    for (int64_t i = 0; i < set->runs; i++)
        if (set->run[i].outcome == TESSI_REPORT_NOT_RUN)
            return 1;
    return 0;
}

/* Writes the page once. *unfinished: a run is not at its end. */
static int report_write(struct tess_context *ctx, const struct report_options *o, const char *const *paths, int *unfinished)
{
    struct tessi_report_page_options page = o->page;
    struct tessi_report_set set;
    char made[400], processor[128], *text = NULL;
    size_t bytes = 0;
    report_made(made, sizeof made);
    page.made = made;
    page.peak = report_peak;
    page.processor = tessi_base_processor_name(processor, sizeof processor);
    page.refresh = o->watch ? o->every : 0;
    int status = tessi_report_collect(ctx, paths, o->paths, &set);
    FILE *to = status == TESS_OK ? open_memstream(&text, &bytes) : NULL;
    if (to) {
        status = tessi_report_page(ctx, &set, &page, to);
        if (fclose(to) != 0 && status == TESS_OK)
            status = ctx->fail(ctx, TESS_E_MEMORY, "no memory for a page");
    }
    *unfinished = report_unfinished(&set);
    tessi_report_free(&set);
    if (status == TESS_OK)
        status = text ? tessi_base_write_text(ctx, page.output, text, bytes) : ctx->fail(ctx, TESS_E_MEMORY, "no memory for a page");
    free(text);
    return status;
}

/* Writes the page again and again until all runs are at their end, or until a stop is asked for. */
static int report_watch(struct tess_context *ctx, const struct report_options *o, const char *const *paths, int *unfinished)
{
    tessi_base_signals_catch();
    int status = report_write(ctx, o, paths, unfinished);
    while (status == TESS_OK && *unfinished) {
        for (int64_t i = 0; i < 10 * o->every && !tessi_base_signals_stopping(); i++)
            (void)nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        if (tessi_base_signals_stopping())
            return ctx->fail(ctx, TESS_E_STOPPED, "stopped; %s is as it was written last", o->page.output);
        status = report_write(ctx, o, paths, unfinished);
    }
    return status;
}

/* Refuses a page in the place of what it is made of: an artefact or a log in a run's folder. An earlier page may lie there. */
static int report_not_over(struct tess_context *ctx, const char *output, const char *const *paths, int64_t n)
{
    size_t length = strlen(output);
    if (length > 5 && strcmp(output + length - 5, ".html") == 0)
        return TESS_OK;
    for (int64_t i = 0; i < n; i++)
        TESS_TRY(tessi_base_not_over(ctx, output, paths[i]));
    return TESS_OK;
}

static int report_of_paths(struct tess_context *ctx, const struct cli_globals *g, const struct report_options *o, int *unfinished)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(o->paths + 1) * sizeof(char *), "paths", &memory));
    char **found = memory;
    int status = cli_run_paths(ctx, g, o->path, o->paths, found);
    if (status == TESS_OK)
        status = report_not_over(ctx, o->page.output, (const char *const *)found, o->paths);
    if (status == TESS_OK)
        status = (o->watch ? report_watch : report_write)(ctx, o, (const char *const *)found, unfinished);
    for (int64_t i = 0; i < o->paths; i++)
        tess_free(found[i]);
    tess_free(found);
    return status;
}

static int report_run(struct cli_globals *g, int argc, char **argv)
{
    static struct report_options o;
    struct tessi_context context;
    int unfinished = 0;
    memset(&o, 0, sizeof o);
    o.every = 5;
    int code = cli_flags_read(g, &cli_report, argc, argv, &o, report_take_word);
    if (code)
        return code;
    if (!o.paths)
        return cli_usage_error(argv[0], "wanted the folder of a run or of a sweep, runs/NAME");
    if (!o.page.output)
        o.page.output = REPORT_OUTPUT;
    tessi_base_context_init(&context, NULL);
    int status = report_of_paths(&context.context, g, &o, &unfinished);
    if (status == TESS_OK && g->level > TESSI_QUIET)
        fprintf(stderr, "%s%s\n", cli_shown(o.page.output),
                unfinished ? ": some runs are not at their end; `--watch` keeps it up to date" : "");
    return status == TESS_OK ? 0 : cli_failed(&context.context, status);
}

#define OPTION(member) .offset = offsetof(struct report_options, member)
static const struct cli_flag flags[] = {
    {.name = "--output",
     .brief = "-o",
     .value = "FILE",
     .help = "the page",
     .initial = REPORT_OUTPUT,
     .type = CLI_TEXT,
     .complete = CLI_COMPLETE_FILES,
     OPTION(page.output)},
    {.name = "--watch", .help = "write it again while runs are at work; the browser follows", .type = CLI_SWITCH, OPTION(watch)},
    {.name = "--every",
     .value = "SECONDS",
     .help = "with --watch: how often",
     .initial = "5",
     .type = CLI_INTEGER,
     OPTION(every),
     .lo = 1,
     .hi = 86400},
    {.name = "--reproducible",
     .help = "without the line of clock and machine, and without all that a clock measured",
     .type = CLI_SWITCH,
     OPTION(page.reproducible)},
    {.name = "--metrics",
     .value = "A,B",
     .help = "these metrics, in this order, by name or a part of it",
     .initial = "those with a direction that vary",
     .type = CLI_TEXT,
     OPTION(page.metrics)},
    {.name = "--sort", .value = "NAME", .help = "by a metric, best first, or by a setting", .type = CLI_TEXT, OPTION(page.sort)},
    {.name = "--baseline",
     .value = "ROW",
     .help = "compare with this row, K=64",
     .initial = "the sweep's, else the first",
     .type = CLI_TEXT,
     OPTION(page.baseline)},
    {.name = NULL}};

const struct cli_verb cli_report = {
    .name = "report",
    .summary = "runs and sweeps as one HTML page: table, pictures, curves, codebooks, times",
    .arguments = "RUN|SWEEP ...",
    .description =
        "Writes one page that needs no network and no other file: what was asked, the table with its intervals, the same images of\n"
        "every variant side by side, how codebooks are used, curves, protocols, the pipeline, times, and how to do it again. Two\n"
        "runs are compared in two rows. It is made of the folders' artefacts and logs alone. RUN is runs/NAME, or NAME.\n",
    .flags = flags,
    .notes = "docs/report.md explains the page.\n",
    .run = report_run,
};
