/* Command lines of import and export. SPDX-License-Identifier: MIT */
#ifndef TESSI_EXCHANGE_FLAGS_H
#define TESSI_EXCHANGE_FLAGS_H

#include "cli/flags.h"
#include "core/exchange/exchange.h"

enum { CLI_PARAMETERS = 32 };

struct cli_exchange {
    struct tessi_exchange x;
    const char *parameter[CLI_PARAMETERS];
};

#define CLI_EXCHANGE(member) .offset = offsetof(struct cli_exchange, x.member)

/* FILE, key=value ... and the verb's flags into `o`, zeroed. 0, or the exit code. */
int cli_exchange_flags(struct cli_globals *g, const struct cli_verb *verb, int argc, char **argv, struct cli_exchange *o);
/* The work with a runtime; gives the exit code. */
int cli_exchange_run(struct cli_globals *g, struct tessi_exchange *x,
                     int (*work)(struct tess_context *ctx, const struct tessi_exchange *x));

#endif
