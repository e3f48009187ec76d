/* Reading a command line by its table, and the help that a table gives. SPDX-License-Identifier: MIT */
#include "cli/flags.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define MAX_THREADS 1024
#define MAX_NAMES 64

/* ---- flags of every verb ------------------------------------------------------------------------------------------- */

static int take_quiet(void *options, const char *verb, const char *value)
{
    (void)verb, (void)value;
    ((struct cli_globals *)options)->level = TESSI_QUIET;
    return 0;
}

static int take_verbose(void *options, const char *verb, const char *value)
{
    (void)verb, (void)value;
    ((struct cli_globals *)options)->level = TESSI_VERBOSE;
    return 0;
}

static int take_no_colour(void *options, const char *verb, const char *value)
{
    (void)verb, (void)value;
    ((struct cli_globals *)options)->colour = 0;
    return 0;
}

static int take_directory(void *options, const char *verb, const char *value)
{
    (void)options, (void)verb;
    if (chdir(value) == 0)
        return 0;
    fprintf(stderr, "tessera: -C %s: %s\n", cli_shown(value), strerror(errno));
    return EXIT_USAGE;
}

/* Checks the folders of --plugin-path. One that is not there is a slip of the hand here, though in TESSERA_PLUGIN_PATH it may be one that
 * comes and goes. */
static int take_plugin_path(void *options, const char *verb, const char *list)
{
    (void)verb;
    for (const char *at = list; *at; at += strspn(at, ":")) {
        char folder[PATH_MAX];
        struct stat st;
        size_t length = strcspn(at, ":");
        if (snprintf(folder, sizeof folder, "%.*s", (int)length, at) >= (int)sizeof folder || stat(folder, &st) != 0 ||
            !S_ISDIR(st.st_mode)) {
            fprintf(stderr, "tessera: --plugin-path wants folders, found `%s`, which is none\n", cli_shown(folder));
            return EXIT_USAGE;
        }
        at += length;
    }
    ((struct cli_globals *)options)->plugin_path = list;
    return 0;
}

#define GLOBAL(member) .offset = offsetof(struct cli_globals, member)
const struct cli_flag cli_global_flags[] = {
    {.name = "--threads",
     .brief = "-j",
     .value = "N",
     .help = "threads to compute with",
     .initial = "all processors",
     .type = CLI_INTEGER,
     GLOBAL(threads),
     .lo = 1,
     .hi = MAX_THREADS},
    {.name = "--quiet", .brief = "-q", .help = "say only what went wrong", .type = CLI_EACH, .take = take_quiet},
    {.name = "--verbose", .brief = "-v", .help = "say more", .type = CLI_EACH, .take = take_verbose},
    {.name = "--no-color", .help = "no colours (NO_COLOR does the same)", .type = CLI_EACH, .take = take_no_colour},
    {.name = "--plugin-path",
     .value = "DIR",
     .help = "look for plugins here too; several with colons between",
     .type = CLI_EACH,
     .complete = CLI_COMPLETE_FOLDERS,
     .take = take_plugin_path},
    {.name = "--backend", .value = "NAME", .help = "library for matrix products and convolutions", .type = CLI_TEXT, GLOBAL(backend)},
    {.name = "--workdir",
     .value = "DIR",
     .help = "where runs/ goes",
     .initial = "the current folder",
     .type = CLI_TEXT,
     .complete = CLI_COMPLETE_FOLDERS,
     GLOBAL(workdir)},
    {.name = "--directory",
     .brief = "-C",
     .value = "DIR",
     .help = "work in this folder",
     .type = CLI_EACH,
     .complete = CLI_COMPLETE_FOLDERS,
     .take = take_directory},
    {.name = "--help", .brief = "-h", .help = "this text; after a verb, the verb's"},
    {.name = "--version", .help = "version of the program and of its plugin boundary"},
    {.name = NULL},
};

/* ---- one flag ------------------------------------------------------------------------------------------------------ */

static void complain(const char *verb, const char *text)
{
    if (verb)
        (void)cli_usage_error(verb, "%s", text);
    else
        fprintf(stderr, "tessera: %s\n", cli_shown(text));
}

/* 1 when `word` is that name alone, a long one with `=`, or one of one letter with its value glued on. */
static int is_called(const char *word, const char *name, int valued)
{
    size_t length = name ? strlen(name) : 0;
    if (!name || strncmp(word, name, length) != 0)
        return 0;
    return word[length] == '\0' || (valued && (name[1] == '-' ? word[length] == '=' : word[length] != '-'));
}

static const struct cli_flag *flag_called(const struct cli_flag *flags, const char *word, const char **name)
{
    for (const struct cli_flag *f = flags; f && f->name; f++) {
        *name = is_called(word, f->name, f->value != NULL) ? f->name : f->brief;
        if (f->type && (*name == f->name || is_called(word, f->brief, f->value != NULL)))
            return f;
    }
    return NULL;
}

/* The value behind the flag's name; "" for a switch, NULL, with a message, where there is none. */
static const char *value_behind(const struct cli_flag *f, const char *name, const char *verb, int argc, char **argv, int *i)
{
    const char *glued = argv[*i] + strlen(name);
    char text[200];
    if (!f->value)
        return "";
    if (*glued)
        return glued + (*glued == '=');
    if (*i + 1 < argc)
        return argv[++*i];
    (void)snprintf(text, sizeof text, "%s wants a value, %s, found the end of the line", name, f->value);
    complain(verb, text);
    return NULL;
}

static int take_integer(const struct cli_flag *f, const char *verb, const char *text, int64_t *out)
{
    char *end, words[400];
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && n >= f->lo && n <= f->hi) {
        *out = n;
        return 0;
    }
    (void)snprintf(words, sizeof words, "%s wants an integer %lld .. %lld, found `%.200s`", f->name, (long long)f->lo, (long long)f->hi,
                   text);
    complain(verb, words);
    return EXIT_USAGE;
}

static int take_flag(const struct cli_flag *f, const char *verb, const char *value, void *options)
{
    char *member = (char *)options + f->offset;
    if (f->type == CLI_EACH)
        return f->take(options, verb, value);
    if (f->type == CLI_INTEGER)
        return take_integer(f, verb, value, (int64_t *)(void *)member);
    if (f->type == CLI_SWITCH)
        *(int *)(void *)member = 1;
    else if (*value)
        *(const char **)(void *)member = value;
    else {
        char text[200];
        (void)snprintf(text, sizeof text, "%s wants a value, %s, found nothing", f->name, f->value);
        complain(verb, text);
        return EXIT_USAGE;
    }
    return 0;
}

/* Takes argv[*i] by one table. 1: taken; 0: not in it; -1: wrong, and *code says how. */
static int read_flag(const struct cli_flag *flags, const char *verb, int argc, char **argv, int *i, void *options, int *code)
{
    const char *name;
    const struct cli_flag *f = flag_called(flags, argv[*i], &name);
    if (!f)
        return 0;
    const char *value = value_behind(f, name, verb, argc, argv, i);
    *code = value ? take_flag(f, verb, value, options) : EXIT_USAGE;
    return *code ? -1 : 1;
}

int cli_global_flag(struct cli_globals *g, int argc, char **argv, int *i)
{
    int code;
    return read_flag(cli_global_flags, NULL, argc, argv, i, g, &code);
}

int cli_unknown_flag(const struct cli_verb *verb, const char *word)
{
    const char *names[2 * MAX_NAMES];
    int64_t n = 0;
    for (const struct cli_flag *f = verb ? verb->flags : NULL; f && f->name && n < MAX_NAMES; f++)
        names[n++] = f->name;
    for (const struct cli_flag *f = cli_global_flags; f->name && n < 2 * MAX_NAMES; f++)
        names[n++] = f->name;
    const char *nearest = tessi_base_nearest_name(word, names, n);
    if (verb && nearest)
        return cli_usage_error(verb->name, "there is no flag `%s`; did you mean `%s`?", word, nearest);
    if (verb)
        return cli_usage_error(verb->name, "there is no flag `%s`", word);
    fprintf(stderr,
            nearest ? "tessera: there is no flag `%s`; did you mean `%s`?\n" : "tessera: there is no flag `%s`; see `tessera --help`\n",
            cli_shown(word), nearest);
    return EXIT_USAGE;
}

int cli_flags_read(struct cli_globals *g, const struct cli_verb *verb, int argc, char **argv, void *options,
                   int (*take_word)(void *options, const char *verb, const char *word))
{
    int plain = 0;
    for (int i = 1; i < argc; i++) {
        int code = 0, taken = 0;
        if (!plain && strcmp(argv[i], "--") == 0) {
            plain = 1;
            continue;
        }
        if (!plain && (taken = read_flag(verb->flags, verb->name, argc, argv, &i, options, &code)) == 0)
            taken = read_flag(cli_global_flags, NULL, argc, argv, &i, g, &code); /* a verb may have a letter to itself */
        if (taken < 0)
            return code;
        if (taken)
            continue;
        if (!plain && argv[i][0] == '-' && argv[i][1])
            return cli_unknown_flag(verb, argv[i]);
        if ((code = take_word(options, verb->name, argv[i])) != 0)
            return code;
    }
    return 0;
}

/* ---- help ---------------------------------------------------------------------------------------------------------- */

/* "-o, --output FILE": as in help. */
static void flag_text(const struct cli_flag *f, char *text, size_t capacity)
{
    (void)snprintf(text, capacity, "%s%s%s%s%s", f->brief ? f->brief : "   ", f->brief ? ", " : " ", f->name, f->value ? " " : "",
                   f->value ? f->value : "");
}

void cli_flags_rows(const struct cli_flag *flags, FILE *to)
{
    char text[80];
    int width = 0;
    for (const struct cli_flag *f = flags; f && f->name; f++) {
        flag_text(f, text, sizeof text);
        width = (int)strlen(text) > width ? (int)strlen(text) : width;
    }
    for (const struct cli_flag *f = flags; f && f->name; f++) {
        flag_text(f, text, sizeof text);
        fprintf(to, "  %-*s  %s%s%s%s\n", width, text, f->help, f->initial ? " (" : "", f->initial ? f->initial : "",
                f->initial ? ")" : "");
    }
}

void cli_flags_help(const struct cli_verb *verb, FILE *to)
{
    fprintf(to, "usage: tessera %s %s%s\n\n%s\n", verb->name, verb->arguments, verb->flags ? " [FLAGS]" : "", verb->description);
    for (const struct cli_verb *const *v = verb->sub; v && *v; v++)
        fprintf(to, "%s  %-8s %s\n", v == verb->sub ? "verbs\n" : "", cli_sub_word(*v), (*v)->summary);
    cli_flags_rows(verb->flags, to);
    if (verb->notes)
        fprintf(to, "%s%s", verb->flags ? "\n" : "", verb->notes);
}
