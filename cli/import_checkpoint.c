/* `tessera import`: a model out of a checkpoint that another program wrote. SPDX-License-Identifier: MIT */
#include "cli/exchange_flags.h"

static int import_checkpoint_run(struct cli_globals *g, int argc, char **argv)
{
    const char *parameter[CLI_PARAMETERS];
    struct tessi_exchange x = {.from = NULL};
    int code = cli_exchange_flags(g, argc, argv, 1, parameter, &x);
    return code ? code : cli_exchange_run(g, &x, tessi_exchange_import_model);
}

const struct cli_verb cli_import = {
    .name = "import",
    .summary = "make a model of a published checkpoint",
    .usage = "usage: tessera import FILE -o MODEL.h5 --as NAME [--tokenizer MODEL.h5] [key=value ...]\n\n"
             "FILE holds a dictionary of weights, as torch.save (.th, .pt) or safetensors wrote it. Nothing in it is run. What model\n"
             "it is is told from names and shapes; every tensor has a place in the model or a reason to be left, which is printed.\n"
             "The model is one like those that are trained here: a pipeline reads it with `in: {model: MODEL.h5}`.\n\n"
             "  -o, --output FILE        where the model goes\n"
             "      --as NAME            whose names the file has: `tessera plugins checkpoint` lists what there is\n"
             "      --tokenizer FILE     for a prior: the model whose codes it is of, imported before\n"
             "      key=value            what the file does not tell, such as height=128; `tessera plugins checkpoint/NAME` lists them\n",
    .run = import_checkpoint_run,
};
