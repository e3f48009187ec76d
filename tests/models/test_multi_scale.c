/* multi-scale: codes, sums, losses and gradients of golden values (tests/golden/make_quantizers.py); the way of codes through copies and
 * back. SPDX-License-Identifier: MIT */
#include "plugins/quantizers/multi_scale/multi_scale_grid.c"

#include "tests/support/golden.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tessera/kind/quantizer.h>

/* A graph of one microbatch of maps with a quantizer in it, opened by a configuration. */
struct scales {
    struct fixture b;
    struct tess_instance *instance;
    const struct tess_quantizer_1 *ops;
    void *self;
};

static void scales_open(struct scales *s, const char *config, int64_t maps, int training)
{
    memset(s, 0, sizeof *s);
    fixture_open(&s->b, 2, maps, 1, training);
    fixture_ok(&s->b, tess_instance_open(&s->b.context.context, "quantizer/1", config, "test", &s->instance));
    s->ops = tess_instance_ops(s->instance, "quantizer/1");
    s->self = tess_instance_self(s->instance);
}

static void scales_close(struct scales *s)
{
    tess_instance_close(s->instance);
    fixture_close(&s->b);
}

static void scales_seal(struct scales *s)
{
    fixture_ok(&s->b, tess_graph_seal(&s->b.context.context, s->b.graph));
    fixture_ok(&s->b, tess_weights_seal(&s->b.context.context, s->b.weights));
}

/* The value of a weight, to be written. */
static struct tess_tensor scales_weight(struct scales *s, const char *name)
{
    struct tess_tensor w;
    fixture_ok(&s->b, tess_weights_find(&s->b.context.context, s->b.weights, name, TESS_ROLE_VALUE, &w));
    return w;
}

static void scales_near(const char *what, int64_t n, const float *got, const float *want, double tolerance)
{
    double largest = 0.0;
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, fabs((double)want[i]));
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(fabs((double)got[i] - (double)want[i]) <= tolerance * largest, "%s, value %lld: %.9g, %.9g was wanted", what,
                      (long long)i, (double)got[i], (double)want[i]);
}

/* ---- golden values ---- */

static struct tess_tensor golden_case(const struct golden *g, int i, const char *name, int32_t dtype)
{
    char path[160];
    snprintf(path, sizeof path, "case_%d/%s", i, name);
    return golden_read(g, path, dtype);
}

/* The name of weight w in the golden file, under weights/ or grad/: "z" is the latent. */
static const char *golden_weight_name(const struct scales *s, int64_t w)
{
    const char *name = tess_weights_name(s->b.weights, w);
    return strncmp(name, "quantizer.", 10) == 0 ? name + 10 : name;
}

/* The objective is the sum of quantised times `weight`, and the loss; the latent is a weight, so that it has a gradient. */
static void golden_record(struct scales *s, const int64_t *map)
{
    struct tess_graph *g = s->b.graph;
    struct tess_quantized out = {.size = sizeof out};
    struct tess_node *latent = tess_weight(g, "z", 4, map, TESS_INIT(.flags = 0));
    struct tess_node *weight = tess_input(g, "weight", TESS_F32, 4, map);
    tess_scope(g, "quantizer");
    fixture_ok(&s->b, s->ops->record(s->self, &s->b.context.context, g, latent, &out));
    tess_scope_end(g);
    struct tess_node *use = tess_reshape(g, tess_sum(g, tess_mul(g, out.quantised, weight), 15), 0, NULL);
    tess_output(g, "quantised", out.quantised);
    tess_output(g, "codes", out.codes);
    tess_objective(g, "objective", "", tess_add(g, use, out.loss));
    tess_total(g, "loss", out.loss);
    scales_seal(s);
}

static void golden_fill(struct scales *s, const struct golden *g, int i)
{
    for (int64_t w = 0; w < tess_weights_count(s->b.weights); w++) {
        char path[96];
        const char *name = golden_weight_name(s, w);
        snprintf(path, sizeof path, "%s%s", strcmp(name, "z") == 0 ? "" : "weights/", name);
        struct tess_tensor from = golden_case(g, i, path, TESS_F32), to = scales_weight(s, tess_weights_name(s->b.weights, w));
        ck_assert_int_eq(tess_tensor_count(&from), tess_tensor_count(&to));
        memcpy(to.data, from.data, tess_tensor_bytes(&to));
        free(from.data);
    }
    tess_weights_touch(s->b.weights);
}

static void golden_compare_gradients(struct scales *s, const struct golden *g, int i)
{
    for (int64_t w = 0; w < tess_weights_count(s->b.weights); w++) {
        char path[96];
        struct tess_tensor got;
        snprintf(path, sizeof path, "grad/%s", golden_weight_name(s, w));
        struct tess_tensor want = golden_case(g, i, path, TESS_F32);
        fixture_ok(&s->b, tess_graph_gradient(&s->b.context.context, s->b.graph, tess_weights_name(s->b.weights, w), &got));
        scales_near(path, tess_tensor_count(&want), got.data, want.data, 2e-6);
        free(want.data);
    }
}

/* Assignment and look-up of the weights that were compared give the same codes and vectors again. */
static void golden_infer(struct scales *from, const char *config, const struct tess_tensor *codes, const struct tess_tensor *quantised)
{
    struct scales s;
    struct tess_node *made = NULL, *rows = NULL;
    scales_open(&s, config, codes->dim[0], 0);
    struct tess_graph *g = s.b.graph;
    struct tess_node *latent = tess_input(g, "latent", TESS_F32, 4, quantised->dim), *look = tess_input(g, "look", TESS_I32, 4, codes->dim);
    tess_scope(g, "quantizer");
    fixture_ok(&s.b, s.ops->record_assign(s.self, &s.b.context.context, g, latent, &made));
    fixture_ok(&s.b, s.ops->record_lookup(s.self, &s.b.context.context, g, look, &rows));
    tess_scope_end(g);
    tess_output(g, "codes", made);
    tess_output(g, "vectors", rows);
    scales_seal(&s);
    for (int64_t w = 0; w < tess_weights_count(s.b.weights); w++) {
        struct tess_tensor to = scales_weight(&s, tess_weights_name(s.b.weights, w));
        memcpy(to.data, scales_weight(from, tess_weights_name(s.b.weights, w)).data, tess_tensor_bytes(&to));
    }
    tess_weights_touch(s.b.weights);
    struct tess_tensor in[2] = {scales_weight(from, "z"), *codes}, out[2] = {*codes, *quantised};
    out[0].data = calloc(1, tess_tensor_bytes(codes));
    out[1].data = calloc(1, tess_tensor_bytes(quantised));
    struct tess_batch batch = {.size = sizeof batch, .samples = codes->dim[0], .inputs = 2, .in = in, .outputs = 2, .out = out};
    fixture_ok(&s.b, tess_graph_run(&s.b.context.context, g, &batch));
    ck_assert_mem_eq(out[0].data, codes->data, tess_tensor_bytes(codes));
    scales_near("looked up", tess_tensor_count(quantised), out[1].data, quantised->data, 2e-6);
    free(out[0].data);
    free(out[1].data);
    scales_close(&s);
}

/* Cases of the golden file: with 4, 3, 1 and one convolution a level, all or none of each level's map convolved. */
START_TEST(levels_are_the_published_ones)
{
    struct golden *g = golden_open("multi_scale.h5");
    char name[32], list[80], config[240];
    struct scales s;
    struct tess_tensor weight = golden_case(g, _i, "weight", TESS_F32), codes = golden_case(g, _i, "codes", TESS_I32);
    struct tess_tensor quantised = golden_case(g, _i, "quantised", TESS_F32), loss = golden_case(g, _i, "loss", TESS_F32);
    struct tess_tensor book = golden_case(g, _i, "weights/codebook", TESS_F32);
    float objective, own;
    ck_assert_int_lt(_i, golden_size(g, "cases"));
    snprintf(name, sizeof name, "scales_%d", _i);
    golden_list(g, name, list, sizeof list);
    snprintf(name, sizeof name, "mix_%d", _i);
    double mix = golden_number(g, name);
    snprintf(name, sizeof name, "convolutions_%d", _i);
    snprintf(config, sizeof config, "{use: multi-scale, codebook_size: %d, code_dim: %d, scales: %s, mix: %g, convolutions: %d}",
             (int)book.dim[0], (int)book.dim[1], list, mix, (int)golden_size(g, name));
    scales_open(&s, config, weight.dim[0], 1);
    golden_record(&s, weight.dim);
    golden_fill(&s, g, _i);
    struct tess_tensor out[2] = {quantised, codes},
                       total[2] = {tess_tensor_over(&objective, TESS_F32, 0, NULL), tess_tensor_over(&own, TESS_F32, 0, NULL)};
    out[0].data = calloc(1, tess_tensor_bytes(&quantised));
    out[1].data = calloc(1, tess_tensor_bytes(&codes));
    struct tess_batch batch = {
        .size = sizeof batch, .samples = weight.dim[0], .inputs = 1, .in = &weight, .outputs = 2, .out = out, .totals = 2, .total = total};
    fixture_ok(&s.b, tess_graph_step(&s.b.context.context, s.b.graph, &batch));
    ck_assert_mem_eq(out[1].data, codes.data, tess_tensor_bytes(&codes));
    scales_near("quantised", tess_tensor_count(&quantised), out[0].data, quantised.data, 1e-6);
    scales_near("loss", 1, &own, loss.data, 1e-6);
    golden_compare_gradients(&s, g, _i);
    golden_infer(&s, config, &codes, &quantised);
    scales_close(&s);
    void *const all[] = {weight.data, codes.data, quantised.data, loss.data, book.data, out[0].data, out[1].data};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    golden_close(g);
}
END_TEST

/* ---- copies ---- */

enum { MAPS = 2, ROWS = 5, COLUMNS = 7, DEPTH = 3, D = 4 };

/* Vectors of codes (MAPS, ROWS, COLUMNS, DEPTH), by weights that depend on the seed alone. */
static void look_up(const int32_t *codes, float *vectors)
{
    struct scales s;
    struct tess_node *rows = NULL;
    scales_open(&s, "{use: multi-scale, codebook_size: 9, code_dim: 4, scales: [1, 3, 5]}", MAPS, 0);
    struct tess_node *look = tess_input(s.b.graph, "look", TESS_I32, 4, DIMS(MAPS, ROWS, COLUMNS, DEPTH));
    fixture_ok(&s.b, s.ops->record_lookup(s.self, &s.b.context.context, s.b.graph, look, &rows));
    tess_output(s.b.graph, "vectors", rows);
    scales_seal(&s);
    struct tess_tensor in = tess_tensor_over((void *)(uintptr_t)codes, TESS_I32, 4, DIMS(MAPS, ROWS, COLUMNS, DEPTH));
    struct tess_tensor out = tess_tensor_over(vectors, TESS_F32, 4, DIMS(MAPS, ROWS, COLUMNS, D));
    struct tess_batch batch = {.size = sizeof batch, .samples = MAPS, .inputs = 1, .in = &in, .outputs = 1, .out = &out};
    fixture_ok(&s.b, tess_graph_run(&s.b.context.context, s.b.graph, &batch));
    scales_close(&s);
}

/* On a map of 5 x 7 the levels have grids of 1 x 1, 3 x 4 and 5 x 7. A coarse code is read in the middle of its cell: at its other
 * positions it may be any. */
START_TEST(copies_are_read_in_the_middle)
{
    static const int middle_row[] = {0, 2, 4}, middle_column[] = {0, 2, 4, 6};
    static int32_t codes[MAPS * ROWS * COLUMNS * DEPTH], other[MAPS * ROWS * COLUMNS * DEPTH];
    static float want[MAPS * ROWS * COLUMNS * D], got[MAPS * ROWS * COLUMNS * D];
    for (int i = 0; i < MAPS * ROWS * COLUMNS * DEPTH; i++) {
        int level = i % DEPTH, column = i / DEPTH % COLUMNS, row = i / DEPTH / COLUMNS % ROWS, read = level == DEPTH - 1;
        for (int r = 0; r < 3; r++)
            for (int c = 0; c < 4; c++)
                read |= level == 1 && row == middle_row[r] && column == middle_column[c];
        read |= level == 0 && row == ROWS / 2 && column == COLUMNS / 2;
        codes[i] = (i * 7 + i / 5) % 9;
        other[i] = read ? codes[i] : (codes[i] + 1 + i % 8) % 9;
    }
    look_up(codes, want);
    look_up(other, got);
    ck_assert_mem_eq(got, want, sizeof want);
    for (int level = 0; level < DEPTH; level++) { /* and the one that is read counts */
        memcpy(other, codes, sizeof codes);
        int at = ((ROWS / 2) * COLUMNS + (level == 1 ? 2 : COLUMNS / 2)) * DEPTH + level;
        other[at] = (other[at] + 1) % 9;
        look_up(other, got);
        ck_assert_mem_ne(got, want, sizeof want);
    }
}
END_TEST

/* A coarse position, looked for on a finer grid and from there on the coarse one, is itself, whatever the two sizes: codes come back. */
START_TEST(coarse_codes_come_back)
{
    enum { MOST = 96 };
    for (int64_t fine = 1; fine <= MOST; fine++)
        for (int64_t coarse = 1; coarse <= fine; coarse++)
            for (int64_t i = 0; i < coarse; i++)
                ck_assert_int_eq(grid_position(grid_position(i, fine, coarse), coarse, fine), i);
}
END_TEST

/* ---- mistakes ---- */

START_TEST(scales_are_refused_that_are_none)
{
    static const char *const wrong[][2] = {
        {"[4]", "`scales` has 1 entries; wanted 2 to 32"},
        {"[1, 4, 4]", "`scales` has 4 after 4"},
        {"[7, 4, 1]", "`scales` has 4 after 7"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct fixture b;
        struct tess_instance *q = NULL;
        char config[80];
        fixture_open(&b, 1, 1, 1, 0);
        snprintf(config, sizeof config, "{use: multi-scale, scales: %s}", wrong[i][0]);
        ck_assert_int_eq(tess_instance_open(&b.context.context, "quantizer/1", config, "test", &q), TESS_E_VALUE);
        ck_assert_msg(strstr(tess_message(&b.context.context), wrong[i][1]) != NULL, "%s", tess_message(&b.context.context));
        fixture_close(&b);
    }
}
END_TEST

/* Vectors that are no map have no coarser grid. */
START_TEST(what_is_no_map_is_refused)
{
    struct scales s;
    struct tess_quantized out = {.size = sizeof out};
    scales_open(&s, "{use: multi-scale, codebook_size: 9, code_dim: 4}", 1, 1);
    struct tess_node *latent = tess_input(s.b.graph, "latent", TESS_F32, 2, DIMS(1, 4));
    ck_assert_int_eq(s.ops->record(s.self, &s.b.context.context, s.b.graph, latent, &out), TESS_E_SHAPE);
    ck_assert_msg(strstr(tess_message(&s.b.context.context), "wanted latents (N, h, w, 4), found rank 2") != NULL, "%s",
                  tess_message(&s.b.context.context));
    scales_close(&s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("multi-scale quantizer");
    TCase *c = tcase_create("golden");
    tcase_add_loop_test(c, levels_are_the_published_ones, 0, 5);
    suite_add_tcase(s, c);
    c = tcase_create("copies");
    tcase_add_test(c, copies_are_read_in_the_middle);
    tcase_add_test(c, coarse_codes_come_back);
    suite_add_tcase(s, c);
    c = tcase_create("mistakes");
    tcase_add_test(c, scales_are_refused_that_are_none);
    tcase_add_test(c, what_is_no_map_is_refused);
    suite_add_tcase(s, c);
    return suite_run(s);
}
