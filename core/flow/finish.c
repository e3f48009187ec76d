/* The end of an execution: the artefact with what it was made of, under its name in the cache.
 *
 * SPDX-License-Identifier: MIT */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "core/base/files.h"
#include "core/base/memory.h"
#include "core/config/merge.h"
#include "core/flow/file_list.h"
#include "core/plug/registry.h"

#include <string.h>

/* The list of the files that the stage read, for the provenance; a long one goes into KEY.files instead. */
static int finish_list_files(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s, char **out)
{
    char *path = NULL;
    TESS_TRY(tessi_flow_file_list_text(ctx, p, s, out));
    if (*out || s->witness.count == 0)
        return TESS_OK;
    TESS_TRY(tessi_base_format(ctx, &path, "%s/%s.files", p->cache, s->key));
    int status = tessi_flow_file_list_write(ctx, p, s, path);
    tess_free(path);
    return status;
}

/* Removes the parameters that change nothing in the result, and the paths, from a component's tree and those within it. */
static void finish_leave_out(const struct tessi_registry *r, const char *kind, struct tessi_config *map)
{
    const struct tessi_config *use = map->kind == TESSI_MAP ? tessi_config_child(map, "use") : NULL;
    const struct tess_component *k = use && use->text ? tessi_plug_registry_find(r, kind, use->text, NULL) : NULL;
    const struct tess_param *p;
    for (int64_t i = 0; k && (p = tessi_plug_param_at(k, i)); i++) {
        struct tessi_config **at = &map->child;
        while (*at && strcmp((*at)->key, p->name) != 0)
            at = &(*at)->next;
        struct tessi_config *found = *at;
        if (found && (p->flags & (TESS_NEUTRAL | TESS_PATH))) {
            *at = found->next;
            found->next = NULL;
            tessi_config_free(found);
        } else if (found && p->type == TESS_COMPONENT) {
            finish_leave_out(r, p->text, found);
        }
    }
}

/* Text of the parameters; where the result is not to tell where it was made, without those that its bytes would differ by for nothing. */
static int finish_parameters(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s, char **out)
{
    struct tessi_config *tree = NULL;
    if (!p->anonymous)
        return tess_copy_text(ctx, tessi_plug_instance_resolved(s->instance), out);
    TESS_TRY(tessi_config_copy(ctx, tessi_plug_instance_values(s->instance), &tree));
    finish_leave_out(p->runtime->registry, "stage/1", tree);
    int status = tessi_config_print(ctx, tree, out);
    tessi_config_free(tree);
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
    char *files = NULL, *parameters = NULL;
    int status = finish_list_files(ctx, p, s, &files);
    if (status == TESS_OK)
        status = finish_parameters(ctx, p, s, &parameters);
    const struct tessi_provenance about = {
        .stage = s->name,
        .files = files,
        .plugin = s->plugins,
        .parameters = parameters,
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
    tess_free(parameters);
    tess_free(memory);
    return status;
}
