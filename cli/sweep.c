/* `tessera sweep`: every variant of a pipeline. What happens is told on stderr, the variants and what became of them on stdout.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/flags.h"
#include "cli/table.h"
#include "core/base/json.h"
#include "core/base/progress_line.h"
#include "core/sweep/run.h"
#include "core/sweep/settled.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAX_WORDS 256
#define MAX_LISTS 256
#define MIB ((int64_t)1 << 20)

struct sweep_options {
    struct tessi_sweep_options define;
    struct tessi_sweep_settings settings;
    const char *word[MAX_WORDS], *zip[MAX_LISTS], *exclude[MAX_LISTS];
    const char *shard;
    int64_t mebibytes;
    int dry, json, keep_going;
    const struct cli_globals *globals;
};

/* ---- arguments ----------------------------------------------------------------------------------------------------- */

static int sweep_word(void *options, const char *verb, const char *word)
{
    struct sweep_options *o = options;
    if (!o->define.path) {
        o->define.path = word;
        return 0;
    }
    if (o->define.words == MAX_WORDS)
        return cli_usage_error(verb, "wanted at most %d key=value", MAX_WORDS);
    o->word[o->define.words++] = word;
    return 0;
}

static int sweep_set(void *options, const char *verb, const char *word)
{
    struct sweep_options *o = options;
    if (!o->define.path)
        return cli_usage_error(verb, "wanted the pipeline before --set");
    return sweep_word(options, verb, word);
}

static int sweep_zip(void *options, const char *verb, const char *value)
{
    struct sweep_options *o = options;
    if (o->define.zips == MAX_LISTS)
        return cli_usage_error(verb, "wanted --zip at most %d times", MAX_LISTS);
    o->zip[o->define.zips++] = value;
    return 0;
}

static int sweep_exclude(void *options, const char *verb, const char *value)
{
    struct sweep_options *o = options;
    if (o->define.excludes == MAX_LISTS)
        return cli_usage_error(verb, "wanted --exclude at most %d times", MAX_LISTS);
    o->exclude[o->define.excludes++] = value;
    return 0;
}

/* Reads "2/4": the second of four parts. */
static int sweep_shard(const char *verb, struct sweep_options *o)
{
    long long i = 0, n = 0;
    int used = 0;
    if (!o->shard)
        return 0;
    if (sscanf(o->shard, "%lld/%lld%n", &i, &n, &used) != 2 || o->shard[used] || i < 1 || n < i || n > 1000000)
        return cli_usage_error(verb, "--shard wants I/N, the I-th of N parts, like 1/4; found `%s`", o->shard);
    o->settings.shard = i;
    o->settings.shards = n;
    return 0;
}

/* A sweep is resumed by its own command, and several at once share what is done; with --force each of them would compute the stage again.
 */
static int sweep_refuse_force(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strncmp(argv[i], "--force", 7) == 0 && (!argv[i][7] || argv[i][7] == '='))
            return cli_usage_error(argv[0],
                                   "a sweep has no --force, as the same command resumes it; `tessera run P.yaml K=64 ... --force STAGE` "
                                   "computes the stage of a variant's values anew, and the sweep takes that result");
    return 0;
}

static int sweep_read(struct cli_globals *g, const struct cli_verb *verb, int argc, char **argv, struct sweep_options *o)
{
    memset(o, 0, sizeof *o);
    o->settings.jobs = 1;
    int code = sweep_refuse_force(argc, argv);
    if (code)
        return code;
    code = cli_flags_read(g, verb, argc, argv, o, sweep_word);
    if (code == 0 && !o->define.path)
        code = cli_usage_error(argv[0], "wanted a pipeline, a YAML file");
    if (code == 0 && o->keep_going && o->settings.fail_fast)
        code = cli_usage_error(argv[0], "--keep-going and --fail-fast exclude each other");
    if (code == 0 && o->json && !o->dry)
        code = cli_usage_error(argv[0], "--json goes with --dry-run");
    if (code == 0)
        code = sweep_shard(argv[0], o);
    o->globals = g;
    o->define.word = o->word;
    o->define.zip = o->zip;
    o->define.exclude = o->exclude;
    o->define.workdir = o->settings.workdir = g->workdir;
    o->settings.plugin_path = g->plugin_path;
    o->settings.backend = g->backend;
    o->settings.threads = (int)g->threads;
    o->settings.memory = o->mebibytes * MIB;
    return code;
}

/* ---- what would be done -------------------------------------------------------------------------------------------- */

/* Stages of a variant that are not in the cache, and those of them that none of the variants before it has. */
static void sweep_left(const struct tessi_sweep_plan *p, int64_t v, int64_t *left, int64_t *own)
{
    *left = *own = 0;
    for (int64_t i = 0; i < p->variant[v].stages; i++) {
        int64_t stage = p->variant[v].stage[i], first = 0;
        if (p->stage[stage].cached)
            continue;
        ++*left;
        for (int64_t before = 0; before < v && !first; before++)
            for (int64_t k = 0; k < p->variant[before].stages; k++)
                first |= p->variant[before].stage[k] == stage;
        *own += !first;
    }
}

static void sweep_show_variants(const struct tessi_sweep_plan *p)
{
    int width = 7;
    for (int64_t v = 0; v < p->sweep->variants; v++)
        width = (int)strlen(p->sweep->variant[v].name) > width ? (int)strlen(p->sweep->variant[v].name) : width;
    printf("%-*s  %6s  %6s  %s\n", width, "variant", "cached", "to run", "in common with those above");
    for (int64_t v = 0; v < p->sweep->variants; v++) {
        int64_t left, own;
        if (p->variant[v].status != TESS_OK) {
            printf("%-*s  fails: %s\n", width, p->sweep->variant[v].name, cli_shown(p->variant[v].message));
            continue;
        }
        sweep_left(p, v, &left, &own);
        printf("%-*s  %6" PRId64 "  %6" PRId64 "  %" PRId64 "\n", width, p->sweep->variant[v].name, p->variant[v].stages - left, own,
               left - own);
    }
}

static void sweep_show_plan(const struct tessi_sweep_plan *p)
{
    int64_t left = 0, unknown = 0, of_all = 0;
    double seconds = 0;
    char time[40];
    for (int64_t i = 0; i < p->stages; i++) {
        left += !p->stage[i].cached;
        of_all += p->stage[i].users;
        unknown += !p->stage[i].cached && p->stage[i].seconds < 0;
        seconds += p->stage[i].seconds > 0 ? p->stage[i].seconds : 0;
    }
    sweep_show_variants(p);
    printf("\n%" PRId64 " variants, %" PRId64 " stages, of which %" PRId64 " differ: %" PRId64 " to run, %" PRId64 " cached\n",
           p->sweep->variants, of_all, p->stages, left, p->stages - left);
    if (p->sweep->excluded)
        printf("excluded: %" PRId64 "\n", p->sweep->excluded);
    if (p->sweep->duplicates)
        printf("the same as another: %" PRId64 "\n", p->sweep->duplicates);
    tessi_base_duration_text(seconds, time, sizeof time);
    if (left && unknown < left)
        printf("time: about %s of work%s\n", time, unknown ? ", and what is not known of other stages" : "");
    else if (left)
        printf("time: not known; no stage like these has run on this machine\n");
    printf("results go to %s\n", cli_shown(p->sweep->folder));
}

static void sweep_json_pair(const char *name, const char *value)
{
    tessi_base_json_text(stdout, name);
    putchar(':');
    tessi_base_json_text(stdout, value);
}

static void sweep_json_variant(const struct tessi_sweep_plan *p, int64_t v)
{
    putchar('{');
    sweep_json_pair("variant", p->sweep->variant[v].name);
    fputs(",\"set\":[", stdout);
    for (int64_t i = 0; i < p->sweep->variant[v].sets; i++) {
        fputs(i ? "," : "", stdout);
        tessi_base_json_text(stdout, p->sweep->variant[v].set[i]);
    }
    fputs("],\"error\":", stdout);
    tessi_base_json_text(stdout, p->variant[v].status == TESS_OK ? NULL : p->variant[v].message);
    fputs(",\"stages\":[", stdout);
    for (int64_t i = 0; i < p->variant[v].stages; i++) {
        const struct tessi_sweep_stage *s = &p->stage[p->variant[v].stage[i]];
        fputs(i ? ",{" : "{", stdout);
        sweep_json_pair("stage", s->name);
        putchar(',');
        sweep_json_pair("identity", s->identity);
        printf(",\"cached\":%s,\"peak_bytes\":%" PRId64 ",\"seconds\":", s->cached ? "true" : "false", s->memory);
        if (s->seconds < 0)
            fputs("null", stdout);
        else
            tessi_base_json_f64(stdout, s->seconds);
        putchar('}');
    }
    fputs("]}", stdout);
}

static void sweep_show_json(const struct tessi_sweep_plan *p)
{
    putchar('{');
    sweep_json_pair("name", p->sweep->name);
    putchar(',');
    sweep_json_pair("folder", p->sweep->folder);
    fputs(",\"variants\":[", stdout);
    for (int64_t v = 0; v < p->sweep->variants; v++) {
        fputs(v ? "," : "", stdout);
        sweep_json_variant(p, v);
    }
    fputs("],\"excluded\":[", stdout);
    for (int64_t i = 0; i < p->sweep->excluded; i++) {
        fputs(i ? "," : "", stdout);
        tessi_base_json_text(stdout, p->sweep->exclude[i]);
    }
    fputs("],\"duplicates\":[", stdout);
    for (int64_t i = 0; i < p->sweep->duplicates; i++) {
        fputs(i ? ",{" : "{", stdout);
        sweep_json_pair("variant", p->sweep->duplicate[i].name);
        putchar(',');
        sweep_json_pair("of", p->sweep->duplicate[i].of);
        putchar('}');
    }
    puts("]}");
}

/* ---- what became of it --------------------------------------------------------------------------------------------- */

/* Shows the table, if something of it can be shown; a failure to do so is told beside what became of the sweep. */
static void sweep_show_table(const struct cli_globals *g, const struct tessi_sweep *s)
{
    struct tessi_context own;
    const char *const path[] = {s->folder};
    tessi_base_context_init(&own, NULL);
    (void)fflush(stderr);
    if (cli_table_show(&own.context, g, path, 1, NULL) != TESS_OK)
        (void)cli_failed(&own.context, TESS_E_FAILED);
}

/* 1 where the sweep is as its last end left it: that is told, and all there is to do. */
static int sweep_is_settled(struct tess_context *ctx, const struct sweep_options *o, struct tessi_sweep **s, const char *request)
{
    struct tessi_sweep *kept = NULL;
    struct tessi_context own;
    int64_t stages;
    tessi_base_context_init(&own, NULL);
    int same = tessi_sweep_settled_is(ctx, *s, &o->settings, request, &stages) &&
               tessi_sweep_read(&own.context, (*s)->folder, &kept) == TESS_OK; /* without the duplicates */
    if (same) {
        tessi_base_log_note(o->settings.log, "nothing to do: %" PRId64 " variants, %" PRId64 " stages cached", kept->variants, stages);
        tessi_base_log_note(o->settings.log, "results  %s", kept->folder);
        sweep_show_table(o->globals, kept);
    }
    tessi_sweep_free(kept);
    return same;
}

static int sweep_work(struct tess_context *ctx, struct sweep_options *o, struct tessi_sweep **s)
{
    struct tessi_sweep_plan plan;
    char request[65];
    TESS_TRY(tessi_sweep_define(ctx, &o->define, s));
    TESS_TRY(tessi_sweep_settled_request(ctx, *s, request));
    if (!o->dry && sweep_is_settled(ctx, o, s, request))
        return TESS_OK;
    TESS_TRY(tessi_sweep_plan(ctx, *s, &o->settings, &plan));
    for (int64_t i = 0; i < (*s)->notes; i++)
        tessi_base_log_note(o->settings.log, "%s", (*s)->note[i]);
    if (o->dry) {
        if (o->json)
            sweep_show_json(&plan);
        else
            sweep_show_plan(&plan);
        return TESS_OK;
    }
    int status = tessi_sweep_run(ctx, &plan, &o->settings);
    if (status == TESS_OK)
        tessi_sweep_settled_leave(ctx, &plan, &o->settings, request);
    sweep_show_table(o->globals, *s);
    return status;
}

static int sweep(struct cli_globals *g, int argc, char **argv)
{
    static struct sweep_options o;
    struct tessi_context context;
    struct tessi_sweep *s = NULL;
    int code = sweep_read(g, &cli_sweep, argc, argv, &o);
    if (code)
        return code;
    tessi_base_context_init(&context, NULL);
    tessi_base_signals_catch();
    int status = tessi_base_log_new(&context.context, stderr, g->level, g->colour, &o.settings.log);
    if (status == TESS_OK)
        status = sweep_work(&context.context, &o, &s);
    (void)fflush(stdout);
    code = status == TESS_OK ? 0 : cli_failed(&context.context, status);
    tessi_sweep_free(s);
    tessi_base_log_free(o.settings.log);
    return code;
}

#define SWEEP_OPTION(member) .offset = offsetof(struct sweep_options, member)

static const struct cli_flag flags[] = {
    {.name = "--dry-run", .brief = "-n", .help = "only list the variants and what is left to run", .type = CLI_SWITCH, SWEEP_OPTION(dry)},
    {.name = "--jobs",
     .brief = "-j",
     .value = "N",
     .help = "stages side by side; they share the threads",
     .initial = "1",
     .type = CLI_INTEGER,
     SWEEP_OPTION(settings.jobs),
     .lo = 1,
     .hi = 64},
    {.name = "--memory",
     .value = "MIB",
     .help = "what stages side by side may take together, by their plans",
     .initial = "nine tenths of what is available",
     .type = CLI_INTEGER,
     SWEEP_OPTION(mebibytes),
     .lo = 1,
     .hi = INT64_C(1) << 40},
    {.name = "--keep-going",
     .brief = "-k",
     .help = "a failure ends the variants that have it, and no others (the default)",
     .type = CLI_SWITCH,
     SWEEP_OPTION(keep_going)},
    {.name = "--fail-fast", .help = "the first failure stops all", .type = CLI_SWITCH, SWEEP_OPTION(settings.fail_fast)},
    {.name = "--shard",
     .value = "I/N",
     .help = "begin with the I-th of N parts of the variants, then help with the others'",
     .type = CLI_TEXT,
     SWEEP_OPTION(shard)},
    {.name = "--zip",
     .value = "AXIS,AXIS",
     .help = "these axes take their values together (may be repeated)",
     .type = CLI_EACH,
     .take = sweep_zip},
    {.name = "--exclude",
     .value = "AXIS=VALUE,...",
     .help = "leave out the variants with all of these values (may be repeated)",
     .type = CLI_EACH,
     .take = sweep_exclude},
    {.name = "--baseline",
     .value = "AXIS=VALUE,...",
     .help = "the variant that tables compare the others with",
     .type = CLI_TEXT,
     SWEEP_OPTION(define.baseline)},
    {.name = "--checkpoint-seconds",
     .value = "N",
     .help = "between two checkpoints of a stage",
     .initial = "60",
     .type = CLI_INTEGER,
     SWEEP_OPTION(settings.checkpoint_seconds),
     .lo = 1,
     .hi = 1000000000},
    {.name = "--set", .value = "key=value", .help = "the same as key=value", .type = CLI_EACH, .take = sweep_set},
    {.name = "--json", .help = "with --dry-run: as one JSON object", .type = CLI_SWITCH, SWEEP_OPTION(json)},
    {.name = NULL}};

const struct cli_verb cli_sweep = {
    .name = "sweep",
    .summary = "run every variant of a pipeline; stages in common once",
    .arguments = "P.yaml [key=value,value ...] [key=value ...]",
    .description =
        "Runs the pipeline with every combination of values: K=64,256 seed=1,2,3 'steps=range(100, 500, 100)', and the axes under\n"
        "`sweep:` in the file. A stage that several variants have is computed once. Each variant has a folder as a run has it,\n"
        "runs/NAME/VARIANT; runs/NAME/sweep.yaml lists them. A sweep that was stopped or killed resumes with the same command.\n"
        "key=value of one value changes all variants; quotes or brackets keep a comma in a value. docs/sweeps.md has more.\n",
    .flags = flags,
    .notes =
        "Several at once, on one machine or on machines that share the folder, compute no stage twice. Ctrl-C, SIGTERM and SIGHUP stop\n"
        "all stages at checkpoints (exit code 75; after Ctrl-C, SIGINT); Ctrl-C again ends at once. A failed variant is exit code 1.\n",
    .run = sweep,
};
