/* The graph as a whole: bits that do not depend on threads, aliases, objectives, the memory plan, short batches, bad shapes; attention,
 * nearest codes and statistics against plain loops. SPDX-License-Identifier: MIT */
#include "tests/support/graphs.h"
#include "tests/support/suite.h"

#include "core/base/memory.h"
#include "core/graph/node.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A small network with most kinds of operations: convolution, norms, attention, dropout, codes, two losses. */
static void record_network(struct fixture *b, int64_t rows)
{
    struct tess_graph *g = b->graph;
    struct tess_node *image = tess_input(g, "image", TESS_F32, 4, DIMS(rows, 6, 6, 2));
    struct tess_conv same = {sizeof(struct tess_conv), 1, 1, 1, 1, 1};
    tess_scope(g, "net");
    struct tess_node *h = tess_conv2d(g, image, normal_weight(g, "conv", 4, DIMS(8, 3, 3, 2), 0, 0.3), NULL, &same);
    h = tess_group_norm_swish(g, h, normal_weight(g, "gamma", 1, DIMS(8), 1, 0.1), normal_weight(g, "beta", 1, DIMS(8), 0, 0.1), 4, 1e-6f);
    h = tess_dropout(g, h, 0.1f, "network");
    h = tess_conv2d(g, h, normal_weight(g, "next", 4, DIMS(8, 3, 3, 8), 0, 0.1), NULL, &same);
    h = tess_gelu(g, tess_group_norm_swish(g, h, normal_weight(g, "gamma2", 1, DIMS(8), 1, 0.1),
                                           normal_weight(g, "beta2", 1, DIMS(8), 0, 0.1), 2, 1e-6f));
    struct tess_node *z = tess_linear(g, tess_reshape(g, h, 3, DIMS(rows, 36, 8)), normal_weight(g, "mix", 2, DIMS(8, 8), 0, 0.3), NULL);
    z = tess_add(g, z, tess_attention(g, z, z, tess_linear(g, z, normal_weight(g, "v", 2, DIMS(8, 8), 0, 0.3), NULL), 2, 0));
    struct tess_node *codebook = normal_weight(g, "book", 2, DIMS(16, 8), 0, 0.5);
    struct tess_node *codes = tess_nearest(g, z, codebook), *counts, *sums;
    struct tess_node *quantised = tess_embedding(g, codes, codebook);
    tess_code_statistics(g, codes, z, 16, &counts, &sums);
    struct tess_node *loss = tess_mean_all(g, tess_square(g, tess_sub(g, quantised, tess_stop_gradient(g, z))));
    struct tess_node *out = tess_linear(g, tess_straight_through(g, quantised, z), normal_weight(g, "out", 2, DIMS(5, 8), 0, 0.3), NULL);
    loss = tess_add(g, loss, tess_mean_all(g, tess_square(g, out)));
    tess_scope_end(g);
    tess_output(g, "codes", codes);
    tess_output(g, "out", out);
    tess_total(g, "counts", counts);
    tess_total(g, "sums", sums);
    tess_objective(g, "loss", "net.", loss);
    fixture_ok(b, tess_graph_seal(&b->context.context, g));
}

enum { ROWS = 2, SLICES = 5, SAMPLES = ROWS * SLICES };

struct results {
    int32_t codes[SAMPLES * 36];
    float out[SAMPLES * 36 * 5], loss, counts[16], sums[16 * 8], gradient[8 * 3 * 3 * 2], codebook[16 * 8];
};

static void step_network(int threads, struct results *r)
{
    struct fixture b;
    float image[SAMPLES * 72];
    struct tess_stream s = {.seed = 4, .purpose = tess_purpose("image")};
    tess_random_normal(&s, 0, SAMPLES * 72, image);
    fixture_open(&b, threads, ROWS, SLICES, 1);
    record_network(&b, ROWS);
    struct tess_tensor in = tess_tensor_over(image, TESS_F32, 4, DIMS(SAMPLES, 6, 6, 2)), gradient;
    struct tess_tensor out[2] = {tess_tensor_over(r->codes, TESS_I32, 2, DIMS(SAMPLES, 36)),
                                 tess_tensor_over(r->out, TESS_F32, 3, DIMS(SAMPLES, 36, 5))};
    struct tess_tensor total[3] = {tess_tensor_over(&r->loss, TESS_F32, 0, NULL), tess_tensor_over(r->counts, TESS_F32, 1, DIMS(16)),
                                   tess_tensor_over(r->sums, TESS_F32, 2, DIMS(16, 8))};
    struct tess_batch batch = {
        .size = sizeof batch, .samples = SAMPLES, .inputs = 1, .in = &in, .outputs = 2, .out = out, .totals = 3, .total = total, .step = 7};
    fixture_ok(&b, tess_graph_step(&b.context.context, b.graph, &batch));
    int64_t before = tessi_base_memory_peak();
    for (int i = 0; i < 3; i++)
        fixture_ok(&b, tess_graph_step(&b.context.context, b.graph, &batch));
    if (threads == 1)
        ck_assert_msg(tessi_base_memory_peak() == before, "a step allocated memory");
    fixture_ok(&b, tess_graph_gradient(&b.context.context, b.graph, "net.conv", &gradient));
    memcpy(r->gradient, gradient.data, sizeof r->gradient);
    fixture_ok(&b, tess_graph_gradient(&b.context.context, b.graph, "net.book", &gradient));
    memcpy(r->codebook, gradient.data, sizeof r->codebook);
    fixture_close(&b);
}

START_TEST(threads_do_not_change_a_bit)
{
    static struct results one, other;
    step_network(1, &one);
    for (int threads = 2; threads <= 6; threads++) {
        step_network(threads, &other);
        ck_assert_msg(memcmp(&one, &other, sizeof one) == 0, "%d threads differ from one", threads);
    }
    double counted = 0.0;
    for (int i = 0; i < 16; i++)
        counted += (double)one.counts[i];
    ck_assert(counted == SAMPLES * 36);
}
END_TEST

/* Activations of one worker for some layers of a norm and a product. */
static int64_t arena_of_layers(int recompute)
{
    struct fixture b;
    struct tess_cost cost = {.size = sizeof cost};
    fixture_recompute = recompute;
    fixture_open(&b, 1, 8, 2, 1); /* one microbatch after the other: nothing lies where gradients will be */
    fixture_recompute = 0;
    struct tess_node *x = tess_input(b.graph, "x", TESS_F32, 2, DIMS(8, 64));
    for (int i = 0; i < 6; i++) {
        tess_scope(b.graph, "%d", i);
        x = tess_layer_norm(b.graph, x, normal_weight(b.graph, "gamma", 1, DIMS(64), 1, 0),
                            normal_weight(b.graph, "beta", 1, DIMS(64), 0, 0), 1e-5f);
        x = tess_linear(b.graph, x, normal_weight(b.graph, "w", 2, DIMS(64, 64), 0, 0.1), NULL);
        tess_scope_end(b.graph);
    }
    tess_objective(b.graph, "loss", "", tess_mean_all(b.graph, tess_square(b.graph, x)));
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    fixture_ok(&b, tess_graph_cost(&b.context.context, b.graph, &cost));
    fixture_close(&b);
    return cost.arena_bytes;
}

/* A norm behind a norm's activation: what is made again needs something made again. */
START_TEST(what_is_made_again_is_the_same)
{
    static struct results kept, again;
    for (int bf16 = 0; bf16 < 2; bf16++) {
        fixture_precision = bf16 ? "bf16" : NULL;
        fixture_backend = bf16 && !fixture_can_bf16(NULL, NULL) ? "openblas" : NULL; /* openblas has bf16 on any processor */
        step_network(2, &kept);
        fixture_recompute = 1;
        step_network(2, &again);
        fixture_recompute = 0;
        ck_assert(memcmp(&kept, &again, sizeof kept) == 0);
    }
    fixture_backend = fixture_precision = NULL;
    ck_assert_int_lt(arena_of_layers(1) + 4 * 8 * 64 * 4, arena_of_layers(0)); /* few of the six norms' results exist at a time */
}
END_TEST

/* Nine microbatches: the tree has a last one without a partner on three levels, and its sums are those of plain halves. */
START_TEST(gradients_are_summed_in_a_tree)
{
    enum { N = 9 };
    float x[N], want[N];
    struct tess_stream s = {.seed = 4, .purpose = 2};
    tess_random_normal(&s, 0, N, x);
    for (int n = 1; n <= N; n++) {
        struct fixture b;
        fixture_open(&b, 3, 1, n, 1);
        struct tess_node *in = tess_input(b.graph, "x", TESS_F32, 2, DIMS(1, 1));
        struct tess_node *y = tess_mul(b.graph, in, normal_weight(b.graph, "w", 1, DIMS(1), 0, 1)), *z;
        z = tess_mul(b.graph, in, normal_weight(b.graph, "w", 1, DIMS(1), 0, 1)); /* a weight read twice */
        tess_objective(b.graph, "loss", "", tess_mean_all(b.graph, tess_add(b.graph, y, z)));
        fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
        struct tess_tensor given = tess_tensor_over(x, TESS_F32, 2, DIMS(n, 1)), got;
        struct tess_batch batch = {.size = sizeof batch, .samples = n, .inputs = 1, .in = &given};
        fixture_ok(&b, tess_graph_step(&b.context.context, b.graph, &batch));
        fixture_ok(&b, tess_graph_gradient(&b.context.context, b.graph, "w", &got));
        for (int i = 0; i < n; i++)
            want[i] = 2.0f * x[i];
        for (int m = n; m > 1; m = (m + 1) / 2)
            for (int i = 0; i < (m + 1) / 2; i++)
                want[i] = 2 * i + 1 < m ? want[2 * i] + want[2 * i + 1] : want[2 * i];
        ck_assert_msg(*(float *)got.data == want[0] * (1.0f / (float)n) || (n == 1 && *(float *)got.data == want[0]), "%d microbatches", n);
        fixture_close(&b);
    }
}
END_TEST

START_TEST(microbatches_give_the_gradient_of_the_mean)
{
    /* the same samples as 1 microbatch of 6 and as 3 microbatches of 2: equal but for rounding */
    float x[6 * 4], gradient[2][12];
    struct tess_stream s = {.seed = 4, .purpose = 1};
    tess_random_normal(&s, 0, 24, x);
    for (int k = 0; k < 2; k++) {
        struct fixture b;
        int64_t rows = k ? 2 : 6;
        fixture_open(&b, 2, rows, 6 / rows, 1);
        struct tess_node *in = tess_input(b.graph, "x", TESS_F32, 2, DIMS(rows, 4));
        struct tess_node *y = tess_linear(b.graph, in, normal_weight(b.graph, "w", 2, DIMS(3, 4), 0, 1), NULL);
        tess_objective(b.graph, "loss", "", tess_mean_all(b.graph, tess_square(b.graph, y)));
        fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
        struct tess_tensor given = tess_tensor_over(x, TESS_F32, 2, DIMS(6, 4)), got;
        struct tess_batch batch = {.size = sizeof batch, .samples = 6, .inputs = 1, .in = &given};
        fixture_ok(&b, tess_graph_step(&b.context.context, b.graph, &batch));
        fixture_ok(&b, tess_graph_gradient(&b.context.context, b.graph, "w", &got));
        memcpy(gradient[k], got.data, sizeof gradient[k]);
        fixture_close(&b);
    }
    for (int i = 0; i < 12; i++)
        ck_assert(fabsf(gradient[0][i] - gradient[1][i]) < 1e-5f);
}
END_TEST

START_TEST(a_short_batch_gives_the_rows_it_has)
{
    struct fixture b;
    float x[7 * 3], whole[7 * 2], part[7 * 2];
    for (int i = 0; i < 21; i++)
        x[i] = (float)i * 0.1f - 1.0f;
    fixture_open(&b, 2, 4, 2, 0);
    struct tess_node *in = tess_input(b.graph, "x", TESS_F32, 2, DIMS(4, 3));
    tess_output(b.graph, "y", tess_swish(b.graph, tess_linear(b.graph, in, normal_weight(b.graph, "w", 2, DIMS(2, 3), 0, 1), NULL)));
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    for (int64_t n = 7; n >= 1; n--) {
        struct tess_tensor given = tess_tensor_over(x, TESS_F32, 2, DIMS(n, 3)), out = tess_tensor_over(part, TESS_F32, 2, DIMS(n, 2));
        struct tess_batch batch = {.size = sizeof batch, .samples = n, .inputs = 1, .in = &given, .outputs = 1, .out = &out};
        for (int i = 0; i < 14; i++)
            part[i] = 99.0f;
        fixture_ok(&b, tess_graph_run(&b.context.context, b.graph, &batch));
        if (n == 7)
            memcpy(whole, part, sizeof whole);
        ck_assert(memcmp(whole, part, (size_t)n * 2 * sizeof(float)) == 0);
        for (int64_t i = 2 * n; i < 14; i++)
            ck_assert(part[i] == 99.0f);
    }
    fixture_close(&b);
}
END_TEST

/* Room is counted before anything is written. */
START_TEST(an_output_without_capacity_is_refused)
{
    struct fixture b;
    float x[4 * 3] = {0.0f}, y[4 * 2];
    fixture_open(&b, 1, 4, 1, 0);
    struct tess_node *in = tess_input(b.graph, "x", TESS_F32, 2, DIMS(4, 3));
    tess_output(b.graph, "y", tess_linear(b.graph, in, normal_weight(b.graph, "w", 2, DIMS(2, 3), 0, 1), NULL));
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    struct tess_tensor given = tess_tensor_over(x, TESS_F32, 2, DIMS(4, 3));
    const struct tess_tensor rooms[3] = {tess_tensor_over(y, TESS_F32, 2, DIMS(4, 2)), tess_tensor_over(y, TESS_F32, 2, DIMS(4, 1)),
                                         tess_tensor_over(y, TESS_I32, 2, DIMS(4, 2))};
    for (int i = 0; i < 3; i++) {
        struct tess_tensor out = rooms[i];
        struct tess_batch batch = {.size = sizeof batch, .samples = 4, .inputs = 1, .in = &given, .outputs = 1, .out = &out};
        y[1] = 99.0f;
        ck_assert_int_eq(tess_graph_run(&b.context.context, b.graph, &batch), i ? TESS_E_SHAPE : TESS_OK);
        ck_assert(!i || (y[1] == 99.0f && strstr(tessi_base_context_message(&b.context.context), "output y of a graph: wanted f32")));
    }
    fixture_close(&b);
}
END_TEST

START_TEST(gradients_stop_and_pass_straight_through)
{
    struct fixture b;
    fixture_open(&b, 1, 1, 1, 1);
    struct tess_graph *g = b.graph;
    struct tess_node *a = normal_weight(g, "a", 1, DIMS(4), 0, 1), *v = normal_weight(g, "v", 1, DIMS(4), 3, 1);
    struct tess_node *y = tess_straight_through(g, tess_stop_gradient(g, tess_affine(g, v, 2, 0)), a); /* value 2 v, gradient to a */
    tess_objective(g, "loss", "", tess_mean_all(g, tess_add(g, tess_square(g, y), v)));
    tess_total(g, "y", y);
    fixture_ok(&b, tess_graph_seal(&b.context.context, g));
    float value[4], loss;
    struct tess_tensor total[2] = {tess_tensor_over(&loss, TESS_F32, 0, NULL), tess_tensor_over(value, TESS_F32, 1, DIMS(4))}, da, dv;
    struct tess_batch batch = {.size = sizeof batch, .samples = 1, .totals = 2, .total = total};
    fixture_ok(&b, tess_graph_step(&b.context.context, g, &batch));
    fixture_ok(&b, tess_graph_gradient(&b.context.context, g, "a", &da));
    fixture_ok(&b, tess_graph_gradient(&b.context.context, g, "v", &dv));
    for (int i = 0; i < 4; i++) {
        ck_assert(((float *)da.data)[i] == 2.0f * value[i] / 4.0f);
        ck_assert(((float *)dv.data)[i] == 0.25f);
    }
    fixture_close(&b);
}
END_TEST

START_TEST(two_objectives_train_their_own_weights)
{
    /* generator and critic over one graph: each weight's gradient comes from the objective it belongs to */
    struct fixture b;
    fixture_open(&b, 1, 1, 1, 1);
    struct tess_graph *g = b.graph;
    struct tess_node *fake = normal_weight(g, "generator.w", 1, DIMS(3), 1, 1), *critic = normal_weight(g, "critic.w", 1, DIMS(3), 1, 1);
    struct tess_node *score = tess_mul(g, fake, critic);
    tess_objective(g, "generator", "generator.", tess_mean_all(g, tess_affine(g, score, -1, 0)));
    tess_objective(g, "critic", "critic.", tess_mean_all(g, score));
    fixture_ok(&b, tess_graph_seal(&b.context.context, g));
    struct tess_batch batch = {.size = sizeof batch, .samples = 1};
    struct tess_tensor dg, dc, wg, wc;
    fixture_ok(&b, tess_graph_step(&b.context.context, g, &batch));
    fixture_ok(&b, tess_graph_gradient(&b.context.context, g, "generator.w", &dg));
    fixture_ok(&b, tess_graph_gradient(&b.context.context, g, "critic.w", &dc));
    fixture_ok(&b, tess_weights_find(&b.context.context, b.weights, "generator.w", TESS_ROLE_VALUE, &wg));
    fixture_ok(&b, tess_weights_find(&b.context.context, b.weights, "critic.w", TESS_ROLE_VALUE, &wc));
    for (int i = 0; i < 3; i++) {
        ck_assert(fabsf(((float *)dg.data)[i] + ((float *)wc.data)[i] / 3.0f) < 1e-6f);
        ck_assert(fabsf(((float *)dc.data)[i] - ((float *)wg.data)[i] / 3.0f) < 1e-6f);
    }
    fixture_close(&b);
}
END_TEST

START_TEST(the_plan_never_shares_living_memory)
{
    struct fixture b;
    fixture_open(&b, 1, ROWS, SLICES, 1);
    record_network(&b, ROWS);
    const struct tess_graph *g = b.graph;
    int64_t sum = 0;
    for (int64_t i = 0; i < g->buffers; i++) {
        const struct tessi_buffer *p = &g->buffer[i];
        ck_assert(p->offset % 64 == 0 && p->offset + p->bytes <= g->arena_bytes);
        sum += p->bytes;
        for (int64_t j = 0; j < i; j++) {
            const struct tessi_buffer *q = &g->buffer[j];
            int together = p->from <= q->to && q->from <= p->to;
            int overlap = p->offset < q->offset + q->bytes && q->offset < p->offset + p->bytes;
            ck_assert_msg(!(together && overlap), "buffers %lld and %lld", (long long)i, (long long)j);
        }
    }
    ck_assert_msg(g->arena_bytes < sum, "%lld of %lld bytes: nothing is shared", (long long)g->arena_bytes, (long long)sum);
    fixture_close(&b);
}
END_TEST

static int set_to_one(void *user, struct tess_context *ctx, const struct tess_tensor *gradient_probe, float *adaptive_weight)
{
    (void)user;
    (void)ctx;
    (void)gradient_probe;
    *adaptive_weight = 1.0f;
    return TESS_OK;
}

/* Lowest offset, a multiple of 64, at which a buffer of these bytes overlaps none of those that live at its time. */
static int64_t lowest_offset(const struct tess_graph *g, const int64_t *placed, int64_t n, const struct tessi_buffer *b)
{
    for (int64_t at = 0;; at += 64) {
        int64_t i = 0;
        for (; i < n; i++) {
            const struct tessi_buffer *p = &g->buffer[placed[i]];
            if (p->from <= b->to && b->from <= p->to && at < p->offset + p->bytes && p->offset < at + b->bytes)
                break;
        }
        if (i == n)
            return at;
    }
}

/* The largest first, of equal ones the earlier, each as low as it fits: nothing of the arena is wasted by a gap that is passed by. */
START_TEST(each_buffer_lies_as_low_as_it_fits)
{
    struct fixture b;
    fixture_open(&b, 1, ROWS, SLICES, 1);
    record_network(&b, ROWS);
    const struct tess_graph *g = b.graph;
    int64_t *placed = calloc((size_t)g->buffers, sizeof *placed), arena = 0, pad = 0, gaps = 0;
    char *is_placed = calloc((size_t)g->buffers, 1);
    for (int64_t n = 0; n < g->buffers; n++) {
        int64_t next = -1;
        for (int64_t i = 0; i < g->buffers; i++)
            if (!is_placed[i] && (next < 0 || g->buffer[i].bytes > g->buffer[next].bytes))
                next = i;
        const struct tessi_buffer *one = &g->buffer[next];
        if (one->bytes)
            ck_assert_int_eq(one->offset, lowest_offset(g, placed, n, one));
        gaps += one->offset > 0 && one->offset + one->bytes < arena;
        arena = one->offset + (one->bytes + 63) / 64 * 64 > arena ? one->offset + (one->bytes + 63) / 64 * 64 : arena;
        placed[n] = next;
        is_placed[next] = 1;
    }
    ck_assert_int_eq(g->arena_bytes, arena);
    ck_assert_int_gt(gaps, 0);
    for (int32_t i = 0; i < g->inputs; i++)
        pad += ((int64_t)tess_tensor_bytes(&g->input[i].node->shape) + 63) / 64 * 64;
    ck_assert_int_eq(g->pad_bytes, pad);
    free(placed);
    free(is_placed);
    fixture_close(&b);
}
END_TEST

/* Sums of totals and of gradient probes begin at multiples of 16 numbers, one behind the other. */
START_TEST(sums_lie_one_behind_the_other)
{
    struct fixture b;
    fixture_open(&b, 1, 2, 2, 1);
    struct tess_graph *g = b.graph;
    struct tess_node *x = tess_input(g, "x", TESS_F32, 2, DIMS(2, 17)), *w = normal_weight(g, "w", 2, DIMS(3, 17), 0, 1);
    struct tess_node *y = tess_linear(g, x, w, NULL), *mean = tess_mean_all(g, y);
    tess_total(g, "columns", tess_reshape(g, tess_sum(g, x, 1), 1, DIMS(17)));
    tess_total(g, "mean", mean);
    tess_gradient_probe(g, mean, "w");
    tess_gradient_probe(g, tess_mean_all(g, tess_square(g, y)), "w");
    tess_set_adaptive_weights(g, set_to_one, NULL);
    tess_objective(g, "loss", "", tess_mul(g, mean, tess_adaptive_weight(g)));
    fixture_ok(&b, tess_graph_seal(&b.context.context, g));
    ck_assert_int_eq(g->gradient_probe[0].offset, 16 + 32 + 16); /* the objective, and two totals */
    ck_assert_int_eq(g->gradient_probe[1].offset, 64 + 64);      /* 51 numbers */
    ck_assert_int_eq(g->sum_floats, 64 + 2 * 64);
    fixture_close(&b);
}
END_TEST

START_TEST(the_cost_is_known_before_a_run)
{
    struct fixture b;
    struct tess_cost cost = {.size = sizeof cost};
    fixture_open(&b, 2, 4, 3, 1);
    struct tess_node *x = tess_input(b.graph, "x", TESS_F32, 2, DIMS(4, 10));
    struct tess_node *y = tess_linear(b.graph, x, normal_weight(b.graph, "w", 2, DIMS(5, 10), 0, 1), NULL);
    tess_objective(b.graph, "loss", "", tess_mean_all(b.graph, y));
    ck_assert_int_eq(tess_graph_cost(&b.context.context, b.graph, &cost), TESS_E_VALUE);
    tessi_base_context_clear(&b.context.context);
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    fixture_ok(&b, tess_graph_cost(&b.context.context, b.graph, &cost));
    ck_assert_int_eq(cost.parameters, 50);
    ck_assert(cost.flops >= 2 * 2 * 50.0 && cost.flops < 2 * 2 * 50.0 + 100.0); /* forward, and the weight's gradient: x wants none */
    ck_assert(cost.total_bytes >= 2 * cost.arena_bytes && cost.arena_bytes >= 4 * 5 * 4);
    fixture_close(&b);
}
END_TEST

START_TEST(attention_is_what_its_formula_says)
{
    enum { L = 5, M = 7, C = 6, H = 2, D = C / H };
    struct fixture b;
    fixture_open(&b, 1, 1, 1, 0);
    struct tess_graph *g = b.graph;
    tess_total(g, "y", tess_attention(g, normal_weight(g, "q", 3, DIMS(1, L, C), 0, 1), normal_weight(g, "k", 3, DIMS(1, M, C), 0, 1),
                                      normal_weight(g, "v", 3, DIMS(1, M, C), 0, 1), H, 0));
    fixture_ok(&b, tess_graph_seal(&b.context.context, g));
    float y[L * C];
    struct tess_tensor total = tess_tensor_over(y, TESS_F32, 3, DIMS(1, L, C)), w[3];
    struct tess_batch batch = {.size = sizeof batch, .samples = 1, .totals = 1, .total = &total};
    fixture_ok(&b, tess_graph_run(&b.context.context, g, &batch));
    for (int i = 0; i < 3; i++)
        fixture_ok(&b, tess_weights_find(&b.context.context, b.weights, (const char *const[]){"q", "k", "v"}[i], TESS_ROLE_VALUE, &w[i]));
    const float *q = w[0].data, *k = w[1].data, *v = w[2].data;
    for (int h = 0; h < H; h++)
        for (int i = 0; i < L; i++) {
            double p[M], sum = 0.0;
            for (int j = 0; j < M; j++) {
                double s = 0.0;
                for (int d = 0; d < D; d++)
                    s += (double)q[i * C + h * D + d] * (double)k[j * C + h * D + d];
                sum += p[j] = exp(s / sqrt((double)D));
            }
            for (int d = 0; d < D; d++) {
                double want = 0.0;
                for (int j = 0; j < M; j++)
                    want += p[j] / sum * (double)v[j * C + h * D + d];
                ck_assert(fabs(want - (double)y[i * C + h * D + d]) < 1e-5);
            }
        }
    fixture_close(&b);
}
END_TEST

/* Sizes around the tiles of 64 rows and 256 codes, with codes repeated so that ties occur. */
static const int64_t nearest_sizes[][3] = {{1, 1, 1}, {63, 2, 3}, {64, 256, 4}, {65, 257, 5}, {130, 700, 8}, {200, 255, 16}};

START_TEST(nearest_is_brute_force)
{
    int64_t n = nearest_sizes[_i][0], k = nearest_sizes[_i][1], d = nearest_sizes[_i][2];
    struct fixture b;
    fixture_open(&b, 1, n, 1, 0);
    struct tess_graph *g = b.graph;
    tess_output(g, "codes", tess_nearest(g, normal_weight(g, "z", 2, DIMS(n, d), 0, 1), normal_weight(g, "book", 2, DIMS(k, d), 0, 1)));
    fixture_ok(&b, tess_graph_seal(&b.context.context, g));
    fixture_ok(&b, tess_weights_seal(&b.context.context, b.weights));
    int32_t *code = calloc((size_t)n, sizeof *code);
    struct tess_tensor out = tess_tensor_over(code, TESS_I32, 1, DIMS(n)), z, codebook;
    struct tess_batch batch = {.size = sizeof batch, .samples = n, .outputs = 1, .out = &out};
    fixture_ok(&b, tess_weights_find(&b.context.context, b.weights, "z", TESS_ROLE_VALUE, &z));
    fixture_ok(&b, tess_weights_find(&b.context.context, b.weights, "book", TESS_ROLE_VALUE, &codebook));
    const float *zf = z.data;
    float *bf = codebook.data;
    for (int64_t j = k / 2; j < k && k > 1; j++) /* the second half repeats the first */
        memcpy(bf + j * d, bf + (j - k / 2) * d, (size_t)d * sizeof(float));
    tess_weights_touch(b.weights);
    fixture_ok(&b, tess_graph_run(&b.context.context, g, &batch));
    for (int64_t i = 0; i < n; i++) {
        double least = INFINITY;
        int64_t at = 0;
        for (int64_t j = 0; j < k; j++) {
            double distance = 0.0;
            for (int64_t c = 0; c < d; c++)
                distance += pow((double)zf[i * d + c] - (double)bf[j * d + c], 2.0);
            at = distance < least ? j : at;
            least = fmin(distance, least);
        }
        ck_assert_msg(code[i] == at, "row %lld: %d, not %lld", (long long)i, (int)code[i], (long long)at);
        ck_assert(k == 1 || at < k - k / 2); /* never the repeated one */
    }
    ((float *)z.data)[(n - 1) * d] = NAN;
    tess_weights_touch(b.weights);
    ck_assert_int_eq(tess_graph_run(&b.context.context, g, &batch), TESS_E_FAILED);
    ck_assert_ptr_nonnull(strstr(tessi_base_context_message(&b.context.context), "not finite"));
    free(code);
    fixture_close(&b);
}
END_TEST

START_TEST(statistics_count_and_sum)
{
    struct fixture b;
    int32_t code[6] = {2, 0, 2, 2, 1, 0};
    float x[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, counts[4], sums[8];
    fixture_open(&b, 2, 3, 2, 0);
    struct tess_node *codes = tess_input(b.graph, "codes", TESS_I32, 1, DIMS(3)), *c, *s;
    tess_code_statistics(b.graph, codes, tess_input(b.graph, "x", TESS_F32, 2, DIMS(3, 2)), 4, &c, &s);
    tess_total(b.graph, "counts", c);
    tess_total(b.graph, "sums", s);
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    struct tess_tensor in[2] = {tess_tensor_over(code, TESS_I32, 1, DIMS(6)), tess_tensor_over(x, TESS_F32, 2, DIMS(6, 2))};
    struct tess_tensor total[2] = {tess_tensor_over(counts, TESS_F32, 1, DIMS(4)), tess_tensor_over(sums, TESS_F32, 2, DIMS(4, 2))};
    struct tess_batch batch = {.size = sizeof batch, .samples = 6, .inputs = 2, .in = in, .totals = 2, .total = total};
    fixture_ok(&b, tess_graph_run(&b.context.context, b.graph, &batch));
    const float want_counts[4] = {2, 1, 3, 0}, want_sums[8] = {14, 16, 9, 10, 13, 16, 0, 0};
    ck_assert(memcmp(counts, want_counts, sizeof counts) == 0 && memcmp(sums, want_sums, sizeof sums) == 0);
    code[4] = 4;
    ck_assert_int_eq(tess_graph_run(&b.context.context, b.graph, &batch), TESS_E_DATA);
    fixture_close(&b);
}
END_TEST

START_TEST(rows_are_gathered)
{
    struct fixture b;
    float x[2 * 3 * 2] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, y[2 * 4 * 2];
    const float want[2 * 4 * 2] = {5, 6, 1, 2, 1, 2, 3, 4, 7, 8, 7, 8, 11, 12, 9, 10};
    int32_t index[2 * 4] = {2, 0, 0, 1, 0, 0, 2, 1};
    fixture_open(&b, 1, 2, 1, 0);
    struct tess_node *from = tess_input(b.graph, "x", TESS_F32, 3, DIMS(2, 3, 2));
    tess_output(b.graph, "y", tess_gather(b.graph, from, tess_input(b.graph, "index", TESS_I32, 2, DIMS(2, 4))));
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    struct tess_tensor in[2] = {tess_tensor_over(x, TESS_F32, 3, DIMS(2, 3, 2)), tess_tensor_over(index, TESS_I32, 2, DIMS(2, 4))};
    struct tess_tensor out = tess_tensor_over(y, TESS_F32, 3, DIMS(2, 4, 2));
    struct tess_batch batch = {.size = sizeof batch, .samples = 2, .inputs = 2, .in = in, .outputs = 1, .out = &out};
    fixture_ok(&b, tess_graph_run(&b.context.context, b.graph, &batch));
    ck_assert(memcmp(y, want, sizeof want) == 0);
    static const int32_t outside[2] = {-1, 3};
    for (int i = 0; i < 2; i++) {
        char text[96];
        index[6] = outside[i];
        ck_assert_int_eq(tess_graph_run(&b.context.context, b.graph, &batch), TESS_E_DATA);
        snprintf(text, sizeof text, "gather: index %d at (1, 2) is outside 0 .. 2", (int)outside[i]);
        ck_assert_msg(strstr(tessi_base_context_message(&b.context.context), text) != NULL, "%s",
                      tessi_base_context_message(&b.context.context));
        tessi_base_context_clear(&b.context.context);
    }
    fixture_close(&b);
}
END_TEST

static struct tess_node *bad(struct tess_graph *g, int which)
{
    struct tess_node *a = normal_weight(g, "a", 2, DIMS(3, 4), 0, 1), *b = normal_weight(g, "b", 2, DIMS(4, 3), 0, 1);
    struct tess_node *x = normal_weight(g, "x", 4, DIMS(1, 2, 2, 3), 0, 1), *one = normal_weight(g, "one", 1, DIMS(1), 0, 1);
    switch (which) {
    case 0:
        return tess_add(g, a, b);
    case 1:
        return tess_linear(g, a, b, NULL);
    case 2:
        return tess_matmul(g, a, b, 1, 0);
    case 3:
        return tess_conv2d(g, x, normal_weight(g, "w", 4, DIMS(4, 3, 3, 3), 0, 1), NULL,
                           &(struct tess_conv){.size = sizeof(struct tess_conv), .stride = 1});
    case 4:
        return tess_reshape(g, a, 1, DIMS(11));
    case 5:
        return tess_group_norm(g, x, one, one, 2, 1e-6f);
    case 6:
        return tess_concat(g, a, b, 0);
    case 7:
        return tess_embedding(g, a, b);
    case 8:
        return normal_weight(g, "a", 2, DIMS(3, 5), 0, 1);
    case 9:
        return tess_straight_through(g, a, b);
    case 10:
        return tess_slice(g, a, 1, 2, 3);
    case 11:
        return tess_attention(g, a, b, b, 1, 0);
    case 12:
        return tess_gather(g, x, b);
    default:
        return tess_cross_entropy(g, a, b, NULL);
    }
}

START_TEST(shapes_that_do_not_fit_are_refused)
{
    struct fixture b;
    fixture_open(&b, 1, 1, 1, 0);
    struct tess_node *y = bad(b.graph, _i);
    ck_assert_ptr_null(y);
    ck_assert_ptr_null(tess_swish(b.graph, y)); /* whatever follows is quiet */
    ck_assert_int_eq(tess_graph_seal(&b.context.context, b.graph), TESS_E_SHAPE);
    ck_assert_ptr_nonnull(strchr(tessi_base_context_message(&b.context.context), '(')); /* names a shape */
    fixture_close(&b);
}
END_TEST

START_TEST(a_failing_allocation_is_a_message)
{
    /* the n-th allocation of recording, sealing and one step fails, for every n until all succeed; layers enough that lists grow anywhere
     */
    int64_t before = tessi_base_memory_in_use();
    for (int64_t n = 1;; n++) {
        struct fixture b;
        fixture_open(&b, 1, 2, 2, 1);
        float x[4 * 3] = {0};
        tessi_base_memory_fail_at(n);
        struct tess_node *in = tess_input(b.graph, "x", TESS_F32, 2, DIMS(2, 3));
        struct tess_node *y = tess_linear(b.graph, in, normal_weight(b.graph, "w", 2, DIMS(2, 3), 0, 1), NULL);
        for (int i = 0; i < _i; i++) {
            char name[] = {'k', (char)('0' + i), 0};
            y = tess_linear(b.graph, tess_swish(b.graph, y), normal_weight(b.graph, name, 2, DIMS(2, 2), 0, 1), NULL);
        }
        y = tess_layer_norm(b.graph, y, normal_weight(b.graph, "g", 1, DIMS(2), 0, 1), normal_weight(b.graph, "h", 1, DIMS(2), 0, 1),
                            1e-5f);
        tess_objective(b.graph, "loss", "", tess_mean_all(b.graph, tess_square(b.graph, y)));
        struct tess_tensor given = tess_tensor_over(x, TESS_F32, 2, DIMS(4, 3));
        struct tess_batch batch = {.size = sizeof batch, .samples = 4, .inputs = 1, .in = &given};
        int status = tess_graph_seal(&b.context.context, b.graph);
        if (status == TESS_OK)
            status = tess_graph_step(&b.context.context, b.graph, &batch);
        tessi_base_memory_fail_at(0);
        fixture_close(&b);
        ck_assert_int_eq(tessi_base_memory_in_use(), before);
        if (status == TESS_OK) {
            ck_assert_int_gt(n, 10);
            return;
        }
        ck_assert_msg(status == TESS_E_MEMORY, "allocation %lld: status %d", (long long)n, status);
        ck_assert_int_lt(n, 1000);
    }
}
END_TEST

/* Buffers that live at one time share no byte, the largest is placed first, and scratch lives at its own step's time. */
START_TEST(the_plan_of_memory_is_sound)
{
    struct fixture b;
    struct tess_conv same = {sizeof(struct tess_conv), 1, 1, 1, 1, 1};
    int64_t largest = 0, places = 0;
    fixture_open(&b, 1, 2, 1, 1);
    struct tess_node *x = tess_input(b.graph, "x", TESS_F32, 4, DIMS(2, 8, 8, 3));
    x = tess_conv2d(b.graph, x, normal_weight(b.graph, "c", 4, DIMS(8, 3, 3, 3), 0, 1), NULL, &same);
    x = tess_conv2d(b.graph, tess_swish(b.graph, x), normal_weight(b.graph, "d", 4, DIMS(8, 3, 3, 8), 0, 1), NULL, &same);
    tess_objective(b.graph, "loss", "", tess_mean_all(b.graph, tess_square(b.graph, x)));
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    const struct tess_graph *g = b.graph;
    for (int64_t i = 0; i < g->buffers; i++) {
        const struct tessi_buffer *one = &g->buffer[i];
        largest = one->bytes > g->buffer[largest].bytes ? i : largest;
        places += one->offset > 0;
        for (int64_t k = 0; k < i; k++) {
            const struct tessi_buffer *other = &g->buffer[k];
            int together = one->from <= other->to && other->from <= one->to && one->bytes && other->bytes;
            ck_assert(!together || one->offset >= other->offset + other->bytes || other->offset >= one->offset + one->bytes);
        }
    }
    ck_assert(places > 0 && g->buffer[largest].offset == 0);
    int scratch = 0;
    for (int64_t k = 0; k < g->backs; k++)
        if (g->back[k].scratch_buffer >= 0) {
            const struct tessi_buffer *own = &g->buffer[g->back[k].scratch_buffer];
            ck_assert(own->from == g->steps + 1 + k && own->to == own->from);
            scratch++;
        }
    ck_assert_int_gt(scratch, 0);
    fixture_close(&b);
}
END_TEST

/* The n-th allocation of the first run fails, for every n; the second run has what it needs and gives what it gives else. */
START_TEST(a_run_after_one_without_memory_is_whole)
{
    enum { ROW = 2, PARTS = 3, WIDE = 5 };
    float want[ROW * PARTS * WIDE], got[ROW * PARTS * WIDE], x[ROW * PARTS * WIDE];
    for (int i = 0; i < ROW * PARTS * WIDE; i++)
        x[i] = (float)(i % 7) - 3.0f;
    for (int64_t n = 0;; n++) {
        struct fixture b;
        fixture_open(&b, 2, ROW, PARTS, 0);
        struct tess_node *in = tess_input(b.graph, "x", TESS_F32, 2, DIMS(ROW, WIDE));
        tess_output(b.graph, "y", tess_linear(b.graph, in, normal_weight(b.graph, "w", 2, DIMS(WIDE, WIDE), 0, 1), NULL));
        struct tess_tensor given = tess_tensor_over(x, TESS_F32, 2, DIMS(ROW * PARTS, WIDE));
        struct tess_tensor out = tess_tensor_over(n ? got : want, TESS_F32, 2, DIMS(ROW * PARTS, WIDE));
        struct tess_batch batch = {.size = sizeof batch, .samples = ROW * PARTS, .inputs = 1, .in = &given, .outputs = 1, .out = &out};
        fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
        tessi_base_memory_fail_at(n);
        int status = tess_graph_run(&b.context.context, b.graph, &batch);
        tessi_base_memory_fail_at(0);
        ck_assert(status == TESS_OK || status == TESS_E_MEMORY);
        tessi_base_context_clear(&b.context.context);
        fixture_ok(&b, tess_graph_run(&b.context.context, b.graph, &batch));
        fixture_close(&b);
        ck_assert(!n || memcmp(want, got, sizeof want) == 0);
        if (n && status == TESS_OK) {
            ck_assert_int_gt(n, 3);
            return;
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("graph");
    TCase *t = tcase_create("graph");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, threads_do_not_change_a_bit);
    tcase_add_test(t, a_run_after_one_without_memory_is_whole);
    tcase_add_test(t, what_is_made_again_is_the_same);
    tcase_add_test(t, gradients_are_summed_in_a_tree);
    tcase_add_test(t, microbatches_give_the_gradient_of_the_mean);
    tcase_add_test(t, a_short_batch_gives_the_rows_it_has);
    tcase_add_test(t, an_output_without_capacity_is_refused);
    tcase_add_test(t, gradients_stop_and_pass_straight_through);
    tcase_add_test(t, two_objectives_train_their_own_weights);
    tcase_add_test(t, the_plan_never_shares_living_memory);
    tcase_add_test(t, each_buffer_lies_as_low_as_it_fits);
    tcase_add_test(t, sums_lie_one_behind_the_other);
    tcase_add_test(t, the_cost_is_known_before_a_run);
    tcase_add_test(t, attention_is_what_its_formula_says);
    tcase_add_loop_test(t, nearest_is_brute_force, 0, 6);
    tcase_add_test(t, statistics_count_and_sum);
    tcase_add_test(t, rows_are_gathered);
    tcase_add_loop_test(t, shapes_that_do_not_fit_are_refused, 0, 14);
    tcase_add_loop_test(t, a_failing_allocation_is_a_message, 0, 6);
    tcase_add_test(t, the_plan_of_memory_is_sound);
    suite_add_tcase(s, t);
    return suite_run(s);
}
