/* See codes.h. SPDX-License-Identifier: MIT */
#include "kit/infer/common.h"

#include <stdio.h>
#include <string.h>

struct code_maps code_maps_of_tokenizer(const struct tess_tokenizer *t)
{
    if (t->depth > 1)
        return (struct code_maps){t->latent_height, t->latent_width, t->codebook_size, t->depth, t->level_size};
    return (struct code_maps){t->latent_height, t->latent_width, t->codebook_size, 1, &t->codebook_size};
}

struct code_maps code_maps_of_prior(const struct tess_prior *p)
{
    if (p->depth > 1)
        return (struct code_maps){p->height, p->width, p->codebook_size, p->depth, p->level_size};
    return (struct code_maps){p->height, p->width, p->codebook_size, 1, &p->codebook_size};
}

int code_maps_of_attrs(struct tess_context *ctx, const struct tess_attrs *f, struct code_maps *m, int64_t *level_size)
{
    TESS_TRY(tess_attrs_i64(ctx, f, "height", &m->height));
    TESS_TRY(tess_attrs_i64(ctx, f, "width", &m->width));
    TESS_TRY(tess_attrs_i64(ctx, f, "codebook_size", &m->codebook_size));
    m->level_size = level_size;
    return tess_levels_get(ctx, f, m->codebook_size, &m->depth, level_size);
}

int64_t code_maps_tokens(const struct code_maps *m)
{
    return m->height * m->width * m->depth;
}

int code_maps_tensor(struct tess_context *ctx, const struct code_maps *m, int64_t n, struct tess_tensor *t)
{
    int64_t dim[4];
    int32_t rank = tess_code_shape(n, m->height, m->width, m->depth, dim);
    return stage_tensor(ctx, t, TESS_I32, rank, dim);
}

int32_t stage_bits(int64_t values)
{
    int32_t bits = 1;
    while ((int64_t)1 << bits < values)
        bits++;
    return bits;
}

struct tess_dataset stage_codes_dataset(const struct code_maps *m)
{
    return (struct tess_dataset){.size = sizeof(struct tess_dataset),
                                 .bits = stage_bits(m->codebook_size),
                                 .labels = m->depth > 1 ? "image y x level" : "image y x",
                                 .by_row = 1};
}

int stage_put_codes(struct tess_context *ctx, struct tess_artefact *a, const struct tess_tensor *codes, const struct code_maps *m)
{
    const struct tess_dataset how = stage_codes_dataset(m);
    return tess_artefact_put(ctx, a, "codes", codes, &how);
}

int stage_check_below(struct tess_context *ctx, const struct tess_artefact *a, const char *name, const struct tess_tensor *values,
                      const char *attr, int64_t below)
{
    const int32_t *value = values->data;
    for (int64_t i = 0; i < tess_tensor_count(values); i++)
        if (value[i] < 0 || value[i] >= below)
            return ctx->fail(
                ctx, TESS_E_DATA,
                "%s: /%s holds %d, and the attribute `%s` says %lld, so 0 .. %lld was wanted; the file contradicts itself: make it again",
                tess_artefact_path(a), name, (int)value[i], attr, (long long)below, (long long)(below - 1));
    return TESS_OK;
}

int stage_check_codes(struct tess_context *ctx, const struct tess_artefact *a, const struct tess_tensor *codes, const struct code_maps *m)
{
    const int32_t *code = codes->data;
    TESS_TRY(stage_check_below(ctx, a, "codes", codes, "codebook_size", m->codebook_size));
    for (int64_t i = 0; i < tess_tensor_count(codes); i++)
        if (code[i] >= m->level_size[i % m->depth])
            return ctx->fail(
                ctx, TESS_E_DATA,
                "%s: /codes holds %d at level %lld, and `level_sizes` says that it has %lld; the file contradicts itself: make "
                "it again",
                tess_artefact_path(a), (int)code[i], (long long)(i % m->depth) + 1, (long long)m->level_size[i % m->depth]);
    return TESS_OK;
}

/* Text of maps, "8 x 8 of 256", or "8 x 8 x 4 of 256". */
static void map_text(const struct code_maps *m, char *text, size_t capacity)
{
    size_t n = (size_t)snprintf(text, capacity, "%lld x %lld", (long long)m->height, (long long)m->width);
    if (m->depth > 1)
        n += (size_t)snprintf(text + n, capacity - n, " x %lld", (long long)m->depth);
    snprintf(text + n, capacity - n, " of %lld", (long long)m->codebook_size);
}

int stage_check_map(struct tess_context *ctx, const struct tess_tokenizer *t, const char *what, const struct code_maps *m)
{
    const struct code_maps own = code_maps_of_tokenizer(t);
    char ours[120], theirs[120];
    if (m->height == own.height && m->width == own.width && m->codebook_size == own.codebook_size && m->depth == own.depth &&
        memcmp(m->level_size, own.level_size, (size_t)m->depth * sizeof *m->level_size) == 0)
        return TESS_OK;
    map_text(&own, ours, sizeof ours);
    map_text(m, theirs, sizeof theirs);
    return ctx->fail(ctx, TESS_E_DATA,
                     "the %s: maps are %s codes, those of the model %s: codes of another tokenizer; give the model they were encoded with",
                     what, theirs, ours);
}

int stage_check_tokenizer(struct tess_context *ctx, const struct tess_artefact *whose, const struct tess_artefact *model)
{
    const char *wanted;
    TESS_TRY(tess_attrs_text(ctx, tess_artefact_attrs(whose), "tokenizer", &wanted));
    if (strcmp(wanted, tess_tokenizer_digest(model)) == 0)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_DATA,
                     "%s holds codes of tokenizer %.12s..., but %s is %.12s...: codes of another tokenizer mean nothing to it; give the "
                     "model they were encoded with",
                     tess_artefact_path(whose), wanted, tess_artefact_path(model), tess_tokenizer_digest(model));
}

/* ---- how codes are used ---- */

int code_health_count(struct tess_context *ctx, const struct code_maps *m, const struct tess_tensor *codes, struct tess_code_health *h)
{
    const int32_t *code = codes->data;
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)m->codebook_size * sizeof(int64_t), "counts", &memory));
    int64_t *counts = memory;
    for (int64_t l = 0; l < m->depth; l++) {
        memset(counts, 0, (size_t)m->codebook_size * sizeof *counts);
        for (int64_t i = l; i < tess_tensor_count(codes); i += m->depth)
            counts[code[i]]++;
        h[l] = tess_code_health_of(counts, m->level_size[l]);
    }
    tess_free(memory);
    return TESS_OK;
}

int stage_put_health_as(struct tess_context *ctx, struct tess_artefact *a, const struct tess_code_health *h, const char *suffix)
{
    char unit[32];
    snprintf(unit, sizeof unit, "of %lld", (long long)h->codebook_size);
    TESS_TRY(stage_put_metric_as(ctx, a, "codes used", suffix, (double)h->used, unit, TESS_METRIC_HIGHER));
    TESS_TRY(stage_put_metric_as(ctx, a, "order-0 entropy", suffix, h->entropy, "bits/code", TESS_METRIC_HIGHER));
    TESS_TRY(stage_put_metric_as(ctx, a, "perplexity", suffix, h->perplexity, "codes", TESS_METRIC_HIGHER));
    return stage_put_metric_as(ctx, a, "top code's share", suffix, 100.0 * h->top_share, "%", TESS_METRIC_LOWER);
}

/* Number of uses for each code of a codebook from which on unused codes are worth a note: of fewer, as in a shard of a few images, even
 * codes drawn evenly leave some out. */
enum { USES_A_CODE = 4 };

/* Notes the level that uses the smallest share of its codes, where that is less than half. */
static void note_unused(struct tess_stage_run *r, int64_t depth, const struct tess_code_health *h)
{
    int64_t worst = 0;
    char at[32] = "";
    for (int64_t l = 1; l < depth; l++)
        if (h[l].used * h[worst].codebook_size < h[worst].used * h[l].codebook_size)
            worst = l;
    h += worst;
    if (depth > 1)
        snprintf(at, sizeof at, " at level %lld", (long long)worst + 1);
    if (2 * h->used < h->codebook_size && h->total >= USES_A_CODE * h->codebook_size)
        tess_stage_note(r,
                        "only %lld of %lld codes are used%s; the stage `refit` rebuilds a codebook, an `ema` quantizer with a larger "
                        "`revive` keeps codes alive, a smaller codebook_size wastes fewer",
                        (long long)h->used, (long long)h->codebook_size, at);
}

int stage_put_health(struct tess_context *ctx, struct tess_stage_run *r, int64_t depth, const struct tess_code_health *h)
{
    for (int64_t l = 0; l < depth; l++) {
        char suffix[32] = "";
        if (depth > 1)
            snprintf(suffix, sizeof suffix, ", level %lld", (long long)l + 1);
        TESS_TRY(stage_put_health_as(ctx, tess_stage_output(r), &h[l], suffix));
    }
    note_unused(r, depth, h);
    return TESS_OK;
}

/* Threshold of collapse: four bits of each code lost, far below what a codebook that is merely too large loses. */
enum { COLLAPSED = 16 };

/* 1 when the codes of level l use less than a COLLAPSED-th of the codes they could; *used: the number in use. `seen`: buffer of
 * m->codebook_size bytes. */
static int level_collapsed(const struct code_maps *m, const struct tess_tensor *codes, int64_t l, uint8_t *seen, int64_t *used)
{
    int64_t n = tess_tensor_count(codes) / m->depth, max = n < m->level_size[l] ? n : m->level_size[l];
    memset(seen, 0, (size_t)m->codebook_size);
    *used = 0;
    for (int64_t i = 0; i < n; i++) {
        uint8_t *at = &seen[((const int32_t *)codes->data)[i * m->depth + l]];
        *used += !*at;
        *at = 1;
    }
    return *used * COLLAPSED < max;
}

int stage_warn_collapse(struct tess_context *ctx, struct tess_stage_run *r, const char *what, const struct tess_tensor *codes,
                        const struct code_maps *m)
{
    void *memory;
    char at[40] = "";
    TESS_TRY(tess_alloc(ctx, (size_t)m->codebook_size, "codes in use", &memory));
    for (int64_t l = 0; l < m->depth; l++) {
        int64_t used;
        if (m->depth > 1)
            snprintf(at, sizeof at, " of level %lld", (long long)l + 1);
        if (level_collapsed(m, codes, l, memory, &used))
            tess_stage_warn(r,
                            "the codebook%s collapsed: %lld of %lld codes are used in %s; lower `lr`, add `warmup`, set `clip`, or take an "
                            "`ema` quantizer, which revives codes",
                            at, (long long)used, (long long)m->level_size[l], what);
    }
    tess_free(memory);
    return TESS_OK;
}
