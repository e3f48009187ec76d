/* The sampler, on every backend and in every precision: logits of picked tokens are rows of all logits; what is sampled with them is what
 * the plain loop samples, depends neither on batch nor on threads, goes on where it stopped, and has the plain loop's distribution.
 *
 * SPDX-License-Identifier: MIT */
#include "core/plug/plug_private.h"
#include "core/plug/registry.h"
#include "tests/support/graphs.h"
#include "tests/support/suite.h"
#undef fail /* Check's old macro, in the way of a call's fail */

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 8 };

/* A prior as its weights begin, and its two graphs. */
struct model {
    struct fixture b; /* b.graph: all tokens */
    struct tess_graph *picked;
    struct tess_prior prior;
};

static void open_prior(struct model *m, const char *denoiser, int64_t height, int64_t width, int64_t codebook_size)
{
    struct tess_context *ctx = &m->b.context.context;
    m->prior = (struct tess_prior){.size = sizeof(struct tess_prior), .codebook_size = codebook_size, .height = height, .width = width};
    fixture_ok(&m->b, tess_instance_open(ctx, "noise/1", "{use: absorbing}", "test", &m->prior.noise));
    fixture_ok(&m->b, tess_instance_open(ctx, "denoiser/1", denoiser, "test", &m->prior.denoiser));
}

/* positions 0: as many as the sampler advises for `steps`. */
static void open_model(struct model *m, const char *denoiser, int64_t height, int64_t width, int64_t codebook_size, int64_t positions,
                       int64_t steps, int threads, int64_t microbatches)
{
    fixture_open(&m->b, threads, ROWS, microbatches, 0);
    struct tess_context *ctx = &m->b.context.context;
    struct tess_graph_options o = {.size = sizeof o, .microbatch = ROWS, .microbatches = microbatches, .seed = 11};
    open_prior(m, denoiser, height, width, codebook_size);
    positions = positions ? positions : tess_sampler_positions(&m->prior, steps);
    fixture_ok(&m->b, tess_prior_record_denoise(ctx, &m->prior, m->b.graph));
    fixture_ok(&m->b, tess_graph_seal(ctx, m->b.graph));
    fixture_ok(&m->b, tess_graph_new(ctx, m->b.weights, &o, &m->picked));
    fixture_ok(&m->b, tess_prior_record_picked(ctx, &m->prior, positions, m->picked));
    fixture_ok(&m->b, tess_graph_seal(ctx, m->picked));
}

static void close_model(struct model *m)
{
    tess_graph_free(m->picked);
    tess_instance_close(m->prior.noise);
    tess_instance_close(m->prior.denoiser);
    fixture_close(&m->b);
}

/* oneDNN multiplies a row in the same way in any product of 16 rows and more on processors with products of bf16; on others, and in
 * OpenBLAS, small products have other loops. */
static int multiplies_bf16;
static int rows_are_alike(void)
{
    return strcmp(fixture_backend, "onednn") == 0 && multiplies_bf16;
}

/* ---- logits at positions ---- */

struct shape {
    const char *denoiser;
    int64_t height, width, codebook_size, positions;
};
static const struct shape shapes[] = {{"{use: transformer, embed_dim: 32, layers: 1, heads: 2}", 4, 6, 12, 16},
                                      {"{use: transformer, embed_dim: 128, layers: 3, heads: 4}", 7, 7, 256, 16},
                                      {"{use: transformer, embed_dim: 192, layers: 2, heads: 6}", 8, 8, 256, 32},
                                      {"{use: transformer, embed_dim: 256, layers: 2, heads: 4}", 16, 16, 512, 48},
                                      {"{use: transformer, embed_dim: 64, layers: 2, heads: 4}", 3, 5, 20, 1},
                                      {"{use: transformer, embed_dim: 64, layers: 2, heads: 4}", 3, 5, 20, 15}};

static void compare_rows(const struct shape *k, const int32_t *at, const float *all, const float *picked)
{
    int64_t tokens = k->height * k->width;
    double max = 0.0, worst = 0.0, allowed = fixture_precision && strcmp(fixture_precision, "bf16") == 0 ? 5e-3 : 1e-5;
    for (int64_t i = 0; i < ROWS * k->positions; i++)
        for (int64_t j = 0; j < k->codebook_size; j++) {
            double want = (double)all[(i / k->positions * tokens + at[i]) * k->codebook_size + j],
                   got = (double)picked[i * k->codebook_size + j];
            max = fmax(max, fabs(want));
            worst = fmax(worst, fabs(got - want));
        }
    ck_assert_msg(max > 0.1 && worst <= allowed * max, "logits of up to %g differ by %g", max, worst);
    if (rows_are_alike() && k->positions % 16 == 0)
        ck_assert_msg(worst == 0.0, "logits of up to %g differ by %g", max, worst);
}

START_TEST(logits_at_positions_are_rows_of_all)
{
    const struct shape *k = &shapes[_i];
    struct model m;
    int64_t tokens = k->height * k->width;
    open_model(&m, k->denoiser, k->height, k->width, k->codebook_size, k->positions, 1, 1, 1);
    int32_t *x = malloc((size_t)(ROWS * tokens) * sizeof *x), *at = malloc((size_t)(ROWS * k->positions) * sizeof *at);
    float *all = malloc((size_t)(ROWS * tokens * k->codebook_size) * sizeof *all);
    float *picked = malloc((size_t)(ROWS * k->positions * k->codebook_size) * sizeof *picked);
    struct tess_stream s = {.seed = 3, .purpose = tess_purpose("tokens")};
    for (int64_t i = 0; i < ROWS * tokens; i++)
        x[i] = (int32_t)tess_random_below(&s, (uint64_t)i, k->codebook_size + 1);
    s.purpose = tess_purpose("positions"); /* in no order, some of them twice */
    for (int64_t i = 0; i < ROWS * k->positions; i++)
        at[i] = (int32_t)tess_random_below(&s, (uint64_t)i, tokens);
    struct tess_tensor in[2] = {tess_tensor_over(x, TESS_I32, 2, DIMS(ROWS, tokens)),
                                tess_tensor_over(at, TESS_I32, 2, DIMS(ROWS, k->positions))};
    struct tess_tensor out = tess_tensor_over(all, TESS_F32, 3, DIMS(ROWS, tokens, k->codebook_size));
    struct tess_batch b = {.size = sizeof b, .samples = ROWS, .inputs = 1, .in = in, .outputs = 1, .out = &out};
    fixture_ok(&m.b, tess_graph_run(&m.b.context.context, m.b.graph, &b));
    out = tess_tensor_over(picked, TESS_F32, 3, DIMS(ROWS, k->positions, k->codebook_size));
    b.inputs = 2;
    fixture_ok(&m.b, tess_graph_run(&m.b.context.context, m.picked, &b));
    compare_rows(k, at, all, picked);
    struct tess_cost less = {.size = sizeof less}, more = {.size = sizeof more};
    fixture_ok(&m.b, tess_graph_cost(&m.b.context.context, m.picked, &less));
    fixture_ok(&m.b, tess_graph_cost(&m.b.context.context, m.b.graph, &more));
    ck_assert((k->positions == tokens ? less.flops == more.flops : less.flops < more.flops) && less.parameters == more.parameters);
    free(x);
    free(at);
    free(all);
    free(picked);
    close_model(&m);
}
END_TEST

/* A denoiser that is told the time as well. */
START_TEST(the_time_is_heard_at_positions)
{
    enum { TOKENS = 6, CODES = 5, PICKED = 2 };
    struct fixture b;
    struct tess_instance *d;
    struct tess_node *y[2];
    int32_t x[TOKENS] = {0, 5, 2, 5, 4, 1}, at[PICKED] = {4, 1};
    float time = 0.3f, all[TOKENS * CODES], early[TOKENS * CODES], picked[PICKED * CODES];
    fixture_open(&b, 1, 1, 1, 0);
    fixture_ok(&b,
               tess_instance_open(&b.context.context, "denoiser/1", "{use: transformer, embed_dim: 8, layers: 2, heads: 2}", "test", &d));
    const struct tess_denoiser_1 *ops = tess_instance_ops(d, "denoiser/1");
    struct tess_denoiser_input in = {.size = sizeof in, .vocabulary = CODES + 1, .codebook_size = CODES, .height = 2, .width = 3};
    in.tokens = tess_input(b.graph, "tokens", TESS_I32, 2, DIMS(1, TOKENS));
    in.time = tess_input(b.graph, "time", TESS_F32, 1, DIMS(1));
    fixture_ok(&b, ops->record(tess_instance_self(d), &b.context.context, b.graph, &in, &y[0]));
    in.positions = tess_input(b.graph, "positions", TESS_I32, 2, DIMS(1, PICKED));
    fixture_ok(&b, ops->record(tess_instance_self(d), &b.context.context, b.graph, &in, &y[1]));
    struct tess_node *older; /* a host that knows of no positions */
    in.size = offsetof(struct tess_denoiser_input, positions);
    fixture_ok(&b, ops->record(tess_instance_self(d), &b.context.context, b.graph, &in, &older));
    ck_assert_int_eq(tess_shape(older).dim[1], TOKENS);
    tess_output(b.graph, "all", y[0]);
    tess_output(b.graph, "picked", y[1]);
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    struct tess_tensor given[3] = {tess_tensor_over(x, TESS_I32, 2, DIMS(1, TOKENS)), tess_tensor_over(&time, TESS_F32, 1, DIMS(1)),
                                   tess_tensor_over(at, TESS_I32, 2, DIMS(1, PICKED))};
    struct tess_tensor out[2] = {tess_tensor_over(early, TESS_F32, 3, DIMS(1, TOKENS, CODES)),
                                 tess_tensor_over(picked, TESS_F32, 3, DIMS(1, PICKED, CODES))};
    struct tess_batch batch = {.size = sizeof batch, .samples = 1, .inputs = 3, .in = given, .outputs = 2, .out = out};
    fixture_ok(&b, tess_graph_run(&b.context.context, b.graph, &batch));
    time = 0.8f;
    out[0].data = all;
    fixture_ok(&b, tess_graph_run(&b.context.context, b.graph, &batch));
    ck_assert(memcmp(all, early, sizeof all) != 0);
    for (int i = 0; i < PICKED * CODES; i++)
        ck_assert(fabsf(picked[i] - all[at[i / CODES] * CODES + i % CODES]) < 5e-3f);
    tess_instance_close(d);
    fixture_close(&b);
}
END_TEST

/* ---- samples ---- */

/* Settings of one run of the sampler. */
struct plan {
    int64_t batch, count, steps, stop_after; /* stop_after > 0: a sampler takes over after every so many calls of advance */
    int plain, every_step;                   /* plain: all logits, always */
    uint64_t seed;
};

struct result {
    int32_t *x; /* the caller frees it */
    int64_t calls;
    double flops; /* operations of the last sampler */
};

/* Puts what the old one holds into a new one, as a checkpoint does. */
static void take_over(struct model *m, const struct tess_sampler_options *o, struct tess_sampler **s)
{
    struct tess_sampler *fresh;
    fixture_ok(&m->b, tess_sampler_new(&m->b.context.context, o, &fresh));
    struct tess_tensor from[2] = {tess_sampler_x(*s), tess_sampler_left(*s)}, to[2] = {tess_sampler_x(fresh), tess_sampler_left(fresh)};
    for (int i = 0; i < 2; i++)
        memcpy(to[i].data, from[i].data, tess_tensor_bytes(&from[i]));
    *tess_sampler_calls(fresh) = *tess_sampler_calls(*s);
    tess_sampler_free(*s);
    *s = fresh;
}

static struct result sample(struct model *m, const struct plan *p)
{
    struct tess_sampler_options o = {.size = sizeof o,
                                     .every_step = p->every_step,
                                     .prior = &m->prior,
                                     .denoise = m->b.graph,
                                     .batch = p->batch,
                                     .count = p->count,
                                     .steps = p->steps,
                                     .temperature = 1.0,
                                     .seed = p->seed,
                                     .picked = p->plain ? NULL : m->picked,
                                     .sampler = fixture_sampler(&m->b, "ancestral")};
    struct tess_sampler *s;
    fixture_ok(&m->b, tess_sampler_new(&m->b.context.context, &o, &s));
    for (int64_t n = 1; !tess_sampler_finished(s); n++) {
        fixture_ok(&m->b, tess_sampler_advance(&m->b.context.context, s));
        if (p->stop_after && n % p->stop_after == 0 && !tess_sampler_finished(s))
            take_over(m, &o, &s);
    }
    ck_assert_int_eq(tess_sampler_steps_done(s), p->count * p->steps);
    struct tess_tensor x = tess_sampler_x(s);
    struct result r = {.x = malloc(tess_tensor_bytes(&x)), .calls = *tess_sampler_calls(s), .flops = tess_sampler_flops(s)};
    memcpy(r.x, x.data, tess_tensor_bytes(&x));
    for (int64_t i = 0; i < tess_tensor_count(&x); i++)
        ck_assert(r.x[i] >= 0 && r.x[i] < m->prior.codebook_size);
    tess_sampler_free(s);
    return r;
}

static void same_samples(const struct result *a, const struct result *b, int64_t tokens)
{
    for (int64_t i = 0; i < tokens; i++)
        ck_assert_msg(a->x[i] == b->x[i], "token %lld is %d and %d", (long long)i, (int)a->x[i], (int)b->x[i]);
}

#define SMALL "{use: transformer, embed_dim: 64, layers: 2, heads: 4}"
enum { H = 6, W = 6, CODES = 20, COUNT = 37 };

/* The plain loop gives all logits to every step. A logit that is rounded otherwise moves a draw once in millions. */
START_TEST(samples_are_those_of_the_plain_loop)
{
    static const int64_t steps[] = {8, 36, 100};
    for (int i = 0; i < 3; i++) {
        struct model m;
        struct tess_cost picked = {.size = sizeof picked}, all = {.size = sizeof all};
        open_model(&m, SMALL, H, W, CODES, 0, steps[i], 2, 2);
        struct result r = sample(&m, &(struct plan){.batch = 16, .count = COUNT, .steps = steps[i], .seed = 5});
        struct result plain =
            sample(&m, &(struct plan){.batch = 16, .count = COUNT, .steps = steps[i], .seed = 5, .plain = 1, .every_step = 1});
        struct result every = sample(&m, &(struct plan){.batch = 16, .count = COUNT, .steps = steps[i], .seed = 5, .every_step = 1});
        same_samples(&r, &plain, COUNT * H * W);
        same_samples(&r, &every, COUNT * H * W);
        ck_assert(plain.calls == COUNT * steps[i] && every.calls == plain.calls && r.calls <= plain.calls);
        fixture_ok(&m.b, tess_graph_cost(&m.b.context.context, m.picked, &picked));
        fixture_ok(&m.b, tess_graph_cost(&m.b.context.context, m.b.graph, &all));
        ck_assert(plain.flops == all.flops * (double)plain.calls && every.flops == picked.flops * (double)every.calls);
        ck_assert(r.flops == picked.flops * (double)r.calls && picked.flops < all.flops);
        free(r.x);
        free(plain.x);
        free(every.x);
        close_model(&m);
    }
}
END_TEST

/* Three positions for four draws in the mean: both graphs have work, and products of few rows may be rounded otherwise. Which graph a step
 * takes is then still no matter of batch, threads or interruptions. */
START_TEST(batches_threads_and_stops_are_no_matter)
{
    static const struct {
        int threads;
        struct plan p;
    } ways[] = {{1, {.batch = 1, .count = COUNT, .steps = 9, .seed = 6}},
                {3, {.batch = 5, .count = COUNT, .steps = 9, .seed = 6}},
                {2, {.batch = 24, .count = COUNT, .steps = 9, .seed = 6}},
                {2, {.batch = 7, .count = COUNT, .steps = 9, .seed = 6, .stop_after = 1}},
                {1, {.batch = 16, .count = COUNT, .steps = 9, .seed = 6, .stop_after = 5}},
                {2, {.batch = 16, .count = COUNT, .steps = 9, .seed = 6, .every_step = 1}}};
    struct result first = {.x = NULL};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct model m;
        struct tess_cost picked = {.size = sizeof picked}, all = {.size = sizeof all};
        open_model(&m, SMALL, H, W, CODES, 3, 0, ways[i].threads, 3);
        struct result r = sample(&m, &ways[i].p);
        fixture_ok(&m.b, tess_graph_cost(&m.b.context.context, m.picked, &picked));
        fixture_ok(&m.b, tess_graph_cost(&m.b.context.context, m.b.graph, &all));
        if (!ways[i].p.stop_after)
            ck_assert(r.flops > picked.flops * (double)r.calls && r.flops < all.flops * (double)r.calls);
        if (first.x) {
            same_samples(&first, &r, COUNT * H * W);
            ck_assert(ways[i].p.every_step || r.calls == first.calls);
            free(r.x);
        } else {
            first = r;
        }
        close_model(&m);
    }
    free(first.x);
}
END_TEST

/* Chi-square of two histograms of as many draws. */
static double distance(const int64_t *a, const int64_t *b, int cells)
{
    double chi = 0.0;
    for (int i = 0; i < cells; i++)
        if (a[i] + b[i] > 0)
            chi += pow((double)(a[i] - b[i]), 2.0) / (double)(a[i] + b[i]);
    return chi;
}

/* The plain loop from other draws: pairs of neighbours, and of the first and last token, have the same frequencies. */
START_TEST(the_distribution_is_the_plain_loops)
{
    enum { TOKENS = 6, K = 3, MANY = 6000, CELLS = K * K };
    static const int pair[2][2] = {{0, 1}, {0, TOKENS - 1}};
    struct model m;
    open_model(&m, "{use: transformer, embed_dim: 16, layers: 2, heads: 2}", 2, 3, K, 3, 0, 2, 8);
    struct result r[2];
    for (int i = 0; i < 2; i++)
        r[i] = sample(&m, &(struct plan){.batch = 64, .count = MANY, .steps = 3, .seed = 7 + (uint64_t)i, .plain = i});
    for (int k = 0; k < 2; k++) {
        int64_t count[3][CELLS] = {{0}};
        for (int i = 0; i < 2; i++)
            for (int64_t n = 0; n < MANY; n++)
                count[i][r[i].x[n * TOKENS + pair[k][0]] * K + r[i].x[n * TOKENS + pair[k][1]]]++;
        for (int i = 0; i < CELLS; i++)
            count[2][i] = MANY / CELLS;
        double chi = distance(count[0], count[1], CELLS), uniform = distance(count[0], count[2], CELLS);
        ck_assert_msg(chi < 8.0 + 4.0 * 4.0 + 4.0, "chi-square %.1f of 8 degrees", chi);
        ck_assert_msg(uniform > 100.0, "chi-square %.1f: another distribution would pass too", uniform);
    }
    free(r[0].x);
    free(r[1].x);
    close_model(&m);
}
END_TEST

/* ---- what fits, and what does not ---- */

START_TEST(positions_are_advised)
{
    static const struct {
        int64_t height, width, steps, want;
    } advice[] = {{16, 16, 256, 16}, {16, 16, 100000, 16}, {16, 16, 64, 16},  {16, 16, 16, 48}, {16, 16, 4, 112}, {16, 16, 1, 0},
                  {8, 8, 64, 16},    {7, 7, 49, 16},       {4, 4, 16, 0},     {4, 6, 3, 0},     {1, 17, 17, 16},  {1, 1, 1, 0}};
    struct model m;
    fixture_open(&m.b, 1, 1, 1, 0);
    open_prior(&m, SMALL, 1, 1, CODES);
    for (size_t i = 0; i < sizeof advice / sizeof *advice; i++) {
        m.prior.height = advice[i].height;
        m.prior.width = advice[i].width;
        ck_assert_msg(tess_sampler_positions(&m.prior, advice[i].steps) == advice[i].want, "%lld x %lld tokens, %lld steps: %lld",
                      (long long)advice[i].height, (long long)advice[i].width, (long long)advice[i].steps,
                      (long long)tess_sampler_positions(&m.prior, advice[i].steps));
    }
    m.picked = NULL;
    close_model(&m);
}
END_TEST

/* `i` with the first `size` bytes of its functions, as one compiled before the others were there. */
static void age(struct tess_instance **i, struct tess_instance *copy, struct tess_component *component, void *ops, uint32_t size)
{
    *copy = **i;
    *component = *copy->component;
    memcpy(ops, component->ops, size);
    memcpy(ops, &size, sizeof size);
    component->ops = ops;
    copy->component = component;
    *i = copy;
}

START_TEST(older_plugins_are_asked_for_all)
{
    struct model m;
    struct tess_instance copy;
    struct tess_component component;
    struct tess_noise_1 noise = {.size = 0};
    struct tess_denoiser_1 denoiser = {.size = 0};
    fixture_open(&m.b, 1, ROWS, 1, 0);
    open_prior(&m, SMALL, H, W, CODES);
    struct tess_prior p = m.prior;
    ck_assert_int_eq(tess_prior_picks(&p), 1);
    age(&p.noise, &copy, &component, &noise, offsetof(struct tess_noise_1, reads_row));
    ck_assert_int_eq(tess_prior_picks(&p), 0);
    p = m.prior;
    age(&p.denoiser, &copy, &component, &denoiser, offsetof(struct tess_denoiser_1, picks_positions));
    ck_assert_int_eq(tess_prior_picks(&p), 0);
    ck_assert_int_eq(tess_sampler_positions(&p, 36), 0);
    ck_assert_int_eq(tess_prior_record_picked(&m.b.context.context, &p, 4, m.b.graph), TESS_E_INTERNAL);
    ck_assert(strstr(tessi_base_context_message(&m.b.context.context), "logits of 4 of 36 tokens"));
    /* Older structs that end with the field before `causal`, padding included, have no `causal`, whatever lies behind them. */
    p = m.prior;
    age(&p.noise, &copy, &component, &noise, offsetof(struct tess_noise_1, causal));
    noise.causal = 1;
    ck_assert_int_eq(tess_prior_causal(&p), 0);
    ck_assert_uint_ge(offsetof(struct tess_noise_1, causal), offsetof(struct tess_noise_1, reads_row) + 8);
    ck_assert_uint_ge(offsetof(struct tess_denoiser_1, causal), offsetof(struct tess_denoiser_1, picks_positions) + 8);
    m.picked = NULL;
    close_model(&m);
}
END_TEST

/* ---- questions about a step ---- */

enum { MANY_STEPS = 128 };
static struct {
    int64_t (*changes)(void *self, const struct tess_reverse *r, uint8_t *where);
    int asked[COUNT][MANY_STEPS + 1]; /* times a step of a sequence was asked about; a worker has a sequence to itself */
} questions;

static int64_t changes_counted(void *self, const struct tess_reverse *r, uint8_t *where)
{
    questions.asked[r->random.sample][r->random.step]++;
    return questions.changes(self, r, where);
}

/* The noise is asked once about each step, be there a graph of picked positions or not, on one thread and on several. */
START_TEST(a_step_is_asked_about_once)
{
    struct model m;
    struct tess_instance copy;
    struct tess_component component;
    struct tess_noise_1 noise = {.size = 0};
    open_model(&m, SMALL, H, W, CODES, _i ? 16 : 1, 0, 1 + _i, 2);
    struct tess_instance *own = m.prior.noise;
    age(&m.prior.noise, &copy, &component, &noise, sizeof noise);
    questions.changes = noise.changes;
    noise.changes = changes_counted;
    struct result r = sample(&m, &(struct plan){.batch = ROWS, .count = COUNT, .steps = MANY_STEPS, .seed = 3, .plain = _i == 2});
    for (int64_t i = 0; i < COUNT; i++)
        for (int64_t step = 1; step <= MANY_STEPS; step++)
            ck_assert_msg(questions.asked[i][step] == 1, "sequence %lld, %lld steps left: asked %d times", (long long)i, (long long)step,
                          questions.asked[i][step]);
    ck_assert(r.calls < COUNT * MANY_STEPS);
    m.prior.noise = own;
    free(r.x);
    close_model(&m);
}
END_TEST

/* ---- workers ---- */

static struct {
    pthread_barrier_t both;
    int (*reverse)(void *self, struct tess_context *ctx, const struct tess_reverse *r);
    int fails_at; /* draws keyed by this on; 0: none */
} met;

/* Goes on when two are in it at once. */
static int reverse_of_two(void *self, struct tess_context *ctx, const struct tess_reverse *r)
{
    pthread_barrier_wait(&met.both);
    if (met.fails_at && (int)r->random.sample >= met.fails_at)
        return ctx->fail(ctx, TESS_E_FAILED, "sequence %d", (int)r->random.sample);
    return met.reverse(self, ctx, r);
}

/* Draws run on all workers: each waits for another at a barrier, so a single thread would wait for ever. Of several failures, the same one
 * is reported whichever comes first. */
START_TEST(draws_are_on_all_workers)
{
    struct model m;
    struct tess_instance copy;
    struct tess_component component;
    struct tess_noise_1 noise = {.size = 0};
    struct tess_sampler *s;
    open_model(&m, SMALL, H, W, CODES, 3, 0, 2, 1);
    struct result alone = sample(&m, &(struct plan){.batch = ROWS, .count = ROWS, .steps = 3, .seed = 9, .plain = 1, .every_step = 1});
    struct tess_instance *own = m.prior.noise;
    age(&m.prior.noise, &copy, &component, &noise, sizeof noise);
    met.reverse = noise.reverse;
    met.fails_at = 0;
    noise.reverse = reverse_of_two;
    ck_assert_int_eq(pthread_barrier_init(&met.both, NULL, 2), 0);
    struct result both = sample(&m, &(struct plan){.batch = ROWS, .count = ROWS, .steps = 3, .seed = 9, .plain = 1, .every_step = 1});
    same_samples(&alone, &both, ROWS * H * W);
    met.fails_at = ROWS - 1; /* the draws count from 1: the last two, which meet each other */
    struct tess_sampler_options o = {.size = sizeof o,
                                     .every_step = 1,
                                     .prior = &m.prior,
                                     .denoise = m.b.graph,
                                     .batch = ROWS,
                                     .count = ROWS,
                                     .steps = 3,
                                     .temperature = 1.0,
                                     .sampler = fixture_sampler(&m.b, "ancestral")};
    fixture_ok(&m.b, tess_sampler_new(&m.b.context.context, &o, &s));
    ck_assert_int_eq(tess_sampler_advance(&m.b.context.context, s), TESS_E_FAILED);
    ck_assert_str_eq(tessi_base_context_message(&m.b.context.context), "sequence 7");
    tessi_base_context_clear(&m.b.context.context);
    tess_sampler_free(s);
    pthread_barrier_destroy(&met.both);
    m.prior.noise = own;
    free(alone.x);
    free(both.x);
    close_model(&m);
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    struct model m;
    struct tess_sampler *s;
    open_model(&m, SMALL, H, W, CODES, 16, 0, 1, 1);
    struct tess_sampler_options o = {.size = sizeof o,
                                     .prior = &m.prior,
                                     .denoise = m.picked,
                                     .batch = 1,
                                     .count = 1,
                                     .steps = 1,
                                     .temperature = 1.0,
                                     .sampler = fixture_sampler(&m.b, "ancestral")};
    ck_assert_int_eq(tess_sampler_new(&m.b.context.context, &o, &s), TESS_E_INTERNAL);
    ck_assert(strstr(tessi_base_context_message(&m.b.context.context), "logits of 36 to 36 tokens, not 16"));
    ck_assert_ptr_null(s);
    const struct tess_sampler_options fits = {.size = sizeof o,
                                              .prior = &m.prior,
                                              .denoise = m.b.graph,
                                              .batch = 1,
                                              .count = 1,
                                              .steps = 1,
                                              .temperature = 1.0,
                                              .sampler = m.b.sampler};
    for (int i = 0; i < 9; i++) {
        o = fits;
        o.denoise = i == 0 ? NULL : o.denoise;
        o.batch -= i == 1;
        o.count -= i == 2;
        o.steps -= i == 3;
        o.temperature -= i == 4;
        o.each = i == 5 ? (const int32_t[]){0} : NULL;
        o.guidance = i == 6 ? 1.0 : i == 7 ? -1.0 : i == 8 ? NAN : 0.0; /* the prior has no labels */
        tessi_base_context_clear(&m.b.context.context);
        ck_assert_int_eq(tess_sampler_new(&m.b.context.context, &o, &s), TESS_E_INTERNAL);
        ck_assert_ptr_null(s);
    }
    static const int64_t bad[] = {0, -1, H * W + 1};
    for (int i = 0; i < 3; i++) {
        char text[64];
        tessi_base_context_clear(&m.b.context.context);
        snprintf(text, sizeof text, "logits of %lld of 36 tokens", (long long)bad[i]);
        ck_assert_int_eq(tess_prior_record_picked(&m.b.context.context, &m.prior, bad[i], m.picked), TESS_E_INTERNAL);
        ck_assert_msg(strstr(tessi_base_context_message(&m.b.context.context), text) != NULL, "%s",
                      tessi_base_context_message(&m.b.context.context));
    }
    tessi_base_context_clear(&m.b.context.context);
    close_model(&m);
}
END_TEST

/* A backend without products of bf16 multiplies what was rounded to it as f32. */
static void fill(TCase *t, int first)
{
    (void)fixture_can_bf16(fixture_backend, &multiplies_bf16);
    tcase_add_loop_test(t, logits_at_positions_are_rows_of_all, 0, (int)(sizeof shapes / sizeof *shapes));
    tcase_add_test(t, the_time_is_heard_at_positions);
    tcase_add_test(t, samples_are_those_of_the_plain_loop);
    tcase_add_test(t, batches_threads_and_stops_are_no_matter);
    tcase_add_test(t, the_distribution_is_the_plain_loops);
    if (!first)
        return;
    tcase_add_test(t, positions_are_advised);
    tcase_add_test(t, older_plugins_are_asked_for_all);
    tcase_add_loop_test(t, a_step_is_asked_about_once, 0, 3);
    tcase_add_test(t, draws_are_on_all_workers);
    tcase_add_test(t, what_does_not_fit_is_refused);
}

int main(void)
{
    return fixture_everywhere("sampler", fill);
}
