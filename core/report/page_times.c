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
    static const int32_t states[] = {[TESSI_REPORT_RUNNING] = TESSI_SVG_WAITED,
                                     [TESSI_REPORT_DONE] = TESSI_SVG_RAN,
                                     [TESSI_REPORT_TAKEN] = TESSI_SVG_CACHED,
                                     [TESSI_REPORT_STOPPED] = TESSI_SVG_STOPPED,
                                     [TESSI_REPORT_FAILED] = TESSI_SVG_FAILED};
    return how >= 0 && how <= TESSI_REPORT_FAILED ? states[how] : TESSI_SVG_WAITED;
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
    (void)snprintf(b->text[b->pieces], sizeof b->text[0], "%.60s: %s%s, %s%s%.60s", a->stage, times_word(a->how),
                   a->resumed ? ", resumed" : "", tessi_report_page_seconds(a->end - a->start, time, sizeof time), *a->text ? ": " : "",
                   a->text);
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
    fputs("<figcaption>Full: ran. Dashed outline: taken from the cache. A line at its end: stopped. Crossed out: failed. A thin bar below: "
          "the time that was planned. Dotted: no end in "
          "the log."
          "</figcaption></figure>\n",
          p->to);
}

/* ---- one run: a bar for each stage ---- */

static void times_stage_note(const struct tessi_report_stage *s, int64_t attempts, char *text, size_t capacity)
{
    char time[32], peak[32];
    (void)snprintf(text, capacity, "%s",
                   s->state == TESSI_REPORT_CACHED ? "cached" : tessi_report_page_seconds(s->seconds, time, sizeof time));
    size_t used = strlen(text);
    if (attempts > 1)
        used += (size_t)snprintf(text + used, capacity - used, ", %lld attempts", (long long)attempts);
    if (s->peak_bytes >= 0 && used < capacity)
        (void)snprintf(text + used, capacity - used, ", %s", tessi_report_page_bytes(s->peak_bytes, peak, sizeof peak));
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
                attempts++;
                times_piece(b, b->rows, &run->attempt[k], zero);
            }
        if (!attempts)
            continue;
        times_planned(b, b->rows, run, &run->stage[i], zero);
        times_stage_note(&run->stage[i], attempts, b->note_text[b->rows], sizeof b->note_text[0]);
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

/* ---- stages over all runs ---- */

/* Seconds that a result took to compute, in whichever run did; < 0: none tells. */
static double times_computed(const struct tessi_report_page *p, const struct tessi_report_stage *s)
{
    for (int64_t i = 0; i < p->set->runs; i++) {
        const struct tessi_report_stage *other = tessi_report_stage_named(&p->set->run[i], s->name);
        if (other && other->seconds >= 0 && strcmp(other->digest, s->digest) == 0)
            return other->seconds;
    }
    return -1;
}

/* Times of a stage's executions that had been predicted, and the predictions. */
struct times_expected {
    int64_t n;
    double planned, spent;
};

static void times_expect(struct times_expected *e, const struct tessi_report_stage *s)
{
    if (s->state != TESSI_REPORT_COMPUTED || s->seconds < 0 || s->planned_seconds < 0)
        return;
    e->n++;
    e->planned += s->planned_seconds;
    e->spent += s->seconds;
}

/* "12.1 s"; where only some executions had been predicted, "12.1 s, and took 11.5 s, for 3 of them". */
static const char *times_expected_text(const struct times_expected *e, int64_t computed, char *text, size_t capacity)
{
    char planned[32], spent[32];
    (void)tessi_report_page_seconds(e->n ? e->planned : -1, planned, sizeof planned);
    if (e->n && e->n < computed)
        (void)snprintf(text, capacity, "%s, and took %s, for %lld of them", planned,
                       tessi_report_page_seconds(e->spent, spent, sizeof spent), (long long)e->n);
    else
        (void)snprintf(text, capacity, "%s", planned);
    return text;
}

static void times_stage(struct tessi_report_page *p, const char *name, double *saved)
{
    char spent_text[32], saved_text[32], peak_text[32], planned_text[32], expected_text[80];
    int64_t computed = 0, cached = 0;
    double spent = 0.0, spared = 0.0, peak = -1, planned = -1;
    struct times_expected expected = {0};
    for (int64_t i = 0; i < p->set->runs; i++) {
        const struct tessi_report_stage *s = tessi_report_stage_named(&p->set->run[i], name);
        if (!s || !s->path)
            continue;
        computed += s->state == TESSI_REPORT_COMPUTED;
        cached += s->state == TESSI_REPORT_CACHED;
        spent += s->seconds > 0 && s->state == TESSI_REPORT_COMPUTED ? s->seconds : 0;
        times_expect(&expected, s);
        if (s->state == TESSI_REPORT_CACHED)
            spared += fmax(times_computed(p, s), 0);
        planned = s->peak_bytes > peak ? s->planned_bytes : planned;
        peak = fmax(peak, s->peak_bytes);
    }
    *saved += spared;
    fputs("<tr><th scope=\"row\">", p->to);
    tessi_report_html_text(p->to, name);
    fprintf(p->to,
            "</th><td class=\"n\">%lld</td><td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%lld</td><td class=\"n\">%s</td>",
            (long long)computed, tessi_report_page_seconds(computed ? spent : -1, spent_text, sizeof spent_text),
            times_expected_text(&expected, computed, expected_text, sizeof expected_text), (long long)cached,
            tessi_report_page_seconds(cached ? spared : -1, saved_text, sizeof saved_text));
    fprintf(p->to, "<td class=\"n\">%s</td><td class=\"n\">%s</td></tr>\n", tessi_report_page_bytes(peak, peak_text, sizeof peak_text),
            tessi_report_page_bytes(planned, planned_text, sizeof planned_text));
}

static void times_stages(struct tessi_report_page *p)
{
    char text[32];
    double saved = 0.0;
    fputs("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Time and memory of stages\"><table><thead><tr><th "
          "scope=\"col\">Stage"
          "</th><th scope=\"col\" class=\"n\">Computed</th><th scope=\"col\" class=\"n\">in</th><th scope=\"col\" class=\"n\">planned"
          "</th><th scope=\"col\" class=\"n\">From the cache</th>"
          "<th scope=\"col\" class=\"n\">which saved</th><th scope=\"col\" class=\"n\">Memory at most</th><th scope=\"col\" "
          "class=\"n\">planned"
          "</th></tr></thead><tbody>\n",
          p->to);
    for (int64_t i = 0; i < p->names; i++)
        times_stage(p, p->name[i], &saved);
    fputs("</tbody></table></div>\n", p->to);
    if (saved > 0)
        fprintf(p->to, "<p>The cache saved <b>%s</b> of work that these runs have in common.</p>\n",
                tessi_report_page_seconds(saved, text, sizeof text));
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
    times_stages(p);
    fputs("</div></div></section>\n", p->to);
    tess_free(memory);
    return TESS_OK;
}
