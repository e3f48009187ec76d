/* Words of the judge: each broken promise fails its test with a message that says what was found, and a test that does not apply says why.
 * SPDX-License-Identifier: MIT */
#include "tests/support/judge_fixture.h"
#include "tests/support/paths.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>

enum { P = TESSI_JUDGE_PASSED, F = TESSI_JUDGE_FAILED, S = TESSI_JUDGE_SKIPPED };

struct words {
    const char *component, *test;
    int outcome;
    const char *text; /* a part of the message */
};

static void check_words(const char *file, const struct words *w)
{
    static struct verdicts v;
    struct tessi_judge_report report;
    char only[200], message[TESSI_MESSAGE_CAPACITY];
    snprintf(only, sizeof only, "%s:%s", w->component, w->test);
    const struct tessi_judge_options o = {.what = file, .level = 1, .seed = 1, .only = only};
    ck_assert_msg(judge_verdicts(&o, &v, &report, message) == TESS_OK, "%s: %s", only, message);
    const char *text = w->outcome == F ? v.failed : v.skipped;
    ck_assert_msg(v.count == 1 && report.count[w->outcome] == 1, "%s: failed: %s; skipped: %s", only, v.failed, v.skipped);
    ck_assert_msg(strstr(text, w->text) || w->outcome == P, "%s: wanted \"%s\", found: %s", only, w->text, text);
}

#define SUITE(name, file, ...)                                                                                                             \
    static const struct words name##_words[] = {__VA_ARGS__};                                                                              \
    START_TEST(test_##name)                                                                                                                \
    {                                                                                                                                      \
        check_words(BROKEN(file), &name##_words[_i]);                                                                                      \
    }                                                                                                                                      \
    END_TEST

SUITE(source, "source", {"source/honest", "sizes", P, ""}, {"source/honest", "reads", P, ""}, {"source/honest", "classes", P, ""},
      {"source/honest", "fingerprint", P, ""}, {"source/honest", "read-allocations", P, ""}, {"source/honest", "any-thread", P, ""},
      {"source/honest", "rest", P, ""}, {"source/honest", "content", P, ""}, {"source/honest", "soon", P, ""},
      {"source/negative", "sizes", F, "wanted counts and sizes of 0 or more, found -1 images of 2 x 2 x 1 and 2 labels"},
      {"source/names-two", "sizes", F, "names: wanted 0 or 1, found 2"},
      {"source/grows", "sizes", F, "wanted the same count when asked again"},
      {"source/no-reason", "reads", F, "read of image 0: wanted a reason with TESS_E_ITEM, found none"},
      {"source/wrong-status", "reads", F, "read of image 0: found status -7"},
      {"source/no-pixels", "reads", F, "image 0: wanted pixels, found 0 x 2 x 1"},
      {"source/other-size", "reads", F, "image 0: wanted the size that `shape` says, 2 x 2 x 1, found 3 x 2 x 1"},
      {"source/label-beyond", "reads", F, "image 0: wanted a label below 2, or -1 for none, found 2"},
      {"source/no-name", "reads", F, "image 0: wanted a name that ends, found none"},
      {"source/changes", "reads", F, "wanted image 2 to be the same when it is read again, found another"},
      {"source/changes", "any-thread", F, "wanted images read on 4 threads at once to be those read on one, found others"},
      {"source/empty-class", "classes", F, "class_name: wanted a name or NULL for class 1, found an empty one"},
      {"source/other-fingerprint", "fingerprint", F, "wanted the same fingerprint of the same files, found another"},
      {"source/content-status", "content", F, "content of image 0: found status -7"},
      {"source/other-content", "content", F, "wanted the same content of image 0 when asked again, found another"},
      {"source/one-content", "content", F, "wanted another content of image 1, whose pixels differ from one before it"},
      {"source/bad-content", "content", P, ""},
      {"source/swallows-memory", "read-allocations", F, "allocation 1 failed: wanted TESS_E_MEMORY (-9), found -12: "},
      {"source/rests-badly", "rest", F, "wanted the same image after `rest`, found another"},
      {"source/soon-badly", "soon", F, "wanted the same image after `soon`, found another"},
      {"source/empty", "read-allocations", S, "it has no images"}, {"source/empty", "any-thread", S, "it has no images"},
      {"source/empty", "soon", S, "it takes no advice, or has no images"}, {"source/bare", "content", S, "it does not tell the content"},
      {"source/bare", "rest", S, "it holds nothing while images are read"}, {"source/bare", "classes", S, "its classes have no names"})

SUITE(transport, "transport", {"transport/honest", "join", P, ""}, {"transport/honest", "messages", P, ""},
      {"transport/honest", "abort", P, ""},
      {"transport/no-rank", "join", F, "join: wanted a rank in 0 .. ranks - 1 of at most 4096, found 2 of 2"},
      {"transport/no-host", "join", F, "join: wanted the name of the machine, found none"},
      {"transport/positive", "join", F, "join returned 7; wanted 0, or a negative TESS_E_ code"},
      {"transport/stops", "messages", F, "wanted join to succeed, found: rank 1 (there): has not come"},
      {"transport/not-started", "join", P, ""},
      {"transport/not-started", "messages", S, "this process was not started as a rank, and join says so"},
      {"transport/other-bytes", "messages", F, "exchange: byte 69999 of a message of 70000 from rank 1 is not what that rank sent"},
      {"transport/keeps-broadcast", "messages", F, "broadcast: wanted 18 from rank 1, found 0"},
      {"transport/dead", "messages", F, "wanted alive to succeed, found: rank 1 (there): not heard of"},
      {"transport/goes-on", "abort", F, "barrier after an abort: wanted its status -4, found 0"},
      {"transport/other-reason", "abort", F, "barrier after an abort: wanted its reason, found: rank 0 (here): it is over"})

SUITE(described, "described", {"source/honest", "opens", P, ""}, {"source/honest", "resources", P, ""},
      {"source/only-one", "two-at-once", F, "wanted a second instance beside the first, found: "},
      {"source/keeps-thread", "resources", F, "wanted no thread running after close, found 1 more each time"},
      {"source/refuses", "opens", F, "wanted opening it with its defaults to succeed, found: "},
      {"source/refuses", "closes", S, "it does not open: "}, {"source/loses-late", "open-allocations", F, "wanted all memory back, found "},
      {"source/swallows", "open-allocations", F, "wanted TESS_E_MEMORY (-9), found -2: "},
      {"source/turns", "drawn-again", F, "wanted the same of the same parameters, found status -2 and then 0"},
      {"source/wants-text", "opens", S, "the parameter `text` (a parameter) has no default; give one with --set text=VALUE"},
      {"source/wants-part", "opens", P, ""},
      {"source/wants-nobody", "opens", S, "the parameter `part` wants a component, and no nobody/1 opens with its defaults"},
      {"source/wants-numbers", "opens", P, ""}, {"source/wants-numbers", "ends", P, ""}, {"source/wants-numbers", "drawn", P, ""},
      {"source/wants-numbers", "drawn-near", P, ""}, {"source/wants-numbers", "outside", P, ""})

static TCase *words_case(Suite *s, const char *name)
{
    TCase *c = tcase_create(name);
    tcase_set_timeout(c, 120);
    tcase_add_unchecked_fixture(c, judge_runtime_open, judge_runtime_close);
    suite_add_tcase(s, c);
    return c;
}

int main(void)
{
    Suite *s = suite_create("words");
    tcase_add_loop_test(words_case(s, "source"), test_source, 0, (int)(sizeof source_words / sizeof *source_words));
    tcase_add_loop_test(words_case(s, "transport"), test_transport, 0, (int)(sizeof transport_words / sizeof *transport_words));
    tcase_add_loop_test(words_case(s, "described"), test_described, 0, (int)(sizeof described_words / sizeof *described_words));
    return suite_run(s);
}
