/* See ranks_watch.h. Time is counted in looks of at most a second each, so that a process which was stopped for a while, or a machine that
 * slept, is not taken for one that hangs. SPDX-License-Identifier: MIT */
#include "core/ranks/ranks_watch.h"

#include "core/base/clock.h"
#include "core/base/pulse.h"
#include "core/ranks/ranks_private.h"

#include <stdio.h>
#include <time.h>

#define LOOK_SECONDS 1.0   /* longest time that one look counts for */
#define BUSY_SHARE 0.1     /* share of a processor that work takes at least */
#define BUSY_PATIENCE 10.0 /* how many times longer it has then */

void tessi_ranks_watch(struct tessi_ranks *r, double seconds, void (*hangs)(void *user, const char *message), void *user)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->watch = (struct tessi_ranks_watch){.patience = seconds, .hangs = hangs, .user = user};
    pthread_mutex_unlock(&r->lock);
}

static double watch_clock(clockid_t clock)
{
    struct timespec t;
    return clock_gettime(clock, &t) == 0 ? (double)t.tv_sec + 1e-9 * (double)t.tv_nsec : 0.0;
}

/* Takes a look: how long the work has stood still, and how much of that without taking processor time. */
static void watch_look(struct tessi_ranks_watch *w)
{
    double now = tessi_base_seconds(), used = watch_clock(CLOCK_PROCESS_CPUTIME_ID) - watch_clock(CLOCK_THREAD_CPUTIME_ID);
    uint64_t pulses = atomic_load_explicit(&tessi_base_pulses, memory_order_relaxed);
    double passed = now - w->looked < LOOK_SECONDS ? now - w->looked : LOOK_SECONDS;
    int loops = atomic_load_explicit(&tessi_base_loops, memory_order_relaxed) > 0;
    if (pulses != w->pulses || w->looked <= 0.0) {
        w->still = w->idle = 0.0;
    } else {
        w->still += passed;
        w->idle = loops || used - w->used < BUSY_SHARE * passed ? w->idle + passed : 0.0;
    }
    w->looked = now;
    w->used = used;
    w->pulses = pulses;
}

int tessi_ranks_hangs(struct tessi_ranks *r, char *text, size_t capacity)
{
    struct tessi_ranks_watch *w = &r->watch;
    if (w->patience <= 0.0)
        return 0;
    watch_look(w);
    if (w->idle < w->patience && w->still < BUSY_PATIENCE * w->patience)
        return 0;
    snprintf(text, capacity,
             "its work has not moved for %.0f s; it hangs, or what it waits for does (`--patience SECONDS` gives it longer)", w->still);
    return 1;
}

void tessi_ranks_awake(struct tessi_ranks *r)
{
    r->watch.still = r->watch.idle = 0.0;
    r->watch.looked = 0.0;
}
