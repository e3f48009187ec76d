/* Kind noise/1: distributions of drawn tokens against the exact ones, by counting.
 *
 * Two facts hold for every noise and need no formula of it. With q(x_t | x_0) the noise itself: (1) reverse steps towards a known x_0 undo
 * it, sum over x_t of q(x_t | x_0) p(x_s | x_t, x_0) = q(x_s | x_0). (2) The same holds for codes that are drawn independently from a known
 * source when the logits are those of the exact p(x_0 | x_t), which counting gives as well. Errors of counts are allowed for by six
 * standard deviations, and the rounding of a fixed number of noised tokens by 1 / L.
 *
 * SPDX-License-Identifier: MIT */
#include "core/judge/judge_noise.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CHANCE_TOKENS = 200, CHANCE_CODES = 3, CHANCE_STATES = 8 };

struct histogram {
    double count[CHANCE_STATES], all;
};

static int chance_open(struct judge *j, struct tess_instance *i, struct noise_case *n)
{
    JUDGE_TRY(judge_noise_open(j, i, CHANCE_TOKENS, CHANCE_CODES, n));
    if (n->causal)
        return judge_skip(j, "it noises nothing: tokens are drawn in order");
    if (n->vocabulary > CHANCE_STATES)
        return judge_skip(j, "it has more than %d states for %d codes", CHANCE_STATES, CHANCE_CODES);
    return TESS_OK;
}

static int64_t chance_samples(const struct noise_case *n)
{
    return 60 + 60 * (int64_t)n->j->level;
}

static int chance_count(const struct noise_case *n, const char *function, struct histogram *h, const int32_t *x)
{
    JUDGE_TRY(judge_noise_within(n, function, x, n->vocabulary));
    for (int64_t i = 0; i < n->tokens; i++)
        h->count[x[i]] += 1.0;
    h->all += (double)n->tokens;
    return TESS_OK;
}

/* Checks that two histograms are of one distribution. */
static int chance_same(const struct noise_case *n, const struct histogram *a, const struct histogram *b, double spare, const char *what)
{
    for (int64_t k = 0; k < n->vocabulary; k++) {
        double p = a->count[k] / a->all, q = b->count[k] / b->all, m = 0.5 * (p + q);
        double sigma = sqrt(m * (1.0 - m) * (1.0 / a->all + 1.0 / b->all));
        if (fabs(p - q) > 6.0 * sigma + spare)
            return judge_fail(n->j, "%s: wanted token %lld with a chance of %.4f, found %.4f (of %.0f tokens)", what, (long long)k, q, p,
                              a->all);
    }
    return TESS_OK;
}

/* Counts corrupt at t on sequences that are all `code`; t 0: the codes themselves. */
static int chance_corrupt(const struct noise_case *n, int64_t t, int32_t code, uint32_t first, struct histogram *h)
{
    int32_t x0[CHANCE_TOKENS], xt[CHANCE_TOKENS];
    memset(h, 0, sizeof *h);
    for (int64_t i = 0; i < n->tokens; i++)
        x0[i] = code;
    for (int64_t sample = 0; sample < chance_samples(n); sample++) {
        if (t > 0)
            JUDGE_TRY(judge_noise_corrupt(n, t, first + (uint32_t)sample, x0, xt));
        JUDGE_TRY(chance_count(n, "corrupt", h, t > 0 ? xt : x0));
    }
    return TESS_OK;
}

/* ---- corrupt ------------------------------------------------------------------------------------------------------- */

static int chance_grows_body(struct judge *j, struct tess_instance *i)
{
    struct noise_case n;
    struct histogram h;
    double before = 1.0;
    JUDGE_TRY(chance_open(j, i, &n));
    for (int k = 0; k <= 4; k++) {
        int64_t t = k == 0 ? 1 : n.steps * k / 4;
        if (t < 1)
            continue;
        JUDGE_TRY(chance_corrupt(&n, t, 1, 0, &h));
        double kept = h.count[1] / h.all;
        if (kept > before + 6.0 * sqrt(0.5 / h.all) + 1.0 / CHANCE_TOKENS)
            return judge_fail(j, "wanted fewer tokens as they were at t = %lld than before, found a share of %.4f after %.4f", (long long)t,
                              kept, before);
        before = kept;
    }
    return TESS_OK;
}

int judge_noise_corrupt_grows(struct judge *j)
{
    return judge_over(j, (int64_t)j->level, chance_grows_body);
}

/* Compares the shares of noised tokens at even and at odd places, and in the two halves. */
static int chance_alike_body(struct judge *j, struct tess_instance *i)
{
    struct noise_case n;
    int32_t x0[CHANCE_TOKENS] = {0}, xt[CHANCE_TOKENS];
    double kept[4] = {0}, all = 0.0;
    JUDGE_TRY(chance_open(j, i, &n));
    for (int64_t sample = 0; sample < chance_samples(&n); sample++) {
        JUDGE_TRY(judge_noise_corrupt(&n, (n.steps + 1) / 2, (uint32_t)sample, x0, xt));
        for (int64_t k = 0; k < n.tokens; k++) {
            kept[k % 2] += xt[k] == 0;
            kept[2 + (k >= n.tokens / 2)] += xt[k] == 0;
        }
        all += 0.5 * (double)n.tokens;
    }
    for (int pair = 0; pair < 4; pair += 2)
        if (fabs(kept[pair] - kept[pair + 1]) / all > 6.0 * sqrt(0.5 / all))
            return judge_fail(j, "wanted tokens %s noised alike, found shares of %.4f and %.4f as they were",
                              pair ? "of both halves" : "at even and odd places", kept[pair] / all, kept[pair + 1] / all);
    return TESS_OK;
}

int judge_noise_corrupt_alike(struct judge *j)
{
    return judge_over(j, (int64_t)j->level, chance_alike_body);
}

/* Compares the start of sampling with corrupt at T, by Pinsker's inequality: where the bound's constant is the divergence of the two, in
 * bits, their chances differ by sqrt(ln 2 / 2 of it) at most. */
static int chance_start_body(struct judge *j, struct tess_instance *i)
{
    struct noise_case n;
    struct histogram start = {{0}, 0}, last;
    int32_t x[CHANCE_TOKENS];
    JUDGE_TRY(chance_open(j, i, &n));
    for (int64_t sample = 0; sample < chance_samples(&n); sample++) {
        const struct tess_stream s = {.seed = j->seed, .sample = (uint32_t)sample};
        JUDGE_TRY(judge_ok(j, j->ctx, "start", n.ops->start(n.self, j->ctx, &s, n.tokens, n.codes, x)));
        JUDGE_TRY(chance_count(&n, "start", &start, x));
    }
    double constant = n.ops->bound_constant(n.self, n.tokens, n.codes), spare = constant > 0 ? sqrt(0.34657 * constant) : 0.0;
    for (int32_t code = 0; code < CHANCE_CODES; code++) {
        JUDGE_TRY(chance_corrupt(&n, n.steps, code, 1000, &last));
        JUDGE_TRY(chance_same(&n, &start, &last, spare + 1.0 / CHANCE_TOKENS, "start, against corrupt at T"));
    }
    return TESS_OK;
}

int judge_noise_start_is_marginal(struct judge *j)
{
    return judge_over(j, (int64_t)j->level, chance_start_body);
}

static int chance_condition_body(struct judge *j, struct tess_instance *i)
{
    struct noise_case n;
    struct histogram known = {{0}, 0}, noised;
    uint8_t mask[CHANCE_TOKENS];
    int32_t x[CHANCE_TOKENS] = {0}, values[CHANCE_TOKENS], next[CHANCE_TOKENS];
    JUDGE_TRY(chance_open(j, i, &n));
    if (!TESS_HAS(n.ops, condition) || !n.ops->condition || n.ops->changes)
        return judge_skip(j, "it cannot sample around known tokens, or has them in one state at all times");
    int64_t t = (n.steps + 1) / 2;
    memset(mask, 1, sizeof mask);
    for (int64_t k = 0; k < n.tokens; k++)
        values[k] = 1;
    for (int64_t sample = 0; sample < chance_samples(&n); sample++) {
        struct tess_reverse r = judge_noise_step(&n, t, n.steps, (uint32_t)sample, NULL, x, next);
        JUDGE_TRY(judge_ok(j, j->ctx, "condition", n.ops->condition(n.self, j->ctx, &r, mask, values)));
        JUDGE_TRY(chance_count(&n, "condition", &known, next));
    }
    JUDGE_TRY(chance_corrupt(&n, t, 1, 3000, &noised));
    return chance_same(&n, &known, &noised, 1.0 / CHANCE_TOKENS, "condition, against corrupt");
}

int judge_noise_condition_marginal(struct judge *j)
{
    return judge_over(j, (int64_t)j->level, chance_condition_body);
}

/* ---- reverse ------------------------------------------------------------------------------------------------------- */

/* The k-th pair of times t > s; 0: there is no further one. */
static int chance_times(const struct noise_case *n, int k, int64_t *t, int64_t *s)
{
    const int64_t pair[4][2] = {{n->steps, n->steps / 2}, {(n->steps + 1) / 2, n->steps / 4}, {n->steps, 0}, {1, 0}};
    if (k >= 4)
        return 0;
    *t = pair[k][0];
    *s = pair[k][1] < *t ? pair[k][1] : *t - 1;
    return 1;
}

/* Makes one reverse step from t to s of a noised sequence. */
static int chance_step(const struct noise_case *n, int64_t t, int64_t s, uint32_t sample, const float *logits, int32_t *x)
{
    struct tess_reverse r = judge_noise_step(n, t, n->steps, sample, logits, x, x);
    r.to = (double)s / (double)n->steps;
    r.last = s == 0;
    return judge_ok(n->j, n->ctx, "reverse", n->ops->reverse(n->self, n->ctx, &r));
}

static int chance_posterior(const struct noise_case *n, int64_t t, int64_t s)
{
    char what[80];
    float logits[CHANCE_TOKENS * CHANCE_CODES] = {0};
    struct histogram back = {{0}, 0}, noised;
    for (int64_t i = 0; i < n->tokens; i++)
        logits[i * n->codes + 1] = 1000.0f;
    for (int64_t sample = 0; sample < chance_samples(n); sample++) {
        int32_t x0[CHANCE_TOKENS], x[CHANCE_TOKENS];
        for (int64_t i = 0; i < n->tokens; i++)
            x0[i] = 1;
        JUDGE_TRY(judge_noise_corrupt(n, t, 5000 + (uint32_t)sample, x0, x));
        JUDGE_TRY(chance_step(n, t, s, 9000 + (uint32_t)sample, logits, x));
        JUDGE_TRY(chance_count(n, "reverse", &back, x));
    }
    JUDGE_TRY(chance_corrupt(n, s, 1, 20000, &noised));
    snprintf(what, sizeof what, "reverse from t = %lld to %lld, towards known codes", (long long)t, (long long)s);
    return chance_same(n, &back, &noised, 1.0 / CHANCE_TOKENS, what);
}

static int chance_posterior_body(struct judge *j, struct tess_instance *i)
{
    struct noise_case n;
    int64_t t, s;
    JUDGE_TRY(chance_open(j, i, &n));
    for (int k = 0; chance_times(&n, k, &t, &s); k++)
        JUDGE_TRY(chance_posterior(&n, t, s));
    return TESS_OK;
}

int judge_noise_reverse_posterior(struct judge *j)
{
    return judge_over(j, 2 * (int64_t)j->level, chance_posterior_body);
}

static const double chance_source[CHANCE_CODES] = {0.55, 0.3, 0.15};

static int32_t chance_code(double u)
{
    return u < chance_source[0] ? 0 : u < chance_source[0] + chance_source[1] ? 1 : 2;
}

/* Computes the logits of the exact p(x_0 | x_t) for each token, from the counted q. */
static void chance_predict(const struct noise_case *n, const struct histogram q[CHANCE_CODES], const int32_t *x, float *logits)
{
    for (int64_t i = 0; i < n->tokens; i++)
        for (int64_t k = 0; k < CHANCE_CODES; k++) {
            double p = chance_source[k] * q[k].count[x[i]] / q[k].all;
            logits[i * CHANCE_CODES + k] = p > 0 ? (float)log(p) : -1000.0f;
        }
}

static int chance_exact(const struct noise_case *n, int64_t t, int64_t s)
{
    char what[80];
    float logits[CHANCE_TOKENS * CHANCE_CODES];
    struct histogram q[CHANCE_CODES], back = {{0}, 0}, wanted = {{0}, 0}, earlier;
    for (int32_t k = 0; k < CHANCE_CODES; k++) {
        JUDGE_TRY(chance_corrupt(n, t, k, 30000, &q[k]));
        JUDGE_TRY(chance_corrupt(n, s, k, 40000, &earlier));
        for (int state = 0; state < CHANCE_STATES; state++)
            wanted.count[state] += chance_source[k] * earlier.count[state];
        wanted.all += chance_source[k] * earlier.all;
    }
    for (int64_t sample = 0; sample < chance_samples(n); sample++) {
        int32_t x0[CHANCE_TOKENS], x[CHANCE_TOKENS];
        for (int64_t i = 0; i < n->tokens; i++)
            x0[i] = chance_code(judge_draw(n->j, "source", sample, i));
        JUDGE_TRY(judge_noise_corrupt(n, t, 50000 + (uint32_t)sample, x0, x));
        chance_predict(n, q, x, logits);
        JUDGE_TRY(chance_step(n, t, s, 60000 + (uint32_t)sample, logits, x));
        JUDGE_TRY(chance_count(n, "reverse", &back, x));
    }
    snprintf(what, sizeof what, "reverse from t = %lld to %lld, with the exact prediction", (long long)t, (long long)s);
    return chance_same(n, &back, &wanted, 1.0 / CHANCE_TOKENS + 0.01, what);
}

static int chance_exact_body(struct judge *j, struct tess_instance *i)
{
    struct noise_case n;
    int64_t t, s;
    JUDGE_TRY(chance_open(j, i, &n));
    for (int k = 0; chance_times(&n, k, &t, &s); k++)
        JUDGE_TRY(chance_exact(&n, t, s));
    return TESS_OK;
}

/* Tests exact reverse steps with default parameters: others may be meant to be inexact. */
int judge_noise_reverse_exact(struct judge *j)
{
    return judge_over(j, 1, chance_exact_body);
}

/* ---- temperature --------------------------------------------------------------------------------------------------- */

static int chance_temperature_body(struct judge *j, struct tess_instance *i)
{
    struct noise_case n;
    float logits[NOISE_TOKENS * NOISE_CODES] = {0};
    JUDGE_TRY(judge_noise_open(j, i, NOISE_TOKENS, NOISE_CODES, &n));
    int64_t all = n.causal ? n.tokens : 1;
    for (int64_t k = 0; k < n.tokens; k++)
        logits[k * n.codes + 2] = 1.0f;
    for (uint32_t sample = 0; sample < 16; sample++) {
        int32_t x[NOISE_TOKENS];
        const struct tess_stream s = {.seed = j->seed, .sample = sample};
        JUDGE_TRY(judge_ok(j, j->ctx, "start", n.ops->start(n.self, j->ctx, &s, n.tokens, n.codes, x)));
        for (int64_t left = all; left > 0; left--) {
            struct tess_reverse r = judge_noise_step(&n, left, all, sample, logits, x, x);
            r.temperature = 0.01;
            JUDGE_TRY(judge_ok(j, j->ctx, "reverse", n.ops->reverse(n.self, j->ctx, &r)));
        }
        for (int64_t k = 0; k < n.tokens; k++)
            if (x[k] != 2)
                return judge_fail(j, "wanted the likeliest code, 2, at a temperature of 0.01, found %d at token %lld", (int)x[k],
                                  (long long)k);
    }
    return TESS_OK;
}

int judge_noise_temperature(struct judge *j)
{
    return judge_over(j, 1, chance_temperature_body);
}
