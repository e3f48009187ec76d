/* The adversarial term: the critic and a whole generator's step against PyTorch (golden/critic.h5, adversarial.h5), and the two halves of
 * a step with gradient probes against gradients found one by one, on any number of threads. SPDX-License-Identifier: MIT */
#include "core/graph/node.h"
#include "core/graph/weight_store.h"
#include "tests/support/golden.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double VALUE = 1e-4, GRADIENT = 1e-3;
static const struct golden_name autoencoder_names[] = {
    {"encoder.", "encoder."}, {"decoder.", "generator."}, {"quantizer.codebook", "quantize.embedding.weight"}, {NULL, NULL}};
static const struct golden_name critic_names[] = {{"critic.", ""}, {NULL, NULL}};
static const char *const critic_unused[] = {"running_", "num_batches", NULL};

static struct tess_instance *open_part(struct fixture *b, const char *kind, const char *config_text)
{
    struct tess_instance *i;
    fixture_ok(b, tess_instance_open(&b->context.context, kind, config_text, "test", &i));
    return i;
}

static struct tess_node *judge(struct fixture *b, struct tess_instance *critic, struct tess_node *image)
{
    const struct tess_critic_1 *ops = tess_instance_ops(critic, "critic/1");
    struct tess_node *logits;
    tess_scope(b->graph, "critic");
    fixture_ok(b, ops->record(tess_instance_self(critic), &b->context.context, b->graph, image, &logits));
    tess_scope_end(b->graph);
    return logits;
}

static struct tess_instance *open_critic(struct fixture *b, const struct golden *g)
{
    char config_text[128];
    snprintf(config_text, sizeof config_text, "{use: patchgan, channels: %lld, layers: %lld}", (long long)golden_size(g, "ndf"),
             (long long)golden_size(g, "n_layers"));
    return open_part(b, "critic/1", config_text);
}

/* mean relu(1 + sign x) */
static struct tess_node *hinge(struct tess_graph *g, struct tess_node *x, float sign)
{
    return tess_mean_all(g, tess_leaky_relu(g, tess_affine(g, x, sign, 1.0f), 0.0f));
}

/* ---- against PyTorch ---- */

START_TEST(the_critic_is_the_published_one)
{
    struct golden *golden = golden_open("critic.h5");
    struct fixture b;
    struct tess_tensor in[2] = {golden_read(golden, "real", TESS_F32), golden_read(golden, "fake", TESS_F32)};
    struct tess_tensor want[2] = {golden_read(golden, "real_logits", TESS_F32), golden_read(golden, "fake_logits", TESS_F32)};
    struct tess_tensor out[2] = {want[0], want[1]}, total;
    int64_t rows = in[0].dim[0];
    float loss;
    fixture_open(&b, 1, rows, 1, 1);
    struct tess_instance *critic = open_critic(&b, golden);
    struct tess_node *logits[2];
    for (int i = 0; i < 2; i++) {
        logits[i] = judge(&b, critic, tess_input(b.graph, i ? "made" : "real", TESS_F32, 4, in[i].dim));
        tess_output(b.graph, i ? "made logits" : "real logits", logits[i]);
        out[i].data = malloc(tess_tensor_bytes(&out[i]));
    }
    struct tess_node *sum = tess_add(b.graph, hinge(b.graph, logits[0], -1.0f), hinge(b.graph, logits[1], 1.0f));
    tess_objective(b.graph, "critic", "critic.", tess_affine(b.graph, sum, 0.5f, 0.0f));
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    golden_weights(golden, &b, critic_names, critic_unused);
    total = tess_tensor_over(&loss, TESS_F32, 0, NULL);
    struct tess_batch batch = {
        .size = sizeof batch, .samples = rows, .inputs = 2, .in = in, .outputs = 2, .out = out, .totals = 1, .total = &total};
    fixture_ok(&b, tess_graph_step(&b.context.context, b.graph, &batch));
    golden_near("real logits", out[0].data, &want[0], VALUE, 0.0);
    golden_near("made logits", out[1].data, &want[1], VALUE, 0.0);
    golden_close_to("hinge", (double)loss, golden_scalar(golden, "hinge_loss"), VALUE);
    ck_assert_int_eq(golden_gradients(golden, &b, "grads", critic_names, GRADIENT), tess_weights_count(b.weights));
    for (int i = 0; i < 2; i++) {
        free(in[i].data);
        free(out[i].data);
        free(want[i].data);
    }
    tess_instance_close(critic);
    fixture_close(&b);
    golden_close(golden);
}
END_TEST

static void fill_from(struct fixture *b, const struct golden *g, const char *ours, const char *theirs)
{
    for (int64_t i = 0; i < tess_weights_count(b->weights); i++) {
        const char *name = tess_weights_name(b->weights, i);
        struct tess_tensor view, given;
        char path[300];
        if (strncmp(name, ours, strlen(ours)) != 0)
            continue;
        snprintf(path, sizeof path, "weights/%s%s", theirs, name + strlen(ours));
        given = golden_read(g, path, TESS_F32);
        fixture_ok(b, tess_weights_view(&b->context.context, b->weights, i, TESS_ROLE_VALUE, &view));
        ck_assert_int_eq(tess_tensor_count(&view), tess_tensor_count(&given));
        memcpy(view.data, given.data, tess_tensor_bytes(&view));
        free(given.data);
    }
    tess_weights_touch(b->weights);
}

static double norms[2];

static double length_of(const struct tess_tensor *t)
{
    double sum = 0.0;
    for (int64_t i = 0; i < tess_tensor_count(t); i++)
        sum += pow((double)((const float *)t->data)[i], 2.0);
    return sqrt(sum);
}

static int adapt(void *user, struct tess_context *ctx, const struct tess_tensor *gradient_probe, float *adaptive_weight)
{
    (void)ctx;
    (void)user;
    norms[0] = length_of(&gradient_probe[0]);
    norms[1] = length_of(&gradient_probe[1]);
    adaptive_weight[0] = (float)fmin(norms[0] / (norms[1] + 1e-4), 1.0);
    return TESS_OK;
}

START_TEST(a_generator_step_is_the_published_one)
{
    struct golden *ae = golden_open("ae.h5"), *critics = golden_open("critic.h5"), *golden = golden_open("adversarial.h5");
    struct fixture b;
    struct tess_tensor image = golden_read(golden, "image", TESS_F32);
    char config_text[512], mult[128], attention[128], last[128];
    int64_t rows = image.dim[0], side = image.dim[1], channels = image.dim[3], place = 0;
    fixture_open(&b, 2, rows, 1, 1);
    struct tess_graph *g = b.graph;
    struct tess_context *ctx = &b.context.context;
    snprintf(config_text, sizeof config_text, "{use: conv, channels: %lld, channel_mult: %s, res_blocks: %lld, attn_resolutions: %s}",
             (long long)golden_size(ae, "nf"), golden_list(ae, "ch_mult", mult, sizeof mult), (long long)golden_size(ae, "res_blocks"),
             golden_list(ae, "attn_resolutions", attention, sizeof attention));
    struct tess_instance *encoder = open_part(&b, "encoder/1", config_text), *decoder = open_part(&b, "decoder/1", config_text);
    snprintf(config_text, sizeof config_text, "{use: nearest, codebook_size: %lld, code_dim: %lld, beta_on: codebook}",
             (long long)golden_size(ae, "codebook_size"), (long long)golden_size(ae, "emb_dim"));
    struct tess_instance *quantizer = open_part(&b, "quantizer/1", config_text), *critic = open_critic(&b, critics);
    struct tess_node *x = tess_input(g, "image", TESS_F32, 4, image.dim), *latent, *y;
    struct tess_quantized q = {.size = sizeof q};
    tess_scope(g, "encoder");
    const struct tess_encoder_1 *e = tess_instance_ops(encoder, "encoder/1");
    fixture_ok(&b, e->record(tess_instance_self(encoder), ctx, g, x, golden_size(ae, "emb_dim"), &latent));
    tess_scope_end(g);
    tess_scope(g, "quantizer");
    const struct tess_quantizer_1 *qo = tess_instance_ops(quantizer, "quantizer/1");
    fixture_ok(&b, qo->record(tess_instance_self(quantizer), ctx, g, latent, &q));
    tess_scope_end(g);
    tess_scope(g, "decoder");
    const struct tess_decoder_1 *d = tess_instance_ops(decoder, "decoder/1");
    fixture_ok(&b, d->record(tess_instance_self(decoder), ctx, g, q.quantised, side, side, channels, &y));
    tess_scope_end(g);
    struct tess_node *error = tess_mean_all(g, tess_abs(g, tess_sub(g, x, y)));
    struct tess_node *fooled = tess_affine(g, tess_mean_all(g, judge(&b, critic, y)), -1.0f, 0.0f);
    struct tess_node *term = tess_mul(g, tess_adaptive_weight(g), fooled);
    for (int64_t i = 0; i < tess_weights_count(b.weights); i++) {
        int at;
        if (sscanf(tess_weights_name(b.weights, i), "decoder.blocks.%d.weight", &at) == 1 && at > place)
            place = at;
    }
    snprintf(last, sizeof last, "decoder.blocks.%d.weight", (int)place);
    tess_gradient_probe(g, error, last);
    tess_gradient_probe(g, fooled, last);
    tess_set_adaptive_weights(g, adapt, NULL);
    tess_total(g, "error", error);
    tess_total(g, "fooled", fooled);
    tess_objective(g, "loss", "encoder.,quantizer.,decoder.", tess_add(g, tess_add(g, error, term), q.loss));
    fixture_ok(&b, tess_graph_seal(ctx, g));
    fixture_ok(&b, tess_weights_seal(ctx, b.weights));
    fill_from(&b, ae, "encoder.", "encoder.");
    fill_from(&b, ae, "decoder.", "generator.");
    fill_from(&b, ae, "quantizer.codebook", "quantize.embedding.weight");
    fill_from(&b, critics, "critic.", "");
    float values[3];
    struct tess_tensor total[3];
    for (int i = 0; i < 3; i++)
        total[i] = tess_tensor_over(&values[i], TESS_F32, 0, NULL);
    struct tess_batch batch = {.size = sizeof batch, .samples = rows, .inputs = 1, .in = &image, .totals = 3, .total = total};
    fixture_ok(&b, tess_graph_step(ctx, g, &batch));
    golden_close_to("reconstruction", (double)values[1], golden_scalar(golden, "rec_loss"), VALUE);
    golden_close_to("generator", (double)values[2], golden_scalar(golden, "generator_loss"), VALUE);
    golden_close_to("reconstruction's gradient", norms[0], golden_scalar(golden, "rec_grad_norm"), VALUE);
    golden_close_to("generator's gradient", norms[1], golden_scalar(golden, "generator_grad_norm"), GRADIENT);
    golden_close_to("weight", (double)g->adaptive_weight[0], golden_scalar(golden, "adaptive_weight"), GRADIENT);
    ck_assert_int_eq(golden_gradients(golden, &b, "grads", autoencoder_names, GRADIENT), 4);
    struct tess_instance *const all[] = {encoder, decoder, quantizer, critic};
    for (int i = 0; i < 4; i++)
        tess_instance_close(all[i]);
    free(image.data);
    fixture_close(&b);
    golden_close(ae);
    golden_close(critics);
    golden_close(golden);
}
END_TEST

/* ---- two halves of a step ---- */

enum { ROWS = 2, SLICES = 5, WEIGHTS = 5 * 6 + 4 * 5 };
enum { FIRST_LOSS, SECOND_LOSS, BOTH };

/* Gradients of net.first and net.last: of one loss, or of both with the second weighed by the gradients' lengths. */
static void gradients(int threads, int what, float out[WEIGHTS], float totals[2])
{
    struct fixture b;
    float input[ROWS * SLICES * 6];
    struct tess_stream s = {.seed = 2, .purpose = tess_purpose("input")};
    struct tess_tensor in = tess_tensor_over(input, TESS_F32, 2, DIMS(ROWS * SLICES, 6)), gradient;
    tess_random_normal(&s, 0, ROWS * SLICES * 6, input);
    fixture_open(&b, threads, ROWS, SLICES, 1);
    struct tess_graph *g = b.graph;
    struct tess_node *x = tess_input(g, "x", TESS_F32, 2, DIMS(ROWS, 6));
    struct tess_node *h = tess_tanh(g, tess_linear(g, x, normal_weight(g, "net.first", 2, DIMS(5, 6), 0, 0.5), NULL));
    h = tess_dropout(g, h, 0.2f, "half");
    struct tess_node *y = tess_linear(g, h, normal_weight(g, "net.last", 2, DIMS(4, 5), 0, 0.5), NULL);
    struct tess_node *one = tess_mean_all(g, tess_square(g, tess_affine(g, y, 1.0f, -0.3f)));
    struct tess_node *two = tess_mean_all(g, tess_tanh(g, tess_linear(g, y, normal_weight(g, "critic.w", 2, DIMS(1, 4), 0, 1), NULL)));
    if (what == BOTH) {
        tess_gradient_probe(g, one, "net.last");
        tess_gradient_probe(g, two, "net.last");
        tess_set_adaptive_weights(g, adapt, NULL);
        tess_objective(g, "loss", "net.", tess_add(g, one, tess_mul(g, tess_adaptive_weight(g), two)));
        tess_objective(g, "critic", "critic.", two);
    } else {
        tess_objective(g, "loss", "net.", what == FIRST_LOSS ? one : two);
    }
    tess_total(g, "one", one);
    fixture_ok(&b, tess_graph_seal(&b.context.context, g));
    float value[3];
    struct tess_tensor total[3];
    for (int i = 0; i < 3; i++)
        total[i] = tess_tensor_over(&value[i], TESS_F32, 0, NULL);
    struct tess_batch batch = {
        .size = sizeof batch, .samples = ROWS * SLICES, .inputs = 1, .in = &in, .totals = what == BOTH ? 3 : 2, .total = total, .step = 3};
    for (int i = 0; i < 3; i++) /* nothing is left over from a step before */
        fixture_ok(&b, tess_graph_step(&b.context.context, g, &batch));
    fixture_ok(&b, tess_graph_gradient(&b.context.context, g, "net.first", &gradient));
    memcpy(out, gradient.data, 30 * sizeof *out);
    fixture_ok(&b, tess_graph_gradient(&b.context.context, g, "net.last", &gradient));
    memcpy(out + 30, gradient.data, 20 * sizeof *out);
    totals[0] = value[0];
    totals[1] = value[what == BOTH ? 2 : 1];
    fixture_close(&b);
}

START_TEST(a_loss_is_weighed_by_gradients)
{
    float one[WEIGHTS], two[WEIGHTS], both[WEIGHTS], again[WEIGHTS], totals[2], first[2], other[2];
    gradients(1, FIRST_LOSS, one, first);
    gradients(1, SECOND_LOSS, two, other);
    gradients(1, BOTH, both, totals);
    double a = 0.0, b = 0.0;
    for (int i = 30; i < WEIGHTS; i++) {
        a += pow((double)one[i], 2.0);
        b += pow((double)two[i], 2.0);
    }
    double weight = fmin(sqrt(a) / (sqrt(b) + 1e-4), 1.0);
    ck_assert(fabs(norms[0] - sqrt(a)) < 1e-6 * sqrt(a) && fabs(norms[1] - sqrt(b)) < 1e-6 * sqrt(b));
    for (int i = 0; i < WEIGHTS; i++)
        ck_assert_msg(fabs((double)one[i] + weight * (double)two[i] - (double)both[i]) < 1e-6, "value %d", i);
    ck_assert(totals[0] == first[0] && totals[1] == first[1]); /* forward the second loss weighs nothing yet */
    for (int threads = 2; threads <= 6; threads++) {
        gradients(threads, BOTH, again, other);
        ck_assert_msg(memcmp(both, again, sizeof both) == 0 && memcmp(totals, other, sizeof totals) == 0, "%d threads", threads);
    }
}
END_TEST

START_TEST(probes_that_do_not_fit)
{
    struct fixture b;
    fixture_open(&b, 1, 2, 1, 1);
    struct tess_node *x = tess_input(b.graph, "x", TESS_F32, 2, DIMS(2, 3));
    struct tess_node *y = tess_mean_all(b.graph, tess_linear(b.graph, x, normal_weight(b.graph, "w", 2, DIMS(4, 3), 0, 1), NULL));
    (void)normal_weight(b.graph, "other", 1, DIMS(4), 0, 1);
    tess_objective(b.graph, "loss", "w", y);
    tess_gradient_probe(b.graph, y, "other");
    ck_assert_int_eq(tess_graph_seal(&b.context.context, b.graph), TESS_E_VALUE);
    ck_assert(strstr(tessi_base_context_message(&b.context.context), "a gradient probe's loss does not depend on other"));
    fixture_close(&b);
    fixture_open(&b, 1, 2, 1, 1);
    x = tess_input(b.graph, "x", TESS_F32, 2, DIMS(2, 3));
    tess_gradient_probe(b.graph, tess_mean_all(b.graph, x), "nothing");
    ck_assert_int_eq(tess_graph_seal(&b.context.context, b.graph), TESS_E_VALUE);
    ck_assert(strstr(tessi_base_context_message(&b.context.context), "no trained weight of that name"));
    fixture_close(&b);
}
END_TEST

START_TEST(images_too_small_for_a_critic)
{
    struct fixture b;
    struct tess_node *logits;
    fixture_open(&b, 1, 1, 1, 1);
    struct tess_instance *critic = open_part(&b, "critic/1", "patchgan");
    const struct tess_critic_1 *ops = tess_instance_ops(critic, "critic/1");
    struct tess_node *image = tess_input(b.graph, "image", TESS_F32, 4, DIMS(1, 16, 16, 1));
    ck_assert_int_eq(ops->record(tess_instance_self(critic), &b.context.context, b.graph, image, &logits), TESS_E_SHAPE);
    ck_assert(strstr(tessi_base_context_message(&b.context.context), "images of 16 x 16 are too small for 3 layers, which want 24"));
    tess_instance_close(critic);
    fixture_close(&b);
}
END_TEST

/* The smallest images that a critic of so many layers takes, one in a microbatch: its last norm still sees four values a channel, and
 * neither noise nor a plain image makes a number of anything that is none. */
START_TEST(a_microbatch_of_one_small_image)
{
    int64_t side = 3LL << _i;
    char config_text[64];
    snprintf(config_text, sizeof config_text, "{use: patchgan, channels: 4, layers: %d}", _i);
    for (int plain = 0; plain < 2; plain++) {
        static float pixel[48 * 48 * 3];
        struct fixture b;
        struct tess_tensor in = tess_tensor_over(pixel, TESS_F32, 4, DIMS(1, side, side, 3)), gradient;
        struct tess_stream s = {.seed = 4, .purpose = tess_purpose("pixels")};
        double largest = 0.0;
        fixture_open(&b, 1, 1, 1, 1);
        struct tess_instance *critic = open_part(&b, "critic/1", config_text);
        struct tess_node *logits = judge(&b, critic, tess_input(b.graph, "image", TESS_F32, 4, in.dim));
        struct tess_tensor patches = tess_shape(logits); /* a 4 x 4 convolution with a border of 1 has made it one less each way */
        ck_assert((patches.dim[1] + 1) * (patches.dim[2] + 1) >= 4);
        tess_objective(b.graph, "critic", "critic.", hinge(b.graph, logits, -1.0f));
        fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
        tess_random_uniform(&s, 0, side * side * 3, pixel);
        for (int64_t i = 0; i < side * side * 3 && plain; i++)
            pixel[i] = 0.0f;
        struct tess_batch batch = {.size = sizeof batch, .samples = 1, .inputs = 1, .in = &in};
        fixture_ok(&b, tess_graph_step(&b.context.context, b.graph, &batch));
        for (int64_t i = 0; i < tess_weights_count(b.weights); i++) {
            fixture_ok(&b, tess_graph_gradient(&b.context.context, b.graph, tess_weights_name(b.weights, i), &gradient));
            for (int64_t j = 0; j < tess_tensor_count(&gradient); j++) {
                ck_assert_msg(isfinite(((float *)gradient.data)[j]), "%s", tess_weights_name(b.weights, i));
                largest = fmax(largest, fabs((double)((float *)gradient.data)[j]));
            }
        }
        ck_assert(largest > 1e-4);
        tess_instance_close(critic);
        fixture_close(&b);
    }
}
END_TEST

/* Weight decay leaves out biases and norms (docs/models.md, "Optimiser"): whatever has one dimension. */
START_TEST(only_kernels_are_decayed)
{
    struct fixture b;
    int64_t kernels = 0, others = 0;
    fixture_open(&b, 1, 1, 1, 1);
    struct tess_instance *critic = open_part(&b, "critic/1", "{use: patchgan, channels: 4, layers: 2}");
    struct tess_node *logits = judge(&b, critic, tess_input(b.graph, "image", TESS_F32, 4, DIMS(1, 16, 16, 3)));
    tess_objective(b.graph, "loss", "", tess_mean_all(b.graph, logits));
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    for (int64_t i = 0; i < b.weights->count; i++) {
        const struct tessi_weight *w = &b.weights->item[i];
        int left_out = (w->init.flags & TESS_WEIGHT_NO_DECAY) != 0;
        ck_assert_msg(left_out == (w->shape.rank == 1), "%s: %s", w->name, left_out ? "not decayed" : "decayed");
        kernels += w->shape.rank == 4;
        others += w->shape.rank == 1;
    }
    ck_assert_int_eq(kernels, 4);
    ck_assert_int_eq(others, 6); /* two biases, and two norms of two each */
    tess_instance_close(critic);
    fixture_close(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("critic");
    TCase *t = tcase_create("critic");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_critic_is_the_published_one);
    tcase_add_test(t, a_generator_step_is_the_published_one);
    tcase_add_test(t, a_loss_is_weighed_by_gradients);
    tcase_add_test(t, probes_that_do_not_fit);
    tcase_add_test(t, images_too_small_for_a_critic);
    tcase_add_loop_test(t, a_microbatch_of_one_small_image, 1, 5);
    tcase_add_test(t, only_kernels_are_decayed);
    suite_add_tcase(s, t);
    return suite_run(s);
}
