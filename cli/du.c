/* `tessera du`: what runs and the cache take of the disk. SPDX-License-Identifier: MIT */
#include "cli/plan.h"
#include "core/base/json.h"
#include "core/flow/inventory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct du_verb {
    int json;
    const char *workdir;
};

static int du_take_word(void *options, const char *verb, const char *word)
{
    return cli_take_workdir(&((struct du_verb *)options)->workdir, verb, word);
}

struct sum {
    int64_t files, bytes;
};

/* Sums by kind: results that runs refer to, those that none does, checkpoints, partial files, locks, others. */
enum { DU_RESULTS, DU_UNUSED, DU_CHECKPOINTS, DU_PARTIAL, DU_LOCKS, DU_OTHERS, DU_SUMS };
static const char *const du_names[DU_SUMS] = {"results of runs",     "results no run refers to",
                                              "checkpoints",         "files being written, or left",
                                              "locks, held or left", "tables and other files"};
static const char *const du_keys[DU_SUMS] = {"results", "unused_results", "checkpoints", "partial", "locks", "others"};

static void du_sum(const struct tessi_inventory *v, struct sum sums[DU_SUMS])
{
    memset(sums, 0, DU_SUMS * sizeof *sums);
    for (int64_t i = 0; i < v->files; i++) {
        const struct tessi_inventory_file *f = &v->file[i];
        int k = f->kind == TESSI_FILE_CHECKPOINT ? DU_CHECKPOINTS
                : f->kind == TESSI_FILE_PARTIAL  ? DU_PARTIAL
                : f->kind == TESSI_FILE_LOCK     ? DU_LOCKS
                : f->kind == TESSI_FILE_OTHER    ? DU_OTHERS
                : f->referred                    ? DU_RESULTS
                                                 : DU_UNUSED;
        sums[k].files++;
        sums[k].bytes += f->bytes;
    }
}

static void du_show(const struct tessi_inventory *v)
{
    struct sum sums[DU_SUMS];
    char size[24], shared[24];
    du_sum(v, sums);
    printf("%10s  %10s  %7s  %s\n", "on disk", "shared", "results", "folder");
    for (int64_t i = 0; i < v->runs; i++) {
        const struct tessi_inventory_run *r = &v->run[i];
        printf("%10s  %10s  %7" PRId64 "  %s%s\n", cli_bytes((double)r->bytes, size, sizeof size),
               cli_bytes((double)r->shared, shared, sizeof shared), r->results, cli_shown(r->folder), r->variants ? " (a sweep)" : "");
    }
    printf("\n%10s  %7s  in %s\n", "on disk", "files", cli_shown(v->cache));
    for (int k = 0; k < DU_SUMS; k++)
        if (sums[k].files)
            printf("%10s  %7" PRId64 "  %s\n", cli_bytes((double)sums[k].bytes, size, sizeof size), sums[k].files, du_names[k]);
    printf("\n%s in all, files with several names once", cli_bytes((double)v->total, size, sizeof size));
    if (sums[DU_UNUSED].files)
        printf("; `tessera gc` frees %s", cli_bytes((double)sums[DU_UNUSED].bytes, size, sizeof size));
    putchar('\n');
}

static void du_json(const struct tessi_inventory *v)
{
    struct sum sums[DU_SUMS];
    du_sum(v, sums);
    fputs("{\"runs\":[", stdout);
    for (int64_t i = 0; i < v->runs; i++) {
        const struct tessi_inventory_run *r = &v->run[i];
        fputs(i ? ",{\"folder\":" : "{\"folder\":", stdout);
        tessi_base_json_text(stdout, r->folder);
        printf(",\"bytes\":%" PRId64 ",\"shared_bytes\":%" PRId64 ",\"results\":%" PRId64 ",\"files\":%" PRId64 ",\"sweep\":%s}", r->bytes,
               r->shared, r->results, r->files, r->variants ? "true" : "false");
    }
    fputs("],\"cache\":{\"folder\":", stdout);
    tessi_base_json_text(stdout, v->cache);
    for (int k = 0; k < DU_SUMS; k++)
        printf(",\"%s\":{\"files\":%" PRId64 ",\"bytes\":%" PRId64 "}", du_keys[k], sums[k].files, sums[k].bytes);
    printf("},\"bytes\":%" PRId64 "}\n", v->total);
}

static int du_run(struct cli_globals *g, int argc, char **argv)
{
    static struct du_verb o;
    struct tessi_context context;
    struct tessi_inventory v;
    int code = cli_flags_read(g, &cli_du, argc, argv, &o, du_take_word);
    if (code)
        return code;
    tessi_base_context_init(&context, NULL);
    int status = tessi_flow_inventory(&context.context, o.workdir ? o.workdir : g->workdir, &v);
    if (status == TESS_OK)
        (o.json ? du_json : du_show)(&v);
    tessi_flow_inventory_free(&v);
    return status == TESS_OK ? 0 : cli_failed(&context.context, status);
}

static const struct cli_flag flags[] = {
    {.name = "--json", .help = "as one JSON object", .type = CLI_SWITCH, .offset = offsetof(struct du_verb, json)}, {.name = NULL}};

const struct cli_verb cli_du = {
    .name = "du",
    .summary = "say what runs and the cache take of the disk",
    .arguments = "[WORKDIR]",
    .description =
        "Lists each run's folder with the space of its files, and how much of it is shared: with the cache, or other runs. Then\n"
        "the cache by kind of file, and the sum of all, files with several names once.\n",
    .flags = flags,
    .run = du_run,
};
