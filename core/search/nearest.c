/* The nearest row (4.1): a product proposes, the distance in double decides.
 *
 * With c the mean of the codebook, x = z - c and y_k = e_k - c: |z - e_k|^2 = |x|^2 + 2 s_k, s_k = |y_k|^2 / 2 - x y_k, so the least
 * distance has the least s_k (4.6). The product multiplies operands x~ and y~_k, rounded to what the processor multiplies fastest, and its
 * s~_k is off by no more than
 *     E = dx (Y + dy) + X dy + (d + 4) 2^-22 (X Y + (Y + dy)^2 / 2) + (d + 4) 2^-125,
 * X = |x~|, Y = max |y~_k|, dx >= |x - x~| and dy >= |y_k - y~_k|. For x y - x~ y~ = (x - x~) y + x~ (y - y~) gives the first two
 * terms (Cauchy and Schwarz); d products added in f32 in any order, |y_k|^2 / 2 rounded to f32 and one subtraction are off by half of the
 * third at most, which so leaves room for units that do not round to nearest; the last is for units that flush what is subnormal. dx and
 * dy are measured and not derived: about 0.4 of the worst case, 2^-8 X in bf16, and right whatever rounding, overflow and flushing did.
 *
 * Distances D_k in double are off by (d + 4) 2^-53 D_k. The row w that brute force finds has D_w <= D_j, j being the row with the least
 * s~; then s_w <= s_j + F, F = (d + 4) 2^-52 (X + dx + Y + dy)^2, and so s~_w <= s~_j + 2 E + F. Rows above that limit are passed over.
 * Mostly one is left, which is the answer; of several, distances are measured. Where f32 might overflow, those of all rows are.
 *
 * SPDX-License-Identifier: MIT */
#include "core/search/nearest.h"

#include "core/base/memory.h"
#include "core/kernels/kernels.h"

#include <math.h>
#include <string.h>

enum { TILE_ROWS = 64, TILE_CODES = 1024, PENDING = 12 };

struct measures { /* at the front of a prepared codebook */
    double y, dy; /* not finite: the product cannot be trusted */
};

struct row {                       /* state of the search for one vector */
    double reach, error;           /* 2 E + F; E + F; reach not finite: all rows are to be measured */
    float least, next, limit;      /* lowest two s~ so far; what may still be the nearest */
    int32_t pendings, pending[PENDING];
    float score[PENDING];          /* s~ of the pending rows */
    double best;                   /* squared distance of `code`, when that is not -1 */
    int32_t code;
    float code_score;
};

/* ---- planning ------------------------------------------------------------------------------------------------------ */

static int plan_block(struct tess_context *ctx, struct tessi_nearest *s, int64_t codebook_size, struct tess_kernel *out)
{
    const struct tess_kernel_desc d = {.size = sizeof d,
                                       .what = TESS_GEMM,
                                       .dtype_a = s->operands,
                                       .dtype_b = s->operands,
                                       .dtype_c = TESS_F32,
                                       .weight_b = 1,
                                       .transpose_b = 1,
                                       .m = s->tile,
                                       .n = codebook_size,
                                       .k = s->d,
                                       .lda = s->d,
                                       .ldb = s->d,
                                       .ldc = codebook_size,
                                       .outer = 1,
                                       .inner = 1,
                                       .alpha = 1.0f};
    *out = (struct tess_kernel){.size = sizeof *out};
    if (codebook_size == 0)
        return TESS_OK;
    TESS_TRY(s->runtime->backend_ops->plan(s->runtime->backend_self, ctx, &d, out));
    size_t bytes = tessi_base_aligned(out->packed_bytes ? out->packed_bytes : (size_t)codebook_size * s->operand_bytes);
    s->block_bytes = s->block_bytes > bytes ? s->block_bytes : bytes;
    s->kernel_scratch = s->kernel_scratch > out->scratch_bytes ? s->kernel_scratch : out->scratch_bytes;
    return TESS_OK;
}

int tessi_search_nearest_plan(struct tess_context *ctx, struct tessi_runtime *runtime, int64_t rows, int64_t codebook_size, int64_t d,
                              int32_t operands, struct tessi_nearest *out)
{
    int64_t tiles = (rows + TILE_ROWS - 1) / TILE_ROWS, block = codebook_size < TILE_CODES ? codebook_size : TILE_CODES;
    *out = (struct tessi_nearest){
        .runtime = runtime, .codebook_size = codebook_size, .d = d, .tile = (rows + tiles - 1) / tiles, .operands = operands};
    if (operands == TESSI_NEAREST_AUTO)
        out->operands = tessi_host_runtime_multiplies(runtime, TESS_BF16) ? TESS_BF16 : TESS_F32;
    out->operand_bytes = (size_t)d * (out->operands == TESS_BF16 ? sizeof(uint16_t) : sizeof(float));
    TESS_TRY(plan_block(ctx, out, codebook_size < TILE_CODES ? 0 : TILE_CODES, &out->full));
    TESS_TRY(plan_block(ctx, out, codebook_size % TILE_CODES, &out->last));
    out->mean = tessi_base_aligned(sizeof(struct measures));
    out->half = out->mean + tessi_base_aligned((size_t)d * sizeof(float));
    out->staging = out->half + tessi_base_aligned((size_t)codebook_size * sizeof(float));
    out->block = out->staging + tessi_base_aligned((size_t)block * out->operand_bytes);
    out->ready_bytes = out->block + (size_t)((codebook_size + TILE_CODES - 1) / TILE_CODES) * out->block_bytes;
    out->operand = tessi_base_aligned((size_t)out->tile * sizeof(struct row));
    out->score = out->operand + tessi_base_aligned((size_t)out->tile * out->operand_bytes);
    size_t own = out->score + tessi_base_aligned((size_t)(out->tile * block) * sizeof(float));
    out->scratch_bytes = own + tessi_base_aligned(out->kernel_scratch);
    out->kernel_scratch = own;
    return TESS_OK;
}

void tessi_search_nearest_drop(struct tessi_nearest *s)
{
    if (!s->runtime)
        return;
    s->runtime->backend_ops->drop(s->runtime->backend_self, &s->full);
    s->runtime->backend_ops->drop(s->runtime->backend_self, &s->last);
    s->runtime = NULL;
}

/* ---- operands ------------------------------------------------------------------------------------------------------ */

/* x - mean as the product takes it: its length, and how far from it the operand is. The sums of squares are made in f32: what rounding and
 * underflow can take from them is added, and an overflow is infinite. */
static void nearest_to_operand(const struct tessi_nearest *s, const float *x, const float *mean, void *to, double *length, double *error)
{
    double more = 1.0 + (double)(s->d + 8) * 0x1p-23, least = (double)s->d * 0x1p-125, lost = 0.0;
    float square[2] = {0.0f, 0.0f};
    if (s->operands == TESS_BF16) {
        tessi_kernels()->round_bf16(s->d, x, mean, to, square);
        lost = sqrt((double)square[1] * more + least);
        *length = sqrt((double)square[0] * more + least);
    } else {
        tessi_kernels()->sub(s->d, x, mean, to);
        *length = sqrt(tessi_kernels()->dot(s->d, to, to) * more + least);
    }
    *error = lost + 0x1.1p-24 * (*length + lost); /* the subtraction was rounded as well */
}

/* Any point would do for the result; the mean makes the operands short. */
static void find_mean(const struct tessi_nearest *s, const float *codebook, float *mean)
{
    memset(mean, 0, (size_t)s->d * sizeof *mean);
    for (int64_t k = 0; k < s->codebook_size; k++)
        tessi_kernels()->accumulate(s->d, codebook + k * s->d, mean);
    tessi_kernels()->affine(s->d, 1.0f / (float)s->codebook_size, 0.0f, mean, mean);
    if (!isfinite(tessi_kernels()->square_distance(s->d, mean, mean)))
        memset(mean, 0, (size_t)s->d * sizeof *mean);
}

/* A row that is not finite is nobody's nearest: its s~ is infinite. */
static void ready_row(const struct tessi_nearest *s, const float *row, const float *mean, char *to, float *half, struct measures *m)
{
    double y, dy, square = tessi_kernels()->square_distance(s->d, row, mean);
    *half = (float)(0.5 * square);
    if (!isfinite(square)) {
        memset(to, 0, s->operand_bytes);
        *half = INFINITY;
        return;
    }
    nearest_to_operand(s, row, mean, to, &y, &dy);
    m->y = y <= m->y ? m->y : isfinite(y) ? y : INFINITY;
    m->dy = dy <= m->dy ? m->dy : isfinite(dy) ? dy : INFINITY;
}

int tessi_search_nearest_ready(const struct tessi_nearest *s, const float *codebook, char *ready)
{
    const struct tessi_runtime *r = s->runtime;
    struct measures *m = (struct measures *)(void *)ready;
    float *mean = (float *)(void *)(ready + s->mean), *half = (float *)(void *)(ready + s->half);
    *m = (struct measures){.y = 0.0, .dy = 0.0};
    find_mean(s, codebook, mean);
    for (int64_t first = 0, b = 0; first < s->codebook_size; first += TILE_CODES, b++) {
        int64_t n = s->codebook_size - first < TILE_CODES ? s->codebook_size - first : TILE_CODES;
        const struct tess_kernel *kernel = n == TILE_CODES ? &s->full : &s->last;
        char *block = ready + s->block + (size_t)b * s->block_bytes, *to = kernel->packed_bytes ? ready + s->staging : block;
        for (int64_t k = 0; k < n; k++)
            ready_row(s, codebook + (first + k) * s->d, mean, to + (size_t)k * s->operand_bytes, half + first + k, m);
        if (kernel->packed_bytes)
            TESS_TRY(r->backend_ops->pack(r->backend_self, kernel, to, block));
    }
    return TESS_OK;
}

/* ---- the search ---------------------------------------------------------------------------------------------------- */

struct search { /* one call */
    const struct tessi_nearest *s;
    const float *codebook;
    const struct tessi_nearest_found *found;
};

static void start_row(const struct tessi_nearest *s, const struct measures *m, double x, double dx, struct row *w)
{
    double longest = m->y + m->dy, d = (double)(s->d + 4), sum = x + dx + longest;
    /* (4.7) and (4.8) */
    double e = dx * longest + x * m->dy + d * 0x1p-22 * (x * m->y + 0.5 * longest * longest) + d * 0x1p-125;
    double f = d * 0x1p-52 * sum * sum;
    int safe = sum * sum < 0x1p120; /* so no sum in f32 overflows; false for NaN */
    w->reach = safe ? 2.0 * e + f : INFINITY;
    w->error = e + f;
    w->least = w->next = w->limit = INFINITY;
    w->pendings = 0;
    w->best = INFINITY;
    w->code = -1;
    w->code_score = INFINITY;
}

static void nearest_measure(const struct search *q, const float *z, int32_t code, float score, struct row *w)
{
    double square = tessi_kernels()->square_distance(q->s->d, z, q->codebook + code * q->s->d);
    if (square < w->best || (square == w->best && code < w->code)) {
        w->best = square;
        w->code = code;
        w->code_score = score;
    }
}

/* Drops the candidates that are above the limit by now. */
static void thin_out(struct row *w)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < w->pendings; i++)
        if (w->score[i] <= w->limit) {
            w->pending[kept] = w->pending[i];
            w->score[kept++] = w->score[i];
        }
    w->pendings = kept;
}

static void nearest_settle(const struct search *q, const float *z, struct row *w)
{
    for (int32_t i = 0; i < w->pendings; i++)
        nearest_measure(q, z, w->pending[i], w->score[i], w);
    w->pendings = 0;
}

static void nearest_note(const struct search *q, const float *z, int32_t code, float score, struct row *w)
{
    if (w->pendings == PENDING)
        thin_out(w);
    if (w->pendings == PENDING)
        nearest_settle(q, z, w);
    w->pending[w->pendings] = code;
    w->score[w->pendings++] = score;
}

/* A row of one tile: lanes hold the least of every 64th code, and then of every 16th, so only those of lanes below the limit are looked at
 * again. */
static void nearest_propose(const struct search *q, int64_t n, const float *half, const float *dot, int64_t first, const float *z,
                            struct row *w)
{
    float lane[TESSI_LANES + TESSI_FOLDED], two[2];
    tessi_kernels()->lowest(n, half, dot, q->found->beyond != NULL, lane, two);
    w->next = fminf(fminf(w->next, two[1]), fmaxf(w->least, two[0]));
    w->least = fminf(w->least, two[0]);
    if (!isfinite(w->least))
        return;
    double limit = (double)w->least + w->reach;
    w->limit = (float)(limit + fabs(limit) * 0x1p-23 + 0x1p-149); /* not below it when rounded */
    for (int64_t j = 0; j < TESSI_FOLDED; j++)
        for (int64_t i = lane[TESSI_LANES + j] <= w->limit ? j : TESSI_LANES; i < TESSI_LANES; i += TESSI_FOLDED)
            for (int64_t k = lane[i] <= w->limit ? i : n; k < n; k += TESSI_LANES)
                if (half[k] - dot[k] <= w->limit)
                    nearest_note(q, z, (int32_t)(first + k), half[k] - dot[k], w);
}

/* Brute force. */
static void measure_all(const struct search *q, const float *z, double *beyond, struct row *w)
{
    double second = INFINITY;
    w->best = INFINITY;
    w->code = -1;
    for (int64_t k = 0; k < q->s->codebook_size; k++) {
        double square = tessi_kernels()->square_distance(q->s->d, z, q->codebook + k * q->s->d);
        second = square < w->best ? w->best : square < second ? square : second;
        if (square < w->best) {
            w->best = square;
            w->code = (int32_t)k;
        }
    }
    *beyond = sqrt(second) * (1.0 - 1e-6);
}

/* |z - e_k|^2 = |x|^2 + 2 s_k for every other row, whose s~ is at least the second lowest when the nearest's own is the lowest, else the
 * lowest (14.3a). */
static double nearest_margin(const struct search *q, const float *z, const float *mean, const struct row *w)
{
    double other = (double)(w->code_score > w->least ? w->least : w->next);
    double square = tessi_kernels()->square_distance(q->s->d, z, mean) + 2.0 * (other - w->error);
    return square > 0.0 ? sqrt(square) * (1.0 - 1e-6) : 0.0;
}

static void finish_row(const struct search *q, const float *z, const float *mean, int64_t i, struct row *w)
{
    const struct tessi_nearest_found *found = q->found;
    double beyond = 0.0;
    if (!isfinite(w->reach) || !isfinite(w->least)) {
        measure_all(q, z, &beyond, w);
    } else {
        thin_out(w);
        if (w->pendings == 1 && w->code < 0 && !found->square) {
            w->code = w->pending[0];
            w->code_score = w->score[0];
        } else {
            nearest_settle(q, z, w);
        }
        beyond = found->beyond ? nearest_margin(q, z, mean, w) : 0.0;
    }
    found->code[i] = w->code;
    if (found->square)
        found->square[i] = w->best;
    if (found->beyond)
        found->beyond[i] = beyond;
}

struct vectors { /* vectors of one call */
    const float *x;
    const int32_t *list;
    int64_t n;
};

static int64_t index_of(const struct vectors *v, int64_t p)
{
    return v->list ? v->list[p] : p;
}

/* Prepares vectors first .. first + m - 1 as operands of the product. */
static void start_tile(const struct tessi_nearest *s, const char *ready, const struct vectors *v, int64_t first, int64_t m, char *scratch)
{
    struct row *row = (struct row *)(void *)scratch;
    char *operand = scratch + s->operand;
    for (int64_t p = 0; p < m; p++) {
        double length, error;
        nearest_to_operand(s, v->x + index_of(v, first + p) * s->d, (const float *)(const void *)(ready + s->mean),
                   operand + (size_t)p * s->operand_bytes, &length, &error);
        start_row(s, (const struct measures *)(const void *)ready, length, error, &row[p]);
    }
    memset(operand + (size_t)m * s->operand_bytes, 0, (size_t)(s->tile - m) * s->operand_bytes);
}

static int find_tile(const struct search *q, struct tess_context *ctx, const char *ready, const struct vectors *v, int64_t first,
                     char *scratch)
{
    const struct tessi_nearest *s = q->s;
    const struct tessi_runtime *r = s->runtime;
    const float *mean = (const float *)(const void *)(ready + s->mean), *half = (const float *)(const void *)(ready + s->half);
    struct row *row = (struct row *)(void *)scratch;
    float *score = (float *)(void *)(scratch + s->score);
    int64_t m = v->n - first < s->tile ? v->n - first : s->tile;
    start_tile(s, ready, v, first, m, scratch);
    for (int64_t k = 0, b = 0; k < s->codebook_size; k += TILE_CODES, b++) {
        int64_t n = s->codebook_size - k < TILE_CODES ? s->codebook_size - k : TILE_CODES;
        struct tess_kernel_run run = {.size = sizeof run,
                                      .a = scratch + s->operand,
                                      .b = ready + s->block + (size_t)b * s->block_bytes,
                                      .c = score,
                                      .scratch = scratch + s->kernel_scratch,
                                      .context = ctx};
        TESS_TRY(r->backend_ops->run(r->backend_self, n == TILE_CODES ? &s->full : &s->last, &run));
        for (int64_t p = 0; p < m; p++)
            if (isfinite(row[p].reach))
                nearest_propose(q, n, half + k, score + p * n, k, v->x + index_of(v, first + p) * s->d, &row[p]);
    }
    for (int64_t p = 0; p < m; p++) {
        int64_t i = index_of(v, first + p);
        finish_row(q, v->x + i * s->d, mean, i, &row[p]);
    }
    return TESS_OK;
}

int tessi_search_nearest_find(const struct tessi_nearest *s, struct tess_context *ctx, const float *codebook, const char *ready,
                              const float *x, const int32_t *list, int64_t n, char *scratch, const struct tessi_nearest_found *found)
{
    const struct search q = {.s = s, .codebook = codebook, .found = found};
    const struct vectors v = {.x = x, .list = list, .n = n};
    for (int64_t first = 0; first < n; first += s->tile)
        TESS_TRY(find_tile(&q, ctx, ready, &v, first, scratch));
    return TESS_OK;
}
