/* A sweep: one pipeline with many sets of overrides, its variants, and what became of each.
 *
 * A sweep of the pipeline NAME is the folder runs/NAME with sweep.yaml and a run's folder for each variant, runs/NAME/VARIANT, as any
 * run's. sweep.yaml follows from the pipeline's file and the command line, so whoever runs the same sweep writes the same bytes;
 * outcome.yaml in a variant's folder is written by the process that ran it. SPDX-License-Identifier: MIT */
#ifndef TESSI_SWEEP_H
#define TESSI_SWEEP_H

#include "core/config/config.h"

/* A value of an axis: its text in tables ("64", "ema"), and the overrides that it stands for ("K=64"); a named choice may have several, or
 * none. */
struct tessi_sweep_value {
    char *text;
    int64_t sets;
    char **set;
};

struct tessi_sweep_axis {
    char *name; /* "K", "tokenizer.quantizer.use", or the name of a choice */
    int64_t count;
    struct tessi_sweep_value *value;
    int64_t formers; /* values that the file has, where the command line gave others */
    struct tessi_sweep_value *former;
    int64_t zip; /* first axis of those that take their values together; its own index where there is no other */
};

struct tessi_sweep_variant {
    char *name;  /* "K=64,quantizer=ema,seed=1": the folder below the sweep's */
    int64_t *at; /* index of its value, by axis */
    int64_t sets;
    char **set; /* overrides of the variant, without those of the whole sweep */
};

struct tessi_sweep {
    char *pipeline;      /* path of the YAML file, absolute */
    char *name, *folder; /* "ablation/x", WORKDIR/runs/ablation/x */
    int64_t overrides;   /* overrides of all variants */
    char **override;
    int64_t axes;
    struct tessi_sweep_axis *axis;
    int64_t seed_axis; /* axis that repeats each variant with another seed; -1: none */
    int64_t *baseline; /* index of the value that others are compared with, by axis; -1: none said */
    int64_t variants;
    struct tessi_sweep_variant *variant;
    int64_t excluded; /* names of the combinations that were excluded */
    char **exclude;
    int64_t duplicates; /* variants whose stages are all those of an earlier one; not among `variant` */
    struct tessi_sweep_duplicate {
        char *name, *of;
    } * duplicate;
    int64_t notes; /* remarks for the user on how it was written; not in the file */
    char **note;
    void *memory; /* blocks that all of this lies in */
};

/* Sweep as the command line tells it. */
struct tessi_sweep_options {
    const char *path;    /* path of the pipeline */
    const char *workdir; /* NULL: the current folder */
    int64_t words; /* "K=64,256", "steps=range(1, 4)": axes; "steps=100", of one value: overrides of all variants, unless the file has */
    const char *const *word; /* an axis of that name, whose values these then are */
    int64_t zips;            /* "K,batch": axes whose values go together */
    const char *const *zip;
    int64_t excludes; /* "K=64,quantizer=ema": combinations to leave out */
    const char *const *exclude;
    const char *baseline; /* "quantizer=nearest"; NULL: the file's */
};

/* Reads `sweep:` of the file and the command line, and lists all variants: the product of the axes, the last one fastest, without what is
 * excluded. Opens no plugin. TESS_E_USAGE names the place. To be freed in any case. */
int tessi_sweep_define(struct tess_context *ctx, const struct tessi_sweep_options *o, struct tessi_sweep **out) TESS_CHECKED;
void tessi_sweep_free(struct tessi_sweep *s);

/* Writes FOLDER/sweep.yaml, unless it is there with the same bytes. */
int tessi_sweep_write(struct tess_context *ctx, const struct tessi_sweep *s) TESS_CHECKED;
/* Reads FOLDER/sweep.yaml; `name` and `folder` are FOLDER. TESS_E_IO where there is none, TESS_E_DATA for another file of that name. */
int tessi_sweep_read(struct tess_context *ctx, const char *folder, struct tessi_sweep **out) TESS_CHECKED;

enum { TESSI_SWEEP_NOT_RUN = 0, TESSI_SWEEP_DONE = 1, TESSI_SWEEP_FAILED = 2, TESSI_SWEEP_STOPPED = 3 };

/* Outcome of one variant, runs/NAME/VARIANT/outcome.yaml. */
struct tessi_sweep_outcome {
    int32_t outcome;
    char stage[80];    /* stage where it failed or was stopped; "" otherwise, or where it failed before any stage */
    char reason[2048]; /* in one line */
    double seconds;    /* spent on those of its stages that were computed by the process that wrote this */
};

/* Reads and writes outcome.yaml; without that file the outcome is TESSI_SWEEP_NOT_RUN. */
int tessi_sweep_outcome_read(struct tess_context *ctx, const char *folder, struct tessi_sweep_outcome *out) TESS_CHECKED;
int tessi_sweep_outcome_write(struct tess_context *ctx, const char *folder, const struct tessi_sweep_outcome *o) TESS_CHECKED;

/* 1 where a value on the command line is several: a list with commas outside of quotes and brackets, or a range. */
int tessi_sweep_is_several(const char *value);

#endif
