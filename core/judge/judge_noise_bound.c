/* Kind noise/1: the loss and the bound, and the times drawn for training. SPDX-License-Identifier: MIT */
#include "core/judge/judge_noise.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- recording ----------------------------------------------------------------------------------------------------- */

enum { BOUND_TOKENS = 8, BOUND_CODES = 4 };

/* Noises the codes of each row at its time. */
static int bound_noise(struct judge_piece *p, const struct noise_case *n)
{
    for (int64_t row = 0; row < p->in[1].value.dim[0]; row++)
        JUDGE_TRY(judge_noise_corrupt(n, (int64_t)((const float *)p->in[3].value.data)[row], (uint32_t)(p->first + row),
                                (const int32_t *)p->in[1].value.data + row * n->tokens, (int32_t *)p->in[2].value.data + row * n->tokens));
    return TESS_OK;
}

static int bound_record(struct judge_piece *p)
{
    struct noise_case n;
    struct tess_noise_loss out = {.size = sizeof out};
    int status = judge_noise_open(p->j, p->instance, BOUND_TOKENS, BOUND_CODES, &n);
    if (status != TESS_OK)
        return p->ctx->fail(p->ctx, TESS_E_VALUE, "%s", p->j->verdict->text);
    n.ctx = p->ctx;
    const int64_t dim[3] = {p->rows, BOUND_TOKENS, BOUND_CODES};
    struct tess_node *logits = judge_input(p, "logits", TESS_F32, 3, dim, JUDGE_FILL_NORMAL, 0);
    struct tess_node *x0 = judge_input(p, "x0", TESS_I32, 2, dim, JUDGE_FILL_CODES, BOUND_CODES);
    struct tess_node *xt = judge_input(p, "xt", TESS_I32, 2, dim, JUDGE_FILL_CODES, BOUND_CODES);
    struct tess_node *t = judge_input(p, "t", TESS_F32, 1, dim, JUDGE_FILL_TIMES, n.steps);
    if (p->inputs == 4 && p->in[3].value.data && bound_noise(p, &n) != TESS_OK)
        return p->ctx->fail(p->ctx, TESS_E_FAILED, "%s", p->j->verdict->text);
    TESS_TRY(n.ops->record_loss(n.self, p->ctx, p->graph, logits, x0, xt, t, &out));
    judge_gives(p, "loss", out.loss, TESS_F32, 0, dim);
    judge_gives(p, "bound", out.bound, TESS_F32, 1, dim);
    return TESS_OK;
}

const struct judge_workload judge_noise_workloads[] = {{.name = "record_loss", .smooth = 1, .sizes = 1, .record = bound_record},
                                                       {.name = NULL}};

/* ---- the bound ----------------------------------------------------------------------------------------------------- */

enum { BOUND_ROWS = 128 };

struct bound_case {
    struct noise_case n;
    struct judge_piece p;
};

static int bound_open(struct judge *j, struct tess_instance *i, struct bound_case *b)
{
    memset(b, 0, sizeof *b);
    JUDGE_TRY(judge_noise_open(j, i, BOUND_TOKENS, BOUND_CODES, &b->n));
    b->p = (struct judge_piece){.j = j, .ctx = j->ctx, .work = judge_noise_workloads, .instance = i, .rows = BOUND_ROWS, .microbatches = 1};
    return judge_piece_begin(&b->p);
}

/* Runs the piece, noised at the times that stand in it; gives the bound of each row. */
static int bound_run(struct bound_case *b, const float **bound)
{
    JUDGE_TRY(bound_noise(&b->p, &b->n));
    JUDGE_TRY(judge_ok(b->n.j, b->n.ctx, "record_loss", judge_piece_run(&b->p, 0)));
    *bound = judge_output(&b->p, "bound")->data;
    return TESS_OK;
}

static int bound_times_body(struct judge *j, struct tess_instance *i)
{
    struct bound_case b;
    const float *bound;
    int status = bound_open(j, i, &b);
    for (int round = 0; status == TESS_OK && round < 8; round++) { /* the first and the last time, and times over the whole range */
        float *t = b.p.in[3].value.data;
        for (int64_t row = 0; row < BOUND_ROWS; row++)
            t[row] = (float)(1 + (b.n.steps - 1) * (round * BOUND_ROWS + row) / (8 * BOUND_ROWS - 1));
        b.p.first = round * BOUND_ROWS;
        status = bound_run(&b, &bound);
        for (int64_t row = 0; status == TESS_OK && row < BOUND_ROWS; row++)
            if (!isfinite(bound[row]))
                status = judge_fail(j, "wanted a finite bound at t = %g, found %g", (double)t[row], (double)bound[row]);
        float loss = status == TESS_OK ? *(const float *)judge_output(&b.p, "loss")->data : 0.0f;
        if (status == TESS_OK && !isfinite(loss))
            status = judge_fail(j, "wanted a finite loss, found %g", (double)loss);
    }
    if (b.p.graph)
        judge_piece_close(&b.p);
    return status;
}

int judge_noise_bound_times(struct judge *j)
{
    return judge_over(j, 2 * (int64_t)j->level, bound_times_body);
}

static int bound_constant_body(struct judge *j, struct tess_instance *i)
{
    const int64_t tokens[3] = {1, 49, 256}, codes[3] = {2, 17, 1024};
    const struct tess_noise_1 *ops = tess_instance_ops(i, "noise/1");
    for (int k = 0; k < 3; k++) {
        double constant = ops->bound_constant(tess_instance_self(i), tokens[k], codes[k]);
        if (!isfinite(constant) || constant < -1e-12)
            return judge_fail(j, "bound_constant of %lld tokens and %lld codes: wanted a finite number, not below 0, found %g",
                              (long long)tokens[k], (long long)codes[k], constant);
    }
    return TESS_OK;
}

int judge_noise_bound_constant(struct judge *j)
{
    return judge_over(j, 4 * (int64_t)j->level, bound_constant_body);
}

struct bound_mean {
    double sum, square, count;
};

/* The prediction: the source itself whatever is seen, or the codes themselves. */
enum { PREDICT_SOURCE, PREDICT_CODES };

static int bound_round(struct bound_case *b, int64_t round, const double source[BOUND_CODES], int predict, struct bound_mean *m)
{
    const float *bound;
    float *logits = b->p.in[0].value.data, *t = b->p.in[3].value.data;
    int32_t *x0 = b->p.in[1].value.data;
    for (int64_t row = 0; row < BOUND_ROWS; row++) {
        double u = ((double)row + judge_draw(b->n.j, "time", round, row)) / BOUND_ROWS; /* stratified: one time in each part of 1 .. T */
        t[row] = (float)(1 + (int64_t)floor(u * (double)b->n.steps));
        for (int64_t k = row * BOUND_TOKENS; k < (row + 1) * BOUND_TOKENS; k++) {
            double left = judge_draw(b->n.j, "source", round, k);
            int32_t code = 0;
            for (; code + 1 < BOUND_CODES && (left -= source[code]) >= 0; code++)
                continue;
            x0[k] = code;
            for (int32_t c = 0; c < BOUND_CODES; c++)
                logits[k * BOUND_CODES + c] = predict == PREDICT_SOURCE ? (float)log(source[c]) : c == code ? 1000.0f : 0.0f;
        }
    }
    b->p.first = round * BOUND_ROWS;
    JUDGE_TRY(bound_run(b, &bound));
    for (int64_t row = 0; row < BOUND_ROWS; row++) {
        m->sum += (double)bound[row];
        m->square += (double)bound[row] * (double)bound[row];
        m->count += 1.0;
    }
    return TESS_OK;
}

static int bound_mean_of(struct bound_case *b, const double source[BOUND_CODES], int predict, double *mean, double *error)
{
    struct bound_mean m = {0, 0, 0};
    for (int64_t round = 0; round < 16 + 16 * (int64_t)b->n.j->level; round++)
        JUDGE_TRY(bound_round(b, round, source, predict, &m));
    *mean = m.sum / m.count;
    *error = sqrt(fmax(m.square / m.count - *mean * *mean, 0.0) / m.count);
    return TESS_OK;
}

/* Checks that, whatever is predicted, code lengths of independent tokens are no shorter in the mean than their entropy. */
static int bound_source_body(struct judge *j, struct tess_instance *i)
{
    static const double sources[2][BOUND_CODES] = {{0.25, 0.25, 0.25, 0.25}, {0.6, 0.25, 0.1, 0.05}};
    struct bound_case b;
    double mean, error;
    int status = bound_open(j, i, &b);
    for (int s = 0; status == TESS_OK && s < 2; s++) {
        double entropy = 0.0;
        for (int c = 0; c < BOUND_CODES; c++)
            entropy -= sources[s][c] * log2(sources[s][c]);
        status = bound_mean_of(&b, sources[s], PREDICT_SOURCE, &mean, &error);
        double bound = mean + b.n.ops->bound_constant(b.n.self, BOUND_TOKENS, BOUND_CODES);
        if (status == TESS_OK && bound < entropy - 4.0 * error - 0.003)
            status = judge_fail(j, "wanted a bound of at least %.4f bits per token, the entropy of the source, found %.4f +- %.4f", entropy,
                                bound, error);
    }
    if (b.p.graph)
        judge_piece_close(&b.p);
    return status;
}

int judge_noise_bound_known_source(struct judge *j)
{
    return judge_over(j, 1 + (int64_t)j->level, bound_source_body);
}

static int bound_perfect_body(struct judge *j, struct tess_instance *i)
{
    static const double source[BOUND_CODES] = {0.25, 0.25, 0.25, 0.25};
    struct bound_case b;
    double mean, error;
    int status = bound_open(j, i, &b);
    if (status == TESS_OK)
        status = bound_mean_of(&b, source, PREDICT_CODES, &mean, &error);
    if (status == TESS_OK && !(fabs(mean) <= 0.02))
        status = judge_fail(j, "wanted a bound of 0 bits per token where the codes are predicted with certainty, found %.4f +- %.4f", mean,
                            error);
    if (b.p.graph)
        judge_piece_close(&b.p);
    return status;
}

int judge_noise_bound_perfect(struct judge *j)
{
    return judge_over(j, 1 + (int64_t)j->level, bound_perfect_body);
}

/* ---- times of training --------------------------------------------------------------------------------------------- */

static const struct judge_workload bound_training = {.name = "record_loss", .training = 1, .sizes = 1, .record = bound_record};

static int times_open(struct judge *j, struct tess_instance *i, struct bound_case *b)
{
    memset(b, 0, sizeof *b);
    JUDGE_TRY(judge_noise_open(j, i, BOUND_TOKENS, BOUND_CODES, &b->n));
    if (!b->n.ops->draw_time || !b->n.ops->observe)
        return judge_skip(j, "its times of training are uniform");
    b->p = (struct judge_piece){.j = j, .ctx = j->ctx, .work = &bound_training, .instance = i, .rows = 2, .microbatches = 1};
    return judge_piece_begin(&b->p);
}

static int times_draw(const struct bound_case *b, uint32_t step, uint32_t sample, int64_t *t)
{
    const struct tess_stream s = {.seed = b->n.j->seed, .step = step, .sample = sample};
    *t = 0;
    JUDGE_TRY(judge_ok(b->n.j, b->n.ctx, "draw_time", b->n.ops->draw_time(b->n.self, b->n.ctx, b->p.weights, "noise", &s, t)));
    if (*t < 1 || *t > b->n.steps)
        return judge_fail(b->n.j, "draw_time: wanted 1 .. %lld, found %lld", (long long)b->n.steps, (long long)*t);
    return TESS_OK;
}

/* Draws the times of a step, and lets the noise observe a bound for each that grows with the time. */
static int times_step(const struct bound_case *b, uint32_t step)
{
    enum { SAMPLES = 64 };
    float t[SAMPLES], bound[SAMPLES];
    for (uint32_t k = 0; k < SAMPLES; k++) {
        int64_t drawn;
        JUDGE_TRY(times_draw(b, step, k, &drawn));
        t[k] = (float)drawn;
        bound[k] = 1.0f + 3.0f * (float)drawn / (float)b->n.steps;
    }
    const struct tess_noise_seen seen = {.size = sizeof seen, .samples = SAMPLES, .tokens = BOUND_TOKENS, .t = t, .bound = bound};
    return judge_ok(b->n.j, b->n.ctx, "observe", b->n.ops->observe(b->n.self, b->n.ctx, b->p.weights, "noise", &seen));
}

static int times_draw_body(struct judge *j, struct tess_instance *i)
{
    struct bound_case b;
    int64_t first, again;
    int status = times_open(j, i, &b);
    for (uint32_t step = 0; status == TESS_OK && step < 40; step++) {
        status = times_draw(&b, step, 1, &first);
        if (status == TESS_OK)
            status = times_draw(&b, step, 1, &again);
        if (status == TESS_OK && first != again)
            status =
                judge_fail(j, "draw_time: wanted the same of the same stream, found %lld and %lld", (long long)first, (long long)again);
        if (status == TESS_OK)
            status = times_step(&b, step);
    }
    if (b.p.graph)
        judge_piece_close(&b.p);
    return status;
}

int judge_noise_draw_time(struct judge *j)
{
    return judge_over(j, 2 * (int64_t)j->level, times_draw_body);
}

static int times_same(struct bound_case *a, struct bound_case *b)
{
    struct tess_tensor x, y;
    for (int64_t k = 0; k < tess_weights_count(a->p.weights); k++) {
        const char *name = tess_weights_name(a->p.weights, k);
        JUDGE_TRY(judge_ok(a->n.j, a->n.ctx, name, tess_weights_find(a->n.ctx, a->p.weights, name, TESS_ROLE_VALUE, &x)));
        JUDGE_TRY(judge_ok(a->n.j, a->n.ctx, name, tess_weights_find(a->n.ctx, b->p.weights, name, TESS_ROLE_VALUE, &y)));
        memcpy(y.data, x.data, tess_tensor_bytes(&x));
    }
    for (uint32_t k = 0; k < 64; k++) {
        int64_t s, t;
        JUDGE_TRY(times_draw(a, 99, k, &s));
        JUDGE_TRY(times_draw(b, 99, k, &t));
        if (s != t)
            return judge_fail(a->n.j, "draw_time: wanted the same after a restart, found %lld in place of %lld", (long long)t,
                              (long long)s);
    }
    return TESS_OK;
}

static int times_restored_body(struct judge *j, struct tess_instance *i)
{
    struct tess_instance *other;
    struct bound_case a, b = {.n = {0}};
    int status = judge_ok(j, j->ctx, "opening a second instance", judge_open(j, j->ctx, 1, &other));
    if (status != TESS_OK)
        return status;
    status = times_open(j, i, &a);
    for (uint32_t step = 0; status == TESS_OK && step < 40; step++)
        status = times_step(&a, step);
    if (status == TESS_OK)
        status = times_open(j, other, &b);
    if (status == TESS_OK)
        status = times_same(&a, &b);
    if (b.p.graph)
        judge_piece_close(&b.p);
    if (a.p.graph)
        judge_piece_close(&a.p);
    tess_instance_close(other);
    return status;
}

int judge_noise_times_restored(struct judge *j)
{
    return judge_over(j, 2 * (int64_t)j->level, times_restored_body);
}
