/* Absorbing diffusion by brute force: so few codes, tokens and steps that every mask can be enumerated and the chain be multiplied out from
 * its step matrices. What the plugin draws is held against those by chi-square with fixed keys, what it computes against f64.
 * SPDX-License-Identifier: MIT */
#include "tests/support/noise_fixture.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { K = 3, L = 3, T = 5, MASKS = 1 << L, STATES = K + 1, MASK = K, DRAWS = 20000 };

static void open_noise(struct noise *n, const char *settings, int64_t rows)
{
    noise_open(n, "absorbing", settings, rows, 1);
}

/* ---- the chain, multiplied out ---- */

typedef double matrix[STATES][STATES];

/* from[i] to[j]: one step masks with probability 1 / (T - t + 1). */
static void step_matrix(int t, matrix q)
{
    double beta = 1.0 / (T - t + 1);
    memset(q, 0, sizeof(matrix));
    for (int i = 0; i < STATES; i++) {
        q[i][i] += 1.0 - beta;
        q[i][MASK] += beta;
    }
}

/* Steps from + 1 .. to. */
static void chain(int from, int to, matrix out)
{
    memset(out, 0, sizeof(matrix));
    for (int i = 0; i < STATES; i++)
        out[i][i] = 1.0;
    for (int t = from + 1; t <= to; t++) {
        matrix q, product = {{0}};
        step_matrix(t, q);
        for (int i = 0; i < STATES; i++)
            for (int j = 0; j < STATES; j++)
                for (int k = 0; k < STATES; k++)
                    product[i][j] += out[i][k] * q[k][j];
        memcpy(out, product, sizeof(matrix));
    }
}

/* q(x_s | x_t, x_0) by Bayes. */
static void posterior(int s, int t, int xt, int x0, double *p)
{
    matrix early, late;
    double sum = 0.0;
    chain(0, s, early);
    chain(s, t, late);
    for (int j = 0; j < STATES; j++)
        sum += p[j] = early[x0][j] * late[j][xt];
    for (int j = 0; j < STATES; j++)
        p[j] /= sum;
}

/* q(mask | t) of a whole sequence, from the chain. */
static double mask_probability(int mask, int t)
{
    matrix q;
    double p = 1.0;
    chain(0, t, q);
    for (int i = 0; i < L; i++)
        p *= q[0][mask >> i & 1 ? MASK : 0];
    return p;
}

static const int32_t original[L] = {2, 0, 1};

static void masked(int mask, int32_t *xt)
{
    for (int i = 0; i < L; i++)
        xt[i] = mask >> i & 1 ? MASK : original[i];
}

static int mask_of(const int32_t *xt)
{
    int mask = 0;
    for (int i = 0; i < L; i++)
        if (xt[i] == MASK)
            mask |= 1 << i;
        else
            ck_assert_int_eq(xt[i], original[i]);
    return mask;
}

/* ---- corruption ---- */

START_TEST(the_chain_masks_t_of_T)
{
    for (int t = 0; t <= T; t++) {
        matrix q;
        chain(0, t, q);
        for (int k = 0; k < K; k++)
            for (int j = 0; j < STATES; j++)
                ck_assert(fabs(q[k][j] - (j == MASK ? (double)t / T : j == k ? 1.0 - (double)t / T : 0.0)) < 1e-12);
    }
}
END_TEST

START_TEST(corruption_follows_the_chain)
{
    struct noise n;
    struct tess_stream s = {.seed = 3, .purpose = tess_purpose("corrupt")};
    open_noise(&n, "steps: 5", 1);
    ck_assert_int_eq(n.ops->steps(n.self), T);
    ck_assert_int_eq(n.ops->vocabulary(n.self, K), K + 1);
    ck_assert(n.ops->bound_constant(n.self, L, K) == 0.0 && !n.ops->needs_time);
    for (int t = 1; t <= T; t++) {
        int64_t count[MASKS] = {0};
        double p[MASKS];
        s.step = (uint32_t)t;
        for (int i = 0; i < DRAWS; i++) {
            int32_t xt[L];
            s.sample = (uint32_t)i;
            fixture_ok(&n.fixture, n.ops->corrupt(n.self, &n.fixture.context.context, &s, L, K, t, original, xt));
            count[mask_of(xt)]++;
        }
        for (int m = 0; m < MASKS; m++)
            p[m] = mask_probability(m, t);
        noise_fits("masks", count, p, MASKS);
    }
    int32_t xt[L];
    ck_assert_int_ne(n.ops->corrupt(n.self, &n.fixture.context.context, &s, L, K, 0, original, xt), TESS_OK);
    ck_assert_int_ne(n.ops->corrupt(n.self, &n.fixture.context.context, &s, L, K, T + 1, original, xt), TESS_OK);
    noise_close(&n);
}
END_TEST

START_TEST(a_token_is_masked_whatever_follows_it)
{
    /* the draw of token i is the stream's i-th: longer sequences begin alike, and sequences longer than one block of draws are masked */
    struct noise n;
    int32_t x0[333] = {0}, longer[333], shorter[333];
    struct tess_stream s = {.seed = 9, .purpose = tess_purpose("corrupt"), .step = 1, .sample = 6};
    int64_t count = 0;
    open_noise(&n, "steps: 2", 1);
    fixture_ok(&n.fixture, n.ops->corrupt(n.self, &n.fixture.context.context, &s, 333, K, 1, x0, longer));
    for (int64_t tokens = 0; tokens <= 333; tokens += 37) {
        fixture_ok(&n.fixture, n.ops->corrupt(n.self, &n.fixture.context.context, &s, tokens, K, 1, x0, shorter));
        ck_assert(memcmp(longer, shorter, (size_t)tokens * sizeof *shorter) == 0);
    }
    for (int i = 0; i < 333; i++)
        count += longer[i] == MASK;
    ck_assert(count > 120 && count < 213);
    noise_close(&n);
}
END_TEST

START_TEST(a_fixed_mask_has_as_many_tokens_as_t_says)
{
    enum { STEPS = 8, LONGEST = 20 };
    struct noise n;
    struct tess_stream s = {.seed = 5, .purpose = tess_purpose("corrupt")};
    open_noise(&n, "steps: 8, mask: fixed", 1);
    for (int tokens = 1; tokens <= LONGEST; tokens++)
        for (int t = 1; t <= STEPS; t++) {
            int32_t x0[LONGEST] = {0}, xt[LONGEST];
            int whole = t * tokens / STEPS, rest = t * tokens % STEPS, count = 0;
            int want = whole + (2 * rest > STEPS || (2 * rest == STEPS && whole % 2)); /* halves to even */
            s.sample++;
            fixture_ok(&n.fixture, n.ops->corrupt(n.self, &n.fixture.context.context, &s, tokens, K, t, x0, xt));
            for (int i = 0; i < tokens; i++)
                count += xt[i] == MASK;
            ck_assert_msg(count == (want ? want : 1), "%d of %d tokens at step %d, not %d", count, tokens, t, want);
        }
    /* every subset is as likely as another */
    enum { SMALL = 5 };
    int64_t count[1 << SMALL] = {0};
    double p[1 << SMALL];
    for (int i = 0; i < DRAWS; i++) {
        int32_t x0[SMALL] = {0}, xt[SMALL];
        int mask = 0;
        s.sample = (uint32_t)i;
        fixture_ok(&n.fixture, n.ops->corrupt(n.self, &n.fixture.context.context, &s, SMALL, K, 3, x0, xt)); /* 15 / 8: two tokens */
        for (int k = 0; k < SMALL; k++)
            mask |= (xt[k] == MASK) << k;
        count[mask]++;
    }
    for (int m = 0; m < 1 << SMALL; m++)
        p[m] = __builtin_popcount((unsigned)m) == 2 ? 0.1 : 0.0;
    noise_fits("subsets", count, p, 1 << SMALL);
    noise_close(&n);
}
END_TEST

/* ---- losses and the bound ---- */

/* A predictor that looks at the mask: logits (MASKS, L, K). */
static void predict(float *logits)
{
    struct tess_stream s = {.seed = 8, .purpose = tess_purpose("predictor")};
    tess_random_normal(&s, 0, MASKS * L * K, logits);
}

static void softmax(const float *logits, double *p)
{
    double sum = 0.0;
    for (int k = 0; k < K; k++)
        sum += p[k] = exp((double)logits[k]);
    for (int k = 0; k < K; k++)
        p[k] /= sum;
}

/* Cross-entropy of the masked tokens, in nats. */
static double cross_entropy(const float *logits, int mask)
{
    double sum = 0.0, p[K];
    for (int i = 0; i < L; i++)
        if (mask >> i & 1) {
            softmax(logits + i * K, p);
            sum -= log(p[original[i]]);
        }
    return sum;
}

struct kind {
    const char *settings;
    int which; /* 0 bound, 1 mlm, 2 and 3 reweighted: code, paper */
};
static const struct kind kinds[] = {{"steps: 5, loss: elbo", 0},
                                    {"steps: 5, loss: mlm", 1},
                                    {"steps: 5, loss: reweighted, weight: code", 2},
                                    {"steps: 5, weight: paper", 3}};

static double factor(int which, int t, int mask)
{
    int count = __builtin_popcount((unsigned)mask);
    switch (which) {
    case 0:
        return (double)T / t / (L * log(2.0));
    case 1:
        return 1.0 / (count ? count : 1);
    case 2:
        return (1.0 - (double)t / T) / (L * log(2.0));
    default:
        return (double)(T - t + 1) / T / (L * log(2.0));
    }
}

/* Training steps at each mask and time: the loss, the bound, and the loss's gradient in the logits, factor (softmax - one hot) where
 * masked. */
START_TEST(losses_are_what_they_say)
{
    const struct kind *kind = &kinds[_i];
    float all[MASKS * L * K], loss, bound;
    struct noise n;
    struct tess_noise_loss out = {.size = sizeof out};
    predict(all);
    open_noise(&n, kind->settings, 1);
    struct tess_graph *g = n.fixture.graph;
    struct tess_node *logits = normal_weight(g, "logits", 3, DIMS(1, L, K), 0, 1), *x0 = tess_input(g, "x0", TESS_I32, 2, DIMS(1, L));
    struct tess_node *xt = tess_input(g, "xt", TESS_I32, 2, DIMS(1, L)), *t = tess_input(g, "t", TESS_F32, 1, DIMS(1));
    fixture_ok(&n.fixture, n.ops->record_loss(n.self, &n.fixture.context.context, g, logits, x0, xt, t, &out));
    tess_objective(g, "loss", "", out.loss);
    tess_output(g, "bound", out.bound);
    fixture_ok(&n.fixture, tess_graph_seal(&n.fixture.context.context, g));
    fixture_ok(&n.fixture, tess_weights_seal(&n.fixture.context.context, n.fixture.weights));
    struct tess_tensor view, gradient;
    fixture_ok(&n.fixture, tess_weights_find(&n.fixture.context.context, n.fixture.weights, "logits", TESS_ROLE_VALUE, &view));
    for (int at = 1; at <= T; at++)
        for (int m = 0; m < MASKS; m++) {
            const float *mine = all + m * L * K;
            int32_t x[L], x_start[L];
            float time = (float)at;
            memcpy(x_start, original, sizeof x_start);
            memcpy(view.data, mine, L * K * sizeof(float));
            tess_weights_touch(n.fixture.weights);
            masked(m, x);
            struct tess_tensor in[3] = {tess_tensor_over(x_start, TESS_I32, 2, DIMS(1, L)), tess_tensor_over(x, TESS_I32, 2, DIMS(1, L)),
                                        tess_tensor_over(&time, TESS_F32, 1, DIMS(1))};
            struct tess_tensor given = tess_tensor_over(&bound, TESS_F32, 1, DIMS(1)), total = tess_tensor_over(&loss, TESS_F32, 0, NULL);
            struct tess_batch batch = {
                .size = sizeof batch, .samples = 1, .inputs = 3, .in = in, .outputs = 1, .out = &given, .totals = 1, .total = &total};
            fixture_ok(&n.fixture, tess_graph_step(&n.fixture.context.context, g, &batch));
            fixture_ok(&n.fixture, tess_graph_gradient(&n.fixture.context.context, g, "logits", &gradient));
            double ce = cross_entropy(mine, m), f = factor(kind->which, at, m);
            double b = factor(0, at, m);
            ck_assert_msg(fabs((double)loss - f * ce) < 1e-6 * (1.0 + f * ce), "step %d, mask %d: loss %g", at, m, (double)loss);
            ck_assert_msg(fabs((double)bound - b * ce) < 1e-6 * (1.0 + b * ce), "step %d, mask %d: bound %g", at, m, (double)bound);
            for (int i = 0; i < L * K; i++) {
                double p[K], want = 0.0;
                softmax(mine + i / K * K, p);
                if (m >> (i / K) & 1)
                    want = f * (p[i % K] - (i % K == original[i / K]));
                ck_assert(fabs((double)((float *)gradient.data)[i] - want) < 1e-6);
            }
        }
    noise_close(&n);
}
END_TEST

/* Bounds of every mask at every step in one run: (T, MASKS), bits per token. `logits` (MASKS, L, K). */
static void all_bounds(const float *logits, float bound[T][MASKS])
{
    static float many[T * MASKS * L * K], time[T * MASKS];
    static int32_t x_start[T * MASKS * L], x[T * MASKS * L];
    struct noise n;
    struct tess_noise_loss out = {.size = sizeof out};
    enum { ROWS = T * MASKS };
    for (int r = 0; r < ROWS; r++) {
        memcpy(many + r * L * K, logits + r % MASKS * L * K, L * K * sizeof(float));
        memcpy(x_start + r * L, original, sizeof original);
        masked(r % MASKS, x + r * L);
        time[r] = (float)(r / MASKS + 1);
    }
    open_noise(&n, "steps: 5", ROWS);
    struct tess_graph *g = n.fixture.graph;
    struct tess_node *y = tess_input(g, "logits", TESS_F32, 3, DIMS(ROWS, L, K)), *x0 = tess_input(g, "x0", TESS_I32, 2, DIMS(ROWS, L));
    struct tess_node *xt = tess_input(g, "xt", TESS_I32, 2, DIMS(ROWS, L)), *t = tess_input(g, "t", TESS_F32, 1, DIMS(ROWS));
    fixture_ok(&n.fixture, n.ops->record_loss(n.self, &n.fixture.context.context, g, y, x0, xt, t, &out));
    tess_output(g, "bound", out.bound);
    fixture_ok(&n.fixture, tess_graph_seal(&n.fixture.context.context, g));
    struct tess_tensor in[4] = {tess_tensor_over(many, TESS_F32, 3, DIMS(ROWS, L, K)),
                                tess_tensor_over(x_start, TESS_I32, 2, DIMS(ROWS, L)), tess_tensor_over(x, TESS_I32, 2, DIMS(ROWS, L)),
                                tess_tensor_over(time, TESS_F32, 1, DIMS(ROWS))};
    struct tess_tensor given = tess_tensor_over(bound, TESS_F32, 1, DIMS(ROWS));
    struct tess_batch batch = {.size = sizeof batch, .samples = ROWS, .inputs = 4, .in = in, .outputs = 1, .out = &given};
    fixture_ok(&n.fixture, tess_graph_run(&n.fixture.context.context, g, &batch));
    noise_close(&n);
}

/* -ln p(x_0) is at most this, in nats, term by term from the chain: KL(q(x_s | x_t, x_0) || p(x_s | x_t)) for t = T .. 2, s = t - 1, where
 * p(x_s | x_t) is the mean of the posterior over the predicted x_0; -ln p(x_0 | x_1); and nothing for x_T, which is all masks. */
static double chain_bound(const float *logits)
{
    double sum = 0.0;
    for (int t = 1; t <= T; t++)
        for (int m = 0; m < MASKS; m++) {
            double weight = mask_probability(m, t);
            if (t == 1) {
                sum += weight * cross_entropy(logits + m * L * K, m);
                continue;
            }
            for (int i = 0; i < L && weight > 0.0; i++) {
                int xt = m >> i & 1 ? MASK : original[i];
                double guess[K], truth[STATES], model[STATES] = {0};
                posterior(t - 1, t, xt, original[i], truth);
                softmax(logits + (m * L + i) * K, guess);
                for (int k = 0; k < K && xt == MASK; k++) {
                    double q[STATES];
                    posterior(t - 1, t, xt, k, q);
                    for (int j = 0; j < STATES; j++)
                        model[j] += guess[k] * q[j];
                }
                for (int j = 0; j < STATES && xt == MASK; j++) /* a token that is known stays: both are certain of it */
                    if (truth[j] > 0.0)
                        sum += weight * truth[j] * log(truth[j] / model[j]);
            }
        }
    return sum;
}

START_TEST(the_bound_is_the_chains)
{
    float logits[MASKS * L * K], bound[T][MASKS];
    double mean = 0.0, by_steps = 0.0;
    predict(logits);
    all_bounds(logits, bound);
    for (int t = 1; t <= T; t++) {
        double ce = 0.0;
        for (int m = 0; m < MASKS; m++) {
            mean += mask_probability(m, t) * (double)bound[t - 1][m] / T;
            ce += mask_probability(m, t) * cross_entropy(logits + m * L * K, m);
        }
        by_steps += ce / t;
    }
    double nats = L * log(2.0);
    ck_assert_msg(fabs(mean - by_steps / nats) < 1e-6, "mean %.9g, sum of CE_t / t %.9g", mean, by_steps / nats);
    ck_assert_msg(fabs(mean - chain_bound(logits) / nats) < 1e-6, "mean %.9g, chain %.9g", mean, chain_bound(logits) / nats);
}
END_TEST

START_TEST(knowing_nothing_costs_log2_K)
{
    float logits[MASKS * L * K] = {0}, bound[T][MASKS];
    all_bounds(logits, bound);
    for (int t = 1; t <= T; t++) { /* at every step */
        double mean = 0.0;
        for (int m = 0; m < MASKS; m++)
            mean += mask_probability(m, t) * (double)bound[t - 1][m];
        ck_assert(fabs(mean - log2(K)) < 1e-6);
    }
}
END_TEST

/* ---- going back ---- */

struct leap {
    int from, to;
};
static const struct leap leaps[] = {{5, 4}, {3, 2}, {2, 1}, {1, 0}, {5, 2}, {4, 1}, {3, 0}};

/* Two masked tokens and a known one between them: the pair's joint distribution is the product of the posteriors, averaged over what the
 * denoiser predicts, by Bayes from the step matrices. */
START_TEST(a_step_back_is_bayes)
{
    int t = leaps[_i].from, s = leaps[_i].to;
    const int32_t x[3] = {MASK, 1, MASK};
    const float logits[3 * K] = {0.3f, -1.0f, 0.9f, 5.0f, 5.0f, -5.0f, 0.0f, 0.5f, -2.0f};
    int64_t count[STATES * STATES] = {0};
    double each[2][STATES] = {{0}}, p[STATES * STATES];
    struct noise n;
    open_noise(&n, "steps: 5", 1);
    for (int i = 0; i < 2; i++) {
        double guess[K], q[STATES];
        softmax(logits + 2 * i * K, guess);
        for (int k = 0; k < K; k++) {
            posterior(s, t, MASK, k, q);
            for (int j = 0; j < STATES; j++)
                each[i][j] += guess[k] * q[j];
        }
    }
    for (int i = 0; i < STATES * STATES; i++)
        p[i] = each[0][i / STATES] * each[1][i % STATES];
    for (int i = 0; i < DRAWS; i++) {
        int32_t next[3];
        struct tess_reverse r = noise_reverse(K, logits, x, next, 3, (double)t / T, (double)s / T);
        r.random.step = (uint32_t)t;
        r.random.sample = (uint32_t)i;
        fixture_ok(&n.fixture, n.ops->reverse(n.self, &n.fixture.context.context, &r));
        ck_assert_int_eq(next[1], 1);
        count[next[0] * STATES + next[2]]++;
    }
    noise_fits("reverse", count, p, STATES * STATES);
    noise_close(&n);
}
END_TEST

START_TEST(each_token_is_revealed_at_a_uniform_time)
{
    enum { S = 7, TOKENS = 4, SAMPLES = 6000 };
    struct noise n;
    float logits[TOKENS * K] = {0};
    int64_t when[TOKENS][S] = {{0}}, together[S * S] = {0};
    double p[S], pp[S * S];
    open_noise(&n, "", 1);
    for (int i = 0; i < SAMPLES; i++) {
        int32_t x[TOKENS], next[TOKENS];
        int time[TOKENS];
        struct tess_stream random = {.seed = 6, .purpose = tess_purpose("start")};
        fixture_ok(&n.fixture, n.ops->start(n.self, &n.fixture.context.context, &random, TOKENS, K, x));
        for (int k = 0; k < TOKENS; k++)
            ck_assert_int_eq(x[k], MASK);
        for (int s = S; s >= 1; s--) {
            struct tess_reverse r = noise_reverse(K, logits, x, next, TOKENS, (double)s / S, (double)(s - 1) / S);
            r.random.step = (uint32_t)s;
            r.random.sample = (uint32_t)i;
            fixture_ok(&n.fixture, n.ops->reverse(n.self, &n.fixture.context.context, &r));
            for (int k = 0; k < TOKENS; k++) {
                if (x[k] == MASK && next[k] != MASK)
                    when[k][time[k] = s - 1]++;
                else
                    ck_assert_int_eq(x[k], next[k]);
                x[k] = next[k];
            }
        }
        for (int k = 0; k < TOKENS; k++)
            ck_assert(x[k] >= 0 && x[k] < K);
        together[time[0] * S + time[1]]++;
    }
    for (int s = 0; s < S; s++)
        p[s] = 1.0 / S;
    for (int s = 0; s < S * S; s++)
        pp[s] = 1.0 / (S * S);
    for (int k = 0; k < TOKENS; k++)
        noise_fits("reveal times", when[k], p, S);
    noise_fits("reveal times of two", together, pp, S * S);
    noise_close(&n);
}
END_TEST

START_TEST(temperature_sharpens)
{
    const float row[K] = {0.2f, 1.1f, -0.4f};
    const double temperatures[] = {1e-3, 0.5, 1.0, 2.0, 1e6};
    struct noise n;
    open_noise(&n, "", 1);
    for (int h = 0; h < 5; h++) {
        int64_t count[K] = {0};
        double p[K], sum = 0.0;
        const int32_t x[1] = {MASK};
        for (int k = 0; k < K; k++)
            sum += p[k] = exp((double)(row[k] - row[1]) / temperatures[h]);
        for (int k = 0; k < K; k++)
            p[k] /= sum;
        for (int i = 0; i < DRAWS; i++) {
            int32_t next[1];
            struct tess_reverse r = noise_reverse(K, row, x, next, 1, 0.5, 0.0);
            r.temperature = temperatures[h];
            r.random.sample = (uint32_t)i;
            fixture_ok(&n.fixture, n.ops->reverse(n.self, &n.fixture.context.context, &r));
            ck_assert_int_lt(next[0], MASK);
            count[next[0]]++;
        }
        noise_fits("temperature", count, p, K);
    }
    noise_close(&n);
}
END_TEST

START_TEST(the_same_stream_gives_the_same_sequence)
{
    enum { TOKENS = 100 };
    struct noise n;
    float logits[TOKENS * K];
    int32_t x[TOKENS], next[4][TOKENS];
    struct tess_stream s = {.seed = 2, .purpose = tess_purpose("logits")};
    tess_random_normal(&s, 0, TOKENS * K, logits);
    open_noise(&n, "", 1);
    fixture_ok(&n.fixture, n.ops->start(n.self, &n.fixture.context.context, &s, TOKENS, K, x));
    for (int i = 0; i < 4; i++) {
        struct tess_reverse r = noise_reverse(K, logits, x, next[i], TOKENS, 1.0, 0.5);
        r.random.sample = i == 2;
        r.random.step = i == 3;
        fixture_ok(&n.fixture, n.ops->reverse(n.self, &n.fixture.context.context, &r));
    }
    ck_assert(memcmp(next[0], next[1], sizeof *next) == 0);
    ck_assert(memcmp(next[0], next[2], sizeof *next) != 0 && memcmp(next[0], next[3], sizeof *next) != 0);
    noise_close(&n);
}
END_TEST

/* Tokens that a step draws are known beforehand: exactly those that turn from the mask into a code. */
START_TEST(changes_are_told_beforehand)
{
    enum { TOKENS = 40, S = 30 };
    struct noise n;
    static float logits[TOKENS * K];
    int32_t x[TOKENS], next[TOKENS];
    uint8_t where[TOKENS];
    int idle = 0;
    open_noise(&n, "", 1);
    fixture_ok(&n.fixture, n.ops->start(n.self, &n.fixture.context.context, &(struct tess_stream){.seed = 1}, TOKENS, K, x));
    for (int s = S; s >= 1; s--) {
        struct tess_reverse r = noise_reverse(K, NULL, x, next, TOKENS, (double)s / S, (double)(s - 1) / S);
        r.random.step = (uint32_t)s;
        int64_t told = n.ops->changes(n.self, &r, where), found = 0;
        ck_assert_int_eq(told, n.ops->changes(n.self, &r, NULL));
        r.logits = logits;
        fixture_ok(&n.fixture, n.ops->reverse(n.self, &n.fixture.context.context, &r));
        for (int i = 0; i < TOKENS; i++) {
            ck_assert_int_eq(where[i], x[i] != next[i]);
            found += x[i] != next[i];
        }
        ck_assert_int_eq(told, found);
        idle += told == 0;
        memcpy(x, next, sizeof x);
    }
    ck_assert_int_gt(idle, 0);
    for (int i = 0; i < TOKENS; i++)
        ck_assert_int_lt(x[i], K);
    noise_close(&n);
}
END_TEST

/* Logits of the drawn tokens alone, in another order, and the way to them. */
START_TEST(logits_are_read_where_they_are)
{
    enum { TOKENS = 40 };
    struct noise n;
    float all[TOKENS * K], few[TOKENS * K];
    int32_t x[TOKENS], plain[TOKENS], next[TOKENS], row[TOKENS], rows = 0;
    uint8_t where[TOKENS];
    struct tess_stream s = {.seed = 2, .purpose = tess_purpose("logits")};
    tess_random_normal(&s, 0, TOKENS * K, all);
    open_noise(&n, "", 1);
    ck_assert_int_eq(n.ops->reads_row, 1);
    for (int i = 0; i < TOKENS; i++) {
        x[i] = i % 3 ? MASK : i % K;
        row[i] = INT32_MAX;
    }
    struct tess_reverse r = noise_reverse(K, NULL, x, next, TOKENS, 1.0, 0.6);
    ck_assert_int_gt(n.ops->changes(n.self, &r, where), 5);
    for (int i = TOKENS - 1; i >= 0; i--)
        if (where[i]) {
            memcpy(few + K * rows, all + K * i, K * sizeof *few);
            row[i] = rows++;
        }
    r.logits = few;
    r.row = row;
    fixture_ok(&n.fixture, n.ops->reverse(n.self, &n.fixture.context.context, &r));
    r.logits = all;
    r.row = NULL;
    r.next = plain;
    fixture_ok(&n.fixture, n.ops->reverse(n.self, &n.fixture.context.context, &r));
    ck_assert(memcmp(next, plain, sizeof next) == 0 && memcmp(next, x, sizeof next) != 0);
    r.row = row; /* not there, to a host of that size */
    r.size = offsetof(struct tess_reverse, row);
    r.next = next;
    fixture_ok(&n.fixture, n.ops->reverse(n.self, &n.fixture.context.context, &r));
    ck_assert(memcmp(next, plain, sizeof next) == 0);
    noise_close(&n);
}
END_TEST

START_TEST(a_diverged_denoiser_is_reported)
{
    struct noise n;
    const float bad[] = {NAN, INFINITY};
    const int32_t x[1] = {MASK};
    int32_t next[1];
    open_noise(&n, "", 1);
    for (int k = 0; k < K; k++)
        for (int i = 0; i < 2; i++) {
            float row[K] = {0.1f, 0.2f, 0.3f};
            row[k] = bad[i];
            struct tess_reverse r = noise_reverse(K, row, x, next, 1, 0.5, 0.0);
            int status = n.ops->reverse(n.self, &n.fixture.context.context, &r);
            ck_assert_msg(status == TESS_E_FAILED, "%g at code %d gave %d", (double)bad[i], k, (int)next[0]);
            tessi_base_context_clear(&n.fixture.context.context);
        }
    float row[K] = {-INFINITY, 0.0f, -INFINITY}; /* a code that is ruled out is not drawn */
    struct tess_reverse r = noise_reverse(K, row, x, next, 1, 0.5, 0.0);
    fixture_ok(&n.fixture, n.ops->reverse(n.self, &n.fixture.context.context, &r));
    ck_assert_int_eq(next[0], 1);
    noise_close(&n);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("noise");
    TCase *t = tcase_create("noise");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_chain_masks_t_of_T);
    tcase_add_test(t, corruption_follows_the_chain);
    tcase_add_test(t, a_token_is_masked_whatever_follows_it);
    tcase_add_test(t, a_fixed_mask_has_as_many_tokens_as_t_says);
    tcase_add_loop_test(t, losses_are_what_they_say, 0, (int)(sizeof kinds / sizeof *kinds));
    tcase_add_test(t, the_bound_is_the_chains);
    tcase_add_test(t, knowing_nothing_costs_log2_K);
    tcase_add_loop_test(t, a_step_back_is_bayes, 0, (int)(sizeof leaps / sizeof *leaps));
    tcase_add_test(t, each_token_is_revealed_at_a_uniform_time);
    tcase_add_test(t, temperature_sharpens);
    tcase_add_test(t, the_same_stream_gives_the_same_sequence);
    tcase_add_test(t, changes_are_told_beforehand);
    tcase_add_test(t, logits_are_read_where_they_are);
    tcase_add_test(t, a_diverged_denoiser_is_reported);
    suite_add_tcase(s, t);
    return suite_run(s);
}
