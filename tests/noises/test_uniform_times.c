/* Times of training drawn by what they cost: what is remembered, the probabilities made of it, the draws, and that the loss stays the mean
 * it was. SPDX-License-Identifier: MIT */
#include "tests/support/suite.h"
#include "tests/support/uniform_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { K = 5, L = 2, T = 6, DRAWS = 20000 };

/* A training graph over every time once, with the logits an input; or one that only evaluates. */
static void open_times(struct noise *n, const char *times, int training)
{
    char settings[64] = "steps: 6, times: ";
    struct tess_noise_loss loss = {.size = sizeof loss};
    noise_open(n, "uniform", strcat(settings, times), T, training);
    struct tess_graph *g = n->fixture.graph;
    struct tess_node *y = tess_input(g, "logits", TESS_F32, 3, DIMS(T, L, K)), *x0 = tess_input(g, "x0", TESS_I32, 2, DIMS(T, L));
    struct tess_node *xt = tess_input(g, "xt", TESS_I32, 2, DIMS(T, L)), *t = tess_input(g, "t", TESS_F32, 1, DIMS(T));
    tess_scope(g, "noise");
    fixture_ok(&n->fixture, n->ops->record_loss(n->self, &n->fixture.context.context, g, y, x0, xt, t, &loss));
    tess_scope_end(g);
    tess_total(g, "loss", loss.loss);
    tess_output(g, "bound", loss.bound);
    fixture_ok(&n->fixture, tess_graph_seal(&n->fixture.context.context, g));
    fixture_ok(&n->fixture, tess_weights_seal(&n->fixture.context.context, n->fixture.weights));
}

static const float *memory(struct noise *n, const char *name)
{
    struct tess_tensor view;
    fixture_ok(&n->fixture, tess_weights_find(&n->fixture.context.context, n->fixture.weights, name, TESS_ROLE_VALUE, &view));
    ck_assert_int_eq(tess_tensor_count(&view), T);
    return view.data;
}

/* Samples of time `at` that all cost `bits`. */
static void show(struct noise *n, int samples, int at, double bits)
{
    float t[16], bound[16];
    for (int i = 0; i < samples; i++) {
        t[i] = (float)at;
        bound[i] = (float)bits;
    }
    struct tess_noise_seen seen = {.size = sizeof seen, .samples = samples, .tokens = L, .t = t, .bound = bound};
    fixture_ok(&n->fixture, n->ops->observe(n->self, &n->fixture.context.context, n->fixture.weights, "noise", &seen));
}

static void draws_fit(struct noise *n, const double *p, uint32_t step)
{
    int64_t count[T] = {0};
    struct tess_stream s = {.seed = 2, .purpose = tess_purpose("time"), .step = step};
    for (int i = 0; i < DRAWS; i++) {
        int64_t t = 0, again = 0;
        s.sample = (uint32_t)i;
        fixture_ok(&n->fixture, n->ops->draw_time(n->self, &n->fixture.context.context, n->fixture.weights, "noise", &s, &t));
        fixture_ok(&n->fixture, n->ops->draw_time(n->self, &n->fixture.context.context, n->fixture.weights, "noise", &s, &again));
        ck_assert(t >= 1 && t <= T && t == again);
        count[t - 1]++;
    }
    noise_fits("times", count, p, T);
}

/* The loss of one batch that has every time once, and the bounds of its samples. */
static double loss_of(struct noise *n, float *bound)
{
    static float logits[T * L * K], t[T];
    static int32_t x0[T * L], xt[T * L];
    float loss;
    struct tess_stream s = {.seed = 1, .purpose = tess_purpose("logits")};
    tess_random_normal(&s, 0, T * L * K, logits);
    for (int i = 0; i < T * L; i++) {
        t[i / L] = (float)(i / L + 1);
        x0[i] = i % K;
        xt[i] = i / 2 % K;
    }
    struct tess_tensor in[4] = {tess_tensor_over(logits, TESS_F32, 3, DIMS(T, L, K)), tess_tensor_over(x0, TESS_I32, 2, DIMS(T, L)),
                                tess_tensor_over(xt, TESS_I32, 2, DIMS(T, L)), tess_tensor_over(t, TESS_F32, 1, DIMS(T))};
    struct tess_tensor given = tess_tensor_over(bound, TESS_F32, 1, DIMS(T)), total = tess_tensor_over(&loss, TESS_F32, 0, NULL);
    struct tess_batch batch = {
        .size = sizeof batch, .samples = T, .inputs = 4, .in = in, .outputs = 1, .out = &given, .totals = 1, .total = &total};
    fixture_ok(&n->fixture, tess_graph_run(&n->fixture.context.context, n->fixture.graph, &batch));
    return (double)loss;
}

static const double flat[T] = {1.0 / T, 1.0 / T, 1.0 / T, 1.0 / T, 1.0 / T, 1.0 / T};

/* By hand: H <- 0.9 H + 0.1 L^2 with L in nats of the whole sequence; p by its root, the first as the second. */
START_TEST(times_follow_their_costs)
{
    static const double bits[T] = {3.0, 0.5, 1.0, 2.0, 4.0, 0.25};
    struct noise n;
    double square[T] = {0}, p[T], sum = 0.0, want = 0.0;
    float bound[T];
    open_times(&n, "importance", 1);
    draws_fit(&n, flat, 0);
    for (int i = 0; i < 11; i++)
        for (int t = 0; t < T; t++) {
            double cost = bits[t] * (1.0 + 0.1 * i) * L * LN2 / T;
            square[t] = 0.9 * square[t] + 0.1 * cost * cost;
            if (i == 10 && t == T - 1) /* every time but the last was seen more than 10 times: not yet */
                draws_fit(&n, flat, 1);
            show(&n, 1, t + 1, bits[t] * (1.0 + 0.1 * i));
        }
    for (int t = 0; t < T; t++)
        sum += p[t] = sqrt(square[t ? t : 1] + 1e-10) + 1e-4;
    for (int t = 0; t < T; t++) {
        p[t] /= sum;
        near("square", (double)memory(&n, "noise.times.square")[t], square[t], 1e-6);
        near("share", (double)memory(&n, "noise.times.share")[t] / sum, p[t], 1e-6);
        ck_assert(memory(&n, "noise.times.count")[t] == 11.0f);
    }
    draws_fit(&n, p, 2);
    double loss = loss_of(&n, bound), constant = n.ops->bound_constant(n.self, L, K);
    for (int t = 0; t < T; t++) /* each by bound / (T p_t): over times drawn with p_t that is the mean bound */
        want += (double)bound[t] / (T * p[t]) / T;
    near("loss", loss, want + constant, 1e-5);
    noise_close(&n);
}
END_TEST

/* Samples of one step are taken in order, and one time may come up many times. */
START_TEST(a_step_is_seen_in_order)
{
    struct noise one, all;
    open_times(&one, "importance", 1);
    open_times(&all, "importance", 1);
    for (int t = 1; t <= T; t++) {
        show(&all, 16, t, 0.3 * t);
        for (int i = 0; i < 16; i++)
            show(&one, 1, t, 0.3 * t);
    }
    static const char *const names[] = {"noise.times.square", "noise.times.count", "noise.times.share"};
    for (int i = 0; i < 3; i++)
        ck_assert(memcmp(memory(&one, names[i]), memory(&all, names[i]), T * sizeof(float)) == 0);
    noise_close(&one);
    noise_close(&all);
}
END_TEST

START_TEST(uniform_times_remember_nothing)
{
    struct noise n;
    float bound[T];
    for (int i = 0; i < 2; i++) { /* nor does a graph that only evaluates */
        double mean = 0.0;
        open_times(&n, i ? "importance" : "uniform", !i);
        ck_assert_int_eq(tess_weights_count(n.fixture.weights), 0);
        double loss = loss_of(&n, bound), constant = n.ops->bound_constant(n.self, L, K);
        for (int t = 0; t < T; t++)
            mean += (double)bound[t] / T;
        near("loss", loss, mean + constant, 1e-6);
        if (i == 0) {
            draws_fit(&n, flat, 0);
            show(&n, 16, 3, 7.0);
            draws_fit(&n, flat, 0);
        }
        noise_close(&n);
    }
}
END_TEST

START_TEST(memory_that_is_not_there)
{
    struct noise n;
    int64_t t;
    struct tess_stream s = {.seed = 2};
    open_times(&n, "importance", 1);
    ck_assert_int_eq(n.ops->draw_time(n.self, &n.fixture.context.context, n.fixture.weights, "other", &s, &t), TESS_E_DATA);
    ck_assert_ptr_nonnull(strstr(tessi_base_context_message(&n.fixture.context.context), "there is no weight named other.times.share"));
    noise_close(&n);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("uniform times");
    TCase *t = tcase_create("uniform times");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, times_follow_their_costs);
    tcase_add_test(t, a_step_is_seen_in_order);
    tcase_add_test(t, uniform_times_remember_nothing);
    tcase_add_test(t, memory_that_is_not_there);
    suite_add_tcase(s, t);
    return suite_run(s);
}
