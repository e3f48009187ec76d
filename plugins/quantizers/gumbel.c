/* quantizer/1 `gumbel`: the latent gives K logits, and a code is drawn from them so that gradients pass through the draw
 * (docs/models.md, "Gumbel-softmax quantizer"; Jang et al., "Categorical Reparameterization with Gumbel-Softmax"; Ramesh et al., "Zero-Shot
 * Text-to-Image Generation"). In training the forward pass has the drawn code, the backward pass the softmax at a temperature that falls
 * with the step; at inference the code is that of the largest logit.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/kind/quantizer.h>
#include <tessera/plugin.h>

#include <math.h>

struct gumbel {
    int64_t codebook_size, code_dim;
    double temperature, temperature_final, anneal, kl;
};

static int64_t gumbel_codebook_size(void *self)
{
    return ((struct gumbel *)self)->codebook_size;
}

static int64_t gumbel_code_dim(void *self)
{
    return ((struct gumbel *)self)->code_dim;
}

static int gumbel_outside_latent_space(void *self)
{
    (void)self;
    return 1;
}

/* ---- noise: g = -ln(-ln u), in double, with u away from 0 and 1 ---- */

static int noise_forward(const struct tess_op_run *r)
{
    struct tess_stream s = r->random;
    int64_t rows = r->out[0].dim[0], n = tess_tensor_count(&r->out[0]) / rows;
    float *to = r->out[0].data;
    s.purpose = tess_purpose("quantizer.gumbel");
    for (int64_t i = 0; i < rows; i++, to += n) {
        s.sample = r->random.sample + (uint32_t)i;
        tess_random_uniform(&s, 0, n, to);
        for (int64_t k = 0; k < n; k++) {
            double u = ((double)to[k] * 16777216.0 + 0.5) / 16777217.0; /* draws are multiples of 2^-24 */
            to[k] = (float)-log(-log(u));
        }
    }
    return TESS_OK;
}

static struct tess_node *gumbel_noise(struct tess_graph *g, const struct tess_tensor *shape)
{
    static const struct tess_op op = {.size = sizeof op, .name = "gumbel_noise", .forward = noise_forward};
    struct tess_node *noise = NULL;
    if (tess_graph_status(g) == TESS_OK)
        tess_custom(g, &op, NULL, 0, 0, NULL, 1, shape, 0, 0.0, &noise);
    return noise;
}

/* ---- pieces ---- */

static struct tess_node *gumbel_logits(const struct gumbel *q, struct tess_graph *g, struct tess_node *latent)
{
    const struct tess_init weight = {
        .size = sizeof(struct tess_init), .kind = TESS_INIT_UNIFORM, .spread = 1.0 / sqrt((double)q->code_dim)};
    const struct tess_init zero = {.size = sizeof(struct tess_init), .flags = TESS_WEIGHT_NO_DECAY};
    struct tess_node *w = tess_weight(g, "logits.weight", 2, (const int64_t[]){q->codebook_size, q->code_dim}, &weight);
    return tess_linear(g, latent, w, tess_weight(g, "logits.bias", 1, &q->codebook_size, &zero));
}

static struct tess_node *gumbel_codebook(const struct gumbel *q, struct tess_graph *g)
{
    const struct tess_init init = {
        .size = sizeof(struct tess_init), .kind = TESS_INIT_NORMAL, .flags = TESS_WEIGHT_NO_DECAY, .spread = 1.0};
    return tess_weight(g, "codebook", 2, (const int64_t[]){q->codebook_size, q->code_dim}, &init);
}

/* 1 / temperature, scalar: (30.3) */
static struct tess_node *gumbel_sharpness(const struct gumbel *q, struct tess_graph *g)
{
    double ratio = log(q->temperature_final / q->temperature);
    struct tess_node *done = tess_clamp(g, tess_affine(g, tess_progress(g), (float)(1.0 / q->anneal), 0.0f), 0.0f, 1.0f);
    return tess_exp(g, tess_affine(g, done, (float)-ratio, (float)-log(q->temperature)));
}

/* kl sum_k p_k ln(K p_k), the mean over positions: (30.4) */
static struct tess_node *gumbel_loss(const struct gumbel *q, struct tess_graph *g, struct tess_node *logits)
{
    struct tess_node *p = tess_softmax(g, logits);
    struct tess_node *each = tess_mul(g, p, tess_log(g, tess_affine(g, p, (float)q->codebook_size, 1e-10f)));
    return tess_affine(g, tess_mean_all(g, each), (float)(q->kl * (double)q->codebook_size), 0.0f);
}

/* ---- the kind ---- */

/* (30.1) and (30.2): the drawn code's one-hot vector with the softmax's gradient, times the codebook. */
static int gumbel_record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_quantized *out)
{
    const struct gumbel *q = self;
    struct tess_tensor z = tess_shape(latent);
    struct tess_node *logits = gumbel_logits(q, g, latent);
    struct tess_tensor shape = tess_shape(logits);
    (void)ctx;
    int64_t rows = tess_tensor_count(&z) / (q->code_dim > 0 ? q->code_dim : 1);
    struct tess_node *noisy = tess_add(g, logits, gumbel_noise(g, &shape));
    struct tess_node *sharpness = gumbel_sharpness(q, g), *soft = tess_softmax(g, tess_mul(g, noisy, sharpness));
    tess_column(g, "temperature", tess_div(g, tess_constant(g, 1.0f, 0, NULL), sharpness));
    out->codes = tess_argmax(g, noisy);
    struct tess_node *hard = tess_straight_through(g, tess_one_hot(g, out->codes, q->codebook_size), soft);
    hard = tess_reshape(g, hard, 2, (const int64_t[]){rows, q->codebook_size});
    out->quantised = tess_reshape(g, tess_matmul(g, hard, gumbel_codebook(q, g), 0, 0), z.rank, z.dim);
    out->loss = gumbel_loss(q, g, logits);
    return TESS_OK;
}

static int gumbel_record_assign(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent,
                                struct tess_node **codes)
{
    (void)ctx;
    *codes = tess_argmax(g, gumbel_logits(self, g, latent));
    return TESS_OK;
}

static int gumbel_record_lookup(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *codes,
                                struct tess_node **quantised)
{
    (void)ctx;
    *quantised = tess_embedding(g, codes, gumbel_codebook(self, g));
    return TESS_OK;
}

static const struct tess_quantizer_1 ops = {.size = sizeof ops,
                                            .codebook_size = gumbel_codebook_size,
                                            .code_dim = gumbel_code_dim,
                                            .record = gumbel_record,
                                            .record_assign = gumbel_record_assign,
                                            .record_lookup = gumbel_record_lookup,
                                            .outside_latent_space = gumbel_outside_latent_space};

static const struct tess_param params[] = {
    TESS_PARAM_I64(struct gumbel, codebook_size, 2, 65536, 256, "codes (K)"),
    TESS_PARAM_I64(struct gumbel, code_dim, 1, 4096, 32, "width of a latent and of a code (D)"),
    TESS_PARAM_F64(struct gumbel, temperature, 1e-3, 100, 1, "of the softmax at the first step"),
    TESS_PARAM_F64(struct gumbel, temperature_final, 1e-3, 100, 0.0625, "of the softmax when annealing is over"),
    TESS_PARAM_F64(struct gumbel, anneal, 1e-6, 1, 0.8, "share of the training's steps over which the temperature falls, geometrically"),
    TESS_PARAM_F64(struct gumbel, kl, 0, 100, 5e-4, "weight of the divergence of the logits from uniform"),
    TESS_PARAM_END};

TESS_PLUGIN("tessera-gumbel", "0.1.0", "MIT", TESS_NEEDS("graph/1", "random/1"),
            TESS_COMPONENT_DOCUMENTED("Jang, Gu and Poole, Categorical Reparameterization with Gumbel-Softmax, 2017",
                                      "quantizer: {use: gumbel, codebook_size: 256, code_dim: 32}", "gumbel", "quantizer/1",
                                      "a code drawn from K logits, gradients through the draw", sizeof(struct gumbel), params, NULL, NULL,
                                      &ops));
