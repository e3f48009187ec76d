/* `tessera gc`: removes what no run refers to. SPDX-License-Identifier: MIT */
#include "cli/plan.h"
#include "core/base/json.h"
#include "core/flow/gc.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct gc_verb {
    int dry, json;
    int64_t days;
    const char *workdir;
    int64_t printed;
};

int cli_take_workdir(const char **workdir, const char *verb, const char *word)
{
    if (*workdir)
        return cli_usage_error(verb, "wanted one folder, the one that runs/ is in, found `%s` after `%s`", word, *workdir);
    *workdir = word;
    return 0;
}

static int gc_take_word(void *options, const char *verb, const char *word)
{
    return cli_take_workdir(&((struct gc_verb *)options)->workdir, verb, word);
}

static void gc_removed(void *user, const struct tessi_inventory_file *f, const char *why)
{
    struct gc_verb *v = user;
    char size[24];
    if (v->json) {
        fputs(v->printed++ ? ",{\"path\":" : "{\"path\":", stdout);
        tessi_base_json_text(stdout, f->path);
        printf(",\"bytes\":%" PRId64 ",\"why\":", f->bytes);
        tessi_base_json_text(stdout, why);
        putchar('}');
    } else {
        printf("%10s  %s  (%s)\n", cli_bytes((double)f->bytes, size, sizeof size), cli_shown(f->path), why);
    }
}

static void gc_show(const struct gc_verb *v, const struct tessi_gc *g)
{
    char size[24];
    if (v->json) {
        printf("],\"dry_run\":%s,\"files\":%" PRId64 ",\"bytes\":%" PRId64 ",\"busy\":%s}\n", v->dry ? "true" : "false", g->files, g->bytes,
               g->held ? "true" : "false");
        return;
    }
    if (g->files)
        printf("\n%s %" PRId64 " %s, %s\n", v->dry ? "to be removed:" : "removed", g->files, g->files == 1 ? "file" : "files",
               cli_bytes((double)g->bytes, size, sizeof size));
    else
        printf("nothing to remove\n");
    if (g->held)
        printf("%s works with the cache: only files of dead writers were looked at; run again when it has ended\n",
               *g->holder ? cli_shown(g->holder) : "a run");
}

static int gc_run(struct cli_globals *g, int argc, char **argv)
{
    static struct gc_verb v;
    struct tessi_context context;
    struct tessi_gc done;
    int code = cli_flags_read(g, &cli_gc, argc, argv, &v, gc_take_word);
    if (code)
        return code;
    const struct tessi_gc_options o = {.workdir = v.workdir ? v.workdir : g->workdir,
                                       .dry = v.dry,
                                       .older_than = v.days * 86400,
                                       .now = (int64_t)time(NULL),
                                       .removed = gc_removed,
                                       .user = &v};
    tessi_base_context_init(&context, NULL);
    if (v.json)
        fputs("{\"removed\":[", stdout);
    int status = tessi_flow_gc(&context.context, &o, &done);
    if (status == TESS_OK || v.json)
        gc_show(&v, &done);
    return status == TESS_OK ? 0 : cli_failed(&context.context, status);
}

#define GC_FLAG(m) .offset = offsetof(struct gc_verb, m)
static const struct cli_flag flags[] = {
    {.name = "--dry-run", .brief = "-n", .help = "only say what would be removed", .type = CLI_SWITCH, GC_FLAG(dry)},
    {.name = "--older-than",
     .value = "DAYS",
     .help = "leave what changed within so many days",
     .initial = "0",
     .type = CLI_INTEGER,
     GC_FLAG(days),
     .lo = 0,
     .hi = 36500},
    {.name = "--json", .help = "as one JSON object", .type = CLI_SWITCH, GC_FLAG(json)},
    {.name = NULL}};

const struct cli_verb cli_gc = {
    .name = "gc",
    .summary = "remove cached results and leftovers that no run refers to",
    .arguments = "[WORKDIR]",
    .description =
        "Removes from WORKDIR/runs/.cache the results that no run's folder has, checkpoints that no run will resume from, files\n"
        "that killed processes left on their way, and their locks. Run folders stay as they are, with all that tables and\n"
        "reports read. While a run works with the cache, only the files of dead processes are removed.\n",
    .flags = flags,
    .run = gc_run,
};
