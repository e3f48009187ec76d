/* Rates of stages on this machine, remembered beside the cache, and the times predicted from them.
 *
 * A stage's time is taken for  overhead + seconds_per_work * work,  where work is what its plan tells (FLOP; units of work where it counts
 * none) and the overhead is what does not grow with it: reading inputs, the first step, the final picture. Both come from one run: the
 * longest stretch of its progress tells the time of one unit, the rest is overhead.
 *
 * A rate holds for a stage's plugin and components, a numeric mode, a number of threads and a processor; of several that fit, the one
 * counts whose work a step is nearest. Rates decide nothing but what `plan` says; a table that cannot be read is empty, one that cannot be
 * written stays as it was.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSI_RATES_H
#define TESSI_RATES_H

#include "core/flow/flow_private.h"

/* Work of a stage, as planned. */
struct tessi_work {
    const char *parts; /* kinds and names of its plugins, "stage/1 encode; encoder/1 conv" */
    const char *mode;  /* numeric mode of the runtime */
    const char *processor;
    int64_t threads;
    double amount; /* FLOP; where the plan tells none: units of work, or 1 */
    double step;   /* FLOP in a unit of work; 0: the plan tells none */
};

struct tessi_rates;

/* Reads the table. TESS_E_MEMORY alone is a failure. */
int tessi_flow_rates_open(struct tess_context *ctx, const char *path, struct tessi_rates **out) TESS_CHECKED;
void tessi_flow_rates_close(struct tessi_rates *t); /* NULL is fine */
/* Seconds that the work takes, of which `left` (0 to 1) is to be done; negative: nothing like it was seen. */
double tessi_flow_rates_predict(const struct tessi_rates *t, const struct tessi_work *w, double left);
/* Adds what was measured in `seconds`: `rate` seconds for each of w->amount, and `overhead` seconds besides. Merged into the table on the
 * disk under its lock, written aside. Failures are ignored. */
void tessi_flow_rates_learn(const struct tess_context *ctx, const char *path, const struct tessi_work *w, double rate, double overhead,
                            double seconds);

/* Predicted seconds of each wanted stage that will run, into s->seconds_predicted: 0 for cached ones, negative where nothing was seen. */
int tessi_flow_rates_plan(struct tess_context *ctx, struct tessi_pipeline *p) TESS_CHECKED;
/* Remembers how long the stage's execution took, by its clock and its progress. */
void tessi_flow_rates_ran(const struct tessi_pipeline *p, const struct tess_stage_run *r, double seconds);

#endif
