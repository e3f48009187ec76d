/* Configuration trees, and components filled from them: every type of parameter, every way to get one wrong.
 * SPDX-License-Identifier: MIT */
#include "core/base/memory.h"
#include "core/config/yaml.h"
#include "tests/fixtures/good.h"
#include "tests/support/plug_fixture.h"
#include "tests/support/suite.h"

#include <check.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct plug_fixture fixture;

static void setup(void)
{
    plug_start(&fixture);
    plug_add(&fixture, "", "good");
    plug_scan(&fixture);
    ck_assert_str_eq(plug_refusal(&fixture, "good"), "");
}

static void teardown(void)
{
    plug_end(&fixture);
}

/* ---- the tree ------------------------------------------------------------------------------------------------------ */

static struct tessi_config *parse(const char *text)
{
    struct tessi_config *s = NULL;
    int status = tessi_config_yaml_parse(fixture.ctx, text, strlen(text), "x.yaml", &s);
    ck_assert_msg(status == TESS_OK, "%s: %s", text, tessi_base_context_message(fixture.ctx));
    return s;
}

static struct tessi_config *scalar(const char *text, int quoted)
{
    struct tessi_config *s = NULL;
    ck_assert_int_eq(tessi_config_new(fixture.ctx, TESSI_SCALAR, "x.yaml", 3, 7, &s), TESS_OK);
    ck_assert_int_eq(tessi_config_set_text(fixture.ctx, s, text), TESS_OK);
    s->quoted = quoted;
    return s;
}

START_TEST(integers_by_the_core_schema)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0}, {"-17", -17}, {"+5", 5}, {"007", 7}, {"0x1F", 31}, {"0o17", 15}, {"1e3", 1000}, {"64.0", 64}, {"2.5e1", 25},
                {"9223372036854775807", INT64_MAX}, {"-9223372036854775808", INT64_MIN}, {"0x7fffffffffffffff", INT64_MAX}};
    static const char *const bad[] = {"1.5", "many", "yes", "true", "~", "", "1e300", "9223372036854775808", "0xffffffffffffffff",
                                      "0x", "0o8", "-0x10", "1_000", "12:30", ".inf", ".nan", "1e", "--1", "1 "};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t value = 0;
        struct tessi_config *s = scalar(good[i].text, 0);
        ck_assert_msg(tessi_config_i64(fixture.ctx, s, &value) == TESS_OK, "%s", good[i].text);
        ck_assert_int_eq(value, good[i].value);
        tessi_config_free(s);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t value = 0;
        struct tessi_config *s = scalar(bad[i], 0);
        tessi_base_context_clear(fixture.ctx);
        ck_assert_msg(tessi_config_i64(fixture.ctx, s, &value) == TESS_E_VALUE, "%s", bad[i]);
        ck_assert_ptr_eq(strstr(tessi_base_context_message(fixture.ctx), "x.yaml:3:7: wanted an integer, found "),
                         tessi_base_context_message(fixture.ctx));
        tessi_config_free(s);
    }
    tessi_base_context_clear(fixture.ctx);
    int64_t value;
    struct tessi_config *s = scalar("64", 1);
    ck_assert_int_eq(tessi_config_i64(fixture.ctx, s, &value), TESS_E_VALUE);
    ck_assert_str_eq(tessi_base_context_message(fixture.ctx), "x.yaml:3:7: wanted an integer, found the text \"64\"");
    tessi_config_free(s);
}
END_TEST

START_TEST(reals_and_truth_values)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0.5", 0.5}, {"1e-4", 1e-4}, {".5", 0.5}, {"5.", 5}, {"-3", -3}, {"0x10", 16}, {"010", 10}, {"1E+2", 100},
                {"123456789012345678901234567890", 123456789012345678901234567890.0}};
    static const char *const bad[] = {".inf", "-.Inf", ".nan", ".NaN", "inf", "nan", "1e999", ".", "e5", "1e+", "0x1p3", "on", "1,5"};
    static const char *const truth[] = {"true", "True", "TRUE", "false", "False", "FALSE"};
    static const char *const no_truth[] = {"yes", "no", "on", "off", "tRUE", "1", "0", "", "y"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        double value = 0;
        struct tessi_config *s = scalar(good[i].text, 0);
        ck_assert_msg(tessi_config_f64(fixture.ctx, s, &value) == TESS_OK, "%s", good[i].text);
        ck_assert_double_eq(value, good[i].value);
        tessi_config_free(s);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        double value = 0;
        struct tessi_config *s = scalar(bad[i], 0);
        tessi_base_context_clear(fixture.ctx);
        ck_assert_msg(tessi_config_f64(fixture.ctx, s, &value) == TESS_E_VALUE, "%s", bad[i]);
        tessi_config_free(s);
    }
    for (size_t i = 0; i < sizeof truth / sizeof *truth; i++) {
        int32_t value = 2;
        struct tessi_config *s = scalar(truth[i], 0);
        ck_assert_int_eq(tessi_config_bool(fixture.ctx, s, &value), TESS_OK);
        ck_assert_int_eq(value, i < 3);
        tessi_config_free(s);
    }
    for (size_t i = 0; i < sizeof no_truth / sizeof *no_truth; i++) {
        int32_t value;
        struct tessi_config *s = scalar(no_truth[i], 0);
        tessi_base_context_clear(fixture.ctx);
        ck_assert_msg(tessi_config_bool(fixture.ctx, s, &value) == TESS_E_VALUE, "%s", no_truth[i]);
        tessi_config_free(s);
    }
}
END_TEST

/* Trees have the same kinds, keys, texts and types; a text may have changed its quotes. */
static void same(const struct tessi_config *a, const struct tessi_config *b)
{
    ck_assert_int_eq(a->kind, b->kind);
    ck_assert_int_eq(a->key != NULL, b->key != NULL);
    if (a->key)
        ck_assert_str_eq(a->key, b->key);
    if (a->kind == TESSI_SCALAR) {
        ck_assert_int_eq(tessi_config_scalar_is(a->text, a->quoted), tessi_config_scalar_is(b->text, b->quoted));
        if (tessi_config_scalar_is(a->text, a->quoted) != TESSI_IS_NULL)
            ck_assert_str_eq(a->text, b->text);
    }
    const struct tessi_config *x = a->child, *y = b->child;
    for (; x && y; x = x->next, y = y->next)
        same(x, y);
    ck_assert_ptr_null(x);
    ck_assert_ptr_null(y);
}

static const char *const texts[] = {
    "conv", "a b", "", "~", "null", "true", "Yes", "12", "-3.5", "1e-4", "0x10", "-", "---", "...", ".5x", "a: b", "a #b", "#x", "[x", "{",
    "x,y", "&a", "*a", "!t", "|", ">", "%d", "@x", "`x", "'", "\"", "\\", "tab\there", "line\nbreak", " lead", "trail ", "?", ": ",
    "/data/x.gz", "../x", "na\xc3\xafve", "\xe2\x80\xa8sep", "\xc2\x85nel", ("\xef\xbb\xbf" "bom"), "\x01\x7f", "\r\n", "\xf0\x9f\x99\x82",
    "1_000", "0.1.0", ".inf",
};

/* 1 for what a key may be: a name, and nothing in it that nobody sees. */
static int is_key(const char *text)
{
    static const char *const unseen[] = {"\t", "\n", "\r", "\x01", "\x7f", "\xc2\x85", "\xe2\x80\xa8", "\xef\xbb\xbf"};
    int seen = *text != '\0';
    for (size_t i = 0; i < sizeof unseen / sizeof *unseen; i++)
        seen = seen && !strstr(text, unseen[i]);
    return seen;
}

START_TEST(flow_text_reads_back)
{
    struct tessi_config *map = NULL, *list = NULL, *item = NULL, *back, *copy = NULL;
    char *text = NULL, *again = NULL;
    ck_assert_int_eq(tessi_config_new(fixture.ctx, TESSI_MAP, "x.yaml", 1, 1, &map), TESS_OK);
    ck_assert_int_eq(tessi_config_new(fixture.ctx, TESSI_SEQUENCE, "x.yaml", 1, 1, &list), TESS_OK);
    ck_assert_int_eq(tessi_config_set_key(fixture.ctx, list, "the list"), TESS_OK);
    tessi_config_append(map, list);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        item = scalar(texts[i], 1);
        tessi_config_append(list, item);
        if (!is_key(texts[i]))
            continue;
        item = scalar(texts[i], 1);
        ck_assert_int_eq(tessi_config_set_key(fixture.ctx, item, texts[i]), TESS_OK);
        tessi_config_append(map, item);
    }
    for (size_t i = 0; i < 11; i++)
        tessi_config_append(list, scalar(texts[i], 0));
    ck_assert_int_eq(tessi_config_new(fixture.ctx, TESSI_MAP, "x.yaml", 1, 1, &item), TESS_OK);
    tessi_config_append(list, item);

    ck_assert_int_eq(tessi_config_print(fixture.ctx, map, &text), TESS_OK);
    ck_assert_ptr_null(strchr(text, '\n'));
    back = parse(text);
    same(map, back);
    ck_assert_int_eq(tessi_config_print(fixture.ctx, back, &again), TESS_OK);
    ck_assert_str_eq(text, again);
    ck_assert_int_eq(tessi_config_copy(fixture.ctx, back, &copy), TESS_OK);
    same(map, copy);
    tess_free(text);
    tess_free(again);
    tessi_config_free(copy);
    tessi_config_free(map);
    tessi_config_free(back);

    back = parse("{use: \"conv\", channels: 0x20, flag: True, note: , mult: [1, 1, 2], on: \"on\"}");
    ck_assert_int_eq(tessi_config_print(fixture.ctx, back, &text), TESS_OK);
    ck_assert_str_eq(text, "{use: conv, channels: 0x20, flag: True, note: null, mult: [1, 1, 2], \"on\": \"on\"}");
    tess_free(text);
    tessi_config_free(back);
}
END_TEST

START_TEST(getting_marks_and_failing_places)
{
    struct tessi_config *map = parse("a: 1\nb:\n  - x\n  - y\n");
    struct tessi_config *b = tessi_config_get(map, "b");
    ck_assert_ptr_nonnull(b);
    ck_assert_int_eq(b->used, 1);
    ck_assert_int_eq(map->child->used, 0);
    ck_assert_int_eq(tessi_config_count(b), 2);
    ck_assert_ptr_null(tessi_config_get(map, "c"));
    ck_assert_ptr_null(tessi_config_get(b, "x"));
    ck_assert_int_eq(tessi_config_fail(fixture.ctx, b->child->next, TESS_E_USAGE, "no %s", "y"), TESS_E_USAGE);
    ck_assert_str_eq(tessi_base_context_message(fixture.ctx), "x.yaml:4:5: no y");
    tessi_config_free(map);
}
END_TEST

/* ---- filling ------------------------------------------------------------------------------------------------------- */

START_TEST(defaults_and_every_type)
{
    struct tess_instance *i;
    ck_assert_ptr_null(plug_open(&fixture, "encoder/1", "all", 0, &i));
    struct all *a = tess_instance_self(i);
    ck_assert_int_eq(a->flag, 1);
    ck_assert_int_eq(a->count, 32);
    ck_assert_double_eq(a->rate, 0.1);
    ck_assert_str_eq(a->name, "plain");
    ck_assert_ptr_null(a->note);
    ck_assert_ptr_null(a->file);
    ck_assert_int_eq(a->mode, 1);
    ck_assert_int_eq(a->mult.count, 3);
    ck_assert_int_eq(a->mult.item[2], 2);
    ck_assert_ptr_null(a->inner);
    ck_assert_int_eq(a->opened, 0);
    ck_assert_str_eq(tess_instance_name(i), "all");
    ck_assert_str_eq(tess_instance_config_text(i), "{use: all, flag: true, count: 32, rate: 0.1, name: plain, note: null, mode: exact, "
                                            "mult: [1, 1, 2], inner: null, fail: false}");
    ck_assert_str_eq(tessi_plug_instance_resolved(i), "{use: all, flag: true, count: 32, rate: 0.1, name: plain, note: null, file: null, "
                                                 "mode: exact, mult: [1, 1, 2], talk: 10, inner: null, fail: false}");
    ck_assert_ptr_nonnull(tess_instance_ops(i, "encoder/1"));
    ck_assert_ptr_null(tess_instance_ops(i, "decoder/1"));
    ck_assert_str_eq(tessi_plug_instance_plugin(i)->version, "1.2.3");
    tess_instance_close(i);

    ck_assert_ptr_null(plug_open(&fixture, "encoder/1",
                                  "{use: all, flag: FALSE, count: 1e3, rate: 1, name: 'on', note: '64', mode: none, mult: [], talk: 3,\n"
                                  " inner: {use: part, width: 0x10}}", 0, &i));
    a = tess_instance_self(i);
    ck_assert_int_eq(a->flag, 0);
    ck_assert_int_eq(a->count, 1000);
    ck_assert_double_eq(a->rate, 1);
    ck_assert_str_eq(a->name, "on");
    ck_assert_str_eq(a->note, "64");
    ck_assert_int_eq(a->mode, 2);
    ck_assert_int_eq(a->mult.count, 0);
    const struct part *p = tess_instance_self(a->inner);
    ck_assert_int_eq(p->width, 16);
    ck_assert_int_eq(p->count, 8);
    ck_assert_str_eq(p->note, "own");
    ck_assert_str_eq(tess_instance_config_text(i),
                     "{use: all, flag: false, count: 1000, rate: 1, name: \"on\", note: \"64\", mode: none, mult: [], "
                     "inner: {use: part, count: 8, width: 16, rate: 0.9, mode: none, note: own}, fail: false}");
    tess_instance_close(i);
}
END_TEST

START_TEST(canonical_text_opens_the_same)
{
    struct tess_instance *i, *j;
    ck_assert_ptr_null(plug_open(&fixture, "encoder/1",
                                  "{use: all, rate: 0.30000000000000004, name: \"a: b\\n\", note: yes, mult: [64, 1], "
                                  "inner: {use: part, width: 2}}", 0, &i));
    ck_assert_int_eq(tess_instance_open(fixture.ctx, "encoder/1", tess_instance_config_text(i), "codes.h5: encoder", &j), TESS_OK);
    ck_assert_str_eq(tess_instance_config_text(i), tess_instance_config_text(j));
    ck_assert_double_eq(((struct all *)tess_instance_self(j))->rate, 0.30000000000000004);
    ck_assert_str_eq(((struct all *)tess_instance_self(j))->name, "a: b\n");
    tess_instance_close(i);
    tess_instance_close(j);
    ck_assert_int_eq(tess_instance_open(fixture.ctx, "encoder/1", "{use: all, count: 0}", "codes.h5: encoder", &j), TESS_E_VALUE);
    ck_assert_str_eq(tessi_base_context_message(fixture.ctx),
                     "codes.h5: encoder:1:19: encoder/all: `count` wants an integer 1 .. 4096, found 0");
    ck_assert_ptr_null(j);
}
END_TEST

START_TEST(identity_leaves_out_paths_and_neutral_ones)
{
    struct tess_instance *i, *j;
    ck_assert_ptr_null(plug_open(&fixture, "encoder/1", "{use: all, file: /a/b.gz, talk: 1}", 0, &i));
    ck_assert_ptr_null(plug_open(&fixture, "encoder/1", "{talk: 99, use: \"all\", count: 32, file: /c}", 0, &j));
    ck_assert_str_eq(tess_instance_config_text(i), tess_instance_config_text(j));
    ck_assert_ptr_null(strstr(tess_instance_config_text(i), "file"));
    ck_assert_ptr_null(strstr(tess_instance_config_text(i), "talk"));
    ck_assert_ptr_nonnull(strstr(tessi_plug_instance_resolved(i), "file: /a/b.gz"));
    ck_assert_ptr_nonnull(strstr(tessi_plug_instance_resolved(j), "talk: 99"));
    tess_instance_close(i);
    tess_instance_close(j);
}
END_TEST

static void path_is(const char *file, const char *written, const char *wanted)
{
    struct tess_instance *i = NULL;
    struct tessi_config *map = NULL, *use = NULL, *path = NULL;
    ck_assert_int_eq(tessi_config_new(fixture.ctx, TESSI_MAP, "other/place.yaml", 1, 1, &map), TESS_OK);
    use = scalar("all", 0);
    ck_assert_int_eq(tessi_config_set_key(fixture.ctx, use, "use"), TESS_OK);
    ck_assert_int_eq(tessi_config_new(fixture.ctx, TESSI_SCALAR, file, 1, 1, &path), TESS_OK);
    ck_assert_int_eq(tessi_config_set_text(fixture.ctx, path, written), TESS_OK);
    ck_assert_int_eq(tessi_config_set_key(fixture.ctx, path, "file"), TESS_OK);
    tessi_config_append(map, use);
    tessi_config_append(map, path);
    int status = tessi_plug_instance_new(fixture.ctx, fixture.runtime->registry, "encoder/1", map, NULL, NULL, 0, &i);
    ck_assert_msg(status == TESS_OK, "%s", tessi_base_context_message(fixture.ctx));
    tessi_config_free(map); /* strings live on in the instance */
    ck_assert_str_eq(((struct all *)tess_instance_self(i))->file, wanted);
    tess_instance_close(i);
}

START_TEST(paths_are_of_the_folder_they_were_written_in)
{
    char cwd[PATH_MAX - 64], wanted[PATH_MAX];
    ck_assert_ptr_nonnull(getcwd(cwd, sizeof cwd));
    path_is("/etc/p/x.yaml", "data/a.gz", "/etc/p/data/a.gz");
    path_is("/x.yaml", "./a", "/a");
    path_is("pipelines/x.yaml", "/data/a", "/data/a");
    snprintf(wanted, sizeof wanted, "%s/pipelines/../a", cwd);
    path_is("pipelines/x.yaml", "../a", wanted);
    snprintf(wanted, sizeof wanted, "%s/a", cwd);
    path_is("x.yaml", "a", wanted);
    path_is("command line", ".//a", wanted);
}
END_TEST

START_TEST(like_takes_what_is_not_written)
{
    struct tess_instance *i;
    ck_assert_ptr_null(plug_open(&fixture, "pair/1",
                                  "{use: pair, first: {use: all, count: 48, rate: 0.25, mode: none, talk: 5},"
                                  " second: {use: part, width: 3}}", 1, &i));
    const struct pair *pair = tess_instance_self(i);
    const struct part *p = tess_instance_self(pair->second);
    ck_assert_int_eq(p->count, 48); /* as written, though open() of the first changed its own member */
    ck_assert_double_eq(p->rate, 0.25);
    ck_assert_int_eq(p->mode, 0); /* by name, not by index */
    ck_assert_str_eq(p->note, "own"); /* the first has none */
    ck_assert_str_eq(tess_instance_config_text(pair->second), "{use: part, count: 48, width: 3, rate: 0.25, mode: none, note: own}");
    tess_instance_close(i);

    ck_assert_ptr_null(plug_open(&fixture, "pair/1",
                                  "{use: pair, first: {use: all, mode: none, note: theirs},"
                                  " second: {use: part, width: 3, count: 9}}", 0, &i));
    p = tess_instance_self(((const struct pair *)tess_instance_self(i))->second);
    ck_assert_int_eq(p->count, 9);
    ck_assert_str_eq(p->note, "theirs");
    tess_instance_close(i);

    ck_assert_str_eq(plug_open(&fixture, "pair/1",
                                "use: pair\nfirst: {use: all, mode: none, count: 100}\nsecond: {use: part, width: 3}\n", 0, &i),
                     "x.yaml:2:38: decoder/part: `count` wants an integer 1 .. 64, found 100 (taken from encoder/all)");
    ck_assert_str_eq(plug_open(&fixture, "pair/1", "use: pair\nfirst: {use: all}\nsecond: part\n", 0, &i),
                     "x.yaml:3:9: decoder/part: `width` is missing; it wants an integer 1 .. 64");
}
END_TEST

START_TEST(opening_and_closing_pair_up)
{
    struct tess_instance *i;
    const struct counted_ops *ops = tessi_plug_registry_find(fixture.runtime->registry, "encoder/1", "all", NULL)->ops;
    int64_t *opened = ops->opened, *closed = ops->closed;
    *opened = *closed = 0;
    ck_assert_ptr_null(plug_open(&fixture, "encoder/1", "all", 1, &i));
    ck_assert_ptr_eq(tess_instance_ops(i, "encoder/1"), ops);
    ck_assert_int_eq(*opened, 1);
    tess_instance_close(i);
    ck_assert_int_eq(*closed, 1);

    ck_assert_ptr_null(plug_open(&fixture, "pair/1", "{use: pair, first: all, second: {use: part, width: 1, mode: none}}", 1, &i));
    ck_assert_int_eq(*opened, 4);
    tess_instance_close(i);
    ck_assert_int_eq(*closed, 4);

    const char *message = plug_open(&fixture, "pair/1", "{use: pair,\n first: {use: all, fail: true}}", 1, &i);
    ck_assert_str_eq(message, "x.yaml:2:9: encoder/all: `fail` is set");
    ck_assert_ptr_null(i);
    ck_assert_int_eq(*opened, 5); /* the first alone */
    ck_assert_int_eq(*closed, 5);

    ck_assert_ptr_null(plug_open(&fixture, "pair/1", "{use: pair, first: {use: all, fail: true}}", 0, &i));
    tess_instance_close(i);
    ck_assert_int_eq(*opened, 5);
    ck_assert_int_eq(*closed, 5);

    ck_assert_ptr_null(plug_open(&fixture, "pair/1", "bare", 1, &i));
    ck_assert_str_eq(tess_instance_config_text(i), "{use: bare}");
    tess_instance_close(i);
    tess_instance_close(NULL);
}
END_TEST

static const struct {
    const char *yaml, *message;
} wrong[] = {
    {"{use: all, cuont: 3}", "x.yaml:1:12: encoder/all has no parameter `cuont`; did you mean `count`?"},
    {"use: all\nzebra: 3\n", "x.yaml:2:1: encoder/all has no parameter `zebra`; it takes flag, count, rate, name, note, file, mode, mult, "
                             "talk, inner, fail"},
    {"{use: all, count: many}", "x.yaml:1:19: encoder/all: `count` wants an integer 1 .. 4096, found the text \"many\""},
    {"{use: all, count: '3'}", "x.yaml:1:19: encoder/all: `count` wants an integer 1 .. 4096, found the text \"3\""},
    {"{use: all, count: 3.5}", "x.yaml:1:19: encoder/all: `count` wants an integer 1 .. 4096, found 3.5"},
    {"{use: all, count: 4097}", "x.yaml:1:19: encoder/all: `count` wants an integer 1 .. 4096, found 4097"},
    {"{use: all, count: [1]}", "x.yaml:1:19: encoder/all: `count` wants an integer 1 .. 4096, found a list of 1"},
    {"{use: all, count: }", "encoder/all: `count` wants an integer 1 .. 4096, found nothing"},
    {"{use: all, rate: 1.01}", "x.yaml:1:18: encoder/all: `rate` wants a number 0 .. 1, found 1.01"},
    {"{use: all, rate: .nan}", "x.yaml:1:18: encoder/all: `rate` wants a number 0 .. 1, found .nan"},
    {"{use: all, rate: .inf}", "x.yaml:1:18: encoder/all: `rate` wants a number 0 .. 1, found .inf"},
    {"{use: all, flag: yes}", "x.yaml:1:18: encoder/all: `flag` wants true or false, found the text \"yes\""},
    {"{use: all, flag: 1}", "x.yaml:1:18: encoder/all: `flag` wants true or false, found 1"},
    {"{use: all, name: 12}", "x.yaml:1:18: encoder/all: `name` wants a text, found 12; write it in quotes"},
    {"{use: all, name: null}", "x.yaml:1:18: encoder/all: `name` wants a text, found nothing"},
    {"{use: all, name: {a: 1}}", "x.yaml:1:18: encoder/all: `name` wants a text, found a map"},
    {"{use: all, file: ''}", "x.yaml:1:18: encoder/all: `file` wants the path of a file, found an empty text"},
    {"{use: all, mode: exat}", "x.yaml:1:18: encoder/all: `mode` wants one of fast, exact, none, found the text \"exat\""},
    {"{use: all, mode: [fast]}", "x.yaml:1:18: encoder/all: `mode` wants one of fast, exact, none, found a list of 1"},
    {"{use: all, mult: 2}", "x.yaml:1:18: encoder/all: `mult` wants a list of at most 16 integers, each 1 .. 64, like [1, 2], found 2"},
    {"{use: all, mult: [1,\n  65]}",
     "x.yaml:2:3: encoder/all: `mult` wants a list of at most 16 integers, each 1 .. 64, like [1, 2], found 65"},
    {"{use: all, mult: [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}",
     "x.yaml:1:18: encoder/all: `mult` wants a list of at most 16 integers, each 1 .. 64, like [1, 2], found a list of 17"},
    {"{use: all, inner: 7}", "x.yaml:1:19: wanted the name of a component of kind decoder or a map with `use`, found 7"},
    {"{use: all, inner: {width: 7}}", "x.yaml:1:19: wanted `use: NAME` to say which decoder, found a map without it"},
    {"{use: all, inner: {use: part, width: 3, mode: fats}}",
     "x.yaml:1:47: decoder/part: `mode` wants one of none, fast, found the text \"fats\""},
    {"{use: all, inner: {use: part}}", "x.yaml:1:19: decoder/part: `width` is missing; it wants an integer 1 .. 64"},
    {"{use: all, inner: {use: part, width: 1, whidt: 2}}", "x.yaml:1:41: decoder/part has no parameter `whidt`; did you mean `width`?"},
    {"{count: 3}", "x.yaml:1:1: wanted `use: NAME` to say which encoder, found a map without it"},
    {"[all]", "x.yaml:1:1: wanted the name of a component of kind encoder or a map with `use`, found a list of 1"},
    {"{use: [all]}", "x.yaml:1:7: wanted the name of a component of kind encoder, found a list of 1"},
    {"{use: al}",
     "x.yaml:1:7: no encoder is called `al`; did you mean `all`? (`tessera plugins --why` says where plugins were looked for)"},
};

START_TEST(every_wrong_value_is_a_sentence_with_its_place)
{
    struct tess_instance *i;
    const char *message = plug_open(&fixture, "encoder/1", wrong[_i].yaml, 1, &i);
    ck_assert_msg(message != NULL, "%s was accepted", wrong[_i].yaml);
    ck_assert_ptr_null(i);
    ck_assert_msg(strstr(message, wrong[_i].message) != NULL, "%s\nwanted %s\nfound  %s", wrong[_i].yaml, wrong[_i].message, message);
    ck_assert_int_eq(tessi_base_exit_code(fixture.context.code), strstr(message, "called") ? 69 : 2);
}
END_TEST

START_TEST(callers_keys_are_left_to_the_caller)
{
    static const char *const skip[] = {"in", NULL};
    struct tess_instance *i = NULL;
    struct tessi_config *s = parse("{use: part, in: {a: b}, width: 4}");
    ck_assert_int_eq(tessi_plug_instance_new(fixture.ctx, fixture.runtime->registry, "decoder/1", s, NULL, skip, 0, &i), TESS_OK);
    ck_assert_str_eq(tess_instance_config_text(i), "{use: part, count: 8, width: 4, rate: 0.9, mode: none, note: own}");
    ck_assert_int_eq(s->child->used, 1);
    ck_assert_int_eq(s->child->next->used, 0);
    tess_instance_close(i);
    ck_assert_int_eq(tessi_plug_instance_new(fixture.ctx, fixture.runtime->registry, "decoder/1", s, NULL, NULL, 0, &i), TESS_E_USAGE);
    tessi_config_free(s);
}
END_TEST

START_TEST(want_of_memory_is_reported_and_leaks_nothing)
{
    static const char yaml[] = "{use: pair, first: {use: all, mult: [3], mode: none, name: x}, second: {use: part, width: 3}}";
    struct tess_instance *i;
    struct tessi_config *s = parse(yaml);
    int64_t before = tessi_base_memory_in_use(), n = 1;
    for (; n < 1000; n++) {
        tessi_base_context_clear(fixture.ctx);
        tessi_base_memory_fail_at(n);
        int status = tessi_plug_instance_new(fixture.ctx, fixture.runtime->registry, "pair/1", s, NULL, NULL, 1, &i);
        tessi_base_memory_fail_at(0);
        tess_instance_close(i);
        ck_assert_int_eq(tessi_base_memory_in_use(), before);
        if (status == TESS_OK)
            break;
        ck_assert_int_eq(status, TESS_E_MEMORY);
    }
    ck_assert_int_gt(n, 50);
    ck_assert_int_lt(n, 1000);
    tessi_config_free(s);
}
END_TEST

START_TEST(listings_say_type_range_and_default)
{
    static const char *const wanted[] = {"boolean: true, false, default true",
                                         "integer: 1 .. 4096, default 32",
                                         "number: 0 .. 1, default 0.1",
                                         "text: default plain",
                                         "text: default none",
                                         "path: default none",
                                         "choice: fast, exact, none, default exact",
                                         "integers: each 1 .. 64, default [1, 1, 2]",
                                         "integer: 0 .. 100, default 10",
                                         "component: decoder/1, default none",
                                         "boolean: true, false, default false"};
    const struct tess_component *k = tessi_plug_registry_find(fixture.runtime->registry, "encoder/1", "all", NULL);
    char text[600], range[512];
    int64_t i = 0;
    for (const struct tess_param *p; (p = tessi_plug_param_at(k, i)); i++) {
        snprintf(text, sizeof text, "%s: %s", tessi_plug_param_type(p), tessi_plug_param_range(p, range, sizeof range));
        ck_assert_str_eq(text, wanted[i]);
    }
    ck_assert_int_eq(i, 11);
    k = tessi_plug_registry_find(fixture.runtime->registry, "pair/1", "pair", NULL);
    ck_assert_str_eq(tessi_plug_param_range(tessi_plug_param_at(k, 0), range, sizeof range), "encoder/1, required");
    ck_assert_str_eq(tessi_plug_param_range(tessi_plug_param_at(k, 1), range, sizeof range), "decoder/1, like first, default none");
}
END_TEST

START_TEST(a_parameter_is_read_from_a_text)
{
    static const char text[] = "{use: outer, part: {use: inner, heads: 2, groups: 7}, subgroups: 3, heads: 4, name: \"a, heads: 9\"}";
    int64_t n = -1;
    int32_t is = -1;
    ck_assert_int_eq(tess_config_text_i64(fixture.ctx, text, "heads", 1, &n), TESS_OK);
    ck_assert_int_eq(n, 4); /* not the part's, and not the words of a name */
    ck_assert_int_eq(tess_config_text_i64(fixture.ctx, text, "groups", 1, &n), TESS_OK);
    ck_assert_int_eq(n, 1); /* default value: `outer` itself has no `groups` */
    ck_assert_int_eq(tess_config_text_has(fixture.ctx, text, "use", "outer", &is), TESS_OK);
    ck_assert_int_eq(is, 1);
    ck_assert_int_eq(tess_config_text_has(fixture.ctx, text, "use", "out", &is), TESS_OK);
    ck_assert_int_eq(is, 0);
    ck_assert_int_eq(tess_config_text_i64(fixture.ctx, text, "name", 1, &n), TESS_E_DATA);
    tessi_base_context_clear(fixture.ctx);
    ck_assert_int_eq(tess_config_text_has(fixture.ctx, "{use: ", "use", "x", &is), TESS_E_DATA);
    tessi_base_context_clear(fixture.ctx);
    ck_assert_int_eq(tess_config_text_has(fixture.ctx, "heads", "use", "x", &is), TESS_E_DATA);
    ck_assert_ptr_nonnull(strstr(tess_message(fixture.ctx), "wanted a component and its parameters"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plug");
    TCase *tests = tcase_create("configuration and parameters");
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_parameter_is_read_from_a_text);
    tcase_add_test(tests, integers_by_the_core_schema);
    tcase_add_test(tests, reals_and_truth_values);
    tcase_add_test(tests, flow_text_reads_back);
    tcase_add_test(tests, getting_marks_and_failing_places);
    tcase_add_test(tests, defaults_and_every_type);
    tcase_add_test(tests, canonical_text_opens_the_same);
    tcase_add_test(tests, identity_leaves_out_paths_and_neutral_ones);
    tcase_add_test(tests, paths_are_of_the_folder_they_were_written_in);
    tcase_add_test(tests, like_takes_what_is_not_written);
    tcase_add_test(tests, opening_and_closing_pair_up);
    tcase_add_loop_test(tests, every_wrong_value_is_a_sentence_with_its_place, 0, (int)(sizeof wrong / sizeof *wrong));
    tcase_add_test(tests, callers_keys_are_left_to_the_caller);
    tcase_add_test(tests, want_of_memory_is_reported_and_leaks_nothing);
    tcase_add_test(tests, listings_say_type_range_and_default);
    return suite_run(suite);
}
