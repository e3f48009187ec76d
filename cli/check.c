/* `tessera check`: what a plugin promises, tried (core/judge). SPDX-License-Identifier: MIT */
#include "cli/flags.h"
#include "core/base/json.h"
#include "core/judge/judge.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CHECK_SETS = 64 };

struct check {
    struct tessi_judge_options judge;
    const char *set[CHECK_SETS], *only, *expect;
    int64_t level, seed, seconds;
    int json, list, in_process, verbose;
    int64_t told;
};

static const char *const outcome_name[TESSI_JUDGE_OUTCOMES] = {"passed", "failed", "skipped", "expected"};

/* ---- what is told -------------------------------------------------------------------------------------------------- */

static void check_json_text(const char *name, const char *value, const char *after)
{
    tessi_base_json_text(stdout, name);
    putchar(':');
    tessi_base_json_text(stdout, value);
    fputs(after, stdout);
}

static void check_json(struct check *c, const struct tessi_judge_result *r)
{
    fputs(c->told++ ? ",\n{" : "\n{", stdout);
    check_json_text("component", r->component, ",");
    check_json_text("test", r->test, ",");
    check_json_text("asserts", r->asserts, ",");
    check_json_text("outcome", outcome_name[r->outcome], ",");
    check_json_text("text", r->text, ",");
    check_json_text("parameters", r->config, ",\"seconds\":");
    printf("%.3f}", r->seconds);
}

/* Prints the command line that repeats this test alone. */
static void check_again(const struct check *c, const struct tessi_judge_result *r)
{
    printf("      again: tessera check %s --level %d --seed %" PRIu64 " --only %s:%s", cli_shown(c->judge.what), c->judge.level,
           c->judge.seed, r->component, r->test);
    for (int32_t i = 0; i < c->judge.sets; i++)
        printf(" --set '%s'", cli_shown(c->judge.set[i]));
    putchar('\n');
}

static void check_result(void *user, const struct tessi_judge_result *r)
{
    static const char *const word[TESSI_JUDGE_OUTCOMES] = {"passed  ", "FAILED  ", "skipped ", "expected"};
    struct check *c = user;
    if (c->json) {
        check_json(c, r);
        return;
    }
    if (r->outcome == TESSI_JUDGE_PASSED && !c->verbose)
        return;
    printf("%s  %s %s%s%s\n", word[r->outcome], r->component, r->test, *r->text ? ": " : "", r->text);
    if (r->outcome == TESSI_JUDGE_FAILED) {
        printf("      asserts: %s\n", r->asserts);
        if (*r->config)
            printf("      with: %s\n", cli_shown(r->config));
        check_again(c, r);
    }
    (void)fflush(stdout);
}

static void check_summary(const struct check *c, const struct tessi_judge_report *r)
{
    int64_t ran = r->count[TESSI_JUDGE_PASSED] + r->count[TESSI_JUDGE_FAILED] + r->count[TESSI_JUDGE_EXPECTED];
    if (c->json) {
        fputs("\n],", stdout);
        check_json_text("file", r->file, ",");
        printf("\"level\":%d,\"seed\":%" PRIu64 ",\"ran\":%lld", c->judge.level, c->judge.seed, (long long)ran);
        for (int i = 0; i < TESSI_JUDGE_OUTCOMES; i++)
            printf(",\"%s\":%lld", outcome_name[i], (long long)r->count[i]);
        puts("}");
        return;
    }
    printf("%s: %lld tests ran at level %d with seed %" PRIu64 ": %lld passed, %lld failed, %lld expected to fail; %lld skipped\n",
           cli_shown(r->file), (long long)ran, c->judge.level, c->judge.seed, (long long)r->count[TESSI_JUDGE_PASSED],
           (long long)r->count[TESSI_JUDGE_FAILED], (long long)r->count[TESSI_JUDGE_EXPECTED], (long long)r->count[TESSI_JUDGE_SKIPPED]);
    if (ran == 0)
        puts("nothing was tried, so nothing is known: the skipped tests say what they lack");
}

static void check_list_kind(const char *kind)
{
    const char *name, *asserts;
    int level;
    printf("%s\n", kind);
    for (int64_t i = 0; (name = tessi_judge_test_at(kind, i, &asserts, &level)); i++)
        printf("  %-20s %2d  %s\n", name, level, asserts);
}

/* Lists the tests of one kind, or of all: names, lowest levels, assertions. */
static int check_list(const struct check *c)
{
    static const char *const kinds[] = {"quantizer/1", "noise/1",  "denoiser/1", "sampler/1", "encoder/1",
                                        "decoder/1",   "critic/1", "features/1", "source/1",  "checkpoint/1",
                                        "format/1",    "stage/1",  "backend/1",  "metric/1",  "transport/1"};
    int found = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t word = strcspn(kinds[i], "/");
        int wanted = !c->judge.what || strcmp(c->judge.what, kinds[i]) == 0 ||
                     (strlen(c->judge.what) == word && strncmp(c->judge.what, kinds[i], word) == 0);
        if (wanted && found++)
            putchar('\n');
        if (wanted)
            check_list_kind(kinds[i]);
    }
    return found ? 0 : cli_usage_error("check", "there is no kind `%s`", c->judge.what);
}

/* ---- the verb ------------------------------------------------------------------------------------------------------ */

static int check_take_set(void *options, const char *verb, const char *value)
{
    struct check *c = options;
    if (c->judge.sets == CHECK_SETS || !strchr(value, '='))
        return cli_usage_error(verb, "--set wants KEY=VALUE, at most %d times, found `%s`", CHECK_SETS, value);
    c->set[c->judge.sets++] = value;
    return 0;
}

static int check_take_word(void *options, const char *verb, const char *word)
{
    struct check *c = options;
    if (c->judge.what)
        return cli_usage_error(verb, "wanted one plugin, found `%s` and `%s`", c->judge.what, word);
    c->judge.what = word;
    return 0;
}

static int check_run(const struct cli_globals *g, struct check *c)
{
    struct tessi_context context;
    struct tessi_runtime *r = NULL;
    struct tessi_judge_report report = {.file = ""};
    const struct tessi_runtime_options o = {.plugin_path = g->plugin_path, .backend = g->backend, .threads = 1, .level = TESSI_QUIET};
    tessi_base_context_init(&context, NULL);
    int status = tessi_host_runtime_new(&context.context, &o, &r);
    if (c->json && status == TESS_OK)
        fputs("{\"tests\":[", stdout);
    if (status == TESS_OK)
        status = tessi_judge_run(&context.context, r, &c->judge, check_result, c, &report);
    if (status == TESS_OK)
        check_summary(c, &report);
    else if (c->json && r)
        puts("\n]}");
    int code = status != TESS_OK ? cli_failed(&context.context, status) : 0;
    tessi_host_runtime_free(r);
    if (code == 0 && (report.count[TESSI_JUDGE_FAILED] || report.count[TESSI_JUDGE_PASSED] + report.count[TESSI_JUDGE_EXPECTED] == 0))
        code = tessi_base_exit_code(TESS_E_FAILED);
    return code;
}

static int check(struct cli_globals *g, int argc, char **argv)
{
    struct check c = {.level = 1, .seed = 1};
    int code = cli_flags_read(g, &cli_check, argc, argv, &c, check_take_word);
    if (code)
        return code;
    c.judge.level = (int)c.level;
    c.judge.seed = (uint64_t)c.seed;
    c.judge.seconds = (double)c.seconds;
    c.judge.only = c.only;
    c.judge.expect = c.expect;
    c.judge.in_process = c.in_process;
    c.judge.set = c.set;
    c.verbose = g->level == TESSI_VERBOSE;
    if (c.list)
        return check_list(&c);
    if (!c.judge.what)
        return cli_usage_error(argv[0], "wanted a plugin: its file, or KIND/NAME of one that is found");
    return check_run(g, &c);
}

static const struct cli_flag flags[] = {
    {.name = "--level",
     .value = "N",
     .help = "1: a few seconds; higher: more parameters are drawn, more tests are run",
     .initial = "1",
     .type = CLI_INTEGER,
     .offset = offsetof(struct check, level),
     .lo = 1,
     .hi = TESSI_JUDGE_LEVELS},
    {.name = "--seed",
     .value = "S",
     .help = "what is drawn",
     .initial = "1",
     .type = CLI_INTEGER,
     .offset = offsetof(struct check, seed),
     .lo = 0,
     .hi = INT64_MAX},
    {.name = "--only",
     .value = "NAME",
     .help = "a test (nearest), a component (quantizer/ema) or both (quantizer/ema:nearest)",
     .type = CLI_TEXT,
     .offset = offsetof(struct check, only)},
    {.name = "--set",
     .value = "KEY=VALUE",
     .help = "a parameter that is the same in all tests; KIND/NAME.KEY=VALUE of one component",
     .type = CLI_EACH,
     .take = check_take_set},
    {.name = "--expect",
     .value = "FILE",
     .help = "tests expected to fail, `KIND/NAME TEST: reason` a line (PLUGIN.expect beside PLUGIN.so)",
     .type = CLI_TEXT,
     .complete = CLI_COMPLETE_FILES,
     .offset = offsetof(struct check, expect)},
    {.name = "--seconds",
     .value = "N",
     .help = "time limit of a test (60 times the level)",
     .type = CLI_INTEGER,
     .offset = offsetof(struct check, seconds),
     .lo = 1,
     .hi = 86400},
    {.name = "--list",
     .help = "names of the tests, of all kinds or of one, with lowest levels and what they assert",
     .type = CLI_SWITCH,
     .offset = offsetof(struct check, list)},
    {.name = "--json", .help = "everything as one JSON object", .type = CLI_SWITCH, .offset = offsetof(struct check, json)},
    {.name = "--in-process",
     .help = "no processes of their own, for a debugger",
     .type = CLI_SWITCH,
     .offset = offsetof(struct check, in_process)},
    {.name = NULL}};

const struct cli_verb cli_check = {
    .name = "check",
    .summary = "judge a plugin: every promise of its kind, tried",
    .arguments = "FILE.so | KIND/NAME",
    .words = CLI_WORDS_PLUGINS_AND_FILES,
    .description = "Runs the tests of each component's kind, each in a process of its own with a time limit, and prints a line for\n"
                   "each that failed: wanted, found, and how to run it again. What is drawn depends on the seed and the test's name\n"
                   "alone.\n",
    .flags = flags,
    .notes = "-v lists the tests that passed, too. Exits with 0 when at least one test ran and none failed; 1 otherwise.\n",
    .run = check,
};
