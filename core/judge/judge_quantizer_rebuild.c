/* Kind quantizer/1: codebooks rebuilt from a pool of latents. SPDX-License-Identifier: MIT */
#include "core/judge/judge_quantizer.h"

#include <math.h>
#include <string.h>

enum { POOL_DRAWN, POOL_EQUAL, POOL_ONE, POOL_NAN, POOLS };

struct rebuilt {
    struct tess_tensor pool, copy, codebook;
};

static int rebuilt_tensor(struct judge *j, int64_t rows, int64_t d, struct tess_tensor *out)
{
    void *memory;
    *out = tess_tensor_over(NULL, TESS_F32, 2, (const int64_t[]){rows, d});
    JUDGE_TRY(judge_ok(j, j->ctx, "the test", tess_alloc(j->ctx, tess_tensor_bytes(out) + 1, "a pool", &memory)));
    out->data = memory;
    return TESS_OK;
}

static int rebuilt_open(struct judge *j, int64_t k, int64_t d, int pool, struct rebuilt *r)
{
    int64_t rows = pool == POOL_ONE ? 1 : 3 * k + 7;
    memset(r, 0, sizeof *r);
    JUDGE_TRY(rebuilt_tensor(j, rows, d, &r->pool));
    JUDGE_TRY(rebuilt_tensor(j, rows, d, &r->copy));
    JUDGE_TRY(rebuilt_tensor(j, k, d, &r->codebook));
    for (int64_t i = 0; i < k * d; i++) /* a row that is left as it was is no row of a codebook */
        ((float *)r->codebook.data)[i] = NAN;
    const struct tess_stream s = {.seed = j->seed, .purpose = tess_purpose("pool")};
    float *x = r->pool.data;
    for (int64_t i = 0; i < rows * d && pool == POOL_EQUAL; i++)
        x[i] = 0.5f;
    if (pool != POOL_EQUAL)
        tess_random_normal(&s, 0, rows * d, x);
    if (pool == POOL_NAN)
        x[(rows / 2) * d] = NAN;
    memcpy(r->copy.data, x, tess_tensor_bytes(&r->pool));
    return TESS_OK;
}

static void rebuilt_close(struct rebuilt *r)
{
    tess_free(r->pool.data);
    tess_free(r->copy.data);
    tess_free(r->codebook.data);
}

static int rebuilt_from(struct judge *j, const struct tess_quantizer_1 *ops, void *self, int pool)
{
    static const char *const what[POOLS] = {"drawn rows", "rows that are all equal", "one row", "a row that is no number"};
    struct rebuilt r;
    char text[120];
    int status = rebuilt_open(j, ops->codebook_size(self), ops->code_dim(self), pool, &r);
    int rebuilt = status == TESS_OK ? ops->rebuild(self, j->ctx, &r.pool, j->seed, &r.codebook) : TESS_OK;
    if (status == TESS_OK)
        status = judge_status(j, j->ctx, "rebuild", rebuilt);
    if (status == TESS_OK && rebuilt != TESS_OK && (pool == POOL_DRAWN || (rebuilt != TESS_E_VALUE && rebuilt != TESS_E_DATA)))
        status = judge_fail(j, "rebuild of %s: wanted %s, found status %d: %s", what[pool],
                            pool == POOL_DRAWN ? "a codebook" : "a codebook, TESS_E_VALUE or TESS_E_DATA", rebuilt, tess_message(j->ctx));
    if (status == TESS_OK && rebuilt == TESS_OK && judge_not_finite(&r.codebook, text, sizeof text))
        status = judge_fail(j, "rebuild of %s: wanted finite rows, found that %s", what[pool], text);
    if (status == TESS_OK && memcmp(r.pool.data, r.copy.data, tess_tensor_bytes(&r.pool)) != 0)
        status = judge_fail(j, "rebuild of %s: wanted the pool left as it was, found it changed", what[pool]);
    tess_forget(j->ctx);
    if (status == TESS_OK && rebuilt == TESS_OK && pool == POOL_DRAWN) {
        struct tess_tensor first = r.codebook;
        status = rebuilt_tensor(j, first.dim[0], first.dim[1], &r.codebook);
        if (status == TESS_OK)
            status = judge_ok(j, j->ctx, "rebuild", ops->rebuild(self, j->ctx, &r.pool, j->seed, &r.codebook));
        if (status == TESS_OK && memcmp(first.data, r.codebook.data, tess_tensor_bytes(&first)) != 0)
            status = judge_fail(j, "rebuild: wanted the same codebook of the same pool and seed");
        tess_free(first.data);
    }
    rebuilt_close(&r);
    return status;
}

static int rebuilt_none(struct judge *j, const struct tess_quantizer_1 *ops, void *self)
{
    if (TESS_HAS(ops, rebuild) && ops->rebuild && ops->codebook_size(self) <= 4096)
        return TESS_OK;
    return judge_unfit(j, "it has no `rebuild`, or too many codes");
}

static int rebuilt_drawn_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_quantizer_1 *ops = tess_instance_ops(i, "quantizer/1");
    int status = rebuilt_none(j, ops, tess_instance_self(i));
    return status == TESS_OK ? rebuilt_from(j, ops, tess_instance_self(i), POOL_DRAWN) : status;
}

int judge_quantizer_rebuild(struct judge *j)
{
    return judge_over(j, (int64_t)j->level, rebuilt_drawn_body);
}

static int rebuilt_unfit_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_quantizer_1 *ops = tess_instance_ops(i, "quantizer/1");
    int status = rebuilt_none(j, ops, tess_instance_self(i));
    for (int pool = POOL_EQUAL; status == TESS_OK && pool < POOLS; pool++)
        status = rebuilt_from(j, ops, tess_instance_self(i), pool);
    return status;
}

int judge_quantizer_rebuild_unfit(struct judge *j)
{
    return judge_over(j, (int64_t)j->level, rebuilt_unfit_body);
}
