/* quantizer/1 `rotation`: another quantizer, through which gradients pass turned and scaled as the latent is onto its code, in place of
 * unchanged (docs/models.md, "Rotation trick"; Fifty et al., "Restructuring Vector Quantization with the Rotation Trick"). Codes, weights
 * and losses are the other quantizer's.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/codebook/inner.h"

#include <math.h>

struct rotation {
    struct tess_instance *quantizer;
};

static struct tess_instance *rotation_inner(void *self)
{
    return ((struct rotation *)self)->quantizer;
}

static double rotation_dot(int64_t d, const float *a, const float *b)
{
    double sum = 0.0;
    for (int64_t i = 0; i < d; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* z, q (..., D) -> q, which is (28.1) without its roundings. */
static int rotation_forward(const struct tess_op_run *r)
{
    const float *q = r->in[1].data;
    float *y = r->out[0].data;
    for (int64_t i = 0; i < tess_tensor_count(&r->in[1]); i++)
        y[i] = q[i];
    return TESS_OK;
}

/* y = sg[lambda R] z, R = I - 2 r r^T + 2 q^ z^T with unit vectors z^, q^ and r along z^ + q^: dz = lambda R^T dy (28.2). Where one of them
 * is zero, or they are opposite, there is no such rotation: dz = dy. */
static void rotate_back(int64_t d, const float *z, const float *q, const float *dy, float *dz)
{
    double zz = sqrt(rotation_dot(d, z, z)), qq = sqrt(rotation_dot(d, q, q)), zq = rotation_dot(d, z, q);
    double sum = zz > 0.0 && qq > 0.0 ? 2.0 + 2.0 * zq / (zz * qq) : 0.0; /* |z^ + q^|^2 */
    if (!(sum > 1e-6)) {
        for (int64_t i = 0; i < d; i++)
            dz[i] = dy[i];
        return;
    }
    double z_dy = rotation_dot(d, z, dy) / zz, q_dy = rotation_dot(d, q, dy) / qq, scale = qq / zz;
    double along = 2.0 * (z_dy + q_dy) / sum; /* 2 r (r^T dy) = along (z^ + q^) */
    for (int64_t i = 0; i < d; i++) {
        double zi = (double)z[i] / zz, qi = (double)q[i] / qq;
        dz[i] = (float)(scale * ((double)dy[i] - along * (zi + qi) + 2.0 * q_dy * zi));
    }
}

static int rotation_backward(const struct tess_op_run *r)
{
    int64_t d = r->in[0].dim[r->in[0].rank - 1], n = tess_tensor_count(&r->in[0]);
    const float *z = r->in[0].data, *q = r->in[1].data, *dy = r->dout[0].data;
    float *dz = r->din[0].data;
    for (int64_t i = 0; dz && i < n; i += d) {
        if (dy)
            rotate_back(d, z + i, q + i, dy + i, dz + i);
        else
            for (int64_t k = 0; k < d; k++)
                dz[i + k] = 0.0f;
    }
    return TESS_OK;
}

static int rotation_record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_quantized *out)
{
    static const struct tess_op op = {
        .size = sizeof op, .name = "rotation", .keep_in = 3, .forward = rotation_forward, .backward = rotation_backward};
    struct tess_tensor shape = tess_shape(latent);
    TESS_TRY(inner_record(ctx, rotation_inner(self), g, latent, out));
    struct tess_node *in[2] = {latent, tess_stop_gradient(g, out->quantised)}, *turned = NULL;
    if (in[0] && in[1])
        tess_custom(g, &op, NULL, 0, 2, in, 1, &shape, 0, 8.0 * (double)tess_tensor_count(&shape), &turned);
    out->quantised = turned;
    return TESS_OK;
}

static int rotation_open(void *self, struct tess_context *ctx)
{
    return inner_check(ctx, "rotation", rotation_inner(self));
}

INNER_FUNCTIONS(rotation, rotation_inner)

static const struct tess_quantizer_1 ops = {.size = sizeof ops,
                                            .codebook_size = rotation_codebook_size,
                                            .code_dim = rotation_code_dim,
                                            .record = rotation_record,
                                            .record_assign = rotation_assign,
                                            .record_lookup = rotation_lookup,
                                            .react = rotation_react,
                                            .rebuild = rotation_rebuild,
                                            .depth = rotation_depth,
                                            .level_size = rotation_level_size,
                                            .outside_latent_space = rotation_outside};

static const struct tess_param params[] = {
    TESS_PARAM_COMPONENT(struct rotation, quantizer, TESS_REQUIRED, "quantizer/1", "whose codes they are"), TESS_PARAM_END};

TESS_PLUGIN("tessera-rotation", "0.1.0", "MIT", TESS_NEEDS("graph/1"),
            TESS_COMPONENT_DOCUMENTED("Fifty et al., Restructuring Vector Quantization with the Rotation Trick, 2024",
                                      "quantizer: {use: rotation, quantizer: {use: ema, codebook_size: 256}}", "rotation", "quantizer/1",
                                      "another quantizer, gradients turned as the latent is onto its code", sizeof(struct rotation), params,
                                      rotation_open, NULL, &ops));
