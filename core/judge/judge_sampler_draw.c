/* Tests of a sampler's single draws: that they repeat, what of the logits they read, and logits that are no numbers.
 * SPDX-License-Identifier: MIT */
#include "core/judge/judge_sampler.h"

#include <math.h>
#include <string.h>

static int sampler_look_repeats(const struct sampler_case *c, struct sampler_step *s, const float *logits)
{
    int32_t again[SAMPLER_TOKENS], kept[SAMPLER_TOKENS];
    float copy[SAMPLER_TOKENS * SAMPLER_CODES];
    uint64_t state[512];
    struct sampler_step t = *s;
    memcpy(kept, s->reverse.x, sizeof kept);
    memcpy(copy, logits, sizeof copy);
    for (int round = 0; round < 2; round++) { /* apart from x, and over x itself */
        memcpy(again, kept, sizeof again);
        memcpy(state, s->step.state ? s->step.state : state, c->state);
        t.step.state = c->state ? state : NULL;
        t.step.reverse = &t.reverse;
        t.reverse.x = round ? again : kept;
        t.reverse.next = again;
        JUDGE_TRY(judge_ok(c->j, c->ctx, "draw", c->ops->draw(c->self, c->ctx, &t.step)));
        if (round && memcmp(again, s->reverse.next, sizeof again) != 0)
            return judge_fail(c->j, "draw: wanted the same of the same stream and over x itself, found another with %lld steps left",
                              (long long)s->step.left);
        memcpy(s->reverse.next, again, sizeof again);
    }
    if (memcmp(copy, logits, sizeof copy) != 0)
        return judge_fail(c->j, "draw: wanted the logits left as they were, found them changed");
    return TESS_OK;
}

static int sampler_repeats_body(struct judge *j, struct tess_instance *i)
{
    return judge_sampler_all(j, i, &(const struct sampler_watch){sampler_look_repeats, NULL});
}

int judge_sampler_repeats(struct judge *j)
{
    return judge_over(j, 2 * (int64_t)j->level, sampler_repeats_body);
}

/* Tokens that it does not read stay as they are, and their logits do not matter. */
static int sampler_look_reads(const struct sampler_case *c, struct sampler_step *s, const float *logits)
{
    uint8_t where[SAMPLER_TOKENS];
    float other[SAMPLER_TOKENS * SAMPLER_CODES];
    int32_t first[SAMPLER_TOKENS];
    uint64_t state[512];
    int64_t marked = 0;
    if (!c->ops->reads)
        return judge_skip(c->j, "it reads all logits at every step");
    s->reverse.logits = NULL;
    memset(where, 7, sizeof where);
    int64_t told = c->ops->reads(c->self, &s->step, where), bare = c->ops->reads(c->self, &s->step, NULL);
    s->reverse.logits = logits;
    for (int64_t k = 0; told >= 0 && k < c->tokens; k++) {
        if (where[k] > 1)
            return judge_fail(c->j, "reads: wanted 0 or 1 for each token, found %d at %lld", (int)where[k], (long long)k);
        marked += where[k];
    }
    if (told != bare || (told >= 0 && told != marked))
        return judge_fail(c->j, "reads: wanted the number of tokens that it marks, %lld, found %lld, and %lld without marks",
                          (long long)marked, (long long)told, (long long)bare);
    memcpy(state, s->step.state ? s->step.state : state, c->state);
    JUDGE_TRY(judge_ok(c->j, c->ctx, "draw", c->ops->draw(c->self, c->ctx, &s->step)));
    memcpy(first, s->reverse.next, sizeof first);
    for (int64_t k = 0; k < c->tokens * SAMPLER_CODES; k++)
        other[k] = told < 0 || where[k / SAMPLER_CODES] ? logits[k] : NAN;
    s->reverse.logits = other;
    if (c->state)
        memcpy(s->step.state, state, c->state);
    JUDGE_TRY(judge_ok(c->j, c->ctx, "draw without the logits of other tokens", c->ops->draw(c->self, c->ctx, &s->step)));
    s->reverse.logits = logits;
    if (c->state)
        memcpy(s->step.state, state, c->state);
    if (memcmp(first, s->reverse.next, sizeof first) != 0)
        return judge_fail(c->j, "reads: wanted logits of other tokens not to matter, found another draw with %lld steps left",
                          (long long)s->step.left);
    if (told == 0 && memcmp(first, s->reverse.x, sizeof first) != 0)
        return judge_fail(c->j, "reads: wanted a call that reads none to leave x as it is, found it changed");
    return TESS_OK;
}

/* `reads` asks: tokens and state are as before, and marks end with the tokens. */
static int sampler_look_asked(const struct sampler_case *c, struct sampler_step *s, const float *logits)
{
    enum { FENCE = 64 };
    uint8_t where[SAMPLER_TOKENS + FENCE];
    int32_t kept[SAMPLER_TOKENS];
    uint64_t state[512];
    if (!c->ops->reads)
        return judge_skip(c->j, "it reads all logits at every step");
    memcpy(kept, s->reverse.x, (size_t)c->tokens * sizeof *kept);
    memcpy(state, s->step.state ? s->step.state : state, c->state);
    memset(where, 0xa5, sizeof where);
    s->reverse.logits = NULL;
    (void)c->ops->reads(c->self, &s->step, where);
    s->reverse.logits = logits;
    for (int64_t k = c->tokens; k < (int64_t)sizeof where; k++)
        if (where[k] != 0xa5)
            return judge_fail(c->j, "reads: wanted marks for the %lld tokens, found one at %lld", (long long)c->tokens, (long long)k);
    if (memcmp(kept, s->reverse.x, (size_t)c->tokens * sizeof *kept) != 0)
        return judge_fail(c->j, "reads: wanted x left as it was, found it changed");
    if (c->state && memcmp(state, s->step.state, c->state) != 0)
        return judge_fail(c->j, "reads: wanted the state left as it was, found it changed");
    return judge_ok(c->j, c->ctx, "draw", c->ops->draw(c->self, c->ctx, &s->step));
}

static int sampler_asked_body(struct judge *j, struct tess_instance *i)
{
    return judge_sampler_all(j, i, &(const struct sampler_watch){sampler_look_asked, NULL});
}

int judge_sampler_reads_keeps(struct judge *j)
{
    return judge_over(j, (int64_t)j->level, sampler_asked_body);
}

static int sampler_reads_body(struct judge *j, struct tess_instance *i)
{
    return judge_sampler_all(j, i, &(const struct sampler_watch){sampler_look_reads, NULL});
}

int judge_sampler_reads(struct judge *j)
{
    return judge_over(j, 2 * (int64_t)j->level, sampler_reads_body);
}

/* Logits that are no numbers. */
static int sampler_nan_body(struct judge *j, struct tess_instance *i)
{
    struct sampler_case c;
    float logits[SAMPLER_TOKENS * SAMPLER_CODES];
    int32_t x[SAMPLER_TOKENS], next[SAMPLER_TOKENS] = {0};
    uint64_t state[512] = {0};
    struct sampler_step s;
    const struct tess_stream random = {.seed = j->seed};
    JUDGE_TRY(judge_sampler_open(j, i, 0, SAMPLER_TOKENS, &c));
    for (int64_t k = 0; k < SAMPLER_TOKENS * SAMPLER_CODES; k++)
        logits[k] = NAN;
    c.steps = 1;
    int status = judge_ok(j, j->ctx, "start", tess_prior_start(j->ctx, &c.prior, &random, c.tokens, x));
    if (status == TESS_OK && c.state <= sizeof state) {
        judge_sampler_step_of(&c, 1, 0, 0, logits, x, next, c.state ? state : NULL, &s);
        int drawn = c.ops->draw(c.self, j->ctx, &s.step);
        status = judge_status(j, j->ctx, "draw", drawn);
        if (status == TESS_OK && drawn != TESS_E_FAILED)
            status = judge_fail(j, "draw: wanted TESS_E_FAILED (%d) for logits that are no numbers, found %d", TESS_E_FAILED, drawn);
    }
    judge_sampler_close(&c);
    return status;
}

int judge_sampler_not_finite(struct judge *j)
{
    return judge_over(j, 1, sampler_nan_body);
}
