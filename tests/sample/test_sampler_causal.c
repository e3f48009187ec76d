/* The sampler of causal priors, on every backend and in every precision: token by token it samples what whole sequences sample, whatever
 * the threads, the batch and the stops, with the frequencies of the chain rule, and with the work that the plan says.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/causal_fixture.h"
#include "tests/support/noise_fixture.h"
#include "tests/support/parity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Settings of one run of the sampler. */
struct plan {
    int64_t batch, count, stop_after; /* stop_after > 0: a sampler takes over after every so many calls of advance, with another batch */
    int whole;                        /* whole sequences at every step */
    uint64_t seed;
    double temperature;
};

static struct tess_sampler_options options(struct causal *m, const struct plan *p)
{
    return (struct tess_sampler_options){.size = sizeof(struct tess_sampler_options),
                                         .every_step = p->whole,
                                         .prior = &m->prior,
                                         .denoise = p->whole ? m->denoise : NULL,
                                         .batch = p->batch,
                                         .count = p->count,
                                         .steps = m->prior.height * m->prior.width,
                                         .temperature = p->temperature > 0.0 ? p->temperature : 1.0,
                                         .seed = p->seed,
                                         .next = p->whole ? NULL : m->next,
                                         .sampler = fixture_sampler(&m->b, "ancestral")};
}

/* Puts what the old one holds into a new one, as a checkpoint does. */
static void take_over(struct causal *m, const struct tess_sampler_options *o, struct tess_sampler **s)
{
    struct tess_sampler *fresh;
    fixture_ok(&m->b, tess_sampler_new(&m->b.context.context, o, &fresh));
    struct tess_tensor from[2] = {tess_sampler_x(*s), tess_sampler_left(*s)}, to[2] = {tess_sampler_x(fresh), tess_sampler_left(fresh)};
    for (int i = 0; i < 2; i++)
        memcpy(to[i].data, from[i].data, tess_tensor_bytes(&from[i]));
    *tess_sampler_calls(fresh) = *tess_sampler_calls(*s);
    tess_sampler_free(*s);
    *s = fresh;
}

/* The caller frees what it gives. */
static int32_t *sample(struct causal *m, const struct plan *p, int64_t *calls, double *flops)
{
    struct tess_sampler_options o = options(m, p);
    struct tess_sampler *s;
    int64_t done = 0;
    fixture_ok(&m->b, tess_sampler_new(&m->b.context.context, &o, &s));
    for (int64_t n = 1; !tess_sampler_finished(s); n++) {
        fixture_ok(&m->b, tess_sampler_advance(&m->b.context.context, s));
        ck_assert_int_ge(tess_sampler_steps_done(s), done);
        done = tess_sampler_steps_done(s);
        if (p->stop_after && n % (p->stop_after + n / 40) == 0) { /* later and later, so that it ends */
            o.batch = o.batch % 16 + 3;
            take_over(m, &o, &s);
        }
        ck_assert_int_lt(n, 10000);
    }
    ck_assert_int_eq(tess_sampler_steps_done(s), p->count * o.steps);
    fixture_ok(&m->b, tess_sampler_advance(&m->b.context.context, s)); /* nothing is left to do */
    struct tess_tensor x = tess_sampler_x(s);
    int32_t *made = malloc(tess_tensor_bytes(&x));
    memcpy(made, x.data, tess_tensor_bytes(&x));
    for (int64_t i = 0; i < tess_tensor_count(&x); i++)
        ck_assert(made[i] >= 0 && made[i] < m->prior.codebook_size);
    if (calls)
        *calls = *tess_sampler_calls(s);
    if (flops)
        *flops = tess_sampler_flops(s);
    tess_sampler_free(s);
    return made;
}

static const struct causal_size small = {"{use: transformer, embed_dim: 48, layers: 2, heads: 2}", 4, 5, 20};
enum { L = 20, COUNT = 21 };

static int is_bf16(void)
{
    return fixture_precision && strcmp(fixture_precision, "bf16") == 0;
}

/* A logit that is rounded otherwise moves a draw: in f32 once in a million, in bf16 once in a few hundred. From there on the sequence is
 * another. */
START_TEST(samples_are_those_of_whole_sequences)
{
    struct causal m;
    int64_t calls[2], same = 0;
    double flops[2];
    struct tess_cost next = {.size = sizeof next}, all = {.size = sizeof all};
    causal_open(&m, &small, 2, 1, 2);
    for (int hot = 0; hot < 2; hot++) {
        struct plan p = {.batch = 16, .count = COUNT, .seed = 5, .temperature = hot ? 3.0 : 0.7};
        int32_t *x = sample(&m, &p, &calls[0], &flops[0]);
        p.whole = 1;
        int32_t *whole = sample(&m, &p, &calls[1], &flops[1]);
        for (int64_t i = 0; i < COUNT; i++)
            same += memcmp(x + i * L, whole + i * L, L * sizeof *x) == 0;
        free(x);
        free(whole);
    }
    ck_assert_msg(same >= (is_bf16() ? COUNT : 2 * COUNT), "%d of %d are the same", (int)same, 2 * COUNT);
    fixture_ok(&m.b, tess_graph_cost(&m.b.context.context, m.next, &next));
    fixture_ok(&m.b, tess_graph_cost(&m.b.context.context, m.denoise, &all));
    ck_assert(calls[0] == COUNT * L && calls[1] == COUNT * L);
    ck_assert(flops[0] == next.flops * COUNT * L && flops[1] == all.flops * COUNT * L);
    ck_assert(next.flops * 0.9 * L < all.flops && next.parameters == all.parameters);
    causal_close(&m);
}
END_TEST

START_TEST(batches_threads_and_stops_are_no_matter)
{
    static const struct {
        int threads;
        struct plan p;
    } ways[] = {{1, {.batch = 24, .count = COUNT, .seed = 6}},
                {3, {.batch = 5, .count = COUNT, .seed = 6}},
                {2, {.batch = 1, .count = COUNT, .seed = 6}},
                {2, {.batch = 16, .count = COUNT, .seed = 6, .stop_after = 7}},
                {1, {.batch = 7, .count = COUNT, .seed = 6, .stop_after = 11}}};
    int32_t *first = NULL;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct causal m;
        int64_t calls;
        causal_open(&m, &small, ways[i].threads, 1, 3);
        int32_t *x = sample(&m, &ways[i].p, &calls, NULL);
        ck_assert(ways[i].p.stop_after ? calls > COUNT * L : calls == COUNT * L);
        if (!first)
            first = x;
        for (int64_t k = 0; k < COUNT * L; k++)
            ck_assert_msg(x[k] == first[k], "token %lld of sample %lld is %d, not %d", (long long)(k % L), (long long)(k / L), (int)x[k],
                          (int)first[k]);
        if (x != first)
            free(x);
        causal_close(&m);
    }
    free(first);
}
END_TEST

/* All eight sequences of three bits, as often as the chain rule says. */
START_TEST(frequencies_are_those_of_the_chain_rule)
{
    enum { TOKENS = 3, K = 2, ALL = 8, MANY = 6000 };
    struct causal m;
    int32_t all[ALL * TOKENS];
    float logits[ALL * TOKENS * K];
    double p[ALL];
    int64_t count[ALL] = {0};
    causal_open(&m, &(struct causal_size){"{use: transformer, embed_dim: 16, layers: 2, heads: 2}", 3, 1, K}, 2, 1, 8);
    for (int i = 0; i < ALL * TOKENS; i++)
        all[i] = i / TOKENS >> i % TOKENS & 1;
    causal_whole(&m, ALL, all, logits);
    for (int i = 0; i < ALL; i++) {
        p[i] = 1.0;
        for (int k = 0; k < TOKENS; k++) {
            const float *l = logits + (i * TOKENS + k) * K;
            p[i] /= 1.0 + exp(((double)l[!all[i * TOKENS + k]] - (double)l[all[i * TOKENS + k]]) / 0.5);
        }
    }
    int32_t *x = sample(&m, &(struct plan){.batch = 64, .count = MANY, .seed = 8, .temperature = 0.5}, NULL, NULL);
    for (int i = 0; i < MANY; i++)
        count[x[i * TOKENS] + 2 * x[i * TOKENS + 1] + 4 * x[i * TOKENS + 2]]++;
    noise_fits("sequences", count, p, ALL);
    ck_assert_msg(fmax(fabs(p[0] - 0.125), fabs(p[5] - 0.125)) > 0.02, "%g and %g: a coin would pass too", p[0], p[5]);
    free(x);
    causal_close(&m);
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    struct causal m;
    struct tess_sampler *s;
    causal_open(&m, &small, 1, 1, 1);
    struct tess_sampler_options o = options(&m, &(struct plan){.batch = 1, .count = 1});
    struct tess_context *ctx = &m.b.context.context;
    o.steps = 3;
    ck_assert_int_eq(tess_sampler_new(ctx, &o, &s), TESS_E_INTERNAL);
    ck_assert(strstr(tessi_base_context_message(ctx), "a sampler of 3 steps for 20 tokens that are drawn one a step"));
    tessi_base_context_clear(ctx);
    o.steps = L;
    o.next = m.denoise;
    ck_assert_int_eq(tess_sampler_new(ctx, &o, &s), TESS_E_INTERNAL);
    ck_assert(strstr(tessi_base_context_message(ctx), "a sampler's graph of the next token gives no logits (rows, 1, 20)"));
    ck_assert_ptr_null(s);
    tessi_base_context_clear(ctx);
    o = options(&m, &(struct plan){.batch = 1, .count = 1});
    o.next = m.next;
    const uint8_t known[L] = {1};
    const int32_t given[L] = {0}, each[1] = {2};
    o.mask = known;
    o.values = given;
    ck_assert_int_eq(tess_sampler_new(ctx, &o, &s), TESS_E_INTERNAL);
    ck_assert(strstr(tessi_base_context_message(ctx), "tokens that are known"));
    tessi_base_context_clear(ctx);
    o.mask = NULL;
    o.each = each;
    ck_assert_int_eq(tess_sampler_new(ctx, &o, &s), TESS_E_INTERNAL);
    ck_assert(strstr(tessi_base_context_message(ctx), "given steps for each sequence"));
    tessi_base_context_clear(ctx);
    causal_close(&m);
}
END_TEST

static void everywhere(TCase *t)
{
    tcase_add_test(t, samples_are_those_of_whole_sequences);
    tcase_add_test(t, batches_threads_and_stops_are_no_matter);
    tcase_add_test(t, frequencies_are_those_of_the_chain_rule);
    tcase_add_test(t, what_does_not_fit_is_refused);
}

int main(void)
{
    return parity_everywhere(everywhere) ? EXIT_FAILURE : EXIT_SUCCESS;
}
