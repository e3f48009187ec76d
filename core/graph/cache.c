/* The memory of a cache of keys and values; core/ops/op_attention_cached.c says what is in it. SPDX-License-Identifier: MIT */
#include "core/graph/cache.h"

int tess_cache_new(struct tess_context *ctx, int64_t tokens, struct tess_cache **out)
{
    void *memory;
    if (!out)
        return ctx->fail(ctx, TESS_E_VALUE, "a cache of keys and values: there is no place for it (NULL)");
    *out = NULL;
    if (tokens < 1 || tokens > INT32_MAX)
        return ctx->fail(ctx, TESS_E_VALUE, "a cache of keys and values of %lld tokens; 1 .. %d are possible", (long long)tokens,
                         INT32_MAX);
    TESS_TRY(tess_alloc(ctx, sizeof(struct tess_cache), "a cache of keys and values", &memory));
    *out = memory;
    (*out)->tokens = tokens;
    (*out)->stored = TESS_F32;
    return TESS_OK;
}

void tess_cache_free(struct tess_cache *k)
{
    if (!k)
        return;
    tess_free(k->memory);
    tess_free(k->ready);
    tess_free(k);
}

size_t tessi_graph_cache_half(const struct tess_cache *k, int64_t layer)
{
    return (size_t)(k->rows * k->tokens * k->width[layer]) * tess_dtype_size(k->stored);
}

static size_t values_bytes(const struct tess_cache *k)
{
    size_t bytes = 0;
    for (int64_t i = 0; i < k->layers; i++)
        bytes += 2 * tessi_graph_cache_half(k, i);
    return bytes;
}

static size_t ready_bytes(const struct tess_cache *k)
{
    return (size_t)(k->layers * k->rows) * sizeof *k->ready;
}

int64_t tessi_graph_cache_bytes(const struct tess_cache *k)
{
    return k ? (int64_t)(values_bytes(k) + ready_bytes(k)) : 0;
}

int tessi_graph_cache_reserve(struct tess_context *ctx, struct tess_cache *k)
{
    void *memory;
    size_t at = 0;
    if (!k || k->ready)
        return TESS_OK;
    if (!k->memory) {
        TESS_TRY(tess_alloc(ctx, values_bytes(k), "keys and values", &memory));
        k->memory = memory;
    }
    TESS_TRY(tess_alloc(ctx, ready_bytes(k), "keys and values", &memory));
    k->ready = memory;
    for (int64_t i = 0; i < k->layers; i++) {
        k->at[i] = at;
        at += 2 * tessi_graph_cache_half(k, i);
    }
    return TESS_OK;
}
