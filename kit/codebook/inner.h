/* A quantizer inside another one: components may hold components of their own kind. Queries and calls of the inner quantizer for its
 * wrapper, and functions that delegate to it.
 *
 *     struct mine { struct tess_instance *quantizer; };
 *     TESS_PARAM_COMPONENT(struct mine, quantizer, TESS_REQUIRED, "quantizer/1", "...")
 *
 * The inner quantizer records under the scope that is open: a wrapper that opens none has weights of the same names.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_CODEBOOK_INNER_H
#define KIT_CODEBOOK_INNER_H

#include <tessera/kind/quantizer.h>
#include <tessera/plugin.h>

/* Checks that the inner quantizer's table has what every quantizer has: TESS_E_PLUGIN, naming the wrapper, where it lacks something. For a
 * wrapper's open. */
int inner_check(struct tess_context *ctx, const char *wrapper, const struct tess_instance *q) TESS_CHECKED;

int64_t inner_codebook_size(const struct tess_instance *q);
int64_t inner_code_dim(const struct tess_instance *q);
int64_t inner_depth(const struct tess_instance *q);
int64_t inner_level_size(const struct tess_instance *q, int64_t level);
int inner_outside_latent_space(const struct tess_instance *q);
int inner_reacts(const struct tess_instance *q); /* 1 when the inner quantizer has something to do after a step */

/* Calls of the inner quantizer's functions. A status other than TESS_OK comes with a message. */
int inner_record(struct tess_context *ctx, const struct tess_instance *q, struct tess_graph *g, struct tess_node *latent,
                 struct tess_quantized *out) TESS_CHECKED;
int inner_assign(struct tess_context *ctx, const struct tess_instance *q, struct tess_graph *g, struct tess_node *latent,
                 struct tess_node **codes) TESS_CHECKED;
int inner_lookup(struct tess_context *ctx, const struct tess_instance *q, struct tess_graph *g, struct tess_node *codes,
                 struct tess_node **quantised) TESS_CHECKED;
int inner_react(struct tess_context *ctx, const struct tess_instance *q, const struct tess_react *r) TESS_CHECKED; /* optional */
int inner_rebuild(struct tess_context *ctx, const struct tess_instance *q, const struct tess_tensor *pool, uint64_t seed,
                  struct tess_tensor *codebook) TESS_CHECKED; /* TESS_E_VALUE where it cannot rebuild */

/* Defines functions NAME_... for the wrapper's table that delegate to the quantizer given by of(self): all but record. */
#define INNER_FUNCTIONS(name, of)                                                                                                          \
    static int64_t name##_codebook_size(void *self)                                                                                        \
    {                                                                                                                                      \
        return inner_codebook_size(of(self));                                                                                              \
    }                                                                                                                                      \
    static int64_t name##_code_dim(void *self)                                                                                             \
    {                                                                                                                                      \
        return inner_code_dim(of(self));                                                                                                   \
    }                                                                                                                                      \
    static int64_t name##_depth(void *self)                                                                                                \
    {                                                                                                                                      \
        return inner_depth(of(self));                                                                                                      \
    }                                                                                                                                      \
    static int64_t name##_level_size(void *self, int64_t level)                                                                            \
    {                                                                                                                                      \
        return inner_level_size(of(self), level);                                                                                          \
    }                                                                                                                                      \
    static int name##_outside(void *self)                                                                                                  \
    {                                                                                                                                      \
        return inner_outside_latent_space(of(self));                                                                                       \
    }                                                                                                                                      \
    static int name##_assign(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent,                         \
                             struct tess_node **codes)                                                                                     \
    {                                                                                                                                      \
        return inner_assign(ctx, of(self), g, latent, codes);                                                                              \
    }                                                                                                                                      \
    static int name##_lookup(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *codes,                          \
                             struct tess_node **quantised)                                                                                 \
    {                                                                                                                                      \
        return inner_lookup(ctx, of(self), g, codes, quantised);                                                                           \
    }                                                                                                                                      \
    static int name##_react(void *self, struct tess_context *ctx, const struct tess_react *r)                                              \
    {                                                                                                                                      \
        return inner_react(ctx, of(self), r);                                                                                              \
    }                                                                                                                                      \
    static int name##_rebuild(void *self, struct tess_context *ctx, const struct tess_tensor *pool, uint64_t seed,                         \
                              struct tess_tensor *codebook)                                                                                \
    {                                                                                                                                      \
        return inner_rebuild(ctx, of(self), pool, seed, codebook);                                                                         \
    }

#endif
