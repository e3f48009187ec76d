/* See rebuild.h. SPDX-License-Identifier: MIT */
#include "kit/codebook/rebuild.h"

#include <tessera/kmeans.h>

#include <string.h>

/* FNV-1a over the values' bits; 0 and -0 are the same value. */
static uint64_t rebuild_hash(const float *vector, int64_t width)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (int64_t i = 0; i < width; i++) {
        float x = vector[i] + 0.0f;
        uint32_t bits;
        memcpy(&bits, &x, sizeof bits);
        h = (h ^ bits) * 0x100000001b3u;
    }
    return h ^ h >> 32;
}

static int rebuild_alike(const float *a, const float *b, int64_t width)
{
    for (int64_t i = 0; i < width; i++)
        if (a[i] < b[i] || a[i] > b[i])
            return 0;
    return 1;
}

/* Inserts row i into a hash table of 2^n places unless an equal row is there; gives 1 when it was inserted. */
static int rebuild_put(int64_t *place, uint64_t mask, const struct tess_tensor *vectors, int64_t i)
{
    const float *all = vectors->data;
    int64_t width = vectors->dim[1];
    uint64_t at = rebuild_hash(all + i * width, width) & mask;
    for (; place[at]; at = (at + 1) & mask)
        if (rebuild_alike(all + (place[at] - 1) * width, all + i * width, width))
            return 0;
    place[at] = i + 1;
    return 1;
}

/* Number of different rows, counted up to `enough`. A good pool has them among its first, so little of it is read. */
static int rebuild_different(struct tess_context *ctx, const struct tess_tensor *vectors, int64_t enough, int64_t *found)
{
    uint64_t places = 4;
    void *memory;
    while (places < 2 * (uint64_t)enough)
        places *= 2;
    TESS_TRY(tess_alloc(ctx, places * sizeof(int64_t), "a table of vectors", &memory));
    *found = 0;
    for (int64_t i = 0; i < vectors->dim[0] && *found < enough; i++)
        *found += rebuild_put(memory, places - 1, vectors, i);
    tess_free(memory);
    return TESS_OK;
}

int rebuild_check_pool(struct tess_context *ctx, const struct tess_tensor *vectors, int64_t codebook_size)
{
    int64_t found;
    TESS_TRY(rebuild_different(ctx, vectors, codebook_size, &found));
    if (found >= codebook_size)
        return TESS_OK;
    if (found == 1)
        return ctx->fail(ctx, TESS_E_DATA,
                       "the %lld vectors of the pool are all the same, which makes no %lld codes; train the encoder until its latents "
                       "differ",
                       (long long)vectors->dim[0], (long long)codebook_size);
    return ctx->fail(ctx, TESS_E_DATA,
                   "the %lld vectors of the pool are only %lld different ones, too few for %lld codes; give a larger pool or a smaller "
                   "codebook_size",
                   (long long)vectors->dim[0], (long long)found, (long long)codebook_size);
}

int rebuild_check_codebook(struct tess_context *ctx, const struct tess_tensor *codebook)
{
    int64_t found;
    TESS_TRY(rebuild_different(ctx, codebook, codebook->dim[0], &found));
    if (found == codebook->dim[0])
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_FAILED,
                   "only %lld of the %lld codes that k-means made are different; allow it more iterations, or choose another seeding",
                   (long long)found, (long long)codebook->dim[0]);
}

int rebuild_codebook(struct tess_context *ctx, const struct tess_tensor *pool, uint64_t seed, int64_t codebook_size, int64_t width,
                     struct tess_tensor *codebook)
{
    const struct tess_kmeans_options o = {.size = sizeof o,
                                          .seeding = TESS_SEED_AFKMC2,
                                          .codebook_size = codebook_size,
                                          .iterations = REBUILD_ITERATIONS,
                                          .tolerance = REBUILD_TOLERANCE,
                                          .seed = seed};
    char text[96];
    if (pool->dtype != TESS_F32 || pool->rank != 2 || pool->dim[1] != width)
        return ctx->fail(ctx, TESS_E_SHAPE, "a pool to rebuild the codebook from is %s; f32 vectors of %lld values are wanted",
                       tess_tensor_text(pool, text, sizeof text), (long long)width);
    if (pool->dim[0] < codebook_size)
        return ctx->fail(ctx, TESS_E_VALUE,
                         "a pool of %lld vectors cannot be made %lld codes; give a pool that is larger than the codebook",
                         (long long)pool->dim[0], (long long)codebook_size);
    TESS_TRY(rebuild_check_pool(ctx, pool, codebook_size));
    const struct tess_pool vectors = tess_pool_of(pool);
    TESS_TRY(tess_kmeans(ctx, &vectors, &o, codebook, NULL));
    return rebuild_check_codebook(ctx, codebook);
}
