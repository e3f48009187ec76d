/* Times, memory and share of the machine's peak of each stage over all runs, and what the cache saved. SPDX-License-Identifier: MIT */
#include "core/report/page_private.h"

#include <math.h>
#include <string.h>

/* ---- share of the peak ---- */

void tessi_report_page_share_add(const struct tessi_report_page *p, const struct tessi_report_run *run, const struct tessi_report_stage *s,
                                 struct tessi_report_page_share *share)
{
    const double seconds = s->seconds - s->waited_seconds;
    if (!p->o->peak || !p->o->processor || strcmp(run->processor, p->o->processor) != 0 || s->state != TESSI_REPORT_COMPUTED ||
        s->flop <= 0 || seconds <= 0)
        return;
    double most = p->o->peak(run->threads, strncmp(s->numeric_mode, "bf16", 4) == 0);
    if (most <= 0)
        return;
    share->flop += s->flop;
    share->possible += seconds * most;
    share->most = fmax(share->most, most);
    share->threads = run->threads;
}

/* "41 %"; a dash where no execution tells. */
static const char *stage_times_share_text(const struct tessi_report_page_share *share, char *text, size_t capacity)
{
    if (share->possible > 0)
        (void)snprintf(text, capacity, share->flop < 0.0995 * share->possible ? "%.1f %%" : "%.0f %%", 100 * share->flop / share->possible);
    else
        (void)snprintf(text, capacity, "\xE2\x80\x93");
    return text;
}

static void stage_times_share_note(struct tessi_report_page *p, const struct tessi_report_page_share *share)
{
    if (share->possible <= 0)
        return;
    fprintf(p->to,
            "<p class=\"note\">Share of the peak: the floating-point operations that a stage was planned to take, over its time (but for "
            "waits) and over the most that this machine (");
    tessi_report_html_text(p->to, p->o->processor);
    fprintf(p->to,
            ", %lld thread%s) was measured to do when the page was made: %.0f GFLOP/s. Stages without a share plan no such "
            "operations, or ran on another processor.</p>\n",
            (long long)share->threads, share->threads == 1 ? "" : "s", share->most / 1e9);
}

/* ---- the table ---- */

/* Seconds that a result took to compute, in whichever run did; < 0: none tells. */
static double stage_times_computed(const struct tessi_report_page *p, const struct tessi_report_stage *s)
{
    for (int64_t i = 0; i < p->set->runs; i++) {
        const struct tessi_report_stage *other = tessi_report_stage_named(&p->set->run[i], s->name);
        if (other && other->seconds >= 0 && strcmp(other->digest, s->digest) == 0)
            return other->seconds;
    }
    return -1;
}

/* Times of a stage's executions that had been predicted, and the predictions. */
struct stage_times_expected {
    int64_t n;
    double planned, spent;
};

static void stage_times_expect(struct stage_times_expected *e, const struct tessi_report_stage *s)
{
    if (s->state != TESSI_REPORT_COMPUTED || s->seconds < 0 || s->planned_seconds < 0)
        return;
    e->n++;
    e->planned += s->planned_seconds;
    e->spent += s->seconds;
}

/* "12.1 s"; where only some executions had been predicted, "12.1 s, and took 11.5 s, for 3 of them". */
static const char *stage_times_expected_text(const struct stage_times_expected *e, int64_t computed, char *text, size_t capacity)
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

/* Sums of a stage over all runs. */
struct stage_times {
    int64_t computed, cached;
    double spent, spared, peak, planned; /* peak and its plan: < 0: not told */
    struct stage_times_expected expected;
    struct tessi_report_page_share share;
};

static void stage_times_sum(const struct tessi_report_page *p, const char *name, struct stage_times *t)
{
    *t = (struct stage_times){.peak = -1, .planned = -1};
    for (int64_t i = 0; i < p->set->runs; i++) {
        const struct tessi_report_stage *s = tessi_report_stage_named(&p->set->run[i], name);
        if (!s || !s->path)
            continue;
        t->computed += s->state == TESSI_REPORT_COMPUTED;
        t->cached += s->state == TESSI_REPORT_CACHED;
        t->spent += s->seconds > 0 && s->state == TESSI_REPORT_COMPUTED ? s->seconds : 0;
        stage_times_expect(&t->expected, s);
        tessi_report_page_share_add(p, &p->set->run[i], s, &t->share);
        if (s->state == TESSI_REPORT_CACHED)
            t->spared += fmax(stage_times_computed(p, s), 0);
        t->planned = s->peak_bytes > t->peak ? s->planned_bytes : t->planned;
        t->peak = fmax(t->peak, s->peak_bytes);
    }
}

static void stage_times_row(struct tessi_report_page *p, const char *name, const struct stage_times *t)
{
    char spent[32], saved[32], peak[32], planned[32], expected[80], share[32];
    fputs("<tr><th scope=\"row\">", p->to);
    tessi_report_html_text(p->to, name);
    fprintf(p->to,
            "</th><td class=\"n\">%lld</td><td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%lld</td>",
            (long long)t->computed, tessi_report_page_seconds(t->computed ? t->spent : -1, spent, sizeof spent),
            stage_times_expected_text(&t->expected, t->computed, expected, sizeof expected),
            stage_times_share_text(&t->share, share, sizeof share), (long long)t->cached);
    fprintf(p->to, "<td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td></tr>\n",
            tessi_report_page_seconds(t->cached ? t->spared : -1, saved, sizeof saved), tessi_report_page_bytes(t->peak, peak, sizeof peak),
            tessi_report_page_bytes(t->planned, planned, sizeof planned));
}

void tessi_report_page_stage_times(struct tessi_report_page *p)
{
    char text[32];
    double saved = 0.0;
    struct stage_times t;
    struct tessi_report_page_share share = {0};
    fputs("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Time and memory of stages\"><table><thead><tr><th "
          "scope=\"col\">Stage</th><th scope=\"col\" class=\"n\">Computed</th><th scope=\"col\" class=\"n\">in</th><th scope=\"col\" "
          "class=\"n\">planned</th><th scope=\"col\" class=\"n\">Share of the peak</th><th scope=\"col\" class=\"n\">From the "
          "cache</th><th scope=\"col\" class=\"n\">which saved</th><th scope=\"col\" class=\"n\">Memory at most</th><th scope=\"col\" "
          "class=\"n\">planned</th></tr></thead><tbody>\n",
          p->to);
    for (int64_t i = 0; i < p->names; i++) {
        stage_times_sum(p, p->name[i], &t);
        stage_times_row(p, p->name[i], &t);
        saved += t.spared;
        share = t.share.possible > share.possible ? t.share : share;
    }
    fputs("</tbody></table></div>\n", p->to);
    stage_times_share_note(p, &share);
    if (saved > 0)
        fprintf(p->to, "<p>The cache saved <b>%s</b> of work that these runs have in common.</p>\n",
                tessi_report_page_seconds(saved, text, sizeof text));
}
