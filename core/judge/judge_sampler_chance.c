/* Kind sampler/1: several threads at once, and frequencies. SPDX-License-Identifier: MIT */
#include "core/judge/judge_sampler.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- several threads ----------------------------------------------------------------------------------------------- */

enum { SAMPLER_THREADS = 4, SAMPLER_SAMPLES = 16 };

struct sampler_thread {
    struct sampler_case c;
    struct tessi_context context;
    struct judge judge; /* verdicts of this thread */
    struct judge_verdict verdict;
    uint32_t first;
    int status;
    int32_t x[SAMPLER_SAMPLES][SAMPLER_TOKENS];
};

static void *sampler_thread(void *user)
{
    struct sampler_thread *t = user;
    const struct sampler_watch none = {NULL, NULL};
    for (uint32_t k = 0; k < SAMPLER_SAMPLES && t->status == TESS_OK; k++) {
        uint32_t sample = (t->first + k) % SAMPLER_SAMPLES;
        t->status = judge_sampler_sequence(&t->c, sample, &none, t->x[sample]);
    }
    return NULL;
}

static int sampler_on_threads(struct judge *j, struct sampler_thread *t)
{
    pthread_t thread[SAMPLER_THREADS];
    int started = 0;
    (void)sampler_thread(&t[SAMPLER_THREADS]);
    for (; started < SAMPLER_THREADS; started++)
        if (pthread_create(&thread[started], NULL, sampler_thread, &t[started]) != 0)
            break;
    for (int k = 0; k < started; k++)
        (void)pthread_join(thread[k], NULL);
    for (int k = 0; k < started; k++)
        if (t[k].status != t[SAMPLER_THREADS].status || memcmp(t[k].x, t[SAMPLER_THREADS].x, sizeof t[k].x) != 0)
            return judge_fail(j, "wanted the samples of %d threads at once to be those of one, found others: %s", SAMPLER_THREADS,
                              t[k].verdict.text);
    return TESS_OK;
}

static int sampler_threads_body(struct judge *j, struct tess_instance *i)
{
    struct sampler_case c;
    JUDGE_TRY(judge_sampler_open(j, i, 0, SAMPLER_TOKENS, &c));
    struct sampler_thread *t = calloc(SAMPLER_THREADS + 1, sizeof *t);
    int status = t ? TESS_OK : judge_fail(j, "no memory for the test");
    for (int k = 0; t && k <= SAMPLER_THREADS; k++) {
        t[k].judge = *j;
        t[k].judge.verdict = &t[k].verdict;
        tessi_base_context_init(&t[k].context, &j->runtime->host);
        t[k].c = c;
        t[k].c.j = &t[k].judge;
        t[k].c.ctx = &t[k].context.context;
        t[k].first = 3 * (uint32_t)k;
    }
    if (status == TESS_OK)
        status = sampler_on_threads(j, t);
    free(t);
    judge_sampler_close(&c);
    return status;
}

int judge_sampler_any_thread(struct judge *j)
{
    return judge_over(j, (int64_t)j->level, sampler_threads_body);
}

/* ---- frequencies --------------------------------------------------------------------------------------------------- */

static const double sampler_source[SAMPLER_CODES] = {0.5, 0.25, 0.15, 0.1};

/* Samples independent tokens of a known source, predicted exactly: drawn tokens have its frequencies, and so have pairs of neighbours. */
static int sampler_frequencies(struct judge *j, struct sampler_case *c)
{
    float logits[SAMPLER_TOKENS * SAMPLER_CODES];
    int32_t x[SAMPLER_TOKENS];
    double single[SAMPLER_CODES] = {0}, pair[SAMPLER_CODES][SAMPLER_CODES] = {{0}}, singles = 0, pairs = 0;
    for (int64_t k = 0; k < SAMPLER_TOKENS * SAMPLER_CODES; k++)
        logits[k] = (float)log(sampler_source[k % SAMPLER_CODES]);
    const struct sampler_watch w = {NULL, logits};
    for (uint32_t sample = 0; sample < 1000 * (uint32_t)j->level; sample++) {
        JUDGE_TRY(judge_sampler_sequence(c, sample, &w, x));
        for (int k = 0; k < SAMPLER_TOKENS; k++)
            single[x[k]] += 1, singles += 1;
        for (int k = 0; k + 1 < SAMPLER_TOKENS; k += 2)
            pair[x[k]][x[k + 1]] += 1, pairs += 1;
    }
    for (int a = 0; a < SAMPLER_CODES; a++) {
        double p = sampler_source[a];
        if (fabs(single[a] / singles - p) > 6 * sqrt(p * (1 - p) / singles))
            return judge_fail(j, "wanted code %d with the frequency of the source, %.4f, found %.4f of %.0f tokens", a, p,
                              single[a] / singles, singles);
        for (int b = 0; b < SAMPLER_CODES; b++) {
            double q = p * sampler_source[b];
            if (fabs(pair[a][b] / pairs - q) > 6 * sqrt(q * (1 - q) / pairs))
                return judge_fail(j, "wanted codes %d and %d side by side with a frequency of %.4f, found %.4f of %.0f pairs", a, b, q,
                                  pair[a][b] / pairs, pairs);
        }
    }
    return TESS_OK;
}

/* Checks frequencies with a noise that has a mask: there the exact prediction of an unknown token does not depend on the tokens seen. */
static int sampler_exact_body(struct judge *j, struct tess_instance *i)
{
    struct sampler_case c;
    int status;
    for (int64_t n = 0; (status = judge_sampler_open(j, i, n, SAMPLER_TOKENS, &c)) == TESS_OK; n++) {
        if (c.vocabulary == SAMPLER_CODES + 1) {
            status = sampler_frequencies(j, &c);
            judge_sampler_close(&c);
            return status;
        }
        judge_sampler_close(&c);
    }
    if (status == JUDGE_UNFIT)
        (void)judge_skip(j, "there is no noise with a mask that it takes");
    return status;
}

int judge_sampler_exact(struct judge *j)
{
    return judge_over(j, 1, sampler_exact_body);
}
