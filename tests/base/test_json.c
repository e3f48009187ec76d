/* JSON that is read: what RFC 8259 allows, and nothing else. SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/base/json.h"
#include "core/base/json_read.h"
#include "core/base/memory.h"
#include "tests/support/suite.h"

#include <math.h>
#include <string.h>

static struct tessi_context context;

static int read_text(const char *text, struct tessi_json **out)
{
    /* Without an end of its own, so that a reader that goes past it is noticed by the sanitizers. */
    size_t bytes = strlen(text);
    char *copy = malloc(bytes ? bytes : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, text, bytes);
    tessi_base_context_init(&context, NULL);
    int status = tessi_base_json_read(&context.context, copy, bytes, "it", out);
    free(copy);
    return status;
}

START_TEST(values)
{
    struct tessi_json *v;
    ck_assert_int_eq(
        read_text(" {\"a\" : [1, -2.5e3 ,true,false,null, {}, []], \"b\":\"x\\u00e9\\n\\ud83d\\ude00\\\"\\/\", \"\":0, \"a\":9} \n", &v),
        TESS_OK);
    const struct tessi_json *a = tessi_base_json_get(v, "a"), *at = a->child;
    ck_assert_int_eq(a->type, TESSI_JSON_LIST);
    ck_assert_double_eq(at->number, 1);
    ck_assert_double_eq(at->next->number, -2500);
    ck_assert_str_eq(at->next->text, "-2.5e3");
    ck_assert(at->next->next->type == TESSI_JSON_BOOL && at->next->next->number > 0);
    ck_assert(at->next->next->next->type == TESSI_JSON_BOOL && at->next->next->next->number < 1);
    ck_assert_int_eq(at->next->next->next->next->type, TESSI_JSON_NULL);
    ck_assert_int_eq(at->next->next->next->next->next->type, TESSI_JSON_MAP);
    ck_assert_ptr_null(at->next->next->next->next->next->next->next);
    ck_assert_str_eq(tessi_base_json_get_text(v, "b", "none"), "x\xc3\xa9\n\xf0\x9f\x98\x80\"/");
    ck_assert_str_eq(tessi_base_json_get_text(v, "a", "none"), "none");
    ck_assert_double_eq(tessi_base_json_get_f64(v, "", 5), 0);
    ck_assert_double_eq(tessi_base_json_get_f64(v, "c", 5), 5);
    tess_free(v);
    ck_assert_int_eq(tessi_base_memory_in_use(), 0);
}
END_TEST

START_TEST(refused)
{
    static const char *const bad[] = {"",      " ",      "{",       "[1",      "[1,]",    "{\"a\"}",    "{\"a\":}",     "{a:1}",
                                      "nul",   "+1",     "1 2",     ".5",      "1e",      "\"x",        "\"\\x\"",      "\"\\u12\"",
                                      "\"\t\"", "tru",   "[1}",     "{\"a\":1]", "-",     "\"\\ud800\"", "\"\\udc00\"", "\"\\u0000\"",
                                      "\"\\",  "{\"a\":1,}"};
    struct tessi_json *v;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(read_text(bad[i], &v) == TESS_E_DATA, "`%s` is taken", bad[i]);
        ck_assert_ptr_eq(strstr(tessi_base_context_message(&context.context), "it: is no JSON: at byte "),
                         tessi_base_context_message(&context.context));
    }
    char deep[201] = "";
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    ck_assert_int_eq(read_text(deep, &v), TESS_E_DATA);
    ck_assert_int_eq(read_text(deep + 40, &v), TESS_E_DATA);
    deep[160] = '\0';
    ck_assert_int_eq(read_text(deep + 40, &v), TESS_OK);
    tess_free(v);
    ck_assert_int_eq(tessi_base_memory_in_use(), 0);
}
END_TEST

static char line[256];

static const char *written(const char *text)
{
    FILE *to = fmemopen(line, sizeof line, "w");
    tessi_base_json_text(to, text);
    fclose(to);
    return line;
}

/* The reader reads all texts and numbers that the writer writes. */
START_TEST(round_trip)
{
    static const char text[] = "a\"b\\c\x01\x7f\n\t\xc3\xa9/</script>";
    struct tessi_json *v;
    ck_assert_int_eq(read_text(written(text), &v), TESS_OK);
    ck_assert_str_eq(v->text, text);
    tess_free(v);
}
END_TEST

/* Lengths of UTF-8 at their edges (RFC 3629, section 4); of what is none, each byte by itself. */
START_TEST(bytes_that_are_no_text)
{
    static const char *const good[] = {"A",
                                       "\x7e",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "\xe1\x80\x80",
                                       "\xf1\x80\x80\x80"};
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xc2"
                                      "A",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xe1\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xf1\x80\x80",
                                      "\xff"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char wanted[16];
        (void)snprintf(wanted, sizeof wanted, "\"%s\"", good[i]);
        ck_assert_str_eq(written(good[i]), wanted);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char wanted[64] = "\"";
        for (const char *at = bad[i]; *at; at++)
            strcat(wanted, *at == 'A' ? "A" : "\\ufffd");
        ck_assert_str_eq(written(bad[i]), strcat(wanted, "\""));
    }
    ck_assert_str_eq(written(NULL), "null");
    ck_assert_str_eq(written("\x1f\x20\x7f\r"), "\"\\u001f \\u007f\\u000d\"");
}
END_TEST

START_TEST(numbers_are_short)
{
    static const struct {
        double value;
        const char *text;
    } all[] = {{0, "0"},
               {0.1, "0.1"},
               {123456789, "123456789"},
               {1.0 / 3, "0.3333333333333333"},
               {0.1 + 0.2, "0.30000000000000004"},
               {-2.5, "-2.5"},
               {1e300, "1e+300"},
               {INFINITY, "null"},
               {-INFINITY, "null"},
               {NAN, "null"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        FILE *to = fmemopen(line, sizeof line, "w");
        tessi_base_json_f64(to, all[i].value);
        fclose(to);
        ck_assert_str_eq(line, all[i].text);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("json");
    TCase *t = tcase_create("json");
    tcase_add_test(t, values);
    tcase_add_test(t, refused);
    tcase_add_test(t, round_trip);
    tcase_add_test(t, bytes_that_are_no_text);
    tcase_add_test(t, numbers_are_short);
    suite_add_tcase(s, t);
    return suite_run(s);
}
