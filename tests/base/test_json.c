/* JSON that is read: what RFC 8259 allows, and nothing else. SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/base/json.h"
#include "core/base/json_read.h"
#include "core/base/memory.h"
#include "tests/support/suite.h"

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
    ck_assert_int_eq(read_text(" {\"a\" : [1, -2.5e3 ,true,false,null, {}, []], \"b\":\"x\\u00e9\\n\\ud83d\\ude00\\\"\\/\", \"\":0, \"a\":9} \n",
                               &v),
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

/* What the writer writes, the reader reads. */
START_TEST(round_trip)
{
    static const char text[] = "a\"b\\c\x01\x7f\n\t\xc3\xa9/</script>";
    char *line = NULL;
    size_t bytes = 0;
    struct tessi_json *v;
    FILE *to = open_memstream(&line, &bytes);
    tessi_base_json_text(to, text);
    fclose(to);
    ck_assert_int_eq(read_text(line, &v), TESS_OK);
    ck_assert_str_eq(v->text, text);
    tess_free(v);
    free(line);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("json");
    TCase *t = tcase_create("json");
    tcase_add_test(t, values);
    tcase_add_test(t, refused);
    tcase_add_test(t, round_trip);
    suite_add_tcase(s, t);
    return suite_run(s);
}
