/* Kind noise/1: reverse steps, and known tokens. SPDX-License-Identifier: MIT */
#include "core/judge/judge_noise.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

/* ---- reverse ------------------------------------------------------------------------------------------------------- */

enum { REVERSE_RANGE, REVERSE_FINISHES, REVERSE_REPEATS, REVERSE_IN_PLACE, REVERSE_KEEPS };

static int noise_reverse_one(const struct noise_case *n, int what, int64_t left, int64_t all, uint32_t sample, int32_t *x)
{
    float logits[NOISE_TOKENS * NOISE_CODES], copy_logits[NOISE_TOKENS * NOISE_CODES];
    int32_t next[NOISE_TOKENS], again[NOISE_TOKENS], before[NOISE_TOKENS];
    judge_noise_logits(n, sample + (uint32_t)left, logits);
    memcpy(copy_logits, logits, sizeof logits);
    memcpy(before, x, sizeof before);
    JUDGE_TRY(judge_noise_reverse(n, left, all, sample, logits, x, next));
    if (what == REVERSE_RANGE)
        JUDGE_TRY(judge_noise_within(n, "reverse", next, n->vocabulary));
    if (what == REVERSE_KEEPS && (memcmp(before, x, sizeof before) != 0 || memcmp(logits, copy_logits, sizeof logits) != 0))
        return judge_fail(n->j, "reverse: wanted x and logits left as they were, found them changed with %lld steps left", (long long)left);
    if (what == REVERSE_REPEATS || what == REVERSE_IN_PLACE) {
        memcpy(again, x, sizeof again);
        JUDGE_TRY(judge_noise_reverse(n, left, all, sample, logits, what == REVERSE_IN_PLACE ? again : x, again));
        if (memcmp(next, again, sizeof next) != 0)
            return judge_fail(n->j, "reverse: wanted the same %s, found another with %lld steps left",
                              what == REVERSE_REPEATS ? "of the same stream" : "where `next` is x itself", (long long)left);
    }
    memcpy(x, next, sizeof next);
    return TESS_OK;
}

/* Runs whole chains, from the start to the end. */
static int noise_reverse_all(struct judge *j, struct tess_instance *i, int what)
{
    struct noise_case n;
    JUDGE_TRY(judge_noise_open(j, i, NOISE_TOKENS, NOISE_CODES, &n));
    int64_t all = judge_noise_chain(&n);
    for (uint32_t sample = 0; sample < 8; sample++) {
        int32_t x[NOISE_TOKENS];
        JUDGE_TRY(judge_noise_start(&n, sample, x));
        for (int64_t left = all; left > 0; left--)
            JUDGE_TRY(noise_reverse_one(&n, what, left, all, sample, x));
        if (what == REVERSE_FINISHES)
            JUDGE_TRY(judge_noise_within(&n, "reverse, the last step", x, n.codes));
    }
    return TESS_OK;
}

#define NOISE_REVERSE_TEST(name, what, variants)                                                                                           \
    static int name##_body(struct judge *j, struct tess_instance *i)                                                                       \
    {                                                                                                                                      \
        return noise_reverse_all(j, i, what);                                                                                              \
    }                                                                                                                                      \
    int name(struct judge *j)                                                                                                              \
    {                                                                                                                                      \
        return judge_over(j, (variants) * (int64_t)j->level, name##_body);                                                                 \
    }

NOISE_REVERSE_TEST(judge_noise_reverse_range, REVERSE_RANGE, 4)
NOISE_REVERSE_TEST(judge_noise_finishes, REVERSE_FINISHES, 4)
NOISE_REVERSE_TEST(judge_noise_reverse_repeats, REVERSE_REPEATS, 2)
NOISE_REVERSE_TEST(judge_noise_reverse_in_place, REVERSE_IN_PLACE, 2)
NOISE_REVERSE_TEST(judge_noise_reverse_kept, REVERSE_KEEPS, 2)

static int noise_nan_body(struct judge *j, struct tess_instance *i)
{
    struct noise_case n;
    float logits[NOISE_TOKENS * NOISE_CODES];
    int32_t x[NOISE_TOKENS], next[NOISE_TOKENS];
    JUDGE_TRY(judge_noise_open(j, i, NOISE_TOKENS, NOISE_CODES, &n));
    JUDGE_TRY(judge_noise_start(&n, 0, x));
    for (int64_t k = 0; k < n.tokens * n.codes; k++)
        logits[k] = NAN;
    struct tess_reverse r = judge_noise_step(&n, 1, 1, 0, logits, x, next); /* the only step of the chain: every token is drawn */
    if (n.causal)
        r = judge_noise_step(&n, 1, n.tokens, 0, logits, x, next);
    int status = n.ops->reverse(n.self, j->ctx, &r);
    JUDGE_TRY(judge_status(j, j->ctx, "reverse", status));
    return status == TESS_E_FAILED
               ? TESS_OK
               : judge_fail(j, "reverse: wanted TESS_E_FAILED (%d) for logits that are no numbers, found %d", TESS_E_FAILED, status);
}

int judge_noise_not_finite(struct judge *j)
{
    return judge_over(j, 1 + (int64_t)j->level, noise_nan_body);
}

/* ---- changes and rows ---------------------------------------------------------------------------------------------- */

static int noise_changes_step(const struct noise_case *n, int64_t left, int64_t all, uint32_t sample, int32_t *x)
{
    float logits[NOISE_TOKENS * NOISE_CODES];
    uint8_t where[NOISE_TOKENS];
    int32_t next[NOISE_TOKENS];
    int64_t marked = 0;
    judge_noise_logits(n, sample, logits);
    struct tess_reverse r = judge_noise_step(n, left, all, sample, NULL, x, next);
    memset(where, 7, sizeof where);
    int64_t told = n->ops->changes(n->self, &r, where), bare = n->ops->changes(n->self, &r, NULL);
    for (int64_t i = 0; i < n->tokens; i++) {
        if (where[i] > 1)
            return judge_fail(n->j, "changes: wanted 0 or 1 for each token, found %d at %lld", (int)where[i], (long long)i);
        marked += where[i];
    }
    if (told != marked || bare != told)
        return judge_fail(n->j, "changes: wanted the number of tokens that it marks, %lld, found %lld, and %lld without marks",
                          (long long)marked, (long long)told, (long long)bare);
    JUDGE_TRY(judge_noise_reverse(n, left, all, sample, logits, x, next));
    for (int64_t i = 0; i < n->tokens; i++)
        if (!where[i] && next[i] != x[i])
            return judge_fail(n->j,
                              "changes: wanted token %lld as it was, which is not told to change, found %d in place of %d with %lld of "
                              "%lld steps left",
                              (long long)i, (int)next[i], (int)x[i], (long long)left, (long long)all);
    memcpy(x, next, sizeof next);
    return TESS_OK;
}

/* Calls `step` for every step of 16 chains, each from the noise's start to its end. */
static int noise_chains(const struct noise_case *n,
                        int (*step)(const struct noise_case *n, int64_t left, int64_t all, uint32_t sample, int32_t *x))
{
    int64_t all = judge_noise_chain(n);
    for (uint32_t sample = 0; sample < 16; sample++) {
        int32_t x[NOISE_TOKENS];
        JUDGE_TRY(judge_noise_start(n, sample, x));
        for (int64_t left = all; left > 0; left--)
            JUDGE_TRY(step(n, left, all, sample, x));
    }
    return TESS_OK;
}

static int noise_changes_body(struct judge *j, struct tess_instance *i)
{
    struct noise_case n;
    JUDGE_TRY(judge_noise_open(j, i, NOISE_TOKENS, NOISE_CODES, &n));
    if (!n.ops->changes)
        return judge_skip(j, "it does not tell which tokens a step draws");
    return noise_chains(&n, noise_changes_step);
}

int judge_noise_changes(struct judge *j)
{
    return judge_over(j, 2 * (int64_t)j->level, noise_changes_body);
}

/* Compares a step with the logits of the drawn tokens alone, found by `row`, with one with all logits. */
static int noise_rows_step(const struct noise_case *n, int64_t left, int64_t all, uint32_t sample, int32_t *x)
{
    float logits[NOISE_TOKENS * NOISE_CODES], few[NOISE_TOKENS * NOISE_CODES];
    uint8_t where[NOISE_TOKENS] = {0};
    int32_t next[NOISE_TOKENS], again[NOISE_TOKENS], row[NOISE_TOKENS], at = 0;
    judge_noise_logits(n, sample, logits);
    JUDGE_TRY(judge_noise_reverse(n, left, all, sample, logits, x, next));
    struct tess_reverse r = judge_noise_step(n, left, all, sample, NULL, x, again);
    (void)n->ops->changes(n->self, &r, where);
    for (int64_t i = n->tokens - 1; i >= 0; i--) {
        row[i] = where[i] ? at++ : -1000000000;
        if (where[i])
            memcpy(few + row[i] * n->codes, logits + i * n->codes, (size_t)n->codes * sizeof *few);
    }
    r.logits = few;
    r.row = row;
    JUDGE_TRY(judge_ok(n->j, n->ctx, "reverse", n->ops->reverse(n->self, n->ctx, &r)));
    if (memcmp(next, again, sizeof next) != 0)
        return judge_fail(n->j, "reverse: wanted the same of logits found by `row`, found another with %lld steps left", (long long)left);
    memcpy(x, next, sizeof next);
    return TESS_OK;
}

static int noise_rows_body(struct judge *j, struct tess_instance *i)
{
    struct noise_case n;
    JUDGE_TRY(judge_noise_open(j, i, NOISE_TOKENS, NOISE_CODES, &n));
    if (!n.ops->changes || !TESS_HAS(n.ops, reads_row) || !n.ops->reads_row)
        return judge_skip(j, "it does not read logits by row");
    return noise_chains(&n, noise_rows_step);
}

int judge_noise_rows(struct judge *j)
{
    return judge_over(j, 2 * (int64_t)j->level, noise_rows_body);
}

/* ---- condition ----------------------------------------------------------------------------------------------------- */

static int noise_condition_body(struct judge *j, struct tess_instance *i)
{
    struct noise_case n;
    uint8_t mask[NOISE_TOKENS];
    int32_t values[NOISE_TOKENS], x[NOISE_TOKENS], next[NOISE_TOKENS];
    JUDGE_TRY(judge_noise_open(j, i, NOISE_TOKENS, NOISE_CODES, &n));
    if (!TESS_HAS(n.ops, condition) || !n.ops->condition)
        return judge_skip(j, "it cannot sample around known tokens");
    int64_t all = judge_noise_chain(&n);
    for (int64_t left = all; left >= 0; left--) {
        uint32_t sample = (uint32_t)left;
        judge_noise_codes(&n, sample, values);
        JUDGE_TRY(judge_noise_start(&n, sample, x));
        for (int64_t k = 0; k < n.tokens; k++)
            mask[k] = (uint8_t)judge_draw_below(j, "mask", left, k, 2);
        struct tess_reverse r = judge_noise_step(&n, left, all, sample, NULL, x, next);
        r.last = left == 0;
        r.to = 0.0;
        JUDGE_TRY(judge_ok(j, j->ctx, "condition", n.ops->condition(n.self, j->ctx, &r, mask, values)));
        JUDGE_TRY(judge_noise_within(&n, "condition", next, n.vocabulary));
        for (int64_t k = 0; k < n.tokens; k++)
            if (next[k] != x[k] && !mask[k])
                return judge_fail(j, "condition: wanted token %lld as it was, which is not known, found it changed", (long long)k);
            else if (left == 0 && mask[k] && next[k] != values[k])
                return judge_fail(j, "condition: wanted the known tokens themselves at the end, found %d in place of %d", (int)next[k],
                                  (int)values[k]);
    }
    return TESS_OK;
}

int judge_noise_condition(struct judge *j)
{
    return judge_over(j, 2 * (int64_t)j->level, noise_condition_body);
}

/* ---- several threads ----------------------------------------------------------------------------------------------- */

enum { THREADS = 4, THREAD_SAMPLES = 24 };

struct noise_thread {
    struct noise_case n;
    struct tessi_context context;
    int64_t number;
    int failed;
    int32_t result[THREAD_SAMPLES][NOISE_TOKENS];
};

/* Noises and reverses each sequence for a few steps; all threads do the same ones. */
static void *noise_thread(void *user)
{
    struct noise_thread *t = user;
    float logits[NOISE_TOKENS * NOISE_CODES];
    int64_t all = judge_noise_chain(&t->n);
    for (uint32_t k = 0; k < THREAD_SAMPLES; k++) {
        uint32_t sample = (k + (uint32_t)t->number * 5) % THREAD_SAMPLES;
        int32_t x0[NOISE_TOKENS], *x = t->result[sample];
        const struct tess_stream s = {.seed = t->n.j->seed, .step = 1, .sample = sample};
        judge_noise_codes(&t->n, sample, x0);
        judge_noise_logits(&t->n, sample, logits);
        t->failed |= t->n.ops->corrupt(t->n.self, t->n.ctx, &s, t->n.tokens, t->n.codes, t->n.steps, x0, x) != TESS_OK;
        for (int64_t left = all; left > 0; left--) {
            struct tess_reverse r = judge_noise_step(&t->n, left, all, sample, logits, x, x);
            t->failed |= t->n.ops->reverse(t->n.self, t->n.ctx, &r) != TESS_OK;
        }
    }
    return NULL;
}

static int noise_threads_body(struct judge *j, struct tess_instance *i)
{
    struct noise_thread t[THREADS + 1];
    pthread_t thread[THREADS];
    int started = 0;
    for (int k = 0; k <= THREADS; k++) {
        JUDGE_TRY(judge_noise_open(j, i, NOISE_TOKENS, NOISE_CODES, &t[k].n));
        tessi_base_context_init(&t[k].context, &j->runtime->host);
        t[k].n.ctx = &t[k].context.context;
        t[k].number = k;
        t[k].failed = 0;
    }
    (void)noise_thread(&t[THREADS]);
    for (; started < THREADS; started++)
        if (pthread_create(&thread[started], NULL, noise_thread, &t[started]) != 0)
            break;
    for (int k = 0; k < started; k++)
        (void)pthread_join(thread[k], NULL);
    for (int k = 0; k < started; k++)
        if (t[k].failed || t[THREADS].failed || memcmp(t[k].result, t[THREADS].result, sizeof t[k].result) != 0)
            return judge_fail(j, "wanted corrupt and reverse to give on %d threads at once what they give on one, found another", THREADS);
    return TESS_OK;
}

int judge_noise_any_thread(struct judge *j)
{
    return judge_over(j, 2 * (int64_t)j->level, noise_threads_body);
}
