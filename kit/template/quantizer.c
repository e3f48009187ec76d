/* quantizer/1 `template-name`: the signs of the latent. A vector of `bits` values becomes as many bits, which are its code; a code stands
 * for a vector of -1 and 1. There is no codebook to learn, and none can go unused for being far away.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/kind/quantizer.h>
#include <tessera/plugin.h>

struct template_name {
    int64_t bits; /* parameters, filled by the host from the table below */
    double beta;
};

static int64_t template_name_codebook_size(void *self)
{
    return (int64_t)1 << ((const struct template_name *)self)->bits;
}

static int64_t template_name_code_dim(void *self)
{
    return ((const struct template_name *)self)->bits;
}

/* latent (N, h, w, bits) -> (N, h, w, bits): 1 where it is above 0, else 0 */
static struct tess_node *digits(struct tess_graph *g, struct tess_node *latent)
{
    const int64_t one = 1;
    return tess_compare(g, latent, TESS_GREATER, tess_constant(g, 0.0f, 1, &one));
}

/* digits -> codes (N, h, w), in integers, which no precision rounds */
static struct tess_node *codes_of(struct tess_graph *g, struct tess_node *digit)
{
    const struct tess_tensor in = tess_shape(digit);
    int32_t power[16];
    for (int i = 0; i < 16; i++)
        power[i] = 1 << i;
    const struct tess_tensor powers = tess_tensor_over(power, TESS_I32, 1, in.dim + 3);
    struct tess_node *sum = tess_sum(g, tess_mul(g, tess_to_i32(g, digit), tess_constant_array(g, &powers)), 1u << 3);
    return tess_reshape(g, sum, 3, in.dim);
}

static int template_name_record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent,
                                struct tess_quantized *out)
{
    const struct template_name *q = (const struct template_name *)self;
    struct tess_node *digit = digits(g, latent), *signs = tess_affine(g, digit, 2.0f, -1.0f);
    (void)ctx;
    out->codes = codes_of(g, digit);
    out->quantised = tess_straight_through(g, signs, latent);
    out->loss = tess_affine(g, tess_mean_all(g, tess_square(g, tess_sub(g, latent, signs))), (float)q->beta, 0.0f);
    return TESS_OK;
}

static int template_name_assign(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent,
                                struct tess_node **codes)
{
    (void)self;
    (void)ctx;
    *codes = codes_of(g, digits(g, latent));
    return TESS_OK;
}

/* codes (N, h, w) -> (N, h, w, bits): a row of a table that has all codes' signs */
static int template_name_lookup(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *codes,
                                struct tess_node **quantised)
{
    const int64_t dim[2] = {template_name_codebook_size(self), template_name_code_dim(self)};
    struct tess_tensor table = tess_tensor_over(NULL, TESS_F32, 2, dim);
    TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(&table), "the signs of all codes", &table.data));
    for (int64_t i = 0; i < dim[0] * dim[1]; i++)
        ((float *)table.data)[i] = (i / dim[1]) >> (i % dim[1]) & 1 ? 1.0f : -1.0f;
    *quantised = tess_embedding(g, codes, tess_constant_array(g, &table));
    tess_free(table.data);
    return TESS_OK;
}

static const struct tess_quantizer_1 ops = {sizeof(struct tess_quantizer_1),
                                            template_name_codebook_size,
                                            template_name_code_dim,
                                            template_name_record,
                                            template_name_assign,
                                            template_name_lookup};

static const struct tess_param params[] = {
    TESS_PARAM_I64(struct template_name, bits, 1, 16, 8, "bits of a code, and values of a vector"),
    TESS_PARAM_F64(struct template_name, beta, 0, 100, 0.25, "weight of the distance of latent and signs in the loss"), TESS_PARAM_END};

TESS_PLUGIN("template-name", "0.1.0", "MIT", TESS_NEEDS("graph/1"),
            TESS_COMPONENT("template-name", "quantizer/1", "the signs of the latent", sizeof(struct template_name), params, NULL, NULL,
                           &ops));
