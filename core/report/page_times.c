/* When what ran: a bar for each stage of a run, or for each variant of a sweep, and what the cache saved. Nothing of it is in a
 * reproducible page. SPDX-License-Identifier: MIT */
#include "core/report/page_private.h"

#include <math.h>
#include <string.h>

enum { TIMES_BARS = 40, TIMES_PIECES = 600 };

/* Bars in the making. */
struct times_bars {
    int64_t rows, pieces;
    const char *name[TIMES_BARS], *note[TIMES_BARS];
    char note_text[TIMES_BARS][96];
    struct tessi_svg_piece piece[TIMES_PIECES];
    char text[TIMES_PIECES][200];
};

static int32_t times_state(int32_t how)
{
    static const int32_t states[] = {
        [TESSI_REPORT_RUNNING] = TESSI_SVG_OPEN,    [TESSI_REPORT_DONE] = TESSI_SVG_RAN,      [TESSI_REPORT_TAKEN] = TESSI_SVG_CACHED,
        [TESSI_REPORT_STOPPED] = TESSI_SVG_STOPPED, [TESSI_REPORT_FAILED] = TESSI_SVG_FAILED, [TESSI_REPORT_WAITED] = TESSI_SVG_WAITED};
    return how >= 0 && how <= TESSI_REPORT_WAITED ? states[how] : TESSI_SVG_OPEN;
}

static const char *times_word(int32_t how)
{
    static const char *const words[] = {"no end in the log: at work, or killed", "ran", "taken from the cache", "stopped", "failed"};
    return how >= 0 && how <= TESSI_REPORT_FAILED ? words[how] : "";
}

static void times_piece(struct times_bars *b, int64_t row, const struct tessi_report_attempt *a, double zero)
{
    char time[32];
    if (b->pieces == TIMES_PIECES)
        return;
    (void)tessi_report_page_seconds(a->end - a->start, time, sizeof time);
    if (a->how == TESSI_REPORT_WAITED)
        (void)snprintf(b->text[b->pieces], sizeof b->text[0], "%.60s: waited for %.60s, %s", a->stage, a->text, time);
    else
        (void)snprintf(b->text[b->pieces], sizeof b->text[0], "%.60s: %s%s, %s%s%.60s", a->stage, times_word(a->how),
                       a->resumed ? ", resumed" : "", time, *a->text ? ": " : "", a->text);
    b->piece[b->pieces] = (struct tessi_svg_piece){row, a->start - zero, a->end - zero, times_state(a->how), b->text[b->pieces]};
    b->pieces++;
}

/* Time of the first attempt of a run; INFINITY where there is none. */
static double times_zero(const struct tessi_report_run *run)
{
    double zero = INFINITY;
    for (int64_t i = 0; i < run->attempts; i++)
        zero = fmin(zero, run->attempt[i].start);
    return zero;
}

/* Seconds and a unit that suits them. */
static const char *times_unit(struct times_bars *b)
{
    double most = 0.0, by = 1.0;
    const char *unit = "s";
    for (int64_t i = 0; i < b->pieces; i++)
        most = fmax(most, b->piece[i].end);
    if (most > 7200) {
        by = 3600;
        unit = "h";
    } else if (most > 180) {
        by = 60;
        unit = "min";
    }
    for (int64_t i = 0; i < b->pieces; i++) {
        b->piece[i].start /= by;
        b->piece[i].end /= by;
    }
    return unit;
}

static void times_draw(struct tessi_report_page *p, struct times_bars *b, const char *title)
{
    char id[24];
    const char *unit = times_unit(b);
    const struct tessi_svg_bars bars = {.id = tessi_report_page_id(p, id),
                                        .title = title,
                                        .description =
                                            "A bar for each, with a piece for each attempt at a stage; the texts beside the bars say "
                                            "the same.",
                                        .label = "time since the start",
                                        .unit = unit,
                                        .rows = b->rows,
                                        .name = b->name,
                                        .note = b->note,
                                        .pieces = b->pieces,
                                        .piece = b->piece};
    fputs("<figure>", p->to);
    tessi_report_svg_bars(p->to, &bars);
    fputs("<figcaption>Full: ran. Dashed outline: taken from the cache. A line at its end: stopped. Crossed out: failed. A thin line: "
          "waited, for another process or for room on the disk. A thin bar below: the time that was planned. Dotted: no end in the log."
          "</figcaption></figure>\n",
          p->to);
}

/* ---- one run: a bar for each stage ---- */

static void times_stage_note(const struct tessi_report_page *p, const struct tessi_report_run *run, const struct tessi_report_stage *s,
                             int64_t attempts, char *text, size_t capacity)
{
    char time[32], peak[32];
    struct tessi_report_page_share share = {0};
    (void)snprintf(text, capacity, "%s",
                   s->state == TESSI_REPORT_CACHED ? "cached" : tessi_report_page_seconds(s->seconds, time, sizeof time));
    size_t used = strlen(text);
    if (attempts > 1)
        used += (size_t)snprintf(text + used, capacity - used, ", %lld attempts", (long long)attempts);
    if (s->peak_bytes >= 0 && used < capacity)
        used += (size_t)snprintf(text + used, capacity - used, ", %s", tessi_report_page_bytes(s->peak_bytes, peak, sizeof peak));
    tessi_report_page_share_add(p, run, s, &share);
    if (share.possible > 0 && used < capacity)
        (void)snprintf(text + used, capacity - used, ", %.0f %% of peak", 100 * share.flop / share.possible);
}

/* A thin bar as long as the stage was planned to take, from the beginning of its last attempt that ended. */
static void times_planned(struct times_bars *b, int64_t row, const struct tessi_report_run *run, const struct tessi_report_stage *s,
                          double zero)
{
    char time[32];
    double start = -1;
    for (int64_t i = 0; i < run->attempts; i++)
        if (strcmp(run->attempt[i].stage, s->name) == 0 && run->attempt[i].how == TESSI_REPORT_DONE)
            start = run->attempt[i].start;
    if (start < 0 || s->planned_seconds < 0 || b->pieces == TIMES_PIECES)
        return;
    (void)snprintf(b->text[b->pieces], sizeof b->text[0], "%.60s: planned %s", s->name,
                   tessi_report_page_seconds(s->planned_seconds, time, sizeof time));
    b->piece[b->pieces] =
        (struct tessi_svg_piece){row, start - zero, start - zero + s->planned_seconds, TESSI_SVG_PLANNED, b->text[b->pieces]};
    b->pieces++;
}

static void times_of_run(struct tessi_report_page *p, const struct tessi_report_run *run, struct times_bars *b)
{
    double zero = times_zero(run);
    for (int64_t i = 0; i < run->stages && b->rows < TIMES_BARS; i++) {
        int64_t attempts = 0;
        for (int64_t k = 0; k < run->attempts; k++)
            if (strcmp(run->attempt[k].stage, run->stage[i].name) == 0) {
                attempts += run->attempt[k].how != TESSI_REPORT_WAITED;
                times_piece(b, b->rows, &run->attempt[k], zero);
            }
        if (!attempts) /* none that the log tells of */
            continue;
        times_planned(b, b->rows, run, &run->stage[i], zero);
        times_stage_note(p, run, &run->stage[i], attempts, b->note_text[b->rows], sizeof b->note_text[0]);
        b->name[b->rows] = run->stage[i].name;
        b->note[b->rows] = b->note_text[b->rows];
        b->rows++;
    }
    if (b->rows)
        times_draw(p, b, "Time of each stage");
}

/* ---- many: a bar for each run ---- */

static void times_of_runs(struct tessi_report_page *p, struct times_bars *b)
{
    double zero = INFINITY;
    int64_t runs = 0;
    for (int64_t i = 0; i < p->set->runs; i++) {
        zero = fmin(zero, times_zero(&p->set->run[i]));
        runs += p->set->run[i].attempts > 0;
    }
    for (int64_t i = 0; i < p->set->runs && b->rows < TIMES_BARS; i++) {
        const struct tessi_report_run *run = &p->set->run[i];
        double work = 0.0;
        for (int64_t k = 0; k < run->attempts; k++) {
            times_piece(b, b->rows, &run->attempt[k], zero);
            if (run->attempt[k].how != TESSI_REPORT_WAITED)
                work += run->attempt[k].end - run->attempt[k].start;
        }
        if (!run->attempts)
            continue;
        (void)tessi_report_page_seconds(work, b->note_text[b->rows], sizeof b->note_text[0]);
        b->name[b->rows] = run->name;
        b->note[b->rows] = b->note_text[b->rows];
        b->rows++;
    }
    if (b->rows < runs)
        fprintf(p->to, "<p class=\"cap\">Showing %lld of %lld runs.</p>\n", (long long)b->rows, (long long)runs);
    if (b->rows)
        times_draw(p, b, "Time of each run");
}

int tessi_report_page_times(struct tessi_report_page *p)
{
    int64_t attempts = 0;
    void *memory;
    for (int64_t i = 0; i < p->set->runs; i++)
        attempts += p->set->run[i].attempts;
    if (!attempts || p->o->reproducible)
        return TESS_OK;
    TESS_TRY(tess_alloc(p->ctx, sizeof(struct times_bars), "the times of a page", &memory));
    tessi_report_page_section(p, "times", "Time and memory");
    fputs("<div class=\"pair\"><div>\n", p->to);
    if (p->set->runs == 1)
        times_of_run(p, &p->set->run[0], memory);
    else
        times_of_runs(p, memory);
    fputs("</div><div>\n", p->to);
    tessi_report_page_stage_times(p);
    fputs("</div></div></section>\n", p->to);
    tess_free(memory);
    return TESS_OK;
}
