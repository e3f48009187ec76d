/* Random test tensors, and comparison of tensors with a message on the worst element. SPDX-License-Identifier: MIT */
#include "core/testing/testing.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int new_tensor(struct tess_context *ctx, int32_t dtype, int32_t rank, const int64_t *dim, struct tess_tensor *out)
{
    tess_forget(ctx);
    *out = tess_tensor_over(NULL, dtype, rank, dim);
    return tess_alloc(ctx, tess_tensor_bytes(out) ? tess_tensor_bytes(out) : 1, "a tensor of a test", &out->data);
}

int tess_test_normal(struct tess_context *ctx, uint64_t seed, int32_t rank, const int64_t *dim, struct tess_tensor *out)
{
    struct tess_stream s = {.seed = seed, .purpose = tess_purpose("test.normal")};
    TESS_TRY(new_tensor(ctx, TESS_F32, rank, dim, out));
    tess_random_normal(&s, 0, tess_tensor_count(out), out->data);
    return TESS_OK;
}

int tess_test_codes(struct tess_context *ctx, uint64_t seed, int64_t codebook_size, int32_t rank, const int64_t *dim,
                    struct tess_tensor *out)
{
    struct tess_stream s = {.seed = seed, .purpose = tess_purpose("test.codes")};
    TESS_TRY(new_tensor(ctx, TESS_I32, rank, dim, out));
    for (int64_t i = 0; i < tess_tensor_count(out); i++)
        ((int32_t *)out->data)[i] = (int32_t)tess_random_below(&s, (uint64_t)i, codebook_size > 0 ? codebook_size : 1);
    return TESS_OK;
}

const char *tessi_testing_place(const struct tess_tensor *t, int64_t i, char *text, size_t capacity)
{
    int64_t at[TESS_MAX_RANK] = {0};
    size_t used = 0;
    for (int32_t k = t->rank - 1; k >= 0; k--) {
        at[k] = i % t->dim[k];
        i /= t->dim[k];
    }
    snprintf(text, capacity, "[");
    for (int32_t k = 0; k < t->rank; k++) {
        used = strlen(text);
        snprintf(text + used, capacity - used, "%s%lld", k ? ", " : "", (long long)at[k]);
    }
    used = strlen(text);
    snprintf(text + used, capacity - used, "]");
    return text;
}

static double element(const struct tess_tensor *t, int64_t i)
{
    switch (t->dtype) {
    case TESS_F32:
        return (double)((const float *)t->data)[i];
    case TESS_U8:
        return (double)((const uint8_t *)t->data)[i];
    case TESS_U16:
        return (double)((const uint16_t *)t->data)[i];
    case TESS_I32:
        return (double)((const int32_t *)t->data)[i];
    default:
        return NAN;
    }
}

static int same_shape(struct tess_context *ctx, const char *what, const struct tess_tensor *got, const struct tess_tensor *want)
{
    char a[96], b[96];
    tess_forget(ctx);
    if (!got->data || !want->data)
        return ctx->fail(ctx, TESS_E_FAILED, "%s: wanted two tensors to compare, found one without data", what);
    if (!tess_tensor_same_shape(got, want))
        return ctx->fail(ctx, TESS_E_FAILED, "%s: wanted %s, found %s", what, tess_tensor_text(want, a, sizeof a),
                         tess_tensor_text(got, b, sizeof b));
    return TESS_OK;
}

int tess_check_near(struct tess_context *ctx, const char *what, const struct tess_tensor *got, const struct tess_tensor *want,
                    double absolute, double relative)
{
    char place[96];
    int64_t wrong = 0, worst = 0, n = tess_tensor_count(got);
    double largest = -1.0;
    TESS_TRY(same_shape(ctx, what, got, want));
    for (int64_t i = 0; i < n; i++) {
        double w = element(want, i), off = fabs(element(got, i) - w) - (absolute + relative * fabs(w));
        if (off <= 0.0)
            continue;
        wrong++;
        off = isnan(off) ? INFINITY : off;
        worst = off > largest ? i : worst;
        largest = off > largest ? off : largest;
    }
    if (!wrong)
        return TESS_OK;
    return ctx->fail(
        ctx, TESS_E_FAILED, "%s: %lld of %lld values are not near what was wanted; the worst is at %s, wanted %.9g, found %.9g", what,
        (long long)wrong, (long long)n, tessi_testing_place(got, worst, place, sizeof place), element(want, worst), element(got, worst));
}

int tess_check_same(struct tess_context *ctx, const char *what, const struct tess_tensor *got, const struct tess_tensor *want)
{
    char place[96];
    TESS_TRY(same_shape(ctx, what, got, want));
    size_t size = tess_dtype_size(got->dtype);
    for (int64_t i = 0; i < tess_tensor_count(got); i++)
        if (memcmp((const char *)got->data + (size_t)i * size, (const char *)want->data + (size_t)i * size, size) != 0)
            return ctx->fail(ctx, TESS_E_FAILED, "%s: the bytes differ, first at %s: wanted %.9g, found %.9g", what,
                             tessi_testing_place(got, i, place, sizeof place), element(want, i), element(got, i));
    return TESS_OK;
}

static int wanted(struct tess_context *ctx, const char *what, const struct tess_tensor *got, int32_t dtype)
{
    char text[96];
    tess_forget(ctx);
    if (got->data && got->dtype == dtype)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_FAILED, "%s: wanted values of %s, found %s%s", what, tess_dtype_name(dtype),
                     tess_tensor_text(got, text, sizeof text), got->data ? "" : " without data");
}

int tess_check_finite(struct tess_context *ctx, const char *what, const struct tess_tensor *got)
{
    char place[96];
    TESS_TRY(wanted(ctx, what, got, TESS_F32));
    for (int64_t i = 0; i < tess_tensor_count(got); i++)
        if (!isfinite(((const float *)got->data)[i]))
            return ctx->fail(ctx, TESS_E_FAILED, "%s: wanted finite values, found %g at %s", what, element(got, i),
                             tessi_testing_place(got, i, place, sizeof place));
    return TESS_OK;
}

int tess_check_codes(struct tess_context *ctx, const char *what, const struct tess_tensor *got, int64_t lo, int64_t hi)
{
    char place[96];
    TESS_TRY(wanted(ctx, what, got, TESS_I32));
    for (int64_t i = 0; i < tess_tensor_count(got); i++) {
        int32_t code = ((const int32_t *)got->data)[i];
        if (code < lo || code >= hi)
            return ctx->fail(ctx, TESS_E_FAILED, "%s: wanted codes in [%lld, %lld), found %d at %s", what, (long long)lo, (long long)hi,
                             code, tessi_testing_place(got, i, place, sizeof place));
    }
    return TESS_OK;
}
