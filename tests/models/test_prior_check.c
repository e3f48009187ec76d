/* Results of the plugins of a prior are looked at before anything is made of it: each wrong noise, denoiser or sampler here is refused
 * with a sentence that names plugin, component and function. SPDX-License-Identifier: MIT */
#include "core/plug/plug_private.h"
#include "tests/support/graphs.h"
#include "tests/support/suite.h"
#undef fail /* Check's old macro, in the way of a context's fail */

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { K = 5, H = 2, W = 3, L = H * W, ROWS = 2, T = 4 };

/* ---- a noise, a denoiser and a sampler that are right, but for what a test changes ----------------------------------------------------
 */

static struct {
    int64_t vocabulary, steps, time, calls, state, reads;
    int32_t token, last; /* values written into the tokens, and by the last step */
    int status, tells;   /* returned; tells: with a message */
    double constant;
} does;

static int ends(struct tess_context *ctx)
{
    return does.tells ? ctx->fail(ctx, does.status, "out of luck") : does.status;
}

static int write_tokens(struct tess_context *ctx, int64_t n, int32_t *x, int32_t token)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = i == n - 1 ? token : 0;
    return ends(ctx);
}

static int64_t wrong_vocabulary(void *self, int64_t codebook_size)
{
    (void)self;
    (void)codebook_size;
    return does.vocabulary;
}

static int64_t wrong_steps(void *self)
{
    (void)self;
    return does.steps;
}

static int wrong_corrupt(void *self, struct tess_context *ctx, const struct tess_stream *random, int64_t tokens, int64_t codebook_size,
                         int64_t t, const int32_t *x0, int32_t *xt)
{
    (void)self, (void)random, (void)codebook_size, (void)t, (void)x0;
    return write_tokens(ctx, tokens, xt, does.token);
}

enum { LOSS_RIGHT, LOSS_NULL, LOSS_VECTOR, BOUND_NULL, BOUND_SCALAR, BOUND_WIDE, BOUND_I32, LOSS_STATUS };
static int loss_kind;

static int wrong_record_loss(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *logits, struct tess_node *x0,
                             struct tess_node *xt, struct tess_node *t, struct tess_noise_loss *out)
{
    (void)self, (void)logits, (void)x0, (void)xt;
    ck_assert_uint_ge(out->size, sizeof *out);
    out->bound = tess_affine(g, t, 1.0f, 0.0f);
    out->loss = loss_kind == LOSS_VECTOR ? out->bound : tess_mean_all(g, out->bound);
    if (loss_kind == LOSS_NULL)
        out->loss = NULL;
    if (loss_kind == BOUND_NULL)
        out->bound = NULL;
    if (loss_kind == BOUND_SCALAR)
        out->bound = out->loss;
    if (loss_kind == BOUND_WIDE)
        out->bound = tess_reshape(g, out->bound, 2, DIMS(ROWS, 1));
    if (loss_kind == BOUND_I32)
        out->bound = tess_to_i32(g, out->bound);
    return loss_kind == LOSS_STATUS ? ends(ctx) : TESS_OK;
}

static double wrong_bound_constant(void *self, int64_t tokens, int64_t codebook_size)
{
    (void)self, (void)tokens, (void)codebook_size;
    return does.constant;
}

static int wrong_start(void *self, struct tess_context *ctx, const struct tess_stream *random, int64_t tokens, int64_t codebook_size,
                       int32_t *x)
{
    (void)self, (void)random, (void)codebook_size;
    return write_tokens(ctx, tokens, x, does.token);
}

static int wrong_reverse(void *self, struct tess_context *ctx, const struct tess_reverse *r)
{
    (void)self;
    return write_tokens(ctx, r->tokens, r->next, r->last ? does.last : does.token);
}

static int wrong_condition(void *self, struct tess_context *ctx, const struct tess_reverse *r, const uint8_t *mask, const int32_t *values)
{
    (void)self, (void)mask, (void)values;
    return write_tokens(ctx, r->tokens, r->next, does.token);
}

static int wrong_draw_time(void *self, struct tess_context *ctx, struct tess_weights *w, const char *scope,
                           const struct tess_stream *random, int64_t *t)
{
    (void)self, (void)w, (void)scope, (void)random;
    *t = does.time;
    return ends(ctx);
}

static int wrong_observe(void *self, struct tess_context *ctx, struct tess_weights *w, const char *scope,
                         const struct tess_noise_seen *seen)
{
    (void)self, (void)w, (void)scope, (void)seen;
    return ends(ctx);
}

static const struct tess_noise_1 right_noise = {.size = sizeof right_noise,
                                                .vocabulary = wrong_vocabulary,
                                                .steps = wrong_steps,
                                                .corrupt = wrong_corrupt,
                                                .record_loss = wrong_record_loss,
                                                .bound_constant = wrong_bound_constant,
                                                .start = wrong_start,
                                                .reverse = wrong_reverse,
                                                .draw_time = wrong_draw_time,
                                                .observe = wrong_observe,
                                                .condition = wrong_condition};

enum { LOGITS_RIGHT, LOGITS_NULL, LOGITS_MORE_CODES, LOGITS_FEWER_TOKENS, LOGITS_FLAT, LOGITS_I32, LOGITS_STATUS };
static int logits_kind;

static int wrong_record(void *self, struct tess_context *ctx, struct tess_graph *g, const struct tess_denoiser_input *in,
                        struct tess_node **logits)
{
    int64_t codes = K + (logits_kind == LOGITS_MORE_CODES), tokens = in->height * in->width - (logits_kind == LOGITS_FEWER_TOKENS);
    (void)self;
    *logits = tess_constant(g, 0.0f, 3, DIMS(tess_graph_microbatch(g), tokens, codes));
    if (logits_kind == LOGITS_FLAT)
        *logits = tess_reshape(g, *logits, 2, DIMS(tess_graph_microbatch(g), tokens * codes));
    if (logits_kind == LOGITS_I32)
        *logits = tess_to_i32(g, *logits);
    if (logits_kind == LOGITS_NULL)
        *logits = NULL;
    return logits_kind == LOGITS_STATUS ? ends(ctx) : TESS_OK;
}

static const struct tess_denoiser_1 right_denoiser = {.size = sizeof right_denoiser, .record = wrong_record};

static int wrong_check(void *self, struct tess_context *ctx, const struct tess_prior *p)
{
    (void)self, (void)p;
    return ends(ctx);
}

static int64_t wrong_reads(void *self, const struct tess_sampler_step *s, uint8_t *where)
{
    (void)self;
    for (int64_t i = 0; where && i < s->reverse->tokens; i++)
        where[i] = i == 0;
    return does.reads;
}

static int wrong_draw(void *self, struct tess_context *ctx, const struct tess_sampler_step *s)
{
    (void)self;
    return write_tokens(ctx, s->reverse->tokens, s->reverse->next, s->reverse->last ? does.last : does.token);
}

static int64_t wrong_calls(void *self, int64_t left, int64_t steps)
{
    (void)self, (void)left, (void)steps;
    return does.calls;
}

static int64_t wrong_state_size(void *self, int64_t tokens, int64_t codebook_size)
{
    (void)self, (void)tokens, (void)codebook_size;
    return does.state;
}

static const struct tess_sampler_1 right_sampler = {.size = sizeof right_sampler,
                                                    .check = wrong_check,
                                                    .reads = wrong_reads,
                                                    .draw = wrong_draw,
                                                    .calls = wrong_calls,
                                                    .state_size = wrong_state_size};

/* ---- the fixture ------------------------------------------------------------------------------------------------------------------- */

static struct fixture b;
static struct tess_context *ctx;
static struct tess_noise_1 noise_ops;
static struct tess_denoiser_1 denoiser_ops;
static struct tess_sampler_1 sampler_ops;
static const struct tess_plugin plugin = {.size = sizeof plugin, .id = "tests-wrong", .component_stride = sizeof(struct tess_component)};
static const struct tess_component part[3] = {{.name = "wrong", .kind = "noise/1", .ops = &noise_ops},
                                              {.name = "wrong", .kind = "denoiser/1", .ops = &denoiser_ops},
                                              {.name = "wrong", .kind = "sampler/1", .ops = &sampler_ops}};
static struct tess_instance noise = {.component = &part[0], .plugin = &plugin}, denoiser = {.component = &part[1], .plugin = &plugin},
                            sampler = {.component = &part[2], .plugin = &plugin};
static struct tess_prior prior;

static void setup(void)
{
    fixture_open(&b, 1, ROWS, 1, 0);
    ctx = &b.context.context;
    noise_ops = right_noise;
    denoiser_ops = right_denoiser;
    sampler_ops = right_sampler;
    memset(&does, 0, sizeof does);
    does.vocabulary = K + 1;
    does.steps = T;
    does.time = T;
    does.calls = 1;
    does.reads = 1;
    does.token = K;
    loss_kind = logits_kind = 0;
    prior = (struct tess_prior){.size = sizeof prior, .codebook_size = K, .height = H, .width = W, .noise = &noise, .denoiser = &denoiser};
}

static void teardown(void)
{
    fixture_close(&b);
}

/* The call failed, with a message that names part and function ("noise, steps") and has these words, and is no defect of the host's. */
static void blamed(int status, const char *who, const char *words)
{
    char place[96];
    const char *message = tess_message(ctx), *function = strchr(who, ',');
    snprintf(place, sizeof place, "%.*s `wrong` (plugin tests-wrong)%s: ", (int)(function - who), who, function);
    ck_assert_msg(status == TESS_E_PLUGIN || status == TESS_E_SHAPE, "%s: status %d, %s", who, status, message);
    ck_assert_msg(strncmp(message, place, strlen(place)) == 0 && strstr(message, words), "%s, %s: %s", place, words, message);
    tess_forget(ctx);
}

/* ---- sizes ------------------------------------------------------------------------------------------------------------------------- */

static void missing(int status, const char *function)
{
    ck_assert_int_eq(status, TESS_E_PLUGIN);
    ck_assert_msg(strstr(tess_message(ctx), "noise `wrong` (plugin tests-wrong): wanted the function") &&
                      strstr(tess_message(ctx), function),
                  "%s", tess_message(ctx));
    tess_forget(ctx);
}

/* Functions that a kind requires are the gate's business; two that go together are not. */
START_TEST(functions_that_go_together)
{
    struct tess_noise_loss out = {.size = sizeof out};
    fixture_ok(&b, tess_prior_record_loss(ctx, &prior, b.graph, &out));
    ck_assert_ptr_nonnull(out.bound);
    noise_ops.draw_time = NULL;
    missing(tess_prior_record_denoise(ctx, &prior, b.graph), "draw_time");
    noise_ops = right_noise;
    noise_ops.observe = NULL;
    missing(tess_prior_record_denoise(ctx, &prior, b.graph), "observe");
}
END_TEST

START_TEST(sizes_that_are_impossible)
{
    static const int64_t vocabulary[] = {K - 1, 0, -1, (int64_t)1 << 40}, steps[] = {-1, (int64_t)1 << 40, TESS_STEPS_MAX + 1};
    for (size_t i = 0; i < sizeof vocabulary / sizeof *vocabulary; i++) {
        does.vocabulary = vocabulary[i];
        blamed(tess_prior_record_denoise(ctx, &prior, b.graph), "noise, vocabulary", "wanted 5 .. ");
    }
    does.vocabulary = K;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        does.steps = steps[i];
        blamed(tess_prior_record_denoise(ctx, &prior, b.graph), "noise, steps", "wanted 0 .. 16777216");
    }
    does.state = -8;
    blamed(tess_sampler_check(ctx, &sampler, &prior, L), "sampler, state_size", "found -8");
    does.state = (int64_t)1 << 40;
    blamed(tess_sampler_check(ctx, &sampler, &prior, L), "sampler, state_size", "wanted 0 .. ");
}
END_TEST

/* ---- nodes ------------------------------------------------------------------------------------------------------------------------- */

START_TEST(logits_that_are_others)
{
    static const char *const words[] = {"",
                                        "wanted logits f32 (2, 6, 5), found none (NULL)",
                                        "wanted logits f32 (2, 6, 5), found f32 (2, 6, 6)",
                                        "found f32 (2, 5, 5)",
                                        "found f32 (2, 30)",
                                        "found i32 (2, 6, 5)",
                                        "returned -2 without a message"};
    struct tess_noise_loss out = {.size = sizeof out};
    does.status = TESS_E_VALUE;
    logits_kind = _i;
    blamed(tess_prior_record_denoise(ctx, &prior, b.graph), "denoiser, record", words[_i]);
    blamed(tess_prior_record_loss(ctx, &prior, b.graph, &out), "denoiser, record", words[_i]);
}
END_TEST

START_TEST(losses_that_are_others)
{
    static const char *const words[] = {"",
                                        "wanted a loss f32 (), found none (NULL)",
                                        "wanted a loss f32 (), found f32 (2)",
                                        "wanted a bound f32 (2), found none (NULL)",
                                        "wanted a bound f32 (2), found f32 ()",
                                        "found f32 (2, 1)",
                                        "found i32 (2)",
                                        "returned 7; wanted 0"};
    struct tess_noise_loss out = {.size = sizeof out};
    does.status = 7;
    loss_kind = _i;
    blamed(tess_prior_record_loss(ctx, &prior, b.graph, &out), "noise, record_loss", words[_i]);
}
END_TEST

/* A failure of recording itself is left to the seal, which knows it. */
START_TEST(failures_of_the_graph_are_its_own)
{
    struct tess_noise_loss out = {.size = sizeof out};
    (void)tess_graph_fail(b.graph, TESS_E_SHAPE, "of the graph");
    fixture_ok(&b, tess_prior_record_loss(ctx, &prior, b.graph, &out));
    ck_assert_int_eq(tess_graph_seal(ctx, b.graph), TESS_E_SHAPE);
    ck_assert_str_eq(tess_message(ctx), "of the graph");
    tess_forget(ctx);
}
END_TEST

/* ---- tokens, times, numbers -------------------------------------------------------------------------------------------------------- */

static int32_t x[L];
static const int32_t values[L] = {0};
static const uint8_t mask[L] = {1};
static struct tess_stream stream = {.seed = 1};
static struct tess_reverse reverse_of(int last)
{
    return (struct tess_reverse){.size = sizeof(struct tess_reverse),
                                 .last = last,
                                 .tokens = L,
                                 .codebook_size = K,
                                 .from = 0.5,
                                 .to = last ? 0.0 : 0.25,
                                 .temperature = 1.0,
                                 .x = x,
                                 .next = x};
}

static struct tess_sampler_step step_of(const struct tess_reverse *r)
{
    return (struct tess_sampler_step){
        .size = sizeof(struct tess_sampler_step), .left = r->last ? 1 : 2, .steps = 4, .prior = &prior, .reverse = r};
}

enum { CALLS = 6 };
static const char *const call_name[CALLS] = {"noise, corrupt",   "noise, start",  "noise, reverse",
                                             "noise, condition", "sampler, draw", "noise, draw_time"};

static int call_number(int i, int last)
{
    struct tess_reverse r = reverse_of(last);
    struct tess_sampler_step s = step_of(&r);
    int64_t t;
    switch (i) {
    case 0:
        return tess_prior_corrupt(ctx, &prior, &stream, 1, values, x);
    case 1:
        return tess_prior_start(ctx, &prior, &stream, L, x);
    case 2:
        return tess_prior_reverse(ctx, &prior, &r);
    case 3:
        return tess_prior_condition(ctx, &prior, &r, mask, values);
    case 4:
        return tess_sampler_step_draw(ctx, &sampler, &s);
    default:
        return tess_prior_draw_time(ctx, &prior, b.weights, &stream, &t);
    }
}

START_TEST(tokens_outside)
{
    fixture_ok(&b, call_number(_i, 0));
    fixture_ok(&b, call_number(_i, 1));
    does.token = K + 1;
    blamed(call_number(_i, 0), call_name[_i], "token 5 is 6");
    does.token = -1;
    blamed(call_number(_i, 0), call_name[_i], "token 5 is -1");
    if (_i != 2 && _i != 4)
        return;
    does.token = 0;
    does.last = K; /* the mask, when all must be decided */
    blamed(call_number(_i, 1), call_name[_i], "wanted 0 .. 4");
}
END_TEST

START_TEST(codes_of_failure)
{
    does.status = -2;
    blamed(call_number(_i, 0), call_name[_i], "returned -2 without a message");
    does.status = 3;
    blamed(call_number(_i, 0), call_name[_i], "returned 3; wanted 0, or a negative");
    does.status = TESS_E_DATA;
    does.tells = 1; /* a message of the plugin's own is kept */
    ck_assert_int_eq(call_number(_i, 0), TESS_E_DATA);
    ck_assert_str_eq(tess_message(ctx), "out of luck");
    tess_forget(ctx);
}
END_TEST

START_TEST(numbers_that_are_none)
{
    static const double constant[] = {-1.0, NAN, INFINITY};
    double bits;
    does.time = 0;
    blamed(call_number(5, 0), call_name[5], "wanted 1 .. 4, found 0");
    does.time = T + 1;
    blamed(call_number(5, 0), call_name[5], "found 5");
    for (size_t i = 0; i < 3; i++) {
        does.constant = constant[i];
        blamed(tess_prior_bound_constant(ctx, &prior, &bits), "noise, bound_constant", "wanted a divergence");
    }
    does.constant = 0.5;
    fixture_ok(&b, tess_prior_bound_constant(ctx, &prior, &bits));
    ck_assert(bits == 0.5);
}
END_TEST

START_TEST(samplers_that_say_what_they_do_not_do)
{
    struct tess_reverse r = reverse_of(0);
    struct tess_sampler_step s = step_of(&r);
    uint8_t where[L];
    int64_t n;
    fixture_ok(&b, tess_sampler_step_reads(ctx, &sampler, &s, where, &n));
    ck_assert_int_eq(n, 1);
    does.reads = 3;
    blamed(tess_sampler_step_reads(ctx, &sampler, &s, where, &n), "sampler, reads", "gave 3 tokens and marked 1");
    does.reads = L + 1;
    blamed(tess_sampler_step_reads(ctx, &sampler, &s, NULL, &n), "sampler, reads", "wanted 0 .. 6, found 7");
    does.calls = 0;
    blamed(tess_sampler_step_calls(ctx, &sampler, 1, 4, &n), "sampler, calls", "found 0");
    does.calls = (int64_t)1 << 40;
    blamed(tess_sampler_step_draw(ctx, &sampler, &s), "sampler, calls", "wanted 1 .. 64");
    does.calls = 1;
    does.status = -3;
    blamed(tess_sampler_check(ctx, &sampler, &prior, L), "sampler, check", "returned -3 without a message");
}
END_TEST

/* A denoiser that cannot be told labels is not given any. */
START_TEST(labels_nobody_hears)
{
    prior.classes = 3;
    ck_assert_int_eq(tess_prior_record_denoise(ctx, &prior, b.graph), TESS_E_VALUE);
    ck_assert_msg(strstr(tess_message(ctx), "the denoiser `wrong` cannot be told labels; use `transformer`, `unet`"), "%s",
                  tess_message(ctx));
    tess_forget(ctx);
    struct tess_prior older = prior; /* a prior struct from before classes were added */
    older.size = offsetof(struct tess_prior, classes);
    fixture_ok(&b, tess_prior_record_denoise(ctx, &older, b.graph));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("prior check");
    TCase *t = tcase_create("prior check");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, functions_that_go_together);
    tcase_add_test(t, sizes_that_are_impossible);
    tcase_add_loop_test(t, logits_that_are_others, 1, 7);
    tcase_add_loop_test(t, losses_that_are_others, 1, 8);
    tcase_add_test(t, failures_of_the_graph_are_its_own);
    tcase_add_loop_test(t, tokens_outside, 0, CALLS - 1);
    tcase_add_loop_test(t, codes_of_failure, 0, CALLS);
    tcase_add_test(t, numbers_that_are_none);
    tcase_add_test(t, samplers_that_say_what_they_do_not_do);
    tcase_add_test(t, labels_nobody_hears);
    suite_add_tcase(s, t);
    return suite_run(s);
}
