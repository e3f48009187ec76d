/* Components of kind sampler/1, and labels: how many tokens maskgit reveals and which; guidance; samplers with a state and several calls of
 * the denoiser in a step. Neither batch nor threads nor taking over in the midst of it change a bit.
 *
 * SPDX-License-Identifier: MIT */
#include "core/plug/plug_private.h"
#include "tests/support/graphs.h"
#include "tests/support/noise_fixture.h"
#include "tests/support/suite.h"
#undef fail /* Check's old macro, in the way of a context's fail */

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { H = 4, W = 5, L = H * W, K = 9, CLASSES = 3, ROWS = 8 };

/* ---- maskgit by itself ------------------------------------------------------------------------------------------------------------ */

static struct noise n;
static struct tess_prior masked;
static float logits[L * K];

static void open_noise(void)
{
    noise_open(&n, "absorbing", "steps: 8", 1, 0);
    masked = (struct tess_prior){.size = sizeof masked, .codebook_size = K, .height = H, .width = W, .noise = n.instance};
}

static void close_noise(void)
{
    noise_close(&n);
}

/* Draws one sampler step in place. */
static void reveal(int64_t left, int64_t steps, const uint8_t *mask, uint32_t sample, int32_t *x)
{
    struct tess_reverse r = {.size = sizeof r,
                             .last = left == 1,
                             .tokens = L,
                             .codebook_size = K,
                             .from = (double)left / (double)steps,
                             .to = (double)(left - 1) / (double)steps,
                             .temperature = 1.0,
                             .logits = logits,
                             .x = x,
                             .next = x,
                             .random = {.seed = 2, .purpose = tess_sampler_step_purpose(0), .step = (uint32_t)left, .sample = sample}};
    struct tess_sampler_step s = {.size = sizeof s, .left = left, .steps = steps, .prior = &masked, .reverse = &r, .mask = mask};
    fixture_ok(&n.fixture, tess_sampler_step_draw(&n.fixture.context.context, n.fixture.sampler, &s));
}

static int count_masked(const int32_t *x)
{
    int m = 0;
    for (int i = 0; i < L; i++)
        m += x[i] == K;
    return m;
}

/* (26.1) by hand. */
static int wanted_masked(const char *schedule, int unknown, int masked_before, int64_t left, int64_t steps)
{
    double r = (double)(steps - left + 1) / (double)steps;
    double share = strcmp(schedule, "cosine") == 0   ? cos(acos(-1.0) / 2.0 * r)
                   : strcmp(schedule, "linear") == 0 ? 1.0 - r
                   : strcmp(schedule, "square") == 0 ? 1.0 - r * r
                                                     : 1.0 - sqrt(r);
    int stay = left == 1 ? 0 : (int)floor(share * unknown);
    return stay < masked_before - 1 ? stay : masked_before > 0 ? masked_before - 1 : 0;
}

static const char *const schedules[] = {"cosine", "linear", "square", "root"};
static const int64_t numbers_of_steps[] = {1, 2, 8, 18, 40};

START_TEST(maskgit_reveals_as_many_as_its_schedule_says)
{
    char config_text[80];
    uint8_t mask[L] = {0};
    snprintf(config_text, sizeof config_text, "{use: maskgit, schedule: %s}", schedules[_i]);
    (void)fixture_sampler(&n.fixture, config_text);
    for (size_t k = 0; k < sizeof numbers_of_steps / sizeof *numbers_of_steps; k++)
        for (int known = 0; known <= 7; known += 7) {
            int64_t steps = numbers_of_steps[k];
            int32_t x[L];
            for (int i = 0; i < L; i++) {
                mask[i] = i < known;
                x[i] = i < known ? 3 : K;
            }
            for (int64_t left = steps; left > 0; left--) {
                int before = count_masked(x), wanted = wanted_masked(schedules[_i], L - known, before, left, steps);
                reveal(left, steps, known ? mask : NULL, 0, x);
                ck_assert_msg(count_masked(x) == (wanted > 0 ? wanted : 0), "%s: %d masked after step %lld of %lld, wanted %d",
                              schedules[_i], count_masked(x), (long long)(steps - left + 1), (long long)steps, wanted);
            }
            for (int i = 0; i < known; i++)
                ck_assert_int_eq(x[i], 3);
        }
}
END_TEST

/* Without noise the surest come first: token i is code i % K with a margin that grows with i. */
START_TEST(maskgit_takes_the_surest)
{
    int32_t x[L];
    (void)fixture_sampler(&n.fixture, "{use: maskgit, choice_temperature: 0}");
    for (int i = 0; i < L * K; i++)
        logits[i] = i % K == i / K % K ? 20.0f + (float)(i / K) * 0.2f : 0.0f;
    for (int i = 0; i < L; i++)
        x[i] = K;
    for (int64_t left = 6; left > 0; left--) {
        reveal(left, 6, NULL, 0, x);
        for (int i = 0; i < L; i++)
            ck_assert_msg(x[i] == (i < count_masked(x) ? K : i % K), "with %lld left token %d is %d", (long long)left - 1, i, x[i]);
    }
}
END_TEST

/* With much of it no token is surer than another: each is among those revealed as often. */
START_TEST(maskgit_with_noise_takes_any)
{
    enum { DRAWS = 4000 };
    int64_t count[L] = {0};
    double p[L];
    int32_t x[L];
    (void)fixture_sampler(&n.fixture, "{use: maskgit, choice_temperature: 1000, schedule: linear}");
    for (uint32_t s = 0; s < DRAWS; s++) {
        for (int i = 0; i < L; i++)
            x[i] = K;
        reveal(10, 10, NULL, s, x); /* two of twenty, with noise of 900 */
        for (int i = 0; i < L; i++)
            count[i] += x[i] != K;
    }
    for (int i = 0; i < L; i++)
        p[i] = 1.0 / L;
    noise_fits("tokens revealed", count, p, L);
}
END_TEST

/* Codes are drawn from the softmax. */
START_TEST(maskgit_draws_codes_by_their_probability)
{
    enum { DRAWS = 4000 };
    int64_t count[K] = {0};
    double p[K], sum = 0.0;
    int32_t x[L];
    (void)fixture_sampler(&n.fixture, "{use: maskgit}");
    for (int i = 0; i < L * K; i++)
        logits[i] = (float)(i % K) * 0.4f;
    for (int k = 0; k < K; k++)
        sum += p[k] = exp(0.4 * k);
    for (int k = 0; k < K; k++)
        p[k] /= sum;
    for (uint32_t s = 0; s < DRAWS; s++) {
        for (int i = 0; i < L; i++)
            x[i] = K;
        reveal(1, 1, NULL, s, x); /* all at once */
        count[x[7]]++;
    }
    noise_fits("codes", count, p, K);
}
END_TEST

START_TEST(maskgit_needs_a_mask)
{
    struct noise u;
    noise_open(&u, "uniform", "steps: 8", 1, 0);
    struct tess_prior p = {.size = sizeof p, .codebook_size = K, .height = H, .width = W, .noise = u.instance};
    const struct tess_instance *s = fixture_sampler(&u.fixture, "maskgit");
    ck_assert_int_eq(tess_sampler_check(&u.fixture.context.context, s, &p, L), TESS_E_VALUE);
    ck_assert_ptr_nonnull(strstr(tess_message(&u.fixture.context.context), "a prior of noise `uniform` has no mask"));
    tess_forget(&u.fixture.context.context);
    noise_close(&u);
}
END_TEST

/* Without any remasking it is the noise's own steps, draw for draw. */
START_TEST(remdm_of_nothing_is_ancestral)
{
    int32_t x[2][L];
    for (int i = 0; i < L * K; i++)
        logits[i] = (float)(i % K) * 0.3f;
    for (int which = 0; which < 2; which++) {
        (void)fixture_sampler(&n.fixture, which ? "{use: remdm, eta: 0}" : "ancestral");
        for (int i = 0; i < L; i++)
            x[which][i] = K;
        for (int64_t left = 9; left > 0; left--)
            reveal(left, 9, NULL, 0, x[which]);
    }
    ck_assert_mem_eq(x[0], x[1], sizeof x[0]);
}
END_TEST

/* However much is masked again, the share that is masked is the time (31.4); and known tokens stay. */
START_TEST(remdm_keeps_the_share)
{
    enum { DRAWS = 600, TIMES = 8 };
    static const char *const config[] = {"{use: remdm, strategy: cap, eta: 0.3}", "{use: remdm, strategy: rescale, eta: 0.8}",
                                         "{use: remdm, strategy: fresh, eta: 1}"};
    uint8_t mask[L] = {1};
    double masks[TIMES + 1] = {0.0};
    int again = 0;
    (void)fixture_sampler(&n.fixture, config[_i]);
    for (uint32_t s = 0; s < DRAWS; s++) {
        int32_t x[L] = {5}, before[L];
        for (int i = 1; i < L; i++)
            x[i] = K;
        for (int64_t left = TIMES; left > 0; left--) {
            memcpy(before, x, sizeof x);
            reveal(left, TIMES, mask, s, x);
            ck_assert_int_eq(x[0], 5);
            masks[left - 1] += count_masked(x);
            for (int i = 1; i < L; i++)
                again += before[i] != K && x[i] == K;
        }
    }
    ck_assert_int_gt(again, DRAWS);
    for (int left = 0; left < TIMES; left++) {
        double share = (double)left / TIMES, tokens = (double)DRAWS * (L - 1), deviation = sqrt(tokens * share * (1.0 - share)) + 1e-9;
        ck_assert_msg(fabs(masks[left] - share * tokens) < 4.5 * deviation, "with %d left %g of %g are masked", left, masks[left], tokens);
    }
}
END_TEST

START_TEST(guidance_of_logits)
{
    float c[5] = {1.0f, -2.0f, -INFINITY, 3.0f, -INFINITY}, u[5] = {0.5f, 1.0f, 2.0f, -INFINITY, -INFINITY};
    tess_sampler_guide(2.0, 5, c, u);
    ck_assert(c[0] == 2.0f && c[1] == -8.0f); /* 3 l_c - 2 l_u */
    ck_assert(c[2] == -INFINITY && c[3] == 3.0f && c[4] == -INFINITY);
}
END_TEST

/* ---- a model that is told labels ---------------------------------------------------------------------------------------------------- */

struct model {
    struct fixture b; /* b.graph: all tokens */
    struct tess_graph *picked;
    struct tess_prior prior;
};

static void open_model(struct model *m, const char *noise, const char *denoiser, int threads)
{
    fixture_open(&m->b, threads, ROWS, 3, 0);
    struct tess_context *ctx = &m->b.context.context;
    struct tess_graph_options o = {.size = sizeof o, .microbatch = ROWS, .microbatches = 3, .seed = 11};
    m->prior = (struct tess_prior){.size = sizeof m->prior, .codebook_size = K, .height = H, .width = W, .classes = CLASSES};
    m->picked = NULL;
    fixture_ok(&m->b, tess_instance_open(ctx, "noise/1", noise, "test", &m->prior.noise));
    fixture_ok(&m->b, tess_instance_open(ctx, "denoiser/1", denoiser, "test", &m->prior.denoiser));
    fixture_ok(&m->b, tess_prior_record_denoise(ctx, &m->prior, m->b.graph));
    fixture_ok(&m->b, tess_graph_seal(ctx, m->b.graph));
    if (!tess_prior_picks(&m->prior))
        return;
    fixture_ok(&m->b, tess_graph_new(ctx, m->b.weights, &o, &m->picked));
    fixture_ok(&m->b, tess_prior_record_picked(ctx, &m->prior, 16, m->picked));
    fixture_ok(&m->b, tess_graph_seal(ctx, m->picked));
}

static void close_model(struct model *m)
{
    tess_graph_free(m->picked);
    tess_instance_close(m->prior.noise);
    tess_instance_close(m->prior.denoiser);
    fixture_close(&m->b);
}

enum { COUNT = 10, STEPS = 7 };

struct plan {
    const char *sampler; /* NULL: `own` */
    const struct tess_instance *own;
    double guidance;
    int64_t batch;
    int stop_after; /* > 0: another sampler takes over after every so many calls of advance */
    int label;      /* label of all; -1: in turn */
};

static void take_over(struct model *m, const struct tess_sampler_options *o, struct tess_sampler **s)
{
    struct tess_sampler *fresh;
    fixture_ok(&m->b, tess_sampler_new(&m->b.context.context, o, &fresh));
    struct tess_tensor from[4] = {tess_sampler_x(*s), tess_sampler_left(*s), tess_sampler_call(*s), tess_sampler_state(*s)};
    struct tess_tensor to[4] = {tess_sampler_x(fresh), tess_sampler_left(fresh), tess_sampler_call(fresh), tess_sampler_state(fresh)};
    for (int i = 0; i < 4; i++)
        if (to[i].data)
            memcpy(to[i].data, from[i].data, tess_tensor_bytes(&from[i]));
    tess_sampler_free(*s);
    *s = fresh;
}

/* x (COUNT, L) */
static void sample(struct model *m, const struct plan *p, int32_t *x)
{
    int32_t label[COUNT];
    for (int i = 0; i < COUNT; i++)
        label[i] = p->label < 0 ? i % CLASSES : p->label;
    struct tess_sampler_options o = {.size = sizeof o,
                                     .prior = &m->prior,
                                     .denoise = m->b.graph,
                                     .picked = m->picked,
                                     .batch = p->batch,
                                     .count = COUNT,
                                     .steps = STEPS,
                                     .temperature = 1.0,
                                     .seed = 6,
                                     .sampler = p->sampler ? fixture_sampler(&m->b, p->sampler) : p->own,
                                     .label = label,
                                     .guidance = p->guidance};
    struct tess_sampler *s;
    fixture_ok(&m->b, tess_sampler_new(&m->b.context.context, &o, &s));
    for (int k = 1; !tess_sampler_finished(s); k++) {
        fixture_ok(&m->b, tess_sampler_advance(&m->b.context.context, s));
        if (p->stop_after && k % p->stop_after == 0 && !tess_sampler_finished(s))
            take_over(m, &o, &s);
    }
    memcpy(x, tess_sampler_x(s).data, COUNT * L * sizeof *x);
    tess_sampler_free(s);
}

static const struct {
    const char *noise, *denoiser, *sampler;
} kinds[] = {
    {"{use: absorbing, steps: 7}", "{use: transformer, embed_dim: 32, layers: 2, heads: 2}", "ancestral"},
    {"{use: absorbing, steps: 7}", "{use: transformer, embed_dim: 32, layers: 2, heads: 2}", "maskgit"},
    {"{use: absorbing, steps: 7}", "{use: unet, channels: 16, channel_mult: [1], groups: 4, heads: 2, head_dim: 8}", "maskgit"},
    {"{use: absorbing, steps: 7}", "{use: transformer, embed_dim: 32, layers: 2, heads: 2}", "{use: remdm, strategy: conf, eta: 1}"},
    {"{use: uniform, steps: 7}", "{use: unet, channels: 16, channel_mult: [1], groups: 4, heads: 2, head_dim: 8}", "ancestral"},
    {"{use: uniform, steps: 7}", "{use: transformer, embed_dim: 32, layers: 2, heads: 2}", "ancestral"}};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* Guidance too small to be seen goes the long way, and gives what the labels alone give; more of it gives something else, as labels do. */
START_TEST(guidance_of_none_is_the_conditional)
{
    struct model m;
    int32_t x[COUNT * L], y[COUNT * L];
    open_model(&m, kinds[_i].noise, kinds[_i].denoiser, 2);
    struct plan p = {.sampler = kinds[_i].sampler, .batch = 5, .label = -1};
    sample(&m, &p, x);
    p.guidance = 1e-300;
    sample(&m, &p, y);
    ck_assert_mem_eq(x, y, sizeof x);
    p.guidance = 3.0;
    sample(&m, &p, y);
    ck_assert_mem_ne(x, y, sizeof x);
    p.guidance = 0.0;
    p.label = CLASSES; /* the null label */
    sample(&m, &p, y);
    ck_assert_mem_ne(x, y, sizeof x);
    close_model(&m);
}
END_TEST

START_TEST(nothing_else_is_of_any_matter)
{
    struct model m;
    int32_t x[COUNT * L], y[COUNT * L];
    for (int threads = 1; threads <= 4; threads *= 4) {
        open_model(&m, kinds[_i].noise, kinds[_i].denoiser, threads);
        struct plan p = {.sampler = kinds[_i].sampler, .batch = 12, .label = -1, .guidance = 1.5};
        sample(&m, &p, threads == 1 ? x : y);
        if (threads > 1)
            ck_assert_mem_eq(x, y, sizeof x);
        p.batch = 3;
        p.stop_after = 1;
        sample(&m, &p, y);
        ck_assert_mem_eq(x, y, sizeof x);
        close_model(&m);
    }
}
END_TEST

/* ---- guidance, drawn and counted --------------------------------------------------------------------------------------------------- */

enum { FEW = 3, PLACES = 2, MANY = 6000 };
/* Logits by label: of two classes, and of none. */
static const float told[3][FEW] = {{1.2f, 0.1f, -0.4f}, {-0.3f, 0.9f, 0.2f}, {0.4f, 0.6f, 0.1f}};

/* tokens (rows, PLACES), label (rows) -> logits (rows, PLACES, FEW) */
static int told_forward(const struct tess_op_run *r)
{
    for (int64_t i = 0; i < r->in[0].dim[0]; i++)
        for (int64_t at = 0; at < PLACES; at++)
            memcpy((float *)r->out[0].data + (i * PLACES + at) * FEW, told[((const int32_t *)r->in[1].data)[i]], sizeof told[0]);
    return TESS_OK;
}

static const struct tess_op op_told = {.size = sizeof(struct tess_op), .name = "told", .forward = told_forward};

static const struct {
    int label;
    double guidance;
} asked[] = {{0, 0.0}, {0, 2.0}, {1, 1.0}, {2, 1.0}};

/* In one step: every token is softmax((1 + w) l_c - w l_u), the label its own and not its neighbour's. */
START_TEST(guidance_is_drawn_from)
{
    struct noise a;
    int32_t *label = malloc(MANY * sizeof *label);
    int64_t count[FEW] = {0};
    double p[FEW], sum = 0.0, w = asked[_i].guidance;
    noise_open(&a, "absorbing", "steps: 1", ROWS, 0);
    struct tess_graph *g = a.fixture.graph;
    struct tess_node *in[2] = {tess_input(g, "tokens", TESS_I32, 2, DIMS(ROWS, PLACES)), tess_input(g, "label", TESS_I32, 1, DIMS(ROWS))};
    struct tess_tensor shape = tess_tensor_over(NULL, TESS_F32, 3, DIMS(ROWS, PLACES, FEW));
    struct tess_node *out;
    tess_custom(g, &op_told, told, sizeof told, 2, in, 1, &shape, 0, 0.0, &out);
    tess_output(g, "logits", out);
    fixture_ok(&a.fixture, tess_graph_seal(&a.fixture.context.context, g));
    struct tess_prior prior = {.size = sizeof prior, .codebook_size = FEW, .height = 1, .width = PLACES, .noise = a.instance, .classes = 2};
    for (int i = 0; i < MANY; i++)
        label[i] = i % 2 ? asked[_i].label : 2 - asked[_i].label; /* others between them */
    struct tess_sampler_options o = {.size = sizeof o,
                                     .prior = &prior,
                                     .denoise = g,
                                     .batch = w > 0.0 ? ROWS / 2 : ROWS,
                                     .count = MANY,
                                     .steps = 1,
                                     .temperature = 1.0,
                                     .seed = 8,
                                     .sampler = fixture_sampler(&a.fixture, "ancestral"),
                                     .label = label,
                                     .guidance = w};
    struct tess_sampler *s;
    fixture_ok(&a.fixture, tess_sampler_new(&a.fixture.context.context, &o, &s));
    while (!tess_sampler_finished(s))
        fixture_ok(&a.fixture, tess_sampler_advance(&a.fixture.context.context, s));
    const int32_t *x = tess_sampler_x(s).data;
    for (int i = 1; i < MANY; i += 2)
        for (int at = 0; at < PLACES; at++)
            count[x[i * PLACES + at]]++;
    for (int k = 0; k < FEW; k++)
        sum += p[k] = exp((1.0 + w) * (double)told[asked[_i].label][k] - w * (double)told[2][k]);
    for (int k = 0; k < FEW; k++)
        p[k] /= sum;
    noise_fits("codes", count, p, FEW);
    tess_sampler_free(s);
    free(label);
    noise_close(&a);
}
END_TEST

/* ---- a sampler with a state and two calls a step ------------------------------------------------------------------------------------ */

struct twice_state {
    int64_t calls;
    int32_t last_call, reserved;
};

/* The first call looks and changes nothing; the second takes the noise's step. The state counts. */
static int twice_draw(void *self, struct tess_context *ctx, const struct tess_sampler_step *s)
{
    struct twice_state *state = s->state;
    (void)self;
    if (s->call != state->calls % 2 || (state->calls > 0 && s->call == state->last_call))
        return ctx->fail(ctx, TESS_E_FAILED, "call %d comes after %lld calls", (int)s->call, (long long)state->calls);
    state->calls++;
    state->last_call = s->call;
    if (s->call == 1)
        return tess_prior_reverse(ctx, s->prior, s->reverse);
    memmove(s->reverse->next, s->reverse->x, (size_t)s->reverse->tokens * sizeof *s->reverse->x);
    return TESS_OK;
}

static int64_t twice_calls(void *self, int64_t left, int64_t steps)
{
    (void)self, (void)left, (void)steps;
    return 2;
}

static int64_t twice_state_size(void *self, int64_t tokens, int64_t codebook_size)
{
    (void)self, (void)tokens, (void)codebook_size;
    return sizeof(struct twice_state);
}

static const struct tess_sampler_1 twice_ops = {
    .size = sizeof twice_ops, .draw = twice_draw, .calls = twice_calls, .state_size = twice_state_size};
static const struct tess_plugin twice_plugin = {.size = sizeof twice_plugin, .id = "tests-twice"};
static const struct tess_component twice_part = {.name = "twice", .kind = "sampler/1", .ops = &twice_ops};
static const struct tess_instance twice = {.component = &twice_part, .plugin = &twice_plugin};

START_TEST(states_and_calls_go_with_the_sequence)
{
    struct model m;
    int32_t x[COUNT * L], y[COUNT * L];
    open_model(&m, kinds[_i].noise, kinds[_i].denoiser, 2);
    struct plan p = {.own = &twice, .batch = 12, .label = 0};
    sample(&m, &p, x);
    for (p.stop_after = 1; p.stop_after <= 3; p.stop_after++) {
        p.batch = 4;
        sample(&m, &p, y);
        ck_assert_mem_eq(x, y, sizeof x);
    }
    for (int i = 0; i < COUNT * L; i++)
        ck_assert(x[i] >= 0 && x[i] < K);
    close_model(&m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sampler kinds");
    TCase *t = tcase_create("maskgit");
    tcase_add_checked_fixture(t, open_noise, close_noise);
    tcase_add_loop_test(t, maskgit_reveals_as_many_as_its_schedule_says, 0, 4);
    tcase_add_test(t, maskgit_takes_the_surest);
    tcase_add_test(t, maskgit_with_noise_takes_any);
    tcase_add_test(t, maskgit_draws_codes_by_their_probability);
    tcase_add_test(t, maskgit_needs_a_mask);
    tcase_add_test(t, remdm_of_nothing_is_ancestral);
    tcase_add_loop_test(t, remdm_keeps_the_share, 0, 3);
    tcase_add_test(t, guidance_of_logits);
    suite_add_tcase(s, t);
    t = tcase_create("labels");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, guidance_of_none_is_the_conditional, 0, KINDS);
    tcase_add_loop_test(t, guidance_is_drawn_from, 0, (int)(sizeof asked / sizeof *asked));
    tcase_add_loop_test(t, nothing_else_is_of_any_matter, 0, KINDS);
    tcase_add_loop_test(t, states_and_calls_go_with_the_sequence, 0, KINDS);
    suite_add_tcase(s, t);
    return suite_run(s);
}
