/* `tessera import`: a model out of a checkpoint that another program wrote. SPDX-License-Identifier: MIT */
#include "cli/exchange_flags.h"

static int import_checkpoint_run(struct cli_globals *g, int argc, char **argv)
{
    struct cli_exchange o = {.x = {.from = NULL}};
    int code = cli_exchange_flags(g, &cli_import, argc, argv, &o);
    return code ? code : cli_exchange_run(g, &o.x, tessi_exchange_import_model);
}

static const struct cli_flag flags[] = {{.name = "--output",
                                         .brief = "-o",
                                         .value = "FILE",
                                         .help = "where the model goes",
                                         .type = CLI_TEXT,
                                         .complete = CLI_COMPLETE_FILES,
                                         CLI_EXCHANGE(to)},
                                        {.name = "--as",
                                         .value = "NAME",
                                         .help = "whose names the file has: `tessera plugins checkpoint` lists what there is",
                                         .type = CLI_TEXT,
                                         CLI_EXCHANGE(as)},
                                        {.name = "--key",
                                         .value = "NAME",
                                         .help = "dictionary of weights in a file that has several, such as ema",
                                         .type = CLI_TEXT,
                                         CLI_EXCHANGE(key)},
                                        {.name = "--prefix",
                                         .value = "TEXT",
                                         .help = "what stands in front of the names, such as first_stage_model.",
                                         .type = CLI_TEXT,
                                         CLI_EXCHANGE(prefix)},
                                        {.name = "--as-trained",
                                         .help = "weights as trained, where the file has their moving averages too",
                                         .type = CLI_SWITCH,
                                         CLI_EXCHANGE(as_trained)},
                                        {.name = "--tokenizer",
                                         .value = "FILE",
                                         .help = "for a prior: the model whose codes it is of, imported before",
                                         .type = CLI_TEXT,
                                         .complete = CLI_COMPLETE_FILES,
                                         CLI_EXCHANGE(tokenizer)},
                                        {.name = NULL}};

const struct cli_verb cli_import = {
    .name = "import",
    .summary = "make a model of a published checkpoint",
    .arguments = "FILE -o MODEL.h5 --as NAME [--tokenizer MODEL.h5] [key=value ...]",
    .description =
        "FILE holds a dictionary of weights, as torch.save (.th, .pt) or safetensors wrote it. Nothing in it is run. What model\n"
        "it is is told from names and shapes; every tensor has a place in the model or a reason to be left, which is printed.\n"
        "The model is one like those that are trained here: a pipeline reads it with `in: {model: MODEL.h5}`. key=value says what\n"
        "the file does not tell, such as height=128; `tessera plugins checkpoint/NAME` lists the keys.\n",
    .flags = flags,
    .run = import_checkpoint_run,
};
