/* `tessera log`: the log of a run as lines for people, and new ones as they come. SPDX-License-Identifier: MIT */
#include "cli/table.h"
#include "cli/flags.h"
#include "core/base/context.h"
#include "core/base/files.h"
#include "core/base/json_read.h"
#include "core/base/lock.h"
#include "core/base/log.h"
#include "core/base/progress_line.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define POLL_NANOSECONDS 200000000
#define IDLE_POLLS 5 /* polls without anybody at work before following ends */

struct log_options {
    const char *path;
    int follow, json;
};

/* A log as it is read. */
struct log_reader {
    const struct log_options *o;
    FILE *file;
    char run[40];      /* name of the run whose line was printed last */
    char last_run[40]; /* name of the run that began last */
    int64_t taken;     /* number of lines that were events */
    int ended;         /* 1: the run that began last has ended */
};

/* ---- one line ------------------------------------------------------------------------------------------------------ */

/* A member's value in a line: texts without quotes, lists and maps as the number of their members. */
static void log_put_value(const struct tessi_json *v)
{
    int64_t n = 0;
    for (const struct tessi_json *at = v->child; at; at = at->next)
        n++;
    if (v->type == TESSI_JSON_TEXT || v->type == TESSI_JSON_NUMBER)
        fputs(cli_shown(v->text), stdout);
    else if (v->type == TESSI_JSON_BOOL)
        fputs(v->number > 0 ? "true" : "false", stdout);
    else if (v->type == TESSI_JSON_NULL)
        fputs("null", stdout);
    else
        printf("%" PRId64 " of them", n);
}

static void log_put_number(const struct tessi_json *line, const char *name, const char *front)
{
    const struct tessi_json *v = tessi_base_json_get(line, name);
    if (v && v->type == TESSI_JSON_NUMBER)
        printf("%s%.6g", front, v->number);
    else if (v)
        printf("%snone", front);
}

static void log_put_text(const struct tessi_json *line, const char *name, const char *front)
{
    const char *text = tessi_base_json_get_text(line, name, "");
    if (*text)
        printf("%s%s", front, cli_shown(text));
}

static void log_put_duration(const struct tessi_json *line)
{
    char text[40];
    double seconds = tessi_base_json_get_f64(line, "seconds", -1);
    if (seconds < 0)
        return;
    if (seconds < 59.95)
        (void)snprintf(text, sizeof text, "%.1f s", seconds);
    else
        tessi_base_duration_text(seconds, text, sizeof text);
    printf(" in %s", text);
}

static void log_put_metrics(const struct tessi_json *line)
{
    const struct tessi_json *metrics = tessi_base_json_get(line, "metrics");
    int n = 0;
    for (const struct tessi_json *m = metrics ? metrics->child : NULL; m; m = m->next) {
        printf("%s%s ", n++ ? ", " : ": ", cli_shown(tessi_base_json_get_text(m, "name", "?")));
        log_put_number(m, "value", "");
        log_put_text(m, "unit", " ");
    }
    log_put_text(line, "warning", "; warning: ");
}

static void log_run_start(const struct tessi_json *line)
{
    const struct tessi_json *overrides = tessi_base_json_get(line, "overrides");
    log_put_text(line, "name", " ");
    log_put_text(line, "pipeline", " of ");
    for (const struct tessi_json *o = overrides ? overrides->child : NULL; o; o = o->next)
        printf(" %s", cli_shown(o->text));
    log_put_number(line, "seed", ", seed ");
    log_put_text(line, "tool", ", ");
    log_put_number(line, "threads", ", threads ");
}

static void log_stage_start(const struct tessi_json *line)
{
    log_put_text(line, "use", " (");
    printf(")");
}

static void log_result(const struct tessi_json *line)
{
    log_put_duration(line);
    log_put_metrics(line);
}

static void log_progress(const struct tessi_json *line)
{
    log_put_number(line, "done", " ");
    log_put_number(line, "total", "/");
    log_put_text(line, "unit", " ");
    log_put_text(line, "metric", ", ");
    if (tessi_base_json_get(line, "metric"))
        log_put_number(line, "value", " ");
}

static void log_loss(const struct tessi_json *line)
{
    log_put_number(line, "step", " at step ");
    log_put_text(line, "objective", ": ");
    log_put_text(line, "name", ": ");
    log_put_number(line, "mean", " ");
    log_put_number(line, "first", ", at the first ");
    log_put_number(line, "lr", ", lr ");
}

static void log_message(const struct tessi_json *line)
{
    log_put_text(line, "text", ": ");
}

static void log_checkpoint(const struct tessi_json *line)
{
    log_put_text(line, "checkpoint", " ");
}

static void log_end(const struct tessi_json *line)
{
    double status = tessi_base_json_get_f64(line, "status", 0);
    if (status < 0)
        printf(", exit code %d", tessi_base_exit_code((int)status));
    log_put_duration(line);
}

/* Events with words of their own; others are shown by their members. */
static const struct {
    const char *event, *words;
    void (*print)(const struct tessi_json *line);
} events[] = {{"run_start", "begins", log_run_start},
              {"stage_start", "begins", log_stage_start},
              {"stage_end", "computed", log_result},
              {"stage_cached", "cached", log_result},
              {"progress", "", log_progress},
              {"loss", "loss", log_loss},
              {"metric", "metric", log_loss},
              {"diverged", "diverged", log_loss},
              {"note", "note", log_message},
              {"warning", "warning", log_message},
              {"error", "failed", log_message},
              {"resume", "resumes at", log_checkpoint},
              {"checkpoint", "checkpoint", log_checkpoint},
              {"stopped", "stopped", log_end},
              {"run_end", "ends", log_end}};

static void log_members(const struct tessi_json *line)
{
    static const char *const known[] = {"time", "run", "event", "stage"};
    for (const struct tessi_json *at = line->child; at; at = at->next) {
        int shown = 0;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            shown |= strcmp(at->key, known[i]) == 0;
        if (shown)
            continue;
        printf(" %s=", cli_shown(at->key));
        log_put_value(at);
    }
}

/* "03:04:05  tokenizer  computed in 2.1 s: parameters 188871": the time of day (UTC), the stage, what happened. The day stands in a line
 * over each run. */
static void log_line(struct log_reader *r, const struct tessi_json *line)
{
    const char *event = tessi_base_json_get_text(line, "event", ""), *run = tessi_base_json_get_text(line, "run", "");
    const char *time = tessi_base_json_get_text(line, "time", ""), *stage = tessi_base_json_get_text(line, "stage", "");
    if (strcmp(r->run, run) != 0)
        printf("%srun %s, %.10s\n", *r->run ? "\n" : "", cli_shown(run), cli_shown(time));
    (void)snprintf(r->run, sizeof r->run, "%s", run);
    printf("%.8s  %-12s ", strlen(time) > 11 ? cli_shown(time + 11) : "", *stage ? cli_shown(stage) : "-");
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        if (strcmp(events[i].event, event) == 0) {
            printf("%s%s", *events[i].words ? " " : "", events[i].words);
            events[i].print(line);
            putchar('\n');
            return;
        }
    printf(" %s", cli_shown(event));
    log_members(line);
    putchar('\n');
}

/* Takes a whole line. One that is no event was left unfinished by a kill, and is passed over. */
static void log_take(struct log_reader *r, const char *text, size_t bytes)
{
    struct tessi_context own;
    struct tessi_json *line = NULL;
    tessi_base_context_init(&own, NULL);
    int read = tessi_base_json_read(&own.context, text, bytes, "log", &line) == TESS_OK && line->type == TESSI_JSON_MAP;
    const char *event = read ? tessi_base_json_get_text(line, "event", "") : "";
    if (!*event) {
        tess_free(line);
        return;
    }
    r->taken++;
    const char *run = tessi_base_json_get_text(line, "run", "");
    if (strcmp(event, "run_start") == 0) {
        (void)snprintf(r->last_run, sizeof r->last_run, "%s", run);
        r->ended = 0;
    }
    r->ended |= strcmp(event, "run_end") == 0 && strcmp(run, r->last_run) == 0;
    if (r->o->json)
        (void)fwrite(text, 1, bytes, stdout);
    else
        log_line(r, line);
    tess_free(line);
}

/* ---- the file ------------------------------------------------------------------------------------------------------ */

/* Takes all whole lines that there are from here on; the file stands behind the last of them. */
static void log_take_lines(struct log_reader *r)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t bytes;
    off_t whole = ftello(r->file);
    clearerr(r->file);
    while ((bytes = getline(&line, &capacity, r->file)) > 0 && line[bytes - 1] == '\n') {
        whole += bytes;
        log_take(r, line, (size_t)bytes);
    }
    (void)fseeko(r->file, whole, SEEK_SET);
    (void)fflush(stdout);
    free(line);
}

/* 1 while a process is at work in the folder, by its lock; where that cannot be told, too. */
static int log_is_busy(struct tess_context *ctx, const char *folder, int *busy)
{
    char *path = NULL, holder[256];
    TESS_TRY(tessi_base_format(ctx, &path, "%s/.lock", folder));
    *busy = tessi_base_lock_look(path, holder, sizeof holder) != 0;
    tess_free(path);
    return TESS_OK;
}

/* Waits for more until the last run has ended, or nobody has been at work for some time: a run that begins has a line in its log before
 * it has the folder's lock. */
static int log_follow(struct tess_context *ctx, struct log_reader *r, const char *folder)
{
    int idle = 0, busy = 1;
    while (!r->ended && idle < IDLE_POLLS && !ferror(stdout)) {
        (void)nanosleep(&(struct timespec){0, POLL_NANOSECONDS}, NULL);
        TESS_TRY(log_is_busy(ctx, folder, &busy));
        idle = busy ? 0 : idle + 1;
        log_take_lines(r);
    }
    if (!r->ended && !busy)
        fprintf(stderr, "tessera log: nobody is at work in %s, and its last run has no end: it was killed\n", cli_shown(folder));
    return TESS_OK;
}

/* Fails where the folder has no log: a sweep's has those of its variants. */
static int log_missing(struct tess_context *ctx, const char *folder, const char *path, int error)
{
    char *sweep = NULL;
    TESS_TRY(tessi_base_format(ctx, &sweep, "%s/sweep.yaml", folder));
    int is_sweep = error == ENOENT && tessi_base_is_file(sweep);
    tess_free(sweep);
    if (is_sweep)
        return ctx->fail(ctx, TESS_E_USAGE, "%s: is a sweep; name one of its variants, %s/VARIANT; `tessera table %s` lists them", folder,
                         folder, folder);
    return ctx->fail(ctx, TESS_E_IO, "%s: wanted the log of a run, which is in its folder runs/NAME; it cannot be read: %s", path,
                     strerror(error));
}

/* Fails where the file has something in it and nothing of that was an event; a log that is waited for may be yet to begin. */
static int log_check(struct tess_context *ctx, const struct log_reader *r, const char *path)
{
    if (r->taken || fseeko(r->file, 0, SEEK_SET) != 0)
        return TESS_OK;
    int first = getc(r->file), empty = first == EOF;
    rewind(r->file);
    if (r->o->follow && (empty || first == '{'))
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_DATA,
                     "%s: wanted the log of a run, lines of JSON with an `event` each, found %s; a run's is runs/NAME/log.jsonl", path,
                     empty ? "an empty file" : "other text");
}

/* Opens the log and takes the lines that there are. */
static int log_open(struct tess_context *ctx, struct log_reader *r, const char *folder)
{
    char *path = NULL;
    TESS_TRY(tessi_base_format(ctx, &path, "%s%s", folder, tessi_base_is_file(folder) ? "" : "/log.jsonl"));
    r->file = fopen(path, "re");
    int status = r->file ? TESS_OK : log_missing(ctx, folder, path, errno);
    if (status == TESS_OK) {
        log_take_lines(r);
        status = log_check(ctx, r, path);
    }
    tess_free(path);
    return status;
}

static int log_show(struct tess_context *ctx, const struct cli_globals *g, const struct log_options *o)
{
    struct log_reader r = {.o = o};
    char *folder = NULL;
    TESS_TRY(cli_run_paths(ctx, g, &o->path, 1, &folder));
    int status = log_open(ctx, &r, folder);
    char *slash = strrchr(folder, '/');
    if (slash && tessi_base_is_file(folder)) /* the log itself was named */
        *slash = '\0';
    if (status == TESS_OK && o->follow)
        status = log_follow(ctx, &r, slash || !tessi_base_is_file(folder) ? folder : ".");
    if (r.file)
        (void)fclose(r.file);
    tess_free(folder);
    return status;
}

/* ---- the verb ------------------------------------------------------------------------------------------------------ */

static int log_take_word(void *options, const char *verb, const char *word)
{
    struct log_options *o = options;
    if (o->path)
        return cli_usage_error(verb, "wanted one run, found `%s` and `%s`", o->path, word);
    o->path = word;
    return 0;
}

static int log_run(struct cli_globals *g, int argc, char **argv)
{
    struct log_options o = {NULL, 0, 0};
    struct tessi_context context;
    int code = cli_flags_read(g, &cli_log, argc, argv, &o, log_take_word);
    if (code)
        return code;
    if (!o.path)
        return cli_usage_error(argv[0], "wanted the folder of a run, runs/NAME");
    tessi_base_context_init(&context, NULL);
    int status = log_show(&context.context, g, &o);
    return status == TESS_OK ? 0 : cli_failed(&context.context, status);
}

static const struct cli_flag flags[] = {{.name = "--follow",
                                         .help = "wait for more lines, until the run ends or nobody is at work in its folder",
                                         .type = CLI_SWITCH,
                                         .offset = offsetof(struct log_options, follow)},
                                        {.name = "--json",
                                         .help = "the lines as they are: JSON objects (docs/formats.md)",
                                         .type = CLI_SWITCH,
                                         .offset = offsetof(struct log_options, json)},
                                        {.name = NULL}};

const struct cli_verb cli_log = {
    .name = "log",
    .summary = "what a run did, and what it is doing",
    .arguments = "RUN",
    .description =
        "Prints the log of a run, runs/NAME or NAME, in lines of time (UTC), stage and event: results with their metrics, losses,\n"
        "checkpoints, warnings, failures. Several runs in one folder come one after the other.\n",
    .flags = flags,
    .run = log_run,
};
