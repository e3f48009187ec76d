/* quantizer/1 `lfq`: the signs of the latent's channels are the code's bits, so that there is no codebook to look into (docs/models.md,
 * "Open-MAGVIT2"; Yu et al., "Language Model Beats Diffusion: Tokenizer is Key to Visual Generation", lookup-free quantisation). Its loss
 * wants each position sure of its code and the batch using all of them.
 *
 * A code's probability is the product of its bits', so the mean distribution over 2^d codes is one product of matrices: that of the lower
 * bits' 2^(d/2) combinations with that of the upper ones.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/kind/quantizer.h>
#include <tessera/plugin.h>

#include <math.h>

struct lfq {
    int64_t bits;
    double beta, entropy, sample_entropy, batch_entropy, temperature;
};

#define EPSILON 1e-5f /* beside a mean probability in its logarithm, as published */

static int64_t lfq_codebook_size(void *self)
{
    return (int64_t)1 << ((const struct lfq *)self)->bits;
}

static int64_t lfq_code_dim(void *self)
{
    return ((const struct lfq *)self)->bits;
}

static int lfq_outside_latent_space(void *self)
{
    (void)self;
    return 1;
}

/* ---- operations ---- */

/* z (..., d) -> signs (..., d), codes (...): (34.5), (34.6) */
static int lfq_forward(const struct tess_op_run *r)
{
    int64_t d = r->in[0].dim[r->in[0].rank - 1], n = tess_tensor_count(&r->in[0]) / d;
    const float *z = r->in[0].data;
    float *sign = r->out[0].data;
    int32_t *code = r->out[1].data;
    for (int64_t i = 0; i < n; i++, z += d, sign += d) {
        code[i] = 0;
        for (int64_t k = 0; k < d; k++) {
            if (!isfinite(z[k]))
                return r->context->fail(
                    r->context, TESS_E_FAILED,
                    "a latent vector is not finite: the encoder has diverged; lower the learning rate or clip gradients");
            sign[k] = z[k] > 0.0f ? 1.0f : -1.0f;
            code[i] |= (z[k] > 0.0f) << k;
        }
    }
    return TESS_OK;
}

/* q = z + sg[sign z - z]: straight through */
static int lfq_backward(const struct tess_op_run *r)
{
    const float *dy = r->dout[0].data;
    float *dz = r->din[0].data;
    for (int64_t i = 0; dz && i < tess_tensor_count(&r->in[0]); i++)
        dz[i] = dy ? dy[i] : 0.0f;
    return TESS_OK;
}

/* codes (...) -> signs (..., d) */
static int lfq_lookup(const struct tess_op_run *r)
{
    int64_t d = r->out[0].dim[r->out[0].rank - 1], n = tess_tensor_count(&r->in[0]);
    const int32_t *code = r->in[0].data;
    float *sign = r->out[0].data;
    for (int64_t i = 0; i < n; i++, sign += d) {
        if (code[i] < 0 || (int64_t)code[i] >> d)
            return r->context->fail(r->context, TESS_E_DATA, "lfq: code %d at position %lld is outside 0 .. %lld", (int)code[i],
                                    (long long)i, ((long long)1 << d) - 1);
        for (int64_t k = 0; k < d; k++)
            sign[k] = code[i] >> k & 1 ? 1.0f : -1.0f;
    }
    return TESS_OK;
}

static void lfq_quantise(const struct lfq *q, struct tess_graph *g, struct tess_node *latent, struct tess_node **signs,
                         struct tess_node **codes)
{
    static const struct tess_op op = {.size = sizeof op, .name = "lfq", .forward = lfq_forward, .backward = lfq_backward};
    struct tess_tensor shape[2] = {tess_shape(latent), tess_shape(latent)};
    struct tess_node *out[2] = {NULL, NULL};
    shape[1].dtype = TESS_I32;
    if (latent && shape[0].rank > 0 && shape[0].dim[--shape[1].rank] == q->bits)
        tess_custom(g, &op, NULL, 0, 1, &latent, 2, shape, 0, 2.0 * (double)tess_tensor_count(&shape[0]), out);
    else if (latent)
        tess_graph_fail(g, TESS_E_SHAPE, "lfq: latents of other than %lld channels", (long long)q->bits);
    *signs = out[0];
    *codes = out[1];
}

/* ---- the loss ---- */

/* Entropy of bits of these logits, in nats, in the mean over rows of the sum over bits: (34.8). With e = exp(-|a|) it is
 * ln(1 + e) + |a| e / (1 + e). */
static struct tess_node *lfq_sample_entropy(const struct lfq *q, struct tess_graph *g, struct tess_node *logits)
{
    struct tess_node *far = tess_abs(g, logits), *e = tess_exp(g, tess_affine(g, far, -1.0f, 0.0f)), *whole = tess_affine(g, e, 1.0f, 1.0f);
    struct tess_node *h = tess_add(g, tess_log(g, whole), tess_mul(g, far, tess_div(g, e, whole)));
    return tess_affine(g, tess_mean_all(g, h), (float)q->bits, 0.0f);
}

/* (n, 2^count): probabilities of all combinations of the bits from `first` on, of which each is 1 with probability p (n, d). */
static struct tess_node *lfq_combinations(struct tess_graph *g, struct tess_node *p, int64_t first, int64_t count)
{
    struct tess_node *all = tess_constant(g, 1.0f, 2, (const int64_t[]){tess_shape(p).dim[0], 1});
    for (int64_t k = first; k < first + count; k++) {
        struct tess_node *one = tess_slice(g, p, 1, k, 1);
        all = tess_concat(g, tess_mul(g, all, tess_affine(g, one, -1.0f, 1.0f)), tess_mul(g, all, one), 1);
    }
    return all;
}

/* Entropy of the batch's mean distribution over codes: (34.9) */
static struct tess_node *lfq_batch_entropy(const struct lfq *q, struct tess_graph *g, struct tess_node *p)
{
    int64_t half = q->bits / 2;
    struct tess_node *low = lfq_combinations(g, p, 0, half), *high = lfq_combinations(g, p, half, q->bits - half);
    struct tess_node *mean = tess_affine(g, tess_matmul(g, low, high, 1, 0), 1.0f / (float)tess_shape(p).dim[0], 0.0f);
    mean = tess_batch_mean(g, mean);
    struct tess_node *h = tess_sum(g, tess_mul(g, mean, tess_log(g, tess_affine(g, mean, 1.0f, EPSILON))), 3);
    return tess_affine(g, tess_reshape(g, h, 0, NULL), -1.0f, 0.0f);
}

static struct tess_node *lfq_entropy(const struct lfq *q, struct tess_graph *g, struct tess_node *latent)
{
    int64_t n = latent ? tess_tensor_count(&(struct tess_tensor[]){tess_shape(latent)}[0]) / q->bits : 1;
    struct tess_node *logits =
        tess_affine(g, tess_reshape(g, latent, 2, (const int64_t[]){n, q->bits}), (float)(4.0 / q->temperature), 0.0f); /* (34.7) */
    struct tess_node *sure = tess_affine(g, lfq_sample_entropy(q, g, logits), (float)q->sample_entropy, 0.0f);
    struct tess_node *used = lfq_batch_entropy(q, g, tess_sigmoid(g, logits));
    return tess_sub(g, sure, tess_affine(g, used, (float)q->batch_entropy, 0.0f));
}

/* ---- the kind ---- */

/* (34.10) */
static int lfq_record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_quantized *out)
{
    const struct lfq *q = self;
    (void)ctx;
    lfq_quantise(q, g, latent, &out->quantised, &out->codes);
    struct tess_node *away = tess_sub(g, latent, tess_stop_gradient(g, out->quantised));
    out->loss = tess_affine(g, tess_mean_all(g, tess_square(g, away)), (float)q->beta, 0.0f);
    if (q->entropy > 0.0)
        out->loss = tess_add(g, out->loss, tess_affine(g, lfq_entropy(q, g, latent), (float)q->entropy, 0.0f));
    return TESS_OK;
}

static int lfq_record_assign(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_node **codes)
{
    struct tess_node *signs;
    (void)ctx;
    lfq_quantise(self, g, latent, &signs, codes);
    return TESS_OK;
}

static int lfq_record_lookup(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *codes,
                             struct tess_node **quantised)
{
    static const struct tess_op op = {.size = sizeof op, .name = "lfq_lookup", .forward = lfq_lookup};
    struct tess_tensor shape = tess_shape(codes);
    (void)ctx;
    *quantised = NULL;
    shape.dtype = TESS_F32;
    shape.dim[shape.rank++] = ((const struct lfq *)self)->bits;
    if (codes)
        tess_custom(g, &op, NULL, 0, 1, &codes, 1, &shape, 0, 0.0, quantised);
    return TESS_OK;
}

static const struct tess_quantizer_1 ops = {.size = sizeof ops,
                                            .codebook_size = lfq_codebook_size,
                                            .code_dim = lfq_code_dim,
                                            .record = lfq_record,
                                            .record_assign = lfq_record_assign,
                                            .record_lookup = lfq_record_lookup,
                                            .outside_latent_space = lfq_outside_latent_space};

static const struct tess_param params[] = {
    TESS_PARAM_I64(struct lfq, bits, 1, 30, 8, "channels of the latent, whose signs are a code's bits: 2^bits codes"),
    TESS_PARAM_F64(struct lfq, beta, 0, 100, 0.25, "weight of the mean squared distance of the latent from its signs"),
    TESS_PARAM_F64(struct lfq, entropy, 0, 100, 0.1, "weight of both entropies; 0: without them"),
    TESS_PARAM_F64(struct lfq, sample_entropy, 0, 100, 1, "weight, within `entropy`, of that of a position's code, which is to be small"),
    TESS_PARAM_F64(struct lfq, batch_entropy, 0, 100, 1, "weight, within `entropy`, of that of the batch's codes, which is to be large"),
    TESS_PARAM_F64(struct lfq, temperature, 1e-4, 100, 0.01, "temperature of the probabilities that the entropies are of"),
    TESS_PARAM_END};

TESS_PLUGIN("tessera-lfq", "0.1.0", "MIT", TESS_NEEDS("graph/1"),
            TESS_COMPONENT_DOCUMENTED("Yu et al., Language Model Beats Diffusion: Tokenizer is Key to Visual Generation, 2023",
                                      "quantizer: {use: lfq, bits: 10}", "lfq", "quantizer/1", "each channel's sign a bit, no codebook",
                                      sizeof(struct lfq), params, NULL, NULL, &ops));
