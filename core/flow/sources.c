/* Outside files that a stage reads are those its key names, or the stage fails. A file is digested when a stage is planned and read when
 * it runs, which may be hours later; were it another one by then, its content would be cached under the name of what it was before. So the
 * files are looked at again before the stage runs, before a checkpoint is left and before its artefact gets a name.
 *
 * SPDX-License-Identifier: MIT */
#include "core/flow/flow_private.h"

#include <stdio.h>
#include <string.h>

#define LIST_MAX (16 << 10) /* largest size of the list, an attribute, in bytes; a folder of images is too much */

int tessi_flow_sources_read(struct tess_context *ctx, struct tessi_stage *s)
{
    struct tess_digest d;
    if (!s->ops->fingerprint)
        return TESS_OK;
    tess_digest_start(&d);
    struct tessi_witness *before = tessi_host_witness_set(ctx, &s->witness);
    int status = s->ops->fingerprint(tess_instance_self(s->instance), ctx, &d);
    (void)tessi_host_witness_set(ctx, before);
    tess_digest_end(&d, s->files);
    return status;
}

int tessi_flow_sources_list(struct tess_context *ctx, const struct tessi_stage *s, char **out)
{
    size_t bytes = 0;
    void *memory;
    *out = NULL;
    for (int64_t i = 0; i < s->witness.count; i++)
        bytes += TESS_DIGEST_TEXT + strlen(s->witness.file[i].path) + 1;
    if (bytes == 0 || bytes > LIST_MAX)
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, bytes + 1, "a list of files", &memory));
    char *at = *out = memory;
    for (int64_t i = 0; i < s->witness.count; i++)
        at += snprintf(at, bytes + 1 - (size_t)(at - *out), "%s %s\n", s->witness.file[i].digest, s->witness.file[i].path);
    return TESS_OK;
}

const char *tessi_flow_sources_changed(const struct tessi_stage *s, const char *list)
{
    for (int64_t i = 0; list && i < s->witness.count; i++) {
        const struct tessi_seen *seen = &s->witness.file[i];
        size_t length = strlen(seen->path);
        for (const char *at = list; (at = strstr(at, seen->path)) != NULL; at += length)
            if (at >= list + TESS_DIGEST_TEXT && at[-1] == ' ' && at[length] == '\n' &&
                strncmp(at - TESS_DIGEST_TEXT, seen->digest, TESS_DIGEST_TEXT - 1) != 0)
                return seen->path;
    }
    return NULL;
}

/* Checks that an input's file is unchanged. An artefact is read through one open file, so only a writer in place could change it. Its ctime
 * moves whenever a run links it. */
static int check_input(struct tess_context *ctx, const struct tess_artefact *a, const struct tessi_place *then)
{
    struct tessi_place now;
    if (tessi_host_place_of(tessi_store_artefact_descriptor(a), &now) != 0 || now.size != then->size || now.changed != then->changed)
        return ctx->fail(ctx, TESS_E_DATA, "%s: its content changed while the pipeline ran; run again", tess_artefact_path(a));
    return now.touched == then->touched ? TESS_OK : tessi_store_artefact_verify(ctx, a);
}

int tessi_flow_sources_check(struct tess_context *ctx, const struct tess_stage_run *r)
{
    for (int64_t i = 0; i < r->inputs; i++)
        if (r->input[i])
            TESS_TRY(check_input(ctx, r->input[i], &r->place[i]));
    return tessi_host_witness_check(ctx, &r->stage->witness);
}
