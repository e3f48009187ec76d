/* Trained models as stages use them: a tokenizer (encoder + quantizer + decoder) and a prior (noise + denoiser) opened from an
 * artefact's attributes. Everything by kind; nothing here knows an algorithm.
 *
 * Attributes of an "autoencoder" artefact: height, width, channels, latent_height, latent_width, codebook_size, code_dim, and the
 * configurations encoder, quantizer, decoder; depth and level_sizes where codes have levels (levels.h); where the decoder has a trained
 * head for the likelihood of images, likelihood (1), and where such a head is all that was added to another model, tokenizer (that model's
 * digest). Of a "prior": codebook_size, height, width (of the map of codes), depth and level_sizes where codes have levels, tokenizer
 * (digest of the autoencoder its codes came from), noise, denoiser; where its denoiser is told labels, condition ("labels") and classes.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_MODEL_H
#define TESSERA_MODEL_H

#include <tessera/artefact.h>
#include <tessera/attributes.h>
#include <tessera/kind/decoder.h>
#include <tessera/kind/encoder.h>
#include <tessera/kind/quantizer.h>
#include <tessera/levels.h>
#include <tessera/plugin.h>
#include <tessera/kind/denoiser.h>
#include <tessera/kind/noise.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Layout of a quantizer's codes: levels, their codebook sizes, and the width of a code's vector. */
struct tess_code_layout {
    uint32_t size;                      /* sizeof(struct tess_code_layout), set by the caller */
    int32_t without_error;              /* codes lie outside the latent's space (kind/quantizer.h): there is no quantisation error */
    int64_t codebook_size, code_dim;    /* K of the largest level, D */
    int64_t depth;                      /* codes a position */
    int64_t level_size[TESS_DEPTH_MAX]; /* K of each level */
};
/* Reads the layout from the quantizer. TESS_E_PLUGIN where it gives an impossible number. */
TESS_EXPORT TESS_CHECKED int tess_code_layout_of(struct tess_context *ctx, const struct tess_instance *quantizer,
                                                 struct tess_code_layout *out);

struct tess_tokenizer {
    uint32_t size;         /* sizeof(struct tess_tokenizer), set by the caller before it is opened */
    int32_t without_error; /* codes lie outside the latent's space (kind/quantizer.h): there is no quantisation error */
    int64_t height, width, channels, latent_height, latent_width, codebook_size, code_dim;
    struct tess_instance *encoder, *quantizer, *decoder;
    int64_t depth;                      /* codes a position; 0: one, of codebook_size */
    int64_t level_size[TESS_DEPTH_MAX]; /* codebook size of each level */
};
/* Instances of the parts, made from the attributes, which may go afterwards. `where` names the artefact in messages; fails where an
 * attribute is missing, a part cannot be opened, or the quantizer has another number or width of codes than the attributes. Recording fails
 * with TESS_E_DATA where encoder or decoder make maps or images of another size than the attributes. close accepts a zeroed or half-opened
 * one. Recording, here and below, is of one graph by one thread; weights go under "encoder", "quantizer", "decoder", "denoiser". */
TESS_EXPORT TESS_CHECKED int tess_tokenizer_open(struct tess_context *ctx, const struct tess_attrs *f, const char *where,
                                                 struct tess_tokenizer *out);
TESS_EXPORT void tess_tokenizer_close(struct tess_tokenizer *t);
/* The parts, for graphs of one's own: each records under its part's scope, where the caller's is none. They read only the instances and
 * sizes of `t`. image (rows, H, W, C) -> latent (rows, h, w, D) -> codes i32 (rows, h, w), or (rows, h, w, depth) where there are levels
 * (levels.h) -> quantised (rows, h, w, D) -> image (rows, H, W, C), all but the codes f32; `image` of an encoder in [0, 1], of a decoder
 * unclamped. tess_tokenizer_quantize is the way in training, with the quantizer's loss (kind/quantizer.h); it sets out->size. TESS_E_DATA
 * where encoder or decoder make another size than `t` has; a latent_height of 0, before that is known, is any.
 *
 * The results of a part are checked before anything is computed: its status and message, its scopes, and that every node exists, belongs to
 * this graph and has the right dtype and shape; codes are checked as they are computed. TESS_E_PLUGIN, or TESS_E_SHAPE where sizes alone
 * are wrong, names kind, component, plugin and function. Where the graph has failed nothing is checked: tess_graph_seal says why. */
TESS_EXPORT TESS_CHECKED int tess_tokenizer_latent(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g,
                                                   struct tess_node *image, struct tess_node **latent);
TESS_EXPORT TESS_CHECKED int tess_tokenizer_assign(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g,
                                                   struct tess_node *latent, struct tess_node **codes);
TESS_EXPORT TESS_CHECKED int tess_tokenizer_lookup(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g,
                                                   struct tess_node *codes, struct tess_node **quantised);
TESS_EXPORT TESS_CHECKED int tess_tokenizer_quantize(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g,
                                                     struct tess_node *latent, struct tess_quantized *out);
TESS_EXPORT TESS_CHECKED int tess_tokenizer_image(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g,
                                                  struct tess_node *quantised, struct tess_node **image);
/* Input "image" u8 (rows, H, W, C); output "codes" i32 (rows, h, w), or (rows, h, w, depth) where there are levels, as everywhere here. Not
 * sealed. */
TESS_EXPORT TESS_CHECKED int tess_tokenizer_record_encode(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g);
/* Records encoding with its quantisation error: a second output "error" f32 (rows), each image's mean squared distance of latent and code,
 * or where codes lie outside the latent's space the mean square of the latent alone, which tells a model that diverged. */
TESS_EXPORT TESS_CHECKED int tess_tokenizer_record_encode_error(struct tess_context *ctx, const struct tess_tokenizer *t,
                                                                struct tess_graph *g);
/* Input "codes" i32 (rows, h, w); output "image" f32 (rows, H, W, C), unclamped. Not sealed. */
TESS_EXPORT TESS_CHECKED int tess_tokenizer_record_decode(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g);
/* Decoder with its likelihood head: quantised (rows, h, w, D) -> mean image and log sigma, both (rows, H, W, C). The caller's scope is
 * none. Fails with TESS_E_VALUE where the decoder has no head for the likelihood of images. */
TESS_EXPORT TESS_CHECKED int tess_tokenizer_record_head(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g,
                                                        struct tess_node *quantised, struct tess_node **image,
                                                        struct tess_node **log_sigma);
/* tess_tokenizer_record_decode with the likelihood head: a second output "log_sigma" f32 (rows, H, W, C). */
TESS_EXPORT TESS_CHECKED int tess_tokenizer_record_likelihood(struct tess_context *ctx, const struct tess_tokenizer *t,
                                                              struct tess_graph *g);
/* 1 where a model of these attributes has a trained likelihood head (attribute `likelihood`). */
TESS_EXPORT int tess_tokenizer_has_likelihood(const struct tess_attrs *f);
/* Digest that names the tokenizer in artefacts of its codes: the model's own, or that of the model whose encoder, quantizer and decoder it
 * has, bit for bit (attribute `tokenizer`). Codes of the two models may be exchanged. Borrowed. */
TESS_EXPORT const char *tess_tokenizer_digest(const struct tess_artefact *model);
/* tess_tokenizer_record_decode for maps of height x width codes, at least the tokenizer's own: the image is larger in proportion.
 * TESS_E_VALUE where its decoder cannot. */
TESS_EXPORT TESS_CHECKED int tess_tokenizer_record_decode_larger(struct tess_context *ctx, const struct tess_tokenizer *t,
                                                                 struct tess_graph *g, int64_t height, int64_t width);

struct tess_prior {
    uint32_t size; /* sizeof(struct tess_prior), set by the caller before it is opened */
    uint32_t reserved;
    int64_t codebook_size, height, width; /* K; L = height x width x depth */
    struct tess_instance *noise, *denoiser;
    int64_t depth;                      /* codes a position: token i is of position i / depth, level i % depth; 0: one, of K */
    int64_t level_size[TESS_DEPTH_MAX]; /* codebook size of each level, at most K; larger codes are never drawn */
    int64_t classes; /* number of label classes the denoiser is conditioned on; label `classes` is the null label; 0: unconditional */
};
/* Opens a prior from its attributes, as tess_tokenizer_open does a tokenizer. Functions, steps and vocabulary of its plugins are checked.
 * TESS_E_VALUE where the noise is causal and the denoiser cannot be, or where there are labels and the denoiser takes none. */
TESS_EXPORT TESS_CHECKED int tess_prior_open(struct tess_context *ctx, const struct tess_attrs *f, const char *where,
                                             struct tess_prior *out);
TESS_EXPORT void tess_prior_close(struct tess_prior *p);
/* Tokens of a sequence, L: height x width x depth. */
TESS_EXPORT int64_t tess_prior_tokens(const struct tess_prior *p);
/* Diffusion steps, T: the noise's own number, or L for a noise that has as many as there are tokens. */
TESS_EXPORT int64_t tess_prior_steps(const struct tess_prior *p);
/* 1 where the noise is causal: tokens are drawn in order, one a step. */
TESS_EXPORT int tess_prior_causal(const struct tess_prior *p);
/* Number of token values that the denoiser reads: K, or K + 1 where token K is the mask. */
TESS_EXPORT int64_t tess_prior_vocabulary(const struct tess_prior *p);
/* 1 where the denoiser is told the time. */
TESS_EXPORT int tess_prior_needs_time(const struct tess_prior *p);
/* Input "tokens" i32 (rows, L), "time" f32 (rows) where the noise needs it, and "label" i32 (rows) where there are classes; output "logits"
 * f32 (rows, L, K). Not sealed. Here and below the nodes that plugins give are looked at: dtype, rank and every dimension. */
TESS_EXPORT TESS_CHECKED int tess_prior_record_denoise(struct tess_context *ctx, const struct tess_prior *p, struct tess_graph *g);
/* tess_prior_record_denoise for P tokens of each sequence: a last input "positions" i32 (rows, P) says which; "logits" is (rows, P, K). */
TESS_EXPORT TESS_CHECKED int tess_prior_record_picked(struct tess_context *ctx, const struct tess_prior *p, int64_t positions,
                                                      struct tess_graph *g);
/* 1 where tess_prior_record_picked can record, and the noise can say which tokens a step draws and read their logits alone. */
TESS_EXPORT int tess_prior_picks(const struct tess_prior *p);
/* Cached decoding step of a causal prior: inputs "token" and "position" i32 (rows, 1), and "label" i32 (rows) where there are classes;
 * output "logits" f32 (rows, 1, K). `cache` holds L tokens. Not sealed. */
TESS_EXPORT TESS_CHECKED int tess_prior_record_next(struct tess_context *ctx, const struct tess_prior *p, struct tess_cache *cache,
                                                    struct tess_graph *g);
/* 1 where tess_prior_record_next can record. */
TESS_EXPORT int tess_prior_caches(const struct tess_prior *p);
/* 1 where it can sample around tokens that are known, whichever they are. */
TESS_EXPORT int tess_prior_conditions(const struct tess_prior *p);
/* Training loss of a prior: inputs "x0", "xt" i32 (rows, L), "t" f32 (rows): 1 .. T, and "label" i32 (rows) where there are classes; gives
 * loss and bound, where out->size is set. Buffers of the noise are under "noise". Not sealed. */
TESS_EXPORT TESS_CHECKED int tess_prior_record_loss(struct tess_context *ctx, const struct tess_prior *p, struct tess_graph *g,
                                                    struct tess_noise_loss *out);

/* The noise's functions of the same names (kind/noise.h), with what they give back looked at: tokens outside the vocabulary, codes outside
 * [0, K) after the last step, times outside 1 .. T, a constant that is no number, and codes of failure with no message, are
 * TESS_E_PLUGIN and name plugin and function. [any thread] */
TESS_EXPORT TESS_CHECKED int tess_prior_corrupt(struct tess_context *ctx, const struct tess_prior *p, const struct tess_stream *random,
                                                int64_t t, const int32_t *x0, int32_t *xt);
/* `tokens` is L, or that of a larger canvas. */
TESS_EXPORT TESS_CHECKED int tess_prior_start(struct tess_context *ctx, const struct tess_prior *p, const struct tess_stream *random,
                                              int64_t tokens, int32_t *x);
TESS_EXPORT TESS_CHECKED int tess_prior_reverse(struct tess_context *ctx, const struct tess_prior *p, const struct tess_reverse *r);
/* Below 0 where the noise cannot tell. */
TESS_EXPORT int64_t tess_prior_changes(const struct tess_prior *p, const struct tess_reverse *r, uint8_t *where);
TESS_EXPORT TESS_CHECKED int tess_prior_condition(struct tess_context *ctx, const struct tess_prior *p, const struct tess_reverse *r,
                                                  const uint8_t *mask, const int32_t *values);
/* 1 where the noise has a say in the times it is trained at; for such a one alone, with its buffers in `w` under "noise". */
TESS_EXPORT int tess_prior_chooses_times(const struct tess_prior *p);
TESS_EXPORT TESS_CHECKED int tess_prior_draw_time(struct tess_context *ctx, const struct tess_prior *p, struct tess_weights *w,
                                                  const struct tess_stream *random, int64_t *t);
TESS_EXPORT TESS_CHECKED int tess_prior_observe(struct tess_context *ctx, const struct tess_prior *p, struct tess_weights *w,
                                                const struct tess_noise_seen *seen); /* [one thread] */
TESS_EXPORT TESS_CHECKED int tess_prior_bound_constant(struct tess_context *ctx, const struct tess_prior *p, double *bits);

/* Codebook health over a full pass (one definition everywhere): used codes, entropy in bits, perplexity = 2^entropy, share of
 * the most frequent code. counts (K) as i64. */
struct tess_code_health {
    int64_t codebook_size, used, total;
    double entropy, perplexity, top_share;
};
TESS_EXPORT struct tess_code_health tess_code_health_of(const int64_t *counts, int64_t codebook_size);

#ifdef __cplusplus
}
#endif
#endif
