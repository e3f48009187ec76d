/* The verbs' tables of flags: help, manual page, shell completion and parser agree. Verbs and flags are taken from the help itself, so a
 * new verb is tested as well. SPDX-License-Identifier: MIT */
#include "tests/support/command_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/paths.h"
#include "tests/support/suite.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define DONE 0
#define USAGE 2
enum { MAX_WORDS = 64, MAX_WORD = 40 };

static char manual[1 << 16], bash[1 << 16], zsh[1 << 16];

static void setup(void)
{
    (void)small_folder_enter();
    strcpy(manual, command_ends(DONE, "", "--man")->out);
    strcpy(bash, command_ends(DONE, "", "--completion bash")->out);
    strcpy(zsh, command_ends(DONE, "", "--completion zsh")->out);
    ck_assert(strlen(manual) < sizeof manual - 1 && strlen(bash) < sizeof bash - 1 && strlen(zsh) < sizeof zsh - 1);
}

/* The first words of the indented lines below `head`, up to an empty one; how many. */
static int words_below(const char *text, const char *head, char word[][MAX_WORD])
{
    int n = 0;
    const char *at = strstr(text, head);
    ck_assert_ptr_nonnull(at);
    for (at = strchr(at, '\n') + 1; *at == ' ' && n < MAX_WORDS; at = strchr(at, '\n') + 1)
        ck_assert_int_eq(sscanf(at, " %39[a-z0-9-]", word[n++]), 1);
    return n;
}

/* Every word that begins with two dashes at the beginning of a row; how many. */
static int flags_of(const char *help, char word[][MAX_WORD])
{
    int n = 0;
    for (const char *at = help; at && n < MAX_WORDS; at = strchr(at, '\n')) {
        at += *at == '\n';
        const char *row = at + strspn(at, " ");
        if (row > at && row[0] == '-' && row[1] != '-')
            row = strstr(row, ", ") ? strstr(row, ", ") + 2 : row;
        if (row > at && strncmp(row, "--", 2) == 0)
            ck_assert_int_eq(sscanf(row, "%39[a-z-]", word[n++]), 1);
    }
    return n;
}

/* The name as roff writes it. */
static const char *in_roff(const char *name)
{
    static char text[2 * MAX_WORD];
    char *to = text;
    for (; *name; name++) {
        if (*name == '-')
            *to++ = '\\';
        *to++ = *name;
    }
    *to = '\0';
    return text;
}

static int has_word(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = text; (at = strstr(at, word)); at += length)
        if (!isalnum((unsigned char)at[length]) && at[length] != '-' && at[length] != '\\')
            return 1;
    return 0;
}

/* The part of a text that begins with `from` and ends before the next `to`. */
static const char *part(const char *text, const char *from, const char *to)
{
    static char copy[1 << 16];
    const char *at = strstr(text, from), *end = at ? strstr(at + strlen(from), to) : NULL;
    ck_assert_msg(at != NULL, "no %s", from);
    snprintf(copy, sizeof copy, "%.*s", end ? (int)(end - at) : (int)strlen(at), at);
    return copy;
}

/* In a folder like a verb, with a name that has a blank. */
START_TEST(bash_completes_verbs_and_files)
{
    small_write("completion", bash);
    small_write("try", ". ./completion\n"
                       "mkdir inspect && touch 'zz picture.h5'\n"
                       "COMP_WORDS=(tessera inspe) COMP_CWORD=1; _tessera; [ \"${COMPREPLY[*]}\" = inspect ] || exit 1\n"
                       "COMP_WORDS=(tessera view zz) COMP_CWORD=2; _tessera\n"
                       "[ ${#COMPREPLY[@]} = 1 ] && [ \"${COMPREPLY[0]}\" = 'zz picture.h5' ] || exit 2\n"
                       "[[ $(complete -p tessera) != *filenames* ]] || exit 3\n"
                       "COMPREPLY=(); COMP_WORDS=(" TEST_PROGRAM " plugins quantizer/em) COMP_CWORD=2; _tessera\n"
                       "[ \"${COMPREPLY[*]}\" = quantizer/ema ] || exit 4\n"
                       "COMPREPLY=(); COMP_WORDS=(" TEST_PROGRAM " plugins quan) COMP_CWORD=2; _tessera\n"
                       "[[ \" ${COMPREPLY[*]} \" == ' quantizer quantizer/'* ]] || exit 5\n"
                       "COMPREPLY=(); COMP_WORDS=(" TEST_PROGRAM " new quan) COMP_CWORD=2; _tessera\n"
                       "[ \"${COMPREPLY[*]}\" = quantizer ] || exit 6\n"
                       "COMPREPLY=(); COMP_WORDS=(" TEST_PROGRAM " check zz) COMP_CWORD=2; _tessera\n"
                       "[ \"${COMPREPLY[0]}\" = 'zz picture.h5' ] || exit 7\n"
                       "COMPREPLY=(); COMP_WORDS=(" TEST_PROGRAM " check noise/abs) COMP_CWORD=2; _tessera\n"
                       "[ \"${COMPREPLY[*]}\" = noise/absorbing ] || exit 8\n");
    int status = system("bash try");
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "step %d", WEXITSTATUS(status));
}
END_TEST

START_TEST(help_manual_and_completion_agree)
{
    static char verb[MAX_WORDS][MAX_WORD], flag[MAX_WORDS][MAX_WORD], help[1 << 16];
    char from[120];
    int flags = 0, verbs = words_below(command_ends(DONE, "", "--help")->out, "\nverbs\n" + 1, verb);
    ck_assert_int_ge(verbs, 8);
    for (int i = 0; i < verbs; i++) {
        strcpy(help, command_ends(DONE, "", "%s --help", verb[i])->out);
        snprintf(from, sizeof from, "usage: tessera %.39s", verb[i]);
        ck_assert_msg(strncmp(help, from, strlen(from)) == 0, "%s", help);
        int n = flags_of(help, flag);
        flags += n;
        for (int k = 0; k < n; k++) {
            snprintf(from, sizeof from, ".SS tessera %.39s", verb[i]);
            ck_assert_msg(has_word(part(manual, from, ".SS "), in_roff(flag[k])), "manual: %s %s", verb[i], flag[k]);
            snprintf(from, sizeof from, "    %.39s:-*)", verb[i]);
            ck_assert_msg(has_word(part(bash, from, ";;"), flag[k]), "bash: %s %s", verb[i], flag[k]);
            snprintf(from, sizeof from, "    %.39s)\n", verb[i]);
            ck_assert_msg(has_word(part(zsh, from, ";;"), flag[k]), "zsh: %s %s", verb[i], flag[k]);
        }
    }
    ck_assert_int_ge(flags, 25);
    int n = flags_of(command_ends(DONE, "", "--help")->out, flag);
    ck_assert_int_ge(n, 9);
    for (int k = 0; k < n; k++) {
        ck_assert_msg(has_word(part(manual, ".SH FLAGS", ".SH VERBS"), in_roff(flag[k])), "manual: %s", flag[k]);
        ck_assert_msg(has_word(part(bash, "    :-*)", ";;"), flag[k]) && has_word(zsh, flag[k]), "completion: %s", flag[k]);
    }
}
END_TEST

/* Verbs below a verb: help, manual page and completion have each with its flags. */
START_TEST(verbs_below_a_verb)
{
    static char verb[MAX_WORDS][MAX_WORD], flag[MAX_WORDS][MAX_WORD], help[1 << 16];
    char from[120];
    int verbs = words_below(command_ends(DONE, "", "archive --help")->out, "\nverbs\n" + 1, verb);
    ck_assert_int_ge(verbs, 8);
    for (int i = 0; i < verbs; i++) {
        strcpy(help, command_ends(DONE, "", "archive %s --help", verb[i])->out);
        ck_assert_str_eq(help, command("help archive %s", verb[i])->out);
        snprintf(from, sizeof from, "usage: tessera archive %.39s ", verb[i]);
        ck_assert_msg(strncmp(help, from, strlen(from)) == 0, "%s", help);
        for (int k = flags_of(help, flag) - 1; k >= 0; k--) {
            snprintf(from, sizeof from, ".SS tessera archive %.39s", verb[i]);
            ck_assert_msg(has_word(part(manual, from, ".SS "), in_roff(flag[k])), "manual: %s %s", verb[i], flag[k]);
            snprintf(from, sizeof from, "    archive-%.39s:-*)", verb[i]);
            ck_assert_msg(has_word(part(bash, from, ";;"), flag[k]), "bash: %s %s", verb[i], flag[k]);
            snprintf(from, sizeof from, "      (%.39s)\n", verb[i]);
            ck_assert_msg(has_word(part(strstr(zsh, "    archive)"), from, ";;"), flag[k]), "zsh: %s %s", verb[i], flag[k]);
        }
        (void)command_ends(USAGE, "there is no flag `--no-such-flag`", "archive %s --no-such-flag", verb[i]);
    }
    (void)command_ends(USAGE, "there is no verb `verfy`; did you mean `verify`?", "archive verfy x");
}
END_TEST

/* Every flag of every verb is known to its reader: refused for what it is given, or for want of the rest, but never as unknown. */
START_TEST(flags_in_the_help_are_taken)
{
    static char verb[MAX_WORDS][MAX_WORD], flag[MAX_WORDS][MAX_WORD];
    int verbs = words_below(command_ends(DONE, "", "--help")->out, "\nverbs\n" + 1, verb);
    for (int i = 0; i < verbs; i++) {
        int n = flags_of(command_ends(DONE, "", "%s --help", verb[i])->out, flag);
        for (int k = 0; k < n; k++) {
            const struct command_result *r = command("%s %s=", verb[i], flag[k]);
            if (strstr(r->err, "there is no flag")) /* a switch takes no value */
                r = command("%s %s --no-such-flag", verb[i], flag[k]);
            ck_assert_msg(strstr(r->err, flag[k]) == NULL || strstr(r->err, "wants") || strstr(r->err, "wanted"), "%s %s: %s", verb[i],
                          flag[k], r->err);
        }
        (void)command_ends(USAGE, "there is no flag `--no-such-flag`", "%s --no-such-flag", verb[i]);
    }
}
END_TEST

static const struct {
    int code;
    const char *words, *line;
} lines[] = {
    {USAGE, "--completion wants `bash` or `zsh`, found `fish`", "--completion fish"},
    {USAGE, "--completion wants `bash` or `zsh`", "--completion"},
    {USAGE, "there is no flag `--jsn`; did you mean `--json`?", "inspect --jsn"},
    {USAGE, "there is no flag `--unti`; did you mean `--until`?", "run x.yaml --unti a"},
    {USAGE, "there is no flag `--tokenize`; did you mean `--tokenizer`?", "import --tokenize x"},
    {USAGE, "--until wants a value, STAGE", "run x.yaml --until="},
    {USAGE, "--until wants a value, STAGE", "plan x.yaml --until"},
    {USAGE, "--seed wants an integer 0 .. 9223372036854775807, found `-1`", "run x.yaml --seed -1"},
    {USAGE, "--seed wants an integer 0 .. 9223372036854775807, found `9223372036854775808`", "run x.yaml --seed=9223372036854775808"},
    {USAGE, "--checkpoint-seconds wants an integer 1 .. 1000000000, found `0`", "run x.yaml --checkpoint-seconds 0"},
    {USAGE, "there is no flag `--checkpoint-seconds`", "plan x.yaml --checkpoint-seconds 5"},
    {USAGE, "--zoom wants an integer 1 .. 100000, found `1x`", "view x.h5 --zoom 1x"},
    {USAGE, "--threads wants an integer 1 .. 1024, found `4x`", "-j4x plan x.yaml"},
    {USAGE, "--json goes with --dry-run", "run x.yaml --json"},
    {74, "--json.h5: ", "inspect -- --json.h5"}, /* a file, behind `--` */
    {74, "x.h5: ", "-j4 inspect x.h5"},
    {74, "x.h5: ", "inspect x.h5 -j 4 -q"},
    {74, "x.h5: ", "view x.h5 -oy.png --count=3"},
};

START_TEST(lines_are_read)
{
    (void)command_ends(lines[_i].code, lines[_i].words, "%s", lines[_i].line);
}
END_TEST

/* Completions that bash offers for partial command lines. */
START_TEST(bash_completes)
{
    static const struct {
        const char *words, *wanted, *unwanted;
    } cases[] = {
        {"''", "plan", "--json"},
        {"pl", "plugins", "run"},
        {"-", "--threads", "--until"},
        {"run --un", "--until", "--json"},
        {"run --c", "--checkpoint-seconds", "--threads"},
        {"plan --c", "", "--checkpoint-seconds"},
        {"bench --precision b", "bf16", "f32"},
        {"-j 4 inspect --v", "--verify", "--until"},
        {"archive m", "merge", "info"},
        {"archive verify --j", "--json", "--rows"},
        {"archive export --format s", "safetensors", "npy"},
    };
    if (system("bash -c true 2> /dev/null") != 0)
        return;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FILE *f = fopen("complete.sh", "w");
        ck_assert_ptr_nonnull(f);
        fprintf(f, "%s\nCOMP_WORDS=(tessera %s)\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_tessera\nprintf '%%s\\n' \"${COMPREPLY[@]}\"\n",
                bash, cases[i].words);
        ck_assert_int_eq(fclose(f), 0);
        char said[4096] = "";
        FILE *out = popen("bash complete.sh 2>&1", "r");
        ck_assert_ptr_nonnull(out);
        said[fread(said, 1, sizeof said - 1, out)] = '\0';
        ck_assert_int_eq(pclose(out), 0);
        ck_assert_msg(strstr(said, cases[i].wanted) && !strstr(said, cases[i].unwanted), "tessera %s: %s", cases[i].words, said);
    }
}
END_TEST

/* The manual page is valid roff: groff, where installed, prints no warning. */
START_TEST(manual_is_roff)
{
    if (system("command -v groff > /dev/null 2>&1") != 0)
        return;
    FILE *f = fopen("tessera.1", "w");
    ck_assert_ptr_nonnull(f);
    fputs(manual, f);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(
        system("groff -ww -man -Tascii tessera.1 > page 2> said && test ! -s said && grep -q 'images to arrays of codes' page"), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("flags");
    TCase *t = tcase_create("flags");
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, help_manual_and_completion_agree);
    tcase_add_test(t, verbs_below_a_verb);
    tcase_add_test(t, bash_completes_verbs_and_files);
    tcase_add_test(t, flags_in_the_help_are_taken);
    tcase_add_loop_test(t, lines_are_read, 0, sizeof lines / sizeof *lines);
    tcase_add_test(t, bash_completes);
    tcase_add_test(t, manual_is_roff);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
