/* A run's log, as far as it is asked for: how each stage was attempted, and the last record of its result. Lines of progress are most of a
 * log and are not looked into. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* timegm */
#include "core/report/collect_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct log_reading {
    struct tess_context *ctx;
    struct tessi_report_set *set;
    struct tessi_report_run *run;
    struct tessi_report_log *log;
    char last_run[64]; /* name of the run that began last */
    double begun;      /* time of the first event */
};

/* Seconds since 1970 of "2026-01-02T03:04:05.678Z"; < 0: no such time. */
static double log_time(const char *text)
{
    struct tm t = {0};
    double seconds;
    char zone;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%lf%c", &t.tm_year, &t.tm_mon, &t.tm_mday, &t.tm_hour, &t.tm_min, &seconds, &zone) != 7 ||
        zone != 'Z')
        return -1;
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    return (double)timegm(&t) + seconds;
}

/* 1 for a line of an event that is looked into. */
static int log_wanted(const char *line)
{
    static const char *const events[] = {"run_start\"", "stage_start\"", "resume\"",  "stage_end\"", "stage_cached\"",
                                         "stopped\"",   "error\"",       "run_end\"", "waited\""};
    static const char front[] = "\"event\":\"";
    const char *at = strstr(line, front);
    for (size_t i = 0; at && i < sizeof events / sizeof *events; i++)
        if (strncmp(at + sizeof front - 1, events[i], strlen(events[i])) == 0)
            return 1;
    return 0;
}

static int log_stage(struct log_reading *r, const char *name, struct tessi_report_logged **out)
{
    struct tessi_report_log *log = r->log;
    for (int64_t i = 0; i < log->stages; i++) {
        *out = &log->stage[i];
        if (strcmp(log->stage[i].stage, name) == 0)
            return TESS_OK;
    }
    TESS_TRY(tessi_report_grow(r->ctx, r->set, &log->stage, &log->stage_capacity, log->stages + 1, sizeof *log->stage));
    *out = &log->stage[log->stages];
    **out = (struct tessi_report_logged){
        .seconds = -1, .planned_seconds = -1, .cached_seconds = -1, .planned_bytes = -1, .peak_bytes = -1, .flop = -1};
    TESS_TRY(tessi_report_text(r->ctx, r->set, name, &(*out)->stage));
    log->stages++;
    return TESS_OK;
}

/* The attempt at a stage that this run of the log has open; NULL: none. */
static struct tessi_report_attempt *log_open_attempt(const struct log_reading *r, const char *run, const char *stage)
{
    for (int64_t i = r->run->attempts - 1; i >= 0; i--) {
        struct tessi_report_attempt *a = &r->run->attempt[i];
        if (a->how == TESSI_REPORT_RUNNING && strcmp(a->stage, stage) == 0 && strcmp(a->run, run) == 0)
            return a;
    }
    return NULL;
}

static int log_new_attempt(struct log_reading *r, const char *run, const char *stage, double start, struct tessi_report_attempt **out)
{
    struct tessi_report_run *to = r->run;
    TESS_TRY(tessi_report_grow(r->ctx, r->set, &to->attempt, &r->log->attempt_capacity, to->attempts + 1, sizeof *to->attempt));
    *out = &to->attempt[to->attempts];
    **out = (struct tessi_report_attempt){.how = TESSI_REPORT_RUNNING, .start = start, .end = start, .text = ""};
    TESS_TRY(tessi_report_text(r->ctx, r->set, run, &(*out)->run));
    TESS_TRY(tessi_report_text(r->ctx, r->set, stage, &(*out)->stage));
    to->attempts++;
    return TESS_OK;
}

/* Takes the line of a result: times for the stage, and the record in place of the one before. */
static int log_result(struct log_reading *r, struct tessi_json **line, const char *stage, int computed)
{
    struct tessi_report_logged *l;
    TESS_TRY(log_stage(r, stage, &l));
    *(computed ? &l->seconds : &l->cached_seconds) = tessi_base_json_get_f64(*line, "seconds", -1);
    if (computed) {
        l->planned_seconds = tessi_base_json_get_f64(*line, "planned_seconds", -1);
        l->flop = tessi_base_json_get_f64(*line, "flop", -1);
        l->waited_seconds = l->waits;
    }
    l->waits = 0;
    if (computed || l->seconds < 0) {
        l->planned_bytes = tessi_base_json_get_f64(*line, "planned_bytes", -1);
        l->peak_bytes = tessi_base_json_get_f64(*line, "peak_bytes", -1);
    }
    tess_free(l->record);
    l->record = *line;
    l->computed = computed;
    *line = NULL;
    return TESS_OK;
}

/* Adds a wait that is over by `at`. */
static int log_wait(struct log_reading *r, const struct tessi_json *line, const char *run, const char *stage, double at)
{
    double seconds = tessi_base_json_get_f64(line, "seconds", 0);
    struct tessi_report_attempt *a;
    struct tessi_report_logged *l;
    TESS_TRY(log_stage(r, stage, &l));
    l->waits += seconds;
    TESS_TRY(log_new_attempt(r, run, stage, at - seconds, &a));
    a->how = TESSI_REPORT_WAITED;
    a->end = at;
    return tessi_report_text(r->ctx, r->set, tessi_base_json_get_text(line, "text", ""), &a->text);
}

/* Beginning of an attempt that the log has the end of alone: after the stage's wait, where it waited. */
static double log_start(const struct log_reading *r, const char *run, const char *stage, double start)
{
    for (int64_t i = 0; i < r->run->attempts; i++) {
        const struct tessi_report_attempt *a = &r->run->attempt[i];
        if (a->how == TESSI_REPORT_WAITED && a->end > start && strcmp(a->stage, stage) == 0 && strcmp(a->run, run) == 0)
            start = a->end;
    }
    return start;
}

static int log_end_attempt(struct log_reading *r, const struct tessi_json *line, const char *run, const char *stage, double at, int how)
{
    struct tessi_report_attempt *a = log_open_attempt(r, run, stage);
    double seconds = tessi_base_json_get_f64(line, "seconds", 0);
    if (!a)
        TESS_TRY(log_new_attempt(r, run, stage, log_start(r, run, stage, at - (seconds > 0 ? seconds : 0)), &a));
    a->how = how;
    a->end = at;
    return how == TESSI_REPORT_FAILED ? tessi_report_text(r->ctx, r->set, tessi_base_json_get_text(line, "text", ""), &a->text) : TESS_OK;
}

static int log_run_start(struct log_reading *r, const struct tessi_json *line, const char *run, double at)
{
    const struct tessi_json *overrides = tessi_base_json_get(line, "overrides");
    struct tessi_report_run *to = r->run;
    void *memory;
    int64_t n = 0;
    (void)snprintf(r->last_run, sizeof r->last_run, "%s", run);
    r->begun = at;
    to->outcome = TESSI_REPORT_NOT_RUN;
    to->failed_stage = to->reason = "";
    to->seconds = -1;
    to->threads = (int64_t)tessi_base_json_get_f64(line, "threads", 0);
    TESS_TRY(tessi_report_text(r->ctx, r->set, tessi_base_json_get_text(line, "time", ""), &to->started));
    TESS_TRY(tessi_report_text(r->ctx, r->set, tessi_base_json_get_text(line, "pipeline", ""), &to->pipeline));
    TESS_TRY(tessi_report_text(r->ctx, r->set, tessi_base_json_get_text(line, "processor", ""), &to->processor));
    for (const struct tessi_json *o = overrides ? overrides->child : NULL; o; o = o->next)
        n++;
    TESS_TRY(tessi_report_alloc(r->ctx, r->set, (size_t)(n + 1) * sizeof *to->override, &memory));
    to->override = memory;
    to->overrides = 0;
    for (const struct tessi_json *o = overrides ? overrides->child : NULL; o; o = o->next)
        TESS_TRY(tessi_report_text(r->ctx, r->set, o->text, &to->override[to->overrides++]));
    return TESS_OK;
}

/* Takes the end of a stage or of the run that was none of success, where it is of the last run. */
static int log_outcome(struct log_reading *r, const struct tessi_json *line, const char *stage, int outcome)
{
    struct tessi_report_run *to = r->run;
    to->outcome = outcome;
    TESS_TRY(tessi_report_text(r->ctx, r->set, stage, &to->failed_stage));
    return tessi_report_text(r->ctx, r->set, tessi_base_json_get_text(line, "text", ""), &to->reason);
}

static int log_event(struct log_reading *r, struct tessi_json **line)
{
    const char *event = tessi_base_json_get_text(*line, "event", ""), *run = tessi_base_json_get_text(*line, "run", "");
    const char *stage = tessi_base_json_get_text(*line, "stage", "");
    double at = log_time(tessi_base_json_get_text(*line, "time", ""));
    struct tessi_report_attempt *a;
    int last = strcmp(run, r->last_run) == 0;
    if (strcmp(event, "run_start") == 0)
        return log_run_start(r, *line, run, at);
    if (strcmp(event, "stage_start") == 0)
        return log_new_attempt(r, run, stage, at, &a);
    if (strcmp(event, "resume") == 0) {
        a = log_open_attempt(r, run, stage);
        if (a)
            a->resumed = 1;
        return TESS_OK;
    }
    if (strcmp(event, "waited") == 0)
        return log_wait(r, *line, run, stage, at);
    if (strcmp(event, "run_end") == 0) {
        if (last && tessi_base_json_get_f64(*line, "status", -1) >= 0)
            r->run->outcome = TESSI_REPORT_FINISHED;
        r->run->seconds = last ? tessi_base_json_get_f64(*line, "seconds", -1) : r->run->seconds;
        return TESS_OK;
    }
    int computed = strcmp(event, "stage_end") == 0, cached = strcmp(event, "stage_cached") == 0, stopped = strcmp(event, "stopped") == 0;
    if (*stage)
        TESS_TRY(log_end_attempt(r, *line, run, stage, at,
                                 computed  ? TESSI_REPORT_DONE
                                 : cached  ? TESSI_REPORT_TAKEN
                                 : stopped ? TESSI_REPORT_STOPPED
                                           : TESSI_REPORT_FAILED));
    if (computed || cached)
        return log_result(r, line, stage, computed);
    return last ? log_outcome(r, *line, stage, stopped ? TESSI_REPORT_HALTED : TESSI_REPORT_BROKEN) : TESS_OK;
}

/* Gives attempts without an end the time of the log's last line. */
static void log_close(struct log_reading *r, const char *last_line)
{
    static const char front[] = "{\"time\":\"";
    double at = strncmp(last_line, front, sizeof front - 1) == 0 ? log_time(last_line + sizeof front - 1) : -1;
    for (int64_t i = 0; i < r->run->attempts; i++) {
        struct tessi_report_attempt *a = &r->run->attempt[i];
        if (a->how == TESSI_REPORT_RUNNING && at > a->end && strcmp(a->run, r->last_run) == 0)
            a->end = at;
    }
}

static int log_lines(struct log_reading *r, FILE *from, const char *path)
{
    struct tessi_context own;
    char *line = NULL, last[64] = "";
    size_t capacity = 0;
    ssize_t bytes;
    int status = TESS_OK;
    while (status == TESS_OK && (bytes = getline(&line, &capacity, from)) > 0) {
        struct tessi_json *json = NULL;
        if (line[bytes - 1] != '\n')
            break; /* is being written, or was never finished */
        (void)snprintf(last, sizeof last, "%.60s", line);
        if (!log_wanted(line))
            continue;
        tessi_base_context_init(&own, r->ctx->host);
        if (tessi_base_json_read(&own.context, line, (size_t)bytes, path, &json) == TESS_OK)
            status = log_event(r, &json);
        else
            status = tessi_report_note(r->ctx, r->set, "%s; this line of the log is passed over", tessi_base_context_message(&own.context));
        tess_free(json);
    }
    free(line);
    log_close(r, last);
    return status;
}

int tessi_report_log_read(struct tess_context *ctx, struct tessi_report_set *set, struct tessi_report_run *run,
                          struct tessi_report_log *log)
{
    struct log_reading r = {.ctx = ctx, .set = set, .run = run, .log = log};
    const char *path;
    TESS_TRY(tessi_report_format(ctx, set, &path, "%s/log.jsonl", run->folder));
    FILE *from = fopen(path, "re");
    if (!from)
        return TESS_OK;
    int status = log_lines(&r, from, path);
    (void)fclose(from);
    return status;
}

void tessi_report_log_free(struct tessi_report_log *log)
{
    for (int64_t i = 0; i < log->stages; i++)
        tess_free(log->stage[i].record);
    log->stages = 0;
}

const struct tessi_report_logged *tessi_report_log_stage(const struct tessi_report_log *log, const char *stage)
{
    for (int64_t i = 0; i < log->stages; i++)
        if (strcmp(log->stage[i].stage, stage) == 0)
            return &log->stage[i];
    return NULL;
}
