/* Planning of an encode that a job will do later: the words of its command line are checked as `tessera encode` checks them, so that a
 * mistake is told before the job is queued. Nothing is encoded. SPDX-License-Identifier: MIT */
#include "cli/encode.h"
#include "core/base/files.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int encode_plan_line(const struct cli_encode *o, int64_t tasks)
{
    if (strcmp(o->source, "-") == 0)
        return cli_usage_error("submit", "a job has no standard input; write the list to a file, LIST.txt, and encode that");
    if (tasks && o->shard)
        return cli_usage_error("submit", "the tasks of an array have their own --shard; leave it out, or --array");
    if (tasks && cli_encode_is_file(o->output))
        return cli_usage_error("submit", "%s is one file, and the tasks of an array make shards: -o %.*s", o->output,
                               (int)strlen(o->output) - 3, o->output);
    return 0;
}

/* Plans the stage as a whole in a work folder that goes afterwards. */
static int encode_plan_all(struct tess_context *ctx, struct cli_archive *a, int64_t tasks)
{
    const char *folder = getenv("TMPDIR");
    int64_t shards = tasks;
    TESS_TRY(cli_runtime_new(ctx, a->g, &a->runtime));
    TESS_TRY(cli_encode_model(ctx, a));
    TESS_TRY(tessi_base_format(ctx, &a->work, "%s/tessera-encode-XXXXXX", folder && *folder ? folder : "/tmp"));
    if (!mkdtemp(a->work))
        return ctx->fail(ctx, TESS_E_CREATE, "%s: cannot be made: %s", a->work, strerror(errno));
    TESS_TRY(cli_encode_stage(ctx, a->o, &a->stage));
    TESS_TRY(cli_encode_paths(ctx, a->runtime->registry, a->stage, NULL, CLI_PATHS_ABSOLUTE));
    TESS_TRY(cli_encode_part_plan(ctx, a, "codes", a->stage));
    if (tasks)
        TESS_TRY(cli_encode_shards(ctx, a, &shards));
    if (shards < tasks)
        tessi_base_log_note(a->runtime->log,
                            "%s will have %" PRId64 " %s, so of %" PRId64 " tasks no more than these have work; see --shard-items",
                            a->o->output, shards, shards == 1 ? "shard" : "shards", tasks);
    return TESS_OK;
}

int cli_encode_plan(struct cli_globals *g, int argc, char **argv, int64_t tasks)
{
    static struct cli_encode o;
    struct tessi_context context;
    struct cli_archive a = {.o = &o, .g = g};
    o = (struct cli_encode){.seed = -1};
    int code = cli_encode_read(g, argc, argv, &o);
    code = code ? code : encode_plan_line(&o, tasks);
    if (code)
        return code;
    tessi_base_context_init(&context, NULL);
    int status = encode_plan_all(&context.context, &a, tasks);
    code = status == TESS_OK ? 0 : cli_failed(&context.context, status);
    if (a.work)
        cli_encode_remove_work(&a);
    tessi_config_free(a.stage);
    tess_free(a.work);
    tessi_host_runtime_free(a.runtime);
    return code;
}
