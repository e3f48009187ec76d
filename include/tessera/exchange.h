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

/* A file to be written: its tensors as f32, and texts that go with them. An entry of dtype "i64" holds whole numbers, given as f32 too. */
struct tess_format_file {
    uint32_t size;
    int32_t notes;
    int64_t entries;
    const struct tess_entry *entry;
    const char *const *note; /* key, text, key, text ...: `notes` pairs */
    void *user;
    int (*values)(void *user, struct tess_context *ctx, int64_t i, const float **out); /* values of entry i; valid until the next call */
    int (*put)(void *user, struct tess_context *ctx, const void *bytes, size_t count); /* the next bytes of the file */
    const int64_t *same; /* [entry]: an earlier entry that has the same values under another name, or -1. A format that can shares them */
    const char *within;  /* key of the dictionary of tensors inside the file's, in a format that has such; NULL: the file is that */
};

/* Place of an entry in its file: the byte it begins at, the width of a number in bytes, and what the numbers are. */
struct tess_place {
    uint32_t size;
    int32_t bytes;
    int64_t offset;
    int32_t is_signed, is_real;
};

/* Functions of a file format. An instance reads one file and is closed with it. Nothing that a file says is believed before it is checked:
 * sizes against the file's, places against each other. A failure is TESS_E_DATA and names the path. [one thread] */
struct tess_format_1 {
    uint32_t size;
    /* 1 when a file of this format may begin with these bytes (at most 64, fewer for a shorter file). */
    int (*recognises)(const uint8_t *head, size_t bytes);
    /* Reads the list of tensors: names, which are all different, and shapes. */
    int (*open_file)(void *self, struct tess_context *ctx, const char *path);
    int64_t (*count)(void *self);
    const struct tess_entry *(*entry)(void *self, int64_t i); /* in the file's order; valid until the instance is closed */
    /* Reads the values of entry i as f32: exact for f16 and bf16, rounded for f64; TESS_E_DATA where is_real is 0. */
    int (*read)(void *self, struct tess_context *ctx, int64_t i, float *to);
    int (*write)(void *self, struct tess_context *ctx, const struct tess_format_file *f); /* NULL: cannot be written */
    /* A sentence for the person who reads the file: which of several dictionaries it has was taken. "" or NULL: there is none to say. Valid
     * until the instance is closed. The function NULL: never any. */
    const char *(*remark)(void *self);
    /* Gives the place in the file of entry i, one run of little-endian numbers whose last dimension varies fastest, for arrays that are
     * read a part at a time, such as codes. TESS_E_DATA where the entry is stored otherwise. NULL: all entries are. */
    int (*place)(void *self, struct tess_context *ctx, int64_t i, struct tess_place *out);
    const char *endings; /* "pt pth": endings of the names of its files beside its own name, for writing; NULL: none */
    /* Reads `count` of the values of entry i from value `first` on, as `read` does, so that a large tensor needs no memory of its own. An
     * entry is read from its first value to its last, piece by piece, and what is wrong with it is told at its last one at the latest.
     * NULL: entries are read whole. */
    int (*read_part)(void *self, struct tess_context *ctx, int64_t i, int64_t first, int64_t count, float *to);
};

/* Memory layout of a weight in the file. SAME: the elements in the order of this program's weight; shapes may differ by dimensions of 1 (a
 * 1 x 1 convolution is a matrix here). KERNEL: a convolution's kernel, (Co, Ci, Kh, Kw) in the file and (Co, Kh, Kw, Ci) here. */
enum { TESS_LAYOUT_SAME = 0, TESS_LAYOUT_KERNEL = 1 };

struct tess_import_use { /* destination of a tensor of the file */
    char ours[TESS_ENTRY_NAME]; /* name of the model's weight; "": the tensor is skipped */
    const char *left;           /* reason for skipping; NULL with ours "": the tensor is unknown, and the file is refused */
    int32_t layout;
};
struct tess_import_plan {
    uint32_t size;
    int64_t entries;
    const struct tess_entry *entry;
    const struct tess_attrs *tokenizer; /* attributes of the tokenizer that a prior's codes came from; NULL where none was given */
    struct tess_import_use *use;        /* to be filled, by entry; zeroed */
    const char *kind;                   /* to be filled: "autoencoder" or "prior" */
    struct tess_attrs *attrs;           /* to be filled: attributes of such an artefact (docs/formats.md); the host adds the digest */
    char assumed[TESS_ENTRY_NAME];      /* to be filled: settings that the file does not tell and parameters gave; "": none */
    char warning[TESS_ENTRY_NAME];      /* to be filled: those of them that make other codes or samples without any error; "": none */
    const int64_t *order;               /* entries by name: entry[order[0]] is the first */
    const struct tess_attrs *settings;  /* numbers and texts at the top of the config.json beside the weights; NULL: there is none */
};

struct tess_export_weight {
    const char *ours; /* "encoder.blocks.0.weight" */
    struct tess_tensor shape;
    char theirs[TESS_ENTRY_NAME]; /* to be filled: name in the file; "": the weight is skipped */
    const char *left;             /* to be filled: reason for skipping; NULL with theirs "": unknown, and the model is refused */
    int32_t layout, rank;         /* to be filled, with `dim`: layout and shape in the file */
    int64_t dim[TESS_ENTRY_RANK];
};
/* A tensor that the architecture's own program has and the model here has not: idle weights, statistics, masks, second names. */
struct tess_export_extra {
    uint32_t size;
    int32_t rank;
    const char *theirs, *dtype; /* dtype: "f32" or "i64"; copied */
    int64_t dim[TESS_ENTRY_RANK];
    const float *values; /* copied; NULL: all are `value` */
    float value;
    int32_t is_same; /* 1: the values of weight `weight` under another name; shape and values above are not looked at */
    int64_t weight;
};
struct tess_export_plan {
    uint32_t size;
    const char *kind;
    const struct tess_attrs *attrs;
    int64_t weights;
    struct tess_export_weight *weight;
    /* Adds a tensor to the file, after all weights. NULL: none is wanted. */
    int (*add)(void *host, struct tess_context *ctx, const struct tess_export_extra *t);
    void *host;
    const char *within; /* to be filled: as of struct tess_format_file; a constant */
};

/* Functions of a published architecture. The component's parameters are the settings that its files do not tell, with the published values
 * as defaults. [one thread] */
struct tess_checkpoint_1 {
    uint32_t size;
    /* Recognises the model from names and shapes alone and fills the plan. TESS_E_DATA says what is wrong with the list. The host checks
     * that every weight of the model is there and of the right shape. */
    int (*plan_import)(void *self, struct tess_context *ctx, struct tess_import_plan *p);
    /* Names and shapes of the model's weights in the file, and what else its program wants there. TESS_E_VALUE for a model that the
     * architecture cannot be. */
    int (*plan_export)(void *self, struct tess_context *ctx, struct tess_export_plan *p);
};

#ifdef __cplusplus
}
#endif
#endif
