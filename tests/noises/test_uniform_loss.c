/* The loss and the bound that `uniform` records: every case of a chain of 5 codes against brute force, for every combination of options.
 * SPDX-License-Identifier: MIT */
#include "tests/support/suite.h"
#include "tests/support/uniform_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { K = 5, L = 2, T = 6, ROWS = T * K * K };

/* Every (t, x of the first token, z of the first token); the second token has others. */
static void every_case(int32_t *x0, int32_t *xt, float *t)
{
    for (int r = 0; r < ROWS; r++) {
        t[r] = (float)(r / (K * K) + 1);
        xt[r * L] = r / K % K;
        x0[r * L] = r % K;
        xt[r * L + 1] = (r + 3) % K;
        x0[r * L + 1] = r / 2 % K;
    }
}

struct recorded {
    float loss, bound[ROWS], gradient[ROWS * L * K];
    double constant;
};

/* Records the loss of a training step over all cases; logits (ROWS, L, K). */
static void record(const struct options *o, const float *logits, struct recorded *out)
{
    static int32_t x0[ROWS * L], xt[ROWS * L];
    static float t[ROWS];
    struct noise n;
    struct tess_noise_loss loss = {.size = sizeof loss};
    struct tess_tensor view;
    every_case(x0, xt, t);
    noise_open(&n, "uniform", settings_of(o, T), ROWS, 1);
    struct tess_graph *g = n.fixture.graph;
    struct tess_node *y = normal_weight(g, "logits", 3, DIMS(ROWS, L, K), 0, 1), *a = tess_input(g, "x0", TESS_I32, 2, DIMS(ROWS, L));
    struct tess_node *b = tess_input(g, "xt", TESS_I32, 2, DIMS(ROWS, L)), *at = tess_input(g, "t", TESS_F32, 1, DIMS(ROWS));
    fixture_ok(&n.fixture, n.ops->record_loss(n.self, &n.fixture.context.context, g, y, a, b, at, &loss));
    tess_objective(g, "loss", "", loss.loss);
    tess_output(g, "bound", loss.bound);
    fixture_ok(&n.fixture, tess_graph_seal(&n.fixture.context.context, g));
    fixture_ok(&n.fixture, tess_weights_seal(&n.fixture.context.context, n.fixture.weights));
    fixture_ok(&n.fixture, tess_weights_find(&n.fixture.context.context, n.fixture.weights, "logits", TESS_ROLE_VALUE, &view));
    memcpy(view.data, logits, tess_tensor_bytes(&view));
    tess_weights_touch(n.fixture.weights);
    struct tess_tensor in[3] = {tess_tensor_over(x0, TESS_I32, 2, DIMS(ROWS, L)), tess_tensor_over(xt, TESS_I32, 2, DIMS(ROWS, L)),
                                tess_tensor_over(t, TESS_F32, 1, DIMS(ROWS))};
    struct tess_tensor given = tess_tensor_over(out->bound, TESS_F32, 1, DIMS(ROWS));
    struct tess_tensor total = tess_tensor_over(&out->loss, TESS_F32, 0, NULL);
    struct tess_batch batch = {
        .size = sizeof batch, .samples = ROWS, .inputs = 3, .in = in, .outputs = 1, .out = &given, .totals = 1, .total = &total};
    fixture_ok(&n.fixture, tess_graph_step(&n.fixture.context.context, g, &batch));
    fixture_ok(&n.fixture, tess_graph_gradient(&n.fixture.context.context, g, "logits", &view));
    memcpy(out->gradient, view.data, sizeof out->gradient);
    out->constant = n.ops->bound_constant(n.self, L, K);
    noise_close(&n);
}

/* By brute force, in bits per token, of token i of all cases: what it adds to the bound of its row. */
static double token_bound(const struct options *o, const double *bar, const int32_t *x0, const int32_t *xt, const float *time, int i,
                          const double *logits)
{
    int t = (int)time[i / L], kind = t == 1 ? o->first_step : o->step;
    double raised[K];
    matrix early, late;
    memcpy(raised, logits, sizeof raised);
    raised[xt[i]] += o->residual;
    chain(bar, K, 0, t - 1, early);
    chain(bar, K, t - 1, t, late);
    return divergence_of(early, late, K, kind, xt[i], x0[i], raised) * T / (L * LN2);
}

START_TEST(losses_are_what_they_say)
{
    static struct recorded got;
    static float logits[ROWS * L * K], t[ROWS];
    static int32_t x0[ROWS * L], xt[ROWS * L];
    struct options o = options_of(_i);
    double bar[T + 1], sum = 0.0;
    struct tess_stream random = {.seed = 3, .purpose = tess_purpose("logits")};
    tess_random_normal(&random, 0, ROWS * L * K, logits);
    uniform_schedule(o.schedule, 0.008, 0.001, T, bar);
    every_case(x0, xt, t);
    record(&o, logits, &got);
    near("constant", got.constant, uniform_prior(bar[T], K) / LN2, 1e-14);
    for (int r = 0; r < ROWS; r++) {
        double bound = 0.0;
        for (int i = r * L; i < (r + 1) * L; i++) {
            double mine[K];
            for (int k = 0; k < K; k++)
                mine[k] = (double)logits[i * K + k];
            bound += token_bound(&o, bar, x0, xt, t, i, mine);
            for (int k = 0; k < K; k++) {
                mine[k] += 1e-5;
                double up = token_bound(&o, bar, x0, xt, t, i, mine);
                mine[k] -= 2e-5;
                double down = token_bound(&o, bar, x0, xt, t, i, mine);
                mine[k] += 1e-5;
                near("gradient", (double)got.gradient[i * K + k] * ROWS, (up - down) / 2e-5, 1e-5);
            }
        }
        near("bound", (double)got.bound[r], bound, 1e-6);
        sum += bound;
    }
    near("loss", (double)got.loss, sum / ROWS + got.constant, 1e-6);
}
END_TEST

/* Codes that come with the probabilities `data`, and a denoiser that knows them (or does not): the mean of the bound over them and over t
 * is never below their entropy, and with the marginal model and full knowledge exceeds it by what the last step leaves of them. */
START_TEST(the_bound_is_above_the_entropy)
{
    static struct recorded got;
    static float logits[ROWS * L * K];
    static const double data[K] = {0.5, 0.25, 0.15, 0.07, 0.03};
    struct options o = options_of(_i);
    double bar[T + 1], flat[K], entropy = 0.0;
    uniform_schedule(o.schedule, 0.008, 0.001, T, bar);
    for (int k = 0; k < K; k++) {
        entropy -= data[k] * log(data[k]) / LN2;
        flat[k] = 1.0 / K;
    }
    for (int knows = 0; knows < 2; knows++) {
        double mean = 0.0, last[K] = {0};
        struct tess_stream random = {.seed = 31, .purpose = tess_purpose("logits")};
        for (int r = 0; r < ROWS; r++) {
            matrix q;
            int t = r / (K * K) + 1, x = r / K % K;
            chain(bar, K, 0, t, q);
            for (int k = 0; k < K; k++) /* q(z_0 | z_t = x) */
                logits[(r * L) * K + k] = (float)(log(data[k] * q[k][x]) - (k == x ? o.residual : 0));
            if (!knows) {
                random.sample = (uint32_t)(r / K); /* random key of t and x alone */
                tess_random_normal(&random, 0, K, logits + r * L * K);
            }
            for (int k = 0; k < K; k++) /* the second token's part is taken off again below */
                logits[(r * L + 1) * K + k] = 0.0f;
        }
        record(&o, logits, &got);
        for (int r = 0; r < ROWS; r++) {
            matrix q;
            double mine[K];
            static int32_t x0[ROWS * L], xt[ROWS * L];
            static float time[ROWS];
            int t = r / (K * K) + 1, x = r / K % K, z = r % K;
            every_case(x0, xt, time);
            chain(bar, K, 0, t, q);
            for (int k = 0; k < K; k++)
                mine[k] = (double)logits[(r * L + 1) * K + k];
            double other = token_bound(&o, bar, x0, xt, time, r * L + 1, mine);
            mean += data[z] * q[z][x] / T * ((double)got.bound[r] - other) * L;
        }
        matrix q;
        chain(bar, K, 0, T, q);
        for (int z = 0; z < K; z++)
            for (int x = 0; x < K; x++)
                last[x] += data[z] * q[z][x];
        mean += got.constant;
        ck_assert_msg(mean >= entropy - 1e-5, "%s: bound %g, entropy %g", settings_of(&o, T), mean, entropy);
        if (knows && o.step == UNIFORM_MARGINAL && o.first_step == UNIFORM_MARGINAL)
            near("bound of who knows", mean, entropy + divergence(last, flat, K) / LN2, 1e-5);
        else
            ck_assert_msg(mean > entropy + 1e-4, "%s: bound %g, entropy %g", settings_of(&o, T), mean, entropy);
    }
}
END_TEST

static int run_once(struct noise *n, int32_t z, int32_t x, float t)
{
    struct tess_noise_loss loss = {.size = sizeof loss};
    float bound[1], logits[K] = {0};
    noise_open(n, "uniform", "steps: 6", 1, 0);
    struct tess_graph *g = n->fixture.graph;
    struct tess_node *y = tess_input(g, "logits", TESS_F32, 3, DIMS(1, 1, K)), *a = tess_input(g, "x0", TESS_I32, 2, DIMS(1, 1));
    struct tess_node *b = tess_input(g, "xt", TESS_I32, 2, DIMS(1, 1)), *at = tess_input(g, "t", TESS_F32, 1, DIMS(1));
    fixture_ok(&n->fixture, n->ops->record_loss(n->self, &n->fixture.context.context, g, y, a, b, at, &loss));
    tess_output(g, "bound", loss.bound);
    fixture_ok(&n->fixture, tess_graph_seal(&n->fixture.context.context, g));
    struct tess_tensor in[4] = {tess_tensor_over(logits, TESS_F32, 3, DIMS(1, 1, K)), tess_tensor_over(&z, TESS_I32, 2, DIMS(1, 1)),
                                tess_tensor_over(&x, TESS_I32, 2, DIMS(1, 1)), tess_tensor_over(&t, TESS_F32, 1, DIMS(1))};
    struct tess_tensor given = tess_tensor_over(bound, TESS_F32, 1, DIMS(1));
    struct tess_batch batch = {.size = sizeof batch, .samples = 1, .inputs = 4, .in = in, .outputs = 1, .out = &given};
    return tess_graph_run(&n->fixture.context.context, g, &batch);
}

START_TEST(codes_and_times_that_are_none)
{
    static const struct {
        int32_t z, x;
        float t;
        const char *words;
    } bad[] = {{-1, 0, 1.0f, "token 0 is -1 and becomes 0, codes are 0 .. 4"},
               {0, K, 1.0f, "token 0 is 0 and becomes 5, codes are 0 .. 4"},
               {0, 0, 7.0f, "sample 0 has t = 7, times are 1 .. 6"},
               {0, 0, NAN, "times are 1 .. 6"}};
    struct noise n;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(run_once(&n, bad[i].z, bad[i].x, bad[i].t), TESS_E_DATA);
        ck_assert_msg(strstr(tessi_base_context_message(&n.fixture.context.context), bad[i].words), "%s",
                      tessi_base_context_message(&n.fixture.context.context));
        noise_close(&n);
    }
    ck_assert_int_eq(run_once(&n, 1, 2, 6.0f), TESS_OK);
    noise_close(&n);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("uniform loss");
    TCase *t = tcase_create("uniform loss");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, losses_are_what_they_say, 0, OPTIONS);
    tcase_add_loop_test(t, the_bound_is_above_the_entropy, 0, OPTIONS);
    tcase_add_test(t, codes_and_times_that_are_none);
    suite_add_tcase(s, t);
    return suite_run(s);
}
