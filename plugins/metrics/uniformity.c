/* metric/1 `uniformity`: how evenly codes are used (docs/metrics.md; docs/models.md, "Codebook health"), of images' codes and of samples',
 * a level at a time: the share of the codebook that is used, the perplexity, the order-0 entropy over that of even use, log2 K, and the
 * divergence from even use, KL(p || uniform) = log2 K - entropy.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/metric/results.h"

#include <tessera/model.h>
#include <tessera/plugin.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

struct uniformity {
    int64_t depth, level_size[TESS_DEPTH_MAX], size; /* `size`: sum of the levels' codebook sizes */
    int64_t *counts[2];                              /* [TESS_METRIC_IMAGES, TESS_METRIC_SAMPLES]: of each code, level after level */
    /* all codes, kept where there are resamples */
    int32_t keeps;
    int64_t rows[2], width[2], capacity[2]; /* [set]: rows; codes of a row; rows there is memory for */
    int32_t *codes[2];
};

static void uniformity_close(void *self, void *state)
{
    struct uniformity *u = state;
    (void)self;
    if (!u)
        return;
    tess_free(u->counts[0]);
    tess_free(u->codes[0]);
    tess_free(u->codes[1]);
    tess_free(u);
}

static int uniformity_open(void *self, struct tess_context *ctx, const struct tess_metric_shape *s, void **state)
{
    void *memory, *counts;
    TESS_TRY(tess_alloc(ctx, sizeof(struct uniformity), "use of codes", &memory));
    struct uniformity *u = memory;
    u->depth = s->depth;
    u->keeps = s->resamples > 0;
    for (int64_t l = 0; l < s->depth; l++)
        u->size += u->level_size[l] = s->level_size[l];
    int status = tess_alloc(ctx, 2 * (size_t)u->size * sizeof(int64_t), "counts of codes", &counts);
    if (status != TESS_OK) {
        uniformity_close(self, u);
        return status;
    }
    u->counts[0] = counts;
    u->counts[1] = u->counts[0] + u->size;
    *state = u;
    return TESS_OK;
}

static int64_t uniformity_bytes(void *self, const struct tess_metric_shape *s)
{
    int64_t size = 0;
    (void)self;
    for (int64_t l = 0; l < s->depth; l++)
        size += s->level_size[l];
    return 20 * size * (int64_t)sizeof(int64_t);
}

/* Adds `rows` rows of codes to the counts, row i `times[i]` times; NULL: once. */
static void uniformity_count(const struct uniformity *u, const int32_t *code, int64_t rows, int64_t width, const uint16_t *times,
                             int64_t *counts)
{
    int64_t first[TESS_DEPTH_MAX] = {0};
    for (int64_t l = 1; l < u->depth; l++)
        first[l] = first[l - 1] + u->level_size[l - 1];
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < width; k++)
            counts[first[k % u->depth] + code[i * width + k]] += times ? times[i] : 1;
}

static int uniformity_keep(struct tess_context *ctx, struct uniformity *u, int32_t set, const int32_t *code, int64_t rows, int64_t width)
{
    if (!rows)
        return TESS_OK;
    TESS_TRY(tess_reserve(ctx, &u->codes[set], &u->capacity[set], u->rows[set] + rows, (size_t)width * sizeof *code, "codes of images"));
    memcpy(u->codes[set] + u->rows[set] * width, code, (size_t)(rows * width) * sizeof *code);
    u->width[set] = width;
    u->rows[set] += rows;
    return TESS_OK;
}

static int uniformity_accumulate(void *self, struct tess_context *ctx, void *state, const struct tess_metric_rows *rows)
{
    struct uniformity *u = state;
    const int32_t *code = rows->codes->data;
    int64_t width = rows->count ? tess_tensor_count(rows->codes) / rows->count : 0;
    (void)self;
    for (int64_t i = 0; i < rows->count * width; i++)
        if (code[i] < 0 || code[i] >= u->level_size[i % width % u->depth])
            return ctx->fail(ctx, TESS_E_VALUE, "code %d of %s %lld is none of the %lld of its level", (int)code[i],
                             rows->set == TESS_METRIC_SAMPLES ? "sample" : "image", (long long)(rows->first + i / width),
                             (long long)u->level_size[i % width % u->depth]);
    uniformity_count(u, code, rows->count, width, NULL, u->counts[rows->set]);
    return u->keeps ? uniformity_keep(ctx, u, rows->set, code, rows->count, width) : TESS_OK;
}

static int uniformity_merge(void *self, struct tess_context *ctx, void *state, void *next)
{
    struct uniformity *u = state;
    const struct uniformity *n = next;
    (void)self;
    for (int64_t k = 0; k < 2 * u->size; k++)
        u->counts[0][k] += n->counts[0][k];
    for (int32_t set = 0; set < 2; set++)
        TESS_TRY(uniformity_keep(ctx, u, set, n->codes[set], n->rows[set], n->width[set]));
    return TESS_OK;
}

/* ---- results ---- */

enum { USAGE, PERPLEXITY, EVENNESS, DIVERGENCE, RESULTS };
static const struct {
    const char *name, *unit;
    int32_t better;
} result[RESULTS] = {{"code usage", "%", TESS_METRIC_HIGHER},
                     {"code perplexity", "codes", TESS_METRIC_HIGHER},
                     {"code uniformity", "", TESS_METRIC_HIGHER},
                     {"divergence from uniform codes", "bits/code", TESS_METRIC_LOWER}};

static void uniformity_results(const struct tess_code_health *h, double value[RESULTS])
{
    double even = log2((double)h->codebook_size);
    value[USAGE] = 100.0 * (double)h->used / (double)h->codebook_size;
    value[PERPLEXITY] = h->perplexity;
    value[EVENNESS] = even > 0.0 ? h->entropy / even : 1.0;
    value[DIVERGENCE] = even > h->entropy ? even - h->entropy : 0.0;
}

/* Name of a result of one set and level: "code usage, samples, level 2". */
static void uniformity_name(const struct uniformity *u, int what, int32_t set, int64_t level, char name[96])
{
    size_t n = (size_t)snprintf(name, 96, "%s%s", result[what].name, set == TESS_METRIC_SAMPLES ? ", samples" : "");
    if (u->depth > 1)
        snprintf(name + n, 96 - n, ", level %lld", (long long)level + 1);
}

/* Hands over the results of one set's counts, of resample k through `r`, or, where that is NULL, of all rows through `sink`. */
static int uniformity_put(struct tess_context *ctx, const struct uniformity *u, int32_t set, const int64_t *counts,
                          const struct tess_metric_sink *sink, const struct tess_metric_resamples *r, int64_t k)
{
    double value[RESULTS];
    char name[96];
    for (int64_t l = 0; l < u->depth; counts += u->level_size[l++]) {
        const struct tess_code_health h = tess_code_health_of(counts, u->level_size[l]);
        if (!h.total)
            continue;
        uniformity_results(&h, value);
        for (int what = 0; what < RESULTS; what++) {
            uniformity_name(u, what, set, l, name);
            TESS_TRY(r ? r->value(r->to, ctx, k, name, value[what])
                       : metric_put(ctx, sink, name, value[what], result[what].unit, result[what].better));
        }
    }
    return TESS_OK;
}

static int uniformity_finish(void *self, struct tess_context *ctx, void *state, const struct tess_metric_sink *sink)
{
    const struct uniformity *u = state;
    (void)self;
    TESS_TRY(uniformity_put(ctx, u, TESS_METRIC_IMAGES, u->counts[0], sink, NULL, 0));
    return uniformity_put(ctx, u, TESS_METRIC_SAMPLES, u->counts[1], sink, NULL, 0);
}

struct uniformity_job {
    const struct uniformity *u;
    const struct tess_metric_resamples *r;
};

static int uniformity_again(void *user, struct tess_context *ctx, int64_t k)
{
    const struct uniformity_job *j = user;
    const struct uniformity *u = j->u;
    void *counts;
    int status = TESS_OK;
    TESS_TRY(tess_alloc(ctx, (size_t)u->size * sizeof(int64_t), "counts of codes", &counts));
    for (int32_t set = 0; status == TESS_OK && set < 2; set++) {
        if (!u->rows[set])
            continue;
        memset(counts, 0, (size_t)u->size * sizeof(int64_t));
        uniformity_count(u, u->codes[set], u->rows[set], u->width[set], j->r->times[set] + k * u->rows[set], counts);
        status = uniformity_put(ctx, u, set, counts, NULL, j->r, k);
    }
    tess_free(counts);
    return status;
}

static int uniformity_resample(void *self, struct tess_context *ctx, void *state, const struct tess_metric_resamples *r)
{
    struct uniformity_job j = {.u = state, .r = r};
    (void)self;
    return r->parallel(r->to, ctx, r->count, uniformity_again, &j);
}

/* ---- as bytes: counts of both sets; rows, width and codes that are kept of each ---- */

static int64_t uniformity_pack(void *self, const void *state, void *bytes)
{
    const struct uniformity *u = state;
    char *to = bytes;
    int64_t at = 2 * u->size * (int64_t)sizeof(int64_t);
    (void)self;
    if (to)
        memcpy(to, u->counts[0], (size_t)at);
    for (int set = 0; set < 2; set++) {
        const int64_t head[2] = {u->rows[set], u->width[set]}, codes = head[0] * head[1] * (int64_t)sizeof(int32_t);
        if (to)
            memcpy(to + at, head, sizeof head);
        if (to && codes)
            memcpy(to + at + sizeof head, u->codes[set], (size_t)codes);
        at += (int64_t)sizeof head + codes;
    }
    return at;
}

static int uniformity_in_range(const struct uniformity *u, int32_t set)
{
    int64_t n = u->rows[set] * u->width[set];
    for (int64_t i = 0; i < n; i++)
        if (u->codes[set][i] < 0 || u->codes[set][i] >= u->level_size[i % u->width[set] % u->depth])
            return 0;
    return 1;
}

/* Restores the kept codes of a set; *fit 0: there are none of such size, or they are out of range. */
static int uniformity_unpack_codes(struct tess_context *ctx, struct uniformity *u, int32_t set, const char **from, int64_t *left, int *fit)
{
    int64_t head[2] = {0, 0};
    *fit = *left >= (int64_t)sizeof head;
    if (!*fit)
        return TESS_OK;
    memcpy(head, *from, sizeof head);
    *from += sizeof head;
    *left -= (int64_t)sizeof head;
    int64_t most = *left / (int64_t)sizeof(int32_t);
    *fit = head[0] >= 0 && head[1] >= 0 && (head[1] == 0 ? head[0] == 0 : head[0] <= most / head[1]) && (u->keeps || !head[0]);
    if (!*fit || !head[0])
        return TESS_OK;
    void *codes; /* aligned, unlike the bytes */
    int64_t bytes = head[0] * head[1] * (int64_t)sizeof(int32_t);
    TESS_TRY(tess_alloc(ctx, (size_t)bytes, "codes of images", &codes));
    memcpy(codes, *from, (size_t)bytes);
    int status = uniformity_keep(ctx, u, set, codes, head[0], head[1]);
    tess_free(codes);
    *fit = status != TESS_OK || uniformity_in_range(u, set);
    *from += bytes;
    *left -= bytes;
    return status;
}

static int uniformity_unpack(void *self, struct tess_context *ctx, void *state, const void *bytes, int64_t count)
{
    struct uniformity *u = state;
    const char *from = bytes;
    int64_t counts = 2 * u->size * (int64_t)sizeof(int64_t), left = count - counts;
    int fit = left >= 0;
    (void)self;
    if (fit) {
        memcpy(u->counts[0], from, (size_t)counts);
        from += counts;
    }
    for (int64_t k = 0; fit && k < 2 * u->size; k++)
        fit = u->counts[0][k] >= 0 && u->counts[0][k] < (int64_t)1 << 48;
    for (int32_t set = 0; fit && set < 2; set++)
        TESS_TRY(uniformity_unpack_codes(ctx, u, set, &from, &left, &fit));
    if (fit && left == 0)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_DATA, "%lld bytes are no counts of codes that were kept", (long long)count);
}

static const struct tess_metric_1 ops = {.size = sizeof ops,
                                         .wants = TESS_METRIC_CODES,
                                         .protocol = "entropy of the counts as they are, without a correction for few codes",
                                         .bytes = uniformity_bytes,
                                         .open = uniformity_open,
                                         .close = uniformity_close,
                                         .accumulate = uniformity_accumulate,
                                         .merge = uniformity_merge,
                                         .finish = uniformity_finish,
                                         .pack = uniformity_pack,
                                         .unpack = uniformity_unpack,
                                         .resample = uniformity_resample};

TESS_PLUGIN("tessera-uniformity", "0.1.0", "MIT", TESS_NEEDS_NONE,
            TESS_COMPONENT_DOCUMENTED(NULL, "metrics: [uniformity]", "uniformity", "metric/1",
                                      "how evenly codes are used: usage, perplexity, entropy, divergence from even use", 0, NULL, NULL,
                                      NULL, &ops));
