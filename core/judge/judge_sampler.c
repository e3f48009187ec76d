/* Kind sampler/1: one step of one sequence at a time, with the noises that it takes and with logits of the test's own.
 * SPDX-License-Identifier: MIT */
#include "core/judge/judge_sampler.h"

#include <stdio.h>
#include <string.h>

static int sampler_of_noise(struct judge *j, const char *name, struct tess_instance **out)
{
    char text[160];
    snprintf(text, sizeof text, "{use: %s}", name);
    return tess_instance_open(j->ctx, "noise/1", text, "the test", out);
}

void judge_sampler_close(struct sampler_case *c)
{
    tess_instance_close(c->prior.noise);
    tess_instance_close(c->prior.denoiser);
    c->prior.noise = c->prior.denoiser = NULL;
}

/* Opens a denoiser with its defaults, so that a sampler that asks the prior about it gets an answer. */
static int sampler_denoiser(struct judge *j, struct tess_instance **out)
{
    const char *name = judge_other(j, "denoiser/1", "");
    char text[160];
    if (!name)
        return judge_skip(j, "there is no denoiser that opens with its defaults");
    snprintf(text, sizeof text, "{use: %s}", name);
    return judge_ok(j, j->ctx, "opening a denoiser", tess_instance_open(j->ctx, "denoiser/1", text, "the test", out));
}

/* Opens the sampler with the n-th noise that is not causal and that it takes; JUDGE_UNFIT past the last. */
int judge_sampler_open(struct judge *j, struct tess_instance *i, int64_t n, int64_t tokens, struct sampler_case *c)
{
    const struct tess_component *k;
    *c = (struct sampler_case){.j = j, .ctx = j->ctx, .ops = tess_instance_ops(i, "sampler/1"), .self = tess_instance_self(i)};
    c->tokens = tokens;
    c->steps = SAMPLER_STEPS;
    c->prior = (struct tess_prior){.codebook_size = SAMPLER_CODES, .height = 1, .width = tokens};
    JUDGE_TRY(sampler_denoiser(j, &c->prior.denoiser));
    for (int64_t at = 0; (k = tessi_plug_registry_component(j->runtime->registry, at, NULL)); at++) {
        if (strcmp(k->kind, "noise/1") != 0 || sampler_of_noise(j, k->name, &c->prior.noise) != TESS_OK) {
            tess_forget(j->ctx);
            continue;
        }
        int takes = !tess_prior_causal(&c->prior) && (!c->ops->check || c->ops->check(c->self, j->ctx, &c->prior) == TESS_OK);
        tess_forget(j->ctx);
        if (takes && n-- == 0) {
            c->vocabulary = tess_prior_vocabulary(&c->prior);
            c->state = c->ops->state_size ? (size_t)c->ops->state_size(c->self, tokens, SAMPLER_CODES) : 0;
            return TESS_OK;
        }
        tess_instance_close(c->prior.noise);
        c->prior.noise = NULL;
    }
    judge_sampler_close(c);
    return JUDGE_UNFIT;
}

/* ---- one step ------------------------------------------------------------------------------------------------------ */

void judge_sampler_step_of(const struct sampler_case *c, int64_t left, int32_t call, uint32_t sample, const float *logits, const int32_t *x,
                           int32_t *next, void *state, struct sampler_step *s)
{
    s->reverse =
        (struct tess_reverse){.size = sizeof s->reverse,
                              .last = left == 1,
                              .tokens = c->tokens,
                              .codebook_size = SAMPLER_CODES,
                              .from = (double)left / (double)c->steps,
                              .to = (double)(left - 1) / (double)c->steps,
                              .temperature = 1.0,
                              .logits = logits,
                              .x = x,
                              .next = next,
                              .random = {.seed = c->j->seed, .purpose = tess_purpose("sampler"), .step = (uint32_t)left, .sample = sample}};
    s->step = (struct tess_sampler_step){
        .size = sizeof s->step, .call = call, .left = left, .steps = c->steps, .prior = &c->prior, .reverse = &s->reverse, .state = state};
}

static int64_t sampler_calls(const struct sampler_case *c, int64_t left)
{
    return c->ops->calls ? c->ops->calls(c->self, left, c->steps) : 1;
}

static void sampler_logits(const struct sampler_case *c, uint32_t sample, int64_t left, float *logits)
{
    const struct tess_stream s = {.seed = c->j->seed, .purpose = tess_purpose("logits"), .step = (uint32_t)left, .sample = sample};
    tess_random_normal(&s, 0, c->tokens * SAMPLER_CODES, logits);
}

static int sampler_within(const struct sampler_case *c, const int32_t *x, int64_t limit, int64_t left)
{
    for (int64_t i = 0; i < c->tokens; i++)
        if (x[i] < 0 || x[i] >= limit)
            return judge_fail(c->j, "draw: wanted tokens in [0, %lld) with %lld steps left after it, found %d at %lld", (long long)limit,
                              (long long)(left - 1), (int)x[i], (long long)i);
    return TESS_OK;
}

/* Samples a whole sequence, from the noise's start to its end. */
int judge_sampler_sequence(const struct sampler_case *c, uint32_t sample, const struct sampler_watch *w, int32_t *x)
{
    float logits[SAMPLER_TOKENS * SAMPLER_CODES];
    int32_t next[SAMPLER_TOKENS];
    const struct tess_stream random = {.seed = c->j->seed, .sample = sample};
    uint64_t state[512] = {0};
    if (c->state > sizeof state)
        return judge_skip(c->j, "it keeps %zu bytes with each sequence, more than the test has", c->state);
    JUDGE_TRY(judge_ok(c->j, c->ctx, "start", tess_prior_start(c->ctx, &c->prior, &random, c->tokens, x)));
    for (int64_t left = c->steps; left > 0; left--)
        for (int64_t call = 0, calls = sampler_calls(c, left); call < calls; call++) {
            struct sampler_step s;
            if (w->source)
                memcpy(logits, w->source, sizeof logits);
            else
                sampler_logits(c, sample, left * 64 + call, logits);
            judge_sampler_step_of(c, left, (int32_t)call, sample, logits, x, next, c->state ? state : NULL, &s);
            if (w->look)
                JUDGE_TRY(w->look(c, &s, logits));
            JUDGE_TRY(judge_ok(c->j, c->ctx, "draw", c->ops->draw(c->self, c->ctx, &s.step)));
            JUDGE_TRY(sampler_within(c, next, left == 1 && call == calls - 1 ? SAMPLER_CODES : c->vocabulary, left));
            memcpy(x, next, (size_t)c->tokens * sizeof *x);
        }
    return TESS_OK;
}

int judge_sampler_all(struct judge *j, struct tess_instance *i, const struct sampler_watch *w)
{
    struct sampler_case c;
    int32_t x[SAMPLER_TOKENS];
    int status;
    int64_t n = 0;
    for (; (status = judge_sampler_open(j, i, n, SAMPLER_TOKENS, &c)) == TESS_OK; n++) {
        for (uint32_t sample = 0; status == TESS_OK && sample < 16; sample++)
            status = judge_sampler_sequence(&c, sample, w, x);
        judge_sampler_close(&c);
        JUDGE_TRY(status);
    }
    if (status == JUDGE_UNFIT && n)
        return TESS_OK;
    if (status == JUDGE_UNFIT)
        (void)judge_skip(j, "there is no noise that it takes");
    return status;
}

/* ---- tests --------------------------------------------------------------------------------------------------------- */

static int sampler_sizes_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_sampler_1 *ops = tess_instance_ops(i, "sampler/1");
    void *self = tess_instance_self(i);
    for (int64_t steps = 1; steps <= 64; steps *= 4)
        for (int64_t left = 1; ops->calls && left <= steps; left++) {
            int64_t calls = ops->calls(self, left, steps);
            if (calls < 1 || calls > TESS_SAMPLER_CALLS_MAX)
                return judge_fail(j, "calls: wanted 1 .. %d, found %lld with %lld of %lld steps left", TESS_SAMPLER_CALLS_MAX,
                                  (long long)calls, (long long)left, (long long)steps);
        }
    int64_t bytes = ops->state_size ? ops->state_size(self, 64, 512) : 0;
    if (bytes < 0 || bytes > TESS_SAMPLER_STATE_MAX)
        return judge_fail(j, "state_size: wanted 0 .. %d, found %lld", TESS_SAMPLER_STATE_MAX, (long long)bytes);
    return TESS_OK;
}

static int sampler_sizes(struct judge *j)
{
    return judge_over(j, 4 * (int64_t)j->level, sampler_sizes_body);
}

static int sampler_finishes_body(struct judge *j, struct tess_instance *i)
{
    return judge_sampler_all(j, i, &(const struct sampler_watch){NULL, NULL});
}

static int sampler_finishes(struct judge *j)
{
    return judge_over(j, 2 + 2 * (int64_t)j->level, sampler_finishes_body);
}

/* Checks the sampler with every noise that is found: taken, or refused with TESS_E_VALUE and a message that names one that would do. */
static int sampler_check_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_sampler_1 *ops = tess_instance_ops(i, "sampler/1");
    const struct tess_component *k;
    struct tess_prior p = {.codebook_size = SAMPLER_CODES, .height = 2, .width = 3};
    int status = ops->check ? sampler_denoiser(j, &p.denoiser) : judge_skip(j, "it takes every prior");
    for (int64_t at = 0; status == TESS_OK && (k = tessi_plug_registry_component(j->runtime->registry, at, NULL)); at++) {
        if (strcmp(k->kind, "noise/1") != 0 || sampler_of_noise(j, k->name, &p.noise) != TESS_OK) {
            tess_forget(j->ctx);
            continue;
        }
        int checked = ops->check(tess_instance_self(i), j->ctx, &p);
        status = judge_status(j, j->ctx, "check", checked);
        if (status == TESS_OK && checked != TESS_OK && checked != TESS_E_VALUE)
            status =
                judge_fail(j, "check: wanted a prior that it cannot take refused with TESS_E_VALUE (%d), found %d", TESS_E_VALUE, checked);
        tess_forget(j->ctx);
        tess_instance_close(p.noise);
        p.noise = NULL;
    }
    tess_instance_close(p.denoiser);
    return status;
}

static int sampler_check(struct judge *j)
{
    return judge_over(j, 1, sampler_check_body);
}

/* A sequence depends on its own number alone, not on those drawn before. */
static int sampler_order_body(struct judge *j, struct tess_instance *i)
{
    struct sampler_case c;
    int32_t forth[8][SAMPLER_TOKENS], back[SAMPLER_TOKENS];
    const struct sampler_watch none = {NULL, NULL};
    JUDGE_TRY(judge_sampler_open(j, i, 0, SAMPLER_TOKENS, &c));
    int status = TESS_OK;
    for (uint32_t k = 0; status == TESS_OK && k < 8; k++)
        status = judge_sampler_sequence(&c, k, &none, forth[k]);
    for (uint32_t k = 8; status == TESS_OK && k-- > 0;) {
        status = judge_sampler_sequence(&c, k, &none, back);
        if (status == TESS_OK && memcmp(back, forth[k], sizeof back) != 0)
            status = judge_fail(j, "wanted sequence %u to be the same whatever was drawn before it, found another", k);
    }
    judge_sampler_close(&c);
    return status;
}

static int sampler_order(struct judge *j)
{
    return judge_over(j, 2 * (int64_t)j->level, sampler_order_body);
}

/* Samples with one step for all tokens, and with as many steps as there are tokens. */
static int sampler_steps_body(struct judge *j, struct tess_instance *i)
{
    static const int64_t steps[4] = {1, 2, SAMPLER_TOKENS, 40};
    struct sampler_case c;
    int32_t x[SAMPLER_TOKENS];
    const struct sampler_watch none = {NULL, NULL};
    JUDGE_TRY(judge_sampler_open(j, i, 0, SAMPLER_TOKENS, &c));
    int status = TESS_OK;
    for (int k = 0; status == TESS_OK && k < 4; k++) {
        c.steps = steps[k];
        for (uint32_t sample = 0; status == TESS_OK && sample < 8; sample++)
            status = judge_sampler_sequence(&c, sample, &none, x);
    }
    judge_sampler_close(&c);
    return status;
}

static int sampler_steps(struct judge *j)
{
    return judge_over(j, 2 * (int64_t)j->level, sampler_steps_body);
}

static int sampler_one_token_body(struct judge *j, struct tess_instance *i)
{
    struct sampler_case c;
    int32_t x[SAMPLER_TOKENS];
    const struct sampler_watch none = {NULL, NULL};
    JUDGE_TRY(judge_sampler_open(j, i, 0, 1, &c));
    int status = TESS_OK;
    for (uint32_t sample = 0; status == TESS_OK && sample < 8; sample++)
        status = judge_sampler_sequence(&c, sample, &none, x);
    judge_sampler_close(&c);
    return status;
}

static int sampler_one_token(struct judge *j)
{
    return judge_over(j, 2 * (int64_t)j->level, sampler_one_token_body);
}

static const struct judge_test tests[] = {
    {"sizes", 1, "calls of the denoiser and bytes of state lie within their limits", sampler_sizes},
    {"check", 1, "a prior is taken, or refused with TESS_E_VALUE", sampler_check},
    {"finishes", 1, "tokens stay in the vocabulary, and after the last step all are codes", sampler_finishes},
    {"steps", 1, "any number of steps from 1 on finishes", sampler_steps},
    {"one-token", 1, "a sequence of one token finishes", sampler_one_token},
    {"repeats", 1, "the same stream draws the same, over x itself as well; logits stay as they are", judge_sampler_repeats},
    {"reads", 1, "`reads` counts and marks the tokens whose logits matter", judge_sampler_reads},
    {"reads-keeps", 1, "`reads` changes neither tokens nor state, and marks no more than the tokens", judge_sampler_reads_keeps},
    {"not-finite", 1, "logits that are no numbers give TESS_E_FAILED", judge_sampler_not_finite},
    {"any-order", 1, "a sequence depends on its number, not on those before it", sampler_order},
    {"any-thread", 1, "several threads at once draw what one does", judge_sampler_any_thread},
    {"exact", 1, "tokens of a known source are drawn with its frequencies, alone and in pairs", judge_sampler_exact},
    {NULL, 0, NULL, NULL}};

const struct judge_kind judge_sampler = {"sampler/1", tests, NULL};
