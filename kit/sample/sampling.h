/* Support for stages that sample, beside the sampler itself: a prior with its graphs, the checkpoint of unfinished sequences, and the step
 * from one checkpoint to the next. Linked into each.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_SAMPLE_SAMPLING_H
#define KIT_SAMPLE_SAMPLING_H

#include "kit/infer/common.h"

/* Parameters of sampling, beside the number of steps. */
struct sampling_choice {
    struct tess_instance *sampler; /* kind sampler/1; NULL: `ancestral` */
    double temperature, guidance;  /* guidance: w of docs/models.md, (25.2) */
    struct tess_list labels;       /* classes that are drawn in turn, -1: none; empty: all of them */
};

/* Prior with its graphs: all tokens and picked ones, or the next token alone with the cache of those before. */
struct sampling_prior {
    struct tess_prior prior;
    struct tess_weights *weights;             /* weights of all graphs */
    struct stage_graph denoise, picked, next; /* graph NULL: not recorded */
    struct tess_cache *cache;                 /* cache of the graph `next` */
    const struct tess_instance *sampler;      /* sampler: the choice's, or `own` */
    struct tess_instance *own;
    double guidance;
    int64_t rows; /* batch rows of each sequence: 2 with guidance */
};
/* Opens a prior from attributes alone. TESS_E_VALUE where it cannot sample around known tokens and `who`, unless NULL, asks for that; where
 * the sampler is not for such a prior; where labels or guidance are of another one. Start from zeroed memory; close in any case. */
int sampling_open(struct tess_context *ctx, struct sampling_prior *p, const struct sampling_choice *choice, const char *who,
                  const struct tess_attrs *f, const char *where) TESS_CHECKED;
/* Records the graph of all tokens and, where it is of use, that of picked ones; `steps`: steps of a whole map, so that L / steps tokens are
 * drawn at a time. */
int sampling_record(struct tess_context *ctx, struct sampling_prior *p, int64_t steps, uint64_t seed, int64_t batch) TESS_CHECKED;
/* Records the graph of the next token instead, for a prior that caches. */
int sampling_record_next(struct tess_context *ctx, struct sampling_prior *p, uint64_t seed, int64_t batch) TESS_CHECKED;
void sampling_close(struct sampling_prior *p);
/* Memory of a sampler of `count` sequences in bytes: all of them, and a batch with its logits. */
int64_t sampling_bytes(const struct sampling_prior *p, int64_t count);
/* Adds to a plan the work of `calls` sequences given to the denoiser, by the graph of picked tokens where it is of use, and the memory of
 * the graph that takes most. */
int sampling_cost(struct tess_context *ctx, const struct sampling_prior *p, double calls, struct tess_cost *cost) TESS_CHECKED;
/* Adds to a plan the disk space of the codes of `count` maps of height x width, and of a checkpoint of their sampling. */
void sampling_disk(const struct sampling_prior *p, int64_t count, int64_t height, int64_t width, struct tess_stage_plan *plan);
/* 1 where steps that draw nothing are known beforehand and left out. */
int sampling_tells(const struct tess_prior *p);
/* Facts about a result for the attributes of every "samples": number and size of its maps, steps, seed. */
struct sampling_result {
    int64_t count, height, width, steps;
    uint64_t seed;
};
int sampling_describe(struct tess_context *ctx, const struct sampling_prior *p, const struct sampling_choice *choice,
                      const struct tess_attrs *prior, const struct sampling_result *made, struct tess_attrs *f) TESS_CHECKED;
/* Labels (count) i32 of sequences: the choice's in turn; `classes` for none. Left empty where the prior is told no labels. The caller frees
 * labels->data. */
int sampling_labels(struct tess_context *ctx, const struct sampling_prior *p, const struct sampling_choice *choice, int64_t count,
                    struct tess_tensor *labels) TESS_CHECKED;
/* Ports of a stage that samples from nothing: `prior`, and `model`, which may be left out. */
extern const struct tess_port sampling_ports[];
/* Reads the weights of the prior's graphs and of the tokenizer's; `model` NULL: there is none. */
int sampling_read_weights(struct tess_context *ctx, const struct sampling_prior *p, const struct tess_artefact *prior,
                          const struct stage_codec *codec, const struct tess_artefact *model) TESS_CHECKED;
/* Writes the codes of a "samples" (count, ...) i32, and their labels, where there are any. */
int sampling_put_codes(struct tess_context *ctx, struct tess_artefact *a, const struct sampling_prior *p, const struct tess_tensor *codes,
                       const struct tess_tensor *labels) TESS_CHECKED;

/* State of many sequences: tokens, steps left, and calls of the denoiser so far. All of it borrowed. */
struct sampling_state {
    struct tess_tensor x, left; /* (count, height, width), (count) i32 */
    struct tess_tensor call;    /* (count) i32: calls made in the current step of each */
    struct tess_tensor state;   /* (count, bytes) u8: state of the sampler component; data NULL: it has none */
    const struct tess_instance *sampler;
    int64_t vocabulary;
    int64_t *calls;
    struct tess_sampler *shared; /* sampler whose sequences ranks share; NULL: none */
    const int32_t *each; /* (count) steps of each at the start; NULL: `steps` */
    int64_t steps;
};
int64_t sampling_total(const struct sampling_state *s);
int64_t sampling_done(const struct sampling_state *s);
/* Writer of a checkpoint for tess_stage_checkpoint; `user` is a struct sampling_state. */
int sampling_write_checkpoint(void *user, struct tess_context *ctx, struct tess_artefact *a) TESS_CHECKED;
/* Reads the state from the stage's checkpoint, where there is one; all ranks of a run get that of rank 0. */
int sampling_resume(struct tess_context *ctx, struct tess_stage_run *r, const struct sampling_state *s) TESS_CHECKED;
/* Pause between two calls of the denoiser: writes a checkpoint when one is due; TESS_E_STOPPED when asked to stop. */
int sampling_pause(struct tess_context *ctx, struct tess_stage_run *r, struct sampling_state *s) TESS_CHECKED;
/* Runs all steps of the sampler, from the stage's checkpoint where there is one; `each` and `steps` as the sampler was made with. */
int sampling_finish(struct tess_context *ctx, struct tess_stage_run *r, const struct sampling_prior *p, struct tess_sampler *sampler,
                    const int32_t *each, int64_t steps) TESS_CHECKED;

#define SAMPLING_CHOICE_PARAMS(S, m)                                                                                                       \
    SAMPLING_TEMPERATURE_PARAM(S, m.temperature),                                                                                          \
        {.name = "sampler",                                                                                                                \
         .help = "which codes a step draws; left out: `ancestral`, the noise's own steps",                                                 \
         .type = TESS_COMPONENT,                                                                                                           \
         .flags = TESS_LATER,                                                                                                              \
         .offset = offsetof(S, m.sampler),                                                                                                 \
         .text = "sampler/1"},                                                                                                             \
        {.name = "labels",                                                                                                                 \
         .help = "classes to draw, in turn, -1: of none; left out: all of the prior's",                                                    \
         .type = TESS_LIST,                                                                                                                \
         .flags = TESS_LATER,                                                                                                              \
         .offset = offsetof(S, m.labels),                                                                                                  \
         .lo = -1,                                                                                                                         \
         .hi = 65535},                                                                                                                     \
    {                                                                                                                                      \
        .name = "guidance", .help = "w of logits (1 + w) conditional - w unconditional; 0: conditional, in half of the time",              \
        .type = TESS_F64, .flags = TESS_LATER, .offset = offsetof(S, m.guidance), .lo = 0, .hi = 100, .def = 0                             \
    }
#define SAMPLING_TEMPERATURE_PARAM(S, m)                                                                                                   \
    {                                                                                                                                      \
        .name = "temperature", .help = "logits are divided by it; below 1 likelier codes are favoured", .type = TESS_F64,                  \
        .offset = offsetof(S, m), .lo = 1e-6, .hi = 100, .def = 1                                                                          \
    }

#endif
