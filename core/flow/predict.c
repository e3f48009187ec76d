/* Times of a pipeline's stages: predicted where they will run, measured where they ran.
 *
 * SPDX-License-Identifier: MIT */
#include "core/flow/rates.h"
#include "core/ranks/ranks.h"
#include "core/base/clock.h"
#include "core/base/files.h"
#include "core/base/processor.h"
#include "core/base/workers.h"

#include <stdio.h>
#include <string.h>

/* ---- work ---------------------------------------------------------------------------------------------------------- */

/* Kinds and names in a stage's list of plugins, without versions: "stage/1 encode, tessera-encode 0.1.0; ..." -> "stage/1 encode; ...". */
static int predict_parts(struct tess_context *ctx, const char *plugins, char **out)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, strlen(plugins) + 1, "names of plugins", &memory));
    char *to = *out = memory;
    for (const char *at = plugins; *at;) {
        size_t piece = strcspn(at, ";"), name = strcspn(at, ",;");
        to += sprintf(to, "%s%.*s", to > *out ? "; " : "", (int)name, at);
        at += piece;
        at += strspn(at, "; ");
    }
    *to = '\0';
    return TESS_OK;
}

/* The stage's work, over a buffer for the processor's name; `parts` is freed by the caller. */
static int predict_work(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s, const char *processor,
                        struct tessi_work *w)
{
    char *parts = NULL;
    TESS_TRY(predict_parts(ctx, s->plugins ? s->plugins : s->component->name, &parts));
    double units = s->steps > 0 ? (double)s->steps : 1.0;
    *w = (struct tessi_work){
        .parts = parts,
        .mode = p->runtime->numeric_mode,
        .processor = processor,
        .threads = (p->runtime->workers ? tessi_base_workers_count(p->runtime->workers) : 1) * (int64_t)tessi_ranks_size(p->runtime->ranks),
        .amount = s->cost.flops > 0.0 ? s->cost.flops : units,
        .step = s->cost.flops > 0.0 ? s->cost.flops / units : 0.0,
    };
    return TESS_OK;
}

static int predict_path(struct tess_context *ctx, const struct tessi_pipeline *p, char **out)
{
    return tessi_base_format(ctx, out, "%s/rates.yaml", p->cache);
}

/* ---- predicting ---------------------------------------------------------------------------------------------------- */

static int predict_stage(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_rates *t, struct tessi_stage *s)
{
    char processor[128];
    struct tessi_work w;
    TESS_TRY(predict_work(ctx, p, s, tessi_base_processor_name(processor, sizeof processor), &w));
    double left = s->total > 0 && s->done <= s->total ? 1.0 - (double)s->done / (double)s->total : 1.0;
    s->seconds_predicted = tessi_flow_rates_predict(t, &w, left);
    tess_free((char *)w.parts);
    return TESS_OK;
}

int tessi_flow_rates_plan(struct tess_context *ctx, struct tessi_pipeline *p)
{
    struct tessi_rates *t = NULL;
    char *path = NULL;
    int status = TESS_OK;
    for (int64_t i = 0; i < p->views && status == TESS_OK; i++) {
        struct tessi_stage *s = &p->stage[p->view[i]];
        s->seconds_predicted = 0.0;
        if (s->state == TESSI_CACHED)
            continue;
        if (!t)
            status = predict_path(ctx, p, &path);
        if (!t && status == TESS_OK)
            status = tessi_flow_rates_open(ctx, path, &t);
        if (status == TESS_OK)
            status = predict_stage(ctx, p, t, s);
    }
    tessi_flow_rates_close(t);
    tess_free(path);
    return status;
}

/* ---- measuring ----------------------------------------------------------------------------------------------------- */

void tessi_flow_pace_note(struct tessi_pace *k, int64_t done, int64_t total, double now)
{
    if (k->total != total || done <= k->last) { /* another phase of the stage's work */
        if (k->last_time - k->first_time > k->longest_seconds) {
            k->longest_seconds = k->last_time - k->first_time;
            k->longest_share = (double)(k->last - k->first) / (double)k->total;
        }
        k->total = total;
        k->first = done;
        k->first_time = now;
    }
    k->last = done;
    k->last_time = now;
}

double tessi_flow_share_done(const struct tess_stage_run *r)
{
    return r->resumed_total > 0 ? 1.0 - (double)r->resumed_done / (double)r->resumed_total : 1.0;
}

/* Seconds for each of the work's amount and seconds besides, by the longest phase of the progress; by the whole time where there was none.
 */
static void predict_split(const struct tess_stage_run *r, double amount, double seconds, double *rate, double *overhead)
{
    struct tessi_pace k = r->pace;
    double done = tessi_flow_share_done(r);
    tessi_flow_pace_note(&k, 0, 0, 0.0); /* ends the last phase */
    if (k.longest_share > 0.0 && k.longest_seconds < seconds) {
        *rate = k.longest_seconds / (k.longest_share * amount);
        *overhead = seconds - k.longest_seconds;
    } else {
        *rate = done > 0.0 ? seconds / (amount * done) : -1.0;
        *overhead = 0.0;
    }
}

void tessi_flow_rates_ran(const struct tessi_pipeline *p, const struct tess_stage_run *r, double seconds)
{
    char processor[128], *path = NULL;
    struct tessi_context own;
    struct tessi_work w;
    double rate, overhead;
    if (r->waited) /* for disk space */
        return;
    tessi_base_context_init(&own, &p->runtime->host);
    if (predict_work(&own.context, p, r->stage, tessi_base_processor_name(processor, sizeof processor), &w) != TESS_OK)
        return;
    predict_split(r, w.amount, seconds, &rate, &overhead);
    if (predict_path(&own.context, p, &path) == TESS_OK)
        tessi_flow_rates_learn(&own.context, path, &w, rate, overhead, seconds);
    tess_free(path);
    tess_free((char *)w.parts);
}
