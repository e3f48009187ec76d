/* The U-Net: against golden values of the same model in PyTorch, every gradient among them; and what can be said without any.
 * SPDX-License-Identifier: MIT */
#include "tests/support/parity.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct tess_instance *open_part(struct fixture *b, const char *kind, const char *config_text)
{
    struct tess_instance *i;
    fixture_ok(b, tess_instance_open(&b->context.context, kind, config_text, "test", &i));
    return i;
}

/* ---- golden values ---- */

static const struct golden_name names[] = {{"denoiser.", ""}, {NULL, NULL}};
static const char *const unused[] = {NULL};

/* Inputs tokens, t / T, target; output the logits; objective their mean cross-entropy. */
static void record_golden(struct fixture *b, const struct golden *golden, struct tess_instance *i, int64_t rows, int64_t height,
                          int64_t width)
{
    const struct tess_denoiser_1 *d = tess_instance_ops(i, "denoiser/1");
    struct tess_graph *g = b->graph;
    int64_t codebook_size = golden_size(golden, "codebook_size"), tokens = height * width;
    struct tess_denoiser_input in = {
        .size = sizeof in, .vocabulary = codebook_size, .codebook_size = codebook_size, .height = height, .width = width};
    struct tess_node *logits;
    in.tokens = tess_input(g, "tokens", TESS_I32, 2, DIMS(rows, tokens));
    in.time = tess_input(g, "time", TESS_F32, 1, &rows);
    struct tess_node *target = tess_input(g, "target", TESS_I32, 2, DIMS(rows, tokens));
    tess_scope(g, "denoiser");
    fixture_ok(b, d->record(tess_instance_self(i), &b->context.context, g, &in, &logits));
    tess_scope_end(g);
    tess_output(g, "logits", logits);
    tess_objective(g, "loss", "", tess_mean_all(g, tess_cross_entropy(g, logits, target, NULL)));
    fixture_ok(b, tess_graph_seal(&b->context.context, g));
}

START_TEST(the_unet_is_the_published_one)
{
    struct golden *golden = golden_open("unet.h5");
    struct fixture b;
    char config_text[256], mults[128];
    struct tess_tensor in[3] = {golden_read(golden, "codes", TESS_I32), golden_read(golden, "t", TESS_F32),
                                golden_read(golden, "target", TESS_I32)};
    struct tess_tensor logits = golden_read(golden, "logits", TESS_F32), total, out;
    int64_t samples = in[0].dim[0], height = in[0].dim[1], width = in[0].dim[2], rows = _i ? 1 : samples;
    for (int64_t i = 0; i < samples; i++)
        ((float *)in[1].data)[i] /= (float)golden_size(golden, "steps");
    in[0] = tess_tensor_over(in[0].data, TESS_I32, 2, DIMS(samples, height * width));
    in[2] = tess_tensor_over(in[2].data, TESS_I32, 2, in[0].dim);
    snprintf(config_text, sizeof config_text, "{use: unet, channels: %lld, channel_mult: %s}", (long long)golden_size(golden, "dim"),
             golden_list(golden, "mults", mults, sizeof mults));
    fixture_open(&b, 2, rows, samples / rows, 1);
    struct tess_instance *unet = open_part(&b, "denoiser/1", config_text);
    record_golden(&b, golden, unet, rows, height, width);
    golden_weights(golden, &b, names, unused);

    float loss;
    total = tess_tensor_over(&loss, TESS_F32, 0, NULL);
    out = tess_tensor_over(calloc(1, tess_tensor_bytes(&logits)), TESS_F32, 3, DIMS(samples, height * width, logits.dim[3]));
    struct tess_batch batch = {
        .size = sizeof batch, .samples = samples, .inputs = 3, .in = in, .outputs = 1, .out = &out, .totals = 1, .total = &total};
    fixture_ok(&b, tess_graph_step(&b.context.context, b.graph, &batch));
    if (!golden_in_the_mean) /* an attention's gain is one number, and its gradient a sum that may cancel: PyTorch's is then off by 2e-3 */
        golden_rounding = 1e-5;
    golden_near("logits", out.data, &logits, allowed.value, 0.0);
    golden_close_to("cross_entropy", (double)loss, golden_scalar(golden, "cross_entropy"), allowed.value);
    ck_assert_int_eq(golden_gradients(golden, &b, "grads", names, allowed.gradient), tess_weights_count(b.weights));

    tess_instance_close(unet);
    fixture_close(&b);
    for (int i = 0; i < 3; i++)
        free(in[i].data);
    free(out.data);
    free(logits.data);
    golden_close(golden);
}
END_TEST

/* ---- without golden values ---- */

enum { H = 4, W = 6, L = H * W, K = 5 };
#define SMALL "use: unet, channels: 8, channel_mult: [1, 2], heads: 2, head_dim: 3, groups: 4"

/* A small network of K codes over a map of H x W, one sample. */
struct small {
    struct fixture b;
    struct tess_instance *unet;
};

static void open_small(struct small *s, const char *config_text, int64_t vocabulary, int timed, int64_t height, int64_t width, int training)
{
    struct tess_denoiser_input in = {.size = sizeof in, .vocabulary = vocabulary, .codebook_size = K, .height = height, .width = width};
    struct tess_node *logits;
    fixture_open(&s->b, 1, 1, 1, training);
    s->unet = open_part(&s->b, "denoiser/1", config_text);
    const struct tess_denoiser_1 *d = tess_instance_ops(s->unet, "denoiser/1");
    in.tokens = tess_input(s->b.graph, "tokens", TESS_I32, 2, DIMS(1, height * width));
    in.time = timed ? tess_input(s->b.graph, "time", TESS_F32, 1, DIMS(1)) : NULL;
    fixture_ok(&s->b, d->record(tess_instance_self(s->unet), &s->b.context.context, s->b.graph, &in, &logits));
    tess_output(s->b.graph, "logits", logits);
    fixture_ok(&s->b, tess_graph_seal(&s->b.context.context, s->b.graph));
    fixture_ok(&s->b, tess_weights_seal(&s->b.context.context, s->b.weights));
}

static void close_small(struct small *s)
{
    tess_instance_close(s->unet);
    fixture_close(&s->b);
}

static struct tess_tensor weight(struct small *s, const char *name)
{
    struct tess_tensor view;
    fixture_ok(&s->b, tess_weights_find(&s->b.context.context, s->b.weights, name, TESS_ROLE_VALUE, &view));
    return view;
}

/* Attention counts only where its gain is not 0. */
static void open_gains(struct small *s)
{
    for (int64_t i = 0; i < tess_weights_count(s->b.weights); i++) {
        const char *name = tess_weights_name(s->b.weights, i);
        if (strlen(name) > 5 && strcmp(name + strlen(name) - 5, ".fn.g") == 0) {
            struct tess_tensor gain = weight(s, name);
            ck_assert_float_eq(*(float *)gain.data, 0.0f);
            *(float *)gain.data = 0.7f;
        }
    }
    tess_weights_touch(s->b.weights);
}

static void run_small(struct small *s, const int32_t *token, float time, uint32_t step, float *logits)
{
    struct tess_tensor given[2] = {tess_tensor_over((void *)(uintptr_t)token, TESS_I32, 2, DIMS(1, L)),
                                   tess_tensor_over(&time, TESS_F32, 1, DIMS(1))};
    struct tess_tensor out = tess_tensor_over(logits, TESS_F32, 3, DIMS(1, L, K)), shape;
    int inputs = tess_graph_input_at(s->b.graph, 1, &shape) ? 2 : 1;
    struct tess_batch batch = {
        .size = sizeof batch, .samples = 1, .step = step, .inputs = inputs, .in = given, .outputs = 1, .out = &out};
    fixture_ok(&s->b, tess_graph_run(&s->b.context.context, s->b.graph, &batch));
}

static void some_tokens(int64_t vocabulary, int32_t *token)
{
    for (int i = 0; i < L; i++)
        token[i] = (int32_t)((i * 7 + i * i * 3) % vocabulary);
}

static void same(const char *what, const float *got, const float *want)
{
    struct tess_tensor all = tess_tensor_over((void *)(uintptr_t)want, TESS_F32, 1, DIMS(L * K));
    golden_near(what, got, &all, 1e-5, 0.0);
}

START_TEST(told_the_time_it_hears_it)
{
    struct small s;
    float early[L * K], late[L * K], again[L * K];
    int32_t token[L];
    some_tokens(K, token);
    open_small(&s, "{" SMALL "}", K, 1, H, W, 0);
    run_small(&s, token, 0.1f, 0, early);
    run_small(&s, token, 0.9f, 0, late);
    run_small(&s, token, 0.1f, 0, again);
    close_small(&s);
    ck_assert(memcmp(early, again, sizeof early) == 0);
    for (int i = 0; i < L; i++) /* every token */
        ck_assert(memcmp(early + K * i, late + K * i, K * sizeof(float)) != 0);
}
END_TEST

/* A step of 1 / 1000, counted from 0: what published weights of T = 1000 are told. */
START_TEST(time_may_be_counted_from_0)
{
    struct small s;
    float one[L * K], other[L * K];
    int32_t token[L];
    some_tokens(K, token);
    open_small(&s, "{" SMALL ", time_offset: -4}", K, 1, H, W, 0);
    run_small(&s, token, 0.3f, 0, one);
    close_small(&s);
    open_small(&s, "{" SMALL "}", K, 1, H, W, 0);
    run_small(&s, token, 0.299f, 0, other);
    close_small(&s);
    struct tess_tensor all = tess_tensor_over(other, TESS_F32, 1, DIMS(L * K));
    golden_near("logits", one, &all, 1e-3, 0.0); /* 0.299 in f32 is 1e-4 of a step away */
}
END_TEST

/* A U-Net for a noise without time: no time weights are declared, and the mask is a token to read that has no logit. */
START_TEST(without_a_time_there_are_no_weights_for_it)
{
    struct small s;
    float logits[L * K], masked[L * K];
    int32_t token[L];
    some_tokens(K, token);
    open_small(&s, "{" SMALL "}", K + 1, 0, H, W, 0);
    for (int64_t i = 0; i < tess_weights_count(s.b.weights); i++)
        ck_assert_msg(strstr(tess_weights_name(s.b.weights, i), "mlp") == NULL, "%s", tess_weights_name(s.b.weights, i));
    ck_assert_int_eq(weight(&s, "embedding.weight").dim[0], K + 1);
    ck_assert_int_eq(weight(&s, "final_conv.1.weight").dim[0], K);
    open_gains(&s);
    run_small(&s, token, 0.0f, 0, logits);
    token[5] = K;
    run_small(&s, token, 0.0f, 0, masked);
    close_small(&s);
    for (int i = 0; i < L; i++) /* all tokens hear of it: attention and the levels see the whole map */
        ck_assert(memcmp(logits + K * i, masked + K * i, K * sizeof(float)) != 0);
}
END_TEST

/* The scalar input is an embedding on a line: w z / (V - 1) + b. */
START_TEST(a_scalar_input_is_an_embedding_on_a_line)
{
    struct small scalar, table;
    float one[L * K], other[L * K];
    int32_t token[L];
    some_tokens(K + 1, token);
    open_small(&scalar, "{" SMALL ", input: scalar}", K + 1, 1, H, W, 0);
    open_small(&table, "{" SMALL "}", K + 1, 1, H, W, 0);
    struct tess_tensor w = weight(&scalar, "input_conv.weight"), b = weight(&scalar, "input_conv.bias");
    struct tess_tensor rows = weight(&table, "embedding.weight");
    ck_assert_int_eq(tess_tensor_count(&w), 8);
    for (int z = 0; z <= K; z++)
        for (int i = 0; i < 8; i++)
            ((float *)rows.data)[z * 8 + i] = ((float *)w.data)[i] * (float)z / (float)K + ((float *)b.data)[i];
    for (int64_t i = 0; i < tess_weights_count(table.b.weights); i++) { /* the others are drawn by name and seed: the same */
        const char *name = tess_weights_name(table.b.weights, i);
        if (strcmp(name, "embedding.weight") != 0)
            ck_assert(memcmp(weight(&table, name).data, weight(&scalar, name).data, sizeof(float)) == 0);
    }
    open_gains(&scalar);
    open_gains(&table);
    run_small(&scalar, token, 0.4f, 0, one);
    run_small(&table, token, 0.4f, 0, other);
    close_small(&scalar);
    close_small(&table);
    same("logits", one, other);
}
END_TEST

/* Swaps the rows and columns of every kernel. */
static void turn_kernels(struct small *s)
{
    for (int64_t i = 0; i < tess_weights_count(s->b.weights); i++) {
        struct tess_tensor w = weight(s, tess_weights_name(s->b.weights, i));
        float *x = w.data;
        if (w.rank != 4)
            continue;
        int64_t side = w.dim[1], width = w.dim[3];
        for (int64_t o = 0; o < w.dim[0]; o++, x += side * side * width)
            for (int64_t u = 0; u < side; u++)
                for (int64_t v = 0; v < u; v++)
                    for (int64_t k = 0; k < width; k++) {
                        float keep = x[(u * side + v) * width + k];
                        x[(u * side + v) * width + k] = x[(v * side + u) * width + k];
                        x[(v * side + u) * width + k] = keep;
                    }
    }
    tess_weights_touch(s->b.weights);
}

/* Nothing tells rows from columns: a map lying on its side gives logits lying on their side, if the kernels do too. */
START_TEST(maps_need_not_be_square)
{
    struct small s;
    int32_t token[L], turned_token[L];
    float logits[L * K], turned[L * K], want[L * K];
    some_tokens(K, token);
    open_small(&s, "{" SMALL "}", K, 1, H, W, 0);
    open_gains(&s);
    run_small(&s, token, 0.2f, 0, logits);
    close_small(&s);
    for (int i = 0; i < H; i++)
        for (int j = 0; j < W; j++) {
            turned_token[j * H + i] = token[i * W + j];
            memcpy(want + (j * H + i) * K, logits + (i * W + j) * K, K * sizeof(float));
        }
    open_small(&s, "{" SMALL "}", K, 1, W, H, 0);
    open_gains(&s);
    turn_kernels(&s);
    run_small(&s, turned_token, 0.2f, 0, turned);
    close_small(&s);
    same("logits", turned, want);
}
END_TEST

/* Dropout masks are drawn anew at each step of training, the same for the same step; outside training nothing is dropped. */
START_TEST(dropout_is_of_training_alone)
{
    struct small s;
    float plain[L * K], first[L * K], again[L * K], next[L * K], calm[L * K];
    int32_t token[L];
    some_tokens(K, token);
    open_small(&s, "{" SMALL "}", K, 1, H, W, 1);
    run_small(&s, token, 0.2f, 1, plain);
    close_small(&s);
    open_small(&s, "{" SMALL ", dropout: 0.4}", K, 1, H, W, 1);
    run_small(&s, token, 0.2f, 1, first);
    run_small(&s, token, 0.2f, 1, again);
    run_small(&s, token, 0.2f, 2, next);
    close_small(&s);
    open_small(&s, "{" SMALL ", dropout: 0.4}", K, 1, H, W, 0);
    run_small(&s, token, 0.2f, 1, calm);
    close_small(&s);
    ck_assert(memcmp(first, again, sizeof first) == 0);
    ck_assert(memcmp(first, next, sizeof first) != 0);
    ck_assert(memcmp(first, plain, sizeof first) != 0);
    ck_assert(memcmp(calm, plain, sizeof calm) == 0);
}
END_TEST

/* Number of trained elements that a network over 16 x 16 codes declares; nothing is computed, no memory for weights is allocated. */
static int64_t parameters(const char *config_text, int64_t codebook_size)
{
    struct fixture b;
    struct tess_node *logits;
    fixture_open(&b, 1, 1, 1, 0);
    struct tess_instance *i = open_part(&b, "denoiser/1", config_text);
    struct tess_denoiser_input in = {
        .size = sizeof in, .vocabulary = codebook_size, .codebook_size = codebook_size, .height = 16, .width = 16};
    in.tokens = tess_input(b.graph, "tokens", TESS_I32, 2, DIMS(1, 256));
    in.time = tess_input(b.graph, "time", TESS_F32, 1, DIMS(1));
    const struct tess_denoiser_1 *d = tess_instance_ops(i, "denoiser/1");
    fixture_ok(&b, d->record(tess_instance_self(i), &b.context.context, b.graph, &in, &logits));
    fixture_ok(&b, tess_graph_status(b.graph));
    int64_t count = tess_weights_size(b.weights);
    tess_instance_close(i);
    fixture_close(&b);
    return count;
}

/* 117.41, 117.45 and 117.59 million. */
START_TEST(the_published_size_has_the_published_number_of_weights)
{
    static const char config_text[] = "{use: unet, channels: 128, channel_mult: [1, 2, 4, 8]}";
    static const int64_t codes[] = {323, 512, 1024}, hundredths[] = {11741, 11745, 11759};
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq((parameters(config_text, codes[i]) + 5000) / 10000, hundredths[i]);
    ck_assert_int_eq(parameters(config_text, 1024), 117586568);
    ck_assert_int_eq(parameters(config_text, 1024) - parameters(config_text, 323),
                     (1024 - 323) * (128 + 128 + 1)); /* embedding, head, its bias */
}
END_TEST

static const struct {
    const char *config_text, *words;
} bad_parameters[] = {{"{use: unet, channel_mult: []}", "channel_mult"},
                      {"{use: unet, channels: 20}", "20 channels are not divided by 8 groups; set `channels` to a multiple of 8"},
                      {"{use: unet, input: image}", "input"},
                      {"{use: unet, dropout: 1}", "dropout"},
                      {"{use: unet, dim: 16}", "dim"}};

START_TEST(parameters_that_do_not_fit_are_refused)
{
    struct fixture b;
    struct tess_instance *i = NULL;
    fixture_open(&b, 1, 1, 1, 0);
    ck_assert_int_ne(tess_instance_open(&b.context.context, "denoiser/1", bad_parameters[_i].config_text, "test", &i), TESS_OK);
    ck_assert_msg(strstr(tessi_base_context_message(&b.context.context), bad_parameters[_i].words) != NULL, "%s",
                  tessi_base_context_message(&b.context.context));
    fixture_close(&b);
}
END_TEST

static const struct {
    const char *config_text;
    int64_t height, width, tokens;
    const char *words;
} bad_sizes[] = {
    {"{use: unet, channel_mult: [1, 2, 4]}", 7, 7, 49, "7 x 7 codes cannot be halved 2 times; 8 x 8 would fit"},
    {"{use: unet, channel_mult: [1, 2, 4]}", 7, 7, 49, "channel_mult at most 1 levels"},
    {"{use: unet, channel_mult: [1, 2, 4, 8]}", 16, 20, 320, "16 x 20 codes cannot be halved 3 times; 16 x 24 would fit"},
    {"{use: unet, channel_mult: [1, 2, 4, 8]}", 16, 20, 320, "channel_mult at most 3 levels"},
    {"{use: unet, channel_mult: [1, 2]}", 4, 4, 15, "15 tokens for a map of 4 x 4"},
    {"{use: unet, channels: 3, groups: 3}", 4, 4, 16, "set `channels` to 4"},
};

START_TEST(sizes_that_do_not_fit_are_refused)
{
    struct fixture b;
    struct tess_node *logits;
    fixture_open(&b, 1, 1, 1, 0);
    struct tess_instance *i = open_part(&b, "denoiser/1", bad_sizes[_i].config_text);
    const struct tess_denoiser_1 *d = tess_instance_ops(i, "denoiser/1");
    struct tess_denoiser_input in = {
        .size = sizeof in, .vocabulary = K, .codebook_size = K, .height = bad_sizes[_i].height, .width = bad_sizes[_i].width};
    in.tokens = tess_input(b.graph, "tokens", TESS_I32, 2, DIMS(1, bad_sizes[_i].tokens));
    in.time = tess_input(b.graph, "time", TESS_F32, 1, DIMS(1));
    ck_assert_int_eq(d->record(tess_instance_self(i), &b.context.context, b.graph, &in, &logits), TESS_E_SHAPE);
    ck_assert_msg(strstr(tessi_base_context_message(&b.context.context), bad_sizes[_i].words) != NULL, "%s",
                  tessi_base_context_message(&b.context.context));
    tess_instance_close(i);
    fixture_close(&b);
}
END_TEST

static void golden_file(TCase *t)
{
    tcase_add_loop_test(t, the_unet_is_the_published_one, 0, 2);
}

int main(void)
{
    Suite *s = suite_create("unet");
    TCase *t = tcase_create("unet");
    tcase_add_test(t, told_the_time_it_hears_it);
    tcase_add_test(t, time_may_be_counted_from_0);
    tcase_add_test(t, without_a_time_there_are_no_weights_for_it);
    tcase_add_test(t, a_scalar_input_is_an_embedding_on_a_line);
    tcase_add_test(t, maps_need_not_be_square);
    tcase_add_test(t, dropout_is_of_training_alone);
    tcase_add_test(t, the_published_size_has_the_published_number_of_weights);
    tcase_add_loop_test(t, parameters_that_do_not_fit_are_refused, 0, (int)(sizeof bad_parameters / sizeof *bad_parameters));
    tcase_add_loop_test(t, sizes_that_do_not_fit_are_refused, 0, (int)(sizeof bad_sizes / sizeof *bad_sizes));
    suite_add_tcase(s, t);
    int failed = suite_failures(s);
    failed += parity_everywhere(golden_file);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
