/* Operations over codes: embedding, the nearest codebook row, statistics of an assignment, and the sinusoid of time.
 * SPDX-License-Identifier: MIT */
#include <tessera/autoencoder.h>

#include "core/tensor/dense.h"
#include "core/tensor/kernels.h"
#include "core/tensor/window.h"

#include <math.h>
#include <string.h>

static int in_range(const struct tess_op_run *r, const char *what, const int32_t *code, int64_t n, int64_t size)
{
    for (int64_t i = 0; i < n; i++)
        if (code[i] < 0 || code[i] >= size)
            return r->call->fail(r->call, TESS_E_DATA, "%s: code %d at position %lld is outside 0 .. %lld", what, (int)code[i],
                                 (long long)i, (long long)(size - 1));
    return TESS_OK;
}

/* ---- embedding: y[i] = table[code[i]] ---- */

static int embedding_forward(const struct tess_op_run *r)
{
    int64_t n = tess_tensor_count(&r->in[0]), c = r->in[1].dim[1];
    const int32_t *code = r->in[0].data;
    TESS_TRY(in_range(r, "embedding", code, n, r->in[1].dim[0]));
    for (int64_t i = 0; i < n; i++) {
        const float *row = (const float *)r->in[1].data + code[i] * c;
        if (r->out[0].dtype == TESS_BF16)
            tessi_kernels()->to_bf16(c, row, (uint16_t *)r->out[0].data + i * c);
        else
            memcpy((float *)r->out[0].data + i * c, row, (size_t)c * sizeof(float));
    }
    return TESS_OK;
}

static int embedding_backward(const struct tess_op_run *r)
{
    int64_t n = tess_tensor_count(&r->in[0]), c = r->in[1].dim[1];
    const int32_t *code = r->in[0].data;
    if (!r->din[1].data)
        return TESS_OK;
    memset(r->din[1].data, 0, tess_tensor_bytes(&r->din[1]));
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < c; k += TESSI_WINDOW) {
            float room[TESSI_WINDOW];
            int64_t m = c - k < TESSI_WINDOW ? c - k : TESSI_WINDOW;
            tessi_kernels()->accumulate(m, tessi_window_in(&r->dout[0], i * c + k, m, room), (float *)r->din[1].data + code[i] * c + k);
        }
    return TESS_OK;
}

static const struct tessi_op op_embedding = {
    .op = {
        .size = sizeof(struct tess_op), .name = "embedding", .keep_in = 1, .forward = embedding_forward, .backward = embedding_backward},
    .narrow_out = 1};

struct tess_node *tess_embedding(struct tess_graph *g, struct tess_node *codes, struct tess_node *table)
{
    char left[96], right[96];
    if (!codes || !table)
        return NULL;
    struct tess_tensor y = codes->shape;
    if (y.dtype != TESS_I32 || table->shape.rank != 2 || table->shape.dtype != TESS_F32 || y.rank >= TESS_MAX_RANK)
        return tess_graph_fail(g, TESS_E_SHAPE, "embedding of %s in %s: i32 codes and a table (V, C) are wanted",
                               tess_tensor_text(&y, left, sizeof left), tess_tensor_text(&table->shape, right, sizeof right));
    y.dtype = TESS_F32;
    y.dim[y.rank++] = table->shape.dim[1];
    struct tess_node *in[2] = {codes, table};
    return tessi_record(g, &op_embedding, NULL, 0, 2, in, 1, &y, 0.0);
}

/* ---- nearest row ----
 * |z - e|^2 = |z|^2 - 2 (z e - |e|^2 / 2), so the least distance has the least s = |e|^2 / 2 - z e. A product of tiles gives all s of 64
 * rows and 256 codes, with a rounding error that depends on where in the tile a code stands; so it only proposes, and the distance in
 * double decides. If code k is nearer than the best so far, s_k < (best - |z|^2) / 2, and its rounded value is at most E above that, with
 *     E = (d + 4) 2^-22 (|z| max|e| + max|e|^2 / 2),
 * four times the bound (d + 2) 2^-24 (...) on the error of a sum of d products in any order and of half |e|^2. Codes above that limit are
 * passed over; the others, some ten of 256, are measured. So the result is that of brute force in double, ties to the lower index. */

enum { TILE_ROWS = 64, TILE_CODES = 256 };

struct nearest_state {
    struct tessi_dense full, last_rows, last_codes, last_both;
    size_t own; /* bytes before the kernels' scratch: half squares, one tile */
};

static int plan_tile(struct tess_call *c, struct tess_graph *g, int64_t m, int64_t n, int64_t d, struct tessi_dense *out, size_t *scratch)
{
    if (m == 0 || n == 0)
        return TESS_OK;
    struct tess_dense k = tessi_gemm(m, n, d, 0, d, 1, d, n);
    return tessi_dense_plan(c, g, &k, TESS_F32, NULL, out, scratch);
}

static int nearest_prepare(struct tess_call *c, struct tess_graph *g, struct tessi_step *s)
{
    int64_t codes = s->in[1]->shape.dim[0], d = s->in[1]->shape.dim[1], rows = tess_tensor_count(&s->in[0]->shape) / d;
    size_t scratch = 0;
    if (!s->state)
        TESS_TRY(tess_alloc(c, sizeof(struct nearest_state), "an operation", &s->state));
    struct nearest_state *k = s->state;
    int64_t m = rows < TILE_ROWS ? 0 : TILE_ROWS, n = codes < TILE_CODES ? 0 : TILE_CODES;
    TESS_TRY(plan_tile(c, g, m, n, d, &k->full, &scratch));
    TESS_TRY(plan_tile(c, g, rows % TILE_ROWS, n, d, &k->last_rows, &scratch));
    TESS_TRY(plan_tile(c, g, m, codes % TILE_CODES, d, &k->last_codes, &scratch));
    TESS_TRY(plan_tile(c, g, rows % TILE_ROWS, codes % TILE_CODES, d, &k->last_both, &scratch));
    k->own = (((size_t)codes + TILE_ROWS * TILE_CODES) * sizeof(float) + 63) / 64 * 64;
    s->scratch_forward = k->own + scratch;
    return TESS_OK;
}

static void nearest_drop(struct tess_graph *g, struct tessi_step *s)
{
    struct nearest_state *k = s->state;
    (void)g;
    if (!k)
        return;
    tessi_dense_drop(&k->full);
    tessi_dense_drop(&k->last_rows);
    tessi_dense_drop(&k->last_codes);
    tessi_dense_drop(&k->last_both);
}

struct row {                    /* the best of one row so far */
    double square, best;        /* |z|^2; squared distance */
    float slack, limit, two[2]; /* two: the lowest two s, where the margin is wanted */
    int32_t code;
};

static void measure(const struct tessi_kernels *kernels, int64_t n, const float *half, const float *dot, const float *z, const float *book,
                    int64_t d, int64_t first, struct row *w)
{
    for (int64_t k = 0; k < n; k++) {
        int64_t next = kernels->first_below(n - k, half + k, dot + k, w->limit);
        if (next < 0)
            return;
        k += next;
        double distance = kernels->square_distance(d, z, book + k * d);
        if (distance < w->best) {
            w->best = distance;
            w->code = (int32_t)(first + k);
            w->limit = (float)(0.5 * (distance - w->square)) + w->slack;
        }
    }
}

/* No code but the nearest is nearer than this. When the nearest's own s is below the second lowest by more than E it is the lowest, and all
 * others have at least the second; else all have at least the lowest. Each s may be E too high. */
static float margin(const struct row *w)
{
    double own = 0.5 * (w->best - w->square), other = own + (double)w->slack < (double)w->two[1] ? (double)w->two[1] : (double)w->two[0];
    double square = w->square + 2.0 * (other - (double)w->slack);
    return square > 0.0 ? (float)(sqrt(square) * (1.0 - 1e-6)) : 0.0f;
}

static int nearest_forward(const struct tess_op_run *r)
{
    const struct nearest_state *k = r->host_state;
    const struct tessi_kernels *kernels = tessi_kernels();
    int64_t codes = r->in[1].dim[0], d = r->in[1].dim[1], rows = tess_tensor_count(&r->in[0]) / d;
    const float *z = r->in[0].data, *book = r->in[1].data;
    float *half = r->scratch, *tile = half + codes;
    int32_t *out = r->out[0].data;
    double widest = 0.0;
    for (int64_t j = 0; j < codes; j++) {
        double square = kernels->dot(d, book + j * d, book + j * d);
        half[j] = (float)(0.5 * square);
        widest = square > widest ? square : widest;
    }
    for (int64_t i = 0; i < rows; i += TILE_ROWS) {
        int64_t m = rows - i < TILE_ROWS ? rows - i : TILE_ROWS;
        struct row row[TILE_ROWS];
        for (int64_t p = 0; p < m; p++) {
            double square = kernels->dot(d, z + (i + p) * d, z + (i + p) * d);
            double slack = (double)(d + 4) * 0x1p-22 * (sqrt(square * widest) + 0.5 * widest);
            row[p] = (struct row){
                .square = square, .best = INFINITY, .slack = (float)slack, .limit = INFINITY, .two = {INFINITY, INFINITY}, .code = -1};
        }
        for (int64_t j = 0; j < codes; j += TILE_CODES) {
            int64_t n = codes - j < TILE_CODES ? codes - j : TILE_CODES;
            const struct tessi_dense *kernel =
                m == TILE_ROWS ? (n == TILE_CODES ? &k->full : &k->last_codes) : (n == TILE_CODES ? &k->last_rows : &k->last_both);
            TESS_TRY(tessi_dense_run(r, kernel, k->own, z + i * d, book + j * d, NULL, tile));
            for (int64_t p = 0; p < m; p++)
                measure(kernels, n, half + j, tile + p * n, z + (i + p) * d, book + j * d, d, j, &row[p]);
            for (int64_t p = 0; p < m && r->outputs > 1; p++)
                kernels->lowest_two(n, half + j, tile + p * n, row[p].two);
        }
        for (int64_t p = 0; p < m; p++) {
            out[i + p] = row[p].code;
            if (r->outputs > 1)
                ((float *)r->out[1].data)[i + p] = margin(&row[p]);
            if (row[p].code < 0)
                return r->call->fail(
                    r->call, TESS_E_FAILED,
                    "latent vector %lld is not finite: the encoder has diverged; lower the learning rate or clip gradients",
                    (long long)(i + p));
        }
    }
    return TESS_OK;
}

static const struct tessi_op op_nearest = {.op = {.size = sizeof(struct tess_op), .name = "nearest", .forward = nearest_forward},
                                           .prepare = nearest_prepare,
                                           .drop = nearest_drop};

struct tess_node *tessi_nearest_margin(struct tess_graph *g, struct tess_node *vectors, struct tess_node *book, struct tess_node **distance)
{
    struct tess_tensor y[2] = {vectors->shape, vectors->shape};
    y[0].dtype = TESS_I32;
    y[0].rank = y[1].rank = 1;
    struct tess_node *in[2] = {vectors, book};
    struct tess_node *codes =
        tessi_record(g, &op_nearest, NULL, 0, 2, in, 2, y, 2.0 * (double)tess_tensor_count(&vectors->shape) * (double)book->shape.dim[0]);
    *distance = codes ? g->step[g->steps - 1]->out[1] : NULL;
    return codes;
}

struct tess_node *tess_nearest(struct tess_graph *g, struct tess_node *latent, struct tess_node *book)
{
    char left[96], right[96];
    if (!latent || !book)
        return NULL;
    struct tess_tensor y = latent->shape;
    if (y.rank < 1 || y.dtype != TESS_F32 || book->shape.rank != 2 || book->shape.dim[1] != y.dim[y.rank - 1])
        return tess_graph_fail(g, TESS_E_SHAPE, "nearest rows of %s for %s: the last dimensions must agree",
                               tess_tensor_text(&book->shape, right, sizeof right), tess_tensor_text(&y, left, sizeof left));
    y.dtype = TESS_I32;
    y.dim[--y.rank] = 1;
    struct tess_node *in[2] = {latent, book};
    return tessi_record(g, &op_nearest, NULL, 0, 2, in, 1, &y,
                        2.0 * (double)tess_tensor_count(&latent->shape) * (double)book->shape.dim[0]);
}

/* ---- counts and sums of an assignment ---- */

static int statistics_forward(const struct tess_op_run *r)
{
    int64_t d = r->in[1].dim[r->in[1].rank - 1], n = tess_tensor_count(&r->in[0]);
    const int32_t *code = r->in[0].data;
    float *counts = r->out[0].data, *sums = r->out[1].data;
    TESS_TRY(in_range(r, "code statistics", code, n, r->out[0].dim[0]));
    memset(counts, 0, tess_tensor_bytes(&r->out[0]));
    memset(sums, 0, tess_tensor_bytes(&r->out[1]));
    for (int64_t i = 0; i < n; i++) {
        counts[code[i]] += 1.0f;
        tessi_kernels()->accumulate(d, (const float *)r->in[1].data + i * d, sums + code[i] * d);
    }
    return TESS_OK;
}

static const struct tess_op op_statistics = {.size = sizeof(struct tess_op), .name = "code_statistics", .forward = statistics_forward};

void tess_code_statistics(struct tess_graph *g, struct tess_node *codes, struct tess_node *latent, int64_t codebook_size,
                          struct tess_node **counts, struct tess_node **sums)
{
    *counts = *sums = NULL;
    if (!codes || !latent)
        return;
    int64_t d = latent->shape.dim[latent->shape.rank - 1];
    if (codes->shape.dtype != TESS_I32 || tess_tensor_count(&codes->shape) * d != tess_tensor_count(&latent->shape)) {
        tess_graph_fail(g, TESS_E_SHAPE, "code statistics want one i32 code a latent vector");
        return;
    }
    struct tess_tensor out[2] = {tessi_shape(TESS_F32, 1, &codebook_size), tessi_shape(TESS_F32, 2, (int64_t[]){codebook_size, d})};
    struct tess_node *in[2] = {codes, latent}, *nodes[2];
    tess_custom(g, &op_statistics, NULL, 0, 2, in, 2, out, 0, (double)tess_tensor_count(&latent->shape), nodes);
    *counts = nodes[0];
    *sums = nodes[1];
}

/* ---- sinusoid: y[j] = sin(scale t f_j), y[j + half] = cos(scale t f_j), f_j = 10000^(-j / (half - 1)) ---- */

static int sinusoid_forward(const struct tess_op_run *r)
{
    int64_t width = r->out[0].dim[1], half = width / 2;
    double scale = (double)*(const float *)r->attr;
    for (int64_t i = 0; i < r->in[0].dim[0]; i++)
        for (int64_t j = 0; j < half; j++) {
            double f = half > 1 ? exp(-log(10000.0) * (double)j / (double)(half - 1)) : 1.0;
            double angle = scale * (double)((const float *)r->in[0].data)[i] * f;
            ((float *)r->out[0].data)[i * width + j] = (float)sin(angle);
            ((float *)r->out[0].data)[i * width + half + j] = (float)cos(angle);
        }
    return TESS_OK;
}

static const struct tessi_op op_sinusoid = {.op = {.size = sizeof(struct tess_op), .name = "sinusoid", .forward = sinusoid_forward}};

struct tess_node *tess_sinusoid(struct tess_graph *g, struct tess_node *t, int64_t width, float scale)
{
    char text[96];
    if (!t)
        return NULL;
    if (t->shape.rank != 1 || t->shape.dtype != TESS_F32 || width < 2 || width % 2)
        return tess_graph_fail(g, TESS_E_SHAPE, "a sinusoid of %lld values for %s: t (N) f32 and an even width are wanted",
                               (long long)width, tess_tensor_text(&t->shape, text, sizeof text));
    struct tess_tensor y = tessi_shape(TESS_F32, 2, (int64_t[]){t->shape.dim[0], width});
    return tessi_record(g, &op_sinusoid, &scale, sizeof scale, 1, &t, 1, &y, 0.0);
}
