/* A variant as a pipeline: the sweep's file with the overrides of all variants, its own, and a name that puts its folder into the sweep's.
 *
 * SPDX-License-Identifier: MIT */
#include "core/sweep/plan_private.h"

#include "core/base/files.h"

#include <string.h>

static int variant_overrides(struct tess_context *ctx, const struct tessi_sweep *s, const struct tessi_sweep_variant *v,
                             struct tessi_sweep_opened *out)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(s->overrides + v->sets + 1) * sizeof(char *), "overrides", &memory));
    out->override = memory;
    memcpy(out->override, s->override, (size_t)s->overrides * sizeof(char *));
    memcpy(out->override + s->overrides, v->set, (size_t)v->sets * sizeof(char *));
    out->overrides = s->overrides + v->sets + 1;
    return tessi_base_format(ctx, &out->override[out->overrides - 1], "name=\"%s/%s\"", s->name, v->name);
}

int tessi_sweep_variant_open(struct tess_context *ctx, const struct tessi_sweep *s, const struct tessi_sweep_settings *o, int64_t v,
                             int threads, struct tessi_sweep_opened *out)
{
    const struct tessi_runtime_options runtime = {
        .plugin_path = o->plugin_path, .backend = o->backend, .threads = threads, .level = TESSI_QUIET};
    TESS_TRY(variant_overrides(ctx, s, &s->variant[v], out));
    const struct tessi_pipeline_options pipeline = {.path = s->pipeline,
                                                    .overrides = out->overrides,
                                                    .override = (const char *const *)out->override,
                                                    .workdir = o->workdir,
                                                    .checkpoint_seconds = o->checkpoint_seconds};
    if (!out->runtime)
        TESS_TRY(tessi_host_runtime_new(ctx, &runtime, &out->runtime));
    ctx->host = &out->runtime->host;
    return tessi_flow_pipeline_open(ctx, out->runtime, &pipeline, &out->pipeline);
}

void tessi_sweep_variant_close(struct tessi_sweep_opened *p, int stays)
{
    tessi_flow_pipeline_free(p->pipeline);
    p->pipeline = NULL;
    if (p->override)
        tess_free(p->override[p->overrides - 1]);
    tess_free(p->override);
    p->override = NULL;
    if (stays)
        return;
    tessi_host_runtime_free(p->runtime);
    p->runtime = NULL;
}
