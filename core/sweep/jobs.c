/* The DAG over all variants. A stage is one job, whoever needs it; the variants are gone through in order and each one's stages in order,
 * so what is begun is finished first, and a sweep that is stopped early has whole variants to show. A shard begins with its own part of the
 * variants and goes on with the others', so that whoever is done first takes what is left.
 *
 * SPDX-License-Identifier: MIT */
#include "core/sweep/jobs.h"

#include "core/base/files.h"
#include "core/base/lock.h"

#include <stdio.h>
#include <string.h>

static void jobs_order(const struct tessi_sweep_plan *p, const struct tessi_sweep_settings *o, int64_t *order)
{
    int64_t n = p->sweep->variants, shards = o->shards > 1 ? o->shards : 1, first = o->shards > 1 ? o->shard - 1 : 0;
    int64_t from = n * first / shards;
    for (int64_t i = 0; i < n; i++)
        order[i] = (from + i) % n;
}

static void jobs_outcome_before(struct tess_context *ctx, const struct tessi_sweep_planned *v, struct stat *out)
{
    char *path = NULL;
    memset(out, 0, sizeof *out);
    if (v->folder && tessi_base_format(ctx, &path, "%s/outcome.yaml", v->folder) == TESS_OK && stat(path, out) != 0)
        memset(out, 0, sizeof *out);
    tess_free(path);
}

int tessi_sweep_jobs_new(struct tess_context *ctx, const struct tessi_sweep_plan *p, const struct tessi_sweep_settings *o,
                         struct tessi_sweep_jobs *out)
{
    void *memory;
    *out = (struct tessi_sweep_jobs){.plan = p};
    TESS_TRY(tess_alloc(ctx, (size_t)(p->stages + 1) * sizeof *out->job, "the stages of a sweep", &memory));
    out->job = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)p->sweep->variants * sizeof *out->row, "the variants of a sweep", &memory));
    out->row = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)p->sweep->variants * sizeof *out->order, "the variants of a sweep", &memory));
    out->order = memory;
    jobs_order(p, o, out->order);
    for (int64_t i = 0; i < p->stages; i++) {
        out->job[i].state = p->stage[i].cached ? TESSI_JOB_DONE : TESSI_JOB_WAITS;
        out->total += !p->stage[i].cached;
    }
    for (int64_t i = 0; i < p->sweep->variants; i++)
        jobs_outcome_before(ctx, &p->variant[i], &out->row[i].before);
    return TESS_OK;
}

void tessi_sweep_jobs_free(struct tessi_sweep_jobs *j)
{
    for (int64_t i = 0; j->job && i < j->plan->stages; i++)
        tess_free(j->job[i].cached);
    tess_free(j->job);
    tess_free(j->row);
    tess_free(j->order);
}

int64_t tessi_sweep_jobs_memory(const struct tessi_sweep_jobs *j, int64_t variant, int64_t stage)
{
    return stage == TESSI_JOB_SETTLE ? 0 : j->plan->stage[j->plan->variant[variant].stage[stage]].memory;
}

static int jobs_is_ready(const struct tessi_sweep_jobs *j, int64_t stage)
{
    const struct tessi_sweep_stage *s = &j->plan->stage[stage];
    if (j->job[stage].state != TESSI_JOB_WAITS)
        return 0;
    for (int64_t i = 0; i < s->needs; i++)
        if (j->job[s->need[i]].state != TESSI_JOB_DONE)
            return 0;
    return 1;
}

/* The next job of one variant. */
static int jobs_next_of(const struct tessi_sweep_jobs *j, int64_t variant, int64_t memory, int64_t *stage)
{
    const struct tessi_sweep_planned *v = &j->plan->variant[variant];
    int64_t left = 0;
    if (j->row[variant].outcome != TESSI_SWEEP_NOT_RUN || j->row[variant].settling)
        return 0;
    for (*stage = 0; *stage < v->stages; ++*stage) {
        int64_t i = v->stage[*stage];
        left += j->job[i].state != TESSI_JOB_DONE;
        if (jobs_is_ready(j, i) && (memory == 0 || j->plan->stage[i].memory <= memory))
            return 1;
    }
    *stage = TESSI_JOB_SETTLE;
    return left == 0;
}

int tessi_sweep_jobs_next(const struct tessi_sweep_jobs *j, int64_t variant, int64_t memory, int64_t *out_variant, int64_t *out_stage)
{
    *out_variant = variant;
    if (variant >= 0 && jobs_next_of(j, variant, memory, out_stage))
        return 1;
    for (int64_t i = 0; i < j->plan->sweep->variants; i++) {
        *out_variant = j->order[i];
        if (jobs_next_of(j, *out_variant, memory, out_stage))
            return 1;
    }
    return 0;
}

int64_t tessi_sweep_jobs_ready(const struct tessi_sweep_jobs *j)
{
    int64_t n = 0;
    for (int64_t i = 0; i < j->plan->stages; i++)
        n += jobs_is_ready(j, i);
    return n;
}

int tessi_sweep_jobs_look(struct tessi_sweep_jobs *j)
{
    int any = 0;
    for (int64_t i = 0; i < j->plan->stages; i++) {
        struct tessi_sweep_job *job = &j->job[i];
        char lock[4096];
        if (job->state != TESSI_JOB_BUSY)
            continue;
        any = 1;
        size_t length = strlen(job->cached) - strlen(".h5");
        int known = snprintf(lock, sizeof lock, "%.*s.lock", (int)length, job->cached) < (int)sizeof lock;
        if (tessi_base_is_file(job->cached) || (known && !tessi_base_lock_held(lock)))
            job->state = TESSI_JOB_WAITS; /* whoever runs it finds it, or computes it */
    }
    return any;
}
