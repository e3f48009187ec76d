/* Kind noise/1: ranges, inputs and repetition of its functions. judge_noise_steps.c has the reverse steps, judge_noise_chance.c the
 * distributions, judge_noise_bound.c the loss. SPDX-License-Identifier: MIT */
#include "core/judge/judge_noise.h"

#include <string.h>

/* ---- at work ------------------------------------------------------------------------------------------------------- */

int judge_noise_open(struct judge *j, struct tess_instance *i, int64_t tokens, int64_t codes, struct noise_case *n)
{
    *n = (struct noise_case){
        .j = j, .ctx = j->ctx, .ops = tess_instance_ops(i, "noise/1"), .self = tess_instance_self(i), .tokens = tokens, .codes = codes};
    n->vocabulary = n->ops->vocabulary(n->self, codes);
    n->steps = n->ops->steps(n->self);
    n->causal = TESS_HAS(n->ops, causal) && n->ops->causal;
    if (n->steps == 0)
        n->steps = tokens;
    if (n->steps < 1 || n->vocabulary < codes)
        return judge_skip(j, "its sizes are none, as the test `sizes` says");
    return TESS_OK;
}

int judge_noise_corrupt(const struct noise_case *n, int64_t t, uint32_t sample, const int32_t *x0, int32_t *xt)
{
    const struct tess_stream s = {.seed = n->j->seed, .step = (uint32_t)t, .sample = sample};
    return judge_ok(n->j, n->ctx, "corrupt", n->ops->corrupt(n->self, n->ctx, &s, n->tokens, n->codes, t, x0, xt));
}

struct tess_reverse judge_noise_step(const struct noise_case *n, int64_t left, int64_t all, uint32_t sample, const float *logits,
                               const int32_t *x, int32_t *next)
{
    return (struct tess_reverse){.size = sizeof(struct tess_reverse),
                                 .last = left == 1,
                                 .tokens = n->tokens,
                                 .codebook_size = n->codes,
                                 .from = (double)left / (double)all,
                                 .to = (double)(left - 1) / (double)all,
                                 .temperature = 1.0,
                                 .logits = logits,
                                 .x = x,
                                 .next = next,
                                 .random = {.seed = n->j->seed, .step = (uint32_t)left, .sample = sample}};
}

int judge_noise_reverse(const struct noise_case *n, int64_t left, int64_t all, uint32_t sample, const float *logits, const int32_t *x,
                  int32_t *next)
{
    struct tess_reverse r = judge_noise_step(n, left, all, sample, logits, x, next);
    return judge_ok(n->j, n->ctx, "reverse", n->ops->reverse(n->self, n->ctx, &r));
}

int64_t judge_noise_chain(const struct noise_case *n)
{
    return n->causal ? n->tokens : n->steps < 12 ? n->steps : 12;
}

void judge_noise_codes(const struct noise_case *n, uint32_t sample, int32_t *x0)
{
    const struct tess_stream s = {.seed = n->j->seed, .purpose = tess_purpose("codes"), .sample = sample};
    for (int64_t i = 0; i < n->tokens; i++)
        x0[i] = (int32_t)tess_random_below(&s, (uint64_t)i, n->codes);
}

void judge_noise_logits(const struct noise_case *n, uint32_t sample, float *logits)
{
    const struct tess_stream s = {.seed = n->j->seed, .purpose = tess_purpose("logits"), .sample = sample};
    tess_random_normal(&s, 0, n->tokens * n->codes, logits);
}

int judge_noise_within(const struct noise_case *n, const char *function, const int32_t *x, int64_t limit)
{
    for (int64_t i = 0; i < n->tokens; i++)
        if (x[i] < 0 || x[i] >= limit)
            return judge_fail(n->j, "%s: wanted tokens in [0, %lld), found %d at %lld", function, (long long)limit, (int)x[i],
                              (long long)i);
    return TESS_OK;
}

int judge_noise_start(const struct noise_case *n, uint32_t sample, int32_t *x)
{
    const struct tess_stream s = {.seed = n->j->seed, .sample = sample};
    JUDGE_TRY(judge_ok(n->j, n->ctx, "start", n->ops->start(n->self, n->ctx, &s, n->tokens, n->codes, x)));
    return judge_noise_within(n, "start", x, n->vocabulary);
}

/* ---- sizes --------------------------------------------------------------------------------------------------------- */

static int noise_sizes_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_noise_1 *ops = tess_instance_ops(i, "noise/1");
    void *self = tess_instance_self(i);
    const int64_t codes[4] = {2, 5, 256, 70000};
    int64_t steps = ops->steps(self);
    int causal = TESS_HAS(ops, causal) && ops->causal;
    if (steps < 0 || steps > TESS_STEPS_MAX)
        return judge_fail(j, "steps: wanted 0 .. %d, found %lld", TESS_STEPS_MAX, (long long)steps);
    if (causal && steps)
        return judge_fail(j, "steps: wanted 0 of a noise that is causal, found %lld", (long long)steps);
    for (int k = 0; k < 4; k++) {
        int64_t v = ops->vocabulary(self, codes[k]);
        if (v < codes[k] || v > INT32_MAX)
            return judge_fail(j, "vocabulary: wanted at least the %lld codes, found %lld", (long long)codes[k], (long long)v);
        if (ops->vocabulary(self, codes[k]) != v || ops->steps(self) != steps)
            return judge_fail(j, "wanted the same sizes when asked again");
    }
    return TESS_OK;
}

static int noise_sizes(struct judge *j)
{
    return judge_over(j, 8 * (int64_t)j->level, noise_sizes_body);
}

/* ---- corrupt ------------------------------------------------------------------------------------------------------- */

/* The k-th time to test: both ends and some between. */
static int64_t noise_time(const struct noise_case *n, int k)
{
    const int64_t t[5] = {1, n->steps, (n->steps + 1) / 2, n->steps > 1 ? 2 : 1, n->steps > 1 ? n->steps - 1 : 1};
    return t[k];
}

/* Checks corrupt at one time, length and number of codes: the range, the input unchanged, the same result again. */
static int noise_corrupt_at(const struct noise_case *n, int64_t t, int what)
{
    int32_t x0[NOISE_TOKENS_MAX], copy[NOISE_TOKENS_MAX], xt[NOISE_TOKENS_MAX], again[NOISE_TOKENS_MAX];
    for (uint32_t sample = 0; sample < 16; sample++) {
        judge_noise_codes(n, sample, x0);
        memcpy(copy, x0, sizeof copy);
        JUDGE_TRY(judge_noise_corrupt(n, t, sample, x0, xt));
        if (what == 0)
            JUDGE_TRY(judge_noise_within(n, "corrupt", xt, n->vocabulary));
        if (what == 1 && memcmp(x0, copy, (size_t)n->tokens * sizeof *x0) != 0)
            return judge_fail(n->j, "corrupt: wanted x0 left as it was, found it changed at t = %lld", (long long)t);
        JUDGE_TRY(judge_noise_corrupt(n, t, sample, x0, again));
        if (what == 2 && memcmp(xt, again, (size_t)n->tokens * sizeof *xt) != 0)
            return judge_fail(n->j, "corrupt: wanted the same of the same stream, found another at t = %lld", (long long)t);
    }
    return TESS_OK;
}

static int noise_corrupt_all(struct judge *j, struct tess_instance *i, int what)
{
    const int64_t tokens[3] = {1, NOISE_TOKENS, 131}, codes[3] = {2, NOISE_CODES, 1000};
    struct noise_case n;
    for (int size = 0; size < 3; size++) {
        JUDGE_TRY(judge_noise_open(j, i, tokens[size], codes[size], &n));
        for (int k = 0; k < 5; k++)
            JUDGE_TRY(noise_corrupt_at(&n, noise_time(&n, k), what));
    }
    return TESS_OK;
}

static int noise_range_body(struct judge *j, struct tess_instance *i)
{
    return noise_corrupt_all(j, i, 0);
}

static int noise_kept_body(struct judge *j, struct tess_instance *i)
{
    return noise_corrupt_all(j, i, 1);
}

static int noise_same_body(struct judge *j, struct tess_instance *i)
{
    return noise_corrupt_all(j, i, 2);
}

static int noise_corrupt_range(struct judge *j)
{
    return judge_over(j, 4 * (int64_t)j->level, noise_range_body);
}

static int noise_corrupt_kept(struct judge *j)
{
    return judge_over(j, 1 + (int64_t)j->level, noise_kept_body);
}

static int noise_corrupt_repeats(struct judge *j)
{
    return judge_over(j, 1 + (int64_t)j->level, noise_same_body);
}

/* Tries times outside 1 .. T: a failure with a message, or a state within the vocabulary. */
static int noise_outside_body(struct judge *j, struct tess_instance *i)
{
    struct noise_case n;
    int32_t x0[NOISE_TOKENS_MAX], xt[NOISE_TOKENS_MAX];
    JUDGE_TRY(judge_noise_open(j, i, NOISE_TOKENS, NOISE_CODES, &n));
    const int64_t wrong[3] = {0, -1, n.steps + 1};
    judge_noise_codes(&n, 0, x0);
    for (int k = 0; k < 3; k++) {
        const struct tess_stream s = {.seed = j->seed};
        memset(xt, 0, sizeof xt);
        int status = n.ops->corrupt(n.self, j->ctx, &s, n.tokens, n.codes, wrong[k], x0, xt);
        JUDGE_TRY(judge_status(j, j->ctx, "corrupt", status));
        if (status == TESS_OK)
            JUDGE_TRY(judge_noise_within(&n, "corrupt", xt, n.vocabulary));
        tess_forget(j->ctx);
    }
    return TESS_OK;
}

static int noise_corrupt_outside(struct judge *j)
{
    return judge_over(j, 1 + (int64_t)j->level, noise_outside_body);
}

/* ---- start --------------------------------------------------------------------------------------------------------- */

static int noise_start_body(struct judge *j, struct tess_instance *i)
{
    const int64_t tokens[3] = {1, NOISE_TOKENS, 131};
    struct noise_case n;
    int32_t a[NOISE_TOKENS_MAX], b[NOISE_TOKENS_MAX];
    for (int k = 0; k < 3; k++) {
        JUDGE_TRY(judge_noise_open(j, i, tokens[k], NOISE_CODES, &n));
        JUDGE_TRY(judge_noise_start(&n, 3, a));
        JUDGE_TRY(judge_noise_start(&n, 3, b));
        if (memcmp(a, b, (size_t)n.tokens * sizeof *a) != 0)
            return judge_fail(j, "start: wanted the same of the same stream, found another");
    }
    return TESS_OK;
}

static int noise_starts(struct judge *j)
{
    return judge_over(j, 2 * (int64_t)j->level, noise_start_body);
}

static const struct judge_test tests[] = {
    {"sizes", 1, "steps and vocabulary: within their limits, and the same when asked again", noise_sizes},
    {"corrupt-range", 1, "noised tokens lie in the vocabulary, at every time", noise_corrupt_range},
    {"corrupt-kept", 1, "corrupt leaves the codes it is given as they are", noise_corrupt_kept},
    {"corrupt-repeats", 1, "the same stream noises in the same way", noise_corrupt_repeats},
    {"corrupt-outside", 1, "a time outside 1 .. T: a failure with a message, or tokens in the vocabulary", noise_corrupt_outside},
    {"corrupt-grows", 1, "the later, the fewer tokens are as they were", judge_noise_corrupt_grows},
    {"corrupt-alike", 1, "all tokens of a sequence are noised with the same chance", judge_noise_corrupt_alike},
    {"start", 1, "sampling starts within the vocabulary, the same for the same stream", noise_starts},
    {"start-is-marginal", 1, "sampling starts with the tokens that the last time leaves", judge_noise_start_is_marginal},
    {"reverse-range", 1, "steps back stay in the vocabulary", judge_noise_reverse_range},
    {"finishes", 1, "after the last step back all tokens are codes", judge_noise_finishes},
    {"reverse-repeats", 1, "the same stream steps back in the same way", judge_noise_reverse_repeats},
    {"reverse-in-place", 1, "a step back over its own input is the same", judge_noise_reverse_in_place},
    {"reverse-kept", 1, "a step back leaves x and the logits as they are", judge_noise_reverse_kept},
    {"reverse-posterior", 1, "steps back towards known codes give what the noise gives at the earlier time", judge_noise_reverse_posterior},
    {"reverse-exact", 1, "steps back with the exact prediction give the known source's marginal at the earlier time",
     judge_noise_reverse_exact},
    {"temperature", 1, "at a low temperature the likeliest code is drawn", judge_noise_temperature},
    {"not-finite", 1, "logits that are no numbers give TESS_E_FAILED", judge_noise_not_finite},
    {"changes", 1, "`changes` counts and marks the tokens that a step draws; all others stay", judge_noise_changes},
    {"logits-by-row", 1, "logits found by `row` give the same step", judge_noise_rows},
    {"condition", 1, "known tokens are in the vocabulary, themselves at the end; all others stay", judge_noise_condition},
    {"condition-marginal", 1, "known tokens are noised as corrupt does", judge_noise_condition_marginal},
    {"any-thread", 1, "corrupt and reverse on several threads at once give the same", judge_noise_any_thread},
    {"bound-times", 1, "loss and bound are finite at every time", judge_noise_bound_times},
    {"bound-constant", 1, "the bound's constant is finite and not negative", judge_noise_bound_constant},
    {"bound-known-source", 1, "the bound is not below the entropy of a known source", judge_noise_bound_known_source},
    {"bound-perfect", 1, "the bound of a perfect prediction is 0 beside its constant", judge_noise_bound_perfect},
    {"draw-time", 1, "times of training lie in 1 .. T, the same for the same stream", judge_noise_draw_time},
    {"times-restored", 1, "after a restart, from weights alone, the same times are drawn", judge_noise_times_restored},
    {NULL, 0, NULL, NULL}};

const struct judge_kind judge_noise = {"noise/1", tests, judge_noise_workloads};
