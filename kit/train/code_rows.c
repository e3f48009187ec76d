/* SPDX-License-Identifier: MIT */
#include "kit/train/code_rows.h"

#define BLOCK ((int64_t)1 << 18) /* codes looked at at a time */

/* Looks at all codes. */
static int check_all(struct tess_context *ctx, const struct code_rows *r, const struct code_maps *m)
{
    int64_t step = BLOCK / r->tokens > 0 ? BLOCK / r->tokens : 1, count = r->shape.dim[0];
    struct tess_tensor block = r->shape;
    int status = TESS_OK;
    block.dtype = TESS_I32;
    block.dim[0] = step < count ? step : count;
    TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(&block), "codes", &block.data));
    for (int64_t first = 0; first < count && status == TESS_OK; first += block.dim[0]) {
        block.dim[0] = count - first < step ? count - first : step;
        status = tess_artefact_read(ctx, r->from, "codes", first, &block);
        if (status == TESS_OK)
            status = stage_check_codes(ctx, r->from, &block, m);
    }
    tess_free(block.data);
    return status;
}

int code_rows_open(struct tess_context *ctx, const struct tess_artefact *from, const struct code_maps *m, int64_t memory,
                   struct code_rows *out)
{
    *out = (struct code_rows){.from = from, .tokens = code_maps_tokens(m)};
    TESS_TRY(tess_artefact_shape(ctx, from, "codes", &out->shape));
    if (out->shape.dim[0] < 1 || tess_tensor_count(&out->shape) != out->shape.dim[0] * out->tokens)
        return ctx->fail(ctx, TESS_E_DATA, "%s: /codes has other maps than its attributes say; make it again", tess_artefact_path(from));
    TESS_TRY(check_all(ctx, out, m));
    return (int64_t)tess_tensor_bytes(&out->shape) <= memory ? tess_artefact_load(ctx, from, "codes", out->shape.dtype, &out->held)
                                                             : TESS_OK;
}

void code_rows_close(struct code_rows *r)
{
    tess_free(r->held.data);
    r->held.data = NULL;
}

int code_rows_read(struct tess_context *ctx, const struct code_rows *r, int64_t row, int32_t *to)
{
    int64_t first = row * r->tokens;
    if (!r->held.data) {
        struct tess_tensor one = r->shape;
        one.dtype = TESS_I32;
        one.dim[0] = 1;
        one.data = to;
        return tess_artefact_read(ctx, r->from, "codes", row, &one);
    }
    for (int64_t i = 0; i < r->tokens; i++)
        to[i] = r->held.dtype == TESS_U8    ? ((const uint8_t *)r->held.data)[first + i]
                : r->held.dtype == TESS_U16 ? ((const uint16_t *)r->held.data)[first + i]
                                            : ((const int32_t *)r->held.data)[first + i];
    return TESS_OK;
}

int64_t code_rows_bytes(const struct tess_attrs *f, int64_t memory)
{
    int64_t codes = tess_attrs_i64_or(f, "count", 0) * tess_attrs_i64_or(f, "height", 0) * tess_attrs_i64_or(f, "width", 0) *
                    tess_attrs_i64_or(f, "depth", 1);
    int64_t size = tess_attrs_i64_or(f, "codebook_size", 0);
    int64_t bytes = codes * (size <= 256 ? 1 : size <= 65536 ? 2 : 4);
    return bytes <= memory ? bytes : 0;
}
