/* Kind "denoiser/1": the network that tells of noised tokens what the codes were. K codes, L = height x width x depth tokens a sequence;
 * tokens are i32 in [0, vocabulary), logits f32.
 *
 * Functions that record do so under the scope the caller set ("denoiser"); nodes belong to the graph, calls come from one thread at a time.
 * Functions that return int give TESS_OK, or a code whose message is in the context. The host checks the logits' dtype and shape when a
 * pipeline is planned.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_KIND_DENOISER_H
#define TESSERA_KIND_DENOISER_H

#include <tessera/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tess_denoiser_input {
    uint32_t size;
    struct tess_node *tokens;                         /* (N, L) i32 in [0, vocabulary) */
    struct tess_node *time;                           /* (N) f32, t / T; NULL where the noise does not need it */
    int64_t vocabulary, codebook_size, height, width; /* L = height x width x depth, row-major */
    struct tess_node *positions; /* (N, P) i32 in [0, L): the tokens whose logits are wanted; NULL: all, in order, and P is L */
    int32_t causal;              /* 1: logits of token i depend on tokens 0 .. i - 1 alone, those of token 0 on none */
    int32_t reserved;
    int64_t depth; /* codes a position: token i is of position i / depth, level i % depth; 1 or 0, but for `reads_depth` */
    struct tess_node *label; /* (N) i32 in [0, classes]: what each sequence is of; `classes` itself is the null label, of none that is told.
                              * NULL: the prior knows of no labels, and weights for them are not declared */
    int64_t classes;         /* 0 where `label` is NULL */
};

/* Input of record_next: the previous token of each sequence; a cache keeps the keys and values of the tokens before. */
struct tess_denoiser_next {
    uint32_t size;
    struct tess_node *token;    /* (N, 1) i32 in [0, vocabulary): the token before `position`; at position 0, where there is none, any */
    struct tess_node *position; /* (N, 1) i32 in [0, L): the token whose logits are wanted */
    struct tess_cache *cache;   /* key-value cache for L tokens; for tess_attention_cached */
    int64_t vocabulary, codebook_size, height, width;
    int64_t depth;           /* as in struct tess_denoiser_input */
    struct tess_node *label; /* (N), as in struct tess_denoiser_input */
    int64_t classes;
};

struct tess_denoiser_1 {
    uint32_t size;
    /* logits (N, P, K): row p are those of token positions[p], as they are without `positions`. */
    int (*record)(void *self, struct tess_context *ctx, struct tess_graph *g, const struct tess_denoiser_input *in,
                  struct tess_node **logits);
    int32_t picks_positions; /* 1: heeds `positions`; 0: is never given any */
    int32_t reserved;
    int32_t causal; /* 1: heeds `causal`; 0: serves no noise that is causal */
    int32_t reserved_1;
    /* Records one step of cached decoding, for causal denoisers. NULL: sampling computes the whole sequence for each token. logits (N, 1,
     * K): those that `record` gives of token `position`, but for rounding, when run for positions 0, 1, .. in turn. Declares the same
     * weights. */
    int (*record_next)(void *self, struct tess_context *ctx, struct tess_graph *g, const struct tess_denoiser_next *in,
                       struct tess_node **logits);
    int32_t reads_depth; /* 1: heeds `depth`; 0: serves no codes of several levels */
    int32_t reserved_2;
    int32_t takes_labels; /* 1: heeds `label`; 0: is never given any */
    int32_t reserved_3;
};

#ifdef __cplusplus
}
#endif
#endif
