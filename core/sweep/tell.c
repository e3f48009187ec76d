/* See tell.h. SPDX-License-Identifier: MIT */
#include "core/sweep/tell.h"

#include "core/base/log.h"
#include "core/base/progress_line.h"

#include <stdio.h>
#include <string.h>

/* " and 8 more" of n variants; "" where there is one. */
static const char *tell_more(int64_t n, char *text, size_t capacity)
{
    *text = '\0';
    if (n > 1)
        (void)snprintf(text, capacity, " and %lld more", (long long)n - 1);
    return text;
}

static const char *tell_seconds(double seconds, char *text, size_t capacity)
{
    if (seconds < 59.95)
        (void)snprintf(text, capacity, "%.1f s", seconds);
    else
        tessi_base_duration_text(seconds, text, capacity);
    return text;
}

void tessi_sweep_tell_done(struct tessi_log *log, const struct tessi_sweep_jobs *j, int64_t variant, int64_t stage,
                           const struct tessi_sweep_report *r)
{
    char more[40], time[40], count[40];
    const struct tessi_sweep_stage *s = &j->plan->stage[stage];
    (void)snprintf(count, sizeof count, "%lld", (long long)j->total);
    tessi_base_log_note(log, "%*lld/%s  %s  %s  %s%s", (int)strlen(count), (long long)j->done, count, s->name,
                        r->computed ? tell_seconds(r->seconds, time, sizeof time) : "cached", j->plan->sweep->variant[variant].name,
                        tell_more(s->users, more, sizeof more));
    if (r->computed && *r->warning)
        tessi_base_log_warn(log, "%s: %s: %s", j->plan->sweep->variant[variant].name, s->name, r->warning);
}

void tessi_sweep_tell_failed(struct tessi_log *log, const struct tessi_sweep_plan *p, int64_t first, int64_t n, const char *reason)
{
    char more[40];
    if (first >= 0)
        tessi_base_log_warn(log, "failed: %s%s: %s", p->sweep->variant[first].name, tell_more(n, more, sizeof more), reason);
}

void tessi_sweep_tell_stopping(struct tessi_log *log, int running)
{
    if (running)
        tessi_base_log_note(log, "stopping: %d %s at work %s at a checkpoint; Ctrl-C again ends at once", running,
                            running == 1 ? "stage" : "stages", running == 1 ? "ends" : "end");
}

void tessi_sweep_tell_end(struct tessi_log *log, const struct tessi_sweep_plan *p, const struct tessi_sweep_jobs *j,
                          const struct tessi_sweep_tally *t)
{
    if (t->done == t->variants && j->total == 0)
        tessi_base_log_note(log, "nothing to do: %lld %s, %lld %s cached", (long long)t->variants,
                            t->variants == 1 ? "variant" : "variants", (long long)t->total, t->total == 1 ? "stage" : "stages");
    else
        tessi_base_log_note(log, "%lld of %lld variants done, %lld failed; %lld stages computed, %lld cached", (long long)t->done,
                            (long long)t->variants, (long long)t->failed, (long long)t->computed, (long long)(t->total - j->total));
    tessi_base_log_note(log, "results  %s", p->sweep->folder);
}
