/* The end of an execution: the artefact with what it was made of, under its name in the cache.
 *
 * SPDX-License-Identifier: MIT */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "core/base/files.h"
#include "core/base/memory.h"
#include "core/flow/file_list.h"

/* The list of the files that the stage read, for the provenance; a long one goes into KEY.files instead. */
static int finish_list_files(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s, char **out)
{
    char *path = NULL;
    TESS_TRY(tessi_flow_file_list_text(ctx, s, out));
    if (*out || s->witness.count == 0)
        return TESS_OK;
    TESS_TRY(tessi_base_format(ctx, &path, "%s/%s.files", p->cache, s->key));
    int status = tessi_flow_file_list_write(ctx, s, path);
    tess_free(path);
    return status;
}

/* Finishes an artefact: provenance, then the file under its own name. */
int tessi_flow_stage_finish(struct tess_context *ctx, const struct tessi_pipeline *p, struct tess_stage_run *r)
{
    struct tessi_stage *s = r->stage;
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(2 * s->inputs + 2) * sizeof(char *), "provenance", &memory));
    const char **port = memory, **digest = port + s->inputs + 1;
    int64_t n = 0;
    for (int64_t i = 0; i < s->inputs; i++) {
        if (!s->input[i].at)
            continue;
        port[n] = s->input[i].port->name;
        digest[n++] = tessi_flow_input_digest(p, &s->input[i]);
    }
    if (*s->files) {
        port[n] = TESSI_FILES_INPUT;
        digest[n++] = s->files;
    }
    char *files = NULL;
    int status = finish_list_files(ctx, p, s, &files);
    const struct tessi_provenance about = {
        .stage = s->name,
        .files = files,
        .plugin = s->plugins,
        .parameters = tessi_plug_instance_resolved(s->instance),
        .key = s->key,
        .numeric_mode = s->numeric_mode,
        .tool = "tessera " PACKAGE_VERSION,
        .seed = s->seed,
        .epoch = TESS_EPOCH,
        .abi = TESS_ABI_MAJOR,
        .run = p->anonymous ? NULL : p->name,
        .run_id = p->anonymous ? NULL : tessi_base_log_run(p->runtime->log),
        .warning = *s->warning ? s->warning : NULL,
        .inputs = n,
        .input_port = port,
        .input_digest = digest,
    };
    struct tess_artefact *output = r->output;
    if (status == TESS_OK) {
        r->output = NULL;
        status = tessi_store_artefact_finish(ctx, output, &about, s->digest);
    }
    tess_free(files);
    tess_free(memory);
    return status;
}
