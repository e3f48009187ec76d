/* SPDX-License-Identifier: MIT */
#include "kit/archive/codebook.h"

#include "kit/infer/common.h"

enum { CODEBOOK_MAX = 1 << 20 };

int archive_has_codebook(const struct tess_tokenizer *t)
{
    return t->depth <= 1 && t->codebook_size <= CODEBOOK_MAX;
}

/* Records the lookup of codes in microbatches of one each a sample. */
static int codebook_record(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g)
{
    struct tess_node *codes = tess_input(g, "codes", TESS_I32, 3, (const int64_t[]){tess_graph_microbatch(g), 1, 1}), *rows = NULL;
    TESS_TRY(tess_tokenizer_lookup(ctx, t, g, codes, &rows));
    struct tess_tensor shape = tess_shape(rows);
    tess_output(g, "rows", tess_reshape(g, rows, 2, (const int64_t[]){shape.dim[0], shape.dim[3]}));
    return tess_graph_seal(ctx, g);
}

static int codebook_run(struct tess_context *ctx, const struct tess_tokenizer *t, const struct stage_graph *s, struct tess_tensor *out)
{
    struct tess_tensor codes = {.data = NULL};
    int status = stage_tensor(ctx, &codes, TESS_I32, 3, (const int64_t[]){STAGE_MICROBATCH, 1, 1});
    for (int64_t i = 0; i < t->codebook_size && status == TESS_OK; i += STAGE_MICROBATCH) {
        int64_t n = t->codebook_size - i < STAGE_MICROBATCH ? t->codebook_size - i : STAGE_MICROBATCH;
        struct tess_tensor part = *out;
        part.data = (float *)out->data + i * t->code_dim;
        for (int64_t j = 0; j < n; j++)
            ((int32_t *)codes.data)[j] = (int32_t)(i + j);
        status = stage_graph_run(ctx, s, 0, 0, n, 1, &codes, 1, &part);
    }
    tess_free(codes.data);
    return status;
}

int archive_codebook(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_weights *weights, uint64_t seed,
                     struct tess_tensor *out)
{
    struct stage_graph s = {.weights = weights};
    TESS_TRY(stage_tensor(ctx, out, TESS_F32, 2, (const int64_t[]){t->codebook_size, t->code_dim}));
    int status = stage_graph_open(ctx, &s, seed, STAGE_MICROBATCH);
    if (status == TESS_OK)
        status = codebook_record(ctx, t, s.graph);
    if (status == TESS_OK)
        status = codebook_run(ctx, t, &s, out);
    stage_graph_close(&s, 0);
    if (status != TESS_OK) {
        tess_free(out->data);
        out->data = NULL;
    }
    return status;
}
