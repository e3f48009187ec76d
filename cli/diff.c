/* `tessera diff`: in what two runs differ. SPDX-License-Identifier: MIT */
#include "cli/table.h"
#include "cli/flags.h"
#include "core/base/context.h"
#include "core/base/json.h"
#include "core/report/differences.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct diff_options {
    const char *path[2];
    int paths, json;
};

/* ---- as text ------------------------------------------------------------------------------------------------------- */

static const char *const titles[TESSI_DIFFERENT_KINDS] = {"settings",
                                                          "seeds",
                                                          "stages of one run alone",
                                                          "plugins and versions",
                                                          "inputs from outside (SHA-256)",
                                                          "results (SHA-256 of the content)",
                                                          "metrics",
                                                          "pictures",
                                                          "outcome"};

static int diff_is_digest(int kind)
{
    return kind == TESSI_DIFFERENT_INPUT || kind == TESSI_DIFFERENT_RESULT;
}

/* Prints a side: a digest by its beginning, and `-` for what is not there. */
static void diff_side(const struct tessi_report_difference *d, const char *text)
{
    if (!text)
        fputs("-", stdout);
    else if (diff_is_digest(d->kind))
        printf("%.12s", cli_shown(text));
    else
        fputs(*text ? cli_shown(text) : "\"\"", stdout);
}

static void diff_metric(const struct tessi_report_difference *d)
{
    const char *unit = d->unit_b ? d->unit_b : d->unit;
    if (d->a)
        printf("%.6g", d->va);
    else
        putchar('-');
    if (d->unit_b)
        printf("%s%s", *d->unit ? " " : "", cli_shown(d->unit));
    fputs("  ->  ", stdout);
    if (d->b)
        printf("%.6g", d->vb);
    else
        putchar('-');
    printf("%s%s", *unit ? " " : "", cli_shown(unit));
    if (d->a && d->b && d->elsewhere)
        fputs("  measured in another way, or on other data", stdout);
    else if (d->a && d->b)
        printf("  %+.4g%s", d->vb - d->va,
               d->compared == TESSI_REPORT_WITHIN  ? ", within noise"
               : d->compared == TESSI_REPORT_APART ? ", more than noise"
                                                   : "");
}

static void diff_line(const struct tessi_report_difference *d)
{
    int plain = !*d->stage || strcmp(d->stage, d->name) == 0 || d->kind == TESSI_DIFFERENT_PLUGIN;
    printf("  %s%s%s  ", plain ? "" : cli_shown(d->stage), plain ? "" : ": ", cli_shown(d->name));
    if (d->kind == TESSI_DIFFERENT_METRIC) {
        diff_metric(d);
    } else {
        diff_side(d, d->a);
        fputs("  ->  ", stdout);
        diff_side(d, d->b);
    }
    putchar('\n');
}

static void diff_text(const struct tessi_report_run *a, const struct tessi_report_run *b, const struct tessi_report_differences *all)
{
    printf("%s  ->  ", cli_shown(a->folder));
    printf("%s\n", cli_shown(b->folder));
    for (int kind = 0; kind < TESSI_DIFFERENT_KINDS; kind++) {
        int n = 0;
        for (int64_t i = 0; i < all->count; i++) {
            if (all->item[i].kind != kind)
                continue;
            if (!n++)
                printf("\n%s\n", titles[kind]);
            diff_line(&all->item[i]);
        }
    }
    printf("\n%sthe same: %" PRId64 " settings, %" PRId64 " results, %" PRId64 " metrics, %" PRId64 " pictures\n",
           all->count ? "" : "nothing differs; ", all->same_settings, all->same_results, all->same_metrics, all->same_pictures);
}

/* ---- as JSON ------------------------------------------------------------------------------------------------------- */

static const char *const names[TESSI_DIFFERENT_KINDS] = {"settings", "seeds",   "stages",   "plugins", "inputs",
                                                         "results",  "metrics", "pictures", "outcome"};

static void diff_json_pair(const char *front, const char *name, const char *text)
{
    printf("%s\"%s\":", front, name);
    tessi_base_json_text(stdout, text);
}

static void diff_json_number(const char *name, double value, int known)
{
    printf(",\"%s\":", name);
    if (known)
        tessi_base_json_f64(stdout, value);
    else
        fputs("null", stdout);
}

static void diff_json_item(const struct tessi_report_difference *d)
{
    diff_json_pair("{", "stage", d->stage);
    diff_json_pair(",", "name", d->name);
    if (d->kind == TESSI_DIFFERENT_METRIC) {
        int both = d->a && d->b;
        diff_json_pair(",", "unit", d->unit);
        diff_json_pair(",", "unit_b", d->unit_b ? d->unit_b : d->unit);
        diff_json_number("a", d->va, d->a != NULL);
        diff_json_number("b", d->vb, d->b != NULL);
        diff_json_number("difference", d->vb - d->va, both && !d->elsewhere);
        diff_json_number("interval", d->half, both && !d->elsewhere && d->half >= 0);
        printf(",\"same_protocol\":%s,\"within_noise\":%s", both && !d->elsewhere ? "true" : "false",
               !both || d->elsewhere || d->compared == TESSI_REPORT_UNKNOWN ? "null"
               : d->compared == TESSI_REPORT_WITHIN                         ? "true"
                                                                            : "false");
    } else {
        diff_json_pair(",", "a", d->a);
        diff_json_pair(",", "b", d->b);
    }
    putchar('}');
}

static void diff_json(const struct tessi_report_run *a, const struct tessi_report_run *b, const struct tessi_report_differences *all)
{
    diff_json_pair("{", "a", a->folder);
    diff_json_pair(",", "b", b->folder);
    for (int kind = 0; kind < TESSI_DIFFERENT_KINDS; kind++) {
        int n = 0;
        printf(",\n\"%s\":[", names[kind]);
        for (int64_t i = 0; i < all->count; i++) {
            if (all->item[i].kind != kind)
                continue;
            fputs(n++ ? ",\n " : "\n ", stdout);
            diff_json_item(&all->item[i]);
        }
        putchar(']');
    }
    printf(",\n\"same\":{\"settings\":%" PRId64 ",\"results\":%" PRId64 ",\"metrics\":%" PRId64 ",\"pictures\":%" PRId64 "}}\n",
           all->same_settings, all->same_results, all->same_metrics, all->same_pictures);
}

/* ---- the verb ------------------------------------------------------------------------------------------------------ */

static int diff_show(struct tess_context *ctx, const struct diff_options *o, const char *const *paths)
{
    struct tessi_report_set set;
    struct tessi_report_differences all;
    int status = tessi_report_collect(ctx, paths, 2, &set);
    if (status == TESS_OK && set.sweeps)
        status = ctx->fail(ctx, TESS_E_USAGE, "%s: is a sweep; name two of its variants, or compare all in one table: `tessera table %s`",
                           set.sweep[0].folder, set.sweep[0].folder);
    int64_t second = set.runs - 1; /* the first where one run was named twice */
    if (status == TESS_OK)
        status = tessi_report_compare_runs(ctx, &set, &set.run[0], &set.run[second], &all);
    if (status == TESS_OK)
        (o->json ? diff_json : diff_text)(&set.run[0], &set.run[second], &all);
    for (int64_t i = 0; status == TESS_OK && i < set.notes; i++)
        fprintf(stderr, "tessera diff: %s\n", cli_shown(set.note[i]));
    tessi_report_free(&set);
    return status;
}

static int diff_take_word(void *options, const char *verb, const char *word)
{
    struct diff_options *o = options;
    if (o->paths == 2)
        return cli_usage_error(verb, "wanted two runs, found a third: `%s`; `tessera table` takes any number", word);
    o->path[o->paths++] = word;
    return 0;
}

static int diff_run(struct cli_globals *g, int argc, char **argv)
{
    struct diff_options o = {{NULL, NULL}, 0, 0};
    struct tessi_context context;
    char *found[2] = {NULL, NULL};
    int code = cli_flags_read(g, &cli_diff, argc, argv, &o, diff_take_word);
    if (code)
        return code;
    if (o.paths < 2)
        return cli_usage_error(argv[0], "wanted the folders of two runs, runs/A and runs/B");
    tessi_base_context_init(&context, NULL);
    int status = cli_run_paths(&context.context, g, o.path, 2, found);
    if (status == TESS_OK)
        status = diff_show(&context.context, &o, (const char *const *)found);
    tess_free(found[0]);
    tess_free(found[1]);
    return status == TESS_OK ? 0 : cli_failed(&context.context, status);
}

static const struct cli_flag flags[] = {
    {.name = "--json", .help = "as one JSON object", .type = CLI_SWITCH, .offset = offsetof(struct diff_options, json)}, {.name = NULL}};

const struct cli_verb cli_diff = {
    .name = "diff",
    .summary = "in what two runs differ",
    .arguments = "A B",
    .description =
        "Settings, seeds, stages, plugins and versions, inputs by digest, results, metrics (with the difference, and whether it\n"
        "is within their noise), pictures by content. A and B are runs/NAME, or NAME; a sweep's variant is runs/SWEEP/VARIANT.\n",
    .flags = flags,
    .run = diff_run,
};
