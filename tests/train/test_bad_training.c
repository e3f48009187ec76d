/* Failing training: a NaN or infinity, wherever it begins, stops it before it does harm, and the last good checkpoint stays as it was; a
 * critic that overpowers, or a weight at its limit, is reported once, when it happens.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/clock.h"
#include "core/base/files.h"
#include "core/flow/flow_private.h"
#include "core/store/store.h"
#include "core/graph/finite.h"
#include "kit/codebook/rebuild.h"
#include "kit/train/adversarial.h"
#include "tests/support/command_fixture.h"
#include "tests/support/graphs.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void setup(void)
{
    (void)small_folder_enter();
}

/* ---- a training without a stage ---- */

enum { NOTHING, LOSS, GRADIENT, STATE, CODEBOOK, WEIGHT, LAST_WEIGHT };

struct training {
    struct fixture b;
    struct tess_stage_run run;
    struct tess_training_params p;
    int what; /* goes wrong, at step `at` */
    int64_t at;
};

/* Passes its input on; its gradient is no number at the step of the attribute. */
static int copy(const struct tess_op_run *r)
{
    memcpy(r->out[0].data, r->in[0].data, tess_tensor_bytes(&r->out[0]));
    return TESS_OK;
}

static int spoil(const struct tess_op_run *r)
{
    memcpy(r->din[0].data, r->dout[0].data, tess_tensor_bytes(&r->din[0]));
    if ((int64_t)r->random.step == *(const int64_t *)r->attr)
        ((float *)r->din[0].data)[1] = NAN;
    return TESS_OK;
}

static const struct tess_op spoiling = {.size = sizeof spoiling, .name = "spoil", .forward = copy, .backward = spoil};

static void record(struct training *t)
{
    struct tess_graph *g = t->b.graph;
    const struct tess_init state = {.size = sizeof(struct tess_init), .flags = TESS_WEIGHT_BUFFER, .centre = 1.0};
    int64_t never = t->what == GRADIENT ? t->at : -1;
    struct tess_node *x = tess_input(g, "x", TESS_F32, 2, DIMS(2, 3));
    struct tess_node *h = tess_linear(g, x, normal_weight(g, "net.first", 2, DIMS(4, 3), 0, 0.5), NULL), *y;
    struct tess_tensor shape = tess_shape(h);
    tess_custom(g, &spoiling, &never, sizeof never, 1, &h, 1, &shape, 0, 0.0, &y);
    y = tess_linear(g, y, normal_weight(g, "net.last", 2, DIMS(2, 4), 0, 0.5), NULL);
    tess_weight(g, "quantizer.codebook", 2, DIMS(5, 3), &state);
    tess_weight(g, "quantizer.size", 1, DIMS(5), &state);
    tess_objective(g, "loss", "", tess_mean_all(g, tess_square(g, y)));
    fixture_ok(&t->b, tess_graph_seal(&t->b.context.context, g));
}

static int fill(void *user, struct tess_context *ctx, int64_t step, int64_t first, int64_t rows, struct tess_tensor *in)
{
    const struct training *t = user;
    (void)ctx;
    for (int64_t i = 0; i < rows * 3; i++)
        ((float *)in[0].data)[i] = t->what == LOSS && step == t->at ? NAN : (float)((first + i + step) % 5) - 2.0f;
    return TESS_OK;
}

static int after(void *user, struct tess_context *ctx, int64_t step, const struct tess_batch *batch)
{
    static const char *const name[] = {[STATE] = "quantizer.size", [CODEBOOK] = "quantizer.codebook", [WEIGHT] = "net.last",
                                       [LAST_WEIGHT] = "net.last"};
    struct training *t = user;
    struct tess_tensor view;
    (void)batch;
    if (t->what < STATE || step != t->at)
        return TESS_OK;
    TESS_TRY(tess_weights_find(ctx, t->b.weights, name[t->what], TESS_ROLE_VALUE, &view));
    ((float *)view.data)[tess_tensor_count(&view) - 1] = t->what == STATE ? -INFINITY : NAN;
    return TESS_OK;
}

/* Trains to the step, with a checkpoint before each one when `interval` is 0; `message` is what it says. */
static int train(int what, int64_t at, int64_t steps, double interval, double clip, char message[TESSI_MESSAGE_CAPACITY])
{
    struct training t = {.what = what, .at = at};
    t.p = (struct tess_training_params){.steps = steps,
                                        .batch = 4,
                                        .microbatches = 2,
                                        .lr = 1e-3,
                                        .beta1 = 0.9,
                                        .beta2 = 0.999,
                                        .epsilon = 1e-8,
                                        .log_every = 10,
                                        .ema_every = 1,
                                        .clip = clip};
    fixture_open(&t.b, 2, 2, 2, 1);
    record(&t);
    fixture_ok(&t.b, tessi_host_runtime_compute(&t.b.context.context, t.b.runtime));
    struct tessi_stage stage = {.name = "test"};
    t.run = (struct tess_stage_run){.ctx = &t.b.context.context,
                                    .stage = &stage,
                                    .log = t.b.runtime->log,
                                    .name = "test",
                                    .key = "k",
                                    .checkpoint = strdup("c.h5"),
                                    .interval = interval,
                                    .last_checkpoint = tessi_base_seconds()};
    fixture_ok(&t.b, tessi_store_artefact_create(&t.b.context.context, "out.h5", "prior", &t.run.output));
    const struct tess_training training = {.size = sizeof training,
                                           .params_size = sizeof(struct tess_training_params),
                                           .params = &t.p,
                                           .weights = t.b.weights,
                                           .graph = t.b.graph,
                                           .user = &t,
                                           .fill = fill,
                                           .after = after};
    int status = tess_train(&t.b.context.context, &t.run, &training);
    snprintf(message, TESSI_MESSAGE_CAPACITY, "%s", tessi_base_context_message(&t.b.context.context));
    tessi_store_artefact_close(t.run.output);
    tessi_store_artefact_close(t.run.resumed);
    free(t.run.checkpoint);
    fixture_close(&t.b);
    return status;
}

static const struct {
    int what;
    const char *words;
} wrongs[] = {{LOSS, "loss is nan at step 6"},
              {GRADIENT, "the gradient of net.first is nan at step 6"},
              {STATE, "a value of quantizer.size is nan at step 6"},
              {CODEBOOK, "a value of quantizer.codebook is nan at step 6"},
              {WEIGHT, "a value of net.last is nan at step 7"},
              {LAST_WEIGHT, "a value of net.last is nan at step 7"}};

/* A checkpoint before every step: the last one is of before, its values are numbers, and the message says where it is. */
START_TEST(no_number_stops_it_and_the_checkpoint_stays)
{
    char message[TESSI_MESSAGE_CAPACITY];
    struct tessi_context context;
    struct tess_artefact *a;
    struct tess_tensor value;
    int64_t good = 6;
    int64_t steps = wrongs[_i].what == LAST_WEIGHT ? 7 : 20;
    ck_assert_int_eq(train(wrongs[_i].what, 6, steps, 0.0, 0.0, message), TESS_E_FAILED);
    ck_assert_msg(strncmp(message, wrongs[_i].words, strlen(wrongs[_i].words)) == 0, "%s", message);
    ck_assert_msg(strstr(message, "training has diverged; lower `lr`, add `warmup`, or set `clip`") &&
                      strstr(message, "the last good checkpoint, of step 6, is kept as it was: c.h5"), "%s", message);
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_store_artefact_open(&context.context, "c.h5", &a), TESS_OK);
    ck_assert_int_eq(tessi_store_artefact_verify(&context.context, a), TESS_OK);
    ck_assert_int_eq(tess_attrs_i64_or(tess_artefact_attrs(a), "step", -1), good);
    static const char *const block[] = {"value", "moment1", "moment2", "curve"};
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(tess_artefact_load(&context.context, a, block[i], TESS_F32, &value), TESS_OK);
        ck_assert_msg(tessi_graph_all_finite(tess_tensor_count(&value), value.data), "%s", block[i]);
        tess_free(value.data);
    }
    tessi_store_artefact_close(a);
    ck_assert(access("out.h5", F_OK) != 0); /* no model of it is there */
}
END_TEST

/* A description of a training that a plugin got wrong is refused with a sentence, before anything is touched. */
START_TEST(wrong_descriptions)
{
    struct tessi_context c;
    struct tess_stage_run run = {.name = "test"};
    const struct tess_training_params good = {.batch = 4, .log_every = 1, .ema_every = 1}, none = {.log_every = 1},
                                      averaged = {.batch = 4, .log_every = 1, .ema_decay = 0.9};
    struct tess_training_group nameless = {.size = sizeof nameless};
    struct tess_weights *weights = (void *)&c; /* not looked at */
    struct tess_graph *graph = (void *)&c;
    const struct tess_training fine = {
        .size = sizeof fine, .params_size = sizeof good, .params = &good, .weights = weights, .graph = graph, .fill = fill};
    struct tess_training t[10];
    static const char *const words[10] = {"is not sizeof(struct tess_training)",
                                          "params_size is 8;",
                                          "its parameters are NULL",
                                          "its weights are NULL",
                                          "its graph is NULL",
                                          "its function `fill` is NULL",
                                          "ema_every must be at least 1, steps 0, not 0, 1, 0 and 0",
                                          "not 4, 1, 0 and 0",
                                          "a training of 2 groups of weights: there is no list",
                                          "the prefix of its group 0 of weights"};
    for (int i = 0; i < 10; i++)
        t[i] = fine;
    t[0].size = 8;
    t[1].params_size = 8;
    t[2].params = NULL;
    t[3].weights = NULL;
    t[4].graph = NULL;
    t[5].fill = NULL;
    t[6].params = &none;
    t[7].params = &averaged;
    t[8].groups = 2;
    t[9].groups = 1;
    t[9].group = &nameless;
    for (int i = 0; i < 10; i++) {
        tessi_base_context_init(&c, NULL);
        ck_assert_int_eq(tess_train(&c.context, &run, &t[i]), TESS_E_VALUE);
        ck_assert_msg(strstr(tess_message(&c.context), words[i]), "%d: %s", i, tess_message(&c.context));
    }
    tessi_base_context_init(&c, NULL);
    ck_assert_int_eq(tess_train(&c.context, NULL, &fine), TESS_E_VALUE);
    ck_assert_str_eq(tess_message(&c.context), "a training: the stage's run is NULL");
    tessi_base_context_init(&c, NULL);
    ck_assert_int_eq(tess_train(&c.context, &run, NULL), TESS_E_VALUE);
    ck_assert_str_eq(tess_message(&c.context), "a training: it is NULL");
}
END_TEST

START_TEST(no_number_without_a_checkpoint)
{
    char message[TESSI_MESSAGE_CAPACITY];
    for (int clip = 0; clip < 2; clip++) {
        ck_assert_int_eq(train(GRADIENT, 0, 5, 1e9, clip ? 0.1 : 0.0, message), TESS_E_FAILED);
        ck_assert_msg(strstr(message, "the gradient of net.first is nan at step 0") && strstr(message, "no checkpoint had been written"),
                      "%s", message);
        ck_assert(access("c.h5", F_OK) != 0);
    }
    ck_assert_int_eq(train(NOTHING, 0, 5, 1e9, 0.0, message), TESS_OK);
}
END_TEST

/* A learning rate that no training survives, through the program: the step, the sentence, and no model. The first value that is not finite
 * may lie within a step or be a gradient at its end: that depends on the rounding of the kernels' sums, which other compilers and
 * processors do otherwise. */
START_TEST(a_learning_rate_that_is_too_high)
{
    const struct command_result *r =
        command("run small.yaml -q --until tokenizer tokenizer.lr=10 tokenizer.steps=2000 tokenizer.beta1=0 tokenizer.beta2=0 "
                "tokenizer.epsilon=0 tokenizer.quantizer.use=nearest tokenizer.weight_decay=1");
    int within =
        strstr(r->err, "stage `tokenizer`: at step ") && strstr(r->err, "is not finite: the encoder has diverged; lower the learning "
                                                                        "rate or clip gradients; no checkpoint had been");
    int at_end = strstr(r->err, "stage `tokenizer`: the gradient of ") &&
                 strstr(r->err, "training has diverged; lower `lr`, add `warmup`, or set `clip`; no checkpoint had been");
    ck_assert_msg(r->code == 1 && (within || at_end), "%d %s", r->code, r->err);
    ck_assert(access("runs/small/tokenizer.h5", F_OK) != 0);
}
END_TEST

START_TEST(what_is_finite)
{
    float x[37];
    for (int i = 0; i < 37; i++)
        x[i] = i % 2 ? 3.4028234e38f : -1e-42f;
    ck_assert(tessi_graph_all_finite(37, x) && tessi_graph_all_finite(0, x));
    static const float bad[] = {INFINITY, -INFINITY, NAN};
    for (int i = 0; i < 37; i++)
        for (int j = 0; j < 3; j++) {
            float was = x[i];
            x[i] = bad[j];
            ck_assert(!tessi_graph_all_finite(37, x));
            x[i] = was;
        }
}
END_TEST

/* ---- the critic ---- */

/* The notes of a run of steps in which the critic's loss and lambda are these. */
struct watching {
    struct fixture b;
    struct tess_stage_run run;
    struct adversarial_params p;
    struct adversarial a;
    _Atomic int64_t step;
    FILE *terminal;
    struct tessi_log *log;
};

static void watch_open(struct watching *w)
{
    memset(w, 0, sizeof *w);
    fixture_open(&w->b, 1, 2, 2, 1);
    struct tess_graph *g = w->b.graph;
    struct tess_node *y = tess_mean_all(g, normal_weight(g, "critic.w", 1, DIMS(3), 0, 1));
    tess_objective(g, "critic", "critic.", y);
    tess_total(g, adversarial_column[ADVERSARIAL_REAL], y);
    tess_total(g, adversarial_column[ADVERSARIAL_MADE], y);
    fixture_ok(&w->b, tess_graph_seal(&w->b.context.context, g));
    w->terminal = fopen("said", "w+");
    ck_assert_ptr_nonnull(w->terminal);
    fixture_ok(&w->b, tessi_base_log_new(&w->b.context.context, w->terminal, TESSI_NORMAL, 0, &w->log));
    w->run = (struct tess_stage_run){.ctx = &w->b.context.context, .log = w->log, .name = "tokenizer"};
    w->p = (struct adversarial_params){.weight = 0.5, .max = 2.0, .start = 10};
    w->a = (struct adversarial){.p = &w->p, .step = &w->step};
}

static void watch(struct watching *w, int64_t steps, float loss, double lambda)
{
    float real = 4.0f, made = -6.0f; /* over two microbatches */
    struct tess_tensor total[3] = {tess_tensor_over(&loss, TESS_F32, 0, NULL), tess_tensor_over(&real, TESS_F32, 0, NULL),
                                   tess_tensor_over(&made, TESS_F32, 0, NULL)};
    const struct tess_batch b = {.size = sizeof b, .samples = 4, .totals = 3, .total = total};
    for (int64_t i = 0; i < steps; i++, w->step++) {
        w->a.metric[ADVERSARIAL_WEIGHT] = lambda;
        fixture_ok(&w->b, adversarial_watch(&w->a, &w->b.context.context, &w->run, w->b.graph, &b));
        ck_assert(w->a.metric[ADVERSARIAL_REAL] == 2.0 && w->a.metric[ADVERSARIAL_MADE] == -3.0);
    }
}

/* Number of times that the words were printed. */
static int said(struct watching *w, const char *words)
{
    static char text[1 << 16];
    int n = 0;
    fflush(w->terminal);
    rewind(w->terminal);
    size_t bytes = fread(text, 1, sizeof text - 1, w->terminal);
    text[bytes] = '\0';
    for (const char *at = text; (at = strstr(at, words)) != NULL; at++)
        n++;
    return n;
}

static void watch_close(struct watching *w)
{
    tessi_base_log_free(w->log);
    fclose(w->terminal);
    fixture_close(&w->b);
}

START_TEST(a_critic_that_overpowers_is_told_of_once)
{
    static struct watching w;
    watch_open(&w);
    watch(&w, 11, 0.0f, 0.1); /* before its start */
    watch(&w, 49, 0.01f, 0.1);
    ck_assert_int_eq(said(&w, "overpowers"), 0);
    watch(&w, 1, 0.01f, 0.1);
    ck_assert_int_eq(said(&w, "tokenizer: the critic overpowers: in the 50 steps up to 61 its loss was 0.01"), 1);
    ck_assert_int_eq(said(&w, "its logits 2 of real and -3 of made images, the weight of the term 0.1"), 1);
    ck_assert_int_eq(said(&w, "a later `adversarial_start`, a smaller `adversarial_weight`, `augment: diffaug`"), 1);
    watch(&w, 500, 0.01f, 0.1); /* not again */
    watch(&w, 50, 0.1f, 0.1);   /* no message after a small improvement */
    watch(&w, 100, 0.01f, 0.1);
    ck_assert_int_eq(said(&w, "overpowers"), 1);
    watch(&w, 50, 0.5f, 0.1); /* but when that had passed */
    watch(&w, 100, 0.01f, 0.1);
    ck_assert_int_eq(said(&w, "overpowers"), 2);
    ck_assert_int_eq(said(&w, "limit"), 0);
    watch_close(&w);
}
END_TEST

START_TEST(a_weight_at_its_limit_is_told_of_once)
{
    static struct watching w;
    watch_open(&w);
    watch(&w, 11, 0.7f, 1.0);
    watch(&w, 49, 0.7f, 1.0);
    watch(&w, 1, 0.7f, 0.9); /* a step with the weight below its limit */
    ck_assert_int_eq(said(&w, "limit"), 0);
    watch(&w, 200, 0.7f, 1.0);
    ck_assert_int_eq(said(&w, "at its limit, `adversarial_weight_max` 2 times `adversarial_weight` 0.5, in the 50 steps up to 111"), 1);
    watch(&w, 50, 0.7f, 0.2);
    watch(&w, 50, 0.7f, 1.0);
    ck_assert_int_eq(said(&w, "limit"), 2);
    w.p.balance = 1; /* fixed: there is no limit to stand at */
    watch(&w, 50, 0.7f, 0.2);
    watch(&w, 50, 0.7f, 1.0);
    ck_assert_int_eq(said(&w, "limit"), 2);
    w.p.weight = 0.0; /* nor where the term has no weight */
    w.p.balance = 0;
    watch(&w, 100, 0.7f, 0.0);
    ck_assert_int_eq(said(&w, "limit"), 2);
    ck_assert_int_eq(said(&w, "overpowers"), 0);
    watch_close(&w);
}
END_TEST

/* Through the program: the note is on the terminal and in the log, lambda in the log and in the curve, 0 before its start. */
START_TEST(the_weight_has_a_curve)
{
    struct tessi_context context;
    struct tess_artefact *a;
    struct tess_tensor curve;
    (void)command_ends(0, "has stood at its limit, `adversarial_weight_max` 0.001 times `adversarial_weight` 1, in the 50 steps up to 55:",
                       "run small.yaml --until tokenizer tokenizer.steps=60 tokenizer.adversarial_start=4 tokenizer.log_every=20 "
                       "tokenizer.adversarial_weight_max=0.001 tokenizer.critic.use=patchgan tokenizer.critic.channels=8 "
                       "tokenizer.critic.layers=1");
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_store_artefact_open(&context.context, "runs/small/tokenizer.h5", &a), TESS_OK);
    ck_assert_int_eq(tess_artefact_load(&context.context, a, "curve", TESS_F32, &curve), TESS_OK);
    ck_assert(curve.rank == 2 && curve.dim[0] == 60 && curve.dim[1] == 8);
    const float *at = curve.data;
    for (int i = 0; i < 60; i++, at += 8) {
        ck_assert(at[0] == (float)(i + 1) && isfinite(at[1]) && at[2] > 0.0f && at[6] != 0.0f && at[7] != 0.0f);
        ck_assert_msg(at[5] == (i < 4 ? 0.0f : 0.001f), "step %d: %g", i, (double)at[5]);
    }
    tess_free(curve.data);
    ck_assert(tess_artefact_has(a, "curve_names") && tess_artefact_has(a, "pictures/training"));
    ck_assert(access("runs/small/tokenizer.training.png", R_OK) == 0);
    tessi_store_artefact_close(a);
    (void)command_ends(0, "", "run small.yaml -q --until tokenizer");
    ck_assert_int_eq(tessi_store_artefact_open(&context.context, "runs/small/tokenizer.h5", &a), TESS_OK);
    ck_assert_int_eq(tess_artefact_load(&context.context, a, "curve", TESS_F32, &curve), TESS_OK);
    ck_assert_int_eq(curve.dim[1], 4); /* without a critic the loss and the use of codes */
    at = curve.data;
    for (int64_t i = 0; i < curve.dim[0]; i++, at += 4)
        ck_assert_msg(at[2] >= 1.0f && at[2] <= 12.0f && at[3] >= 1.0f && at[3] <= at[2] + 1e-4f, "%g %g", (double)at[2], (double)at[3]);
    tess_free(curve.data);
    tessi_store_artefact_close(a);
    ck_assert_int_eq(system("grep -q '\"event\":\"metric\".*\"name\":\"adversarial weight\"' runs/small/log.jsonl"), 0);
    ck_assert_int_eq(system("grep -q '\"event\":\"note\".*stood at its limit' runs/small/log.jsonl"), 0);
}
END_TEST

/* ---- codebooks ---- */

/* Images that are all one grey: few codes are ever chosen, and whoever counts them says so and what helps. */
START_TEST(dead_codes_are_told_of)
{
    static uint8_t grey[SMALL_COUNT * SMALL_H * SMALL_W];
    memset(grey, 90, sizeof grey);
    small_write_idx("images", 3, (const int64_t[]){SMALL_COUNT, SMALL_H, SMALL_W}, grey, sizeof grey);
    const struct command_result *r = command_ends(0,
                                                  "of 64 codes are used; the stage `refit` rebuilds a codebook, an `ema` quantizer with a "
                                                  "larger `revive` keeps codes alive, a smaller codebook_size wastes fewer",
                                                  "run small.yaml --until codes tokenizer.quantizer.codebook_size=64");
    ck_assert_ptr_nonnull(strstr(r->err, "codes: only "));
}
END_TEST

/* A model whose codes are all the same: whatever is encoded, of equals it is the lowest, and 1 of 12 is used. */
START_TEST(codes_that_are_all_alike)
{
    struct tessi_context context;
    struct tess_artefact *from, *to;
    struct tess_tensor codebook, codes;
    const struct tessi_provenance about = {.tool = "test"};
    char digest[TESS_DIGEST_TEXT];
    const char *name;
    (void)command_ends(0, "", "run small.yaml -q --until tokenizer tokenizer.quantizer.use=nearest");
    tessi_base_context_init(&context, NULL);
    struct tess_context *ctx = &context.context;
    ck_assert_int_eq(tessi_store_artefact_open(ctx, "runs/small/tokenizer.h5", &from), TESS_OK);
    ck_assert_int_eq(tessi_store_artefact_create(ctx, "alike.h5", "autoencoder", &to), TESS_OK);
    ck_assert_int_eq(tessi_base_attrs_copy(ctx, tess_artefact_attrs(from), tess_artefact_describe(to)), TESS_OK);
    for (int64_t i = 0; (name = tess_artefact_name_at(from, i)) != NULL; i++)
        if (strncmp(name, "weights/", 8) == 0 && strcmp(name, "weights/quantizer/codebook") != 0)
            ck_assert_int_eq(tess_artefact_copy(ctx, to, name, from, NULL), TESS_OK);
    ck_assert_int_eq(tess_artefact_load(ctx, from, "weights/quantizer/codebook", TESS_F32, &codebook), TESS_OK);
    for (int64_t i = 1; i < codebook.dim[0]; i++)
        memcpy((float *)codebook.data + i * codebook.dim[1], codebook.data, (size_t)codebook.dim[1] * sizeof(float));
    ck_assert_int_eq(tess_artefact_put(ctx, to, "weights/quantizer/codebook", &codebook, NULL), TESS_OK);
    ck_assert_msg(tessi_store_artefact_finish(ctx, to, &about, digest) == TESS_OK, "%s", tessi_base_context_message(ctx));
    tess_free(codebook.data);
    tessi_store_artefact_close(from);
    small_write("alike.yaml", "tessera: 1\nname: alike\nextends: small.yaml\nstages:\n  codes: {in: {model: alike.h5}}\n");
    (void)command_ends(0, "codes: only 1 of 12 codes are used; the stage `refit` rebuilds a codebook", "run alike.yaml --until codes");
    ck_assert_int_eq(tessi_store_artefact_open(ctx, "runs/alike/codes.h5", &from), TESS_OK);
    ck_assert_int_eq(tess_artefact_load(ctx, from, "codes", TESS_U8, &codes), TESS_OK);
    for (int64_t i = 0; i < tess_tensor_count(&codes); i++)
        ck_assert_int_eq(((const uint8_t *)codes.data)[i], 0);
    tess_free(codes.data);
    tessi_store_artefact_close(from);
}
END_TEST

/* A rebuilt codebook with codes alike is refused: of those all but one would never be assigned. */
START_TEST(a_codebook_with_codes_alike)
{
    float rows[4][2] = {{0.0f, 1.0f}, {2.0f, 1.0f}, {-0.0f, 1.0f}, {2.0f, 1.5f}};
    struct tess_tensor codebook = tess_tensor_over(rows, TESS_F32, 2, DIMS(4, 2));
    struct tessi_context context;
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(rebuild_check_codebook(&context.context, &codebook), TESS_E_FAILED);
    ck_assert_ptr_nonnull(strstr(tessi_base_context_message(&context.context),
                                 "only 3 of the 4 codes that k-means made are different; allow it more "
                                 "iterations, or choose another seeding"));
    tessi_base_context_clear(&context.context);
    rows[2][1] = 3.0f;
    ck_assert_int_eq(rebuild_check_codebook(&context.context, &codebook), TESS_OK);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bad training");
    TCase *t = tcase_create("bad training");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_add_loop_test(t, no_number_stops_it_and_the_checkpoint_stays, 0, sizeof wrongs / sizeof *wrongs);
    tcase_add_test(t, no_number_without_a_checkpoint);
    tcase_add_test(t, wrong_descriptions);
    tcase_add_test(t, a_learning_rate_that_is_too_high);
    tcase_add_test(t, what_is_finite);
    tcase_add_test(t, a_critic_that_overpowers_is_told_of_once);
    tcase_add_test(t, a_weight_at_its_limit_is_told_of_once);
    tcase_add_test(t, the_weight_has_a_curve);
    tcase_add_test(t, dead_codes_are_told_of);
    tcase_add_test(t, codes_that_are_all_alike);
    tcase_add_test(t, a_codebook_with_codes_alike);
    suite_add_tcase(s, t);
    return suite_run(s);
}
