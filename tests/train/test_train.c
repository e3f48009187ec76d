/* Optimiser, schedules, order of the samples. SPDX-License-Identifier: MIT */
#include "tests/support/graphs.h"
#include "tests/support/suite.h"

#include "core/train/optimiser.h"
#include "core/train/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

START_TEST(the_learning_rate_warms_up_and_falls)
{
    struct tess_training_params p = {.steps = 100, .warmup = 10, .lr = 2.0, .lr_final = 0.1, .schedule = 1};
    ck_assert(fabs(tessi_train_learning_rate(&p, 0) - 0.2) < 1e-12);
    ck_assert(fabs(tessi_train_learning_rate(&p, 9) - 2.0) < 1e-12);
    ck_assert(fabs(tessi_train_learning_rate(&p, 10) - 2.0) < 1e-12);
    ck_assert(fabs(tessi_train_learning_rate(&p, 55) - (0.2 + 0.9)) < 1e-12);
    for (int64_t s = 11; s < 100; s++)
        ck_assert(tessi_train_learning_rate(&p, s) < tessi_train_learning_rate(&p, s - 1));
    ck_assert(tessi_train_learning_rate(&p, 99) >= 0.2);
    p.schedule = 0;
    ck_assert(tessi_train_learning_rate(&p, 99) == 2.0);
}
END_TEST

/* Weights of odd sizes over several pieces of the optimiser, one of them without decay, one a buffer. */
static void optimise(int threads, const struct tess_training_params *p, int64_t steps, float *first, float *plain, float *average)
{
    struct fixture b;
    fixture_open(&b, threads, 1, 1, 1);
    struct tess_node *w = normal_weight(b.graph, "w", 2, DIMS(331, 97), 0, 1);
    struct tess_node *v =
        tess_weight(b.graph, "plain", 1, DIMS(5), TESS_INIT(.kind = TESS_INIT_NORMAL, .flags = TESS_WEIGHT_NO_DECAY, .spread = 1.0));
    tess_weight(b.graph, "buffer", 1, DIMS(3), TESS_INIT(.flags = TESS_WEIGHT_BUFFER, .centre = 7.0));
    tess_objective(b.graph, "loss", "", tess_add(b.graph, tess_mean_all(b.graph, tess_square(b.graph, w)), tess_mean_all(b.graph, v)));
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    for (int64_t s = 0; s < steps; s++) {
        struct tess_batch batch = {.size = sizeof batch, .samples = 1};
        struct tess_tensor g;
        fixture_ok(&b, tess_graph_step(&b.context.context, b.graph, &batch));
        fixture_ok(&b, tess_graph_gradient(&b.context.context, b.graph, "w", &g)); /* the first weight: the block's start */
        double squares[16];
        ck_assert_int_le(tessi_train_gradient_pieces(b.weights), 16);
        double norm = tessi_train_gradient_length(b.runtime->workers, b.weights, g.data, squares);
        ck_assert(isfinite(norm) && norm > 0.0);
        fixture_ok(&b, tessi_train_optimise(&b.context.context, b.runtime->workers, &(struct tessi_optimiser){.p = p}, b.weights, s, g.data,
                                            norm));
    }
    struct tess_tensor view;
    fixture_ok(&b, tess_weights_find(&b.context.context, b.weights, "w", TESS_ROLE_VALUE, &view));
    memcpy(first, view.data, 331 * 97 * sizeof(float));
    fixture_ok(&b, tess_weights_find(&b.context.context, b.weights, "w", TESS_ROLE_AVERAGE, &view));
    memcpy(average, view.data, 331 * 97 * sizeof(float));
    fixture_ok(&b, tess_weights_find(&b.context.context, b.weights, "plain", TESS_ROLE_VALUE, &view));
    memcpy(plain, view.data, 5 * sizeof(float));
    fixture_ok(&b, tess_weights_find(&b.context.context, b.weights, "buffer", TESS_ROLE_VALUE, &view));
    for (int i = 0; i < 3; i++)
        ck_assert(((float *)view.data)[i] == 7.0f);
    fixture_close(&b);
}

START_TEST(workers_do_not_change_the_step)
{
    static float one[331 * 97], other[331 * 97], average[331 * 97], average2[331 * 97], plain[5], plain2[5];
    struct tess_training_params p = {.steps = 10,
                                     .lr = 0.01,
                                     .beta1 = 0.9,
                                     .beta2 = 0.999,
                                     .epsilon = 1e-8,
                                     .weight_decay = 0.1,
                                     .optimiser = 1,
                                     .clip = 0.01,
                                     .ema_decay = 0.9,
                                     .ema_every = 2};
    optimise(1, &p, 4, one, plain, average);
    for (int threads = 2; threads <= 4; threads++) {
        optimise(threads, &p, 4, other, plain2, average2);
        ck_assert(memcmp(one, other, sizeof one) == 0 && memcmp(average, average2, sizeof average) == 0);
        ck_assert(memcmp(plain, plain2, sizeof plain) == 0);
    }
    ck_assert(memcmp(one, average, sizeof one) != 0);
}
END_TEST

/* The average takes the weights of every ema_every-th step, and of no other. */
START_TEST(averages_take_every_third_step)
{
    static float value[331 * 97], average[331 * 97], before[331 * 97], plain[5];
    const struct tess_training_params p = {
        .steps = 10, .lr = 0.01, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .ema_decay = 0.75, .ema_every = 3};
    struct tess_training_params still = p;
    still.lr = 0.0;
    optimise(1, &still, 1, value, plain, before);
    ck_assert(memcmp(value, before, sizeof value) == 0); /* as the weights began */
    for (int steps = 1; steps <= 7; steps++) {
        optimise(1, &p, steps, value, plain, average);
        for (size_t i = 0; i < sizeof value / sizeof *value; i++) {
            float wanted = steps % 3 == 0 ? 0.75f * before[i] + 0.25f * value[i] : before[i];
            ck_assert(fabsf(average[i] - wanted) <= (steps % 3 == 0 ? 1e-6f * (1.0f + fabsf(wanted)) : 0.0f));
        }
        memcpy(before, average, sizeof before);
    }
}
END_TEST

START_TEST(decay_spares_what_asks_for_it)
{
    static float a[331 * 97], b[331 * 97], unused[331 * 97];
    float plain[5], plain2[5];
    struct tess_training_params p = {
        .steps = 10, .lr = 0.01, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .optimiser = 1, .ema_decay = 0.5, .ema_every = 1};
    optimise(1, &p, 1, a, plain, unused);
    p.weight_decay = 0.5;
    optimise(1, &p, 1, b, plain2, unused);
    ck_assert(memcmp(plain, plain2, sizeof plain) == 0);
    for (int i = 0; i < 100; i++) /* AdamW: w shrinks by lr x decay beside the same step */
        ck_assert(fabsf(b[i] - (a[i] - 0.01f * 0.5f * (a[i] + (a[i] > 0 ? 0.01f : -0.01f)))) < 1e-4f);
}
END_TEST

START_TEST(every_epoch_sees_every_sample_once)
{
    enum { N = 137 };
    int other_order = 0;
    for (int64_t epoch = 0; epoch < 4; epoch++) {
        char seen[N] = {0};
        for (int64_t i = 0; i < N; i++) {
            int64_t at = tess_training_sample(3, N, epoch * N + i);
            ck_assert(at >= 0 && at < N && !seen[at]);
            seen[at] = 1;
            other_order |= at != tess_training_sample(3, N, i);
        }
    }
    ck_assert(other_order);
}
END_TEST

START_TEST(microbatches_divide_the_batch)
{
    struct tessi_context ctx;
    struct tess_training_params p = {.batch = 60};
    int64_t microbatches;
    tessi_base_context_init(&ctx, NULL);
    ck_assert_int_eq(tess_training_microbatches(&ctx.context, &p, &microbatches), TESS_OK);
    ck_assert_int_eq(microbatches, 6);
    p.batch = 64;
    ck_assert_int_eq(tess_training_microbatches(&ctx.context, &p, &microbatches), TESS_OK);
    ck_assert_int_eq(microbatches, 8);
    p.batch = 11;
    ck_assert_int_eq(tess_training_microbatches(&ctx.context, &p, &microbatches), TESS_OK);
    ck_assert_int_eq(microbatches, 1);
    p.microbatches = 4;
    ck_assert_int_eq(tess_training_microbatches(&ctx.context, &p, &microbatches), TESS_E_VALUE);
    ck_assert_ptr_nonnull(strstr(tessi_base_context_message(&ctx.context), "microbatches: 4 does not divide batch: 11"));
    for (int i = 0; i < 4; i++) {
        const struct tess_training_params wrong = {.batch = i == 0 ? 0 : 4, .microbatches = i == 1 ? -1 : 0};
        tessi_base_context_init(&ctx, NULL);
        ck_assert_int_eq(tess_training_microbatches(&ctx.context, i == 2 ? NULL : &wrong, i == 3 ? NULL : &microbatches), TESS_E_VALUE);
        ck_assert_ptr_nonnull(strstr(tess_message(&ctx.context), i < 2 ? "batch must be at least 1" : "are NULL"));
    }
}
END_TEST

/* Row of the only ink in a column of a panel with one value a point, from the panel's top; of several the last. */
static int64_t ink(const struct tess_tensor *page, int64_t panel, int64_t x)
{
    const uint8_t *at = page->data;
    int64_t row = -1;
    for (int64_t y = panel * 96 + 18; y < (panel + 1) * 96 - 4; y++)
        row = at[y * page->dim[1] + x] == 0 ? y - panel * 96 : row;
    return row;
}

/* A straight line is straight, one that falls by a factor is straight by its logarithm, and a constant is in the middle. */
START_TEST(curves_are_drawn_as_they_are)
{
    enum { POINTS = 256, LEFT = 4, WIDE = 504 };
    static const char *const name[] = {"up", "halves", "constant"};
    static float curve[POINTS * 4];
    struct fixture b;
    struct tess_tensor page;
    for (int i = 0; i < POINTS; i++) {
        float row[4] = {(float)(4 * i + 4), (float)i - 100.0f, powf(0.97f, (float)i), 3.5f};
        memcpy(curve + 4 * i, row, sizeof row);
    }
    fixture_open(&b, 1, 1, 1, 0);
    for (int64_t points = POINTS; points > 0; points = points > 1 ? 1 : 0) {
        fixture_ok(&b, tessi_train_plot(&b.context.context, points, 3, curve, name, &page));
        ck_assert(page.rank == 3 && page.dim[0] == 3 * 96 && page.dim[1] == 512 && page.dim[2] == 1);
        for (int64_t x = 0; x < WIDE; x++) {
            double along = points == 1 ? 0.5 : (double)x / WIDE;
            ck_assert_msg(fabs((double)ink(&page, 0, LEFT + x) - (91.0 - 73.0 * along)) < 2.0, "up at %d: %d", (int)x,
                          (int)ink(&page, 0, LEFT + x));
            ck_assert(fabs((double)ink(&page, 1, LEFT + x) - (points == 1 ? 54.5 : 18.0 + 73.0 * along)) < 2.0);
            ck_assert(fabs((double)ink(&page, 2, LEFT + x) - 54.5) < 2.0);
        }
        tess_free(page.data);
    }
    fixture_close(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train");
    TCase *t = tcase_create("train");
    tcase_add_test(t, the_learning_rate_warms_up_and_falls);
    tcase_add_test(t, workers_do_not_change_the_step);
    tcase_add_test(t, averages_take_every_third_step);
    tcase_add_test(t, decay_spares_what_asks_for_it);
    tcase_add_test(t, every_epoch_sees_every_sample_once);
    tcase_add_test(t, microbatches_divide_the_batch);
    tcase_add_test(t, curves_are_drawn_as_they_are);
    suite_add_tcase(s, t);
    return suite_run(s);
}
