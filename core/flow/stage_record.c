/* The record of a result in the log: what a table or a report asks of it, so that neither has to open the artefact again. The file's size
 * and time are told with it; where they are still the file's own, the record is of that file, as artefacts are never changed.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/json.h"
#include "core/flow/flow_private.h"
#include "core/flow/stage_record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void record_name(FILE *to, int first, const char *name)
{
    fputs(first ? "" : ",", to);
    tessi_base_json_text(to, name);
    putc(':', to);
}

static void record_text(FILE *to, const char *name, const char *text)
{
    if (!text)
        return;
    record_name(to, 0, name);
    tessi_base_json_text(to, text);
}

static void record_attrs(FILE *to, const struct tess_attrs *attrs)
{
    fputs(",\"attributes\":{", to);
    for (int64_t i = 0; i < attrs->count; i++) {
        const struct tessi_attr *attr = &attrs->item[i];
        record_name(to, i == 0, attr->name);
        if (attr->type == TESSI_ATTR_TEXT)
            tessi_base_json_text(to, attr->text);
        else if (attr->type == TESSI_ATTR_I64)
            fprintf(to, "%" PRId64, attr->i64);
        else
            tessi_base_json_f64(to, attr->f64);
    }
    putc('}', to);
}

static void record_inputs(FILE *to, const struct tess_artefact *a)
{
    static const char front[] = "input.";
    const char *name, *value;
    int n = 0;
    fputs(",\"inputs\":{", to);
    for (int64_t i = 0; (name = tessi_store_artefact_provenance_at(a, i, &value)); i++) {
        if (strncmp(name, front, sizeof front - 1) != 0)
            continue;
        record_name(to, n++ == 0, name + sizeof front - 1);
        tessi_base_json_text(to, value);
    }
    putc('}', to);
}

static void record_print(FILE *to, const struct tessi_stage *s, const struct tess_artefact *a)
{
    static const char *const notes[] = {"plugin", "parameters", "numeric_mode", "tool", "files", "warning"};
    struct stat st;
    record_name(to, 1, "use");
    tessi_base_json_text(to, s->component->name);
    record_text(to, "kind", tess_artefact_kind(a));
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
        record_text(to, notes[i], tessi_store_artefact_provenance(a, notes[i]));
    const char *seed = tessi_store_artefact_provenance(a, "seed");
    if (seed)
        fprintf(to, ",\"seed\":%" PRIu64, (uint64_t)strtoull(seed, NULL, 10));
    if (fstat(tessi_store_artefact_descriptor(a), &st) == 0)
        fprintf(to, ",\"file_bytes\":%lld,\"file_time\":\"%lld.%09ld\"", (long long)st.st_size, (long long)st.st_mtim.tv_sec,
                st.st_mtim.tv_nsec);
    record_inputs(to, a);
    record_attrs(to, tess_artefact_attrs(a));
    putc(',', to);
    tessi_store_artefact_results_json(to, a);
}

/* Ends a text in memory that was opened by open_memstream, and copies it to memory of ours. */
static int record_end(struct tess_context *ctx, FILE *to, char **text, char **out)
{
    int status = fclose(to) == 0 ? TESS_OK : ctx->fail(ctx, TESS_E_MEMORY, "no memory for a line of the log");
    if (status == TESS_OK)
        status = tess_copy_text(ctx, *text, out);
    free(*text);
    return status;
}

int tessi_flow_stage_record(struct tess_context *ctx, struct tessi_stage *s, const struct tess_artefact *a)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    if (!to)
        return ctx->fail(ctx, TESS_E_MEMORY, "no memory for a line of the log");
    tess_free(s->record);
    s->record = NULL;
    record_print(to, s, a);
    return record_end(ctx, to, &text, &s->record);
}

int tessi_flow_overrides_record(struct tess_context *ctx, int64_t n, const char *const *override, char **out)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    *out = NULL;
    if (!to)
        return ctx->fail(ctx, TESS_E_MEMORY, "no memory for a line of the log");
    putc('[', to);
    for (int64_t i = 0; i < n; i++) {
        fputs(i ? "," : "", to);
        tessi_base_json_text(to, override[i]);
    }
    putc(']', to);
    return record_end(ctx, to, &text, out);
}
