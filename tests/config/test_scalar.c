/* Scalars of a configuration by the core schema of YAML 1.2, each type at its edges; words about them; suggestions for names.
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/base/memory.h"
#include "core/config/merge.h"
#include "core/config/scalar.h"
#include "core/config/yaml.h"
#include "tests/support/suite.h"

#include <math.h>
#include <string.h>

static struct tessi_config scalar(const char *text)
{
    return (struct tessi_config){.kind = TESSI_SCALAR, .text = (char *)(uintptr_t)text};
}

START_TEST(types)
{
    static const char *const of[][14] = {
        [TESSI_IS_NULL] = {"", "~", "null", "Null", "NULL"},
        [TESSI_IS_BOOL] = {"true", "True", "TRUE", "false", "False", "FALSE"},
        [TESSI_IS_INT] = {"0", "7", "-1", "+7", "007", "-0", "0o7", "0x1f", "0xAF", "99999999999999999999"},
        [TESSI_IS_REAL] = {".5", "5.", "-.5", "+1.0", "1e3", "1E-2", "1.e+9", "0.0", "1e400"},
        [TESSI_IS_INFINITE] = {".inf", "-.inf", "+.Inf", ".INF", ".nan", ".NaN", ".NAN"},
        [TESSI_IS_TEXT] = {"yes", "nUll", "tRue", "-", "+", ".", "0o", "0x", "0o8", "0xg", "-0x1", "1e", "1e+"}};
    static const char *const texts[] = {"1 ", " 1", "1.2.3", "--1", "-.nan", "..inf", "e3", "1x", "0b1", "-~", "on"};
    for (int type = TESSI_IS_NULL; type <= TESSI_IS_TEXT; type++)
        for (int i = 0; i < 14 && of[type][i]; i++) {
            ck_assert_msg(tessi_config_scalar_is(of[type][i], 0) == type, "%s", of[type][i]);
            ck_assert_int_eq(tessi_config_scalar_is(of[type][i], 1), TESSI_IS_TEXT);
        }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert_msg(tessi_config_scalar_is(texts[i], 0) == TESSI_IS_TEXT, "%s", texts[i]);
}
END_TEST

START_TEST(integers)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},
                {"-12", -12},
                {"+7", 7},
                {"010", 10},
                {"0o17", 15},
                {"0x1F", 31},
                {"1e3", 1000},
                {"-2.0", -2},
                {"0.0", 0},
                {"1500e-2", 15},
                {"0o777777777777777777777", INT64_MAX},
                {"0x7fffffffffffffff", INT64_MAX},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN},
                {"9007199254740992.0", INT64_C(9007199254740992)},
                {"-9007199254740992.", -INT64_C(9007199254740992)}};
    static const char *const bad[] = {"1.5",
                                      "1e-1",
                                      "0x8000000000000000",
                                      "0x10000000000000000",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "9007199254740994.0",
                                      "1e400",
                                      ".inf",
                                      "true",
                                      "",
                                      "one"};
    int64_t found;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct tessi_config s = scalar(good[i].text);
        ck_assert_msg(tessi_config_read_i64(&s, &found) && found == good[i].value, "%s", good[i].text);
        ck_assert(tessi_config_is_i64(&s, &found));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tessi_config s = scalar(bad[i]);
        ck_assert_msg(!tessi_config_read_i64(&s, &found), "%s", bad[i]);
    }
    ck_assert(!tessi_config_read_i64(&(struct tessi_config){.kind = TESSI_MAP}, &found));
}
END_TEST

START_TEST(numbers)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {{"1", 1},       {"-3", -3},         {"0x10", 16},    {"0o10", 8},      {"010", 10},
                {"0", 0},       {"0.0", 0},         {"-0e5", 0},     {"0e-400", 0},    {".5", 0.5},
                {"1e-4", 1e-4}, {"5e-324", 5e-324}, {"00.00e-9", 0}, {"1e308", 1e308}, {"0.25", 0.25}};
    static const char *const bad[] = {"1e400", "-1e400", "1e-400", "0.1e-400", "9e-999", ".inf", ".nan", "x", "", "true", "1e"};
    double found;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct tessi_config s = scalar(good[i].text);
        ck_assert_msg(tessi_config_read_f64(&s, &found) && !(found < good[i].value) && !(found > good[i].value), "%s", good[i].text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tessi_config s = scalar(bad[i]);
        ck_assert_msg(!tessi_config_read_f64(&s, &found), "%s", bad[i]);
    }
}
END_TEST

START_TEST(booleans)
{
    int32_t found = 7;
    struct tessi_config yes = scalar("True"), no = scalar("false"), one = scalar("1");
    ck_assert(tessi_config_read_bool(&yes, &found) && found == 1);
    ck_assert(tessi_config_read_bool(&no, &found) && found == 0);
    ck_assert(!tessi_config_read_bool(&one, &found));
}
END_TEST

#define E "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9" /* four letters of two bytes */

START_TEST(words)
{
    static const struct {
        const char *text, *words;
    } all[] = {{"", "nothing"},
               {"1.5", "1.5"},
               {"many", "the text \"many\""},
               {"a\x01"
                "b\x1f"
                "c\x7f"
                "d",
                "the text \"a b c d\""},
               {"a b~", "the text \"a b~\""},
               {"fifty letters are two more than forty-eight: cut it", "the text \"fifty letters are two more than forty-eight: cut...\""},
               {E E E E E E "x", "the text \"" E E E E E E "...\""},
               {"x" E E E E E E, "the text \"x" E E E E E "\xc3\xa9\xc3\xa9\xc3\xa9...\""}};
    char text[200];
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct tessi_config s = scalar(all[i].text);
        ck_assert_str_eq(tessi_config_found(&s, text, sizeof text), all[i].words);
    }
    struct tessi_config item = {.kind = TESSI_SCALAR}, list = {.kind = TESSI_SEQUENCE, .child = &item};
    ck_assert_str_eq(tessi_config_found(&list, text, sizeof text), "a list of 1");
    ck_assert_str_eq(tessi_config_found(&(struct tessi_config){.kind = TESSI_MAP}, text, sizeof text), "a map");
    ck_assert_str_eq(tessi_config_found(&item, text, sizeof text), "nothing");
}
END_TEST

START_TEST(shortest_decimals)
{
    static const struct {
        double value;
        const char *text;
    } all[] = {{0.1, "0.1"}, {0.1 + 0.2, "0.30000000000000004"}, {1.0 / 3, "0.3333333333333333"}, {1e23, "1e+23"}, {-4, "-4"}};
    char text[40];
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ck_assert_str_eq(tessi_config_real_text(all[i].value, text, sizeof text), all[i].text);
}
END_TEST

static struct tessi_context context;

static struct tessi_config *parse(const char *text)
{
    struct tessi_config *s = NULL;
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_config_yaml_parse(&context.context, text, strlen(text), "x.yaml", &s), TESS_OK);
    return s;
}

START_TEST(suggestions)
{
    struct tessi_config *map = parse("{alpha: 1, steps: 2, tokenizer: 3}"), *none = parse("{}");
    char text[200];
    ck_assert_str_eq(tessi_config_suggest(map, "step", text, sizeof text), "; did you mean `steps`?");
    ck_assert_str_eq(tessi_config_suggest(map, "zzzzzz", text, sizeof text), "; there are alpha, steps, tokenizer");
    ck_assert_str_eq(tessi_config_suggest(none, "zzzzzz", text, sizeof text), "; there is none");
    ck_assert_str_eq(tessi_config_suggest(NULL, "zzzzzz", text, sizeof text), "; there is none");
    (void)tessi_config_suggest(map, "st\xd0\xb5ps", text, sizeof text); /* the letter of another alphabet, then the name */
    ck_assert_msg(strstr(text, "U+0435") && strstr(text, "; did you mean `steps`?"), "%s", text);
    for (size_t capacity = 1; capacity < 60; capacity++) { /* cut, never beyond */
        memset(text, '#', sizeof text);
        (void)tessi_config_suggest(map, "zzzzzz", text, capacity);
        ck_assert(strlen(text) < capacity && text[capacity] == '#');
        memset(text, '#', sizeof text);
        (void)tessi_config_suggest(map, "st\xd0\xb5ps", text, capacity);
        ck_assert(strlen(text) < capacity && text[capacity] == '#');
    }
    tessi_config_free(map);
    tessi_config_free(none);
}
END_TEST

/* Lays one text over another: the flow text of what comes of it. */
static const char *merged(const char *base, const char *change, struct tessi_config **whole)
{
    static char out[512];
    char *printed = NULL;
    struct tessi_config *root = parse(base), *dropped = NULL;
    ck_assert_int_eq(tessi_config_new(&context.context, TESSI_SEQUENCE, "x.yaml", 1, 1, &dropped), TESS_OK);
    ck_assert_int_eq(tessi_config_merge(&context.context, root, parse(change), dropped), TESS_OK);
    ck_assert_int_eq(tessi_config_print(&context.context, root, &printed), TESS_OK);
    snprintf(out, sizeof out, "%s", printed);
    tess_free(printed);
    tessi_config_free(dropped);
    if (whole)
        *whole = root;
    else
        tessi_config_free(root);
    return out;
}

/* A text is a component's name below a stage alone; a component that takes another's place keeps it, with its path. */
START_TEST(components)
{
    struct tessi_config *root;
    ck_assert_str_eq(merged("params: {a: b}", "params: {a: {c: 1}}", NULL), "{params: {a: {c: 1}}}");
    ck_assert_str_eq(merged("stages: {t: {q: ema}}", "stages: {t: {q: {c: 1}}}", NULL), "{stages: {t: {q: {use: ema, c: 1}}}}");
    ck_assert_str_eq(merged("stages: {t: {q: 7}}", "stages: {t: {q: {c: 1}}}", NULL), "{stages: {t: {q: {c: 1}}}}");
    ck_assert_str_eq(merged("stages: {t: {q: ema}}", "stages: {t: {q: {use: fsq, c: 1}}}", NULL), "{stages: {t: {q: {use: fsq, c: 1}}}}");
    (void)merged("stages: {t: {use: u, q: {use: ema, d: 1}}}", "stages: {t: {q: {use: fsq}}}", &root);
    const struct tessi_config *t = tessi_config_child(tessi_config_child(root, "stages"), "t"), *q = tessi_config_child(t, "q");
    ck_assert(q->former && !t->former && !q->afresh);
    ck_assert_str_eq(q->path, "t.q");
    ck_assert_str_eq(tessi_config_child(q->former, "use")->text, "ema");
    tessi_config_free(root);
    (void)merged("stages: {t: {use: u, q: {use: ema, d: 1}}}", "stages: {t: {q: fsq}}", &root);
    q = tessi_config_child(tessi_config_child(tessi_config_child(root, "stages"), "t"), "q");
    ck_assert(q->former && q->afresh);
    ck_assert_str_eq(q->path, "t.q");
    tessi_config_free(root);
    (void)merged("stages: {t: {q: {use: ema, d: 1}}, r: {q: {use: a}}, s: {q: {d: 1}}}",
                 "stages: {t: {q: {use: ema, d: 2}}, r: {q: {d: 2}}, s: {q: {use: b}}}", &root);
    for (const struct tessi_config *s = tessi_config_child(root, "stages")->child; s; s = s->next)
        ck_assert_ptr_null(tessi_config_child(s, "q")->former); /* an equal component, or none before */
    tessi_config_free(root);
    (void)merged("params: {q: {use: ema}}", "params: {q: {use: fsq}}", &root);
    ck_assert_ptr_null(tessi_config_child(tessi_config_child(root, "params"), "q")->former);
    tessi_config_free(root);
    ck_assert_int_eq(tessi_base_memory_in_use(), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("scalar");
    TCase *t = tcase_create("scalar");
    tcase_add_test(t, types);
    tcase_add_test(t, integers);
    tcase_add_test(t, numbers);
    tcase_add_test(t, booleans);
    tcase_add_test(t, words);
    tcase_add_test(t, shortest_decimals);
    tcase_add_test(t, suggestions);
    tcase_add_test(t, components);
    suite_add_tcase(s, t);
    return suite_run(s);
}
