/* A variant as a pipeline: the sweep's file with the overrides of all variants, its own, and a name that puts its folder into the sweep's.
 *
 * SPDX-License-Identifier: MIT */
#include "core/sweep/plan_private.h"

#include "core/base/files.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int variant_overrides(struct tess_context *ctx, const struct tessi_sweep *s, const struct tessi_sweep_variant *v,
                             struct tessi_sweep_opened *out)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(s->overrides + v->sets + 1) * sizeof(char *), "overrides", &memory));
    out->override = memory;
    for (int64_t i = 0; i < s->overrides; i++)
        out->override[i] = s->override[i];
    for (int64_t i = 0; i < v->sets; i++)
        out->override[s->overrides + i] = v->set[i];
    out->overrides = s->overrides + v->sets + 1;
    return tessi_base_format(ctx, &out->override[out->overrides - 1], "name=\"%s/%s\"", s->name, v->name);
}

int tessi_sweep_variant_options(struct tess_context *ctx, const struct tessi_sweep *s, const struct tessi_sweep_settings *o, int64_t v,
                                struct tessi_sweep_opened *opened, struct tessi_pipeline_options *out)
{
    TESS_TRY(variant_overrides(ctx, s, &s->variant[v], opened));
    *out = (struct tessi_pipeline_options){.path = s->pipeline,
                                           .overrides = opened->overrides,
                                           .override = (const char *const *)opened->override,
                                           .workdir = o->workdir,
                                           .checkpoint_seconds = o->checkpoint_seconds,
                                           .waits = opened->waits,
                                           .waits_user = opened->waits_user};
    return TESS_OK;
}

int tessi_sweep_runtime(struct tess_context *ctx, const struct tessi_sweep_settings *o, int threads, struct tessi_sweep_opened *opened)
{
    const struct tessi_runtime_options runtime = {
        .plugin_path = o->plugin_path, .backend = o->backend, .threads = threads, .level = TESSI_QUIET};
    if (!opened->runtime)
        TESS_TRY(tessi_host_runtime_new(ctx, &runtime, &opened->runtime));
    ctx->host = &opened->runtime->host;
    return TESS_OK;
}

int tessi_sweep_variant_open(struct tess_context *ctx, const struct tessi_sweep *s, const struct tessi_sweep_settings *o, int64_t v,
                             int threads, struct tessi_sweep_opened *out)
{
    struct tessi_pipeline_options pipeline;
    TESS_TRY(tessi_sweep_variant_options(ctx, s, o, v, out, &pipeline));
    TESS_TRY(tessi_sweep_runtime(ctx, o, threads, out));
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

int tessi_sweep_place(const char *path, struct tessi_place *at, char text[TESSI_SWEEP_PLACE_TEXT])
{
    struct stat s;
    if (stat(path, &s) != 0 || !S_ISREG(s.st_mode))
        return 0;
    *at = (struct tessi_place){(uint64_t)s.st_dev, (uint64_t)s.st_ino, (int64_t)s.st_size,
                               (int64_t)s.st_mtim.tv_sec * 1000000000 + s.st_mtim.tv_nsec,
                               (int64_t)s.st_ctim.tv_sec * 1000000000 + s.st_ctim.tv_nsec};
    (void)snprintf(text, TESSI_SWEEP_PLACE_TEXT, "%" PRIu64 ":%" PRIu64 ":%" PRId64 ":%" PRId64 ":%" PRId64, at->device, at->inode,
                   at->size, at->changed, at->touched);
    return 1;
}

int tessi_sweep_same_runtime(const struct tessi_sweep *s, int64_t a, int64_t b)
{
    static const char *const keys[] = {"backend=", "precision="};
    for (size_t i = 0; i < 2; i++) {
        const char *text[2] = {"", ""};
        for (int k = 0; k < 2; k++) {
            const struct tessi_sweep_variant *v = &s->variant[k ? b : a];
            for (int64_t n = 0; n < v->sets; n++)
                if (strncmp(v->set[n], keys[i], strlen(keys[i])) == 0)
                    text[k] = v->set[n];
        }
        if (strcmp(text[0], text[1]) != 0)
            return 0;
    }
    return 1;
}
