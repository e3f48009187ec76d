/* A tokenizer from an artefact's attributes, and its two graphs. SPDX-License-Identifier: MIT */
#include <tessera/model.h>

#include "core/model/parts.h"

#include <stdio.h>
#include <string.h>

static int open_part(struct tess_context *ctx, const struct tess_attrs *f, const char *where, const char *part, const char *kind,
                     struct tess_instance **out)
{
    const char *config_text;
    char place[600];
    TESS_TRY(tess_attrs_text(ctx, f, part, &config_text));
    snprintf(place, sizeof place, "%s: %s", where, part);
    return tess_instance_open(ctx, kind, config_text, place, out);
}

static int tokenizer_open_all(struct tess_context *ctx, const struct tess_attrs *f, const char *where, struct tess_tokenizer *t)
{
    TESS_TRY(tess_attrs_i64(ctx, f, "height", &t->height));
    TESS_TRY(tess_attrs_i64(ctx, f, "width", &t->width));
    TESS_TRY(tess_attrs_i64(ctx, f, "channels", &t->channels));
    TESS_TRY(tess_attrs_i64(ctx, f, "latent_height", &t->latent_height));
    TESS_TRY(tess_attrs_i64(ctx, f, "latent_width", &t->latent_width));
    TESS_TRY(tess_attrs_i64(ctx, f, "codebook_size", &t->codebook_size));
    TESS_TRY(tess_attrs_i64(ctx, f, "code_dim", &t->code_dim));
    TESS_TRY(tess_levels_get(ctx, f, t->codebook_size, &t->depth, t->level_size));
    TESS_TRY(open_part(ctx, f, where, "encoder", "encoder/1", &t->encoder));
    TESS_TRY(open_part(ctx, f, where, "quantizer", "quantizer/1", &t->quantizer));
    return open_part(ctx, f, where, "decoder", "decoder/1", &t->decoder);
}

/* Checks that the attributes agree with the quantizer's parameters. */
static int check_codebook(struct tess_context *ctx, const char *where, struct tess_tokenizer *t)
{
    struct tess_code_layout k = {.size = sizeof k};
    TESS_TRY(tess_code_layout_of(ctx, t->quantizer, &k));
    t->without_error = k.without_error;
    int same = k.depth == t->depth && memcmp(k.level_size, t->level_size, (size_t)k.depth * sizeof *k.level_size) == 0;
    if (!same && k.codebook_size == t->codebook_size && k.code_dim == t->code_dim)
        return ctx->fail(ctx, TESS_E_DATA,
                         "%s: the attributes `depth` and `level_sizes` say %lld codes a position, and its quantizer has %lld, or levels of "
                         "other sizes; the file contradicts itself: make it again",
                         where, (long long)t->depth, (long long)k.depth);
    if (same && k.codebook_size == t->codebook_size && k.code_dim == t->code_dim)
        return TESS_OK;
    return ctx->fail(
        ctx, TESS_E_DATA,
        "%s: the attributes `codebook_size` and `code_dim` are %lld and %lld, and its quantizer has %lld codes of width %lld; the file "
        "contradicts itself: make it again",
        where, (long long)t->codebook_size, (long long)t->code_dim, (long long)k.codebook_size, (long long)k.code_dim);
}

/* Checks that a part's result has `height` x `width`, as recorded in the attributes "latent_height" and "latent_width", or "height" and
 * "width". */
static int tokenizer_check_size(struct tess_context *ctx, const struct tess_node *made, const char *part, const char *attrs, int64_t height,
                                int64_t width)
{
    if (!made) /* the graph has failed and says why when it is sealed */
        return TESS_OK;
    struct tess_tensor shape = tess_shape(made);
    if (shape.rank >= 3 && shape.dim[1] == height && shape.dim[2] == width)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_DATA,
                   "the model's attributes `%sheight` and `%swidth` are %lld and %lld, and its %s makes %lld x %lld; the file contradicts "
                   "itself: make it again",
                   attrs, attrs, (long long)height, (long long)width, part, (long long)shape.dim[1], (long long)shape.dim[2]);
}

int tess_tokenizer_open(struct tess_context *ctx, const struct tess_attrs *f, const char *where, struct tess_tokenizer *out)
{
    struct tess_tokenizer t = {.size = out->size};
    if (!TESS_HAS(out, decoder))
        return ctx->fail(ctx, TESS_E_INTERNAL, "%s: a struct of %u bytes for a tokenizer: its `size` is to be set by who opens it", where,
                         out->size);
    int status = tokenizer_open_all(ctx, f, where, &t);
    if (status == TESS_OK)
        status = check_codebook(ctx, where, &t);
    if (status != TESS_OK)
        tess_tokenizer_close(&t);
    memcpy(out, &t, out->size < sizeof t ? out->size : sizeof t);
    return status;
}

void tess_tokenizer_close(struct tess_tokenizer *t)
{
    tess_instance_close(t->encoder);
    tess_instance_close(t->quantizer);
    tess_instance_close(t->decoder);
    t->encoder = t->quantizer = t->decoder = NULL;
}

int tess_tokenizer_latent(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g, struct tess_node *image,
                          struct tess_node **latent)
{
    TESS_TRY(tessi_model_encode(ctx, t->encoder, g, image, t->code_dim, latent));
    if (t->latent_height == 0)
        return TESS_OK;
    return tokenizer_check_size(ctx, *latent, "encoder", "latent_", t->latent_height, t->latent_width);
}

int tess_tokenizer_assign(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g, struct tess_node *latent,
                          struct tess_node **codes)
{
    return tessi_model_assign(ctx, t->quantizer, g, latent, codes);
}

int tess_tokenizer_lookup(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g, struct tess_node *codes,
                          struct tess_node **quantised)
{
    return tessi_model_lookup(ctx, t->quantizer, g, codes, quantised);
}

int tess_tokenizer_quantize(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g, struct tess_node *latent,
                            struct tess_quantized *out)
{
    return tessi_model_quantize(ctx, t->quantizer, g, latent, out);
}

/* Images of the tokenizer's own size. Where that is an attribute of a file, it is checked against what the file says. */
static struct tessi_image_size tokenizer_image_size(const struct tess_tokenizer *t)
{
    return (struct tessi_image_size){t->height, t->width, t->channels, t->latent_height == 0};
}

int tess_tokenizer_image(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g, struct tess_node *quantised,
                         struct tess_node **image)
{
    const struct tessi_image_size size = tokenizer_image_size(t);
    TESS_TRY(tessi_model_decode(ctx, t->decoder, g, quantised, &size, image));
    return tokenizer_check_size(ctx, *image, "decoder", "", t->height, t->width);
}

/* image -> latent (rows, h, w, D) and its codes, which must be of the size that the attributes have. */
static int record_codes(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g, struct tess_node **latent,
                        struct tess_node **codes)
{
    int64_t shape[4] = {tess_graph_microbatch(g), t->height, t->width, t->channels};
    struct tess_node *image = tess_input(g, "image", TESS_U8, 4, shape);
    TESS_TRY(tess_tokenizer_latent(ctx, t, g, tess_to_f32(g, image, 1.0f / 255.0f, 0.0f), latent));
    TESS_TRY(tess_tokenizer_assign(ctx, t, g, *latent, codes));
    tess_output(g, "codes", *codes);
    return TESS_OK;
}

int tess_tokenizer_record_encode(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g)
{
    struct tess_node *latent = NULL, *codes = NULL;
    return record_codes(ctx, t, g, &latent, &codes);
}

int tess_tokenizer_record_encode_error(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g)
{
    struct tess_node *latent = NULL, *codes = NULL, *quantised = NULL;
    int64_t rows = tess_graph_microbatch(g);
    TESS_TRY(record_codes(ctx, t, g, &latent, &codes));
    if (!t->without_error) {
        TESS_TRY(tess_tokenizer_lookup(ctx, t, g, codes, &quantised));
        latent = tess_sub(g, latent, quantised);
    }
    tess_output(g, "error", tess_reshape(g, tess_mean(g, tess_square(g, latent), 0xe), 1, &rows));
    return TESS_OK;
}

int tess_tokenizer_record_head(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g, struct tess_node *quantised,
                               struct tess_node **image, struct tess_node **log_sigma)
{
    const struct tessi_image_size size = tokenizer_image_size(t);
    TESS_TRY(tessi_model_likelihood(ctx, t->decoder, g, quantised, &size, image, log_sigma));
    return tokenizer_check_size(ctx, *image, "decoder", "", t->height, t->width);
}

/* Records the lookup of the graph input "codes". */
static int tokenizer_record_lookup(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g, int64_t height,
                                   int64_t width, struct tess_node **quantised)
{
    int64_t shape[4];
    int32_t rank = tess_code_shape(tess_graph_microbatch(g), height, width, t->depth, shape);
    return tess_tokenizer_lookup(ctx, t, g, tess_input(g, "codes", TESS_I32, rank, shape), quantised);
}

/* Records the decoder for maps of height x width codes. */
static int record_decode(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g, int64_t height, int64_t width)
{
    const struct tessi_image_size size = tokenizer_image_size(t);
    struct tess_node *quantised = NULL, *image = NULL;
    TESS_TRY(tokenizer_record_lookup(ctx, t, g, height, width, &quantised));
    if (height == t->latent_height && width == t->latent_width)
        TESS_TRY(tess_tokenizer_image(ctx, t, g, quantised, &image));
    else
        TESS_TRY(tessi_model_decode_larger(ctx, t->decoder, g, quantised, &size, &image));
    tess_output(g, "image", image);
    return TESS_OK;
}

int tess_tokenizer_record_decode(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g)
{
    return record_decode(ctx, t, g, t->latent_height, t->latent_width);
}

int tess_tokenizer_record_decode_larger(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g, int64_t height,
                                        int64_t width)
{
    const struct tess_decoder_1 *decoder = tess_instance_ops(t->decoder, "decoder/1");
    int can = TESS_HAS(decoder, record_larger) && decoder->record_larger;
    if (height < t->latent_height || width < t->latent_width)
        return ctx->fail(ctx, TESS_E_INTERNAL, "a decoder for maps of %lld x %lld is wanted for %lld x %lld", (long long)t->latent_height,
                       (long long)t->latent_width, (long long)height, (long long)width);
    if (!can && (height > t->latent_height || width > t->latent_width))
        return ctx->fail(ctx, TESS_E_VALUE,
                       "the decoder `%s` takes maps of %lld x %lld codes alone, and %lld x %lld are wanted; leave `model` out for codes "
                       "without images",
                       tess_instance_name(t->decoder), (long long)t->latent_height, (long long)t->latent_width, (long long)height,
                       (long long)width);
    return record_decode(ctx, t, g, height, width);
}

int tess_tokenizer_record_likelihood(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g)
{
    struct tess_node *quantised = NULL, *image = NULL, *log_sigma = NULL;
    TESS_TRY(tokenizer_record_lookup(ctx, t, g, t->latent_height, t->latent_width, &quantised));
    TESS_TRY(tess_tokenizer_record_head(ctx, t, g, quantised, &image, &log_sigma));
    tess_output(g, "image", image);
    tess_output(g, "log_sigma", log_sigma);
    return TESS_OK;
}

int tess_tokenizer_has_likelihood(const struct tess_attrs *f)
{
    return tess_attrs_i64_or(f, "likelihood", 0) == 1;
}

const char *tess_tokenizer_digest(const struct tess_artefact *model)
{
    return tess_attrs_text_or(tess_artefact_attrs(model), "tokenizer", tess_artefact_digest(model));
}
