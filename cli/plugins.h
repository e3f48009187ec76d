/* Output of `tessera plugins`: components as text, Markdown and JSON. SPDX-License-Identifier: MIT */
#ifndef TESSI_CLI_PLUGINS_H
#define TESSI_CLI_PLUGINS_H

#include "cli/cli.h"

#include <string.h>

struct cli_component {
    const struct tess_component *component;
    const struct tess_plugin *plugin;
};

static inline int cli_kind_length(const char *kind)
{
    return (int)strcspn(kind, "/");
}

/* Prints a page on one component, for a terminal. */
void cli_plugins_page(const struct tessi_registry *r, const struct cli_component *c);
/* Prints several components as a Markdown page of the documentation: without paths, alike on every machine. */
void cli_plugins_markdown(const struct cli_component *c, int64_t count);
/* Prints components as one JSON object; with every folder and file that was searched, when `why`. */
void cli_plugins_json(const struct tessi_registry *r, const struct cli_component *c, int64_t count, int why);
/* i-th port of a stage's table; NULL for any other kind and past the end. */
const struct tess_port *cli_port_at(const struct tess_component *k, int64_t i);
/* Name of the i-th optional function of its kind that the component has, and what it is for; NULL past the end, and where the functions are
 * in a library. */
const char *cli_capability_at(const struct cli_component *c, int64_t i, const char **meaning);

#endif
