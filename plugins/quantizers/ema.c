/* quantizer/1 `ema`: the codebook follows moving averages of the vectors assigned to it (docs/models.md, "EMA quantizer"; van den Oord et
 * al., "Neural Discrete Representation Learning", appendix A.1). Counts and sums come from the whole batch, added over microbatches by the
 * graph. Codes that fall out of use are revived with vectors of the batch, so that a collapse heals while it is small.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/codebook/rebuild.h"

#include <tessera/kind/quantizer.h>
#include <tessera/plugin.h>

#include <stdio.h>
#include <string.h>

struct ema {
    int64_t codebook_size, code_dim;
    double beta, decay, epsilon, revive;
    int32_t warmup, init;
};

enum { INIT_BATCH, INIT_NORMAL };

/* State of the codebook as views of the buffers: codebook, counts, sums. */
struct state {
    float *codebook, *size, *sum; /* (K, D), (K), (K, D) */
    int64_t k, d;
};

static int64_t codebook_size(void *self)
{
    return ((struct ema *)self)->codebook_size;
}

static int64_t code_dim(void *self)
{
    return ((struct ema *)self)->code_dim;
}

static struct tess_node *codebook_weight(const struct ema *q, struct tess_graph *g)
{
    struct tess_init init = {.size = sizeof(struct tess_init), .kind = TESS_INIT_NORMAL, .flags = TESS_WEIGHT_BUFFER, .spread = 1.0};
    return tess_weight(g, "codebook", 2, (const int64_t[]){q->codebook_size, q->code_dim}, &init);
}

static int ema_record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_quantized *out)
{
    const struct ema *q = self;
    struct tess_node *codebook = codebook_weight(q, g), *counts, *sums;
    (void)ctx;
    (void)tess_weight(g, "cluster_size", 1, &q->codebook_size, TESS_INIT(.flags = TESS_WEIGHT_BUFFER, .centre = 1.0));
    (void)tess_weight(g, "embed_sum", 2, (const int64_t[]){q->codebook_size, q->code_dim}, TESS_INIT(.flags = TESS_WEIGHT_BUFFER));
    out->codes = tess_nearest(g, latent, codebook);
    struct tess_node *rows = tess_embedding(g, out->codes, codebook);
    struct tess_node *commitment = tess_mean_all(g, tess_square(g, tess_sub(g, latent, tess_stop_gradient(g, rows))));
    out->loss = tess_affine(g, commitment, (float)q->beta, 0.0f);
    out->quantised = tess_straight_through(g, rows, latent);
    tess_code_statistics(g, out->codes, latent, q->codebook_size, &counts, &sums);
    tess_total(g, "counts", counts);
    tess_total(g, "sums", sums);
    return TESS_OK;
}

static int record_assign(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_node **codes)
{
    (void)ctx;
    *codes = tess_nearest(g, latent, codebook_weight(self, g));
    return TESS_OK;
}

static int ema_record_lookup(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *codes,
                             struct tess_node **quantised)
{
    (void)ctx;
    *quantised = tess_embedding(g, codes, codebook_weight(self, g));
    return TESS_OK;
}

/* 1 when training started from a model. A host from before there was the member gives a smaller struct. */
static int is_started(const struct tess_react *r)
{
    return TESS_HAS(r, warm_started) && r->warm_started;
}

/* Decay in effect at a step. While the encoder still moves fast, an average over a hundred batches is one over latents that are no more,
 * and a code that lost its vectors counts as used for just as long. So the average is over about a tenth of the steps made, until `decay`
 * is reached. */
static double decay_at(const struct ema *q, const struct tess_react *r)
{
    double young = (1.0 + (double)r->step) / (10.0 + (double)r->step);
    return q->warmup && !is_started(r) && young < q->decay ? young : q->decay;
}

/* N <- decay N + (1 - decay) n (5.1), m <- decay m + (1 - decay) s (5.2), e = m / N', N' = (N + eps) / (sum N + K eps) sum N (5.3). */
static void ema_update(const struct ema *q, const struct state *s, const struct tess_react *r, const float *counts, const float *sums)
{
    double total = 0.0, keep = decay_at(q, r), take = 1.0 - keep;
    for (int64_t k = 0; k < s->k; k++) {
        s->size[k] = (float)(keep * (double)s->size[k] + take * (double)counts[k]);
        total += (double)s->size[k];
    }
    for (int64_t k = 0; k < s->k; k++) {
        double smooth = ((double)s->size[k] + q->epsilon) / (total + (double)s->k * q->epsilon) * total;
        for (int64_t i = k * s->d; i < (k + 1) * s->d; i++) {
            s->sum[i] = (float)(keep * (double)s->sum[i] + take * (double)sums[i]);
            s->codebook[i] = (float)((double)s->sum[i] / smooth);
        }
    }
}

static void ema_place(const struct state *s, int64_t k, const float *vector, float size)
{
    memcpy(s->codebook + k * s->d, vector, (size_t)s->d * sizeof(float));
    s->size[k] = size;
    for (int64_t i = 0; i < s->d; i++)
        s->sum[k * s->d + i] = size * vector[i];
}

/* Number of the i-th vector drawn from a batch of n: without replacement while they last. */
static int64_t ema_draw(const struct tess_stream *random, int64_t n, int64_t i, int64_t wanted)
{
    return wanted <= n ? tess_random_permute(random, n, i) : tess_random_below(random, (uint64_t)i, n);
}

/* Codes whose average count is below `least` get a vector of the batch and that count (5.4). */
static void ema_revive(const struct state *s, const struct tess_stream *random, const float *latents, int64_t n, float least)
{
    int64_t dead = 0, i = 0;
    for (int64_t k = 0; k < s->k; k++)
        dead += s->size[k] < least;
    for (int64_t k = 0; k < s->k; k++)
        if (s->size[k] < least)
            ema_place(s, k, latents + ema_draw(random, n, i++, dead) * s->d, least);
}

static int ema_view(struct tess_context *ctx, const struct tess_react *r, const char *name, float **out)
{
    char full[256];
    struct tess_tensor t;
    snprintf(full, sizeof full, "%s.%s", r->scope, name);
    TESS_TRY(tess_weights_find(ctx, r->weights, full, TESS_ROLE_VALUE, &t));
    *out = t.data;
    return TESS_OK;
}

static const float *ema_total(const struct tess_react *r, const char *name)
{
    const char *at;
    char full[256];
    snprintf(full, sizeof full, "%s.%s", r->scope, name);
    for (int32_t i = 0; (at = tess_graph_total_at(r->graph, i, NULL)) && i < r->batch->totals; i++)
        if (strcmp(at, full) == 0)
            return r->batch->total[i].data;
    return NULL;
}

/* First step, whose assignment was to a random codebook: places codes on vectors of the batch, or leaves them where they are. A model's
 * codebook stays. */
static void ema_begin(const struct ema *q, const struct state *s, const struct tess_react *r, const float *counts, const float *sums)
{
    const struct tess_stream random = {.seed = r->seed, .purpose = tess_purpose("quantizer.revive"), .step = r->step};
    int64_t n = r->latents->dim[0];
    int stays = q->init == INIT_NORMAL || is_started(r);
    for (int64_t k = 0; k < s->k; k++)
        ema_place(s, k, stays ? s->codebook + k * s->d : (const float *)r->latents->data + ema_draw(&random, n, k, s->k) * s->d,
              (float)n / (float)s->k);
    if (stays)
        ema_update(q, s, r, counts, sums);
}

/* 1 for a model trained with this quantizer, whose averages training continues. */
static int has_averages(const struct state *s)
{
    for (int64_t i = 0; i < s->k * s->d; i++)
        if (s->sum[i] != 0.0f)
            return 1;
    return 0;
}

static int ema_react(void *self, struct tess_context *ctx, const struct tess_react *r)
{
    const struct ema *q = self;
    const float *counts = ema_total(r, "counts"), *sums = ema_total(r, "sums"), *latents = r->latents->data;
    int64_t n = r->latents->dim[0];
    struct state s = {.k = q->codebook_size, .d = q->code_dim};
    struct tess_stream random = {.seed = r->seed, .purpose = tess_purpose("quantizer.revive"), .step = r->step};
    if (!counts || !sums)
        return ctx->fail(ctx, TESS_E_INTERNAL, "ema quantizer: the step has no counts and sums");
    TESS_TRY(ema_view(ctx, r, "codebook", &s.codebook));
    TESS_TRY(ema_view(ctx, r, "cluster_size", &s.size));
    TESS_TRY(ema_view(ctx, r, "embed_sum", &s.sum));
    float mean = (float)n / (float)s.k;
    if (r->step == 0 && !(is_started(r) && has_averages(&s))) {
        ema_begin(q, &s, r, counts, sums);
    } else {
        ema_update(q, &s, r, counts, sums);
        if (q->revive > 0.0)
            ema_revive(&s, &random, latents, n, (float)q->revive * mean);
    }
    tess_weights_touch(r->weights);
    return TESS_OK;
}

/* Rebuilds the codebook alone: the averages that training would continue are those of the old one. */
static int ema_rebuild(void *self, struct tess_context *ctx, const struct tess_tensor *pool, uint64_t seed, struct tess_tensor *codebook)
{
    const struct ema *q = self;
    return rebuild_codebook(ctx, pool, seed, q->codebook_size, q->code_dim, codebook);
}

static const struct tess_quantizer_1 ops = {.size = sizeof ops,
                                            .codebook_size = codebook_size,
                                            .code_dim = code_dim,
                                            .record = ema_record,
                                            .record_assign = record_assign,
                                            .record_lookup = ema_record_lookup,
                                            .react = ema_react,
                                            .rebuild = ema_rebuild};

static const struct tess_param params[] = {
    {.name = "codebook_size",
     .help = "codes (K)",
     .type = TESS_I64,
     .offset = offsetof(struct ema, codebook_size),
     .lo = 2,
     .hi = 16777216,
     .def = 256},
    {.name = "code_dim",
     .help = "width of a code (D)",
     .type = TESS_I64,
     .offset = offsetof(struct ema, code_dim),
     .lo = 1,
     .hi = 4096,
     .def = 32},
    {.name = "beta",
     .help = "weight of the commitment term",
     .type = TESS_F64,
     .offset = offsetof(struct ema, beta),
     .lo = 0,
     .hi = 100,
     .def = 0.25},
    {.name = "decay",
     .help = "decay of the moving averages, a step",
     .type = TESS_F64,
     .offset = offsetof(struct ema, decay),
     .lo = 0,
     .hi = 0.9999999,
     .def = 0.99},
    {.name = "epsilon",
     .help = "Laplace smoothing of the counts",
     .type = TESS_F64,
     .offset = offsetof(struct ema, epsilon),
     .lo = 1e-12,
     .hi = 1,
     .def = 1e-5},
    {.name = "revive",
     .help = "a code is given a vector of the batch when its average count falls below this share of the mean; 0: never",
     .type = TESS_F64,
     .offset = offsetof(struct ema, revive),
     .lo = 0,
     .hi = 1,
     .def = 0.1},
    {.name = "warmup",
     .help = "average over fewer steps at first: decay at most (1 + step) / (10 + step)",
     .type = TESS_BOOL,
     .offset = offsetof(struct ema, warmup),
     .def = 1},
    {.name = "init",
     .help = "the first codebook: vectors of the first batch, or normal draws",
     .type = TESS_ENUM,
     .offset = offsetof(struct ema, init),
     .text = "batch|normal"},
    {.name = NULL}};

TESS_PLUGIN("tessera-ema", "0.2.0", "MIT", TESS_NEEDS("graph/1", "random/1"),
            TESS_COMPONENT_DOCUMENTED("van den Oord, Vinyals and Kavukcuoglu, Neural Discrete Representation Learning, 2017, appendix A.1",
                                      "quantizer: {use: ema, codebook_size: 256, code_dim: 128}", "ema", "quantizer/1",
                                      "nearest codebook row, codebook by moving averages, dead codes revived", sizeof(struct ema), params,
                                      NULL, NULL, &ops));
