/* The program as a process among others: what signals do to it, and which stay without effect; what becomes of its output when nobody
 * reads it, of descriptors that were closed, of limits; and that it writes over nothing that it reads.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/command_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"
#include "tests/support/paths.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { USAGE = 2, IO = 74, STOPPED = 75 };

static void setup(void)
{
    (void)small_folder_enter();
    unsetenv("TESSERA_INJECT");
}

static void teardown(void)
{
    unsetenv("TESSERA_INJECT");
    small_folder_leave();
}

static const char *text_of(const char *path)
{
    static char text[1 << 16];
    FILE *f = fopen(path, "r");
    text[f ? fread(text, 1, sizeof text - 1, f) : 0] = '\0';
    if (f)
        fclose(f);
    return text;
}

/* Runs the program in a child that `prepare` has made what it is. */
static int becomes(void (*prepare)(void), const char *plan, const char *line)
{
    int how;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        char text[512], *word[32], *next;
        int n = 0;
        snprintf(text, sizeof text, "tessera %s", line);
        for (char *at = strtok_r(text, " ", &next); at; at = strtok_r(NULL, " ", &next))
            word[n++] = at;
        word[n] = NULL;
        if (plan)
            setenv("TESSERA_INJECT", plan, 1);
        (void)!freopen("err", "w", stderr);
        (void)!freopen("out", "w", stdout);
        prepare();
        execv(TEST_PROGRAM, word);
        _exit(127);
    }
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    return WIFEXITED(how) ? WEXITSTATUS(how) : -WTERMSIG(how);
}

static void plainly(void)
{
}

/* ---- signals ------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *plan;
    int code;
} asked[] = {{"int@step:40", -SIGINT}, {"term@step:40", STOPPED}, {"hup@step:40", STOPPED}};

START_TEST(asked_to_stop)
{
    ck_assert_int_eq(becomes(plainly, NULL, "run small.yaml -q --until images"), 0);
    int code = becomes(plainly, asked[_i].plan, "run small.yaml -q tokenizer.steps=60");
    ck_assert_msg(code == asked[_i].code, "%d %s", code, text_of("err"));
    ck_assert_msg(strstr(text_of("err"), "stopped in stage `tokenizer`; the same command resumes at its checkpoint of step "), "%s",
                  text_of("err"));
    ck_assert_int_eq(becomes(plainly, NULL, "run small.yaml tokenizer.steps=60"), 0);
    ck_assert_ptr_nonnull(strstr(text_of("runs/small/log.jsonl"), "\"event\":\"resume\""));
}
END_TEST

static void ignoring(void)
{
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
}

START_TEST(ignored_before)
{
    ck_assert_int_eq(becomes(ignoring, "int@step:5,hup@step:9", "run small.yaml -q"), 0);
}
END_TEST

/* A verb that has nothing to leave is not kept from dying. */
START_TEST(other_verbs)
{
    ck_assert_int_eq(becomes(plainly, NULL, "run small.yaml -q"), 0);
    ck_assert_int_eq(becomes(plainly, "int@read:3", "inspect --verify runs/small/codes.h5"), -SIGINT);
}
END_TEST

/* ---- output -------------------------------------------------------------------------------------------------------- */

static void without_reader(int fd)
{
    int ends[2];
    if (pipe(ends) != 0 || dup2(ends[1], fd) < 0)
        _exit(126);
    close(ends[0]);
    close(ends[1]);
}

static void output_unread(void)
{
    without_reader(1);
}

static void output_unread_and_ignored(void)
{
    without_reader(1);
    (void)signal(SIGPIPE, SIG_IGN);
}

static void nothing_read(void)
{
    without_reader(1);
    without_reader(2);
}

START_TEST(nobody_reads)
{
    ck_assert_int_eq(becomes(output_unread, NULL, "plugins"), -SIGPIPE);
    ck_assert_str_eq(text_of("err"), "");
    ck_assert_int_eq(becomes(output_unread_and_ignored, NULL, "plugins"), IO);
    ck_assert_ptr_nonnull(strstr(text_of("err"), "the output could not be written: Broken pipe"));
    ck_assert_int_eq(becomes(nothing_read, NULL, "run small.yaml -v"), -SIGPIPE); /* at its end, of its metrics */
    ck_assert_int_eq(access("runs/small/metrics.h5", F_OK), 0);
    ck_assert_int_eq(becomes(plainly, NULL, "run small.yaml"), 0);
    ck_assert_ptr_nonnull(strstr(text_of("err"), "nothing to do"));
}
END_TEST

static void all_closed(void)
{
    for (int fd = 0; fd <= 2; fd++)
        close(fd);
}

static void errors_closed(void)
{
    close(2);
}

START_TEST(closed_descriptors)
{
    ck_assert_int_eq(becomes(errors_closed, NULL, "run small.yaml -v"), 0);
    char line[4096];
    int lines = 0;
    FILE *f = fopen("runs/small/log.jsonl", "r");
    for (; fgets(line, sizeof line, f); lines++)
        ck_assert_msg(strncmp(line, "{\"time\":", 8) == 0 && strcmp(line + strlen(line) - 2, "}\n") == 0, "%s", line);
    fclose(f);
    ck_assert_int_gt(lines, 10);
    ck_assert_int_eq(becomes(all_closed, NULL, "run small.yaml --force codes"), IO); /* the metrics went nowhere */
    ck_assert_int_eq(becomes(plainly, NULL, "inspect --verify runs/small/codes.h5"), 0);
}
END_TEST

static void small_files(void)
{
    (void)setrlimit(RLIMIT_FSIZE, &(struct rlimit){30000, 30000});
}

START_TEST(a_limit_on_files)
{
    int code = becomes(small_files, NULL, "run small.yaml -q");
    ck_assert_msg(code == IO && strstr(text_of("err"), "larger than a file may be here"), "%d %s", code, text_of("err"));
}
END_TEST

/* ---- what is read -------------------------------------------------------------------------------------------------- */

static void stays(const char *path, const char *line)
{
    static char before[1 << 16];
    char words[400];
    memcpy(before, text_of(path), sizeof before);
    snprintf(words, sizeof words, "%s", line);
    (void)command_ends(USAGE, "which is read", "%s", words);
    ck_assert_int_eq(memcmp(before, text_of(path), sizeof before), 0);
}

START_TEST(output_is_an_input)
{
    (void)command_ends(0, "", "run small.yaml -q");
    ck_assert_int_eq(system("cp runs/small/*.h5 ."), 0);
    (void)command_ends(USAGE, "is the file that is read", "view codes.h5 -o codes.h5");
    (void)command_ends(USAGE, "is the file that is read", "export tokenizer.h5 -o tokenizer.h5 --as unleashing-transformers");
    ck_assert_int_eq(link("codes.h5", "hard.h5"), 0);
    ck_assert_int_eq(symlink("codes.h5", "soft.h5"), 0);
    stays("codes.h5", "view codes.h5 -o hard.h5");
    stays("codes.h5", "view codes.h5 -o soft.h5");
    stays("codes.h5", "view soft.h5 -o ./codes.h5");
    stays("tokenizer.h5", "view codes.h5 -m tokenizer.h5 -o ./tokenizer.h5");
    (void)command_ends(0, "", "export tokenizer.h5 -o t.safetensors --as unleashing-transformers");
    stays("t.safetensors", "import t.safetensors -o ./t.safetensors --as unleashing-transformers height=8 width=8");
    stays("tokenizer.h5", "import t.safetensors -o ./tokenizer.h5 --tokenizer tokenizer.h5 --as unleashing-transformers");
    (void)command_ends(0, "", "view codes.h5 -o sheet.png");
    (void)command_ends(0, "", "view codes.h5 -o sheet.png"); /* a file that the command does not read may be replaced */
}
END_TEST

/* A pipeline that reads a result of the folder it writes to. */
START_TEST(a_result_is_an_input)
{
    (void)command_ends(0, "", "run small.yaml -q");
    small_write("again.yaml", "tessera: 1\nname: small\nstages:\n  codes: {use: decode, in: {codes: runs/small/codes.h5, model: "
                              "runs/small/tokenizer.h5}}\n");
    (void)command_ends(USAGE, "runs/small/codes.h5: is read by stage `codes`, and is where the result of stage `codes` goes",
                       "run again.yaml");
    small_write("again.yaml", "tessera: 1\nname: small\nstages:\n  seen: {use: decode, in: {codes: runs/small/codes.h5, model: "
                              "runs/small/tokenizer.h5}}\n");
    (void)command_ends(0, "", "run again.yaml");
    ck_assert(access("runs/small/codes.h5", F_OK) == 0 && access("runs/small/tokenizer.h5", F_OK) == 0);
    ck_assert_int_ne(access("runs/small/samples.h5", F_OK), 0);
    (void)command_ends(0, "nothing to do", "run again.yaml");
}
END_TEST

static const int number_asked[] = {SIGTERM, SIGINT, SIGKILL};

/* `bench` measures in a process of its own, which does not outlive it: the end of a pipe that both have open is then closed. */
START_TEST(bench_ends_with_what_it_measures)
{
    char path[80], byte;
    int end[2], how, measures = 0;
    ck_assert_int_eq(pipe(end), 0);
    pid_t bench = fork();
    if (bench == 0) {
        setenv("TESSERA_INJECT", "pause@alloc:20", 1); /* only a measuring process allocates that often */
        (void)!freopen("err", "w", stderr);
        (void)dup2(end[1], STDOUT_FILENO);
        (void)close(end[0]);
        (void)close(end[1]);
        execl(TEST_PROGRAM, "tessera", "bench", "small_encode", "-j", "1", (char *)NULL);
        _exit(127);
    }
    (void)close(end[1]);
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)bench, (int)bench);
    if (access(path, R_OK) != 0)
        kill(bench, SIGKILL); /* a system that does not tell */
    for (; !measures && access(path, R_OK) == 0; (void)usleep(2000))
        measures = *text_of(path) != '\0';
    kill(bench, number_asked[_i]);
    ck_assert_int_eq(waitpid(bench, &how, 0), bench);
    ck_assert(!measures || (WIFSIGNALED(how) && WTERMSIG(how) == number_asked[_i]));
    while (read(end[0], &byte, 1) > 0)
        continue;
    close(end[0]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("process");
    TCase *t = tcase_create("process");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, asked_to_stop, 0, sizeof asked / sizeof *asked);
    tcase_add_test(t, ignored_before);
    tcase_add_test(t, other_verbs);
    tcase_add_test(t, nobody_reads);
    tcase_add_test(t, closed_descriptors);
    tcase_add_test(t, a_limit_on_files);
    tcase_add_test(t, output_is_an_input);
    tcase_add_test(t, a_result_is_an_input);
    tcase_add_loop_test(t, bench_ends_with_what_it_measures, 0, sizeof number_asked / sizeof *number_asked);
    suite_add_tcase(s, t);
    return suite_run(s);
}
