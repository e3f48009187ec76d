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
      {"transport/honest", "abort", P, ""}, {"transport/honest", "idle abort", P, ""}, {"transport/honest", "waiting", P, ""},
      {"transport/forgets", "waiting", F, "exchange: byte 0 of a message of 3 from rank 1 is not what that rank sent"},
      {"transport/beyond", "messages", F, "exchange: a message of 1 bytes from rank 1 was written beyond its end"},
      {"transport/changes", "messages", F, "exchange: byte 0 of a message of 1 to rank 1 was changed as it was sent"},
      {"transport/cuts-broadcast", "messages", F, "broadcast: wanted 18 from rank 1, found 0"},
      {"transport/lives-on", "idle abort", F, "alive after an abort: wanted its status -4, found 0"},
      {"transport/other-status", "idle abort", F, "alive after an abort: wanted its status -4, found"},
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
      {"source/no-summary", "texts", F, "wanted the summary of `no-summary` to say something, found none"},
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

SUITE(noise, "noise", {"noise/timed", "draw-time", P, ""}, {"noise/timed", "times-restored", P, ""},
      {"noise/honest", "draw-time", S, "its times of training are uniform"},
      {"noise/time-0", "draw-time", F, "draw_time: wanted 1 .. 16, found 0"},
      {"noise/other-time", "draw-time", F, "draw_time: wanted the same of the same stream, found "},
      {"noise/not-saved", "times-restored", F, "draw_time: wanted the same after a restart, found "},
      {"noise/nan-bound", "bound-times", F, "wanted a finite bound at t = "},
      {"noise/nan-loss", "bound-times", F, "wanted a finite loss, found inf"}, {"noise/refuses-time", "bound-times", S, " is late"},
      {"noise/refuses-time", "records", F, "is late"}, {"noise/other-sizes", "sizes", F, "wanted the same sizes when asked again"},
      {"noise/causal-steps", "sizes", F, "steps: wanted 0 of a noise that is causal, found 16"},
      {"noise/small-vocabulary", "reverse-range", S, "its sizes are none, as the test `sizes` says"},
      {"noise/small-vocabulary", "records", F, "its sizes are none"}, {"noise/outside", "corrupt-outside", P, ""},
      {"noise/other-start", "start", F, "start: wanted the same of the same stream, found another"},
      {"noise/writes-x", "reverse-kept", F, "reverse: wanted x and logits left as they were, found them changed with "},
      {"noise/marks-two", "changes", F, "changes: wanted 0 or 1 for each token, found 2 at "},
      {"noise/counts-wrong", "changes", F, "changes: wanted the number of tokens that it marks, "},
      {"noise/plain", "changes", S, "it does not tell which tokens a step draws"},
      {"noise/plain", "logits-by-row", S, "it does not read logits by row"},
      {"noise/plain", "condition", S, "it cannot sample around known tokens"},
      {"noise/lost-known", "condition", F, "condition: wanted the known tokens themselves at the end, found "},
      {"noise/shared-buffer", "any-thread", F,
       "wanted corrupt and reverse to give on 4 threads at once what they give on one, found another"})

SUITE(metric, "metric", {"metric/many", "value-repeats", F, "finish: wanted at most "},
      {"metric/no-way", "value-repeats", F, "finish: wanted TESS_METRIC_LOWER, TESS_METRIC_HIGHER or 0 for `error`, found 7"},
      {"metric/nameless-list", "value-repeats", F, "finish: wanted a name without `/`"},
      {"metric/nan-list", "value-repeats", F, "finish: wanted a value in the list `parts`, found NaN"},
      {"metric/no-bytes", "pack", F, "pack: wanted a number of bytes, found -1"},
      {"metric/packs-more", "pack", F, "pack: wanted the 16 bytes it said, found more written"},
      {"metric/counts-other", "pack", F, "pack: wanted 16 bytes as it said, found 15"},
      {"metric/swallows", "metric-memory", F, "allocation 1 failed: wanted TESS_E_MEMORY (-9), found -2: a state that is too large"},
      {"metric/unpacks-badly", "unpack-random", F, "unpack of random bytes: wanted TESS_E_DATA (-4), found -2"},
      {"metric/checks-badly", "value-repeats", F, "check: wanted TESS_E_VALUE or TESS_E_SHAPE for rows that do not do, found -7"},
      {"metric/takes-none", "few-rows", S, "it takes no fewer than 20 rows"}, {"metric/takes-none", "pack", S, "more images are wanted"},
      {"metric/honest", "resample", S, "it has no intervals"}, {"metric/resamples", "resample", P, ""},
      {"metric/no-resample", "resample", S, "it has no intervals with these parameters"},
      {"metric/other-resample", "resample", F, "resample: wanted a resample of 0 .. "},
      {"metric/other-name", "resample", F, "resample: wanted a name that `finish` gave, found `other`"},
      {"metric/other-value", "resample", F, "resample: wanted `error` to be "},
      {"metric/changes-value", "resample", F, "with resamples as without, found "})

SUITE(sampler, "sampler", {"sampler/large-state", "sizes", F, "state_size: wanted 0 .. 268435456, found 268435457"},
      {"sampler/negative-state", "sizes", F, "state_size: wanted 0 .. 268435456, found -1"}, {"sampler/keeps-state", "reads", P, ""},
      {"sampler/keeps-state", "repeats", P, ""}, {"sampler/big-state", "finishes", S, "bytes with each sequence, more than the test has"},
      {"sampler/marks-two", "reads", F, "reads: wanted 0 or 1 for each token, found 2 at "},
      {"sampler/counts-wrong", "reads", F, "reads: wanted the number of tokens that it marks, "},
      {"sampler/moves-unread", "reads", F, "reads: wanted a call that reads none to leave x as it is, found it changed"},
      {"sampler/in-pairs", "exact", F, "side by side with a frequency of "},
      {"sampler/all-read", "reads", S, "it reads all logits at every step"}, {"sampler/all-read", "check", S, "it takes every prior"})

SUITE(format, "format", {"format/honest", "round-trip", P, ""}, {"format/honest", "damaged", P, ""},
      {"format/honest", "random-bytes", P, ""}, {"format/honest", "missing", P, ""},
      {"format/only-reads", "round-trip", S, "it does not write"},
      {"format/unknown-to-itself", "round-trip", F, "wanted its own file recognised by its first bytes, found that it is not"},
      {"format/loses-one", "round-trip", F, "wanted the 3 tensors that were written, found 2"},
      {"format/other-name", "round-trip", F, "wanted the names and shapes that were written, found `other`"},
      {"format/other-values", "round-trip", F, "wanted the values of `encoder.weight` that were written, found others"},
      {"format/other-pieces", "round-trip", F, "wanted the values of `encoder.weight` in pieces of 5 as `read` gives them, found others"},
      {"format/wrong-status", "damaged", F, "a file that is cut off: wanted TESS_E_DATA (-4), found -2: "},
      {"format/no-path", "random-bytes", F, "a file of random bytes: wanted a message that names the file, found: it: is damaged"},
      {"format/nameless", "random-bytes", F, "a file of random bytes: wanted an entry with a name and at most 8 dimensions, found none"},
      {"format/positive", "damaged", F, "open_file returned 1; wanted 0, or a negative TESS_E_ code with a message"})

/* A test of a higher level is left out below it, which is told, and runs at it. */
START_TEST(test_level)
{
    static struct verdicts v;
    struct tessi_judge_report report;
    char message[TESSI_MESSAGE_CAPACITY];
    struct tessi_judge_options o = {.what = BROKEN("networks"), .level = 2, .seed = 1, .only = "encoder/honest:time"};
    ck_assert_int_eq(judge_verdicts(&o, &v, &report, message), TESS_E_USAGE);
    o.level = 3;
    ck_assert_msg(judge_verdicts(&o, &v, &report, message) == TESS_OK, "%s", message);
    ck_assert_msg(report.count[P] == 1, "%s %s", v.failed, v.skipped);
}
END_TEST

#define WORDS_OF(name) tcase_add_loop_test(words_case(s, #name), test_##name, 0, (int)(sizeof name##_words / sizeof *name##_words))

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
    WORDS_OF(source);
    WORDS_OF(transport);
    WORDS_OF(described);
    WORDS_OF(noise);
    WORDS_OF(metric);
    WORDS_OF(sampler);
    WORDS_OF(format);
    tcase_add_test(words_case(s, "level"), test_level);
    return suite_run(s);
}
