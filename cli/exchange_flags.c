/* The command lines of import and export, which are alike. SPDX-License-Identifier: MIT */
#include "cli/exchange_flags.h"
#include "core/base/aside.h"

#include <string.h>

/* The value of a flag, behind `=` or as the next argument; NULL, with a message, when there is none. */
static const char *exchange_flags_value_of(int argc, char **argv, int *i, size_t length)
{
    if (argv[*i][length] == '=')
        return argv[*i] + length + 1;
    if (*i + 1 < argc)
        return argv[++*i];
    (void)cli_usage_error(argv[0], "%s wants a value, found the end of the line", argv[*i]);
    return NULL;
}

static int exchange_flags_take_flag(struct tessi_exchange *x, int with_tokenizer, int argc, char **argv, int *i)
{
    static const char *const flags[] = {"-o", "--output", "--as", "--tokenizer"};
    const char **const texts[] = {&x->to, &x->to, &x->as, &x->tokenizer};
    for (size_t k = 0; k < (with_tokenizer ? 4 : 3); k++) {
        size_t length = strlen(flags[k]);
        if (strncmp(argv[*i], flags[k], length) != 0 || (argv[*i][length] && argv[*i][length] != '='))
            continue;
        const char *value = exchange_flags_value_of(argc, argv, i, length);
        if (!value)
            return tessi_base_exit_code(TESS_E_USAGE);
        *texts[k] = value;
        return 0;
    }
    return cli_usage_error(argv[0], "there is no flag `%s`", argv[*i]);
}

/* A word: the file first, then key=value. */
static int take_word(struct tessi_exchange *x, const char **parameter, char **argv, const char *word)
{
    if (!x->from) {
        x->from = word;
        return 0;
    }
    if (!strchr(word, '='))
        return cli_usage_error(argv[0], "wanted one file, found `%s` and `%s`", x->from, word);
    if (x->parameters == CLI_PARAMETERS)
        return cli_usage_error(argv[0], "more than %d parameters", CLI_PARAMETERS);
    parameter[x->parameters++] = word;
    return 0;
}

int cli_exchange_flags(struct cli_globals *g, int argc, char **argv, int with_tokenizer, const char **parameter, struct tessi_exchange *x)
{
    int plain = 0;
    for (int i = 1; i < argc; i++) {
        int taken = plain ? 0 : cli_global_flag(g, argc, argv, &i), code = 0;
        if (taken < 0)
            return tessi_base_exit_code(TESS_E_USAGE);
        if (taken)
            continue;
        if (!plain && strcmp(argv[i], "--") == 0)
            plain = 1;
        else if (!plain && argv[i][0] == '-' && argv[i][1])
            code = exchange_flags_take_flag(x, with_tokenizer, argc, argv, &i);
        else
            code = take_word(x, parameter, argv, argv[i]);
        if (code)
            return code;
    }
    x->parameter = parameter;
    if (!x->from)
        return cli_usage_error(argv[0], "wanted the name of a file");
    if (!x->to)
        return cli_usage_error(argv[0], "wanted -o FILE, where the result goes");
    return 0;
}

int cli_exchange_run(struct cli_globals *g, struct tessi_exchange *x, int (*work)(struct tess_context *ctx, const struct tessi_exchange *x))
{
    struct tessi_context context;
    struct tessi_runtime *r = NULL;
    const struct tessi_runtime_options o = {
        .plugin_path = g->plugin_path, .backend = g->backend, .threads = g->threads, .level = g->level};
    tessi_base_context_init(&context, NULL);
    x->report = g->level == TESSI_QUIET ? NULL : stdout;
    int status = tessi_base_not_over(&context.context, x->to, x->from);
    if (status == TESS_OK)
        status = tessi_base_not_over(&context.context, x->to, x->tokenizer);
    if (status == TESS_OK)
        status = tessi_host_runtime_new(&context.context, &o, &r);
    if (status == TESS_OK)
        status = work(&context.context, x);
    int code = status == TESS_OK ? 0 : cli_failed(&context.context, status);
    tessi_host_runtime_free(r);
    return code;
}
