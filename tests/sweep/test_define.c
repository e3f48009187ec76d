/* A sweep as it is written: axes of the file and the command line, ranges, named choices, zipped axes, exclusions, names, and what is
 * refused. And sweep.yaml, which reads back as it was.
 *
 * SPDX-License-Identifier: MIT */
#include "core/sweep/sweep.h"

#include "core/base/context.h"
#include "core/base/memory.h"
#include "tests/support/flow_fixture.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>

#define HEAD "tessera: 1\nname: group/t\nparams: {K: 4}\nstages:\n  one: {use: flow-make, count: \"${K}\"}\n"

static struct tessi_context context;
static struct tessi_sweep *s;

/* Defines the sweep of a file with these words; NULL ends them. */
static int define(const char *file, const struct tessi_sweep_options *more, const char *const *word)
{
    struct tessi_sweep_options o = *more;
    o.path = "p.yaml";
    o.word = word;
    while (word[o.words])
        o.words++;
    flow_write("p.yaml", file);
    tessi_sweep_free(s);
    s = NULL;
    tessi_base_context_init(&context, NULL);
    return tessi_sweep_define(&context.context, &o, &s);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_WORDS ((const char *const[]){NULL})
#define PLAIN (&(const struct tessi_sweep_options){.workdir = NULL})

static void expect(int status)
{
    ck_assert_msg(status == TESS_OK, "%s", tessi_base_context_message(&context.context));
}

/* The names of all variants, with a blank between. */
static const char *names(void)
{
    static char text[4096];
    *text = '\0';
    for (int64_t i = 0; i < s->variants; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "", s->variant[i].name);
    return text;
}

/* The overrides of one variant, with a bar between. */
static const char *sets(int64_t i)
{
    static char text[1024];
    *text = '\0';
    for (int64_t k = 0; k < s->variant[i].sets; k++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", k ? "|" : "", s->variant[i].set[k]);
    return text;
}

static void stop(void)
{
    tessi_sweep_free(s);
    s = NULL;
    flow_end();
}

/* ---- axes ---------------------------------------------------------------------------------------------------------- */

START_TEST(words)
{
    expect(define(HEAD, PLAIN, WORDS("K=4,5", "one.label=\"a,b\",c", "one.scale=2", "seed=range(1, 3)")));
    ck_assert_int_eq(s->variants, 8);
    ck_assert_str_eq(s->variant[2].name, "K=4,one.label=c,seed=1");
    ck_assert_str_eq(sets(2), "K=4|one.label=c|seed=1");
    ck_assert_str_eq(sets(0), "K=4|one.label=\"a,b\"|seed=1");
    ck_assert_int_eq(s->overrides, 1);
    ck_assert_str_eq(s->override[0], "one.scale=2");
    ck_assert_str_eq(s->axis[s->seed_axis].name, "seed");
    ck_assert_str_eq(s->folder, "runs/group/t");
    /* A value in quotes or brackets is one, whatever commas it has. */
    expect(define(HEAD, PLAIN, WORDS("one.label='a,b'", "one.label={a: 1, b: 2}", "K=[1, 2],[3]")));
    ck_assert_int_eq(s->overrides, 2);
    ck_assert_int_eq(s->variants, 2);
    ck_assert_str_eq(sets(0), "K=[1, 2]");
    /* Values whose characters a folder's name cannot have still get folders of their own. */
    expect(define(HEAD, PLAIN, WORDS("one.label=a/b,a:b")));
    ck_assert_int_eq(strncmp(s->variant[0].name, "one.label=a_b-", 14), 0);
    ck_assert_str_ne(s->variant[0].name, s->variant[1].name);
}
END_TEST

START_TEST(ranges)
{
    expect(define(HEAD, PLAIN, WORDS("K=range(3)")));
    ck_assert_str_eq(names(), "K=0 K=1 K=2");
    expect(define(HEAD, PLAIN, WORDS("K=range(10, 0, -4),7")));
    ck_assert_str_eq(names(), "K=10 K=6 K=2 K=7");
    expect(define(HEAD, PLAIN, WORDS("K=range(2)  ,7")));
    ck_assert_str_eq(names(), "K=0 K=1 K=7");
    expect(define(HEAD, PLAIN, WORDS("one.scale=range(0.1, 0.5, 0.1)")));
    ck_assert_str_eq(names(), "one.scale=0.1 one.scale=0.2 one.scale=0.3 one.scale=0.4");
}
END_TEST

static const char choices[] = HEAD "sweep:\n"
                                   "  axes:\n"
                                   "    K: [4, 5]\n"
                                   "    kind:\n"
                                   "      plain: {}\n"
                                   "      both: {one: {label: x, scale: 2}, seed: 3}\n"
                                   "      deep: {stages.one.file: {a: 1}, params.K: 9}\n"
                                   "    seed: range(1, 3)\n"
                                   "  exclude:\n"
                                   "    - {K: 5, kind: [both, deep]}\n"
                                   "  baseline: {kind: plain}\n";

START_TEST(named_choices)
{
    expect(define(choices, PLAIN, NO_WORDS));
    ck_assert_int_eq(s->variants, 8);
    ck_assert_int_eq(s->excluded, 4);
    ck_assert_str_eq(s->exclude[0], "K=5,kind=both,seed=1");
    ck_assert_str_eq(sets(0), "K=4|seed=1");
    ck_assert_str_eq(sets(2), "K=4|one.label=x|one.scale=2|seed=3|seed=1");
    ck_assert_str_eq(sets(4), "K=4|stages.one.file={a: 1}|params.K=9|seed=1");
    ck_assert_int_eq(s->baseline[1], 0);
    ck_assert_int_eq(s->baseline[0], -1);
    /* The command line takes some of them, in its own order. */
    expect(define(choices, PLAIN, WORDS("kind=both,plain", "seed=7")));
    ck_assert_str_eq(names(), "K=4,kind=both,seed=7 K=4,kind=plain,seed=7 K=5,kind=plain,seed=7");
    ck_assert_str_eq(sets(0), "K=4|one.label=x|one.scale=2|seed=3|seed=7");
    ck_assert_int_eq(s->overrides, 0);
}
END_TEST

START_TEST(zipped_axes)
{
    expect(define(HEAD "sweep: {axes: {K: [4, 5], seed: [1, 2], one.scale: [2, 3]}, zip: [K, one.scale]}\n", PLAIN, NO_WORDS));
    ck_assert_str_eq(names(), "K=4,seed=1,one.scale=2 K=4,seed=2,one.scale=2 K=5,seed=1,one.scale=3 K=5,seed=2,one.scale=3");
    const char *const alone[] = {"K"}, *const none[] = {""};
    ck_assert_int_eq(define(HEAD "sweep: {axes: {K: [4, 5]}}\n", &(const struct tessi_sweep_options){.zips = 1, .zip = alone}, NO_WORDS),
                     TESS_E_USAGE);
    ck_assert_msg(strstr(tessi_base_context_message(&context.context),
                         "--zip: wanted two axes or more, which take their values together, found `K` alone"),
                  "%s", tessi_base_context_message(&context.context));
    ck_assert_int_eq(define(HEAD "sweep: {axes: {K: [4, 5]}}\n", &(const struct tessi_sweep_options){.zips = 1, .zip = none}, NO_WORDS),
                     TESS_E_USAGE);
    ck_assert_msg(strstr(tessi_base_context_message(&context.context), "--zip: wanted the names of two axes or more"), "%s",
                  tessi_base_context_message(&context.context));
    const char *const zip[] = {"one.scale,K"}, *const exclude[] = {"K=5,seed=2"};
    expect(define(HEAD, &(const struct tessi_sweep_options){.zips = 1, .zip = zip, .excludes = 1, .exclude = exclude, .baseline = "K=4"},
                  WORDS("K=4,5", "seed=1,2", "one.scale=2,3")));
    ck_assert_str_eq(names(), "K=4,seed=1,one.scale=2 K=4,seed=2,one.scale=2 K=5,seed=1,one.scale=3");
    ck_assert_int_eq(s->baseline[0], 0);
}
END_TEST

START_TEST(remarks)
{
    expect(define(HEAD "sweep: {axes: {K: [4, 5], one.scale: [2, 3]}, zip: [K, one.scale], exclude: {K: 4, one.scale: 3}}\n", PLAIN,
                  WORDS("seed=1,2,1")));
    ck_assert_int_eq(s->variants, 4);
    ck_assert_int_eq(s->notes, 2);
    ck_assert_ptr_nonnull(strstr(s->note[0], "the axis `seed` has the value 1 more than once"));
    ck_assert_ptr_nonnull(strstr(s->note[1], "exclusion 1 leaves nothing out"));
}
END_TEST

/* ---- what is refused ----------------------------------------------------------------------------------------------- */

#define SWEEP(text) HEAD "sweep: " text "\n"

static const struct {
    const char *file, *word, *message;
} refused[] = {
    {HEAD, "K=4", "nothing to sweep: `tessera run` runs it once"},
    {HEAD, "K=", "wanted values behind `=`, found nothing; did a variable of the shell stand there"},
    {HEAD, "K=4,,5", "`K=4,,5`: wanted a value on both sides of each comma, found nothing"},
    {HEAD, "K=4,", "wanted a value on both sides"},
    {HEAD, "K", "wanted key=value or key=value,value"},
    {HEAD, "K=range(4, 1)", "`range(4, 1)` has no value"},
    {HEAD, "K=range(1, 4, 0)", "has no value"},
    {HEAD, "K=range(1e9)", "has too many values"},
    {HEAD, "K=range(1, x)", "wanted range(END)"},
    {HEAD, "K=range(1, 3)x,1", "wanted range(END)"},
    {HEAD, "K=[1,2", "nothing to sweep"},
    {HEAD, "K=[1],[2", "command line:1:"},
    {HEAD, "name=a,b", "`name` is the folder of the whole sweep, and no axis"},
    {HEAD, "a/b=1,2", "an axis is named by letters"},
    {SWEEP("{axes: {K: []}}"), NULL, "p.yaml:6:19: the axis `K` wants values, like [64, 256]"},
    {SWEEP("{axes: {K: }}"), NULL, "the axis `K` wants values"},
    {SWEEP("{axes: [K]}"), NULL, "p.yaml:6:15: `axes` wants a map"},
    {SWEEP("{axs: {K: [1]}}"), NULL, "p.yaml:6:9: `sweep` has no key `axs`; did you mean `axes`?"},
    {SWEEP("{axes: {k: {a: 3}}}"), NULL, "the choice `a` of `k` wants a map of keys and values"},
    {SWEEP("{axes: {k: {a: {name: x}}}}"), NULL, "`name` is the folder of the whole sweep, and is not changed by a choice"},
    {SWEEP("{axes: {k: {a: {}, b: {}}}}"), "k=a,c", "`c` is no choice of `k`; there are a, b"},
    {SWEEP("{axes: {K: [1, 2], seed: [1, 2, 3]}, zip: [K, seed]}"), NULL, "`K` has 2, `seed` has 3"},
    {SWEEP("{axes: {K: [1, 2]}, zip: [K, L]}"), NULL, "there is no axis `L` to be zipped"},
    {SWEEP("{axes: {K: [1], L: [1], M: [1]}, zip: [[K, L], [L, M]]}"), NULL, "the axis `L` is zipped twice"},
    {SWEEP("{axes: {K: [1, 2]}, zip: K}"), NULL, "`zip` wants names of axes"},
    {SWEEP("{axes: {K: [1, 2], L: [1]}, zip: [K]}"), NULL, "wanted two axes or more, which take their values together, found `K` alone"},
    {SWEEP("{axes: {K: [1, 2], L: [3, 4], M: [5]}, zip: [[K, L], [M]]}"), NULL, "found `M` alone"},
    {SWEEP("{axes: {K: [1, 2], L: [1]}, zip: []}"), NULL, "wanted the names of two axes or more"},
    {SWEEP("{axes: {K: [1, 2]}, exclude: [{L: 1}]}"), NULL, "there is no axis `L`; there are K"},
    {SWEEP("{axes: {K: [1, 2]}, exclude: [{K: 3}]}"), NULL, "the axis `K` has no value 3; there are 1, 2"},
    {SWEEP("{axes: {K: [1, 2]}, exclude: [K]}"), NULL, "`exclude` wants a map of axes and values"},
    {SWEEP("{axes: {K: [1, 2]}, exclude: {K: [1, 2]}}"), NULL, "all 2 combinations are excluded"},
    {SWEEP("{axes: {K: [1, 2]}, baseline: {K: [1, 2]}}"), NULL, "the baseline has several values of the axis `K`"},
    {SWEEP("{axes: {K: [1, 2]}, seed_axis: L}"), NULL, "`seed_axis` wants the name of the axis"},
    {SWEEP("{axes: {K: range(1000), L: range(1000)}}"), NULL, "wanted a sweep of at most 100000 combinations"},
    {SWEEP("{axes: {K: range(1000), L: range(9)}}"), NULL, "variants of this kind, found more; split it into several"},
    {"tessera: 1\nname: x-${K}\nparams: {K: 1}\nstages:\n  one: {use: flow-make}\n", "K=1,2",
     "the `name` of a sweep is one for all variants"},
};

START_TEST(wrong_sweeps)
{
    const char *const word[] = {refused[_i].word, NULL};
    ck_assert_int_eq(define(refused[_i].file, PLAIN, word), TESS_E_USAGE);
    const char *message = tessi_base_context_message(&context.context);
    ck_assert_msg(strstr(message, refused[_i].message) != NULL, "wanted %s, found %s", refused[_i].message, message);
}
END_TEST

START_TEST(the_longest_name)
{
    char word[260];
    for (int length = 200; length <= 201; length++) {
        snprintf(word, sizeof word, "stages.one.%0*d=1,2", length - 11, 0);
        int status = define(HEAD, PLAIN, WORDS(word));
        ck_assert_int_eq(strstr(tessi_base_context_message(&context.context), "an axis is named by letters") != NULL, length > 200);
        ck_assert_int_eq(status, length > 200 ? TESS_E_USAGE : TESS_OK);
    }
}
END_TEST

START_TEST(twice_on_the_command_line)
{
    ck_assert_int_eq(define(HEAD, PLAIN, WORDS("K=1,2", "K=3,4")), TESS_E_USAGE);
    ck_assert_ptr_nonnull(strstr(tessi_base_context_message(&context.context), "the axis `K` is there twice on the command line"));
}
END_TEST

/* ---- sweep.yaml ---------------------------------------------------------------------------------------------------- */

START_TEST(reads_back)
{
    struct tessi_sweep *back = NULL;
    static char text[65536];
    expect(define(choices, PLAIN, WORDS("one.label=\"a: {b\"", "K=4,5")));
    expect(tessi_sweep_write(&context.context, s));
    snprintf(text, sizeof text, "%s", flow_read("runs/group/t/sweep.yaml"));
    expect(tessi_sweep_read(&context.context, "runs/group/t/", &back));
    ck_assert_str_eq(back->folder, s->folder);
    ck_assert_str_eq(back->pipeline, s->pipeline);
    ck_assert_str_eq(back->override[0], s->override[0]);
    ck_assert_int_eq(back->variants, s->variants);
    for (int64_t i = 0; i < s->variants; i++) {
        ck_assert_str_eq(back->variant[i].name, s->variant[i].name);
        ck_assert_int_eq(back->variant[i].sets, s->variant[i].sets);
        ck_assert_mem_eq(back->variant[i].at, s->variant[i].at, (size_t)s->axes * sizeof(int64_t));
    }
    ck_assert_int_eq(back->seed_axis, 2);
    ck_assert_int_eq(back->baseline[1], 0);
    ck_assert_int_eq(back->excluded, 4);
    expect(tessi_sweep_write(&context.context, back));
    ck_assert_str_eq(flow_read("runs/group/t/sweep.yaml"), text);
    tessi_sweep_free(back);
}
END_TEST

START_TEST(wrong_files)
{
    static const struct {
        const char *from, *to, *message;
    } wrong[] = {
        {"pipeline", "pipe", "with pipeline"},
        {"seed_axis: seed", "seed_axis: sead", "with the name of an axis"},
        {"name: \"K=4,kind=plain,seed=1\"", "name: \"../up\"", "with names of folders"},
        {"values: {K: \"4\"", "values: {K: \"6\"", "with a value of each axis"},
        {"excluded: [", "excluded: {", "sweep.yaml:"},
    };
    static char text[65536], other[65536 + 64];
    expect(define(choices, PLAIN, NO_WORDS));
    expect(tessi_sweep_write(&context.context, s));
    snprintf(text, sizeof text, "%s", flow_read("runs/group/t/sweep.yaml"));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct tessi_sweep *back = NULL;
        const char *at = strstr(text, wrong[i].from);
        ck_assert_msg(at != NULL, "%s in %s", wrong[i].from, text);
        snprintf(other, sizeof other, "%.*s%s%s", (int)(at - text), text, wrong[i].to, at + strlen(wrong[i].from));
        flow_write("runs/group/t/sweep.yaml", other);
        tessi_base_context_init(&context, NULL);
        ck_assert_int_eq(tessi_sweep_read(&context.context, "runs/group/t", &back), TESS_E_DATA);
        const char *message = tessi_base_context_message(&context.context);
        ck_assert_msg(strstr(message, wrong[i].message) != NULL, "wanted %s, found %s", wrong[i].message, message);
        tessi_sweep_free(back);
    }
}
END_TEST

START_TEST(outcomes)
{
    struct tessi_sweep_outcome o = {.outcome = TESSI_SWEEP_FAILED, .stage = "one", .reason = "a: \"b\"", .seconds = 1.5}, back;
    tessi_base_context_init(&context, NULL);
    expect(tessi_sweep_outcome_read(&context.context, "runs/x", &back));
    ck_assert_int_eq(back.outcome, TESSI_SWEEP_NOT_RUN);
    expect(tessi_sweep_outcome_write(&context.context, "runs/x", &o));
    expect(tessi_sweep_outcome_read(&context.context, "runs/x", &back));
    ck_assert_int_eq(back.outcome, TESSI_SWEEP_FAILED);
    ck_assert_str_eq(back.stage, "one");
    ck_assert_str_eq(back.reason, o.reason);
    ck_assert_double_eq(back.seconds, 1.5);
    flow_write("runs/x/outcome.yaml", "outcome: fine\n");
    ck_assert_int_eq(tessi_sweep_outcome_read(&context.context, "runs/x", &back), TESS_E_DATA);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("define");
    TCase *t = tcase_create("define");
    tcase_add_checked_fixture(t, flow_start, stop);
    tcase_add_test(t, words);
    tcase_add_test(t, ranges);
    tcase_add_test(t, named_choices);
    tcase_add_test(t, zipped_axes);
    tcase_add_test(t, remarks);
    tcase_add_loop_test(t, wrong_sweeps, 0, (int)(sizeof refused / sizeof *refused));
    tcase_add_test(t, the_longest_name);
    tcase_add_test(t, twice_on_the_command_line);
    tcase_add_test(t, reads_back);
    tcase_add_test(t, wrong_files);
    tcase_add_test(t, outcomes);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
