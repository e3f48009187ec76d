/* The `tessera` command: global flags, then a verb, then the verb's own arguments.
 *
 * Global flags are taken before and after the verb's name; `--help` anywhere before `--` shows the verb's help. The exit code
 * says what happened: 0 done, 1 failed, 2 usage, 65 bad data, 69 missing plugin, 73 cannot create, 74 input or output,
 * 75 stopped and resumable (by Ctrl-C: death by SIGINT).
 *
 * SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "core/base/text.h"
#include "core/base/inject.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define EXIT_IO 74
#define MAX_THREADS 1024

static const struct cli_verb *const verbs[] = {&cli_run,  &cli_plan,   &cli_graph,  &cli_plugins, &cli_inspect,
                                               &cli_view, &cli_import, &cli_export, &cli_bench,   &cli_new};
#define VERBS (sizeof verbs / sizeof *verbs)

static void main_help(FILE *to)
{
    fputs("tessera turns images into arrays of codes and codes into images.\n\n"
          "usage: tessera [FLAGS] VERB [ARGUMENTS]\n\nverbs\n",
          to);
    for (size_t i = 0; i < VERBS; i++)
        fprintf(to, "  %-10s %s\n", verbs[i]->name, verbs[i]->summary);
    fputs("\nflags of every verb\n"
          "  -j, --threads N          threads to compute with (all processors)\n"
          "  -q, --quiet              say only what went wrong\n"
          "  -v, --verbose            say more\n"
          "      --no-color           no colours (NO_COLOR does the same)\n"
          "      --plugin-path DIR    look for plugins here too; several with colons between\n"
          "      --backend NAME       library for matrix products and convolutions\n"
          "      --workdir DIR        where runs/ goes (the current folder)\n"
          "  -C DIR                   work in this folder\n"
          "  -h, --help               this text; after a verb, the verb's\n"
          "      --version            version of the program and of its plugin boundary\n",
          to);
}

/* The value of a flag: behind `=`, glued to a short flag, or the next argument. NULL, with a message, when there is none. */
static const char *main_value_of(int argc, char **argv, int *i, const char *name)
{
    const char *glued = argv[*i] + strlen(name);
    if (*glued)
        return glued + (name[1] == '-');
    if (*i + 1 < argc)
        return argv[++*i];
    fprintf(stderr, "tessera: %s wants a value, found the end of the line\n", name);
    return NULL;
}

/* 1 when `text` is the flag alone, or a long one with `=`, or a short one with its value glued on. */
static int is_flag(const char *text, const char *name)
{
    size_t length = strlen(name);
    if (strncmp(text, name, length) != 0)
        return 0;
    return text[length] == '\0' || (name[1] == '-' ? text[length] == '=' : text[length] != '-');
}

static int take_threads(struct cli_globals *g, const char *text)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno || end == text || *end || n < 1 || n > MAX_THREADS) {
        fprintf(stderr, "tessera: --threads wants an integer 1 .. %d, found `%s`\n", MAX_THREADS, text);
        return -1;
    }
    g->threads = (int)n;
    return 1;
}

/* A folder that is not there is a slip of the hand here, though in TESSERA_PLUGIN_PATH it may be one that comes and goes. */
static int take_plugin_path(struct cli_globals *g, const char *list)
{
    for (const char *at = list; *at; at += strspn(at, ":")) {
        char folder[PATH_MAX];
        struct stat st;
        size_t length = strcspn(at, ":");
        if (snprintf(folder, sizeof folder, "%.*s", (int)length, at) >= (int)sizeof folder || stat(folder, &st) != 0 ||
            !S_ISDIR(st.st_mode)) {
            folder[length < sizeof folder ? length : sizeof folder - 1] = '\0';
            fprintf(stderr, "tessera: --plugin-path wants folders, found `%s`, which is none\n", cli_shown(folder));
            return -1;
        }
        at += length;
    }
    g->plugin_path = list;
    return 1;
}

int cli_global_flag(struct cli_globals *g, int argc, char **argv, int *i)
{
    static const char *const with_value[] = {"--threads", "-j", "--plugin-path", "--backend", "--workdir", "-C"};
    const char *flag = argv[*i];
    if (strcmp(flag, "-q") == 0 || strcmp(flag, "--quiet") == 0) {
        g->level = TESSI_QUIET;
        return 1;
    }
    if (strcmp(flag, "-v") == 0 || strcmp(flag, "--verbose") == 0) {
        g->level = TESSI_VERBOSE;
        return 1;
    }
    if (strcmp(flag, "--no-color") == 0 || strcmp(flag, "--no-colour") == 0) {
        g->colour = 0;
        return 1;
    }
    for (size_t k = 0; k < sizeof with_value / sizeof *with_value; k++) {
        const char *name = with_value[k];
        if (!is_flag(flag, name))
            continue;
        const char *value = main_value_of(argc, argv, i, name);
        if (!value)
            return -1;
        if (k < 2)
            return take_threads(g, value);
        if (k == 2)
            return take_plugin_path(g, value);
        if (k == 3)
            g->backend = value;
        else if (k == 4)
            g->workdir = value;
        else if (chdir(value) != 0) {
            fprintf(stderr, "tessera: -C %s: %s\n", cli_shown(value), strerror(errno));
            return -1;
        }
        return 1;
    }
    return 0;
}

const char *cli_shown(const char *text)
{
    static char buffer[4][4096];
    static int next;
    char *to = buffer[next++ % 4];
    (void)tessi_base_shown_text(text, to, sizeof buffer[0]);
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

static int unknown_verb(const char *word)
{
    const char *names[VERBS];
    for (size_t i = 0; i < VERBS; i++)
        names[i] = verbs[i]->name;
    return cli_unknown_verb(word, names, VERBS);
}

static int main_unknown_flag(const char *word)
{
    static const char *const names[] = {"--threads", "--quiet",   "--verbose", "--no-color", "--plugin-path",
                                        "--backend", "--workdir", "--help",    "--version"};
    const char *nearest = tessi_base_nearest_name(word, names, (int64_t)(sizeof names / sizeof *names));
    fprintf(stderr,
            nearest ? "tessera: there is no flag `%s`; did you mean `%s`?\n" : "tessera: there is no flag `%s`; see `tessera --help`\n",
            cli_shown(word), nearest);
    return EXIT_USAGE;
}

static int run_verb(struct cli_globals *g, int argc, char **argv)
{
    const struct cli_verb *verb = find_verb(argv[0]);
    if (!verb)
        return unknown_verb(argv[0]);
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(verb->usage, stdout);
            return 0;
        }
    }
    return verb->run(g, argc, argv);
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
        if (strcmp(argv[i], "--version") == 0) {
            printf("tessera %s, plugin ABI %d.%d\n", PACKAGE_VERSION, TESS_ABI_MAJOR, TESS_ABI_MINOR);
            return 0;
        }
        if (strcmp(argv[i], "help") == 0) {
            const struct cli_verb *verb = i + 1 < argc ? find_verb(argv[i + 1]) : NULL;
            if (i + 1 < argc && !verb)
                return unknown_verb(argv[i + 1]);
            if (verb)
                fputs(verb->usage, stdout);
            else
                main_help(stdout);
            return 0;
        }
        return *argv[i] == '-' ? main_unknown_flag(argv[i]) : run_verb(&g, argc - i, argv + i);
    }
    main_help(stderr);
    return EXIT_USAGE;
}

/* Of standard output: 0, or why not all of it got out. */
static int output_error(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    if (fflush(stdout) != 0)
        return errno;
    if (!ferror(stdout))
        return 0;
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) ? EPIPE : EIO; /* earlier; the number is gone */
}

int main(int argc, char **argv)
{
    tessi_base_process_start();
    const char *wrong = tessi_base_inject_plan(getenv("TESSERA_INJECT"));
    if (wrong)
        fprintf(stderr, "tessera: TESSERA_INJECT, which is for tests: %s; take it out of the environment\n", wrong);
    int code = wrong ? EXIT_USAGE : main_run(argc, argv);
    int error = output_error();
    tessi_base_process_end(code == tessi_base_exit_code(TESS_E_STOPPED), error);
    if (error && code == 0) {
        fprintf(stderr, "tessera: the output could not be written: %s\n", strerror(error));
        code = EXIT_IO;
    }
    return code;
}
