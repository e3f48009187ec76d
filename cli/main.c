/* The `tessera` command: global flags, then a verb, then the verb's own arguments.
 *
 * Global flags are taken before and after the verb's name; `--help` anywhere before `--` shows the verb's help. The exit code
 * says what happened: 0 done, 1 failed, 2 usage, 65 bad data, 69 missing plugin, 73 cannot create, 74 input or output,
 * 75 stopped and resumable (by Ctrl-C: death by SIGINT).
 *
 * SPDX-License-Identifier: MIT */
#include "cli/flags.h"
#include "core/base/text.h"
#include "core/base/inject.h"

#include <tessera/artefact.h>

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define EXIT_IO 74

static const struct cli_verb *const verbs[] = {&cli_run,    &cli_sweep,  &cli_submit, &cli_table,  &cli_report,  &cli_diff,
                                               &cli_log,    &cli_plan,   &cli_why,    &cli_graph,  &cli_plugins, &cli_inspect,
                                               &cli_view,   &cli_du,     &cli_gc,     &cli_encode, &cli_decode,  &cli_archive,
                                               &cli_import, &cli_export, &cli_bench,  &cli_new,    &cli_check};
#define VERBS (sizeof verbs / sizeof *verbs)

static void main_help(FILE *to)
{
    fputs("tessera turns images into arrays of codes and codes into images.\n\n"
          "usage: tessera [FLAGS] VERB [ARGUMENTS]\n\nverbs\n",
          to);
    for (size_t i = 0; i < VERBS; i++)
        fprintf(to, "  %-10s %s\n", verbs[i]->name, verbs[i]->summary);
    fputs("\nflags of every verb\n", to);
    cli_flags_rows(cli_global_flags, to);
}

const char *cli_better(int32_t better)
{
    return better == TESS_METRIC_LOWER ? "lower" : better == TESS_METRIC_HIGHER ? "higher" : "";
}

const char *cli_shown(const char *text)
{
    static char short_text[4][512], *buffer[4];
    static int next;
    char nothing[1];
    int i = next++ % 4;
    size_t bytes = tess_shown_text(text, nothing, sizeof nothing) + 1;
    char *larger = bytes > sizeof short_text[i] ? realloc(buffer[i], bytes) : NULL;
    if (larger)
        buffer[i] = larger;
    char *to = larger ? larger : short_text[i]; /* out of memory: the beginning of the text */
    (void)tess_shown_text(text, to, larger ? bytes : sizeof short_text[i]);
    return to;
}

int cli_failed(const struct tess_context *ctx, int status)
{
    const char *message = tessi_base_context_message(ctx);
    if (*message)
        fprintf(stderr, "tessera: %s\n", cli_shown(message));
    else
        fprintf(stderr, "tessera: failed with status %d and no message; that is a defect of tessera\n", status);
    return tessi_base_exit_code(status);
}

int cli_usage_error(const char *verb, const char *format, ...)
{
    char text[2048];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(text, sizeof text, format, list);
    va_end(list);
    fprintf(stderr, "tessera %s: %s; see `tessera %s --help`\n", verb, cli_shown(text), verb);
    return EXIT_USAGE;
}

static const struct cli_verb *find_verb(const char *name)
{
    for (size_t i = 0; i < VERBS; i++)
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
    return NULL;
}

const char *cli_sub_word(const struct cli_verb *sub)
{
    return strrchr(sub->name, ' ') + 1;
}

const struct cli_verb *cli_sub_verb(const struct cli_verb *verb, const char *word)
{
    for (const struct cli_verb *const *s = verb->sub; s && *s; s++)
        if (strcmp(cli_sub_word(*s), word) == 0)
            return *s;
    return NULL;
}

static int unknown_verb(const char *word)
{
    const char *names[VERBS];
    for (size_t i = 0; i < VERBS; i++)
        names[i] = verbs[i]->name;
    return cli_unknown_verb(word, names, VERBS);
}

static int run_verb(struct cli_globals *g, int argc, char **argv)
{
    const struct cli_verb *verb = find_verb(argv[0]);
    if (!verb)
        return unknown_verb(argv[0]);
    const struct cli_verb *sub = argc > 1 ? cli_sub_verb(verb, argv[1]) : NULL;
    if (sub) {
        verb = sub;
        argc--;
        argv++;
    }
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            cli_flags_help(verb, stdout);
            return 0;
        }
    }
    int code = 0;
    return verb->apart && !cli_apart(verb->name, &code) ? code : verb->run(g, argc, argv);
}

static int main_run(int argc, char **argv)
{
    struct cli_globals g = {.level = TESSI_NORMAL, .colour = 1};
    const char *no_color = getenv("NO_COLOR");
    if (no_color && *no_color)
        g.colour = 0;
    for (int i = 1; i < argc; i++) {
        int taken = cli_global_flag(&g, argc, argv, &i);
        if (taken < 0)
            return EXIT_USAGE;
        if (taken)
            continue;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            main_help(stdout);
            return 0;
        }
        if (strcmp(argv[i], "--man") == 0) { /* --man and --completion are for whoever installs the program */
            cli_manual(verbs, VERBS, stdout);
            return 0;
        }
        if (strcmp(argv[i], "--completion") == 0)
            return cli_completion(i + 1 < argc ? argv[i + 1] : "", verbs, VERBS, stdout);
        if (strcmp(argv[i], "--version") == 0) {
            printf("tessera %s, plugin ABI %d.%d\n", PACKAGE_VERSION, TESS_ABI_MAJOR, TESS_ABI_MINOR);
            return 0;
        }
        if (strcmp(argv[i], "help") == 0) {
            const struct cli_verb *verb = i + 1 < argc ? find_verb(argv[i + 1]) : NULL;
            if (i + 1 < argc && !verb)
                return unknown_verb(argv[i + 1]);
            if (verb && i + 2 < argc && cli_sub_verb(verb, argv[i + 2]))
                verb = cli_sub_verb(verb, argv[i + 2]);
            if (verb)
                cli_flags_help(verb, stdout);
            else
                main_help(stdout);
            return 0;
        }
        return *argv[i] == '-' ? cli_unknown_flag(NULL, argv[i]) : run_verb(&g, argc - i, argv + i);
    }
    main_help(stderr);
    return EXIT_USAGE;
}

/* Error of standard output as an errno: 0 when everything was written. */
static int output_error(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    if (fflush(stdout) != 0)
        return errno;
    if (!ferror(stdout))
        return 0;
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) ? EPIPE : EIO; /* an earlier failure, whose errno is not known any more */
}

int main(int argc, char **argv)
{
    tessi_base_process_start();
    cli_last_words();
    const char *wrong = tessi_base_inject_plan(getenv("TESSERA_INJECT"));
    if (wrong)
        fprintf(stderr, "tessera: TESSERA_INJECT, which is for tests: %s; take it out of the environment\n", wrong);
    int code = wrong ? EXIT_USAGE : main_run(argc, argv);
    cli_last_words_over();
    int error = output_error();
    tessi_base_process_end(code == tessi_base_exit_code(TESS_E_STOPPED), error);
    if (error && code == 0) {
        fprintf(stderr, "tessera: the output could not be written: %s\n", strerror(error));
        code = EXIT_IO;
    }
    return code;
}
