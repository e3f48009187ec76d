/* The lock of a stage's key: whoever computes a key holds it, another run waits and finds the result. What was waited for stands in the
 * log, for timelines. SPDX-License-Identifier: MIT */
#include "core/base/clock.h"
#include "core/base/lock.h"
#include "core/flow/flow_private.h"

#include <stdio.h>

struct lock_waiting {
    const struct tessi_pipeline *p;
    const struct tessi_stage *s;
    double since; /* time at which it began to wait; 0: it did not */
    char holder[256];
};

static int lock_wait(void *user, struct tess_context *ctx, const char *holder)
{
    struct lock_waiting *w = user;
    if (w->since <= 0.0) {
        w->since = tessi_base_seconds();
        (void)snprintf(w->holder, sizeof w->holder, "%s", holder);
        tessi_base_log_note(w->p->runtime->log, "%s: %s computes this; waiting for it", w->s->name, holder);
    }
    return tessi_base_signals_stopping() ? tessi_flow_stage_stopped(ctx, w->s) : TESS_OK;
}

void tessi_flow_log_waited(const struct tessi_pipeline *p, const struct tessi_stage *s, double seconds, const char *text)
{
    if (seconds > 0.0)
        tessi_base_log_event(p->runtime->log, "waited", "s:stage", s->name, "f:seconds", seconds, "s:text", text, NULL);
}

int tessi_flow_stage_lock(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s, const char *path, int *lock)
{
    struct lock_waiting w = {.p = p, .s = s};
    int held = 0;
    if (!p->leaves_busy) {
        int status = tessi_base_lock_take(ctx, path, lock_wait, &w, lock);
        tessi_flow_log_waited(p, s, w.since > 0.0 ? tessi_base_seconds() - w.since : 0.0, w.holder);
        return status;
    }
    TESS_TRY(tessi_base_lock_try(ctx, path, lock, &held, s->busy, sizeof s->busy));
    if (held && !*s->busy)
        (void)snprintf(s->busy, sizeof s->busy, "another run");
    if (!held)
        tessi_base_lock_sign(*lock, "");
    return TESS_OK;
}
