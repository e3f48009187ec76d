/* Results of runs, collected for tables, comparisons and reports.
 *
 * A run's folder has resolved.yaml, STAGE.h5, pictures and log.jsonl; a sweep's folder has sweep.yaml and a run's folder for each variant.
 * The collected data are small: settings, metrics, and the log's record of each stage. Weights, curves and pictures stay in the artefacts,
 * whose paths are here. Metrics are taken from the log's record of a result where that is of the file in the folder (equal size and time:
 * artefacts are not changed after they are written), else from the artefact; the values are the same either way.
 *
 * Everything that is collected lies in the memory of its set and goes with it. All texts are as their files have them, untrusted: a printer
 * escapes them for its format. [one thread] SPDX-License-Identifier: MIT */
#ifndef TESSI_COLLECT_H
#define TESSI_COLLECT_H

#include <tessera/base.h>

/* A setting of a run, flattened: "tokenizer.quantizer.use" is "ema". Lists are one setting, as YAML flow text. */
struct tessi_report_setting {
    const char *name, *text;
};

struct tessi_report_metric {
    const char *stage; /* name of the stage in the pipeline */
    const char *name;  /* "reconstruction PSNR" */
    const char *unit;  /* "dB"; "" for none */
    int32_t better;    /* TESS_METRIC_LOWER, TESS_METRIC_HIGHER, 0: neither, or not told */
    double value;
    double standard_error; /* standard error of `value`, told by the metric itself; < 0: none */
    double low, high;      /* 95 % interval, told by the metric itself; low > high: none */
    /* Measuring conditions. Values of two metrics may be compared where `protocol` is equal and `against` is. A metric of a stage that
     * measures (whose artefact is of kind "metrics") has its component, version and parameters in `protocol`, and in `against` the digests
     * of its measuring data: images and feature networks that no model of the pipeline had a part in, and files from outside the pipeline.
     * Other stages' metrics are properties of their own result ("parameters", "codes used"): both are "". */
    const char *protocol;
    const char *against; /* a line each, "PORT DIGEST" */
};

struct tessi_report_input {
    const char *port;   /* "images"; "files read": the stage's outside files together */
    const char *from;   /* stage or file it is connected to, as resolved.yaml says; NULL: not told */
    const char *digest; /* content digest */
};

/* State of a stage's result. */
enum {
    TESSI_REPORT_ABSENT = 0,   /* there is no artefact in the run's folder: not run, or left */
    TESSI_REPORT_COMPUTED = 1, /* computed by the folder's last run that had it */
    TESSI_REPORT_CACHED = 2,   /* taken from the cache by it: computed by another run, or an earlier one here */
    TESSI_REPORT_UNLOGGED = 3  /* the artefact is there, and the log does not tell of it */
};

struct tessi_report_stage {
    const char *name; /* in the order of resolved.yaml, which is that of execution */
    const char *use;  /* component: "train-autoencoder" */
    int32_t state;
    const char *path; /* artefact, FOLDER/STAGE.h5; NULL where absent. The four below, and inputs, are "" (0) where absent */
    const char *kind, *key, *digest;
    const char *parameters; /* with every default, as YAML flow text; of an absent result as resolved.yaml has them */
    const char *plugin;     /* "stage/1 encode, tessera-encode 0.1.0; encoder/1 conv, ..." */
    const char *numeric_mode;
    const char *tool;                 /* "tessera 0.1.0" */
    const char *seed;                 /* seed that it was given; "0" where it draws nothing */
    const char *files;                /* files read from outside, "DIGEST PATH", a line each; "": none */
    const char *warning;              /* warnings of its making; "": none */
    double seconds;                   /* time of computing the stage, by whichever run here did last; < 0: not told */
    double flop, waited_seconds;      /* floating-point operations of that, as planned, < 0: not told; and its waits for others, 0: none */
    double planned_seconds;           /* prediction of that when it was begun; < 0: none */
    double cached_seconds;            /* time of taking it from the cache; < 0: not told */
    double planned_bytes, peak_bytes; /* peak of the process's memory; < 0: not told */
    int64_t inputs;
    struct tessi_report_input *input;
    int64_t pictures;
    const char **picture;      /* names, as in the artefact's /pictures */
    const char **picture_path; /* files in the run's folder, which may be gone */
    int64_t attributes;
    struct tessi_report_setting *attribute; /* the artefact's attributes as texts */
};

/* End of an attempt at a stage. */
enum {
    TESSI_REPORT_RUNNING = 0, /* the log has no end of it: at work, or killed */
    TESSI_REPORT_DONE = 1,
    TESSI_REPORT_TAKEN = 2, /* from the cache */
    TESSI_REPORT_STOPPED = 3,
    TESSI_REPORT_FAILED = 4,
    TESSI_REPORT_WAITED = 5 /* no attempt: the stage waited, for `text` */
};

/* An execution of a stage as the log tells it, in the order of the log: for timelines. */
struct tessi_report_attempt {
    const char *stage, *run; /* `run` names the process's run: "0123456789ab" */
    int32_t how;
    int resumed;       /* 1: from a checkpoint */
    double start, end; /* seconds since 1970, UTC; end: of the last line there is */
    const char *text;  /* message of a failure, or what it waited for; "" */
};

/* Values that the pipeline names for comparison, as a paper's. */
struct tessi_report_reference {
    const char *name;
    int64_t metrics;
    struct tessi_report_setting *metric; /* "frechet distance" and "6.1" */
    int64_t settings;
    struct tessi_report_setting *setting; /* settings that the values are for: "samples.steps" and "256" */
};

/* Outcome of a run as a whole. */
enum {
    TESSI_REPORT_NOT_RUN = 0, /* a variant that nothing was done for, or a log that has no end yet */
    TESSI_REPORT_FINISHED = 1,
    TESSI_REPORT_BROKEN = 2, /* failed: `reason` */
    TESSI_REPORT_HALTED = 3  /* stopped; resumes with the same command */
};

struct tessi_report_run {
    const char *name;   /* a variant's name, "K=64,seed=1"; else the pipeline's name, or the folder's where that is unknown */
    const char *folder; /* as it was given, or SWEEP/VARIANT */
    int64_t sweep;      /* index of its sweep in the set; -1: a run by itself */
    int64_t variant;    /* index of the variant in the sweep */
    const char *seed;   /* the pipeline's seed; "" unknown */
    int64_t values;     /* value of a sweep's variant on each axis, in the order of the axes */
    const char **value;
    int64_t sets; /* overrides of a sweep's variant, "K=64" */
    const char **set;
    int64_t overrides; /* overrides on the command line of the last run */
    const char **override;
    int64_t settings;
    struct tessi_report_setting *setting; /* "seed", "backend", "precision", then by stage: use, in.PORT, parameters */
    int64_t stages;
    struct tessi_report_stage *stage;
    int64_t metrics;
    struct tessi_report_metric *metric; /* by stage, in the order written */
    int64_t references;
    struct tessi_report_reference *reference;
    int32_t outcome;
    const char *failed_stage; /* stage where the run failed or was stopped; "" */
    const char *reason;       /* one line; "" */
    int diverged;             /* 1: a stage's warning says that a training diverged, or that its result is of no use */
    double seconds;           /* seconds of the last run, as the log tells; < 0: not told */
    const char *pipeline;     /* path of the YAML file; "" unknown */
    const char *started;      /* time of its last run's first line, "2026-01-02T03:04:05.678Z"; "" */
    int64_t threads;          /* threads of the last run; 0: unknown */
    const char *processor;    /* name of the processor of the last run; "" unknown */
    int64_t attempts;
    struct tessi_report_attempt *attempt;
};

struct tessi_report_axis {
    const char *name; /* "K", "tokenizer.quantizer.use", or the name of a choice */
    int64_t values;
    const char **value; /* texts for tables */
};

struct tessi_report_sweep {
    const char *name, *folder, *pipeline;
    int64_t axes;
    struct tessi_report_axis *axis;
    int64_t seed_axis; /* axis that repeats a variant with another seed; -1: none */
    int64_t *baseline; /* index of the value that others are compared with, by axis; -1: none said */
    int64_t overrides; /* overrides of all variants */
    const char **override;
    int64_t duplicates; /* variants left out, as they are another by another name: "NAME is OTHER" */
    const char **duplicate;
    int64_t excluded;
    const char **exclude;
};

struct tessi_report_memory;
struct tessi_report_set {
    int64_t sweeps;
    struct tessi_report_sweep *sweep;
    int64_t runs; /* in the order given; the variants of a sweep in its own */
    struct tessi_report_run *run;
    int64_t notes; /* remarks for the user: a log line that could not be read, an artefact that was damaged */
    const char **note;
    struct tessi_report_memory *memory;
};

/* Collects the runs of n folders, each a run's or a sweep's. An artefact or log that cannot be read is a note and leaves what it would have
 * told empty. TESS_E_USAGE for a path that is no such folder, with what to name instead. `set` is to be freed in any case. */
int tessi_report_collect(struct tess_context *ctx, const char *const *paths, int64_t n, struct tessi_report_set *set) TESS_CHECKED;
void tessi_report_free(struct tessi_report_set *set);

/* Standard error of a metric's value: the one that it tells, else half of its 95 % interval over 1.96; < 0: it tells neither. */
double tessi_report_metric_error(const struct tessi_report_metric *m);
/* Text of a setting, NULL where the run has none of that name; the stage of that name, likewise. */
const char *tessi_report_setting_text(const struct tessi_report_run *run, const char *name);
const struct tessi_report_stage *tessi_report_stage_named(const struct tessi_report_run *run, const char *name);

/* Memory in a set, zeroed; a copy of a text in it; printf into it. */
int tessi_report_alloc(struct tess_context *ctx, struct tessi_report_set *set, size_t bytes, void **out) TESS_CHECKED;
int tessi_report_text(struct tess_context *ctx, struct tessi_report_set *set, const char *text, const char **out) TESS_CHECKED;
int tessi_report_format(struct tess_context *ctx, struct tessi_report_set *set, const char **out, const char *format, ...) TESS_CHECKED
    TESS_PRINTF(4, 5);
/* Adds a remark, unless the set has it. */
int tessi_report_note(struct tess_context *ctx, struct tessi_report_set *set, const char *format, ...) TESS_CHECKED TESS_PRINTF(3, 4);

#endif
