/* Named weights. One block a role (value, first and second moment, moving average), the same layout in each, so that an
 * optimiser is one flat loop and a checkpoint is a handful of datasets.
 *
 * A graph declares the weights it needs while it is recorded; the first declaration of a name creates it and decides whether it is trained,
 * later ones (of other graphs) must agree in shape. Memory is had at tess_weights_seal; nothing can be added after.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_WEIGHTS_H
#define TESSERA_WEIGHTS_H

#include <tessera/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tess_weights;
struct tess_artefact;

/* Initial value of a weight: value = centre + spread * draw. Draws are keyed by (seed, name, element). */
enum { TESS_INIT_CONSTANT = 0, TESS_INIT_UNIFORM = 1 /* draw in [-1, 1) */, TESS_INIT_NORMAL = 2 };
enum {
    TESS_WEIGHT_BUFFER = 1u << 0,  /* state, not trained: no gradient, no moments, no moving average */
    TESS_WEIGHT_NO_DECAY = 1u << 1, /* left out of weight decay: biases, norms, embeddings */
    TESS_WEIGHT_EXTERNAL = 1u << 2 | TESS_WEIGHT_BUFFER /* and comes from a file of its own: neither models nor checkpoints hold it */
};
struct tess_init {
    uint32_t size; /* sizeof(struct tess_init) */
    int32_t kind;
    uint32_t flags;
    double centre, spread;
};
#ifndef __cplusplus
/* A struct tess_init in place, valid to the end of the enclosing block: tess_weight(g, "bias", 1, &n, TESS_INIT(.flags =
 * TESS_WEIGHT_NO_DECAY)). */
#define TESS_INIT(...) (&(const struct tess_init){.size = sizeof(struct tess_init), __VA_ARGS__})
#endif

/* Roles, one block of memory each; all but the values are allocated on first use. */
enum { TESS_ROLE_VALUE = 0, TESS_ROLE_MOMENT1 = 1, TESS_ROLE_MOMENT2 = 2, TESS_ROLE_AVERAGE = 3, TESS_ROLES = 4 };

TESS_EXPORT TESS_CHECKED int tess_weights_new(struct tess_context *ctx, uint64_t seed, struct tess_weights **out);
TESS_EXPORT void tess_weights_free(struct tess_weights *w);
/* Reserves the value block and initialises it. Calling again does nothing. */
TESS_EXPORT TESS_CHECKED int tess_weights_seal(struct tess_context *ctx, struct tess_weights *w);

TESS_EXPORT int64_t tess_weights_count(const struct tess_weights *w);   /* number of named weights */
TESS_EXPORT int64_t tess_weights_size(const struct tess_weights *w);    /* trained elements: the parameter count */
/* Memory of all values once sealed; before, as declared so far. With what sealed graphs read rounded to bf16, which is made once for all.
 */
TESS_EXPORT int64_t tess_weights_bytes(const struct tess_weights *w);
TESS_EXPORT const char *tess_weights_name(const struct tess_weights *w, int64_t i);
/* A view (f32) of weight i or of a named one in a role; data is NULL before sealing. Fails with TESS_E_DATA for a name
 * nobody declared, TESS_E_MEMORY when a role cannot be allocated. The view is valid until the store is freed. Writing to it is
 * allowed between steps, followed by tess_weights_touch. */
TESS_EXPORT TESS_CHECKED int tess_weights_view(struct tess_context *ctx, struct tess_weights *w, int64_t i, int32_t role,
                                               struct tess_tensor *out);
TESS_EXPORT TESS_CHECKED int tess_weights_find(struct tess_context *ctx, struct tess_weights *w, const char *name, int32_t role,
                                               struct tess_tensor *out);
/* Marks the values as changed by the caller: graphs pack their copies again before the next run. */
TESS_EXPORT void tess_weights_touch(struct tess_weights *w);

/* Ends all changes, for inference: every graph over the store has been sealed, nobody keeps a view, and runs are all that follows. Values
 * that no graph reads as they are, since its products read them rounded or in a layout of the backend's, go back to the system one by one
 * as those copies are made: so the model is in memory once. A view of such a weight fails with TESS_E_VALUE from then on, as does sealing
 * one more graph that reads it. Does nothing to what a graph trains. [one thread, between runs] */
TESS_EXPORT TESS_CHECKED int tess_weights_settle(struct tess_context *ctx, struct tess_weights *w);
/* Bytes that tess_weights_settle would give back, by the graphs sealed so far: for a plan. */
TESS_EXPORT int64_t tess_weights_settled_bytes(const struct tess_weights *w);

/* Writes every weight that is not TESS_WEIGHT_EXTERNAL under /weights/NAME (slashes for dots), the role's values where it has them (a
 * buffer: its value). Reading wants each of those names, in its shape and of finite values; TESS_E_DATA names the file and the weight
 * otherwise. Seals the store. */
TESS_EXPORT TESS_CHECKED int tess_weights_write(struct tess_context *ctx, struct tess_weights *w, int32_t role, struct tess_artefact *a);
TESS_EXPORT TESS_CHECKED int tess_weights_read(struct tess_context *ctx, struct tess_weights *w, const struct tess_artefact *a);

/* The number of a weight, -1 for a name nobody declared. */
TESS_EXPORT int64_t tess_weights_index(const struct tess_weights *w, const char *name);
/* Path of the weight `name` in an artefact: encoder.blocks.0.weight -> weights/encoder/blocks/0/weight. Cut off at `capacity` bytes, the
 * closing 0 among them; TESS_WEIGHT_PATH are enough for any name. */
enum { TESS_WEIGHT_PATH = 640 };
TESS_EXPORT void tess_weights_path(const char *name, char *path, size_t capacity);
/* Reads the value of weight i alone, from the artefact's weight `as` (NULL: of its own name). TESS_E_DATA, naming the file and the
 * weight, where there is none, one of another shape, or a value that is not finite. Seals the store, and touches it. */
TESS_EXPORT TESS_CHECKED int tess_weights_read_one(struct tess_context *ctx, struct tess_weights *w, int64_t i,
                                                   const struct tess_artefact *a, const char *as);
/* Replaces the values by the moving averages, where the store has averages. */
TESS_EXPORT TESS_CHECKED int tess_weights_take_averages(struct tess_context *ctx, struct tess_weights *w);

#ifdef __cplusplus
}
#endif
#endif
