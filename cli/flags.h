/* The command line as data: a table of flags for each verb. One reader takes all of them, and from the same tables come `--help`, the
 * manual page and the shells' completion, so they cannot differ. SPDX-License-Identifier: MIT */
#ifndef TESSI_CLI_FLAGS_H
#define TESSI_CLI_FLAGS_H

#include "cli/cli.h"

/* Type of a flag, and of the member at its offset. */
enum {
    CLI_SWITCH = 1,  /* int, set to 1; no value */
    CLI_TEXT = 2,    /* const char * */
    CLI_INTEGER = 3, /* int64_t within lo .. hi */
    CLI_EACH = 4     /* `take` is called with the value: flags that may be repeated, or are more than a member */
};

/* Kinds of value that a shell can complete. */
enum { CLI_COMPLETE_NOTHING = 0, CLI_COMPLETE_FILES = 1, CLI_COMPLETE_FOLDERS = 2 };

struct cli_flag {
    const char *name;    /* "--output"; NULL ends a table */
    const char *brief;   /* "-o"; NULL: none */
    const char *value;   /* "FILE", as help calls it; NULL for a switch */
    const char *help;    /* one line */
    const char *initial; /* the default, as help shows it in brackets: "60"; NULL: none */
    const char *choices; /* "f32 bf16 auto": values to complete; NULL: none, or as `complete` says */
    int32_t type, complete;
    size_t offset; /* offsetof the member in the verb's options */
    int64_t lo, hi;
    /* 0, or the exit code after a message. */
    int (*take)(void *options, const char *verb, const char *value);
};

/* Flags of every verb, over struct cli_globals. */
extern const struct cli_flag cli_global_flags[];

/* The words of a verb's line into `options` (and g): flags by its table; each other word, and all behind `--`, by `take_word`, which gives
 * 0 or the exit code after a message. A flag's value stands behind `=`, glued to a flag of one letter, or as the next word. 0, or the exit
 * code after a message. */
int cli_flags_read(struct cli_globals *g, const struct cli_verb *verb, int argc, char **argv, void *options,
                   int (*take_word)(void *options, const char *verb, const char *word));
/* Takes argv[*i], and its value, when it is a flag of every verb: 1 taken, 0 not one, -1 wrong (message printed). */
int cli_global_flag(struct cli_globals *g, int argc, char **argv, int *i);
/* Prints that `verb` has no such flag, and the nearest one; `verb` is NULL for a flag before any. Gives 2. */
int cli_unknown_flag(const struct cli_verb *verb, const char *word);

/* The help of one verb; the rows of a table of flags, as help has them. */
void cli_flags_help(const struct cli_verb *verb, FILE *to);
void cli_flags_rows(const struct cli_flag *flags, FILE *to);

/* The manual page tessera(1) in roff, and completion for `shell`, "bash" or "zsh": 0, or 2 after a message for another. */
void cli_manual(const struct cli_verb *const *verbs, size_t n, FILE *to);
int cli_completion(const char *shell, const struct cli_verb *const *verbs, size_t n, FILE *to);

#endif
