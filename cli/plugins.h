/* Output of `tessera plugins`: components as text, as JSON and as Markdown. SPDX-License-Identifier: MIT */
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

/* Everything that is known of one, for a terminal. */
void cli_plugins_page(const struct tessi_registry *r, const struct cli_component *c);
/* The same of several, as a page of the documentation: without paths, alike on every machine. */
void cli_plugins_markdown(const struct cli_component *c, int64_t count);
/* The same as one JSON object; with every folder and file that was looked at, when `why`. */
void cli_plugins_json(const struct tessi_registry *r, const struct cli_component *c, int64_t count, int why);
/* The ports of a stage, by its table; NULL for any other kind and at the end. */
const struct tess_port *cli_port_at(const struct tess_component *k, int64_t i);
/* i-th optional function of its kind that the component has, and what it is for; NULL past the end, and where it is in a library. */
const char *cli_capability_at(const struct cli_component *c, int64_t i, const char **meaning);

#endif
