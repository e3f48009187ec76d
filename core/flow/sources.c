/* Outside files that a stage reads are those its key names, or the stage fails. A file is digested when a stage is planned and read when
 * it runs, which may be hours later; were it another one by then, its content would be cached under the name of what it was before. So the
 * files are looked at again before the stage runs, before a checkpoint is left and before its artefact gets a name.
 *
 * SPDX-License-Identifier: MIT */
#include "core/flow/flow_private.h"

int tessi_flow_sources_read(struct tess_context *ctx, struct tessi_stage *s)
{
    struct tess_digest d;
    if (!s->ops->fingerprint || (tessi_flow_depends(s) & TESS_DEPENDS_NO_FILES))
        return TESS_OK;
    tess_digest_start(&d);
    struct tessi_witness *before = tessi_host_witness_set(ctx, &s->witness);
    int status =
        tess_instance_returned(ctx, s->instance, "stage", "fingerprint", s->ops->fingerprint(tess_instance_self(s->instance), ctx, &d));
    (void)tessi_host_witness_set(ctx, before);
    tess_digest_end(&d, s->files);
    return status;
}

/* Checks that an input's file is unchanged. An artefact is read through one open file, so only a writer in place could change it; parts
 * are compared with the files they were. Its ctime moves whenever a run links it. */
static int check_input(struct tess_context *ctx, const struct tess_artefact *a, const struct tessi_place *then)
{
    struct tessi_place now;
    if (tessi_host_place_of(tessi_store_artefact_descriptor(a), &now) != 0 || now.size != then->size || now.changed != then->changed)
        return ctx->fail(ctx, TESS_E_DATA, "%s: its content changed while the pipeline ran; run again", tess_artefact_path(a));
    TESS_TRY(tessi_store_parts_unchanged(ctx, a));
    return now.touched == then->touched ? TESS_OK : tessi_store_artefact_verify_file(ctx, a);
}

int tessi_flow_sources_check(struct tess_context *ctx, const struct tess_stage_run *r)
{
    for (int64_t i = 0; i < r->inputs; i++)
        if (r->input[i])
            TESS_TRY(check_input(ctx, r->input[i], &r->place[i]));
    return tessi_host_witness_check(ctx, &r->stage->witness);
}

int tessi_flow_pipeline_changed(struct tess_context *ctx, const struct tessi_pipeline *p, char **path)
{
    *path = NULL;
    for (int64_t i = 0; i < p->views && !*path; i++)
        TESS_TRY(tessi_host_witness_changed(ctx, &p->stage[p->view[i]].witness, path));
    return TESS_OK;
}
