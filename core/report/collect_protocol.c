/* The conditions that a metric was measured under. A stage that measures is known by the kind of its artefact; data, as opposed to what is
 * measured, are images and networks of features that no model had a part in. So the protocol of a reconstruction's PSNR has the images'
 * digest and not the tokenizer's. SPDX-License-Identifier: MIT */
#include "core/report/collect_private.h"
#include "core/store/store.h"

#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 100

static int protocol_kind_is_data(const char *kind)
{
    return strcmp(kind, "images") == 0 || strcmp(kind, "features") == 0;
}

/* 1 where the artefact of a file outside the pipeline is data. */
static int protocol_file_is_data(const struct tess_context *ctx, const char *path)
{
    struct tessi_context own;
    struct tess_artefact *a = NULL;
    tessi_base_context_init(&own, ctx->host);
    int data = tessi_store_artefact_open(&own.context, path, &a) == TESS_OK && protocol_kind_is_data(tess_artefact_kind(a));
    tessi_store_artefact_close(a);
    return data;
}

static int protocol_input_is_data(const struct tess_context *ctx, const struct tessi_report_run *run, const struct tessi_report_input *in,
                                  int depth)
{
    if (!in->from)
        return strchr(in->port, ' ') != NULL; /* files from outside: no port has a blank in its name */
    const struct tessi_report_stage *from = tessi_report_stage_named(run, in->from);
    if (!from || depth == DEPTH_MAX)
        return !from && protocol_file_is_data(ctx, in->from);
    int data = protocol_kind_is_data(from->kind);
    for (int64_t i = 0; data && i < from->inputs; i++)
        data = protocol_input_is_data(ctx, run, &from->input[i], depth + 1);
    return data;
}

static int protocol_against(struct tess_context *ctx, struct tessi_report_set *set, const struct tessi_report_run *run,
                            const struct tessi_report_stage *s, const char **out)
{
    *out = "";
    for (int64_t i = 0; i < s->inputs; i++)
        if (protocol_input_is_data(ctx, run, &s->input[i], 0))
            TESS_TRY(tessi_report_format(ctx, set, out, "%s%s%s %s", *out, **out ? "\n" : "", s->input[i].port, s->input[i].digest));
    return TESS_OK;
}

/* The components that measure, with their versions: the stage itself, metrics, and networks of features. What is measured has components as
 * well, which are no part of the protocol. */
static int protocol_components(struct tess_context *ctx, struct tessi_report_set *set, const char *plugin, const char **out)
{
    static const char *const kinds[] = {"stage/", "metric/", "features/"};
    *out = "";
    for (const char *at = plugin; *at;) {
        size_t length = strcspn(at, ";");
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
            if (strncmp(at, kinds[i], strlen(kinds[i])) == 0)
                TESS_TRY(tessi_report_format(ctx, set, out, "%s%s%.*s", *out, **out ? "; " : "", (int)length, at));
        at += length;
        at += strspn(at, "; ");
    }
    return TESS_OK;
}

/* Components, parameters, and what the artefact's attributes tell of the way: `protocol_NAME`, and the numbers of images and samples. */
static int protocol_text(struct tess_context *ctx, struct tessi_report_set *set, const struct tessi_report_stage *s, const char **out)
{
    TESS_TRY(protocol_components(ctx, set, s->plugin, out));
    TESS_TRY(tessi_report_format(ctx, set, out, "%s\n%s", *out, s->parameters));
    for (int64_t i = 0; i < s->attributes; i++) {
        const struct tessi_report_setting *a = &s->attribute[i];
        if (strncmp(a->name, "protocol_", 9) == 0 || strcmp(a->name, "images") == 0 || strcmp(a->name, "samples") == 0)
            TESS_TRY(tessi_report_format(ctx, set, out, "%s\n%s: %s", *out, a->name, a->text));
    }
    return TESS_OK;
}

int tessi_report_collect_protocols(struct tess_context *ctx, struct tessi_report_set *set, struct tessi_report_run *run)
{
    for (int64_t i = 0; i < run->stages; i++) {
        const struct tessi_report_stage *s = &run->stage[i];
        const char *protocol = NULL, *against = NULL;
        if (strcmp(s->kind, "metrics") != 0)
            continue;
        TESS_TRY(protocol_text(ctx, set, s, &protocol));
        TESS_TRY(protocol_against(ctx, set, run, s, &against));
        for (int64_t k = 0; k < run->metrics; k++)
            if (run->metric[k].stage == s->name) {
                run->metric[k].protocol = protocol;
                run->metric[k].against = against;
            }
    }
    return TESS_OK;
}
