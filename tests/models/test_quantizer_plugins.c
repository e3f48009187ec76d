/* fsq, rotation, residual, product and gumbel: against vector-quantize-pytorch 1.32 where that has them (tests/golden/make_quantizers.py),
 * else against their formulas in double; round trips of codes, bits on any number of threads, use of codes over steps.
 * SPDX-License-Identifier: MIT */
#include "tests/support/golden.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tessera/kind/quantizer.h>

/* A quantizer recorded for training over vectors: input "latent" through a weight where gradients are wanted, outputs "quantised" and
 * "codes", objective: the sum of quantised times the input "weight", plus `loss` times its own loss. */
struct trained {
    struct fixture b;
    struct tess_instance *instance;
    const struct tess_quantizer_1 *ops;
    int64_t rows, d, depth;
    struct tess_tensor quantised, codes;
    float objective, loss;
};

static int64_t depth_of(const struct tess_quantizer_1 *ops, void *self)
{
    return ops->depth ? ops->depth(self) : 1;
}

enum { SEED = 11 };
static int64_t training_steps; /* training length of graphs opened from now on; 0: unlimited */

static void open_trained(struct trained *t, const char *config, int threads, int64_t rows, int64_t microbatches, float loss_weight)
{
    struct tess_quantized out = {.size = sizeof out};
    memset(t, 0, sizeof *t);
    fixture_open(&t->b, threads, rows, microbatches, 1);
    tess_graph_free(t->b.graph);
    const struct tess_graph_options o = {
        .size = sizeof o, .training = 1, .microbatch = rows, .microbatches = microbatches, .seed = SEED, .training_steps = training_steps};
    fixture_ok(&t->b, tess_graph_new(&t->b.context.context, t->b.weights, &o, &t->b.graph));
    fixture_ok(&t->b, tess_instance_open(&t->b.context.context, "quantizer/1", config, "test", &t->instance));
    t->ops = tess_instance_ops(t->instance, "quantizer/1");
    void *self = tess_instance_self(t->instance);
    struct tess_graph *g = t->b.graph;
    t->rows = rows * microbatches;
    t->d = t->ops->code_dim(self);
    t->depth = depth_of(t->ops, self);
    struct tess_node *latent = tess_input(g, "latent", TESS_F32, 2, DIMS(rows, t->d)),
                     *weight = tess_input(g, "weight", TESS_F32, 2, DIMS(rows, t->d));
    struct tess_node *moved = tess_add(g, latent, tess_weight(g, "shift", 1, &t->d, TESS_INIT(.flags = 0)));
    tess_scope(g, "quantizer");
    fixture_ok(&t->b, t->ops->record(self, &t->b.context.context, g, moved, &out));
    tess_scope_end(g);
    struct tess_node *use = tess_sum(g, tess_mul(g, out.quantised, weight), 3);
    tess_output(g, "quantised", out.quantised);
    tess_output(g, "codes", out.codes);
    tess_objective(g, "loss", "", tess_add(g, tess_reshape(g, use, 0, NULL), tess_affine(g, out.loss, loss_weight, 0.0f)));
    tess_total(g, "own loss", out.loss);
    fixture_ok(&t->b, tess_graph_seal(&t->b.context.context, g));
    fixture_ok(&t->b, tess_weights_seal(&t->b.context.context, t->b.weights));
    t->quantised = tess_tensor_over(calloc((size_t)(t->rows * t->d), sizeof(float)), TESS_F32, 2, DIMS(t->rows, t->d));
    t->codes =
        tess_tensor_over(calloc((size_t)(t->rows * t->depth), sizeof(int32_t)), TESS_I32, t->depth > 1 ? 2 : 1, DIMS(t->rows, t->depth));
}

static void close_trained(struct trained *t)
{
    free(t->quantised.data);
    free(t->codes.data);
    tess_instance_close(t->instance);
    fixture_close(&t->b);
}

/* `shift` 0: the latent's gradient, summed over rows, is the shift's; one row at a time gives each. */
static void step(struct trained *t, const float *latent, const float *weight, uint32_t at)
{
    struct tess_tensor in[2] = {tess_tensor_over((void *)(uintptr_t)latent, TESS_F32, 2, DIMS(t->rows, t->d)),
                                tess_tensor_over((void *)(uintptr_t)weight, TESS_F32, 2, DIMS(t->rows, t->d))};
    struct tess_tensor out[8] = {{.data = NULL}}, total[2] = {tess_tensor_over(&t->objective, TESS_F32, 0, NULL), {.data = NULL}};
    struct tess_batch batch = {
        .size = sizeof batch, .samples = t->rows, .step = at, .inputs = 2, .in = in, .out = out, .totals = 1, .total = total};
    const char *name;
    for (; (name = tess_graph_output_at(t->b.graph, batch.outputs, &out[batch.outputs])) && batch.outputs < 8; batch.outputs++)
        if (strcmp(name, "quantised") == 0)
            out[batch.outputs].data = t->quantised.data;
        else if (strcmp(name, "codes") == 0)
            out[batch.outputs].data = t->codes.data;
    for (int32_t i = 0; i < batch.outputs; i++)
        out[i].dim[0] = t->rows;
    fixture_ok(&t->b, tess_graph_step(&t->b.context.context, t->b.graph, &batch));
}

/* The gradient in each row of the latent: a graph of one row, run for each. */
static void gradients(const char *config, int64_t rows, int64_t d, const float *z, const float *weight, float *out)
{
    struct trained t;
    open_trained(&t, config, 1, 1, 1, 0.0f);
    for (int64_t i = 0; i < rows; i++) {
        struct tess_tensor g;
        step(&t, z + i * d, weight + i * d, 0);
        fixture_ok(&t.b, tess_graph_gradient(&t.b.context.context, t.b.graph, "shift", &g));
        memcpy(out + i * d, g.data, (size_t)d * sizeof *out);
    }
    close_trained(&t);
}

static void near(const char *what, int64_t n, const float *got, const float *want, double absolute)
{
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(fabs((double)got[i] - (double)want[i]) <= absolute * fmax(1.0, fabs((double)want[i])),
                      "%s %lld: %.9g, %.9g was wanted", what, (long long)i, (double)got[i], (double)want[i]);
}

/* ---- inference: codes of latents, and the way back ---- */

static void infer(const char *config, struct fixture *weights_of, int64_t rows, const float *latent, int32_t *codes, const int32_t *look,
                  float *vectors)
{
    struct fixture b;
    struct tess_instance *q;
    fixture_open(&b, 2, rows, 1, 0);
    struct tess_context *ctx = &b.context.context;
    fixture_ok(&b, tess_instance_open(ctx, "quantizer/1", config, "test", &q));
    const struct tess_quantizer_1 *ops = tess_instance_ops(q, "quantizer/1");
    void *self = tess_instance_self(q);
    int64_t d = ops->code_dim(self), depth = depth_of(ops, self);
    int32_t rank = depth > 1 ? 2 : 1;
    struct tess_node *made = NULL, *rowsn = NULL;
    struct tess_node *in = tess_input(b.graph, "latent", TESS_F32, 2, DIMS(rows, d));
    struct tess_node *given = tess_input(b.graph, "look", TESS_I32, rank, DIMS(rows, depth));
    tess_scope(b.graph, "quantizer");
    fixture_ok(&b, ops->record_assign(self, ctx, b.graph, in, &made));
    fixture_ok(&b, ops->record_lookup(self, ctx, b.graph, given, &rowsn));
    tess_scope_end(b.graph);
    tess_output(b.graph, "codes", made);
    tess_output(b.graph, "vectors", rowsn);
    fixture_ok(&b, tess_graph_seal(ctx, b.graph));
    fixture_ok(&b, tess_weights_seal(ctx, b.weights));
    for (int64_t i = 0; weights_of && i < tess_weights_count(b.weights); i++) {
        struct tess_tensor to, from;
        fixture_ok(&b, tess_weights_view(ctx, b.weights, i, TESS_ROLE_VALUE, &to));
        fixture_ok(&b, tess_weights_find(&weights_of->context.context, weights_of->weights, tess_weights_name(b.weights, i),
                                         TESS_ROLE_VALUE, &from));
        memcpy(to.data, from.data, tess_tensor_bytes(&to));
    }
    tess_weights_touch(b.weights);
    struct tess_tensor input[2] = {tess_tensor_over((void *)(uintptr_t)latent, TESS_F32, 2, DIMS(rows, d)),
                                   tess_tensor_over((void *)(uintptr_t)look, TESS_I32, rank, DIMS(rows, depth))};
    struct tess_tensor out[2] = {tess_tensor_over(codes, TESS_I32, rank, DIMS(rows, depth)),
                                 tess_tensor_over(vectors, TESS_F32, 2, DIMS(rows, d))};
    struct tess_batch batch = {.size = sizeof batch, .samples = rows, .inputs = 2, .in = input, .outputs = 2, .out = out};
    fixture_ok(&b, tess_graph_run(ctx, b.graph, &batch));
    tess_instance_close(q);
    fixture_close(&b);
}

static void draw(const char *purpose, int64_t n, float *out)
{
    struct tess_stream s = {.seed = 5, .purpose = tess_purpose(purpose)};
    tess_random_normal(&s, 0, n, out);
}

/* ---- fsq ---- */

static void fsq_config(const struct golden *g, int i, char *config, size_t capacity)
{
    char name[32], list[80];
    snprintf(name, sizeof name, "levels_%d", i);
    golden_list(g, name, list, sizeof list);
    snprintf(name, sizeof name, "symmetric_%d", i);
    snprintf(config, capacity, "{use: fsq, levels: %s, bound: %s}", list, golden_size(g, name) ? "symmetric" : "shifted");
}

static struct tess_tensor read_case(const struct golden *g, const char *what, int i, int32_t dtype)
{
    char name[40];
    snprintf(name, sizeof name, "%s_%d", what, i);
    return golden_read(g, name, dtype);
}

START_TEST(fsq_is_the_published_one)
{
    struct golden *g = golden_open("fsq.h5");
    for (int i = 0; i < (int)golden_size(g, "cases"); i++) {
        char config[160];
        struct trained t;
        struct tess_tensor z = read_case(g, "z", i, TESS_F32), weight = read_case(g, "weight", i, TESS_F32),
                           codes = read_case(g, "codes", i, TESS_I32);
        struct tess_tensor quantised = read_case(g, "quantised", i, TESS_F32), grad = read_case(g, "grad", i, TESS_F32);
        int64_t n = tess_tensor_count(&z);
        float *dz = calloc((size_t)n, sizeof *dz);
        fsq_config(g, i, config, sizeof config);
        open_trained(&t, config, 2, z.dim[0], 1, 0.0f);
        step(&t, z.data, weight.data, 0);
        ck_assert_msg(memcmp(t.codes.data, codes.data, tess_tensor_bytes(&codes)) == 0, "%s: other codes", config);
        near("quantised", n, t.quantised.data, quantised.data, 1e-6);
        gradients(config, z.dim[0], z.dim[1], z.data, weight.data, dz);
        near("gradient", n, dz, grad.data, 1e-6);
        close_trained(&t);
        free(dz);
        free(z.data);
        free(weight.data);
        free(codes.data);
        free(quantised.data);
        free(grad.data);
    }
    golden_close(g);
}
END_TEST

/* Every code stands for a vector of its own; and the code of a latent that is quantised to that vector is that code. */
START_TEST(fsq_codes_go_there_and_back)
{
    static const struct {
        const char *config;
        int levels[3], symmetric;
    } c[] = {{"{use: fsq, levels: [8, 6, 5]}", {8, 6, 5}, 0}, {"{use: fsq, levels: [5, 2, 4], bound: symmetric}", {5, 2, 4}, 1}};
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        enum { MOST = 240 };
        int size = c[i].levels[0] * c[i].levels[1] * c[i].levels[2];
        int32_t look[MOST], codes[MOST];
        float z[3 * MOST] = {0}, vectors[3 * MOST];
        for (int k = 0; k < size; k++)
            look[k] = k;
        infer(c[i].config, NULL, size, z, codes, look, vectors);
        for (int k = 0; k < size; k++)
            for (int j = 0, rest = k; j < 3; rest /= c[i].levels[j++]) {
                double levels = c[i].levels[j], half = floor(levels / 2.0), digit = rest % c[i].levels[j];
                double want = c[i].symmetric ? 2.0 * digit / (levels - 1.0) - 1.0 : (digit - half) / half;
                double h = (levels - 1.0) * 1.001 / 2.0, o = fmod(levels, 2.0) == 0.0 ? 0.5 : 0.0;
                ck_assert_float_eq_tol(vectors[3 * k + j], (float)want, 1e-7f);
                z[3 * k + j] =
                    (float)(c[i].symmetric ? atanh(fmax(-0.9999, fmin(0.9999, want))) : atanh((want * half + o) / h) - atanh(o / h));
            }
        infer(c[i].config, NULL, size, z, codes, look, vectors);
        ck_assert_mem_eq(codes, look, (size_t)size * sizeof *codes);
    }
}
END_TEST

/* With more than a thousand levels the bound lies beyond the outer levels by more than half a level; no latent becomes a level that does
 * not exist. */
START_TEST(fsq_many_levels_end_at_the_outer_ones)
{
    static const char *const config[] = {"{use: fsq, levels: [4096, 3]}", "{use: fsq, levels: [4095, 3]}",
                                         "{use: fsq, levels: [4096, 3], bound: symmetric}"};
    static const int32_t levels[] = {4096, 4095, 4096}, look[2] = {0, 0};
    static const float z[4] = {-30.0f, 0.0f, 30.0f, 0.0f};
    for (int i = 0; i < 3; i++) {
        int32_t codes[2];
        float vectors[4];
        infer(config[i], NULL, 2, z, codes, look, vectors);
        ck_assert_int_eq(codes[0], levels[i]);
        ck_assert_int_eq(codes[1], 2 * levels[i] - 1);
    }
}
END_TEST

START_TEST(fsq_refuses_what_is_no_code)
{
    static const char *const config[] = {"{use: fsq, levels: [2, 8]}", "{use: fsq, levels: [4096, 4096, 4096]}", "{use: fsq, levels: []}"};
    static const char *const words[] = {"bound: symmetric", "product of `levels` is above", "wanted the levels of each channel"};
    for (int i = 0; i < 3; i++) {
        struct fixture b;
        struct tess_instance *q = NULL;
        fixture_open(&b, 1, 1, 1, 0);
        ck_assert_int_ne(tess_instance_open(&b.context.context, "quantizer/1", config[i], "test", &q), TESS_OK);
        ck_assert_msg(strstr(tess_message(&b.context.context), words[i]) != NULL, "%s", tess_message(&b.context.context));
        fixture_close(&b);
    }
}
END_TEST

/* ---- rotation ---- */

enum { K = 12 };

/* A codebook whose row i is the golden code of latent i, and the nearest to it by far: the two scaled apart from all others would change
 * the gradient, so each row has a graph of its own. */
START_TEST(a_gradient_is_turned_as_the_published_one)
{
    struct golden *g = golden_open("rotation.h5");
    struct tess_tensor z = golden_read(g, "z", TESS_F32), code = golden_read(g, "code", TESS_F32), dy = golden_read(g, "dy", TESS_F32);
    struct tess_tensor grad = golden_read(g, "grad", TESS_F32);
    int64_t rows = golden_size(g, "rows"), d = golden_size(g, "width");
    struct trained t;
    char config[160];
    snprintf(config, sizeof config, "{use: rotation, quantizer: {use: nearest, codebook_size: 2, code_dim: %lld}}", (long long)d);
    open_trained(&t, config, 1, 1, 1, 0.0f);
    for (int64_t i = 0; i < rows; i++) {
        struct tess_tensor book, dz;
        fixture_ok(&t.b, tess_weights_find(&t.b.context.context, t.b.weights, "quantizer.codebook", TESS_ROLE_VALUE, &book));
        for (int64_t k = 0; k < d; k++) {
            ((float *)book.data)[k] = 1e6f;
            ((float *)book.data)[d + k] = ((float *)code.data)[i * d + k];
        }
        tess_weights_touch(t.b.weights);
        step(&t, (float *)z.data + i * d, (float *)dy.data + i * d, 0);
        ck_assert_int_eq(*(int32_t *)t.codes.data, 1);
        ck_assert_mem_eq(t.quantised.data, (float *)code.data + i * d, (size_t)d * sizeof(float)); /* to the bit */
        fixture_ok(&t.b, tess_graph_gradient(&t.b.context.context, t.b.graph, "shift", &dz));
        near("gradient", d, dz.data, (float *)grad.data + i * d, 1e-6);
    }
    close_trained(&t);
    free(z.data);
    free(code.data);
    free(dy.data);
    free(grad.data);
    golden_close(g);
}
END_TEST

/* Opposite vectors, and a latent of zeros: the gradient passes as it is. */
START_TEST(where_there_is_no_rotation_gradients_pass)
{
    static const float z[2][2] = {{1.0f, 2.0f}, {0.0f, 0.0f}}, dy[2] = {0.25f, -3.0f};
    struct trained t;
    open_trained(&t, "{use: rotation, quantizer: {use: nearest, codebook_size: 2, code_dim: 2}}", 1, 1, 1, 0.0f);
    for (int i = 0; i < 2; i++) {
        struct tess_tensor book, dz;
        fixture_ok(&t.b, tess_weights_find(&t.b.context.context, t.b.weights, "quantizer.codebook", TESS_ROLE_VALUE, &book));
        memcpy(book.data, ((const float[4]){-0.5f, -1.0f, 1e6f, 1e6f}), 4 * sizeof(float));
        tess_weights_touch(t.b.weights);
        step(&t, z[i], dy, 0);
        fixture_ok(&t.b, tess_graph_gradient(&t.b.context.context, t.b.graph, "shift", &dz));
        ck_assert_mem_eq(dz.data, dy, sizeof dy);
    }
    close_trained(&t);
}
END_TEST

/* ---- residual ---- */

START_TEST(residual_levels_are_the_published_ones)
{
    struct golden *g = golden_open("residual.h5");
    struct tess_tensor book = golden_read(g, "codebooks", TESS_F32), z = golden_read(g, "z", TESS_F32),
                       codes = golden_read(g, "codes", TESS_I32);
    struct tess_tensor quantised = golden_read(g, "quantised", TESS_F32), commitment = golden_read(g, "commitment", TESS_F32);
    int64_t depth = golden_size(g, "depth"), size = golden_size(g, "codebook_size"), d = golden_size(g, "width");
    struct trained t;
    char config[200];
    float *zero = calloc((size_t)tess_tensor_count(&z), sizeof *zero), *vectors = calloc((size_t)tess_tensor_count(&z), sizeof *vectors);
    int32_t *again = calloc((size_t)tess_tensor_count(&codes), sizeof *again);
    double want = 0.0;
    snprintf(config, sizeof config,
             "{use: residual, depth: %lld, quantizer: {use: nearest, codebook_size: %lld, code_dim: %lld, beta: 0.25}}", (long long)depth,
             (long long)size, (long long)d);
    open_trained(&t, config, 2, z.dim[0], 1, 1.0f);
    for (int64_t l = 0; l < depth; l++) {
        char name[64];
        struct tess_tensor view;
        snprintf(name, sizeof name, "quantizer.levels.%d.codebook", (int)l);
        fixture_ok(&t.b, tess_weights_find(&t.b.context.context, t.b.weights, name, TESS_ROLE_VALUE, &view));
        memcpy(view.data, (float *)book.data + l * size * d, tess_tensor_bytes(&view));
        want += 1.25 * (double)((float *)commitment.data)[l]; /* codebook loss and commitment have one value */
    }
    tess_weights_touch(t.b.weights);
    step(&t, z.data, zero, 0);
    ck_assert_mem_eq(t.codes.data, codes.data, tess_tensor_bytes(&codes));
    near("quantised", tess_tensor_count(&z), t.quantised.data, quantised.data, 1e-6);
    ck_assert_double_eq_tol((double)t.objective, want, 1e-5);
    infer(config, &t.b, z.dim[0], z.data, again, codes.data, vectors);
    ck_assert_mem_eq(again, codes.data, tess_tensor_bytes(&codes));
    near("looked up", tess_tensor_count(&z), vectors, quantised.data, 1e-6);
    close_trained(&t);
    free(zero);
    free(vectors);
    free(again);
    free(book.data);
    free(z.data);
    free(codes.data);
    free(quantised.data);
    free(commitment.data);
    golden_close(g);
}
END_TEST

/* The decoder's gradient reaches the latent once, whatever the depth. */
START_TEST(residual_passes_gradients_once)
{
    enum { ROWS = 5, D = 3 };
    float z[ROWS * D], dy[ROWS * D], dz[ROWS * D];
    draw("z", ROWS * D, z);
    draw("dy", ROWS * D, dy);
    gradients("{use: residual, depth: 4, quantizer: {use: nearest, codebook_size: 8, code_dim: 3}}", ROWS, D, z, dy, dz);
    ck_assert_mem_eq(dz, dy, sizeof dz);
}
END_TEST

/* Codes of a shared codebook by definition: the nearest row at each level to what is left. Gives the sum over levels of the mean square. */
static double share_by_definition(const float *book, int64_t size, int64_t d, int64_t depth, int64_t rows, const float *z, int32_t *codes,
                                  float *sum)
{
    double error = 0.0;
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t l = 0; l < depth; l++) {
            double best = INFINITY;
            for (int64_t k = 0; k < size; k++) {
                double square = 0.0;
                for (int64_t c = 0; c < d; c++)
                    square += pow((double)z[i * d + c] - (double)sum[i * d + c] - (double)book[k * d + c], 2.0);
                if (square < best) {
                    best = square;
                    codes[i * depth + l] = (int32_t)k;
                }
            }
            error += best / (double)(rows * d);
            for (int64_t c = 0; c < d; c++)
                sum[i * d + c] += book[codes[i * depth + l] * d + c];
        }
    }
    return error;
}

/* A codebook shared by all levels: codes, loss and the way back by definition, and the decoder's gradient once. */
START_TEST(residual_levels_share_a_codebook)
{
    enum { ROWS = 6, D = 3, SIZE = 8, DEPTH = 3 };
    static const char config[] =
        "{use: residual, depth: 3, shared: true, quantizer: {use: nearest, codebook_size: 8, code_dim: 3, beta: 0.25}}";
    float z[ROWS * D], book[SIZE * D], zero[ROWS * D] = {0}, sum[ROWS * D] = {0}, vectors[ROWS * D], dy[ROWS * D], dz[ROWS * D];
    int32_t wanted[ROWS * DEPTH], codes[ROWS * DEPTH];
    struct tess_tensor view;
    struct trained t;
    draw("z", ROWS * D, z);
    draw("dy", ROWS * D, dy);
    draw("book", SIZE * D, book);
    const double error = share_by_definition(book, SIZE, D, DEPTH, ROWS, z, wanted, sum);
    open_trained(&t, config, 2, ROWS, 1, 1.0f);
    fixture_ok(&t.b, tess_weights_find(&t.b.context.context, t.b.weights, "quantizer.shared.codebook", TESS_ROLE_VALUE, &view));
    memcpy(view.data, book, sizeof book);
    tess_weights_touch(t.b.weights);
    step(&t, z, zero, 0);
    ck_assert_mem_eq(t.codes.data, wanted, sizeof wanted);
    near("quantised", ROWS * D, t.quantised.data, sum, 1e-6);
    ck_assert_double_eq_tol((double)t.objective, 1.25 * error, 1e-5 * error);
    infer(config, &t.b, ROWS, z, codes, wanted, vectors);
    ck_assert_mem_eq(codes, wanted, sizeof wanted);
    near("looked up", ROWS * D, vectors, sum, 1e-6);
    close_trained(&t);
    gradients(config, ROWS, D, z, dy, dz);
    ck_assert_mem_eq(dz, dy, sizeof dz);
}
END_TEST

/* After steps on the same latents each level's codebook has settled on what was left for it: the error falls from level to level, codes of
 * all levels are in use, and no thread shows. */
enum { STEPS = 25, BATCH = 256, WIDE = 4 };

static void react(struct trained *t, const float *z, uint32_t at)
{
    float zero[BATCH * 2 * WIDE] = {0};
    struct tess_tensor in[2] = {tess_tensor_over((void *)(uintptr_t)z, TESS_F32, 2, DIMS(BATCH, t->d)),
                                tess_tensor_over(zero, TESS_F32, 2, DIMS(BATCH, t->d))};
    struct tess_tensor out[16] = {{.data = NULL}}, total[32] = {{.data = NULL}}, latents = in[0];
    struct tess_batch batch = {.size = sizeof batch, .samples = BATCH, .step = at, .inputs = 2, .in = in, .out = out, .total = total};
    struct tess_tensor *codes = NULL;
    const char *name;
    for (; (name = tess_graph_output_at(t->b.graph, batch.outputs, &out[batch.outputs])); batch.outputs++) {
        struct tess_tensor *o = &out[batch.outputs];
        o->dim[0] = BATCH;
        o->data = calloc(1, tess_tensor_bytes(o));
        codes = strcmp(name, "codes") == 0 ? o : codes;
    }
    for (; tess_graph_total_at(t->b.graph, batch.totals, &total[batch.totals]); batch.totals++)
        total[batch.totals].data = calloc(1, tess_tensor_bytes(&total[batch.totals]));
    fixture_ok(&t->b, tess_graph_step(&t->b.context.context, t->b.graph, &batch));
    memcpy(t->codes.data, codes->data, tess_tensor_bytes(&t->codes));
    struct tess_react r = {.size = sizeof r,
                           .step = at,
                           .seed = 3,
                           .weights = t->b.weights,
                           .scope = "quantizer",
                           .latents = &latents,
                           .codes = codes,
                           .graph = t->b.graph,
                           .batch = &batch,
                           .steps = STEPS};
    fixture_ok(&t->b, t->ops->react(tess_instance_self(t->instance), &t->b.context.context, &r));
    for (int i = 0; i < 16; i++)
        free(out[i].data);
    for (int i = 0; i < 32; i++)
        free(total[i].data);
}

static const char *const learners[] = {
    "{use: residual, depth: 3, quantizer: {use: ema, codebook_size: 16, code_dim: 4, decay: 0.8}}",
    "{use: residual, depth: 2, quantizer: {use: rotation, quantizer: {use: ema, codebook_size: 16, code_dim: 4, decay: 0.8}}}",
    "{use: rotation, quantizer: {use: residual, depth: 2, quantizer: {use: ema, codebook_size: 16, code_dim: 4, decay: 0.8}}}",
    "{use: residual, depth: 2, shared: true, quantizer: {use: ema, codebook_size: 16, code_dim: 4, decay: 0.8}}",
};

START_TEST(levels_learn_what_was_left_for_them)
{
    float z[BATCH * WIDE], *books[2] = {NULL, NULL};
    size_t bytes = 0;
    draw("latents", BATCH * WIDE, z);
    for (int threads = 1; threads <= 2; threads++) {
        struct trained t;
        double first = 0.0, square = 0.0;
        int used[3][16] = {{0}};
        open_trained(&t, learners[_i], threads, BATCH / 8, 8, 0.0f);
        for (uint32_t at = 0; at < STEPS; at++)
            react(&t, z, at);
        float vectors[BATCH * WIDE];
        int32_t codes[BATCH * 3];
        infer(learners[_i], &t.b, BATCH, z, codes, t.codes.data, vectors);
        infer(learners[_i], &t.b, BATCH, z, codes, codes, vectors);
        for (int64_t i = 0; i < BATCH * WIDE; i++) {
            first += pow((double)z[i], 2.0) / (BATCH * WIDE);
            square += pow((double)z[i] - (double)vectors[i], 2.0) / (BATCH * WIDE);
        }
        for (int64_t i = 0; i < BATCH * t.depth; i++)
            used[i % t.depth][codes[i]] = 1;
        for (int64_t l = 0; l < t.depth; l++) {
            int n = 0;
            for (int k = 0; k < 16; k++)
                n += used[l][k];
            ck_assert_msg(n >= (_i == 3 ? 8 : 14), "level %lld: %d of 16 codes are in use", (long long)l, n);
        }
        /* 16 codes in 4 dimensions leave about a third of the variance, each level more about as much of the rest */
        ck_assert_msg(square < (t.depth == 3 ? 0.08 : 0.2) * first, "of %g %g is left", first, square);
        books[threads - 1] = calloc(1, bytes = (size_t)(t.depth * 16 * WIDE) * sizeof(float));
        for (int64_t l = 0; l < t.depth; l++) {
            char name[64];
            struct tess_tensor view;
            snprintf(name, sizeof name, _i == 3 ? "quantizer.shared.codebook" : "quantizer.levels.%d.codebook", (int)l);
            fixture_ok(&t.b, tess_weights_find(&t.b.context.context, t.b.weights, name, TESS_ROLE_VALUE, &view));
            memcpy(books[threads - 1] + l * 16 * WIDE, view.data, tess_tensor_bytes(&view));
        }
        close_trained(&t);
    }
    ck_assert_mem_eq(books[0], books[1], bytes);
    free(books[0]);
    free(books[1]);
}
END_TEST

START_TEST(residual_refuses_what_leaves_nothing_over)
{
    static const char *const config[] = {"{use: residual, quantizer: {use: fsq}}", "{use: residual, quantizer: {use: gumbel}}",
                                         "{use: residual, quantizer: {use: residual, quantizer: {use: ema}}}"};
    for (int i = 0; i < 3; i++) {
        struct fixture b;
        struct tess_instance *q = NULL;
        fixture_open(&b, 1, 1, 1, 0);
        ck_assert_int_eq(tess_instance_open(&b.context.context, "quantizer/1", config[i], "test", &q), TESS_E_VALUE);
        ck_assert_msg(strstr(tess_message(&b.context.context), i < 2 ? "nothing is left over" : "several levels") != NULL, "%s",
                      tess_message(&b.context.context));
        fixture_close(&b);
    }
}
END_TEST

/* ---- product ---- */

enum { PARTS = 3, PART = 2, PART_CODES = 8, PART_ROWS = 7 };

static void product_fill(struct trained *t, float *book)
{
    draw("codebooks", PARTS * PART_CODES * PART, book);
    for (int p = 0; p < PARTS; p++) {
        char name[64];
        struct tess_tensor view;
        snprintf(name, sizeof name, "quantizer.parts.%d.codebook", p);
        fixture_ok(&t->b, tess_weights_find(&t->b.context.context, t->b.weights, name, TESS_ROLE_VALUE, &view));
        memcpy(view.data, book + p * PART_CODES * PART, tess_tensor_bytes(&view));
    }
    tess_weights_touch(t->b.weights);
}

/* The nearest row of each part's codebook, by definition. Gives the mean square of what is left. */
static double product_by_definition(const float *book, const float *z, int32_t *codes, float *vectors)
{
    double error = 0.0;
    for (int i = 0; i < PART_ROWS * PARTS; i++) { /* z is (rows, parts, width) */
        double best = INFINITY;
        for (int k = 0; k < PART_CODES; k++) {
            const float *row = book + (i % PARTS * PART_CODES + k) * PART;
            double square = pow((double)(z[i * PART] - row[0]), 2.0) + pow((double)(z[i * PART + 1] - row[1]), 2.0);
            if (square < best) {
                best = square;
                codes[i] = k;
                memcpy(vectors + i * PART, row, PART * sizeof *row);
            }
        }
        error += best / (PART_ROWS * PARTS * PART);
    }
    return error;
}

START_TEST(parts_are_quantised_apart)
{
    static const char config[] = "{use: product, parts: 3, quantizer: {use: nearest, codebook_size: 8, code_dim: 2, beta: 0.25}}";
    enum { N = PART_ROWS * PARTS * PART };
    float z[N], dy[N], dz[N], zero[N] = {0}, wanted[N], vectors[N], book[PARTS * PART_CODES * PART];
    int32_t codes[PART_ROWS * PARTS], again[PART_ROWS * PARTS];
    struct trained t;
    draw("z", N, z);
    draw("dy", N, dy);
    open_trained(&t, config, 2, PART_ROWS, 1, 1.0f);
    product_fill(&t, book);
    const double error = product_by_definition(book, z, codes, wanted);
    step(&t, z, zero, 0);
    ck_assert_mem_eq(t.codes.data, codes, sizeof codes);
    near("quantised", N, t.quantised.data, wanted, 1e-6);
    ck_assert_double_eq_tol((double)t.objective, 1.25 * error, 1e-5 * error); /* as of one codebook: a mean over all channels */
    infer(config, &t.b, PART_ROWS, z, again, codes, vectors);
    ck_assert_mem_eq(again, codes, sizeof codes);
    ck_assert_mem_eq(vectors, wanted, sizeof wanted);
    close_trained(&t);
    gradients(config, PART_ROWS, PARTS * PART, z, dy, dz);
    ck_assert_mem_eq(dz, dy, sizeof dz);
}
END_TEST

/* The first part's codebook, after steps, is that of a single quantizer of the same latents, bit for bit. */
START_TEST(a_part_learns_like_a_quantizer)
{
    static const char inner[] = "{use: ema, codebook_size: 16, code_dim: 4, decay: 0.8}";
    float wide[BATCH * 2 * WIDE], z[BATCH * WIDE];
    struct trained whole, part;
    struct tess_tensor wanted, found;
    char config[120];
    draw("latents", BATCH * 2 * WIDE, wide);
    for (int i = 0; i < BATCH; i++)
        memcpy(z + i * WIDE, wide + i * 2 * WIDE, WIDE * sizeof *z);
    snprintf(config, sizeof config, "{use: product, parts: 2, quantizer: %s}", inner);
    open_trained(&whole, config, 2, BATCH / 8, 8, 0.0f);
    open_trained(&part, inner, 1, BATCH / 8, 8, 0.0f);
    for (uint32_t at = 0; at < STEPS; at++) {
        react(&whole, wide, at);
        react(&part, z, at);
    }
    fixture_ok(&part.b, tess_weights_find(&part.b.context.context, part.b.weights, "quantizer.codebook", TESS_ROLE_VALUE, &wanted));
    fixture_ok(&whole.b,
               tess_weights_find(&whole.b.context.context, whole.b.weights, "quantizer.parts.0.codebook", TESS_ROLE_VALUE, &found));
    ck_assert_mem_eq(found.data, wanted.data, tess_tensor_bytes(&wanted));
    fixture_ok(&whole.b,
               tess_weights_find(&whole.b.context.context, whole.b.weights, "quantizer.parts.1.codebook", TESS_ROLE_VALUE, &found));
    ck_assert_mem_ne(found.data, wanted.data, tess_tensor_bytes(&wanted));
    close_trained(&whole);
    close_trained(&part);
}
END_TEST

START_TEST(product_refuses_levels)
{
    struct fixture b;
    struct tess_instance *q = NULL;
    fixture_open(&b, 1, 1, 1, 0);
    ck_assert_int_eq(tess_instance_open(&b.context.context, "quantizer/1",
                                        "{use: product, quantizer: {use: residual, quantizer: {use: ema}}}", "test", &q),
                     TESS_E_VALUE);
    ck_assert_msg(strstr(tess_message(&b.context.context), "has several levels itself") != NULL, "%s", tess_message(&b.context.context));
    fixture_close(&b);
}
END_TEST

/* ---- gumbel ---- */

/* Draws follow the softmax of the logits, which are the bias here. */
START_TEST(gumbel_draws_by_the_logits)
{
    enum { ROWS = 4000, CODES = 5 };
    static const float bias[CODES] = {0.0f, 1.0f, -1.0f, 2.0f, 0.5f};
    static float z[ROWS * 2], weight[ROWS * 2];
    double sum = 0.0, chi = 0.0;
    int64_t count[CODES] = {0};
    struct trained t;
    struct tess_tensor view;
    open_trained(&t, "{use: gumbel, codebook_size: 5, code_dim: 2}", 2, ROWS / 4, 4, 0.0f);
    fixture_ok(&t.b, tess_weights_find(&t.b.context.context, t.b.weights, "quantizer.logits.bias", TESS_ROLE_VALUE, &view));
    memcpy(view.data, bias, sizeof bias);
    tess_weights_touch(t.b.weights);
    step(&t, z, weight, 7);
    for (int k = 0; k < CODES; k++)
        sum += exp((double)bias[k]);
    for (int64_t i = 0; i < ROWS; i++)
        count[((int32_t *)t.codes.data)[i]]++;
    for (int k = 0; k < CODES; k++) {
        double want = ROWS * exp((double)bias[k]) / sum;
        chi += pow((double)count[k] - want, 2.0) / want;
    }
    ck_assert_msg(chi < 18.5, "chi squared of 4 degrees is %g", chi); /* 0.999 of draws are below */
    close_trained(&t);
}
END_TEST

/* z_q's value is a row of the codebook; the gradient is that of softmax((a + g) / tau) e by (30.2), and tau by (30.3). */
START_TEST(gumbel_passes_the_gradient_of_the_softmax)
{
    enum { CODES = 4, D = 3, TOTAL = 10 };
    static const char config[] = "{use: gumbel, codebook_size: 4, code_dim: 3, temperature: 2, temperature_final: 0.5, anneal: 0.5}";
    float z[D], dy[D];
    draw("z", D, z);
    draw("dy", D, dy);
    for (uint32_t at = 0; at < 9; at += 4) {
        struct trained t;
        struct tess_tensor w, book, dz;
        double a[CODES], p[CODES], top = -INFINITY, sum = 0.0, mean = 0.0, tau = 2.0 * pow(0.25, fmin(1.0, at / (0.5 * TOTAL)));
        float u[CODES];
        int best = 0;
        training_steps = TOTAL;
        open_trained(&t, config, 1, 1, 1, 0.0f);
        fixture_ok(&t.b, tess_weights_find(&t.b.context.context, t.b.weights, "quantizer.logits.weight", TESS_ROLE_VALUE, &w));
        fixture_ok(&t.b, tess_weights_find(&t.b.context.context, t.b.weights, "quantizer.codebook", TESS_ROLE_VALUE, &book));
        step(&t, z, dy, at);
        struct tess_stream s = {.seed = SEED, .purpose = tess_purpose("quantizer.gumbel"), .step = at};
        tess_random_uniform(&s, 0, CODES, u);
        for (int k = 0; k < CODES; k++) {
            a[k] = -log(-log(((double)u[k] * 16777216.0 + 0.5) / 16777217.0));
            for (int j = 0; j < D; j++)
                a[k] += (double)((float *)w.data)[k * D + j] * (double)z[j];
            best = a[k] > top ? k : best;
            top = fmax(top, a[k]);
        }
        ck_assert_int_eq(*(int32_t *)t.codes.data, best);
        near("value", D, t.quantised.data, (float *)book.data + best * D, 1e-6);
        for (int k = 0; k < CODES; k++)
            sum += p[k] = exp((a[k] - top) / tau);
        for (int k = 0; k < CODES; k++) {
            double dot = 0.0;
            for (int j = 0; j < D; j++)
                dot += (double)((float *)book.data)[k * D + j] * (double)dy[j];
            a[k] = dot;
            mean += (p[k] /= sum) * dot;
        }
        fixture_ok(&t.b, tess_graph_gradient(&t.b.context.context, t.b.graph, "shift", &dz));
        for (int j = 0; j < D; j++) {
            double want = 0.0;
            for (int k = 0; k < CODES; k++)
                want += p[k] * (a[k] - mean) / tau * (double)((float *)w.data)[k * D + j];
            ck_assert_double_eq_tol((double)((float *)dz.data)[j], want, 1e-5 * fmax(1.0, fabs(want)));
        }
        close_trained(&t);
    }
}
END_TEST

/* ---- threads ---- */

static const char *const all[] = {"{use: fsq, levels: [8, 5, 5, 5]}", "{use: gumbel, codebook_size: 16, code_dim: 4}",
                                  "{use: rotation, quantizer: {use: nearest, codebook_size: 16, code_dim: 4}}",
                                  "{use: residual, depth: 3, quantizer: {use: nearest, codebook_size: 16, code_dim: 4}}",
                                  "{use: product, parts: 2, quantizer: {use: nearest, codebook_size: 16, code_dim: 2}}"};

START_TEST(threads_change_no_bit)
{
    float z[BATCH * WIDE], dy[BATCH * WIDE], one[BATCH * WIDE], shift[WIDE];
    int32_t codes[BATCH * 3];
    draw("latents", BATCH * WIDE, z);
    draw("dy", BATCH * WIDE, dy);
    for (int threads = 1; threads <= 4; threads += 3) {
        struct trained t;
        struct tess_tensor dz;
        open_trained(&t, all[_i], threads, BATCH / 8, 8, 1.0f);
        step(&t, z, dy, 3);
        fixture_ok(&t.b, tess_graph_gradient(&t.b.context.context, t.b.graph, "shift", &dz));
        if (threads > 1) {
            ck_assert_mem_eq(one, t.quantised.data, sizeof one);
            ck_assert_mem_eq(codes, t.codes.data, tess_tensor_bytes(&t.codes));
            ck_assert_mem_eq(shift, dz.data, sizeof shift);
        }
        memcpy(one, t.quantised.data, sizeof one);
        memcpy(codes, t.codes.data, tess_tensor_bytes(&t.codes));
        memcpy(shift, dz.data, sizeof shift);
        close_trained(&t);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("quantizer plugins");
    TCase *c = tcase_create("fsq");
    tcase_add_test(c, fsq_is_the_published_one);
    tcase_add_test(c, fsq_codes_go_there_and_back);
    tcase_add_test(c, fsq_many_levels_end_at_the_outer_ones);
    tcase_add_test(c, fsq_refuses_what_is_no_code);
    suite_add_tcase(s, c);
    c = tcase_create("rotation");
    tcase_add_test(c, a_gradient_is_turned_as_the_published_one);
    tcase_add_test(c, where_there_is_no_rotation_gradients_pass);
    suite_add_tcase(s, c);
    c = tcase_create("residual");
    tcase_add_test(c, residual_levels_are_the_published_ones);
    tcase_add_test(c, residual_passes_gradients_once);
    tcase_add_test(c, residual_levels_share_a_codebook);
    tcase_add_loop_test(c, levels_learn_what_was_left_for_them, 0, sizeof learners / sizeof *learners);
    tcase_add_test(c, residual_refuses_what_leaves_nothing_over);
    suite_add_tcase(s, c);
    c = tcase_create("product");
    tcase_add_test(c, parts_are_quantised_apart);
    tcase_add_test(c, a_part_learns_like_a_quantizer);
    tcase_add_test(c, product_refuses_levels);
    suite_add_tcase(s, c);
    c = tcase_create("gumbel");
    tcase_add_test(c, gumbel_draws_by_the_logits);
    tcase_add_test(c, gumbel_passes_the_gradient_of_the_softmax);
    suite_add_tcase(s, c);
    c = tcase_create("threads");
    tcase_add_loop_test(c, threads_change_no_bit, 0, sizeof all / sizeof *all);
    suite_add_tcase(s, c);
    return suite_run(s);
}
