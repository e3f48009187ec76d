/* quantizer/1 `multi-scale`: a map is quantised on coarse grids first, each grid with what those before it left over (docs/models.md,
 * "Multi-scale quantisation"; Tian et al., "Visual Autoregressive Modeling"). Each grid is a level, all have one codebook, and a
 * convolution follows the interpolation of a level's vectors to the whole map.
 *
 * Codes have the shape of all quantizers with several levels, (N, h, w, depth): a coarse level's code stands at every position of its cell,
 * and looking codes up reads it in the middle of the cell alone.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/codebook/codebook.h"
#include "plugins/quantizers/multi_scale/multi_scale_grid.h"

#include <math.h>

struct multi_scale {
    struct codebook codebook;
    struct tess_list scales;
    double beta, mix;
    int64_t convolutions;
};

static int multi_scale_open(void *self, struct tess_context *ctx)
{
    const struct multi_scale *q = self;
    if (q->scales.count < 2 || q->scales.count > TESS_DEPTH_MAX)
        return ctx->fail(ctx, TESS_E_VALUE, "multi-scale: `scales` has %lld entries; wanted 2 to %d, as [1, 2, 4, 7] for maps of 7 x 7",
                         (long long)q->scales.count, TESS_DEPTH_MAX);
    for (int64_t l = 1; l < q->scales.count; l++)
        if (q->scales.item[l] <= q->scales.item[l - 1])
            return ctx->fail(
                ctx, TESS_E_VALUE,
                "multi-scale: `scales` has %lld after %lld; wanted the numbers of rows of finer and finer grids, the last that "
                "of the map",
                (long long)q->scales.item[l], (long long)q->scales.item[l - 1]);
    return TESS_OK;
}

static int64_t multi_scale_depth(void *self)
{
    return ((const struct multi_scale *)self)->scales.count;
}

/* ---- levels ---- */

/* Rows, or columns, of level l's grid on a map of `whole`: its share of the last scale. */
static int64_t multi_scale_side(const struct multi_scale *q, int64_t l, int64_t whole)
{
    int64_t side = q->scales.item[l] * whole / q->scales.item[q->scales.count - 1];
    return side < 1 ? 1 : side;
}

/* Place of convolution i among n, as a share of the levels, (32.6): in double, as the published code computes it, since levels that lie in
 * the middle of two convolutions go by its rounding. */
static double multi_scale_tick(int64_t i, int64_t n)
{
    double first = (n == 4 ? 1.0 / 3.0 : 1.0 / 2.0) / (double)n, last = 1.0 - first;
    return i == n - 1 ? last : (double)i * ((last - first) / (double)(n - 1)) + first;
}

/* The convolution of level l. */
static int64_t multi_scale_convolution(const struct multi_scale *q, int64_t l)
{
    double at = (double)l / (double)(q->scales.count - 1);
    int64_t nearest = 0;
    if (q->convolutions == 0)
        return l;
    for (int64_t i = 1; i < q->convolutions; i++)
        if (fabs(multi_scale_tick(i, q->convolutions) - at) < fabs(multi_scale_tick(nearest, q->convolutions) - at))
            nearest = i;
    return nearest;
}

/* (32.3): (1 - mix) x + mix conv(x) */
static struct tess_node *multi_scale_phi(const struct multi_scale *q, struct tess_graph *g, int64_t l, struct tess_node *x)
{
    const struct tess_conv same = {.size = sizeof same, .stride = 1, .top = 1, .left = 1, .bottom = 1, .right = 1};
    const int64_t width = q->codebook.code_dim;
    const double spread = 1.0 / sqrt((double)(9 * width));
    if (q->mix == 0.0)
        return x;
    tess_scope(g, "phi.%d", (int)multi_scale_convolution(q, l));
    struct tess_node *w =
        tess_weight(g, "weight", 4, (const int64_t[]){width, 3, 3, width}, TESS_INIT(.kind = TESS_INIT_UNIFORM, .spread = spread));
    struct tess_node *b =
        tess_weight(g, "bias", 1, &width, TESS_INIT(.kind = TESS_INIT_UNIFORM, .spread = spread, .flags = TESS_WEIGHT_NO_DECAY));
    tess_scope_end(g);
    struct tess_node *mixed = tess_affine(g, tess_conv2d(g, x, w, b, &same), (float)q->mix, 0.0f);
    return q->mix == 1.0 ? mixed : tess_add(g, tess_affine(g, x, (float)(1.0 - q->mix), 0.0f), mixed);
}

/* The share of level l in z_q, of its codes (N, h_l, w_l), on a map of `map`'s size; added to `sum` unless that is NULL. */
static struct tess_node *multi_scale_add(const struct multi_scale *q, struct tess_graph *g, int64_t l, struct tess_node *codes,
                                         const struct tess_tensor *map, struct tess_node *sum)
{
    struct tess_node *rows = tess_embedding(g, codes, codebook_weight(&q->codebook, g));
    struct tess_node *x = multi_scale_phi(q, g, l, grid_bicubic(g, rows, map->dim[1], map->dim[2]));
    return sum ? tess_add(g, sum, x) : x;
}

/* Codes (N, h, w, l) with those of one level more, (N, h_l, w_l), each at every position of its cell. */
static struct tess_node *multi_scale_append(struct tess_graph *g, struct tess_node *all, struct tess_node *codes,
                                            const struct tess_tensor *map)
{
    const int64_t dim[4] = {map->dim[0], map->dim[1], map->dim[2], 1};
    codes = tess_reshape(g, grid_codes(g, codes, map->dim[1], map->dim[2]), 4, dim);
    return all ? tess_concat(g, all, codes, 3) : codes;
}

/* A map whose last dimension is `last`: a latent's width, or the number of levels. */
static int multi_scale_check(struct tess_context *ctx, const struct tess_tensor *map, int64_t last, const char *what)
{
    if (map->rank == 4 && map->dim[3] == last && map->dim[1] > 0 && map->dim[2] > 0)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_SHAPE, "multi-scale: wanted %s (N, h, w, %lld), found rank %d with a last dimension of %lld", what,
                     (long long)last, (int)map->rank, (long long)(map->rank > 0 ? map->dim[map->rank - 1] : 0));
}

/* ---- recording ---- */

/* (32.4) of one level: the codes of what is left, and the sum with what they stand for. */
static void multi_scale_level(const struct multi_scale *q, struct tess_graph *g, int64_t l, const struct tess_tensor *map,
                              struct tess_node *left, struct tess_node **sum, struct tess_node **codes)
{
    struct tess_node *area = grid_area(g, left, multi_scale_side(q, l, map->dim[1]), multi_scale_side(q, l, map->dim[2]));
    struct tess_node *level = tess_nearest(g, area, codebook_weight(&q->codebook, g));
    *sum = multi_scale_add(q, g, l, level, map, *sum);
    *codes = multi_scale_append(g, *codes, level, map);
}

/* (32.5): both terms, of the sum of the levels up to each, as a mean over levels. */
static int multi_scale_record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent,
                              struct tess_quantized *out)
{
    const struct multi_scale *q = self;
    const struct tess_tensor map = tess_shape(latent);
    struct tess_node *sum = NULL, *loss = NULL;
    TESS_TRY(multi_scale_check(ctx, &map, q->codebook.code_dim, "latents"));
    out->codes = NULL;
    for (int64_t l = 0; l < q->scales.count; l++) {
        struct tess_node *left = sum ? tess_sub(g, latent, sum) : latent;
        multi_scale_level(q, g, l, &map, tess_stop_gradient(g, left), &sum, &out->codes);
        struct tess_node *commitment = tess_affine(g, codebook_pull(g, latent, sum), (float)q->beta, 0.0f);
        struct tess_node *term = tess_add(g, codebook_pull(g, sum, latent), commitment);
        loss = loss ? tess_add(g, loss, term) : term;
    }
    out->quantised = tess_straight_through(g, sum, latent);
    out->loss = tess_affine(g, loss, 1.0f / (float)q->scales.count, 0.0f);
    return TESS_OK;
}

static int multi_scale_assign(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent,
                              struct tess_node **codes)
{
    const struct multi_scale *q = self;
    const struct tess_tensor map = tess_shape(latent);
    struct tess_node *sum = NULL;
    *codes = NULL;
    TESS_TRY(multi_scale_check(ctx, &map, q->codebook.code_dim, "latents"));
    for (int64_t l = 0; l < q->scales.count; l++)
        multi_scale_level(q, g, l, &map, sum ? tess_sub(g, latent, sum) : latent, &sum, codes);
    return TESS_OK;
}

static int multi_scale_lookup(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *codes,
                              struct tess_node **quantised)
{
    const struct multi_scale *q = self;
    const struct tess_tensor map = tess_shape(codes);
    *quantised = NULL;
    TESS_TRY(multi_scale_check(ctx, &map, q->scales.count, "codes"));
    for (int64_t l = 0; l < q->scales.count; l++) {
        struct tess_node *level = tess_reshape(g, tess_slice(g, codes, 3, l, 1), 3, map.dim);
        level = grid_codes(g, level, multi_scale_side(q, l, map.dim[1]), multi_scale_side(q, l, map.dim[2]));
        *quantised = multi_scale_add(q, g, l, level, &map, *quantised);
    }
    return TESS_OK;
}

static const struct tess_quantizer_1 ops = {.size = sizeof ops,
                                            .codebook_size = codebook_codebook_size,
                                            .code_dim = codebook_code_dim,
                                            .record = multi_scale_record,
                                            .record_assign = multi_scale_assign,
                                            .record_lookup = multi_scale_lookup,
                                            .depth = multi_scale_depth};

static const struct tess_param params[] = {
    CODEBOOK_PARAMS(struct multi_scale, codebook),
    TESS_PARAM_LIST(struct multi_scale, scales, 1, 4096, "1, 2, 3, 4",
                    "rows and columns of each level's grid, coarse to fine; the last stands for the whole map, whatever its size, and the "
                    "others for their share of it"),
    TESS_PARAM_F64(struct multi_scale, beta, 0, 100, 0.25, "weight of the commitment term"),
    TESS_PARAM_F64(struct multi_scale, mix, 0, 1, 0.5, "share of the convolution after a level's interpolation; 0: there is none"),
    TESS_PARAM_I64(struct multi_scale, convolutions, 0, TESS_DEPTH_MAX, 4,
                   "number of these convolutions, which neighbouring levels share; 0: one for each level"),
    TESS_PARAM_END};

TESS_PLUGIN(
    "tessera-multi-scale", "0.1.0", "MIT", TESS_NEEDS("graph/1"),
    TESS_COMPONENT_DOCUMENTED("Tian et al., Visual Autoregressive Modeling: Scalable Image Generation via Next-Scale Prediction, 2024",
                              "quantizer: {use: multi-scale, codebook_size: 256, code_dim: 32, scales: [1, 2, 3, 5, 7]}", "multi-scale",
                              "quantizer/1", "grids from coarse to fine, each of what those before it left over",
                              sizeof(struct multi_scale), params, multi_scale_open, NULL, &ops));
