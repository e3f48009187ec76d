/* denoiser/1 `template-name`: an MLP-mixer. Each layer mixes the tokens of a channel, then the channels of a token, by two linear layers
 * each (Tolstikhin et al., "MLP-Mixer: An all-MLP architecture for vision", 2021). It works for maps of the size it was trained on.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/kind/denoiser.h>
#include <tessera/plugin.h>

#include <math.h>

struct template_name {
    int64_t width, layers; /* parameters, filled by the host from the table below */
};

static struct tess_node *drawn(struct tess_graph *g, const char *name, int64_t rows, int64_t columns, double spread)
{
    const int64_t dim[2] = {rows, columns};
    const struct tess_init init = {sizeof init, TESS_INIT_NORMAL, 0, 0.0, spread};
    return tess_weight(g, name, 2, dim, &init);
}

static struct tess_node *vector(struct tess_graph *g, const char *name, int64_t values, double value)
{
    const struct tess_init init = {sizeof init, TESS_INIT_CONSTANT, TESS_WEIGHT_NO_DECAY, value, 0.0};
    return tess_weight(g, name, 1, &values, &init);
}

static struct tess_node *norm(struct tess_graph *g, const char *name, struct tess_node *x, int64_t width)
{
    tess_scope(g, "%s", name);
    x = tess_layer_norm(g, x, vector(g, "gain", width, 1.0), vector(g, "bias", width, 0.0), 1e-5f);
    tess_scope_end(g);
    return x;
}

/* MLP along an axis of x: n values -> 2 n -> n */
static struct tess_node *mix(struct tess_graph *g, const char *name, struct tess_node *x, int32_t axis, int64_t n)
{
    const double spread = 1.0 / sqrt((double)n);
    tess_scope(g, "%s", name);
    x = tess_gelu(g, tess_linear_along(g, x, axis, drawn(g, "up", 2 * n, n, spread), vector(g, "up_bias", 2 * n, 0.0)));
    x = tess_linear_along(g, x, axis, drawn(g, "down", n, 2 * n, 0.5 * spread), vector(g, "down_bias", n, 0.0));
    tess_scope_end(g);
    return x;
}

/* Embedding of tokens: vector of the code, plus vector of the place, plus vector of the time where the denoiser is told it. */
static struct tess_node *embed(const struct template_name *d, struct tess_graph *g, const struct tess_denoiser_input *in)
{
    const struct tess_tensor tokens = tess_shape(in->tokens);
    const int64_t width = d->width, each[3] = {tokens.dim[0], 1, width};
    struct tess_node *x = tess_embedding(g, in->tokens, drawn(g, "tokens", in->vocabulary, width, 0.02));
    x = tess_add(g, x, drawn(g, "places", in->height * in->width, width, 0.02));
    if (in->time) {
        struct tess_node *time = tess_linear(g, tess_sinusoid(g, in->time, width, 1000.0f), drawn(g, "time", width, width, 0.02), NULL);
        x = tess_add(g, x, tess_reshape(g, time, 3, each));
    }
    return x;
}

/* tokens (N, L) -> logits (N, L, K), or (N, P, K) of the positions that are asked for */
static int template_name_record(void *self, struct tess_context *ctx, struct tess_graph *g, const struct tess_denoiser_input *in,
                                struct tess_node **logits)
{
    const struct template_name *d = (const struct template_name *)self;
    struct tess_node *x = embed(d, g, in);
    (void)ctx;
    for (int64_t i = 0; i < d->layers; i++) {
        tess_scope(g, "layers.%d", (int)i);
        x = tess_add(g, x, mix(g, "tokens", norm(g, "tokens_norm", x, d->width), 1, in->height * in->width));
        x = tess_add(g, x, mix(g, "channels", norm(g, "channels_norm", x, d->width), 2, d->width));
        tess_scope_end(g);
    }
    x = norm(g, "norm", x, d->width);
    if (in->positions)
        x = tess_gather(g, x, in->positions);
    *logits = tess_linear(g, x, drawn(g, "logits", in->codebook_size, d->width, 0.02), vector(g, "logits_bias", in->codebook_size, 0.0));
    return TESS_OK;
}

static int template_name_open(void *self, struct tess_context *ctx)
{
    const struct template_name *d = (const struct template_name *)self;
    return d->width % 2 == 0 ? TESS_OK : ctx->fail(ctx, TESS_E_VALUE, "wanted an even `width`, found %lld", (long long)d->width);
}

static const struct tess_denoiser_1 ops = {sizeof(struct tess_denoiser_1), template_name_record, 1 /* takes `positions` */};

static const struct tess_param params[] = {TESS_PARAM_I64(struct template_name, width, 2, 65536, 64, "channels of a token, even"),
                                           TESS_PARAM_I64(struct template_name, layers, 1, 1024, 2, "layers"), TESS_PARAM_END};

TESS_PLUGIN("template-name", "0.1.0", "MIT", TESS_NEEDS("graph/1"),
            TESS_COMPONENT("template-name", "denoiser/1", "an MLP-mixer", sizeof(struct template_name), params, template_name_open, NULL,
                           &ops));
