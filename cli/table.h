/* The table of runs and sweeps on stdout, for `table` and for the end of a sweep. SPDX-License-Identifier: MIT */
#ifndef TESSI_CLI_TABLE_H
#define TESSI_CLI_TABLE_H

#include "cli/cli.h"
#include "core/report/table.h"

/* Prints the table of n folders of runs and sweeps for the terminal: as wide as that is, with signs of UTF-8 where its locale is, the best
 * in bold with `colour`. `o` NULL: the defaults. A name that is no path is looked for in WORKDIR/runs. */
int cli_table_show(struct tess_context *ctx, const struct cli_globals *g, const char *const *paths, int64_t n,
                   const struct tessi_report_table_options *o) TESS_CHECKED;
/* Replaces each path that is not there by WORKDIR/runs/PATH where that is. `found` has memory for n, each freed by tess_free. */
int cli_run_paths(struct tess_context *ctx, const struct cli_globals *g, const char *const *paths, int64_t n, char **found) TESS_CHECKED;

#endif
