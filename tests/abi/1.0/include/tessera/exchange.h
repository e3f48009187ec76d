/* Kinds "format/1" and "checkpoint/1": weights that other programs have written, and weights for them. A format is a container of named
 * tensors and knows no model; a checkpoint is the list of names and shapes of one published architecture and knows no file. The host
 * brings them together (docs/formats.md, "Checkpoints of others").
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_EXCHANGE_H
#define TESSERA_EXCHANGE_H

#include <tessera/attributes.h>
#include <tessera/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TESS_ENTRY_RANK 8   /* dimensions, at most */
#define TESS_ENTRY_NAME 256 /* bytes of a name with its end, at most */

/* A tensor of a file, as the file names it and lays it out; row-major. */
struct tess_entry {
    const char *name;  /* no control characters */
    const char *dtype; /* "f32", "f64", "f16", "bf16"; "i64" and the like where is_real is 0 */
    int32_t is_real, rank;
    int64_t dim[TESS_ENTRY_RANK];
};

/* A file to be written: its tensors as f32, and texts that go with them. */
struct tess_format_file {
    uint32_t size;
    int32_t notes;
    int64_t entries;
    const struct tess_entry *entry;
    const char *const *note; /* key, text, key, text ...: `notes` pairs */
    void *user;
    int (*values)(void *user, struct tess_context *ctx, int64_t i, const float **out); /* of entry i; valid until the next call */
    int (*put)(void *user, struct tess_context *ctx, const void *bytes, size_t count); /* the next bytes of the file */
};

/* One instance reads one file, and is closed with it. Nothing that a file says is believed before it is checked: sizes against the
 * file's, places against each other. A failure is TESS_E_DATA and names the path. [one thread] */
struct tess_format_1 {
    uint32_t size;
    /* 1 when a file of this format may begin with these bytes (at most 64, fewer for a shorter file). */
    int (*recognises)(const uint8_t *head, size_t bytes);
    /* Reads what there is: names, which are all different, and shapes. */
    int (*open_file)(void *self, struct tess_context *ctx, const char *path);
    int64_t (*count)(void *self);
    const struct tess_entry *(*entry)(void *self, int64_t i); /* in the file's order; valid until the instance is closed */
    /* The values as f32: exact for f16 and bf16, rounded for f64; TESS_E_DATA where is_real is 0. */
    int (*read)(void *self, struct tess_context *ctx, int64_t i, float *to);
    int (*write)(void *self, struct tess_context *ctx, const struct tess_format_file *f); /* NULL: cannot be written */
};

/* How a weight lies in the file: element by element as here, ones in the shape apart (a 1 x 1 convolution is a matrix here); or a
 * convolution's kernel, (Co, Ci, Kh, Kw) there and (Co, Kh, Kw, Ci) here. */
enum { TESS_LAYOUT_SAME = 0, TESS_LAYOUT_KERNEL = 1 };

struct tess_import_use { /* what becomes of a tensor of the file */
    char ours[TESS_ENTRY_NAME]; /* the model's weight; "": it is left */
    const char *left;           /* why it is not needed; NULL with ours "": unknown, and the file is refused */
    int32_t layout;
};
struct tess_import_plan {
    uint32_t size;
    int64_t entries;
    const struct tess_entry *entry;
    const struct tess_attrs *tokenizer; /* the model whose codes a prior is of; NULL where none was given */
    struct tess_import_use *use;        /* to be filled, by entry; zeroed */
    const char *kind;                   /* to be filled: "autoencoder" or "prior" */
    struct tess_attrs *attrs;           /* to be filled: what an artefact of that kind says (docs/formats.md); the host adds the digest */
    char assumed[TESS_ENTRY_NAME];      /* to be filled: what the file does not tell and was taken from parameters; "": nothing */
};

struct tess_export_weight {
    const char *ours; /* "encoder.blocks.0.weight" */
    struct tess_tensor shape;
    char theirs[TESS_ENTRY_NAME]; /* to be filled; "": it is left */
    const char *left;             /* to be filled: why; NULL with theirs "": unknown, and the model is refused */
    int32_t layout, rank;         /* to be filled, and the shape there */
    int64_t dim[TESS_ENTRY_RANK];
};
struct tess_export_plan {
    uint32_t size;
    const char *kind;
    const struct tess_attrs *attrs;
    int64_t weights;
    struct tess_export_weight *weight;
};

/* Parameters of such a component are what its files do not tell, with the published values as defaults. [one thread] */
struct tess_checkpoint_1 {
    uint32_t size;
    /* Tells from names and shapes alone what the file is of. TESS_E_DATA says what is wrong with the list. That every weight of the model
     * is there and of the right shape is for the host to check. */
    int (*plan_import)(void *self, struct tess_context *ctx, struct tess_import_plan *p);
    /* Names and shapes there. TESS_E_VALUE for a model that the architecture cannot be. */
    int (*plan_export)(void *self, struct tess_context *ctx, struct tess_export_plan *p);
};

#ifdef __cplusplus
}
#endif
#endif
