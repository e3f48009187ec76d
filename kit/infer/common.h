/* What the stages share: graphs run over many samples, rows of an artefact, pictures and metrics. Linked into each stage's plugin.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_STAGES_COMMON_H
#define PLUGINS_STAGES_COMMON_H

#include "kit/infer/codes.h"

#include <tessera/tessera.h>

/* A graph for inference: microbatches of STAGE_MICROBATCH samples whatever the batch, so that a result never depends on it. */
enum { STAGE_MICROBATCH = 8, PICTURE_IMAGES = 64, STAGE_IMAGES_MAX = 1 << 30 /* bytes of images held in memory */ };

struct stage_graph {
    struct tess_weights *weights;
    struct tess_graph *graph;
    int64_t batch; /* samples at a time */
};
/* Weights and an empty graph; weights NULL in *s: a store of its own. */
int stage_graph_open(struct tess_context *ctx, struct stage_graph *s, uint64_t seed, int64_t batch) TESS_CHECKED;
/* The same in microbatches of `rows`, which must not depend on the batch either. */
int stage_graph_open_rows(struct tess_context *ctx, struct stage_graph *s, uint64_t seed, int64_t batch, int64_t rows) TESS_CHECKED;
void stage_graph_close(struct stage_graph *s, int owns_weights);
/* Runs `n` samples at `first`; every tensor's first dimension is cut to n. */
int stage_graph_run(struct tess_context *ctx, const struct stage_graph *s, uint32_t step, int64_t first, int64_t n, int32_t inputs,
                    const struct tess_tensor *in, int32_t outputs, struct tess_tensor *out) TESS_CHECKED;
/* The graph's cost for `samples` of them, into a plan; adds to what is there. Memory is the graph's alone: several are had at once, over
 * weights that a stage counts once (tess_weights_bytes). */
int stage_graph_cost(struct tess_context *ctx, const struct stage_graph *s, double samples, struct tess_cost *cost) TESS_CHECKED;

/* A tokenizer at work: its graphs for the directions asked for. */
enum {
    CODEC_ENCODE = 1,
    CODEC_DECODE = 2,
    CODEC_ERROR = 4,     /* encoding gives the error as well */
    CODEC_LIKELIHOOD = 8 /* decoding gives log sigma as well */
};
struct stage_codec {
    struct tess_tokenizer tokenizer;
    struct tess_weights *weights, *own; /* own: to be freed here */
    struct stage_graph encode, decode;
    int error, likelihood; /* encoding, decoding gives it */
};
/* Opens it from the attributes of a model, over `weights`, or over a store of its own when NULL. Start from zeroed memory; close in any
 * case. */
int stage_codec_open(struct tess_context *ctx, struct stage_codec *k, const struct tess_attrs *f, const char *where,
                     struct tess_weights *weights, uint64_t seed, int64_t batch, int directions) TESS_CHECKED;
void stage_codec_close(struct stage_codec *k);
/* n images u8 (n, H, W, C) -> codes i32 (n, h, w) and, where the codec gives it, error f32 (n), else left alone; and back to bytes and,
 * where `real` is not NULL, to unclamped f32. */
int stage_codec_encode(struct tess_context *ctx, const struct stage_codec *k, int64_t n, const struct tess_tensor *images,
                       struct tess_tensor *codes, struct tess_tensor *error) TESS_CHECKED;
int stage_codec_decode(struct tess_context *ctx, const struct stage_codec *k, int64_t n, const struct tess_tensor *codes,
                       struct tess_tensor *real, struct tess_tensor *images) TESS_CHECKED;
/* The way back of a codec with CODEC_LIKELIHOOD: unclamped images and the logarithms of their deviations, f32 (n, H, W, C). */
int stage_codec_likelihood(struct tess_context *ctx, const struct stage_codec *k, int64_t n, const struct tess_tensor *codes,
                           struct tess_tensor *real, struct tess_tensor *log_sigma) TESS_CHECKED;

/* Images (u8) of an artefact: in memory when they fit in a gibibyte, else read row by row. */
struct stage_images {
    const struct tess_artefact *from;
    struct tess_tensor all;   /* data NULL: not in memory */
    struct tess_tensor shape; /* of the dataset */
    size_t row;               /* bytes of an image */
    int64_t first;            /* of the dataset: the image that is number 0 here; for the caller to set */
};
/* `image`: height, width, channels that they must have; NULL: the caller looks at `shape`. */
int stage_images_open(struct tess_context *ctx, struct stage_images *s, const struct tess_artefact *a, const int64_t image[3]) TESS_CHECKED;
void stage_images_close(struct stage_images *s);
int stage_images_get(struct tess_context *ctx, const struct stage_images *s, int64_t i, uint8_t *to) TESS_CHECKED; /* [any thread] */

/* Images to measure on: those kept for validation, or all where there are none; at most `limit`, where it is not 0. */
int stage_held_out(struct tess_context *ctx, const struct tess_attrs *images, int64_t limit, int64_t *first, int64_t *count) TESS_CHECKED;

/* Keeps the first images (u8) that pass by, at most PICTURE_IMAGES, however they are cut into batches: a picture must not depend on that.
 * `kept` starts zeroed; its dim[0] is their number; the caller frees kept->data. */
int stage_keep_first(struct tess_context *ctx, struct tess_tensor *kept, const struct tess_tensor *images) TESS_CHECKED;

/* Memory for a tensor; the caller frees t->data. */
int stage_tensor(struct tess_context *ctx, struct tess_tensor *t, int32_t dtype, int32_t rank, const int64_t *dim) TESS_CHECKED;
/* byte = trunc(clamp(255 x + 1/2, 0, 255)), the published rounding. TESS_E_DATA where an x is NaN. */
int stage_to_bytes(struct tess_context *ctx, int64_t n, const float *x, uint8_t *to) TESS_CHECKED;
/* Labels, names of the images and of their classes, and which are turned over, from whatever holds them. */
int stage_carry_over(struct tess_context *ctx, const struct tess_artefact *from, struct tess_artefact *to) TESS_CHECKED;
/* Labels and names of n rows, where row i was row[i] there, and names of classes. */
int stage_carry_rows(struct tess_context *ctx, const struct tess_artefact *from, struct tess_artefact *to, int64_t n,
                     const int64_t *row) TESS_CHECKED;
/* A metric whose name ends in `suffix`. */
int stage_put_metric_as(struct tess_context *ctx, struct tess_artefact *a, const char *name, const char *suffix, double value,
                        const char *unit) TESS_CHECKED;
/* TESS_E_STOPPED with what to do, when the user asked to stop. */
int stage_check_stop(struct tess_context *ctx, const struct tess_stage_run *r, int64_t done, int64_t total, const char *unit) TESS_CHECKED;
/* Pairs of rows: `across` originals, below them their reconstructions. n u8 images each. */
int stage_put_pairs(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_tensor *originals,
                    const struct tess_tensor *reconstructions) TESS_CHECKED;
/* The same with any number of rows for each `across` images; lists[0] are the originals. */
int stage_put_rows(struct tess_context *ctx, struct tess_artefact *a, const char *name, int64_t rows,
                   const struct tess_tensor *const *lists) TESS_CHECKED;
int stage_put_sheet(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_tensor *images) TESS_CHECKED;
/* TESS_E_SHAPE unless images of these attributes are of the size the tokenizer was trained on. */
int stage_check_images(struct tess_context *ctx, const struct tess_tokenizer *t, const struct tess_attrs *images) TESS_CHECKED;

#define STAGE_BATCH_PARAM(S, m)                                                                                                     \
    {.name = "batch", .help = "samples computed at a time; changes speed and memory, not the result", .type = TESS_I64,             \
     .flags = TESS_NEUTRAL, .offset = offsetof(S, m), .lo = 1, .hi = 65536, .def = 64}

#endif
