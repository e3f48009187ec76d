/* The command: one verb a file, git-style. SPDX-License-Identifier: MIT */
#ifndef TESSI_CLI_H
#define TESSI_CLI_H

#include "core/host/runtime.h"

/* Flags every verb takes, before or after the verb's name. */
struct cli_globals {
    int64_t threads;         /* -j N, --threads N; 0: all processors */
    int level, colour;       /* -q, -v, --no-color and NO_COLOR */
    const char *plugin_path; /* --plugin-path DIR[:DIR] */
    const char *backend;     /* --backend NAME; NULL: the pipeline's, else the default */
    const char *workdir;     /* --workdir DIR: where runs/ goes */
};

struct cli_flag;

/* Words of a verb's line, other than flags, as a shell completes them. */
enum {
    CLI_WORDS_FILES = 0,
    CLI_WORDS_PLUGINS = 1,           /* KIND or KIND/NAME */
    CLI_WORDS_PLUGINS_AND_FILES = 2, /* these, or a file */
    CLI_WORDS_KIND = 3               /* KIND, then a new name */
};

struct cli_verb {
    const char *name, *summary; /* "run", one line for `tessera --help` */
    const char *arguments;      /* "P.yaml [key=value ...]" */
    const char *description;    /* lines below the usage in the help, each with its end */
    const struct cli_flag *flags;                             /* the verb's own flags (cli/flags.h); NULL: none */
    int32_t words;                                            /* CLI_WORDS_... */
    const char *notes;                                        /* lines at the end of the help; NULL: none */
    int (*run)(struct cli_globals *g, int argc, char **argv); /* argv[0] is the verb; gives the exit code */
    int apart;                                                /* 1: it reads files of strangers, in a process of its own */
    const struct cli_verb *const *sub;                        /* verbs below this one, "archive verify"; NULL ends, NULL: none */
};

extern const struct cli_verb cli_run, cli_sweep, cli_table, cli_diff, cli_log, cli_plan, cli_why, cli_graph, cli_plugins, cli_inspect,
    cli_view, cli_du, cli_gc, cli_encode, cli_decode, cli_import, cli_export, cli_bench, cli_new, cli_check;
extern const struct cli_verb cli_report, cli_submit;
extern const struct cli_verb cli_archive;

/* Runs what follows in a child process, which an input that is made to harm may crash: 1 in the child, which goes on; 0 in the parent once
 * the child has ended, with the exit code. */
int cli_apart(const char *verb, int *code);
/* From here on a crash, or a plugin's call of `exit`, is told on stderr with the plugin and the function it was in; ..._over: no more. */
void cli_last_words(void);
void cli_last_words_over(void);
/* The verb below `verb` that `word` calls, or NULL; and its word: "verify". */
const struct cli_verb *cli_sub_verb(const struct cli_verb *verb, const char *word);
const char *cli_sub_word(const struct cli_verb *sub);

/* A runtime with the plugins, backend, threads and words that the flags of every verb ask for; freed with tessi_host_runtime_free. */
int cli_runtime_new(struct tess_context *ctx, const struct cli_globals *g, struct tessi_runtime **out) TESS_CHECKED;

/* "tessera: MESSAGE" on stderr; gives the exit code of `status`. */
int cli_failed(const struct tess_context *ctx, int status);
/* Prints "tessera VERB: MESSAGE; see `tessera VERB --help`"; gives 2. */
int cli_usage_error(const char *verb, const char *format, ...) TESS_PRINTF(2, 3);
/* Prints what may have been meant by a word that is none of the n verbs; gives 2. */
int cli_unknown_verb(const char *word, const char *const *names, size_t n);

/* A name or a message as a terminal may be shown it (core/base/text.h); valid until the fourth call after this one. */
const char *cli_shown(const char *text);
/* The direction of a metric in a word: "lower", "higher", or "" for neither. */
const char *cli_better(int32_t better);

#endif
