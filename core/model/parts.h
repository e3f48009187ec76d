/* A tokenizer's parts recorded into a graph, each under its scope ("encoder", "quantizer", "decoder"), with its results checked
 * (check_recorded.h). tess_tokenizer_latent and the other functions of model.h are built from these. SPDX-License-Identifier: MIT */
#ifndef TESSI_MODEL_PARTS_H
#define TESSI_MODEL_PARTS_H

#include <tessera/model.h>

/* Encoder: image -> latent of `code_dim` channels. */
int tessi_model_encode(struct tess_context *ctx, const struct tess_instance *encoder, struct tess_graph *g, struct tess_node *image,
                       int64_t code_dim, struct tess_node **latent) TESS_CHECKED;
/* Quantizer in training: latent -> all of *out; sets out->size. */
int tessi_model_quantize(struct tess_context *ctx, const struct tess_instance *quantizer, struct tess_graph *g, struct tess_node *latent,
                         struct tess_quantized *out) TESS_CHECKED;
/* Quantizer in use: latent -> codes, and codes -> quantised. */
int tessi_model_assign(struct tess_context *ctx, const struct tess_instance *quantizer, struct tess_graph *g, struct tess_node *latent,
                       struct tess_node **codes) TESS_CHECKED;
int tessi_model_lookup(struct tess_context *ctx, const struct tess_instance *quantizer, struct tess_graph *g, struct tess_node *codes,
                       struct tess_node **quantised) TESS_CHECKED;

/* Image size that a decoder is recorded for, and whether height and width are checked: not where a caller has more to say. */
struct tessi_image_size {
    int64_t height, width, channels;
    int checked;
};
int tessi_model_decode(struct tess_context *ctx, const struct tess_instance *decoder, struct tess_graph *g, struct tess_node *quantised,
                       const struct tessi_image_size *size, struct tess_node **image) TESS_CHECKED;
int tessi_model_decode_larger(struct tess_context *ctx, const struct tess_instance *decoder, struct tess_graph *g,
                              struct tess_node *quantised, const struct tessi_image_size *size, struct tess_node **image) TESS_CHECKED;
/* Decoder with its likelihood head: also gives log_sigma, of the image's shape. TESS_E_VALUE where the decoder has no head for the
 * likelihood of images. */
int tessi_model_likelihood(struct tess_context *ctx, const struct tess_instance *decoder, struct tess_graph *g, struct tess_node *quantised,
                           const struct tessi_image_size *size, struct tess_node **image, struct tess_node **log_sigma) TESS_CHECKED;

#endif
