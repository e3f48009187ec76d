/* The command lines of import and export, which are alike. SPDX-License-Identifier: MIT */
#include "cli/exchange_flags.h"
#include "core/base/aside.h"

#include <string.h>

/* A word: the file first, then key=value. */
static int take_word(void *options, const char *verb, const char *word)
{
    struct cli_exchange *o = options;
    if (!o->x.from) {
        o->x.from = word;
        return 0;
    }
    if (!strchr(word, '='))
        return cli_usage_error(verb, "wanted one file, found `%s` and `%s`", o->x.from, word);
    if (o->x.parameters == CLI_PARAMETERS)
        return cli_usage_error(verb, "more than %d parameters", CLI_PARAMETERS);
    o->parameter[o->x.parameters++] = word;
    return 0;
}

int cli_exchange_flags(struct cli_globals *g, const struct cli_verb *verb, int argc, char **argv, struct cli_exchange *o)
{
    int code = cli_flags_read(g, verb, argc, argv, o, take_word);
    o->x.parameter = o->parameter;
    if (code)
        return code;
    if (!o->x.from)
        return cli_usage_error(argv[0], "wanted the name of a file");
    if (!o->x.to)
        return cli_usage_error(argv[0], "wanted -o FILE, where the result goes");
    return 0;
}

int cli_exchange_run(struct cli_globals *g, struct tessi_exchange *x, int (*work)(struct tess_context *ctx, const struct tessi_exchange *x))
{
    struct tessi_context context;
    struct tessi_runtime *r = NULL;
    tessi_base_context_init(&context, NULL);
    x->report = g->level == TESSI_QUIET ? NULL : stdout;
    int status = tessi_base_not_over(&context.context, x->to, x->from);
    if (status == TESS_OK)
        status = tessi_base_not_over(&context.context, x->to, x->tokenizer);
    if (status == TESS_OK)
        status = cli_runtime_new(&context.context, g, &r);
    if (status == TESS_OK)
        status = work(&context.context, x);
    int code = status == TESS_OK ? 0 : cli_failed(&context.context, status);
    tessi_host_runtime_free(r);
    return code;
}
