/* The log has two readers. A program reads the file: one JSON object a line, written at once behind what is there, so that a kill leaves at
 * most one line unfinished and lines of two runs do not mix; each has its run's name. A person reads the terminal: notes that stay, and
 * below them one line that is written again and again while work goes on. SPDX-License-Identifier: MIT */
#include <tessera/digest.h>

#include "core/base/clock.h"
#include "core/base/inject.h"
#include "core/base/log.h"
#include "core/base/json.h"
#include "core/base/progress_line.h"
#include "core/base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES_MAX (1 << 16) /* bytes of the file's lines that go out at once */
#define MARKS 32            /* samples of progress in the window over which the rate is taken */
#define MARK_EVERY 0.25 /* seconds between two marks */

struct mark {
    double at;
    int64_t done;
};

struct progress {
    char label[128];
    int active;
    int64_t done, total;
    char unit[24], metric[24];
    double value;
    int predicted; /* 1: `left` has the seconds left, and the rate is not told */
    double left;
    double started, shown; /* times of the clock, in seconds; shown < 0: not shown yet */
    struct mark first;     /* progress and time at the start: a resumed stage does not begin at 0 */
    struct mark mark[MARKS];
    int64_t marks; /* number of marks set so far; the last MARKS are kept */
    char parts[120]; /* parts of the work that go on */
};

struct tessi_log {
    pthread_mutex_t mutex;
    FILE *terminal, *file;
    char run[16]; /* name of the run in the file */
    int level, colour, tty;
    int drawn; /* 1: a progress line stands on the terminal */
    struct progress progress;
};

/* 1 for a terminal without escape sequences, which gets lines, as a file does. */
static int is_dumb(void)
{
    const char *name = getenv("TERM");
    return !name || !*name || strcmp(name, "dumb") == 0;
}

int tessi_base_log_new(struct tess_context *ctx, FILE *terminal, int level, int colour, struct tessi_log **out)
{
    void *memory = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof **out, "the log", &memory));
    struct tessi_log *l = memory;
    pthread_mutex_init(&l->mutex, NULL);
    const char *refused = getenv("NO_COLOR");
    l->terminal = terminal;
    l->level = level;
    l->tty = terminal && isatty(fileno(terminal)) && !is_dumb();
    l->colour = colour && l->tty && !(refused && *refused);
    *out = l;
    return TESS_OK;
}

void tessi_base_log_hide(struct tessi_log *l)
{
    l->terminal = NULL;
}

void tessi_base_log_free(struct tessi_log *l)
{
    if (!l)
        return;
    tessi_base_progress_end(l);
    if (l->file)
        (void)fclose(l->file);
    pthread_mutex_destroy(&l->mutex);
    tess_free(l);
}

/* Makes a name that no other run has, from the machine, the process and the time. */
static void name_run(char *name, size_t capacity)
{
    struct timespec t;
    struct tess_digest d;
    char text[TESS_DIGEST_TEXT], host[256] = "", all[400];
    clock_gettime(CLOCK_REALTIME, &t);
    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(all, sizeof all, "%s %ld %lld.%09ld", host, (long)getpid(), (long long)t.tv_sec, t.tv_nsec);
    tess_digest_start(&d);
    tess_digest_add_text(&d, all);
    tess_digest_end(&d, text);
    (void)snprintf(name, capacity, "%.12s", text);
}

/* Ends a line that a kill left unfinished, or the next would be a part of it. */
static void end_last_line(FILE *file)
{
    char last = '\n';
    off_t bytes = lseek(fileno(file), 0, SEEK_END);
    if (bytes > 0 && pread(fileno(file), &last, 1, bytes - 1) == 1 && last != '\n')
        putc('\n', file);
}

int tessi_base_log_to(struct tess_context *ctx, struct tessi_log *l, const char *path)
{
    FILE *file = NULL;
    if (path && (tessi_base_inject(TESSI_AT_OPEN) || !(file = fopen(path, "a+e"))))
        return ctx->fail(ctx, TESS_E_CREATE, "%s: the log cannot be opened: %s", path, strerror(errno));
    if (file)
        (void)setvbuf(file, NULL, _IOFBF, LINE_BYTES_MAX);
    pthread_mutex_lock(&l->mutex);
    if (l->file)
        (void)fclose(l->file);
    l->file = file;
    if (file) {
        end_last_line(file);
        name_run(l->run, sizeof l->run);
    }
    pthread_mutex_unlock(&l->mutex);
    return TESS_OK;
}

const char *tessi_base_log_run(const struct tessi_log *l)
{
    return l->run;
}

static void event_start(const struct tessi_log *l, const char *event)
{
    FILE *to = l->file;
    struct timespec t;
    struct tm utc;
    char text[32];
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &utc);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    fprintf(to, "{\"time\":\"%s.%03ldZ\",\"run\":\"%s\",\"event\":", text, t.tv_nsec / 1000000, l->run);
    tessi_base_json_text(to, event);
}

/* Adds the name of the stage at work to an event. */
static void event_stage(const struct tessi_log *l)
{
    if (!l->progress.active)
        return;
    fputs(",\"stage\":", l->file);
    tessi_base_json_text(l->file, l->progress.label);
}

static void event_end(FILE *to)
{
    fputs("}\n", to);
    (void)fflush(to);
}

/* Writes the value of a member as JSON. */
static void log_value(FILE *to, char type, va_list *list)
{
    if (type == 's')
        tessi_base_json_text(to, va_arg(*list, const char *));
    else if (type == 'j')
        fputs(va_arg(*list, const char *), to);
    else if (type == 'i')
        fprintf(to, "%" PRId64, va_arg(*list, int64_t));
    else
        tessi_base_json_f64(to, va_arg(*list, double));
}

/* Writes a member, with the comma before it; "m:" has several. */
static void log_member(FILE *to, const char *name, va_list *list)
{
    const char *members = name[0] == 'm' ? va_arg(*list, const char *) : NULL;
    if (name[0] == 'm') {
        fprintf(to, "%s%s", members && *members ? "," : "", members ? members : "");
        return;
    }
    putc(',', to);
    tessi_base_json_text(to, name + 2);
    putc(':', to);
    log_value(to, name[0], list);
}

void tessi_base_log_event(struct tessi_log *l, const char *event, ...)
{
    va_list list;
    va_start(list, event);
    pthread_mutex_lock(&l->mutex);
    if (l->file) {
        event_start(l, event);
        const char *name;
        int told = 0;
        while ((name = va_arg(list, const char *))) {
            told |= strcmp(name, "s:stage") == 0;
            log_member(l->file, name, &list);
        }
        if (!told)
            event_stage(l);
        event_end(l->file);
    }
    pthread_mutex_unlock(&l->mutex);
    va_end(list);
}

/* Columns for the living line: one less than the terminal has, as a line that fills it wraps on some, and a carriage return then goes back
 * half the way. Where the terminal does not say, COLUMNS does. */
static int64_t columns_of(FILE *terminal)
{
    struct winsize size;
    const char *text = getenv("COLUMNS");
    long n = 0;
    if (ioctl(fileno(terminal), TIOCGWINSZ, &size) == 0)
        n = size.ws_col;
    if (n < 1 && text)
        n = strtol(text, NULL, 10);
    return n > 1 ? n - 1 : 79;
}

static void log_wipe(struct tessi_log *l)
{
    if (l->drawn)
        fputs("\r\033[K", l->terminal);
    l->drawn = 0;
}

/* Text of the progress line at time `at`; once the work has ended, with its mean rate and the time that it took. */
static void progress_text(const struct tessi_log *l, double at, int ended, char *text, size_t capacity)
{
    const struct progress *p = &l->progress;
    const struct mark *from = &p->first;
    if (!ended && p->marks > MARKS)
        from = &p->mark[p->marks % MARKS];
    double span = at - from->at;
    const struct tessi_progress_line line = {
        .label = p->label,
        .unit = p->unit,
        .metric = p->metric,
        .done = p->done,
        .total = p->total,
        .value = p->value,
        .left = p->predicted && p->left > 0 ? p->left : 0,
        .rate = !p->predicted && span > 0 && p->done > from->done ? (double)(p->done - from->done) / span : 0,
        .took = ended ? at - p->started : -1,
        .parts = ended ? "" : p->parts,
    };
    tessi_base_progress_text(&line, l->tty ? columns_of(l->terminal) : (int64_t)capacity - 1, text, capacity);
}

static void log_draw(struct tessi_log *l, double at)
{
    char text[256];
    progress_text(l, at, 0, text, sizeof text);
    fprintf(l->terminal, l->tty ? "\r%s\033[K" : "%s\n", text);
    l->drawn = l->tty;
    (void)fflush(l->terminal);
    l->progress.shown = at;
}

static void log_say(struct tessi_log *l, int least_level, const char *event, const char *colour, const char *head, const char *text)
{
    char shown[4096];
    (void)tess_shown_text(text, shown, sizeof shown);
    pthread_mutex_lock(&l->mutex);
    if (l->file) {
        event_start(l, event);
        fputs(",\"text\":", l->file);
        tessi_base_json_text(l->file, text);
        event_stage(l);
        event_end(l->file);
    }
    if (l->terminal && l->level >= least_level) {
        int again = l->drawn;
        log_wipe(l);
        fprintf(l->terminal, "%s%s%s%s\n", l->colour ? colour : "", head, l->colour && *colour ? "\033[0m" : "", shown);
        if (again)
            log_draw(l, tessi_base_seconds());
        (void)fflush(l->terminal);
    }
    pthread_mutex_unlock(&l->mutex);
}

void tessi_base_log_note(struct tessi_log *l, const char *format, ...)
{
    char text[2048];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(text, sizeof text, format, list);
    va_end(list);
    log_say(l, TESSI_NORMAL, "note", "", "", text);
}

void tessi_base_log_warn(struct tessi_log *l, const char *format, ...)
{
    char text[2048];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(text, sizeof text, format, list);
    va_end(list);
    log_say(l, TESSI_QUIET, "warning", "\033[33m", "warning: ", text);
}

void tessi_base_progress_start(struct tessi_log *l, const char *label)
{
    tessi_base_progress_end(l);
    pthread_mutex_lock(&l->mutex);
    l->progress = (struct progress){.active = 1, .started = tessi_base_seconds(), .shown = -1};
    (void)snprintf(l->progress.label, sizeof l->progress.label, "%s", label);
    pthread_mutex_unlock(&l->mutex);
}

void tessi_base_progress(struct tessi_log *l, int64_t done, int64_t total, const char *unit, const char *metric, double value)
{
    pthread_mutex_lock(&l->mutex);
    struct progress *p = &l->progress;
    if (p->active && l->terminal && l->level > TESSI_QUIET) {
        double at = tessi_base_seconds();
        p->done = done;
        p->total = total;
        p->value = value;
        (void)snprintf(p->unit, sizeof p->unit, "%s", unit);
        (void)snprintf(p->metric, sizeof p->metric, "%s", metric ? metric : "");
        const struct mark mark = {at, done};
        if (p->marks == 0)
            p->first = mark;
        if (p->marks == 0 || at - p->mark[(p->marks - 1) % MARKS].at >= MARK_EVERY)
            p->mark[p->marks++ % MARKS] = mark;
        double pause = l->tty ? 0.1 : l->level >= TESSI_VERBOSE ? 1 : 10;
        if (p->shown < 0 && !l->tty)
            p->shown = p->started; /* no line for what is done at once */
        if (p->shown < 0 || at - p->shown >= pause)
            log_draw(l, at);
    }
    pthread_mutex_unlock(&l->mutex);
}

void tessi_base_progress_left(struct tessi_log *l, double seconds)
{
    pthread_mutex_lock(&l->mutex);
    l->progress.predicted = 1;
    l->progress.left = seconds;
    pthread_mutex_unlock(&l->mutex);
}

void tessi_base_progress_parts(struct tessi_log *l, const char *parts)
{
    pthread_mutex_lock(&l->mutex);
    (void)snprintf(l->progress.parts, sizeof l->progress.parts, "%s", parts);
    pthread_mutex_unlock(&l->mutex);
}

void tessi_base_progress_end(struct tessi_log *l)
{
    pthread_mutex_lock(&l->mutex);
    struct progress *p = &l->progress;
    if (p->active && p->marks) {
        char text[256];
        progress_text(l, tessi_base_seconds(), 1, text, sizeof text);
        log_wipe(l);
        fprintf(l->terminal, "%s\n", text);
        (void)fflush(l->terminal);
    }
    p->active = 0;
    pthread_mutex_unlock(&l->mutex);
}
