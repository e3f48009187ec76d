/* What import and export have in common. SPDX-License-Identifier: MIT */
#ifndef TESSI_EXCHANGE_FLAGS_H
#define TESSI_EXCHANGE_FLAGS_H

#include "cli/cli.h"
#include "core/exchange/exchange.h"

enum { CLI_PARAMETERS = 32 };

/* FILE -o FILE --as NAME [--tokenizer FILE] [key=value ...] into x and `parameter`, which has room for CLI_PARAMETERS. 0, or the exit
 * code. */
int cli_exchange_flags(struct cli_globals *g, int argc, char **argv, int with_tokenizer, const char **parameter, struct tessi_exchange *x);
/* The work with a runtime; gives the exit code. */
int cli_exchange_run(struct cli_globals *g, struct tessi_exchange *x,
                     int (*work)(struct tess_context *ctx, const struct tessi_exchange *x));

#endif
