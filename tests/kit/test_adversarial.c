/* Losses of a critic and of a generator: values by definition, gradients against differences, and the averages of LeCam's regulariser.
 * Whole steps against PyTorch are in tests/exchange/test_steps.c. SPDX-License-Identifier: MIT */
#include "kit/train/adversarial_losses.h"
#include "tests/support/gradients.h"
#include "tests/support/graphs.h"
#include "tests/support/suite.h"

#include <math.h>
#include <string.h>

enum { ROWS = 2, PATCHES = 6, VALUES = ROWS * PATCHES };
enum { HINGE, VANILLA, NON_SATURATING };

static const struct {
    const char *name;
    struct adversarial_params p;
    int of_critic;
} loss[] = {{"hinge of the generator", {.generator_loss = 0}, 0},
            {"non-saturating loss of the generator", {.generator_loss = 1}, 0},
            {"hinge of the critic", {.critic_loss = HINGE}, 1},
            {"vanilla loss of the critic", {.critic_loss = VANILLA}, 1},
            {"non-saturating loss of the critic", {.critic_loss = NON_SATURATING}, 1},
            {"hinge with LeCam", {.critic_loss = HINGE, .lecam_weight = 0.5}, 1}};

enum { LOSSES = sizeof loss / sizeof *loss };
static int which;

static struct tess_node *record_loss(struct tess_graph *g)
{
    struct tess_node *real = normal_weight(g, "real", 4, DIMS(ROWS, 2, 3, 1), 0.4, 2.0);
    struct tess_node *made = normal_weight(g, "generated", 4, DIMS(ROWS, 2, 3, 1), -0.3, 2.0);
    struct tess_node *y = loss[which].of_critic ? adversarial_critic_loss(&loss[which].p, g, real, made)
                                                : adversarial_generator_loss(&loss[which].p, g, made);
    return tess_reshape(g, y, 1, DIMS(1));
}

/* A generator's loss has no gradient in the logits of real images: a term of nothing but them is added. */
static struct tess_node *record_both(struct tess_graph *g)
{
    struct tess_node *y = record_loss(g);
    if (loss[which].of_critic)
        return y;
    struct tess_node *real = normal_weight(g, "real", 4, DIMS(ROWS, 2, 3, 1), 0.4, 2.0);
    return tess_add(g, y, tess_reshape(g, tess_mean_all(g, real), 1, DIMS(1)));
}

START_TEST(gradients_are_slopes)
{
    which = _i;
    gradient_check(loss[_i].name, record_both, 5e-3);
}
END_TEST

/* ---- by definition ---- */

static double entropy(double x)
{
    return log1p(exp(-fabs(x))) + fmax(x, 0.0);
}

static double image_mean(const float *x, int row)
{
    double sum = 0.0;
    for (int i = 0; i < PATCHES; i++)
        sum += (double)x[row * PATCHES + i];
    return sum / PATCHES;
}

static double by_image(const float *x, double sign)
{
    double sum = 0.0;
    for (int row = 0; row < ROWS; row++)
        sum += entropy(sign * image_mean(x, row)) / ROWS;
    return sum;
}

static double lecam(const float *real, const float *made)
{
    double usual_real = 0.001 * (image_mean(real, 0) + image_mean(real, 1)) / 2, sum = 0.0;
    double usual_made = 0.001 * (image_mean(made, 0) + image_mean(made, 1)) / 2;
    for (int i = 0; i < VALUES; i++)
        sum += pow(fmax((double)real[i] - usual_made, 0.0), 2.0) + pow(fmax(usual_real - (double)made[i], 0.0), 2.0);
    return sum / VALUES;
}

static double by_definition(const float *real, const float *made)
{
    const struct adversarial_params *p = &loss[which].p;
    double hinge = 0.0, vanilla = 0.0, mean = 0.0;
    for (int i = 0; i < VALUES; i++) {
        hinge += (fmax(0.0, 1.0 - (double)real[i]) + fmax(0.0, 1.0 + (double)made[i])) / 2 / VALUES;
        vanilla += (entropy(-(double)real[i]) + entropy((double)made[i])) / 2 / VALUES;
        mean += (double)made[i] / VALUES;
    }
    if (!loss[which].of_critic)
        return p->generator_loss ? by_image(made, -1.0) : -mean;
    if (p->critic_loss == NON_SATURATING)
        return by_image(real, -1.0) + by_image(made, 1.0);
    return (p->critic_loss == VANILLA ? vanilla : hinge) + (p->lecam_weight > 0.0 ? p->lecam_weight * lecam(real, made) : 0.0);
}

static float *values_of(struct fixture *b, const char *name)
{
    struct tess_tensor t;
    fixture_ok(b, tess_weights_find(&b->context.context, b->weights, name, TESS_ROLE_VALUE, &t));
    return t.data;
}

/* A batch of ROWS whose total `wanted` goes to `value`, whatever other totals there are. */
static void step_for(struct fixture *b, int64_t samples, int32_t inputs, const struct tess_tensor *in, const char *wanted, float *value)
{
    struct tess_tensor total[8];
    struct tess_batch batch = {.size = sizeof batch, .samples = samples, .inputs = inputs, .in = in, .total = total};
    const char *name;
    for (; batch.totals < 8 && (name = tess_graph_total_at(b->graph, batch.totals, &total[batch.totals])); batch.totals++)
        if (strcmp(name, wanted) == 0)
            total[batch.totals].data = value;
    fixture_ok(b, tess_graph_step(&b->context.context, b->graph, &batch));
}

/* Also of logits that no exponential holds. */
START_TEST(values_are_those_of_the_definition)
{
    struct fixture b;
    float value;
    which = _i;
    fixture_open(&b, 1, ROWS, 1, 1);
    struct tess_node *y = record_both(b.graph);
    tess_objective(b.graph, "loss", "", tess_mean_all(b.graph, y));
    tess_total(b.graph, "y", record_loss(b.graph));
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    fixture_ok(&b, tess_weights_seal(&b.context.context, b.weights));
    float *real = values_of(&b, "real"), *made = values_of(&b, "generated");
    for (int large = 0; large < 2; large++) {
        if (large) {
            real[0] = made[1] = -500.0f;
            real[1] = made[0] = 500.0f;
            tess_weights_touch(b.weights);
        }
        step_for(&b, ROWS, 0, NULL, "y", &value);
        double want = by_definition(real, made);
        ck_assert_msg(fabs((double)value - want) < 1e-5 * (1.0 + fabs(want)), "%s: %.9g, not %.9g", loss[_i].name, (double)value, want);
    }
    fixture_close(&b);
}
END_TEST

/* The averages are of the whole batch, however many microbatches it has. */
START_TEST(averages_move_by_the_batch)
{
    struct fixture b;
    float input[8], own[2];
    struct tess_tensor in = tess_tensor_over(input, TESS_F32, 4, DIMS(8, 1, 1, 1));
    const struct adversarial_params p = {.lecam_weight = 1.0};
    for (int i = 0; i < 8; i++)
        input[i] = (float)i - 2.5f;
    for (int parts = 1; parts <= 4; parts *= 4) {
        fixture_open(&b, 2, 8 / parts, parts, 1);
        struct tess_node *x = tess_input(b.graph, "x", TESS_F32, 4, DIMS(8 / parts, 1, 1, 1));
        struct tess_node *w = normal_weight(b.graph, "w", 1, DIMS(1), 1.0, 0.0);
        struct tess_node *real = tess_mul(b.graph, x, w), *made = tess_affine(b.graph, real, 0.5f, 20.0f);
        tess_objective(b.graph, "loss", "w", adversarial_critic_loss(&p, b.graph, real, made));
        fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
        fixture_ok(&b, tess_weights_seal(&b.context.context, b.weights));
        step_for(&b, 8, 1, &in, "loss", &own[parts > 1]);
        fixture_ok(&b, lecam_move(&b.context.context, b.weights, 1.0, 20.5));
        ck_assert_double_eq_tol((double)*values_of(&b, "lecam.real"), 0.001, 1e-7);
        ck_assert_double_eq_tol((double)*values_of(&b, "lecam.made"), 0.0205, 1e-6);
        fixture_close(&b);
    }
    ck_assert_double_eq_tol((double)own[0], (double)own[1], 1e-5 * (double)own[0]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("adversarial");
    TCase *t = tcase_create("losses");
    tcase_add_loop_test(t, gradients_are_slopes, 0, LOSSES);
    tcase_add_loop_test(t, values_are_those_of_the_definition, 0, LOSSES);
    tcase_add_test(t, averages_move_by_the_batch);
    suite_add_tcase(s, t);
    return suite_run(s);
}
