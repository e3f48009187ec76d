/* Causal attention of one token over those before it, whose keys and values are kept from run to run (docs/models.md, (20.5)).
 *
 * A layer's keys lie in memory as (rows, heads, tokens, d), its values behind them in the same way: what a step of one head reads is one
 * piece, and all that a step writes is two rows of d values a head. No matrix product is worth its name here, every key is read once for
 * one query, so there are loops of our own, whose sums have one order whatever the batch.
 *
 * `ready` counts the positions of a row that are there. It costs nothing beside the rest, and without it a caller that leaves out a
 * position, or another row's microbatch, would silently attend to whatever was in memory.
 *
 * SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"
#include "core/graph/cache.h"
#include "core/ops/backend_gemm.h"
#include "core/kernels/kernels.h"
#include "core/graph/bf16_view.h"

#include <math.h>

struct cached {
    struct tess_cache *cache;
    int64_t layer, c, d;
    int32_t heads;
    float scale;
};

/* Cached keys of head h for a row of the microbatch; its values lie `beside` bytes behind. */
static char *keys_of(const struct cached *a, int64_t place, int32_t h, size_t *beside)
{
    const struct tess_cache *k = a->cache;
    *beside = tessi_graph_cache_half(k, a->layer);
    return k->memory + k->at[a->layer] + (size_t)((place * a->heads + h) * k->tokens * a->d) * tess_dtype_size(k->stored);
}

/* The d values of head h of row n. */
static struct tess_tensor head_of(const struct tess_tensor *t, const struct cached *a, int64_t n, int32_t h)
{
    struct tess_tensor one = tess_tensor_over(NULL, t->dtype, 1, &a->d);
    one.data = (char *)t->data + (size_t)(n * a->c + h * a->d) * tess_dtype_size(t->dtype);
    return one;
}

static void attention_cached_put(const struct cached *a, struct tess_tensor from, int64_t position, char *rows)
{
    struct tess_tensor to = tess_tensor_over(NULL, a->cache->stored, 1, &a->d);
    to.data = rows + (size_t)(position * a->d) * tess_dtype_size(a->cache->stored);
    tessi_graph_bf16_view_copy(&from, &to);
}

/* Head h of row n: s_j = q . k_j, p = softmax(s / sqrt d), y = sum_j p_j v_j, j = 0 .. position. */
static void attention_cached_attend(const struct tess_op_run *r, int64_t n, int32_t h, int64_t place, int64_t position)
{
    const struct cached *a = r->attr;
    const struct tessi_kernels_stored_kernels *kernels = tessi_kernels_stored_kernels(a->cache->stored);
    float *score = r->scratch, *q = score + a->cache->tokens, *y = q + a->d;
    struct tess_tensor given = head_of(&r->in[0], a, n, h), query = tess_tensor_over(q, TESS_F32, 1, &a->d);
    struct tess_tensor sum = tess_tensor_over(y, TESS_F32, 1, &a->d), result = head_of(&r->out[0], a, n, h);
    size_t beside;
    char *keys = keys_of(a, place, h, &beside), *values = keys + beside;
    attention_cached_put(a, head_of(&r->in[1], a, n, h), position, keys);
    attention_cached_put(a, head_of(&r->in[2], a, n, h), position, values);
    tessi_graph_bf16_view_copy(&given, &query);
    kernels->row_products(position + 1, a->d, keys, q, score);
    (void)tessi_kernels()->as_f32.softmax(position + 1, a->scale, score, score);
    kernels->row_mixture(position + 1, a->d, values, score, y);
    tessi_graph_bf16_view_copy(&sum, &result);
}

/* The row's place in the cache, whose next position may be `position`. */
static int check_row(const struct tess_op_run *r, int64_t place, int64_t position)
{
    const struct cached *a = r->attr;
    const struct tess_cache *k = a->cache;
    if (place >= k->rows)
        return r->context->fail(r->context, TESS_E_INTERNAL, "cached attention: row %lld of a batch, where the cache has %lld",
                                (long long)place, (long long)k->rows);
    int64_t ready = k->ready[a->layer * k->rows + place];
    if (position < 0 || position >= k->tokens || position > ready)
        return r->context->fail(r->context, TESS_E_DATA,
                             "cached attention: position %lld of row %lld, where the next may be 0 .. %lld of %lld tokens; give all "
                             "positions, in order",
                             (long long)position, (long long)place, (long long)(ready < k->tokens ? ready : k->tokens - 1),
                             (long long)k->tokens);
    return TESS_OK;
}

static int cached_forward(const struct tess_op_run *r)
{
    const struct cached *a = r->attr;
    for (int64_t n = 0; n < r->rows; n++) {
        int64_t place = (int64_t)r->random.sample + n, position = ((const int32_t *)r->in[3].data)[n];
        TESS_TRY(check_row(r, place, position));
        for (int32_t h = 0; h < a->heads; h++)
            attention_cached_attend(r, n, h, place, position);
        a->cache->ready[a->layer * a->cache->rows + place] = (int32_t)position + 1;
    }
    return TESS_OK;
}

static int attention_cached_prepare(struct tess_context *ctx, struct tess_graph *g, struct tessi_step *s)
{
    const struct cached *a = s->attr;
    (void)ctx;
    a->cache->stored = tessi_ops_operands(g);
    s->scratch_forward = (size_t)(a->cache->tokens + 2 * a->d) * sizeof(float);
    return TESS_OK;
}

static const struct tessi_op op_cached = {
    .op = {.size = sizeof(struct tess_op), .name = "cached attention", .forward = cached_forward},
    .prepare = attention_cached_prepare,
    .bf16_in = 7,
    .bf16_out = 1};

/* A layer of the cache for one more operation of the graph; gives its number. */
static int64_t attention_cached_claim(struct tess_graph *g, struct tess_cache *k, int64_t width)
{
    k->graph = g;
    g->cache = k;
    k->rows = g->microbatch * g->microbatches;
    k->width[k->layers] = width;
    return k->layers++;
}

struct tess_node *tess_attention_cached(struct tess_graph *g, struct tess_node *q, struct tess_node *k, struct tess_node *v,
                                        struct tess_node *position, struct tess_cache *cache, int32_t heads)
{
    char left[96], right[96];
    if (!TESSI_NODES(g, "cached attention", q, k, v, position))
        return NULL;
    const struct tess_tensor *s = &q->shape, *at = &position->shape;
    if (s->rank != 3 || s->dtype != TESS_F32 || s->dim[0] != g->microbatch || s->dim[1] != 1 || !tess_tensor_same_shape(s, &k->shape) ||
        !tess_tensor_same_shape(s, &v->shape) || heads < 1 || s->dim[2] % heads)
        return tess_graph_fail(g, TESS_E_SHAPE, "cached attention of %s over %s with %d heads: one token each is wanted, of a "
                                                "width that heads divide",
                               tess_tensor_text(s, left, sizeof left),
                               tess_tensor_text(&k->shape, right, sizeof right), (int)heads);
    if (at->dtype != TESS_I32 || at->rank != 2 || at->dim[0] != g->microbatch || at->dim[1] != 1)
        return tess_graph_fail(g, TESS_E_SHAPE, "cached attention at %s: positions i32 (N, 1) are wanted",
                               tess_tensor_text(at, left, sizeof left));
    if (!cache)
        return tess_graph_fail(g, TESS_E_VALUE, "cached attention: its cache is NULL");
    if ((cache->graph && cache->graph != g) || (g->cache && g->cache != cache) || cache->layers == LAYERS_MAX || g->training)
        return tess_graph_fail(g, TESS_E_VALUE, "cached attention wants one cache for one graph of inference, of at most %d layers",
                               (int)LAYERS_MAX);
    struct cached a = {
        .cache = cache, .layer = attention_cached_claim(g, cache, s->dim[2]), .c = s->dim[2], .d = s->dim[2] / heads, .heads = heads};
    a.scale = (float)(1.0 / sqrt((double)a.d));
    struct tess_node *in[4] = {q, k, v, position};
    return tessi_graph_record(g, &op_cached, &a, sizeof a, 4, in, 1, s, 2.0 * (double)(s->dim[0] * (cache->tokens + 1) * a.c));
}
