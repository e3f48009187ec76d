/* The autoregressive baseline: logits, loss and gradients against PyTorch on every backend and in every precision, and the same logits
 * token by token with a cache; causality; the noise by itself; and which denoisers serve it.
 *
 * SPDX-License-Identifier: MIT */
#include "core/plug/plug_private.h"
#include "tests/support/causal_fixture.h"
#include "tests/support/parity.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- against PyTorch ---- */

static const struct golden_name names[] = {{"denoiser.", ""}, {NULL, NULL}};
static const char *const none_unused[] = {NULL};

static void open_golden(struct causal *m, struct golden *g, int64_t loss_rows, int64_t microbatches)
{
    char config_text[128];
    struct causal_size size = {.denoiser = config_text, .height = 1};
    snprintf(config_text, sizeof config_text, "{use: transformer, embed_dim: %lld, layers: %lld, heads: %lld}",
             (long long)golden_size(g, "width"), (long long)golden_size(g, "layers"), (long long)golden_size(g, "heads"));
    size.width = golden_size(g, "tokens");
    size.codebook_size = golden_size(g, "codebook_size");
    causal_open(m, &size, 2, loss_rows, microbatches);
    golden_weights(g, &m->b, names, none_unused);
}

START_TEST(logits_are_the_published_ones)
{
    struct golden *golden = golden_open("autoregressive.h5");
    struct tess_tensor x = golden_read(golden, "x", TESS_I32), logits = golden_read(golden, "logits", TESS_F32);
    struct causal m;
    open_golden(&m, golden, 1, 1);
    float *made = calloc(1, tess_tensor_bytes(&logits));
    causal_whole(&m, x.dim[0], x.data, made);
    golden_near("logits", made, &logits, allowed.value, 0.0);
    memset(made, 0, tess_tensor_bytes(&logits));
    causal_steps(&m, x.dim[0], x.data, made);
    golden_near("logits with a cache", made, &logits, allowed.value, 0.0);
    free(made);
    free(x.data);
    free(logits.data);
    causal_close(&m);
    golden_close(golden);
}
END_TEST

START_TEST(loss_and_gradients_are_the_published_ones) /* the batch as one microbatch, and as microbatches of one sequence */
{
    struct golden *golden = golden_open("autoregressive.h5");
    struct tess_tensor x = golden_read(golden, "x", TESS_I32), bits = golden_read(golden, "bits", TESS_F32);
    int64_t n = x.dim[0], rows = _i ? 1 : n;
    struct causal m;
    open_golden(&m, golden, rows, n / rows);
    float loss, *t = calloc((size_t)n, sizeof *t), *bound = calloc((size_t)n, sizeof *bound);
    struct tess_tensor in[3] = {x, x, tess_tensor_over(t, TESS_F32, 1, &n)}, out = tess_tensor_over(bound, TESS_F32, 1, &n);
    struct tess_tensor total = tess_tensor_over(&loss, TESS_F32, 0, NULL);
    struct tess_batch b = {
        .size = sizeof b, .samples = n, .inputs = 3, .in = in, .outputs = 1, .out = &out, .totals = 1, .total = &total};
    fixture_ok(&m.b, tess_graph_step(&m.b.context.context, m.b.graph, &b));
    golden_near("bits", bound, &bits, allowed.value, 0.0);
    golden_close_to("loss", (double)loss, golden_scalar(golden, "loss"), allowed.value);
    ck_assert_int_eq(golden_gradients(golden, &m.b, "grads", names, allowed.gradient), tess_weights_count(m.b.weights));
    free(t);
    free(bound);
    free(x.data);
    free(bits.data);
    causal_close(&m);
    golden_close(golden);
}
END_TEST

/* ---- token by token ---- */

static const struct causal_size sizes[] = {{"{use: transformer, embed_dim: 16, layers: 1, heads: 4}", 1, 1, 5},
                                           {"{use: transformer, embed_dim: 48, layers: 3, heads: 2}", 3, 5, 20},
                                           {"{use: transformer, embed_dim: 128, layers: 2, heads: 4}", 7, 7, 256},
                                           {"{use: transformer, embed_dim: 48, layers: 2, heads: 3, start_code: 7, context: 20}", 3, 5, 20},
                                           {"{use: transformer, embed_dim: 256, layers: 4, heads: 4}", 8, 8, 512}};

static int is_bf16(void)
{
    return fixture_precision && strcmp(fixture_precision, "bf16") == 0;
}

/* Only rounding may differ: products of other sizes, sums of attention in another order. */
START_TEST(a_cache_spares_work_and_nothing_else)
{
    enum { N = 2 * CAUSAL_ROWS - 3 };
    const struct causal_size *k = &sizes[_i];
    struct causal m;
    int64_t count = N * k->height * k->width;
    int32_t *x = malloc((size_t)count * sizeof *x);
    float *whole = malloc((size_t)(count * k->codebook_size) * sizeof *whole),
          *steps = malloc((size_t)(count * k->codebook_size) * sizeof *steps);
    double max = 0.0, worst = 0.0;
    causal_open(&m, k, 2, 1, 2);
    causal_codes(&m, N, x);
    causal_whole(&m, N, x, whole);
    causal_steps(&m, N, x, steps);
    for (int64_t i = 0; i < count * k->codebook_size; i++) {
        max = fmax(max, fabs((double)whole[i]));
        worst = fmax(worst, fabs((double)whole[i] - (double)steps[i]));
    }
    ck_assert_msg(max > 0.1 && worst <= (is_bf16() ? 0.03 : 5e-6) * max, "logits of up to %g differ by %g", max, worst);
    free(x);
    free(whole);
    free(steps);
    causal_close(&m);
}
END_TEST

/* A change of token j changes the logits behind it and none up to it, not in a bit. */
START_TEST(no_token_sees_itself_or_what_follows)
{
    enum { L = 15, K = 20, N = 3 };
    struct causal m;
    int32_t x[N * L], other[N * L];
    float whole[N * L * K], changed[N * L * K];
    causal_open(&m, &sizes[1], 1, 1, 1);
    causal_codes(&m, N, x);
    for (int logit_graph = 0; logit_graph < 2; logit_graph++) {
        (logit_graph ? causal_steps(&m, N, x, whole) : causal_whole(&m, N, x, whole));
        for (int j = 0; j < L; j++) {
            memcpy(other, x, sizeof x);
            other[L + j] = (other[L + j] + 1) % K; /* token j of the second sequence */
            (logit_graph ? causal_steps(&m, N, other, changed) : causal_whole(&m, N, other, changed));
            for (int i = 0; i < N * L; i++) {
                int same = memcmp(whole + i * K, changed + i * K, K * sizeof *whole) == 0;
                ck_assert_msg(same == !(i > L + j && i < 2 * L), "token %d changed: the logits of %d of sequence %d are %s", j, i % L,
                              i / L, same ? "the same" : "others");
            }
        }
    }
    causal_close(&m);
}
END_TEST

/* ---- the noise by itself ---- */

START_TEST(a_step_draws_one_token)
{
    enum { L = 5, K = 3 };
    struct fixture b;
    struct tess_instance *i;
    uint8_t where[L];
    int32_t x0[L] = {2, 1, 0, 1, 2}, x[L], first[L], row[L] = {0};
    const float sure[K] = {-50.0f, 50.0f, -50.0f};
    fixture_open(&b, 1, 1, 1, 0);
    fixture_ok(&b, tess_instance_open(&b.context.context, "noise/1", "autoregressive", "test", &i));
    const struct tess_noise_1 *n = tess_instance_ops(i, "noise/1");
    void *self = tess_instance_self(i);
    struct tess_stream s = {.seed = 1};
    ck_assert(n->steps(self) == 0 && n->vocabulary(self, K) == K && !n->needs_time && n->causal && n->reads_row);
    ck_assert(n->bound_constant(self, L, K) == 0.0);
    fixture_ok(&b, n->corrupt(self, &b.context.context, &s, L, K, L, x0, x));
    ck_assert_int_eq(memcmp(x, x0, sizeof x), 0);
    fixture_ok(&b, n->start(self, &b.context.context, &s, L, K, x));
    for (int64_t left = L; left > 0; left--) {
        memcpy(first, x, sizeof x);
        struct tess_reverse r = {.size = sizeof r,
                                 .last = left == 1,
                                 .tokens = L,
                                 .codebook_size = K,
                                 .temperature = 1.0,
                                 .x = x,
                                 .next = x,
                                 .from = (double)left / L,
                                 .to = (double)(left - 1) / L,
                                 .random = s};
        ck_assert_int_eq(n->changes(self, &r, NULL), 1);
        ck_assert_int_eq(n->changes(self, &r, where), 1);
        r.logits = sure;
        r.row = row; /* the only row there is */
        fixture_ok(&b, n->reverse(self, &b.context.context, &r));
        for (int k = 0; k < L; k++) {
            ck_assert_int_eq(where[k], k == L - left);
            ck_assert_int_eq(x[k], k == L - left ? 1 : first[k]);
        }
    }
    tess_instance_close(i);
    fixture_close(&b);
}
END_TEST

START_TEST(what_the_noise_refuses)
{
    enum { L = 4, K = 2 };
    struct fixture b;
    struct tess_instance *i;
    int32_t x[L] = {0}, next[L];
    float logits[L * K] = {0};
    fixture_open(&b, 1, 1, 1, 0);
    fixture_ok(&b, tess_instance_open(&b.context.context, "noise/1", "autoregressive", "test", &i));
    const struct tess_noise_1 *n = tess_instance_ops(i, "noise/1");
    struct tess_stream s = {.seed = 1};
    ck_assert_int_eq(n->corrupt(tess_instance_self(i), &b.context.context, &s, L, K, L + 1, x, next), TESS_E_INTERNAL);
    ck_assert(strstr(tessi_base_context_message(&b.context.context), "autoregressive: step 5 is outside 1 .. 4"));
    tessi_base_context_clear(&b.context.context);
    logits[2 * K] = NAN;
    struct tess_reverse r = {.size = offsetof(struct tess_reverse, row),
                             .tokens = L,
                             .codebook_size = K,
                             .temperature = 1.0,
                             .x = x,
                             .next = next,
                             .from = 0.75,
                             .to = 0.5,
                             .logits = logits}; /* a host from before there were rows */
    fixture_ok(&b, n->reverse(tess_instance_self(i), &b.context.context, &r));
    ck_assert(next[0] == 0 && next[2] == 0 && next[3] == 0);
    r.from = 0.5;
    ck_assert_int_eq(n->reverse(tess_instance_self(i), &b.context.context, &r), TESS_E_FAILED);
    ck_assert(strstr(tessi_base_context_message(&b.context.context), "autoregressive: the denoiser's output at token 2 is not finite"));
    tessi_base_context_clear(&b.context.context);
    tess_instance_close(i);
    ck_assert_int_ne(tess_instance_open(&b.context.context, "noise/1", "{use: autoregressive, steps: 9}", "test", &i), TESS_OK);
    ck_assert_msg(strstr(tessi_base_context_message(&b.context.context), "no parameter `steps`") != NULL, "%s",
                  tessi_base_context_message(&b.context.context));
    fixture_close(&b);
}
END_TEST

/* ---- brute force ---- */

/* The chain rule's probabilities of all sequences there are. */
START_TEST(probabilities_of_all_sequences_are_one)
{
    enum { L = 3, K = 2, ALL = 8 };
    struct causal m;
    int32_t x[ALL * L];
    float bound[ALL], t[ALL] = {0}, logits[ALL * L * K];
    double sum = 0.0;
    causal_open(&m, &(struct causal_size){"{use: transformer, embed_dim: 16, layers: 2, heads: 2}", 1, L, K}, 1, ALL, 1);
    for (int i = 0; i < ALL * L; i++)
        x[i] = i / L >> i % L & 1;
    struct tess_tensor in[3] = {tess_tensor_over(x, TESS_I32, 2, DIMS(ALL, L)), tess_tensor_over(x, TESS_I32, 2, DIMS(ALL, L)),
                                tess_tensor_over(t, TESS_F32, 1, DIMS(ALL))};
    struct tess_tensor out = tess_tensor_over(bound, TESS_F32, 1, DIMS(ALL));
    struct tess_batch b = {.size = sizeof b, .samples = ALL, .inputs = 3, .in = in, .outputs = 1, .out = &out};
    fixture_ok(&m.b, tess_graph_run(&m.b.context.context, m.b.graph, &b));
    causal_whole(&m, ALL, x, logits);
    for (int i = 0; i < ALL; i++) {
        double p = 1.0;
        for (int k = 0; k < L; k++) {
            const float *l = logits + (i * L + k) * K;
            p /= 1.0 + exp((double)l[!x[i * L + k]] - (double)l[x[i * L + k]]);
        }
        golden_close_to("a probability", exp2(-L * (double)bound[i]), p, 1e-5);
        sum += p;
    }
    golden_close_to("their sum", sum, 1.0, 1e-5);
    causal_close(&m);
}
END_TEST

/* ---- which denoisers serve ---- */

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

static void refused(struct fixture *b, int status, int code, const char *words)
{
    ck_assert_msg(status == code && strstr(tessi_base_context_message(&b->context.context), words), "%d: %s", status,
                  tessi_base_context_message(&b->context.context));
    tessi_base_context_clear(&b->context.context);
}

START_TEST(denoisers_that_see_all_are_refused)
{
    struct causal m;
    struct fixture b;
    struct tess_instance copy, *unet;
    struct tess_component component;
    struct tess_denoiser_1 ops = {.size = 0};
    struct tess_noise_loss loss = {.size = sizeof loss};
    causal_open(&m, &sizes[1], 1, 1, 1);
    fixture_open(&b, 1, 1, 1, 0);
    struct tess_context *ctx = &b.context.context;
    struct tess_prior p = m.prior;
    ck_assert(tess_prior_causal(&p) && tess_prior_caches(&p) && !tess_prior_picks(&p) && tess_prior_steps(&p) == 15);
    ck_assert_int_eq(tess_sampler_positions(&p, 15), 0);
    fixture_ok(&b, tess_instance_open(ctx, "denoiser/1", "{use: unet, channels: 16, channel_mult: [1]}", "test", &unet));
    p.denoiser = unet;
    refused(&b, tess_prior_record_loss(ctx, &p, b.graph, &loss), TESS_E_VALUE,
            "the noise `autoregressive` wants a denoiser that makes each token's logits of the tokens before it alone, and `unet` sees "
            "all; use `transformer`");
    refused(&b, tess_prior_record_next(ctx, &p, m.cache, b.graph), TESS_E_VALUE, "use `transformer`");
    p.denoiser = m.prior.denoiser;
    age(&p.denoiser, &copy, &component, &ops, offsetof(struct tess_denoiser_1, causal));
    refused(&b, tess_prior_record_denoise(ctx, &p, b.graph), TESS_E_VALUE, "and `transformer` sees all");
    p.denoiser = m.prior.denoiser;
    age(&p.denoiser, &copy, &component, &ops, offsetof(struct tess_denoiser_1, record_next));
    ck_assert(tess_prior_causal(&p) && !tess_prior_caches(&p));
    refused(&b, tess_prior_record_next(ctx, &p, m.cache, b.graph), TESS_E_INTERNAL, "know of all tokens only");
    tess_instance_close(unet);
    fixture_close(&b);
    causal_close(&m);
}
END_TEST

START_TEST(other_noises_are_as_they_were)
{
    struct fixture b;
    struct tess_prior p = {.size = sizeof p, .codebook_size = 4, .height = 3, .width = 4};
    fixture_open(&b, 1, 1, 1, 0);
    fixture_ok(&b, tess_instance_open(&b.context.context, "noise/1", "{use: absorbing, steps: 7}", "test", &p.noise));
    fixture_ok(&b,
               tess_instance_open(&b.context.context, "denoiser/1", "{use: transformer, embed_dim: 16, heads: 2}", "test", &p.denoiser));
    ck_assert(!tess_prior_causal(&p) && !tess_prior_caches(&p) && tess_prior_picks(&p) && tess_prior_steps(&p) == 7);
    fixture_ok(&b, tess_prior_record_denoise(&b.context.context, &p, b.graph));
    for (int64_t i = 0; i < tess_weights_count(b.weights); i++) /* only causal models have one */
        ck_assert_str_ne(tess_weights_name(b.weights, i), "denoiser.start_tok");
    tess_instance_close(p.noise);
    tess_instance_close(p.denoiser);
    fixture_close(&b);
}
END_TEST

/* The published total: 24 layers of 512 over 1024 codes and 256 places, without the mask's row but with the start. */
START_TEST(the_published_size)
{
    struct fixture b;
    struct tess_prior p = {.size = sizeof p, .codebook_size = 1024, .height = 16, .width = 16};
    fixture_open(&b, 1, 1, 1, 0);
    fixture_ok(&b, tess_instance_open(&b.context.context, "noise/1", "autoregressive", "test", &p.noise));
    fixture_ok(&b, tess_instance_open(&b.context.context, "denoiser/1", "{use: transformer, embed_dim: 512, layers: 24, heads: 8}", "test",
                                    &p.denoiser));
    fixture_ok(&b, tess_prior_record_denoise(&b.context.context, &p, b.graph));
    ck_assert_int_eq(tess_weights_size(b.weights), 76838400);
    tess_instance_close(p.noise);
    tess_instance_close(p.denoiser);
    fixture_close(&b);
}
END_TEST

static void everywhere(TCase *t)
{
    tcase_add_test(t, logits_are_the_published_ones);
    tcase_add_loop_test(t, loss_and_gradients_are_the_published_ones, 0, 2);
    tcase_add_loop_test(t, a_cache_spares_work_and_nothing_else, 0, (int)(sizeof sizes / sizeof *sizes));
    tcase_add_test(t, no_token_sees_itself_or_what_follows);
}

int main(void)
{
    Suite *s = suite_create("autoregressive");
    TCase *t = tcase_create("autoregressive");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_step_draws_one_token);
    tcase_add_test(t, what_the_noise_refuses);
    tcase_add_test(t, probabilities_of_all_sequences_are_one);
    tcase_add_test(t, denoisers_that_see_all_are_refused);
    tcase_add_test(t, other_noises_are_as_they_were);
    tcase_add_test(t, the_published_size);
    suite_add_tcase(s, t);
    int failed = suite_failures(s);
    failed += parity_everywhere(everywhere);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
