/* Sampling around tokens that are known, by brute force: a joint distribution of so few codes and tokens that the right guess of every
 * token can be summed up, put in the denoiser's place. What comes of the sampler is held against the procedure multiplied out over all
 * states, and for absorbing noise against the conditional distribution itself. Then, with a transformer: neither batch, threads, stops nor
 * the other sequences are of any matter.
 *
 * SPDX-License-Identifier: MIT */
#include "core/plug/plug_private.h"
#include "tests/support/suite.h"
#include "tests/support/uniform_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { K = 3, L = 3, T = 4, MASK = K, ALL = K * K * K, STATES = (K + 1) * (K + 1) * (K + 1), DRAWS = 20000, ROWS = 8 };

/* ---- the joint distribution, and what follows from it ---- */

struct exact { /* the op's attributes */
    int uniform;
    double p[ALL], bar[T + 1];
};

static int digit(int state, int i, int base)
{
    for (; i > 0; i--)
        state /= base;
    return state % base;
}

/* Neighbours like to be alike, and code 0 is frequent. */
static void fill_joint(double *p)
{
    double sum = 0.0;
    for (int x = 0; x < ALL; x++) {
        int a = digit(x, 0, K), b = digit(x, 1, K), c = digit(x, 2, K);
        sum += p[x] = (a == b ? 5.0 : 1.0) * (b == c ? 3.0 : 1.0) * (a == 0 ? 2.0 : 1.0) * (c == 2 && a == 1 ? 4.0 : 1.0);
    }
    for (int x = 0; x < ALL; x++)
        p[x] /= sum;
}

/* p(x_0 of token i = k | the noised tokens): a mask says nothing, a code of the uniform noise something, of the absorbing one all. */
static void guess(const struct exact *e, const int32_t *x, double bar, int i, double *out)
{
    double sum = 0.0;
    memset(out, 0, K * sizeof *out);
    for (int z = 0; z < ALL; z++) {
        double p = e->p[z];
        for (int j = 0; j < L; j++) {
            int same = digit(z, j, K) == x[j];
            p *= e->uniform ? (same ? bar : 0.0) + (1.0 - bar) / K : (double)(same || x[j] == MASK);
        }
        out[digit(z, i, K)] += p;
    }
    for (int k = 0; k < K; k++)
        sum += out[k];
    for (int k = 0; k < K; k++)
        out[k] = sum > 0.0 ? out[k] / sum : 1.0 / K;
}

static double bar_at(const struct exact *e, double time)
{
    return e->uniform ? uniform_bar(e->bar, T, time * T) : 0.0;
}

/* tokens (rows, L), and time (rows) of the uniform noise -> logits (rows, L, K) */
static int exact_forward(const struct tess_op_run *r)
{
    const struct exact *e = r->attr;
    for (int64_t n = 0; n < r->in[0].dim[0]; n++) {
        double time = e->uniform ? (double)((const float *)r->in[1].data)[n] : 0.0;
        for (int i = 0; i < L; i++) {
            double p[K];
            guess(e, (const int32_t *)r->in[0].data + n * L, bar_at(e, time), i, p);
            for (int k = 0; k < K; k++)
                ((float *)r->out[0].data)[(n * L + i) * K + k] = p[k] > 0.0 ? (float)log(p[k]) : -INFINITY;
        }
    }
    return TESS_OK;
}

static const struct tess_op op_exact = {.size = sizeof(struct tess_op), .name = "exact", .forward = exact_forward};

static void open_exact(struct noise *n, struct exact *e, struct tess_prior *p, int uniform)
{
    memset(e, 0, sizeof *e);
    e->uniform = uniform;
    fill_joint(e->p);
    uniform_schedule(UNIFORM_COSINE, 0.008, 0.001, T, e->bar);
    noise_open(n, uniform ? "uniform" : "absorbing", "steps: 4", ROWS, 0);
    struct tess_graph *g = n->fixture.graph;
    struct tess_node *in[2] = {tess_input(g, "tokens", TESS_I32, 2, DIMS(ROWS, L)), NULL}, *logits;
    if (uniform)
        in[1] = tess_input(g, "time", TESS_F32, 1, DIMS(ROWS));
    struct tess_tensor out = tess_tensor_over(NULL, TESS_F32, 3, DIMS(ROWS, L, K));
    tess_custom(g, &op_exact, e, sizeof *e, 1 + uniform, in, 1, &out, 0, 0.0, &logits);
    tess_output(g, "logits", logits);
    fixture_ok(&n->fixture, tess_graph_seal(&n->fixture.context.context, g));
    *p = (struct tess_prior){.size = sizeof(struct tess_prior), .codebook_size = K, .height = 1, .width = L, .noise = n->instance};
}

/* ---- the procedure, multiplied out ---- */

struct case_of {
    uint8_t known[L];
    int32_t given[L];
    int steps;
};

/* The next value of token i, masks being value K: its distribution, given the whole state. */
static void next_of(const struct exact *e, const struct case_of *k, const int32_t *x, int step, int i, double *q)
{
    double from = (double)step / k->steps, to = (double)(step - 1) / k->steps, p[K];
    memset(q, 0, (K + 1) * sizeof *q);
    if (k->known[i]) {
        double bar = bar_at(e, to);
        for (int j = 0; j < K; j++)
            q[j] = e->uniform ? (j == k->given[i] ? bar : 0.0) + (1.0 - bar) / K : (double)(j == k->given[i]);
        return;
    }
    guess(e, x, bar_at(e, from), i, p);
    if (e->uniform) {
        struct uniform_step s = uniform_step_of(step == 1 ? 1.0 : bar_at(e, to), bar_at(e, from), K, UNIFORM_MARGINAL);
        for (int j = 0; j < K; j++)
            q[j] = step == 1 ? p[j] : uniform_model(&s, j, x[i], p[j], p[x[i]]);
    } else if (x[i] == MASK) {
        for (int j = 0; j < K; j++)
            q[j] = p[j] / step;
        q[MASK] = 1.0 - 1.0 / step;
    } else {
        q[x[i]] = 1.0;
    }
}

static void begin(const struct exact *e, const struct case_of *k, double *state)
{
    double bar = bar_at(e, 1.0);
    for (int y = 0; y < STATES; y++) {
        state[y] = 1.0;
        for (int i = 0; i < L; i++) {
            int code = digit(y, i, K + 1);
            if (!e->uniform)
                state[y] *= code == (k->known[i] ? k->given[i] : MASK);
            else if (code == MASK)
                state[y] = 0.0;
            else
                state[y] *= k->known[i] ? (code == k->given[i] ? bar : 0.0) + (1.0 - bar) / K : 1.0 / K;
        }
    }
}

static void one_step(const struct exact *e, const struct case_of *k, int step, double *state)
{
    double next[STATES] = {0};
    for (int y = 0; y < STATES; y++) {
        int32_t x[L];
        double q[L][K + 1];
        if (state[y] <= 0.0)
            continue;
        for (int i = 0; i < L; i++)
            x[i] = digit(y, i, K + 1);
        for (int i = 0; i < L; i++)
            next_of(e, k, x, step, i, q[i]);
        for (int z = 0; z < STATES; z++)
            next[z] += state[y] * q[0][digit(z, 0, K + 1)] * q[1][digit(z, 1, K + 1)] * q[2][digit(z, 2, K + 1)];
    }
    memcpy(state, next, sizeof next);
}

/* Distribution of the finished sequences, each indexed as a number of base K. */
static void multiply_out(const struct exact *e, const struct case_of *k, double *out)
{
    double state[STATES];
    begin(e, k, state);
    for (int step = k->steps; step > 0; step--)
        one_step(e, k, step, state);
    memset(out, 0, ALL * sizeof *out);
    for (int y = 0; y < STATES; y++)
        out[digit(y, 0, K + 1) % K + K * (digit(y, 1, K + 1) % K) + K * K * (digit(y, 2, K + 1) % K)] += state[y];
}

static void conditional(const struct exact *e, const struct case_of *k, double *out)
{
    double sum = 0.0;
    for (int x = 0; x < ALL; x++) {
        out[x] = e->p[x];
        for (int i = 0; i < L; i++)
            out[x] *= !k->known[i] || digit(x, i, K) == k->given[i];
        sum += out[x];
    }
    for (int x = 0; x < ALL; x++)
        out[x] /= sum;
}

/* The sampler's, DRAWS times. */
static void draw(struct noise *n, const struct tess_prior *p, const struct case_of *k, int64_t *count)
{
    uint8_t *known = malloc(DRAWS * L);
    int32_t *given = malloc(DRAWS * L * sizeof *given);
    for (int i = 0; i < DRAWS * L; i++) {
        known[i] = k->known[i % L];
        given[i] = known[i] ? k->given[i % L] : -1; /* not looked at */
    }
    struct tess_sampler_options o = {.size = sizeof o,
                                     .prior = p,
                                     .denoise = n->fixture.graph,
                                     .batch = ROWS,
                                     .count = DRAWS,
                                     .steps = k->steps,
                                     .temperature = 1.0,
                                     .seed = 4,
                                     .mask = known,
                                     .values = given,
                                     .sampler = fixture_sampler(&n->fixture, "ancestral")};
    struct tess_sampler *s;
    fixture_ok(&n->fixture, tess_sampler_new(&n->fixture.context.context, &o, &s));
    while (!tess_sampler_finished(s))
        fixture_ok(&n->fixture, tess_sampler_advance(&n->fixture.context.context, s));
    const int32_t *x = tess_sampler_x(s).data;
    memset(count, 0, ALL * sizeof *count);
    for (int64_t i = 0; i < DRAWS; i++, x += L) {
        count[x[0] + K * x[1] + K * K * x[2]]++;
        for (int j = 0; j < L; j++)
            ck_assert(x[j] >= 0 && x[j] < K && (!k->known[j] || x[j] == k->given[j]));
    }
    tess_sampler_free(s);
    free(known);
    free(given);
}

static const struct case_of cases[] = {{{0, 0, 1}, {0, 0, 2}, 1}, {{0, 0, 1}, {0, 0, 2}, 3}, {{1, 0, 0}, {1, 0, 0}, 2},
                                       {{0, 1, 0}, {0, 0, 0}, 4}, {{1, 0, 1}, {2, 0, 0}, 3}, {{0, 0, 0}, {0, 0, 0}, 4},
                                       {{1, 1, 1}, {2, 0, 1}, 2}};

START_TEST(samples_follow_the_procedure)
{
    for (int uniform = 0; uniform < 2; uniform++) {
        struct noise n;
        struct exact e;
        struct tess_prior p;
        int64_t count[ALL];
        double want[ALL];
        open_exact(&n, &e, &p, uniform);
        multiply_out(&e, &cases[_i], want);
        draw(&n, &p, &cases[_i], count);
        noise_fits(uniform ? "uniform" : "absorbing", count, want, ALL);
        noise_close(&n);
    }
}
END_TEST

/* Absorbing noise with tokens revealed one at a time samples the exact conditional: a single unknown token in any number of steps, two in
 * so many steps that they are hardly ever revealed together. */
START_TEST(absorbing_gives_the_conditional)
{
    static const struct case_of exact[] = {
        {{1, 0, 1}, {2, 0, 0}, 1}, {{1, 1, 0}, {1, 0, 0}, 3}, {{0, 0, 1}, {0, 0, 2}, 400}, {{1, 0, 0}, {1, 0, 0}, 400}};
    struct noise n;
    struct exact e;
    struct tess_prior p;
    open_exact(&n, &e, &p, 0);
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++) {
        int64_t count[ALL];
        double want[ALL], free_of_it[ALL], furthest = 0.0;
        conditional(&e, &exact[i], want);
        conditional(&e, &(struct case_of){.known = {0}}, free_of_it);
        for (int x = 0; x < ALL; x++)
            furthest = fmax(furthest, fabs(want[x] - free_of_it[x]));
        ck_assert(furthest > 0.1); /* the known tokens matter */
        draw(&n, &p, &exact[i], count);
        noise_fits("conditional", count, want, ALL);
    }
    noise_close(&n);
}
END_TEST

/* With uniform noise it is nearer to that than samples that do not look, and no more: what was drawn early saw the known tokens through
 * noise alone. */
START_TEST(uniform_gives_it_roughly)
{
    struct noise n;
    struct exact e;
    struct tess_prior p;
    double want[ALL], procedure[ALL], free_of_it[ALL], off = 0.0, blind = 0.0;
    struct case_of k = {{0, 0, 1}, {0, 0, 2}, 64};
    open_exact(&n, &e, &p, 1);
    conditional(&e, &k, want);
    multiply_out(&e, &k, procedure);
    multiply_out(&e, &(struct case_of){.steps = 64}, free_of_it);
    for (int ab = 0; ab < K * K; ab++) {
        double marginal = 0.0;
        for (int c = 0; c < K; c++)
            marginal += free_of_it[ab + K * K * c];
        off += fabs(want[ab + K * K * 2] - procedure[ab + K * K * 2]) / 2.0;
        blind += fabs(want[ab + K * K * 2] - marginal) / 2.0;
    }
    ck_assert_msg(off > 1e-4 && off < 0.6 * blind, "total variation %g; of samples that do not look %g", off, blind);
    noise_close(&n);
}
END_TEST

/* ---- the noises alone ---- */

START_TEST(known_tokens_are_noised_as_in_training)
{
    static const double times[] = {1.0, 0.75, 0.6, 0.25, 0.0};
    struct noise n;
    double bar[T + 1];
    uniform_schedule(UNIFORM_COSINE, 0.008, 0.001, T, bar);
    noise_open(&n, "uniform", "steps: 4", 1, 0);
    for (size_t t = 0; t < sizeof times / sizeof *times; t++) {
        int64_t count[K * K] = {0};
        double p[K * K], kept = uniform_bar(bar, T, times[t] * T);
        for (int i = 0; i < DRAWS; i++) {
            const int32_t x[L] = {2, 1, 0}, given[L] = {1, -1, 2};
            int32_t next[L];
            struct tess_reverse r = {
                .size = sizeof r, .tokens = L, .codebook_size = K, .from = times[t], .temperature = 1.0, .x = x, .next = next};
            r.random = (struct tess_stream){.seed = 2, .purpose = tess_purpose("hold"), .sample = (uint32_t)i};
            fixture_ok(&n.fixture, n.ops->condition(n.self, &n.fixture.context.context, &r, (const uint8_t[L]){1, 0, 1}, given));
            ck_assert_int_eq(next[1], 1);
            count[next[0] + K * next[2]]++;
        }
        for (int i = 0; i < K * K; i++)
            p[i] = ((i % K == 1 ? kept : 0.0) + (1.0 - kept) / K) * ((i / K == 2 ? kept : 0.0) + (1.0 - kept) / K);
        noise_fits("held", count, p, K * K);
    }
    noise_close(&n);
    noise_open(&n, "absorbing", "", 1, 0);
    int32_t x[5] = {K, K, 1, K, 0};
    struct tess_reverse r = {.size = sizeof r, .tokens = 5, .codebook_size = K, .from = 0.5, .x = x, .next = x};
    fixture_ok(&n.fixture, n.ops->condition(n.self, &n.fixture.context.context, &r, (const uint8_t[5]){1, 0, 0, 1, 1},
                                            (const int32_t[5]){2, 1, 2, 0, 1}));
    ck_assert(x[0] == 2 && x[1] == K && x[2] == 1 && x[3] == 0 && x[4] == 1);
    noise_close(&n);
}
END_TEST

/* ---- a whole prior ---- */

enum { H = 4, W = 6, TOKENS = H * W, CODES = 12, COUNT = 21 };

struct model {
    struct fixture b;
    struct tess_graph *picked; /* NULL: the noise has none */
    struct tess_prior prior;
    uint8_t known[COUNT * TOKENS];
    int32_t given[COUNT * TOKENS], each[COUNT];
};

static void open_model(struct model *m, const char *noise, int threads)
{
    fixture_open(&m->b, threads, ROWS, 3, 0);
    struct tess_context *ctx = &m->b.context.context;
    m->prior = (struct tess_prior){.size = sizeof(struct tess_prior), .codebook_size = CODES, .height = H, .width = W};
    fixture_ok(&m->b, tess_instance_open(ctx, "noise/1", noise, "test", &m->prior.noise));
    fixture_ok(&m->b, tess_instance_open(ctx, "denoiser/1", "{use: transformer, embed_dim: 32, layers: 2, heads: 2}", "test",
                                       &m->prior.denoiser));
    fixture_ok(&m->b, tess_prior_record_denoise(ctx, &m->prior, m->b.graph));
    fixture_ok(&m->b, tess_graph_seal(ctx, m->b.graph));
    m->picked = NULL;
    if (tess_prior_picks(&m->prior)) {
        struct tess_graph_options o = {.size = sizeof o, .microbatch = ROWS, .microbatches = 3, .seed = 11};
        fixture_ok(&m->b, tess_graph_new(ctx, m->b.weights, &o, &m->picked));
        fixture_ok(&m->b, tess_prior_record_picked(ctx, &m->prior, 2, m->picked));
        fixture_ok(&m->b, tess_graph_seal(ctx, m->picked));
    }
    struct tess_stream s = {.seed = 8, .purpose = tess_purpose("region")};
    for (int64_t i = 0; i < COUNT * TOKENS; i++) { /* regions of all sizes */
        m->given[i] = (int32_t)tess_random_below(&s, (uint64_t)i, CODES);
        m->known[i] = i % TOKENS != 3 && tess_random_below(&s, (uint64_t)(COUNT * TOKENS + i), COUNT) >= i / TOKENS;
    }
    for (int64_t i = 0; i < COUNT; i++) {
        m->each[i] = 0;
        for (int64_t k = 0; k < TOKENS; k++)
            m->each[i] += !m->known[i * TOKENS + k];
    }
}

static void close_model(struct model *m)
{
    tess_graph_free(m->picked);
    tess_instance_close(m->prior.noise);
    tess_instance_close(m->prior.denoiser);
    fixture_close(&m->b);
}

/* first, count: which of the sequences. stop_after > 0: another sampler takes over after so many calls of advance, again and again. */
static void regenerate(struct model *m, int64_t first, int64_t count, int64_t batch, int64_t stop_after, int32_t *x)
{
    uint32_t number[COUNT];
    struct tess_sampler *s, *fresh;
    for (int64_t i = 0; i < COUNT; i++)
        number[i] = (uint32_t)(i * 1000);
    struct tess_sampler_options o = {.size = sizeof o,
                                     .prior = &m->prior,
                                     .denoise = m->b.graph,
                                     .batch = batch,
                                     .count = count,
                                     .temperature = 1.0,
                                     .seed = 9,
                                     .picked = m->picked,
                                     .mask = m->known + first * TOKENS,
                                     .values = m->given + first * TOKENS,
                                     .each = m->each + first,
                                     .number = number + first,
                                     .sampler = fixture_sampler(&m->b, "ancestral")};
    int64_t steps = 0;
    for (int64_t i = 0; i < count; i++)
        steps += m->each[first + i];
    fixture_ok(&m->b, tess_sampler_new(&m->b.context.context, &o, &s));
    for (int64_t n = 1; !tess_sampler_finished(s); n++) {
        fixture_ok(&m->b, tess_sampler_advance(&m->b.context.context, s));
        if (!stop_after || n % stop_after || tess_sampler_finished(s))
            continue;
        fixture_ok(&m->b, tess_sampler_new(&m->b.context.context, &o, &fresh));
        memcpy(tess_sampler_x(fresh).data, tess_sampler_x(s).data, (size_t)(count * TOKENS) * sizeof *x);
        memcpy(tess_sampler_left(fresh).data, tess_sampler_left(s).data, (size_t)count * sizeof *x);
        tess_sampler_free(s);
        s = fresh;
    }
    ck_assert_int_eq(tess_sampler_steps_done(s), steps);
    memcpy(x + first * TOKENS, tess_sampler_x(s).data, (size_t)(count * TOKENS) * sizeof *x);
    tess_sampler_free(s);
}

static const char *const noises[] = {"{use: absorbing}", "{use: uniform, steps: 10}"};

START_TEST(nothing_else_is_of_any_matter)
{
    static const struct {
        int threads;
        int64_t batch, stop_after;
    } ways[] = {{1, 1, 0}, {2, 24, 0}, {3, 5, 0}, {2, 7, 1}, {1, 16, 3}};
    int32_t first[COUNT * TOKENS], x[COUNT * TOKENS];
    struct model m;
    open_model(&m, noises[_i], 2);
    regenerate(&m, 0, COUNT, 8, 0, first);
    int64_t changed = 0;
    for (int64_t i = 0; i < COUNT * TOKENS; i++) {
        ck_assert(first[i] >= 0 && first[i] < CODES && (!m.known[i] || first[i] == m.given[i]));
        changed += first[i] != m.given[i];
    }
    ck_assert_int_gt(changed, COUNT * TOKENS / 10);
    close_model(&m);
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        open_model(&m, noises[_i], ways[w].threads);
        regenerate(&m, 0, COUNT, ways[w].batch, ways[w].stop_after, x);
        ck_assert_msg(memcmp(first, x, sizeof x) == 0, "way %d", (int)w);
        memset(x, -1, sizeof x);
        regenerate(&m, 6, 2, 8, 0, x); /* two of them, by themselves */
        ck_assert(memcmp(first + 6 * TOKENS, x + 6 * TOKENS, 2 * TOKENS * sizeof *x) == 0);
        close_model(&m);
    }
}
END_TEST

/* A noise compiled before there was `hold`, and codes that are none. */
START_TEST(what_cannot_be_held_is_refused)
{
    struct model m;
    struct tess_instance copy;
    struct tess_component component;
    struct tess_noise_1 old;
    struct tess_sampler *s;
    open_model(&m, noises[0], 1);
    struct tess_sampler_options o = {.size = sizeof o,
                                     .prior = &m.prior,
                                     .denoise = m.b.graph,
                                     .batch = 1,
                                     .count = 2,
                                     .steps = 3,
                                     .temperature = 1.0,
                                     .mask = m.known,
                                     .values = m.given,
                                     .sampler = fixture_sampler(&m.b, "ancestral")};
    static const int64_t at[] = {0, 5, 2 * TOKENS - 1}; /* the first and the last of two sequences too */
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        char words[80];
        uint8_t was = m.known[at[i]];
        int32_t given = m.given[at[i]];
        m.known[at[i]] = 1;
        m.given[at[i]] = i ? CODES : -1;
        snprintf(words, sizeof words, "token %d is known to be %d, codes are 0 .. 11", (int)at[i], (int)m.given[at[i]]);
        ck_assert_int_eq(tess_sampler_new(&m.b.context.context, &o, &s), TESS_E_INTERNAL);
        ck_assert_msg(strstr(tessi_base_context_message(&m.b.context.context), words) != NULL, "%s", words);
        tessi_base_context_clear(&m.b.context.context);
        m.known[at[i]] = was;
        m.given[at[i]] = given;
    }
    m.known[5] = 1;
    m.given[5] = CODES;
    struct tess_prior p = m.prior;
    copy = *p.noise;
    component = *copy.component;
    memcpy(&old, component.ops, sizeof old);
    old.size = offsetof(struct tess_noise_1, condition);
    component.ops = &old;
    copy.component = &component;
    ck_assert_int_eq(tess_prior_conditions(&p), 1);
    p.noise = &copy;
    ck_assert_int_eq(tess_prior_conditions(&p), 0);
    o.prior = &p;
    ck_assert_int_eq(tess_sampler_new(&m.b.context.context, &o, &s), TESS_E_INTERNAL);
    ck_assert_ptr_nonnull(strstr(tessi_base_context_message(&m.b.context.context), "a noise that cannot sample around them"));
    ck_assert_ptr_null(s);
    tessi_base_context_clear(&m.b.context.context);
    close_model(&m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("known tokens");
    TCase *t = tcase_create("known tokens");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, samples_follow_the_procedure, 0, (int)(sizeof cases / sizeof *cases));
    tcase_add_test(t, absorbing_gives_the_conditional);
    tcase_add_test(t, uniform_gives_it_roughly);
    tcase_add_test(t, known_tokens_are_noised_as_in_training);
    tcase_add_loop_test(t, nothing_else_is_of_any_matter, 0, 2);
    tcase_add_test(t, what_cannot_be_held_is_refused);
    suite_add_tcase(s, t);
    return suite_run(s);
}
