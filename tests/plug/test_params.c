/* Parameters beside single values: lists of every kind, names that were others before, and parameters that came later.
 * SPDX-License-Identifier: MIT */
#include "core/plug/filling.h"
#include "tests/support/plug_fixture.h"
#include "tests/support/suite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static struct plug_fixture fixture;

/* ---- plugins of the test's own ----------------------------------------------------------------------------------------- */

static int opened;

struct part {
    int64_t count;
};
static int open_part(void *self, struct tess_context *ctx)
{
    (void)self, (void)ctx;
    opened++;
    return TESS_OK;
}
static void close_part(void *self)
{
    (void)self;
    opened--;
}
static const struct tess_param part_params[] = {TESS_PARAM_I64(struct part, count, 1, 64, 8, "for tests"), TESS_PARAM_END};

struct whole {
    struct tess_list sizes;
    struct tess_list_f64 rates;
    struct tess_list_str words;
    struct tess_list_component parts;
    double rate, later;
    int64_t width;
    const char *note;
    struct tess_list_f64 weights;
};
static const struct tess_param whole_params[] = {
    TESS_PARAM_LIST(struct whole, sizes, 1, 64, "1, 2", "for tests"),
    TESS_PARAM_LIST_F64(struct whole, rates, 0, 1, "0.5, 1e-3", "for tests"),
    TESS_PARAM_LIST_STR(struct whole, words, "red, green", "for tests"),
    TESS_PARAM_LIST_COMPONENT(struct whole, parts, "piece/1", "for tests"),
    TESS_PARAM_RENAMED("rate", "speed|learning_rate", struct whole, rate, TESS_F64, 0, 0, 1, 0.25, NULL, "for tests"),
    TESS_PARAM_RENAMED("width", "size", struct whole, width, TESS_I64, TESS_GONE, 1, 64, 4, NULL, "for tests"),
    TESS_PARAM("later", struct whole, later, TESS_F64, TESS_LATER, 0, 1, 1e-5, NULL, "for tests"),
    TESS_PARAM("note", struct whole, note, TESS_STR, TESS_LATER, 0, 0, 0, "plain", "for tests"),
    TESS_PARAM("weights", struct whole, weights, TESS_LIST_F64, TESS_LATER, 0, 10, 0, "0.50, 2", "for tests"),
    TESS_PARAM_END};

static const struct {
    uint32_t size;
} ops = {sizeof ops};
static const struct tess_component components[] = {
    TESS_COMPONENT("whole", "whole/1", "for tests", sizeof(struct whole), whole_params, open_part, close_part, &ops),
    TESS_COMPONENT("part", "piece/1", "for tests", sizeof(struct part), part_params, open_part, close_part, &ops),
    TESS_COMPONENT("other", "piece/1", "for tests", sizeof(struct part), part_params, open_part, close_part, &ops), TESS_COMPONENT_END};
static const struct tess_plugin plugin = TESS_PLUGIN_INIT("test-params", "1", "MIT", NULL, components);

static void setup(void)
{
    plug_start(&fixture);
    plug_scan(&fixture);
    ck_assert_int_eq(tessi_plug_registry_add_plugin(fixture.ctx, fixture.runtime->registry, &plugin), TESS_OK);
}

static void teardown(void)
{
    ck_assert_int_eq(opened, 0);
    plug_end(&fixture);
}

static struct tess_instance *open_whole(const char *yaml)
{
    struct tess_instance *i;
    const char *message = plug_open(&fixture, "whole/1", yaml, 1, &i);
    ck_assert_msg(!message, "%s", message);
    return i;
}

static void refused(const char *yaml, const char *wanted)
{
    struct tess_instance *i;
    const char *message = plug_open(&fixture, "whole/1", yaml, 1, &i);
    ck_assert_msg(message && strstr(message, wanted), "%s: wanted \"%s\", found \"%s\"", yaml, wanted, message ? message : "nothing");
}

/* ---- lists ----------------------------------------------------------------------------------------------------------- */

START_TEST(lists_have_their_defaults)
{
    struct tess_instance *i = open_whole("use: whole\n");
    const struct whole *w = tess_instance_self(i);
    ck_assert_int_eq(w->sizes.count, 2);
    ck_assert_int_eq(w->sizes.item[1], 2);
    ck_assert_int_eq(w->rates.count, 2);
    ck_assert(w->rates.item[0] == 0.5 && w->rates.item[1] == 1e-3);
    ck_assert_int_eq(w->words.count, 2);
    ck_assert_str_eq(w->words.item[0], "red");
    ck_assert_str_eq(w->words.item[1], "green");
    ck_assert_int_eq(w->parts.count, 0);
    ck_assert_str_eq(tess_instance_config_text(i), "{use: whole, sizes: [1, 2], rates: [0.5, 0.001], words: [red, green], parts: [], "
                                                   "rate: 0.25, width: 4}");
    tess_instance_close(i);
}
END_TEST

START_TEST(lists_are_read_kept_and_read_back)
{
    struct tess_instance *again, *i = open_whole("use: whole\nsizes: []\nrates: [1, 2.5e-1]\nwords: [\"1\", \"two words\", 'a, b']\n"
                                                 "parts: [part, {use: other, count: 3}, {use: part, count: 64}]\n");
    const struct whole *w = tess_instance_self(i);
    ck_assert_int_eq(w->sizes.count, 0);
    ck_assert(w->rates.item[0] == 1.0 && w->rates.item[1] == 0.25);
    ck_assert_str_eq(w->words.item[0], "1");
    ck_assert_str_eq(w->words.item[2], "a, b");
    ck_assert_int_eq(w->parts.count, 3);
    ck_assert_int_eq(opened, 4);
    ck_assert_str_eq(tess_instance_name(w->parts.item[1]), "other");
    ck_assert_int_eq(((const struct part *)tess_instance_self(w->parts.item[0]))->count, 8);
    ck_assert_int_eq(((const struct part *)tess_instance_self(w->parts.item[2]))->count, 64);
    const char *text = tess_instance_config_text(i);
    ck_assert_str_eq(text,
                     "{use: whole, sizes: [], rates: [1, 0.25], words: [\"1\", \"two words\", \"a, b\"], parts: [{use: part, count: 8}, "
                     "{use: other, count: 3}, {use: part, count: 64}], rate: 0.25, width: 4}");
    ck_assert_int_eq(tess_instance_open(fixture.ctx, "whole/1", text, "again", &again), TESS_OK);
    ck_assert_str_eq(tess_instance_config_text(again), text);
    tess_instance_close(again);
    tess_instance_close(i);
}
END_TEST

START_TEST(lists_are_refused_with_the_item)
{
    refused("use: whole\nrates: 0.5\n",
            "x.yaml:2:8: whole/whole: `rates` wants a list of at most 16 numbers, each 0 .. 1, like [0.5, 1], found 0.5");
    refused("use: whole\nrates: [0.5, 2]\n", "x.yaml:2:14: whole/whole: `rates` wants a list of at most 16 numbers, each 0 .. 1");
    refused("use: whole\nrates: [x]\n", "found the text \"x\"");
    refused("use: whole\nwords: [one, 2]\n",
            "x.yaml:2:14: whole/whole: `words` wants a list of at most 16 texts, like [one, two], found 2");
    refused("use: whole\nsizes: [1, 1.5]\n", "a list of at most 16 integers, each 1 .. 64");
    refused("use: whole\nsizes: [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]\n", "found a list of 17");
    refused("use: whole\nparts: part\n", "a list of at most 16 components of kind piece, each a name or a map with `use`");
    refused("use: whole\nparts: [part, {use: nobody}]\n", "no piece is called `nobody`");
    refused("use: whole\nparts: [part, {use: other, count: 65}]\n", "x.yaml:2:35: piece/other: `count` wants an integer 1 .. 64, found 65");
    ck_assert_int_eq(opened, 0); /* instances opened before the failure are closed */
}
END_TEST

/* ---- names and defaults ------------------------------------------------------------------------------------------------ */

START_TEST(former_names)
{
    struct tess_instance *i = open_whole("use: whole\nspeed: 0.5\n");
    ck_assert(((const struct whole *)tess_instance_self(i))->rate == 0.5);
    ck_assert_ptr_nonnull(strstr(tess_instance_config_text(i), "rate: 0.5"));
    tess_instance_close(i);
    refused("use: whole\nlearning_rate: 2\n", "x.yaml:2:16: whole/whole: `rate` wants a number 0 .. 1, found 2");
    refused("use: whole\nrate: 0.1\nspeed: 0.5\n", "x.yaml:3:1: whole/whole: `speed` is called `rate` now, which is given too (line 2)");
    refused("use: whole\nspeed: 0.1\nlearning_rate: 0.5\n", "`learning_rate` is called `rate` now, which is given too (line 2)");
    refused("use: whole\nsize: 3\n", "x.yaml:2:1: whole/whole: `size` is called `width` now");
    refused("use: whole\nlearn_rate: 3\n", "whole/whole has no parameter `learn_rate`");
}
END_TEST

/* Defaults as a configuration prints them: a text that reads as a number or a truth value has quotes, so that it stays a text. */
START_TEST(defaults_as_text)
{
    static const struct {
        struct tess_param p;
        const char *text;
    } wanted[] = {{{.name = "a", .type = TESS_STR, .text = "12"}, "\"12\""},
                  {{.name = "a", .type = TESS_STR, .text = "plain"}, "plain"},
                  {{.name = "a", .type = TESS_STR}, "null"},
                  {{.name = "a", .type = TESS_ENUM, .text = "1|true", .def = 1}, "\"true\""},
                  {{.name = "a", .type = TESS_BOOL, .def = 1}, "true"},
                  {{.name = "a", .type = TESS_I64, .lo = 1, .hi = 20, .def = 12}, "12"},
                  {{.name = "a", .type = TESS_COMPONENT, .text = "piece/1"}, "null"},
                  {{.name = "a", .type = TESS_LIST_F64, .hi = 1, .text = "0.50, 1"}, "[0.5, 1]"}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        char *text = NULL;
        ck_assert_int_eq(tessi_plug_default_text(fixture.ctx, &wanted[i].p, &text), TESS_OK);
        ck_assert_str_eq(text, wanted[i].text);
        tess_free(text);
    }
}
END_TEST

/* Parameters added later (TESS_LATER) appear in the config text only when they differ from their default. */
START_TEST(later_parameters_count_when_they_are_said)
{
    struct tess_instance *i = open_whole("use: whole\nlater: 0.00001\nnote: plain\nweights: [0.5, 2.0]\n");
    ck_assert_ptr_null(strstr(tess_instance_config_text(i), "later"));
    ck_assert_ptr_null(strstr(tess_instance_config_text(i), "note"));
    ck_assert_ptr_null(strstr(tess_instance_config_text(i), "weights"));
    ck_assert_ptr_nonnull(strstr(tessi_plug_instance_resolved(i), "later: 1e-05, note: plain, weights: [0.5, 2]"));
    tess_instance_close(i);
    i = open_whole("use: whole\nlater: 0.5\nnote: other\nweights: [0.5]\n");
    ck_assert_ptr_nonnull(strstr(tess_instance_config_text(i), "width: 4, later: 0.5, note: other, weights: [0.5]}"));
    tess_instance_close(i);
}
END_TEST

/* ---- the gate -------------------------------------------------------------------------------------------------------- */

static const char *check_row(struct tess_param row)
{
    static char why[1024];
    const struct tess_param rows[] = {TESS_PARAM("first", struct whole, width, TESS_I64, 0, 0, 1, 0, NULL, "for tests"), row,
                                      TESS_PARAM_END};
    const struct tess_component k[] = {TESS_COMPONENT("k", "piece/1", "for tests", sizeof(struct whole), rows, NULL, NULL, &ops),
                                       TESS_COMPONENT_END};
    const struct tess_plugin p = TESS_PLUGIN_INIT("p", "1", "MIT", NULL, k);
    snprintf(why, sizeof why, "accepted");
    ck_assert_int_eq(tessi_plug_plugin_check(&p, NULL, why, sizeof why), strcmp(why, "accepted") == 0);
    return why;
}

#define ROW_REFUSED(wanted, ...)                                                                                                           \
    do {                                                                                                                                   \
        const char *why_ = check_row((struct tess_param)__VA_ARGS__);                                                                      \
        ck_assert_msg(strstr(why_, wanted) != NULL, "wanted \"%s\", found \"%s\"", wanted, why_);                                          \
    } while (0)

START_TEST(rows_of_lists_and_names_are_checked)
{
    ROW_REFUSED("accepted", TESS_PARAM_LIST_F64(struct whole, rates, 0, 1, "", "x"));
    ROW_REFUSED("at most 16 numbers as the default, found \"1, x\"", TESS_PARAM_LIST_F64(struct whole, rates, 0, 1, "1, x", "x"));
    ROW_REFUSED("at most 16 numbers as the default, found \"1,,1\"", TESS_PARAM_LIST_F64(struct whole, rates, 0, 1, "1,,1", "x"));
    ROW_REFUSED("at most 16 numbers as the default, found \"nan\"", TESS_PARAM_LIST_F64(struct whole, rates, 0, 1, "nan", "x"));
    ROW_REFUSED("wanted default items in 0 .. 1, found 2", TESS_PARAM_LIST_F64(struct whole, rates, 0, 1, "1, 2", "x"));
    ROW_REFUSED("wanted a range with lo below hi", TESS_PARAM_LIST_F64(struct whole, rates, 1, 1, "1", "x"));
    ROW_REFUSED("at most 16 texts as the default, found \"a,\"", TESS_PARAM_LIST_STR(struct whole, words, "a,", "x"));
    ROW_REFUSED("wanted a kind like \"encoder/1\", found \"piece\"", TESS_PARAM_LIST_COMPONENT(struct whole, parts, "piece", "x"));
    ROW_REFUSED("wanted a former name that no parameter has now, found `first`",
                TESS_PARAM_RENAMED("a", "old|first", struct whole, rate, TESS_F64, 0, 0, 1, 0, NULL, "x"));
    ROW_REFUSED("wanted former names of letters", TESS_PARAM_RENAMED("a", "old|2x", struct whole, rate, TESS_F64, 0, 0, 1, 0, NULL, "x"));
    ROW_REFUSED("wanted the names that are gone (TESS_GONE), found none",
                TESS_PARAM("a", struct whole, rate, TESS_F64, TESS_GONE, 0, 1, 0, NULL, "x"));
}
END_TEST

/* A plugin of before there were former names ends its rows earlier. */
START_TEST(rows_without_former_names)
{
    struct old {
        const char *name, *help;
        int32_t type;
        uint32_t flags;
        size_t offset;
        double lo, hi, def;
        const char *text;
    };
    static const struct old rows[] = {{"a", "x", TESS_I64, 0, 0, 0, 9, 3, NULL}, {"b", "x", TESS_I64, 0, 8, 0, 9, 5, NULL}, {0}};
    const struct tess_component k = {.name = "k", .params = (const void *)rows, .param_stride = sizeof rows[0]};
    ck_assert_ptr_null(tessi_plug_param_former(&k, tessi_plug_param_at(&k, 0)));
    ck_assert_str_eq(tessi_plug_param_at(&k, 1)->name, "b");
    ck_assert(!tessi_plug_was_called(&k, tessi_plug_param_at(&k, 1), "a"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("params");
    TCase *tests = tcase_create("params");
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, lists_have_their_defaults);
    tcase_add_test(tests, lists_are_read_kept_and_read_back);
    tcase_add_test(tests, lists_are_refused_with_the_item);
    tcase_add_test(tests, former_names);
    tcase_add_test(tests, defaults_as_text);
    tcase_add_test(tests, later_parameters_count_when_they_are_said);
    tcase_add_test(tests, rows_of_lists_and_names_are_checked);
    tcase_add_test(tests, rows_without_former_names);
    return suite_run(suite);
}
