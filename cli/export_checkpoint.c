/* `tessera export`: a checkpoint that another program reads, out of a model. SPDX-License-Identifier: MIT */
#include "cli/exchange_flags.h"

static int export_checkpoint_run(struct cli_globals *g, int argc, char **argv)
{
    const char *parameter[CLI_PARAMETERS];
    struct tessi_exchange x = {.from = NULL};
    int code = cli_exchange_flags(g, argc, argv, 0, parameter, &x);
    return code ? code : cli_exchange_run(g, &x, tessi_exchange_export_model);
}

const struct cli_verb cli_export = {
    .name = "export",
    .summary = "write a model's weights under the names of a published architecture",
    .usage = "usage: tessera export MODEL.h5 -o FILE.safetensors --as NAME [key=value ...]\n\n"
             "The weights keep their bits. Weights that only training has are left, which is printed.\n\n"
             "  -o, --output FILE        where they go; the ending says the format: `tessera plugins format` lists what there is\n"
             "      --as NAME            whose names they get: `tessera plugins checkpoint` lists what there is\n"
             "      key=value            what the file cannot tell, where it is not as published, such as groups=16\n",
    .run = export_checkpoint_run,
};
