/* Activations in the memory of gradients: who may lie where, and that nobody notices. SPDX-License-Identifier: MIT */
#include "core/graph/node.h"
#include "core/ranks/ranks.h"
#include "tests/support/graphs.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 4, WIDTH = 33, CLASSES = 7, LAYERS = 6, STEPS = 12, MAX = 5 };

/* Layers of a width that fills no cache line, so that there is padding behind biases. */
static void open_layers(struct fixture *b, int threads, int64_t microbatches)
{
    fixture_open(b, threads, ROWS, microbatches, 1);
    struct tess_graph *g = b->graph;
    struct tess_node *x = tess_input(g, "x", TESS_F32, 2, DIMS(ROWS, WIDTH)), *target = tess_input(g, "target", TESS_I32, 1, DIMS(ROWS));
    for (int i = 0; i < LAYERS; i++) {
        tess_scope(g, "%d", i);
        struct tess_node *h =
            tess_layer_norm(g, x, normal_weight(g, "gamma", 1, DIMS(WIDTH), 1, 0), normal_weight(g, "beta", 1, DIMS(WIDTH), 0, 0), 1e-5f);
        h = tess_linear(g, h, normal_weight(g, "w", 2, DIMS(WIDTH, WIDTH), 0, 0.2), normal_weight(g, "b", 1, DIMS(WIDTH), 0, 0.1));
        x = tess_add(g, x, tess_gelu(g, h));
        tess_scope_end(g);
    }
    x = tess_linear(g, x, normal_weight(g, "head", 2, DIMS(CLASSES, WIDTH), 0, 0.2), NULL);
    tess_output(g, "logits", x);
    tess_objective(g, "loss", "", tess_mean_all(g, tess_cross_entropy(g, x, target, NULL)));
    fixture_ok(b, tess_graph_seal(&b->context.context, g));
}

static float input[MAX * ROWS * WIDTH], logits[MAX * ROWS * CLASSES];
static int32_t targets[MAX * ROWS];

static void draw_batch(uint32_t step)
{
    struct tess_stream s = {.seed = 3, .purpose = tess_purpose("x"), .step = step};
    tess_random_normal(&s, 0, MAX * ROWS * WIDTH, input);
    for (int i = 0; i < MAX * ROWS; i++)
        targets[i] = (int32_t)tess_random_below(&s, (uint64_t)i, CLASSES);
}

static int run_batch(struct fixture *b, int64_t microbatches, uint32_t step, int backward)
{
    struct tess_tensor in[2] = {tess_tensor_over(input, TESS_F32, 2, DIMS(microbatches * ROWS, WIDTH)),
                                tess_tensor_over(targets, TESS_I32, 1, DIMS(microbatches * ROWS))};
    struct tess_tensor out = tess_tensor_over(logits, TESS_F32, 2, DIMS(microbatches * ROWS, CLASSES));
    struct tess_batch batch = {
        .size = sizeof batch, .samples = microbatches * ROWS, .inputs = 2, .in = in, .outputs = 1, .out = &out, .step = step};
    return backward ? tess_graph_step(&b->context.context, b->graph, &batch) : tess_graph_run(&b->context.context, b->graph, &batch);
}

/* ---- places -------------------------------------------------------------------------------------------------------- */

/* Time at which a weight's gradient is first written. */
static int64_t written_at(const struct tess_graph *g, int64_t weight)
{
    for (int64_t k = 0; k < g->backs; k++)
        for (int32_t i = 0; i < TESS_OP_MAX; i++)
            if (g->back[k].gives[i] && g->step[g->back[k].step]->in[i]->gradient_of->index == weight)
                return g->steps + 1 + k;
    return -1;
}

/* Bytes that a buffer takes of each block: a copy for each of the slots there. */
static int64_t taken(const struct tess_graph *g, const struct tessi_buffer *b)
{
    int64_t blocks = tessi_graph_gradient_levels(g->microbatches);
    return (g->microbatches + blocks - 1) / blocks * ((b->bytes + 63) / 64 * 64);
}

static int overlap(int64_t a, int64_t a_bytes, int64_t b, int64_t b_bytes)
{
    return a < b + b_bytes && b < a + a_bytes;
}

static void check_place(const struct tess_graph *g, const struct tessi_buffer *b)
{
    const struct tess_weights *w = g->weights;
    ck_assert(b->offset >= 0 && b->offset % 64 == 0 && b->offset + taken(g, b) <= w->trained * 4);
    ck_assert(b->from <= g->steps && b->to > g->steps);
    for (int64_t i = 0; i < w->count; i++)
        if (overlap(b->offset, taken(g, b), w->item[i].offset * 4, tess_tensor_count(&w->item[i].shape) * 4))
            ck_assert_msg(written_at(g, i) > b->to, "%s is written at %lld, and read until %lld", w->item[i].name,
                          (long long)written_at(g, i), (long long)b->to);
    for (const struct tessi_buffer *q = g->buffer; q < b; q++)
        ck_assert(!q->overlay || !overlap(b->offset, taken(g, b), q->offset, taken(g, q)));
}

static int64_t count_places(int threads, int64_t microbatches, int64_t *arena)
{
    struct fixture b;
    int64_t n = 0;
    open_layers(&b, threads, microbatches);
    for (int64_t i = 0; i < b.graph->buffers; i++)
        if (b.graph->buffer[i].overlay) {
            check_place(b.graph, &b.graph->buffer[i]);
            n++;
        }
    *arena = b.graph->arena_bytes;
    fixture_close(&b);
    return n;
}

START_TEST(places)
{
    int64_t alone, with;
    for (int64_t microbatches = 1; microbatches <= MAX; microbatches++) {
        ck_assert_int_gt(count_places((int)microbatches, microbatches, &with), 3 * LAYERS);
        ck_assert_int_eq(count_places((int)microbatches, microbatches + 1, &alone), 0); /* two of them follow one another */
        ck_assert_msg(with < alone / 2, "%lld bytes, %lld where nothing lies elsewhere", (long long)with, (long long)alone);
    }
}
END_TEST

/* Many rows of narrow layers: gradients have no room to speak of. */
START_TEST(not_worth_it)
{
    struct fixture b;
    fixture_open(&b, 1, 64, 1, 1);
    struct tess_node *x = tess_input(b.graph, "x", TESS_F32, 2, DIMS(64, 8));
    for (int i = 0; i < LAYERS; i++) {
        tess_scope(b.graph, "%d", i);
        x = tess_gelu(b.graph, tess_linear(b.graph, x, normal_weight(b.graph, "w", 2, DIMS(8, 8), 0, 1), NULL));
        tess_scope_end(b.graph);
    }
    tess_objective(b.graph, "loss", "", tess_mean_all(b.graph, x));
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    ck_assert_ptr_null(b.graph->overlay);
    for (int64_t i = 0; i < b.graph->buffers; i++)
        ck_assert(!b.graph->buffer[i].overlay);
    struct tess_tensor in = tess_tensor_over(input, TESS_F32, 2, DIMS(64, 8));
    struct tess_batch batch = {.size = sizeof batch, .samples = 64, .inputs = 1, .in = &in};
    draw_batch(1);
    fixture_ok(&b, tess_graph_step(&b.context.context, b.graph, &batch));
    fixture_close(&b);
}
END_TEST

/* ---- bits ---------------------------------------------------------------------------------------------------------- */

static struct {
    float *gradient[STEPS], logits[STEPS][MAX * ROWS * CLASSES], seen[STEPS][MAX * ROWS * CLASSES];
} kept[2];

static void step_layers(int threads, int64_t microbatches, int set)
{
    struct fixture b;
    open_layers(&b, threads, microbatches);
    for (uint32_t step = 0; step < STEPS; step++) {
        size_t bytes = (size_t)b.weights->trained * sizeof(float);
        int64_t some = step % 3 ? microbatches : (microbatches + 1) / 2; /* a batch may have fewer microbatches */
        draw_batch(step);
        memset(logits, 0, sizeof logits);
        fixture_ok(&b, run_batch(&b, microbatches, step, 0));
        memcpy(kept[set].seen[step], logits, sizeof logits);
        memset(logits, 0, sizeof logits);
        fixture_ok(&b, run_batch(&b, some, step, 1));
        memcpy(kept[set].logits[step], logits, sizeof logits);
        ck_assert_ptr_nonnull(kept[set].gradient[step] = malloc(bytes));
        memcpy(kept[set].gradient[step], b.graph->result, bytes); /* with the padding, which the gradient's length takes in */
    }
    fixture_close(&b);
}

static void compare_sets(int64_t microbatches)
{
    struct fixture b;
    open_layers(&b, 1, microbatches);
    size_t bytes = (size_t)b.weights->trained * sizeof(float);
    for (int step = 0; step < STEPS; step++) {
        ck_assert(memcmp(kept[0].seen[step], kept[1].seen[step], sizeof kept[0].seen[step]) == 0);
        ck_assert(memcmp(kept[0].logits[step], kept[1].logits[step], sizeof kept[0].logits[step]) == 0);
        ck_assert_msg(memcmp(kept[0].gradient[step], kept[1].gradient[step], bytes) == 0, "%d microbatches, step %d", (int)microbatches,
                      step);
        free(kept[0].gradient[step]);
        free(kept[1].gradient[step]);
    }
    fixture_close(&b);
}

START_TEST(no_bit_changes)
{
    for (int64_t microbatches = 2; microbatches <= MAX; microbatches++) {
        step_layers(1, microbatches, 0); /* one after the other: nothing lies in the gradients' memory */
        step_layers((int)microbatches, microbatches, 1);
        compare_sets(microbatches);
    }
}
END_TEST

/* ---- failures ------------------------------------------------------------------------------------------------------ */

START_TEST(a_failed_microbatch_keeps_nobody_waiting)
{
    struct fixture b;
    open_layers(&b, 3, 3);
    for (uint32_t step = 0; step < 9; step++) {
        draw_batch(step);
        targets[(step % 3) * ROWS] = CLASSES;
        ck_assert_int_eq(run_batch(&b, 3, step, 1), TESS_E_DATA);
        ck_assert_ptr_nonnull(strstr(tess_message(&b.context.context), "is outside 0 .. 6"));
        tessi_base_context_clear(&b.context.context);
        draw_batch(step);
        fixture_ok(&b, run_batch(&b, 3, step, 1));
    }
    fixture_close(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("overlay");
    TCase *t = tcase_create("overlay");
    tcase_add_test(t, places);
    tcase_add_test(t, not_worth_it);
    tcase_add_test(t, no_bit_changes);
    tcase_add_test(t, a_failed_microbatch_keeps_nobody_waiting);
    suite_add_tcase(s, t);
    return suite_run(s);
}
