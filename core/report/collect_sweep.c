/* A sweep's folder: its axes, and a run for each variant with the outcome that its folder tells. SPDX-License-Identifier: MIT */
#include "core/report/collect_private.h"
#include "core/sweep/sweep.h"

#include <stdio.h>
#include <string.h>

static int sweep_texts(struct tess_context *ctx, struct tessi_report_set *set, int64_t n, char *const *text, int64_t *count,
                       const char ***out)
{
    void *memory;
    TESS_TRY(tessi_report_alloc(ctx, set, (size_t)(n + 1) * sizeof **out, &memory));
    *out = memory;
    for (*count = 0; *count < n; ++*count)
        TESS_TRY(tessi_report_text(ctx, set, text[*count], &(*out)[*count]));
    return TESS_OK;
}

static int sweep_axis(struct tess_context *ctx, struct tessi_report_set *set, const struct tessi_sweep_axis *from,
                      struct tessi_report_axis *to)
{
    void *memory;
    TESS_TRY(tessi_report_text(ctx, set, from->name, &to->name));
    TESS_TRY(tessi_report_alloc(ctx, set, (size_t)(from->count + 1) * sizeof *to->value, &memory));
    to->value = memory;
    for (to->values = 0; to->values < from->count; to->values++)
        TESS_TRY(tessi_report_text(ctx, set, from->value[to->values].text, &to->value[to->values]));
    return TESS_OK;
}

static int sweep_head(struct tess_context *ctx, struct tessi_report_set *set, const char *folder, const struct tessi_sweep *s,
                      struct tessi_report_sweep *to)
{
    void *memory;
    const char *name = folder;
    for (const char *at = folder; (at = strstr(at, "runs/")); at += 5)
        if (at == folder || at[-1] == '/')
            name = at + 5; /* WORKDIR/runs/NAME */
    TESS_TRY(tessi_report_text(ctx, set, name, &to->name));
    TESS_TRY(tessi_report_text(ctx, set, folder, &to->folder));
    TESS_TRY(tessi_report_text(ctx, set, s->pipeline ? s->pipeline : "", &to->pipeline));
    TESS_TRY(sweep_texts(ctx, set, s->overrides, s->override, &to->overrides, &to->override));
    TESS_TRY(sweep_texts(ctx, set, s->excluded, s->exclude, &to->excluded, &to->exclude));
    TESS_TRY(tessi_report_alloc(ctx, set, (size_t)(s->axes + 1) * sizeof *to->axis, &memory));
    to->axis = memory;
    TESS_TRY(tessi_report_alloc(ctx, set, (size_t)(s->axes + 1) * sizeof *to->baseline, &memory));
    to->baseline = memory;
    to->seed_axis = s->seed_axis;
    for (to->axes = 0; to->axes < s->axes; to->axes++) {
        to->baseline[to->axes] = s->baseline ? s->baseline[to->axes] : -1;
        TESS_TRY(sweep_axis(ctx, set, &s->axis[to->axes], &to->axis[to->axes]));
    }
    TESS_TRY(tessi_report_alloc(ctx, set, (size_t)(s->duplicates + 1) * sizeof *to->duplicate, &memory));
    to->duplicate = memory;
    for (; to->duplicates < s->duplicates; to->duplicates++)
        TESS_TRY(tessi_report_format(ctx, set, &to->duplicate[to->duplicates], "%s is %s", s->duplicate[to->duplicates].name,
                                     s->duplicate[to->duplicates].of));
    return TESS_OK;
}

/* Reads the outcome; outcome.yaml counts, not the log: a variant may fail before there is a log, and each stage that a sweep computes ends
 * a run of its own there, so that without outcome.yaml a variant is done where it has all results. */
static int sweep_outcome(struct tess_context *ctx, struct tessi_report_set *set, struct tessi_report_run *run)
{
    struct tessi_sweep_outcome o = {0};
    struct tessi_context own;
    tessi_base_context_init(&own, ctx->host);
    if (tessi_sweep_outcome_read(&own.context, run->folder, &o) != TESS_OK)
        return tessi_report_note(ctx, set, "%s; the variant's outcome is that of its log", tessi_base_context_message(&own.context));
    if (o.outcome == TESSI_SWEEP_NOT_RUN) {
        if (run->outcome == TESSI_REPORT_FINISHED && !tessi_report_run_is_whole(run))
            run->outcome = TESSI_REPORT_NOT_RUN;
        return TESS_OK;
    }
    run->outcome = o.outcome == TESSI_SWEEP_DONE     ? TESSI_REPORT_FINISHED
                   : o.outcome == TESSI_SWEEP_FAILED ? TESSI_REPORT_BROKEN
                                                     : TESSI_REPORT_HALTED;
    TESS_TRY(tessi_report_text(ctx, set, o.outcome == TESSI_SWEEP_DONE ? "" : o.stage, &run->failed_stage));
    return tessi_report_text(ctx, set, o.outcome == TESSI_SWEEP_DONE ? "" : o.reason, &run->reason);
}

static int sweep_variant(struct tess_context *ctx, struct tessi_report_set *set, const struct tessi_sweep *s, int64_t i,
                         const struct tessi_report_sweep *sweep, struct tessi_report_run *run)
{
    const struct tessi_sweep_variant *v = &s->variant[i];
    void *memory;
    run->variant = i;
    TESS_TRY(tessi_report_text(ctx, set, v->name, &run->name));
    TESS_TRY(tessi_report_format(ctx, set, &run->folder, "%s/%s", sweep->folder, v->name));
    TESS_TRY(sweep_texts(ctx, set, v->sets, v->set, &run->sets, &run->set));
    TESS_TRY(tessi_report_alloc(ctx, set, (size_t)(s->axes + 1) * sizeof *run->value, &memory));
    run->value = memory;
    for (; run->values < s->axes; run->values++)
        run->value[run->values] = sweep->axis[run->values].value[v->at[run->values]];
    TESS_TRY(tessi_report_collect_run(ctx, set, run));
    if (!*run->seed && sweep->seed_axis >= 0)
        run->seed = run->value[sweep->seed_axis];
    return sweep_outcome(ctx, set, run);
}

int tessi_report_collect_sweep(struct tess_context *ctx, struct tessi_report_set *set, const char *path, int64_t *runs, int64_t *sweeps)
{
    struct tessi_sweep *s = NULL;
    size_t length = strlen(path);
    const char *folder;
    while (length > 1 && path[length - 1] == '/')
        length--;
    TESS_TRY(tessi_report_format(ctx, set, &folder, "%.*s", (int)length, path));
    int status = tessi_sweep_read(ctx, folder, &s);
    if (status == TESS_OK)
        status = tessi_report_grow(ctx, set, &set->sweep, sweeps, set->sweeps + 1, sizeof *set->sweep);
    if (status == TESS_OK)
        status = sweep_head(ctx, set, folder, s, &set->sweep[set->sweeps++]);
    for (int64_t i = 0; status == TESS_OK && i < s->variants; i++) {
        status = tessi_report_grow(ctx, set, &set->run, runs, set->runs + 1, sizeof *set->run);
        if (status != TESS_OK)
            break;
        struct tessi_report_run *run = &set->run[set->runs++];
        *run = (struct tessi_report_run){.sweep = set->sweeps - 1};
        status = sweep_variant(ctx, set, s, i, &set->sweep[set->sweeps - 1], run);
    }
    tessi_sweep_free(s);
    return status;
}
