/* Operations over codes: embedding, statistics of an assignment, and the sinusoid of time.
 * SPDX-License-Identifier: MIT */
#include <tessera/codes.h>

#include "core/graph/arguments.h"
#include "core/kernels/kernels.h"
#include "core/graph/node.h"
#include "core/graph/bf16_view.h"

#include <math.h>
#include <string.h>

static int codes_in_range(const struct tess_op_run *r, const char *what, const int32_t *code, int64_t n, int64_t size)
{
    for (int64_t i = 0; i < n; i++)
        if (code[i] < 0 || code[i] >= size)
            return r->context->fail(r->context, TESS_E_DATA, "%s: code %d at position %lld is outside 0 .. %lld", what, (int)code[i],
                                 (long long)i, (long long)(size - 1));
    return TESS_OK;
}

/* ---- embedding: y[i] = table[code[i]] ---- */

static int embedding_forward(const struct tess_op_run *r)
{
    int64_t n = tess_tensor_count(&r->in[0]), c = r->in[1].dim[1];
    const int32_t *code = r->in[0].data;
    TESS_TRY(codes_in_range(r, "embedding", code, n, r->in[1].dim[0]));
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
        for (int64_t k = 0; k < c; k += TESSI_BF16_VIEW) {
            float buffer[TESSI_BF16_VIEW];
            int64_t m = c - k < TESSI_BF16_VIEW ? c - k : TESSI_BF16_VIEW;
            tessi_kernels()->accumulate(m, tessi_graph_bf16_view_in(&r->dout[0], i * c + k, m, buffer),
                                        (float *)r->din[1].data + code[i] * c + k);
        }
    return TESS_OK;
}

static const struct tessi_op op_embedding = {
    .op = {
        .size = sizeof(struct tess_op), .name = "embedding", .keep_in = 1, .forward = embedding_forward, .backward = embedding_backward},
    .bf16_out = 1};

struct tess_node *tess_embedding(struct tess_graph *g, struct tess_node *codes, struct tess_node *table)
{
    char left[96], right[96];
    if (!TESSI_NODES(g, "embedding", codes, table))
        return NULL;
    struct tess_tensor y = codes->shape;
    if (y.dtype != TESS_I32 || table->shape.rank != 2 || table->shape.dtype != TESS_F32 || y.rank >= TESS_MAX_RANK)
        return tess_graph_fail(g, TESS_E_SHAPE, "embedding of %s in %s: i32 codes and a table (V, C) are wanted",
                               tess_tensor_text(&y, left, sizeof left), tess_tensor_text(&table->shape, right, sizeof right));
    y.dtype = TESS_F32;
    y.dim[y.rank++] = table->shape.dim[1];
    struct tess_node *in[2] = {codes, table};
    return tessi_graph_record(g, &op_embedding, NULL, 0, 2, in, 1, &y, 0.0);
}

/* ---- one-hot: y[i, k] = 1 where k is code[i], else 0 ---- */

static int one_hot_forward(const struct tess_op_run *r)
{
    int64_t n = tess_tensor_count(&r->in[0]), size = r->out[0].dim[r->out[0].rank - 1];
    const int32_t *code = r->in[0].data;
    float *y = r->out[0].data;
    TESS_TRY(codes_in_range(r, "one_hot", code, n, size));
    memset(y, 0, tess_tensor_bytes(&r->out[0]));
    for (int64_t i = 0; i < n; i++)
        y[i * size + code[i]] = 1.0f;
    return TESS_OK;
}

static const struct tessi_op op_one_hot = {.op = {.size = sizeof(struct tess_op), .name = "one_hot", .forward = one_hot_forward}};

struct tess_node *tess_one_hot(struct tess_graph *g, struct tess_node *codes, int64_t size)
{
    char text[96];
    if (!TESSI_NODES(g, "one_hot", codes))
        return NULL;
    struct tess_tensor y = codes->shape;
    if (y.dtype != TESS_I32 || y.rank >= TESS_MAX_RANK || size < 1 || size > INT32_MAX)
        return tess_graph_fail(g, TESS_E_SHAPE,
                               "one_hot of %s in %lld values: i32 of at most %d dimensions and 1 .. 2147483647 values are wanted",
                               tess_tensor_text(&y, text, sizeof text), (long long)size, TESS_MAX_RANK - 1);
    y.dtype = TESS_F32;
    y.dim[y.rank++] = size;
    return tessi_graph_record(g, &op_one_hot, NULL, 0, 1, &codes, 1, &y, 0.0);
}

/* ---- argmax: where the last dimension is largest; of equals the first, of NaN the first NaN ---- */

static int argmax_forward(const struct tess_op_run *r)
{
    int64_t n = tess_tensor_count(&r->out[0]), k = r->in[0].dim[r->in[0].rank - 1];
    const float *x = r->in[0].data;
    int32_t *y = r->out[0].data;
    for (int64_t i = 0; i < n; i++, x += k) {
        int64_t best = 0;
        for (int64_t j = 1; j < k && x[best] == x[best]; j++)
            if (x[j] > x[best] || x[j] != x[j])
                best = j;
        y[i] = (int32_t)best;
    }
    return TESS_OK;
}

static const struct tessi_op op_argmax = {.op = {.size = sizeof(struct tess_op), .name = "argmax", .forward = argmax_forward}};

struct tess_node *tess_argmax(struct tess_graph *g, struct tess_node *x)
{
    char text[96];
    if (!TESSI_NODES(g, "argmax", x))
        return NULL;
    struct tess_tensor y = x->shape;
    if (y.dtype != TESS_F32 || y.rank < 1 || y.dim[y.rank - 1] > INT32_MAX)
        return tess_graph_fail(g, TESS_E_SHAPE, "argmax wants f32 (..., K), not %s", tess_tensor_text(&y, text, sizeof text));
    y.dtype = TESS_I32;
    y.dim[--y.rank] = 1;
    return tessi_graph_record(g, &op_argmax, NULL, 0, 1, &x, 1, &y, (double)tess_tensor_count(&x->shape));
}

/* ---- counts and sums of an assignment ---- */

static int statistics_forward(const struct tess_op_run *r)
{
    int64_t d = r->in[1].dim[r->in[1].rank - 1], n = tess_tensor_count(&r->in[0]);
    const int32_t *code = r->in[0].data;
    float *counts = r->out[0].data, *sums = r->out[1].data;
    TESS_TRY(codes_in_range(r, "code_statistics", code, n, r->out[0].dim[0]));
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
    if (!counts || !sums) {
        tess_graph_fail(g, TESS_E_VALUE, "code_statistics: there is no place for its results");
        return;
    }
    *counts = *sums = NULL;
    if (!TESSI_NODES(g, "code_statistics", codes, latent))
        return;
    int64_t d = latent->shape.rank ? latent->shape.dim[latent->shape.rank - 1] : 1;
    if (codes->shape.dtype != TESS_I32 || latent->shape.dtype != TESS_F32 || codebook_size > TESSI_VALUES_MAX ||
        tess_tensor_count(&codes->shape) * d != tess_tensor_count(&latent->shape)) {
        char left[96], right[96];
        tess_graph_fail(g, TESS_E_SHAPE,
                        "code_statistics of %s and %s in %lld rows: i32, a code for each f32 vector, and a codebook are wanted",
                        tess_tensor_text(&codes->shape, left, sizeof left), tess_tensor_text(&latent->shape, right, sizeof right),
                        (long long)codebook_size);
        return;
    }
    struct tess_tensor out[2] = {tessi_graph_shape(TESS_F32, 1, &codebook_size),
                                 tessi_graph_shape(TESS_F32, 2, (int64_t[]){codebook_size, d})};
    struct tess_node *in[2] = {codes, latent}, *nodes[2];
    tess_custom(g, &op_statistics, NULL, 0, 2, in, 2, out, 0, (double)tess_tensor_count(&latent->shape), nodes);
    *counts = nodes[0];
    *sums = nodes[1];
}

/* ---- sinusoid: y[j] = sin(scale t f_j), y[j + half] = cos(scale t f_j), f_j = 10000^(-j / (half - 1)) (10.5) ---- */

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
    if (!TESSI_NODES(g, "sinusoid", t))
        return NULL;
    if (t->shape.rank != 1 || t->shape.dtype != TESS_F32 || width < 2 || width % 2 || width > INT32_MAX || !isfinite(scale))
        return tess_graph_fail(g, TESS_E_SHAPE, "a sinusoid of %lld values for %s: t (N) f32 and an even width are wanted",
                               (long long)width, tess_tensor_text(&t->shape, text, sizeof text));
    struct tess_tensor y = tessi_graph_shape(TESS_F32, 2, (int64_t[]){t->shape.dim[0], width});
    return tessi_graph_record(g, &op_sinusoid, &scale, sizeof scale, 1, &t, 1, &y, 0.0);
}
