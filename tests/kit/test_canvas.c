/* Canvases of many windows: the arithmetic of windows by looking at every one, and the sampler held against the plain procedure, in which
 * all windows are run at every step and every position's mixture is made, as published. Neither batch, threads nor stops are of any matter,
 * and a canvas of the prior's own size is what the ordinary sampler draws.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/sample/canvas.h"
#include "tests/support/graphs.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- windows ---- */

START_TEST(windows_are_those_that_cover)
{
    static const int64_t shape[][5] = {{7, 9, 3, 4, 1}, {7, 9, 3, 4, 2}, {8, 11, 3, 3, 3}, {3, 4, 3, 4, 1},  {3, 4, 3, 4, 3},
                                       {9, 3, 3, 3, 2}, {16, 9, 5, 7, 4}, {4, 13, 4, 6, 3}, {10, 10, 1, 1, 1}, {11, 8, 4, 4, 4}};
    const int64_t *d = shape[_i];
    struct windows s = windows_over(d[0], d[1], d[2], d[3], d[4]);
    int64_t n = windows_count(&s), covers = 0, last_y = -1, last_x = -1;
    int64_t max = (d[0] - d[2] + 1) * (d[1] - d[3] + 1);
    ck_assert(s.rows * s.columns == n && n <= max && (d[4] > 1 || n == max));
    for (int64_t i = 0; i < n; i++) { /* in order, apart by the stride but for the last, within the canvas */
        int64_t y, x;
        windows_place(&s, i, &y, &x);
        ck_assert(y >= 0 && y + d[2] <= d[0] && x >= 0 && x + d[3] <= d[1]);
        ck_assert(i % s.columns == 0 ? x == 0 : x - last_x == d[4] || (x == d[1] - d[3] && x > last_x && x - last_x < d[4]));
        ck_assert(i == 0 ? y == 0 : y == last_y || y - last_y == d[4] || (y == d[0] - d[2] && y > last_y && y - last_y < d[4]));
        last_y = y;
        last_x = x;
    }
    ck_assert(last_y == d[0] - d[2] && last_x == d[1] - d[3]);
    for (int64_t at = 0; at < d[0] * d[1]; at++) {
        uint8_t chosen[16 * 13] = {0}, wanted[256];
        int64_t found = 0, Y = at / d[1], X = at % d[1];
        struct window_range r = windows_covering(&s, Y, X);
        chosen[at] = 1;
        int64_t told = windows_wanted(&s, chosen, wanted);
        for (int64_t i = 0; i < n; i++) {
            int64_t y, x;
            windows_place(&s, i, &y, &x);
            int covering = y <= Y && Y < y + d[2] && x <= X && X < x + d[3];
            int64_t row = i / s.columns, column = i % s.columns;
            ck_assert_int_eq(covering, row >= r.top && row <= r.bottom && column >= r.left && column <= r.right);
            ck_assert_int_eq(covering, wanted[i]);
            found += covering;
        }
        ck_assert(found == told && found > 0 && found <= d[2] * d[3]);
        covers += found;
    }
    ck_assert_int_eq(covers, n * d[2] * d[3]);
    uint8_t chosen[16 * 13] = {0}, wanted[256], either[256] = {0}; /* several positions: windows wanted by any of them */
    for (int64_t at = 0; at < d[0] * d[1]; at += 5) {
        uint8_t alone[16 * 13] = {0};
        chosen[at] = alone[at] = 1;
        (void)windows_wanted(&s, alone, wanted);
        for (int64_t i = 0; i < n; i++)
            either[i] |= wanted[i];
    }
    covers = 0;
    for (int64_t i = 0; i < n; i++)
        covers += either[i];
    ck_assert(windows_wanted(&s, chosen, wanted) == covers && memcmp(wanted, either, (size_t)n) == 0);
}
END_TEST

/* ---- a prior ---- */

enum { H = 3, W = 4, L = H * W, K = 7, ROWS = 8, COUNT = 5 };

struct model {
    struct fixture b;
    struct tess_graph *picked;
    struct tess_prior prior;
};

static void open_model(struct model *m, int threads, int64_t positions)
{
    fixture_open(&m->b, threads, ROWS, 4, 0);
    struct tess_context *ctx = &m->b.context.context;
    struct tess_graph_options o = {.size = sizeof o, .microbatch = ROWS, .microbatches = 4, .seed = 11};
    m->prior = (struct tess_prior){.size = sizeof(struct tess_prior), .codebook_size = K, .height = H, .width = W};
    fixture_ok(&m->b, tess_instance_open(ctx, "noise/1", "{use: absorbing}", "test", &m->prior.noise));
    fixture_ok(&m->b,
             tess_instance_open(ctx, "denoiser/1", "{use: transformer, embed_dim: 32, layers: 2, heads: 2}", "test", &m->prior.denoiser));
    fixture_ok(&m->b, tess_prior_record_denoise(ctx, &m->prior, m->b.graph));
    fixture_ok(&m->b, tess_graph_seal(ctx, m->b.graph));
    m->picked = NULL;
    if (!positions)
        return;
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

struct logit_graph {
    int64_t height, width, stride;
    int raster;
    int64_t steps;
    double temperature;
};

static struct canvas_options options_of(struct model *m, const struct logit_graph *w, int64_t batch)
{
    return (struct canvas_options){.prior = &m->prior,
                                   .denoise = m->b.graph,
                                   .picked = m->picked,
                                   .batch = batch,
                                   .count = COUNT,
                                   .height = w->height,
                                   .width = w->width,
                                   .stride = w->stride,
                                   .raster = w->raster,
                                   .steps = w->steps,
                                   .temperature = w->temperature,
                                   .seed = 3,
                                   .sampler = fixture_sampler(&m->b, "ancestral")};
}

/* stop_after > 0: another canvas takes over after so many calls of advance. The caller frees x; calls: of the denoiser. */
static int32_t *draw(struct model *m, const struct logit_graph *w, int64_t batch, int64_t stop_after, int64_t *calls)
{
    struct canvas_options o = options_of(m, w, batch);
    struct canvas *k, *fresh;
    fixture_ok(&m->b, canvas_new(&m->b.context.context, &o, &k));
    for (int64_t n = 1; !canvas_finished(k); n++) {
        fixture_ok(&m->b, canvas_advance(&m->b.context.context, k));
        if (!stop_after || n % stop_after || canvas_finished(k))
            continue;
        fixture_ok(&m->b, canvas_new(&m->b.context.context, &o, &fresh));
        struct sampling_state from = canvas_state(k), to = canvas_state(fresh);
        memcpy(to.x.data, from.x.data, tess_tensor_bytes(&from.x));
        memcpy(to.left.data, from.left.data, tess_tensor_bytes(&from.left));
        *to.calls = *from.calls;
        canvas_free(k);
        k = fresh;
    }
    struct sampling_state s = canvas_state(k);
    ck_assert_int_eq(sampling_done(&s), COUNT * canvas_steps(&o));
    int32_t *x = malloc(tess_tensor_bytes(&s.x));
    memcpy(x, s.x.data, tess_tensor_bytes(&s.x));
    *calls = *s.calls;
    canvas_free(k);
    return x;
}

/* ---- the plain procedure ---- */

/* Probabilities (height x width, K) that all windows together give for all positions of one canvas. */
static void look_everywhere(struct model *m, const struct logit_graph *w, const int32_t *x, double *p)
{
    float logits[L * K];
    int32_t tokens[L];
    memset(p, 0, (size_t)(w->height * w->width * K) * sizeof *p);
    struct tess_tensor in = tess_tensor_over(tokens, TESS_I32, 2, DIMS(1, L)), out = tess_tensor_over(logits, TESS_F32, 3, DIMS(1, L, K));
    struct tess_batch b = {.size = sizeof b, .samples = 1, .inputs = 1, .in = &in, .outputs = 1, .out = &out};
    int64_t y = 0;
    for (;;) { /* every stride, and the border */
        int64_t left = 0;
        for (;;) {
            for (int64_t i = 0; i < L; i++)
                tokens[i] = x[(y + i / W) * w->width + left + i % W];
            fixture_ok(&m->b, tess_graph_run(&m->b.context.context, m->b.graph, &b));
            for (int64_t i = 0; i < L; i++) {
                double sum = 0.0, *to = p + ((y + i / W) * w->width + left + i % W) * K;
                for (int k = 0; k < K; k++)
                    sum += exp((double)logits[i * K + k]);
                for (int k = 0; k < K; k++)
                    to[k] += exp((double)logits[i * K + k]) / sum;
            }
            if (left == w->width - W)
                break;
            left = left + w->stride < w->width - W ? left + w->stride : w->width - W;
        }
        if (y == w->height - H)
            break;
        y = y + w->stride < w->height - H ? y + w->stride : w->height - H;
    }
    for (int64_t at = 0; at < w->height * w->width; at++) {
        double sum = 0.0;
        for (int k = 0; k < K; k++)
            sum += p[at * K + k];
        for (int k = 0; k < K; k++)
            p[at * K + k] = pow(p[at * K + k] / sum, 1.0 / w->temperature);
    }
}

static int32_t choose(const double *p, double u)
{
    double sum = 0.0, at = 0.0;
    for (int k = 0; k < K; k++)
        sum += p[k];
    for (int k = 0; k < K; k++) {
        at += p[k];
        if (at > u * sum)
            return k;
    }
    return K - 1;
}

/* All canvases, one after the other, with the draws of the tokens keyed as in the ordinary sampler. */
static int32_t *draw_plainly(struct model *m, const struct logit_graph *w)
{
    int64_t n = w->height * w->width, steps = w->raster ? n : w->steps;
    int32_t *all = malloc((size_t)(COUNT * n) * sizeof *all);
    double *p = malloc((size_t)(n * K) * sizeof *p);
    for (int64_t i = 0; i < COUNT; i++) {
        int32_t *x = all + i * n;
        for (int64_t at = 0; at < n; at++)
            x[at] = K;
        for (int64_t s = steps; s > 0; s--) {
            struct tess_stream random = {
                .seed = 3, .purpose = tess_purpose("sample.reverse"), .step = (uint32_t)s, .sample = (uint32_t)i};
            look_everywhere(m, w, x, p);
            for (int64_t at = 0; at < n; at++) {
                float u[2];
                tess_random_uniform(&random, (uint64_t)(w->raster ? 0 : 2 * at), 2, u);
                if (w->raster ? at == steps - s : x[at] == K && (s == 1 || (double)u[0] < 1.0 / (double)s))
                    x[at] = choose(p + at * K, (double)u[1]);
            }
        }
    }
    free(p);
    return all;
}

/* Canvases with one token a step; a few; many: more than the graph of picked positions has room for. */
static const struct logit_graph ways[] = {{5, 7, 1, 1, 0, 1.0}, {5, 7, 2, 1, 0, 0.8}, {3, 4, 1, 1, 0, 1.0}, {3, 9, 3, 1, 0, 1.3},
                                  {5, 6, 1, 0, 30, 0.8}, {5, 7, 2, 0, 9, 1.0}, {6, 4, 1, 0, 1, 1.0}, {4, 5, 1, 0, 60, 1.0}};

START_TEST(canvases_are_those_of_the_plain_procedure)
{
    const struct logit_graph *w = &ways[_i];
    int64_t n = w->height * w->width, calls;
    for (int64_t positions = 0; positions <= 4; positions += 2) { /* all logits, and those of so many */
        struct model m;
        open_model(&m, 2, positions);
        struct canvas_options o = options_of(&m, w, ROWS);
        int32_t *x = draw(&m, w, ROWS, 0, &calls), *plain = draw_plainly(&m, w);
        int64_t kinds[K] = {0};
        for (int64_t i = 0; i < COUNT * n; i++) {
            ck_assert_msg(x[i] == plain[i], "token %lld is %d and %d", (long long)i, (int)x[i], (int)plain[i]);
            kinds[x[i]]++;
        }
        ck_assert(kinds[0] > 0 && kinds[K - 1] > 0);
        if (w->raster)
            ck_assert_int_eq(calls, (int64_t)canvas_calls(&o) * COUNT); /* told beforehand */
        else
            ck_assert(fabs((double)calls - canvas_calls(&o) * COUNT) <= 0.3 * canvas_calls(&o) * COUNT);
        if (w->raster && w->height == H && w->width == W)
            ck_assert_int_eq(calls, L * COUNT); /* one call a step and canvas: a single window */
        free(x);
        free(plain);
        close_model(&m);
    }
}
END_TEST

START_TEST(nothing_else_is_of_any_matter)
{
    static const struct {
        int threads;
        int64_t batch, stop_after;
    } how[] = {{1, 1, 0}, {3, 5, 0}, {2, 32, 1}, {1, 3, 4}, {2, 17, 7}};
    int64_t first_calls, calls;
    struct model m;
    open_model(&m, 2, 3);
    size_t bytes = (size_t)(COUNT * ways[_i].height * ways[_i].width) * sizeof(int32_t);
    int32_t *first = draw(&m, &ways[_i], ROWS, 0, &first_calls);
    close_model(&m);
    for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
        open_model(&m, how[i].threads, 3);
        int32_t *x = draw(&m, &ways[_i], how[i].batch, how[i].stop_after, &calls);
        ck_assert_msg(memcmp(first, x, bytes) == 0 && calls == first_calls, "way %d: %lld calls, %lld", (int)i, (long long)calls,
                      (long long)first_calls);
        free(x);
        close_model(&m);
    }
    free(first);
}
END_TEST

START_TEST(the_priors_own_size_is_an_ordinary_sample)
{
    struct logit_graph w = {H, W, 1, 0, 10, 0.7};
    struct model m;
    struct tess_sampler *s;
    int64_t calls;
    open_model(&m, 2, 4);
    int32_t *x = draw(&m, &w, ROWS, 0, &calls);
    struct tess_sampler_options o = {.size = sizeof o,
                                     .prior = &m.prior,
                                     .denoise = m.b.graph,
                                     .picked = m.picked,
                                     .batch = ROWS,
                                     .count = COUNT,
                                     .steps = w.steps,
                                     .temperature = w.temperature,
                                     .seed = 3,
                                     .sampler = fixture_sampler(&m.b, "ancestral")};
    fixture_ok(&m.b, tess_sampler_new(&m.b.context.context, &o, &s));
    while (!tess_sampler_finished(s))
        fixture_ok(&m.b, tess_sampler_advance(&m.b.context.context, s));
    ck_assert(memcmp(tess_sampler_x(s).data, x, COUNT * L * sizeof *x) == 0 && *tess_sampler_calls(s) == calls);
    tess_sampler_free(s);
    free(x);
    close_model(&m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("canvas");
    TCase *t = tcase_create("canvas");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, windows_are_those_that_cover, 0, 10);
    tcase_add_loop_test(t, canvases_are_those_of_the_plain_procedure, 0, (int)(sizeof ways / sizeof *ways));
    tcase_add_loop_test(t, nothing_else_is_of_any_matter, 0, (int)(sizeof ways / sizeof *ways));
    tcase_add_test(t, the_priors_own_size_is_an_ordinary_sample);
    suite_add_tcase(s, t);
    return suite_run(s);
}
