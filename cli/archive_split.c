/* `tessera archive split`: an archive in shards of another size. SPDX-License-Identifier: MIT */
#include "cli/archive.h"

#include <stdio.h>

struct split_options {
    struct cli_archive_one one; /* first */
    const char *to;
    int64_t rows, parts;
};

static int split_archive(struct tess_context *ctx, const struct cli_globals *g, const struct split_options *o)
{
    struct tessi_log *log = NULL;
    int64_t shards = 0;
    int without_ranges = 0;
    TESS_TRY(tessi_base_log_new(ctx, stderr, g->level, g->colour, &log));
    const struct tessi_archive_split s = {.from = o->one.path,
                                          .to = o->to,
                                          .rows = o->rows,
                                          .parts = o->parts,
                                          .log = log,
                                          .shards = &shards,
                                          .without_ranges = &without_ranges};
    tessi_base_progress_start(log, "split");
    int status = tessi_archive_split(ctx, &s);
    tessi_base_progress_end(log);
    tessi_base_log_free(log);
    TESS_TRY(status);
    printf("%s: %lld %s\n", cli_shown(o->to), (long long)shards, shards == 1 ? "shard" : "shards");
    if (without_ranges)
        printf("the shards do not say which items they are of, for it is not known between which rows items were skipped; those are "
               "listed in the first shard\n");
    return TESS_OK;
}

static int split(struct cli_globals *g, int argc, char **argv)
{
    struct split_options o = {.to = NULL};
    struct tessi_context context;
    int code = cli_archive_read(g, &cli_archive_split, argc, argv, &o.one);
    if (code == 0 && !o.to)
        code = cli_usage_error(cli_archive_split.name, "wanted -o with the name of a new folder");
    if (code == 0 && !o.rows == !o.parts)
        code = cli_usage_error(cli_archive_split.name, "wanted either --rows N or --parts N");
    if (code)
        return code;
    tessi_base_context_init(&context, NULL);
    int status = split_archive(&context.context, g, &o);
    return status == TESS_OK ? 0 : cli_failed(&context.context, status);
}

#define SPLIT(m) .offset = offsetof(struct split_options, m)
static const struct cli_flag flags[] = {
    {.name = "--output",
     .brief = "-o",
     .value = "FOLDER",
     .help = "a new folder",
     .type = CLI_TEXT,
     .complete = CLI_COMPLETE_FOLDERS,
     SPLIT(to)},
    {.name = "--rows", .value = "N", .help = "rows of a shard", .type = CLI_INTEGER, SPLIT(rows), .lo = 1, .hi = INT64_MAX},
    {.name = "--parts",
     .value = "N",
     .help = "number of shards; whole shards of the archive where it has as many",
     .type = CLI_INTEGER,
     SPLIT(parts),
     .lo = 1,
     .hi = 65536},
    {.name = NULL}};

const struct cli_verb cli_archive_split = {
    .name = "archive split",
    .summary = "cut an archive into shards of another size",
    .arguments = "ARCHIVE|FILE.h5 -o FOLDER --rows N|--parts N",
    .description = "Every shard is an archive by itself, and FOLDER one of all of them. A shard that is one of the old is a link to it.\n",
    .flags = flags,
    .run = split,
    .apart = 1,
};
