/* Recording of a tokenizer's parts, with checks of their results; see parts.h. SPDX-License-Identifier: MIT */
#include "core/model/parts.h"

#include "core/model/check_recorded.h"
#include "core/model/code_range.h"

#include <string.h>

enum { CODES_MAX = 1 << 30, WIDTH_MAX = 1 << 20 };

/* ---- encoder ---- */

int tessi_model_encode(struct tess_context *ctx, const struct tess_instance *encoder, struct tess_graph *g, struct tess_node *image,
                       int64_t code_dim, struct tess_node **latent)
{
    const struct tess_encoder_1 *ops = tess_instance_ops(encoder, "encoder/1");
    const int64_t dim[4] = {tess_graph_microbatch(g), TESSI_ANY, TESSI_ANY, code_dim};
    *latent = NULL;
    struct tessi_recording r = tessi_model_recording(encoder, "encoder", "record", g, "encoder");
    TESS_TRY(tessi_model_returned(ctx, &r, ops->record(tess_instance_self(encoder), ctx, g, image, code_dim, latent)));
    tess_scope_end(g);
    return tessi_model_gave(ctx, &r, "a latent", *latent, TESS_F32, 4, dim);
}

/* ---- quantizer ---- */

static int ask_levels(struct tess_context *ctx, const struct tess_instance *q, struct tess_code_layout *k)
{
    const struct tess_quantizer_1 *ops = tess_instance_ops(q, "quantizer/1");
    int has_sizes = TESS_HAS(ops, level_size) && ops->level_size;
    int64_t largest = 0;
    k->depth = TESS_HAS(ops, depth) && ops->depth ? ops->depth(tess_instance_self(q)) : 1;
    TESS_TRY(tessi_model_number(ctx, q, "quantizer", "depth", k->depth, 1, TESS_DEPTH_MAX));
    for (int64_t l = 0; l < k->depth; l++) {
        k->level_size[l] = has_sizes ? ops->level_size(tess_instance_self(q), l) : k->codebook_size;
        TESS_TRY(tessi_model_number(ctx, q, "quantizer", "level_size", k->level_size[l], 2, k->codebook_size));
        largest = k->level_size[l] > largest ? k->level_size[l] : largest;
    }
    return tessi_model_number(ctx, q, "quantizer", "codebook_size, that of its largest level", k->codebook_size, largest, largest);
}

int tess_code_layout_of(struct tess_context *ctx, const struct tess_instance *quantizer, struct tess_code_layout *out)
{
    const struct tess_quantizer_1 *ops = tess_instance_ops(quantizer, "quantizer/1");
    void *self = tess_instance_self(quantizer);
    struct tess_code_layout k = {.size = out->size};
    k.codebook_size = ops->codebook_size(self);
    TESS_TRY(tessi_model_number(ctx, quantizer, "quantizer", "codebook_size", k.codebook_size, 2, CODES_MAX));
    TESS_TRY(tessi_model_same(ctx, quantizer, "quantizer", "codebook_size", k.codebook_size, ops->codebook_size(self)));
    k.code_dim = ops->code_dim(self);
    TESS_TRY(tessi_model_number(ctx, quantizer, "quantizer", "code_dim", k.code_dim, 1, WIDTH_MAX));
    TESS_TRY(tessi_model_same(ctx, quantizer, "quantizer", "code_dim", k.code_dim, ops->code_dim(self)));
    if (TESS_HAS(ops, outside_latent_space) && ops->outside_latent_space)
        k.without_error = ops->outside_latent_space(self);
    TESS_TRY(tessi_model_number(ctx, quantizer, "quantizer", "outside_latent_space", k.without_error, 0, 1));
    TESS_TRY(ask_levels(ctx, quantizer, &k));
    memcpy(out, &k, out->size < sizeof k ? out->size : sizeof k);
    return TESS_OK;
}

/* Checks dtype and shape of the codes of the latent's maps, and records the range check of code_range.h. */
static int quantizer_gave_codes(struct tess_context *ctx, const struct tessi_recording *r, const struct tess_node *latent,
                                struct tess_node **codes)
{
    struct tess_code_layout k = {.size = sizeof k};
    struct tess_tensor z = tess_shape(latent);
    int64_t dim[4];
    TESS_TRY(tess_code_layout_of(ctx, r->part, &k));
    int32_t rank = tess_code_shape(z.dim[0], z.dim[1], z.dim[2], k.depth, dim);
    TESS_TRY(tessi_model_gave(ctx, r, "codes", *codes, TESS_I32, rank, dim));
    *codes = tessi_model_code_range(r, *codes, &k);
    return TESS_OK;
}

int tessi_model_quantize(struct tess_context *ctx, const struct tess_instance *quantizer, struct tess_graph *g, struct tess_node *latent,
                         struct tess_quantized *out)
{
    const struct tess_quantizer_1 *ops = tess_instance_ops(quantizer, "quantizer/1");
    struct tess_tensor z = tess_shape(latent);
    *out = (struct tess_quantized){.size = sizeof *out};
    struct tessi_recording r = tessi_model_recording(quantizer, "quantizer", "record", g, "quantizer");
    TESS_TRY(tessi_model_returned(ctx, &r, ops->record(tess_instance_self(quantizer), ctx, g, latent, out)));
    tess_scope_end(g);
    TESS_TRY(tessi_model_gave(ctx, &r, "`quantised`", out->quantised, TESS_F32, z.rank, z.dim));
    TESS_TRY(quantizer_gave_codes(ctx, &r, latent, &out->codes));
    struct tess_tensor loss = tess_shape(out->loss);
    int one = out->loss && tess_tensor_count(&loss) == 1; /* the loss: a scalar of any rank */
    return tessi_model_gave(ctx, &r, "`loss`", out->loss, TESS_F32, one ? loss.rank : 0, loss.dim);
}

int tessi_model_assign(struct tess_context *ctx, const struct tess_instance *quantizer, struct tess_graph *g, struct tess_node *latent,
                       struct tess_node **codes)
{
    const struct tess_quantizer_1 *ops = tess_instance_ops(quantizer, "quantizer/1");
    *codes = NULL;
    struct tessi_recording r = tessi_model_recording(quantizer, "quantizer", "record_assign", g, "quantizer");
    TESS_TRY(tessi_model_returned(ctx, &r, ops->record_assign(tess_instance_self(quantizer), ctx, g, latent, codes)));
    tess_scope_end(g);
    return quantizer_gave_codes(ctx, &r, latent, codes);
}

int tessi_model_lookup(struct tess_context *ctx, const struct tess_instance *quantizer, struct tess_graph *g, struct tess_node *codes,
                       struct tess_node **quantised)
{
    const struct tess_quantizer_1 *ops = tess_instance_ops(quantizer, "quantizer/1");
    struct tess_code_layout k = {.size = sizeof k};
    struct tess_tensor c = tess_shape(codes);
    *quantised = NULL;
    TESS_TRY(tess_code_layout_of(ctx, quantizer, &k));
    struct tessi_recording r = tessi_model_recording(quantizer, "quantizer", "record_lookup", g, "quantizer");
    TESS_TRY(tessi_model_returned(ctx, &r, ops->record_lookup(tess_instance_self(quantizer), ctx, g, codes, quantised)));
    tess_scope_end(g);
    return tessi_model_gave(ctx, &r, "`quantised`", *quantised, TESS_F32, 4, (const int64_t[]){c.dim[0], c.dim[1], c.dim[2], k.code_dim});
}

/* ---- decoder ---- */

typedef int decode_fn(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, int64_t height, int64_t width,
                      int64_t channels, struct tess_node **image);

static int decoder_gave(struct tess_context *ctx, const struct tessi_recording *r, const char *what, const struct tess_node *x,
                        const struct tessi_image_size *s)
{
    int64_t any = TESSI_ANY;
    const int64_t dim[4] = {tess_graph_microbatch(r->g), s->checked ? s->height : any, s->checked ? s->width : any, s->channels};
    return tessi_model_gave(ctx, r, what, x, TESS_F32, 4, dim);
}

static int decode_by(struct tess_context *ctx, const struct tess_instance *decoder, const char *function, decode_fn *decode,
                     struct tess_graph *g, struct tess_node *quantised, const struct tessi_image_size *s, struct tess_node **image)
{
    *image = NULL;
    TESS_TRY(tessi_model_needs(ctx, decoder, "decoder", function, decode != NULL));
    struct tessi_recording r = tessi_model_recording(decoder, "decoder", function, g, "decoder");
    TESS_TRY(
        tessi_model_returned(ctx, &r, decode(tess_instance_self(decoder), ctx, g, quantised, s->height, s->width, s->channels, image)));
    tess_scope_end(g);
    return decoder_gave(ctx, &r, "an image", *image, s);
}

int tessi_model_decode(struct tess_context *ctx, const struct tess_instance *decoder, struct tess_graph *g, struct tess_node *quantised,
                       const struct tessi_image_size *size, struct tess_node **image)
{
    const struct tess_decoder_1 *ops = tess_instance_ops(decoder, "decoder/1");
    return decode_by(ctx, decoder, "record", ops->record, g, quantised, size, image);
}

int tessi_model_decode_larger(struct tess_context *ctx, const struct tess_instance *decoder, struct tess_graph *g,
                              struct tess_node *quantised, const struct tessi_image_size *size, struct tess_node **image)
{
    const struct tess_decoder_1 *ops = tess_instance_ops(decoder, "decoder/1");
    return decode_by(ctx, decoder, "record_larger", TESS_HAS(ops, record_larger) ? ops->record_larger : NULL, g, quantised, size, image);
}

int tessi_model_likelihood(struct tess_context *ctx, const struct tess_instance *decoder, struct tess_graph *g, struct tess_node *quantised,
                           const struct tessi_image_size *s, struct tess_node **image, struct tess_node **log_sigma)
{
    const struct tess_decoder_1 *ops = tess_instance_ops(decoder, "decoder/1");
    *image = *log_sigma = NULL;
    if (!TESS_HAS(ops, record_likelihood) || !ops->record_likelihood)
        return ctx->fail(ctx, TESS_E_VALUE,
                         "the decoder `%s` has no head for the likelihood of images; train a model whose decoder has one",
                         tess_instance_name(decoder));
    struct tessi_recording r = tessi_model_recording(decoder, "decoder", "record_likelihood", g, "decoder");
    TESS_TRY(tessi_model_returned(
        ctx, &r,
        ops->record_likelihood(tess_instance_self(decoder), ctx, g, quantised, s->height, s->width, s->channels, image, log_sigma)));
    tess_scope_end(g);
    TESS_TRY(decoder_gave(ctx, &r, "an image", *image, s));
    return decoder_gave(ctx, &r, "`log_sigma`", *log_sigma, s);
}
