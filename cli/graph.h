/* Drawings of a pipeline. SPDX-License-Identifier: MIT */
#ifndef TESSI_CLI_GRAPH_H
#define TESSI_CLI_GRAPH_H

#include "cli/plan.h"

#include <stdio.h>

enum { CLI_GRAPH_TEXT = 0, CLI_GRAPH_DOT = 1, CLI_GRAPH_MERMAID = 2, CLI_GRAPH_SVG = 3 };

/* Writes the DAG of the pipeline's wanted stages, with their states and reasons. */
int cli_graph_pipeline(struct tess_context *ctx, const struct tessi_pipeline *p, int format, FILE *to) TESS_CHECKED;

#endif
