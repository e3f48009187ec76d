/* Attention with a cache: token by token it is causal attention by definition, in either precision; a row depends neither on threads nor on
 * its batch; positions that cannot be are refused.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/graphs.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shape {
    int64_t width, tokens;
    int32_t heads;
};
static const struct shape shapes[] = {{6, 5, 2}, {3, 9, 3}, {64, 20, 1}, {130, 7, 2}, {128, 33, 2}, {5, 1, 1}};

enum { ROWS = 3, LAYERS = 2, MAX = 2 * ROWS };

/* Two layers, the second of which has the first's result for its queries and values: a layer that read another's keys would show. */
struct machine {
    struct fixture b;
    struct tess_cache *cache;
};

static void open_machine(struct machine *m, const struct shape *s, int threads)
{
    fixture_open(&m->b, threads, ROWS, 2, 0);
    struct tess_graph *g = m->b.graph;
    const int64_t *one = DIMS(ROWS, 1, s->width);
    fixture_ok(&m->b, tess_cache_new(&m->b.context.context, s->tokens, &m->cache));
    struct tess_node *q = tess_input(g, "q", TESS_F32, 3, one), *k = tess_input(g, "k", TESS_F32, 3, one);
    struct tess_node *v = tess_input(g, "v", TESS_F32, 3, one), *at = tess_input(g, "position", TESS_I32, 2, one);
    for (int i = 0; i < LAYERS; i++)
        q = v = tess_attention_cached(g, q, k, v, at, m->cache, s->heads);
    tess_output(g, "y", q);
    fixture_ok(&m->b, tess_graph_seal(&m->b.context.context, g));
}

static void close_machine(struct machine *m)
{
    tess_graph_free(m->b.graph);
    m->b.graph = NULL;
    tess_cache_free(m->cache);
    fixture_close(&m->b);
}

/* Sequences of `rows` samples: q, k, v and y (rows, tokens, width). */
struct sequences {
    int64_t rows;
    float *part[4];
};
enum { Q, K, V, Y };

static struct sequences draw(const struct shape *s, int64_t rows)
{
    struct sequences d = {.rows = rows};
    for (int i = 0; i < 4; i++) {
        struct tess_stream random = {.seed = (uint64_t)i, .purpose = tess_purpose("sequences")};
        d.part[i] = calloc((size_t)(rows * s->tokens * s->width), sizeof(float));
        tess_random_normal(&random, 0, i < Y ? rows * s->tokens * s->width : 0, d.part[i]);
    }
    return d;
}

static void free_sequences(struct sequences *d)
{
    for (int i = 0; i < 4; i++)
        free(d->part[i]);
}

/* Position `at` of all rows, into column `to` of y. */
static int step(struct machine *m, const struct shape *s, struct sequences *d, int64_t at, uint32_t first)
{
    float one[4][MAX * 130];
    int32_t position[MAX];
    struct tess_tensor in[4], out = tess_tensor_over(one[Y], TESS_F32, 3, DIMS(d->rows, 1, s->width));
    for (int64_t i = 0; i < d->rows; i++) {
        position[i] = (int32_t)at;
        for (int k = Q; k < Y; k++)
            memcpy(one[k] + i * s->width, d->part[k] + (i * s->tokens + (at + s->tokens) % s->tokens) * s->width,
                   (size_t)s->width * sizeof(float));
    }
    for (int k = Q; k < Y; k++)
        in[k] = tess_tensor_over(one[k], TESS_F32, 3, DIMS(d->rows, 1, s->width));
    in[3] = tess_tensor_over(position, TESS_I32, 2, DIMS(d->rows, 1));
    struct tess_batch b = {.size = sizeof b, .samples = d->rows, .inputs = 4, .in = in, .outputs = 1, .out = &out, .first = first};
    int status = tess_graph_run(&m->b.context.context, m->b.graph, &b);
    for (int64_t i = 0; i < d->rows && status == TESS_OK; i++)
        memcpy(d->part[Y] + (i * s->tokens + at) * s->width, one[Y] + i * s->width, (size_t)s->width * sizeof(float));
    return status;
}

static void all_steps(struct machine *m, const struct shape *s, struct sequences *d)
{
    for (int64_t at = 0; at < s->tokens; at++)
        fixture_ok(&m->b, step(m, s, d, at, 0));
}

/* Attention by definition, one head of one token: q and y of token `at`, k and v from the sequence's first token on. */
static void by_definition(const struct shape *s, int64_t at, int32_t h, const double *q, const double *k, const double *v, double *y)
{
    int64_t d = s->width / s->heads, from = h * d;
    double p[64], sum = 0.0;
    for (int64_t j = 0; j <= at; j++) {
        double dot = 0.0;
        for (int64_t c = 0; c < d; c++)
            dot += q[at * s->width + from + c] * k[j * s->width + from + c];
        sum += p[j] = exp(dot / sqrt((double)d));
    }
    for (int64_t c = 0; c < d; c++) {
        y[at * s->width + from + c] = 0.0;
        for (int64_t j = 0; j <= at; j++)
            y[at * s->width + from + c] += p[j] / sum * v[j * s->width + from + c];
    }
}

static int is_bf16(void)
{
    return fixture_precision && strcmp(fixture_precision, "bf16") == 0;
}

/* Two layers of attention over one sequence, everything in double. */
static void layers_by_definition(const struct shape *s, const struct sequences *d, int64_t row, double *y)
{
    int64_t n = s->tokens * s->width;
    double *part[3];
    for (int i = 0; i < 3; i++) {
        part[i] = malloc((size_t)n * sizeof(double));
        for (int64_t k = 0; k < n; k++)
            part[i][k] = (double)d->part[i][row * n + k];
    }
    for (int i = 0; i < LAYERS; i++) {
        for (int64_t at = 0; at < s->tokens; at++)
            for (int32_t h = 0; h < s->heads; h++)
                by_definition(s, at, h, part[Q], part[K], part[V], y);
        memcpy(part[Q], y, (size_t)n * sizeof *y);
        memcpy(part[V], y, (size_t)n * sizeof *y);
    }
    for (int i = 0; i < 3; i++)
        free(part[i]);
}

START_TEST(it_is_causal_attention)
{
    const struct shape *s = &shapes[_i];
    struct machine m;
    struct sequences d = draw(s, MAX);
    double *want = malloc((size_t)(s->tokens * s->width) * sizeof *want), allowed = is_bf16() ? 0.02 : 2e-6, worst = 0.0;
    open_machine(&m, s, 2);
    all_steps(&m, s, &d);
    for (int64_t i = 0; i < MAX; i++) {
        layers_by_definition(s, &d, i, want);
        for (int64_t k = 0; k < s->tokens * s->width; k++)
            worst = fmax(worst, fabs(want[k] - (double)d.part[Y][i * s->tokens * s->width + k]));
    }
    ck_assert_msg(worst <= allowed * 3.0, "off by %g", worst);
    free(want);
    free_sequences(&d);
    close_machine(&m);
}
END_TEST

static void same(const struct shape *s, const struct sequences *a, const struct sequences *b, int64_t rows)
{
    ck_assert_int_eq(memcmp(a->part[Y], b->part[Y], (size_t)(rows * s->tokens * s->width) * sizeof(float)), 0);
}

/* More threads, fewer rows in a microbatch and in the batch, a cache that others have used: the same bits. */
START_TEST(a_row_depends_on_nothing_else)
{
    const struct shape *s = &shapes[_i];
    struct machine m, other;
    struct sequences d = draw(s, MAX), again = draw(s, MAX), fewer = draw(s, MAX - 2), alone = draw(s, 1);
    open_machine(&m, s, 1);
    open_machine(&other, s, 3);
    all_steps(&m, s, &d);
    all_steps(&other, s, &again);
    same(s, &d, &again, MAX);
    all_steps(&other, s, &fewer);
    same(s, &d, &fewer, MAX - 2);
    all_steps(&m, s, &alone);
    same(s, &d, &alone, 1);
    fixture_ok(&m.b, step(&m, s, &alone, s->tokens / 2, 0)); /* back, and over again */
    same(s, &d, &alone, 1);
    free_sequences(&d);
    free_sequences(&again);
    free_sequences(&fewer);
    free_sequences(&alone);
    close_machine(&m);
    close_machine(&other);
}
END_TEST

/* A plan has the cache in it, in the precision's type. */
START_TEST(its_memory_is_of_the_cost)
{
    const struct shape *few = &(struct shape){16, 1, 2}, *many = &(struct shape){16, 1001, 2};
    struct machine m[2];
    struct tess_cost cost[2] = {{.size = sizeof(struct tess_cost)}, {.size = sizeof(struct tess_cost)}};
    for (int i = 0; i < 2; i++) {
        open_machine(&m[i], i ? many : few, 2);
        fixture_ok(&m[i].b, tess_graph_cost(&m[i].b.context.context, m[i].b.graph, &cost[i]));
        close_machine(&m[i]);
    }
    int64_t values = 1000 * LAYERS * MAX * 2 * 16 * (is_bf16() ? 2 : 4), scores = 2 * 1000 * 4;
    ck_assert_int_ge(cost[1].total_bytes - cost[0].total_bytes, values + scores - 128);
    ck_assert_int_le(cost[1].total_bytes - cost[0].total_bytes, values + scores + 128);
    ck_assert(cost[1].flops > 100.0 * cost[0].flops);
}
END_TEST

static void refused(struct machine *m, int status, int code, const char *words)
{
    const char *said = tessi_base_context_message(&m->b.context.context);
    ck_assert_msg(status == code && strstr(said, words), "%d: %s", status, said);
    tessi_base_context_clear(&m->b.context.context);
}

START_TEST(positions_that_cannot_be)
{
    const struct shape *s = &shapes[0];
    struct machine m;
    struct sequences d = draw(s, MAX), few = draw(s, ROWS);
    open_machine(&m, s, 2);
    refused(&m, step(&m, s, &few, 1, 0), TESS_E_DATA,
            "cached attention: position 1 of row 0, where the next may be 0 .. 0 of 5 tokens; give all positions, in order");
    fixture_ok(&m.b, step(&m, s, &few, 0, 0));
    refused(&m, step(&m, s, &few, 2, 0), TESS_E_DATA, "position 2 of row 0, where the next may be 0 .. 1 of 5");
    fixture_ok(&m.b, step(&m, s, &few, 1, 0));
    /* a position in a microbatch that has not begun */
    refused(&m, step(&m, s, &d, 2, 0), TESS_E_DATA, "position 2 of row 3, where the next may be 0 .. 0");
    all_steps(&m, s, &d);
    refused(&m, step(&m, s, &few, 5, 0), TESS_E_DATA, "position 5 of row 0, where the next may be 0 .. 4 of 5 tokens");
    refused(&m, step(&m, s, &few, -1, 0), TESS_E_DATA, "position -1 of row 0");
    refused(&m, step(&m, s, &d, 0, 1), TESS_E_INTERNAL, "row 6 of a batch, where the cache has 6");
    free_sequences(&d);
    free_sequences(&few);
    close_machine(&m);
}
END_TEST

/* Expects a refusal with `words` when recording in a new graph. */
static void recording_refused(int64_t rows, int64_t length, int32_t heads, int training, struct tess_cache *of_another, const char *words)
{
    struct machine m = {.cache = of_another};
    fixture_open(&m.b, 1, ROWS, 1, training);
    if (!of_another)
        fixture_ok(&m.b, tess_cache_new(&m.b.context.context, 4, &m.cache));
    struct tess_node *x = tess_input(m.b.graph, "x", TESS_F32, 3, DIMS(ROWS, length, 6));
    struct tess_node *at = tess_input(m.b.graph, "position", TESS_I32, 2, DIMS(rows, 1));
    ck_assert_ptr_null(tess_attention_cached(m.b.graph, x, x, x, at, m.cache, heads));
    int status = tess_graph_status(m.b.graph);
    ck_assert_int_eq(tess_graph_seal(&m.b.context.context, m.b.graph), status);
    refused(&m, status, status, words);
    ck_assert_int_ne(status, TESS_OK);
    if (of_another)
        fixture_close(&m.b);
    else
        close_machine(&m);
}

START_TEST(what_cannot_be_recorded)
{
    struct machine m;
    open_machine(&m, &shapes[0], 1);
    recording_refused(ROWS, 2, 2, 0, NULL, "one token each is wanted, of a width that heads divide");
    recording_refused(ROWS, 1, 4, 0, NULL, "with 4 heads: one token each is wanted");
    recording_refused(2 * ROWS, 1, 2, 0, NULL, "positions i32 (N, 1) are wanted");
    recording_refused(ROWS, 1, 2, 1, NULL, "one cache for one graph of inference");
    recording_refused(ROWS, 1, 2, 0, m.cache, "one cache for one graph of inference");
    struct tess_cache *none;
    refused(&m, tess_cache_new(&m.b.context.context, 0, &none), TESS_E_VALUE, "a cache of keys and values of 0 tokens");
    ck_assert_ptr_null(none);
    close_machine(&m);
}
END_TEST

static int run_suite(const char *precision)
{
    char name[64];
    fixture_precision = precision;
    snprintf(name, sizeof name, "cached attention, %s", precision);
    Suite *s = suite_create(name);
    TCase *t = tcase_create(name);
    tcase_add_loop_test(t, it_is_causal_attention, 0, (int)(sizeof shapes / sizeof *shapes));
    tcase_add_loop_test(t, a_row_depends_on_nothing_else, 0, (int)(sizeof shapes / sizeof *shapes));
    tcase_add_test(t, its_memory_is_of_the_cost);
    tcase_add_test(t, positions_that_cannot_be);
    tcase_add_test(t, what_cannot_be_recorded);
    suite_add_tcase(s, t);
    return suite_failures(s);
}

/* Nothing here goes through a backend, but bf16 is refused where the chosen one cannot compute it. */
int main(void)
{
    int failed = run_suite("f32");
    fixture_backend = "openblas";
    if (fixture_can_bf16(fixture_backend, NULL))
        failed += run_suite("bf16");
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
