/* `tessera archive merge`: shards of several machines as one archive. SPDX-License-Identifier: MIT */
#include "cli/archive.h"

#include <stdio.h>

enum { FROM_MAX = 1024 };

struct merge_options {
    const char *from[FROM_MAX], *to;
    int64_t froms;
};

static int merge_take_word(void *options, const char *verb, const char *word)
{
    struct merge_options *o = options;
    if (o->froms == FROM_MAX)
        return cli_usage_error(verb, "wanted at most %d archives", FROM_MAX);
    o->from[o->froms++] = word;
    return 0;
}

static int merge(struct cli_globals *g, int argc, char **argv)
{
    static struct merge_options o;
    struct tessi_context context;
    struct tessi_archive_counts counts;
    struct tessi_log *log = NULL;
    char rows[32], items[32];
    int code = cli_flags_read(g, &cli_archive_merge, argc, argv, &o, merge_take_word);
    if (code == 0 && (!o.froms || !o.to))
        code = cli_usage_error(cli_archive_merge.name, "wanted archives to merge, and -o with the name of the result");
    if (code)
        return code;
    tessi_base_context_init(&context, NULL);
    int status = tessi_base_log_new(&context.context, stderr, g->level, g->colour, &log);
    if (status == TESS_OK) {
        const struct tessi_archive_merge m = {.from = o.from, .froms = o.froms, .to = o.to, .log = log, .out = &counts};
        tessi_base_progress_start(log, "merge");
        status = tessi_archive_merge(&context.context, &m);
        tessi_base_progress_end(log);
    }
    tessi_base_log_free(log);
    if (status != TESS_OK)
        return cli_failed(&context.context, status);
    printf("%s: %lld %s, %s %s of %s %s\n", cli_shown(o.to), (long long)counts.shards, counts.shards == 1 ? "shard" : "shards",
           cli_archive_count(counts.rows, rows), counts.rows == 1 ? "row" : "rows", cli_archive_count(counts.items, items),
           counts.items == 1 ? "item" : "items");
    return 0;
}

static const struct cli_flag flags[] = {{.name = "--output",
                                         .brief = "-o",
                                         .value = "OUT",
                                         .help = "a new folder, or with a name that ends in .h5 one file",
                                         .type = CLI_TEXT,
                                         .complete = CLI_COMPLETE_FILES,
                                         .offset = offsetof(struct merge_options, to)},
                                        {.name = NULL}};

const struct cli_verb cli_archive_merge = {
    .name = "archive merge",
    .summary = "make one archive of the shards of several machines, or one file of an archive",
    .arguments = "ARCHIVE ... -o OUT",
    .description =
        "The shards are put in the order of their items, and become links where the file system has them, else copies; codes are\n"
        "read only for an OUT that is one file. A folder without an index is that of `encode --shard i/n` on one machine. Refused\n"
        "where tokenizers or sizes differ, and where items are missing or in two shards that differ.\n",
    .flags = flags,
    .run = merge,
    .apart = 1,
};
