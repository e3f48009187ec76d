/* Plugins that change what is the whole program's, leave undone what they are to do, or break the rules in words: `plan`, or else `run`,
 * ends with a sentence that names the plugin and the function, and what it did. SPDX-License-Identifier: MIT */
#include "tests/support/paths.h"
#include "tests/support/plug_fixture.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static struct plug_fixture fixture;
static char said[1 << 14];

static void write_images(void)
{
    char path[600];
    uint8_t bytes[16 + 32 * 8 * 8] = {0, 0, 8, 3, 0, 0, 0, 32, 0, 0, 0, 8, 0, 0, 0, 8};
    for (size_t i = 16; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37 + i / 64);
    snprintf(path, sizeof path, "%s/images.idx", fixture.folder);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, sizeof bytes, f), sizeof bytes);
    ck_assert_int_eq(fclose(f), 0);
}

static void setup(void)
{
    plug_start(&fixture);
    plug_add(&fixture, "plugins", "meddles");
    write_images();
    plug_write(&fixture, "x.yaml",
               "tessera: 1\n"
               "name: x\n"
               "stages:\n"
               "  images: {use: import, source: {use: idx, images: images.idx}, split: 0.5}\n"
               "  tokenizer:\n"
               "    use: train-autoencoder\n"
               "    in: {images: images}\n"
               "    steps: 2\n"
               "    batch: 4\n"
               "    encoder: {use: conv, channels: 32, channel_mult: [1, 1], res_blocks: 1}\n"
               "    decoder: conv\n"
               "    quantizer: {use: meddles}\n"
               "  codes: {use: encode, in: {images: images, model: tokenizer}}\n"
               "  prior:\n"
               "    use: train-prior\n"
               "    in: {codes: codes}\n"
               "    steps: 2\n"
               "    batch: 4\n"
               "    noise: {use: meddles}\n"
               "    denoiser: {use: transformer, embed_dim: 8, layers: 1, heads: 1}\n"
               "  samples: {use: sample, in: {prior: prior, model: tokenizer}, count: 2, steps: 2, sampler: {use: meddles}}\n"
               "  metrics: {use: evaluate, in: {images: images, model: tokenizer, prior: prior}}\n");
}

static void teardown(void)
{
    plug_end(&fixture);
}

static int meddling(const char *verb, const char *kind, const char *how, const char *where)
{
    char command[2048];
    snprintf(command, sizeof command,
             "cd '%s' && { '%s' %s x.yaml -j2 --no-color --plugin-path plugins %s.%s='{use: meddles, how: %s, where: %s}' %s; } 2>&1",
             fixture.folder, TEST_PROGRAM, verb,
             *kind == 'q'   ? "tokenizer"
             : *kind == 'n' ? "prior"
                            : "samples",
             kind, how, where, *kind == 'n' ? "samples.sampler=ancestral" : "");
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(said, 1, sizeof said - 1, f);
    said[n] = '\0';
    int status = pclose(f);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* `words` stand behind the names of component and plugin. At `plan` where `early`, else at `run`, before which `plan` finds nothing. */
static const struct meddled {
    const char *kind, *how, *where, *words;
    int early;
} of[] = {
    {"quantizer", "folder", "open", "open: changes the current folder", 1},
    {"quantizer", "locale", "open", "open: sets the locale", 1},
    {"quantizer", "mask", "open", "open: changes the permissions that new files get (umask)", 1},
    {"quantizer", "limit", "open", "open: changes the process's limits (setrlimit)", 1},
    {"quantizer", "timer", "open", "open: sets a timer", 1},
    {"quantizer", "signal", "open", "open: takes signal 15 (Terminated) for itself", 1},
    {"quantizer", "blocked", "open", "open: blocks or unblocks signal 1 (Hangup)", 1},
    {"quantizer", "environment", "open", "open: changes the environment", 1},
    {"quantizer", "stdout", "open", "open: closes stdout", 1},
    {"quantizer", "round", "open", "open: changes how numbers are rounded", 1},
    {"quantizer", "trap", "open", "open: has the program end at a number that is not exact", 1},
#ifdef __x86_64__
    {"quantizer", "small", "open", "open: makes the smallest numbers 0", 1},
    {"quantizer", "small", "forward", "meddling: forward: makes the smallest numbers 0", 0},
#endif
    {"quantizer", "positive", "open", "open: returned 7; wanted 0, or a negative TESS_E_ code", 1},
    {"quantizer", "mute", "open", "open: returned -3 without a message", 1},
    {"quantizer", "empty", "open", "open: returned -2 without a message", 1},
    {"quantizer", "terse", "open", "quantizer/meddles: not so", 1},
    {"quantizer", "unknown", "open", "open: returned -4242, which is none of the codes TESS_E_, with the message: a code of my own", 1},
    {"quantizer", "zero", "open", "a failure that is told with the code 0, wanted a negative TESS_E_: a failure of code 0", 1},
    {"quantizer", "kept", "open", "open: returned 0 after a failure, which is returned, or forgotten by tess_forget: and went on", 1},
    {"quantizer", "itself", "open", "components within components, more than 16 deep", 1},
    {"quantizer", "varies", "size", "codebook_size: wanted the same number each time, found 8 and then 9", 1},
    {"quantizer", "round", "size", "codebook_size: changes how numbers are rounded", 1},
    {"quantizer", "round", "record", "record: changes how numbers are rounded", 1},
    {"quantizer", "folder", "record", "record: changes the current folder", 1},
    {"quantizer", "signal", "assign", "record_assign: takes signal 15", 1},
    {"quantizer", "narrow", "record", "; recorded by quantizer `meddles` (plugin meddles), record", 1},
    {"quantizer", "input", "record", "record: declares an input of the graph, `mine`", 1},
    {"quantizer", "objective", "record", "record: declares an objective, `mine`", 1},
    {"quantizer", "columns", "record", "components declare 30 columns (tess_column), `quantizer.c29` the last", 1},
    {"quantizer", "late", "lookup", "the same weights in training and in inference, found quantizer.late in inference alone", 1},
    {"quantizer", "round", "react", "react: changes how numbers are rounded", 0},
    {"quantizer", "folder", "react", "changes the current folder while the stage runs", 0},
    {"quantizer", "kept", "react", "react: returned 0 after a failure", 0},
    {"quantizer", "round", "forward", "meddling: forward: changes how numbers are rounded", 0},
    {"quantizer", "positive", "forward", "forward returned 7 without a message; an operation of plugin meddles", 0},
    {"quantizer", "locale", "forward", "sets the locale, and so how numbers are read while the stage runs", 0},
    {"noise", "varies", "size", "steps: wanted the same number each time, found 4 and then 5", 1},
    {"noise", "nothing", "corrupt", "corrupt: token 0 is -1, wanted 0 .. 8", 0},
    {"noise", "round", "corrupt", "corrupt: changes how numbers are rounded", 0},
    {"noise", "kept", "corrupt", "corrupt: returned 0 after a failure", 0},
    {"noise", "nothing", "start", "start: token 0 is -1, wanted 0 .. 8", 0},
    {"noise", "round", "reverse", "reverse: changes how numbers are rounded", 0},
    {"noise", "terse", "reverse", "not so; said by noise `meddles` (plugin meddles), reverse", 0},
    {"noise", "unknown", "reverse", "reverse: returned -4242, which is none of the codes TESS_E_", 0},
    {"noise", "many", "changes", "wanted 0 .. 16, found 17; as noise `meddles` (plugin meddles), changes, says", 0},
    {"noise", "none", "changes", "token 0 is 8, wanted 0 .. 7; as noise `meddles` (plugin meddles), changes, says", 0},
    {"noise", "below", "record", "noise `meddles`, record_loss: its bound is -", 0},
    {"noise", "none", "record", "noise `meddles`: its bound is nan bits per code", 0},
    {"sampler", "none", "reads", "reads, which says that the last call draws nothing: token 0 is 8, wanted 0 .. 7", 0},
    {"sampler", "folder", "draw", "changes the current folder while the stage runs", 0},
    {"sampler", "round", "draw", "draw: changes how numbers are rounded", 0},
    {"sampler", "positive", "draw", "draw: returned 7", 0},
};

START_TEST(it_is_told_who_did_what)
{
    const struct meddled *m = &of[_i];
    int code = meddling("plan", m->kind, m->how, m->where);
    if (!m->early) {
        ck_assert_msg(code == 0, "%s in %s: `plan` ended with %d: %s", m->how, m->where, code, said);
        code = meddling("run", m->kind, m->how, m->where);
    }
    ck_assert_msg(code > 0 && code < 128, "%s in %s: ended with %d", m->how, m->where, code);
    ck_assert_msg(strstr(said, m->words) != NULL, "%s in %s: wanted \"%s\" in\n%s", m->how, m->where, m->words, said);
}
END_TEST

/* A process that came back from a plugin a second time ends there, and the first goes on. */
START_TEST(a_second_process_goes_no_further)
{
    ck_assert_int_eq(meddling("plan", "quantizer", "fork", "open"), 0);
    ck_assert_msg(strstr(said, "quantizer `meddles` (plugin meddles), open: made a second process") != NULL, "%s", said);
    ck_assert_ptr_nonnull(strstr(said, "to run, 0 cached"));
}
END_TEST

/* What does none of this is used, and nothing is said of it. */
START_TEST(others_are_let_be)
{
    static const char *const kind[] = {"quantizer", "noise", "sampler"};
    for (size_t i = 0; i < sizeof kind / sizeof *kind; i++) {
        int code = meddling("run", kind[i], "well", "open");
        ck_assert_msg(code == 0, "%s: %s", kind[i], said);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("meddling");
    TCase *t = tcase_create("meddling");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, it_is_told_who_did_what, 0, sizeof of / sizeof *of);
    tcase_add_test(t, a_second_process_goes_no_further);
    tcase_add_test(t, others_are_let_be);
    suite_add_tcase(s, t);
    return suite_run(s);
}
