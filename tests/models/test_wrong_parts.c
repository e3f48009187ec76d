/* Encoders, decoders and quantizers that do one thing wrong: each is told by kind, plugin and function, with what was wanted and found,
 * when its graph is recorded; wrong codes when they come. SPDX-License-Identifier: MIT */
#include "tests/support/paths.h"
#include "tests/support/suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tessera/model.h>
#include <tessera/test.h>

enum { ROWS = 2, SIDE = 8, SMALL = SIDE / 4, CHANNELS = 3, WIDTH = 6 };

static struct tess_test_host *host;
static struct tess_context *ctx;
static struct tess_weights *weights;
static struct tess_graph *graph;

static void ok(int status)
{
    ck_assert_msg(status == TESS_OK, "status %d: %s", status, tess_test_message(host));
}

static void open_host(void)
{
    unsetenv("TESSERA_PLUGIN_PATH");
    ok(tess_test_host_open(NULL, &host));
    ctx = tess_test_context(host);
    ok(tess_test_add_file(host, TEST_BUILD "/tests/fixtures/.libs/wrong_parts.so"));
}

static void close_host(void)
{
    ck_assert_int_eq(tess_test_host_close(host), 0);
}

static void open_graph(void)
{
    struct tess_graph_options o = {.size = sizeof o, .microbatch = ROWS, .microbatches = 1};
    ok(tess_weights_new(ctx, 1, &weights));
    ok(tess_graph_new(ctx, weights, &o, &graph));
}

static void close_graph(void)
{
    tess_graph_free(graph);
    tess_weights_free(weights);
}

/* A tokenizer of which one part is wrong in one way, `parameters` said beside it. */
struct wrong_part {
    const char *kind, *how, *function, *words;
    int status;
    const char *parameters;
};

static void open_tokenizer(const struct wrong_part *w, struct tess_tokenizer *t)
{
    static const char *const kinds[] = {"encoder/1", "quantizer/1", "decoder/1"};
    struct tess_instance *part[3];
    for (int i = 0; i < 3; i++) {
        char config[200];
        int wrong = strncmp(kinds[i], w->kind, strlen(w->kind)) == 0;
        snprintf(config, sizeof config, "{use: wrong, how: \"%s\"%s}", wrong ? w->how : "", i == 1 && w->parameters ? w->parameters : "");
        ok(tess_instance_open(ctx, kinds[i], config, "test", &part[i]));
    }
    *t = (struct tess_tokenizer){.size = sizeof *t,
                                 .height = SIDE,
                                 .width = SIDE,
                                 .channels = CHANNELS,
                                 .code_dim = WIDTH,
                                 .encoder = part[0],
                                 .quantizer = part[1],
                                 .decoder = part[2]};
}

/* All three parts by the way of training, or by those of inference. */
static int record(const struct tess_tokenizer *t, int training, int likelihood)
{
    struct tess_node *latent, *codes, *quantised, *image, *log_sigma;
    struct tess_code_layout layout = {.size = sizeof layout};
    struct tess_quantized q;
    const int64_t dim[4] = {ROWS, SIDE, SIDE, CHANNELS};
    TESS_TRY(tess_code_layout_of(ctx, t->quantizer, &layout));
    TESS_TRY(tess_tokenizer_latent(ctx, t, graph, tess_input(graph, "image", TESS_F32, 4, dim), &latent));
    if (training) {
        TESS_TRY(tess_tokenizer_quantize(ctx, t, graph, latent, &q));
        codes = q.codes;
        quantised = q.quantised;
    } else {
        TESS_TRY(tess_tokenizer_assign(ctx, t, graph, latent, &codes));
        TESS_TRY(tess_tokenizer_lookup(ctx, t, graph, codes, &quantised));
    }
    TESS_TRY(likelihood ? tess_tokenizer_record_head(ctx, t, graph, quantised, &image, &log_sigma)
                        : tess_tokenizer_image(ctx, t, graph, quantised, &image));
    tess_output(graph, "codes", codes);
    tess_output(graph, "image", image);
    return tess_graph_seal(ctx, graph);
}

static const struct wrong_part parts[] = {
    {"encoder", "null", "record", "wanted a latent f32 (2, any, any, 6), found none (NULL)", TESS_E_PLUGIN, NULL},
    {"encoder", "foreign", "record", "found a node of another graph", TESS_E_PLUGIN, NULL},
    {"encoder", "dtype", "record", "wanted a latent f32 (2, any, any, 6), found i32", TESS_E_PLUGIN, NULL},
    {"encoder", "rank", "record", "wanted a latent f32 (2, any, any, 6), found f32 (48)", TESS_E_PLUGIN, NULL},
    {"encoder", "narrow", "record", "wanted a latent f32 (2, any, any, 6), found f32 (2, 2, 2, 5)", TESS_E_SHAPE, NULL},
    {"encoder", "scope", "record", "scopes left open: 1", TESS_E_PLUGIN, NULL},
    {"encoder", "ended", "record", "scopes closed that are not its own: 1", TESS_E_PLUGIN, NULL},
    {"encoder", "mute", "record", "returned -2 without a message", TESS_E_PLUGIN, NULL},
    {"encoder", "positive", "record", "returned 3", TESS_E_PLUGIN, NULL},
    {"decoder", "null", "record", "wanted an image f32 (2, 8, 8, 3), found none (NULL)", TESS_E_PLUGIN, NULL},
    {"decoder", "foreign", "record", "found a node of another graph", TESS_E_PLUGIN, NULL},
    {"decoder", "dtype", "record", "found i32", TESS_E_PLUGIN, NULL},
    {"decoder", "rank", "record", "found f32 (384)", TESS_E_PLUGIN, NULL},
    {"decoder", "narrow", "record", "wanted an image f32 (2, 8, 8, 3), found f32 (2, 8, 8, 2)", TESS_E_SHAPE, NULL},
    {"decoder", "low", "record", "wanted an image f32 (2, 8, 8, 3), found f32 (2, 7, 8, 3)", TESS_E_SHAPE, NULL},
    {"decoder", "scope", "record", "scopes left open: 1", TESS_E_PLUGIN, NULL},
    {"decoder", "mute", "record", "returned -2 without a message", TESS_E_PLUGIN, NULL},
    {"decoder", "positive", "record", "returned 3", TESS_E_PLUGIN, NULL},
    {"quantizer", "null", "record", "wanted `quantised` f32 (2, 2, 2, 6), found none (NULL)", TESS_E_PLUGIN, NULL},
    {"quantizer", "foreign", "record", "found a node of another graph", TESS_E_PLUGIN, NULL},
    {"quantizer", "dtype", "record", "wanted `quantised` f32 (2, 2, 2, 6), found i32", TESS_E_PLUGIN, NULL},
    {"quantizer", "narrow", "record", "wanted `quantised` f32 (2, 2, 2, 6), found f32 (2, 2, 2, 5)", TESS_E_SHAPE, NULL},
    {"quantizer", "no loss", "record", "wanted `loss` f32 (), found none (NULL)", TESS_E_PLUGIN, NULL},
    {"quantizer", "loss of each", "record", "wanted `loss` f32 (), found f32 (2, 2, 2, 6)", TESS_E_PLUGIN, NULL},
    {"quantizer", "codes f32", "record", "wanted codes i32 (2, 2, 2), found f32 (2, 2, 2)", TESS_E_PLUGIN, NULL},
    {"quantizer", "no record codes", "record", "wanted codes i32 (2, 2, 2), found none (NULL)", TESS_E_PLUGIN, NULL},
    {"quantizer", "scope", "record", "scopes left open: 1", TESS_E_PLUGIN, NULL},
    {"quantizer", "mute", "record", "returned -2 without a message", TESS_E_PLUGIN, NULL},
    {"quantizer", "positive", "record", "returned 3", TESS_E_PLUGIN, NULL},
    {"quantizer", "no codes", "codebook_size", "wanted 2 .. 1073741824, found 0", TESS_E_PLUGIN, NULL},
    {"quantizer", "fewer than no codes", "codebook_size", "found -5", TESS_E_PLUGIN, NULL},
    {"quantizer", "2^40 codes", "codebook_size", "found 1099511627776", TESS_E_PLUGIN, NULL},
    {"quantizer", "no width", "code_dim", "found 0", TESS_E_PLUGIN, NULL},
    {"quantizer", "2^40 wide", "code_dim", "found 1099511627776", TESS_E_PLUGIN, NULL},
    {"quantizer", "no levels", "depth", "wanted 1 .. 32, found 0", TESS_E_PLUGIN, NULL},
    {"quantizer", "2^40 levels", "depth", "found 1099511627776", TESS_E_PLUGIN, NULL},
    {"quantizer", "larger level", "level_size", "wanted 2 .. 8, found 9", TESS_E_PLUGIN, ", depth: 2"},
    {"quantizer", "smaller levels", "codebook_size, that of its largest level", "wanted 7 .. 7, found 8", TESS_E_PLUGIN, ", depth: 2"},
};
enum { PARTS = sizeof parts / sizeof *parts };

static void is_told(const struct wrong_part *w, int status, const char *function)
{
    const char *said = tess_message(ctx);
    char who[120];
    snprintf(who, sizeof who, "%s `wrong` (plugin test-wrong-parts), %s", w->kind, function);
    ck_assert_msg(status == w->status, "%s, %s: status %d, not %d: %s", w->kind, w->how, status, w->status, said);
    ck_assert_msg(strstr(said, who) != NULL && strstr(said, w->words) != NULL, "%s, %s: wanted `%s` and `%s` in: %s", w->kind, w->how, who,
                  w->words, said);
}

START_TEST(what_is_recorded_wrong_is_told)
{
    struct tess_tokenizer t;
    open_graph();
    open_tokenizer(&parts[_i], &t);
    int status = record(&t, 1, 0);
    is_told(&parts[_i], status, parts[_i].function);
    tess_tokenizer_close(&t);
    close_graph();
}
END_TEST

/* The ways of inference, and the head. */
static const struct wrong_part inference[] = {
    {"quantizer", "null", "record_assign", "wanted codes i32 (2, 2, 2), found none (NULL)", TESS_E_PLUGIN, NULL},
    {"quantizer", "dtype", "record_assign", "wanted codes i32 (2, 2, 2), found f32 (2, 2, 2)", TESS_E_PLUGIN, NULL},
    {"quantizer", "rank", "record_assign", "wanted codes i32 (2, 2, 2), found i32 (8)", TESS_E_PLUGIN, NULL},
    {"quantizer", "rank", "record_assign", "wanted codes i32 (2, 2, 2, 3), found i32 (24)", TESS_E_PLUGIN, ", depth: 3"},
    {"quantizer", "low", "record_assign", "wanted codes i32 (2, 2, 2), found i32 (2, 1, 2)", TESS_E_SHAPE, NULL},
    {"quantizer", "mute", "record_assign", "returned -2 without a message", TESS_E_PLUGIN, NULL},
    {"decoder", "null", "record_likelihood", "wanted `log_sigma` f32 (2, 8, 8, 3), found none (NULL)", TESS_E_PLUGIN, NULL},
    {"decoder", "narrow", "record_likelihood", "wanted `log_sigma` f32 (2, 8, 8, 3), found f32 (2, 8, 8, 2)", TESS_E_SHAPE, NULL},
};
enum { INFERENCE = sizeof inference / sizeof *inference };

START_TEST(and_at_inference)
{
    struct tess_tokenizer t;
    open_graph();
    open_tokenizer(&inference[_i], &t);
    int status = record(&t, 0, 1);
    is_told(&inference[_i], status, inference[_i].function);
    tess_tokenizer_close(&t);
    close_graph();
}
END_TEST

/* Runs the graph on a batch of zeros; gives the status. */
static int run(int64_t depth)
{
    static float image[ROWS * SIDE * SIDE * CHANNELS], made[ROWS * SIDE * SIDE * CHANNELS];
    static int32_t codes[ROWS * SMALL * SMALL * 8];
    int64_t dim[4];
    int32_t rank = tess_code_shape(ROWS, SMALL, SMALL, depth, dim);
    struct tess_tensor in = tess_tensor_over(image, TESS_F32, 4, (const int64_t[]){ROWS, SIDE, SIDE, CHANNELS});
    struct tess_tensor out[2] = {tess_tensor_over(codes, TESS_I32, rank, dim), tess_tensor_over(made, TESS_F32, 4, in.dim)};
    struct tess_batch b = {.size = sizeof b, .samples = ROWS, .inputs = 1, .in = &in, .outputs = 2, .out = out};
    return tess_graph_run(ctx, graph, &b);
}

/* With K = 256 code 256 would fit no byte, with 65,536 no two: what is stored would be code 0. */
static const struct wrong_part codes[] = {
    {"quantizer", "code K", "record", "wanted codes 0 .. 255 of level 1, found 256", TESS_E_PLUGIN, ", codebook_size: 256"},
    {"quantizer", "code K", "record", "wanted codes 0 .. 65535 of level 1, found 65536", TESS_E_PLUGIN, ", codebook_size: 65536"},
    {"quantizer", "code -1", "record", "wanted codes 0 .. 7 of level 1, found -1", TESS_E_PLUGIN, ", depth: 2"},
    {"quantizer", "code K", "record_assign", "wanted codes 0 .. 255 of level 1, found 256", TESS_E_PLUGIN, ", codebook_size: 256"},
    {"quantizer", "code -1", "record_assign", "wanted codes 0 .. 7 of level 1, found -1", TESS_E_PLUGIN, NULL},
};
enum { CODES = sizeof codes / sizeof *codes };

START_TEST(codes_out_of_range_are_told_when_they_come)
{
    struct tess_tokenizer t;
    open_graph();
    open_tokenizer(&codes[_i], &t);
    ok(record(&t, strcmp(codes[_i].function, "record") == 0, 0));
    is_told(&codes[_i], run(codes[_i].parameters && strstr(codes[_i].parameters, "depth") ? 2 : 1), codes[_i].function);
    tess_tokenizer_close(&t);
    close_graph();
}
END_TEST

START_TEST(what_is_right_is_let_through)
{
    static const struct wrong_part right[] = {{"none", "", "", "", TESS_OK, NULL}, {"none", "", "", "", TESS_OK, ", depth: 5"}};
    struct tess_tokenizer t;
    for (int training = 0; training < 2; training++)
        for (int i = 0; i < 2; i++) {
            open_graph();
            open_tokenizer(&right[i], &t);
            ok(record(&t, training, 0));
            ok(run(i ? 5 : 1));
            tess_tokenizer_close(&t);
            close_graph();
        }
}
END_TEST

/* ---- tables with holes -------------------------------------------------------------------------------------------------- */

static const struct tess_quantizer_1 hole = {.size = sizeof hole};
static const struct tess_encoder_1 no_encoder = {.size = sizeof no_encoder};
static const struct tess_decoder_1 no_decoder = {.size = sizeof no_decoder};
static const struct tess_component components[] = {
    {.name = "hole", .kind = "quantizer/1", .summary = "x", .self_size = 8, .ops = &hole},
    {.name = "hole", .kind = "encoder/1", .summary = "x", .self_size = 8, .ops = &no_encoder},
    {.name = "hole", .kind = "decoder/1", .summary = "x", .self_size = 8, .ops = &no_decoder},
    {.name = NULL}};
static const struct tess_plugin holes = {.size = sizeof holes,
                                         .abi_major = TESS_ABI_MAJOR,
                                         .abi_minor = TESS_ABI_MINOR,
                                         .id = "test-holes",
                                         .version = "1",
                                         .license = "MIT",
                                         .components = components,
                                         .component_stride = sizeof(struct tess_component)};

/* At the gate, or when the component is first used. */
START_TEST(a_function_that_is_missing_is_told)
{
    struct tess_instance *i = NULL;
    struct tess_code_layout layout = {.size = sizeof layout};
    int status = tess_test_add_plugin(host, &holes);
    if (status == TESS_OK)
        status = tess_instance_open(ctx, "quantizer/1", "{use: hole}", "test", &i);
    if (status == TESS_OK)
        status = tess_code_layout_of(ctx, i, &layout);
    ck_assert_int_eq(status, TESS_E_PLUGIN);
    ck_assert_msg(strstr(tess_message(ctx), "hole") && strstr(tess_message(ctx), "codebook_size"), "%s", tess_message(ctx));
    tess_instance_close(i);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wrong parts");
    TCase *told = tcase_create("told");
    tcase_add_checked_fixture(told, open_host, close_host);
    tcase_add_loop_test(told, what_is_recorded_wrong_is_told, 0, PARTS);
    tcase_add_loop_test(told, and_at_inference, 0, INFERENCE);
    tcase_add_loop_test(told, codes_out_of_range_are_told_when_they_come, 0, CODES);
    tcase_add_test(told, what_is_right_is_let_through);
    tcase_add_test(told, a_function_that_is_missing_is_told);
    suite_add_tcase(s, told);
    return suite_run(s);
}
