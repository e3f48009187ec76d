/* Variants that are the same in all stages: the first one is run, the others are named. Where that is so for every pair that differs in one
 * axis alone, the axis changes nothing, which its writer should know.
 *
 * SPDX-License-Identifier: MIT */
#include "core/sweep/plan_private.h"

#include <string.h>

static int duplicates_same(const struct tessi_sweep_planned *a, const struct tessi_sweep_planned *b)
{
    return a->status == TESS_OK && b->status == TESS_OK && a->stages == b->stages &&
           memcmp(a->stage, b->stage, (size_t)a->stages * sizeof *a->stage) == 0;
}

/* 1 where two variants have the same values but for the axes zipped with `axis`. */
static int duplicates_beside(const struct tessi_sweep *s, int64_t axis, int64_t a, int64_t b)
{
    for (int64_t i = 0; i < s->axes; i++)
        if (s->axis[i].zip != axis && s->variant[a].at[i] != s->variant[b].at[i])
            return 0;
    return 1;
}

static int duplicates_axis(struct tess_context *ctx, struct tessi_sweep *s, const struct tessi_sweep_plan *p, int64_t axis)
{
    int64_t same = 0;
    for (int64_t a = 0; a < s->variants; a++)
        for (int64_t b = a + 1; b < s->variants; b++) {
            if (!duplicates_beside(s, axis, a, b))
                continue;
            if (!duplicates_same(&p->variant[a], &p->variant[b]))
                return TESS_OK;
            same++;
        }
    if (!same)
        return TESS_OK;
    return tessi_sweep_note(ctx, s, "the axis `%s` changes nothing: whatever its value, all stages are the same", s->axis[axis].name);
}

#define TOLD 5 /* duplicates that are named one by one */

int tessi_sweep_plan_duplicates(struct tess_context *ctx, struct tessi_sweep *s, struct tessi_sweep_plan *p)
{
    void *memory;
    int64_t kept = 0;
    for (int64_t i = 0; i < s->axes; i++)
        if (s->axis[i].zip == i && s->axis[i].count > 1)
            TESS_TRY(duplicates_axis(ctx, s, p, i));
    TESS_TRY(tessi_sweep_alloc(ctx, s, (size_t)s->variants * sizeof *s->duplicate, &memory));
    s->duplicate = memory;
    for (int64_t i = 0; i < s->variants; i++) {
        int64_t of = 0;
        while (of < kept && !duplicates_same(&p->variant[of], &p->variant[i]))
            of++;
        if (of < kept) {
            if (s->duplicates < TOLD)
                TESS_TRY(tessi_sweep_note(ctx, s, "%s is the same as %s in all stages; it is run once", s->variant[i].name,
                                          s->variant[of].name));
            s->duplicate[s->duplicates].name = s->variant[i].name;
            s->duplicate[s->duplicates++].of = s->variant[of].name;
            for (int64_t k = 0; k < p->variant[i].stages; k++)
                p->stage[p->variant[i].stage[k]].users--;
            continue;
        }
        s->variant[kept] = s->variant[i];
        p->variant[kept++] = p->variant[i];
    }
    s->variants = kept;
    if (s->duplicates > TOLD)
        return tessi_sweep_note(ctx, s, "and %lld more are the same as others", (long long)(s->duplicates - TOLD));
    return TESS_OK;
}
