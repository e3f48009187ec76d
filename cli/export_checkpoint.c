/* `tessera export`: a checkpoint that another program reads, out of a model. SPDX-License-Identifier: MIT */
#include "cli/exchange_flags.h"

static int export_checkpoint_run(struct cli_globals *g, int argc, char **argv)
{
    struct cli_exchange o = {.x = {.from = NULL}};
    int code = cli_exchange_flags(g, &cli_export, argc, argv, &o);
    return code ? code : cli_exchange_run(g, &o.x, tessi_exchange_export_model);
}

static const struct cli_flag flags[] = {
    {.name = "--output",
     .brief = "-o",
     .value = "FILE",
     .help = "where they go; the ending says the format: `tessera plugins format` lists what there is",
     .type = CLI_TEXT,
     .complete = CLI_COMPLETE_FILES,
     CLI_EXCHANGE(to)},
    {.name = "--format", .value = "NAME", .help = "the format, where the ending does not say it", .type = CLI_TEXT, CLI_EXCHANGE(format)},
    {.name = "--as",
     .value = "NAME",
     .help = "whose names they get: `tessera plugins checkpoint` lists what there is",
     .type = CLI_TEXT,
     CLI_EXCHANGE(as)},
    {.name = NULL}};

const struct cli_verb cli_export = {
    .name = "export",
    .summary = "write a model's weights under the names of a published architecture",
    .arguments = "MODEL.h5 -o FILE.safetensors --as NAME [key=value ...]",
    .description = "The weights keep their bits. Weights that only training has are left, which is printed. key=value says what the file\n"
                   "cannot tell, where it is not as published, such as groups=16. What the program's classes have beside the weights is\n"
                   "added, so that they load the file with strict=True; complete=false leaves it out.\n",
    .flags = flags,
    .run = export_checkpoint_run,
};
