/* Stage of a run: its result as the log's record tells it, or as the artefact itself does. SPDX-License-Identifier: MIT */
#include "core/base/attributes_private.h"
#include "core/flow/pictures.h"
#include "core/report/collect_private.h"
#include "core/store/store.h"

#include <tessera/kind/metric.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct stage_reading {
    struct tess_context *ctx;
    struct tessi_report_set *set;
    struct tessi_report_run *run;
    struct tessi_report_stage *s;
    int64_t *metrics; /* capacity of the run's metrics */
};

static int stage_picture(struct stage_reading *r, const char *name, int64_t capacity)
{
    struct tessi_report_stage *s = r->s;
    char *path = NULL;
    if (s->pictures == capacity)
        return TESS_OK;
    TESS_TRY(tessi_report_text(r->ctx, r->set, name, &s->picture[s->pictures]));
    TESS_TRY(tessi_flow_picture_path(r->ctx, r->run->folder, s->name, name, &path));
    int status = tessi_report_text(r->ctx, r->set, path, &s->picture_path[s->pictures]);
    tess_free(path);
    s->pictures += status == TESS_OK;
    return status;
}

static int stage_lists(struct stage_reading *r, int64_t inputs, int64_t pictures, int64_t attributes)
{
    struct tessi_report_stage *s = r->s;
    void *memory;
    TESS_TRY(tessi_report_alloc(r->ctx, r->set, (size_t)(inputs + 1) * sizeof *s->input, &memory));
    s->input = memory;
    TESS_TRY(tessi_report_alloc(r->ctx, r->set, (size_t)(pictures + 1) * sizeof *s->picture, &memory));
    s->picture = memory;
    TESS_TRY(tessi_report_alloc(r->ctx, r->set, (size_t)(pictures + 1) * sizeof *s->picture_path, &memory));
    s->picture_path = memory;
    TESS_TRY(tessi_report_alloc(r->ctx, r->set, (size_t)(attributes + 1) * sizeof *s->attribute, &memory));
    s->attribute = memory;
    s->inputs = s->pictures = s->attributes = 0;
    return TESS_OK;
}

static int stage_input(struct stage_reading *r, const char *port, const char *digest)
{
    struct tessi_report_stage *s = r->s;
    struct tessi_report_input *in = &s->input[s->inputs++];
    char name[300];
    TESS_TRY(tessi_report_text(r->ctx, r->set, port, &in->port));
    TESS_TRY(tessi_report_text(r->ctx, r->set, digest, &in->digest));
    (void)snprintf(name, sizeof name, "%s.in.%s", s->name, port);
    in->from = tessi_report_setting_text(r->run, name);
    return TESS_OK;
}

static int stage_attribute(struct stage_reading *r, const char *name, const char *text)
{
    struct tessi_report_setting *a = &r->s->attribute[r->s->attributes++];
    TESS_TRY(tessi_report_text(r->ctx, r->set, name, &a->name));
    return tessi_report_text(r->ctx, r->set, text, &a->text);
}

static int stage_metric(struct stage_reading *r, const struct tessi_report_metric *m)
{
    struct tessi_report_run *run = r->run;
    TESS_TRY(tessi_report_grow(r->ctx, r->set, &run->metric, r->metrics, run->metrics + 1, sizeof *run->metric));
    struct tessi_report_metric *to = &run->metric[run->metrics];
    *to = *m;
    to->stage = r->s->name;
    to->protocol = to->against = "";
    TESS_TRY(tessi_report_text(r->ctx, r->set, m->name, &to->name));
    TESS_TRY(tessi_report_text(r->ctx, r->set, m->unit, &to->unit));
    run->metrics++;
    return TESS_OK;
}

/* The texts of a stage that both sources have, by their name in provenance. */
static const struct {
    const char *name;
    size_t offset;
} stage_texts[] = {
    {"key", offsetof(struct tessi_report_stage, key)},        {"parameters", offsetof(struct tessi_report_stage, parameters)},
    {"plugin", offsetof(struct tessi_report_stage, plugin)},  {"numeric_mode", offsetof(struct tessi_report_stage, numeric_mode)},
    {"tool", offsetof(struct tessi_report_stage, tool)},      {"files", offsetof(struct tessi_report_stage, files)},
    {"warning", offsetof(struct tessi_report_stage, warning)}};

static int stage_text(struct stage_reading *r, size_t i, const char *text)
{
    const char *copy;
    TESS_TRY(tessi_report_text(r->ctx, r->set, text ? text : "", &copy));
    memcpy((char *)r->s + stage_texts[i].offset, &copy, sizeof copy);
    return TESS_OK;
}

/* ---- from the log -------------------------------------------------------------------------------------------------- */

static int64_t record_count(const struct tessi_json *list)
{
    int64_t n = 0;
    for (const struct tessi_json *at = list ? list->child : NULL; at; at = at->next)
        n++;
    return n;
}

static double record_f64(const struct tessi_json *map, const char *name, double otherwise)
{
    return tessi_base_json_get_f64(map, name, otherwise);
}

/* 1 where the record is of the file: of the same size and time, and whole. A metric that JSON has no number for is in the artefact alone.
 */
static int record_is_of(const struct tessi_json *record, const struct stat *st)
{
    char time[64];
    const struct tessi_json *metrics = tessi_base_json_get(record, "metrics");
    (void)snprintf(time, sizeof time, "%lld.%09ld", (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
    if (!metrics || (int64_t)record_f64(record, "file_bytes", -1) != (int64_t)st->st_size ||
        strcmp(tessi_base_json_get_text(record, "file_time", ""), time) != 0)
        return 0;
    for (const struct tessi_json *m = metrics->child; m; m = m->next) {
        const struct tessi_json *value = tessi_base_json_get(m, "value");
        if (!value || value->type != TESSI_JSON_NUMBER)
            return 0;
    }
    return 1;
}

static int record_lists(struct stage_reading *r, const struct tessi_json *record)
{
    const struct tessi_json *inputs = tessi_base_json_get(record, "inputs"), *pictures = tessi_base_json_get(record, "pictures");
    const struct tessi_json *attributes = tessi_base_json_get(record, "attributes");
    int64_t n = record_count(pictures);
    char number[8];
    TESS_TRY(stage_lists(r, record_count(inputs), n, record_count(attributes)));
    for (const struct tessi_json *at = inputs ? inputs->child : NULL; at; at = at->next)
        TESS_TRY(stage_input(r, at->key ? at->key : "", at->text));
    for (const struct tessi_json *at = pictures ? pictures->child : NULL; at; at = at->next)
        TESS_TRY(stage_picture(r, at->text, n));
    for (const struct tessi_json *at = attributes ? attributes->child : NULL; at; at = at->next) {
        (void)snprintf(number, sizeof number, "%s", at->type == TESSI_JSON_NULL ? "null" : "");
        TESS_TRY(stage_attribute(r, at->key ? at->key : "", *number ? number : at->text));
    }
    return TESS_OK;
}

static int record_metric(struct stage_reading *r, const struct tessi_json *m)
{
    const char *better = tessi_base_json_get_text(m, "better", "");
    const struct tessi_json *interval = tessi_base_json_get(m, "interval");
    struct tessi_report_metric metric = {.name = tessi_base_json_get_text(m, "name", ""),
                                         .unit = tessi_base_json_get_text(m, "unit", ""),
                                         .better = strcmp(better, "lower") == 0    ? TESS_METRIC_LOWER
                                                   : strcmp(better, "higher") == 0 ? TESS_METRIC_HIGHER
                                                                                   : 0,
                                         .value = record_f64(m, "value", 0),
                                         .standard_error = record_f64(m, "standard_error", -1),
                                         .low = 1,
                                         .high = 0};
    if (record_count(interval) == 2) {
        metric.low = interval->child->number;
        metric.high = interval->child->next->number;
    }
    return stage_metric(r, &metric);
}

static int stage_from_record(struct stage_reading *r, const struct tessi_json *record)
{
    struct tessi_report_stage *s = r->s;
    const struct tessi_json *seed = tessi_base_json_get(record, "seed"), *metrics = tessi_base_json_get(record, "metrics");
    for (size_t i = 0; i < sizeof stage_texts / sizeof *stage_texts; i++)
        TESS_TRY(stage_text(r, i, tessi_base_json_get_text(record, stage_texts[i].name, "")));
    TESS_TRY(tessi_report_text(r->ctx, r->set, tessi_base_json_get_text(record, "digest", ""), &s->digest));
    TESS_TRY(tessi_report_text(r->ctx, r->set, tessi_base_json_get_text(record, "kind", ""), &s->kind));
    TESS_TRY(tessi_report_text(r->ctx, r->set, seed && seed->type == TESSI_JSON_NUMBER ? seed->text : "", &s->seed));
    TESS_TRY(record_lists(r, record));
    for (const struct tessi_json *m = metrics->child; m; m = m->next)
        TESS_TRY(record_metric(r, m));
    return TESS_OK;
}

/* ---- from the artefact --------------------------------------------------------------------------------------------- */

static int artefact_attributes(struct stage_reading *r, const struct tess_attrs *attrs)
{
    char number[40];
    for (int64_t i = 0; i < attrs->count; i++) {
        const struct tessi_attr *a = &attrs->item[i];
        if (a->type == TESSI_ATTR_I64)
            (void)snprintf(number, sizeof number, "%" PRId64, a->i64);
        else if (a->type == TESSI_ATTR_F64)
            for (int precision = 6; precision <= 17; precision++) { /* as tessi_base_json_f64 has it */
                (void)snprintf(number, sizeof number, "%.*g", precision, a->f64);
                double back = strtod(number, NULL);
                if (!(back < a->f64) && !(back > a->f64))
                    break;
            }
        TESS_TRY(stage_attribute(r, a->name, a->type == TESSI_ATTR_TEXT ? a->text : number));
    }
    return TESS_OK;
}

static int artefact_lists(struct stage_reading *r, const struct tess_artefact *a)
{
    static const char front[] = "input.";
    const struct tess_attrs *attrs = tess_artefact_attrs(a);
    const char *name, *value;
    int64_t inputs = 0, pictures = 0;
    for (int64_t i = 0; (name = tessi_store_artefact_provenance_at(a, i, &value)); i++)
        inputs += strncmp(name, front, sizeof front - 1) == 0;
    while (tessi_store_artefact_picture_at(a, pictures))
        pictures++;
    TESS_TRY(stage_lists(r, inputs, pictures, attrs->count));
    for (int64_t i = 0; (name = tessi_store_artefact_provenance_at(a, i, &value)); i++)
        if (strncmp(name, front, sizeof front - 1) == 0)
            TESS_TRY(stage_input(r, name + sizeof front - 1, value));
    for (int64_t i = 0; i < pictures; i++)
        TESS_TRY(stage_picture(r, tessi_store_artefact_picture_at(a, i), pictures));
    return artefact_attributes(r, attrs);
}

static int stage_from_artefact(struct stage_reading *r, const struct tess_artefact *a)
{
    struct tessi_report_stage *s = r->s;
    const char *seed = tessi_store_artefact_provenance(a, "seed");
    struct tess_metric_value v;
    for (size_t i = 0; i < sizeof stage_texts / sizeof *stage_texts; i++)
        TESS_TRY(stage_text(r, i, tessi_store_artefact_provenance(a, stage_texts[i].name)));
    TESS_TRY(tessi_report_text(r->ctx, r->set, tess_artefact_digest(a), &s->digest));
    TESS_TRY(tessi_report_text(r->ctx, r->set, tess_artefact_kind(a), &s->kind));
    TESS_TRY(tessi_report_text(r->ctx, r->set, seed ? seed : "", &s->seed));
    TESS_TRY(artefact_lists(r, a));
    for (int64_t i = 0; tessi_store_artefact_metric(a, i, &v); i++)
        TESS_TRY(stage_metric(r, &(struct tessi_report_metric){.name = v.name,
                                                               .unit = v.unit,
                                                               .better = v.better,
                                                               .value = v.value,
                                                               .standard_error = v.standard_error,
                                                               .low = v.low,
                                                               .high = v.high}));
    return TESS_OK;
}

/* ---- either -------------------------------------------------------------------------------------------------------- */

static int stage_open(struct stage_reading *r)
{
    struct tessi_context own;
    struct tess_artefact *a = NULL;
    tessi_base_context_init(&own, r->ctx->host);
    if (tessi_store_artefact_open(&own.context, r->s->path, &a) != TESS_OK)
        return tessi_report_note(r->ctx, r->set, "%s; its metrics are left out", tessi_base_context_message(&own.context));
    int status = stage_from_artefact(r, a);
    tessi_store_artefact_close(a);
    return status;
}

int tessi_report_collect_stage(struct tess_context *ctx, struct tessi_report_set *set, struct tessi_report_run *run,
                               struct tessi_report_stage *s, const struct tessi_report_logged *logged, int64_t *metrics)
{
    struct stage_reading r = {ctx, set, run, s, metrics};
    struct stat st;
    const char *path;
    s->seconds = logged ? logged->seconds : -1;
    s->flop = logged ? logged->flop : -1;
    s->waited_seconds = logged ? logged->waited_seconds : 0;
    s->planned_seconds = logged ? logged->planned_seconds : -1;
    s->cached_seconds = logged ? logged->cached_seconds : -1;
    s->planned_bytes = logged ? logged->planned_bytes : -1;
    s->peak_bytes = logged ? logged->peak_bytes : -1;
    TESS_TRY(tessi_report_format(ctx, set, &path, "%s/%s.h5", run->folder, s->name));
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return TESS_OK;
    s->path = path;
    s->state = TESSI_REPORT_UNLOGGED;
    if (!logged || !logged->record || !record_is_of(logged->record, &st))
        return stage_open(&r);
    s->state = logged->computed ? TESSI_REPORT_COMPUTED : TESSI_REPORT_CACHED;
    return stage_from_record(&r, logged->record);
}
